/* SPDX-License-Identifier: MIT */
#include "goals.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define SUBJECT "hipt"

/* What the subject's figure is divided by. */
enum against {
    THE_MEMORY,
    THE_CLUSTER,  /* the yardstick for runs */
    FASTEST_PEER, /* of those that are whole tables; all that are built reuse the slots of what was deleted */
    OWN_HIT,      /* its own hits, in the same run */
    FORWARD,      /* nothing: bytes for each mapping that finding it takes */
    TOTAL,        /* the same with frame records and page lists */
    AT_REST       /* its own figure around the doubling, in the same run */
};

struct goal {
    const char *name;
    enum bench_workload workload;
    enum against against;
    double bound;
    bool below;        /* the bound itself does not do */
    bool largest_only; /* of the numbers of entries */
    bool threads;      /* each number of threads; else one alone, or the first */
};

static const struct goal goals[] = {
    {"batched lookup, to the memory's lines prefetched as far ahead", BENCH_BATCH64, THE_MEMORY, 1.25, false, true,
     false},
    {"streaming lookup, to the memory's rolling window", BENCH_STREAMING, THE_MEMORY, 1.5, false, false, false},
    {"dependent lookup, to a pointer chase over as many bytes", BENCH_DEPENDENT, THE_MEMORY, 1.08, false, false, false},
    {"single independent hit, to the fastest other table", BENCH_HIT, FASTEST_PEER, 1, true, false, false},
    {"90/5/5, to the fastest other table", BENCH_MIXED_90, FASTEST_PEER, 1, true, false, true},
    {"50/25/25, to the fastest other table", BENCH_MIXED_50, FASTEST_PEER, 1, true, false, true},
    {"miss, to hit", BENCH_MISS, OWN_HIT, 1, false, false, false},
    {"bytes for each mapping, forward", BENCH_HIT, FORWARD, 30, false, false, false},
    {"bytes for each mapping, with frame record and page list", BENCH_HIT, TOTAL, 48, false, false, false},
    {"batches of consecutive pages, to clusters of eight", BENCH_RUN_BATCH, THE_CLUSTER, 1.5, false, false, false},
    {"p99.9 of lookups while the table doubles, to p99.9 at rest", BENCH_HIT, AT_REST, 2, false, true, false},
};

/* One row of the report. */
struct verdict {
    const struct goal *goal;
    uint64_t mappings;
    size_t entries; /* places in the lists of the run */
    size_t threads;
    const char *against; /* whose figure it was divided by */
    double figure;       /* NAN: not measured */
    bool disturbed;      /* one of the two figures comes from disturbed rounds */
};

static const struct bench_result *times(const struct bench_results *results, const struct verdict *verdict,
                                        enum bench_workload workload)
{
    return results->times[verdict->entries][workload][verdict->threads];
}

/* => the one with the least time; results->nimpls if nobody was measured. */
static size_t fastest(const struct bench_results *results, const struct bench_result *all)
{
    size_t best = results->nimpls;

    for (size_t i = 0; i < results->nimpls; i++) {
        bool takes_part = !results->impls[i]->yardstick && strcmp(results->impls[i]->name, SUBJECT) != 0;

        if (takes_part && all[i].ns > 0 && (best == results->nimpls || all[i].ns < all[best].ns)) {
            best = i;
        }
    }
    return best;
}

static size_t opponent(const struct bench_results *results, const struct verdict *verdict)
{
    switch (verdict->goal->against) {
    case THE_MEMORY:
        return bench_results_impl(results, "memory");
    case THE_CLUSTER:
        return bench_results_impl(results, "cluster");
    case FASTEST_PEER:
        return fastest(results, times(results, verdict, verdict->goal->workload));
    case OWN_HIT:
        return bench_results_impl(results, SUBJECT);
    case FORWARD:
    case TOTAL:
    case AT_REST:
        break;
    }
    return results->nimpls;
}

static double quotient(double dividend, double divisor)
{
    return dividend > 0 && divisor > 0 ? dividend / divisor : NAN;
}

static void judge_time(const struct bench_results *results, size_t subject, struct verdict *verdict)
{
    const struct goal *goal = verdict->goal;
    enum bench_workload other = goal->against == OWN_HIT ? BENCH_HIT : goal->workload;
    size_t against = opponent(results, verdict);

    if (against < results->nimpls) {
        const struct bench_result *own = &times(results, verdict, goal->workload)[subject];
        const struct bench_result *its = &times(results, verdict, other)[against];

        verdict->against = goal->against == OWN_HIT ? "itself" : results->impls[against]->name;
        verdict->figure = quotient(own->ns, its->ns);
        verdict->disturbed = own->disturbed || its->disturbed;
    }
}

