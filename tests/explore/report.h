/* SPDX-License-Identifier: MIT */
/*
 * The table of `explore --report`: all programs of a few groups, each under every schedule within a bound of
 * preemptions, and then under PCT.
 */
#ifndef EXPLORE_REPORT_H
#define EXPLORE_REPORT_H

#include <stdbool.h>
#include <stdint.h>

struct report_options {
    bool is_short;     /* a sample of the programs, spread evenly */
    bool is_json;
    const char *only;  /* groups with this in their name */
    unsigned bound;
    unsigned depth;    /* of PCT */
    uint64_t pct;      /* schedules of PCT for each program */
    uint64_t seed;
    double seconds;    /* 0: as long as it takes */
    unsigned jobs;     /* processes */
};

/* => whether every program with a bound was run to its end, without a violation, and there were some. */
bool report_run(const struct report_options *options);

/* The programs that found, or would have found, the bugs of earlier versions. => false: a violation, printed. */
bool report_regressions(const struct report_options *options);

/* Some programs searched twice: with every path gone to its end, and with those that meet merged. => the same ends. */
bool report_merging(void);

/* Say what is wrong with the last execution and how to have it again. */
struct drive;
void report_violation(const struct drive *drive, const char *program);

#endif
