/* SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "numa.h"

#include <getopt.h>
#include <stdio.h>

#include "numa_replicas.h"
#include "numa_run.h"
#include "numa_svg.h"
#include "options.h"
#include "report.h"

#define ENTRIES_MIN 1024u /* each of the spaces has some */
#define ENTRIES_MAX (UINT64_C(1) << 22)
#define OPERATIONS_MAX (UINT64_C(1) << 32)

static const char usage_text[] =
    "usage: hipt-bench numa [options]\n"
    "\n"
    "Which nodes lookups touch, on machines that are made up. The lines of a table are looked up and counted exactly,\n"
    "each on the node that the library has its memory from; time is reckoned from distances, a local line being 1.\n"
    "First the ways to place spaces: home (used where they were created), shared (used from all nodes),\n"
    "one-node (all on node 0, as where nobody knows of nodes), interleaved (page by page over all nodes), regions (in\n"
    "two halves on two nodes, each used from its own). Then what read replicas would cost and bring, by count, over\n"
    "the share of updates; hipt has none.\n"
    "\n"
    "  --nodes N[,N]     nodes of the machines, 1 to 16 (1,2,4,8)\n"
    "  --distance N      between two nodes, 11 to 255; 10 to oneself (20)\n"
    "  --entries N       mappings (65536)\n"
    "  --operations N    that are counted, for each row (262144)\n"
    "  --seed N          of all that is drawn (1)\n"
    "  --svg FILE        a picture of the replicas, with gnuplot\n"
    "  --json            one JSON object a line instead of the tables\n"
    "  --help            this text\n"
    "\n"
    "Exit status: 0 done; 1 memory was not to be had, or a page was not where it was mapped; 2 the command line was\n"
    "not understood.\n";

