/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L

#include "replay_run.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "progress.h"
#include "replay_crew.h"

struct member {
    pthread_t thread;
    struct crew *crew;
    void (*body)(struct crew *crew, unsigned number, struct replay_result *mine);
    unsigned number;
    struct replay_result mine;
};

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* The first to claim the text writes it; the thread that joins everybody reads it. */
static void crew_end(struct crew *crew, bool *flag, const char *format, va_list args)
{
    if (!atomic_exchange_explicit(&crew->claimed, true, memory_order_relaxed)) {
        vsnprintf(crew->result->text, sizeof(crew->result->text), format, args);
        *flag = true;
    }
    atomic_store_explicit(&crew->stop, true, memory_order_relaxed);
}

void crew_mismatch(struct crew *crew, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    crew_end(crew, &crew->result->mismatch, format, args);
    va_end(args);
}

void crew_fail(struct crew *crew, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    crew_end(crew, &crew->result->failed, format, args);
    va_end(args);
}

static void *member_main(void *arg)
{
    struct member *member = arg;
    member->body(member->crew, member->number, &member->mine);
    return NULL;
}

static void add_result(struct replay_result *sum, const struct replay_result *mine)
{
    sum->lookups += mine->lookups;
    sum->found += mine->found;
    sum->absent += mine->absent;
    sum->lookup_ns += mine->lookup_ns;
    sum->reverses += mine->reverses;
    sum->reported += mine->reported;
    sum->reverse_ns += mine->reverse_ns;
    sum->recent += mine->recent;
    sum->checked += mine->checked;
    sum->unchecked += mine->unchecked;
    for (unsigned i = 0; i < CHANGES; i++) {
        sum->changes[i] += mine->changes[i];
    }
    sum->busy += mine->busy;
    sum->full += mine->full;
    sum->reaped += mine->reaped;
}

/* => how many were started */
static unsigned start_all(struct crew *crew, struct member *members)
{
    unsigned readers = crew->options->readers, count = readers + crew->options->writers;
    for (unsigned i = 0; i < count; i++) {
        members[i].crew = crew;
        members[i].body = i < readers ? reader_run : writer_run;
        members[i].number = i < readers ? i : i - readers;
        if (pthread_create(&members[i].thread, NULL, member_main, &members[i]) != 0) {
            crew_fail(crew, "thread %u of %u cannot be started", i + 1, count);
            return i;
        }
    }
    return count;
}

static void wait_for_end(struct crew *crew)
{
    static const struct timespec nap = {.tv_nsec = 20000000}; /* finer than the progress bar is drawn */
    uint64_t start = now_ms(), total = (uint64_t)(crew->options->seconds * 1000), passed = 0;
    progress_start("replaying", total);
    while (passed < total && !crew_stopped(crew)) {
        nanosleep(&nap, NULL);
        passed = now_ms() - start;
        progress_update(passed);
    }
    progress_end();
    crew->result->seconds = (double)passed / 1000;
    atomic_store_explicit(&crew->stop, true, memory_order_relaxed);
}

static void run_crew(struct crew *crew, struct member *members)
{
    unsigned started = start_all(crew, members);
    wait_for_end(crew);
    for (unsigned i = 0; i < started; i++) {
        pthread_join(members[i].thread, NULL);
        add_result(crew->result, &members[i].mine);
    }
}

bool replay_run(const struct population *population, struct oracle *oracle, const struct targets *targets,
                const struct replay_options *options, struct replay_result *result)
{
    size_t recent = (size_t)options->writers * RECENT;
    struct crew crew = {
        .population = population, .oracle = oracle, .targets = targets, .options = options, .result = result};
    struct member *members = calloc((size_t)options->readers + options->writers, sizeof(*members));
    memset(result, 0, sizeof(*result));
    crew.recent = calloc(recent + 1, sizeof(*crew.recent));
    if (members == NULL || crew.recent == NULL) {
        crew_fail(&crew, "no memory for the threads");
    } else {
        for (size_t i = 0; i < recent; i++) {
            atomic_init(&crew.recent[i], REPLAY_NONE);
        }
        run_crew(&crew, members);
    }
    free(members);
    free((void *)crew.recent);
    return !result->failed && !result->mismatch && replay_compare(population, oracle, result);
}
