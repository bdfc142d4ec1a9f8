/* SPDX-License-Identifier: MIT */
/*
 * The validator of the whole structure: each fault that it knows is planted, in a word at a time, and it names it; the
 * word is put back, and all is well.
 */
#include <criterion/criterion.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "map/table.h"
#include "support/rig.h"

#define COUNT_SHIFT 28 /* of a frame's word */
#define COUNT_BITS 20
#define STATE_SHIFT 61
#define STATE_BITS 3

static struct rig rig;
static uint32_t asid;

static void start(uint64_t buckets)
{
    rig_init(&rig);
    rig.config.buckets = buckets;
    cr_assert(rig_create(&rig));
    asid = rig_asid(&rig).number;
}

static void map(uint32_t size, uint64_t vpn, uint64_t pfn)
{
    struct hipt_mapping mapping = rig_mapping(asid, size, vpn, pfn);

    cr_assert_eq(hipt_map(rig.table, &mapping), HIPT_OK);
}

static struct hipti_place place_of(uint32_t size, uint64_t vpn)
{
    struct hipt_page page = {.asid = asid, .size = size, .vpn = vpn};

    return hipti_page_place(rig.table, &page);
}

static hipti_slot slot_of(uint32_t size, uint64_t vpn)
{
    hipti_slot slot = 0;
    uint64_t pte;

    cr_assert(hipti_bucket_find(&rig.table->buckets, place_of(size, vpn), &slot, &pte, NULL));
    return slot;
}

static struct hipti_line *line_of(hipti_slot slot)
{
    return hipti_buckets_line(&rig.table->buckets, slot / HIPT_SLOTS);
}

static uint32_t number_of(uint64_t pfn)
{
    return hipti_frames_number(&rig.table->frames, pfn, false);
}

static struct hipti_frame *record_of(uint64_t pfn)
{
    return (struct hipti_frame *)(void *)hipti_arena_at(&rig.table->frames.records, number_of(pfn));
}

/* The table is refused, by a line that names "@what @number" and the @fault. */
static void cr_expect_fault(const char *what, uint64_t number, const char *fault)
{
    char expected[100];
    char text[200];

    snprintf(expected, sizeof(expected), "%s %llu ", what, (unsigned long long)number);
    cr_assert(!hipt_table_is_valid(rig.table, text, sizeof(text)), "%s: %s", expected, fault);
    cr_expect_eq(strncmp(text, expected, strlen(expected)), 0, "\"%s\" does not begin with \"%s\"", text, expected);
    cr_expect_not_null(strstr(text, fault), "no \"%s\" in \"%s\"", fault, text);
}

/* A slot that an operation has left in the middle, in any state but those of rest. */
Test(valid, slots_between_two_states)
{
    static const enum hipti_state states[] = {HIPTI_CLAIMED, HIPTI_ENDED, HIPTI_TENTATIVE, HIPTI_FROZEN, HIPTI_HELD};
    hipti_slot slot;
    uint64_t word;
    size_t i;

    start(4);
    map(0, 5, 7);
    slot = slot_of(0, 5);
    word = hipti_slot_load(&rig.table->buckets, slot);
    for (i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        hipti_slot_publish(&rig.table->buckets, slot, hipti_pte_with_state(word, states[i]));
        cr_expect_fault("slot", slot, "between two states");
    }
    hipti_slot_publish(&rig.table->buckets, slot, word);
    rig_destroy(&rig);
}

/* T1: a key in two slots, and one in a line that no chain has. */
Test(valid, T1_keys_that_are_found_elsewhere)
{
    struct hipti_line *line;
    hipti_slot slot;
    uint64_t header;
    uint64_t vpn;

    start(1);
    map(0, 5, 7);
    slot = slot_of(0, 5);
    line = line_of(slot);
    hipti_store_relaxed(&line->lo[2], hipti_load_relaxed(&line->lo[slot]));
    hipti_store_relaxed(&line->hi[2], hipti_load_relaxed(&line->hi[slot]));
    hipti_slot_publish(&rig.table->buckets, 2, hipti_slot_load(&rig.table->buckets, slot));
    cr_expect_fault("slot", 2, "T1");
    hipti_slot_publish(&rig.table->buckets, 2, 0);
    for (vpn = 6; vpn < 10u; vpn++) {
        map(0, vpn, vpn);
    }
    slot = slot_of(0, 9);
    cr_assert_geq(slot, HIPT_SLOTS);
    header = hipti_load_relaxed(&line->header);
    hipti_store_release(&line->header, hipti_header_relink(header, HIPTI_NONE, 20));
    cr_expect_fault("slot", slot, "T1");
    hipti_store_release(&line->header, header & ~HIPTI_HEADER_FILTER);
    cr_expect_fault("slot", slot, "T1");
    hipti_store_release(&line->header, header);
    rig_destroy(&rig);
}

