/* SPDX-License-Identifier: MIT */
/* Walking over the whole table and counting it. */
#include "map/table.h"

enum hipt_status hipt_table_next(struct hipt_table *table, struct hipt_cursor *cursor, struct hipt_mapping *out)
{
    enum hipt_status status = HIPT_ABSENT;
    hipti_slot slot;

    HIPT_PORT_READ_ENTER(&table->ops);
    while (status == HIPT_ABSENT && hipti_buckets_nth(&table->buckets, cursor->next, &slot)) {
        uint64_t pte;
        uint64_t key;

        if (hipti_slot_read(&table->buckets, slot, &pte, &key) && hipti_slot_follow(&table->buckets, &slot, &pte) &&
            hipti_pte_is_visible(pte)) {
            *out = hipti_pte_unpack(pte, hipti_key_unpack(&table->split, key));
            status = HIPT_OK;
        }
        cursor->next++;
    }
    HIPT_PORT_READ_EXIT(&table->ops);
    return status;
}

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
        number = hipti_buckets_linked(link);
        HIPTI_INVARIANT(lines <= HIPT_CHAIN_LINES_MAX); /* no line joins behind the one that is read */
    } while (link != HIPTI_NONE);
    stats->per_bucket[mappings]++;
    stats->chain_lines[lines]++;
    stats->mappings += mappings;
    stats->lines_linked += lines - 1u;
}

/* => false: there are no more buckets. Those of the array that is being left come first. Inside a read side. */
static bool stats_nth(const struct hipti_buckets *buckets, uint64_t ordinal, struct hipt_stats *stats)
{
    const struct hipti_array *array = hipti_buckets_now(buckets);
    const struct hipti_array *past = hipti_load_acquire(&array->past); /* [observe:left] */
    uint64_t before = past ? past->quotient.buckets : 0;

    if (ordinal < before) {
        array = past;
    } else {
        ordinal -= before;
    }
    if (ordinal >= array->quotient.buckets) {
        return false;
    }
    stats_bucket(buckets, array->first + (uint32_t)ordinal, stats);
    return true;
}

/* What is the arrays'. Inside a read side. */
static void stats_arrays(const struct hipti_buckets *buckets, struct hipt_stats *stats)
{
    unsigned half;

    stats->buckets = hipti_buckets_now(buckets)->quotient.buckets;
    for (half = 0; half < 2u; half++) {
        const struct hipti_array *array = hipti_load_acquire(&buckets->half[half]); /* [observe:array] */

        stats->bytes_forward += array ? hipti_arena_bytes(&array->lines) : 0;
    }
}

void hipt_table_stats(struct hipt_table *table, struct hipt_stats *stats)
{
    static const struct hipt_stats zero;
    uint64_t ordinal = 0;
    bool more = true;

    *stats = zero;
    stats->lines = hipti_load_relaxed(&table->buckets.overflow.carved); /* a count for people */
    HIPT_PORT_READ_ENTER(&table->ops);
    stats_arrays(&table->buckets, stats);
    HIPT_PORT_READ_EXIT(&table->ops);
    while (more) { /* one by one: it holds up no grace period, and the table may move to other arrays meanwhile */
        HIPT_PORT_READ_ENTER(&table->ops);
        more = stats_nth(&table->buckets, ordinal++, stats);
        HIPT_PORT_READ_EXIT(&table->ops);
    }
    stats->bytes_forward += hipti_arena_bytes(&table->buckets.overflow);
    stats->bytes_frames = hipti_arena_bytes(&table->frames.records);
    stats->bytes_aliases = hipti_arena_bytes(&table->frames.blocks);
    stats->bytes_asids = hipti_arena_bytes(&table->asids.records) + hipti_arena_bytes(&table->asids.blocks) +
                         table->asids.count;
    if (table->shootdown.ncpus) {
        stats->bytes_cpus = hipti_arena_bytes(&table->shootdown.spaces) +
                            table->shootdown.ncpus * sizeof(struct hipti_cpu_line);
    }
    stats->rounds = hipti_load_relaxed(&table->shootdown.clock); /* counts for people */
    stats->kicks = hipti_load_relaxed(&table->shootdown.kicks);
}
