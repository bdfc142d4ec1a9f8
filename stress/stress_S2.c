/* SPDX-License-Identifier: MIT */
/*
 * S2 on real threads that stand for CPUs: a page is not mapped again while some CPU can still use its last translation.
 * Few pages, which everybody maps, unmaps and remaps without excluding anybody; gathers keep pages frozen for a while,
 * and maps that meet one end it themselves.
 *
 * Every mapping has a token, the frame's number and how often it was mapped, in plain memory. Who uses a translation
 * says so at the page, in one word: the token and how many CPUs use it now. Two tokens at once are two translations of
 * one page in use. Frames come back by hipt_frame_reap() only, so a token means one mapping for as long as it is used.
 *
 * An unmap, also one that found another at it, buries the token that it had seen in use before: who begins an access
 * after that must not come to it. So does a lookup that finds another token: where the next translation is to be seen,
 * the last one is used no more.
 */
#include <inttypes.h>
#include <sched.h>

#include "cpus.h"

enum { PAGES = 4, FRAMES = 128 };

enum {
    OPERATIONS, ACCESSES, HITS, MAPS, HELPED, BUSY, UNMAPS, FOUND_FROZEN, SUPERSEDED, BURIED, REMAPS, DEFERRED, EARLY,
    REAPED, HELD
};

static const struct crew_count counts[] = {
    {"operations", true, false},
    {"accesses", true, false},
    {"accesses from the cache", true, false},
    {"pages mapped", true, false},
    {"pages mapped while a gather held them", true, false},
    {"maps that were told to try again", false, false},
    {"pages unmapped", true, false},
    {"unmaps that found nothing", true, false},
    {"lookups that found the next token", true, false},
    {"tokens buried", true, false},
    {"pages remapped", true, false},
    {"pages unmapped by deferred gathers", true, false},
    {"deferred gathers not acknowledged at first", true, false},
    {"frames reaped", true, false},
    {"kicks held back", true, false},
    {NULL, false, false},
};

/* Field key: all atomic. */
struct page {
    _Alignas(64) _Atomic uint64_t use; /* token, and in the lowest byte how many use it */
    _Atomic uint64_t seen;             /* the last token in use */
    _Atomic uint64_t buried;
    _Atomic uint32_t by;               /* who buried it */
    _Atomic uint32_t frozen;           /* twice the number of gathers that have held it, plus one while one does */
};

/* Plain memory: only hipt orders its uses. */
struct contents {
    _Alignas(64) volatile uint64_t token;
};

struct worker {
    struct cpu cpu;
    unsigned count;
    uint64_t pfn[FRAMES]; /* free ones */
    struct hipt_gather gather;
    uint64_t vpn;         /* of the gather's page */
    uint64_t ended;       /* pages of it */
    bool is_open;
    bool is_marked;       /* the page knows of the gather */
};

static struct page pages[PAGES];
static struct contents contents[FRAMES];
static struct worker workers[CREW_THREADS_MAX];
static uint32_t asid;

static uint64_t relaxed(_Atomic uint64_t *word)
{
    return atomic_load_explicit(word, memory_order_relaxed);
}

/* --- frames */

static void frame_keep(struct worker *worker, uint64_t pfn)
{
    contents[pfn].token = (((contents[pfn].token >> 24) + 1u) << 16 | pfn) << 8;
    worker->pfn[worker->count++] = pfn;
}

static void reap(struct worker *worker)
{
    struct hipt_frame frame;

    while (worker->count < FRAMES && hipt_frame_reap(worker->cpu.crew->table, &frame, 1) == 1u) {
        frame_keep(worker, frame.pfn);
        crew_add(worker->cpu.crew, worker->cpu.thread, REAPED, 1);
    }
}

static bool mapping_draw(struct worker *worker, uint64_t vpn, struct hipt_mapping *m)
{
    static const struct hipt_mapping none;

    reap(worker);
    if (worker->count == 0) {
        return false;
    }
    *m = none;
    m->page.asid = asid;
    m->page.vpn = vpn;
    m->pfn = worker->pfn[worker->count - 1u];
    m->prot = HIPT_READ | HIPT_WRITE;
    return true;
}

/* --- uses */

static void broken(struct worker *worker, uint64_t vpn, uint64_t token, const char *what, uint64_t other)
{
    if (!crew_is_over(worker->cpu.crew)) {
        cpus_print(worker->cpu.thread, atomic_load_explicit(&pages[vpn].by, memory_order_relaxed));
    }
    crew_broken(worker->cpu.crew, "CPU %u uses vpn %" PRIu64 " by token %#" PRIx64 ", and %s is token %#" PRIx64,
                worker->cpu.thread, vpn, token, what, other);
}

