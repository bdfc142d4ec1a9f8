/* SPDX-License-Identifier: MIT */
#include "table/walk.h"

/* What is known of the next key: the first found so far from .from on, and before .limit. */
struct walk {
    uint64_t from;  /* mixed values, to be looked at from here on */
    uint64_t limit; /* and before this one, 0: all */
    bool is_found;
    uint64_t mixed; /* of the key found */
    uint64_t pte;
};

static bool walk_takes(const struct walk *walk, uint64_t mixed)
{
    return mixed >= walk->from && (walk->limit == 0 || mixed < walk->limit) && (!walk->is_found || mixed < walk->mixed);
}

static void walk_slot(struct hipti_buckets *buckets, const struct hipti_array *array, hipti_slot slot,
                      struct walk *walk)
{
    struct hipti_place place;
    uint64_t mixed;
    uint64_t pte;

    if (!hipti_slot_place(buckets, slot, &pte, &place)) {
        return;
    }
    place.bucket -= array->first;
    mixed = hipti_quotient_mixed(&array->quotient, array->hash.width, place);
    if (walk_takes(walk, mixed) && hipti_slot_follow(buckets, &slot, &pte) && hipti_pte_is_visible(pte)) {
        walk->is_found = true;
        walk->mixed = mixed;
        walk->pte = pte;
    }
}

/* => the first mixed value behind bucket @index of @array; 0: it is the last bucket. */
static uint64_t bucket_limit(const struct hipti_array *array, uint32_t index)
{
    struct hipti_place place = {0, index + 1u};

    return place.bucket == array->quotient.buckets
               ? 0
               : hipti_quotient_mixed(&array->quotient, array->hash.width, place);
}

/* Look no further than to the end of the bucket of @array that the walk is in. */
static void walk_narrow(const struct hipti_array *array, struct walk *walk)
{
    uint64_t limit = bucket_limit(array, hipti_quotient_place(&array->quotient, walk->from).bucket);

    if (limit != 0 && (walk->limit == 0 || limit < walk->limit)) {
        walk->limit = limit;
    }
}

static void walk_bucket(struct hipti_buckets *buckets, const struct hipti_array *array, struct walk *walk)
{
    uint32_t number = array->first + hipti_quotient_place(&array->quotient, walk->from).bucket;
    uint32_t link;

    do {
        struct hipti_line *line = hipti_buckets_line(buckets, number);
        unsigned i;

        link = hipti_header_link(hipti_load_acquire(&line->header)); /* [observe:link] */
        for (i = 0; i < HIPT_SLOTS; i++) {
            walk_slot(buckets, array, number * HIPT_SLOTS + i, walk);
        }
        number = hipti_buckets_linked(buckets, number, link);
    } while (link != HIPTI_NONE);
}

/* Look through one stretch of the order that the cursor is in, which is that of @now, or of what is left for it. */
static void walk_stretch(struct hipti_buckets *buckets, const struct hipti_array *now, const struct hipti_array *past,
                         uint32_t secret, struct walk *walk)
{
    bool has_past = past && past->secret == secret;
    bool has_now = now->secret == secret;

    if (has_past) {
        walk_narrow(past, walk);
    }
    if (has_now) {
        walk_narrow(now, walk);
    }
    if (has_past) { /* first: a key goes from there to the present */
        walk_bucket(buckets, past, walk);
    }
    if (has_now) {
        walk_bucket(buckets, now, walk);
    }
}

/* All before @next has been looked at, 0: all of this order. */
static void cursor_advance(struct hipt_cursor *cursor, uint64_t next, const struct hipti_array *now,
                           const struct hipti_buckets *buckets)
{
    cursor->next = next;
    if (next != 0) {
        return;
    }
    if (cursor->secret != now->secret) {
        cursor->secret = now->secret;
        return;
    }
    cursor->secret = 0;
    cursor->shard++;
    if (cursor->shard == buckets->nshards) {
        cursor->shard = 0;
        /* relaxed: who missed a mapping where it had been has acquired that it had gone */
        cursor->is_over = (uint32_t)hipti_load_relaxed(&buckets->crossings) == cursor->crossings;
    }
}

bool hipti_walk_next(struct hipti_buckets *buckets, struct hipt_cursor *cursor, uint64_t *pte, uint64_t *key)
{
    while (!cursor->is_over) {
        const struct hipti_array *now = hipti_buckets_now(buckets, cursor->shard);
        const struct hipti_array *past = hipti_load_acquire(&now->past); /* [observe:left] */
        const struct hipti_array *oldest = past ? past : now;
        struct walk walk = {0, 0, false, 0, 0};

        if (cursor->secret == 0 && cursor->shard == 0) {
            cursor->crossings = (uint32_t)hipti_load_acquire(&buckets->crossings); /* [observe:crossing] */
        }
        if (cursor->secret < oldest->secret) { /* not begun, or nothing lies in that order any more */
            cursor->secret = oldest->secret;
            cursor->next = 0;
        }
        walk.from = cursor->next;
        walk_stretch(buckets, now, past, cursor->secret, &walk);
        if (hipti_buckets_now(buckets, cursor->shard) != now) {
            continue; /* keys may have left for it */
        }
        if (walk.is_found) {
            const struct hipti_hash *hash = cursor->secret == now->secret ? &now->hash : &past->hash;

            *pte = walk.pte;
            *key = hipti_hash_unmix(hash, walk.mixed);
            cursor_advance(cursor, walk.mixed + (UINT64_C(1) << (64u - hash->width)), now, buckets);
            return true;
        }
        cursor_advance(cursor, walk.limit, now, buckets);
    }
    return false;
}
