/* SPDX-License-Identifier: MIT */
/*
 * F1 on real threads: few frames, many sharers, so that pairs move between a frame's record and its blocks of further
 * mappings while others walk over them. Each page has an owner, which maps, remaps and unmaps it, and says in a ledger
 * when it is surely mapped and to which frame. Who walks copies the ledger before and reads it again after: a page that
 * stood still meanwhile must be reported exactly once if it maps the frame, and not at all if it does not.
 */
#include <inttypes.h>
#include <stdio.h>

#include "crew.h"

enum { SMALL = 20, LARGE = 4, PAGES = SMALL + LARGE, FRAMES = 8, FOUND_MAX = 256 };

enum { OPERATIONS, WALKS, PRESENT, ABSENT, MOVED, CHANGED };

static const struct crew_count counts[] = {
    {"operations", true, false},
    {"reverse walks", true, false},
    {"mappings live throughout, reported", true, false},
    {"pages never there, not reported", true, false},
    {"pages that changed during the walk", true, false},
    {"changes", true, false},
    {NULL, false, false},
};

#define LEDGER_MAPPED 1u
#define LEDGER_CHANGING 2u
#define LEDGER_PFN_SHIFT 2u
#define LEDGER_TURN_SHIFT 16u

/* Turn, pfn, state. Written by the page's owner. */
struct entry {
    _Alignas(64) _Atomic uint64_t word;
};

static struct entry ledger[PAGES];
static uint32_t asid;
static unsigned order; /* of the large pages */

static bool start(struct crew *crew)
{
    asid = crew_asid(crew).number;
    order = crew->options.sizes - 1u;
    crew_pin(crew, 0, FRAMES);
    return true;
}

/* Page @n: first the small ones, then the large ones, which overlap none of them. */
static struct hipt_page page_of(unsigned n)
{
    struct hipt_page page = {asid, 0, n};

    if (n >= SMALL) {
        page.size = order;
        page.vpn = (uint64_t)n << order;
    }
    return page;
}

static unsigned number_of(const struct hipt_page *page)
{
    return (unsigned)(page->vpn >= SMALL ? page->vpn >> order : page->vpn);
}

static bool word_covers(uint64_t word, unsigned n, uint64_t pfn)
{
    uint64_t first = word >> LEDGER_PFN_SHIFT & (FRAMES - 1u);

    return (word & LEDGER_MAPPED) && pfn >= first && pfn - first < UINT64_C(1) << page_of(n).size;
}

static bool change_page(struct crew *crew, unsigned n, uint64_t word, uint64_t pfn, bool unmap)
{
    struct hipt_mapping m = {.page = page_of(n), .pfn = pfn, .prot = HIPT_READ};
    enum hipt_status status;

    if (!(word & LEDGER_MAPPED)) {
        status = hipt_map(crew->table, &m);
    } else {
        status = unmap ? hipt_unmap(crew->table, &m.page, NULL) : hipt_remap(crew->table, &m, NULL);
    }
    if (status != HIPT_OK && status != HIPT_BUSY && status != HIPT_FULL && status != HIPT_NOMEM) {
        crew_broken(crew, "the owner's change of page %u answers: %s", n, hipt_strerror(status));
    }
    return status == HIPT_OK;
}

/* The owner's turn. */
static void turn_page(struct crew *crew, unsigned thread, uint64_t *random, unsigned n)
{
    uint64_t word = atomic_load_explicit(&ledger[n].word, memory_order_relaxed);
    uint64_t turn = (word >> LEDGER_TURN_SHIFT) + 1u;
    uint64_t pfn = (uint64_t)crew_draw(random, FRAMES) >> page_of(n).size << page_of(n).size;
    bool unmap = crew_draw(random, 2);
    bool done;

    atomic_store_explicit(&ledger[n].word, turn << LEDGER_TURN_SHIFT | LEDGER_CHANGING, memory_order_release);
    done = change_page(crew, n, word, pfn, unmap);
    crew_add(crew, thread, OPERATIONS, 1);
    crew_add(crew, thread, CHANGED, done);
    if (!done) {
        word &= (UINT64_C(1) << LEDGER_TURN_SHIFT) - 1u;
    } else if ((word & LEDGER_MAPPED) && unmap) {
        word = 0;
    } else {
        word = pfn << LEDGER_PFN_SHIFT | LEDGER_MAPPED;
    }
    atomic_store_explicit(&ledger[n].word, turn << LEDGER_TURN_SHIFT | word, memory_order_release);
}

static void ledger_copy(uint64_t *words)
{
    unsigned n;

    for (n = 0; n < PAGES; n++) {
        words[n] = atomic_load_explicit(&ledger[n].word, memory_order_acquire);
    }
}

static void check_page(struct crew *crew, unsigned thread, unsigned n, uint64_t word, uint64_t pfn, unsigned reported)
{
    bool covers = word_covers(word, n, pfn);

    if (covers && reported != 1u) {
        crew_broken(crew, "page %u maps pfn %" PRIu64 " during the whole walk, which reports it %u times", n, pfn,
                    reported);
    }
    if (!covers && reported) {
        crew_broken(crew, "page %u does not map pfn %" PRIu64 " during the walk, which reports it", n, pfn);
    }
    crew_add(crew, thread, covers ? PRESENT : ABSENT, 1);
}

static void walk(struct crew *crew, unsigned thread, uint64_t *random)
{
    struct hipt_frame frame = {.pfn = crew_draw(random, FRAMES), .swap = false};
    struct hipt_mapping found[FOUND_MAX];
    unsigned reported[PAGES] = {0};
    uint64_t before[PAGES];
    uint64_t after[PAGES];
    size_t count;
    size_t i;

    ledger_copy(before);
    (void)hipt_reverse(crew->table, frame, found, FOUND_MAX, &count);
    ledger_copy(after);
    for (i = crew->options.canary && crew_total(crew, WALKS) > 20u; i < count; i++) { /* the canary loses one */
        unsigned n = number_of(&found[i].page);

        if (n >= PAGES || page_of(n).vpn != found[i].page.vpn) {
            crew_broken(crew, "a walk reports vpn %" PRIu64 ", which is never mapped", found[i].page.vpn);
            return;
        }
        reported[n]++;
    }
    for (i = 0; i < PAGES; i++) {
        if (before[i] == after[i] && !(before[i] & LEDGER_CHANGING)) {
            check_page(crew, thread, (unsigned)i, before[i], frame.pfn, reported[i]);
        } else {
            crew_add(crew, thread, MOVED, 1);
        }
    }
    crew_add(crew, thread, WALKS, 1);
    crew_add(crew, thread, OPERATIONS, 1);
}

static void body(struct crew *crew, unsigned thread)
{
    uint64_t random = crew_seed(crew, thread);

    while (!crew_is_over(crew)) {
        unsigned n = crew_draw(&random, PAGES);

        if (n % crew->options.threads == thread) {
            turn_page(crew, thread, &random, n);
        } else if (crew_draw(&random, 4) == 0) {
            walk(crew, thread, &random);
        }
    }
}

int main(int argc, char **argv)
{
    static const struct crew_program program = {
        .letter = "F1",
        .claim = "a reverse walk omits no mapping that was live throughout and reports none that was not live",
        .count = counts,
        .asid_bits = 1,
        .frames = FRAMES,
        .start = start,
        .body = body,
    };

    return crew_main(&program, argc, argv);
}
