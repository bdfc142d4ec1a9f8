/* SPDX-License-Identifier: MIT */
#include "map/gather.h"
#include "map/move.h"
#include "map/place.h"

#define UNPLANNED 64u /* plans that retired asids give up at once */

/*
 * Freeze one slot if it maps a page of the asid. => HIPT_OK; anything else: there is nothing to do here, or others are
 * at it.
 */
static enum hipt_status sweep_slot(struct hipt_table *table, uint32_t asid, struct hipti_taken *taken)
{
    static const struct hipti_freezing freezing = {0, false};
    enum hipt_status status;
    uint64_t key;

    taken->asid = asid;
    do {
        if (!hipti_slot_read(&table->buckets, taken->slot, &taken->pte, &key) ||
            hipti_key_unpack(&table->split, key).asid != asid) {
            return HIPT_ABSENT;
        }
        if (hipti_pte_state(taken->pte) == HIPTI_FORWARD) {
            hipti_move_finish(table, taken->slot, taken->pte);
            return HIPT_ABSENT; /* the cell names where it has gone, from where it may have moved on */
        }
        status = hipti_freeze(table, taken->slot, &taken->pte, freezing);
    } while (status == HIPT_CHANGED);
    return status;
}

/* Unmap what the cells of an asid name. No CPU uses the asid any more. Inside a read side. */
static struct hipt_retired sweep(struct hipt_table *table, const struct hipti_asid *asid)
{
    struct hipti_asid_walk walk = hipti_asid_walk_start(&table->asids, asid);
    struct hipt_retired report = {0, 0};
    struct hipti_taken taken;

    while (hipti_asid_walk_next(&walk, &taken.slot)) {
        enum hipt_status status;

        do { /* again, if it has moved meanwhile */
            status = sweep_slot(table, asid->number, &taken);
        } while (status != HIPT_OK && hipti_asid_walk_again(&walk, &taken.slot));
        if (status == HIPT_OK) {
            hipti_destroy(table, taken, HIPTI_UNLINK_END);
            report.pages++;
        }
    }
    report.visited = walk.visited;
    return report;
}

/*
 * Issue the caller's own number. What CPUs still have cached of its last life they forget when they use it, by
 * generation. => false: cells are in use, or there is no memory.
 */
static bool issue(struct hipt_table *table, struct hipti_asid *asid, uint32_t word, struct hipt_asid *issued)
{
    if (!hipti_space_prepare(&table->shootdown, asid->number) ||
        !hipti_asid_reissue(&table->asids, asid, word, issued)) {
        hipti_asid_put_back(&table->asids, asid); /* a page is being unmapped, or no memory; after a grace period */
        return false;
    }
    hipti_space_open(&table->shootdown, issued->number);
    return true;
}

/* Issue a retired asid again, if one is ready. Inside a read side. */
static bool alloc_retired(struct hipt_table *table, uint32_t word, struct hipt_asid *issued)
{
    struct hipti_asid *asid;

    while ((asid = hipti_asid_take(&table->asids)) != NULL) {
        (void)sweep(table, asid); /* maps that ran beside the retirement have ended: what they left is here */
        if (issue(table, asid, word, issued)) {
            return true;
        }
    }
    return false;
}

/* Issue one that never was. */
static enum hipt_status alloc_new(struct hipt_table *table, uint32_t word, struct hipt_asid *issued)
{
    enum hipt_status status;
    struct hipti_asid *asid = hipti_asid_new(&table->asids, &status);

    if (!asid) {
        return status;
    }
    return issue(table, asid, word, issued) ? HIPT_OK : HIPT_NOMEM;
}

/* Issue an asid whose word begins as @word. Inside a read side. */
static enum hipt_status alloc_at(struct hipt_table *table, uint32_t word, struct hipt_asid *issued)
{
    return alloc_retired(table, word, issued) ? HIPT_OK : alloc_new(table, word, issued);
}

enum hipt_status hipt_asid_alloc(struct hipt_table *table, struct hipt_asid *asid)
{
    uint32_t word = hipti_word_at(hipti_place_home(table));
    enum hipt_status status;

    HIPT_PORT_READ_ENTER(&table->ops);
    status = alloc_at(table, word, asid);
    HIPT_PORT_READ_EXIT(&table->ops);
    return status;
}

/* => whether any retired asid had a plan to give up. Inside a read side, in which none is taken a second time. */
static bool unplan_retired(struct hipt_table *table)
{
    struct hipti_asid *asid;
    unsigned given = 0;

    while (given < UNPLANNED && (asid = hipti_asid_take(&table->asids)) != NULL) {
        given += hipti_asid_unplan(&table->asids, asid);
        hipti_asid_put_back(&table->asids, asid);
    }
    return given > 0;
}

uint32_t hipti_place_plan(struct hipt_table *table, const struct hipti_regions *now, const struct hipti_regions *past,
                          enum hipt_status *status)
{
    uint32_t plan = hipti_plan_new(&table->asids.plans, now, past, status);

    if (plan == 0 && *status == HIPT_FULL && unplan_retired(table)) {
        *status = HIPT_BUSY;
    }
    return plan;
}

/* One shard, or a plan. Inside a read side. */
static enum hipt_status alloc_placed(struct hipt_table *table, const struct hipti_regions *placed,
                                     struct hipt_asid *asid)
{
    enum hipt_status status = HIPT_OK;
    uint32_t plan;

    if (placed->count == 1u && placed->shard[0] != HIPTI_ALL_SHARDS) {
        return alloc_at(table, hipti_word_at(placed->shard[0]), asid);
    }
    plan = hipti_place_plan(table, placed, placed, &status);
    if (plan == 0) {
        return status;
    }
    status = alloc_at(table, hipti_word_planned(plan) | HIPTI_WORD_SETTLED, asid);
    if (status != HIPT_OK) {
        hipti_plan_free(&table->asids.plans, plan);
    }
    return status;
}

enum hipt_status hipt_asid_alloc_placed(struct hipt_table *table, const struct hipt_region_place *regions,
                                        unsigned count, struct hipt_asid *asid)
{
    struct hipti_regions placed;
    enum hipt_status status = hipti_place_check(table, regions, count, &placed);

    if (status != HIPT_OK) {
        return status;
    }
    HIPT_PORT_READ_ENTER(&table->ops);
    status = alloc_placed(table, &placed, asid);
    HIPT_PORT_READ_EXIT(&table->ops);
    return status;
}

/* One round for all pages: from here on no CPU uses the asid, nor begins to. */
static void shoot_all(struct hipt_table *table, uint32_t asid)
{
    struct hipti_shootdown *shootdown = &table->shootdown;

    if (shootdown->ncpus) {
        hipti_space_close(shootdown, asid);
        hipti_shootdown_round(shootdown, asid);
    }
}

enum hipt_status hipt_asid_retire(struct hipt_table *table, struct hipt_asid asid, struct hipt_retired *report)
{
    struct hipt_retired done = {0, 0};
    struct hipti_asid *record;

    if (hipti_wait_check(table) != HIPT_OK) {
        return HIPT_CANNOT_WAIT;
    }
    record = hipti_asid_end(&table->asids, asid);
    if (record) {
        shoot_all(table, asid.number);
        HIPT_PORT_READ_ENTER(&table->ops);
        done = sweep(table, record);
        hipti_asid_put_back(&table->asids, record);
        HIPT_PORT_READ_EXIT(&table->ops);
    }
    if (report) {
        *report = done;
    }
    return record ? HIPT_OK : HIPT_BAD_ASID;
}
