/* SPDX-License-Identifier: MIT */
/*
 * The textbook's inverted page table: an array of anchors, each the head of a chain, as many as frames; and an entry
 * for each frame, found by the frame's number, with the key of the page that is mapped there and the next of its chain.
 * A lookup reads the anchor, then the entries of the chain. The frame is not stored: it is where the entry stands.
 *
 * Protocol: anchors share STRIPES sequences. A sequence is odd while a writer has its stripe; another writer of the
 * stripe, and a reader that finds it odd or changed, tries again. So writers and readers are blocking: a stopped writer
 * stops all who come to its stripe. Frames that a thread unmapped are the next ones that it maps.
 */
#include "impl.h"
#include "pages.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define STRIPES 4096u     /* 16 KiB of sequences: they stay in a cache, and two threads seldom want the same */
#define NOTHING 0u        /* the end of a chain; entry 0 stands for no frame */
#define NO_KEY UINT64_MAX /* of a frame where nothing is mapped */
#define SPARE_FRAMES 64u  /* for each thread */

/* Field key: atomic. Written by who has the stripe of the chain, or owns the free frame. */
struct entry {
    _Atomic uint64_t key;
    _Atomic uint32_t next;
    uint32_t flags; /* protection, accessed, dirty: part of any such table, not looked at here */
};

_Static_assert(sizeof(struct entry) == 16, "with its anchor 20 bytes for each frame");

/* Frames that a thread may map next, chained by their entries' next. Owned by one thread; a line of its own. */
struct stock {
    _Alignas(64) uint32_t first;
};

/* Field key: anchors and sequences atomic, each stock belongs to its thread, the rest is constant while threads run. */
struct peer {
    _Atomic uint32_t *anchors;
    struct entry *entries;
    uint32_t frames;
    struct stock stocks[BENCH_THREADS_MAX];
    _Atomic uint32_t sequences[STRIPES];
};

static inline uint32_t anchor_of(const struct peer *peer, uint64_t key)
{
    return (uint32_t)(((bench_mix(key) >> 32) * peer->frames) >> 32);
}

static inline void peer_enter(struct peer *peer)
{
    (void)peer;
}

static inline void peer_exit(struct peer *peer)
{
    (void)peer;
}

/* => the frame of @key in the chain, or NOTHING. The chain may change meanwhile: the sequence says whether it did. */
static inline uint32_t walk(struct peer *peer, uint32_t at, uint64_t key)
{
    while (at != NOTHING && atomic_load_explicit(&peer->entries[at].key, memory_order_relaxed) != key) {
        at = atomic_load_explicit(&peer->entries[at].next, memory_order_relaxed);
    }
    return at;
}

static inline uint32_t find(struct peer *peer, uint64_t key)
{
    uint32_t anchor = anchor_of(peer, key);
    _Atomic uint32_t *sequence = &peer->sequences[anchor % STRIPES];

    for (;;) {
        uint32_t before = atomic_load_explicit(sequence, memory_order_acquire); /* with the release of stripe_leave() */
        uint32_t found = walk(peer, atomic_load_explicit(&peer->anchors[anchor], memory_order_relaxed), key);

        atomic_thread_fence(memory_order_acquire); /* with the release fence of stripe_enter() */
        if (before % 2 == 0 && atomic_load_explicit(sequence, memory_order_relaxed) == before) {
            return found;
        }
    }
}

static inline bool peer_lookup(struct peer *peer, uint64_t key, uint64_t *value)
{
    uint32_t frame = find(peer, key);

    *value = frame;
    return frame != NOTHING;
}

/* => the sequence that stripe_leave() wants back. */
static inline uint32_t stripe_enter(_Atomic uint32_t *sequence)
{
    uint32_t seen = atomic_load_explicit(sequence, memory_order_relaxed);

    for (;;) {
        if (seen % 2 == 0 && atomic_compare_exchange_weak_explicit(sequence, &seen, seen + 1, memory_order_acquire,
                                                                   memory_order_relaxed)) {
            /* A reader that sees any store made after this sees the odd sequence too. */
            atomic_thread_fence(memory_order_release);
            return seen + 1;
        }
        seen = atomic_load_explicit(sequence, memory_order_relaxed);
    }
}

