/* SPDX-License-Identifier: MIT */
/*
 * Criterion under ThreadSanitizer. Criterion maps an arena for its own allocator at an address that it draws with
 * rand_r(): 0x200000000000 + (r << 24), for a 15-bit or wider r. Most of those lie outside the ranges that
 * ThreadSanitizer lets a program use on x86-64, and the start of the test binary fails. This rand_r, found before
 * libc's because the binary is linked with -rdynamic, only returns numbers whose address falls into the range from
 * 0x567000000000 on, which is allowed; consecutive calls give distinct ones, 16 MiB apart, as a retry needs.
 */
#include <stdlib.h>

#define ARENA_BASE 0x200000000000ull
#define ALLOWED_BASE 0x567000000000ull
#define ARENA_SHIFT 24

int rand_r(unsigned *seed);

int rand_r(unsigned *seed)
{
    unsigned long long k = (*seed)++ % 256;

    return (int)((ALLOWED_BASE + (k << ARENA_SHIFT) - ARENA_BASE) >> ARENA_SHIFT);
}
