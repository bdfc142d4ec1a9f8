/* SPDX-License-Identifier: MIT */
/* The modelled MMU: what its cache holds and forgets, and how an access goes through cache, table and marks. */
#include <criterion/criterion.h>

#include <hipt/gather.h>
#include <hipt/mmu.h>

#include "support/cpus.h"
#include "support/step.h"

enum { ENTRIES = 64, SHIFT = 12 };

static struct rig rig;
static struct hipt_mmu mmu;
static struct hipt_tlb_entry entries[ENTRIES];
static uint32_t asid;

static void attach(unsigned sets, unsigned ways, unsigned sets2, unsigned ways2)
{
    struct hipt_mmu_config config = {.number = 0, .tag_bits = 2, .level = {{sets, ways}, {sets2, ways2}}};

    config.entries = entries;
    config.nentries = ENTRIES;
    cr_assert_eq(hipt_mmu_attach(&mmu, rig.table, &rig.config, &config), HIPT_OK);
    hipt_cpu_enter(&mmu.cpu);
    cpus.self = &mmu.cpu;
}

static void start_ttl(unsigned sets, unsigned ways, unsigned sets2, unsigned ways2, uint64_t ttl)
{
    cpus_init(&rig);
    rig.config.ttl = ttl;
    cr_assert(rig_create(&rig));
    asid = rig_asid(&rig).number;
    attach(sets, ways, sets2, ways2);
}

static void start(unsigned sets, unsigned ways, unsigned sets2, unsigned ways2)
{
    start_ttl(sets, ways, sets2, ways2, 0);
}

static void stop(void)
{
    hipt_cpu_exit(&mmu.cpu);
    hipt_mmu_detach(&mmu);
    rig_destroy(&rig);
}

static void map(uint32_t size, uint64_t vpn, uint64_t pfn, uint8_t prot)
{
    struct hipt_mapping m = rig_mapping(asid, size, vpn, pfn);

    m.prot = prot;
    m.marks = 0;
    cr_assert_eq(hipt_map(rig.table, &m), HIPT_OK);
}

static enum hipt_status access(uint64_t vpn, uint8_t how, struct hipt_access *out)
{
    return hipt_translate(&mmu, asid, vpn << SHIFT, how, out);
}

/* => whether a page is translated to @pfn, and from the cache as said. */
static bool reads(uint64_t vpn, uint64_t pfn, bool is_hit)
{
    struct hipt_access out;

    return access(vpn, HIPT_READ, &out) == HIPT_OK && out.pfn == pfn && out.is_hit == is_hit;
}

static uint8_t marks_of(uint64_t vpn)
{
    struct hipt_translation t;

    cr_assert_eq(hipt_lookup(rig.table, asid, vpn, &t), HIPT_OK);
    return t.mapping.marks;
}

Test(mmu, bad_geometry)
{
    static const struct hipt_tlb_level bad[][2] = {
        {{0, 4}, {0, 0}}, {{3, 4}, {0, 0}}, {{4, 0}, {0, 0}}, {{4, 4}, {6, 1}}, {{4, 4}, {4, 0}},
        {{16, 4}, {1, 1}}};
    struct hipt_mmu_config config = {.number = 0, .tag_bits = 2, .entries = entries, .nentries = ENTRIES};
    struct hipt_config geometry;
    struct hipt_mmu other;
    size_t i;

    start(4, 4, 0, 0);
    geometry = rig.config;
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        config.level[0] = bad[i][0];
        config.level[1] = bad[i][1];
        cr_assert_eq(hipt_mmu_attach(&other, rig.table, &rig.config, &config), HIPT_BAD_SIZES, "case %zu", i);
    }
    config.number = 1;
    config.level[0] = (struct hipt_tlb_level){4, 4};
    config.level[1] = (struct hipt_tlb_level){0, 0};
    geometry.nsizes = HIPT_SIZES_MAX + 1u;
    cr_assert_eq(hipt_mmu_attach(&other, rig.table, &geometry, &config), HIPT_BAD_SIZES);
    config.entries = NULL;
    cr_assert_eq(hipt_mmu_attach(&other, rig.table, &rig.config, &config), HIPT_BAD_SIZES);
    stop();
}

