/* SPDX-License-Identifier: MIT */
/*
 * T2 on real threads: every value that is ever mapped says the same thing several times. The pfn names the page (asid,
 * size and vpn) and a turn; protection and attribute are a checksum of the pfn. A value whose parts come from two
 * mappings, or a page with another page's value, does not add up. Lookups, batches, walks over the table and reverse
 * walks are checked, and what unmap and remap report.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "crew.h"

enum { SPACES = 2, VPNS = 8, TURNS = 4, LARGE = 4, FRAMES = SPACES * 3 * VPNS * TURNS * LARGE };

enum { OPERATIONS, LOOKUPS, BATCHED, WALKED, REVERSED, ENDED, CHANGED };

static const struct crew_count counts[] = {
    {"operations", true, false},
    {"values of lookups checked", true, false},
    {"values of batches checked", true, false},
    {"values of table walks checked", true, false},
    {"values of reverse walks checked", true, false},
    {"values at their end checked", true, false},
    {"values published", true, false},
    {NULL, false, false},
};

static uint32_t asid[SPACES];

static bool start(struct crew *crew)
{
    unsigned i;

    for (i = 0; i < SPACES; i++) {
        asid[i] = crew_asid(crew).number;
    }
    crew_pin(crew, 0, FRAMES);
    return true;
}

/* What a pfn says of protection and attribute. */
static unsigned checksum(uint64_t pfn)
{
    return (unsigned)((pfn + 1u) * UINT64_C(0x9e3779b97f4a7c15) >> 58);
}

/* The pfn of a page at a turn: all but the turn is the page. */
static uint64_t pfn_of(unsigned space, const struct hipt_page *page, unsigned turn)
{
    return (((space * 3u + page->size) * VPNS + page->vpn) * TURNS + turn) * LARGE;
}

static struct hipt_mapping value_of(unsigned space, uint32_t size, uint64_t vpn, unsigned turn)
{
    struct hipt_mapping m = {.page = {asid[space], size, vpn >> size << size}};

    m.pfn = pfn_of(space, &m.page, turn);
    m.prot = (uint8_t)(HIPT_READ | (checksum(m.pfn) & 7u) << 1);
    m.attr = (uint8_t)(checksum(m.pfn) >> 3);
    return m;
}

static struct hipt_mapping draw_value(uint32_t size, uint64_t *random)
{
    unsigned space = crew_draw(random, SPACES);
    uint64_t vpn = crew_draw(random, VPNS);

    return value_of(space, size, vpn, crew_draw(random, TURNS));
}

static void check(struct crew *crew, unsigned thread, unsigned count, struct hipt_mapping m, const char *where)
{
    unsigned space = m.page.asid == asid[0] ? 0 : 1u;
    struct hipt_mapping meant;

    if (crew->options.canary && crew_total(crew, count) > 100u) {
        m.attr ^= 1u;
    }
    meant = value_of(space, m.page.size, m.page.vpn, (unsigned)(m.pfn / LARGE % TURNS));
    if (m.page.asid != meant.page.asid || m.page.vpn != meant.page.vpn || m.pfn != meant.pfn || m.prot != meant.prot ||
        m.attr != meant.attr || m.swap) {
        crew_broken(crew, "%s: asid %" PRIu32 " size %" PRIu32 " vpn %" PRIu64 " pfn %" PRIu64
                    " prot %u attr %u is no mapping that was made", where, m.page.asid, m.page.size, m.page.vpn, m.pfn,
                    m.prot, m.attr);
    }
    crew_add(crew, thread, count, 1);
}

/* A word says nothing of its page's size: it is one that was made for some size. */
static void check_word(struct crew *crew, unsigned thread, unsigned space, uint64_t vpn, uint64_t pte)
{
    uint64_t pfn = HIPT_PTE_PFN(pte);
    bool is_made = false;
    uint32_t size;

    for (size = 0; size < crew->options.sizes; size++) {
        uint64_t first = vpn & ~((UINT64_C(1) << size) - 1u);
        struct hipt_mapping meant = value_of(space, size, first, (unsigned)(pfn / LARGE % TURNS));

        is_made = is_made || (meant.pfn + (vpn - first) == pfn && meant.prot == HIPT_PTE_PROT(pte) &&
                              meant.attr == HIPT_PTE_ATTR(pte));
    }
    if (!is_made || HIPT_PTE_SWAP(pte)) {
        crew_broken(crew, "word %" PRIx64 " of asid %" PRIu32 " vpn %" PRIu64 " is of no mapping that was made", pte,
                    asid[space], vpn);
    }
    crew_add(crew, thread, BATCHED, 1);
}

