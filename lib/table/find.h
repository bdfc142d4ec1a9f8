/* SPDX-License-Identifier: MIT */
/*
 * Finding a key in a line, and the way that nearly all lookups take: one line, no call. How many lookups a processor
 * can overlap is how many fit its window of instructions, so what stands here is counted in instructions.
 */
#ifndef HIPT_TABLE_FIND_H
#define HIPT_TABLE_FIND_H

#include "base/simd.h"
#include "table/bucket.h"

/* => true: slot @i of @line holds the remainder of @place, and *pte is its word in that life. */
static inline bool hipti_line_match(struct hipti_line *line, unsigned i, struct hipti_place place, uint64_t *pte)
{
    uint64_t before;
    uint64_t after = hipti_load_acquire(&line->pte[i]); /* [observe:slot] the remainder of its life, or a newer one */

    do {
        before = after;
        /* acquire: if either is of a later claim, the word read next is too [observe:lo/hi] */
        if (!hipti_pte_has_key(before) || hipti_load_acquire(&line->lo[i]) != hipti_place_lo(place) ||
            hipti_load_acquire(&line->hi[i]) != hipti_place_hi(place)) { /* [observe:lo/hi] */
            return false;
        }
        after = hipti_load_acquire(&line->pte[i]); /* [observe:slot] */
    } while (!hipti_pte_same_life(before, after) || !hipti_pte_has_key(after));
    *pte = after;
    return true;
}

/*
 * => a bit for each slot of @line that may hold @place, judged by 32 bits. Without a branch: which slot it is cannot be
 * predicted, and a branch on it would wait for the line and hold up the lookups behind. Each slot's part is acquired:
 * who misses what has been taken out of the line, or a line that was given back under him, whose first part is gone,
 * sees where that has gone [observe:lo/hi].
 */
static inline unsigned hipti_line_candidates(struct hipti_line *line, struct hipti_place place)
{
    return hipti_equal(line->lo, hipti_place_lo(place));
}

/* => true: *i is the slot of @line that holds @place. */
static inline bool hipti_line_find(struct hipti_line *line, struct hipti_place place, unsigned *i, uint64_t *pte)
{
    unsigned candidates = hipti_line_candidates(line, place);

    while (candidates) {
        *i = hipti_lowest_bit(candidates);
        if (hipti_line_match(line, *i, place, pte)) {
            return true;
        }
        candidates &= candidates - 1u;
    }
    return false;
}

#define HIPTI_UNDECIDED UINT32_MAX /* in place of a link */

/*
 * One line on the way that nearly all lookups take: the key's slot is in it and nobody changes that meanwhile, or no
 * slot is like it.
 * => its word, live, and *slot; or 0 and *link: the line that follows, HIPTI_NONE, or HIPTI_UNDECIDED: it takes
 * hipti_find() to say.
 */
static inline uint64_t hipti_line_lookup(struct hipti_line *line, struct hipti_place place, unsigned *slot,
                                         uint32_t *link)
{
    unsigned candidates = hipti_line_candidates(line, place);
    uint64_t pte;
    size_t i;

    if (candidates == 0) {
        /* acquire: who misses what was in a line that has been taken out sees where it has moved to [observe:link] */
        *link = hipti_header_link_for(hipti_load_acquire(&line->header), place);
        return 0;
    }
    *link = HIPTI_UNDECIDED;
    i = hipti_lowest_bit(candidates);
    *slot = (unsigned)i;
    pte = hipti_load_acquire(&line->pte[i]); /* [observe:slot] as in hipti_line_match() */
    if (hipti_load_acquire(&line->lo[i]) != hipti_place_lo(place) || /* [observe:lo/hi] */
        hipti_load_acquire(&line->hi[i]) != hipti_place_hi(place) || /* [observe:lo/hi] */
        hipti_load_relaxed(&line->pte[i]) != pte || /* relaxed: the same word was acquired */
        hipti_pte_state(pte) != HIPTI_LIVE) {
        return 0;
    }
    return pte;
}

#endif
