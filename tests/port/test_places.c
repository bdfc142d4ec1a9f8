/* SPDX-License-Identifier: MIT */
/*
 * The nodes of the user-space port: texts that are understood and texts that are refused, machines as sysfs shows them,
 * and memory that is counted by node and limited.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <criterion/criterion.h>

#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/stat.h>
#include <unistd.h>

#include <hipt/cpu.h>
#include <hipt/topology.h>
#include <hipt/user.h>

#include "port/user/places.h"

static struct hipti_places places;

/* What every description of this port has to pass. */
static void cr_expect_checked(const struct hipt_topology *topology)
{
    char text[200];

    cr_expect_eq(hipt_topology_check(topology, text, sizeof(text)), HIPT_OK, "%s", text);
}

static void cr_assert_parsed(const char *text)
{
    char error[200] = "?";
    struct hipt_topology topology;

    memset(&places, 0x55, sizeof(places));
    cr_assert(hipti_places_parse(&places, text, strlen(text), error, sizeof(error)), "%s: %s", text, error);
    cr_expect_str_eq(error, "");
    cr_expect_not(places.is_real);
    topology = hipti_places_topology(&places);
    cr_expect_checked(&topology);
}

/* Refused at @column, with a line that says @first and @second. */
static void cr_expect_refused(const char *text, unsigned column, const char *first, const char *second)
{
    char error[200];
    char start[32];
    char cut[12];

    snprintf(start, sizeof(start), "column %u: ", column);
    cr_expect_not(hipti_places_parse(&places, text, strlen(text), error, sizeof(error)), "%s", text);
    cr_expect_eq(strncmp(error, start, strlen(start)), 0, "\"%s\" is not at \"%s\": \"%s\"", error, start, text);
    cr_expect_not_null(strstr(error, first), "no \"%s\" in \"%s\": \"%s\"", first, error, text);
    cr_expect_not_null(strstr(error, second), "no \"%s\" in \"%s\": \"%s\"", second, error, text);
    cr_expect_not(hipti_places_parse(&places, text, strlen(text), NULL, 0));
    cr_expect_not(hipti_places_parse(&places, text, strlen(text), cut, sizeof(cut)));
    cr_expect_eq(strncmp(cut, error, sizeof(cut) - 1u), 0);
    cr_expect_eq(strlen(cut), sizeof(cut) - 1u);
}

Test(places, so_many_nodes_with_so_many_cpus)
{
    unsigned i;

    cr_assert_parsed(" 4x2\n");
    cr_expect_eq(places.nodes, 4u);
    cr_expect_eq(places.cpus, 8u);
    cr_expect_eq(places.nranges, 0);
    cr_expect_eq(places.with_memory, 15u);
    for (i = 0; i < 8u; i++) {
        cr_expect_eq(places.cpu_node[i], (int)(i / 2u));
    }
    for (i = 0; i < 16u; i++) {
        cr_expect_eq(places.distance[i], i / 4u == i % 4u ? 10 : 20);
    }
    cr_assert_parsed("64x16");
    cr_expect_eq(places.cpus, HIPT_CPUS_MAX);
    cr_expect_eq(places.with_memory, UINT64_MAX);
    cr_assert_parsed("003x0");
    cr_expect_eq(places.nodes, 3u);
    cr_expect_eq(places.cpus, 0u);
    cr_expect_refused("0x1", 1, "nodes is 0", "1 to 64");
    cr_expect_refused("65x1", 1, "nodes is 65", "1 to 64");
    cr_expect_refused("18446744073709551620x1", 1, "18446744073709551620", "1 to 64");
    cr_expect_refused("4", 2, "the text ends", "x and the number of CPUs");
    cr_expect_refused("4,2", 2, "','", "x and the number of CPUs");
    cr_expect_refused("4x", 3, "the text ends", "the number of CPUs of each node");
    cr_expect_refused("4x257", 3, "is 257", "0 to 256");
    cr_expect_refused("4x2 5x1", 5, "'5'", "the end");
    cr_expect_refused("99999999999999999999999999999999999999x1", 1, "is 999999999999999999999999999999;", "1 to 64");
}

