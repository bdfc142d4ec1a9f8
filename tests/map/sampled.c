/* SPDX-License-Identifier: MIT */
/*
 * How a build without checks counts what is read from near and far (N1): of one vpn, or frame, in 1024. Such a lookup
 * takes another way than the others, and has to find the same.
 */
#include <inttypes.h>
#include <stdio.h>

#include <hipt/hipt.h>
#include <hipt/user.h>

enum { ROW = 1024, ROWS = 32, PAGES = ROW * ROWS, ROUNDS = 4, BATCH = 64, LOOKUPS = 3, LARGE = 2 * PAGES };

static struct hipt_user *user;
static struct hipt_ops ops;
static struct hipt_topology topology;
static struct hipt_table *table;
static int here;

static int this_node(void *ctx)
{
    (void)ctx;
    return here;
}

/* => whether it holds; if not, a line says so. */
static bool holds(bool condition, const char *what, uint64_t value)
{
    if (!condition) {
        fprintf(stderr, "test_map_sampled: %s: %" PRIu64 "\n", what, value);
    }
    return condition;
}

/* => whether there is a table over two nodes, each of which owns half of the frames. */
static bool create(void)
{
    static const struct hipt_node_range halves[] = {{0, PAGES / 2, 0}, {PAGES / 2, PAGES / 2, 1}};
    static const struct hipt_range frames = {0, PAGES, false};
    struct hipt_config config;

    if (hipt_user_create(HIPT_USER_URCU, &user) != HIPT_OK ||
        hipt_user_topology(user, "2x1", &topology, NULL, 0) != HIPT_OK) {
        return false;
    }
    ops = *hipt_user_ops(user);
    ops.this_node = this_node;
    topology.ranges = halves;
    topology.nranges = 2;
    hipt_config_init(&config);
    config.ops = &ops;
    config.topology = &topology;
    config.capacity = 2 * PAGES;
    config.nsizes = 2;
    config.page_shift[1] = config.page_shift[0] + 4;
    config.ranges = &frames;
    config.nranges = 1;
    return hipt_table_create(&config, &table) == HIPT_OK;
}

/* Page n of a space on node 0 is mapped to frame n, and a large page behind them. => the space's number. */
static uint32_t map_all(void)
{
    struct hipt_region_place home = {0, 0};
    struct hipt_mapping all = {.prot = HIPT_READ};
    struct hipt_mapping large = all;
    struct hipt_asid asid = {0, 0};
    uint64_t done = 0;

    (void)(hipt_asid_alloc_placed(table, &home, 1, &asid) == HIPT_OK);
    all.page.asid = asid.number;
    (void)hipt_map_range(table, &all, PAGES, &done);
    large.page = (struct hipt_page){.asid = asid.number, .vpn = LARGE, .size = 1};
    return done == PAGES && hipt_map(table, &large) == HIPT_OK ? asid.number : UINT32_MAX;
}

/* Look all pages up in all three ways. => how many are not what they should be. */
static uint64_t look_at_all(uint32_t asid)
{
    struct hipt_page pages[BATCH];
    uint64_t ptes[BATCH];
    uint64_t wrong = 0;
    uint64_t n;

    for (n = 0; n < PAGES; n++) {
        struct hipt_translation found;

        hipt_read_enter(table);
        wrong += HIPT_PTE_PFN(hipt_lookup_pte(table, asid, n)) != n;
        hipt_read_exit(table);
        wrong += hipt_lookup(table, asid, n, &found) != HIPT_OK || found.mapping.pfn != n;
        pages[n % BATCH] = (struct hipt_page){.asid = asid, .vpn = n};
        if (n % BATCH == BATCH - 1) {
            wrong += BATCH - hipt_lookup_pte_batch(table, pages, BATCH, ptes);
            wrong += HIPT_PTE_PFN(ptes[BATCH - 1]) != n;
        }
    }
    return wrong;
}

/* => whether so many lookups of a row's last page have read about as many lines of node 0, and none of node 1. */
static bool expect(uint64_t local, uint64_t remote)
{
    struct hipt_node_counts zero;
    struct hipt_node_counts one;
    bool is_there = hipt_node_stats(table, 0, &zero) == HIPT_OK && hipt_node_stats(table, 1, &one) == HIPT_OK;

    return is_there && holds(zero.scale == ROW, "the scale", zero.scale) &&
           holds(zero.local >= local && zero.local <= local + local / 2u, "local touches", zero.local) &&
           holds(zero.remote >= remote && zero.remote <= remote + remote / 2u, "remote touches", zero.remote) &&
           holds(one.local == 0 && one.remote == 0, "touches of the other node", one.local + one.remote);
}

