/* SPDX-License-Identifier: MIT */
/* Whether a table of hipt is moving to other buckets, or has yet to give back those that it moved from. */
#ifndef BENCH_HIPT_MOVING_H
#define BENCH_HIPT_MOVING_H

#include <stdbool.h>

struct hipt_table;

bool bench_is_moving(const struct hipt_table *table);

#endif
