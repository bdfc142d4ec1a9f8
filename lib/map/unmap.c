/* SPDX-License-Identifier: MIT */
#include <hipt/gather.h>

#include "map/ahead.h"
#include "map/gather.h"
#include "map/move.h"

/* Step 1. => HIPT_OK: *taken, which stays the caller's also outside this read side; HIPT_ABSENT, HIPT_BUSY. */
static enum hipt_status unmap_freeze(struct hipt_table *table, const struct hipt_page *page, struct hipti_taken *taken)
{
    static const struct hipti_freezing freezing = {0, false};
    enum hipt_status status = hipti_freeze_page(table, page, freezing, taken);

    if (status != HIPT_CHANGED) {
        return status;
    }
    (void)hipti_thaw(table, page, taken->slot, taken->pte); /* it is absent, but a CPU may still have it (S2) */
    return HIPT_ABSENT;
}

static enum hipt_status unmap_page(struct hipt_table *table, const struct hipt_page *page, struct hipt_mapping *out)
{
    struct hipti_taken taken;
    enum hipt_status status;

    HIPT_PORT_READ_ENTER(&table->ops);
    status = unmap_freeze(table, page, &taken);
    if (status == HIPT_OK) {
        if (table->shootdown.ncpus) { /* not inside our read side; the slot stays ours */
            HIPT_PORT_READ_EXIT(&table->ops);
            hipti_shoot(table, page);
            HIPT_PORT_READ_ENTER(&table->ops);
        }
        hipti_destroy(table, taken, HIPTI_UNLINK_END);
    }
    hipti_move_help(table, hipti_page_shard(table, page));
    HIPT_PORT_READ_EXIT(&table->ops);
    if (status == HIPT_OK && out) {
        *out = hipti_pte_unpack(taken.pte, *page);
    }
    return status;
}

void hipti_unmap_if_retired(struct hipt_table *table, const struct hipt_page *page)
{
    if (!hipti_asid_confirm(hipti_asid_record(&table->asids, page->asid)) && hipti_wait_check(table) == HIPT_OK) {
        (void)unmap_page(table, page, NULL); /* absent or busy: somebody else is removing it */
    }
}

enum hipt_status hipt_unmap(struct hipt_table *table, const struct hipt_page *page, struct hipt_mapping *out)
{
    enum hipt_status status = hipti_page_check(table, page);

    status = status == HIPT_OK ? hipti_wait_check(table) : status;
    return status == HIPT_OK ? unmap_page(table, page, out) : status;
}

/* Page by page, where all numbers for gathers of the asid are in use. */
static enum hipt_status unmap_singly(struct hipt_table *table, const struct hipt_page *page, uint64_t npages,
                                     uint64_t *done)
{
    enum hipt_status result = HIPT_OK;
    struct hipt_page at = *page;

    for (; npages > 0; npages--) {
        enum hipt_status status = unmap_page(table, &at, NULL);

        *done += status == HIPT_OK;
        result = status == HIPT_BUSY ? HIPT_BUSY : result;
        at.vpn += hipti_size_pages(table, at.size);
    }
    return result;
}

static enum hipt_status unmap_range(struct hipt_table *table, const struct hipt_page *page, uint64_t npages,
                                    uint64_t *done)
{
    struct hipt_gather gather;
    enum hipt_status status = hipt_gather_start(&gather, table, page->asid, HIPT_SYNC);

    if (status == HIPT_FULL) {
        return unmap_singly(table, page, npages, done);
    }
    if (status != HIPT_OK) { /* the asid was never issued: nothing is mapped */
        return HIPT_OK;
    }
    status = hipt_gather_add(&gather, page, npages, done);
    (void)hipt_gather_finish(&gather); /* the caller may wait */
    return status;
}

enum hipt_status hipt_unmap_range(struct hipt_table *table, const struct hipt_page *page, uint64_t npages,
                                  uint64_t *done)
{
    enum hipt_status status = hipti_pages_check(table, page, npages);
    uint64_t ended = 0;

    status = status == HIPT_OK ? hipti_wait_check(table) : status;
    if (status == HIPT_OK) {
        status = unmap_range(table, page, npages, &ended);
    }
    if (done) {
        *done = ended;
    }
    return status;
}

/* A batch, and the entries of one turn that were frozen. */
struct unmap_batch {
    struct hipt_table *table;
    const struct hipt_page *pages;
    size_t count;
    struct hipt_mapping *out;
    enum hipt_status *status;
    enum hipt_status may_wait;           /* whether any can be unmapped at all */
    struct hipti_taken taken[HIPTI_TURN];
    size_t at[HIPTI_TURN];               /* which of the batch */
    unsigned ntaken;
};

