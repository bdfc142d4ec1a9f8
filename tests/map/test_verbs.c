/* SPDX-License-Identifier: MIT */
/*
 * The verbs, one after another by one thread: every status that each can answer, and that whatever is refused has
 * changed nothing, by a picture of the whole table before and after.
 */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#include <criterion/criterion.h>

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "map/gather.h"
#include "map/table.h"
#include "support/rig.h"
#include "support/step.h"

static struct rig rig;
static struct rig_picture picture;
static uint32_t asid;

static void start_bits(unsigned version_bits, unsigned sequence_bits)
{
    rig_init(&rig);
    rig.config.version_bits = version_bits;
    rig.config.sequence_bits = sequence_bits;
    cr_assert(rig_create(&rig));
    asid = rig_asid(&rig).number;
}

static void start(void)
{
    start_bits(HIPT_VERSION_BITS_MAX, HIPT_SEQUENCE_BITS_MAX);
}

static enum hipt_status map(uint32_t size, uint64_t vpn, uint64_t pfn)
{
    struct hipt_mapping mapping = rig_mapping(asid, size, vpn, pfn);

    return hipt_map(rig.table, &mapping);
}

static struct hipt_page page(uint32_t size, uint64_t vpn)
{
    struct hipt_page made = {.asid = asid, .size = size, .vpn = vpn};

    return made;
}

static enum hipt_status unmap(uint32_t size, uint64_t vpn)
{
    struct hipt_page at = page(size, vpn);

    return hipt_unmap(rig.table, &at, NULL);
}

static enum hipt_status remap(uint32_t size, uint64_t vpn, uint64_t pfn)
{
    struct hipt_mapping mapping = rig_mapping(asid, size, vpn, pfn);

    return hipt_remap(rig.table, &mapping, NULL);
}

static enum hipt_status protect(uint32_t size, uint64_t vpn, uint8_t prot)
{
    struct hipt_page at = page(size, vpn);

    return hipt_protect(rig.table, &at, prot);
}

static enum hipt_status lookup(uint64_t vpn, struct hipt_translation *out)
{
    return hipt_lookup(rig.table, asid, vpn, out);
}

static void cr_expect_frame(uint64_t pfn, enum hipt_frame_state state, uint32_t mappings)
{
    struct hipt_frame_status status;

    cr_assert_eq(hipt_frame_get(rig.table, (struct hipt_frame){.pfn = pfn}, &status), HIPT_OK);
    cr_assert(status.state == state && status.mappings == mappings, "frame %llu: state %d, %u mappings",
              (unsigned long long)pfn, (int)status.state, status.mappings);
}

/* The internal slot of a page, to put it into states that only a stopped thread leaves behind. */
static hipti_slot slot_of(uint32_t size, uint64_t vpn)
{
    struct hipt_page at = page(size, vpn);
    hipti_slot slot = 0;
    uint64_t pte;

    cr_assert(hipti_bucket_find(&rig.table->buckets, hipti_page_place(rig.table, &at), &slot, &pte, NULL));
    return slot;
}

static void set_state(hipti_slot slot, enum hipti_state state)
{
    hipti_slot_publish(&rig.table->buckets, slot,
                       hipti_pte_with_state(hipti_slot_load(&rig.table->buckets, slot), state));
}

/* --- bad input */

/* A mapping is wrong in one number: every verb that takes it says which, the text names value and bound. */
Test(map, bad_input_is_named_and_changes_nothing)
{
    static const struct {
        struct hipt_mapping m;
        enum hipt_status status;
        const char *value, *bound;
    } cases[] = {
        {{.page = {.asid = 16}, .prot = 1}, HIPT_BAD_ASID, "asid 16", "15"},
        {{.page = {.asid = UINT32_MAX}, .prot = 1}, HIPT_BAD_ASID, "asid 4294967295", "15"},
        {{.page = {.size = 3}, .prot = 1}, HIPT_BAD_SIZE, "size class 3", "3"},
        {{.page = {.size = UINT32_MAX}, .prot = 1}, HIPT_BAD_SIZE, "size class 4294967295", "3"},
        {{.page = {.vpn = RIG_VPNS}, .prot = 1}, HIPT_BAD_VPN, "vpn 16777216", "16777215"},
        {{.page = {.vpn = UINT64_MAX}, .prot = 1}, HIPT_BAD_VPN, "vpn 18446744073709551615", "16777215"},
        {{.page = {.size = 1, .vpn = 8}, .prot = 1}, HIPT_UNALIGNED, "vpn 8", "16"},
        {{.page = {.size = 2, .vpn = 256}, .prot = 1}, HIPT_UNALIGNED, "vpn 256", "512"},
        {{.page = {.size = 2}, .pfn = 16, .prot = 1}, HIPT_UNALIGNED, "pfn 16", "512"},
        {{.pfn = RIG_FRAMES, .prot = 1}, HIPT_BAD_PFN, "pfn 4096", "4095"},
        {{.pfn = RIG_SWAP, .prot = 1, .swap = true}, HIPT_BAD_PFN, "swap slot 64", "63"},
        {{.pfn = UINT64_MAX, .prot = 1}, HIPT_BAD_PFN, "pfn 18446744073709551615", "4095"},
        {{.page = {.size = 2}, .prot = 1, .swap = true}, HIPT_BAD_PFN, "swap slot 511", "which is 0"},
        {{.prot = 0}, HIPT_BAD_PROT, "protection 0", "7"},
        {{.prot = HIPT_USER}, HIPT_BAD_PROT, "protection 8", "7"},
        {{.prot = 0x11}, HIPT_BAD_PROT, "protection 17", "15"},
        {{.prot = 1, .attr = 8}, HIPT_BAD_ATTR, "attribute 8", "7"},
        {{.prot = 1, .marks = 4}, HIPT_BAD_ATTR, "marks 4", "3"},
    };
    size_t i;

    start();
    cr_assert_eq(map(0, 0, 0), HIPT_OK);
    rig_look(&rig, &picture);
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct hipt_mapping m = cases[i].m;
        uint64_t done = 7;
        char text[200];

        m.page.asid = m.page.asid ? m.page.asid : asid;
        cr_expect_eq(hipt_map(rig.table, &m), cases[i].status, "case %zu", i);
        cr_expect_eq(hipt_remap(rig.table, &m, NULL), cases[i].status, "case %zu", i);
        cr_expect_eq(hipt_map_range(rig.table, &m, 2, &done), cases[i].status, "case %zu", i);
        cr_expect_eq(done, 0);
        cr_expect_eq(hipt_mapping_explain(rig.table, &m, 1, text, sizeof(text)), cases[i].status, "case %zu", i);
        cr_expect_not_null(strstr(text, cases[i].value), "no \"%s\" in \"%s\"", cases[i].value, text);
        cr_expect_not_null(strstr(text, cases[i].bound), "no \"%s\" in \"%s\"", cases[i].bound, text);
        cr_assert(rig_unchanged(&rig, &picture), "case %zu", i);
    }
    rig_destroy(&rig);
}

/* The same for the verbs that take a page and a protection. */
Test(map, bad_pages_change_nothing)
{
    static const struct {
        struct hipt_page page;
        uint8_t prot;
        enum hipt_status status;
    } cases[] = {{{.asid = 16}, 1, HIPT_BAD_ASID},          {{.size = 3}, 1, HIPT_BAD_SIZE},
                 {{.vpn = RIG_VPNS}, 1, HIPT_BAD_VPN},      {{.size = 1, .vpn = 8}, 1, HIPT_UNALIGNED},
                 {{.size = 2, .vpn = 16}, 1, HIPT_UNALIGNED}, {{.vpn = 0}, 0, HIPT_BAD_PROT},
                 {{.vpn = 0}, HIPT_USER, HIPT_BAD_PROT},    {{.vpn = 0}, 0x10, HIPT_BAD_PROT}};
    size_t i;

    start();
    cr_assert_eq(map(0, 0, 0), HIPT_OK);
    rig_look(&rig, &picture);
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct hipt_page at = cases[i].page;
        uint64_t done = 7;

        at.asid = at.asid ? at.asid : asid;
        cr_expect_eq(hipt_protect(rig.table, &at, cases[i].prot), cases[i].status, "case %zu", i);
        cr_expect_eq(hipt_protect_range(rig.table, &at, 1, cases[i].prot, &done), cases[i].status, "case %zu", i);
        cr_expect_eq(done, 0);
        if (cases[i].status != HIPT_BAD_PROT) {
            cr_expect_eq(hipt_unmap(rig.table, &at, NULL), cases[i].status, "case %zu", i);
            cr_expect_eq(hipt_unmap_range(rig.table, &at, 1, &done), cases[i].status, "case %zu", i);
            cr_expect_eq(done, 0);
        }
        cr_assert(rig_unchanged(&rig, &picture), "case %zu", i);
    }
    rig_destroy(&rig);
}

/* An asid that is not allocated cannot be mapped; nothing is mapped there; the text says how to get one. */
Test(map, an_asid_that_nobody_has)
{
    struct hipt_translation translation;
    struct hipt_mapping m;
    char text[200];

    start();
    m = rig_mapping(9, 0, 1, 1);
    rig_look(&rig, &picture);
    cr_assert_eq(hipt_map(rig.table, &m), HIPT_BAD_ASID);
    cr_assert_eq(hipt_mapping_explain(rig.table, &m, 1, text, sizeof(text)), HIPT_BAD_ASID);
    cr_assert(strstr(text, "asid 9") && strstr(text, "15"), "%s", text);
    cr_assert_eq(hipt_lookup(rig.table, 9, 1, &translation), HIPT_ABSENT);
    cr_assert_eq(hipt_unmap(rig.table, &m.page, NULL), HIPT_ABSENT);
    cr_assert_eq(hipt_remap(rig.table, &m, NULL), HIPT_ABSENT);
    cr_assert_eq(hipt_protect(rig.table, &m.page, 1), HIPT_ABSENT);
    cr_assert(rig_unchanged(&rig, &picture));
    m.page.asid = asid;
    cr_assert_eq(hipt_mapping_explain(rig.table, &m, 1, text, sizeof(text)), HIPT_OK);
    cr_assert_str_eq(text, "");
    rig_destroy(&rig);
}

