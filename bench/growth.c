/* SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "growth_run.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "measure.h"
#include "report.h"

#define QUIET_NS 100000000
#define EIGHTHS 8u /* the parts of the room that BEFORE and AFTER are one of */
#define GRID 32u   /* stretches of a step, beside those that a phase ends */
#define STRETCHES_OF_STEP (2u * GRID)
#define PUBLISHED 64u /* pages that are mapped before they are looked up, so that a count is not written too often */
#define CLOCK_READINGS 9999u

/* Field key: p the thread's that maps, l the thread's that looks up, a atomic, the rest constant while they run. */
struct bench_growth {
    struct growth_run *run;
    void *self;
    const struct bench_keys *keys;

    _Alignas(64) struct growth_stretch *watched; /* l: when the lookup began */
    struct bench_random random;                  /* l */
    double wall;                                 /* l: when it first saw the stretch */
    double cpu;                                  /* l */
    uint64_t wrong_lookups;                      /* l */

    _Alignas(64) uint64_t mapped; /* p */
    uint64_t room;                /* p: what the table has been made or enlarged for */
    uint64_t after_end;           /* p: pages at which AFTER ends */
    uint64_t last;                /* p: when the last map began */
    uint64_t begun;               /* p: when the stretch began */
    uint64_t enlarging_ns;        /* p: what the call took that enlarges; the next map's */
    bool enlarged;                /* p: the doubling has been begun */
    uint64_t wrong_maps;          /* p */

    _Alignas(64) _Atomic(struct growth_stretch *) current; /* a: where to count */
    _Atomic uint64_t published;                            /* a: pages that may be looked up */
    _Atomic bool stop;                                     /* a */
};

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec time;

    clock_gettime(clock, &time);
    return (uint64_t)time.tv_sec * UINT64_C(1000000000) + (uint64_t)time.tv_nsec;
}

uint64_t bench_clock(void)
{
    return clock_ns(CLOCK_MONOTONIC);
}

uint64_t growth_clock_cost(void)
{
    struct bench_histogram histogram = {0};

    for (size_t i = 0; i < CLOCK_READINGS; i++) {
        uint64_t start = bench_clock();

        bench_histogram_add(&histogram, bench_clock() - start);
    }
    return (uint64_t)bench_histogram_at(&histogram, 0.5);
}

/* The thread that looks up. */

/* What it had of a processor in the stretch that ends. */
static void leave_stretch(struct bench_growth *growth, struct growth_stretch *stretch)
{
    double wall = (double)clock_ns(CLOCK_MONOTONIC);
    double cpu = (double)clock_ns(CLOCK_THREAD_CPUTIME_ID);

    stretch->wall += wall - growth->wall;
    stretch->cpu += cpu - growth->cpu;
    growth->wall = wall;
    growth->cpu = cpu;
}

bool bench_growth_next_lookup(struct bench_growth *growth, uint64_t *key)
{
    uint64_t count;

    if (atomic_load_explicit(&growth->stop, memory_order_relaxed)) {
        leave_stretch(growth, growth->watched);
        return false;
    }
    count = atomic_load_explicit(&growth->published, memory_order_acquire); /* what was mapped before */
    *key = growth->keys->present[bench_random_below(&growth->random, count)];
    return true;
}

/* A lookup that saw a part of a doubling is the doubling's. */
void bench_growth_looked_up(struct bench_growth *growth, uint64_t ns, bool right)
{
    struct growth_stretch *begun = growth->watched;
    struct growth_stretch *now = atomic_load_explicit(&growth->current, memory_order_acquire); /* how it was begun */

    bench_histogram_add(begun->phase == GROWTH_DOUBLING ? &begun->lookups : &now->lookups, ns);
    growth->wrong_lookups += !right;
    if (now != begun) {
        leave_stretch(growth, begun);
        growth->watched = now;
    }
}

/* The thread that maps. */

/* => the stretch that begins; the last one again where there is no room, which takes a table that never ends a move. */
static void begin_stretch(struct bench_growth *growth, enum growth_phase phase, unsigned step)
{
    struct growth_run *run = growth->run;
    struct growth_stretch *stretch = &run->stretches[run->count - 1];
    uint64_t now = bench_clock();

    stretch->end = growth->mapped;
    stretch->ns = (double)(now - growth->begun);
    if (run->count < run->steps * STRETCHES_OF_STEP) {
        stretch = &run->stretches[run->count++];
        growth->begun = now;
    }
    stretch->phase = phase;
    stretch->step = step;
    stretch->first = growth->mapped;
    stretch->end = growth->mapped;
    atomic_store_explicit(&growth->current, stretch, memory_order_release);
}

static void publish(struct bench_growth *growth)
{
    atomic_store_explicit(&growth->published, growth->mapped, memory_order_release);
}

