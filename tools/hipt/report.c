/* SPDX-License-Identifier: MIT */
#include "report.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "replay_cpu.h"

#define SAMPLE_MAX 1000000u /* lookups whose lines are counted: the shares are then good to a tenth of a percent */

double report_poisson(uint64_t mappings, uint64_t buckets, unsigned occupancy)
{
    double mean = (double)mappings / (double)buckets;
    return (double)buckets * exp(occupancy * log(mean) - mean - lgamma(occupancy + 1.0));
}

/* An address near a random mapping, in a random space: as likely to be asked for as any that is not mapped. */
static bool count_miss(struct report *report, uint64_t *random)
{
    const struct population *population = report->population;
    const struct hipt_page *near = &population->home[replay_random(random) % population->count].page;
    uint32_t asid = population->asids[replay_random(random) % population->spaces].number;
    bool found = true;
    unsigned lines = hipt_lookup_lines(population->table, asid, near->vpn + replay_random(random) % 8192, &found);
    if (found || lines == 0) {
        return false;
    }
    report->miss_lines[lines]++;
    return true;
}

void report_measure_lines(struct report *report)
{
    const struct population *population = report->population;
    uint64_t sample = population->count < SAMPLE_MAX ? population->count : SAMPLE_MAX, misses = 0;
    uint64_t random = replay_random_start(report->options->seed, UINT64_MAX - 1);
    for (uint64_t i = 0; i < sample; i++) {
        const struct hipt_page *page =
            &population->home[population->count <= SAMPLE_MAX ? i : replay_random(&random) % population->count].page;
        report->hit_lines[hipt_lookup_lines(population->table, page->asid, page->vpn, NULL)]++;
    }
    for (uint64_t tries = 0; misses < sample && tries < 4 * sample; tries++) {
        misses += count_miss(report, &random);
    }
}

static double rate(uint64_t count, uint64_t ns)
{
    return ns != 0 ? (double)count * 1e9 / (double)ns : 0;
}

static double share(uint64_t part, uint64_t whole)
{
    return whole != 0 ? (double)part / (double)whole : 0;
}

static double unchecked_share(const struct replay_result *result)
{
    return share(result->unchecked, result->checked + result->unchecked);
}

static unsigned last_occupancy(const struct hipt_stats *stats)
{
    unsigned last = 0;
    for (unsigned i = 0; i < REPORT_OCCUPANCIES; i++) {
        last = stats->per_bucket[i] != 0 ? i : last;
    }
    return last;
}

static void text_source(const struct report *report, FILE *file)
{
    const struct population *population = report->population;
    const struct hipt_config *config = &population->config;
    fprintf(file,
            "source           %s, %s frame numbers\n"
            "spaces           %" PRIu32 "\n"
            "mappings         %" PRIu32 "\n"
            "frames mapped    %" PRIu64 "\n"
            "shared frames    %" PRIu64 " (a huge page counts once), at most %" PRIu32 " mappings of one\n"
            "geometry         asid %u bits, va %u bits, %u page sizes, %" PRIu64 " buckets, %" PRIu64
            " frame records\n",
            report->source, report->real_frames ? "real" : "made-up", population->spaces, population->count,
            population->frames, population->shared, population->most_sharers, config->asid_bits, config->va_bits,
            config->nsizes, population->stats.buckets, population->records);
}

static void text_bytes(const struct report *report, FILE *file)
{
    const struct hipt_stats *stats = &report->population->stats;
    double n = (double)stats->mappings;
    uint64_t all =
        stats->bytes_forward + stats->bytes_frames + stats->bytes_aliases + stats->bytes_asids + stats->bytes_cpus;
    fprintf(file,
            "\nbytes per mapping\n"
            "  forward        %8.2f\n"
            "  frame records  %8.2f\n"
            "  aliases        %8.2f\n"
            "  asids          %8.2f\n"
            "  shootdowns     %8.2f\n"
            "  all            %8.2f\n",
            (double)stats->bytes_forward / n, (double)stats->bytes_frames / n, (double)stats->bytes_aliases / n,
            (double)stats->bytes_asids / n, (double)stats->bytes_cpus / n, (double)all / n);
}

