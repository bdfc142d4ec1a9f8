/* SPDX-License-Identifier: MIT */
/*
 * S1 on real threads that stand for CPUs, and R1 and A1 as far as CPUs are concerned. Every frame carries a stamp in
 * plain memory: which page it belongs to, and which of the page's generations. Every access goes through a translation
 * and reads the stamp of the frame that it came to. Who ends a translation rewrites the stamp as soon as the verb has
 * returned, with no grace period in between; frames that are not pinned are rewritten by whoever reaps them (R1). A
 * wrong stamp, or the right one of a generation that had ended before the access began, is a stale translation.
 *
 * Ages count generations whose end had begun when the access began: 1 is allowed while that end is under way.
 *
 * Who narrows a page looks whether its frame is still written after the verb has returned; so does a second thread that
 * narrows it at the same time. Asids are retired with all their pages and issued again, with tags of 1 to 3 bits (A1).
 */
#include <inttypes.h>
#include <sched.h>

#include "cpus.h"

enum { ASID_BITS = 2, NUMBERS = 1 << ASID_BITS, PAGES = 6, FRAMES = 64 };

enum {
    OPERATIONS, ACCESSES, HITS, WRITES, UNMAPS, REMAPS, RANGES, DEFERRED, EARLY, EXPIRED, NARROWED, ALSO_NARROWED,
    REAPED, LIVES, WOKEN, HELD, AGES
};

static const struct crew_count counts[] = {
    {"operations", true, false},
    {"accesses", true, false},
    {"accesses from the cache", true, false},
    {"accesses that wrote", true, false},
    {"pages unmapped", true, false},
    {"pages remapped", true, false},
    {"pages unmapped by ranges", true, false},
    {"pages unmapped by deferred gathers", true, false},
    {"deferred gathers not acknowledged at first", true, false},
    {"pages unmapped by time", false, false},
    {"pages narrowed", true, false},
    {"pages narrowed by a second thread", true, false},
    {"frames reaped", true, false},
    {"asids retired", true, false},
    {"CPUs woken by a kick", false, false},
    {"kicks held back", true, false},
    {"age at use 0", true, false},
    {"age at use 1", false, false},
    {"age at use 2 to 7", false, false},
    {"age at use 8 and more", false, false},
    {NULL, false, false},
};

/* A page. Who has the lock updates it; .begun and .ended order nothing. Field key: all atomic but is_mapped (lock). */
struct page {
    _Alignas(64) _Atomic uint32_t lock; /* thread + 1 */
    _Atomic uint64_t generation;        /* of the mapping, or the last one */
    _Atomic uint64_t begun;             /* up to here translations are being ended, or have been */
    _Atomic uint64_t ended;             /* up to here they have been */
    _Atomic uint64_t pfn;
    _Atomic uint32_t by;                /* who ended it last */
    _Atomic uint32_t is_narrow;         /* it stays so while somebody holds it */
    _Atomic uint32_t holds;
    bool is_mapped;
};

/* Plain memory: only hipt orders its uses. */
struct contents {
    _Alignas(64) volatile uint64_t owner; /* asid and vpn, plus one; 0: nobody */
    volatile uint64_t generation;
    volatile uint64_t word[CREW_THREADS_MAX]; /* one that each thread writes */
};

struct pool {
    unsigned count;
    uint64_t pfn[FRAMES];
};

/* Pages that a thread has locked, to be ended together. */
struct batch {
    uint32_t asid;
    unsigned first;
    unsigned count;
    struct hipt_gather gather;
    bool is_open;
};

struct worker {
    struct cpu cpu;
    struct pool pool;
    struct batch batch;
};

static struct page pages[NUMBERS][PAGES];
static struct contents contents[FRAMES];
static _Atomic uint32_t lives[NUMBERS]; /* generation; 0: retired */
static struct worker workers[CREW_THREADS_MAX];

static uint64_t owner_of(uint32_t asid, uint64_t vpn)
{
    return ((uint64_t)asid << 32 | vpn) + 1u;
}

/* --- frames */

static bool is_pinned(uint64_t pfn)
{
    return pfn % 2u == 0;
}

