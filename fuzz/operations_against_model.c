/* SPDX-License-Identifier: MIT */
/*
 * Operations on a table and on the sequential model, every status and every output compared. The bytes choose the
 * geometry, the operations with their numbers, right and wrong ones, resizes between them, which allocations fail and
 * when grace periods end.
 *
 *   byte 0   page sizes (2 bits), buckets (1, 2, 3 or 8), version bits (1 to 4), sequence bits (2 to 5)
 *   then     an operation and what it takes, again and again
 */
#include <string.h>

#include <hipt/hipt.h>

#include "bytes.h"
#include "model/host.h"
#include "model/model.h"

#define ASID_BITS 2u
#define VA_BITS 20u
#define VPN_END (1u << (VA_BITS - 12u))
#define ROOM 64u
#define MAPPINGS_MAX 64u
#define OPERATIONS_MAX 512u
#define RETRIES_MAX 16u /* grace periods that one operation may need before it must succeed */

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

struct run {
    struct host host; /* first: the hooks get its address */
    void *(*alloc)(void *ctx, size_t bytes, size_t align, int node, bool may_wait);
    unsigned to_fail; /* the allocation that fails, counted down; 0: none */
    bool has_failed;  /* one did since the operation began */
    struct bytes bytes;
    struct hipt_config config;
    struct hipt_table *table;
    struct model *model;
    bool is_held;     /* a lookup's answer, in an open read side */
    struct hipt_translation translation;
    struct model_entry read;
};

static const struct hipt_range ranges[] = {{16, 48, false}, {3, 13, true}};

static void *run_alloc(void *ctx, size_t bytes, size_t align, int node, bool may_wait)
{
    struct run *run = ctx;

    if (run->to_fail > 0 && --run->to_fail == 0) {
        run->has_failed = true;
        return NULL;
    }
    return run->alloc(ctx, bytes, align, node, may_wait);
}

/* --- Comparing ---------------------------------------------------------------------------------------------------- */

static bool same_page(const struct hipt_page *a, const struct hipt_page *b)
{
    return a->asid == b->asid && a->size == b->size && a->vpn == b->vpn;
}

static bool same_mapping(const struct hipt_mapping *a, const struct hipt_mapping *b)
{
    return same_page(&a->page, &b->page) && a->pfn == b->pfn && a->prot == b->prot && a->attr == b->attr &&
           a->marks == b->marks && a->swap == b->swap;
}

static void require_legal(enum hipt_status status, model_set legal)
{
    if ((unsigned)status >= HIPT_STATUS_COUNT || !(legal & model_bit(status))) {
        fprintf(stderr, "answered \"%s\", legal are 0x%x\n", hipt_strerror(status), (unsigned)legal);
    }
    REQUIRE((unsigned)status < HIPT_STATUS_COUNT && (legal & model_bit(status)) != 0);
}

/*
 * Scarcity, which no model of the mappings foresees.
 * => true: *tries grace periods were not enough yet, and another one has passed: try again.
 */
static bool wants_retry(struct run *run, enum hipt_status status, model_set legal, unsigned *tries)
{
    bool passes = status == HIPT_BUSY || status == HIPT_FULL;

    if (!passes || (legal & model_bit(status)) != 0 || run->host.depth > 0 || *tries == RETRIES_MAX) {
        return false;
    }
    ++*tries;
    host_pass(&run->host);
    return true;
}

/* => whether an answer is scarcity that may be: of memory, of grace periods, of room in a chain full of mappings. */
static bool is_scarce(const struct run *run, enum hipt_status status, model_set legal)
{
    switch (status) {
    case HIPT_NOMEM:
        return run->has_failed;
    case HIPT_BUSY:
        return (legal & model_bit(HIPT_BUSY)) == 0 && run->host.depth > 0;
    case HIPT_FULL:
        return run->host.depth > 0 || model_count(run->model) >= HIPT_CHAIN_LINES_MAX * HIPT_SLOTS;
    default:
        return false;
    }
}

/* --- Choosing ----------------------------------------------------------------------------------------------------- */

static uint64_t base_pages(const struct run *run, uint32_t size)
{
    return size < run->config.nsizes ? UINT64_C(1) << (run->config.page_shift[size] - 12u) : 1;
}

/* Mostly a page that is in range; the multiples of three make wrong ones too. */
static struct hipt_page any_page(struct run *run)
{
    unsigned choice = bytes_next(&run->bytes);
    struct hipt_page page = {choice & 3u, (choice >> 2) & 3u, bytes_next(&run->bytes)};

