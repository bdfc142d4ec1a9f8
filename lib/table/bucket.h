/* SPDX-License-Identifier: MIT */
/*
 * The bucket: find, claim, commit, change, release. Everything here runs inside a read side. Nothing here retries
 * because a slot changed under the caller: outcomes are returned, and the verb decides. The exceptions are loops whose
 * every turn means that somebody else committed to the same bucket, ended a life in it, or replaced the array.
 */
#ifndef HIPT_TABLE_BUCKET_H
#define HIPT_TABLE_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

#include <hipt/ops.h>
#include <hipt/port.h>
#include <hipt/status.h>
#include <hipt/topology.h>

#include "reclaim/arena.h"
#include "reclaim/freelist.h"
#include "reclaim/gate.h"
#include "table/array.h"
#include "table/hash.h"
#include "table/key.h"
#include "table/line.h"
#include "table/pte.h"

/*
 * A shard: buckets for some of the keys, all that there is of them. It grows, shrinks and takes another secret by
 * itself.
 *
 * Field key: all constant, but for the pointers and the counts, which are atomic, and what the reclaiming parts say of
 * theirs.
 */
struct hipti_shard {
    const struct hipti_memory *memory; /* of the shard itself, arrays and overflow lines */
    hipti_array_pointer half[2]; /* by the numbers of their lines */
    hipti_array_pointer junk;    /* arrays that are in no half any more, and wait for a grace period */
    struct hipti_arena overflow;
    struct hipti_freelist spare; /* overflow lines */
    uint64_t count_max;          /* buckets that an array can have: the overflow lines, pairs and cells are enough */
    HIPTI_ALIGNED(64) HIPTI_ATOMIC(uint32_t) lines; /* overflow lines in chains */
    HIPTI_ATOMIC(uint32_t) due;                     /* HIPT_GROW, HIPT_REKEY: to be seen to by a map */
    HIPTI_ATOMIC(uint64_t) chains_full;             /* puts that met a chain at its bound */
    HIPTI_ATOMIC(uint64_t) resizes;                 /* arrays that have come to take the place of another */
};

/*
 * All shards. The arrays come first, eight of them in a cache line, so that a lookup has the right one by one load.
 * With one shard no bit of a line's number is the shard's, and the masks say so: nothing branches on it.
 *
 * Field key: all constant, but for .now, .due and .crossings, which are atomic, and what the gate says of itself.
 */
struct hipti_buckets {
    hipti_array_pointer now[HIPT_NODES_MAX];      /* where keys are put, for each shard */
    const struct hipt_ops *ops;
    unsigned version_max;
    unsigned sequence_bits;
    unsigned index_bits;                          /* of a line's number: which of its array, or its shard */
    unsigned nshards;
    unsigned resize;                              /* what .due of a shard may say */
    uint32_t index_mask;
    uint32_t shard_mask;                          /* the bits that number its shard */
    enum hipti_state committed;                   /* what P4 makes of a claim */
    struct hipti_gate gate;                       /* of the headers' sequences */
    struct hipti_shard *shard[HIPT_NODES_MAX];
    HIPTI_ALIGNED(64) HIPTI_ATOMIC(uint64_t) due; /* bit i: .due of shard i is not 0, or was not a moment ago */
    HIPTI_ATOMIC(uint64_t) crossings;             /* mappings that have gone to another shard, or a few more */
};

#define HIPTI_NO_HALF 2u

/* A slot by number: line * 4 + slot, 31 bits. It names a slot for as long as the caller stays inside its read side. */
typedef uint32_t hipti_slot;

/* A slot that the caller has claimed and nobody else sees yet. */
struct hipti_claim {
    struct hipti_place place;
    hipti_slot slot;
    uint64_t pte;    /* its word */
    uint64_t header; /* the bucket's, at the scan that found the key absent */
};

/* What buckets are made of. The numbers have been checked. */
struct hipti_shape {
    unsigned nshards;
    unsigned width;     /* of a key */
    uint64_t count;     /* buckets of each shard */
    uint64_t count_max; /* that each can have */
    const uint64_t *secret; /* four words */
    const struct hipti_memory *const *memory; /* for each shard, which it does not outlive */
};

/* => false: no memory. */
bool hipti_buckets_init(struct hipti_buckets *buckets, const struct hipt_ops *ops, const struct hipt_config *config,
                        const struct hipti_shape *shape);
void hipti_buckets_end(struct hipti_buckets *buckets);

/* The array of a shard that keys are put into. */
static inline struct hipti_array *hipti_buckets_now(const struct hipti_buckets *buckets, unsigned shard)
{
    return hipti_load_acquire(&buckets->now[shard]); /* [observe:array] */
}

static inline struct hipti_place hipti_buckets_place(const struct hipti_buckets *buckets, unsigned shard, uint64_t key)
{
    return hipti_array_place(hipti_buckets_now(buckets, shard), key);
}

