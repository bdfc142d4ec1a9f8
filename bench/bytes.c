/* SPDX-License-Identifier: MIT */
/*
 * Bytes for each mapping, beside a radix tree of four levels of 9 bits for each space. hipt's are its allocator's count
 * of a table made for that many mappings and filled. The tree's nodes are counted from the sorted keys, not built: with
 * sparse keys they would not fit, and a tree's bytes are the number of its nodes.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "bytes.h"

#include <hipt/asid.h>
#include <hipt/map.h>
#include <hipt/table.h>
#include <hipt/user.h>

#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "keys.h"
#include "options.h"
#include "report.h"

#define ENTRIES_MIN 1000u
#define ENTRIES_MAX (UINT64_C(1) << 28)

#define LEVELS 4u
#define LEVEL_BITS 9u
#define NODE_BYTES 4096.0
#define NODE_PAGES (1u << LEVEL_BITS)

static const char usage_text[] =
    "usage: hipt-bench bytes [options]\n"
    "\n"
    "What a mapping takes in hipt, by its allocator's count, forward and with frame records and page lists, and in a\n"
    "radix tree, whose nodes are counted from the keys; for the pages of one contiguous range (dense) and for the\n"
    "benchmark's own keys (sparse). The break-even is how many of each 512 pages must be in use for the tree to take\n"
    "no more.\n"
    "\n"
    "  --entries N[,N]  mappings (10000,100000,1000000,10000000,16000000)\n"
    "  --seed N         seed of the sparse keys (1)\n"
    "  --json           one JSON object a line instead of the table\n"
    "  --help           this text\n"
    "\n"
    "Exit status: 0 done; 1 memory was not to be had, or a page could not be mapped; 2 the command line was not\n"
    "understood.\n";

static const struct option long_options[] = {
    {"entries", required_argument, NULL, 'e'},
    {"seed", required_argument, NULL, 's'},
    {"json", no_argument, NULL, 'j'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

struct bytes_options {
    struct bench_list entries;
    uint64_t seed;
    bool json;
};

/* What one population takes. */
struct footprint {
    const char *keys;
    size_t entries;
    size_t forward; /* hipt */
    size_t total;
    size_t huge; /* of the total: what can lie in huge pages */
    size_t nodes; /* the tree's, and how many of them are last ones */
    size_t last_nodes;
};

static bool take_option(void *ctx, int option)
{
    struct bytes_options *options = ctx;

    switch (option) {
    case 'e':
        return bench_option_numbers("--entries", optarg, ENTRIES_MIN, ENTRIES_MAX, &options->entries);
    case 's':
        return bench_option_number("--seed", optarg, 0, UINT64_MAX, &options->seed);
    default:
        options->json = true;
        return true;
    }
}

static const struct bench_command command = {"hipt-bench: bytes", long_options, usage_text, NULL, take_option};

/* The n-th key has the n-th frame. Keys of a space that has no asid yet get it one. */
static enum hipt_status fill(struct hipt_table *table, const uint64_t *keys, size_t count)
{
    struct hipt_asid asids[BENCH_SPACES] = {0};
    enum hipt_status status = HIPT_OK;

    for (size_t i = 0; status == HIPT_OK && i < count; i++) {
        struct hipt_asid *asid = &asids[bench_key_space(keys[i])];

        if (asid->generation == 0) {
            status = hipt_asid_alloc(table, asid);
        }
        if (status == HIPT_OK) {
            struct hipt_mapping mapping = {.page = {.asid = asid->number, .vpn = bench_key_vpn(keys[i])},
                                           .pfn = 1 + i,
                                           .prot = HIPT_READ | HIPT_WRITE};

            status = hipt_map(table, &mapping);
        }
    }
    return status;
}

static enum hipt_status measure_table(struct hipt_user *user, const uint64_t *keys, struct footprint *footprint)
{
    struct hipt_range range = {.first = 1, .count = footprint->entries};
    struct hipt_config config;
    struct hipt_table *table = NULL;
    struct hipt_stats stats;
    enum hipt_status status;

    hipt_config_init(&config);
    config.ops = hipt_user_ops(user);
    config.capacity = footprint->entries;
    config.ranges = &range;
    config.nranges = 1;
    status = hipt_table_create(&config, &table);
    if (status == HIPT_OK) {
        status = fill(table, keys, footprint->entries);
    }
    if (status == HIPT_OK) {
        hipt_table_stats(table, &stats);
        footprint->forward = (size_t)stats.bytes_forward;
        footprint->total = hipt_user_bytes(user);
        footprint->huge = hipt_user_huge_bytes(user);
    }
    hipt_table_destroy(table);
    return status;
}

static bool measure_hipt(const uint64_t *keys, struct footprint *footprint)
{
    struct hipt_user *user = NULL;
    enum hipt_status status = hipt_user_create(HIPT_USER_URCU, &user);

    if (status == HIPT_OK) {
        status = measure_table(user, keys, footprint);
    }
    hipt_user_destroy(user);
    if (status != HIPT_OK) {
        fprintf(stderr, "hipt-bench: bytes: %zu mappings: %s\n", footprint->entries, hipt_strerror(status));
    }
    return status == HIPT_OK;
}

