/* SPDX-License-Identifier: MIT */
/*
 * liburcu's cds_lfht, memb flavour, as a user would set it up: as many buckets as entries, rounded up to a power of
 * two, fixed; a node of 64-bit key and 64-bit value from malloc() for each entry. The read lock is the inline one
 * (_LGPL_SOURCE), which is to the peer's advantage.
 *
 * A table that shall grow begins with its start's buckets, counts its nodes, and is resized by liburcu's own thread.
 *
 * Deleted nodes wait in a list of the thread that deleted them; a full list costs that thread one grace period and the
 * calls of free(). call_rcu() would move the same work to a helper thread that is not on the clock.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#define _LGPL_SOURCE
#include "impl.h"
#include "pages.h"

#include <stdio.h>
#include <stdlib.h>

#include <urcu/urcu-memb.h>

#include <urcu/rculfhash.h>

#define LIMBO_NODES 16384u /* one grace period for as many deletes */

struct node {
    struct cds_lfht_node link; /* first: a link's address is its node's */
    uint64_t key;
    uint64_t value;
};

/* Owned by one thread; the padding keeps two of them out of one line. */
struct limbo {
    struct node **nodes;
    size_t count;
    char pad[48];
};

/* Field key: table, before and bytes are constant after the fill; each limbo belongs to its thread. */
struct peer {
    struct cds_lfht *table;
    size_t before; /* what malloc() had given out before there was a table */
    size_t bytes;  /* what the filled table takes of it */
    struct limbo limbo[BENCH_THREADS_MAX];
};

static int is_key(struct cds_lfht_node *link, const void *key)
{
    return ((struct node *)(void *)link)->key == *(const uint64_t *)key;
}

static inline void peer_enter(struct peer *peer)
{
    (void)peer;
    urcu_memb_read_lock();
}

static inline void peer_exit(struct peer *peer)
{
    (void)peer;
    urcu_memb_read_unlock();
}

static inline struct node *find(struct peer *peer, uint64_t key)
{
    struct cds_lfht_iter at;

    cds_lfht_lookup(peer->table, bench_mix(key), is_key, &key, &at);
    return (struct node *)(void *)cds_lfht_iter_get_node(&at);
}

static inline bool peer_lookup(struct peer *peer, uint64_t key, uint64_t *value)
{
    const struct node *node = find(peer, key);

    if (node == NULL) {
        return false;
    }
    *value = node->value;
    return true;
}

static inline bool peer_insert(struct peer *peer, unsigned thread, uint64_t key)
{
    struct node *node = malloc(sizeof(*node));

    (void)thread;
    if (node == NULL) {
        return false;
    }
    cds_lfht_node_init(&node->link);
    node->key = key;
    node->value = key;
    if (cds_lfht_add_unique(peer->table, bench_mix(key), is_key, &key, &node->link) != &node->link) {
        free(node);
        return false;
    }
    return true;
}

static inline bool peer_delete(struct peer *peer, unsigned thread, uint64_t key)
{
    struct limbo *limbo = &peer->limbo[thread];
    struct node *node = find(peer, key);

    if (node == NULL || cds_lfht_del(peer->table, &node->link) != 0) {
        return false;
    }
    limbo->nodes[limbo->count++] = node;
    return true;
}

static inline void peer_rest(struct peer *peer, unsigned thread)
{
    struct limbo *limbo = &peer->limbo[thread];

    if (limbo->count + BENCH_SECTION <= LIMBO_NODES) {
        return;
    }
    urcu_memb_synchronize_rcu();
    for (size_t i = 0; i < limbo->count; i++) {
        free(limbo->nodes[i]);
    }
    limbo->count = 0;
}

#define PEER_GROWS
#include "loops.h"

/* The arrays of all threads come first, so that they do not count as the table's. */
static bool limbo_create(struct peer *peer)
{
    for (size_t i = 0; i < BENCH_THREADS_MAX; i++) {
        peer->limbo[i].nodes = malloc(LIMBO_NODES * sizeof(struct node *));
        if (peer->limbo[i].nodes == NULL) {
            return false;
        }
    }
    return true;
}

