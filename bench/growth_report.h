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

/*
 * p99.9 of lookups during a doubling, divided by that at rest around it; of the doubling where it is the most. Of one
 * whose doublings can be told.
 */
void growth_judge(const struct growth_run *run, struct bench_growth_figure *figure);

/* Pictures of lookups and of maps into a directory, by gnuplot. => false: stderr says why */
bool growth_draw(const char *directory, const struct growth_run *runs, size_t count);

#endif
