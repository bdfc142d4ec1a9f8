/* SPDX-License-Identifier: MIT */
/*
 * Scarcity: memory that fails at each allocation in turn, chains and counters at their bounds, versions and sequences
 * that wait for a grace period. The status says so, the table is valid, nothing has changed, and nothing is lost at
 * the end.
 */
#include <criterion/criterion.h>

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "map/table.h"
#include "support/rig.h"

static struct rig rig;
static struct rig_picture picture;
static uint32_t asid;

static void start(uint64_t buckets, unsigned version_bits, unsigned sequence_bits)
{
    rig_init(&rig);
    rig.config.buckets = buckets;
    rig.config.version_bits = version_bits;
    rig.config.sequence_bits = sequence_bits;
    cr_assert(rig_create(&rig));
    asid = rig_asid(&rig).number;
}

static void start_wide(void)
{
    start(64, HIPT_VERSION_BITS_MAX, HIPT_SEQUENCE_BITS_MAX);
}

static enum hipt_status map(uint64_t vpn, uint64_t pfn)
{
    struct hipt_mapping mapping = rig_mapping(asid, 0, vpn, pfn);

    return hipt_map(rig.table, &mapping);
}

static enum hipt_status unmap(uint64_t vpn)
{
    struct hipt_page page = {.asid = asid, .vpn = vpn};

    return hipt_unmap(rig.table, &page, NULL);
}

static enum hipt_status remap(uint64_t vpn, uint64_t pfn)
{
    struct hipt_mapping mapping = rig_mapping(asid, 0, vpn, pfn);

    return hipt_remap(rig.table, &mapping, NULL);
}

/*
 * Run @operation with the k-th allocation failing, for k = 1, 2, ... until it succeeds.
 * => how many allocations it makes.
 */
static uint64_t fail_each(enum hipt_status (*operation)(uint64_t, uint64_t), uint64_t a, uint64_t b)
{
    enum hipt_status status = HIPT_NOMEM;
    uint64_t k;

    rig_look(&rig, &picture);
    for (k = 1; status == HIPT_NOMEM; k++) {
        uint64_t calls = atomic_load(&rig.host.calls);

        test_host_fail(&rig.host, k, 1);
        status = operation(a, b);
        cr_assert_eq(status == HIPT_NOMEM, atomic_load(&rig.host.calls) - calls >= k);
        rig_check(&rig);
        cr_assert(status == HIPT_OK || rig_unchanged(&rig, &picture), "allocation %llu", (unsigned long long)k);
    }
    test_host_fail(&rig.host, 0, 0);
    cr_assert_eq(status, HIPT_OK);
    return k - 2u;
}

/*
 * F2: the very first map of an asid asks for its list of pages; the next ones, of frames that nobody maps, for
 * nothing.
 */
Test(scarcity, F2_no_memory_for_a_first_mapping)
{
    uint64_t vpn;

    start(4096, HIPT_VERSION_BITS_MAX, HIPT_SEQUENCE_BITS_MAX); /* no bucket overflows */
    cr_assert_eq(fail_each(map, 0, 0), 1u);
    for (vpn = 1; vpn < 60u; vpn++) { /* one block of cells */
        cr_assert_eq(fail_each(map, vpn, vpn), 0);
    }
    rig_destroy(&rig);
}

/* A frame's second mapping asks for memory, the ninth does not: blocks of pairs come many at a time. */
Test(scarcity, no_memory_for_a_shared_frame)
{
    uint64_t vpn;

    start_wide();
    cr_assert_eq(map(0, 7), HIPT_OK);
    cr_assert_eq(fail_each(map, 1, 7), 1u);
    for (vpn = 2; vpn < 50u; vpn++) {
        cr_assert_eq(fail_each(map, vpn, 7), 0);
    }
    rig_destroy(&rig);
}

/* The same for a remap to a shared frame, which stays where it was when refused. */
Test(scarcity, no_memory_for_a_remap)
{
    start_wide();
    cr_assert_eq(map(0, 7), HIPT_OK);
    cr_assert_eq(map(1, 8), HIPT_OK);
    cr_assert_eq(fail_each(remap, 1, 7), 1u);
    cr_assert_eq(remap(1, 9), HIPT_OK);
    rig_destroy(&rig);
}

