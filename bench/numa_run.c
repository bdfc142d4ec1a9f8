/* SPDX-License-Identifier: MIT */
#include "numa_run.h"

#include <hipt/map.h>

#include <stdio.h>
#include <string.h>

#include "numa_touch.h"

#define NODE_FRAMES (UINT64_C(1) << 22) /* pfns of each node; records are made for those in use */
#define VPN_STEP 3u
#define ASID_BITS 8u /* a key so narrow that few buckets are enough for it: then each shard has the default load */
#define VA_BITS 40u

const char *const numa_policy_names[NUMA_POLICIES] = {"home", "shared", "one-node", "interleaved",
                                                      "regions"};

static int running_on; /* the node: there is one thread, which says where it is */

static int this_node(void *ctx)
{
    (void)ctx;
    return running_on;
}

double numa_expected(enum numa_policy policy, unsigned nodes)
{
    return policy == NUMA_HOME || policy == NUMA_REGIONS ? 0 : (nodes - 1.0) / nodes;
}

/* The nodes as the port reads them, each with frames of its own. */
static void describe(const struct numa_setup *setup, char *text, size_t room)
{
    size_t used = (size_t)snprintf(text, room, "nodes=%u distance=", setup->nodes);

    for (unsigned i = 0; i < setup->nodes * setup->nodes; i++) {
        used += (size_t)snprintf(text + used, room - used, "%s%u", i > 0 ? "," : "",
                                 i / setup->nodes == i % setup->nodes ? HIPT_DISTANCE_LOCAL : setup->distance);
    }
    used += (size_t)snprintf(text + used, room - used, " pfns=");
    for (unsigned node = 0; node < setup->nodes; node++) {
        used += (size_t)snprintf(text + used, room - used, "%s%llu-%llu", node > 0 ? "," : "",
                                 (unsigned long long)(node * NODE_FRAMES),
                                 (unsigned long long)(node * NODE_FRAMES + NODE_FRAMES - 1u));
    }
}

/* The frame of a page: on the node of whoever created the space, where it was touched first. */
static uint64_t page_pfn(const struct numa_table *table, struct numa_page page)
{
    return page.space % table->setup.nodes * NODE_FRAMES + page.space / table->setup.nodes * table->pages + page.page;
}

static struct hipt_page page_of(const struct numa_table *table, struct numa_page page)
{
    return (struct hipt_page){.asid = table->spaces[page.space].number, .vpn = VPN_STEP * page.page};
}

/* => the node that has the second half of a space that is in two. */
static unsigned other_node(const struct numa_table *table, unsigned space)
{
    return (space + 1u) % table->setup.nodes;
}

static enum hipt_status open_space(struct numa_table *table, unsigned space, enum numa_policy policy)
{
    const struct hipt_region_place all = {.vpn = 0, .node = HIPT_ALL_NODES};
    const struct hipt_region_place halves[] = {
        {.vpn = 0, .node = (int)(space % table->setup.nodes)},
        {.vpn = VPN_STEP * (table->pages / 2u), .node = (int)other_node(table, space)}};

    running_on = policy == NUMA_ONE_NODE ? 0 : (int)(space % table->setup.nodes);
    if (policy == NUMA_INTERLEAVED) {
        return hipt_asid_alloc_placed(table->table, &all, 1, &table->spaces[space]);
    }
    return policy == NUMA_REGIONS ? hipt_asid_alloc_placed(table->table, halves, 2, &table->spaces[space]) :
                                    hipt_asid_alloc(table->table, &table->spaces[space]);
}

static bool fill_space(struct numa_table *table, unsigned space, enum numa_policy policy)
{
    if (open_space(table, space, policy) != HIPT_OK) {
        return false;
    }
    for (uint64_t n = 0; n < table->pages; n++) {
        struct numa_page page = {.space = space, .page = n};
        struct hipt_mapping mapping = {
            .page = page_of(table, page), .pfn = page_pfn(table, page), .prot = HIPT_READ | HIPT_WRITE};

        if (hipt_map(table->table, &mapping) != HIPT_OK) {
            return false;
        }
    }
    return true;
}

/* Buckets are shared out among the nodes: where one has to hold everything, there are more of them. */
static bool create(struct numa_table *table, enum numa_policy policy)
{
    struct bench_random random = {.state = ~table->setup.seed};
    struct hipt_range ranges[NUMA_NODES_MAX];
    struct hipt_config config;
    uint64_t secret[4];

    table->ops = *hipt_user_ops(table->user);
    table->ops.this_node = this_node;
    hipt_config_init(&config);
    config.ops = &table->ops;
    config.secret = secret; /* so that two runs count the same */
    for (size_t i = 0; i < 4u; i++) {
        secret[i] = bench_random_next(&random);
    }
    config.asid_bits = ASID_BITS;
    config.va_bits = VA_BITS;
    config.capacity = table->pages * table->nspaces * (policy == NUMA_ONE_NODE ? table->setup.nodes : 1u);
    config.ranges = ranges;
    config.nranges = table->setup.nodes;
    config.topology = &table->topology;
    for (unsigned node = 0; node < table->setup.nodes; node++) {
        ranges[node] = (struct hipt_range){.first = node * NODE_FRAMES, .count = table->pages * NUMA_SPACES};
    }
    return hipt_table_create(&config, &table->table) == HIPT_OK;
}

