/* SPDX-License-Identifier: MIT */
#include "topology/topology.h"

#include <hipt/table.h>

#include "base/bits.h"
#include "base/text.h"

/* "@what @index: ", the start of a refusal of one of several. */
static void put_which(struct hipti_text *text, const char *what, size_t index)
{
    hipti_text_put(text, what);
    hipti_text_put(text, " ");
    hipti_text_put_number(text, index);
    hipti_text_put(text, ": ");
}

static enum hipt_status refuse_node(struct hipti_text *text, int node, unsigned nodes)
{
    hipti_text_put(text, node < 0 ? "node -" : "node ");
    hipti_text_put_number(text, node < 0 ? (uint64_t)0 - (uint64_t)node : (uint64_t)node);
    hipti_text_put(text, " is not in 0 to ");
    hipti_text_put_number(text, nodes - 1u);
    return HIPT_BAD_NODE;
}

static bool node_exists(const struct hipt_topology *topology, int node)
{
    return node >= 0 && (unsigned)node < topology->nodes;
}

static enum hipt_status check_cpus(const struct hipt_topology *topology, struct hipti_text *text)
{
    unsigned i;

    if (topology->cpus > HIPT_CPUS_MAX) {
        hipti_text_refuse(text, "cpus", topology->cpus, " is above ", HIPT_CPUS_MAX);
        return HIPT_BAD_CPU;
    }
    if (topology->cpus > 0 && !topology->cpu_node) {
        hipti_text_refuse(text, "cpus", topology->cpus, " needs cpu_node; without it, it must be ", 0);
        return HIPT_BAD_CPU;
    }
    for (i = 0; i < topology->cpus; i++) {
        if (topology->cpu_node[i] != HIPT_ANY_NODE && !node_exists(topology, topology->cpu_node[i])) {
            put_which(text, "CPU", i);
            return refuse_node(text, topology->cpu_node[i], topology->nodes);
        }
    }
    return HIPT_OK;
}

static enum hipt_status check_distance(const struct hipt_topology *topology, struct hipti_text *text)
{
    unsigned count = topology->distance ? topology->nodes * topology->nodes : 0;
    unsigned i;

    for (i = 0; i < count; i++) {
        unsigned from = i / topology->nodes;
        unsigned to = i % topology->nodes;
        unsigned distance = topology->distance[i];

        if (from == to ? distance == HIPT_DISTANCE_LOCAL : distance > HIPT_DISTANCE_LOCAL) {
            continue;
        }
        hipti_text_refuse(text, "from node", from, " to node ", to);
        hipti_text_refuse(text, ": distance", distance, from == to ? " is not " : " is not above ",
                          HIPT_DISTANCE_LOCAL);
        return HIPT_BAD_DISTANCE;
    }
    return HIPT_OK;
}

static bool range_is_sane(const struct hipt_node_range *range)
{
    uint64_t limit = UINT64_C(1) << HIPT_PFN_BITS;

    return range->count > 0 && range->first < limit && range->count <= limit - range->first;
}

/* The text for range @index; the ranges before it, all sane, go up to @next, exclusively. */
static enum hipt_status refuse_range(const struct hipt_topology *topology, size_t index, uint64_t next,
                                     struct hipti_text *text)
{
    const struct hipt_node_range *range = &topology->ranges[index];
    uint64_t limit = UINT64_C(1) << HIPT_PFN_BITS;

    put_which(text, "node range", index);
    if (range->count == 0) {
        hipti_text_refuse(text, "count", range->count, " is not at least ", 1);
    } else if (range->first >= limit) {
        hipti_text_refuse(text, "first", range->first, " is not below ", limit);
    } else if (range->count > limit - range->first) {
        hipti_text_refuse(text, "count", range->count, " goes beyond what is left from its first on, ",
                          limit - range->first);
    } else if (range->first < next) {
        hipti_text_refuse(text, "first", range->first, " is not behind the range before it, whose last is ", next - 1u);
    } else {
        return refuse_node(text, range->node, topology->nodes);
    }
    return HIPT_BAD_RANGE;
}

static enum hipt_status check_ranges(const struct hipt_topology *topology, struct hipti_text *text)
{
    uint64_t next = 0;
    size_t i;

