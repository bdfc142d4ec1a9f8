/* SPDX-License-Identifier: MIT */
/*
 * Where a part of the table has its memory from: the host, and which of its nodes. Strictly: from that node or not at
 * all. Else preferably: the nodes with memory are tried one after another, the nearest first, and then anywhere will
 * do; this needs a host that can say whether a node was full (ops->alloc_strict). Where it cannot, it is told the node
 * once, and does what it can.
 */
#ifndef HIPT_RECLAIM_MEMORY_H
#define HIPT_RECLAIM_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <hipt/ops.h>

#include "base/atomic.h"

/* Field key: all constant, but for what .fallen points to, which is atomic. */
struct hipti_memory {
    const struct hipt_ops *ops;
    int node;                       /* HIPT_ANY_NODE: wherever the host likes, and nothing below is used */
    bool is_strict;                 /* on .node or not at all: the host has alloc_strict */
    unsigned tries;                 /* entries of .nearest */
    const uint8_t *nearest;         /* nodes: .node, then the others, the nearest first */
    uint64_t nodes;                 /* bit n: node n has memory */
    HIPTI_ATOMIC(uint64_t) *fallen; /* for each node the blocks that it had no room for */
};

/* => memory from anywhere. */
static inline struct hipti_memory hipti_memory_anywhere(const struct hipt_ops *ops)
{
    struct hipti_memory memory = {ops, HIPT_ANY_NODE, false, 0, (const uint8_t *)0, 0, (HIPTI_ATOMIC(uint64_t) *)0};

    return memory;
}

/*
 * => zeroed memory, aligned to a cache line, or NULL. *node receives the node that it is on, as far as the host says:
 * HIPT_ANY_NODE where it fell to one that nobody knows. @may_wait: the host may sleep to find memory.
 */
void *hipti_memory_alloc(const struct hipti_memory *memory, size_t bytes, bool may_wait, int *node);

static inline void hipti_memory_free(const struct hipti_memory *memory, void *block, size_t bytes)
{
    memory->ops->free(memory->ops->ctx, block, bytes);
}

#endif