static void frame_stamp(uint64_t pfn, uint64_t owner, uint64_t generation)
{
    contents[pfn].owner = owner;
    contents[pfn].generation = generation;
}

/* Nobody uses it any more. */
static void frame_keep(struct worker *worker, uint64_t pfn)
{
    unsigned i;

    frame_stamp(pfn, 0, 0);
    for (i = 0; i < CREW_THREADS_MAX; i++) {
        contents[pfn].word[i] = 0;
    }
    worker->pool.pfn[worker->pool.count++] = pfn;
}

static void reap(struct worker *worker)
{
    struct hipt_frame frame;

    while (worker->pool.count < FRAMES && hipt_frame_reap(worker->cpu.crew->table, &frame, 1) == 1u) {
        frame_keep(worker, frame.pfn);
        crew_add(worker->cpu.crew, worker->cpu.thread, REAPED, 1);
    }
}

/* --- pages */

static bool page_lock(struct worker *worker, struct page *page)
{
    uint32_t nobody = 0;

    return atomic_load_explicit(&page->lock, memory_order_relaxed) == 0 &&
           atomic_compare_exchange_strong_explicit(&page->lock, &nobody, worker->cpu.thread + 1u, memory_order_acquire,
                                                   memory_order_relaxed);
}

static void page_unlock(struct page *page)
{
    atomic_store_explicit(&page->lock, 0, memory_order_release);
}

static uint64_t relaxed(_Atomic uint64_t *word)
{
    return atomic_load_explicit(word, memory_order_relaxed);
}

static void page_begin(struct worker *worker, uint32_t asid, uint64_t vpn)
{
    struct page *page = &pages[asid][vpn];

    atomic_store_explicit(&page->by, worker->cpu.thread, memory_order_relaxed);
    atomic_store_explicit(&page->begun, relaxed(&page->generation), memory_order_relaxed);
    cpu_note(&worker->cpu, CPU_ENDING, asid, vpn, relaxed(&page->pfn), relaxed(&page->generation));
}

/* It has ended, by a verb that has returned: from here on nobody may use it. */
static void page_end(struct worker *worker, uint32_t asid, uint64_t vpn)
{
    struct page *page = &pages[asid][vpn];
    uint64_t pfn = relaxed(&page->pfn);

    if (is_pinned(pfn)) {
        frame_keep(worker, pfn);
    }
    atomic_store_explicit(&page->ended, relaxed(&page->begun), memory_order_relaxed);
    page->is_mapped = false;
    cpu_note(&worker->cpu, CPU_ENDED, asid, vpn, pfn, relaxed(&page->generation));
}

/* A frame for the page's next generation. => false: there is none. */
static bool page_draw(struct worker *worker, struct hipt_mapping *m)
{
    struct page *page = &pages[m->page.asid][m->page.vpn];

    reap(worker);
    if (worker->pool.count == 0) {
        return false;
    }
    m->pfn = worker->pool.pfn[worker->pool.count - 1u];
    m->prot = HIPT_READ | HIPT_WRITE;
    frame_stamp(m->pfn, owner_of(m->page.asid, m->page.vpn), relaxed(&page->generation) + 1u);
    return true;
}

static void page_is_mapped(struct worker *worker, const struct hipt_mapping *m)
{
    struct page *page = &pages[m->page.asid][m->page.vpn];

    page->is_mapped = true;
    atomic_store_explicit(&page->pfn, m->pfn, memory_order_relaxed);
    atomic_store_explicit(&page->generation, relaxed(&page->generation) + 1u, memory_order_relaxed);
    cpu_note(&worker->cpu, CPU_MAP, m->page.asid, m->page.vpn, m->pfn, relaxed(&page->generation));
}

/* --- accesses */

