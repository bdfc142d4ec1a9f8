/* SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "shootdown.h"

#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

static const char usage_text[] =
    "usage: hipt-bench shootdown [options]\n"
    "\n"
    "What it costs to make CPUs forget translations, threads standing for CPUs: an unmap by mode, CPUs and pages;\n"
    "lookups beside a CPU that answers late; and from how many pages on it is cheaper to forget a whole asid.\n"
    "\n"
    "  --cpus N[,N]   CPUs that use the asid, 1 to 8, the one that unmaps included (1,2,4)\n"
    "  --pages N[,N]  pages of one unmap, at most 131072 (1,32,512,131072)\n"
    "  --rounds N     rounds of each combination, interleaved (5)\n"
    "  --svg FILE     draw the unmaps of the most CPUs, with gnuplot\n"
    "  --threshold    only the last part\n"
    "  --json         one JSON object a line instead of the tables\n"
    "  --help         this text\n"
    "\n"
    "Exit status: 0 done, whether goals are met or not; 1 an unmap had another outcome than it must have, or memory\n"
    "or threads were not to be had; 2 the command line was not understood.\n";

static const struct option long_options[] = {
    {"cpus", required_argument, NULL, 'c'},   {"pages", required_argument, NULL, 'p'},
    {"rounds", required_argument, NULL, 'r'}, {"svg", required_argument, NULL, 's'},
    {"threshold", no_argument, NULL, 't'},    {"json", no_argument, NULL, 'j'},
    {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0},
};

static bool take_option(void *ctx, int option)
{
    struct shoot_options *options = ctx;

    switch (option) {
    case 'c':
        return bench_option_numbers("--cpus", optarg, 1, SHOOT_CPUS_MAX, &options->cpus);
    case 'p':
        return bench_option_numbers("--pages", optarg, 1, SHOOT_PAGES_MAX, &options->pages);
    case 'r':
        return bench_option_number("--rounds", optarg, 1, BENCH_ROUNDS_MAX, &options->rounds);
    case 's':
        options->svg = optarg;
        return true;
    case 't':
        options->threshold = true;
        return true;
    default:
        options->json = true;
        return true;
    }
}

static const struct bench_command command = {"hipt-bench: shootdown", long_options, usage_text, NULL, take_option};

void shoot_report_goal(bool json, const struct shoot_goal *goal)
{
    if (json) {
        printf("{\"bench\":\"hipt-bench shootdown\",\"part\":\"goal\",\"name\":\"%s\",\"goal\":\"%s\",\"figure\":%.3f,"
               "\"unit\":\"%s\",\"met\":%s}\n",
               goal->name, goal->goal, goal->figure, goal->unit, goal->met ? "true" : "false");
    } else {
        printf("%-66s %12.2f %s (goal: %s)%s\n", goal->name, goal->figure, goal->unit, goal->goal,
               strcmp(goal->goal, SHOOT_NO_GOAL) == 0 ? ""
               : goal->met                            ? ", met"
                                                      : ", NOT MET");
    }
    fflush(stdout);
}

static void print_head(const struct shoot_options *options)
{
    cpu_set_t set;
    unsigned cores = sched_getaffinity(0, sizeof(set), &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;

    if (options->json) {
        printf("{\"bench\":\"hipt-bench shootdown\",\"part\":\"machine\",\"cores\":%u,\"rounds\":%llu}\n", cores,
               (unsigned long long)options->rounds);
        return;
    }
    printf("%u cores", cores);
    for (size_t i = 0; i < options->cpus.count; i++) {
        if (options->cpus.values[i] > cores) {
            printf("; %llu CPUs are more threads than cores: noise of the scheduler",
                   (unsigned long long)options->cpus.values[i]);
        }
    }
    printf("\n");
}

int bench_shootdown_main(int argc, char **argv)
{
    struct shoot_options options = {
        .cpus = {.values = {1, 2, 4}, .count = 3}, .pages = {.values = {1, 32, 512, 131072}, .count = 4}, .rounds = 5};
    enum bench_parsed parsed = bench_command_parse(&command, &options, argc, argv);
    bool right = true;

    if (parsed != BENCH_RUN) {
        return (int)parsed;
    }
    print_head(&options);
    if (!options.threshold) {
        right =
            shoot_unmaps(&options) && shoot_strangers(&options) && shoot_staleness(&options) && shoot_tails(&options);
    }
    right = right && shoot_threshold(&options);
    if (!right) {
        fprintf(stderr,
                "hipt-bench: shootdown: stopped; where nothing is said above, an outcome was not the one that it "
                "must be\n");
    }
    return right ? 0 : 1;
}
