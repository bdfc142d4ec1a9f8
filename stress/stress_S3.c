/* SPDX-License-Identifier: MIT */
/*
 * S3 on real threads that stand for CPUs: writers, cleaners and unmappers of a few pages. Each page has one frame, to
 * which each thread stores increasing numbers, through translations for writing. Who is given a page's dirty mark owes
 * its write-back: a cleaner, who narrows the page, looks it up, clears the mark, copies the frame to the backing store
 * and widens it again; or an unmapper, to whom hipt_unmap() reports it. Cleaners of one page take turns,
 * and so do its unmappers; a cleaner runs beside an unmapper.
 *
 * When a page is unmapped and no cleaner is at it, backing store and frame must be the same: a store that is not there
 * was never reported. Some pages belong to files: deferred gathers must leave them while they are dirty.
 */
#include <inttypes.h>
#include <sched.h>

#include "cpus.h"

enum { PAGES = 6, FILE_ATTR = 1 };

enum {
    OPERATIONS, LOADS, STORES, HITS, CLEANED, CLEAN, LEFT, DIRTY_UNMAPPED, CLEAN_UNMAPPED, GATHERED, REFUSED, REMAPPED,
    BESIDE, HELD
};

static const struct crew_count counts[] = {
    {"operations", true, false},
    {"loads", true, false},
    {"stores", true, false},
    {"stores through the cache", true, false},
    {"dirty pages cleaned", true, false},
    {"pages found clean", true, false},
    {"cleanings that met an unmap", true, false},
    {"pages unmapped dirty", true, false},
    {"pages unmapped clean", true, false},
    {"pages unmapped by deferred gathers", true, false},
    {"dirty pages left by deferred gathers", true, false},
    {"pages remapped to their own frame", true, false},
    {"pages compared that were cleaned beside", false, false},
    {"kicks held back", true, false},
    {NULL, false, false},
};

/* Field key: all atomic; .cleaner and .unmapper are locks, held by thread + 1. */
struct page {
    _Alignas(64) _Atomic uint32_t cleaner;
    _Atomic uint32_t unmapper;
    _Atomic uint64_t cleanings; /* begun */
    _Atomic uint32_t by;
};

/* Plain memory: only hipt, and the locks, order its uses. */
struct contents {
    _Alignas(64) volatile uint64_t word[CREW_THREADS_MAX];
};

struct worker {
    struct cpu cpu;
    uint64_t stored;      /* the last number */
    uint64_t last[PAGES]; /* of each page */
};

static struct page pages[PAGES];
static struct contents frames[PAGES];  /* of the page with the same number */
static struct contents backing[PAGES]; /* written by the cleaner, and by the unmapper when there is no cleaner */
static struct worker workers[CREW_THREADS_MAX];
static uint32_t asid;

static bool take(struct worker *worker, _Atomic uint32_t *lock)
{
    uint32_t nobody = 0;

    return atomic_compare_exchange_strong(lock, &nobody, worker->cpu.thread + 1u);
}

static void give(_Atomic uint32_t *lock)
{
    atomic_store(lock, 0);
}

static struct hipt_mapping mapping_of(uint64_t vpn)
{
    struct hipt_mapping m = {.page = {asid, 0, vpn}, .pfn = vpn, .prot = HIPT_READ | HIPT_WRITE};

    m.attr = vpn % 2u ? FILE_ATTR : 0;
    return m;
}

static void write_back(uint64_t vpn)
{
    unsigned i;

    for (i = 0; i < CREW_THREADS_MAX; i++) {
        backing[vpn].word[i] = frames[vpn].word[i];
    }
}

/* --- writers */

/* What it leaves in the cache does for loads, and for stores only if the page was dirty. */
static void load(struct worker *worker)
{
    struct cpu *cpu = &worker->cpu;
    uint64_t vpn = crew_draw(&cpu->random, PAGES);
    uint64_t pfn;

    if (cpu_translate(cpu, asid, vpn, HIPT_READ, &pfn) == HIPT_OK) {
        if (frames[pfn].word[cpu->thread] != worker->last[vpn]) {
            crew_broken(cpu->crew, "CPU %u loads %" PRIu64 " from vpn %" PRIu64 " and has stored %" PRIu64, cpu->thread,
                        frames[pfn].word[cpu->thread], vpn, worker->last[vpn]);
        }
        crew_add(cpu->crew, cpu->thread, LOADS, 1);
    }
    cpu_done(cpu);
}

