/* SPDX-License-Identifier: MIT */
/*
 * The memory itself: what a table that needed exactly one line for each lookup, and no work, would cost. It covers as
 * many bytes as hipt's lines do, and it reads the same array of keys.
 */
#include "impl.h"
#include "pages.h"

#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>

#define LINE_BYTES 64u

struct line {
    alignas(LINE_BYTES) uint64_t next; /* pointer chase: the line that follows, all lines in one cycle */
};

_Static_assert(sizeof(struct line) == LINE_BYTES, "one line is one cache line");

/* Field key: constant once created. */
struct memory {
    struct line *lines;
    uint64_t count;
};

/* A random cycle through all lines: each line in turn takes the place of an earlier one in it. */
static void memory_link(struct memory *memory, uint64_t seed)
{
    struct bench_random random = {.state = seed};
    struct line *lines = memory->lines;

    for (uint64_t i = 0; i < memory->count; i++) {
        lines[i].next = i;
    }
    for (uint64_t i = memory->count - 1; i > 0; i--) {
        uint64_t other = bench_random_below(&random, i);
        uint64_t next = lines[i].next;

        lines[i].next = lines[other].next;
        lines[other].next = next;
    }
}

static void *memory_create(const struct bench_geometry *geometry)
{
    struct memory *memory = malloc(sizeof(*memory));

    if (memory == NULL) {
        return NULL;
    }
    memory->count = geometry->line_bytes / LINE_BYTES;
    memory->lines = bench_pages_map("memory", memory->count * sizeof(struct line));
    if (memory->lines == NULL) {
        free(memory);
        return NULL;
    }
    memory_link(memory, geometry->seed);
    return memory;
}

static void memory_destroy(void *self)
{
    struct memory *memory = self;

    bench_pages_unmap(memory->lines, memory->count * sizeof(struct line));
    free(memory);
}

static void memory_count(void *self, struct bench_bytes *bytes)
{
    const struct memory *memory = self;

    bytes->forward = (size_t)memory->count * sizeof(struct line);
    bytes->total = bytes->forward;
}

/* One multiplication spreads the keys; both factors of the second are below 2^32. */
static inline const struct line *line_of(const struct memory *memory, uint64_t key)
{
    return &memory->lines[(((key * UINT64_C(0x9e3779b97f4a7c15)) >> 32) * memory->count) >> 32];
}

static struct bench_outcome run_lines(void *self, const struct bench_job *job)
{
    const struct memory *memory = self;
    struct bench_outcome outcome = {0};

    for (size_t i = 0; i < job->count; i++) {
        outcome.sum += line_of(memory, job->probes[i])->next;
    }
    return outcome;
}

static struct bench_outcome run_chase(void *self, const struct bench_job *job)
{
    const struct memory *memory = self;
    uint64_t at = job->first % memory->count;

    for (size_t i = 0; i < job->count; i++) {
        at = memory->lines[at].next;
    }
    return (struct bench_outcome){.sum = at};
}

static struct bench_outcome run_groups(void *self, const struct bench_job *job)
{
    const struct memory *memory = self;
    const struct line *lines[BENCH_BATCH];
    struct bench_outcome outcome = {0};

    for (size_t i = 0; i < job->count; i += job->group) {
        size_t count = job->count - i < job->group ? job->count - i : job->group;

        for (size_t j = 0; j < count; j++) {
            lines[j] = line_of(memory, job->probes[i + j]);
            __builtin_prefetch(lines[j]);
        }
        for (size_t j = 0; j < count; j++) {
            outcome.sum += lines[j]->next;
        }
    }
    return outcome;
}

/* A window of BENCH_BATCH prefetches that never drains. */
static struct bench_outcome run_window(void *self, const struct bench_job *job)
{
    const struct memory *memory = self;
    struct bench_outcome outcome = {0};

    for (size_t i = 0; i < job->count + BENCH_BATCH; i++) {
        if (i < job->count) {
            __builtin_prefetch(line_of(memory, job->probes[i]));
        }
        if (i >= BENCH_BATCH) {
            outcome.sum += line_of(memory, job->probes[i - BENCH_BATCH])->next;
        }
    }
    return outcome;
}

const struct bench_impl bench_memory = {
    .name = "memory",
    .text = "no table: random lines, a pointer chase, prefetched lines over as many bytes as hipt's lines take",
    .yardstick = true,
    .create = memory_create,
    .destroy = memory_destroy,
    .bytes = memory_count,
    .run = {[BENCH_LOOP_HIT] = run_lines,
            [BENCH_LOOP_HIT_SECTION] = run_lines,
            [BENCH_LOOP_DEPENDENT] = run_chase,
            [BENCH_LOOP_GROUPS] = run_groups,
            [BENCH_LOOP_STREAM] = run_window,
            [BENCH_LOOP_MISS] = run_lines},
};