static void limbo_destroy(struct peer *peer)
{
    for (size_t i = 0; i < BENCH_THREADS_MAX; i++) {
        for (size_t j = 0; j < peer->limbo[i].count; j++) {
            free(peer->limbo[i].nodes[j]);
        }
        free(peer->limbo[i].nodes);
    }
}

static struct cds_lfht *table_create(const struct bench_geometry *geometry, unsigned long buckets)
{
    bool grows = geometry->start > 0;

    return cds_lfht_new_flavor(buckets, buckets, grows ? 0 : buckets,
                               grows ? CDS_LFHT_AUTO_RESIZE | CDS_LFHT_ACCOUNTING : 0, &urcu_memb_flavor, NULL);
}

static void *lfht_create(const struct bench_geometry *geometry)
{
    struct peer *peer = calloc(1, sizeof(*peer));
    unsigned long buckets = 1;

    while (buckets < (geometry->start > 0 ? geometry->start : geometry->entries)) {
        buckets *= 2;
    }
    if (peer != NULL && limbo_create(peer)) {
        peer->before = bench_malloc_bytes();
        peer->table = table_create(geometry, buckets);
        if (peer->table != NULL) {
            return peer;
        }
    }
    fprintf(stderr, "hipt-bench: lfht: no memory for %lu buckets\n", buckets);
    if (peer != NULL) {
        limbo_destroy(peer);
        free(peer);
    }
    return NULL;
}

static void lfht_begin(void *self)
{
    (void)self;
    urcu_memb_register_thread();
}

static void lfht_end(void *self)
{
    (void)self;
    urcu_memb_unregister_thread();
}

/* Nobody else is left, so the nodes need no grace period. */
static void lfht_empty(struct cds_lfht *table)
{
    struct cds_lfht_iter at;
    struct cds_lfht_node *link;

    urcu_memb_read_lock();
    for (cds_lfht_first(table, &at); (link = cds_lfht_iter_get_node(&at)) != NULL;) {
        cds_lfht_next(table, &at);
        (void)cds_lfht_del(table, link);
        free((struct node *)(void *)link);
    }
    urcu_memb_read_unlock();
}

static void lfht_destroy(void *self)
{
    struct peer *peer = self;

    lfht_begin(peer);
    lfht_empty(peer->table);
    lfht_end(peer);
    if (cds_lfht_destroy(peer->table, NULL) != 0) {
        fprintf(stderr, "hipt-bench: lfht: the table could not be destroyed\n");
    }
    limbo_destroy(peer);
    free(peer);
}

static uint64_t lfht_fill(void *self, const uint64_t *keys, size_t count)
{
    struct peer *peer = self;
    uint64_t wrong = insert_all(peer, keys, count);

    peer->bytes = bench_malloc_bytes() - peer->before;
    return wrong;
}

static void lfht_bytes(void *self, struct bench_bytes *bytes)
{
    const struct peer *peer = self;

    *bytes = (struct bench_bytes){.forward = peer->bytes, .total = peer->bytes};
}

const struct bench_impl bench_lfht = {
    .name = "lfht",
    .text = "liburcu's cds_lfht, flavour memb, fixed buckets, one malloc() for each entry",
    .create = lfht_create,
    .destroy = lfht_destroy,
    .fill = lfht_fill,
    .bytes = lfht_bytes,
    .thread_begin = lfht_begin,
    .thread_end = lfht_end,
    .run = {[BENCH_LOOP_HIT] = run_hit,
            [BENCH_LOOP_HIT_SECTION] = run_hit_section,
            [BENCH_LOOP_DEPENDENT] = run_dependent,
            [BENCH_LOOP_MISS] = run_miss,
            [BENCH_LOOP_MIXED] = run_mixed},
    .watch = run_watch,
    .extend = run_extend,
};
