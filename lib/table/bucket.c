/* SPDX-License-Identifier: MIT */
/*
 * The transitions P1 to P24 are listed in pte.h, H1 to H5 in line.h. Tags:
 *
 *   slot     the pte word: who reads it with acquire sees the remainder that was stored before it
 *   lo/hi    the remainder: stored with release after the claim, so who reads a newer one sees the claim too
 *   commit   the header: who reads it with acquire sees every slot that was claimed before it
 *   array    an array of buckets, and its half
 *   left     that a bucket, or all of an array, has been left: what has moved from there is there
 *   junk     arrays to be given back
 *   link     an overflow line: its slots and link are there before the header names it
 *   crossing the count of mappings that have gone to another shard: who begins a walk sees where they have gone
 */
#include "table/bucket.h"

#include "base/check.h"
#include "table/find.h"

#define LIMBO_LINES 65536u /* room for lines that wait for a grace period */

/*
 * Overflow lines keep the freelist's link in a remainder: readers look at a remainder only behind a pte that has a key.
 */
static uint32_t spare_get(void *owner, uint32_t number)
{
    struct hipti_line *line = hipti_shard_overflow((struct hipti_shard *)owner, number);

    return hipti_load_relaxed(&line->lo[0]); /* ordered by the freelist */
}

static void spare_set(void *owner, uint32_t number, uint32_t next)
{
    struct hipti_line *line = hipti_shard_overflow((struct hipti_shard *)owner, number);

    /* release: a walker that takes it for a remainder sees that the slot has no key any more [publish:lo/hi] */
    hipti_store_release(&line->lo[0], next);
}

static const struct hipti_links spare_links = {spare_get, spare_set};

static struct hipti_line *slot_line(const struct hipti_buckets *buckets, hipti_slot slot)
{
    return hipti_buckets_line(buckets, slot / HIPT_SLOTS);
}

static HIPTI_ATOMIC(uint64_t) *slot_pte(const struct hipti_buckets *buckets, hipti_slot slot)
{
    return &slot_line(buckets, slot)->pte[slot % HIPT_SLOTS];
}

/* A shard of its own, with an array. => false: no memory. */
static bool shard_init(struct hipti_buckets *buckets, unsigned number, const struct hipti_shape *shape)
{
    uint64_t overflow = shape->count_max * HIPT_CHAIN_LINES_MAX + LIMBO_LINES; /* in chains one for each bucket fewer */
    size_t block = hipti_arena_block_beside(buckets->ops, shape->count * sizeof(struct hipti_line), 4096);
    const struct hipti_memory *memory = shape->memory[number];
    int node;
    struct hipti_shard *shard = (struct hipti_shard *)hipti_memory_alloc(memory, sizeof(*shard), true, &node);
    struct hipti_array *array;
    struct hipti_hash hash;

    if (!shard) {
        return false;
    }
    buckets->shard[number] = shard;
    shard->memory = memory;
    shard->count_max = shape->count_max;
    hipti_hash_init(&hash, shape->width, shape->secret);
    array = hipti_array_create(memory, hipti_buckets_first(buckets, number, 0), shape->count, &hash, true);
    if (array) {
        array->secret = 1;
    }
    hipti_store_relaxed(&shard->half[0], array);       /* nobody else has the table yet */
    hipti_store_relaxed(&buckets->now[number], array); /* as above */
    overflow = overflow <= buckets->index_mask ? overflow : buckets->index_mask + UINT64_C(1);
    if (!array ||
        !hipti_arena_init(&shard->overflow, memory, sizeof(struct hipti_line), (uint32_t)overflow, block, true)) {
        return false;
    }
    hipti_array_join(array, &shard->overflow);
    return true;
}

bool hipti_buckets_init(struct hipti_buckets *buckets, const struct hipt_ops *ops, const struct hipt_config *config,
                        const struct hipti_shape *shape)
{
    unsigned i;

    buckets->ops = ops;
    buckets->nshards = shape->nshards;
    buckets->index_bits = hipti_index_bits(shape->nshards);
    buckets->index_mask = (uint32_t)hipti_mask(buckets->index_bits);
    buckets->shard_mask = (uint32_t)hipti_mask(HIPTI_HALF_BITS) & ~buckets->index_mask;
    buckets->version_max = (unsigned)hipti_mask(config->version_bits);
    buckets->sequence_bits = config->sequence_bits;
    buckets->resize = config->resize;
    buckets->committed = config->nsizes > 1u || shape->nshards > 1u ? HIPTI_TENTATIVE : HIPTI_LIVE;
    for (i = 0; i < shape->nshards; i++) {
        if (!shard_init(buckets, i, shape)) {
            return false;
        }
    }
    return true;
}

static void shard_end(struct hipti_shard *shard)
{
    struct hipti_array *array = hipti_load_relaxed(&shard->junk); /* everybody else is gone */
    unsigned i;

    while (array) {
        struct hipti_array *next = array->next;

        hipti_array_destroy(array);
        array = next;
    }
    for (i = 0; i < 2u; i++) {
        array = hipti_load_relaxed(&shard->half[i]); /* everybody else is gone */
        if (array) {
            hipti_array_destroy(array);
        }
    }
    hipti_arena_end(&shard->overflow);
    hipti_memory_free(shard->memory, shard, sizeof(*shard));
}

void hipti_buckets_end(struct hipti_buckets *buckets)
{
    unsigned i;

    for (i = 0; i < buckets->nshards && buckets->shard[i]; i++) {
        shard_end(buckets->shard[i]);
    }
}

/* --- arrays come and go */

static void junk_push(struct hipti_shard *shard, struct hipti_array *array)
{
    struct hipti_array *head = hipti_load_relaxed(&shard->junk); /* only compared */

    do {
        array->next = head;
    } while (!hipti_cas_release(&shard->junk, &head, array)); /* [publish:junk] its fields */
}

void hipti_buckets_collect(struct hipti_buckets *buckets, unsigned shard)
{
    struct hipti_shard *own = buckets->shard[shard];
    struct hipti_array *array = hipti_exchange_acquire(&own->junk, NULL); /* [observe:junk] */

    while (array) {
        struct hipti_array *next = array->next;

        /* relaxed: the caller's own now */
        if (buckets->ops->gp_elapsed(buckets->ops->ctx, hipti_load_relaxed(&array->cookie) - 1u)) {
            hipti_array_destroy(array);
        } else {
            junk_push(own, array);
        }
        array = next;
    }
}

