/* SPDX-License-Identifier: MIT */
/*
 * Random operations on a table and on the model, every status and every output compared. One thread, in a host whose
 * grace periods end only when the test lets them: a failure repeats with its seed, which it prints with the number of
 * the operation. HIPT_SEED in the environment runs another seed.
 *
 * Two answers are scarcity, which no model of the mappings can foresee: HIPT_BUSY where a slot, a bucket or a number
 * waits for a grace period (narrow versions), and HIPT_FULL where a chain is at its bound (few buckets). Each is legal
 * only in the geometries that can bring it about, and must have changed nothing.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "host.h"
#include "model.h"

#define OPERATIONS 1000000u
#define POOL_MAX 2048u
#define SLOTS_MAX 8u
#define ROOM 64u
#define RETRIES_MAX 64u /* grace periods that one operation may need before it must succeed */

enum verb {
    VERB_MAP,
    VERB_UNMAP,
    VERB_PROTECT,
    VERB_REMAP,
    VERB_LOOKUP,
    VERB_BATCH,
    VERB_LINES,
    VERB_REVERSE,
    VERB_MARK,
    VERB_CLEAN,
    VERB_MAP_RANGE,
    VERB_UNMAP_RANGE,
    VERB_PROTECT_RANGE,
    VERB_MAP_BATCH,
    VERB_UNMAP_BATCH,
    VERB_PIN,
    VERB_UNPIN,
    VERB_FRAME_GET,
    VERB_REAP,
    VERB_ALLOC,
    VERB_RETIRE,
    VERBS
};

static const char *const verb_names[VERBS] = {
    "map",         "unmap",        "protect",   "remap",       "lookup",        "lookup_batch", "lookup_lines",
    "reverse",     "mark",         "clean",     "map_range",   "unmap_range",   "protect_range", "map_batch",
    "unmap_batch", "pin",          "unpin",     "frame_get",   "reap",          "asid_alloc",   "asid_retire"};

struct scenario {
    const char *name;
    struct hipt_config config;
    struct hipt_page pool[POOL_MAX]; /* pages that are operated on */
    size_t pool_count;
    size_t slots;    /* asids alive at a time */
    bool keyed;      /* the pool's pages name their asids; otherwise any living one is taken */
    size_t max_live; /* mappings at a time */
    bool may_wait;   /* HIPT_BUSY may mean that a grace period has to pass */
    bool may_fill;   /* HIPT_FULL may mean that a chain is at its bound */
};

struct run {
    const struct scenario *scenario;
    struct host host;
    struct hipt_table *table;
    struct model *model;
    struct hipt_asid slots[SLOTS_MAX];
    uint64_t seed, operation, random;
    enum verb verb;
    uint64_t waits, fulls;
    uint64_t outcomes[VERBS][HIPT_STATUS_COUNT];
};

#define REQUIRE(run, condition, ...)                                                                                   \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fail_with(run, #condition, __VA_ARGS__);                                                                   \
        }                                                                                                              \
    } while (0)

static void fail_with(const struct run *run, const char *condition, const char *format, ...)
    __attribute__((format(printf, 3, 4), noreturn));

static void fail_with(const struct run *run, const char *condition, const char *format, ...)
{
    char text[400];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    cr_assert_fail("%s, HIPT_SEED=%llu, operation %llu (%s): %s: %s", run->scenario->name,
                   (unsigned long long)run->seed, (unsigned long long)run->operation, verb_names[run->verb], condition,
                   text);
    abort();
}

static uint64_t below(struct run *run, uint64_t bound)
{
    return (host_random(&run->random) >> 16) % bound;
}

static bool one_in(struct run *run, uint64_t n)
{
    return below(run, n) == 0;
}

/* --- Comparing -----------------------------------------------------------------------------------------------------
 */

static bool same_page(const struct hipt_page *a, const struct hipt_page *b)
{
    return a->asid == b->asid && a->size == b->size && a->vpn == b->vpn;
}

static bool same_mapping(const struct hipt_mapping *a, const struct hipt_mapping *b)
{
    return same_page(&a->page, &b->page) && a->pfn == b->pfn && a->prot == b->prot && a->attr == b->attr &&
           a->marks == b->marks && a->swap == b->swap;
}

static void require_same(struct run *run, const struct hipt_mapping *got, const struct hipt_mapping *want)
{
    REQUIRE(run, same_mapping(got, want),
            "got %u:%llx/%u -> %llx p%u a%u m%u s%d, want %u:%llx/%u -> %llx p%u a%u m%u s%d", got->page.asid,
            (unsigned long long)got->page.vpn, got->page.size, (unsigned long long)got->pfn, got->prot, got->attr,
            got->marks, got->swap, want->page.asid, (unsigned long long)want->page.vpn, want->page.size,
            (unsigned long long)want->pfn, want->prot, want->attr, want->marks, want->swap);
}

static void require_legal(struct run *run, enum hipt_status status, model_set legal)
{
    REQUIRE(run, (unsigned)status < HIPT_STATUS_COUNT && (legal & model_bit(status)) != 0,
            "answered \"%s\", legal are 0x%x", hipt_strerror(status), legal);
    run->outcomes[run->verb][status]++;
}

/* Whether an answer is scarcity. => true: the operation is tried again, after a grace period. */
static bool wants_retry(struct run *run, enum hipt_status status, model_set legal, unsigned *tries)
{
    if (status != HIPT_BUSY || (legal & model_bit(HIPT_BUSY)) != 0 || !run->scenario->may_wait ||
        run->host.depth != 0) {
        return false;
    }
    REQUIRE(run, ++*tries <= RETRIES_MAX, "still busy after %u grace periods", *tries);
    run->waits++;
    host_pass(&run->host);
    return true;
}

/* => true: the answer is a chain full of mappings, legal here, and nothing has changed. */
static bool is_full(struct run *run, enum hipt_status status)
{
    if (status != HIPT_FULL || !run->scenario->may_fill) {
        return false;
    }
    REQUIRE(run, model_count(run->model) >= HIPT_CHAIN_LINES_MAX * HIPT_SLOTS, "with only %zu mappings",
            model_count(run->model));
    run->fulls++;
    return true;
}

