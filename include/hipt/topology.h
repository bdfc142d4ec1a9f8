/* SPDX-License-Identifier: MIT */
/*
 * Where things are: which NUMA node each CPU and each frame belongs to, and how far the nodes are from each other. The
 * host writes it down, the library asks nobody else. Where no topology is given, there is one node.
 *
 * A node may have CPUs and memory, only one of the two, or neither.
 *
 * Synchronization: hipt_topology_check() reads a description that nobody changes meanwhile; there is nothing else.
 */
#ifndef HIPT_TOPOLOGY_H
#define HIPT_TOPOLOGY_H

#include <stddef.h>
#include <stdint.h>

#include <hipt/status.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HIPT_NODES_MAX 64u         /* nodes of one topology: a set of them is one word */
#define HIPT_NODE_RANGES_MAX 4096u /* ranges of one topology */
#define HIPT_DISTANCE_LOCAL 10u    /* from a node to itself; other distances are relative to it, as in ACPI's SLIT */
#define HIPT_DISTANCE_REMOTE 20u   /* between two nodes, where no distances are given */
#define HIPT_DISTANCE_MAX 255u     /* SLIT's word for unreachable; here it is a distance like any other */

/* A run of consecutive pfns on one node. */
struct hipt_node_range {
    uint64_t first; /* first pfn */
    uint64_t count; /* how many; at least 1 */
    int node;       /* 0 to nodes - 1 */
};

/* Nodes, CPUs and memory of a machine. Start from zeros, and set .size and .nodes at least. */
struct hipt_topology {
    size_t size;                          /* sizeof(struct hipt_topology) as the host was compiled */
    unsigned nodes;                       /* 1 to HIPT_NODES_MAX, numbered from 0 */
    unsigned cpus;                        /* entries of cpu_node, at most HIPT_CPUS_MAX; 0: no CPU is placed */
    const int *cpu_node;                  /* the node of CPU n, or HIPT_ANY_NODE: it has none */
    const unsigned char *distance;        /* [from * nodes + to], HIPT_DISTANCE_LOCAL from a node to itself and more to
                                             each other one; need not be symmetric; NULL: HIPT_DISTANCE_REMOTE */
    const struct hipt_node_range *ranges; /* ascending, none inside another; a pfn in none of them has no node */
    size_t nranges;                       /* at most HIPT_NODE_RANGES_MAX; 0: no frame is placed */
};

/**
 * hipt_topology_check() - Say whether a topology can be used, and if not, why.
 * @topology: to check; nothing is allocated.
 * @text:     receives one line that names the value and the bound, empty on OK; may be NULL if @bytes is 0.
 * @bytes:    room in @text, the terminating zero included; a longer line is cut.
 *
 * Shape:    O(nodes^2 + cpus + nranges).
 * Progress: wait-free.
 * Order:    none.
 * Context:  any.
 * Owns:     nothing.
 * Errors:   HIPT_BAD_NODE: the structure's size, the number of nodes, or a node's number; HIPT_BAD_CPU: the number of
 *           CPUs; HIPT_BAD_DISTANCE; HIPT_BAD_RANGE: number, order or bounds of the pfn ranges.
 * Upholds:  nothing beyond its text.
 */
enum hipt_status hipt_topology_check(const struct hipt_topology *topology, char *text, size_t bytes);

#ifdef __cplusplus
}
#endif
#endif