/*
 * An array that has been left: when a grace period has passed nobody uses a number of its lines; then it leaves its
 * half, and when another one has passed nobody looks at it. => whether the half is free.
 */
static bool half_clear(struct hipti_buckets *buckets, unsigned shard, unsigned half, struct hipti_array *array)
{
    struct hipti_shard *own = buckets->shard[shard];
    uint64_t cookie = hipti_load_relaxed(&array->cookie); /* a number: who sees it elapsed knows what its maker knew */

    if (cookie == 0) {
        HIPTI_INVARIANT(array != hipti_load_relaxed(&buckets->now[shard])); /* it has been left */
        /* relaxed: as above; the caller knows that the array has been left */
        (void)hipti_cas_relaxed(&array->cookie, &cookie, buckets->ops->gp_start(buckets->ops->ctx) + 1u);
        return false;
    }
    if (!buckets->ops->gp_elapsed(buckets->ops->ctx, cookie - 1u)) {
        return false;
    }
    if (hipti_cas_relaxed(&own->half[half], &array, NULL)) { /* ours to give back; it was acquired before */
        /* relaxed: the list publishes */
        hipti_store_relaxed(&array->cookie, buckets->ops->gp_start(buckets->ops->ctx) + 1u);
        junk_push(own, array);
    }
    return true;
}

unsigned hipti_buckets_free_half(struct hipti_buckets *buckets, unsigned shard)
{
    struct hipti_array *now = hipti_buckets_now(buckets, shard);
    unsigned half = hipti_array_other_half(now);
    struct hipti_array *other = hipti_load_acquire(&buckets->shard[shard]->half[half]); /* [observe:array] */

    if (!other) {
        return half;
    }
    /* [observe:left] if there is none: then @other is, or was, the present, which the look at .now below has to show */
    if (hipti_load_acquire(&other->past) == now) { /* who made it was stopped before he let it take the place */
        (void)hipti_cas_seq_cst(&buckets->now[shard], &now, other); /* [publish:array] [publish:overlap] */
        return HIPTI_NO_HALF;
    }
    if (hipti_load_acquire(&now->past)) { /* [observe:left] it is the one that is being left */
        return HIPTI_NO_HALF;
    }
    /*
     * If @other has taken the place of @now meanwhile, and all has moved to it, its past is NULL as well; but it has
     * not been left, its grace period must not begin. Inside the read side @now does not come back.
     */
    if (hipti_buckets_now(buckets, shard) != now) {
        return HIPTI_NO_HALF;
    }
    return half_clear(buckets, shard, half, other) ? half : HIPTI_NO_HALF;
}

/*
 * A half is free only when what was in it has been left, a grace period ago. So if the array's half is, the present is
 * in the other one, has no past any more, and stays the present as long as the caller's read side lasts.
 */
bool hipti_buckets_replace(struct hipti_buckets *buckets, unsigned shard, struct hipti_array *array)
{
    struct hipti_shard *own = buckets->shard[shard];
    struct hipti_array *now = hipti_buckets_now(buckets, shard);
    struct hipti_array *none = NULL;

    /*
     * relaxed: the half is free only beside the present array, which was acquired, and the last count moved before that
     * one was put in place
     */
    if (hipti_load_relaxed(&own->resizes) != array->resizes) {
        return false;
    }
    hipti_array_join(array, &own->overflow);
    hipti_store_relaxed(&array->past, now); /* nobody knows it yet */
    if (!hipti_cas_release(&own->half[array->first >> HIPTI_HALF_BITS], &none, array)) { /* [publish:array] */
        return false;
    }
    (void)hipti_fetch_add_relaxed(&own->resizes, 1u); /* as above */
    /* Whoever fails was helped. seq_cst: see hipti_find_seq_cst() [publish:array] [publish:overlap] */
    (void)hipti_cas_seq_cst(&buckets->now[shard], &now, array);
    return true;
}

enum hipt_status hipti_buckets_reserve(struct hipti_buckets *buckets, uint64_t lines)
{
    enum hipt_status status = HIPT_OK;
    unsigned i;

    for (i = 0; status == HIPT_OK && i < buckets->nshards; i++) {
        status = hipti_arena_reserve(&buckets->shard[i]->overflow, lines);
    }
    return status;
}

bool hipti_bucket_find(const struct hipti_buckets *buckets, struct hipti_place place, hipti_slot *slot, uint64_t *pte,
                       unsigned *lines)
{
    uint32_t number = place.bucket;

    for (;;) {
        struct hipti_line *line = hipti_buckets_line(buckets, number);
        uint32_t link;
        unsigned i;

        if (lines) {
            (*lines)++;
        }
        if (hipti_line_find(line, place, &i, pte)) {
            *slot = number * HIPT_SLOTS + i;
            return true;
        }
        link = hipti_header_link_for(hipti_load_acquire(&line->header), place); /* [observe:link] */
        if (link == HIPTI_NONE) {
            return false;
        }
        number = hipti_buckets_linked(buckets, number, link);
    }
}

bool hipti_bucket_find_seq_cst(const struct hipti_buckets *buckets, struct hipti_place place, hipti_slot *slot,
                               uint64_t *pte)
{
    struct hipti_line *line = hipti_buckets_line(buckets, place.bucket);
    /* seq_cst: H1 and P4 of an overlapping map, or ours, is first in the single order [observe:overlap] */
    uint32_t link = hipti_header_link(hipti_load_seq_cst(&line->header));
    uint32_t number = place.bucket;

    for (;;) {
        unsigned i;

        for (i = 0; i < HIPT_SLOTS; i++) {
            /* seq_cst: as above, and it shows the remainder [observe:overlap] */
            if (hipti_pte_has_key(hipti_load_seq_cst(&line->pte[i])) && hipti_line_match(line, i, place, pte)) {
                *slot = number * HIPT_SLOTS + i;
                return true;
            }
        }
        if (link == HIPTI_NONE) {
            return false;
        }
        number = hipti_buckets_linked(buckets, number, link);
        line = hipti_buckets_line(buckets, number);
        link = hipti_header_link(hipti_load_relaxed(&line->header)); /* constant while the line is linked */
    }
}

