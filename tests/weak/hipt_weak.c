/* SPDX-License-Identifier: MIT */
/*
 * Explore the programs under the model of weak memory, and say what was found. Twice each: once the threads know only
 * what the table tells them, once they know at each call what all knew at the returns before it, so that real time
 * orders the operations.
 */
#define _GNU_SOURCE

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "weak/enumerated.h"
#include "weak/history.h"
#include "weak/memory.h"
#include "weak/sites.h"

struct options {
    const char *only; /* programs with this in their name */
    const char *aim;  /* the programs for this function come first */
    unsigned preemptions;
    unsigned stale;
    double seconds; /* for all */
    bool is_plain;
    bool is_compared;
    bool is_quiet;
    bool lists_sites;
    bool is_enumerated;
    unsigned every; /* of the enumerated programs one in so many */
    unsigned jobs;  /* processes that share them */
};

/* A pair of bounds; the search goes from the cheap ones to those wanted, so that what is easily found is found soon. */
struct bounds {
    unsigned preemptions;
    unsigned stale;
    bool is_narrow; /* keys */
};

#define PROGRAMS_MAX 320u
#define JOBS_MAX 64u
#define GROUPS_MAX 32u

struct totals {
    unsigned programs;
    unsigned late;
    uint64_t runs;
    uint64_t ends;
    uint64_t spared; /* by merging, where that was compared */
    uint64_t steps;
    double seconds; /* of processor time; of the enumerated ones */
};

static struct totals totals;
static bool is_idle[PROGRAMS_MAX][2]; /* the program does not come to what is planted: no need to look deeper */

/* The processor's time, so that what is explored does not depend on what else the machine does. */
static double seconds_now(void)
{
    return (double)clock() / CLOCKS_PER_SEC;
}

static void crashed(int signal)
{
    static const char text[] = "violation: the table crashed\n";

    (void)signal;
    (void)!write(STDOUT_FILENO, text, sizeof(text) - 1u);
    _exit(1);
}

static void print_failure(const struct weak_program *program, const struct crew_report *report)
{
    printf("violation: %s: %s\n", program->name, report->why);
    history_print();
    crew_print_last();
}

/* => whether the program comes to the same ends when every run goes to its end. */
static bool is_merged_rightly(const struct weak_program *program, struct crew_task *task,
                              const struct crew_report *merged)
{
    struct crew_report plain;

    if (merged->end != CREW_DONE || merged->ends >= CREW_ENDS_MAX) {
        return true; /* nothing to be held against */
    }
    task->is_plain = true;
    plain = crew_search(task);
    if (plain.end != CREW_DONE) {
        return true;
    }
    if (plain.ends != merged->ends) {
        printf("violation: %s: %" PRIu64 " ends of %" PRIu64 " runs, %" PRIu64 " of %" PRIu64 " where runs meet\n",
               program->name, plain.ends, plain.runs, merged->ends, merged->runs);
        return false;
    }
    totals.spared += plain.runs - merged->runs;
    return true;
}

/* => false: a violation. */
static bool explore(const struct weak_program *program, bool is_joined, struct bounds bounds,
                    const struct options *options, double until)
{
    struct crew_task task = {.threads = 0, .start = history_start, .body = history_body, .end = oracle_judge,
                             .is_valid = host_is_valid, .check = host_check, .orders_stores = true};
    struct crew_report report;
    double start = seconds_now();

    task.state = history_state;
    task.is_plain = options->is_plain;
    while (task.threads < CREW_THREADS && program->thread[task.threads][0].kind != NOTHING) {
        task.threads++;
    }
    task.preemptions = bounds.preemptions > program->lighter ? bounds.preemptions - program->lighter : 0;
    task.stale = bounds.stale + (bounds.stale > 0 ? program->flags >> 4 & 15u : 0);
    task.seconds = until - start > 0.001 ? until - start : 0.001;
    history_prepare(program, is_joined, bounds.is_narrow);
    report = crew_search(&task);
    totals.runs += report.runs;
    totals.ends += report.ends;
    totals.steps += report.steps;
    totals.late += report.end == CREW_LATE;
    if (report.end == CREW_FAILED) {
        print_failure(program, &report);
        return false;
    }
    if (options->is_compared && !is_merged_rightly(program, &task, &report)) {
        return false;
    }
    if (!options->is_quiet) {
        printf("%-44s %-7s %-7s preemptions %u stale %u: %9" PRIu64 " runs %9" PRIu64 " ends %11" PRIu64
               " steps %6.2f s%s\n",
               program->name, bounds.is_narrow ? "narrow" : "", is_joined ? "joined" : "", task.preemptions, task.stale,
               report.runs, report.ends, report.steps, seconds_now() - start,
               report.end == CREW_LATE ? " (out of time)" : "");
        (void)fflush(stdout);
    }
    return true;
}

