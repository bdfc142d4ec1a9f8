/* SPDX-License-Identifier: MIT */
/*
 * Making a table: what is refused and how it is explained, hosts of older structures, and memory that is not to be
 * had.
 */
#include <criterion/criterion.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "support/rig.h"

static struct rig rig;
static struct rig_picture picture;

/* The configuration of the rig with something wrong in it is refused, by a line that names @value and @bound. */
static void cr_expect_refused(enum hipt_status status, const char *value, const char *bound)
{
    char text[200];

    cr_expect_eq(hipt_config_check(&rig.config, text, sizeof(text)), status, "%s", text);
    cr_expect_not_null(strstr(text, value), "no \"%s\" in \"%s\"", value, text);
    cr_expect_not_null(strstr(text, bound), "no \"%s\" in \"%s\"", bound, text);
    cr_expect_eq(hipt_config_check(&rig.config, NULL, 0), status);
    cr_expect_eq(hipt_table_create(&rig.config, &rig.table), status);
    cr_expect_null(rig.table);
    cr_expect_eq(atomic_load(&rig.host.calls), 0, "nothing is allocated for a table that cannot be");
    rig_init(&rig);
}

/* What the defaults are, and that they make a table once a host and frames are named. */
Test(config, defaults)
{
    struct hipt_config config;
    char text[100] = "?";

    rig_init(&rig);
    hipt_config_init(&config);
    cr_assert_eq(config.size, sizeof(config));
    cr_assert_eq(config.asid_bits, 16u);
    cr_assert_eq(config.va_bits, 57u);
    cr_assert_eq(config.nsizes, 4u);
    cr_assert_eq(config.page_shift[3], 30u);
    config.ops = &rig.host.ops;
    config.ranges = rig.ranges;
    config.nranges = 2;
    cr_assert_eq(hipt_config_check(&config, text, sizeof(text)), HIPT_OK);
    cr_assert_str_eq(text, "");
    cr_assert_eq(hipt_table_create(&config, &rig.table), HIPT_OK);
    rig_destroy(&rig);
}

/* Numbers out of their bounds, each named with the bound. */
Test(config, numbers_out_of_bounds)
{
    rig_init(&rig);
    rig.config.asid_bits = 0;
    cr_expect_refused(HIPT_BAD_ASID_BITS, "asid_bits 0", "20");
    rig.config.asid_bits = 21;
    cr_expect_refused(HIPT_BAD_ASID_BITS, "asid_bits 21", "20");
    rig.config.va_bits = 0;
    cr_expect_refused(HIPT_BAD_VA_BITS, "va_bits 0", "64");
    rig.config.va_bits = 65;
    cr_expect_refused(HIPT_BAD_VA_BITS, "va_bits 65", "64");
    rig.config.resize = 5;
    cr_expect_refused(HIPT_BAD_MODE, "resize 5", "3");
    rig.config.version_bits = 0;
    cr_expect_refused(HIPT_BAD_VERSION, "version_bits 0", "10");
    rig.config.version_bits = 11;
    cr_expect_refused(HIPT_BAD_VERSION, "version_bits 11", "10");
    rig.config.sequence_bits = 1;
    cr_expect_refused(HIPT_BAD_VERSION, "sequence_bits 1", "20");
    rig.config.sequence_bits = 21;
    cr_expect_refused(HIPT_BAD_VERSION, "sequence_bits 21", "20");
    rig.config.size--;
    cr_expect_refused(HIPT_BAD_OPS, "config size", "is not");
}

/* Size classes: none, too many, not ascending, wider than the address. */
Test(config, size_classes)
{
    rig_init(&rig);
    rig.config.nsizes = 0;
    cr_expect_refused(HIPT_BAD_SIZES, "0", "4");
    rig.config.nsizes = 5;
    cr_expect_refused(HIPT_BAD_SIZES, "5", "4");
    rig.config.page_shift[1] = 12;
    cr_expect_refused(HIPT_BAD_SIZES, "page_shift 12", "12");
    rig.config.page_shift[2] = 15;
    cr_expect_refused(HIPT_BAD_SIZES, "page_shift 15", "16");
    rig.config.page_shift[2] = 36;
    cr_expect_refused(HIPT_BAD_SIZES, "page_shift 36", "va_bits, 36");
}

