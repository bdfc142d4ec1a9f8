/* SPDX-License-Identifier: MIT */
/* The scheduler and its choosers, on threads whose schedules can be counted by hand. */
#include <criterion/criterion.h>
#include <string.h>

#include "sim/choose.h"
#include "sim/sched.h"

static struct hipti_sim sim;
static struct hipti_search search;
static uint64_t word[4];

static void step(unsigned index, enum hipti_sim_access access)
{
    hipti_sim_step(&sim, access == HIPTI_SIM_READ ? "load" : "store", &word[index], access, __FILE__, __LINE__);
}

/* --- bodies --- */

static void three_writes(void *ctx, unsigned thread)
{
    unsigned i;

    (void)ctx;
    (void)thread;
    for (i = 0; i < 3; i++) {
        step(0, HIPTI_SIM_WRITE);
    }
}

static void three_reads(void *ctx, unsigned thread)
{
    unsigned i;

    (void)ctx;
    (void)thread;
    hipti_sim_begin(&sim);
    for (i = 0; i < 3; i++) {
        step(0, HIPTI_SIM_READ);
    }
    hipti_sim_respond(&sim);
}

static void crossed_writes(void *ctx, unsigned thread)
{
    (void)ctx;
    step(thread, HIPTI_SIM_WRITE);
    step(1u - thread, HIPTI_SIM_WRITE);
}

/* A counter incremented without atomicity. */
static void increment(void *ctx, unsigned thread)
{
    uint64_t value;

    (void)ctx;
    (void)thread;
    step(0, HIPTI_SIM_READ);
    value = word[0];
    step(0, HIPTI_SIM_WRITE);
    word[0] = value + 1u;
}

static void wait_for_other(void *ctx, unsigned thread)
{
    const unsigned *waiting = (const unsigned *)ctx;

    if (!(*waiting >> thread & 1u)) {
        step(0, HIPTI_SIM_WRITE);
        word[0] = 1;
        return;
    }
    do {
        step(0, HIPTI_SIM_READ);
    } while (word[0] == 0);
}

/* --- counting --- */

/* => executions that came to their end; *all counts the pruned ones too. Begins again where a conflict was news. */
static unsigned count_schedules(unsigned bound, unsigned nthreads, void (*body)(void *ctx, unsigned thread),
                                unsigned *all)
{
    unsigned complete;

    hipti_sim_init(&sim, nthreads, body, NULL);
    do {
        sim.grew = false;
        complete = 0;
        *all = 0;
        hipti_search_init(&search, bound);
        do {
            complete += hipti_sim_run(&sim, &search.chooser) == HIPTI_SIM_DONE;
            ++*all;
        } while (hipti_search_next(&search));
    } while (sim.grew);
    return complete;
}

Test(sched, a_bound_of_preemptions_gives_the_schedules_that_arithmetic_says)
{
    unsigned all;

    cr_assert_eq(count_schedules(0, 2, three_writes, &all), 2);
    cr_assert_eq(count_schedules(1, 2, three_writes, &all), 6);
    cr_assert_eq(count_schedules(100, 2, three_writes, &all), 20); /* 6! / (3! 3!) */
    cr_assert_eq(count_schedules(100, 3, three_writes, &all), 1680); /* 9! / (3! 3! 3!) */
}

Test(sched, steps_that_commute_are_no_points_of_choice)
{
    unsigned all;

    cr_assert_eq(count_schedules(100, 2, three_reads, &all), 2); /* which operation is invoked first remains */
}

Test(sched, without_a_bound_one_of_each_class_of_schedules_runs_to_its_end)
{
    unsigned all;

    cr_assert_eq(count_schedules(100, 2, crossed_writes, &all), 6);
    cr_assert_eq(count_schedules(HIPTI_SEARCH_UNBOUNDED, 2, crossed_writes, &all), 3);
    cr_assert_eq(count_schedules(HIPTI_SEARCH_UNBOUNDED, 2, three_writes, &all), 20); /* nothing commutes */
}

/* --- finding and replaying --- */

static bool lost_update(const struct hipti_sim_chooser *chooser)
{
    word[0] = 0;
    cr_assert_eq(hipti_sim_run(&sim, chooser), HIPTI_SIM_DONE);
    return word[0] == 1;
}

