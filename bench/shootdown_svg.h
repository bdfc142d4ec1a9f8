/* SPDX-License-Identifier: MIT */
#ifndef BENCH_SHOOTDOWN_SVG_H
#define BENCH_SHOOTDOWN_SVG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define SHOOT_POINTS_MAX 8u

struct shoot_line {
    const char *name; /* nothing in it needs to be quoted */
    size_t count;
    double x[SHOOT_POINTS_MAX];
    double y[SHOOT_POINTS_MAX];
};

/* Lines over two logarithmic axes, as SVG, by gnuplot. => false: stderr says why */
bool shoot_draw(const char *path, const char *title, const struct shoot_line *lines, size_t count);

#endif
