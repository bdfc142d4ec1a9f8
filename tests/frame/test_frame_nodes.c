/* SPDX-License-Identifier: MIT */
/* Frame records and alias blocks on the nodes that own the frames: numbers, gaps, bounds of blocks, scarcity. */
#include <criterion/criterion.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "frame/frames.h"
#include "frame/layout.h"
#include "support/host.h"

enum { NODES_MAX = 4, MAPPINGS = 4096, RECORD = sizeof(struct hipti_frame) };

static struct test_host host;
static struct hipti_frames frames;
static struct hipti_topology topology;
static struct hipti_memory memory[NODES_MAX];
static HIPTI_ATOMIC(uint64_t) fallen[NODES_MAX];
static struct hipt_topology given;

/* A machine of two nodes: pfns 0 to 0x3fff, then 0x4000 to 0x7fff. */
static const struct hipt_node_range halves[] = {{0, 0x4000, 0}, {0x4000, 0x4000, 1}};

static void start_host(void)
{
    test_host_init(&host);
    test_host_nodes(&host);
}

static void describe(unsigned nodes, const struct hipt_node_range *ranges, size_t nranges)
{
    given = (struct hipt_topology){.size = sizeof(given), .nodes = nodes, .ranges = ranges, .nranges = nranges};
    cr_assert_eq(hipt_topology_check(&given, NULL, 0), HIPT_OK);
}

/* => false: no memory. Nothing is left of what there was before. */
static bool open_frames(const struct hipt_range *ranges, size_t count)
{
    unsigned node;
    bool opened;

    memset(&frames, 0, sizeof(frames));
    opened = hipti_topology_init(&topology, &host.ops, &given);
    for (node = 0; opened && node < topology.nodes; node++) {
        memory[node] = (struct hipti_memory){&host.ops,        (int)node, memory[node].is_strict, topology.nodes,
                                             hipti_topology_nearest(&topology, node),
                                             topology.with_memory, fallen};
    }
    return opened && hipti_frames_init(&frames, &topology, memory, ranges, count, MAPPINGS);
}

static void close_frames(void)
{
    hipti_frames_end(&frames);
    hipti_topology_end(&topology);
    cr_assert_eq(atomic_load(&host.bytes), 0);
}

static uint32_t number_of(uint64_t pfn)
{
    uint32_t number = hipti_frames_number(&frames, pfn, false);

    cr_assert_neq(number, HIPTI_NONE, "pfn %llu", (unsigned long long)pfn);
    return number;
}

static int node_of(uint64_t pfn)
{
    return hipti_arena_node(&frames.records, number_of(pfn));
}

/* Every pfn's record lies on the pfn's node, at its place in an aligned block, and no two have the same number. */
static void cr_expect_placed(const struct hipt_range *ranges, size_t count)
{
    uint32_t items = frames.records.block_mask + 1u;
    bool *used = calloc(frames.records.limit + 1u, sizeof(bool));
    size_t i;

    for (i = 0; i < count; i++) {
        uint64_t k;

        for (k = 0; k < ranges[i].count; k++) {
            uint32_t number = hipti_frames_number(&frames, ranges[i].first + k, ranges[i].swap);

            cr_assert(number >= 1u && number <= frames.records.limit && !used[number], "range %zu + %llu", i,
                      (unsigned long long)k);
            used[number] = true;
            cr_assert_not_null(hipti_arena_find(&frames.records, number));
            if (!ranges[i].swap) {
                uint64_t pfn = ranges[i].first + k;

                cr_assert_eq((number - 1u) % items, pfn % items, "pfn %llu", (unsigned long long)pfn);
                cr_assert_eq(hipti_arena_node(&frames.records, number), hipti_topology_node_of_pfn(&topology, pfn));
            }
        }
    }
    free(used);
}

/* Records lie where their frames do, whatever the ranges' bounds and order; what is on a node is counted there. */
Test(frame_nodes, N1_records_lie_on_the_owners_node, .init = start_host)
{
    static const struct hipt_range ranges[] = {{.first = 0x3f05, .count = 0x3001}, {.first = 7, .count = 3},
                                               {.first = 10, .count = 1000},       {.first = 0x1000, .count = 0x1234}};
    uint64_t bytes[2] = {0, 0};
    uint32_t block;

    describe(2, halves, 2);
    cr_assert(open_frames(ranges, 4));
    cr_expect_eq(frames.records.block_mask + 1u, 0x4000u, "as large as a node");
    cr_expect_placed(ranges, 4);
    for (block = 0; block < hipti_arena_blocks(&frames.records); block++) {
        uint32_t first = block << frames.records.block_shift;
        uint32_t left = frames.records.limit - first;

        cr_expect_eq(hipti_arena_node(&frames.records, first + 1u), frames.owners[block]);
        bytes[frames.owners[block]] += RECORD * (uint64_t)(left < 0x4000u ? left : 0x4000u);
    }
    cr_expect_eq(hipti_arena_bytes_on(&frames.records, 0), bytes[0]);
    cr_expect_eq(hipti_arena_bytes_on(&frames.records, 1), bytes[1]);
    cr_expect_neq(bytes[0], bytes[1], "or the two could be mistaken for each other");
    cr_expect_geq(atomic_load(&host.on_node[0]), bytes[0]);
    cr_expect_geq(atomic_load(&host.on_node[1]), bytes[1]);
    close_frames();
}

