/* SPDX-License-Identifier: MIT */
#include "replay_load.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "progress.h"
#include "replay_cpu.h"

#define HOLE_MAX 64u      /* frames: such a hole costs 1 KiB of records, one more range costs every frame's search */
#define VA_BITS_LEAST 48u /* what a process of a common machine can address */
#define CLASSES 4u

static const unsigned class_shift[CLASSES] = {12, 16, 21, 30};

uint64_t replay_random(uint64_t *state)
{
    uint64_t x = *state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return x * UINT64_C(2685821657736338717);
}

/* splitmix64's finalizer: neighbouring seeds and streams start far apart. */
uint64_t replay_random_start(uint64_t seed, uint64_t stream)
{
    uint64_t x = seed * UINT64_C(0x9e3779b97f4a7c15) + stream + 1;
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    x ^= x >> 31;
    return x != 0 ? x : 1;
}

static int refuse(struct file_error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int refuse(struct file_error *error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    error->offset = 0;
    vsnprintf(error->text, sizeof(error->text), format, args);
    va_end(args);
    return -1;
}

uint64_t population_span(const struct population *population, uint32_t size)
{
    return UINT64_C(1) << (population->config.page_shift[size] - population->config.page_shift[0]);
}

/* => CLASSES for a shift that no class has. */
static uint32_t class_of(uint32_t shift)
{
    uint32_t size = 0;
    while (size < CLASSES && class_shift[size] != shift) {
        size++;
    }
    return size;
}

static int compare_ranges(const void *left, const void *right)
{
    const struct hipt_range *a = left, *b = right;
    if (a->swap != b->swap) {
        return a->swap ? 1 : -1;
    }
    return a->first < b->first ? -1 : a->first > b->first;
}

/* Join sorted ranges that meet, or that leave less than a hole between them. => how many are left. */
static size_t ranges_join(struct hipt_range *ranges, size_t count, uint64_t *frames)
{
    size_t last = 0;
    *frames = count != 0 ? ranges[0].count : 0;
    for (size_t i = 1; i < count; i++) {
        struct hipt_range *range = &ranges[last];
        uint64_t end = range->first + range->count, next_end = ranges[i].first + ranges[i].count;
        bool near = ranges[i].swap == range->swap && (ranges[i].first <= end || ranges[i].first - end < HOLE_MAX);
        if (!near) {
            *frames += ranges[i].count;
            ranges[++last] = ranges[i];
        } else if (next_end > end) {
            *frames += next_end - (ranges[i].first > end ? ranges[i].first : end);
            range->count = next_end - range->first;
        }
    }
    return count != 0 ? last + 1 : 0;
}

size_t ranges_cover(const struct mappings *mappings, struct hipt_range **ranges, uint64_t *frames)
{
    *frames = 0;
    *ranges = malloc((mappings->count + 1) * sizeof(**ranges));
    if (*ranges == NULL) {
        return SIZE_MAX;
    }
    for (size_t i = 0; i < mappings->count; i++) {
        const struct mapping_run *run = &mappings->runs[i];
        (*ranges)[i] = (struct hipt_range){
            .first = run->pfn, .count = run->npages << (run->shift - class_shift[0]), .swap = run->swap};
    }
    qsort(*ranges, mappings->count, sizeof(**ranges), compare_ranges);
    return ranges_join(*ranges, mappings->count, frames);
}

/* The spares' range goes behind the last frame, where it stays in order; swap slots are numbers of another kind. */
static int add_spares(struct population *population, struct file_error *error)
{
    uint64_t end = 0;
    for (size_t i = 0; i < population->nranges; i++) {
        const struct hipt_range *range = &population->ranges[i];
        population->records += range->count;
        if (!range->swap && range->first + range->count > end) {
            end = range->first + range->count;
        }
    }
    population->spare_first = (end + 511) / 512 * 512;
    uint64_t count = SPARE_AREA * (population->writers != 0 ? population->writers : 1);
    if (population->spare_first + count > UINT64_C(1) << HIPT_PFN_BITS) {
        return refuse(error, "frame 0x%" PRIx64 " leaves no room below 2^%u for the frames that writers move pages to",
                      end - 1, HIPT_PFN_BITS);
    }
    population->ranges[population->nranges++] = (struct hipt_range){.first = population->spare_first, .count = count};
    population->records += count;
    return 0;
}

uint64_t spare_pfn(const struct population *population, unsigned writer, unsigned spare)
{
    uint64_t area = population->spare_first + writer * SPARE_AREA;
    if (spare < SPARES_4K) {
        return area + SPARES_2M * 512 + SPARES_64K * 16 + spare;
    }
    spare -= SPARES_4K;
    return spare < SPARES_64K ? area + SPARES_2M * 512 + spare * 16 : area + (spare - SPARES_64K) * 512;
}

unsigned spare_number(const struct population *population, unsigned writer, uint64_t pfn)
{
    unsigned spare = 0;
    while (spare < SPARES && spare_pfn(population, writer, spare) != pfn) {
        spare++;
    }
    return spare;
}

void spare_class(uint32_t size, unsigned *first, unsigned *end)
{
    static const unsigned starts[] = {0, SPARES_4K, SPARES_4K + SPARES_64K, SPARES, SPARES};
    *first = starts[size];
    *end = starts[size + 1];
}

static unsigned bits_for(uint64_t highest)
{
    unsigned bits = 1;
    while (bits < 64 && highest >> bits != 0) {
        bits++;
    }
    return bits;
}

/* A table as narrow as these mappings let it be. */
static int make_table(struct population *population, const struct mappings *mappings, unsigned cpus, uint64_t seed,
                      struct file_error *error)
{
    struct hipt_config *config = &population->config;
    char text[160];
    uint64_t highest = 0;
    for (size_t i = 0; i < mappings->count; i++) {
        const struct mapping_run *run = &mappings->runs[i];
        uint64_t last = run->vpn + (run->npages << (run->shift - class_shift[0])) - 1;
        highest = last > highest ? last : highest;
    }
    unsigned va_bits = bits_for(highest) + class_shift[0];
    uint64_t secret[4];
    for (unsigned i = 0; i < 4; i++) {
        secret[i] = replay_random_start(seed, UINT64_MAX / 2 + i);
    }
    hipt_config_init(config);
    replay_cpu_hooks(&population->ops, hipt_user_ops(population->user));
    config->ops = &population->ops;
    config->cpus = cpus;
    config->capacity = population->count;
    config->asid_bits = bits_for(population->spaces - 1);
    config->va_bits = va_bits > VA_BITS_LEAST ? va_bits : VA_BITS_LEAST;
    config->nsizes = CLASSES;
    memcpy(config->page_shift, class_shift, sizeof(class_shift));
    config->ranges = population->ranges;
    config->nranges = population->nranges;
    config->secret = secret;
    if (hipt_config_check(config, text, sizeof(text)) != HIPT_OK) {
        return refuse(error, "no table can hold these mappings: %s", text);
    }
    enum hipt_status status = hipt_table_create(config, &population->table);
    config->secret = NULL; /* copied */
    return status == HIPT_OK ? 0 : refuse(error, "the table: %s", hipt_strerror(status));
}

static int take_asids(struct population *population, struct file_error *error)
{
    population->asids = calloc(population->spaces, sizeof(*population->asids));
    if (population->asids == NULL) {
        return refuse(error, "no memory for %" PRIu32 " asids", population->spaces);
    }
    for (uint32_t i = 0; i < population->spaces; i++) {
        enum hipt_status status = hipt_asid_alloc(population->table, &population->asids[i]);
        if (status != HIPT_OK) {
            return refuse(error, "asid of space %" PRIu32 ": %s", i, hipt_strerror(status));
        }
    }
    return 0;
}

static int map_run(struct population *population, const struct mapping_run *run, size_t number, uint32_t *filled,
                   struct file_error *error)
{
    uint64_t done = 0, span = UINT64_C(1) << (run->shift - class_shift[0]);
    struct hipt_mapping mapping = {
        .page = {.asid = population->asids[run->space].number, .size = class_of(run->shift), .vpn = run->vpn},
        .pfn = run->pfn,
        .prot = run->prot,
        .swap = run->swap};
    enum hipt_status status = hipt_map_range(population->table, &mapping, run->npages, &done);
    if (status != HIPT_OK) {
        return refuse(error, "run %zu: page 0x%" PRIx64 " of space %" PRIu32 ": %s", number, run->vpn + done * span,
                      run->space, hipt_strerror(status));
    }
    for (uint64_t i = 0; i < run->npages; i++, mapping.page.vpn += span, mapping.pfn += span) {
        population->home[(*filled)++] = mapping;
    }
    return 0;
}

static int map_all(struct population *population, const struct mappings *mappings, struct file_error *error)
{
    uint32_t filled = 0;
    int result = 0;
    progress_start("loading", population->count);
    for (size_t i = 0; result == 0 && i < mappings->count; i++) {
        result = map_run(population, &mappings->runs[i], i, &filled, error);
        progress_update(filled);
    }
    progress_end();
    return result;
}

static int compare_pages(const void *left, const void *right)
{
    const struct hipt_page *a = &((const struct hipt_mapping *)left)->page;
    const struct hipt_page *b = &((const struct hipt_mapping *)right)->page;
    if (a->asid != b->asid) {
        return a->asid < b->asid ? -1 : 1;
    }
    return a->vpn < b->vpn ? -1 : a->vpn > b->vpn;
}

static int compare_entries(const void *left, const void *right)
{
    const struct frame_entry *a = left, *b = right;
    if (a->key != b->key) {
        return a->key < b->key ? -1 : 1;
    }
    return a->page < b->page ? -1 : a->page > b->page;
}

static uint64_t frame_key(uint64_t pfn, bool swap, uint32_t size)
{
    return (swap ? UINT64_C(1) << 63 : 0) | pfn << 2 | size;
}

/* Mappings are counted at their first frame, whatever their size, as the table's frame records count them. */
static void count_sharing(struct population *population)
{
    uint32_t sharers = 0;
    for (uint32_t i = 0; i < population->count; i++) {
        bool same = i != 0 && population->by_frame[i].key >> 2 == population->by_frame[i - 1].key >> 2;
        sharers = same ? sharers + 1 : 1;
        population->shared += sharers == 2;
        population->most_sharers = sharers > population->most_sharers ? sharers : population->most_sharers;
    }
}

static void sort_all(struct population *population)
{
    qsort(population->home, population->count, sizeof(*population->home), compare_pages);
    for (uint32_t i = 0; i < population->count; i++) {
        const struct hipt_mapping *m = &population->home[i];
        population->by_frame[i] = (struct frame_entry){.key = frame_key(m->pfn, m->swap, m->page.size), .page = i};
    }
    qsort(population->by_frame, population->count, sizeof(*population->by_frame), compare_entries);
    count_sharing(population);
}

static int count_mappings(struct population *population, const struct mappings *mappings, struct file_error *error)
{
    uint64_t count = 0;
    for (size_t i = 0; i < mappings->count; i++) {
        const struct mapping_run *run = &mappings->runs[i];
        if (class_of(run->shift) == CLASSES) {
            return refuse(error, "run %zu: pages of 2^%" PRIu32 " bytes; a table has 4 KiB, 64 KiB, 2 MiB and 1 GiB", i,
                          run->shift);
        }
        if (run->npages >= REPLAY_NONE - count) {
            return refuse(error, "more than %" PRIu32 " mappings", REPLAY_NONE - 1);
        }
        count += run->npages;
    }
    if (count == 0) {
        return refuse(error, "no mappings in it");
    }
    population->count = (uint32_t)count;
    population->spaces = mappings->spaces;
    return 0;
}

static int reserve(struct population *population, const struct mappings *mappings, struct file_error *error)
{
    population->home = calloc(population->count, sizeof(*population->home));
    population->by_frame = calloc(population->count, sizeof(*population->by_frame));
    population->nranges = ranges_cover(mappings, &population->ranges, &population->frames);
    if (population->home == NULL || population->by_frame == NULL || population->nranges == SIZE_MAX) {
        return refuse(error, "no memory for %" PRIu32 " mappings", population->count);
    }
    if (hipt_user_create(HIPT_USER_URCU, &population->user) != HIPT_OK) {
        return refuse(error, "the user-space port cannot be started");
    }
    return 0;
}

int population_load(struct population *population, const struct mappings *mappings, unsigned writers, unsigned cpus,
                    uint64_t seed, struct file_error *error)
{
    memset(population, 0, sizeof(*population));
    population->writers = writers;
    if (count_mappings(population, mappings, error) != 0 || reserve(population, mappings, error) != 0 ||
        add_spares(population, error) != 0 || make_table(population, mappings, cpus, seed, error) != 0 ||
        take_asids(population, error) != 0 || map_all(population, mappings, error) != 0) {
        return -1;
    }
    sort_all(population);
    hipt_table_stats(population->table, &population->stats);
    return 0;
}

void population_free(struct population *population)
{
    hipt_table_destroy(population->table);
    hipt_user_destroy(population->user);
    free(population->home);
    free(population->by_frame);
    free(population->asids);
    free(population->ranges);
}

uint32_t population_find(const struct population *population, uint32_t asid, uint64_t vpn)
{
    uint32_t low = 0, high = population->count;
    while (low < high) { /* the first page behind the address */
        uint32_t middle = low + (high - low) / 2;
        const struct hipt_page *page = &population->home[middle].page;
        if (page->asid < asid || (page->asid == asid && page->vpn <= vpn)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == 0) {
        return REPLAY_NONE;
    }
    const struct hipt_page *page = &population->home[low - 1].page;
    bool covers = page->asid == asid && vpn - page->vpn < population_span(population, page->size);
    return covers ? low - 1 : REPLAY_NONE;
}

static uint32_t first_entry(const struct population *population, uint64_t key)
{
    uint32_t low = 0, high = population->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (population->by_frame[middle].key < key) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static int compare_numbers(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return a < b ? -1 : a > b;
}

size_t population_sharers(const struct population *population, struct hipt_frame frame, uint32_t *pages, size_t room)
{
    size_t count = 0;
    for (uint32_t size = 0; size < CLASSES; size++) {
        uint64_t span = population_span(population, size);
        uint64_t key = frame_key(frame.pfn / span * span, frame.swap, size);
        for (uint32_t i = first_entry(population, key); i < population->count && population->by_frame[i].key == key;
             i++) {
            if (count < room) {
                pages[count] = population->by_frame[i].page;
            }
            count++;
        }
    }
    qsort(pages, count < room ? count : room, sizeof(*pages), compare_numbers);
    return count;
}
