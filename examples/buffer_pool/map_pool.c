/* SPDX-License-Identifier: MIT */
/*
 * The pool as it is usually begun: a hash map under one mutex, chained through the frames' descriptors, with pins,
 * accessed and dirty beside them. The lock is open while a block is read or written; whoever wants that block waits.
 */
#include <sched.h>
#include <stdlib.h>

#include "pool.h"

/* Of a frame. Field key: lock. */
struct descriptor {
    struct block block;
    int64_t next; /* frame in the same chain */
    unsigned pins;
    bool is_mapped, is_busy, accessed, dirty;
};

static int64_t *map_chain(struct pool *pool, struct block block)
{
    uint64_t hash = (block.number * FILES + block.file) * UINT64_C(0x9e3779b97f4a7c15);

    return &pool->chain[(hash >> 32) * pool->nframes >> 32]; /* a chain for each frame */
}

static bool map_open(struct pool *pool)
{
    pool->descriptor = calloc(pool->nframes, sizeof(*pool->descriptor));
    pool->chain = malloc(pool->nframes * sizeof(*pool->chain));
    for (uint64_t i = 0; pool->chain && i < pool->nframes; i++) {
        pool->chain[i] = NOBODY;
    }
    return pool->descriptor && pool->chain;
}

static int64_t map_find(struct pool *pool, struct block block)
{
    int64_t frame = *map_chain(pool, block);

    while (frame != NOBODY && (pool->descriptor[frame].block.number != block.number ||
                               pool->descriptor[frame].block.file != block.file)) {
        frame = pool->descriptor[frame].next;
    }
    return frame;
}

static void map_insert(struct pool *pool, int64_t frame, struct block block)
{
    int64_t *chain = map_chain(pool, block);

    pool->descriptor[frame] = (struct descriptor){.block = block, .next = *chain, .is_mapped = true, .is_busy = true};
    *chain = frame;
}

static void map_remove(struct pool *pool, int64_t frame)
{
    int64_t *link = map_chain(pool, pool->descriptor[frame].block);

    while (*link != frame) {
        link = &pool->descriptor[*link].next;
    }
    *link = pool->descriptor[frame].next;
}

/* Do something with a frame that others have to wait for, without the lock. */
static void map_transfer(struct pool *pool, int64_t frame, bool is_write)
{
    struct descriptor *descriptor = &pool->descriptor[frame];

    descriptor->is_busy = true;
    pthread_mutex_unlock(&pool->lock);
    if (is_write) {
        write_back(pool, (uint64_t)frame, descriptor->block);
    } else {
        read_in(pool, (uint64_t)frame, descriptor->block);
    }
    pthread_mutex_lock(&pool->lock);
    descriptor->is_busy = descriptor->dirty = false;
}

/* => a frame whose block may go, and has been written back: the lock was open meanwhile. */
static int64_t map_evict(struct pool *pool)
{
    for (;;) {
        int64_t frame = (int64_t)(pool->hand++ % pool->nframes);
        struct descriptor *descriptor = &pool->descriptor[frame];

        if (descriptor->pins > 0 || descriptor->is_busy) {
            continue;
        }
        if (!descriptor->accessed) {
            if (descriptor->dirty) {
                map_transfer(pool, frame, true);
            }
            return frame;
        }
        descriptor->accessed = false;
    }
}

static uint64_t map_get(struct pool *pool, unsigned thread, struct block block, bool writes, bool *is_hit)
{
    int64_t frame;

    (void)thread;
    *is_hit = true;
    pthread_mutex_lock(&pool->lock);
    while ((frame = map_find(pool, block)) == NOBODY || pool->descriptor[frame].is_busy) {
        if (frame != NOBODY) {
            pthread_mutex_unlock(&pool->lock);
            sched_yield();
            pthread_mutex_lock(&pool->lock);
            continue;
        }
        frame = pool->fresh < pool->nframes ? (int64_t)pool->fresh++ : map_evict(pool);
        if (map_find(pool, block) == NOBODY) { /* still */
            if (pool->descriptor[frame].is_mapped) {
                map_remove(pool, frame);
            }
            map_insert(pool, frame, block);
            map_transfer(pool, frame, false);
            *is_hit = false;
            break;
        }
    }
    pool->descriptor[frame].pins++;
    pool->descriptor[frame].accessed = true;
    pool->descriptor[frame].dirty |= writes;
    pthread_mutex_unlock(&pool->lock);
    return (uint64_t)frame;
}

static void map_put(struct pool *pool, uint64_t frame, bool writes)
{
    (void)writes;
    pthread_mutex_lock(&pool->lock);
    pool->descriptor[frame].pins--;
    pthread_mutex_unlock(&pool->lock);
}

static bool map_is_dirty(struct pool *pool, uint64_t frame, struct block *block)
{
    *block = pool->descriptor[frame].block;
    return pool->descriptor[frame].dirty;
}

static void map_close(struct pool *pool)
{
    free(pool->descriptor), free(pool->chain);
}

const struct kind map_pool = {"mutex", map_open, map_get, map_put, map_is_dirty, map_close};
