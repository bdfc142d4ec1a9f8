/* SPDX-License-Identifier: MIT */
/*
 * Moving to another array of buckets: a shard grows, shrinks or takes another secret; or to another shard, where its
 * asid is being moved (migrate.c). A mapping moves in these steps, each of which anybody may do who comes by:
 *
 *   1  close    its bucket (H4): no key is put there any more
 *   2  copy     a slot in the new array is claimed, its word the mapping's as it was read; nobody sees it
 *   3  switch   the old slot's word becomes FORWARD, if the mapping has not changed (P20): from here on the copy is it
 *   4  show     the copy becomes LIVE (P21)
 *   5  relink   the frame's pair, then the address space's cell name the copy
 *   6  leave    the old slot (P22, P24)
 *
 * A bucket that is left for another shard is not closed: it goes on, without this asid's pages.
 *
 * Whoever finds FORWARD goes on to the copy, and shows it first. Who wants to end or hold the mapping does 4 to 6
 * before: so pair and cell of what ends name the slot that ends. Held, frozen and tentative slots stay, they are
 * somebody's; their bucket is left when that somebody has been there.
 */
#ifndef HIPT_MAP_MOVE_H
#define HIPT_MAP_MOVE_H

#include "map/table.h"

#define HIPTI_MOVED 4u /* buckets that an update sees to while a table moves */

/* Steps 4 to 6 of the mapping whose word in @slot is @forward. Inside a read side. */
void hipti_move_finish(struct hipt_table *table, hipti_slot slot, uint64_t forward);

/*
 * Steps 4 to 6 of what a mapping of @page has left behind, if they have not been done: before it leaves the slot where
 * it is now, or ends there. So pair and cell name the slot that is left, and FORWARD never leads to FORWARD, unless
 * somebody is late.
 */
void hipti_move_settle(struct hipt_table *table, const struct hipt_page *page);

/*
 * Steps 2 to 6 of the mapping in @slot, whose word has been read as @pte, to another shard. => HIPT_OK; HIPT_CHANGED:
 * look again; why there can be no copy. Inside a read side.
 */
enum hipt_status hipti_move_to_shard(struct hipt_table *table, unsigned shard, hipti_slot slot, uint64_t pte,
                                     uint64_t key);

/* hipti_page_find() for who wants to end or hold the mapping. */
bool hipti_page_find_to_own(struct hipt_table *table, const struct hipt_page *page, hipti_slot *slot, uint64_t *pte);

/*
 * What has to be done before @key is put into @array: its old bucket is closed, and it is not there.
 * => HIPT_OK; HIPT_EXISTS, HIPT_BUSY. Inside a read side.
 */
enum hipt_status hipti_move_before_put(struct hipt_table *table, const struct hipti_array *array, uint64_t key);

/* => whether a shard has something to move, or an array to be given back. Inside a read side. */
static inline bool hipti_move_is_due(const struct hipt_table *table, unsigned shard)
{
    const struct hipti_array *now = hipti_buckets_now(&table->buckets, shard);
    const struct hipti_shard *own = table->buckets.shard[shard];

    /* relaxed: a hint, all three; who goes on looks again */
    return hipti_load_relaxed(&now->past) || hipti_load_relaxed(&own->junk) ||
           hipti_load_relaxed(&own->half[hipti_array_other_half(now)]);
}

/* Move on, if a shard moves: see to @nbuckets buckets. Inside a read side. */
void hipti_move_on(struct hipt_table *table, unsigned shard, unsigned nbuckets);

/*
 * What each map and hipt_unmap() does for a move of the shard that it was at: a quarter as many as it has buckets end
 * it. Inside a read side.
 */
static inline void hipti_move_help(struct hipt_table *table, unsigned shard)
{
    if (hipti_move_is_due(table, shard)) {
        hipti_move_on(table, shard, HIPTI_MOVED);
    }
}

#endif