/* Lookups out of range, and what they leave of @out. */
Test(map, lookups_out_of_range)
{
    struct hipt_translation translation;
    struct hipt_translation before;
    struct hipt_mapping mapping;
    size_t count = 9;
    bool found = true;

    start();
    memset(&translation, 0x5a, sizeof(translation));
    before = translation;
    cr_assert_eq(hipt_lookup(rig.table, 16, 0, &translation), HIPT_BAD_ASID);
    cr_assert_eq(hipt_lookup(rig.table, asid, RIG_VPNS, &translation), HIPT_BAD_VPN);
    cr_assert_eq(hipt_lookup(rig.table, 15, RIG_VPNS - 1, &translation), HIPT_ABSENT, "the last of both");
    cr_assert_eq(hipt_lookup(rig.table, asid, 5, &translation), HIPT_ABSENT);
    cr_assert_eq(memcmp(&translation, &before, sizeof(before)), 0);
    cr_assert_eq(hipt_lookup_lines(rig.table, 16, 0, &found), 0u);
    cr_assert(!found);
    cr_assert_eq(hipt_reverse(rig.table, (struct hipt_frame){.pfn = RIG_FRAMES}, &mapping, 1, &count), HIPT_BAD_PFN);
    cr_assert_eq(count, 0);
    cr_assert_eq(hipt_reverse(rig.table, (struct hipt_frame){.pfn = 5}, NULL, 0, &count), HIPT_ABSENT);
    rig_destroy(&rig);
}

/* --- the life of a mapping */

/* T1, T2: what was mapped is found as it was mapped, in every protection, attribute and mark; and only there. */
Test(map, T1_T2_what_is_mapped_is_found)
{
    unsigned bits;

    start();
    for (bits = 0; bits < 16u * 8u * 4u; bits++) {
        struct hipt_mapping m = rig_mapping(asid, 0, 1000u + bits, bits);
        struct hipt_translation translation;
        enum hipt_status expected = bits & 7u ? HIPT_OK : HIPT_BAD_PROT;

        m.prot = bits & 15u;
        m.attr = bits >> 4 & 7u;
        m.marks = (uint8_t)(bits >> 7);
        cr_assert_eq(hipt_map(rig.table, &m), expected, "bits %u", bits);
        cr_assert_eq(lookup(1000u + bits, &translation), expected == HIPT_OK ? HIPT_OK : HIPT_ABSENT);
        cr_assert(expected != HIPT_OK || rig_same(&translation.mapping, &m));
    }
    cr_assert_eq(hipt_lookup(rig.table, asid ^ 1u, 1001, &(struct hipt_translation){.slot = 0}), HIPT_ABSENT);
    rig_destroy(&rig);
}

/* T1, F1, R1: mapped once; the second map is refused; unmapped once; the frame goes into limbo and comes back. */
Test(map, T1_F1_R1_map_and_unmap)
{
    struct hipt_mapping untouched;
    struct hipt_mapping was;
    struct hipt_page at;
    struct hipt_frame frame;

    start();
    at = page(0, 5);
    cr_assert_eq(map(0, 5, 7), HIPT_OK);
    rig_look(&rig, &picture);
    cr_assert_eq(map(0, 5, 7), HIPT_EXISTS);
    cr_assert_eq(map(0, 5, 8), HIPT_EXISTS);
    cr_assert(rig_unchanged(&rig, &picture));
    cr_assert_eq(hipt_unmap(rig.table, &at, &was), HIPT_OK);
    cr_assert(rig_same(&was, &picture.mapping[0]));
    cr_expect_frame(7, HIPT_FRAME_LIMBO, 0);
    rig_look(&rig, &picture);
    cr_assert_eq(unmap(0, 5), HIPT_ABSENT);
    memset(&was, 0x55, sizeof(was));
    memset(&untouched, 0x55, sizeof(untouched));
    cr_assert_eq(hipt_unmap(rig.table, &at, &was), HIPT_ABSENT);
    cr_assert_eq(memcmp(&was, &untouched, sizeof(was)), 0, "nothing was unmapped, so nothing is said of it");
    cr_assert_eq(map(0, 5, 7), HIPT_BUSY, "the frame is in limbo");
    cr_assert_eq(remap(0, 5, 8), HIPT_ABSENT);
    cr_assert_eq(protect(0, 5, HIPT_READ), HIPT_ABSENT);
    cr_assert(rig_unchanged(&rig, &picture));
    cr_assert_eq(map(0, 5, 8), HIPT_OK, "the page itself is free at once");
    cr_assert_eq(hipt_frame_reap(rig.table, &frame, 1), 0);
    rig_pass(&rig);
    cr_assert_eq(hipt_frame_reap(rig.table, &frame, 1), 1);
    cr_assert(frame.pfn == 7 && !frame.swap);
    cr_assert_eq(map(0, 6, 7), HIPT_OK);
    rig_destroy(&rig);
}

/* T1, S2: while another thread has a page held or on its way, every verb that would change it answers at once. */
Test(map, T4_S2_pages_in_the_hands_of_others)
{
    static const enum hipti_state states[] = {HIPTI_HELD, HIPTI_TENTATIVE};
    struct hipt_translation translation;
    uint64_t done;
    size_t count;
    bool found;
    size_t i;

    start();
    cr_assert_eq(map(0, 4, 6), HIPT_OK);
    cr_assert_eq(map(0, 5, 7), HIPT_OK);
    for (i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        bool is_held = states[i] == HIPTI_HELD;
        enum hipt_status expected = is_held ? HIPT_BUSY : HIPT_ABSENT;
        hipti_slot slot = slot_of(0, 5);

        set_state(slot, states[i]);
        rig_look(&rig, &picture);
        cr_assert_eq(lookup(5, &translation), is_held ? HIPT_OK : HIPT_ABSENT, "state %d", (int)states[i]);
        cr_assert_geq(hipt_lookup_lines(rig.table, asid, 5, &found), 1u);
        cr_assert_eq(found, is_held, "state %d", (int)states[i]);
        cr_assert_eq(hipt_reverse(rig.table, (struct hipt_frame){.pfn = 7}, NULL, 0, &count),
                     is_held ? HIPT_OK : HIPT_ABSENT, "F1, state %d", (int)states[i]);
        cr_assert_eq(map(0, 5, 9), is_held ? HIPT_EXISTS : HIPT_BUSY, "state %d", (int)states[i]);
        cr_assert_eq(unmap(0, 5), expected, "state %d", (int)states[i]);
        cr_assert_eq(protect(0, 5, HIPT_READ), expected);
        cr_assert_eq(remap(0, 5, 9), expected);
        cr_assert(rig_unchanged(&rig, &picture));
        cr_assert_eq(hipt_protect_range(rig.table, &(struct hipt_page){.asid = asid, .vpn = 4}, 2, HIPT_READ, &done),
                     is_held ? HIPT_BUSY : HIPT_OK);
        cr_assert_eq(done, 1u, "the other page of the range is changed");
        set_state(slot, HIPTI_LIVE);
    }
    set_state(slot_of(0, 5), HIPTI_HELD);
    cr_assert_eq(hipt_unmap_range(rig.table, &(struct hipt_page){.asid = asid, .vpn = 3}, 4, &done), HIPT_BUSY);
    cr_assert_eq(done, 1u);
    set_state(slot_of(0, 5), HIPTI_LIVE);
    rig_destroy(&rig);
}

/* As if another thread's unmap of a page were stopped after its step 1. */
static struct hipti_taken freeze(uint64_t vpn)
{
    static const struct hipti_freezing freezing = {0, false};
    struct hipti_taken taken = {.asid = asid, .slot = slot_of(0, vpn)};

    taken.pte = hipti_slot_load(&rig.table->buckets, taken.slot);
    hipt_read_enter(rig.table);
    cr_assert_eq(hipti_freeze(rig.table, taken.slot, &taken.pte, freezing), HIPT_OK);
    hipt_read_exit(rig.table);
    return taken;
}

/* And goes on. */
static void destroy(struct hipti_taken taken)
{
    hipt_read_enter(rig.table);
    hipti_destroy(rig.table, taken, HIPTI_UNLINK_END);
    hipt_read_exit(rig.table);
}

/* S2, T4: a page that is frozen is absent, and closed to updates; its key is not: who wants it ends the slot. */
Test(map, S2_T4_a_frozen_page_is_ended_by_who_wants_it)
{
    struct hipt_translation translation;
    struct hipti_taken taken;
    size_t count;

    start();
    cr_assert_eq(map(0, 5, 7), HIPT_OK);
    taken = freeze(5);
    cr_assert_eq(lookup(5, &translation), HIPT_ABSENT);
    cr_assert_eq(hipt_reverse(rig.table, (struct hipt_frame){.pfn = 7}, NULL, 0, &count), HIPT_ABSENT);
    cr_assert_eq(protect(0, 5, HIPT_READ), HIPT_BUSY);
    cr_assert_eq(remap(0, 5, 8), HIPT_BUSY);
    cr_assert_eq(hipti_pte_state(hipti_slot_load(&rig.table->buckets, taken.slot)), HIPTI_FROZEN);
    cr_assert_eq(unmap(0, 5), HIPT_ABSENT);
    cr_assert_eq(hipti_pte_state(hipti_slot_load(&rig.table->buckets, taken.slot)), HIPTI_ENDED);
    cr_assert_eq(protect(0, 5, HIPT_READ), HIPT_ABSENT);
    cr_assert_eq(remap(0, 5, 8), HIPT_ABSENT);
    destroy(taken);
    cr_assert(hipt_table_is_valid(rig.table, NULL, 0));
    rig_destroy(&rig);
}

