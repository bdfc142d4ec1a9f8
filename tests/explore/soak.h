/* SPDX-License-Identifier: MIT */
/* PCT alone, for as long as wanted: programs of the groups, drawn at random, under many schedules each. */
#ifndef EXPLORE_SOAK_H
#define EXPLORE_SOAK_H

#include <stdbool.h>

#include "explore/report.h"

/*
 * options->seconds of it, or one program; options->pct schedules of each, of depth 1 to options->depth. => false: a
 * violation, printed.
 */
bool soak_run(const struct report_options *options);

#endif
