/* SPDX-License-Identifier: MIT */
/* A move that is held up, by what others hold, by a gate, by memory; and one that is stopped half way. */
#include <criterion/criterion.h>

#include <hipt/gather.h>

#include "map/move.h"
#include "support/rig.h"
#include "support/step.h"

static struct rig rig;
static struct hipt_asid space;
static bool is_done; /* the interrupting one has run */

enum { PAGES = 100, FREE_FRAME = 2000 };

static enum hipt_status map(uint32_t size, uint64_t vpn, uint64_t pfn)
{
    struct hipt_mapping m = rig_mapping(space.number, size, vpn, pfn);

    return hipt_map(rig.table, &m);
}

static enum hipt_status unmap(uint64_t vpn)
{
    struct hipt_page page = {.asid = space.number, .vpn = vpn};

    return hipt_unmap(rig.table, &page, NULL);
}

static uint64_t pfn_of(uint64_t vpn)
{
    struct hipt_translation found;

    return hipt_lookup(rig.table, space.number, vpn, &found) == HIPT_OK ? found.mapping.pfn : UINT64_MAX;
}

static size_t owners(uint64_t pfn)
{
    struct hipt_mapping out;
    size_t count;

    (void)hipt_reverse(rig.table, (struct hipt_frame){.pfn = pfn}, &out, 1, &count);
    return count;
}

static struct hipt_stats stats_now(void)
{
    struct hipt_stats stats;

    hipt_table_stats(rig.table, &stats);
    return stats;
}

/* @pages pages, page n of frame n, in @buckets buckets. What differs from the rig's configuration is set before. */
static void start(uint64_t buckets, uint64_t pages)
{
    uint64_t n;

    rig.config.buckets = buckets;
    rig.config.capacity_max = 4096;
    cr_assert(rig_create(&rig));
    space = rig_asid(&rig);
    for (n = 0; n < pages; n++) {
        cr_assert_eq(map(0, n, n), HIPT_OK);
    }
    is_done = false;
}

static void cr_assert_pages(uint64_t pages)
{
    uint64_t n;

    for (n = 0; n < pages; n++) {
        cr_assert_eq(pfn_of(n), n, "page %llu", (unsigned long long)n);
        cr_assert_eq(owners(n), 1);
    }
}

static void move_to_the_end(void)
{
    unsigned turns;

    for (turns = 0; hipt_resize_help(rig.table, 8) == HIPT_OK; turns++) {
        cr_assert_lt(turns, 5000u, "it does not end");
        rig_pass(&rig);
    }
}

/* The slot of a page in the array that is being left. */
static hipti_slot past_slot(uint64_t vpn)
{
    const struct hipti_array *past = hipti_buckets_now(&rig.table->buckets, 0)->past;
    struct hipt_page page = {.asid = space.number, .vpn = vpn};
    hipti_slot slot;
    uint64_t pte;

    cr_assert(hipti_bucket_find(&rig.table->buckets, hipti_array_place(past, hipti_page_key(rig.table, &page)), &slot,
                                &pte, NULL));
    return slot;
}

static void set_state(hipti_slot slot, enum hipti_state state)
{
    hipti_slot_publish(&rig.table->buckets, slot,
                       hipti_pte_with_state(hipti_slot_load(&rig.table->buckets, slot), state));
}

/* A mover has switched to the copy of a page, and is stopped. */
static void switch_only(uint64_t vpn)
{
    struct hipti_buckets *buckets = &rig.table->buckets;
    const struct hipti_array *now = hipti_buckets_now(buckets, 0);
    struct hipt_page page = {.asid = space.number, .vpn = vpn};
    uint64_t key = hipti_page_key(rig.table, &page);
    hipti_slot slot = past_slot(vpn);
    uint64_t pte = hipti_slot_load(buckets, slot);
    struct hipti_claim claim;

    hipt_read_enter(rig.table);
    cr_assert(hipti_bucket_close(buckets, hipti_array_place(now->past, key).bucket));
    cr_assert_eq(hipti_bucket_copy(buckets, hipti_array_place(now, key), pte & ~HIPTI_PTE_VERSION_MASK, &claim),
                 HIPT_OK);
    cr_assert(hipti_slot_change(buckets, slot, &pte, hipti_pte_forward(pte, claim.slot, claim.pte)));
    hipt_read_exit(rig.table);
}

