/* SPDX-License-Identifier: MIT */
#include "map/gather.h"

enum hipt_status hipti_freeze(struct hipt_table *table, hipti_slot slot, uint64_t *pte)
{
    switch (hipti_pte_state(*pte)) {
    case HIPTI_LIVE:
        return hipti_slot_change(&table->buckets, slot, pte, hipti_pte_with_state(*pte, HIPTI_FROZEN)) ? HIPT_OK
                                                                                                       : HIPT_CHANGED;
    case HIPTI_HELD:
    case HIPTI_FROZEN:
        return HIPT_BUSY;
    default: /* never became a mapping, or not yet */
        return HIPT_ABSENT;
    }
}

void hipti_gather_add(struct hipt_table *table, struct hipti_gather *gather, struct hipti_taken taken)
{
    if (gather->count == HIPTI_GATHER_MAX) {
        hipti_gather_finish(table, gather);
    }
    gather->taken[gather->count++] = taken;
}

void hipti_gather_finish(struct hipt_table *table, struct hipti_gather *gather)
{
    unsigned i;

    for (i = 0; i < gather->count; i++) {
        struct hipti_taken *taken = &gather->taken[i];
        uint32_t number = hipti_frames_number(&table->frames, hipti_pte_pfn(taken->pte), hipti_pte_is_swap(taken->pte));
        uint32_t cell = hipti_frame_unlink(&table->frames, number, taken->slot, true);

        hipti_slot_release(&table->buckets, taken->slot);
        hipti_asid_forget(&table->asids, taken->asid, cell);
    }
    gather->count = 0;
}
