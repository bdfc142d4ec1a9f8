/* SPDX-License-Identifier: MIT */
/*
 * The law of destruction. A mapping ends in one order, and nothing else may take a frame from a mapping:
 *
 *   1  freeze      the slot's word, by CAS: absent to lookups, closed to updates; the page can not be mapped again
 *   2  shootdown   every CPU that may hold the translation forgets it and says so; no CPU is attached yet, so none does
 *   3  harvest     accessed and dirty marks, now final
 *   4  unlink      the frame's pair; the last one sends the frame towards limbo, a grace period before it is free
 *   5  release     the slot: from here on the page can be mapped again
 *   6  forget      the address space's cell
 *
 * A gather carries mappings that have been through 1. It is a value on the caller's stack and never allocates: when it
 * is full it finishes early and goes on.
 */
#ifndef HIPT_MAP_GATHER_H
#define HIPT_MAP_GATHER_H

#include "map/table.h"

#define HIPTI_GATHER_MAX 32u

/* A mapping that has been frozen, and whose end is due. */
struct hipti_taken {
    hipti_slot slot;
    uint32_t asid;
    uint64_t pte; /* as it was frozen: nobody changes it any more */
};

struct hipti_gather {
    unsigned count;
    struct hipti_taken taken[HIPTI_GATHER_MAX];
};

/* Step 1. => HIPT_OK: frozen, *pte is the mapping's last word; HIPT_ABSENT; HIPT_BUSY; HIPT_CHANGED: look again. */
enum hipt_status hipti_freeze(struct hipt_table *table, hipti_slot slot, uint64_t *pte);

static inline void hipti_gather_start(struct hipti_gather *gather)
{
    gather->count = 0;
}

void hipti_gather_add(struct hipt_table *table, struct hipti_gather *gather, struct hipti_taken taken);

/* Steps 2 to 6 for all of them. */
void hipti_gather_finish(struct hipt_table *table, struct hipti_gather *gather);

#endif
