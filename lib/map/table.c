/* SPDX-License-Identifier: MIT */
#include "map/table.h"

#include "base/text.h"
#include "frame/layout.h"
#include "map/place.h"
#include "map/touch.h"

#define ASID_BITS_MAX 20u
#define LOAD_NUMERATOR 5u /* buckets = capacity * 5 / 14: 2.8 mappings in each */
#define LOAD_DENOMINATOR 14u
#define FLUSH_MAX 512u /* docs/decisions/0009-flush-threshold.md */

void hipt_config_init(struct hipt_config *config)
{
    static const struct hipt_config defaults = {
        sizeof(struct hipt_config), NULL, UINT64_C(1) << 16, 0, 0, 0, 16, 57, 4, {12, 16, 21, 30}, NULL, 0,
        HIPT_VERSION_BITS_MAX, HIPT_SEQUENCE_BITS_MAX, NULL, 0, FLUSH_MAX, 0, 0, 0, NULL, HIPT_PREFERRED,
    };

    *config = defaults;
}

/* The hooks that the host knows; those beyond its structure's size stay unset. => false: the size is impossible. */
static bool ops_copy(struct hipt_ops *copy, const struct hipt_ops *ops)
{
    const unsigned char *from = (const unsigned char *)ops;
    unsigned char *to = (unsigned char *)copy;
    size_t i;

    for (i = 0; i < sizeof(*copy); i++) {
        to[i] = i < ops->size ? from[i] : 0;
    }
    return ops->size == offsetof(struct hipt_ops, block_max) || ops->size == offsetof(struct hipt_ops, this_cpu) ||
           ops->size == offsetof(struct hipt_ops, alloc_strict) || ops->size == offsetof(struct hipt_ops, this_node) ||
           ops->size == sizeof(*copy);
}

static enum hipt_status check_ops(const struct hipt_ops *ops, struct hipti_text *text)
{
    struct hipt_ops copy;
    const char *missing = NULL;

    if (!ops) {
        hipti_text_put(text, "ops is missing");
        return HIPT_BAD_OPS;
    }
    if (!ops_copy(&copy, ops)) {
        hipti_text_refuse(text, "ops size", ops->size, " is none that this library knows; it knows up to ",
                          sizeof(copy));
        return HIPT_BAD_OPS;
    }
    missing = !copy.alloc ? "alloc" : missing;
    missing = !copy.free ? "free" : missing;
    missing = !copy.gp_start ? "gp_start" : missing;
    missing = !copy.gp_elapsed ? "gp_elapsed" : missing;
    missing = !copy.random ? "random" : missing;
    missing = !copy.read_enter != !copy.read_exit ? "read_enter or read_exit, one without the other," : missing;
    if (missing) {
        hipti_text_put(text, "the hook ");
        hipti_text_put(text, missing);
        hipti_text_put(text, " is missing");
        return HIPT_BAD_OPS;
    }
    return HIPT_OK;
}

static enum hipt_status check_sizes(const struct hipt_config *config, struct hipti_text *text)
{
    unsigned i;

    if (config->nsizes < 1u || config->nsizes > HIPT_SIZES_MAX) {
        hipti_text_refuse(text, "the number of size classes", config->nsizes, " is not in 1 to ", HIPT_SIZES_MAX);
        return HIPT_BAD_SIZES;
    }
    for (i = 1; i < config->nsizes; i++) {
        if (config->page_shift[i] <= config->page_shift[i - 1u]) {
            hipti_text_refuse(text, "page_shift", config->page_shift[i], " is not above the one before it, ",
                              config->page_shift[i - 1u]);
            return HIPT_BAD_SIZES;
        }
    }
    if (config->page_shift[config->nsizes - 1u] >= config->va_bits) {
        hipti_text_refuse(text, "page_shift", config->page_shift[config->nsizes - 1u], " is not below va_bits, ",
                          config->va_bits);
        return HIPT_BAD_SIZES;
    }
    return HIPT_OK;
}

