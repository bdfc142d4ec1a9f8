/* SPDX-License-Identifier: MIT */
/*
 * An array of buckets, and the hash by which keys find theirs. A table has one; while it grows, shrinks or changes its
 * secret it has two, and what lies in the older one moves to the newer one. Bucket i of an array is line .first + i of
 * the table: each of the two has its half of the numbers, and overflow lines, which belong to chains of either, come
 * behind.
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
#define HIPTI_HALF_MASK ((UINT32_C(1) << HIPTI_HALF_BITS) - 1u)
#define HIPTI_OVERFLOW_FIRST (UINT32_C(2) << HIPTI_HALF_BITS)

struct hipti_array;
typedef HIPTI_ATOMIC(struct hipti_array *) hipti_array_pointer;

/* Field key: c constant once it is a table's, a atomic; and what the arena says of itself. */
struct hipti_array {
    struct hipti_quotient quotient; /* c */
    struct hipti_hash hash;         /* c */
    struct hipti_arena lines;       /* one for each bucket */
    uint32_t first;                 /* c: number of its first line */
    uint32_t secret;                /* c: which of the secrets that the table has had, from 1 on */
    HIPTI_ATOMIC(uint32_t) crowd;   /* a: overflow lines in use that ask for a larger array */
    HIPTI_ATOMIC(uint32_t) taken;   /* a: buckets that a move has been given to see to, of the one that is being left */
    HIPTI_ATOMIC(uint32_t) left;    /* a: all buckets before this one are closed and empty */
    hipti_array_pointer past;       /* a: the array that is being left for this one; once NULL it stays so */
    HIPTI_ATOMIC(uint64_t) cookie;  /* a: of the grace period that it waits for, plus 1; 0: none */
    struct hipti_array *next;       /* of whoever has taken it out of the table */
};

/*
 * => an array of @count empty buckets, in half @half of the numbers; NULL: no memory, or none without waiting.
 * The caller sets .secret.
 */
struct hipti_array *hipti_array_create(const struct hipt_ops *ops, unsigned half, uint64_t count,
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
