/* SPDX-License-Identifier: MIT */
/* A growth as two pictures: what lookups took, and what maps took, by how many pages were mapped. */
#include "growth_report.h"

#include <stdio.h>

#include "gnuplot.h"

#define WHO "hipt-bench: growth"
#define PATH_BYTES 4096u
#define WIDTH 1080u
#define HEIGHT 560u
#define COUNTED_MIN 32u    /* of a stretch that is drawn */
#define RUNS_OF_LOOKUPS 3u /* three lines each: more cannot be told apart */

struct picture {
    const struct growth_run *runs;
    size_t count;
    bool maps;
};

static const struct line {
    const char *name;
    double share;
    unsigned dash; /* gnuplot's number */
    double width;
    bool of_maps; /* of them there are fewer, and two lines do */
} lines[] = {
    {"p50", 0.5, 3, 1.2, false}, {"p99", 0.99, 2, 1.2, false}, {"p99.9", 0.999, 1, 2, true}, {"max", 1, 3, 1.2, true}};

#define LINES (sizeof(lines) / sizeof(lines[0]))

static bool is_drawn(const struct picture *picture, const struct line *line)
{
    return picture->maps ? line->of_maps : line->share < 1;
}

static double middle(const struct growth_stretch *stretch)
{
    return (double)(stretch->first + stretch->end) / 2;
}

/* A row for each stretch in which somebody maps: pages, and a column for each line. */
static void write_run(FILE *script, const struct picture *picture, size_t which)
{
    const struct growth_run *run = &picture->runs[which];

    fprintf(script, "$run%zu << END\n", which);
    for (size_t i = 1; i < run->count; i++) {
        const struct growth_stretch *stretch = &run->stretches[i];
        const struct bench_histogram *histogram = picture->maps ? &stretch->maps : &stretch->lookups;

        if (stretch->phase == GROWTH_QUIET || histogram->count < COUNTED_MIN) {
            continue;
        }
        fprintf(script, "%.9g", middle(stretch));
        for (size_t j = 0; j < LINES; j++) {
            fprintf(script, " %.9g", bench_histogram_at(histogram, lines[j].share));
        }
        fprintf(script, "\n");
    }
    fprintf(script, "END\n");
}

/* Where one that can tell was moving. */
static void write_doublings(FILE *script, const struct growth_run *run)
{
    for (unsigned i = 0; run->impl->enlarge != NULL && i < run->steps; i++) {
        struct growth_stretch sum;

        growth_run_sum(run, i, 1u << GROWTH_DOUBLING, &sum);
        if (sum.end > sum.first) {
            fprintf(script,
                    "set object rectangle from first %llu, graph 0 to first %llu, graph 1 behind fillcolor rgb "
                    "'#e4e4e4' fillstyle solid noborder\n",
                    (unsigned long long)sum.first, (unsigned long long)sum.end);
        }
    }
}

static void write_plot(FILE *script, const struct picture *picture)
{
    const char *verb = "plot";

    for (size_t i = 0; i < picture->count; i++) {
        for (size_t j = 0; j < LINES; j++) {
            if (is_drawn(picture, &lines[j])) {
                fprintf(script, "%s $run%zu using 1:%zu with lines lw %g dt %u lc rgb '%s' title '%s %s'", verb, i,
                        j + 2, lines[j].width, lines[j].dash, bench_colour(i), picture->runs[i].impl->name,
                        lines[j].name);
                verb = ",";
            }
        }
    }
    fprintf(script, "\n");
}

static void write_script(FILE *script, const void *ctx)
{
    const struct picture *picture = ctx;
    const struct growth_setup *setup = &picture->runs[0].setup;

    fprintf(script,
            "set logscale x 2\nset logscale y\nset format x '2^{%%L}'\nset xrange [%llu:%llu]\n"
            "set xlabel 'entries' textcolor rgb '#303030'\n"
            "set ylabel 'ns, logarithmic' textcolor rgb '#303030'\n"
            "set rmargin 20\nset key outside right top reverse Left samplen 3 spacing 1.2 textcolor rgb '#303030'\n"
            "set title '%s while growing%s' textcolor rgb '#202020'\n",
            (unsigned long long)(setup->from - setup->from / 8), (unsigned long long)setup->to,
            picture->maps ? "latency of maps" : "latency of lookups",
            picture->runs[0].impl->enlarge != NULL ? "; grey: the table is doubling" : "");
    for (size_t i = 0; i < picture->count; i++) {
        write_doublings(script, &picture->runs[i]);
        write_run(script, picture, i);
    }
    write_plot(script, picture);
}

static bool draw(const char *directory, const char *name, const struct picture *picture)
{
    char path[PATH_BYTES];

    if (snprintf(path, sizeof(path), "%s/%s.svg", directory, name) >= (int)sizeof(path)) {
        fprintf(stderr, WHO ": the directory's name is too long\n");
        return false;
    }
    return bench_gnuplot(WHO, path, WIDTH, HEIGHT, write_script, picture);
}

bool growth_draw(const char *directory, const struct growth_run *runs, size_t count)
{
    struct picture lookups = {.runs = runs, .count = count < RUNS_OF_LOOKUPS ? count : RUNS_OF_LOOKUPS};
    struct picture maps = {.runs = runs, .count = count, .maps = true};

    return count == 0 || (draw(directory, "growth-lookups", &lookups) && draw(directory, "growth-maps", &maps));
}