/* relaxed, here and below: what the words order would hide what hipt does not. */
static void use_begin(struct worker *worker, uint64_t vpn, uint64_t token)
{
    uint64_t use = relaxed(&pages[vpn].use);

    do {
        if ((use & 0xffu) != 0 && use >> 8 != token >> 8) {
            broken(worker, vpn, token, "in use", use);
            return;
        }
    } while (!atomic_compare_exchange_weak_explicit(&pages[vpn].use, &use, token + (use & 0xffu) + 1u,
                                                    memory_order_relaxed, memory_order_relaxed));
    atomic_store_explicit(&pages[vpn].seen, token, memory_order_relaxed);
}

static void use_end(uint64_t vpn)
{
    atomic_fetch_sub_explicit(&pages[vpn].use, 1u, memory_order_relaxed);
}

static void access_page(struct worker *worker)
{
    struct cpu *cpu = &worker->cpu;
    uint64_t vpn = crew_draw(&cpu->random, PAGES);
    uint64_t buried = relaxed(&pages[vpn].buried);
    unsigned turns = crew_draw(&cpu->random, 16) == 0 ? 4u : crew_draw(&cpu->random, 2);
    uint64_t token;
    uint64_t pfn;

    if (cpu_translate(cpu, asid, vpn, crew_draw(&cpu->random, 2) ? HIPT_READ : HIPT_WRITE, &pfn) == HIPT_OK) {
        token = contents[pfn].token;
        if (cpu->crew->options.canary && crew_total(cpu->crew, ACCESSES) > 1000u) {
            token += UINT64_C(1) << 8 << cpu->thread;
        }
        cpu_note(cpu, CPU_ACCESS, asid, vpn, pfn, token);
        if (token == buried) {
            broken(worker, vpn, token, "buried before it began", buried);
        }
        use_begin(worker, vpn, token);
        while (turns-- > 0) {
            sched_yield();
        }
        if (!crew_is_over(cpu->crew)) {
            use_end(vpn);
        }
        crew_add(cpu->crew, cpu->thread, ACCESSES, 1);
        crew_add(cpu->crew, cpu->thread, HITS, cpu->is_hit);
    }
    cpu_done(cpu);
}

/* --- updates */

static void map_page(struct worker *worker)
{
    struct cpu *cpu = &worker->cpu;
    uint64_t vpn = crew_draw(&cpu->random, PAGES);
    uint32_t frozen = atomic_load(&pages[vpn].frozen);
    struct hipt_mapping m;
    enum hipt_status status;

    if (!mapping_draw(worker, vpn, &m)) {
        return;
    }
    cpu_shoot(cpu);
    status = hipt_map(cpu->crew->table, &m);
    if (status == HIPT_OK) {
        worker->count--;
        cpu_note(cpu, CPU_MAP, asid, vpn, m.pfn, 0);
        crew_add(cpu->crew, cpu->thread, MAPS, 1);
        crew_add(cpu->crew, cpu->thread, HELPED, frozen % 2u == 1u && atomic_load(&pages[vpn].frozen) == frozen);
    }
    crew_add(cpu->crew, cpu->thread, BUSY, status == HIPT_BUSY);
}

static void remap_page(struct worker *worker)
{
    uint64_t vpn = crew_draw(&worker->cpu.random, PAGES);
    struct hipt_mapping m;

    if (mapping_draw(worker, vpn, &m)) {
        cpu_shoot(&worker->cpu);
        if (hipt_remap(worker->cpu.crew->table, &m, NULL) == HIPT_OK) {
            worker->count--;
            crew_add(worker->cpu.crew, worker->cpu.thread, REMAPS, 1);
        }
    }
}

static void bury(struct worker *worker, uint64_t vpn, uint64_t seen)
{
    if (seen != 0) {
        atomic_store_explicit(&pages[vpn].by, worker->cpu.thread, memory_order_relaxed);
        atomic_store_explicit(&pages[vpn].buried, seen, memory_order_relaxed);
        cpu_note(&worker->cpu, CPU_ENDED, asid, vpn, 0, seen);
        crew_add(worker->cpu.crew, worker->cpu.thread, BURIED, 1);
    }
}

