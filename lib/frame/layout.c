/* SPDX-License-Identifier: MIT */
#include "frame/layout.h"

#include "base/bits.h"
#include "frame/frames.h"

#define BLOCKS_MAX 8192u                  /* of records; blocks grow before there are more, as an arena's do */
#define BLOCK_BYTES_MAX ((size_t)1 << 19) /* but not beyond this */
#define BLOCK_SHIFT_MIN 8u                /* 256 records are a page of 4 KiB, which lies on one node in any case */

static bool ranges_overlap(const struct hipt_range *a, const struct hipt_range *b)
{
    return a->swap == b->swap && a->first < b->first + b->count && b->first < a->first + a->count;
}

static bool range_is_sane(const struct hipt_range *range)
{
    uint64_t limit = UINT64_C(1) << HIPT_PFN_BITS;

    return range->count > 0 && range->first < limit && range->count <= limit - range->first;
}

/* Each range by itself, and beside those before it. */
static enum hipt_status check_ranges(const struct hipt_range *ranges, size_t count, size_t *bad)
{
    uint64_t total = 0;
    size_t i;
    size_t j;

    for (i = 0; i < count; i++) {
        *bad = i;
        if (!range_is_sane(&ranges[i])) {
            return HIPT_BAD_RANGE;
        }
        for (j = 0; j < i; j++) {
            if (ranges_overlap(&ranges[i], &ranges[j])) {
                return HIPT_BAD_RANGE;
            }
        }
        total += ranges[i].count;
        if (total >= UINT32_MAX) {
            return HIPT_BAD_RANGE;
        }
    }
    return HIPT_OK;
}

enum hipt_status hipti_layout_check(const struct hipti_layout_nodes *nodes, const struct hipt_range *ranges,
                                    size_t count, size_t *bad)
{
    const struct hipt_range *range = NULL;
    struct hipti_layout layout;
    size_t i;

    *bad = 0;
    if (count == 0 || check_ranges(ranges, count, bad) != HIPT_OK) {
        return HIPT_BAD_RANGE;
    }
    hipti_layout_init(&layout, nodes, ranges, count);
    for (i = 0; i < count; i++) { /* the gaps count, too */
        range = hipti_layout_after(ranges, count, range);
        (void)hipti_layout_number(&layout, range);
        if (layout.next >= UINT32_MAX) {
            *bad = (size_t)(range - ranges);
            return HIPT_BAD_RANGE;
        }
    }
    *bad = 0;
    return HIPT_OK;
}

static bool comes_before(const struct hipt_range *a, const struct hipt_range *b)
{
    return a->swap != b->swap ? b->swap : a->first < b->first;
}

const struct hipt_range *hipti_layout_after(const struct hipt_range *ranges, size_t count,
                                            const struct hipt_range *last)
{
    const struct hipt_range *after = NULL;
    size_t i;

    for (i = 0; i < count; i++) {
        if ((!last || comes_before(last, &ranges[i])) && (!after || comes_before(&ranges[i], after))) {
            after = &ranges[i];
        }
    }
    return after;
}

static uint64_t round_up(uint64_t number, unsigned shift)
{
    return (number + hipti_mask(shift)) >> shift << shift;
}

/* => the index, from 0 on, of the first record of a range of pfns, the records being split among nodes. */
static uint64_t split_index(const struct hipti_layout *layout, const struct hipt_range *range)
{
    uint64_t end = round_up(layout->next, layout->block_shift); /* of the block where the range before it ended */
    uint64_t along = range->first + layout->ahead;              /* in the run of that range's pfns */

    return along < end ? along : end + (range->first & hipti_mask(layout->block_shift));
}

uint64_t hipti_layout_number(struct hipti_layout *layout, const struct hipt_range *range)
{
    uint64_t index = layout->next;

    if (layout->is_split && !range->swap) {
        index = split_index(layout, range);
    } else if (layout->is_split && !layout->is_swap) {
        index = round_up(layout->next, layout->block_shift);
    }
    layout->is_swap = range->swap;
    layout->ahead = index - range->first;
    layout->next = index + range->count;
    return index + 1u;
}

/* => the largest block, as a power of two, that no node begins or ends in, so far as the bounds of a block go. */
static unsigned split_shift(const struct hipti_layout_nodes *nodes, unsigned most)
{
    uint64_t bounds = 0;
    unsigned shift = BLOCK_SHIFT_MIN;
    size_t i;

    for (i = 0; i < nodes->nranges; i++) {
        bounds |= nodes->ranges[i].first | (nodes->ranges[i].first + nodes->ranges[i].count);
    }
    while (shift < most && !(bounds & hipti_mask(shift + 1u))) {
        shift++;
    }
    return shift < most ? shift : most;
}

/* => records and gaps. */
static uint64_t layout_total(struct hipti_layout layout, const struct hipt_range *ranges, size_t count)
{
    const struct hipt_range *range = NULL;
    size_t i;

    for (i = 0; i < count; i++) {
        range = hipti_layout_after(ranges, count, range);
        (void)hipti_layout_number(&layout, range);
    }
    return layout.next;
}

void hipti_layout_init(struct hipti_layout *layout, const struct hipti_layout_nodes *nodes,
                       const struct hipt_range *ranges, size_t count)
{
    size_t record = sizeof(struct hipti_frame);

    layout->is_split = nodes->nodes > 1u;
    layout->is_swap = false;
    layout->next = 0;
    layout->ahead = 0;
    layout->block_shift = 0;
    while (layout->block_shift < 31u && record << (layout->block_shift + 1u) <= nodes->block_bytes) {
        layout->block_shift++;
    }
    if (!layout->is_split) {
        return;
    }
    layout->block_shift = split_shift(nodes, layout->block_shift);
    while (record << layout->block_shift < BLOCK_BYTES_MAX &&
           round_up(layout_total(*layout, ranges, count), layout->block_shift) >> layout->block_shift > BLOCKS_MAX) {
        layout->block_shift++;
    }
}