static int by_number(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left;
    uint64_t b = *(const uint64_t *)right;

    return (a > b) - (a < b);
}

/* How many different numbers the sorted keys are without their last @bits. */
static size_t count_prefixes(const uint64_t *keys, size_t count, unsigned bits)
{
    size_t prefixes = 1;

    for (size_t i = 1; i < count; i++) {
        prefixes += (keys[i] >> bits) != (keys[i - 1] >> bits);
    }
    return prefixes;
}

/* A node of each level is what lies above that level's bits; a root is its space. Sorts the keys. */
static void count_nodes(uint64_t *keys, struct footprint *footprint)
{
    qsort(keys, footprint->entries, sizeof(*keys), by_number);
    footprint->last_nodes = count_prefixes(keys, footprint->entries, LEVEL_BITS);
    footprint->nodes = footprint->last_nodes + count_prefixes(keys, footprint->entries, BENCH_VPN_BITS);
    for (unsigned level = 2; level < LEVELS; level++) {
        footprint->nodes += count_prefixes(keys, footprint->entries, level * LEVEL_BITS);
    }
}

_Static_assert(BENCH_VPN_BITS <= LEVELS * LEVEL_BITS, "a tree has room for a space");

static double each(size_t bytes, const struct footprint *footprint)
{
    return (double)bytes / (double)footprint->entries;
}

/* A last node, with its share of full nodes above it, takes as much as this many mappings of @bytes. */
static double break_even(double bytes)
{
    return ceil(NODE_BYTES * NODE_PAGES / (NODE_PAGES - 1) / bytes);
}

static void print_head(void)
{
    printf("%-7s %9s  %11s %7s  %11s %7s  %13s %8s %10s  %s\n", "keys", "entries", "hipt bytes", "each", "with rest",
           "each", "radix bytes", "each", "pages/node", "break-even, of 512: forward, with rest");
}

static void print_row(const struct footprint *footprint)
{
    size_t radix = footprint->nodes * (size_t)NODE_BYTES;

    printf("%-7s %9zu  %11zu %7.1f  %11zu %7.1f  %13zu %8.1f %10.1f  %.0f, %.0f\n", footprint->keys, footprint->entries,
           footprint->forward, each(footprint->forward, footprint), footprint->total, each(footprint->total, footprint),
           radix, each(radix, footprint), (double)footprint->entries / (double)footprint->last_nodes,
           break_even(each(footprint->forward, footprint)), break_even(each(footprint->total, footprint)));
}

static void print_json(const struct footprint *footprint)
{
    size_t radix = footprint->nodes * (size_t)NODE_BYTES;

    printf("{\"bench\":\"hipt-bench bytes\",\"keys\":\"%s\",\"entries\":%zu,\"hipt_forward\":%zu,\"hipt_total\":%zu,"
           "\"hipt_huge\":%zu,\"radix\":%zu,\"radix_counted\":true,",
           footprint->keys, footprint->entries, footprint->forward, footprint->total, footprint->huge, radix);
    printf("\"forward_per_entry\":%.2f,\"total_per_entry\":%.2f,\"radix_per_entry\":%.2f,\"pages_per_node\":%.2f,"
           "\"break_even_forward\":%.0f,\"break_even_total\":%.0f}\n",
           each(footprint->forward, footprint), each(footprint->total, footprint), each(radix, footprint),
           (double)footprint->entries / (double)footprint->last_nodes, break_even(each(footprint->forward, footprint)),
           break_even(each(footprint->total, footprint)));
}

static bool report(const struct bytes_options *options, uint64_t *keys, struct footprint *footprint)
{
    if (!measure_hipt(keys, footprint)) {
        return false;
    }
    count_nodes(keys, footprint);
    bench_progress_clear();
    if (options->json) {
        print_json(footprint);
    } else {
        print_row(footprint);
    }
    fflush(stdout);
    return true;
}

static bool run_entries(const struct bytes_options *options, size_t entries)
{
    struct footprint dense = {.keys = "dense", .entries = entries};
    struct footprint sparse = {.keys = "sparse", .entries = entries};
    struct bench_keys keys;
    bool done;

    if (!bench_keys_create(&keys, entries, options->seed)) {
        fprintf(stderr, "hipt-bench: bytes: no memory for %zu keys\n", 2 * entries);
        return false;
    }
    for (size_t i = 0; i < entries; i++) {
        keys.absent[i] = bench_key(0, i);
    }
    done = report(options, keys.absent, &dense) && report(options, keys.present, &sparse);
    bench_keys_destroy(&keys);
    return done;
}

int bench_bytes_main(int argc, char **argv)
{
    struct bytes_options options = {.entries = {.values = {10000, 100000, 1000000, 10000000, 16000000}, .count = 5},
                                    .seed = 1};
    enum bench_parsed parsed = bench_command_parse(&command, &options, argc, argv);
    bool done = true;

    if (parsed != BENCH_RUN) {
        return (int)parsed;
    }
    if (!options.json) {
        print_head();
    }
    for (size_t i = 0; done && i < options.entries.count; i++) {
        bench_progress(i, options.entries.count, "bytes");
        done = run_entries(&options, (size_t)options.entries.values[i]);
    }
    bench_progress_clear();
    return done ? 0 : 1;
}
