/* SPDX-License-Identifier: MIT */
#include "keys.h"

#include <stdlib.h>

#define BLOCK_SHIFT 10u /* a block holds the longest run, wherever it starts in its first half */
#define BLOCK_PAGES (1u << BLOCK_SHIFT)
#define BLOCK_BITS (BENCH_VPN_BITS - BLOCK_SHIFT)
#define BLOCK_MASK ((UINT64_C(1) << BLOCK_BITS) - 1)
#define RUN_MIN 2u
#define RUN_MAX 512u
#define RUN_TENTHS 7u /* pages in runs, of ten */

/* The stream: what has been dealt so far, and the run that is under way. */
struct generator {
    struct bench_random random;
    uint64_t salt[BENCH_SPACES];
    uint64_t blocks[BENCH_SPACES]; /* blocks dealt in each space */
    uint64_t pages;                /* keys produced */
    uint64_t in_runs;              /* of these, how many belong to runs, planned ones of the current run included */
    uint64_t next;                 /* next key of the current run */
    uint64_t left;                 /* how many keys the current run still has */
};

/* The @number-th block of a space: each step is invertible on BLOCK_BITS bits, so no block is dealt twice. */
static uint64_t block_of(uint64_t number, uint64_t salt)
{
    uint64_t x = (number + salt) & BLOCK_MASK;

    x = (x * UINT64_C(0x9e3779b1)) & BLOCK_MASK;
    x ^= x >> (BLOCK_BITS / 2);
    x = (x * (salt | 1)) & BLOCK_MASK;
    return x ^ (x >> (BLOCK_BITS / 2));
}

static void generator_init(struct generator *generator, uint64_t seed)
{
    *generator = (struct generator){.random = {.state = bench_mix(seed + 1)}};
    for (size_t i = 0; i < BENCH_SPACES; i++) {
        generator->salt[i] = bench_random_next(&generator->random);
    }
}

/* Deals a block and places @length consecutive pages in it. */
static void generator_place(struct generator *generator, uint64_t length)
{
    uint64_t space = bench_random_below(&generator->random, BENCH_SPACES);
    uint64_t block = block_of(generator->blocks[space]++, generator->salt[space]);
    uint64_t offset = bench_random_below(&generator->random, BLOCK_PAGES - length + 1);

    generator->next = (space << BENCH_VPN_BITS) | (block << BLOCK_SHIFT) | offset;
    generator->left = length;
}

static uint64_t generator_next(struct generator *generator)
{
    if (generator->left == 0) {
        if (generator->in_runs * 10 <= generator->pages * RUN_TENTHS) {
            generator_place(generator, RUN_MIN + bench_random_below(&generator->random, RUN_MAX - RUN_MIN + 1));
            generator->in_runs += generator->left;
        } else {
            generator_place(generator, 1);
        }
    }
    generator->left--;
    generator->pages++;
    return generator->next++;
}

bool bench_keys_create(struct bench_keys *keys, size_t count, uint64_t seed)
{
    struct generator generator;

    *keys = (struct bench_keys){.present = calloc(count, sizeof(uint64_t)), .absent = calloc(count, sizeof(uint64_t))};
    if (keys->present == NULL || keys->absent == NULL) {
        bench_keys_destroy(keys);
        return false;
    }
    keys->count = count;
    generator_init(&generator, seed);
    for (size_t i = 0; i < count; i++) {
        keys->present[i] = generator_next(&generator);
    }
    for (size_t i = 0; i < count; i++) {
        keys->absent[i] = generator_next(&generator);
    }
    return true;
}

void bench_keys_destroy(struct bench_keys *keys)
{
    free(keys->present);
    free(keys->absent);
    *keys = (struct bench_keys){0};
}