/* => the shard that line @number is in. */
static inline unsigned hipti_shard_number(const struct hipti_buckets *buckets, uint32_t number)
{
    return (number & buckets->shard_mask) >> buckets->index_bits;
}

static inline struct hipti_shard *hipti_shard_of(const struct hipti_buckets *buckets, uint32_t number)
{
    return buckets->shard[hipti_shard_number(buckets, number)];
}

/* => the number of the first line of a shard's half. */
static inline uint32_t hipti_buckets_first(const struct hipti_buckets *buckets, unsigned shard, unsigned half)
{
    return (half << HIPTI_HALF_BITS) | (shard << buckets->index_bits);
}

/* The array that bucket @number is in. */
static inline struct hipti_array *hipti_buckets_array(const struct hipti_buckets *buckets, uint32_t number)
{
    /* relaxed: who has a number of it has acquired it */
    return hipti_load_relaxed(&hipti_shard_of(buckets, number)->half[number >> HIPTI_HALF_BITS]);
}

/* The line behind a link, of a header in the shard. */
static inline struct hipti_line *hipti_shard_overflow(const struct hipti_shard *shard, uint32_t link)
{
    return (struct hipti_line *)(void *)hipti_arena_at(&shard->overflow, link);
}

static inline struct hipti_line *hipti_buckets_line(const struct hipti_buckets *buckets, uint32_t number)
{
    if (number >= HIPTI_OVERFLOW_FIRST) {
        return hipti_shard_overflow(hipti_shard_of(buckets, number), (number & buckets->index_mask) + 1u);
    }
    return hipti_array_line(hipti_buckets_array(buckets, number), number & buckets->index_mask);
}

/* => the node that line @number lies on, or HIPT_ANY_NODE. */
static inline int hipti_buckets_node(const struct hipti_buckets *buckets, uint32_t number)
{
    uint32_t item = (number & buckets->index_mask) + 1u;

    return number >= HIPTI_OVERFLOW_FIRST ? hipti_arena_node(&hipti_shard_of(buckets, number)->overflow, item)
                                          : hipti_arena_node(&hipti_buckets_array(buckets, number)->lines, item);
}

/* The line number behind a link, in the chain that line @at is in; behind HIPTI_NONE one that is no line's. */
static inline uint32_t hipti_buckets_linked(const struct hipti_buckets *buckets, uint32_t at, uint32_t link)
{
    return HIPTI_OVERFLOW_FIRST | (at & buckets->shard_mask) | (link - 1u);
}

/*
 * Look for a key's slot, in whatever state a key can be: tentative, frozen, live or held.
 * => true: *slot, and *pte as it was while the slot held this key. *lines counts the lines read, if not NULL.
 * => false: at some instant of the call the key was in no slot.
 */
bool hipti_bucket_find(const struct hipti_buckets *buckets, struct hipti_place place, hipti_slot *slot, uint64_t *pte,
                       unsigned *lines);

/*
 * The same in the single order of all seq_cst operations: it misses no slot that was committed (P4) before in that
 * order.
 */
bool hipti_bucket_find_seq_cst(const struct hipti_buckets *buckets, struct hipti_place place, hipti_slot *slot,
                               uint64_t *pte);

/*
 * Look for the slot of a key that the caller's gather has ended, frozen still or ended by somebody who helped.
 * => true: *slot, *pte. It stays the caller's.
 */
bool hipti_bucket_find_ended(const struct hipti_buckets *buckets, struct hipti_place place, unsigned gather,
                             hipti_slot *slot, uint64_t *pte);

/*
 * A slot that was found, or is named by somebody: go on to the one that its mapping has moved to, if it has (P21).
 * => false: that mapping has ended.
 */
bool hipti_slot_follow(struct hipti_buckets *buckets, hipti_slot *slot, uint64_t *pte);

/*
 * Look for a key in all arrays of a shard: as the three above, but a mapping that is on its way to another array is
 * found where it goes to.
 */
bool hipti_find(struct hipti_buckets *buckets, unsigned shard, uint64_t key, hipti_slot *slot, uint64_t *pte,
                unsigned *lines);
bool hipti_find_seq_cst(struct hipti_buckets *buckets, unsigned shard, uint64_t key, hipti_slot *slot, uint64_t *pte);
bool hipti_find_ended(const struct hipti_buckets *buckets, unsigned shard, uint64_t key, unsigned gather,
                      hipti_slot *slot, uint64_t *pte);

/*
 * => true: *slot, which a key's mapping has left for another array and which still names where it has gone; *pte is its
 * word. Looks in the array that is being left; who has left for another shard may have left the present array as well.
 */
bool hipti_find_forward(const struct hipti_buckets *buckets, unsigned shard, uint64_t key, hipti_slot *slot,
                        uint64_t *pte);

/*
 * Claim a slot for a key, with @pte (neither state nor version) as its word. Nothing is visible yet.
 * => HIPT_OK: *claim. HIPT_CHANGED: the bucket is closed. HIPT_EXISTS, HIPT_BUSY (its slot is between two states, or
 *    the sequence waits at its gate, or the chain is at its bound and one of its slots waits for a grace period),
 *    HIPT_FULL (the chain is at its bound), HIPT_NOMEM: nothing has changed.
 */