/* --- Choosing ------------------------------------------------------------------------------------------------------
 */

static uint64_t base_pages(const struct run *run, uint32_t size)
{
    const struct hipt_config *config = &run->scenario->config;
    return (uint64_t)1 << (config->page_shift[size] - config->page_shift[0]);
}

static struct hipt_page any_page(struct run *run)
{
    struct hipt_page page = run->scenario->pool[below(run, run->scenario->pool_count)];
    if (!run->scenario->keyed) {
        page.asid = run->slots[below(run, run->scenario->slots)].number;
    }
    return page;
}

/* A mapped page more often than not. */
static struct hipt_page likely_page(struct run *run)
{
    uint32_t asid = run->slots[below(run, run->scenario->slots)].number;
    size_t count = model_asid_count(run->model, asid);
    if (count == 0 || one_in(run, 4)) {
        return any_page(run);
    }
    return model_asid_entry(run->model, asid, below(run, count))->mapping.page;
}

static struct hipt_frame any_frame(struct run *run, uint32_t size)
{
    const struct hipt_config *config = &run->scenario->config;
    const struct hipt_range *range = &config->ranges[below(run, config->nranges)];
    uint64_t base = base_pages(run, size);
    return (struct hipt_frame){.pfn = (range->first + below(run, range->count)) / base * base, .swap = range->swap};
}

/* A frame that is mapped more often than not, the inside of large mappings included. */
static struct hipt_frame likely_frame(struct run *run)
{
    struct hipt_page page = likely_page(run);
    const struct model_entry *entry = page.size < run->scenario->config.nsizes ? model_find(run->model, &page) : NULL;
    if (entry == NULL || one_in(run, 4)) {
        return any_frame(run, 0);
    }
    const struct hipt_mapping *m = &entry->mapping;
    return (struct hipt_frame){.pfn = m->pfn + below(run, base_pages(run, m->page.size)), .swap = m->swap};
}

static uint8_t any_prot(struct run *run)
{
    return (uint8_t)((1 + below(run, 7)) | (one_in(run, 2) ? HIPT_USER : 0));
}

static struct hipt_mapping any_mapping(struct run *run, struct hipt_page page)
{
    struct hipt_frame frame = any_frame(run, page.size);
    return (struct hipt_mapping){.page = page,
                                 .pfn = frame.pfn,
                                 .prot = any_prot(run),
                                 .attr = (uint8_t)below(run, HIPT_ATTR_MAX + 1),
                                 .marks = (uint8_t)below(run, 4),
                                 .swap = frame.swap};
}

/* Make one number of a page wrong. The model says what must be answered. */
static void spoil_page(struct run *run, struct hipt_page *page)
{
    const struct hipt_config *config = &run->scenario->config;
    switch (below(run, 4)) {
    case 0:
        page->asid = (uint32_t)1 << config->asid_bits;
        break;
    case 1:
        page->vpn = ((uint64_t)1 << (config->va_bits - config->page_shift[0])) + page->vpn;
        break;
    case 2:
        page->size = config->nsizes + (uint32_t)below(run, 3);
        break;
    default:
        page->vpn ^= page->size != 0 ? 1 : 0;
        break;
    }
}

static void spoil_mapping(struct run *run, struct hipt_mapping *mapping)
{
    switch (below(run, 6)) {
    case 0:
        mapping->pfn = UINT64_C(1) << HIPT_PFN_BITS;
        break;
    case 1:
        mapping->prot = one_in(run, 2) ? HIPT_USER : (uint8_t)(mapping->prot | 0x10);
        break;
    case 2:
        mapping->attr = HIPT_ATTR_MAX + 1;
        break;
    case 3:
        mapping->pfn |= mapping->page.size != 0 ? 1 : 0;
        break;
    case 4:
        mapping->marks |= 0x80;
        break;
    default:
        spoil_page(run, &mapping->page);
        break;
    }
}

/* --- The verbs, each on both sides ---------------------------------------------------------------------------------
 */

static void do_map(struct run *run, const struct hipt_mapping *mapping)
{
    model_set legal = model_map_legal(run->model, mapping);
    enum hipt_status status;
    unsigned tries = 0;
    run->verb = VERB_MAP;
    do {
        status = hipt_map(run->table, mapping);
    } while (wants_retry(run, status, legal, &tries));
    if (is_full(run, status)) {
        return;
    }
    require_legal(run, status, legal);
    if (status == HIPT_OK) {
        model_map(run->model, mapping);
    }
}

static void do_unmap(struct run *run, const struct hipt_page *page)
{
    model_set legal = model_unmap_legal(run->model, page);
    struct hipt_mapping got = {0}, want;
    enum hipt_status status;
    unsigned tries = 0;
    bool asked = !one_in(run, 8);
    run->verb = VERB_UNMAP;
    do {
        status = hipt_unmap(run->table, page, asked ? &got : NULL);
    } while (wants_retry(run, status, legal, &tries));
    require_legal(run, status, legal);
    if (status == HIPT_OK) {
        model_unmap(run->model, page, &want);
        if (asked) {
            require_same(run, &got, &want);
        }
    }
}

static void do_protect(struct run *run, const struct hipt_page *page, uint8_t prot)
{
    model_set legal = model_protect_legal(run->model, page, prot);
    enum hipt_status status;
    unsigned tries = 0;
    run->verb = VERB_PROTECT;
    do {
        status = hipt_protect(run->table, page, prot);
    } while (wants_retry(run, status, legal, &tries));
    require_legal(run, status, legal);
    if (status == HIPT_OK) {
        model_protect(run->model, page, prot);
    }
}

static void do_remap(struct run *run, const struct hipt_mapping *mapping)
{
    model_set legal = model_remap_legal(run->model, mapping);
    struct hipt_mapping got = {0}, want;
    enum hipt_status status;
    unsigned tries = 0;
    run->verb = VERB_REMAP;
    do {
        status = hipt_remap(run->table, mapping, &got);
    } while (wants_retry(run, status, legal, &tries));
    if (is_full(run, status)) {
        return;
    }
    require_legal(run, status, legal);
    if (status == HIPT_OK) {
        model_remap(run->model, mapping, &want);
        require_same(run, &got, &want);
    }
}