/* The key's width, and the fewest and the most buckets that go with it. */
Test(config, width_and_buckets)
{
    rig_init(&rig);
    rig.config.asid_bits = 20;
    rig.config.va_bits = 55; /* 20 + 2 + 43 */
    cr_expect_refused(HIPT_BAD_WIDTH, "width 65", "64");
    rig.config.asid_bits = 20;
    rig.config.va_bits = 54;
    rig.config.buckets = 65535;
    cr_expect_refused(HIPT_FEW_BUCKETS, "buckets 65535", "65536");
    rig.config.buckets = (UINT64_C(1) << 27) + 1u;
    cr_expect_refused(HIPT_MANY_BUCKETS, "buckets 134217729", "134217728");
    rig.config.buckets = 0;
    rig.config.capacity_max = UINT64_C(1) << 40;
    cr_expect_refused(HIPT_MANY_BUCKETS, "capacity_max 1099511627776", "134217728");
    rig.config.buckets = 0;
    rig.config.capacity = UINT64_MAX;
    cr_expect_refused(HIPT_MANY_BUCKETS, "buckets 6588122883467697006", "134217728");
}

/* Ranges: none, empty, overlapping. */
Test(config, ranges)
{
    rig_init(&rig);
    rig.config.nranges = 0;
    cr_expect_refused(HIPT_BAD_RANGE, "frame ranges 0", "at least 1");
    rig.ranges[1].count = 0;
    cr_expect_refused(HIPT_BAD_RANGE, "frame range 1: count 0", "at least 1");
    rig.ranges[1].swap = false;
    cr_expect_refused(HIPT_BAD_RANGE, "frame range 1: first", "earlier range");
    rig.ranges[0].first = UINT64_C(1) << 40;
    cr_expect_refused(HIPT_BAD_RANGE, "frame range 0: first 1099511627776", "below 1099511627776");
}

/* A mandatory hook that is missing is named, and so is one half of a pair. */
Test(config, hooks)
{
    rig_init(&rig);
    rig.config.ops = NULL;
    cr_expect_refused(HIPT_BAD_OPS, "ops", "missing");
    rig.host.ops.size = offsetof(struct hipt_ops, block_max) - 1u;
    cr_expect_refused(HIPT_BAD_OPS, "ops size", "knows up to");
    rig.host.ops.size = sizeof(struct hipt_ops) + 1u;
    cr_expect_refused(HIPT_BAD_OPS, "ops size", "knows up to");
    rig.host.ops.alloc = NULL;
    cr_expect_refused(HIPT_BAD_OPS, "alloc", "missing");
    rig.host.ops.free = NULL;
    cr_expect_refused(HIPT_BAD_OPS, "free", "missing");
    rig.host.ops.gp_start = NULL;
    cr_expect_refused(HIPT_BAD_OPS, "gp_start", "missing");
    rig.host.ops.gp_elapsed = NULL;
    cr_expect_refused(HIPT_BAD_OPS, "gp_elapsed", "missing");
    rig.host.ops.random = NULL;
    cr_expect_refused(HIPT_BAD_OPS, "random", "missing");
    rig.host.ops.read_enter = NULL;
    cr_expect_refused(HIPT_BAD_OPS, "read_enter", "missing");
    rig.host.ops.read_exit = NULL;
    cr_expect_refused(HIPT_BAD_OPS, "read_exit", "missing");
}

/* Placement: what it may be, what strict placement needs; and a topology that cannot be used is explained. */
Test(config, N1_placement_and_topology)
{
    static const int nowhere[1] = {7};
    struct hipt_topology topology = {.size = sizeof(topology), .nodes = 2};

    rig_init(&rig);
    rig.config.placement = 2;
    cr_expect_refused(HIPT_BAD_MODE, "placement 2", "0 to 1");
    rig.config.placement = HIPT_STRICT;
    test_host_nodes(&rig.host);
    cr_expect_refused(HIPT_BAD_MODE, "placement 1 needs a topology", "0");
    rig.config.placement = HIPT_STRICT;
    rig.config.topology = &topology;
    cr_expect_refused(HIPT_BAD_MODE, "placement 1 needs the hook alloc_strict", "0");
    topology.nodes = 65;
    rig.config.topology = &topology;
    cr_expect_refused(HIPT_BAD_NODE, "nodes 65", "64");
    topology = (struct hipt_topology){.size = sizeof(topology), .nodes = 2, .cpus = 1, .cpu_node = nowhere};
    rig.config.topology = &topology;
    cr_expect_refused(HIPT_BAD_NODE, "node 7", "0 to 1");
}

