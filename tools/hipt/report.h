/* SPDX-License-Identifier: MIT */
/* What a replay found out, as text, as JSON, and as a drawing. */
#ifndef HIPT_TOOL_REPORT_H
#define HIPT_TOOL_REPORT_H

#include <stdbool.h>
#include <stdio.h>

#include "replay_load.h"
#include "replay_run.h"
#include "replay_targets.h"

#define REPORT_OCCUPANCIES (HIPT_CHAIN_LINES_MAX * HIPT_SLOTS + 1)
#define REPORT_LINES (HIPT_CHAIN_LINES_MAX * HIPT_SIZES_MAX + 1)

struct report {
    const char *source; /* a path, or what stands for one */
    bool real_frames;
    unsigned cores; /* of this machine, as far as the process may use them */
    const struct population *population;
    const struct targets *targets;
    const struct replay_options *options;
    const struct replay_result *result;
    uint64_t hit_lines[REPORT_LINES]; /* lookups by the cache lines of the table that they read */
    uint64_t miss_lines[REPORT_LINES];
};

/* Counts the lines of a sample of hits, and of as many misses beside them. => nothing is changing the table */
void report_measure_lines(struct report *report);

/* How many of @buckets random throws of @mappings leave with exactly @occupancy. */
double report_poisson(uint64_t mappings, uint64_t buckets, unsigned occupancy);

/* => 0, or -1 if the stream took an error. */
int report_text(const struct report *report, FILE *file);
int report_json(const struct report *report, FILE *file);

/* A JSON string, quotes included. Bytes that are not ASCII are passed on as they are. */
void report_json_string(FILE *file, const char *text);

/* Whether gnuplot can be run. */
bool report_can_draw(void);

/* Bucket occupancy as SVG, drawn by gnuplot. => 0, or -1 with one line in @text. */
int report_draw(const struct report *report, const char *path, char *text, size_t bytes);

#endif
