/* SPDX-License-Identifier: MIT */
/*
 * Splitting, punching and collapsing large pages by one thread: what each leaves, what each refuses, and what lookups,
 * reverse walks and other verbs see before every access to shared state that they make.
 */
#include <criterion/criterion.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <hipt/huge.h>

#include "map/gather.h"
#include "support/cpus.h"
#include "support/step.h"

enum {
    VPN = 1024, /* of the large page, and */
    PFN = 2048, /* its first frame */
    BEFORE = HIPT_WRITE | HIPT_READ
};

static struct rig rig;
static struct rig_picture picture;
static uint32_t asid;

static struct hipt_page page(uint32_t size, uint64_t vpn)
{
    return (struct hipt_page){.asid = asid, .size = size, .vpn = vpn};
}

static enum hipt_status map(uint32_t size, uint64_t vpn, uint64_t pfn)
{
    struct hipt_mapping m = rig_mapping(asid, size, vpn, pfn);

    return hipt_map(rig.table, &m);
}

/* The large page of class @size, with protection, attribute and marks of its own. */
static void map_large(uint32_t size, uint8_t marks)
{
    struct hipt_mapping m = rig_mapping(asid, size, VPN, PFN);

    m.attr = 5;
    m.marks = marks;
    cr_assert_eq(hipt_map(rig.table, &m), HIPT_OK);
}

/* @count small pages of class @size in its place. */
static void map_small(uint32_t size, uint64_t count, uint64_t pages)
{
    struct hipt_mapping m = rig_mapping(asid, size, VPN, PFN);
    uint64_t i;

    m.attr = 5;
    for (i = 0; i < count; i++) {
        cr_assert_eq(hipt_map(rig.table, &m), HIPT_OK);
        m.page.vpn += pages;
        m.pfn += pages;
    }
}

static enum hipt_status split(uint32_t from, uint32_t to)
{
    struct hipt_page large = page(from, VPN);

    return hipt_split(rig.table, &large, to);
}

static enum hipt_status punch(uint32_t from, struct hipt_page hole, uint64_t npages)
{
    struct hipt_page large = page(from, VPN);

    return hipt_punch(rig.table, &large, &hole, npages, NULL);
}

static enum hipt_status collapse(uint32_t from, uint32_t to)
{
    struct hipt_page large = page(to, VPN);

    return hipt_collapse(rig.table, &large, from);
}

static void start(void)
{
    cpus_init(&rig);
    rig.config.cpus = 0;
    cr_assert(rig_create(&rig));
    asid = rig_asid(&rig).number;
}

/* The same with CPU 0 inside, whose asid it is; it serves in the turns of waits. */
static void turn_serve(void)
{
    cpus_serve(1);
}

static void start_cpu(void)
{
    cpus_init(&rig);
    cr_assert(rig_create(&rig));
    asid = rig_asid(&rig).number;
    cpus_attach(&rig, 0, 8);
    hipt_cpu_enter(&cpus.cpu[0].cpu);
    (void)cpus_use(0, asid);
    cpus.turn = turn_serve;
}

static void stop(void)
{
    cpus_detach_all();
    rig_destroy(&rig);
}

/* The state that the table is in now is the one that two mappings calls of others give. */
static bool same_as(void (*other)(void))
{
    struct rig_picture *now = (struct rig_picture *)malloc(sizeof(*now));
    bool same;
    size_t i;

    cr_assert_not_null(now);
    rig_look(&rig, now);
    stop();
    start();
    other();
    rig_look(&rig, &picture);
    same = now->count == picture.count && memcmp(now->frame, picture.frame, sizeof(now->frame)) == 0;
    for (i = 0; same && i < now->count; i++) {
        same = rig_same(&now->mapping[i], &picture.mapping[i]);
    }
    free(now);
    return same;
}

/* --- what each leaves */

static void large(void)
{
    map_large(2, 0);
}

static void medium(void)
{
    map_small(1, RIG_LARGE / RIG_MEDIUM, RIG_MEDIUM);
}

static void small(void)
{
    map_small(0, RIG_LARGE, 1);
}

Test(split, leaves_what_maps_of_the_small_pages_leave)
{
    start();
    large();
    cr_expect_eq(split(2, 0), HIPT_OK);
    cr_expect(same_as(small));
    stop();
    start();
    large();
    cr_expect_eq(split(2, 1), HIPT_OK);
    cr_expect(same_as(medium));
    stop();
    start();
    large();
    cr_expect_eq(split(2, 1), HIPT_OK);
    for (uint64_t vpn = VPN; vpn < VPN + RIG_LARGE; vpn += RIG_MEDIUM) {
        struct hipt_page at = page(1, vpn);

        cr_expect_eq(hipt_split(rig.table, &at, 0), HIPT_OK);
    }
    cr_expect(same_as(small));
    stop();
}

Test(collapse, leaves_what_a_map_of_the_large_page_leaves)
{
    start();
    small();
    cr_expect_eq(collapse(0, 2), HIPT_OK);
    cr_expect(same_as(large));
    stop();
    start();
    medium();
    cr_expect_eq(collapse(1, 2), HIPT_OK);
    cr_expect(same_as(large));
    stop();
}

/* Also of frames that were shared, or pinned, in between. */
Test(collapse, sends_no_frame_to_limbo)
{
    struct hipt_mapping shared;
    struct hipt_frame frame;
    unsigned i;

    start();
    map_large(1, 0);
    for (i = 0; i < 40u; i++) { /* the pair is in the record, and in a block, by turns */
        cr_assert_eq(split(1, 0), HIPT_OK);
        shared = rig_mapping(asid, 0, 9, PFN + i % RIG_MEDIUM);
        cr_assert_eq(hipt_map(rig.table, &shared), HIPT_OK);
        cr_assert_eq(hipt_unmap(rig.table, &shared.page, NULL), HIPT_OK);
        rig_check(&rig);
        cr_assert_eq(collapse(0, 1), HIPT_OK);
        rig_check(&rig);
        rig_pass(&rig);
        cr_assert_eq(hipt_frame_reap(rig.table, &frame, 1), 0);
    }
    cr_assert_eq(hipt_frame_pin(rig.table, (struct hipt_frame){.pfn = PFN + 3}), HIPT_OK);
    cr_assert_eq(split(1, 0), HIPT_OK);
    cr_assert_eq(collapse(0, 1), HIPT_OK);
    rig_look(&rig, &picture);
    for (i = 0; i < RIG_MEDIUM; i++) {
        enum hipt_frame_state state = i == 0 ? HIPT_FRAME_MAPPED : i == 3 ? HIPT_FRAME_OWNED : HIPT_FRAME_FREE;

        cr_expect_eq(picture.frame[PFN + i].state, state, "frame %u", i);
    }
    stop();
}

