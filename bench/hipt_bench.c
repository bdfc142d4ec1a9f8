/* SPDX-License-Identifier: MIT */
/*
 * hipt-bench: what a lookup, an insert and a delete cost in hipt, beside the memory's own limit over as many bytes and
 * beside other tables, all in one run. README.md beside this file says how to read it.
 *
 * All tables of a run exist at once; rounds go through them in turn (A, B, C, A, B, C, ...), so that whatever happens
 * to the machine meanwhile happens to all of them.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bytes.h"
#include "charts.h"
#include "goals.h"
#include "growth_command.h"
#include "impl.h"
#include "keys.h"
#include "measure.h"
#include "numa.h"
#include "options.h"
#include "report.h"
#include "results.h"
#include "shootdown.h"
#include "workload.h"

#define LINE_BYTES 64u
#define ENTRIES_PER_TEN_LINES 28u /* hipt's default load */

#define MALLOC_SETTING "GLIBC_TUNABLES"
#define MALLOC_HUGE_PAGES "glibc.malloc.hugetlb=1"

/* In the order of creation: the memory covers as many bytes as hipt was seen to take. */
static const struct bench_impl *const impls[] = {
#ifndef BENCH_WITHOUT_HIPT
    &bench_hipt,
#endif
#ifndef BENCH_WITHOUT_LFHT
    &bench_lfht,
#endif
    &bench_ck,
    &bench_ck_lock,
    &bench_tbb,
    &bench_cuckoo,
    &bench_dpdk,
    &bench_mutex,
    &bench_inverted,
    &bench_radix,
    &bench_cluster,
    &bench_memory,
};
#define IMPLS (sizeof(impls) / sizeof(impls[0]))

_Static_assert(IMPLS <= BENCH_IMPLS_MAX, "there is room for everybody's results");

/* An implementation in use. */
struct contender {
    const struct bench_impl *impl;
    void *self;  /* NULL: not in this run */
    bool absent; /* asked for, and could not be made */
    struct bench_bytes bytes;
    struct bench_sample samples[2 * BENCH_ROUNDS_MAX];
    size_t taken;
    size_t clean; /* undisturbed ones of them */
};

/* All of them, over one population. */
struct arena {
    const struct bench_options *options;
    struct bench_results *results; /* of all arenas, one after the other */
    struct bench_keys keys;
    uint64_t *probes;
    struct contender contenders[IMPLS];
    size_t done; /* rounds, for the progress bar */
    size_t all;
    bool failed; /* something had the wrong outcome, or one that is always there could not be made */
};

static unsigned threads_max(const struct bench_options *options)
{
    uint64_t most = 0;

    for (size_t i = 0; i < options->threads.count; i++) {
        most = options->threads.values[i] > most ? options->threads.values[i] : most;
    }
    return (unsigned)most;
}

/* Filled by the main thread, so that what it allocates is in the main heap, and pinned, as the rounds are. */
static bool contender_fill(struct contender *contender, const struct bench_keys *keys)
{
    const struct bench_impl *impl = contender->impl;
    uint64_t wrong;

    (void)bench_processors_pin(); /* the fill is not timed */
    if (impl->thread_begin != NULL) {
        impl->thread_begin(contender->self);
    }
    wrong = impl->fill(contender->self, keys->present, keys->count);
    if (impl->thread_end != NULL) {
        impl->thread_end(contender->self);
    }
    (void)bench_processors_free();
    if (wrong > 0) {
        fprintf(stderr, "hipt-bench: %s: %llu of %zu keys could not be inserted\n", impl->name,
                (unsigned long long)wrong, keys->count);
    }
    return wrong == 0;
}

static void contender_destroy(struct contender *contender)
{
    if (contender->self != NULL) {
        contender->impl->destroy(contender->self);
        contender->self = NULL;
    }
}

