/* SPDX-License-Identifier: MIT */
/* The whole table against the oracle's final states, when nobody changes it any more. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "progress.h"
#include "replay_run.h"

struct comparison {
    const struct population *population;
    const struct oracle *oracle;
    struct replay_result *result;
    uint8_t *seen;     /* of each page, by the walk */
    uint32_t *spares;  /* page at each spare of each writer, REPLAY_NONE where none is */
    uint32_t *sharers; /* scratch for one frame */
    uint8_t *marked;   /* likewise */
    uint64_t *words;   /* likewise */
    struct hipt_mapping *reports;
    size_t room;
};

char *replay_describe(const struct hipt_mapping *mapping, char *text, size_t bytes)
{
    snprintf(text, bytes,
             "asid %" PRIu32 " vpn 0x%" PRIx64 " size %" PRIu32 " -> %s 0x%" PRIx64 " prot %u attr %u marks %u",
             mapping->page.asid, mapping->page.vpn, mapping->page.size, mapping->swap ? "swap slot" : "frame",
             mapping->pfn, mapping->prot, mapping->attr, mapping->marks);
    return text;
}

static bool mismatch(struct replay_result *result, const char *format, ...) __attribute__((format(printf, 2, 3)));

static bool mismatch(struct replay_result *result, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(result->text, sizeof(result->text), format, args);
    va_end(args);
    result->mismatch = true;
    return false;
}

static oracle_state final_state(const struct comparison *comparison, uint32_t page)
{
    return oracle_after(atomic_load_explicit(&comparison->oracle->words[page], memory_order_acquire));
}

static bool compare_one(const struct comparison *comparison, const struct hipt_mapping *got)
{
    char text[2][160];
    uint32_t page = population_find(comparison->population, got->page.asid, got->page.vpn);
    if (page == REPLAY_NONE) {
        return mismatch(comparison->result, "at the end: the walk returns %s, a page that was never mapped",
                        replay_describe(got, text[0], sizeof(text[0])));
    }
    oracle_state want = final_state(comparison, page);
    if (want == ORACLE_ABSENT) {
        return mismatch(comparison->result, "at the end: the walk returns %s, which is not mapped",
                        replay_describe(got, text[0], sizeof(text[0])));
    }
    if (oracle_encode(comparison->oracle, page, got) != want || comparison->seen[page] != 0) {
        struct hipt_mapping right = oracle_decode(comparison->oracle, page, want);
        return mismatch(comparison->result, "at the end: the walk returns %s%s, expected %s",
                        replay_describe(got, text[0], sizeof(text[0])), comparison->seen[page] != 0 ? " twice" : "",
                        replay_describe(&right, text[1], sizeof(text[1])));
    }
    comparison->seen[page] = 1;
    comparison->result->final_mappings++;
    return true;
}

static bool compare_walk(const struct comparison *comparison)
{
    struct hipt_cursor cursor = {0};
    struct hipt_mapping got;
    char text[160];
    while (hipt_table_next(comparison->population->table, &cursor, &got) == HIPT_OK) {
        if (!compare_one(comparison, &got)) {
            return false;
        }
    }
    for (uint32_t i = 0; i < comparison->population->count; i++) {
        oracle_state state = final_state(comparison, i);
        if (state != ORACLE_ABSENT && comparison->seen[i] == 0) {
            struct hipt_mapping right = oracle_decode(comparison->oracle, i, state);
            return mismatch(comparison->result, "at the end: the walk does not return %s",
                            replay_describe(&right, text, sizeof(text)));
        }
    }
    return true;
}

/* The spare that a frame belongs to, a large one's inside included. => the page at it, or REPLAY_NONE */
static uint32_t spare_holder(const struct comparison *comparison, uint64_t pfn)
{
    const struct population *population = comparison->population;
    unsigned writer = (unsigned)((pfn - population->spare_first) / SPARE_AREA);
    for (uint32_t size = 0; writer < population->writers && size < 3; size++) {
        unsigned first, end, spare = spare_number(population, writer, pfn - pfn % population_span(population, size));
        spare_class(size, &first, &end);
        if (spare >= first && spare < end) {
            return comparison->spares[writer * SPARES + spare];
        }
    }
    return REPLAY_NONE;
}

/* => how many pages are at a frame now; they are in comparison->sharers, ascending. */
static size_t find_sharers(const struct comparison *comparison, struct hipt_frame frame)
{
    if (!frame.swap && frame.pfn >= comparison->population->spare_first) {
        comparison->sharers[0] = spare_holder(comparison, frame.pfn);
        return comparison->sharers[0] != REPLAY_NONE ? 1 : 0;
    }
    size_t count = population_sharers(comparison->population, frame, comparison->sharers, comparison->room), kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (oracle_place(final_state(comparison, comparison->sharers[i])) == PLACE_HOME) {
            comparison->sharers[kept++] = comparison->sharers[i];
        }
    }
    return kept;
}

