/* SPDX-License-Identifier: MIT */
/*
 * T3 on real threads: pages that all have the same frame and the same flags take turns in the same few slots, so
 * that a slot's word looks the same in life after life but for its version. Each page has an owner, which maps it,
 * unmaps it and keeps a ledger of its lives. The others look a page up, wait a little inside the read side, and set
 * the dirty mark through what they read. A mark that says it was set must be reported by the unmap of just that
 * life; and an unmap may report dirty only what somebody meant to mark in just that life.
 */
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>

#include "crew.h"

enum { PAGES = 12, ENDS = 1 << 12, PENDING = 64, FRAME = 1 };

enum { OPERATIONS, MARKED, CHANGED, LIVES, DIRTY, CONFIRMED, LATE };

static const struct crew_count counts[] = {
    {"operations", true, false},
    {"marks set", true, false},
    {"marks refused: changed", true, false},
    {"lives ended", true, false},
    {"lives ended dirty", true, false},
    {"marks found where they were set", true, false},
    {"marks whose life is too long ago", false, false},
    {NULL, false, false},
};

/* Field key: life, end: written by the owner; meant: an entry by each thread; all atomic. */
struct page {
    _Alignas(64) _Atomic uint64_t life; /* odd: mapped, and neither map nor unmap under way */
    _Atomic uint64_t meant[CREW_THREADS_MAX]; /* the last life that the thread meant to mark */
    _Atomic uint64_t end[ENDS];         /* life * 2 + whether it ended dirty, of the last so many lives */
};

static struct page pages[PAGES];
static uint32_t asid;

static bool start(struct crew *crew)
{
    asid = crew_asid(crew).number;
    crew_pin(crew, FRAME, 1);
    return true;
}

/* Has somebody said that they were going to mark this life? */
static bool is_meant(const struct crew *crew, const struct page *page, uint64_t life)
{
    unsigned t;

    for (t = 0; t < crew->options.threads; t++) {
        if (atomic_load_explicit(&page->meant[t], memory_order_acquire) == life) {
            return true;
        }
    }
    return false;
}

static void end_life(struct crew *crew, unsigned thread, unsigned n, const struct hipt_mapping *was, uint64_t life)
{
    bool dirty = was->marks & HIPT_DIRTY;

    if (crew->options.canary && crew_total(crew, DIRTY) > 20u) {
        dirty = !dirty;
    }
    if (dirty && !is_meant(crew, &pages[n], life)) {
        crew_broken(crew, "page %u ends life %" PRIu64 " dirty, and nobody meant to mark it", n, life);
    }
    atomic_store_explicit(&pages[n].end[life % ENDS], life * 2u + dirty, memory_order_release);
    crew_add(crew, thread, LIVES, 1);
    crew_add(crew, thread, DIRTY, dirty);
}

/* The owner's turn: from mapped to unmapped or back. */
static void turn_page(struct crew *crew, unsigned thread, unsigned n)
{
    struct hipt_mapping m = {.page = {asid, 0, n}, .pfn = FRAME, .prot = HIPT_READ};
    uint64_t life = atomic_load_explicit(&pages[n].life, memory_order_relaxed);
    struct hipt_mapping was;
    enum hipt_status status;

    if ((life & 1u) == 0) {
        status = hipt_map(crew->table, &m);
        if (status == HIPT_OK) {
            atomic_store_explicit(&pages[n].life, life + 1u, memory_order_release);
        } else if (status != HIPT_BUSY && status != HIPT_FULL) {
            crew_broken(crew, "the owner's map answers: %s", hipt_strerror(status));
        }
        return;
    }
    atomic_store_explicit(&pages[n].life, life + 1u, memory_order_release);
    status = hipt_unmap(crew->table, &m.page, &was);
    if (status != HIPT_OK) {
        crew_broken(crew, "the owner's unmap answers: %s", hipt_strerror(status));
        return;
    }
    end_life(crew, thread, n, &was, life);
}

/* Marks that were set, until their lives have ended. */
struct pending {
    unsigned count;
    struct {
        unsigned page;
        uint64_t life;
    } mark[PENDING];
};

/* Set a mark through a translation that has become old, perhaps. */
static void mark_page(struct crew *crew, unsigned thread, uint64_t *random, unsigned n, struct pending *pending)
{
    uint64_t life = atomic_load_explicit(&pages[n].life, memory_order_acquire);
    struct hipt_translation t;
    enum hipt_status status;

    hipt_read_enter(crew->table);
    status = hipt_lookup(crew->table, asid, n, &t);
    if (status == HIPT_OK && (life & 1u) && atomic_load_explicit(&pages[n].life, memory_order_acquire) == life) {
        atomic_store_explicit(&pages[n].meant[thread], life, memory_order_release);
        if (crew_draw(random, 2)) {
            sched_yield();
        }
        status = hipt_mark(crew->table, &t, HIPT_DIRTY);
        if (status == HIPT_OK) {
            pending->mark[pending->count].page = n;
            pending->mark[pending->count++].life = life;
        }
        crew_add(crew, thread, MARKED, status == HIPT_OK);
        crew_add(crew, thread, CHANGED, status == HIPT_CHANGED);
    }
    hipt_read_exit(crew->table);
}

/* => whether the mark's life has not ended yet. */
static bool mark_waits(struct crew *crew, unsigned thread, unsigned n, uint64_t life)
{
    uint64_t end = atomic_load_explicit(&pages[n].end[life % ENDS], memory_order_acquire);

    if (end / 2u < life) {
        return true;
    }
    crew_add(crew, thread, LATE, end / 2u > life);
    if (end / 2u == life) {
        crew_add(crew, thread, CONFIRMED, end & 1u);
        if (!(end & 1u)) {
            crew_broken(crew, "a mark on life %" PRIu64 " of page %u was set, and the life ended clean", life, n);
        }
    }
    return false;
}

/* Keep the marks that wait. */
static void look_back(struct crew *crew, unsigned thread, struct pending *pending)
{
    unsigned kept = 0;
    unsigned i;

    for (i = 0; i < pending->count; i++) {
        if (mark_waits(crew, thread, pending->mark[i].page, pending->mark[i].life)) {
            pending->mark[kept++] = pending->mark[i];
        }
    }
    pending->count = kept;
}

static void body(struct crew *crew, unsigned thread)
{
    uint64_t random = crew_seed(crew, thread);
    struct pending pending = {0};

    while (!crew_is_over(crew)) {
        unsigned n = crew_draw(&random, PAGES);

        if (n % crew->options.threads == thread) {
            turn_page(crew, thread, n);
        } else if (pending.count < PENDING) {
            mark_page(crew, thread, &random, n, &pending);
        }
        look_back(crew, thread, &pending);
        crew_add(crew, thread, OPERATIONS, 1);
    }
}

int main(int argc, char **argv)
{
    static const struct crew_program program = {
        .letter = "T3",
        .claim = "a mark hits the mapping that it was read from, or says that it has changed",
        .count = counts,
        .asid_bits = 1,
        .frames = 4,
        .start = start,
        .body = body,
    };

    return crew_main(&program, argc, argv);
}
