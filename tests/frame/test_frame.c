/* SPDX-License-Identifier: MIT */
/* Frame records: numbers, the rows F1 to F8 of frames.h, pins, blocks of further mappings, and limbo. */
#include <criterion/criterion.h>

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "frame/frames.h"
#include "frame/layout.h"
#include "support/host.h"
#include "support/step.h"

#define BLOCK_MASK hipti_mask(28) /* of a record's word: its first block */

static struct test_host host;
static struct hipti_frames frames;
static struct hipti_topology topology; /* one node */
static struct hipti_memory memory;
static const struct hipti_layout_nodes one_node = {.nodes = 1, .block_bytes = 1 << 20};
static bool is_linked_beside;

static const struct hipt_range plain[] = {{.first = 100, .count = 50, .swap = false}};

static void start_ranges(const struct hipt_range *ranges, size_t count)
{
    test_host_init(&host);
    cr_assert(hipti_topology_init(&topology, &host.ops, NULL));
    memory = hipti_memory_anywhere(&host.ops);
    memset(&frames, 0, sizeof(frames));
    cr_assert(hipti_frames_init(&frames, &topology, &memory, ranges, count, 4096));
    host.ops.read_enter(host.ops.ctx);
}

static void start(void)
{
    start_ranges(plain, 1);
}

static void stop(void)
{
    host.ops.read_exit(host.ops.ctx);
    hipti_frames_end(&frames);
    cr_assert_eq(atomic_load(&host.bytes), 0);
}

static struct hipti_frame *record(uint32_t number)
{
    return (struct hipti_frame *)(void *)hipti_arena_at(&frames.records, number);
}

static uint64_t word(uint32_t number)
{
    return hipti_load_acquire(&record(number)->word);
}

static struct hipti_pair pair(uint32_t n)
{
    struct hipti_pair made = {n, n + 1000u};

    return made;
}

static void cr_expect_state(uint32_t number, enum hipt_frame_state state, uint32_t mappings, uint32_t pins)
{
    struct hipt_frame_status status = hipti_frame_status(&frames, number);

    cr_assert_eq(status.state, state, "state %d", (int)status.state);
    cr_assert_eq(status.mappings, mappings, "%u mappings", status.mappings);
    cr_assert_eq(status.pins, pins, "%u pins", status.pins);
}

static void link_some(uint32_t number, uint32_t first, uint32_t count)
{
    uint32_t n;

    for (n = first; n < first + count; n++) {
        cr_assert_eq(hipti_frame_link(&frames, number, pair(n)), HIPT_OK, "pair %u", n);
    }
}

static void unlink_some(uint32_t number, uint32_t first, uint32_t count)
{
    uint32_t n;

    for (n = first; n < first + count; n++) {
        cr_assert_eq(hipti_frame_unlink(&frames, number, n, true), n + 1000u, "pair %u", n);
    }
}

/* F1: a walk gives exactly the pairs @first to @first + @count - 1, each once. */
static void cr_expect_walk(uint32_t number, uint32_t first, uint32_t count)
{
    struct hipti_pairs pairs = hipti_frame_pairs(&frames, number);
    bool seen[256] = {false};
    struct hipti_pair found;
    uint32_t given = 0;

    while (hipti_pairs_next(&pairs, &found)) {
        cr_assert(found.slot >= first && found.slot < first + count, "pair %u", found.slot);
        cr_assert_eq(found.cell, found.slot + 1000u);
        cr_assert(!seen[found.slot]);
        seen[found.slot] = true;
        given++;
    }
    cr_assert_eq(given, count);
}

/* R1: the frames that come back, at once or after a grace period, are @number's alone. */
static void cr_expect_reaped(uint32_t number)
{
    struct hipt_frame frame;

    cr_assert(!hipti_frame_reap(&frames, &frame), "before a grace period");
    cr_expect_state(number, HIPT_FRAME_LIMBO, 0, 0);
    test_host_pass(&host);
    cr_assert(hipti_frame_reap(&frames, &frame));
    cr_assert_eq(hipti_frames_number(&frames, frame.pfn, frame.swap), number);
    cr_expect_state(number, HIPT_FRAME_FREE, 0, 0);
    cr_assert_eq(word(number), 0);
    cr_assert(!hipti_frame_reap(&frames, &frame));
}

