/* SPDX-License-Identifier: MIT */
/* The clock, the threads under it, and the figure that a number of rounds amounts to. */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "impl.h"
#include "workload.h"

#define BENCH_CPU_SHARE_MIN 0.95 /* of wall time; below it something else had the processor */

/* One round of one implementation. */
struct bench_sample {
    double ns;      /* wall time of the round, in ns for each operation of one thread */
    bool disturbed; /* a thread was off its processor for more than 5 % of its wall time */
    uint64_t wrong;
};

/* What the rounds amount to. */
struct bench_figure {
    double median;
    double min;
    double max;
    size_t rounds;         /* samples that median, min and max are over */
    size_t disturbed;      /* samples that were disturbed, of all taken */
    size_t disturbed_kept; /* disturbed samples among @rounds, for want of better ones */
    uint64_t wrong;
};

/* Remembers which processors this process may use. Called once, before anything is pinned. */
void bench_processors_remember(void);
/* Ties the calling thread to the last of them, or sets it free again. => false if the kernel refuses. */
bool bench_processors_pin(void);
bool bench_processors_free(void);

/*
 * Runs one round of @workload with @threads threads: one of them is pinned, more run wherever the scheduler puts them.
 * => false if threads are not to be had.
 */
bool bench_round(const struct bench_impl *impl, void *self, enum bench_workload workload, unsigned threads,
                 const uint64_t *probes, size_t count, struct bench_sample *sample);

/* The figure of @taken samples of which @wanted are kept, undisturbed ones first. Sorts @samples. */
void bench_figure(struct bench_sample *samples, size_t taken, size_t wanted, struct bench_figure *figure);

#endif
