/* SPDX-License-Identifier: MIT */
/*
 * Frame records: who maps a frame. One record of 16 bytes for each pfn of the ranges, and for each swap slot; the first
 * mapping stands in the record, further ones in blocks of seven, on the node that the record belongs to. A mapping is a
 * pair (slot, cell): where its PTE is, and where its address space keeps it in mind. This room stores the pairs and
 * knows neither table nor address spaces.
 *
 * The record's word:
 *
 *   bit  0  block        28   first alias block, 0 for none
 *       28  mappings     20   links that have not been undone or taken out
 *       48  pins         12
 *       60  fresh         1   no mapping has ended and no pin was taken since the frame was FREE
 *       61  state         3
 *
 *   row  from       to         who                                        by
 *   F1   FREE       MAPPED(1)  link                                       CAS acquire
 *        OWNED
 *   F2   MAPPED(n)  MAPPED(n+1) link                                      CAS acquire
 *   F3   MAPPED(n)  MAPPED(n-1) unlink, n > 1                             CAS acq_rel, its pair is cleared before
 *   F4   MAPPED(1)  UNMAPPING  unlink, blocks to be given back            CAS acq_rel
 *   F5   MAPPED(1)  OWNED      as F4, pinned                              CAS acq_rel, from UNMAPPING acquire
 *        UNMAPPING  LIMBO      as F4, not pinned
 *                   FREE       as F4, not pinned, fresh, the link is undone: nothing was ever mapped; or the mapping
 *                              goes on as a part of a larger one
 *   F6   FREE       OWNED      the first pin                              CAS acq_rel
 *   F7   OWNED      LIMBO      the last unpin                             CAS acq_rel
 *   F8   LIMBO      FREE       reap, after a grace period                 store release
 *
 * A pair is put by CAS from 0 and taken out by who owns its mapping, so two links never share a place, and a walker
 * that reads a pair with acquire sees what the slot held when it was put, or something newer: it reads the slot itself
 * to be sure. An empty block that is first in its list is sealed (its seven places to ~0) and taken off; it goes back
 * to the pool through a grace period, its link kept for walkers that stand on it.
 */
#ifndef HIPT_FRAME_FRAMES_H
#define HIPT_FRAME_FRAMES_H

#include <stdbool.h>
#include <stdint.h>

#include <hipt/frame.h>
#include <hipt/ops.h>
#include <hipt/status.h>
#include <hipt/table.h>

#include "base/atomic.h"
#include "base/bits.h"
#include "reclaim/arena.h"
#include "reclaim/freelist.h"
#include "topology/topology.h"

#define HIPTI_BLOCK_PAIRS 7u

/* Field key: all atomic. */
struct hipti_frame {
    HIPTI_ATOMIC(uint64_t) word;
    HIPTI_ATOMIC(uint64_t) first; /* the first mapping's pair, or in LIMBO the freelist's link */
};

/* Field key: all atomic. */
struct hipti_alias {
    HIPTI_ATOMIC(uint32_t) next;   /* further block, kept while readers may stand here */
    HIPTI_ATOMIC(uint32_t) spare;  /* the freelist's link */
    HIPTI_ATOMIC(uint64_t) pair[HIPTI_BLOCK_PAIRS];
};

#ifndef __cplusplus
_Static_assert(sizeof(struct hipti_frame) == 16, "four records a line");
_Static_assert(sizeof(struct hipti_alias) == HIPTI_CACHE_LINE, "a block is one cache line");
#endif

/* A range of the configuration and the number of its first record. Field key: all constant. */
struct hipti_frame_range {
    uint64_t first;
    uint64_t count;
    uint32_t number;
    bool swap;
};

/* The alias blocks of one node: those of records of other nodes have the same numbers, and are others. */
struct hipti_aliases {
    struct hipti_arena blocks; /* without a directory where the node owns no records */
    HIPTI_ALIGNED(64) struct hipti_freelist spare;
};

/* Field key: all constant, but for what arenas and lists say of themselves. */
struct hipti_frames {
    const struct hipt_ops *ops;
    struct hipti_frame_range *ranges;  /* sorted by (swap, first) */
    size_t nranges;
    struct hipti_arena records;
    struct hipti_aliases *aliases;     /* of each node */
    uint8_t *owners;                   /* of each block of records: the node that it belongs to */
    unsigned nodes;
    struct hipti_freelist limbo;       /* records */
    const struct hipti_memory *memory; /* of each node */
    size_t aliases_bytes;
};

/* A mapping as a frame knows it. */
struct hipti_pair {
    uint32_t slot;
    uint32_t cell; /* never 0 */
};

