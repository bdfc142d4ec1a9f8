/* SPDX-License-Identifier: MIT */
/*
 * The rows A1 to A3 are in asids.h. Tags:
 *
 *   life     state and generation: who finds an asid ACTIVE sees its empty list; who ends it sees its pages
 *   fill     the newest block: who takes a cell from it sees its link to the older ones
 *   cell     a slot: who walks sees what was done to the slot before it was remembered
 *   cells    the count: who sees it fall to 0 sees all that was done for the pages
 *   placed   an asid's word: who reads it with acquire sees the plan that it names, and what has gone to where it says
 *   spare    the stack of given-back cells: who takes one sees its link
 */
#include "asid/asids.h"

#include <hipt/port.h>

#include "base/check.h"

#define CELL_USED (UINT32_C(1) << 31)
#define BLOCKS_MAX ((UINT32_C(1) << 25) - 1u)
#define LIMBO_BLOCKS 65536u /* room for blocks that wait for a grace period */
#define CELL_BITS 31u
#define TAG_BITS 33u

enum life {
    LIFE_NEW = 0,
    LIFE_ACTIVE,
    LIFE_RETIRING
};

static uint64_t life_pack(uint32_t generation, enum life state)
{
    return ((uint64_t)generation << 32) | (uint64_t)state;
}

static struct hipti_asid *record_at(const struct hipti_asids *asids, uint32_t number)
{
    return (struct hipti_asid *)(void *)hipti_arena_at(&asids->records, number + 1u);
}

static struct hipti_cells *block_at(const struct hipti_asids *asids, uint32_t block)
{
    return (struct hipti_cells *)(void *)hipti_arena_at(&asids->blocks, block);
}

static HIPTI_ATOMIC(uint32_t) *cell_at(const struct hipti_asids *asids, uint32_t cell)
{
    return &block_at(asids, cell / HIPTI_BLOCK_CELLS)->cell[cell % HIPTI_BLOCK_CELLS];
}

/* A spare block keeps its link in cell 1; cell 0 stays for walkers that stand on the block. */
static uint32_t block_get(void *owner, uint32_t block)
{
    return hipti_load_relaxed(&block_at((struct hipti_asids *)owner, block)->cell[1]); /* ordered by the freelist */
}

static void block_set(void *owner, uint32_t block, uint32_t next)
{
    hipti_store_relaxed(&block_at((struct hipti_asids *)owner, block)->cell[1], next); /* ordered by the freelist */
}

static const struct hipti_links block_links = {block_get, block_set};

static uint32_t record_get(void *owner, uint32_t number)
{
    return hipti_load_relaxed(&record_at((struct hipti_asids *)owner, number - 1u)->link); /* ordered by the freelist */
}

static void record_set(void *owner, uint32_t number, uint32_t next)
{
    hipti_store_relaxed(&record_at((struct hipti_asids *)owner, number - 1u)->link, next); /* ordered by the freelist */
}

static const struct hipti_links record_links = {record_get, record_set};

bool hipti_asids_init(struct hipti_asids *asids, const struct hipti_memory *memory, unsigned bits, unsigned nshards,
                      uint64_t mappings, size_t block_bytes)
{
    const struct hipt_ops *ops = memory->ops;
    uint32_t count = UINT32_C(1) << bits;
    uint64_t blocks = mappings / (HIPTI_BLOCK_CELLS - 1u) + count + LIMBO_BLOCKS;
    uint32_t limit = (uint32_t)(blocks < BLOCKS_MAX ? blocks : BLOCKS_MAX);

    asids->ops = ops;
    asids->count = count;
    asids->words = (HIPTI_ATOMIC(uint32_t) *)ops->alloc(ops->ctx, count * sizeof(*asids->words), HIPTI_CACHE_LINE,
                                                        HIPT_ANY_NODE, true);
    return asids->words &&
           hipti_arena_init(&asids->records, memory, sizeof(struct hipti_asid), count, (size_t)1 << 14, true) &&
           hipti_arena_init(&asids->blocks, memory, sizeof(struct hipti_cells), limit, block_bytes, true) &&
           hipti_plans_init(&asids->plans, memory, nshards, count);
}

void hipti_asids_end(struct hipti_asids *asids)
{
    hipti_arena_end(&asids->records);
    hipti_arena_end(&asids->blocks);
    hipti_plans_end(&asids->plans);
    if (asids->words) {
        asids->ops->free(asids->ops->ctx, asids->words, asids->count * sizeof(*asids->words));
    }
}

bool hipti_asid_confirm(struct hipti_asid *asid)
{
    uint64_t life = hipti_fetch_or_release(&asid->life, 0u); /* changes nothing [publish:life] the page */

    return (uint32_t)life == LIFE_ACTIVE;
}

