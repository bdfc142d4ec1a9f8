/* SPDX-License-Identifier: MIT */
/*
 * How frame records are numbered: range after range, pfns first, swap slots last. Where there are several nodes, a
 * range's first number is congruent to its first pfn, modulo the records of a block: so a block covers an aligned run
 * of pfns, and where nodes begin at multiples of it, all of one node. This leaves gaps before ranges.
 */
#ifndef HIPT_FRAME_LAYOUT_H
#define HIPT_FRAME_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <hipt/status.h>
#include <hipt/table.h>
#include <hipt/topology.h>

/* What a layout goes by. */
struct hipti_layout_nodes {
    unsigned nodes;
    const struct hipt_node_range *ranges; /* ascending */
    size_t nranges;
    size_t block_bytes; /* of a block of records, at most; or as an arena's */
};

/* A layout, and how far it is. Field key: the caller's own. */
struct hipti_layout {
    unsigned block_shift; /* records of a block, as a power of two */
    bool is_split;        /* blocks belong to nodes */
    bool is_swap;         /* the last range was one of swap slots */
    uint64_t next;        /* records and gaps so far */
    uint64_t ahead;       /* how far the last range's records are ahead of its pfns, modulo 2^64 */
};

/* => HIPT_BAD_RANGE or HIPT_OK; *bad is the index of the range that is wrong. The order of the ranges is free. */
enum hipt_status hipti_layout_check(const struct hipti_layout_nodes *nodes, const struct hipt_range *ranges,
                                    size_t count, size_t *bad);

/* The ranges have been checked. */
void hipti_layout_init(struct hipti_layout *layout, const struct hipti_layout_nodes *nodes,
                       const struct hipt_range *ranges, size_t count);

/* => the range that is numbered after @last, or the first one of all if that is NULL. There is one. */
const struct hipt_range *hipti_layout_after(const struct hipt_range *ranges, size_t count,
                                            const struct hipt_range *last);

/* => the number of the range's first record. Called once for each range, in their order. */
uint64_t hipti_layout_number(struct hipti_layout *layout, const struct hipt_range *range);

#endif