/* --- ranges */

/* Each frame of each range has a number of its own, from 1 on; nothing else has one, at every edge. */
Test(frame, numbers_of_ranges_with_holes)
{
    static const struct hipt_range ranges[] = {
        {.first = 1000, .count = 7, .swap = false}, {.first = 0, .count = 3, .swap = true},
        {.first = 3, .count = 1, .swap = false},    {.first = 4, .count = 2, .swap = false},
        {.first = 900, .count = 50, .swap = true},  {.first = (UINT64_C(1) << 40) - 5u, .count = 5, .swap = false}};
    enum { COUNT = sizeof(ranges) / sizeof(ranges[0]), TOTAL = 7 + 3 + 1 + 2 + 50 + 5 };
    bool used[TOTAL + 1] = {false};
    size_t bad;
    size_t i;

    cr_assert_eq(hipti_layout_check(&one_node, ranges, COUNT, &bad), HIPT_OK);
    start_ranges(ranges, COUNT);
    cr_assert_eq(frames.records.limit, (uint32_t)TOTAL, "a record for each frame, and no other");
    for (i = 0; i < COUNT; i++) {
        uint64_t k;

        for (k = 0; k < ranges[i].count; k++) {
            uint32_t number = hipti_frames_number(&frames, ranges[i].first + k, ranges[i].swap);

            cr_assert(number >= 1u && number <= TOTAL && !used[number], "range %zu, %llu", i, (unsigned long long)k);
            used[number] = true;
            cr_assert_eq(number, hipti_frames_number(&frames, ranges[i].first, ranges[i].swap) + k);
        }
    }
    for (i = 0; i < COUNT; i++) {
        uint64_t before = ranges[i].first - 1u;
        uint64_t after = ranges[i].first + ranges[i].count;
        bool joined = !ranges[i].swap && (ranges[i].first == 3u || ranges[i].first == 4u);

        cr_assert(joined || hipti_frames_number(&frames, before, ranges[i].swap) == HIPTI_NONE, "range %zu", i);
        cr_assert(joined || hipti_frames_number(&frames, after, ranges[i].swap) == HIPTI_NONE, "range %zu", i);
    }
    cr_assert_eq(hipti_frames_number(&frames, 1000, true), HIPTI_NONE);
    cr_assert_eq(hipti_frames_number(&frames, 0, false), HIPTI_NONE);
    cr_assert_eq(hipti_frames_number(&frames, 6, false), HIPTI_NONE);
    cr_assert_eq(hipti_frames_number(&frames, UINT64_MAX, false), HIPTI_NONE);
    cr_assert_eq(hipti_frames_number(&frames, UINT64_MAX, true), HIPTI_NONE);
    stop();
}

/* Swap slots and frames are apart: where a kind has no range, or none so low, no number of it is known. */
Test(frame, F1_frames_are_no_swap_slots)
{
    static const struct hipt_range ranges[] = {{.first = 0, .count = 100, .swap = false},
                                               {.first = 50, .count = 10, .swap = true}};

    start();
    cr_assert_eq(hipti_frames_number(&frames, 110, false), 11u);
    cr_assert_eq(hipti_frames_number(&frames, 110, true), HIPTI_NONE);
    stop();
    start_ranges(ranges, 2);
    cr_assert_eq(hipti_frames_number(&frames, 10, false), 11u);
    cr_assert_eq(hipti_frames_number(&frames, 10, true), HIPTI_NONE);
    cr_assert_eq(hipti_frames_number(&frames, 50, true), 101u);
    cr_assert_eq(hipti_frames_number(&frames, 50, false), 51u);
    stop();
}

