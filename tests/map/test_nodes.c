/* SPDX-License-Identifier: MIT */
/*
 * A table over four nodes: nodes 0, 1 and 3 have memory, node 2 has only CPUs and is nearest to node 3. Where spaces
 * begin, where their memory is, and who touches it.
 */
#include <criterion/criterion.h>

#include <string.h>

#include <hipt/hipt.h>

#include "map/place.h"
#include "map/resize.h"
#include "map/touch.h"
#include "support/nodes.h"
#include "support/step.h"

enum { BUCKETS = 150, PAGES = 300 };

static struct rig rig;

static void start_with(unsigned placement)
{
    cr_assert(nodes_create(&rig, BUCKETS, placement));
}

static void start(void)
{
    start_with(HIPT_PREFERRED);
}

static uint32_t asid_on(int node)
{
    nodes_here = node;
    return rig_asid(&rig).number;
}

static struct hipt_node_counts stats_of(int node)
{
    struct hipt_node_counts stats;

    cr_assert_eq(hipt_node_stats(rig.table, node, &stats), HIPT_OK);
    return stats;
}

/* => the shard that all pages 0 to @count - 1 are in. */
static unsigned shard_of(uint32_t asid, uint64_t count)
{
    unsigned shard = HIPT_NODES_MAX;
    uint64_t n;

    for (n = 0; n < count; n++) {
        struct hipt_translation found;
        unsigned at;

        cr_assert_eq(hipt_lookup(rig.table, asid, n, &found), HIPT_OK);
        cr_assert_eq(found.mapping.pfn, n);
        at = hipti_shard_number(&rig.table->buckets, found.slot / HIPT_SLOTS);
        cr_assert(n == 0 || at == shard);
        shard = at;
    }
    return shard;
}

/* A shard for each node with memory; a space begins in that of its creator's node, or of the nearest that has one. */
Test(nodes, N1_home_is_where_a_space_was_created)
{
    static const unsigned homes[NODES] = {0, 1, 2, 2};
    int node;

    start();
    cr_assert_eq(rig.table->buckets.nshards, SHARDS);
    for (node = 0; node < NODES; node++) {
        uint32_t asid = asid_on(node);

        nodes_map_many(&rig, asid, PAGES);
        cr_assert_eq(shard_of(asid, PAGES), homes[node], "node %d", node);
    }
    cr_assert_eq(stats_of(0).mappings, PAGES);
    cr_assert_eq(stats_of(1).mappings, PAGES);
    cr_assert_eq(stats_of(2).mappings, 0, "it has no shard");
    cr_assert_eq(stats_of(3).mappings, 2 * PAGES);
    rig_destroy(&rig);
}

/* Whose node nobody knows, or who names one that is none, begins in shard 0. */
Test(nodes, N1_home_of_a_caller_without_a_node)
{
    static const int nodes[] = {HIPT_ANY_NODE, NODES, 1000, -7};
    unsigned i;

    start();
    for (i = 0; i < 4u; i++) {
        uint32_t asid = asid_on(nodes[i]);

        nodes_map_many(&rig, asid, 3);
        cr_assert_eq(shard_of(asid, 3), 0);
    }
    rig_destroy(&rig);
}

static struct hipt_cpu cpu;

static struct hipt_cpu *this_cpu(void *ctx)
{
    (void)ctx;
    return nodes_here == HIPT_ANY_NODE ? NULL : &cpu;
}

/* Without this_node, the CPU says where its caller is. */
Test(nodes, N1_home_by_the_cpu)
{
    static const unsigned homes[] = {1, 2, 2, 0};

    start();
    rig_destroy(&rig);
    rig.host.ops.this_node = NULL;
    rig.host.ops.this_cpu = this_cpu;
    cr_assert(rig_create(&rig));
    for (cpu.number = 0; cpu.number < 4u; cpu.number++) {
        nodes_here = 0;
        cr_assert_eq(hipti_place_home(rig.table), homes[cpu.number]);
    }
    cpu.number = 1;
    nodes_here = HIPT_ANY_NODE;
    cr_assert_eq(hipti_place_home(rig.table), 0, "the caller is no CPU");
    rig_destroy(&rig);
}

