/* SPDX-License-Identifier: MIT */
/* A table's parts on real nodes: what the table says of each block of memory, and what the kernel says of its pages. */
#include "numa/checks.h"

#include <threads.h>
#include <time.h>

#include "map/table.h"

enum { RANGES_MAX = 64, SHARERS = 30, SPACE_PAGES = 500, HOME_PAGES = 3000, BUCKETS = 2048,
       MIGRATION_TURNS = 5000 };

/* Each block of an arena lies on @node, or on the node that @owners has for it, and the arena knows. => blocks. */
static unsigned check_arena(struct numa *numa, const char *what, const struct hipti_arena *arena, const uint8_t *owners,
                            int node)
{
    uint32_t items = UINT32_C(1) << arena->block_shift;
    unsigned blocks = 0;

    for (uint32_t i = 0; i < hipti_arena_blocks(arena); i++) {
        const char *block = hipti_load_acquire(&arena->directory[i]);
        uint32_t first = i << arena->block_shift;
        uint32_t count = arena->limit - first < items ? arena->limit - first : items;
        int wanted = owners != NULL ? owners[i] : node;
        size_t elsewhere;

        if (block == NULL) {
            continue;
        }
        elsewhere = numa_pages_elsewhere(block, count * arena->item_bytes, wanted);
        NUMA_HOLDS(numa, elsewhere == 0, "%s: %zu pages of block %u are not on node %d", what, elsewhere, i, wanted);
        NUMA_HOLDS(numa, hipti_arena_node(arena, first + 1u) == wanted, "%s: block %u counts on node %d", what, i,
                   hipti_arena_node(arena, first + 1u));
        blocks++;
    }
    return blocks;
}

/* Records lie on the nodes that own their frames, and the blocks of sharers on those of the records. */
static void check_frames(struct numa *numa, const struct hipt_table *table)
{
    const struct hipti_frames *frames = &table->frames;

    for (size_t i = 0; i < numa->topology.nranges; i++) {
        const struct hipt_node_range *range = &numa->topology.ranges[i];
        uint32_t number = hipti_frames_number(frames, range->first, false);

        NUMA_HOLDS(numa, frames->owners[(number - 1u) >> frames->records.block_shift] == range->node,
                   "pfn %llu is not node %d's", (unsigned long long)range->first, range->node);
    }
    NUMA_HOLDS(numa, check_arena(numa, "records", &frames->records, frames->owners, 0) > 0, "no records");
    for (int node = 0; node < (int)numa->topology.nodes; node++) {
        const struct hipti_arena *blocks = &frames->aliases[node].blocks;

        NUMA_HOLDS(numa, (blocks->directory != NULL) == numa_has_memory(numa, node), "node %d", node);
        if (blocks->directory != NULL) {
            NUMA_HOLDS(numa, check_arena(numa, "sharers", blocks, NULL, node) > 0, "node %d has none", node);
        }
    }
}

/* Each shard lies on its node, with its buckets and overflow lines. */
static void check_shards(struct numa *numa, const struct hipt_table *table)
{
    for (unsigned i = 0; i < table->buckets.nshards; i++) {
        const struct hipti_shard *shard = table->buckets.shard[i];
        int node = table->node_of_shard[i];
        unsigned arrays = 0;

        NUMA_HOLDS(numa, numa_has_memory(numa, node), "shard %u is on node %d", i, node);
        NUMA_HOLDS(numa, numa_pages_elsewhere(shard, sizeof(*shard), node) == 0, "shard %u is not on node %d", i, node);
        for (unsigned half = 0; half < 2u; half++) {
            const struct hipti_array *array = hipti_load_acquire(&shard->half[half]);

            if (array != NULL) {
                NUMA_HOLDS(numa, numa_pages_elsewhere(array, sizeof(*array), node) == 0, "array of shard %u", i);
                NUMA_HOLDS(numa, check_arena(numa, "buckets", &array->lines, NULL, node) > 0, "no buckets");
                arrays++;
            }
        }
        NUMA_HOLDS(numa, arrays == 1u, "%u arrays in shard %u", arrays, i);
        NUMA_HOLDS(numa, check_arena(numa, "overflow lines", &shard->overflow, NULL, node) > 0, "shard %u has none", i);
    }
}

/* Map pages of a space that is on one node, so many that there are overflow lines: all are in that node's shard. */
static void check_space(struct numa *numa, struct hipt_table *table, struct hipt_asid asid, int node)
{
    const struct hipt_node_range *range = &numa->topology.ranges[0];
    uint32_t elsewhere = 0;

    for (uint64_t n = 0; n < HOME_PAGES; n++) {
        struct hipt_mapping page = {.page = {.asid = asid.number, .vpn = n}, .pfn = range->first + n % range->count,
                                    .prot = HIPT_READ};
        struct hipt_translation found = {0};

        NUMA_HOLDS(numa, hipt_map(table, &page) == HIPT_OK &&
                       hipt_lookup(table, asid.number, n, &found) == HIPT_OK, "page %u", (unsigned)n);
        elsewhere += table->node_of_shard[hipti_shard_number(&table->buckets, found.slot / HIPT_SLOTS)] != node;
    }
    NUMA_HOLDS(numa, elsewhere == 0, "%u pages of a space are not on node %d", elsewhere, node);
}

