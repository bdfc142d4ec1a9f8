/* SPDX-License-Identifier: MIT */
/*
 * Interleavings of insert and delete. The bytes choose a geometry with one bucket, what is mapped before, up to three
 * operations for each of two or three threads, and the schedule. The outcomes must be those of some sequence of the
 * same operations that keeps their order in time, and what is left must be what that sequence leaves (T1, T2, T3);
 * nobody waits for anybody (T4); the structure is valid; in the end every frame comes back (F1, R1).
 *
 *   byte 0     bits 0, 1: two page sizes, two bits of version; 2-3: bits of sequence; 4: a third thread;
 *              5-6: what is mapped before; 7: grace periods do not end while the threads run
 *   then       the operations of each thread: bits 0-2 what, 3-4 which page, 5-6 which frame, 7 the thread's last
 *   then       the schedule: bits 0-1 who is next, 2-7 after how many steps. Behind its end nobody is interrupted.
 *
 * Bytes as a schedule are good for minimising and replaying a failure; for finding one, exhaustive search and PCT over
 * programs of this size are better by orders of magnitude.
 */
#include <string.h>

#include <hipt/hipt.h>

#include "bytes.h"
#include "threads.h"

#define POOL_BYTES (1u << 20)
#define OPERATIONS_MAX 3u /* of one thread */
#define RECORDS_MAX (2u * OPERATIONS_MAX * THREADS_MAX)
#define PAGES 5u  /* four small ones, and the large one around them */
#define OTHERS 4u /* pages that nobody operates on */
#define FRAMES 16u
#define COOKIES_MAX 4096u

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

enum verb { VERB_MAP, VERB_UNMAP, VERB_LOOKUP, VERB_PROTECT, VERB_REMAP, VERB_UPDATE, VERB_MARK };

static const char *const verb_names[] = {"map", "unmap", "lookup", "protect", "remap", "update", "mark"};

/* One operation, as asked and as answered. */
struct record {
    enum verb verb;
    unsigned thread, page, pfn;
    enum hipt_status status;
    unsigned from, to; /* ticks of the clock: invocation and response */
    unsigned read;     /* of a mark: the record of its lookup */
    struct hipt_mapping out;
};

/* --- The host ----------------------------------------------------------------------------------------------------- */

static struct {
    _Alignas(4096) unsigned char pool[POOL_BYTES];
    size_t used;
    unsigned depth[THREADS_MAX + 1];
    unsigned section[THREADS_MAX + 1]; /* number of the open read side, 0: none */
    unsigned sections;
    unsigned cookies;
    unsigned waits_for[COOKIES_MAX][THREADS_MAX + 1]; /* the read sides that were open */
    bool never;                                       /* grace periods do not end while threads run */
} host;

/* Blocks are taken from a pool and never given back: it is thrown away as a whole. */
static void *host_alloc(void *ctx, size_t bytes, size_t align, int node, bool may_wait)
{
    void *ptr;

    (void)ctx;
    (void)node;
    REQUIRE(!may_wait || host.depth[threads_now()] == 0);
    host.used = (host.used + align - 1u) / align * align;
    REQUIRE(bytes <= POOL_BYTES - host.used);
    ptr = host.pool + host.used;
    host.used += bytes;
    memset(ptr, 0, bytes);
    return ptr;
}

static void host_free(void *ctx, void *ptr, size_t bytes)
{
    (void)ctx;
    memset(ptr, 0xdd, bytes);
}

static void host_read_enter(void *ctx)
{
    unsigned thread = threads_now();

    (void)ctx;
    threads_step("read_enter");
    if (host.depth[thread]++ == 0) {
        host.section[thread] = ++host.sections;
    }
}

static void host_read_exit(void *ctx)
{
    unsigned thread = threads_now();

    (void)ctx;
    threads_step("read_exit");
    REQUIRE(host.depth[thread] > 0);
    if (--host.depth[thread] == 0) {
        host.section[thread] = 0;
    }
}

static uint64_t host_gp_start(void *ctx)
{
    (void)ctx;
    threads_step("gp_start");
    REQUIRE(host.cookies + 1u < COOKIES_MAX);
    memcpy(host.waits_for[++host.cookies], host.section, sizeof(host.section));
    return host.cookies;
}

