/* SPDX-License-Identifier: MIT */
/*
 * The keyed bijection and the quotient: nothing is lost on the way to a place and back, and nobody can aim at a
 * bucket.
 */
#include <criterion/criterion.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "support/host.h"
#include "table/bucket.h"
#include "table/hash.h"

/* Keys are left-justified: number @n of @width bits. */
static uint64_t key_of(unsigned width, uint64_t n)
{
    return n << (64u - width);
}

static void hash_draw(struct hipti_hash *hash, unsigned width, uint64_t *random)
{
    uint64_t secret[4];
    unsigned i;

    for (i = 0; i < 4u; i++) {
        secret[i] = test_random(random);
    }
    hipti_hash_init(hash, width, secret);
}

/* --- the bijection */

/* Every width up to 20: each number stays in 48 bits and leads back to its key, so no two become one. */
Test(hash, bijection_exhaustive)
{
    uint64_t random = 1;
    unsigned width;

    for (width = 1; width <= 20u; width++) {
        struct hipti_hash hash;
        uint64_t n;

        hash_draw(&hash, width, &random);
        cr_assert_eq(hash.width, 48u);
        for (n = 0; n < UINT64_C(1) << width; n++) {
            uint64_t mixed = hipti_hash_mix(&hash, key_of(width, n));

            cr_assert_eq(mixed & hipti_mask(16), 0, "width %u: %llx", width, (unsigned long long)mixed);
            cr_assert_eq(hipti_hash_unmix(&hash, mixed), key_of(width, n));
        }
    }
}

/* All widths: random keys and the edges lead back, from both sides. */
Test(hash, inverse_of_every_width)
{
    uint64_t random = 2;
    unsigned width;

    for (width = 1; width <= 64u; width++) {
        struct hipti_hash hash;
        unsigned i;

        for (i = 0; i < 20000u; i++) {
            uint64_t key = i == 0    ? 0
                           : i == 1u ? key_of(width, hipti_mask(width))
                                     : key_of(width, test_random(&random));

            if (i % 1000u == 0) {
                hash_draw(&hash, width, &random);
            }
            cr_assert_eq(hipti_hash_unmix(&hash, hipti_hash_mix(&hash, key)), key, "width %u", width);
            key = key_of(hash.width, test_random(&random));
            cr_assert_eq(hipti_hash_mix(&hash, hipti_hash_unmix(&hash, key)), key, "width %u", width);
        }
    }
}

/* A secret of zeros or ones is as good a bijection: the multipliers are made odd. */
Test(hash, poor_secrets_keep_the_bijection)
{
    static const uint64_t secrets[][4] = {{0}, {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX}, {1, 2, 4, 8}};
    uint64_t random = 3;
    size_t i;

    for (i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++) {
        struct hipti_hash hash;
        unsigned n;

        hipti_hash_init(&hash, 55, secrets[i]);
        for (n = 0; n < 10000u; n++) {
            uint64_t key = key_of(55, test_random(&random));

            cr_assert_eq(hipti_hash_unmix(&hash, hipti_hash_mix(&hash, key)), key);
        }
    }
}

/* --- the quotient */

/* What a slot keeps of a place: the bucket by where it is, 48 bits of the rest. */
static struct hipti_place stored(struct hipti_place place)
{
    struct hipti_place kept;

    kept.bucket = place.bucket;
    kept.rest = (uint64_t)hipti_place_lo(place) << 16 | (uint64_t)hipti_place_hi(place) << 48;
    return kept;
}

static void cr_expect_round_trips(unsigned width, uint64_t buckets, uint64_t *random, unsigned count)
{
    struct hipti_quotient quotient;
    unsigned i;

    hipti_quotient_init(&quotient, buckets);
    for (i = 0; i < count; i++) {
        uint64_t mixed = key_of(width, i < 4u ? i : i < 8u ? hipti_mask(width) - (i - 4u) : test_random(random));
        struct hipti_place place = hipti_quotient_place(&quotient, mixed);

        cr_assert_lt(place.bucket, buckets);
        cr_assert_eq(hipti_quotient_mixed(&quotient, width, stored(place)), mixed, "width %u, %llu buckets, %llx",
                     width, (unsigned long long)buckets, (unsigned long long)mixed);
    }
}

