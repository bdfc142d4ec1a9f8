/* SPDX-License-Identifier: MIT */
#include "map/table.h"

/* What a reverse walk looks for and has found. */
struct search {
    struct hipt_table *table;
    struct hipt_frame frame;
    struct hipt_mapping *out;
    size_t room;
    size_t count;
};

/* A pair is a hint; the slot itself says whether it maps the frame. => whether it does. */
static bool pair_maps(const struct search *search, uint32_t slot, uint64_t head, struct hipt_mapping *mapping)
{
    const struct hipt_table *table = search->table;
    uint64_t pte;
    uint64_t key;

    if (!hipti_slot_read(&table->buckets, slot, &pte, &key) || !hipti_pte_is_visible(pte) ||
        hipti_pte_pfn(pte) != head || hipti_pte_is_swap(pte) != search->frame.swap) {
        return false;
    }
    *mapping = hipti_pte_unpack(pte, hipti_key_unpack(&table->split, key));
    return search->frame.pfn - head < hipti_size_pages(table, mapping->page.size);
}

/* All mappings whose first frame is @head and that reach the wanted one. */
static void search_head(struct search *search, uint64_t head)
{
    const struct hipti_frames *frames = &search->table->frames;
    uint32_t number = hipti_frames_number(frames, head, search->frame.swap);
    struct hipt_mapping mapping;
    struct hipti_pairs pairs;
    struct hipti_pair pair;

    if (number == HIPTI_NONE) {
        return;
    }
    pairs = hipti_frame_pairs(frames, number);
    while (hipti_pairs_next(&pairs, &pair)) {
        if (pair_maps(search, pair.slot, head, &mapping)) {
            if (search->count < search->room) {
                search->out[search->count] = mapping;
            }
            search->count++;
        }
    }
}

enum hipt_status hipt_reverse(struct hipt_table *table, struct hipt_frame frame, struct hipt_mapping *out, size_t room,
                              size_t *count)
{
    struct search search = {table, frame, out, room, 0};
    unsigned sizes = hipti_load_relaxed(&table->sizes); /* who knows that a page is mapped knows its size's bit */
    uint64_t last = UINT64_MAX;

    *count = 0;
    if (hipti_frames_number(&table->frames, frame.pfn, frame.swap) == HIPTI_NONE) {
        return HIPT_BAD_PFN;
    }
    HIPT_PORT_READ_ENTER(&table->ops);
    for (; sizes != 0; sizes &= sizes - 1u) {
        uint64_t head = hipti_vpn_first(&table->split, hipti_lowest_bit(sizes), frame.pfn);

        if (head != last) { /* the first frame of two sizes is walked once */
            search_head(&search, head);
        }
        last = head;
    }
    HIPT_PORT_READ_EXIT(&table->ops);
    *count = search.count;
    return search.count ? HIPT_OK : HIPT_ABSENT;
}
