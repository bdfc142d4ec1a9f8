/* SPDX-License-Identifier: MIT */
/* What a table of hipt is doing about its buckets. Inside a read side. */
#ifndef BENCH_HIPT_MOVING_H
#define BENCH_HIPT_MOVING_H

#include <stdbool.h>

struct hipt_table;

/* => whether it is moving to other buckets */
bool bench_is_moving(struct hipt_table *table);

/* => whether it is, or those that it moved from have yet to be given back */
bool bench_is_settling(struct hipt_table *table);

#endif