static void do_lookup(struct run *run, uint32_t asid, uint64_t vpn)
{
    struct model_entry want;
    struct hipt_translation got;
    run->verb = VERB_LOOKUP;
    enum hipt_status expected = model_lookup(run->model, asid, vpn, &want);
    enum hipt_status status = hipt_lookup(run->table, asid, vpn, &got);
    require_legal(run, status, model_bit(expected));
    if (status == HIPT_OK) {
        require_same(run, &got.mapping, &want.mapping);
    }
}

static struct hipt_page any_address(struct run *run)
{
    struct hipt_page page = likely_page(run);
    page.vpn += below(run, base_pages(run, page.size));
    if (one_in(run, 64)) {
        spoil_page(run, &page);
    }
    return page;
}

static void do_batch(struct run *run)
{
    struct hipt_page pages[ROOM];
    struct hipt_translation got[ROOM];
    enum hipt_status status[ROOM];
    uint64_t ptes[ROOM];
    size_t count = below(run, ROOM + 1), found = 0;
    run->verb = VERB_BATCH;
    for (size_t i = 0; i < count; i++) {
        pages[i] = any_address(run);
    }
    size_t answered = hipt_lookup_batch(run->table, pages, count, got, status);
    for (size_t i = 0; i < count; i++) {
        struct model_entry want;
        require_legal(run, status[i], model_bit(model_lookup(run->model, pages[i].asid, pages[i].vpn, &want)));
        if (status[i] == HIPT_OK) {
            require_same(run, &got[i].mapping, &want.mapping);
            found++;
        }
    }
    REQUIRE(run, answered == found, "said %zu found, found %zu", answered, found);
    answered = hipt_lookup_pte_batch(run->table, pages, count, ptes);
    REQUIRE(run, answered == found, "said %zu words, found %zu", answered, found);
    for (size_t i = 0; i < count; i++) {
        uint64_t pfn = status[i] == HIPT_OK ? got[i].mapping.pfn + (pages[i].vpn - got[i].mapping.page.vpn) : 0;
        REQUIRE(run, (ptes[i] != 0) == (status[i] == HIPT_OK) && HIPT_PTE_PFN(ptes[i]) == pfn, "word %zu", i);
        REQUIRE(run, hipt_lookup_pte(run->table, pages[i].asid, pages[i].vpn) == ptes[i], "word %zu of a batch", i);
    }
}

static void do_lines(struct run *run)
{
    struct hipt_page page = any_address(run);
    struct model_entry want;
    bool found = false;
    run->verb = VERB_LINES;
    enum hipt_status expected = model_lookup(run->model, page.asid, page.vpn, &want);
    unsigned lines = hipt_lookup_lines(run->table, page.asid, page.vpn, &found);
    REQUIRE(run, found == (expected == HIPT_OK), "found %d, expected \"%s\"", found, hipt_strerror(expected));
    REQUIRE(run, !found || lines >= 1, "found in %u lines", lines);
    REQUIRE(run, lines <= HIPT_CHAIN_LINES_MAX * run->scenario->config.nsizes, "%u lines", lines);
    run->outcomes[VERB_LINES][expected]++;
}

/*
 * Scarcity, of an entry of a batch. It is not tried again: others have come after it. => true: the answer is legal, and
 * nothing has changed.
 */
static bool is_scarce(struct run *run, enum hipt_status status, model_set legal)
{
    if (status == HIPT_BUSY && (legal & model_bit(HIPT_BUSY)) == 0 && run->scenario->may_wait) {
        run->outcomes[run->verb][HIPT_BUSY]++;
        return true;
    }
    return is_full(run, status);
}

/* One in eight is one of the entries before it again. */
static size_t maybe_earlier(struct run *run, size_t at)
{
    return at != 0 && one_in(run, 8) ? below(run, at) : at;
}

static void do_map_batch(struct run *run, size_t most)
{
    struct hipt_mapping mappings[ROOM];
    enum hipt_status status[ROOM];
    size_t count = below(run, most + 1), mapped = 0;
    run->verb = VERB_MAP_BATCH;
    for (size_t i = 0; i < count; i++) {
        mappings[i] = any_mapping(run, any_page(run));
        mappings[i].page = mappings[maybe_earlier(run, i)].page;
        if (one_in(run, 24)) {
            spoil_mapping(run, &mappings[i]);
        }
    }
    size_t answered = hipt_map_batch(run->table, mappings, count, status);
    for (size_t i = 0; i < count; i++) {
        model_set legal = model_map_legal(run->model, &mappings[i]);
        if (is_scarce(run, status[i], legal)) {
            continue;
        }
        require_legal(run, status[i], legal);
        if (status[i] == HIPT_OK) {
            model_map(run->model, &mappings[i]);
            mapped++;
        }
    }
    REQUIRE(run, answered == mapped, "said %zu mapped, mapped %zu", answered, mapped);
}

static void do_unmap_batch(struct run *run)
{
    struct hipt_page pages[ROOM];
    struct hipt_mapping got[ROOM], want;
    enum hipt_status status[ROOM];
    size_t count = below(run, ROOM + 1), ended = 0;
    bool asked = !one_in(run, 8);
    run->verb = VERB_UNMAP_BATCH;
    for (size_t i = 0; i < count; i++) {
        pages[i] = likely_page(run);
        pages[i] = pages[maybe_earlier(run, i)];
        if (one_in(run, 64)) {
            spoil_page(run, &pages[i]);
        }
    }
    size_t answered = hipt_unmap_batch(run->table, pages, count, asked ? got : NULL, status);
    for (size_t i = 0; i < count; i++) {
        require_legal(run, status[i], model_unmap_legal(run->model, &pages[i]));
        if (status[i] == HIPT_OK) {
            model_unmap(run->model, &pages[i], &want);
            if (asked) {
                require_same(run, &got[i], &want);
            }
            ended++;
        }
    }
    REQUIRE(run, answered == ended, "said %zu ended, ended %zu", answered, ended);
}

/* Whether a mapping covers a frame. */
static bool covers(const struct run *run, const struct hipt_mapping *m, struct hipt_frame frame)
{
    return m->swap == frame.swap && frame.pfn >= m->pfn && frame.pfn - m->pfn < base_pages(run, m->page.size);
}

