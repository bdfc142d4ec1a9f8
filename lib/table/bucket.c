/* SPDX-License-Identifier: MIT */
/*
 * The transitions P1 to P23 are listed in pte.h, H1 to H5 in line.h. Tags:
 *
 *   slot     the pte word: who reads it with acquire sees the remainder that was stored before it
 *   lo/hi    the remainder: stored with release after the claim, so who reads a newer one sees the claim too
 *   commit   the header: who reads it with acquire sees every slot that was claimed before it
 *   array    an array of buckets, and its half
 *   left     that a bucket, or all of an array, has been left: what has moved from there is there
 *   junk     arrays to be given back
 *   link     an overflow line: its slots and link are there before the header names it
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
    struct hipti_buckets *buckets = (struct hipti_buckets *)owner;
    struct hipti_line *line = (struct hipti_line *)(void *)hipti_arena_at(&buckets->overflow, number);

    return hipti_load_relaxed(&line->lo[0]); /* ordered by the freelist */
}

static void spare_set(void *owner, uint32_t number, uint32_t next)
{
    struct hipti_buckets *buckets = (struct hipti_buckets *)owner;
    struct hipti_line *line = (struct hipti_line *)(void *)hipti_arena_at(&buckets->overflow, number);

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

bool hipti_buckets_init(struct hipti_buckets *buckets, const struct hipt_ops *ops, const struct hipti_split *split,
                        const struct hipt_config *config, uint64_t count, uint64_t count_max, const uint64_t secret[4])
{
    uint64_t overflow = count_max * HIPT_CHAIN_LINES_MAX + LIMBO_LINES; /* in chains one for each bucket fewer */
    size_t block = (size_t)(count * sizeof(struct hipti_line) / 64u);
    struct hipti_array *array;
    struct hipti_hash hash;

    hipti_hash_init(&hash, hipti_split_width(split), secret);
    array = hipti_array_create(ops, 0, count, &hash, true);
    buckets->ops = ops;
    buckets->count_max = count_max;
    buckets->version_max = (unsigned)hipti_mask(config->version_bits);
    buckets->sequence_bits = config->sequence_bits;
    buckets->committed = split->nsizes > 1u ? HIPTI_TENTATIVE : HIPTI_LIVE;
    if (array) {
        array->secret = 1;
    }
    hipti_store_relaxed(&buckets->half[0], array); /* nobody else has the table yet */
    hipti_store_relaxed(&buckets->now, array);     /* as above */
    overflow = overflow < HIPTI_OVERFLOW_MAX ? overflow : HIPTI_OVERFLOW_MAX;
    block = block > 4096u ? block : 4096u;
    block = block < (size_t)1 << 20 ? block : (size_t)1 << 20;
    return array &&
           hipti_arena_init(&buckets->overflow, ops, sizeof(struct hipti_line), (uint32_t)overflow, block, true);
}

void hipti_buckets_end(struct hipti_buckets *buckets)
{
    struct hipti_array *array = hipti_load_relaxed(&buckets->junk); /* everybody else is gone */
    unsigned i;

    while (array) {
        struct hipti_array *next = array->next;

        hipti_array_destroy(array);
        array = next;
    }
    for (i = 0; i < 2u; i++) {
        array = hipti_load_relaxed(&buckets->half[i]); /* everybody else is gone */
        if (array) {
            hipti_array_destroy(array);
        }
    }
    hipti_arena_end(&buckets->overflow);
}

/* --- arrays come and go */

static void junk_push(struct hipti_buckets *buckets, struct hipti_array *array)
{
    struct hipti_array *head = hipti_load_relaxed(&buckets->junk); /* only compared */

    do {
        array->next = head;
    } while (!hipti_cas_release(&buckets->junk, &head, array)); /* [publish:junk] its fields */
}

void hipti_buckets_collect(struct hipti_buckets *buckets)
{
    struct hipti_array *array = hipti_exchange_acquire(&buckets->junk, NULL); /* [observe:junk] */

    while (array) {
        struct hipti_array *next = array->next;

        /* relaxed: the caller's own now */
        if (buckets->ops->gp_elapsed(buckets->ops->ctx, hipti_load_relaxed(&array->cookie) - 1u)) {
            hipti_array_destroy(array);
        } else {
            junk_push(buckets, array);
        }
        array = next;
    }
}

/*
 * An array that has been left: when a grace period has passed nobody uses a number of its lines; then it leaves its
 * half, and when another one has passed nobody looks at it. => whether the half is free.
 */
static bool half_clear(struct hipti_buckets *buckets, unsigned half, struct hipti_array *array)
{
    uint64_t cookie = hipti_load_relaxed(&array->cookie); /* a number: who sees it elapsed knows what its maker knew */

    if (cookie == 0) {
        HIPTI_INVARIANT(array != hipti_load_relaxed(&buckets->now)); /* it has been left */
        /* relaxed: as above; the caller knows that the array has been left */
        (void)hipti_cas_relaxed(&array->cookie, &cookie, buckets->ops->gp_start(buckets->ops->ctx) + 1u);
        return false;
    }
    if (!buckets->ops->gp_elapsed(buckets->ops->ctx, cookie - 1u)) {
        return false;
    }
    if (hipti_cas_relaxed(&buckets->half[half], &array, NULL)) { /* ours to give back; it was acquired before */
        /* relaxed: the list publishes */
        hipti_store_relaxed(&array->cookie, buckets->ops->gp_start(buckets->ops->ctx) + 1u);
        junk_push(buckets, array);
    }
    return true;
}

unsigned hipti_buckets_free_half(struct hipti_buckets *buckets)
{
    struct hipti_array *now = hipti_buckets_now(buckets);
    unsigned half = hipti_array_other_half(now);
    struct hipti_array *other = hipti_load_acquire(&buckets->half[half]); /* [observe:array] */

    if (!other) {
        return half;
    }
    /* [observe:left] if there is none: then @other is, or was, the present, which the look at .now below has to show */
    if (hipti_load_acquire(&other->past) == now) { /* who made it was stopped before he let it take the place */
        (void)hipti_cas_seq_cst(&buckets->now, &now, other); /* [publish:array] [publish:overlap] */
        return HIPTI_NO_HALF;
    }
    if (hipti_load_acquire(&now->past)) { /* [observe:left] it is the one that is being left */
        return HIPTI_NO_HALF;
    }
    /*
     * If @other has taken the place of @now meanwhile, and all has moved to it, its past is NULL as well; but it has
     * not been left, its grace period must not begin. Inside the read side @now does not come back.
     */
    if (hipti_buckets_now(buckets) != now) {
        return HIPTI_NO_HALF;
    }
    return half_clear(buckets, half, other) ? half : HIPTI_NO_HALF;
}

/*
 * A half is free only when what was in it has been left, a grace period ago. So if the array's half is, the present is
 * in the other one, has no past any more, and stays the present as long as the caller's read side lasts.
 */
bool hipti_buckets_replace(struct hipti_buckets *buckets, struct hipti_array *array, uint64_t resizes)
{
    struct hipti_array *now = hipti_buckets_now(buckets);
    struct hipti_array *none = NULL;

    /*
     * relaxed: the half is free only beside the present array, which was acquired, and the last count moved before that
     * one was put in place
     */
    if (hipti_load_relaxed(&buckets->resizes) != resizes) {
        return false;
    }
    hipti_store_relaxed(&array->past, now); /* nobody knows it yet */
    if (!hipti_cas_release(&buckets->half[array->first >> HIPTI_HALF_BITS], &none, array)) { /* [publish:array] */
        return false;
    }
    (void)hipti_fetch_add_relaxed(&buckets->resizes, 1u); /* as above */
    /* Whoever fails was helped. seq_cst: see hipti_find_seq_cst() [publish:array] [publish:overlap] */
    (void)hipti_cas_seq_cst(&buckets->now, &now, array);
    return true;
}

enum hipt_status hipti_buckets_reserve(struct hipti_buckets *buckets, uint64_t lines)
{
    return hipti_arena_reserve(&buckets->overflow, lines);
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
        if (number >= HIPTI_OVERFLOW_FIRST) {
            /*
             * acquire: of a line that was given back under us the first remainder is gone, so that its slot was not
             * looked at; who misses a mapping there that has moved to another array sees that one [observe:lo/hi]
             */
            (void)hipti_load_acquire(&line->lo[0]);
        }
        link = hipti_header_link(hipti_load_acquire(&line->header)); /* [observe:link] */
        if (link == HIPTI_NONE) {
            return false;
        }
        number = hipti_buckets_linked(link);
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
        number = hipti_buckets_linked(link);
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
        number = hipti_buckets_linked(link);
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
    return (place->bucket & HIPTI_HALF_MASK) < hipti_load_acquire(&past->left) ? NULL : past;
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
bool hipti_find(struct hipti_buckets *buckets, uint64_t key, hipti_slot *slot, uint64_t *pte, unsigned *lines)
{
    const struct hipti_array *now = hipti_buckets_now(buckets);
    const struct hipti_array *before;

    do {
        struct hipti_place place;

        before = now;
        if ((array_before(now, key, &place) && find_from(buckets, place, slot, pte, lines)) ||
            find_from(buckets, hipti_array_place(now, key), slot, pte, lines)) {
            return true;
        }
        now = hipti_buckets_now(buckets);
    } while (now != before);
    return false;
}

bool hipti_find_forward(const struct hipti_buckets *buckets, uint64_t key, hipti_slot *slot, uint64_t *pte)
{
    struct hipti_place place;

    return array_before(hipti_buckets_now(buckets), key, &place) &&
           hipti_bucket_find(buckets, place, slot, pte, NULL) && hipti_pte_state(*pte) == HIPTI_FORWARD;
}

/* The same in the single order. */
static bool find_from_seq_cst(struct hipti_buckets *buckets, struct hipti_place place, hipti_slot *slot, uint64_t *pte)
{
    return hipti_bucket_find_seq_cst(buckets, place, slot, pte) && hipti_slot_follow(buckets, slot, pte);
}

bool hipti_find_seq_cst(struct hipti_buckets *buckets, uint64_t key, hipti_slot *slot, uint64_t *pte)
{
    const struct hipti_array *now = hipti_buckets_now(buckets);
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
        now = hipti_load_seq_cst(&buckets->now);
    } while (now != before);
    return false;
}

bool hipti_find_ended(const struct hipti_buckets *buckets, uint64_t key, unsigned gather, hipti_slot *slot,
                      uint64_t *pte)
{
    const struct hipti_array *now = hipti_buckets_now(buckets);
    struct hipti_place place;

    return (array_before(now, key, &place) && hipti_bucket_find_ended(buckets, place, gather, slot, pte)) ||
           hipti_bucket_find_ended(buckets, hipti_array_place(now, key), gather, slot, pte);
}

/* => the line at @ordinal of the chain that @header, of @bucket, starts. */
static uint32_t chain_line(const struct hipti_buckets *buckets, uint32_t bucket, uint64_t header, unsigned ordinal)
{
    uint32_t number = bucket;

    while (ordinal-- > 0) {
        number = hipti_buckets_linked(hipti_header_link(header));
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
        at = hipti_buckets_linked(hipti_header_link(header));
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
            if (hipti_pte_state(pte) == HIPTI_FORWARD) { /* the bucket has been closed meanwhile */
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
        number = hipti_buckets_linked(link);
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

/* => a line that nobody looks at, with a claimed slot 0, HIPTI_NONE with *status set. */
static uint32_t bucket_new_line(struct hipti_buckets *buckets, uint64_t pte, enum hipt_status *status)
{
    uint32_t number = hipti_freelist_pop(&buckets->spare, &spare_links, buckets, buckets->ops);
    struct hipti_line *line;
    bool full;
    unsigned i;

    if (number == HIPTI_NONE) {
        number = hipti_arena_carve(&buckets->overflow, false, &full);
    }
    if (number == HIPTI_NONE) {
        *status = hipti_arena_scarcity(full, hipti_freelist_is_waiting(&buckets->spare));
        return HIPTI_NONE;
    }
    line = (struct hipti_line *)(void *)hipti_arena_at(&buckets->overflow, number);
    for (i = 0; i < HIPT_SLOTS; i++) {
        hipti_store_relaxed(&line->pte[i], i == 0 ? pte : 0u); /* nobody looks; H2 publishes */
    }
    return number;
}

/* One more overflow line is in a chain. */
static void lines_add(struct hipti_buckets *buckets)
{
    uint32_t lines = hipti_fetch_add_relaxed(&buckets->lines, 1u) + 1u; /* a count */

    if (lines >= hipti_load_relaxed(&hipti_buckets_now(buckets)->crowd)) { /* only compared */
        (void)hipti_fetch_or_relaxed(&buckets->due, HIPT_GROW); /* a hint */
    }
}

/* Overflow line @link has left its chain. */
static void lines_drop(struct hipti_buckets *buckets, uint32_t link)
{
    (void)hipti_fetch_sub_relaxed(&buckets->lines, 1u); /* a count */
    hipti_freelist_push(&buckets->spare, &spare_links, buckets, link);
}

/* A put has met a chain at its bound. */
static enum hipt_status chain_full(struct hipti_buckets *buckets, const struct scan *scan)
{
    (void)hipti_fetch_add_relaxed(&buckets->chains_full, 1u); /* a count for people */
    if (scan->has_parked) {
        return HIPT_BUSY;
    }
    (void)hipti_fetch_or_relaxed(&buckets->due, HIPT_REKEY); /* a hint */
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
    uint64_t header = scan->header;
    enum hipt_status status = HIPT_OK;
    uint32_t number;
    uint64_t next;

    if (!copy && scan->lines >= HIPT_CHAIN_LINES_MAX) {
        return chain_full(buckets, scan);
    }
    if (!hipti_gate_pass(&buckets->gate, buckets->ops, hipti_header_sequence(header), buckets->sequence_bits)) {
        return HIPT_BUSY;
    }
    pte = hipti_pte_with_state(pte, HIPTI_CLAIMED);
    number = bucket_new_line(buckets, pte, &status);
    if (number == HIPTI_NONE) {
        return status;
    }
    /* relaxed: H2 publishes */
    hipti_store_relaxed(&((struct hipti_line *)(void *)hipti_arena_at(&buckets->overflow, number))->header,
                        hipti_header_of_overflow(hipti_header_link(header), claim->place.bucket));
    next = hipti_header_relink(header, number, buckets->sequence_bits);
    claim_fill(buckets, claim, hipti_buckets_linked(number) * HIPT_SLOTS, pte, next);
    /* release: the line, and that the slot which the header named is finished [publish:link] [publish:commit] */
    if (!hipti_cas_release(&bucket->header, &header, next)) {
        hipti_store_relaxed(slot_pte(buckets, claim->slot), 0u); /* nobody looks; the freelist publishes */
        hipti_freelist_push(&buckets->spare, &spare_links, buckets, number);
        return HIPT_CHANGED;
    }
    lines_add(buckets);
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

/*
 * Let the header of a bucket name no slot (H5). A copy is made live without the header: if that went on to name its
 * slot, with the parity of the life before, it would seem to name the life behind. => false: the sequence waits at its
 * gate.
 */
static bool bucket_unname(struct hipti_buckets *buckets, uint32_t bucket)
{
    struct hipti_line *line = hipti_buckets_line(buckets, bucket);
    uint64_t header = bucket_settle(buckets, bucket);

    while (header & HIPTI_HEADER_PENDING) {
        uint64_t next = hipti_header_relink(header, hipti_header_link(header), buckets->sequence_bits);

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

enum hipt_status hipti_bucket_copy(struct hipti_buckets *buckets, struct hipti_place place, uint64_t pte,
                                   struct hipti_claim *claim)
{
    enum hipt_status status = bucket_claim(buckets, place, true, pte, claim);

    if (status == HIPT_OK && !bucket_unname(buckets, place.bucket)) {
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
                                            hipti_pte_version(claim->pte) & 1u, buckets->sequence_bits);
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

    if (hipti_buckets_linked(hipti_header_link(header)) != number || !line_seal(line, sealed)) {
        return;
    }
    while (hipti_buckets_linked(hipti_header_link(header)) == number &&
           hipti_gate_pass(&buckets->gate, buckets->ops, hipti_header_sequence(header), buckets->sequence_bits)) {
        uint64_t next = hipti_header_relink(header, hipti_header_link(own), buckets->sequence_bits);

        /* H3. release: the slot which the header named is finished [publish:commit] */
        if (hipti_cas_release(&hipti_buckets_line(buckets, bucket)->header, &header, next)) {
            lines_drop(buckets, hipti_header_link(header));
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
        struct hipti_line *first = hipti_buckets_line(buckets, hipti_buckets_linked(link));
        /* relaxed: constant while linked; if it is not any more, the header has changed */
        uint64_t next = hipti_header_relink(header, hipti_header_link(hipti_load_relaxed(&first->header)),
                                            buckets->sequence_bits);

        if (!line_is_left(first) || !hipti_gate_pass(&buckets->gate, buckets->ops, hipti_header_sequence(header),
                                                     buckets->sequence_bits)) {
            return false;
        }
        /* H3. release: as in bucket_trim() [publish:commit] */
        if (hipti_cas_release(&line->header, &header, next)) {
            lines_drop(buckets, link);
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

bool hipti_slot_place(const struct hipti_buckets *buckets, hipti_slot slot, uint64_t *pte, struct hipti_place *out)
{
    uint32_t number = slot / HIPT_SLOTS;
    struct hipti_line *line = hipti_buckets_line(buckets, number);
    unsigned i = slot % HIPT_SLOTS;
    uint64_t after = hipti_load_acquire(&line->pte[i]); /* [observe:slot] */
    struct hipti_place place;
    uint64_t before;

    do {
        before = after;
        if (!hipti_pte_has_key(before)) {
            return false;
        }
        place.rest = (uint64_t)hipti_load_acquire(&line->lo[i]) << 16;  /* [observe:lo/hi] */
        place.rest |= (uint64_t)hipti_load_acquire(&line->hi[i]) << 48; /* [observe:lo/hi] */
        place.bucket = number;
        if (number >= HIPTI_OVERFLOW_FIRST) {
            place.bucket = hipti_header_bucket(hipti_load_relaxed(&line->header)); /* constant while linked */
        }
        after = hipti_load_acquire(&line->pte[i]); /* [observe:slot] */
    } while (!hipti_pte_same_life(before, after) || !hipti_pte_has_key(after));
    *pte = after;
    *out = place;
    return true;
}

bool hipti_slot_read(const struct hipti_buckets *buckets, hipti_slot slot, uint64_t *pte, uint64_t *key)
{
    struct hipti_place place;

    if (!hipti_slot_place(buckets, slot, pte, &place)) {
        return false;
    }
    *key = hipti_array_key(hipti_buckets_array(buckets, place.bucket), place);
    return true;
}

bool hipti_buckets_nth(const struct hipti_buckets *buckets, uint64_t ordinal, hipti_slot *slot)
{
    const struct hipti_array *now = hipti_buckets_now(buckets);
    const struct hipti_array *past = hipti_load_relaxed(&now->past); /* everybody else is gone */
    uint64_t before = past ? past->quotient.buckets : 0;
    uint64_t count = now->quotient.buckets + before;
    uint64_t line = ordinal / HIPT_SLOTS;

    if (line < before) {
        line += past->first;
    } else if (line < count) {
        line += now->first - before;
    } else {
        line -= count;
        if (line >= hipti_load_relaxed(&buckets->overflow.carved)) { /* everybody else is gone */
            return false;
        }
        line += HIPTI_OVERFLOW_FIRST;
    }
    *slot = (hipti_slot)(line * HIPT_SLOTS + ordinal % HIPT_SLOTS);
    return true;
}
