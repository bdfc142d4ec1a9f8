/* SPDX-License-Identifier: MIT */
/*
 * Two verbs at once: one is stopped before each of its accesses to shared state in turn, while the other does all of
 * its work. tests/explore does so with many more programs, and by an oracle that knows what two verbs may answer; here
 * stands what they have to.
 */
#include <criterion/criterion.h>

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "map/table.h"
#include "support/rig.h"
#include "support/step.h"

static struct rig rig;
static struct hipt_asid space;
static struct hipt_asid other;

/* One bucket, so that a slot that is let go is the next one to be taken. */
static void start(void)
{
    rig_init(&rig);
    rig.config.buckets = 1;
    rig.ranges[0].count = 64; /* so that they are soon checked */
    cr_assert(rig_create(&rig));
    space = rig_asid(&rig);
    other = rig_asid(&rig);
}

static enum hipt_status map_in(struct hipt_asid asid, uint32_t size, uint64_t vpn, uint64_t pfn)
{
    struct hipt_mapping mapping = rig_mapping(asid.number, size, vpn, pfn);

    return hipt_map(rig.table, &mapping);
}

static enum hipt_status map(uint32_t size, uint64_t vpn, uint64_t pfn)
{
    return map_in(space, size, vpn, pfn);
}

static enum hipt_status unmap(uint32_t size, uint64_t vpn, struct hipt_mapping *out)
{
    struct hipt_page page = {.asid = space.number, .size = size, .vpn = vpn};

    return hipt_unmap(rig.table, &page, out);
}

static enum hipt_status lookup(uint64_t vpn, struct hipt_translation *out)
{
    return hipt_lookup(rig.table, space.number, vpn, out);
}

/* A1: nothing of what was done in the asid is left: its number can be issued again. */
static void cr_expect_no_cell_left(void)
{
    struct hipt_asid again;

    cr_assert_eq(hipt_asid_retire(rig.table, space, NULL), HIPT_OK);
    again = rig_asid(&rig); /* asks for the grace period */
    cr_assert_neq(again.number, space.number);
    rig_pass(&rig);
    again = rig_asid(&rig);
    cr_assert(again.number == space.number && again.generation == space.generation + 1u, "a cell is still in use");
}

/* --- updates of the page that a verb is at */

static enum hipt_status status_beside;
static uint64_t pfn_beside;

static void protect_beside(void)
{
    struct hipt_page page = {.asid = space.number, .vpn = 5};

    status_beside = hipt_protect(rig.table, &page, HIPT_READ);
}

static void mark_beside(void)
{
    struct hipt_translation translation;

    hipt_read_enter(rig.table);
    status_beside = lookup(5, &translation);
    if (status_beside == HIPT_OK) {
        pfn_beside = translation.mapping.pfn;
        status_beside = hipt_mark(rig.table, &translation, HIPT_DIRTY);
    }
    hipt_read_exit(rig.table);
}

/*
 * T1, S3: an update comes before an unmap or after it; it makes it neither fail nor answer HIPT_BUSY, and a mark that
 * was made is in what the unmap reports.
 */
Test(beside, T1_S3_an_unmap_beside_updates)
{
    static void (*const beside[])(void) = {protect_beside, mark_beside};
    unsigned i;

    for (i = 0; i < 2u; i++) {
        bool is_over = false;
        unsigned steps;

        for (steps = 0; !is_over; steps++) {
            struct hipt_mapping was;

            start();
            cr_assert_eq(map(0, 5, 7), HIPT_OK);
            step_interrupt(NULL, NULL, steps, beside[i]);
            cr_assert_eq(unmap(0, 5, &was), HIPT_OK, "interrupted at %u", steps);
            is_over = !step_interrupted();
            if (!is_over) {
                bool was_updated = i == 0 ? was.prot == HIPT_READ : was.marks == HIPT_DIRTY;

                cr_assert_eq(was_updated, status_beside == HIPT_OK, "interrupted at %u: %d", steps, (int)status_beside);
            }
            cr_assert_eq(lookup(5, &(struct hipt_translation){.slot = 0}), HIPT_ABSENT);
            cr_expect_no_cell_left();
            rig_destroy(&rig);
        }
        cr_assert_gt(steps, 10u);
    }
}