/* => true: slot @i of @line is one of @gather's, with the remainder of @place. */
static bool line_match_ended(struct hipti_line *line, unsigned i, struct hipti_place place, unsigned gather,
                             uint64_t *pte)
{
    /* acquire: the remainder of that life, or a newer one [observe:slot] */
    uint64_t before = hipti_load_acquire(&line->pte[i]);

    if ((hipti_pte_state(before) != HIPTI_FROZEN && hipti_pte_state(before) != HIPTI_ENDED) ||
        hipti_pte_gather(before) != gather ||
        hipti_load_acquire(&line->lo[i]) != hipti_place_lo(place) || /* [observe:lo/hi] */
        hipti_load_acquire(&line->hi[i]) != hipti_place_hi(place)) { /* [observe:lo/hi] */
        return false;
    }
    *pte = hipti_load_relaxed(&line->pte[i]); /* the caller's own, unless it is another life by now */
    return hipti_pte_same_life(before, *pte);
}

bool hipti_bucket_find_ended(const struct hipti_buckets *buckets, struct hipti_place place, unsigned gather,
                             hipti_slot *slot, uint64_t *pte)
{
    uint32_t number = place.bucket;

    for (;;) {
        struct hipti_line *line = hipti_buckets_line(buckets, number);
        uint32_t link = hipti_header_link(hipti_load_acquire(&line->header)); /* [observe:link] */
        unsigned i;

        for (i = 0; i < HIPT_SLOTS; i++) {
            if (line_match_ended(line, i, place, gather, pte)) {
                *slot = number * HIPT_SLOTS + i;
                return true;
            }
        }
        if (link == HIPTI_NONE) {
            return false;
        }
        number = hipti_buckets_linked(buckets, number, link);
    }
}

bool hipti_slot_follow(struct hipti_buckets *buckets, hipti_slot *slot, uint64_t *pte)
{
    while (hipti_pte_state(*pte) == HIPTI_FORWARD) {
        uint64_t forward = *pte;
        HIPTI_ATOMIC(uint64_t) *word = slot_pte(buckets, hipti_pte_forward_slot(forward));
        uint64_t copy = hipti_load_acquire(word); /* [observe:slot] */

        if (hipti_pte_state(copy) == HIPTI_CLAIMED && hipti_pte_forward_is(forward, copy)) {
            /*
             * P21. Whoever fails was helped, or overtaken. release: the remainder. The single order has the mapping
             * since its put, and who looks there comes by FORWARD [publish:slot]
             */
            (void)hipti_cas_release(word, &copy, hipti_pte_with_state(copy, HIPTI_LIVE));
            copy = hipti_load_acquire(word); /* [observe:slot] who was faster may have changed more than the state */
        }
        if (!hipti_pte_forward_is(forward, copy) || !hipti_pte_has_key(copy)) {
            return false;
        }
        *slot = hipti_pte_forward_slot(forward);
        *pte = copy;
    }
    return true;
}

/* => the array that @array takes the place of, if @key may still be there; then *place is where. */
static const struct hipti_array *array_before(const struct hipti_array *array, uint64_t key, struct hipti_place *place)
{
    const struct hipti_array *past = hipti_load_acquire(&array->past); /* [observe:left] if there is none any more */

    if (!past) {
        return NULL;
    }
    *place = hipti_array_place(past, key);
    /* acquire: who knows that the bucket is empty sees what has left it [observe:left] */
    return place->bucket - past->first < hipti_load_acquire(&past->left) ? NULL : past;
}

/* One chain, and on from there. */
static bool find_from(struct hipti_buckets *buckets, struct hipti_place place, hipti_slot *slot, uint64_t *pte,
                      unsigned *lines)
{
    return hipti_bucket_find(buckets, place, slot, pte, lines) && hipti_slot_follow(buckets, slot, pte);
}

/*
 * The past first: a key goes from there to the present, and is put into the present before it is taken out of the past.
 * A miss is one if the present still is the one: keys leave it only when another one has taken its place.
 */
bool hipti_find(struct hipti_buckets *buckets, unsigned shard, uint64_t key, hipti_slot *slot, uint64_t *pte,
                unsigned *lines)
{
    const struct hipti_array *now = hipti_buckets_now(buckets, shard);
    const struct hipti_array *before;

    do {
        struct hipti_place place;

        before = now;
        if ((array_before(now, key, &place) && find_from(buckets, place, slot, pte, lines)) ||
            find_from(buckets, hipti_array_place(now, key), slot, pte, lines)) {
            return true;
        }
        now = hipti_buckets_now(buckets, shard);
    } while (now != before);
    return false;
}

bool hipti_find_forward(const struct hipti_buckets *buckets, unsigned shard, uint64_t key, hipti_slot *slot,
                        uint64_t *pte)
{
    struct hipti_place place;

    return array_before(hipti_buckets_now(buckets, shard), key, &place) &&
           hipti_bucket_find(buckets, place, slot, pte, NULL) && hipti_pte_state(*pte) == HIPTI_FORWARD;
}

/* The same in the single order. */
static bool find_from_seq_cst(struct hipti_buckets *buckets, struct hipti_place place, hipti_slot *slot, uint64_t *pte)
{
    return hipti_bucket_find_seq_cst(buckets, place, slot, pte) && hipti_slot_follow(buckets, slot, pte);
}

bool hipti_find_seq_cst(struct hipti_buckets *buckets, unsigned shard, uint64_t key, hipti_slot *slot, uint64_t *pte)
{
    const struct hipti_array *now = hipti_buckets_now(buckets, shard);
    const struct hipti_array *before;

    do {
        struct hipti_place place;

        before = now;
        if ((array_before(now, key, &place) && find_from_seq_cst(buckets, place, slot, pte)) ||
            find_from_seq_cst(buckets, hipti_array_place(now, key), slot, pte)) {
            return true;
        }
        /*
         * seq_cst: where an overlapping map, first in the single order, was put into an array that has taken this one's
         * place, this shows that array [observe:overlap] [observe:array]
         */
        now = hipti_load_seq_cst(&buckets->now[shard]);
    } while (now != before);
    return false;
}