/* The marks of the large page are those of all of it: they go to every small one, and come from any. */
Test(split, marks_are_inherited)
{
    static const uint8_t marks[] = {0, HIPT_ACCESSED, HIPT_DIRTY, HIPT_ACCESSED | HIPT_DIRTY};
    struct hipt_translation t;
    size_t i;
    uint64_t k;

    for (i = 0; i < 4u; i++) {
        start();
        map_large(1, marks[i]);
        cr_assert_eq(split(1, 0), HIPT_OK);
        for (k = 0; k < RIG_MEDIUM; k++) {
            cr_assert_eq(hipt_lookup(rig.table, asid, VPN + k, &t), HIPT_OK);
            cr_expect(t.mapping.marks == marks[i] && t.mapping.prot == BEFORE && t.mapping.attr == 5);
        }
        cr_assert_eq(collapse(0, 1), HIPT_OK);
        cr_assert_eq(hipt_lookup(rig.table, asid, VPN, &t), HIPT_OK);
        cr_expect_eq(t.mapping.marks, marks[i]);
        stop();
    }
}

Test(collapse, marks_are_those_of_any_small_page)
{
    struct hipt_translation t;
    uint64_t k;

    for (k = 0; k < RIG_MEDIUM; k++) {
        start();
        map_small(0, RIG_MEDIUM, 1);
        hipt_read_enter(rig.table);
        cr_assert_eq(hipt_lookup(rig.table, asid, VPN + k, &t), HIPT_OK);
        cr_assert_eq(hipt_mark(rig.table, &t, HIPT_DIRTY), HIPT_OK);
        cr_assert_eq(hipt_lookup(rig.table, asid, VPN + (k + 5u) % RIG_MEDIUM, &t), HIPT_OK);
        cr_assert_eq(hipt_mark(rig.table, &t, HIPT_ACCESSED), HIPT_OK);
        hipt_read_exit(rig.table);
        cr_assert_eq(collapse(0, 1), HIPT_OK);
        cr_assert_eq(hipt_lookup(rig.table, asid, VPN, &t), HIPT_OK);
        cr_expect_eq(t.mapping.marks, HIPT_ACCESSED | HIPT_DIRTY, "page %llu", (unsigned long long)k);
        stop();
    }
}

/* A punch is a split, and an unmap of what is in the hole. */
static struct {
    uint64_t first;
    uint64_t count;
} hole;

static void split_and_unmap(void)
{
    struct hipt_page at = page(0, VPN + hole.first);
    uint64_t done;

    map_large(2, HIPT_ACCESSED);
    cr_assert_eq(split(2, 0), HIPT_OK);
    cr_assert_eq(hipt_unmap_range(rig.table, &at, hole.count, &done), HIPT_OK);
}

Test(punch, leaves_what_a_split_and_an_unmap_leave)
{
    static const uint64_t holes[][2] = {{0, 16}, {240, 16}, {496, 16}, {511, 1}, {0, 1}, {0, 512}, {7, 0}, {1, 510}};
    struct hipt_translation t;
    size_t i;
    uint64_t k;

    for (i = 0; i < sizeof(holes) / sizeof(holes[0]); i++) {
        hole.first = holes[i][0];
        hole.count = holes[i][1];
        start();
        map_large(2, HIPT_ACCESSED);
        cr_assert_eq(punch(2, page(0, VPN + hole.first), hole.count), HIPT_OK);
        for (k = 0; k < RIG_LARGE; k++) {
            bool is_out = k >= hole.first && k < hole.first + hole.count;

            cr_assert_eq(hipt_lookup(rig.table, asid, VPN + k, &t), is_out ? HIPT_ABSENT : HIPT_OK);
            cr_assert(is_out || (t.mapping.pfn == PFN + k && t.mapping.page.size == 0));
        }
        cr_expect(same_as(split_and_unmap), "hole %zu", i);
        stop();
    }
}

Test(punch, hands_the_frames_of_the_hole_back)
{
    struct hipt_frame frames[64];
    struct hipt_mapping out;
    struct hipt_page at;
    struct hipt_page first;
    size_t i;

    start();
    map_large(2, HIPT_DIRTY);
    cr_assert_eq(hipt_frame_pin(rig.table, (struct hipt_frame){.pfn = PFN + 5}), HIPT_OK);
    at = page(2, VPN);
    first = page(0, VPN);
    cr_assert_eq(hipt_punch(rig.table, &at, &first, 16, &out), HIPT_OK);
    cr_expect(out.pfn == PFN && out.marks == HIPT_DIRTY && out.page.size == 2 && out.attr == 5);
    cr_expect_eq(hipt_frame_reap(rig.table, frames, 64), 0); /* not before a grace period */
    rig_pass(&rig);
    cr_assert_eq(hipt_frame_reap(rig.table, frames, 64), 15);
    for (i = 0; i < 15u; i++) {
        cr_expect(frames[i].pfn >= PFN && frames[i].pfn < PFN + 16 && frames[i].pfn != PFN + 5);
    }
    cr_expect_eq(map(0, VPN + 3, PFN + 3), HIPT_OK); /* what is out can be mapped again */
    stop();
}

Test(punch, works_with_every_pair_of_sizes)
{
    start();
    map_large(2, 0);
    cr_assert_eq(punch(2, page(1, VPN + 64), 2), HIPT_OK);
    rig_check(&rig);
    cr_assert_eq(map(0, VPN + 64, 5), HIPT_OK); /* of a third size, in the hole */
    cr_assert_eq(map(0, VPN + 63, 6), HIPT_OVERLAP);
    cr_assert_eq(map(1, VPN + 80, 16), HIPT_OK);
    cr_assert_eq(collapse(1, 2), HIPT_ABSENT);
    stop();
    start();
    map_large(1, 0);
    cr_assert_eq(punch(1, page(0, VPN + 15), 1), HIPT_OK);
    cr_assert_eq(map(0, VPN + 15, PFN + 15), HIPT_BUSY); /* its frame is in limbo */
    stop();
}

