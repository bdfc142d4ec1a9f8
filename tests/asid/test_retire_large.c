/* SPDX-License-Identifier: MIT */
/*
 * The end of an asid costs what its own pages cost, not what the table holds: a count of the cells it looks at, in a
 * table of ten million mappings, with other threads mapping and unmapping meanwhile.
 */
#include <criterion/criterion.h>

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <hipt/asid.h>
#include <hipt/map.h>
#include <hipt/table.h>

#include "support/host.h"

enum { OTHERS = 10, PAGES = 100000, CHURNED = 64, CHURNERS = 2, FIRST_CHURNED = 1 << 22 };

#define OTHER_PAGES UINT64_C(1000000) /* of each other asid */
#define FRAMES (OTHERS * OTHER_PAGES + PAGES + CHURNERS * CHURNED)

static struct test_host host;
static struct hipt_table *table;
static struct hipt_asid others[OTHERS];
static struct hipt_asid asid;

static void map_run(uint32_t number, uint64_t vpn, uint64_t pages, uint64_t pfn)
{
    struct hipt_mapping first = {.page = {.asid = number, .vpn = vpn}, .pfn = pfn, .prot = HIPT_READ};
    uint64_t done;

    TEST_HOLDS(hipt_map_range(table, &first, pages, &done) == HIPT_OK && done == pages);
}

/* Every other thread fills half of the table. */
static void fill(void *shared, unsigned index)
{
    unsigned i;

    (void)shared;
    for (i = index; i < OTHERS; i += CHURNERS) {
        map_run(others[i].number, 0, OTHER_PAGES, i * OTHER_PAGES);
    }
}

static void start(void)
{
    static const uint64_t secret[4] = {UINT64_C(0x9ae16a3b2f90404f), UINT64_C(0xc949d7c7509e6557),
                                       UINT64_C(0xff51afd7ed558ccd), UINT64_C(0xc4ceb9fe1a85ec53)};
    static const struct hipt_range range = {.first = 0, .count = FRAMES, .swap = false};
    struct hipt_config config;
    unsigned i;

    test_host_init(&host);
    test_host_free_run(&host);
    hipt_config_init(&config);
    config.ops = &host.ops;
    config.capacity = FRAMES;
    config.asid_bits = 8;
    config.va_bits = 48;
    config.nsizes = 1;
    config.ranges = &range;
    config.nranges = 1;
    config.secret = secret;
    cr_assert_eq(hipt_table_create(&config, &table), HIPT_OK);
    for (i = 0; i < OTHERS; i++) {
        cr_assert_eq(hipt_asid_alloc(table, &others[i]), HIPT_OK);
    }
    cr_assert_eq(hipt_asid_alloc(table, &asid), HIPT_OK);
    test_threads(CHURNERS, fill, NULL);
    map_run(asid.number, 0, PAGES, OTHERS * OTHER_PAGES);
}

struct retirement {
    struct hipt_retired report;
    _Atomic bool over;
    _Atomic uint64_t churned;
};

/* Map and unmap a few pages, the first churner in another asid, the second in the one that is retired. */
static void churn(struct retirement *retirement, unsigned churner)
{
    uint32_t number = churner == 0 ? others[0].number : asid.number;
    uint64_t pfn = OTHERS * OTHER_PAGES + PAGES + churner * CHURNED;
    uint64_t turn;

    for (turn = 0; !atomic_load(&retirement->over); turn++) {
        struct hipt_mapping m = {.page = {.asid = number, .vpn = FIRST_CHURNED + turn % CHURNED}, .prot = HIPT_READ};
        enum hipt_status status;
        struct hipt_frame frame;

        m.pfn = pfn + turn % CHURNED;
        status = hipt_map(table, &m);
        TEST_HOLDS(status == HIPT_OK || status == HIPT_BUSY || (churner == 1u && status == HIPT_BAD_ASID));
        status = hipt_unmap(table, &m.page, NULL);
        TEST_HOLDS(status == HIPT_OK || status == HIPT_ABSENT || status == HIPT_BUSY);
        (void)hipt_frame_reap(table, &frame, 1);
        atomic_fetch_add(&retirement->churned, 1u);
    }
}

static void retire_or_churn(void *shared, unsigned index)
{
    struct retirement *retirement = (struct retirement *)shared;

    if (index > 0) {
        churn(retirement, index - 1u);
        return;
    }
    while (atomic_load(&retirement->churned) < 1000u) {
        /* let it get going */
    }
    TEST_HOLDS(hipt_asid_retire(table, asid, &retirement->report) == HIPT_OK);
    atomic_store(&retirement->over, true);
}

/* A1: 10^5 pages in a table of 10^7 others: at most 1.05 * 10^5 cells are looked at, whatever was churned meanwhile. */
Test(asid, A1_retire_costs_its_own_pages)
{
    static struct retirement retirement;
    static struct hipt_stats stats;
    struct hipt_translation translation;
    unsigned i;

    start();
    test_threads(1 + CHURNERS, retire_or_churn, &retirement);
    cr_assert_geq(retirement.report.pages, PAGES);
    cr_assert_leq(retirement.report.pages, PAGES + CHURNED);
    cr_assert_leq(retirement.report.visited, PAGES + PAGES / 20, "%llu cells",
                  (unsigned long long)retirement.report.visited);
    hipt_table_stats(table, &stats);
    cr_assert_eq(stats.mappings, OTHERS * OTHER_PAGES, "%llu are left", (unsigned long long)stats.mappings);
    for (i = 0; i < PAGES; i++) {
        cr_assert_eq(hipt_lookup(table, asid.number, i, &translation), HIPT_ABSENT);
    }
    for (i = 0; i < 100000u; i++) {
        cr_assert_eq(hipt_lookup(table, others[i % OTHERS].number, i * 9u, &translation), HIPT_OK);
    }
    hipt_table_destroy(table);
    cr_assert_eq(atomic_load(&host.bytes), 0);
}
