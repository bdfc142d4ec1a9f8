/* SPDX-License-Identifier: MIT */
/*
 * One table, its host and its callers, in a form that can be run again and again from the same state under any
 * schedule. The host's memory is a pool that is poisoned where it is not in use; its grace periods end at the earliest
 * legal moment, and its hooks are steps as the table's own are. What every call answered, and when, is the history.
 */
#ifndef EXPLORE_WORLD_H
#define EXPLORE_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <hipt/hipt.h>

#include "explore/program.h"
#include "sim/choose.h"
#include "sim/sched.h"

enum {
    WORLD_FRAMES = 16,
    WORLD_ASIDS = 4,
    WORLD_EVENTS = 48,
    WORLD_MANY = 16,
    WORLD_OUTSIDE = PROGRAM_THREADS_MAX, /* who calls before and after an execution */
    WORLD_TEXT = 256
};

/* One call, or one half of mark and clean: the lookup, and then the change. */
struct event {
    struct call call;
    enum hipt_status status;
    unsigned thread;
    unsigned invoked;   /* steps of the execution before its first */
    unsigned responded; /* steps of the execution up to its last, that included */
    int looked_up;      /* of mark and clean: the event that found the translation */
    struct hipt_mapping out;
    size_t nmany;       /* mappings, of reverse and walk */
    struct hipt_mapping many[WORLD_MANY];
    size_t nframes;     /* of reap */
    struct hipt_frame frames[4];
};

/* Field key: the one real thread only. */
struct world {
    struct hipti_sim *sim;
    const struct program *program;
    const struct hipti_search *search; /* that runs the executions: what it repeats is not judged again; or NULL */
    struct hipt_table *table;
    struct cpus *cpus; /* NULL: no thread is one */
    struct hipt_asid asids[WORLD_ASIDS];
    unsigned nevents;
    struct event events[WORLD_EVENTS];
    char violation[WORLD_TEXT]; /* empty: none */
};

extern struct world world;

/* Build the program's table and run its setup. => false: a setup call answered otherwise than it must; see stderr. */
bool world_open(const struct program *program);

/*
 * The state after a setup, kept to be had again: world_open_kept() is world_open() of any program with the geometry and
 * the setup that were opened last when it was kept, and much faster. => NULL: no memory.
 */
struct world_image;
struct world_image *world_keep(void);
void world_open_kept(const struct world_image *image, const struct program *program);

/* One execution from the state after the setup. => how it ended; world.violation says what was wrong during it. */
enum hipti_sim_end world_run(const struct hipti_sim_chooser *chooser);

/* From outside an execution: make one call, appended to the history. */
struct event *world_call(const struct call *call);

/* Zeroed memory of the host's, which never ends; how much there is in use. */
void *world_alloc(size_t bytes);
size_t world_used(void);

/* Something that no step writes held @old and holds @value, and calls will depend on it. @at is a name for it. */
void world_change(const void *at, uint64_t old, uint64_t value);

/* The first of an execution is kept. Inside an execution it ends there and this does not return. */
void world_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The program's calls in the history of the setup, for the oracle. */
const struct event *world_setup_events(unsigned *count);

/* A readable account of the last execution. */
void world_print(void);

#endif
