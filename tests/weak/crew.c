/* SPDX-License-Identifier: MIT */
#include "weak/crew.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "sim/hash.h"
#include "sim/seen.h"
#include "sim/stack.h"
#include "sim/weak_atomic.h"
#include "weak/sites.h"

#define STACK_BYTES (1u << 16)
#define CHOICES_MAX 4096u
#define STEPS_MAX 20000u
#define SHARED_MAX 4096u /* a power of two */
#define STATES_BITS 20u
#define ENDS_BITS 16u /* half of the last table is CREW_ENDS_MAX */

/*
 * Who touched a word, a bit each, in any run of this search; and whether that was a reason to switch before it is
 * touched. The latter stays the same for one pass through all choices, or they would not mean the same from run to run.
 */
struct touched {
    const volatile void *word;
    unsigned readers;
    unsigned writers;
    bool is_shared;
};

/* One choice: which of how many. */
struct choice {
    unsigned taken;
    unsigned of;
};

/* What happened, for people. */
struct step {
    const char *operation;
    const char *file;
    int line;
    unsigned thread;
    const struct touched *touched;
    unsigned stale; /* messages between the newest and the one that was read */
};

/* Where a thread stood at the end of the last turn of a wait. */
struct turn {
    uint64_t told;
    unsigned position;
    bool is_over; /* it has written since: if it waits again, it is another wait */
};

static const struct crew_task *task;
static struct crew_report report;
static struct choice choices[CHOICES_MAX];
static unsigned nchoices;
static unsigned at_choice;
static struct step steps[STEPS_MAX];
static unsigned nsteps;
static struct touched shared[SHARED_MAX];
static unsigned nshared;
static bool has_grown;
static unsigned current = CREW_THREADS;
static unsigned finished; /* a bit each */
static unsigned waiting;  /* a bit each: disabled until somebody writes */
static unsigned awakened; /* how often all were waiting since somebody wrote */
static struct turn turns[CREW_THREADS];
static unsigned preemptions_left;
static bool is_failed;
static bool is_repeated; /* the run has come to a state from which another one went on */
static uint64_t past[CREW_THREADS];     /* of the operations that have returned */
static unsigned position[CREW_THREADS]; /* steps since */
static struct hipti_seen_state states[(size_t)2 << STATES_BITS];
static struct hipti_seen seen = {.entries = states, .bits = STATES_BITS};
static struct hipti_seen_state end_states[(size_t)2 << ENDS_BITS];
static struct hipti_seen ends = {.entries = end_states, .bits = ENDS_BITS}; /* that have been judged */
static bool has_arrived; /* the current thread was just chosen: to leave it before it does anything shared is no news */
static void *stack_pointers[CREW_THREADS];
static void *main_pointer;
static _Alignas(64) char stacks[CREW_THREADS][STACK_BYTES];

struct hipti_weak crew_weak;
struct hipti_weak *hipti_weak_current; /* where a program's library was built with sim/weak_atomic.h */

unsigned crew_who(void)
{
    return current;
}

/* => a number below @of; every run takes another one, until all were taken. */
static unsigned choose(unsigned of)
{
    if (at_choice == nchoices) {
        if (nchoices == CHOICES_MAX) {
            crew_fail("more than %u choices in a run", CHOICES_MAX);
        }
        choices[nchoices].taken = 0;
        choices[nchoices].of = of;
        nchoices++;
    }
    return choices[at_choice++].taken;
}

/* On to the next run. => false: there is none. */
static bool choices_advance(void)
{
    while (nchoices > 0 && choices[nchoices - 1u].taken + 1u == choices[nchoices - 1u].of) {
        nchoices--;
    }
    if (nchoices > 0) {
        choices[nchoices - 1u].taken++;
    }
    return nchoices > 0;
}

static unsigned choose_message(void *ctx, unsigned n)
{
    unsigned taken = choose(n);

    (void)ctx;
    if (nsteps > 0) {
        steps[nsteps - 1u].stale = taken;
    }
    return taken;
}

static void fault(void *ctx, const char *what, const struct hipti_weak_site *site)
{
    (void)ctx;
    crew_fail("%s%s%s", what, site ? " in " : "", site ? site->function : "");
}

static void go_to(unsigned thread)
{
    unsigned before = current;

    current = thread;
    has_arrived = true;
    hipti_weak_run(&crew_weak, thread);
    hipti_stack_switch(before < CREW_THREADS ? &stack_pointers[before] : &main_pointer, stack_pointers[thread]);
}

