/* SPDX-License-Identifier: MIT */
/*
 * Spaces that are moved while they live, in a table over four nodes (support/nodes.h): the rows W1 to W4 and P24, each
 * refused step, and what stands in the way. Grace periods end by hand.
 */
#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#include <hipt/gather.h>
#include <hipt/hipt.h>

#include "map/move.h"
#include "support/cpus.h"
#include "support/nodes.h"
#include "support/step.h"

enum { BUCKETS = 64, PAGES = 200 };

static struct rig rig;
static struct hipt_asid asid;

/* A space on node 0 with @count pages, page n mapped to frame n. */
static void start(uint64_t count)
{
    asid = nodes_start(&rig, BUCKETS, count);
}

static enum hipt_status migrate(int node)
{
    return hipt_asid_migrate(rig.table, asid, node);
}

static uint32_t word(void)
{
    return nodes_word(&rig, asid.number);
}

static const struct hipti_plan *plan(void)
{
    cr_assert(word() & HIPTI_WORD_PLANNED);
    return hipti_plan_at(&rig.table->asids.plans, hipti_word_plan(word()));
}

/* => whether the asid has a plan that is settled: nothing is any more where it was before. */
static bool is_settled(void)
{
    (void)plan();
    return hipti_word_is_settled(word());
}

static hipti_slot slot_of(uint64_t vpn)
{
    return nodes_slot(&rig, asid.number, vpn);
}

static unsigned shard_of(uint64_t vpn)
{
    return hipti_shard_number(&rig.table->buckets, slot_of(vpn) / HIPT_SLOTS);
}

static uint64_t word_in(hipti_slot slot)
{
    return hipti_slot_load(&rig.table->buckets, slot);
}

static unsigned migrate_all(int node)
{
    return nodes_migrate(&rig, asid, node);
}

static void expect_pages(uint64_t count, unsigned shard)
{
    nodes_check(&rig, asid.number, count, shard);
}

/* W1, W3, W4: two grace periods, and the first call has moved all. What was there is there. */
Test(migrate, N1_F1_W1_W3_W4_a_space_goes_to_a_node)
{
    start(PAGES);
    cr_assert_eq(migrate(3), HIPT_PENDING);
    cr_assert(!is_settled() && plan()->past.shard[0] == 0 && plan()->now.shard[0] == 2);
    expect_pages(PAGES, 2);
    cr_assert_eq(migrate(3), HIPT_PENDING, "no grace period has passed");
    cr_assert_not(is_settled());
    rig_pass(&rig);
    cr_assert_eq(migrate(3), HIPT_PENDING);
    cr_assert(is_settled(), "W3");
    cr_assert_eq(migrate(3), HIPT_PENDING);
    rig_pass(&rig);
    cr_assert_eq(migrate(3), HIPT_OK);
    cr_assert_eq(hipti_word_place(word()), hipti_word_at(2), "W4");
    expect_pages(PAGES, 2);
    cr_assert_eq(migrate(3), HIPT_OK, "nothing is left to do");
    rig_destroy(&rig);
}

/* There and back, and to where it is: slots that were left are used again, no memory is lost, plans go back. */
Test(migrate, R1_P24_there_and_back)
{
    struct hipt_stats before;
    struct hipt_stats after;
    unsigned i;

    start(PAGES);
    (void)migrate_all(1);
    (void)migrate_all(0);
    hipt_table_stats(rig.table, &before);
    for (i = 0; i < 30u; i++) {
        cr_assert_leq(migrate_all(i % 2u ? 0 : 1), 4);
        expect_pages(PAGES, i % 2u ? 0 : 1);
    }
    rig_pass(&rig);
    hipt_table_stats(rig.table, &after);
    cr_assert_eq(after.mappings, PAGES);
    cr_assert_leq(after.lines, before.lines + 64u, "%u lines, then %u", (unsigned)before.lines, (unsigned)after.lines);
    cr_assert_eq(after.bytes_forward, before.bytes_forward);
    cr_assert_leq(hipti_load_relaxed(&rig.table->asids.plans.arena.carved), 16);
    rig_check(&rig);
    rig_destroy(&rig);
}

/* W2: from a plan to another one: regions, interleaved and back to a node; each page is where it should be. */
Test(migrate, N1_W2_between_plans)
{
    static const struct hipt_region_place regions[] = {{0, 1}, {50, HIPT_ALL_NODES}, {100, 3}};
    enum hipt_status status = HIPT_PENDING;
    unsigned calls;
    uint64_t n;

    start(PAGES);
    (void)migrate_all(HIPT_ALL_NODES);
    expect_pages(PAGES, SHARDS);
    cr_assert(is_settled());
    for (calls = 0; status == HIPT_PENDING && calls < 9u; calls++) {
        status = hipt_asid_place(rig.table, asid, regions, 3);
        rig_pass(&rig);
    }
    cr_assert_eq(status, HIPT_OK);
    expect_pages(PAGES, SHARDS);
    for (n = 0; n < PAGES; n++) {
        cr_assert(n < 50u ? shard_of(n) == 1 : n < 100u || shard_of(n) == 2);
    }
    (void)migrate_all(0);
    expect_pages(PAGES, 0);
    rig_destroy(&rig);
}

/* W2 and W4 wait until a plan has stood for a grace period, also one that the space was created with. */
Test(migrate, W2_W4_wait_for_the_plan)
{
    static const struct hipt_region_place all = {0, HIPT_ALL_NODES};
    uint32_t before;

    start(0);
    cr_assert_eq(hipt_asid_alloc_placed(rig.table, &all, 1, &asid), HIPT_OK);
    before = word();
    cr_assert_eq(migrate(1), HIPT_PENDING);
    cr_assert_eq(word(), before);
    cr_assert_eq(migrate(1), HIPT_PENDING);
    cr_assert_eq(word(), before);
    rig_pass(&rig);
    cr_assert_eq(migrate(1), HIPT_PENDING);
    cr_assert_neq(word(), before, "W2");
    rig_pass(&rig);
    cr_assert_eq(migrate(1), HIPT_PENDING, "W3");
    before = word();
    cr_assert_eq(migrate(1), HIPT_PENDING);
    cr_assert_eq(word(), before);
    rig_pass(&rig);
    cr_assert_eq(migrate(1), HIPT_OK, "W4");
    rig_destroy(&rig);
}

/* A read side that was open when the word changed holds up W3, however often somebody calls. */
Test(migrate, T1_W3_waits_for_readers)
{
    unsigned i;

    start(PAGES);
    HIPT_PORT_READ_ENTER(&rig.table->ops);
    cr_assert_eq(migrate(1), HIPT_PENDING);
    for (i = 0; i < 3u; i++) {
        test_host_tick(&rig.host);
        cr_assert_eq(migrate(1), HIPT_PENDING);
        cr_assert_not(is_settled());
    }
    HIPT_PORT_READ_EXIT(&rig.table->ops);
    (void)migrate_all(1);
    rig_destroy(&rig);
}