/* Any width with its least number of buckets, the greatest, odd ones, powers of two and their neighbours. */
Test(hash, quotient_there_and_back)
{
    uint64_t random = 4;
    unsigned width;

    for (width = 1; width <= 64u; width++) {
        uint64_t least = hipti_quotient_least(width);
        uint64_t buckets;

        cr_assert_eq(least, width <= 48u ? 1u : UINT64_C(1) << (width - 48u));
        cr_expect_round_trips(width, least, &random, 2000);
        cr_expect_round_trips(width, HIPTI_BUCKETS_MAX, &random, 2000);
        cr_expect_round_trips(width, HIPTI_BUCKETS_MAX - 1u, &random, 2000);
        for (buckets = least; buckets < HIPTI_BUCKETS_MAX; buckets *= 2u) {
            cr_expect_round_trips(width, buckets, &random, 200);
            cr_expect_round_trips(width, buckets + 1u, &random, 200);
            cr_expect_round_trips(width, 2u * buckets - 1u, &random, 200);
            cr_expect_round_trips(width, buckets + test_random(&random) % buckets, &random, 200);
        }
    }
}

/* The whole way that a key takes, and back. */
Test(hash, key_to_place_and_back)
{
    static const uint64_t counts[] = {65536, 65537, 99999, 1 << 20, (1 << 20) + 7, 1 << HIPTI_HALF_BITS};
    uint64_t random = 5;
    size_t c;

    for (c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
        struct hipti_array array;
        unsigned i;

        memset(&array, 0, sizeof(array));
        array.first = c % 2u << HIPTI_HALF_BITS;
        hash_draw(&array.hash, 64, &random);
        hipti_quotient_init(&array.quotient, counts[c]);
        for (i = 0; i < 100000u; i++) {
            uint64_t key = test_random(&random);
            struct hipti_place place = stored(hipti_array_place(&array, key));

            cr_assert_eq(place.bucket >> HIPTI_HALF_BITS, c % 2u);
            cr_assert_eq(hipti_array_key(&array, place), key);
        }
    }
}

/* Two keys of one bucket differ in the 48 bits that are kept: all keys of small widths, in any number of buckets. */
Test(hash, remainders_tell_keys_apart)
{
    uint64_t *last = (uint64_t *)malloc(5000u * sizeof(*last));
    unsigned width;

    cr_assert_not_null(last);
    for (width = 1; width <= 16u; width++) {
        uint64_t buckets;

        for (buckets = 1; buckets < 5000u; buckets += buckets < 20u ? 1u : buckets / 3u + 1u) {
            struct hipti_quotient quotient;
            uint64_t n;

            hipti_quotient_init(&quotient, buckets);
            memset(last, 0xff, 5000u * sizeof(*last));
            /* products ascend with the mixed key, so equal remainders of a bucket would be neighbours */
            for (n = 0; n < UINT64_C(1) << width; n++) {
                struct hipti_place place = stored(hipti_quotient_place(&quotient, key_of(width, n)));

                cr_assert(last[place.bucket] == UINT64_MAX || last[place.bucket] < place.rest);
                last[place.bucket] = place.rest;
            }
        }
    }
    free(last);
}

/* With fewer buckets than the least, 48 bits do not tell keys apart: the bound is a real one. */
Test(hash, fewer_buckets_than_the_least_would_not_do)
{
    struct hipti_quotient quotient;
    struct hipti_place a;
    struct hipti_place b;

    hipti_quotient_init(&quotient, hipti_quotient_least(64) / 2u);
    a = stored(hipti_quotient_place(&quotient, 0));
    b = stored(hipti_quotient_place(&quotient, 1));
    cr_assert(a.bucket == b.bucket && a.rest == b.rest);
}

/* --- avalanche */

enum { SAMPLES = 20000, PLANES = 15 }; /* 2^15 > SAMPLES */

#define TOLERANCE 0.03 /* of a probability; the standard deviation of SAMPLES throws is 0.0035 */
#define WEAK 0.05      /* what a secret in some thousands may come to */
#define CHOOSING 27u   /* upper bits of a mixed key that choose the bucket, where there are the most */

/* The mixer with fewer rounds than it has, to hold the test against. */
static uint64_t mix_rounds(const struct hipti_hash *hash, uint64_t key, int rounds)
{
    uint64_t x = key ^ hash->add;
    int i;

    for (i = 0; i < rounds; i++) {
        x ^= (x >> HIPTI_HASH_SHIFT) & hash->mask;
        x *= hash->multiply[i];
    }
    return x;
}

static uint64_t mix(const struct hipti_hash *hash, uint64_t key, int rounds)
{
    return rounds == HIPTI_HASH_ROUNDS ? hipti_hash_mix(hash, key) : mix_rounds(hash, key, rounds);
}

