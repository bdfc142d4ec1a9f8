/* SPDX-License-Identifier: MIT */
/*
 * Races for an asid's words, each made to happen: one operation is interrupted before a named access, and another one
 * runs there from beginning to end.
 */
#include <criterion/criterion.h>

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "asid/asids.h"
#include "support/host.h"
#include "support/step.h"

enum { TAG_SHIFT = 31, TAG_BITS = 33 }; /* of the word of given-back cells */

static struct test_host host;
static struct hipti_memory memory;
static struct hipti_asids asids;

static void issue_new(struct hipt_asid *issued)
{
    enum hipt_status status = HIPT_OK;
    struct hipti_asid *asid = hipti_asid_new(&asids, &status);

    cr_assert(asid && hipti_asid_reissue(&asids, asid, 0, issued));
}
static struct hipti_asid *asid;
static struct hipt_asid issued;
static uint32_t taken; /* by the other thread */

static void start(void)
{
    test_host_init(&host);
    memset(&asids, 0, sizeof(asids));
    memory = hipti_memory_anywhere(&host.ops);
    cr_assert(hipti_asids_init(&asids, &memory, 1, 1, 4096, (size_t)1 << 16));
    issue_new(&issued);
    asid = hipti_asid_active(&asids, issued.number);
    cr_assert_not_null(asid);
    host.ops.read_enter(host.ops.ctx);
}

static void stop(void)
{
    host.ops.read_exit(host.ops.ctx);
    hipti_asids_end(&asids);
    cr_assert_eq(atomic_load(&host.bytes), 0);
}

static uint32_t remember(uint32_t slot)
{
    enum hipt_status status = HIPT_OK;
    uint32_t cell = hipti_asid_remember(&asids, asid, slot, &status);

    cr_assert_neq(cell, 0, "status %d", (int)status);
    return cell;
}

static void forget(uint32_t cell)
{
    hipti_asid_forget(&asids, issued.number, cell);
}

/* A1: the cells name the slots whose bits are set in @slots, each once, and nothing else. */
static void cr_expect_slots(uint64_t slots)
{
    struct hipti_asid_walk walk = hipti_asid_walk_start(&asids, asid);
    uint64_t seen = 0;
    uint32_t slot;

    while (hipti_asid_walk_next(&walk, &slot)) {
        cr_assert(slot < 64u && !(seen >> slot & 1u), "slot %u", slot);
        seen |= UINT64_C(1) << slot;
    }
    cr_assert_eq(seen, slots, "%llx", (unsigned long long)seen);
}

static void remember_30(void)
{
    taken = remember(30);
}

static void forget_30(void)
{
    forget(taken);
}

/* A1: two maps that want the same unused cell: each has its own. */
Test(asid_races, A1_two_take_one_unused_cell)
{
    uint32_t cell;

    start();
    (void)remember(0);
    step_interrupt("cas", &asid->fill, 0, remember_30);
    cell = remember(1);
    cr_assert(step_interrupted());
    cr_assert_neq(cell, taken);
    cr_expect_slots(UINT64_C(1) << 30 | 3u);
    stop();
}

/* A1: two maps that both bring a block: one is given back, to be used by another asid after a grace period. */
Test(asid_races, A1_two_bring_a_block)
{
    uint32_t cell;
    uint32_t n;

    start();
    step_interrupt("cas", &asid->fill, 0, remember_30);
    cell = remember(1);
    cr_assert(step_interrupted());
    cr_assert_eq(cell / HIPTI_BLOCK_CELLS, taken / HIPTI_BLOCK_CELLS, "cells of one block");
    cr_assert_eq(hipti_load_relaxed(&asids.blocks.carved), 2u);
    cr_expect_slots(UINT64_C(1) << 30 | 2u);
    issue_new(&issued);
    asid = hipti_asid_active(&asids, issued.number);
    cr_expect_slots(0);
    cell = remember(0);
    cr_assert_eq(hipti_load_relaxed(&asids.blocks.carved), 3u, "R1: no grace period has passed");
    test_host_pass(&host);
    for (n = 1; n < HIPTI_BLOCK_CELLS; n++) {
        cell = remember(n);
    }
    cr_assert_eq(hipti_load_relaxed(&asids.blocks.carved), 3u);
    cr_assert_neq(cell / HIPTI_BLOCK_CELLS, taken / HIPTI_BLOCK_CELLS);
    cr_expect_slots(UINT64_MAX);
    stop();
}

