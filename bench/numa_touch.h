/* SPDX-License-Identifier: MIT */
/* Which lines a lookup has read, and where they lie. */
#ifndef BENCH_NUMA_TOUCH_H
#define BENCH_NUMA_TOUCH_H

#include <hipt/map.h>
#include <hipt/table.h>

#include <stddef.h>

#define NUMA_LINES_MAX 16u /* a table that is not growing has chains of HIPT_CHAIN_LINES_MAX */

/*
 * The lines that a lookup reads to find @found, in their order: for each the node that it lies on, or HIPT_ANY_NODE.
 * Nobody changes the table meanwhile. => how many.
 */
size_t numa_touched(const struct hipt_table *table, const struct hipt_translation *found, int nodes[NUMA_LINES_MAX]);

#endif
