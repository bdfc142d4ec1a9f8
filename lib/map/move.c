/* SPDX-License-Identifier: MIT */
#include "map/move.h"

#include "map/ahead.h"

/* => whether two slots are in different shards. */
static bool is_crossing(const struct hipti_buckets *buckets, hipti_slot from, hipti_slot to)
{
    return hipti_shard_number(buckets, from / HIPT_SLOTS) != hipti_shard_number(buckets, to / HIPT_SLOTS);
}

void hipti_move_finish(struct hipt_table *table, hipti_slot slot, uint64_t forward)
{
    uint64_t copy = forward;
    hipti_slot to = slot;

    if (hipti_slot_follow(&table->buckets, &to, &copy)) {
        uint32_t number = hipti_frames_number(&table->frames, hipti_pte_pfn(copy), hipti_pte_is_swap(copy));
        uint32_t cell = hipti_frame_relink(&table->frames, number, slot, to);

        if (cell != 0) {
            hipti_asid_relink(&table->asids, cell, slot, to);
        }
    }
    if (is_crossing(&table->buckets, slot, hipti_pte_forward_slot(forward))) {
        hipti_slot_leave(&table->buckets, slot, forward);
        return;
    }
    /* P22. Whoever fails was helped. */
    (void)hipti_slot_change(&table->buckets, slot, &forward, hipti_pte_parked(HIPTI_COOKIE_LEFT));
}

/* @place of a key in an array that its mapping may have left. */
static void settle_at(struct hipt_table *table, struct hipti_place place)
{
    uint64_t forward;
    hipti_slot from;

    if (hipti_bucket_find(&table->buckets, place, &from, &forward, NULL) && hipti_pte_state(forward) == HIPTI_FORWARD) {
        hipti_move_finish(table, from, forward);
    }
}

/* What has left a past array of the shard. */
static void settle_past(struct hipt_table *table, unsigned shard, uint64_t key)
{
    uint64_t forward;
    hipti_slot from;

    if (hipti_find_forward(&table->buckets, shard, key, &from, &forward)) {
        hipti_move_finish(table, from, forward);
    }
}

/* In the past shard the present array first: it may become the past one meanwhile. */
void hipti_move_settle(struct hipt_table *table, const struct hipt_page *page)
{
    struct hipti_where where = hipti_page_where(table, page);
    uint64_t key = hipti_page_key(table, page);

    if (where.past != HIPTI_NO_SHARD) {
        settle_at(table, hipti_buckets_place(&table->buckets, where.past, key));
        settle_past(table, where.past, key);
    }
    settle_past(table, where.now, key);
}

/*
 * What it has left is looked for only when it has been found: that the look at the past, which comes first in a find,
 * met no FORWARD says nothing. The page may have been put there behind it, by who still took it for the present, and
 * moved.
 */
bool hipti_page_find_to_own(struct hipt_table *table, const struct hipt_page *page, hipti_slot *slot, uint64_t *pte)
{
    bool is_found = hipti_page_find(table, page, slot, pte);

    if (is_found) {
        hipti_move_settle(table, page);
    }
    return is_found;
}

/*
 * The first access to a line of the present is to be a write. Memory that a host has only zeroed may be one page that
 * all share until somebody writes (Linux, also with huge pages); if it has been read by then, the host takes that
 * translation back from all CPUs: a lookup elsewhere is interrupted for every page of the array.
 */
static void touch(const struct hipti_array *to, struct hipti_place place)
{
    uint64_t zeroes = 0;

    /* relaxed: nothing changes. A CAS, for an addition of 0 may be compiled as a load */
    (void)hipti_cas_relaxed(&hipti_array_line(to, place.bucket - to->first)->header, &zeroes, 0u);
}

/*
 * What has to be done before a mapping leaves its slot: what it has left before, if that was in another shard; and if
 * it goes to another one, the header. => false: the header's sequence waits at its gate.
 */
static bool move_prepare(struct hipt_table *table, hipti_slot slot, hipti_slot to, uint64_t key)
{
    if (table->buckets.nshards > 1u) {
        struct hipt_page page = hipti_key_unpack(&table->split, key);

        hipti_move_settle(table, &page);
    }
    return !is_crossing(&table->buckets, slot, to) || hipti_slot_unname(&table->buckets, slot);
}

/* Steps 2 and 3 of a slot, and the rest. => HIPT_OK; HIPT_CHANGED: look again; why there can be no copy. */
static enum hipt_status move_mapping(struct hipt_table *table, const struct hipti_array *to, hipti_slot slot,
                                     uint64_t pte, uint64_t key)
{
    struct hipti_place place = hipti_array_place(to, key);
    struct hipti_claim claim;
    enum hipt_status status;
    uint64_t forward;

    touch(to, place);
    status = hipti_bucket_copy(&table->buckets, place, pte & ~HIPTI_PTE_VERSION_MASK, &claim);
    if (status != HIPT_OK) {
        return status;
    }
    if (!move_prepare(table, slot, claim.slot, key)) {
        hipti_bucket_forget(&table->buckets, &claim);
        return HIPT_BUSY;
    }
    forward = hipti_pte_forward(pte, claim.slot, claim.pte);
    if (!hipti_slot_change(&table->buckets, slot, &pte, forward)) {
        hipti_bucket_forget(&table->buckets, &claim);
        return HIPT_CHANGED;
    }
    hipti_move_finish(table, slot, forward);
    return HIPT_OK;
}

enum hipt_status hipti_move_to_shard(struct hipt_table *table, unsigned shard, hipti_slot slot, uint64_t pte,
                                     uint64_t key)
{
    return move_mapping(table, hipti_buckets_now(&table->buckets, shard), slot, pte, key);
}

