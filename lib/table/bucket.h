/* SPDX-License-Identifier: MIT */
/*
 * The bucket: find, claim, commit, change, release. Everything here runs inside a read side. Nothing here retries
 * because a slot changed under the caller: outcomes are returned, and the verb decides. The exceptions are loops whose
 * every turn means that somebody else committed to the same bucket.
 */
#ifndef HIPT_TABLE_BUCKET_H
#define HIPT_TABLE_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

#include <hipt/ops.h>
#include <hipt/port.h>
#include <hipt/status.h>

#include "reclaim/arena.h"
#include "reclaim/freelist.h"
#include "reclaim/gate.h"
#include "table/hash.h"
#include "table/key.h"
#include "table/line.h"
#include "table/pte.h"

/* Field key: all constant, but for what the three reclaiming parts say of themselves. */
struct hipti_buckets {
    struct hipti_quotient quotient;
    struct hipti_hash hash;
    struct hipti_arena lines;    /* one for each bucket */
    struct hipti_arena overflow;
    const struct hipt_ops *ops;
    struct hipti_split split;
    unsigned version_max;
    unsigned sequence_bits;
    enum hipti_state committed;  /* what P4 makes of a claim */
    struct hipti_freelist spare; /* overflow lines */
    struct hipti_gate gate;      /* of the headers' sequences */
};

/* A slot by number: line * 4 + slot, 31 bits. It names a slot for as long as the caller stays inside its read side. */
typedef uint32_t hipti_slot;

/* A slot that the caller has claimed and nobody else sees yet. */
struct hipti_claim {
    struct hipti_place place;
    hipti_slot slot;
    uint64_t pte;    /* its word */
    uint64_t header; /* the bucket's, at the scan that found the key absent */
};

/* => false: no memory. @ops and the numbers have been checked. */
bool hipti_buckets_init(struct hipti_buckets *buckets, const struct hipt_ops *ops, const struct hipti_split *split,
                        const struct hipt_config *config, uint64_t count, const uint64_t secret[4]);
void hipti_buckets_end(struct hipti_buckets *buckets);

static inline struct hipti_place hipti_buckets_place(const struct hipti_buckets *buckets, uint64_t key)
{
    return hipti_quotient_place(&buckets->quotient, hipti_hash_mix(&buckets->hash, key));
}

/* The line of a bucket. Its address is worked out with the line's size known to the compiler. */
static inline struct hipti_line *hipti_buckets_bucket(const struct hipti_buckets *buckets, uint32_t bucket)
{
    /* relaxed: all buckets were there before the table was */
    char *block = hipti_load_relaxed(&buckets->lines.directory[bucket >> buckets->lines.block_shift]);

    return (struct hipti_line *)(void *)block + (bucket & buckets->lines.block_mask);
}

static inline struct hipti_line *hipti_buckets_line(const struct hipti_buckets *buckets, uint32_t line)
{
    uint32_t count = (uint32_t)buckets->quotient.buckets;

    return line < count ? hipti_buckets_bucket(buckets, line)
                        : (struct hipti_line *)(void *)hipti_arena_at(&buckets->overflow, line - count + 1u);
}

/* The line number behind a header's link; behind HIPTI_NONE that of a bucket, which is no overflow line's. */
static inline uint32_t hipti_buckets_linked(const struct hipti_buckets *buckets, uint32_t link)
{
    return (uint32_t)buckets->quotient.buckets + link - 1u;
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
 * Claim a slot for a key, with @pte (neither state nor version) as its word. Nothing is visible yet.
 * => HIPT_OK: *claim. HIPT_EXISTS, HIPT_BUSY (its slot is between two states, or the sequence waits at its gate, or the
 *    chain is at its bound and one of its slots waits for a grace period), HIPT_FULL (the chain is at its bound),
 *    HIPT_NOMEM: nothing has changed.
 */
enum hipt_status hipti_bucket_claim(struct hipti_buckets *buckets, struct hipti_place place, uint64_t pte,
                                    struct hipti_claim *claim);

/* Have memory ready for @lines more overflow lines. Waits for it. => HIPT_OK, HIPT_FULL, HIPT_NOMEM. */
enum hipt_status hipti_buckets_reserve(struct hipti_buckets *buckets, uint64_t lines);

/*
 * Make the claim the key's slot (H1, P4).
 * => HIPT_OK: it is now tentative, or live in a table of one page size, and may already have gone on from there.
 * => HIPT_EXISTS, HIPT_BUSY: the claim stands, to be given up or tried again.
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

/* => true: the slot holds a key, *pte and *key are of one life. */
bool hipti_slot_read(const struct hipti_buckets *buckets, hipti_slot slot, uint64_t *pte, uint64_t *key);

/* How many slots there are, to be numbered from 0; it grows. */
uint64_t hipti_buckets_slots(const struct hipti_buckets *buckets);

#endif