/* T1, F1: it can be mapped again, to the same frame too, while its last mapping has not been taken out. */
Test(map, T1_F1_a_page_beside_its_last_life)
{
    struct hipt_translation translation;
    struct hipt_frame_status status;
    uint64_t pfn;

    for (pfn = 7; pfn <= 8u; pfn++) {
        struct hipti_taken taken;
        size_t count;

        start();
        cr_assert_eq(map(0, 5, 7), HIPT_OK);
        taken = freeze(5);
        cr_assert_eq(map(0, 5, pfn), HIPT_OK);
        cr_assert_eq(map(0, 5, pfn), HIPT_EXISTS);
        cr_assert_neq(slot_of(0, 5), taken.slot);
        cr_assert_eq(lookup(5, &translation), HIPT_OK);
        cr_assert_eq(translation.mapping.pfn, pfn);
        cr_assert_eq(hipt_reverse(rig.table, (struct hipt_frame){.pfn = pfn}, NULL, 0, &count), HIPT_OK);
        cr_assert_eq(count, 1u);
        destroy(taken);
        cr_assert(hipt_table_is_valid(rig.table, NULL, 0));
        cr_assert_eq(hipt_frame_get(rig.table, (struct hipt_frame){.pfn = pfn}, &status), HIPT_OK);
        cr_assert_eq(status.mappings, 1u);
        cr_assert_eq(unmap(0, 5), HIPT_OK);
        cr_assert_eq(unmap(0, 5), HIPT_ABSENT);
        rig_destroy(&rig);
    }
}

/* A1: a map that is refused, at whatever point, has left nothing in its asid, whose number can be issued again. */
Test(map, A1_a_refused_map_leaves_no_cell)
{
    static const struct {
        uint32_t size;
        uint64_t vpn, pfn;
        enum hipt_status status;
    } cases[] = {{0, 5, 9, HIPT_EXISTS},
                 {0, 6, 8, HIPT_BUSY}, /* the frame is in limbo */
                 {1, 0, 16, HIPT_OVERLAP},
                 {0, 600, 9, HIPT_OVERLAP}};
    size_t i;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct hipt_asid space;
        struct hipt_asid again;

        start();
        space = rig_asid(&rig);
        asid = space.number;
        cr_assert_eq(map(0, 5, 7), HIPT_OK);
        cr_assert_eq(map(0, 4, 8), HIPT_OK);
        cr_assert_eq(unmap(0, 4), HIPT_OK);
        cr_assert_eq(map(2, 512, 512), HIPT_OK);
        cr_assert_eq(map(cases[i].size, cases[i].vpn, cases[i].pfn), cases[i].status, "case %zu", i);
        cr_assert_eq(hipt_asid_retire(rig.table, space, NULL), HIPT_OK);
        again = rig_asid(&rig); /* asks for the grace period */
        cr_assert_neq(again.number, space.number);
        rig_pass(&rig);
        again = rig_asid(&rig);
        cr_assert_eq(again.number, space.number, "case %zu: a cell is in use", i);
        rig_destroy(&rig);
    }
}

/* T1: protect changes the protection, and nothing else; accessed, dirty, pfn and attribute stay. */
Test(map, T1_protect)
{
    struct hipt_translation translation;
    struct hipt_mapping m;
    uint8_t prot;

    start();
    m = rig_mapping(asid, 0, 5, 7);
    m.marks = HIPT_ACCESSED | HIPT_DIRTY;
    m.attr = 5;
    cr_assert_eq(hipt_map(rig.table, &m), HIPT_OK);
    for (prot = 1; prot < 16u; prot++) {
        m.prot = prot == HIPT_USER ? m.prot : prot;
        cr_assert_eq(protect(0, 5, prot), prot == HIPT_USER ? HIPT_BAD_PROT : HIPT_OK);
        cr_assert_eq(lookup(5, &translation), HIPT_OK);
        cr_assert(rig_same(&translation.mapping, &m));
    }
    rig_destroy(&rig);
}

/* T1, F1, S3: remap moves a page to another frame, a swap slot, or another protection; the old end is reported. */
Test(map, T1_F1_S3_remap)
{
    struct hipt_mapping was;
    struct hipt_mapping to;
    struct hipt_translation translation;
    size_t count;

    start();
    cr_assert_eq(map(0, 5, 7), HIPT_OK);
    cr_assert_eq(lookup(5, &translation), HIPT_OK);
    cr_assert_eq(hipt_mark(rig.table, &translation, HIPT_DIRTY), HIPT_OK);
    to = rig_mapping(asid, 0, 5, 8);
    cr_assert_eq(hipt_remap(rig.table, &to, &was), HIPT_OK);
    cr_assert(rig_same(&was, &translation.mapping), "S3: dirty included");
    cr_assert_eq(lookup(5, &translation), HIPT_OK);
    cr_assert(rig_same(&translation.mapping, &to));
    cr_expect_frame(7, HIPT_FRAME_LIMBO, 0);
    cr_expect_frame(8, HIPT_FRAME_MAPPED, 1);
    cr_assert_eq(hipt_reverse(rig.table, (struct hipt_frame){.pfn = 8}, &was, 1, &count), HIPT_OK);
    cr_assert(count == 1 && rig_same(&was, &to));
    cr_assert_eq(hipt_reverse(rig.table, (struct hipt_frame){.pfn = 7}, &was, 1, &count), HIPT_ABSENT);
    to.pfn = 3;
    to.swap = true;
    cr_assert_eq(hipt_remap(rig.table, &to, NULL), HIPT_OK);
    cr_assert_eq(lookup(5, &translation), HIPT_OK);
    cr_assert(rig_same(&translation.mapping, &to));
    to.prot = HIPT_EXEC; /* the same swap slot */
    cr_assert_eq(hipt_remap(rig.table, &to, NULL), HIPT_OK);
    cr_assert_eq(lookup(5, &translation), HIPT_OK);
    cr_assert(rig_same(&translation.mapping, &to));
    rig_check(&rig);
    rig_look(&rig, &picture);
    cr_assert_eq(picture.frame[RIG_FRAMES + 3].mappings, 1u, "F1: linked once");
    cr_assert_eq(remap(0, 5, 7), HIPT_BUSY, "its first frame is in limbo");
    cr_assert_eq(remap(0, 6, 9), HIPT_ABSENT);
    cr_assert(rig_unchanged(&rig, &picture));
    rig_destroy(&rig);
}

/* F1: a page that goes from frame to frame among many sharers leaves each of them as it was. */
Test(map, F1_remap_among_sharers)
{
    uint64_t n;

    start();
    for (n = 0; n < 20u; n++) {
        cr_assert_eq(map(0, n, n / 10u), HIPT_OK);
    }
    for (n = 0; n < 10u; n++) { /* by turns, so that neither frame is ever without a mapping */
        cr_assert_eq(remap(0, n, 1), HIPT_OK);
        rig_check(&rig);
        cr_assert_eq(remap(0, 10u + n, 0), HIPT_OK);
        rig_check(&rig);
    }
    cr_expect_frame(0, HIPT_FRAME_MAPPED, 10);
    cr_expect_frame(1, HIPT_FRAME_MAPPED, 10);
    rig_destroy(&rig);
}

/* --- page sizes */

/* Everything in limbo comes back; what already waits for a grace period, and what does not yet. */
static void reap_all(void)
{
    struct hipt_frame frames[8];
    unsigned i;

    for (i = 0; i < 3u; i++) {
        while (hipt_frame_reap(rig.table, frames, 8) > 0) {
            /* until no more is ready */
        }
        rig_pass(&rig);
    }
}

/* A mapping of any size is found at every base page that it covers, and at none beside it. */
Test(map, T1_lookups_through_every_size)
{
    static const uint64_t pages[] = {1, RIG_MEDIUM, RIG_LARGE};
    uint32_t size;

    start();
    for (size = 0; size < 3u; size++) {
        uint64_t first = (8u + size) * (uint64_t)RIG_LARGE;
        struct hipt_mapping m = rig_mapping(asid, size, first, (1u + size) * RIG_LARGE);
        struct hipt_translation translation;
        uint64_t vpn;

        cr_assert_eq(hipt_map(rig.table, &m), HIPT_OK);
        for (vpn = first - 1u; vpn <= first + pages[size]; vpn++) {
            bool inside = vpn >= first && vpn < first + pages[size];
            bool found;

            cr_assert_eq(lookup(vpn, &translation), inside ? HIPT_OK : HIPT_ABSENT, "size %u, vpn %llu", size,
                         (unsigned long long)vpn);
            cr_assert(!inside || rig_same(&translation.mapping, &m));
            cr_assert_geq(hipt_lookup_lines(rig.table, asid, vpn, &found), inside ? 1u : size + 1u);
            cr_assert_eq(found, inside);
        }
        cr_assert_eq(unmap((size + 1u) % 3u, first), HIPT_ABSENT, "another size is another page");
        cr_assert_eq(unmap(size, first), HIPT_OK);
    }
    rig_destroy(&rig);
}

/* T1: pages of two sizes never overlap, whichever comes first, at either end of the larger; beside it they may lie. */
Test(map, T1_overlaps_are_refused_both_ways)
{
    static const uint64_t pages[] = {1, RIG_MEDIUM, RIG_LARGE};
    uint32_t small;
    uint32_t large;

    start();
    for (small = 0; small < 2u; small++) {
        for (large = small + 1u; large < 3u; large++) {
            uint64_t base = 100u * RIG_LARGE;
            uint64_t inside[2] = {base, base + pages[large] - pages[small]};
            uint64_t beside[2] = {base - pages[small], base + pages[large]};
            unsigned i;

            for (i = 0; i < 2u; i++) {
                cr_assert_eq(map(large, base, RIG_LARGE), HIPT_OK);
                cr_assert_eq(map(small, beside[i], 0), HIPT_OK);
                rig_look(&rig, &picture);
                cr_assert_eq(map(small, inside[i], 16), HIPT_OVERLAP, "%u in %u", small, large);
                cr_assert(rig_unchanged(&rig, &picture));
                cr_assert_eq(unmap(large, base), HIPT_OK);
                cr_assert_eq(map(small, inside[i], 0), HIPT_OK, "a shared frame");
                rig_look(&rig, &picture);
                cr_assert_eq(map(large, base, 2 * RIG_LARGE), HIPT_OVERLAP, "%u over %u", large, small);
                cr_assert(rig_unchanged(&rig, &picture));
                cr_assert_eq(unmap(small, inside[i]), HIPT_OK);
                cr_assert_eq(unmap(small, beside[i]), HIPT_OK);
                reap_all(); /* frames 0 and RIG_LARGE are used again */
            }
        }
    }
    rig_destroy(&rig);
}