static bool compare_frame(const struct comparison *comparison, struct hipt_frame frame)
{
    char text[160] = "";
    size_t count = 0, want = find_sharers(comparison, frame), report, missing;
    enum hipt_status status =
        hipt_reverse(comparison->population->table, frame, comparison->reports, comparison->room, &count);
    if (status != (want == 0 ? HIPT_ABSENT : HIPT_OK) || count != want) {
        return mismatch(comparison->result, "at the end: %s 0x%" PRIx64 " has %zu mappings (%s), expected %zu",
                        frame.swap ? "swap slot" : "frame", frame.pfn, count, hipt_strerror(status), want);
    }
    for (size_t i = 0; i < want; i++) {
        comparison->words[i] =
            atomic_load_explicit(&comparison->oracle->words[comparison->sharers[i]], memory_order_acquire);
    }
    struct oracle_tally tally = {0};
    struct oracle_reverse reverse = {.frame = frame,
                                     .pages = comparison->sharers,
                                     .before = comparison->words,
                                     .after = comparison->words,
                                     .seen = comparison->marked,
                                     .npages = want,
                                     .place =
                                         want != 0 ? oracle_place(final_state(comparison, comparison->sharers[0])) : 0,
                                     .reports = comparison->reports,
                                     .nreports = count};
    if (oracle_judge_reverse(comparison->oracle, &reverse, &tally, &report, &missing) == ORACLE_WRONG) {
        return mismatch(comparison->result, "at the end: %s 0x%" PRIx64 ": %s %s", frame.swap ? "swap slot" : "frame",
                        frame.pfn, report != SIZE_MAX ? "wrong report" : "a mapping is missing;",
                        report != SIZE_MAX ? replay_describe(&comparison->reports[report], text, sizeof(text)) : "");
    }
    comparison->result->final_frames++;
    return true;
}

static bool compare_frames(const struct comparison *comparison)
{
    const struct population *population = comparison->population;
    uint64_t done = 0;
    bool right = true;
    progress_start("comparing", population->records);
    for (size_t r = 0; right && r < population->nranges; r++) {
        const struct hipt_range *range = &population->ranges[r];
        for (uint64_t i = 0; right && i < range->count; i++) {
            right = compare_frame(comparison, (struct hipt_frame){.pfn = range->first + i, .swap = range->swap});
            progress_update(++done);
        }
    }
    progress_end();
    return right;
}

/* Also finds two pages at one spare: no writer does that. */
static bool find_spare_holders(struct comparison *comparison)
{
    const struct population *population = comparison->population;
    memset(comparison->spares, 0xff, (population->writers * (size_t)SPARES + 1) * sizeof(*comparison->spares));
    for (uint32_t i = 0; i < population->count; i++) {
        unsigned place = oracle_place(final_state(comparison, i));
        if (place < PLACE_SPARE) {
            continue;
        }
        size_t spare = (size_t)oracle_writer(comparison->oracle, i) * SPARES + (place - PLACE_SPARE);
        if (comparison->spares[spare] != REPLAY_NONE) {
            return mismatch(comparison->result, "at the end: spare %zu holds two pages", spare);
        }
        comparison->spares[spare] = i;
    }
    return true;
}

/* The most mappings that any frame can have: those of its own and those of the larger pages around it. */
static size_t sharers_bound(const struct population *population)
{
    return (size_t)population->most_sharers * 4 + 1;
}

bool replay_compare(const struct population *population, const struct oracle *oracle, struct replay_result *result)
{
    char text[300];
    bool right = false;
    size_t room = sharers_bound(population);
    struct comparison comparison = {.population = population, .oracle = oracle, .result = result, .room = room};
    comparison.seen = calloc(population->count, 1);
    comparison.spares = calloc(population->writers * (size_t)SPARES + 1, sizeof(*comparison.spares));
    comparison.sharers = calloc(room, sizeof(*comparison.sharers));
    comparison.marked = calloc(room, 1);
    comparison.words = calloc(room, sizeof(*comparison.words));
    comparison.reports = calloc(room, sizeof(*comparison.reports));
    if (comparison.seen == NULL || comparison.spares == NULL || comparison.sharers == NULL ||
        comparison.marked == NULL || comparison.words == NULL || comparison.reports == NULL) {
        result->failed = true;
        snprintf(result->text, sizeof(result->text), "no memory to compare the whole table");
    } else if (!hipt_table_is_valid(population->table, text, sizeof(text))) {
        mismatch(result, "at the end: the table is not valid: %s", text);
    } else {
        right = find_spare_holders(&comparison) && compare_walk(&comparison) && compare_frames(&comparison);
    }
    free(comparison.seen);
    free(comparison.spares);
    free(comparison.sharers);
    free(comparison.marked);
    free(comparison.words);
    free(comparison.reports);
    return right;
}