static void unmap_batch_fetch(const struct unmap_batch *batch, size_t at)
{
    if (at < batch->count && hipti_page_check(batch->table, &batch->pages[at]) == HIPT_OK) {
        hipti_fetch_page(batch->table, &batch->pages[at]);
    }
}

/* The first entries' lines, before any is looked at. Inside a read side. */
static void unmap_batch_fetch_first(const struct unmap_batch *batch)
{
    size_t at;

    for (at = 0; at < HIPTI_AHEAD; at++) {
        unmap_batch_fetch(batch, at);
    }
}

/* Step 1 for one entry. */
static enum hipt_status unmap_batch_take(struct unmap_batch *batch, size_t at)
{
    struct hipti_taken *taken = &batch->taken[batch->ntaken];
    const struct hipt_page *page = &batch->pages[at];
    enum hipt_status status = hipti_page_check(batch->table, page);

    status = status == HIPT_OK ? batch->may_wait : status;
    status = status == HIPT_OK ? unmap_freeze(batch->table, page, taken) : status;
    if (status == HIPT_OK) {
        hipti_fetch_taken(batch->table, *taken);
        batch->at[batch->ntaken++] = at;
        if (batch->out) {
            batch->out[at] = hipti_pte_unpack(taken->pte, *page);
        }
    }
    return status;
}

/* => how many of the taken from @first on are neighbours in one address space, and so can be one range. */
static unsigned unmap_batch_neighbours(const struct unmap_batch *batch, unsigned first)
{
    const struct hipt_page *page = &batch->pages[batch->at[first]];
    uint64_t step = hipti_size_pages(batch->table, page->size);
    unsigned count = 1;

    while (first + count < batch->ntaken) {
        const struct hipt_page *next = &batch->pages[batch->at[first + count]];

        if (next->asid != page->asid || next->size != page->size || next->vpn != page->vpn + count * step) {
            break;
        }
        count++;
    }
    return count;
}

/* Step 2: one round for the taken of one address space that follow each other. Outside a read side. */
static void unmap_batch_shoot(struct unmap_batch *batch)
{
    struct hipti_shootdown *shootdown = &batch->table->shootdown;
    unsigned i = 0;

    while (i < batch->ntaken) {
        const struct hipt_page *page = &batch->pages[batch->at[i]];
        unsigned count = unmap_batch_neighbours(batch, i);

        hipti_shootdown_add(shootdown, page->asid, page->vpn, count * hipti_size_pages(batch->table, page->size));
        i += count;
        if (i == batch->ntaken || batch->taken[i].asid != page->asid) {
            hipti_shootdown_round(shootdown, page->asid);
        }
    }
}

/* Unmap up to HIPTI_TURN entries from @at on. => the first that is left. */
static size_t unmap_batch_turn(struct unmap_batch *batch, size_t at)
{
    struct hipt_table *table = batch->table;
    size_t first = at;

    batch->ntaken = 0;
    HIPT_PORT_READ_ENTER(&table->ops);
    if (first == 0) {
        unmap_batch_fetch_first(batch);
    }
    for (; at < batch->count && at - first < HIPTI_TURN; at++) {
        batch->status[at] = unmap_batch_take(batch, at);
        unmap_batch_fetch(batch, at + HIPTI_AHEAD);
    }
    if (table->shootdown.ncpus) { /* as for one page */
        HIPT_PORT_READ_EXIT(&table->ops);
        unmap_batch_shoot(batch);
        HIPT_PORT_READ_ENTER(&table->ops);
    }
    hipti_destroy_several(table, batch->taken, batch->ntaken);
    HIPT_PORT_READ_EXIT(&table->ops);
    return at;
}

size_t hipt_unmap_batch(struct hipt_table *table, const struct hipt_page *pages, size_t count, struct hipt_mapping *out,
                        enum hipt_status *status)
{
    struct unmap_batch batch;
    size_t ended = 0;
    size_t at;

    batch.table = table;
    batch.pages = pages;
    batch.count = count;
    batch.out = out;
    batch.status = status;
    batch.may_wait = hipti_wait_check(table);
    for (at = 0; at < count;) {
        at = unmap_batch_turn(&batch, at);
        ended += batch.ntaken;
    }
    return ended;
}
