/* SPDX-License-Identifier: MIT */
#include "sim/plain.h"

struct hipti_plain hipti_plain;

bool hipti_plain_undo(struct hipti_plain *plain)
{
    bool is_complete = !plain->is_full;

    while (plain->writes > 0) {
        const struct hipti_plain_entry *write = &plain->log[--plain->writes];

        hipti_plain_put(write->at, write->bytes, write->old);
    }
    plain->is_full = false;
    return is_complete;
}
