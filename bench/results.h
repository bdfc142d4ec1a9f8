/* SPDX-License-Identifier: MIT */
/* The figures of a whole run, for what is said at its end: goals, charts. */
#ifndef BENCH_RESULTS_H
#define BENCH_RESULTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "impl.h"
#include "options.h"
#include "workload.h"

#define BENCH_IMPLS_MAX 16u

struct bench_result {
    double ns;      /* 0: not measured */
    bool disturbed; /* for orientation only: some of its rounds were disturbed, for want of better ones */
};

/* The doubling in which lookups suffered most. */
struct bench_growth_figure {
    double ratio; /* of their p99.9 to that at rest; 0: not measured */
    uint64_t entries;
    bool disturbed;
};

/* By the place of a number in the options' list of entries, and of threads, and of an implementation in @impls. */
struct bench_results {
    const struct bench_options *options;
    const struct bench_impl *const *impls;
    size_t nimpls;
    struct bench_result times[BENCH_LIST_MAX][BENCH_WORKLOADS][BENCH_LIST_MAX][BENCH_IMPLS_MAX];
    struct bench_bytes bytes[BENCH_LIST_MAX][BENCH_IMPLS_MAX];
    struct bench_growth_figure growth;
};

/* Where in a list @value is; in a list that does not have it, 0. */
size_t bench_list_place(const struct bench_list *list, uint64_t value);

/* Where a list has its largest number. */
size_t bench_list_largest(const struct bench_list *list);

/* => an implementation's place by its name, @results->nimpls if there is none */
size_t bench_results_impl(const struct bench_results *results, const char *name);

#endif
