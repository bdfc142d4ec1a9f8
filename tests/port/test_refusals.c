/* SPDX-License-Identifier: MIT */
/*
 * The system says no to the user-space port: each thing that a port takes when it is made is refused in turn, and calls
 * that a signal interrupts are made again. This binary is linked so that the port's calls of these functions come here.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <criterion/criterion.h>

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>

#include <hipt/cpu.h>
#include <hipt/table.h>
#include <hipt/user.h>

#include "support/host.h"

static bool refuses_memory;
static bool refuses_mask;
static bool refuses_thread;
static bool refuses_semaphore;
static bool refuses_key;
static bool refuses_membarrier;
static unsigned barriers_short; /* calls for which the kernel has no memory, to come */
static bool refuses_action;
static int random_error;
static unsigned random_at_most;
static _Atomic unsigned interruptions; /* of sem_wait, to come */

void *__real_aligned_alloc(size_t align, size_t bytes);
void *__wrap_aligned_alloc(size_t align, size_t bytes);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*body)(void *), void *argument);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*body)(void *), void *argument);
int __real_pthread_sigmask(int how, const sigset_t *set, sigset_t *old);
int __wrap_pthread_sigmask(int how, const sigset_t *set, sigset_t *old);
int __real_pthread_setspecific(pthread_key_t key, const void *value);
int __wrap_pthread_setspecific(pthread_key_t key, const void *value);
int __real_sem_init(sem_t *sem, int shared, unsigned value);
int __wrap_sem_init(sem_t *sem, int shared, unsigned value);
int __real_sem_wait(sem_t *sem);
int __wrap_sem_wait(sem_t *sem);
int __real_sigaction(int number, const struct sigaction *action, struct sigaction *old);
int __wrap_sigaction(int number, const struct sigaction *action, struct sigaction *old);
long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
ssize_t __real_getrandom(void *buffer, size_t bytes, unsigned flags);
ssize_t __wrap_getrandom(void *buffer, size_t bytes, unsigned flags);

void *__wrap_aligned_alloc(size_t align, size_t bytes)
{
    return refuses_memory ? NULL : __real_aligned_alloc(align, bytes);
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*body)(void *), void *argument)
{
    return refuses_thread ? EAGAIN : __real_pthread_create(thread, attr, body, argument);
}

int __wrap_pthread_sigmask(int how, const sigset_t *set, sigset_t *old)
{
    return refuses_mask ? EINVAL : __real_pthread_sigmask(how, set, old);
}

int __wrap_pthread_setspecific(pthread_key_t key, const void *value)
{
    return refuses_key ? ENOMEM : __real_pthread_setspecific(key, value);
}

int __wrap_sem_init(sem_t *sem, int shared, unsigned value)
{
    if (refuses_semaphore) {
        errno = ENOSYS;
        return -1;
    }
    return __real_sem_init(sem, shared, value);
}

int __wrap_sem_wait(sem_t *sem)
{
    unsigned left = atomic_load(&interruptions);

    if (left > 0) {
        atomic_store(&interruptions, left - 1u);
        errno = EINTR;
        return -1;
    }
    return __real_sem_wait(sem);
}

int __wrap_sigaction(int number, const struct sigaction *action, struct sigaction *old)
{
    return refuses_action && action && action->sa_handler != SIG_DFL ? -1 : __real_sigaction(number, action, old);
}

long __wrap_syscall(long number, ...)
{
    long argument[6];
    va_list list;
    unsigned i;

    va_start(list, number);
    for (i = 0; i < 6u; i++) {
        argument[i] = va_arg(list, long);
    }
    va_end(list);
    if (number == SYS_membarrier && barriers_short > 0) {
        barriers_short--;
        errno = ENOMEM;
        return -1;
    }
    if (number == SYS_membarrier && refuses_membarrier) {
        errno = ENOSYS;
        return -1;
    }
    return __real_syscall(number, argument[0], argument[1], argument[2], argument[3], argument[4], argument[5]);
}

