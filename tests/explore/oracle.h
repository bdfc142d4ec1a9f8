/* SPDX-License-Identifier: MIT */
/*
 * What every execution is held against:
 *
 *   T1  at no step is one key visible in two slots; the history is linearizable: there is an order of the calls, true
 *       to real time, in which a table used by one thread at a time answers the same and ends in the same state
 *   F1  reverse and walk report each mapping that was there throughout, once; to a reverse walk a page is still there
 *       when it has been split or collapsed, or has moved into other buckets; of a walk meanwhile nothing is asked
 *   R1  no frame is lost, and none comes back under a reader, nor does memory (world.c)
 *   A1  a retired asid that was not issued again has nothing mapped at the end
 *   S1 to S3  no CPU uses what it must not, and no write is lost (cpus.h)
 *       a move that is helped on comes to its end, with all mappings, and what was left is given back
 *   T4  no thread ever repeats itself while nobody writes
 *   and the table is valid, at the end, and again after all has been unmapped and reaped
 */
#ifndef EXPLORE_ORACLE_H
#define EXPLORE_ORACLE_H

#include <stdbool.h>
#include <stdint.h>

#include "explore/world.h"

/* After world_open(): remember the state that the setup has made. => false: the model knows no such state. */
bool oracle_open(void);

/* After world_run(): every check, unless one with the same end was judged; what fails first is in world.violation. */
void oracle_check(enum hipti_sim_end end);

/* => how many ends there were, told apart by history and memory, since oracle_open(); at most ORACLE_ENDS_MAX. */
enum { ORACLE_ENDS_MAX = 1 << 15 };

uint64_t oracle_ends(void);

/* At a step: T1 for the whole table. */
void oracle_check_step(void);

/* Of an execution that is not over, too: a lookup or an access that finds nothing where a page always translates. */
void oracle_check_access(const struct event *event);

#endif
