/* SPDX-License-Identifier: MIT */
/*
 * DPDK's rte_hash with lock-free readers, further buckets where one overflows, and several writers (which take a lock
 * among themselves), as its manual tells to set it up for that: deleted slots come back through the queue that
 * rte_rcu_qsbr guards, and a reader reports a quiescent state where its section ends. An insert of a key that is there
 * would replace its value, so a wrong outcome of an insert is found only where there is no room.
 *
 * DPDK's environment is started once in a process, without hugetlbfs, devices, files and messages, and never ended: it
 * cannot start again. Its own memory is small and fixed; a table lives in memory that is given to it as a heap, so that
 * each run can have as much as it needs, in transparent huge pages as the other peers.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_hash.h>
#include <rte_lcore.h>
#include <rte_malloc.h>
#include <rte_rcu_qsbr.h>

#include "../impl.h"
#include "../pages.h"

#define NAME "hipt-bench"
/* Of address space: what the environment needs, the queue of deleted slots, 4 bytes for each slot of a table. */
#define ENVIRONMENT_MIB "1152"
#define PAGE_BYTES ((size_t)2 << 20)  /* what the heap is given in */
#define HEAP_SPARE ((size_t)64 << 20) /* of address space; what is not touched takes no memory */
#define HEAP_ENTRY 160u               /* the same: key slot, buckets and overflow buckets, rings, before rounding up */
#define LIMBO_SLOTS 32768u            /* deleted slots that may wait for a grace period before an insert has to */
#define QUEUE_SLOTS (1u << 17)        /* more than can be free at once, so that a delete always finds room */
#define PATIENCE 10000u               /* of an insert that finds no free slot: times that it yields */

/* Field key: hash and readers are DPDK's, keys are replaced between rounds, the rest is constant. */
struct peer {
    struct rte_hash *hash;
    struct rte_rcu_qsbr *readers;
    void *heap;
    size_t heap_bytes;
    int socket;        /* what DPDK calls the heap's */
    const void **keys; /* the addresses of a round's keys */
};

static _Thread_local bool registered; /* with the environment, by thread_begin */

static inline void peer_enter(struct peer *peer)
{
    (void)peer;
}

static inline void peer_exit(struct peer *peer)
{
    rte_rcu_qsbr_quiescent(peer->readers, rte_lcore_id());
}

static inline bool peer_lookup(struct peer *peer, uint64_t key, uint64_t *value)
{
    void *found = NULL;

    if (rte_hash_lookup_data(peer->hash, &key, &found) < 0) {
        return false;
    }
    *value = (uintptr_t)found;
    return true;
}

/* All free slots may wait for readers, us among them; we hold nothing that we found. */
static inline bool peer_insert(struct peer *peer, unsigned thread, uint64_t key)
{
    (void)thread;
    for (unsigned i = 0; i < PATIENCE; i++) {
        int status = rte_hash_add_key_data(peer->hash, &key, (void *)(uintptr_t)key);

        if (status != -ENOSPC) {
            return status == 0;
        }
        rte_rcu_qsbr_quiescent(peer->readers, rte_lcore_id());
        sched_yield();
    }
    return false;
}

static inline bool peer_delete(struct peer *peer, unsigned thread, uint64_t key)
{
    (void)thread;
    return rte_hash_del_key(peer->hash, &key) >= 0;
}

static inline void peer_rest(struct peer *peer, unsigned thread)
{
    (void)peer;
    (void)thread;
}

#include "../loops.h"

_Static_assert(BENCH_BATCH <= RTE_HASH_LOOKUP_BULK_MAX, "a batch is one call");

static struct bench_outcome run_groups(void *self, const struct bench_job *job)
{
    struct peer *peer = self;
    void *found[BENCH_BATCH];
    struct bench_outcome outcome = {0};

