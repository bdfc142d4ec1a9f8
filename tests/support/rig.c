/* SPDX-License-Identifier: MIT */
#include "support/rig.h"

#include <stdlib.h>
#include <string.h>

void rig_init(struct rig *rig)
{
    static const uint64_t secret[4] = {UINT64_C(0x9ae16a3b2f90404f), UINT64_C(0xc949d7c7509e6557),
                                       UINT64_C(0xff51afd7ed558ccd), UINT64_C(0xc4ceb9fe1a85ec53)};

    memset(rig, 0, sizeof(*rig));
    test_host_init(&rig->host);
    hipt_config_init(&rig->config);
    rig->ranges[0] = (struct hipt_range){.first = 0, .count = RIG_FRAMES, .swap = false};
    rig->ranges[1] = (struct hipt_range){.first = 0, .count = RIG_SWAP, .swap = true};
    rig->config.ops = &rig->host.ops;
    rig->config.buckets = 64;
    rig->config.asid_bits = 4;
    rig->config.va_bits = 36;
    rig->config.nsizes = 3;
    rig->config.page_shift[0] = 12;
    rig->config.page_shift[1] = 16;
    rig->config.page_shift[2] = 21;
    rig->config.ranges = rig->ranges;
    rig->config.nranges = 2;
    rig->config.secret = secret;
}

bool rig_create(struct rig *rig)
{
    return hipt_table_create(&rig->config, &rig->table) == HIPT_OK;
}

void rig_check(struct rig *rig)
{
    char text[200];

    if (!hipt_table_is_valid(rig->table, text, sizeof(text))) {
        test_broken(text, __FILE__, __LINE__);
    }
}

void rig_destroy(struct rig *rig)
{
    rig_check(rig);
    TEST_HOLDS(rig->host.reader[0].depth == 0); /* no read side was left open */
    hipt_table_destroy(rig->table);
    TEST_HOLDS(atomic_load(&rig->host.blocks) == 0);
    TEST_HOLDS(atomic_load(&rig->host.bytes) == 0);
    TEST_HOLDS(atomic_load(&rig->host.waits) == 0); /* no hook was let sleep inside a read side */
}

struct hipt_asid rig_asid(struct rig *rig)
{
    struct hipt_asid asid = {0, 0};

    TEST_HOLDS(hipt_asid_alloc(rig->table, &asid) == HIPT_OK);
    return asid;
}

void rig_pass(struct rig *rig)
{
    test_host_tick(&rig->host);
}

static bool says_the_same(uint64_t pte, const struct hipt_page *page, const struct hipt_mapping *m)
{
    return HIPT_PTE_PFN(pte) == m->pfn + (page->vpn - m->page.vpn) && HIPT_PTE_PROT(pte) == m->prot &&
           HIPT_PTE_MARKS(pte) == m->marks && HIPT_PTE_ATTR(pte) == m->attr && HIPT_PTE_SWAP(pte) == m->swap;
}

void rig_check_words(struct rig *rig, const struct hipt_page *pages, size_t count, const struct hipt_translation *out,
                     const enum hipt_status *status)
{
    uint64_t *ptes = (uint64_t *)malloc((count + 1u) * sizeof(*ptes));
    size_t found = 0;
    size_t got;
    size_t i;

    TEST_HOLDS(ptes != NULL);
    got = hipt_lookup_pte_batch(rig->table, pages, count, ptes);
    for (i = 0; i < count; i++) {
        TEST_HOLDS((ptes[i] != 0) == (status[i] == HIPT_OK));
        TEST_HOLDS(ptes[i] == 0 || says_the_same(ptes[i], &pages[i], &out[i].mapping));
        TEST_HOLDS(hipt_lookup_pte(rig->table, pages[i].asid, pages[i].vpn) == ptes[i]);
        found += ptes[i] != 0;
    }
    TEST_HOLDS(got == found);
    free(ptes);
}

struct hipt_mapping rig_mapping(uint32_t asid, uint32_t size, uint64_t vpn, uint64_t pfn)
{
    struct hipt_mapping mapping = {
        .page = {.asid = asid, .size = size, .vpn = vpn}, .pfn = pfn, .prot = HIPT_READ | HIPT_WRITE};

    return mapping;
}

static int compare_numbers(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

static int compare_pages(const void *a, const void *b)
{
    const struct hipt_page *x = &((const struct hipt_mapping *)a)->page;
    const struct hipt_page *y = &((const struct hipt_mapping *)b)->page;
    int order = compare_numbers(x->asid, y->asid);

    order = order ? order : compare_numbers(x->vpn, y->vpn);
    return order ? order : compare_numbers(x->size, y->size);
}

bool rig_same(const struct hipt_mapping *a, const struct hipt_mapping *b)
{
    return compare_pages(a, b) == 0 && a->pfn == b->pfn && a->prot == b->prot && a->attr == b->attr &&
           a->marks == b->marks && a->swap == b->swap;
}

void rig_look(struct rig *rig, struct rig_picture *picture)
{
    struct hipt_cursor cursor = {0};
    uint64_t i;

    picture->count = 0;
    while (picture->count < RIG_MAPPINGS &&
           hipt_table_next(rig->table, &cursor, &picture->mapping[picture->count]) == HIPT_OK) {
        picture->count++;
    }
    TEST_HOLDS(picture->count < RIG_MAPPINGS);
    qsort(picture->mapping, picture->count, sizeof(picture->mapping[0]), compare_pages);
    for (i = 0; i < RIG_FRAMES + RIG_SWAP; i++) {
        struct hipt_frame frame = {.pfn = i < RIG_FRAMES ? i : i - RIG_FRAMES, .swap = i >= RIG_FRAMES};

        TEST_HOLDS(hipt_frame_get(rig->table, frame, &picture->frame[i]) == HIPT_OK);
    }
}

bool rig_unchanged(struct rig *rig, const struct rig_picture *picture)
{
    struct rig_picture *now = (struct rig_picture *)malloc(sizeof(*now));
    bool same;
    size_t i;

    TEST_HOLDS(now != NULL);
    rig_look(rig, now);
    same = now->count == picture->count;
    for (i = 0; same && i < now->count; i++) {
        same = rig_same(&now->mapping[i], &picture->mapping[i]);
    }
    for (i = 0; same && i < RIG_FRAMES + RIG_SWAP; i++) {
        same = now->frame[i].state == picture->frame[i].state && now->frame[i].mappings == picture->frame[i].mappings &&
               now->frame[i].pins == picture->frame[i].pins;
    }
    free(now);
    return same;
}
