/* SPDX-License-Identifier: MIT */
/*
 * Four ways to say who runs next. Each is a structure with a hipti_sim_chooser in it:
 *
 *   search   every schedule, up to a bound of preemptions or without; those that meet in one state go on once
 *   pct      random priorities and d - 1 change points: finds a bug that needs d orderings with known probability
 *   bytes    a string of bytes, such as a fuzzer makes; where they end, nobody is preempted any more
 *   replay   a recorded schedule, as text
 */
#ifndef HIPT_SIM_CHOOSE_H
#define HIPT_SIM_CHOOSE_H

#include "sim/sched.h"
#include "sim/seen.h"

#define HIPTI_SEARCH_POINTS 2048u
#define HIPTI_SEARCH_UNBOUNDED 65535u /* preemptions: more than an execution can have */
#define HIPTI_PCT_DEPTH_MAX 8u

/* One point of choice on the way to where the search stands. */
struct hipti_search_point {
    uint8_t chosen;
    uint8_t todo;         /* threads still to be tried here */
    uint8_t running;
    bool is_free;         /* a switch here is not a preemption */
    uint16_t preemptions; /* before this point */
};

/*
 * Depth first: every choice of visible points with at most so many preemptions. With room for states, a path that comes
 * to a state that was reached before with no more preemptions ends there: what follows has been, or will be, explored
 * from the other path.
 */
struct hipti_search {
    struct hipti_sim_chooser chooser;
    struct hipti_seen *seen; /* NULL: every path is gone to its end */
    unsigned bound;
    unsigned length; /* points of the current path */
    unsigned depth;  /* points passed in this execution */
    bool is_cut;     /* an execution had more points than there is room for: the search is not complete */
    struct hipti_search_point point[HIPTI_SEARCH_POINTS];
};

void hipti_search_init(struct hipti_search *search, unsigned bound, struct hipti_seen *seen);
/* After an execution: => whether there is another one. Before the first execution it is not called. */
bool hipti_search_next(struct hipti_search *search);
/* => whether the execution still repeats an earlier one, all of whose steps have been judged. */
static inline bool hipti_search_repeats(const struct hipti_search *search)
{
    return search->depth < search->length;
}

struct hipti_pct {
    struct hipti_sim_chooser chooser;
    uint64_t random;
    unsigned depth;
    unsigned length; /* points of the longest execution so far */
    unsigned at;
    unsigned priority[HIPTI_SIM_THREADS];
    unsigned change[HIPTI_PCT_DEPTH_MAX];
};

void hipti_pct_init(struct hipti_pct *pct, uint64_t seed, unsigned depth);
/* Before each execution. */
void hipti_pct_start(struct hipti_pct *pct);

/* A byte b: the (b / 64)-th of the enabled threads, counted round, runs for 1 + b % 64 points. */
struct hipti_bytes {
    struct hipti_sim_chooser chooser;
    const uint8_t *at;
    size_t left;
    unsigned points_left;
    unsigned thread;
};

/* Before each execution; @bytes is only read. */
void hipti_bytes_start(struct hipti_bytes *bytes, const uint8_t *at, size_t size);

/*
 * Text: runs of steps, "0x12,1x7,0x40": thread 0 makes 12 steps, thread 1 makes 7, ... Behind the end, and where a
 * thread named cannot run, the running one goes on, or the lowest that can.
 */
struct hipti_replay {
    struct hipti_sim_chooser chooser;
    const char *at;
    unsigned thread;
    unsigned steps_left;
};

void hipti_replay_start(struct hipti_replay *replay, const char *text);
/* Write the schedule of the execution that has just ended. => false: not enough room, and the text is cut. */
bool hipti_replay_write(const struct hipti_sim *sim, char *text, size_t bytes);

#endif