/* What a text names for a number in no range: of its own kind, the bound that is missed by least. */
Test(frame, the_nearest_bound)
{
    static const struct hipt_range ranges[] = {{.first = 2001, .count = 49, .swap = false},
                                               {.first = 100, .count = 50, .swap = false},
                                               {.first = 300, .count = 50, .swap = true},
                                               {.first = 1700, .count = 1, .swap = true}};
    static const struct {
        uint64_t pfn;
        bool swap;
        uint64_t bound;
    } cases[] = {{0, false, 100},      {99, false, 100},  {150, false, 149}, {1000, false, 149}, {1075, false, 149},
                 {1076, false, 2001},  {2000, false, 2001}, {2050, false, 2049}, {UINT64_MAX, false, 2049},
                 {0, true, 300},       {350, true, 349},  {1024, true, 349}, {1025, true, 1700}, {5000, true, 1700}};
    size_t i;

    start_ranges(ranges, 4);
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t bound = hipti_frames_nearest(&frames, cases[i].pfn, cases[i].swap);

        cr_expect_eq(bound, cases[i].bound, "case %zu: %llu", i, (unsigned long long)bound);
    }
    stop();
    start();
    cr_expect_eq(hipti_frames_nearest(&frames, 7, true), 0, "there is no range of the kind");
    stop();
}

/* Ranges that are empty, overlap, go beyond 2^40 or are more than records can be numbered are refused, by index. */
Test(frame, ranges_that_are_refused)
{
    static const uint64_t limit = UINT64_C(1) << 40;
    const struct {
        struct hipt_range range[2];
        size_t count;
        size_t bad;
        enum hipt_status status;
    } cases[] = {
        {{{.count = 0}}, 0, 0, HIPT_BAD_RANGE},
        {{{.count = 0}}, 1, 0, HIPT_BAD_RANGE},
        {{{.count = 5}, {.first = 4, .count = 1}}, 2, 1, HIPT_BAD_RANGE},
        {{{.first = 4, .count = 5}, {.first = 0, .count = 5}}, 2, 1, HIPT_BAD_RANGE},
        {{{.count = 5}, {.first = 5, .count = 1}}, 2, 0, HIPT_OK},
        {{{.first = 5, .count = 1}, {.count = 5}}, 2, 0, HIPT_OK},
        {{{.count = 5}, {.first = 4, .count = 1, .swap = true}}, 2, 0, HIPT_OK},
        {{{.first = limit - 1u, .count = 1}}, 1, 0, HIPT_OK},
        {{{.first = limit - 1u, .count = 2}}, 1, 0, HIPT_BAD_RANGE},
        {{{.first = limit, .count = 1}}, 1, 0, HIPT_BAD_RANGE},
        {{{.first = limit + 1u, .count = 1}}, 1, 0, HIPT_BAD_RANGE},
        {{{.first = UINT64_MAX, .count = 1}}, 1, 0, HIPT_BAD_RANGE},
        {{{.first = 1, .count = UINT64_MAX}}, 1, 0, HIPT_BAD_RANGE},
        {{{.count = UINT32_MAX - 1u}}, 1, 0, HIPT_OK},
        {{{.count = UINT32_MAX}}, 1, 0, HIPT_BAD_RANGE},
        {{{.count = UINT32_MAX - 1u}, {.count = 1, .swap = true}}, 2, 1, HIPT_BAD_RANGE},
    };
    size_t i;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t bad = 99;

        cr_expect_eq(hipti_layout_check(&one_node, cases[i].range, cases[i].count, &bad), cases[i].status,
                     "case %zu", i);
        cr_expect(cases[i].status == HIPT_OK || bad == cases[i].bad, "case %zu: range %zu", i, bad);
    }
}

/* --- mappings */