/* Maps go to the new place at once; a page that is mapped, at either place, is mapped (T1). Others end it there. */
Test(migrate, T1_verbs_meanwhile)
{
    struct hipt_page page = {.asid = 0, .size = 0, .vpn = 7};
    uint64_t ended;

    start(PAGES);
    page.asid = asid.number;
    cr_assert_eq(migrate(1), HIPT_PENDING);
    cr_assert_eq(nodes_map(&rig, asid.number, 0, PAGES, PAGES), HIPT_OK);
    cr_assert_eq(shard_of(PAGES), 1);
    cr_assert_eq(nodes_map(&rig, asid.number, 0, 7, 9), HIPT_EXISTS);
    cr_assert_eq(hipt_protect(rig.table, &page, HIPT_READ), HIPT_OK);
    cr_assert_eq(hipt_unmap(rig.table, &page, NULL), HIPT_OK);
    cr_assert_eq(hipt_lookup_pte(rig.table, asid.number, 7), 0);
    cr_assert_eq(nodes_map(&rig, asid.number, 0, 7, PAGES + 7), HIPT_OK);
    page.vpn = 8;
    cr_assert_eq(hipt_unmap_range(rig.table, &page, 20, &ended), HIPT_OK);
    cr_assert_eq(ended, 20);
    (void)migrate_all(1);
    cr_assert_eq(hipt_lookup_pte(rig.table, asid.number, 8), 0);
    cr_assert_neq(hipt_lookup_pte(rig.table, asid.number, 28), 0);
    rig_destroy(&rig);
}

static void only_announce(int node)
{
    nodes_announce(&rig, asid.number, node);
}

/* The same from the old place, where nothing has been moved yet: W1 alone. */
Test(migrate, T1_verbs_before_anything_has_moved)
{
    struct hipt_page page = {.asid = 0, .size = 0, .vpn = 7};
    struct hipt_translation found;
    bool is_found;

    start(PAGES);
    page.asid = asid.number;
    only_announce(3);
    expect_pages(PAGES, 0);
    cr_assert(hipt_lookup_lines(rig.table, asid.number, 5, &is_found) >= 1 && is_found);
    cr_assert_geq(hipt_lookup_lines(rig.table, asid.number, PAGES, &is_found), 2, "a miss looks in both");
    cr_assert_eq(nodes_map(&rig, asid.number, 0, 7, 9), HIPT_EXISTS);
    cr_assert_eq(nodes_map(&rig, asid.number, 1, 0, 0), HIPT_OVERLAP);
    cr_assert_eq(hipt_lookup(rig.table, asid.number, 7, &found), HIPT_OK);
    cr_assert_eq(hipt_mark(rig.table, &found, HIPT_DIRTY), HIPT_OK);
    cr_assert_eq(hipt_unmap(rig.table, &page, NULL), HIPT_OK);
    cr_assert_eq(nodes_map(&rig, asid.number, 0, 7, PAGES + 7), HIPT_OK);
    cr_assert_eq(shard_of(7), 2);
    cr_assert_eq(shard_of(8), 0);
    (void)migrate_all(3);
    expect_pages(7, 2);
    rig_destroy(&rig);
}

enum { NOT_PUT = UINT32_MAX };

/*
 * A map that began before the space was moved, and has not looked whether it was: its slot in the place before. =>
 * NOT_PUT: it is refused there.
 */
static hipti_slot put_late(uint32_t size, uint64_t vpn, uint64_t pfn)
{
    struct hipt_mapping m = rig_mapping(asid.number, size, vpn, pfn);
    struct hipti_claim claim;
    struct hipti_place place = hipti_buckets_place(&rig.table->buckets, 0, hipti_page_key(rig.table, &m.page));

    if (hipti_bucket_claim(&rig.table->buckets, place, hipti_pte_pack(&m), &claim) != HIPT_OK) {
        return NOT_PUT;
    }
    cr_assert_eq(hipti_bucket_commit(&rig.table->buckets, &claim), HIPT_OK);
    cr_assert_eq(hipti_pte_state(word_in(claim.slot)), HIPTI_TENTATIVE);
    return claim.slot;
}

/* T1: what is tentative in the place before is not the page, nor does it hide the one that has gone on. */
Test(migrate, T1_what_is_tentative_in_the_place_before)
{
    struct hipt_page page = {.asid = 0, .size = 0, .vpn = 7};
    hipti_slot slot;

    start(PAGES);
    page.asid = asid.number;
    cr_assert_eq(migrate(1), HIPT_PENDING);
    slot = put_late(0, 7, 9);
    cr_assert_eq(HIPT_PTE_PFN(hipt_lookup_pte(rig.table, asid.number, 7)), 7);
    cr_assert_eq(hipt_protect(rig.table, &page, HIPT_READ), HIPT_OK);
    cr_assert_eq(nodes_map(&rig, asid.number, 1, 0, RIG_MEDIUM), HIPT_OVERLAP);
    cr_assert_eq(hipti_pte_state(word_in(slot)), HIPTI_TENTATIVE);
    cr_assert_eq(nodes_map(&rig, asid.number, 0, 7, 9), HIPT_EXISTS);
    cr_assert_eq(hipti_pte_state(word_in(slot)), HIPTI_ENDED, "whoever wants to put the page aborts it");
    hipti_slot_release(&rig.table->buckets, slot);
    cr_assert_eq(hipt_unmap(rig.table, &page, NULL), HIPT_OK);
    slot = put_late(0, 7, 9);
    cr_assert_eq(hipt_unmap(rig.table, &page, NULL), HIPT_ABSENT);
    cr_assert_eq(nodes_map(&rig, asid.number, 1, 0, RIG_MEDIUM), HIPT_OVERLAP, "other pages of the smaller size");
    cr_assert_eq(nodes_map(&rig, asid.number, 0, 7, 9), HIPT_OK);
    cr_assert_eq(hipti_pte_state(word_in(slot)), HIPTI_ENDED);
    hipti_slot_release(&rig.table->buckets, slot);
    rig_destroy(&rig);
}

/* The same of a larger page, and of a page that is wanted of another size: it may yet become live. */
Test(migrate, T1_what_is_tentative_and_larger)
{
    hipti_slot slot;

    start(0);
    cr_assert_eq(nodes_map(&rig, asid.number, 1, 0, 0), HIPT_OK);
    cr_assert_eq(migrate(1), HIPT_PENDING);
    slot = put_late(1, 0, RIG_MEDIUM);
    cr_assert_eq(nodes_map(&rig, asid.number, 0, 3, 100), HIPT_OVERLAP);
    cr_assert_eq(hipti_pte_state(word_in(slot)), HIPTI_TENTATIVE);
    cr_assert_eq(hipt_unmap(rig.table, &(struct hipt_page){asid.number, 1, 0}, NULL), HIPT_OK);
    cr_assert_eq(nodes_map(&rig, asid.number, 0, 3, 100), HIPT_OK);
    cr_assert_eq(hipti_pte_state(word_in(slot)), HIPTI_ENDED, "the smaller one aborts it");
    hipti_slot_release(&rig.table->buckets, slot);
    rig_destroy(&rig);
}

