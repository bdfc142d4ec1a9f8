/* SPDX-License-Identifier: MIT */
#include "sim/seen.h"

/* => the place of a state in the current table, or where it would go. */
static struct hipti_seen_state *seen_place(const struct hipti_seen *seen, uint64_t state)
{
    uint32_t i = (uint32_t)(state >> 32);

    for (;; i++) {
        struct hipti_seen_state *place = &seen->entries[seen->table + (i & (seen->table - 1u))];

        if (place->search != seen->search || place->state == state) {
            return place;
        }
    }
}

/* Go on in the table of twice the size. */
static void seen_grow(struct hipti_seen *seen)
{
    uint32_t old = seen->table;
    uint32_t i;

    seen->table *= 2u;
    for (i = old; i < 2u * old; i++) {
        if (seen->entries[i].search == seen->search) {
            *seen_place(seen, seen->entries[i].state) = seen->entries[i];
        }
    }
}

void hipti_seen_start(struct hipti_seen *seen)
{
    seen->search++;
    seen->table = UINT32_C(1) << HIPTI_SEEN_BITS_MIN;
    seen->count = 0;
}

bool hipti_seen_enter(struct hipti_seen *seen, uint64_t state, unsigned preemptions)
{
    struct hipti_seen_state *place = seen_place(seen, state);

    if (place->search == seen->search && place->preemptions <= preemptions) {
        return false;
    }
    if (place->search != seen->search) {
        if (seen->count >= seen->table / 2u && seen->table >> seen->bits) {
            return true; /* no room */
        }
        seen->count++;
    }
    *place = (struct hipti_seen_state){state, seen->search, preemptions};
    if (seen->count >= seen->table / 2u && !(seen->table >> seen->bits)) {
        seen_grow(seen);
    }
    return true;
}
