/* SPDX-License-Identifier: MIT */
/* Other buckets for a shard, or for all: what begins the moves of move.h. */
#ifndef HIPT_MAP_RESIZE_H
#define HIPT_MAP_RESIZE_H

#include "map/table.h"

/*
 * Begin what the shards of @due have asked for. => whether the map that came to @status, and found a chain full, is to
 * be tried again: in other buckets.
 */
bool hipti_resize_on_own(struct hipt_table *table, uint64_t due, enum hipt_status status);

/* Begin what the table was made to begin by itself, if it is due. Outside read sides. => as above. */
static inline bool hipti_resize_if_due(struct hipt_table *table, enum hipt_status status)
{
    uint64_t due = hipti_load_relaxed(&table->buckets.due); /* a hint */

    return due != 0 && hipti_resize_on_own(table, due, status);
}

#endif
