/* SPDX-License-Identifier: MIT */
/*
 * The key: (asid, size class, vpn), packed from bit 63 down. Its split is chosen when the table is made. The vpn is
 * that of the page's first base page, so that no two keys name the same page.
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
    unsigned vpn_bits;                   /* of a vpn in base pages */
    unsigned spare_bits;                 /* what is left of 64 */
    unsigned nsizes;
    uint64_t asid_unit;                  /* asid 1 in its place in a key: a product, where a shift takes a register */
    uint64_t vpn_unit;                   /* the same for vpn 1 */
    uint64_t size_key[HIPT_SIZES_MAX];   /* the size class, in its place in a key */
    uint64_t vpn_mask[HIPT_SIZES_MAX];   /* the bits of a page's first vpn */
    uint64_t last_asid;                  /* the bounds, ready to be compared with */
    uint64_t last_vpn;
    unsigned page_shift[HIPT_SIZES_MAX];
    unsigned page_order[HIPT_SIZES_MAX]; /* log2 of the base pages in a page of this class */
};

static inline unsigned hipti_split_width(const struct hipti_split *split)
{
    return split->asid_bits + split->size_bits + split->vpn_bits;
}

/* The first base page of the page of class @size that covers @vpn; likewise of frames. */
static inline uint64_t hipti_vpn_first(const struct hipti_split *split, uint32_t size, uint64_t vpn)
{
    return vpn & split->vpn_mask[size];
}

/* The page's vpn is one of its base pages; everything is in range. */
static inline uint64_t hipti_key_pack(const struct hipti_split *split, uint32_t asid, uint32_t size, uint64_t vpn)
{
    return asid * split->asid_unit + split->size_key[size] + hipti_vpn_first(split, size, vpn) * split->vpn_unit;
}

/* The same of a page of the smallest class, which adds nothing and has no vpn to round. */
static inline uint64_t hipti_key_of_smallest(const struct hipti_split *split, uint32_t asid, uint64_t vpn)
{
    return asid * split->asid_unit + vpn * split->vpn_unit;
}

static inline struct hipt_page hipti_key_unpack(const struct hipti_split *split, uint64_t key)
{
    uint64_t vpn = key >> split->spare_bits;
    uint64_t space = vpn >> split->vpn_bits;
    struct hipt_page page;

    page.size = (uint32_t)(space & hipti_mask(split->size_bits));
    page.asid = (uint32_t)(space >> split->size_bits);
    page.vpn = vpn & hipti_mask(split->vpn_bits);
    return page;
}

#endif
