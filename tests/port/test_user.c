/* SPDX-License-Identifier: MIT */
/*
 * The user-space port against the conditions written over each hook in hipt/ops.h, with both of its backends.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <criterion/criterion.h>

#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>

#include <hipt/user.h>

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

#define HELD_MS 10u /* how long a grace period is watched that must not end; it would end in less than 1 ms */

static const enum hipt_user_grace backends[] = {HIPT_USER_URCU, HIPT_USER_CK};

#define BACKENDS (sizeof(backends) / sizeof(backends[0]))

/* A thread that enters a section on request, twice nested, and leaves it step by step. */
struct reader {
    const struct hipt_ops *ops;
    pthread_t thread;
    sem_t entered;
    sem_t leave;
    sem_t left;
};

static struct hipt_user *port_open(enum hipt_user_grace grace)
{
    struct hipt_user *user = NULL;

    cr_assert_eq(hipt_user_create(grace, &user), HIPT_OK);
    cr_assert_not_null(user);
    return user;
}

static void port_close(struct hipt_user *user)
{
    cr_assert_eq(hipt_user_bytes(user), 0);
    hipt_user_destroy(user);
}

static void sleep_ms(unsigned ms)
{
    const struct timespec pause = {.tv_sec = 0, .tv_nsec = (long)ms * 1000000};

    (void)nanosleep(&pause, NULL);
}

static void sem_take(sem_t *sem)
{
    while (sem_wait(sem) != 0) {
        /* interrupted */
    }
}

static void *reader_main(void *arg)
{
    struct reader *reader = arg;
    const struct hipt_ops *ops = reader->ops;

    ops->read_enter(ops->ctx);
    ops->read_enter(ops->ctx);
    sem_post(&reader->entered);
    sem_take(&reader->leave);
    ops->read_exit(ops->ctx);
    sem_post(&reader->left);
    sem_take(&reader->leave);
    ops->read_exit(ops->ctx);
    sem_post(&reader->left);
    return NULL;
}

/* => the thread is inside. */
static void reader_start(struct reader *reader, const struct hipt_ops *ops)
{
    reader->ops = ops;
    sem_init(&reader->entered, 0, 0);
    sem_init(&reader->leave, 0, 0);
    sem_init(&reader->left, 0, 0);
    cr_assert_eq(pthread_create(&reader->thread, NULL, reader_main, reader), 0);
    sem_take(&reader->entered);
}

/* => the thread is one level further out. */
static void reader_step(struct reader *reader)
{
    sem_post(&reader->leave);
    sem_take(&reader->left);
}

static void reader_join(struct reader *reader)
{
    pthread_join(reader->thread, NULL);
    sem_destroy(&reader->entered);
    sem_destroy(&reader->leave);
    sem_destroy(&reader->left);
}

static void assert_held(const struct hipt_ops *ops, uint64_t cookie)
{
    for (unsigned ms = 0; ms < HELD_MS; ms++) {
        cr_assert_not(ops->gp_elapsed(ops->ctx, cookie), "a grace period did not wait for a section");
        sleep_ms(1);
    }
}

static void assert_elapses(const struct hipt_ops *ops, uint64_t cookie)
{
    ops->gp_wait(ops->ctx, cookie);
    cr_assert(ops->gp_elapsed(ops->ctx, cookie));
}

static bool is_zero(const unsigned char *block, size_t bytes)
{
    return bytes == 0 || (block[0] == 0 && memcmp(block, block + 1, bytes - 1) == 0);
}

Test(port_user, ops_are_complete)
{
    for (size_t b = 0; b < BACKENDS; b++) {
        struct hipt_user *user = port_open(backends[b]);
        const struct hipt_ops *ops = hipt_user_ops(user);

        cr_assert_eq(ops->size, sizeof(struct hipt_ops));
        cr_assert(ops->alloc && ops->free && ops->gp_start && ops->gp_elapsed && ops->gp_wait && ops->random);
        cr_assert(ops->read_enter && ops->read_exit);
        port_close(user);
    }
    hipt_user_destroy(NULL);
}