/* There and back again, by all ways, many times. */
Test(split, round_trips)
{
    unsigned i;

    start();
    large();
    rig_look(&rig, &picture);
    for (i = 0; i < 12u; i++) {
        uint64_t vpn;

        cr_assert_eq(split(2, i % 2u), HIPT_OK);
        for (vpn = VPN; i % 3u == 0 && vpn < VPN + RIG_LARGE; vpn += RIG_MEDIUM) {
            struct hipt_page at = page(1, vpn);

            cr_assert_eq(i % 2u ? hipt_split(rig.table, &at, 0) : hipt_collapse(rig.table, &at, 0), HIPT_OK);
        }
        rig_check(&rig);
        rig_pass(&rig);
        cr_assert_eq(collapse(i % 3u == 0 ? !(i % 2u) : i % 2u, 2), HIPT_OK);
        cr_assert(rig_unchanged(&rig, &picture));
        rig_check(&rig);
        rig_pass(&rig);
    }
    stop();
}

/* --- what each refuses */

static void cr_refused(enum hipt_status answer, enum hipt_status expected, int line)
{
    cr_expect_eq(answer, expected, "line %d: %s, not %s", line, hipt_strerror(answer), hipt_strerror(expected));
    cr_expect(rig_unchanged(&rig, &picture), "line %d: changed", line);
    rig_check(&rig);
}
#define REFUSED(call, status) cr_refused((call), (status), __LINE__)

static enum hipt_status punch_of(uint32_t other, struct hipt_page at, uint64_t npages)
{
    at.asid = other;
    return punch(2, at, npages);
}

Test(split, bad_input_changes_nothing)
{
    struct hipt_page odd = page(2, VPN + 16);

    start();
    large();
    cr_assert_eq(map(0, 3, 3), HIPT_OK);
    odd = page(2, VPN + 16);
    rig_look(&rig, &picture);
    REFUSED(split(2, 2), HIPT_BAD_SIZE);
    REFUSED(split(2, 7), HIPT_BAD_SIZE);
    REFUSED(split(3, 0), HIPT_BAD_SIZE);
    REFUSED(split(0, 0), HIPT_BAD_SIZE);
    REFUSED(split(1, 0), HIPT_ABSENT);
    REFUSED(hipt_split(rig.table, &odd, 0), HIPT_UNALIGNED);
    REFUSED(hipt_collapse(rig.table, &odd, 0), HIPT_UNALIGNED);
    REFUSED(collapse(2, 2), HIPT_BAD_SIZE);
    REFUSED(collapse(2, 0), HIPT_BAD_SIZE);
    REFUSED(collapse(0, 2), HIPT_ABSENT);
    REFUSED(collapse(0, 1), HIPT_ABSENT);
    REFUSED(punch(2, page(2, VPN), 1), HIPT_BAD_SIZE);
    REFUSED(punch(2, page(0, VPN - 1), 1), HIPT_BAD_VPN);
    REFUSED(punch(2, page(0, VPN + RIG_LARGE), 1), HIPT_BAD_VPN);
    REFUSED(punch(2, page(0, VPN + RIG_LARGE - 1), 2), HIPT_BAD_VPN);
    REFUSED(punch(2, page(0, VPN), RIG_LARGE + 1), HIPT_BAD_VPN);
    REFUSED(punch(2, page(0, VPN), UINT64_MAX), HIPT_BAD_VPN);
    REFUSED(punch(2, page(1, VPN + 8), 1), HIPT_UNALIGNED);
    REFUSED(punch_of(asid + 1u, page(0, VPN), 1), HIPT_BAD_ASID);
    REFUSED(punch_of(16, page(0, VPN), 1), HIPT_BAD_ASID);
    odd = page(2, RIG_VPNS);
    REFUSED(hipt_split(rig.table, &odd, 0), HIPT_BAD_VPN);
    odd = page(2, 0);
    odd.asid = 16;
    REFUSED(hipt_split(rig.table, &odd, 0), HIPT_BAD_ASID);
    odd.asid = 9; /* never issued: nothing is mapped there */
    REFUSED(hipt_split(rig.table, &odd, 0), HIPT_ABSENT);
    REFUSED(hipt_collapse(rig.table, &odd, 0), HIPT_ABSENT);
    stop();
}

Test(split, who_may_not_wait_is_refused)
{
    start_cpu();
    large();
    map_small(0, 0, 1);
    cpus.cannot_wait = true;
    rig_look(&rig, &picture);
    REFUSED(split(2, 0), HIPT_CANNOT_WAIT);
    REFUSED(punch(2, page(0, VPN), 1), HIPT_CANNOT_WAIT);
    REFUSED(collapse(0, 2), HIPT_CANNOT_WAIT);
    REFUSED(split(2, 2), HIPT_BAD_SIZE);
    cpus.cannot_wait = false;
    stop();
}

static enum hipt_status change_small(uint64_t k, uint64_t pfn, uint8_t prot, uint8_t attr)
{
    struct hipt_mapping m = rig_mapping(asid, 0, VPN + k, pfn);

    m.prot = prot;
    m.attr = attr;
    return hipt_remap(rig.table, &m, NULL);
}

Test(collapse, pages_that_cannot_be_one_are_left)
{
    static const struct {
        uint64_t k, pfn;
        uint8_t prot, attr;
    } cases[] = {{7, PFN + 7, HIPT_READ, 5}, {15, PFN + 15, BEFORE, 4}, {1, PFN + 2, BEFORE, 5},
                 {15, PFN + 31, BEFORE, 5},  {0, PFN + 1, BEFORE, 5},   {9, 0, BEFORE, 5}};
    struct hipt_mapping m;
    size_t i;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        start();
        map_small(0, RIG_MEDIUM, 1);
        cr_assert_eq(change_small(cases[i].k, cases[i].pfn, cases[i].prot, cases[i].attr), HIPT_OK);
        rig_look(&rig, &picture);
        REFUSED(collapse(0, 1), HIPT_UNLIKE);
        stop();
    }
    start(); /* frames in a row from 8 on, and from the last but 15 of their range on */
    m = rig_mapping(asid, 0, VPN, PFN + 8);
    cr_assert_eq(hipt_map_range(rig.table, &m, RIG_MEDIUM, NULL), HIPT_OK);
    rig_look(&rig, &picture);
    REFUSED(collapse(0, 1), HIPT_UNLIKE);
    m = rig_mapping(asid, 0, 2 * RIG_LARGE + VPN, 0);
    m.swap = true;
    cr_assert_eq(hipt_map_range(rig.table, &m, RIG_MEDIUM - 1u, NULL), HIPT_OK);
    m = rig_mapping(asid, 0, 2 * RIG_LARGE + VPN + 15, 15); /* a frame among swap slots */
    cr_assert_eq(hipt_map(rig.table, &m), HIPT_OK);
    rig_look(&rig, &picture);
    m.page = page(1, 2 * RIG_LARGE + VPN);
    REFUSED(hipt_collapse(rig.table, &m.page, 0), HIPT_UNLIKE);
    stop();
}