static void check_stamp(struct worker *worker, uint32_t asid, uint64_t vpn, uint64_t pfn, const uint64_t known[2])
{
    struct crew *crew = worker->cpu.crew;
    struct page *page = &pages[asid][vpn];
    uint64_t owner = contents[pfn].owner;
    uint64_t generation = contents[pfn].generation;
    uint64_t begun = known[1];

    if (crew->options.canary && crew_total(crew, ACCESSES) > 1000u) {
        owner++;
    }
    cpu_note(&worker->cpu, CPU_ACCESS, asid, vpn, pfn, generation);
    if (owner != owner_of(asid, vpn) || generation <= known[0]) {
        if (!crew_is_over(crew)) {
            cpus_print(worker->cpu.thread, atomic_load_explicit(&page->by, memory_order_relaxed));
        }
        crew_broken(crew, "CPU %u accesses asid %" PRIu32 " vpn %" PRIu64 " in frame %" PRIu64 ", which has stamp %#"
                    PRIx64 " generation %" PRIu64 ", after generation %" PRIu64 " had ended", worker->cpu.thread, asid,
                    vpn, pfn, owner, generation, known[0]);
    }
    crew_add_age(crew, worker->cpu.thread, AGES, begun < generation ? 0 : (unsigned)(begun - generation) + 1u);
}

static void access_page(struct worker *worker)
{
    struct cpu *cpu = &worker->cpu;
    uint32_t asid = crew_draw(&cpu->random, NUMBERS);
    uint64_t vpn = crew_draw(&cpu->random, PAGES);
    uint8_t access = crew_draw(&cpu->random, 4) ? HIPT_READ : HIPT_WRITE;
    uint64_t known[2];
    unsigned turns = 1u + crew_draw(&cpu->random, 3);
    uint64_t pfn;

    known[0] = relaxed(&pages[asid][vpn].ended);
    known[1] = relaxed(&pages[asid][vpn].begun);
    if (cpu_translate(cpu, asid, vpn, access, &pfn) == HIPT_OK) {
        while (turns-- > 0) {
            check_stamp(worker, asid, vpn, pfn, known);
            if (crew_draw(&cpu->random, 16) == 0) {
                sched_yield();
            }
        }
        if (access == HIPT_WRITE) {
            contents[pfn].word[cpu->thread]++;
            crew_add(cpu->crew, cpu->thread, WRITES, 1);
        }
        crew_add(cpu->crew, cpu->thread, ACCESSES, 1);
        crew_add(cpu->crew, cpu->thread, HITS, cpu->is_hit);
    }
    cpu_done(cpu);
}

/* --- updates of one page */

static void expect_ok(struct worker *worker, enum hipt_status status, const char *verb)
{
    if (status != HIPT_OK) {
        crew_broken(worker->cpu.crew, "%s of a page that only we update: %s", verb, hipt_strerror(status));
    }
}

/* End the page's mapping; not always with a frame at hand for another. */
static void unmap_page(struct worker *worker, const struct hipt_page *page)
{
    if (!pages[page->asid][page->vpn].is_mapped) {
        return;
    }
    cpu_shoot(&worker->cpu);
    page_begin(worker, page->asid, page->vpn);
    expect_ok(worker, hipt_unmap(worker->cpu.crew->table, page, NULL), "unmap");
    page_end(worker, page->asid, page->vpn);
    crew_add(worker->cpu.crew, worker->cpu.thread, UNMAPS, 1);
}

static void map_page(struct worker *worker, const struct hipt_page *page)
{
    struct hipt_mapping m = {.page = *page};

    if (!pages[page->asid][page->vpn].is_mapped && page_draw(worker, &m) &&
        hipt_map(worker->cpu.crew->table, &m) == HIPT_OK) {
        worker->pool.count--;
        page_is_mapped(worker, &m);
    }
}

static void remap_page(struct worker *worker, const struct hipt_page *page)
{
    struct hipt_mapping m = {.page = *page};

    if (!pages[page->asid][page->vpn].is_mapped || !page_draw(worker, &m)) {
        return;
    }
    cpu_shoot(&worker->cpu);
    page_begin(worker, page->asid, page->vpn);
    if (hipt_remap(worker->cpu.crew->table, &m, NULL) == HIPT_OK) {
        worker->pool.count--;
        page_end(worker, page->asid, page->vpn);
        page_is_mapped(worker, &m);
        crew_add(worker->cpu.crew, worker->cpu.thread, REMAPS, 1);
    } else {
        atomic_store_explicit(&pages[page->asid][page->vpn].begun, relaxed(&pages[page->asid][page->vpn].ended),
                              memory_order_relaxed);
    }
}

