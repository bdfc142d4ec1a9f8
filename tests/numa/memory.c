/* SPDX-License-Identifier: MIT */
/* The user-space port's memory on real nodes. */
#include "numa/checks.h"

#include <stdlib.h>
#include <string.h>

#include "topology/topology.h"

#define MIB ((size_t)1 << 20)

static const size_t sizes[] = {100, 4096, 65536, 2u * MIB, 4u * MIB + 1u};

#define SIZES (sizeof(sizes) / sizeof(sizes[0]))
#define SMALL_SIZES 3u /* an emulated machine is slow */

static char *alloc_on(const struct numa *numa, int node, size_t bytes, bool is_strict)
{
    const struct hipt_ops *ops = numa->ops;

    return (is_strict ? ops->alloc_strict : ops->alloc)(ops->ctx, bytes, 64, node, true);
}

static void free_block(const struct numa *numa, void *block, size_t bytes)
{
    numa->ops->free(numa->ops->ctx, block, bytes);
}

/* Nodes, CPUs and distances are those that the machine was booted with; each node with memory has frames. */
void numa_the_machine_is_as_booted(struct numa *numa)
{
    const struct hipt_topology *is = &numa->topology;
    const struct hipti_places *expected = numa->expected;
    char text[200];

    NUMA_HOLDS(numa, hipt_topology_check(is, text, sizeof(text)) == HIPT_OK, "%s", text);
    if (expected == NULL || !NUMA_HOLDS(numa, is->nodes == expected->nodes, "%u nodes", is->nodes) ||
        !NUMA_HOLDS(numa, is->cpus == expected->cpus, "%u CPUs", is->cpus)) {
        return;
    }
    for (unsigned cpu = 0; cpu < is->cpus; cpu++) {
        NUMA_HOLDS(numa, is->cpu_node[cpu] == expected->cpu_node[cpu], "CPU %u is on node %d", cpu, is->cpu_node[cpu]);
    }
    for (unsigned i = 0; i < is->nodes * is->nodes; i++) {
        NUMA_HOLDS(numa, is->distance[i] == expected->distance[i], "distance %u to %u is %u", i / is->nodes,
                   i % is->nodes, is->distance[i]);
    }
    for (unsigned node = 0; node < is->nodes; node++) {
        NUMA_HOLDS(numa, numa_has_memory(numa, (int)node) == (expected->with_memory >> node & 1u), "node %u", node);
    }
}

static void check_block(struct numa *numa, int node, size_t bytes, bool is_strict)
{
    char *block = alloc_on(numa, node, bytes, is_strict);
    size_t elsewhere;

    if (!NUMA_HOLDS(numa, block != NULL, "%zu bytes on node %d", bytes, node)) {
        return;
    }
    memset(block, 1, bytes);
    elsewhere = numa_pages_elsewhere(block, bytes, node);
    NUMA_HOLDS(numa, elsewhere == 0, "%zu pages of %zu bytes are not on node %d", elsewhere, bytes, node);
    NUMA_HOLDS(numa, hipt_user_node_of(numa->user, block) == node, "node %d", node);
    NUMA_HOLDS(numa, hipt_user_node_bytes(numa->user, node) == bytes, "node %d, %zu bytes", node, bytes);
    free_block(numa, block, bytes);
    NUMA_HOLDS(numa, hipt_user_node_bytes(numa->user, node) == 0, "node %d", node);
}

/* From each CPU, on each node; large blocks from one. */
static void check_blocks(struct numa *numa, bool is_strict)
{
    for (unsigned cpu = 0; cpu < numa->topology.cpus; cpu++) {
        NUMA_HOLDS(numa, numa_run_on(cpu), "CPU %u", cpu);
        for (int node = 0; node < (int)numa->topology.nodes; node++) {
            size_t end = !numa_has_memory(numa, node) ? 0 : cpu == 0 ? SIZES : SMALL_SIZES;

            for (size_t s = 0; s < end; s++) {
                check_block(numa, node, sizes[s], is_strict);
            }
        }
    }
}

void numa_preferred_memory_lies_on_its_node(struct numa *numa)
{
    check_blocks(numa, false);
}

void numa_strict_memory_lies_on_its_node(struct numa *numa)
{
    check_blocks(numa, true);
}