static bool host_gp_elapsed(void *ctx, uint64_t cookie)
{
    (void)ctx;
    threads_step("gp_elapsed");
    REQUIRE(cookie > 0 && cookie <= host.cookies);
    if (host.never && threads_now() != THREAD_NONE) {
        return false;
    }
    for (unsigned i = 0; i <= THREADS_MAX; i++) {
        if (host.waits_for[cookie][i] != 0 && host.waits_for[cookie][i] == host.section[i]) {
            return false;
        }
    }
    return true;
}

static bool host_random(void *ctx, void *buffer, size_t bytes)
{
    (void)ctx;
    memset(buffer, 0x5a, bytes);
    return true;
}

static const struct hipt_ops host_ops = {
    .size = sizeof(host_ops),
    .alloc = host_alloc,
    .free = host_free,
    .read_enter = host_read_enter,
    .read_exit = host_read_exit,
    .gp_start = host_gp_start,
    .gp_elapsed = host_gp_elapsed,
    .random = host_random,
};

/* --- The run ------------------------------------------------------------------------------------------------------ */

static struct {
    struct hipt_table *table;
    struct hipt_asid asid;
    unsigned nthreads;
    unsigned noperations[THREADS_MAX];
    uint8_t operations[THREADS_MAX][OPERATIONS_MAX];
    struct record records[RECORDS_MAX];
    unsigned nrecords;
    unsigned clock;
    struct bytes schedule;
    unsigned steps_left; /* until the next switch */
    unsigned next;       /* the thread that it goes to */
    bool has_large;
    struct hipt_mapping left[PAGES];
    bool is_left[PAGES];
} run;

static void print_and_abort(const char *what)
{
    fprintf(stderr, "%s\n", what);
    threads_print();
    for (unsigned i = 0; i < run.nrecords; i++) {
        const struct record *r = &run.records[i];

        fprintf(stderr, "thread %u %-8s page %u pfn %u -> %s; pfn %u prot %u marks %u; [%u, %u]\n", r->thread,
                verb_names[r->verb], r->page, r->pfn, hipt_strerror(r->status), (unsigned)r->out.pfn, r->out.prot,
                r->out.marks, r->from, r->to);
    }
    abort();
}

static void take_switch(void)
{
    bool is_over = run.schedule.left == 0;
    uint8_t byte = bytes_next(&run.schedule);

    run.next = byte & 3u;
    run.steps_left = is_over ? UINT32_MAX : byte >> 2;
}

static unsigned choose(unsigned now, unsigned ready)
{
    unsigned next = now;

    if (run.steps_left == 0) {
        next = run.next;
        take_switch();
    } else if (run.steps_left != UINT32_MAX) {
        run.steps_left--;
    }
    while (next >= THREADS_MAX || !(ready >> next & 1u)) {
        next = (next + 1u) % THREADS_MAX;
    }
    return next;
}

static struct hipt_page page_of(unsigned page)
{
    bool is_large = run.has_large && page == 4u;

    return (struct hipt_page){run.asid.number, is_large, is_large ? 0 : page};
}

/* An operation's record, its clock started. */
static struct record *invoke(enum verb verb, uint8_t operation)
{
    struct record *r = &run.records[run.nrecords++];
    unsigned page = operation >> 3 & 3u;

    /* With two sizes page 3 is the large one: it covers the others. */
    *r = (struct record){.verb = verb, .thread = threads_now(), .page = run.has_large && page == 3u ? 4u : page};
    r->pfn = (operation >> 5 & 3u) * 4u;
    r->from = ++run.clock;
    return r;
}

static void respond(struct record *r, enum hipt_status status)
{
    r->status = status;
    r->to = ++run.clock;
}

/* Look a page up and mark what was found dirty, in one read side. */
static void operate_update(uint8_t operation)
{
    struct hipt_translation found;
    struct record *r = invoke(VERB_LOOKUP, operation);
    struct record *mark;

    hipt_read_enter(run.table);
    respond(r, hipt_lookup(run.table, run.asid.number, page_of(r->page).vpn, &found));
    if (r->status == HIPT_OK) {
        r->out = found.mapping;
        mark = invoke(VERB_MARK, operation);
        mark->read = (unsigned)(r - run.records);
        respond(mark, hipt_mark(run.table, &found, HIPT_DIRTY));
    }
    hipt_read_exit(run.table);
}

