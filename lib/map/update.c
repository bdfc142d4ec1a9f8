/* SPDX-License-Identifier: MIT */
/* Updates of a mapping in place: protection by page, accessed and dirty by the translation that was read. */
#include "map/ahead.h"
#include "map/gather.h"

/* A protection on its way to some pages of an asid. */
struct protecting {
    struct hipt_table *table;
    struct hipti_space *space; /* NULL: no CPU has a cache */
    uint8_t prot;
    bool is_narrowing;         /* some page allowed more, and others know that we are at it */
};

/*
 * A page is about to allow less. Whoever widens it again, or finds it as narrow as wanted, must not return before the
 * CPUs have forgotten: so this is to be seen by all who see the word that we are about to write.
 */
static void announce_narrowing(struct protecting *protecting)
{
    if (!protecting->is_narrowing && protecting->space) {
        protecting->is_narrowing = true;
        (void)hipti_fetch_add_relaxed(&protecting->space->narrowing, 1u); /* the slot's word publishes it */
    }
}

static enum hipt_status protect_page(struct protecting *protecting, const struct hipt_page *page)
{
    struct hipt_table *table = protecting->table;
    hipti_slot slot;
    uint64_t pte;

    while (hipti_page_find(table, page, &slot, &pte)) {
        switch (hipti_pte_state(pte)) {
        case HIPTI_LIVE:
            if (hipti_pte_unpack(pte, *page).prot & ~protecting->prot) {
                announce_narrowing(protecting);
            }
            if (hipti_slot_change(&table->buckets, slot, &pte, hipti_pte_with_prot(pte, protecting->prot))) {
                return HIPT_OK;
            }
            break; /* another update of this page succeeded */
        case HIPTI_HELD:
        case HIPTI_FROZEN:
            return HIPT_BUSY;
        default: /* not a mapping yet */
            return HIPT_ABSENT;
        }
    }
    return HIPT_ABSENT;
}

/* One round for all pages, if any CPU may still have more than is allowed now. */
static void protect_finish(struct protecting *protecting, const struct hipt_page *page, uint64_t npages)
{
    /* acquire: who narrowed before us has seen the CPUs forget [observe:narrowing] */
    if (!protecting->space || hipti_load_acquire(&protecting->space->narrowing) == 0) {
        return;
    }
    hipti_shoot_range(protecting->table, page, npages);
    if (protecting->is_narrowing) {
        (void)hipti_fetch_sub_release(&protecting->space->narrowing, 1u); /* [publish:narrowing] */
    }
}

/* Up to HIPTI_TURN pages from @page on, which moves on. => HIPT_OK; HIPT_BUSY: some page was left. */
static enum hipt_status protect_turn(struct protecting *protecting, struct hipt_page *page, uint64_t npages,
                                     struct hipti_ahead *ahead, uint64_t *changed)
{
    struct hipt_table *table = protecting->table;
    enum hipt_status result = HIPT_OK;

    HIPT_PORT_READ_ENTER(&table->ops);
    while (npages-- > 0) {
        enum hipt_status status;

        hipti_ahead_next(table, ahead);
        status = protect_page(protecting, page);
        *changed += status == HIPT_OK;
        result = status == HIPT_BUSY ? status : result;
        page->vpn += hipti_size_pages(table, page->size);
    }
    HIPT_PORT_READ_EXIT(&table->ops);
    return result;
}

/* => HIPT_OK; HIPT_BUSY: some page was left. The range is not empty. */
static enum hipt_status protect_pages(struct hipt_table *table, const struct hipt_page *page, uint64_t npages,
                                      uint8_t prot, uint64_t *changed)
{
    struct protecting protecting = {table, NULL, prot, false};
    struct hipti_ahead ahead = hipti_ahead_start(page, npages);
    enum hipt_status result = HIPT_OK;
    struct hipt_page at = *page;
    uint64_t left;

    if (table->shootdown.ncpus) {
        protecting.space = hipti_space_find(&table->shootdown, page->asid);
    }
    for (left = npages; left > 0;) {
        uint64_t some = left < HIPTI_TURN ? left : HIPTI_TURN;

        result = protect_turn(&protecting, &at, some, &ahead, changed) == HIPT_BUSY ? HIPT_BUSY : result;
        left -= some;
    }
    protect_finish(&protecting, page, npages);
    return result;
}

enum hipt_status hipt_protect_range(struct hipt_table *table, const struct hipt_page *page, uint64_t npages,
                                    uint8_t prot, uint64_t *done)
{
    enum hipt_status status = hipti_pages_check(table, page, npages);
    uint64_t changed = 0;

    status = status == HIPT_OK ? hipti_prot_check(prot) : status;
    status = status == HIPT_OK ? hipti_wait_check(table) : status;
    if (status == HIPT_OK && npages > 0) {
        status = protect_pages(table, page, npages, prot, &changed);
    }
    if (done) {
        *done = changed;
    }
    return status;
}

enum hipt_status hipt_protect(struct hipt_table *table, const struct hipt_page *page, uint8_t prot)
{
    uint64_t changed;
    enum hipt_status status = hipt_protect_range(table, page, 1, prot, &changed);

    return status == HIPT_OK && changed == 0 ? HIPT_ABSENT : status;
}

/* The same mapping, marks aside: key and life by the version, translation and protection by their bits. */
static bool pte_same_mapping(uint64_t a, uint64_t b)
{
    return ((a ^ b) & ~(UINT64_C(3) << HIPTI_PTE_MARKS_SHIFT)) == 0;
}

/* Set the marks of @set, clear those of @clear. => HIPT_OK, the word before in *before; HIPT_CHANGED. */
static enum hipt_status change_marks(struct hipt_table *table, struct hipt_translation *translation, uint64_t set,
                                     uint64_t clear, uint64_t *before)
{
    uint64_t next;

    *before = translation->pte;
    do {
        if (!pte_same_mapping(*before, translation->pte) || hipti_pte_state(*before) != HIPTI_LIVE) {
            return HIPT_CHANGED;
        }
        next = (*before & ~(clear << HIPTI_PTE_MARKS_SHIFT)) | (set << HIPTI_PTE_MARKS_SHIFT);
    } while (!hipti_slot_change(&table->buckets, translation->slot, before, next));
    translation->pte = next;
    return HIPT_OK;
}

static bool marks_are_known(uint8_t marks)
{
    return (marks & ~(HIPT_ACCESSED | HIPT_DIRTY)) == 0;
}

enum hipt_status hipt_mark(struct hipt_table *table, struct hipt_translation *translation, uint8_t marks)
{
    enum hipt_status status = HIPT_BAD_ATTR;
    uint64_t before;

    if (marks_are_known(marks)) {
        status = change_marks(table, translation, marks, 0, &before);
    }
    if (status == HIPT_OK) {
        translation->mapping = hipti_pte_unpack(translation->pte, translation->mapping.page);
    }
    return status;
}

enum hipt_status hipt_clean(struct hipt_table *table, struct hipt_translation *translation, uint8_t marks)
{
    enum hipt_status status = HIPT_BAD_ATTR;
    uint64_t before;

    if (marks_are_known(marks)) {
        status = change_marks(table, translation, 0, marks, &before);
    }
    if (status == HIPT_OK) {
        translation->mapping = hipti_pte_unpack(before, translation->mapping.page);
    }
    return status;
}
