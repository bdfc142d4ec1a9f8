/* SPDX-License-Identifier: MIT */
#include "reclaim/memory.h"

#include "base/bits.h"

static void *alloc_plain(const struct hipti_memory *memory, size_t bytes, bool may_wait, int node)
{
    return memory->ops->alloc(memory->ops->ctx, bytes, HIPTI_CACHE_LINE, node, may_wait);
}

/* => a block on the nearest node that has room for it; NULL: none has. */
static void *alloc_nearest(const struct hipti_memory *memory, size_t bytes, bool may_wait, int *node)
{
    const struct hipt_ops *ops = memory->ops;
    unsigned tries = memory->is_strict ? 1u : memory->tries;
    unsigned i;

    for (i = 0; i < tries; i++) {
        void *block;

        if (!(memory->nodes >> memory->nearest[i] & 1u)) {
            continue;
        }
        *node = memory->nearest[i];
        block = ops->alloc_strict(ops->ctx, bytes, HIPTI_CACHE_LINE, *node, may_wait);
        if (block) {
            return block;
        }
        (void)hipti_fetch_add_relaxed(&memory->fallen[*node], 1u); /* a count for people */
    }
    *node = HIPT_ANY_NODE;
    return (void *)0;
}

void *hipti_memory_alloc(const struct hipti_memory *memory, size_t bytes, bool may_wait, int *node)
{
    void *block;

    *node = memory->node;
    if (memory->node == HIPT_ANY_NODE || !memory->ops->alloc_strict) {
        return alloc_plain(memory, bytes, may_wait, memory->node);
    }
    block = alloc_nearest(memory, bytes, may_wait, node);
    return block || memory->is_strict ? block : alloc_plain(memory, bytes, may_wait, HIPT_ANY_NODE);
}
