/* SPDX-License-Identifier: MIT */
/*
 * The rows F1 to F8 are in frames.h. Tags:
 *
 *   frame    the record's word: counts, pins and state, and the head of the block list
 *   pair     a mapping's pair: what was stored before it was linked is seen by who finds it
 */
#include "frame/frames.h"

#include <hipt/port.h>

#include "base/check.h"
#include "frame/layout.h"

#define BLOCK_BITS 28u
#define COUNT_SHIFT 28u
#define COUNT_BITS 20u
#define PINS_SHIFT 48u
#define PINS_BITS 12u
#define FRESH (UINT64_C(1) << 60)
#define STATE_SHIFT 61u
#define STATE_BITS 3u

#define PAIR_SEALED UINT64_MAX
#define BLOCKS_MAX ((UINT32_C(1) << BLOCK_BITS) - 1u)
#define LIMBO_BLOCKS 65536u /* room for blocks that wait for a grace period */

static struct hipti_frame *frame_at(const struct hipti_frames *frames, uint32_t number)
{
    return (struct hipti_frame *)(void *)hipti_arena_at(&frames->records, number);
}

/* => the alias blocks of the node that record @number belongs to. */
static struct hipti_aliases *aliases_of(const struct hipti_frames *frames, uint32_t number)
{
    return &frames->aliases[frames->owners[(number - 1u) >> frames->records.block_shift]];
}

static struct hipti_alias *block_at(const struct hipti_aliases *aliases, uint32_t number)
{
    return (struct hipti_alias *)(void *)hipti_arena_at(&aliases->blocks, number);
}

static uint32_t limbo_get(void *owner, uint32_t number)
{
    return (uint32_t)hipti_load_relaxed(&frame_at((struct hipti_frames *)owner, number)->first); /* by the freelist */
}

/* A link has no cell, so a walker does not take it for a pair. */
static void limbo_set(void *owner, uint32_t number, uint32_t next)
{
    hipti_store_relaxed(&frame_at((struct hipti_frames *)owner, number)->first, (uint64_t)next); /* by the freelist */
}

static const struct hipti_links limbo_links = {limbo_get, limbo_set};

static uint32_t spare_get(void *owner, uint32_t number)
{
    return hipti_load_relaxed(&block_at((struct hipti_aliases *)owner, number)->spare); /* ordered by the freelist */
}

static void spare_set(void *owner, uint32_t number, uint32_t next)
{
    hipti_store_relaxed(&block_at((struct hipti_aliases *)owner, number)->spare, next); /* ordered by the freelist */
}

static const struct hipti_links spare_links = {spare_get, spare_set};

static enum hipt_frame_state word_state(uint64_t word)
{
    return (enum hipt_frame_state)hipti_field_get(word, STATE_SHIFT, STATE_BITS);
}

static uint64_t word_with_state(uint64_t word, enum hipt_frame_state state)
{
    return hipti_field_set(word, STATE_SHIFT, STATE_BITS, (uint64_t)state);
}

static uint32_t word_count(uint64_t word)
{
    return (uint32_t)hipti_field_get(word, COUNT_SHIFT, COUNT_BITS);
}

static uint32_t word_pins(uint64_t word)
{
    return (uint32_t)hipti_field_get(word, PINS_SHIFT, PINS_BITS);
}

static uint32_t word_block(uint64_t word)
{
    return (uint32_t)(word & hipti_mask(BLOCK_BITS));
}

static uint64_t pair_pack(struct hipti_pair pair)
{
    return ((uint64_t)pair.cell << 32) | pair.slot;
}

/* => whether a place holds a pair: an empty one is 0, a freelist link has no cell. */
static bool pair_unpack(uint64_t value, struct hipti_pair *pair)
{
    pair->slot = (uint32_t)value;
    pair->cell = (uint32_t)(value >> 32);
    return pair->cell != 0 && value != PAIR_SEALED;
}

static bool range_before(const struct hipti_frame_range *a, bool swap, uint64_t first)
{
    return a->swap != swap ? swap : a->first < first;
}

