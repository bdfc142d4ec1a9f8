/* SPDX-License-Identifier: MIT */
/*
 * Litmus tests: tiny programs whose possible outcomes are known, each explored without bounds that matter, and its
 * outcomes compared with the exact set. Two are weaker in the language than in the model, which is said where they
 * stand and in docs/memory-model.md. An outcome is a decimal number, a digit for each register, the first one leftmost.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "weak/crew.h"

#define OUTCOMES 10000u
#define BOUND 8u /* more than the steps of any of these threads */

typedef enum hipti_weak_order order;

static uint64_t x;
static uint64_t y;
static uint64_t z;
static unsigned registers[4];
static unsigned nregisters;
static bool seen[OUTCOMES];
static order storing;
static order loading;

static struct hipti_weak_site site(const char *operation)
{
    struct hipti_weak_site here = {operation, "litmus", "litmus", 0};

    return here;
}

static unsigned load(uint64_t *word, order how)
{
    crew_step("load", word, "litmus", 0);
    return (unsigned)hipti_weak_load(&crew_weak, word, sizeof(*word), how, site("load"));
}

static void store(uint64_t *word, uint64_t value, order how)
{
    crew_step("store", word, "litmus", 0);
    hipti_weak_store(&crew_weak, word, sizeof(*word), value, how, site("store"));
}

static unsigned add(uint64_t *word, uint64_t value, order how)
{
    crew_step("add", word, "litmus", 0);
    return (unsigned)hipti_weak_add_to(&crew_weak, word, sizeof(*word), value, how, site("add"));
}

static bool cas(uint64_t *word, uint64_t *expected, uint64_t value, order how)
{
    crew_step("cas", word, "litmus", 0);
    return hipti_weak_cas(&crew_weak, word, sizeof(*word), expected, value, how, site("cas"));
}

static void start(void)
{
    x = y = z = 0;
    memset(registers, 0, sizeof(registers));
}

static void end(void)
{
    unsigned outcome = 0;
    unsigned i;

    for (i = 0; i < nregisters; i++) {
        outcome = outcome * 10u + registers[i];
    }
    cr_assert_lt(outcome, OUTCOMES);
    seen[outcome] = true;
}

static struct crew_task unbounded(unsigned threads, void (*body)(unsigned thread))
{
    struct crew_task task;

    memset(&task, 0, sizeof(task));
    task.threads = threads;
    task.preemptions = BOUND;
    task.stale = BOUND;
    task.start = start;
    task.body = body;
    task.end = end;
    task.is_plain = true;
    return task;
}

/* Explore a program. => its outcomes in ascending order, with blanks between. */
static const char *outcomes(void (*body)(unsigned thread), unsigned threads, unsigned count)
{
    static char text[512];
    struct crew_task task = unbounded(threads, body);
    struct crew_report report;
    unsigned i;

    memset(seen, 0, sizeof(seen));
    nregisters = count;
    report = crew_search(&task);
    cr_assert_eq(report.end, CREW_DONE, "%s", report.why);
    cr_assert_gt(report.runs, 1u);
    text[0] = '\0';
    for (i = 0; i < OUTCOMES; i++) {
        size_t length = strlen(text);

        if (seen[i]) {
            (void)snprintf(text + length, sizeof(text) - length, "%s%0*u", length ? " " : "", (int)count, i);
        }
    }
    return text;
}

/* Message passing: x is the data, y the flag. */
static void mp(unsigned thread)
{
    if (thread == 0) {
        store(&x, 1, HIPTI_WEAK_relaxed);
        store(&y, 1, storing);
    } else {
        registers[0] = load(&y, loading);
        registers[1] = load(&x, HIPTI_WEAK_relaxed);
    }
}

Test(litmus, message_passing)
{
    storing = HIPTI_WEAK_release;
    loading = HIPTI_WEAK_acquire;
    cr_assert_str_eq(outcomes(mp, 2, 2), "00 01 11");
}

Test(litmus, message_passing_with_either_side_relaxed)
{
    storing = HIPTI_WEAK_relaxed;
    loading = HIPTI_WEAK_acquire;
    cr_assert_str_eq(outcomes(mp, 2, 2), "00 01 10 11");
    storing = HIPTI_WEAK_release;
    loading = HIPTI_WEAK_relaxed;
    cr_assert_str_eq(outcomes(mp, 2, 2), "00 01 10 11");
}

/* Store buffering. */
static void sb(unsigned thread)
{
    store(thread == 0 ? &x : &y, 1, storing);
    registers[thread] = load(thread == 0 ? &y : &x, loading);
}

Test(litmus, store_buffering)
{
    storing = HIPTI_WEAK_release;
    loading = HIPTI_WEAK_acquire;
    cr_assert_str_eq(outcomes(sb, 2, 2), "00 01 10 11");
    storing = loading = HIPTI_WEAK_seq_cst;
    cr_assert_str_eq(outcomes(sb, 2, 2), "01 10 11");
    loading = HIPTI_WEAK_acquire;
    cr_assert_str_eq(outcomes(sb, 2, 2), "00 01 10 11");
}

