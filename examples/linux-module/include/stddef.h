/* SPDX-License-Identifier: MIT */
/* The kernel's size_t, NULL and offsetof, for headers that ask for C's. */
#ifndef HIPT_LINUX_STDDEF_H
#define HIPT_LINUX_STDDEF_H

#include <linux/stddef.h>
#include <linux/types.h>

#endif
