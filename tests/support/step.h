/* SPDX-License-Identifier: MIT */
/* The steps of the stepped library, as a test sees them. */
#ifndef TEST_SUPPORT_STEP_H
#define TEST_SUPPORT_STEP_H

#include <stdint.h>

/* Give the processor away before one of @steps accesses to shared state, at random; 0: never. */
void step_yield_one_in(unsigned steps);

/* => about how many accesses all threads have made. */
uint64_t step_count(void);

void hipt_port_step(const char *operation, const volatile void *word, const char *file, int line);

#endif
