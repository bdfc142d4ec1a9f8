/* SPDX-License-Identifier: MIT */
#include "reclaim/arena.h"

#include <hipt/port.h>

#include "base/bits.h"
#include "base/check.h"
#include "reclaim/freelist.h"

/*
 * Blocks grow to this before a directory grows beyond that; with 2^28 items of 64 bytes both are below 1 MiB. A
 * directory that has the blocks' nodes is an eighth larger.
 */
#define BLOCK_MAX ((size_t)1 << 20)
#define DIRECTORY_MAX ((size_t)1 << 16)

/* Block @index holds as many items as the others, or what is left up to the limit. */
static size_t arena_block_bytes(const struct hipti_arena *arena, uint32_t index)
{
    uint64_t first = (uint64_t)index << arena->block_shift;
    uint64_t items = UINT64_C(1) << arena->block_shift;

    return (size_t)(arena->limit - first < items ? arena->limit - first : items) * arena->item_bytes;
}

uint32_t hipti_arena_blocks(const struct hipti_arena *arena)
{
    return (uint32_t)(((uint64_t)arena->limit + hipti_mask(arena->block_shift)) >> arena->block_shift);
}

static size_t arena_directory_bytes(const struct hipti_arena *arena)
{
    bool has_nodes = arena->memory->node != HIPT_ANY_NODE;

    return hipti_arena_blocks(arena) * (sizeof(hipti_block) + (has_nodes ? sizeof(hipti_block_node) : 0u));
}

bool hipti_arena_init(struct hipti_arena *arena, const struct hipti_memory *memory, size_t item_bytes, uint32_t limit,
                      size_t block_bytes, bool may_wait)
{
    int node;

    arena->memory = memory;
    arena->item_bytes = item_bytes;
    arena->limit = limit;
    arena->block_shift = 0;
    while (arena->block_shift < 31u && (item_bytes << (arena->block_shift + 1u)) <= block_bytes) {
        arena->block_shift++;
    }
    while (hipti_arena_blocks(arena) * sizeof(hipti_block) > DIRECTORY_MAX &&
           arena_block_bytes(arena, 0) < BLOCK_MAX / 2u) {
        arena->block_shift++;
    }
    arena->block_mask = (UINT32_C(1) << arena->block_shift) - 1u;
    arena->directory = (hipti_block *)hipti_memory_alloc(memory, arena_directory_bytes(arena), may_wait, &node);
    if (arena->directory && memory->node != HIPT_ANY_NODE) {
        arena->nodes = (hipti_block_node *)(void *)(arena->directory + hipti_arena_blocks(arena));
    }
    return arena->directory != (hipti_block *)0;
}

void hipti_arena_end(struct hipti_arena *arena)
{
    uint32_t i;

    if (!arena->directory) {
        return;
    }
    for (i = 0; i < hipti_arena_blocks(arena); i++) {
        char *block = hipti_load_relaxed(&arena->directory[i]); /* quiesced */

        if (block) {
            hipti_memory_free(arena->memory, block, arena_block_bytes(arena, i));
        }
    }
    hipti_memory_free(arena->memory, arena->directory, arena_directory_bytes(arena));
    arena->directory = (hipti_block *)0;
}

bool hipti_arena_fill(struct hipti_arena *arena, uint32_t index, const struct hipti_memory *memory, bool may_wait)
{
    char *expected = hipti_load_acquire(&arena->directory[index]); /* [observe:block] */
    char *block;
    int node;

    if (expected) {
        return true;
    }
    block = (char *)hipti_memory_alloc(memory, arena_block_bytes(arena, index), may_wait, &node);
    if (!block) {
        return false;
    }
    if (!hipti_cas_release(&arena->directory[index], &expected, block)) { /* [publish:block] */
        hipti_memory_free(memory, block, arena_block_bytes(arena, index));
        (void)hipti_load_acquire(&arena->directory[index]); /* [observe:block] another thread's */
    } else if (arena->nodes) {
        hipti_store_relaxed(&arena->nodes[index], (uint8_t)(node + 1)); /* for counts, see hipti_arena_node() */
    }
    return true;
}

uint32_t hipti_arena_carve(struct hipti_arena *arena, bool may_wait, bool *full)
{
    uint32_t carved = hipti_load_relaxed(&arena->carved); /* only compared */

    do {
        *full = carved == arena->limit;
        if (*full || !hipti_arena_fill(arena, carved >> arena->block_shift, arena->memory, may_wait)) {
            return HIPTI_NONE;
        }
        /* relaxed: what hands the number on synchronizes, and shows that its block is there */
    } while (!hipti_cas_relaxed(&arena->carved, &carved, carved + 1u));
    return carved + 1u;
}

bool hipti_arena_prepare(struct hipti_arena *arena, uint32_t count, bool may_wait)
{
    uint32_t i;

    if (count > arena->limit) {
        return false;
    }
    for (i = 0; ((uint64_t)i << arena->block_shift) < count; i++) {
        if (!hipti_arena_fill(arena, i, arena->memory, may_wait)) {
            return false;
        }
    }
    return true;
}

enum hipt_status hipti_arena_reserve(struct hipti_arena *arena, uint64_t count)
{
    uint32_t carved = hipti_load_relaxed(&arena->carved); /* a hint: others carve beside us */

    if (count > arena->limit - carved) {
        return HIPT_FULL;
    }
    return hipti_arena_prepare(arena, carved + (uint32_t)count, true) ? HIPT_OK : HIPT_NOMEM;
}

size_t hipti_arena_bytes(const struct hipti_arena *arena)
{
    size_t bytes = arena_directory_bytes(arena);
    uint32_t i;

    for (i = 0; i < hipti_arena_blocks(arena); i++) {
        if (hipti_load_relaxed(&arena->directory[i])) { /* a count for people */
            bytes += arena_block_bytes(arena, i);
        }
    }
    return bytes;
}

size_t hipti_arena_bytes_on(const struct hipti_arena *arena, int node)
{
    size_t bytes = 0;
    uint32_t i;

    for (i = 0; i < hipti_arena_blocks(arena); i++) {
        int on = arena->nodes ? hipti_arena_node(arena, (i << arena->block_shift) + 1u) : 0;

        if (on == node && hipti_load_relaxed(&arena->directory[i])) { /* a count for people */
            bytes += arena_block_bytes(arena, i);
        }
    }
    return bytes;
}