/* A number that is issued again begins where it is issued then. */
Test(nodes, N1_W6_a_number_issued_again_begins_anew)
{
    struct hipt_asid asid;
    unsigned i;

    start();
    nodes_here = 0;
    asid = rig_asid(&rig);
    nodes_map_many(&rig, asid.number, 20);
    cr_assert_eq(hipt_asid_retire(rig.table, asid, NULL), HIPT_OK);
    for (i = 0; i < 4u; i++) {
        rig_pass(&rig);
        nodes_here = 3;
        asid = rig_asid(&rig);
        cr_assert_eq(hipt_lookup_lines(rig.table, asid.number, 0, NULL), 0, "its sizes are forgotten");
        cr_assert_eq(hipti_page_shard(rig.table, &(struct hipt_page){.asid = asid.number}), 2);
    }
    cr_assert_eq(nodes_map(&rig, asid.number, 0, 1, 100), HIPT_OK);
    cr_assert_eq(hipti_place_home(rig.table), 2);
    rig_destroy(&rig);
}

/* => the node that the lines of the asid's pages lie on; all are on one. */
static int node_of_lines(uint32_t asid, uint64_t count)
{
    int node = HIPT_ANY_NODE;
    uint64_t n;

    for (n = 0; n < count; n++) {
        struct hipt_translation found;

        cr_assert_eq(hipt_lookup(rig.table, asid, n, &found), HIPT_OK);
        cr_assert(n == 0 || hipti_buckets_node(&rig.table->buckets, found.slot / HIPT_SLOTS) == node);
        node = hipti_buckets_node(&rig.table->buckets, found.slot / HIPT_SLOTS);
    }
    return node;
}

/* Arrays, directories and overflow lines lie on the shard's node, also those that growth makes. */
Test(nodes, N1_a_shards_memory_lies_on_its_node)
{
    uint64_t before;
    uint32_t asid;

    start();
    rig_destroy(&rig);
    rig.config.buckets = 3 * 16;
    rig.config.resize = HIPT_GROW;
    cr_assert(rig_create(&rig));
    test_host_free_run(&rig.host);
    asid = asid_on(3);
    before = atomic_load(&rig.host.on_node[3]);
    cr_assert_gt(before, 0);
    cr_assert_eq(atomic_load(&rig.host.on_node[2]), 0);
    nodes_map_many(&rig, asid, 1000);
    cr_assert_gt(rig.table->buckets.shard[2]->resizes, 0, "it has grown");
    cr_assert_eq(rig.table->buckets.shard[0]->resizes, 0, "the others have not");
    cr_assert_eq(node_of_lines(asid, 1000), 3);
    cr_assert_gt(atomic_load(&rig.host.on_node[3]), before);
    cr_assert_geq(stats_of(3).bytes_lines, 64u * rig.table->buckets.now[2]->quotient.buckets);
    cr_assert_eq(stats_of(2).bytes_lines, 0);
    cr_assert_eq(stats_of(0).fallen, 0);
    rig_destroy(&rig);
}

/* Which node has which bytes, and no other node is asked about. */
Test(nodes, stats_of_nodes)
{
    struct hipt_node_counts stats = {.local = 77};
    struct hipt_stats all;
    int node;
    uint64_t lines = 0;
    uint64_t records = 0;
    uint64_t aliases = 0;

    start();
    nodes_here = 0;
    for (node = 0; node < 3; node++) { /* three mappings of a frame */
        cr_assert_eq(nodes_map(&rig, rig_asid(&rig).number, 0, 1, QUARTER), HIPT_OK);
    }
    cr_assert_eq(hipt_node_stats(rig.table, NODES, &stats), HIPT_BAD_NODE);
    cr_assert_eq(hipt_node_stats(rig.table, HIPT_ANY_NODE, &stats), HIPT_BAD_NODE);
    cr_assert_eq(stats.local, 77);
    for (node = 0; node < NODES; node++) {
        lines += stats_of(node).bytes_lines;
        records += stats_of(node).bytes_records;
        aliases += stats_of(node).bytes_aliases;
    }
    hipt_table_stats(rig.table, &all);
    cr_assert(lines > 0 && lines <= all.bytes_forward);
    cr_assert(records > 0 && records <= all.bytes_frames);
    cr_assert(aliases > 0 && aliases <= all.bytes_aliases);
    rig_destroy(&rig);
    rig.config.topology = NULL;
    cr_assert(rig_create(&rig));
    cr_assert_eq(hipt_node_stats(rig.table, 1, &stats), HIPT_BAD_NODE);
    stats = stats_of(0);
    hipt_table_stats(rig.table, &all);
    cr_assert(stats.bytes_lines > 0 && stats.bytes_lines <= all.bytes_forward);
    cr_assert(stats.scale == 0 && stats.local == 0 && stats.remote == 0);
    nodes_map_many(&rig, asid_on(0), 5);
    cr_assert_eq(stats_of(0).mappings, 5);
    rig_destroy(&rig);
}

