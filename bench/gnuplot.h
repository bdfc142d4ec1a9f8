/* SPDX-License-Identifier: MIT */
/* Pictures as SVG, by gnuplot. */
#ifndef BENCH_GNUPLOT_H
#define BENCH_GNUPLOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/*
 * Draws into the file @path what @write tells gnuplot, after the size and the common style. @who: begins the messages.
 * => false: stderr says why
 */
bool bench_gnuplot(const char *who, const char *path, unsigned width, unsigned height,
                   void (*write)(FILE *script, const void *ctx), const void *ctx);

/* One of a few colours that can be told apart. */
const char *bench_colour(size_t which);

#endif