    if ((choice >> 4) != 15u) {
        page.size %= run->config.nsizes;
        page.vpn = page.vpn / base_pages(run, page.size) * base_pages(run, page.size);
    } else {
        page.asid += page.vpn & 4u;
        page.vpn += page.vpn % 3u == 0 ? VPN_END : 0;
    }
    return page;
}

static struct hipt_frame any_frame(struct run *run)
{
    unsigned choice = bytes_next(&run->bytes);

    return (struct hipt_frame){choice & 63u, (choice & 64u) != 0};
}

static struct hipt_mapping any_mapping(struct run *run)
{
    struct hipt_page page = any_page(run);
    struct hipt_frame frame = any_frame(run);
    unsigned choice = bytes_next(&run->bytes);
    bool is_bad = choice > 250u;

    return (struct hipt_mapping){.page = page,
                                 .pfn = is_bad ? frame.pfn : frame.pfn / base_pages(run, page.size) *
                                                                 base_pages(run, page.size),
                                 .prot = is_bad ? (uint8_t)(choice & 8u) : (uint8_t)(choice % 7u + 1u),
                                 .attr = (uint8_t)(is_bad ? choice & 15u : (choice >> 3) & 7u),
                                 .marks = (uint8_t)(choice >> 6 & (is_bad ? 7u : 3u)),
                                 .swap = frame.swap};
}

/* --- The operations, each on both sides --------------------------------------------------------------------------- */

static void run_map(struct run *run)
{
    struct hipt_mapping mapping = any_mapping(run);
    model_set legal = model_map_legal(run->model, &mapping);
    unsigned tries = 0;
    enum hipt_status status;

    if (model_count(run->model) >= MAPPINGS_MAX) {
        return;
    }
    do {
        status = hipt_map(run->table, &mapping);
    } while (wants_retry(run, status, legal, &tries));
    if (is_scarce(run, status, legal)) {
        return;
    }
    require_legal(status, legal);
    if (status == HIPT_OK) {
        model_map(run->model, &mapping);
    }
}

static void run_unmap(struct run *run)
{
    struct hipt_page page = any_page(run);
    model_set legal = model_unmap_legal(run->model, &page);
    struct hipt_mapping got, want;
    enum hipt_status status = hipt_unmap(run->table, &page, &got);

    require_legal(status, legal);
    if (status == HIPT_OK) {
        model_unmap(run->model, &page, &want);
        REQUIRE(same_mapping(&got, &want));
    }
}

static void run_protect(struct run *run)
{
    struct hipt_page page = any_page(run);
    uint8_t prot = (uint8_t)bytes_below(&run->bytes, 17);
    enum hipt_status status = hipt_protect(run->table, &page, prot);

    require_legal(status, model_protect_legal(run->model, &page, prot));
    if (status == HIPT_OK) {
        model_protect(run->model, &page, prot);
    }
}

static void run_remap(struct run *run)
{
    struct hipt_mapping mapping = any_mapping(run);
    model_set legal = model_remap_legal(run->model, &mapping);
    struct hipt_mapping got, want;
    unsigned tries = 0;
    enum hipt_status status;

    do {
        status = hipt_remap(run->table, &mapping, &got);
    } while (wants_retry(run, status, legal, &tries));
    if (is_scarce(run, status, legal)) {
        return;
    }
    require_legal(status, legal);
    if (status == HIPT_OK) {
        model_remap(run->model, &mapping, &want);
        REQUIRE(same_mapping(&got, &want));
    }
}

static void check_lookup(struct run *run, const struct hipt_page *page)
{
    struct hipt_translation got[2];
    enum hipt_status batch;
    struct model_entry want;
    enum hipt_status expected = model_lookup(run->model, page->asid, page->vpn, &want);
    uint64_t word;
    uint64_t pte;

    require_legal(hipt_lookup(run->table, page->asid, page->vpn, &got[0]), model_bit(expected));
    REQUIRE(hipt_lookup_batch(run->table, page, 1, &got[1], &batch) == (expected == HIPT_OK));
    REQUIRE(batch == expected);
    pte = hipt_lookup_pte(run->table, page->asid, page->vpn);
    REQUIRE(hipt_lookup_pte_batch(run->table, page, 1, &word) == (expected == HIPT_OK) && word == pte);
    REQUIRE((pte != 0) == (expected == HIPT_OK));
    if (expected == HIPT_OK) {
        REQUIRE(same_mapping(&got[0].mapping, &want.mapping));
        REQUIRE(same_mapping(&got[1].mapping, &want.mapping));
        REQUIRE(HIPT_PTE_PFN(pte) == want.mapping.pfn + (page->vpn - want.mapping.page.vpn));
    }
}

