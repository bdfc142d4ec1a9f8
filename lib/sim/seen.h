/* SPDX-License-Identifier: MIT */
/* The states that a search has come to, and how cheaply. */
#ifndef HIPT_SIM_SEEN_H
#define HIPT_SIM_SEEN_H

#include <stdbool.h>
#include <stdint.h>

#define HIPTI_SEEN_BITS_MIN 10u

/* A state that a search has come to, by its hash. */
struct hipti_seen_state {
    uint64_t state;
    uint32_t search;      /* the number of the search: entries of earlier ones are empty */
    uint32_t preemptions; /* the fewest it was reached with */
};

/*
 * Room for the states of a search, the owner's. A table of 2^k entries begins at entry 2^k; when it is half full the
 * next one is used. When there is no room left, states are no longer remembered, and explored again instead.
 */
struct hipti_seen {
    struct hipti_seen_state *entries; /* zeroed at first */
    uint32_t bits;                    /* of the last table: 2^(bits + 1) entries in all */
    uint32_t search;
    uint32_t table;                   /* where the current one begins, and its size */
    uint32_t count;
};

/* Forget all states. */
void hipti_seen_start(struct hipti_seen *seen);
/* Remember a state. => false: it has been entered before, with no more preemptions. */
bool hipti_seen_enter(struct hipti_seen *seen, uint64_t state, unsigned preemptions);

#endif
