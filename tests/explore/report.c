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
#include "explore/groups.h"
#include "explore/oracle.h"
#include "explore/world.h"
#include "sim/choose.h"

enum { JOBS_MAX = 64, SHOWN = 3 };

/* A program without a bound is given up after so many executions, and counted as not complete. */
enum { UNBOUNDED_MAX = 2000000 };

/* Programs of a group in the short form; those of three threads have more schedules. */
enum { SAMPLE_OF_TWO = 80, SAMPLE_OF_THREE = 16 };

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

static bool is_left_out(const struct group *group, const struct report_options *options)
{
    return (options->is_short && group->is_unbounded) || (options->only && !strstr(group->name, options->only));
}

/* => every how manieth of the group's programs is run. */
static unsigned group_stride(const struct group *group, const struct report_options *options)
{
    unsigned total = group_programs(group);
    unsigned wanted = group->nthreads == 2u ? SAMPLE_OF_TWO : SAMPLE_OF_THREE;

    if (group->programs) {
        wanted = group->sample ? group->sample : total;
    }
    return options->is_short && total > wanted ? total / wanted : 1u;
}

/* => how many of them. */
static uint64_t group_wanted(const struct group *group, const struct report_options *options)
{
    unsigned stride = group_stride(group, options);

    return is_left_out(group, options) ? 0 : (group_programs(group) + stride - 1u) / stride;
}

/* => how many preemptions its programs are searched with. */
static unsigned group_bound(const struct group *group, const struct report_options *options)
{
    if (group->is_unbounded) {
        return HIPTI_SEARCH_UNBOUNDED;
    }
    return group->preemptions_max && group->preemptions_max < options->bound ? group->preemptions_max : options->bound;
}

/* This process's share of a group. */
static void group_run(const struct group *group, const struct report_options *options, unsigned job, double deadline,
                      struct tally *tally)
{
    unsigned bound = group_bound(group, options);
    uint64_t wanted = group_wanted(group, options);
    unsigned stride = group_stride(group, options);
    double began = drive_now();
    uint64_t i;

    for (i = job; i < wanted && !(deadline > 0 && drive_now() > deadline); i += options->jobs) {
        char text[PROGRAM_TEXT_MAX];

        group_text(group, (unsigned)i * stride, text, sizeof(text));
        (void)program_run(text, bound, options, deadline, tally);
    }
    tally->seconds = drive_now() - began;
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
        uint64_t programs = group_wanted(&groups[g], options);

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
    /* ranges fetched lines ahead outside a read side: the buckets were given back meanwhile */
    "1/2/6 m0.0 m1.1 | G0 B1 B1 B1 | n0.2",
    /* the first frame of a large page that ended as soon as its collapse let it go became free without limbo */
    "2/1/6 m0.4 m1.5 m2.6 m3.7 | C0 | U0",
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
            printf("VIOLATION \"%s\" cannot be run, or breaks: %s\n", text, world.violation);
            return false;
        }
        ends[i] = oracle_ends();
    }
    if (ends[0] != ends[1] || ends[0] >= ORACLE_ENDS_MAX || drive[1].executions >= drive[0].executions) {
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
           merging_is_right("2/1/6 M0.4 | U0 m1.1 | R0.8 M0.4", 3) &&
           merging_is_right("1/1/6c2 m0.0 t0.2 | u0 | m0.1 | t0 t0", 1) &&
           merging_is_right("1/2/6c01 m0.0 m1.1 t1.0 t0.1 | u0 t1 | u1 t0", 2) &&
           merging_is_right("1/2/6c1 a2 m0.0 1:m0.1 2:m0.2 t0.1 1:t0.1 | u0 | 2:t0 t0", 3) &&
           merging_is_right("1/2/6c2 m0.0 p0 s0.2 | y0 | u0 | s0", 1) &&
           merging_is_right("1/2/6c1 m0.0 t0.1 | b0.1 f | t0 t0", 3);
}