/* Swap slots are split and collapsed as frames are. */
Test(split, of_swap_slots)
{
    struct hipt_mapping m;
    struct hipt_translation t;

    start();
    m = rig_mapping(asid, 1, VPN, 16);
    m.swap = true;
    cr_assert_eq(hipt_map(rig.table, &m), HIPT_OK);
    cr_assert_eq(split(1, 0), HIPT_OK);
    cr_assert_eq(hipt_lookup(rig.table, asid, VPN + 9, &t), HIPT_OK);
    cr_expect(t.mapping.swap && t.mapping.pfn == 25);
    rig_check(&rig);
    cr_assert_eq(collapse(0, 1), HIPT_OK);
    cr_assert_eq(hipt_lookup(rig.table, asid, VPN + 9, &t), HIPT_OK);
    cr_expect(t.mapping.swap && t.mapping.pfn == 16 && t.mapping.page.size == 1);
    stop();
}

static hipti_slot slot_of(uint32_t size, uint64_t vpn)
{
    struct hipt_page at = page(size, vpn);
    hipti_slot slot = 0;
    uint64_t pte;

    cr_assert(hipti_bucket_find(&rig.table->buckets, hipti_page_place(rig.table, &at), &slot, &pte, NULL));
    return slot;
}

/* As a thread that stopped there leaves it. */
static void set_state(hipti_slot slot, enum hipti_state state)
{
    hipti_slot_publish(&rig.table->buckets, slot,
                       hipti_pte_with_state(hipti_slot_load(&rig.table->buckets, slot), state));
}

Test(split, pages_that_others_change_are_left)
{
    hipti_slot slot;

    start();
    map_large(1, 0);
    slot = slot_of(1, VPN);
    set_state(slot, HIPTI_HELD);
    cr_expect_eq(split(1, 0), HIPT_BUSY);
    cr_expect_eq(hipti_pte_state(hipti_slot_load(&rig.table->buckets, slot)), HIPTI_HELD);
    set_state(slot, HIPTI_FROZEN);
    cr_expect_eq(split(1, 0), HIPT_BUSY);
    set_state(slot, HIPTI_TENTATIVE);
    cr_expect_eq(split(1, 0), HIPT_ABSENT);
    set_state(slot, HIPTI_LIVE);
    cr_assert_eq(split(1, 0), HIPT_OK);
    rig_look(&rig, &picture);
    slot = slot_of(0, VPN + 11);
    set_state(slot, HIPTI_HELD);
    cr_expect_eq(collapse(0, 1), HIPT_BUSY);
    set_state(slot, HIPTI_FROZEN);
    cr_expect_eq(collapse(0, 1), HIPT_BUSY);
    set_state(slot, HIPTI_LIVE);
    cr_expect(rig_unchanged(&rig, &picture)); /* and nobody is held */
    cr_expect_eq(collapse(0, 1), HIPT_OK);
    stop();
}

/* A frame that cannot be linked, at each place: all that was put in is taken out again. */
Test(split, frames_that_are_not_to_be_had)
{
    struct hipt_frame frame;
    uint64_t k;

    for (k = 1; k < RIG_MEDIUM; k++) {
        start();
        cr_assert_eq(map(0, 7, PFN + k), HIPT_OK);
        map_large(1, 0);
        frame.pfn = PFN + k;
        cr_assert_eq(hipt_unmap(rig.table, &(struct hipt_page){.asid = asid, .vpn = 7}, NULL), HIPT_OK);
        rig_look(&rig, &picture);
        REFUSED(split(1, 0), HIPT_BUSY); /* it is in limbo */
        REFUSED(punch(1, page(0, VPN + (k == 15 ? 2 : k + 1)), 1), HIPT_BUSY);
        cr_expect_eq(punch(1, page(0, VPN + k), 1), HIPT_OK); /* it is not needed */
        cr_expect_eq(hipt_frame_reap(rig.table, &frame, 1), 0);
        rig_pass(&rig);
        cr_expect_eq(hipt_frame_reap(rig.table, &frame, 1), 1);
        stop();
    }
}

/* Small pages that do not fit: a chain at its bound. */
Test(split, chains_that_are_full)
{
    struct hipt_translation t;
    uint64_t k;

    cpus_init(&rig);
    rig.config.cpus = 0;
    rig.config.buckets = 1;
    cr_assert(rig_create(&rig));
    asid = rig_asid(&rig).number;
    map_large(1, 0);
    for (k = 0; k < 20u; k++) {
        cr_assert_eq(map(0, k, k), HIPT_OK);
    }
    rig_look(&rig, &picture);
    REFUSED(split(1, 0), HIPT_FULL);
    cr_assert_eq(punch(1, page(0, VPN + 4), 6), HIPT_OK); /* 21 + 10 are a slot less than 32 */
    cr_assert_eq(hipt_lookup(rig.table, asid, VPN + 10, &t), HIPT_OK);
    stop();
    cpus_init(&rig); /* the large page does not fit */
    rig.config.cpus = 0;
    rig.config.buckets = 1;
    cr_assert(rig_create(&rig));
    asid = rig_asid(&rig).number;
    map_small(0, 16, 1);
    for (k = 0; k < 16u; k++) {
        cr_assert_eq(map(0, k, k), HIPT_OK);
    }
    rig_look(&rig, &picture);
    REFUSED(collapse(0, 1), HIPT_FULL);
    stop();
}

/* The next item carved needs memory. */
static void to_the_edge(struct hipti_arena *arena)
{
    bool full;

    while (hipti_load_relaxed(&arena->carved) & hipti_mask(arena->block_shift)) {
        (void)hipti_arena_carve(arena, false, &full);
    }
}

