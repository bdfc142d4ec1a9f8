/* SPDX-License-Identifier: MIT */
/*
 * A walk over all keys, shard by shard, in the order of their mixed values: an array of any size holds them in that
 * order, bucket by bucket. So a walk goes on where it was when keys have moved to another array, unless that has
 * another secret; then it goes to the end of the old order, and through the whole of the new one.
 *
 * A mapping that moves to another shard may go to one that has been walked. So the shards are walked once more if any
 * has, since the walk began with the first of them.
 */
#ifndef HIPT_TABLE_WALK_H
#define HIPT_TABLE_WALK_H

#include "table/bucket.h"

/*
 * The next key from the cursor on whose slot is visible, and the cursor behind it. A key that is there all the time is
 * not left out; it may come twice if its shard takes another secret, or any mapping moves to another shard. Inside a
 * read side. => false: there is none.
 */
bool hipti_walk_next(struct hipti_buckets *buckets, struct hipt_cursor *cursor, uint64_t *pte, uint64_t *key);

#endif
