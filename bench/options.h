/* SPDX-License-Identifier: MIT */
/* The command line of hipt-bench. */
#ifndef BENCH_OPTIONS_H
#define BENCH_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "impl.h"
#include "workload.h"

#define BENCH_LIST_MAX 8u
#define BENCH_ROUNDS_MAX 99u

struct bench_list {
    uint64_t values[BENCH_LIST_MAX];
    size_t count;
};

struct bench_options {
    struct bench_list entries;
    struct bench_list threads;
    uint64_t rounds;
    uint64_t operations; /* of each thread in each round */
    uint64_t seed;
    bool workloads[BENCH_WORKLOADS];
    bool *impls; /* one for each implementation, owned by the caller */
    bool full;   /* all that the goals need, and the goals at the end */
    bool json;
    uint64_t growth; /* entries that tables grow to under lookups, after the other workloads; 0: they do not */
    const char *svg; /* a directory for pictures; NULL: none */
};

/* What reading a command line came to: to be run, or the exit status. */
enum bench_parsed { BENCH_RUN = -1, BENCH_HELPED = 0, BENCH_REFUSED = 2 };

struct option; /* getopt.h */

/* How a command line is read that has options only. */
struct bench_command {
    const char *who;              /* what messages begin with */
    const struct option *options; /* those there are; 'h' is --help */
    const char *usage;            /* the help */
    void (*help)(void *ctx);      /* what goes on behind it, such as what may be named; NULL: nothing does */
    bool (*take)(void *ctx, int option); /* its value is in optarg. => false: stderr says what would be right */
};

/* => BENCH_RUN: all was taken; BENCH_HELPED: the help is on stdout; BENCH_REFUSED: stderr says what was wrong. */
enum bench_parsed bench_command_parse(const struct bench_command *command, void *ctx, int argc, char **argv);

/*
 * Reads the command line; @impls is an array of @nimpls. => BENCH_RUN: @options is complete; BENCH_HELPED: the help is
 * on stdout; BENCH_REFUSED: stderr says what was wrong and what would be right.
 */
enum bench_parsed bench_options_parse(struct bench_options *options, int argc, char **argv,
                                      const struct bench_impl *const *impls, size_t nimpls);

/* A comma-separated list of implementations' names, cut in place. => false: stderr says what would be right. */
bool bench_option_impls(const char *option, char *text, const struct bench_impl *const *impls, size_t nimpls,
                        bool *chosen);

/* A number, or a comma-separated list of them, which is cut in place. => false: stderr says what would be right. */
bool bench_option_number(const char *option, const char *text, uint64_t min, uint64_t max, uint64_t *value);
bool bench_option_numbers(const char *option, char *text, uint64_t min, uint64_t max, struct bench_list *list);

#endif
