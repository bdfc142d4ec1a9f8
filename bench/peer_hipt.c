/* SPDX-License-Identifier: MIT */
/*
 * hipt as it comes: the default geometry, the user port on liburcu, one range of frames. Every insert is a hipt_map()
 * with its frame's record and its asid's page list, every delete a hipt_unmap() whose frame comes back through
 * hipt_frame_reap(): both directions are paid for, although the peers keep only one.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <hipt/asid.h>
#include <hipt/frame.h>
#include <hipt/map.h>
#include <hipt/table.h>
#include <hipt/user.h>

#include "hipt_aside.h"
#include "hipt_moving.h"
#include "impl.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define REFILL 4096u                        /* frames that a thread takes up at once */
#define STOCK_ROOM (REFILL + BENCH_SECTION) /* a thread refills when less than a section's need is left */
#define LIMBO_FRAMES 32768u                 /* frames that may wait for a grace period before anybody has to */

/* Frames that a thread may map next. Owned by one thread; aligned so that two of them share no line. */
struct stock {
    _Alignas(64) size_t count;
    struct hipt_frame frames[STOCK_ROOM];
};

/* Field key: spare is atomic, each stock belongs to its thread, the rest is constant while threads run. */
struct peer {
    struct hipt_user *user;
    struct hipt_table *table;
    struct hipt_range range;
    uint32_t asids[BENCH_SPACES];
    struct hipt_page *pages; /* the keys of the round in hipt's own form */
    _Atomic uint64_t spare;  /* first pfn that was never mapped */
    struct stock *stocks;    /* one for each thread */
    struct aside *aside;     /* the table of the workloads that change more than keys, once one is measured */
    const uint64_t *filled;  /* keys that the table was filled with */
    size_t entries;
    size_t aside_room; /* pages that one of these workloads maps beside them */
};

static inline void peer_enter(struct peer *peer)
{
    hipt_read_enter(peer->table);
}

static inline void peer_exit(struct peer *peer)
{
    hipt_read_exit(peer->table);
}

static inline struct hipt_page page_of(const struct peer *peer, uint64_t key)
{
    return (struct hipt_page){.asid = peer->asids[bench_key_space(key)], .vpn = bench_key_vpn(key)};
}

static inline bool peer_lookup(struct peer *peer, uint64_t key, uint64_t *value)
{
    uint64_t pte = hipt_lookup_pte(peer->table, peer->asids[bench_key_space(key)], bench_key_vpn(key));

    *value = HIPT_PTE_PFN(pte);
    return pte != 0;
}

static inline enum hipt_status map(struct peer *peer, uint64_t key, uint64_t pfn)
{
    struct hipt_mapping mapping = {.page = page_of(peer, key), .pfn = pfn, .prot = HIPT_READ | HIPT_WRITE};

    return hipt_map(peer->table, &mapping);
}

static inline bool peer_insert(struct peer *peer, unsigned thread, uint64_t key)
{
    struct stock *stock = &peer->stocks[thread];

    if (map(peer, key, stock->frames[stock->count - 1].pfn) != HIPT_OK) {
        return false;
    }
    stock->count--;
    return true;
}

static inline bool peer_delete(struct peer *peer, unsigned thread, uint64_t key)
{
    struct hipt_page page = page_of(peer, key);

    (void)thread;
    return hipt_unmap(peer->table, &page, NULL) == HIPT_OK;
}

/* => true if frames that were never used were left for this thread. */
static bool stock_from_spare(struct peer *peer, struct stock *stock)
{
    uint64_t end = peer->range.first + peer->range.count;
    uint64_t first;

    if (atomic_load_explicit(&peer->spare, memory_order_relaxed) >= end) {
        return false;
    }
    first = atomic_fetch_add_explicit(&peer->spare, REFILL, memory_order_relaxed); /* only the number matters */
    for (uint64_t pfn = first; pfn < first + REFILL && pfn < end; pfn++) {
        stock->frames[stock->count++] = (struct hipt_frame){.pfn = pfn};
    }
    return first < end;
}

static inline void peer_rest(struct peer *peer, unsigned thread)
{
    struct stock *stock = &peer->stocks[thread];

    while (stock->count < BENCH_SECTION) {
        if (!stock_from_spare(peer, stock)) {
            size_t reaped = hipt_frame_reap(peer->table, &stock->frames[stock->count], STOCK_ROOM - stock->count);

            stock->count += reaped;
            if (reaped == 0) {
                sched_yield(); /* every free frame waits for a grace period: let it pass */
            }
        }
    }
}

