/* SPDX-License-Identifier: MIT */
/*
 * What an unmap costs the thread that does it, by mode, by CPUs that use the asid, by how soon they answer, and by
 * pages; whether CPUs that never used the asid are left alone; how long a cached translation outlives an unmap that
 * asks nobody.
 */
#include "shootdown.h"
#include "shootdown_svg.h"

#include <stdio.h>
#include <stdlib.h>

#define MANY_PAGES 512u /* up to so many pages an unmap is repeated in a round */
#define REPEATS 20u
#define CELLS_MAX (BENCH_LIST_MAX * 2 * BENCH_LIST_MAX * 3)
#define STRANGER_UNMAPS 2000u
#define STALE_UNMAPS 200u
#define ROUNDS_GOAL 2.0
#define DEFERRED_GOAL 70.0

static const char *const mode_names[] = {"sync", "deferred", "ttl"};
static const char *const pace_names[] = {"parked", "at once", "late"};

/* One combination, and what its rounds were like. */
struct cell {
    unsigned cpus; /* the one that unmaps included */
    enum shoot_pace pace;
    uint64_t pages;
    enum hipt_gather_mode mode;
    uint64_t unmaps;
    uint64_t rounds;
    uint64_t kicks;
    double returned[BENCH_ROUNDS_MAX]; /* ns, the median of a round */
    double done[BENCH_ROUNDS_MAX];
};

struct matrix {
    struct shoot_rig rig;
    struct cell cells[CELLS_MAX];
    size_t count;
};

/*
 * One unmap. *returned: when the caller may go on to something else; *done: when slots and frames are given back, which
 * in two of the modes somebody has to come back for.
 */
static void unmap_once(struct shoot_rig *rig, const struct cell *cell, double *returned, double *done)
{
    struct hipt_page page = {.asid = rig->asids[0]};
    struct hipt_gather gather;
    uint64_t start;
    uint64_t ended = 0;
    bool right;

    shoot_rig_map(rig, 0, cell->pages);
    start = shoot_now();
    right = hipt_gather_start(&gather, rig->table, page.asid, cell->mode) == HIPT_OK &&
            hipt_gather_add(&gather, &page, cell->pages, &ended) == HIPT_OK && ended == cell->pages;
    if (cell->mode == HIPT_SYNC) {
        right = right && hipt_gather_finish(&gather) == HIPT_OK;
        *returned = *done = (double)(shoot_now() - start);
    } else {
        hipt_gather_dispatch(&gather);
        *returned = (double)(shoot_now() - start);
        while (!hipt_gather_poll(&gather)) {
            shoot_relax();
        }
        right = right && hipt_gather_finish(&gather) == HIPT_OK;
        *done = (double)(shoot_now() - start);
    }
    rig->limbo += ended;
    rig->wrong += !right;
}

static void run_cell(struct shoot_rig *rig, struct cell *cell, uint64_t round)
{
    unsigned repeats = cell->pages <= MANY_PAGES ? REPEATS : 1;
    double returned[REPEATS];
    double done[REPEATS];
    struct hipt_stats before;
    struct hipt_stats after;

    for (unsigned i = 1; i < rig->ncpus; i++) {
        shoot_rig_pace(rig, i, i < cell->cpus ? cell->pace : SHOOT_PARKED);
    }
    hipt_table_stats(rig->table, &before);
    for (unsigned i = 0; i < repeats; i++) {
        unmap_once(rig, cell, &returned[i], &done[i]);
    }
    hipt_table_stats(rig->table, &after);
    cell->unmaps += repeats;
    cell->rounds += after.rounds - before.rounds;
    cell->kicks += after.kicks - before.kicks;
    cell->returned[round] = shoot_median(returned, repeats);
    cell->done[round] = shoot_median(done, repeats);
}

static void add_cells(struct matrix *matrix, unsigned cpus, enum shoot_pace pace, uint64_t pages)
{
    for (unsigned mode = HIPT_SYNC; mode <= HIPT_TTL; mode++) {
        matrix->cells[matrix->count++] =
            (struct cell){.cpus = cpus, .pace = pace, .pages = pages, .mode = (enum hipt_gather_mode)mode};
    }
}

