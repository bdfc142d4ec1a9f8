/* SPDX-License-Identifier: MIT */
/* The unmaps as a picture. */
#include "shootdown_svg.h"

#include "gnuplot.h"

#define WIDTH 880u
#define HEIGHT 500u

struct picture {
    const char *title;
    const struct shoot_line *lines;
    size_t count;
};

static void write_script(FILE *script, const void *ctx)
{
    const struct picture *picture = ctx;

    fprintf(script,
            "set logscale xy\n"
            "set xlabel 'pages of one unmap' textcolor rgb '#303030'\n"
            "set ylabel 'until the call returns, microseconds' textcolor rgb '#303030'\n"
            "set key top left reverse Left samplen 2 spacing 1.3 textcolor rgb '#303030'\n"
            "set title \"%s\" textcolor rgb '#202020'\n",
            picture->title);
    for (size_t i = 0; i < picture->count; i++) {
        fprintf(script, "$line%zu << END\n", i);
        for (size_t j = 0; j < picture->lines[i].count; j++) {
            fprintf(script, "%.9g %.9g\n", picture->lines[i].x[j], picture->lines[i].y[j]);
        }
        fprintf(script, "END\n");
    }
    for (size_t i = 0; i < picture->count; i++) {
        fprintf(script, "%s $line%zu with linespoints lw 2 pt 7 ps 0.7 lc rgb '%s' title '%s'", i ? "," : "plot", i,
                bench_colour(i), picture->lines[i].name);
    }
    fprintf(script, "\n");
}

bool shoot_draw(const char *path, const char *title, const struct shoot_line *lines, size_t count)
{
    struct picture picture = {.title = title, .lines = lines, .count = count};

    return bench_gnuplot("hipt-bench: shootdown", path, WIDTH, HEIGHT, write_script, &picture);
}