#define PEER_GROWS
#include "loops.h"

static struct bench_outcome run_groups(void *self, const struct bench_job *job)
{
    struct peer *peer = self;
    uint64_t ptes[BENCH_STREAM];
    struct bench_outcome outcome = {0};

    peer_enter(peer);
    for (size_t i = 0; i < job->count; i += job->group) {
        size_t count = job->count - i < job->group ? job->count - i : job->group;
        size_t hits = hipt_lookup_pte_batch(peer->table, &peer->pages[job->first + i], count, ptes);

        outcome.wrong += count - hits;
        for (size_t j = 0; j < count; j++) {
            outcome.sum += HIPT_PTE_PFN(ptes[j]);
        }
    }
    peer_exit(peer);
    return outcome;
}

/* The n-th key of the fill has the n-th frame. */
static struct bench_outcome run_reverse(void *self, const struct bench_job *job)
{
    struct peer *peer = self;
    struct bench_outcome outcome = {0};

    peer_enter(peer);
    for (size_t i = 0; i < job->count; i++) {
        struct hipt_frame frame = {.pfn = peer->range.first + job->probes[i]};
        struct hipt_mapping mapping = {0};
        size_t count = 0;

        outcome.wrong += hipt_reverse(peer->table, frame, &mapping, 1, &count) != HIPT_OK || count != 1;
        outcome.sum += mapping.page.vpn;
    }
    peer_exit(peer);
    return outcome;
}

static struct bench_outcome run_large(void *self, const struct bench_job *job)
{
    return aside_run_large(((struct peer *)self)->aside, job);
}

static struct bench_outcome run_unmap_range(void *self, const struct bench_job *job)
{
    return aside_run_unmap_range(((struct peer *)self)->aside, job);
}

static struct bench_outcome run_retire(void *self, const struct bench_job *job)
{
    return aside_run_retire(((struct peer *)self)->aside, job);
}

static bool prepare_pages(struct peer *peer, const uint64_t *keys, size_t count)
{
    free(peer->pages);
    peer->pages = calloc(count, sizeof(*peer->pages));
    for (size_t i = 0; peer->pages != NULL && i < count; i++) {
        peer->pages[i] = page_of(peer, keys[i]);
    }
    return peer->pages != NULL;
}

static bool prepare_aside(struct peer *peer, enum bench_loop loop, const uint64_t *keys, size_t count)
{
    if (peer->aside == NULL) {
        peer->aside = aside_create(peer->filled, peer->entries, peer->aside_room);
    }
    return peer->aside != NULL && aside_prepare(peer->aside, loop, keys, count);
}

static bool hipt_prepare(void *self, enum bench_loop loop, const uint64_t *keys, size_t count)
{
    switch (loop) {
    case BENCH_LOOP_GROUPS:
    case BENCH_LOOP_STREAM:
        return prepare_pages(self, keys, count);
    case BENCH_LOOP_LARGE:
    case BENCH_LOOP_UNMAP_RANGE:
    case BENCH_LOOP_RETIRE:
        return prepare_aside(self, loop, keys, count);
    default:
        return true;
    }
}

static enum hipt_status table_create(struct peer *peer, const struct bench_geometry *geometry)
{
    struct hipt_config config;
    char text[160] = "";
    enum hipt_status status = hipt_user_create(HIPT_USER_URCU, &peer->user);

    if (status != HIPT_OK) {
        return status;
    }
    hipt_config_init(&config);
    config.ops = hipt_user_ops(peer->user);
    config.capacity = geometry->start > 0 ? geometry->start : geometry->entries;
    config.capacity_max = geometry->entries;
    config.ranges = &peer->range;
    config.nranges = 1;
    if (hipt_config_check(&config, text, sizeof(text)) != HIPT_OK) {
        fprintf(stderr, "hipt-bench: hipt: %s\n", text);
    }
    status = hipt_table_create(&config, &peer->table);
    for (size_t i = 0; status == HIPT_OK && i < BENCH_SPACES; i++) {
        struct hipt_asid asid;

        status = hipt_asid_alloc(peer->table, &asid);
        if (status == HIPT_OK) {
            peer->asids[i] = asid.number;
        }
    }
    return status;
}

static void hipt_destroy(void *self)
{
    struct peer *peer = self;

    aside_destroy(peer->aside);
    hipt_table_destroy(peer->table);
    hipt_user_destroy(peer->user);
    free(peer->stocks);
    free(peer->pages);
    free(peer);
}

