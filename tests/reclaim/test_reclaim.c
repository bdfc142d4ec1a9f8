/* SPDX-License-Identifier: MIT */
/* Memory by number, lists that wait for grace periods, and the gate before a counter's wrap, step by step. */
#include <criterion/criterion.h>

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "reclaim/arena.h"
#include "reclaim/freelist.h"
#include "reclaim/gate.h"
#include "support/host.h"
#include "support/step.h"

static struct test_host host;
static struct hipti_memory memory;

static void start_host(void)
{
    test_host_init(&host);
    memory = hipti_memory_anywhere(&host.ops);
}

/* Everything that was given out has come back, with the sizes it was given out with. */
static void cr_expect_no_leak(void)
{
    cr_expect_eq(atomic_load(&host.blocks), 0, "%llu blocks are left", (unsigned long long)atomic_load(&host.blocks));
    cr_expect_eq(atomic_load(&host.bytes), 0);
}

/* Items are numbered from 1 without a hole, lie apart, and are zero when they are first seen. */
Test(arena, numbers_from_one, .init = start_host)
{
    enum { ITEM = 24, LIMIT = 1000, BLOCK = 10 * ITEM };
    static const char zeroes[ITEM];
    struct hipti_arena arena = {0};
    uint32_t number;
    bool full;

    cr_assert(hipti_arena_init(&arena, &memory, ITEM, LIMIT, BLOCK, true));
    for (number = 1; number <= LIMIT; number++) {
        char *item;

        cr_assert_eq(hipti_arena_carve(&arena, false, &full), number);
        cr_assert(!full);
        item = hipti_arena_at(&arena, number);
        cr_assert_eq(memcmp(item, zeroes, ITEM), 0, "item %u", number);
        memset(item, (int)(number % 251u + 1u), ITEM);
    }
    for (number = 1; number <= LIMIT; number++) {
        const char *item = hipti_arena_at(&arena, number);
        unsigned i;

        for (i = 0; i < ITEM; i++) {
            cr_assert_eq((unsigned char)item[i], number % 251u + 1u, "item %u was overwritten", number);
        }
        cr_assert_eq(hipti_arena_find(&arena, number), item);
    }
    cr_assert_eq(hipti_arena_carve(&arena, false, &full), HIPTI_NONE);
    cr_assert(full, "the limit is not a lack of memory");
    hipti_arena_end(&arena);
    cr_expect_no_leak();
}

/* Memory comes block by block: as many items as fit, at least one, never more than the limit needs. */
Test(arena, blocks_are_had_when_needed, .init = start_host)
{
    static const struct {
        size_t item;
        uint32_t limit;
        size_t block;
        uint32_t items; /* of a block */
    } cases[] = {{16, 100, 256, 16}, {16, 100, 255, 8}, {64, 100, 63, 1}, {64, 1, 1 << 20, 1}, {8, 5, 1 << 20, 8}};
    size_t i;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct hipti_arena arena = {0};
        size_t directory;
        uint32_t number;
        bool full;

        cr_assert(hipti_arena_init(&arena, &memory, cases[i].item, cases[i].limit, cases[i].block, true));
        cr_assert_eq(atomic_load(&host.blocks), 1u, "only the directory");
        directory = atomic_load(&host.bytes);
        cr_assert_eq(hipti_arena_bytes(&arena), directory);
        for (number = 1; number <= cases[i].limit; number++) {
            uint64_t blocks = (number - 1u) / cases[i].items + 1u;
            uint64_t whole = blocks * cases[i].items;
            uint64_t items = whole < cases[i].limit ? whole : cases[i].limit;

            cr_assert_eq(hipti_arena_carve(&arena, false, &full), number);
            cr_assert_eq(atomic_load(&host.blocks), 1u + blocks, "case %zu, item %u", i, number);
            cr_assert_eq(hipti_arena_bytes(&arena), directory + items * cases[i].item, "the last block is exact");
        }
        hipti_arena_end(&arena);
        cr_expect_no_leak();
    }
}

/*
 * The directory is one block, which a host may not have: blocks double while it would be above 64 KiB and they below
 * 512 KiB. However large the host's blocks may be, a number is shifted within its 32 bits.
 */