/* --- what is somebody's */

/* What is held, frozen or tentative stays, is found, and is in the way of a put; when it is let go, it moves. */
Test(moves, T1_what_is_held_stays)
{
    hipti_slot slot;

    rig_init(&rig);
    start(64, PAGES);
    cr_assert_eq(hipt_resize(rig.table, 400, true), HIPT_OK);
    slot = past_slot(7);
    set_state(slot, HIPTI_HELD);
    cr_assert_eq(hipt_resize_help(rig.table, 64), HIPT_OK);
    cr_assert_eq(pfn_of(7), 7);
    cr_assert_eq(map(0, 7, FREE_FRAME), HIPT_EXISTS);
    set_state(slot, HIPTI_TENTATIVE);
    cr_assert_eq(pfn_of(7), UINT64_MAX);
    cr_assert_eq(map(0, 7, FREE_FRAME), HIPT_BUSY);
    set_state(slot, HIPTI_FROZEN);
    cr_assert_eq(pfn_of(7), UINT64_MAX);
    set_state(slot, HIPTI_LIVE);
    cr_assert_neq(stats_now().buckets_past, 0);
    cr_assert_eq(hipt_resize(rig.table, 0, false), HIPT_BUSY);
    move_to_the_end();
    cr_assert_pages(PAGES);
    rig_destroy(&rig);
}

/* The same in a table of one page size, where a lookup takes another way. */
Test(moves, T1_what_is_held_stays_in_one_size)
{
    hipti_slot slot;

    rig_init(&rig);
    rig.config.nsizes = 1;
    start(64, PAGES);
    cr_assert_eq(hipt_resize(rig.table, 400, true), HIPT_OK);
    cr_assert_pages(PAGES);
    cr_assert_eq(pfn_of(PAGES), UINT64_MAX);
    slot = past_slot(7);
    set_state(slot, HIPTI_HELD);
    cr_assert_eq(pfn_of(7), 7);
    set_state(slot, HIPTI_FROZEN);
    cr_assert_eq(pfn_of(7), UINT64_MAX);
    set_state(slot, HIPTI_LIVE);
    move_to_the_end();
    cr_assert_pages(PAGES);
    rig_destroy(&rig);
}

/* Buckets behind one that somebody holds wait for it; then they are caught up with a few at a time. */
Test(moves, T4_one_bucket_holds_up_the_end)
{
    uint64_t vpn = 0;
    hipti_slot slot;

    rig_init(&rig);
    start(64, PAGES);
    cr_assert_eq(hipt_resize(rig.table, 400, true), HIPT_OK);
    while (past_slot(vpn) >= HIPT_SLOTS * 2u) { /* a page in one of the first two buckets */
        vpn++;
    }
    slot = past_slot(vpn);
    set_state(slot, HIPTI_HELD);
    cr_assert_eq(hipt_resize_help(rig.table, 64), HIPT_OK);
    cr_assert_eq(stats_now().buckets_left, slot / HIPT_SLOTS);
    cr_assert_eq(map(0, 1000, FREE_FRAME), HIPT_OK);
    set_state(slot, HIPTI_LIVE);
    cr_assert_eq(hipt_resize_help(rig.table, 1), HIPT_OK);
    cr_assert_eq(stats_now().buckets_left, slot / HIPT_SLOTS + 2u);
    move_to_the_end();
    cr_assert_pages(PAGES);
    rig_destroy(&rig);
}

/* A page that is on its way while a put of the same page comes by: held, let go, and switched, all in between. */
static void let_go_and_switch(void)
{
    is_done = true;
    set_state(past_slot(7), HIPTI_LIVE);
    switch_only(7);
}

static void resize_and_switch(void)
{
    is_done = true;
    cr_assert_eq(hipt_resize(rig.table, 400, true), HIPT_OK);
    atomic_store(&rig.host.waits, 0); /* it would be another thread, outside the read side of the put */
    switch_only(7);
}

