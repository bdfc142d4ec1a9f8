/* SPDX-License-Identifier: MIT */
/*
 * The words, and who moves them:
 *
 *   word       from -> to          by      order     why
 *   started    n -> n (a RMW)      caller  acq_rel   the caller's stores precede period n + 1   [publish:unhook]
 *              n -> n + 1          thread  acquire   ... which begins here                      [observe:unhook]
 *   requested  r -> cookie > r     caller  seq_cst   store buffering with .sleeping, below      [publish:requested]
 *   sleeping   false -> true       thread  seq_cst   store buffering with .requested and .stop  [publish:sleeping]
 *              true -> false       any     relaxed   elects who wakes the thread; the semaphore orders
 *   completed  n -> n + 1          thread  release   sections happen before whoever sees it     [publish:completed]
 *   turns      t -> t + 1          thread  release   whoever sees it sees .completed, too       [publish:turns]
 *   stop       false -> true       closer  seq_cst   as .requested                              [publish:stop]
 *
 * Why the caller's look at .started is a read-modify-write: a load would order nothing after the caller's own stores.
 * As it is, the thread's increment comes after it in the order of that word, reads from it or from what continues its
 * release sequence, and so the grace period that the cookie names begins after the caller's stores.
 *
 * Why no wake-up is lost, and why seq_cst:
 *
 *     caller:  requested = cookie               thread:  sleeping = true
 *              reads sleeping                            reads requested
 *
 * With anything less both could read the old value: the caller would not post, and the thread would sleep on a request.
 * The writes are exchanges, where in C11 stores would do: QEMU 7.2 lets a later load pass such a store when it emulates
 * 64-bit Arm on x86-64, which Arm does not (docs/decisions/0014-emulated-arm.md).
 * A caller that finds its cookie requested already reads .sleeping as well: whoever requested it may have been stopped
 * before it could post. One that is stopped between taking .sleeping and the post stops grace periods until it goes on;
 * hipt's own calls are made inside read sides, and there it stops them anyhow.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "port/user/period.h"

#include <limits.h>
#include <signal.h>
#include <unistd.h>

#include <linux/futex.h>
#include <sys/syscall.h>

/* => the value was not @seen, or somebody woke us, or a signal did. */
static void turns_sleep(_Atomic(uint32_t) *turns, uint32_t seen)
{
    (void)syscall(SYS_futex, turns, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
}

static void turns_wake(_Atomic(uint32_t) *turns)
{
    (void)syscall(SYS_futex, turns, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

/* Post if the thread sleeps, or is about to; one post for one sleep, so the semaphore never counts above 1. */
static void thread_wake(struct hipti_period *period)
{
    /* [observe:sleeping]; relaxed: the exchange only elects who posts, the semaphore orders. */
    if (atomic_load_explicit(&period->sleeping, memory_order_seq_cst) &&
        atomic_exchange_explicit(&period->sleeping, false, memory_order_relaxed)) {
        (void)sem_post(&period->wake);
    }
}

static bool thread_stopped(struct hipti_period *period)
{
    return atomic_load_explicit(&period->stop, memory_order_seq_cst); /* [observe:stop] */
}

/* => somebody waits for a grace period that has not begun. */
static bool thread_wanted(struct hipti_period *period)
{
    /* relaxed: only this thread writes it. */
    uint64_t completed = atomic_load_explicit(&period->completed, memory_order_relaxed);

    return atomic_load_explicit(&period->requested, memory_order_seq_cst) > completed; /* [observe:requested] */
}

static void thread_sleep(struct hipti_period *period)
{
    (void)atomic_exchange_explicit(&period->sleeping, true, memory_order_seq_cst); /* [publish:sleeping] */
    if ((thread_wanted(period) || thread_stopped(period)) &&
        atomic_exchange_explicit(&period->sleeping, false, memory_order_relaxed)) {
        return; /* nobody has taken the flag, so nobody posts */
    }
    while (sem_wait(&period->wake) != 0) {
        /* Interrupted: a debugger, for signals are blocked. */
    }
}

/* One grace period. */
static void thread_turn(struct hipti_period *period)
{
    uint64_t number = atomic_fetch_add_explicit(&period->started, 1, memory_order_acquire) + 1; /* [observe:unhook] */

    period->grace->synchronize();
    atomic_store_explicit(&period->completed, number, memory_order_release); /* [publish:completed] */
    atomic_fetch_add_explicit(&period->turns, 1, memory_order_release);      /* [publish:turns] */
    turns_wake(&period->turns);
}

static void *thread_main(void *arg)
{
    struct hipti_period *period = arg;

    while (!thread_stopped(period)) {
        if (thread_wanted(period)) {
            thread_turn(period);
        } else {
            thread_sleep(period);
        }
    }
    return NULL;
}

/* The thread takes none of the program's signals. */
static bool thread_create(struct hipti_period *period)
{
    sigset_t all;
    sigset_t before;
    bool created;

    sigfillset(&all);
    if (pthread_sigmask(SIG_SETMASK, &all, &before) != 0) {
        return false;
    }
    created = pthread_create(&period->thread, NULL, thread_main, period) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return created;
}

bool hipti_period_open(struct hipti_period *period, const struct hipti_grace *grace)
{
    atomic_init(&period->started, 0);
    atomic_init(&period->requested, 0);
    atomic_init(&period->sleeping, false);
    atomic_init(&period->stop, false);
    atomic_init(&period->completed, 0);
    atomic_init(&period->turns, 0);
    period->grace = grace;
    if (!grace->start() || sem_init(&period->wake, 0, 0) != 0) {
        return false;
    }
    if (!thread_create(period)) {
        (void)sem_destroy(&period->wake);
        return false;
    }
    return true;
}

void hipti_period_close(struct hipti_period *period)
{
    (void)atomic_exchange_explicit(&period->stop, true, memory_order_seq_cst); /* [publish:stop] */
    thread_wake(period);
    (void)pthread_join(period->thread, NULL);
    (void)sem_destroy(&period->wake);
}

uint64_t hipti_period_start(struct hipti_period *period)
{
    uint64_t cookie = atomic_fetch_add_explicit(&period->started, 0, memory_order_acq_rel) + 1; /* [publish:unhook] */
    uint64_t seen = atomic_load_explicit(&period->requested, memory_order_seq_cst); /* [observe:requested] */

    /* [publish:requested] */
    while (seen < cookie && !atomic_compare_exchange_weak_explicit(&period->requested, &seen, cookie,
                                                                   memory_order_seq_cst, memory_order_seq_cst)) {
        /* Somebody else has raised it, perhaps far enough. */
    }
    thread_wake(period);
    return cookie;
}

void hipti_period_wait(struct hipti_period *period, uint64_t cookie)
{
    for (;;) {
        uint32_t seen = atomic_load_explicit(&period->turns, memory_order_acquire); /* [observe:turns] */

        if (hipti_period_elapsed(period, cookie)) {
            return;
        }
        turns_sleep(&period->turns, seen);
    }
}