/* A1: two maps that want the same given-back cell: one has it, the other the one below it. */
Test(asid_races, A1_two_take_one_given_back_cell)
{
    uint32_t cells[3];
    uint32_t cell;
    unsigned i;

    start();
    for (i = 0; i < 3u; i++) {
        cells[i] = remember(i);
    }
    forget(cells[0]);
    forget(cells[1]);
    step_interrupt("cas", &asid->spare, 0, remember_30);
    cell = remember(1);
    cr_assert(step_interrupted());
    cr_assert_eq(taken, cells[1]);
    cr_assert_eq(cell, cells[0]);
    cr_expect_slots(UINT64_C(1) << 30 | 6u);
    stop();
}

/* Another thread takes both cells, and gives back the one that is looked at. */
static void take_both_give_one_back(void)
{
    uint32_t first = remember(30);

    (void)remember(31);
    forget(first);
}

/* A1: the cell looked at was taken and given back meanwhile, and what was below it is in use: the tag tells. */
Test(asid_races, A1_a_cell_that_went_and_came_back)
{
    uint32_t cells[2];
    unsigned i;

    start();
    for (i = 0; i < 2u; i++) {
        cells[i] = remember(i);
    }
    forget(cells[0]);
    forget(cells[1]);
    step_interrupt("cas", &asid->spare, 0, take_both_give_one_back);
    cr_assert_eq(remember(2), cells[1]);
    cr_assert(step_interrupted());
    cr_expect_slots(UINT64_C(1) << 31 | 4u);
    cr_assert_neq(remember(3), cells[0], "it is in use");
    cr_expect_slots(UINT64_C(1) << 31 | 12u);
    stop();
}

/* A1: two unmaps that give a cell back at once: both come back. */
Test(asid_races, A1_two_give_a_cell_back)
{
    uint32_t cells[2];
    unsigned i;

    start();
    for (i = 0; i < 2u; i++) {
        cells[i] = remember(i);
    }
    remember_30();
    step_interrupt("cas", &asid->spare, 0, forget_30);
    forget(cells[0]);
    cr_assert(step_interrupted());
    cr_expect_slots(2);
    cr_assert_eq(remember(4), cells[0]);
    cr_assert_eq(remember(5), taken);
    cr_expect_slots(2u | 3u << 4);
    cr_assert_eq(hipti_load_relaxed(&asids.blocks.carved), 1u);
    stop();
}

/*
 * A1: the tag of given-back cells waits at its gate before it could come back to the same value. Until then other cells
 * are used; the given-back one is not lost.
 */
Test(asid_races, A1_the_tag_waits_at_its_gate)
{
    uint64_t last = (UINT64_C(1) << (TAG_BITS - 2)) - 1u; /* of the first quarter */
    uint32_t cell;
    uint32_t other;

    start();
    cell = remember(0);
    forget(cell);
    hipti_store_release(&asid->spare, last << TAG_SHIFT | cell);
    cr_assert(hipti_gate_cross(&asids.gate, &host.ops), "another asid's tag");
    other = remember(1);
    cr_assert_neq(other, cell);
    cr_expect_slots(2);
    test_host_pass(&host);
    cr_assert_eq(remember(2), cell);
    cr_assert_eq(hipti_load_acquire(&asid->spare) >> TAG_SHIFT, last + 1u);
    cr_expect_slots(6);
    stop();
}

static void end_it(void)
{
    cr_assert_eq(hipti_asid_end(&asids, issued), asid);
}

/* A2: of two retirements at once one is the end. */
Test(asid_races, A2_two_ends)
{
    start();
    step_interrupt("cas", &asid->life, 0, end_it);
    cr_assert_null(hipti_asid_end(&asids, issued));
    cr_assert(step_interrupted());
    cr_assert_null(hipti_asid_active(&asids, issued.number));
    cr_assert(!hipti_asid_confirm(asid));
    stop();
}
