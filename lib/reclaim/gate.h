/* SPDX-License-Identifier: MIT */
/*
 * A gate in the way of counters that would wrap. A counter of k bits that readers compare (a sequence) must not come
 * back to the same value while one of them is looking. It may go on freely inside a quarter of its range; to enter the
 * next quarter, a grace period must have ended since any counter behind the same gate last did so.
 *
 * Why three crossings cannot happen within one read side S: the thread that makes the second one asked for its grace
 * period after it had seen the first one done, so after S began; the third one needs that grace period to have ended,
 * and it does not end before S. To come back to its value a counter makes four crossings.
 */
#ifndef HIPT_RECLAIM_GATE_H
#define HIPT_RECLAIM_GATE_H

#include <stdbool.h>
#include <stdint.h>

#include <hipt/ops.h>

#include "base/atomic.h"
#include "base/bits.h"

struct hipti_gate {
    HIPTI_ATOMIC(uint64_t) cookie; /* atomic: the grace period asked for by the last crossing, 0 before the first */
};

/* Ask to cross. => true: the caller may, and should soon; false: a grace period has not ended yet. */
bool hipti_gate_cross(struct hipti_gate *gate, const struct hipt_ops *ops);

/* Whether a counter of @bits >= 2 bits may go from @value to the next. */
static inline bool hipti_gate_pass(struct hipti_gate *gate, const struct hipt_ops *ops, uint64_t value, unsigned bits)
{
    return ((value + 1u) & hipti_mask(bits - 2u)) != 0 || hipti_gate_cross(gate, ops);
}

#endif
