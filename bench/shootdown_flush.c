/* SPDX-License-Identifier: MIT */
/*
 * From how many pages on it is cheaper to forget a whole asid than the pages: what the CPU does when it serves, and
 * what it takes to have again what was lost besides. Three ways, over a cache that is full of other pages of the asid,
 * all of which are wanted again:
 *
 *   sweep     one pass over the cache's entries that drops those in the range: what hipt_mmu does
 *   page      one look at the entry's set in each level for each page: what a processor does that has an instruction
 *             for one page
 *   asid      one pass that drops all entries of the asid, then a walk for each of them
 */
#include "shootdown.h"

#include <stdio.h>
#include <stdlib.h>

#include <hipt/map.h>

#define HOT_VPN UINT64_C(0)
#define VICTIM_VPN (UINT64_C(1) << 20) /* not in the cache, nor mapped: nothing but the flush is measured */
#define REPEATS 9u
#define COUNTS 16u /* 1, 2, 4 ... pages */
#define GEOMETRIES 2u
#define BASE_SHIFT 12u

enum way { SWEEP, PAGE, ASID, WAYS };

static const char *const way_names[WAYS] = {"sweep", "page by page", "asid"};

static const struct hipt_tlb_level geometries[GEOMETRIES][2] = {{{16, 4}, {0, 0}}, {{16, 4}, {128, 12}}};
static const char *const geometry_names[GEOMETRIES] = {"64", "64+1536"};

/* A CPU of its own for each way and geometry. */
struct flusher {
    struct hipt_mmu mmu;
    struct hipt_tlb_entry entries[SHOOT_ENTRIES];
    uint64_t hot; /* pages that the cache is full of */
    double ns[COUNTS][BENCH_ROUNDS_MAX];
};

struct curves {
    struct shoot_rig rigs[2]; /* that forgets ranges always, and never */
    struct flusher flushers[GEOMETRIES][WAYS];
};

static void drop_from_set(struct hipt_tlb_entry *set, unsigned ways, uint32_t tag, uint64_t vpn)
{
    for (unsigned way = 0; way < ways; way++) {
        if (set[way].used && set[way].tag == tag && set[way].vpn == vpn) {
            set[way].used = 0;
        }
    }
}

/* Base pages only: there are no others here. */
static void flush_page_by_page(void *ctx, uint32_t tag, uint64_t vpn, uint64_t npages)
{
    struct hipt_mmu *mmu = ctx;
    const struct hipt_tlb_level *level = mmu->level;

    for (uint64_t last = vpn + npages; vpn < last; vpn++) {
        struct hipt_tlb_entry *entries = mmu->entries;

        for (unsigned i = 0; i < 2 && level[i].sets; i++) {
            drop_from_set(entries + (vpn & (level[i].sets - 1)) * level[i].ways, level[i].ways, tag, vpn);
            entries += (size_t)level[i].sets * level[i].ways;
        }
    }
}

static struct shoot_rig *rig_of(struct curves *curves, unsigned way)
{
    return &curves->rigs[way == ASID];
}

static bool flusher_attach(struct flusher *flusher, struct shoot_rig *rig, unsigned geometry, unsigned way)
{
    const struct hipt_tlb_level *level = geometries[geometry];
    struct hipt_mmu_config config = {
        .number = 1 + geometry * WAYS + way, .tag_bits = 1, .level = {level[0], level[1]}, .entries = flusher->entries,
        .nentries = sizeof(flusher->entries) / sizeof(flusher->entries[0])};

    flusher->hot = level[1].sets ? (uint64_t)level[1].sets * level[1].ways : (uint64_t)level[0].sets * level[0].ways;
    if (hipt_mmu_attach(&flusher->mmu, rig->table, &rig->config, &config) != HIPT_OK) {
        return false;
    }
    if (way == PAGE) {
        flusher->mmu.cpu.cache.flush_range = flush_page_by_page;
    }
    return true;
}

/* => how long it takes to read every hot page once */
static double touch(struct flusher *flusher, struct shoot_rig *rig)
{
    uint64_t start = shoot_now();

    for (uint64_t i = 0; i < flusher->hot; i++) {
        struct hipt_access access;

        rig->wrong +=
            hipt_translate(&flusher->mmu, rig->asids[0], (HOT_VPN + i) << BASE_SHIFT, HIPT_READ, &access) != HIPT_OK;
    }
    return (double)(shoot_now() - start);
}

/* A range of nothing is as good as one of pages: what has to be forgotten is the same. */
static void ask(struct shoot_rig *rig, struct hipt_gather *gather, uint64_t npages)
{
    struct hipt_page page = {.asid = rig->asids[0], .vpn = VICTIM_VPN};

    rig->wrong += hipt_gather_start(gather, rig->table, page.asid, HIPT_DEFERRED) != HIPT_OK;
    rig->wrong += hipt_gather_add(gather, &page, npages, NULL) != HIPT_OK;
    hipt_gather_dispatch(gather);
}

static double flush_once(struct flusher *flusher, struct shoot_rig *rig, uint64_t npages)
{
    struct hipt_gather gather;
    uint64_t start;
    double usual;
    double flush;
    double again;

    (void)touch(flusher, rig);
    usual = touch(flusher, rig);
    ask(rig, &gather, npages);
    start = shoot_now();
    rig->wrong += !hipt_cpu_serve(&flusher->mmu.cpu);
    flush = (double)(shoot_now() - start);
    again = touch(flusher, rig);
    rig->wrong += hipt_gather_finish(&gather) != HIPT_OK;
    return flush + again - usual;
}

