/* SPDX-License-Identifier: MIT */
/*
 * The kernel's integers, for headers that ask for C's. The compiler's own stdint.h cannot stand beside them: it says
 * unsigned long where the kernel says unsigned long long.
 */
#ifndef HIPT_LINUX_STDINT_H
#define HIPT_LINUX_STDINT_H

#include <linux/limits.h>
#include <linux/types.h>

#define UINT32_MAX U32_MAX
#define UINT64_MAX U64_MAX
#define UINT32_C(number) number##U
#define UINT64_C(number) number##ULL

#endif
