/* SPDX-License-Identifier: MIT */
/* Walking over the whole table and counting it. */
#include "map/touch.h"
#include "table/walk.h"

enum hipt_status hipt_table_next(struct hipt_table *table, struct hipt_cursor *cursor, struct hipt_mapping *out)
{
    uint64_t pte;
    uint64_t key;
    bool is_found;

    HIPT_PORT_READ_ENTER(&table->ops);
    is_found = hipti_walk_next(&table->buckets, cursor, &pte, &key);
    HIPT_PORT_READ_EXIT(&table->ops);
    if (!is_found) {
        return HIPT_ABSENT;
    }
    *out = hipti_pte_unpack(pte, hipti_key_unpack(&table->split, key));
    return HIPT_OK;
}

#define MAPPINGS_MAX (HIPT_CHAIN_LINES_MAX * HIPT_SLOTS) /* of one bucket that are told apart */

/* => live and held slots of a line. */
static unsigned line_mappings(struct hipti_line *line)
{
    unsigned count = 0;
    unsigned i;

    for (i = 0; i < HIPT_SLOTS; i++) {
        count += hipti_pte_is_visible(hipti_load_relaxed(&line->pte[i])); /* a count for people */
    }
    return count;
}

static void stats_bucket(const struct hipti_buckets *buckets, uint32_t bucket, struct hipt_stats *stats)
{
    uint32_t number = bucket;
    unsigned mappings = 0;
    unsigned lines = 0;
    uint32_t link;

    do {
        struct hipti_line *line = hipti_buckets_line(buckets, number);

        lines++;
        mappings += line_mappings(line);
        link = hipti_header_link(hipti_load_acquire(&line->header)); /* [observe:link] */
        number = hipti_buckets_linked(buckets, number, link);
    } while (link != HIPTI_NONE);
    stats->per_bucket[mappings < MAPPINGS_MAX ? mappings : MAPPINGS_MAX]++;
    stats->chain_lines[lines < HIPT_CHAIN_LINES_MAX ? lines : HIPT_CHAIN_LINES_MAX]++;
    stats->mappings += mappings;
    stats->lines_linked += lines - 1u;
}

/* Bucket @index of the array that a shard is moving out of, if it still is, or else of the present one. */
static bool stats_nth(const struct hipti_buckets *buckets, unsigned shard, bool is_past, uint32_t index,
                      struct hipt_stats *stats)
{
    const struct hipti_array *array = hipti_buckets_now(buckets, shard);

    array = is_past ? hipti_load_relaxed(&array->past) : array; /* set before the present one was put in place */
    if (!array || index >= array->quotient.buckets) {
        return false;
    }
    stats_bucket(buckets, array->first + index, stats);
    return true;
}

/* All buckets of one array, each in a read side of its own: so they hold up no grace period. */
static void stats_array(struct hipt_table *table, unsigned shard, bool is_past, struct hipt_stats *stats)
{
    uint32_t index = 0;
    bool is_there;

    do {
        HIPT_PORT_READ_ENTER(&table->ops);
        is_there = stats_nth(&table->buckets, shard, is_past, index++, stats);
        HIPT_PORT_READ_EXIT(&table->ops);
    } while (is_there);
}

/* What there is of a shard's arrays. Inside a read side. */
static void stats_arrays(const struct hipti_buckets *buckets, unsigned shard, struct hipt_stats *stats)
{
    const struct hipti_shard *own = buckets->shard[shard];
    const struct hipti_array *now = hipti_buckets_now(buckets, shard);
    const struct hipti_array *past = hipti_load_relaxed(&now->past); /* set before @now was put in place */
    unsigned half;

    stats->buckets += now->quotient.buckets;
    if (past) {
        stats->buckets_past += past->quotient.buckets;
        stats->buckets_left += hipti_load_relaxed(&past->left); /* a count for people */
    }
    stats->bytes_forward += hipti_arena_bytes(&own->overflow);
    for (half = 0; half < 2u; half++) {
        const struct hipti_array *array = hipti_load_acquire(&own->half[half]); /* [observe:array] */

        stats->bytes_forward += array ? hipti_arena_bytes(&array->lines) : 0;
    }
}

