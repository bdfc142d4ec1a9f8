/* SPDX-License-Identifier: MIT */
/* The figures of a run as pictures. */
#ifndef BENCH_CHARTS_H
#define BENCH_CHARTS_H

#include <stdbool.h>

#include "results.h"

/* The directory for them, made if it is not there. => false: stderr says why */
bool bench_charts_ready(const char *directory);

/*
 * Into @directory: for each number of threads operations-<threads>.svg, ns for each operation by implementation, with
 * the most entries; and, where there are several numbers of entries, entries-<workload>.svg, the same over them, with
 * one thread or the first number. => false: stderr says why
 */
bool bench_charts_draw(const char *directory, const struct bench_results *results);

#endif
