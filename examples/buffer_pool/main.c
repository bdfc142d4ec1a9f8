/* SPDX-License-Identifier: MIT */
/*
 * A database's buffer pool: (file, block) -> frame, with pins, second chance (clock) eviction and write-back. In
 * table_pool.c hipt is its page table. Beside it, in map_pool.c, a pool with the same eviction on a textbook hash map
 * under one mutex. Here is what uses both and checks them.
 *
 *     buffer_pool                                            a second with small sizes: the test
 *     buffer_pool --seconds 20 --threads 2 --blocks 16384    figures: both in turns, the median of the rounds
 *     buffer_pool --writes 1                                 every access writes, one of so many; 8 by default
 *     buffer_pool --json                                     a line for each case and pool
 *     buffer_pool --plant unused                             blocks are used after they were put back,
 *     buffer_pool --plant unwritten                          what is evicted is not written back: must be noticed
 *
 * The cases: all blocks fit; a quarter of them does. Low numbers are drawn more often than high ones.
 *
 * Every access checks the block's stamp, a write adds one to a number in the block, and at the end the numbers in the
 * files say whether an update was lost. Exit status: 0; 1: wrong contents; 2: usage. Speed is never judged.
 */
#define _POSIX_C_SOURCE 200809L
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "pool.h"

enum { POOLS = 2, CASES = 2, ROUNDS = 5, BLOCKS_MIN = 4 * THREADS_MAX };

static const struct kind *const kinds[POOLS] = {&table_pool, &map_pool};
static _Atomic bool is_over, is_wrong;

void wrong(const char *what, uint64_t is, uint64_t should)
{
    fprintf(stderr, "wrong contents: %s: %llx, should be %llx\n", what, (unsigned long long)is,
            (unsigned long long)should);
    atomic_store(&is_wrong, true);
}

static void transfer(struct pool *pool, uint64_t frame, struct block block, bool is_write)
{
    void *memory = pool->contents[frame];
    off_t at = (off_t)(block.number * sizeof(pool->contents[0]));
    ssize_t done = is_write ? pwrite(pool->fd[block.file], memory, sizeof(pool->contents[0]), at)
                            : pread(pool->fd[block.file], memory, sizeof(pool->contents[0]), at);

    if (done != (ssize_t)sizeof(pool->contents[0])) {
        wrong("bytes transferred", (uint64_t)done, sizeof(pool->contents[0]));
    }
}

void read_in(struct pool *pool, uint64_t frame, struct block block)
{
    transfer(pool, frame, block, false);
}

void write_back(struct pool *pool, uint64_t frame, struct block block)
{
    if (!pool->options->unwritten) {
        transfer(pool, frame, block, true);
    }
}

/* --- files and their contents: a stamp in the first and last word, a number between them */

static uint64_t stamp(struct block block)
{
    return (uint64_t)(block.file + 1) << 56 | block.number;
}

/* Files that are gone when the program ends, however it ends. */
static bool files_make(struct pool *pool)
{
    char folder[] = "/tmp/buffer_pool.XXXXXX";
    static uint64_t contents[WORDS];
    char name[sizeof(folder) + 8];
    bool is_right = mkdtemp(folder) != NULL;

    for (uint32_t file = 0; file < FILES && is_right; file++) {
        (void)snprintf(name, sizeof(name), "%s/%u", folder, (unsigned)file);
        pool->fd[file] = open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
        is_right = pool->fd[file] >= 0 && unlink(name) == 0;
        for (uint64_t i = 0; i < pool->options->blocks && is_right; i++) {
            contents[0] = contents[WORDS - 1] = stamp((struct block){file, i});
            is_right = pwrite(pool->fd[file], contents, sizeof(contents), (off_t)(i * sizeof(contents))) ==
                       (ssize_t)sizeof(contents);
        }
    }
    return rmdir(folder) == 0 && is_right;
}

/* All frames have a block then. */
static void pool_fill(struct pool *pool)
{
    for (uint64_t i = 0; i < pool->nframes; i++) {
        bool is_hit;
        uint64_t frame = pool->kind->get(pool, 0, (struct block){i % FILES, i / FILES}, false, &is_hit);

        pool->kind->put(pool, frame, false);
    }
}

