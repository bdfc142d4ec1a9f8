/* SPDX-License-Identifier: MIT */
/* What explorations of the table put into the hash of a state, both that of schedules and that of weak memory. */
#ifndef EXPLORE_HASH_H
#define EXPLORE_HASH_H

#include <stdint.h>

#include <hipt/map.h>

#include "map/table.h"
#include "sim/hash.h"

static inline uint64_t hash_mapping(uint64_t hash, const struct hipt_mapping *mapping)
{
    hash = hipti_sim_hash(hash, mapping->page.vpn << 16 | mapping->page.asid << 8 | mapping->page.size);
    hash = hipti_sim_hash(hash, mapping->pfn << 1 | mapping->swap);
    return hipti_sim_hash(hash, (uint64_t)mapping->prot << 16 | (uint64_t)mapping->attr << 8 | mapping->marks);
}

/* What is written without a step, by whoever holds a freelist's mover: the cookies of all freelists. */
static inline uint64_t hash_unseen(const struct hipt_table *table)
{
    uint64_t hash = hipti_sim_hash(table->frames.limbo.cookie, table->asids.plans.spare.cookie);
    unsigned i;

    hash = hipti_sim_hash(hash, hipti_sim_hash(table->asids.limbo.cookie, table->asids.spare.cookie));
    for (i = 0; i < table->frames.nodes; i++) {
        hash = hipti_sim_hash(hash, table->frames.aliases[i].spare.cookie);
    }
    for (i = 0; i < table->buckets.nshards; i++) {
        hash = hipti_sim_hash(hash, table->buckets.shard[i]->spare.cookie);
    }
    return hash;
}

#endif