static void ask(unsigned shard, unsigned due)
{
    hipti_store_relaxed(&hipti_buckets_now(&rig.table->buckets, shard)->crowd, 0u);
    hipti_store_relaxed(&rig.table->buckets.shard[shard]->due, due);
    (void)hipti_fetch_or_relaxed(&rig.table->buckets.due, UINT64_C(1) << shard);
}

/* => how many other secrets a shard has had. */
static uint32_t rekeys_of(unsigned shard)
{
    return hipti_buckets_now(&rig.table->buckets, shard)->secret - 1u;
}

/* What each shard has asked for begins, whichever of them the caller has met. */
Test(nodes, X1_each_shard_gets_what_it_has_asked_for)
{
    start();
    rig_destroy(&rig);
    rig.config.resize = HIPT_GROW | HIPT_REKEY;
    cr_assert(rig_create(&rig));
    ask(0, 0);
    ask(2, HIPT_REKEY);
    cr_assert(hipti_resize_if_due(rig.table, HIPT_FULL), "the map that met the full chain is tried again");
    cr_assert(rekeys_of(0) == 0 && rekeys_of(2) == 1 && rig.table->buckets.due == 0);
    ask(1, HIPT_GROW);
    cr_assert_not(hipti_resize_if_due(rig.table, HIPT_OK));
    cr_assert(rig.table->buckets.shard[0]->resizes == 0 && rig.table->buckets.shard[1]->resizes == 1);
    test_host_fail(&rig.host, 1, 1000);
    ask(0, HIPT_REKEY);
    cr_assert_not(hipti_resize_if_due(rig.table, HIPT_FULL));
    cr_assert_eq(hipti_buckets_now(&rig.table->buckets, 0)->crowd, 0, "that puts growth off no further");
    test_host_fail(&rig.host, 0, 0);
    rig_destroy(&rig);
}

static void grow_the_second(void)
{
    ask(1, HIPT_GROW);
    (void)hipti_resize_on_own(rig.table, 2, HIPT_OK);
}

/* X1: who asks for another secret is told whether all shards have one by him, only some, or none. */
Test(nodes, X1_a_resize_beside_that_of_one_shard)
{
    unsigned met[3] = {0, 0, 0};
    unsigned n = 0;
    bool more = true;

    while (more) {
        enum hipt_status status;

        start();
        rig.table->buckets.resize = HIPT_GROW;
        step_interrupt(NULL, NULL, n++, grow_the_second);
        status = hipt_resize(rig.table, 0, true);
        more = step_interrupted();
        met[0] += status == HIPT_OK;
        met[1] += status == HIPT_PENDING;
        met[2] += status == HIPT_BUSY;
        cr_assert(status == HIPT_OK || status == HIPT_PENDING || status == HIPT_BUSY);
        cr_assert_eq(rekeys_of(0) + rekeys_of(1) + rekeys_of(2),
                     status == HIPT_OK ? SHARDS : status == HIPT_PENDING ? SHARDS - 1u : 0, "interrupted at %u", n);
        rig_destroy(&rig);
    }
    cr_assert(met[0] > 1u && met[1] > 0 && met[2] > 0);
}

struct touched {
    uint64_t local[NODES];
    uint64_t remote[NODES];
};

