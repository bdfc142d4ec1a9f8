/* SPDX-License-Identifier: MIT */
#include "map/touch.h"

/* What a reverse walk looks for and has found. */
struct search {
    struct hipt_table *table;
    struct hipt_frame frame;
    struct hipt_mapping *out;
    size_t room;
    size_t count;
    size_t larger;    /* of .count: those of larger pages than are looked for now */
    bool is_outdated; /* a larger page has come after it was looked for, or a small one was met on its way out */
};

/* => whether a page lies in a larger one that has been given out: it is being split or collapsed. */
static bool is_covered(const struct search *search, const struct hipt_page *page)
{
    size_t given = search->larger < search->room ? search->larger : search->room;
    size_t i;

    for (i = 0; i < given; i++) {
        const struct hipt_page *larger = &search->out[i].page;

        if (larger->asid == page->asid &&
            larger->vpn == hipti_vpn_first(&search->table->split, larger->size, page->vpn)) {
            return true;
        }
    }
    return false;
}

/* A pair is a hint; the slot itself says whether it maps the frame with a page of class @size. => whether it does. */
static bool pair_maps(struct search *search, uint32_t slot, uint64_t head, uint32_t size, struct hipt_mapping *mapping)
{
    struct hipt_table *table = search->table;
    struct hipt_translation found;
    uint64_t key;

    if (!hipti_slot_read(&table->buckets, slot, &found.pte, &key) ||
        !hipti_slot_follow(&table->buckets, &slot, &found.pte) || !hipti_pte_is_visible(found.pte) ||
        hipti_pte_pfn(found.pte) != head || hipti_pte_is_swap(found.pte) != search->frame.swap) {
        return false;
    }
    found.slot = slot;
    found.mapping = hipti_pte_unpack(found.pte, hipti_key_unpack(&table->split, key));
    *mapping = found.mapping;
    if (mapping->page.size != size || is_covered(search, &mapping->page)) {
        return false;
    }
    if (hipti_pte_state(found.pte) == HIPTI_LIVE || hipti_is_shown(table, &found)) {
        return true;
    }
    /* What hides it has been counted, unless all that was counted has been given out and was looked through. */
    search->is_outdated |= search->larger <= search->room;
    return false;
}

/* Item @number of an arena, a record or a block of its aliases, has been read for frame @pfn. */
static void touch_arena(const struct hipt_table *table, const struct hipti_arena *arena, uint32_t number, uint64_t pfn)
{
    if (hipti_touch_counts(table, pfn)) {
        hipti_touch(table, hipti_arena_node(arena, number));
    }
}

/* All mappings of pages of class @size that reach the wanted frame. */
static void search_size(struct search *search, uint32_t size)
{
    const struct hipti_frames *frames = &search->table->frames;
    uint64_t head = hipti_vpn_first(&search->table->split, size, search->frame.pfn);
    uint32_t number = hipti_frames_number(frames, head, search->frame.swap);
    struct hipt_mapping mapping;
    struct hipti_pairs pairs;
    struct hipti_pair pair;
    uint32_t block = HIPTI_NONE;

    if (number == HIPTI_NONE) {
        return;
    }
    touch_arena(search->table, &frames->records, number, search->frame.pfn);
    pairs = hipti_frame_pairs(frames, number);
    while (hipti_pairs_next(&pairs, &pair)) {
        bool is_there = true;
        bool is_one;

        if (pairs.block != block) {
            block = pairs.block;
            touch_arena(search->table, &pairs.aliases->blocks, block, search->frame.pfn);
        }

        do { /* again where the mapping has moved to another slot, or another one to this slot */
            is_one = is_there && pair_maps(search, pair.slot, head, size, &mapping);
        } while (hipti_pairs_changed(&pairs, &pair, &is_there));
        if (is_one) {
            if (search->count < search->room) {
                search->out[search->count] = mapping;
            }
            search->count++;
        }
    }
}

/*
 * The largest size first, as in a lookup: a page that is split shows the smaller ones when it does not show itself any
 * more. While it does, they are left out.
 */
static void search_sizes(struct search *search)
{
    /* relaxed: who knows that a page is mapped knows its size's bit */
    unsigned sizes = hipti_load_relaxed(&search->table->sizes);

    search->count = 0;
    search->is_outdated = false;
    while (sizes != 0) {
        uint32_t size = hipti_highest_bit(sizes);

        search->larger = search->count;
        search_size(search, size);
        sizes ^= 1u << size;
    }
}

enum hipt_status hipt_reverse(struct hipt_table *table, struct hipt_frame frame, struct hipt_mapping *out, size_t room,
                              size_t *count)
{
    struct search search = {table, frame, out, room, 0, 0, false};
    uint64_t reshapes;

    *count = 0;
    if (hipti_frames_number(&table->frames, frame.pfn, frame.swap) == HIPTI_NONE) {
        return HIPT_BAD_PFN;
    }
    HIPT_PORT_READ_ENTER(&table->ops);
    do {
        reshapes = hipti_load_acquire(&table->reshapes); /* [observe:reshape] */
        search_sizes(&search);
        /* relaxed: who has missed what a split or collapse took out has acquired its end */
    } while (search.is_outdated || hipti_load_relaxed(&table->reshapes) != reshapes);
    HIPT_PORT_READ_EXIT(&table->ops);
    *count = search.count;
    return search.count ? HIPT_OK : HIPT_ABSENT;
}