/* => the most CPUs of any cell */
static unsigned make_cells(struct matrix *matrix, const struct shoot_options *options)
{
    unsigned most = 1;

    for (size_t i = 0; i < options->cpus.count; i++) {
        unsigned cpus = (unsigned)options->cpus.values[i];

        most = cpus > most ? cpus : most;
        for (size_t j = 0; j < options->pages.count; j++) {
            add_cells(matrix, cpus, SHOOT_PROMPT, options->pages.values[j]);
            if (cpus > 1) {
                add_cells(matrix, cpus, SHOOT_LATE, options->pages.values[j]);
            }
        }
    }
    return most;
}

static uint64_t most_pages(const struct shoot_options *options)
{
    uint64_t most = 4096; /* a table that is no toy */

    for (size_t i = 0; i < options->pages.count; i++) {
        most = options->pages.values[i] > most ? options->pages.values[i] : most;
    }
    return most;
}

static void print_cell(const struct shoot_options *options, struct cell *cell)
{
    double returned = shoot_median(cell->returned, options->rounds) / 1000;
    double done = shoot_median(cell->done, options->rounds) / 1000;
    const char *pace = cell->cpus > 1 ? pace_names[cell->pace] : "-";
    double n = (double)cell->unmaps;

    if (options->json) {
        printf("{\"bench\":\"hipt-bench shootdown\",\"part\":\"unmap\",\"mode\":\"%s\",\"cpus\":%u,\"answer\":\"%s\","
               "\"pages\":%llu,\"returned_us\":%.3f,\"min\":%.3f,\"max\":%.3f,\"done_us\":%.3f,\"unmaps\":%llu,"
               "\"rounds\":%llu,\"kicks\":%llu}\n",
               mode_names[cell->mode], cell->cpus, pace, (unsigned long long)cell->pages, returned,
               cell->returned[0] / 1000, cell->returned[options->rounds - 1] / 1000, done,
               (unsigned long long)cell->unmaps, (unsigned long long)cell->rounds, (unsigned long long)cell->kicks);
    } else {
        printf("%-9s %4u  %-8s %7llu %11.2f %11.2f %11.2f %11.2f %8.2f %8.2f\n", mode_names[cell->mode], cell->cpus,
               pace, (unsigned long long)cell->pages, returned, cell->returned[0] / 1000,
               cell->returned[options->rounds - 1] / 1000, done, (double)cell->rounds / n, (double)cell->kicks / n);
    }
}

static void print_cells(struct matrix *matrix, const struct shoot_options *options)
{
    if (!options->json) {
        printf("\nunmapping pages, median of %llu rounds; the CPU that unmaps is one of the CPUs; the others look for\n"
               "requests all the time (at once) or every 50 to 100 us (late); ttl is 1 ms\n"
               "%-9s %4s  %-8s %7s %11s %11s %11s %11s %8s %8s\n",
               (unsigned long long)options->rounds, "mode", "CPUs", "answer", "pages", "returned us", "min", "max",
               "done us", "rounds", "kicks");
    }
    for (size_t i = 0; i < matrix->count; i++) {
        print_cell(options, &matrix->cells[i]);
    }
}

/* Cells are printed, and so sorted, when this is called: sync comes just before deferred. */
static void goal_of_deferred(const struct shoot_options *options, struct cell *sync)
{
    double ratio = shoot_median(sync[1].returned, options->rounds) / shoot_median(sync[0].returned, options->rounds);
    char name[96];
    struct shoot_goal goal = {.name = name, .goal = "at least 70", .unit = "%", .figure = 100 * (1 - ratio)};

    snprintf(name, sizeof(name), "deferred below sync: %u CPUs answer %s, %llu pages", sync->cpus,
             pace_names[sync->pace], (unsigned long long)sync->pages);
    goal.met = goal.figure >= DEFERRED_GOAL;
    shoot_report_goal(options->json, &goal);
}

