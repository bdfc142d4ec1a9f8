/* SPDX-License-Identifier: MIT */
#include "histogram.h"

#include <math.h>
#include <stddef.h>

#define STEPS BENCH_HISTOGRAM_STEPS
#define ALL_STEPS ((BENCH_HISTOGRAM_OCTAVES + 1) * STEPS)

static size_t step_of(uint64_t ns)
{
    unsigned octave = 0;
    size_t step;

    while (ns >> octave >= 2 * STEPS) {
        octave++;
    }
    step = octave * STEPS + (size_t)(ns >> octave);
    return step < ALL_STEPS ? step : ALL_STEPS - 1;
}

/* The middle of a step. */
static double time_of(size_t step)
{
    size_t octave = step / STEPS - 1;

    if (step < 2 * STEPS) {
        return (double)step;
    }
    return ((double)(step % STEPS + STEPS) + 0.5) * (double)(UINT64_C(1) << octave);
}

void bench_histogram_add(struct bench_histogram *histogram, uint64_t ns)
{
    histogram->steps[step_of(ns)]++;
    histogram->count++;
    histogram->longest = ns > histogram->longest ? ns : histogram->longest;
}

void bench_histogram_merge(struct bench_histogram *histogram, const struct bench_histogram *other)
{
    for (size_t i = 0; i < ALL_STEPS; i++) {
        histogram->steps[i] += other->steps[i];
    }
    histogram->count += other->count;
    histogram->longest = other->longest > histogram->longest ? other->longest : histogram->longest;
}

double bench_histogram_at(const struct bench_histogram *histogram, double share)
{
    double wanted = ceil(share * (double)histogram->count);
    uint64_t seen = 0;

    for (size_t i = 0; i < ALL_STEPS; i++) {
        seen += histogram->steps[i];
        if (seen > 0 && (double)seen >= wanted) {
            return fmin(time_of(i), (double)histogram->longest);
        }
    }
    return (double)histogram->longest;
}