bool hipti_find_ended(const struct hipti_buckets *buckets, unsigned shard, uint64_t key, unsigned gather,
                      hipti_slot *slot, uint64_t *pte)
{
    const struct hipti_array *now = hipti_buckets_now(buckets, shard);
    struct hipti_place place;

    return (array_before(now, key, &place) && hipti_bucket_find_ended(buckets, place, gather, slot, pte)) ||
           hipti_bucket_find_ended(buckets, hipti_array_place(now, key), gather, slot, pte);
}

/* => the line at @ordinal of the chain that @header, of @bucket, starts. */
static uint32_t chain_line(const struct hipti_buckets *buckets, uint32_t bucket, uint64_t header, unsigned ordinal)
{
    uint32_t number = bucket;

    while (ordinal-- > 0) {
        number = hipti_buckets_linked(buckets, bucket, hipti_header_link(header));
        header = hipti_load_relaxed(&hipti_buckets_line(buckets, number)->header); /* constant while linked */
    }
    return number;
}

/* => the ordinal of line @number in the chain that @header, of @bucket, starts. It is in it. */
static unsigned chain_ordinal(const struct hipti_buckets *buckets, uint32_t bucket, uint64_t header, uint32_t number)
{
    unsigned ordinal = 0;
    uint32_t at = bucket;

    while (at != number) {
        HIPTI_INVARIANT(hipti_header_link(header) != HIPTI_NONE);
        at = hipti_buckets_linked(buckets, bucket, hipti_header_link(header));
        header = hipti_load_relaxed(&hipti_buckets_line(buckets, at)->header); /* constant while linked */
        ordinal++;
    }
    return ordinal;
}

/* Finish the commit of a slot that a header names (P4). => false: the header has changed, nothing was done. */
static bool bucket_help(const struct hipti_buckets *buckets, uint32_t bucket, uint64_t header)
{
    unsigned position = hipti_header_position(header);
    uint32_t number = chain_line(buckets, bucket, header, position / HIPT_SLOTS);
    HIPTI_ATOMIC(uint64_t) *word = slot_pte(buckets, number * HIPT_SLOTS + position % HIPT_SLOTS);
    uint64_t pte = hipti_load_acquire(word); /* [observe:slot] */

    if (hipti_pte_state(pte) != HIPTI_CLAIMED || (hipti_pte_version(pte) & 1u) != hipti_header_parity(header)) {
        return true;
    }
    /*
     * A later claim may have the same parity; then the header has moved on. The acquire above shows that: it brings
     * what the end of the life before released, and that life was committed by a later header.
     */
    if (hipti_load_relaxed(&hipti_buckets_line(buckets, bucket)->header) != header) { /* only compared */
        return false;
    }
    /* Whoever fails here was helped, or overtaken by later states of the same life. [publish:slot] [publish:overlap] */
    (void)hipti_cas_seq_cst(word, &pte, hipti_pte_with_state(pte, buckets->committed));
    return true;
}

/* => a header of @bucket whose named slot, if any, is finished. */
static uint64_t bucket_settle(const struct hipti_buckets *buckets, uint32_t bucket)
{
    struct hipti_line *line = hipti_buckets_line(buckets, bucket);
    uint64_t header;

    do {
        header = hipti_load_acquire(&line->header); /* [observe:commit] [observe:link] */
    } while ((header & HIPTI_HEADER_PENDING) && !bucket_help(buckets, bucket, header));
    return header;
}

/* What a scan of a whole chain finds. */
struct scan {
    uint64_t header;    /* the bucket's, before the scan */
    unsigned lines;     /* in the chain */
    bool has_parked;    /* a slot that waits for a grace period, or is being sealed, where a header can name it */
    bool has_free;
    hipti_slot free;    /* the first slot to be claimed */
    uint64_t free_pte;  /* its word */
};

static bool slot_is_free(const struct hipti_buckets *buckets, uint64_t pte)
{
    return hipti_pte_is_free(pte) && (hipti_pte_state(pte) == HIPTI_FREE ||
                                      buckets->ops->gp_elapsed(buckets->ops->ctx, hipti_pte_cookie(pte)));
}

static void scan_free(const struct hipti_buckets *buckets, uint32_t number, struct scan *scan)
{
    struct hipti_line *line = hipti_buckets_line(buckets, number);
    unsigned i;

    for (i = 0; i < HIPT_SLOTS && !scan->has_free; i++) {
        scan->free_pte = hipti_load_relaxed(&line->pte[i]); /* only compared: the claim's CAS acquires */
        scan->has_free = slot_is_free(buckets, scan->free_pte);
        scan->has_parked |= hipti_pte_state(scan->free_pte) == HIPTI_PARKED;
        scan->free = number * HIPT_SLOTS + i;
    }
}

/*
 * Look through a whole chain for a key, or, for a @copy, only for a free slot.
 * => HIPT_ABSENT, and as long as the bucket's header is scan->header, it stays absent; HIPT_EXISTS; HIPT_BUSY;
 *    HIPT_CHANGED: the bucket is closed.
 */
static enum hipt_status bucket_scan(const struct hipti_buckets *buckets, struct hipti_place place, bool copy,
                                    struct scan *scan)
{
    uint32_t number = place.bucket;
    uint32_t link;

    scan->header = bucket_settle(buckets, place.bucket);
    if (scan->header & HIPTI_HEADER_CLOSED) {
        return HIPT_CHANGED;
    }
    scan->lines = 0;
    scan->has_parked = false;
    scan->has_free = false;
    link = hipti_header_link(scan->header);
    for (;;) {
        struct hipti_line *line = hipti_buckets_line(buckets, number);
        uint64_t pte;
        unsigned i;

        scan->lines++;
        if (!copy && hipti_line_find(line, place, &i, &pte)) {
            if (hipti_pte_state(pte) == HIPTI_FORWARD) { /* meanwhile it was closed, or the asid has moved */
                return HIPT_CHANGED;
            }
            return hipti_pte_is_visible(pte) ? HIPT_EXISTS : HIPT_BUSY;
        }
        if (scan->lines <= HIPT_CHAIN_LINES_MAX) {
            scan_free(buckets, number, scan);
        }
        if (link == HIPTI_NONE) {
            return HIPT_ABSENT;
        }
        number = hipti_buckets_linked(buckets, number, link);
        link = hipti_header_link(hipti_load_relaxed(&hipti_buckets_line(buckets, number)->header)); /* constant */
    }
}

