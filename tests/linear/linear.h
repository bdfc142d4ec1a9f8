/* SPDX-License-Identifier: MIT */
/*
 * Linearizability of recorded histories (T1), and real-time conditions on reverse walks (F1).
 *
 * A history says when each operation of each thread began and ended, and what it answered. It is linearizable if all
 * operations can be put into one order, which never turns around two of which one ended before the other began, in
 * which a table that is used by one thread at a time gives the same answers. What one operation says depends on the
 * pages that overlap its own, so a history is partitioned into groups: the pages of all sizes that lie in one page of
 * the largest size. With one size a group is a page.
 *
 * The search goes through the events of a group in time and keeps every (state of the group, set of open operations
 * that have taken effect) that the past allows; when an operation ends without having taken effect, it and whatever
 * else is open takes effect in all orders. A history with few threads keeps few of them, so the search is linear in
 * practice; where it is not, the verdict says so, it does not guess.
 *
 * Outcomes that say "nothing done, try again" (BUSY, CHANGED, NOMEM, FULL) fit every state and are only counted.
 *
 * Synchronization: a linear_thread belongs to the thread that records; checking needs the recorders to be at rest, and
 * different groups may be checked by different threads.
 */
#ifndef TEST_LINEAR_LINEAR_H
#define TEST_LINEAR_LINEAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <hipt/map.h>
#include <hipt/table.h>

enum {
    LINEAR_THREADS_MAX = 16,
    LINEAR_PLACES_MAX = 8, /* pages of all sizes in one page of the largest */
    LINEAR_WALKED_MAX = 64, /* places of all groups, where walks are recorded */
    LINEAR_APART = 128      /* bytes: a processor fetches cache lines in pairs */
};

enum linear_verb {
    LINEAR_LOOKUP = 0, /* place: the base page's; result: the word found, of whatever size */
    LINEAR_MAP,        /* argument: the word */
    LINEAR_UNMAP,      /* result: the word at its end */
    LINEAR_PROTECT,    /* argument: the protection */
    LINEAR_REMAP,      /* argument: the new word; result: the old one */
    LINEAR_MARK,       /* argument: the translation's word; marks; result: the word after */
    LINEAR_CLEAN,      /* argument: the translation's word; marks; result: the word before */
    LINEAR_VERBS
};

enum linear_verdict {
    LINEAR_YES = 0,
    LINEAR_NO,        /* no order explains it */
    LINEAR_EMPTY,     /* nothing was recorded: that shows nothing */
    LINEAR_MALFORMED, /* an operation ends before it begins, or begins before its thread's last one ended */
    LINEAR_TOO_WIDE   /* more possible pasts at once than there is room for */
};

/* Which pages a group has. Place numbers: those of size 0 first. Field key: all constant. */
struct linear_shape {
    unsigned nsizes;
    unsigned order[HIPT_SIZES_MAX]; /* log2 of base pages */
    unsigned first[HIPT_SIZES_MAX]; /* the first place of a size */
    unsigned nplaces;
    uint32_t overlaps[LINEAR_PLACES_MAX]; /* other places, a bit each */
};

struct linear_op {
    uint64_t begin;
    uint64_t end;
    uint64_t argument;
    uint64_t result; /* 0: none */
    uint32_t group;
    uint32_t next; /* the thread's next operation on the group, as index + 1 */
    uint8_t place;
    uint8_t verb;
    uint8_t outcome; /* an enum hipt_status */
    uint8_t marks;
};

/* A reverse walk: which places it reported, bit group * nplaces + place. */
struct linear_walk {
    uint64_t begin;
    uint64_t end;
    uint64_t pfn;
    uint64_t reported;
    bool swap;
};

/* In cache lines of its own, as are the arrays: threads that record shall meet in the table, not here. */
struct linear_thread {
    _Alignas(LINEAR_APART) struct linear_op *op;
    struct linear_walk *walk;
    uint32_t *chain; /* per group: first and last operation, as index + 1 */
    size_t count;
    size_t room;
    size_t walks;
    size_t walk_room;
    uint64_t dropped; /* operations that changed nothing and asked for another try */
};

struct linear_history {
    const struct linear_shape *shape;
    uint32_t groups;
    unsigned nthreads;
    struct linear_thread thread[LINEAR_THREADS_MAX];
    uint64_t *start; /* words of all places before the history, 0: absent; groups * nplaces of them */
};

struct linear_report {
    enum linear_verdict verdict;
    uint32_t group;   /* where it fails */
    unsigned thread;  /* the operation that nothing explains, or the walk */
    size_t index;
    bool is_walk;
    const char *what; /* one line */
    uint64_t checked; /* operations */
    uint64_t walks;
    size_t widest;    /* pasts kept at once */
};

/* => false: more places than LINEAR_PLACES_MAX. */
bool linear_shape_init(struct linear_shape *shape, unsigned nsizes, const unsigned *order);

/* => the place of a page, given as its vpn's distance from the group's first. */
unsigned linear_place(const struct linear_shape *shape, uint32_t size, uint64_t offset);

/* A mapping as a word that is never 0. @asid, @first: the group's; a mapping from elsewhere fits no place. */
uint64_t linear_word(const struct linear_shape *shape, const struct hipt_mapping *mapping, uint32_t asid,
                     uint64_t first);

/* @room: operations of each thread. @walk_room: walks. => false: no memory, or too many threads or places. */
bool linear_history_init(struct linear_history *history, const struct linear_shape *shape, uint32_t groups,
                         unsigned nthreads, size_t room, size_t walk_room);
void linear_history_end(struct linear_history *history);

/* Forget all operations; the start words stay. */
void linear_history_clear(struct linear_history *history);

/*
 * A time that all threads agree on, of no particular unit, after linear_history_init(). Accesses do not move across it
 * in either direction.
 */
uint64_t linear_now(void);

/* Begin an operation of the thread. => it, its time taken; NULL: there is no room. */
struct linear_op *linear_begin(struct linear_history *history, unsigned thread, enum linear_verb verb, uint32_t group,
                               unsigned place, uint64_t argument);

/* Take the end's time; then linear_commit() with what the operation said. */
void linear_end(struct linear_op *op);
void linear_commit(struct linear_history *history, unsigned thread, struct linear_op *op, enum hipt_status outcome,
                   uint64_t result);

/* A whole operation whose times are known. => false: there is no room. */
bool linear_record(struct linear_history *history, unsigned thread, struct linear_op op);

/* => false: there is no room. */
bool linear_record_walk(struct linear_history *history, unsigned thread, struct linear_walk walk);

/* Check groups @first, @first + @step, ... => whether the verdict is LINEAR_YES. */
bool linear_check(const struct linear_history *history, uint32_t first, uint32_t step, struct linear_report *report);

/* The operations around what a report names. */
void linear_print(FILE *file, const struct linear_history *history, const struct linear_report *report);

#endif