/* How many mappings of the model cover a frame. */
static size_t count_sharers(const struct run *run, struct hipt_frame frame)
{
    size_t sharers = 0;
    for (size_t s = 0; s < run->scenario->slots; s++) {
        uint32_t asid = run->slots[s].number;
        for (size_t i = 0; i < model_asid_count(run->model, asid); i++) {
            sharers += covers(run, &model_asid_entry(run->model, asid, i)->mapping, frame);
        }
    }
    return sharers;
}

/* As many distinct mappings of the model as cover the frame have been reported: then they are exactly those. */
static void check_reverse(struct run *run, struct hipt_frame frame, size_t sharers, size_t room)
{
    struct hipt_mapping got[ROOM];
    size_t count = SIZE_MAX;
    enum hipt_status status = hipt_reverse(run->table, frame, room == 0 ? NULL : got, room, &count);
    require_legal(run, status, model_bit(sharers == 0 ? HIPT_ABSENT : HIPT_OK));
    REQUIRE(run, count == sharers, "pfn %llx: %zu sharers, want %zu", (unsigned long long)frame.pfn, count, sharers);
    for (size_t i = 0; i < count && i < room; i++) {
        const struct model_entry *want = got[i].page.asid < (uint32_t)1 << run->scenario->config.asid_bits
                                             ? model_find(run->model, &got[i].page)
                                             : NULL;
        REQUIRE(run, want != NULL, "pfn %llx: reports a page that is not mapped", (unsigned long long)frame.pfn);
        require_same(run, &got[i], &want->mapping);
        REQUIRE(run, covers(run, &got[i], frame), "pfn %llx: reports another frame", (unsigned long long)frame.pfn);
        for (size_t j = 0; j < i; j++) {
            REQUIRE(run, !same_page(&got[i].page, &got[j].page), "pfn %llx: reports a page twice",
                    (unsigned long long)frame.pfn);
        }
    }
}

static void do_reverse(struct run *run)
{
    struct hipt_frame frame = likely_frame(run);
    run->verb = VERB_REVERSE;
    check_reverse(run, frame, count_sharers(run, frame), one_in(run, 4) ? below(run, 3) : ROOM);
}

/* What may happen between a lookup and the mark that uses it, in one read side. */
static void disturb(struct run *run, const struct hipt_page *page)
{
    struct hipt_mapping out, again = any_mapping(run, *page);
    struct hipt_translation translation;
    uint8_t prot = any_prot(run);
    switch (below(run, 8)) {
    case 0:
        if (hipt_protect(run->table, page, prot) == HIPT_OK) {
            model_protect(run->model, page, prot);
        }
        break;
    case 1: /* the same translation again */
        again = model_find(run->model, page)->mapping;
        /* fall through */
    case 2:
        if (hipt_remap(run->table, &again, &out) == HIPT_OK) {
            model_remap(run->model, &again, &out);
        }
        break;
    case 3: /* the same page and perhaps the same translation, but another life */
        if (one_in(run, 2)) {
            again = model_find(run->model, page)->mapping;
        }
        if (hipt_unmap(run->table, page, &out) == HIPT_OK) {
            model_unmap(run->model, page, &out);
            if (!one_in(run, 4) && hipt_map(run->table, &again) == HIPT_OK) {
                model_map(run->model, &again);
            }
        }
        break;
    case 4:
        if (hipt_lookup(run->table, page->asid, page->vpn, &translation) == HIPT_OK &&
            hipt_mark(run->table, &translation, HIPT_DIRTY) == HIPT_OK) {
            model_mark(run->model, page, HIPT_DIRTY, 0);
        }
        break;
    default:
        break;
    }
}

static void mark_once(struct run *run, struct hipt_translation *translation, const struct model_entry *read, bool clean)
{
    uint8_t marks = (uint8_t)below(run, 4);
    if (one_in(run, 64)) {
        marks |= 0x4;
    }
    model_set legal = model_mark_legal(run->model, read, marks);
    run->verb = clean ? VERB_CLEAN : VERB_MARK;
    enum hipt_status status =
        clean ? hipt_clean(run->table, translation, marks) : hipt_mark(run->table, translation, marks);
    require_legal(run, status, legal);
    if (status != HIPT_OK) {
        return;
    }
    const struct hipt_page *page = &read->mapping.page;
    struct hipt_mapping want = model_find(run->model, page)->mapping;
    model_mark(run->model, page, clean ? 0 : marks, clean ? marks : 0);
    require_same(run, &translation->mapping, clean ? &want : &model_find(run->model, page)->mapping);
}

static void do_mark(struct run *run)
{
    struct hipt_page page = likely_page(run);
    struct hipt_translation translation;
    struct model_entry read;
    run->verb = VERB_MARK;
    hipt_read_enter(run->table);
    enum hipt_status status = hipt_lookup(run->table, page.asid, page.vpn, &translation);
    REQUIRE(run, status == model_lookup(run->model, page.asid, page.vpn, &read), "the lookup");
    if (status == HIPT_OK) {
        disturb(run, &read.mapping.page);
        mark_once(run, &translation, &read, one_in(run, 2));
        mark_once(run, &translation, &read, one_in(run, 2));
    }
    hipt_read_exit(run->table);
}

static uint64_t any_length(struct run *run)
{
    return one_in(run, 256) ? UINT64_C(1) << 60 : 1 + below(run, 12);
}

static void do_map_range(struct run *run)
{
    struct hipt_mapping mapping = any_mapping(run, any_page(run));
    uint64_t npages = any_length(run), done = UINT64_MAX, step = base_pages(run, mapping.page.size);
    run->verb = VERB_MAP_RANGE;
    if (model_count(run->model) + npages > run->scenario->max_live && npages <= 12) {
        return;
    }
    model_set input = model_map_range_input(run->model, &mapping, npages);
    enum hipt_status status = hipt_map_range(run->table, &mapping, npages, &done);
    if (input != model_bit(HIPT_OK)) {
        require_legal(run, status, input);
        return;
    }
    REQUIRE(run, done <= npages, "did %llu of %llu", (unsigned long long)done, (unsigned long long)npages);
    for (uint64_t i = 0; i < done; i++, mapping.page.vpn += step, mapping.pfn += step) {
        REQUIRE(run, model_map_legal(run->model, &mapping) == model_bit(HIPT_OK), "page %llu", (unsigned long long)i);
        model_map(run->model, &mapping);
    }
    bool scarce = is_full(run, status) || (status == HIPT_BUSY && run->scenario->may_wait);
    if (!scarce || done == npages) {
        require_legal(run, status, done == npages ? model_bit(HIPT_OK) : model_map_legal(run->model, &mapping) & ~1u);
    }
}