/* T1, S3: the same of a remap. */
Test(beside, T1_S3_a_remap_beside_updates)
{
    static void (*const beside[])(void) = {protect_beside, mark_beside};
    unsigned i;

    for (i = 0; i < 2u; i++) {
        bool is_over = false;
        unsigned steps;

        for (steps = 0; !is_over; steps++) {
            struct hipt_mapping mapping;
            struct hipt_mapping was;
            struct hipt_translation now;

            start();
            mapping = rig_mapping(space.number, 0, 5, 8);
            cr_assert_eq(map(0, 5, 7), HIPT_OK);
            step_interrupt(NULL, NULL, steps, beside[i]);
            cr_assert_eq(hipt_remap(rig.table, &mapping, &was), HIPT_OK, "interrupted at %u", steps);
            is_over = !step_interrupted();
            cr_assert_eq(lookup(5, &now), HIPT_OK);
            cr_assert_eq(now.mapping.pfn, 8u);
            if (!is_over && i == 1u && pfn_beside == 7u) {
                cr_assert_eq(was.marks == HIPT_DIRTY, status_beside == HIPT_OK, "interrupted at %u", steps);
            }
            rig_destroy(&rig);
        }
        cr_assert_gt(steps, 10u);
    }
}

/* A1: a retirement takes a page along that is updated under its hands. */
Test(beside, A1_a_retirement_beside_updates)
{
    static void (*const beside[])(void) = {protect_beside, mark_beside};
    unsigned i;

    for (i = 0; i < 2u; i++) {
        bool is_over = false;
        unsigned steps;

        for (steps = 0; !is_over; steps++) {
            struct hipt_retired report;

            start();
            cr_assert_eq(map(0, 5, 7), HIPT_OK);
            step_interrupt(NULL, NULL, steps, beside[i]);
            cr_assert_eq(hipt_asid_retire(rig.table, space, &report), HIPT_OK);
            is_over = !step_interrupted();
            cr_assert_eq(report.pages, 1u, "interrupted at %u", steps);
            cr_assert_eq(lookup(5, &(struct hipt_translation){.slot = 0}), HIPT_ABSENT);
            rig_destroy(&rig);
        }
        cr_assert_gt(steps, 10u);
    }
}

/* --- what a reader meets */

static bool is_missing;

static void look_and_reverse_beside(void)
{
    struct hipt_translation translation;
    struct hipt_mapping mapping;
    size_t count = 0;

    if (lookup(5, &translation) != HIPT_OK) {
        is_missing = true;
        return;
    }
    (void)hipt_reverse(rig.table, (struct hipt_frame){.pfn = translation.mapping.pfn}, &mapping, 1, &count);
    is_missing = count != 1u || mapping.page.vpn != 5u;
}

static void unmap_and_map_beside(void)
{
    if (unmap(0, 5, NULL) == HIPT_OK) {
        (void)map(0, 5, 7);
    }
}

/* T1, F1: during a remap the page is mapped, and whatever frame it is at reports it. */
Test(beside, T1_F1_a_remap_beside_readers)
{
    bool is_over = false;
    unsigned steps;

    for (steps = 0; !is_over; steps++) {
        struct hipt_mapping mapping;

        start();
        mapping = rig_mapping(space.number, 0, 5, 8);
        cr_assert_eq(map(0, 5, 7), HIPT_OK);
        is_missing = false;
        step_interrupt(NULL, NULL, steps, look_and_reverse_beside);
        cr_assert_eq(hipt_remap(rig.table, &mapping, NULL), HIPT_OK);
        is_over = !step_interrupted();
        cr_assert(!is_missing, "interrupted at %u", steps);
        rig_destroy(&rig);
    }
    cr_assert_gt(steps, 15u);
}

/* F1: the page is unmapped and mapped to its old frame again before a remap has begun, or after it has ended. */
Test(beside, F1_a_remap_beside_the_next_life)
{
    bool is_over = false;
    unsigned steps;

    for (steps = 0; !is_over; steps++) {
        struct hipt_mapping mapping;

        start();
        mapping = rig_mapping(space.number, 0, 5, 8);
        cr_assert_eq(map(0, 5, 7), HIPT_OK);
        cr_assert_eq(map_in(other, 0, 6, 7), HIPT_OK); /* the frame is no further than mapped */
        step_interrupt(NULL, NULL, steps, unmap_and_map_beside);
        cr_assert_eq(hipt_remap(rig.table, &mapping, NULL), HIPT_OK);
        is_over = !step_interrupted();
        rig_destroy(&rig);
    }
    cr_assert_gt(steps, 15u);
}

static void map_and_reverse_beside(void)
{
    struct hipt_mapping mapping;
    size_t count = 0;

    TEST_HOLDS(map(1, 32, 32) == HIPT_OK);
    (void)hipt_reverse(rig.table, (struct hipt_frame){.pfn = 35}, &mapping, 1, &count);
    is_missing = count != 1u || mapping.page.vpn != 32u;
}

