/* SPDX-License-Identifier: MIT */
/* hipt-explore: the command line. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "explore/drive.h"
#include "explore/report.h"
#include "explore/soak.h"
#include "explore/stop.h"
#include "explore/world.h"
#include "sim/choose.h"

enum { EXIT_USAGE = 2 };

static const char usage[] =
    "usage: tools/explore [--report | --short | --stop | --program TEXT] [options]\n"
    "\n"
    "Runs the table's operations in virtual threads that are switched at every access to shared state, and holds each\n"
    "execution against an oracle: linearizability, validity, no frame lost or reused early, no stale translation.\n"
    "\n"
    "  --report         all programs of two threads with two calls each and three threads with one call, and --stop\n"
    "  --short          a sample of them with at most 2 preemptions (or --bound), and --stop; this is the default\n"
    "  --soak           schedules by PCT alone, of programs drawn from all of them, for --seconds\n"
    "  --stop           lock-freedom: a thread stopped at every step of every call, all others complete\n"
    "  --program TEXT   one program, such as \"1/1/6 m0.0 | u0 m0.1 | r0.2 l0\": page sizes/version bits/sequence\n"
    "                   bits, the calls that prepare the table, then the calls of each thread\n"
    "                   (mV.F map, uV unmap, lV lookup, pV protect, rV.F remap, dV look up and mark dirty, cV look up\n"
    "                   and clean, vF reverse, iF pin, oF unpin, g reap, xA retire, aA allocate an asid, nV.N unmap N\n"
    "                   pages, w walk; capital M U P R: the larger page size, of four; of large pages SV split, HV.N\n"
    "                   split without N small pages from V on, CV collapse; \"1:\" before a call: the second asid;\n"
    "                   threads named behind c, as in \"1/1/6c12\", are CPUs: tV read, sV write, jV use the cached\n"
    "                   translation, q go outside, e come inside, k serve, z serve to the end; beside CPUs hV forbid\n"
    "                   writing, yV clean and write back, bV.N take N pages away, f finish that; GN resize to N\n"
    "                   buckets, G0 to another secret, BN see to N buckets of the move, NA.N move asid A to\n"
    "                   node N, 9: to both). Behind the numbers: s no memory is to be had, n no grace period ends, N2\n"
    "                   two nodes\n"
    "  --replay TEXT    with --program: that schedule, printed step by step\n"
    "\n"
    "  --bound N        preemptions at most (3); \"none\": no bound\n"
    "  --plain          with --program: every schedule to its end, also where it meets a state that was explored\n"
    "  --pct D          with --program: random schedules of depth D (1 to 8) instead; in reports: the depth (3), in\n"
    "                   a soak: at most\n"
    "  --bytes          with --program: schedules from random bytes instead\n"
    "  --executions N   of random schedules (100000; for each program of a report 1000)\n"
    "  --seed N         of random schedules (1)\n"
    "  --seconds S      stop then; what was not run is not counted as complete\n"
    "  --only TEXT      of reports: only groups with TEXT in their name\n"
    "  --jobs N         processes (2)\n"
    "  --json           one object a line instead of a table\n"
    "  --canary         succeed only if search, PCT and bytes (with --program), or --stop, find a violation\n"
    "\n"
    "Exit status: 0 all that was asked for was run and nothing was found; 1 a violation, or not everything was run,\n"
    "or nothing; 2 wrong usage.\n";

struct options {
    bool is_report;
    bool is_stop;
    bool is_soak;
    bool is_canary;
    bool is_bytes;
    bool is_pct;
    bool is_plain;
    bool is_bounded; /* by --bound */
    const char *program;
    const char *replay;
    uint64_t executions; /* 0: the default */
    struct report_options report;
};

static bool number_of(const char *text, unsigned long long least, unsigned long long most, unsigned long long *number)
{
    char *end;

    *number = text ? strtoull(text, &end, 10) : 0;
    return text && *text >= '0' && *text <= '9' && *end == '\0' && *number >= least && *number <= most;
}

