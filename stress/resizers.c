/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "resizers.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "map/table.h"
#include "support/step.h"

enum { SIZES = CREW_RESIZE_BITS + 1 }; /* powers of two to draw capacities from */
enum { STOP_WITHIN = 512 }; /* accesses: a resize and the moves that follow it are 100 to 10 000 */

struct resizer {
    struct crew *crew;
    pthread_t thread;
    uint64_t random;
    bool is_to_stop; /* at an access to come */
};

static struct resizer resizers[CREW_RESIZERS_MAX];
static _Thread_local struct resizer *self;

/* Let the others work for up to so long. */
static void pause_for(long nanoseconds)
{
    struct timespec pause = {0, nanoseconds};

    (void)nanosleep(&pause, NULL);
}

static bool all_went_on(struct crew *crew, const uint64_t *before)
{
    unsigned t;

    for (t = 0; t < crew->options.threads; t++) {
        uint64_t now = atomic_load_explicit(&crew->counts[t].n[CREW_OPERATIONS], memory_order_relaxed);

        if (now - before[t] < crew->options.stop) {
            return false;
        }
    }
    return true;
}

/*
 * Stopped, wherever that is. A thread that waits for this one comes to no end, also when time is up: the crew notices.
 */
static void stand_still(void)
{
    struct crew *crew = self->crew;
    uint64_t before[CREW_THREADS_MAX];
    unsigned t;

    for (t = 0; t < crew->options.threads; t++) {
        before[t] = atomic_load_explicit(&crew->counts[t].n[CREW_OPERATIONS], memory_order_relaxed);
    }
    while (atomic_load(&crew->gone) < crew->options.threads && !all_went_on(crew, before)) {
        pause_for(100000);
    }
    atomic_fetch_add(&crew->stops, 1u);
    self->is_to_stop = false;
}

/* => whether a move has begun, on some nodes at least. */
static bool resize(struct resizer *resizer)
{
    struct crew *crew = resizer->crew;
    uint64_t capacity = crew_draw(&resizer->random, 1u << crew_draw(&resizer->random, SIZES)); /* 0: as it is */
    bool new_secret = crew_draw(&resizer->random, 2) || capacity == 0;
    enum hipt_status status = hipt_resize(crew->table, capacity, new_secret);

    bool has_begun = status == HIPT_OK || status == HIPT_PENDING;

    if (!has_begun && status != HIPT_BUSY) {
        crew_broken(crew, "a resize answers: %s", hipt_strerror(status));
    }
    atomic_fetch_add(has_begun ? &crew->resizes : &crew->refused, 1u);
    return has_begun;
}

/* Be stopped soon: in a move that has begun, seldom elsewhere, where a resizer does little but ask again. */
static void stop_soon(struct resizer *resizer, bool has_begun)
{
    if (!resizer->is_to_stop && (has_begun || crew_draw(&resizer->random, 64) == 0)) {
        resizer->is_to_stop = true;
        step_interrupt(NULL, NULL, crew_draw(&resizer->random, STOP_WITHIN), stand_still);
    }
}

/* A part of a move, as a map does it, or all of it. */
static void help(struct resizer *resizer)
{
    unsigned turns = crew_draw(&resizer->random, 4) ? crew_draw(&resizer->random, 16) : 1000u;
    bool more = true;

    while (more && turns-- > 0) {
        more = hipt_resize_help(resizer->crew->table, 1u + crew_draw(&resizer->random, 4)) == HIPT_OK;
    }
}

/* => a space that lives, or did a moment ago. */
static struct hipt_asid draw_asid(struct resizer *resizer)
{
    const struct hipt_table *table = resizer->crew->table;
    struct hipt_asid asid = {crew_draw(&resizer->random, 1u << resizer->crew->config.asid_bits), 0};
    struct hipti_asid *record = hipti_asid_active(&table->asids, asid.number);

    if (record) {
        asid.generation = (uint32_t)(hipti_load_relaxed(&record->life) >> 32); /* it may be another one by now */
    }
    return asid;
}

/* Move a space to a node, or over all of them: as far as it goes, or for a while only. */
static void place(struct resizer *resizer)
{
    struct crew *crew = resizer->crew;
    struct hipt_asid asid = draw_asid(resizer);
    int node = (int)crew_draw(&resizer->random, crew->options.nodes + 1u);
    unsigned turns = crew_draw(&resizer->random, 4) ? 200u : 2u;
    enum hipt_status status = HIPT_PENDING;

    node = node == (int)crew->options.nodes ? HIPT_ALL_NODES : node;
    while ((status == HIPT_PENDING || status == HIPT_BUSY) && turns-- > 0 && !crew_is_over(crew)) {
        status = hipt_asid_migrate(crew->table, asid, node);
        pause_for(20000);
    }
    if (status != HIPT_OK && status != HIPT_PENDING && status != HIPT_BUSY && status != HIPT_NOMEM &&
        status != HIPT_FULL && status != HIPT_BAD_ASID) {
        crew_broken(crew, "a space that is to move answers: %s", hipt_strerror(status));
    }
    atomic_fetch_add(&crew->placed, status == HIPT_OK);
}

static void *resizer_main(void *arg)
{
    struct resizer *resizer = arg;

    self = resizer;
    while (!crew_is_over(resizer->crew)) {
        bool has_begun = resize(resizer);

        if (resizer->crew->options.stop) {
            stop_soon(resizer, has_begun);
        }
        help(resizer);
        if (resizer->crew->options.nodes) {
            place(resizer);
        }
        if (crew_draw(&resizer->random, 4) == 0) {
            pause_for((long)crew_draw(&resizer->random, 1000000));
        }
    }
    (void)step_interrupted();
    return NULL;
}

void resizers_start(struct crew *crew)
{
    unsigned i;

    for (i = 0; i < crew->options.resizers; i++) {
        resizers[i].crew = crew;
        resizers[i].random = crew_seed(crew, CREW_THREADS_MAX + i);
        if (pthread_create(&resizers[i].thread, NULL, resizer_main, &resizers[i]) != 0) {
            fprintf(stderr, "stress_%s: no thread\n", crew->program->letter);
            _exit(2);
        }
    }
}

void resizers_join(struct crew *crew)
{
    unsigned i;

    for (i = 0; i < crew->options.resizers; i++) {
        (void)pthread_join(resizers[i].thread, NULL);
    }
}

bool resizers_suffice(struct crew *crew)
{
    const struct crew_options *o = &crew->options;
    bool has_moved = atomic_load(&crew->resizes) > 1u; /* the second one begins when the first has come to its end */
    bool has_placed = o->nodes == 0 || atomic_load(&crew->placed) > 0;
    bool suffice = o->resizers == 0 || (has_moved && has_placed && (o->stop == 0 || atomic_load(&crew->stops) > 0));

    if (!suffice) {
        fprintf(stderr, "stress_%s: nothing was shown: moves of the table %" PRIu64 ", spaces placed %" PRIu64
                ", stops %" PRIu64 "\n", crew->program->letter, atomic_load(&crew->resizes),
                atomic_load(&crew->placed), atomic_load(&crew->stops));
    }
    return suffice;
}