Test(arena, blocks_grow_before_the_directory, .init = start_host)
{
    static const struct {
        size_t item;
        uint32_t limit;
        size_t block;
        size_t directory; /* bytes */
    } cases[] = {{64, 1u << 19, 4096, 1u << 16},  {64, 1u << 20, 4096, 1u << 16}, {64, 1u << 28, 4096, 1u << 18},
                 {64, 1u << 28, 1u << 21, 1u << 16}, {8, UINT32_MAX, SIZE_MAX, 2u * sizeof(char *)}};
    size_t i;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct hipti_arena arena = {0};

        cr_assert(hipti_arena_init(&arena, &memory, cases[i].item, cases[i].limit, cases[i].block, true));
        cr_assert_eq(hipti_arena_bytes(&arena), cases[i].directory, "case %zu: %zu", i, hipti_arena_bytes(&arena));
        hipti_arena_end(&arena);
        cr_expect_no_leak();
    }
}

/* Making an arena may wait for memory, so that a host that has to make room first can do so. */
Test(arena, a_host_that_never_hurries, .init = start_host)
{
    struct hipti_arena arena = {0};
    bool full;

    atomic_store(&host.never_hurries, true);
    cr_assert(hipti_arena_init(&arena, &memory, 8, 100, 64, true));
    cr_assert(!hipti_arena_prepare(&arena, 1, false));
    cr_assert(hipti_arena_prepare(&arena, 1, true));
    cr_assert_eq(hipti_arena_carve(&arena, false, &full), 1u);
    hipti_arena_end(&arena);
    cr_expect_no_leak();
}

static struct hipti_arena carved_from;
static uint32_t carved_beside;

static void carve_beside(void)
{
    bool full;

    carved_beside = hipti_arena_carve(&carved_from, false, &full);
}

/* Two that carve at once get a number each, none is left out. */
Test(arena, two_carve_at_once, .init = start_host)
{
    bool is_over = false;
    unsigned steps;

    for (steps = 0; !is_over; steps++) {
        uint32_t number;
        bool full;

        memset(&carved_from, 0, sizeof(carved_from));
        cr_assert(hipti_arena_init(&carved_from, &memory, 8, 10, 16, true));
        carved_beside = HIPTI_NONE;
        step_interrupt(NULL, NULL, steps, carve_beside);
        number = hipti_arena_carve(&carved_from, false, &full);
        is_over = !step_interrupted();
        cr_assert(is_over ? number == 1u : number + carved_beside == 3u, "interrupted at %u", steps);
        cr_assert_neq(number, carved_beside);
        cr_assert_eq(hipti_arena_carve(&carved_from, false, &full), is_over ? 2u : 3u, "interrupted at %u", steps);
        hipti_arena_end(&carved_from);
        cr_expect_no_leak();
    }
    cr_assert_gt(steps, 3u);
}

/* Without memory nothing is given out and nothing lost: the next try gives the same number. */
Test(arena, no_memory, .init = start_host)
{
    struct hipti_arena arena = {0};
    bool full = true;

    test_host_fail(&host, 1, 1);
    cr_assert(!hipti_arena_init(&arena, &memory, 8, 100, 64, true));
    hipti_arena_end(&arena); /* allowed, also after that */
    cr_assert(hipti_arena_init(&arena, &memory, 8, 100, 64, true));
    test_host_fail(&host, 1, 2);
    cr_assert_eq(hipti_arena_carve(&arena, false, &full), HIPTI_NONE);
    cr_assert(!full);
    cr_assert(!hipti_arena_prepare(&arena, 1, true));
    cr_assert_null(hipti_arena_find(&arena, 1));
    cr_assert_eq(hipti_arena_carve(&arena, false, &full), 1u);
    hipti_arena_end(&arena);
    cr_expect_no_leak();
}

/* What was prepared is carved without asking for memory; numbers from outside are refused beyond the limit. */
Test(arena, prepare_and_find, .init = start_host)
{
    struct hipti_arena arena = {0};
    uint64_t calls;
    uint32_t number;
    bool full;

    cr_assert(hipti_arena_init(&arena, &memory, 8, 20, 32, true));
    cr_assert(!hipti_arena_prepare(&arena, 21, true), "beyond the limit");
    cr_assert(hipti_arena_prepare(&arena, 8, true));
    cr_assert_eq(atomic_load(&host.blocks), 1u + 2u, "two blocks of four, and no more");
    cr_assert(hipti_arena_prepare(&arena, 9, true));
    calls = atomic_load(&host.calls);
    for (number = 1; number <= 12u; number++) { /* three blocks of four */
        cr_assert_not_null(hipti_arena_find(&arena, number));
        cr_assert_eq(hipti_arena_carve(&arena, false, &full), number);
    }
    cr_assert_eq(atomic_load(&host.calls), calls);
    cr_assert_null(hipti_arena_find(&arena, 13));
    cr_assert_null(hipti_arena_find(&arena, 21));
    cr_assert_null(hipti_arena_find(&arena, 0));
    cr_assert_null(hipti_arena_find(&arena, UINT32_MAX));
    hipti_arena_end(&arena);
    cr_expect_no_leak();
}

