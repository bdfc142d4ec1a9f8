/* SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "report.h"

#include <stdio.h>
#include <unistd.h>

#define BAR_WIDTH 30u

void bench_report_head(bool json, size_t entries, uint64_t seed)
{
    if (json) {
        return;
    }
    printf("\n%zu entries, seed %llu\n", entries, (unsigned long long)seed);
    printf("%-12s %7s  %-8s %9s %9s %9s %9s %9s %7s %7s %9s\n", "workload", "threads", "impl", "ns/op", "min", "max",
           "x memory", "Mop/s", "B/entry", "B total", "disturbed");
    fflush(stdout);
}

void bench_report_absent(bool json, const char *impl, size_t entries)
{
    if (json) {
        printf("{\"bench\":\"hipt-bench\",\"impl\":\"%s\",\"entries\":%zu,\"absent\":true}\n", impl, entries);
    } else {
        printf("%-12s %7s  %-8s is not in this run\n", "-", "-", impl);
    }
    fflush(stdout);
}

static double per_entry(size_t bytes, size_t entries)
{
    return (double)bytes / (double)entries;
}

static double per_second(const struct bench_row *row)
{
    return 1e9 * row->threads / row->figure.median;
}

static void print_json(const struct bench_row *row)
{
    const struct bench_figure *figure = &row->figure;

    printf("{\"bench\":\"hipt-bench\",\"impl\":\"%s\",\"entries\":%zu,\"threads\":%u,\"workload\":\"%s\","
           "\"ns_per_op\":%.3f,\"bytes_per_entry\":%.2f,",
           row->impl, row->entries, row->threads, row->workload, figure->median,
           per_entry(row->bytes.forward, row->entries));
    printf("\"min\":%.3f,\"max\":%.3f,\"rounds\":%zu,\"disturbed\":%zu,\"disturbed_kept\":%zu,\"wrong\":%llu,",
           figure->min, figure->max, figure->rounds, figure->disturbed, figure->disturbed_kept,
           (unsigned long long)figure->wrong);
    if (row->memory > 0) {
        printf("\"ratio_to_memory\":%.4f,", figure->median / row->memory);
    } else {
        printf("\"ratio_to_memory\":null,");
    }
    printf("\"ops_per_s\":%.0f,\"bytes_total_per_entry\":%.2f,\"ops\":%llu,\"seed\":%llu}\n", per_second(row),
           per_entry(row->bytes.total, row->entries), (unsigned long long)row->operations,
           (unsigned long long)row->seed);
}

static void print_row(const struct bench_row *row)
{
    const struct bench_figure *figure = &row->figure;
    char ratio[16] = "-";
    char disturbed[32];

    if (row->memory > 0) {
        snprintf(ratio, sizeof(ratio), "%.2f", figure->median / row->memory);
    }
    snprintf(disturbed, sizeof(disturbed), "%zu%s", figure->disturbed, figure->disturbed_kept > 0 ? " kept" : "");
    printf("%-12s %7u  %-8s %9.2f %9.2f %9.2f %9s %9.2f %7.1f %7.1f %9s\n", row->workload, row->threads, row->impl,
           figure->median, figure->min, figure->max, ratio, per_second(row) / 1e6,
           per_entry(row->bytes.forward, row->entries), per_entry(row->bytes.total, row->entries), disturbed);
}

void bench_report_row(bool json, const struct bench_row *row)
{
    bench_progress_clear();
    if (json) {
        print_json(row);
    } else {
        print_row(row);
    }
    fflush(stdout);
    if (row->figure.wrong > 0) {
        fprintf(stderr,
                "hipt-bench: %s, %s: %llu operations had another outcome than they must have; the figure is "
                "worthless\n",
                row->workload, row->impl, (unsigned long long)row->figure.wrong);
    }
}

void bench_progress(size_t done, size_t all, const char *text)
{
    static const char bar[BAR_WIDTH + 1] = "##############################";
    size_t filled = all == 0 ? 0 : done * BAR_WIDTH / all;

    if (isatty(STDERR_FILENO)) {
        fprintf(stderr, "\r\033[K[%-*.*s] %s", (int)BAR_WIDTH, (int)filled, bar, text);
    }
}

void bench_progress_clear(void)
{
    if (isatty(STDERR_FILENO)) {
        fprintf(stderr, "\r\033[K");
    }
}