enum hipt_status hipti_bucket_claim(struct hipti_buckets *buckets, struct hipti_place place, uint64_t pte,
                                    struct hipti_claim *claim);

/*
 * The same for a copy of a key that another array has, so that it need not be looked for here. It has room also beyond
 * the bound: a move must not fail because the new array has too few buckets.
 */
enum hipt_status hipti_bucket_copy(struct hipti_buckets *buckets, struct hipti_place place, uint64_t pte,
                                   struct hipti_claim *claim);

/* Let the header that names a slot, if any does, name none (H5). => false: the sequence waits at its gate. */
bool hipti_slot_unname(struct hipti_buckets *buckets, hipti_slot slot);

/* Close a bucket (H4). => false: the sequence waits at its gate. */
bool hipti_bucket_close(struct hipti_buckets *buckets, uint32_t bucket);

/*
 * Put @array, just made for a free half of a shard, in the place of the present one. Its .resizes is the count of such
 * replacements that was read when its half was found free. => false: there has been another one since: @array stays the
 * caller's.
 */
bool hipti_buckets_replace(struct hipti_buckets *buckets, unsigned shard, struct hipti_array *array);

/*
 * => the half of a shard's numbers that its next array can have; HIPTI_NO_HALF: neither yet. What stands in its way
 * goes on: an array that was to take its place does, and the grace period of one that was left begins.
 */
unsigned hipti_buckets_free_half(struct hipti_buckets *buckets, unsigned shard);

/* Give back arrays of a shard that nobody can know of any more. */
void hipti_buckets_collect(struct hipti_buckets *buckets, unsigned shard);

/* => what is due in a shard, HIPT_GROW and HIPT_REKEY, and not any more: whoever finds it so again says so again. */
unsigned hipti_buckets_take_due(struct hipti_buckets *buckets, unsigned shard);

/* => whether a closed bucket has nothing left that is anybody's; its overflow lines are given back. */
bool hipti_bucket_is_left(struct hipti_buckets *buckets, uint32_t bucket);

/* Have memory ready for @lines more overflow lines in each shard. Waits for it. => HIPT_OK, HIPT_FULL, HIPT_NOMEM. */
enum hipt_status hipti_buckets_reserve(struct hipti_buckets *buckets, uint64_t lines);

/*
 * Make the claim the key's slot (H1, P4).
 * => HIPT_OK: it is now tentative, or live in a table of one page size and one shard, and may already have gone on.
 * => HIPT_EXISTS, HIPT_BUSY, HIPT_CHANGED (the bucket is closed, or copies have made the chain so long that its header
 *    cannot name the slot): the claim stands, to be given up or tried again.
 */
enum hipt_status hipti_bucket_commit(struct hipti_buckets *buckets, struct hipti_claim *claim);

/* Give an uncommitted claim up (P3). */
void hipti_bucket_forget(struct hipti_buckets *buckets, const struct hipti_claim *claim);

/* => the word of a slot, for validators and tests: the caller excludes all others. */
uint64_t hipti_slot_load(const struct hipti_buckets *buckets, hipti_slot slot);

/*
 * Change a slot's word from *pte, which the caller has read in this read side. => false: *pte is what it found instead.
 */
bool hipti_slot_change(struct hipti_buckets *buckets, hipti_slot slot, uint64_t *pte, uint64_t next);

/* Let a word go again that the caller holds (P9). */
void hipti_slot_publish(struct hipti_buckets *buckets, hipti_slot slot, uint64_t next);

/*
 * End the life of a slot that the caller froze, or whose put was aborted (P11, P12), and the line's if it was the last.
 */
void hipti_slot_release(struct hipti_buckets *buckets, hipti_slot slot);

/*
 * Let a slot go whose mapping has gone to another shard, in a bucket that goes on (P24). *forward is its word. Whoever
 * fails was helped.
 */
void hipti_slot_leave(struct hipti_buckets *buckets, hipti_slot slot, uint64_t forward);

/* => true: the slot holds a key, *pte and *place, in the array that its bucket is in, are of one life. */
bool hipti_slot_place(const struct hipti_buckets *buckets, hipti_slot slot, uint64_t *pte, struct hipti_place *place);

/* The same, and the key. */
bool hipti_slot_read(const struct hipti_buckets *buckets, hipti_slot slot, uint64_t *pte, uint64_t *key);

/* The same, also where the mapping has ended and the slot still is somebody's. */
bool hipti_slot_occupant(const struct hipti_buckets *buckets, hipti_slot slot, uint64_t *pte, uint64_t *key);

/* => whether there is a slot @ordinal, counted from 0 through all lines; *slot is its number. Nobody else is there. */
bool hipti_buckets_nth(const struct hipti_buckets *buckets, uint64_t ordinal, hipti_slot *slot);

#endif