/* A walk, then hits; the address is the page's and the offset's. */
Test(mmu, hits_and_walks)
{
    struct hipt_access out;

    start(4, 2, 0, 0);
    map(0, 5, 7, HIPT_READ);
    cr_assert_eq(hipt_translate(&mmu, asid, (5u << SHIFT) + 123u, HIPT_READ, &out), HIPT_OK);
    cr_assert(!out.is_hit && out.pfn == 7 && out.offset == 123u && out.page.vpn == 5 && out.page.size == 0);
    cr_assert(reads(5, 7, true));
    cr_assert(mmu.counts.walks == 1u && mmu.counts.hits[0] == 1u);
    cr_assert_eq(access(6, HIPT_READ, &out), HIPT_ABSENT);
    cr_assert_eq(hipt_translate(&mmu, 9, 0, HIPT_READ, &out), HIPT_BAD_ASID);
    cr_assert_eq(access(RIG_VPNS, HIPT_READ, &out), HIPT_BAD_VPN);
    stop();
}

/* A swap slot is no memory. */
Test(mmu, swapped_out)
{
    struct hipt_mapping m;
    struct hipt_access out;

    start(4, 2, 0, 0);
    m = rig_mapping(asid, 0, 5, 7);
    m.swap = true;
    cr_assert_eq(hipt_map(rig.table, &m), HIPT_OK);
    cr_assert_eq(access(5, HIPT_READ, &out), HIPT_ABSENT);
    stop();
}

/* S3: read marks accessed; a write is let through only when the mapping is marked dirty, the cache's entry or not. */
Test(mmu, S3_marks_come_first)
{
    struct hipt_access out;

    start(4, 2, 0, 0);
    map(0, 5, 7, HIPT_READ | HIPT_WRITE);
    cr_assert(reads(5, 7, false));
    cr_assert_eq(marks_of(5), HIPT_ACCESSED);
    cr_assert_eq(access(5, HIPT_WRITE, &out), HIPT_OK);
    cr_assert(!out.is_hit, "the entry was not marked dirty");
    cr_assert_eq(marks_of(5), HIPT_ACCESSED | HIPT_DIRTY);
    cr_assert_eq(access(5, HIPT_WRITE, &out), HIPT_OK);
    cr_assert(out.is_hit);
    stop();
}

Test(mmu, protection)
{
    struct hipt_access out;

    start(4, 2, 0, 0);
    map(0, 5, 7, HIPT_READ);
    cr_assert_eq(access(5, HIPT_WRITE, &out), HIPT_DENIED);
    cr_assert_eq(access(5, HIPT_READ | HIPT_USER, &out), HIPT_DENIED);
    cr_assert(reads(5, 7, false));
    cr_assert_eq(access(5, HIPT_EXEC, &out), HIPT_DENIED);
    cr_assert_eq(marks_of(5), HIPT_ACCESSED);
    cr_assert_eq(hipt_protect(rig.table, &(struct hipt_page){.asid = asid, .vpn = 5}, HIPT_READ | HIPT_WRITE),
                 HIPT_OK);
    cr_assert_eq(access(5, HIPT_WRITE, &out), HIPT_OK, "an entry that allows less is not the last word");
    stop();
}

