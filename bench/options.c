/* SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENTRIES_MIN 1000u
#define ENTRIES_MAX (UINT64_C(1) << 28)
#define OPERATIONS_MIN 1000u
#define OPERATIONS_MAX (UINT64_C(1) << 26)
#define EVERYTHING "all"
#define FULL_ROUNDS 7u
#define FULL_GROWTH (UINT64_C(1) << 24)
#define GROWTH_MIN (UINT64_C(1) << 11)

/* What can be named in a list: implementations or workloads. */
struct names {
    const char *option;
    size_t count;
    const char *(*name)(const void *all, size_t which);
    const void *all;
};

static const struct option long_options[] = {
    {"entries", required_argument, NULL, 'e'},  {"threads", required_argument, NULL, 't'},
    {"rounds", required_argument, NULL, 'r'},   {"ops", required_argument, NULL, 'o'},
    {"workload", required_argument, NULL, 'w'}, {"impl", required_argument, NULL, 'i'},
    {"seed", required_argument, NULL, 's'},     {"full", no_argument, NULL, 'f'},
    {"growth", required_argument, NULL, 'g'},   {"svg", required_argument, NULL, 'v'},
    {"json", no_argument, NULL, 'j'},           {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static const char *impl_name(const void *all, size_t which)
{
    const struct bench_impl *const *impls = all;

    return impls[which]->name;
}

static const char *workload_name(const void *all, size_t which)
{
    const struct bench_plan *plans = all;

    return plans[which].name;
}

bool bench_option_number(const char *option, const char *text, uint64_t min, uint64_t max, uint64_t *value)
{
    char *end = NULL;

    errno = 0;
    *value = strtoull(text, &end, 10);
    if (!isdigit((unsigned char)text[0]) || *end != '\0' || errno != 0 || *value < min || *value > max) {
        fprintf(stderr, "hipt-bench: %s '%s': a number from %llu to %llu is needed\n", option, text,
                (unsigned long long)min, (unsigned long long)max);
        return false;
    }
    return true;
}

/* Calls for each element of a comma-separated list. @text is cut in place. => false as soon as one is refused. */
static bool each_element(char *text, bool (*take)(void *ctx, const char *element), void *ctx)
{
    while (text != NULL) {
        char *comma = strchr(text, ',');

        if (comma != NULL) {
            *comma++ = '\0';
        }
        if (!take(ctx, text)) {
            return false;
        }
        text = comma;
    }
    return true;
}

struct number_list {
    const char *option;
    uint64_t min;
    uint64_t max;
    struct bench_list *list;
};

static bool take_number(void *ctx, const char *element)
{
    struct number_list *numbers = ctx;
    struct bench_list *list = numbers->list;

    if (list->count == BENCH_LIST_MAX) {
        fprintf(stderr, "hipt-bench: %s: at most %u numbers\n", numbers->option, BENCH_LIST_MAX);
        return false;
    }
    return bench_option_number(numbers->option, element, numbers->min, numbers->max, &list->values[list->count++]);
}

bool bench_option_numbers(const char *option, char *text, uint64_t min, uint64_t max, struct bench_list *list)
{
    struct number_list numbers = {option, min, max, list};

    list->count = 0;
    return each_element(text, take_number, &numbers);
}

struct choice {
    const struct names *names;
    bool *chosen;
};

static bool take_name(void *ctx, const char *element)
{
    const struct choice *choice = ctx;
    const struct names *names = choice->names;

    bool found = false;

    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(element, EVERYTHING) == 0 || strcmp(names->name(names->all, i), element) == 0) {
            choice->chosen[i] = true;
            found = true;
        }
    }
    if (found) {
        return true;
    }
    fprintf(stderr, "hipt-bench: %s '%s': one or more of", names->option, element);
    for (size_t i = 0; i < names->count; i++) {
        fprintf(stderr, "%c%s", i == 0 ? ' ' : ',', names->name(names->all, i));
    }
    fprintf(stderr, " is needed, or " EVERYTHING "\n");
    return false;
}