/* The worst of the doublings: a host that grows passes through all of them. */
static void judge_growth(const struct bench_growth_figure *growth, struct verdict *verdict)
{
    if (growth->ratio > 0) {
        verdict->against = "itself";
        verdict->figure = growth->ratio;
        verdict->mappings = growth->entries;
        verdict->disturbed = growth->disturbed;
    }
}

static void judge(const struct bench_results *results, struct verdict *verdict)
{
    size_t subject = bench_results_impl(results, SUBJECT);
    const struct bench_bytes *bytes = &results->bytes[verdict->entries][subject];
    double mappings = (double)verdict->mappings;

    verdict->against = "-";
    verdict->figure = NAN;
    if (subject == results->nimpls) {
        return;
    }
    switch (verdict->goal->against) {
    case FORWARD:
        verdict->figure = quotient((double)bytes->forward, mappings);
        break;
    case TOTAL:
        verdict->figure = quotient((double)bytes->total, mappings);
        break;
    case AT_REST:
        judge_growth(&results->growth, verdict);
        break;
    default:
        judge_time(results, subject, verdict);
        break;
    }
}

static bool is_met(const struct verdict *verdict)
{
    const struct goal *goal = verdict->goal;

    return goal->below ? verdict->figure < goal->bound : verdict->figure <= goal->bound;
}

static const char *word(const struct verdict *verdict)
{
    if (isnan(verdict->figure)) {
        return "not measured";
    }
    return is_met(verdict) ? "met" : "not met";
}

static void print_json(const struct bench_results *results, const struct verdict *verdict)
{
    char figure[32] = "null";
    const char *met = "null";

    if (!isnan(verdict->figure)) {
        snprintf(figure, sizeof(figure), "%.4f", verdict->figure);
        met = is_met(verdict) ? "true" : "false";
    }
    printf("{\"bench\":\"hipt-bench\",\"part\":\"goal\",\"name\":\"%s\",\"entries\":%llu,\"threads\":%llu,"
           "\"against\":\"%s\",\"goal\":\"%s %.2f\",\"figure\":%s,\"met\":%s,\"disturbed\":%s,\"text\":\"%s\"}\n",
           verdict->goal->name, (unsigned long long)verdict->mappings,
           (unsigned long long)results->options->threads.values[verdict->threads], verdict->against,
           verdict->goal->below ? "<" : "<=", verdict->goal->bound, figure, met, verdict->disturbed ? "true" : "false",
           word(verdict));
}

static void print_row(const struct bench_results *results, const struct verdict *verdict)
{
    char figure[32] = "-";

    if (!isnan(verdict->figure)) {
        snprintf(figure, sizeof(figure), "%.2f", verdict->figure);
    }
    printf("%-62s %9llu %7llu  %-8s %2s %5.2f %7s  %s%s\n", verdict->goal->name, (unsigned long long)verdict->mappings,
           (unsigned long long)results->options->threads.values[verdict->threads], verdict->against,
           verdict->goal->below ? "<" : "<=", verdict->goal->bound, figure, word(verdict),
           verdict->disturbed ? ", of disturbed rounds" : "");
}

/* The rows of one goal for one number of entries. */
static void report_entries(bool json, const struct bench_results *results, const struct goal *goal, size_t entries)
{
    size_t count = goal->threads ? results->options->threads.count : 1;

    for (size_t i = 0; i < count; i++) {
        struct verdict verdict = {.goal = goal,
                                  .mappings = results->options->entries.values[entries],
                                  .entries = entries,
                                  .threads = goal->threads ? i : bench_list_place(&results->options->threads, 1)};

        judge(results, &verdict);
        if (json) {
            print_json(results, &verdict);
        } else {
            print_row(results, &verdict);
        }
    }
}

void bench_goals_report(bool json, const struct bench_results *results)
{
    const struct bench_list *entries = &results->options->entries;

    if (!json) {
        printf("\n%-62s %9s %7s  %-8s %8s %7s\n", "goal", "entries", "threads", "against", "bound", "figure");
    }
    for (size_t i = 0; i < sizeof(goals) / sizeof(goals[0]); i++) {
        for (size_t j = 0; j < entries->count; j++) {
            if (!goals[i].largest_only || j == bench_list_largest(entries)) {
                report_entries(json, results, &goals[i], j);
            }
        }
    }
    fflush(stdout);
}
