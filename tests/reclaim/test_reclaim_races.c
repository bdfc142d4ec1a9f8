/* SPDX-License-Identifier: MIT */
/*
 * Races for lists, gates and memory, each made to happen: one operation is interrupted before a named access, and
 * another one runs there from beginning to end.
 */
#include <criterion/criterion.h>

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "reclaim/arena.h"
#include "reclaim/freelist.h"
#include "reclaim/gate.h"
#include "support/host.h"
#include "support/step.h"

enum { THINGS = 10 };

static struct test_host host;
static struct hipti_memory memory;
static struct hipti_freelist list;
static _Atomic uint32_t link_of[THINGS + 1];
static uint32_t popped; /* by the other thread */

static uint32_t link_get(void *owner, uint32_t number)
{
    (void)owner;
    return atomic_load(&link_of[number]);
}

static void link_set(void *owner, uint32_t number, uint32_t next)
{
    (void)owner;
    atomic_store(&link_of[number], next);
}

static const struct hipti_links links = {link_get, link_set};

static void start(void)
{
    test_host_init(&host);
    memory = hipti_memory_anywhere(&host.ops);
    memset(&list, 0, sizeof(list));
    popped = HIPTI_NONE;
}

static void push(uint32_t number)
{
    hipti_freelist_push(&list, &links, NULL, number);
}

static uint32_t pop(void)
{
    uint32_t number;

    host.ops.read_enter(host.ops.ctx);
    number = hipti_freelist_pop(&list, &links, NULL, &host.ops);
    host.ops.read_exit(host.ops.ctx);
    return number;
}

static void pop_meanwhile(void)
{
    popped = pop();
}

/* Things 1 to @count have waited long enough. */
static void ripen(uint32_t count)
{
    uint32_t number;

    for (number = 1; number <= count; number++) {
        push(number);
    }
    cr_assert_eq(pop(), HIPTI_NONE);
    test_host_tick(&host);
}

/* Whatever still comes, over grace periods, is the numbers whose bits are set in @numbers, each once. */
static void cr_expect_left(unsigned numbers)
{
    unsigned seen = 0;
    unsigned i;

    for (i = 0; i < 3u * THINGS; i++) {
        uint32_t number = pop();

        cr_assert(number == HIPTI_NONE || !(seen >> number & 1u), "%u twice", number);
        seen |= number == HIPTI_NONE ? 0 : 1u << number;
        test_host_tick(&host);
    }
    cr_assert_eq(seen, numbers, "%x", seen);
}

/* R1: two pops of one thing: each has its own. */
Test(freelist_races, R1_two_pops)
{
    uint32_t number;

    start();
    ripen(4);
    (void)pop();
    step_interrupt("cas", &list.free, 0, pop_meanwhile);
    number = pop();
    cr_assert(step_interrupted());
    cr_assert_neq(popped, HIPTI_NONE);
    cr_assert_neq(number, popped);
    cr_expect_left(0x1eu & ~(1u << 4) & ~(1u << number) & ~(1u << popped)); /* 4 was popped first */
}

static void push_5(void)
{
    push(5);
}

/* R1: two pushes at once: both come back, after a grace period. */
Test(freelist_races, R1_two_pushes)
{
    start();
    step_interrupt("cas", &list.returned, 0, push_5);
    push(1);
    cr_assert(step_interrupted());
    cr_assert_eq(pop(), HIPTI_NONE);
    cr_expect_left(1u << 1 | 1u << 5);
}

/* R1: a pop that finds the list empty, and filled when its turn to move comes, moves nothing onto it. */
Test(freelist_races, R1_another_mover_was_faster)
{
    uint32_t number;

    start();
    ripen(3);
    push(5); /* waits for a grace period of its own */
    step_interrupt("exchange", &list.moving, 0, pop_meanwhile);
    number = pop();
    cr_assert(step_interrupted());
    cr_assert(popped != HIPTI_NONE && popped != number && number != HIPTI_NONE);
    cr_expect_left((0xeu | 1u << 5) & ~(1u << number) & ~(1u << popped));
}