static hipti_slot late;

/* The space moves, and somebody who has not seen it puts page 7 where it was. */
static void move_and_put_late(void)
{
    cr_assert_eq(migrate(1), HIPT_PENDING);
    late = put_late(0, 7, 9);
}

static void move_and_put_larger(void)
{
    cr_assert_eq(migrate(1), HIPT_PENDING);
    late = put_late(1, 0, RIG_MEDIUM);
}

static enum hipt_status unmap_7(void)
{
    return hipt_unmap(rig.table, &(struct hipt_page){asid.number, 0, 7}, NULL);
}

static enum hipt_status protect_7(void)
{
    return hipt_protect(rig.table, &(struct hipt_page){asid.number, 0, 7}, HIPT_READ);
}

static enum hipt_status remap_7(void)
{
    struct hipt_mapping m = rig_mapping(asid.number, 0, 7, PAGES + 7);

    return hipt_remap(rig.table, &m, NULL);
}

static enum hipt_status look_7(void)
{
    struct hipt_translation found;

    return hipt_lookup(rig.table, asid.number, 7, &found);
}

/* @verb answers @wanted, wherever @meanwhile comes in between. Shards that grow have it look the long way. */
static void expect_beside(enum hipt_status (*verb)(void), enum hipt_status wanted, void (*meanwhile)(void), bool grows)
{
    unsigned puts = 0;
    unsigned n = 0;
    bool more;

    do {
        start(0);
        late = NOT_PUT;
        cr_assert_eq(meanwhile == move_and_put_late ? nodes_map(&rig, asid.number, 0, 7, 7)
                                                    : nodes_map(&rig, asid.number, 1, 0, 0), HIPT_OK);
        cr_assert(!grows || hipt_resize(rig.table, 3000, false) == HIPT_OK);
        step_interrupt(NULL, NULL, n++, meanwhile);
        cr_assert_eq(verb(), wanted, "at access %u", n);
        more = step_interrupted();
        if (late != NOT_PUT) {
            uint64_t pte = word_in(late);

            puts++;
            cr_assert(hipti_pte_state(pte) == HIPTI_TENTATIVE || hipti_pte_state(pte) == HIPTI_ENDED);
            (void)hipti_slot_change(&rig.table->buckets, late, &pte, hipti_pte_ended(pte, HIPTI_ENDED, 0));
            hipti_slot_release(&rig.table->buckets, late);
        }
        rig_destroy(&rig);
    } while (more);
    cr_assert_gt(puts, 5u);
}

static enum hipt_status map_small(void)
{
    return nodes_map(&rig, asid.number, 0, 3, 100);
}

/* T1: the page is there all the time. */
Test(migrate, T1_a_page_that_moves_and_is_put_late)
{
    expect_beside(unmap_7, HIPT_OK, move_and_put_late, false);
    expect_beside(protect_7, HIPT_OK, move_and_put_late, false);
    expect_beside(remap_7, HIPT_OK, move_and_put_late, false);
    expect_beside(look_7, HIPT_OK, move_and_put_late, false);
    expect_beside(look_7, HIPT_OK, move_and_put_late, true);
    expect_beside(map_small, HIPT_OVERLAP, move_and_put_larger, false);
}

/* T3: what was found before it moved cannot be marked any more; what is found anew can. */
Test(migrate, T3_a_mark_on_what_has_moved)
{
    struct hipt_translation found;

    start(PAGES);
    cr_assert_eq(hipt_lookup(rig.table, asid.number, 7, &found), HIPT_OK);
    HIPT_PORT_READ_ENTER(&rig.table->ops);
    cr_assert_eq(migrate(1), HIPT_PENDING);
    cr_assert_eq(hipt_mark(rig.table, &found, HIPT_DIRTY), HIPT_CHANGED);
    HIPT_PORT_READ_EXIT(&rig.table->ops);
    cr_assert_eq(hipt_lookup(rig.table, asid.number, 7, &found), HIPT_OK);
    cr_assert_eq(found.mapping.marks & HIPT_DIRTY, 0);
    cr_assert_eq(hipt_mark(rig.table, &found, HIPT_DIRTY), HIPT_OK);
    rig_destroy(&rig);
}

/* Frozen, held, tentative: out of place and somebody's. W3 waits until he has been there; the rest has moved. */
static void expect_in_the_way(enum hipti_state state)
{
    hipti_slot slot;
    uint64_t live;

    start(PAGES);
    slot = slot_of(5);
    live = word_in(slot);
    hipti_slot_publish(&rig.table->buckets, slot, hipti_pte_with_state(live, state));
    cr_assert_eq(migrate(1), HIPT_PENDING);
    cr_assert_eq(hipti_pte_state(word_in(slot)), state);
    cr_assert_eq(shard_of(6), 1);
    rig_pass(&rig);
    cr_assert_eq(migrate(1), HIPT_PENDING);
    cr_assert_not(is_settled());
    hipti_slot_publish(&rig.table->buckets, slot, live);
    (void)migrate_all(1);
    expect_pages(PAGES, 1);
    rig_destroy(&rig);
}

Test(migrate, S2_W3_waits_for_a_frozen_one)
{
    expect_in_the_way(HIPTI_FROZEN);
}

Test(migrate, S2_W3_waits_for_an_ended_one)
{
    expect_in_the_way(HIPTI_ENDED);
}

Test(migrate, T3_W3_waits_for_a_held_one)
{
    expect_in_the_way(HIPTI_HELD);
}

/* A page that is being taken away is finished where it was, and maps again where it belongs (S2). */
Test(migrate, S2_a_gather_meanwhile)
{
    struct hipt_page page = {.asid = 0, .size = 0, .vpn = 5};
    struct hipt_gather gather;
    uint64_t done;

    start(PAGES);
    page.asid = asid.number;
    cr_assert_eq(hipt_gather_start(&gather, rig.table, asid.number, HIPT_SYNC), HIPT_OK);
    cr_assert_eq(hipt_gather_add(&gather, &page, 2, &done), HIPT_OK);
    cr_assert_eq(migrate(1), HIPT_PENDING);
    rig_pass(&rig);
    cr_assert_eq(migrate(1), HIPT_PENDING);
    cr_assert_eq(hipt_lookup_pte(rig.table, asid.number, 5), 0);
    cr_assert_eq(hipt_gather_finish(&gather), HIPT_OK);
    (void)migrate_all(1);
    cr_assert_eq(nodes_map(&rig, asid.number, 0, 5, PAGES + 1), HIPT_OK);
    cr_assert_eq(shard_of(5), 1);
    rig_destroy(&rig);
}

