/* SPDX-License-Identifier: MIT */
/*
 * Grace periods from Concurrency Kit's ck_epoch: one epoch for the process, one record for each thread that reads.
 *
 * A record is never given back to the heap, because the epoch's list of records only grows; a thread that ends leaves
 * its record for the next one, so there are as many as threads were ever reading at once.
 *
 * read_enter cannot fail, but a record can be out of reach when memory is. Such a thread is an orphan for as long as
 * its section lasts: it is counted in one shared word, and a grace period waits until it has seen that word zero.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "port/user/grace.h"
#include "port/user/token.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <time.h>

#include <ck_epoch.h>
#include <ck_pr.h>

#define PATIENCE 64u /* looks at a reader before the first nap: a section of some lookups has ended by then */
#define NAP_NS 50000 /* a section that outlives the looks is long, or waits for this processor */

HIPTI_TOKENS_DEFINE(tokens);

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool started; /* constant after once */
static pthread_key_t key;
static ck_epoch_t epoch;
static atomic_uint orphans; /* sections under way without a record */

static _Thread_local ck_epoch_record_t *record; /* NULL: none yet, or none any more */
static _Thread_local unsigned orphaned;         /* depth of this thread's sections without a record */

/* At a thread's end. A destructor of another key may enter again: that registers anew, and this is called again. */
static void forget(void *mine)
{
    HIPTI_TOKEN_HAND_OVER(mine);
    ck_epoch_unregister(mine);
    record = NULL;
}

static void prepare(void)
{
    ck_epoch_init(&epoch);
    started = pthread_key_create(&key, forget) == 0;
}

static bool ck_start(void)
{
    return pthread_once(&once, prepare) == 0 && started;
}

/* => a record of this thread's own, NULL if there is no memory for one. */
static ck_epoch_record_t *acquire(void)
{
    ck_epoch_record_t *mine = ck_epoch_recycle(&epoch, NULL);

    if (mine != NULL) {
        HIPTI_TOKEN_TAKE_OVER(mine);
    } else {
        mine = aligned_alloc(_Alignof(ck_epoch_record_t), sizeof(*mine));
        if (mine == NULL) {
            return NULL;
        }
        ck_epoch_register(&epoch, mine, NULL);
    }
    if (pthread_setspecific(key, mine) != 0) {
        forget(mine);
        return NULL;
    }
    return mine;
}

/*
 * Nothing of the section comes before the epoch is read: ck_epoch_begin() orders its mark before that load, and not
 * that load before what follows. On machines that keep loads in order this is nothing.
 */
static void begin(void)
{
    ck_epoch_begin(record, NULL);
    ck_pr_fence_acquire();
}

/* The first entry of a thread, or one without memory. */
static void enter_slow(void)
{
    if (orphaned == 0) {
        record = acquire();
    }
    if (record != NULL) {
        begin();
        return;
    }
    orphaned++;
    /* acquire: if it comes after orphans_wait()'s look, the section sees what was unhooked. [observe:unhooked] */
    atomic_fetch_add_explicit(&orphans, 1u, memory_order_acquire);
}

static void ck_enter(void *ctx)
{
    (void)ctx;
    if (record == NULL) {
        enter_slow();
        return;
    }
    begin();
}

static void ck_exit(void *ctx)
{
    (void)ctx;
    HIPTI_TOKENS_RELEASE(tokens);
    if (record == NULL) {
        orphaned--;
        /* [publish:orphan] the section's loads are over. */
        atomic_fetch_sub_explicit(&orphans, 1u, memory_order_release);
        return;
    }
    (void)ck_epoch_end(record, NULL);
}

/*
 * One more look has found a section still under way. A nap, not a yield: where readers keep every processor busy,
 * whoever yields waits for a whole time slice, and whoever wakes up does not.
 */
static void linger(unsigned looks)
{
    static const struct timespec nap = {.tv_sec = 0, .tv_nsec = NAP_NS};

    if (looks >= PATIENCE) {
        (void)nanosleep(&nap, NULL);
    }
}

static void reader_linger(ck_epoch_t *global, ck_epoch_record_t *reader, void *looks)
{
    unsigned *count = looks;

    (void)global;
    (void)reader;
    linger((*count)++);
}

/*
 * Wait for a moment without orphans. Entry, exit and this look are read-modify-writes of one word, so they have an
 * order. An entry before the look is waited for, and its exit is observed [observe:orphan]. An entry after it continues
 * from the look's release [publish:unhooked], and finds nothing of what was unhooked before the grace period was asked
 * for.
 */
static void orphans_wait(void)
{
    for (unsigned looks = 0; atomic_fetch_add_explicit(&orphans, 0u, memory_order_acq_rel) != 0; looks++) {
        linger(looks);
    }
}

static void ck_synchronize(void)
{
    unsigned looks = 0;

    ck_epoch_synchronize_wait(&epoch, reader_linger, &looks);
    orphans_wait();
    HIPTI_TOKENS_ACQUIRE(tokens);
}

const struct hipti_grace hipti_grace_ck = {
    .start = ck_start,
    .read_enter = ck_enter,
    .read_exit = ck_exit,
    .synchronize = ck_synchronize,
};
