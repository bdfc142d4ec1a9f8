/* SPDX-License-Identifier: MIT */
/*
 * Mapping a page: reserve everything that may fail (a claimed slot, a cell of the address space, a pair at the frame),
 * then commit with one CAS on the bucket's header.
 *
 * Where a table has several page sizes, or shards, the commit makes the slot tentative, not live. Then the map looks
 * whether pages of another size overlap it, and makes it live or gives it up. Two maps whose pages overlap cannot both
 * miss each other: each first makes its own slot tentative, then looks for the other's, in the single order of seq_cst
 * operations:
 *
 *     A: tentative a; reads b         B: tentative b; reads a        at least one reads the other's
 *
 * Where an asid is being moved to another shard, a map of the same page may still go to the shard before. So tables of
 * several shards do the same, and two maps of one page cannot miss each other either:
 *
 *     A: tentative in the old shard; reads the word     W: the word (W1, W2)     B: reads the word; reads the old shard
 *
 * If A reads the word before W, B finds A's slot; if not, A gives up. B aborts what is tentative there.
 *
 * The smaller page decides: a map that finds a larger page tentative aborts that one, a map that finds a smaller page
 * tentative gives up. So neither waits for the other. Which sizes to look for is read from the address space's word,
 * where a map sets its own before it commits and reads them after it, in the same order.
 */
#include "map/attempt.h"

#include "map/ahead.h"
#include "map/gather.h"
#include "map/move.h"
#include "map/resize.h"

/* Take the frame's pair out again; the slot is not live. */
static void attempt_unlink(struct hipti_attempt *attempt)
{
    (void)hipti_frame_unlink(&attempt->table->frames, attempt->number, attempt->claim.slot, HIPTI_UNLINK_UNDO);
}

/* Give an uncommitted claim and its cell back. */
static void attempt_forget(struct hipti_attempt *attempt)
{
    hipti_bucket_forget(&attempt->table->buckets, &attempt->claim);
    hipti_asid_forget(&attempt->table->asids, attempt->asid->number, attempt->cell);
}

/* A map aborts another one on its way (P6). => HIPT_OK: it is out of the way; HIPT_CHANGED: look again. */
static enum hipt_status abort_put(struct hipt_table *table, hipti_slot slot, uint64_t pte)
{
    return hipti_slot_change(&table->buckets, slot, &pte, hipti_pte_ended(pte, HIPTI_ENDED, 0)) ? HIPT_OK
                                                                                                : HIPT_CHANGED;
}

/*
 * What has to be seen before a page is put: it is not in the shard where its asid was before. Behind this nobody makes
 * it live there, nor a copy of what was there. => HIPT_OK; HIPT_EXISTS, HIPT_BUSY.
 */
static enum hipt_status past_before_put(struct hipt_table *table, unsigned shard, uint64_t key)
{
    hipti_slot slot;
    uint64_t pte;

    while (hipti_find_seq_cst(&table->buckets, shard, key, &slot, &pte)) {
        if (hipti_pte_state(pte) != HIPTI_TENTATIVE) {
            return hipti_pte_state(pte) == HIPTI_FROZEN ? HIPT_BUSY : HIPT_EXISTS;
        }
        (void)abort_put(table, slot, pte);
    }
    return HIPT_OK;
}

/* Claim a slot, where the asid's word says. The order of looks: the past shard, the past array, the present. */
static enum hipt_status attempt_claim(struct hipti_attempt *attempt)
{
    struct hipt_table *table = attempt->table;
    const struct hipt_page *page = &attempt->mapping->page;
    uint32_t word = hipti_load_acquire(hipti_asid_word(&table->asids, page->asid)); /* [observe:placed] */
    struct hipti_where where = hipti_page_where_by(table, word, page);
    uint64_t key = hipti_page_key(table, page);
    enum hipt_status status = HIPT_OK;
    const struct hipti_array *array;

