/* SPDX-License-Identifier: MIT */
/*
 * Spaces whose pages are on nodes of their creator's choice, in a table over four nodes: nodes 0, 1 and 3 have memory,
 * and shards 0, 1 and 2; node 2 is nearest to node 3.
 */
#include <criterion/criterion.h>

#include <string.h>

#include <hipt/gather.h>
#include <hipt/hipt.h>

#include "map/place.h"
#include "support/nodes.h"

enum { BUCKETS = 400, PAGES = 3000 };

static struct rig rig;

static void start(void)
{
    cr_assert(nodes_create(&rig, BUCKETS, HIPT_PREFERRED));
}

static uint32_t asid_placed(const struct hipt_region_place *regions, unsigned count)
{
    struct hipt_asid asid = {0, 0};

    cr_assert_eq(hipt_asid_alloc_placed(rig.table, regions, count, &asid), HIPT_OK);
    return asid.number;
}

/* => the shard that a mapped page is in. */
static unsigned shard_of(uint32_t asid, uint64_t vpn)
{
    struct hipt_translation found;

    cr_assert_eq(hipt_lookup(rig.table, asid, vpn, &found), HIPT_OK, "page %llu", (unsigned long long)vpn);
    return hipti_shard_number(&rig.table->buckets, found.slot / HIPT_SLOTS);
}

static bool is_planned(uint32_t asid)
{
    return (*hipti_asid_word(&rig.table->asids, asid) & HIPTI_WORD_PLANNED) != 0;
}

/* Explicit: on a node, wherever the caller is; on one without memory, on the nearest that has some. Without a plan. */
Test(place, N1_on_a_node)
{
    static const unsigned shards[NODES] = {0, 1, 2, 2};
    int node;

    start();
    nodes_here = 0;
    for (node = 0; node < NODES; node++) {
        const struct hipt_region_place region = {0, node};
        uint32_t asid = asid_placed(&region, 1);

        nodes_map_many(&rig, asid, 50);
        cr_assert_eq(shard_of(asid, 49), shards[node]);
        cr_assert_not(is_planned(asid));
    }
    rig_destroy(&rig);
}

/* Interleaved: page by page over all shards, within 10 % of even, in all sizes; what is found is where it belongs. */
Test(place, N1_interleaved_is_even)
{
    static const struct hipt_region_place all = {0, HIPT_ALL_NODES};
    unsigned count[SHARDS] = {0};
    unsigned large[SHARDS] = {0};
    uint32_t asid;
    uint64_t n;
    unsigned i;

    start();
    asid = asid_placed(&all, 1);
    cr_assert(is_planned(asid));
    nodes_map_many(&rig, asid, PAGES);
    for (n = 0; n < PAGES; n++) {
        count[shard_of(asid, n)]++;
        cr_assert_eq(HIPT_PTE_PFN(hipt_lookup_pte(rig.table, asid, n)), n);
    }
    for (n = 0; n < PAGES; n++) { /* by their keys alone: there are not so many frames */
        struct hipt_page page = {.asid = asid, .size = 2, .vpn = n * RIG_LARGE};

        large[hipti_page_shard(rig.table, &page)]++;
    }
    for (i = 0; i < SHARDS; i++) {
        cr_assert(count[i] > PAGES / SHARDS * 9 / 10 && count[i] < PAGES / SHARDS * 11 / 10);
        cr_assert(large[i] > PAGES / SHARDS * 9 / 10 && large[i] < PAGES / SHARDS * 11 / 10);
    }
    cr_assert_eq(hipt_lookup_pte(rig.table, asid, PAGES), 0);
    rig_destroy(&rig);
}

/* Per region: each page is where its region says, up to the last and from the first page on. */
Test(place, N1_regions)
{
    static const struct hipt_region_place regions[] = {
        {0, 1}, {10, 3}, {20, 0}, {30, 0}, {40, HIPT_ALL_NODES}, {50, 2}, {60, 3}, {70, 1}};
    uint32_t asid;
    uint64_t n;

    start();
    asid = asid_placed(regions, 8);
    nodes_map_many(&rig, asid, 90);
    for (n = 0; n < 90u; n++) {
        unsigned wanted = n < 10u ? 1 : n < 20u ? 2 : n < 40u ? 0 : n < 50u ? SHARDS : n < 70u ? 2 : 1;

        cr_assert(wanted == SHARDS || shard_of(asid, n) == wanted, "page %llu", (unsigned long long)n);
    }
    rig_destroy(&rig);
}

