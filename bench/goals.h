/* SPDX-License-Identifier: MIT */
/* What hipt shall reach, as ratios in one run, and whether a run reached it. An unmet goal is no failure. */
#ifndef BENCH_GOALS_H
#define BENCH_GOALS_H

#include <stdbool.h>

#include "results.h"

void bench_goals_report(bool json, const struct bench_results *results);

#endif