static bool is_for(const struct weak_program *program, const char *function)
{
    size_t i;

    for (i = 0; i < npurposes; i++) {
        if (strcmp(purposes[i].function, function) == 0 && strcmp(purposes[i].program, program->name) == 0) {
            return true;
        }
    }
    return false;
}

/* Each program is explored in two ways; with @aim, those for that function only. */
static bool is_wanted(const struct options *options, const char *aim, size_t i)
{
    const struct weak_program *program = &programs[i / 2u];

    return strstr(program->name, options->only) != NULL && !is_idle[i / 2u][i % 2u] && (!aim || is_for(program, aim));
}

/* => false: a violation. */
static bool explore_all(const struct options *options, struct bounds bounds, const char *aim, double until)
{
    size_t wanted = 0;
    size_t i;

    for (i = 0; i < nprograms * 2u; i++) {
        wanted += is_wanted(options, aim, i);
    }
    for (i = 0; i < nprograms * 2u; i++) {
        const struct weak_program *program = &programs[i / 2u];
        double now = seconds_now();
        double share = (until - now) / (double)wanted * 4.0; /* what one leaves over goes to the others */
        uint64_t planted = sites_planted();

        if (!is_wanted(options, aim, i)) {
            continue;
        }
        wanted--;
        totals.programs++;
        if (!explore(program, i % 2u == 0, bounds, options, now + share < until ? now + share : until)) {
            return false;
        }
        is_idle[i / 2u][i % 2u] = sites_has_planted() && sites_planted() == planted;
    }
    return true;
}

static const char *usage =
    "usage: hipt-weak [--only TEXT] [--preemptions N] [--stale N] [--seconds S] [--quiet] [--sites]\n"
    "                 [--enumerated [--every N] [--jobs N]] [--plain | --compare]\n"
    "                 [--plant FILE:WHERE:ORDER=ORDER]... [--for FUNCTION]\n"
    "Explore small programs over the table under a model of release and acquire.\n"
    "  --only TEXT      only programs that have TEXT in their name\n"
    "  --preemptions N  in one run, at most (2)\n"
    "  --stale N        loads that do not take the newest value, in one run, at most (3)\n"
    "  --seconds S      of processor time for all of it (60); the bounds are approached from below\n"
    "  --enumerated     all programs of tests/explore/groups.c instead, each at once with the bounds asked for\n"
    "  --every N        of these one in N (1)\n"
    "  --jobs N         processes that share these (2); seconds are then those of each\n"
    "  --plain          every run to its end, also where it meets another\n"
    "  --compare        explore both ways, and hold the ends that are come to against each other\n"
    "  --plant ...      weaken an order; WHERE is a function, a line, or LINE-LINE\n"
    "  --for FUNCTION   begin with the programs that are there for an order in this function\n"
    "  --sites          list the ordered accesses that were made, instead of what was explored\n"
    "Exit status: 0 no violation, 1 a violation, 2 wrong use, nothing explored, or nothing planted was reached.\n";