Test(moves, T1_a_put_meets_what_has_just_moved)
{
    unsigned i;

    for (i = 0; i < 2u; i++) { /* the move has begun before, or begins in between too */
        unsigned n = 0;

        do {
            rig_init(&rig);
            start(64, PAGES);
            if (i == 0) {
                cr_assert_eq(hipt_resize(rig.table, 400, true), HIPT_OK);
                set_state(past_slot(7), HIPTI_HELD);
            }
            is_done = false;
            step_interrupt(NULL, NULL, n, i == 0 ? let_go_and_switch : resize_and_switch);
            cr_assert_eq(map(0, 7, FREE_FRAME), HIPT_EXISTS, "interrupted at %u", n);
            if (!step_interrupted() && i == 0) {
                set_state(past_slot(7), HIPTI_LIVE);
            }
            move_to_the_end();
            cr_assert_pages(PAGES);
            rig_destroy(&rig);
            n++;
        } while (is_done);
    }
}

/*
 * F1: a walk has found a page held, which is let go and moves. It is the same mapping in another slot; also where the
 * caller has no room for the larger page that maps the frame too.
 */
Test(moves, F1_a_held_page_moves_under_a_walk)
{
    unsigned n = 0;

    do {
        size_t count;

        rig_init(&rig);
        start(64, 16);
        cr_assert_eq(map(1, 1024, 0), HIPT_OK);
        cr_assert_eq(hipt_resize(rig.table, 400, true), HIPT_OK);
        set_state(past_slot(7), HIPTI_HELD);
        is_done = false;
        step_interrupt(NULL, NULL, n, let_go_and_switch);
        (void)hipt_reverse(rig.table, (struct hipt_frame){.pfn = 7}, NULL, 0, &count);
        cr_assert_eq(count, 2, "interrupted at %u", n);
        if (!step_interrupted()) {
            set_state(past_slot(7), HIPTI_LIVE);
        }
        move_to_the_end();
        rig_destroy(&rig);
        n++;
    } while (is_done);
}

/* --- a mover that stopped when it had switched */

enum { FEW = 10 };

static bool is_unmapped;

static void unmap_7(void)
{
    is_done = true;
    is_unmapped = unmap(7) == HIPT_OK; /* if not, its address space is being retired */
}

static void see_by_lookup(void)
{
    uint64_t pfn = pfn_of(7);

    cr_assert(pfn == 7u || (pfn == UINT64_MAX && is_unmapped));
}

static void see_by_reverse(void)
{
    size_t count = owners(7);

    cr_assert(count == 1u || (count == 0 && is_unmapped));
}

static void see_by_walk(void)
{
    struct hipt_cursor cursor = {0};
    struct hipt_mapping m;
    unsigned count = 0;

    while (hipt_table_next(rig.table, &cursor, &m) == HIPT_OK) {
        count++;
    }
    cr_assert(count == FEW || (count == FEW - 1u && is_unmapped));
}

static void see_by_overlap(void)
{
    cr_assert_eq(map(1, 0, FREE_FRAME), HIPT_OVERLAP);
    cr_assert(!is_done || is_unmapped);
}

static void see_by_retirement(void)
{
    struct hipt_retired retired;

    cr_assert_eq(hipt_asid_retire(rig.table, space, &retired), HIPT_OK);
    cr_assert(retired.pages == FEW || (retired.pages == FEW - 1u && is_unmapped));
}

/* A page whose move was stopped is unmapped, wherever somebody is who looks for it. */
Test(moves, T1_F1_T4_stopped_when_it_had_switched)
{
    static void (*const seers[])(void) = {see_by_lookup, see_by_reverse, see_by_walk, see_by_overlap,
                                          see_by_retirement};
    size_t i;

    for (i = 0; i < sizeof(seers) / sizeof(seers[0]); i++) {
        unsigned n = 0;

        do {
            rig_init(&rig);
            start(64, FEW);
            cr_assert_eq(hipt_resize(rig.table, 400, false), HIPT_OK);
            switch_only(7);
            is_done = false;
            is_unmapped = false;
            step_interrupt(NULL, NULL, n, unmap_7);
            seers[i]();
            if (!step_interrupted()) {
                (void)unmap(7);
            }
            cr_assert_eq(pfn_of(7), UINT64_MAX);
            cr_assert_eq(owners(7), 0);
            move_to_the_end();
            rig_destroy(&rig);
            n++;
        } while (is_done);
    }
}

