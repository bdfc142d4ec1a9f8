/* SPDX-License-Identifier: MIT */
/*
 * A yardstick for runs of pages: a table whose lines hold eight consecutive pages each, so that a run takes one line
 * for eight of its pages, and a scattered page a line of its own. Lookups only: no section, no order, no lock, and
 * filled once, with 10 lines for 7 clusters, the next line where one is taken.
 */
#include "impl.h"
#include "pages.h"

#include <stdio.h>
#include <stdlib.h>

#define CLUSTER_SHIFT 3u
#define CLUSTER_PAGES (1u << CLUSTER_SHIFT)
#define LINES_PER_TEN 7u            /* clusters for ten lines */
#define PRESENT (UINT64_C(1) << 55) /* in a page's 56 bits, above its frame */

/* A page's 56 bits lie in three arrays. */
struct line {
    uint64_t tag; /* the cluster's number and one; 0 is no cluster */
    uint32_t low[CLUSTER_PAGES];
    uint16_t middle[CLUSTER_PAGES];
    uint8_t high[CLUSTER_PAGES];
};

_Static_assert(sizeof(struct line) == 64, "one line is one cache line");

/* Field key: constant after the fill. */
struct peer {
    struct line *lines;
    size_t count;
};

static inline void peer_enter(struct peer *peer)
{
    (void)peer;
}

static inline void peer_exit(struct peer *peer)
{
    (void)peer;
}

static inline uint64_t cluster_of(uint64_t key)
{
    return key >> CLUSTER_SHIFT;
}

/* => where the search for a key begins */
static inline size_t place_of(const struct peer *peer, uint64_t key)
{
    return (size_t)(((bench_mix(cluster_of(key)) >> 32) * peer->count) >> 32);
}

/* => the cluster's line, or the empty one at which the search for it ends */
static inline struct line *find(const struct peer *peer, uint64_t key)
{
    size_t at = place_of(peer, key);

    while (peer->lines[at].tag != 0 && peer->lines[at].tag != cluster_of(key) + 1) {
        at = at + 1 == peer->count ? 0 : at + 1;
    }
    return &peer->lines[at];
}

static inline bool peer_lookup(struct peer *peer, uint64_t key, uint64_t *value)
{
    const struct line *line = find(peer, key);
    size_t i = key % CLUSTER_PAGES;

    *value = ((uint64_t)line->high[i] << 48) | ((uint64_t)line->middle[i] << 32) | line->low[i];
    return *value != 0;
}

#define PEER_LOOKUPS_ONLY
#include "loops.h"

/* All lines first, then the lookups as they are. */
static struct bench_outcome run_groups(void *self, const struct bench_job *job)
{
    struct peer *peer = self;
    struct bench_outcome outcome = {0};

    for (size_t i = 0; i < job->count; i += job->group) {
        size_t count = job->count - i < job->group ? job->count - i : job->group;

        for (size_t j = 0; j < count; j++) {
            __builtin_prefetch(&peer->lines[place_of(peer, job->probes[i + j])]);
        }
        for (size_t j = 0; j < count; j++) {
            look_up(peer, job->probes[i + j], true, &outcome);
        }
    }
    return outcome;
}

static void *cluster_create(const struct bench_geometry *geometry)
{
    struct peer *peer = calloc(1, sizeof(*peer));

    (void)geometry;
    if (peer == NULL) {
        fprintf(stderr, "hipt-bench: cluster: no memory\n");
    }
    return peer;
}

static void cluster_destroy(void *self)
{
    struct peer *peer = self;

    if (peer->lines != NULL) {
        bench_pages_unmap(peer->lines, peer->count * sizeof(*peer->lines));
    }
    free(peer);
}

/* Keys of one cluster follow each other. */
static size_t count_clusters(const uint64_t *keys, size_t count)
{
    size_t clusters = 1;

    for (size_t i = 1; i < count; i++) {
        clusters += cluster_of(keys[i]) != cluster_of(keys[i - 1]);
    }
    return clusters;
}

static void put(struct peer *peer, uint64_t key, uint64_t value)
{
    struct line *line = find(peer, key);
    size_t i = key % CLUSTER_PAGES;

    line->tag = cluster_of(key) + 1;
    line->low[i] = (uint32_t)value;
    line->middle[i] = (uint16_t)(value >> 32);
    line->high[i] = (uint8_t)(value >> 48);
}

static uint64_t cluster_fill(void *self, const uint64_t *keys, size_t count)
{
    struct peer *peer = self;

    peer->count = count_clusters(keys, count) * 10 / LINES_PER_TEN + 1;
    peer->lines = bench_pages_map("cluster", peer->count * sizeof(*peer->lines));
    if (peer->lines == NULL) {
        return count;
    }
    for (size_t i = 0; i < count; i++) {
        put(peer, keys[i], PRESENT | i);
    }
    return 0;
}

static void cluster_bytes(void *self, struct bench_bytes *bytes)
{
    const struct peer *peer = self;
    size_t all = peer->count * sizeof(*peer->lines);

    *bytes = (struct bench_bytes){.forward = all, .total = all};
}

const struct bench_impl bench_cluster = {
    .name = "cluster",
    .text = "a yardstick for runs, lookups only: eight consecutive pages in each line, no synchronization",
    .on_request = true,
    .yardstick = true,
    .create = cluster_create,
    .destroy = cluster_destroy,
    .fill = cluster_fill,
    .bytes = cluster_bytes,
    .run = {[BENCH_LOOP_HIT] = run_hit,
            [BENCH_LOOP_HIT_SECTION] = run_hit_section,
            [BENCH_LOOP_DEPENDENT] = run_dependent,
            [BENCH_LOOP_GROUPS] = run_groups,
            [BENCH_LOOP_MISS] = run_miss},
};