Test(choose, search_finds_a_lost_update_with_one_preemption_and_not_without)
{
    unsigned bound;

    for (bound = 0; bound < 2; bound++) {
        unsigned found = 0;

        hipti_sim_init(&sim, 2, increment, NULL);
        do {
            sim.grew = false;
            hipti_search_init(&search, bound);
            do {
                found += lost_update(&search.chooser);
            } while (hipti_search_next(&search));
        } while (sim.grew);
        cr_assert_eq(found > 0, bound > 0);
    }
}

Test(choose, pct_finds_it_and_the_same_seed_gives_the_same_schedules)
{
    struct hipti_pct pct;
    char first[2][64];
    unsigned found = 0;
    unsigned round;
    unsigned i;

    for (round = 0; round < 2; round++) {
        hipti_sim_init(&sim, 2, increment, NULL);
        hipti_pct_init(&pct, 7, 2);
        for (i = 0; i < 200; i++) {
            hipti_pct_start(&pct);
            found += lost_update(&pct.chooser);
        }
        cr_assert(hipti_replay_write(&sim, first[round], sizeof(first[round])));
    }
    cr_assert_gt(found, 0);
    cr_assert_lt(found, 400);
    cr_assert_str_eq(first[0], first[1]);
}

Test(choose, all_strings_of_two_bytes_end_and_some_find_it)
{
    struct hipti_bytes bytes;
    unsigned found = 0;
    unsigned i;

    hipti_sim_init(&sim, 2, increment, NULL);
    for (i = 0; i < 65536; i++) {
        uint8_t text[2] = {(uint8_t)i, (uint8_t)(i >> 8)};

        hipti_bytes_start(&bytes, text, sizeof(text));
        found += lost_update(&bytes.chooser);
    }
    cr_assert_gt(found, 0);
    cr_assert_lt(found, 65536);
}

Test(choose, a_recorded_schedule_is_replayed_step_by_step)
{
    struct hipti_replay replay;
    char text[64];
    char again[64];

    hipti_sim_init(&sim, 2, increment, NULL);
    hipti_replay_start(&replay, "0x1,1x2,0x1");
    cr_assert(lost_update(&replay.chooser));
    cr_assert(hipti_replay_write(&sim, text, sizeof(text)));
    cr_assert_str_eq(text, "0x1,1x2,0x1");
    hipti_replay_start(&replay, "1x2,0x2");
    cr_assert_not(lost_update(&replay.chooser));
    cr_assert(hipti_replay_write(&sim, again, sizeof(again)));
    cr_assert_str_eq(again, "1x2,0x2");
    cr_assert_not(hipti_replay_write(&sim, again, 6));
}

Test(choose, what_is_no_schedule_is_run_all_the_same)
{
    static const char *const texts[] = {"", ",", "x", "9x9", "0", "0x0,1x0", "1x99999999999", "0x1,0x1,0x1,0x1,0x1"};
    struct hipti_replay replay;
    size_t i;

    hipti_sim_init(&sim, 2, increment, NULL);
    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        hipti_replay_start(&replay, texts[i]);
        (void)lost_update(&replay.chooser);
    }
}

/* --- spinning --- */

Test(sched, a_thread_that_waits_is_disabled_until_somebody_writes)
{
    struct hipti_replay replay;
    unsigned waiting = 1;

    word[0] = 0;
    hipti_sim_init(&sim, 2, wait_for_other, &waiting);
    hipti_replay_start(&replay, ""); /* thread 0 first, for as long as it can */
    cr_assert_eq(hipti_sim_run(&sim, &replay.chooser), HIPTI_SIM_DONE);
    cr_assert_eq(sim.spins, 1);
    cr_assert_geq(sim.own_steps[0], HIPTI_SIM_SPIN);
}

Test(sched, threads_that_wait_for_each_other_are_stuck)
{
    struct hipti_replay replay;
    unsigned waiting = 3;

    word[0] = 0;
    hipti_sim_init(&sim, 2, wait_for_other, &waiting);
    hipti_replay_start(&replay, "");
    cr_assert_eq(hipti_sim_run(&sim, &replay.chooser), HIPTI_SIM_STUCK);
}