/* T1: other address spaces do not overlap. */
Test(map, T1_overlaps_are_of_one_address_space)
{
    struct hipt_mapping m;

    start();
    cr_assert_eq(map(2, 0, 0), HIPT_OK);
    m = rig_mapping(rig_asid(&rig).number, 0, 5, 600);
    cr_assert_eq(hipt_map(rig.table, &m), HIPT_OK);
    rig_destroy(&rig);
}

/*
 * T1, T4: a smaller map aborts a larger one that is on its way; a larger one gives way to a smaller; frozen ones are
 * ended by who wants their place.
 */
Test(map, T1_T4_tentative_overlaps)
{
    hipti_slot slot;

    start();
    cr_assert_eq(map(2, 512, 512), HIPT_OK);
    slot = slot_of(2, 512);
    set_state(slot, HIPTI_TENTATIVE); /* as if its map were stopped before P5 */
    cr_assert_eq(map(0, 600, 7), HIPT_OK);
    cr_assert_eq(hipti_pte_state(hipti_slot_load(&rig.table->buckets, slot)), HIPTI_ENDED);
    cr_assert_eq(unmap(0, 600), HIPT_OK);
    cr_assert_eq(map(0, 601, 8), HIPT_OK, "an aborted one is in nobody's way");
    cr_assert_eq(unmap(0, 601), HIPT_OK);
    rig_look(&rig, &picture);
    set_state(slot, HIPTI_FROZEN);
    cr_assert_eq(map(0, 600, 9), HIPT_OK);
    cr_assert_eq(hipti_pte_state(hipti_slot_load(&rig.table->buckets, slot)), HIPTI_ENDED);
    cr_assert_eq(unmap(0, 600), HIPT_OK);
    destroy((struct hipti_taken){slot, asid, hipti_slot_load(&rig.table->buckets, slot)});
    cr_assert_eq(map(2, 512, 1024), HIPT_OK);
    slot = slot_of(2, 512);
    set_state(slot, HIPTI_HELD);
    cr_assert_eq(map(0, 600, 10), HIPT_OVERLAP);
    set_state(slot, HIPTI_LIVE);
    cr_assert_eq(unmap(2, 512), HIPT_OK);

    cr_assert_eq(map(0, 600, 10), HIPT_OK);
    slot = slot_of(0, 600);
    set_state(slot, HIPTI_TENTATIVE);
    rig_look(&rig, &picture);
    cr_assert_eq(map(2, 512, 1024), HIPT_BUSY);
    cr_assert_eq(hipti_pte_state(hipti_slot_load(&rig.table->buckets, slot)), HIPTI_TENTATIVE);
    cr_assert(rig_unchanged(&rig, &picture));
    set_state(slot, HIPTI_FROZEN);
    cr_assert_eq(map(2, 512, 1536), HIPT_OK);
    cr_assert_eq(hipti_pte_state(hipti_slot_load(&rig.table->buckets, slot)), HIPTI_ENDED);
    destroy((struct hipti_taken){slot, asid, hipti_slot_load(&rig.table->buckets, slot)});
    rig_destroy(&rig);
}

/* F1: every frame inside a large mapping reports it, beside smaller mappings of the same frame. */
Test(map, F1_reverse_of_inner_frames)
{
    struct hipt_mapping found[8];
    uint64_t pfn;
    size_t count;

    start();
    cr_assert_eq(map(2, 0, 512), HIPT_OK);
    cr_assert_eq(map(1, 1024, 512 + 32), HIPT_OK);
    cr_assert_eq(map(0, 2000, 512 + 40), HIPT_OK);
    cr_assert_eq(map(0, 2001, 512), HIPT_OK);
    for (pfn = 511; pfn <= 1024u; pfn++) {
        enum hipt_status status = hipt_reverse(rig.table, (struct hipt_frame){.pfn = pfn}, found, 8, &count);
        size_t expected = pfn >= 512u && pfn < 1024u;

        expected += pfn >= 544u && pfn < 560u;
        expected += pfn == 552u || pfn == 512u;
        cr_assert_eq(count, expected, "pfn %llu: %zu", (unsigned long long)pfn, count);
        cr_assert_eq(status, expected ? HIPT_OK : HIPT_ABSENT);
    }
    cr_assert_eq(hipt_reverse(rig.table, (struct hipt_frame){.pfn = 552}, found, 1, &count), HIPT_OK);
    cr_assert_eq(count, 3u, "counted beyond the room");
    cr_assert_eq(hipt_reverse(rig.table, (struct hipt_frame){.pfn = 552}, NULL, 0, &count), HIPT_OK);
    cr_assert_eq(count, 3u);
    rig_destroy(&rig);
}

/* F1: where a larger page's first frame would lie below the range, no page of that size reaches the frame. */
Test(map, F1_reverse_at_the_start_of_a_range)
{
    struct hipt_mapping found;
    size_t count;

    rig_init(&rig);
    rig.ranges[0] = (struct hipt_range){.first = 500, .count = 2000, .swap = false};
    cr_assert(rig_create(&rig));
    asid = rig_asid(&rig).number;
    cr_assert_eq(map(2, 0, 512), HIPT_OK);
    cr_assert_eq(map(1, 1024, 1024), HIPT_OK);
    cr_assert_eq(map(0, 3000, 505), HIPT_OK);
    cr_assert_eq(hipt_reverse(rig.table, (struct hipt_frame){.pfn = 505}, &found, 1, &count), HIPT_OK);
    cr_assert(count == 1u && found.page.vpn == 3000u);
    cr_assert_eq(hipt_reverse(rig.table, (struct hipt_frame){.pfn = 506}, &found, 1, &count), HIPT_ABSENT);
    cr_assert_eq(count, 0);
    hipt_table_destroy(rig.table); /* the rig's pictures and checks know the usual range only */
}

/* F1: a pair is a hint: what a slot maps by now is read from the slot, and a pair of another frame reports nothing. */
Test(map, F1_reverse_reads_the_slot)
{
    struct hipti_pair pair = {0, 1};
    uint32_t number;
    size_t count;

    start();
    cr_assert_eq(map(0, 5, 7), HIPT_OK);
    number = hipti_frames_number(&rig.table->frames, 9, false);
    pair.slot = slot_of(0, 5);
    cr_assert_eq(hipti_frame_link(&rig.table->frames, number, pair), HIPT_OK); /* as in the middle of a remap */
    cr_assert_eq(hipt_reverse(rig.table, (struct hipt_frame){.pfn = 9}, NULL, 0, &count), HIPT_ABSENT);
    cr_assert_eq(hipt_reverse(rig.table, (struct hipt_frame){.pfn = 7}, NULL, 0, &count), HIPT_OK);
    cr_assert_eq(count, 1u);
    cr_assert_eq(hipti_frame_unlink(&rig.table->frames, number, pair.slot, false), 1u);
    rig_destroy(&rig);
}

/* --- marks */

/*
 * T3: marks go to the mapping that was read, or HIPT_CHANGED: after an unmap, a remap, a protect, a life of another
 * key.
 */
Test(map, T3_marks_reach_the_mapping_that_was_read)
{
    enum { UNMAPPED, MAPPED_AGAIN, REMAPPED_IN_THE_NEXT_LIFE, ANOTHER_KEY, REMAPPED, REMAPPED_BACK, PROTECTED, CASES };
    int i;

    for (i = 0; i < CASES; i++) {
        struct hipt_translation translation;
        struct hipt_translation before;
        hipti_slot slot;

        start_bits(1, HIPT_SEQUENCE_BITS_MAX);
        cr_assert_eq(map(0, 4, 7), HIPT_OK); /* keeps the frame mapped */
        cr_assert_eq(map(0, 5, 7), HIPT_OK);
        hipt_read_enter(rig.table);
        cr_assert_eq(lookup(5, &translation), HIPT_OK);
        slot = translation.slot;
        if (i <= ANOTHER_KEY) {
            cr_assert_eq(unmap(0, 5), HIPT_OK);
        }
        if (i == MAPPED_AGAIN) {
            cr_assert_eq(map(0, 5, 7), HIPT_OK);
            cr_assert_eq(slot_of(0, 5), slot, "the same slot, pfn and flags");
        } else if (i == REMAPPED_IN_THE_NEXT_LIFE) {
            cr_assert_eq(map(0, 5, 8), HIPT_OK);
            cr_assert_eq(remap(0, 5, 7), HIPT_OK);
            cr_assert_eq(slot_of(0, 5), slot, "the same again");
        } else if (i == ANOTHER_KEY) {
            uint64_t vpn = 5;

            do { /* a key that comes to the same slot */
                vpn++;
                cr_assert_eq(map(0, vpn, 7), HIPT_OK);
            } while (slot_of(0, vpn) != slot);
        } else if (i == REMAPPED || i == REMAPPED_BACK) {
            cr_assert_eq(remap(0, 5, 8), HIPT_OK);
        } else if (i == PROTECTED) {
            cr_assert_eq(protect(0, 5, HIPT_READ), HIPT_OK);
        }
        if (i == REMAPPED_BACK) {
            cr_assert_eq(remap(0, 5, 7), HIPT_OK);
        }
        before = translation;
        rig_look(&rig, &picture);
        if (i == REMAPPED_BACK) { /* the mapping is what was read, word for word */
            cr_assert_eq(hipt_mark(rig.table, &translation, HIPT_DIRTY), HIPT_OK);
        } else {
            cr_assert_eq(hipt_mark(rig.table, &translation, HIPT_DIRTY), HIPT_CHANGED, "case %d", i);
            cr_assert_eq(hipt_clean(rig.table, &translation, HIPT_DIRTY), HIPT_CHANGED, "case %d", i);
            cr_assert(rig_unchanged(&rig, &picture), "case %d", i);
            cr_assert_eq(memcmp(&before, &translation, sizeof(before)), 0);
        }
        hipt_read_exit(rig.table);
        rig_destroy(&rig);
    }
}

