/* SPDX-License-Identifier: MIT */
/*
 * Splitting, punching, collapsing: one large mapping and many small ones change places. A small page that is held while
 * the large one around it shows is hidden by it: a lookup takes a live page of any size, but of held ones the largest.
 *
 *   split     hold the large page      P15  it translates as before; its marks are final; no CPU takes it up
 *             put the small ones in    P16  held: hidden, and closed to updates
 *             move .reshapes
 *             freeze the large one     P18  the switch: the small ones show. Those of a hole were never put in
 *             let the small ones go    P17
 *             shootdown                     one round for all of it; then the large one is destroyed
 *
 *   collapse  hold the small ones      P15  they translate as before; their marks are final; no CPU takes them up
 *             put the large one in     P16  held: the switch: it hides the small ones
 *             move .reshapes
 *             shootdown                     one round for all of it
 *             freeze the small ones    P18  each is destroyed at once
 *             let the large one go     P17
 *
 * Who looks for several sizes may look for the large page too early and for the small one too late, and find neither.
 * What it missed there it has acquired the end of, and .reshapes was moved before that end [publish:reshape]: it sees
 * the number moved, and looks again. The same holds for a map that looks whether pages overlap its own.
 *
 * A held slot is nobody else's, so it keeps its place without a read side, and is found again by its key. All that may
 * fail is inside one read side: what is let go then can be taken out if the asid has been retired, and the asid is not
 * issued again before. Afterwards the large page, or small page 0, which is taken out last, keeps it from that.
 */
#include <hipt/huge.h>

#include "map/attempt.h"
#include "map/gather.h"

#define TURN 32u /* pages in one read side, as in gather.c */

/* One large mapping and the small ones inside it; they are numbered from 0. */
struct reshape {
    struct hipt_table *table;
    struct hipti_asid *asid;
    struct hipt_page page; /* the large one */
    uint32_t size;         /* of the small ones */
    uint64_t count;        /* of the small ones */
    uint64_t hole;         /* those that are left out */
    uint64_t hole_end;
    hipti_slot slot;       /* of the large one that is split */
    uint64_t pte;          /* its word; or that of small page 0, with the marks of all held so far */
};

static struct reshape reshape_make(struct hipt_table *table, const struct hipt_page *page, uint32_t size)
{
    struct reshape reshape = {.table = table, .page = *page, .size = size};

    reshape.count = hipti_size_pages(table, page->size) / hipti_size_pages(table, size);
    return reshape;
}

/* Small mapping @i of the large one. */
static struct hipt_mapping part(const struct reshape *reshape, uint64_t i)
{
    struct hipt_mapping mapping = hipti_pte_unpack(reshape->pte, reshape->page);
    uint64_t offset = i * hipti_size_pages(reshape->table, reshape->size);

    mapping.page.size = reshape->size;
    mapping.page.vpn += offset;
    mapping.pfn += offset;
    return mapping;
}

/* Do @step for small pages @first to @end - 1. => how many it was done for: all, or those before *status. */
static uint64_t each(struct reshape *reshape, uint64_t first, uint64_t end,
                     enum hipt_status (*step)(struct reshape *, uint64_t), enum hipt_status *status)
{
    const struct hipt_ops *ops = &reshape->table->ops;
    uint64_t i = first;

    *status = HIPT_OK;
    while (*status == HIPT_OK && i < end) {
        uint64_t turn = end - i < TURN ? end : i + TURN;

        HIPT_PORT_READ_ENTER(ops);
        for (; i < turn; i++) {
            *status = step(reshape, i);
            if (*status != HIPT_OK) {
                break;
            }
        }
        HIPT_PORT_READ_EXIT(ops);
    }
    return i - first;
}

/* The same for all but those of the hole, where no step fails. */
static void each_left(struct reshape *reshape, enum hipt_status (*step)(struct reshape *, uint64_t))
{
    enum hipt_status status;

    (void)each(reshape, 0, reshape->hole, step, &status);
    (void)each(reshape, reshape->hole_end, reshape->count, step, &status);
}

