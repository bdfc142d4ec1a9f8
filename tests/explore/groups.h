/* SPDX-License-Identifier: MIT */
/*
 * The programs that are enumerated. A group is a set of calls and a few states to begin with. Its programs are all
 * pairs of threads that make two of the calls each, or all triples of threads that make one each, up to the order of
 * the threads; without a bound, all pairs of threads that make one each. Or its programs are listed one by one.
 */
#ifndef EXPLORE_GROUPS_H
#define EXPLORE_GROUPS_H

#include <stdbool.h>
#include <stddef.h>

enum { GROUPS = 23, GROUP_PREFILLS_MAX = 4 };

struct group {
    const char *name;
    const char *geometry;
    const char *prefill[GROUP_PREFILLS_MAX];
    const char *calls;
    unsigned nthreads;
    unsigned ncalls;
    bool is_unbounded; /* as many preemptions as it takes */
    const char *const *programs; /* these, up to a NULL, and no others */
    unsigned preemptions_max;    /* of a report that asks for more; 0: as it asks */
    unsigned sample;             /* how many of the programs the short form takes; 0: all */
};

extern const struct group groups[GROUPS];

/* => how many programs there are. */
unsigned group_programs(const struct group *group);

/* The text of program @index, counted from 0. */
void group_text(const struct group *group, unsigned index, char *text, size_t bytes);

#endif