static const struct option long_options[] = {
    {"nodes", required_argument, NULL, 'n'},      {"distance", required_argument, NULL, 'd'},
    {"entries", required_argument, NULL, 'e'},    {"operations", required_argument, NULL, 'o'},
    {"seed", required_argument, NULL, 's'},       {"svg", required_argument, NULL, 'v'},
    {"json", no_argument, NULL, 'j'},             {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

struct numa_options {
    struct bench_list nodes;
    uint64_t distance;
    uint64_t entries;
    uint64_t operations;
    uint64_t seed;
    const char *svg;
    bool json;
};

static bool take_option(void *ctx, int option)
{
    struct numa_options *options = ctx;

    switch (option) {
    case 'n':
        return bench_option_numbers("--nodes", optarg, 1, NUMA_NODES_MAX, &options->nodes);
    case 'd':
        return bench_option_number("--distance", optarg, HIPT_DISTANCE_LOCAL + 1u, HIPT_DISTANCE_MAX,
                                   &options->distance);
    case 'e':
        return bench_option_number("--entries", optarg, ENTRIES_MIN, ENTRIES_MAX, &options->entries);
    case 'o':
        return bench_option_number("--operations", optarg, 1, OPERATIONS_MAX, &options->operations);
    case 's':
        return bench_option_number("--seed", optarg, 0, UINT64_MAX, &options->seed);
    case 'v':
        options->svg = optarg;
        return true;
    default:
        options->json = true;
        return true;
    }
}

static const struct bench_command command = {"hipt-bench: numa", long_options, usage_text, NULL, take_option};

static struct numa_setup setup_of(const struct numa_options *options, size_t which)
{
    return (struct numa_setup){.nodes = (unsigned)options->nodes.values[which],
                               .distance = (unsigned)options->distance,
                               .entries = options->entries,
                               .operations = options->operations,
                               .seed = options->seed};
}

static void print_cost(const struct numa_setup *setup, enum numa_policy policy, const struct numa_cost *cost, bool json)
{
    double lines = (double)(cost->local + cost->remote);
    double remote = (double)cost->remote / lines;
    double expected = numa_expected(policy, setup->nodes);
    double each = lines / (double)cost->operations;
    double time = cost->time / (double)cost->operations;

    if (json) {
        printf("{\"bench\":\"hipt-bench numa\",\"part\":\"touches\",\"nodes\":%u,\"policy\":\"%s\",\"distance\":%u,"
               "\"lookups\":%llu,\"local\":%llu,\"remote\":%llu,\"lines\":%.4f,\"remote_share\":%.4f,"
               "\"expected\":%.4f,\"time\":%.4f}\n",
               setup->nodes, numa_policy_names[policy], setup->distance, (unsigned long long)cost->operations,
               (unsigned long long)cost->local, (unsigned long long)cost->remote, each, remote, expected, time);
    } else {
        printf("%5u  %-11s %12llu %8.3f %8.2f %% %8.2f %% %8.3f\n", setup->nodes, numa_policy_names[policy],
               (unsigned long long)cost->operations, each, 100 * remote, 100 * expected, time);
    }
    fflush(stdout);
}

static bool run_policies(const struct numa_options *options)
{
    if (!options->json) {
        printf("%5s  %-11s %12s %8s %10s %10s %8s\n", "nodes", "spaces", "lookups", "lines", "remote", "expected",
               "time");
    }
    for (size_t i = 0; i < options->nodes.count; i++) {
        struct numa_setup setup = setup_of(options, i);

        for (unsigned policy = 0; policy < NUMA_POLICIES; policy++) {
            struct numa_cost cost;

            bench_progress(i * NUMA_POLICIES + policy, options->nodes.count * NUMA_POLICIES, "placement");
            if (!numa_run(&setup, (enum numa_policy)policy, &cost)) {
                return false;
            }
            bench_progress_clear();
            print_cost(&setup, (enum numa_policy)policy, &cost, options->json);
        }
    }
    return true;
}

static void print_curve(const struct numa_curve *curve, bool json)
{
    for (size_t i = 0; i < curve->count; i++) {
        const struct numa_point *point = &curve->points[i];

        if (json) {
            printf("{\"bench\":\"hipt-bench numa\",\"part\":\"replicas\",\"nodes\":%u,\"writes\":%.4f,"
                   "\"placed\":%.4f,\"replicas\":%.4f,\"fills\":%.4f}\n",
                   curve->nodes, point->writes, point->placed, point->copies, point->fills);
        } else {
            printf("%5u %9.0f %% %10.3f %10.3f %8.1f %%\n", curve->nodes, 100 * point->writes, point->placed,
                   point->copies, 100 * point->fills);
        }
    }
    if (json) {
        printf("{\"bench\":\"hipt-bench numa\",\"part\":\"break-even\",\"nodes\":%u,\"lines\":%.4f,\"writes\":%.4f,"
               "\"formula\":%.4f,\"saved\":%.4f}\n",
               curve->nodes, curve->lines, curve->break_even, curve->expected,
               1 - curve->points[0].copies / curve->points[0].placed);
    } else {
        printf("%5u nodes: replicas cost more from %.1f %% updates on (%.1f %% before fills, by the formula), and save "
               "at most %.0f %%\n",
               curve->nodes, 100 * curve->break_even, 100 * curve->expected,
               100 * (1 - curve->points[0].copies / curve->points[0].placed));
    }
    fflush(stdout);
}

static bool run_replicas(const struct numa_options *options)
{
    static struct numa_curve curves[BENCH_LIST_MAX];
    size_t count = 0;

    if (!options->json) {
        printf("\n%5s %11s %10s %10s %10s\n", "nodes", "updates", "one copy", "replicas", "fills");
    }
    for (size_t i = 0; i < options->nodes.count; i++) {
        struct numa_setup setup = setup_of(options, i);

        if (setup.nodes == 1u) { /* nobody is elsewhere */
            continue;
        }
        bench_progress(i, options->nodes.count, "replicas");
        if (!numa_curve(&setup, &curves[count])) {
            return false;
        }
        bench_progress_clear();
        print_curve(&curves[count++], options->json);
    }
    return options->svg == NULL || count == 0 || numa_draw(options->svg, curves, count);
}

int bench_numa_main(int argc, char **argv)
{
    struct numa_options options = {.nodes = {.values = {1, 2, 4, 8}, .count = 4},
                                   .distance = HIPT_DISTANCE_REMOTE,
                                   .entries = 65536,
                                   .operations = 262144,
                                   .seed = 1};
    enum bench_parsed parsed = bench_command_parse(&command, &options, argc, argv);

    if (parsed != BENCH_RUN) {
        return (int)parsed;
    }
    return run_policies(&options) && run_replicas(&options) ? 0 : 1;
}