Test(port_user, memory_is_zeroed_aligned_and_counted)
{
    static const size_t sizes[] = {1,     7,       64,          4095,         4096,           12345,
                                   65535, 65536,   65537,       1024 * 1024,  2 * 1024 * 1024, 2 * 1024 * 1024 + 1,
                                   5 * 1024 * 1024 - 1};
    struct hipt_user *user = port_open(HIPT_USER_URCU);
    const struct hipt_ops *ops = hipt_user_ops(user);

    for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
        for (size_t align = 1; align <= 4096; align *= 8) {
            /* The second block is likely to be what the first one was, and dirty. */
            for (unsigned turn = 0; turn < 2; turn++) {
                unsigned char *block = ops->alloc(ops->ctx, sizes[s], align, HIPT_ANY_NODE, turn == 0);

                cr_assert_not_null(block);
                cr_assert_eq((uintptr_t)block % align, 0, "%zu bytes, alignment %zu", sizes[s], align);
                cr_assert(is_zero(block, sizes[s]), "%zu bytes", sizes[s]);
                cr_assert_eq(hipt_user_bytes(user), sizes[s]);
                memset(block, 0xa5, sizes[s]);
                ops->free(ops->ctx, block, sizes[s]);
                cr_assert_eq(hipt_user_bytes(user), 0);
            }
        }
    }
    port_close(user);
}

Test(port_user, memory_blocks_do_not_overlap)
{
    enum { BLOCKS = 64 };
    struct hipt_user *user = port_open(HIPT_USER_URCU);
    const struct hipt_ops *ops = hipt_user_ops(user);
    unsigned char *block[BLOCKS];
    size_t total = 0;

    for (size_t n = 0; n < BLOCKS; n++) {
        size_t bytes = (n + 1) * 4000;

        block[n] = ops->alloc(ops->ctx, bytes, 64, HIPT_ANY_NODE, true);
        cr_assert_not_null(block[n]);
        memset(block[n], (int)n + 1, bytes);
        total += bytes;
    }
    cr_assert_eq(hipt_user_bytes(user), total);
    for (size_t n = 0; n < BLOCKS; n++) {
        size_t bytes = (n + 1) * 4000;

        cr_assert_eq(block[n][0], n + 1);
        cr_assert_eq(memcmp(block[n], block[n] + 1, bytes - 1), 0);
        ops->free(ops->ctx, block[n], bytes);
    }
    port_close(user);
}

/* A large block is all there, starts at a huge page, and what the system cannot give is refused and not counted. */
Test(port_user, memory_huge_and_impossible)
{
    const size_t large = (size_t)512 * 1024 * 1024 + 4096;
    struct hipt_user *user = port_open(HIPT_USER_URCU);
    const struct hipt_ops *ops = hipt_user_ops(user);
    unsigned char *block = ops->alloc(ops->ctx, large, 64, HIPT_ANY_NODE, true);

    cr_assert_not_null(block);
    cr_assert_eq((uintptr_t)block % (2 * 1024 * 1024), 0);
    for (size_t at = 0; at < large; at += large / 8) {
        cr_assert_eq(block[at], 0);
        block[at] = 1;
    }
    cr_assert_eq(block[large - 1], 0);
    cr_assert_null(ops->alloc(ops->ctx, SIZE_MAX, 64, HIPT_ANY_NODE, true));
    cr_assert_null(ops->alloc(ops->ctx, SIZE_MAX - 2 * 1024 * 1024, 64, 0, false));
    cr_assert_null(ops->alloc(ops->ctx, SIZE_MAX / 2, 4096, HIPT_ANY_NODE, true));
    cr_assert_eq(hipt_user_bytes(user), large);
    ops->free(ops->ctx, block, large);
    port_close(user);
}

