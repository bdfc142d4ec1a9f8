/* SPDX-License-Identifier: MIT */
/*
 * Moving a live asid to where it is wanted. Its word names a plan with a past first (W1, W2): from then on pages are
 * put where they are to be, and looked for in both places. Whoever calls walks over the asid's cells and moves what is
 * out of place, one mapping after another (move.h). When a walk that began a grace period after the word had changed
 * finds nothing out of place, nothing is, nor will be: nobody puts pages elsewhere any more. Then the plan is settled
 * (W3), and one of a single shard makes way for that shard (W4), a grace period later. Neither needs memory.
 *
 * Why W3 is right: the walk sees every page of the asid by its cell; a mapping that moves within its shard changes the
 * cell it has, which is looked at again. One whose move was not finished is named where it was, unless frame and space
 * have been told: then whoever told them is in his read side, which W2 and W4 wait for. Frozen and ended ones count as
 * well: whoever ended them looks for them there. Slots that are claimed do not: what a map claimed elsewhere, a grace
 * period ago, it has given up.
 */
#include "map/move.h"
#include "map/place.h"
#include "map/resize.h"

#define TURN (HIPTI_BLOCK_CELLS - 1u) /* cells in one read side: a block; unused ones behind them are passed over */

struct migration {
    struct hipt_table *table;
    struct hipt_asid asid;
    struct hipti_regions wanted;
    /* Of the walk that is to be made, or has been: */
    uint64_t serial;         /* of the plan that it is for; 0: there is none to be made */
    bool is_ripe;            /* a grace period had passed since the plan came */
    uint64_t out;            /* pages that are still out of place */
    enum hipt_status status; /* HIPT_PENDING, or why there was no copy */
};

/* => whether the regions are one shard, as a word says it without a plan. */
static bool is_single(const struct hipti_regions *regions)
{
    return regions->count == 1u && regions->shard[0] != HIPTI_ALL_SHARDS;
}

static uint32_t word_of(const struct migration *migration)
{
    /* [observe:placed] */
    return hipti_load_acquire(hipti_asid_word(&migration->table->asids, migration->asid.number));
}

/*
 * Let the asid whose word is @word, and says that it is at @past, move to where it is wanted. => HIPT_CHANGED: all
 * looks again; HIPT_NOMEM, HIPT_FULL, HIPT_BUSY. Inside a read side.
 */
static enum hipt_status begin(const struct migration *migration, uint32_t word, const struct hipti_regions *past)
{
    struct hipti_asids *asids = &migration->table->asids;
    enum hipt_status status = HIPT_OK;
    uint32_t plan = hipti_place_plan(migration->table, &migration->wanted, past, &status);

    if (plan == 0) {
        return status;
    }
    if (!hipti_asid_replace(asids, migration->asid.number, word, hipti_word_planned(plan))) {
        hipti_plan_free(&asids->plans, plan);
        return HIPT_CHANGED;
    }
    if (word & HIPTI_WORD_PLANNED) {
        hipti_plan_free(&asids->plans, hipti_word_plan(word));
    }
    return HIPT_CHANGED;
}

/* The word names a shard: begin to move from there (W1), unless that is what is wanted. */
static enum hipt_status leave_shard(const struct migration *migration, uint32_t word)
{
    struct hipti_regions past = {.count = 1u};

    past.shard[0] = (uint8_t)hipti_word_shard(word);
    if (hipti_regions_are_equal(&migration->wanted, &past)) {
        return HIPT_OK;
    }
    return begin(migration, word, &past);
}

/* It names a plan that has been settled for a grace period: begin to move from there (W2), or end it (W4). */
static enum hipt_status leave_plan(const struct migration *migration, uint32_t word, const struct hipti_regions *now)
{
    struct hipti_asids *asids = &migration->table->asids;

    if (!hipti_regions_are_equal(&migration->wanted, now)) {
        return begin(migration, word, now);
    }
    if (hipti_asid_replace(asids, migration->asid.number, word, hipti_word_at(now->shard[0]))) {
        hipti_plan_free(&asids->plans, hipti_word_plan(word));
    }
    return HIPT_CHANGED;
}

/*
 * What can be done now without a walk. => HIPT_OK: all is as wanted; HIPT_CHANGED: look again; HIPT_PENDING: a grace
 * period has to pass, or, if there is a .serial, a walk is to be made; HIPT_BAD_ASID, and as for begin(). Inside a read
 * side.
 */
