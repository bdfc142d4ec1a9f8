/* SPDX-License-Identifier: MIT */
/*
 * A space that is moved from node to node all the time, beside threads that map, look up and end pages of theirs in it,
 * and find pages that stay. Each knows what it has to see.
 */
#include <criterion/criterion.h>

#include <stdatomic.h>

#include "support/nodes.h"
#include "support/step.h"

enum { BUCKETS = 16, STAY = 40, OWN = 40, ROUNDS = 400, THREADS = 4, WORKERS = 2 };

static struct rig rig;
static struct hipt_asid asid;
static _Atomic unsigned working;
static _Atomic unsigned placed;

static uint64_t word_of(uint64_t vpn)
{
    uint64_t pte;

    hipt_read_enter(rig.table);
    pte = hipt_lookup_pte(rig.table, asid.number, vpn);
    hipt_read_exit(rig.table);
    return pte;
}

/* Page @vpn is mapped to the frame of the same number, which knows it. */
static void look_at(uint64_t vpn)
{
    struct hipt_frame frame = {.pfn = vpn, .swap = false};
    struct hipt_mapping out = {0};
    size_t count = 0;
    uint64_t pte = word_of(vpn);

    TEST_HOLDS(pte != 0 && HIPT_PTE_PFN(pte) == vpn);
    TEST_HOLDS(hipt_reverse(rig.table, frame, &out, 1, &count) == HIPT_OK);
    TEST_HOLDS(count == 1 && out.page.vpn == vpn);
}

/* A page of the caller's own comes and goes. */
static void come_and_go(uint64_t vpn)
{
    struct hipt_page page = {.asid = asid.number, .size = 0, .vpn = vpn};
    enum hipt_status status;

    do {
        status = nodes_map(&rig, asid.number, 0, vpn, vpn);
    } while (status == HIPT_BUSY); /* its last line or slot waits for a grace period */
    TEST_HOLDS(status == HIPT_OK);
    TEST_HOLDS(nodes_map(&rig, asid.number, 0, vpn, vpn) == HIPT_EXISTS);
    look_at(vpn);
    TEST_HOLDS(hipt_unmap(rig.table, &page, NULL) == HIPT_OK);
    TEST_HOLDS(word_of(vpn) == 0);
}

static void work(unsigned index)
{
    unsigned round;
    uint64_t n;

    for (round = 0; round < ROUNDS; round++) {
        for (n = 0; n < OWN; n++) {
            come_and_go(STAY + index * OWN + n);
            look_at((n + round) % STAY);
        }
    }
    (void)atomic_fetch_sub(&working, 1u);
}

/* To one node after another, and over all of them. Two threads do so at once, and want different things. */
static void move(unsigned index)
{
    static const int nodes[] = {3, 0, HIPT_ALL_NODES, 1};
    unsigned turns = 0;
    unsigned n = index;

    while (atomic_load(&working) > 0) {
        /* now and then to where its users are: there are none, so to where it is, or is going */
        bool is_to_follow = ++turns % 8u == 0;
        enum hipt_status status = is_to_follow ? hipt_asid_follow(rig.table, asid)
                                               : hipt_asid_migrate(rig.table, asid, nodes[n % 4u]);

        TEST_HOLDS(status == HIPT_OK || status == HIPT_PENDING || status == HIPT_BUSY);
        if (status == HIPT_OK && !is_to_follow) {
            (void)atomic_fetch_add(&placed, 1u);
            n++;
        }
    }
}

static void work_or_move(void *shared, unsigned index)
{
    (void)shared;
    if (index < WORKERS) {
        work(index);
    } else {
        move(index);
    }
}

static void start(void)
{
    uint64_t pfn;

    cr_assert(nodes_create(&rig, BUCKETS, HIPT_PREFERRED));
    test_host_free_run(&rig.host);
    asid = rig_asid(&rig);
    nodes_map_many(&rig, asid.number, STAY);
    for (pfn = 0; pfn < STAY + WORKERS * OWN; pfn++) { /* frames with an owner need no grace period between two */
        cr_assert_eq(hipt_frame_pin(rig.table, (struct hipt_frame){.pfn = pfn}), HIPT_OK);
    }
    atomic_store(&working, WORKERS);
    atomic_store(&placed, 0u);
    step_yield_one_in(64);
}

static void stop(void)
{
    step_yield_one_in(0);
    rig_destroy(&rig);
}

/* T1, T2, F1: what is mapped is found, forward and back; what is not is not. */
Test(migrate, T1_T2_F1_a_space_moves_beside_its_users)
{
    start();
    test_threads(THREADS, work_or_move, NULL);
    cr_assert_geq(atomic_load(&placed), 3, "%u", atomic_load(&placed));
    stop();
}