static void split_init(struct hipti_split *split, const struct hipt_config *config)
{
    unsigned i;

    split->asid_bits = config->asid_bits;
    split->nsizes = config->nsizes;
    split->size_bits = hipti_bits_for(config->nsizes);
    split->vpn_bits = config->va_bits - config->page_shift[0];
    split->spare_bits = (64u - hipti_split_width(split)) & 63u;
    split->last_asid = hipti_mask(split->asid_bits);
    split->last_vpn = hipti_mask(split->vpn_bits);
    split->asid_unit = UINT64_C(1) << (64u - split->asid_bits);
    split->vpn_unit = UINT64_C(1) << split->spare_bits;
    for (i = 0; i < HIPT_SIZES_MAX; i++) {
        split->page_shift[i] = i < config->nsizes ? config->page_shift[i] : config->page_shift[0];
        split->page_order[i] = split->page_shift[i] - config->page_shift[0];
        split->vpn_mask[i] = ~hipti_mask(split->page_order[i]);
        split->size_key[i] = ((uint64_t)i << split->vpn_bits) << split->spare_bits;
    }
}

/* => each shard's part of @count, rounded up. */
static uint64_t shared_out(uint64_t count, unsigned nshards)
{
    return count / nshards + (count % nshards != 0);
}

uint64_t hipti_buckets_for(uint64_t capacity, unsigned width, unsigned nshards)
{
    uint64_t least = hipti_quotient_least(width);
    uint64_t wanted = capacity / LOAD_DENOMINATOR * LOAD_NUMERATOR +
                      capacity % LOAD_DENOMINATOR * LOAD_NUMERATOR / LOAD_DENOMINATOR + 1u;

    wanted = shared_out(wanted, nshards);
    return wanted > least ? wanted : least;
}

/* => buckets that each shard begins with. */
static uint64_t buckets_first(const struct hipt_config *config, unsigned width)
{
    unsigned nshards = hipti_place_shards(config->topology);

    return config->buckets ? shared_out(config->buckets, nshards)
                           : hipti_buckets_for(config->capacity, width, nshards);
}

/* => the most that all shards together may have, one day, or more than there can be. */
static uint64_t buckets_max(const struct hipt_config *config, unsigned width)
{
    unsigned nshards = hipti_place_shards(config->topology);
    uint64_t first = buckets_first(config, width);
    uint64_t last = hipti_buckets_for(config->capacity_max, width, nshards);
    uint64_t most = first > last ? first : last;

    return most <= HIPTI_BUCKETS_MAX ? most * nshards : UINT64_MAX;
}

/* => the most that slot numbers can name in each shard. */
static uint64_t buckets_limit(const struct hipt_config *config)
{
    return UINT64_C(1) << hipti_index_bits(hipti_place_shards(config->topology));
}

/* => the most that each shard may have: one node may come to hold everything. */
static uint64_t buckets_max_each(const struct hipt_config *config, unsigned width)
{
    uint64_t most = buckets_max(config, width);
    uint64_t limit = buckets_limit(config);

    return most < limit ? most : limit;
}

static enum hipt_status check_numbers(const struct hipt_config *config, struct hipti_text *text)
{
    if (config->asid_bits < 1u || config->asid_bits > ASID_BITS_MAX) {
        hipti_text_refuse(text, "asid_bits", config->asid_bits, " is not in 1 to ", ASID_BITS_MAX);
        return HIPT_BAD_ASID_BITS;
    }
    if (config->va_bits < 1u || config->va_bits > 64u) {
        hipti_text_refuse(text, "va_bits", config->va_bits, " is not in 1 to ", 64);
        return HIPT_BAD_VA_BITS;
    }
    if (config->version_bits < 1u || config->version_bits > HIPT_VERSION_BITS_MAX) {
        hipti_text_refuse(text, "version_bits", config->version_bits, " is not in 1 to ", HIPT_VERSION_BITS_MAX);
        return HIPT_BAD_VERSION;
    }
    if (config->resize & ~(HIPT_GROW | HIPT_REKEY)) {
        hipti_text_refuse(text, "resize", config->resize, " has bits other than ", HIPT_GROW | HIPT_REKEY);
        return HIPT_BAD_MODE;
    }
    if (config->sequence_bits < 2u || config->sequence_bits > HIPT_SEQUENCE_BITS_MAX) {
        hipti_text_refuse(text, "sequence_bits", config->sequence_bits, " is not in 2 to ", HIPT_SEQUENCE_BITS_MAX);
        return HIPT_BAD_VERSION;
    }
    return HIPT_OK;
}