    for (size_t i = 0; i < job->count; i += job->group) {
        uint32_t count = (uint32_t)(job->count - i < job->group ? job->count - i : job->group);
        uint64_t mask = 0;
        int hits = rte_hash_lookup_bulk_data(peer->hash, &peer->keys[job->first + i], count, &mask, found);

        outcome.wrong += hits < 0 ? count : count - (uint32_t)hits;
        for (uint32_t j = 0; hits == (int)count && j < count; j++) {
            outcome.sum += (uintptr_t)found[j];
        }
    }
    peer_exit(peer);
    return outcome;
}

static bool dpdk_prepare(void *self, enum bench_loop loop, const uint64_t *keys, size_t count)
{
    struct peer *peer = self;

    if (loop != BENCH_LOOP_GROUPS) {
        return true;
    }
    free(peer->keys);
    peer->keys = calloc(count, sizeof(*peer->keys));
    for (size_t i = 0; peer->keys != NULL && i < count; i++) {
        peer->keys[i] = &keys[i];
    }
    return peer->keys != NULL;
}

/* => the first processor that this process may use. */
static unsigned first_processor(const cpu_set_t *processors)
{
    for (unsigned i = 0; i < CPU_SETSIZE; i++) {
        if (CPU_ISSET(i, processors)) {
            return i;
        }
    }
    return 0;
}

/* The environment ties the calling thread to a processor; it is set free again. */
static bool environment_start(void)
{
    static bool tried;
    static bool started;
    cpu_set_t processors;
    char lcores[32];
    char *arguments[] = {NAME,
                         "--no-huge",
                         "-m",
                         ENVIRONMENT_MIB,
                         "--no-pci",
                         "--no-shconf",
                         "--no-telemetry",
                         "--lcores",
                         lcores,
                         "--iova-mode=va",
                         "--log-level=*:1",
                         NULL};

    if (tried) {
        return started;
    }
    tried = true;
    if (sched_getaffinity(0, sizeof(processors), &processors) != 0) {
        return false;
    }
    snprintf(lcores, sizeof(lcores), "0@%u", first_processor(&processors));
    started = rte_eal_init((int)(sizeof(arguments) / sizeof(arguments[0])) - 1, arguments) >= 0;
    (void)sched_setaffinity(0, sizeof(processors), &processors);
    return started;
}

static uint32_t hash_of(const void *key, uint32_t bytes, uint32_t seed)
{
    uint64_t whole;

    (void)bytes;
    (void)seed;
    memcpy(&whole, key, sizeof(whole));
    return (uint32_t)bench_mix(whole);
}