/* With several nodes the numbers of frame records have gaps, which count: with one node the same frames have none. */
Test(config, N1_gaps_between_frames)
{
    static const struct hipt_node_range nodes[] = {{0, 0x8000, 0}, {0x8000, UINT32_MAX, 1}};
    struct hipt_topology topology = {.size = sizeof(topology), .nodes = 2, .ranges = nodes, .nranges = 2};

    rig_init(&rig);
    rig.ranges[0] = (struct hipt_range){.first = 1, .count = UINT32_MAX - 100u};
    rig.ranges[1] = (struct hipt_range){.first = 0, .count = 60, .swap = true};
    cr_assert_eq(hipt_config_check(&rig.config, NULL, 0), HIPT_OK);
    rig.config.topology = &topology;
    cr_expect_refused(HIPT_BAD_RANGE, "frame range 1: first 0", "gaps before ranges, are more than 4294967294");
}

/* A topology is copied: the host's own may change once the table is there. */
Test(config, N1_a_topology_is_copied)
{
    struct hipt_topology topology = {.size = sizeof(topology), .nodes = 3};
    struct hipt_asid asid;
    struct hipt_mapping mapping;

    rig_init(&rig);
    test_host_nodes(&rig.host);
    rig.config.topology = &topology;
    rig.config.placement = HIPT_STRICT;
    cr_assert(rig_create(&rig));
    memset(&topology, 0xff, sizeof(topology));
    asid = rig_asid(&rig);
    mapping = rig_mapping(asid.number, 0, 5, 6);
    cr_assert_eq(hipt_map(rig.table, &mapping), HIPT_OK);
    rig_destroy(&rig);
}

/* A line is cut where the room ends, whatever the room. */
Test(config, texts_are_cut)
{
    char whole[200];
    size_t bytes;

    rig_init(&rig);
    rig.config.asid_bits = 99;
    cr_assert_eq(hipt_config_check(&rig.config, whole, sizeof(whole)), HIPT_BAD_ASID_BITS);
    for (bytes = 1; bytes <= strlen(whole) + 1u; bytes++) {
        char text[201];

        memset(text, '#', sizeof(text));
        cr_assert_eq(hipt_config_check(&rig.config, text, bytes), HIPT_BAD_ASID_BITS);
        cr_assert_eq(strlen(text), bytes - 1u);
        cr_assert_eq(strncmp(text, whole, bytes - 1u), 0);
        cr_assert_eq(text[bytes], '#');
    }
}

/* A va of 64 bits in pages of one byte leaves no room for an asid, and is refused before it is computed with. */
Test(config, a_key_of_more_than_64_bits)
{
    rig_init(&rig);
    rig.config.asid_bits = 1;
    rig.config.va_bits = 64;
    rig.config.nsizes = 1;
    rig.config.page_shift[0] = 0;
    cr_expect_refused(HIPT_BAD_WIDTH, "width 65", "64");
}

