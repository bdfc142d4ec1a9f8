/* SPDX-License-Identifier: MIT */
/* The life of an asid: issued, retired with all its pages, issued again after a grace period. */
#include <criterion/criterion.h>

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "asid/asids.h"
#include "map/table.h"
#include "support/rig.h"

static struct rig rig;
static struct rig_picture picture;

static void start(unsigned asid_bits)
{
    rig_init(&rig);
    rig.config.asid_bits = asid_bits;
    cr_assert(rig_create(&rig));
}

static enum hipt_status map(uint32_t asid, uint64_t vpn, uint64_t pfn)
{
    struct hipt_mapping mapping = rig_mapping(asid, 0, vpn, pfn);

    return hipt_map(rig.table, &mapping);
}

static void map_some(uint32_t asid, uint64_t pages)
{
    struct hipt_mapping first = rig_mapping(asid, 0, 0, 0);
    uint64_t done;

    cr_assert_eq(hipt_map_range(rig.table, &first, pages, &done), HIPT_OK);
    cr_assert_eq(done, pages);
}

/* A1: each number is issued once while it lives, with generation 1 at first; then none is left. */
Test(asid, A1_each_number_once)
{
    bool issued[16] = {false};
    struct hipt_asid asid;
    unsigned i;

    start(4);
    for (i = 0; i < 16u; i++) {
        asid = rig_asid(&rig);
        cr_assert(asid.number < 16u && !issued[asid.number]);
        cr_assert_eq(asid.generation, 1u);
        issued[asid.number] = true;
    }
    cr_assert_eq(hipt_asid_alloc(rig.table, &asid), HIPT_NO_ASID);
    rig_destroy(&rig);
}

/* A1: a retired number comes back only after a grace period, with the next generation; scarcity ends then. */
Test(asid, A1_issued_again_after_a_grace_period)
{
    struct hipt_asid a;
    struct hipt_asid b;
    struct hipt_asid again;
    unsigned generation;

    start(1);
    a = rig_asid(&rig);
    b = rig_asid(&rig);
    for (generation = 2; generation < 50u; generation++) {
        cr_assert_eq(map(a.number, generation, generation), HIPT_OK);
        cr_assert_eq(hipt_asid_retire(rig.table, a, NULL), HIPT_OK);
        cr_assert_eq(hipt_asid_alloc(rig.table, &again), HIPT_NO_ASID);
        rig_pass(&rig);
        cr_assert_eq(hipt_asid_alloc(rig.table, &again), HIPT_OK);
        cr_assert_eq(again.number, a.number);
        cr_assert_eq(again.generation, generation);
        cr_assert_eq(map(again.number, generation, 100 + generation), HIPT_OK);
        cr_assert_eq(hipt_unmap(rig.table, &(struct hipt_page){.asid = a.number, .vpn = generation}, NULL), HIPT_OK);
        a = again;
    }
    cr_assert_eq(hipt_asid_retire(rig.table, b, NULL), HIPT_OK);
    rig_destroy(&rig);
}

/* A1: several numbers that were retired together all come back, each once, in whatever order they went. */
Test(asid, A1_several_wait_together)
{
    struct hipt_asid asid[4];
    unsigned round;
    unsigned i;

    start(2);
    for (i = 0; i < 4u; i++) {
        asid[i] = rig_asid(&rig);
    }
    for (round = 0; round < 8u; round++) {
        bool issued[4] = {false};

        for (i = 0; i < 4u; i++) {
            cr_assert_eq(hipt_asid_retire(rig.table, asid[(i * (2u * round + 1u) + round) % 4u], NULL), HIPT_OK);
        }
        cr_assert_eq(hipt_asid_alloc(rig.table, &asid[0]), HIPT_NO_ASID);
        rig_pass(&rig);
        for (i = 0; i < 4u; i++) {
            cr_assert_eq(hipt_asid_alloc(rig.table, &asid[i]), HIPT_OK, "round %u", round);
            cr_assert(!issued[asid[i].number]);
            cr_assert_eq(asid[i].generation, round + 2u);
            issued[asid[i].number] = true;
        }
    }
    rig_destroy(&rig);
}

