/* SPDX-License-Identifier: MIT */
#include "map/resize.h"

#include "map/move.h"

/* A move of a shard that is about to begin. */
struct resize {
    unsigned shard;
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
static uint64_t doubled(const struct hipti_shard *shard, uint64_t count)
{
    return count < shard->count_max / 2u ? 2u * count : shard->count_max;
}

/* What depends on the present array. Inside a read side. => HIPT_OK; HIPT_BUSY; HIPT_FULL: it cannot grow. */
static enum hipt_status resize_aim(struct hipt_table *table, struct resize *resize)
{
    struct hipti_buckets *buckets = &table->buckets;
    const struct hipti_shard *own = buckets->shard[resize->shard];
    const struct hipti_array *now = hipti_buckets_now(buckets, resize->shard);
    uint64_t count = now->quotient.buckets;
    uint64_t most = doubled(own, count);

    resize->hash = now->hash;
    resize->secret = now->secret + resize->new_secret;
    resize->half = hipti_buckets_free_half(buckets, resize->shard);
    resize->resizes = hipti_load_relaxed(&own->resizes); /* only compared, and behind the half */
    hipti_buckets_collect(buckets, resize->shard);
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

static enum hipt_status resize_look(struct hipt_table *table, struct resize *resize)
{
    enum hipt_status status;

    HIPT_PORT_READ_ENTER(&table->ops);
    status = resize_aim(table, resize);
    HIPT_PORT_READ_EXIT(&table->ops);
    return status;
}

/* All that may fail, for one shard. => HIPT_OK: *array is to take the place of the present one. */
static enum hipt_status resize_make(struct hipt_table *table, struct resize *resize, struct hipti_array **array)
{
    enum hipt_status status = resize_look(table, resize);

    if (status == HIPT_OK && resize->new_secret) {
        status = resize_draw(table, resize);
    }
    if (status != HIPT_OK) {
        return status;
    }
    *array = hipti_array_create(table->buckets.shard[resize->shard]->memory,
                                hipti_buckets_first(&table->buckets, resize->shard, resize->half), resize->count,
                                &resize->hash, resize->may_wait);
    if (!*array) {
        return HIPT_NOMEM;
    }
    (*array)->secret = resize->secret;
    (*array)->resizes = resize->resizes;
    return HIPT_OK;
}

/* => whether @array has taken the place of the present one of its shard; if not it is gone. */
static bool resize_replace(struct hipt_table *table, struct hipti_array *array)
{
    bool is_in;

    HIPT_PORT_READ_ENTER(&table->ops);
    is_in = hipti_buckets_replace(&table->buckets, hipti_shard_number(&table->buckets, array->first), array);
    HIPT_PORT_READ_EXIT(&table->ops);
    if (!is_in) {
        hipti_array_destroy(array);
    }
    return is_in;
}

static enum hipt_status resize_begin(struct hipt_table *table, struct resize *resize)
{
    struct hipti_array *array;
    enum hipt_status status = resize_make(table, resize, &array);

    if (status == HIPT_OK && !resize_replace(table, array)) {
        status = HIPT_BUSY;
    }
    return status;
}

/* => HIPT_BUSY: a shard behind the first one cannot have another array now. */
static enum hipt_status resize_look_at_others(struct hipt_table *table, const struct resize *wanted)
{
    enum hipt_status status = HIPT_OK;
    unsigned shard;

    for (shard = 1; status == HIPT_OK && shard < table->buckets.nshards; shard++) {
        struct resize resize = *wanted;

        resize.shard = shard;
        status = resize_look(table, &resize);
    }
    return status;
}

/* => HIPT_OK: *made is a list with an array for each shard; or there is none. */
static enum hipt_status resize_make_all(struct hipt_table *table, const struct resize *wanted,
                                        struct hipti_array **made)
{
    enum hipt_status status = HIPT_OK;
    unsigned shard;

    for (shard = 0; status == HIPT_OK && shard < table->buckets.nshards; shard++) {
        struct resize resize = *wanted;
        struct hipti_array *array;

        resize.shard = shard;
        status = resize_make(table, &resize, &array);
        if (status == HIPT_OK) {
            array->next = *made;
            *made = array;
        }
    }
    while (status != HIPT_OK && *made) {
        struct hipti_array *next = (*made)->next;

        hipti_array_destroy(*made);
        *made = next;
    }
    return status;
}

/* All shards. One that somebody else has replaced since is left to him: => HIPT_PENDING; HIPT_BUSY: all were. */
static enum hipt_status resize_all(struct hipt_table *table, const struct resize *wanted)
{
    struct hipti_array *made = NULL;
    enum hipt_status status = resize_look_at_others(table, wanted);
    bool is_any = false;
    bool is_all = true;