/* => the slot of a page that the caller holds, and its word. */
static hipti_slot held_slot(struct hipt_table *table, const struct hipt_page *page, uint64_t *pte)
{
    hipti_slot slot = 0;
    bool is_found = hipti_page_find(table, page, &slot, pte);

    HIPTI_REQUIRE(is_found && hipti_pte_state(*pte) == HIPTI_HELD);
    (void)is_found;
    return slot;
}

/* Let a held page go (P17). */
static void let_page_go(struct hipt_table *table, const struct hipt_page *page)
{
    uint64_t pte;
    hipti_slot slot = held_slot(table, page, &pte);

    hipti_slot_publish(&table->buckets, slot, hipti_pte_with_state(pte, HIPTI_LIVE));
}

static enum hipt_status let_go(struct reshape *reshape, uint64_t i)
{
    struct hipt_mapping mapping = part(reshape, i);

    let_page_go(reshape->table, &mapping.page);
    return HIPT_OK;
}

/* Take a page out whose slot is frozen or ended and the caller's. */
static void take_out(const struct reshape *reshape, hipti_slot slot, uint64_t pte, enum hipti_unlink why)
{
    struct hipti_taken taken = {slot, reshape->page.asid, pte};

    hipti_destroy(reshape->table, taken, why);
}

/*
 * A committed page is held (P16), unless its asid is elsewhere by now, or another map has aborted it: a smaller one,
 * which is refused by what is held already, or one that has the asid elsewhere.
 */
static enum hipt_status attempt_hold(struct hipti_attempt *attempt)
{
    struct hipti_buckets *buckets = &attempt->table->buckets;
    uint64_t pte = hipti_pte_with_state(attempt->claim.pte, HIPTI_TENTATIVE);
    bool is_placed = hipti_attempt_is_placed(attempt);
    uint64_t next = is_placed ? hipti_pte_with_state(pte, HIPTI_HELD) : hipti_pte_ended(pte, HIPTI_ENDED, 0);

    if (hipti_slot_change(buckets, attempt->claim.slot, &pte, next) && is_placed) {
        return HIPT_OK;
    }
    hipti_attempt_undo(attempt);
    return HIPT_CHANGED;
}

/* Put a page in, held. => HIPT_OK, or nothing has changed. */
static enum hipt_status put_in(const struct reshape *reshape, const struct hipt_mapping *mapping, uint32_t number)
{
    struct hipti_attempt attempt = {.table = reshape->table, .mapping = mapping, .asid = reshape->asid};
    enum hipt_status status;

    attempt.number = number;
    do {
        status = hipti_attempt_reserve(&attempt);
        if (status == HIPT_OK) {
            status = hipti_attempt_commit(&attempt);
        }
        if (status == HIPT_OK) {
            status = attempt_hold(&attempt);
        } else if (status == HIPT_BUSY) {
            status = hipti_attempt_help(reshape->table, &mapping->page);
        }
    } while (status == HIPT_CHANGED);
    return status;
}

/* From here on who finds nothing where something is taken out looks again. */
static void announce_reshape(struct hipt_table *table)
{
    (void)hipti_fetch_add_release(&table->reshapes, 1u); /* [publish:reshape] what has been put in */
}

static enum hipt_status unmap_retired(struct reshape *reshape, uint64_t i)
{
    struct hipt_mapping mapping = part(reshape, i);

    hipti_unmap_if_retired(reshape->table, &mapping.page);
    return HIPT_OK;
}

/* As hipti_unmap_if_retired(), for the first @count small pages. */
static void unmap_parts_if_retired(struct reshape *reshape, uint64_t count)
{
    enum hipt_status status;

    if (!hipti_asid_confirm(reshape->asid)) {
        (void)each(reshape, 0, count, unmap_retired, &status);
    }
}