static void operate(uint8_t operation)
{
    static const enum verb verbs[8] = {VERB_MAP,     VERB_UNMAP, VERB_LOOKUP, VERB_PROTECT,
                                       VERB_REMAP,   VERB_UPDATE, VERB_MAP,   VERB_UNMAP};
    enum verb verb = verbs[operation & 7u];
    struct hipt_translation found = {{{0, 0, 0}, 0, 0, 0, 0, false}, 0, 0};
    struct hipt_mapping mapping;
    struct record *r;

    if (verb == VERB_UPDATE) {
        operate_update(operation);
        return;
    }
    r = invoke(verb, operation);
    mapping = (struct hipt_mapping){.page = page_of(r->page), .pfn = r->pfn, .prot = HIPT_READ};
    switch (verb) {
    case VERB_MAP:
        respond(r, hipt_map(run.table, &mapping));
        break;
    case VERB_UNMAP:
        respond(r, hipt_unmap(run.table, &mapping.page, &r->out));
        break;
    case VERB_PROTECT:
        respond(r, hipt_protect(run.table, &mapping.page, HIPT_READ | HIPT_WRITE));
        break;
    case VERB_REMAP:
        respond(r, hipt_remap(run.table, &mapping, &r->out));
        break;
    default:
        respond(r, hipt_lookup(run.table, mapping.page.asid, mapping.page.vpn, &found));
        r->out = found.mapping;
        break;
    }
}

static void body(unsigned thread)
{
    for (unsigned i = 0; i < run.noperations[thread]; i++) {
        operate(run.operations[thread][i]);
    }
}

/* --- The oracle --------------------------------------------------------------------------------------------------- */

struct state {
    struct hipt_mapping mapping[PAGES];
    unsigned life[PAGES]; /* 0: not mapped */
    unsigned lives;
    unsigned read[RECORDS_MAX]; /* the life that a lookup has seen */
};

static bool same(const struct hipt_mapping *a, const struct hipt_mapping *b)
{
    return a->pfn == b->pfn && a->prot == b->prot && a->marks == b->marks && a->page.size == b->page.size &&
           a->page.vpn == b->page.vpn;
}

static bool overlaps(const struct state *state, unsigned page)
{
    bool small = state->life[0] || state->life[1] || state->life[2] || state->life[3];

    return run.has_large && (page == 4u ? small : state->life[4] != 0);
}

/* The mapping that a lookup finds. => PAGES: none. */
static unsigned covering(const struct state *state, unsigned page)
{
    unsigned small = page == 4u ? 0 : page;

    if (state->life[small]) {
        return small;
    }
    return run.has_large && state->life[4] ? 4u : PAGES;
}

static bool apply_map(struct state *state, const struct record *r)
{
    switch (r->status) {
    case HIPT_OK:
        if (state->life[r->page] || overlaps(state, r->page)) {
            return false;
        }
        state->life[r->page] = ++state->lives;
        state->mapping[r->page] = (struct hipt_mapping){.page = page_of(r->page), .pfn = r->pfn, .prot = HIPT_READ};
        return true;
    case HIPT_EXISTS:
        return state->life[r->page] != 0;
    case HIPT_OVERLAP:
        return overlaps(state, r->page);
    default:
        return r->status == HIPT_BUSY;
    }
}

/* unmap, protect, remap: all three act on a mapping or say that there is none. */
static bool apply_change(struct state *state, const struct record *r)
{
    struct hipt_mapping *mapping = &state->mapping[r->page];
    bool is_mapped = state->life[r->page] != 0;

    if (r->status != HIPT_OK) {
        return r->status == HIPT_BUSY || (r->status == HIPT_ABSENT && !is_mapped);
    }
    if (!is_mapped || (r->verb != VERB_PROTECT && !same(mapping, &r->out))) {
        return false;
    }
    if (r->verb == VERB_UNMAP) {
        state->life[r->page] = 0;
    } else if (r->verb == VERB_PROTECT) {
        mapping->prot = HIPT_READ | HIPT_WRITE;
    } else {
        *mapping = (struct hipt_mapping){.page = page_of(r->page), .pfn = r->pfn, .prot = HIPT_READ};
    }
    return true;
}

