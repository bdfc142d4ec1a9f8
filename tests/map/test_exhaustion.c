/* SPDX-License-Identifier: MIT */
/*
 * Things that run out, one kind after the other: lines of a chain, lines of the table, blocks of pairs, blocks of
 * cells, asids, frames, slots. What is refused changes nothing, and the status says what helps: HIPT_BUSY a grace
 * period, HIPT_FULL and HIPT_NO_ASID that somebody gives something back. Then it works again.
 */
#include <criterion/criterion.h>

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "map/table.h"
#include "support/rig.h"

enum { CHAIN = HIPT_CHAIN_LINES_MAX * HIPT_SLOTS };

static struct rig rig;
static struct rig_picture picture;
static uint32_t asid;

static void start(uint64_t buckets, unsigned version_bits)
{
    rig_init(&rig);
    rig.config.buckets = buckets;
    rig.config.version_bits = version_bits;
    cr_assert(rig_create(&rig));
    asid = rig_asid(&rig).number;
}

static void stop(void)
{
    rig_destroy(&rig);
    test_no_leak();
}

static enum hipt_status map_in(uint32_t space, uint64_t vpn, uint64_t pfn)
{
    struct hipt_mapping mapping = rig_mapping(space, 0, vpn, pfn);

    return hipt_map(rig.table, &mapping);
}

static enum hipt_status map(uint64_t vpn, uint64_t pfn)
{
    return map_in(asid, vpn, pfn);
}

static enum hipt_status remap(uint64_t vpn, uint64_t pfn)
{
    struct hipt_mapping mapping = rig_mapping(asid, 0, vpn, pfn);

    return hipt_remap(rig.table, &mapping, NULL);
}

static enum hipt_status unmap(uint64_t vpn)
{
    struct hipt_page page = {.asid = asid, .vpn = vpn};

    return hipt_unmap(rig.table, &page, NULL);
}

static void map_some(uint64_t first, uint64_t count)
{
    for (; count > 0; count--, first++) {
        cr_assert_eq(map(first, first), HIPT_OK, "page %u", (unsigned)first);
    }
}

/* A map is refused so, and nothing has changed. */
static void cr_expect_refused(enum hipt_status status, uint64_t vpn, uint64_t pfn)
{
    rig_look(&rig, &picture);
    cr_assert_eq(map(vpn, pfn), status);
    cr_assert(rig_unchanged(&rig, &picture));
    rig_check(&rig);
}

/* The same of a remap. */
static void cr_expect_remap_refused(enum hipt_status status, uint64_t vpn, uint64_t pfn)
{
    rig_look(&rig, &picture);
    cr_assert_eq(remap(vpn, pfn), status);
    cr_assert(rig_unchanged(&rig, &picture));
    rig_check(&rig);
}

/*
 * As many items as have been carved are all there are: so the test need not use up millions. Their memory is there.
 * => the limit before, to be put back.
 */
static uint32_t limit_to(struct hipti_arena *arena, uint32_t more)
{
    uint32_t limit = arena->limit;

    cr_assert(hipti_arena_prepare(arena, hipti_load_relaxed(&arena->carved) + more, true));
    arena->limit = hipti_load_relaxed(&arena->carved) + more;
    return limit;
}

/* --- the table */

/* The bound of a chain: any page that goes makes room, in whichever line; memory has nothing to do with it. */
Test(exhaustion, lines_of_a_chain)
{
    uint64_t vpn;

    start(1, HIPT_VERSION_BITS_MAX);
    map_some(0, CHAIN);
    for (vpn = 0; vpn < CHAIN; vpn++) {
        test_host_fail(&rig.host, 1, UINT64_MAX / 2u);
        cr_expect_refused(HIPT_FULL, 100, 100);
        test_host_fail(&rig.host, 0, 0);
        cr_assert_eq(unmap(vpn), HIPT_OK);
        cr_assert_eq(map(CHAIN + vpn, CHAIN + vpn), HIPT_OK);
    }
    stop();
}

/* Slots that wait for a grace period, in a chain at its bound: that helps, so it is no final answer. */
Test(exhaustion, slots_that_are_parked)
{
    uint64_t vpn;

    start(1, 1);
    map_some(0, CHAIN);
    for (vpn = 0; vpn < 3u; vpn++) { /* the second end of a slot's life parks it */
        cr_assert_eq(unmap(vpn), HIPT_OK);
        cr_assert_eq(map(100, 100 + vpn), HIPT_OK);
        cr_assert_eq(unmap(100), HIPT_OK);
    }
    cr_expect_refused(HIPT_BUSY, 101, 101);
    rig_pass(&rig);
    for (vpn = 0; vpn < 3u; vpn++) {
        cr_assert_eq(map(200 + vpn, 200 + vpn), HIPT_OK);
    }
    cr_expect_refused(HIPT_FULL, 101, 101);
    stop();
}

