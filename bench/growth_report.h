/* SPDX-License-Identifier: MIT */
/* What a growth is said to have been: rows of a table or JSON lines, and pictures. */
#ifndef BENCH_GROWTH_REPORT_H
#define BENCH_GROWTH_REPORT_H

#include <stdbool.h>
#include <stddef.h>

#include "growth_run.h"
#include "measure.h"
#include "results.h"

void growth_report_head(bool json, const struct growth_setup *setup);
void growth_report_run(bool json, const struct growth_run *run);

/* p99.9 of lookups during each doubling, divided by that at rest around it, of as many rounds as were taken. */
struct growth_ratios {
    struct growth_ratio {
        struct bench_sample samples[2 * GROWTH_ROUNDS_MAX]; /* each .ns is a ratio */
        size_t taken;
    } steps[GROWTH_STEPS_MAX];
    size_t clean; /* rounds without a doubling that was disturbed */
};

/* Keeps those of a run. */
void growth_ratios_take(struct growth_ratios *ratios, const struct growth_run *run);

/* Says what their medians are, of @rounds that were wanted, and keeps the highest: the goal's figure. */
void growth_judge(bool json, const struct growth_run *run, struct growth_ratios *ratios, size_t rounds,
                  struct bench_growth_figure *figure);

/* Pictures of lookups and of maps into a directory, by gnuplot. => false: stderr says why */
bool growth_draw(const char *directory, const struct growth_run *runs, size_t count);

#endif