/* Pages of all sizes, in one cache; an invalidation takes those that reach into its range. */
Test(mmu, S1_sizes_and_ranges)
{
    start(4, 2, 0, 0);
    map(0, 5, 7, HIPT_READ);
    map(1, 2 * RIG_MEDIUM, 16, HIPT_READ);
    map(2, RIG_LARGE, RIG_LARGE, HIPT_READ);
    cr_assert(reads(5, 7, false) && reads(2 * RIG_MEDIUM + 3, 19, false));
    cr_assert(reads(RIG_LARGE + 100, RIG_LARGE + 100, false));
    cr_assert(reads(5, 7, true) && reads(2 * RIG_MEDIUM + 4, 20, true));
    cr_assert(reads(RIG_LARGE + 511, RIG_LARGE + 511, true));
    mmu.cpu.cache.flush_range(&mmu, 0, 2 * RIG_MEDIUM + 15, RIG_LARGE - 3 * RIG_MEDIUM + 1);
    cr_assert_eq(mmu.counts.forgotten, 1u);
    cr_assert(reads(5, 7, true) && reads(RIG_LARGE, RIG_LARGE, true) && reads(2 * RIG_MEDIUM, 16, false));
    mmu.cpu.cache.flush_range(&mmu, 0, 3 * RIG_MEDIUM, RIG_LARGE);
    cr_assert_eq(mmu.counts.forgotten, 2u);
    mmu.cpu.cache.flush_range(&mmu, 1, 0, RIG_VPNS);
    cr_assert_eq(mmu.counts.forgotten, 2u, "another tag");
    mmu.cpu.cache.flush_tag(&mmu, 1);
    cr_assert_eq(mmu.counts.forgotten, 2u);
    mmu.cpu.cache.flush_tag(&mmu, 0);
    cr_assert_eq(mmu.counts.forgotten, 4u);
    cr_assert(reads(5, 7, false));
    mmu.cpu.cache.flush_all(&mmu);
    cr_assert_eq(mmu.counts.forgotten, 5u);
    cr_assert(mmu.counts.ranges == 3u && mmu.counts.tags == 2u && mmu.counts.alls == 1u);
    stop();
}

/* One set of two ways: the one that was not used for longest makes room. */
Test(mmu, replacement)
{
    start(1, 2, 0, 0);
    map(0, 1, 1, HIPT_READ);
    map(0, 2, 2, HIPT_READ);
    map(0, 3, 3, HIPT_READ);
    cr_assert(reads(1, 1, false) && reads(2, 2, false) && reads(1, 1, true));
    cr_assert_eq(mmu.counts.evictions, 0);
    cr_assert(reads(3, 3, false));
    cr_assert_eq(mmu.counts.evictions, 1u);
    cr_assert(reads(1, 1, true) && reads(3, 3, true) && reads(2, 2, false));
    stop();
}

/* What the first level has no room for is found in the second. */
Test(mmu, two_levels)
{
    uint64_t n;

    start(2, 1, 8, 2);
    for (n = 0; n < 8u; n++) {
        map(0, n, n, HIPT_READ);
        cr_assert(reads(n, n, false));
    }
    for (n = 0; n < 8u; n++) {
        cr_assert(reads(n, n, true));
        cr_assert(reads(n, n, true));
    }
    cr_assert(mmu.counts.hits[1] >= 6u && mmu.counts.hits[0] + mmu.counts.hits[1] == 16u);
    cr_assert_eq(mmu.counts.walks, 8u);
    cr_assert_eq(mmu.counts.evictions, 0);
    mmu.cpu.cache.flush_range(&mmu, 0, 7, 1);
    cr_assert_eq(mmu.counts.forgotten, 2u, "both levels");
    stop();
}

/* S1: an unmap by the CPU itself: its own cache forgets. */
Test(mmu, S1_own_unmap)
{
    struct hipt_page page = {.vpn = 5};
    struct hipt_access out;

    start(4, 2, 0, 0);
    page.asid = asid;
    map(0, 5, 7, HIPT_READ);
    cr_assert(reads(5, 7, false));
    cr_assert_eq(hipt_unmap(rig.table, &page, NULL), HIPT_OK);
    cr_assert_eq(access(5, HIPT_READ, &out), HIPT_ABSENT);
    cr_assert_eq(mmu.counts.forgotten, 1u);
    stop();
}