static void claim_fill(const struct hipti_buckets *buckets, struct hipti_claim *claim, hipti_slot slot, uint64_t pte,
                       uint64_t header)
{
    struct hipti_line *line = slot_line(buckets, slot);

    claim->slot = slot;
    claim->pte = pte;
    claim->header = header;
    /*
     * release: who reads one of these sees the claim, and takes no word of the life before for theirs [publish:lo/hi]
     */
    hipti_store_release(&line->lo[slot % HIPT_SLOTS], hipti_place_lo(claim->place));
    hipti_store_release(&line->hi[slot % HIPT_SLOTS], hipti_place_hi(claim->place)); /* [publish:lo/hi] */
}

/* Claim the free slot that a scan found (P1, P2). => false: somebody else has it. */
static bool bucket_take(struct hipti_buckets *buckets, const struct scan *scan, uint64_t pte, struct hipti_claim *claim)
{
    uint64_t free_pte = scan->free_pte;
    uint64_t version = hipti_pte_state(free_pte) == HIPTI_FREE ? hipti_pte_version(free_pte) : 0;

    pte = hipti_pte_with_state(pte, HIPTI_CLAIMED) | (version << HIPTI_PTE_VERSION_SHIFT);
    /* acquire: the last life is over [observe:slot]; no release: the remainder follows */
    if (!hipti_cas_acquire(slot_pte(buckets, scan->free), &free_pte, pte)) {
        return false;
    }
    claim_fill(buckets, claim, scan->free, pte, scan->header);
    return true;
}

/* => the link of a line that nobody looks at, with a claimed slot 0, HIPTI_NONE with *status set. */
static uint32_t bucket_new_line(struct hipti_buckets *buckets, uint32_t bucket, uint64_t pte, enum hipt_status *status)
{
    struct hipti_shard *shard = hipti_shard_of(buckets, bucket);
    uint32_t number = hipti_freelist_pop(&shard->spare, &spare_links, shard, buckets->ops);
    struct hipti_line *line;
    bool full;
    unsigned i;

    if (number == HIPTI_NONE) {
        number = hipti_arena_carve(&shard->overflow, false, &full);
    }
    if (number == HIPTI_NONE) {
        *status = hipti_arena_scarcity(full, hipti_freelist_is_waiting(&shard->spare));
        return HIPTI_NONE;
    }
    line = hipti_shard_overflow(shard, number);
    for (i = 0; i < HIPT_SLOTS; i++) {
        hipti_store_relaxed(&line->pte[i], i == 0 ? pte : 0u); /* nobody looks; H2 publishes */
    }
    return number;
}

/* What a map of the shard is to see to, if the table was made to. */
static void shard_ask(struct hipti_buckets *buckets, unsigned shard, unsigned due)
{
    if (due & buckets->resize) {
        (void)hipti_fetch_or_relaxed(&buckets->shard[shard]->due, due & buckets->resize); /* a hint */
        (void)hipti_fetch_or_relaxed(&buckets->due, UINT64_C(1) << shard);                /* as above */
    }
}

/*
 * The bit goes first: what is asked for behind it sets it again. Where relaxed accesses change places a request may be
 * lost all the same, until the next overflow line asks again.
 */
unsigned hipti_buckets_take_due(struct hipti_buckets *buckets, unsigned shard)
{
    uint64_t bit = UINT64_C(1) << shard;
    uint64_t due = hipti_load_relaxed(&buckets->due); /* only compared */

    while ((due & bit) && !hipti_cas_relaxed(&buckets->due, &due, due & ~bit)) { /* a hint */
    }
    return hipti_exchange_relaxed(&buckets->shard[shard]->due, 0u); /* as above */
}

/* One more overflow line is in the chain of @bucket. */
static void lines_add(struct hipti_buckets *buckets, uint32_t bucket)
{
    unsigned shard = hipti_shard_number(buckets, bucket);
    uint32_t lines = hipti_fetch_add_relaxed(&buckets->shard[shard]->lines, 1u) + 1u; /* a count */

    if (lines >= hipti_load_relaxed(&hipti_buckets_now(buckets, shard)->crowd)) { /* only compared */
        shard_ask(buckets, shard, HIPT_GROW);
    }
}

/* Overflow line @link has left the chain of @bucket. */
static void lines_drop(struct hipti_buckets *buckets, uint32_t bucket, uint32_t link)
{
    struct hipti_shard *shard = hipti_shard_of(buckets, bucket);

    (void)hipti_fetch_sub_relaxed(&shard->lines, 1u); /* a count */
    hipti_freelist_push(&shard->spare, &spare_links, shard, link);
}

/* A put has met the chain of @bucket at its bound. */
static enum hipt_status chain_full(struct hipti_buckets *buckets, uint32_t bucket, const struct scan *scan)
{
    unsigned shard = hipti_shard_number(buckets, bucket);

    (void)hipti_fetch_add_relaxed(&buckets->shard[shard]->chains_full, 1u); /* a count for people */
    if (scan->has_parked) {
        return HIPT_BUSY;
    }
    shard_ask(buckets, shard, HIPT_REKEY);
    return HIPT_FULL;
}

/*
 * Put a new line in front of the chain's overflow (H2), its slot 0 claimed, within the bound unless it is for a @copy.
 * => HIPT_CHANGED: scan again.
 */
static enum hipt_status bucket_extend(struct hipti_buckets *buckets, const struct scan *scan, bool copy, uint64_t pte,
                                      struct hipti_claim *claim)
{
    struct hipti_line *bucket = hipti_buckets_line(buckets, claim->place.bucket);
    struct hipti_shard *shard = hipti_shard_of(buckets, claim->place.bucket);
    uint64_t header = scan->header;
    enum hipt_status status = HIPT_OK;
    uint32_t number;
    uint64_t next;