/* Nobody writes the frame while we look. */
static void check_narrow(struct worker *worker, const struct hipt_page *page, uint64_t pfn)
{
    uint64_t before[CREW_THREADS_MAX];
    unsigned turns = crew_draw(&worker->cpu.random, 4);
    unsigned i;

    cpu_note(&worker->cpu, CPU_NARROWED, page->asid, page->vpn, pfn, 0);
    for (i = 0; i < CREW_THREADS_MAX; i++) {
        before[i] = contents[pfn].word[i];
    }
    while (turns-- > 0) {
        sched_yield();
    }
    for (i = 0; i < CREW_THREADS_MAX; i++) {
        if (contents[pfn].word[i] != before[i]) {
            cpus_print(worker->cpu.thread, i);
            crew_broken(worker->cpu.crew, "CPU %u writes asid %" PRIu32 " vpn %" PRIu64 " after thread %u has narrowed "
                        "it", i, page->asid, page->vpn, worker->cpu.thread);
        }
    }
}

/* Narrow, look, widen. It stays narrow while others hold it so. */
static void narrow_page(struct worker *worker, const struct hipt_page *at)
{
    struct hipt_table *table = worker->cpu.crew->table;
    struct page *page = &pages[at->asid][at->vpn];

    if (!page->is_mapped) {
        return;
    }
    cpu_shoot(&worker->cpu);
    atomic_store(&page->is_narrow, 1u);
    expect_ok(worker, hipt_protect(table, at, HIPT_READ), "protect");
    check_narrow(worker, at, relaxed(&page->pfn));
    atomic_store(&page->is_narrow, 0);
    cpu_exit(&worker->cpu); /* who holds it may wait for us */
    while (atomic_load(&page->holds) != 0) {
        sched_yield();
    }
    expect_ok(worker, hipt_protect(table, at, HIPT_READ | HIPT_WRITE), "protect");
    crew_add(worker->cpu.crew, worker->cpu.thread, NARROWED, 1);
}

/* The same page, without its lock, while another thread is at it: it may be narrow already, and not yet forgotten. */
static void narrow_too(struct worker *worker)
{
    struct hipt_page at = {crew_draw(&worker->cpu.random, NUMBERS), 0, crew_draw(&worker->cpu.random, PAGES)};
    struct page *page = &pages[at.asid][at.vpn];

    if (!atomic_load(&page->is_narrow)) {
        return;
    }
    atomic_fetch_add(&page->holds, 1u);
    if (atomic_load(&page->is_narrow)) {
        enum hipt_status status = hipt_protect(worker->cpu.crew->table, &at, HIPT_READ);

        if (status == HIPT_OK) {
            check_narrow(worker, &at, relaxed(&page->pfn));
            crew_add(worker->cpu.crew, worker->cpu.thread, ALSO_NARROWED, 1);
        }
    }
    atomic_fetch_sub(&page->holds, 1u);
}

static void update_page(struct worker *worker)
{
    struct hipt_page at = {crew_draw(&worker->cpu.random, NUMBERS), 0, crew_draw(&worker->cpu.random, PAGES)};

    if (!page_lock(worker, &pages[at.asid][at.vpn])) {
        return;
    }
    switch (crew_draw(&worker->cpu.random, 8)) {
    case 0: unmap_page(worker, &at); break;
    case 1:
    case 2: remap_page(worker, &at); break;
    case 3:
    case 4: narrow_page(worker, &at); break;
    default: unmap_page(worker, &at); map_page(worker, &at); break;
    }
    page_unlock(&pages[at.asid][at.vpn]);
}

/* --- several pages at once */

static bool batch_lock(struct worker *worker, uint32_t asid, unsigned first, unsigned count)
{
    struct batch *batch = &worker->batch;

    batch->asid = asid;
    batch->first = first;
    for (batch->count = 0; batch->count < count; batch->count++) {
        if (!page_lock(worker, &pages[asid][first + batch->count])) {
            break;
        }
    }
    return batch->count > 0;
}

static unsigned batch_begin(struct worker *worker)
{
    struct batch *batch = &worker->batch;
    unsigned mapped = 0;
    unsigned i;

    for (i = 0; i < batch->count; i++) {
        if (pages[batch->asid][batch->first + i].is_mapped) {
            page_begin(worker, batch->asid, batch->first + i);
            mapped++;
        }
    }
    return mapped;
}

