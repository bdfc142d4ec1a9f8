/* SPDX-License-Identifier: MIT */
/*
 * The keyed bijection: a key of w bits becomes another number of w bits, from which the key can be had back, and of
 * which nobody who does not know the secret can say where it lies. w is 48 to 64; narrower keys are keys of 48 bits.
 *
 *   x ^= a;  then three rounds:  x ^= x >> 32;  x *= m[i]      (mod 2^w, the shift within the w bits)
 *
 * Keys and mixed keys are kept left-justified in 64 bits: products need no mask then, and the upper bits choose the
 * bucket.
 *
 * The shift carries the upper half down, multiplication by an odd number carries every bit upwards. The shift comes
 * first: a product does nothing for the uppermost bits. Over random secrets (6000 for each of 48, 52 and 64 bits,
 * 20 000 keys for each secret) three rounds let every bit reach each of the upper 27, which choose the bucket, within
 * 0.04 of one half, and all secrets but one of 3000 within 0.02. At 48 bits two rounds leave 44 of 1000 off by more
 * than 0.03, and three with the product first 40 of 1000.
 *
 * The multipliers are the secret: with one that is only added or XORed before a linear mixer, a set of keys that
 * collides under one secret collides under all. The words of the secret are whitened, so that small numbers do no harm.
 */
#ifndef HIPT_TABLE_HASH_H
#define HIPT_TABLE_HASH_H

#include <stdint.h>

#include "base/bits.h"

#define HIPTI_HASH_ROUNDS 3
#define HIPTI_HASH_SHIFT 32
#define HIPTI_HASH_WIDTH_LEAST 48u

/* Field key: all constant. */
struct hipti_hash {
    uint64_t mask;                        /* the upper w bits */
    uint64_t add;                         /* secret, within the mask */
    uint64_t multiply[HIPTI_HASH_ROUNDS]; /* secret, odd */
    uint64_t divide[HIPTI_HASH_ROUNDS];   /* their inverses mod 2^64 */
    unsigned width;                       /* w */
};

/* Where a key lives: its bucket, and what tells it from the bucket's other keys: the upper 48 bits of @rest. */
struct hipti_place {
    uint64_t rest;
    uint32_t bucket;
};

/* The two parts in which a slot keeps the 48 bits. */
static inline uint32_t hipti_place_lo(struct hipti_place place)
{
    return (uint32_t)(place.rest >> 16);
}

static inline uint16_t hipti_place_hi(struct hipti_place place)
{
    return (uint16_t)(place.rest >> 48);
}

/* The geometry of places: which of @buckets, and back. Field key: all constant. */
struct hipti_quotient {
    uint64_t buckets; /* at most 2^27 */
    uint64_t whole;   /* floor(2^64 / buckets) */
    uint64_t rest;    /* 2^64 - whole * buckets */
};

/* Of keys of @width bits, 1 to 64. */
void hipti_hash_init(struct hipti_hash *hash, unsigned width, const uint64_t secret[4]);
void hipti_quotient_init(struct hipti_quotient *quotient, uint64_t buckets);

/* => the fewest buckets with which 48 bits are enough to tell a bucket's keys apart. */
static inline uint64_t hipti_quotient_least(unsigned width)
{
    return width <= 48u ? 1u : UINT64_C(1) << (width - 48u);
}

static inline uint64_t hipti_hash_mix(const struct hipti_hash *hash, uint64_t key)
{
    uint64_t x = key ^ hash->add;
    int i;

    for (i = 0; i < HIPTI_HASH_ROUNDS; i++) {
        x ^= (x >> HIPTI_HASH_SHIFT) & hash->mask;
        x *= hash->multiply[i];
    }
    return x;
}

/* The inverse of hipti_hash_mix(). */
uint64_t hipti_hash_unmix(const struct hipti_hash *hash, uint64_t mixed);

/*
 * The product mixed * buckets has 128 bits: the upper 64 are the bucket, the next 48 the remainder. Within a bucket the
 * products lie at least buckets * 2^(64 - w) >= 2^16 apart, so the remainders differ.
 */
static inline struct hipti_place hipti_quotient_place(const struct hipti_quotient *quotient, uint64_t mixed)
{
    struct hipti_place place;

    place.bucket = (uint32_t)hipti_multiply(mixed, quotient->buckets, &place.rest);
    return place;
}

/* The inverse, for a key of @width bits; the lower 16 bits of the rest do not matter. */
uint64_t hipti_quotient_mixed(const struct hipti_quotient *quotient, unsigned width, struct hipti_place place);

#endif
