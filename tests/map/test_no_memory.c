/* SPDX-License-Identifier: MIT */
/*
 * Every allocation of every operation fails: each one, then each two. An operation is called until it succeeds; its
 * calls of the host's alloc are counted through, number k and number m fail. Whenever one has failed the status is
 * HIPT_NOMEM, nothing visible has changed and the table is valid; in the end everything is as if memory had never been
 * short, and all of it goes back.
 */
#include <criterion/criterion.h>

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "map/table.h"
#include "support/rig.h"

static struct rig rig;
static struct rig_picture before;
static struct rig_picture after; /* as memory that is not short leaves it */
static uint32_t asid;
static uint32_t other;

/* --- the table before an operation */

/* The next item carved needs memory: those that there is memory for are carved, and are nobody's. */
static void to_the_edge(struct hipti_arena *arena)
{
    bool full;

    while (hipti_load_relaxed(&arena->carved) & hipti_mask(arena->block_shift)) {
        (void)hipti_arena_carve(arena, false, &full);
    }
}

static void all_to_the_edge(void)
{
    to_the_edge(&rig.table->buckets.shard[0]->overflow);
    to_the_edge(&rig.table->frames.aliases->blocks);
    to_the_edge(&rig.table->asids.blocks);
}

static enum hipt_status map(uint32_t space, uint32_t size, uint64_t vpn, uint64_t pfn)
{
    struct hipt_mapping mapping = rig_mapping(space, size, vpn, pfn);

    return hipt_map(rig.table, &mapping);
}

static void no_table(void)
{
    rig_init(&rig);
}

static void no_asid(void)
{
    rig_init(&rig);
    cr_assert(rig_create(&rig));
}

/* One bucket, full, its pages on frames 0 to 3; two spaces, the second without a page. */
static void full_bucket(void)
{
    uint64_t vpn;

    rig_init(&rig);
    rig.config.buckets = 1;
    cr_assert(rig_create(&rig));
    asid = rig_asid(&rig).number;
    other = rig_asid(&rig).number;
    for (vpn = 0; vpn < HIPT_SLOTS; vpn++) {
        cr_assert_eq(map(asid, 0, vpn, vpn), HIPT_OK);
    }
    all_to_the_edge();
}

/* The same with a large page, and a swap slot, in each of the first two slots. */
static void full_bucket_of_kinds(void)
{
    struct hipt_mapping swapped;

    rig_init(&rig);
    rig.config.buckets = 1;
    cr_assert(rig_create(&rig));
    asid = rig_asid(&rig).number;
    other = rig_asid(&rig).number;
    cr_assert_eq(map(asid, 2, 0, 0), HIPT_OK);
    swapped = rig_mapping(asid, 0, RIG_LARGE, 5);
    swapped.swap = true;
    cr_assert_eq(hipt_map(rig.table, &swapped), HIPT_OK);
    cr_assert_eq(map(asid, 0, RIG_LARGE + 1u, RIG_LARGE + 1u), HIPT_OK);
    cr_assert_eq(map(asid, 0, RIG_LARGE + 2u, RIG_LARGE + 2u), HIPT_OK);
    all_to_the_edge();
}

/* --- operations */

static enum hipt_status alloc_asid(void)
{
    struct hipt_asid issued;

    return hipt_asid_alloc(rig.table, &issued);
}

static enum hipt_status map_first_of_a_space(void)
{
    return map(other, 0, 0, 100);
}

/* A line, a block of cells and a block of pairs. */
static enum hipt_status map_with_everything(void)
{
    return map(other, 0, 0, 1);
}

static enum hipt_status map_large_with_everything(void)
{
    return map(other, 2, RIG_LARGE, 0);
}

static enum hipt_status map_swapped_with_everything(void)
{
    struct hipt_mapping m = rig_mapping(other, 0, 0, 5);

    m.swap = true;
    return hipt_map(rig.table, &m);
}

static enum hipt_status remap_to_shared(void)
{
    struct hipt_mapping m = rig_mapping(asid, 0, 2, 1);

    return hipt_remap(rig.table, &m, NULL);
}

static enum hipt_status remap_to_shared_swap(void)
{
    struct hipt_mapping m = rig_mapping(asid, 0, RIG_LARGE + 1u, 5);

    m.swap = true;
    return hipt_remap(rig.table, &m, NULL);
}

static enum hipt_status reserve(void)
{
    return hipt_frame_reserve(rig.table, 4000);
}