static struct touched touched(void)
{
    struct touched sum;
    int node;

    for (node = 0; node < NODES; node++) {
        struct hipt_node_counts stats = stats_of(node);

        cr_assert_eq(stats.scale, 1);
        sum.local[node] = stats.local;
        sum.remote[node] = stats.remote;
    }
    return sum;
}

/* Look all pages up in all three ways, and some that are not there. => lookups that one of them makes. */
static void look_at_all(uint32_t asid, uint64_t count)
{
    struct hipt_page pages[64];
    uint64_t ptes[64];
    uint64_t n;

    for (n = 0; n < count + 20u; n++) {
        struct hipt_translation found;

        cr_assert_eq(hipt_lookup_pte(rig.table, asid, n) != 0, n < count);
        cr_assert_eq(hipt_lookup(rig.table, asid, n, &found), n < count ? HIPT_OK : HIPT_ABSENT);
        pages[n % 64u] = (struct hipt_page){.asid = asid, .vpn = n};
        if (n % 64u == 63u) {
            (void)hipt_lookup_pte_batch(rig.table, pages, 64, ptes);
        }
    }
}

/* A lookup by a CPU of the home node touches that node only: hits, misses, chains, large pages, growth. */
Test(nodes, N1_a_lookup_touches_its_home_only)
{
    struct touched before;
    struct touched after;
    uint32_t asid;
    int node;

    start();
    asid = asid_on(1);
    nodes_map_many(&rig, asid, PAGES);
    before = touched();
    hipt_read_enter(rig.table);
    look_at_all(asid, PAGES);
    hipt_read_exit(rig.table);
    nodes_here = HIPT_ANY_NODE;
    (void)hipt_lookup_pte(rig.table, asid, 0);
    nodes_here = 1;
    cr_assert_eq(nodes_map(&rig, asid, 1, 1u << 12, RIG_MEDIUM), HIPT_OK);
    hipt_read_enter(rig.table);
    look_at_all(asid, PAGES);
    cr_assert_neq(hipt_lookup_pte(rig.table, asid, (1u << 12) + 3u), 0);
    hipt_read_exit(rig.table);
    cr_assert_eq(hipt_resize(rig.table, 2000, true), HIPT_OK);
    look_at_all(asid, PAGES);
    after = touched();
    for (node = 0; node < NODES; node++) {
        cr_assert_eq(after.remote[node], before.remote[node]);
        cr_assert(node == 1 || after.local[node] == before.local[node]);
    }
    cr_assert_geq(after.local[1] - before.local[1], 9u * PAGES, "one line each, or more");
    rig_destroy(&rig);
}

/* The same from another node is counted as remote, line by line. */
Test(nodes, N1_touches_from_elsewhere_are_counted)
{
    struct touched before;
    struct touched after;
    uint32_t asid;

    start();
    asid = asid_on(0);
    cr_assert_eq(nodes_map(&rig, asid, 0, 5, 5), HIPT_OK);
    nodes_here = 3;
    before = touched();
    cr_assert_neq(hipt_lookup_pte(rig.table, asid, 5), 0);
    cr_assert_eq(hipt_lookup_pte(rig.table, asid, 6), 0);
    after = touched();
    cr_assert_eq(after.remote[0], before.remote[0] + 2u);
    cr_assert_eq(after.local[0], before.local[0]);
    cr_assert_eq(after.remote[3] + after.local[3], before.remote[3] + before.local[3]);
    rig_destroy(&rig);
}

/* The last frame of a node is the node's as well, and so is the block of its sharers. */
Test(nodes, N1_sharers_of_a_nodes_last_frame)
{
    uint64_t own;
    uint64_t others;
    uint64_t n;

    start();
    nodes_here = 0;
    own = stats_of(0).bytes_aliases;
    others = stats_of(1).bytes_aliases;
    for (n = 0; n < 3u; n++) {
        cr_assert_eq(nodes_map(&rig, rig_asid(&rig).number, 0, n, QUARTER - 1), HIPT_OK);
    }
    cr_assert_gt(stats_of(0).bytes_aliases, own);
    cr_assert_eq(stats_of(1).bytes_aliases, others);
    rig_destroy(&rig);
}

