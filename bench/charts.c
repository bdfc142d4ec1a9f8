/* SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "charts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "gnuplot.h"

#define WHO "hipt-bench: --svg"
#define PATH_BYTES 4096u
#define BARS_WIDTH 1280u
#define LINES_WIDTH 880u
#define HEIGHT 520u

/* What goes into the pictures, where it was measured. */
static const enum bench_workload main_workloads[] = {BENCH_HIT,  BENCH_DEPENDENT, BENCH_BATCH64,    BENCH_STREAMING,
                                                     BENCH_ZIPF, BENCH_STRIDE,    BENCH_RUN_SINGLE, BENCH_RUN_BATCH,
                                                     BENCH_MISS, BENCH_MIXED_90,  BENCH_MIXED_50};

#define MAIN_WORKLOADS (sizeof(main_workloads) / sizeof(main_workloads[0]))

/* One picture: places in the lists of the run. Bars are over workloads, lines over numbers of entries. */
struct chart {
    const struct bench_results *results;
    size_t entries;
    size_t threads;
    enum bench_workload workload;
};

static const struct bench_result *result_of(const struct chart *chart, size_t impl)
{
    return &chart->results->times[chart->entries][chart->workload][chart->threads][impl];
}

static bool has_workload(struct chart chart)
{
    for (size_t i = 0; i < chart.results->nimpls; i++) {
        if (result_of(&chart, i)->ns > 0) {
            return true;
        }
    }
    return false;
}

/* In one of the pictures' workloads. */
static bool has_bars(struct chart chart, size_t impl)
{
    for (size_t i = 0; i < MAIN_WORKLOADS; i++) {
        chart.workload = main_workloads[i];
        if (result_of(&chart, impl)->ns > 0) {
            return true;
        }
    }
    return false;
}

static bool has_line(struct chart chart, size_t impl)
{
    for (size_t i = 0; i < chart.results->options->entries.count; i++) {
        chart.entries = i;
        if (result_of(&chart, impl)->ns > 0) {
            return true;
        }
    }
    return false;
}

static void write_values(FILE *script, const struct chart *chart)
{
    for (size_t i = 0; i < chart->results->nimpls; i++) {
        double ns = result_of(chart, i)->ns;

        if (ns > 0) {
            fprintf(script, " %.9g", ns);
        } else {
            fprintf(script, " -");
        }
    }
    fprintf(script, "\n");
}

/* How a column of the data becomes bars or a line. */
struct look {
    bool (*has)(struct chart chart, size_t impl);
    const char *before; /* the column's number */
    const char *after;
};

static const struct look bars_look = {has_bars, "", ":xtic(1)"};
static const struct look lines_look = {has_line, "1:", " with linespoints lw 2 pt 7 ps 0.7"};

/* A column for each implementation, after the one that names the row. */
static void write_plot(FILE *script, const struct chart *chart, const struct look *look)
{
    const char *verb = "plot";

    for (size_t i = 0; i < chart->results->nimpls; i++) {
        if (look->has(*chart, i)) {
            fprintf(script, "%s $data using %s%zu%s lc rgb '%s' title '%s'", verb, look->before, i + 2, look->after,
                    bench_colour(i), chart->results->impls[i]->name);
            verb = ",";
        }
    }
    fprintf(script, "\n");
}

static void write_bars(FILE *script, const void *ctx)
{
    struct chart chart = *(const struct chart *)ctx;
    const struct bench_options *options = chart.results->options;

    fprintf(script,
            "set datafile missing '-'\n"
            "set style data histogram\nset style histogram cluster gap 1.5\nset style fill solid 0.9 noborder\n"
            "set boxwidth 0.9 relative\n"
            "set logscale y\nset yrange [1:*]\n"
            "set ylabel 'ns for each operation, logarithmic' textcolor rgb '#303030'\n"
            "set rmargin 16\nset key outside right top reverse Left samplen 1 spacing 1.2 textcolor rgb '#303030'\n"
            "set title '%llu entries, threads: %llu' textcolor rgb '#202020'\n"
            "$data << END\n",
            (unsigned long long)options->entries.values[chart.entries],
            (unsigned long long)options->threads.values[chart.threads]);
    for (size_t i = 0; i < MAIN_WORKLOADS; i++) {
        chart.workload = main_workloads[i];
        if (has_workload(chart)) {
            fprintf(script, "%s", bench_plans[chart.workload].name);
            write_values(script, &chart);
        }
    }
    fprintf(script, "END\n");
    write_plot(script, &chart, &bars_look);
}

