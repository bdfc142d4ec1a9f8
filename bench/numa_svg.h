/* SPDX-License-Identifier: MIT */
#ifndef BENCH_NUMA_SVG_H
#define BENCH_NUMA_SVG_H

#include <stdbool.h>
#include <stddef.h>

#include "numa_replicas.h"

/* The curves over the share of updates, as SVG, by gnuplot. => false: stderr says why */
bool numa_draw(const char *path, const struct numa_curve *curves, size_t count);

#endif