/* Ranges in one aligned run of pfns share its block; others begin in the next one. Gaps are nobody's. */
Test(frame_nodes, N1_gaps, .init = start_host)
{
    static const struct hipt_range ranges[] = {
        {.first = 0x100, .count = 0x10}, {.first = 0x200, .count = 0x10},
        {.first = 0x4010, .count = 0x20}, {.first = 0x8005, .count = 1},
        {.first = 0, .count = 5, .swap = true}, {.first = 9, .count = 1, .swap = true}};
    static const struct hipt_node_range nodes[] = {{0, 0x8000, 0}, {0x8000, 0x8000, 1}};
    struct hipt_frame frame;

    host.ops.block_max = 0x1000 * RECORD;
    describe(2, nodes, 2);
    cr_assert(open_frames(ranges, 6));
    cr_expect_eq(number_of(0x100), 0x101u);
    cr_expect_eq(number_of(0x20f), 0x210u, "in the same run");
    cr_expect_eq(number_of(0x4010), 0x1011u, "in the next block");
    cr_expect_eq(number_of(0x8005), 0x2006u);
    cr_expect_eq(hipti_frames_number(&frames, 0, true), 0x3001u, "swap slots begin in a block of their own");
    cr_expect_eq(hipti_frames_number(&frames, 9, true), 0x3006u);
    cr_expect_eq(frames.records.limit, 0x3006u);
    cr_expect_eq(hipti_frames_number(&frames, 0x110, false), HIPTI_NONE);
    cr_expect_eq(hipti_frames_number(&frames, 0, false), HIPTI_NONE);
    cr_expect_placed(ranges, 6);
    cr_assert_eq(hipti_frame_pin(&frames, number_of(0x8005)), HIPT_OK);
    cr_assert_eq(hipti_frame_unpin(&frames, number_of(0x8005)), HIPT_OK);
    host.ops.read_enter(host.ops.ctx);
    cr_assert(!hipti_frame_reap(&frames, &frame));
    test_host_pass(&host);
    cr_assert(hipti_frame_reap(&frames, &frame));
    cr_expect(frame.pfn == 0x8005 && !frame.swap, "a number behind gaps is a pfn again");
    host.ops.read_exit(host.ops.ctx);
    close_frames();
}

/* Blocks: at most what the host gives, at most what no boundary lies in, at least 256 records, at most 8192 of them. */
Test(frame_nodes, N1_sizes_of_blocks, .init = start_host)
{
    static const struct {
        uint64_t boundary; /* between the nodes */
        size_t block_max;
        uint64_t count; /* of frames */
        uint32_t items;
    } cases[] = {{0x40000, 0, 100, 0x10000},        {0x40000, 2u << 20, 100, 0x20000}, {0x1000, 0, 100, 0x1000},
                 {0x300, 0, 100, 0x100},            {0x101, 0, 100, 0x100},            {0x180, 0, 100, 0x100},
                 {0x4000, 1024, 100, 64},           {0x100, 0, 0x200000, 0x100},       {0x100, 0, 0x200001, 0x200},
                 {0x100, 0, UINT64_C(1) << 31, 0x8000}, {0x8000, 0, UINT64_C(1) << 31, 0x8000}};
    size_t i;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct hipt_node_range nodes[] = {{0, cases[i].boundary, 0}, {cases[i].boundary, cases[i].boundary, 1}};
        const struct hipt_range range = {.first = 0, .count = cases[i].count};
        struct hipti_layout layout;

        host.ops.block_max = cases[i].block_max;
        hipti_layout_init(&layout, &(struct hipti_layout_nodes){2, nodes, 2, hipti_arena_block(&host.ops)}, &range, 1);
        cr_expect_eq(1u << layout.block_shift, cases[i].items, "case %zu: %u", i, 1u << layout.block_shift);
        if (cases[i].count <= 0x200001u) { /* and the arena agrees */
            describe(2, nodes, 2);
            cr_assert(open_frames(&range, 1));
            cr_expect_eq(frames.records.block_mask + 1u, cases[i].items, "case %zu", i);
            close_frames();
        }
    }
}