/* Copy the ranges in the order of their records, and number these. => false: no memory. */
static bool frames_copy_ranges(struct hipti_frames *frames, struct hipti_layout *layout,
                               const struct hipt_range *ranges)
{
    const struct hipt_ops *ops = frames->ops;
    const struct hipt_range *range = NULL;
    size_t i;

    frames->ranges = (struct hipti_frame_range *)ops->alloc(ops->ctx, frames->nranges * sizeof(*frames->ranges),
                                                            HIPTI_CACHE_LINE, HIPT_ANY_NODE, true);
    if (!frames->ranges) {
        return false;
    }
    for (i = 0; i < frames->nranges; i++) {
        range = hipti_layout_after(ranges, frames->nranges, range);
        frames->ranges[i].first = range->first;
        frames->ranges[i].count = range->count;
        frames->ranges[i].number = (uint32_t)hipti_layout_number(layout, range);
        frames->ranges[i].swap = range->swap;
    }
    return true;
}

/* => @node, or, where that is none, the first one that has memory. */
static unsigned node_with_memory(const struct hipti_topology *topology, int node)
{
    return node >= 0 ? (unsigned)node : hipti_lowest_bit64(topology->with_memory);
}

/* => the node of a block of swap slots, which nobody owns: one node with memory after another. */
static unsigned swap_node(uint64_t nodes, uint32_t block)
{
    uint64_t left;
    uint32_t count = 0;

    for (left = nodes; left != 0; left &= left - 1u) {
        count++;
    }
    left = nodes;
    for (block %= count; block > 0; block--) {
        left &= left - 1u;
    }
    return hipti_lowest_bit64(left);
}

/* => the node that block @block of the records belongs to; its first record in a range is that of @range, at @index. */
static unsigned block_owner(const struct hipti_topology *topology, uint32_t block,
                            const struct hipti_frame_range *range, uint64_t index)
{
    uint64_t pfn = range->first + (index - (range->number - 1u));

    return range->swap ? swap_node(topology->with_memory, block) :
                         node_with_memory(topology, hipti_topology_node_of_pfn(topology, pfn));
}

/* Have all records, each block on its owner's node. => false: no memory. */
static bool frames_place(struct hipti_frames *frames, const struct hipti_topology *topology)
{
    unsigned shift = frames->records.block_shift;
    uint32_t block = 0;
    size_t i;

    for (i = 0; i < frames->nranges; i++) {
        const struct hipti_frame_range *range = &frames->ranges[i];
        uint64_t index = range->number - 1u;

        for (; (uint64_t)block << shift < index + range->count; block++) {
            uint64_t first = (uint64_t)block << shift;
            unsigned owner = block_owner(topology, block, range, first > index ? first : index);

            frames->owners[block] = (uint8_t)owner;
            if (!hipti_arena_fill(&frames->records, block, &frames->memory[owner], true)) {
                return false;
            }
        }
    }
    return true;
}

/* Alias blocks for each node that owns a block of records. => false: no memory. */
static bool frames_open_aliases(struct hipti_frames *frames, uint32_t nblocks, uint32_t limit)
{
    uint32_t i;

    for (i = 0; i < nblocks; i++) {
        struct hipti_aliases *aliases = &frames->aliases[frames->owners[i]];

        if (!aliases->blocks.directory &&
            !hipti_arena_init(&aliases->blocks, &frames->memory[frames->owners[i]], sizeof(struct hipti_alias), limit,
                              (size_t)1 << 16, true)) {
            return false;
        }
    }
    return true;
}

/* What is kept for each node, and for each block of records. => false: no memory. */
static bool frames_open_nodes(struct hipti_frames *frames, const struct hipti_topology *topology, uint32_t limit)
{
    uint32_t nblocks = hipti_arena_blocks(&frames->records);
    const struct hipt_ops *ops = frames->ops;

    frames->aliases_bytes = frames->nodes * sizeof(struct hipti_aliases) + nblocks;
    frames->aliases = (struct hipti_aliases *)ops->alloc(ops->ctx, frames->aliases_bytes, HIPTI_CACHE_LINE,
                                                         HIPT_ANY_NODE, true);
    if (!frames->aliases) {
        return false;
    }
    frames->owners = (uint8_t *)(frames->aliases + frames->nodes);
    return frames_place(frames, topology) && frames_open_aliases(frames, nblocks, limit);
}