/* F2: the first mapping of every frame is in its record: no memory is asked for. */
Test(frame, F2_the_first_pair_needs_no_memory)
{
    uint64_t calls;
    uint32_t n;

    start();
    calls = atomic_load(&host.calls);
    test_host_fail(&host, 1, UINT64_MAX / 2u);
    for (n = 1; n <= 50u; n++) {
        link_some(n, 100 + n, 1);
        cr_expect_walk(n, 100 + n, 1);
        cr_assert_eq(hipti_frame_cell(&frames, n, 100 + n), 1100u + n);
        cr_assert_eq(hipti_frame_cell(&frames, n, 99), 0);
    }
    cr_assert_eq(atomic_load(&host.calls), calls);
    stop();
}

/* Sharers beyond the first stand in blocks of seven: the 2nd, 9th, 16th bring one, the others find a place. */
Test(frame, F1_sharers_bring_blocks_of_seven)
{
    uint32_t n;

    start();
    for (n = 0; n < 100u; n++) {
        link_some(7, n, 1);
        cr_assert_eq(hipti_load_relaxed(&frames.aliases->blocks.carved), (n + 6u) / 7u, "%u sharers", n + 1u);
        cr_expect_walk(7, 0, n + 1u);
        cr_expect_state(7, HIPT_FRAME_MAPPED, n + 1u, 0);
    }
    for (n = 0; n < 100u; n++) {
        cr_assert_eq(hipti_frame_cell(&frames, 7, n), n + 1000u);
    }
    stop();
}

/* A block that empties at the front of the list goes to the pool, and is used again after a grace period. */
Test(frame, R1_blocks_are_trimmed_and_used_again)
{
    uint32_t first;

    start();
    link_some(1, 0, 15); /* the record, and two full blocks */
    first = (uint32_t)(word(1) & BLOCK_MASK);
    cr_assert_eq(hipti_load_relaxed(&frames.aliases->blocks.carved), 2u);
    unlink_some(1, 8, 7); /* the newer block */
    cr_assert_neq(word(1) & BLOCK_MASK, first);
    cr_expect_walk(1, 0, 8);
    link_some(2, 100, 2); /* R1: no grace period has passed, so this takes a third */
    cr_assert_eq(hipti_load_relaxed(&frames.aliases->blocks.carved), 3u);
    test_host_pass(&host);
    link_some(3, 100, 2);
    cr_assert_eq(word(3) & BLOCK_MASK, first);
    cr_assert_eq(hipti_load_relaxed(&frames.aliases->blocks.carved), 3u);
    cr_expect_walk(3, 100, 2);
    stop();
}

/* A place that emptied in the middle is filled again before a block is added. */
Test(frame, F1_holes_are_filled)
{
    start();
    link_some(1, 0, 15);
    unlink_some(1, 3, 2);
    unlink_some(1, 0, 1);
    cr_expect_state(1, HIPT_FRAME_MAPPED, 12, 0);
    link_some(1, 3, 2);
    link_some(1, 0, 1);
    cr_assert_eq(hipti_load_relaxed(&frames.aliases->blocks.carved), 2u);
    cr_expect_walk(1, 0, 15);
    stop();
}

/*
 * F1: a walk and an unlink stay inside a block. What follows it in memory is the next block's link in its list and its
 * last one in the pool, which here read like a pair of slot 3.
 */
Test(frame, F1_a_block_ends_where_it_ends)
{
    struct hipti_alias *behind;

    start();
    link_some(1, 2, 15);  /* the record, and blocks 1 and 2 in front of it; slot 3 is in block 1 */
    link_some(2, 100, 2); /* block 3 */
    behind = (struct hipti_alias *)(void *)hipti_arena_at(&frames.aliases->blocks, 3);
    hipti_store_relaxed(&behind->next, 3u);
    hipti_store_relaxed(&behind->spare, 5u);
    cr_expect_walk(1, 2, 15);
    unlink_some(1, 3, 1);
    cr_assert_eq(hipti_load_relaxed(&behind->spare), 5u);
    unlink_some(1, 10, 7); /* block 2 is empty and goes to the pool */
    link_some(4, 300, 2);  /* block 4; the grace period of block 2 begins */
    test_host_pass(&host);
    link_some(3, 200, 2);
    cr_assert_eq(word(3) & BLOCK_MASK, 2u, "used again");
    cr_assert_eq(hipti_load_relaxed(&behind->next), 3u);
    cr_assert_eq(hipti_load_relaxed(&behind->spare), 5u);
    stop();
}

