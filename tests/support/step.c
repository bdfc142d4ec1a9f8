/* SPDX-License-Identifier: MIT */
/*
 * What the stepped library does at each access to shared state: now and then it gives the processor away, so that
 * threads meet in places where they would meet once in a million times. Each thread has a generator of its own.
 */
#include "support/step.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>

static _Atomic unsigned yield_one_in;
static _Atomic uint64_t steps_taken;
static _Thread_local uint64_t random_state;
static _Thread_local uint64_t thread_steps;

void step_yield_one_in(unsigned steps)
{
    atomic_store(&yield_one_in, steps);
}

uint64_t step_count(void)
{
    return atomic_load(&steps_taken);
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

    (void)operation;
    (void)word;
    (void)file;
    (void)line;
    if ((++thread_steps & 1023u) == 0) {
        atomic_fetch_add_explicit(&steps_taken, 1024u, memory_order_relaxed);
    }
    if (one_in != 0 && step_random() % one_in == 0) {
        sched_yield();
    }
}