    attempt->place = hipti_word_place(word);
    if (where.past != HIPTI_NO_SHARD) {
        status = past_before_put(table, where.past, key);
    }
    array = hipti_buckets_now(&table->buckets, where.now);
    status = status == HIPT_OK ? hipti_move_before_put(table, array, key) : status;
    if (status == HIPT_OK) {
        status = hipti_bucket_claim(&table->buckets, hipti_array_place(array, key), hipti_pte_pack(attempt->mapping),
                                    &attempt->claim);
    }
    return status;
}

enum hipt_status hipti_attempt_reserve(struct hipti_attempt *attempt)
{
    struct hipt_table *table = attempt->table;
    enum hipt_status status = attempt_claim(attempt);
    struct hipti_pair pair;

    if (status != HIPT_OK) {
        return status;
    }
    attempt->cell = hipti_asid_remember(&table->asids, attempt->asid, attempt->claim.slot, &status);
    if (attempt->cell == 0) {
        hipti_bucket_forget(&table->buckets, &attempt->claim);
        return status;
    }
    pair.slot = attempt->claim.slot;
    pair.cell = attempt->cell;
    status = hipti_frame_link(&table->frames, attempt->number, pair);
    if (status != HIPT_OK) {
        attempt_forget(attempt);
    }
    return status;
}

/* => HIPT_OK: no mapping of @page is in the way of a map of a page of class @size; HIPT_OVERLAP; HIPT_BUSY. */
static enum hipt_status check_overlap(struct hipt_table *table, const struct hipt_page *page, uint32_t size)
{
    enum hipt_status status = HIPT_CHANGED;
    hipti_slot slot;
    uint64_t pte;

    while (status == HIPT_CHANGED && hipti_page_find_seq_cst(table, page, &slot, &pte)) {
        switch (hipti_pte_state(pte)) {
        case HIPTI_FROZEN:
            status = hipti_thaw(table, page, slot, pte);
            break;
        case HIPTI_TENTATIVE:
            status = page->size > size ? abort_put(table, slot, pte) : HIPT_BUSY;
            break;
        default: /* live or held */
            return HIPT_OVERLAP;
        }
    }
    return status == HIPT_CHANGED ? HIPT_OK : status;
}

/* All pages of class @size that overlap @mapped. */
static enum hipt_status check_overlaps(struct hipt_table *table, const struct hipt_page *mapped, uint32_t size)
{
    struct hipt_page page = *mapped;
    uint64_t step = hipti_size_pages(table, size);
    uint64_t end = mapped->vpn + hipti_size_pages(table, mapped->size);
    enum hipt_status status = HIPT_OK;

    page.size = size;
    for (page.vpn = mapped->vpn & ~(step - 1u); status == HIPT_OK && page.vpn < end; page.vpn += step) {
        status = check_overlap(table, &page, mapped->size);
    }
    return status;
}

/*
 * Where the page is put, and all pages that overlap it. => HIPT_OK, HIPT_OVERLAP, HIPT_BUSY; HIPT_CHANGED: the asid is
 * elsewhere by now.
 */
static enum hipt_status attempt_look(const struct hipti_attempt *attempt)
{
    struct hipt_table *table = attempt->table;
    const struct hipt_page *page = &attempt->mapping->page;
    /* [observe:overlap] after the slot became tentative */
    uint32_t word = hipti_load_seq_cst(hipti_asid_word(&table->asids, page->asid));
    enum hipt_status status = hipti_word_place(word) == attempt->place ? HIPT_OK : HIPT_CHANGED;
    unsigned sizes = hipti_word_sizes(word);
    uint32_t size;

    for (size = 0; status == HIPT_OK && size < table->split.nsizes; size++) {
        if (size != page->size && ((sizes >> size) & 1u)) {
            status = check_overlaps(table, page, size);
        }
    }
    return status;
}

/* => why another map may have aborted this one. */
static enum hipt_status aborted(const struct hipti_attempt *attempt)
{
    return hipti_attempt_is_placed(attempt) ? HIPT_BUSY : HIPT_CHANGED;
}

