/* SPDX-License-Identifier: MIT */
/* The public face of the frame room: from pfns to record numbers. Lists are popped inside a read side. */
#include "map/table.h"

enum hipt_status hipt_frame_get(struct hipt_table *table, struct hipt_frame frame, struct hipt_frame_status *status)
{
    uint32_t number = hipti_frames_number(&table->frames, frame.pfn, frame.swap);

    if (number == HIPTI_NONE) {
        return HIPT_BAD_PFN;
    }
    *status = hipti_frame_status(&table->frames, number);
    return HIPT_OK;
}

enum hipt_status hipt_frame_pin(struct hipt_table *table, struct hipt_frame frame)
{
    uint32_t number = hipti_frames_number(&table->frames, frame.pfn, frame.swap);

    return number == HIPTI_NONE ? HIPT_BAD_PFN : hipti_frame_pin(&table->frames, number);
}

enum hipt_status hipt_frame_unpin(struct hipt_table *table, struct hipt_frame frame)
{
    uint32_t number = hipti_frames_number(&table->frames, frame.pfn, frame.swap);

    return number == HIPTI_NONE ? HIPT_BAD_PFN : hipti_frame_unpin(&table->frames, number);
}

size_t hipt_frame_reap(struct hipt_table *table, struct hipt_frame *frames, size_t room)
{
    size_t count = 0;

    HIPT_PORT_READ_ENTER(&table->ops);
    while (count < room && hipti_frame_reap(&table->frames, &frames[count])) {
        count++;
    }
    HIPT_PORT_READ_EXIT(&table->ops);
    return count;
}

enum hipt_status hipt_frame_reserve(struct hipt_table *table, uint32_t blocks)
{
    return hipti_frames_reserve(&table->frames, blocks);
}