/* Independent reads of independent writes. */
static void iriw(unsigned thread)
{
    if (thread < 2) {
        store(thread == 0 ? &x : &y, 1, storing);
    } else {
        registers[thread * 2u - 4u] = load(thread == 2 ? &x : &y, loading);
        registers[thread * 2u - 3u] = load(thread == 2 ? &y : &x, loading);
    }
}

Test(litmus, independent_reads)
{
    storing = HIPTI_WEAK_release;
    loading = HIPTI_WEAK_acquire;
    cr_assert_str_eq(outcomes(iriw, 4, 4),
                     "0000 0001 0010 0011 0100 0101 0110 0111 1000 1001 1010 1011 1100 1101 1110 1111");
    storing = loading = HIPTI_WEAK_seq_cst;
    cr_assert_str_eq(outcomes(iriw, 4, 4),
                     "0000 0001 0010 0011 0100 0101 0110 0111 1000 1001 1011 1100 1101 1110 1111");
    /* the loads alone: C11 orders them with seq_cst stores only, C++20 among themselves */
    storing = HIPTI_WEAK_release;
    cr_assert_str_eq(outcomes(iriw, 4, 4),
                     "0000 0001 0010 0011 0100 0101 0110 0111 1000 1001 1010 1011 1100 1101 1110 1111");
}

/* Coherence: two reads of one word see its values in one order. */
static void corr(unsigned thread)
{
    if (thread == 0) {
        store(&x, 1, HIPTI_WEAK_relaxed);
        store(&x, 2, HIPTI_WEAK_relaxed);
    } else {
        registers[0] = load(&x, HIPTI_WEAK_relaxed);
        registers[1] = load(&x, HIPTI_WEAK_relaxed);
    }
}

Test(litmus, coherence_of_reads)
{
    cr_assert_str_eq(outcomes(corr, 2, 2), "00 01 02 11 12 22");
}

/* A release sequence goes on through a read-modify-write of another thread, whatever its order. */
static void sequence_rmw(unsigned thread)
{
    if (thread == 0) {
        store(&x, 1, HIPTI_WEAK_relaxed);
        store(&y, 1, HIPTI_WEAK_release);
    } else if (thread == 1) {
        (void)add(&y, 1, HIPTI_WEAK_relaxed);
    } else {
        registers[0] = load(&y, HIPTI_WEAK_acquire);
        registers[1] = load(&x, HIPTI_WEAK_relaxed);
    }
}

/* It does not through a later store of the same thread: C++20's rule, weaker than C11's. */
static void sequence_store(unsigned thread)
{
    if (thread == 0) {
        store(&x, 1, HIPTI_WEAK_relaxed);
        store(&y, 1, HIPTI_WEAK_release);
        store(&y, 2, HIPTI_WEAK_relaxed);
    } else {
        registers[0] = load(&y, HIPTI_WEAK_acquire);
        registers[1] = load(&x, HIPTI_WEAK_relaxed);
    }
}

Test(litmus, release_sequences)
{
    cr_assert_str_eq(outcomes(sequence_rmw, 3, 2), "00 01 10 11 21");
    cr_assert_str_eq(outcomes(sequence_store, 2, 2), "00 01 11 20 21");
}

/* Load buffering: the language allows 11 with relaxed accesses, the model never finds it. */
static void lb(unsigned thread)
{
    registers[thread] = load(thread == 0 ? &x : &y, HIPTI_WEAK_relaxed);
    store(thread == 0 ? &y : &x, 1, HIPTI_WEAK_relaxed);
}

Test(litmus, load_buffering_is_not_modelled)
{
    cr_assert_str_eq(outcomes(lb, 2, 2), "00 01 10");
}

/* Two writes each, in opposite order: the language allows that both first writes last, the model never finds it. */
static void two_writes(unsigned thread)
{
    store(thread == 0 ? &x : &y, 1, HIPTI_WEAK_relaxed);
    store(thread == 0 ? &y : &x, 2, HIPTI_WEAK_relaxed);
    registers[0] = (unsigned)x;
    registers[1] = (unsigned)y;
}

Test(litmus, two_plus_two_writes_is_not_modelled)
{
    const char *found = outcomes(two_writes, 2, 2);

    cr_assert(strstr(found, "12") && strstr(found, "21") && strstr(found, "22"), "%s", found);
    cr_assert(!strstr(found, "11"), "%s", found);
}

static void adds(unsigned thread)
{
    registers[thread] = add(&x, 1, HIPTI_WEAK_relaxed);
}

static void one_winner(unsigned thread)
{
    uint64_t expected = 0;

    registers[thread] = cas(&x, &expected, 1, HIPTI_WEAK_relaxed);
}

