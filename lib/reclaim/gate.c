/* SPDX-License-Identifier: MIT */
#include "reclaim/gate.h"

bool hipti_gate_cross(struct hipti_gate *gate, const struct hipt_ops *ops)
{
    /* relaxed: gp_elapsed() brings what the last crosser knew, and whoever asks has read the counter itself */
    uint64_t last = hipti_load_relaxed(&gate->cookie);

    while (last == 0 || ops->gp_elapsed(ops->ctx, last)) {
        uint64_t next = ops->gp_start(ops->ctx);

        /* Cookies grow, so the gate keeps the latest one. relaxed: as above */
        if (hipti_cas_relaxed(&gate->cookie, &last, next)) {
            return true;
        }
    }
    return false;
}