/* => how far the probability that input bit @in, from the top, flips one of CHOOSING lies off one half, at worst. */
static double bias_of_input(const struct hipti_hash *hash, unsigned in, int rounds, uint64_t *random)
{
    uint64_t plane[PLANES] = {0}; /* plane[p] has bit p of each output bit's count */
    double worst = 0;
    unsigned i;

    for (i = 0; i < SAMPLES; i++) {
        uint64_t key = test_random(random) & hash->mask;
        uint64_t carry = mix(hash, key, rounds) ^ mix(hash, key ^ UINT64_C(1) << (63u - in), rounds);
        unsigned p;

        for (p = 0; carry != 0; p++) {
            uint64_t next = plane[p] & carry;

            plane[p] ^= carry;
            carry = next;
        }
    }
    for (i = 0; i < CHOOSING; i++) {
        unsigned count = 0;
        double off;
        unsigned p;

        for (p = 0; p < PLANES; p++) {
            count |= (unsigned)(plane[p] >> (63u - i) & 1u) << p;
        }
        off = (double)count / SAMPLES - 0.5;
        off = off < 0 ? -off : off;
        worst = off > worst ? off : worst;
    }
    return worst;
}

/* => the same over the first @inputs input bits. */
static double bias(const struct hipti_hash *hash, unsigned inputs, int rounds, uint64_t *random)
{
    double worst = 0;
    unsigned in;

    for (in = 0; in < inputs; in++) {
        double off = bias_of_input(hash, in, rounds, random);

        worst = off > worst ? off : worst;
    }
    return worst;
}

static const unsigned wide[] = {64, 63, 55};

/* X1: every bit of a key flips every bit that chooses its bucket with a probability of one half, under any secret. */
Test(hash, X1_every_bit_reaches_every_bit)
{
    size_t w;

    for (w = 0; w < sizeof(wide) / sizeof(wide[0]); w++) {
        uint64_t random = 10u + w;
        unsigned s;

        for (s = 0; s < 4u; s++) {
            struct hipti_hash hash;
            double off;

            hash_draw(&hash, wide[w], &random);
            off = bias(&hash, wide[w], HIPTI_HASH_ROUNDS, &random);
            cr_expect_lt(off, TOLERANCE, "width %u, secret %u: off by %.4f", wide[w], s, off);
        }
    }
}

/* X1: with one round the same measurement refuses every secret. */
Test(hash, X1_one_round_is_too_few)
{
    size_t w;

    for (w = 0; w < sizeof(wide) / sizeof(wide[0]); w++) {
        uint64_t random = 20u + w;
        unsigned s;

        for (s = 0; s < 4u; s++) {
            struct hipti_hash hash;

            hash_draw(&hash, wide[w], &random);
            cr_expect_gt(bias(&hash, wide[w], 1, &random), 5 * TOLERANCE, "width %u", wide[w]);
        }
    }
}

/*
 * X1: the uppermost input bits have the shortest way, and with a round less a secret's multipliers now and then carry
 * one of them badly, the more often the narrower the key. With all rounds no secret does.
 */
Test(hash, X1_no_secret_is_weak)
{
    static const unsigned widths[] = {64, 63, 55, 52, 50, 48};
    unsigned weak_with_less = 0;
    size_t w;

    for (w = 0; w < sizeof(widths) / sizeof(widths[0]); w++) {
        uint64_t random = 30u + w;
        unsigned s;

        for (s = 0; s < 300u; s++) {
            struct hipti_hash hash;
            double off;

            hash_draw(&hash, widths[w], &random);
            off = bias(&hash, 2, HIPTI_HASH_ROUNDS, &random);
            cr_expect_lt(off, WEAK, "width %u, secret %u: off by %.4f", widths[w], s, off);
            weak_with_less += bias(&hash, 2, HIPTI_HASH_ROUNDS - 1, &random) > WEAK;
        }
    }
    cr_expect_gt(weak_with_less, 10u, "a round less should show: %u", weak_with_less);
}

/* X1: small numbers as a secret are whitened. */
Test(hash, X1_a_secret_of_small_numbers)
{
    static const uint64_t secrets[][4] = {{0, 0, 0, 0}, {5, 6, 7, 8}, {1, 0, 0, 0}};
    uint64_t random = 50;
    size_t i;

    for (i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++) {
        struct hipti_hash hash;

        hipti_hash_init(&hash, 63, secrets[i]);
        cr_expect_lt(bias(&hash, 63, HIPTI_HASH_ROUNDS, &random), TOLERANCE, "secret %zu", i);
    }
}

/* --- the attack */

enum { WIDTH = 55, BUCKETS = 1024, SET = 512, SECRETS = 200 };

/* A page of an address space: what a key looks like in a table of 16-bit asids and 39-bit vpns. */
static uint64_t page_key(uint64_t asid, uint64_t vpn)
{
    return key_of(WIDTH, asid << 39 | vpn);
}

/* A stand-in that only hides the key behind a secret: all that follows is linear in the bits of the key, and public. */
static uint64_t mix_linear(uint64_t secret, uint64_t key)
{
    uint64_t x = key ^ secret;

    x ^= x << 25;
    x ^= x >> 27;
    x ^= x << 13;
    return x;
}

