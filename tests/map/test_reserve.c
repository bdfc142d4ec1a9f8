/* SPDX-License-Identifier: MIT */
/*
 * A reserve at its edge: so many maps, in so many address spaces, whatever buckets they fall into, with an allocator
 * that gives nothing; and one more needs memory. The arenas are brought to where the next item is the first of a block.
 */
#include <criterion/criterion.h>

#include <stdbool.h>
#include <stdint.h>

#include "map/table.h"
#include "support/rig.h"

enum { CELLS = 63 };

static struct rig rig;
static uint32_t spaces[512];

static void to_the_edge(struct hipti_arena *arena)
{
    bool full;

    while (hipti_load_relaxed(&arena->carved) & hipti_mask(arena->block_shift)) {
        (void)hipti_arena_carve(arena, false, &full);
    }
}

static void start(uint64_t buckets, unsigned nspaces)
{
    unsigned i;

    rig_init(&rig);
    rig.config.buckets = buckets;
    rig.config.asid_bits = 9;
    cr_assert(rig_create(&rig));
    for (i = 0; i < nspaces; i++) {
        spaces[i] = rig_asid(&rig).number;
    }
}

static void at_the_edge(void)
{
    to_the_edge(&rig.table->buckets.shard[0]->overflow);
    to_the_edge(&rig.table->asids.blocks);
}

static enum hipt_status map(uint32_t asid, uint64_t vpn, uint64_t pfn)
{
    struct hipt_mapping m = rig_mapping(asid, 0, vpn, pfn);

    return hipt_map(rig.table, &m);
}

static enum hipt_status unmap(uint32_t asid, uint64_t vpn)
{
    struct hipt_page page = {.asid = asid, .vpn = vpn};

    return hipt_unmap(rig.table, &page, NULL);
}

static uint64_t block_items(const struct hipti_arena *arena)
{
    return UINT64_C(1) << arena->block_shift;
}

/* F2: cells, in the spread that needs most: all spaces but one have one page, that one has the rest. */
Test(reserve, F2_cells_at_the_edge)
{
    uint64_t blocks;
    unsigned i;

    start(1 << 13, 512); /* no bucket overflows with so few pages */
    at_the_edge();
    blocks = block_items(&rig.table->asids.blocks);
    cr_assert_eq(blocks, 256u);
    cr_assert_eq(hipt_reserve(rig.table, blocks + CELLS - 1u, (uint32_t)blocks), HIPT_OK);
    test_host_fail(&rig.host, 1, UINT64_MAX / 2u);
    for (i = 0; i < blocks; i++) {
        cr_assert_eq(map(spaces[i], 0, i), HIPT_OK, "space %u", i);
    }
    for (i = 1; i < CELLS; i++) {
        cr_assert_eq(map(spaces[0], i, 1000u + i), HIPT_OK, "page %u", i);
    }
    cr_assert_eq(map(spaces[0], CELLS, 2000), HIPT_NOMEM, "one page more");
    cr_assert_eq(map(spaces[blocks], 0, 2000), HIPT_NOMEM, "or one space more");
    cr_assert_eq(map(spaces[1], 1, 2000), HIPT_OK, "where there is room, there is room");
    test_host_fail(&rig.host, 0, 0);
    /* one page more asks for one block more */
    at_the_edge();
    cr_assert_eq(hipt_reserve(rig.table, blocks - 1u + CELLS, 1), HIPT_OK);
    cr_assert_eq(hipt_reserve(rig.table, 256u + CELLS, 256), HIPT_OK);
    test_host_fail(&rig.host, 1, UINT64_MAX / 2u);
    for (i = 0; i < CELLS + 1u; i++) { /* spaces[0]'s last block is full */
        cr_assert_eq(map(spaces[0], 100u + i, 3000u + i), HIPT_OK);
    }
    for (i = 257; i < 512u; i++) {
        cr_assert_eq(map(spaces[i], 0, 3000u + i), HIPT_OK);
    }
    test_host_fail(&rig.host, 0, 0);
    rig_destroy(&rig);
}

/* F2: lines, in the worst case: one full bucket, and what is unmapped leaves its line waiting for a grace period. */
Test(reserve, F2_lines_at_the_edge)
{
    uint64_t lines;
    uint64_t i;

    start(1, 1);
    for (i = 0; i < HIPT_SLOTS; i++) {
        cr_assert_eq(map(spaces[0], i, i), HIPT_OK);
    }
    at_the_edge();
    lines = block_items(&rig.table->buckets.shard[0]->overflow);
    cr_assert_eq(hipt_reserve(rig.table, lines, 1), HIPT_OK);
    test_host_fail(&rig.host, 1, UINT64_MAX / 2u);
    for (i = 0; i < lines; i++) {
        cr_assert_eq(map(spaces[0], 100, 100u + i), HIPT_OK, "map %u", (unsigned)i);
        cr_assert_eq(unmap(spaces[0], 100), HIPT_OK);
    }
    cr_assert_eq(map(spaces[0], 100, 3000), HIPT_NOMEM);
    test_host_fail(&rig.host, 0, 0);
    rig_destroy(&rig);
}

