/* SPDX-License-Identifier: MIT */
/* Latencies, counted: exact below 64 ns, good to 3 % above. What is never reached is never touched. */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdint.h>

#define BENCH_HISTOGRAM_STEPS 32u   /* in each power of two */
#define BENCH_HISTOGRAM_OCTAVES 36u /* up to a minute; longer ones are counted as that */

/* Zero it to start. Owned by one thread. */
struct bench_histogram {
    uint64_t count;
    uint64_t longest;
    uint32_t steps[(BENCH_HISTOGRAM_OCTAVES + 1) * BENCH_HISTOGRAM_STEPS];
};

void bench_histogram_add(struct bench_histogram *histogram, uint64_t ns);

/* Adds what @other counts. */
void bench_histogram_merge(struct bench_histogram *histogram, const struct bench_histogram *other);

/* => the time that @share of them, 0 to 1, do not exceed; 0 where nothing was counted */
double bench_histogram_at(const struct bench_histogram *histogram, double share);

#endif