/*
 * S3: marks are set, read and cleared one by one; what others set meanwhile is kept; the unmap reports the last word.
 */
Test(map, S3_marks_are_not_lost)
{
    struct hipt_translation first;
    struct hipt_translation second;
    struct hipt_mapping was;
    struct hipt_page at;

    start();
    at = page(0, 5);
    cr_assert_eq(map(0, 5, 7), HIPT_OK);
    hipt_read_enter(rig.table);
    cr_assert_eq(lookup(5, &first), HIPT_OK);
    second = first;
    cr_assert_eq(hipt_mark(rig.table, &first, HIPT_ACCESSED), HIPT_OK);
    cr_assert_eq(first.mapping.marks, HIPT_ACCESSED);
    cr_assert_eq(hipt_mark(rig.table, &second, HIPT_DIRTY), HIPT_OK, "an older reading of the same mapping");
    cr_assert_eq(second.mapping.marks, HIPT_ACCESSED | HIPT_DIRTY);
    cr_assert_eq(hipt_clean(rig.table, &first, HIPT_ACCESSED), HIPT_OK);
    cr_assert_eq(first.mapping.marks, HIPT_ACCESSED | HIPT_DIRTY, "what was set before");
    cr_assert_eq(hipt_clean(rig.table, &first, 0), HIPT_OK);
    cr_assert_eq(first.mapping.marks, HIPT_DIRTY);
    cr_assert_eq(hipt_mark(rig.table, &first, 4), HIPT_BAD_ATTR);
    cr_assert_eq(hipt_clean(rig.table, &first, 0xff), HIPT_BAD_ATTR);
    hipt_read_exit(rig.table);
    cr_assert_eq(hipt_unmap(rig.table, &at, &was), HIPT_OK);
    cr_assert_eq(was.marks, HIPT_DIRTY);
    rig_destroy(&rig);
}

/* --- a retirement in the middle */

static struct hipt_asid retired;
static enum hipt_status retired_status;

static void retire_meanwhile(void)
{
    retired_status = hipt_asid_retire(rig.table, retired, NULL);
}

/*
 * A1: an asid that ends while a verb of one of its pages asks for memory takes the page along, however the verb ends.
 */
Test(map, A1_a_retirement_inside_map_and_remap)
{
    enum { MAP, REMAP, CASES };
    unsigned which;
    unsigned fails;

    for (which = 0; which < CASES; which++) {
        for (fails = 0; fails <= 1u; fails++) {
            struct hipt_mapping m;
            enum hipt_status status;

            start();
            cr_assert_eq(map(0, 1, 7), HIPT_OK);
            retired = rig_asid(&rig);
            m = rig_mapping(retired.number, 0, 5, 8);
            cr_assert_eq(hipt_map(rig.table, &m), HIPT_OK);
            retired_status = HIPT_STATUS_COUNT;
            rig.host.meanwhile = retire_meanwhile; /* at the request for a block of sharers */
            test_host_fail(&rig.host, 1, fails);
            m.page.vpn += which == MAP;
            m.pfn = 7;
            status = which == MAP ? hipt_map(rig.table, &m) : hipt_remap(rig.table, &m, NULL);
            cr_assert_eq(retired_status, HIPT_OK, "case %u", which);
            cr_assert_eq(status, fails ? HIPT_NOMEM : HIPT_OK, "case %u, %u", which, fails);
            rig_look(&rig, &picture);
            cr_assert_eq(picture.count, 1u, "case %u, %u", which, fails);
            cr_expect_frame(7, HIPT_FRAME_MAPPED, 1);
            cr_expect_frame(8, HIPT_FRAME_LIMBO, 0);
            rig_destroy(&rig);
        }
    }
}

/* --- the order of things */

static struct hipt_translation seen_meanwhile;
static enum hipt_status looked_meanwhile;
static size_t reversed_meanwhile;

static void look_meanwhile(void)
{
    struct hipt_frame to = {.pfn = 7};

    looked_meanwhile = hipt_lookup(rig.table, asid, 5, &seen_meanwhile);
    (void)hipt_reverse(rig.table, to, NULL, 0, &reversed_meanwhile);
}

/* F1: while a remap still waits for memory for its new frame's pair, lookups see the old frame. */
Test(map, F1_a_remap_links_before_it_publishes)
{
    start();
    cr_assert_eq(map(0, 1, 7), HIPT_OK);
    cr_assert_eq(map(0, 5, 8), HIPT_OK);
    looked_meanwhile = HIPT_STATUS_COUNT;
    rig.host.meanwhile = look_meanwhile;
    cr_assert_eq(remap(0, 5, 7), HIPT_OK);
    cr_assert_eq(looked_meanwhile, HIPT_OK);
    cr_assert_eq(seen_meanwhile.mapping.pfn, 8u);
    cr_assert_eq(reversed_meanwhile, 1u);
    rig_destroy(&rig);
}

static struct hipti_taken ending;
static uint32_t pair_meanwhile;
static uint64_t cells_meanwhile;

static void end_meanwhile(void)
{
    pair_meanwhile =
        hipti_frame_cell(&rig.table->frames, hipti_frames_number(&rig.table->frames, 8, false), ending.slot);
    cells_meanwhile = hipti_load_acquire(&hipti_asid_record(&rig.table->asids, asid)->cells);
}

/* F1, A1: a mapping ends in one order: its pair is out before its slot is let go, its cell is given back after that. */
Test(map, F1_A1_the_law_of_destruction)
{
    start_bits(1, HIPT_SEQUENCE_BITS_MAX);
    cr_assert_eq(map(0, 1, 7), HIPT_OK);
    cr_assert_eq(unmap(0, 1), HIPT_OK);
    cr_assert_eq(map(0, 1, 8), HIPT_OK); /* in the slot's last life before it parks, which asks for a grace period */
    ending = freeze(1);
    cr_assert_eq(hipti_pte_version(ending.pte), 1u);
    pair_meanwhile = 99;
    cells_meanwhile = 99;
    rig.host.meanwhile = end_meanwhile; /* runs where the slot is let go */
    destroy(ending);
    cr_assert_eq(pair_meanwhile, 0);
    cr_assert_eq(cells_meanwhile, 1u);
    cr_assert_eq(hipti_load_acquire(&hipti_asid_record(&rig.table->asids, asid)->cells), 0);
    rig_destroy(&rig);
}

/* --- swap */

/* Memory and swap are two number spaces, which share nothing but the rules. */
Test(map, F1_swap_slots)
{
    struct hipt_mapping m;
    struct hipt_mapping found;
    struct hipt_frame frame;
    size_t count;

    start();
    m = rig_mapping(asid, 0, 5, 7);
    m.swap = true;
    cr_assert_eq(map(0, 4, 7), HIPT_OK);
    cr_assert_eq(hipt_map(rig.table, &m), HIPT_OK);
    cr_assert_eq(hipt_reverse(rig.table, (struct hipt_frame){.pfn = 7, .swap = true}, &found, 1, &count), HIPT_OK);
    cr_assert(count == 1u && rig_same(&found, &m));
    cr_assert_eq(hipt_reverse(rig.table, (struct hipt_frame){.pfn = 7}, &found, 1, &count), HIPT_OK);
    cr_assert(count == 1u && found.page.vpn == 4u && !found.swap);
    cr_assert_eq(hipt_unmap(rig.table, &m.page, &found), HIPT_OK);
    cr_assert(rig_same(&found, &m));
    cr_assert_eq(hipt_frame_reap(rig.table, &frame, 1), 0);
    rig_pass(&rig);
    cr_assert_eq(hipt_frame_reap(rig.table, &frame, 1), 1);
    cr_assert(frame.pfn == 7 && frame.swap);
    cr_expect_frame(7, HIPT_FRAME_MAPPED, 1);
    rig_destroy(&rig);
}

/* --- pins */

/*
 * R1: a pinned frame outlives its mappings as OWNED; frames that do not exist and pins that are not there are refused.
 */
Test(map, R1_pins)
{
    struct hipt_frame frame = {.pfn = 7};
    struct hipt_frame_status status;

    start();
    cr_assert_eq(hipt_frame_unpin(rig.table, frame), HIPT_ABSENT);
    cr_assert_eq(hipt_frame_pin(rig.table, frame), HIPT_OK);
    cr_assert_eq(map(0, 5, 7), HIPT_OK);
    cr_assert_eq(unmap(0, 5), HIPT_OK);
    cr_expect_frame(7, HIPT_FRAME_OWNED, 0);
    cr_assert_eq(map(0, 5, 7), HIPT_OK, "no grace period for a frame that has an owner");
    cr_assert_eq(hipt_frame_unpin(rig.table, frame), HIPT_OK);
    cr_assert_eq(unmap(0, 5), HIPT_OK);
    cr_assert_eq(hipt_frame_pin(rig.table, frame), HIPT_BUSY);
    frame.pfn = RIG_FRAMES;
    cr_assert_eq(hipt_frame_pin(rig.table, frame), HIPT_BAD_PFN);
    cr_assert_eq(hipt_frame_unpin(rig.table, frame), HIPT_BAD_PFN);
    cr_assert_eq(hipt_frame_get(rig.table, frame, &status), HIPT_BAD_PFN);
    rig_destroy(&rig);
}

/* --- ranges */