/* An error once, then a few bytes at a time. */
ssize_t __wrap_getrandom(void *buffer, size_t bytes, unsigned flags)
{
    if (random_error != 0) {
        errno = random_error;
        random_error = random_error == EINTR ? 0 : random_error;
        return -1;
    }
    return __real_getrandom(buffer, random_at_most > 0 && bytes > random_at_most ? random_at_most : bytes, flags);
}

static const enum hipt_user_grace backends[] = {HIPT_USER_URCU, HIPT_USER_CK};

/* A port that works: a grace period passes. */
static void cr_expect_works(struct hipt_user *user)
{
    const struct hipt_ops *ops = hipt_user_ops(user);
    uint64_t cookie = ops->gp_start(ops->ctx);

    ops->gp_wait(ops->ctx, cookie);
    cr_assert(ops->gp_elapsed(ops->ctx, cookie));
    hipt_user_destroy(user);
}

static bool *const refusals[] = {&refuses_memory, &refuses_mask, &refuses_thread, &refuses_semaphore};

/* No port, HIPT_NOMEM, the thread's signals as they were and nothing lost; then a port. */
Test(refusals, each_thing_that_a_port_takes)
{
    sigset_t before;
    sigset_t after;
    size_t backend;
    size_t i;

    memset(&before, 0, sizeof(before)); /* not all of it is written */
    memset(&after, 0, sizeof(after));
    cr_assert_eq(__real_pthread_sigmask(SIG_SETMASK, NULL, &before), 0);
    for (backend = 0; backend < 2u; backend++) {
        for (i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
            struct hipt_user *user = (struct hipt_user *)(void *)&user;

            *refusals[i] = true;
            cr_expect_eq(hipt_user_create(backends[backend], &user), HIPT_NOMEM, "refusal %zu", i);
            *refusals[i] = false;
            cr_expect_null(user);
            cr_assert_eq(__real_pthread_sigmask(SIG_SETMASK, NULL, &after), 0);
            cr_expect_eq(memcmp(&before, &after, sizeof(before)), 0);
            cr_assert_eq(hipt_user_create(backends[backend], &user), HIPT_OK);
            cr_expect_works(user);
        }
    }
    test_no_leak();
}

/* A source of grace periods that there is not. */
Test(refusals, an_unknown_backend)
{
    struct hipt_user *user = (struct hipt_user *)(void *)&user;

    cr_expect_eq(hipt_user_create((enum hipt_user_grace)7, &user), HIPT_BAD_OPS);
    cr_expect_null(user);
    refuses_memory = true;
    cr_expect_eq(hipt_user_create((enum hipt_user_grace)7, &user), HIPT_BAD_OPS);
    test_no_leak();
}

/* A kernel without membarrier(), a program that uses every signal: the port stays as it was. */
Test(refusals, S1_no_such_delivery)
{
    struct hipt_user *user;

    cr_assert_eq(hipt_user_create(HIPT_USER_URCU, &user), HIPT_OK);
    refuses_membarrier = true;
    refuses_action = true;
    cr_expect_eq(hipt_user_deliver(user, HIPT_USER_MEMBARRIER, NULL), HIPT_BAD_MODE);
    cr_expect_eq(hipt_user_deliver(user, HIPT_USER_SIGNAL, hipt_cpu_interrupt), HIPT_BAD_MODE);
    cr_expect_null(hipt_user_ops(user)->barrier);
    cr_expect_null(hipt_user_ops(user)->kick);
    refuses_membarrier = false;
    cr_expect_eq(hipt_user_deliver(user, HIPT_USER_MEMBARRIER, NULL), HIPT_OK);
    cr_expect_not_null(hipt_user_ops(user)->barrier);
    cr_expect_eq(hipt_user_deliver(user, HIPT_USER_POLL, NULL), HIPT_OK);
    cr_expect_null(hipt_user_ops(user)->barrier);
    cr_expect_works(user);
}

static const struct hipt_ops *ops_with_barrier(void)
{
    struct hipt_user *user;

    cr_assert_eq(hipt_user_create(HIPT_USER_URCU, &user), HIPT_OK);
    cr_assert_eq(hipt_user_deliver(user, HIPT_USER_MEMBARRIER, NULL), HIPT_OK);
    return hipt_user_ops(user);
}