/* Of a chain each line is counted: there are more than one for each page that is not there. */
Test(nodes, N1_touches_of_chains)
{
    uint64_t before;
    uint32_t asid;
    uint64_t n;

    start();
    rig_destroy(&rig);
    rig.config.buckets = NODES * 16;
    cr_assert(rig_create(&rig));
    asid = asid_on(0);
    nodes_map_many(&rig, asid, 300);
    before = touched().local[0];
    for (n = 1000; n < 1100; n++) {
        cr_assert_eq(hipt_lookup_pte(rig.table, asid, n), 0);
    }
    cr_assert_gt(touched().local[0] - before, 200u, "16 buckets of 19 pages have two lines and more");
    rig_destroy(&rig);
}

/*
 * While a table grows, who finds a page where it was reads nothing more; who finds nothing has read both arrays, the
 * short way and once more the long one.
 */
Test(nodes, N1_touches_while_it_grows)
{
    struct touched before;
    struct touched after;
    uint32_t asid;

    start();
    asid = asid_on(0);
    cr_assert_eq(nodes_map(&rig, asid, 0, 5, 5), HIPT_OK);
    cr_assert_eq(hipt_resize(rig.table, 2000, false), HIPT_OK);
    before = touched();
    cr_assert_neq(hipt_lookup_pte(rig.table, asid, 5), 0);
    after = touched();
    cr_assert_eq(after.local[0], before.local[0] + 1u);
    cr_assert_eq(hipt_lookup_pte(rig.table, asid, 6), 0);
    cr_assert_eq(touched().local[0], after.local[0] + 2u * 2u);
    rig_destroy(&rig);
}

/* A reverse lookup touches the record on its frame's node, and the blocks of further mappings. */
Test(nodes, N1_a_reverse_lookup_touches_the_owner)
{
    struct hipt_frame frame = {.pfn = QUARTER + 3, .swap = false};
    struct hipt_mapping out[16];
    struct touched before;
    struct touched after;
    uint32_t asid;
    size_t count;
    uint64_t n;

    start();
    asid = asid_on(0);
    for (n = 0; n < 8u; n++) {
        cr_assert_eq(nodes_map(&rig, asid, 0, n, frame.pfn), HIPT_OK);
    }
    nodes_here = 1;
    before = touched();
    cr_assert_eq(hipt_reverse(rig.table, frame, out, 16, &count), HIPT_OK);
    cr_assert_eq(count, 8);
    after = touched();
    cr_assert_geq(after.local[0] + after.remote[0], before.local[0] + before.remote[0]);
    cr_assert_geq(after.local[1], before.local[1] + 2u, "the record, and a block");
    cr_assert_gt(stats_of(1).bytes_aliases, 0);
    rig_destroy(&rig);
}

/* Where no node has room, memory lies nobody knows where: touching it is neither local nor remote, to any node. */
Test(nodes, N1_touches_of_memory_on_no_node)
{
    struct hipt_frame frame = {.pfn = 3, .swap = false};
    struct hipt_mapping out;
    struct touched sum;
    uint32_t asid;
    size_t count;
    int node;

    start();
    rig_destroy(&rig);
    atomic_store(&rig.host.full, UINT64_MAX);
    cr_assert(rig_create(&rig));
    asid = asid_on(0);
    nodes_map_many(&rig, asid, PAGES);
    cr_assert_eq(node_of_lines(asid, PAGES), HIPT_ANY_NODE);
    hipt_read_enter(rig.table);
    look_at_all(asid, PAGES);
    hipt_read_exit(rig.table);
    cr_assert_eq(hipt_reverse(rig.table, frame, &out, 1, &count), HIPT_OK);
    cr_assert(count == 1u && out.page.vpn == 3u);
    sum = touched();
    for (node = 0; node < NODES; node++) {
        cr_assert(sum.local[node] == 0 && sum.remote[node] == 0, "node %d", node);
        cr_assert(stats_of(node).bytes_lines == 0 && stats_of(node).bytes_records == 0, "node %d", node);
    }
    cr_assert_gt(stats_of(0).fallen, 0);
    rig_destroy(&rig);
}