/* What can lie in huge pages is counted, if the system has them and gives them to who asks. */
Test(port_user, memory_huge_is_counted)
{
    struct hipt_user *user = port_open(HIPT_USER_URCU);
    const struct hipt_ops *ops = hipt_user_ops(user);
    FILE *file = fopen("/sys/kernel/mm/transparent_hugepage/enabled", "r");
    char text[64] = "";
    bool has_huge = file && fgets(text, sizeof(text), file) && !strstr(text, "[never]");
    void *large = ops->alloc(ops->ctx, 1 << 20, 64, HIPT_ANY_NODE, true);
    void *small = ops->alloc(ops->ctx, 1000, 64, HIPT_ANY_NODE, true);

    cr_assert_eq(hipt_user_bytes(user), (1 << 20) + 1000);
    cr_assert_eq(hipt_user_huge_bytes(user), has_huge ? 1 << 20 : 0);
    ops->free(ops->ctx, small, 1000);
    cr_assert_eq(hipt_user_huge_bytes(user), has_huge ? 1 << 20 : 0);
    ops->free(ops->ctx, large, 1 << 20);
    cr_assert_eq(hipt_user_huge_bytes(user), 0);
    if (file) {
        fclose(file);
    }
    port_close(user);
}

/* => whether the page at @at has memory. */
static bool is_there(const void *at)
{
    uintptr_t page = (uintptr_t)at & ~(uintptr_t)(sysconf(_SC_PAGESIZE) - 1);
    unsigned char there = 0;

    cr_assert_eq(mincore((void *)page, 1, &there), 0);
    return there & 1u;
}

/*
 * The pages behind a block's last huge page have memory of their own from the beginning, if the system can say so: who
 * writes to one that others read would interrupt them. What can be huge has none before it is used.
 */
Test(port_user, memory_behind_huge_pages_is_there)
{
    const size_t huge = (size_t)2 * 1024 * 1024;
    const size_t bytes = huge + huge / 2 + 64;
    struct hipt_user *user = port_open(HIPT_USER_URCU);
    const struct hipt_ops *ops = hipt_user_ops(user);
    char *block = ops->alloc(ops->ctx, bytes, 64, HIPT_ANY_NODE, true);
    bool populates = false;

    cr_assert_not_null(block);
    cr_assert_not(is_there(block));
#ifdef MADV_POPULATE_WRITE
    populates = hipt_user_huge_bytes(user) > 0 && madvise(block, 1, MADV_POPULATE_WRITE) == 0;
#endif
    if (populates) {
        cr_assert(is_there(block + huge) && is_there(block + bytes - 1));
    }
    ops->free(ops->ctx, block, bytes);
    port_close(user);
}

/* Nodes that the machine does not have are a wish that is not granted, not an error. */
Test(port_user, memory_node_is_a_preference)
{
    static const int nodes[] = {HIPT_ANY_NODE, 0, 1, 63, 64, 1023, 1024, 1000000, INT32_MAX, -2};
    static const size_t sizes[] = {100, 65536, 4 * 1024 * 1024};
    struct hipt_user *user = port_open(HIPT_USER_URCU);
    const struct hipt_ops *ops = hipt_user_ops(user);

    for (size_t n = 0; n < sizeof(nodes) / sizeof(nodes[0]); n++) {
        for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
            unsigned char *block = ops->alloc(ops->ctx, sizes[s], 64, nodes[n], true);

            cr_assert_not_null(block, "node %d, %zu bytes", nodes[n], sizes[s]);
            cr_assert(is_zero(block, sizes[s]));
            block[sizes[s] - 1] = 1;
            ops->free(ops->ctx, block, sizes[s]);
        }
    }
    port_close(user);
}

Test(port_user, random_differs)
{
    struct hipt_user *user = port_open(HIPT_USER_URCU);
    const struct hipt_ops *ops = hipt_user_ops(user);
    unsigned char first[1024] = {0};
    unsigned char second[1024] = {0};

    cr_assert(ops->random(ops->ctx, first, sizeof(first)));
    cr_assert(ops->random(ops->ctx, second, sizeof(second) - 1));
    /* 16 bytes that are all equal by chance: once in 2^128 draws. */
    for (size_t at = 0; at + 16 < sizeof(first); at += 16) {
        cr_assert_neq(memcmp(first + at, second + at, 16), 0);
        cr_assert_not(is_zero(first + at, 16));
    }
    cr_assert_eq(second[sizeof(second) - 1], 0, "a byte beyond the buffer was written");
    port_close(user);
}

static atomic_uint alarms;

static void on_alarm(int signal)
{
    (void)signal;
    atomic_fetch_add_explicit(&alarms, 1, memory_order_relaxed);
}

