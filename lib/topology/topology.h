/* SPDX-License-Identifier: MIT */
/*
 * A topology as the library keeps it: a copy of the host's description, in one block, with what is asked for often made
 * ready. Nothing here changes between init and end, so any number of threads read it.
 */
#ifndef HIPT_TOPOLOGY_TOPOLOGY_H
#define HIPT_TOPOLOGY_TOPOLOGY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <hipt/ops.h>
#include <hipt/topology.h>

/* Field key: all fields are constant after hipti_topology_init(). */
struct hipti_topology {
    const struct hipt_ops *ops;
    unsigned nodes;
    unsigned cpus;
    uint64_t with_memory;                 /* bit n: node n has memory, see hipti_topology_with_memory() */
    const struct hipt_node_range *ranges; /* ascending */
    size_t nranges;
    const uint8_t *nearest; /* [from * nodes + rank]: a node, those at a smaller distance first */
    const int8_t *cpu_node; /* of each CPU, or HIPT_ANY_NODE */
    void *block;            /* all of these, NULL where the host gave no topology */
    size_t bytes;
};

/* => bit n: node n owns some pfn; where the host names none at all, all nodes may have memory. */
uint64_t hipti_topology_with_memory(const struct hipt_topology *given);

/*
 * @given has passed hipt_topology_check(), or is NULL: one node, on which nothing is placed, for which no memory is
 * needed. => false: no memory; hipti_topology_end() may be called all the same.
 */
bool hipti_topology_init(struct hipti_topology *topology, const struct hipt_ops *ops,
                         const struct hipt_topology *given);
void hipti_topology_end(struct hipti_topology *topology);

/* => the node that owns frame @pfn, or HIPT_ANY_NODE. O(log nranges). */
static inline int hipti_topology_node_of_pfn(const struct hipti_topology *topology, uint64_t pfn)
{
    const struct hipt_node_range *ranges = topology->ranges;
    size_t low = 0; /* every range below starts at @pfn or before it, none from .high on does */
    size_t high = topology->nranges;

    while (low < high) {
        size_t middle = low + (high - low) / 2u;

        if (ranges[middle].first <= pfn) {
            low = middle + 1u;
        } else {
            high = middle;
        }
    }
    return low > 0 && pfn - ranges[low - 1u].first < ranges[low - 1u].count ? ranges[low - 1u].node : HIPT_ANY_NODE;
}

/* => the node that CPU @cpu is on, or HIPT_ANY_NODE; so for a CPU that the topology does not know. */
static inline int hipti_topology_node_of_cpu(const struct hipti_topology *topology, uint32_t cpu)
{
    return cpu < topology->cpus ? topology->cpu_node[cpu] : HIPT_ANY_NODE;
}

/* => all nodes, .nodes of them: @node, then the others, the nearest first; of equally far ones the lower number. */
static inline const uint8_t *hipti_topology_nearest(const struct hipti_topology *topology, unsigned node)
{
    return &topology->nearest[node * topology->nodes];
}

#endif