struct hipti_asid *hipti_asid_record(const struct hipti_asids *asids, uint32_t number)
{
    return record_at(asids, number);
}

/* => the record of a number that was issued, and its life; NULL, and 0 for its life: it never was. */
static struct hipti_asid *record_find(const struct hipti_asids *asids, uint32_t number, uint64_t *life)
{
    struct hipti_asid *asid = (struct hipti_asid *)(void *)hipti_arena_find(&asids->records, number + 1u);

    *life = asid ? hipti_load_acquire(&asid->life) : 0; /* [observe:life] */
    return asid;
}

struct hipti_asid *hipti_asid_active(const struct hipti_asids *asids, uint32_t number)
{
    uint64_t life;
    struct hipti_asid *asid = record_find(asids, number, &life);

    return (uint32_t)life == LIFE_ACTIVE ? asid : (struct hipti_asid *)0;
}

struct hipti_asid *hipti_asid_issued(const struct hipti_asids *asids, struct hipt_asid issued)
{
    uint64_t life;
    struct hipti_asid *asid = record_find(asids, issued.number, &life);

    return life == life_pack(issued.generation, LIFE_ACTIVE) ? asid : (struct hipti_asid *)0;
}

bool hipti_asid_replace(struct hipti_asids *asids, uint32_t number, uint32_t word, uint32_t place)
{
    /* seq_cst: see map/map.c; release: the plan, or what has been moved [publish:placed] */
    return hipti_cas_seq_cst(hipti_asid_word(asids, number), &word, place | hipti_word_sizes(word));
}

/*
 * => a block that nobody looks at, none of its cells marked as used: an asid's end waits until all have been given
 * back; HIPTI_NONE with *status set.
 */
static uint32_t block_new(struct hipti_asids *asids, enum hipt_status *status)
{
    uint32_t block = hipti_freelist_pop(&asids->spare, &block_links, asids, asids->ops);
    bool full;

    if (block != HIPTI_NONE) {
        return block;
    }
    block = hipti_arena_carve(&asids->blocks, false, &full);
    if (block == HIPTI_NONE) {
        *status = hipti_arena_scarcity(full, hipti_freelist_is_waiting(&asids->spare));
    }
    return block;
}

/* Put a new block in front and take its first cell. => the cell; 0 with *status, HIPT_CHANGED if somebody else did. */
static uint32_t asid_extend(struct hipti_asids *asids, struct hipti_asid *asid, uint64_t fill, enum hipt_status *status)
{
    uint32_t block = block_new(asids, status);

    if (block == HIPTI_NONE) {
        return 0;
    }
    hipti_store_relaxed(cell_at(asids, block * HIPTI_BLOCK_CELLS), (uint32_t)(fill >> 32)); /* .fill publishes */
    if (hipti_cas_release(&asid->fill, &fill, ((uint64_t)block << 32) | 2u)) { /* [publish:fill] */
        return block * HIPTI_BLOCK_CELLS + 1u;
    }
    hipti_freelist_push(&asids->spare, &block_links, asids, block);
    *status = HIPT_CHANGED;
    return 0;
}

/* => a cell that was given back, or 0. */
static uint32_t asid_take_spare(struct hipti_asids *asids, struct hipti_asid *asid)
{
    for (;;) {
        uint64_t head = hipti_load_acquire(&asid->spare); /* [observe:spare] the first cell's link */
        uint32_t cell = (uint32_t)(head & hipti_mask(CELL_BITS));
        uint64_t tag = head >> CELL_BITS;
        uint64_t next;

        if (cell == 0 || !hipti_gate_pass(&asids->gate, asids->ops, tag, TAG_BITS)) {
            return 0;
        }
        /* If another thread takes the cell meanwhile, the tag moves and the link read does not matter. */
        next = hipti_load_relaxed(cell_at(asids, cell)) & hipti_mask(CELL_BITS);
        next |= ((tag + 1u) & hipti_mask(TAG_BITS)) << CELL_BITS;
        if (hipti_cas_relaxed(&asid->spare, &head, next)) { /* relaxed: the head is the one that was acquired */
            return cell;
        }
    }
}

static void asid_give_spare(struct hipti_asids *asids, struct hipti_asid *asid, uint32_t cell)
{
    uint64_t head = hipti_load_relaxed(&asid->spare); /* only compared */

    do {
        hipti_store_relaxed(cell_at(asids, cell), (uint32_t)(head & hipti_mask(CELL_BITS))); /* published below */
    } while (!hipti_cas_release(&asid->spare, &head, /* [publish:spare] the link just set */
                                (head & ~hipti_mask(CELL_BITS)) | cell));
}

