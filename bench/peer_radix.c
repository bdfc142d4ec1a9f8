/* SPDX-License-Identifier: MIT */
/*
 * A radix tree for each address space, as x86-64 walks it: four levels of 9 bits, nodes of 4 KiB with 512 words. A
 * lookup is four dependent loads. A missing node is put in place by one CAS; who loses keeps its node for the next
 * time. A delete clears the last word; nodes are never freed, so sections and grace periods have nothing to do, and a
 * lookup, insert or delete is lock-free.
 *
 * A page far from all others takes a node on each level that it shares with nobody: about 2.5 KB for each entry with
 * the keys of this benchmark. The fill may take a quarter of what memory the machine has left, all together half of
 * it, because inserts of other keys at worst double the tree.
 */
#include "impl.h"
#include "pages.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define ROOTS (BENCH_SPACES + 1u) /* the population's, and that of ranges that come and go */
#define LEVELS 4u
#define LEVEL_BITS 9u
#define NODE_WORDS (1u << LEVEL_BITS)
#define FORECAST 16u                /* part of the keys from which the rest is foreseen */
#define PRESENT (UINT64_C(1) << 63) /* in a last word, above its page's key; 0 is no page */

/* Field key: atomic. A word is 0 or the next node's address, for good; on the last level 0 or a page, by turns. */
struct node {
    _Atomic uint64_t words[NODE_WORDS];
};

_Static_assert(sizeof(struct node) == 4096, "a node is a page");

/* A node that was not needed after all. Owned by one thread; a line of its own. */
struct spare {
    _Alignas(64) struct node *node;
};

/* Field key: used is atomic, each spare belongs to its thread, the rest is constant while threads run. */
struct peer {
    struct node *nodes; /* address space for as many as may be; the first are the roots */
    size_t most;
    size_t most_filled;
    _Atomic size_t used;
    struct spare spares[BENCH_THREADS_MAX];
};

static inline void peer_enter(struct peer *peer)
{
    (void)peer;
}

static inline void peer_exit(struct peer *peer)
{
    (void)peer;
}

static inline struct node *root_of(const struct peer *peer, uint64_t key)
{
    return &peer->nodes[bench_key_space(key)];
}

/* Level 0 is the last one. */
static inline _Atomic uint64_t *word_of(struct node *node, uint64_t key, unsigned level)
{
    return &node->words[(bench_key_vpn(key) >> (LEVEL_BITS * level)) % NODE_WORDS];
}

/* acquire: with the release of node_put(), a node is seen as it was put, all zero. [observe:node] */
static inline struct node *next_of(struct node *node, uint64_t key, unsigned level)
{
    return (struct node *)(uintptr_t)atomic_load_explicit(word_of(node, key, level), memory_order_acquire);
}

/* => the last word of @key, NULL if a node is missing on the way. */
static inline _Atomic uint64_t *find(struct peer *peer, uint64_t key)
{
    struct node *node = root_of(peer, key);

    for (unsigned level = LEVELS - 1; level > 0; level--) {
        node = next_of(node, key, level);
        if (node == NULL) {
            return NULL;
        }
    }
    return word_of(node, key, 0);
}

static inline bool peer_lookup(struct peer *peer, uint64_t key, uint64_t *value)
{
    _Atomic uint64_t *word = find(peer, key);
    uint64_t page = word == NULL ? 0 : atomic_load_explicit(word, memory_order_acquire);

    *value = page;
    return page != 0;
}

/* => NULL if there may be no more. */
static struct node *node_take(struct peer *peer, unsigned thread)
{
    struct node *node = peer->spares[thread].node;
    size_t taken;

    if (node != NULL) {
        peer->spares[thread].node = NULL;
        return node;
    }
    taken = atomic_fetch_add_explicit(&peer->used, 1, memory_order_relaxed); /* only the number matters */
    if (taken >= peer->most) {
        atomic_fetch_sub_explicit(&peer->used, 1, memory_order_relaxed);
        return NULL;
    }
    return &peer->nodes[taken];
}

