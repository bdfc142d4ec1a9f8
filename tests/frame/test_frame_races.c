/* SPDX-License-Identifier: MIT */
/*
 * Races for a frame's words, each made to happen: one operation is interrupted before a named access, and another one
 * runs there from beginning to end.
 */
#include <criterion/criterion.h>

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "frame/frames.h"
#include "support/host.h"
#include "support/step.h"

#define BLOCK_MASK hipti_mask(28) /* of a record's word: its first block */

static struct test_host host;
static struct hipti_frames frames;
static struct hipti_topology topology; /* one node */
static struct hipti_memory memory;

static void start(void)
{
    static const struct hipt_range range = {.first = 100, .count = 50, .swap = false};

    test_host_init(&host);
    cr_assert(hipti_topology_init(&topology, &host.ops, NULL));
    memory = hipti_memory_anywhere(&host.ops);
    memset(&frames, 0, sizeof(frames));
    cr_assert(hipti_frames_init(&frames, &topology, &memory, &range, 1, 4096));
    host.ops.read_enter(host.ops.ctx);
}

static void stop(void)
{
    host.ops.read_exit(host.ops.ctx);
    hipti_frames_end(&frames);
    cr_assert_eq(atomic_load(&host.bytes), 0);
}

static struct hipti_frame *record(uint32_t number)
{
    return (struct hipti_frame *)(void *)hipti_arena_at(&frames.records, number);
}

static struct hipti_alias *block(uint32_t number)
{
    return (struct hipti_alias *)(void *)hipti_arena_at(&frames.aliases->blocks, number);
}

static uint32_t first_block(uint32_t number)
{
    return (uint32_t)(hipti_load_acquire(&record(number)->word) & BLOCK_MASK);
}

static void link_one(uint32_t slot)
{
    struct hipti_pair pair = {slot, slot + 1000u};

    cr_assert_eq(hipti_frame_link(&frames, 1, pair), HIPT_OK);
}

static void link_some(uint32_t first, uint32_t end)
{
    for (; first < end; first++) {
        link_one(first);
    }
}

static void unlink_one(uint32_t slot)
{
    cr_assert_eq(hipti_frame_unlink(&frames, 1, slot, true), slot + 1000u);
}

static void unlink_some(uint32_t first, uint32_t end)
{
    for (; first < end; first++) {
        unlink_one(first);
    }
}

/* F1: a walk gives the pairs whose bits are set in @slots, each once, and nothing else. */
static void cr_expect_pairs(uint64_t slots)
{
    struct hipti_pairs pairs = hipti_frame_pairs(&frames, 1);
    struct hipti_pair found;
    uint64_t seen = 0;

    while (hipti_pairs_next(&pairs, &found)) {
        cr_assert_lt(found.slot, 64u);
        cr_assert_eq(found.cell, found.slot + 1000u);
        cr_assert(!(seen >> found.slot & 1u), "pair %u twice", found.slot);
        seen |= UINT64_C(1) << found.slot;
    }
    cr_assert_eq(seen, slots, "%llx", (unsigned long long)seen);
}

static void cr_expect_state(enum hipt_frame_state state, uint32_t mappings, uint32_t pins)
{
    struct hipt_frame_status status = hipti_frame_status(&frames, 1);

    cr_assert_eq(status.state, state, "state %d", (int)status.state);
    cr_assert_eq(status.mappings, mappings, "%u mappings", status.mappings);
    cr_assert_eq(status.pins, pins, "%u pins", status.pins);
}

/* R1: the frame comes back once, after a grace period. */
static void cr_expect_reaped_once(void)
{
    struct hipt_frame frame;

    cr_expect_state(HIPT_FRAME_LIMBO, 0, 0);
    cr_assert(!hipti_frame_reap(&frames, &frame));
    test_host_pass(&host);
    cr_assert(hipti_frame_reap(&frames, &frame));
    cr_assert_eq(frame.pfn, 100u);
    cr_assert(!hipti_frame_reap(&frames, &frame));
    test_host_pass(&host);
    cr_assert(!hipti_frame_reap(&frames, &frame));
    cr_expect_state(HIPT_FRAME_FREE, 0, 0);
}

static void link_30(void)
{
    link_one(30);
}

static void unlink_30(void)
{
    unlink_one(30);
}

static void pin(void)
{
    cr_assert_eq(hipti_frame_pin(&frames, 1), HIPT_OK);
}