static enum hipt_status check_cpus(const struct hipt_config *config, struct hipti_text *text)
{
    struct hipt_ops ops;

    (void)ops_copy(&ops, config->ops);
    if (config->cpus > HIPT_CPUS_MAX) {
        hipti_text_refuse(text, "cpus", config->cpus, " is above ", HIPT_CPUS_MAX);
        return HIPT_BAD_CPU;
    }
    if (config->ttl && config->cpus == 0) {
        hipti_text_refuse(text, "ttl", config->ttl, " needs CPUs, to keep frames from being used again; cpus is ", 0);
        return HIPT_BAD_MODE;
    }
    if ((config->ttl || config->slow_after) && !ops.clock) {
        hipti_text_refuse(text, config->ttl ? "ttl" : "slow_after", config->ttl ? config->ttl : config->slow_after,
                          " needs the hook clock; without it, it must be ", 0);
        return HIPT_BAD_MODE;
    }
    return HIPT_OK;
}

static enum hipt_status check_buckets(const struct hipt_config *config, struct hipti_text *text)
{
    unsigned width = config->asid_bits + hipti_bits_for(config->nsizes) + config->va_bits - config->page_shift[0];
    unsigned nshards = hipti_place_shards(config->topology);
    uint64_t limit = buckets_limit(config) * nshards;
    uint64_t least = hipti_quotient_least(width > 64u ? 64u : width) * nshards;
    uint64_t count;

    if (width > 64u) {
        hipti_text_refuse(text, "the key's width", width, " (asid, size class and vpn bits) is above ", 64);
        return HIPT_BAD_WIDTH;
    }
    if (config->buckets && config->buckets < least) {
        hipti_text_refuse(text, "buckets", config->buckets,
                          nshards > 1u ? " are fewer than a key of this width needs on all nodes, "
                                       : " are fewer than a key of this width needs, ",
                          least);
        return HIPT_FEW_BUCKETS;
    }
    count = buckets_first(config, width);
    if (count > buckets_limit(config)) {
        hipti_text_refuse(text, "buckets", config->buckets ? config->buckets : count * nshards,
                          " are more than a slot number can name, ", limit);
        return HIPT_MANY_BUCKETS;
    }
    if (buckets_max(config, width) > limit) {
        hipti_text_refuse(text, "capacity_max", config->capacity_max,
                          " needs more buckets than a slot number can name, ", limit);
        return HIPT_MANY_BUCKETS;
    }
    return HIPT_OK;
}

/* The text for the range that hipti_layout_check() refused. */
static void explain_range(const struct hipt_config *config, size_t bad, struct hipti_text *text)
{
    const struct hipt_range *range = &config->ranges[bad];
    uint64_t limit = UINT64_C(1) << HIPT_PFN_BITS;

    hipti_text_put(text, "frame range ");
    hipti_text_put_number(text, bad);
    hipti_text_put(text, ": ");
    if (range->count == 0) {
        hipti_text_refuse(text, "count", range->count, " is not at least ", 1);
    } else if (range->first >= limit) {
        hipti_text_refuse(text, "first", range->first, " is not below ", limit);
    } else if (range->count > limit - range->first) {
        hipti_text_refuse(text, "count", range->count, " goes beyond what is left from its first on, ",
                          limit - range->first);
    } else {
        hipti_text_refuse(text, "first", range->first,
                          " lies in an earlier range, or with it frames, and gaps before ranges, are more than ",
                          UINT32_MAX - 1u);
    }
}

