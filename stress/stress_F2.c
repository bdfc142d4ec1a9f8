/* SPDX-License-Identifier: MIT */
/*
 * F2 on real threads: each thread maps, remaps and unmaps pages to frames of its own, each frame at one page at a time,
 * on pages that the others contend for, so that many maps are undone on the way. However they meet, no frame ever has a
 * second mapping; so not one byte may be taken for further mappings. Allocations are counted by the hook and by the
 * table. At the end one frame is mapped twice: then the meter must show it.
 */
#include <inttypes.h>
#include <stdio.h>

#include "crew.h"

enum { PAGES = 12, OWN = 6, FRAMES = OWN * CREW_THREADS_MAX * 4 };

enum { OPERATIONS, FIRST, LOST, READINGS, ALLOCATIONS, ALIASED };

static const struct crew_count counts[] = {
    {"operations", true, false},
    {"first mappings of a frame", true, false},
    {"maps undone, another was faster", true, false},
    {"readings of the meter", true, false},
    {"allocations, all for other things", true, true},
    {"bytes for the second mapping at the end", true, true},
    {NULL, false, false},
};

/* A thread's frames, and where each is mapped. */
struct own {
    bool mapped[OWN];
    struct hipt_page page[OWN];
};

static void *(*alloc_below)(void *ctx, size_t bytes, size_t align, int node, bool may_wait);
static _Atomic uint64_t allocations;
static uint32_t asid;
static uint64_t empty; /* bytes that the room for further mappings takes before there are any */

static void *alloc_counted(void *ctx, size_t bytes, size_t align, int node, bool may_wait)
{
    atomic_fetch_add_explicit(&allocations, 1u, memory_order_relaxed);
    return alloc_below(ctx, bytes, align, node, may_wait);
}

static uint64_t alias_bytes(struct crew *crew)
{
    struct hipt_stats stats;

    hipt_table_stats(crew->table, &stats);
    return stats.bytes_aliases;
}

/* The table is made anew, on hooks that count. */
static bool start(struct crew *crew)
{
    hipt_table_destroy(crew->table);
    alloc_below = crew->ops.alloc;
    crew->ops.alloc = alloc_counted;
    if (hipt_table_create(&crew->config, &crew->table) != HIPT_OK) {
        return false;
    }
    empty = alias_bytes(crew);
    asid = crew_asid(crew).number;
    crew_pin(crew, 0, FRAMES);
    return true;
}

static void read_meter(struct crew *crew, unsigned thread)
{
    uint64_t bytes = alias_bytes(crew) - empty;

    if (crew->options.canary && crew_total(crew, READINGS) > 20u) {
        bytes += 64;
    }
    if (bytes != 0) {
        crew_broken(crew, "%" PRIu64 " bytes were taken for further mappings, and no frame has any", bytes);
    }
    crew_add(crew, thread, READINGS, 1);
}

/* Own frame @n goes to a page, by a map or in place of another own frame. */
static void map_own(struct crew *crew, unsigned thread, uint64_t *random, struct own *own, unsigned n)
{
    struct hipt_mapping m = {.prot = HIPT_READ};
    enum hipt_status status;

    m.page.asid = asid;
    m.page.size = crew_draw(random, crew->options.sizes);
    m.page.vpn = (uint64_t)crew_draw(random, PAGES) >> m.page.size << m.page.size;
    m.pfn = (uint64_t)(thread * OWN + n) * 4u;
    status = hipt_map(crew->table, &m);
    own->mapped[n] = status == HIPT_OK;
    own->page[n] = m.page;
    crew_add(crew, thread, FIRST, status == HIPT_OK);
    crew_add(crew, thread, LOST, status == HIPT_EXISTS || status == HIPT_OVERLAP);
    if (status > HIPT_BUSY && status != HIPT_FULL) {
        crew_broken(crew, "a map answers: %s", hipt_strerror(status));
    }
}

static void remap_own(struct crew *crew, unsigned thread, struct own *own, unsigned from, unsigned to)
{
    struct hipt_mapping m = {.page = own->page[from], .pfn = (uint64_t)(thread * OWN + to) * 4u, .prot = HIPT_READ};
    enum hipt_status status = hipt_remap(crew->table, &m, NULL);

    if (status != HIPT_OK) {
        crew_broken(crew, "the remap of an own page answers: %s", hipt_strerror(status));
        return;
    }
    own->mapped[to] = true;
    own->page[to] = own->page[from];
    own->mapped[from] = false;
    crew_add(crew, thread, FIRST, 1);
}

static void unmap_own(struct crew *crew, struct own *own, unsigned n)
{
    enum hipt_status status = hipt_unmap(crew->table, &own->page[n], NULL);

    own->mapped[n] = false;
    if (status != HIPT_OK) {
        crew_broken(crew, "the unmap of an own page answers: %s", hipt_strerror(status));
    }
}

static void body(struct crew *crew, unsigned thread)
{
    uint64_t random = crew_seed(crew, thread);
    struct own own = {{false}, {{0, 0, 0}}};

    while (!crew_is_over(crew)) {
        unsigned n = crew_draw(&random, OWN);
        unsigned other = crew_draw(&random, OWN);

        if (!own.mapped[n]) {
            map_own(crew, thread, &random, &own, n);
        } else if (!own.mapped[other] && crew_draw(&random, 2)) {
            remap_own(crew, thread, &own, n, other);
        } else {
            unmap_own(crew, &own, n);
        }
        if (crew_draw(&random, 64) == 0) {
            read_meter(crew, thread);
        }
        crew_add(crew, thread, OPERATIONS, 1);
    }
}

/* Does the meter show what there is? */
static void finish(struct crew *crew)
{
    struct hipt_mapping m = {.page = {asid, 0, 4u * PAGES}, .prot = HIPT_READ};

    read_meter(crew, 0);
    for (; m.page.vpn < 4u * PAGES + 2u; m.page.vpn++) {
        while (hipt_map(crew->table, &m) == HIPT_BUSY) {
            /* a grace period that the bucket waits for */
        }
    }
    crew_add(crew, 0, ALIASED, alias_bytes(crew) - empty);
    crew_add(crew, 0, ALLOCATIONS, atomic_load(&allocations));
}

int main(int argc, char **argv)
{
    static const struct crew_program program = {
        .letter = "F2",
        .claim = "the first mapping of a frame needs no memory of its own",
        .count = counts,
        .asid_bits = 1,
        .frames = FRAMES,
        .start = start,
        .body = body,
        .finish = finish,
    };

    return crew_main(&program, argc, argv);
}
