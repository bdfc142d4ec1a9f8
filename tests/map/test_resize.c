/* SPDX-License-Identifier: MIT */
/* The table moves into other buckets while it is used. */
#include <criterion/criterion.h>

#include <string.h>

#include "map/move.h"
#include "support/rig.h"
#include "support/step.h"

static struct rig rig;
static struct rig_picture before;
static uint32_t asid;

enum { PAGES = 300 };

static enum hipt_status map(uint32_t size, uint64_t vpn, uint64_t pfn)
{
    struct hipt_mapping m = rig_mapping(asid, size, vpn, pfn);

    return hipt_map(rig.table, &m);
}

static enum hipt_status unmap(uint64_t vpn)
{
    struct hipt_page page = {.asid = asid, .vpn = vpn};

    return hipt_unmap(rig.table, &page, NULL);
}

static uint64_t pfn_of(uint64_t vpn)
{
    struct hipt_translation found;

    return hipt_lookup(rig.table, asid, vpn, &found) == HIPT_OK ? found.mapping.pfn : UINT64_MAX;
}

static void start(void)
{
    uint64_t n;

    rig_init(&rig);
    rig.config.buckets = 64;
    cr_assert(rig_create(&rig));
    asid = rig_asid(&rig).number;
    for (n = 0; n < PAGES; n++) {
        cr_assert_eq(map(0, n * 3u, n), HIPT_OK);
    }
}

/* Everything that is there is found, forward and back, and what is not there is not. */
static void cr_assert_all_there(void)
{
    struct hipt_mapping out;
    size_t count;
    uint64_t n;

    for (n = 0; n < PAGES; n++) {
        cr_assert_eq(pfn_of(n * 3u), n, "page %llu", (unsigned long long)n);
        cr_assert_eq(pfn_of(n * 3u + 1u), UINT64_MAX);
        cr_assert_eq(hipt_reverse(rig.table, (struct hipt_frame){.pfn = n}, &out, 1, &count), HIPT_OK);
        cr_assert(count == 1u && out.page.vpn == n * 3u && out.pfn == n);
    }
}

/* Move to the end, everything being checked in between. */
static void finish(void)
{
    bool more = true;
    unsigned turns;

    for (turns = 0; more; turns++) {
        cr_assert_lt(turns, 10000u, "it does not end");
        hipt_read_enter(rig.table);
        more = hipti_move_on(rig.table, 1);
        hipt_read_exit(rig.table);
        if (turns % 16u == 0) {
            cr_assert_all_there();
        }
        rig_pass(&rig);
    }
}

/* T1, F1: growing, shrinking and another secret, one after another; the memory of what was left is given back. */
Test(resize, T1_F1_grow_shrink_rekey)
{
    static const uint64_t capacity[] = {4096, 64, 0, 1000, 0};
    uint64_t bytes = 0;
    char text[200];
    size_t i;

    start();
    for (i = 0; i < sizeof(capacity) / sizeof(capacity[0]); i++) {
        cr_assert_eq(hipt_resize(rig.table, capacity[i], i % 2u == 0), HIPT_OK, "resize %zu", i);
        cr_assert_eq(hipt_resize(rig.table, 0, false), HIPT_BUSY);
        cr_assert_all_there();
        finish();
        cr_assert_all_there();
        cr_assert(hipt_table_is_valid(rig.table, text, sizeof(text)), "%s", text);
        bytes = i == 1u ? rig.host.bytes : bytes;
    }
    rig_look(&rig, &before);
    rig_destroy(&rig);
}

/* Pages come and go while the table moves, and the maps alone bring it to its end. */
Test(resize, T1_maps_move)
{
    uint64_t n;
    uint64_t turn = 0;

    start();
    test_host_free_run(&rig.host);
    cr_assert_eq(hipt_resize(rig.table, 4096, true), HIPT_OK);
    while (hipti_move_is_due(rig.table)) {
        cr_assert_lt(turn, 2000u);
        n = 1000u + turn++ % 50u;
        cr_assert_eq(map(0, n * 3u, n), HIPT_OK);
        cr_assert_eq(map(0, n * 3u, n), HIPT_EXISTS);
        cr_assert_eq(pfn_of(n * 3u), n);
        cr_assert_eq(unmap(n * 3u), HIPT_OK);
        cr_assert_eq(unmap(n * 3u), HIPT_ABSENT);
        cr_assert_eq(pfn_of(n * 3u), UINT64_MAX);
        {
            struct hipt_frame frame;

            while (hipt_frame_reap(rig.table, &frame, 1) == 0) {
                rig_pass(&rig);
            }
        }
    }
    cr_assert_all_there();
    rig_destroy(&rig);
}

