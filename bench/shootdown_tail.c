/* SPDX-License-Identifier: MIT */
/*
 * What lookups of one thread feel of unmaps that wait for a CPU which answers after 10 ms.
 *
 * Beside it the literal protocol, in a small table of this file: a bucket is a sequence and three slots; whoever
 * changes a slot makes the sequence odd, shoots down, and makes it even, so that readers of the bucket spin until the
 * slowest CPU has answered. Its shootdown is hipt's own, of the same pages; only the sequence is held meanwhile. The
 * keys never leave their slots, so that nothing else makes it slower.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "shootdown.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hipt/map.h>

#define PAGES 4096u
#define TAKEN 32u /* pages of one unmap */
#define RUN_NS UINT64_C(200000000)
#define SLOTS 3u
#define BUCKETS 2924u /* 1.4 pages in each */
#define STEPS 32u     /* of the histogram, in each power of two: good to 3 % */
#define OCTAVES 40u

struct literal_bucket {
    _Alignas(64) _Atomic uint64_t sequence;
    _Atomic uint64_t key[SLOTS]; /* vpn plus one; 0: free */
    _Atomic uint64_t pfn[SLOTS]; /* plus one; 0: not mapped */
};

enum variant { QUIET, BESIDE, LITERAL_QUIET, LITERAL_BESIDE, VARIANTS };

static const char *const variant_names[VARIANTS] = {"hipt, no unmap", "hipt", "held sequence, no unmap",
                                                    "held sequence"};

struct tail {
    struct shoot_rig rig;
    struct literal_bucket *buckets;
    _Atomic bool stop;
    bool is_literal;
    uint64_t lookups;
    uint64_t longest;
    uint64_t histogram[OCTAVES * STEPS];
};

/* Medians over the rounds come from these. */
struct felt {
    double p50[BENCH_ROUNDS_MAX];
    double p999[BENCH_ROUNDS_MAX];
    double longest[BENCH_ROUNDS_MAX];
    double rate[BENCH_ROUNDS_MAX]; /* lookups in a second */
    uint64_t unmaps;
};

static struct literal_bucket *literal_home(struct tail *tail, uint64_t vpn)
{
    return &tail->buckets[(bench_mix(vpn + 1) >> 32) * BUCKETS >> 32];
}

static struct literal_bucket *literal_next(struct tail *tail, struct literal_bucket *bucket)
{
    return bucket + 1 == tail->buckets + BUCKETS ? tail->buckets : bucket + 1;
}

/* One bucket as it was at one instant. => whether the search ends here; *pfn: plus one, 0 if it is not mapped */
static bool literal_read(struct literal_bucket *bucket, uint64_t key, uint64_t *pfn)
{
    uint64_t sequence;
    bool ends;

    do {
        while ((sequence = atomic_load_explicit(&bucket->sequence, memory_order_acquire)) & 1) {
            shoot_relax();
        }
        ends = false;
        *pfn = 0;
        for (unsigned i = 0; !ends && i < SLOTS; i++) {
            uint64_t found = atomic_load_explicit(&bucket->key[i], memory_order_acquire);

            ends = found == 0 || found == key;
            *pfn = found == key ? atomic_load_explicit(&bucket->pfn[i], memory_order_acquire) : 0;
        }
    } while (atomic_load_explicit(&bucket->sequence, memory_order_relaxed) != sequence); /* after the acquires */
    return ends;
}

static uint64_t literal_lookup(struct tail *tail, uint64_t vpn)
{
    struct literal_bucket *bucket = literal_home(tail, vpn);
    uint64_t pfn;

    while (!literal_read(bucket, vpn + 1, &pfn)) {
        bucket = literal_next(tail, bucket);
    }
    return pfn;
}

/* The slot of a page, or the free one that it gets. One thread writes. */
static struct literal_bucket *literal_slot(struct tail *tail, uint64_t vpn, unsigned *slot)
{
    struct literal_bucket *bucket = literal_home(tail, vpn);

    for (;; bucket = literal_next(tail, bucket)) {
        for (*slot = 0; *slot < SLOTS; (*slot)++) {
            uint64_t found = atomic_load_explicit(&bucket->key[*slot], memory_order_relaxed);

            if (found == vpn + 1 || found == 0) {
                return bucket;
            }
        }
    }
}