/* => false: not a flag. */
static bool flag_parse(const char *name, struct options *options)
{
    if (strcmp(name, "--report") == 0) {
        options->is_report = true;
    } else if (strcmp(name, "--short") == 0) {
        options->report.is_short = true;
    } else if (strcmp(name, "--soak") == 0) {
        options->is_soak = true;
    } else if (strcmp(name, "--stop") == 0) {
        options->is_stop = true;
    } else if (strcmp(name, "--canary") == 0) {
        options->is_canary = true;
    } else if (strcmp(name, "--bytes") == 0) {
        options->is_bytes = true;
    } else if (strcmp(name, "--plain") == 0) {
        options->is_plain = true;
    } else if (strcmp(name, "--json") == 0) {
        options->report.is_json = true;
    } else {
        return false;
    }
    return true;
}

/* An option with a value. => false: not one, or a wrong value. */
static bool value_parse(const char *name, const char *value, struct options *options)
{
    unsigned long long number = 0;

    if (strcmp(name, "--program") == 0) {
        options->program = value;
        return value != NULL;
    }
    if (strcmp(name, "--only") == 0) {
        options->report.only = value;
        return value != NULL;
    }
    if (strcmp(name, "--replay") == 0) {
        options->replay = value;
        return value != NULL;
    }
    if (strcmp(name, "--bound") == 0) {
        bool is_none = value && strcmp(value, "none") == 0;
        bool is_right = is_none || number_of(value, 0, 100, &number);

        options->report.bound = is_none ? HIPTI_SEARCH_UNBOUNDED : (unsigned)number;
        options->is_bounded = true;
        return is_right;
    }
    if (!number_of(value, 0, UINT64_MAX, &number)) {
        return false;
    }
    if (strcmp(name, "--pct") == 0) {
        options->is_pct = true;
        options->report.depth = (unsigned)number;
        return number >= 1 && number <= HIPTI_PCT_DEPTH_MAX;
    }
    if (strcmp(name, "--seed") == 0) {
        options->report.seed = number;
    } else if (strcmp(name, "--executions") == 0) {
        options->executions = number;
    } else if (strcmp(name, "--seconds") == 0) {
        options->report.seconds = (double)number;
    } else if (strcmp(name, "--jobs") == 0) {
        options->report.jobs = (unsigned)number;
        return number >= 1 && number <= 64;
    } else {
        return false;
    }
    return number > 0 || strcmp(name, "--seed") == 0;
}

/* --- one program --- */

static void drive_init(struct drive *drive, const struct options *options)
{
    memset(drive, 0, sizeof(*drive));
    drive->bound = options->report.bound;
    drive->is_plain = options->is_plain;
    drive->depth = options->report.depth;
    drive->seed = options->report.seed;
    drive->executions_max = UINT64_MAX;
    drive->deadline = options->report.seconds > 0 ? drive_now() + options->report.seconds : 0;
}

