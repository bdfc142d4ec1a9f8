/* SPDX-License-Identifier: MIT */
/* `hipt replay`: arguments, then load, measure, run, report. */
#define _GNU_SOURCE /* sched_getaffinity */

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "mappings.h"
#include "replay_run.h"
#include "report.h"

#define EXIT_MISMATCH 1
#define EXIT_USAGE 2
#define SECONDS_DEFAULT 5.0
#define SECONDS_MAX 100000.0

static const char usage_text[] =
    "usage: hipt replay [--mappings FILE | --live] [--trace FILE|-] [--readers N] [--writers N]\n"
    "                   [--seconds S] [--seed N] [--json] [--svg FILE]\n"
    "\n"
    "Loads page mappings into a hashed inverted page table and translates through it while writers unmap, move and\n"
    "protect the same pages. Every thread is a CPU with a modelled translation cache of 64 and 1536 entries, which\n"
    "every change shoots down. Every answer, forward and reverse, is checked against what was legal at that time,\n"
    "every access through a cache against what was legal while it lasted, and the whole table at the end.\n"
    "\n"
    "  --mappings FILE  mappings that `hipt capture` wrote\n"
    "  --live           this machine's mappings, now (the default)\n"
    "  --trace FILE     translate the accesses of a memory trace (valgrind --tool=lackey --trace-mem=yes), plain or\n"
    "                   gzip; - is standard input; without a trace, every mapping in random order\n"
    "  --readers N      threads that translate, 1 to 256 (default 2, on one core 1)\n"
    "  --writers N      threads that change mappings, 0 to 256 (default 1)\n"
    "  --seconds S      how long (default 5)\n"
    "  --seed N         of all random choices (default 1); threads still meet by chance\n"
    "  --json           the report as JSON\n"
    "  --svg FILE       also draw how full the buckets are, with gnuplot\n"
    "  --help           this text\n"
    "\n"
    "Exit status: 0 every answer was right, 1 a wrong one, a stale translation, or a report that cannot be written,\n"
    "2 usage, unreadable input, or no memory.\n";

struct options {
    const char *mappings, *trace, *svg;
    bool live, json, help;
    struct replay_options run;
};

static unsigned count_cores(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof(set), &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
}

static int usage(const char *option, const char *value, const char *want)
{
    fprintf(stderr, "hipt replay: %s %s: %s; see hipt replay --help\n", option, value, want);
    return -1;
}

static int parse_number(const char *option, const char *value, uint64_t least, uint64_t most, uint64_t *number)
{
    char *end, want[80];
    errno = 0;
    *number = strtoull(value, &end, 0);
    if (value[0] >= '0' && value[0] <= '9' && *end == '\0' && errno == 0 && *number >= least && *number <= most) {
        return 0;
    }
    snprintf(want, sizeof(want), "must be a number from %" PRIu64 " to %" PRIu64, least, most);
    return usage(option, value, want);
}

static int parse_seconds(const char *value, double *seconds)
{
    char *end;
    *seconds = strtod(value, &end);
    if (end != value && *end == '\0' && isfinite(*seconds) && *seconds > 0 && *seconds <= SECONDS_MAX) {
        return 0;
    }
    return usage("--seconds", value, "must be a number above 0, at most 100000");
}

/* => 0, or -1: the text has been written */
static int parse_valued(const char *option, const char *value, struct options *options)
{
    uint64_t number = 0;
    int result = 0;
    if (strcmp(option, "--mappings") == 0) {
        options->mappings = value;
    } else if (strcmp(option, "--trace") == 0) {
        options->trace = value;
    } else if (strcmp(option, "--svg") == 0) {
        options->svg = value;
    } else if (strcmp(option, "--readers") == 0) {
        result = parse_number(option, value, 1, REPLAY_THREADS_MAX, &number);
        options->run.readers = (unsigned)number;
    } else if (strcmp(option, "--writers") == 0) {
        result = parse_number(option, value, 0, REPLAY_THREADS_MAX, &number);
        options->run.writers = (unsigned)number;
    } else if (strcmp(option, "--seed") == 0) {
        result = parse_number(option, value, 0, UINT64_MAX, &options->run.seed);
    } else {
        result = parse_seconds(value, &options->run.seconds);
    }
    return result;
}

static bool takes_value(const char *option)
{
    static const char *const names[] = {"--mappings", "--trace", "--svg",    "--readers",
                                        "--writers",  "--seed",  "--seconds"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(option, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* => 0, or -1: the text has been written */
static int parse_options(int argc, char **argv, struct options *options)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            options->help = true;
        } else if (strcmp(argv[i], "--live") == 0) {
            options->live = true;
        } else if (strcmp(argv[i], "--json") == 0) {
            options->json = true;
        } else if (!takes_value(argv[i])) {
            fprintf(stderr, "hipt replay: unknown argument \"%s\"; see hipt replay --help\n", argv[i]);
            return -1;
        } else if (i + 1 == argc) {
            fprintf(stderr, "hipt replay: %s needs a value; see hipt replay --help\n", argv[i]);
            return -1;
        } else if (parse_valued(argv[i], argv[i + 1], options) != 0) {
            return -1;
        } else {
            i++;
        }
    }
    if (options->live && options->mappings != NULL) {
        fputs("hipt replay: --mappings and --live exclude each other; see hipt replay --help\n", stderr);
        return -1;
    }
    return 0;
}

