/* SPDX-License-Identifier: MIT */
/*
 * The one file here that looks into the library: what hipt_table_stats() counts takes a walk over all buckets, and this
 * is asked before each map.
 */
#include "hipt_moving.h"

#include "map/move.h"

bool bench_is_moving(struct hipt_table *table)
{
    /* relaxed: it says when, not what */
    return hipti_load_relaxed(&hipti_buckets_now(&table->buckets, 0)->past) != NULL;
}

bool bench_is_settling(struct hipt_table *table)
{
    return hipti_move_is_due(table, 0);
}