/* Open or close a bucket for readers, if it is not so already. */
static void literal_turn(struct literal_bucket *bucket, unsigned odd)
{
    uint64_t sequence = atomic_load_explicit(&bucket->sequence, memory_order_relaxed);

    if ((sequence & 1) != odd) {
        /* seq_cst: the stores to the slots come after an odd one */
        atomic_fetch_add_explicit(&bucket->sequence, 1, memory_order_seq_cst);
    }
}

/* Make the sequences of some pages' buckets odd, with their new pfns behind it, or even. */
static void literal_change(struct tail *tail, uint64_t vpn, uint64_t npages, unsigned odd, bool is_mapped)
{
    for (uint64_t i = 0; i < npages; i++) {
        unsigned slot;
        struct literal_bucket *bucket = literal_slot(tail, vpn + i, &slot);

        literal_turn(bucket, odd);
        if (odd) {
            atomic_store_explicit(&bucket->key[slot], vpn + i + 1, memory_order_release);
            atomic_store_explicit(&bucket->pfn[slot], is_mapped ? vpn + i + 1 : 0, memory_order_release);
        }
    }
}

static void literal_map(struct tail *tail, uint64_t vpn, uint64_t npages)
{
    literal_change(tail, vpn, npages, 1, true);
    literal_change(tail, vpn, npages, 0, true);
}

/* Steps of two below 64 ns; above, each power of two has as many steps. */
static size_t step_of(uint64_t ns)
{
    unsigned octave = 0;

    while (ns >> octave >= 2 * STEPS) {
        octave++;
    }
    return octave * STEPS + (octave ? (ns >> octave) - STEPS : ns / 2);
}

static void record(struct tail *tail, uint64_t ns)
{
    tail->histogram[step_of(ns)]++;
    tail->lookups++;
    tail->longest = ns > tail->longest ? ns : tail->longest;
}

/* The time that so many lookups in a thousand, or fewer, exceed. */
static double beyond(const struct tail *tail, uint64_t per_mille)
{
    uint64_t left = tail->lookups * per_mille / 1000;
    size_t i = OCTAVES * STEPS;

    while (i > 1 && tail->histogram[i - 1] <= left) {
        left -= tail->histogram[--i];
    }
    i--;
    return i < STEPS ? (double)(2 * i + 1) : (double)((STEPS + i % STEPS) << (i / STEPS));
}

/* The clock is read once for each lookup: its own cost is in all figures. */
static void *reader_main(void *ctx)
{
    struct tail *tail = ctx;
    struct bench_random random = {.state = 7};
    struct hipt_table *table = tail->rig.table;
    uint32_t asid = tail->rig.asids[0];
    uint64_t last = shoot_now();

    while (!atomic_load_explicit(&tail->stop, memory_order_relaxed)) {
        uint64_t vpn = bench_random_below(&random, PAGES);
        struct hipt_translation found;
        uint64_t now;

        if (tail->is_literal) {
            (void)literal_lookup(tail, vpn);
        } else {
            (void)hipt_lookup(table, asid, vpn, &found);
        }
        now = shoot_now();
        record(tail, now - last);
        last = now;
    }
    return NULL;
}

/* Unmap and map the same pages, in both tables where both are asked for. */
static void change_once(struct tail *tail, struct bench_random *random)
{
    uint64_t vpn = bench_random_below(random, PAGES / TAKEN) * TAKEN;

    if (tail->is_literal) {
        literal_change(tail, vpn, TAKEN, 1, false);
    }
    shoot_rig_unmap(&tail->rig, vpn, TAKEN);
    if (tail->is_literal) {
        literal_change(tail, vpn, TAKEN, 0, false);
        literal_map(tail, vpn, TAKEN);
    }
    shoot_rig_map(&tail->rig, vpn, TAKEN);
}

static bool run_variant(struct tail *tail, enum variant variant, struct felt *felt, uint64_t round)
{
    struct bench_random random = {.state = round};
    uint64_t start = shoot_now();
    pthread_t reader;

    memset(tail->histogram, 0, sizeof(tail->histogram));
    tail->lookups = tail->longest = 0;
    tail->is_literal = variant >= LITERAL_QUIET;
    atomic_store(&tail->stop, false);
    if (pthread_create(&reader, NULL, reader_main, tail) != 0) {
        return false;
    }
    while (shoot_now() - start < RUN_NS) {
        if (variant == BESIDE || variant == LITERAL_BESIDE) {
            change_once(tail, &random);
            felt->unmaps++;
        } else {
            shoot_nap(SHOOT_SLOW_NS);
        }
    }
    atomic_store(&tail->stop, true);
    pthread_join(reader, NULL);
    felt->p50[round] = beyond(tail, 500);
    felt->p999[round] = beyond(tail, 1);
    felt->longest[round] = (double)tail->longest;
    felt->rate[round] = (double)tail->lookups * 1e9 / (double)(shoot_now() - start);
    return true;
}

