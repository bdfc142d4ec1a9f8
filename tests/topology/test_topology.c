/* SPDX-License-Identifier: MIT */
/*
 * Topologies: what is refused and how it is explained, and that the copy answers as a plain look at the description
 * does.
 */
#include <criterion/criterion.h>

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <hipt/table.h>
#include <hipt/topology.h>

#include "support/host.h"
#include "topology/topology.h"

/* Four nodes in a ring; 2 has no CPUs, 3 has no memory, CPU 5 is on no node. */
enum { NODES = 4, CPUS = 6, RANGES = 4 };

static int cpu_node[CPUS];
static unsigned char distance[NODES * NODES];
static struct hipt_node_range ranges[RANGES];
static struct hipt_topology given;
static struct test_host host;

static void start(void)
{
    static const int cpus[CPUS] = {0, 0, 1, 3, 1, HIPT_ANY_NODE};
    static const unsigned char ring[NODES * NODES] = {
        10, 21, 31, 20, /* 3 is nearest to 0 */
        21, 10, 21, 31, /* 0 and 2 are as near to 1 */
        31, 21, 10, 21, 21, 255, 12, 10,
    };
    static const struct hipt_node_range memory[RANGES] = {{100, 100, 1}, {200, 1, 0}, {300, 50, 2}, {1000, 1000, 0}};

    memcpy(cpu_node, cpus, sizeof(cpus));
    memcpy(distance, ring, sizeof(ring));
    memcpy(ranges, memory, sizeof(memory));
    given = (struct hipt_topology){sizeof(given), NODES, CPUS, cpu_node, distance, ranges, RANGES};
}

static void start_host(void)
{
    start();
    test_host_init(&host);
}

static void cr_expect_no_leak(void)
{
    cr_expect_eq(atomic_load(&host.blocks), 0);
    cr_expect_eq(atomic_load(&host.bytes), 0);
}

/* The topology with something wrong in it is refused, by a line that names @value and @bound. */
static void cr_expect_refused(enum hipt_status status, const char *value, const char *bound)
{
    char text[200];
    char cut[8];

    cr_expect_eq(hipt_topology_check(&given, text, sizeof(text)), status, "%s", text);
    cr_expect_not_null(strstr(text, value), "no \"%s\" in \"%s\"", value, text);
    cr_expect_not_null(strstr(text, bound), "no \"%s\" in \"%s\"", bound, text);
    cr_expect_eq(hipt_topology_check(&given, NULL, 0), status);
    cr_expect_eq(hipt_topology_check(&given, cut, sizeof(cut)), status);
    cr_expect_eq(strncmp(cut, text, sizeof(cut) - 1u), 0);
    cr_expect_eq(strlen(cut), sizeof(cut) - 1u);
    start();
}

static void cr_expect_accepted(void)
{
    char text[200] = "?";

    cr_expect_eq(hipt_topology_check(&given, text, sizeof(text)), HIPT_OK, "%s", text);
    cr_expect_str_eq(text, "");
}

Test(topology, a_ring_is_accepted, .init = start)
{
    cr_expect_accepted();
}

/* The least there is, and the most of everything. */
Test(topology, the_smallest_and_the_largest, .init = start)
{
    static int cpus[HIPT_CPUS_MAX];
    static unsigned char far[HIPT_NODES_MAX * HIPT_NODES_MAX];
    static struct hipt_node_range many[HIPT_NODE_RANGES_MAX];
    const uint64_t limit = UINT64_C(1) << HIPT_PFN_BITS;
    size_t i;

    given = (struct hipt_topology){.size = sizeof(given), .nodes = 1};
    cr_expect_accepted();
    for (i = 0; i < HIPT_CPUS_MAX; i++) {
        cpus[i] = (int)(i % HIPT_NODES_MAX);
    }
    for (i = 0; i < sizeof(far); i++) {
        far[i] = i / HIPT_NODES_MAX == i % HIPT_NODES_MAX ? HIPT_DISTANCE_LOCAL : HIPT_DISTANCE_MAX;
    }
    for (i = 0; i < HIPT_NODE_RANGES_MAX; i++) {
        many[i] = (struct hipt_node_range){i, 1, (int)(i % HIPT_NODES_MAX)};
    }
    many[HIPT_NODE_RANGES_MAX - 1u].count = limit - (HIPT_NODE_RANGES_MAX - 1u);
    given = (struct hipt_topology){sizeof(given), HIPT_NODES_MAX, HIPT_CPUS_MAX, cpus, far, many, HIPT_NODE_RANGES_MAX};
    cr_expect_accepted();
}

