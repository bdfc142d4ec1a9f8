/* SPDX-License-Identifier: MIT */
#include "table/hash.h"

/* The inverse of an odd number mod 2^64, by Newton's iteration; each step doubles the bits that are right. */
static uint64_t hash_inverse(uint64_t odd)
{
    uint64_t inverse = odd; /* right in 3 bits */
    int i;

    for (i = 0; i < 5; i++) {
        inverse *= 2u - odd * inverse;
    }
    return inverse;
}

/* A word of the key: the mixing function of SplitMix64 (Steele, Lea, Flood: Fast splittable generators, 2014). */
static uint64_t hash_word(const uint64_t secret[4], unsigned i)
{
    uint64_t z = secret[i % 4u] + (i + 1u) * UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

void hipti_hash_init(struct hipti_hash *hash, unsigned width, const uint64_t secret[4])
{
    unsigned i;

    hash->width = width > HIPTI_HASH_WIDTH_LEAST ? width : HIPTI_HASH_WIDTH_LEAST;
    hash->mask = ~(hipti_mask(64u - hash->width));
    hash->add = hash_word(secret, HIPTI_HASH_ROUNDS) & hash->mask;
    for (i = 0; i < HIPTI_HASH_ROUNDS; i++) {
        hash->multiply[i] = hash_word(secret, i) | 1u;
        hash->divide[i] = hash_inverse(hash->multiply[i]);
    }
}

uint64_t hipti_hash_unmix(const struct hipti_hash *hash, uint64_t mixed)
{
    uint64_t x = mixed;
    int i;

    for (i = HIPTI_HASH_ROUNDS - 1; i >= 0; i--) {
        x *= hash->divide[i];
        x ^= (x >> HIPTI_HASH_SHIFT) & hash->mask; /* its own inverse: twice the shift is 64 */
    }
    return x ^ hash->add;
}

void hipti_quotient_init(struct hipti_quotient *quotient, uint64_t buckets)
{
    quotient->buckets = buckets;
    quotient->whole = UINT64_MAX / buckets;
    quotient->rest = 0u - quotient->whole * buckets;
}

/*
 * The product was bucket * 2^64 + low, of low the upper 48 bits are known. The mixed key is the smallest multiple of
 * 2^(64 - w) whose product is not below what is known: the next one is too far away to be meant.
 */
uint64_t hipti_quotient_mixed(const struct hipti_quotient *quotient, unsigned width, struct hipti_place place)
{
    uint64_t buckets = quotient->buckets;
    uint64_t low = place.rest & ~hipti_mask(16);
    uint64_t rest = (uint64_t)place.bucket * quotient->rest;
    uint64_t unit = UINT64_C(1) << (64u - width);
    uint64_t mixed = (uint64_t)place.bucket * quotient->whole + rest / buckets + low / buckets;

    mixed += (rest % buckets + low % buckets + buckets - 1u) / buckets; /* rounded up */
    return (mixed + unit - 1u) & ~(unit - 1u);
}