static void do_unmap_range(struct run *run)
{
    struct hipt_page page = likely_page(run);
    uint64_t npages = any_length(run), done = UINT64_MAX, want = 0, step = base_pages(run, page.size);
    run->verb = VERB_UNMAP_RANGE;
    model_set input = model_page_range_input(run->model, &page, npages);
    enum hipt_status status = hipt_unmap_range(run->table, &page, npages, &done);
    require_legal(run, status, input);
    for (uint64_t i = 0; status == HIPT_OK && i < npages; i++, page.vpn += step) {
        struct hipt_mapping out;
        if (model_find(run->model, &page) != NULL) {
            model_unmap(run->model, &page, &out);
            want++;
        }
    }
    REQUIRE(run, status != HIPT_OK || done == want, "unmapped %llu, want %llu", (unsigned long long)done,
            (unsigned long long)want);
}

static void do_protect_range(struct run *run)
{
    struct hipt_page page = likely_page(run);
    uint8_t prot = one_in(run, 32) ? 0 : any_prot(run);
    uint64_t npages = any_length(run), done = UINT64_MAX, want = 0, step = base_pages(run, page.size);
    run->verb = VERB_PROTECT_RANGE;
    model_set errors = (model_page_range_input(run->model, &page, npages) | model_prot_input(prot)) & ~1u;
    enum hipt_status status = hipt_protect_range(run->table, &page, npages, prot, &done);
    require_legal(run, status, errors != 0 ? errors : model_bit(HIPT_OK));
    for (uint64_t i = 0; status == HIPT_OK && i < npages; i++, page.vpn += step) {
        if (model_find(run->model, &page) != NULL) {
            model_protect(run->model, &page, prot);
            want++;
        }
    }
    REQUIRE(run, status != HIPT_OK || done == want, "changed %llu, want %llu", (unsigned long long)done,
            (unsigned long long)want);
}

static void check_frame(struct run *run, struct hipt_frame frame)
{
    struct hipt_frame_status got = {0}, want;
    enum hipt_status expected = model_frame(run->model, frame, &want);
    enum hipt_status status = hipt_frame_get(run->table, frame, &got);
    require_legal(run, status, model_bit(expected));
    if (status == HIPT_OK) {
        REQUIRE(run, got.state == want.state && got.mappings == want.mappings && got.pins == want.pins,
                "pfn %llx: state %d, %u mappings, %u pins, want %d, %u, %u", (unsigned long long)frame.pfn, got.state,
                got.mappings, got.pins, want.state, want.mappings, want.pins);
    }
}

static void do_pin(struct run *run)
{
    struct hipt_frame frame = likely_frame(run);
    struct hipt_frame_status now = {0};
    if (one_in(run, 64)) {
        frame.pfn = UINT64_C(1) << HIPT_PFN_BITS;
    }
    /* A pinned frame is unpinned more often than not: otherwise pins only ever pile up. */
    (void)model_frame(run->model, frame, &now);
    bool unpin = one_in(run, now.pins != 0 ? 1 : 8) || one_in(run, 2);
    run->verb = unpin ? VERB_UNPIN : VERB_PIN;
    model_set legal = unpin ? model_unpin_legal(run->model, frame) : model_pin_legal(run->model, frame);
    enum hipt_status status = unpin ? hipt_frame_unpin(run->table, frame) : hipt_frame_pin(run->table, frame);
    require_legal(run, status, legal);
    if (status == HIPT_OK) {
        (unpin ? model_unpin : model_pin)(run->model, frame);
    }
    run->verb = VERB_FRAME_GET;
    check_frame(run, frame);
}

static size_t do_reap(struct run *run, size_t room)
{
    struct hipt_frame frames[ROOM];
    run->verb = VERB_REAP;
    size_t count = hipt_frame_reap(run->table, frames, room);
    REQUIRE(run, count <= room, "%zu of %zu", count, room);
    for (size_t i = 0; i < count; i++) {
        REQUIRE(run, model_reap(run->model, frames[i]), "pfn %llx was not in limbo", (unsigned long long)frames[i].pfn);
    }
    run->outcomes[VERB_REAP][count != 0 ? HIPT_OK : HIPT_ABSENT]++;
    return count;
}

static void do_alloc(struct run *run, size_t slot)
{
    unsigned tries = 0;
    enum hipt_status status;
    run->verb = VERB_ALLOC;
    while (
        require_legal(run, status = hipt_asid_alloc(run->table, &run->slots[slot]), model_asid_alloc_legal(run->model)),
        status == HIPT_NO_ASID) {
        REQUIRE(run, ++tries <= RETRIES_MAX, "no asid after %u grace periods", tries);
        host_pass(&run->host);
    }
    REQUIRE(run, model_asid_alloc(run->model, run->slots[slot]), "issued asid %u generation %u",
            run->slots[slot].number, run->slots[slot].generation);
}

/* An asid's life ends, its number stays dead for a while under operations, and a new life begins. */
static void do_retire(struct run *run)
{
    size_t slot = below(run, run->scenario->slots);
    struct hipt_asid asid = run->slots[slot], stale = asid;
    struct hipt_retired report = {0};
    run->verb = VERB_RETIRE;
    stale.generation += one_in(run, 2) ? 1 : UINT32_MAX;
    require_legal(run, hipt_asid_retire(run->table, stale, &report), model_asid_retire_legal(run->model, stale));
    enum hipt_status status = hipt_asid_retire(run->table, asid, &report);
    require_legal(run, status, model_asid_retire_legal(run->model, asid));
    uint64_t pages = model_asid_retire(run->model, asid);
    REQUIRE(run, report.pages == pages, "removed %llu of %llu", (unsigned long long)report.pages,
            (unsigned long long)pages);
    struct hipt_page page = any_page(run);
    page.asid = asid.number;
    struct hipt_mapping mapping = any_mapping(run, page);
    do_map(run, &mapping);
    do_unmap(run, &page);
    do_protect(run, &page, HIPT_READ);
    do_remap(run, &mapping);
    do_lookup(run, asid.number, page.vpn);
    do_alloc(run, slot);
}

