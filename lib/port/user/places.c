/* SPDX-License-Identifier: MIT */
#include "port/user/places.h"

void hipti_places_start(struct hipti_places *places, unsigned nodes)
{
    places->nodes = nodes;
    places->cpus = 0;
    places->is_real = false;
    places->nranges = 0;
    for (unsigned cpu = 0; cpu < HIPT_CPUS_MAX; cpu++) {
        places->cpu_node[cpu] = HIPT_ANY_NODE;
    }
    for (unsigned i = 0; i < nodes * nodes; i++) {
        places->distance[i] = i / nodes == i % nodes ? HIPT_DISTANCE_LOCAL : HIPT_DISTANCE_REMOTE;
    }
    hipti_places_end(places);
}

const struct hipt_node_range *hipti_places_add(struct hipti_places *places, int node, uint64_t first, uint64_t last)
{
    struct hipt_node_range *ranges = places->ranges;
    size_t at = places->nranges;

    while (at > 0 && ranges[at - 1u].first > first) {
        at--;
    }
    if (at > 0 && ranges[at - 1u].first + ranges[at - 1u].count > first) {
        return &ranges[at - 1u];
    }
    if ((at < places->nranges && ranges[at].first <= last) || places->nranges == HIPTI_PLACES_RANGES) {
        return at < places->nranges && ranges[at].first <= last ? &ranges[at] : &ranges[places->nranges];
    }
    for (size_t i = places->nranges; i > at; i--) {
        ranges[i] = ranges[i - 1u];
    }
    ranges[at] = (struct hipt_node_range){.first = first, .count = last - first + 1u, .node = node};
    places->nranges++;
    return NULL;
}

void hipti_places_end(struct hipti_places *places)
{
    uint64_t set = 0;

    for (size_t i = 0; i < places->nranges; i++) {
        set |= UINT64_C(1) << places->ranges[i].node;
    }
    places->with_memory = set != 0 ? set : UINT64_MAX >> (HIPT_NODES_MAX - places->nodes);
}

struct hipt_topology hipti_places_topology(const struct hipti_places *places)
{
    return (struct hipt_topology){
        .size = sizeof(struct hipt_topology),
        .nodes = places->nodes,
        .cpus = places->cpus,
        .cpu_node = places->cpu_node,
        .distance = places->distance,
        .ranges = places->ranges,
        .nranges = places->nranges,
    };
}