/* A barrier that does not happen is asked for again: until it has, a CPU that goes inside may be overlooked. */
Test(refusals, S1_a_barrier_that_is_short_of_memory)
{
    const struct hipt_ops *ops = ops_with_barrier();

    barriers_short = 3;
    ops->barrier(ops->ctx);
    cr_expect_eq(barriers_short, 0u);
}

Test(refusals, S1_a_barrier_that_is_forbidden, .signal = SIGABRT)
{
    const struct hipt_ops *ops = ops_with_barrier();

    refuses_membarrier = true;
    ops->barrier(ops->ctx);
}

/* X1: an interrupted draw is made again, a short one goes on, and one that fails makes no table. */
Test(refusals, X1_random_bytes)
{
    static const struct hipt_range range = {.first = 0, .count = 10};
    unsigned char drawn[40] = {0};
    struct hipt_config config;
    struct hipt_table *table;
    const struct hipt_ops *ops;
    struct hipt_user *user;
    unsigned zeros = 0;
    size_t i;

    cr_assert_eq(hipt_user_create(HIPT_USER_URCU, &user), HIPT_OK);
    ops = hipt_user_ops(user);
    random_error = EINTR;
    random_at_most = 3;
    cr_assert(ops->random(ops->ctx, drawn, sizeof(drawn)));
    for (i = 0; i < sizeof(drawn); i++) {
        zeros += drawn[i] == 0;
    }
    cr_expect_lt(zeros, 10u, "all of it was drawn");
    hipt_config_init(&config);
    config.ops = ops;
    config.capacity = 100;
    config.ranges = &range;
    config.nranges = 1;
    random_error = ENOSYS;
    cr_expect_eq(hipt_table_create(&config, &table), HIPT_NOMEM);
    cr_expect_null(table);
    cr_expect_eq(hipt_user_bytes(user), 0);
    random_error = 0;
    cr_assert_eq(hipt_table_create(&config, &table), HIPT_OK);
    hipt_table_destroy(table);
    hipt_user_destroy(user);
    test_no_leak();
}

/* The thread of grace periods sleeps on where something wakes it that asked for nothing. */
Test(refusals, R1_an_interrupted_sleep)
{
    struct hipt_user *user;

    atomic_store(&interruptions, 3u);
    cr_assert_eq(hipt_user_create(HIPT_USER_CK, &user), HIPT_OK);
    while (atomic_load(&interruptions) > 0) {
        /* until it has tried to sleep */
    }
    cr_expect_works(user);
}

static _Atomic bool entered;
static _Atomic bool leave;

/* A thread whose record can not be kept: its section counts among those that belong to no record. */
static void *read_without_a_record(void *argument)
{
    const struct hipt_ops *ops = (const struct hipt_ops *)argument;

    refuses_key = true;
    ops->read_enter(ops->ctx);
    refuses_key = false;
    atomic_store(&entered, true);
    while (!atomic_load(&leave)) {
        /* inside */
    }
    ops->read_exit(ops->ctx);
    return NULL;
}

/* R1: a grace period waits for a section also where there is nothing to remember the thread by. */
Test(refusals, R1_a_section_without_a_record)
{
    const struct hipt_ops *ops;
    struct hipt_user *user;
    pthread_t thread;
    uint64_t cookie;
    unsigned i;

    cr_assert_eq(hipt_user_create(HIPT_USER_CK, &user), HIPT_OK);
    ops = hipt_user_ops(user);
    cr_assert_eq(pthread_create(&thread, NULL, read_without_a_record, (void *)(uintptr_t)ops), 0);
    while (!atomic_load(&entered)) {
        /* until it is inside */
    }
    cookie = ops->gp_start(ops->ctx);
    for (i = 0; i < 100000u; i++) {
        cr_assert(!ops->gp_elapsed(ops->ctx, cookie));
    }
    atomic_store(&leave, true);
    cr_assert_eq(pthread_join(thread, NULL), 0);
    ops->gp_wait(ops->ctx, cookie);
    cr_expect_works(user);
}
