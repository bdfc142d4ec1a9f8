/* SPDX-License-Identifier: MIT */
/*
 * T4: for every call and every step of it, a thread is stopped there for ever, inside or outside a read side. Then
 * every other call on other keys, and every lookup on all keys, is made by another thread, which must complete it
 * within a bounded number of its own steps. A status such as HIPT_BUSY is a completion.
 *
 * Where there is a CPU that acknowledges, calls on the same key complete too, and a map is not answered HIPT_BUSY.
 */
#ifndef EXPLORE_STOP_H
#define EXPLORE_STOP_H

#include <stdbool.h>
#include <stdint.h>

enum {
    STOP_BOUND = 500,          /* own steps of one call; the longest seen, a walk, makes 432 */
    STOP_BOUND_RESHAPE = 1000, /* of a split, punch or collapse, which are five updates in one */
    STOP_BOUND_MOVE = 1000     /* where the table moves: a map sees to four buckets besides */
};

struct stop {
    uint64_t executions;
    uint64_t calls;   /* completed while another thread was stopped */
    uint64_t places;  /* at which a thread was stopped */
    unsigned maximum; /* own steps of one call that is no split, punch or collapse, in a table that does not move */
    unsigned maximum_reshape;
    unsigned maximum_move; /* of any call in one that does, or may begin to */
    char worst[160];  /* which, and where the other stood */
    uint64_t violations;
};

/* => false: a violation, which is printed. */
bool stop_all(struct stop *stop);

#endif