/* A signal ends a large draw early; the hook asks for the rest. */
Test(port_user, random_survives_signals)
{
    const size_t bytes = (size_t)8 * 1024 * 1024;
    const struct itimerval often = {.it_interval = {.tv_usec = 1000}, .it_value = {.tv_usec = 1000}};
    const struct itimerval never = {.it_interval = {.tv_usec = 0}, .it_value = {.tv_usec = 0}};
    const struct sigaction action = {.sa_handler = on_alarm};
    struct hipt_user *user = port_open(HIPT_USER_URCU);
    const struct hipt_ops *ops = hipt_user_ops(user);
    unsigned char *block = ops->alloc(ops->ctx, bytes, 64, HIPT_ANY_NODE, true);
    bool drawn = true;

    cr_assert_not_null(block);
    cr_assert_eq(sigaction(SIGALRM, &action, NULL), 0);
    cr_assert_eq(setitimer(ITIMER_REAL, &often, NULL), 0);
    for (unsigned n = 0; n < 4 && drawn; n++) {
        memset(block, 0, bytes);
        drawn = ops->random(ops->ctx, block, bytes) && !is_zero(block, 16) && !is_zero(block + bytes - 16, 16);
    }
    cr_assert_eq(setitimer(ITIMER_REAL, &never, NULL), 0);
    cr_assert(drawn);
    cr_assert_gt(atomic_load(&alarms), 0, "no draw was interrupted, so this tested nothing");
    ops->free(ops->ctx, block, bytes);
    port_close(user);
}

Test(port_user, grace_elapses_without_readers)
{
    for (size_t b = 0; b < BACKENDS; b++) {
        struct hipt_user *user = port_open(backends[b]);
        const struct hipt_ops *ops = hipt_user_ops(user);
        uint64_t last = 0;

        for (unsigned n = 0; n < 500; n++) {
            uint64_t cookie = ops->gp_start(ops->ctx);

            cr_assert(cookie >= last && cookie < (uint64_t)1 << 56);
            last = cookie;
            if (n % 3 == 0) {
                assert_elapses(ops, cookie);
            }
        }
        assert_elapses(ops, last);
        port_close(user);
    }
}

/*
 * The thread goes to sleep between requests; each must wake it without help from gp_wait. The pause before a request
 * grows step by step, so that requests fall on every moment of its going to sleep.
 */
Test(port_user, grace_elapses_when_only_polled)
{
    enum { REQUESTS = 6000, PAUSES = 1500 };

    for (size_t b = 0; b < BACKENDS; b++) {
        struct hipt_user *user = port_open(backends[b]);
        const struct hipt_ops *ops = hipt_user_ops(user);

        for (unsigned n = 0; n < REQUESTS; n++) {
            uint64_t cookie;
            unsigned polls = 0;

            for (volatile unsigned pause = n % PAUSES; pause > 0; pause = pause - 1) {
                /* nothing */
            }
            cookie = ops->gp_start(ops->ctx);
            while (!ops->gp_elapsed(ops->ctx, cookie)) {
                if (++polls % 1024 == 0) {
                    sched_yield();
                }
                cr_assert_lt(polls, 100u * 1000 * 1000, "a request was not heard");
            }
        }
        port_close(user);
    }
}

Test(port_user, grace_waits_for_a_reader_that_nests)
{
    for (size_t b = 0; b < BACKENDS; b++) {
        struct hipt_user *user = port_open(backends[b]);
        const struct hipt_ops *ops = hipt_user_ops(user);
        struct reader reader;
        uint64_t cookie;

        reader_start(&reader, ops);
        cookie = ops->gp_start(ops->ctx);
        assert_held(ops, cookie);
        reader_step(&reader);
        assert_held(ops, cookie);
        reader_step(&reader);
        assert_elapses(ops, cookie);
        reader_join(&reader);
        port_close(user);
    }
}

/* A thread may ask from inside, and poll there, for a grace period that waits for itself. */
Test(port_user, grace_waits_for_the_caller)
{
    for (size_t b = 0; b < BACKENDS; b++) {
        struct hipt_user *user = port_open(backends[b]);
        const struct hipt_ops *ops = hipt_user_ops(user);
        uint64_t cookie;

        ops->read_enter(ops->ctx);
        cookie = ops->gp_start(ops->ctx);
        assert_held(ops, cookie);
        ops->read_exit(ops->ctx);
        assert_elapses(ops, cookie);
        port_close(user);
    }
}