static void store(struct worker *worker)
{
    struct cpu *cpu = &worker->cpu;
    uint64_t vpn = crew_draw(&cpu->random, PAGES);
    uint64_t pfn;

    if (cpu_translate(cpu, asid, vpn, HIPT_WRITE, &pfn) == HIPT_OK) {
        if (crew_draw(&cpu->random, 16) == 0) {
            sched_yield();
        }
        frames[pfn].word[cpu->thread] = ++worker->stored;
        worker->last[vpn] = worker->stored;
        cpu_note(cpu, CPU_ACCESS, asid, vpn, pfn, worker->stored);
        crew_add(cpu->crew, cpu->thread, STORES, 1);
        crew_add(cpu->crew, cpu->thread, HITS, cpu->is_hit);
    }
    cpu_done(cpu);
}

/* --- the cleaner */

/* Take the mark of a page that has been narrowed. => whether it was dirty; *met: it is not the one we narrowed. */
static bool take_mark(struct worker *worker, uint64_t vpn, bool *met)
{
    struct hipt_table *table = worker->cpu.crew->table;
    enum hipt_status status = HIPT_CHANGED;
    struct hipt_translation t;

    hipt_read_enter(table);
    if (hipt_lookup(table, asid, vpn, &t) == HIPT_OK && !(t.mapping.prot & HIPT_WRITE)) {
        if (crew_draw(&worker->cpu.random, 4) == 0) {
            sched_yield();
        }
        status = hipt_clean(table, &t, HIPT_DIRTY);
    }
    hipt_read_exit(table);
    *met = status != HIPT_OK;
    return status == HIPT_OK && (t.mapping.marks & HIPT_DIRTY);
}

static void clean(struct worker *worker)
{
    struct cpu *cpu = &worker->cpu;
    struct hipt_page at = {asid, 0, crew_draw(&cpu->random, PAGES)};
    bool is_dirty;
    bool met;

    if (!take(worker, &pages[at.vpn].cleaner)) {
        return;
    }
    atomic_fetch_add(&pages[at.vpn].cleanings, 1u);
    cpu_shoot(cpu);
    if (hipt_protect(cpu->crew->table, &at, HIPT_READ) == HIPT_OK) {
        cpu_note(cpu, CPU_NARROWED, asid, at.vpn, at.vpn, 0);
        is_dirty = take_mark(worker, at.vpn, &met);
        if (is_dirty && !(cpu->crew->options.canary && crew_total(cpu->crew, CLEANED) > 20u)) {
            write_back(at.vpn);
        }
        crew_add(cpu->crew, cpu->thread, CLEANED, is_dirty);
        crew_add(cpu->crew, cpu->thread, CLEAN, !is_dirty && !met);
        crew_add(cpu->crew, cpu->thread, LEFT, met);
        if (crew_draw(&cpu->random, 4)) { /* else it stays narrow until it is mapped anew */
            (void)hipt_protect(cpu->crew->table, &at, HIPT_READ | HIPT_WRITE);
        }
    }
    give(&pages[at.vpn].cleaner);
}

/* --- the unmapper */

/* The page is unmapped, and its dirty mark, if it had one, has been taken. */
static void compare(struct worker *worker, uint64_t vpn)
{
    unsigned i;

    for (i = 0; i < CREW_THREADS_MAX; i++) {
        if (frames[vpn].word[i] != backing[vpn].word[i]) {
            cpus_print(worker->cpu.thread, i < worker->cpu.crew->options.threads ? i : worker->cpu.thread);
            crew_broken(worker->cpu.crew, "store %" PRIu64 " of CPU %u to vpn %" PRIu64 " is lost: %" PRIu64
                        " was written back, and no dirty mark was reported", frames[vpn].word[i], i, vpn,
                        backing[vpn].word[i]);
        }
    }
}

/* Wait for the page's cleaner, write back what is owed, compare. */
static void settle(struct worker *worker, uint64_t vpn, bool is_dirty)
{
    cpu_exit(&worker->cpu); /* a cleaner may wait for us */
    while (!take(worker, &pages[vpn].cleaner)) {
        sched_yield();
    }
    if (is_dirty) {
        write_back(vpn);
    }
    compare(worker, vpn);
    give(&pages[vpn].cleaner);
}

/* => whether it ended the mapping, which then was not dirty. */
static bool unmap_deferred(struct worker *worker, const struct hipt_page *at)
{
    struct crew *crew = worker->cpu.crew;
    struct hipt_gather gather;
    enum hipt_status status;
    uint64_t done;

    if (at->vpn % 2u == 0 || hipt_gather_start(&gather, crew->table, asid, HIPT_DEFERRED) != HIPT_OK) {
        return false; /* of a page that is no file's nobody asks whether it was dirty */
    }
    status = hipt_gather_add(&gather, at, 1, &done);
    crew_add(crew, worker->cpu.thread, REFUSED, status == HIPT_DIRTY);
    cpu_exit(&worker->cpu);
    while (hipt_gather_finish(&gather) == HIPT_PENDING) {
        sched_yield();
    }
    crew_add(crew, worker->cpu.thread, GATHERED, done);
    return done == 1u;
}