/* A bucket that overflows for the first time, and one map that needs everything at once. */
Test(scarcity, no_memory_for_a_line_and_for_all_at_once)
{
    uint64_t vpn;

    start(1, HIPT_VERSION_BITS_MAX, HIPT_SEQUENCE_BITS_MAX);
    for (vpn = 0; vpn < 4u; vpn++) {
        cr_assert_eq(map(vpn, vpn), HIPT_OK);
    }
    cr_assert_eq(fail_each(map, 4, 4), 1u);
    rig_destroy(&rig);
    start(1, HIPT_VERSION_BITS_MAX, HIPT_SEQUENCE_BITS_MAX);
    for (vpn = 0; vpn < 4u; vpn++) {
        cr_assert_eq(map(vpn, vpn), HIPT_OK);
    }
    /*
     * the first page of another asid, in a full bucket, of a shared frame: a line, a block of cells, a block of pairs
     */
    asid = rig_asid(&rig).number;
    cr_assert_eq(fail_each(map, 4, 0), 2u, "the first asid's block of cells brought room for more");
    rig_destroy(&rig);
}

/* Each further block of cells, as a list of pages grows to some thousands. */
Test(scarcity, no_memory_for_cells)
{
    uint64_t needed = 0;
    uint64_t vpn;

    start(1024, HIPT_VERSION_BITS_MAX, HIPT_SEQUENCE_BITS_MAX);
    for (vpn = 0; vpn < 200u; vpn++) {
        needed += fail_each(map, vpn, vpn);
    }
    cr_assert_leq(needed, 2u);
    rig_destroy(&rig);
}

static enum hipt_status alloc_asid(uint64_t a, uint64_t b)
{
    struct hipt_asid issued;

    (void)a;
    (void)b;
    return hipt_asid_alloc(rig.table, &issued);
}

/* An asid: its record; one that was refused is not lost. */
Test(scarcity, no_memory_for_an_asid)
{
    uint64_t needed = 0;
    unsigned issued;

    rig_init(&rig);
    cr_assert(rig_create(&rig));
    for (issued = 0; issued < 16u; issued++) {
        needed += fail_each(alloc_asid, 0, 0);
    }
    cr_assert_gt(needed, 0);
    cr_assert_eq(alloc_asid(0, 0), HIPT_NO_ASID);
    rig_destroy(&rig);
}

static enum hipt_status reserve(uint64_t blocks, uint64_t b)
{
    (void)b;
    return hipt_frame_reserve(rig.table, (uint32_t)blocks);
}

/* A reserve: what was had before a failure stays; after it, sharing needs no memory. */
Test(scarcity, no_memory_for_a_reserve)
{
    uint64_t vpn;

    start_wide();
    cr_assert_eq(map(0, 7), HIPT_OK);
    cr_assert_gt(fail_each(reserve, 2000, 0), 0);
    test_host_fail(&rig.host, 1, UINT64_MAX / 2u);
    for (vpn = 1; vpn < 50u; vpn++) {
        cr_assert_eq(map(vpn, 7), HIPT_OK);
    }
    test_host_fail(&rig.host, 0, 0);
    cr_assert_eq(hipt_frame_reserve(rig.table, UINT32_MAX), HIPT_FULL);
    rig_destroy(&rig);
}

/* Ends need no memory: unmap, retire and reap go on without any. */
Test(scarcity, ends_need_no_memory)
{
    struct hipt_frame frames[64];
    struct hipt_asid second;
    uint64_t calls;
    uint64_t vpn;

    start(4, HIPT_VERSION_BITS_MAX, HIPT_SEQUENCE_BITS_MAX);
    second = rig_asid(&rig);
    for (vpn = 0; vpn < 30u; vpn++) {
        cr_assert_eq(map(vpn, vpn % 10u), HIPT_OK);
    }
    cr_assert_eq(hipt_map(rig.table, &(struct hipt_mapping){.page = {.asid = second.number}, .pfn = 3, .prot = 1}),
                 HIPT_OK);
    calls = atomic_load(&rig.host.calls);
    test_host_fail(&rig.host, 1, UINT64_MAX / 2u);
    for (vpn = 0; vpn < 30u; vpn++) {
        cr_assert_eq(unmap(vpn), HIPT_OK);
    }
    cr_assert_eq(hipt_asid_retire(rig.table, second, NULL), HIPT_OK);
    (void)hipt_frame_reap(rig.table, frames, 64);
    rig_pass(&rig);
    cr_assert_eq(hipt_frame_reap(rig.table, frames, 64), 10u);
    cr_assert_eq(atomic_load(&rig.host.calls), calls);
    rig_destroy(&rig);
}

