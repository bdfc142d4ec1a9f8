/* SPDX-License-Identifier: MIT */
/*
 * One thread splits, punches and collapses a page while others look it up, walk back from its frames and access it
 * through translation caches of their own.
 */
#include <criterion/criterion.h>

#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <hipt/huge.h>
#include <hipt/mmu.h>

#include "support/rig.h"
#include "support/step.h"

enum {
    THREADS = 3,
    ROUNDS = 300,
    VPN = 1024,
    PFN = 2048,
    OTHER = 512, /* what the hole is mapped to meanwhile */
    HOLE = 5,
    HOLE_END = 8,
    SHIFT = 12,
    ENTRIES = 32
};

static struct rig rig;
static uint32_t asid;
static _Thread_local struct hipt_cpu *self; /* the CPU that the thread is on */

/* What the readers may expect of the hole. A change of it passes through ANY. */
enum phase { WHOLE, ANY, ELSEWHERE };

static struct {
    _Atomic unsigned phase; /* times four, and a number that grows with each change */
    _Atomic unsigned ready; /* readers */
    _Atomic bool is_over;
    _Atomic bool written[RIG_MEDIUM];
    _Atomic uint64_t hits;
    _Atomic uint64_t walks;
} shared;

static struct hipt_cpu *this_cpu(void *ctx)
{
    (void)ctx;
    return self;
}

static void relax(void *ctx)
{
    (void)ctx;
    sched_yield();
}

static void start(void)
{
    uint64_t pfn;

    rig_init(&rig);
    rig.config.cpus = THREADS;
    rig.config.buckets = 4;
    rig.host.ops.this_cpu = this_cpu;
    rig.host.ops.relax = relax;
    cr_assert(rig_create(&rig));
    test_host_free_run(&rig.host);
    asid = rig_asid(&rig).number;
    for (pfn = 0; pfn < RIG_FRAMES; pfn++) { /* frames with an owner need no grace period between two mappings */
        cr_assert_eq(hipt_frame_pin(rig.table, (struct hipt_frame){.pfn = pfn}), HIPT_OK);
    }
    step_yield_one_in(64);
}

static void phase_set(enum phase phase)
{
    unsigned now = atomic_load(&shared.phase);

    atomic_store(&shared.phase, (now & ~3u) + 4u + (unsigned)phase);
}

static bool in_hole(uint64_t k)
{
    return k >= HOLE && k < HOLE_END;
}

/* Of a page that is found mapped to @pfn, or is not, while nothing changed since @before. */
static void check(uint64_t k, enum hipt_status status, uint64_t pfn, unsigned before)
{
    bool has_changed = atomic_load(&shared.phase) != before;

    if (!in_hole(k) || (!has_changed && (before & 3u) == WHOLE)) {
        TEST_HOLDS(status == HIPT_OK && pfn == PFN + k);
    } else if (!has_changed && (before & 3u) == ELSEWHERE) {
        TEST_HOLDS(status == HIPT_OK && pfn == OTHER + k); /* S1: nobody uses what was punched out */
    } else {
        TEST_HOLDS(status == HIPT_ABSENT || (status == HIPT_OK && (pfn == PFN + k || pfn == OTHER + k)));
    }
}

static void read_lookup(uint64_t k)
{
    unsigned before = atomic_load(&shared.phase);
    struct hipt_translation t;
    enum hipt_status status = hipt_lookup(rig.table, asid, VPN + k, &t);

    check(k, status, status == HIPT_OK ? t.mapping.pfn + (VPN + k - t.mapping.page.vpn) : 0, before);
}

static void read_reverse(uint64_t k)
{
    struct hipt_mapping owner[4];
    size_t count;

    if (in_hole(k)) {
        return;
    }
    TEST_HOLDS(hipt_reverse(rig.table, (struct hipt_frame){.pfn = PFN + k}, owner, 4, &count) == HIPT_OK);
    TEST_HOLDS(count == 1u && owner[0].page.asid == asid);
    TEST_HOLDS(owner[0].pfn + (VPN + k - owner[0].page.vpn) == PFN + k);
}

static void access_page(struct hipt_mmu *mmu, uint64_t k, bool is_write)
{
    unsigned before = atomic_load(&shared.phase);
    uint8_t how = is_write ? HIPT_WRITE : HIPT_READ;
    struct hipt_access access;
    enum hipt_status status = hipt_translate(mmu, asid, (VPN + k) << SHIFT, how, &access);

    if (status == HIPT_BUSY) { /* held: no CPU takes it up now */
        return;
    }
    if (status == HIPT_OK && is_write && !in_hole(k)) {
        atomic_store(&shared.written[k], true);
    }
    check(k, status, status == HIPT_OK ? access.pfn : 0, before);
}

