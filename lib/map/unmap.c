/* SPDX-License-Identifier: MIT */
#include <hipt/gather.h>

#include "map/gather.h"

static enum hipt_status unmap_page(struct hipt_table *table, const struct hipt_page *page, struct hipt_mapping *out)
{
    static const struct hipti_freezing freezing = {0, false};
    struct hipti_taken taken;
    enum hipt_status status;

    HIPT_PORT_READ_ENTER(&table->ops);
    status = hipti_freeze_page(table, page, freezing, &taken);
    if (status == HIPT_CHANGED) { /* it is absent, but a CPU may still have it (S2) */
        (void)hipti_thaw(table, page, taken.slot, taken.pte);
        status = HIPT_ABSENT;
    } else if (status == HIPT_OK) {
        if (table->shootdown.ncpus) { /* not inside our read side; the slot stays ours */
            HIPT_PORT_READ_EXIT(&table->ops);
            hipti_shoot(table, page);
            HIPT_PORT_READ_ENTER(&table->ops);
        }
        hipti_destroy(table, taken, HIPTI_UNLINK_END);
    }
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
