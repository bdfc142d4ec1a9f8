/* SPDX-License-Identifier: MIT */
/*
 * Spaces that are placed, ended and issued again beside threads that look pages of theirs up without knowing of it, and
 * tables that are counted while they move: what a word or a half names is there for whoever finds it.
 */
#include <criterion/criterion.h>

#include <stdatomic.h>

#include "support/nodes.h"
#include "support/step.h"

enum { BUCKETS = 16, PAGES = 24, LIVES = 4000, MOVES = 200, THREADS = 3 };

static struct rig rig;
static _Atomic bool is_over;

static void start(void)
{
    uint64_t pfn;

    cr_assert(nodes_create(&rig, BUCKETS, HIPT_PREFERRED));
    test_host_free_run(&rig.host);
    for (pfn = 0; pfn < PAGES; pfn++) { /* frames with an owner need no grace period between two mappings */
        cr_assert_eq(hipt_frame_pin(rig.table, (struct hipt_frame){.pfn = pfn}), HIPT_OK);
    }
    atomic_store_explicit(&is_over, false, memory_order_relaxed);
    step_yield_one_in(64);
}

static void stop(void)
{
    step_yield_one_in(0);
    rig_destroy(&rig);
}

/* One life of a space, placed in one of four ways. */
static void live(unsigned way)
{
    static const struct hipt_region_place regions[4][2] = {
        {{0, HIPT_ALL_NODES}, {0, 0}},
        {{0, 0}, {PAGES / 2, 3}},
        {{0, 1}, {0, 0}},
        {{0, 3}, {PAGES / 3, HIPT_ALL_NODES}},
    };
    static const unsigned counts[4] = {1, 2, 1, 2};
    struct hipt_asid asid;
    uint64_t vpn;

    if (hipt_asid_alloc_placed(rig.table, regions[way], counts[way], &asid) != HIPT_OK) {
        return; /* all numbers wait for a grace period */
    }
    for (vpn = 0; vpn < PAGES; vpn++) {
        (void)nodes_map(&rig, asid.number, 0, vpn, vpn);
    }
    TEST_HOLDS(hipt_asid_retire(rig.table, asid, NULL) == HIPT_OK);
}

static void live_or_look(void *shared, unsigned index)
{
    unsigned n;

    (void)shared;
    for (n = 0; index == 0 && n < LIVES; n++) {
        live(n % 4u);
    }
    if (index == 0) {
        atomic_store_explicit(&is_over, true, memory_order_relaxed);
    }
    /* relaxed: no order but the table's own between the lives and those who look */
    for (n = index; index > 0 && !atomic_load_explicit(&is_over, memory_order_relaxed); n++) {
        struct hipt_translation found;

        if (hipt_lookup(rig.table, n % 3u, n % PAGES, &found) == HIPT_OK) {
            TEST_HOLDS(found.mapping.pfn == n % PAGES);
        }
    }
}

/* A1, N1, T2: a lookup of a space that comes and goes, each time elsewhere, finds a page of it or none. */
Test(place, A1_T2_lives_beside_lookups)
{
    start();
    test_threads(THREADS, live_or_look, NULL);
    stop();
}

static void move_or_count(void *shared, unsigned index)
{
    unsigned n;

    (void)shared;
    for (n = 0; index == 0 && n < MOVES; n++) {
        (void)hipt_resize(rig.table, n % 2u ? 40 : 200, n % 3u == 0);
        while (hipt_resize_help(rig.table, 64) == HIPT_OK) {
        }
    }
    if (index == 0) {
        atomic_store_explicit(&is_over, true, memory_order_relaxed);
    }
    while (index > 0 && !atomic_load_explicit(&is_over, memory_order_relaxed)) { /* relaxed: as above */
        struct hipt_node_counts counts;
        struct hipt_stats stats;

        hipt_table_stats(rig.table, &stats);
        TEST_HOLDS(stats.buckets > 0 && stats.bytes_forward > 0);
        TEST_HOLDS(hipt_node_stats(rig.table, (int)(stats.lines % NODES), &counts) == HIPT_OK);
    }
}

/* Counting a table, and what of it lies on a node, while it moves reads arrays that are there. */
Test(place, counting_beside_moves)
{
    start();
    test_threads(THREADS, move_or_count, NULL);
    stop();
}