static inline void stripe_leave(_Atomic uint32_t *sequence, uint32_t entered)
{
    atomic_store_explicit(sequence, entered + 1, memory_order_release);
}

/* In the stripe. => false if @key is there already. */
static inline bool chain_push(struct peer *peer, uint32_t anchor, uint32_t frame, uint64_t key)
{
    uint32_t head = atomic_load_explicit(&peer->anchors[anchor], memory_order_relaxed);

    if (walk(peer, head, key) != NOTHING) {
        return false;
    }
    atomic_store_explicit(&peer->entries[frame].next, head, memory_order_relaxed);
    atomic_store_explicit(&peer->entries[frame].key, key, memory_order_relaxed);
    atomic_store_explicit(&peer->anchors[anchor], frame, memory_order_relaxed);
    return true;
}

static inline bool peer_insert(struct peer *peer, unsigned thread, uint64_t key)
{
    uint32_t anchor = anchor_of(peer, key);
    _Atomic uint32_t *sequence = &peer->sequences[anchor % STRIPES];
    uint32_t frame = peer->stocks[thread].first;
    uint32_t after = atomic_load_explicit(&peer->entries[frame].next, memory_order_relaxed);
    uint32_t entered;
    bool pushed;

    if (frame == NOTHING) {
        return false;
    }
    entered = stripe_enter(sequence);
    pushed = chain_push(peer, anchor, frame, key);
    stripe_leave(sequence, entered);
    if (pushed) {
        peer->stocks[thread].first = after;
    }
    return pushed;
}

/* In the stripe. => the frame that had @key, which is nobody's now, or NOTHING. */
static inline uint32_t chain_take(struct peer *peer, uint32_t anchor, uint64_t key)
{
    _Atomic uint32_t *link = &peer->anchors[anchor];
    uint32_t frame = atomic_load_explicit(link, memory_order_relaxed);

    while (frame != NOTHING && atomic_load_explicit(&peer->entries[frame].key, memory_order_relaxed) != key) {
        link = &peer->entries[frame].next;
        frame = atomic_load_explicit(link, memory_order_relaxed);
    }
    if (frame != NOTHING) {
        atomic_store_explicit(link, atomic_load_explicit(&peer->entries[frame].next, memory_order_relaxed),
                              memory_order_relaxed);
        atomic_store_explicit(&peer->entries[frame].key, NO_KEY, memory_order_relaxed);
    }
    return frame;
}

static inline bool peer_delete(struct peer *peer, unsigned thread, uint64_t key)
{
    uint32_t anchor = anchor_of(peer, key);
    _Atomic uint32_t *sequence = &peer->sequences[anchor % STRIPES];
    uint32_t entered = stripe_enter(sequence);
    uint32_t frame = chain_take(peer, anchor, key);

    stripe_leave(sequence, entered);
    if (frame == NOTHING) {
        return false;
    }
    atomic_store_explicit(&peer->entries[frame].next, peer->stocks[thread].first, memory_order_relaxed);
    peer->stocks[thread].first = frame;
    return true;
}

static inline void peer_rest(struct peer *peer, unsigned thread)
{
    (void)peer;
    (void)thread;
}

#include "loops.h"

/* All anchors first, then the first entry of each chain, then the lookups as they are. */
static void prefetch_group(struct peer *peer, const uint64_t *keys, size_t count)
{
    uint32_t anchors[BENCH_BATCH];

    for (size_t i = 0; i < count; i++) {
        anchors[i] = anchor_of(peer, keys[i]);
        __builtin_prefetch((const void *)&peer->anchors[anchors[i]]);
    }
    for (size_t i = 0; i < count; i++) {
        uint32_t head = atomic_load_explicit(&peer->anchors[anchors[i]], memory_order_relaxed);

        __builtin_prefetch(&peer->entries[head]);
    }
}

static struct bench_outcome run_groups(void *self, const struct bench_job *job)
{
    struct peer *peer = self;
    struct bench_outcome outcome = {0};