/* The nearest node that has memory gives some for one that has none. */
void numa_nodes_without_memory(struct numa *numa)
{
    struct hipti_topology topology;

    if (!NUMA_HOLDS(numa, hipti_topology_init(&topology, numa->ops, &numa->topology), "no memory")) {
        return;
    }
    for (unsigned node = 0; node < topology.nodes; node++) {
        const uint8_t *nearest = hipti_topology_nearest(&topology, node);
        unsigned rank = 0;
        char *block = alloc_on(numa, (int)node, MIB, false);

        while (!(topology.with_memory >> nearest[rank] & 1u)) {
            rank++;
        }
        if (NUMA_HOLDS(numa, block != NULL, "node %u", node)) {
            memset(block, 1, MIB);
            NUMA_HOLDS(numa, numa_pages_elsewhere(block, MIB, nearest[rank]) == 0, "node %u: not on node %u", node,
                       nearest[rank]);
            free_block(numa, block, MIB);
        }
        if (rank > 0) {
            NUMA_HOLDS(numa, alloc_on(numa, (int)node, MIB, true) == NULL, "node %u", node);
        }
    }
    hipti_topology_end(&topology);
}

/* A block of the list that fills a node. */
struct filling {
    struct filling *next;
    size_t bytes;
};

/* Take strict blocks of @node until there are none, large ones first. */
static struct filling *fill(struct numa *numa, int node)
{
    struct filling *all = NULL;
    size_t bytes = 16u * MIB;

    while (bytes >= MIB / 4u) {
        struct filling *one = (struct filling *)(void *)alloc_on(numa, node, bytes, true);

        if (one == NULL) {
            bytes /= 2u;
            continue;
        }
        NUMA_HOLDS(numa, numa_pages_elsewhere(one, bytes, node) == 0, "%zu bytes on node %d", bytes, node);
        one->bytes = bytes;
        one->next = all;
        all = one;
    }
    return all;
}

/* A strict block is refused where there is no room, and nobody is killed; another one lies elsewhere in part. */
void numa_a_full_node(struct numa *numa)
{
    int node = (int)numa->topology.nodes - 1;
    struct filling *all;
    char *block;

    if (node == 0) {
        return; /* whoever fills the only one fills the machine */
    }
    while (!numa_has_memory(numa, node)) {
        node--;
    }
    all = fill(numa, node);
    NUMA_HOLDS(numa, all != NULL, "node %d", node);
    NUMA_HOLDS(numa, alloc_on(numa, node, 16u * MIB, true) == NULL, "node %d", node);
    block = alloc_on(numa, node, 16u * MIB, false);
    if (NUMA_HOLDS(numa, block != NULL, "node %d", node)) {
        memset(block, 1, 16u * MIB);
        NUMA_HOLDS(numa, numa_pages_elsewhere(block, 16u * MIB, node) > 0, "node %d was not full", node);
        free_block(numa, block, 16u * MIB);
    }
    while (all != NULL) {
        struct filling *next = all->next;

        free_block(numa, all, all->bytes);
        all = next;
    }
    NUMA_HOLDS(numa, hipt_user_bytes(numa->user) == 0, "%zu bytes", hipt_user_bytes(numa->user));
}

/* The frame that a page lies in belongs to the node of the page, as the description has it. */
void numa_frames_are_on_their_nodes(struct numa *numa)
{
    struct hipti_topology topology;

    if (!NUMA_HOLDS(numa, hipti_topology_init(&topology, numa->ops, &numa->topology), "no memory")) {
        return;
    }
    for (int node = 0; node < (int)topology.nodes; node++) {
        char *block = topology.with_memory >> node & 1u ? alloc_on(numa, node, MIB, true) : NULL;

        for (size_t at = 0; block != NULL && at < MIB; at += MIB / 16u) {
            uint64_t pfn;

            block[at] = 1;
            pfn = numa_pfn(block + at);
            NUMA_HOLDS(numa, pfn != 0 && hipti_topology_node_of_pfn(&topology, pfn) == node,
                       "pfn %llu is not on node %d", (unsigned long long)pfn, node);
        }
        if (block != NULL) {
            free_block(numa, block, MIB);
        }
    }
    hipti_topology_end(&topology);
}