static bool pool_open(struct pool *pool, const struct kind *kind, const struct options *options, uint64_t nframes)
{
    bool is_open;

    *pool = (struct pool){.kind = kind, .options = options, .nframes = nframes, .lock = PTHREAD_MUTEX_INITIALIZER};
    pool->contents = aligned_alloc(sizeof(pool->contents[0]), nframes * sizeof(pool->contents[0]));
    is_open = pool->contents && files_make(pool) && kind->open(pool);
    if (is_open) {
        pool_fill(pool);
    }
    return is_open;
}

/* Write back what is dirty, then see whether the files have every update. */
static void pool_close(struct pool *pool)
{
    uint64_t contents[WORDS];
    struct block block;
    uint64_t sum = 0;

    for (uint64_t frame = 0; frame < pool->fresh; frame++) {
        if (pool->kind->is_dirty(pool, frame, &block)) {
            transfer(pool, frame, block, true);
        }
    }
    for (unsigned file = 0; file < FILES; file++) {
        while (read(pool->fd[file], contents, sizeof(contents)) == (ssize_t)sizeof(contents)) {
            sum += contents[1];
        }
        close(pool->fd[file]);
    }
    if (sum != pool->writes) {
        wrong("updates in the files", sum, pool->writes);
    }
    pool->kind->close(pool);
    free(pool->contents);
}

/* --- work */

struct worker {
    _Alignas(64) struct pool *pool;
    unsigned number;
    uint64_t random;
    uint64_t operations, hits, writes;
};

static uint64_t draw(struct worker *worker, uint64_t bound)
{
    worker->random ^= worker->random << 13;
    worker->random ^= worker->random >> 7;
    worker->random ^= worker->random << 17;
    return worker->random % bound;
}

static void use(struct worker *worker, _Atomic uint64_t *contents, struct block block, bool writes)
{
    uint64_t first = atomic_load_explicit(&contents[0], memory_order_relaxed);
    uint64_t last = atomic_load_explicit(&contents[WORDS - 1], memory_order_relaxed);

    if (first != stamp(block) || last != first) {
        wrong("stamp of a block", first != stamp(block) ? first : last, stamp(block));
    } else if (writes) {
        atomic_fetch_add_explicit(&contents[1], 1, memory_order_relaxed);
        worker->writes++;
    }
}

/* The planted fault: for long enough that others need the frame. */
static void put_before_use(struct worker *worker, uint64_t frame, bool writes)
{
    static const struct timespec nap = {.tv_nsec = 20000000};

    worker->pool->kind->put(worker->pool, frame, writes);
    if (draw(worker, 64) == 0) {
        nanosleep(&nap, NULL);
    }
}

static void *work(void *argument)
{
    struct worker *worker = argument;
    struct pool *pool = worker->pool;

    while (!atomic_load_explicit(&is_over, memory_order_relaxed) && !atomic_load(&is_wrong)) {
        uint64_t edge = 1 + draw(worker, pool->options->blocks); /* low numbers are drawn more often */
        struct block block = {(uint32_t)draw(worker, FILES), draw(worker, edge)};
        bool writes = draw(worker, pool->options->writes) == 0;
        bool is_hit;
        uint64_t frame = pool->kind->get(pool, worker->number, block, writes, &is_hit);

        if (pool->options->unused) {
            put_before_use(worker, frame, writes);
        }
        use(worker, pool->contents[frame], block, writes);
        if (!pool->options->unused) {
            pool->kind->put(pool, frame, writes);
        }
        worker->operations++;
        worker->hits += is_hit;
    }
    return NULL;
}