static bool parse_names(const struct names *names, bool *chosen, char *text)
{
    struct choice choice = {.names = names, .chosen = chosen};

    memset(chosen, 0, names->count * sizeof(*chosen));
    return each_element(text, take_name, &choice);
}

bool bench_option_impls(const char *option, char *text, const struct bench_impl *const *impls, size_t nimpls,
                        bool *chosen)
{
    struct names names = {option, nimpls, impl_name, impls};

    return parse_names(&names, chosen, text);
}

static const char usage_text[] =
    "usage: hipt-bench [options]\n"
    "       hipt-bench shootdown [options]    what a shootdown costs; see hipt-bench shootdown --help\n"
    "       hipt-bench bytes [options]        what a mapping takes; see hipt-bench bytes --help\n"
    "       hipt-bench numa [options]         nodes that lookups touch; see hipt-bench numa --help\n"
    "       hipt-bench growth [options]       what a table that grows takes; see hipt-bench growth --help\n"
    "\n"
    "Times lookups, inserts and deletes of page mappings in hipt, beside the memory's own limit over as many\n"
    "bytes and beside other tables, in interleaved rounds of one run. Figures are medians over the rounds.\n"
    "\n"
    "  --entries N[,N]    entries in the table (1000000)\n"
    "  --threads N[,N]    threads; one is pinned to a processor, more are not (1)\n"
    "  --rounds N         rounds of each workload and implementation (5)\n"
    "  --ops N            operations of each thread in a round (1048576)\n"
    "  --workload LIST    comma-separated (all)\n"
    "  --impl LIST        comma-separated, or all (those marked with *)\n"
    "  --seed N           seed of the keys and of all choices (1)\n"
    "  --full             all that the goals need, beside all implementations: 1000000 and 16000000 entries, 1\n"
    "                     and 2 threads, 4 and more where there are cores; then growth, and the goals, met or\n"
    "                     not. Options after it change it; takes 14 minutes, growth included, and 12 GB\n"
    "  --growth N         at the end, growth to N entries, as hipt-bench growth has it\n"
    "  --svg DIR          pictures of the figures into this directory, by gnuplot\n"
    "  --json             one JSON object a line instead of the table\n"
    "  --help             this text\n";

/* What may be named, and how it ends. */
static void print_names(const struct bench_impl *const *impls, size_t nimpls)
{
    printf("\nWorkloads:\n");
    for (size_t i = 0; i < BENCH_WORKLOADS; i++) {
        printf("  %-12s %s\n", bench_plans[i].name, bench_plans[i].text);
    }
    printf("\nImplementations:\n");
    for (size_t i = 0; i < nimpls; i++) {
        printf("  %-10s %c %s\n", impls[i]->name, impls[i]->on_request ? ' ' : '*', impls[i]->text);
    }
    printf("\nExit status: 0 done; 1 a lookup, insert or delete had another outcome than it must have, memory was not\n"
           "to be had for one of those marked with *, or a picture could not be drawn; 2 the command line was not\n"
           "understood.\n");
}

static void refuse_option(const struct bench_command *command, const char *given)
{
    if (optopt != 0 && optopt != '?' && strncmp(given, "--", 2) == 0) {
        fprintf(stderr, "%s: %s: %s; see --help\n", command->who, given,
                strchr(given, '=') != NULL ? "takes no value" : "needs a value");
        return;
    }
    fprintf(stderr, "%s: unknown option '%s'; there are", command->who, given);
    for (const struct option *option = command->options; option->name != NULL; option++) {
        fprintf(stderr, " --%s", option->name);
    }
    fprintf(stderr, "\n");
}

enum bench_parsed bench_command_parse(const struct bench_command *command, void *ctx, int argc, char **argv)
{
    int option;