static enum hipt_status reserve_maps(void)
{
    return hipt_reserve(rig.table, 100, 16);
}

static enum hipt_status map_batch_of_one(void)
{
    struct hipt_mapping mapping = rig_mapping(other, 0, 0, 1);
    enum hipt_status status;

    cr_assert_eq(hipt_map_batch(rig.table, &mapping, 1, &status), status == HIPT_OK ? 1u : 0u);
    return status;
}

static const struct operation {
    const char *name;
    void (*prepare)(void);
    enum hipt_status (*run)(void);
    unsigned allocations; /* that it makes where none fails */
} operations[] = {
    {"the first asid", no_asid, alloc_asid, 1},
    {"the first page of a space", full_bucket, map_first_of_a_space, 2},
    {"a page", full_bucket, map_with_everything, 3},
    {"a large page", full_bucket_of_kinds, map_large_with_everything, 3},
    {"a swap slot", full_bucket_of_kinds, map_swapped_with_everything, 3},
    {"a remap to a shared frame", full_bucket, remap_to_shared, 1},
    {"a remap to a shared swap slot", full_bucket_of_kinds, remap_to_shared_swap, 1},
    {"a reserve of pairs", full_bucket, reserve, 4},
    {"a reserve of maps", full_bucket, reserve_maps, 3},
    {"a page, in a batch", full_bucket, map_batch_of_one, 3},
};

/* Every page goes, and a grace period passes over all: nothing is left but what the table was made with. */
static void end_everything(void)
{
    struct hipt_frame frame;
    unsigned turn;
    size_t i;

    rig_look(&rig, &before);
    for (i = 0; i < before.count; i++) {
        cr_assert_eq(hipt_unmap(rig.table, &before.mapping[i].page, NULL), HIPT_OK);
    }
    for (turn = 0; turn < 2u; turn++) {
        while (hipt_frame_reap(rig.table, &frame, 1) == 1u) {
            /* each frame that was mapped */
        }
        rig_pass(&rig);
    }
    rig_look(&rig, &before);
    cr_assert_eq(before.count, 0);
    for (i = 0; i < RIG_FRAMES + RIG_SWAP; i++) {
        cr_assert_eq(before.frame[i].state, HIPT_FRAME_FREE);
    }
    rig_destroy(&rig);
}

/* => how many allocations the operation makes; .after is what it leaves. */
static uint64_t run_unhindered(const struct operation *operation)
{
    uint64_t calls;

    operation->prepare();
    calls = atomic_load(&rig.host.calls);
    cr_assert_eq(operation->run(), HIPT_OK, "%s", operation->name);
    calls = atomic_load(&rig.host.calls) - calls;
    rig_look(&rig, &after);
    end_everything();
    return calls;
}

/* Call it until it succeeds, with allocations @k and @m failing. => how many allocations that made in all. */
static uint64_t run_hindered(const struct operation *operation, uint64_t k, uint64_t m)
{
    uint64_t first;
    uint64_t calls;
    enum hipt_status status;

    operation->prepare();
    rig_look(&rig, &before);
    first = atomic_load(&rig.host.calls);
    test_host_fail_two(&rig.host, k, m);
    do {
        uint64_t made = atomic_load(&rig.host.calls) - first;
        bool failed;

        status = operation->run();
        calls = atomic_load(&rig.host.calls) - first;
        failed = (made < k && k <= calls) || (made < m && m <= calls);
        cr_assert_eq(status, failed ? HIPT_NOMEM : HIPT_OK, "%s, %u and %u: status %d", operation->name, (unsigned)k,
                     (unsigned)m, (int)status);
        rig_check(&rig);
        cr_assert(rig_unchanged(&rig, failed ? &before : &after), "%s, %u and %u", operation->name, (unsigned)k,
                  (unsigned)m);
    } while (status == HIPT_NOMEM);
    test_host_fail(&rig.host, 0, 0);
    end_everything();
    return calls;
}

/* F2, T1, F1: one allocation fails, then two, of every operation that allocates. */
Test(no_memory, T1_F1_F2_each_one_and_each_two)
{
    size_t i;

    for (i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
        uint64_t needed = run_unhindered(&operations[i]);
        uint64_t k;
        uint64_t m;

        cr_assert_eq(needed, operations[i].allocations, "%s makes %u", operations[i].name, (unsigned)needed);
        for (k = 1; k <= needed; k++) {
            uint64_t all = run_hindered(&operations[i], k, 0);

            cr_assert_gt(all, needed);
            for (m = k + 1u; m <= all; m++) {
                (void)run_hindered(&operations[i], k, m);
            }
        }
    }
    test_no_leak();
}