/* The least and the greatest that is accepted works: pages are mapped and found at both ends of the address space. */
Test(config, extreme_geometries)
{
    static const struct {
        unsigned asid_bits, va_bits, nsizes, shift;
        uint64_t buckets;
    } cases[] = {{1, 13, 1, 12, 1},  {20, 54, 3, 12, 65536}, {20, 56, 1, 12, 65536}, {1, 64, 1, 1, 65536},
                 {16, 57, 2, 12, 0}, {1, 64, 1, 12, 64},     {4, 16, 1, 0, 3}};
    size_t i;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct hipt_translation translation;
        struct hipt_mapping first;
        struct hipt_mapping last;
        struct hipt_asid asid;

        rig_init(&rig);
        rig.config.asid_bits = cases[i].asid_bits;
        rig.config.va_bits = cases[i].va_bits;
        rig.config.nsizes = cases[i].nsizes;
        rig.config.page_shift[0] = cases[i].shift;
        rig.config.buckets = cases[i].buckets;
        cr_assert(rig_create(&rig), "case %zu", i);
        asid = rig_asid(&rig);
        first = rig_mapping(asid.number, 0, 0, 1);
        last = rig_mapping(asid.number, 0, (UINT64_C(1) << (cases[i].va_bits - cases[i].shift)) - 1u, 2);
        cr_assert_eq(hipt_map(rig.table, &first), HIPT_OK);
        cr_assert_eq(hipt_map(rig.table, &last), HIPT_OK);
        cr_assert_eq(hipt_lookup(rig.table, asid.number, last.page.vpn, &translation), HIPT_OK);
        cr_assert(rig_same(&translation.mapping, &last));
        cr_assert_eq(hipt_lookup(rig.table, asid.number, last.page.vpn + 1u, &translation), HIPT_BAD_VPN);
        rig_look(&rig, &picture);
        cr_assert_eq(picture.count, 2u);
        cr_assert(rig_same(&picture.mapping[0], &first) && rig_same(&picture.mapping[1], &last));
        rig_destroy(&rig);
    }
}

/* Buckets are derived from the capacity at 2.8 mappings each, but never fewer than the key needs. */
Test(config, buckets_from_capacity)
{
    static const struct {
        uint64_t capacity, least, most;
    } cases[] = {{0, 1, 1}, {28, 10, 12}, {2800, 1000, 1002}, {280000, 100000, 100002}};
    size_t i;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        static struct hipt_stats stats;

        rig_init(&rig);
        rig.config.buckets = 0;
        rig.config.capacity = cases[i].capacity;
        cr_assert(rig_create(&rig));
        hipt_table_stats(rig.table, &stats);
        cr_assert(stats.buckets >= cases[i].least && stats.buckets <= cases[i].most, "%llu",
                  (unsigned long long)stats.buckets);
        rig_destroy(&rig);
    }
}

static bool never_called(void *ctx)
{
    (void)ctx;
    cr_assert_fail("a hook beyond the host's structure");
    return false;
}

static int nowhere(void *ctx)
{
    (void)ctx;
    cr_assert_fail("a hook beyond the host's structure");
    return HIPT_ANY_NODE;
}

static void *never_asked(void *ctx, size_t bytes, size_t align, int node, bool may_wait)
{
    (void)ctx;
    (void)may_wait;
    cr_assert_fail("a hook beyond the host's structure: %zu bytes, aligned to %zu, on %d", bytes, align, node);
    return NULL;
}

/* A host whose structure ends before block_max, or a later hook, works; those that it does not know are not set. */
Test(config, a_shorter_ops_structure)
{
    static const size_t sizes[] = {offsetof(struct hipt_ops, block_max), offsetof(struct hipt_ops, this_cpu),
                                   offsetof(struct hipt_ops, alloc_strict), offsetof(struct hipt_ops, this_node)};
    unsigned i;

    for (i = 0; i < 4u; i++) {
        struct hipt_asid asid;

        rig_init(&rig);
        rig.host.ops.size = sizes[i];
        rig.host.ops.block_max = i == 0; /* beyond the host's structure: not to be read */
        rig.host.ops.can_wait = i < 2u ? never_called : NULL;
        rig.host.ops.alloc_strict = never_asked;
        rig.host.ops.this_node = nowhere;
        rig.config.cpus = 1;
        cr_assert(rig_create(&rig));
        asid = rig_asid(&rig);
        cr_assert_eq(hipt_map(rig.table, &(struct hipt_mapping){.page = {.asid = asid.number}, .prot = HIPT_READ}),
                     HIPT_OK);
        cr_assert_eq(hipt_unmap(rig.table, &(struct hipt_page){.asid = asid.number}, NULL), HIPT_OK);
        rig_destroy(&rig);
    }
}

/* Blocks are no larger than the host gives readily. */
Test(config, blocks_of_the_host)
{
    uint64_t few;

    rig_init(&rig);
    cr_assert(rig_create(&rig));
    few = atomic_load(&rig.host.blocks);
    rig_destroy(&rig);
    rig_init(&rig);
    rig.host.ops.block_max = 4096;
    cr_assert(rig_create(&rig));
    cr_assert_geq(atomic_load(&rig.host.blocks), few + 15u, "16-byte records of 4096 frames take 16 blocks and more");
    rig_destroy(&rig);
}