static void batch_end(struct worker *worker, unsigned count)
{
    struct batch *batch = &worker->batch;
    unsigned i;

    for (i = 0; i < batch->count; i++) {
        struct page *page = &pages[batch->asid][batch->first + i];

        if (page->is_mapped) {
            page_end(worker, batch->asid, batch->first + i);
            crew_add(worker->cpu.crew, worker->cpu.thread, count, 1);
        }
        page_unlock(page);
    }
    batch->count = 0;
}

static void expect_done(struct worker *worker, uint64_t done, unsigned mapped)
{
    if (done != mapped) {
        crew_broken(worker->cpu.crew, "%u pages that only we update were mapped, and %" PRIu64 " ended", mapped, done);
    }
}

/* The same as a batch of its pages, holes included. => how many mappings were ended. */
static uint64_t unmap_as_batch(struct worker *worker, struct hipt_page at)
{
    struct hipt_page batch[PAGES];
    enum hipt_status status[PAGES];
    unsigned i;

    for (i = 0; i < worker->batch.count; i++, at.vpn++) {
        batch[i] = at;
    }
    return hipt_unmap_batch(worker->cpu.crew->table, batch, i, NULL, status);
}

static void unmap_range(struct worker *worker)
{
    unsigned first = crew_draw(&worker->cpu.random, PAGES);
    struct hipt_page at = {crew_draw(&worker->cpu.random, NUMBERS), 0, first};
    unsigned mapped;
    uint64_t done;

    if (!batch_lock(worker, at.asid, first, 1u + crew_draw(&worker->cpu.random, PAGES - first))) {
        return;
    }
    cpu_shoot(&worker->cpu);
    mapped = batch_begin(worker);
    if (crew_draw(&worker->cpu.random, 2)) {
        done = unmap_as_batch(worker, at);
    } else {
        expect_ok(worker, hipt_unmap_range(worker->cpu.crew->table, &at, worker->batch.count, &done),
                  "unmap of a range");
    }
    expect_done(worker, done, mapped);
    batch_end(worker, RANGES);
}

/* A gather that is finished later, while this thread does other things. */
static void gather_begin(struct worker *worker)
{
    struct cpu *cpu = &worker->cpu;
    struct batch *batch = &worker->batch;
    enum hipt_gather_mode mode = cpu->crew->options.ttl && crew_draw(&cpu->random, 2) ? HIPT_TTL : HIPT_DEFERRED;
    unsigned first = crew_draw(&cpu->random, PAGES);
    struct hipt_page at = {crew_draw(&cpu->random, NUMBERS), 0, first};
    unsigned mapped;
    uint64_t done;

    if (hipt_gather_start(&batch->gather, cpu->crew->table, at.asid, mode) != HIPT_OK) {
        return; /* the asid was never issued */
    }
    if (!batch_lock(worker, at.asid, first, 1u + crew_draw(&cpu->random, PAGES - first))) {
        (void)hipt_gather_finish(&batch->gather);
        return;
    }
    mapped = batch_begin(worker);
    expect_ok(worker, hipt_gather_add(&batch->gather, &at, batch->count, &done), "a gather");
    expect_done(worker, done, mapped);
    hipt_gather_dispatch(&batch->gather);
    batch->is_open = true;
}

/* => the gather is over. */
static bool gather_poll(struct worker *worker)
{
    struct batch *batch = &worker->batch;
    bool is_by_time = batch->gather.mode == HIPT_TTL;
    enum hipt_status status = hipt_gather_finish(&batch->gather);

    if (status == HIPT_PENDING) {
        crew_add(worker->cpu.crew, worker->cpu.thread, EARLY, !is_by_time);
        return false;
    }
    expect_ok(worker, status, "finishing a gather");
    if (is_by_time) {
        cpu_grace(&worker->cpu); /* accesses are inside read sides */
    }
    batch_end(worker, is_by_time ? EXPIRED : DEFERRED);
    batch->is_open = false;
    return true;
}

/* --- asids */