/* A walk goes through all shards, each mapping once, also while they grow. */
Test(nodes, walk_through_all_shards)
{
    static unsigned met[NODES][PAGES];
    struct hipt_cursor cursor = {0};
    struct hipt_mapping m;
    uint32_t asid[NODES];
    unsigned count = 0;
    int node;

    start();
    for (node = 0; node < NODES; node++) {
        asid[node] = asid_on(node);
        nodes_map_many(&rig, asid[node], PAGES);
    }
    while (hipt_table_next(rig.table, &cursor, &m) == HIPT_OK) {
        for (node = 0; asid[node] != m.page.asid; node++) {
        }
        met[node][m.page.vpn]++;
        if (count++ == 100u) {
            cr_assert_eq(hipt_resize(rig.table, 2000, false), HIPT_OK);
        }
        (void)hipt_resize_help(rig.table, 1);
    }
    cr_assert_eq(count, NODES * PAGES);
    for (node = 0; node < NODES; node++) {
        for (count = 0; count < PAGES; count++) {
            cr_assert_eq(met[node][count], 1);
        }
    }
    rig_destroy(&rig);
}

/* Other buckets for all shards, or, where one cannot have any now, for none. */
Test(nodes, resize_is_for_all_shards_or_none)
{
    struct hipt_stats stats;
    uint64_t calls;
    unsigned i;

    start_with(HIPT_STRICT);
    nodes_map_many(&rig, asid_on(0), PAGES);
    nodes_map_many(&rig, asid_on(3), PAGES);
    cr_assert_eq(hipt_resize(rig.table, 0, true), HIPT_OK);
    for (i = 0; i < SHARDS; i++) {
        cr_assert_eq(rig.table->buckets.shard[i]->resizes, 1);
    }
    calls = atomic_load(&rig.host.calls);
    cr_assert_eq(hipt_resize(rig.table, 0, true), HIPT_BUSY);
    cr_assert_eq(atomic_load(&rig.host.calls), calls, "nothing was asked for");
    for (i = 0; i < 1000u && hipt_resize_help(rig.table, 8) == HIPT_OK; i++) {
        rig_pass(&rig);
    }
    cr_assert_lt(i, 1000u);
    for (i = 1;; i++) { /* no memory at any point: nothing has changed */
        enum hipt_status status;

        test_host_fail(&rig.host, i, 1);
        status = hipt_resize(rig.table, 0, false);
        test_host_fail(&rig.host, 0, 0);
        if (status == HIPT_OK) {
            break;
        }
        cr_assert_eq(status, HIPT_NOMEM);
        hipt_table_stats(rig.table, &stats);
        cr_assert_eq(stats.resizes, SHARDS);
    }
    cr_assert_gt(i, 3u * SHARDS);
    cr_assert_eq(shard_of(0, PAGES), 0);
    rig_destroy(&rig);
}

/*
 * Make a table, as placed as the rig says, whose allocations from number @first on fail, @count of them; it goes again.
 * => whether it was made. *asked: it came to ask for the first of these.
 */
static bool made_without(uint64_t first, uint64_t count, bool *asked)
{
    uint64_t before = atomic_load(&rig.host.calls);
    bool is_made;

    test_host_fail(&rig.host, first, count);
    is_made = rig_create(&rig);
    test_host_fail(&rig.host, 0, 0);
    *asked = atomic_load(&rig.host.calls) - before >= first;
    if (is_made) {
        rig_destroy(&rig);
    }
    cr_assert_eq(atomic_load(&rig.host.blocks), 0, "call %llu", (unsigned long long)first);
    return is_made;
}

/*
 * No memory at any point of the creation: nothing is left. Where a block has to be on its node, or no other node has
 * one either, there is no table. Else there may be one.
 */