/* => the slot of a page of the second half, in one of the first buckets of the past. */
static hipti_slot early_slot(void)
{
    uint64_t vpn = PAGES / 2u;

    while (past_slot(vpn) >= 4u * HIPT_SLOTS) {
        vpn++;
    }
    return past_slot(vpn);
}

/* A gather that began before the move, or in its midst, ends what it took in whichever array that is. */
Test(moves, S1_a_gather_beside_a_move)
{
    unsigned i;

    for (i = 0; i < 2u; i++) {
        struct hipt_page page = {.asid = 0, .vpn = 0};
        hipti_slot held = HIPTI_NONE;
        struct hipt_gather gather;
        uint64_t ended = 0;

        rig_init(&rig);
        rig.config.cpus = 1;
        start(64, PAGES);
        page.asid = space.number;
        cr_assert_eq(unmap(3), HIPT_OK); /* the gather meets a page that is not there, too */
        if (i == 1u) {
            cr_assert_eq(hipt_resize(rig.table, 400, true), HIPT_OK);
            held = early_slot();
            set_state(held, HIPTI_HELD); /* so that buckets behind it are empty, but not known to be */
            cr_assert_eq(hipt_resize_help(rig.table, 20), HIPT_OK);
        }
        cr_assert_eq(hipt_gather_start(&gather, rig.table, space.number, HIPT_SYNC), HIPT_OK);
        cr_assert_eq(hipt_gather_add(&gather, &page, PAGES / 2u, &ended), HIPT_OK);
        if (i == 0) {
            cr_assert_eq(hipt_resize(rig.table, 400, true), HIPT_OK);
            cr_assert_eq(hipt_resize_help(rig.table, 64), HIPT_OK);
        }
        cr_assert_eq(ended, PAGES / 2u - 1u);
        cr_assert_eq(hipt_gather_finish(&gather), HIPT_OK);
        if (i == 1u) {
            set_state(held, HIPTI_LIVE);
        }
        cr_assert_eq(pfn_of(0), UINT64_MAX);
        cr_assert_eq(pfn_of(PAGES / 2u), PAGES / 2u);
        move_to_the_end();
        cr_assert_eq(stats_now().mappings, PAGES - PAGES / 2u);
        rig_destroy(&rig);
    }
}

/* --- what is not to be had */

static void pass_and_reap(void)
{
    struct hipt_frame frame;

    rig_pass(&rig);
    while (hipt_frame_reap(rig.table, &frame, 1) == 1u) {
    }
}

/* Sequences of two bits: closing a bucket, and every other change of a header, waits at the gate for a grace period. */
Test(moves, T1_closing_waits_at_the_gate)
{
    unsigned turns;
    uint64_t n;

    rig_init(&rig);
    rig.config.sequence_bits = 2;
    rig.config.buckets = 64;
    rig.config.capacity_max = 4096;
    cr_assert(rig_create(&rig));
    space = rig_asid(&rig);
    for (n = 0; n < PAGES; n++) {
        while (map(0, n, n) == HIPT_BUSY) {
            rig_pass(&rig);
        }
    }
    cr_assert_eq(hipt_resize(rig.table, 30, true), HIPT_OK);
    for (turns = 0; stats_now().buckets_past != 0; turns++) {
        cr_assert_lt(turns, 1000u);
        if (turns < 20u) { /* its old bucket, or its new one, cannot be changed now */
            while (map(0, PAGES, FREE_FRAME) == HIPT_BUSY) {
                cr_assert_eq(pfn_of(PAGES), UINT64_MAX);
                pass_and_reap();
            }
            cr_assert_eq(pfn_of(PAGES), FREE_FRAME);
            cr_assert_eq(unmap(PAGES), HIPT_OK);
        }
        (void)hipt_resize_help(rig.table, 8);
        (void)hipt_resize_help(rig.table, 8);
        if (turns % 4u == 3u) {
            pass_and_reap();
        }
    }
    cr_assert_pages(PAGES);
    move_to_the_end();
    rig_destroy(&rig);
}