    status = status == HIPT_OK ? resize_make_all(table, wanted, &made) : status;
    while (made) {
        struct hipti_array *next = made->next;

        bool is_in = resize_replace(table, made);

        is_any |= is_in;
        is_all &= is_in;
        made = next;
    }
    if (!is_all) {
        return is_any ? HIPT_PENDING : HIPT_BUSY;
    }
    return status;
}

enum hipt_status hipt_resize(struct hipt_table *table, uint64_t capacity, bool new_secret)
{
    struct resize resize = {.new_secret = new_secret, .may_wait = true};
    const struct hipti_buckets *buckets = &table->buckets;

    if (capacity != 0) {
        resize.count = hipti_buckets_for(capacity, hipti_split_width(&table->split), buckets->nshards);
    }
    return resize.count > buckets->shard[0]->count_max ? HIPT_MANY_BUCKETS : resize_all(table, &resize);
}

/* => whether there was something to be done in a shard. Inside a read side. */
static bool help_shard(struct hipt_table *table, unsigned shard, unsigned nbuckets)
{
    bool is_due = hipti_move_is_due(table, shard);

    if (is_due) {
        hipti_move_on(table, shard, nbuckets);
    }
    return is_due;
}

enum hipt_status hipt_resize_help(struct hipt_table *table, unsigned nbuckets)
{
    bool is_due = false;
    unsigned shard;

    for (shard = 0; shard < table->buckets.nshards; shard++) {
        HIPT_PORT_READ_ENTER(&table->ops);
        is_due |= help_shard(table, shard, nbuckets);
        HIPT_PORT_READ_EXIT(&table->ops);
    }
    return is_due ? HIPT_OK : HIPT_ABSENT;
}

/* The array could not grow: ask for it again when there are an eighth more overflow lines, or, at the end, never. */
static void crowd_put_off(struct hipt_table *table, unsigned shard, bool for_ever)
{
    uint32_t lines = hipti_load_relaxed(&table->buckets.shard[shard]->lines); /* a count */
    uint32_t crowd = for_ever ? UINT32_MAX : lines + lines / 8u + 1u;

    HIPT_PORT_READ_ENTER(&table->ops);
    hipti_store_relaxed(&hipti_buckets_now(&table->buckets, shard)->crowd, crowd); /* only compared */
    HIPT_PORT_READ_EXIT(&table->ops);
}

/* => whether there are as many overflow lines as ask for more buckets. When a move ended, there may not be any more. */
static bool is_crowded(struct hipt_table *table, unsigned shard)
{
    bool is_so;

    HIPT_PORT_READ_ENTER(&table->ops);
    /* relaxed: only compared, both */
    is_so = hipti_load_relaxed(&table->buckets.shard[shard]->lines) >=
            hipti_load_relaxed(&hipti_buckets_now(&table->buckets, shard)->crowd);
    HIPT_PORT_READ_EXIT(&table->ops);
    return is_so;
}

/* => whether a move of the shard has begun, because it asked for it. */
static bool begin_due(struct hipt_table *table, unsigned shard)
{
    unsigned due = hipti_buckets_take_due(&table->buckets, shard);
    struct resize resize = {.shard = shard,
                            .doubles = (due & HIPT_GROW) != 0 && is_crowded(table, shard),
                            .new_secret = (due & HIPT_REKEY) != 0};
    enum hipt_status begun;

    if (!resize.doubles && !resize.new_secret) {
        return false;
    }
    begun = resize_begin(table, &resize);
    if (resize.doubles && (begun == HIPT_FULL || begun == HIPT_NOMEM)) {
        crowd_put_off(table, shard, begun == HIPT_FULL);
    }
    return begun == HIPT_OK;
}

bool hipti_resize_on_own(struct hipt_table *table, uint64_t due, enum hipt_status status)
{
    bool has_begun = false;

    for (; due != 0; due &= due - 1u) {
        has_begun |= begin_due(table, hipti_lowest_bit64(due));
    }
    return has_begun && status == HIPT_FULL;
}