/* F1 to F3, F5, F8, R1: mapped, shared, unmapped, limbo, and free after a grace period. */
Test(frame, R1_rows_without_blocks)
{
    start();
    cr_expect_state(1, HIPT_FRAME_FREE, 0, 0);
    link_some(1, 0, 1);
    cr_expect_state(1, HIPT_FRAME_MAPPED, 1, 0);
    unlink_some(1, 0, 1);
    cr_assert_eq(hipti_frame_link(&frames, 1, pair(0)), HIPT_BUSY, "in limbo");
    cr_assert_eq(hipti_frame_pin(&frames, 1), HIPT_BUSY);
    cr_assert_eq(hipti_frame_unpin(&frames, 1), HIPT_ABSENT);
    cr_expect_reaped(1);
    link_some(1, 0, 1);
    cr_expect_walk(1, 0, 1);
    stop();
}

/* F4: where blocks are left the last unlink passes through UNMAPPING and gives all of them back. */
Test(frame, R1_the_last_unlink_gives_the_blocks_back)
{
    start();
    link_some(1, 0, 15);
    unlink_some(1, 1, 7); /* the older block, which is not first in the list and stays */
    unlink_some(1, 8, 7); /* the newer one */
    cr_expect_state(1, HIPT_FRAME_MAPPED, 1, 0);
    cr_assert_neq(word(1) & BLOCK_MASK, HIPTI_NONE);
    unlink_some(1, 0, 1);
    link_some(3, 0, 2); /* both wait: this takes a third block */
    cr_assert_eq(hipti_load_relaxed(&frames.aliases->blocks.carved), 3u);
    cr_expect_reaped(1);
    link_some(2, 0, 15);
    cr_assert_eq(hipti_load_relaxed(&frames.aliases->blocks.carved), 3u, "the two blocks again");
    cr_expect_walk(2, 0, 15);
    stop();
}

/* F4: what a frame answers while its blocks are given back; reached by its word, as no hook runs there. */
Test(frame, unmapping_is_busy)
{
    uint64_t before;

    start();
    link_some(1, 0, 2);
    before = word(1);
    hipti_store_release(&record(1)->word, hipti_field_set(before, 61, 3, HIPT_FRAME_UNMAPPING));
    cr_assert_eq(hipti_frame_link(&frames, 1, pair(5)), HIPT_BUSY);
    cr_assert_eq(hipti_frame_pin(&frames, 1), HIPT_BUSY);
    cr_expect_state(1, HIPT_FRAME_UNMAPPING, 2, 0);
    cr_assert_eq(word(1), hipti_field_set(before, 61, 3, HIPT_FRAME_UNMAPPING));
    stop();
}

/*
 * F5: a link that is undone leaves a frame that was never mapped FREE at once; one that was mapped goes through limbo.
 */
Test(frame, F5_an_undone_link_leaves_no_trace)
{
    start();
    link_some(1, 0, 1);
    cr_assert_eq(hipti_frame_unlink(&frames, 1, 0, false), 1000u);
    cr_expect_state(1, HIPT_FRAME_FREE, 0, 0);
    cr_assert_eq(word(1), 0);

    link_some(1, 0, 2); /* with a block, through UNMAPPING */
    cr_assert_eq(hipti_frame_unlink(&frames, 1, 0, false), 1000u);
    cr_assert_eq(hipti_frame_unlink(&frames, 1, 1, false), 1001u);
    cr_expect_state(1, HIPT_FRAME_FREE, 0, 0);
    cr_assert_eq(word(1), 0);

    link_some(1, 0, 2); /* one was a mapping, the other is undone last */
    unlink_some(1, 0, 1);
    cr_assert_eq(hipti_frame_unlink(&frames, 1, 1, false), 1001u);
    cr_expect_reaped(1);

    link_some(1, 0, 2); /* one is undone, the other was a mapping and goes last */
    cr_assert_eq(hipti_frame_unlink(&frames, 1, 0, false), 1000u);
    unlink_some(1, 1, 1);
    cr_expect_reaped(1);
    stop();
}