static bool parse(struct options *options, int count, char **words)
{
    int i;

    for (i = 1; i < count; i++) {
        const char *value = i + 1 < count ? words[i + 1] : NULL;

        if (strcmp(words[i], "--quiet") == 0) {
            options->is_quiet = true;
            continue;
        }
        if (strcmp(words[i], "--enumerated") == 0) {
            options->is_enumerated = true;
            continue;
        }
        if (strcmp(words[i], "--plain") == 0) {
            options->is_plain = true;
            continue;
        }
        if (strcmp(words[i], "--compare") == 0) {
            options->is_compared = true;
            continue;
        }
        if (strcmp(words[i], "--sites") == 0) {
            options->lists_sites = options->is_quiet = true;
            continue;
        }
        if (!value) {
            return false;
        }
        i++;
        if (strcmp(words[i - 1], "--only") == 0) {
            options->only = value;
        } else if (strcmp(words[i - 1], "--for") == 0) {
            options->aim = value;
        } else if (strcmp(words[i - 1], "--preemptions") == 0) {
            options->preemptions = (unsigned)strtoul(value, NULL, 10);
        } else if (strcmp(words[i - 1], "--stale") == 0) {
            options->stale = (unsigned)strtoul(value, NULL, 10);
        } else if (strcmp(words[i - 1], "--every") == 0) {
            options->every = (unsigned)strtoul(value, NULL, 10);
        } else if (strcmp(words[i - 1], "--jobs") == 0) {
            options->jobs = (unsigned)strtoul(value, NULL, 10);
        } else if (strcmp(words[i - 1], "--seconds") == 0) {
            options->seconds = strtod(value, NULL);
        } else if (strcmp(words[i - 1], "--plant") != 0 || !sites_plant(value)) {
            return false;
        }
    }
    return options->every > 0 && options->jobs > 0 && options->jobs <= JOBS_MAX;
}

/* => false: a violation. */
static bool deepen(const struct options *options, const char *aim, double until)
{
    static const struct bounds steps[] = {{1, 0, false}, {1, 1, false}, {1, 1, true}, {1, 2, false}, {1, 2, true},
                                          {2, 1, false}, {2, 2, false}, {2, 2, true}, {1, 3, false}, {2, 3, false}};
    size_t i;

    for (i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
        if (steps[i].preemptions <= options->preemptions && steps[i].stale <= options->stale && seconds_now() < until &&
            !explore_all(options, steps[i], aim, until)) {
            return false;
        }
    }
    return true;
}

/* --- enumerated programs --- */

/* This process's share of a group, each program both ways. => false: a violation. */
static bool share_explore(const struct options *options, unsigned group, unsigned job, double until)
{
    struct bounds bounds = {options->preemptions, options->stale, false};
    static struct weak_program program;
    const char *name;
    unsigned count = enumerated_programs(group, &name);
    unsigned i;

    for (i = job * options->every; i < count; i += options->jobs * options->every) {
        totals.programs++;
        enumerated_read(group, i, &program);
        if (!explore(&program, true, bounds, options, until) || !explore(&program, false, bounds, options, until)) {
            printf("  in \"%s\"\n", program.name);
            return false;
        }
    }
    return true;
}

/* In a process of its own: its share of all groups, what is left of the time shared out among those that are left. */
static bool job_run(const struct options *options, unsigned job, struct totals *rows)
{
    double until = seconds_now() + options->seconds;
    const char *name;
    unsigned left = 0;
    unsigned group;
    bool is_clean = true;

    for (group = 0; enumerated_programs(group, &name) > 0; group++) {
        left++;
    }
    for (group = 0; left > 0 && is_clean; group++, left--) {
        double start = seconds_now();

        memset(&totals, 0, sizeof(totals));
        is_clean = share_explore(options, group, job, start + (until - start) / left);
        totals.seconds = seconds_now() - start;
        rows[group] = totals;
    }
    return is_clean;
}

static void totals_add(struct totals *sum, const struct totals *other)
{
    sum->programs += other->programs;
    sum->late += other->late;
    sum->runs += other->runs;
    sum->ends += other->ends;
    sum->steps += other->steps;
    sum->seconds += other->seconds;
}

