/* SPDX-License-Identifier: MIT */
/*
 * The keyed bijection: a key of w bits becomes another number of w bits, from which the key can be had back, and of which
 * nobody who does not know the secret can say where it lies.
 *
 *   x ^= a;  x *= m0;  x ^= x >> h;  x *= m1;  x ^= x >> h;  x *= m2;  x ^= x >> h      (mod 2^w, h = w/2 rounded up)
 *
 * Multiplication by an odd number carries every bit upwards, the shift carries the upper half down; three rounds let every
 * bit reach every bit (the test of avalanche holds two rounds against it). The multipliers are the secret: with a secret
 * that is only added or XORed in front, a set of keys that collides under one secret collides under all.
 */
#ifndef HIPT_TABLE_HASH_H
#define HIPT_TABLE_HASH_H

#include <stdint.h>

#include "base/bits.h"

#define HIPTI_HASH_ROUNDS 3

/* Field key: all constant. */
struct hipti_hash {
    uint64_t mask;                        /* w ones */
    uint64_t add;                         /* secret */
    uint64_t multiply[HIPTI_HASH_ROUNDS]; /* secret, odd */
    uint64_t divide[HIPTI_HASH_ROUNDS];   /* their inverses mod 2^64 */
    unsigned width;                       /* w, 1 to 64 */
    unsigned half;                        /* h */
};

/* Where a key lives: its bucket, and the 48 bits that tell it from the bucket's other keys. */
struct hipti_place {
    uint32_t bucket;
    uint32_t lo;
    uint16_t hi;
};

/* The geometry of places: which of @buckets, and back. Field key: all constant. */
struct hipti_quotient {
    uint64_t buckets; /* at most 2^28 */
    uint64_t whole;   /* floor(2^64 / buckets) */
    uint64_t rest;    /* 2^64 - whole * buckets */
};

void hipti_hash_init(struct hipti_hash *hash, unsigned width, const uint64_t secret[4]);
void hipti_quotient_init(struct hipti_quotient *quotient, uint64_t buckets);

/* => the fewest buckets with which 48 bits are enough to tell a bucket's keys apart. */
static inline uint64_t hipti_quotient_least(unsigned width)
{
    return width <= 48u ? 1u : UINT64_C(1) << (width - 48u);
}

/* Left-justified in 64 bits, so that its upper bits choose the bucket. */
static inline uint64_t hipti_hash_mix(const struct hipti_hash *hash, uint64_t key)
{
    uint64_t x = key ^ hash->add;
    int i;

    for (i = 0; i < HIPTI_HASH_ROUNDS; i++) {
        x = (x * hash->multiply[i]) & hash->mask;
        x ^= x >> hash->half;
    }
    return x << (64u - hash->width);
}

/* The inverse of hipti_hash_mix(). */
uint64_t hipti_hash_unmix(const struct hipti_hash *hash, uint64_t mixed);

/*
 * The product mixed * buckets has 128 bits: the upper 64 are the bucket, the next 48 the remainder. Within a bucket the
 * products lie at least buckets * 2^(64 - w) >= 2^16 apart, so the remainders differ.
 */
static inline struct hipti_place hipti_quotient_place(const struct hipti_quotient *quotient, uint64_t mixed)
{
    uint64_t low;
    struct hipti_place place;

    place.bucket = (uint32_t)hipti_multiply(mixed, quotient->buckets, &low);
    place.lo = (uint32_t)(low >> 16);
    place.hi = (uint16_t)(low >> 48);
    return place;
}

/* The inverse, for a key of @width bits. */
uint64_t hipti_quotient_mixed(const struct hipti_quotient *quotient, unsigned width, struct hipti_place place);

#endif
