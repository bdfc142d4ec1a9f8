/* SPDX-License-Identifier: MIT */
/* Threads issue and retire asids and map into their own and each other's. */
#include <criterion/criterion.h>

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "support/rig.h"
#include "support/step.h"

enum { THREADS = 3, LIVES = 3000, ASIDS = 4, PAGES = 70 }; /* more pages than a block has cells */

static struct rig rig;

struct lives {
    _Atomic bool issued[ASIDS];
    _Atomic uint32_t generation[ASIDS];
    _Atomic uint64_t retired_at[ASIDS]; /* the youngest grace period asked for at the retirement */
    _Atomic uint64_t refused;           /* times that no asid was to be had */
    _Atomic uint64_t strangers;         /* pages mapped into others' asids */
};

/*
 * A1: nobody else has the number, its generation is the next, a grace period has passed, and nothing is mapped in it.
 */
static void check_issued(struct lives *lives, struct hipt_asid asid)
{
    struct hipt_translation found;
    uint64_t vpn;

    TEST_HOLDS(asid.number < ASIDS && !atomic_exchange(&lives->issued[asid.number], true));
    TEST_HOLDS(asid.generation == atomic_fetch_add(&lives->generation[asid.number], 1u) + 1u);
    TEST_HOLDS(asid.generation == 1u ||
               atomic_load(&rig.host.elapsed) > atomic_load(&lives->retired_at[asid.number]));
    for (vpn = 0; vpn < PAGES; vpn++) {
        enum hipt_status status = hipt_lookup(rig.table, asid.number, vpn, &found);

        TEST_HOLDS(status == HIPT_ABSENT);
    }
}

/* Strangers' pages lie apart from the owner's. */
static void map_elsewhere(struct lives *lives, unsigned index, uint64_t draw)
{
    struct hipt_mapping m = rig_mapping((uint32_t)(draw % ASIDS), 0, 1000u * (index + 1u) + draw % 16u, 3000u + index);
    enum hipt_status status = hipt_map(rig.table, &m);

    TEST_HOLDS(status == HIPT_OK || status == HIPT_EXISTS || status == HIPT_BUSY || status == HIPT_BAD_ASID);
    atomic_fetch_add(&lives->strangers, status == HIPT_OK);
}

static void live_once(struct lives *lives, unsigned index, uint64_t draw)
{
    struct hipt_mapping first = rig_mapping(0, 0, 0, index * 100u);
    struct hipt_translation found;
    struct hipt_retired report;
    struct hipt_asid asid;
    uint64_t done;
    uint64_t n;

    if (hipt_asid_alloc(rig.table, &asid) != HIPT_OK) {
        atomic_fetch_add(&lives->refused, 1u);
        map_elsewhere(lives, index, draw);
        return;
    }
    check_issued(lives, asid);
    first.page.asid = asid.number;
    TEST_HOLDS(hipt_map_range(rig.table, &first, PAGES, &done) == HIPT_OK);
    map_elsewhere(lives, index, draw);
    TEST_HOLDS(hipt_unmap_range(rig.table, &first.page, draw % 8u, &done) == HIPT_OK && done == draw % 8u);
    for (n = draw % 8u; n < PAGES; n++) {
        TEST_HOLDS(hipt_lookup(rig.table, asid.number, n, &found) == HIPT_OK);
        TEST_HOLDS(found.mapping.pfn == first.pfn + n);
    }
    atomic_store(&lives->issued[asid.number], false);
    atomic_store(&lives->retired_at[asid.number], atomic_load(&rig.host.started));
    TEST_HOLDS(hipt_asid_retire(rig.table, asid, &report) == HIPT_OK);
    TEST_HOLDS(report.pages >= PAGES - draw % 8u && report.visited >= report.pages);
    TEST_HOLDS(hipt_asid_retire(rig.table, asid, NULL) == HIPT_BAD_ASID);
}

static void live(void *shared, unsigned index)
{
    uint64_t random = index + 5u;
    unsigned i;

    for (i = 0; i < LIVES; i++) {
        live_once((struct lives *)shared, index, test_random(&random) >> 32);
    }
}

/* A1: the lives of a few numbers, by more threads than there are numbers to spare. */
Test(asid, A1_lives_of_numbers)
{
    static struct lives lives;
    uint64_t pfn;

    rig_init(&rig);
    rig.config.asid_bits = 2;
    cr_assert(rig_create(&rig));
    test_host_free_run(&rig.host);
    for (pfn = 0; pfn < RIG_FRAMES; pfn++) {
        cr_assert_eq(hipt_frame_pin(rig.table, (struct hipt_frame){.pfn = pfn}), HIPT_OK);
    }
    step_yield_one_in(64);
    test_threads(THREADS, live, &lives);
    step_yield_one_in(0);
    cr_assert_gt(atomic_load(&lives.refused), 0);
    cr_assert_gt(atomic_load(&lives.strangers), 0);
    cr_assert_gt(atomic_load(&lives.generation[0]), 10u);
    rig_destroy(&rig);
}