Test(topology, nodes_out_of_bounds, .init = start)
{
    given.size--;
    cr_expect_refused(HIPT_BAD_NODE, "topology size", "is not");
    given.nodes = 0;
    cr_expect_refused(HIPT_BAD_NODE, "nodes 0", "1 to 64");
    given.nodes = 65;
    cr_expect_refused(HIPT_BAD_NODE, "nodes 65", "1 to 64");
}

Test(topology, cpus_out_of_bounds, .init = start)
{
    given.cpus = HIPT_CPUS_MAX + 1u;
    cr_expect_refused(HIPT_BAD_CPU, "cpus 1025", "above 1024");
    given.cpu_node = NULL;
    cr_expect_refused(HIPT_BAD_CPU, "cpus 6 needs cpu_node", "must be 0");
    cpu_node[3] = 4;
    cr_expect_refused(HIPT_BAD_NODE, "CPU 3: node 4", "0 to 3");
    cpu_node[0] = -2;
    cr_expect_refused(HIPT_BAD_NODE, "CPU 0: node -2", "0 to 3");
    cpu_node[5] = INT_MIN;
    cr_expect_refused(HIPT_BAD_NODE, "CPU 5: node -2147483648", "0 to 3");
    given.cpus = 0;
    given.cpu_node = NULL;
    cr_expect_accepted();
}

Test(topology, distances_out_of_bounds, .init = start)
{
    distance[1] = 10;
    cr_expect_refused(HIPT_BAD_DISTANCE, "from node 0 to node 1: distance 10", "above 10");
    distance[11] = 0;
    cr_expect_refused(HIPT_BAD_DISTANCE, "from node 2 to node 3: distance 0", "above 10");
    distance[15] = 11;
    cr_expect_refused(HIPT_BAD_DISTANCE, "from node 3 to node 3: distance 11", "is not 10");
    distance[5] = 9;
    cr_expect_refused(HIPT_BAD_DISTANCE, "from node 1 to node 1: distance 9", "is not 10");
    given.distance = NULL;
    cr_expect_accepted();
}

Test(topology, ranges_out_of_bounds, .init = start)
{
    given.nranges = HIPT_NODE_RANGES_MAX + 1u;
    cr_expect_refused(HIPT_BAD_RANGE, "nranges 4097", "above 4096");
    given.ranges = NULL;
    cr_expect_refused(HIPT_BAD_RANGE, "nranges 4 needs ranges", "must be 0");
    ranges[2].count = 0;
    cr_expect_refused(HIPT_BAD_RANGE, "node range 2: count 0", "at least 1");
    ranges[3].first = UINT64_C(1) << HIPT_PFN_BITS;
    cr_expect_refused(HIPT_BAD_RANGE, "node range 3: first 1099511627776", "below 1099511627776");
    ranges[3].count = (UINT64_C(1) << HIPT_PFN_BITS) - 999u;
    cr_expect_refused(HIPT_BAD_RANGE, "node range 3: count 1099511626777", "from its first on, 1099511626776");
    ranges[1].count = UINT64_MAX;
    cr_expect_refused(HIPT_BAD_RANGE, "node range 1: count 18446744073709551615", "from its first on, 1099511627576");
    ranges[1].first = 199;
    cr_expect_refused(HIPT_BAD_RANGE, "node range 1: first 199", "whose last is 199");
    ranges[2].first = 1;
    cr_expect_refused(HIPT_BAD_RANGE, "node range 2: first 1 is", "whose last is 200");
    ranges[0].node = 4;
    cr_expect_refused(HIPT_BAD_NODE, "node range 0: node 4", "0 to 3");
    ranges[3].node = HIPT_ANY_NODE;
    cr_expect_refused(HIPT_BAD_NODE, "node range 3: node -1", "0 to 3");
    given.ranges = NULL;
    given.nranges = 0;
    cr_expect_accepted();
}