/* => the node that the word has now, ours or that of whoever was faster; NULL if there may be no more. */
static struct node *node_put(struct peer *peer, unsigned thread, _Atomic uint64_t *word)
{
    struct node *node = node_take(peer, thread);
    uint64_t seen = 0;

    if (node == NULL) {
        return NULL;
    }
    /* release: [publish:node] its zeroes; acquire, where we lose: [observe:node] those of the other. */
    if (!atomic_compare_exchange_strong_explicit(word, &seen, (uintptr_t)node, memory_order_release,
                                                 memory_order_acquire)) {
        peer->spares[thread].node = node;
        node = (struct node *)(uintptr_t)seen;
    }
    return node;
}

static inline bool peer_insert(struct peer *peer, unsigned thread, uint64_t key)
{
    struct node *node = root_of(peer, key);
    uint64_t seen = 0;

    for (unsigned level = LEVELS - 1; level > 0; level--) {
        struct node *next = next_of(node, key, level);

        node = next != NULL ? next : node_put(peer, thread, word_of(node, key, level));
        if (node == NULL) {
            return false;
        }
    }
    return atomic_compare_exchange_strong_explicit(word_of(node, key, 0), &seen, PRESENT | key, memory_order_release,
                                                   memory_order_relaxed);
}

static inline bool peer_delete(struct peer *peer, unsigned thread, uint64_t key)
{
    _Atomic uint64_t *word = find(peer, key);

    (void)thread;
    return word != NULL && atomic_exchange_explicit(word, 0, memory_order_acq_rel) != 0;
}

static inline void peer_rest(struct peer *peer, unsigned thread)
{
    (void)peer;
    (void)thread;
}

#include "loops.h"

/* One level of a group: each word that was prefetched is loaded, and the next level's prefetched. */
static void descend(struct node **nodes, const uint64_t *keys, size_t count, unsigned level)
{
    for (size_t i = 0; i < count; i++) {
        if (nodes[i] != NULL) {
            nodes[i] = next_of(nodes[i], keys[i], level);
        }
        if (nodes[i] != NULL) {
            __builtin_prefetch((const void *)word_of(nodes[i], keys[i], level - 1));
        }
    }
}

static void look_up_group(struct peer *peer, const uint64_t *keys, size_t count, struct bench_outcome *outcome)
{
    struct node *nodes[BENCH_BATCH];

    for (size_t i = 0; i < count; i++) {
        nodes[i] = root_of(peer, keys[i]);
        __builtin_prefetch((const void *)word_of(nodes[i], keys[i], LEVELS - 1));
    }
    for (unsigned level = LEVELS - 1; level > 0; level--) {
        descend(nodes, keys, count, level);
    }
    for (size_t i = 0; i < count; i++) {
        uint64_t page =
            nodes[i] == NULL ? 0 : atomic_load_explicit(word_of(nodes[i], keys[i], 0), memory_order_acquire);

        outcome->wrong += page == 0;
        outcome->sum += page;
    }
}

static struct bench_outcome run_groups(void *self, const struct bench_job *job)
{
    struct bench_outcome outcome = {0};

    for (size_t i = 0; i < job->count; i += job->group) {
        size_t count = job->count - i < job->group ? job->count - i : job->group;

        look_up_group(self, &job->probes[i], count, &outcome);
    }
    return outcome;
}

/* A range begins where a last node does, so one walk finds all its words. */
static struct bench_outcome run_unmap_range(void *self, const struct bench_job *job)
{
    struct bench_outcome outcome = {0};

    for (size_t i = 0; i < job->count; i += BENCH_RANGE) {
        size_t count = job->count - i < BENCH_RANGE ? job->count - i : BENCH_RANGE;
        _Atomic uint64_t *word = find(self, job->probes[i]);

        for (size_t j = 0; j < count; j++) {
            uint64_t page = atomic_exchange_explicit(&word[j], 0, memory_order_acq_rel);

            outcome.wrong += page == 0;
            outcome.sum += page;
        }
    }
    return outcome;
}

