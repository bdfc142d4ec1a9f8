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

static struct test_host host;

static void start_host(void)
{
    test_host_init(&host);
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

    cr_assert(hipti_arena_init(&arena, &host.ops, ITEM, LIMIT, BLOCK));
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

        cr_assert(hipti_arena_init(&arena, &host.ops, cases[i].item, cases[i].limit, cases[i].block));
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

/* Without memory nothing is given out and nothing lost: the next try gives the same number. */
Test(arena, no_memory, .init = start_host)
{
    struct hipti_arena arena = {0};
    bool full = true;

    test_host_fail(&host, 1, 1);
    cr_assert(!hipti_arena_init(&arena, &host.ops, 8, 100, 64));
    hipti_arena_end(&arena); /* allowed, also after that */
    cr_assert(hipti_arena_init(&arena, &host.ops, 8, 100, 64));
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

    cr_assert(hipti_arena_init(&arena, &host.ops, 8, 20, 32));
    cr_assert(!hipti_arena_prepare(&arena, 21, true), "beyond the limit");
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
