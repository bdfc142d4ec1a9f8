/* SPDX-License-Identifier: MIT */
/* What a growth is said to have been: rows of a table or JSON lines, and pictures. */
#ifndef BENCH_GROWTH_REPORT_H
#define BENCH_GROWTH_REPORT_H

#include <stdbool.h>
#include <stddef.h>

#include "growth_run.h"
#include "results.h"

void growth_report_head(bool json, const struct growth_setup *setup);
void growth_report_run(bool json, const struct growth_run *run);

/* p99.9 of lookups during each doubling, divided by that at rest around it, of as many runs as there were. */
struct growth_ratios {
    struct growth_ratio {
        double values[GROWTH_ROUNDS_MAX];
        size_t count;
        size_t disturbed; /* of them */
    } steps[GROWTH_STEPS_MAX];
};

/* Keeps those of a run. */
void growth_ratios_take(struct growth_ratios *ratios, const struct growth_run *run);

/* Says what their medians are, and keeps the highest: the goal's figure. */
void growth_judge(bool json, const struct growth_run *run, struct growth_ratios *ratios,
                  struct bench_growth_figure *figure);

/* Pictures of lookups and of maps into a directory, by gnuplot. => false: stderr says why */
bool growth_draw(const char *directory, const struct growth_run *runs, size_t count);

#endif