/* => whether it ended the mapping, and *is_dirty. */
static bool unmap_now(struct worker *worker, const struct hipt_page *at, bool *is_dirty)
{
    struct crew *crew = worker->cpu.crew;
    struct hipt_mapping out;

    cpu_shoot(&worker->cpu);
    if (hipt_unmap(crew->table, at, &out) != HIPT_OK) {
        return false;
    }
    *is_dirty = (out.marks & HIPT_DIRTY) != 0;
    crew_add(crew, worker->cpu.thread, *is_dirty ? DIRTY_UNMAPPED : CLEAN_UNMAPPED, 1);
    return true;
}

/* To the same frame, marked dirty, because what was stored through the old mapping is still owed. */
static void remap(struct worker *worker, uint64_t vpn)
{
    struct hipt_mapping m = mapping_of(vpn);

    m.marks = HIPT_DIRTY;
    if (!take(worker, &pages[vpn].cleaner)) { /* it may be copying, and the page is to be written through again */
        return;
    }
    cpu_shoot(&worker->cpu);
    if (hipt_remap(worker->cpu.crew->table, &m, NULL) == HIPT_OK) {
        crew_add(worker->cpu.crew, worker->cpu.thread, REMAPPED, 1);
    }
    give(&pages[vpn].cleaner);
}

static void map(struct worker *worker, uint64_t vpn)
{
    struct hipt_mapping m = mapping_of(vpn);

    (void)hipt_map(worker->cpu.crew->table, &m);
}

static void unmap(struct worker *worker)
{
    struct cpu *cpu = &worker->cpu;
    struct hipt_page at = {asid, 0, crew_draw(&cpu->random, PAGES)};
    unsigned way = crew_draw(&cpu->random, 8);
    bool is_dirty = false;
    uint64_t cleanings;

    if (!take(worker, &pages[at.vpn].unmapper)) {
        return;
    }
    cleanings = atomic_load(&pages[at.vpn].cleanings);
    if (way == 0) {
        remap(worker, at.vpn);
    } else if (way < 4u ? unmap_deferred(worker, &at) : unmap_now(worker, &at, &is_dirty)) {
        cpu_note(cpu, CPU_ENDED, asid, at.vpn, at.vpn, is_dirty);
        settle(worker, at.vpn, is_dirty);
        crew_add(cpu->crew, cpu->thread, BESIDE, atomic_load(&pages[at.vpn].cleanings) != cleanings);
    }
    map(worker, at.vpn);
    give(&pages[at.vpn].unmapper);
}

/* --- the whole */

static void prepare(struct crew *crew)
{
    cpus_prepare(crew);
    crew->config.file_attrs = 1u << FILE_ATTR;
}

static bool start(struct crew *crew)
{
    crew_pin(crew, 0, PAGES);
    asid = crew_asid(crew).number;
    return true;
}

static void body(struct crew *crew, unsigned thread)
{
    struct worker *worker = &workers[thread];

    cpu_open(&worker->cpu, crew, thread);
    while (!crew_is_over(crew)) {
        switch (crew_draw(&worker->cpu.random, 16)) {
        case 0:
        case 1: clean(worker); break;
        case 2: unmap(worker); break;
        case 3: cpu_move(&worker->cpu); break;
        case 4:
        case 5:
        case 6:
        case 7:
        case 8: load(worker); break;
        default: store(worker); break;
        }
        crew_add(crew, thread, OPERATIONS, 1);
    }
    cpu_close(&worker->cpu);
}

/* All threads have gone: what is still mapped is written back if it is marked. */
static void finish(struct crew *crew)
{
    struct hipt_page at = {asid, 0, 0};
    struct hipt_mapping out;

    for (at.vpn = 0; at.vpn < PAGES; at.vpn++) {
        if (hipt_unmap(crew->table, &at, &out) == HIPT_OK) {
            if (out.marks & HIPT_DIRTY) {
                write_back(at.vpn);
            }
            compare(&workers[0], at.vpn);
        }
    }
    crew_add(crew, 0, HELD, cpus_kicks_held());
}

int main(int argc, char **argv)
{
    static const struct crew_program program = {
        .letter = "S3",
        .claim = "every store is written back, or the dirty mark that says so is there",
        .count = counts,
        .asid_bits = 1,
        .frames = PAGES,
        .grace = HIPT_USER_CK,
        .prepare = prepare,
        .start = start,
        .body = body,
        .finish = finish,
    };

    return crew_main(&program, argc, argv);
}
