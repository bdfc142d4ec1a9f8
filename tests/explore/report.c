/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE

#include "explore/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "explore/drive.h"
#include "explore/oracle.h"
#include "explore/world.h"
#include "sim/choose.h"

enum { PREFILLS_MAX = 4, JOBS_MAX = 64, SHOWN = 3 };

/* A program without a bound is given up after so many executions, and counted as not complete. */
enum { UNBOUNDED_MAX = 2000000 };

/* Programs of the short form for each state to begin with; those of three threads have more schedules. */
enum { SAMPLE_OF_TWO = 40, SAMPLE_OF_THREE = 8 };

/*
 * A group is a set of calls and a few states to begin with. Its programs are all pairs of threads that make two of the
 * calls each, or all triples of threads that make one each, up to the order of the threads; without a bound, all pairs
 * of threads that make one each.
 */
struct group {
    const char *name;
    const char *geometry;
    const char *prefill[PREFILLS_MAX];
    const char *calls;
    unsigned nthreads;
    unsigned ncalls;
    bool is_unbounded; /* as many preemptions as it takes */
};

#define SLOT "m0.0 m0.1 u0 p0 r0.1 d0 c0 l0"
#define FULL_LINE "m8.8 m9.9 m10.10 m11.11 m0.0"
#define SHARED "m15.15 u15 g m0.0 m1.0"

/* Page 15 is mapped and unmapped first, so that a frame is in limbo's list and an address space has its memory. */
static const struct group groups[] = {
    {"one slot, 2x2", "1/1/6", {"m15.15 u15 g", "m15.15 u15 g m0.0", NULL}, SLOT, 2, 2, false},
    {"one bucket, 2x2", "1/1/6", {"m8.8 m9.9 m10.10", FULL_LINE, NULL}, "m0.0 u0 m1.1 u8 l0 r0.1", 2, 2, false},
    {"two sizes, 2x2", "2/1/6", {"M4.4 U4", "M0.4", NULL}, "m1.1 u1 M0.4 U0 R0.8 l1", 2, 2, false},
    {"frames, 2x2", "1/2/6", {SHARED, "m15.15 u15 m0.0", NULL}, "m2.0 u0 u1 v0 i0 o0 g r0.1", 2, 2, false},
    {"spaces, 2x2", "1/2/6", {"m15.15 u15 g m0.0", "m15.15 u15 m0.0 x1", NULL}, "m1.1 u0 r0.1 x0 a2 n0.2 w", 2, 2,
     false},
    {"gate and scarcity, 2x2", "1/1/2sn", {"m8.8 m9.9 m10.10", NULL}, "m0.0 u0 m1.0 u8 r8.1 p8", 2, 2, false},
    {"one slot, 3x1", "1/1/6", {"m15.15 u15 g", "m15.15 u15 g m0.0", NULL}, SLOT, 3, 1, false},
    {"one bucket, 3x1", "1/1/6", {"m8.8 m9.9 m10.10", FULL_LINE, NULL}, "m0.0 u0 m1.1 u8 l0 r0.1 w", 3, 1, false},
    {"two sizes, 3x1", "2/1/6", {"M4.4 U4", "M0.4", NULL}, "m1.1 u1 M0.4 U0 R0.8 l1 P0", 3, 1, false},
    {"frames and spaces, 3x1", "1/2/6", {SHARED, "m15.15 u15 m0.0", NULL}, "m2.0 u0 v0 i0 o0 g r0.1 x0 a2 n0.2", 3, 1,
     false},
    {"one slot, no bound", "1/1/6", {"m15.15 u15 g", "m15.15 u15 g m0.0", NULL}, SLOT, 2, 1, true},
    {"one bucket, no bound", "1/1/6", {"m8.8 m9.9 m10.10", FULL_LINE, NULL}, "m0.0 u0 m1.1 u8 l0 r0.1 w", 2, 1, true},
    {"two sizes, no bound", "2/1/6", {"M4.4 U4", "M0.4", NULL}, "m1.1 u1 M0.4 U0 R0.8 l1 P0", 2, 1, true},
    {"frames and spaces, no bound", "1/2/6", {SHARED, "m15.15 u15 m0.0", NULL},
     "m2.0 u0 v0 i0 o0 g r0.1 x0 a2 n0.2", 2, 1, true},
};

enum { GROUPS = sizeof(groups) / sizeof(groups[0]) };

/* Of one group in one process; in memory that all processes share. */
struct tally {
    uint64_t programs;
    uint64_t complete; /* programs of which every schedule within the bound was run */
    uint64_t executions;
    uint64_t steps;
    uint64_t random;   /* of the executions, those by PCT */
    double seconds;
    uint64_t violations;
};