bool numa_table_start(struct numa_table *table, const struct numa_setup *setup, enum numa_policy policy)
{
    char text[4096];
    char error[200] = "";

    memset(table, 0, sizeof(*table));
    table->setup = *setup;
    table->nspaces = setup->nodes * NUMA_SPACES;
    table->pages = setup->entries / table->nspaces;
    describe(setup, text, sizeof(text));
    if (hipt_user_create(HIPT_USER_URCU, &table->user) != HIPT_OK ||
        hipt_user_topology(table->user, text, &table->topology, error, sizeof(error)) != HIPT_OK ||
        !create(table, policy)) {
        fprintf(stderr, "hipt-bench: numa: there is no table: %s\n", error[0] != '\0' ? error : "no memory");
        return false;
    }
    for (unsigned space = 0; space < table->nspaces; space++) {
        if (!fill_space(table, space, policy)) {
            fprintf(stderr, "hipt-bench: numa: a page could not be mapped\n");
            return false;
        }
    }
    return true;
}

void numa_table_end(struct numa_table *table)
{
    hipt_table_destroy(table->table);
    if (table->user != NULL) {
        hipt_user_destroy(table->user);
    }
}

struct numa_page numa_page_draw(const struct numa_table *table, struct bench_random *random)
{
    return (struct numa_page){.space = (unsigned)bench_random_below(random, table->nspaces),
                              .page = bench_random_below(random, table->pages)};
}

void numa_touch(const struct numa_table *table, unsigned from, unsigned at, struct numa_cost *cost)
{
    cost->local += from == at;
    cost->remote += from != at;
    cost->time += table->topology.distance[from * table->setup.nodes + at] / (double)HIPT_DISTANCE_LOCAL;
}

/* => false: one of the lines lies where nobody knows. */
static bool touch_lines(const struct numa_table *table, unsigned from, const struct hipt_translation *found,
                        struct numa_cost *cost)
{
    int nodes[NUMA_LINES_MAX];
    size_t count = numa_touched(table->table, found, nodes);

    for (size_t i = 0; i < count; i++) {
        if (nodes[i] == HIPT_ANY_NODE) {
            return false;
        }
        numa_touch(table, from, (unsigned)nodes[i], cost);
    }
    cost->operations++;
    return true;
}

bool numa_lookup(struct numa_table *table, unsigned from, struct numa_page page, struct numa_cost *cost)
{
    struct hipt_translation found;
    struct hipt_page wanted = page_of(table, page);

    running_on = (int)from;
    return hipt_lookup(table->table, wanted.asid, wanted.vpn, &found) == HIPT_OK &&
           found.mapping.pfn == page_pfn(table, page) && touch_lines(table, from, &found, cost);
}

bool numa_update(struct numa_table *table, unsigned from, struct numa_page page, struct numa_cost *cost)
{
    struct hipt_page wanted = page_of(table, page);

    /* Where the page is does not change: what finds it afterwards has read what the change read. */
    return numa_lookup(table, from, page, cost) &&
           hipt_protect(table->table, &wanted, HIPT_READ | (cost->operations % 2u ? HIPT_WRITE : 0u)) == HIPT_OK;
}

/* => the node of whoever looks a page up. */
static unsigned user_of(const struct numa_table *table, struct numa_page page, enum numa_policy policy,
                        struct bench_random *random)
{
    unsigned nodes = table->setup.nodes;

    if (policy == NUMA_HOME || (policy == NUMA_REGIONS && page.page < table->pages / 2u)) {
        return page.space % nodes;
    }
    return policy == NUMA_REGIONS ? other_node(table, page.space) : (unsigned)bench_random_below(random, nodes);
}

/* What the library has counted. => false: it does not. */
static bool library_counts(const struct numa_table *table, struct numa_cost *cost)
{
    struct hipt_node_counts stats = {0};

    memset(cost, 0, sizeof(*cost));
    for (unsigned node = 0; node < table->setup.nodes; node++) {
        if (hipt_node_stats(table->table, (int)node, &stats) != HIPT_OK || stats.scale != 1u) {
            return false;
        }
        cost->local += stats.local;
        cost->remote += stats.remote;
    }
    return true;
}

/* => false: the library has counted something else since it had counted @before. */
static bool counts_agree(const struct numa_table *table, const struct numa_cost *before, const struct numa_cost *cost)
{
    struct numa_cost after;

    if (!library_counts(table, &after) ||
        (after.local - before->local == cost->local && after.remote - before->remote == cost->remote)) {
        return true;
    }
    fprintf(stderr, "hipt-bench: numa: %llu local lines and %llu remote ones; the library has counted %llu and %llu\n",
            (unsigned long long)cost->local, (unsigned long long)cost->remote,
            (unsigned long long)(after.local - before->local), (unsigned long long)(after.remote - before->remote));
    return false;
}

bool numa_run(const struct numa_setup *setup, enum numa_policy policy, struct numa_cost *cost)
{
    struct bench_random random = {.state = setup->seed};
    struct numa_table table;
    bool done = numa_table_start(&table, setup, policy);
    struct numa_cost before;

    memset(cost, 0, sizeof(*cost));
    if (done) {
        (void)library_counts(&table, &before);
    }
    for (uint64_t i = 0; done && i < setup->operations; i++) {
        struct numa_page page = numa_page_draw(&table, &random);
        unsigned from = user_of(&table, page, policy, &random);

        done = numa_lookup(&table, from, page, cost);
        if (!done) {
            fprintf(stderr, "hipt-bench: numa: a page is not where it was mapped\n");
        }
    }
    done = done && counts_agree(&table, &before, cost);
    numa_table_end(&table);
    return done;
}