/* A node without CPUs, one without memory, CPUs and frames in several runs and out of order. */
Test(places, words)
{
    static const struct hipt_node_range ranges[3] = {{0, 100, 2}, {100, 1, 0}, {200, 50, 0}};
    static const int cpu_node[6] = {2, 0, 0, 0, HIPT_ANY_NODE, 0};
    unsigned i;

    cr_assert_parsed("nodes=3 \t distance=10,11,255,20,10,30,40,50,10\ncpus=1-3+5,-,0 pfns=200-249+100,-,0-99\n");
    cr_expect_eq(places.nodes, 3u);
    cr_expect_eq(places.cpus, 6u);
    cr_expect_eq(memcmp(places.cpu_node, cpu_node, sizeof(cpu_node)), 0);
    cr_expect_eq(memcmp(places.distance, "\x0a\x0b\xff\x14\x0a\x1e\x28\x32\x0a", 9), 0);
    cr_assert_eq(places.nranges, 3);
    for (i = 0; i < 3u; i++) {
        cr_expect_eq(places.ranges[i].first, ranges[i].first);
        cr_expect_eq(places.ranges[i].count, ranges[i].count);
        cr_expect_eq(places.ranges[i].node, ranges[i].node);
    }
    cr_expect_eq(places.with_memory, 5u);
    cr_assert_parsed("nodes=2");
    cr_expect_eq(places.cpus, 0u);
    cr_expect_eq(places.with_memory, 3u);
    cr_assert_parsed("nodes=2 pfns=-,-");
    cr_expect_eq(places.with_memory, 3u);
    cr_assert_parsed("nodes=1 cpus=1023 pfns=1099511627775");
    cr_expect_eq(places.cpus, HIPT_CPUS_MAX);
}

Test(places, words_out_of_place)
{
    cr_expect_refused("", 1, "the text ends", "NODESxCPUS or nodes=");
    cr_expect_refused("  ", 3, "the text ends", "NODESxCPUS or nodes=");
    cr_expect_refused("x", 1, "'x'", "NODESxCPUS or nodes=");
    cr_expect_refused("node=2", 1, "'n'", "NODESxCPUS or nodes=");
    cr_expect_refused("\x80", 1, "byte 0x80", "NODESxCPUS or nodes=");
    cr_expect_refused("\x01", 1, "byte 0x01", "NODESxCPUS or nodes=");
    cr_expect_refused("cpus=0 nodes=1", 1, "cpus= comes before", "must be first");
    cr_expect_refused("nodes=1 cpus=0 cpus=0", 16, "cpus= comes twice", "once");
    cr_expect_refused("nodes=1 nodes=1", 9, "nodes= comes twice", "once");
    cr_expect_refused("nodes=1 memory=5", 9, "'m'", "cpus=, distance= or pfns=");
    cr_expect_refused("nodes=", 7, "the text ends", "the number of nodes");
    cr_expect_refused("nodes=0", 7, "is 0", "1 to 64");
    cr_expect_refused("nodes=65", 7, "is 65", "1 to 64");
    cr_expect_refused("nodes=2;", 8, "';'", "a space or the end");
    cr_expect_refused("nodes=2\r\n", 8, "byte 0x0d", "a space or the end");
}

Test(places, cpus_refused)
{
    cr_expect_refused("nodes=2 cpus=", 14, "the text ends", "the number of a CPU");
    cr_expect_refused("nodes=2 cpus=0", 15, "the text ends", "a comma and item 2 of 2");
    cr_expect_refused("nodes=2 cpus=0,1,2", 17, "','", "a space or the end");
    cr_expect_refused("nodes=2 cpus=0,1024", 16, "a CPU is 1024", "0 to 1023");
    cr_expect_refused("nodes=2 cpus=0-1024,-", 16, "a CPU is 1024", "0 to 1023");
    cr_expect_refused("nodes=2 cpus=5-4,-", 16, "a CPU is 4", "5 to 1023");
    cr_expect_refused("nodes=2 cpus=5-,-", 16, "','", "the number of a CPU");
    cr_expect_refused("nodes=2 cpus=0+,-", 16, "','", "the number of a CPU");
    cr_expect_refused("nodes=2 cpus=0-3,1", 18, "CPU 1 is on node 0 already", "one");
    cr_expect_refused("nodes=2 cpus=-,7+5-7", 18, "CPU 7 is on node 1 already", "one");
    cr_expect_refused("nodes=2 cpus=--,7", 15, "'-'", "a comma and item 2 of 2");
}

