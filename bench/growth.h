/* SPDX-License-Identifier: MIT */
/*
 * A table that grows under lookups: one thread looks up pages that are mapped, another maps further ones at an even
 * pace, and each operation is timed by itself. The loops are the implementation's (loops.h, in C++ too); what to do
 * next, and where to count what it took, they ask here, off the clock.
 */
#ifndef BENCH_GROWTH_H
#define BENCH_GROWTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct bench_growth;

/* ns since some instant; all loads before it are done. */
uint64_t bench_clock(void);

/* The thread that looks up. => false: enough */
bool bench_growth_next_lookup(struct bench_growth *growth, uint64_t *key);
void bench_growth_looked_up(struct bench_growth *growth, uint64_t ns, bool right);

/* The thread that maps. => false: enough */
bool bench_growth_next_insert(struct bench_growth *growth, uint64_t *key);
void bench_growth_inserted(struct bench_growth *growth, uint64_t ns, bool right);

#ifdef __cplusplus
}
#endif

#endif
