/* SPDX-License-Identifier: MIT */
#include "workload.h"

#define STRIDE 16u /* pages: every second line of a radix tree's last node, every second cluster of eight */

#define BATCH(number) BENCH_LOOP_GROUPS, number, bench_draw_present, 0

const struct bench_plan bench_plans[BENCH_WORKLOADS] = {
    [BENCH_HIT] = {"hit", "independent random lookups inside one read-side section", BENCH_LOOP_HIT, 1,
                   bench_draw_present, 0},
    [BENCH_HIT_SECTION] = {"hit-section", "the same with a read-side section for each lookup", BENCH_LOOP_HIT_SECTION,
                           1, bench_draw_present, 0},
    [BENCH_DEPENDENT] = {"dependent", "lookups whose key depends on the previous result", BENCH_LOOP_DEPENDENT, 1,
                         bench_draw_present, 0},
    [BENCH_BATCH1] = {"batch1", "lookups in groups of one: the batch form's own cost", BATCH(1)},
    [BENCH_BATCH8] = {"batch8", "lookups in groups of 8", BATCH(8)},
    [BENCH_BATCH16] = {"batch16", "lookups in groups of 16", BATCH(16)},
    [BENCH_BATCH32] = {"batch32", "lookups in groups of 32", BATCH(32)},
    [BENCH_BATCH64] = {"batch64", "lookups in groups of 64", BATCH(BENCH_BATCH)},
    [BENCH_STREAMING] = {"stream", "lookups in groups of 512", BENCH_LOOP_STREAM, BENCH_STREAM, bench_draw_present, 0},
    [BENCH_ZIPF] = {"zipf", "lookups of which few pages get most, by Zipf's law with the exponent 0.99", BENCH_LOOP_HIT,
                    1, bench_draw_zipf, 0},
    [BENCH_STRIDE] = {"stride", "lookups of every 16th page of a run of pages, in order", BENCH_LOOP_HIT, 1,
                      bench_draw_runs, STRIDE},
    [BENCH_RUN_SINGLE] = {"run", "lookups of consecutive pages, in order, run after run", BENCH_LOOP_HIT, 1,
                          bench_draw_runs, 1},
    [BENCH_RUN_BATCH] = {"run-batch", "the same in groups of 64", BENCH_LOOP_GROUPS, BENCH_BATCH, bench_draw_runs, 1},
    [BENCH_MISS] = {"miss", "independent random lookups of pages that are not mapped", BENCH_LOOP_MISS, 1,
                    bench_draw_absent, 0},
    [BENCH_REVERSE] = {"reverse", "who maps a random frame", BENCH_LOOP_REVERSE, 1, bench_draw_ordinals, 0},
    [BENCH_LARGE_MIXED] = {"large", "lookups where 10 % are of pages of 2 MiB, and each space has both sizes",
                           BENCH_LOOP_LARGE, 1, bench_draw_large, 90},
    [BENCH_UNMAP_RANGE] = {"unmap-range", "unmaps of 512 consecutive pages at once, for each page",
                           BENCH_LOOP_UNMAP_RANGE, 1, bench_draw_ranges, 0},
    [BENCH_RETIRE] = {"retire", "the end of a space of 4096 pages, for each page", BENCH_LOOP_RETIRE, 1,
                      bench_draw_spaces, 0},
    [BENCH_MIXED_90] = {"mixed-90", "90 % lookups, 5 % inserts, 5 % deletes", BENCH_LOOP_MIXED, 1, bench_draw_mixed,
                        90},
    [BENCH_MIXED_50] = {"mixed-50", "50 % lookups, 25 % inserts, 25 % deletes", BENCH_LOOP_MIXED, 1, bench_draw_mixed,
                        50},
};