/* Making a table may wait for memory: a host that has to make room first can do so. */
Test(config, a_host_that_never_hurries)
{
    rig_init(&rig);
    atomic_store(&rig.host.never_hurries, true);
    cr_assert(rig_create(&rig));
    rig_destroy(&rig);
}

/* A host without read sides: both hooks left out. */
Test(config, a_host_that_is_always_inside)
{
    struct hipt_asid asid;

    rig_init(&rig);
    rig.host.ops.read_enter = NULL;
    rig.host.ops.read_exit = NULL;
    cr_assert(rig_create(&rig));
    asid = rig_asid(&rig);
    hipt_read_enter(rig.table);
    cr_assert_eq(hipt_map(rig.table, &(struct hipt_mapping){.page = {.asid = asid.number}, .prot = HIPT_READ}),
                 HIPT_OK);
    hipt_read_exit(rig.table);
    rig_destroy(&rig);
}

/*
 * X1: without a secret of the host's own one is drawn, another for each table; where none is to be had there is no
 * table.
 */
Test(config, X1_the_secret_is_drawn)
{
    struct hipt_mapping order[2] = {{.pfn = 0}, {.pfn = 0}};
    unsigned differ = 0;
    unsigned i;

    rig_init(&rig);
    for (i = 0; i < 8u; i++) {
        struct hipt_cursor cursor = {0};
        struct hipt_mapping m;
        struct hipt_asid asid;

        rig.config.secret = NULL;
        cr_assert(rig_create(&rig));
        asid = rig_asid(&rig);
        m = rig_mapping(asid.number, 0, 0, 0);
        cr_assert_eq(hipt_map_range(rig.table, &m, 200, NULL), HIPT_OK);
        cr_assert_eq(hipt_table_next(rig.table, &cursor, &order[i % 2u]), HIPT_OK);
        differ += i > 0 && !rig_same(&order[0], &order[1]);
        rig_destroy(&rig);
    }
    cr_assert_geq(differ, 6u, "the order of a walk hardly differs between secrets");
    atomic_store(&rig.host.no_random, true);
    cr_assert_eq(hipt_table_create(&rig.config, &rig.table), HIPT_NOMEM);
    cr_assert_null(rig.table);
    cr_assert_eq(atomic_load(&rig.host.blocks), 0);
}

/* Memory that fails at each allocation in turn: no table, HIPT_NOMEM, nothing left over; then a table. */
Test(config, no_memory_at_each_allocation)
{
    enum hipt_status status = HIPT_NOMEM;
    uint64_t k;

    rig_init(&rig);
    rig.host.ops.block_max = 4096;
    for (k = 1; status == HIPT_NOMEM; k++) {
        uint64_t calls = atomic_load(&rig.host.calls);

        test_host_fail(&rig.host, k, 1);
        status = hipt_table_create(&rig.config, &rig.table);
        cr_assert(status != HIPT_OK || atomic_load(&rig.host.calls) - calls < k, "a table without allocation %llu",
                  (unsigned long long)k);
        cr_assert_eq(rig.table == NULL, status != HIPT_OK, "allocation %llu", (unsigned long long)k);
        cr_assert(status == HIPT_OK || atomic_load(&rig.host.blocks) == 0, "allocation %llu", (unsigned long long)k);
    }
    cr_assert_eq(status, HIPT_OK);
    cr_assert_gt(k, 20u);
    test_host_fail(&rig.host, 0, 0);
    rig_destroy(&rig);
}

/* Destroying no table is allowed. */
Test(config, destroy_of_nothing)
{
    hipt_table_destroy(NULL);
}

/* Ranges that are not there though counted, and one that goes beyond the last frame number. */
Test(config, ranges_that_go_too_far)
{
    rig_init(&rig);
    rig.config.ranges = NULL;
    cr_expect_refused(HIPT_BAD_RANGE, "frame ranges 0", "at least 1");
    rig.ranges[1].first = (UINT64_C(1) << 40) - 10u;
    rig.ranges[1].count = 11;
    cr_expect_refused(HIPT_BAD_RANGE, "frame range 1: count 11", "10");
}