/* F1, F5 to F7: pins keep a frame from limbo, and send it there with the last of them. */
Test(frame, R1_pins)
{
    start();
    cr_assert_eq(hipti_frame_unpin(&frames, 1), HIPT_ABSENT);
    cr_assert_eq(hipti_frame_pin(&frames, 1), HIPT_OK);
    cr_expect_state(1, HIPT_FRAME_OWNED, 0, 1);
    link_some(1, 0, 9);
    cr_expect_state(1, HIPT_FRAME_MAPPED, 9, 1);
    cr_assert_eq(hipti_frame_pin(&frames, 1), HIPT_OK);
    unlink_some(1, 0, 9);
    cr_expect_state(1, HIPT_FRAME_OWNED, 0, 2);
    cr_assert_eq(hipti_frame_unpin(&frames, 1), HIPT_OK);
    cr_expect_state(1, HIPT_FRAME_OWNED, 0, 1);
    cr_assert_eq(hipti_frame_unpin(&frames, 1), HIPT_OK);
    cr_expect_reaped(1);

    link_some(1, 0, 1); /* unpinned while it is mapped: nothing happens before the unlink */
    cr_assert_eq(hipti_frame_pin(&frames, 1), HIPT_OK);
    cr_assert_eq(hipti_frame_unpin(&frames, 1), HIPT_OK);
    cr_expect_state(1, HIPT_FRAME_MAPPED, 1, 0);
    unlink_some(1, 0, 1);
    cr_expect_reaped(1);

    cr_assert_eq(hipti_frame_pin(&frames, 1), HIPT_OK); /* owned before: an undone link leaves it owned */
    link_some(1, 0, 1);
    cr_assert_eq(hipti_frame_unlink(&frames, 1, 0, false), 1000u);
    cr_expect_state(1, HIPT_FRAME_OWNED, 0, 1);
    stop();
}

/* R1: a pin that came and went while a link was on its way is not forgotten when the link is undone. */
Test(frame, R1_a_pin_during_an_undone_link)
{
    start();
    link_some(1, 0, 1);
    cr_assert_eq(hipti_frame_pin(&frames, 1), HIPT_OK);
    cr_assert_eq(hipti_frame_unpin(&frames, 1), HIPT_OK);
    cr_assert_eq(hipti_frame_unlink(&frames, 1, 0, false), 1000u);
    cr_expect_reaped(1); /* as if the link had never been: pinned, unpinned */
    stop();
}

/* --- bounds */

/* The last pin is taken, one more is refused and changes nothing. */
Test(frame, bound_of_pins)
{
    uint64_t before;
    unsigned i;

    start();
    for (i = 0; i < HIPT_PINS_MAX; i++) {
        cr_assert_eq(hipti_frame_pin(&frames, 1), HIPT_OK);
    }
    before = word(1);
    cr_assert_eq(hipti_frame_pin(&frames, 1), HIPT_FULL);
    cr_assert_eq(word(1), before);
    link_some(1, 0, 1); /* counts are apart */
    cr_expect_state(1, HIPT_FRAME_MAPPED, 1, HIPT_PINS_MAX);
    for (i = 0; i < HIPT_PINS_MAX; i++) {
        cr_assert_eq(hipti_frame_unpin(&frames, 1), HIPT_OK);
    }
    cr_expect_state(1, HIPT_FRAME_MAPPED, 1, 0);
    stop();
}