/* What another caller began comes first; then the space goes where this one wants it. */
Test(migrate, T4_two_who_want_different_places)
{
    start(PAGES);
    cr_assert_eq(migrate(1), HIPT_PENDING);
    cr_assert_eq(migrate(3), HIPT_PENDING);
    cr_assert_eq(plan()->now.shard[0], 1);
    rig_pass(&rig);
    cr_assert_eq(migrate(3), HIPT_PENDING);
    cr_assert(is_settled());
    rig_pass(&rig);
    cr_assert_eq(migrate(3), HIPT_PENDING);
    cr_assert(plan()->now.shard[0] == 2 && plan()->past.shard[0] == 1);
    (void)migrate_all(3);
    expect_pages(PAGES, 2);
    rig_destroy(&rig);
}

static void use_another_size(void)
{
    cr_assert_eq(nodes_map(&rig, asid.number, 1, 4 * RIG_MEDIUM, 4 * RIG_MEDIUM), HIPT_OK);
}

/* W5 beside W1: the word is another one, its place is not; whoever moves the space tries again. */
Test(migrate, T4_W5_a_size_more_meanwhile)
{
    unsigned n = 0;
    bool more;

    do {
        start(3);
        step_interrupt(NULL, NULL, n++, use_another_size);
        cr_assert_eq(migrate(1), HIPT_PENDING);
        more = step_interrupted();
        (void)migrate_all(1);
        expect_pages(3, 1);
        cr_assert(!more || hipt_lookup_pte(rig.table, asid.number, 4 * RIG_MEDIUM) != 0);
        rig_destroy(&rig);
    } while (more);
    cr_assert_gt(n, 30u);
}

static void migrate_elsewhere(void)
{
    enum hipt_status status = migrate(3);

    cr_assert(status == HIPT_PENDING || status == HIPT_OK || status == HIPT_BUSY);
}

/* W1 beside W1, in a table of eight plans: one of the two has it, and the plan of the other one is not lost. */
Test(migrate, T4_W1_two_at_once_lose_no_plan)
{
    unsigned rounds = 0;
    unsigned n = 0;
    bool more = true;

    start(0);
    rig_destroy(&rig);
    rig.config.asid_bits = 2;
    cr_assert(rig_create(&rig));
    asid = rig_asid(&rig);
    nodes_map_many(&rig, asid.number, 3);
    while (more && rounds++ < 1000u) {
        enum hipt_status status;
        unsigned i;

        step_interrupt(NULL, NULL, n, migrate_elsewhere);
        status = migrate(1);
        more = step_interrupted() || status == HIPT_BUSY;
        n += status != HIPT_BUSY; /* else plans wait for a grace period: once more */
        cr_assert(status == HIPT_PENDING || status == HIPT_BUSY);
        for (i = 0; i < 20u && status != HIPT_OK; i++) {
            rig_pass(&rig);
            status = migrate(0);
        }
        cr_assert_eq(status, HIPT_OK, "at access %u: %s", n, hipt_strerror(status));
    }
    cr_assert(n > 30u && rounds < 1000u, "%u accesses in %u rounds", n, rounds);
    expect_pages(3, 0);
    rig_destroy(&rig);
}

/* The end of a space that is half moved takes all of it (A1); the next life begins at home, and its plan goes back. */
Test(migrate, A1_a_space_ends_meanwhile)
{
    struct hipt_retired report;
    struct hipt_asid gone;

    start(PAGES);
    only_announce(1);
    cr_assert_eq(nodes_map(&rig, asid.number, 0, PAGES, PAGES), HIPT_OK);
    gone = asid;
    cr_assert_eq(hipt_asid_retire(rig.table, asid, &report), HIPT_OK);
    cr_assert_eq(report.pages, PAGES + 1);
    cr_assert_eq(hipti_load_relaxed(&hipti_asid_record(&rig.table->asids, asid.number)->cells), 0);
    cr_assert_eq(migrate(1), HIPT_BAD_ASID);
    nodes_here = 3;
    do {
        rig_pass(&rig);
        asid = rig_asid(&rig);
    } while (asid.number != gone.number);
    cr_assert_eq(hipti_word_place(word()), hipti_word_at(2));
    asid = gone;
    cr_assert_eq(migrate(1), HIPT_BAD_ASID, "of another life");
    rig_destroy(&rig);
}

/* Bad input changes nothing. */
Test(migrate, refusals)
{
    static const struct hipt_region_place bad[] = {{5, 0}};
    uint32_t before;

    start(3);
    before = word();
    cr_assert_eq(hipt_asid_place(rig.table, asid, bad, 1), HIPT_BAD_VPN);
    cr_assert_eq(migrate(NODES), HIPT_BAD_NODE);
    cr_assert_eq(migrate(HIPT_ANY_NODE), HIPT_BAD_NODE);
    cr_assert_eq(hipt_asid_migrate(rig.table, (struct hipt_asid){asid.number, asid.generation + 1u}, 1), HIPT_BAD_ASID);
    cr_assert_eq(hipt_asid_migrate(rig.table, (struct hipt_asid){9, 1}, 1), HIPT_BAD_ASID);
    cr_assert_eq(hipt_asid_migrate(rig.table, (struct hipt_asid){UINT32_MAX, 1}, 1), HIPT_BAD_ASID);
    cr_assert_eq(word(), before);
    rig_destroy(&rig);
}

/* No memory, for the plan or for lines where the pages go: nothing is lost, and a later call goes on. */
Test(migrate, scarcity)
{
    uint32_t before;
    unsigned failed = 0;
    uint64_t at;

    for (at = 1; at < 40u; at++) {
        enum hipt_status status;

        start(PAGES * 3);
        before = word();
        test_host_fail(&rig.host, at, 1000);
        status = migrate(1);
        cr_assert(status == HIPT_NOMEM || status == HIPT_PENDING);
        cr_assert(status == HIPT_PENDING || at > 1u || word() == before);
        failed += status == HIPT_NOMEM;
        expect_pages(PAGES * 3, SHARDS);
        test_host_fail(&rig.host, 0, 0);
        (void)migrate_all(1);
        expect_pages(PAGES * 3, 1);
        rig_destroy(&rig);
    }
    cr_assert_geq(failed, 2);
}

/* A move of page 5 to shard 1 that was stopped behind the switch (P20): nobody has been told. => the copy. */
static hipti_slot switch_only(void)
{
    struct hipt_page page = {.asid = asid.number, .size = 0, .vpn = 5};
    hipti_slot slot = slot_of(5);
    uint64_t pte = word_in(slot);
    struct hipti_claim claim;
    struct hipti_place place = hipti_buckets_place(&rig.table->buckets, 1, hipti_page_key(rig.table, &page));

    cr_assert_eq(hipti_bucket_copy(&rig.table->buckets, place, pte & ~HIPTI_PTE_VERSION_MASK, &claim), HIPT_OK);
    cr_assert(hipti_slot_change(&rig.table->buckets, slot, &pte, hipti_pte_forward(pte, claim.slot, claim.pte)));
    return claim.slot;
}