static void row_print(const char *name, const struct totals *row)
{
    printf("%-24s %9u %9u %12" PRIu64 " %12" PRIu64 " %14" PRIu64 " %9.1f\n", name, row->programs, row->late, row->runs,
           row->ends, row->steps, row->seconds);
}

/* => exit status. */
static int enumerate(const struct options *options)
{
    struct totals(*rows)[GROUPS_MAX] = mmap(NULL, sizeof(struct totals[JOBS_MAX][GROUPS_MAX]), PROT_READ | PROT_WRITE,
                                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct totals all = {0};
    bool is_clean = rows != MAP_FAILED;
    const char *name;
    unsigned group;
    unsigned job;

    (void)fflush(stdout);
    for (job = 0; is_clean && job < options->jobs; job++) {
        pid_t child = fork();

        if (child == 0) {
            bool is_well = job_run(options, job, rows[job]);

            (void)fflush(stdout);
            _exit(is_well ? 0 : 1);
        }
        is_clean = child > 0;
    }
    for (job = 0; job < options->jobs; job++) {
        int status = 1;

        is_clean = wait(&status) > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0 && is_clean;
    }
    printf("%-24s %9s %9s %12s %12s %14s %9s\n", "group", "programs", "cut", "runs", "ends", "steps", "seconds");
    for (group = 0; rows != MAP_FAILED && enumerated_programs(group, &name) > 0; group++) {
        struct totals row = {0};

        for (job = 0; job < options->jobs; job++) {
            totals_add(&row, &rows[job][group]);
        }
        row_print(name, &row);
        totals_add(&all, &row);
    }
    row_print("all", &all);
    printf("hipt-weak: %s\n", is_clean ? "no violation" : "a violation");
    return is_clean && all.runs > 0 ? 0 : 1;
}

int main(int count, char **words)
{
    struct options options = {.only = "", .preemptions = 2, .stale = 3, .seconds = 60, .every = 1, .jobs = 2};
    double start = seconds_now();
    bool is_clean;

    if (!parse(&options, count, words)) {
        fputs(usage, count == 2 && strcmp(words[1], "--help") == 0 ? stdout : stderr);
        return count == 2 && strcmp(words[1], "--help") == 0 ? 0 : 2;
    }
    if (purpose_lost()) {
        fprintf(stderr, "hipt-weak: no program \"%s\", for %s\n", purpose_lost()->program, purpose_lost()->function);
        return 2;
    }
    if (nprograms > PROGRAMS_MAX) {
        fprintf(stderr, "hipt-weak: %zu programs, there is room for %u\n", nprograms, PROGRAMS_MAX);
        return 2;
    }
    (void)signal(SIGSEGV, crashed);
    (void)signal(SIGBUS, crashed);
    if (options.is_enumerated) {
        options.is_quiet = true;
        return enumerate(&options);
    }
    is_clean = (!options.aim || deepen(&options, options.aim, start + options.seconds / 2)) &&
               deepen(&options, NULL, start + options.seconds);
    if (options.lists_sites) {
        sites_print(stdout);
    }
    if (is_clean && (totals.runs == 0 || (options.is_compared && totals.spared == 0) ||
                     (sites_has_planted() && sites_planted() == 0))) {
        puts("nothing was explored, or what was planted was never reached");
        return 2;
    }
    if (!options.lists_sites) {
        printf("hipt-weak: %s, %u programs (%u out of time), %" PRIu64 " runs, %" PRIu64 " steps, %" PRIu64
               " stale loads, %.1f s\n",
               is_clean ? "no violation" : "a violation", totals.programs, totals.late, totals.runs, totals.steps,
               crew_weak.stale, seconds_now() - start);
    }
    return is_clean ? 0 : 1;
}

void hipt_port_step(const char *operation, const volatile void *word, const char *file, int line);

void hipt_port_step(const char *operation, const volatile void *word, const char *file, int line)
{
    crew_step(operation, word, file, line);
}