static void reader(unsigned index)
{
    struct hipt_tlb_entry entries[ENTRIES];
    struct hipt_mmu_config config = {.number = index, .tag_bits = 2, .level = {{8, 4}, {0, 0}}};
    struct hipt_mmu mmu;
    uint64_t random = index + 1u;

    config.entries = entries;
    config.nentries = sizeof(entries) / sizeof(entries[0]);
    config.interruptible = index == 1u;
    TEST_HOLDS(hipt_mmu_attach(&mmu, rig.table, &rig.config, &config) == HIPT_OK);
    hipt_cpu_enter(&mmu.cpu);
    self = &mmu.cpu;
    access_page(&mmu, 0, false);
    atomic_fetch_add(&shared.ready, 1u);
    while (!atomic_load(&shared.is_over)) {
        uint64_t draw = test_random(&random);
        uint64_t k = draw % RIG_MEDIUM;

        switch ((draw >> 8) % 4u) {
        case 0:
            read_lookup(k);
            break;
        case 1:
            read_reverse(k);
            break;
        default:
            access_page(&mmu, k, (draw >> 16) % 8u == 0);
        }
    }
    atomic_fetch_add(&shared.hits, mmu.counts.hits[0]);
    atomic_fetch_add(&shared.walks, mmu.counts.walks);
    self = NULL;
    hipt_cpu_exit(&mmu.cpu);
    hipt_mmu_detach(&mmu);
}

static uint64_t rounds(void)
{
    struct hipt_stats stats;

    hipt_table_stats(rig.table, &stats);
    return stats.rounds;
}

static struct hipt_page page(uint32_t size, uint64_t vpn)
{
    return (struct hipt_page){.asid = asid, .size = size, .vpn = vpn};
}

static void map_hole(uint64_t pfn)
{
    uint64_t k;

    for (k = HOLE; k < HOLE_END; k++) {
        struct hipt_mapping m = rig_mapping(asid, 0, VPN + k, pfn + k);

        TEST_HOLDS(hipt_map(rig.table, &m) == HIPT_OK);
    }
}

/* What a lookup may meet: the whole page, its parts, parts and a hole, and back. */
static void reshape(void)
{
    struct hipt_page large = page(1, VPN);
    struct hipt_page hole = page(0, VPN + HOLE);
    uint64_t before = rounds();
    uint64_t k;

    TEST_HOLDS(hipt_split(rig.table, &large, 0) == HIPT_OK);
    TEST_HOLDS(rounds() == before + 1u);
    TEST_HOLDS(hipt_collapse(rig.table, &large, 0) == HIPT_OK);
    TEST_HOLDS(rounds() == before + 2u);
    phase_set(ANY);
    TEST_HOLDS(hipt_punch(rig.table, &large, &hole, HOLE_END - HOLE, NULL) == HIPT_OK);
    TEST_HOLDS(rounds() == before + 3u);
    map_hole(OTHER);
    TEST_HOLDS(rounds() == before + 3u);
    phase_set(ELSEWHERE);
    for (k = 0; k < 20u; k++) {
        sched_yield();
    }
    phase_set(ANY);
    TEST_HOLDS(hipt_unmap_range(rig.table, &hole, HOLE_END - HOLE, NULL) == HIPT_OK);
    map_hole(PFN);
    phase_set(WHOLE);
    before = rounds();
    TEST_HOLDS(hipt_collapse(rig.table, &large, 0) == HIPT_OK);
    TEST_HOLDS(rounds() == before + 1u);
}

static void body(void *ctx, unsigned index)
{
    unsigned i;

    (void)ctx;
    if (index > 0) {
        reader(index);
        return;
    }
    while (atomic_load(&shared.ready) < THREADS - 1u) {
        sched_yield();
    }
    for (i = 0; i < ROUNDS; i++) {
        reshape();
    }
    atomic_store(&shared.is_over, true);
}

Test(split_threads, readers_see_the_old_or_the_new, .timeout = 300)
{
    struct hipt_mapping large;
    struct hipt_translation t;
    unsigned written = 0;
    uint64_t k;

    start();
    large = rig_mapping(asid, 1, VPN, PFN);
    cr_assert_eq(hipt_map(rig.table, &large), HIPT_OK);
    test_threads(THREADS, body, NULL);
    for (k = 0; k < RIG_MEDIUM; k++) {
        written += atomic_load(&shared.written[k]);
    }
    cr_assert_eq(hipt_lookup(rig.table, asid, VPN, &t), HIPT_OK);
    cr_expect_eq(t.mapping.page.size, 1);
    cr_expect(written == 0 || (t.mapping.marks & HIPT_DIRTY)); /* S3 */
    cr_expect_gt(atomic_load(&shared.hits), 100);
    cr_expect_gt(atomic_load(&shared.walks), 100);
    step_yield_one_in(0);
    rig_destroy(&rig);
}