static void print_felt(const struct shoot_options *options, enum variant variant, struct felt *felt)
{
    double p50 = shoot_median(felt->p50, options->rounds);
    double p999 = shoot_median(felt->p999, options->rounds);
    double longest = shoot_median(felt->longest, options->rounds);
    double rate = shoot_median(felt->rate, options->rounds);

    if (options->json) {
        printf("{\"bench\":\"hipt-bench shootdown\",\"part\":\"tail\",\"variant\":\"%s\",\"p50_ns\":%.0f,"
               "\"p999_ns\":%.0f,\"longest_ns\":%.0f,\"lookups_per_s\":%.0f,\"unmaps\":%llu}\n",
               variant_names[variant], p50, p999, longest, rate, (unsigned long long)felt->unmaps);
    } else {
        printf("%-24s %10.0f %12.0f %12.0f %12.0f %8llu\n", variant_names[variant], p50, p999, longest, rate,
               (unsigned long long)felt->unmaps);
    }
}

/* p99.9 beside the unmaps, in relation to that without; printed rows are sorted. */
static double times(const struct shoot_options *options, struct felt *beside, struct felt *quiet)
{
    return shoot_median(beside->p999, options->rounds) / shoot_median(quiet->p999, options->rounds);
}

static void print_all(const struct shoot_options *options, struct felt *felt)
{
    struct shoot_goal ours = {
        .name = "lookup p99.9 beside a CPU that answers after 10 ms", .goal = "below 2", .unit = "times"};
    struct shoot_goal literal = {
        .name = "the same with a sequence held for the shootdown", .goal = SHOOT_NO_GOAL, .unit = "times", .met = true};

    if (!options->json) {
        printf(
            "\nlookups of %u pages by one thread while another unmaps %u of them, again and again, and a CPU answers\n"
            "after 10 ms; median of %llu rounds of %.1f s\n%-24s %10s %12s %12s %12s %8s\n",
            PAGES, TAKEN, (unsigned long long)options->rounds, (double)RUN_NS / 1e9, "table", "p50 ns", "p99.9 ns",
            "longest ns", "lookups/s", "unmaps");
    }
    for (unsigned i = 0; i < VARIANTS; i++) {
        print_felt(options, (enum variant)i, &felt[i]);
    }
    ours.figure = times(options, &felt[BESIDE], &felt[QUIET]);
    ours.met = ours.figure < 2 && felt[BESIDE].unmaps > 0;
    literal.figure = times(options, &felt[LITERAL_BESIDE], &felt[LITERAL_QUIET]);
    shoot_report_goal(options->json, &ours);
    shoot_report_goal(options->json, &literal);
}

bool shoot_tails(const struct shoot_options *options)
{
    static struct felt felt[VARIANTS];
    static struct tail tail;
    const struct shoot_setup setup = {.ncpus = 2, .pages = PAGES, .flush_max = SHOOT_FLUSH_DEFAULT};
    bool going = shoot_rig_create(&tail.rig, &setup);

    tail.buckets = aligned_alloc(64, BUCKETS * sizeof(*tail.buckets));
    if (!going || !tail.buckets) {
        return false;
    }
    memset((void *)tail.buckets, 0, BUCKETS * sizeof(*tail.buckets));
    shoot_rig_map(&tail.rig, 0, PAGES);
    literal_map(&tail, 0, PAGES);
    shoot_rig_pace(&tail.rig, 1, SHOOT_SLOW);
    for (uint64_t round = 0; going && round < options->rounds; round++) {
        for (unsigned i = 0; going && i < VARIANTS; i++) {
            going = run_variant(&tail, (enum variant)i, &felt[i], round);
        }
    }
    if (going) {
        print_all(options, felt);
    }
    shoot_rig_destroy(&tail.rig);
    free(tail.buckets);
    return going && tail.rig.wrong == 0;
}