_Static_assert(BENCH_RANGE <= NODE_WORDS, "a range is in one last node");

static bool radix_prepare(void *self, enum bench_loop loop, const uint64_t *keys, size_t count)
{
    for (size_t i = 0; loop == BENCH_LOOP_UNMAP_RANGE && i < count; i++) {
        if (!peer_insert(self, 0, keys[i])) {
            return false;
        }
    }
    return true;
}

static void radix_destroy(void *self)
{
    struct peer *peer = self;

    bench_pages_unmap(peer->nodes, peer->most * sizeof(struct node));
    free(peer);
}

static void *radix_create(const struct bench_geometry *geometry)
{
    struct peer *peer = aligned_alloc(64, sizeof(*peer));

    (void)geometry;
    if (peer == NULL) {
        fprintf(stderr, "hipt-bench: radix: no memory\n");
        return NULL;
    }
    *peer = (struct peer){.most = bench_memory_available() / 2 / sizeof(struct node)};
    peer->most_filled = peer->most / 2;
    atomic_init(&peer->used, ROOTS);
    peer->nodes = peer->most_filled > ROOTS ? bench_pages_map("radix", peer->most * sizeof(struct node)) : NULL;
    if (peer->nodes == NULL) {
        fprintf(stderr, "hipt-bench: radix: no memory for nodes\n");
        free(peer);
        return NULL;
    }
    return peer;
}

/*
 * => true if what the first @done of @count keys took says that all of them take too much. Later keys share somewhat
 * more of their way, so a forecast, made once, is believed only where it is a quarter above the bound.
 */
static bool is_too_much(struct peer *peer, size_t done, size_t count)
{
    size_t used = atomic_load_explicit(&peer->used, memory_order_relaxed);

    return used + LEVELS > peer->most_filled ||
           (done == count / FORECAST && used * FORECAST > peer->most_filled + peer->most_filled / 4);
}

/* Stops where the bound is, or is foreseen, rather than at the last key. */
static uint64_t radix_fill(void *self, const uint64_t *keys, size_t count)
{
    struct peer *peer = self;
    uint64_t wrong = 0;

    for (size_t i = 0; i < count; i++) {
        if (is_too_much(peer, i, count)) {
            fprintf(stderr, "hipt-bench: radix: %zu entries take more than %zu MiB, a quarter of the memory\n", count,
                    peer->most_filled * sizeof(struct node) >> 20);
            return wrong + count - i;
        }
        wrong += !peer_insert(peer, 0, keys[i]);
    }
    return wrong;
}

static void radix_bytes(void *self, struct bench_bytes *bytes)
{
    struct peer *peer = self;
    size_t all = atomic_load_explicit(&peer->used, memory_order_relaxed) * sizeof(struct node);

    *bytes = (struct bench_bytes){.forward = all, .total = all};
}

const struct bench_impl bench_radix = {
    .name = "radix",
    .text = "a radix tree of four levels for each address space; about 2.5 KB for each entry, up to half of the memory",
    .on_request = true,
    .create = radix_create,
    .destroy = radix_destroy,
    .fill = radix_fill,
    .bytes = radix_bytes,
    .prepare = radix_prepare,
    .run = {[BENCH_LOOP_HIT] = run_hit,
            [BENCH_LOOP_HIT_SECTION] = run_hit_section,
            [BENCH_LOOP_DEPENDENT] = run_dependent,
            [BENCH_LOOP_GROUPS] = run_groups,
            [BENCH_LOOP_MISS] = run_miss,
            [BENCH_LOOP_UNMAP_RANGE] = run_unmap_range,
            [BENCH_LOOP_MIXED] = run_mixed},
};
