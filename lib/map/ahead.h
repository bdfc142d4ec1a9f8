/* SPDX-License-Identifier: MIT */
/*
 * Many pages in one call, of a batch or of a range. Their buckets have nothing to do with each other, so that each page
 * is a miss; the misses overlap where lines are fetched some pages ahead of the work. All of these are hints.
 */
#ifndef HIPT_MAP_AHEAD_H
#define HIPT_MAP_AHEAD_H

#include <stdint.h>

#include "map/table.h"

#define HIPTI_AHEAD 32u /* pages whose lines are on their way; a power of two */
#define HIPTI_TURN 32u  /* pages in one read side, so that many of them hold up no grace period */
/*
 * Pages whose cells are on their way. Fewer: what names a cell, a frame's record or the head of an asid's list, has to
 * be there, and right.
 */
#define HIPTI_CELLS_AHEAD 8u

/* Inside a read side, as is all that fetches a page: its line may be given back otherwise. */
static inline void hipti_fetch_page(const struct hipt_table *table, const struct hipt_page *page)
{
    HIPT_PORT_PREFETCH(hipti_buckets_line(&table->buckets, hipti_page_place(table, page).bucket));
}

/* Also the lines where a map of the page looks for larger ones around it. */
static inline void hipti_fetch_around(const struct hipt_table *table, const struct hipt_page *page)
{
    unsigned larger = hipti_sizes_in_use(table, page->asid) & ~((2u << page->size) - 1u);
    struct hipt_page around = *page;

    hipti_fetch_page(table, page);
    for (; larger != 0; larger &= larger - 1u) {
        around.size = hipti_lowest_bit(larger);
        hipti_fetch_page(table, &around);
    }
}

static inline void hipti_fetch_frame(const struct hipt_table *table, uint32_t number)
{
    HIPT_PORT_PREFETCH(hipti_arena_at(&table->frames.records, number));
}

/* Nothing is fetched of cell 0. */
static inline void hipti_fetch_cell(const struct hipt_table *table, uint32_t cell)
{
    if (cell != 0) {
        HIPT_PORT_PREFETCH(hipti_asid_cell_address(&table->asids, cell));
    }
}

/* Where the fetching of a range stands. */
struct hipti_ahead {
    struct hipt_page page; /* the next to be fetched */
    uint64_t left;
};

/* One page more, if there is one. */
static inline void hipti_ahead_next(const struct hipt_table *table, struct hipti_ahead *ahead)
{
    if (ahead->left > 0) {
        hipti_fetch_page(table, &ahead->page);
        ahead->page.vpn += hipti_size_pages(table, ahead->page.size);
        ahead->left--;
    }
}

/*
 * Fetch the first pages of a range, which is not empty, but for the very first, which is looked at at once. In a read
 * side of its own.
 */
static inline struct hipti_ahead hipti_ahead_start(const struct hipt_table *table, const struct hipt_page *page,
                                                   uint64_t npages)
{
    struct hipti_ahead ahead = {*page, npages - 1u};
    unsigned i;

    ahead.page.vpn += hipti_size_pages(table, page->size);
    HIPT_PORT_READ_ENTER(&table->ops);
    for (i = 1; i < HIPTI_AHEAD && ahead.left > 0; i++) {
        hipti_ahead_next(table, &ahead);
    }
    HIPT_PORT_READ_EXIT(&table->ops);
    return ahead;
}

#endif