/* A grace period that is under way when a reader enters does not count for what is unhooked after that. */
Test(port_user, grace_begins_after_the_request)
{
    for (size_t b = 0; b < BACKENDS; b++) {
        struct hipt_user *user = port_open(backends[b]);
        const struct hipt_ops *ops = hipt_user_ops(user);
        struct reader early;
        struct reader late;
        uint64_t first;
        uint64_t second;

        reader_start(&early, ops);
        first = ops->gp_start(ops->ctx);
        while ((second = ops->gp_start(ops->ctx)) == first) {
            sched_yield(); /* until it is under way, where the early reader holds it */
        }
        reader_start(&late, ops);
        cr_assert_eq(ops->gp_start(ops->ctx), second);
        reader_step(&early);
        reader_step(&early);
        assert_held(ops, second);
        reader_step(&late);
        reader_step(&late);
        assert_elapses(ops, second);
        cr_assert(ops->gp_elapsed(ops->ctx, first));
        reader_join(&early);
        reader_join(&late);
        port_close(user);
    }
}

static void *waiter_main(void *arg)
{
    const struct hipt_ops *ops = arg;

    for (unsigned n = 0; n < 50; n++) {
        assert_elapses(ops, ops->gp_start(ops->ctx));
    }
    return NULL;
}

Test(port_user, grace_has_many_waiters)
{
    enum { WAITERS = 8 };

    for (size_t b = 0; b < BACKENDS; b++) {
        struct hipt_user *user = port_open(backends[b]);
        struct hipt_ops ops = *hipt_user_ops(user);
        pthread_t waiter[WAITERS];

        for (size_t n = 0; n < WAITERS; n++) {
            cr_assert_eq(pthread_create(&waiter[n], NULL, waiter_main, &ops), 0);
        }
        for (size_t n = 0; n < WAITERS; n++) {
            pthread_join(waiter[n], NULL);
        }
        port_close(user);
    }
}

/* What short-lived threads read: a cell that is replaced, poisoned after a grace period, and freed. */
struct cell {
    uint64_t value;
    uint64_t twice;
};

struct shared {
    const struct hipt_ops *ops;
    _Atomic(struct cell *) cell;
    atomic_uint torn;
};

static void *visitor_main(void *arg)
{
    struct shared *shared = arg;
    const struct hipt_ops *ops = shared->ops;

    for (unsigned n = 0; n < 50; n++) {
        const struct cell *cell;
        uint64_t value;

        ops->read_enter(ops->ctx);
        cell = atomic_load_explicit(&shared->cell, memory_order_acquire);
        value = cell->value;
        if (n % 8 == 0) {
            sched_yield();
        }
        if (cell->twice != 2 * value || value == 0) {
            atomic_fetch_add_explicit(&shared->torn, 1, memory_order_relaxed);
        }
        ops->read_exit(ops->ctx);
    }
    return NULL;
}

static void cell_replace(struct shared *shared, uint64_t value)
{
    const struct hipt_ops *ops = shared->ops;
    struct cell *fresh = ops->alloc(ops->ctx, sizeof(*fresh), _Alignof(struct cell), HIPT_ANY_NODE, true);
    struct cell *old;

    cr_assert_not_null(fresh);
    fresh->value = value;
    fresh->twice = 2 * value;
    old = atomic_exchange_explicit(&shared->cell, fresh, memory_order_acq_rel);
    if (old != NULL) {
        ops->gp_wait(ops->ctx, ops->gp_start(ops->ctx));
        memset(old, 0, sizeof(*old));
        ops->free(ops->ctx, old, sizeof(*old));
    }
}