/* Ranges: all of it, none of it, up to the page that fails, holes, and bad input anywhere in it. */
Test(map, T1_ranges)
{
    struct hipt_mapping m;
    struct hipt_page at;
    uint64_t done = 9;
    uint32_t size;

    start();
    for (size = 0; size < 3u; size++) {
        uint64_t pages = size == 0 ? 1 : size == 1u ? RIG_MEDIUM : RIG_LARGE;

        m = rig_mapping(asid, size, 0, 0);
        at = m.page;
        cr_assert_eq(hipt_map_range(rig.table, &m, 0, &done), HIPT_OK);
        cr_assert_eq(done, 0);
        cr_assert_eq(hipt_map_range(rig.table, &m, 7, &done), HIPT_OK);
        cr_assert_eq(done, 7u);
        rig_look(&rig, &picture);
        cr_assert_eq(picture.count, 7u);
        cr_assert(picture.mapping[6].page.vpn == 6 * pages && picture.mapping[6].pfn == 6 * pages);
        at.vpn = 3 * pages;
        cr_assert_eq(hipt_unmap(rig.table, &at, NULL), HIPT_OK);
        at.vpn = 0;
        cr_assert_eq(hipt_protect_range(rig.table, &at, 100, HIPT_EXEC, &done), HIPT_OK, "a hole is no error");
        cr_assert_eq(done, 6u);
        cr_assert_eq(hipt_unmap_range(rig.table, &at, 100, &done), HIPT_OK);
        cr_assert_eq(done, 6u);
        cr_assert_eq(hipt_unmap_range(rig.table, &at, 100, NULL), HIPT_OK);
        (void)hipt_frame_reap(rig.table, (struct hipt_frame[8]){{0}}, 8);
        rig_pass(&rig);
        cr_assert_eq(hipt_frame_reap(rig.table, (struct hipt_frame[8]){{0}}, 8), 7u);
    }
    rig_destroy(&rig);
}

/* A range that stops in the middle keeps what came before; one that leaves the frames or the addresses does nothing. */
Test(map, ranges_that_fail)
{
    struct hipt_mapping m;
    uint64_t done = 9;

    start();
    cr_assert_eq(map(0, 13, 100), HIPT_OK);
    m = rig_mapping(asid, 0, 10, 0);
    cr_assert_eq(hipt_map_range(rig.table, &m, 10, &done), HIPT_EXISTS);
    cr_assert_eq(done, 3u);
    rig_look(&rig, &picture);
    cr_assert_eq(picture.count, 4u);
    m = rig_mapping(asid, 0, 100, RIG_FRAMES - 5);
    cr_assert_eq(hipt_map_range(rig.table, &m, 6, &done), HIPT_BAD_PFN);
    cr_assert_eq(done, 0);
    cr_assert_eq(hipt_map_range(rig.table, &m, UINT64_MAX, &done), HIPT_BAD_VPN);
    m = rig_mapping(asid, 0, RIG_VPNS - 2, 200);
    cr_assert_eq(hipt_map_range(rig.table, &m, 3, &done), HIPT_BAD_VPN);
    cr_assert_eq(hipt_unmap_range(rig.table, &m.page, 3, &done), HIPT_BAD_VPN);
    cr_assert_eq(hipt_protect_range(rig.table, &m.page, 3, HIPT_READ, &done), HIPT_BAD_VPN);
    cr_assert_eq(hipt_protect_range(rig.table, &m.page, 2, 0, &done), HIPT_BAD_PROT);
    cr_assert(rig_unchanged(&rig, &picture));
    cr_assert_eq(hipt_map_range(rig.table, &m, 2, &done), HIPT_OK, "up to the last page there is");
    rig_look(&rig, &picture);
    cr_assert_eq(hipt_unmap_range(rig.table, &m.page, 3, &done), HIPT_BAD_VPN);
    cr_assert_eq(done, 0);
    cr_assert_eq(hipt_protect_range(rig.table, &m.page, 3, HIPT_EXEC, &done), HIPT_BAD_VPN);
    cr_assert_eq(done, 0);
    cr_assert(rig_unchanged(&rig, &picture), "not even the pages that there are");
    rig_destroy(&rig);
}

/* A page that somebody else has is left, near the beginning of a long range or elsewhere; all others are ended. */
Test(map, T1_a_long_range_goes_on_behind_a_busy_page)
{
    enum { MANY = 32 };
    struct hipt_mapping m;
    uint64_t done;

    start();
    m = rig_mapping(asid, 0, 0, 0);
    cr_assert_eq(hipt_map_range(rig.table, &m, 3 * MANY, &done), HIPT_OK);
    set_state(slot_of(0, 3), HIPTI_HELD);
    cr_assert_eq(hipt_protect_range(rig.table, &m.page, 3 * MANY, HIPT_EXEC, &done), HIPT_BUSY);
    cr_assert_eq(done, 3 * MANY - 1u);
    cr_assert_eq(hipt_unmap_range(rig.table, &m.page, 3 * MANY, &done), HIPT_BUSY);
    cr_assert_eq(done, 3 * MANY - 1u);
    set_state(slot_of(0, 3), HIPTI_LIVE);
    rig_destroy(&rig);
}

/* R1: a reap writes no more frames than it was given room for; the others stay where they are. */
Test(map, R1_a_reap_keeps_to_its_room)
{
    struct hipt_frame frames[4] = {{.pfn = 99}, {.pfn = 99}, {.pfn = 99}, {.pfn = 99}};
    uint64_t n;

    start();
    for (n = 0; n < 3u; n++) {
        cr_assert_eq(map(0, n, n), HIPT_OK);
        cr_assert_eq(unmap(0, n), HIPT_OK);
    }
    cr_assert_eq(hipt_frame_reap(rig.table, frames, 4), 0);
    rig_pass(&rig);
    cr_assert_eq(hipt_frame_reap(rig.table, frames, 2), 2u);
    cr_assert(frames[0].pfn < 3u && frames[1].pfn < 3u && frames[2].pfn == 99u);
    cr_assert_eq(hipt_frame_reap(rig.table, frames, 4), 1u);
    rig_destroy(&rig);
}

/* --- batches and walks */

/* T1, T2: a batch of any length answers as single lookups do, misses and bad input in between included. */
Test(map, T1_T2_batches)
{
    enum { MOST = 200 };
    static struct hipt_translation out[MOST];
    static enum hipt_status status[MOST];
    static struct hipt_page pages[MOST];
    uint64_t random = 9;
    size_t count;
    uint64_t n;

    start();
    for (n = 0; n < 300u; n++) {
        cr_assert_eq(map(0, n * 3u, n), HIPT_OK);
    }
    cr_assert_eq(map(2, 20 * RIG_LARGE, 1024), HIPT_OK);
    for (count = 0; count <= MOST; count += count < 3u ? 1u : 61u) {
        size_t found = 0;
        size_t got;
        size_t i;

        for (i = 0; i < count; i++) {
            uint64_t draw = test_random(&random) >> 32;

            pages[i].asid = draw % 16u == 0 ? 16u : asid;
            pages[i].vpn = draw % 16u == 1u ? RIG_VPNS : draw % 16u == 2u ? 20 * RIG_LARGE + draw % 600u : draw % 1000u;
            pages[i].size = (uint32_t)draw; /* not used */
        }
        got = hipt_lookup_batch(rig.table, pages, count, out, status);
        for (i = 0; i < count; i++) {
            struct hipt_translation one;

            cr_assert_eq(status[i], hipt_lookup(rig.table, pages[i].asid, pages[i].vpn, &one));
            cr_assert(status[i] != HIPT_OK || (rig_same(&one.mapping, &out[i].mapping) && one.pte == out[i].pte));
            cr_assert_eq(status[i], hipt_lookup_reading(rig.table, pages[i].asid, pages[i].vpn, &one));
            cr_assert(status[i] != HIPT_OK || (rig_same(&one.mapping, &out[i].mapping) && one.slot == out[i].slot));
            found += status[i] == HIPT_OK;
        }
        cr_assert_eq(got, found);
        rig_check_words(&rig, pages, count, out, status);
    }
    rig_destroy(&rig);
}

/* T1: the same in address spaces that use one page size, each another one, or none. */
Test(map, T1_batches_of_one_size_each)
{
    enum { SPACES = 4, PAGES = 40 };
    static struct hipt_translation out[SPACES * PAGES];
    static enum hipt_status status[SPACES * PAGES];
    static struct hipt_page pages[SPACES * PAGES];
    uint32_t spaces[SPACES];
    uint64_t n;

    start();
    for (n = 0; n < SPACES; n++) {
        struct hipt_mapping m;

        spaces[n] = rig_asid(&rig).number;
        m = rig_mapping(spaces[n], (uint32_t)n, 0, n == 2u ? RIG_LARGE : 0);
        cr_assert(n == 3u || hipt_map_range(rig.table, &m, n == 2u ? 3 : 20, NULL) == HIPT_OK);
    }
    for (n = 0; n < SPACES * PAGES; n++) {
        static const uint64_t steps[SPACES] = {1, RIG_MEDIUM - 1, RIG_LARGE / 10, 1};

        pages[n] = (struct hipt_page){.asid = spaces[n % SPACES], .vpn = n / SPACES * steps[n % SPACES]};
    }
    cr_assert_gt(hipt_lookup_batch(rig.table, pages, SPACES * PAGES, out, status), 60u);
    for (n = 0; n < SPACES * PAGES; n++) {
        struct hipt_translation one;

        cr_assert_eq(status[n], hipt_lookup(rig.table, pages[n].asid, pages[n].vpn, &one), "lookup %llu",
                     (unsigned long long)n);
        cr_assert(status[n] != HIPT_OK || rig_same(&one.mapping, &out[n].mapping));
    }
    rig_check_words(&rig, pages, SPACES * PAGES, out, status);
    rig_destroy(&rig);
}