/* A failed compare and swap is a load: it may have read what is not newest, and then fails though it need not. */
static void stale_failure(unsigned thread)
{
    uint64_t expected = 1;

    if (thread == 0) {
        store(&x, 1, HIPTI_WEAK_relaxed);
        store(&y, 1, HIPTI_WEAK_relaxed);
    } else {
        registers[0] = load(&y, HIPTI_WEAK_relaxed);
        registers[1] = cas(&x, &expected, 2, HIPTI_WEAK_relaxed);
        registers[2] = (unsigned)expected;
    }
}

Test(litmus, read_modify_writes)
{
    cr_assert_str_eq(outcomes(adds, 2, 2), "01 10");
    cr_assert_str_eq(outcomes(one_winner, 2, 2), "01 10");
    cr_assert_str_eq(outcomes(stale_failure, 2, 3), "000 011 100 111");
}

/* Store buffering through read-modify-writes of one word: one of them comes second and sees what the first released. */
static void confirm(unsigned thread)
{
    if (thread == 0) {
        store(&x, 1, HIPTI_WEAK_relaxed);
        registers[0] = add(&y, 0, storing);
    } else {
        (void)add(&y, 1, loading);
        registers[1] = load(&x, HIPTI_WEAK_relaxed);
    }
}

Test(litmus, confirmation_by_read_modify_write)
{
    storing = loading = HIPTI_WEAK_acq_rel;
    cr_assert_str_eq(outcomes(confirm, 2, 2), "01 10 11");
    storing = HIPTI_WEAK_acquire;
    cr_assert_str_eq(outcomes(confirm, 2, 2), "00 01 10 11");
}

/* Memory that a thread zeroed, handed on by x. */
static void fresh(unsigned thread)
{
    if (thread == 0) {
        hipti_weak_fresh(&crew_weak, &z, sizeof(z));
        store(&x, 1, storing);
    } else if (load(&x, HIPTI_WEAK_acquire)) {
        registers[0] = 1u + load(&z, HIPTI_WEAK_relaxed);
    }
}

static void fresh_stored(unsigned thread)
{
    if (thread == 0) {
        hipti_weak_fresh(&crew_weak, &z, sizeof(z));
        store(&x, 1, storing);
    } else if (load(&x, HIPTI_WEAK_acquire)) {
        store(&z, 1, HIPTI_WEAK_relaxed);
        registers[0] = 1;
    }
}

static void fault_is(void (*body)(unsigned thread), bool orders_stores, const char *what)
{
    struct crew_task task = unbounded(2, body);
    struct crew_report report;

    task.orders_stores = orders_stores;
    report = crew_search(&task);
    cr_assert_eq(report.end, CREW_FAILED);
    cr_assert(strstr(report.why, what), "%s", report.why);
}

Test(litmus, memory_is_initialised_for_who_synchronizes)
{
    storing = HIPTI_WEAK_release;
    cr_assert_str_eq(outcomes(fresh, 2, 1), "0 1");
    cr_assert_str_eq(outcomes(fresh_stored, 2, 1), "0 1");
    storing = HIPTI_WEAK_relaxed;
    fault_is(fresh, false, "initialised");
    fault_is(fresh_stored, false, "initialised");
}

/* Two stores to x, the second one by who has seen y. */
static void two_stores(unsigned thread)
{
    if (thread == 0) {
        store(&x, 1, HIPTI_WEAK_relaxed);
        store(&y, 1, storing);
    } else if (load(&y, HIPTI_WEAK_acquire)) {
        store(&x, 2, HIPTI_WEAK_relaxed);
    }
}

/* A store, and a read-modify-write by who knows nothing of it. */
static void store_and_add(unsigned thread)
{
    if (thread == 0) {
        store(&x, 1, HIPTI_WEAK_relaxed);
    } else {
        (void)add(&x, 2, HIPTI_WEAK_relaxed);
    }
}

Test(litmus, stores_to_one_word_are_ordered)
{
    struct crew_task task = unbounded(2, two_stores);

    task.orders_stores = true;
    nregisters = 0;
    storing = HIPTI_WEAK_release;
    cr_assert_eq(crew_search(&task).end, CREW_DONE);
    task.body = store_and_add;
    cr_assert_eq(crew_search(&task).end, CREW_DONE);
    storing = HIPTI_WEAK_relaxed;
    fault_is(two_stores, true, "an earlier one to the same word");
}

/* The bounds are what they say. */
Test(litmus, no_stale_read_and_no_preemption_without_leave)
{
    struct crew_task task = unbounded(2, mp);

    task.preemptions = task.stale = 0;
    storing = loading = HIPTI_WEAK_relaxed;
    memset(seen, 0, sizeof(seen));
    nregisters = 2;
    cr_assert_eq(crew_search(&task).end, CREW_DONE);
    cr_assert(seen[0] && seen[11] && !seen[1] && !seen[10]);
    task.preemptions = BOUND;
    cr_assert_eq(crew_search(&task).end, CREW_DONE);
    cr_assert(seen[1] && !seen[10]);
}