/* Nobody maps for a while; then the last eighth of the room is mapped. */
static void begin_step(struct bench_growth *growth, unsigned step)
{
    struct timespec quiet = {.tv_nsec = QUIET_NS};

    publish(growth);
    bench_progress(step, growth->run->steps, growth->run->impl->name);
    begin_stretch(growth, GROWTH_QUIET, step);
    nanosleep(&quiet, NULL);
    begin_stretch(growth, GROWTH_BEFORE, step);
}

/* After a doubling; of who doubles by itself it is only guessed that there was one. */
static void begin_after(struct bench_growth *growth, unsigned step)
{
    growth->after_end = growth->mapped + growth->room / EIGHTHS;
    growth->room *= 2;
    begin_stretch(growth, GROWTH_AFTER, step);
}

/* The call is part of the map that it delays. => whether a doubling is under way */
static bool enlarge(struct bench_growth *growth)
{
    uint64_t start = bench_clock();
    enum bench_begun begun = growth->run->impl->enlarge(growth->self, 2 * growth->room);

    growth->enlarging_ns = bench_clock() - start;
    growth->wrong_maps += begun == BENCH_NOT_BEGUN;
    return begun != BENCH_TOO_EARLY; /* if so, the next map tries again */
}

static void go_on_doubling(struct bench_growth *growth, unsigned step)
{
    if (!growth->enlarged) {
        growth->enlarged = enlarge(growth);
    } else if (!growth->run->impl->is_enlarging(growth->self)) {
        begin_stretch(growth, GROWTH_SETTLING, step);
    }
}

static void begin_doubling(struct bench_growth *growth, unsigned step)
{
    if (growth->run->impl->enlarge == NULL) {
        begin_after(growth, step);
        return;
    }
    begin_stretch(growth, GROWTH_DOUBLING, step);
    growth->enlarged = false;
    go_on_doubling(growth, step);
}

/* Before each map: does another stretch begin? Step k's room is what it was at its beginning, until AFTER. */
static void turn(struct bench_growth *growth)
{
    const struct growth_stretch *now = &growth->run->stretches[growth->run->count - 1];
    uint64_t mapped = growth->mapped;
    uint64_t end = growth->room - growth->room / EIGHTHS;

    if (now->phase == GROWTH_BEFORE && mapped >= growth->room) {
        begin_doubling(growth, now->step);
    } else if (now->phase == GROWTH_DOUBLING) {
        go_on_doubling(growth, now->step);
    } else if (now->phase == GROWTH_SETTLING && !growth->run->impl->is_settling(growth->self)) {
        begin_after(growth, now->step);
    } else if (now->phase == GROWTH_AFTER && mapped >= growth->after_end) {
        begin_stretch(growth, GROWTH_BETWEEN, now->step);
    } else if (now->phase == GROWTH_BETWEEN && mapped >= end && now->step + 1 < growth->run->steps) {
        begin_step(growth, now->step + 1);
    } else if (mapped % (growth->room / GRID) == 0 && mapped != now->first) {
        begin_stretch(growth, now->phase, now->step);
    }
}

/* The end is quiet again: a step of its own, with nothing in it but that. */
static void stop(struct bench_growth *growth)
{
    struct timespec quiet = {.tv_nsec = QUIET_NS};

    publish(growth);
    begin_stretch(growth, GROWTH_QUIET, growth->run->steps);
    nanosleep(&quiet, NULL);
    growth->run->stretches[growth->run->count - 1].ns = (double)(bench_clock() - growth->begun);
    atomic_store_explicit(&growth->stop, true, memory_order_relaxed);
}

/* What is late is not made up for: the maps of a phase would be denser for what another one took. */
static void keep_pace(struct bench_growth *growth)
{
    uint64_t now;

    do {
        now = bench_clock();
    } while (now - growth->last < growth->run->setup.pace);
    growth->last = now;
}

bool bench_growth_next_insert(struct bench_growth *growth, uint64_t *key)
{
    if (growth->mapped == growth->run->setup.to) {
        stop(growth);
        return false;
    }
    if (growth->run->count == 1) { /* the first stretch is where it starts from: nothing is counted there */
        begin_step(growth, 0);
    }
    keep_pace(growth);
    turn(growth);
    *key = growth->keys->present[growth->mapped];
    return true;
}

void bench_growth_inserted(struct bench_growth *growth, uint64_t ns, bool right)
{
    bench_histogram_add(&growth->run->stretches[growth->run->count - 1].maps, ns + growth->enlarging_ns);
    growth->enlarging_ns = 0;
    growth->wrong_maps += !right;
    growth->mapped++;
    if (growth->mapped % PUBLISHED == 0) {
        publish(growth);
    }
}

/* The run. */