static enum hipt_status place_step(struct migration *migration)
{
    struct hipti_asids *asids = &migration->table->asids;
    bool is_issued = hipti_asid_issued(asids, migration->asid) != NULL;
    uint32_t word = is_issued ? word_of(migration) : 0;
    const struct hipti_plan *plan;
    bool is_settled = hipti_word_is_settled(word);

    migration->serial = 0;
    if (!is_issued) {
        return HIPT_BAD_ASID;
    }
    if (!(word & HIPTI_WORD_PLANNED)) {
        return leave_shard(migration, word);
    }
    plan = hipti_plan_at(&asids->plans, hipti_word_plan(word));
    if (is_settled && !is_single(&plan->now) && hipti_regions_are_equal(&migration->wanted, &plan->now)) {
        return HIPT_OK;
    }
    migration->is_ripe = hipti_plan_is_due(&asids->plans, hipti_word_plan(word), is_settled);
    if (!is_settled) {
        migration->serial = plan->serial;
        return HIPT_PENDING;
    }
    return migration->is_ripe ? leave_plan(migration, word, &plan->now) : HIPT_PENDING;
}

/* => whether the asid lives, and its word, *word, names the plan that the walk is for. Inside a read side. */
static bool is_still_its_plan(const struct migration *migration, uint32_t *word)
{
    const struct hipti_asids *asids = &migration->table->asids;

    if (!hipti_asid_issued(asids, migration->asid)) {
        return false;
    }
    *word = word_of(migration);
    return (*word & (HIPTI_WORD_PLANNED | HIPTI_WORD_SETTLED)) == HIPTI_WORD_PLANNED &&
           hipti_plan_at(&asids->plans, hipti_word_plan(*word))->serial == migration->serial;
}

/* Move what is in a slot that a cell names, if it is out of place. => whether nothing is, there, any more. */
static bool place_slot(struct migration *migration, hipti_slot slot)
{
    struct hipt_table *table = migration->table;
    enum hipt_status status;
    unsigned shard;

    do {
        struct hipt_page page;
        uint64_t pte;
        uint64_t key;

        if (!hipti_slot_occupant(&table->buckets, slot, &pte, &key)) {
            return true;
        }
        page = hipti_key_unpack(&table->split, key);
        if (page.asid != migration->asid.number) {
            return true; /* the slot is another space's by now, for which this one does not wait */
        }
        if (hipti_pte_state(pte) == HIPTI_FORWARD) {
            hipti_move_finish(table, slot, pte);
            return true; /* the cell names where it has gone */
        }
        shard = hipti_page_shard(table, &page);
        if (hipti_shard_number(&table->buckets, slot / HIPT_SLOTS) == shard) {
            return true;
        }
        if (hipti_pte_state(pte) != HIPTI_LIVE) {
            return false;
        }
        status = hipti_move_to_shard(table, shard, slot, pte, key);
    } while (status == HIPT_CHANGED);
    if (status == HIPT_OK) {
        hipti_move_help(table, shard);
    } else if (status != HIPT_BUSY) {
        migration->status = status;
    }
    return status == HIPT_OK;
}

/* Go on with a walk for a while. => whether there is more of it. Inside a read side. */
static bool walk_turn(struct migration *migration, struct hipti_asid_walk *walk)
{
    const struct hipti_asids *asids = &migration->table->asids;
    uint64_t first = walk->visited;
    hipti_slot slot;
    uint32_t word;

    if (!is_still_its_plan(migration, &word)) {
        return false;
    }
    if (!walk->asids) {
        *walk = hipti_asid_walk_start(asids, hipti_asid_record(asids, migration->asid.number));
    }
    while (walk->visited - first < TURN) {
        bool is_in_place;

        if (!hipti_asid_walk_next(walk, &slot)) {
            return false;
        }
        do { /* again, if it has moved meanwhile */
            is_in_place = place_slot(migration, slot);
        } while (is_in_place && hipti_asid_walk_again(walk, &slot));
        migration->out += !is_in_place;
    }
    return migration->status == HIPT_PENDING; /* else there is no memory for others either */
}

/* What a walk that has been made allows (W3). => as place_step(). Inside a read side. */
static enum hipt_status end_walk(const struct migration *migration)
{
    uint32_t word;

    if (is_still_its_plan(migration, &word)) {
        if (!migration->is_ripe || migration->out != 0) {
            return migration->status;
        }
        (void)hipti_asid_replace(&migration->table->asids, migration->asid.number, word,
                                 hipti_word_place(word) | HIPTI_WORD_SETTLED);
    }
    return HIPT_CHANGED;
}