/* T2: a walk gives every mapping once, whatever its size and address space, and the counts agree with it. */
Test(map, T2_walk_and_counts)
{
    static struct hipt_stats stats;
    uint64_t buckets = 0;
    uint64_t mappings = 0;
    struct hipt_mapping m;
    uint64_t n;
    unsigned i;

    start();
    for (n = 0; n < 500u; n++) {
        cr_assert_eq(map(0, n * 5u, n), HIPT_OK);
    }
    m = rig_mapping(rig_asid(&rig).number, 2, 0, 512);
    cr_assert_eq(hipt_map(rig.table, &m), HIPT_OK);
    rig_look(&rig, &picture);
    cr_assert_eq(picture.count, 501u);
    for (n = 0; n < 500u; n++) {
        const struct hipt_mapping *found = &picture.mapping[asid < m.page.asid ? n : n + 1u];

        cr_assert(found->page.vpn == n * 5u && found->pfn == n);
    }
    hipt_table_stats(rig.table, &stats);
    cr_assert_eq(stats.mappings, 501u);
    cr_assert_eq(stats.buckets, 64u);
    for (i = 0; i <= HIPT_CHAIN_LINES_MAX * HIPT_SLOTS; i++) {
        buckets += stats.per_bucket[i];
        mappings += i * stats.per_bucket[i];
    }
    cr_assert(buckets == 64u && mappings == 501u);
    for (i = 0, buckets = 0, n = 0; i <= HIPT_CHAIN_LINES_MAX; i++) {
        buckets += stats.chain_lines[i];
        n += i ? (i - 1u) * stats.chain_lines[i] : 0;
    }
    cr_assert(buckets == 64u && n == stats.lines_linked && stats.lines >= n);
    cr_assert_leq(stats.bytes_forward + stats.bytes_frames + stats.bytes_aliases + stats.bytes_asids,
                  atomic_load(&rig.host.bytes));
    rig_destroy(&rig);
}

/* The validator sees what is wrong: a mapping its frame does not know, and one between two states. */
Test(map, the_validator_sees_faults)
{
    char text[200];
    hipti_slot slot;
    uint64_t word;

    start();
    cr_assert_eq(map(0, 5, 7), HIPT_OK);
    cr_assert(hipt_table_is_valid(rig.table, text, sizeof(text)));
    cr_assert_str_eq(text, "");
    slot = slot_of(0, 5);
    word = hipti_slot_load(&rig.table->buckets, slot);
    hipti_slot_publish(&rig.table->buckets, slot, word + 1u);
    cr_assert(!hipt_table_is_valid(rig.table, text, sizeof(text)));
    cr_assert_not_null(strstr(text, "F1"), "%s", text);
    set_state(slot, HIPTI_TENTATIVE);
    cr_assert(!hipt_table_is_valid(rig.table, text, sizeof(text)));
    cr_assert_not_null(strstr(text, "between two states"), "%s", text);
    hipti_slot_publish(&rig.table->buckets, slot, word);
    rig_destroy(&rig);
}

/* A host that always is inside a read side, as a kernel without preemption is, gives no hooks for it: the verbs do. */
Test(map, a_host_without_read_side_hooks)
{
    static struct hipt_stats stats;
    struct hipt_translation translation;
    struct hipt_mapping m;
    struct hipt_page at;
    struct hipt_frame reaped;
    enum hipt_status status;
    struct hipt_asid space;
    uint64_t done;
    size_t count;
    bool found;

    rig_init(&rig);
    rig.host.ops.read_enter = NULL;
    rig.host.ops.read_exit = NULL;
    cr_assert(rig_create(&rig));
    space = rig_asid(&rig);
    asid = space.number;
    m = rig_mapping(asid, 0, 5, 7);
    at = m.page;
    hipt_read_enter(rig.table);
    hipt_read_exit(rig.table);
    cr_assert_eq(hipt_map_range(rig.table, &m, 4, &done), HIPT_OK);
    cr_assert_eq(done, 4u);
    cr_assert_eq(lookup(6, &translation), HIPT_OK);
    cr_assert_eq(translation.mapping.pfn, 8u);
    cr_assert_eq(hipt_mark(rig.table, &translation, HIPT_DIRTY), HIPT_OK);
    cr_assert_eq(hipt_lookup_batch(rig.table, &at, 1, &translation, &status), 1u);
    cr_assert_eq(translation.mapping.pfn, 7u);
    cr_assert_eq(hipt_lookup_lines(rig.table, asid, 5, &found), 1u);
    cr_assert(found);
    cr_assert_eq(hipt_protect_range(rig.table, &at, 4, HIPT_READ, &done), HIPT_OK);
    cr_assert_eq(done, 4u);
    cr_assert_eq(remap(0, 5, 20), HIPT_OK);
    cr_assert_eq(hipt_reverse(rig.table, (struct hipt_frame){.pfn = 20}, &m, 1, &count), HIPT_OK);
    cr_assert(count == 1u && m.page.vpn == 5u);
    hipt_table_stats(rig.table, &stats);
    cr_assert_eq(stats.mappings, 4u);
    rig_look(&rig, &picture);
    cr_assert_eq(picture.count, 4u);
    cr_assert_eq(hipt_unmap(rig.table, &at, &m), HIPT_OK);
    cr_assert_eq(hipt_unmap_range(rig.table, &at, 3, &done), HIPT_OK);
    cr_assert_eq(done, 2u);
    cr_assert_eq(hipt_asid_retire(rig.table, space, NULL), HIPT_OK);
    cr_assert_eq(hipt_frame_reap(rig.table, &reaped, 1), 0, "R1");
    rig_pass(&rig);
    for (count = 0; hipt_frame_reap(rig.table, &reaped, 1) == 1u;) {
        count++;
    }
    cr_assert_eq(count, 5u);
    rig_destroy(&rig);
}

static void nothing(void)
{
}

/* => how many accesses to shared words the lookup of a page makes, which is there or not. */
static unsigned accesses_of(uint64_t vpn, enum hipt_status status)
{
    struct hipt_translation found;
    unsigned n = 0;

    do {
        step_interrupt(NULL, NULL, n++, nothing);
        cr_assert_eq(lookup(vpn, &found), status);
    } while (step_interrupted());
    return n - 1u;
}

static unsigned accesses(uint64_t vpn)
{
    return accesses_of(vpn, HIPT_OK);
}

/*
 * A page of the smallest size is found where it is looked for first, whatever other sizes there are. The careful lookup
 * would find it too, and these counts are all that tells the two apart.
 */
Test(map, T2_a_hit_takes_few_accesses)
{
    enum { OWN_LINE = 12, NEXT_LINE = 18, LARGE = 32, LARGE_NEXT_LINE = 38 };
    uint64_t n;

    start();
    cr_assert_eq(map(0, 5, 5), HIPT_OK);
    cr_assert_eq(accesses(5), OWN_LINE);
    cr_assert_eq(map(1, RIG_MEDIUM, RIG_MEDIUM), HIPT_OK);
    cr_assert_eq(accesses(5), OWN_LINE);
    cr_assert_eq(accesses(RIG_MEDIUM), LARGE);
    rig_destroy(&rig);
    rig_init(&rig);
    rig.config.buckets = 1;
    cr_assert(rig_create(&rig));
    asid = rig_asid(&rig).number;
    for (n = 0; n < 5u; n++) {
        cr_assert_eq(map(0, n, n), HIPT_OK);
    }
    cr_assert_eq(accesses(0), OWN_LINE);
    cr_assert_eq(accesses(4), NEXT_LINE);
    cr_assert_eq(map(1, RIG_MEDIUM, RIG_MEDIUM), HIPT_OK);
    cr_assert_eq(accesses(0), OWN_LINE);
    cr_assert_eq(accesses(4), NEXT_LINE);
    cr_assert_eq(accesses(RIG_MEDIUM), LARGE_NEXT_LINE);
    rig_destroy(&rig);
}

static void inside_a_read_side(void)
{
    TEST_HOLDS(rig.host.reader[0].depth > 0);
}

/* R1: a batch makes each of its accesses inside its read side, those to lines behind the buckets' own too. */
Test(map, R1_a_batch_stays_inside_its_read_side)
{
    enum { MOST = 7 };
    struct hipt_page pages[MOST];
    uint64_t ptes[MOST];
    unsigned n = 0;

    rig_init(&rig);
    rig.config.buckets = 1;
    cr_assert(rig_create(&rig));
    asid = rig_asid(&rig).number;
    for (unsigned i = 0; i < MOST; i++) {
        pages[i] = page(0, i);
        cr_assert_eq(map(0, i, i), HIPT_OK);
    }
    do {
        step_interrupt(NULL, NULL, n++, inside_a_read_side);
        cr_assert_eq(hipt_lookup_pte_batch(rig.table, pages, MOST, ptes), MOST);
    } while (step_interrupted());
    cr_assert_gt(n, 3u * MOST);
    rig_destroy(&rig);
}

/* A miss is found out without a second look where there is one page size, or one in use. */
Test(map, T1_a_miss_takes_few_accesses)
{
    enum { ONE_SIZE = 11, ONE_IN_USE = 11, TWO_IN_USE = 58 };

    rig_init(&rig);
    rig.config.nsizes = 1;
    cr_assert(rig_create(&rig));
    asid = rig_asid(&rig).number;
    cr_assert_eq(map(0, 5, 5), HIPT_OK);
    cr_assert_eq(accesses_of(6, HIPT_ABSENT), ONE_SIZE);
    rig_destroy(&rig);
    start();
    cr_assert_eq(map(0, 5, 5), HIPT_OK);
    cr_assert_eq(accesses_of(6, HIPT_ABSENT), ONE_IN_USE);
    cr_assert_eq(map(1, RIG_MEDIUM, RIG_MEDIUM), HIPT_OK);
    cr_assert_eq(accesses_of(6, HIPT_ABSENT), TWO_IN_USE);
    rig_destroy(&rig);
}

/* What was found held is not the page any more if it has come to another slot, or to another life of the slot. */
Test(map, T1_T2_a_held_page_that_came_again)
{
    struct hipt_translation found;
    hipti_slot slot;

    start();
    cr_assert_eq(map(0, 5, 7), HIPT_OK);
    cr_assert_eq(map(0, 6, 8), HIPT_OK);
    slot = slot_of(0, 5);
    set_state(slot, HIPTI_HELD);
    cr_assert_eq(lookup(5, &found), HIPT_OK);
    hipt_read_enter(rig.table);
    cr_assert(hipti_is_shown(rig.table, &found));
    found.slot ^= 1u;
    cr_assert_not(hipti_is_shown(rig.table, &found), "another slot");
    found.slot ^= 1u;
    found.pte ^= UINT64_C(1) << HIPTI_PTE_VERSION_SHIFT;
    cr_assert_not(hipti_is_shown(rig.table, &found), "another life");
    found.slot = slot_of(0, 6);
    cr_assert_not(hipti_is_shown(rig.table, &found), "another life of another page's slot");
    found.pte ^= UINT64_C(1) << HIPTI_PTE_VERSION_SHIFT;
    cr_assert_not(hipti_is_shown(rig.table, &found), "another page's slot");
    found.slot = slot;
    set_state(slot, HIPTI_LIVE);
    cr_assert_eq(lookup(5, &found), HIPT_OK);
    step_interrupt(NULL, NULL, 0, nothing);
    cr_assert(hipti_is_shown(rig.table, &found));
    cr_assert_not(step_interrupted(), "a live one needs no look");
    hipt_read_exit(rig.table);
    rig_destroy(&rig);
}