/* => false, with a line on stderr and nothing left behind, if it takes no part. */
static bool contender_create(struct contender *contender, struct bench_geometry *geometry, struct arena *arena)
{
    const struct bench_impl *impl = contender->impl;

    bench_progress(arena->done, arena->all, impl->name);
    if (impl->create == NULL) {
        fprintf(stderr, "hipt-bench: %s: %s\n", impl->name, impl->text);
        return false;
    }
    contender->self = impl->create(geometry);
    if (contender->self == NULL) {
        return false;
    }
    if (impl->fill != NULL && !contender_fill(contender, &arena->keys)) {
        contender_destroy(contender);
        return false;
    }
    impl->bytes(contender->self, &contender->bytes);
    if (strcmp(impl->name, "hipt") == 0) {
        geometry->line_bytes = contender->bytes.forward;
    }
    return true;
}

static bool arena_create(struct arena *arena, const struct bench_options *options, size_t entries)
{
    size_t probes = (size_t)options->operations * threads_max(options);
    struct bench_geometry geometry = {.entries = entries,
                                      .operations = (size_t)options->operations,
                                      .threads = threads_max(options),
                                      .line_bytes = entries * 10 / ENTRIES_PER_TEN_LINES * LINE_BYTES,
                                      .seed = options->seed};

    arena->probes = calloc(probes, sizeof(*arena->probes));
    if (arena->probes == NULL || !bench_keys_create(&arena->keys, entries, options->seed)) {
        fprintf(stderr, "hipt-bench: no memory for %zu keys and %zu probes\n", 2 * entries, probes);
        return false;
    }
    for (size_t i = 0; i < IMPLS; i++) {
        struct contender *contender = &arena->contenders[i];

        contender->impl = impls[i];
        contender->absent = options->impls[i] && !contender_create(contender, &geometry, arena);
        arena->failed |= contender->absent && !impls[i]->on_request;
    }
    return true;
}

static void arena_destroy(struct arena *arena)
{
    for (size_t i = 0; i < IMPLS; i++) {
        contender_destroy(&arena->contenders[i]);
    }
    bench_keys_destroy(&arena->keys);
    free(arena->probes);
    arena->probes = NULL;
}

static bool takes_part(const struct contender *contender, enum bench_workload workload)
{
    return contender->self != NULL && contender->impl->run[bench_plans[workload].loop] != NULL;
}

/* => false also where it only follows the others, because it does not bear as many writers. */
static bool is_measured(const struct contender *contender, enum bench_workload workload, unsigned threads)
{
    bool writes = bench_plans[workload].loop == BENCH_LOOP_MIXED;
    unsigned most = contender->impl->writers_max;

    return takes_part(contender, workload) && (!writes || most == 0 || threads <= most);
}

/* All threads' steps one after the other, on no clock: the next round begins with what this one leaves. */
static bool follow_contender(struct contender *contender, struct arena *arena, enum bench_workload workload,
                             unsigned threads)
{
    struct bench_sample sample;

    if (!bench_round(contender->impl, contender->self, workload, 1, arena->probes,
                     (size_t)arena->options->operations * threads, &sample)) {
        fprintf(stderr, "hipt-bench: %s: no thread for a round\n", contender->impl->name);
        return false;
    }
    arena->failed |= sample.wrong > 0;
    return true;
}

/* One round of one contender. Once it has the undisturbed samples that are wanted it runs, for the keys, unrecorded. */
static bool run_contender(struct contender *contender, struct arena *arena, enum bench_workload workload,
                          unsigned threads)
{
    const struct bench_impl *impl = contender->impl;
    enum bench_loop loop = bench_plans[workload].loop;
    size_t count = (size_t)arena->options->operations;
    struct bench_sample sample;

    if (!is_measured(contender, workload, threads)) {
        return follow_contender(contender, arena, workload, threads);
    }
    if ((impl->prepare != NULL && !impl->prepare(contender->self, loop, arena->probes, count * threads)) ||
        !bench_round(impl, contender->self, workload, threads, arena->probes, count, &sample)) {
        fprintf(stderr, "hipt-bench: %s: no memory or no threads for a round\n", impl->name);
        return false;
    }
    if (contender->clean < arena->options->rounds) {
        contender->samples[contender->taken++] = sample;
        contender->clean += !sample.disturbed;
    }
    return true;
}

