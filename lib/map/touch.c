/* SPDX-License-Identifier: MIT */
#include "map/touch.h"

#include "map/place.h"
#include "table/find.h"

static size_t touches_bytes(const struct hipt_table *table)
{
    return table->topology.nodes * sizeof(struct hipti_touches);
}

bool hipti_touch_init(struct hipt_table *table)
{
    const struct hipt_ops *ops = &table->ops;

    if (!table->topology.block) {
        return true;
    }
    table->touches = (struct hipti_touches *)ops->alloc(ops->ctx, touches_bytes(table), HIPTI_CACHE_LINE,
                                                        HIPT_ANY_NODE, true);
    return table->touches != NULL;
}

void hipti_touch_end(struct hipt_table *table)
{
    if (table->touches) {
        table->ops.free(table->ops.ctx, table->touches, touches_bytes(table));
    }
}

void hipti_touch(const struct hipt_table *table, int node)
{
    int here = hipti_place_here(table);

    if (here != HIPT_ANY_NODE && node != HIPT_ANY_NODE) {
        struct hipti_touches *touches = &table->touches[node];
        HIPTI_ATOMIC(uint64_t) *count = here == node ? &touches->local : &touches->remote;

        (void)hipti_fetch_add_relaxed(count, 1u); /* for people */
    }
}

/* => whether the chain has the key; then no further line is read. */
static bool touch_chain(const struct hipt_table *table, struct hipti_place place)
{
    const struct hipti_buckets *buckets = &table->buckets;
    uint32_t number = place.bucket;
    uint32_t link;
    uint64_t pte;
    unsigned i;

    do {
        struct hipti_line *line = hipti_buckets_line(buckets, number);

        hipti_touch(table, hipti_buckets_node(buckets, number));
        if (hipti_line_find(line, place, &i, &pte)) {
            return true;
        }
        link = hipti_header_link_for(hipti_load_acquire(&line->header), place); /* [observe:link] */
        number = hipti_buckets_linked(buckets, number, link);
    } while (link != HIPTI_NONE);
    return false;
}

/* As hipti_find(). => whether the shard has the key. */
static bool touch_shard(const struct hipt_table *table, unsigned shard, uint64_t key)
{
    const struct hipti_array *now = hipti_buckets_now(&table->buckets, shard);
    const struct hipti_array *past = hipti_load_relaxed(&now->past); /* set before @now was put in place */

    return (past && touch_chain(table, hipti_array_place(past, key))) ||
           touch_chain(table, hipti_array_place(now, key));
}

bool hipti_touch_lines(const struct hipt_table *table, const struct hipt_page *page)
{
    struct hipti_where where = hipti_page_where(table, page);
    uint64_t key = hipti_page_key(table, page);

    return (where.past != HIPTI_NO_SHARD && touch_shard(table, where.past, key)) || touch_shard(table, where.now, key);
}