/*
 * Make a tentative slot live, or give it up (P5, P6). Looks again only because a split or collapse succeeded: what
 * overlaps may have gone from a size not looked at yet to one looked at before. => HIPT_OK, HIPT_OVERLAP, HIPT_BUSY,
 * HIPT_CHANGED.
 */
static enum hipt_status attempt_settle(struct hipti_attempt *attempt)
{
    struct hipt_table *table = attempt->table;
    uint64_t pte = hipti_pte_with_state(attempt->claim.pte, HIPTI_TENTATIVE);
    enum hipt_status status;
    uint64_t reshapes;

    do {
        reshapes = hipti_load_acquire(&table->reshapes); /* [observe:reshape] what has been put in */
        status = attempt_look(attempt);
        /* relaxed: who has missed what was taken out has acquired its end, and the count was moved before that */
    } while (status == HIPT_OK && hipti_load_relaxed(&table->reshapes) != reshapes);
    if (!hipti_slot_change(&table->buckets, attempt->claim.slot, &pte,
                           status == HIPT_OK ? hipti_pte_with_state(pte, HIPTI_LIVE)
                                             : hipti_pte_ended(pte, HIPTI_ENDED, 0))) {
        /* a smaller map was faster, or one that has the asid elsewhere */
        status = status == HIPT_OK ? aborted(attempt) : status;
    }
    return status;
}

enum hipt_status hipti_attempt_commit(struct hipti_attempt *attempt)
{
    struct hipt_table *table = attempt->table;
    HIPTI_ATOMIC(uint32_t) *word = hipti_asid_word(&table->asids, attempt->mapping->page.asid);
    uint8_t own = (uint8_t)(1u << attempt->mapping->page.size);
    enum hipt_status status;

    if (!(hipti_load_seq_cst(word) & own)) { /* [observe:overlap] */
        (void)hipti_fetch_or_relaxed(&table->sizes, own); /* the asid's bit says that it is set */
        (void)hipti_fetch_or_seq_cst(word, own); /* W5 [publish:overlap] */
    }
    status = hipti_bucket_commit(&table->buckets, &attempt->claim);
    if (status != HIPT_OK) {
        attempt_unlink(attempt);
        attempt_forget(attempt);
    }
    return status;
}

bool hipti_attempt_is_placed(const struct hipti_attempt *attempt)
{
    const struct hipti_asids *asids = &attempt->table->asids;
    uint32_t word = hipti_load_seq_cst(hipti_asid_word(asids, attempt->mapping->page.asid)); /* [observe:overlap] */

    return hipti_word_place(word) == attempt->place;
}

void hipti_attempt_undo(struct hipti_attempt *attempt)
{
    attempt_unlink(attempt);
    hipti_slot_release(&attempt->table->buckets, attempt->claim.slot);
    hipti_asid_forget(&attempt->table->asids, attempt->asid->number, attempt->cell);
}

/* All of it. => HIPT_OK, or nothing is held. */
static enum hipt_status attempt_map(struct hipti_attempt *attempt)
{
    enum hipt_status status = hipti_attempt_reserve(attempt);

    if (status == HIPT_OK) {
        status = hipti_attempt_commit(attempt);
    }
    if (status == HIPT_OK && attempt->table->buckets.committed == HIPTI_TENTATIVE) {
        status = attempt_settle(attempt);
        if (status != HIPT_OK) {
            hipti_attempt_undo(attempt);
        }
    }
    return status;
}

enum hipt_status hipti_attempt_help(struct hipt_table *table, const struct hipt_page *page)
{
    hipti_slot slot;
    uint64_t pte;

    if (!hipti_page_find(table, page, &slot, &pte) || hipti_pte_state(pte) != HIPTI_FROZEN) {
        return HIPT_BUSY;
    }
    return hipti_thaw(table, page, slot, pte);
}

/* Map a page that has been checked. Inside a read side. */
static enum hipt_status map_page(struct hipt_table *table, const struct hipt_mapping *mapping, uint32_t number)
{
    struct hipti_attempt attempt;
    enum hipt_status status;

