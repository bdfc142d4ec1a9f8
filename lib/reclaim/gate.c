/* SPDX-License-Identifier: MIT */
#include "reclaim/gate.h"

bool hipti_gate_cross(struct hipti_gate *gate, const struct hipt_ops *ops)
{
    uint64_t last = hipti_load_acquire(&gate->cookie); /* [observe:gate] */

    while (last == 0 || ops->gp_elapsed(ops->ctx, last)) {
        uint64_t next = ops->gp_start(ops->ctx);

        /* Cookies grow, so the gate keeps the latest one. [publish:gate] [observe:gate] */
        if (hipti_cas_acq_rel(&gate->cookie, &last, next)) {
            return true;
        }
    }
    return false;
}