static bool check_lookups(uint32_t asid)
{
    uint64_t wrong = 0;
    unsigned round;

    for (here = 0; here < 2; here++) {
        for (round = 0; round < ROUNDS; round++) {
            wrong += look_at_all(asid);
        }
        if (!expect(LOOKUPS * ROUNDS * ROWS, here == 1 ? LOOKUPS * ROUNDS * ROWS : 0)) {
            return false;
        }
    }
    return holds(wrong == 0, "pages are not what was mapped", wrong);
}

/* A page that is not there, of no size, is sampled too: a line of each, or more. */
static bool check_misses(uint32_t asid)
{
    struct hipt_node_counts before;
    struct hipt_node_counts after;
    struct hipt_translation found;
    enum hipt_status status;

    here = 1;
    (void)hipt_node_stats(table, 0, &before);
    status = hipt_lookup(table, asid, PAGES + ROW - 1, &found);
    (void)hipt_node_stats(table, 0, &after);
    return holds(status == HIPT_ABSENT, "the status of a miss", status) &&
           holds(after.remote - before.remote >= 2, "lines of a miss", after.remote - before.remote);
}

/* Reverse lookups of all frames, by node 1: the records of its half are local, of each size one. */
static bool check_reverse(void)
{
    struct hipt_node_counts before[2];
    struct hipt_node_counts after[2];
    uint64_t n;

    here = 1;
    (void)(hipt_node_stats(table, 0, &before[0]) + hipt_node_stats(table, 1, &before[1]));
    for (n = 0; n < PAGES; n++) {
        struct hipt_mapping out;
        size_t count;

        (void)hipt_reverse(table, (struct hipt_frame){.pfn = n, .swap = false}, &out, 1, &count);
    }
    (void)(hipt_node_stats(table, 0, &after[0]) + hipt_node_stats(table, 1, &after[1]));
    after[0].remote -= before[0].remote;
    after[1].local -= before[1].local;
    return holds(after[0].remote == ROWS, "remote records", after[0].remote) &&
           holds(after[1].local == ROWS, "local records", after[1].local);
}

/* A table without a topology counts nothing, not even what would be sampled, and finds it all the same. */
static bool check_without_nodes(void)
{
    static const struct hipt_range frames = {0, ROW, false};
    struct hipt_mapping last = {.page = {.vpn = ROW - 1}, .pfn = ROW - 1, .prot = HIPT_READ};
    struct hipt_translation found = {.mapping = {.pfn = 0}};
    struct hipt_mapping out = {.pfn = 0};
    struct hipt_config config;
    struct hipt_node_counts stats;
    struct hipt_asid asid;
    uint64_t pte;
    size_t count = 0;

    here = 0;
    hipt_config_init(&config);
    config.ops = &ops;
    config.capacity = ROW;
    config.ranges = &frames;
    config.nranges = 1;
    if (hipt_table_create(&config, &table) != HIPT_OK || hipt_asid_alloc(table, &asid) != HIPT_OK) {
        return holds(false, "no table without a topology", ROW);
    }
    last.page.asid = asid.number;
    (void)(hipt_map(table, &last) == HIPT_OK);
    hipt_read_enter(table);
    pte = hipt_lookup_pte(table, asid.number, ROW - 1);
    hipt_read_exit(table);
    (void)hipt_lookup(table, asid.number, ROW - 1, &found);
    (void)hipt_reverse(table, (struct hipt_frame){.pfn = ROW - 1, .swap = false}, &out, 1, &count);
    (void)hipt_node_stats(table, 0, &stats);
    return holds(pte != 0 && HIPT_PTE_PFN(pte) == ROW - 1, "the word without a topology", pte) &&
           holds(found.mapping.pfn == ROW - 1, "the frame without a topology", found.mapping.pfn) &&
           holds(count == 1 && out.page.vpn == ROW - 1, "the page without a topology", out.page.vpn) &&
           holds(stats.scale == 0 && stats.local == 0 && stats.remote == 0, "touches on no node", stats.local);
}

int main(void)
{
    bool is_right = false;

    if (create()) {
        uint32_t asid = map_all();

        is_right = holds(asid != UINT32_MAX, "pages are not mapped", PAGES) && check_lookups(asid) &&
                   check_misses(asid) && check_reverse();
    }
    hipt_table_destroy(table);
    table = NULL;
    is_right = is_right && check_without_nodes();
    hipt_table_destroy(table);
    hipt_user_destroy(user);
    return is_right ? 0 : 1;
}
