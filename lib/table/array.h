/* SPDX-License-Identifier: MIT */
/*
 * An array of buckets, and the hash by which keys find theirs. A shard of a table has one; while it grows, shrinks or
 * changes its secret it has two, and what lies in the older one moves to the newer one. Bucket i of an array is line
 * .first + i of the table. The number of a line, 29 bits:
 *
 *   bit 27      part    2       0, 1: the two halves, one for each array; 2: overflow lines of chains of either
 *       27 - s  shard   s       0 to 6, as many as number the table's shards
 *        0      index   27 - s  of a bucket in its array, of an overflow line in its shard
 */
#ifndef HIPT_TABLE_ARRAY_H
#define HIPT_TABLE_ARRAY_H

#include <stdbool.h>
#include <stdint.h>

#include <hipt/ops.h>

#include "reclaim/arena.h"
#include "table/hash.h"
#include "table/line.h"

#define HIPTI_HALF_BITS 27u
#define HIPTI_OVERFLOW_FIRST (UINT32_C(2) << HIPTI_HALF_BITS)

/* => the bits of a line's number that say which of its array, or its shard, where there are @nshards. */
static inline unsigned hipti_index_bits(unsigned nshards)
{
    return HIPTI_HALF_BITS - hipti_bits_for(nshards);
}

struct hipti_array;
typedef HIPTI_ATOMIC(struct hipti_array *) hipti_array_pointer;

/* Field key: c constant once it is a table's, a atomic; and what the arena says of itself. */
struct hipti_array {
    struct hipti_quotient quotient; /* c */
    struct hipti_hash hash;         /* c */
    struct hipti_arena lines;       /* one for each bucket */
    hipti_block *overflow;          /* c: directory of the lines that its chains link; these three are the shard's, */
    unsigned overflow_shift;        /* c: here so that a lookup has them with the rest: a block's lines as 2^n, */
    uint32_t overflow_mask;         /* c: and the bits of a line's number in its block */
    uint32_t first;                 /* c: number of its first line */
    uint32_t secret;                /* c: which of the secrets that the table has had, from 1 on */
    HIPTI_ATOMIC(uint32_t) crowd;   /* a: overflow lines in use that ask for a larger array */
    HIPTI_ATOMIC(uint32_t) taken;   /* a: buckets that a move has been given to see to, of the one that is being left */
    HIPTI_ATOMIC(uint32_t) left;    /* a: all buckets before this one are closed and empty */
    hipti_array_pointer past;       /* a: the array that is being left for this one; once NULL it stays so */
    HIPTI_ATOMIC(uint64_t) cookie;  /* a: of the grace period that it waits for, plus 1; 0: none */
    struct hipti_array *next;       /* of whoever has made it, or taken it out of the table */
    uint64_t resizes;               /* of whoever has made it: replacements before this one */
};

/*
 * => an array of @count empty buckets, their lines numbered from @first on; NULL: no memory, or none without waiting.
 * @memory outlives it. The caller sets .secret, and .resizes where it is to take the place of another one.
 */
struct hipti_array *hipti_array_create(const struct hipti_memory *memory, uint32_t first, uint64_t count,
                                       const struct hipti_hash *hash, bool may_wait);
void hipti_array_destroy(struct hipti_array *array);

/* => the half that @array is not in. */
static inline unsigned hipti_array_other_half(const struct hipti_array *array)
{
    return 1u - (array->first >> HIPTI_HALF_BITS);
}

/* The line of its bucket @index. Its address is worked out with the line's size known to the compiler. */
static inline struct hipti_line *hipti_array_line(const struct hipti_array *array, uint32_t index)
{
    /* relaxed: all buckets were there before the array was */
    char *block = hipti_load_relaxed(&array->lines.directory[index >> array->lines.block_shift]);

    return (struct hipti_line *)(void *)block + (index & array->lines.block_mask);
}

/* The line behind a link in one of its chains; as above. */
static inline struct hipti_line *hipti_array_overflow(const struct hipti_array *array, uint32_t link)
{
    uint32_t index = link - 1u;
    /* relaxed: the line's block was there before the link was */
    char *block = hipti_load_relaxed(&array->overflow[index >> array->overflow_shift]);

    return (struct hipti_line *)(void *)block + (index & array->overflow_mask);
}

/* The caller's own array belongs to the shard whose overflow lines these are. */
static inline void hipti_array_join(struct hipti_array *array, const struct hipti_arena *overflow)
{
    array->overflow = overflow->directory;
    array->overflow_shift = overflow->block_shift;
    array->overflow_mask = overflow->block_mask;
}

/* Where a key lives in it. */
static inline struct hipti_place hipti_array_place(const struct hipti_array *array, uint64_t key)
{
    struct hipti_place place = hipti_quotient_place(&array->quotient, hipti_hash_mix(&array->hash, key));

    place.bucket += array->first;
    return place;
}

/* The inverse, of a place in it. */
static inline uint64_t hipti_array_key(const struct hipti_array *array, struct hipti_place place)
{
    place.bucket -= array->first;
    return hipti_hash_unmix(&array->hash, hipti_quotient_mixed(&array->quotient, array->hash.width, place));
}

#endif
