/* SPDX-License-Identifier: MIT */
#include <hipt/gather.h>

#include "map/ahead.h"
#include "map/gather.h"
#include "map/move.h"

/* The numbers are bits of a word of the space, and stand in seven bits of a frozen one. */
_Static_assert(HIPT_GATHERS_MAX < 64u, "a gather's number is a bit of a word");

static bool is_written_file(const struct hipt_table *table, uint64_t pte)
{
    struct hipt_page none = {0, 0, 0};
    struct hipt_mapping mapping = hipti_pte_unpack(pte, none);

    return (mapping.marks & HIPT_DIRTY) && ((table->file_attrs >> mapping.attr) & 1u);
}

enum hipt_status hipti_freeze(struct hipt_table *table, hipti_slot slot, uint64_t *pte, struct hipti_freezing freezing)
{
    switch (hipti_pte_state(*pte)) {
    case HIPTI_LIVE:
        if (freezing.is_lazy && is_written_file(table, *pte)) {
            return HIPT_DIRTY;
        }
        return hipti_slot_change(&table->buckets, slot, pte, hipti_pte_ended(*pte, HIPTI_FROZEN, freezing.gather))
                   ? HIPT_OK
                   : HIPT_CHANGED;
    case HIPTI_HELD:
    case HIPTI_FROZEN:
        return HIPT_BUSY;
    default: /* not a mapping yet */
        return HIPT_ABSENT;
    }
}

enum hipt_status hipti_freeze_page(struct hipt_table *table, const struct hipt_page *page,
                                   struct hipti_freezing freezing, struct hipti_taken *taken)
{
    enum hipt_status status;

    taken->asid = page->asid;
    do {
        if (!hipti_page_find_to_own(table, page, &taken->slot, &taken->pte)) {
            return HIPT_ABSENT;
        }
        if (hipti_pte_state(taken->pte) == HIPTI_FROZEN) {
            return HIPT_CHANGED;
        }
        status = hipti_freeze(table, taken->slot, &taken->pte, freezing);
    } while (status == HIPT_CHANGED);
    return status;
}

/* The record of a taken mapping's frame. */
static uint32_t taken_number(const struct hipt_table *table, struct hipti_taken taken)
{
    return hipti_frames_number(&table->frames, hipti_pte_pfn(taken.pte), hipti_pte_is_swap(taken.pte));
}

void hipti_destroy(struct hipt_table *table, struct hipti_taken taken, enum hipti_unlink why)
{
    uint32_t number = taken_number(table, taken);
    uint32_t cell = hipti_frame_unlink(&table->frames, number, taken.slot, why);

    hipti_slot_release(&table->buckets, taken.slot);
    hipti_asid_forget(&table->asids, taken.asid, cell);
}

void hipti_fetch_taken(const struct hipt_table *table, struct hipti_taken taken)
{
    hipti_fetch_frame(table, taken_number(table, taken));
}

/* Fetch the cell of a mapping whose frame's record is there. */
static void fetch_cell(const struct hipt_table *table, struct hipti_taken taken)
{
    hipti_fetch_cell(table, hipti_frame_cell_hint(&table->frames, taken_number(table, taken), taken.slot));
}

void hipti_destroy_several(struct hipt_table *table, const struct hipti_taken *taken, unsigned count)
{
    unsigned i;

    for (i = 0; i < count && i < HIPTI_CELLS_AHEAD; i++) {
        fetch_cell(table, taken[i]);
    }
    for (i = 0; i < count; i++) {
        if (count - i > HIPTI_CELLS_AHEAD) {
            fetch_cell(table, taken[i + HIPTI_CELLS_AHEAD]);
        }
        hipti_destroy(table, taken[i], HIPTI_UNLINK_END);
    }
}

void hipti_shoot_range(struct hipt_table *table, const struct hipt_page *page, uint64_t npages)
{
    struct hipti_shootdown *shootdown = &table->shootdown;

    if (shootdown->ncpus) {
        hipti_shootdown_add(shootdown, page->asid, page->vpn, npages * hipti_size_pages(table, page->size));
        hipti_shootdown_round(shootdown, page->asid);
    }
}

enum hipt_status hipti_thaw(struct hipt_table *table, const struct hipt_page *page, hipti_slot slot, uint64_t pte)
{
    if (!hipti_shootdown_can_wait(&table->shootdown)) {
        return HIPT_BUSY;
    }
    hipti_shoot(table, page);
    /* P14. Whoever fails was helped, or finds the slot in its next life. */
    (void)hipti_slot_change(&table->buckets, slot, &pte, hipti_pte_with_state(pte, HIPTI_ENDED));
    return HIPT_CHANGED;
}

enum hipt_status hipt_gather_start(struct hipt_gather *gather, struct hipt_table *table, uint32_t asid,
                                   enum hipt_gather_mode mode)
{
    static const struct hipt_gather none;
    struct hipti_space *space = NULL;

