/* SPDX-License-Identifier: MIT */
/*
 * Address spaces: which asids are issued, and a list of each one's pages, so that its end costs as much as its own
 * pages.
 *
 *   row  from       to         who                                               by
 *   A1   new, LIMBO ACTIVE     alloc: a new number, or one that a grace period   store release, generation + 1
 *                              has passed over and whose list is empty
 *   A2   ACTIVE     RETIRING   retire, of the same generation                    CAS acquire
 *   A3   RETIRING   LIMBO      the retire that made A2, or the alloc that found  by the freelist
 *                              the list not empty yet
 *
 * The list of pages is an array of cells in blocks of 63. A map takes a cell before it commits and writes the slot
 * there; an unmap gives the cell back after it has taken the page out. So every committed page has a cell; a cell may
 * name a slot that is not committed yet, or not any more. Who retires an asid walks its cells, and once more after a
 * grace period, when every map that had still found it ACTIVE has ended (such a map has its cell by then, or has given
 * up).
 *
 * A given-back cell is used again at once, by the same asid only; so an asid has as many cells as it had pages at its
 * fullest, and maps under way. A block is used again after the asid's end and a grace period. The stack of given-back
 * cells is safe from ABA by the tag, which passes a gate (reclaim/gate.h) before it would come back.
 *
 * Each asid has a word, which a lookup reads first: what its pages may be, and where they are.
 *
 *   bit  0  sizes in use    4    a bit for each size class; they stay until the asid ends
 *        4  SETTLED         1    if PLANNED: nothing is where it was before the plan, nor will be
 *        5  (free)          2
 *        7  PLANNED         1    one shard does not say it all
 *        8  shard           8    of the buckets that hold its pages, if not PLANNED
 *       16  plan           16    its number, if PLANNED (plans.h)
 *
 * PLANNED is in the byte of the sizes: who asks whether an asid uses one size, and nothing else, asks both at once.
 *
 *   row  from               to                         who                           by
 *   W1   a shard            a plan with that past      place                         CAS seq_cst
 *   W2   a settled plan     another, with its regions  place, a grace period later   CAS seq_cst
 *                           as the past
 *   W3   a plan             the same, SETTLED          who found no page out of      CAS seq_cst
 *                                                      place, in a walk that began
 *                                                      a grace period later
 *   W4   a settled plan     that shard                 place, a grace period later   CAS seq_cst
 *        of one shard
 *   W5   sizes              one more                   a map, before its commit      fetch_or seq_cst
 *   W6   any                a shard, or a settled      (re)issue; or nobody, when    store release
 *                           plan; no sizes             plans are short
 *
 * W1 to W4 keep the sizes. A plan that no word names any more goes back: whoever took it out gives it back.
 */
#ifndef HIPT_ASID_ASIDS_H
#define HIPT_ASID_ASIDS_H

#include <stdbool.h>
#include <stdint.h>

#include <hipt/asid.h>
#include <hipt/ops.h>
#include <hipt/status.h>

#include "asid/plans.h"
#include "base/atomic.h"
#include "base/bits.h"
#include "reclaim/arena.h"
#include "reclaim/freelist.h"
#include "reclaim/gate.h"

#define HIPTI_WORD_SIZES UINT32_C(0xf)
#define HIPTI_WORD_SETTLED UINT32_C(0x10)
#define HIPTI_WORD_PLANNED UINT32_C(0x80)
#define HIPTI_WORD_KIND UINT32_C(0xff) /* the sizes, SETTLED and PLANNED */
#define HIPTI_WORD_SHARD_SHIFT 8u
#define HIPTI_WORD_PLAN_SHIFT 16u

#define HIPTI_BLOCK_CELLS 64u /* the first of them links the blocks of an asid */

/* Field key: a atomic, c constant after the first issue. */
struct hipti_asid {
    HIPTI_ATOMIC(uint64_t) life;  /* a: generation in the upper half, state in the lower */
    HIPTI_ATOMIC(uint64_t) fill;  /* a: the newest block in the upper half, its next unused cell in the lower */
    HIPTI_ATOMIC(uint64_t) spare; /* a: the last cell given back; above it a tag that counts takings */
    HIPTI_ATOMIC(uint64_t) cells; /* a: cells taken and not given back */
    HIPTI_ATOMIC(uint32_t) link;  /* a: the freelist's, in limbo */
    uint32_t number;              /* c */
};

