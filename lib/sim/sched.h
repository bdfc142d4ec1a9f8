/* SPDX-License-Identifier: MIT */
/*
 * Virtual threads in one real one. Each has a stack of its own; before each step, an access to shared state, somebody
 * says who runs on. One execution is therefore a function of the choices alone, and can be had again.
 *
 *     hipti_sim_init -> (hipti_sim_run, with a chooser) as often as wanted
 *
 * Which steps are points of choice. A step is visible if another thread has accessed the same word in a way that
 * conflicts, in this or an earlier execution since hipti_sim_init(), or if it begins an operation. Only before a
 * visible step is the chooser asked: to switch away before a step that commutes with everything the others do is the
 * same as to switch away after it, with no more preemptions. When a conflict is seen for the first time, the flag
 * `grew` is set: what has been explored without that point is to be explored again. The argument is in
 * docs/decisions/0005-exploration.md.
 *
 * The state of an execution as a number. What a thread does next is a function of what its steps have told it since
 * its operation began, and of what the operations before it answered; what steps will tell is a function of what memory
 * holds. So the program says what each step tells (hipti_sim_learn()), what an operation answers (hipti_sim_respond())
 * and what each write changes (hipti_sim_change()); then hipti_sim_state() is the same after two executions that can
 * only go on alike. That is so up to a collision of 64-bit hashes. Which operations had ended when another began
 * belongs to the state: executions that differ in the order of operations in real time do not have the same one.
 *
 * Nothing here allocates, and nothing is global. How stacks are switched is stack.h's matter.
 */
#ifndef HIPT_SIM_SCHED_H
#define HIPT_SIM_SCHED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bits.h"
#include "sim/hash.h"

#define HIPTI_SIM_THREADS 4u
#define HIPTI_SIM_STEPS 4096u    /* of one execution; a longer one ends as HIPTI_SIM_LONG */
#define HIPTI_SIM_SPIN 400u      /* own steps without a write by anybody, after which a thread counts as spinning */
#define HIPTI_SIM_WORDS 1024u    /* distinct words of one program; those beyond are always visible */
#define HIPTI_SIM_STACK_BYTES 65536u
#define HIPTI_SIM_NOBODY 255u    /* of a chooser: end this execution here */

/* How a step uses its word. Two steps on one word conflict unless both are reads, or both are of the last kind. */
enum hipti_sim_access { HIPTI_SIM_READ = 0, HIPTI_SIM_WRITE, HIPTI_SIM_COMMUTE };

enum hipti_sim_end {
    HIPTI_SIM_DONE = 0, /* every thread returned */
    HIPTI_SIM_STOPPED,  /* hipti_sim_stop() */
    HIPTI_SIM_PRUNED,   /* the chooser said HIPTI_SIM_NOBODY */
    HIPTI_SIM_LONG,     /* HIPTI_SIM_STEPS reached */
    HIPTI_SIM_STUCK     /* all threads that are left spin and wait for each other */
};

/* One step. */
struct hipti_sim_point {
    const char *operation;
    const char *file;
    const volatile void *word;
    uint64_t value; /* what was read or written, where the program told it by hipti_sim_note() */
    int line;
    uint8_t thread;
    uint8_t access;
    bool is_first; /* the first step of an operation: with it the operation is invoked */
};

struct hipti_sim;

/* Who says which thread goes on. */
struct hipti_sim_chooser {
    /* => an enabled thread, or HIPTI_SIM_NOBODY. Staying with sim->running is not a switch. */
    unsigned (*choose)(void *ctx, const struct hipti_sim *sim);
    void *ctx;
    bool is_every_step; /* ask before invisible steps too */
};

/* Which threads have used a word, by kind of access: one bit each. */
struct hipti_sim_word {
    const volatile void *word;
    uint8_t by[3];
};

/* Where a thread stood at the end of the last turn of a wait. */
struct hipti_sim_turn {
    uint64_t learned;
    unsigned position;
    unsigned own_steps;
    bool is_over; /* the thread has written since: if it waits again, it is another wait */
};

/* Field key: the one real thread only. Large: to be static. */
struct hipti_sim {
    /* of all executions since hipti_sim_init() */
    unsigned nthreads;
    void (*body)(void *ctx, unsigned thread);
    void *ctx;
    /* what memory holds that no step changes, as a hash; NULL: nothing that matters */
    uint64_t (*unseen)(void *ctx);
    bool grew; /* a conflict was seen for the first time; the owner clears it */
    unsigned nwords;
    struct hipti_sim_word words[HIPTI_SIM_WORDS];