static void go_back(void)
{
    void *dropped;

    current = CREW_THREADS;
    hipti_stack_switch(&dropped, main_pointer);
}

void crew_fail(const char *format, ...)
{
    va_list arguments;

    if (!is_failed) {
        va_start(arguments, format);
        (void)vsnprintf(report.why, sizeof(report.why), format, arguments);
        va_end(arguments);
    }
    is_failed = true;
    if (current < CREW_THREADS) {
        go_back();
    }
}

void crew_learn(uint64_t value)
{
    if (current < CREW_THREADS) {
        crew_weak.told[current] = hipti_sim_hash(crew_weak.told[current], value);
    }
}

void crew_settle(uint64_t value)
{
    past[current] = value;
    position[current] = 0;
    crew_weak.told[current] = 0;
}

/* => all that the rest of the run, and the judgement of it, depend on, as a hash. */
static uint64_t run_state(void)
{
    uint64_t state = hipti_sim_hash(hipti_weak_state(&crew_weak), task->state());
    unsigned i;

    for (i = 0; i < task->threads; i++) {
        state = hipti_sim_hash(state, hipti_sim_hash(past[i], position[i]));
    }
    state = waiting || awakened ? hipti_sim_hash(state, waiting << 8 | awakened) : state;
    return hipti_sim_hash(state, finished << 8 | current << 1 | has_arrived);
}

/* Leave a run from whose state another one went on, unless it still repeats the choices of the last one. */
static void leave_if_repeated(void)
{
    if (task->state && !task->is_plain && at_choice == nchoices &&
        !hipti_seen_enter(&seen, run_state(), task->preemptions - preemptions_left)) {
        is_repeated = true;
        go_back();
    }
}

/* A run has come to its end: judge it, unless one with the same end was judged. */
static void run_end(void)
{
    has_arrived = false;
    crew_weak.stale_left = 0; /* how it came here is over */
    if (!task->state || hipti_seen_enter(&ends, run_state(), 0)) {
        report.ends++;
        task->end();
    }
}

/* => the @index-th thread that can run, the current one not counted. */
static unsigned other(unsigned index)
{
    unsigned thread;

    for (thread = 0; thread < task->threads; thread++) {
        if (thread != current && !(((finished | waiting) >> thread) & 1u) && index-- == 0) {
            break;
        }
    }
    return thread;
}

static unsigned others(void)
{
    unsigned count = 0;
    unsigned thread;

    for (thread = 0; thread < task->threads; thread++) {
        count += thread != current && !(((finished | waiting) >> thread) & 1u);
    }
    return count;
}

/* All wait: each looks once more, and a load may have had an older value; but not more often than loads may. */
static void awaken(void)
{
    if (++awakened > task->stale + 2u) {
        crew_fail("everybody waits");
    }
    waiting = 0;
}

static void thread_main(void *argument)
{
    (void)argument;
    task->body(current);
    finished |= 1u << current;
    if (others() == 0 && waiting & ~finished) {
        awaken();
    }
    if (others() > 0) {
        go_to(other(choose(others())));
    }
    go_back();
}

void crew_wait(void)
{
    struct turn *turn = &turns[current];

    if (current == CREW_THREADS) {
        return;
    }
    if (!turn->is_over) {
        crew_weak.told[current] = turn->told;
        position[current] = turn->position;
        if (others() > 0) {
            waiting |= 1u << current;
            go_to(other(choose(others())));
        } else {
            awaken();
        }
    }
    *turn = (struct turn){crew_weak.told[current], position[current], false};
}

/* => whether what one thread does to a word may matter to another. */
static bool matters(const struct touched *touched)
{
    unsigned all = touched->readers | touched->writers;

    return touched->writers != 0 && (all & (all - 1u)) != 0;
}

/* The current thread accesses @word. => what is known of that word. */
static const struct touched *touch(const volatile void *word, bool is_write)
{
    unsigned at = (unsigned)(((uintptr_t)word * UINT64_C(0x9e3779b97f4a7c15)) >> 40) % SHARED_MAX;
    struct touched *touched = &shared[at];
    unsigned bit = 1u << current;

    while (touched->word != NULL && touched->word != word) {
        at = (at + 1u) % SHARED_MAX;
        touched = &shared[at];
    }
    if (touched->word == NULL) {
        touched->word = word;
        if (++nshared == SHARED_MAX) {
            crew_fail("more than %u words", SHARED_MAX);
        }
    }
    if (!((is_write ? touched->writers : touched->readers) & bit)) {
        *(is_write ? &touched->writers : &touched->readers) |= bit;
        has_grown |= !touched->is_shared && matters(touched);
    }
    return touched;
}