/* Each allocation fails in turn. => how many there were. */
static uint64_t fail_each(void (*before)(void), enum hipt_status (*call)(uint32_t, uint32_t), uint32_t from,
                          uint32_t to)
{
    enum hipt_status status = HIPT_NOMEM;
    uint64_t k;

    for (k = 1; status != HIPT_OK; k++) {
        uint64_t calls;

        cpus_init(&rig);
        rig.config.cpus = 0;
        rig.config.buckets = 4;
        cr_assert(rig_create(&rig));
        asid = rig_asid(&rig).number;
        before();
        to_the_edge(&rig.table->buckets.shard[0]->overflow);
        to_the_edge(&rig.table->frames.aliases->blocks);
        to_the_edge(&rig.table->asids.blocks);
        rig_look(&rig, &picture);
        calls = atomic_load(&rig.host.calls);
        test_host_fail(&rig.host, k, 1);
        status = call(from, to);
        if (status != HIPT_OK) {
            cr_expect_eq(status, HIPT_NOMEM);
            cr_expect(rig_unchanged(&rig, &picture), "allocation %llu", (unsigned long long)k);
            rig_check(&rig);
            test_host_fail(&rig.host, 0, 0);
            cr_expect_eq(call(from, to), HIPT_OK);
        } else {
            cr_expect_lt(atomic_load(&rig.host.calls) - calls, k);
        }
        stop();
    }
    return k - 2u;
}

/* As many pages as fill the blocks that a split needs a new one of. */
static void large_and_others(void)
{
    struct hipt_mapping m = rig_mapping(asid, 0, 0, 0);

    cr_assert_eq(hipt_map_range(rig.table, &m, 62, NULL), HIPT_OK);
    map_large(1, HIPT_DIRTY);
}

static void small_and_others(void)
{
    struct hipt_mapping m = rig_mapping(asid, 0, 0, 0);

    cr_assert_eq(hipt_map_range(rig.table, &m, 63u - RIG_MEDIUM, NULL), HIPT_OK);
    map_small(0, RIG_MEDIUM, 1);
}

Test(split, every_allocation_fails)
{
    cr_expect_geq(fail_each(large_and_others, split, 1, 0), 3); /* a line, a block of pairs, a block of cells */
}

Test(collapse, every_allocation_fails)
{
    cr_expect_geq(fail_each(small_and_others, collapse, 0, 1), 2);
}

/* --- CPUs */

Test(split, one_round_for_the_whole_page)
{
    uint64_t before;
    uint32_t tag;

    start_cpu();
    tag = cpus_use(0, asid);
    large();
    before = cpus_rounds(&rig);
    cr_expect_eq(split(2, 0), HIPT_OK);
    cr_expect_eq(cpus_rounds(&rig), before + 1u);
    cr_expect(cpus_told(0, tag, VPN, RIG_LARGE));
    cr_expect_eq(collapse(0, 2), HIPT_OK);
    cr_expect_eq(cpus_rounds(&rig), before + 2u);
    cr_expect(cpus_told(0, tag, VPN, RIG_LARGE));
    cr_expect_eq(punch(2, page(1, VPN + 32), 1), HIPT_OK);
    cr_expect_eq(cpus_rounds(&rig), before + 3u);
    cr_expect(cpus_told(0, tag, VPN, RIG_LARGE));
    cr_expect_eq(collapse(1, 2), HIPT_ABSENT);
    cr_expect_eq(cpus_rounds(&rig), before + 3u);
    stop();
    start_cpu();
    tag = cpus_use(0, asid);
    map_large(1, 0);
    cr_expect_eq(punch(1, page(0, VPN + 2), 1), HIPT_OK);
    cr_expect(cpus_told(0, tag, VPN, RIG_MEDIUM));
    cr_expect_eq(map(0, VPN + 2, PFN + 32), HIPT_OK);
    cr_expect_eq(collapse(0, 1), HIPT_UNLIKE);
    cr_expect(cpus_told_nothing(0));
    stop();
}

/* While a verb waits: lookups see the new pages, and other pages are changed at will. */
static unsigned looked;
static void turn_look(void)
{
    struct hipt_translation t;
    struct hipt_page at;

    looked++;
    cr_expect_eq(hipt_lookup(rig.table, asid, VPN + 77, &t), HIPT_OK);
    cr_expect_eq(t.mapping.pfn + (VPN + 77 - t.mapping.page.vpn), PFN + 77);
    cr_expect_eq(map(0, 5, 5 + looked), HIPT_OK);
    at = page(0, 5);
    cpus.turn = turn_serve;
    cr_expect_eq(hipt_unmap(rig.table, &at, NULL), HIPT_OK);
}

/* In the wait of a punch: somebody maps the hole. He makes a round of his own, and has it (S2). */
static void turn_map_hole(void)
{
    uint64_t before = cpus_rounds(&rig);

    looked++;
    cpus.turn = turn_serve;
    cr_expect_eq(map(0, VPN + 32, 70), HIPT_OK);
    cr_expect_eq(cpus_rounds(&rig), before + 1u);
    cr_expect_eq(map(2, VPN, 0), HIPT_OVERLAP); /* the page itself: what is left of it is in the way */
}

Test(punch, others_go_on_while_it_waits)
{
    struct hipt_translation t;

    start_cpu();
    large();
    looked = 0;
    cpus.turn = turn_look;
    cr_expect_eq(split(2, 1), HIPT_OK);
    cpus.turn = turn_look;
    cr_expect_eq(collapse(1, 2), HIPT_OK);
    cpus.turn = turn_map_hole;
    cr_expect_eq(punch(2, page(0, VPN + 32), 16), HIPT_OK);
    cr_expect_eq(looked, 3);
    cr_expect_eq(hipt_lookup(rig.table, asid, VPN + 32, &t), HIPT_OK);
    cr_expect_eq(t.mapping.pfn, 70);
    stop();
}

/* --- at every step */

enum verb { SPLIT, SPLIT_FAILS, PUNCH, COLLAPSE, COLLAPSE_FAILS, VERBS };

/* Splitting happens from class 1 to 0, or from 2 to 1. */
static uint32_t from_size;
static enum verb verb;
static bool has_cpu;
static bool may_be_busy; /* it meets a map on its way */

static uint64_t unit(void)
{
    return from_size == 1u ? 1u : RIG_MEDIUM;
}