Test(places, distances_refused)
{
    cr_expect_refused("nodes=2 distance=", 18, "the text ends", "from node 0 to node 0");
    cr_expect_refused("nodes=2 distance=11,20,20,10", 18, "node 0 to node 0 is 11", "10 to 10");
    cr_expect_refused("nodes=2 distance=10,10,20,10", 21, "node 0 to node 1 is 10", "11 to 255");
    cr_expect_refused("nodes=2 distance=10,20,256,10", 24, "node 1 to node 0 is 256", "11 to 255");
    cr_expect_refused("nodes=2 distance=10,20,20", 26, "the text ends", "a comma and item 4 of 4");
    cr_expect_refused("nodes=2 distance=10,20,20,10,20", 29, "','", "a space or the end");
}

Test(places, pfns_refused)
{
    static char many[32768];
    size_t at;
    unsigned i;

    cr_expect_refused("nodes=2 pfns=0-1099511627776,-", 16, "a pfn is 1099511627776", "0 to 1099511627775");
    cr_expect_refused("nodes=2 pfns=9-8,-", 16, "a pfn is 8", "9 to 1099511627775");
    cr_expect_refused("nodes=2 pfns=0-99,99-200", 19, "pfns 99-200 overlap 0-99", "node 0");
    cr_expect_refused("nodes=2 pfns=100-199,0-100", 22, "pfns 0-100 overlap 100-199", "node 0");
    cr_expect_refused("nodes=2 pfns=0-99,0-99", 19, "pfns 0-99 overlap 0-99", "node 0");
    at = (size_t)snprintf(many, sizeof(many), "nodes=1 pfns=0");
    for (i = 1; i < HIPTI_PLACES_RANGES; i++) {
        at += (size_t)snprintf(many + at, sizeof(many) - at, "+%u", 2u * i);
    }
    cr_assert_parsed(many);
    cr_expect_eq(places.nranges, HIPTI_PLACES_RANGES);
    snprintf(many + at, sizeof(many) - at, "+5");
    cr_expect_refused(many, (unsigned)at + 2u, "range 1025", "at most 1024");
    snprintf(many + at, sizeof(many) - at, "+5000");
    cr_expect_refused(many, (unsigned)at + 2u, "range 1025", "at most 1024");
    snprintf(many + at, sizeof(many) - at, "+4-5");
    cr_expect_refused(many, (unsigned)at + 2u, "overlap 4-4", "node 0");
    snprintf(many + at, sizeof(many) - at, "+3-4");
    cr_expect_refused(many, (unsigned)at + 2u, "overlap 4-4", "node 0");
}

/* A zero in the middle of a text is a byte like any other: the length counts. */
Test(places, a_zero_in_the_text)
{
    char error[100];

    cr_expect_not(hipti_places_parse(&places, "4x2\0", 4, error, sizeof(error)));
    cr_expect_str_eq(error, "column 4: the byte 0x00 stands where the end should be");
    cr_expect_not(hipti_places_parse(&places, "4x2", 2, error, sizeof(error)));
    cr_expect_str_eq(error, "column 3: the text ends where the number of CPUs of each node should be");
}

/* A folder as sysfs is one. */
static char sys[64];

static void start_sys(void)
{
    char path[128];

    snprintf(sys, sizeof(sys), "/tmp/hipt-places-XXXXXX");
    cr_assert_not_null(mkdtemp(sys));
    snprintf(path, sizeof(path), "%s/node", sys);
    cr_assert_eq(mkdir(path, 0700), 0);
    snprintf(path, sizeof(path), "%s/memory", sys);
    cr_assert_eq(mkdir(path, 0700), 0);
}

static void end_sys(void)
{
    char command[128];

    snprintf(command, sizeof(command), "rm -rf %s", sys);
    cr_assert_eq(system(command), 0);
}

static void write_file(const char *name, const char *text)
{
    char path[256];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", sys, name);
    file = fopen(path, "w");
    cr_assert_not_null(file, "%s", path);
    cr_assert(fputs(text, file) >= 0);
    cr_assert_eq(fclose(file), 0);
}