/* Field key: a atomic. */
struct hipti_cells {
    HIPTI_ATOMIC(uint32_t) cell[HIPTI_BLOCK_CELLS]; /* a: [0] the next block; a slot with the top bit, or a link */
};

/* Field key: all constant, but for what arenas and lists say of themselves. */
struct hipti_asids {
    const struct hipt_ops *ops;
    struct hipti_arena records;
    struct hipti_arena blocks;
    HIPTI_ATOMIC(uint32_t) *words;     /* its elements atomic: one for each asid, see above */
    uint32_t count;                    /* of asids, 2^bits */
    struct hipti_plans plans;
    struct hipti_freelist limbo;       /* records */
    struct hipti_freelist spare;       /* blocks */
    struct hipti_gate gate;            /* of the tags of .spare of all asids */
};

/* Where a walk over an asid's cells stands. */
struct hipti_asid_walk {
    const struct hipti_asids *asids;
    uint32_t block;
    uint32_t at;
    uint32_t last; /* what was read last */
    uint64_t visited;
};

/*
 * => false: no memory. @memory outlives them. There are never more than @mappings cells in use; they are had in blocks
 * of @block_bytes. Their pages are in @nshards shards.
 */
bool hipti_asids_init(struct hipti_asids *asids, const struct hipti_memory *memory, unsigned bits, unsigned nshards,
                      uint64_t mappings, size_t block_bytes);
void hipti_asids_end(struct hipti_asids *asids);

/* => the record of an asid that is ACTIVE, or NULL. */
struct hipti_asid *hipti_asid_active(const struct hipti_asids *asids, uint32_t number);

/*
 * => whether @asid still is ACTIVE, after a page of it was made live or let go. If so, whoever ends it later sees that
 * page: this is a read-modify-write, so A2 either comes before it, or comes after it and has all that it publishes.
 */
bool hipti_asid_confirm(struct hipti_asid *asid);

/* => the record of an asid that is ACTIVE in this life, or NULL. Its blocks stay as long as the read side lasts. */
struct hipti_asid *hipti_asid_issued(const struct hipti_asids *asids, struct hipt_asid asid);

/* => the record of an asid that was issued. */
struct hipti_asid *hipti_asid_record(const struct hipti_asids *asids, uint32_t number);

/* Take a cell for @slot. => its number; 0 with *status HIPT_NOMEM, HIPT_FULL or HIPT_BUSY. Inside a read side. */
uint32_t hipti_asid_remember(struct hipti_asids *asids, struct hipti_asid *asid, uint32_t slot,
                             enum hipt_status *status);

/* Where a cell is, for a hint: it may be anybody's. => NULL: it is not known here yet. */
const void *hipti_asid_cell_address(const struct hipti_asids *asids, uint32_t cell);

/* => the given-back cell that would be taken next, or 0: a hint. The asid is in range. */
uint32_t hipti_asid_next_cell(const struct hipti_asids *asids, uint32_t number);

/*
 * Have memory ready for @mappings more cells in at most @spaces address spaces, whatever their spread. Waits for it.
 * => HIPT_OK; HIPT_FULL: more than there can ever be; HIPT_NOMEM.
 */
enum hipt_status hipti_asids_reserve(struct hipti_asids *asids, uint64_t mappings, uint64_t spaces);

/* Give a cell back, as the last thing done for a page of this asid. */
void hipti_asid_forget(struct hipti_asids *asids, uint32_t number, uint32_t cell);

/* A number never issued before, the caller's alone. => NULL: *status is HIPT_NO_ASID or HIPT_NOMEM. */
struct hipti_asid *hipti_asid_new(struct hipti_asids *asids, enum hipt_status *status);