/* => an unused cell; 0 with *status set. */
static uint32_t asid_cell(struct hipti_asids *asids, struct hipti_asid *asid, enum hipt_status *status)
{
    uint32_t cell = asid_take_spare(asids, asid);
    uint64_t fill = hipti_load_relaxed(&asid->fill); /* only compared */

    *status = HIPT_CHANGED;
    while (cell == 0 && *status == HIPT_CHANGED) {
        if (fill != 0 && (uint32_t)fill < HIPTI_BLOCK_CELLS) {
            if (hipti_cas_acquire(&asid->fill, &fill, fill + 1u)) { /* [observe:fill] the block */
                cell = (uint32_t)(fill >> 32) * HIPTI_BLOCK_CELLS + (uint32_t)fill;
            }
        } else {
            cell = asid_extend(asids, asid, fill, status);
            fill = hipti_load_relaxed(&asid->fill); /* only compared */
        }
    }
    return cell;
}

uint32_t hipti_asid_remember(struct hipti_asids *asids, struct hipti_asid *asid, uint32_t slot,
                             enum hipt_status *status)
{
    uint32_t cell = asid_cell(asids, asid, status);

    if (cell != 0) {
        (void)hipti_fetch_add_relaxed(&asid->cells, 1u); /* read after a grace period */
        hipti_store_release(cell_at(asids, cell), slot | CELL_USED); /* [publish:cell] */
    }
    return cell;
}

const void *hipti_asid_cell_address(const struct hipti_asids *asids, uint32_t cell)
{
    const char *block = hipti_arena_find(&asids->blocks, cell / HIPTI_BLOCK_CELLS);

    return block ? block + cell % HIPTI_BLOCK_CELLS * sizeof(uint32_t) : NULL;
}

uint32_t hipti_asid_next_cell(const struct hipti_asids *asids, uint32_t number)
{
    const struct hipti_asid *asid = hipti_asid_active(asids, number);

    return asid ? (uint32_t)(hipti_load_relaxed(&asid->spare) & hipti_mask(CELL_BITS)) : 0; /* a hint */
}

/*
 * An address space that gets n cells, n > 0, may need (n - 1) / 63 + 1 blocks, rounded down: none of its own may have
 * room. The sum is largest where all spaces but one get a single cell.
 */
enum hipt_status hipti_asids_reserve(struct hipti_asids *asids, uint64_t mappings, uint64_t spaces)
{
    uint64_t singles = spaces < asids->count ? spaces : asids->count;

    singles = singles < mappings ? singles : mappings;
    return hipti_arena_reserve(&asids->blocks, singles + (mappings - singles) / (HIPTI_BLOCK_CELLS - 1u));
}

void hipti_asid_forget(struct hipti_asids *asids, uint32_t number, uint32_t cell)
{
    struct hipti_asid *asid = record_at(asids, number);

    asid_give_spare(asids, asid, cell);
    (void)hipti_fetch_sub_release(&asid->cells, 1u); /* [publish:cells] */
}

static void asid_activate(struct hipti_asid *asid, struct hipt_asid *issued)
{
    issued->number = asid->number;
    issued->generation = (uint32_t)(hipti_load_relaxed(&asid->life) >> 32) + 1u; /* the caller's own */
    hipti_store_release(&asid->life, life_pack(issued->generation, LIFE_ACTIVE)); /* A1 [publish:life] */
}

struct hipti_asid *hipti_asid_new(struct hipti_asids *asids, enum hipt_status *status)
{
    bool full;
    uint32_t number = hipti_arena_carve(&asids->records, false, &full);
    struct hipti_asid *asid;

    if (number == HIPTI_NONE) {
        *status = full ? HIPT_NO_ASID : HIPT_NOMEM;
        return (struct hipti_asid *)0;
    }
    asid = record_at(asids, number - 1u);
    asid->number = number - 1u;
    return asid;
}

struct hipti_asid *hipti_asid_take(struct hipti_asids *asids)
{
    uint32_t number = hipti_freelist_pop(&asids->limbo, &record_links, asids, asids->ops);

    return number == HIPTI_NONE ? (struct hipti_asid *)0 : record_at(asids, number - 1u);
}

