/* SPDX-License-Identifier: MIT */
/* Memory from a node: strictly, preferably, from anywhere, and what an arena writes down of it. */
#include <criterion/criterion.h>

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "reclaim/arena.h"
#include "reclaim/memory.h"
#include "support/host.h"

enum { NODES = 4, BYTES = 256 };

static const uint8_t nearest[NODES] = {2, 1, 3, 0}; /* node 2's */
static struct test_host host;
static HIPTI_ATOMIC(uint64_t) fallen[NODES];
static struct hipti_memory memory;

static void start(void)
{
    unsigned node;

    test_host_init(&host);
    test_host_nodes(&host);
    for (node = 0; node < NODES; node++) {
        atomic_store(&fallen[node], 0);
    }
    memory = (struct hipti_memory){&host.ops, 2, false, NODES, nearest, 0xf, fallen};
}

static void cr_expect_fallen(uint64_t node0, uint64_t node1, uint64_t node2, uint64_t node3)
{
    cr_expect_eq(atomic_load(&fallen[0]), node0);
    cr_expect_eq(atomic_load(&fallen[1]), node1);
    cr_expect_eq(atomic_load(&fallen[2]), node2);
    cr_expect_eq(atomic_load(&fallen[3]), node3);
}

/* A block comes from the node @wanted of the host, which says so; HIPT_ANY_NODE: from none. It is given back. */
static void cr_expect_block(int wanted)
{
    int node = 99;
    char *block = hipti_memory_alloc(&memory, BYTES, true, &node);
    unsigned i;

    cr_assert_not_null(block);
    cr_expect_eq(node, wanted, "%d, not %d", node, wanted);
    cr_expect_eq((uintptr_t)block % 64u, 0);
    for (i = 0; i < NODES; i++) {
        cr_expect_eq(atomic_load(&host.on_node[i]), (int)i == wanted ? BYTES : 0);
    }
    hipti_memory_free(&memory, block, BYTES);
    cr_expect_eq(atomic_load(&host.bytes), 0);
}

/* From anywhere: no node is named, none is counted. */
Test(memory, from_anywhere, .init = start)
{
    memory = hipti_memory_anywhere(&host.ops);
    cr_expect_block(HIPT_ANY_NODE);
    cr_expect_fallen(0, 0, 0, 0);
}

/* Preferably: the node itself, then the nearest one with room, each full one counted; last of all from anywhere. */
Test(memory, N1_preferred_falls_to_the_nearest, .init = start)
{
    cr_expect_block(2);
    cr_expect_fallen(0, 0, 0, 0);
    atomic_store(&host.full, 1u << 2);
    cr_expect_block(1);
    cr_expect_fallen(0, 0, 1, 0);
    atomic_store(&host.full, 1u << 2 | 1u << 1);
    cr_expect_block(3);
    cr_expect_fallen(0, 1, 2, 0);
    atomic_store(&host.full, 0xf);
    cr_expect_block(HIPT_ANY_NODE);
    cr_expect_fallen(1, 2, 3, 1);
}

/* Nodes without memory are not asked, and not counted. */
Test(memory, N1_nodes_without_memory, .init = start)
{
    memory.nodes = 1u << 0 | 1u << 2;
    atomic_store(&host.full, 1u << 2);
    cr_expect_block(0);
    cr_expect_fallen(0, 0, 1, 0);
}

/* Strictly: that node, or nothing. */
Test(memory, N1_strict_is_refused, .init = start)
{
    int node;

    memory.is_strict = true;
    cr_expect_block(2);
    atomic_store(&host.full, 1u << 2);
    cr_expect_null(hipti_memory_alloc(&memory, BYTES, true, &node));
    cr_expect_fallen(0, 0, 1, 0);
    cr_expect_eq(atomic_load(&host.calls), 2u, "no other node was asked");
}

