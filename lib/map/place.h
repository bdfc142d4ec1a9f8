/* SPDX-License-Identifier: MIT */
/* Which node has which shard, and in which of them an address space begins. */
#ifndef HIPT_MAP_PLACE_H
#define HIPT_MAP_PLACE_H

#include "map/table.h"

/* => the shards of a table on @topology, which has been checked, or is NULL: one for each node that has memory. */
unsigned hipti_place_shards(const struct hipt_topology *topology);

/* Say which shard is on which node. The table has its topology. */
void hipti_place_init(struct hipt_table *table);

/* => the node that the caller runs on, or HIPT_ANY_NODE: nobody knows. */
int hipti_place_here(const struct hipt_table *table);

/* => HIPT_OK: *placed is where the regions are, merged where neighbours are one; HIPT_BAD_VPN, HIPT_BAD_NODE. */
enum hipt_status hipti_place_check(const struct hipt_table *table, const struct hipt_region_place *regions,
                                   unsigned count, struct hipti_regions *placed);

/*
 * => as hipti_plan_new(). Where there are too few plans, some retired asids, which keep theirs until they are issued
 * again, give them up: HIPT_BUSY. Inside a read side.
 */
uint32_t hipti_place_plan(struct hipt_table *table, const struct hipti_regions *now, const struct hipti_regions *past,
                          enum hipt_status *status);

/* => the shard on the caller's node, or on the nearest node that has one. */
unsigned hipti_place_home(const struct hipt_table *table);

#endif