static enum hipt_status check_ranges(const struct hipt_config *config, struct hipti_text *text)
{
    size_t count = config->ranges ? config->nranges : 0;
    struct hipt_ops ops;
    size_t bad;
    struct hipti_layout_nodes nodes = {1, NULL, 0, 0};
    enum hipt_status status;

    if (config->topology) {
        nodes.nodes = config->topology->nodes;
        nodes.ranges = config->topology->ranges;
        nodes.nranges = config->topology->nranges;
    }
    (void)ops_copy(&ops, config->ops);
    nodes.block_bytes = hipti_arena_block(&ops);
    status = hipti_layout_check(&nodes, config->ranges, count, &bad);

    if (count == 0) {
        hipti_text_refuse(text, "the number of frame ranges", 0, " is not at least ", 1);
    } else if (status != HIPT_OK) {
        explain_range(config, bad, text);
    }
    return status;
}

static enum hipt_status check_placement(const struct hipt_config *config, struct hipti_text *text)
{
    struct hipt_ops ops;

    (void)ops_copy(&ops, config->ops);
    if (config->placement > HIPT_STRICT) {
        hipti_text_refuse(text, "placement", config->placement, " is not in 0 to ", HIPT_STRICT);
        return HIPT_BAD_MODE;
    }
    if (config->placement == HIPT_STRICT && !config->topology) {
        hipti_text_refuse(text, "placement", config->placement, " needs a topology; without one, it must be ", 0);
        return HIPT_BAD_MODE;
    }
    if (config->placement == HIPT_STRICT && !ops.alloc_strict) {
        hipti_text_refuse(text, "placement", config->placement,
                          " needs the hook alloc_strict; without it, it must be ", 0);
        return HIPT_BAD_MODE;
    }
    return HIPT_OK;
}

enum hipt_status hipt_config_check(const struct hipt_config *config, char *text, size_t bytes)
{
    struct hipti_text line;
    enum hipt_status status;

    hipti_text_start(&line, text, bytes);
    if (config->size != sizeof(*config)) {
        hipti_text_refuse(&line, "config size", config->size, " is not ", sizeof(*config));
        return HIPT_BAD_OPS;
    }
    status = check_ops(config->ops, &line);
    status = status != HIPT_OK ? status : check_numbers(config, &line);
    status = status != HIPT_OK ? status : check_sizes(config, &line);
    status = status != HIPT_OK ? status : check_placement(config, &line);
    if (status == HIPT_OK && config->topology) {
        status = hipt_topology_check(config->topology, text, bytes); /* its line is empty, too, where all is well */
    }
    status = status != HIPT_OK ? status : check_buckets(config, &line);
    status = status != HIPT_OK ? status : check_cpus(config, &line);
    return status != HIPT_OK ? status : check_ranges(config, &line);
}

/* => false: no randomness. */
static bool draw_secret(const struct hipt_config *config, uint64_t secret[4])
{
    unsigned i;

    for (i = 0; config->secret && i < 4u; i++) {
        secret[i] = config->secret[i];
    }
    return config->secret || config->ops->random(config->ops->ctx, secret, 4u * sizeof(uint64_t));
}

/* For each node where its memory comes from, and its count of what fell to others. */
static size_t memory_bytes(const struct hipt_table *table)
{
    return table->topology.nodes * (sizeof(struct hipti_memory) + sizeof(HIPTI_ATOMIC(uint64_t)));
}

/* Nodes without memory are passed by, if the host says where memory is. => false: no memory. */
static bool memory_init(struct hipt_table *table, const struct hipt_config *config)
{
    const struct hipti_topology *topology = &table->topology;
    const struct hipt_ops *ops = &table->ops;
    unsigned node;

    table->memory = (struct hipti_memory *)ops->alloc(ops->ctx, memory_bytes(table), HIPTI_CACHE_LINE, HIPT_ANY_NODE,
                                                      true);
    if (!table->memory) {
        return false;
    }
    table->memory[0] = table->anywhere;
    for (node = 0; config->topology && node < topology->nodes; node++) {
        struct hipti_memory *memory = &table->memory[node];

        memory->ops = ops;
        memory->node = (int)node;
        memory->is_strict = config->placement == HIPT_STRICT;
        memory->tries = topology->nodes;
        memory->nearest = hipti_topology_nearest(topology, node);
        memory->nodes = topology->with_memory;
        memory->fallen = (HIPTI_ATOMIC(uint64_t) *)(void *)(table->memory + topology->nodes);
    }
    return true;
}