/* F1, A1: a mapping of a frame that does not know it, of one that is in no range, and one that its space forgot. */
Test(valid, F1_A1_mappings_that_others_do_not_know)
{
    static const uint64_t pfns[] = {8, RIG_FRAMES};
    HIPTI_ATOMIC(uint32_t) * cell;
    hipti_slot slot;
    uint32_t named;
    uint64_t word;
    size_t i;

    start(4);
    map(0, 5, 7);
    slot = slot_of(0, 5);
    word = hipti_slot_load(&rig.table->buckets, slot);
    for (i = 0; i < sizeof(pfns) / sizeof(pfns[0]); i++) {
        hipti_slot_publish(&rig.table->buckets, slot, hipti_field_set(word, 0, HIPT_PFN_BITS, pfns[i]));
        cr_expect_fault("slot", slot, "F1");
    }
    hipti_slot_publish(&rig.table->buckets, slot, word);
    named = hipti_frame_cell(&rig.table->frames, number_of(7), slot);
    cell = &((struct hipti_cells *)(void *)hipti_arena_at(&rig.table->asids.blocks, named / HIPTI_BLOCK_CELLS))
                ->cell[named % HIPTI_BLOCK_CELLS];
    named = hipti_load_relaxed(cell);
    hipti_store_release(cell, named + 1u);
    cr_expect_fault("slot", slot, "A1");
    hipti_store_release(cell, named);
    rig_destroy(&rig);
}

/* A page mapped with everything that belongs to it, but for the look at pages of other sizes. */
static void map_over(uint32_t size, uint64_t vpn, uint64_t pfn)
{
    struct hipt_mapping m = rig_mapping(asid, size, vpn, pfn);
    struct hipti_asid *space = hipti_asid_active(&rig.table->asids, asid);
    enum hipt_status status = HIPT_OK;
    struct hipti_claim claim;
    struct hipti_pair pair;

    hipt_read_enter(rig.table);
    cr_assert_eq(hipti_bucket_claim(&rig.table->buckets, place_of(size, vpn), hipti_pte_pack(&m), &claim), HIPT_OK);
    pair.slot = claim.slot;
    pair.cell = hipti_asid_remember(&rig.table->asids, space, claim.slot, &status);
    cr_assert_eq(hipti_frame_link(&rig.table->frames, number_of(pfn), pair), HIPT_OK);
    cr_assert_eq(hipti_bucket_commit(&rig.table->buckets, &claim), HIPT_OK);
    hipti_slot_publish(&rig.table->buckets, claim.slot, hipti_pte_with_state(claim.pte, HIPTI_LIVE));
    hipt_read_exit(rig.table);
}

/* T1: a page inside a larger one, of the next size and of the one after. */
Test(valid, T1_pages_that_overlap)
{
    uint32_t size;

    for (size = 1; size <= 2u; size++) {
        struct hipt_page page;

        start(4);
        page = (struct hipt_page){.asid = asid, .size = size, .vpn = RIG_LARGE};
        map(0, RIG_LARGE + 5u, 7);
        map(0, 5, 8);
        map_over(size, RIG_LARGE, RIG_LARGE);
        cr_expect_fault("slot", slot_of(0, RIG_LARGE + 5u), "larger");
        cr_assert_eq(hipt_unmap(rig.table, &page, NULL), HIPT_OK);
        rig_destroy(&rig);
    }
}

/* F1: frames with a pair of a slot that maps nothing, or another frame, and with a count that is not that of pairs. */
Test(valid, F1_frames_that_know_too_much)
{
    struct hipti_frame *record;
    hipti_slot slot;
    uint64_t word;
    uint64_t pair;

    start(4);
    map(0, 5, 7);
    map(0, 6, 8);
    slot = slot_of(0, 5);
    record = record_of(9);
    hipti_store_relaxed(&record->word, hipti_field_set(UINT64_C(1) << COUNT_SHIFT, STATE_SHIFT, STATE_BITS,
                                                       HIPT_FRAME_MAPPED));
    hipti_store_relaxed(&record->first, UINT64_C(5) << 32 | (slot ^ 1u)); /* a free slot */
    cr_expect_fault("frame record", number_of(9), "does not map it");
    hipti_store_relaxed(&record->first, UINT64_C(5) << 32 | slot);
    cr_expect_fault("frame record", number_of(9), "does not map it");
    hipti_store_relaxed(&record->first, 0);
    cr_expect_fault("frame record", number_of(9), "F1");
    hipti_store_relaxed(&record->word, 0);
    record = record_of(8);
    word = hipti_load_relaxed(&record->word);
    pair = hipti_load_relaxed(&record->first);
    hipti_store_relaxed(&record->word, hipti_field_set(word, COUNT_SHIFT, COUNT_BITS, 2));
    cr_expect_fault("frame record", number_of(8), "F1");
    cr_assert_eq(hipti_load_relaxed(&record->first), pair);
    hipti_store_relaxed(&record->word, word);
    rig_destroy(&rig);
}

/* Frames whose state says mapped where nothing is, or the other way round, and one that is left in UNMAPPING. */
Test(valid, frames_in_a_wrong_state)
{
    struct hipti_frame *record;
    uint64_t word;

    start(4);
    map(0, 5, 7);
    record = record_of(7);
    word = hipti_load_relaxed(&record->word);
    hipti_store_relaxed(&record->word, hipti_field_set(word, STATE_SHIFT, STATE_BITS, HIPT_FRAME_OWNED));
    cr_expect_fault("frame record", number_of(7), "forbids");
    hipti_store_relaxed(&record->word, word);
    record = record_of(9);
    hipti_store_relaxed(&record->word, hipti_field_set(0, STATE_SHIFT, STATE_BITS, HIPT_FRAME_MAPPED));
    cr_expect_fault("frame record", number_of(9), "forbids");
    hipti_store_relaxed(&record->word, hipti_field_set(0, STATE_SHIFT, STATE_BITS, HIPT_FRAME_UNMAPPING));
    cr_expect_fault("frame record", number_of(9), "forbids");
    hipti_store_relaxed(&record->word, 0);
    rig_destroy(&rig);
}
