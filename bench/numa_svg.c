/* SPDX-License-Identifier: MIT */
/* What an operation costs with and without replicas, as a picture. */
#include "numa_svg.h"

#include "gnuplot.h"

#define WIDTH 880u
#define HEIGHT 500u

struct picture {
    const struct numa_curve *curves;
    size_t count;
};

static void write_curve(FILE *script, const struct numa_curve *curve)
{
    fprintf(script, "$curve%u << END\n", curve->nodes);
    for (size_t i = 0; i < curve->count; i++) {
        const struct numa_point *point = &curve->points[i];

        fprintf(script, "%.9g %.9g %.9g\n", 100 * point->writes, point->placed, point->copies);
    }
    fprintf(script, "END\n");
}

static void write_script(FILE *script, const void *ctx)
{
    const struct picture *picture = ctx;

    fprintf(script, "set xlabel 'updates, percent of all operations' textcolor rgb '#303030'\n"
                    "set ylabel 'time of an operation, local lines' textcolor rgb '#303030'\n"
                    "set yrange [0:]\n"
                    "set rmargin 24\nset key outside right top reverse Left samplen 3 spacing 1.2\n"
                    "set title 'spaces used from all nodes: one copy, or one on each node' textcolor rgb '#202020'\n");
    for (size_t i = 0; i < picture->count; i++) {
        write_curve(script, &picture->curves[i]);
    }
    for (size_t i = 0; i < picture->count; i++) {
        unsigned nodes = picture->curves[i].nodes;

        fprintf(script,
                "%s $curve%u using 1:2 with lines lw 2 lc rgb '%s' title '%u nodes, one copy', "
                "$curve%u using 1:3 with linespoints lw 2 pt 7 ps 0.6 lc rgb '%s' title '%u nodes, replicas'",
                i > 0 ? "," : "plot", nodes, bench_colour(i), nodes, nodes, bench_colour(i), nodes);
    }
    fprintf(script, "\n");
}

bool numa_draw(const char *path, const struct numa_curve *curves, size_t count)
{
    struct picture picture = {.curves = curves, .count = count};

    return bench_gnuplot("hipt-bench: numa", path, WIDTH, HEIGHT, write_script, &picture);
}