static bool apply_lookup(struct state *state, const struct record *r)
{
    unsigned page = covering(state, r->page);

    if (page == PAGES || r->status != HIPT_OK) {
        return page == PAGES && r->status == HIPT_ABSENT;
    }
    state->read[r - run.records] = state->life[page];
    return same(&state->mapping[page], &r->out);
}

static bool apply_mark(struct state *state, const struct record *r)
{
    const struct record *read = &run.records[r->read];
    unsigned page = covering(state, read->page);

    if (r->status != HIPT_OK) {
        return r->status == HIPT_CHANGED;
    }
    if (page == PAGES || state->life[page] != state->read[r->read] || state->mapping[page].pfn != read->out.pfn ||
        state->mapping[page].prot != read->out.prot) {
        return false;
    }
    state->mapping[page].marks |= HIPT_DIRTY;
    return true;
}

static bool apply(struct state *state, const struct record *r)
{
    switch (r->verb) {
    case VERB_MAP:
        return apply_map(state, r);
    case VERB_LOOKUP:
        return apply_lookup(state, r);
    case VERB_MARK:
        return apply_mark(state, r);
    default:
        return apply_change(state, r);
    }
}

static bool is_what_is_left(const struct state *state)
{
    for (unsigned page = 0; page < PAGES; page++) {
        if ((state->life[page] != 0) != run.is_left[page] ||
            (run.is_left[page] && !same(&state->mapping[page], &run.left[page]))) {
            return false;
        }
    }
    return true;
}

/* Whether the records that are not in @done can follow in some order. Their times keep a thread's own in order. */
static bool is_linear(const struct state *state, unsigned done)
{
    unsigned first_response = UINT32_MAX;

    if (done == (1u << run.nrecords) - 1u) {
        return is_what_is_left(state);
    }
    for (unsigned i = 0; i < run.nrecords; i++) {
        if (!(done >> i & 1u) && run.records[i].to < first_response) {
            first_response = run.records[i].to;
        }
    }
    for (unsigned i = 0; i < run.nrecords; i++) {
        struct state next = *state;

        if (!(done >> i & 1u) && run.records[i].from < first_response && apply(&next, &run.records[i]) &&
            is_linear(&next, done | 1u << i)) {
            return true;
        }
    }
    return false;
}

/* --- Before and after --------------------------------------------------------------------------------------------- */

/* Another page, outside of what the threads operate on. */
static struct hipt_mapping other(unsigned i)
{
    return (struct hipt_mapping){.page = {run.asid.number, 0, 8u + i}, .pfn = i, .prot = HIPT_READ};
}

static unsigned others_before(uint8_t geometry)
{
    static const unsigned counts[4] = {0, 3, 4, 0};

    return counts[geometry >> 5 & 3u];
}

static void make_table(uint8_t geometry, struct state *state)
{
    static const uint64_t secret[4] = {1, 2, 3, 4};
    static const struct hipt_range range = {0, FRAMES, false};
    struct hipt_mapping mapping = {.pfn = 0, .prot = HIPT_READ};
    struct hipt_config config;

    hipt_config_init(&config);
    config.ops = &host_ops;
    config.buckets = 1;
    config.asid_bits = 1;
    config.va_bits = 17;
    config.nsizes = run.has_large ? 2 : 1;
    config.page_shift[1] = 14;
    config.ranges = &range;
    config.nranges = 1;
    config.version_bits = (geometry >> 1 & 1u) + 1u;
    config.sequence_bits = (geometry >> 2 & 3u) + 2u;
    config.secret = secret;
    REQUIRE(hipt_table_create(&config, &run.table) == HIPT_OK);
    REQUIRE(hipt_asid_alloc(run.table, &run.asid) == HIPT_OK);
    for (unsigned i = 0; i < others_before(geometry); i++) {
        mapping = other(i);
        REQUIRE(hipt_map(run.table, &mapping) == HIPT_OK);
    }
    if ((geometry >> 5 & 3u) == 3u) {
        mapping.page = page_of(0);
        REQUIRE(hipt_map(run.table, &mapping) == HIPT_OK);
        state->mapping[0] = mapping;
        state->life[0] = ++state->lives;
    }
}