/* --- The whole table -----------------------------------------------------------------------------------------------
 */

static int by_page(const void *a, const void *b)
{
    const struct hipt_page *x = a, *y = b;
    if (x->asid != y->asid) {
        return x->asid < y->asid ? -1 : 1;
    }
    return x->vpn < y->vpn ? -1 : x->vpn > y->vpn;
}

static void check_walk(struct run *run)
{
    struct hipt_cursor cursor = {0};
    struct hipt_mapping got;
    size_t count = 0, room = model_count(run->model);
    struct hipt_page *pages = calloc(room + 1, sizeof(*pages));
    REQUIRE(run, pages != NULL, "memory");
    while (hipt_table_next(run->table, &cursor, &got) == HIPT_OK) {
        REQUIRE(run, count < room, "the walk returns more than %zu", room);
        const struct model_entry *want =
            got.page.asid < (uint32_t)1 << run->scenario->config.asid_bits ? model_find(run->model, &got.page) : NULL;
        REQUIRE(run, want != NULL, "the walk returns %u:%llx", got.page.asid, (unsigned long long)got.page.vpn);
        require_same(run, &got, &want->mapping);
        pages[count++] = got.page;
    }
    REQUIRE(run, count == room, "the walk returns %zu of %zu", count, room);
    qsort(pages, count, sizeof(*pages), by_page);
    for (size_t i = 1; i < count; i++) {
        REQUIRE(run, by_page(&pages[i - 1], &pages[i]) != 0, "the walk returns %u:%llx twice", pages[i].asid,
                (unsigned long long)pages[i].vpn);
    }
    free(pages);
}

/* Add the mappings of the model that cover each frame of a range. */
static void add_sharers(const struct run *run, const struct hipt_range *range, uint32_t *sharers)
{
    for (size_t s = 0; s < run->scenario->slots; s++) {
        uint32_t asid = run->slots[s].number;
        for (size_t i = 0; i < model_asid_count(run->model, asid); i++) {
            const struct hipt_mapping *m = &model_asid_entry(run->model, asid, i)->mapping;
            if (m->swap != range->swap || m->pfn < range->first || m->pfn - range->first >= range->count) {
                continue;
            }
            for (uint64_t f = 0; f < base_pages(run, m->page.size); f++) {
                sharers[m->pfn - range->first + f]++;
            }
        }
    }
}

static void check_frames(struct run *run)
{
    for (size_t r = 0; r < run->scenario->config.nranges; r++) {
        const struct hipt_range *range = &run->scenario->config.ranges[r];
        uint32_t *sharers = calloc(range->count, sizeof(*sharers));
        REQUIRE(run, sharers != NULL, "memory");
        add_sharers(run, range, sharers);
        for (uint64_t i = 0; i < range->count; i++) {
            struct hipt_frame frame = {.pfn = range->first + i, .swap = range->swap};
            check_reverse(run, frame, sharers[i], ROOM);
            check_frame(run, frame);
        }
        free(sharers);
    }
}

static void check_all(struct run *run)
{
    char text[300];
    struct hipt_stats stats;
    REQUIRE(run, hipt_table_is_valid(run->table, text, sizeof(text)), "%s", text);
    hipt_table_stats(run->table, &stats);
    REQUIRE(run, stats.mappings == model_count(run->model), "%llu counted, want %zu",
            (unsigned long long)stats.mappings, model_count(run->model));
    check_walk(run);
    check_frames(run);
    for (size_t s = 0; s < run->scenario->slots; s++) {
        uint32_t asid = run->slots[s].number;
        for (size_t i = 0; i < model_asid_count(run->model, asid); i++) {
            do_lookup(run, asid, model_asid_entry(run->model, asid, i)->mapping.page.vpn);
        }
    }
}

/* Limbo has an end: with grace periods passing, everything in it is given back. */
static void check_limbo_drains(struct run *run)
{
    for (unsigned round = 0; model_limbo(run->model) != 0; round++) {
        REQUIRE(run, round < RETRIES_MAX, "%zu frames stay in limbo", model_limbo(run->model));
        host_pass(&run->host);
        while (do_reap(run, ROOM) != 0) {
        }
    }
}

/* --- A run ---------------------------------------------------------------------------------------------------------
 */

static void random_map(struct run *run)
{
    if (model_count(run->model) >= run->scenario->max_live) {
        struct hipt_page page = likely_page(run);
        do_unmap(run, &page);
        return;
    }
    struct hipt_mapping mapping = any_mapping(run, any_page(run));
    if (one_in(run, 64)) {
        spoil_mapping(run, &mapping);
    }
    do_map(run, &mapping);
}

static void random_change(struct run *run)
{
    struct hipt_page page = likely_page(run);
    struct hipt_mapping mapping = any_mapping(run, page);
    if (one_in(run, 64)) {
        spoil_mapping(run, &mapping);
    }
    switch (below(run, 4)) {
    case 0:
        do_protect(run, &mapping.page, mapping.prot);
        break;
    case 1:
        do_remap(run, &mapping);
        break;
    default:
        do_unmap(run, &mapping.page);
        break;
    }
}

/* A batch, as long as the mappings that there may be allow; most ends are the single verb's. */
static void random_batch(struct run *run)
{
    size_t count = model_count(run->model), most = run->scenario->max_live;
    if (count < most && !one_in(run, 4)) {
        do_map_batch(run, most - count < ROOM ? most - count : ROOM);
    } else {
        do_unmap_batch(run);
    }
}

static void random_range(struct run *run)
{
    switch (below(run, 6)) {
    case 0:
        do_unmap_range(run);
        break;
    case 1:
        do_protect_range(run);
        break;
    case 2:
        random_batch(run);
        break;
    default:
        do_map_range(run);
        break;
    }
}

