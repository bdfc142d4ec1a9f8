/* SPDX-License-Identifier: MIT */
#include "map/gather.h"

/*
 * Freeze one slot if it maps a page of the asid. => HIPT_OK; anything else: there is nothing to do, or others are at
 * it.
 */
static enum hipt_status sweep_slot(struct hipt_table *table, uint32_t asid, struct hipti_taken *taken)
{
    enum hipt_status status;
    uint64_t key;

    taken->asid = asid;
    do {
        if (!hipti_slot_read(&table->buckets, taken->slot, &taken->pte, &key) ||
            hipti_key_unpack(&table->split, key).asid != asid) {
            return HIPT_ABSENT;
        }
        status = hipti_freeze(table, taken->slot, &taken->pte);
    } while (status == HIPT_CHANGED);
    return status;
}

/* Unmap what the cells of an asid name. Inside a read side. */
static struct hipt_retired sweep(struct hipt_table *table, const struct hipti_asid *asid)
{
    struct hipti_asid_walk walk = hipti_asid_walk_start(&table->asids, asid);
    struct hipt_retired report = {0, 0};
    struct hipti_gather gather;
    struct hipti_taken taken;

    hipti_gather_start(&gather);
    while (hipti_asid_walk_next(&walk, &taken.slot)) {
        if (sweep_slot(table, asid->number, &taken) == HIPT_OK) {
            hipti_gather_add(table, &gather, taken);
            report.pages++;
        }
    }
    hipti_gather_finish(table, &gather);
    report.visited = walk.visited;
    return report;
}

/* Issue a retired asid again, if one is ready. Inside a read side. */
static bool alloc_retired(struct hipt_table *table, struct hipt_asid *issued)
{
    struct hipti_asid *asid;

    while ((asid = hipti_asid_take(&table->asids)) != NULL) {
        (void)sweep(table, asid); /* maps that ran beside the retirement have ended: what they left is here */
        if (hipti_asid_reissue(&table->asids, asid, issued)) {
            return true;
        }
        hipti_asid_put_back(&table->asids, asid); /* another thread is unmapping a page; not before a grace period */
    }
    return false;
}

enum hipt_status hipt_asid_alloc(struct hipt_table *table, struct hipt_asid *asid)
{
    enum hipt_status status = HIPT_OK;

    HIPT_PORT_READ_ENTER(&table->ops);
    if (!alloc_retired(table, asid)) {
        status = hipti_asid_issue_new(&table->asids, asid);
    }
    HIPT_PORT_READ_EXIT(&table->ops);
    return status;
}

enum hipt_status hipt_asid_retire(struct hipt_table *table, struct hipt_asid asid, struct hipt_retired *report)
{
    struct hipt_retired done = {0, 0};
    struct hipti_asid *record;

    HIPT_PORT_READ_ENTER(&table->ops);
    record = hipti_asid_end(&table->asids, asid);
    if (record) {
        done = sweep(table, record);
        hipti_asid_put_back(&table->asids, record);
    }
    HIPT_PORT_READ_EXIT(&table->ops);
    if (report) {
        *report = done;
    }
    return record ? HIPT_OK : HIPT_BAD_ASID;
}