/* By the plainest means. */
static int plain_node_of_pfn(uint64_t pfn)
{
    size_t i;

    for (i = 0; i < given.nranges; i++) {
        if (pfn >= given.ranges[i].first && pfn < given.ranges[i].first + given.ranges[i].count) {
            return given.ranges[i].node;
        }
    }
    return HIPT_ANY_NODE;
}

/* @topology answers for each pfn around the ranges' ends, CPU and pair of nodes as the description says. */
static void cr_expect_answers(const struct hipti_topology *topology)
{
    size_t i;

    cr_expect_eq(hipti_topology_node_of_pfn(topology, 0), plain_node_of_pfn(0));
    cr_expect_eq(hipti_topology_node_of_pfn(topology, UINT64_MAX), HIPT_ANY_NODE);
    for (i = 0; i < given.nranges; i++) {
        const uint64_t edges[2] = {given.ranges[i].first, given.ranges[i].first + given.ranges[i].count};
        unsigned e;

        for (e = 0; e < 6u; e++) {
            uint64_t pfn = edges[e / 3u] + e % 3u - 1u;

            cr_expect_eq(hipti_topology_node_of_pfn(topology, pfn), plain_node_of_pfn(pfn), "pfn %llu",
                         (unsigned long long)pfn);
        }
    }
    for (i = 0; i < given.cpus; i++) {
        cr_expect_eq(hipti_topology_node_of_cpu(topology, (uint32_t)i), given.cpu_node[i], "CPU %zu", i);
    }
    cr_expect_eq(hipti_topology_node_of_cpu(topology, given.cpus), HIPT_ANY_NODE);
    cr_expect_eq(hipti_topology_node_of_cpu(topology, UINT32_MAX), HIPT_ANY_NODE);
}

static unsigned plain_distance(unsigned from, unsigned to)
{
    return given.distance ? given.distance[from * given.nodes + to] : from == to ? 10u : 20u;
}

/* Each node is named once, itself first, no distance is below the one before it, equal ones by number. */
static void cr_expect_nearest(const struct hipti_topology *topology)
{
    unsigned node;
    unsigned rank;

    for (node = 0; node < topology->nodes; node++) {
        const uint8_t *nearest = hipti_topology_nearest(topology, node);
        uint64_t seen = UINT64_C(1) << nearest[0];

        cr_expect_eq(nearest[0], node);
        for (rank = 1; rank < topology->nodes; rank++) {
            unsigned before = plain_distance(node, nearest[rank - 1u]);
            unsigned here = plain_distance(node, nearest[rank]);

            cr_expect(before < here || (before == here && nearest[rank - 1u] < nearest[rank]));
            seen |= UINT64_C(1) << nearest[rank];
        }
        cr_expect_eq(seen, topology->nodes == 64u ? UINT64_MAX : (UINT64_C(1) << topology->nodes) - 1u);
    }
}

Test(topology, the_copy_of_a_ring, .init = start_host)
{
    static const uint8_t order[NODES][NODES] = {{0, 3, 1, 2}, {1, 0, 2, 3}, {2, 1, 3, 0}, {3, 2, 0, 1}};
    struct hipti_topology topology;
    unsigned node;

    cr_assert(hipti_topology_init(&topology, &host.ops, &given));
    cr_expect_eq(topology.nodes, NODES);
    for (node = 0; node < NODES; node++) {
        cr_expect_eq(memcmp(hipti_topology_nearest(&topology, node), order[node], NODES), 0, "node %u", node);
    }
    cr_expect_eq(topology.with_memory, 7u);
    cr_expect_answers(&topology);
    cr_expect_nearest(&topology);
    hipti_topology_end(&topology);
    hipti_topology_end(&topology);
    cr_expect_no_leak();
}