/* F1: a mapping that moves on within the new shard before frame and space have been told of the move before. */
Test(migrate, F1_settle_before_the_next_move)
{
    hipti_slot copy;

    start(6);
    only_announce(1);
    copy = switch_only();
    cr_assert_eq(slot_of(5), copy, "who finds it shows the copy, and does no more");
    cr_assert_eq(hipt_resize(rig.table, 3000, false), HIPT_OK);
    HIPT_PORT_READ_ENTER(&rig.table->ops);
    hipti_move_on(rig.table, 1, 10000); /* the other shard does not move on: it would tell them */
    HIPT_PORT_READ_EXIT(&rig.table->ops);
    cr_assert_neq(slot_of(5), copy);
    expect_pages(6, SHARDS);
    (void)migrate_all(1);
    expect_pages(6, 1);
    rig_destroy(&rig);
}

/* The asid's plan with a past has stood for a grace period, and nothing has been moved. */
static void only_announce_and_wait(int node)
{
    only_announce(node);
    cr_assert_not(hipti_plan_is_due(&rig.table->asids.plans, hipti_word_plan(word()), false));
    rig_pass(&rig);
}

/* T4, W3: a move that was stopped behind the switch is ended by the walk, which needs no other one for that. */
Test(migrate, T4_W3_a_move_that_was_stopped)
{
    hipti_slot copy;

    start(6);
    only_announce_and_wait(1);
    copy = switch_only();
    cr_assert_eq(migrate(1), HIPT_PENDING);
    cr_assert(is_settled());
    cr_assert_eq(slot_of(5), copy);
    (void)migrate_all(1);
    expect_pages(6, 1);
    rig_destroy(&rig);
}

static hipti_slot slot_of_five;
static unsigned empty_ones;

static void migrate_beside(void)
{
    uint64_t pte;
    uint64_t key;
    bool is_there = hipti_slot_occupant(&rig.table->buckets, slot_of_five, &pte, &key);

    cr_assert_eq(migrate(1), HIPT_PENDING);
    if (!is_there) {
        empty_ones++;
        cr_assert(is_settled());
    }
}

/* Unmap the last of six pages, with @meanwhile before access number @n; then the others move. => whether it has run. */
static bool unmap_five_beside(void (*meanwhile)(void), unsigned n)
{
    struct hipt_page page = {.asid = asid.number, .size = 0, .vpn = 5};
    bool has_run;

    step_interrupt(NULL, NULL, n, meanwhile);
    cr_assert_eq(hipt_unmap(rig.table, &page, NULL), HIPT_OK);
    has_run = step_interrupted();
    expect_pages(5, SHARDS);
    (void)migrate_all(1);
    expect_pages(5, 1);
    rig_destroy(&rig);
    return has_run;
}

/* T4, W3: an unmap that was stopped when its slot was empty, but named by a cell still, is not waited for. */
Test(migrate, T4_W3_an_unmap_that_was_stopped)
{
    unsigned n = 0;

    do {
        start(6);
        only_announce_and_wait(1);
        slot_of_five = slot_of(5);
    } while (unmap_five_beside(migrate_beside, n++));
    cr_assert_gt(empty_ones, 0);
}

static void end_the_space(void)
{
    cr_assert_eq(hipt_asid_retire(rig.table, asid, NULL), HIPT_OK);
    step_note_first(hipti_asid_cell_address(&rig.table->asids, HIPTI_BLOCK_CELLS), sizeof(struct hipti_cells));
}

/* A space ends while it is walked: the next turn looks at no block, which may be another's by then; it is the last. */
Test(migrate, A1_a_walk_ends_with_the_space)
{
    start(PAGES);
    step_interrupt("load", &rig.table->buckets.due, 0, end_the_space);
    cr_assert_eq(migrate(1), HIPT_BAD_ASID);
    cr_assert(step_interrupted());
    cr_assert_null(step_first());
    rig_destroy(&rig);
}

/* T4, W3: nor if the slot has been given to another space, whose page is out of place as well, and stays there. */
Test(migrate, T4_W3_a_slot_that_is_anothers_by_now)
{
    struct hipt_asid own;
    enum hipt_status status = HIPT_OK;
    hipti_slot slot;
    uint32_t cell;

    start(6);
    own = asid;
    asid = nodes_space(&rig);
    cr_assert_eq(nodes_map(&rig, asid.number, 0, 5, 100), HIPT_OK);
    only_announce(3);
    slot = slot_of(5);
    asid = own;
    HIPT_PORT_READ_ENTER(&rig.table->ops);
    cell = hipti_asid_remember(&rig.table->asids, hipti_asid_record(&rig.table->asids, own.number), slot, &status);
    HIPT_PORT_READ_EXIT(&rig.table->ops);
    cr_assert_neq(cell, 0);
    only_announce_and_wait(1);
    cr_assert_eq(migrate(1), HIPT_PENDING);
    cr_assert(is_settled());
    cr_assert_eq(hipti_pte_state(word_in(slot)), HIPTI_LIVE);
    HIPT_PORT_READ_ENTER(&rig.table->ops);
    hipti_asid_forget(&rig.table->asids, own.number, cell);
    HIPT_PORT_READ_EXIT(&rig.table->ops);
    (void)migrate_all(1);
    expect_pages(6, 1);
    rig_destroy(&rig);
}

static void begin_to_grow(void)
{
    cr_assert_eq(hipt_resize(rig.table, 3000, false), HIPT_OK);
    atomic_store(&rig.host.waits, 0); /* another thread would be in no read side */
}

/* The same, where it ends, also while the shard that it has left begins to grow: nothing of it is left. */
Test(migrate, F1_settle_before_the_end)
{
    unsigned n = 0;

    do {
        start(6);
        only_announce(1);
        (void)switch_only();
    } while (unmap_five_beside(begin_to_grow, n++));
    cr_assert_gt(n, 30u);
}

/* Who was stopped goes on as far as telling them; the mapping moves on in its new shard, and he is stopped again. */
static void move_on_and_stop(void)
{
    struct hipt_page page = {.asid = asid.number, .size = 0, .vpn = 5};
    const struct hipti_array *array;
    struct hipti_claim claim;
    hipti_slot slot;
    uint64_t pte;

    begin_to_grow();
    hipti_move_settle(rig.table, &page);
    if (hipti_page_find(rig.table, &page, &slot, &pte) && hipti_pte_state(pte) == HIPTI_LIVE) {
        array = hipti_buckets_now(&rig.table->buckets, 1);
        cr_assert_eq(hipti_bucket_copy(&rig.table->buckets,
                                       hipti_array_place(array, hipti_page_key(rig.table, &page)),
                                       pte & ~HIPTI_PTE_VERSION_MASK, &claim), HIPT_OK);
        cr_assert(hipti_slot_change(&rig.table->buckets, slot, &pte, hipti_pte_forward(pte, claim.slot, claim.pte)));
    }
}

/* F1, A1: the end of a space takes what moves on while it is looked at. */
Test(migrate, A1_F1_a_space_ends_while_its_pages_move_on)
{
    struct hipt_retired report;
    unsigned n = 0;
    bool more;

    do {
        start(6);
        only_announce(1);
        (void)switch_only();
        step_interrupt(NULL, NULL, n++, move_on_and_stop);
        cr_assert_eq(hipt_asid_retire(rig.table, asid, &report), HIPT_OK);
        more = step_interrupted();
        cr_assert_eq(report.pages, 6, "at access %u", n);
        rig_destroy(&rig);
    } while (more);
    cr_assert_gt(n, 30u);
}

