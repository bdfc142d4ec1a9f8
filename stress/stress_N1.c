/* SPDX-License-Identifier: MIT */
/*
 * N1 on real threads: modelled nodes, and threads that stand for CPUs of them. Each maps, looks up and unmaps in spaces
 * that were created on its own node, whole or a region of them, while the others do the same on theirs. The library
 * counts every line that a lookup reads, at the node where its memory really is: none may be another node's.
 */
#include <inttypes.h>
#include <stdio.h>

#include "crew.h"

enum { NODES = 4, PAGES = 64, BATCH = 16 };

enum { OPERATIONS, HITS, MISSES, BATCHED, LOCAL, READINGS };

static const struct crew_count counts[] = {
    {"operations", true, false},
    {"lookups that hit", true, false},
    {"lookups that miss", true, false},
    {"lookups in batches", true, false},
    {"lines read on the own node", true, true},
    {"readings of the counters", true, false},
    {NULL, false, false},
};

static _Thread_local int here = HIPT_ANY_NODE;
static struct hipt_topology topology;
static struct hipt_node_range ranges[NODES];
static uint32_t homes[NODES];   /* a space that begins on each node */
static uint32_t regions[NODES]; /* one that has a region on each node, from n * PAGES on, where it is node n's CPUs' */

static int this_node(void *ctx)
{
    (void)ctx;
    return here;
}

static bool open_spaces(struct crew *crew)
{
    struct hipt_region_place places[NODES];
    int node;

    for (node = 0; node < NODES; node++) {
        places[node] = (struct hipt_region_place){(uint64_t)node * PAGES, node};
    }
    for (node = 0; node < NODES; node++) {
        struct hipt_asid asid;

        here = node;
        homes[node] = crew_asid(crew).number;
        if (hipt_asid_alloc_placed(crew->table, places, NODES, &asid) != HIPT_OK) {
            return false;
        }
        regions[node] = asid.number;
    }
    here = HIPT_ANY_NODE;
    return true;
}

/* The table is made anew, over nodes that each own a part of the frames. */
static bool start(struct crew *crew)
{
    uint64_t part = crew->options.frames / NODES;
    int node;

    hipt_table_destroy(crew->table);
    for (node = 0; node < NODES; node++) {
        ranges[node] = (struct hipt_node_range){(uint64_t)node * part, part, node};
    }
    if (hipt_user_topology(crew->user, "4x2", &topology, NULL, 0) != HIPT_OK) { /* four nodes, made up */
        return false;
    }
    topology.ranges = ranges;
    topology.nranges = NODES;
    crew->ops.this_node = this_node;
    crew->config.topology = &topology;
    crew->config.buckets *= NODES; /* as many in each shard as the options say */
    return hipt_table_create(&crew->config, &crew->table) == HIPT_OK && open_spaces(crew);
}

/* No line has been read from another node: all threads look up on their own only. */
static void read_counters(struct crew *crew, unsigned thread)
{
    int node;

    for (node = 0; node < NODES; node++) {
        struct hipt_node_counts stats;

        if (hipt_node_stats(crew->table, node, &stats) != HIPT_OK || stats.scale != 1) {
            crew_broken(crew, "touches of node %d are not counted", node);
        } else if (stats.remote != 0) {
            crew_broken(crew, "%" PRIu64 " lines of node %d were read from another node", stats.remote, node);
        }
    }
    crew_add(crew, thread, READINGS, 1);
}

/* A page on node @node: of a space that is there, or of a region that is. */
static struct hipt_page draw_page(struct crew *crew, uint64_t *random, int node)
{
    struct hipt_page page = {.asid = homes[node], .vpn = crew_draw(random, PAGES)};

    if (crew_draw(random, 2) == 0) {
        page.asid = regions[node];
        page.vpn += (uint64_t)node * PAGES;
    }
    page.size = crew_draw(random, crew->options.sizes);
    page.vpn = page.vpn >> page.size << page.size;
    return page;
}

static void change(struct crew *crew, uint64_t *random, int node)
{
    struct hipt_mapping m = {.page = draw_page(crew, random, node), .prot = HIPT_READ};

    m.pfn = (uint64_t)crew_draw(random, crew->options.frames) >> m.page.size << m.page.size;
    if (crew_draw(random, 3) == 0) {
        (void)hipt_unmap(crew->table, &m.page, NULL);
    } else {
        (void)hipt_map(crew->table, &m);
    }
}

static void look(struct crew *crew, unsigned thread, uint64_t *random, int node)
{
    struct hipt_page page = draw_page(crew, random, node);
    bool hits;

    hipt_read_enter(crew->table);
    hits = hipt_lookup_pte(crew->table, page.asid, page.vpn) != 0;
    hipt_read_exit(crew->table);
    crew_add(crew, thread, hits ? HITS : MISSES, 1);
}

static void look_at_several(struct crew *crew, unsigned thread, uint64_t *random, int node)
{
    struct hipt_page pages[BATCH];
    uint64_t ptes[BATCH];
    unsigned i;

    for (i = 0; i < BATCH; i++) {
        pages[i] = draw_page(crew, random, node);
    }
    (void)hipt_lookup_pte_batch(crew->table, pages, BATCH, ptes);
    crew_add(crew, thread, BATCHED, BATCH);
}

static void body(struct crew *crew, unsigned thread)
{
    uint64_t random = crew_seed(crew, thread);
    int node = (int)(thread % NODES);
    unsigned turn;

    here = node;
    for (turn = 0; !crew_is_over(crew); turn++) {
        if (crew->options.canary && thread == 0 && turn == 200u) {
            here = (node + 1) % NODES; /* told the wrong node */
        }
        change(crew, &random, node);
        look(crew, thread, &random, node);
        if (turn % 8u == 0) {
            look_at_several(crew, thread, &random, node);
        }
        if (turn % 64u == 0) {
            read_counters(crew, thread);
        }
        crew_add(crew, thread, OPERATIONS, 2);
    }
}

static void finish(struct crew *crew)
{
    int node;

    read_counters(crew, 0);
    for (node = 0; node < NODES; node++) {
        struct hipt_node_counts stats;

        if (hipt_node_stats(crew->table, node, &stats) == HIPT_OK) {
            crew_add(crew, 0, LOCAL, stats.local);
        }
    }
}

int main(int argc, char **argv)
{
    static const struct crew_program program = {
        .letter = "N1",
        .claim = "a lookup by a CPU of the node where its page was placed reads lines of that node only",
        .count = counts,
        .asid_bits = 4,
        .start = start,
        .body = body,
        .finish = finish,
    };

    return crew_main(&program, argc, argv);
}
