/* SPDX-License-Identifier: MIT */
#include "map/place.h"

unsigned hipti_place_shards(const struct hipt_topology *topology)
{
    uint64_t nodes = topology ? hipti_topology_with_memory(topology) : 1u;
    unsigned count;

    for (count = 0; nodes != 0; count++) {
        nodes &= nodes - 1u;
    }
    return count;
}

/* => the first node of those nearest to @node that has a shard. */
static unsigned nearest_of(const struct hipti_topology *topology, unsigned node, uint64_t nodes)
{
    const uint8_t *nearest = hipti_topology_nearest(topology, node);

    while (!(nodes >> *nearest & 1u)) {
        nearest++;
    }
    return *nearest;
}

void hipti_place_init(struct hipt_table *table)
{
    const struct hipti_topology *topology = &table->topology;
    uint64_t nodes = topology->with_memory;
    unsigned nshards = 0;
    unsigned node;

    for (node = 0; node < topology->nodes; node++) {
        if (nodes >> node & 1u) {
            table->shard_of_node[node] = (uint8_t)nshards;
            table->node_of_shard[nshards++] = (uint8_t)node;
        }
    }
    for (node = 0; node < topology->nodes; node++) {
        table->shard_of_node[node] = table->shard_of_node[nearest_of(topology, node, nodes)];
    }
}

int hipti_place_here(const struct hipt_table *table)
{
    const struct hipt_ops *ops = &table->ops;
    int node = HIPT_ANY_NODE;

    if (ops->this_node) {
        node = ops->this_node(ops->ctx);
    } else if (ops->this_cpu) {
        const struct hipt_cpu *cpu = ops->this_cpu(ops->ctx);

        node = cpu ? hipti_topology_node_of_cpu(&table->topology, cpu->number) : HIPT_ANY_NODE;
    }
    return node >= 0 && (unsigned)node < table->topology.nodes ? node : HIPT_ANY_NODE;
}

unsigned hipti_place_home(const struct hipt_table *table)
{
    int node = hipti_place_here(table);

    return node == HIPT_ANY_NODE ? 0 : table->shard_of_node[node];
}

/* => the shard that a region names, or HIPTI_ALL_SHARDS. With one shard, all of them are that one. */
static unsigned region_shard(const struct hipt_table *table, int node)
{
    if (node != HIPT_ALL_NODES) {
        return table->shard_of_node[node];
    }
    return table->buckets.nshards > 1u ? HIPTI_ALL_SHARDS : 0;
}

enum hipt_status hipti_place_check(const struct hipt_table *table, const struct hipt_region_place *regions,
                                   unsigned count, struct hipti_regions *placed)
{
    unsigned i;

    placed->count = 0;
    if (count < 1u || count > HIPT_REGIONS_MAX || regions[0].vpn != 0) {
        return HIPT_BAD_VPN;
    }
    for (i = 0; i < count; i++) {
        int node = regions[i].node;
        unsigned shard;

        if ((i > 0 && regions[i].vpn <= regions[i - 1u].vpn) || regions[i].vpn > table->split.last_vpn) {
            return HIPT_BAD_VPN;
        }
        if (node != HIPT_ALL_NODES && (node < 0 || (unsigned)node >= table->topology.nodes)) {
            return HIPT_BAD_NODE;
        }
        shard = region_shard(table, node);
        if (placed->count == 0 || placed->shard[placed->count - 1u] != shard) {
            placed->first[placed->count] = regions[i].vpn;
            placed->shard[placed->count++] = (uint8_t)shard;
        }
    }
    return HIPT_OK;
}