static bool heap_create(struct peer *peer, size_t entries)
{
    peer->heap_bytes = (entries * HEAP_ENTRY + HEAP_SPARE + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
    peer->heap = bench_pages_map("dpdk", peer->heap_bytes);
    if (peer->heap == NULL || rte_malloc_heap_create(NAME) != 0) {
        return false;
    }
    if (rte_malloc_heap_memory_add(NAME, peer->heap, peer->heap_bytes, NULL, (unsigned)(peer->heap_bytes / PAGE_BYTES),
                                   PAGE_BYTES) != 0) {
        (void)rte_malloc_heap_destroy(NAME);
        return false;
    }
    peer->socket = rte_malloc_heap_get_socket(NAME);
    return true;
}

static void heap_destroy(struct peer *peer)
{
    if (peer->socket >= 0) {
        (void)rte_malloc_heap_memory_remove(NAME, peer->heap, peer->heap_bytes);
        (void)rte_malloc_heap_destroy(NAME);
    }
    if (peer->heap != NULL) {
        bench_pages_unmap(peer->heap, peer->heap_bytes);
    }
}

static bool table_create(struct peer *peer, size_t entries)
{
    struct rte_hash_parameters parameters = {.name = NAME,
                                             .entries = (uint32_t)entries + LIMBO_SLOTS,
                                             .key_len = sizeof(uint64_t),
                                             .hash_func = hash_of,
                                             .socket_id = peer->socket,
                                             .extra_flag = RTE_HASH_EXTRA_FLAGS_RW_CONCURRENCY_LF |
                                                           RTE_HASH_EXTRA_FLAGS_MULTI_WRITER_ADD |
                                                           RTE_HASH_EXTRA_FLAGS_EXT_TABLE};
    struct rte_hash_rcu_config reclaim = {.mode = RTE_HASH_QSBR_MODE_DQ, .dq_size = QUEUE_SLOTS};

    peer->readers = aligned_alloc(64, (rte_rcu_qsbr_get_memsize(RTE_MAX_LCORE) + 63) & ~(size_t)63);
    peer->hash = rte_hash_create(&parameters);
    reclaim.v = peer->readers;
    return peer->readers != NULL && peer->hash != NULL && rte_rcu_qsbr_init(peer->readers, RTE_MAX_LCORE) == 0 &&
           rte_hash_rcu_qsbr_add(peer->hash, &reclaim) == 0;
}

static void dpdk_destroy(void *self)
{
    struct peer *peer = self;

    rte_hash_free(peer->hash);
    free(peer->readers);
    heap_destroy(peer);
    free(peer->keys);
    free(peer);
}

static void *dpdk_create(const struct bench_geometry *geometry)
{
    struct peer *peer = calloc(1, sizeof(*peer));

    if (peer == NULL || !environment_start()) {
        fprintf(stderr, "hipt-bench: dpdk: its environment does not start here: %s\n", rte_strerror(rte_errno));
        free(peer);
        return NULL;
    }
    peer->socket = -1;
    if (!heap_create(peer, geometry->entries) || !table_create(peer, geometry->entries)) {
        fprintf(stderr, "hipt-bench: dpdk: no table of %zu entries: %s\n", geometry->entries, rte_strerror(rte_errno));
        dpdk_destroy(peer);
        return NULL;
    }
    return peer;
}

/* A thread needs a number: by it DPDK finds its share of the free slots, and its quiescent states. */
static void dpdk_begin(void *self)
{
    struct peer *peer = self;

    if (rte_lcore_id() == LCORE_ID_ANY) {
        registered = rte_thread_register() == 0;
        if (!registered) {
            fprintf(stderr, "hipt-bench: dpdk: no number for a thread: %s\n", rte_strerror(rte_errno));
            abort(); /* it could not even read */
        }
    }
    (void)rte_rcu_qsbr_thread_register(peer->readers, rte_lcore_id());
    rte_rcu_qsbr_thread_online(peer->readers, rte_lcore_id());
}

static void dpdk_end(void *self)
{
    struct peer *peer = self;

    rte_rcu_qsbr_thread_offline(peer->readers, rte_lcore_id());
    (void)rte_rcu_qsbr_thread_unregister(peer->readers, rte_lcore_id());
    if (registered) {
        rte_thread_unregister();
        registered = false;
    }
}

static uint64_t dpdk_fill(void *self, const uint64_t *keys, size_t count)
{
    return insert_all(self, keys, count);
}

static void dpdk_bytes(void *self, struct bench_bytes *bytes)
{
    const struct peer *peer = self;
    struct rte_malloc_socket_stats stats = {0};

    (void)rte_malloc_get_socket_stats(peer->socket, &stats); /* its heap holds nothing else */
    *bytes = (struct bench_bytes){.forward = stats.heap_allocsz_bytes, .total = stats.heap_allocsz_bytes};
}

const struct bench_impl bench_dpdk = {
    .name = "dpdk",
    .text = "DPDK's rte_hash with lock-free readers and overflow buckets; lookups of 64 keys at once",
    .on_request = true,
    .create = dpdk_create,
    .destroy = dpdk_destroy,
    .fill = dpdk_fill,
    .bytes = dpdk_bytes,
    .thread_begin = dpdk_begin,
    .thread_end = dpdk_end,
    .prepare = dpdk_prepare,
    .run = {[BENCH_LOOP_HIT] = run_hit,
            [BENCH_LOOP_HIT_SECTION] = run_hit_section,
            [BENCH_LOOP_DEPENDENT] = run_dependent,
            [BENCH_LOOP_GROUPS] = run_groups,
            [BENCH_LOOP_MISS] = run_miss,
            [BENCH_LOOP_MIXED] = run_mixed},
};
