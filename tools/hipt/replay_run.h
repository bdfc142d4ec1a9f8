/* SPDX-License-Identifier: MIT */
/* Readers and writers at work on a loaded table, and the judgement over everything they were told. */
#ifndef HIPT_TOOL_REPLAY_RUN_H
#define HIPT_TOOL_REPLAY_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "replay_load.h"
#include "replay_oracle.h"
#include "replay_targets.h"

#define REPLAY_THREADS_MAX 256u

struct replay_options {
    unsigned readers;
    unsigned writers; /* as many as the population was loaded for */
    double seconds;
    uint64_t seed;
};

/* What all CPUs did together. */
struct replay_cpu_counts {
    uint64_t translations, hits;
    uint64_t busy;  /* translations that met a page that was being changed */
    uint64_t stale; /* translations used after their end */
    uint64_t l2_hits, walks, refills, evictions;
    uint64_t ranges, tags, alls, forgotten; /* invalidations by kind, and entries that they found */
    uint64_t rounds, kicks;
};

/* What writers do. */
enum replay_change {
    CHANGE_MAP,
    CHANGE_UNMAP,
    CHANGE_AWAY, /* remapped to a spare frame */
    CHANGE_BACK, /* remapped from it to its own */
    CHANGE_PROTECT,
    CHANGES
};

struct replay_result {
    uint64_t lookups, found, absent; /* of the sweep or trace */
    uint64_t lookup_ns;              /* spent inside them, by all readers together */
    uint64_t reverses, reported;     /* reverse lookups, and mappings that they returned */
    uint64_t reverse_ns;
    uint64_t recent;             /* lookups of pages that a writer had just changed: checked, not timed */
    uint64_t checked, unchecked; /* answers */
    uint64_t changes[CHANGES];
    uint64_t busy, full, reaped;
    struct replay_cpu_counts cpu;
    uint64_t final_mappings, final_frames; /* compared at the end, threads joined */
    double seconds;
    bool failed; /* the run itself could not go on; .text says why */
    bool mismatch;
    char text[600]; /* the first wrong answer, or the first stale translation */
};

/*
 * Runs the threads, joins them, compares the whole table with the oracle's final states. => false: see .failed,
 * .mismatch, .cpu.stale. Where a wrong answer is found all threads stop at once; stale translations are counted.
 */
bool replay_run(const struct population *population, struct oracle *oracle, const struct targets *targets,
                const struct replay_options *options, struct replay_result *result);

/* The last part alone: no thread uses the table. */
bool replay_compare(const struct population *population, const struct oracle *oracle, struct replay_result *result);

/* One line for messages, every number of the mapping in it. => @text */
char *replay_describe(const struct hipt_mapping *mapping, char *text, size_t bytes);

#endif