/* A node; @blocks: numbers of its blocks of memory, ended by -1. */
static void write_node(unsigned node, const char *cpulist, const char *distance, const int *blocks)
{
    char name[128];

    snprintf(name, sizeof(name), "%s/node/node%u", sys, node);
    cr_assert_eq(mkdir(name, 0700), 0);
    snprintf(name, sizeof(name), "node/node%u/cpulist", node);
    write_file(name, cpulist);
    snprintf(name, sizeof(name), "node/node%u/distance", node);
    write_file(name, distance);
    for (; blocks && *blocks >= 0; blocks++) {
        snprintf(name, sizeof(name), "node/node%u/memory%d", node, *blocks);
        write_file(name, "");
    }
}

static void read_machine(void)
{
    struct hipt_topology topology;

    memset(&places, 0x55, sizeof(places));
    hipti_places_machine(&places, sys);
    cr_expect(places.is_real);
    topology = hipti_places_topology(&places);
    cr_expect_checked(&topology);
}

static void cr_expect_range(size_t index, uint64_t first, uint64_t count, int node)
{
    cr_expect_eq(places.ranges[index].first, first);
    cr_expect_eq(places.ranges[index].count, count);
    cr_expect_eq(places.ranges[index].node, node);
}

/* Node 1 is not there, 2 has no CPUs, 3 no memory; blocks of memory lie in runs, in an order that is not theirs. */
Test(places, a_machine_of_three_nodes, .init = start_sys, .fini = end_sys)
{
    static const int first[] = {0, 1, 12, 10, 11, 2, -1};
    static const int third[] = {9, 8, -1};
    const uint64_t pages = 0x8000000u / (uint64_t)sysconf(_SC_PAGESIZE);

    write_file("node/online", "0,2-3\n");
    write_file("node/has_memory", "0,2\n");
    write_file("memory/block_size_bytes", "8000000\n");
    write_node(0, "0-1,4\n", "10 21 31\n", first);
    write_node(2, "\n", "21 10 255\n", third);
    write_node(3, "2-3\n", "31 41 10\n", NULL);
    write_file("node/node0/memory_failure", "");
    read_machine();
    cr_expect_eq(places.nodes, 4u);
    cr_expect_eq(places.cpus, 5u);
    cr_expect_eq(memcmp(places.cpu_node, ((int[]){0, 0, 3, 3, 0, -1}), 6u * sizeof(int)), 0);
    cr_expect_eq(memcmp(places.distance, "\x0a\x14\x15\x1f\x14\x0a\x14\x14\x15\x14\x0a\xff\x1f\x14\x29\x0a", 16), 0);
    cr_expect_eq(places.with_memory, 5u);
    cr_assert_eq(places.nranges, 3);
    cr_expect_range(0, 0, 3u * pages, 0);
    cr_expect_range(1, 8u * pages, 2u * pages, 2);
    cr_expect_range(2, 10u * pages, 3u * pages, 0);
}

/* Files that say what cannot be: it is left out. */
Test(places, a_machine_that_says_nonsense, .init = start_sys, .fini = end_sys)
{
    static const int first[] = {0, 2000000000, -1};
    static const int second[] = {0, 3, -1};

    write_file("node/online", "0-1,60-99999999999999999999,x");
    write_file("node/has_memory", "");
    write_file("memory/block_size_bytes", "8000000");
    write_node(0, "1-0,1023-2000", "10 5 300 words", first);
    write_node(1, "what", "", second);
    read_machine();
    cr_expect_eq(places.nodes, HIPT_NODES_MAX);
    cr_expect_eq(places.cpus, HIPT_CPUS_MAX);
    cr_expect_eq(places.cpu_node[1023], 0);
    cr_expect_eq(places.cpu_node[0], HIPT_ANY_NODE);
    cr_expect_eq(places.distance[1], HIPT_DISTANCE_REMOTE);
    cr_expect_eq(places.distance[60], HIPT_DISTANCE_REMOTE);
    cr_expect_eq(places.nranges, 2, "a block that is on two nodes is on the first");
    cr_expect_eq(places.with_memory, 3u);
}

/* Blocks whose size is not known are not numbered; the nodes have memory as far as anything says. */
Test(places, a_machine_without_blocks, .init = start_sys, .fini = end_sys)
{
    static const int blocks[] = {0, 1, -1};

    write_file("node/online", "0-1");
    write_node(0, "0", "10 20", blocks);
    write_node(1, "1", "20 10", blocks);
    read_machine();
    cr_expect_eq(places.nodes, 2u);
    cr_expect_eq(places.nranges, 0);
    cr_expect_eq(places.with_memory, 3u);
}