    opterr = 0;
    while ((option = getopt_long(argc, argv, "", command->options, NULL)) != -1) {
        if (option == 'h') {
            printf("%s", command->usage);
            if (command->help != NULL) {
                command->help(ctx);
            }
            return BENCH_HELPED;
        }
        if (option == '?') {
            refuse_option(command, argv[optind - 1]);
            return BENCH_REFUSED;
        }
        if (!command->take(ctx, option)) {
            return BENCH_REFUSED;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "%s: '%s': there are only options; see --help\n", command->who, argv[optind]);
        return BENCH_REFUSED;
    }
    return BENCH_RUN;
}

/* 1 and 2, and then the powers of two up to the number of processors. */
static void take_all_threads(struct bench_list *threads)
{
    cpu_set_t processors;
    uint64_t cores = 2;

    if (sched_getaffinity(0, sizeof(processors), &processors) == 0 && CPU_COUNT(&processors) > 2) {
        cores = (uint64_t)CPU_COUNT(&processors);
    }
    threads->count = 0;
    for (uint64_t i = 1; i <= cores && i <= BENCH_THREADS_MAX; i *= 2) {
        threads->values[threads->count++] = i;
    }
}

static void take_full(struct bench_options *options, size_t nimpls)
{
    static const enum bench_workload needed[] = {BENCH_HIT,       BENCH_DEPENDENT, BENCH_BATCH64,  BENCH_STREAMING,
                                                 BENCH_RUN_BATCH, BENCH_MISS,      BENCH_MIXED_90, BENCH_MIXED_50};

    options->full = true;
    options->rounds = FULL_ROUNDS;
    options->growth = FULL_GROWTH;
    options->entries = (struct bench_list){.values = {1000000, 16000000}, .count = 2};
    take_all_threads(&options->threads);
    memset(options->workloads, 0, sizeof(options->workloads));
    for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
        options->workloads[needed[i]] = true;
    }
    for (size_t i = 0; i < nimpls; i++) {
        options->impls[i] = true;
    }
}

/* The options, and what may be named in them. */
struct taking {
    struct bench_options *options;
    struct names impls;
    struct names workloads;
};

static bool take_option(void *ctx, int option)
{
    struct taking *taking = ctx;
    struct bench_options *options = taking->options;

    switch (option) {
    case 'e':
        return bench_option_numbers("--entries", optarg, ENTRIES_MIN, ENTRIES_MAX, &options->entries);
    case 't':
        return bench_option_numbers("--threads", optarg, 1, BENCH_THREADS_MAX, &options->threads);
    case 'r':
        return bench_option_number("--rounds", optarg, 1, BENCH_ROUNDS_MAX, &options->rounds);
    case 'o':
        return bench_option_number("--ops", optarg, OPERATIONS_MIN, OPERATIONS_MAX, &options->operations);
    case 's':
        return bench_option_number("--seed", optarg, 0, UINT64_MAX, &options->seed);
    case 'w':
        return parse_names(&taking->workloads, options->workloads, optarg);
    case 'i':
        return parse_names(&taking->impls, options->impls, optarg);
    case 'g':
        return bench_option_number("--growth", optarg, GROWTH_MIN, ENTRIES_MAX, &options->growth);
    case 'v':
        options->svg = optarg;
        return true;
    case 'f':
        take_full(options, taking->impls.count);
        return true;
    default:
        options->json = true;
        return true;
    }
}

static void help(void *ctx)
{
    const struct taking *taking = ctx;

    print_names(taking->impls.all, taking->impls.count);
}

enum bench_parsed bench_options_parse(struct bench_options *options, int argc, char **argv,
                                      const struct bench_impl *const *impls, size_t nimpls)
{
    static const struct bench_command command = {"hipt-bench", long_options, usage_text, help, take_option};
    struct taking taking = {options,
                            {"--impl", nimpls, impl_name, impls},
                            {"--workload", BENCH_WORKLOADS, workload_name, bench_plans}};

    return bench_command_parse(&command, &taking, argc, argv);
}