/* A large page across a bound is where its first base page is, and nothing overlaps it (T1). */
Test(place, T1_a_large_page_across_a_bound)
{
    static const struct hipt_region_place regions[] = {{0, 0}, {RIG_MEDIUM + 5, 1}};
    struct hipt_page page;
    uint32_t asid;
    uint64_t n;

    start();
    asid = asid_placed(regions, 2);
    cr_assert_eq(nodes_map(&rig, asid, 0, 0, 0), HIPT_OK);
    cr_assert_eq(nodes_map(&rig, asid, 1, RIG_MEDIUM, RIG_MEDIUM), HIPT_OK);
    for (n = RIG_MEDIUM; n < 2 * RIG_MEDIUM; n++) {
        cr_assert_eq(shard_of(asid, n), 0);
        cr_assert_eq(nodes_map(&rig, asid, 0, n, n), HIPT_OVERLAP);
    }
    page = (struct hipt_page){.asid = asid, .size = 1, .vpn = RIG_MEDIUM};
    cr_assert_eq(hipt_split(rig.table, &page, 0), HIPT_OK);
    for (n = RIG_MEDIUM; n < 2 * RIG_MEDIUM; n++) {
        cr_assert_eq(shard_of(asid, n), n >= RIG_MEDIUM + 5u);
        cr_assert_eq(HIPT_PTE_PFN(hipt_lookup_pte(rig.table, asid, n)), n);
    }
    cr_assert_eq(nodes_map(&rig, asid, 1, RIG_MEDIUM, 4 * RIG_MEDIUM), HIPT_OVERLAP);
    cr_assert_eq(hipt_collapse(rig.table, &page, 0), HIPT_OK);
    cr_assert_eq(shard_of(asid, 2 * RIG_MEDIUM - 1), 0);
    rig_destroy(&rig);
}

/* All verbs over regions: ranges, batches, protection, gathers, reverse lookups, the end of the space. */
Test(place, F1_S1_the_verbs_work_over_regions)
{
    static const struct hipt_region_place regions[] = {{0, 1}, {100, HIPT_ALL_NODES}, {200, 3}};
    struct hipt_asid asid;
    struct hipt_retired report;
    struct hipt_mapping m;
    struct hipt_mapping out[2];
    struct hipt_page page;
    struct hipt_page pages[300];
    uint64_t ptes[300];
    uint64_t done;
    size_t count;
    uint64_t n;

    start();
    cr_assert_eq(hipt_asid_alloc_placed(rig.table, regions, 3, &asid), HIPT_OK);
    m = rig_mapping(asid.number, 0, 0, 0);
    cr_assert_eq(hipt_map_range(rig.table, &m, 300, &done), HIPT_OK);
    page = m.page;
    cr_assert_eq(hipt_protect_range(rig.table, &page, 300, HIPT_READ, &done), HIPT_OK);
    cr_assert_eq(done, 300);
    for (n = 0; n < 300u; n++) {
        struct hipt_frame frame = {.pfn = n, .swap = false};

        pages[n] = page;
        pages[n].vpn = n;
        cr_assert_eq(hipt_reverse(rig.table, frame, out, 2, &count), HIPT_OK);
        cr_assert(count == 1 && out[0].page.vpn == n && out[0].prot == HIPT_READ);
    }
    cr_assert_eq(hipt_lookup_pte_batch(rig.table, pages, 300, ptes), 300);
    page.vpn = 90;
    cr_assert_eq(hipt_unmap_range(rig.table, &page, 130, &done), HIPT_OK);
    cr_assert_eq(done, 130);
    cr_assert_eq(hipt_lookup_pte_batch(rig.table, pages, 300, ptes), 170);
    cr_assert(ptes[89] != 0 && ptes[90] == 0 && ptes[219] == 0 && ptes[220] != 0);
    rig_check(&rig);
    cr_assert_eq(hipt_asid_retire(rig.table, asid, &report), HIPT_OK);
    cr_assert_eq(report.pages, 170);
    rig_destroy(&rig);
}

/* What is refused has changed nothing: the next space has the number that it would have had. */
Test(place, bad_regions_are_refused)
{
    static const struct {
        struct hipt_region_place regions[2];
        unsigned count;
        enum hipt_status status;
    } bad[] = {
        {{{0, 0}, {0, 0}}, 0, HIPT_BAD_VPN},           {{{0, 0}, {0, 0}}, HIPT_REGIONS_MAX + 1u, HIPT_BAD_VPN},
        {{{1, 0}, {0, 0}}, 1, HIPT_BAD_VPN},           {{{0, 0}, {0, 1}}, 2, HIPT_BAD_VPN},
        {{{0, 0}, {RIG_VPNS, 1}}, 2, HIPT_BAD_VPN},    {{{0, NODES}, {0, 0}}, 1, HIPT_BAD_NODE},
        {{{0, HIPT_ANY_NODE}, {0, 0}}, 1, HIPT_BAD_NODE}, {{{0, 0}, {5, -3}}, 2, HIPT_BAD_NODE},
    };
    struct hipt_asid asid = {77, 77};
    size_t i;

    start();
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        cr_assert_eq(hipt_asid_alloc_placed(rig.table, bad[i].regions, bad[i].count, &asid), bad[i].status);
        cr_assert(asid.number == 77 && asid.generation == 77);
    }
    cr_assert_eq(hipti_load_relaxed(&rig.table->asids.plans.arena.carved), 0);
    cr_assert_eq(rig_asid(&rig).number, 0);
    rig_destroy(&rig);
}

