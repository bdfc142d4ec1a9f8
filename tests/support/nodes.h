/* SPDX-License-Identifier: MIT */
/*
 * A rig's table over four nodes: nodes 0, 1 and 3 own a quarter of the frames each, and have shards 0, 1 and 2; node 2
 * has a CPU only, and is nearest to node 3. Nobody owns the last quarter.
 */
#ifndef TEST_SUPPORT_NODES_H
#define TEST_SUPPORT_NODES_H

#include <stdint.h>

#include "support/rig.h"
#include "table/bucket.h"

enum { NODES = 4, SHARDS = 3, QUARTER = RIG_FRAMES / 4 };

extern int nodes_here; /* the node that the host says its caller runs on */

/* Have a rig that is not created yet be so, with @buckets in each shard, the caller on no node. */
void nodes_config(struct rig *rig, uint64_t buckets, unsigned placement);

/* Make the table of a rig that has nothing else. => false: it was refused. */
bool nodes_create(struct rig *rig, uint64_t buckets, unsigned placement);

enum hipt_status nodes_map(struct rig *rig, uint32_t asid, uint32_t size, uint64_t vpn, uint64_t pfn);

/* Map pages 0 to @count - 1, of the smallest size, to the frames of the same numbers. */
void nodes_map_many(struct rig *rig, uint32_t asid, uint64_t count);

/* => a space on node 0. */
struct hipt_asid nodes_space(struct rig *rig);

/* Make that table, and in it a space on node 0 with @count pages as above. => the space. */
struct hipt_asid nodes_start(struct rig *rig, uint64_t buckets, uint64_t count);

/* => the asid's word. */
uint32_t nodes_word(const struct rig *rig, uint32_t asid);

/* => the slot of a page of the smallest size, which is there. */
hipti_slot nodes_slot(struct rig *rig, uint32_t asid, uint64_t vpn);

/* W1 alone: from now on pages of the asid, which is in one shard, belong to @node. Nothing has been moved. */
void nodes_announce(struct rig *rig, uint32_t asid, int node);

/* Move a space until all is done, a grace period between two calls. => how many calls it took. */
unsigned nodes_migrate(struct rig *rig, struct hipt_asid asid, int node);

/* Pages 0 to @count - 1 are what nodes_map_many() made them, forward and back, and in @shard; SHARDS: in any. */
void nodes_check(struct rig *rig, uint32_t asid, uint64_t count, unsigned shard);

#endif