/* A bucket's chain at its bound: HIPT_FULL, nothing changed; a freed page makes room. */
Test(scarcity, a_full_chain)
{
    uint64_t vpn;

    start(1, HIPT_VERSION_BITS_MAX, HIPT_SEQUENCE_BITS_MAX);
    for (vpn = 0; vpn < HIPT_CHAIN_LINES_MAX * HIPT_SLOTS; vpn++) {
        cr_assert_eq(map(vpn, vpn), HIPT_OK);
    }
    rig_look(&rig, &picture);
    cr_assert_eq(map(100, 100), HIPT_FULL);
    cr_assert(rig_unchanged(&rig, &picture));
    cr_assert_eq(map(3, 100), HIPT_EXISTS, "what is there is said before what is full");
    cr_assert_eq(unmap(9), HIPT_OK);
    cr_assert_eq(map(100, 100), HIPT_OK);
    rig_destroy(&rig);
}

/* A frame's counter at its bound, for map and remap; the count is set in the word, not built up. */
Test(scarcity, a_full_frame)
{
    struct hipti_frame *record;
    uint64_t word;

    start_wide();
    cr_assert_eq(map(0, 7), HIPT_OK);
    cr_assert_eq(map(1, 8), HIPT_OK);
    record = (struct hipti_frame *)(void *)hipti_arena_at(&rig.table->frames.records,
                                                          hipti_frames_number(&rig.table->frames, 7, false));
    word = hipti_load_acquire(&record->word);
    hipti_store_release(&record->word, hipti_field_set(word, 28, 20, HIPT_SHARERS_MAX));
    rig_look(&rig, &picture);
    cr_assert_eq(map(2, 7), HIPT_FULL);
    cr_assert_eq(remap(1, 7), HIPT_FULL);
    cr_assert(rig_unchanged(&rig, &picture));
    hipti_store_release(&record->word, word);
    rig_destroy(&rig);
}

/* A frame being taken out of use by another thread: map and remap answer HIPT_BUSY and leave no trace. */
Test(scarcity, a_frame_between_two_states)
{
    struct hipti_frame *record;

    start_wide();
    cr_assert_eq(map(1, 8), HIPT_OK);
    record = (struct hipti_frame *)(void *)hipti_arena_at(&rig.table->frames.records,
                                                          hipti_frames_number(&rig.table->frames, 7, false));
    hipti_store_release(&record->word, hipti_field_set(0, 61, 3, HIPT_FRAME_UNMAPPING));
    rig_look(&rig, &picture);
    cr_assert_eq(map(2, 7), HIPT_BUSY);
    cr_assert_eq(remap(1, 7), HIPT_BUSY);
    cr_assert(rig_unchanged(&rig, &picture));
    hipti_store_release(&record->word, 0);
    rig_destroy(&rig);
}

/* The narrowest sequence: every other map waits for a grace period, with HIPT_BUSY and no trace. */
Test(scarcity, a_sequence_at_its_gate)
{
    uint64_t busy = 0;
    uint64_t vpn;

    start(4, HIPT_VERSION_BITS_MAX, 2);
    for (vpn = 0; vpn < 60u; vpn++) {
        enum hipt_status status;

        rig_look(&rig, &picture);
        while ((status = map(vpn, vpn)) == HIPT_BUSY) {
            cr_assert(rig_unchanged(&rig, &picture));
            rig_check(&rig);
            rig_pass(&rig);
            busy++;
        }
        cr_assert_eq(status, HIPT_OK);
    }
    cr_assert_geq(busy, 59u);
    for (vpn = 0; vpn < 60u; vpn++) {
        cr_assert_eq(unmap(vpn), HIPT_OK, "an end never waits at the gate");
    }
    rig_destroy(&rig);
}

/* The narrowest version: slots park at every second end, chains take their place, a grace period brings them back. */
Test(scarcity, versions_that_wrap)
{
    uint64_t turn;
    uint64_t settled = 0;

    start(1, 1, HIPT_SEQUENCE_BITS_MAX);
    for (turn = 0; turn < 400u; turn++) {
        cr_assert_eq(map(turn, turn % 64u), HIPT_OK, "turn %llu", (unsigned long long)turn);
        cr_assert_eq(unmap(turn), HIPT_OK);
        rig_check(&rig);
        if (turn % 8u == 7u) {
            rig_pass(&rig);
            (void)hipt_frame_reap(rig.table, (struct hipt_frame[16]){{0}}, 16);
            rig_pass(&rig);
            (void)hipt_frame_reap(rig.table, (struct hipt_frame[16]){{0}}, 16);
        }
        settled = turn == 100u ? atomic_load(&rig.host.bytes) : settled;
    }
    cr_assert_eq(atomic_load(&rig.host.bytes), settled, "memory has stopped growing");
    rig_destroy(&rig);
}
