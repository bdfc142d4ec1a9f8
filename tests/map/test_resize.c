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