static uint64_t parts(void)
{
    return from_size == 1u ? RIG_MEDIUM : RIG_LARGE / RIG_MEDIUM;
}

static void verb_start(void)
{
    (has_cpu ? start_cpu : start)();
    if (verb == SPLIT_FAILS) { /* the last frame is in limbo */
        cr_assert_eq(map(from_size - 1u, 4096, PFN + (parts() - 1u) * unit()), HIPT_OK);
    }
    if (verb == COLLAPSE || verb == COLLAPSE_FAILS) {
        map_small(from_size - 1u, parts(), unit());
    } else {
        map_large(from_size, HIPT_ACCESSED);
    }
    if (verb == SPLIT_FAILS) {
        struct hipt_page at = page(from_size - 1u, 4096);

        cr_assert_eq(hipt_unmap(rig.table, &at, NULL), HIPT_OK);
    }
    if (verb == COLLAPSE_FAILS) {
        struct hipt_page at = page(from_size - 1u, VPN + (parts() - 1u) * unit());

        cr_assert_eq(hipt_protect(rig.table, &at, HIPT_READ), HIPT_OK);
    }
}

static void verb_run(void)
{
    static const enum hipt_status expected[VERBS] = {HIPT_OK, HIPT_BUSY, HIPT_OK, HIPT_OK, HIPT_UNLIKE};
    enum hipt_status status = HIPT_OK;

    switch (verb) {
    case SPLIT:
    case SPLIT_FAILS:
        status = split(from_size, from_size - 1u);
        break;
    case PUNCH:
        status = punch(from_size, page(from_size - 1u, VPN + 3 * unit()), 2);
        break;
    case COLLAPSE:
    case COLLAPSE_FAILS:
        status = collapse(from_size - 1u, from_size);
        break;
    default:
        break;
    }
    cr_assert(status == expected[verb] || (may_be_busy && status == HIPT_BUSY), "%s", hipt_strerror(status));
}

static bool is_in_hole(uint64_t k)
{
    return verb == PUNCH && k >= 3 * unit() && k < 5 * unit();
}

/* Class of the page before and after the verb. */
static uint32_t size_before(void)
{
    return verb == COLLAPSE || verb == COLLAPSE_FAILS ? from_size - 1u : from_size;
}

static uint32_t size_after(void)
{
    return verb == SPLIT || verb == PUNCH ? from_size - 1u : verb == COLLAPSE ? from_size : size_before();
}

static bool has_switched;  /* somebody has seen the new pages: nobody sees the old ones any more */
static bool is_beside_end; /* the verb is over */

/* One base page: what a lookup and a reverse walk say is the old page or the new one. */
static void look_at(uint64_t k)
{
    struct hipt_mapping owner[4];
    struct hipt_translation t;
    enum hipt_status status = hipt_lookup(rig.table, asid, VPN + k, &t);
    uint32_t size = status == HIPT_OK ? t.mapping.page.size : size_after();
    bool may_be_absent = is_in_hole(k);
    size_t count;

    cr_assert(status == HIPT_OK || (may_be_absent && status == HIPT_ABSENT), "page %u: a hole", (unsigned)k);
    cr_assert(status != HIPT_OK || t.mapping.pfn + (VPN + k - t.mapping.page.vpn) == PFN + k);
    cr_assert(!has_switched || size == size_after(), "page %u: the old mapping is back", (unsigned)k);
    cr_assert(size == size_after() || size == size_before());
    cr_assert(!is_beside_end || size == size_after());
    if (may_be_absent && status == HIPT_OK) {
        cr_assert(size == size_before() && !has_switched);
    }
    has_switched |= size == size_after() && size_after() != size_before();
    status = hipt_reverse(rig.table, (struct hipt_frame){.pfn = PFN + k}, owner, 4, &count);
    cr_assert(count == (has_switched && may_be_absent ? 0u : 1u), "frame %u: %zu owners", (unsigned)k, count);
    cr_assert(count == 0 || owner[0].page.size == size, "frame %u", (unsigned)k);
    (void)hipt_lookup_lines(rig.table, asid, VPN + k, &may_be_absent);
    cr_assert_eq(may_be_absent, count == 1u);
}

/* What must be refused over pages that are mapped all the time. */
static void try_maps(void)
{
    enum hipt_status status;
    uint32_t size;

    for (size = 0; size < 3u; size++) {
        uint64_t vpn = VPN + (size == 0 ? 17u * unit() % (parts() * unit()) : 0);

        status = map(size, vpn, 0);
        cr_assert(status == HIPT_OVERLAP || status == HIPT_BUSY || status == HIPT_EXISTS, "size %u: %s", size,
                  hipt_strerror(status));
    }
}

static void look_meanwhile(void)
{
    uint64_t k;

    for (k = 0; k < parts() * unit(); k += unit() == 1u ? 1u : 13u) {
        look_at(k);
    }
    try_maps();
}

/* The verb is interrupted before each of its accesses. */
static void look_at_every_step(void)
{
    unsigned step = 0;
    bool has_run = true;

    while (has_run) {
        verb_start();
        has_switched = is_beside_end = false;
        step_interrupt(NULL, NULL, step++, look_meanwhile);
        verb_run();
        has_run = step_interrupted();
        is_beside_end = true;
        has_switched = size_after() != size_before();
        look_meanwhile();
        rig_check(&rig);
        stop();
    }
    cr_expect_gt(step, 100);
}

Test(split, every_lookup_beside_it_finds_the_old_or_the_new, .timeout = 120)
{
    for (from_size = 1; from_size <= 2u; from_size++) {
        for (verb = SPLIT; verb < VERBS; verb++) {
            look_at_every_step();
        }
    }
}

Test(split, also_where_cpus_are_asked, .timeout = 120)
{
    has_cpu = true;
    from_size = 1;
    for (verb = SPLIT; verb < VERBS; verb++) {
        look_at_every_step();
    }
}

/* A lookup, a reverse walk or a map is interrupted before each of its accesses by the whole verb. */
static void interrupt_by_the_verb(void (*reader)(uint64_t), uint64_t k)
{
    unsigned step = 0;
    bool has_run = true;

    while (has_run) {
        verb_start();
        step_interrupt(NULL, NULL, step++, verb_run);
        reader(k);
        has_run = step_interrupted();
        rig_check(&rig);
        stop();
    }
    cr_expect_gt(step, 3);
}