/* The last sharer is taken, one more is refused and changes nothing. The count is set in the word, not built up. */
Test(frame, bound_of_sharers)
{
    uint64_t before;

    start();
    link_some(1, 0, 1);
    hipti_store_release(&record(1)->word, hipti_field_set(word(1), 28, 20, HIPT_SHARERS_MAX - 1u));
    link_some(1, 1, 1);
    cr_expect_state(1, HIPT_FRAME_MAPPED, HIPT_SHARERS_MAX, 0);
    before = word(1);
    cr_assert_eq(hipti_frame_link(&frames, 1, pair(2)), HIPT_FULL);
    cr_assert_eq(word(1), before);
    cr_expect_walk(1, 0, 2);
    stop();
}

/* Without memory for a block a link is refused, and the frame is as it was. */
Test(frame, F2_no_memory_for_a_block)
{
    uint64_t before;

    start();
    link_some(1, 0, 1);
    before = word(1);
    test_host_fail(&host, 1, 1);
    cr_assert_eq(hipti_frame_link(&frames, 1, pair(1)), HIPT_NOMEM);
    cr_assert_eq(word(1), before);
    cr_expect_walk(1, 0, 1);
    link_some(1, 1, 1);
    stop();
}

/* What was reserved is had without memory; more than there can ever be is refused. */
Test(frame, reserved_blocks_need_no_memory)
{
    start();
    atomic_store(&host.never_hurries, true);
    cr_assert_eq(hipti_frame_link(&frames, 1, pair(0)), HIPT_OK);
    cr_assert_eq(hipti_frame_link(&frames, 1, pair(1)), HIPT_NOMEM, "a link does not wait for memory");
    cr_assert_eq(hipti_frames_reserve(&frames, 3000), HIPT_OK, "a reserve does");
    test_host_fail(&host, 1, UINT64_MAX / 2u);
    link_some(1, 1, 199);
    cr_expect_walk(1, 0, 200);
    cr_assert_eq(hipti_frames_reserve(&frames, 4090), HIPT_NOMEM);
    test_host_fail(&host, 0, 0);
    cr_assert_eq(hipti_frames_reserve(&frames, frames.aliases->blocks.limit - 29u), HIPT_OK, "29 are in use");
    cr_assert_eq(hipti_frames_reserve(&frames, frames.aliases->blocks.limit - 28u), HIPT_FULL);
    cr_assert_eq(hipti_frames_reserve(&frames, UINT32_MAX), HIPT_FULL);
    stop();
}

/* R1: many frames in limbo come back, each once, in whatever order, swap slots as swap slots. */
Test(frame, R1_limbo_gives_every_frame_back_once)
{
    static const struct hipt_range ranges[] = {{.first = 100, .count = 50, .swap = false},
                                               {.first = 7, .count = 20, .swap = true}};
    bool back[71] = {false};
    struct hipt_frame frame;
    uint32_t n;

    start_ranges(ranges, 2);
    for (n = 1; n <= 70u; n++) {
        link_some(n, n, 1);
        unlink_some(n, n, 1);
    }
    cr_assert(!hipti_frame_reap(&frames, &frame));
    test_host_pass(&host);
    for (n = 1; n <= 70u; n++) {
        uint32_t number;

        cr_assert(hipti_frame_reap(&frames, &frame));
        number = hipti_frames_number(&frames, frame.pfn, frame.swap);
        cr_assert(number != HIPTI_NONE && !back[number]);
        back[number] = true;
        cr_assert(frame.swap ? frame.pfn >= 7u && frame.pfn < 27u : frame.pfn >= 100u && frame.pfn < 150u);
    }
    cr_assert(!hipti_frame_reap(&frames, &frame));
    test_host_fail(&host, 1, UINT64_MAX / 2u);
    for (n = 1; n <= 70u; n++) {
        link_some(n, n, 1); /* F2: what limbo kept in the record is gone */
    }
    stop();
}