/* No nodes: one, with all CPUs. */
Test(places, a_machine_without_nodes, .init = start_sys, .fini = end_sys)
{
    read_machine();
    cr_expect_eq(places.nodes, 1u);
    cr_expect_eq(places.cpus, (unsigned)sysconf(_SC_NPROCESSORS_CONF));
    cr_expect_eq(places.cpu_node[0], 0);
    cr_expect_eq(places.with_memory, 1u);
}

/* --- The port. */

static struct hipt_user *user;
static const struct hipt_ops *ops;
static struct hipt_topology topology;

static void start_port(void)
{
    cr_assert_eq(hipt_user_create(HIPT_USER_URCU, &user), HIPT_OK);
    ops = hipt_user_ops(user);
}

static void end_port(void)
{
    hipt_user_destroy(user);
}

static void choose(const char *text)
{
    char error[200] = "?";

    cr_assert_eq(hipt_user_topology(user, text, &topology, error, sizeof(error)), HIPT_OK, "%s", error);
    cr_assert_str_eq(error, "");
    cr_expect_checked(&topology);
}

static char *alloc_on(int node, size_t bytes)
{
    return ops->alloc(ops->ctx, bytes, 64, node, true);
}

static char *alloc_strict_on(int node, size_t bytes)
{
    return ops->alloc_strict(ops->ctx, bytes, 64, node, true);
}

static void free_block(char *block, size_t bytes)
{
    ops->free(ops->ctx, block, bytes);
}

/* What the machine is, and that it has at least a node, a CPU and memory. */
Test(places, the_machine, .init = start_port, .fini = end_port)
{
    unsigned placed = 0;
    unsigned i;

    choose("");
    for (i = 0; i < topology.cpus; i++) {
        placed += topology.cpu_node[i] != HIPT_ANY_NODE;
    }
    cr_expect_geq(topology.nodes, 1u);
    cr_expect_geq(placed, 1u);
}

/* An explicit text, the environment, and the machine where both are empty. */
Test(places, where_the_text_is, .init = start_port, .fini = end_port)
{
    char error[200];
    unsigned machine;

    cr_assert_eq(unsetenv("HIPT_TOPOLOGY"), 0);
    choose(NULL);
    machine = topology.nodes;
    cr_assert_eq(setenv("HIPT_TOPOLOGY", "7x1", 1), 0);
    choose(NULL);
    cr_expect_eq(topology.nodes, 7u);
    choose("5x1");
    cr_expect_eq(topology.nodes, 5u);
    cr_expect_eq(topology.cpus, 5u);
    choose("");
    cr_expect_eq(topology.nodes, machine);
    cr_assert_eq(setenv("HIPT_TOPOLOGY", "", 1), 0);
    choose(NULL);
    cr_expect_eq(topology.nodes, machine);
    cr_assert_eq(setenv("HIPT_TOPOLOGY", "7y1", 1), 0);
    choose("6x0");
    cr_expect_eq(hipt_user_topology(user, NULL, &topology, error, sizeof(error)), HIPT_BAD_TEXT);
    cr_expect_str_eq(error, "column 2: 'y' stands where x and the number of CPUs of each node should be");
    cr_expect_eq(hipt_user_topology(user, NULL, &topology, NULL, 0), HIPT_BAD_TEXT);
    cr_expect_eq(topology.nodes, 6u, "nothing has changed");
    cr_expect_eq(hipt_user_limit(user, 5, 0), HIPT_OK, "nothing has changed");
}

/* On made-up nodes a thread is where the CPU is that it stands for; a CPU that the text does not have is nowhere. */
Test(places, N1_where_a_thread_runs, .init = start_port, .fini = end_port)
{
    static const int wanted[5] = {2, 2, 0, HIPT_ANY_NODE, HIPT_ANY_NODE};
    struct hipt_cpu cpu = {.number = 0};

    choose("nodes=3 cpus=2,-,0-1");
    cr_expect_eq(ops->this_node(ops->ctx), HIPT_ANY_NODE, "it stands for none");
    cr_assert_eq(hipt_user_cpu(user, &cpu), HIPT_OK);
    for (; cpu.number < 5u; cpu.number++) {
        cr_expect_eq(ops->this_node(ops->ctx), wanted[cpu.number], "CPU %u", cpu.number);
    }
    cr_assert_eq(hipt_user_cpu(user, NULL), HIPT_OK);
}