/* A list that comes to one shard is that shard; so is every list where there is one. */
Test(place, one_shard_needs_no_plan)
{
    static const struct hipt_region_place same[] = {{0, 2}, {7, 3}, {9, 2}};
    static const struct hipt_region_place all = {0, HIPT_ALL_NODES};

    start();
    cr_assert_not(is_planned(asid_placed(same, 3)));
    rig_destroy(&rig);
    rig.config.topology = NULL;
    cr_assert(rig_create(&rig));
    cr_assert_not(is_planned(asid_placed(&all, 1)));
    rig_destroy(&rig);
}

/* The plan of the last life goes back when its number is issued again, and is used again after a grace period (R1). */
Test(place, R1_W6_a_plan_goes_back)
{
    static const struct hipt_region_place all = {0, HIPT_ALL_NODES};
    struct hipt_asid asid;
    unsigned i;

    start();
    for (i = 0; i < 100u; i++) {
        enum hipt_status status = hipt_asid_alloc_placed(rig.table, &all, 1, &asid);

        cr_assert_eq(status, HIPT_OK);
        cr_assert(is_planned(asid.number));
        cr_assert_eq(nodes_map(&rig, asid.number, 0, 3, 1 + i), HIPT_OK);
        cr_assert_eq(hipt_asid_retire(rig.table, asid, NULL), HIPT_OK);
        rig_pass(&rig);
        rig_pass(&rig);
    }
    cr_assert_leq(hipti_load_relaxed(&rig.table->asids.plans.arena.carved), 32, "they are used again");
    rig_destroy(&rig);
}

/* Neither asids nor memory: a plan that nobody got is not lost. Then they run out, until a grace period has passed. */
Test(place, plans_are_scarce)
{
    static const struct hipt_region_place all = {0, HIPT_ALL_NODES};
    struct hipt_asid asid;
    enum hipt_status status = HIPT_OK;
    unsigned i;

    start();
    rig_destroy(&rig);
    rig.config.asid_bits = 1;
    cr_assert(rig_create(&rig));
    test_host_fail(&rig.host, 1, 1000);
    cr_assert_eq(hipt_asid_alloc_placed(rig.table, &all, 1, &asid), HIPT_NOMEM);
    test_host_fail(&rig.host, 0, 0);
    (void)asid_placed(&all, 1);
    (void)asid_placed(&all, 1);
    for (i = 0; status != HIPT_BUSY && i < 10u; i++) {
        status = hipt_asid_alloc_placed(rig.table, &all, 1, &asid);
        cr_assert(status == HIPT_NO_ASID || status == HIPT_BUSY);
    }
    cr_assert_eq(status, HIPT_BUSY, "2 for each asid, of which none has been used again yet");
    for (i = 0; i < 3u; i++) {
        rig_pass(&rig);
        status = hipt_asid_alloc_placed(rig.table, &all, 1, &asid);
    }
    cr_assert_eq(status, HIPT_NO_ASID);
    rig_destroy(&rig);
}

/* => how often memory of other nodes than @node has been touched. */
static uint64_t touches_elsewhere(int node)
{
    uint64_t sum = 0;
    int other;

    for (other = 0; other < NODES; other++) {
        struct hipt_node_counts counts;

        cr_assert_eq(hipt_node_stats(rig.table, other, &counts), HIPT_OK);
        sum += other == node ? 0 : counts.local + counts.remote;
    }
    return sum;
}

/* Who looks up what is on his node touches no other one, also where a plan says so. */
Test(place, N1_a_lookup_in_a_region_touches_its_node_only)
{
    static const struct hipt_region_place regions[] = {{0, 1}, {100, 3}};
    uint64_t before;
    uint32_t asid;
    uint64_t n;

    start();
    asid = asid_placed(regions, 2);
    nodes_map_many(&rig, asid, 200);
    nodes_here = 3;
    before = touches_elsewhere(3);
    for (n = 100; n < 300u; n++) {
        cr_assert_eq(hipt_lookup_pte(rig.table, asid, n) != 0, n < 200u);
    }
    cr_assert_eq(touches_elsewhere(3), before);
    cr_assert_neq(hipt_lookup_pte(rig.table, asid, 5), 0);
    cr_assert_eq(touches_elsewhere(3), before + 1u);
    rig_destroy(&rig);
}