/* A block that a boundary lies in is the first node's. */
Test(frame_nodes, N1_a_boundary_within_a_block, .init = start_host)
{
    static const struct hipt_node_range nodes[] = {{0, 0x280, 0}, {0x280, 0x280, 1}};
    static const struct hipt_range range = {.first = 0, .count = 0x500};

    describe(2, nodes, 2);
    cr_assert(open_frames(&range, 1));
    cr_expect_eq(node_of(0x1ff), 0);
    cr_expect_eq(node_of(0x2ff), 0, "one run of 256");
    cr_expect_eq(node_of(0x300), 1);
    close_frames();
}

/* A block whose first pfns are in no range is of the first one's node that is. */
Test(frame_nodes, N1_the_first_frame_that_there_is, .init = start_host)
{
    static const struct hipt_node_range nodes[] = {{0, 0x280, 0}, {0x280, 0x280, 1}};
    static const struct hipt_range range = {.first = 0x290, .count = 0x10};

    describe(2, nodes, 2);
    cr_assert(open_frames(&range, 1));
    cr_expect_eq(node_of(0x290), 1);
    close_frames();
}

/* Frames on no node are of the first with memory; swap slots of one node with memory after another. */
Test(frame_nodes, N1_frames_of_no_node, .init = start_host)
{
    static const struct hipt_node_range nodes[] = {{0x1000, 0x1000, 1}, {0x2000, 0x1000, 3}};
    static const struct hipt_range ranges[] = {{.first = 0, .count = 1}, {.first = 0x2000, .count = 1},
                                               {.first = 0, .count = 0x5000, .swap = true}};
    unsigned i;

    describe(4, nodes, 2);
    cr_assert(open_frames(ranges, 3));
    cr_expect_eq(node_of(0), 1);
    cr_expect_eq(node_of(0x2000), 3);
    for (i = 0; i < 5u; i++) {
        uint32_t number = hipti_frames_number(&frames, i * 0x1000u, true);

        cr_expect_eq(hipti_arena_node(&frames.records, number), i % 2u == 0 ? 1 : 3, "block %u", i);
    }
    cr_expect_null(frames.aliases[0].blocks.directory, "a node without records has no blocks for their sharers");
    cr_expect_null(frames.aliases[2].blocks.directory);
    cr_expect_eq(hipti_frames_reserve(&frames, 10), HIPT_OK);
    close_frames();
}

static void link_some(uint32_t number, uint32_t first, uint32_t count)
{
    uint32_t n;

    for (n = first; n < first + count; n++) {
        cr_assert_eq(hipti_frame_link(&frames, number, (struct hipti_pair){n, n + 1000u}), HIPT_OK);
    }
}

static void unlink_some(uint32_t number, uint32_t first, uint32_t count)
{
    uint32_t n;

    for (n = first; n < first + count; n++) {
        cr_assert_eq(hipti_frame_unlink(&frames, number, n, HIPTI_UNLINK_END), n + 1000u);
    }
}

/* => how many pairs a walk gives, all of them of slots from @first on. */
static uint32_t walk(uint32_t number, uint32_t first)
{
    struct hipti_pairs pairs = hipti_frame_pairs(&frames, number);
    struct hipti_pair pair;
    uint32_t count = 0;

    while (hipti_pairs_next(&pairs, &pair)) {
        cr_assert(pair.slot >= first && pair.slot < first + 100u, "slot %u", pair.slot);
        count++;
    }
    return count;
}

/* Further mappings are kept on the owner's node; blocks of two nodes have the same numbers and are not mixed up. */
Test(frame_nodes, N1_F1_alias_blocks_lie_on_the_owners_node, .init = start_host)
{
    static const struct hipt_range range = {.first = 0, .count = 0x8000};
    uint64_t before[2];
    uint32_t low;
    uint32_t high;

    describe(2, halves, 2);
    cr_assert(open_frames(&range, 1));
    host.ops.read_enter(host.ops.ctx);
    low = number_of(5);
    high = number_of(0x4005);
    before[0] = atomic_load(&host.on_node[0]);
    before[1] = atomic_load(&host.on_node[1]);
    link_some(high, 500, 10);
    cr_expect_eq(atomic_load(&host.on_node[0]), before[0]);
    cr_expect_gt(atomic_load(&host.on_node[1]), before[1]);
    cr_expect_eq(hipti_load_relaxed(&frames.aliases[1].blocks.carved), 2u);
    cr_expect_eq(hipti_load_relaxed(&frames.aliases[0].blocks.carved), 0u);
    link_some(low, 100, 10);
    cr_expect_eq(hipti_load_relaxed(&frames.aliases[0].blocks.carved), 2u);
    cr_expect_gt(atomic_load(&host.on_node[0]), before[0]);
    cr_expect_eq(walk(low, 100), 10u);
    cr_expect_eq(walk(high, 500), 10u);
    unlink_some(high, 500, 10);
    cr_expect_eq(walk(low, 100), 10u);
    test_host_pass(&host);
    cr_expect(hipti_freelist_is_waiting(&frames.aliases[1].spare));
    cr_expect(!hipti_freelist_is_waiting(&frames.aliases[0].spare));
    link_some(low, 110, 14); /* a node's blocks are not taken by another's frames */
    cr_expect_eq(hipti_load_relaxed(&frames.aliases[0].blocks.carved), 4u);
    unlink_some(low, 100, 24);
    cr_expect_eq(walk(low, 100), 0u);
    host.ops.read_exit(host.ops.ctx);
    close_frames();
}

