/* SPDX-License-Identifier: MIT */
/*
 * What read replicas would cost and bring, by count: hipt has none (docs/decisions/0012). The touches of lookups and
 * updates are those of a real table whose spaces are used from all nodes; what copies would add or save is reckoned.
 *
 *   lookup, on the home node   the table's lines
 *   lookup, there is a copy    as many lines, all local
 *   lookup, there is none      a local line, where the copy is missed and then put, and the table's lines
 *   update                     the table's lines, and for each node but the home one a line there, whose copy ends
 */
#ifndef BENCH_NUMA_REPLICAS_H
#define BENCH_NUMA_REPLICAS_H

#include <stdbool.h>
#include <stddef.h>

#include "numa_run.h"

#define NUMA_POINTS_MAX 16u

/* At one share of updates, the time of an operation in local lines. */
struct numa_point {
    double writes; /* share */
    double placed; /* one copy, on the home node */
    double copies; /* and one on each other node */
    double fills;  /* share of lookups that had to put a copy */
};

/* Points of ascending shares of updates. */
struct numa_curve {
    unsigned nodes;
    size_t count;
    struct numa_point points[NUMA_POINTS_MAX];
    double lines;      /* of a lookup */
    double break_even; /* the share of updates from which on replicas cost more; 0: from the first; 1: none does */
    double expected;   /* the same by the formula of 0012, with the lines of this run */
};

/* => false: stderr says why. */
bool numa_curve(const struct numa_setup *setup, struct numa_curve *curve);

#endif