enum { THINGS = 100 };

static _Atomic uint32_t link_of[THINGS + 1];

static uint32_t link_get(void *owner, uint32_t number)
{
    cr_assert_eq(owner, link_of);
    return atomic_load(&link_of[number]);
}

static void link_set(void *owner, uint32_t number, uint32_t next)
{
    cr_assert_eq(owner, link_of);
    atomic_store(&link_of[number], next);
}

static const struct hipti_links links = {link_get, link_set};

static uint32_t pop(struct hipti_freelist *list)
{
    uint32_t number;

    host.ops.read_enter(host.ops.ctx);
    number = hipti_freelist_pop(list, &links, link_of, &host.ops);
    host.ops.read_exit(host.ops.ctx);
    return number;
}

/* R1: nothing comes back before a grace period has passed over its return; then everything does, once. */
Test(freelist, R1_everything_once_after_a_grace_period, .init = start_host)
{
    struct hipti_freelist list = {0};
    bool back[THINGS + 1] = {false};
    uint32_t i;

    cr_assert_eq(pop(&list), HIPTI_NONE);
    for (i = 1; i <= THINGS; i++) {
        hipti_freelist_push(&list, &links, link_of, i);
    }
    for (i = 0; i < 10u; i++) {
        cr_assert_eq(pop(&list), HIPTI_NONE, "no grace period has ended");
    }
    test_host_tick(&host);
    for (i = 1; i <= THINGS; i++) {
        uint32_t number = pop(&list);

        cr_assert(number >= 1u && number <= THINGS && !back[number], "%u", number);
        back[number] = true;
    }
    cr_assert_eq(pop(&list), HIPTI_NONE);
}

/* R1: what is returned while an earlier batch waits, waits for a grace period of its own. */
Test(freelist, R1_a_later_return_waits_longer, .init = start_host)
{
    struct hipti_freelist list = {0};

    hipti_freelist_push(&list, &links, link_of, 1);
    cr_assert_eq(pop(&list), HIPTI_NONE); /* 1 waits from here on */
    hipti_freelist_push(&list, &links, link_of, 2);
    cr_assert_eq(pop(&list), HIPTI_NONE, "what waits is not pushed aside");
    test_host_tick(&host);
    cr_assert_eq(pop(&list), 1u);
    cr_assert_eq(pop(&list), HIPTI_NONE, "the grace period of 1 is not that of 2");
    test_host_tick(&host);
    cr_assert_eq(pop(&list), 2u);
}

/* R1: a read side that was open at the return holds it up, however many grace periods are let go. */
Test(freelist, R1_an_open_read_side_holds_it_up, .init = start_host)
{
    struct hipti_freelist list = {0};

    host.ops.read_enter(host.ops.ctx);
    hipti_freelist_push(&list, &links, link_of, 7);
    cr_assert_eq(pop(&list), HIPTI_NONE);
    test_host_tick(&host);
    cr_assert_eq(pop(&list), HIPTI_NONE);
    host.ops.read_exit(host.ops.ctx);
    cr_assert_eq(pop(&list), 7u);
}

/* A list that nothing was given back to asks the host for no grace period. */
Test(freelist, nothing_to_wait_for, .init = start_host)
{
    struct hipti_freelist list = {0};
    uint64_t asked = atomic_load(&host.started);

    cr_assert_eq(pop(&list), HIPTI_NONE);
    cr_assert(!hipti_freelist_is_waiting(&list));
    cr_assert_eq(atomic_load(&host.started), asked);
}

/* T4: a mover that is stopped is not waited for. */
Test(freelist, T4_a_stopped_mover, .init = start_host)
{
    struct hipti_freelist list = {0};

    hipti_freelist_push(&list, &links, link_of, 1);
    hipti_store_relaxed(&list.moving, 1u);
    cr_assert_eq(pop(&list), HIPTI_NONE);
    cr_assert(hipti_freelist_is_waiting(&list));
}

static struct hipti_freelist beside;
static unsigned got;
static uint32_t got_beside;
static bool is_missed;

static void pop_beside(void)
{
    got_beside = hipti_freelist_pop(&beside, &links, link_of, &host.ops);
    is_missed = got_beside == HIPTI_NONE && !hipti_freelist_is_waiting(&beside) && got < 2u;
}

