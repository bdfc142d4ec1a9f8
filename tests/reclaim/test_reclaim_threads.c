/* SPDX-License-Identifier: MIT */
/* The same three with several threads, which change places in the middle of everything. */
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

static void start_threads(void)
{
    test_host_init(&host);
    memory = hipti_memory_anywhere(&host.ops);
    test_host_free_run(&host);
    step_yield_one_in(8);
}

/* --- arena */

enum { CARVERS = 4, CARVED = 64, ROUNDS = 200 };

struct carving {
    struct hipti_arena arena;
    _Atomic bool taken[CARVERS * CARVED + 1];
};

static void carve(void *shared, unsigned index)
{
    struct carving *carving = (struct carving *)shared;
    unsigned i;

    for (i = 0; i < CARVED; i++) {
        bool full;
        uint32_t number = hipti_arena_carve(&carving->arena, false, &full);

        TEST_HOLDS(number >= 1u && number <= CARVERS * CARVED);
        TEST_HOLDS(!atomic_exchange(&carving->taken[number], true));
        memset(hipti_arena_at(&carving->arena, number), (int)index + 1, 8);
    }
}

/* Threads that race for one block get one: every number once, every other block of memory is given back at once. */
Test(arena, threads_race_for_a_block, .init = start_threads)
{
    uint64_t lost = 0;
    unsigned round;

    for (round = 0; round < ROUNDS; round++) {
        struct carving carving;
        uint64_t calls = atomic_load(&host.calls);
        uint32_t number;

        memset(&carving, 0, sizeof(carving));
        cr_assert(hipti_arena_init(&carving.arena, &memory, 8, CARVERS * CARVED, 32, true));
        test_threads(CARVERS, carve, &carving);
        for (number = 1; number <= CARVERS * CARVED; number++) {
            cr_assert(atomic_load(&carving.taken[number]));
        }
        cr_assert_eq(atomic_load(&host.blocks), 1u + CARVERS * CARVED / 4u);
        lost += atomic_load(&host.calls) - calls - (1u + CARVERS * CARVED / 4u);
        hipti_arena_end(&carving.arena);
        cr_assert_eq(atomic_load(&host.bytes), 0);
    }
    cr_assert_gt(lost, 0, "no race was ever run");
}

/* --- freelist */

enum { TOKENS = 32, TURNS = 20000, POPPERS = 3 };

struct churn {
    struct hipti_freelist list;
    _Atomic uint32_t link[TOKENS + 1];
    _Atomic bool out[TOKENS + 1];
    _Atomic uint64_t returned_at[TOKENS + 1]; /* the youngest grace period at the return */
    _Atomic uint64_t popped;
};

static uint32_t link_get(void *owner, uint32_t number)
{
    return atomic_load_explicit(&((struct churn *)owner)->link[number], memory_order_relaxed);
}

static void link_set(void *owner, uint32_t number, uint32_t next)
{
    atomic_store_explicit(&((struct churn *)owner)->link[number], next, memory_order_relaxed);
}

static const struct hipti_links links = {link_get, link_set};

static void churn(void *shared, unsigned index)
{
    struct churn *churn = (struct churn *)shared;
    uint64_t random = index + 1u;
    uint32_t held[4] = {0};
    unsigned i;

    /* Where one of them is off the processor inside its read side, the others find the list empty until it is back. */
    for (i = 0; i < TURNS || atomic_load(&churn->popped) <= TURNS / 4; i++) {
        uint32_t *place = &held[test_random(&random) >> 62];

        if (*place != HIPTI_NONE) {
            TEST_HOLDS(atomic_exchange(&churn->out[*place], false));
            atomic_store(&churn->returned_at[*place], atomic_load(&host.started));
            hipti_freelist_push(&churn->list, &links, churn, *place);
            *place = HIPTI_NONE;
            continue;
        }
        host.ops.read_enter(host.ops.ctx);
        *place = hipti_freelist_pop(&churn->list, &links, churn, &host.ops);
        host.ops.read_exit(host.ops.ctx);
        if (*place != HIPTI_NONE) {
            TEST_HOLDS(!atomic_exchange(&churn->out[*place], true)); /* nobody else has it */
            TEST_HOLDS(atomic_load(&host.elapsed) > atomic_load(&churn->returned_at[*place]));
            atomic_fetch_add(&churn->popped, 1u);
        }
    }
    for (i = 0; i < 4u; i++) {
        if (held[i] != HIPTI_NONE) {
            atomic_store(&churn->out[held[i]], false);
            hipti_freelist_push(&churn->list, &links, churn, held[i]);
        }
    }
}