static void goal_of_rounds(const struct shoot_options *options, const struct cell *sync)
{
    char name[96];
    struct shoot_goal goal = {
        .name = name, .goal = "at most 2", .unit = "rounds", .figure = (double)sync->rounds / (double)sync->unmaps};

    snprintf(name, sizeof(name), "one unmap of %llu pages: %u CPUs answer %s", (unsigned long long)sync->pages,
             sync->cpus, pace_names[sync->pace]);
    goal.met = goal.figure <= ROUNDS_GOAL && sync->rounds > 0;
    shoot_report_goal(options->json, &goal);
}

static void print_goals(struct matrix *matrix, const struct shoot_options *options)
{
    if (!options->json) {
        printf("\n");
    }
    for (size_t i = 0; i < matrix->count; i++) {
        if (matrix->cells[i].mode == HIPT_SYNC && matrix->cells[i].cpus > 1) {
            if (matrix->cells[i].pages >= SHOOT_PAGES_MAX) {
                goal_of_rounds(options, &matrix->cells[i]);
            }
            goal_of_deferred(options, &matrix->cells[i]);
        }
    }
}

/* One line of the picture: one mode, the most CPUs, who answer at some pace. => false: there are no such cells */
static bool line_of(struct matrix *matrix, const struct shoot_options *options, enum shoot_pace pace,
                    enum hipt_gather_mode mode, struct shoot_line *line)
{
    line->count = 0;
    for (size_t i = 0; i < matrix->count; i++) {
        struct cell *cell = &matrix->cells[i];

        if (cell->cpus == matrix->rig.ncpus && cell->pace == pace && cell->mode == mode) {
            line->x[line->count] = (double)cell->pages;
            line->y[line->count++] = shoot_median(cell->returned, options->rounds) / 1000;
        }
    }
    return line->count > 0;
}

static bool draw(struct matrix *matrix, const struct shoot_options *options)
{
    static const char *const names[][3] = {{"sync", "deferred", "ttl"},
                                           {"sync, at once", "deferred, at once", "ttl, at once"},
                                           {"sync, late", "deferred, late", "ttl, late"}};
    struct shoot_line lines[6];
    size_t count = 0;
    char title[80];

    for (unsigned i = 0; i < 6; i++) {
        enum shoot_pace pace = i < 3 ? SHOOT_PROMPT : SHOOT_LATE;

        if (line_of(matrix, options, pace, (enum hipt_gather_mode)(i % 3), &lines[count])) {
            lines[count++].name = names[matrix->rig.ncpus > 1 ? pace : 0][i % 3];
        }
    }
    snprintf(title, sizeof(title), "Unmapping, %u CPUs", matrix->rig.ncpus);
    return shoot_draw(options->svg, title, lines, count);
}

bool shoot_unmaps(const struct shoot_options *options)
{
    struct matrix *matrix = calloc(1, sizeof(*matrix));
    struct shoot_setup setup = {.pages = most_pages(options), .flush_max = SHOOT_FLUSH_DEFAULT, .ttl = SHOOT_TTL_NS};
    bool right = false;

    setup.ncpus = matrix ? make_cells(matrix, options) : 0;
    if (matrix && shoot_rig_create(&matrix->rig, &setup)) {
        for (uint64_t round = 0; round < options->rounds; round++) {
            for (size_t i = 0; i < matrix->count; i++) {
                run_cell(&matrix->rig, &matrix->cells[i], round);
            }
        }
        print_cells(matrix, options);
        print_goals(matrix, options);
        right = matrix->rig.wrong == 0 && (!options->svg || draw(matrix, options));
        shoot_rig_destroy(&matrix->rig);
    }
    free(matrix);
    return right;
}