static int replay_run(const struct program *program, const struct options *options)
{
    static struct drive drive;

    drive_init(&drive, options);
    if (!drive_replay(&drive, program, options->replay)) {
        return EXIT_USAGE;
    }
    printf("%s\n", drive.is_broken ? world.violation : "no violation");
    world_print();
    return drive.is_broken ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int program_run(const struct program *program, const struct options *options)
{
    static struct drive drive;
    bool is_random = options->is_pct || options->is_bytes;
    double began = drive_now();
    double seconds;

    drive_init(&drive, options);
    if (is_random || options->executions) {
        drive.executions_max = options->executions ? options->executions : 100000u;
    }
    if (!(options->is_bytes ? drive_bytes(&drive, program)
                            : options->is_pct ? drive_pct(&drive, program) : drive_search(&drive, program))) {
        return EXIT_USAGE;
    }
    seconds = drive_now() - began;
    printf(options->report.is_json ? "{\"executions\": %llu, \"steps\": %llu, \"longest\": %u, \"seconds\": %.2f, "
                                     "\"complete\": %s, \"violation\": \"%s\"}\n"
                                   : "%llu executions, %llu steps, at most %u in one, %.2f s, complete: %s %s\n",
           (unsigned long long)drive.executions, (unsigned long long)drive.steps, drive.longest, seconds,
           drive.is_cut || drive.is_broken || is_random ? "false" : "true", world.violation);
    if (drive.is_broken) {
        report_violation(&drive, program->text);
        return EXIT_FAILURE;
    }
    return drive.executions == 0 || (drive.is_cut && !is_random) ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* --- canaries --- */

/* => whether the driver found the planted bug, and the recorded schedule shows it again. */
static bool canary_driver(const char *name, bool (*run)(struct drive *, const struct program *),
                          const struct program *program, const struct options *options)
{
    static struct drive drive;
    static struct drive again;
    bool is_found;

    drive_init(&drive, options);
    drive.executions_max = options->executions ? options->executions : 2000000u;
    is_found = run(&drive, program) && drive.is_broken;
    printf("canary, %s: %s after %llu executions: %s\n", name, is_found ? "found" : "NOT FOUND",
           (unsigned long long)drive.executions, world.violation);
    if (!is_found) {
        return false;
    }
    drive_init(&again, options);
    if (!drive_replay(&again, program, drive.schedule) || !again.is_broken) {
        printf("canary, %s: the recorded schedule %s does not show it again\n", name, drive.schedule);
        return false;
    }
    return true;
}

static int canary_run(const struct program *program, const struct options *options)
{
    bool is_well = canary_driver("search", drive_search, program, options);

    is_well = canary_driver("pct", drive_pct, program, options) && is_well;
    is_well = canary_driver("bytes", drive_bytes, program, options) && is_well;
    return is_well ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* --- reports --- */

static bool stop_run(const struct options *options)
{
    struct stop stop;
    double began = drive_now();
    bool is_well = stop_all(&stop);

    printf(options->report.is_json
               ? "{\"group\": \"T4\", \"places\": %llu, \"calls\": %llu, \"own_steps_max\": %u, \"bound\": %d, "
                 "\"worst\": \"%s\", \"own_steps_max_reshape\": %u, \"bound_reshape\": %d, "
                 "\"own_steps_max_move\": %u, \"bound_move\": %d, \"seconds\": %.1f}\n"
               : "T4: stopped at %llu places, %llu calls of others completed, at most %u own steps (bound %d): %s; "
                 "of a split, punch or collapse %u (bound %d); in a table that moves %u (bound %d); %.1f s\n",
           (unsigned long long)stop.places, (unsigned long long)stop.calls, stop.maximum, STOP_BOUND, stop.worst,
           stop.maximum_reshape, STOP_BOUND_RESHAPE, stop.maximum_move, STOP_BOUND_MOVE, drive_now() - began);
    return is_well;
}

static int report_all(const struct options *options)
{
    bool is_well = true;

    if (options->report.only) {
        return report_run(&options->report) ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    is_well = stop_run(options);
    is_well = report_merging() && is_well;
    is_well = report_regressions(&options->report) && is_well;
    is_well = report_run(&options->report) && is_well;
    return is_well ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int run(const struct options *options)
{
    struct program program;
    const char *wrong;

    if (options->program) {
        if (!program_parse(options->program, &program, &wrong)) {
            fprintf(stderr, "explore: no program from here on: \"%s\"\n", wrong);
            return EXIT_USAGE;
        }
        return options->replay ? replay_run(&program, options)
                               : options->is_canary ? canary_run(&program, options) : program_run(&program, options);
    }
    if (options->is_soak) {
        return soak_run(&options->report) ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    if (options->is_stop) {
        return stop_run(options) != options->is_canary ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    return report_all(options);
}

int main(int argc, char **argv)
{
    static struct options options = {.report = {.bound = 3, .depth = 3, .pct = 1000, .seed = 1, .jobs = 2}};
    int i;

    for (i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            fputs(usage, stdout);
            return EXIT_SUCCESS;
        }
        if (flag_parse(argv[i], &options)) {
            continue;
        }
        if (!value_parse(argv[i], i + 1 < argc ? argv[i + 1] : NULL, &options)) {
            fprintf(stderr, "explore: %s\n%s", argv[i], usage);
            return EXIT_USAGE;
        }
        i++;
    }
    if (!options.is_report && !options.report.is_short && !options.is_stop && !options.is_soak && !options.program) {
        options.report.is_short = true;
    }
    if (options.report.is_short && !options.is_bounded) {
        options.report.bound = 2;
    }
    if (options.executions) {
        options.report.pct = options.executions;
    } else if (options.report.is_short) {
        options.report.pct = 100;
    }
    return run(&options);
}