static void *hipt_create(const struct bench_geometry *geometry)
{
    struct peer *peer = calloc(1, sizeof(*peer));
    enum hipt_status status = HIPT_NOMEM;

    if (peer == NULL) {
        fprintf(stderr, "hipt-bench: hipt: %s\n", hipt_strerror(status));
        return NULL;
    }
    peer->range = (struct hipt_range){
        .first = 1, .count = geometry->entries + LIMBO_FRAMES + (uint64_t)geometry->threads * STOCK_ROOM};
    atomic_init(&peer->spare, peer->range.first);
    peer->aside_room = geometry->threads * geometry->operations;
    peer->stocks = aligned_alloc(64, geometry->threads * sizeof(*peer->stocks));
    if (peer->stocks != NULL) {
        for (unsigned i = 0; i < geometry->threads; i++) {
            peer->stocks[i].count = 0;
        }
        status = table_create(peer, geometry);
    }
    if (status != HIPT_OK) {
        fprintf(stderr, "hipt-bench: hipt: %s\n", hipt_strerror(status));
        hipt_destroy(peer);
        return NULL;
    }
    return peer;
}

static uint64_t hipt_fill(void *self, const uint64_t *keys, size_t count)
{
    struct hipt_mapping mappings[BENCH_BATCH];
    enum hipt_status status[BENCH_BATCH];
    struct peer *peer = self;
    uint64_t wrong = 0;

    peer->filled = keys;
    peer->entries = count;
    atomic_store_explicit(&peer->spare, peer->range.first + count, memory_order_relaxed); /* nobody maps yet */
    for (size_t first = 0; first < count; first += BENCH_BATCH) {
        size_t some = count - first < BENCH_BATCH ? count - first : BENCH_BATCH;

        for (size_t i = 0; i < some; i++) {
            mappings[i] = (struct hipt_mapping){.page = page_of(peer, keys[first + i]),
                                                .pfn = peer->range.first + first + i,
                                                .prot = HIPT_READ | HIPT_WRITE};
        }
        wrong += some - hipt_map_batch(peer->table, mappings, some, status);
    }
    return wrong;
}

static void hipt_bytes(void *self, struct bench_bytes *bytes)
{
    const struct peer *peer = self;
    struct hipt_stats stats;

    hipt_table_stats(peer->table, &stats);
    *bytes = (struct bench_bytes){.forward = stats.bytes_forward, .total = hipt_user_bytes(peer->user)};
}

static enum bench_begun hipt_enlarge(void *self, uint64_t entries)
{
    enum hipt_status status = hipt_resize(((struct peer *)self)->table, entries, false);

    if (status == HIPT_OK || status == HIPT_BUSY) {
        return status == HIPT_OK ? BENCH_BEGUN : BENCH_TOO_EARLY;
    }
    fprintf(stderr, "hipt-bench: hipt: resize: %s\n", hipt_strerror(status));
    return BENCH_NOT_BEGUN;
}

/* Inside a read side, which keeps the buckets. */
static bool ask(struct peer *peer, bool (*question)(struct hipt_table *table))
{
    bool answer;

    peer_enter(peer);
    answer = question(peer->table);
    peer_exit(peer);
    return answer;
}

static bool hipt_is_enlarging(void *self)
{
    return ask(self, bench_is_moving);
}

static bool hipt_is_settling(void *self)
{
    return ask(self, bench_is_settling);
}

const struct bench_impl bench_hipt = {
    .name = "hipt",
    .text = "this library, default geometry, user port on liburcu; inserts and deletes keep both directions",
    .create = hipt_create,
    .destroy = hipt_destroy,
    .fill = hipt_fill,
    .bytes = hipt_bytes,
    .prepare = hipt_prepare,
    .run = {[BENCH_LOOP_HIT] = run_hit,
            [BENCH_LOOP_HIT_SECTION] = run_hit_section,
            [BENCH_LOOP_DEPENDENT] = run_dependent,
            [BENCH_LOOP_GROUPS] = run_groups,
            [BENCH_LOOP_STREAM] = run_groups,
            [BENCH_LOOP_MISS] = run_miss,
            [BENCH_LOOP_REVERSE] = run_reverse,
            [BENCH_LOOP_LARGE] = run_large,
            [BENCH_LOOP_UNMAP_RANGE] = run_unmap_range,
            [BENCH_LOOP_RETIRE] = run_retire,
            [BENCH_LOOP_MIXED] = run_mixed},
    .watch = run_watch,
    .extend = run_extend,
    .enlarge = hipt_enlarge,
    .is_enlarging = hipt_is_enlarging,
    .is_settling = hipt_is_settling,
};
