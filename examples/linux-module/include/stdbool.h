/* SPDX-License-Identifier: MIT */
/* The kernel's bool, true and false, for headers that ask for C's. */
#ifndef HIPT_LINUX_STDBOOL_H
#define HIPT_LINUX_STDBOOL_H

#include <linux/types.h>

#endif