/* --- a move beside every verb, each interrupted at each of its accesses by the other */

enum { KEYS = 6, FREE_FRAME = 41 };

static struct hipt_asid space;
static bool is_done; /* the interrupting one has run */

static void start_small(bool is_moving)
{
    uint64_t n;

    rig_init(&rig);
    rig.config.buckets = 1;
    cr_assert(rig_create(&rig));
    test_host_free_run(&rig.host); /* memory is given back as soon as no verb is inside */
    space = rig_asid(&rig);
    asid = space.number;
    for (n = 0; n < KEYS; n++) {
        cr_assert_eq(map(0, n, n), HIPT_OK);
    }
    cr_assert(!is_moving || hipt_resize(rig.table, 10, true) == HIPT_OK);
    is_done = false;
}

static uint64_t owners(uint64_t pfn)
{
    struct hipt_mapping out;
    size_t count;

    (void)hipt_reverse(rig.table, (struct hipt_frame){.pfn = pfn}, &out, 1, &count);
    return count;
}

static struct hipt_page page_4(void)
{
    return (struct hipt_page){.asid = asid, .vpn = 4};
}

static void run_lookup(void)
{
    cr_assert_eq(pfn_of(4), 4u);
}

static void run_miss(void)
{
    cr_assert_eq(pfn_of(40), UINT64_MAX);
}

static void run_reverse(void)
{
    cr_assert_eq(owners(4), 1u);
}

static void run_unmap(void)
{
    cr_assert_eq(unmap(4), HIPT_OK);
    cr_assert_eq(pfn_of(4), UINT64_MAX);
    cr_assert_eq(owners(4), 0);
    cr_assert_eq(unmap(4), HIPT_ABSENT);
}

static void run_map(void)
{
    cr_assert_eq(map(0, 40, FREE_FRAME), HIPT_OK);
    cr_assert_eq(pfn_of(40), FREE_FRAME);
    cr_assert_eq(owners(FREE_FRAME), 1u);
}

static void run_exists(void)
{
    cr_assert_eq(map(0, 4, FREE_FRAME), HIPT_EXISTS);
}

static void run_protect(void)
{
    struct hipt_translation found;
    struct hipt_page page = page_4();

    cr_assert_eq(hipt_protect(rig.table, &page, HIPT_EXEC), HIPT_OK);
    cr_assert_eq(hipt_lookup(rig.table, asid, 4, &found), HIPT_OK);
    cr_assert_eq(found.mapping.prot, HIPT_EXEC);
}

static void run_mark(void)
{
    struct hipt_translation found;
    enum hipt_status status;

    hipt_read_enter(rig.table);
    do {
        cr_assert_eq(hipt_lookup(rig.table, asid, 4, &found), HIPT_OK);
        status = hipt_mark(rig.table, &found, HIPT_DIRTY);
    } while (status == HIPT_CHANGED);
    cr_assert_eq(status, HIPT_OK);
    cr_assert_eq(hipt_lookup(rig.table, asid, 4, &found), HIPT_OK);
    cr_assert(found.mapping.marks & HIPT_DIRTY);
    hipt_read_exit(rig.table);
}

static void run_remap(void)
{
    struct hipt_mapping m = rig_mapping(asid, 0, 4, FREE_FRAME);

    cr_assert_eq(hipt_remap(rig.table, &m, NULL), HIPT_OK);
    cr_assert_eq(pfn_of(4), FREE_FRAME);
    cr_assert_eq(owners(FREE_FRAME), 1u);
    cr_assert_eq(owners(4), 0);
}

static void run_share(void)
{
    cr_assert_eq(map(0, 40, 4), HIPT_OK);
    cr_assert_eq(owners(4), 2u);
    cr_assert_eq(unmap(4), HIPT_OK);
    cr_assert_eq(owners(4), 1u);
    cr_assert_eq(pfn_of(40), 4u);
}

static void run_retire(void)
{
    struct hipt_retired retired;

    cr_assert_eq(hipt_asid_retire(rig.table, space, &retired), HIPT_OK);
    cr_assert_eq(retired.pages, KEYS);
    cr_assert_eq(pfn_of(4), UINT64_MAX);
    cr_assert_eq(owners(4), 0);
}