bool hipti_frames_init(struct hipti_frames *frames, const struct hipti_topology *topology,
                       const struct hipti_memory *memory, const struct hipt_range *ranges, size_t count,
                       uint64_t mappings)
{
    struct hipti_layout_nodes nodes = {topology->nodes, topology->ranges, topology->nranges,
                                       hipti_arena_block(memory->ops)};
    uint64_t limit = mappings + LIMBO_BLOCKS < BLOCKS_MAX ? mappings + LIMBO_BLOCKS : BLOCKS_MAX;
    size_t record = sizeof(struct hipti_frame);
    struct hipti_layout layout;

    frames->ops = memory->ops;
    frames->memory = memory;
    frames->nranges = count;
    frames->nodes = topology->nodes;
    hipti_layout_init(&layout, &nodes, ranges, count);
    return frames_copy_ranges(frames, &layout, ranges) &&
           hipti_arena_init(&frames->records, &memory[node_with_memory(topology, HIPT_ANY_NODE)], record,
                            (uint32_t)layout.next, record << layout.block_shift, true) &&
           frames_open_nodes(frames, topology, (uint32_t)limit);
}

void hipti_frames_end(struct hipti_frames *frames)
{
    unsigned node;

    hipti_arena_end(&frames->records);
    for (node = 0; frames->aliases && node < frames->nodes; node++) {
        hipti_arena_end(&frames->aliases[node].blocks);
    }
    if (frames->aliases) {
        frames->ops->free(frames->ops->ctx, frames->aliases, frames->aliases_bytes);
    }
    if (frames->ranges) {
        frames->ops->free(frames->ops->ctx, frames->ranges, frames->nranges * sizeof(*frames->ranges));
    }
}

size_t hipti_frames_alias_bytes(const struct hipti_frames *frames)
{
    size_t bytes = 0;
    unsigned node;

    for (node = 0; node < frames->nodes; node++) {
        bytes += frames->aliases[node].blocks.directory ? hipti_arena_bytes(&frames->aliases[node].blocks) : 0;
    }
    return bytes;
}

size_t hipti_frames_alias_bytes_on(const struct hipti_frames *frames, int node)
{
    size_t bytes = 0;
    unsigned i;

    for (i = 0; i < frames->nodes; i++) {
        bytes += hipti_arena_bytes_on(&frames->aliases[i].blocks, node);
    }
    return bytes;
}

uint32_t hipti_frames_number(const struct hipti_frames *frames, uint64_t pfn, bool swap)
{
    const struct hipti_frame_range *range;
    size_t low = 0;
    size_t high = frames->nranges;

    while (high - low > 1u) { /* low becomes the last range that begins at or before pfn, if any does */
        size_t middle = low + (high - low) / 2u;

        if (range_before(&frames->ranges[middle], swap, pfn + 1u)) {
            low = middle;
        } else {
            high = middle;
        }
    }
    range = &frames->ranges[low];
    if (range->swap != swap || pfn - range->first >= range->count) {
        return HIPTI_NONE;
    }
    return range->number + (uint32_t)(pfn - range->first);
}

uint64_t hipti_frames_nearest(const struct hipti_frames *frames, uint64_t pfn, bool swap)
{
    uint64_t nearest = 0;
    uint64_t distance = UINT64_MAX;
    size_t i;

    for (i = 0; i < frames->nranges; i++) {
        uint64_t first = frames->ranges[i].first;
        uint64_t last = first + frames->ranges[i].count - 1u;
        bool is_below = pfn < first;
        uint64_t bound = is_below ? first : last;
        uint64_t away = is_below ? first - pfn : pfn - last;

        if (frames->ranges[i].swap == swap && away < distance) {
            distance = away;
            nearest = bound;
        }
    }
    return nearest;
}

/* Take a count (F1, F2). => HIPT_OK, HIPT_BUSY, HIPT_FULL. */
static enum hipt_status frame_count(struct hipti_frame *frame)
{
    uint64_t word = hipti_load_relaxed(&frame->word); /* only compared */
    uint64_t next;

    do {
        switch (word_state(word)) {
        case HIPT_FRAME_FREE:
            next = word | FRESH;
            break;
        case HIPT_FRAME_OWNED:
        case HIPT_FRAME_MAPPED:
            next = word;
            break;
        default:
            return HIPT_BUSY;
        }
        if (word_count(word) == HIPT_SHARERS_MAX) {
            return HIPT_FULL;
        }
        next = word_with_state(next + (UINT64_C(1) << COUNT_SHIFT), HIPT_FRAME_MAPPED);
    } while (!hipti_cas_acquire(&frame->word, &word, next)); /* [observe:frame] that .first is empty, after F8 */
    return HIPT_OK;
}

