/* SPDX-License-Identifier: MIT */
/* What can be asked for: each workload's name, the loop that is timed, and the probes that all are given alike. */
#ifndef BENCH_WORKLOAD_H
#define BENCH_WORKLOAD_H

#include <stddef.h>
#include <stdint.h>

#include "draw.h"
#include "impl.h"

/* In the order in which they run: what changes the population comes last. */
enum bench_workload {
    BENCH_HIT = 0,
    BENCH_HIT_SECTION,
    BENCH_DEPENDENT,
    BENCH_BATCH1,
    BENCH_BATCH8,
    BENCH_BATCH16,
    BENCH_BATCH32,
    BENCH_BATCH64,
    BENCH_STREAMING,
    BENCH_ZIPF,
    BENCH_STRIDE,
    BENCH_RUN_SINGLE,
    BENCH_RUN_BATCH,
    BENCH_MISS,
    BENCH_REVERSE,
    BENCH_LARGE_MIXED,
    BENCH_UNMAP_RANGE,
    BENCH_RETIRE,
    BENCH_MIXED_90,
    BENCH_MIXED_50,
    BENCH_WORKLOADS
};

struct bench_plan {
    const char *name;
    const char *text; /* for --help */
    enum bench_loop loop;
    size_t group;                                /* lookups handed over at once; 1 in the other loops */
    void (*draw)(const struct bench_draw *draw); /* of the probes of one round */
    unsigned argument;                           /* draw's */
};

extern const struct bench_plan bench_plans[BENCH_WORKLOADS];

#endif
