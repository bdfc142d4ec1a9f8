/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "support/host.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_THREAD__)
#define SEES_ORDERS 1
#elif defined(__SANITIZE_ADDRESS__)
#define LOOKS_FOR_LEAKS 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SEES_ORDERS 1
#elif __has_feature(address_sanitizer)
#define LOOKS_FOR_LEAKS 1
#endif
#endif

#ifdef LOOKS_FOR_LEAKS
#include <sanitizer/lsan_interface.h>
#endif

/*
 * Entering a read side reads the counter of grace periods by a read-modify-write. Either it comes before a gp_start(),
 * which then sees the reader, or after, and then the reader sees what was stored before gp_start(). ThreadSanitizer is
 * not shown the second half: it would take it for an order between a writer's stores and every reader's loads, and
 * would miss a publication without release.
 */
#ifdef SEES_ORDERS
#define ENTER_ORDER memory_order_release
#else
#define ENTER_ORDER memory_order_acq_rel
#endif

#define MAGIC UINT64_C(0x68697074686f7374)
#define DEAD_BYTE 0xdd
#define BEYOND_BYTES 64u /* behind each block; in front of it, what its gap has beside the stamp */
#define BEYOND_BYTE 0x01 /* neither 0, nor the address of anything, and true */

/* What stands in front of each block. */
struct stamp {
    uint64_t magic;
    size_t bytes;
    size_t gap; /* from the start of what malloc gave to the block */
    int node;
};

static _Thread_local unsigned thread_number; /* 0: the test's own thread */

_Noreturn void test_broken(const char *condition, const char *file, int line)
{
    fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, condition);
    abort();
}

/* What the test wants to happen in the middle of an operation. */
static void host_interrupt(struct test_host *host)
{
    void (*meanwhile)(void) = host->meanwhile;

    if (meanwhile) {
        host->meanwhile = NULL;
        meanwhile();
    }
}

static void *host_alloc(void *ctx, size_t bytes, size_t align, int node, bool may_wait)
{
    struct test_host *host = (struct test_host *)ctx;
    uint64_t call = atomic_fetch_add(&host->calls, 1u) + 1u;
    size_t gap = align > 64u ? align : 64u;
    size_t whole = (gap + bytes + BEYOND_BYTES + gap - 1u) / gap * gap;
    bool is_placed = node != HIPT_ANY_NODE && !(atomic_load(&host->full) >> node & 1u);
    struct stamp stamp = {MAGIC, bytes, gap, is_placed ? node : HIPT_ANY_NODE};
    char *memory;

    TEST_HOLDS(bytes > 0 && align > 0 && align <= 4096u && (align & (align - 1u)) == 0);
    host_interrupt(host);
    if (may_wait && host->reader[thread_number].depth > 0) {
        atomic_fetch_add(&host->waits, 1u);
    }
    if ((call >= atomic_load(&host->fail_first) && call <= atomic_load(&host->fail_last)) ||
        call == atomic_load(&host->fail_also)) {
        return NULL;
    }
    if (!may_wait && atomic_load(&host->never_hurries)) {
        return NULL;
    }
    memory = (char *)aligned_alloc(gap, whole);
    TEST_HOLDS(memory != NULL);
    memset(memory, BEYOND_BYTE, gap - sizeof(stamp));
    memory += gap;
    memset(memory, 0, bytes);
    memset(memory + bytes, BEYOND_BYTE, BEYOND_BYTES); /* who reads on finds nonsense, who writes on is found out */
    memcpy(memory - sizeof(stamp), &stamp, sizeof(stamp));
    atomic_fetch_add(&host->bytes, bytes);
    atomic_fetch_add(&host->blocks, 1u);
    if (is_placed) {
        atomic_fetch_add(&host->on_node[node], bytes);
    }
    return memory;
}