    if (!copy && scan->lines >= HIPT_CHAIN_LINES_MAX) {
        return chain_full(buckets, claim->place.bucket, scan);
    }
    if (!hipti_gate_pass(&buckets->gate, buckets->ops, hipti_header_sequence(header), buckets->sequence_bits)) {
        return HIPT_BUSY;
    }
    pte = hipti_pte_with_state(pte, HIPTI_CLAIMED);
    number = bucket_new_line(buckets, claim->place.bucket, pte, &status);
    if (number == HIPTI_NONE) {
        return status;
    }
    /* relaxed: H2 publishes */
    hipti_store_relaxed(&hipti_shard_overflow(shard, number)->header,
                        hipti_header_of_overflow(hipti_header_link(header), claim->place.bucket));
    next = hipti_header_relink(header, number, buckets->sequence_bits);
    claim_fill(buckets, claim, hipti_buckets_linked(buckets, claim->place.bucket, number) * HIPT_SLOTS, pte, next);
    /* release: the line, and that the slot which the header named is finished [publish:link] [publish:commit] */
    if (!hipti_cas_release(&bucket->header, &header, next)) {
        hipti_store_relaxed(slot_pte(buckets, claim->slot), 0u); /* nobody looks; the freelist publishes */
        hipti_freelist_push(&shard->spare, &spare_links, shard, number);
        return HIPT_CHANGED;
    }
    lines_add(buckets, claim->place.bucket);
    return HIPT_OK;
}

static enum hipt_status bucket_claim(struct hipti_buckets *buckets, struct hipti_place place, bool copy, uint64_t pte,
                                     struct hipti_claim *claim)
{
    enum hipt_status status;
    struct scan scan;

    claim->place = place;
    do {
        status = bucket_scan(buckets, place, copy, &scan);
        if (status != HIPT_ABSENT) {
            return status;
        }
        if (scan.has_free) {
            status = bucket_take(buckets, &scan, pte, claim) ? HIPT_OK : HIPT_CHANGED;
        } else {
            status = bucket_extend(buckets, &scan, copy, pte, claim);
        }
    } while (status == HIPT_CHANGED);
    return status;
}

enum hipt_status hipti_bucket_claim(struct hipti_buckets *buckets, struct hipti_place place, uint64_t pte,
                                    struct hipti_claim *claim)
{
    return bucket_claim(buckets, place, false, pte, claim);
}

/* Let a bucket's header name no slot, and have the filter's @bit (H5). => false: the sequence waits at its gate. */
static bool bucket_unname(struct hipti_buckets *buckets, uint32_t bucket, uint64_t bit)
{
    struct hipti_line *line = hipti_buckets_line(buckets, bucket);
    uint64_t header = bucket_settle(buckets, bucket);

    while ((header & HIPTI_HEADER_PENDING) || (header & bit) != bit) {
        uint64_t next = hipti_header_relink(header, hipti_header_link(header), buckets->sequence_bits) | bit;

        if (!hipti_gate_pass(&buckets->gate, buckets->ops, hipti_header_sequence(header), buckets->sequence_bits)) {
            return false;
        }
        /* H5. release: the slot which the header named is finished [publish:commit] */
        if (hipti_cas_release(&line->header, &header, next)) {
            return true;
        }
        header = bucket_settle(buckets, bucket);
    }
    return true;
}

/* => the bucket of a slot that is linked. */
static uint32_t slot_bucket(const struct hipti_buckets *buckets, hipti_slot slot)
{
    uint32_t number = slot / HIPT_SLOTS;

    return number < HIPTI_OVERFLOW_FIRST
               ? number
               : hipti_header_bucket(hipti_load_relaxed(&slot_line(buckets, slot)->header)); /* constant while linked */
}

/*
 * A slot that is left begins its next life with version 0 again. If the header went on to name it, with that parity, it
 * would seem to name that life.
 */
bool hipti_slot_unname(struct hipti_buckets *buckets, hipti_slot slot)
{
    return bucket_unname(buckets, slot_bucket(buckets, slot), 0);
}

/*
 * A copy is made live without the header: if that went on to name its slot, with the parity of the life before, it
 * would seem to name the life behind.
 */
static bool copy_unname(struct hipti_buckets *buckets, const struct hipti_claim *claim)
{
    uint32_t bucket = claim->place.bucket;
    uint64_t bit = claim->slot / HIPT_SLOTS == bucket ? 0 : hipti_header_filter_bit(claim->place);

    return bucket_unname(buckets, bucket, bit);
}

enum hipt_status hipti_bucket_copy(struct hipti_buckets *buckets, struct hipti_place place, uint64_t pte,
                                   struct hipti_claim *claim)
{
    enum hipt_status status = bucket_claim(buckets, place, true, pte, claim);

    if (status == HIPT_OK && !copy_unname(buckets, claim)) {
        hipti_bucket_forget(buckets, claim);
        status = HIPT_BUSY;
    }
    return status;
}

bool hipti_bucket_close(struct hipti_buckets *buckets, uint32_t bucket)
{
    struct hipti_line *line = hipti_buckets_line(buckets, bucket);
    uint64_t header = bucket_settle(buckets, bucket);

    while (!(header & HIPTI_HEADER_CLOSED)) {
        uint64_t next = hipti_header_relink(header, hipti_header_link(header), buckets->sequence_bits);

        if (!hipti_gate_pass(&buckets->gate, buckets->ops, hipti_header_sequence(header), buckets->sequence_bits)) {
            return false;
        }
        /* H4. release: the slot which the header named is finished [publish:commit] */
        if (hipti_cas_release(&line->header, &header, next | HIPTI_HEADER_CLOSED)) {
            return true;
        }
        header = bucket_settle(buckets, bucket);
    }
    return true;
}

enum hipt_status hipti_bucket_commit(struct hipti_buckets *buckets, struct hipti_claim *claim)
{
    struct hipti_line *bucket = hipti_buckets_line(buckets, claim->place.bucket);
    struct scan scan;