/* A reserve is for the frames of every node, and none of them asks for memory then. */
Test(frame_nodes, N1_reserve_on_each_node, .init = start_host)
{
    static const struct hipt_range range = {.first = 0, .count = 0x8000};
    uint64_t calls;

    describe(2, halves, 2);
    cr_assert(open_frames(&range, 1));
    cr_expect_eq(hipti_frames_reserve(&frames, 3), HIPT_OK);
    calls = atomic_load(&host.calls);
    host.ops.read_enter(host.ops.ctx);
    link_some(number_of(1), 0, 22);
    link_some(number_of(0x4001), 0, 22);
    host.ops.read_exit(host.ops.ctx);
    cr_expect_eq(atomic_load(&host.calls), calls);
    atomic_store(&host.full, 1u << 1);
    memory[1].is_strict = true;
    cr_expect_eq(hipti_frames_reserve(&frames, 2000), HIPT_NOMEM);
    memory[1].is_strict = false;
    cr_expect_eq(hipti_frames_reserve(&frames, UINT32_MAX), HIPT_FULL);
    close_frames();
}

/* A full node: strictly there is no table, or no mapping, and all comes back; preferably the next node has it. */
Test(frame_nodes, N1_a_full_node, .init = start_host)
{
    static const struct hipt_range range = {.first = 0, .count = 0x8000};
    uint32_t high;

    describe(2, halves, 2);
    atomic_store(&host.full, 1u << 1);
    memory[0].is_strict = memory[1].is_strict = true;
    cr_expect(!open_frames(&range, 1));
    close_frames();
    memory[0].is_strict = memory[1].is_strict = false;
    cr_assert(open_frames(&range, 1));
    cr_expect_eq(node_of(0x4000), 0, "the nearest with room");
    cr_expect_eq(frames.owners[1], 1, "but node 1 owns it");
    cr_expect_eq(atomic_load(&host.on_node[1]), 0);
    cr_expect_gt(atomic_load(&fallen[1]), 0);
    high = number_of(0x4000);
    host.ops.read_enter(host.ops.ctx);
    memory[1].is_strict = true;
    link_some(high, 0, 1);
    cr_expect_eq(hipti_frame_link(&frames, high, (struct hipti_pair){7, 1007}), HIPT_NOMEM);
    cr_expect_eq(hipti_frame_status(&frames, high).mappings, 1u);
    atomic_store(&host.full, 0);
    link_some(high, 7, 1);
    cr_expect_eq(hipti_arena_node(&frames.aliases[1].blocks, 1), 1);
    host.ops.read_exit(host.ops.ctx);
    memory[0].is_strict = memory[1].is_strict = false;
    close_frames();
}

/* Whichever block of memory is not to be had: no frames, and all comes back. */
Test(frame_nodes, no_memory, .init = start_host)
{
    static const struct hipt_range range = {.first = 0, .count = 0x8000};
    uint64_t k;
    bool opened = false;

    describe(2, halves, 2);
    memory[0].is_strict = memory[1].is_strict = true;
    for (k = 1; !opened; k++) {
        test_host_fail(&host, k, 1);
        opened = open_frames(&range, 1);
        close_frames();
    }
    cr_expect_geq(k, 9u, "topology, ranges, directory, nodes, two blocks, two directories");
}

/* With gaps the numbers may not be enough: the range that would pass them is named; with one node there are no gaps. */
Test(frame_nodes, gaps_are_counted, .init = start_host)
{
    static const struct hipt_range ranges[] = {{.first = 0, .count = 3, .swap = true},
                                               {.first = 0x10000, .count = UINT32_MAX - 0x8001u},
                                               {.first = 1, .count = 1}};
    struct hipti_layout_nodes nodes = {2, halves, 2, 1u << 20};
    size_t bad = 99;

    cr_expect_eq(hipti_layout_check(&nodes, ranges, 3, &bad), HIPT_BAD_RANGE);
    cr_expect_eq(bad, 0, "in their order, swap slots come last: range %zu", bad);
    cr_expect_eq(hipti_layout_check(&nodes, ranges + 1, 2, &bad), HIPT_OK);
    nodes.nodes = 1;
    cr_expect_eq(hipti_layout_check(&nodes, ranges, 3, &bad), HIPT_OK);
}
