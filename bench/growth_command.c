/* SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "growth_command.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "charts.h"
#include "growth_report.h"
#include "measure.h"
#include "options.h"
#include "report.h"

#define FROM_MIN 1024u
#define TO_MAX (UINT64_C(1) << 28)
#define PACE_MAX 1000000u

static const char usage_text[] =
    "usage: hipt-bench growth [options]\n"
    "\n"
    "What lookups of one thread, and maps of another, take while the table doubles again and again: before, during\n"
    "and after each doubling, beside other tables that grow while they are in use.\n"
    "\n"
    "  --from N     entries that the table is made for (65536)\n"
    "  --to N       entries at the end (16777216)\n"
    "  --pace NS    from one map to the next, at least; 0: as fast as it can (600)\n"
    "  --rounds N   how often hipt grows, undisturbed; the others do so once (1)\n"
    "  --impl LIST  comma-separated, or all (hipt,lfht)\n"
    "  --seed N     seed of the keys and of all choices (1)\n"
    "  --svg DIR    pictures of the latencies into this directory, by gnuplot\n"
    "  --json       one JSON object a line instead of the table\n"
    "  --help       this text\n"
    "\n"
    "Exit status: 0 done, whether the goal is met or not; 1 a lookup or map had another outcome than it must have,\n"
    "memory was not to be had for one that was not asked for by name, or a picture could not be drawn; 2 the command\n"
    "line was not understood.\n";

static const struct option long_options[] = {
    {"from", required_argument, NULL, 'f'}, {"to", required_argument, NULL, 't'},
    {"pace", required_argument, NULL, 'p'}, {"rounds", required_argument, NULL, 'r'},
    {"impl", required_argument, NULL, 'i'}, {"seed", required_argument, NULL, 's'},
    {"svg", required_argument, NULL, 'v'},  {"json", no_argument, NULL, 'j'},
    {"help", no_argument, NULL, 'h'},       {NULL, 0, NULL, 0},
};

/* The options, and the implementations that may be named. */
struct taking {
    struct growth_options options;
    struct bench_results *results;
    bool impls[BENCH_IMPLS_MAX];
};

static bool take_option(void *ctx, int option)
{
    struct taking *taking = ctx;
    struct growth_setup *setup = &taking->options.setup;

    switch (option) {
    case 'f':
        return bench_option_number("--from", optarg, FROM_MIN, TO_MAX / 2, &setup->from);
    case 't':
        return bench_option_number("--to", optarg, 2 * FROM_MIN, TO_MAX, &setup->to);
    case 'p':
        return bench_option_number("--pace", optarg, 0, PACE_MAX, &setup->pace);
    case 'r':
        return bench_option_number("--rounds", optarg, 1, GROWTH_ROUNDS_MAX, &taking->options.rounds);
    case 'i':
        return bench_option_impls("--impl", optarg, taking->results->impls, taking->results->nimpls, taking->impls);
    case 's':
        return bench_option_number("--seed", optarg, 0, UINT64_MAX, &setup->seed);
    case 'v':
        taking->options.svg = optarg;
        return true;
    default:
        taking->options.json = true;
        return true;
    }
}

static const struct bench_command command = {"hipt-bench: growth", long_options, usage_text, NULL, take_option};

/* More rounds than the first, for the ratios alone: a p99.9 is made by few lookups. */
static bool run_again(const struct growth_options *options, const struct bench_impl *impl,
                      const struct bench_keys *keys, struct growth_ratios *ratios)
{
    struct growth_run run;
    bool right = true;

    for (uint64_t i = 1; right && i < 2 * options->rounds && ratios->clean < options->rounds; i++) {
        right = growth_run_create(&run, impl, &options->setup, keys);
        if (right) {
            growth_ratios_take(ratios, &run);
            right = run.wrong == 0;
            growth_run_destroy(&run);
        }
    }
    return right;
}

/* => whether all went right */
static bool judge(const struct growth_options *options, const struct growth_run *run, const struct bench_keys *keys,
                  struct bench_growth_figure *figure)
{
    struct growth_ratios ratios = {0};
    bool right;

    if (run->impl->enlarge == NULL) {
        return true;
    }
    growth_ratios_take(&ratios, run);
    right = run_again(options, run->impl, keys, &ratios);
    growth_judge(options->json, run, &ratios, (size_t)options->rounds, figure);
    return right;
}

/* => whether it is as it must be; one that grows is in @run. */
static bool run_one(const struct growth_options *options, const struct bench_impl *impl, const struct bench_keys *keys,
                    struct growth_run *run)
{
    if (!growth_run_create(run, impl, &options->setup, keys)) {
        bench_report_absent(options->json, impl->name, (size_t)options->setup.to);
        return impl->on_request;
    }
    growth_report_run(options->json, run);
    return run->wrong == 0;
}

bool growth_run_all(const struct growth_options *options, struct bench_results *results)
{
    struct growth_run runs[BENCH_IMPLS_MAX];
    struct bench_keys keys;
    size_t count = 0;
    bool right = true;

    if (!bench_keys_create(&keys, (size_t)options->setup.to, options->setup.seed)) {
        fprintf(stderr, "hipt-bench: growth: no memory for the keys\n");
        return false;
    }
    growth_report_head(options->json, &options->setup);
    for (size_t i = 0; i < results->nimpls; i++) {
        const struct bench_impl *impl = results->impls[i];

        if (options->impls[i] && (impl->watch != NULL || !impl->yardstick)) {
            runs[count].stretches = NULL;
            right &= run_one(options, impl, &keys, &runs[count]);
            if (runs[count].stretches != NULL) {
                right &= judge(options, &runs[count++], &keys, &results->growth);
            }
        }
    }
    right = (options->svg == NULL || growth_draw(options->svg, runs, count)) && right;
    while (count > 0) {
        growth_run_destroy(&runs[--count]);
    }
    bench_keys_destroy(&keys);
    return right;
}

int growth_main(int argc, char **argv, struct bench_results *results)
{
    struct taking taking = {.options = {.setup = {GROWTH_FROM, GROWTH_TO, GROWTH_PACE, 1}, .rounds = GROWTH_ROUNDS},
                            .results = results};
    enum bench_parsed parsed;

    for (size_t i = 0; i < results->nimpls; i++) {
        taking.impls[i] = !results->impls[i]->on_request && results->impls[i]->watch != NULL;
    }
    taking.options.impls = taking.impls;
    parsed = bench_command_parse(&command, &taking, argc, argv);
    if (parsed == BENCH_RUN && taking.options.setup.to < 2 * taking.options.setup.from) {
        fprintf(stderr, "hipt-bench: growth: --to must be twice --from at the least\n");
        parsed = BENCH_REFUSED;
    }
    if (parsed != BENCH_RUN) {
        return (int)parsed;
    }
    if (taking.options.svg != NULL && !bench_charts_ready(taking.options.svg)) {
        return 1;
    }
    bench_processors_remember();
    return growth_run_all(&taking.options, results) ? 0 : 1;
}