/* R1: whatever is popped has nobody else's hand on it and a whole grace period behind it; nothing is ever lost. */
Test(freelist, R1_threads_never_share_and_never_lose, .init = start_threads)
{
    static struct churn shared;
    bool back[TOKENS + 1] = {false};
    uint32_t number;
    unsigned i;

    for (number = 1; number <= TOKENS; number++) {
        hipti_freelist_push(&shared.list, &links, &shared, number);
    }
    test_threads(POPPERS, churn, &shared);
    for (i = 0; i < TOKENS; i++) {
        do {
            host.ops.read_enter(host.ops.ctx);
            number = hipti_freelist_pop(&shared.list, &links, &shared, &host.ops);
            host.ops.read_exit(host.ops.ctx);
        } while (number == HIPTI_NONE && (shared.list.waiting || atomic_load(&shared.list.returned)));
        cr_assert(number >= 1u && number <= TOKENS && !back[number], "token %u", number);
        back[number] = true;
    }
}

/* --- gate */

enum { COUNTER_BITS = 4, CROSSINGS = 2000, CROSSERS = 3 };

struct crossing {
    struct hipti_gate gate;
    _Atomic uint64_t counter; /* unbounded; the gate is shown its lowest bits */
    _Atomic uint64_t most;    /* crossings seen in one read side */
};

static uint64_t quarters(uint64_t counter)
{
    return counter >> (COUNTER_BITS - 2);
}

static void count_up(struct crossing *crossing)
{
    uint64_t value = atomic_load(&crossing->counter);

    host.ops.read_enter(host.ops.ctx);
    if (hipti_gate_pass(&crossing->gate, &host.ops, value & hipti_mask(COUNTER_BITS), COUNTER_BITS)) {
        (void)atomic_compare_exchange_strong(&crossing->counter, &value, value + 1u);
    }
    host.ops.read_exit(host.ops.ctx);
}

static void watch(struct crossing *crossing, unsigned looks)
{
    uint64_t before;
    uint64_t most;
    uint64_t seen = 0;

    host.ops.read_enter(host.ops.ctx);
    before = atomic_load(&crossing->counter);
    while (looks-- > 0) {
        seen = quarters(hipti_load_acquire(&crossing->counter)) - quarters(before);
        TEST_HOLDS(seen < 3u);
    }
    host.ops.read_exit(host.ops.ctx);
    most = atomic_load(&crossing->most);
    while (most < seen && !atomic_compare_exchange_weak(&crossing->most, &most, seen)) {
        /* another thread has raised it */
    }
}

/* Enough crossings, and one that the reader met: where the processors are busy, it may not run for a while. */
static bool has_enough(struct crossing *crossing)
{
    uint64_t crossings = quarters(atomic_load(&crossing->counter));

    return crossings >= CROSSINGS && (atomic_load(&crossing->most) > 0 || crossings >= CROSSINGS * 1000u);
}

static void cross_or_watch(void *shared, unsigned index)
{
    struct crossing *crossing = (struct crossing *)shared;

    while (!has_enough(crossing)) {
        if (index == 0) {
            watch(crossing, 64);
        } else {
            count_up(crossing);
        }
    }
}

/* T4, R1: no reader sees a counter cross three quarters of its range, so none sees it come back to its value. */
Test(gate, R1_no_reader_sees_three_crossings, .init = start_threads)
{
    static struct crossing shared;

    test_threads(CROSSERS, cross_or_watch, &shared);
    cr_assert_geq(quarters(atomic_load(&shared.counter)), CROSSINGS);
    cr_assert_gt(atomic_load(&shared.most), 0, "no reader ever met a crossing");
}