struct attack {
    struct hipti_quotient quotient;
    uint64_t key[4096];
    unsigned count;
};

/* => the length of the longest bucket, by a hash or, without one, by the linear stand-in. */
static unsigned longest(const struct attack *attack, const struct hipti_hash *hash, uint64_t secret)
{
    unsigned length[BUCKETS] = {0};
    unsigned most = 0;
    unsigned i;

    for (i = 0; i < attack->count; i++) {
        uint64_t key = attack->key[i];
        uint64_t mixed = hash ? hipti_hash_mix(hash, key) : mix_linear(secret, key);
        uint32_t bucket = hipti_quotient_place(&attack->quotient, mixed).bucket;

        length[bucket]++;
        most = length[bucket] > most ? length[bucket] : most;
    }
    return most;
}

/* Keys of pages in a row that share a bucket under the secret that the attacker knows. */
static void collide(struct attack *attack, const struct hipti_hash *hash, uint64_t secret)
{
    uint64_t vpn;

    hipti_quotient_init(&attack->quotient, BUCKETS);
    attack->count = 0;
    for (vpn = 0x7f0000000; attack->count < SET; vpn++) {
        uint64_t key = page_key(3, vpn & hipti_mask(39));
        uint64_t mixed = hash ? hipti_hash_mix(hash, key) : mix_linear(secret, key);

        if (hipti_quotient_place(&attack->quotient, mixed).bucket == 17u) {
            attack->key[attack->count++] = key;
        }
    }
}

/* What many secrets make of one set of keys, or of random ones. */
struct spread {
    unsigned most; /* the longest bucket of all */
    double mean;   /* of the longest buckets */
};

static struct spread spread_under_secrets(struct attack *attack, bool redraw, uint64_t *random)
{
    struct spread spread = {0, 0};
    unsigned s;

    for (s = 0; s < SECRETS; s++) {
        struct hipti_hash hash;
        unsigned length;
        unsigned i;

        for (i = 0; redraw && i < attack->count; i++) {
            attack->key[i] = key_of(WIDTH, test_random(random));
        }
        hash_draw(&hash, WIDTH, random);
        length = longest(attack, &hash, 0);
        spread.most = length > spread.most ? length : spread.most;
        spread.mean += (double)length / SECRETS;
    }
    return spread;
}

static void cr_expect_spreads_like_random(struct attack *attack, uint64_t *random)
{
    struct spread own = spread_under_secrets(attack, false, random);
    struct spread reference = spread_under_secrets(attack, true, random);

    cr_expect_leq(own.most, reference.most + 4u, "%u, random keys %u", own.most, reference.most);
    cr_expect_lt(own.mean, reference.mean + 0.3, "%.2f, random keys %.2f", own.mean, reference.mean);
    cr_expect_gt(own.mean, reference.mean - 0.5, "%.2f, random keys %.2f", own.mean, reference.mean);
}

static struct attack attack;

/* X1: 512 keys that fill one bucket under a secret that leaked are scattered by others as random keys are. */
Test(hash, X1_a_colliding_set_does_not_survive_a_new_secret)
{
    uint64_t random = 40;
    struct hipti_hash hash;

    hash_draw(&hash, WIDTH, &random);
    collide(&attack, &hash, 0);
    cr_assert_eq(longest(&attack, &hash, 0), SET);
    cr_expect_spreads_like_random(&attack, &random);
}

/* X1: where the secret is only XORed in front of a public linear mixer, such a set survives every secret. */
Test(hash, X1_a_colliding_set_survives_a_secret_in_front)
{
    uint64_t random = 41;
    unsigned s;

    collide(&attack, NULL, test_random(&random));
    for (s = 0; s < SECRETS; s++) {
        cr_assert_eq(longest(&attack, NULL, test_random(&random)), SET);
    }
}

/* X1: the vpns of 2 MiB pages, multiples of 512 base pages, spread as random keys do; so do pages in a row. */
Test(hash, X1_page_sizes_do_not_show_in_the_buckets)
{
    static const uint64_t strides[] = {1, 16, 512, UINT64_C(1) << 18, UINT64_C(1) << 27};
    uint64_t random = 42;
    size_t s;

    hipti_quotient_init(&attack.quotient, BUCKETS);
    for (s = 0; s < sizeof(strides) / sizeof(strides[0]); s++) {
        attack.count = 4096;
        for (unsigned i = 0; i < attack.count; i++) {
            attack.key[i] = page_key(3, strides[s] * i & hipti_mask(39));
        }
        cr_expect_spreads_like_random(&attack, &random);
    }
}