/* A space begins on the node of the CPU that makes it, or on the nearest node with memory; or where it is placed. */
static void check_spaces(struct numa *numa, struct hipt_table *table)
{
    for (unsigned cpu = 0; cpu < numa->topology.cpus; cpu++) {
        struct hipt_asid asid = {0};

        NUMA_HOLDS(numa, numa_run_on(cpu) && hipt_asid_alloc(table, &asid) == HIPT_OK, "no asid on CPU %u", cpu);
        check_space(numa, table, asid, table->node_of_shard[table->shard_of_node[numa->topology.cpu_node[cpu]]]);
    }
    for (int node = 0; node < (int)numa->topology.nodes; node++) {
        struct hipt_region_place place = {.vpn = 0, .node = node};
        struct hipt_asid asid = {0};

        NUMA_HOLDS(numa, hipt_asid_alloc_placed(table, &place, 1, &asid) == HIPT_OK, "no asid on node %d", node);
        check_space(numa, table, asid, table->node_of_shard[table->shard_of_node[node]]);
    }
}

/* => the pages of a space whose lines the kernel says lie elsewhere than on @node, or that are not mapped. */
static uint32_t lines_elsewhere(struct hipt_table *table, struct hipt_asid asid, int node)
{
    uint32_t elsewhere = 0;

    for (uint64_t n = 0; n < HOME_PAGES; n++) {
        struct hipt_translation found = {0};
        bool is_found = hipt_lookup(table, asid.number, n, &found) == HIPT_OK;
        const void *line = hipti_buckets_line(&table->buckets, found.slot / HIPT_SLOTS);

        elsewhere += !is_found || numa_pages_elsewhere(line, HIPTI_CACHE_LINE, node) > 0;
    }
    return elsewhere;
}

/* A space goes from the first node with memory to each other one, and on: the lines of its pages lie there then. */
static void check_migration(struct numa *numa, struct hipt_table *table)
{
    struct hipt_region_place first = {.vpn = 0, .node = table->node_of_shard[0]};
    struct hipt_asid asid = {0};

    NUMA_HOLDS(numa, hipt_asid_alloc_placed(table, &first, 1, &asid) == HIPT_OK, "no asid");
    check_space(numa, table, asid, first.node);
    NUMA_HOLDS(numa, lines_elsewhere(table, asid, first.node) == 0, "before it moves");
    for (unsigned i = table->buckets.nshards; i-- > 0;) {
        int node = table->node_of_shard[i];
        enum hipt_status status = HIPT_PENDING;

        for (unsigned turn = 0; turn < MIGRATION_TURNS && status == HIPT_PENDING; turn++) {
            status = hipt_asid_migrate(table, asid, node);
            (void)thrd_sleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        }
        NUMA_HOLDS(numa, status == HIPT_OK, "to node %d: %s", node, hipt_strerror(status));
        NUMA_HOLDS(numa, lines_elsewhere(table, asid, node) == 0, "%u pages not on node %d",
                   lines_elsewhere(table, asid, node), node);
    }
}

/* A frame of each node that has some, with many sharers, and pages of one space beside it. */
static void map_some(struct numa *numa, struct hipt_table *table)
{
    struct hipt_asid asid = {0};

    NUMA_HOLDS(numa, hipt_asid_alloc(table, &asid) == HIPT_OK, "no asid");
    for (size_t i = 0; i < numa->topology.nranges; i++) {
        const struct hipt_node_range *range = &numa->topology.ranges[i];

        for (uint64_t n = 0; n < SHARERS + SPACE_PAGES && n < range->count; n++) {
            struct hipt_mapping page = {.page = {.asid = asid.number, .vpn = (i << 20) + 3u * n},
                                        .pfn = range->first + (n < SHARERS ? 0 : n - SHARERS), .prot = HIPT_READ};

            NUMA_HOLDS(numa, hipt_map(table, &page) == HIPT_OK, "page %u", (unsigned)n);
        }
    }
}

static void check_table(struct numa *numa, unsigned placement)
{
    static struct hipt_range ranges[RANGES_MAX];
    struct hipt_table *table = NULL;
    struct hipt_config config;
    char text[200];

    hipt_config_init(&config);
    config.ops = numa->ops;
    config.ranges = ranges;
    config.topology = &numa->topology;
    config.placement = placement;
    config.asid_bits = 8; /* a narrow key, for which few buckets are enough */
    config.va_bits = 40;
    config.buckets = BUCKETS * numa->topology.nodes;
    for (; config.nranges < numa->topology.nranges && config.nranges < RANGES_MAX; config.nranges++) {
        ranges[config.nranges].first = numa->topology.ranges[config.nranges].first;
        ranges[config.nranges].count = numa->topology.ranges[config.nranges].count;
    }
    NUMA_HOLDS(numa, hipt_config_check(&config, text, sizeof(text)) == HIPT_OK, "%s", text);
    if (NUMA_HOLDS(numa, hipt_table_create(&config, &table) == HIPT_OK, "no table")) {
        map_some(numa, table);
        check_spaces(numa, table);
        check_migration(numa, table);
        check_frames(numa, table);
        check_shards(numa, table);
        NUMA_HOLDS(numa, hipt_table_is_valid(table, text, sizeof(text)), "%s", text);
    }
    hipt_table_destroy(table);
    NUMA_HOLDS(numa, hipt_user_bytes(numa->user) == 0, "%zu bytes", hipt_user_bytes(numa->user));
}

/* Preferred or strict: with room on each node both come to the same. */
void numa_a_table_lies_on_its_nodes(struct numa *numa)
{
    check_table(numa, HIPT_PREFERRED);
    check_table(numa, HIPT_STRICT);
}