Test(port_user, threads_come_and_go)
{
    enum { WAVES = 40, VISITORS = 6 };

    for (size_t b = 0; b < BACKENDS; b++) {
        struct hipt_user *user = port_open(backends[b]);
        struct shared shared = {.ops = hipt_user_ops(user)};
        uint64_t value = 1;
        struct cell *last;

        cell_replace(&shared, value);
        for (unsigned wave = 0; wave < WAVES; wave++) {
            pthread_t visitor[VISITORS];

            for (size_t n = 0; n < VISITORS; n++) {
                cr_assert_eq(pthread_create(&visitor[n], NULL, visitor_main, &shared), 0);
            }
            for (unsigned n = 0; n < 2; n++) {
                cell_replace(&shared, ++value);
            }
            for (size_t n = 0; n < VISITORS; n++) {
                pthread_join(visitor[n], NULL);
            }
        }
        cr_assert_eq(atomic_load(&shared.torn), 0, "a reader saw a cell after its grace period");
        last = atomic_load(&shared.cell);
        shared.ops->free(shared.ops->ctx, last, sizeof(*last));
        port_close(user);
    }
}

/* Sections of two ports interleave freely in one thread, and one backend's readers do not hold the other's periods. */
Test(port_user, two_ports_at_once)
{
    struct hipt_user *urcu = port_open(HIPT_USER_URCU);
    struct hipt_user *ck = port_open(HIPT_USER_CK);
    const struct hipt_ops *a = hipt_user_ops(urcu);
    const struct hipt_ops *c = hipt_user_ops(ck);
    uint64_t of_a;
    uint64_t of_c;

    a->read_enter(a->ctx);
    of_a = a->gp_start(a->ctx);
    assert_elapses(c, c->gp_start(c->ctx));
    c->read_enter(c->ctx);
    of_c = c->gp_start(c->ctx);
    assert_held(a, of_a);
    a->read_exit(a->ctx);
    assert_elapses(a, of_a);
    assert_held(c, of_c);
    c->read_exit(c->ctx);
    assert_elapses(c, of_c);
    port_close(urcu);
    port_close(ck);
}

/* Two ports of one backend share its readers: each one's grace periods respect the other's sections. */
Test(port_user, two_ports_of_one_backend)
{
    for (size_t b = 0; b < BACKENDS; b++) {
        struct hipt_user *first = port_open(backends[b]);
        struct hipt_user *second = port_open(backends[b]);
        const struct hipt_ops *one = hipt_user_ops(first);
        const struct hipt_ops *two = hipt_user_ops(second);
        struct reader reader;
        uint64_t cookie;

        reader_start(&reader, one);
        cookie = one->gp_start(one->ctx);
        reader_step(&reader);
        assert_held(one, cookie);
        reader_step(&reader);
        assert_elapses(one, cookie);
        assert_elapses(two, two->gp_start(two->ctx));
        reader_join(&reader);
        hipt_user_destroy(first);
        assert_elapses(two, two->gp_start(two->ctx));
        port_close(second);
    }
}

static unsigned thread_count(void)
{
    DIR *tasks = opendir("/proc/self/task");
    unsigned count = 0;

    cr_assert_not_null(tasks);
    while (readdir(tasks) != NULL) {
        count++;
    }
    closedir(tasks);
    return count;
}

/* A joined thread can be listed for a moment longer. */
static void assert_threads(unsigned expected)
{
    for (unsigned ms = 0; ms < 100 && thread_count() != expected; ms++) {
        sleep_ms(1);
    }
    cr_assert_eq(thread_count(), expected);
}

/* Destruction with a grace period just asked for, or under way, ends the thread, too. */
Test(port_user, destroy_ends_the_thread)
{
    unsigned before = 0;

    for (unsigned n = 0; n < 200; n++) {
        struct hipt_user *user = port_open(backends[n % BACKENDS]);
        const struct hipt_ops *ops = hipt_user_ops(user);

        for (unsigned asked = 0; asked < n % 4; asked++) {
            (void)ops->gp_start(ops->ctx);
        }
        port_close(user);
        if (n == 0) {
            before = thread_count(); /* sanitizers have threads of their own */
        }
    }
    assert_threads(before);
}

/*
 * A destructor of thread-specific storage may read, also after the backend's own destructor has run: the second call is
 * in a later round of destructors. The section is one like any other.
 */
#define LATE_ROUNDS 2u