void report_violation(const struct drive *drive, const char *program)
{
    printf("VIOLATION %s\n  program \"%s\"\n", world.violation, program);
    world_print();
    printf("replay: tools/explore --program \"%s\" --replay %s\n", program, drive->schedule);
    fflush(stdout);
}

/* --- one program --- */

/* => false: a violation. */
static bool program_run(const char *text, unsigned bound, const struct report_options *options, double deadline,
                        struct tally *tally)
{
    static struct drive drive;
    struct program program;
    const char *wrong;
    bool is_complete;

    memset(&drive, 0, sizeof(drive));
    drive.bound = bound;
    drive.executions_max = bound == HIPTI_SEARCH_UNBOUNDED ? UNBOUNDED_MAX : UINT64_MAX;
    drive.deadline = deadline;
    if (!program_parse(text, &program, &wrong) || !drive_search(&drive, &program)) {
        printf("VIOLATION \"%s\" cannot be run\n", text);
        tally->violations++;
        return false;
    }
    is_complete = !drive.is_cut;
    tally->programs++;
    if (!drive.is_broken && !drive.is_cut && options->pct > 0) {
        uint64_t searched = drive.executions;

        drive.depth = options->depth;
        drive.seed = options->seed + tally->programs;
        drive.executions_max = searched + options->pct;
        (void)drive_pct(&drive, &program);
        tally->random += drive.executions - searched;
    }
    tally->executions += drive.executions;
    tally->steps += drive.steps;
    tally->complete += is_complete && !drive.is_broken;
    if (drive.is_broken) {
        tally->violations++;
        if (tally->violations <= SHOWN) {
            report_violation(&drive, text);
        }
    }
    return !drive.is_broken;
}

/* --- all programs of a group --- */

struct sequences {
    unsigned count;
    char text[64][24]; /* what one thread does */
};

/* All sequences of @ncalls of the group's calls. */
static void sequences_make(const struct group *group, struct sequences *sequences)
{
    char calls[128];
    const char *call[16];
    unsigned n = 0;
    unsigned i;
    unsigned k;
    char *next;

    strcpy(calls, group->calls);
    for (next = strtok(calls, " "); next; next = strtok(NULL, " ")) {
        call[n++] = next;
    }
    sequences->count = 0;
    for (i = 0; i < n; i++) {
        for (k = 0; k < (group->ncalls == 2u ? n : 1u); k++) {
            snprintf(sequences->text[sequences->count++], sizeof(sequences->text[0]),
                     group->ncalls == 2u ? "%s %s" : "%s", call[i], call[k]);
        }
    }
}

/* => how many unordered choices of @nthreads sequences there are. */
static unsigned combinations(unsigned count, unsigned nthreads)
{
    return nthreads == 2u ? count * (count + 1u) / 2u : count * (count + 1u) * (count + 2u) / 6u;
}

/* The choice of number @index, counted from 0. */
static void combination_text(const struct sequences *sequences, unsigned nthreads, unsigned index, char *text,
                             size_t bytes)
{
    unsigned a = 0;
    unsigned b = 0;
    unsigned c;

    if (nthreads == 2u) {
        while (index >= sequences->count - a) {
            index -= sequences->count - a++;
        }
        snprintf(text, bytes, "| %s | %s", sequences->text[a], sequences->text[a + index]);
        return;
    }
    while (index >= combinations(sequences->count - a, 2)) {
        index -= combinations(sequences->count - a++, 2);
    }
    b = a;
    while (index >= sequences->count - b) {
        index -= sequences->count - b++;
    }
    c = b + index;
    snprintf(text, bytes, "| %s | %s | %s", sequences->text[a], sequences->text[b], sequences->text[c]);
}

/* => every how manieth of so many programs is in the sample. */
static unsigned sample_stride(unsigned total, unsigned nthreads)
{
    unsigned wanted = nthreads == 2u ? SAMPLE_OF_TWO : SAMPLE_OF_THREE;

    return total > wanted ? total / wanted : 1u;
}

static bool is_left_out(const struct group *group, const struct report_options *options)
{
    return (options->is_short && group->is_unbounded) || (options->only && !strstr(group->name, options->only));
}

/* This process's share of a group. */
static void group_run(const struct group *group, const struct report_options *options, unsigned job, double deadline,
                      struct tally *tally)
{
    static struct sequences sequences;
    double began = drive_now();
    unsigned total;
    unsigned stride;
    unsigned prefill;
    unsigned i;