/* A1: a read side that was open at the retirement keeps the number from being issued. */
Test(asid, A1_an_open_read_side_keeps_the_number)
{
    struct hipt_asid other;
    struct hipt_asid asid;

    start(1);
    asid = rig_asid(&rig);
    other = rig_asid(&rig);
    hipt_read_enter(rig.table);
    cr_assert_eq(hipt_asid_retire(rig.table, asid, NULL), HIPT_OK);
    cr_assert_eq(hipt_asid_alloc(rig.table, &asid), HIPT_NO_ASID);
    rig_pass(&rig);
    cr_assert_eq(hipt_asid_alloc(rig.table, &asid), HIPT_NO_ASID);
    hipt_read_exit(rig.table);
    cr_assert_eq(hipt_asid_alloc(rig.table, &asid), HIPT_OK);
    cr_assert_neq(asid.number, other.number);
    rig_destroy(&rig);
}

/*
 * A1: another generation, a number never issued, one out of range and one retired already are refused; nothing
 * changes.
 */
Test(asid, A1_only_its_own_generation_retires)
{
    struct hipt_retired report = {7, 7};
    struct hipt_asid asid;
    struct hipt_asid wrong;
    size_t i;

    start(4);
    asid = rig_asid(&rig);
    map_some(asid.number, 20);
    rig_look(&rig, &picture);
    for (i = 0; i < 5u; i++) {
        wrong = asid;
        wrong.generation += i == 0;
        wrong.generation -= i == 1u;
        wrong.generation = i == 2u ? UINT32_MAX : wrong.generation;
        wrong.number = i == 3u ? 5u : wrong.number;
        wrong.number = i == 4u ? UINT32_MAX : wrong.number;
        cr_assert_eq(hipt_asid_retire(rig.table, wrong, &report), HIPT_BAD_ASID, "case %zu", i);
        cr_assert(rig_unchanged(&rig, &picture));
    }
    cr_assert_eq(map(asid.number, 30, 30), HIPT_OK, "it still lives");
    cr_assert_eq(hipt_asid_retire(rig.table, asid, &report), HIPT_OK);
    cr_assert_eq(report.pages, 21u);
    cr_assert_eq(hipt_asid_retire(rig.table, asid, &report), HIPT_BAD_ASID);
    cr_assert_eq(map(asid.number, 1, 1), HIPT_BAD_ASID);
    rig_destroy(&rig);
}

/* A1, F1, R1: a retirement removes every page of the asid, of every size, and none of another's. */
Test(asid, A1_F1_R1_retire_removes_its_own_pages_only)
{
    struct hipt_frame_status status;
    struct hipt_retired report;
    struct hipt_asid other;
    struct hipt_asid asid;
    struct hipt_mapping m;
    uint64_t n;

    start(4);
    other = rig_asid(&rig);
    for (n = 0; n < 100u; n++) {
        cr_assert_eq(map(other.number, n, n), HIPT_OK);
    }
    rig_look(&rig, &picture);
    asid = rig_asid(&rig);
    for (n = 0; n < 300u; n++) {
        cr_assert_eq(map(asid.number, n, n % 150u), HIPT_OK); /* frames shared with the other and with each other */
    }
    m = rig_mapping(asid.number, 1, 16 * RIG_MEDIUM * 8, 1024);
    cr_assert_eq(hipt_map(rig.table, &m), HIPT_OK);
    m = rig_mapping(asid.number, 2, 64 * RIG_LARGE, 2048);
    cr_assert_eq(hipt_map(rig.table, &m), HIPT_OK);
    m = rig_mapping(asid.number, 0, 5000, 3);
    m.swap = true;
    cr_assert_eq(hipt_map(rig.table, &m), HIPT_OK);
    cr_assert_eq(hipt_asid_retire(rig.table, asid, &report), HIPT_OK);
    cr_assert_eq(report.pages, 303u);
    cr_assert_geq(report.visited, 303u);
    cr_assert_leq(report.visited, 303u + HIPTI_BLOCK_CELLS);
    for (n = 0; n < 100u; n++) {
        cr_assert_eq(hipt_frame_get(rig.table, (struct hipt_frame){.pfn = n}, &status), HIPT_OK);
        cr_assert(status.state == HIPT_FRAME_MAPPED && status.mappings == 1u);
    }
    cr_assert_eq(hipt_frame_get(rig.table, (struct hipt_frame){.pfn = 120}, &status), HIPT_OK);
    cr_assert_eq(status.state, HIPT_FRAME_LIMBO);
    rig_check(&rig);
    {
        struct hipt_frame frames[200];

        cr_assert_eq(hipt_frame_reap(rig.table, frames, 200), 0, "R1: no grace period has passed");
        rig_pass(&rig);
        cr_assert_eq(hipt_frame_reap(rig.table, frames, 200), 50u + 3u);
    }
    cr_assert(rig_unchanged(&rig, &picture));
    rig_destroy(&rig);
}

