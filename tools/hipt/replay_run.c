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

struct thread {
    pthread_t thread;
    void (*body)(struct member *member);
    unsigned cpu;
    struct member member;
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

/* The first stale translation is told at the end, unless something else went wrong. */
static void note_stale(struct crew *crew, const struct replay_access *access, struct replay_result *mine)
{
    mine->cpu.stale++;
    if (!atomic_exchange_explicit(&crew->stale_seen, true, memory_order_relaxed)) {
        replay_access_describe(crew->oracle, access, mine->text, sizeof(mine->text));
    }
}

void crew_access(struct crew *crew, struct replay_cpu *cpu, struct target target, uint8_t kind,
                 struct replay_result *mine)
{
    struct replay_access access = {.target = target, .kind = kind};
    char text[400];
    replay_cpu_access(cpu, crew->oracle, &access);
    mine->cpu.translations++;
    mine->cpu.hits += access.status == HIPT_OK && access.got.is_hit;
    mine->cpu.busy += access.status == HIPT_BUSY;
    switch (replay_access_judge(crew->oracle, &access)) {
    case ACCESS_RIGHT:
        mine->checked++;
        break;
    case ACCESS_UNCHECKED:
        mine->unchecked++;
        break;
    case ACCESS_STALE:
        note_stale(crew, &access, mine);
        break;
    case ACCESS_WRONG:
        crew_mismatch(crew, "%s", replay_access_describe(crew->oracle, &access, text, sizeof(text)));
        break;
    }
}

static void *thread_main(void *arg)
{
    struct thread *thread = arg;
    struct member *member = &thread->member;
    enum hipt_status status = replay_cpu_attach(&member->cpu, member->crew->population, thread->cpu);
    if (status != HIPT_OK) {
        crew_fail(member->crew, "CPU %u: %s", thread->cpu, hipt_strerror(status));
        return NULL;
    }
    thread->body(member);
    replay_cpu_detach(&member->cpu);
    return NULL;
}

static void add_mmu(struct replay_cpu_counts *sum, const struct hipt_mmu_counts *mine)
{
    sum->l2_hits += mine->hits[1];
    sum->walks += mine->walks;
    sum->refills += mine->refills;
    sum->evictions += mine->evictions;
    sum->ranges += mine->ranges;
    sum->tags += mine->tags;
    sum->alls += mine->alls;
    sum->forgotten += mine->forgotten;
}

static void add_cpu(struct replay_cpu_counts *sum, const struct replay_cpu_counts *mine)
{
    sum->translations += mine->translations;
    sum->hits += mine->hits;
    sum->busy += mine->busy;
    sum->stale += mine->stale;
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
    add_cpu(&sum->cpu, &mine->cpu);
    if (mine->text[0] != '\0' && sum->text[0] == '\0') {
        memcpy(sum->text, mine->text, sizeof(sum->text));
    }
}

/* => how many were started */
static unsigned start_all(struct crew *crew, struct thread *threads)
{
    unsigned readers = crew->options->readers, count = readers + crew->options->writers;
    for (unsigned i = 0; i < count; i++) {
        threads[i].member.crew = crew;
        threads[i].member.number = i < readers ? i : i - readers;
        threads[i].body = i < readers ? reader_run : writer_run;
        threads[i].cpu = i;
        if (pthread_create(&threads[i].thread, NULL, thread_main, &threads[i]) != 0) {
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

static void run_crew(struct crew *crew, struct thread *threads)
{
    unsigned started = start_all(crew, threads);
    struct hipt_stats stats;
    wait_for_end(crew);
    for (unsigned i = 0; i < started; i++) {
        pthread_join(threads[i].thread, NULL);
        add_result(crew->result, &threads[i].member.mine);
        add_mmu(&crew->result->cpu, &threads[i].member.cpu.mmu.counts);
    }
    hipt_table_stats(crew->population->table, &stats);
    crew->result->cpu.rounds = stats.rounds - crew->population->stats.rounds;
    crew->result->cpu.kicks = stats.kicks - crew->population->stats.kicks;
}

bool replay_run(const struct population *population, struct oracle *oracle, const struct targets *targets,
                const struct replay_options *options, struct replay_result *result)
{
    size_t recent = (size_t)options->writers * RECENT;
    struct crew crew = {
        .population = population, .oracle = oracle, .targets = targets, .options = options, .result = result};
    struct thread *threads = calloc((size_t)options->readers + options->writers, sizeof(*threads));
    memset(result, 0, sizeof(*result));
    crew.recent = calloc(recent + 1, sizeof(*crew.recent));
    if (threads == NULL || crew.recent == NULL) {
        crew_fail(&crew, "no memory for the threads");
    } else {
        for (size_t i = 0; i < recent; i++) {
            atomic_init(&crew.recent[i], REPLAY_NONE);
        }
        run_crew(&crew, threads);
    }
    free(threads);
    free((void *)crew.recent);
    return !result->failed && !result->mismatch && replay_compare(population, oracle, result) && result->cpu.stale == 0;
}
