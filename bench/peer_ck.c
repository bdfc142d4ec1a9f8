/* SPDX-License-Identifier: MIT */
/*
 * Concurrency Kit's ck_ht as a user would set it up for numbers: direct mode (key and value in the slot), the delete
 * workload, room for twice the entries, sections and reclamation by ck_epoch. Readers take no lock; there may be one
 * writer. So `ck` runs the mixed workloads with one thread only, and `ck-lock` is the same table whose writers take a
 * ck_spinlock, for any number of threads; it does nothing else, since its lookups are those of `ck`.
 *
 * With the room that it is given the table grows only where it shall; the map before is freed after a grace period.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "impl.h"
#include "pages.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ck_epoch.h>
#include <ck_ht.h>
#include <ck_spinlock.h>

#define KEY_OFFSET 1u /* ck_ht has other uses for keys 0 and ~0 */

/* Field key: lock, table, epoch and records are ck's, registered is atomic, the rest constant while threads run. */
struct peer {
    ck_spinlock_t lock;
    ck_ht_t table;
    ck_epoch_t epoch;
    ck_epoch_record_t records[BENCH_THREADS_MAX];
    atomic_uint registered; /* of them */
    bool locked;            /* writers take the lock */
    size_t before;          /* what malloc() had given out before there was a table */
    size_t bytes;           /* what the filled table takes of it */
};

/* Before each map: what its grace period needs. */
struct header {
    _Alignas(64) ck_epoch_entry_t retired;
};

static _Thread_local ck_epoch_record_t *record; /* between thread_begin and thread_end */
static _Thread_local bool retiring;             /* a map waits for its grace period */

static void hash(ck_ht_hash_t *hash, const void *key, size_t bytes, uint64_t seed)
{
    (void)bytes;
    (void)seed;
    hash->value = bench_mix(*(const uintptr_t *)key);
}

static inline ck_ht_hash_t hash_of(uintptr_t key)
{
    return (ck_ht_hash_t){.value = bench_mix(key)};
}

static void *map_malloc(size_t bytes)
{
    struct header *header = aligned_alloc(64, (sizeof(*header) + bytes + 63) & ~(size_t)63);

    return header == NULL ? NULL : header + 1;
}

static void map_free_now(ck_epoch_entry_t *retired)
{
    free((struct header *)(void *)retired); /* its first member */
    retiring = false;
}

/* @defer: readers may be in it. */
static void map_free(void *map, size_t bytes, bool defer)
{
    struct header *header = (struct header *)map - 1;

    (void)bytes;
    if (defer && record != NULL) {
        ck_epoch_call(record, &header->retired, map_free_now);
        retiring = true;
    } else {
        free(header);
    }
}

static struct ck_malloc allocator = {.malloc = map_malloc, .free = map_free};

static inline void peer_enter(struct peer *peer)
{
    (void)peer;
    ck_epoch_begin(record, NULL);
}

static inline void peer_exit(struct peer *peer)
{
    (void)peer;
    (void)ck_epoch_end(record, NULL);
}

static inline bool peer_lookup(struct peer *peer, uint64_t key, uint64_t *value)
{
    ck_ht_entry_t entry;

    ck_ht_entry_key_set_direct(&entry, key + KEY_OFFSET);
    if (!ck_ht_get_spmc(&peer->table, hash_of(key + KEY_OFFSET), &entry)) {
        return false;
    }
    *value = ck_ht_entry_value_direct(&entry);
    return true;
}

static inline void writer_enter(struct peer *peer)
{
    if (peer->locked) {
        ck_spinlock_lock(&peer->lock);
    }
}

static inline void writer_exit(struct peer *peer)
{
    if (peer->locked) {
        ck_spinlock_unlock(&peer->lock);
    }
}

static inline bool peer_insert(struct peer *peer, unsigned thread, uint64_t key)
{
    ck_ht_hash_t hashed = hash_of(key + KEY_OFFSET);
    ck_ht_entry_t entry;
    bool done;

    (void)thread;
    ck_ht_entry_set_direct(&entry, hashed, key + KEY_OFFSET, key);
    writer_enter(peer);
    done = ck_ht_put_spmc(&peer->table, hashed, &entry);
    writer_exit(peer);
    if (retiring) {
        (void)ck_epoch_poll(record);
    }
    return done;
}