    *gather = none;
    if ((unsigned)mode > HIPT_TTL || (mode == HIPT_TTL && !table->ttl)) {
        return HIPT_BAD_MODE;
    }
    if (asid > table->split.last_asid) {
        return HIPT_BAD_ASID;
    }
    if (table->shootdown.ncpus) {
        space = hipti_space_find(&table->shootdown, asid);
        if (!space || hipti_load_relaxed(&space->generation) == 0) { /* never opened: a hint */
            return HIPT_BAD_ASID;
        }
        gather->number = hipti_gather_take(space);
        if (gather->number == 0) {
            return HIPT_FULL;
        }
    }
    gather->table = table;
    gather->asid = asid;
    gather->mode = mode;
    return HIPT_OK;
}

/* Give the range a place, next to what it continues. => false: all are in use. */
static bool gather_range(struct hipt_gather *gather, const struct hipt_page *page, uint64_t npages)
{
    unsigned last = gather->nranges - 1u;

    if (gather->nranges > 0 && gather->range[last].first.size == page->size &&
        page->vpn == gather->range[last].first.vpn +
                         gather->range[last].npages * hipti_size_pages(gather->table, page->size)) {
        gather->range[last].npages += npages;
        return true;
    }
    if (gather->nranges == HIPT_GATHER_RANGES) {
        return false;
    }
    gather->range[gather->nranges].first = *page;
    gather->range[gather->nranges].npages = npages;
    gather->nranges++;
    return true;
}

/* Freeze one page. => HIPT_OK: *taken; HIPT_ABSENT, HIPT_BUSY, HIPT_DIRTY. */
static enum hipt_status gather_freeze(struct hipt_gather *gather, const struct hipt_page *page,
                                      struct hipti_taken *taken)
{
    struct hipti_freezing freezing = {gather->number, gather->mode != HIPT_SYNC};
    enum hipt_status status = hipti_freeze_page(gather->table, page, freezing, taken);

    /* frozen by another: it is in our range, so our round is for it too (S2) */
    return status == HIPT_CHANGED ? HIPT_ABSENT : status;
}

/*
 * Freeze up to HIPTI_TURN pages from @page on, which moves on; where no CPU has a cache nobody is to be asked, and they
 * are destroyed. => the first status that is neither OK nor ABSENT, or OK.
 */
static enum hipt_status gather_turn(struct hipt_gather *gather, struct hipt_page *page, uint64_t npages,
                                    struct hipti_ahead *ahead, uint64_t *done)
{
    struct hipt_table *table = gather->table;
    struct hipti_taken taken[HIPTI_TURN];
    enum hipt_status result = HIPT_OK;
    unsigned count = 0;

    HIPT_PORT_READ_ENTER(&table->ops);
    while (npages-- > 0) {
        enum hipt_status status;

        hipti_ahead_next(table, ahead);
        status = gather_freeze(gather, page, &taken[count]);
        if (status == HIPT_OK) {
            hipti_fetch_taken(table, taken[count++]);
        } else if (status != HIPT_ABSENT && result == HIPT_OK) {
            result = status;
        }
        page->vpn += hipti_size_pages(table, page->size);
    }
    if (table->shootdown.ncpus == 0) {
        hipti_destroy_several(table, taken, count);
    }
    HIPT_PORT_READ_EXIT(&table->ops);
    *done += count;
    return result;
}

/* A clock that far in the future does not come round. */
static uint64_t time_after(uint64_t now, uint64_t ttl)
{
    return now + ttl < now ? UINT64_MAX : now + ttl;
}

void hipt_gather_dispatch(struct hipt_gather *gather)
{
    struct hipt_table *table = gather->table;
    unsigned i;

    if (gather->is_dispatched) {
        return;
    }
    gather->is_dispatched = true;
    gather->looks = 0;
    gather->is_slow = false;
    gather->dispatched = table->ops.clock ? table->ops.clock(table->ops.ctx) : 0;
    for (i = 0; i < gather->nranges; i++) {
        const struct hipt_page *first = &gather->range[i].first;

        hipti_shootdown_add(&table->shootdown, gather->asid, first->vpn,
                            gather->range[i].npages * hipti_size_pages(table, first->size));
    }
    if (gather->mode == HIPT_TTL) {
        gather->due = time_after(gather->dispatched, table->ttl);
    } else if (gather->nranges > 0) {
        gather->ticket = hipti_shootdown_dispatch(&table->shootdown, gather->asid);
    }
}

bool hipt_gather_poll(struct hipt_gather *gather)
{
    struct hipt_table *table = gather->table;

    HIPTI_REQUIRE(gather->is_dispatched);
    if (gather->mode == HIPT_TTL) {
        return table->ops.clock(table->ops.ctx) >= gather->due;
    }
    if (gather->ticket == 0 ||
        hipti_shootdown_poll(&table->shootdown, gather->asid, gather->ticket, ++gather->looks)) {
        gather->ticket = 0; /* once is enough: a CPU that was outside may come in again, and has not served yet */
        return true;
    }
    if (!gather->is_slow) {
        gather->is_slow =
            hipti_shootdown_report(&table->shootdown, gather->asid, gather->ticket, gather->dispatched);
    }
    return false;
}