/* R1: while one thread moves, another's pop finds nothing rather than half of it. */
Test(freelist_races, R1_one_mover_at_a_time)
{
    start();
    ripen(3);
    step_interrupt("store", &list.free, 0, pop_meanwhile);
    cr_assert_neq(pop(), HIPTI_NONE);
    cr_assert(step_interrupted());
    cr_assert_eq(popped, HIPTI_NONE);
}

static void expect_taken(void)
{
    cr_assert_eq(hipti_load_relaxed(&list.returned), HIPTI_NONE);
    push(5);
}

/* R1: the grace period is asked for when the things have been taken: what is returned meanwhile waits for another. */
Test(freelist_races, R1_a_return_while_a_grace_period_is_asked_for)
{
    start();
    push(1);
    host.meanwhile = expect_taken;
    cr_assert_eq(pop(), HIPTI_NONE);
    test_host_tick(&host);
    cr_assert_eq(pop(), 1u);
    cr_assert_eq(pop(), HIPTI_NONE, "5 waits from here on only");
    cr_expect_left(1u << 5);
}

static bool was_waiting;

static void ask(void)
{
    was_waiting = hipti_freelist_is_waiting(&list);
}

/*
 * Scarcity that passes: something was returned, or waits, or may be had, or is in a mover's hand on its way from one to
 * the other; not when everything is handed out.
 */
Test(freelist_races, waiting_is_told_from_empty)
{
    start();
    cr_assert(!hipti_freelist_is_waiting(&list));
    push(1);
    push(2);
    cr_assert(hipti_freelist_is_waiting(&list), "returned");
    was_waiting = false;
    step_interrupt("store", &list.waiting, 0, ask);
    cr_assert_eq(pop(), HIPTI_NONE);
    cr_assert(step_interrupted());
    cr_assert(was_waiting, "between returned and waiting");
    cr_assert(hipti_freelist_is_waiting(&list), "waits");
    test_host_tick(&host);
    cr_assert_neq(pop(), HIPTI_NONE);
    cr_assert(hipti_freelist_is_waiting(&list), "to be had");
    cr_assert_neq(pop(), HIPTI_NONE);
    cr_assert(!hipti_freelist_is_waiting(&list));
}

static struct hipti_gate gate;

static void cross(void)
{
    cr_assert(hipti_gate_cross(&gate, &host.ops));
}

/* Two that cross at once: the grace period of the one that was faster counts for the other. */
Test(gate_races, two_cross_at_once)
{
    start();
    memset(&gate, 0, sizeof(gate));
    step_interrupt("cas", &gate.cookie, 0, cross);
    cr_assert(!hipti_gate_cross(&gate, &host.ops));
    cr_assert(step_interrupted());
    test_host_tick(&host);
    cr_assert(hipti_gate_cross(&gate, &host.ops));
}

static struct hipti_arena arena;
static uint32_t carved;

static void carve(void)
{
    bool full;

    carved = hipti_arena_carve(&arena, false, &full);
}

/* Two that carve at once have a number each; where both bring the block's memory, one gives its own back. */
Test(arena_races, two_carve_at_once)
{
    unsigned at_block;

    for (at_block = 0; at_block <= 1u; at_block++) {
        bool full;

        start();
        memset(&arena, 0, sizeof(arena));
        cr_assert(hipti_arena_init(&arena, &memory, 8, 100, 64, true));
        if (at_block) {
            step_interrupt("cas", &arena.directory[0], 0, carve);
        } else {
            step_interrupt("cas", &arena.carved, 0, carve);
        }
        cr_assert_eq(hipti_arena_carve(&arena, false, &full), 2u);
        cr_assert(step_interrupted());
        cr_assert_eq(carved, 1u);
        cr_assert_eq(atomic_load(&host.blocks), 2u, "the directory and one block");
        hipti_arena_end(&arena);
        cr_assert_eq(atomic_load(&host.bytes), 0);
    }
}

/* However large blocks may be, an item's number is split where a shift can split it. */
Test(arena_races, the_largest_block)
{
    start();
    memset(&arena, 0, sizeof(arena));
    cr_assert(hipti_arena_init(&arena, &memory, 1, UINT32_MAX, SIZE_MAX, true));
    cr_assert_eq(arena.block_shift, 31u);
    hipti_arena_end(&arena);
    cr_assert_eq(atomic_load(&host.bytes), 0);
}