static struct hipt_retired ended;
static unsigned ends_midway; /* in the middle between two nodes */

static void retire_beside(void)
{
    struct hipt_node_counts from;
    struct hipt_node_counts to;

    cr_assert_eq(hipt_node_stats(rig.table, 0, &from), HIPT_OK);
    cr_assert_eq(hipt_node_stats(rig.table, 1, &to), HIPT_OK);
    ends_midway += from.mappings > 0 && to.mappings > 0;
    cr_assert_eq(hipt_asid_retire(rig.table, asid, &ended), HIPT_OK);
}

/* Nothing is left of the space, which had @count pages, nor of its plan: the number's next life is as any other. */
static void expect_gone(uint64_t count)
{
    uint32_t number = asid.number;
    struct hipt_frame_status frame;
    struct hipt_stats stats;
    uint64_t n;

    cr_assert_eq(migrate(1), HIPT_BAD_ASID);
    cr_assert_eq(ended.pages, count);
    cr_assert_eq(hipti_load_relaxed(&hipti_asid_record(&rig.table->asids, number)->cells), 0);
    hipt_table_stats(rig.table, &stats);
    cr_assert_eq(stats.mappings, 0);
    for (n = 0; n < count; n++) {
        cr_assert_eq(hipt_lookup_pte(rig.table, number, n), 0);
        cr_assert_eq(hipt_frame_get(rig.table, (struct hipt_frame){.pfn = n}, &frame), HIPT_OK);
        cr_assert_eq(frame.mappings, 0);
    }
    do {
        rig_pass(&rig);
        asid = rig_asid(&rig);
    } while (asid.number != number);
    cr_assert_eq(hipti_word_place(word()), hipti_word_at(0));
    for (n = 0; n < count; n++) {
        cr_assert_eq(nodes_map(&rig, number, 0, n, PAGES + n), HIPT_OK);
        cr_assert_eq(shard_of(n), 0);
    }
}

/*
 * Place a space of @count pages, which ends before access number @n, to what says whether it lives if @at_life. =>
 * whether there was such an access.
 */
static bool place_and_end(uint64_t count, bool at_life, unsigned n)
{
    enum hipt_status status;
    bool has_ended;

    start(count);
    step_interrupt(NULL, at_life ? &hipti_asid_record(&rig.table->asids, asid.number)->life : NULL, n, retire_beside);
    status = migrate(1);
    has_ended = step_interrupted();
    if (has_ended) {
        cr_assert(status == HIPT_BAD_ASID || status == HIPT_PENDING, "at access %u: %s", n, hipt_strerror(status));
        cr_assert(!at_life || status == HIPT_BAD_ASID, "it is asked whether the space lives, which it does not");
        expect_gone(count);
    } else {
        cr_assert_eq(status, HIPT_PENDING);
        (void)migrate_all(1);
        expect_pages(count, 1);
    }
    rig_destroy(&rig);
    return has_ended;
}

/* A1: a space that ends before any access of its placement, also between two turns of the walk over its pages. */
Test(migrate, A1_a_space_ends_beside_its_placement)
{
    unsigned n = 0;

    while (place_and_end(6, false, n)) {
        n++;
    }
    cr_assert_gt(n, 100u);
    ends_midway = 0;
    for (n = 0; place_and_end(PAGES, true, n);) {
        n++;
    }
    cr_assert_geq(ends_midway, 3u, "a turn for each block of cells");
}

/* P24, H5: the slot that was left begins again with version 0, and its bucket's header has forgotten it. */
Test(migrate, T2_H5_P24_a_slot_that_was_left)
{
    hipti_slot slot;
    uint64_t header;

    start(1);
    slot = slot_of(0);
    header = hipti_load_relaxed(&hipti_buckets_line(&rig.table->buckets, slot / HIPT_SLOTS)->header);
    cr_assert(header & HIPTI_HEADER_PENDING, "it names the slot");
    cr_assert_eq(migrate(1), HIPT_PENDING);
    header = hipti_load_relaxed(&hipti_buckets_line(&rig.table->buckets, slot / HIPT_SLOTS)->header);
    cr_assert_not(header & HIPTI_HEADER_PENDING);
    cr_assert_eq(hipti_pte_state(word_in(slot)), HIPTI_PARKED);
    cr_assert_not(rig.host.ops.gp_elapsed(rig.host.ops.ctx, hipti_pte_cookie(word_in(slot))), "it waits");
    rig_pass(&rig);
    cr_assert(rig.host.ops.gp_elapsed(rig.host.ops.ctx, hipti_pte_cookie(word_in(slot))));
    (void)migrate_all(0);
    expect_pages(1, 0);
    rig_destroy(&rig);
}

static unsigned walked[PAGES];

/* One step of a walk over the table. => false: it is over. */
static bool walk_on(struct hipt_cursor *cursor)
{
    struct hipt_mapping out;

    if (hipt_table_next(rig.table, cursor, &out) != HIPT_OK) {
        return false;
    }
    cr_assert_lt(out.page.vpn, PAGES);
    walked[out.page.vpn]++;
    return true;
}

/* T2: a walk meets every page at least once, whenever the space moves, and exactly once if it has moved before. */
Test(migrate, T2_a_walk_meanwhile)
{
    unsigned at;

    for (at = 0; at < PAGES; at += 19u) {
        struct hipt_cursor cursor = {0};
        unsigned steps = 0;
        unsigned i;

        memset(walked, 0, sizeof(walked));
        start(PAGES);
        (void)migrate_all(3);
        do {
            if (steps++ == at) {
                cr_assert_eq(migrate(0), HIPT_PENDING);
            }
        } while (walk_on(&cursor));
        for (i = 0; i < PAGES; i++) {
            cr_assert_geq(walked[i], 1, "page %u, moved at %u", i, at);
        }
        memset(walked, 0, sizeof(walked));
        cursor = (struct hipt_cursor){0};
        while (walk_on(&cursor)) {
        }
        for (i = 0; i < PAGES; i++) {
            cr_assert_eq(walked[i], 1, "page %u", i);
        }
        rig_destroy(&rig);
    }
}

/* A large space has the shards that it goes to grow, and grows while it goes. */
Test(migrate, N1_the_new_shard_grows)
{
    uint64_t before;

    start(0);
    rig_destroy(&rig);
    rig.config.resize = HIPT_GROW;
    rig.config.capacity_max = 1 << 14;
    cr_assert(rig_create(&rig));
    test_host_free_run(&rig.host);
    asid = rig_asid(&rig);
    nodes_map_many(&rig, asid.number, 3000);
    before = hipti_buckets_now(&rig.table->buckets, 1)->quotient.buckets;
    cr_assert_eq(migrate(1), HIPT_PENDING);
    cr_assert_gt(hipti_buckets_now(&rig.table->buckets, 1)->quotient.buckets, 8u * before, "each page helps");
    (void)migrate_all(1);
    expect_pages(3000, 1);
    rig_destroy(&rig);
}

