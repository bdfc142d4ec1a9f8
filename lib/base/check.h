/* SPDX-License-Identifier: MIT */
/*
 * Assertions in three prices, for bugs only, never for scarcity or bad input. -DHIPT_CHECK=1 checks what a caller has
 * promised, 2 also local invariants of one word or line, 3 also those that take a walk over a list. Failing calls the
 * port's panic. The whole structure is checked by hipt_table_is_valid(), when a test asks for it.
 */
#ifndef HIPT_BASE_CHECK_H
#define HIPT_BASE_CHECK_H

#ifndef HIPT_CHECK
#define HIPT_CHECK 0
#endif

#define HIPTI_CHECKED(condition)                             \
    do {                                                     \
        if (!(condition)) {                                  \
            HIPT_PORT_PANIC(#condition, __FILE__, __LINE__); \
        }                                                    \
    } while (0)

/* The caller's promise. */
#if HIPT_CHECK >= 1
#define HIPTI_REQUIRE(condition) HIPTI_CHECKED(condition)
#else
#define HIPTI_REQUIRE(condition) ((void)0)
#endif

/* Ours. */
#if HIPT_CHECK >= 2
#define HIPTI_INVARIANT(condition) HIPTI_CHECKED(condition)
#else
#define HIPTI_INVARIANT(condition) ((void)0)
#endif

/* Ours, at the price of a walk. */
#if HIPT_CHECK >= 3
#define HIPTI_WALK(condition) HIPTI_CHECKED(condition)
#else
#define HIPTI_WALK(condition) ((void)0)
#endif

#endif