/* On the machine's it is where the system says, as long as it stays. */
Test(places, N1_where_a_thread_really_runs, .init = start_port, .fini = end_port)
{
    int cpu = sched_getcpu();
    cpu_set_t set;

    choose("");
    CPU_ZERO(&set);
    CPU_SET((size_t)cpu, &set);
    cr_assert_eq(sched_setaffinity(0, sizeof(set), &set), 0);
    cr_expect_eq(ops->this_node(ops->ctx), (unsigned)cpu < topology.cpus ? topology.cpu_node[cpu] : HIPT_ANY_NODE);
}

/* While memory is out, its nodes stay. */
Test(places, nodes_stay_while_memory_is_out, .init = start_port, .fini = end_port)
{
    char error[200];
    char *block;

    choose("2x1");
    block = alloc_on(HIPT_ANY_NODE, 100);
    cr_expect_eq(hipt_user_topology(user, "3x1", &topology, error, sizeof(error)), HIPT_BUSY);
    cr_expect_str_eq(error, "100 bytes are given out; nodes are chosen while there are 0");
    cr_expect_eq(hipt_user_topology(user, "3x1", &topology, NULL, 0), HIPT_BUSY);
    cr_expect_eq(topology.nodes, 2u);
    free_block(block, 100);
    choose("3x1");
}

/* Bytes by node, for small blocks and large ones, strict and not; what is for no node counts on none. */
Test(places, N1_bytes_are_counted_by_node, .init = start_port, .fini = end_port)
{
    static const size_t sizes[] = {1, 4096, 65536, (size_t)3 << 20};
    unsigned s;

    choose("3x1");
    for (s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
        size_t bytes = sizes[s];
        char *any = alloc_on(HIPT_ANY_NODE, bytes);
        char *first = alloc_on(0, bytes);
        char *third = alloc_strict_on(2, bytes);
        char *beyond = alloc_on(3, bytes);

        cr_assert(any && first && third && beyond);
        first[bytes - 1u] = third[bytes - 1u] = 1;
        cr_expect_eq(hipt_user_bytes(user), 4u * bytes);
        cr_expect_eq(hipt_user_node_bytes(user, 0), bytes);
        cr_expect_eq(hipt_user_node_bytes(user, 1), 0);
        cr_expect_eq(hipt_user_node_bytes(user, 2), bytes);
        cr_expect_eq(hipt_user_node_of(user, first), 0);
        cr_expect_eq(hipt_user_node_of(user, third + bytes - 1u), 2);
        cr_expect_eq(hipt_user_node_of(user, any), HIPT_ANY_NODE);
        cr_expect_eq(hipt_user_node_of(user, beyond), HIPT_ANY_NODE);
        cr_expect_eq(hipt_user_node_of(user, NULL), HIPT_ANY_NODE);
        free_block(first, bytes);
        cr_expect_eq(hipt_user_node_bytes(user, 0), 0);
        cr_expect_eq(hipt_user_node_of(user, first), HIPT_ANY_NODE);
        free_block(any, bytes);
        free_block(third, bytes);
        free_block(beyond, bytes);
        cr_expect_eq(hipt_user_bytes(user), 0);
        cr_expect_eq(hipt_user_node_bytes(user, 2), 0);
    }
    cr_expect_eq(hipt_user_node_bytes(user, -1), 0);
    cr_expect_eq(hipt_user_node_bytes(user, 63), 0);
    cr_expect_eq(hipt_user_node_bytes(user, 64), 0);
    cr_expect_eq(hipt_user_node_bytes(user, INT_MAX), 0);
    cr_expect_null(alloc_strict_on(3, 100));
    cr_expect_null(alloc_strict_on(HIPT_ANY_NODE, 100));
    cr_expect_null(alloc_strict_on(INT_MIN, 100));
}

