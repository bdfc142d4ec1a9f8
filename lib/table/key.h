/* SPDX-License-Identifier: MIT */
/*
 * The key: (asid, size class, vpn), packed from the top. Its split is chosen when the table is made. The vpn is counted in
 * pages of its own size class, so that no two keys name the same page.
 */
#ifndef HIPT_TABLE_KEY_H
#define HIPT_TABLE_KEY_H

#include <stdint.h>

#include <hipt/map.h>
#include <hipt/table.h>

#include "base/bits.h"

/* Field key: all constant. */
struct hipti_split {
    unsigned asid_bits;
    unsigned size_bits;
    unsigned vpn_bits;                    /* of a vpn in base pages */
    unsigned nsizes;
    unsigned page_shift[HIPT_SIZES_MAX];
    unsigned page_order[HIPT_SIZES_MAX]; /* log2 of the base pages in a page of this class */
};

static inline unsigned hipti_split_width(const struct hipti_split *split)
{
    return split->asid_bits + split->size_bits + split->vpn_bits;
}

/* The page's vpn is a multiple of its size; everything is in range. */
static inline uint64_t hipti_key_pack(const struct hipti_split *split, uint32_t asid, uint32_t size, uint64_t vpn)
{
    uint64_t space = ((uint64_t)asid << split->size_bits) | size;

    return (space << split->vpn_bits) | (vpn >> split->page_order[size]);
}

static inline struct hipt_page hipti_key_unpack(const struct hipti_split *split, uint64_t key)
{
    uint64_t space = key >> split->vpn_bits;
    struct hipt_page page;

    page.size = (uint32_t)(space & hipti_mask(split->size_bits));
    page.asid = (uint32_t)(space >> split->size_bits);
    page.vpn = (key & hipti_mask(split->vpn_bits)) << split->page_order[page.size];
    return page;
}

#endif