enum hipt_status hipt_gather_sync(struct hipt_gather *gather)
{
    struct hipt_table *table = gather->table;

    hipt_gather_dispatch(gather);
    while (!hipt_gather_poll(gather)) {
        if (!hipti_shootdown_can_wait(&table->shootdown)) {
            return HIPT_PENDING;
        }
        if (table->ops.relax) {
            table->ops.relax(table->ops.ctx);
        }
    }
    return HIPT_OK;
}

/* Steps 4 to 6 for up to HIPTI_TURN pages from @page on, which moves on. */
static void destroy_turn(struct hipt_gather *gather, struct hipt_page *page, uint64_t npages,
                         struct hipti_ahead *ahead)
{
    struct hipt_table *table = gather->table;
    struct hipti_taken taken[HIPTI_TURN];
    unsigned count = 0;

    HIPT_PORT_READ_ENTER(&table->ops);
    while (npages-- > 0) {
        struct hipti_taken *next = &taken[count];

        hipti_ahead_next(table, ahead);
        next->asid = gather->asid;
        if (hipti_page_find_ended(table, page, gather->number, &next->slot, &next->pte)) {
            hipti_fetch_taken(table, *next);
            count++;
        }
        page->vpn += hipti_size_pages(table, page->size);
    }
    hipti_destroy_several(table, taken, count);
    HIPT_PORT_READ_EXIT(&table->ops);
}

/* The same for a range. */
static void destroy_range(struct hipt_gather *gather, struct hipt_page page, uint64_t npages)
{
    struct hipti_ahead ahead = hipti_ahead_start(&page, npages);

    while (npages > 0) {
        uint64_t some = npages < HIPTI_TURN ? npages : HIPTI_TURN;

        destroy_turn(gather, &page, some, &ahead);
        npages -= some;
    }
}

/* Steps 2 to 6 of all that was added; the gather is as it was started. => HIPT_OK, HIPT_PENDING. */
static enum hipt_status gather_complete(struct hipt_gather *gather)
{
    unsigned i;

    hipt_gather_dispatch(gather);
    if (gather->mode == HIPT_SYNC ? hipt_gather_sync(gather) != HIPT_OK : !hipt_gather_poll(gather)) {
        return HIPT_PENDING;
    }
    for (i = 0; i < gather->nranges; i++) {
        destroy_range(gather, gather->range[i].first, gather->range[i].npages);
    }
    gather->nranges = 0;
    gather->is_dispatched = false;
    gather->ticket = 0;
    return HIPT_OK;
}

/* A place for the range, if need be by completing what there is. => HIPT_OK, HIPT_FULL, HIPT_PENDING. */
static enum hipt_status gather_room(struct hipt_gather *gather, const struct hipt_page *page, uint64_t npages)
{
    enum hipt_status status;

    if (gather->table->shootdown.ncpus == 0 || (!gather->is_dispatched && gather_range(gather, page, npages))) {
        return HIPT_OK;
    }
    if (gather->mode != HIPT_SYNC && !gather->is_dispatched) {
        return HIPT_FULL;
    }
    status = gather_complete(gather);
    if (status == HIPT_OK) {
        (void)gather_range(gather, page, npages); /* all are free */
    }
    return status;
}

/* Step 1 for a range that has a place. => as gather_turn(). */
static enum hipt_status gather_pages(struct hipt_gather *gather, struct hipt_page page, uint64_t npages,
                                     uint64_t *done)
{
    struct hipti_ahead ahead = hipti_ahead_start(&page, npages);
    enum hipt_status status = HIPT_OK;

    while (npages > 0) {
        uint64_t some = npages < HIPTI_TURN ? npages : HIPTI_TURN;
        enum hipt_status turn = gather_turn(gather, &page, some, &ahead, done);

        status = status == HIPT_OK ? turn : status;
        npages -= some;
    }
    return status;
}

enum hipt_status hipt_gather_add(struct hipt_gather *gather, const struct hipt_page *page, uint64_t npages,
                                 uint64_t *done)
{
    enum hipt_status status = hipti_pages_check(gather->table, page, npages);
    uint64_t ended = 0;

    HIPTI_REQUIRE(gather->number != 0 || gather->table->shootdown.ncpus == 0); /* started, and not finished */
    if (status == HIPT_OK && page->asid != gather->asid) {
        status = HIPT_BAD_ASID;
    }
    if (status == HIPT_OK && npages > 0) {
        status = gather_room(gather, page, npages);
    }
    if (status == HIPT_OK) {
        status = gather_pages(gather, *page, npages, &ended);
    }
    if (done) {
        *done = ended;
    }
    return status;
}

enum hipt_status hipt_gather_finish(struct hipt_gather *gather)
{
    enum hipt_status status = gather->table ? gather_complete(gather) : HIPT_OK;

    if (status == HIPT_OK && gather->number) {
        hipti_gather_give(hipti_space_find(&gather->table->shootdown, gather->asid), gather->number);
        gather->number = 0;
    }
    return status;
}