/* The same for the making of a table: what a try has had before the failure goes back at once. */
Test(no_memory, each_one_and_each_two_of_a_table)
{
    uint64_t tables = 0;
    uint64_t k = 0;
    uint64_t calls;

    do {
        uint64_t m = k;

        k++;
        do {
            enum hipt_status status = HIPT_NOMEM;
            unsigned tries = 0;

            m++;
            no_table();
            rig.config.buckets = 256;
            rig.host.ops.block_max = 8192;
            test_host_fail_two(&rig.host, k, m == k ? 0 : m);
            for (; status == HIPT_NOMEM; tries++) {
                status = hipt_table_create(&rig.config, &rig.table);
                cr_assert_eq(rig.table == NULL, status == HIPT_NOMEM);
                cr_assert(status == HIPT_OK || atomic_load(&rig.host.blocks) == 0, "allocations %u and %u",
                          (unsigned)k, (unsigned)m);
            }
            cr_assert_eq(status, HIPT_OK);
            calls = atomic_load(&rig.host.calls);
            cr_assert_eq(tries, 1u + (calls >= k) + (m > k && calls >= m));
            test_host_fail(&rig.host, 0, 0);
            hipt_table_destroy(rig.table);
            cr_assert_eq(atomic_load(&rig.host.blocks), 0);
            tables++;
        } while (calls >= m);
    } while (calls >= k);
    cr_assert_gt(tables, 100u);
    test_no_leak();
}

/* --- a range, of which a part is done before memory fails */

enum { RANGE = 12 };

/* As memory was short after @done of the pages: those are mapped and the others are not. */
static void check_range(uint64_t done, size_t others)
{
    uint64_t n;

    rig_check(&rig);
    rig_look(&rig, &before);
    cr_assert_eq(before.count, others + done);
    for (n = 0; n < RANGE; n++) {
        struct hipt_translation found;
        enum hipt_status status = hipt_lookup(rig.table, other, n, &found);

        cr_assert_eq(status, n < done ? HIPT_OK : HIPT_ABSENT, "page %u of %u", (unsigned)n, (unsigned)done);
        cr_assert(status != HIPT_OK || found.mapping.pfn == n);
    }
}

/* => how many allocations were made in all. */
static uint64_t range_hindered(uint64_t k, uint64_t m)
{
    struct hipt_mapping mapping;
    enum hipt_status status;
    uint64_t mapped = 0;
    uint64_t first;
    uint64_t done;
    size_t others;

    full_bucket();
    rig_look(&rig, &before);
    others = before.count;
    first = atomic_load(&rig.host.calls);
    test_host_fail_two(&rig.host, k, m);
    do {
        mapping = rig_mapping(other, 0, mapped, mapped);
        status = hipt_map_range(rig.table, &mapping, RANGE - mapped, &done);
        cr_assert(status == HIPT_OK || status == HIPT_NOMEM);
        mapped += done;
        cr_assert_eq(mapped == RANGE, status == HIPT_OK);
        check_range(mapped, others);
    } while (status == HIPT_NOMEM);
    test_host_fail(&rig.host, 0, 0);
    first = atomic_load(&rig.host.calls) - first;
    end_everything();
    return first;
}

/* T1, F1: a range stops where memory fails; what was mapped stays, what is said to be done is, and it goes on there. */
Test(no_memory, T1_F1_each_one_and_each_two_of_a_range)
{
    uint64_t needed = range_hindered(0, 0);
    uint64_t k;
    uint64_t m;

    cr_assert_eq(needed, 3u, "%u: a line, cells, pairs for the first page; all others have room",
                 (unsigned)needed);
    for (k = 1; k <= needed; k++) {
        uint64_t all = range_hindered(k, 0);

        for (m = k + 1u; m <= all; m++) {
            (void)range_hindered(k, m);
        }
    }
    test_no_leak();
}

/* --- what needs none, and what is not lost */