static void unpin(void)
{
    cr_assert_eq(hipti_frame_unpin(&frames, 1), HIPT_OK);
}

/* --- the record's word */

/* F1, F2: two first links at once: one pair is in the record, the other in a block, both are counted. */
Test(frame_races, F1_two_first_links)
{
    unsigned at_pair;

    for (at_pair = 0; at_pair <= 1u; at_pair++) {
        start();
        if (at_pair) {
            step_interrupt("cas", &record(1)->first, 0, link_30);
        } else {
            step_interrupt("cas", &record(1)->word, 0, link_30);
        }
        link_one(0);
        cr_assert(step_interrupted());
        cr_expect_state(HIPT_FRAME_MAPPED, 2, 0);
        cr_expect_pairs(UINT64_C(1) << 30 | 1u);
        unlink_one(0);
        unlink_one(30);
        cr_expect_reaped_once();
        stop();
    }
}

/* F1, F5: a pin between a link's look at the word and its count: neither is lost. */
Test(frame_races, F1_a_pin_beside_a_link)
{
    start();
    step_interrupt("cas", &record(1)->word, 0, pin);
    link_one(0);
    cr_assert(step_interrupted());
    cr_expect_state(HIPT_FRAME_MAPPED, 1, 1);
    unlink_one(0);
    cr_expect_state(HIPT_FRAME_OWNED, 0, 1);
    unpin();
    cr_expect_reaped_once();
    stop();
}

static void link_and_unlink_30(void)
{
    link_one(30);
    unlink_one(30);
}

/* F6, F7, R1: pins and unpins beside links: what another thread made of the word counts, not what was read before. */
Test(frame_races, F6_F7_R1_pins_beside_links)
{
    start();
    step_interrupt("cas", &record(1)->word, 0, link_30);
    pin();
    cr_assert(step_interrupted());
    cr_expect_state(HIPT_FRAME_MAPPED, 1, 1);
    step_interrupt("cas", &record(1)->word, 0, unlink_30);
    unpin(); /* when it looked there still was a mapping */
    cr_assert(step_interrupted());
    cr_expect_reaped_once();

    step_interrupt("cas", &record(1)->word, 0, link_and_unlink_30);
    cr_assert_eq(hipti_frame_pin(&frames, 1), HIPT_BUSY, "it has gone to limbo meanwhile");
    cr_assert(step_interrupted());
    cr_expect_reaped_once();
    stop();
}

/* F3, F5: the last two unlinks at once: one of them is the last, and sends the frame to limbo once. */
Test(frame_races, F3_F5_two_last_unlinks)
{
    start();
    link_one(0);
    link_one(30);
    step_interrupt("cas", &record(1)->word, 0, unlink_30);
    unlink_one(0);
    cr_assert(step_interrupted());
    cr_expect_reaped_once();
    stop();
}

static void unpin_and_try(void)
{
    struct hipti_pair pair = {40, 1040};

    cr_expect_state(HIPT_FRAME_UNMAPPING, 1, 1);
    unpin();
    cr_assert_eq(hipti_frame_link(&frames, 1, pair), HIPT_BUSY);
    cr_assert_eq(hipti_frame_pin(&frames, 1), HIPT_BUSY);
}

/* F4, F5: a frame gives its blocks back while its last pin goes: it ends in limbo, not owned by nobody. */
Test(frame_races, F4_F5_R1_the_last_pin_goes_during_unmapping)
{
    start();
    pin();
    link_some(0, 15);
    unlink_some(1, 15); /* the newer block goes, the older one stays, empty */
    cr_assert_neq(first_block(1), HIPTI_NONE);
    step_interrupt("cas", &record(1)->word, 1, unpin_and_try); /* behind F4 */
    unlink_one(0);
    cr_assert(step_interrupted());
    cr_expect_reaped_once();
    stop();
}

/* --- blocks */

/* F1: two links for the last place of a block: one gets it, the other brings a further block. */
Test(frame_races, F1_two_links_for_one_place)
{
    start();
    link_some(0, 7); /* the record, and six of a block's seven */
    step_interrupt("cas", &block(first_block(1))->pair[6], 0, link_30);
    link_one(7);
    cr_assert(step_interrupted());
    cr_expect_pairs(UINT64_C(1) << 30 | 0xffu);
    cr_expect_state(HIPT_FRAME_MAPPED, 9, 0);
    cr_assert_eq(hipti_load_relaxed(&frames.aliases->blocks.carved), 2u);
    stop();
}