static enum hipt_status walk_all(struct migration *migration)
{
    const struct hipt_ops *ops = &migration->table->ops;
    struct hipti_asid_walk walk = {NULL, 0, 0, 0, 0};
    enum hipt_status status;
    bool goes_on;

    migration->out = 0;
    migration->status = HIPT_PENDING;
    do {
        HIPT_PORT_READ_ENTER(ops);
        goes_on = walk_turn(migration, &walk);
        HIPT_PORT_READ_EXIT(ops);
        (void)hipti_resize_if_due(migration->table, HIPT_OK); /* the shards that pages go to grow */
    } while (goes_on);
    HIPT_PORT_READ_ENTER(ops);
    status = end_walk(migration);
    HIPT_PORT_READ_EXIT(ops);
    return status;
}

enum hipt_status hipt_asid_place(struct hipt_table *table, struct hipt_asid asid,
                                 const struct hipt_region_place *regions, unsigned count)
{
    struct migration migration = {.table = table, .asid = asid};
    enum hipt_status status = hipti_place_check(table, regions, count, &migration.wanted);

    if (status != HIPT_OK) {
        return status;
    }
    do {
        HIPT_PORT_READ_ENTER(&table->ops);
        status = place_step(&migration);
        HIPT_PORT_READ_EXIT(&table->ops);
        if (status == HIPT_PENDING && migration.serial != 0) {
            status = walk_all(&migration);
        }
    } while (status == HIPT_CHANGED);
    return status;
}

enum hipt_status hipt_asid_migrate(struct hipt_table *table, struct hipt_asid asid, int node)
{
    struct hipt_region_place everything = {.vpn = 0, .node = node};

    return hipt_asid_place(table, asid, &everything, 1);
}

/* Count the CPUs that may have translations of an asid, each at the shard near its node. Inside a read side. */
static void count_users(struct hipt_table *table, uint32_t asid, uint32_t *users)
{
    struct hipti_space *space = hipti_space_find(&table->shootdown, asid);
    uint32_t word;

    for (word = 0; word < table->shootdown.words; word++) {
        uint64_t left = hipti_load_relaxed(&hipti_space_set(space)[word]); /* a hint */

        for (; left != 0; left &= left - 1u) {
            int node = hipti_topology_node_of_cpu(&table->topology, word * 64u + hipti_lowest_bit64(left));

            if (node != HIPT_ANY_NODE) {
                users[table->shard_of_node[node]]++;
            }
        }
    }
}

/* => the shard that an asid is in, or goes to; HIPTI_NO_SHARD: several. Inside a read side. */
static unsigned home_of(struct hipt_table *table, uint32_t asid)
{
    uint32_t word = hipti_load_acquire(hipti_asid_word(&table->asids, asid)); /* [observe:placed] */
    const struct hipti_plan *plan;

    if (!(word & HIPTI_WORD_PLANNED)) {
        return hipti_word_shard(word);
    }
    plan = hipti_plan_at(&table->asids.plans, hipti_word_plan(word));
    return is_single(&plan->now) ? plan->now.shard[0] : HIPTI_NO_SHARD;
}

/* => the shard of most users, @home where as many are near that or there are none. */
static unsigned shard_of_most(const struct hipt_table *table, const uint32_t *users, unsigned home)
{
    unsigned most = home;
    unsigned i;

    for (i = 0; i < table->buckets.nshards; i++) {
        if (users[i] > (most == HIPTI_NO_SHARD ? 0 : users[most])) {
            most = i;
        }
    }
    return most;
}

enum hipt_status hipt_asid_follow(struct hipt_table *table, struct hipt_asid asid)
{
    uint32_t users[HIPT_NODES_MAX] = {0};
    unsigned shard = HIPTI_NO_SHARD;
    bool is_issued;

    HIPT_PORT_READ_ENTER(&table->ops);
    is_issued = hipti_asid_issued(&table->asids, asid) != NULL;
    if (is_issued) {
        if (table->shootdown.ncpus) {
            count_users(table, asid.number, users);
        }
        shard = shard_of_most(table, users, home_of(table, asid.number));
    }
    HIPT_PORT_READ_EXIT(&table->ops);
    if (!is_issued) {
        return HIPT_BAD_ASID;
    }
    return shard == HIPTI_NO_SHARD ? HIPT_OK : hipt_asid_migrate(table, asid, table->node_of_shard[shard]);
}