struct late {
    const struct hipt_ops *ops;
    unsigned rounds;
    sem_t entered;
    sem_t leave;
    sem_t go_on; /* the grace period has been seen to end: it may have waited for the next section otherwise, too */
};

static pthread_key_t late_key;

static void late_main(void *arg)
{
    struct late *late = arg;
    const struct hipt_ops *ops = late->ops;

    ops->read_enter(ops->ctx);
    sem_post(&late->entered);
    sem_take(&late->leave);
    ops->read_exit(ops->ctx);
    sem_take(&late->go_on);
    if (++late->rounds < LATE_ROUNDS) {
        pthread_setspecific(late_key, late);
    }
}

static void *late_thread(void *arg)
{
    struct late *late = arg;
    const struct hipt_ops *ops = late->ops;

    ops->read_enter(ops->ctx);
    ops->read_exit(ops->ctx);
    pthread_setspecific(late_key, late);
    return NULL;
}

Test(port_user, sections_in_thread_destructors)
{
    cr_assert_eq(pthread_key_create(&late_key, late_main), 0);
    for (size_t b = 0; b < BACKENDS; b++) {
        struct hipt_user *user = port_open(backends[b]);
        struct late late = {.ops = hipt_user_ops(user)};
        pthread_t thread;

        sem_init(&late.entered, 0, 0);
        sem_init(&late.leave, 0, 0);
        sem_init(&late.go_on, 0, 0);
        cr_assert_eq(pthread_create(&thread, NULL, late_thread, &late), 0);
        for (unsigned round = 0; round < LATE_ROUNDS; round++) {
            uint64_t cookie;

            sem_take(&late.entered);
            cookie = late.ops->gp_start(late.ops->ctx);
            assert_held(late.ops, cookie);
            sem_post(&late.leave);
            assert_elapses(late.ops, cookie);
            sem_post(&late.go_on);
        }
        pthread_join(thread, NULL);
        cr_assert_eq(late.rounds, LATE_ROUNDS);
        sem_destroy(&late.entered);
        sem_destroy(&late.leave);
        sem_destroy(&late.go_on);
        port_close(user);
    }
    pthread_key_delete(late_key);
}

#if !SANITIZED

/* Take the rest of the heap, block sizes down to the smallest. => a list to give back. */
static void **heap_exhaust(void)
{
    void **taken = NULL;

    for (size_t bytes = (size_t)1 << 20; bytes >= sizeof(void *); bytes /= 2) {
        void **block;

        while ((block = malloc(bytes)) != NULL) {
            *block = taken;
            taken = block;
        }
    }
    return taken;
}

static void heap_give_back(void **taken)
{
    while (taken != NULL) {
        void **next = *taken;

        free(taken);
        taken = next;
    }
}

/* ck_epoch wants memory for a thread's first section. Without it the section still is one, nested sections included. */
Test(port_user, section_without_memory)
{
    struct hipt_user *user = port_open(HIPT_USER_CK);
    const struct hipt_ops *ops = hipt_user_ops(user);
    struct rlimit before;
    struct rlimit none;
    uint64_t cookie;
    void **taken;
    void *volatile probe; /* volatile: a compiler may leave out an allocation that nobody uses */

    cr_assert_eq(getrlimit(RLIMIT_AS, &before), 0);
    none = before;
    none.rlim_cur = 0;
    cr_assert_eq(setrlimit(RLIMIT_AS, &none), 0);
    taken = heap_exhaust();
    probe = aligned_alloc(64, 64); /* no larger than a record */
    ops->read_enter(ops->ctx);
    heap_give_back(taken);
    (void)setrlimit(RLIMIT_AS, &before);
    cr_assert_null(probe, "there still was memory, so this tested nothing");

    ops->read_enter(ops->ctx);
    cookie = ops->gp_start(ops->ctx);
    assert_held(ops, cookie);
    ops->read_exit(ops->ctx);
    assert_held(ops, cookie);
    ops->read_exit(ops->ctx);
    assert_elapses(ops, cookie);

    ops->read_enter(ops->ctx);
    cookie = ops->gp_start(ops->ctx);
    assert_held(ops, cookie);
    ops->read_exit(ops->ctx);
    assert_elapses(ops, cookie);
    port_close(user);
}

#endif