    if (topology->nranges > HIPT_NODE_RANGES_MAX) {
        hipti_text_refuse(text, "nranges", topology->nranges, " is above ", HIPT_NODE_RANGES_MAX);
        return HIPT_BAD_RANGE;
    }
    if (topology->nranges > 0 && !topology->ranges) {
        hipti_text_refuse(text, "nranges", topology->nranges, " needs ranges; without them, it must be ", 0);
        return HIPT_BAD_RANGE;
    }
    for (i = 0; i < topology->nranges; i++) {
        const struct hipt_node_range *range = &topology->ranges[i];

        if (!range_is_sane(range) || range->first < next || !node_exists(topology, range->node)) {
            return refuse_range(topology, i, next, text);
        }
        next = range->first + range->count;
    }
    return HIPT_OK;
}

enum hipt_status hipt_topology_check(const struct hipt_topology *topology, char *text, size_t bytes)
{
    struct hipti_text line;
    enum hipt_status status;

    hipti_text_start(&line, text, bytes);
    if (topology->size != sizeof(*topology)) {
        hipti_text_refuse(&line, "topology size", topology->size, " is not ", sizeof(*topology));
        return HIPT_BAD_NODE;
    }
    if (topology->nodes < 1u || topology->nodes > HIPT_NODES_MAX) {
        hipti_text_refuse(&line, "nodes", topology->nodes, " is not in 1 to ", HIPT_NODES_MAX);
        return HIPT_BAD_NODE;
    }
    status = check_cpus(topology, &line);
    status = status != HIPT_OK ? status : check_distance(topology, &line);
    return status != HIPT_OK ? status : check_ranges(topology, &line);
}

uint64_t hipti_topology_with_memory(const struct hipt_topology *given)
{
    uint64_t set = 0;
    size_t i;

    for (i = 0; i < given->nranges; i++) {
        set |= UINT64_C(1) << given->ranges[i].node;
    }
    return set ? set : hipti_mask(given->nodes);
}

static unsigned distance_of(const struct hipt_topology *given, unsigned from, unsigned to)
{
    if (given->distance) {
        return given->distance[from * given->nodes + to];
    }
    return from == to ? HIPT_DISTANCE_LOCAL : HIPT_DISTANCE_REMOTE;
}

/* All nodes, sorted by insertion: they are few, and equally far ones keep their order. */
static void sort_nearest(const struct hipt_topology *given, unsigned from, uint8_t *nearest)
{
    unsigned node;

    for (node = 0; node < given->nodes; node++) {
        unsigned at = node;

        while (at > 0 && distance_of(given, from, nearest[at - 1u]) > distance_of(given, from, node)) {
            nearest[at] = nearest[at - 1u];
            at--;
        }
        nearest[at] = (uint8_t)node;
    }
}

/* One node, and nothing known of it: what there is where the host says nothing. */
static void init_alone(struct hipti_topology *topology)
{
    static const uint8_t nearest[1] = {0};
    static const struct hipti_topology alone = {NULL, 1, 0, 1, NULL, 0, nearest, NULL, NULL, 0};

    *topology = alone;
}

/* @topology has the numbers, and a block with room. */
static void copy_given(struct hipti_topology *topology, const struct hipt_topology *given)
{
    struct hipt_node_range *ranges = (struct hipt_node_range *)topology->block;
    uint8_t *nearest = (uint8_t *)(ranges + given->nranges);
    int8_t *cpu_node = (int8_t *)(nearest + (size_t)given->nodes * given->nodes);
    size_t i;

    for (i = 0; i < given->nranges; i++) {
        ranges[i] = given->ranges[i];
    }
    for (i = 0; i < given->nodes; i++) {
        sort_nearest(given, (unsigned)i, nearest + i * given->nodes);
    }
    for (i = 0; i < given->cpus; i++) {
        cpu_node[i] = (int8_t)given->cpu_node[i];
    }
    topology->ranges = ranges;
    topology->nearest = nearest;
    topology->cpu_node = cpu_node;
}

bool hipti_topology_init(struct hipti_topology *topology, const struct hipt_ops *ops, const struct hipt_topology *given)
{
    init_alone(topology);
    if (!given) {
        return true;
    }
    topology->ops = ops;
    topology->bytes = given->nranges * sizeof(*topology->ranges) + (size_t)given->nodes * given->nodes + given->cpus;
    topology->block = ops->alloc(ops->ctx, topology->bytes, HIPTI_CACHE_LINE, HIPT_ANY_NODE, true);
    if (!topology->block) {
        return false;
    }
    topology->nodes = given->nodes;
    topology->cpus = given->cpus;
    topology->nranges = given->nranges;
    topology->with_memory = hipti_topology_with_memory(given);
    copy_given(topology, given);
    return true;
}

void hipti_topology_end(struct hipti_topology *topology)
{
    if (topology->block) {
        topology->ops->free(topology->ops->ctx, topology->block, topology->bytes);
        topology->block = NULL;
    }
}