/* All that ends, looks or changes in place asks for no memory, not even once. */
Test(no_memory, ends_looks_and_changes_ask_for_none)
{
    static struct hipt_stats stats;
    struct hipt_translation translation;
    struct hipt_mapping out[8];
    struct hipt_frame frames[8];
    enum hipt_status status;
    struct hipt_asid space;
    struct hipt_page page;
    uint64_t calls;
    uint64_t done;
    size_t count;

    full_bucket();
    space = rig_asid(&rig);
    cr_assert_eq(map(space.number, 0, 0, 0), HIPT_OK);
    page = (struct hipt_page){.asid = asid};
    calls = atomic_load(&rig.host.calls);
    test_host_fail(&rig.host, 1, UINT64_MAX / 2u);
    hipt_read_enter(rig.table);
    cr_assert_eq(hipt_lookup(rig.table, asid, 0, &translation), HIPT_OK);
    cr_assert_eq(hipt_mark(rig.table, &translation, HIPT_DIRTY), HIPT_OK);
    cr_assert_eq(hipt_clean(rig.table, &translation, HIPT_DIRTY), HIPT_OK);
    cr_assert_eq(hipt_lookup_batch(rig.table, &page, 1, &translation, &status), 1u);
    hipt_read_exit(rig.table);
    cr_assert_eq(hipt_protect(rig.table, &page, HIPT_READ), HIPT_OK);
    cr_assert_eq(hipt_protect_range(rig.table, &page, 4, HIPT_READ, &done), HIPT_OK);
    cr_assert_eq(hipt_reverse(rig.table, (struct hipt_frame){.pfn = 0}, out, 8, &count), HIPT_OK);
    cr_assert_eq(count, 2u);
    cr_assert_eq(hipt_frame_pin(rig.table, (struct hipt_frame){.pfn = 0}), HIPT_OK);
    cr_assert_eq(hipt_frame_unpin(rig.table, (struct hipt_frame){.pfn = 0}), HIPT_OK);
    out[0] = rig_mapping(asid, 0, 3, 200);
    cr_assert_eq(hipt_remap(rig.table, &out[0], NULL), HIPT_OK, "F2: nobody else maps that frame");
    hipt_table_stats(rig.table, &stats);
    rig_check(&rig);
    cr_assert_eq(hipt_unmap(rig.table, &page, NULL), HIPT_OK);
    page.vpn = 1;
    cr_assert_eq(hipt_unmap_batch(rig.table, &page, 1, out, &status), 1u);
    page.vpn = 0;
    cr_assert_eq(hipt_unmap_range(rig.table, &page, 4, &done), HIPT_OK);
    cr_assert_eq(done, 2u);
    cr_assert_eq(hipt_asid_retire(rig.table, space, NULL), HIPT_OK);
    (void)hipt_frame_reap(rig.table, frames, 8);
    rig_pass(&rig);
    cr_assert_eq(hipt_frame_reap(rig.table, frames, 8), 5u);
    (void)hipt_asid_alloc(rig.table, &space); /* another number: there is room for all 16 */
    cr_assert_eq(atomic_load(&rig.host.calls), calls);
    test_host_fail(&rig.host, 0, 0);
    rig_destroy(&rig);
}

/* A map that is refused again and again takes no line, cell or block with it, whichever allocation fails. */
Test(no_memory, refusals_use_nothing_up)
{
    uint64_t k;

    for (k = 1; k <= 3u; k++) {
        uint32_t lines;
        uint32_t cells;
        uint32_t blocks;
        unsigned turn;

        full_bucket();
        lines = hipti_load_relaxed(&rig.table->buckets.shard[0]->overflow.carved);
        cells = hipti_load_relaxed(&rig.table->asids.blocks.carved);
        blocks = hipti_load_relaxed(&rig.table->frames.aliases->blocks.carved);
        for (turn = 0; turn < 500u; turn++) {
            test_host_fail(&rig.host, turn == 0 ? k : 1u, UINT64_MAX / 2u);
            cr_assert_eq(map_with_everything(), HIPT_NOMEM);
            test_host_fail(&rig.host, 0, 0);
            rig_pass(&rig);
        }
        cr_assert_leq(hipti_load_relaxed(&rig.table->buckets.shard[0]->overflow.carved), lines + 3u);
        cr_assert_leq(hipti_load_relaxed(&rig.table->asids.blocks.carved), cells + 1u);
        cr_assert_eq(hipti_load_relaxed(&rig.table->frames.aliases->blocks.carved), blocks);
        cr_assert_eq(map_with_everything(), HIPT_OK);
        end_everything();
    }
    test_no_leak();
}
