/* SPDX-License-Identifier: MIT */
/* The probes of a round, drawn before the clock starts; every implementation is given the same. */
#ifndef BENCH_DRAW_H
#define BENCH_DRAW_H

#include <stddef.h>
#include <stdint.h>

#include "keys.h"

/* What is drawn from, and where to: @count probes for each of @threads threads, one thread after the other. */
struct bench_draw {
    struct bench_keys *keys;
    unsigned threads;
    size_t count;
    struct bench_random *random;
    uint64_t *probes;
    unsigned argument; /* the workload's */
};

/* Keys that are there, or are not, each as often as the others. */
void bench_draw_present(const struct bench_draw *draw);
void bench_draw_absent(const struct bench_draw *draw);

/* Keys that are there, the k-th most frequent one with a weight of k^-0.99. */
void bench_draw_zipf(const struct bench_draw *draw);

/*
 * Every @argument-th page of a run of consecutive pages, in order, from its first, run after run. A run is chosen in
 * proportion to its length, and has more than @argument pages. Needs the population in the order of the fill.
 */
void bench_draw_runs(const struct bench_draw *draw);

/* Which key of the fill: its ordinal. Needs the population in the order of the fill. */
void bench_draw_ordinals(const struct bench_draw *draw);

/* Keys that are there, @argument % of them base pages, the rest pages of 2 MiB, as BENCH_LARGE says. */
void bench_draw_large(const struct bench_draw *draw);

/* Pages of ranges of BENCH_RANGE in one space, and of spaces of BENCH_RETIRED: the last of a thread may be shorter. */
void bench_draw_ranges(const struct bench_draw *draw);
void bench_draw_spaces(const struct bench_draw *draw);

/*
 * Steps, @argument % of them lookups, inserts and deletes in equal parts. Takes up the population where the last round
 * left it and exchanges keys between the arrays of @keys; each thread keeps to its own share of the population, so that
 * every step's outcome is known in advance.
 * => the caller runs the round on every implementation that can, each exactly once.
 */
void bench_draw_mixed(const struct bench_draw *draw);

#endif
