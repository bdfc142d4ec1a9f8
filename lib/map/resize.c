/* SPDX-License-Identifier: MIT */
#include "map/resize.h"

#include "map/move.h"

/* A move that is about to begin. */
struct resize {
    uint64_t count; /* buckets; 0: as many as now */
    bool doubles;   /* twice as many as now, or as many as there can be */
    bool new_secret;
    bool may_wait;
    unsigned half;  /* of the line numbers */
    uint64_t resizes;
    uint32_t secret;
    struct hipti_hash hash;
};

/* => twice @count, or as many as there can be. */
static uint64_t doubled(const struct hipti_buckets *buckets, uint64_t count)
{
    return count < buckets->count_max / 2u ? 2u * count : buckets->count_max;
}

/* What depends on the present array. Inside a read side. => HIPT_OK; HIPT_BUSY; HIPT_FULL: it cannot grow. */
static enum hipt_status resize_aim(struct hipt_table *table, struct resize *resize)
{
    struct hipti_buckets *buckets = &table->buckets;
    const struct hipti_array *now = hipti_buckets_now(buckets);
    uint64_t count = now->quotient.buckets;
    uint64_t most = doubled(buckets, count);

    resize->hash = now->hash;
    resize->secret = now->secret + resize->new_secret;
    resize->half = hipti_buckets_free_half(buckets);
    resize->resizes = hipti_load_relaxed(&buckets->resizes); /* only compared, and behind the half */
    hipti_buckets_collect(buckets);
    if (resize->doubles && most <= count && !resize->new_secret) {
        return HIPT_FULL;
    }
    if (resize->count == 0) {
        resize->count = resize->doubles && most > count ? most : count;
    }
    return resize->half == HIPTI_NO_HALF ? HIPT_BUSY : HIPT_OK;
}

/* => HIPT_OK; HIPT_NOMEM: no randomness. */
static enum hipt_status resize_draw(struct hipt_table *table, struct resize *resize)
{
    uint64_t secret[4];

    if (!table->ops.random(table->ops.ctx, secret, sizeof(secret))) {
        return HIPT_NOMEM;
    }
    hipti_hash_init(&resize->hash, resize->hash.width, secret);
    return HIPT_OK;
}

static enum hipt_status resize_begin(struct hipt_table *table, struct resize *resize)
{
    struct hipti_array *array;
    enum hipt_status status;
    bool is_in;

    HIPT_PORT_READ_ENTER(&table->ops);
    status = resize_aim(table, resize);
    HIPT_PORT_READ_EXIT(&table->ops);
    if (status == HIPT_OK && resize->new_secret) {
        status = resize_draw(table, resize);
    }
    if (status != HIPT_OK) {
        return status;
    }
    array = hipti_array_create(&table->ops, resize->half, resize->count, &resize->hash, resize->may_wait);
    if (!array) {
        return HIPT_NOMEM;
    }
    array->secret = resize->secret;
    HIPT_PORT_READ_ENTER(&table->ops);
    is_in = hipti_buckets_replace(&table->buckets, array, resize->resizes);
    HIPT_PORT_READ_EXIT(&table->ops);
    if (!is_in) {
        hipti_array_destroy(array);
    }
    return is_in ? HIPT_OK : HIPT_BUSY;
}

enum hipt_status hipt_resize(struct hipt_table *table, uint64_t capacity, bool new_secret)
{
    struct resize resize = {.new_secret = new_secret, .may_wait = true};

    if (capacity != 0) {
        resize.count = hipti_buckets_for(capacity, hipti_split_width(&table->split));
    }
    return resize.count > table->buckets.count_max ? HIPT_MANY_BUCKETS : resize_begin(table, &resize);
}

enum hipt_status hipt_resize_help(struct hipt_table *table, unsigned nbuckets)
{
    bool is_due;

    HIPT_PORT_READ_ENTER(&table->ops);
    is_due = hipti_move_is_due(table);
    if (is_due) {
        hipti_move_on(table, nbuckets);
    }
    HIPT_PORT_READ_EXIT(&table->ops);
    return is_due ? HIPT_OK : HIPT_ABSENT;
}

/* The array could not grow: ask for it again when there are an eighth more overflow lines, or, at the end, never. */
static void crowd_put_off(struct hipt_table *table, bool for_ever)
{
    uint32_t lines = hipti_load_relaxed(&table->buckets.lines); /* a count */
    uint32_t crowd = for_ever ? UINT32_MAX : lines + lines / 8u + 1u;

    HIPT_PORT_READ_ENTER(&table->ops);
    hipti_store_relaxed(&hipti_buckets_now(&table->buckets)->crowd, crowd); /* only compared */
    HIPT_PORT_READ_EXIT(&table->ops);
}

/* => whether there are as many overflow lines as ask for more buckets. When a move ended, there may not be any more. */
static bool is_crowded(struct hipt_table *table)
{
    bool is_so;

    HIPT_PORT_READ_ENTER(&table->ops);
    /* relaxed: only compared */
    is_so = hipti_load_relaxed(&table->buckets.lines) >= hipti_load_relaxed(&hipti_buckets_now(&table->buckets)->crowd);
    HIPT_PORT_READ_EXIT(&table->ops);
    return is_so;
}

bool hipti_resize_on_own(struct hipt_table *table, unsigned due, enum hipt_status status)
{
    struct resize resize = {.doubles = (due & HIPT_GROW) != 0 && is_crowded(table),
                            .new_secret = (due & HIPT_REKEY) != 0};
    enum hipt_status begun;

    (void)hipti_exchange_relaxed(&table->buckets.due, 0u); /* whoever finds it so again sets it again */
    if (!resize.doubles && !resize.new_secret) {
        return false;
    }
    begun = resize_begin(table, &resize);
    if (resize.doubles && (begun == HIPT_FULL || begun == HIPT_NOMEM)) {
        crowd_put_off(table, begun == HIPT_FULL);
    }
    return begun == HIPT_OK && status == HIPT_FULL;
}
