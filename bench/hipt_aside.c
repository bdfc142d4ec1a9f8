/* SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "hipt_aside.h"

#include <hipt/asid.h>
#include <hipt/frame.h>
#include <hipt/map.h>
#include <hipt/table.h>
#include <hipt/user.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define LARGE_PAGES (1u << BENCH_LARGE_SHIFT)           /* base pages of 2 MiB */
#define LARGE_VPN (UINT64_C(1) << (BENCH_VPN_BITS + 1)) /* beyond every base page */
#define REAPED 1024u                                    /* frames taken back at once */
#define PAUSE_US 100u                                   /* between looks for frames whose grace period has not passed */
#define PAUSES_MAX 100000u                              /* beyond that something is wrong */

/* Field key: table is atomic; pages, retired and mapped change between rounds only; the rest is constant. */
struct aside {
    struct hipt_user *user;
    struct hipt_table *table;
    uint32_t size;      /* class of pages of 2 MiB */
    size_t large;       /* how many of them */
    uint64_t pfn_large; /* first frames of the large pages, of the population, and of what comes and goes */
    uint64_t pfn_base;
    uint64_t pfn_room;
    uint32_t asids[BENCH_SPACES];
    uint32_t asid_of_ranges;
    struct hipt_page *pages;   /* of a round of lookups; .size is that of the mapping */
    struct hipt_asid *retired; /* of a round: the spaces that it ends */
    size_t mapped;             /* pages beside the population, whose frames come back */
};

static bool complain(enum hipt_status status)
{
    if (status != HIPT_OK) {
        fprintf(stderr, "hipt-bench: hipt: a second table: %s\n", hipt_strerror(status));
    }
    return status == HIPT_OK;
}

/* => the class of pages of 2 MiB in the default geometry */
static uint32_t class_of_large(const struct hipt_config *config)
{
    uint32_t class = 0;

    while (class + 1 < config->nsizes && config->page_shift[class] - config->page_shift[0] < BENCH_LARGE_SHIFT) {
        class ++;
    }
    return class;
}

static enum hipt_status create_table(struct aside *aside, size_t entries, size_t room)
{
    struct hipt_range range = {.first = LARGE_PAGES, .count = aside->large * LARGE_PAGES + entries + room};
    struct hipt_config config;
    enum hipt_status status = hipt_user_create(HIPT_USER_URCU, &aside->user);

    if (status != HIPT_OK) {
        return status;
    }
    hipt_config_init(&config);
    config.ops = hipt_user_ops(aside->user);
    config.capacity = entries + aside->large + room;
    config.ranges = &range;
    config.nranges = 1;
    aside->size = class_of_large(&config);
    aside->pfn_large = range.first;
    aside->pfn_base = aside->pfn_large + aside->large * LARGE_PAGES;
    aside->pfn_room = aside->pfn_base + entries;
    return hipt_table_create(&config, &aside->table);
}

static enum hipt_status issue_asid(struct aside *aside, uint32_t *number)
{
    struct hipt_asid asid = {0};
    enum hipt_status status = hipt_asid_alloc(aside->table, &asid);

    *number = asid.number;
    return status;
}

static enum hipt_status issue_asids(struct aside *aside)
{
    enum hipt_status status = issue_asid(aside, &aside->asid_of_ranges);

    for (size_t i = 0; status == HIPT_OK && i < BENCH_SPACES; i++) {
        status = issue_asid(aside, &aside->asids[i]);
    }
    return status;
}

static enum hipt_status map_population(struct aside *aside, const uint64_t *keys, size_t count)
{
    enum hipt_status status = HIPT_OK;

    for (size_t i = 0; status == HIPT_OK && i < count; i++) {
        struct hipt_mapping mapping = {
            .page = {.asid = aside->asids[bench_key_space(keys[i])], .vpn = bench_key_vpn(keys[i])},
            .pfn = aside->pfn_base + i,
            .prot = HIPT_READ | HIPT_WRITE};

        status = hipt_map(aside->table, &mapping);
    }
    return status;
}

static struct hipt_page large_page(const struct aside *aside, size_t ordinal)
{
    return (struct hipt_page){
        .asid = aside->asids[ordinal % BENCH_SPACES], .size = aside->size, .vpn = LARGE_VPN + ordinal * LARGE_PAGES};
}

/* Only where they are measured: a space that has both sizes pays for it in every lookup. */
static enum hipt_status map_large(struct aside *aside)
{
    enum hipt_status status = HIPT_OK;

    for (size_t i = 0; status == HIPT_OK && i < aside->large; i++) {
        struct hipt_mapping mapping = {
            .page = large_page(aside, i), .pfn = aside->pfn_large + i * LARGE_PAGES, .prot = HIPT_READ | HIPT_WRITE};

        status = hipt_map(aside->table, &mapping);
    }
    return status;
}

struct aside *aside_create(const uint64_t *keys, size_t count, size_t room)
{
    struct aside *aside = calloc(1, sizeof(*aside));
    enum hipt_status status = HIPT_NOMEM;

    if (aside != NULL) {
        aside->large = bench_large_count(count);
        status = create_table(aside, count, room);
    }
    if (status == HIPT_OK) {
        status = issue_asids(aside);
    }
    if (status == HIPT_OK) {
        status = map_population(aside, keys, count);
    }
    if (status == HIPT_OK) {
        status = map_large(aside);
    }
    if (!complain(status)) {
        aside_destroy(aside);
        return NULL;
    }
    return aside;
}

void aside_destroy(struct aside *aside)
{
    if (aside != NULL) {
        hipt_table_destroy(aside->table);
        hipt_user_destroy(aside->user);
        free(aside->pages);
        free(aside->retired);
        free(aside);
    }
}