/* A thing that was given back is had, or said to be on its way, at whatever step of another pop one asks. */
Test(freelist, what_is_on_its_way_is_not_missed, .init = start_host)
{
    static const unsigned ticks[] = {0, 1, 0, 0}; /* before each pop */
    unsigned steps = 0;
    bool is_over = false;

    while (!is_over) {
        size_t i;

        memset(&beside, 0, sizeof(beside));
        hipti_freelist_push(&beside, &links, link_of, 1);
        hipti_freelist_push(&beside, &links, link_of, 2);
        got = 0;
        got_beside = HIPTI_NONE;
        is_missed = false;
        step_interrupt(NULL, NULL, steps++, pop_beside);
        for (i = 0; i < sizeof(ticks) / sizeof(ticks[0]); i++) {
            bool is_waiting = hipti_freelist_is_waiting(&beside);

            cr_assert(is_waiting || got + (got_beside != HIPTI_NONE) == 2u, "interrupted at %u", steps);
            if (ticks[i]) {
                test_host_tick(&host);
            }
            got += pop(&beside) != HIPTI_NONE;
        }
        is_over = !step_interrupted();
        cr_assert_eq(got + (got_beside != HIPTI_NONE), 2u, "interrupted at %u: %u", steps, got);
        cr_assert(!is_missed, "interrupted at %u", steps);
        cr_assert(!hipti_freelist_is_waiting(&beside));
    }
    cr_assert_gt(steps, 20u);
}

/* A counter of any width goes freely within a quarter of its range and asks at its end, and only there. */
Test(gate, quarters_of_every_width, .init = start_host)
{
    unsigned bits;

    for (bits = 2; bits <= 27u; bits++) {
        uint64_t quarter = UINT64_C(1) << (bits - 2u);
        struct hipti_gate gate = {0};
        unsigned i;

        cr_assert(hipti_gate_cross(&gate, &host.ops), "the first one is free");
        for (i = 0; i < 4u; i++) {
            uint64_t last = (i + 1u) * quarter - 1u;

            cr_assert(quarter < 2u || hipti_gate_pass(&gate, &host.ops, last - 1u, bits));
            cr_assert(quarter < 2u || hipti_gate_pass(&gate, &host.ops, last - quarter + 1u, bits));
            cr_assert(!hipti_gate_pass(&gate, &host.ops, last, bits), "%u bits, from %llu", bits,
                      (unsigned long long)last);
            test_host_tick(&host);
            cr_assert(hipti_gate_pass(&gate, &host.ops, last, bits));
            cr_assert(!hipti_gate_pass(&gate, &host.ops, last, bits), "another counter waits as well");
        }
    }
}

/* A round of any narrow counter takes a grace period for each quarter but the first. */
Test(gate, a_round_takes_a_grace_period_a_quarter, .init = start_host)
{
    unsigned bits;

    for (bits = 2; bits <= 14u; bits++) {
        struct hipti_gate gate = {0};
        unsigned waits = 0;
        uint64_t value;

        for (value = 0; value < UINT64_C(1) << bits; value++) {
            while (!hipti_gate_pass(&gate, &host.ops, value, bits)) {
                test_host_tick(&host);
                waits++;
            }
        }
        cr_assert_eq(waits, 3u, "%u bits: %u", bits, waits);
    }
}

/* Within one read side that was open first, a counter crosses once: the next crossing waits for that read side. */
Test(gate, an_open_read_side_stops_the_second_crossing, .init = start_host)
{
    struct hipti_gate gate = {0};

    host.ops.read_enter(host.ops.ctx);
    cr_assert(hipti_gate_cross(&gate, &host.ops));
    test_host_tick(&host);
    cr_assert(!hipti_gate_cross(&gate, &host.ops));
    host.ops.read_exit(host.ops.ctx);
    cr_assert(hipti_gate_cross(&gate, &host.ops));
}

static struct hipti_gate crossed;

static void cross_beside(void)
{
    TEST_HOLDS(hipti_gate_cross(&crossed, &host.ops));
}

/* Of two that cross at once one passes: the other would count on a grace period that the first did not ask for. */
Test(gate, R1_two_cross_at_once, .init = start_host)
{
    unsigned turn;

    for (turn = 0; turn < 2u; turn++) { /* also when it has been crossed before */
        host.meanwhile = cross_beside;
        cr_assert(!hipti_gate_cross(&crossed, &host.ops));
        cr_assert_null(host.meanwhile);
        test_host_tick(&host);
    }
}