static void *host_alloc_strict(void *ctx, size_t bytes, size_t align, int node, bool may_wait)
{
    struct test_host *host = (struct test_host *)ctx;

    TEST_HOLDS(node >= 0 && node < (int)HIPT_NODES_MAX);
    if (atomic_load(&host->full) >> node & 1u) {
        atomic_fetch_add(&host->calls, 1u);
        return NULL;
    }
    return host_alloc(ctx, bytes, align, node, may_wait);
}

void test_host_nodes(struct test_host *host)
{
    host->ops.alloc_strict = host_alloc_strict;
}

static void host_free(void *ctx, void *ptr, size_t bytes)
{
    struct test_host *host = (struct test_host *)ctx;
    struct stamp stamp;
    char *memory = (char *)ptr;
    size_t i;

    TEST_HOLDS(ptr != NULL);
    memcpy(&stamp, memory - sizeof(stamp), sizeof(stamp));
    TEST_HOLDS(stamp.magic == MAGIC);
    TEST_HOLDS(stamp.bytes == bytes);
    for (i = bytes; i < bytes + BEYOND_BYTES; i++) {
        TEST_HOLDS(memory[i] == BEYOND_BYTE);
    }
    for (i = sizeof(stamp); i < stamp.gap; i++) {
        TEST_HOLDS(memory[-(ptrdiff_t)i - 1] == BEYOND_BYTE);
    }
    memset(memory - sizeof(stamp), DEAD_BYTE, sizeof(stamp) + bytes);
    atomic_fetch_sub(&host->bytes, bytes);
    atomic_fetch_sub(&host->blocks, 1u);
    if (stamp.node != HIPT_ANY_NODE) {
        atomic_fetch_sub(&host->on_node[stamp.node], bytes);
    }
    free(memory - stamp.gap);
}

static void host_read_enter(void *ctx)
{
    struct test_host *host = (struct test_host *)ctx;
    struct test_reader *reader = &host->reader[thread_number];

    if (reader->depth++ == 0) {
        uint64_t now;

        atomic_store_explicit(&reader->since, 1u, memory_order_relaxed); /* holds up all until it knows better */
        now = atomic_fetch_add_explicit(&host->started, 0, ENTER_ORDER);
        atomic_store_explicit(&reader->since, now, memory_order_relaxed); /* read as it is or as 1, which is as good */
    }
}

static void host_read_exit(void *ctx)
{
    struct test_host *host = (struct test_host *)ctx;
    struct test_reader *reader = &host->reader[thread_number];

    TEST_HOLDS(reader->depth > 0);
    if (--reader->depth == 0) {
        /* release: what was read comes before the next use of its memory */
        atomic_store_explicit(&reader->since, 0, memory_order_release);
    }
}

static uint64_t host_gp_start(void *ctx)
{
    struct test_host *host = (struct test_host *)ctx;

    host_interrupt(host);
    return atomic_fetch_add_explicit(&host->started, 1u, memory_order_acq_rel) + 1u;
}

/* => whether no read side is open that was so when @cookie was given out. */
static bool readers_passed(const struct test_host *host, uint64_t cookie)
{
    unsigned i;

    for (i = 0; i <= TEST_THREADS_MAX; i++) {
        uint64_t since = atomic_load_explicit(&host->reader[i].since, memory_order_acquire);

        if (since != 0 && since < cookie) {
            return false;
        }
    }
    return true;
}

static bool host_gp_elapsed(void *ctx, uint64_t cookie)
{
    struct test_host *host = (struct test_host *)ctx;
    uint64_t elapsed = atomic_load(&host->elapsed);

    TEST_HOLDS(cookie > 0 && cookie <= atomic_load(&host->started));
    if (cookie <= elapsed) {
        return true;
    }
    if ((atomic_load(&host->by_hand) && cookie > atomic_load(&host->allowed)) || !readers_passed(host, cookie)) {
        return false;
    }
    while (elapsed < cookie && !atomic_compare_exchange_weak(&host->elapsed, &elapsed, cookie)) {
        /* another thread has ended another one */
    }
    return true;
}