static double now(void)
{
    struct timespec time;

    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

/* => operations a second. */
static double slice(struct pool *pool, double seconds)
{
    struct timespec nap = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    struct worker workers[THREADS_MAX];
    pthread_t threads[THREADS_MAX];
    uint64_t before = pool->operations;
    double begin = now();

    atomic_store(&is_over, false);
    for (unsigned i = 0; i < pool->options->threads; i++) {
        workers[i] = (struct worker){.pool = pool, .number = i, .random = before * 2 + i * 977 + 1};
        if (pthread_create(&threads[i], NULL, work, &workers[i]) != 0) {
            exit(1);
        }
    }
    nanosleep(&nap, NULL);
    atomic_store(&is_over, true);
    for (unsigned i = 0; i < pool->options->threads; i++) {
        pthread_join(threads[i], NULL);
        pool->operations += workers[i].operations;
        pool->hits += workers[i].hits;
        pool->writes += workers[i].writes;
    }
    return (double)(pool->operations - before) / (now() - begin);
}

static int by_size(const void *a, const void *b)
{
    return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b);
}

static bool run(const struct options *options, const char *name, uint64_t nframes)
{
    static const char *const format[] = {"%-9s  %-5s  %u threads  %10.0f operations/s  %5.1f %% hits\n",
        "{\"case\": \"%s\", \"pool\": \"%s\", \"threads\": %u, \"per_second\": %.0f, \"hits_percent\": %.1f}\n"};
    double rate[POOLS][ROUNDS];
    struct pool pool[POOLS];

    for (unsigned i = 0; i < POOLS; i++) {
        if (!pool_open(&pool[i], kinds[i], options, nframes)) {
            perror("buffer_pool");
            return false;
        }
    }
    for (unsigned round = 0; round < ROUNDS; round++) {
        for (unsigned i = 0; i < POOLS; i++) {
            unsigned turn = (i + round) % POOLS;

            rate[turn][round] = slice(&pool[turn], options->seconds / (CASES * POOLS * ROUNDS));
        }
    }
    for (unsigned i = 0; i < POOLS && !atomic_load(&is_wrong); i++) {
        qsort(rate[i], ROUNDS, sizeof(rate[i][0]), by_size);
        printf(format[options->json], name, kinds[i]->name, options->threads, rate[i][ROUNDS / 2],
               100.0 * (double)pool[i].hits / (double)pool[i].operations);
        pool_close(&pool[i]);
    }
    return !atomic_load(&is_wrong);
}

static bool parse(struct options *options, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";

        if (strcmp(argv[i], "--json") == 0) {
            options->json = true;
            continue;
        }
        if (strcmp(argv[i], "--seconds") == 0) {
            options->seconds = strtod(value, NULL);
        } else if (strcmp(argv[i], "--threads") == 0) {
            options->threads = (unsigned)strtoul(value, NULL, 10);
        } else if (strcmp(argv[i], "--blocks") == 0) {
            options->blocks = strtoull(value, NULL, 10);
        } else if (strcmp(argv[i], "--writes") == 0) {
            options->writes = strtoull(value, NULL, 10);
        } else if (strcmp(argv[i], "--plant") == 0 && strcmp(value, "unused") == 0) {
            options->unused = true;
        } else if (strcmp(argv[i], "--plant") == 0 && strcmp(value, "unwritten") == 0) {
            options->unwritten = true;
        } else {
            return false;
        }
        i++;
    }
    return options->seconds > 0 && options->seconds < 1e5 && options->threads >= 1 && options->writes >= 1 &&
           options->threads <= THREADS_MAX && options->blocks >= BLOCKS_MIN && options->blocks < 1 << 24;
}

int main(int argc, char **argv)
{
    struct options options = {.threads = 2, .seconds = 1, .blocks = 256, .writes = 8};

    if (!parse(&options, argc, argv)) {
        bool is_help = argc == 2 && strcmp(argv[1], "--help") == 0;

        fprintf(is_help ? stdout : stderr, "usage: buffer_pool [--seconds N] [--threads N] [--blocks N] [--writes N] "
                "[--json] [--plant unused|unwritten]\n1 to %d threads; %d blocks of each file or more; a write in so "
                "many accesses\n", THREADS_MAX, BLOCKS_MIN);
        return is_help ? 0 : 2;
    }
    return run(&options, "in memory", FILES * options.blocks) && run(&options, "evicting", options.blocks) ? 0 : 1;
}