/* A1: what comes to be mapped beside the retirement is removed at the latest before the number is issued again. */
Test(asid, A1_the_second_sweep_before_reissue)
{
    struct hipt_mapping mapping = rig_mapping(0, 0, 77, 77);
    struct hipti_asid *record;
    struct hipt_asid asid;
    struct hipti_claim claim;
    struct hipti_pair pair;
    enum hipt_status status = HIPT_OK;

    start(1);
    asid = rig_asid(&rig);
    (void)rig_asid(&rig);
    mapping.page.asid = asid.number;
    hipt_read_enter(rig.table);
    /* a map that found the asid active, up to its claim */
    record = hipti_asid_active(&rig.table->asids, asid.number);
    cr_assert_eq(hipti_bucket_claim(&rig.table->buckets, hipti_page_place(rig.table, &mapping.page),
                                    hipti_pte_pack(&mapping), &claim),
                 HIPT_OK);
    cr_assert_eq(hipt_asid_retire(rig.table, asid, NULL), HIPT_OK);
    /* the rest of it, but for the look back at the asid */
    pair.slot = claim.slot;
    pair.cell = hipti_asid_remember(&rig.table->asids, record, claim.slot, &status);
    cr_assert_neq(pair.cell, 0);
    cr_assert_eq(hipti_frame_link(&rig.table->frames, hipti_frames_number(&rig.table->frames, 77, false), pair),
                 HIPT_OK);
    cr_assert_eq(hipti_bucket_commit(&rig.table->buckets, &claim), HIPT_OK);
    hipti_slot_publish(&rig.table->buckets, claim.slot, hipti_pte_with_state(claim.pte, HIPTI_LIVE));
    hipt_read_exit(rig.table);
    cr_assert_eq(hipt_asid_alloc(rig.table, &asid), HIPT_NO_ASID);
    rig_pass(&rig);
    cr_assert_eq(hipt_asid_alloc(rig.table, &asid), HIPT_OK);
    cr_assert_eq(asid.generation, 2u);
    rig_look(&rig, &picture);
    cr_assert_eq(picture.count, 0, "A1: no page of the last life is left");
    rig_destroy(&rig);
}

/* A1: a number whose page another thread is still unmapping is not issued, but put back for a further grace period. */
Test(asid, A1_a_page_on_its_way_out_keeps_the_number)
{
    struct hipt_asid asid;
    struct hipti_place place;
    struct hipt_page page = {.vpn = 9};
    hipti_slot slot;
    uint64_t pte;

    start(1);
    asid = rig_asid(&rig);
    (void)rig_asid(&rig);
    page.asid = asid.number;
    cr_assert_eq(map(asid.number, 9, 9), HIPT_OK);
    place = hipti_page_place(rig.table, &page);
    cr_assert(hipti_bucket_find(&rig.table->buckets, place, &slot, &pte, NULL));
    cr_assert(hipti_slot_change(&rig.table->buckets, slot, &pte, hipti_pte_with_state(pte, HIPTI_FROZEN)));
    cr_assert_eq(hipt_asid_retire(rig.table, asid, NULL), HIPT_OK);
    cr_assert_eq(hipt_asid_alloc(rig.table, &asid), HIPT_NO_ASID);
    rig_pass(&rig);
    cr_assert_eq(hipt_asid_alloc(rig.table, &asid), HIPT_NO_ASID, "its cell is in use");
    hipti_slot_publish(&rig.table->buckets, slot, hipti_pte_with_state(pte, HIPTI_LIVE)); /* the unmap let go, say */
    cr_assert_eq(hipt_asid_alloc(rig.table, &asid), HIPT_NO_ASID);
    rig_pass(&rig);
    cr_assert_eq(hipt_asid_alloc(rig.table, &asid), HIPT_OK);
    rig_look(&rig, &picture);
    cr_assert_eq(picture.count, 0);
    rig_destroy(&rig);
}

/* A number that is issued again has forgotten its page sizes: a lookup reads no line before the first map. */
Test(asid, A1_page_sizes_are_forgotten)
{
    struct hipt_mapping m = rig_mapping(0, 2, 0, 0);
    struct hipt_asid asid;
    bool found;

    start(1);
    asid = rig_asid(&rig);
    (void)rig_asid(&rig);
    m.page.asid = asid.number;
    cr_assert_eq(hipt_map(rig.table, &m), HIPT_OK);
    cr_assert_eq(map(asid.number, RIG_LARGE, RIG_LARGE), HIPT_OK);
    cr_assert_geq(hipt_lookup_lines(rig.table, asid.number, 5000, &found), 2u);
    cr_assert_eq(hipt_asid_retire(rig.table, asid, NULL), HIPT_OK);
    cr_assert_eq(hipt_asid_alloc(rig.table, &asid), HIPT_NO_ASID);
    rig_pass(&rig);
    cr_assert_eq(hipt_asid_alloc(rig.table, &asid), HIPT_OK);
    cr_assert_eq(hipt_lookup_lines(rig.table, asid.number, 5000, &found), 0);
    rig_destroy(&rig);
}