Test(nodes, created_without_memory)
{
    static const struct {
        unsigned placement;
        uint64_t count; /* of allocations that fail */
        bool needs_all;
    } cases[] = {{HIPT_PREFERRED, UINT64_MAX / 2u, true}, {HIPT_STRICT, 1, true}, {HIPT_PREFERRED, 1, false}};
    unsigned i;

    for (i = 0; i < 3u; i++) {
        uint64_t n = 0;
        bool is_made;
        bool asked;

        start_with(cases[i].placement);
        rig_destroy(&rig);
        do {
            is_made = made_without(++n, cases[i].count, &asked);
            cr_assert(is_made || asked);
            cr_assert(!is_made || !asked || !cases[i].needs_all, "case %u: a table without call %llu", i,
                      (unsigned long long)n);
        } while (asked);
        cr_assert_gt(n, 20u, "tables, shards, touches, frames, spaces, plans");
    }
}

/* A full node: overflow lines come from the nearest other one, and it is counted; strictly, the map says so. */
Test(nodes, preferred_and_strict_on_a_full_node)
{
    enum hipt_status status = HIPT_OK;
    uint32_t asid;
    uint64_t n;

    start();
    asid = asid_on(3);
    atomic_store(&rig.host.full, UINT64_C(1) << 3);
    nodes_map_many(&rig, asid, 600);
    cr_assert_gt(stats_of(3).fallen, 0);
    atomic_store(&rig.host.full, 0);
    rig_destroy(&rig);

    start_with(HIPT_STRICT);
    asid = asid_on(3);
    atomic_store(&rig.host.full, UINT64_C(1) << 3);
    for (n = 0; status == HIPT_OK && n < 2000u; n++) {
        status = nodes_map(&rig, asid, 0, n, n % 1000u);
    }
    cr_assert_eq(status, HIPT_NOMEM);
    asid = asid_on(0);
    nodes_map_many(&rig, asid, 600);
    cr_assert_eq(shard_of(asid, 600), 0, "the others have room");
    atomic_store(&rig.host.full, 0);
    rig_destroy(&rig);
}

/* The bounds count for all shards together. */
Test(nodes, bounds_of_a_configuration)
{
    char text[200];

    start();
    rig_destroy(&rig);
    rig.config.asid_bits = 16;
    rig.config.va_bits = 57; /* 63 bits: 2^15 buckets in each shard */
    rig.config.buckets = 3u * (1u << 15) - 1u;
    cr_assert_eq(hipt_config_check(&rig.config, text, sizeof(text)), HIPT_FEW_BUCKETS);
    cr_assert_not_null(strstr(text, "98303"));
    cr_assert_not_null(strstr(text, "98304"));
    rig.config.buckets = 3u * (1u << 15);
    cr_assert_eq(hipt_config_check(&rig.config, text, sizeof(text)), HIPT_OK);
    rig.config.buckets = 3u * (UINT64_C(1) << 25);
    cr_assert_eq(hipt_config_check(&rig.config, text, sizeof(text)), HIPT_OK);
    rig.config.buckets++;
    cr_assert_eq(hipt_config_check(&rig.config, text, sizeof(text)), HIPT_MANY_BUCKETS);
    cr_assert_not_null(strstr(text, "100663297"));
    cr_assert_not_null(strstr(text, "100663296"));
    rig.config.buckets = 0;
    rig.config.capacity_max = UINT64_MAX;
    cr_assert_eq(hipt_config_check(&rig.config, text, sizeof(text)), HIPT_MANY_BUCKETS);
    cr_assert_not_null(strstr(text, "capacity_max"));
}

/* Each shard may have as many buckets as all together, or as a slot number can name: one may come to hold all. */
Test(nodes, N1_bounds_of_a_shard)
{
    static const struct {
        uint64_t capacity;
        uint64_t each;
    } cases[] = {{20000, 3u * 2381u}, {UINT64_C(93952399), (1u << 25) - 2u}, {UINT64_C(93952404), 1u << 25}};
    unsigned i;
    unsigned shard;

    for (i = 0; i < 3u; i++) {
        start();
        rig_destroy(&rig);
        rig.config.capacity_max = cases[i].capacity;
        cr_assert(rig_create(&rig));
        for (shard = 0; shard < SHARDS; shard++) {
            cr_assert_eq(rig.table->buckets.shard[shard]->count_max, cases[i].each, "case %u: %llu", i,
                         (unsigned long long)rig.table->buckets.shard[shard]->count_max);
        }
        rig_destroy(&rig);
    }
}