    if (is_left_out(group, options)) {
        return;
    }
    sequences_make(group, &sequences);
    total = combinations(sequences.count, group->nthreads);
    stride = options->is_short ? sample_stride(total, group->nthreads) : 1u;
    for (prefill = 0; group->prefill[prefill]; prefill++) {
        for (i = stride > 1u ? prefill : 0u; i < total; i += stride) { /* other samples for other states */
            char text[PROGRAM_TEXT_MAX];
            char threads[PROGRAM_TEXT_MAX / 2];

            if ((i / stride) % options->jobs != job || (deadline > 0 && drive_now() > deadline)) {
                continue;
            }
            combination_text(&sequences, group->nthreads, i, threads, sizeof(threads));
            snprintf(text, sizeof(text), "%s %s %s", group->geometry, group->prefill[prefill], threads);
            (void)program_run(text, group->is_unbounded ? HIPTI_SEARCH_UNBOUNDED : options->bound, options, deadline,
                              tally);
        }
    }
    tally->seconds = drive_now() - began;
}

static uint64_t group_programs(const struct group *group, const struct report_options *options)
{
    static struct sequences sequences;
    uint64_t programs = 0;
    unsigned total;
    unsigned stride;
    unsigned prefill;

    if (is_left_out(group, options)) {
        return 0;
    }
    sequences_make(group, &sequences);
    total = combinations(sequences.count, group->nthreads);
    stride = options->is_short ? sample_stride(total, group->nthreads) : 1u;
    for (prefill = 0; group->prefill[prefill]; prefill++) {
        programs += (total - (stride > 1u ? prefill : 0u) + stride - 1u) / stride;
    }
    return programs;
}

/* --- the table --- */

static void row_print(const char *name, const struct tally *tally, uint64_t programs, bool is_json)
{
    static const char *const formats[2] = {
        "%-24s %9llu %9llu %12llu %12llu %14llu %9.1f %10llu\n",
        "{\"group\": \"%s\", \"programs\": %llu, \"complete\": %llu, \"executions\": %llu, \"of_them_pct\": %llu, "
        "\"steps\": %llu, \"seconds\": %.1f, \"violations\": %llu}\n",
    };

    printf(formats[is_json], name, (unsigned long long)programs, (unsigned long long)tally->complete,
           (unsigned long long)tally->executions, (unsigned long long)tally->random, (unsigned long long)tally->steps,
           tally->seconds, (unsigned long long)tally->violations);
}

static void tally_add(struct tally *sum, const struct tally *tally)
{
    sum->programs += tally->programs;
    sum->complete += tally->complete;
    sum->executions += tally->executions;
    sum->random += tally->random;
    sum->steps += tally->steps;
    sum->violations += tally->violations;
    sum->seconds = tally->seconds > sum->seconds ? tally->seconds : sum->seconds;
}

/* => whether all is well: every program with a bound complete, none with a violation. */
static bool table_print(struct tally (*tallies)[GROUPS], const struct report_options *options)
{
    struct tally all = {0};
    uint64_t all_programs = 0;
    bool is_whole = true;
    double seconds = 0;
    unsigned g;
    unsigned job;

    if (!options->is_json) {
        printf("%-24s %9s %9s %12s %12s %14s %9s %10s\n", "group", "programs", "complete", "executions", "of them PCT",
               "steps", "seconds", "violations");
    }
    for (g = 0; g < GROUPS; g++) {
        struct tally sum = {0};
        uint64_t programs = group_programs(&groups[g], options);

        for (job = 0; job < options->jobs; job++) {
            tally_add(&sum, &tallies[job][g]);
        }
        if (programs > 0) {
            row_print(groups[g].name, &sum, programs, options->is_json);
        }
        is_whole = is_whole && (groups[g].is_unbounded || sum.complete == programs);
        all_programs += programs;
        seconds += sum.seconds;
        tally_add(&all, &sum);
    }
    all.seconds = seconds;
    row_print("all", &all, all_programs, options->is_json);
    return all.violations == 0 && all.executions > 0 && is_whole;
}

/* In a process of its own. */
static void job_run(const struct report_options *options, unsigned job, double deadline, struct tally *tallies)
{
    unsigned g;

    for (g = 0; g < GROUPS; g++) {
        double left = deadline > 0 ? deadline - drive_now() : 0;

        /* what is left of the time is shared out evenly among the groups that are left */
        group_run(&groups[g], options, job, deadline > 0 ? drive_now() + left / (double)(GROUPS - g) : 0, &tallies[g]);
    }
}

