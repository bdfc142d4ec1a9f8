/* SPDX-License-Identifier: MIT */
/* One implementation's growth from end to end, and what it felt like: cut into stretches, which can be summed up. */
#ifndef BENCH_GROWTH_RUN_H
#define BENCH_GROWTH_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "growth.h"
#include "histogram.h"
#include "impl.h"

#define GROWTH_STEPS_MAX 24u
#define GROWTH_ROUNDS_MAX 9u
#define GROWTH_EVERY_STEP GROWTH_STEPS_MAX

/*
 * Step k begins where the pages are 7/8 of what the table has room for, from << k. What surrounds a doubling is as long
 * before as after, as much is mapped at the same pace, and it has about as many pages: it differs by the move alone.
 */
enum growth_phase {
    GROWTH_QUIET = 0, /* nobody maps */
    GROWTH_BEFORE,    /* the last eighth of the room is mapped */
    GROWTH_DOUBLING,  /* from the call that begins a doubling to the end of the move */
    GROWTH_SETTLING,  /* until the old memory has been given back */
    GROWTH_AFTER,     /* as many pages more as in BEFORE */
    GROWTH_BETWEEN,   /* the rest, up to the next step */
    GROWTH_PHASES
};

#define GROWTH_AT_REST ((1u << GROWTH_BEFORE) | (1u << GROWTH_AFTER))
#define GROWTH_FILLING (((1u << GROWTH_PHASES) - 1u) & ~(1u << GROWTH_QUIET))

/* Field key: lookups, wall and cpu belong to the thread that looks up, the rest to the one that maps. */
struct growth_stretch {
    enum growth_phase phase;
    unsigned step;
    uint64_t first; /* pages, when it began and ended */
    uint64_t end;
    double ns;   /* from its beginning to its end */
    double wall; /* ns of it that the thread that looks up was there, and had a processor */
    double cpu;
    struct bench_histogram lookups;
    struct bench_histogram maps;
};

struct growth_setup {
    uint64_t from;
    uint64_t to;
    uint64_t pace; /* ns from the beginning of one map to that of the next, at least; 0: as fast as it can */
    uint64_t seed;
};

struct growth_run {
    const struct bench_impl *impl;
    struct growth_setup setup;
    struct growth_stretch *stretches;
    size_t count;
    unsigned steps;
    uint64_t wrong;
};

/* => false, with a line on stderr and nothing left behind, if there is no memory or no such table. */
bool growth_run_create(struct growth_run *run, const struct bench_impl *impl, const struct growth_setup *setup,
                       const struct bench_keys *keys);
void growth_run_destroy(struct growth_run *run);

/* What a step's stretches of some phases amount to, or those of every step. */
void growth_run_sum(const struct growth_run *run, unsigned step, unsigned phases, struct growth_stretch *sum);

/* => whether something else had the processor of the thread that looks up. */
bool growth_is_disturbed(const struct growth_stretch *stretch);

/* The median of what reading the clock twice, for nothing, says has passed: it is in all figures. */
uint64_t growth_clock_cost(void);

#endif
