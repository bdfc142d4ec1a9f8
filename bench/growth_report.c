/* SPDX-License-Identifier: MIT */
#include "growth_report.h"

#include <math.h>
#include <stdio.h>

/* The rows of a step; of who grows by itself only the last one says something. */
static const struct part {
    const char *name;
    unsigned phases;
    bool of_doublings;
} parts[] = {
    {"quiet", 1u << GROWTH_QUIET, true},       {"before", 1u << GROWTH_BEFORE, true},
    {"doubling", 1u << GROWTH_DOUBLING, true}, {"settling", 1u << GROWTH_SETTLING, true},
    {"after", 1u << GROWTH_AFTER, true},       {"rest", GROWTH_AT_REST, true},
    {"filling", GROWTH_FILLING, false},
};

#define PARTS (sizeof(parts) / sizeof(parts[0]))

/* One row. */
struct row {
    const struct growth_run *run;
    unsigned step;
    const struct part *part;
    struct growth_stretch sum;
    double ratio; /* of a doubling's p99.9 to that at rest; NAN: there is none */
};

static double p999(const struct growth_stretch *stretch)
{
    return bench_histogram_at(&stretch->lookups, 0.999);
}

/* => NAN if one of the two has no lookups */
static double ratio_of(const struct growth_run *run, unsigned step, bool *disturbed)
{
    struct growth_stretch doubling;
    struct growth_stretch rest;

    growth_run_sum(run, step, 1u << GROWTH_DOUBLING, &doubling);
    growth_run_sum(run, step, GROWTH_AT_REST, &rest);
    *disturbed = growth_is_disturbed(&doubling) || growth_is_disturbed(&rest);
    return doubling.lookups.count > 0 && rest.lookups.count > 0 ? p999(&doubling) / p999(&rest) : NAN;
}

static void print_json(const struct row *row)
{
    const struct growth_setup *setup = &row->run->setup;
    const struct growth_stretch *sum = &row->sum;
    const struct bench_histogram *lookups = &sum->lookups;
    const struct bench_histogram *maps = &sum->maps;
    char ratio[32] = "null";

    if (!isnan(row->ratio)) {
        snprintf(ratio, sizeof(ratio), "%.4f", row->ratio);
    }
    printf("{\"bench\":\"hipt-bench\",\"part\":\"growth\",\"impl\":\"%s\",\"phase\":\"%s\",\"every_step\":%s,"
           "\"first\":%llu,\"end\":%llu,",
           row->run->impl->name, row->part->name, row->step == GROWTH_EVERY_STEP ? "true" : "false",
           (unsigned long long)sum->first, (unsigned long long)sum->end);
    printf("\"lookups\":%llu,\"p50\":%.0f,\"p90\":%.0f,\"p99\":%.0f,\"p999\":%.0f,\"max\":%llu,\"ratio_to_rest\":%s,",
           (unsigned long long)lookups->count, bench_histogram_at(lookups, 0.5), bench_histogram_at(lookups, 0.9),
           bench_histogram_at(lookups, 0.99), p999(sum), (unsigned long long)lookups->longest, ratio);
    printf("\"maps\":%llu,\"map_p50\":%.0f,\"map_p99\":%.0f,\"map_p999\":%.0f,\"map_max\":%llu,",
           (unsigned long long)maps->count, bench_histogram_at(maps, 0.5), bench_histogram_at(maps, 0.99),
           bench_histogram_at(maps, 0.999), (unsigned long long)maps->longest);
    printf("\"ns\":%.0f,\"disturbed\":%s,\"from\":%llu,\"to\":%llu,\"pace\":%llu,\"seed\":%llu}\n", sum->ns,
           growth_is_disturbed(sum) ? "true" : "false", (unsigned long long)setup->from, (unsigned long long)setup->to,
           (unsigned long long)setup->pace, (unsigned long long)setup->seed);
}

static void print_row(const struct row *row)
{
    const struct growth_stretch *sum = &row->sum;
    const struct bench_histogram *lookups = &sum->lookups;
    const struct bench_histogram *maps = &sum->maps;
    char ratio[16] = "";

    if (!isnan(row->ratio)) {
        snprintf(ratio, sizeof(ratio), "%.2f", row->ratio);
    }
    printf("%-8s %9llu %9llu %-9s %9llu %6.0f %6.0f %6.0f %7.0f %10llu %6s ", row->run->impl->name,
           (unsigned long long)sum->first, (unsigned long long)sum->end, row->part->name,
           (unsigned long long)lookups->count, bench_histogram_at(lookups, 0.5), bench_histogram_at(lookups, 0.9),
           bench_histogram_at(lookups, 0.99), p999(sum), (unsigned long long)lookups->longest, ratio);
    printf("%9llu %6.0f %7.0f %8.0f %10llu %9.1f%s\n", (unsigned long long)maps->count, bench_histogram_at(maps, 0.5),
           bench_histogram_at(maps, 0.99), bench_histogram_at(maps, 0.999), (unsigned long long)maps->longest,
           sum->ns / 1e6, growth_is_disturbed(sum) ? "  disturbed" : "");
}