static void write_lines(FILE *script, const void *ctx)
{
    struct chart chart = *(const struct chart *)ctx;
    const struct bench_options *options = chart.results->options;

    fprintf(script,
            "set datafile missing '-'\n"
            "set logscale xy\nset xlabel 'entries' textcolor rgb '#303030'\n"
            "set ylabel 'ns for each operation' textcolor rgb '#303030'\n"
            "set rmargin 16\nset key outside right top reverse Left samplen 2 spacing 1.2 textcolor rgb '#303030'\n"
            "set title '%s, threads: %llu' textcolor rgb '#202020'\n"
            "$data << END\n",
            bench_plans[chart.workload].name, (unsigned long long)options->threads.values[chart.threads]);
    for (size_t i = 0; i < options->entries.count; i++) {
        chart.entries = i;
        fprintf(script, "%llu", (unsigned long long)options->entries.values[i]);
        write_values(script, &chart);
    }
    fprintf(script, "END\n");
    write_plot(script, &chart, &lines_look);
}

bool bench_charts_ready(const char *directory)
{
    if (mkdir(directory, 0777) != 0 && errno != EEXIST) {
        fprintf(stderr, WHO " %s: %s\n", directory, strerror(errno));
        return false;
    }
    return true;
}

static bool path_of(char *path, const char *directory, const char *kind, const char *name)
{
    if (snprintf(path, PATH_BYTES, "%s/%s-%s.svg", directory, kind, name) >= (int)PATH_BYTES) {
        fprintf(stderr, WHO ": the directory's name is too long\n");
        return false;
    }
    return true;
}

static bool any_bars(const struct chart *chart)
{
    for (size_t i = 0; i < chart->results->nimpls; i++) {
        if (has_bars(*chart, i)) {
            return true;
        }
    }
    return false;
}

static bool any_line(const struct chart *chart)
{
    for (size_t i = 0; i < chart->results->nimpls; i++) {
        if (has_line(*chart, i)) {
            return true;
        }
    }
    return false;
}

static bool draw_bars(const char *directory, const struct chart *chart)
{
    char path[PATH_BYTES];
    char name[24];

    snprintf(name, sizeof(name), "%llu", (unsigned long long)chart->results->options->threads.values[chart->threads]);
    return !any_bars(chart) || (path_of(path, directory, "operations", name) &&
                                bench_gnuplot(WHO, path, BARS_WIDTH, HEIGHT, write_bars, chart));
}

static bool draw_lines(const char *directory, const struct chart *chart)
{
    char path[PATH_BYTES];

    return !any_line(chart) || (path_of(path, directory, "entries", bench_plans[chart->workload].name) &&
                                bench_gnuplot(WHO, path, LINES_WIDTH, HEIGHT, write_lines, chart));
}

bool bench_charts_draw(const char *directory, const struct bench_results *results)
{
    const struct bench_options *options = results->options;
    struct chart chart = {.results = results, .entries = bench_list_largest(&options->entries)};
    bool drawn = true;

    for (size_t i = 0; drawn && i < options->threads.count; i++) {
        chart.threads = i;
        drawn = draw_bars(directory, &chart);
    }
    chart.threads = bench_list_place(&options->threads, 1);
    for (size_t i = 0; drawn && options->entries.count > 1 && i < MAIN_WORKLOADS; i++) {
        chart.workload = main_workloads[i];
        drawn = draw_lines(directory, &chart);
    }
    return drawn;
}
