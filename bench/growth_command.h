/* SPDX-License-Identifier: MIT */
/* `hipt-bench growth`: implementations that grow, one after the other, what is said of them, and the goal's figure. */
#ifndef BENCH_GROWTH_COMMAND_H
#define BENCH_GROWTH_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "growth_run.h"
#include "results.h"

#define GROWTH_ROUNDS 1u
#define GROWTH_FROM 65536u
#define GROWTH_TO (UINT64_C(1) << 24)
#define GROWTH_PACE 600u /* what the others take for a map, so that most of them keep it */

struct growth_options {
    struct growth_setup setup;
    uint64_t rounds;   /* of those whose doublings can be told; disturbed ones are repeated, up to as many again */
    const bool *impls; /* one for each implementation */
    const char *svg;   /* a directory for pictures; NULL: none */
    bool json;
};

/* Runs those of @results' implementations that are asked for; the goal's figure goes there. => all went right */
bool growth_run_all(const struct growth_options *options, struct bench_results *results);

/* The sub-command, its name in argv[0]. => the exit status. */
int growth_main(int argc, char **argv, struct bench_results *results);

#endif