/* Put a hidden small page in. */
static enum hipt_status put_part(struct reshape *reshape, uint64_t i)
{
    struct hipt_mapping mapping = part(reshape, i);

    return put_in(reshape, &mapping, hipti_frames_number(&reshape->table->frames, mapping.pfn, mapping.swap));
}

/* Take a hidden small page out again (P19). */
static enum hipt_status drop_part(struct reshape *reshape, uint64_t i)
{
    struct hipt_mapping mapping = part(reshape, i);
    uint64_t pte;
    hipti_slot slot = held_slot(reshape->table, &mapping.page, &pte);

    hipti_slot_publish(&reshape->table->buckets, slot, hipti_pte_ended(pte, HIPTI_ENDED, 0));
    take_out(reshape, slot, pte, HIPTI_UNLINK_UNDO);
    return HIPT_OK;
}

/* Put all small pages in but those of the hole. => HIPT_OK, or nothing has changed. */
static enum hipt_status put_parts(struct reshape *reshape)
{
    enum hipt_status ignored;
    enum hipt_status status;
    uint64_t before = each(reshape, 0, reshape->hole, put_part, &status);
    uint64_t behind = 0;

    if (status == HIPT_OK) {
        behind = each(reshape, reshape->hole_end, reshape->count, put_part, &status);
    }
    if (status != HIPT_OK) {
        (void)each(reshape, 0, before, drop_part, &ignored);
        (void)each(reshape, reshape->hole_end, reshape->hole_end + behind, drop_part, &ignored);
    }
    return status;
}

/* A frame of the hole has no mapping any more: if nobody has it pinned or mapped, it is on its way to limbo. */
static enum hipt_status release_frame(struct reshape *reshape, uint64_t i)
{
    struct hipti_frames *frames = &reshape->table->frames;
    struct hipt_mapping mapping = part(reshape, i);
    uint32_t number = hipti_frames_number(frames, mapping.pfn, mapping.swap);

    if (hipti_frame_pin(frames, number) == HIPT_OK) { /* else it is so, or others will send it there */
        (void)hipti_frame_unpin(frames, number);
    }
    return HIPT_OK;
}

/* The small pages translate. */
static void split_finish(struct reshape *reshape)
{
    struct hipt_table *table = reshape->table;
    struct hipti_taken taken = {reshape->slot, reshape->page.asid, reshape->pte};
    enum hipt_status status;

    hipti_shoot(table, &reshape->page);
    unmap_parts_if_retired(reshape, reshape->count); /* while the large page keeps the asid from being issued */
    (void)each(reshape, reshape->hole, reshape->hole_end, release_frame, &status);
    HIPT_PORT_READ_ENTER(&table->ops);
    hipti_destroy(table, taken, HIPTI_UNLINK_END);
    HIPT_PORT_READ_EXIT(&table->ops);
}

/* All that may fail, and the switch. => HIPT_OK, or nothing has changed. Inside a read side, as a remap. */
static enum hipt_status split_begin(struct reshape *reshape)
{
    struct hipt_table *table = reshape->table;
    enum hipt_status status = hipti_hold(table, &reshape->page, &reshape->slot, &reshape->pte);

    if (status != HIPT_OK) {
        return status;
    }
    reshape->asid = hipti_asid_record(&table->asids, reshape->page.asid);
    status = put_parts(reshape);
    if (status != HIPT_OK) {
        let_page_go(table, &reshape->page);
        hipti_unmap_if_retired(table, &reshape->page);
        return status;
    }
    announce_reshape(table);
    hipti_slot_publish(&table->buckets, reshape->slot, hipti_pte_ended(reshape->pte, HIPTI_FROZEN, 0)); /* P18 */
    each_left(reshape, let_go);
    return HIPT_OK;
}

static enum hipt_status split(struct reshape *reshape)
{
    enum hipt_status status;