/* By the page, or by a range of one: both wait for a shootdown that another thread has begun. */
static void unmap_page(struct worker *worker)
{
    struct cpu *cpu = &worker->cpu;
    struct hipt_page at = {asid, 0, crew_draw(&cpu->random, PAGES)};
    uint64_t seen = relaxed(&pages[at.vpn].seen);
    enum hipt_status status;
    uint64_t done = 1;

    cpu_shoot(cpu);
    cpu_note(cpu, CPU_ENDING, asid, at.vpn, 0, seen);
    if (crew_draw(&cpu->random, 2)) {
        status = hipt_unmap(cpu->crew->table, &at, NULL);
    } else {
        status = hipt_unmap_range(cpu->crew->table, &at, 1, &done);
        status = status == HIPT_OK && done == 0 ? HIPT_ABSENT : status;
    }
    if (status == HIPT_OK || status == HIPT_ABSENT) {
        bury(worker, at.vpn, seen);
    }
    crew_add(cpu->crew, cpu->thread, UNMAPS, status == HIPT_OK);
    crew_add(cpu->crew, cpu->thread, FOUND_FROZEN, status == HIPT_ABSENT);
}

/* The frame is not reaped in a read side that was open when it was mapped. */
static void look_up(struct worker *worker)
{
    struct cpu *cpu = &worker->cpu;
    uint64_t vpn = crew_draw(&cpu->random, PAGES);
    uint64_t seen = relaxed(&pages[vpn].seen);
    struct hipt_translation t;
    uint64_t token = seen;

    hipt_read_enter(cpu->crew->table);
    if (hipt_lookup(cpu->crew->table, asid, vpn, &t) == HIPT_OK) {
        token = contents[t.mapping.pfn].token;
    }
    hipt_read_exit(cpu->crew->table);
    if (token != seen) {
        bury(worker, vpn, seen);
        crew_add(cpu->crew, cpu->thread, SUPERSEDED, 1);
    }
}

static void gather_begin(struct worker *worker)
{
    struct cpu *cpu = &worker->cpu;
    struct hipt_page at = {asid, 0, crew_draw(&cpu->random, PAGES)};
    uint32_t frozen = atomic_load(&pages[at.vpn].frozen);

    if (hipt_gather_start(&worker->gather, cpu->crew->table, asid, HIPT_DEFERRED) != HIPT_OK) {
        crew_broken(cpu->crew, "a gather can not be started");
        return;
    }
    (void)hipt_gather_add(&worker->gather, &at, 1, &worker->ended);
    hipt_gather_dispatch(&worker->gather);
    worker->vpn = at.vpn;
    worker->is_open = true;
    worker->is_marked = worker->ended == 1u && frozen % 2u == 0 &&
                        atomic_compare_exchange_strong(&pages[at.vpn].frozen, &frozen, frozen + 1u);
}

/* It is often left open after the acknowledgements: maps must not wait for it. */
static void gather_poll(struct worker *worker)
{
    struct cpu *cpu = &worker->cpu;

    if (!hipt_gather_poll(&worker->gather)) {
        crew_add(cpu->crew, cpu->thread, EARLY, 1);
    } else if (crew_is_over(cpu->crew) || crew_draw(&cpu->random, 4) == 0) {
        if (worker->is_marked) {
            atomic_fetch_add(&pages[worker->vpn].frozen, 1u);
        }
        if (hipt_gather_finish(&worker->gather) != HIPT_OK) {
            crew_broken(cpu->crew, "a gather that is acknowledged is not finished");
        }
        crew_add(cpu->crew, cpu->thread, DEFERRED, worker->ended);
        worker->is_open = false;
    }
}

/* --- the whole */

static bool start(struct crew *crew)
{
    asid = crew_asid(crew).number;
    return true;
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
        switch (crew_draw(&worker->cpu.random, 16)) {
        case 0:
        case 1: unmap_page(worker); break;
        case 2:
        case 3:
        case 4: map_page(worker); break;
        case 5: remap_page(worker); break;
        case 6: worker->is_open ? gather_poll(worker) : gather_begin(worker); break;
        case 7: cpu_move(&worker->cpu); break;
        case 8:
        case 9: look_up(worker); break;
        default: access_page(worker); break;
        }
        crew_add(crew, thread, OPERATIONS, 1);
    }
    while (worker->is_open) {
        gather_poll(worker);
        sched_yield();
    }
    cpu_close(&worker->cpu);
}

static void finish(struct crew *crew)
{
    crew_add(crew, 0, HELD, cpus_kicks_held());
}

int main(int argc, char **argv)
{
    static const struct crew_program program = {
        .letter = "S2",
        .claim = "a page is not mapped again while a CPU can use its last translation",
        .count = counts,
        .asid_bits = 1,
        .frames = FRAMES,
        .grace = HIPT_USER_CK,
        .prepare = cpus_prepare,
        .start = start,
        .body = body,
        .finish = finish,
    };

    return crew_main(&program, argc, argv);
}