/* A new pass, with what the one before learned. */
static void shared_settle(void)
{
    unsigned i;

    for (i = 0; i < SHARED_MAX; i++) {
        shared[i].is_shared = matters(&shared[i]);
    }
    has_grown = false;
    nchoices = 0;
    hipti_seen_start(&seen);
    hipti_seen_start(&ends);
    report.ends = 0;
}

static void step_made(bool is_write)
{
    position[current]++;
    if (is_write) {
        turns[current].is_over = true;
        waiting = 0;
        awakened = 0;
    }
}

void crew_step(const char *operation, const volatile void *word, const char *file, int line)
{
    struct step *step = &steps[nsteps];
    unsigned taken;

    if (current == CREW_THREADS) {
        return;
    }
    if (nsteps == STEPS_MAX) {
        crew_fail("no end after %u steps, at %s:%d", STEPS_MAX, file, line);
    }
    step->operation = operation;
    step->file = file;
    step->line = line;
    step->thread = current;
    step->stale = 0;
    nsteps++;
    step->touched = touch(word, operation[0] != 'l');
    if (!step->touched->is_shared) {
        step_made(operation[0] != 'l');
        return;
    }
    leave_if_repeated();
    taken = has_arrived || preemptions_left == 0 || others() == 0 ? 0 : choose(others() + 1u);
    if (taken == 0) {
        has_arrived = false;
        step_made(operation[0] != 'l');
        if (task->check) {
            task->check(word);
        }
    } else {
        preemptions_left--;
        nsteps--; /* it comes when this thread comes back */
        go_to(other(taken - 1u));
        crew_step(operation, word, file, line);
    }
}

static void run(void)
{
    unsigned thread;

    at_choice = 0;
    nsteps = 0;
    finished = 0;
    preemptions_left = task->preemptions;
    is_repeated = false;
    for (thread = 0; thread < task->threads; thread++) {
        stack_pointers[thread] = hipti_stack_make(stacks[thread], STACK_BYTES, thread_main, NULL);
        past[thread] = 0;
        position[thread] = 0;
        turns[thread].is_over = true;
    }
    waiting = 0;
    awakened = 0;
    hipti_weak_start(&crew_weak, task->stale);
    task->start();
    go_to(choose(task->threads));
    hipti_weak_stop(&crew_weak);
    report.runs++;
    report.steps += nsteps;
    if (!is_failed && !is_repeated) {
        run_end();
    }
}

static double seconds_now(void)
{
    return (double)clock() / CLOCKS_PER_SEC;
}

static enum crew_end search(double until)
{
    do {
        run();
        if (is_failed) {
            return CREW_FAILED;
        }
        if (until > 0 && (report.runs & 255u) == 0 && seconds_now() > until) {
            return CREW_LATE;
        }
    } while (choices_advance());
    return CREW_DONE;
}

struct crew_report crew_search(const struct crew_task *wanted)
{
    struct hipti_weak_hooks hooks = {NULL, choose_message, fault, wanted->is_valid, sites_order, wanted->orders_stores};
    double until = wanted->seconds > 0 ? seconds_now() + wanted->seconds : 0;

    task = wanted;
    memset(&report, 0, sizeof(report));
    memset(shared, 0, sizeof(shared));
    nshared = 0;
    is_failed = false;
    if (!hipti_weak_current) {
        hipti_weak_init(&crew_weak, &hooks);
        hipti_weak_current = &crew_weak;
    }
    crew_weak.hooks = hooks;
    do {
        shared_settle();
        report.end = search(until);
    } while (has_grown && report.end == CREW_DONE);
    return report;
}

void crew_print_last(void)
{
    unsigned last = CREW_THREADS;
    unsigned i;

    for (i = 0; i < nsteps; i++) {
        const char *slash = strrchr(steps[i].file, '/');

        if (!matters(steps[i].touched) && !steps[i].stale) {
            continue;
        }
        if (steps[i].thread != last) {
            printf("  thread %u\n", steps[i].thread);
            last = steps[i].thread;
        }
        printf("    %4u %s %s:%d", i, steps[i].operation, slash ? slash + 1 : steps[i].file, steps[i].line);
        printf(steps[i].stale ? "  (%u older)\n" : "\n", steps[i].stale);
    }
}