/* The description may go once it has been copied. */
Test(topology, the_copy_is_a_copy, .init = start_host)
{
    struct hipti_topology topology;

    cr_assert(hipti_topology_init(&topology, &host.ops, &given));
    memset(cpu_node, 0x55, sizeof(cpu_node));
    memset(distance, 0x55, sizeof(distance));
    memset(ranges, 0x55, sizeof(ranges));
    memset(&given, 0x55, sizeof(given));
    start();
    cr_expect_answers(&topology);
    cr_expect_nearest(&topology);
    hipti_topology_end(&topology);
    cr_expect_no_leak();
}

/* The last node's bits, and distances that nobody gave. */
Test(topology, all_nodes_with_distances_made_up, .init = start_host)
{
    static int cpus[HIPT_CPUS_MAX];
    static struct hipt_node_range many[HIPT_NODE_RANGES_MAX];
    struct hipti_topology topology;
    size_t i;

    for (i = 0; i < HIPT_CPUS_MAX; i++) {
        cpus[i] = (int)(i * 7u % HIPT_NODES_MAX);
    }
    for (i = 0; i < HIPT_NODE_RANGES_MAX; i++) {
        many[i] = (struct hipt_node_range){i * 10u, i % 10u + 1u, (int)(i * 5u % HIPT_NODES_MAX)};
    }
    given =
        (struct hipt_topology){sizeof(given), HIPT_NODES_MAX, HIPT_CPUS_MAX, cpus, NULL, many, HIPT_NODE_RANGES_MAX};
    cr_expect_accepted();
    cr_assert(hipti_topology_init(&topology, &host.ops, &given));
    cr_expect_eq(topology.with_memory, UINT64_MAX);
    cr_expect_answers(&topology);
    cr_expect_nearest(&topology);
    hipti_topology_end(&topology);
    cr_expect_no_leak();
}

/* Where no node is said to own a frame, each may have memory. */
Test(topology, frames_that_nobody_owns, .init = start_host)
{
    struct hipti_topology topology;

    given.nranges = 0;
    cr_assert(hipti_topology_init(&topology, &host.ops, &given));
    cr_expect_eq(topology.with_memory, 15u);
    cr_expect_eq(hipti_topology_node_of_pfn(&topology, 0), HIPT_ANY_NODE);
    hipti_topology_end(&topology);
    cr_expect_no_leak();
}

/* Where nothing is given there is one node, and no memory is asked for. */
Test(topology, none_is_one_node, .init = start_host)
{
    struct hipti_topology topology;

    cr_assert(hipti_topology_init(&topology, &host.ops, NULL));
    cr_expect_eq(atomic_load(&host.calls), 0);
    cr_expect_eq(topology.nodes, 1u);
    cr_expect_eq(hipti_topology_nearest(&topology, 0)[0], 0);
    cr_expect_eq(hipti_topology_node_of_pfn(&topology, 0), HIPT_ANY_NODE);
    cr_expect_eq(hipti_topology_node_of_cpu(&topology, 0), HIPT_ANY_NODE);
    cr_expect_eq(topology.with_memory, 1u);
    hipti_topology_end(&topology);
}

/* Without memory there is no copy, nothing is left behind, and the end is allowed. */
Test(topology, no_memory, .init = start_host)
{
    struct hipti_topology topology;

    atomic_store(&host.fail_first, 1);
    atomic_store(&host.fail_last, 1);
    cr_expect_not(hipti_topology_init(&topology, &host.ops, &given));
    hipti_topology_end(&topology);
    cr_expect_no_leak();
}
