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
 * predicted, and a branch on it would wait for the line and hold up the lookups behind.
 */
static inline unsigned hipti_line_candidates(struct hipti_line *line, struct hipti_place place)
{
    /* relaxed: a slot that became live before the call shows its remainder; hipti_line_match() reads it again */
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

/*
 * The way that nearly all lookups take: the key's slot is in the bucket's own line and nobody changes it meanwhile, or
 * that line is all there is and no slot is like it.
 * => true: *pte is its word, live, and *slot; false: *is_absent, or else it takes hipti_bucket_find() to say.
 */
static inline bool hipti_line_lookup(struct hipti_line *line, struct hipti_place place, size_t *slot, uint64_t *pte,
                                     bool *is_absent)
{
    unsigned candidates = hipti_line_candidates(line, place);
    size_t i;

    *is_absent = false;
    if (candidates == 0) {
        /* acquire: who misses what was in a line that has been taken out sees where it has moved to [observe:link] */
        *is_absent = hipti_header_link(hipti_load_acquire(&line->header)) == HIPTI_NONE;
        return false;
    }
    i = hipti_lowest_bit(candidates);
    *slot = i;
    *pte = hipti_load_acquire(&line->pte[i]); /* [observe:slot] as in hipti_line_match() */
    return hipti_load_acquire(&line->lo[i]) == hipti_place_lo(place) && /* [observe:lo/hi] */
           hipti_load_acquire(&line->hi[i]) == hipti_place_hi(place) && /* [observe:lo/hi] */
           hipti_load_relaxed(&line->pte[i]) == *pte && /* relaxed: the same word was acquired */
           hipti_pte_state(*pte) == HIPTI_LIVE;
}

/*
 * => whether @line has no slot with the remainder of @place, as hipti_line_lookup() says, and no more lines follow.
 * What has become of a slot that had it is acquired, so who took it out is known to have done so.
 */
static inline bool hipti_line_is_absent(struct hipti_line *line, struct hipti_place place)
{
    uint64_t lo = hipti_place_lo(place);
    unsigned candidates = hipti_is_zero(hipti_load_acquire(&line->lo[0]) ^ lo) | /* [observe:lo/hi] */
                          hipti_is_zero(hipti_load_acquire(&line->lo[1]) ^ lo) | /* [observe:lo/hi] */
                          hipti_is_zero(hipti_load_acquire(&line->lo[2]) ^ lo) | /* [observe:lo/hi] */
                          hipti_is_zero(hipti_load_acquire(&line->lo[3]) ^ lo); /* [observe:lo/hi] */
    uint32_t link = hipti_header_link(hipti_load_acquire(&line->header)); /* [observe:link] */

    return candidates == 0 && link == HIPTI_NONE;
}

#endif