static void text_occupancy(const struct report *report, FILE *file)
{
    const struct hipt_stats *stats = &report->population->stats;
    fprintf(file, "\nmappings in a bucket    buckets    Poisson\n");
    for (unsigned i = 0; i <= last_occupancy(stats); i++) {
        fprintf(file, "  %18u %10" PRIu64 " %10.1f\n", i, stats->per_bucket[i],
                report_poisson(stats->mappings, stats->buckets, i));
    }
}

static void text_lines(const struct report *report, FILE *file)
{
    uint64_t hits = 0, misses = 0;
    for (unsigned i = 0; i < REPORT_LINES; i++) {
        hits += report->hit_lines[i];
        misses += report->miss_lines[i];
    }
    fprintf(file, "\ncache lines read        hits     misses\n");
    for (unsigned i = 0; i < REPORT_LINES; i++) {
        if (report->hit_lines[i] != 0 || report->miss_lines[i] != 0) {
            fprintf(file, "  %14u  %8.3f %% %8.3f %%\n", i, 100 * share(report->hit_lines[i], hits),
                    100 * share(report->miss_lines[i], misses));
        }
    }
}

static void text_run(const struct report *report, FILE *file)
{
    const struct replay_result *result = report->result;
    const struct targets *targets = report->targets;
    fprintf(file, "\nreplayed         %.2f s, %u readers and %u writers on %u cores, seed %" PRIu64 "\n",
            result->seconds, report->options->readers, report->options->writers, report->cores, report->options->seed);
    if (targets->traced) {
        fprintf(file,
                "trace            %" PRIu64 " accesses to %" PRIu32 " pages, %" PRIu64
                " of them mapped in space %" PRIu32 "\n",
                targets->count, targets->npages, targets->mapped, targets->space);
    }
    fprintf(file,
            "lookups          %" PRIu64 ": %" PRIu64 " found, %" PRIu64 " not; %.0f a second and thread\n"
            "reverse lookups  %" PRIu64 ": %" PRIu64 " mappings; %.0f a second and thread\n"
            "contended        %" PRIu64 " lookups of pages just changed\n"
            "answers          %" PRIu64 " checked and right, %" PRIu64 " not checked (%.4f %%)\n",
            result->lookups, result->found, result->absent, rate(result->lookups, result->lookup_ns), result->reverses,
            result->reported, rate(result->reverses, result->reverse_ns), result->recent, result->checked,
            result->unchecked, 100 * unchecked_share(result));
    fprintf(file,
            "changes          %" PRIu64 " unmapped, %" PRIu64 " mapped again, %" PRIu64
            " moved to spare frames, %" PRIu64 " moved back, %" PRIu64 " protected\n"
            "put off          %" PRIu64 " busy, %" PRIu64 " full; %" PRIu64 " frames reaped\n"
            "at the end       %" PRIu64 " mappings and %" PRIu64 " frames compared, all right\n",
            result->changes[CHANGE_UNMAP], result->changes[CHANGE_MAP], result->changes[CHANGE_AWAY],
            result->changes[CHANGE_BACK], result->changes[CHANGE_PROTECT], result->busy, result->full, result->reaped,
            result->final_mappings, result->final_frames);
}

static void text_cpus(const struct report *report, FILE *file)
{
    const struct replay_result *result = report->result;
    const struct replay_cpu_counts *cpu = &result->cpu;
    fprintf(file,
            "\nCPUs             %u, caches of %u and %u translations, %u asid tags\n"
            "translations     %" PRIu64 ": %.2f %% from the cache, %.2f %% from its second level; %" PRIu64
            " walks, %" PRIu64 " of them repeated; %" PRIu64 " met a change\n"
            "shootdowns       %" PRIu64 " rounds of acknowledgements, %" PRIu64 " kicks\n"
            "forgotten        %" PRIu64 " translations, by %" PRIu64 " ranges, %" PRIu64 " asids, %" PRIu64
            " whole caches; %" PRIu64 " gave way to others\n"
            "stale            %" PRIu64 " translations were used after their end\n",
            report->options->readers + report->options->writers, CPU_L1_SETS * CPU_L1_WAYS, CPU_L2_SETS * CPU_L2_WAYS,
            1u << CPU_TAG_BITS, cpu->translations, 100 * share(cpu->hits, cpu->translations),
            100 * share(cpu->l2_hits, cpu->translations), cpu->walks, cpu->refills, cpu->busy, cpu->rounds, cpu->kicks,
            cpu->forgotten, cpu->ranges, cpu->tags, cpu->alls, cpu->evictions, cpu->stale);
}

