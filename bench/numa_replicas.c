/* SPDX-License-Identifier: MIT */
#include "numa_replicas.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double shares[] = {0, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5};

#define SHARES (sizeof(shares) / sizeof(shares[0]))
#define PARTS 1000000u /* of a whole, to draw a share of */

_Static_assert(SHARES <= NUMA_POINTS_MAX, "there is room for all shares");

/* A run: what there is, and the copies that there would be. */
struct run {
    struct numa_table table;
    struct bench_random random;
    uint32_t *copies; /* for each page the nodes that have a copy, a bit each */
    struct numa_cost placed;
    struct numa_cost copied;
    uint64_t lookups;
    uint64_t fills;
};

static void add(struct numa_cost *sum, const struct numa_cost *part)
{
    sum->operations += part->operations;
    sum->local += part->local;
    sum->remote += part->remote;
    sum->time += part->time;
}

static void lookup_with_copies(struct run *run, unsigned from, uint32_t *copies, unsigned home,
                               const struct numa_cost *cost)
{
    run->lookups++;
    if (from == home) {
        add(&run->copied, cost);
    } else if (*copies >> from & 1u) {
        for (uint64_t i = 0; i < cost->local + cost->remote; i++) {
            numa_touch(&run->table, from, from, &run->copied);
        }
        run->copied.operations++;
    } else {
        numa_touch(&run->table, from, from, &run->copied);
        add(&run->copied, cost);
        *copies |= UINT32_C(1) << from;
        run->fills++;
    }
}

static void update_with_copies(struct run *run, unsigned from, uint32_t *copies, unsigned home,
                               const struct numa_cost *cost)
{
    add(&run->copied, cost);
    for (unsigned node = 0; node < run->table.setup.nodes; node++) {
        if (node != home) {
            numa_touch(&run->table, from, node, &run->copied);
        }
    }
    *copies = 0;
}

/* One operation on a page of any space, from any node. => false: it was not found. */
static bool step(struct run *run, double writes)
{
    struct numa_page page = numa_page_draw(&run->table, &run->random);
    unsigned from = (unsigned)bench_random_below(&run->random, run->table.setup.nodes);
    unsigned home = page.space % run->table.setup.nodes;
    uint32_t *copies = &run->copies[page.space * run->table.pages + page.page];
    bool is_update = (double)bench_random_below(&run->random, PARTS) < writes * PARTS;
    struct numa_cost cost = {0};

    if (!(is_update ? numa_update : numa_lookup)(&run->table, from, page, &cost)) {
        return false;
    }
    add(&run->placed, &cost);
    (is_update ? update_with_copies : lookup_with_copies)(run, from, copies, home, &cost);
    return true;
}

/* As many operations as are counted, and before them as many as the copies need to be as they stay. */
static bool measure(struct run *run, double writes, struct numa_point *point)
{
    uint64_t warm = 4u * run->table.pages * run->table.nspaces * run->table.setup.nodes;

    for (uint64_t i = 0; i < warm + run->table.setup.operations; i++) {
        if (i == warm) {
            memset(&run->placed, 0, sizeof(run->placed));
            memset(&run->copied, 0, sizeof(run->copied));
            run->lookups = run->fills = 0;
        }
        if (!step(run, writes)) {
            return false;
        }
    }
    point->writes = writes;
    point->placed = run->placed.time / (double)run->placed.operations;
    point->copies = run->copied.time / (double)run->copied.operations;
    point->fills = run->lookups > 0 ? (double)run->fills / (double)run->lookups : 0;
    return true;
}

/* Where the two lines cross, between two points by a straight line. */
static double crossing(const struct numa_curve *curve)
{
    for (size_t i = 0; i < curve->count; i++) {
        const struct numa_point *point = &curve->points[i];
        double dearer = point->copies - point->placed;

        if (dearer >= 0 && i == 0) {
            return 0;
        }
        if (dearer >= 0) {
            double before = point[-1].placed - point[-1].copies;

            return point[-1].writes + (point->writes - point[-1].writes) * before / (before + dearer);
        }
    }
    return 1;
}

/* w* = S / (S + 2 k r), S = lines f (r - l): before fills. */
static double by_formula(const struct numa_setup *setup, double lines)
{
    double others = setup->nodes - 1.0;
    double remote = setup->distance / (double)HIPT_DISTANCE_LOCAL;
    double saved = lines * others / setup->nodes * (remote - 1.0);

    return saved / (saved + 2.0 * others * remote);
}

static bool measure_all(struct run *run, struct numa_curve *curve)
{
    for (size_t i = 0; i < SHARES; i++) {
        if (!measure(run, shares[i], &curve->points[i])) {
            fprintf(stderr, "hipt-bench: numa: a page is not where it was mapped\n");
            return false;
        }
        curve->count++;
        if (i == 0) { /* lookups only */
            curve->lines = (double)(run->placed.local + run->placed.remote) / (double)run->placed.operations;
        }
    }
    curve->break_even = crossing(curve);
    curve->expected = by_formula(&run->table.setup, curve->lines);
    return true;
}

bool numa_curve(const struct numa_setup *setup, struct numa_curve *curve)
{
    struct run run = {.random = {.state = setup->seed}};
    bool done = numa_table_start(&run.table, setup, NUMA_SHARED);

    memset(curve, 0, sizeof(*curve));
    curve->nodes = setup->nodes;
    run.copies = done ? calloc(run.table.pages * run.table.nspaces, sizeof(*run.copies)) : NULL;
    if (done && run.copies == NULL) {
        fprintf(stderr, "hipt-bench: numa: no memory\n");
    }
    done = run.copies != NULL && measure_all(&run, curve);
    free(run.copies);
    numa_table_end(&run.table);
    return done;
}