    HIPT_PORT_READ_ENTER(&reshape->table->ops);
    status = split_begin(reshape);
    HIPT_PORT_READ_EXIT(&reshape->table->ops);
    if (status == HIPT_OK) {
        split_finish(reshape);
    }
    return status;
}

/* => HIPT_OK, or why a page cannot be made of, or into, pages of class @size. */
static enum hipt_status reshape_check(const struct hipt_table *table, const struct hipt_page *page, uint32_t size)
{
    enum hipt_status status = hipti_page_check(table, page);

    if (status == HIPT_OK && size >= page->size) {
        status = HIPT_BAD_SIZE;
    }
    return status;
}

/* => HIPT_OK: *reshape; or why it cannot be. */
static enum hipt_status reshape_start(struct reshape *reshape, struct hipt_table *table, const struct hipt_page *page,
                                      uint32_t size)
{
    enum hipt_status status = reshape_check(table, page, size);

    status = status == HIPT_OK ? hipti_wait_check(table) : status;
    if (status == HIPT_OK) {
        *reshape = reshape_make(table, page, size);
    }
    return status;
}

enum hipt_status hipt_split(struct hipt_table *table, const struct hipt_page *page, uint32_t size)
{
    struct reshape reshape;
    enum hipt_status status = reshape_start(&reshape, table, page, size);

    if (status != HIPT_OK) {
        return status;
    }
    reshape.hole = reshape.hole_end = reshape.count;
    return split(&reshape);
}

/* => HIPT_OK, or why @npages from @hole on cannot be punched out of @page. */
static enum hipt_status hole_check(const struct hipt_table *table, const struct hipt_page *page,
                                   const struct hipt_page *hole, uint64_t npages)
{
    enum hipt_status status = hipti_pages_check(table, hole, npages);
    uint64_t first = hole->vpn - page->vpn;
    uint64_t pages = hipti_size_pages(table, page->size);

    if (status == HIPT_OK && hole->asid != page->asid) {
        return HIPT_BAD_ASID;
    }
    if (status == HIPT_OK &&
        (hole->vpn < page->vpn || first >= pages || npages > (pages - first) / hipti_size_pages(table, hole->size))) {
        return HIPT_BAD_VPN;
    }
    return status;
}

enum hipt_status hipt_punch(struct hipt_table *table, const struct hipt_page *page, const struct hipt_page *hole,
                            uint64_t npages, struct hipt_mapping *out)
{
    enum hipt_status status = reshape_check(table, page, hole->size);
    struct reshape reshape;

    status = status == HIPT_OK ? hole_check(table, page, hole, npages) : status;
    status = status == HIPT_OK ? hipti_wait_check(table) : status;
    if (status != HIPT_OK) {
        return status;
    }
    reshape = reshape_make(table, page, hole->size);
    reshape.hole = (hole->vpn - page->vpn) / hipti_size_pages(table, hole->size);
    reshape.hole_end = reshape.hole + npages;
    status = split(&reshape);
    if (status == HIPT_OK && out) {
        *out = hipti_pte_unpack(reshape.pte, *page);
    }
    return status;
}

/* => whether small page @i, whose word is @pte, is what it has to be beside page 0; marks may differ. */
static bool is_like(const struct reshape *reshape, uint64_t i, uint64_t pte)
{
    uint64_t offset = i * hipti_size_pages(reshape->table, reshape->size);
    uint64_t ignored = HIPTI_PTE_VERSION_MASK | (UINT64_C(3) << HIPTI_PTE_MARKS_SHIFT);

    return hipti_pte_pfn(pte) >= offset && ((reshape->pte ^ (pte - offset)) & ~ignored) == 0;
}

/* Hold a small page, and let the large one's word become that of all so far. => HIPT_OK, or it is not held. */
static enum hipt_status hold_part(struct reshape *reshape, uint64_t i)
{
    struct hipt_table *table = reshape->table;
    struct hipt_page page = reshape->page;
    enum hipt_status status;
    hipti_slot slot;
    uint64_t pte;

