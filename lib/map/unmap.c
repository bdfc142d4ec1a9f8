/* SPDX-License-Identifier: MIT */
#include "map/gather.h"

/* Find a page's slot and freeze it; the one loop of an unmap, it turns when another update of the page succeeded. */
static enum hipt_status unmap_freeze(struct hipt_table *table, const struct hipt_page *page, struct hipti_taken *taken)
{
    struct hipti_place place = hipti_page_place(table, page);
    enum hipt_status status;

    taken->asid = page->asid;
    do {
        if (!hipti_bucket_find(&table->buckets, place, &taken->slot, &taken->pte, NULL)) {
            return HIPT_ABSENT;
        }
        status = hipti_freeze(table, taken->slot, &taken->pte);
    } while (status == HIPT_CHANGED);
    return status;
}

enum hipt_status hipti_unmap_page(struct hipt_table *table, const struct hipt_page *page, struct hipt_mapping *out)
{
    struct hipti_gather gather;
    struct hipti_taken taken;
    enum hipt_status status = unmap_freeze(table, page, &taken);

    if (status != HIPT_OK) {
        return status;
    }
    hipti_gather_start(&gather);
    hipti_gather_add(table, &gather, taken);
    hipti_gather_finish(table, &gather);
    if (out) {
        *out = hipti_pte_unpack(taken.pte, *page);
    }
    return HIPT_OK;
}

void hipti_unmap_if_retired(struct hipt_table *table, const struct hipt_page *page)
{
    if (!hipti_asid_confirm(hipti_asid_record(&table->asids, page->asid))) {
        (void)hipti_unmap_page(table, page, NULL); /* absent or busy: somebody else is removing it */
    }
}

enum hipt_status hipt_unmap(struct hipt_table *table, const struct hipt_page *page, struct hipt_mapping *out)
{
    enum hipt_status status = hipti_page_check(table, page);

    if (status != HIPT_OK) {
        return status;
    }
    HIPT_PORT_READ_ENTER(&table->ops);
    status = hipti_unmap_page(table, page, out);
    HIPT_PORT_READ_EXIT(&table->ops);
    return status;
}

/* Unmap up to HIPTI_GATHER_MAX pages from @page on, which moves on. => HIPT_OK or HIPT_BUSY. */
static enum hipt_status unmap_some(struct hipt_table *table, struct hipt_page *page, uint64_t npages, uint64_t *done)
{
    enum hipt_status result = HIPT_OK;
    struct hipti_gather gather;
    struct hipti_taken taken;

    hipti_gather_start(&gather);
    while (npages-- > 0) {
        enum hipt_status status = unmap_freeze(table, page, &taken);

        if (status == HIPT_OK) {
            hipti_gather_add(table, &gather, taken);
            (*done)++;
        } else if (status == HIPT_BUSY) {
            result = HIPT_BUSY;
        }
        page->vpn += hipti_size_pages(table, page->size);
    }
    hipti_gather_finish(table, &gather);
    return result;
}

enum hipt_status hipt_unmap_range(struct hipt_table *table, const struct hipt_page *page, uint64_t npages,
                                  uint64_t *done)
{
    enum hipt_status result = hipti_pages_check(table, page, npages);
    struct hipt_page at = *page;
    uint64_t ended = 0;

    while (result <= HIPT_BUSY && npages > 0) {
        uint64_t some = npages < HIPTI_GATHER_MAX ? npages : HIPTI_GATHER_MAX;
        enum hipt_status status;

        HIPT_PORT_READ_ENTER(&table->ops); /* one for each turn, so that a long range holds up no grace period */
        status = unmap_some(table, &at, some, &ended);
        HIPT_PORT_READ_EXIT(&table->ops);
        result = status != HIPT_OK ? status : result;
        npages -= some;
    }
    if (done) {
        *done = ended;
    }
    return result;
}