/* What the making of a table leaves, to be copied back instead of made again. */
struct image {
    unsigned char *pool; /* NULL: not made yet */
    size_t used;
    unsigned cookies;
    struct hipt_table *table;
    struct hipt_asid asid;
    struct state state;
};

static void prepare(uint8_t geometry, struct state *state)
{
    static struct image images[256];
    struct image *image = &images[geometry];

    host.never = false;
    host.sections = 0;
    memset(host.section, 0, sizeof(host.section));
    memset(host.depth, 0, sizeof(host.depth));
    run.has_large = geometry & 1u;
    if (image->pool == NULL) {
        host.used = host.cookies = 0;
        memset(state, 0, sizeof(*state));
        make_table(geometry, state);
        *image = (struct image){malloc(host.used), host.used, host.cookies, run.table, run.asid, *state};
        REQUIRE(image->pool != NULL);
        memcpy(image->pool, host.pool, host.used);
    }
    memcpy(host.pool, image->pool, image->used);
    host.used = image->used;
    host.cookies = image->cookies;
    run.table = image->table;
    run.asid = image->asid;
    *state = image->state;
    host.never = geometry >> 7;
}

static void find_what_is_left(unsigned others)
{
    struct hipt_cursor cursor = {0};
    struct hipt_mapping found;

    memset(run.is_left, 0, sizeof(run.is_left));
    while (hipt_table_next(run.table, &cursor, &found) == HIPT_OK) {
        unsigned page = found.page.size ? 4u : (unsigned)found.page.vpn;

        if (found.page.vpn >= 8u) {
            REQUIRE(others-- > 0);
        } else if (run.is_left[page]) {
            print_and_abort("a page is mapped twice");
        } else {
            run.is_left[page] = true;
            run.left[page] = found;
        }
    }
    REQUIRE(others == 0);
}

/* Unmap everything: every frame that was in use comes back, once. */
static void drain(void)
{
    struct hipt_frame frames[FRAMES + 1u];
    struct hipt_cursor cursor = {0};
    struct hipt_mapping found;
    struct hipt_frame_status status;
    size_t count = 0;

    while (hipt_table_next(run.table, &cursor, &found) == HIPT_OK) {
        REQUIRE(hipt_unmap(run.table, &found.page, NULL) == HIPT_OK);
    }
    for (unsigned i = 0; i < 3u; i++) {
        count += hipt_frame_reap(run.table, frames + count, FRAMES + 1u - count);
    }
    REQUIRE(count <= FRAMES);
    for (unsigned pfn = 0; pfn < FRAMES; pfn++) {
        REQUIRE(hipt_frame_get(run.table, (struct hipt_frame){pfn, false}, &status) == HIPT_OK);
        if (status.state != HIPT_FRAME_FREE) {
            print_and_abort("a frame does not come back");
        }
    }
}

static void check_end(uint8_t geometry, const struct state *before)
{
    char text[200];

    if (!hipt_table_is_valid(run.table, text, sizeof(text))) {
        print_and_abort(text);
    }
    find_what_is_left(others_before(geometry));
    if (!is_linear(before, 0)) {
        print_and_abort("no sequence of the operations explains the outcomes");
    }
    drain();
    if (!hipt_table_is_valid(run.table, text, sizeof(text))) {
        print_and_abort(text);
    }
}

static void take_operations(struct bytes *bytes)
{
    for (unsigned i = 0; i < run.nthreads; i++) {
        uint8_t operation = 0;

        for (run.noperations[i] = 0; run.noperations[i] < OPERATIONS_MAX && operation < 128u;) {
            operation = bytes_next(bytes);
            run.operations[i][run.noperations[i]++] = operation;
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    struct bytes choices = {bytes, count};
    uint8_t geometry = bytes_next(&choices);
    struct state before;

    prepare(geometry, &before);
    run.nthreads = (geometry >> 4 & 1u) ? 3 : 2;
    run.nrecords = run.clock = 0;
    take_operations(&choices);
    run.schedule = choices;
    take_switch();
    threads_run(run.nthreads, body, choose);
    check_end(geometry, &before);
    return 0;
}
