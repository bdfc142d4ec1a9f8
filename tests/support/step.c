/* SPDX-License-Identifier: MIT */
/*
 * What the stepped library does at each access to shared state: now and then it gives the processor away, so that
 * threads meet in places where they would meet once in a million times. Each thread has a generator of its own. Or it
 * runs a function of the test's in the middle of an operation, at the access that the test names.
 */
#include "support/step.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

static _Atomic unsigned yield_one_in;
static _Atomic uint64_t steps_taken;
static _Thread_local uint64_t random_state;
static _Thread_local uint64_t thread_steps;

/* Where a thread is to be interrupted; meanwhile is NULL where it is not. */
static _Thread_local struct {
    const char *operation;
    const volatile void *word;
    unsigned skip;
    void (*meanwhile)(void);
} interrupt;

void step_yield_one_in(unsigned steps)
{
    atomic_store(&yield_one_in, steps);
}

uint64_t step_count(void)
{
    return atomic_load(&steps_taken);
}

void step_interrupt(const char *operation, const volatile void *word, unsigned skip, void (*meanwhile)(void))
{
    interrupt.operation = operation;
    interrupt.word = word;
    interrupt.skip = skip;
    interrupt.meanwhile = meanwhile;
}

bool step_interrupted(void)
{
    bool has_run = interrupt.meanwhile == NULL;

    interrupt.meanwhile = NULL;
    return has_run;
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
    return random_state;
}

void hipt_port_step(const char *operation, const volatile void *word, const char *file, int line)
{
    unsigned one_in = atomic_load_explicit(&yield_one_in, memory_order_relaxed);

    (void)file;
    (void)line;
    if (interrupt.meanwhile) {
        step_meet(operation, word);
    }
    if ((++thread_steps & 1023u) == 0) {
        atomic_fetch_add_explicit(&steps_taken, 1024u, memory_order_relaxed);
    }
    if (one_in != 0 && step_random() % one_in == 0) {
        sched_yield();
    }
}