/* With more mappings than blocks can be numbered for, the blocks still have numbers that fit the record's word. */
Test(frame, the_largest_number_of_blocks)
{
    test_host_init(&host);
    cr_assert(hipti_topology_init(&topology, &host.ops, NULL));
    memory = hipti_memory_anywhere(&host.ops);
    memset(&frames, 0, sizeof(frames));
    cr_assert(hipti_frames_init(&frames, &topology, &memory, plain, 1, UINT64_C(1) << 33));
    cr_assert_eq(frames.aliases->blocks.limit, BLOCK_MASK);
    hipti_frames_end(&frames);
    cr_assert_eq(atomic_load(&host.bytes), 0);
}

/* --- somebody else comes in between, at every step */

static void unpin_beside(void)
{
    TEST_HOLDS(hipti_frame_unpin(&frames, 1) == HIPT_OK);
}

/* R1: the last unpin while the last unlink gives its blocks back: one of the two sends the frame to limbo. */
Test(frame, R1_an_unpin_beside_the_last_unlink)
{
    bool is_over = false;
    unsigned steps;

    for (steps = 0; !is_over; steps++) {
        start();
        cr_assert_eq(hipti_frame_pin(&frames, 1), HIPT_OK);
        link_some(1, 0, 15);
        unlink_some(1, 1, 14); /* the older block stays */
        step_interrupt(NULL, NULL, steps, unpin_beside);
        unlink_some(1, 0, 1);
        is_over = !step_interrupted();
        if (is_over) {
            unpin_beside();
        }
        cr_expect_reaped(1);
        stop();
    }
    cr_assert_gt(steps, 5u);
}

static void link_beside(void)
{
    is_linked_beside = hipti_frame_link(&frames, 1, pair(200)) == HIPT_OK;
}

/* F1: a link beside the trim of the only block with room stands; the places that were closed for the trim come back. */
Test(frame, F1_a_link_beside_a_trim)
{
    bool is_over = false;
    unsigned steps;

    for (steps = 0; !is_over; steps++) {
        start();
        link_some(1, 0, 9); /* the record, a full block and a pair in a second one */
        is_linked_beside = false;
        step_interrupt(NULL, NULL, steps, link_beside);
        unlink_some(1, 8, 1);
        is_over = !step_interrupted();
        if (is_over) {
            link_beside();
        }
        cr_assert(is_linked_beside);
        link_some(2, 100, 2); /* asks for the grace period of the block that was taken off, if it was */
        test_host_pass(&host);
        link_some(1, 8, 13);
        cr_expect_state(1, HIPT_FRAME_MAPPED, 22, 0);
        cr_assert_eq(hipti_frame_cell(&frames, 1, 200), 1200u, "interrupted at %u", steps);
        cr_assert_leq(hipti_load_relaxed(&frames.aliases->blocks.carved), 4u, "interrupted at %u", steps);
        stop();
    }
    cr_assert_gt(steps, 10u);
}

/* F1, F8: a link beside a reap is refused, or it stands; the frame's record has room for it. */
Test(frame, F1_F2_a_link_beside_a_reap)
{
    bool is_over = false;
    unsigned refused = 0;
    unsigned steps;

    for (steps = 0; !is_over; steps++) {
        struct hipt_frame frame;

        start();
        link_some(1, 0, 1);
        unlink_some(1, 0, 1);
        cr_assert(!hipti_frame_reap(&frames, &frame));
        test_host_pass(&host);
        test_host_fail(&host, 1, UINT64_MAX / 2u);
        is_linked_beside = false;
        step_interrupt(NULL, NULL, steps, link_beside);
        cr_assert(hipti_frame_reap(&frames, &frame));
        is_over = !step_interrupted();
        refused += !is_linked_beside;
        if (!is_linked_beside) {
            link_beside();
        }
        cr_assert(is_linked_beside);
        cr_expect_walk(1, 200, 1);
        stop();
    }
    cr_assert_eq(refused, steps, "a frame is nobody's before its reap is over");
}
