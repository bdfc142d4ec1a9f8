/* SPDX-License-Identifier: MIT */
#include "draw.h"

#include <math.h>
#include <stdbool.h>

#include "impl.h"

#define RUN_TRIES 1000u /* of finding a run that is long enough; a population without one gets any */

#define ZIPF_EXPONENT 0.99
#define ZIPF_SPREAD UINT64_C(2654435761) /* a prime above every population, so that ranks are permuted */

static size_t draw_all(const struct bench_draw *draw)
{
    return draw->count * draw->threads;
}

static void keys_from(const struct bench_draw *draw, const uint64_t *keys)
{
    for (size_t i = 0; i < draw_all(draw); i++) {
        draw->probes[i] = keys[bench_random_below(draw->random, draw->keys->count)];
    }
}

void bench_draw_present(const struct bench_draw *draw)
{
    keys_from(draw, draw->keys->present);
}

void bench_draw_absent(const struct bench_draw *draw)
{
    keys_from(draw, draw->keys->absent);
}

void bench_draw_ordinals(const struct bench_draw *draw)
{
    for (size_t i = 0; i < draw_all(draw); i++) {
        draw->probes[i] = bench_random_below(draw->random, draw->keys->count);
    }
}

void bench_draw_large(const struct bench_draw *draw)
{
    const struct bench_keys *keys = draw->keys;
    uint64_t covered = (uint64_t)bench_large_count(keys->count) << BENCH_LARGE_SHIFT;

    for (size_t i = 0; i < draw_all(draw); i++) {
        bool base = bench_random_below(draw->random, 100) < draw->argument;

        draw->probes[i] = base ? keys->present[bench_random_below(draw->random, keys->count)]
                               : BENCH_LARGE | bench_random_below(draw->random, covered);
    }
}

/* As many pages, and as many not mapped, by turns. */
void bench_draw_ranges(const struct bench_draw *draw)
{
    size_t ranges = (draw->count + BENCH_RANGE - 1) / BENCH_RANGE;

    for (size_t i = 0; i < draw_all(draw); i++) {
        size_t page = i % draw->count;
        size_t range = i / draw->count * ranges + page / BENCH_RANGE;

        draw->probes[i] = bench_key(BENCH_SPACE_OF_RANGES, range * 2 * BENCH_RANGE + page % BENCH_RANGE);
    }
}

void bench_draw_spaces(const struct bench_draw *draw)
{
    size_t spaces = (draw->count + BENCH_RETIRED - 1) / BENCH_RETIRED;

    for (size_t i = 0; i < draw_all(draw); i++) {
        size_t page = i % draw->count;

        draw->probes[i] =
            bench_key(BENCH_SPACE_RETIRED + i / draw->count * spaces + page / BENCH_RETIRED, page % BENCH_RETIRED);
    }
}

/*
 * Zipf's law by rejection-inversion (Hoermann and Derflinger 1996): x is drawn by the inverse of the integral of x^-s,
 * which is above the sum, rounded to the rank k, and kept where it lies below what k has of the sum. Exact, without a
 * table, and hardly ever a second try.
 */
struct zipf {
    double ranks;
    double from; /* the integral up to 1.5, less the whole weight of rank 1 */
    double to;   /* the integral up to the last rank's end */
};

/* The integral of x^-s from 1 to @x, and its inverse. */
static double zipf_integral(double x)
{
    return (pow(x, 1 - ZIPF_EXPONENT) - 1) / (1 - ZIPF_EXPONENT);
}

static double zipf_inverse(double area)
{
    return pow(1 + area * (1 - ZIPF_EXPONENT), 1 / (1 - ZIPF_EXPONENT));
}

static void zipf_init(struct zipf *zipf, size_t ranks)
{
    *zipf =
        (struct zipf){.ranks = (double)ranks, .from = zipf_integral(1.5) - 1, .to = zipf_integral((double)ranks + 0.5)};
}

/* => a rank from 1 */
static size_t zipf_next(const struct zipf *zipf, struct bench_random *random)
{
    for (;;) {
        double part = (double)(bench_random_next(random) >> 11) * 0x1p-53;
        double area = zipf->to + part * (zipf->from - zipf->to);
        double rank = fmin(fmax(round(zipf_inverse(area)), 1), zipf->ranks);

        if (area >= zipf_integral(rank + 0.5) - pow(rank, -ZIPF_EXPONENT)) {
            return (size_t)rank;
        }
    }
}

