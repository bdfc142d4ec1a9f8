/* SPDX-License-Identifier: MIT */
/* Two buckets, more keys than they have slots, and threads that give the processor away in the middle of everything. */
#include <criterion/criterion.h>

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "support/buckets.h"
#include "support/step.h"
#include "table/bucket.h"

enum { WIDTH = BUCKETS_KEY_BITS, BUCKETS = 2, THREADS = 3, KEYS = 16, STABLE = 6, SERIAL_BITS = 24 };

static struct test_host host;
static struct hipti_buckets buckets;

static void start(unsigned version_bits, unsigned sequence_bits)
{
    test_buckets_open(&host, &buckets, (struct test_buckets){BUCKETS, 1, version_bits, sequence_bits, 0});
    test_host_free_run(&host);
    step_yield_one_in(64);
}

static void stop(void)
{
    step_yield_one_in(0);
    test_buckets_close(&host, &buckets);
}

static uint64_t key_of(unsigned n)
{
    return (uint64_t)n << (64 - WIDTH);
}

/* A word that says whose it is. */
static uint64_t word_of(unsigned n, uint64_t serial)
{
    struct hipt_mapping mapping;

    memset(&mapping, 0, sizeof(mapping));
    mapping.pfn = (uint64_t)n << SERIAL_BITS | serial;
    mapping.prot = HIPT_READ;
    return hipti_pte_pack(&mapping);
}

static enum hipt_status put(unsigned n, uint64_t serial)
{
    struct hipti_claim claim;
    enum hipt_status status;

    host.ops.read_enter(host.ops.ctx);
    status = hipti_bucket_claim(&buckets, hipti_buckets_place(&buckets, 0, key_of(n)), word_of(n, serial), &claim);
    if (status == HIPT_OK) {
        /* T1: nobody commits a claim but its put */
        TEST_HOLDS(hipti_pte_state(hipti_slot_load(&buckets, claim.slot)) == HIPTI_CLAIMED);
        status = hipti_bucket_commit(&buckets, &claim);
        if (status != HIPT_OK) {
            hipti_bucket_forget(&buckets, &claim);
        }
    }
    host.ops.read_exit(host.ops.ctx);
    return status;
}

/* => whether the key was found; what was found is its own (T2). */
static bool look(unsigned n)
{
    hipti_slot slot;
    uint64_t pte = 0;
    bool found;

    host.ops.read_enter(host.ops.ctx);
    found = hipti_bucket_find(&buckets, hipti_buckets_place(&buckets, 0, key_of(n)), &slot, &pte, NULL);
    host.ops.read_exit(host.ops.ctx);
    TEST_HOLDS(!found || hipti_pte_pfn(pte) >> SERIAL_BITS == n);
    return found;
}

/* => whether this thread ended the key's life; what it froze is that key's slot (T3). */
static bool take(unsigned n, uint64_t *serial)
{
    bool taken = false;
    hipti_slot slot;
    uint64_t pte;

    host.ops.read_enter(host.ops.ctx);
    if (hipti_bucket_find(&buckets, hipti_buckets_place(&buckets, 0, key_of(n)), &slot, &pte, NULL) &&
        hipti_pte_state(pte) == HIPTI_LIVE &&
        hipti_slot_change(&buckets, slot, &pte, hipti_pte_with_state(pte, HIPTI_FROZEN))) {
        uint64_t frozen;
        uint64_t key;

        TEST_HOLDS(hipti_slot_read(&buckets, slot, &frozen, &key) && key == key_of(n));
        TEST_HOLDS(hipti_pte_state(frozen) == HIPTI_FROZEN);
        TEST_HOLDS(hipti_pte_pfn(frozen) >> SERIAL_BITS == n);
        *serial = hipti_pte_pfn(frozen) & hipti_mask(SERIAL_BITS);
        hipti_slot_release(&buckets, slot);
        taken = true;
    }
    host.ops.read_exit(host.ops.ctx);
    return taken;
}