/* Look up and keep the answer: the read side stays open until run_let_go(). */
static void run_hold(struct run *run)
{
    struct hipt_page page = any_page(run);

    check_lookup(run, &page);
    if (!run->is_held) {
        hipt_read_enter(run->table);
        run->is_held = hipt_lookup(run->table, page.asid, page.vpn, &run->translation) == HIPT_OK;
        if (run->is_held) {
            REQUIRE(model_lookup(run->model, page.asid, page.vpn, &run->read) == HIPT_OK);
        } else {
            hipt_read_exit(run->table);
        }
    }
}

static void run_let_go(struct run *run)
{
    if (run->is_held) {
        hipt_read_exit(run->table);
        run->is_held = false;
    }
}

/* => whether a move has taken the mapping that is held to another slot, so that its translation names it no more. */
static bool has_moved(const struct run *run)
{
    const struct hipt_page *page = &run->read.mapping.page;
    struct hipt_translation now;

    return hipt_lookup(run->table, page->asid, page->vpn, &now) == HIPT_OK && now.slot != run->translation.slot;
}

static void run_mark(struct run *run)
{
    uint8_t marks = (uint8_t)bytes_below(&run->bytes, 5);
    bool clean = bytes_below(&run->bytes, 2) != 0;
    const struct hipt_page *page = &run->read.mapping.page;
    enum hipt_status status;
    uint8_t before;

    if (!run->is_held) {
        return;
    }
    status = (clean ? hipt_clean : hipt_mark)(run->table, &run->translation, marks);
    if (status == HIPT_CHANGED && has_moved(run)) {
        return;
    }
    require_legal(status, model_mark_legal(run->model, &run->read, marks));
    if (status == HIPT_OK) {
        before = model_find(run->model, page)->mapping.marks;
        model_mark(run->model, page, clean ? 0 : marks, clean ? marks : 0);
        REQUIRE(run->translation.mapping.marks == (clean ? before : before | marks));
    }
}

static bool covers(const struct run *run, const struct hipt_mapping *mapping, struct hipt_frame frame)
{
    return mapping->swap == frame.swap && frame.pfn >= mapping->pfn &&
           frame.pfn - mapping->pfn < base_pages(run, mapping->page.size);
}

static size_t count_sharers(const struct run *run, struct hipt_frame frame)
{
    size_t sharers = 0;

    for (uint32_t asid = 0; asid < 1u << ASID_BITS; asid++) {
        for (size_t i = 0; i < model_asid_count(run->model, asid); i++) {
            sharers += covers(run, &model_asid_entry(run->model, asid, i)->mapping, frame);
        }
    }
    return sharers;
}

/* => whether there is such a frame. */
static bool check_frame_state(struct run *run, struct hipt_frame frame)
{
    struct hipt_frame_status got, want;
    enum hipt_status expected = model_frame(run->model, frame, &want);

    require_legal(hipt_frame_get(run->table, frame, &got), model_bit(expected));
    if (expected != HIPT_OK) {
        return false;
    }
    REQUIRE(got.state == want.state && got.mappings == want.mappings && got.pins == want.pins);
    return true;
}

/* A frame's state, and who maps it: as many distinct mappings as cover it are exactly those. */
static void check_frame(struct run *run, struct hipt_frame frame)
{
    struct hipt_mapping mapping[MAPPINGS_MAX];
    size_t count = SIZE_MAX;

    if (!check_frame_state(run, frame)) {
        return;
    }
    (void)hipt_reverse(run->table, frame, mapping, MAPPINGS_MAX, &count);
    REQUIRE(count == count_sharers(run, frame));
    for (size_t i = 0; i < count; i++) {
        const struct model_entry *entry = model_find(run->model, &mapping[i].page);

        REQUIRE(entry != NULL && same_mapping(&mapping[i], &entry->mapping) && covers(run, &mapping[i], frame));
        for (size_t j = 0; j < i; j++) {
            REQUIRE(!same_page(&mapping[i].page, &mapping[j].page));
        }
    }
}

static void run_pin(struct run *run)
{
    struct hipt_frame frame = any_frame(run);
    bool unpin = bytes_below(&run->bytes, 2) != 0;
    model_set legal = (unpin ? model_unpin_legal : model_pin_legal)(run->model, frame);
    enum hipt_status status = (unpin ? hipt_frame_unpin : hipt_frame_pin)(run->table, frame);

    require_legal(status, legal);
    if (status == HIPT_OK) {
        (unpin ? model_unpin : model_pin)(run->model, frame);
    }
    check_frame(run, frame);
}