/*
 * Every overflow line there is, used up by one page that comes and goes while no grace period passes: HIPT_BUSY. Pages
 * that need no line are mapped all the while. Two grace periods bring all of them back.
 */
Test(exhaustion, lines_of_the_table)
{
    uint32_t limit;
    uint32_t turn;

    start(1, HIPT_VERSION_BITS_MAX);
    limit = rig.table->buckets.shard[0]->overflow.limit;
    cr_assert_eq(hipt_frame_pin(rig.table, (struct hipt_frame){.pfn = 9}), HIPT_OK);
    map_some(0, HIPT_SLOTS);
    for (turn = 0; turn < limit; turn++) {
        cr_assert_eq(map(9, 9), HIPT_OK, "%u of %u", turn, limit);
        cr_assert_eq(unmap(9), HIPT_OK);
    }
    cr_expect_refused(HIPT_BUSY, 9, 9);
    cr_assert_eq(unmap(0), HIPT_OK);
    cr_assert_eq(map(9, 9), HIPT_OK, "in the bucket's own line");
    cr_expect_refused(HIPT_BUSY, 10, 10);
    rig_pass(&rig);
    map_some(10, HIPT_SLOTS); /* the line that was returned first; the others begin to wait when it comes back */
    cr_expect_refused(HIPT_BUSY, 20, 20);
    rig_pass(&rig);
    map_some(20, CHAIN - 2u * HIPT_SLOTS);
    cr_expect_refused(HIPT_FULL, 100, 100);
    stop();
}

/* No line to be had from the host, but some that wait: memory is what helps at once. */
Test(exhaustion, lines_without_memory)
{
    start(1, HIPT_VERSION_BITS_MAX);
    map_some(0, HIPT_SLOTS);
    test_host_fail(&rig.host, 1, UINT64_MAX / 2u);
    cr_expect_refused(HIPT_NOMEM, 4, 4);
    cr_assert_eq(unmap(0), HIPT_OK);
    cr_assert_eq(map(4, 4), HIPT_OK);
    cr_expect_refused(HIPT_NOMEM, 5, 5);
    test_host_fail(&rig.host, 0, 0);
    cr_assert_eq(map(5, 5), HIPT_OK);
    stop();
}

/* --- frames */

/*
 * Blocks of pairs: while all are full HIPT_FULL, for maps, remaps and reserves; when one has been given back HIPT_BUSY
 * until a grace period has passed; frames with one mapping never need any.
 */
Test(exhaustion, blocks_of_pairs)
{
    struct hipti_arena *blocks;
    uint32_t limit;
    uint64_t vpn;

    start(64, HIPT_VERSION_BITS_MAX);
    blocks = &rig.table->frames.aliases->blocks;
    limit = limit_to(blocks, 2);
    for (vpn = 0; vpn < 15u; vpn++) { /* the record, and two blocks of seven */
        cr_assert_eq(map(vpn, 7), HIPT_OK);
    }
    cr_assert_eq(map(50, 50), HIPT_OK);
    cr_expect_refused(HIPT_FULL, 15, 7);
    cr_expect_refused(HIPT_FULL, 51, 50);
    cr_expect_remap_refused(HIPT_FULL, 50, 7);
    cr_assert_eq(hipt_frame_reserve(rig.table, 1), HIPT_FULL);
    cr_assert_eq(unmap(4), HIPT_OK);
    cr_assert_eq(map(15, 7), HIPT_OK, "a place in a block is given back: it is had at once");
    for (vpn = 8; vpn < 15u; vpn++) {
        cr_assert_eq(unmap(vpn), HIPT_OK); /* the newer block */
    }
    cr_assert_eq(map(60, 60), HIPT_OK);
    cr_expect_refused(HIPT_BUSY, 51, 50);
    cr_expect_remap_refused(HIPT_BUSY, 60, 50);
    rig_pass(&rig);
    cr_assert_eq(map(51, 50), HIPT_OK);
    cr_assert_eq(remap(60, 50), HIPT_OK);
    blocks->limit = limit;
    stop();
}