    for (;;) {
        uint64_t header = claim->header;
        unsigned ordinal = chain_ordinal(buckets, claim->place.bucket, header, claim->slot / HIPT_SLOTS);
        uint64_t next = hipti_header_commit(header, ordinal * HIPT_SLOTS + claim->slot % HIPT_SLOTS,
                                            hipti_pte_version(claim->pte) & 1u, buckets->sequence_bits,
                                            claim->place);
        uint64_t pte = claim->pte;
        enum hipt_status status;

        if (ordinal >= HIPT_CHAIN_LINES_MAX) {
            return HIPT_CHANGED;
        }
        if (!hipti_gate_pass(&buckets->gate, buckets->ops, hipti_header_sequence(header), buckets->sequence_bits)) {
            return HIPT_BUSY;
        }
        /*
         * H1. release: the remainder, and that the slot which the header named is finished; seq_cst: see
         * hipti_bucket_find_seq_cst() [publish:commit] [publish:overlap]
         */
        if (hipti_cas_seq_cst(&bucket->header, &header, next)) {
            /*
             * P4, unless a helper was faster. seq_cst also then: what this thread reads next comes behind the helper's
             * P4 in the single order, as it would behind its own [publish:slot] [publish:overlap]
             */
            (void)hipti_cas_seq_cst(slot_pte(buckets, claim->slot), &pte,
                                    hipti_pte_with_state(pte, buckets->committed));
            return HIPT_OK;
        }
        status = bucket_scan(buckets, claim->place, false, &scan);
        if (status != HIPT_ABSENT) {
            return status;
        }
        claim->header = scan.header;
    }
}

uint64_t hipti_slot_load(const struct hipti_buckets *buckets, hipti_slot slot)
{
    return hipti_load_relaxed(slot_pte(buckets, slot)); /* for the validators: everybody else is gone */
}

bool hipti_slot_change(struct hipti_buckets *buckets, hipti_slot slot, uint64_t *pte, uint64_t next)
{
    return hipti_cas_acq_rel(slot_pte(buckets, slot), pte, next); /* [publish:slot] [observe:slot] */
}

void hipti_slot_publish(struct hipti_buckets *buckets, hipti_slot slot, uint64_t next)
{
    hipti_store_release(slot_pte(buckets, slot), next); /* [publish:slot] */
}

/* Undo line_seal() for the first @count slots. */
static void line_unseal(struct hipti_line *line, const uint64_t *sealed, unsigned count)
{
    while (count-- > 0) {
        hipti_store_release(&line->pte[count], sealed[count]); /* as P3 [publish:slot] */
    }
}

/*
 * Make all slots of a line unusable (P13). => false: one is in use, nothing has changed. Slot 0 decides among several.
 */
static bool line_seal(struct hipti_line *line, uint64_t *sealed)
{
    unsigned i;

    for (i = 0; i < HIPT_SLOTS; i++) {
        uint64_t pte = hipti_load_relaxed(&line->pte[i]); /* only compared */

        sealed[i] = pte;
        /* acquire: the slot's last life is over before the line is used again [observe:slot] */
        if (!hipti_pte_is_free(pte) || !hipti_cas_acquire(&line->pte[i], &pte, hipti_pte_parked(HIPTI_COOKIE_NEVER))) {
            line_unseal(line, sealed, i);
            return false;
        }
    }
    return true;
}

/* Take overflow line @number out of its chain if it is empty and the first (H3). */
static void bucket_trim(struct hipti_buckets *buckets, uint32_t number)
{
    struct hipti_line *line = hipti_buckets_line(buckets, number);
    uint64_t own = hipti_load_relaxed(&line->header); /* constant while linked, and the caller's slot was in it */
    uint32_t bucket = hipti_header_bucket(own);
    uint64_t sealed[HIPT_SLOTS];
    uint64_t header = bucket_settle(buckets, bucket);

    if (hipti_buckets_linked(buckets, number, hipti_header_link(header)) != number || !line_seal(line, sealed)) {
        return;
    }
    while (hipti_buckets_linked(buckets, number, hipti_header_link(header)) == number &&
           hipti_gate_pass(&buckets->gate, buckets->ops, hipti_header_sequence(header), buckets->sequence_bits)) {
        uint64_t next = hipti_header_relink(header, hipti_header_link(own), buckets->sequence_bits);

        /* H3. release: the slot which the header named is finished [publish:commit] */
        if (hipti_cas_release(&hipti_buckets_line(buckets, bucket)->header, &header, next)) {
            lines_drop(buckets, bucket, hipti_header_link(header));
            return;
        }
        header = bucket_settle(buckets, bucket);
    }
    line_unseal(line, sealed, HIPT_SLOTS);
}

/*
 * => whether no slot of a line in a closed chain is anybody's; none is to be claimed again (P23), not either by who
 * looked for a free one before the bucket was closed.
 */
static bool line_is_left(struct hipti_line *line)
{
    unsigned i;

    for (i = 0; i < HIPT_SLOTS; i++) {
        uint64_t pte = hipti_load_acquire(&line->pte[i]); /* [observe:slot] its last life is over */

        /* acquire: as above, of the life that ended since [observe:slot] */
        while (hipti_pte_is_free(pte) &&
               !hipti_cas_acquire(&line->pte[i], &pte, hipti_pte_parked(HIPTI_COOKIE_LEFT))) {
        }
        if (!hipti_pte_is_free(pte) && pte != hipti_pte_parked(HIPTI_COOKIE_LEFT)) {
            return false;
        }
    }
    return true;
}

bool hipti_bucket_is_left(struct hipti_buckets *buckets, uint32_t bucket)
{
    struct hipti_line *line = hipti_buckets_line(buckets, bucket);
    uint64_t header = bucket_settle(buckets, bucket);

    HIPTI_REQUIRE(header & HIPTI_HEADER_CLOSED);
    while (hipti_header_link(header) != HIPTI_NONE) {
        uint32_t link = hipti_header_link(header);
        struct hipti_line *first = hipti_buckets_line(buckets, hipti_buckets_linked(buckets, bucket, link));
        /* relaxed: constant while linked; if it is not any more, the header has changed */
        uint64_t next = hipti_header_relink(header, hipti_header_link(hipti_load_relaxed(&first->header)),
                                            buckets->sequence_bits);

        if (!line_is_left(first) || !hipti_gate_pass(&buckets->gate, buckets->ops, hipti_header_sequence(header),
                                                     buckets->sequence_bits)) {
            return false;
        }
        /* H3. release: as in bucket_trim() [publish:commit] */
        if (hipti_cas_release(&line->header, &header, next)) {
            lines_drop(buckets, bucket, link);
        }
        header = bucket_settle(buckets, bucket);
    }
    return line_is_left(line);
}