/* The choices of a round follow from its number and the seed, however many rounds had to be repeated before it. */
static bool run_round(struct arena *arena, enum bench_workload workload, unsigned threads, size_t round)
{
    uint64_t place = (((uint64_t)workload * BENCH_THREADS_MAX) + threads) * 2 * BENCH_ROUNDS_MAX + round;
    struct bench_random random = {.state = bench_mix(arena->options->seed ^ bench_mix(place + 1))};

    struct bench_draw draw = {.keys = &arena->keys,
                              .threads = threads,
                              .count = (size_t)arena->options->operations,
                              .random = &random,
                              .probes = arena->probes,
                              .argument = bench_plans[workload].argument};

    bench_progress(arena->done, arena->all, bench_plans[workload].name);
    bench_plans[workload].draw(&draw);
    for (size_t i = 0; i < IMPLS; i++) {
        struct contender *contender = &arena->contenders[i];

        if (takes_part(contender, workload) && !run_contender(contender, arena, workload, threads)) {
            return false;
        }
    }
    arena->done++;
    return true;
}

static bool wants_more(const struct arena *arena, enum bench_workload workload, unsigned threads)
{
    for (size_t i = 0; i < IMPLS; i++) {
        const struct contender *contender = &arena->contenders[i];

        if (is_measured(contender, workload, threads) && contender->clean < arena->options->rounds) {
            return true;
        }
    }
    return false;
}

/* Bytes are kept with a figure, so that who is not in the run has none. */
static void keep(const struct arena *arena, enum bench_workload workload, size_t impl, const struct bench_row *row)
{
    struct bench_results *results = arena->results;
    size_t entries = bench_list_place(&arena->options->entries, row->entries);
    size_t threads = bench_list_place(&arena->options->threads, row->threads);

    results->times[entries][workload][threads][impl] =
        (struct bench_result){.ns = row->figure.median, .disturbed = row->figure.disturbed_kept > 0};
    results->bytes[entries][impl] = row->bytes;
}

static void report(struct arena *arena, enum bench_workload workload, unsigned threads)
{
    struct bench_row row = {.workload = bench_plans[workload].name,
                            .entries = arena->keys.count,
                            .threads = threads,
                            .operations = arena->options->operations,
                            .seed = arena->options->seed};

    for (size_t i = IMPLS; i-- > 0;) { /* the memory first: the others are set in relation to it */
        struct contender *contender = &arena->contenders[i];

        if (is_measured(contender, workload, threads)) {
            row.impl = contender->impl->name;
            row.bytes = contender->bytes;
            bench_figure(contender->samples, contender->taken, (size_t)arena->options->rounds, &row.figure);
            if (contender->impl == &bench_memory) {
                row.memory = row.figure.median;
            }
            arena->failed |= row.figure.wrong > 0;
            keep(arena, workload, i, &row);
            bench_report_row(arena->options->json, &row);
        }
    }
}

static void report_absent(const struct arena *arena)
{
    for (size_t i = 0; i < IMPLS; i++) {
        if (arena->contenders[i].absent) {
            bench_report_absent(arena->options->json, arena->contenders[i].impl->name, arena->keys.count);
        }
    }
}

/* As many rounds as are wanted; disturbed ones are repeated, up to as many again. */
static bool run_workload(struct arena *arena, enum bench_workload workload, unsigned threads)
{
    size_t rounds = (size_t)arena->options->rounds;

    for (size_t i = 0; i < IMPLS; i++) {
        arena->contenders[i].taken = 0;
        arena->contenders[i].clean = 0;
    }
    for (size_t i = 0; i < 2 * rounds && wants_more(arena, workload, threads); i++) {
        if (!run_round(arena, workload, threads, i)) {
            return false;
        }
    }
    report(arena, workload, threads);
    return true;
}

/* => false if the run cannot go on; what went wrong without stopping it is in @arena->failed. */
static bool run_entries(struct arena *arena, size_t entries)
{
    const struct bench_options *options = arena->options;
    bool going = arena_create(arena, options, entries);

    if (going) {
        bench_progress_clear();
        bench_report_head(options->json, entries, options->seed);
        report_absent(arena);
    }
    for (size_t i = 0; going && i < BENCH_WORKLOADS; i++) {
        for (size_t j = 0; going && options->workloads[i] && j < options->threads.count; j++) {
            going = run_workload(arena, (enum bench_workload)i, (unsigned)options->threads.values[j]);
        }
    }
    bench_progress_clear();
    arena_destroy(arena);
    return going;
}