static void host_gp_wait(void *ctx, uint64_t cookie)
{
    struct test_host *host = (struct test_host *)ctx;

    TEST_HOLDS(host->reader[thread_number].depth == 0);
    test_host_tick(host);
    while (!host_gp_elapsed(ctx, cookie)) {
        sched_yield();
    }
}

static bool host_random(void *ctx, void *buffer, size_t bytes)
{
    struct test_host *host = (struct test_host *)ctx;
    unsigned char *at = (unsigned char *)buffer;
    size_t i;

    for (i = 0; i < bytes; i++) {
        at[i] = (unsigned char)(test_random(&host->random) >> 56);
    }
    return !atomic_load(&host->no_random);
}

void test_host_init(struct test_host *host)
{
    memset(host, 0, sizeof(*host));
    host->ops = (struct hipt_ops){
        .size = sizeof(host->ops),
        .ctx = host,
        .alloc = host_alloc,
        .free = host_free,
        .read_enter = host_read_enter,
        .read_exit = host_read_exit,
        .gp_start = host_gp_start,
        .gp_elapsed = host_gp_elapsed,
        .gp_wait = host_gp_wait,
        .random = host_random,
    };
    host->random = 1;
    atomic_store(&host->started, 1u); /* a reader's word of 1 is older than every cookie */
    atomic_store(&host->by_hand, true);
}

void test_host_tick(struct test_host *host)
{
    atomic_store(&host->allowed, atomic_load(&host->started));
}

void test_host_pass(struct test_host *host)
{
    host->ops.read_exit(host->ops.ctx);
    test_host_tick(host);
    host->ops.read_enter(host->ops.ctx);
}

void test_host_free_run(struct test_host *host)
{
    atomic_store(&host->by_hand, false);
}

void test_host_fail(struct test_host *host, uint64_t first, uint64_t count)
{
    uint64_t calls = atomic_load(&host->calls);

    atomic_store(&host->fail_first, calls + first);
    atomic_store(&host->fail_last, count ? calls + first + count - 1u : 0);
    atomic_store(&host->fail_also, 0);
}

void test_host_fail_two(struct test_host *host, uint64_t first, uint64_t second)
{
    test_host_fail(host, first, 1);
    atomic_store(&host->fail_also, second ? atomic_load(&host->calls) + second : 0);
}

void test_no_leak(void)
{
#ifdef LOOKS_FOR_LEAKS
    TEST_HOLDS(__lsan_do_recoverable_leak_check() == 0);
#endif
}

/* What one thread of a test_threads() gets. */
struct runner {
    void (*body)(void *shared, unsigned index);
    void *shared;
    unsigned index;
    pthread_barrier_t *start;
};

static void *run(void *argument)
{
    const struct runner *runner = (const struct runner *)argument;

    thread_number = runner->index + 1u;
    pthread_barrier_wait(runner->start);
    runner->body(runner->shared, runner->index);
    return NULL;
}

void test_threads(unsigned count, void (*body)(void *shared, unsigned index), void *shared)
{
    struct runner runner[TEST_THREADS_MAX];
    pthread_t thread[TEST_THREADS_MAX];
    pthread_barrier_t start;
    unsigned i;

    TEST_HOLDS(count > 0 && count <= TEST_THREADS_MAX);
    TEST_HOLDS(pthread_barrier_init(&start, NULL, count) == 0);
    for (i = 0; i < count; i++) {
        runner[i] = (struct runner){body, shared, i, &start};
        TEST_HOLDS(pthread_create(&thread[i], NULL, run, &runner[i]) == 0);
    }
    for (i = 0; i < count; i++) {
        TEST_HOLDS(pthread_join(thread[i], NULL) == 0);
    }
    pthread_barrier_destroy(&start);
}

uint64_t test_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(2685821657736338717);
}
