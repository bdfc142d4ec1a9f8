/* SPDX-License-Identifier: MIT */
/* What hipt-bench says: a table or JSON lines on stdout, a progress bar on stderr where that is a terminal. */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "impl.h"
#include "measure.h"

/* One line of the report. */
struct bench_row {
    const char *impl;
    const char *workload;
    size_t entries;
    unsigned threads;
    uint64_t operations; /* of each thread in each round */
    uint64_t seed;
    struct bench_bytes bytes;
    struct bench_figure figure;
    double memory; /* the memory's own median in the same workload, 0 where there is none */
};

/* The table's head for one number of entries; nothing in JSON. */
void bench_report_head(bool json, size_t entries, uint64_t seed);
/* An implementation that was asked for and is not in the run; why is on stderr. */
void bench_report_absent(bool json, const char *impl, size_t entries);
void bench_report_row(bool json, const struct bench_row *row);

/* How far the run is; @text names what is done now. */
void bench_progress(size_t done, size_t all, const char *text);
void bench_progress_clear(void);

#endif