static int read_mappings(const struct options *options, struct mappings *mappings)
{
    struct file_error error;
    if (options->mappings == NULL) {
        if (mappings_capture(mappings, &error) == 0) {
            return 0;
        }
        fprintf(stderr, "hipt replay: this machine's mappings: %s\n", error.text);
        return -1;
    }
    if (mappings_read(options->mappings, mappings, &error) == 0) {
        return 0;
    }
    fprintf(stderr, "hipt replay: %s: %s\n", options->mappings, error.text);
    return -1;
}

static int load(const struct options *options, struct population *population, struct report *report)
{
    struct mappings mappings;
    struct file_error error;
    memset(population, 0, sizeof(*population));
    if (read_mappings(options, &mappings) != 0) {
        return -1;
    }
    report->source = options->mappings != NULL ? options->mappings : "this machine";
    report->real_frames = mappings.real_frames;
    int result = population_load(population, &mappings, options->run.writers,
                                 options->run.readers + options->run.writers, options->run.seed, &error);
    mappings_free(&mappings);
    if (result != 0) {
        fprintf(stderr, "hipt replay: %s: %s\n", report->source, error.text);
    }
    return result;
}

static int choose_targets(const struct options *options, const struct population *population, struct targets *targets)
{
    struct file_error error;
    if (options->trace == NULL) {
        if (targets_sweep(targets, population, options->run.seed, &error) != 0) {
            fprintf(stderr, "hipt replay: %s\n", error.text);
            return -1;
        }
        return 0;
    }
    if (targets_trace(targets, population, options->trace, &error) == 0) {
        return 0;
    }
    const char *name = strcmp(options->trace, "-") == 0 ? "standard input" : options->trace;
    fprintf(stderr, "hipt replay: %s: %s\n", name, error.text);
    return -1;
}

static int write_report(const struct options *options, const struct report *report)
{
    char text[300];
    if ((options->json ? report_json : report_text)(report, stdout) != 0) {
        fprintf(stderr, "hipt replay: the report cannot be written: %s\n", strerror(errno));
        return EXIT_MISMATCH;
    }
    if (options->svg != NULL && report_draw(report, options->svg, text, sizeof(text)) != 0) {
        fprintf(stderr, "hipt replay: %s\n", text);
        return EXIT_MISMATCH;
    }
    return EXIT_SUCCESS;
}

static int run_and_report(const struct options *options, struct report *report, struct oracle *oracle)
{
    struct replay_result result;
    report_measure_lines(report);
    if (replay_run(report->population, oracle, report->targets, &options->run, &result)) {
        report->result = &result;
        return write_report(options, report);
    }
    fprintf(stderr, "hipt replay: %s%s (seed %" PRIu64 ")\n",
            result.mismatch ? "mismatch: "
            : result.failed ? ""
                            : "stale translation: ",
            result.text, options->run.seed);
    if (result.failed) {
        return EXIT_USAGE;
    }
    if (!result.mismatch) { /* everything else is right, so the report says how many there were */
        report->result = &result;
        (void)write_report(options, report);
    }
    return EXIT_MISMATCH;
}

static int replay(const struct options *options)
{
    struct population population;
    struct targets targets = {0};
    struct oracle oracle = {0};
    struct report report = {
        .cores = count_cores(), .population = &population, .targets = &targets, .options = &options->run};
    int status = EXIT_USAGE;
    if (load(options, &population, &report) == 0 && choose_targets(options, &population, &targets) == 0) {
        if (oracle_init(&oracle, &population) == 0) {
            status = run_and_report(options, &report, &oracle);
        } else {
            fputs("hipt replay: no memory for the oracle\n", stderr);
        }
    }
    oracle_free(&oracle);
    targets_free(&targets);
    population_free(&population);
    return status;
}

/* Known before the run, not behind it. Nothing is left behind. */
static bool can_write(const char *path)
{
    bool is_new = access(path, F_OK) != 0;
    FILE *file = fopen(path, "a");

    return file != NULL && fclose(file) == 0 && (!is_new || remove(path) == 0);
}

int replay_main(int argc, char **argv)
{
    struct options options = {
        .run = {.readers = count_cores() > 1 ? 2 : 1, .writers = 1, .seconds = SECONDS_DEFAULT, .seed = 1}};
    if (parse_options(argc, argv, &options) != 0) {
        return EXIT_USAGE;
    }
    if (options.help) {
        return fputs(usage_text, stdout) < 0 || fflush(stdout) != 0 ? EXIT_MISMATCH : EXIT_SUCCESS;
    }
    if (options.svg != NULL && !report_can_draw()) {
        fputs("hipt replay: --svg needs gnuplot, which is not in PATH; install it, or leave --svg out\n", stderr);
        return EXIT_USAGE;
    }
    if (options.svg != NULL && !can_write(options.svg)) {
        fprintf(stderr, "hipt replay: --svg %s cannot be written: %s\n", options.svg, strerror(errno));
        return EXIT_USAGE;
    }
    return replay(&options);
}