    page.size = reshape->size;
    page.vpn += i * hipti_size_pages(table, page.size);
    status = hipti_hold(table, &page, &slot, &pte);
    if (status != HIPT_OK) {
        return status;
    }
    if (i == 0) {
        reshape->pte = pte;
        reshape->asid = hipti_asid_record(&table->asids, page.asid);
    } else if (!is_like(reshape, i, pte)) {
        hipti_slot_publish(&table->buckets, slot, pte);
        hipti_unmap_if_retired(table, &page);
        return HIPT_UNLIKE;
    }
    reshape->pte |= pte & (UINT64_C(3) << HIPTI_PTE_MARKS_SHIFT);
    return HIPT_OK;
}

/* All small pages are held: put the large one in. => HIPT_OK: it translates them all; or nothing has changed. */
static enum hipt_status put_large(struct reshape *reshape)
{
    struct hipt_mapping mapping = hipti_pte_unpack(reshape->pte, reshape->page);
    uint32_t number;

    if (hipti_mapping_check(reshape->table, &mapping, 1, &number) != HIPT_OK) {
        return HIPT_UNLIKE; /* the first frame is no multiple of the size, or they are not in one range */
    }
    return put_in(reshape, &mapping, number);
}

/* All that may fail, and the switch. => HIPT_OK, or nothing has changed. Inside a read side. */
static enum hipt_status collapse_begin(struct reshape *reshape)
{
    enum hipt_status ignored;
    enum hipt_status status;
    uint64_t held = each(reshape, 0, reshape->count, hold_part, &status);

    if (status == HIPT_OK) {
        status = put_large(reshape);
    }
    if (status == HIPT_OK) {
        announce_reshape(reshape->table);
    } else if (held > 0) {
        (void)each(reshape, 0, held, let_go, &ignored);
        unmap_parts_if_retired(reshape, held);
    }
    return status;
}

/* End a hidden small page (P18). */
static enum hipt_status end_part(struct reshape *reshape, uint64_t i)
{
    struct hipt_mapping mapping = part(reshape, i);
    uint64_t pte;
    hipti_slot slot = held_slot(reshape->table, &mapping.page, &pte);

    hipti_slot_publish(&reshape->table->buckets, slot, hipti_pte_ended(pte, HIPTI_FROZEN, 0));
    take_out(reshape, slot, pte, HIPTI_UNLINK_MERGE);
    return HIPT_OK;
}

/* The large page translates. */
static void collapse_finish(struct reshape *reshape)
{
    struct hipt_table *table = reshape->table;
    struct hipt_mapping first = part(reshape, 0);
    enum hipt_status status;
    hipti_slot slot;
    uint64_t pte;

    hipti_shoot(table, &reshape->page);
    (void)each(reshape, 1, reshape->count, end_part, &status);
    HIPT_PORT_READ_ENTER(&table->ops);
    slot = held_slot(table, &first.page, &pte);
    hipti_slot_publish(&table->buckets, slot, hipti_pte_ended(pte, HIPTI_FROZEN, 0)); /* P18 */
    let_page_go(table, &reshape->page);
    hipti_unmap_if_retired(table, &reshape->page); /* while the first page keeps the asid from being issued */
    take_out(reshape, slot, pte, HIPTI_UNLINK_END); /* the large page has this frame too, and may have ended by now */
    HIPT_PORT_READ_EXIT(&table->ops);
}

enum hipt_status hipt_collapse(struct hipt_table *table, const struct hipt_page *page, uint32_t size)
{
    struct reshape reshape;
    enum hipt_status status = reshape_start(&reshape, table, page, size);

    if (status != HIPT_OK) {
        return status;
    }
    HIPT_PORT_READ_ENTER(&table->ops);
    status = collapse_begin(&reshape);
    HIPT_PORT_READ_EXIT(&table->ops);
    if (status == HIPT_OK) {
        collapse_finish(&reshape);
    }
    return status;
}