/* A host that cannot say whether a node was full is told the node once, and nothing is counted. */
Test(memory, N1_a_host_without_alloc_strict, .init = start)
{
    host.ops.alloc_strict = NULL;
    cr_expect_block(2);
    cr_expect_fallen(0, 0, 0, 0);
    cr_expect_eq(atomic_load(&host.calls), 1u);
}

/* Where memory is short everywhere, there is none, and whether the host may sleep is passed on. */
Test(memory, none, .init = start)
{
    int node;

    test_host_fail(&host, 1, NODES + 1u);
    cr_expect_null(hipti_memory_alloc(&memory, BYTES, true, &node));
    atomic_store(&host.never_hurries, true);
    cr_expect_null(hipti_memory_alloc(&memory, BYTES, false, &node));
    cr_expect_block(2);
}

/* An arena writes down for each block where it lies; the directory, too, lies on the node. */
Test(memory, N1_blocks_of_an_arena, .init = start)
{
    struct hipti_arena arena = {0};
    bool full;
    uint32_t number;

    cr_assert(hipti_arena_init(&arena, &memory, 64, 5u * 4u, 256, true)); /* five blocks of four */
    cr_expect_eq(atomic_load(&host.on_node[2]), 5u * (sizeof(char *) + 1u));
    cr_assert(hipti_arena_prepare(&arena, 4, true));
    atomic_store(&host.full, 1u << 2);
    cr_assert(hipti_arena_prepare(&arena, 8, true));
    atomic_store(&host.full, 0xf);
    cr_assert(hipti_arena_prepare(&arena, 12, true));
    atomic_store(&host.full, 0);
    for (number = 1; number <= 16u; number++) {
        static const int wanted[4] = {2, 1, HIPT_ANY_NODE, 2};

        cr_assert_eq(hipti_arena_carve(&arena, false, &full), number);
        cr_expect_eq(hipti_arena_node(&arena, number), wanted[(number - 1u) / 4u], "item %u", number);
    }
    cr_expect_eq(hipti_arena_bytes(&arena), 5u * (sizeof(char *) + 1u) + 16u * 64u);
    cr_expect_eq(hipti_arena_bytes_on(&arena, 1), 256u);
    cr_expect_eq(hipti_arena_bytes_on(&arena, 2), 512u);
    hipti_arena_end(&arena);
    cr_expect_eq(atomic_load(&host.bytes), 0);
}

/* Strictly placed, a block that the node has no room for is a lack of memory: nothing is given out or lost. */
Test(memory, N1_an_arena_on_a_full_node, .init = start)
{
    struct hipti_arena arena = {0};
    bool full = true;

    memory.is_strict = true;
    cr_assert(hipti_arena_init(&arena, &memory, 64, 20, 256, true));
    atomic_store(&host.full, 1u << 2);
    cr_expect_eq(hipti_arena_carve(&arena, false, &full), 0);
    cr_expect(!full);
    atomic_store(&host.full, 0);
    cr_expect_eq(hipti_arena_carve(&arena, false, &full), 1u);
    hipti_arena_end(&arena);
    cr_expect_eq(atomic_load(&host.bytes), 0);
}

/* An arena from anywhere has no nodes, and its directory holds nothing else than the blocks. */
Test(memory, blocks_from_anywhere, .init = start)
{
    struct hipti_arena arena = {0};

    memory = hipti_memory_anywhere(&host.ops);
    cr_assert(hipti_arena_init(&arena, &memory, 64, 20, 256, true));
    cr_assert(hipti_arena_prepare(&arena, 1, true));
    cr_expect_null(arena.nodes);
    cr_expect_eq(hipti_arena_node(&arena, 1), HIPT_ANY_NODE);
    cr_expect_eq(hipti_arena_bytes(&arena), 5u * sizeof(char *) + 256u);
    cr_expect_eq(hipti_arena_bytes_on(&arena, 0), 256u, "the one block that is there");
    hipti_arena_end(&arena);
}
