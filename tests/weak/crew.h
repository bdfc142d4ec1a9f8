/* SPDX-License-Identifier: MIT */
/*
 * Virtual threads and the search over what they may do: a run is a sequence of choices (who goes on, which message a
 * load takes), the search takes every sequence once, depth first, within the two bounds. Where the program tells its
 * state, a run that comes to one from which another run went on, with no fewer preemptions left, ends there.
 */
#ifndef HIPT_TESTS_WEAK_CREW_H
#define HIPT_TESTS_WEAK_CREW_H

#include <stdbool.h>
#include <stdint.h>

#include "sim/weak.h"

#define CREW_THREADS 4u
#define CREW_ENDS_MAX (1u << 15) /* different ends that are told apart; beyond, some are counted again */

/* What to search through. */
struct crew_task {
    unsigned threads;
    unsigned preemptions;          /* switches away from a thread that could go on, in one run */
    unsigned stale;                /* loads that take another message than the newest, in one run */
    double seconds;                /* of processor time, after which to give up; 0: never */
    void (*start)(void);           /* before each run */
    void (*body)(unsigned thread); /* of a virtual thread */
    void (*end)(void);             /* after each run that came to its end; may call crew_fail() */
    bool (*is_valid)(void *ctx, const volatile void *address); /* as in hipti_weak_hooks */
    void (*check)(const volatile void *address); /* before each access; may call crew_fail(); NULL: none */
    bool orders_stores;                                        /* likewise */
    uint64_t (*state)(void); /* what program and host keep beside the model, as a hash; NULL: not told */
    bool is_plain;           /* every run goes to its end, also where it meets another */
};

enum crew_end {
    CREW_DONE,   /* all runs within the bounds */
    CREW_FAILED, /* a run failed */
    CREW_LATE    /* out of time */
};

struct crew_report {
    enum crew_end end;
    uint64_t runs;   /* begun */
    uint64_t ends;   /* different ones, where the program tells its state; in the last pass */
    uint64_t steps;
    char why[400];   /* of a failure */
};

extern struct hipti_weak crew_weak;

struct crew_report crew_search(const struct crew_task *task);

/* An access to @word comes: others may go first, where it is shared with them. */
void crew_step(const char *operation, const volatile void *word, const char *file, int line);

/* Who runs, CREW_THREADS outside of a run. */
unsigned crew_who(void);

/* The running thread has been told something by the host. */
void crew_learn(uint64_t value);

/*
 * The running thread waits in a loop: a turn of it is over, and what it has read is not what it waits for. A second
 * turn in which it only read disables it until somebody writes, or until all others wait too; for ever they must not.
 */
void crew_wait(void);

/* The running thread is between two operations: @past is all that the next one can depend on, as a hash. */
void crew_settle(uint64_t past);

/* End the run: it is a violation. Returns only outside of a run. */
void crew_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Print the failed run as a readable interleaving: the accesses to what several threads touch. */
void crew_print_last(void);

#endif