    /* of the execution under way */
    const struct hipti_sim_chooser *chooser;
    bool is_on;
    bool is_starting;   /* each thread runs up to its first step */
    enum hipti_sim_end end;
    unsigned running;
    unsigned finished;  /* a bit for each thread that has returned */
    unsigned spinning;  /* a bit for each thread that is disabled until somebody else writes */
    bool is_forced;     /* at this point the running thread cannot go on */
    uint64_t spins;     /* how often a thread was disabled */
    unsigned nsteps;
    uint64_t memory;    /* what writes have changed: a sum of hashes */
    uint64_t past[HIPTI_SIM_THREADS];      /* when each thread's operations began, what they answered: a hash */
    uint64_t learned[HIPTI_SIM_THREADS];   /* what steps have told it since: a hash */
    unsigned position[HIPTI_SIM_THREADS];  /* its steps since */
    uint64_t responses; /* operations that have ended, eight bits for each thread */
    unsigned own_steps[HIPTI_SIM_THREADS];
    unsigned invoked_at[HIPTI_SIM_THREADS];       /* the number of the last operation's first step */
    unsigned idle[HIPTI_SIM_THREADS];             /* own steps since anybody wrote */
    bool begins[HIPTI_SIM_THREADS];               /* the next step is an operation's first */
    struct hipti_sim_turn turn[HIPTI_SIM_THREADS]; /* when each thread last called hipti_sim_wait() */
    struct hipti_sim_point steps[HIPTI_SIM_STEPS];

    /* stacks */
    void *context[HIPTI_SIM_THREADS + 1u];
    HIPTI_ALIGNED(64) unsigned char stack[HIPTI_SIM_THREADS][HIPTI_SIM_STACK_BYTES];
};

/* @nthreads threads, each of which runs @body(ctx, its number) once in every execution. Words seen are forgotten. */
void hipti_sim_init(struct hipti_sim *sim, unsigned nthreads, void (*body)(void *ctx, unsigned thread), void *ctx);

/* One execution. */
enum hipti_sim_end hipti_sim_run(struct hipti_sim *sim, const struct hipti_sim_chooser *chooser);

/* From inside a thread: a step is about to be made. Returns when it is this thread's turn. Outside a run: nothing. */
void hipti_sim_step(struct hipti_sim *sim, const char *operation, const volatile void *word,
                    enum hipti_sim_access access, const char *file, int line);

/*
 * From inside a thread: an operation begins with the next step, or has ended with the last one. @answer is a hash of
 * all that the thread knows by it.
 */
void hipti_sim_begin(struct hipti_sim *sim);
void hipti_sim_respond(struct hipti_sim *sim, uint64_t answer);

/*
 * From inside a thread that waits in a loop: a turn of it is over, and what it has read is not what it waits for. If
 * nobody has written since the turn began, the thread is disabled until somebody does; where all that are left wait so,
 * the execution ends as HIPTI_SIM_STUCK. A turn that only reads leaves the thread as it was: its state is that of the
 * turn before, so that executions which differ in the number of turns meet.
 */
void hipti_sim_wait(struct hipti_sim *sim);

/* From inside a thread: end the whole execution at once. Does not return. */
void hipti_sim_stop(struct hipti_sim *sim);

/* From inside a thread: the step just made, or the host, has told it @value. */
static inline void hipti_sim_learn(struct hipti_sim *sim, uint64_t value)
{
    sim->learned[sim->running] = hipti_sim_hash(sim->learned[sim->running], value);
}

/* The word @at held @old and holds @value; likewise anything else that threads may learn of later, under a number. */
static inline void hipti_sim_change(struct hipti_sim *sim, uint64_t at, uint64_t old, uint64_t value)
{
    sim->memory += hipti_sim_hash(at, value) - hipti_sim_hash(at, old);
}

/* => the same number for executions that have come to the same state. */
uint64_t hipti_sim_state(const struct hipti_sim *sim);

/* Threads that can be chosen, a bit each. */
static inline unsigned hipti_sim_enabled(const struct hipti_sim *sim)
{
    return ((1u << sim->nthreads) - 1u) & ~sim->finished & ~sim->spinning;
}

/* The value of the step that is being made. */
static inline void hipti_sim_note(struct hipti_sim *sim, uint64_t value)
{
    if (sim->nsteps) {
        sim->steps[sim->nsteps - 1u].value = value;
    }
}

/* => how a step with this name in base/atomic.h uses its word. */
static inline enum hipti_sim_access hipti_sim_access_of(const char *operation)
{
    return operation[0] == 'l' ? HIPTI_SIM_READ : HIPTI_SIM_WRITE;
}

#endif
