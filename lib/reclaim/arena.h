/* SPDX-License-Identifier: MIT */
/*
 * An array that grows, addressed by number: fixed-size items in blocks that the host can give, and a directory of
 * blocks. Items are numbered from 1, zeroed at first use, and never move; blocks go back when the arena ends.
 */
#ifndef HIPT_RECLAIM_ARENA_H
#define HIPT_RECLAIM_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <hipt/ops.h>
#include <hipt/status.h>

#include "base/atomic.h"
#include "reclaim/memory.h"

typedef HIPTI_ATOMIC(char *) hipti_block;
typedef HIPTI_ATOMIC(uint8_t) hipti_block_node;

/* Field key: c constant after hipti_arena_init(), a atomic. */
struct hipti_arena {
    hipti_block *directory;            /* c: its elements a: set once, from NULL */
    const struct hipti_memory *memory; /* c */
    size_t item_bytes;                 /* c */
    uint32_t limit;                    /* c: items at most */
    unsigned block_shift;              /* c: items of a block, as a power of two */
    uint32_t block_mask;               /* c: of an item's number in its block */
    HIPTI_ATOMIC(uint32_t) carved;     /* a: items given out so far; they are never taken back here */
    hipti_block_node *nodes;           /* c: its elements a: the node that a block lies on, plus 1; 0: nobody knows.
                                          NULL where the memory is on no node */
};

/*
 * => false: no memory for the directory. Blocks have @block_bytes at most, or one item; or less than 1 MiB, where the
 * directory would pass 64 KiB. @memory, where all comes from, outlives the arena. @may_wait: the host may sleep to find
 * memory.
 */
bool hipti_arena_init(struct hipti_arena *arena, const struct hipti_memory *memory, size_t item_bytes, uint32_t limit,
                      size_t block_bytes, bool may_wait);
void hipti_arena_end(struct hipti_arena *arena);

/* => the most that the host gives for a block of what a lookup or a walk reads: 1 MiB unless it says more. */
static inline size_t hipti_arena_block(const struct hipt_ops *ops)
{
    return ops->block_max ? ops->block_max : (size_t)1 << 20;
}

/*
 * => how long the blocks are of something that is had block by block, in a table whose buckets take @bytes: a 64th of
 * that, so that large tables have blocks which huge pages fit, and small ones waste none; at least @least.
 */
static inline size_t hipti_arena_block_beside(const struct hipt_ops *ops, uint64_t bytes, size_t least)
{
    uint64_t share = bytes / 64u;

    share = share < hipti_arena_block(ops) ? share : hipti_arena_block(ops);
    return share > least ? (size_t)share : least;
}

/* => a number that was never given out before, HIPTI_NONE at the limit or without memory. @full tells which. */
uint32_t hipti_arena_carve(struct hipti_arena *arena, bool may_wait, bool *full);

/* => why a carve gave nothing: the host's memory, or the bound; at the bound, whether things will come back. */
static inline enum hipt_status hipti_arena_scarcity(bool full, bool is_waiting)
{
    return !full ? HIPT_NOMEM : is_waiting ? HIPT_BUSY : HIPT_FULL;
}

/* Have memory ready for items 1 to @count. => false: no memory, or beyond the limit. */
bool hipti_arena_prepare(struct hipti_arena *arena, uint32_t count, bool may_wait);

/*
 * Have memory ready for @count items more than are carved. Waits for it. => HIPT_OK; HIPT_FULL: they would pass the
 * limit; HIPT_NOMEM: some may have memory now.
 */
enum hipt_status hipti_arena_reserve(struct hipti_arena *arena, uint64_t count);

/*
 * Put memory behind block @index, from @memory, which is of the same host as the arena's, if there is none yet. =>
 * false: no memory.
 */
bool hipti_arena_fill(struct hipti_arena *arena, uint32_t index, const struct hipti_memory *memory, bool may_wait);

/* => how many blocks it can have. */
uint32_t hipti_arena_blocks(const struct hipti_arena *arena);

/* => bytes of blocks and directory that the arena holds. */
size_t hipti_arena_bytes(const struct hipti_arena *arena);

/* => bytes of those blocks that lie on @node. Where nobody wrote down where they lie, all are on node 0. */
size_t hipti_arena_bytes_on(const struct hipti_arena *arena, int node);

/* => the node that item @number lies on, or HIPT_ANY_NODE: nobody knows. The item has memory. */
static inline int hipti_arena_node(const struct hipti_arena *arena, uint32_t number)
{
    /* relaxed: where a count is made; a block may be read just before its node is written down */
    return arena->nodes ? (int)hipti_load_relaxed(&arena->nodes[(number - 1u) >> arena->block_shift]) - 1 :
                          HIPT_ANY_NODE;
}

/* => the address of item @number. It has been carved, or prepared, and the caller knows of it by synchronization. */
static inline char *hipti_arena_at(const struct hipti_arena *arena, uint32_t number)
{
    uint32_t index = number - 1u;
    /* relaxed: whoever hands a number on has seen its block, and what handed it on synchronizes */
    char *block = hipti_load_relaxed(&arena->directory[index >> arena->block_shift]);

    return block + (size_t)(index & arena->block_mask) * arena->item_bytes;
}

/* => the same, or NULL where no memory was ever put: for numbers that come from outside. */
static inline char *hipti_arena_find(const struct hipti_arena *arena, uint32_t number)
{
    uint32_t index = number - 1u;
    char *block;

    if (index >= arena->limit) {
        return (char *)0;
    }
    block = hipti_load_acquire(&arena->directory[index >> arena->block_shift]); /* [observe:block] its zeroes */
    return block ? block + (size_t)(index & arena->block_mask) * arena->item_bytes : (char *)0;
}

#endif