/* By the clock an entry ends at its time to live after the walk began. */
Test(mmu, S1_ttl)
{
    start_ttl(4, 2, 0, 0, 100);
    map(0, 5, 7, HIPT_READ);
    cpus.now = 1000;
    cr_assert(reads(5, 7, false));
    cpus.now = 1099;
    cr_assert(reads(5, 7, true));
    cpus.now = 1100;
    cr_assert(reads(5, 7, false));
    stop();
}

static struct hipt_gather gather;

/* Another thread's unmap of the page; an interrupt comes for it. */
static void unmap_meanwhile(void)
{
    struct hipt_page page = {.asid = asid, .vpn = 5};

    cpus.self = NULL;
    cr_assert_eq(hipt_gather_start(&gather, rig.table, asid, HIPT_DEFERRED), HIPT_OK);
    cr_assert_eq(hipt_gather_add(&gather, &page, 1, NULL), HIPT_OK);
    hipt_gather_dispatch(&gather);
    hipt_cpu_interrupt(&mmu.cpu);
    cpus.self = &mmu.cpu;
}

/*
 * S1: the page is unmapped at any step of an access, from the cache or not. If the CPU has acknowledged when the access
 * returns, the access does not go to the old frame; and whenever it has, nothing is left in the cache.
 */
static void unmap_at_each_step(bool is_hit)
{
    unsigned acknowledged = 0;
    uint64_t refills = 0;
    bool is_over = false;
    unsigned skip;

    for (skip = 0; !is_over; skip++) {
        struct hipt_access out;
        enum hipt_status status;
        bool has_served;

        start(4, 2, 0, 0);
        map(0, 5, 7, HIPT_READ);
        if (is_hit) {
            cr_assert(reads(5, 7, false));
        }
        mmu.interruptible = true;
        gather.ticket = 0;
        step_interrupt(NULL, NULL, skip, unmap_meanwhile);
        status = access(5, HIPT_READ, &out);
        is_over = !step_interrupted();
        has_served = gather.ticket != 0 && hipt_cpu_served(&mmu.cpu) >= gather.ticket;
        refills += mmu.counts.refills;
        cr_assert(!has_served || status != HIPT_OK, "skip %u", skip);
        if (!is_over) {
            acknowledged += has_served;
            cr_assert_neq(access(5, HIPT_READ, &out), HIPT_OK, "skip %u", skip);
            cr_assert_eq(hipt_gather_finish(&gather), HIPT_OK);
        }
        stop();
    }
    cr_assert_gt(acknowledged, is_hit ? 1u : 5u);
    cr_assert(is_hit || refills > 0);
}

Test(mmu, S1_walk_then_fill)
{
    unmap_at_each_step(false);
}

Test(mmu, S1_unmapped_beside_a_hit)
{
    unmap_at_each_step(true);
}

/* S1: what is read under a mask may be used until the CPU is unmasked: nothing in between serves. */
Test(mmu, S1_masked)
{
    struct hipt_access out;

    start(4, 2, 0, 0);
    map(0, 5, 7, HIPT_READ);
    map(0, 6, 8, HIPT_READ);
    hipt_cpu_mask(&mmu.cpu);
    cr_assert(reads(5, 7, false));
    unmap_meanwhile();
    cr_assert(reads(6, 8, false));
    cr_assert_eq(hipt_cpu_served(&mmu.cpu), 0);
    cr_assert(!hipt_gather_poll(&gather), "not by a poll either");
    cr_assert_eq(hipt_unmap(rig.table, &(struct hipt_page){.asid = asid, .vpn = 6}, NULL), HIPT_CANNOT_WAIT);
    hipt_cpu_unmask(&mmu.cpu);
    cr_assert_neq(hipt_cpu_served(&mmu.cpu), 0);
    cr_assert_eq(access(5, HIPT_READ, &out), HIPT_ABSENT);
    cr_assert_eq(hipt_gather_finish(&gather), HIPT_OK);
    stop();
}
