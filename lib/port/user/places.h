/* SPDX-License-Identifier: MIT */
/*
 * The nodes that a port puts memory on: those of the machine, as sysfs shows them, or made-up ones, from a text.
 *
 * The text is either NODESxCPUS, as in 4x2: so many nodes with so many CPUs each; or words between spaces:
 *
 *     nodes=4                     comes first
 *     cpus=0-1+8,2,-,3            for each node its CPUs: runs joined by +, or - for none
 *     distance=10,20,20,10        row by row; 20 between different nodes where this is missing
 *     pfns=0-99,200-299,-,100-199 for each node its frames, as its CPUs; no frame is placed where this is missing
 *
 * A node has memory if it has frames; where no node has frames, all have memory.
 */
#ifndef HIPT_PORT_USER_PLACES_H
#define HIPT_PORT_USER_PLACES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <hipt/ops.h>
#include <hipt/table.h>
#include <hipt/topology.h>

#define HIPTI_PLACES_RANGES 1024u
#define HIPTI_PLACES_SYS "/sys/devices/system"

struct hipti_places {
    unsigned nodes;
    unsigned cpus;        /* the highest that is placed, and one */
    bool is_real;         /* the machine's: memory can be bound to nodes */
    uint64_t with_memory; /* bit n: node n has some */
    size_t nranges;
    int cpu_node[HIPT_CPUS_MAX];
    unsigned char distance[HIPT_NODES_MAX * HIPT_NODES_MAX];
    struct hipt_node_range ranges[HIPTI_PLACES_RANGES]; /* ascending */
};

/* The machine's nodes below HIPT_NODES_MAX, below the folder @sys; one node with all CPUs where it shows none. */
void hipti_places_machine(struct hipti_places *places, const char *sys);

/*
 * => true: @text, of @length bytes, is understood, and what it says passes hipt_topology_check(). false: @error, of
 * @bytes bytes, receives one line that names the column, what is there and what could be.
 */
bool hipti_places_parse(struct hipti_places *places, const char *text, size_t length, char *error, size_t bytes);

/* One node for each of @nodes, no CPUs, no frames, memory everywhere, distances 10 and 20. */
void hipti_places_start(struct hipti_places *places, unsigned nodes);

/*
 * Frames @first to @last are on @node. => NULL: done; else the range in the way, which they overlap, or
 * &ranges[.nranges] where there are too many ranges.
 */
const struct hipt_node_range *hipti_places_add(struct hipti_places *places, int node, uint64_t first, uint64_t last);

/* Every frame is there: which nodes have memory. */
void hipti_places_end(struct hipti_places *places);

/* => a description that points into @places. */
struct hipt_topology hipti_places_topology(const struct hipti_places *places);

#endif