    for (size_t i = 0; i < job->count; i += job->group) {
        size_t count = job->count - i < job->group ? job->count - i : job->group;

        prefetch_group(peer, &job->probes[i], count);
        for (size_t j = 0; j < count; j++) {
            look_up(peer, job->probes[i + j], true, &outcome);
        }
    }
    return outcome;
}

/* The n-th key of the fill has the n-th frame, from 1. */
static struct bench_outcome run_reverse(void *self, const struct bench_job *job)
{
    struct peer *peer = self;
    struct bench_outcome outcome = {0};

    for (size_t i = 0; i < job->count; i++) {
        uint64_t key = atomic_load_explicit(&peer->entries[job->probes[i] + 1].key, memory_order_relaxed);

        outcome.wrong += key == NO_KEY;
        outcome.sum += key;
    }
    return outcome;
}

static size_t anchor_bytes(const struct peer *peer)
{
    return peer->frames * sizeof(*peer->anchors);
}

static size_t entry_bytes(const struct peer *peer)
{
    return (peer->frames + (size_t)1) * sizeof(*peer->entries);
}

/* Frames that one after the other are free for a thread. => the first that is left. */
static uint32_t stock_create(struct peer *peer, unsigned thread, uint32_t first, uint32_t count)
{
    peer->stocks[thread].first = first;
    for (uint32_t i = first; i < first + count; i++) {
        atomic_init(&peer->entries[i].key, NO_KEY);
        atomic_init(&peer->entries[i].next, i + 1 < first + count ? i + 1 : NOTHING);
    }
    return first + count;
}

static void inverted_destroy(void *self)
{
    struct peer *peer = self;

    if (peer->anchors != NULL) {
        bench_pages_unmap((void *)peer->anchors, anchor_bytes(peer));
    }
    if (peer->entries != NULL) {
        bench_pages_unmap(peer->entries, entry_bytes(peer));
    }
    free(peer);
}

static void *inverted_create(const struct bench_geometry *geometry)
{
    struct peer *peer = aligned_alloc(64, sizeof(*peer));
    uint32_t first = 1;

    if (peer == NULL) {
        fprintf(stderr, "hipt-bench: inverted: no memory\n");
        return NULL;
    }
    for (size_t i = 0; i < STRIPES; i++) {
        atomic_init(&peer->sequences[i], 0);
    }
    peer->frames = (uint32_t)geometry->entries + BENCH_THREADS_MAX * SPARE_FRAMES;
    peer->anchors = bench_pages_map("inverted", anchor_bytes(peer));
    peer->entries = bench_pages_map("inverted", entry_bytes(peer));
    if (peer->anchors == NULL || peer->entries == NULL) {
        inverted_destroy(peer);
        return NULL;
    }
    for (unsigned i = 0; i < BENCH_THREADS_MAX; i++) { /* the main thread fills, as the first */
        uint32_t filled = i == 0 ? (uint32_t)geometry->entries : 0;

        first = stock_create(peer, i, first, SPARE_FRAMES + filled);
    }
    return peer;
}

static uint64_t inverted_fill(void *self, const uint64_t *keys, size_t count)
{
    return insert_all(self, keys, count);
}

static void inverted_bytes(void *self, struct bench_bytes *bytes)
{
    const struct peer *peer = self;
    size_t all = anchor_bytes(peer) + entry_bytes(peer) + sizeof(peer->sequences);

    *bytes = (struct bench_bytes){.forward = all, .total = all};
}

const struct bench_impl bench_inverted = {
    .name = "inverted",
    .text = "the textbook's inverted page table: anchors, and an entry for each frame; a sequence for each stripe",
    .on_request = true,
    .create = inverted_create,
    .destroy = inverted_destroy,
    .fill = inverted_fill,
    .bytes = inverted_bytes,
    .run = {[BENCH_LOOP_HIT] = run_hit,
            [BENCH_LOOP_HIT_SECTION] = run_hit_section,
            [BENCH_LOOP_DEPENDENT] = run_dependent,
            [BENCH_LOOP_GROUPS] = run_groups,
            [BENCH_LOOP_MISS] = run_miss,
            [BENCH_LOOP_REVERSE] = run_reverse,
            [BENCH_LOOP_MIXED] = run_mixed},
};
