/* SPDX-License-Identifier: MIT */
#include "map/table.h"

#include "base/text.h"

#define ASID_BITS_MAX 20u
#define LOAD_NUMERATOR 5u /* buckets = capacity * 5 / 14: 2.8 mappings in each */
#define LOAD_DENOMINATOR 14u
#define FLUSH_MAX 512u /* docs/decisions/0009-flush-threshold.md */

void hipt_config_init(struct hipt_config *config)
{
    static const struct hipt_config defaults = {
        sizeof(struct hipt_config), NULL, UINT64_C(1) << 16, 0, 0, 0, 16, 57, 4, {12, 16, 21, 30}, NULL, 0,
        HIPT_VERSION_BITS_MAX, HIPT_SEQUENCE_BITS_MAX, NULL, 0, FLUSH_MAX, 0, 0, 0,
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

uint64_t hipti_buckets_for(uint64_t capacity, unsigned width)
{
    uint64_t least = hipti_quotient_least(width);
    uint64_t wanted = capacity / LOAD_DENOMINATOR * LOAD_NUMERATOR +
                      capacity % LOAD_DENOMINATOR * LOAD_NUMERATOR / LOAD_DENOMINATOR + 1u;

    return wanted > least ? wanted : least;
}

static uint64_t buckets_first(const struct hipt_config *config, unsigned width)
{
    return config->buckets ? config->buckets : hipti_buckets_for(config->capacity, width);
}

/* => the most that the table may have, one day. */
static uint64_t buckets_max(const struct hipt_config *config, unsigned width)
{
    uint64_t first = buckets_first(config, width);
    uint64_t last = hipti_buckets_for(config->capacity_max, width);

    return first > last ? first : last;
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
    uint64_t count;

    if (width > 64u) {
        hipti_text_refuse(text, "the key's width", width, " (asid, size class and vpn bits) is above ", 64);
        return HIPT_BAD_WIDTH;
    }
    count = buckets_first(config, width);
    if (count < hipti_quotient_least(width)) {
        hipti_text_refuse(text, "buckets", count, " are fewer than a key of this width needs, ",
                          hipti_quotient_least(width));
        return HIPT_FEW_BUCKETS;
    }
    if (count <= HIPTI_BUCKETS_MAX && buckets_max(config, width) > HIPTI_BUCKETS_MAX) {
        hipti_text_refuse(text, "capacity_max", config->capacity_max,
                          " needs more buckets than a slot number can name, ", HIPTI_BUCKETS_MAX);
        return HIPT_MANY_BUCKETS;
    }
    if (count > HIPTI_BUCKETS_MAX) {
        hipti_text_refuse(text, "buckets", count, " are more than a slot number can name, ", HIPTI_BUCKETS_MAX);
        return HIPT_MANY_BUCKETS;
    }
    return HIPT_OK;
}

/* The text for the range that hipti_frames_check() refused. */
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
                          " lies in an earlier range, or with it the frames are more than ", UINT32_MAX - 1u);
    }
}

static enum hipt_status check_ranges(const struct hipt_config *config, struct hipti_text *text)
{
    size_t count = config->ranges ? config->nranges : 0;
    size_t bad;
    enum hipt_status status = hipti_frames_check(config->ranges, count, &bad);

    if (count == 0) {
        hipti_text_refuse(text, "the number of frame ranges", 0, " is not at least ", 1);
    } else if (status != HIPT_OK) {
        explain_range(config, bad, text);
    }
    return status;
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

static bool table_init(struct hipt_table *table, const struct hipt_config *config)
{
    uint64_t secret[4];
    uint64_t count;
    uint64_t count_max;
    uint64_t mappings;

    (void)ops_copy(&table->ops, config->ops);
    split_init(&table->split, config);
    count = buckets_first(config, hipti_split_width(&table->split));
    count_max = buckets_max(config, hipti_split_width(&table->split));
    mappings = count_max * HIPT_CHAIN_LINES_MAX * HIPT_SLOTS;
    table->ttl = config->ttl;
    table->file_attrs = config->file_attrs;
    table->resize = config->resize;
    return draw_secret(config, secret) &&
           hipti_buckets_init(&table->buckets, &table->ops, &table->split, config, count, count_max, secret) &&
           hipti_frames_init(&table->frames, &table->ops, config->ranges, config->nranges, mappings) &&
           hipti_asids_init(&table->asids, &table->ops, config->asid_bits, mappings) &&
           hipti_shootdown_init(&table->shootdown, &table->ops, config);
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
    hipti_frames_end(&table->frames);
    hipti_asids_end(&table->asids);
    hipti_shootdown_end(&table->shootdown);
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