/* Where a walk over a frame's pairs stands. */
struct hipti_pairs {
    const struct hipti_aliases *aliases;
    HIPTI_ATOMIC(uint64_t) *place; /* of the pair given last, or the record's own, to be given first */
    uint64_t pair;                 /* what was read there */
    uint32_t block;
    unsigned at;
    bool is_first;
};

/*
 * => false: no memory. The ranges have been checked (layout.h), @memory is that of each node of the topology and
 * outlives the frames; there are never more than @mappings pairs.
 */
bool hipti_frames_init(struct hipti_frames *frames, const struct hipti_topology *topology,
                       const struct hipti_memory *memory, const struct hipt_range *ranges, size_t count,
                       uint64_t mappings);
void hipti_frames_end(struct hipti_frames *frames);

/* => bytes of all alias blocks and their directories. */
size_t hipti_frames_alias_bytes(const struct hipti_frames *frames);

/* => bytes of those blocks that lie on @node. */
size_t hipti_frames_alias_bytes_on(const struct hipti_frames *frames, int node);

/* => the number of a frame's record, HIPTI_NONE if it is in no range. */
uint32_t hipti_frames_number(const struct hipti_frames *frames, uint64_t pfn, bool swap);

/*
 * => the bound that a pfn in no range misses by least: a range's first number, or its last; of two the lower one. 0
 * where there is no range of the kind.
 */
uint64_t hipti_frames_nearest(const struct hipti_frames *frames, uint64_t pfn, bool swap);

/*
 * => HIPT_OK: linked. HIPT_BUSY: UNMAPPING or LIMBO, or all blocks wait for a grace period; HIPT_FULL; HIPT_NOMEM:
 * nothing has changed. Inside a read side.
 */
enum hipt_status hipti_frame_link(struct hipti_frames *frames, uint32_t number, struct hipti_pair pair);

/* Why a pair is taken out. */
enum hipti_unlink {
    HIPTI_UNLINK_UNDO = 0, /* there never was a mapping: the frame is as if the link had never been */
    HIPTI_UNLINK_END,      /* the mapping has ended */
    HIPTI_UNLINK_MERGE     /* the frame goes on in a larger mapping, which is accounted at another frame */
};

/* Take a pair out. => its cell. Inside a read side. */
uint32_t hipti_frame_unlink(struct hipti_frames *frames, uint32_t number, uint32_t slot, enum hipti_unlink why);

/* => the cell of the pair of @slot, which is linked and stays so; 0 if it is not. Inside a read side. */
uint32_t hipti_frame_cell(const struct hipti_frames *frames, uint32_t number, uint32_t slot);

/*
 * Let the pair of slot @from, if there is one, name slot @to instead, where its mapping has gone. Any number of threads
 * may do so at once. => the cell of the pair, which may have been changed before; 0: there is neither. Inside a read
 * side.
 */
uint32_t hipti_frame_relink(struct hipti_frames *frames, uint32_t number, uint32_t from, uint32_t to);

/* => the same where the pair stands in the record itself, or 0: a hint, the caller need not own the mapping. */
uint32_t hipti_frame_cell_hint(const struct hipti_frames *frames, uint32_t number, uint32_t slot);

enum hipt_status hipti_frame_pin(struct hipti_frames *frames, uint32_t number);
enum hipt_status hipti_frame_unpin(struct hipti_frames *frames, uint32_t number);
struct hipt_frame_status hipti_frame_status(const struct hipti_frames *frames, uint32_t number);

/* => a frame that has been through limbo, true; or false. Inside a read side. */
bool hipti_frame_reap(struct hipti_frames *frames, struct hipt_frame *frame);

/* Walk over a frame's pairs. Inside a read side. A pair that is linked during the whole walk is given. */
struct hipti_pairs hipti_frame_pairs(const struct hipti_frames *frames, uint32_t number);
bool hipti_pairs_next(struct hipti_pairs *pairs, struct hipti_pair *pair);

/*
 * => whether there is something else now in the place of the pair given last; *pair, if *is_there. As long as a pair
 * stands, its slot is its mapping's; and where a mapping goes to another slot, its pair stays in its place.
 */
bool hipti_pairs_changed(struct hipti_pairs *pairs, struct hipti_pair *pair, bool *is_there);

/* => HIPT_OK: memory is there for @blocks more alias blocks on each node; HIPT_FULL: beyond the bound; HIPT_NOMEM. */
enum hipt_status hipti_frames_reserve(struct hipti_frames *frames, uint32_t blocks);

#endif