static inline bool peer_delete(struct peer *peer, unsigned thread, uint64_t key)
{
    ck_ht_entry_t entry;
    bool done;

    (void)thread;
    ck_ht_entry_key_set_direct(&entry, key + KEY_OFFSET);
    writer_enter(peer);
    done = ck_ht_remove_spmc(&peer->table, hash_of(key + KEY_OFFSET), &entry);
    writer_exit(peer);
    return done;
}

static inline void peer_rest(struct peer *peer, unsigned thread)
{
    (void)peer;
    (void)thread;
    (void)ck_epoch_poll(record);
}

#define PEER_GROWS
#include "loops.h"

static void *create(const struct bench_geometry *geometry, const char *name, bool locked)
{
    struct peer *peer = aligned_alloc(_Alignof(struct peer), sizeof(*peer));
    /* rounded up to a power of two; it grows above half of it */
    uint64_t room = 2 * (uint64_t)(geometry->start > 0 ? geometry->start : geometry->entries);

    if (peer != NULL) {
        memset(peer, 0, sizeof(*peer));
        ck_spinlock_init(&peer->lock);
        ck_epoch_init(&peer->epoch);
        peer->locked = locked;
        peer->before = bench_malloc_bytes();
        if (ck_ht_init(&peer->table, CK_HT_MODE_DIRECT | CK_HT_WORKLOAD_DELETE, hash, &allocator, room, 0)) {
            return peer;
        }
    }
    fprintf(stderr, "hipt-bench: %s: no memory for %llu slots\n", name, (unsigned long long)room);
    free(peer);
    return NULL;
}

static void *ck_create(const struct bench_geometry *geometry)
{
    return create(geometry, "ck", false);
}

static void *ck_lock_create(const struct bench_geometry *geometry)
{
    return create(geometry, "ck-lock", true);
}

static void ck_begin(void *self)
{
    struct peer *peer = self;

    record = ck_epoch_recycle(&peer->epoch, NULL);
    if (record == NULL) { /* there are never more threads than records */
        record = &peer->records[atomic_fetch_add_explicit(&peer->registered, 1, memory_order_relaxed)];
        ck_epoch_register(&peer->epoch, record, NULL);
    }
}

/* The record goes to the next thread: the epoch's list of them only grows. */
static void ck_end(void *self)
{
    (void)self;
    ck_epoch_barrier(record);
    ck_epoch_unregister(record);
    record = NULL;
}

static void ck_destroy(void *self)
{
    struct peer *peer = self;

    ck_ht_destroy(&peer->table);
    free(peer);
}

static uint64_t ck_fill(void *self, const uint64_t *keys, size_t count)
{
    struct peer *peer = self;
    uint64_t wrong = insert_all(peer, keys, count);

    peer->bytes = bench_malloc_bytes() - peer->before;
    return wrong;
}

static void ck_bytes(void *self, struct bench_bytes *bytes)
{
    const struct peer *peer = self;

    *bytes = (struct bench_bytes){.forward = peer->bytes, .total = peer->bytes};
}

const struct bench_impl bench_ck = {
    .name = "ck",
    .text = "Concurrency Kit's ck_ht, direct mode: one writer, so with more threads no mixed workload",
    .on_request = true,
    .writers_max = 1,
    .create = ck_create,
    .destroy = ck_destroy,
    .fill = ck_fill,
    .bytes = ck_bytes,
    .thread_begin = ck_begin,
    .thread_end = ck_end,
    .run = {[BENCH_LOOP_HIT] = run_hit,
            [BENCH_LOOP_HIT_SECTION] = run_hit_section,
            [BENCH_LOOP_DEPENDENT] = run_dependent,
            [BENCH_LOOP_MISS] = run_miss,
            [BENCH_LOOP_MIXED] = run_mixed},
    .watch = run_watch,
    .extend = run_extend,
};

const struct bench_impl bench_ck_lock = {
    .name = "ck-lock",
    .text = "the same with writers under a spinlock; mixed workloads only",
    .on_request = true,
    .create = ck_lock_create,
    .destroy = ck_destroy,
    .fill = ck_fill,
    .bytes = ck_bytes,
    .thread_begin = ck_begin,
    .thread_end = ck_end,
    .run = {[BENCH_LOOP_MIXED] = run_mixed},
};