/* F1: the first page of its size is on its way; the second one, which is faster, is reported by its frames. */
Test(beside, F1_the_first_map_of_a_size)
{
    bool is_over = false;
    unsigned steps;

    for (steps = 0; !is_over; steps++) {
        start();
        is_missing = false;
        step_interrupt(NULL, NULL, steps, map_and_reverse_beside);
        cr_assert_eq(map(1, 16, 16), HIPT_OK);
        is_over = !step_interrupted();
        cr_assert(!is_missing, "interrupted at %u", steps);
        rig_destroy(&rig);
    }
    cr_assert_gt(steps, 20u);
}

static void remap_to_frame_beside(void)
{
    struct hipt_mapping mapping = rig_mapping(space.number, 0, 5, 3);

    TEST_HOLDS(hipt_remap(rig.table, &mapping, NULL) == HIPT_OK);
}

/* F1: a page that comes to a frame of the same number is not reported by the swap slot that it left. */
Test(beside, F1_a_reverse_walk_of_swap)
{
    bool is_over = false;
    unsigned steps;

    for (steps = 0; !is_over; steps++) {
        struct hipt_mapping mapping;
        struct hipt_mapping found;
        size_t count;

        start();
        mapping = rig_mapping(space.number, 0, 5, 3);
        mapping.swap = true;
        cr_assert_eq(hipt_map(rig.table, &mapping), HIPT_OK);
        step_interrupt(NULL, NULL, steps, remap_to_frame_beside);
        (void)hipt_reverse(rig.table, (struct hipt_frame){.pfn = 3, .swap = true}, &found, 1, &count);
        is_over = !step_interrupted();
        cr_assert(count == 0 || (count == 1u && found.swap), "interrupted at %u", steps);
        rig_destroy(&rig);
    }
    cr_assert_gt(steps, 5u);
}

/* --- slots that change hands */

static void give_the_slot_to_another_beside(void)
{
    if (unmap(0, 5, NULL) == HIPT_OK) {
        TEST_HOLDS(map_in(other, 0, 6, 8) == HIPT_OK);
        status_beside = HIPT_OK;
    }
}

/* A1: a retirement lets a page of another asid be that has come into the slot of one of its own. */
Test(beside, A1_a_retirement_beside_another_life)
{
    bool is_over = false;
    unsigned given = 0;
    unsigned steps;

    for (steps = 0; !is_over; steps++) {
        start();
        cr_assert_eq(map(0, 5, 7), HIPT_OK);
        status_beside = HIPT_STATUS_COUNT;
        step_interrupt(NULL, NULL, steps, give_the_slot_to_another_beside);
        cr_assert_eq(hipt_asid_retire(rig.table, space, NULL), HIPT_OK);
        is_over = !step_interrupted();
        if (status_beside == HIPT_OK) {
            given++;
            cr_assert_eq(hipt_lookup(rig.table, other.number, 6, &(struct hipt_translation){.slot = 0}), HIPT_OK,
                         "interrupted at %u", steps);
        }
        rig_destroy(&rig);
    }
    cr_assert_gt(given, 3u);
}

static unsigned then_after;

static void map_another_to_the_frame(void)
{
    TEST_HOLDS(map(0, 6, 7) == HIPT_OK);
}

static void map_the_page_then_another(void)
{
    if (map(0, 5, 9) == HIPT_OK) {
        step_interrupt(NULL, NULL, then_after, map_another_to_the_frame);
    }
}

/* F1: of two maps of a page one fails; its frame has let go of the slot before a third map can take it. */
Test(beside, F1_a_map_that_comes_second)
{
    unsigned steps;
    unsigned third = 0;

    for (steps = 0; steps < 60u; steps++) {
        bool is_over = false;

        for (then_after = 0; !is_over; then_after++) {
            enum hipt_status status;

            start();
            step_interrupt(NULL, NULL, steps, map_the_page_then_another);
            status = map(0, 5, 7);
            is_over = !step_interrupted() || status == HIPT_OK;
            third += !is_over;
            cr_assert(status == HIPT_EXISTS || is_over);
            rig_check(&rig);
            rig_destroy(&rig);
        }
    }
    cr_assert_gt(third, 50u);
}

/* --- pages that overlap */

static void unmap_larger_beside(void)
{
    status_beside = unmap(1, 16, NULL);
}

static void map_smaller_beside(void)
{
    status_beside = map(0, 21, 8);
}