/* The caller's own record gets an empty list, and a word for its next life. */
static void asid_empty(struct hipti_asids *asids, struct hipti_asid *asid, uint32_t word)
{
    uint32_t block = (uint32_t)(hipti_load_relaxed(&asid->fill) >> 32);        /* the caller's own, both */
    uint32_t before = hipti_load_relaxed(hipti_asid_word(asids, asid->number));

    /* W6. release: the plan [publish:placed] */
    hipti_store_release(hipti_asid_word(asids, asid->number), word);
    while (block != HIPTI_NONE) {
        uint32_t next = hipti_load_relaxed(cell_at(asids, block * HIPTI_BLOCK_CELLS)); /* the caller's own */

        hipti_freelist_push(&asids->spare, &block_links, asids, block);
        block = next;
    }
    hipti_store_relaxed(&asid->fill, 0u); /* A1 publishes all of these */
    hipti_store_relaxed(&asid->spare, 0u); /* no taking is under way: a grace period has passed */
    if (before & HIPTI_WORD_PLANNED) {
        hipti_plan_free(&asids->plans, hipti_word_plan(before));
    }
}

/* => whether all cells of the caller's own have been given back. */
static bool asid_is_unused(const struct hipti_asid *asid)
{
    return hipti_load_acquire(&asid->cells) == 0; /* [observe:cells] */
}

bool hipti_asid_reissue(struct hipti_asids *asids, struct hipti_asid *asid, uint32_t word, struct hipt_asid *issued)
{
    if (!asid_is_unused(asid)) {
        return false;
    }
    asid_empty(asids, asid, word);
    asid_activate(asid, issued);
    return true;
}

bool hipti_asid_unplan(struct hipti_asids *asids, struct hipti_asid *asid)
{
    uint32_t word = hipti_load_relaxed(hipti_asid_word(asids, asid->number)); /* the caller's own */

    if (!(word & HIPTI_WORD_PLANNED) || !asid_is_unused(asid)) {
        return false;
    }
    asid_empty(asids, asid, hipti_word_at(0));
    return true;
}

void hipti_asid_put_back(struct hipti_asids *asids, struct hipti_asid *asid)
{
    hipti_freelist_push(&asids->limbo, &record_links, asids, asid->number + 1u);
}

struct hipti_asid *hipti_asid_end(struct hipti_asids *asids, struct hipt_asid asid)
{
    struct hipti_asid *record = hipti_asid_active(asids, asid.number);
    uint64_t life = life_pack(asid.generation, LIFE_ACTIVE);

    if (!record || /* A2. acquire: the pages of all that confirmed it [observe:life] */
        !hipti_cas_acquire(&record->life, &life, life_pack(asid.generation, LIFE_RETIRING))) {
        return (struct hipti_asid *)0;
    }
    return record;
}

struct hipti_asid_walk hipti_asid_walk_start(const struct hipti_asids *asids, const struct hipti_asid *asid)
{
    struct hipti_asid_walk walk;

    walk.asids = asids;
    walk.block = (uint32_t)(hipti_load_acquire(&asid->fill) >> 32); /* [observe:fill] */
    walk.at = 1;
    walk.visited = 0;
    return walk;
}

bool hipti_asid_walk_next(struct hipti_asid_walk *walk, uint32_t *slot)
{
    while (walk->block != HIPTI_NONE) {
        while (walk->at < HIPTI_BLOCK_CELLS) {
            uint32_t at = walk->block * HIPTI_BLOCK_CELLS + walk->at;
            uint32_t cell = hipti_load_acquire(cell_at(walk->asids, at)); /* [observe:cell] */

            walk->at++;
            walk->last = cell;
            walk->visited++;
            if (cell & CELL_USED) {
                *slot = cell & ~CELL_USED;
                return true;
            }
        }
        walk->block = hipti_load_relaxed(cell_at(walk->asids, walk->block * HIPTI_BLOCK_CELLS)); /* constant */
        walk->at = 1;
    }
    return false;
}

bool hipti_asid_walk_again(struct hipti_asid_walk *walk, uint32_t *slot)
{
    uint32_t at = walk->block * HIPTI_BLOCK_CELLS + walk->at - 1u;
    uint32_t before = walk->last;

    walk->last = hipti_load_acquire(cell_at(walk->asids, at)); /* [observe:cell] */
    *slot = walk->last & ~CELL_USED;
    return walk->last != before && (walk->last & CELL_USED);
}

void hipti_asid_relink(struct hipti_asids *asids, uint32_t cell, uint32_t from, uint32_t to)
{
    uint32_t value = from | CELL_USED;

    /* Whoever fails was helped, or the page has ended since. release: what the slot holds [publish:cell] */
    (void)hipti_cas_release(cell_at(asids, cell), &value, to | CELL_USED);
}

bool hipti_asid_cell_names(const struct hipti_asids *asids, uint32_t cell, uint32_t slot)
{
    return hipti_load_relaxed(cell_at(asids, cell)) == (slot | CELL_USED); /* everybody else is gone */
}