/* The shards, each with memory of its node. => false: no memory. */
static bool shards_init(struct hipt_table *table, const struct hipt_config *config, const uint64_t *secret)
{
    unsigned width = hipti_split_width(&table->split);
    const struct hipti_memory *memory[HIPT_NODES_MAX];
    struct hipti_shape shape = {.width = width, .secret = secret, .memory = memory};
    unsigned shard;

    shape.nshards = hipti_place_shards(config->topology);
    shape.count = buckets_first(config, width);
    shape.count_max = buckets_max_each(config, width);
    hipti_place_init(table);
    for (shard = 0; shard < shape.nshards; shard++) {
        memory[shard] = &table->memory[table->node_of_shard[shard]];
    }
    return hipti_buckets_init(&table->buckets, &table->ops, config, &shape);
}

static bool table_init(struct hipt_table *table, const struct hipt_config *config)
{
    uint64_t secret[4];
    uint64_t mappings;
    uint64_t lines;
    unsigned width;
    size_t block; /* of cells */

    (void)ops_copy(&table->ops, config->ops);
    table->anywhere = hipti_memory_anywhere(&table->ops);
    split_init(&table->split, config);
    width = hipti_split_width(&table->split);
    mappings = buckets_max(config, width) * HIPT_CHAIN_LINES_MAX * HIPT_SLOTS;
    lines = buckets_first(config, width) * hipti_place_shards(config->topology);
    block = hipti_arena_block_beside(&table->ops, lines * sizeof(struct hipti_line), (size_t)1 << 16);
    table->ttl = config->ttl;
    table->file_attrs = config->file_attrs;
    return draw_secret(config, secret) && hipti_topology_init(&table->topology, &table->ops, config->topology) &&
           memory_init(table, config) && shards_init(table, config, secret) && hipti_touch_init(table) &&
           hipti_frames_init(&table->frames, &table->topology, table->memory, config->ranges, config->nranges,
                             mappings) &&
           hipti_asids_init(&table->asids, &table->anywhere, config->asid_bits, table->buckets.nshards, mappings,
                            block) &&
           hipti_shootdown_init(&table->shootdown, &table->anywhere, config);
}

enum hipt_status hipt_table_create(const struct hipt_config *config, struct hipt_table **table)
{
    enum hipt_status status = hipt_config_check(config, NULL, 0);
    const struct hipt_ops *ops = config->ops;

    *table = NULL;
    if (status != HIPT_OK) {
        return status;
    }
    *table = (struct hipt_table *)ops->alloc(ops->ctx, sizeof(**table), HIPTI_CACHE_LINE, HIPT_ANY_NODE, true);
    if (!*table) {
        return HIPT_NOMEM;
    }
    if (!table_init(*table, config)) {
        hipt_table_destroy(*table);
        *table = NULL;
        return HIPT_NOMEM;
    }
    return HIPT_OK;
}

void hipt_table_destroy(struct hipt_table *table)
{
    struct hipt_ops ops;

    if (!table) {
        return;
    }
    ops = table->ops;
    hipti_buckets_end(&table->buckets);
    hipti_touch_end(table);
    hipti_frames_end(&table->frames);
    hipti_asids_end(&table->asids);
    hipti_shootdown_end(&table->shootdown);
    if (table->memory) {
        ops.free(ops.ctx, table->memory, memory_bytes(table));
    }
    hipti_topology_end(&table->topology);
    ops.free(ops.ctx, table, sizeof(*table));
}

void hipt_read_enter(struct hipt_table *table)
{
    HIPT_PORT_READ_ENTER(&table->ops);
}

void hipt_read_exit(struct hipt_table *table)
{
    HIPT_PORT_READ_EXIT(&table->ops);
}
