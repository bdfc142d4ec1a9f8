/* SPDX-License-Identifier: MIT */
/*
 * The keys that every implementation is measured with, from a seed: pages of 64 address spaces, 70 % of them in runs of
 * 2 to 512 consecutive pages, the rest scattered one by one over 2^35 pages (47 bits of byte address).
 *
 * A key is one 64-bit number, the space above the vpn. All keys of one seed are distinct by construction: a run or a
 * scattered page has a block of 1 024 pages to itself, and the blocks of a space are dealt by a permutation.
 */
#ifndef BENCH_KEYS_H
#define BENCH_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BENCH_SPACES 64u
#define BENCH_VPN_BITS 35u

/* Spaces beside the population's: of ranges that come and go, and, from there on, of spaces that come and go. */
#define BENCH_SPACE_OF_RANGES BENCH_SPACES
#define BENCH_SPACE_RETIRED (BENCH_SPACES + 1u)

/* A probe of a page of 2 MiB: this, above its ordinal, above one of the base pages that it covers. */
#define BENCH_LARGE (UINT64_C(1) << 62)
#define BENCH_LARGE_SHIFT 9u

/* A generator of its own for each use, so that no libc lock and no other thread is in the way. */
struct bench_random {
    uint64_t state;
};

/* A permutation of 64-bit words in which every bit reaches every bit. */
static inline uint64_t bench_mix(uint64_t x)
{
    x = (x ^ (x >> 32)) * UINT64_C(0xd6e8feb86659fd93);
    x = (x ^ (x >> 32)) * UINT64_C(0xd6e8feb86659fd93);
    return x ^ (x >> 32);
}

static inline uint64_t bench_random_next(struct bench_random *random)
{
    random->state += UINT64_C(0x9e3779b97f4a7c15);
    return bench_mix(random->state);
}

/* => a number below @bound, which is at most 2^32. */
static inline uint64_t bench_random_below(struct bench_random *random, uint64_t bound)
{
    return ((bench_random_next(random) >> 32) * bound) >> 32;
}

static inline uint32_t bench_key_space(uint64_t key)
{
    return (uint32_t)(key >> BENCH_VPN_BITS);
}

static inline uint64_t bench_key_vpn(uint64_t key)
{
    return key & ((UINT64_C(1) << BENCH_VPN_BITS) - 1);
}

static inline uint64_t bench_key(uint64_t space, uint64_t vpn)
{
    return (space << BENCH_VPN_BITS) | vpn;
}

/* How many pages of 2 MiB there are beside @count base pages: half as much memory again, where they are many. */
static inline size_t bench_large_count(size_t count)
{
    return count / 1024 < 64 ? 64 : count / 1024;
}

/*
 * The population of a benchmark. Workloads that insert and delete exchange keys between the two arrays, so @present
 * always names what a table holds.
 */
struct bench_keys {
    uint64_t *present;
    uint64_t *absent;
    size_t count; /* of each of the two */
};

/* => false if memory is not to be had; @keys then owns nothing. */
bool bench_keys_create(struct bench_keys *keys, size_t count, uint64_t seed);
void bench_keys_destroy(struct bench_keys *keys);

#endif