    attempt.table = table;
    attempt.mapping = mapping;
    attempt.number = number;
    attempt.asid = hipti_asid_active(&table->asids, mapping->page.asid);
    if (!attempt.asid) {
        return HIPT_BAD_ASID;
    }
    hipti_fetch_frame(table, number); /* while the bucket's line is waited for */
    hipti_fetch_cell(table, hipti_asid_next_cell(&table->asids, mapping->page.asid));
    do {
        status = attempt_map(&attempt);
        if (status == HIPT_BUSY) {
            status = hipti_attempt_help(table, &mapping->page);
        }
    } while (status == HIPT_CHANGED);
    if (status == HIPT_OK) {
        hipti_unmap_if_retired(table, &mapping->page);
    }
    hipti_move_help(table, hipti_page_shard(table, &mapping->page));
    return status;
}

enum hipt_status hipt_map(struct hipt_table *table, const struct hipt_mapping *mapping)
{
    uint32_t number;
    enum hipt_status status = hipti_mapping_check(table, mapping, 1, &number);

    if (status != HIPT_OK) {
        return status;
    }
    do {
        HIPT_PORT_READ_ENTER(&table->ops);
        status = map_page(table, mapping, number);
        HIPT_PORT_READ_EXIT(&table->ops);
    } while (hipti_resize_if_due(table, status));
    return status;
}

/* What is left of a range. */
struct map_range {
    struct hipt_table *table;
    struct hipt_mapping at;
    uint32_t number; /* of the frame's record */
    uint64_t left;
    struct hipti_ahead ahead;
};

/*
 * Map up to HIPTI_TURN pages of a range in one read side. => HIPT_OK; the status of the first page that fails, which is
 * tried once more where all that it waits for may be that this read side ends, or that the table takes another secret.
 */
static enum hipt_status map_range_turn(struct map_range *range)
{
    uint64_t step = hipti_size_pages(range->table, range->at.page.size);
    uint64_t first = range->left;
    enum hipt_status status = HIPT_OK;

    HIPT_PORT_READ_ENTER(&range->table->ops);
    while (status == HIPT_OK && range->left > 0 && first - range->left < HIPTI_TURN) {
        hipti_ahead_next(range->table, &range->ahead);
        status = map_page(range->table, &range->at, range->number);
        if (status == HIPT_OK) {
            range->at.page.vpn += step;
            range->at.pfn += step;
            range->number += (uint32_t)step;
            range->left--;
        }
    }
    HIPT_PORT_READ_EXIT(&range->table->ops);
    if (hipti_resize_if_due(range->table, status)) {
        return HIPT_OK;
    }
    return status == HIPT_BUSY && range->left < first ? HIPT_OK : status;
}

enum hipt_status hipt_map_range(struct hipt_table *table, const struct hipt_mapping *mapping, uint64_t npages,
                                uint64_t *done)
{
    struct map_range range = {
        .table = table, .at = *mapping, .left = npages, .ahead = hipti_ahead_start(&mapping->page, npages)};
    enum hipt_status status = hipti_mapping_check(table, mapping, npages > 0 ? npages : 1u, &range.number);

    while (status == HIPT_OK && range.left > 0) {
        status = map_range_turn(&range);
    }
    if (done) {
        *done = npages - range.left;
    }
    return status;
}

/* A batch, and what has been found out of the entries whose lines are on their way. */
struct map_batch {
    struct hipt_table *table;
    const struct hipt_mapping *mappings;
    size_t count;
    enum hipt_status *status;
    bool is_full; /* the entry that a turn has come to found something full */
    struct {
        enum hipt_status status;
        uint32_t number; /* of the frame's record, if the numbers are right */
    } ahead[HIPTI_AHEAD];
};

/* Check an entry, if there is one, and fetch its lines. Inside a read side. */
static void map_batch_fetch(struct map_batch *batch, size_t at)
{
    const struct hipt_mapping *mapping = &batch->mappings[at];
    uint32_t number = HIPTI_NONE;
    enum hipt_status status;

    if (at >= batch->count) {
        return;
    }
    status = hipti_mapping_check(batch->table, mapping, 1, &number);
    if (status == HIPT_OK) {
        hipti_fetch_around(batch->table, &mapping->page);
        hipti_fetch_frame(batch->table, number);
    }
    batch->ahead[at % HIPTI_AHEAD].status = status;
    batch->ahead[at % HIPTI_AHEAD].number = number;
}