static size_t reap(struct run *run, size_t room)
{
    struct hipt_frame frames[ROOM];
    size_t count = hipt_frame_reap(run->table, frames, room);

    REQUIRE(count <= room);
    for (size_t i = 0; i < count; i++) {
        REQUIRE(model_reap(run->model, frames[i]));
    }
    return count;
}

static void run_alloc_asid(struct run *run)
{
    struct hipt_asid asid;
    enum hipt_status status = hipt_asid_alloc(run->table, &asid);

    if (is_scarce(run, status, 0)) {
        return;
    }
    require_legal(status, model_asid_alloc_legal(run->model));
    REQUIRE(status != HIPT_OK || model_asid_alloc(run->model, asid));
}

static void run_retire(struct run *run)
{
    unsigned choice = bytes_next(&run->bytes);
    struct hipt_asid asid = {choice & 3u, 0};
    struct hipt_retired report;
    enum hipt_status status;

    (void)model_asid_is_live(run->model, asid.number, &asid.generation);
    asid.number += choice >= 248u ? 4u : 0;
    asid.generation += choice >= 240u;
    status = hipt_asid_retire(run->table, asid, &report);
    require_legal(status, asid.number < 4u ? model_asid_retire_legal(run->model, asid) : model_bit(HIPT_BAD_ASID));
    REQUIRE(status != HIPT_OK || report.pages == model_asid_retire(run->model, asid));
}

static void run_map_range(struct run *run)
{
    struct hipt_mapping mapping = any_mapping(run);
    uint64_t npages = bytes_below(&run->bytes, 13), done = UINT64_MAX;
    model_set input = model_map_range_input(run->model, &mapping, npages);
    enum hipt_status status;

    if (model_count(run->model) + npages > MAPPINGS_MAX || npages == 0) {
        return;
    }
    status = hipt_map_range(run->table, &mapping, npages, &done);
    REQUIRE(done <= npages && (done == npages) == (status == HIPT_OK));
    if (input != model_bit(HIPT_OK)) {
        require_legal(status, input);
        return;
    }
    for (uint64_t i = 0; i < done; i++) {
        REQUIRE(model_map_legal(run->model, &mapping) == model_bit(HIPT_OK));
        model_map(run->model, &mapping);
        mapping.page.vpn += base_pages(run, mapping.page.size);
        mapping.pfn += base_pages(run, mapping.page.size);
    }
    /* In a range nobody waits for a grace period between two pages, so scarcity of slots is an answer too. */
    if (done < npages && status != HIPT_BUSY && status != HIPT_FULL && !is_scarce(run, status, 0)) {
        require_legal(status, model_map_legal(run->model, &mapping));
    }
}

static void run_unmap_range(struct run *run)
{
    struct hipt_page page = any_page(run);
    uint64_t npages = bytes_next(&run->bytes), done = UINT64_MAX, want = 0;
    struct hipt_mapping out;

    require_legal(hipt_unmap_range(run->table, &page, npages, &done),
                  model_page_range_input(run->model, &page, npages));
    if (model_page_range_input(run->model, &page, npages) != model_bit(HIPT_OK)) {
        return;
    }
    for (uint64_t i = 0; i < npages; i++, page.vpn += base_pages(run, page.size)) {
        if (model_find(run->model, &page) != NULL) {
            model_unmap(run->model, &page, &out);
            want++;
        }
    }
    REQUIRE(done == want);
}

/* The table goes into other buckets, or takes another secret: nobody sees more of it than a status. */
static void run_resize(struct run *run)
{
    uint64_t capacity = bytes_below(&run->bytes, MAPPINGS_MAX + 1u);
    bool new_secret = bytes_below(&run->bytes, 2) != 0;
    enum hipt_status status;

    run_let_go(run); /* a resize may wait */
    status = hipt_resize(run->table, capacity, new_secret);
    REQUIRE(status == HIPT_OK || status == HIPT_BUSY || (status == HIPT_NOMEM && run->has_failed));
    for (unsigned i = bytes_below(&run->bytes, 4); i > 0; i--) {
        (void)hipt_resize_help(run->table, i);
    }
}

/* --- The whole table ---------------------------------------------------------------------------------------------- */

static void check_walk(struct run *run)
{
    struct hipt_cursor cursor = {0};
    struct hipt_mapping got[MAPPINGS_MAX + 1];
    size_t count = 0;

    while (count <= MAPPINGS_MAX && hipt_table_next(run->table, &cursor, &got[count]) == HIPT_OK) {
        const struct model_entry *entry = model_find(run->model, &got[count].page);

        REQUIRE(entry != NULL && same_mapping(&got[count], &entry->mapping));
        for (size_t i = 0; i < count; i++) {
            REQUIRE(!same_page(&got[count].page, &got[i].page));
        }
        count++;
    }
    REQUIRE(count == model_count(run->model));
}