static struct hipt_page page_of_probe(const struct aside *aside, uint64_t probe)
{
    struct hipt_page page = {.asid = aside->asids[bench_key_space(probe) % BENCH_SPACES], .vpn = bench_key_vpn(probe)};

    if ((probe & BENCH_LARGE) != 0) {
        page = large_page(aside, (size_t)((probe & ~BENCH_LARGE) >> BENCH_LARGE_SHIFT));
        page.vpn += probe % LARGE_PAGES;
    }
    return page;
}

static bool prepare_lookups(struct aside *aside, const uint64_t *probes, size_t count)
{
    free(aside->pages);
    aside->pages = calloc(count, sizeof(*aside->pages));
    for (size_t i = 0; aside->pages != NULL && i < count; i++) {
        aside->pages[i] = page_of_probe(aside, probes[i]);
    }
    return aside->pages != NULL;
}

/* What the last round unmapped. => false if some of it does not come back. */
static bool take_frames_back(struct aside *aside)
{
    struct hipt_frame frames[REAPED];
    unsigned pauses = 0;

    while (aside->mapped > 0 && pauses < PAUSES_MAX) {
        size_t reaped = hipt_frame_reap(aside->table, frames, REAPED);

        aside->mapped -= reaped;
        if (reaped == 0) {
            (void)usleep(PAUSE_US);
            pauses++;
        }
    }
    return aside->mapped == 0 || complain(HIPT_BUSY);
}

/* => how many probes from @first on are consecutive pages of one space */
static size_t extent(const uint64_t *probes, size_t count, size_t first)
{
    size_t end = first + 1;

    while (end < count && probes[end] == probes[end - 1] + 1) {
        end++;
    }
    return end - first;
}

static bool map_extent(struct aside *aside, uint32_t asid, uint64_t vpn, size_t count)
{
    struct hipt_mapping mapping = {
        .page = {.asid = asid, .vpn = vpn}, .pfn = aside->pfn_room + aside->mapped, .prot = HIPT_READ | HIPT_WRITE};
    uint64_t done = 0;
    enum hipt_status status = hipt_map_range(aside->table, &mapping, count, &done);

    aside->mapped += (size_t)done;
    return complain(status);
}

static bool prepare_ranges(struct aside *aside, const uint64_t *probes, size_t count)
{
    bool done = take_frames_back(aside);
    size_t length;

    for (size_t i = 0; done && i < count; i += length) {
        length = extent(probes, count, i);
        done = map_extent(aside, aside->asid_of_ranges, bench_key_vpn(probes[i]), length);
    }
    return done;
}

/* The spaces of a round, all threads', are numbered without a gap. */
static bool prepare_spaces(struct aside *aside, const uint64_t *probes, size_t count)
{
    size_t spaces = bench_key_space(probes[count - 1]) - BENCH_SPACE_RETIRED + 1;
    bool done = take_frames_back(aside);
    size_t length;

    free(aside->retired);
    aside->retired = calloc(spaces, sizeof(*aside->retired));
    done = done && aside->retired != NULL;
    for (size_t i = 0; done && i < count; i += length) {
        struct hipt_asid *asid = &aside->retired[bench_key_space(probes[i]) - BENCH_SPACE_RETIRED];

        length = extent(probes, count, i);
        done = complain(hipt_asid_alloc(aside->table, asid)) && map_extent(aside, asid->number, 0, length);
    }
    return done;
}

bool aside_prepare(struct aside *aside, enum bench_loop loop, const uint64_t *probes, size_t count)
{
    switch (loop) {
    case BENCH_LOOP_LARGE:
        return prepare_lookups(aside, probes, count);
    case BENCH_LOOP_UNMAP_RANGE:
        return prepare_ranges(aside, probes, count);
    case BENCH_LOOP_RETIRE:
        return prepare_spaces(aside, probes, count);
    default:
        return false;
    }
}

struct bench_outcome aside_run_large(struct aside *aside, const struct bench_job *job)
{
    const struct hipt_page *pages = &aside->pages[job->first];
    struct bench_outcome outcome = {0};

    hipt_read_enter(aside->table);
    for (size_t i = 0; i < job->count; i++) {
        struct hipt_translation found = {0};
        enum hipt_status status = hipt_lookup_reading(aside->table, pages[i].asid, pages[i].vpn, &found);

        outcome.wrong += status != HIPT_OK || found.mapping.page.size != pages[i].size;
        outcome.sum += found.mapping.pfn;
    }
    hipt_read_exit(aside->table);
    return outcome;
}

struct bench_outcome aside_run_unmap_range(struct aside *aside, const struct bench_job *job)
{
    struct bench_outcome outcome = {0};

    for (size_t i = 0; i < job->count; i += BENCH_RANGE) {
        size_t count = job->count - i < BENCH_RANGE ? job->count - i : BENCH_RANGE;
        struct hipt_page first = {.asid = aside->asid_of_ranges, .vpn = bench_key_vpn(job->probes[i])};
        uint64_t done = 0;

        (void)hipt_unmap_range(aside->table, &first, count, &done); /* its pages are counted */
        outcome.wrong += count - done;
        outcome.sum += done;
    }
    return outcome;
}

struct bench_outcome aside_run_retire(struct aside *aside, const struct bench_job *job)
{
    struct bench_outcome outcome = {0};

    for (size_t i = 0; i < job->count; i += BENCH_RETIRED) {
        size_t count = job->count - i < BENCH_RETIRED ? job->count - i : BENCH_RETIRED;
        size_t which = bench_key_space(job->probes[i]) - BENCH_SPACE_RETIRED;
        struct hipt_retired report = {0};

        (void)hipt_asid_retire(aside->table, aside->retired[which], &report); /* its pages are counted */
        outcome.wrong += count - report.pages;
        outcome.sum += report.visited;
    }
    return outcome;
}