/* Let a slot that the caller owns go (P3, P11, P12), and its line if it was the last in it. */
static void slot_free(struct hipti_buckets *buckets, hipti_slot slot, uint64_t pte)
{
    uint32_t number = slot / HIPT_SLOTS;

    hipti_store_release(slot_pte(buckets, slot), pte); /* [publish:slot] */
    if (number >= HIPTI_OVERFLOW_FIRST) {
        bucket_trim(buckets, number);
    }
}

void hipti_bucket_forget(struct hipti_buckets *buckets, const struct hipti_claim *claim)
{
    slot_free(buckets, claim->slot, claim->pte & HIPTI_PTE_VERSION_MASK);
}

void hipti_slot_release(struct hipti_buckets *buckets, hipti_slot slot)
{
    uint64_t pte = hipti_load_relaxed(slot_pte(buckets, slot)); /* the caller's own */
    unsigned version = hipti_pte_version(pte);

    HIPTI_REQUIRE(hipti_pte_state(pte) == HIPTI_FROZEN || hipti_pte_state(pte) == HIPTI_ENDED);
    if (version < buckets->version_max) {
        slot_free(buckets, slot, (uint64_t)(version + 1u) << HIPTI_PTE_VERSION_SHIFT);
    } else {
        /*
         * P12. The old word has to be gone before the grace period begins: who still reads it must be waited for.
         * release: as the word before: who misses a mapping that was split or collapsed here sees what is there instead
         * [publish:slot]
         */
        hipti_store_release(slot_pte(buckets, slot), hipti_pte_parked(HIPTI_COOKIE_NEVER));
        slot_free(buckets, slot, hipti_pte_parked(buckets->ops->gp_start(buckets->ops->ctx)));
    }
}

void hipti_slot_leave(struct hipti_buckets *buckets, hipti_slot slot, uint64_t forward)
{
    /* release: where the mapping is, for a walk that begins behind [publish:crossing] */
    (void)hipti_fetch_add_release(&buckets->crossings, 1u);
    /* P24. As P12: who still reads the old word, or is about to tell frame or space of it, is waited for */
    if (hipti_slot_change(buckets, slot, &forward, hipti_pte_parked(HIPTI_COOKIE_NEVER))) {
        slot_free(buckets, slot, hipti_pte_parked(buckets->ops->gp_start(buckets->ops->ctx)));
    }
}

/* => true: the slot is in state @from or one behind that; *pte and *place are of one life. */
static bool slot_place(const struct hipti_buckets *buckets, hipti_slot slot, enum hipti_state from, uint64_t *pte,
                       struct hipti_place *out)
{
    struct hipti_line *line = slot_line(buckets, slot);
    unsigned i = slot % HIPT_SLOTS;
    uint64_t after = hipti_load_acquire(&line->pte[i]); /* [observe:slot] */
    struct hipti_place place;
    uint64_t before;

    do {
        before = after;
        if (hipti_pte_state(before) < from) {
            return false;
        }
        place.rest = (uint64_t)hipti_load_acquire(&line->lo[i]) << 16;  /* [observe:lo/hi] */
        place.rest |= (uint64_t)hipti_load_acquire(&line->hi[i]) << 48; /* [observe:lo/hi] */
        place.bucket = slot_bucket(buckets, slot);
        after = hipti_load_acquire(&line->pte[i]); /* [observe:slot] */
    } while (!hipti_pte_same_life(before, after) || hipti_pte_state(after) < from);
    *pte = after;
    *out = place;
    return true;
}

bool hipti_slot_place(const struct hipti_buckets *buckets, hipti_slot slot, uint64_t *pte, struct hipti_place *out)
{
    return slot_place(buckets, slot, HIPTI_FORWARD, pte, out);
}

/* => the key that is at @place. */
static uint64_t key_at(const struct hipti_buckets *buckets, struct hipti_place place)
{
    return hipti_array_key(hipti_buckets_array(buckets, place.bucket), place);
}

bool hipti_slot_read(const struct hipti_buckets *buckets, hipti_slot slot, uint64_t *pte, uint64_t *key)
{
    struct hipti_place place;

    if (!hipti_slot_place(buckets, slot, pte, &place)) {
        return false;
    }
    *key = key_at(buckets, place);
    return true;
}

bool hipti_slot_occupant(const struct hipti_buckets *buckets, hipti_slot slot, uint64_t *pte, uint64_t *key)
{
    struct hipti_place place;

    if (!slot_place(buckets, slot, HIPTI_ENDED, pte, &place)) {
        return false;
    }
    *key = key_at(buckets, place);
    return true;
}

/*
 * Line *ordinal of a shard, counted from 0. => true: *line is its number. false: *ordinal is less by as many as there
 * are.
 */
static bool shard_nth(const struct hipti_buckets *buckets, unsigned shard, uint64_t *ordinal, uint32_t *line)
{
    const struct hipti_array *now = hipti_buckets_now(buckets, shard);
    const struct hipti_array *past = hipti_load_relaxed(&now->past); /* everybody else is gone */
    uint64_t before = past ? past->quotient.buckets : 0;
    uint64_t count = now->quotient.buckets + before;
    uint32_t carved = hipti_load_relaxed(&buckets->shard[shard]->overflow.carved); /* as above */

    if (*ordinal < before) {
        *line = past->first + (uint32_t)*ordinal;
    } else if (*ordinal < count) {
        *line = now->first + (uint32_t)(*ordinal - before);
    } else if (*ordinal < count + carved) {
        *line = hipti_buckets_linked(buckets, now->first, (uint32_t)(*ordinal - count) + 1u);
    } else {
        *ordinal -= count + carved;
        return false;
    }
    return true;
}

bool hipti_buckets_nth(const struct hipti_buckets *buckets, uint64_t ordinal, hipti_slot *slot)
{
    uint64_t at = ordinal / HIPT_SLOTS;
    unsigned shard;
    uint32_t line;

    for (shard = 0; shard < buckets->nshards; shard++) {
        if (shard_nth(buckets, shard, &at, &line)) {
            *slot = line * HIPT_SLOTS + (uint32_t)(ordinal % HIPT_SLOTS);
            return true;
        }
    }
    return false;
}
