/* SPDX-License-Identifier: MIT */
/* Updates of a mapping in place: protection by page, accessed and dirty by the translation that was read. */
#include "map/table.h"

static enum hipt_status protect_page(struct hipt_table *table, const struct hipt_page *page, uint8_t prot)
{
    struct hipti_place place = hipti_page_place(table, page);
    hipti_slot slot;
    uint64_t pte;

    while (hipti_bucket_find(&table->buckets, place, &slot, &pte, NULL)) {
        switch (hipti_pte_state(pte)) {
        case HIPTI_LIVE:
            if (hipti_slot_change(&table->buckets, slot, &pte, hipti_pte_with_prot(pte, prot))) {
                return HIPT_OK;
            }
            break; /* another update of this page succeeded */
        case HIPTI_HELD:
        case HIPTI_FROZEN:
            return HIPT_BUSY;
        default: /* never became a mapping, or not yet */
            return HIPT_ABSENT;
        }
    }
    return HIPT_ABSENT;
}

enum hipt_status hipt_protect(struct hipt_table *table, const struct hipt_page *page, uint8_t prot)
{
    enum hipt_status status = hipti_page_check(table, page);

    if (status == HIPT_OK) {
        status = hipti_prot_check(prot);
    }
    if (status != HIPT_OK) {
        return status;
    }
    HIPT_PORT_READ_ENTER(&table->ops);
    status = protect_page(table, page, prot);
    HIPT_PORT_READ_EXIT(&table->ops);
    return status;
}

enum hipt_status hipt_protect_range(struct hipt_table *table, const struct hipt_page *page, uint64_t npages,
                                    uint8_t prot, uint64_t *done)
{
    enum hipt_status result = hipti_pages_check(table, page, npages);
    struct hipt_page at = *page;
    uint64_t changed = 0;

    if (result == HIPT_OK) {
        result = hipti_prot_check(prot);
    }
    while (result <= HIPT_BUSY && npages-- > 0) {
        enum hipt_status status = hipt_protect(table, &at, prot);

        changed += status == HIPT_OK;
        result = status == HIPT_BUSY ? status : result;
        at.vpn += hipti_size_pages(table, at.size);
    }
    if (done) {
        *done = changed;
    }
    return result;
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