/* No memory for overflow lines: what has no room stays where it is, and moves when there is some. */
Test(moves, T1_moves_without_memory)
{
    rig_init(&rig);
    start(1024, PAGES); /* so many that none overflows yet */
    cr_assert_eq(hipt_resize(rig.table, 1, false), HIPT_OK);
    rig.host.never_hurries = true;
    cr_assert_eq(hipt_resize_help(rig.table, 1024), HIPT_OK);
    cr_assert_eq(hipt_resize_help(rig.table, 1024), HIPT_OK);
    cr_assert_neq(stats_now().buckets_past, 0, "there was room for all of it");
    cr_assert_pages(PAGES);
    rig.host.never_hurries = false;
    move_to_the_end();
    cr_assert_pages(PAGES);
    rig_destroy(&rig);
}

Test(moves, X1_no_randomness)
{
    rig_init(&rig);
    start(64, PAGES);
    rig.host.no_random = true;
    cr_assert_eq(hipt_resize(rig.table, 0, true), HIPT_NOMEM);
    cr_assert_eq(stats_now().resizes, 0);
    cr_assert_eq(hipt_resize(rig.table, 400, false), HIPT_OK);
    move_to_the_end();
    cr_assert_pages(PAGES);
    rig_destroy(&rig);
}

/* A host without read sides grows, takes other secrets, is out of memory, and finds chains full, as others do. */
Test(moves, without_read_sides)
{
    static struct hipt_mapping m[1000];
    static enum hipt_status status[1000];
    uint64_t n;

    rig_init(&rig);
    rig.host.ops.read_enter = NULL;
    rig.host.ops.read_exit = NULL;
    rig.config.resize = HIPT_GROW | HIPT_REKEY;
    start(16, 0);
    test_host_free_run(&rig.host);
    for (n = 0; n < 1000u; n++) {
        m[n] = rig_mapping(space.number, 0, n, n);
        rig.host.never_hurries = n >= 40u && n < 80u;
        if (n < 200u) {
            while (hipt_map(rig.table, &m[n]) != HIPT_OK) {
                rig.host.never_hurries = false;
            }
        }
    }
    rig.host.never_hurries = false;
    cr_assert_eq(hipt_map_batch(rig.table, &m[200], 800, status), 800);
    cr_assert_geq(stats_now().resizes, 3);
    move_to_the_end();
    cr_assert_pages(1000);
    rig_destroy(&rig);
    rig.config.resize = 0;
    start(1, 0);
    cr_assert_eq(hipt_map_batch(rig.table, m, 100, status), HIPT_CHAIN_LINES_MAX * HIPT_SLOTS);
    rig_destroy(&rig);
}

/* --- two that begin a move at once */

static bool other_secret;

static void resize_too(void)
{
    is_done = hipt_resize(rig.table, 0, other_secret) == HIPT_OK;
    atomic_store(&rig.host.waits, 0); /* it would be another thread, outside the read side of the first */
}

/* One of them does; the other one says so, has lost nothing, and has not undone a secret. */
Test(moves, T1_X1_two_resizes)
{
    unsigned i;

    for (i = 0; i < 4u; i++) {
        bool was_done;
        unsigned n = 0;

        do {
            enum hipt_status status;

            rig_init(&rig);
            start(64, PAGES);
            is_done = false;
            other_secret = i % 2u;
            step_interrupt(NULL, NULL, n, resize_too);
            status = hipt_resize(rig.table, 0, i / 2u);
            was_done = step_interrupted();
            cr_assert_eq(status == HIPT_OK, !is_done);
            cr_assert(status == HIPT_OK || status == HIPT_BUSY);
            cr_assert_eq(stats_now().resizes, 1);
            cr_assert_eq(rig.table->buckets.now[0]->secret, 1u + (is_done ? other_secret : i / 2u));
            move_to_the_end();
            cr_assert_pages(PAGES);
            rig_destroy(&rig);
            n++;
        } while (was_done);
    }
}
