/* SPDX-License-Identifier: MIT */
/*
 * The timed loops, the same for every table, in what is C and C++ alike. Included once by a peer's file, after it has
 * defined, static inline:
 *
 *   struct peer                                                   the table and what belongs to it
 *   void peer_enter(struct peer *), peer_exit(struct peer *)      a read-side section
 *   bool peer_lookup(struct peer *, uint64_t key, uint64_t *value)
 *   bool peer_insert(struct peer *, unsigned thread, uint64_t key)
 *   bool peer_delete(struct peer *, unsigned thread, uint64_t key)
 *   void peer_rest(struct peer *, unsigned thread)                between sections: take back what deletes left
 *
 * peer_lookup() and peer_insert() are called inside a section, or enter one of their own if that is the table's way;
 * run_hit_section() opens one for each lookup only where PEER_OWN_SECTION is not defined. A peer that defines
 * PEER_LOOKUPS_ONLY needs the first three alone, and has no loop that changes anything. One that defines PEER_GROWS can
 * be made for fewer entries than it will hold, and has the loops of a table that grows.
 */
#ifndef BENCH_LOOPS_H
#define BENCH_LOOPS_H

#include "growth.h"
#include "impl.h"

static inline void look_up(struct peer *peer, uint64_t key, bool expected, struct bench_outcome *outcome)
{
    uint64_t value = 0;

    outcome->wrong += peer_lookup(peer, key, &value) != expected;
    outcome->sum += value;
}

static struct bench_outcome run_hit(void *self, const struct bench_job *job)
{
    struct peer *peer = (struct peer *)self;
    struct bench_outcome outcome = {0, 0};

    peer_enter(peer);
    for (size_t i = 0; i < job->count; i++) {
        look_up(peer, job->probes[i], true, &outcome);
    }
    peer_exit(peer);
    return outcome;
}

static struct bench_outcome run_hit_section(void *self, const struct bench_job *job)
{
    struct peer *peer = (struct peer *)self;
    struct bench_outcome outcome = {0, 0};

    for (size_t i = 0; i < job->count; i++) {
#ifndef PEER_OWN_SECTION
        peer_enter(peer);
#endif
        look_up(peer, job->probes[i], true, &outcome);
#ifndef PEER_OWN_SECTION
        peer_exit(peer);
#endif
    }
    return outcome;
}

static struct bench_outcome run_dependent(void *self, const struct bench_job *job)
{
    struct peer *peer = (struct peer *)self;
    struct bench_outcome outcome = {0, 0};

    peer_enter(peer);
    for (size_t i = 0; i < job->count; i++) {
        look_up(peer, job->probes[i] ^ (outcome.sum & job->zero), true, &outcome);
    }
    peer_exit(peer);
    return outcome;
}

static struct bench_outcome run_miss(void *self, const struct bench_job *job)
{
    struct peer *peer = (struct peer *)self;
    struct bench_outcome outcome = {0, 0};

    peer_enter(peer);
    for (size_t i = 0; i < job->count; i++) {
        look_up(peer, job->probes[i], false, &outcome);
    }
    peer_exit(peer);
    return outcome;
}

#ifndef PEER_LOOKUPS_ONLY

static inline void take_step(struct peer *peer, unsigned thread, uint64_t step, struct bench_outcome *outcome)
{
    uint64_t key = step & BENCH_STEP_KEY;

    switch ((enum bench_step)(step >> BENCH_STEP_SHIFT)) {
    case BENCH_LOOKUP:
        look_up(peer, key, true, outcome);
        break;
    case BENCH_INSERT:
        outcome->wrong += !peer_insert(peer, thread, key);
        break;
    case BENCH_DELETE:
        outcome->wrong += !peer_delete(peer, thread, key);
        break;
    }
}

/* Grace periods need an end to every section, so this one is cut into pieces, for every table alike. */
static struct bench_outcome run_mixed(void *self, const struct bench_job *job)
{
    struct peer *peer = (struct peer *)self;
    struct bench_outcome outcome = {0, 0};

    for (size_t done = 0; done < job->count; done += BENCH_SECTION) {
        size_t end = job->count - done < BENCH_SECTION ? job->count : done + BENCH_SECTION;

        peer_rest(peer, job->thread);
        peer_enter(peer);
        for (size_t i = done; i < end; i++) {
            take_step(peer, job->thread, job->probes[i], &outcome);
        }
        peer_exit(peer);
    }
    return outcome;
}

#ifdef PEER_GROWS

/* A read-side section for each lookup, on the clock, as whoever looks up one page has it. */
static void run_watch(void *self, struct bench_growth *growth)
{
    struct peer *peer = (struct peer *)self;
    uint64_t key;

    while (bench_growth_next_lookup(growth, &key)) {
        uint64_t start = bench_clock();
        uint64_t value = 0;
        bool found;

        peer_enter(peer);
        found = peer_lookup(peer, key, &value);
        peer_exit(peer);
        bench_growth_looked_up(growth, bench_clock() - start, found);
    }
}

static void run_extend(void *self, struct bench_growth *growth)
{
    struct peer *peer = (struct peer *)self;
    uint64_t key;

    for (uint64_t i = 0; bench_growth_next_insert(growth, &key); i++) {
        uint64_t start;
        bool done;

        if (i % BENCH_SECTION == 0) {
            peer_rest(peer, 0);
        }
        start = bench_clock();
        peer_enter(peer);
        done = peer_insert(peer, 0, key);
        peer_exit(peer);
        bench_growth_inserted(growth, bench_clock() - start, done);
    }
}

#endif

/* Not timed. => how many of the keys could not be inserted. */
static inline uint64_t insert_all(struct peer *peer, const uint64_t *keys, size_t count)
{
    uint64_t wrong = 0;

    for (size_t i = 0; i < count; i++) {
        peer_enter(peer);
        wrong += !peer_insert(peer, 0, keys[i]);
        peer_exit(peer);
    }
    return wrong;
}

#endif

#endif
