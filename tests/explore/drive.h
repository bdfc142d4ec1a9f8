/* SPDX-License-Identifier: MIT */
/* One program under one driver: all its schedules, or many, each held against the oracle. */
#ifndef EXPLORE_DRIVE_H
#define EXPLORE_DRIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "explore/program.h"

enum { DRIVE_SCHEDULE_MAX = 2048 };

struct drive {
    /* what to do */
    unsigned bound;      /* HIPTI_SEARCH_UNBOUNDED: none */
    bool is_plain;       /* every path to its end, also where it meets another */
    unsigned depth;      /* of PCT */
    uint64_t seed;
    uint64_t executions_max;
    double deadline;     /* by drive_now(); 0: none */
    /* what was done; added to */
    uint64_t executions;
    uint64_t steps;
    unsigned longest;    /* steps of one execution */
    bool is_cut;         /* by a limit, in the last program */
    bool is_broken;      /* a violation was found, in the last program: world.violation */
    char schedule[DRIVE_SCHEDULE_MAX]; /* of the violation */
};

double drive_now(void);

/* All schedules within the bound. => false: the program cannot be set up. */
bool drive_search(struct drive *drive, const struct program *program);

/* executions_max schedules by PCT, or from random bytes. */
bool drive_pct(struct drive *drive, const struct program *program);
bool drive_bytes(struct drive *drive, const struct program *program);

/* One execution of a recorded schedule. */
bool drive_replay(struct drive *drive, const struct program *program, const char *schedule);

#endif
