/* SPDX-License-Identifier: MIT */
/*
 * Grace periods of one port: a thread that runs them one after the other while somebody waits for one, and sleeps
 * otherwise. A cookie is the number of a grace period, counted from 1; at a million in a second, 2^56 last 2000 years.
 */
#ifndef HIPT_PORT_USER_PERIOD_H
#define HIPT_PORT_USER_PERIOD_H

#include <assert.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/atomic.h"
#include "base/bits.h"
#include "port/user/grace.h"

#define HIPTI_PERIOD_LINE 64

struct hipti_period {
    /* What callers and the thread both write. */
    HIPTI_ALIGNED(HIPTI_PERIOD_LINE) HIPTI_ATOMIC(uint64_t) started; /* atomic: the last that has begun */
    HIPTI_ATOMIC(uint64_t) requested;                                /* atomic: the last that somebody waits for */
    HIPTI_ATOMIC(bool) sleeping;                                     /* atomic: the thread waits, or is about to */
    HIPTI_ATOMIC(bool) stop;                                         /* atomic: the thread is to end */

    /* What callers read on every poll and the thread writes once a grace period. */
    HIPTI_ALIGNED(HIPTI_PERIOD_LINE) HIPTI_ATOMIC(uint64_t) completed; /* atomic: the last one that has ended */
    HIPTI_ATOMIC(uint32_t) turns; /* atomic: low bits of .completed, the futex of waiters */

    /* What nobody touches while it runs. */
    HIPTI_ALIGNED(HIPTI_PERIOD_LINE) const struct hipti_grace *grace; /* constant */
    pthread_t thread;                                            /* constant */
    sem_t wake;                                                  /* atomic: at most one post, for one .sleeping */
};

static_assert(offsetof(struct hipti_period, completed) == HIPTI_PERIOD_LINE, "polls and requests share no line");
static_assert(offsetof(struct hipti_period, grace) == 2 * HIPTI_PERIOD_LINE, "polls and constants share no line");

/* => false if the backend, the semaphore or the thread was not to be had; nothing is left behind then. */
bool hipti_period_open(struct hipti_period *period, const struct hipti_grace *grace);

/* End the thread, after the grace period that it is in. Nobody waits for one or asks for one. */
void hipti_period_close(struct hipti_period *period);

/* => the cookie of a grace period that has not begun yet; it is asked for. Any context, read side included. */
uint64_t hipti_period_start(struct hipti_period *period);

/* => true, with acquire order, if the grace period of @cookie has ended. */
static inline bool hipti_period_elapsed(const struct hipti_period *period, uint64_t cookie)
{
    return atomic_load_explicit(&period->completed, memory_order_acquire) >= cookie; /* [observe:completed] */
}

/* => The grace period of @cookie has ended. The caller is outside any section and may sleep. */
void hipti_period_wait(struct hipti_period *period, uint64_t cookie);

#endif
