/* SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "measure.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>


static cpu_set_t processors;
static const volatile uint64_t zero = 0;

/* One thread of a round; owned by it while it runs, by the caller before and after. */
struct runner {
    pthread_t thread;
    pthread_barrier_t *start;
    const struct bench_impl *impl;
    void *self;
    const struct bench_plan *plan;
    bool pinned;
    struct bench_job job;
    struct bench_outcome outcome;
    double begin; /* ns */
    double end;
    double cpu; /* ns spent on a processor in between */
};

void bench_processors_remember(void)
{
    CPU_ZERO(&processors);
    (void)sched_getaffinity(0, sizeof(processors), &processors); /* none then: pinning is refused */
}

/* The last one: the first is where most kernels leave their interrupts. */
bool bench_processors_pin(void)
{
    cpu_set_t one;

    CPU_ZERO(&one);
    for (size_t i = CPU_SETSIZE; i-- > 0;) {
        if (CPU_ISSET(i, &processors)) {
            CPU_SET(i, &one);
            return sched_setaffinity(0, sizeof(one), &one) == 0;
        }
    }
    return false;
}

bool bench_processors_free(void)
{
    return sched_setaffinity(0, sizeof(processors), &processors) == 0;
}

static double now(clockid_t clock)
{
    struct timespec time;

    clock_gettime(clock, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static void *runner_main(void *ctx)
{
    struct runner *runner = ctx;
    const struct bench_impl *impl = runner->impl;
    double cpu;

    if (runner->pinned) {
        (void)bench_processors_pin(); /* unpinned it is measured all the same, and marked if it is moved about */
    }
    if (impl->thread_begin != NULL) {
        impl->thread_begin(runner->self);
    }
    pthread_barrier_wait(runner->start);
    runner->begin = now(CLOCK_MONOTONIC);
    cpu = now(CLOCK_THREAD_CPUTIME_ID);
    runner->outcome = impl->run[runner->plan->loop](runner->self, &runner->job);
    runner->cpu = now(CLOCK_THREAD_CPUTIME_ID) - cpu;
    runner->end = now(CLOCK_MONOTONIC);
    if (impl->thread_end != NULL) {
        impl->thread_end(runner->self);
    }
    return NULL;
}

/* The round lasts from the first thread's begin to the last one's end. */
static void sample_of(const struct runner *runners, unsigned threads, struct bench_sample *sample)
{
    double begin = runners[0].begin;
    double end = runners[0].end;

    *sample = (struct bench_sample){0};
    for (unsigned i = 0; i < threads; i++) {
        const struct runner *runner = &runners[i];

        begin = runner->begin < begin ? runner->begin : begin;
        end = runner->end > end ? runner->end : end;
        sample->wrong += runner->outcome.wrong;
        sample->disturbed |= runner->cpu < BENCH_CPU_SHARE_MIN * (runner->end - runner->begin);
    }
    sample->ns = (end - begin) / (double)runners[0].job.count;
}

static void runners_init(struct runner *runners, const struct runner *common, unsigned threads, const uint64_t *probes,
                         size_t count)
{
    for (unsigned i = 0; i < threads; i++) {
        runners[i] = *common;
        runners[i].job = (struct bench_job){.probes = &probes[i * count],
                                            .first = i * count,
                                            .count = count,
                                            .group = common->plan->group,
                                            .thread = i,
                                            .zero = zero};
    }
}

/* A thread that cannot be started leaves the others waiting at the barrier: they are let go by nobody, so give up. */
static bool runners_run(struct runner *runners, unsigned threads)
{
    for (unsigned i = 0; i < threads; i++) {
        if (pthread_create(&runners[i].thread, NULL, runner_main, &runners[i]) != 0) {
            return false;
        }
    }
    for (unsigned i = 0; i < threads; i++) {
        pthread_join(runners[i].thread, NULL);
    }
    return true;
}

bool bench_round(const struct bench_impl *impl, void *self, enum bench_workload workload, unsigned threads,
                 const uint64_t *probes, size_t count, struct bench_sample *sample)
{
    struct runner *runners = calloc(threads, sizeof(*runners));
    pthread_barrier_t start;
    struct runner common = {
        .start = &start, .impl = impl, .self = self, .plan = &bench_plans[workload], .pinned = threads == 1};
    bool done;

    if (runners == NULL || pthread_barrier_init(&start, NULL, threads) != 0) {
        free(runners);
        return false;
    }
    runners_init(runners, &common, threads, probes, count);
    done = runners_run(runners, threads);
    if (done) {
        sample_of(runners, threads, sample);
        pthread_barrier_destroy(&start);
        free(runners);
    }
    return done;
}

/* Undisturbed samples first, the faster ones before the slower. */
static int by_quality(const void *left, const void *right)
{
    const struct bench_sample *a = left;
    const struct bench_sample *b = right;

    if (a->disturbed != b->disturbed) {
        return a->disturbed ? 1 : -1;
    }
    return (a->ns > b->ns) - (a->ns < b->ns);
}

static int by_time(const void *left, const void *right)
{
    const struct bench_sample *a = left;
    const struct bench_sample *b = right;

    return (a->ns > b->ns) - (a->ns < b->ns);
}

void bench_figure(struct bench_sample *samples, size_t taken, size_t wanted, struct bench_figure *figure)
{
    size_t kept = taken < wanted ? taken : wanted;

    *figure = (struct bench_figure){.rounds = kept};
    for (size_t i = 0; i < taken; i++) {
        figure->wrong += samples[i].wrong;
        figure->disturbed += samples[i].disturbed;
    }
    qsort(samples, taken, sizeof(*samples), by_quality);
    for (size_t i = 0; i < kept; i++) {
        figure->disturbed_kept += samples[i].disturbed;
    }
    qsort(samples, kept, sizeof(*samples), by_time);
    figure->min = samples[0].ns;
    figure->max = samples[kept - 1].ns;
    figure->median = (samples[(kept - 1) / 2].ns + samples[kept / 2].ns) / 2;
}