/* F1: two links that both bring a block: both blocks stay in the list, the one in front of the other. */
Test(frame_races, F1_two_links_that_bring_a_block)
{
    start();
    link_some(0, 1);
    step_interrupt("cas", &record(1)->word, 1, link_30); /* after the count's */
    link_one(1);
    cr_assert(step_interrupted());
    cr_expect_pairs(UINT64_C(1) << 30 | 3u);
    cr_assert_eq(hipti_load_relaxed(&frames.aliases->blocks.carved), 2u);
    cr_assert_neq(hipti_load_relaxed(&block(first_block(1))->next), HIPTI_NONE);
    link_some(2, 13);
    cr_assert_eq(hipti_load_relaxed(&frames.aliases->blocks.carved), 2u, "the places of both are used");
    cr_expect_pairs(UINT64_C(1) << 30 | 0x1fffu);
    stop();
}

/* F1: a link that takes a place of an empty block while the block is being sealed keeps it in the list. */
Test(frame_races, F1_a_link_beats_the_seal)
{
    uint32_t number;

    start();
    link_some(0, 2);
    number = first_block(1);
    hipti_store_release(&block(number)->pair[0], 0); /* in place 3, so that places 0 to 2 are sealed first */
    hipti_store_release(&block(number)->pair[3], UINT64_C(1001) << 32 | 1u);
    cr_expect_pairs(3);
    step_interrupt("cas", &block(number)->pair[2], 0, link_30);
    unlink_one(1);
    cr_assert(step_interrupted());
    cr_assert_eq(first_block(1), number);
    cr_expect_pairs(UINT64_C(1) << 30 | 1u);
    link_some(2, 8);
    cr_assert_eq(hipti_load_relaxed(&frames.aliases->blocks.carved), 1u, "its other places are empty again");
    cr_expect_pairs(UINT64_C(1) << 30 | 0xfdu);
    stop();
}

static void look_and_link_while_sealed(void)
{
    cr_expect_pairs(1);
    link_one(30); /* finds no place in the sealed block, and brings another */
    cr_expect_pairs(UINT64_C(1) << 30 | 1u);
}

/*
 * F1: while an empty block is taken off, a walk finds no pair in it. A link that brings a block in front of it keeps it
 * in the list, with empty places.
 */
Test(frame_races, F1_a_block_comes_in_front_of_a_sealed_one)
{
    uint32_t number;

    start();
    link_some(0, 2);
    number = first_block(1);
    step_interrupt("cas", &record(1)->word, 0, look_and_link_while_sealed);
    unlink_one(1);
    cr_assert(step_interrupted());
    cr_assert_eq(hipti_load_relaxed(&block(first_block(1))->next), number);
    link_some(2, 15); /* six places in front, seven in the old one */
    cr_assert_eq(hipti_load_relaxed(&frames.aliases->blocks.carved), 2u);
    cr_expect_pairs(UINT64_C(1) << 30 | 0x7ffdu);
    unlink_some(2, 15);
    unlink_one(0);
    unlink_one(30);
    cr_expect_reaped_once();
    stop();
}

/* F1: a pin at the last moment does not keep an empty block in the list, nor is it lost. */
Test(frame_races, F1_a_pin_beside_a_trim)
{
    start();
    link_some(0, 2);
    step_interrupt("cas", &record(1)->word, 0, pin);
    unlink_one(1);
    cr_assert(step_interrupted());
    cr_assert_eq(first_block(1), HIPTI_NONE);
    cr_expect_state(HIPT_FRAME_MAPPED, 1, 1);
    cr_expect_pairs(1);
    stop();
}

static void unlink_30_while_sealed(void)
{
    cr_assert_eq(hipti_load_relaxed(&block(first_block(1))->pair[0]), UINT64_MAX);
    unlink_one(30); /* its pair is behind the sealed block */
}

/* F1: an unlink passes over the places of a sealed block. */
Test(frame_races, F1_an_unlink_behind_a_sealed_block)
{
    start();
    link_some(0, 7);
    link_one(30); /* the first block is full */
    link_one(7);  /* the second one's only pair */
    step_interrupt("cas", &record(1)->word, 0, unlink_30_while_sealed);
    unlink_one(7);
    cr_assert(step_interrupted());
    cr_expect_pairs(0x7f);
    cr_expect_state(HIPT_FRAME_MAPPED, 7, 0);
    stop();
}
