/* SPDX-License-Identifier: MIT */
/* A buffer pool: blocks of files in frames, behind two kinds of page table. */
#ifndef EXAMPLE_POOL_H
#define EXAMPLE_POOL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <hipt/hipt.h>
#include <hipt/user.h>

enum { FILES = 4, WORDS = 512, THREADS_MAX = 16, NOBODY = -1 };

struct options {
    unsigned threads;
    double seconds;
    uint64_t blocks; /* of each file */
    uint64_t writes; /* one access of so many */
    bool json;
    bool unused;    /* planted: a block is put back before it is used */
    bool unwritten; /* planted: what is evicted is not written back */
};

struct block {
    uint32_t file;
    uint64_t number;
};

struct pool {
    const struct kind *kind;
    const struct options *options;
    uint64_t nframes;
    _Atomic uint64_t (*contents)[WORDS]; /* of frames */
    int fd[FILES];
    _Alignas(64) pthread_mutex_t lock; /* around .fresh and .hand; in map_pool.c around all but reading and writing */
    uint64_t fresh; /* frames from here on were never used */
    uint64_t hand;  /* of the clock */
    _Atomic uint64_t evicted; /* in table_pool.c: frames on their way to hipt_frame_reap() */

    _Alignas(64) struct hipt_user *user; /* table_pool.c */
    struct hipt_table *table;
    struct hipt_asid asid[FILES];

    struct descriptor *descriptor; /* map_pool.c */
    int64_t *chain;

    uint64_t operations, hits, writes; /* of all slices */
};

/* What a pool does. What get() finds may be used until put(), by the same thread. At least four frames a thread. */
struct kind {
    const char *name;
    bool (*open)(struct pool *pool);
    uint64_t (*get)(struct pool *pool, unsigned thread, struct block block, bool writes, bool *is_hit);
    void (*put)(struct pool *pool, uint64_t frame, bool writes);
    bool (*is_dirty)(struct pool *pool, uint64_t frame, struct block *block); /* nobody else uses the pool */
    void (*close)(struct pool *pool);
};

extern const struct kind table_pool, map_pool;

/* From a file into a frame, or back. */
void read_in(struct pool *pool, uint64_t frame, struct block block);
void write_back(struct pool *pool, uint64_t frame, struct block block);

/* Say that something is not as it should be; the program ends with 1. */
void wrong(const char *what, uint64_t is, uint64_t should);

#endif