/* Ranks are spread over the population: in the order of the fill the most frequent ones would be one run. */
void bench_draw_zipf(const struct bench_draw *draw)
{
    struct zipf zipf;

    zipf_init(&zipf, draw->keys->count);
    for (size_t i = 0; i < draw_all(draw); i++) {
        draw->probes[i] = draw->keys->present[zipf_next(&zipf, draw->random) * ZIPF_SPREAD % draw->keys->count];
    }
}

/* Part of the population, from @first on. */
struct run {
    size_t first;
    size_t length;
};

/* The run that the key at @place belongs to. */
static struct run run_around(const struct bench_keys *keys, size_t place)
{
    size_t first = place;
    size_t end = place + 1;

    while (first > 0 && keys->present[first - 1] + 1 == keys->present[first]) {
        first--;
    }
    while (end < keys->count && keys->present[end - 1] + 1 == keys->present[end]) {
        end++;
    }
    return (struct run){.first = first, .length = end - first};
}

static struct run draw_run(const struct bench_draw *draw)
{
    struct run run = {0, 0};

    for (size_t i = 0; i < RUN_TRIES && run.length <= draw->argument; i++) {
        run = run_around(draw->keys, bench_random_below(draw->random, draw->keys->count));
    }
    return run;
}

void bench_draw_runs(const struct bench_draw *draw)
{
    size_t done = 0;

    while (done < draw_all(draw)) {
        struct run run = draw_run(draw);

        for (size_t i = 0; i < run.length && done < draw_all(draw); i += draw->argument) {
            draw->probes[done++] = draw->keys->present[run.first + i];
        }
    }
}

/* A thread's share of the population, while its steps are drawn. Deletes and inserts take turns. */
struct share {
    uint64_t *present;
    uint64_t *absent;
    size_t count;    /* of each */
    size_t oldest;   /* the key in @absent that is inserted next */
    bool one_is_out; /* the last of @present was deleted and not replaced yet */
};

static uint64_t step_of(enum bench_step step, uint64_t key)
{
    return ((uint64_t)step << BENCH_STEP_SHIFT) | key;
}

/* The deleted key stays at the end of @present, out of the lookups' way, until the next insert takes its place. */
static uint64_t draw_delete(struct share *share, struct bench_random *random)
{
    size_t chosen = bench_random_below(random, share->count);
    uint64_t key = share->present[chosen];

    share->present[chosen] = share->present[share->count - 1];
    share->present[share->count - 1] = key;
    share->one_is_out = true;
    return step_of(BENCH_DELETE, key);
}

static uint64_t draw_insert(struct share *share)
{
    uint64_t *from = &share->absent[share->oldest];
    uint64_t key = *from;

    *from = share->present[share->count - 1];
    share->present[share->count - 1] = key;
    share->oldest = (share->oldest + 1) % share->count;
    share->one_is_out = false;
    return step_of(BENCH_INSERT, key);
}

static uint64_t draw_lookup(const struct share *share, struct bench_random *random)
{
    size_t count = share->count - (share->one_is_out ? 1 : 0);

    return step_of(BENCH_LOOKUP, share->present[bench_random_below(random, count)]);
}

/* The last step puts back what is out, so that a round leaves as many keys as it found. */
static void draw_steps(struct share *share, unsigned percent, size_t count, struct bench_random *random,
                       uint64_t *probes)
{
    for (size_t i = 0; i < count; i++) {
        bool last = i + 1 == count;

        if (last ? !share->one_is_out : bench_random_below(random, 100) < percent) {
            probes[i] = draw_lookup(share, random);
        } else {
            probes[i] = share->one_is_out ? draw_insert(share) : draw_delete(share, random);
        }
    }
}

void bench_draw_mixed(const struct bench_draw *draw)
{
    size_t share_count = draw->keys->count / draw->threads;

    for (size_t i = 0; i < draw->threads; i++) {
        struct share share = {.present = &draw->keys->present[i * share_count],
                              .absent = &draw->keys->absent[i * share_count],
                              .count = share_count,
                              .oldest = bench_random_below(draw->random, share_count)};

        draw_steps(&share, draw->argument, draw->count, draw->random, &draw->probes[i * draw->count]);
    }
}
