/* SPDX-License-Identifier: MIT */
/*
 * Remapping a page: hold the slot (P8), link the new frame, shoot the old translation down, publish the new word while
 * still holding (P9), take the old frame out, let go (P9). Lookups see the old mapping until the publication and the
 * new one from then on. The order of shootdown and publication matters for copy on write: with the new word out first,
 * a CPU that still has the old translation would write where nobody reads. No CPU takes the old translation up again
 * meanwhile: a held word cannot be marked, and what cannot be marked must not be cached.
 *
 * The slot is let go last: while the old frame still has its pair, no second life of the slot may come to the same
 * frame, or an unmap would find two pairs for one slot.
 */
#include "map/gather.h"
#include "map/move.h"

enum hipt_status hipti_hold(struct hipt_table *table, const struct hipt_page *page, hipti_slot *slot, uint64_t *pte)
{
    while (hipti_page_find_to_own(table, page, slot, pte)) {
        switch (hipti_pte_state(*pte)) {
        case HIPTI_LIVE:
            if (hipti_slot_change(&table->buckets, *slot, pte, hipti_pte_with_state(*pte, HIPTI_HELD))) {
                return HIPT_OK;
            }
            break; /* another update of this page succeeded */
        case HIPTI_HELD:
        case HIPTI_FROZEN:
            return HIPT_BUSY;
        default: /* never became a mapping, or not yet */
            return HIPT_ABSENT;
        }
    }
    return HIPT_ABSENT;
}

/*
 * Link the frame that a held slot shall go to, with the cell that the old frame has. => HIPT_OK, or nothing has
 * changed.
 */
static enum hipt_status remap_link(struct hipt_table *table, hipti_slot slot, uint32_t from, uint32_t to)
{
    struct hipti_pair pair;

    if (from == to) {
        return HIPT_OK;
    }
    pair.slot = slot;
    pair.cell = hipti_frame_cell(&table->frames, from, slot);
    return hipti_frame_link(&table->frames, to, pair);
}

static enum hipt_status remap_page(struct hipt_table *table, const struct hipt_mapping *mapping, uint32_t to,
                                   struct hipt_mapping *out)
{
    hipti_slot slot;
    uint64_t old;
    uint64_t next;
    uint32_t from;
    enum hipt_status status = hipti_hold(table, &mapping->page, &slot, &old);

    if (status != HIPT_OK) {
        return status;
    }
    from = hipti_frames_number(&table->frames, hipti_pte_pfn(old), hipti_pte_is_swap(old));
    status = remap_link(table, slot, from, to);
    if (status != HIPT_OK) {
        hipti_slot_publish(&table->buckets, slot, old);
        hipti_unmap_if_retired(table, &mapping->page);
        return status;
    }
    if (table->shootdown.ncpus) { /* not inside our read side; the slot stays ours */
        HIPT_PORT_READ_EXIT(&table->ops);
        hipti_shoot(table, &mapping->page);
        HIPT_PORT_READ_ENTER(&table->ops);
    }
    next = hipti_pte_with_state(hipti_pte_pack(mapping), HIPTI_HELD) | (old & HIPTI_PTE_VERSION_MASK);
    hipti_slot_publish(&table->buckets, slot, next);
    if (from != to) {
        (void)hipti_frame_unlink(&table->frames, from, slot, HIPTI_UNLINK_END);
    }
    hipti_slot_publish(&table->buckets, slot, hipti_pte_with_state(next, HIPTI_LIVE));
    if (out) {
        *out = hipti_pte_unpack(old, mapping->page);
    }
    hipti_unmap_if_retired(table, &mapping->page);
    return HIPT_OK;
}

enum hipt_status hipt_remap(struct hipt_table *table, const struct hipt_mapping *mapping, struct hipt_mapping *out)
{
    uint32_t number;
    enum hipt_status status = hipti_mapping_check(table, mapping, 1, &number);

    status = status == HIPT_OK ? hipti_wait_check(table) : status;
    if (status != HIPT_OK) {
        return status;
    }
    HIPT_PORT_READ_ENTER(&table->ops);
    status = remap_page(table, mapping, number, out);
    HIPT_PORT_READ_EXIT(&table->ops);
    return status;
}
