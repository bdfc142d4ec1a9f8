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

#define HIPTI_CHECK_AT(level, condition)                      \
    do {                                                      \
        if (HIPT_CHECK >= (level) && !(condition)) {          \
            HIPT_PORT_PANIC(#condition, __FILE__, __LINE__);  \
        }                                                     \
    } while (0)

#define HIPTI_REQUIRE(condition) HIPTI_CHECK_AT(1, condition)   /* the caller's promise */
#define HIPTI_INVARIANT(condition) HIPTI_CHECK_AT(2, condition) /* ours */
#define HIPTI_WALK(condition) HIPTI_CHECK_AT(3, condition)      /* ours, at the price of a walk */

#endif