/* Regions that cannot be are refused, and change nothing; so is what a table without nodes has not. */
Test(migrate, bad_regions_are_refused)
{
    static const struct {
        struct hipt_region_place regions[2];
        unsigned count;
        enum hipt_status status;
    } bad[] = {{{{0, 0}, {0, 0}}, 0, HIPT_BAD_VPN},        {{{0, 0}, {0, 0}}, HIPT_REGIONS_MAX + 1u, HIPT_BAD_VPN},
               {{{0, 0}, {0, 1}}, 2, HIPT_BAD_VPN},        {{{0, 0}, {RIG_VPNS, 1}}, 2, HIPT_BAD_VPN},
               {{{0, NODES}, {0, 0}}, 1, HIPT_BAD_NODE},   {{{0, 0}, {5, -3}}, 2, HIPT_BAD_NODE}};
    uint32_t before;
    size_t i;

    start(3);
    before = word();
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cr_assert_eq(hipt_asid_place(rig.table, asid, bad[i].regions, bad[i].count), bad[i].status);
        cr_assert_eq(word(), before);
    }
    rig_destroy(&rig);
    rig.config.topology = NULL;
    cr_assert(rig_create(&rig));
    asid = rig_asid(&rig);
    cr_assert_eq(migrate(HIPT_ALL_NODES), HIPT_OK);
    cr_assert_eq(migrate(0), HIPT_OK);
    cr_assert_eq(migrate(1), HIPT_BAD_NODE);
    cr_assert_eq(hipt_asid_follow(rig.table, asid), HIPT_OK, "there are no CPUs");
    rig_destroy(&rig);
}

/* A host without read sides: spaces are placed, moved, and follow, and nodes are counted, without the hooks. */
Test(migrate, a_host_that_is_always_inside)
{
    static const struct hipt_region_place regions[] = {{0, 0}, {100, 3}};
    struct hipt_node_counts stats;
    uint64_t n;

    start(0);
    rig_destroy(&rig);
    rig.host.ops.read_enter = NULL;
    rig.host.ops.read_exit = NULL;
    cr_assert(rig_create(&rig));
    nodes_here = 3;
    asid = rig_asid(&rig);
    cr_assert_eq(hipti_word_place(word()), hipti_word_at(2));
    cr_assert_eq(hipt_asid_alloc_placed(rig.table, regions, 2, &asid), HIPT_OK);
    nodes_map_many(&rig, asid.number, PAGES);
    for (n = 0; n < PAGES; n++) {
        cr_assert_eq(shard_of(n), n < 100u ? 0 : 2);
    }
    cr_assert_eq(hipt_asid_follow(rig.table, asid), HIPT_OK);
    cr_assert(word() & HIPTI_WORD_PLANNED, "it stays where it is");
    cr_assert_leq(migrate_all(1), 4);
    expect_pages(PAGES, 1);
    cr_assert_eq(hipt_asid_follow(rig.table, asid), HIPT_OK);
    expect_pages(PAGES, 1);
    cr_assert_eq(hipt_node_stats(rig.table, 1, &stats), HIPT_OK);
    cr_assert_eq(stats.mappings, PAGES);
    cr_assert_gt(stats.bytes_lines, 0);
    cr_assert_eq(hipt_asid_retire(rig.table, asid, NULL), HIPT_OK);
    cr_assert_eq(hipt_asid_follow(rig.table, asid), HIPT_BAD_ASID);
    rig_destroy(&rig);
}

/* A table of a few asids with as many plans as are possible in other hands, but @left. */
static void start_with_plans(unsigned asid_bits, unsigned left)
{
    static const struct hipti_regions anywhere = {.count = 1};
    enum hipt_status status = HIPT_OK;
    unsigned i;

    start(0);
    rig_destroy(&rig);
    rig.config.asid_bits = asid_bits;
    cr_assert(rig_create(&rig));
    HIPT_PORT_READ_ENTER(&rig.table->ops);
    for (i = left; i < 2u << asid_bits; i++) {
        cr_assert_neq(hipti_plan_new(&rig.table->asids.plans, &anywhere, &anywhere, &status), 0);
    }
    HIPT_PORT_READ_EXIT(&rig.table->ops);
}

/* Plans run out, and are to be had again when a grace period has passed. What has begun ends without one. */
Test(migrate, W1_W3_W4_plans_are_scarce)
{
    struct hipt_asid other;

    start_with_plans(1, 1);
    asid = rig_asid(&rig);
    other = rig_asid(&rig);
    nodes_map_many(&rig, asid.number, 10);
    cr_assert_eq(migrate(1), HIPT_PENDING);
    cr_assert_eq(hipt_asid_migrate(rig.table, other, 1), HIPT_FULL);
    rig_pass(&rig);
    cr_assert_eq(migrate(1), HIPT_PENDING);
    cr_assert(is_settled(), "W3");
    cr_assert_eq(migrate(1), HIPT_PENDING);
    rig_pass(&rig);
    cr_assert_eq(migrate(1), HIPT_OK);
    expect_pages(10, 1);
    cr_assert_eq(hipt_asid_migrate(rig.table, other, 1), HIPT_BUSY, "the plan waits for a grace period");
    rig_pass(&rig);
    cr_assert_eq(hipt_asid_migrate(rig.table, other, 1), HIPT_PENDING);
    rig_destroy(&rig);
}

static const struct hipt_region_place everywhere = {0, HIPT_ALL_NODES};

static enum hipt_status alloc_everywhere(void)
{
    return hipt_asid_alloc_placed(rig.table, &everywhere, 1, &asid);
}

/* A retired asid keeps its plan until it is issued again, or somebody needs it; not while a page's cell is in use. */
Test(migrate, W6_plans_of_retired_asids)
{
    struct hipti_asid *record;
    struct hipt_asid plain[2];
    unsigned i;

    start_with_plans(2, 1);
    plain[0] = rig_asid(&rig);
    plain[1] = rig_asid(&rig);
    cr_assert_eq(alloc_everywhere(), HIPT_OK);
    cr_assert_eq(hipt_asid_retire(rig.table, plain[0], NULL), HIPT_OK);
    cr_assert_eq(hipt_asid_migrate(rig.table, plain[1], 1), HIPT_FULL, "who is retired may still be used");
    rig_pass(&rig);
    cr_assert_eq(hipt_asid_migrate(rig.table, plain[1], 1), HIPT_FULL, "and has none");
    record = hipti_asid_record(&rig.table->asids, asid.number);
    cr_assert_eq(hipt_asid_retire(rig.table, asid, NULL), HIPT_OK);
    cr_assert_eq(alloc_everywhere(), HIPT_FULL);
    (void)hipti_fetch_add_relaxed(&record->cells, 1u);
    for (i = 0; i < 4u; i++) {
        rig_pass(&rig);
        cr_assert_eq(alloc_everywhere(), HIPT_FULL, "a page of it is being unmapped");
    }
    (void)hipti_fetch_sub_release(&record->cells, 1u);
    for (i = 0; i < 4u && alloc_everywhere() == HIPT_FULL; i++) {
        rig_pass(&rig);
    }
    cr_assert_lt(i, 4u);
    cr_assert_eq(nodes_word(&rig, record->number), hipti_word_at(0));
    cr_assert_eq(alloc_everywhere(), HIPT_BUSY, "it waits for a grace period itself");
    rig_pass(&rig);
    cr_assert_eq(alloc_everywhere(), HIPT_OK);
    rig_destroy(&rig);
}