/* One that has been in limbo for a grace period and is now the caller's alone, or NULL. Inside a read side. */
struct hipti_asid *hipti_asid_take(struct hipti_asids *asids);

/*
 * Issue the caller's own number, again or for the first time (A1), its blocks given back and its word @word (W6).
 * => false: cells are in use; the caller has to sweep, or put it back.
 */
bool hipti_asid_reissue(struct hipti_asids *asids, struct hipti_asid *asid, uint32_t word, struct hipt_asid *issued);

/*
 * Let the caller's own number have no plan any more (W6). => whether it had one; not while cells are in use: who left
 * them may still look where it says.
 */
bool hipti_asid_unplan(struct hipti_asids *asids, struct hipti_asid *asid);

/* Put it into limbo (again) (A3). */
void hipti_asid_put_back(struct hipti_asids *asids, struct hipti_asid *asid);

/* End its life (A2). => the record, or NULL: not ACTIVE, or of another generation. */
struct hipti_asid *hipti_asid_end(struct hipti_asids *asids, struct hipt_asid asid);

/* Walk over the slots that the cells name. Inside a read side. */
struct hipti_asid_walk hipti_asid_walk_start(const struct hipti_asids *asids, const struct hipti_asid *asid);
bool hipti_asid_walk_next(struct hipti_asid_walk *walk, uint32_t *slot);

/* => whether the cell that was visited last names another slot by now; *slot is that one. */
bool hipti_asid_walk_again(struct hipti_asid_walk *walk, uint32_t *slot);

/* Let a cell that names slot @from name slot @to, where its page has gone. Any number of threads may do so at once. */
void hipti_asid_relink(struct hipti_asids *asids, uint32_t cell, uint32_t from, uint32_t to);

/* => whether @cell names @slot, for the validators. */
bool hipti_asid_cell_names(const struct hipti_asids *asids, uint32_t cell, uint32_t slot);

/* The word of an asid. */
static inline HIPTI_ATOMIC(uint32_t) *hipti_asid_word(const struct hipti_asids *asids, uint32_t number)
{
    return &asids->words[number];
}

/* => the size classes in use, one bit each. */
static inline unsigned hipti_word_sizes(uint32_t word)
{
    return word & HIPTI_WORD_SIZES;
}

/* Of a word that is not PLANNED. */
static inline unsigned hipti_word_shard(uint32_t word)
{
    return word >> HIPTI_WORD_SHARD_SHIFT & 0xffu;
}

/* => the word of an asid that begins in @shard. */
static inline uint32_t hipti_word_at(unsigned shard)
{
    return (uint32_t)shard << HIPTI_WORD_SHARD_SHIFT;
}

/* => the word of an asid that has a plan, which is not settled. */
static inline uint32_t hipti_word_planned(uint32_t plan)
{
    return plan << HIPTI_WORD_PLAN_SHIFT | HIPTI_WORD_PLANNED;
}

/* => what of a word says where pages are. */
static inline uint32_t hipti_word_place(uint32_t word)
{
    return word & ~HIPTI_WORD_SIZES;
}

/* Of a word that is PLANNED. */
static inline uint32_t hipti_word_plan(uint32_t word)
{
    return word >> HIPTI_WORD_PLAN_SHIFT;
}

/* As above. */
static inline bool hipti_word_is_settled(uint32_t word)
{
    return (word & HIPTI_WORD_SETTLED) != 0;
}

/* => where @word, read with acquire in this read side, says that the page is whose first base page is @vpn. */
static inline struct hipti_where hipti_asid_where(const struct hipti_asids *asids, uint32_t word, uint64_t vpn)
{
    struct hipti_where where = {hipti_word_shard(word), HIPTI_NO_SHARD};

    if (word & HIPTI_WORD_PLANNED) {
        where = hipti_plan_where(&asids->plans, hipti_word_plan(word), hipti_word_is_settled(word), vpn);
    }
    return where;
}

/* Let the asid whose word was read as @word be where @place says (W1 to W4). => false: it has another word by now. */
bool hipti_asid_replace(struct hipti_asids *asids, uint32_t number, uint32_t word, uint32_t place);

#endif