/* A refused map counts as one, and no more. */
Test(reserve, F2_refused_maps_count)
{
    uint64_t lines;
    uint64_t i;

    start(1, 1);
    for (i = 0; i <= HIPT_SLOTS; i++) {
        cr_assert_eq(map(spaces[0], i, i), HIPT_OK);
    }
    cr_assert_eq(unmap(spaces[0], HIPT_SLOTS), HIPT_OK); /* frame HIPT_SLOTS is in limbo */
    at_the_edge();
    lines = block_items(&rig.table->buckets.shard[0]->overflow);
    cr_assert_eq(hipt_reserve(rig.table, lines, 1), HIPT_OK);
    test_host_fail(&rig.host, 1, UINT64_MAX / 2u);
    for (i = 1; i < lines; i++) {
        cr_assert_eq(map(spaces[0], 100, HIPT_SLOTS), HIPT_BUSY);
    }
    cr_assert_eq(map(spaces[0], 100, 100), HIPT_OK);
    test_host_fail(&rig.host, 0, 0);
    rig_destroy(&rig);
}

/* Batches and ranges draw on it as single maps do, and ask for nothing beside it. */
Test(reserve, F2_batches_and_ranges)
{
    struct hipt_mapping mappings[64];
    enum hipt_status status[64];
    struct hipt_page pages[64];
    uint64_t calls;
    uint64_t done;
    unsigned i;

    start(16, 2);
    at_the_edge();
    cr_assert_eq(hipt_reserve(rig.table, 128, 2), HIPT_OK);
    calls = atomic_load(&rig.host.calls);
    for (i = 0; i < 64u; i++) {
        mappings[i] = rig_mapping(spaces[0], 0, 3u * i, i);
        pages[i] = mappings[i].page;
    }
    cr_assert_eq(hipt_map_batch(rig.table, mappings, 64, status), 64u);
    mappings[0] = rig_mapping(spaces[1], 0, 0, 100);
    cr_assert_eq(hipt_map_range(rig.table, &mappings[0], 64, &done), HIPT_OK);
    cr_assert_eq(hipt_unmap_batch(rig.table, pages, 64, NULL, status), 64u);
    cr_assert_eq(hipt_protect_range(rig.table, &mappings[0].page, 64, HIPT_READ, &done), HIPT_OK);
    cr_assert_eq(hipt_unmap_range(rig.table, &mappings[0].page, 64, &done), HIPT_OK);
    cr_assert_eq(atomic_load(&rig.host.calls), calls);
    rig_destroy(&rig);
}

/* More than there can ever be, in cells or in lines; and more spaces than there are numbers is as many as there are. */
Test(reserve, bounds)
{
    uint64_t lines;
    size_t bytes;

    start(64, 1);
    bytes = atomic_load(&rig.host.bytes);
    lines = rig.table->buckets.shard[0]->overflow.limit;
    lines -= hipti_load_relaxed(&rig.table->buckets.shard[0]->overflow.carved);
    cr_assert_eq(hipt_reserve(rig.table, UINT64_MAX, UINT32_MAX), HIPT_FULL);
    cr_assert_eq(hipt_reserve(rig.table, UINT64_MAX, 1), HIPT_FULL);
    cr_assert_eq(hipt_reserve(rig.table, 0, 0), HIPT_OK);
    cr_assert_eq(hipt_reserve(rig.table, 0, UINT32_MAX), HIPT_OK);
    cr_assert_eq(atomic_load(&rig.host.bytes), bytes);
    cr_assert_eq(hipt_reserve(rig.table, 20000, 512), HIPT_OK);
    bytes = atomic_load(&rig.host.bytes);
    cr_assert_eq(hipt_reserve(rig.table, 20000, UINT32_MAX), HIPT_OK);
    cr_assert_eq(atomic_load(&rig.host.bytes), bytes);
    cr_assert_eq(hipt_reserve(rig.table, lines + 1u, UINT32_MAX), HIPT_FULL);
    cr_assert_eq(hipt_reserve(rig.table, lines, UINT32_MAX), HIPT_OK);
    bytes = atomic_load(&rig.host.bytes);
    cr_assert_eq(hipt_reserve(rig.table, lines, UINT32_MAX), HIPT_OK, "it does not add up");
    cr_assert_eq(atomic_load(&rig.host.bytes), bytes);
    rig_destroy(&rig);
}

/* Memory fails at each of its allocations in turn: it says so, what it had stays, and it goes on from there. */
Test(reserve, no_memory)
{
    unsigned tries = 0;
    enum hipt_status status;

    start(1, 1);
    do {
        test_host_fail(&rig.host, 2, 1); /* one is had at each try */
        status = hipt_reserve(rig.table, 200, 512);
        cr_assert(status == HIPT_OK || status == HIPT_NOMEM);
        tries++;
    } while (status == HIPT_NOMEM);
    cr_assert_geq(tries, 3u);
    test_host_fail(&rig.host, 1, UINT64_MAX / 2u);
    cr_assert_eq(hipt_reserve(rig.table, 200, 512), HIPT_OK, "all of it is there");
    test_host_fail(&rig.host, 0, 0);
    cr_assert_eq(atomic_load(&rig.host.waits), 0);
    rig_destroy(&rig);
}