/* Some give theirs up at once, not all: each goes through the list of those that wait. */
Test(migrate, W6_some_plans_of_retired_asids)
{
    struct hipt_asid all[100];
    unsigned kept = 0;
    unsigned i;

    start_with_plans(7, 100);
    for (i = 0; i < 100u; i++) {
        cr_assert_eq(alloc_everywhere(), HIPT_OK);
        all[i] = asid;
    }
    for (i = 0; i < 100u; i++) {
        cr_assert_eq(hipt_asid_retire(rig.table, all[i], NULL), HIPT_OK);
    }
    cr_assert_eq(alloc_everywhere(), HIPT_FULL, "who is retired may still be used");
    rig_pass(&rig);
    cr_assert_eq(alloc_everywhere(), HIPT_BUSY);
    cr_assert_eq(alloc_everywhere(), HIPT_BUSY, "nobody else gives one up while these wait");
    for (i = 0; i < 100u; i++) {
        kept += nodes_word(&rig, all[i].number) != hipti_word_at(0);
    }
    cr_assert_eq(kept, 36);
    rig_pass(&rig);
    cr_assert_eq(alloc_everywhere(), HIPT_OK);
    rig_destroy(&rig);
}

/* Strictly placed, and the node is full: the space stays between both places, until there is room. */
Test(migrate, N1_to_a_full_node)
{
    start(0);
    rig_destroy(&rig);
    rig.config.placement = HIPT_STRICT;
    cr_assert(rig_create(&rig));
    asid = rig_asid(&rig);
    nodes_map_many(&rig, asid.number, PAGES * 3);
    atomic_store(&rig.host.full, 1u << 1);
    cr_assert_eq(migrate(1), HIPT_NOMEM);
    rig_pass(&rig);
    cr_assert_eq(migrate(0), HIPT_NOMEM, "what is under way comes first");
    expect_pages(PAGES * 3, SHARDS);
    atomic_store(&rig.host.full, 0);
    (void)migrate_all(1);
    expect_pages(PAGES * 3, 1);
    rig_destroy(&rig);
}

/* The CPUs on the nodes that @cpu_node says. Node 2 has no memory, and is nearest to node 1. */
static void start_with_cpus_on(const int *cpu_node)
{
    static const unsigned char distance[] = {10, 40, 40, 40, 10, 15, 40, 15, 10};
    static const struct hipt_node_range halves[] = {{0, RIG_FRAMES / 2, 0}, {RIG_FRAMES / 2, RIG_FRAMES / 2, 1}};
    struct hipt_topology topology = {.size = sizeof(topology), .nodes = 3, .cpus = CPUS, .cpu_node = cpu_node,
                                     .distance = distance, .ranges = halves, .nranges = 2};
    unsigned i;

    cpus_init(&rig);
    rig.config.topology = &topology;
    rig.config.buckets = 128;
    cr_assert(rig_create(&rig));
    rig.config.topology = NULL; /* the table has a copy */
    for (i = 0; i < CPUS; i++) {
        cpus_attach(&rig, i, 8);
        hipt_cpu_enter(&cpus.cpu[i].cpu);
    }
    asid = rig_asid(&rig);
    nodes_map_many(&rig, asid.number, 20);
}

/* CPUs 0 and 1 on node 0, CPU 2 on node 1, CPU 3 on node 2. */
static void start_with_cpus(void)
{
    static const int cpu_node[CPUS] = {0, 0, 1, 2};

    start_with_cpus_on(cpu_node);
}

static void follow_all(void)
{
    enum hipt_status status = HIPT_PENDING;
    unsigned i;

    for (i = 0; i < 5u && status == HIPT_PENDING; i++) {
        status = hipt_asid_follow(rig.table, asid);
        rig_pass(&rig);
    }
    cr_assert_eq(status, HIPT_OK);
}

/* A space goes to where most of its CPUs are, and stays where as many are. One without memory is near another node. */
Test(migrate, N1_a_space_follows_its_cpus)
{
    start_with_cpus();
    follow_all();
    expect_pages(20, 0);
    (void)cpus_use(2, asid.number);
    follow_all();
    expect_pages(20, 1);
    (void)cpus_use(0, asid.number);
    follow_all();
    expect_pages(20, 1);
    (void)cpus_use(1, asid.number);
    follow_all();
    expect_pages(20, 0);
    (void)cpus_use(3, asid.number);
    follow_all();
    expect_pages(20, 0);
    cr_assert_eq(hipt_asid_follow(rig.table, (struct hipt_asid){asid.number, 9}), HIPT_BAD_ASID);
    cpus_detach_all();
    rig_destroy(&rig);
}

/* Two near node 1, one of them where there is no memory, are more than one on node 0; a spread space comes to one. */
Test(migrate, N1_a_space_follows_those_near)
{
    start_with_cpus();
    (void)cpus_use(0, asid.number);
    (void)cpus_use(2, asid.number);
    (void)cpus_use(3, asid.number);
    follow_all();
    expect_pages(20, 1);
    (void)migrate_all(HIPT_ALL_NODES);
    follow_all();
    expect_pages(20, 1);
    cpus_detach_all();
    rig_destroy(&rig);
}

/* CPUs whose node nobody knows draw it nowhere, however many they are. */
Test(migrate, N1_a_space_does_not_follow_cpus_on_no_node)
{
    static const int cpu_node[CPUS] = {HIPT_ANY_NODE, HIPT_ANY_NODE, 1, 0};

    start_with_cpus_on(cpu_node);
    (void)cpus_use(0, asid.number);
    (void)cpus_use(1, asid.number);
    follow_all();
    expect_pages(20, 0);
    (void)cpus_use(2, asid.number);
    follow_all();
    expect_pages(20, 1);
    (void)cpus_use(3, asid.number);
    follow_all();
    expect_pages(20, 1);
    cpus_detach_all();
    rig_destroy(&rig);
}

/* Where nobody uses it, what is under way comes to its end; a spread space stays spread. */
Test(migrate, N1_a_space_that_nobody_uses)
{
    start_with_cpus();
    cr_assert_eq(migrate(1), HIPT_PENDING);
    follow_all();
    cr_assert_eq(hipti_word_place(word()), hipti_word_at(1));
    (void)migrate_all(HIPT_ALL_NODES);
    follow_all();
    cr_assert(word() & HIPTI_WORD_PLANNED);
    cpus_detach_all();
    rig_destroy(&rig);
}
