/* SPDX-License-Identifier: MIT */
/* What is done in a round: the workloads' names, and the probes that every implementation is given alike. */
#ifndef BENCH_WORKLOAD_H
#define BENCH_WORKLOAD_H

#include <stddef.h>
#include <stdint.h>

#include "impl.h"
#include "keys.h"

struct bench_workload_text {
    const char *name;
    const char *text;
};

extern const struct bench_workload_text bench_workload_texts[BENCH_WORKLOADS];

/*
 * Writes the probes of one round: @count for each of @threads threads, one thread after the other. Mixed workloads take
 * up the population where the last round left it and exchange keys between the arrays of @keys; each thread keeps to
 * its own share of the population, so that every step's outcome is known in advance.
 * => the caller runs the round on every implementation that can, each exactly once.
 */
void bench_workload_probes(enum bench_workload workload, struct bench_keys *keys, unsigned threads, size_t count,
                           struct bench_random *random, uint64_t *probes);

#endif