static void random_question(struct run *run)
{
    uint64_t kind = below(run, 16);
    if (kind == 0) {
        do_batch(run);
    } else if (kind < 3) {
        do_lines(run);
    } else if (kind < 6) {
        do_reverse(run);
    } else {
        struct hipt_page page = any_address(run);
        do_lookup(run, page.asid, page.vpn);
    }
}

static void step(struct run *run)
{
    uint64_t kind = below(run, 100);
    if (kind < 34) {
        random_map(run);
    } else if (kind < 60) {
        random_change(run);
    } else if (kind < 80) {
        random_question(run);
    } else if (kind < 87) {
        do_mark(run);
    } else if (kind < 90) {
        random_range(run);
    } else if (kind < 94) {
        do_pin(run);
    } else if (kind < 97) {
        (void)do_reap(run, 1 + below(run, ROOM));
    } else {
        host_tick(&run->host);
    }
    if (one_in(run, 4000)) {
        do_retire(run);
    }
}

static uint64_t seed_from_environment(void)
{
    const char *text = getenv("HIPT_SEED");
    return text != NULL ? strtoull(text, NULL, 0) : 1;
}

static void run_start(struct run *run, const struct scenario *scenario)
{
    static const uint64_t secret[4] = {0x243f6a8885a308d3, 0x13198a2e03707344, 0xa4093822299f31d0, 0x082efa98ec4e6c89};
    *run = (struct run){.scenario = scenario, .seed = seed_from_environment()};
    run->random = run->seed * 2 + 1;
    host_init(&run->host, run->seed);
    struct hipt_config config = scenario->config;
    config.ops = &run->host.ops;
    config.secret = secret;
    enum hipt_status status = hipt_table_create(&config, &run->table);
    cr_assert_eq(status, HIPT_OK, "%s: %s", scenario->name, hipt_strerror(status));
    run->model = model_create(&config);
    cr_assert_not_null(run->model);
    for (size_t slot = 0; slot < scenario->slots; slot++) {
        do_alloc(run, slot);
    }
}

static void run_end(struct run *run)
{
    check_all(run);
    check_limbo_drains(run);
    check_all(run);
    hipt_table_destroy(run->table);
    model_destroy(run->model);
    cr_assert_eq(run->host.bytes, 0, "%s: %zu bytes not given back", run->scenario->name, run->host.bytes);
    cr_assert_eq(run->host.depth, 0);
}

static void run_random(struct run *run, const struct scenario *scenario, uint64_t check_every)
{
    run_start(run, scenario);
    for (run->operation = 1; run->operation <= OPERATIONS; run->operation++) {
        step(run);
        if (run->operation % check_every == 0) {
            check_all(run);
        }
    }
    run_end(run);
}

/* A random test that never reaches an outcome says nothing about it: each must have been seen often. */
static void require_seen(const struct run *run, enum verb verb, enum hipt_status status, uint64_t least)
{
    cr_assert_geq(run->outcomes[verb][status], least, "%s: %s answered \"%s\" only %llu times", run->scenario->name,
                  verb_names[verb], hipt_strerror(status), (unsigned long long)run->outcomes[verb][status]);
}

static void require_coverage(const struct run *run)
{
    static const enum verb plain[] = {VERB_MAP,       VERB_UNMAP, VERB_PROTECT,   VERB_REMAP,       VERB_LOOKUP,
                                      VERB_BATCH,     VERB_LINES, VERB_REVERSE,   VERB_MARK,        VERB_CLEAN,
                                      VERB_PIN,       VERB_UNPIN, VERB_FRAME_GET, VERB_UNMAP_RANGE, VERB_PROTECT_RANGE,
                                      VERB_MAP_RANGE, VERB_REAP,  VERB_ALLOC,     VERB_RETIRE,
                                      VERB_MAP_BATCH, VERB_UNMAP_BATCH};
    for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
        require_seen(run, plain[i], HIPT_OK, 20);
    }
    require_seen(run, VERB_MAP, HIPT_EXISTS, 1000);
    require_seen(run, VERB_MAP, HIPT_BUSY, 1000);
    require_seen(run, VERB_UNMAP, HIPT_ABSENT, 1000);
    require_seen(run, VERB_REMAP, HIPT_BUSY, 100);
    require_seen(run, VERB_MAP_BATCH, HIPT_EXISTS, 300);
    require_seen(run, VERB_MAP_BATCH, HIPT_BAD_PFN, 10);
    require_seen(run, VERB_UNMAP_BATCH, HIPT_ABSENT, 1000);
    require_seen(run, VERB_UNMAP_BATCH, HIPT_BAD_VPN, 20);
    require_seen(run, VERB_MARK, HIPT_CHANGED, 1000);
    require_seen(run, VERB_CLEAN, HIPT_CHANGED, 1000);
    require_seen(run, VERB_RETIRE, HIPT_BAD_ASID, 100);
    static const enum hipt_status bad[] = {HIPT_BAD_ASID, HIPT_BAD_VPN,  HIPT_BAD_PFN,
                                           HIPT_BAD_SIZE, HIPT_BAD_PROT, HIPT_BAD_ATTR};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        require_seen(run, VERB_MAP, bad[i], 100);
    }
}

/* --- The geometries ------------------------------------------------------------------------------------------------
 */

static struct scenario scenario;
static struct run run;

static struct scenario *small_scenario(const char *name, const struct hipt_range *ranges, size_t nranges)
{
    memset(&scenario, 0, sizeof(scenario));
    scenario.name = name;
    hipt_config_init(&scenario.config);
    scenario.config.nsizes = 1;
    scenario.config.va_bits = 20;
    scenario.config.ranges = ranges;
    scenario.config.nranges = nranges;
    return &scenario;
}

static void pool_add(struct scenario *s, uint32_t size, uint64_t vpn)
{
    cr_assert_lt(s->pool_count, POOL_MAX);
    s->pool[s->pool_count++] = (struct hipt_page){.size = size, .vpn = vpn};
}

static const struct hipt_range few_frames[] = {{.first = 5, .count = 40}, {.first = 0, .count = 24, .swap = true}};

