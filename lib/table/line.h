/* SPDX-License-Identifier: MIT */
/*
 * A cache line of the table: a header and four slots. Bucket b is line b; overflow lines are numbered behind the
 * buckets and hang off a bucket's header, the newest first.
 *
 *   header of a bucket           header of an overflow line
 *   bit  0  link          28     bit  0  link     28   number of the next overflow line, 0 at the end
 *       28  pending        1         28  bucket   28   whose chain it is in
 *       29  position       5
 *       34  parity         1
 *       35  closed         1
 *       36  sequence      20
 *       56  filter         8                  56  all ones 8
 *
 * The filter says what the lines behind the bucket's own may hold: a key has the bit that the upper bits of its
 * remainder choose, so a miss mostly need not look there. Bits are set with commits and go with the last of the lines.
 * The sequence covers the whole chain: it moves with every commit of a put and every change of the links. "pending,
 * position, parity" name the slot that was committed last and its version's lowest bit. The protocol:
 *
 *   row  from                 to                              who               by
 *   H1   sequence s           s + 1, names slot i, parity p   a put's commit    CAS seq_cst from the header
 *                             has its filter bit                                that it had read before its scan
 *   H2   link l               new line, its link is l; s + 1  a put, no slot    CAS release, as H1
 *   H3   link n, n empty      n's link; s + 1                 who emptied n     CAS release
 *                             without a link, no filter
 *   H4   open                 closed; s + 1                   a move            CAS release
 *   H5   names slot i, or     names none, has it; s + 1       a copy, claimed;  CAS release
 *        the copy's filter                                    a move to another
 *        bit is not set                                       shard, that leaves
 *
 * Besides, in an array that has taken another one's place, a header of 0 is replaced by 0 before it is read by who puts
 * or copies a key there (map/move.c): that changes nothing but that the memory has been written to.
 *
 * A closed bucket takes no further key: whoever was about to commit one sees H1 fail, and looks for the array that has
 * taken this one's place. It stays closed.
 *
 * Before H1 to H5 the slot that the header names is finished (P4 in pte.h) by whoever comes: nobody waits for a put
 * that was stopped between H1 and P4. H2 to H5 name no slot. All five release: who sees the header move on sees that
 * the slot which it named is finished, and need not look. None has to acquire: the header that a CAS replaces is the
 * one that its thread has acquired.
 *
 * Why the header's slot is not mistaken for a later life: a life is committed by H1, which names another slot or
 * parity; or it is a copy's (P21), and the header has named no slot (H5) between the claim and that; or the life before
 * was left for another shard (P24), and the header has not named its slot since (H5). So as long as the header stays,
 * the named slot has seen no further commit, and a claim in it is either the named one or, with the other parity, the
 * next. The sequence passes a gate (reclaim/gate.h), so it does not come back under a reader.
 */
#ifndef HIPT_TABLE_LINE_H
#define HIPT_TABLE_LINE_H

#include <stdbool.h>
#include <stdint.h>

#include <hipt/table.h>

#include "base/atomic.h"
#include "base/bits.h"
#include "reclaim/freelist.h"
#include "table/hash.h"

/* Field key: all atomic. */
struct hipti_line {
    HIPTI_ATOMIC(uint64_t) header;
    HIPTI_ATOMIC(uint16_t) hi[HIPT_SLOTS];
    HIPTI_ATOMIC(uint32_t) lo[HIPT_SLOTS]; /* at a multiple of 16 bytes: compared at once */
    HIPTI_ATOMIC(uint64_t) pte[HIPT_SLOTS];
};

#ifndef __cplusplus
_Static_assert(sizeof(struct hipti_line) == HIPTI_CACHE_LINE, "a line is one cache line");
#endif

#define HIPTI_LINK_BITS 28u
#define HIPTI_BUCKETS_MAX (UINT64_C(1) << 27)

#define HIPTI_HEADER_OWNER_SHIFT 28u
#define HIPTI_HEADER_PENDING (UINT64_C(1) << 28)
#define HIPTI_HEADER_POSITION_SHIFT 29u
#define HIPTI_HEADER_PARITY_SHIFT 34u
#define HIPTI_HEADER_CLOSED (UINT64_C(1) << 35)
#define HIPTI_HEADER_SEQUENCE_SHIFT 36u
#define HIPTI_HEADER_FILTER_SHIFT 56u
#define HIPTI_HEADER_FILTER (hipti_mask(8) << HIPTI_HEADER_FILTER_SHIFT)

static inline uint32_t hipti_header_link(uint64_t header)
{
    return (uint32_t)(header & hipti_mask(HIPTI_LINK_BITS));
}

/* Of an overflow line. */
static inline uint32_t hipti_header_bucket(uint64_t header)
{
    return (uint32_t)hipti_field_get(header, HIPTI_HEADER_OWNER_SHIFT, HIPTI_LINK_BITS);
}

static inline uint64_t hipti_header_of_overflow(uint32_t link, uint32_t bucket)
{
    return link | ((uint64_t)bucket << HIPTI_HEADER_OWNER_SHIFT) | HIPTI_HEADER_FILTER;
}

/* => the filter's bit of a key whose slot is in a line behind its bucket's own. */
static inline uint64_t hipti_header_filter_bit(struct hipti_place place)
{
    return UINT64_C(1) << (HIPTI_HEADER_FILTER_SHIFT + (place.rest >> 61));
}

/* => the link to where @place may be, behind a line whose slots do not hold it, or HIPTI_NONE. */
static inline uint32_t hipti_header_link_for(uint64_t header, struct hipti_place place)
{
    return header & hipti_header_filter_bit(place) ? hipti_header_link(header) : HIPTI_NONE;
}

static inline unsigned hipti_header_position(uint64_t header)
{
    return (unsigned)hipti_field_get(header, HIPTI_HEADER_POSITION_SHIFT, 5);
}

static inline unsigned hipti_header_parity(uint64_t header)
{
    return (unsigned)hipti_field_get(header, HIPTI_HEADER_PARITY_SHIFT, 1);
}

static inline uint64_t hipti_header_sequence(uint64_t header)
{
    return hipti_field_get(header, HIPTI_HEADER_SEQUENCE_SHIFT, HIPT_SEQUENCE_BITS_MAX);
}

/* The next header, with the sequence moved on within @bits bits, that names no slot. */
static inline uint64_t hipti_header_relink(uint64_t header, uint32_t link, unsigned bits)
{
    uint64_t sequence = (hipti_header_sequence(header) + 1u) & hipti_mask(bits);
    uint64_t kept = link != HIPTI_NONE ? HIPTI_HEADER_CLOSED | HIPTI_HEADER_FILTER : HIPTI_HEADER_CLOSED;

    return link | (header & kept) | (sequence << HIPTI_HEADER_SEQUENCE_SHIFT);
}

/* The same, that names the slot at @position, whose version has @parity, for the key of @place. */
static inline uint64_t hipti_header_commit(uint64_t header, unsigned position, unsigned parity, unsigned bits,
                                           struct hipti_place place)
{
    uint64_t next = hipti_header_relink(header, hipti_header_link(header), bits) | HIPTI_HEADER_PENDING;

    if (position >= HIPT_SLOTS) {
        next |= hipti_header_filter_bit(place);
    }
    return next | ((uint64_t)position << HIPTI_HEADER_POSITION_SHIFT) |
           ((uint64_t)parity << HIPTI_HEADER_PARITY_SHIFT);
}

#endif
