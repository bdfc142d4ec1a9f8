/* SPDX-License-Identifier: MIT */
/*
 * What the driver knows of an implementation. The loops that are timed belong to the implementation: a call through
 * these pointers happens once for some hundred thousand operations, never once for each.
 *
 * A further peer is one .c file: define the functions that loops.h asks for, include it, fill in a struct bench_impl,
 * and name it in hipt_bench.c.
 */
#ifndef BENCH_IMPL_H
#define BENCH_IMPL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "growth.h"
#include "keys.h"

#ifdef __cplusplus
extern "C" {
#endif

#define BENCH_THREADS_MAX 64u
#define BENCH_BATCH 64u     /* most lookups of one batch, and how far ahead the memory prefetches */
#define BENCH_STREAM 512u   /* lookups handed over at once where batches shall run into each other */
#define BENCH_SECTION 1024  /* operations of one read-side section where entries come and go */
#define BENCH_RANGE 512u    /* pages of one range that is unmapped */
#define BENCH_RETIRED 4096u /* pages of one space that is ended */

/* The code that is timed. Workloads (workload.h) differ also in the probes that they give it. */
enum bench_loop {
    BENCH_LOOP_HIT = 0,     /* lookups of keys that are there, one read-side section around the loop */
    BENCH_LOOP_HIT_SECTION, /* the same, a read-side section for each lookup */
    BENCH_LOOP_DEPENDENT,   /* each key depends on the previous result */
    BENCH_LOOP_GROUPS,      /* the group of the job is handed over at once, at most BENCH_BATCH */
    BENCH_LOOP_STREAM,      /* the same with BENCH_STREAM */
    BENCH_LOOP_MISS,        /* lookups of keys that are absent */
    BENCH_LOOP_REVERSE,     /* who maps a frame */
    BENCH_LOOP_LARGE,       /* lookups where pages of two sizes are mapped */
    BENCH_LOOP_UNMAP_RANGE, /* runs of BENCH_RANGE pages, which prepare() has mapped, are unmapped */
    BENCH_LOOP_RETIRE,      /* spaces of BENCH_RETIRED pages, which prepare() has mapped, are ended */
    BENCH_LOOP_MIXED,       /* lookups, inserts, deletes */
    BENCH_LOOPS
};

/* A step of a mixed workload: what to do in the top two bits, the key below. */
enum bench_step { BENCH_LOOKUP = 0, BENCH_INSERT, BENCH_DELETE };
#define BENCH_STEP_SHIFT 62u
#define BENCH_STEP_KEY ((UINT64_C(1) << BENCH_STEP_SHIFT) - 1)

/* One thread's share of one round. */
struct bench_job {
    const uint64_t *probes; /* keys; steps (mixed); ordinals of the filled keys (reverse) */
    size_t first;           /* where @probes begins in the array that prepare() saw */
    size_t count;
    size_t group;    /* what is handed over at once; 1 where that has no meaning */
    unsigned thread; /* from 0 */
    uint64_t zero;   /* is 0, which the compiler does not know: ties a key to the previous result */
};

struct bench_geometry {
    size_t entries;
    size_t start;      /* entries that it is made for, where it shall grow to hold @entries; else 0 */
    size_t operations; /* of each thread in a round */
    unsigned threads;  /* the most that will run at once */
    size_t line_bytes; /* what hipt's lines take, or would take by arithmetic where hipt is not measured */
    uint64_t seed;
};

/* What came of beginning to grow. */
enum bench_begun { BENCH_BEGUN = 0, BENCH_TOO_EARLY, BENCH_NOT_BEGUN };

struct bench_bytes {
    size_t forward; /* what finding an entry by its key takes */
    size_t total;   /* everything, hipt's frame records and page lists included */
};

/* What a loop found: what it did wrong makes a figure worthless, the sum keeps the compiler from dropping the loop. */
struct bench_outcome {
    uint64_t wrong;
    uint64_t sum;
};

struct bench_impl {
    const char *name;
    const char *text; /* for --help */

    bool on_request;      /* runs only where --impl names it or says all; the run goes on if it cannot be made */
    bool yardstick;       /* no whole table: no goal is measured against it unless it is named */
    unsigned writers_max; /* threads that may insert and delete at once; 0: any number */

    /*
     * => NULL, with a line on stderr, if it cannot be made. Runs unpinned: helper threads keep out of the way. Is
     * itself NULL where the implementation was not built; @text then says why.
     */
    void *(*create)(const struct bench_geometry *geometry);
    void (*destroy)(void *self);

    /* Inserts @count keys. => how many could not be. NULL where there is nothing to fill. */
    uint64_t (*fill)(void *self, const uint64_t *keys, size_t count);

    void (*bytes)(void *self, struct bench_bytes *bytes);

    /* Around a thread's use of an implementation; both may be NULL. */
    void (*thread_begin)(void *self);
    void (*thread_end)(void *self);

    /*
     * Brings the keys of all threads into the implementation's own form before the clock starts; the next call replaces
     * it. => false if memory is not to be had. May be NULL.
     */
    bool (*prepare)(void *self, enum bench_loop loop, const uint64_t *keys, size_t count);

    /* NULL where a loop has no meaning here. */
    struct bench_outcome (*run[BENCH_LOOPS])(void *self, const struct bench_job *job);

    /* Lookups and inserts that are timed one by one, by one thread each (growth.h). NULL: it cannot grow in use. */
    void (*watch)(void *self, struct bench_growth *growth);
    void (*extend)(void *self, struct bench_growth *growth);

    /*
     * Begin to grow, to hold @entries; and whether it still grows, or has yet to give memory back. NULL, all three:
     * inserts do, and it cannot be told when.
     */
    enum bench_begun (*enlarge)(void *self, uint64_t entries);
    bool (*is_enlarging)(void *self);
    bool (*is_settling)(void *self);
};

extern const struct bench_impl bench_memory;
extern const struct bench_impl bench_lfht;
extern const struct bench_impl bench_hipt;
extern const struct bench_impl bench_ck;
extern const struct bench_impl bench_ck_lock;
extern const struct bench_impl bench_tbb;
extern const struct bench_impl bench_cuckoo;
extern const struct bench_impl bench_dpdk;
extern const struct bench_impl bench_mutex;
extern const struct bench_impl bench_inverted;
extern const struct bench_impl bench_radix;
extern const struct bench_impl bench_cluster;

#ifdef __cplusplus
}
#endif

#endif