static void move_slot(struct hipt_table *table, const struct hipti_array *to, hipti_slot slot)
{
    enum hipt_status status;

    do {
        uint64_t pte;
        uint64_t key;

        status = HIPT_OK;
        if (!hipti_slot_read(&table->buckets, slot, &pte, &key)) {
            return;
        }
        if (hipti_pte_state(pte) == HIPTI_FORWARD) {
            hipti_move_finish(table, slot, pte);
        } else if (hipti_pte_state(pte) == HIPTI_LIVE) {
            status = move_mapping(table, to, slot, pte, key);
        }
    } while (status == HIPT_CHANGED);
}

/* Close a bucket, and move what can be moved. => whether it is closed. */
static bool move_bucket(struct hipt_table *table, const struct hipti_array *to, uint32_t bucket)
{
    uint32_t number = bucket;
    uint32_t link;

    if (!hipti_bucket_close(&table->buckets, bucket)) {
        return false;
    }
    do {
        struct hipti_line *line = hipti_buckets_line(&table->buckets, number);
        unsigned i;

        /* relaxed: the chain was acquired closed; since then lines only leave it */
        link = hipti_header_link(hipti_load_relaxed(&line->header));
        for (i = 0; i < HIPT_SLOTS; i++) {
            move_slot(table, to, number * HIPT_SLOTS + i);
        }
        number = hipti_buckets_linked(&table->buckets, bucket, link);
    } while (link != HIPTI_NONE);
    return true;
}

enum hipt_status hipti_move_before_put(struct hipt_table *table, const struct hipti_array *array, uint64_t key)
{
    const struct hipti_array *past = hipti_load_acquire(&array->past); /* [observe:left] */
    struct hipti_place place;
    hipti_slot slot;
    uint64_t pte;

    if (!past) {
        return HIPT_OK;
    }
    touch(array, hipti_array_place(array, key));
    place = hipti_array_place(past, key);
    if (!move_bucket(table, array, place.bucket)) {
        return HIPT_BUSY;
    }
    if (!hipti_bucket_find(&table->buckets, place, &slot, &pte, NULL)) {
        return HIPT_OK;
    }
    /* FORWARD: it has just moved, and cannot have ended since: who ends it does step 6 before */
    return hipti_pte_is_visible(pte) || hipti_pte_state(pte) == HIPTI_FORWARD ? HIPT_EXISTS : HIPT_BUSY;
}

/* Go on with the buckets that have been left, at most @nbuckets, one after another, until one is somebody's. */
static void move_mark(struct hipt_table *table, struct hipti_array *now, struct hipti_array *past, unsigned nbuckets)
{
    uint32_t taken = hipti_load_relaxed(&past->taken); /* only numbers, both */
    uint32_t left = hipti_load_relaxed(&past->left);
    uint32_t next = left;

    while (next < past->quotient.buckets && next < taken && nbuckets-- > 0 &&
           move_bucket(table, now, past->first + next) &&
           hipti_bucket_is_left(&table->buckets, past->first + next)) {
        next++;
    }
    if (next != left) {
        (void)hipti_cas_release(&past->left, &left, next); /* [publish:left] what has left them */
    }
}

/*
 * Fetch what the moves of the mappings in a bucket's own line will go on to: the frames' records, or, when these are
 * there, the cells. They lie anywhere; the lines of buckets are side by side.
 */
static void fetch_bucket(const struct hipt_table *table, const struct hipti_array *past, uint64_t index, bool cells)
{
    unsigned i;

    for (i = 0; i < HIPT_SLOTS && index < past->quotient.buckets; i++) {
        hipti_slot slot = (past->first + (uint32_t)index) * HIPT_SLOTS + i;
        uint64_t pte = hipti_load_relaxed(&hipti_array_line(past, (uint32_t)index)->pte[i]); /* a hint */
        uint32_t number;

        if (hipti_pte_state(pte) != HIPTI_LIVE) {
            continue;
        }
        number = hipti_frames_number(&table->frames, hipti_pte_pfn(pte), hipti_pte_is_swap(pte));
        if (cells) {
            hipti_fetch_cell(table, hipti_frame_cell_hint(&table->frames, number, slot));
        } else {
            hipti_fetch_frame(table, number);
        }
    }
}

void hipti_move_on(struct hipt_table *table, unsigned shard, unsigned nbuckets)
{
    struct hipti_array *now = hipti_buckets_now(&table->buckets, shard);
    struct hipti_array *past = hipti_load_relaxed(&now->past); /* set before @now was; if NULL, it is acquired below */
    uint32_t count;
    uint32_t i;

    if (!past) {
        (void)hipti_buckets_free_half(&table->buckets, shard);
        hipti_buckets_collect(&table->buckets, shard);
        return;
    }
    count = (uint32_t)past->quotient.buckets;
    nbuckets = nbuckets < count ? nbuckets : count;
    for (i = 0; i < nbuckets && hipti_load_relaxed(&past->taken) < count; i++) { /* only compared */
        uint32_t next = hipti_fetch_add_relaxed(&past->taken, 1u);              /* only a number */

        if (next < count) {
            fetch_bucket(table, past, (uint64_t)next + 2u * HIPTI_MOVED, false); /* for the maps after this one */
            fetch_bucket(table, past, (uint64_t)next + HIPTI_MOVED, true);
            (void)move_bucket(table, now, past->first + next);
        }
    }
    move_mark(table, now, past, 2u * nbuckets); /* twice: it catches up where a bucket has held it up */
    if (hipti_load_acquire(&past->left) == count) { /* [observe:left] */
        (void)hipti_cas_release(&now->past, &past, NULL); /* [publish:left] what has left it is not looked for there */
    }
}
