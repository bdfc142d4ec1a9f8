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
    hipti_sim_respond(&sim, 0);
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
        hipti_search_init(&search, bound, NULL);
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

/* --- states --- */

static struct hipti_seen_state room[2u << HIPTI_SEEN_BITS_MIN];
static struct hipti_seen seen = {.entries = room, .bits = HIPTI_SEEN_BITS_MIN};

static uint64_t read_word(unsigned index)
{
    step(index, HIPTI_SIM_READ);
    hipti_sim_learn(&sim, word[index]);
    return word[index];
}

static void write_word(unsigned index, uint64_t value)
{
    step(index, HIPTI_SIM_WRITE);
    hipti_sim_change(&sim, index, word[index], value);
    word[index] = value;
}

/* What is written is the same whoever writes it. */
static void same_writes(void *ctx, unsigned thread)
{
    unsigned i;

    (void)ctx;
    (void)thread;
    for (i = 0; i < 3; i++) {
        write_word(0, 7);
    }
}

/* Three turns of adding one, not atomically: up to 6 are counted, and as few as 2. */
static void counts(void *ctx, unsigned thread)
{
    unsigned i;

    (void)ctx;
    (void)thread;
    for (i = 0; i < 3; i++) {
        write_word(0, read_word(0) + 1u);
    }
}

/* One operation for each thread, of which only the order in time is different. */
static void one_operation(void *ctx, unsigned thread)
{
    uint64_t *orders = (uint64_t *)ctx;

    hipti_sim_begin(&sim);
    (void)read_word(1u + thread);
    hipti_sim_respond(&sim, 0);
    orders[thread] = sim.past[thread];
}

/* => executions, and in *results a bit for each value that the word had in the end. */
static unsigned search_words(unsigned bound, unsigned nthreads, void (*body)(void *ctx, unsigned thread),
                             struct hipti_seen *merged, unsigned *results)
{
    unsigned all;

    hipti_sim_init(&sim, nthreads, body, NULL);
    do {
        sim.grew = false;
        all = 0;
        *results = 0;
        hipti_search_init(&search, bound, merged);
        do {
            word[0] = 0;
            *results |= hipti_sim_run(&sim, &search.chooser) == HIPTI_SIM_DONE ? 1u << word[0] : 0;
            all++;
        } while (hipti_search_next(&search));
    } while (sim.grew);
    return all;
}

Test(choose, paths_that_meet_in_a_state_go_on_once)
{
    unsigned results;

    cr_assert_eq(search_words(HIPTI_SEARCH_UNBOUNDED, 2, same_writes, NULL, &results), 20); /* 6! / (3! 3!) */
    /* the states are how far each has come: a grid of 4 by 4, each of whose 9 inner points has one more way out */
    cr_assert_leq(search_words(HIPTI_SEARCH_UNBOUNDED, 2, same_writes, &seen, &results), 2u * 9u);
    cr_assert_eq(results, 1u << 7);
}

Test(choose, merging_loses_no_result_at_any_bound)
{
    unsigned bound;
    unsigned plain;
    unsigned merged;

    for (bound = 0; bound < 6; bound++) {
        unsigned all = search_words(bound, 2, counts, NULL, &plain);

        cr_assert_leq(search_words(bound, 2, counts, &seen, &merged), all, "bound %u", bound);
        cr_assert_eq(plain, merged, "bound %u: %#x and %#x", bound, plain, merged);
    }
    cr_assert_eq(merged, 0x7c); /* 2 to 6 */
}

Test(choose, more_states_than_there_is_room_for_are_explored_again)
{
    struct hipti_seen_state little[2u << HIPTI_SEEN_BITS_MIN] = {{0}};
    struct hipti_seen none = {.entries = little, .bits = HIPTI_SEEN_BITS_MIN};
    unsigned i;

    hipti_seen_start(&none);
    for (i = 0; i < 4u << HIPTI_SEEN_BITS_MIN; i++) {
        cr_assert(hipti_seen_enter(&none, hipti_sim_hash(1, i), 5));
    }
    cr_assert_not(hipti_seen_enter(&none, hipti_sim_hash(1, 0), 5), "the first are remembered");
    cr_assert(hipti_seen_enter(&none, hipti_sim_hash(1, 0), 4), "fewer preemptions lead further");
    cr_assert(hipti_seen_enter(&none, hipti_sim_hash(1, i - 1u), 5), "the last found no room");
    hipti_seen_start(&none);
    cr_assert(hipti_seen_enter(&none, hipti_sim_hash(1, 0), 5), "a new search has seen nothing");
}

Test(choose, the_order_of_operations_in_time_is_part_of_the_state)
{
    struct hipti_replay replay;
    uint64_t orders[2][2];
    unsigned i;

    for (i = 0; i < 2; i++) {
        hipti_sim_init(&sim, 2, one_operation, orders[i]);
        hipti_replay_start(&replay, i == 0 ? "0x1,1x1" : "1x1,0x1");
        cr_assert_eq(hipti_sim_run(&sim, &replay.chooser), HIPTI_SIM_DONE);
    }
    cr_assert_neq(orders[0][0], orders[1][0]);
    cr_assert_neq(orders[0][1], orders[1][1]);
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
            hipti_search_init(&search, bound, NULL);
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

/* --- waits --- */

/* Thread 0 writes some other word, and then what the other waits for, which looks at both in each turn. */
static void wait_or_write(void *ctx, unsigned thread)
{
    const unsigned *writes = (const unsigned *)ctx;

    if (thread == 0) {
        write_word(1, 1);
        write_word(1, 2);
        if (*writes) {
            write_word(0, 1);
        }
        return;
    }
    while (read_word(0) == 0) {
        (void)read_word(1);
        hipti_sim_wait(&sim);
    }
}

/* => executions that end as @end, of all. */
static unsigned search_waits(unsigned writes, struct hipti_seen *merged, enum hipti_sim_end end, unsigned *all)
{
    unsigned count;

    hipti_sim_init(&sim, 2, wait_or_write, &writes);
    do {
        sim.grew = false;
        count = 0;
        *all = 0;
        hipti_search_init(&search, HIPTI_SEARCH_UNBOUNDED, merged);
        do {
            memset(word, 0, sizeof(word));
            count += hipti_sim_run(&sim, &search.chooser) == end;
            ++*all;
            cr_assert_eq(sim.spins, 0);
            cr_assert_lt(sim.nsteps, 16); /* who waits does not turn while nobody writes */
        } while (hipti_search_next(&search));
    } while (sim.grew);
    return count;
}

Test(sched, who_waits_goes_on_when_somebody_writes)
{
    unsigned plain;
    unsigned all;

    plain = search_waits(1, NULL, HIPTI_SIM_DONE, &all);
    cr_assert_eq(plain, all); /* no write is missed */
    cr_assert_gt(plain, 1);
    cr_assert_eq(search_waits(1, &seen, HIPTI_SIM_STUCK, &all), 0);
    cr_assert_leq(all, plain);
}

Test(sched, waits_for_what_nobody_writes_end)
{
    unsigned all;
    unsigned stuck = search_waits(0, NULL, HIPTI_SIM_STUCK, &all);

    cr_assert_eq(stuck, all);
    cr_assert_gt(all, 0);
    cr_assert_gt(search_waits(0, &seen, HIPTI_SIM_STUCK, &all), 0);
}