/* Put a pair into an empty place of a block. => false: there is none. */
static bool block_put(struct hipti_alias *block, uint64_t value)
{
    unsigned i;

    for (i = 0; i < HIPTI_BLOCK_PAIRS; i++) {
        uint64_t empty = 0;

        if (hipti_load_relaxed(&block->pair[i]) == 0 && /* only compared */
            hipti_cas_release(&block->pair[i], &empty, value)) { /* [publish:pair] */
            return true;
        }
    }
    return false;
}

/* => a block that nobody looks at, all places empty but the first, which holds @value; HIPTI_NONE with *status set. */
static uint32_t block_new(struct hipti_aliases *aliases, uint64_t value, enum hipt_status *status)
{
    const struct hipt_ops *ops = aliases->blocks.memory->ops;
    uint32_t number = hipti_freelist_pop(&aliases->spare, &spare_links, aliases, ops);
    struct hipti_alias *block;
    bool full;
    unsigned i;

    if (number == HIPTI_NONE) {
        number = hipti_arena_carve(&aliases->blocks, false, &full);
    }
    if (number == HIPTI_NONE) {
        *status = hipti_arena_scarcity(full, hipti_freelist_is_waiting(&aliases->spare));
        return HIPTI_NONE;
    }
    block = block_at(aliases, number);
    for (i = 0; i < HIPTI_BLOCK_PAIRS; i++) {
        hipti_store_relaxed(&block->pair[i], i == 0 ? value : 0); /* nobody looks; the list's head publishes */
    }
    return number;
}

/* Put a pair into the list of blocks, where need be into a new one in front. */
static enum hipt_status frame_add_alias(struct hipti_aliases *aliases, struct hipti_frame *frame, uint64_t value)
{
    uint64_t word = hipti_load_acquire(&frame->word); /* [observe:frame] the list */
    enum hipt_status status = HIPT_OK;
    uint32_t number;

    for (number = word_block(word); number != HIPTI_NONE;) {
        struct hipti_alias *block = block_at(aliases, number);

        if (block_put(block, value)) {
            return HIPT_OK;
        }
        number = hipti_load_relaxed(&block->next); /* constant while readers may stand on the block */
    }
    number = block_new(aliases, value, &status);
    if (number == HIPTI_NONE) {
        return status;
    }
    do {
        hipti_store_relaxed(&block_at(aliases, number)->next, word_block(word)); /* the head publishes */
    } while (!hipti_cas_release(&frame->word, &word, /* [publish:frame] [publish:pair] the block */
                                hipti_field_set(word, 0, BLOCK_BITS, number)));
    return HIPT_OK;
}

/* Give every block of a list back. The frame is UNMAPPING: nobody links, and all pairs have been taken out. */
static void frame_drop_blocks(struct hipti_aliases *aliases, uint32_t number)
{
    while (number != HIPTI_NONE) {
        uint32_t next = hipti_load_relaxed(&block_at(aliases, number)->next); /* the caller's own */

        hipti_freelist_push(&aliases->spare, &spare_links, aliases, number);
        number = next;
    }
}

/* Leave UNMAPPING, or MAPPED(1) without blocks (F5). */
static uint64_t word_unmapped(uint64_t word, enum hipti_unlink why)
{
    bool is_free = why == HIPTI_UNLINK_MERGE || (why == HIPTI_UNLINK_UNDO && (word & FRESH));
    uint64_t rest = word_pins(word) ? hipti_field_set(0, PINS_SHIFT, PINS_BITS, word_pins(word)) : 0;

    if (rest) {
        return word_with_state(rest, HIPT_FRAME_OWNED);
    }
    return word_with_state(0, is_free ? HIPT_FRAME_FREE : HIPT_FRAME_LIMBO);
}

/* What dropping one count makes of a word. */
static uint64_t word_dropped(uint64_t word, enum hipti_unlink why)
{
    if (word_count(word) > 1u) { /* F3 */
        return (why == HIPTI_UNLINK_UNDO ? word : word & ~FRESH) - (UINT64_C(1) << COUNT_SHIFT);
    }
    if (word_block(word) != HIPTI_NONE) { /* F4: count and list are still there for who asks */
        return word_with_state(word, HIPT_FRAME_UNMAPPING);
    }
    return word_unmapped(word, why); /* F5 */
}