/* The first entries' lines, before any is looked at. Inside a read side. */
static void map_batch_fetch_first(struct map_batch *batch)
{
    size_t at;

    for (at = 0; at < HIPTI_AHEAD; at++) {
        map_batch_fetch(batch, at);
    }
}

/* Fetch the cell that an entry's asid would give out now: asids take turns in a batch, or cells are neighbours. */
static void map_batch_fetch_cell(const struct map_batch *batch, size_t at)
{
    if (at < batch->count && batch->ahead[at % HIPTI_AHEAD].status == HIPT_OK) {
        hipti_fetch_cell(batch->table, hipti_asid_next_cell(&batch->table->asids, batch->mappings[at].page.asid));
    }
}

/*
 * Map up to HIPTI_TURN entries from @at on in one read side. => the first that is left. So is one of which all that
 * it waits for may be that this read side ends: it is tried once more; and one that found something full.
 */
static size_t map_batch_turn(struct map_batch *batch, size_t at)
{
    size_t first = at;

    HIPT_PORT_READ_ENTER(&batch->table->ops);
    if (first == 0) {
        map_batch_fetch_first(batch);
    }
    for (; at < batch->count && at - first < HIPTI_TURN; at++) {
        enum hipt_status status = batch->ahead[at % HIPTI_AHEAD].status;

        map_batch_fetch_cell(batch, at + HIPTI_CELLS_AHEAD);
        if (status == HIPT_OK) {
            status = map_page(batch->table, &batch->mappings[at], batch->ahead[at % HIPTI_AHEAD].number);
        }
        if (status == HIPT_BUSY && at > first) {
            break;
        }
        batch->status[at] = status;
        batch->is_full = status == HIPT_FULL;
        if (batch->is_full) {
            break;
        }
        map_batch_fetch(batch, at + HIPTI_AHEAD);
    }
    HIPT_PORT_READ_EXIT(&batch->table->ops);
    return at;
}

/* What a turn that has come to @at leaves to be done outside its read side. => the first entry that is left. */
static size_t map_batch_after(struct map_batch *batch, size_t at)
{
    bool again = hipti_resize_if_due(batch->table, batch->is_full ? HIPT_FULL : HIPT_OK);

    if (batch->is_full && !again) {
        HIPT_PORT_READ_ENTER(&batch->table->ops);
        map_batch_fetch(batch, at + HIPTI_AHEAD);
        HIPT_PORT_READ_EXIT(&batch->table->ops);
        at++;
    }
    batch->is_full = false;
    return at;
}

size_t hipt_map_batch(struct hipt_table *table, const struct hipt_mapping *mappings, size_t count,
                      enum hipt_status *status)
{
    struct map_batch batch;
    size_t mapped = 0;
    size_t at;

    batch.table = table;
    batch.mappings = mappings;
    batch.count = count;
    batch.status = status;
    batch.is_full = false;
    for (at = 0; at < count;) {
        at = map_batch_after(&batch, map_batch_turn(&batch, at));
    }
    for (at = 0; at < count; at++) {
        mapped += status[at] == HIPT_OK;
    }
    return mapped;
}

/*
 * Each map may be the one that finds its bucket full: keys that meet are rare, but which ones do is the hash's secret,
 * and what is unmapped in between may leave its line waiting for a grace period. So the only number of lines that keeps
 * the promise is one for each map, ten times what a table at its default load comes to use.
 */
enum hipt_status hipt_reserve(struct hipt_table *table, uint64_t mappings, uint32_t asids)
{
    enum hipt_status status = hipti_asids_reserve(&table->asids, mappings, asids);

    return status == HIPT_OK ? hipti_buckets_reserve(&table->buckets, mappings) : status;
}