static void look(struct crew *crew, unsigned thread, uint64_t *random)
{
    uint32_t space = asid[crew_draw(random, SPACES)];
    uint64_t vpn = crew_draw(random, VPNS);
    struct hipt_translation t;

    hipt_read_enter(crew->table);
    if (hipt_lookup(crew->table, space, vpn, &t) == HIPT_OK) {
        check(crew, thread, LOOKUPS, t.mapping, "lookup");
        if (t.mapping.page.asid != space || vpn - t.mapping.page.vpn >= UINT64_C(1) << t.mapping.page.size) {
            crew_broken(crew, "lookup of vpn %" PRIu64 " gives vpn %" PRIu64, vpn, t.mapping.page.vpn);
        }
        if (crew_draw(random, 4) == 0 && hipt_mark(crew->table, &t, HIPT_ACCESSED) == HIPT_OK) {
            check(crew, thread, LOOKUPS, t.mapping, "mark");
        }
    }
    hipt_read_exit(crew->table);
}

static void look_at_all(struct crew *crew, unsigned thread)
{
    struct hipt_page pages[SPACES * VPNS];
    struct hipt_translation found[SPACES * VPNS];
    enum hipt_status status[SPACES * VPNS];
    uint64_t ptes[SPACES * VPNS];
    unsigned i;

    for (i = 0; i < SPACES * VPNS; i++) {
        pages[i] = (struct hipt_page){asid[i / VPNS], 0, i % VPNS};
    }
    (void)hipt_lookup_batch(crew->table, pages, SPACES * VPNS, found, status);
    for (i = 0; i < SPACES * VPNS; i++) {
        if (status[i] == HIPT_OK) {
            check(crew, thread, BATCHED, found[i].mapping, "batch");
        }
    }
    (void)hipt_lookup_pte_batch(crew->table, pages, SPACES * VPNS, ptes);
    for (i = 0; i < SPACES * VPNS; i++) {
        if (ptes[i] != 0) {
            check_word(crew, thread, i / VPNS, i % VPNS, ptes[i]);
        }
    }
}

static void walk(struct crew *crew, unsigned thread, uint64_t *random)
{
    uint32_t size = crew_draw(random, crew->options.sizes);
    struct hipt_mapping m = draw_value(size, random);
    struct hipt_frame frame = {.pfn = m.pfn + crew_draw(random, 1u << size), .swap = false};
    struct hipt_cursor cursor = {0};
    struct hipt_mapping found[8];
    size_t count;
    size_t i;

    while (crew_draw(random, 16) && hipt_table_next(crew->table, &cursor, &found[0]) == HIPT_OK) {
        check(crew, thread, WALKED, found[0], "table walk");
    }
    (void)hipt_reverse(crew->table, frame, found, 8, &count);
    for (i = 0; i < count && i < 8u; i++) {
        check(crew, thread, REVERSED, found[i], "reverse walk");
        if (frame.pfn - found[i].pfn >= UINT64_C(1) << found[i].page.size) {
            crew_broken(crew, "the reverse walk of pfn %" PRIu64 " gives pfn %" PRIu64, frame.pfn, found[i].pfn);
        }
    }
}

static void change(struct crew *crew, unsigned thread, uint64_t *random)
{
    uint32_t size = crew_draw(random, crew->options.sizes);
    struct hipt_mapping m = draw_value(size, random);
    struct hipt_mapping was;
    unsigned what = crew_draw(random, 8);
    enum hipt_status status;

    if (what < 4u) {
        status = hipt_map(crew->table, &m);
    } else {
        status = what < 6u ? hipt_remap(crew->table, &m, &was) : hipt_unmap(crew->table, &m.page, &was);
        if (status == HIPT_OK) {
            check(crew, thread, ENDED, was, "the end of a mapping");
        }
    }
    crew_add(crew, thread, CHANGED, status == HIPT_OK && what < 6u);
}

static void body(struct crew *crew, unsigned thread)
{
    uint64_t random = crew_seed(crew, thread);

    while (!crew_is_over(crew)) {
        unsigned what = crew_draw(&random, 64);

        if (what == 0) {
            look_at_all(crew, thread);
        } else if (what < 3u) {
            walk(crew, thread, &random);
        } else if (what < 32u) {
            look(crew, thread, &random);
        } else {
            change(crew, thread, &random);
        }
        crew_add(crew, thread, OPERATIONS, 1);
    }
}

int main(int argc, char **argv)
{
    static const struct crew_program program = {
        .letter = "T2",
        .claim = "what a lookup or a walk returns is one live mapping's value, never a mixture",
        .count = counts,
        .asid_bits = 2,
        .frames = FRAMES,
        .start = start,
        .body = body,
    };

    return crew_main(&program, argc, argv);
}