/* Cells that were given back are used again: pages that come and go do not make the list longer than it was. */
Test(asid, cells_are_used_again)
{
    struct hipt_retired report;
    struct hipt_asid asid;
    unsigned turn;

    start(4);
    asid = rig_asid(&rig);
    for (turn = 0; turn < 50u; turn++) {
        uint64_t done;

        map_some(asid.number, 100);
        cr_assert_eq(hipt_unmap_range(rig.table, &(struct hipt_page){.asid = asid.number}, 100, &done), HIPT_OK);
        cr_assert_eq(done, 100u);
        while (hipt_frame_reap(rig.table, (struct hipt_frame[8]){{0}}, 8) > 0) {
            /* frames come back as well */
        }
        rig_pass(&rig);
        while (hipt_frame_reap(rig.table, (struct hipt_frame[8]){{0}}, 8) > 0) {
            /* the ones that had to wait */
        }
    }
    cr_assert_eq(hipt_asid_retire(rig.table, asid, &report), HIPT_OK);
    cr_assert_eq(report.pages, 0);
    cr_assert_leq(report.visited, 300u, "%llu cells", (unsigned long long)report.visited);
    rig_destroy(&rig);
}

/* The blocks of a list go back to the pool with its asid: many lives take no more memory than one. */
Test(asid, blocks_come_back)
{
    uint64_t settled = 0;
    unsigned life;

    start(2);
    for (life = 0; life < 40u; life++) {
        struct hipt_asid asid = rig_asid(&rig);

        map_some(asid.number, 1000);
        cr_assert_eq(hipt_asid_retire(rig.table, asid, NULL), HIPT_OK);
        while (hipt_frame_reap(rig.table, (struct hipt_frame[8]){{0}}, 8) > 0) {
            /* frames come back as well */
        }
        rig_pass(&rig);
        while (hipt_frame_reap(rig.table, (struct hipt_frame[8]){{0}}, 8) > 0) {
            /* the ones that had to wait */
        }
        settled = life == 10u ? atomic_load(&rig.host.bytes) : settled;
    }
    cr_assert_eq(atomic_load(&rig.host.bytes), settled);
    rig_destroy(&rig);
}

/* A1: cells are used again at once, so churn adds nothing to the cost of the end, though no grace period passes. */
Test(asid, A1_churn_leaves_no_cells)
{
    struct hipt_retired report;
    struct hipt_asid asid;
    unsigned turn;

    start(4);
    asid = rig_asid(&rig);
    cr_assert_eq(hipt_frame_pin(rig.table, (struct hipt_frame){.pfn = 7}), HIPT_OK);
    hipt_read_enter(rig.table);
    for (turn = 0; turn < 10000u; turn++) {
        cr_assert_eq(map(asid.number, 7, 7), HIPT_OK);
        cr_assert_eq(hipt_unmap(rig.table, &(struct hipt_page){.asid = asid.number, .vpn = 7}, NULL), HIPT_OK);
    }
    hipt_read_exit(rig.table);
    cr_assert_eq(map(asid.number, 7, 7), HIPT_OK);
    cr_assert_eq(hipt_asid_retire(rig.table, asid, &report), HIPT_OK);
    cr_assert_eq(report.pages, 1u);
    cr_assert_eq(report.visited, HIPTI_BLOCK_CELLS - 1u);
    rig_destroy(&rig);
}

/* With more mappings than cells can be numbered for, every cell's number still fits its 31 bits. */
Test(asid, the_largest_number_of_blocks)
{
    static struct hipti_asids asids;
    static struct test_host host;
    struct hipti_memory memory = hipti_memory_anywhere(&host.ops);

    test_host_init(&host);
    cr_assert(hipti_asids_init(&asids, &memory, 1, 1, UINT64_C(1) << 33, (size_t)1 << 16));
    cr_assert_leq(((uint64_t)asids.blocks.limit + 1u) * HIPTI_BLOCK_CELLS, UINT64_C(1) << 31);
    hipti_asids_end(&asids);
    cr_assert_eq(atomic_load(&host.bytes), 0);
}