/* Every frame in limbo: neither mapped nor pinned until it has been reaped, which takes a grace period; then once. */
Test(exhaustion, frames)
{
    static struct hipt_frame reaped[RIG_FRAMES + RIG_SWAP + 1];
    struct hipt_mapping m;
    struct hipt_page page;
    uint64_t done;
    size_t count;

    start(4096, HIPT_VERSION_BITS_MAX);
    m = rig_mapping(asid, 0, 0, 0);
    page = m.page;
    cr_assert_eq(hipt_map_range(rig.table, &m, RIG_FRAMES, &done), HIPT_OK);
    cr_assert_eq(hipt_unmap_range(rig.table, &page, RIG_FRAMES, &done), HIPT_OK);
    m.swap = true;
    cr_assert_eq(hipt_map_range(rig.table, &m, RIG_SWAP, &done), HIPT_OK);
    cr_assert_eq(hipt_unmap_range(rig.table, &page, RIG_SWAP, &done), HIPT_OK);
    cr_expect_refused(HIPT_BUSY, 5, 0);
    cr_expect_refused(HIPT_BUSY, 5, RIG_FRAMES - 1);
    rig_look(&rig, &picture);
    cr_assert_eq(hipt_map(rig.table, &m), HIPT_BUSY);
    cr_assert_eq(hipt_frame_pin(rig.table, (struct hipt_frame){.pfn = 7}), HIPT_BUSY);
    cr_assert(rig_unchanged(&rig, &picture));
    cr_assert_eq(hipt_frame_reap(rig.table, reaped, RIG_FRAMES), 0, "R1");
    rig_pass(&rig);
    cr_expect_refused(HIPT_BUSY, 5, 0); /* nobody has reaped it */
    count = hipt_frame_reap(rig.table, reaped, RIG_FRAMES + RIG_SWAP + 1u);
    cr_assert_eq(count, RIG_FRAMES + RIG_SWAP);
    m.swap = false;
    cr_assert_eq(hipt_map_range(rig.table, &m, RIG_FRAMES, &done), HIPT_OK);
    stop();
}

/* --- spaces */

/* Every asid issued: HIPT_NO_ASID, also while one waits for its grace period, which then comes back with its number. */
Test(exhaustion, asids)
{
    struct hipt_asid issued[15];
    struct hipt_asid asids;
    unsigned i;

    start(64, HIPT_VERSION_BITS_MAX);
    for (i = 0; i < 15u; i++) {
        issued[i] = rig_asid(&rig);
        cr_assert_eq(map_in(issued[i].number, i, i), HIPT_OK);
    }
    rig_look(&rig, &picture);
    cr_assert_eq(hipt_asid_alloc(rig.table, &asids), HIPT_NO_ASID);
    cr_assert(rig_unchanged(&rig, &picture));
    for (i = 0; i < 15u; i++) {
        cr_assert_eq(hipt_asid_retire(rig.table, issued[i], NULL), HIPT_OK);
        cr_assert_eq(hipt_asid_alloc(rig.table, &asids), HIPT_NO_ASID);
        rig_pass(&rig);
        cr_assert_eq(hipt_asid_alloc(rig.table, &asids), HIPT_OK);
        cr_assert(asids.number == issued[i].number && asids.generation == issued[i].generation + 1u);
        cr_assert_eq(map_in(asids.number, i, 100 + i), HIPT_OK);
        cr_assert_eq(hipt_asid_alloc(rig.table, &asids), HIPT_NO_ASID);
    }
    stop();
}

/*
 * Blocks of cells: a space at its last cell is refused a page, and has it when one of its own goes; another space is
 * refused its first, until the block of a space that ended has been given back by the reissue, and has waited.
 */
Test(exhaustion, cells)
{
    struct hipt_asid ending;
    struct hipti_arena *blocks;
    uint32_t limit;
    uint32_t first;

    start(64, HIPT_VERSION_BITS_MAX);
    first = asid;
    ending = rig_asid(&rig);
    blocks = &rig.table->asids.blocks;
    limit = limit_to(blocks, 2);
    cr_assert_eq(map_in(ending.number, 0, 200), HIPT_OK);
    map_some(0, HIPTI_BLOCK_CELLS - 1u);
    cr_expect_refused(HIPT_FULL, 100, 100);
    cr_assert_eq(unmap(30), HIPT_OK);
    cr_assert_eq(map(100, 100), HIPT_OK);
    asid = rig_asid(&rig).number;
    cr_expect_refused(HIPT_FULL, 0, 201);
    cr_assert_eq(hipt_asid_retire(rig.table, ending, NULL), HIPT_OK);
    do {
        cr_expect_refused(HIPT_FULL, 0, 201); /* its cells are its own until its number is issued again */
        rig_pass(&rig);
        cr_assert_eq(hipt_asid_alloc(rig.table, &ending), HIPT_OK);
    } while (ending.generation == 1u);
    cr_expect_refused(HIPT_BUSY, 0, 201);
    rig_pass(&rig);
    cr_assert_eq(map(0, 201), HIPT_OK);
    blocks->limit = limit;
    asid = first;
    stop();
}