int report_text(const struct report *report, FILE *file)
{
    text_source(report, file);
    text_bytes(report, file);
    text_occupancy(report, file);
    text_lines(report, file);
    text_run(report, file);
    text_cpus(report, file);
    return fflush(file) != 0 || ferror(file) ? -1 : 0;
}

void report_json_string(FILE *file, const char *text)
{
    putc('"', file);
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\') {
            fprintf(file, "\\%c", c);
        } else if (c < 0x20) {
            fprintf(file, "\\u%04x", c);
        } else {
            putc(c, file);
        }
    }
    putc('"', file);
}

static void json_counts(FILE *file, const char *name, const uint64_t *counts, unsigned n)
{
    fprintf(file, "    \"%s\": [", name);
    for (unsigned i = 0; i < n; i++) {
        fprintf(file, "%s%" PRIu64, i != 0 ? ", " : "", counts[i]);
    }
    fputs("]", file);
}

static void json_source(const struct report *report, FILE *file)
{
    const struct population *population = report->population;
    fputs("  \"source\": {\n    \"name\": ", file);
    report_json_string(file, report->source);
    fprintf(file,
            ",\n    \"real_frames\": %s,\n    \"spaces\": %" PRIu32 ",\n    \"mappings\": %" PRIu32
            ",\n    \"frames_mapped\": %" PRIu64 ",\n    \"shared_frames\": %" PRIu64
            ",\n    \"most_sharers\": %" PRIu32 "\n  },\n",
            report->real_frames ? "true" : "false", population->spaces, population->count, population->frames,
            population->shared, population->most_sharers);
}

static void json_table(const struct report *report, FILE *file)
{
    const struct population *population = report->population;
    const struct hipt_stats *stats = &population->stats;
    unsigned last = last_occupancy(stats);
    fprintf(file,
            "  \"table\": {\n    \"asid_bits\": %u,\n    \"va_bits\": %u,\n    \"buckets\": %" PRIu64
            ",\n    \"frame_records\": %" PRIu64 ",\n    \"overflow_lines\": %" PRIu64
            ",\n    \"bytes_forward\": %" PRIu64 ",\n    \"bytes_frames\": %" PRIu64
            ",\n    \"bytes_aliases\": %" PRIu64 ",\n    \"bytes_asids\": %" PRIu64 ",\n    \"bytes_cpus\": %" PRIu64
            ",\n",
            population->config.asid_bits, population->config.va_bits, stats->buckets, population->records,
            stats->lines_linked, stats->bytes_forward, stats->bytes_frames, stats->bytes_aliases, stats->bytes_asids,
            stats->bytes_cpus);
    json_counts(file, "buckets_by_mappings", stats->per_bucket, last + 1);
    fputs(",\n    \"poisson\": [", file);
    for (unsigned i = 0; i <= last; i++) {
        fprintf(file, "%s%.3f", i != 0 ? ", " : "", report_poisson(stats->mappings, stats->buckets, i));
    }
    fputs("],\n", file);
    json_counts(file, "hits_by_lines", report->hit_lines, REPORT_LINES);
    fputs(",\n", file);
    json_counts(file, "misses_by_lines", report->miss_lines, REPORT_LINES);
    fputs("\n  },\n", file);
}

static void json_trace(const struct report *report, FILE *file)
{
    const struct targets *targets = report->targets;
    if (targets->traced) {
        fprintf(file,
                "  \"trace\": {\n    \"accesses\": %" PRIu64 ",\n    \"pages\": %" PRIu32 ",\n    \"mapped\": %" PRIu64
                ",\n    \"unmapped\": %" PRIu64 ",\n    \"space\": %" PRIu32 "\n  },\n",
                targets->count, targets->npages, targets->mapped, targets->count - targets->mapped, targets->space);
    }
}