/* Give a count back (F3 to F5). */
static void frame_drop(struct hipti_frames *frames, uint32_t number, enum hipti_unlink why)
{
    struct hipti_frame *frame = frame_at(frames, number);
    uint64_t word = hipti_load_relaxed(&frame->word); /* only compared */
    uint64_t next;

    do {
        HIPTI_REQUIRE(word_state(word) == HIPT_FRAME_MAPPED && word_count(word) > 0);
        next = word_dropped(word, why);
        /* release: uses of the frame, for who sees the count fall [publish:frame]; acquire: the list [observe:frame] */
    } while (!hipti_cas_acq_rel(&frame->word, &word, next));
    if (word_state(next) == HIPT_FRAME_UNMAPPING) {
        frame_drop_blocks(aliases_of(frames, number), word_block(next));
        word = next;
        do { /* an unpin may come meanwhile */
            next = word_unmapped(word, why);
        } while (!hipti_cas_acquire(&frame->word, &word, next)); /* [observe:frame] uses by who unpinned it */
    }
    if (word_state(next) == HIPT_FRAME_LIMBO) {
        hipti_freelist_push(&frames->limbo, &limbo_links, frames, number);
    }
}

enum hipt_status hipti_frame_link(struct hipti_frames *frames, uint32_t number, struct hipti_pair pair)
{
    struct hipti_frame *frame = frame_at(frames, number);
    enum hipt_status status = frame_count(frame);
    uint64_t empty = 0;

    if (status != HIPT_OK) {
        return status;
    }
    if (hipti_load_relaxed(&frame->first) == 0 && /* only compared */
        hipti_cas_release(&frame->first, &empty, pair_pack(pair))) { /* [publish:pair] */
        return HIPT_OK;
    }
    status = frame_add_alias(aliases_of(frames, number), frame, pair_pack(pair));
    if (status != HIPT_OK) {
        frame_drop(frames, number, HIPTI_UNLINK_UNDO);
    }
    return status;
}

/* Make all places of a block unusable. => false: one is in use, nothing has changed. Place 0 decides among several. */
static bool block_seal(struct hipti_alias *block)
{
    unsigned i;

    for (i = 0; i < HIPTI_BLOCK_PAIRS; i++) {
        uint64_t empty = 0;

        if (!hipti_cas_relaxed(&block->pair[i], &empty, PAIR_SEALED)) { /* carries nothing */
            while (i-- > 0) {
                hipti_store_relaxed(&block->pair[i], 0); /* sealed by this call; carries nothing */
            }
            return false;
        }
    }
    return true;
}

/* Take the first block off the list if it is empty, so that a frame's list does not only grow. */
static void frame_trim(struct hipti_aliases *aliases, struct hipti_frame *frame, uint32_t number)
{
    struct hipti_alias *block = block_at(aliases, number);
    uint64_t word = hipti_load_relaxed(&frame->word); /* only compared: the caller has seen the block */
    unsigned i;

    if (word_block(word) != number || !block_seal(block)) {
        return;
    }
    while (word_block(word) == number) {
        uint64_t next = hipti_field_set(word, 0, BLOCK_BITS, hipti_load_relaxed(&block->next)); /* constant */

        /* release: as in place_clear(); the block behind was published when it was the first [publish:frame] */
        if (hipti_cas_release(&frame->word, &word, next)) {
            hipti_freelist_push(&aliases->spare, &spare_links, aliases, number);
            return;
        }
    }
    for (i = 0; i < HIPTI_BLOCK_PAIRS; i++) {
        hipti_store_relaxed(&block->pair[i], 0); /* sealed by this call; carries nothing */
    }
}

/* Clear a place if it holds the pair of @slot. => its cell, or 0. */
static uint32_t place_clear(HIPTI_ATOMIC(uint64_t) *place, uint32_t slot)
{
    uint64_t value = hipti_load_relaxed(place); /* the caller owns the mapping, so its pair does not change */
    struct hipti_pair pair;

    if (!pair_unpack(value, &pair) || pair.slot != slot) {
        return 0;
    }
    /*
     * Others put into empty places only, so it is a store. release: who misses the pair sees what the frame is mapped
     * by instead, if a split or collapse took it out [publish:pair]
     */
    hipti_store_release(place, 0);
    return pair.cell;
}