static void run_way(struct curves *curves, unsigned geometry, unsigned way, uint64_t round)
{
    struct flusher *flusher = &curves->flushers[geometry][way];
    struct shoot_rig *rig = rig_of(curves, way);
    double samples[REPEATS];

    shoot_become(rig, &flusher->mmu.cpu);
    hipt_cpu_enter(&flusher->mmu.cpu);
    for (unsigned i = 0; i < COUNTS; i++) {
        for (unsigned j = 0; j < REPEATS; j++) {
            samples[j] = flush_once(flusher, rig, UINT64_C(1) << i);
        }
        flusher->ns[i][round] = shoot_median(samples, REPEATS);
    }
    hipt_cpu_exit(&flusher->mmu.cpu);
    shoot_become(rig, NULL);
}

static double figure(const struct shoot_options *options, struct curves *curves, unsigned geometry, unsigned way,
                     unsigned i)
{
    return shoot_median(curves->flushers[geometry][way].ns[i], options->rounds);
}

static void print_curve(const struct shoot_options *options, struct curves *curves, unsigned geometry)
{
    for (unsigned i = 0; i < COUNTS; i++) {
        double ns[WAYS];

        for (unsigned way = 0; way < WAYS; way++) {
            ns[way] = figure(options, curves, geometry, way, i);
        }
        printf(options->json ? "{\"bench\":\"hipt-bench shootdown\",\"part\":\"threshold\",\"entries\":\"%s\","
                               "\"pages\":%u,\"sweep_us\":%.3f,\"page_us\":%.3f,\"asid_us\":%.3f}\n"
                             : "%-9s %8u %12.2f %12.2f %12.2f\n",
               geometry_names[geometry], 1u << i, ns[SWEEP] / 1000, ns[PAGE] / 1000, ns[ASID] / 1000);
    }
}

/* => the fewest pages from which on the asid is cheaper, 0 where it never is */
static unsigned crossing(const struct shoot_options *options, struct curves *curves, unsigned geometry, unsigned way)
{
    unsigned i = COUNTS;

    while (i > 0 && figure(options, curves, geometry, ASID, i - 1) < figure(options, curves, geometry, way, i - 1)) {
        i--;
    }
    return i < COUNTS ? 1u << i : 0;
}

static void print_crossings(const struct shoot_options *options, struct curves *curves, unsigned geometry)
{
    for (unsigned way = SWEEP; way < ASID; way++) {
        unsigned pages = crossing(options, curves, geometry, way);

        if (options->json) {
            printf("{\"bench\":\"hipt-bench shootdown\",\"part\":\"crossing\",\"entries\":\"%s\",\"way\":\"%s\","
                   "\"pages\":%u}\n",
                   geometry_names[geometry], way_names[way], pages);
        } else if (pages) {
            printf("%s entries: forgetting the asid is cheaper than %s from %u pages on\n", geometry_names[geometry],
                   way_names[way], pages);
        } else {
            printf("%s entries: forgetting the asid is never cheaper than %s\n", geometry_names[geometry],
                   way_names[way]);
        }
    }
}

static void print_all(const struct shoot_options *options, struct curves *curves)
{
    if (!options->json) {
        printf("\nforgetting pages, and having again what was lost besides, us; the cache is full of pages that are\n"
               "wanted again; median of %llu rounds\n%-9s %8s %12s %12s %12s\n",
               (unsigned long long)options->rounds, "entries", "pages", way_names[SWEEP], way_names[PAGE],
               way_names[ASID]);
    }
    for (unsigned i = 0; i < GEOMETRIES; i++) {
        print_curve(options, curves, i);
    }
    for (unsigned i = 0; i < GEOMETRIES; i++) {
        print_crossings(options, curves, i);
    }
    fflush(stdout);
}

/* Their own CPUs stay outside: the flushers are all the CPUs that there are. */
static bool curves_create(struct curves *curves)
{
    bool right = true;

    for (unsigned i = 0; right && i < 2; i++) {
        const struct shoot_setup setup = {.ncpus = 1, .pages = 4096, .flush_max = i ? 0 : UINT64_MAX - 1};

        right = shoot_rig_create(&curves->rigs[i], &setup);
        if (right) {
            hipt_cpu_exit(&curves->rigs[i].cpus[0].mmu.cpu);
            shoot_rig_map(&curves->rigs[i], HOT_VPN, 2048);
        }
    }
    for (unsigned i = 0; right && i < GEOMETRIES * WAYS; i++) {
        struct flusher *flusher = &curves->flushers[i / WAYS][i % WAYS];

        right = flusher_attach(flusher, rig_of(curves, i % WAYS), i / WAYS, i % WAYS);
    }
    return right;
}

static void curves_destroy(struct curves *curves)
{
    for (unsigned i = 0; i < GEOMETRIES * WAYS; i++) {
        hipt_mmu_detach(&curves->flushers[i / WAYS][i % WAYS].mmu);
    }
    for (unsigned i = 0; i < 2; i++) {
        hipt_cpu_enter(&curves->rigs[i].cpus[0].mmu.cpu);
        shoot_rig_destroy(&curves->rigs[i]);
    }
}

bool shoot_threshold(const struct shoot_options *options)
{
    struct curves *curves = calloc(1, sizeof(*curves));
    bool right = curves && curves_create(curves);

    if (!right) {
        free(curves);
        return false;
    }
    for (uint64_t round = 0; round < options->rounds; round++) {
        for (unsigned i = 0; i < GEOMETRIES * WAYS; i++) {
            run_way(curves, i / WAYS, i % WAYS, round);
        }
    }
    print_all(options, curves);
    right = curves->rigs[0].wrong + curves->rigs[1].wrong == 0;
    curves_destroy(curves);
    free(curves);
    return right;
}