static void map_elsewhere_beside(void)
{
    status_beside = map(0, 100, 16); /* to the larger page's frame */
}

/*
 * T1, A1: a larger page that a smaller one will refuse is never a mapping: nobody meets it who would unmap it, another
 * smaller one pushes it aside, and what it had is given back.
 */
Test(beside, T1_A1_a_larger_page_that_is_refused)
{
    static void (*const beside[])(void) = {unmap_larger_beside, map_smaller_beside, map_elsewhere_beside};
    unsigned i;

    for (i = 0; i < 3u; i++) {
        bool is_over = false;
        unsigned steps;

        for (steps = 0; !is_over; steps++) {
            enum hipt_status expected = i == 0 ? HIPT_ABSENT : HIPT_OK;
            enum hipt_status status;

            start();
            cr_assert_eq(map(0, 20, 7), HIPT_OK);
            status_beside = expected;
            step_interrupt(NULL, NULL, steps, beside[i]);
            status = map(1, 16, 16);
            is_over = !step_interrupted();
            cr_assert_eq(status, HIPT_OVERLAP, "case %u, interrupted at %u: %d", i, steps, (int)status);
            cr_assert_eq(status_beside, expected, "case %u, interrupted at %u: %d", i, steps, (int)status_beside);
            rig_check(&rig);
            cr_expect_no_cell_left();
            rig_destroy(&rig);
        }
        cr_assert_gt(steps, 20u);
    }
}

/* T1: of two overlapping pages on their way at once one becomes a mapping at most, and says so; the smaller wins. */
Test(beside, T1_a_larger_page_beside_a_smaller_one)
{
    bool is_over = false;
    unsigned steps;

    for (steps = 0; !is_over; steps++) {
        enum hipt_status status;

        start();
        step_interrupt(NULL, NULL, steps, map_smaller_beside);
        status = map(1, 16, 16);
        is_over = !step_interrupted();
        if (is_over) {
            map_smaller_beside();
        }
        cr_assert((status == HIPT_OK) != (status_beside == HIPT_OK), "interrupted at %u", steps);
        cr_assert(status_beside == HIPT_OK || status_beside == HIPT_OVERLAP, "interrupted at %u", steps);
        cr_assert_eq(lookup(16, &(struct hipt_translation){.slot = 0}), status == HIPT_OK ? HIPT_OK : HIPT_ABSENT);
        rig_destroy(&rig);
    }
    cr_assert_gt(steps, 20u);
}

static hipti_slot larger;
static enum hipti_state outcome;
static bool is_settled;

static void settle_larger_beside(void)
{
    uint64_t pte = hipti_slot_load(&rig.table->buckets, larger);

    is_settled = hipti_pte_state(pte) == HIPTI_TENTATIVE &&
                 hipti_slot_change(&rig.table->buckets, larger, &pte, hipti_pte_with_state(pte, outcome));
}

/* T1: a larger page on its way is pushed aside; or it was faster and is in the way, or it gave up: none is busy. */
Test(beside, T1_a_smaller_page_beside_the_end_of_a_larger_map)
{
    static const enum hipti_state outcomes[] = {HIPTI_LIVE, HIPTI_ENDED};
    unsigned i;

    for (i = 0; i < 2u; i++) {
        bool is_over = false;
        unsigned settled = 0;
        unsigned steps;

        for (steps = 0; !is_over; steps++) {
            struct hipt_page page;
            enum hipt_status status;
            uint64_t pte;

            start();
            page = (struct hipt_page){.asid = space.number, .size = 1, .vpn = 16};
            outcome = outcomes[i];
            cr_assert_eq(map(1, 16, 16), HIPT_OK);
            cr_assert(hipti_bucket_find(&rig.table->buckets, hipti_page_place(rig.table, &page), &larger, &pte, NULL));
            hipti_slot_publish(&rig.table->buckets, larger, hipti_pte_with_state(pte, HIPTI_TENTATIVE));
            is_settled = false;
            step_interrupt(NULL, NULL, steps, settle_larger_beside);
            status = map(0, 20, 7);
            is_over = !step_interrupted();
            settled += is_settled;
            cr_assert_eq(status, is_settled && outcome == HIPTI_LIVE ? HIPT_OVERLAP : HIPT_OK, "interrupted at %u: %d",
                         steps, (int)status);
            if (status == HIPT_OK) {
                cr_assert_eq(unmap(0, 20, NULL), HIPT_OK);
            }
            hipti_slot_publish(&rig.table->buckets, larger, pte);
            rig_destroy(&rig);
        }
        cr_assert_gt(settled, 10u);
    }
}