static void stats_shard(struct hipt_table *table, unsigned shard, struct hipt_stats *stats)
{
    const struct hipti_shard *own = table->buckets.shard[shard];

    HIPT_PORT_READ_ENTER(&table->ops);
    stats_arrays(&table->buckets, shard, stats);
    HIPT_PORT_READ_EXIT(&table->ops);
    stats_array(table, shard, true, stats);
    stats_array(table, shard, false, stats);
    stats->lines += hipti_load_relaxed(&own->overflow.carved); /* counts for people, all three */
    stats->resizes += hipti_load_relaxed(&own->resizes);
    stats->chains_full += hipti_load_relaxed(&own->chains_full);
}

void hipt_table_stats(struct hipt_table *table, struct hipt_stats *stats)
{
    static const struct hipt_stats zero;
    unsigned shard;

    *stats = zero;
    for (shard = 0; shard < table->buckets.nshards; shard++) {
        stats_shard(table, shard, stats);
    }
    stats->bytes_frames = hipti_arena_bytes(&table->frames.records);
    stats->bytes_aliases = hipti_frames_alias_bytes(&table->frames);
    stats->bytes_asids = hipti_arena_bytes(&table->asids.records) + hipti_arena_bytes(&table->asids.blocks) +
                         hipti_plans_bytes(&table->asids.plans) +
                         table->asids.count * sizeof(*table->asids.words);
    if (table->shootdown.ncpus) {
        stats->bytes_cpus = hipti_arena_bytes(&table->shootdown.spaces) +
                            table->shootdown.ncpus * sizeof(struct hipti_cpu_line);
    }
    stats->rounds = hipti_load_relaxed(&table->shootdown.clock); /* counts for people */
    stats->kicks = hipti_load_relaxed(&table->shootdown.kicks);
}

/* Of one shard, the bytes of lines that lie on @node. Inside a read side. */
static uint64_t lines_on(const struct hipti_shard *shard, int node)
{
    uint64_t bytes = hipti_arena_bytes_on(&shard->overflow, node);
    unsigned half;

    for (half = 0; half < 2u; half++) {
        const struct hipti_array *array = hipti_load_acquire(&shard->half[half]); /* [observe:array] */

        bytes += array ? hipti_arena_bytes_on(&array->lines, node) : 0;
    }
    return bytes;
}

/* Touches and mappings: of a table that has a topology. */
static void stats_counts(struct hipt_table *table, unsigned node, struct hipt_node_counts *stats)
{
    unsigned shard = table->shard_of_node[node];
    struct hipt_stats own = {0};

    if (table->touches) {
        stats->scale = hipti_touch_is_exact() ? 1u : HIPTI_TOUCH_SCALE;
        stats->local = hipti_load_relaxed(&table->touches[node].local); /* counts for people, both */
        stats->remote = hipti_load_relaxed(&table->touches[node].remote);
    }
    if (table->node_of_shard[shard] == node) {
        stats_shard(table, shard, &own);
        stats->mappings = own.mappings;
    }
}

enum hipt_status hipt_node_stats(struct hipt_table *table, int node, struct hipt_node_counts *stats)
{
    static const struct hipt_node_counts zero;
    unsigned shard;

    if (node < 0 || (unsigned)node >= table->topology.nodes) {
        return HIPT_BAD_NODE;
    }
    *stats = zero;
    for (shard = 0; shard < table->buckets.nshards; shard++) {
        HIPT_PORT_READ_ENTER(&table->ops);
        stats->bytes_lines += lines_on(table->buckets.shard[shard], node);
        HIPT_PORT_READ_EXIT(&table->ops);
    }
    stats->bytes_records = hipti_arena_bytes_on(&table->frames.records, node);
    stats->bytes_aliases = hipti_frames_alias_bytes_on(&table->frames, node);
    stats_counts(table, (unsigned)node, stats);
    if (table->memory[0].fallen) {
        stats->fallen = hipti_load_relaxed(&table->memory[0].fallen[node]); /* a count for people */
    }
    return HIPT_OK;
}