static void check_table(struct run *run)
{
    char text[200];
    bool is_valid = hipt_table_is_valid(run->table, text, sizeof(text));

    if (!is_valid) {
        fprintf(stderr, "%s\n", text);
    }
    REQUIRE(is_valid);
    check_walk(run);
}

static void check_all(struct run *run)
{
    check_table(run);
    for (unsigned pfn = 0; pfn < 64u; pfn++) {
        check_frame(run, (struct hipt_frame){pfn, false});
        check_frame(run, (struct hipt_frame){pfn, true});
    }
    for (uint32_t asid = 0; asid < 1u << ASID_BITS; asid++) {
        for (size_t i = 0; i < model_asid_count(run->model, asid); i++) {
            check_lookup(run, &model_asid_entry(run->model, asid, i)->mapping.page);
        }
    }
}

/* Limbo has an end: with grace periods passing, everything in it is given back. */
static void check_limbo_drains(struct run *run)
{
    for (unsigned round = 0; model_limbo(run->model) != 0; round++) {
        REQUIRE(round < RETRIES_MAX);
        host_pass(&run->host);
        while (reap(run, ROOM) != 0) {
        }
    }
    check_table(run);
    for (unsigned pfn = 0; pfn < 64u; pfn++) {
        (void)check_frame_state(run, (struct hipt_frame){pfn, false});
        (void)check_frame_state(run, (struct hipt_frame){pfn, true});
    }
}

static void run_start(struct run *run)
{
    static const uint64_t secret[4] = {0x452821e638d01377, 0xbe5466cf34e90c6c, 0xc0ac29b7c97c50dd, 0x3f84d5b5b5470917};
    static const uint64_t buckets[4] = {1, 2, 3, 8};
    unsigned geometry = bytes_next(&run->bytes);

    host_init(&run->host, 1);
    run->alloc = run->host.ops.alloc;
    run->host.ops.alloc = run_alloc;
    hipt_config_init(&run->config);
    run->config.ops = &run->host.ops;
    run->config.asid_bits = ASID_BITS;
    run->config.va_bits = VA_BITS;
    run->config.nsizes = (geometry & 3u) % 3u + 1u;
    run->config.page_shift[1] = 14;
    run->config.page_shift[2] = 16;
    run->config.buckets = buckets[(geometry >> 2) & 3u];
    run->config.capacity_max = MAPPINGS_MAX;
    run->config.version_bits = ((geometry >> 4) & 3u) + 1u;
    run->config.sequence_bits = (geometry >> 6) + 2u;
    run->config.ranges = ranges;
    run->config.nranges = 2;
    run->config.secret = secret;
    REQUIRE(hipt_table_create(&run->config, &run->table) == HIPT_OK);
    run->model = model_create(&run->config);
    REQUIRE(run->model != NULL);
    run_alloc_asid(run);
    run_alloc_asid(run);
}

static void run_step(struct run *run)
{
    static void (*const often[])(struct run *) = {run_map, run_map, run_unmap, run_remap, run_hold, run_mark};
    static void (*const seldom[])(struct run *) = {run_protect,    run_pin,       run_retire,      run_alloc_asid,
                                                   run_let_go,     run_map_range, run_unmap_range, run_resize};
    unsigned choice = bytes_next(&run->bytes);
    struct hipt_frame frame;

    run->has_failed = false;
    if (choice < 160u) {
        often[choice % 6u](run);
    } else if (choice < 224u) {
        seldom[choice % 8u](run);
    } else if (choice < 232u) {
        run->to_fail = choice - 223u;
    } else if (choice < 240u) {
        host_tick(&run->host);
    } else if (choice < 248u) {
        (void)reap(run, choice - 239u);
    } else {
        frame = any_frame(run);
        check_frame(run, frame);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    static struct run run;

    memset(&run, 0, sizeof(run));
    run.bytes = (struct bytes){bytes, count};
    run_start(&run);
    for (unsigned i = 1; run.bytes.left > 0 && i <= OPERATIONS_MAX; i++) {
        run_step(&run);
        if (i % 32u == 0) {
            check_all(&run);
        }
    }
    run_let_go(&run);
    check_all(&run);
    check_limbo_drains(&run);
    hipt_table_destroy(run.table);
    model_destroy(run.model);
    REQUIRE(run.host.bytes == 0 && run.host.depth == 0);
    return 0;
}