static void read_lookup(uint64_t k)
{
    struct hipt_translation t;

    cr_assert_eq(hipt_lookup(rig.table, asid, VPN + k, &t), HIPT_OK, "a hole");
    cr_assert_eq(t.mapping.pfn + (VPN + k - t.mapping.page.vpn), PFN + k);
}

static void read_batch(uint64_t k)
{
    struct hipt_page pages[2] = {page(0, VPN + k), page(0, VPN + k)};
    struct hipt_translation t[2];
    enum hipt_status status[2];

    cr_assert_eq(hipt_lookup_batch(rig.table, pages, 2, t, status), 2, "a hole");
    cr_assert_eq(t[1].mapping.pfn + (VPN + k - t[1].mapping.page.vpn), PFN + k);
}

static void read_reverse(uint64_t k)
{
    struct hipt_mapping owner[4];
    size_t count;

    cr_assert_eq(hipt_reverse(rig.table, (struct hipt_frame){.pfn = PFN + k}, owner, 4, &count), HIPT_OK);
    cr_assert_eq(count, 1);
    cr_assert_eq(owner[0].pfn + (VPN + k - owner[0].page.vpn), PFN + k);
}

static void read_map(uint64_t k)
{
    uint32_t size;

    for (size = 0; size < 3u; size++) {
        enum hipt_status status = map(size, size == 0 ? VPN + k : VPN, 0);

        cr_assert(status == HIPT_OVERLAP || status == HIPT_EXISTS || status == HIPT_BUSY, "%s", hipt_strerror(status));
    }
}

Test(split, in_the_midst_of_a_lookup, .timeout = 120)
{
    static const uint64_t pages[] = {0, 15};
    size_t i;

    for (from_size = 1; from_size <= 2u; from_size++) {
        for (verb = SPLIT; verb <= COLLAPSE; verb++) {
            for (i = 0; i < 2u; i++) {
                interrupt_by_the_verb(read_lookup, pages[i]);
                interrupt_by_the_verb(read_batch, pages[i]);
                interrupt_by_the_verb(read_reverse, pages[i]);
            }
            may_be_busy = true;
            interrupt_by_the_verb(read_map, 7);
            may_be_busy = false;
        }
    }
}

/* The large page's size is the only one in use, is split meanwhile, and its slot is another page's already. */
static hipti_slot slot_before;

static void split_and_reuse(void)
{
    uint64_t i = 0;

    cr_assert_eq(split(1, 0), HIPT_OK);
    while (hipti_pte_state(hipti_slot_load(&rig.table->buckets, slot_before)) != HIPTI_LIVE) {
        cr_assert_eq(map(0, 4096 + i, i), HIPT_OK);
        i++;
    }
}

Test(split, in_the_midst_of_a_lookup_that_knows_one_size)
{
    struct hipt_translation t;
    bool has_run = true;
    unsigned step;

    for (step = 0; has_run; step++) {
        start();
        map_large(1, 0);
        slot_before = slot_of(1, VPN);
        step_interrupt(NULL, NULL, step, split_and_reuse);
        cr_assert_eq(hipt_lookup(rig.table, asid, VPN + 5, &t), HIPT_OK, "step %u", step);
        has_run = step_interrupted();
        stop();
    }
}

/* --- three size classes: a map of the third looks at the two others one after another */

static void collapse_then_split(void)
{
    cr_assert_eq(collapse(1, 2), HIPT_OK);
    cr_assert_eq(split(2, 1), HIPT_OK);
}

static void split_only(void)
{
    cr_assert_eq(split(2, 1), HIPT_OK);
}

static void collapse_only(void)
{
    cr_assert_eq(collapse(1, 2), HIPT_OK);
}

Test(split, a_map_of_a_third_size_is_refused_however_they_meet, .timeout = 120)
{
    static void (*const meanwhile[])(void) = {split_only, collapse_only, collapse_then_split};
    struct hipt_mapping third;
    unsigned step;
    size_t i;

    for (i = 0; i < 3u; i++) {
        bool has_run = true;

        for (step = 0; has_run; step++) {
            start();
            cr_assert_eq(map(0, 3, 3), HIPT_OK); /* the size is in use */
            (i == 0 ? large : medium)();
            step_interrupt(NULL, NULL, step, meanwhile[i]);
            third = rig_mapping(asid, 0, VPN + 5, 77);
            cr_assert_eq(hipt_map(rig.table, &third), HIPT_OVERLAP, "case %zu, step %u", i, step);
            has_run = step_interrupted();
            rig_check(&rig);
            stop();
        }
        cr_expect_gt(step, 20);
    }
}

/* A map inside the page at every step of the verb, also when small pages are tentative: refused; the verb goes on. */
static struct hipt_mapping beside;
static void map_beside(void)
{
    enum hipt_status status = hipt_map(rig.table, &beside);

    cr_assert(status == HIPT_OVERLAP || status == HIPT_BUSY || status == HIPT_EXISTS, "%s", hipt_strerror(status));
}

Test(split, a_smaller_map_aborts_nothing_for_long, .timeout = 120)
{
    unsigned step;
    bool has_run;
    int is_collapse;

    for (is_collapse = 0; is_collapse < 2; is_collapse++) {
        has_run = true;
        for (step = 0; has_run; step++) {
            start();
            cr_assert_eq(map(0, 3, 3), HIPT_OK);
            (is_collapse ? medium : large)();
            beside = rig_mapping(asid, 0, VPN + 5, 77);
            step_interrupt(NULL, NULL, step, map_beside);
            cr_assert_eq(is_collapse ? collapse(1, 2) : split(2, 1), HIPT_OK);
            has_run = step_interrupted();
            rig_check(&rig);
            stop();
        }
    }
}

/* --- an asid that is retired meanwhile */

static struct hipt_asid issued;
static bool is_retired;

static void retire(void)
{
    is_retired = !cpus.cpu[0].cpu.masked; /* the CPU that is asked is this thread's: not in the midst of its answer */
    if (!is_retired) {
        return;
    }
    cr_assert_eq(hipt_asid_retire(rig.table, issued, NULL), HIPT_OK);
    rig_pass(&rig); /* as much time passes as the verb's read sides let it */
}