static size_t count_rounds(const struct bench_options *options)
{
    size_t workloads = 0;

    for (size_t i = 0; i < BENCH_WORKLOADS; i++) {
        workloads += options->workloads[i];
    }
    return workloads * options->entries.count * options->threads.count * (size_t)options->rounds;
}

/*
 * glibc's malloc() asks for huge pages only if its environment says so when the program starts. The peers' nodes and
 * buckets shall have them as hipt's lines do, so the program starts once more with that said.
 */
static void start_with_huge_pages(char **argv)
{
    const char *setting = getenv(MALLOC_SETTING);
    char extended[512];

    if (setting != NULL && strstr(setting, "glibc.malloc.hugetlb=") != NULL) {
        return;
    }
    snprintf(extended, sizeof(extended), "%s%s" MALLOC_HUGE_PAGES, setting != NULL ? setting : "",
             setting != NULL ? ":" : "");
    if (setenv(MALLOC_SETTING, extended, 1) == 0) {
        execv("/proc/self/exe", argv);
    }
    fprintf(stderr, "hipt-bench: malloc() has no huge pages; the peers' figures suffer\n");
}

/* Those that were asked for, and can. From 2^16 entries, or fewer where it shall not be so many in the end. */
static bool run_growth(const struct bench_options *options, struct bench_results *results)
{
    uint64_t from = options->growth / 2 < GROWTH_FROM ? options->growth / 2 : GROWTH_FROM;
    struct growth_options growth = {.setup = {from, options->growth, GROWTH_PACE, options->seed},
                                    .rounds = GROWTH_ROUNDS,
                                    .impls = options->impls,
                                    .svg = options->svg,
                                    .json = options->json};

    return growth_run_all(&growth, results);
}

/* => whether all went as it must */
static bool run(struct arena *arena, const struct bench_options *options, struct bench_results *results)
{
    bool going = true;

    arena->options = options;
    arena->results = results;
    arena->all = count_rounds(options);
    for (size_t i = 0; going && i < options->entries.count; i++) {
        going = run_entries(arena, (size_t)options->entries.values[i]);
    }
    if (going && options->growth > 0) {
        going = run_growth(options, results);
    }
    if (going && options->full) {
        bench_goals_report(options->json, results);
    }
    if (going && options->svg != NULL) {
        going = bench_charts_draw(options->svg, results);
    }
    return going && !arena->failed;
}

int main(int argc, char **argv)
{
    static struct arena arena;
    static struct bench_results results;
    bool chosen[IMPLS];
    struct bench_options options = {.entries = {.values = {1000000}, .count = 1},
                                    .threads = {.values = {1}, .count = 1},
                                    .rounds = 5,
                                    .operations = 1u << 20,
                                    .seed = 1,
                                    .impls = chosen};
    enum bench_parsed parsed;

#ifndef BENCH_WITHOUT_HIPT
    if (argc > 1 && strcmp(argv[1], "shootdown") == 0) {
        return bench_shootdown_main(argc - 1, argv + 1);
    }
    if (argc > 1 && strcmp(argv[1], "bytes") == 0) {
        return bench_bytes_main(argc - 1, argv + 1);
    }
    if (argc > 1 && strcmp(argv[1], "numa") == 0) {
        return bench_numa_main(argc - 1, argv + 1);
    }
#endif
    start_with_huge_pages(argv);
    results.options = &options;
    results.impls = impls;
    results.nimpls = IMPLS;
    if (argc > 1 && strcmp(argv[1], "growth") == 0) {
        return growth_main(argc - 1, argv + 1, &results);
    }
    for (size_t i = 0; i < IMPLS; i++) {
        chosen[i] = !impls[i]->on_request;
    }
    memset(options.workloads, 1, sizeof(options.workloads));
    parsed = bench_options_parse(&options, argc, argv, impls, IMPLS);
    if (parsed != BENCH_RUN) {
        return (int)parsed;
    }
    if (options.svg != NULL && !bench_charts_ready(options.svg)) {
        return 1;
    }
    bench_processors_remember();
    return run(&arena, &options, &results) ? 0 : 1;
}