static unsigned enters;
static unsigned exits;

static void count_enter(void *ctx)
{
    (void)ctx;
    enters++;
}

static void count_exit(void *ctx)
{
    (void)ctx;
    exits++;
}

/* A lookup enters and leaves a read side; that of a caller which is inside one does not; a batch does so once. */
Test(map, R1_who_enters_a_read_side)
{
    struct hipt_translation out[3];
    enum hipt_status status[3];
    struct hipt_page pages[3];
    uint64_t n;

    rig_init(&rig);
    rig.host.ops.read_enter = count_enter;
    rig.host.ops.read_exit = count_exit;
    cr_assert(rig_create(&rig));
    asid = rig_asid(&rig).number;
    for (n = 0; n < 3u; n++) {
        pages[n] = page(0, n);
        cr_assert_eq(map(0, n, n), HIPT_OK);
    }
    enters = exits = 0;
    cr_assert_eq(hipt_lookup(rig.table, asid, 1, &out[0]), HIPT_OK);
    cr_assert(enters == 1u && exits == 1u);
    cr_assert_eq(hipt_lookup_batch(rig.table, pages, 3, out, status), 3u);
    cr_assert(enters == 2u && exits == 2u);
    cr_assert_eq(hipt_lookup_reading(rig.table, asid, 2, &out[0]), HIPT_OK);
    cr_assert_eq(hipt_lookup_reading(rig.table, asid, 3, &out[0]), HIPT_ABSENT);
    cr_assert(enters == 2u && exits == 2u);
    rig_destroy(&rig);
}

/* Where several pages of one size are asked for at once, and what may be NULL is. */
Test(map, lookups_of_one_size_in_a_batch)
{
    struct hipt_translation out[70];
    enum hipt_status status[70];
    struct hipt_page pages[70];
    struct hipt_page first;
    size_t i;

    start();
    for (i = 0; i < 70u; i++) { /* more than one group */
        pages[i] = page(0, i * 3u);
        cr_assert(i % 2u || map(0, i * 3u, i) == HIPT_OK);
    }
    cr_assert_eq(hipt_lookup_batch(rig.table, pages, 70, out, status), 35u);
    for (i = 0; i < 70u; i++) {
        cr_assert_eq(status[i], i % 2u ? HIPT_ABSENT : HIPT_OK, "page %zu", i);
        cr_assert(i % 2u || (out[i].mapping.pfn == i && out[i].mapping.page.vpn == i * 3u));
    }
    rig_check_words(&rig, pages, 70, out, status);
    first = page(0, 0);
    cr_assert_eq(hipt_protect_range(rig.table, &first, 4, HIPT_EXEC, NULL), HIPT_OK);
    cr_assert_eq(lookup(0, &out[0]), HIPT_OK);
    cr_assert_eq(out[0].mapping.prot, HIPT_EXEC);
    cr_assert_eq(hipt_lookup_lines(rig.table, asid, 0, NULL), 1u);
    rig_destroy(&rig);
}

/* What counts the lines of a lookup says what the lookup says: a page on its way out is not found. */
Test(map, S2_lines_of_a_frozen_page)
{
    bool found = true;
    hipti_slot slot;

    start();
    cr_assert_eq(map(0, 5, 7), HIPT_OK);
    slot = slot_of(0, 5);
    set_state(slot, HIPTI_FROZEN);
    cr_assert_eq(hipt_lookup_lines(rig.table, asid, 5, &found), 1u);
    cr_assert(!found);
    set_state(slot, HIPTI_HELD);
    cr_assert_eq(hipt_lookup_lines(rig.table, asid, 5, &found), 1u);
    cr_assert(found);
    set_state(slot, HIPTI_LIVE);
    rig_destroy(&rig);
}

/* F1: a range of frames that does not begin where a large page would: there is no record to look for one in. */
Test(map, F1_reverse_in_a_range_that_begins_oddly)
{
    struct hipt_mapping m;
    struct hipt_mapping out;
    size_t count;

    rig_init(&rig);
    rig.ranges[0].first = RIG_MEDIUM - 3u;
    cr_assert(rig_create(&rig));
    asid = rig_asid(&rig).number;
    m = rig_mapping(asid, 1, 0, RIG_MEDIUM);
    cr_assert_eq(hipt_map(rig.table, &m), HIPT_OK);
    m = rig_mapping(asid, 0, 100, RIG_MEDIUM - 1u);
    cr_assert_eq(hipt_map(rig.table, &m), HIPT_OK);
    cr_assert_eq(hipt_reverse(rig.table, (struct hipt_frame){.pfn = RIG_MEDIUM - 1u}, &out, 1, &count), HIPT_OK);
    cr_assert(count == 1u && rig_same(&out, &m));
    cr_assert_eq(hipt_reverse(rig.table, (struct hipt_frame){.pfn = RIG_MEDIUM + 5u}, &out, 1, &count), HIPT_OK);
    cr_assert(count == 1u && out.page.size == 1u);
    rig_destroy(&rig);
}

/* A range of more frames than records can be numbered for is refused as a whole, however wide addresses are. */
Test(map, a_range_of_more_frames_than_there_can_be)
{
    static const uint64_t pages[] = {RIG_FRAMES + 1u, (UINT64_C(1) << 32) - 1u, UINT64_C(1) << 32,
                                     (UINT64_C(1) << 32) + 1u, UINT64_C(1) << 44};
    struct hipt_mapping m;
    uint64_t done = 7;
    size_t i;

    rig_init(&rig);
    rig.config.va_bits = 57;
    cr_assert(rig_create(&rig));
    asid = rig_asid(&rig).number;
    m = rig_mapping(asid, 0, 0, 0);
    for (i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
        cr_expect_eq(hipt_map_range(rig.table, &m, pages[i], &done), HIPT_BAD_PFN, "%zu", i);
        cr_expect_eq(done, 0);
    }
    cr_assert_eq(hipt_map_range(rig.table, &m, RIG_FRAMES, &done), HIPT_FULL, "64 buckets have room for 2048");
    rig_destroy(&rig);
}

/* T1: in an address space that has used the smallest size alone a vpn that there is not is not merely absent. */
Test(map, T1_beyond_the_last_vpn)
{
    struct hipt_translation translation;
    enum hipt_status status;
    struct hipt_page at;

    start();
    cr_assert_eq(map(0, 1, 1), HIPT_OK);
    at = page(0, RIG_VPNS);
    cr_assert_eq(lookup(RIG_VPNS, &translation), HIPT_BAD_VPN);
    cr_assert_eq(hipt_lookup_batch(rig.table, &at, 1, &translation, &status), 0u);
    cr_assert_eq(status, HIPT_BAD_VPN);
    cr_assert_eq(hipt_lookup_pte(rig.table, asid, RIG_VPNS), 0u);
    rig_destroy(&rig);
}

/* T1: a batch most of whose pages lie behind their bucket's own line, and that reads nothing behind the last page. */
Test(map, T1_a_batch_in_overflow_lines)
{
    enum { KEYS = 20, MOST = 100, BYTES = 1 << 16 };
    static struct hipt_translation out[MOST];
    static enum hipt_status status[MOST];
    char *memory = (char *)mmap(NULL, 2 * BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    size_t count;
    uint64_t n;

    cr_assert(memory != MAP_FAILED && mprotect(memory + BYTES, BYTES, PROT_NONE) == 0);
    rig_init(&rig);
    rig.config.buckets = 1;
    cr_assert(rig_create(&rig));
    asid = rig_asid(&rig).number;
    for (n = 0; n < KEYS; n++) {
        cr_assert_eq(map(0, n, n), HIPT_OK);
    }
    for (count = 1; count <= MOST; count++) {
        struct hipt_page *pages = (struct hipt_page *)(void *)(memory + BYTES) - count;
        size_t i;

        for (i = 0; i < count; i++) {
            pages[i] = page(0, KEYS + 1u - i % (KEYS + 2u));
        }
        (void)hipt_lookup_batch(rig.table, pages, count, out, status);
        for (i = 0; i < count; i++) {
            cr_assert_eq(status[i], pages[i].vpn < KEYS ? HIPT_OK : HIPT_ABSENT);
            cr_assert(status[i] != HIPT_OK || out[i].mapping.pfn == pages[i].vpn);
        }
        rig_check_words(&rig, pages, count, out, status);
    }
    rig_destroy(&rig);
    cr_assert_eq(munmap(memory, 2 * BYTES), 0);
}

/* T1: a page that is held translates, also as a word, in a space that has used the smallest size alone. */
Test(map, T1_the_word_of_a_held_page)
{
    struct hipt_page at;
    hipti_slot slot;
    uint64_t pte;
    uint64_t word;

    start();
    at = page(0, 1);
    cr_assert_eq(map(0, 1, 7), HIPT_OK);
    hipt_read_enter(rig.table);
    cr_assert_eq(hipti_hold(rig.table, &at, &slot, &pte), HIPT_OK);
    cr_assert_eq(HIPT_PTE_PFN(hipt_lookup_pte(rig.table, asid, 1)), 7u);
    cr_assert_eq(hipt_lookup_pte_batch(rig.table, &at, 1, &word), 1u);
    cr_assert_eq(HIPT_PTE_PFN(word), 7u);
    hipti_slot_publish(&rig.table->buckets, slot, pte);
    hipt_read_exit(rig.table);
    rig_destroy(&rig);
}