/* Every key meets every other in one chain, and more of them want in than it can hold: its bound is reached. */
Test(model_differential, one_bucket)
{
    struct scenario *s = small_scenario("one bucket", few_frames, 2);
    s->config.asid_bits = 2;
    s->config.buckets = 1;
    s->slots = 4;
    s->max_live = 40;
    s->may_fill = true;
    s->may_wait = true;
    for (uint64_t vpn = 0; vpn < 256; vpn++) {
        pool_add(s, 0, vpn);
    }
    run_random(&run, s, 5000);
    require_coverage(&run);
    cr_assert_geq(run.fulls, 100, "the chain's bound was reached %llu times", (unsigned long long)run.fulls);
}

/* Asids come back all the time: each number is retired and issued again over and over. */
Test(model_differential, two_asids)
{
    static const struct hipt_range ranges[] = {{.first = 64, .count = 192}, {.first = 7, .count = 32, .swap = true}};
    struct scenario *s = small_scenario("two asids", ranges, 2);
    s->config.asid_bits = 1;
    s->config.va_bits = 32;
    s->config.nsizes = 2;
    s->config.page_shift[0] = 12;
    s->config.page_shift[1] = 16;
    s->config.buckets = 64;
    s->slots = 2;
    s->max_live = 120;
    for (uint64_t vpn = 0; vpn < 128; vpn++) {
        pool_add(s, 0, (vpn % 2 != 0 ? 0xfff80 : 0) + vpn);
    }
    for (uint64_t vpn = 0; vpn < 128; vpn += 16) {
        pool_add(s, 1, vpn);
        pool_add(s, 1, 0xfff80 + vpn);
    }
    run_random(&run, s, 5000);
    require_coverage(&run);
    require_seen(&run, VERB_MAP, HIPT_OVERLAP, 1000);
    require_seen(&run, VERB_MAP, HIPT_UNALIGNED, 100);
}

/* Versions and sequences wrap after one or two lives: every reuse of a slot has to wait for a grace period. */
Test(model_differential, one_bit_versions)
{
    struct scenario *s = small_scenario("one-bit versions", few_frames, 2);
    s->config.asid_bits = 2;
    s->config.buckets = 8;
    s->config.version_bits = 1;
    s->config.sequence_bits = 2;
    s->slots = 4;
    s->max_live = 24;
    s->may_wait = true;
    for (uint64_t vpn = 0; vpn < 32; vpn++) {
        pool_add(s, 0, vpn * 8);
    }
    run_random(&run, s, 5000);
    require_coverage(&run);
    cr_assert_geq(run.waits, 1000, "only %llu operations had to wait", (unsigned long long)run.waits);
}

/* How many pages can share one bucket with @anchor: tried one by one beside it, in a table that holds nothing else. */
static void find_colliding(struct run *finder, struct scenario *s, size_t want)
{
    const struct hipt_page anchor = {.asid = finder->slots[0].number, .vpn = 1};
    struct hipt_mapping first = {.page = anchor, .pfn = few_frames[0].first, .prot = HIPT_READ};
    cr_assert_eq(hipt_map(finder->table, &first), HIPT_OK);
    s->pool[s->pool_count++] = anchor;
    for (uint64_t vpn = 2; s->pool_count < want; vpn++) {
        struct hipt_mapping candidate = first;
        struct hipt_stats stats;
        candidate.page.vpn = vpn;
        candidate.page.asid = finder->slots[vpn % s->slots].number;
        enum hipt_status status = hipt_map(finder->table, &candidate);
        cr_assert_eq(status, HIPT_OK, "vpn %llu: %s", (unsigned long long)vpn, hipt_strerror(status));
        hipt_table_stats(finder->table, &stats);
        if (stats.per_bucket[2] == 1) {
            s->pool[s->pool_count++] = candidate.page;
        }
        cr_assert_eq(hipt_unmap(finder->table, &candidate.page, NULL), HIPT_OK);
        host_tick(&finder->host);
    }
}

/* The attack that the secret prevents, with the secret known: every key in one of 128 buckets. */
Test(model_differential, colliding_keys)
{
    struct scenario *s = small_scenario("colliding keys", few_frames, 2);
    s->config.asid_bits = 2;
    s->config.va_bits = 40;
    s->config.buckets = 128;
    s->slots = 4;
    s->keyed = true;
    s->may_fill = true;
    s->may_wait = true;
    s->max_live = 30;
    run_start(&run, s);
    find_colliding(&run, s, 48);
    hipt_table_destroy(run.table);
    model_destroy(run.model);
    run_random(&run, s, 5000);
    require_coverage(&run);
}

/* Pages of all four sizes, crowded around the two ends of the address space and laid over each other. */
static void add_crowded_pages(struct scenario *s, uint64_t gigabyte)
{
    pool_add(s, 3, gigabyte);
    for (uint64_t i = 0; i < 4; i++) {
        uint64_t large = gigabyte + i * 512 * (i + 1);
        pool_add(s, 2, large);
        for (uint64_t j = 0; j < 8; j++) {
            pool_add(s, 1, large + j * 16);
            for (uint64_t k = 0; k < 4; k++) {
                pool_add(s, 0, large + j * 16 + k * 5);
            }
        }
    }
}

Test(model_differential, default_geometry)
{
    static const struct hipt_range ranges[] = {
        {.first = 1u << 18, .count = 1u << 18}, {.first = 3, .count = 61}, {.first = 512, .count = 1024, .swap = true}};
    struct scenario *s = small_scenario("default geometry", ranges, 3);
    hipt_config_init(&s->config);
    s->config.ranges = ranges;
    s->config.nranges = 3;
    s->slots = 8;
    s->max_live = 400;
    add_crowded_pages(s, 0);
    add_crowded_pages(s, UINT64_C(5) << 18);
    add_crowded_pages(s, (UINT64_C(1) << 45) - (1u << 18));
    run_random(&run, s, 250000);
    require_coverage(&run);
    require_seen(&run, VERB_MAP, HIPT_OVERLAP, 10000);
    require_seen(&run, VERB_MAP, HIPT_UNALIGNED, 100);
}