Test(split, of_an_asid_that_is_retired_leaves_nothing, .timeout = 120)
{
    for (verb = SPLIT; verb < VERBS; verb++) {
        unsigned step;
        bool has_run = true;

        for (step = 0; has_run; step++) {
            struct hipt_stats stats;
            struct hipt_asid again;

            from_size = 1;
            has_cpu = step % 2u;
            verb_start();
            issued = (struct hipt_asid){asid, 1};
            is_retired = false;
            step_interrupt(NULL, NULL, step / 2u, retire);
            if (verb == SPLIT || verb == SPLIT_FAILS) { /* all outcomes are possible */
                (void)split(1, 0);
            } else if (verb == PUNCH) {
                (void)punch(1, page(0, VPN + 3), 2);
            } else {
                (void)collapse(0, 1);
            }
            has_run = step_interrupted();
            if (is_retired) {
                hipt_table_stats(rig.table, &stats);
                cr_assert_eq(stats.mappings, 0, "verb %d, step %u", (int)verb, step);
                do { /* with no page it is issued again, when grace periods have passed */
                    rig_pass(&rig);
                    again = rig_asid(&rig); /* there are so few that it fails in the end */
                } while (again.number != issued.number);
            }
            stop();
        }
    }
}

static void split_now(void)
{
    cr_assert_eq(split(2, 0), HIPT_OK);
}

/* T1: a split at any step of a lookup whose lines are counted: it finds the one page or the other. */
Test(split, T1_lines_of_a_lookup_beside)
{
    bool is_over = false;
    unsigned skip;

    for (skip = 0; !is_over; skip++) {
        bool found = false;

        start();
        cr_assert_eq(map(0, 0, 0), HIPT_OK); /* small pages are looked for too */
        map_large(2, 0);
        step_interrupt(NULL, NULL, skip, split_now);
        cr_assert_geq(hipt_lookup_lines(rig.table, asid, VPN + 3, &found), 1u);
        is_over = !step_interrupted();
        cr_assert(found, "skip %u", skip);
        if (is_over) {
            step_interrupt(NULL, NULL, 0, split_now);
            (void)hipt_lookup_lines(rig.table, asid, VPN, &found);
        }
        stop();
    }
    cr_assert_gt(skip, 5u);
}

/* In a table of one size there is nothing to look for again. */
Test(split, lines_in_a_table_of_one_size)
{
    bool found = true;

    cpus_init(&rig);
    rig.config.cpus = 0;
    rig.config.nsizes = 1;
    cr_assert(rig_create(&rig));
    asid = rig_asid(&rig).number;
    cr_assert_eq(hipt_lookup_lines(rig.table, asid, VPN, &found), 0u, "it has never had a page");
    cr_assert(!found);
    cr_assert_eq(map(0, VPN + 1u, 1), HIPT_OK);
    cr_assert_eq(hipt_lookup_lines(rig.table, asid, VPN, &found), 1u);
    cr_assert(!found);
    rig_destroy(&rig);
}

static hipti_slot slot_of_small(void)
{
    struct hipt_page small = page(0, VPN);
    hipti_slot slot = 0;
    uint64_t pte;

    cr_assert(hipti_bucket_find(&rig.table->buckets, hipti_page_place(rig.table, &small), &slot, &pte, NULL));
    return slot;
}

/* The held page is given up, and another put in its place is held in its turn, in another slot. */
static hipti_slot given_up;

static void put_another(void)
{
    uint64_t pte = hipti_slot_load(&rig.table->buckets, given_up);

    hipti_slot_publish(&rig.table->buckets, given_up, hipti_pte_ended(pte, HIPTI_ENDED, 0));
    cr_assert_eq(map(0, VPN, 9), HIPT_OK);
    set_state(slot_of_small(), HIPTI_HELD);
}

/* T2: a held page that is there no more when it is looked at again was not what translates. */
Test(split, T2_a_held_page_changes_its_slot)
{
    bool is_over = false;
    unsigned skip;

    for (skip = 0; !is_over; skip++) {
        struct hipt_translation found;
        struct hipti_taken taken = {.asid = 0};

        start();
        cr_assert_eq(map(0, VPN, 7), HIPT_OK);
        cr_assert_eq(map(2, VPN + RIG_LARGE, RIG_LARGE), HIPT_OK); /* larger pages are looked for too */
        given_up = slot_of_small();
        set_state(given_up, HIPTI_HELD);
        step_interrupt(NULL, NULL, skip, put_another);
        cr_assert_eq(hipt_lookup(rig.table, asid, VPN, &found), HIPT_OK, "skip %u", skip);
        is_over = !step_interrupted();
        cr_assert(found.mapping.pfn == 7 || found.mapping.pfn == 9);
        if (is_over) {
            step_interrupt(NULL, NULL, 0, put_another);
            cr_assert_eq(hipt_lookup(rig.table, asid, VPN, &found), HIPT_OK);
        }
        taken.slot = given_up;
        taken.asid = asid;
        taken.pte = hipti_slot_load(&rig.table->buckets, given_up);
        hipt_read_enter(rig.table);
        hipti_destroy(rig.table, taken, HIPTI_UNLINK_END);
        hipt_read_exit(rig.table);
        set_state(slot_of_small(), HIPTI_LIVE);
        stop();
    }
    cr_assert_gt(skip, 5u);
}

static enum hipt_status ended_meanwhile;

static void end_large(void)
{
    struct hipt_page large = page(1, VPN);

    ended_meanwhile = hipt_unmap(rig.table, &large, NULL);
}

/* R1: a large page that ends as soon as its collapse lets it go: its first frame goes to limbo, as any does. */
Test(collapse, R1_the_large_page_ends_at_once)
{
    bool is_over = false;
    unsigned ended = 0;
    unsigned skip;

    for (skip = 0; !is_over; skip++) {
        struct hipt_frame_status status;

        start();
        map_small(0, RIG_MEDIUM, 1);
        ended_meanwhile = HIPT_ABSENT;
        step_interrupt(NULL, NULL, skip, end_large);
        (void)collapse(0, 1);
        is_over = !step_interrupted();
        cr_assert_eq(hipt_frame_get(rig.table, (struct hipt_frame){.pfn = PFN}, &status), HIPT_OK);
        if (ended_meanwhile == HIPT_OK) {
            cr_assert_eq(status.state, HIPT_FRAME_LIMBO, "skip %u", skip);
            ended++;
        }
        if (is_over) {
            step_interrupt(NULL, NULL, 0, end_large);
            end_large();
        }
        stop();
    }
    cr_assert_gt(ended, 3u);
}