/* CPU 1 uses the asid that is unmapped in, CPU 2 another one; both are inside and look all the time. */
bool shoot_strangers(const struct shoot_options *options)
{
    const struct shoot_setup setup = {.ncpus = 3, .pages = 4096, .flush_max = SHOOT_FLUSH_DEFAULT};
    struct shoot_rig rig;
    struct shoot_goal goal = {
        .name = "kicks and requests to a CPU that never used the asid", .goal = "none", .unit = "of 2000 unmaps"};
    uint64_t friends;

    if (!shoot_rig_create(&rig, &setup)) {
        return false;
    }
    rig.cpus[2].asid = rig.asids[1];
    shoot_rig_pace(&rig, 1, SHOOT_PROMPT);
    shoot_rig_pace(&rig, 2, SHOOT_PROMPT);
    for (unsigned i = 0; i < STRANGER_UNMAPS; i++) {
        shoot_rig_map(&rig, 0, 1);
        shoot_rig_unmap(&rig, 0, 1);
    }
    friends = atomic_load(&rig.cpus[1].kicks);
    goal.figure = (double)(atomic_load(&rig.cpus[2].kicks) + atomic_load(&rig.cpus[2].posts));
    goal.met = goal.figure <= 0 && friends > 0;
    shoot_report_goal(options->json, &goal);
    if (!options->json) {
        printf("  the CPU that used it was kicked %llu times and found %llu requests\n", (unsigned long long)friends,
               (unsigned long long)atomic_load(&rig.cpus[1].posts));
    }
    shoot_rig_destroy(&rig);
    return rig.wrong == 0;
}

/*
 * One unmap that asks nobody. *began: how long after it a CPU began to read the page for the last time, in ns; *ended:
 * how long after it that CPU was done.
 */
static void outlived(struct shoot_rig *rig, double *began, double *ended)
{
    struct shoot_cpu *reader = &rig->cpus[1];
    struct hipt_page page = {.asid = rig->asids[0]};
    struct hipt_gather gather;
    uint64_t unmapped = 0;
    uint64_t start;

    shoot_rig_map(rig, 0, 1);
    for (start = shoot_now(); atomic_load(&reader->began) < start;) {
        shoot_relax();
    }
    rig->wrong += hipt_gather_start(&gather, rig->table, page.asid, HIPT_TTL) != HIPT_OK;
    rig->wrong += hipt_gather_add(&gather, &page, 1, &unmapped) != HIPT_OK;
    hipt_gather_dispatch(&gather);
    start = shoot_now();
    while (!hipt_gather_poll(&gather)) {
        shoot_relax();
    }
    rig->wrong += hipt_gather_finish(&gather) != HIPT_OK || unmapped != 1;
    rig->limbo += unmapped;
    shoot_nap(SHOOT_TTL_NS / 2); /* a reader that still had it would show */
    *began = (double)atomic_load(&reader->began) - (double)start;
    *ended = (double)atomic_load(&reader->ended) - (double)start;
}

bool shoot_staleness(const struct shoot_options *options)
{
    const struct shoot_setup setup = {.ncpus = 2, .pages = 4096, .flush_max = SHOOT_FLUSH_DEFAULT, .ttl = SHOOT_TTL_NS};
    struct shoot_rig rig;
    struct shoot_goal goal = {
        .name = "ttl of 1 ms: the last read of an unmapped page began after", .goal = "at most 1000", .unit = "us"};
    double longest = 0;

    if (!shoot_rig_create(&rig, &setup)) {
        return false;
    }
    shoot_rig_pace(&rig, 1, SHOOT_READING);
    for (unsigned i = 0; i < STALE_UNMAPS; i++) {
        double began;
        double ended;

        outlived(&rig, &began, &ended);
        goal.figure = began > goal.figure * 1000 ? began / 1000 : goal.figure;
        longest = ended > longest ? ended : longest;
    }
    goal.met = goal.figure <= (double)SHOOT_TTL_NS / 1000 && goal.figure > 0;
    shoot_report_goal(options->json, &goal);
    if (!options->json) {
        printf("  and ended after %.0f us: a reader may be interrupted inside its read side\n", longest / 1000);
    }
    shoot_rig_destroy(&rig);
    return rig.wrong == 0;
}
