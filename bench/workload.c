/* SPDX-License-Identifier: MIT */
#include "workload.h"

#include <stdbool.h>

const struct bench_workload_text bench_workload_texts[BENCH_WORKLOADS] = {
    [BENCH_HIT] = {"hit", "independent random lookups inside one read-side section"},
    [BENCH_HIT_SECTION] = {"hit-section", "the same with a read-side section for each lookup"},
    [BENCH_DEPENDENT] = {"dependent", "lookups whose key depends on the previous result"},
    [BENCH_BATCH64] = {"batch64", "lookups in groups of 64"},
    [BENCH_STREAMING] = {"stream", "lookups in groups of 512"},
    [BENCH_MISS] = {"miss", "independent random lookups of pages that are not mapped"},
    [BENCH_REVERSE] = {"reverse", "who maps a random frame"},
    [BENCH_MIXED_90] = {"mixed-90", "90 % lookups, 5 % inserts, 5 % deletes"},
    [BENCH_MIXED_50] = {"mixed-50", "50 % lookups, 25 % inserts, 25 % deletes"},
};

/* A thread's share of the population, while its steps are drawn. Deletes and inserts take turns. */
struct share {
    uint64_t *present;
    uint64_t *absent;
    size_t count;    /* of each */
    size_t oldest;   /* the key in @absent that is inserted next */
    bool one_is_out; /* the last of @present was deleted and not replaced yet */
};

static uint64_t step_of(enum bench_step step, uint64_t key)
{
    return ((uint64_t)step << BENCH_STEP_SHIFT) | key;
}

/* The deleted key stays at the end of @present, out of the lookups' way, until the next insert takes its place. */
static uint64_t draw_delete(struct share *share, struct bench_random *random)
{
    size_t chosen = bench_random_below(random, share->count);
    uint64_t key = share->present[chosen];

    share->present[chosen] = share->present[share->count - 1];
    share->present[share->count - 1] = key;
    share->one_is_out = true;
    return step_of(BENCH_DELETE, key);
}

static uint64_t draw_insert(struct share *share)
{
    uint64_t *from = &share->absent[share->oldest];
    uint64_t key = *from;

    *from = share->present[share->count - 1];
    share->present[share->count - 1] = key;
    share->oldest = (share->oldest + 1) % share->count;
    share->one_is_out = false;
    return step_of(BENCH_INSERT, key);
}

static uint64_t draw_lookup(const struct share *share, struct bench_random *random)
{
    size_t count = share->count - (share->one_is_out ? 1 : 0);

    return step_of(BENCH_LOOKUP, share->present[bench_random_below(random, count)]);
}

/* The last step puts back what is out, so that a round leaves as many keys as it found. */
static void draw_steps(struct share *share, unsigned percent, size_t count, struct bench_random *random,
                       uint64_t *probes)
{
    for (size_t i = 0; i < count; i++) {
        bool last = i + 1 == count;

        if (last ? !share->one_is_out : bench_random_below(random, 100) < percent) {
            probes[i] = draw_lookup(share, random);
        } else {
            probes[i] = share->one_is_out ? draw_insert(share) : draw_delete(share, random);
        }
    }
}

static void mixed_probes(unsigned percent, struct bench_keys *keys, unsigned threads, size_t count,
                         struct bench_random *random, uint64_t *probes)
{
    size_t share_count = keys->count / threads;

    for (size_t i = 0; i < threads; i++) {
        struct share share = {.present = &keys->present[i * share_count],
                              .absent = &keys->absent[i * share_count],
                              .count = share_count,
                              .oldest = bench_random_below(random, share_count)};

        draw_steps(&share, percent, count, random, &probes[i * count]);
    }
}

static void keys_from(const uint64_t *keys, size_t nkeys, size_t count, struct bench_random *random, uint64_t *probes)
{
    for (size_t i = 0; i < count; i++) {
        probes[i] = keys[bench_random_below(random, nkeys)];
    }
}

void bench_workload_probes(enum bench_workload workload, struct bench_keys *keys, unsigned threads, size_t count,
                           struct bench_random *random, uint64_t *probes)
{
    switch (workload) {
    case BENCH_MISS:
        keys_from(keys->absent, keys->count, count * threads, random, probes);
        break;
    case BENCH_REVERSE:
        for (size_t i = 0; i < count * threads; i++) {
            probes[i] = bench_random_below(random, keys->count);
        }
        break;
    case BENCH_MIXED_90:
        mixed_probes(90, keys, threads, count, random, probes);
        break;
    case BENCH_MIXED_50:
        mixed_probes(50, keys, threads, count, random, probes);
        break;
    default:
        keys_from(keys->present, keys->count, count * threads, random, probes);
        break;
    }
}
