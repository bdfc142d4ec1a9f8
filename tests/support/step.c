/* SPDX-License-Identifier: MIT */
/*
 * What the stepped library does at each access to shared state: now and then it stands aside, so that threads meet in
 * places where they would meet once in a million times. Each thread has a generator of its own. Or it runs a function
 * of the test's in the middle of an operation, at the access that the test names.
 */
#include "support/step.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { LOOK_AGAIN = 64 }; /* accesses, where nobody wants to yield */
enum { TURNS_MAX = 128 }; /* of a wait, 1 or 2 ns each */

static _Atomic unsigned yield_one_in;
static _Atomic unsigned give_one_in = 1;
static _Thread_local uint64_t random_state;
static _Thread_local unsigned left; /* accesses to the next one that is more than counted; 0 or 1: it is this one */
static _Thread_local bool is_to_yield;

/* Where a thread is to be interrupted; meanwhile is NULL where it is not. */
static _Thread_local struct {
    const char *operation;
    const volatile void *word;
    unsigned skip;
    void (*meanwhile)(void);
} interrupt;

/* Where the first access is to be noted; bytes is 0 where none is, or no more. */
static _Thread_local struct {
    uintptr_t start;
    size_t bytes;
    const char *operation;
} first;

void step_yield_one_in(unsigned steps)
{
    atomic_store(&yield_one_in, steps);
}

void step_give_one_in(unsigned times)
{
    atomic_store(&give_one_in, times);
}

void step_interrupt(const char *operation, const volatile void *word, unsigned skip, void (*meanwhile)(void))
{
    interrupt.operation = operation;
    interrupt.word = word;
    interrupt.skip = skip;
    interrupt.meanwhile = meanwhile;
    left = 1; /* look at every access from now on */
}

bool step_interrupted(void)
{
    bool has_run = interrupt.meanwhile == NULL;

    interrupt.meanwhile = NULL;
    return has_run;
}

void step_note_first(const volatile void *start, size_t bytes)
{
    first.start = (uintptr_t)start;
    first.bytes = bytes;
    first.operation = NULL;
    left = 1; /* look at every access from now on */
}

const char *step_first(void)
{
    first.bytes = 0;
    return first.operation;
}

static void step_note(const char *operation, const volatile void *word)
{
    if ((uintptr_t)word - first.start < first.bytes) {
        first.operation = operation;
        first.bytes = 0;
    }
}

static void step_meet(const char *operation, const volatile void *word)
{
    void (*meanwhile)(void) = interrupt.meanwhile;

    if ((interrupt.operation && strncmp(interrupt.operation, operation, strlen(interrupt.operation)) != 0) ||
        (interrupt.word && interrupt.word != word) || interrupt.skip-- > 0) {
        return;
    }
    interrupt.meanwhile = NULL;
    meanwhile();
}

static uint64_t step_random(void)
{
    if (random_state == 0) {
        random_state = (uint64_t)(uintptr_t)&random_state | 1u;
    }
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state >> 32;
}

/* To give the processor away costs as much as an operation, a wait that has the same effect a tenth. */
static void step_stand_aside(void)
{
    uint64_t random = step_random();

    if (random % atomic_load_explicit(&give_one_in, memory_order_relaxed) == 0) {
        sched_yield();
        return;
    }
    for (volatile unsigned turns = (unsigned)(random >> 16) % TURNS_MAX; turns > 0; turns--) {
    }
}

static void step_event(void)
{
    unsigned one_in = atomic_load_explicit(&yield_one_in, memory_order_relaxed);

    if (is_to_yield) {
        step_stand_aside();
    }
    /* From 1 to 2 n - 1 accesses, each as likely: one in n. To draw once for all of them costs less than at each. */
    is_to_yield = one_in != 0;
    left = one_in ? 1u + (unsigned)(step_random() % (2u * one_in - 1u)) : LOOK_AGAIN;
}

void hipt_port_step(const char *operation, const volatile void *word, const char *file, int line)
{
    (void)file;
    (void)line;
    if (left > 1u) {
        left--;
        return;
    }
    step_note(operation, word);
    if (interrupt.meanwhile) {
        step_meet(operation, word);
    }
    if (!interrupt.meanwhile && first.bytes == 0) {
        step_event();
    }
}