/* A node that is full: strict gets nothing, others the nearest with room, then nothing at all. */
Test(places, N1_limits, .init = start_port, .fini = end_port)
{
    enum { BYTES = 1000 };
    char *blocks[4];
    unsigned i;

    choose("nodes=4 distance=10,40,20,30,40,10,20,30,20,20,10,20,30,30,20,10");
    cr_expect_eq(hipt_user_limit(user, -1, 0), HIPT_BAD_NODE);
    cr_expect_eq(hipt_user_limit(user, 4, 0), HIPT_BAD_NODE);
    for (i = 0; i < 4u; i++) {
        cr_assert_eq(hipt_user_limit(user, (int)i, BYTES), HIPT_OK);
    }
    cr_expect_null(alloc_strict_on(0, BYTES + 1u));
    cr_expect_null(alloc_on(0, BYTES + 1u));
    for (i = 0; i < 4u; i++) {
        static const int order[4] = {0, 2, 3, 1};

        blocks[i] = alloc_on(0, BYTES);
        cr_assert_not_null(blocks[i]);
        cr_expect_eq(hipt_user_node_of(user, blocks[i]), order[i]);
        cr_expect_null(alloc_strict_on(0, 1));
    }
    cr_expect_null(alloc_on(1, 1));
    cr_expect_eq(hipt_user_bytes(user), 4u * BYTES);
    free_block(blocks[3], BYTES);
    blocks[3] = alloc_strict_on(1, BYTES);
    cr_assert_not_null(blocks[3]);
    cr_assert_eq(hipt_user_limit(user, 1, 10), HIPT_OK, "less than is out");
    cr_expect_null(alloc_strict_on(1, 1));
    cr_assert_eq(hipt_user_limit(user, 1, SIZE_MAX), HIPT_OK);
    for (i = 0; i < 4u; i++) {
        free_block(blocks[i], BYTES);
    }
    blocks[0] = alloc_on(HIPT_ANY_NODE, 10 * BYTES);
    cr_expect_not_null(blocks[0], "what is for no node has no limit");
    free_block(blocks[0], 10 * BYTES);
}

/* Nodes without frames have no memory. */
Test(places, N1_nodes_without_memory, .init = start_port, .fini = end_port)
{
    char *block;

    choose("nodes=3 cpus=0,1,- pfns=-,0-9,10-19 distance=10,30,20,30,10,20,20,20,10");
    cr_expect_null(alloc_strict_on(0, 100));
    block = alloc_on(0, 100);
    cr_assert_not_null(block);
    cr_expect_eq(hipt_user_node_of(user, block), 2);
    free_block(block, 100);
}

/* What the system does not give is taken from no node. */
Test(places, what_is_refused_is_not_counted, .init = start_port, .fini = end_port)
{
    choose("2x1");
    cr_expect_null(alloc_on(1, SIZE_MAX / 2u));
    cr_expect_null(alloc_strict_on(1, SIZE_MAX / 2u));
    cr_expect_eq(hipt_user_node_bytes(user, 1), 0);
    cr_expect_eq(hipt_user_bytes(user), 0);
}

/* Many blocks, in an order that has nothing to do with their addresses; each is found by its ends. */
Test(places, N1_many_blocks, .init = start_port, .fini = end_port)
{
    enum { BLOCKS = 1000, NODES = 5 };
    static char *blocks[BLOCKS];
    unsigned i;
    unsigned node;

    choose("5x1");
    for (i = 0; i < BLOCKS; i++) {
        blocks[i] = alloc_strict_on((int)(i % NODES), 64u + i);
        cr_assert_not_null(blocks[i]);
    }
    for (i = 0; i < BLOCKS; i++) {
        unsigned other = i * 7u % BLOCKS;

        cr_expect_eq(hipt_user_node_of(user, blocks[other]), (int)(other % NODES));
        cr_expect_eq(hipt_user_node_of(user, blocks[other] + 63u + other), (int)(other % NODES));
        free_block(blocks[other], 64u + other);
        blocks[other] = NULL;
    }
    for (node = 0; node < NODES; node++) {
        cr_expect_eq(hipt_user_node_bytes(user, (int)node), 0);
    }
}

/* The machine's own first node with memory, whatever the machine is. */
Test(places, N1_a_real_node, .init = start_port, .fini = end_port)
{
    static const size_t sizes[] = {100, 4096, 65536, (size_t)2 << 20};
    unsigned s;

    choose("");
    for (s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
        char *block = alloc_on(0, sizes[s]);
        char *strict;

        cr_assert_not_null(block);
        block[0] = 1;
        if (topology.nodes == 1) {
            strict = alloc_strict_on(0, sizes[s]);
            cr_assert_not_null(strict);
            cr_expect_eq(hipt_user_node_of(user, strict), 0);
            free_block(strict, sizes[s]);
        }
        free_block(block, sizes[s]);
    }
    cr_expect_eq(hipt_user_bytes(user), 0);
}