static void *watcher_main(void *ctx)
{
    struct bench_growth *growth = ctx;
    const struct bench_impl *impl = growth->run->impl;

    (void)bench_processors_pin(); /* unpinned it is measured all the same, and marked if it is moved about */
    if (impl->thread_begin != NULL) {
        impl->thread_begin(growth->self);
    }
    growth->wall = (double)clock_ns(CLOCK_MONOTONIC);
    growth->cpu = (double)clock_ns(CLOCK_THREAD_CPUTIME_ID);
    impl->watch(growth->self, growth);
    if (impl->thread_end != NULL) {
        impl->thread_end(growth->self);
    }
    return NULL;
}

/* Fills, and maps on, in the main thread: what it allocates is in the main heap, as for the other workloads. */
static void run_mapper(struct bench_growth *growth)
{
    const struct bench_impl *impl = growth->run->impl;
    pthread_t watcher;

    if (impl->thread_begin != NULL) {
        impl->thread_begin(growth->self);
    }
    growth->wrong_maps += impl->fill(growth->self, growth->keys->present, growth->mapped);
    if (pthread_create(&watcher, NULL, watcher_main, growth) == 0) {
        impl->extend(growth->self, growth);
        pthread_join(watcher, NULL);
    } else {
        fprintf(stderr, "hipt-bench: %s: no thread to look up\n", impl->name);
        growth->wrong_lookups++;
    }
    if (impl->thread_end != NULL) {
        impl->thread_end(growth->self);
    }
}

static void growth_init(struct bench_growth *growth, struct growth_run *run, const struct bench_keys *keys)
{
    *growth = (struct bench_growth){.run = run,
                                    .keys = keys,
                                    .watched = run->stretches,
                                    .random = {.state = bench_mix(run->setup.seed)},
                                    .mapped = run->setup.from - run->setup.from / EIGHTHS,
                                    .room = run->setup.from};
    atomic_init(&growth->current, run->stretches);
    atomic_init(&growth->published, growth->mapped);
    atomic_init(&growth->stop, false);
}

static void grow(struct growth_run *run, void *self, const struct bench_keys *keys)
{
    static struct bench_growth growth;

    growth_init(&growth, run, keys);
    growth.self = self;
    run_mapper(&growth);
    bench_progress_clear();
    run->wrong = growth.wrong_lookups + growth.wrong_maps;
}

static unsigned count_steps(const struct growth_setup *setup)
{
    unsigned steps = 0;

    while (setup->from << steps < setup->to) {
        steps++;
    }
    return steps;
}

bool growth_run_create(struct growth_run *run, const struct bench_impl *impl, const struct growth_setup *setup,
                       const struct bench_keys *keys)
{
    struct bench_geometry geometry = {
        .entries = (size_t)setup->to, .start = (size_t)setup->from, .threads = 1, .seed = setup->seed};
    void *self;

    if (impl->create == NULL || impl->watch == NULL) {
        fprintf(stderr, "hipt-bench: %s: %s\n", impl->name,
                impl->create == NULL ? impl->text : "does not grow while it is in use");
        return false;
    }
    *run = (struct growth_run){.impl = impl, .setup = *setup, .count = 1, .steps = count_steps(setup)};
    run->stretches = calloc((size_t)run->steps * STRETCHES_OF_STEP, sizeof(*run->stretches));
    self = run->stretches != NULL ? impl->create(&geometry) : NULL;
    if (self == NULL) {
        growth_run_destroy(run);
        return false;
    }
    grow(run, self, keys);
    impl->destroy(self);
    return true;
}

void growth_run_destroy(struct growth_run *run)
{
    free(run->stretches);
    *run = (struct growth_run){0};
}

static void add(struct growth_stretch *sum, const struct growth_stretch *stretch)
{
    if (sum->end == 0) {
        sum->phase = stretch->phase;
        sum->step = stretch->step;
        sum->first = stretch->first;
    }
    sum->end = stretch->end;
    sum->ns += stretch->ns;
    sum->wall += stretch->wall;
    sum->cpu += stretch->cpu;
    bench_histogram_merge(&sum->lookups, &stretch->lookups);
    bench_histogram_merge(&sum->maps, &stretch->maps);
}

void growth_run_sum(const struct growth_run *run, unsigned step, unsigned phases, struct growth_stretch *sum)
{
    memset(sum, 0, sizeof(*sum));
    for (size_t i = 1; i < run->count; i++) {
        const struct growth_stretch *stretch = &run->stretches[i];

        if ((step == GROWTH_EVERY_STEP || stretch->step == step) && (phases & (1u << stretch->phase)) != 0) {
            add(sum, stretch);
        }
    }
}

bool growth_is_disturbed(const struct growth_stretch *stretch)
{
    return stretch->cpu < BENCH_CPU_SHARE_MIN * stretch->wall;
}