/* Take the pair of @slot, which is there, out of the blocks. => its cell. */
static uint32_t frame_remove_alias(struct hipti_aliases *aliases, struct hipti_frame *frame, uint32_t slot)
{
    uint64_t word = hipti_load_acquire(&frame->word); /* [observe:frame] the list */
    uint32_t number = word_block(word);

    for (;;) {
        struct hipti_alias *block;
        unsigned i;

        HIPTI_INVARIANT(number != HIPTI_NONE);
        block = block_at(aliases, number);
        for (i = 0; i < HIPTI_BLOCK_PAIRS; i++) {
            uint32_t cell = place_clear(&block->pair[i], slot);

            if (cell) {
                frame_trim(aliases, frame, number);
                return cell;
            }
        }
        number = hipti_load_relaxed(&block->next); /* constant while readers may stand on the block */
    }
}

uint32_t hipti_frame_unlink(struct hipti_frames *frames, uint32_t number, uint32_t slot, enum hipti_unlink why)
{
    struct hipti_frame *frame = frame_at(frames, number);
    uint32_t cell = place_clear(&frame->first, slot);

    if (cell == 0) {
        cell = frame_remove_alias(aliases_of(frames, number), frame, slot);
    }
    HIPTI_INVARIANT(cell != 0);
    HIPTI_WALK(hipti_frame_cell(frames, number, slot) == 0);
    frame_drop(frames, number, why); /* last: at the last drop all pairs are out and no trim is under way */
    return cell;
}

enum hipt_status hipti_frame_pin(struct hipti_frames *frames, uint32_t number)
{
    struct hipti_frame *frame = frame_at(frames, number);
    uint64_t word = hipti_load_relaxed(&frame->word); /* only compared */
    uint64_t next;

    do {
        enum hipt_frame_state state = word_state(word);

        if (state == HIPT_FRAME_UNMAPPING || state == HIPT_FRAME_LIMBO) {
            return HIPT_BUSY;
        }
        if (word_pins(word) == HIPT_PINS_MAX) {
            return HIPT_FULL;
        }
        next = (word & ~FRESH) + (UINT64_C(1) << PINS_SHIFT); /* the pin's owner is to see it in limbo */
        if (state == HIPT_FRAME_FREE) { /* F6 */
            next = word_with_state(next, HIPT_FRAME_OWNED);
        }
    } while (!hipti_cas_acq_rel(&frame->word, &word, next)); /* [publish:frame] [observe:frame] */
    return HIPT_OK;
}

enum hipt_status hipti_frame_unpin(struct hipti_frames *frames, uint32_t number)
{
    struct hipti_frame *frame = frame_at(frames, number);
    uint64_t word = hipti_load_relaxed(&frame->word); /* only compared */
    uint64_t next;

    do {
        if (word_pins(word) == 0) {
            return HIPT_ABSENT;
        }
        next = word - (UINT64_C(1) << PINS_SHIFT);
        if (word_state(word) == HIPT_FRAME_OWNED && word_pins(next) == 0) { /* F7 */
            next = word_with_state(next, HIPT_FRAME_LIMBO);
        }
    } while (!hipti_cas_acq_rel(&frame->word, &word, next)); /* [publish:frame] [observe:frame] */
    if (word_state(next) == HIPT_FRAME_LIMBO) {
        hipti_freelist_push(&frames->limbo, &limbo_links, frames, number);
    }
    return HIPT_OK;
}

struct hipt_frame_status hipti_frame_status(const struct hipti_frames *frames, uint32_t number)
{
    uint64_t word = hipti_load_acquire(&frame_at(frames, number)->word); /* [observe:frame] */
    struct hipt_frame_status status;

    status.state = word_state(word);
    status.mappings = word_count(word);
    status.pins = word_pins(word);
    return status;
}

/* The frame of record @number. */
static struct hipt_frame frames_frame(const struct hipti_frames *frames, uint32_t number)
{
    struct hipt_frame frame;
    size_t low = 0;
    size_t high = frames->nranges;

    while (high - low > 1u) { /* records are numbered in the order of the ranges */
        size_t middle = low + (high - low) / 2u;

        if (frames->ranges[middle].number <= number) {
            low = middle;
        } else {
            high = middle;
        }
    }
    frame.pfn = frames->ranges[low].first + (number - frames->ranges[low].number);
    frame.swap = frames->ranges[low].swap;
    return frame;
}