static void issue(struct worker *worker)
{
    struct hipt_asid asid;

    if (hipt_asid_alloc(worker->cpu.crew->table, &asid) == HIPT_OK) {
        atomic_store(&lives[asid.number], asid.generation);
    }
}

/* All pages of an asid end at once, if nobody else has one of them. */
static void retire(struct worker *worker)
{
    struct hipt_asid asid = {crew_draw(&worker->cpu.random, NUMBERS), 0};
    bool is_ours = batch_lock(worker, asid.number, 0, PAGES) && worker->batch.count == PAGES;

    asid.generation = atomic_load(&lives[asid.number]);
    if (is_ours && asid.generation != 0) {
        cpu_shoot(&worker->cpu);
        (void)batch_begin(worker);
        atomic_store(&lives[asid.number], 0);
        expect_ok(worker, hipt_asid_retire(worker->cpu.crew->table, asid, NULL), "retirement");
        cpu_note(&worker->cpu, CPU_RETIRED, asid.number, 0, 0, asid.generation);
        crew_add(worker->cpu.crew, worker->cpu.thread, LIVES, 1);
        batch_end(worker, UNMAPS);
        return;
    }
    while (worker->batch.count > 0) {
        page_unlock(&pages[asid.number][--worker->batch.count]);
    }
}

/* --- the whole */

static bool start(struct crew *crew)
{
    struct hipt_asid asid;
    uint64_t pfn;
    unsigned i;

    for (pfn = 0; pfn < FRAMES; pfn += 2u) {
        crew_pin(crew, pfn, 1);
    }
    for (i = 0; i < NUMBERS - 1u; i++) {
        asid = crew_asid(crew);
        atomic_store(&lives[asid.number], asid.generation);
    }
    return true;
}

static void turn(struct worker *worker)
{
    struct cpu *cpu = &worker->cpu;
    unsigned what = crew_draw(&cpu->random, 128);

    if (worker->batch.is_open && what < 16u) {
        (void)gather_poll(worker);
    } else if (worker->batch.is_open || what >= 40u) {
        access_page(worker);
    } else if (what < 24u) {
        update_page(worker);
    } else if (what < 32u) {
        narrow_too(worker);
    } else if (what < 34u) {
        unmap_range(worker);
    } else if (what < 36u) {
        gather_begin(worker);
    } else if (what == 36u) {
        retire(worker);
        issue(worker);
    } else if (what == 37u) {
        crew_add(cpu->crew, cpu->thread, WOKEN, cpu_sleep(cpu));
    } else {
        cpu_move(cpu);
    }
}

static void body(struct crew *crew, unsigned thread)
{
    struct worker *worker = &workers[thread];
    uint64_t pfn;

    cpu_open(&worker->cpu, crew, thread);
    for (pfn = thread; pfn < FRAMES; pfn += crew->options.threads) {
        frame_keep(worker, pfn);
    }
    while (!crew_is_over(crew)) {
        turn(worker);
        crew_add(crew, thread, OPERATIONS, 1);
    }
    while (worker->batch.is_open && !gather_poll(worker)) {
        sched_yield();
    }
    cpu_close(&worker->cpu);
}

static void finish(struct crew *crew)
{
    crew_add(crew, 0, HELD, cpus_kicks_held());
    if (crew->options.ttl && crew_total(crew, EXPIRED) == 0) {
        crew_broken(crew, "no page ended by time: nothing was shown");
    }
    if (crew->options.delivery == HIPT_USER_SIGNAL && crew_total(crew, WOKEN) == 0) {
        crew_broken(crew, "no CPU was woken by a signal: nothing was shown");
    }
    if (crew_total(crew, AGES + 2u) + crew_total(crew, AGES + 3u) > 0) {
        crew_broken(crew, "a translation was used after the shootdown of a later one of its page had begun");
    }
}

int main(int argc, char **argv)
{
    static const struct crew_program program = {
        .letter = "S1",
        .claim = "what has ended is used by no CPU when the verb has returned, nor later",
        .count = counts,
        .asid_bits = ASID_BITS,
        .frames = FRAMES,
        .grace = HIPT_USER_CK,
        .prepare = cpus_prepare,
        .start = start,
        .body = body,
        .finish = finish,
    };

    return crew_main(&program, argc, argv);
}