/* Ranges and batches fetch lines before they look at them. */
static void run_range(void)
{
    struct hipt_page page = {.asid = asid, .vpn = 0};
    struct hipt_mapping m = rig_mapping(asid, 0, 40, FREE_FRAME);
    uint64_t done;

    cr_assert_eq(hipt_map_range(rig.table, &m, 3, &done), HIPT_OK);
    cr_assert_eq(hipt_protect_range(rig.table, &page, KEYS, HIPT_EXEC, &done), HIPT_OK);
    cr_assert_eq(done, KEYS);
    cr_assert_eq(hipt_unmap_range(rig.table, &page, KEYS, &done), HIPT_OK);
    cr_assert_eq(done, KEYS);
    cr_assert_eq(pfn_of(4), UINT64_MAX);
    cr_assert_eq(pfn_of(42), FREE_FRAME + 2u);
}

static void run_batches(void)
{
    struct hipt_mapping mappings[2] = {rig_mapping(asid, 0, 40, FREE_FRAME), rig_mapping(asid, 0, 50, FREE_FRAME + 1u)};
    struct hipt_page pages[2] = {{.asid = asid, .vpn = 4}, {.asid = asid, .vpn = 0}};
    struct hipt_mapping out[2];
    enum hipt_status status[2];

    cr_assert_eq(hipt_map_batch(rig.table, mappings, 2, status), 2u);
    cr_assert_eq(hipt_unmap_batch(rig.table, pages, 2, out, status), 2u);
    cr_assert_eq(pfn_of(4), UINT64_MAX);
    cr_assert_eq(pfn_of(50), FREE_FRAME + 1u);
}

static void (*const verbs[])(void) = {run_lookup,  run_miss, run_reverse, run_unmap, run_map,   run_exists,
                                      run_protect, run_mark, run_remap,   run_share, run_retire,
                                      run_range,   run_batches};

static void (*interrupting)(void);

static void interrupt(void)
{
    is_done = true;
    interrupting();
}

static void move_all(void)
{
    unsigned turns;

    for (turns = 0; turns < 40u; turns++) {
        hipt_read_enter(rig.table);
        (void)hipti_move_on(rig.table, 1);
        hipt_read_exit(rig.table);
    }
}

/* To the end, and all of it in order. */
static void cr_assert_in_order(size_t verb, unsigned n)
{
    bool more = true;
    unsigned turns;
    char text[200];

    for (turns = 0; more; turns++) {
        cr_assert_lt(turns, 200u, "verb %zu interrupted at %u: it does not end", verb, n);
        hipt_read_enter(rig.table);
        more = hipti_move_on(rig.table, 1);
        hipt_read_exit(rig.table);
        rig_pass(&rig);
    }
    cr_assert(hipt_table_is_valid(rig.table, text, sizeof(text)), "verb %zu interrupted at %u: %s", verb, n, text);
}

/* T1, F1: whatever the verb, and wherever a whole move comes in between. */
Test(resize, T1_F1_verbs_interrupted_by_a_move)
{
    size_t i;

    for (i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        unsigned n = 0;

        do {
            start_small(true);
            interrupting = move_all;
            step_interrupt(NULL, NULL, n, interrupt);
            verbs[i]();
            (void)step_interrupted();
            cr_assert_in_order(i, n);
            rig_destroy(&rig);
            n++;
        } while (is_done);
    }
}

static void resize_and_move(void)
{
    cr_assert_eq(hipt_resize(rig.table, 10, true), HIPT_OK);
    atomic_store(&rig.host.waits, 0); /* it would be another thread, outside the read side of the verb */
    move_all();
}

/* T1, F1: the same where the table does not move yet when the verb begins. */
Test(resize, T1_F1_verbs_interrupted_by_a_resize)
{
    size_t i;

    for (i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        unsigned n = 0;

        do {
            start_small(false);
            interrupting = resize_and_move;
            step_interrupt(NULL, NULL, n, interrupt);
            verbs[i]();
            (void)step_interrupted();
            cr_assert_in_order(i, n);
            rig_destroy(&rig);
            n++;
        } while (is_done);
    }
}

/* T1, F1, T4: wherever a move is interrupted, a whole verb comes to its end. */
Test(resize, T1_F1_T4_moves_interrupted_by_a_verb)
{
    size_t i;

    for (i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        unsigned n = 0;

        do {
            start_small(true);
            interrupting = verbs[i];
            step_interrupt(NULL, NULL, n, interrupt);
            move_all();
            (void)step_interrupted();
            if (!is_done) {
                interrupt();
                is_done = false;
            }
            cr_assert_in_order(i, n);
            rig_destroy(&rig);
            n++;
        } while (is_done);
    }
}