bool hipti_frame_reap(struct hipti_frames *frames, struct hipt_frame *frame)
{
    uint32_t number = hipti_freelist_pop(&frames->limbo, &limbo_links, frames, frames->ops);
    struct hipti_frame *record;

    if (number == HIPTI_NONE) {
        return false;
    }
    record = frame_at(frames, number);
    hipti_store_relaxed(&record->first, 0); /* F8 publishes */
    hipti_store_release(&record->word, 0); /* F8 [publish:frame] */
    *frame = frames_frame(frames, number);
    return true;
}

struct hipti_pairs hipti_frame_pairs(const struct hipti_frames *frames, uint32_t number)
{
    struct hipti_frame *frame = frame_at(frames, number);
    struct hipti_pairs pairs;

    pairs.aliases = aliases_of(frames, number);
    pairs.place = &frame->first;
    pairs.pair = hipti_load_acquire(&frame->first); /* [observe:pair] */
    pairs.block = word_block(hipti_load_acquire(&frame->word)); /* [observe:frame] */
    pairs.at = 0;
    pairs.is_first = true;
    return pairs;
}

bool hipti_pairs_next(struct hipti_pairs *pairs, struct hipti_pair *pair)
{
    if (pairs->is_first) {
        pairs->is_first = false;
        if (pair_unpack(pairs->pair, pair)) {
            return true;
        }
    }
    while (pairs->block != HIPTI_NONE) {
        struct hipti_alias *block = block_at(pairs->aliases, pairs->block);

        while (pairs->at < HIPTI_BLOCK_PAIRS) {
            pairs->place = &block->pair[pairs->at];
            pairs->pair = hipti_load_acquire(pairs->place); /* [observe:pair] */
            pairs->at++;
            if (pair_unpack(pairs->pair, pair)) {
                return true;
            }
        }
        pairs->block = hipti_load_relaxed(&block->next); /* constant while readers may stand on the block */
        pairs->at = 0;
    }
    return false;
}

bool hipti_pairs_changed(struct hipti_pairs *pairs, struct hipti_pair *pair, bool *is_there)
{
    uint64_t before = pairs->pair;

    pairs->pair = hipti_load_acquire(pairs->place); /* [observe:pair] */
    *is_there = pair_unpack(pairs->pair, pair);
    return pairs->pair != before;
}

uint32_t hipti_frame_relink(struct hipti_frames *frames, uint32_t number, uint32_t from, uint32_t to)
{
    struct hipti_pairs pairs = hipti_frame_pairs(frames, number);
    struct hipti_pair pair;

    while (hipti_pairs_next(&pairs, &pair)) {
        if (pair.slot == from) {
            uint64_t value = pairs.pair;
            uint64_t next;

            pair.slot = to;
            next = pair_pack(pair);
            /* Whoever fails was helped. release: what the slot holds; the pair was acquired above [publish:pair] */
            (void)hipti_cas_release(pairs.place, &value, next);
        }
        if (pair.slot == to) {
            return pair.cell;
        }
    }
    return 0;
}

uint32_t hipti_frame_cell(const struct hipti_frames *frames, uint32_t number, uint32_t slot)
{
    struct hipti_pairs pairs = hipti_frame_pairs(frames, number);
    struct hipti_pair pair;

    while (hipti_pairs_next(&pairs, &pair)) {
        if (pair.slot == slot) {
            return pair.cell;
        }
    }
    return 0;
}

uint32_t hipti_frame_cell_hint(const struct hipti_frames *frames, uint32_t number, uint32_t slot)
{
    uint64_t value = hipti_load_relaxed(&frame_at(frames, number)->first); /* a hint */

    return (uint32_t)value == slot ? (uint32_t)(value >> 32) : 0;
}

enum hipt_status hipti_frames_reserve(struct hipti_frames *frames, uint32_t blocks)
{
    enum hipt_status status = HIPT_OK;
    unsigned node;

    for (node = 0; status == HIPT_OK && node < frames->nodes; node++) {
        if (frames->aliases[node].blocks.directory) {
            status = hipti_arena_reserve(&frames->aliases[node].blocks, blocks);
        }
    }
    return status;
}