/* Every slot that gives a key and a word gives those of one life (T2). */
static void read_slots(void)
{
    hipti_slot slot;
    uint64_t pte;
    uint64_t key;
    uint64_t i;

    host.ops.read_enter(host.ops.ctx);
    for (i = 0; hipti_buckets_nth(&buckets, i, &slot); i++) {
        if (hipti_slot_read(&buckets, slot, &pte, &key)) {
            TEST_HOLDS(key == key_of((unsigned)(hipti_pte_pfn(pte) >> SERIAL_BITS)));
        }
    }
    host.ops.read_exit(host.ops.ctx);
}

/* --- one key, all threads at once */

struct contest {
    unsigned rounds;
    bool may_wait; /* a put may be sent away by the gate */
    _Atomic unsigned arrived;
    _Atomic unsigned winners;
};

/* All threads meet; the number of meetings so far tells one from the next. */
static void meet(struct contest *contest, unsigned meeting)
{
    atomic_fetch_add(&contest->arrived, 1u);
    while (atomic_load(&contest->arrived) < meeting * THREADS) {
        sched_yield();
    }
}

static void contend(void *shared, unsigned index)
{
    struct contest *contest = (struct contest *)shared;
    unsigned meeting = 0;
    unsigned round;

    for (round = 0; round < contest->rounds; round++) {
        unsigned n = STABLE + round % 5u;
        enum hipt_status status;
        uint64_t serial;

        meet(contest, ++meeting);
        status = put(n, index);
        TEST_HOLDS(status == HIPT_OK || status == HIPT_EXISTS || status == HIPT_BUSY);
        if (status == HIPT_OK) {
            TEST_HOLDS(atomic_fetch_add(&contest->winners, 1u) == 0); /* T1 */
        }
        meet(contest, ++meeting);
        TEST_HOLDS(contest->may_wait || atomic_load(&contest->winners) == 1u);
        TEST_HOLDS(look(n) == (atomic_load(&contest->winners) == 1u));
        meet(contest, ++meeting);
        if (status == HIPT_OK) {
            TEST_HOLDS(take(n, &serial) && serial == index);
            atomic_store(&contest->winners, 0u);
        }
        meet(contest, ++meeting);
        TEST_HOLDS(!look(n));
    }
}

/* T1: of threads that put one key at once one has its way, in wide and in narrow versions and sequences. */
Test(bucket, T1_one_winner)
{
    static const unsigned bits[][2] = {{10, 27}, {1, 27}, {2, 3}, {1, 2}};
    size_t i;

    for (i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
        struct contest contest = {1500, bits[i][1] < 27u, 0, 0};
        unsigned n;

        start(bits[i][0], bits[i][1]);
        for (n = 0; n < STABLE; n++) {
            while (put(n, 0) == HIPT_BUSY) {
                /* the gate */
            }
        }
        test_threads(THREADS, contend, &contest);
        for (n = 0; n < STABLE; n++) {
            cr_assert(look(n));
        }
        stop();
    }
}

/* --- all keys, all threads */

struct churn {
    unsigned turns;
    _Atomic uint64_t serial[KEYS];
    _Atomic bool *taken[KEYS]; /* by serial */
    _Atomic uint64_t puts;
    _Atomic uint64_t takes;
};

enum { SERIALS = 40000 };

static void churn_one(struct churn *churn, unsigned n, bool is_put)
{
    uint64_t serial = 0;

    if (is_put) {
        serial = atomic_fetch_add(&churn->serial[n], 1u);
        if (serial < SERIALS && put(n, serial) == HIPT_OK) {
            atomic_fetch_add(&churn->puts, 1u);
        }
    } else if (take(n, &serial)) {
        TEST_HOLDS(serial < SERIALS && !atomic_exchange(&churn->taken[n][serial], true)); /* one put, one end */
        atomic_fetch_add(&churn->takes, 1u);
    }
}

static void churn(void *shared, unsigned index)
{
    struct churn *churn = (struct churn *)shared;
    uint64_t random = index + 1u;
    unsigned i;

    for (i = 0; i < churn->turns; i++) {
        uint64_t draw = test_random(&random) >> 32;
        unsigned n = STABLE + (unsigned)(draw % (KEYS - STABLE));

        churn_one(churn, n, draw >> 16 & 1u);
        TEST_HOLDS(look((unsigned)(draw >> 8) % STABLE)); /* T1: what nobody takes is never missed */
        (void)look(n);
        if ((draw >> 24 & 7u) == 0) {
            read_slots();
        }
    }
}