static void json_run(const struct report *report, FILE *file)
{
    const struct replay_result *result = report->result;
    fprintf(file,
            "  \"run\": {\n    \"seconds\": %.3f,\n    \"readers\": %u,\n    \"writers\": %u,\n    \"cores\": %u,\n"
            "    \"seed\": %" PRIu64 ",\n    \"lookups\": %" PRIu64 ",\n    \"found\": %" PRIu64
            ",\n    \"absent\": %" PRIu64
            ",\n    \"lookups_per_second_and_thread\": %.0f,\n    \"reverse_lookups\": %" PRIu64
            ",\n    \"reverse_reported\": %" PRIu64 ",\n    \"reverse_lookups_per_second_and_thread\": %.0f,\n",
            result->seconds, report->options->readers, report->options->writers, report->cores, report->options->seed,
            result->lookups, result->found, result->absent, rate(result->lookups, result->lookup_ns), result->reverses,
            result->reported, rate(result->reverses, result->reverse_ns));
    fprintf(file,
            "    \"contended_lookups\": %" PRIu64 ",\n    \"checked\": %" PRIu64 ",\n    \"unchecked\": %" PRIu64
            ",\n    \"unchecked_share\": %.6f,\n    \"unmapped\": %" PRIu64 ",\n    \"mapped_again\": %" PRIu64
            ",\n    \"moved_away\": %" PRIu64 ",\n    \"moved_back\": %" PRIu64 ",\n    \"protected\": %" PRIu64 ",\n",
            result->recent, result->checked, result->unchecked, unchecked_share(result), result->changes[CHANGE_UNMAP],
            result->changes[CHANGE_MAP], result->changes[CHANGE_AWAY], result->changes[CHANGE_BACK],
            result->changes[CHANGE_PROTECT]);
    fprintf(file,
            "    \"busy\": %" PRIu64 ",\n    \"full\": %" PRIu64 ",\n    \"frames_reaped\": %" PRIu64
            ",\n    \"final_mappings\": %" PRIu64 ",\n    \"final_frames\": %" PRIu64 "\n  },\n",
            result->busy, result->full, result->reaped, result->final_mappings, result->final_frames);
}

static void json_cpus(const struct report *report, FILE *file)
{
    const struct replay_cpu_counts *cpu = &report->result->cpu;
    fprintf(file,
            "  \"cpus\": {\n    \"count\": %u,\n    \"first_level\": %u,\n    \"second_level\": %u,\n"
            "    \"tags\": %u,\n    \"translations\": %" PRIu64 ",\n    \"hits\": %" PRIu64
            ",\n    \"hit_rate\": %.6f,\n    \"second_level_hits\": %" PRIu64 ",\n    \"walks\": %" PRIu64
            ",\n    \"walks_repeated\": %" PRIu64 ",\n    \"met_a_change\": %" PRIu64 ",\n",
            report->options->readers + report->options->writers, CPU_L1_SETS * CPU_L1_WAYS, CPU_L2_SETS * CPU_L2_WAYS,
            1u << CPU_TAG_BITS, cpu->translations, cpu->hits, share(cpu->hits, cpu->translations), cpu->l2_hits,
            cpu->walks, cpu->refills, cpu->busy);
    fprintf(file,
            "    \"rounds\": %" PRIu64 ",\n    \"kicks\": %" PRIu64 ",\n    \"range_flushes\": %" PRIu64
            ",\n    \"asid_flushes\": %" PRIu64 ",\n    \"cache_flushes\": %" PRIu64 ",\n    \"forgotten\": %" PRIu64
            ",\n    \"evictions\": %" PRIu64 ",\n    \"stale_translations\": %" PRIu64 "\n  }\n",
            cpu->rounds, cpu->kicks, cpu->ranges, cpu->tags, cpu->alls, cpu->forgotten, cpu->evictions, cpu->stale);
}

int report_json(const struct report *report, FILE *file)
{
    fputs("{\n", file);
    json_source(report, file);
    json_table(report, file);
    json_trace(report, file);
    json_run(report, file);
    json_cpus(report, file);
    fputs("}\n", file);
    return fflush(file) != 0 || ferror(file) ? -1 : 0;
}