bool report_run(const struct report_options *options)
{
    struct tally(*tallies)[GROUPS] = mmap(NULL, sizeof(struct tally[JOBS_MAX][GROUPS]), PROT_READ | PROT_WRITE,
                                          MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    double deadline = options->seconds > 0 ? drive_now() + options->seconds : 0;
    bool is_well = true;
    unsigned job;

    if (tallies == MAP_FAILED || options->jobs == 0 || options->jobs > JOBS_MAX) {
        fprintf(stderr, "explore: no memory, or not 1 to %d jobs\n", JOBS_MAX);
        return false;
    }
    fflush(stdout);
    for (job = 0; job < options->jobs; job++) {
        pid_t child = fork();

        if (child == 0) {
            job_run(options, job, deadline, tallies[job]);
            fflush(stdout);
            _exit(0);
        }
        is_well = is_well && child > 0;
    }
    for (job = 0; job < options->jobs; job++) {
        int status = 1;

        is_well = wait(&status) > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0 && is_well;
    }
    return table_print(tallies, options) && is_well;
}

/* --- bugs that were there once --- */

enum { REGRESSION_BOUND = 2 }; /* preemptions that each of them needed, at most */

static const char *const regressions[] = {
    /* a remap that failed, since the new frame is in limbo, left its page in an address space that was retired */
    "1/2/6 m15.15 u15 g m0.0 m1.1 u1 | r0.1 | x0",
    /* a frame that another map had tried, pinned and unpinned meanwhile, became free and was never reaped */
    "1/2/6 m15.15 u15 g | m0.0 | m0.1 i0 o0",
    "1/2/6 m15.15 u15 g | m0.0 | m0.1 | i0 o0",
    /* an overflow line that nobody saw went back to the spare ones with its first slot still claimed */
    "1/1/4 m8.8 m9.9 m10.10 m11.11 | m0.0 | m0.1",
    "1/1/6 m8.8 m9.9 m10.10 m11.11 | m0.0 u0 | m1.1 u1",
};

bool report_regressions(const struct report_options *options)
{
    struct tally tally = {0};
    double began = drive_now();
    bool is_well = true;
    size_t i;

    for (i = 0; i < sizeof(regressions) / sizeof(regressions[0]); i++) {
        is_well = program_run(regressions[i], REGRESSION_BOUND, options, 0, &tally) && is_well;
    }
    tally.seconds = drive_now() - began;
    if (!options->is_json) {
        printf("%-24s %9s %9s %12s %12s %14s %9s %10s\n", "", "programs", "complete", "executions", "of them PCT",
               "steps", "seconds", "violations");
    }
    row_print("bugs once found", &tally, tally.programs, options->is_json);
    return is_well && tally.complete == tally.programs;
}

/* --- paths that meet in one state --- */

/* All ways end in the same states whether or not the search goes on from each state only once. */
static bool merging_is_right(const char *text, unsigned bound)
{
    static struct drive drive[2];
    struct program program;
    const char *wrong;
    uint64_t ends[2];
    unsigned i;

    for (i = 0; i < 2; i++) {
        memset(&drive[i], 0, sizeof(drive[i]));
        drive[i].bound = bound;
        drive[i].is_plain = i == 0;
        drive[i].executions_max = UINT64_MAX;
        if (!program_parse(text, &program, &wrong) || !drive_search(&drive[i], &program) || drive[i].is_broken) {
            return false;
        }
        ends[i] = oracle_ends();
    }
    if (ends[0] != ends[1] || drive[1].executions >= drive[0].executions) {
        printf("VIOLATION \"%s\": %llu ends by %llu executions, %llu ends by %llu when paths may meet\n", text,
               (unsigned long long)ends[0], (unsigned long long)drive[0].executions, (unsigned long long)ends[1],
               (unsigned long long)drive[1].executions);
        return false;
    }
    return true;
}

bool report_merging(void)
{
    return merging_is_right("1/1/6 m15.15 u15 g m0.0 | m0.1 u0 | u0 m0.0", 3) &&
           merging_is_right("1/1/6 m8.8 m9.9 m10.10 m11.11 m0.0 | m0.0 u0 | u8 m1.1", 3) &&
           merging_is_right("1/2/6 m15.15 u15 g m0.0 m1.0 | u0 g | d1 u1 | v0 g", 2) &&
           merging_is_right("1/2/6 m15.15 u15 g m0.0 m1.0 | x0 a2 | m2.0 | u1 w", 2) &&
           merging_is_right("2/1/6 M0.4 | U0 m1.1 | R0.8 M0.4", 3);
}