/* T1, T2, T3: churn misses no stable key, finds no stranger's word, ends each life once, and leaves no key twice. */
Test(bucket, T1_T2_T3_churn)
{
    static const unsigned bits[][2] = {{10, 27}, {1, 27}, {1, 4}};
    static _Atomic bool taken[KEYS][SERIALS];
    size_t i;

    for (i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
        struct churn shared;
        uint64_t live = 0;
        hipti_slot slot;
        unsigned n;

        start(bits[i][0], bits[i][1]);
        memset(&shared, 0, sizeof(shared));
        memset(taken, 0, sizeof(taken));
        shared.turns = 10000;
        for (n = 0; n < KEYS; n++) {
            shared.taken[n] = taken[n];
            while (n < STABLE && put(n, 0) == HIPT_BUSY) {
                /* the gate */
            }
        }
        test_threads(THREADS, churn, &shared);
        for (i = 0; hipti_buckets_nth(&buckets, i, &slot); i++) {
            enum hipti_state state = hipti_pte_state(hipti_slot_load(&buckets, slot));

            cr_expect(state == HIPTI_FREE || state == HIPTI_PARKED || state == HIPTI_LIVE, "slot %llu: state %d",
                      (unsigned long long)slot, (int)state);
            live += state == HIPTI_LIVE;
        }
        cr_assert_eq(live, STABLE + atomic_load(&shared.puts) - atomic_load(&shared.takes), "T1: a key is there twice");
        cr_assert_gt(atomic_load(&shared.takes), shared.turns / 10u);
        for (n = 0, live = 0; n < KEYS; n++) {
            live += look(n);
        }
        cr_assert_eq(live, STABLE + atomic_load(&shared.puts) - atomic_load(&shared.takes));
        stop();
    }
}

/* --- helpers that come late */

enum { FEW = 3, LATE_TURNS = 30000 };

static void churn_few(void *shared, unsigned index)
{
    uint64_t random = index + 1u;
    uint64_t serial;
    unsigned i;

    (void)shared;
    for (i = 0; i < LATE_TURNS; i++) {
        uint64_t draw = test_random(&random) >> 32;

        if (draw & 1u) {
            (void)put((unsigned)(draw >> 1) % FEW, 0);
        } else {
            (void)take((unsigned)(draw >> 1) % FEW, &serial);
        }
    }
}

/*
 * T1: a helper that has slept since it read the header finds the slot in a later life, claimed with the parity that the
 * header named; it looks at the header again and leaves the claim alone. Few keys in few slots make lives short.
 */
Test(bucket, T1_late_helpers)
{
    start(HIPT_VERSION_BITS_MAX, HIPT_SEQUENCE_BITS_MAX);
    step_yield_one_in(6);
    test_threads(THREADS + 1, churn_few, NULL);
    read_slots();
    stop();
}

/* --- lines that come and go */

enum { OWNED = 4, LINE_TURNS = 20000 }; /* keys of each thread: with all of them, some six in a bucket of four slots */

static void churn_own(void *shared, unsigned index)
{
    uint64_t random = index + 1u;
    bool is_there[OWNED] = {false};
    uint64_t serial;
    unsigned i;

    (void)shared;
    for (i = 0; i < LINE_TURNS; i++) {
        unsigned own = (unsigned)(test_random(&random) >> 62);
        unsigned n = index * OWNED + own;

        TEST_HOLDS(look(n) == is_there[own]);
        TEST_HOLDS(is_there[own] ? take(n, &serial) : put(n, i) == HIPT_OK);
        is_there[own] = !is_there[own];
        TEST_HOLDS(look(n) == is_there[own]);
    }
}

/*
 * T1: while overflow lines come and go, each thread finds its own keys where nobody else touches them, and no others.
 */
Test(bucket, T1_lines_come_and_go)
{
    start(HIPT_VERSION_BITS_MAX, HIPT_SEQUENCE_BITS_MAX);
    step_yield_one_in(6);
    test_threads(THREADS, churn_own, NULL);
    stop();
}