void growth_report_head(bool json, const struct growth_setup *setup)
{
    unsigned long long cost = (unsigned long long)growth_clock_cost();

    if (json) {
        printf("{\"bench\":\"hipt-bench\",\"part\":\"growth-clock\",\"ns\":%llu}\n", cost);
        return;
    }
    printf("\ngrowth from %llu to %llu entries under lookups, at most one map in %llu ns, seed %llu; ns, of which\n"
           "reading the clock takes %llu\n",
           (unsigned long long)setup->from, (unsigned long long)setup->to, (unsigned long long)setup->pace,
           (unsigned long long)setup->seed, cost);
    printf("%-8s %9s %9s %-9s %9s %6s %6s %6s %7s %10s %6s %9s %6s %7s %8s %10s %9s\n", "impl", "entries", "to",
           "phase", "lookups", "p50", "p90", "p99", "p99.9", "max", "x rest", "maps", "p50", "p99", "p99.9", "max",
           "ms");
}

static void report_part(bool json, struct row *row)
{
    bool disturbed;

    growth_run_sum(row->run, row->step, row->part->phases, &row->sum);
    if (row->sum.end == 0) { /* there was no such stretch */
        return;
    }
    row->ratio = row->part->phases == 1u << GROWTH_DOUBLING ? ratio_of(row->run, row->step, &disturbed) : NAN;
    if (json) {
        print_json(row);
    } else {
        print_row(row);
    }
}

void growth_report_run(bool json, const struct growth_run *run)
{
    struct row row = {.run = run};

    for (unsigned i = 0; i <= run->steps + 1; i++) {
        row.step = i <= run->steps ? i : GROWTH_EVERY_STEP;
        for (size_t j = 0; j < PARTS; j++) {
            row.part = &parts[j];
            if (!parts[j].of_doublings || run->impl->enlarge != NULL) {
                report_part(json, &row);
            }
        }
    }
    fflush(stdout);
    if (run->wrong > 0) {
        fprintf(stderr,
                "hipt-bench: growth, %s: %llu operations had another outcome than they must have; the figures are "
                "worthless\n",
                run->impl->name, (unsigned long long)run->wrong);
    }
}

void growth_ratios_take(struct growth_ratios *ratios, const struct growth_run *run)
{
    bool clean = true;

    for (unsigned i = 0; i < run->steps; i++) {
        struct growth_ratio *step = &ratios->steps[i];
        struct bench_sample sample = {0};

        sample.ns = ratio_of(run, i, &sample.disturbed);
        clean &= !isnan(sample.ns) && !sample.disturbed;
        if (!isnan(sample.ns) && step->taken < 2 * (size_t)GROWTH_ROUNDS_MAX) {
            step->samples[step->taken++] = sample;
        }
    }
    ratios->clean += clean;
}

static void print_ratio(bool json, const struct growth_run *run, uint64_t entries, const struct bench_figure *figure)
{
    if (json) {
        printf("{\"bench\":\"hipt-bench\",\"part\":\"growth-doubling\",\"impl\":\"%s\",\"entries\":%llu,"
               "\"p999_to_rest\":%.4f,\"min\":%.4f,\"max\":%.4f,\"rounds\":%zu,\"disturbed\":%zu,"
               "\"disturbed_kept\":%zu}\n",
               run->impl->name, (unsigned long long)entries, figure->median, figure->min, figure->max, figure->rounds,
               figure->disturbed, figure->disturbed_kept);
    } else {
        printf("%-8s doubling from %9llu: lookup p99.9 %5.2f times that at rest; %.2f to %.2f in rounds: %zu, "
               "disturbed %zu%s\n",
               run->impl->name, (unsigned long long)entries, figure->median, figure->min, figure->max, figure->rounds,
               figure->disturbed, figure->disturbed_kept > 0 ? " kept" : "");
    }
}

void growth_judge(bool json, const struct growth_run *run, struct growth_ratios *ratios, size_t rounds,
                  struct bench_growth_figure *figure)
{
    for (unsigned i = 0; i < run->steps; i++) {
        struct growth_ratio *step = &ratios->steps[i];
        uint64_t entries = run->setup.from << i;
        struct bench_figure median;

        if (step->taken == 0) {
            continue;
        }
        bench_figure(step->samples, step->taken, rounds, &median);
        print_ratio(json, run, entries, &median);
        if (median.median > figure->ratio) {
            *figure = (struct bench_growth_figure){
                .ratio = median.median, .entries = entries, .disturbed = median.disturbed_kept > 0};
        }
    }
    fflush(stdout);
}
