/* SPDX-License-Identifier: MIT */
/*
 * The law of destruction. A mapping ends in one order:
 *
 *   1  freeze      the slot's word, by CAS: absent to lookups, closed to updates; the page can not be mapped again; the
 *                  marks are final, because no CPU may write before it has marked the live word
 *   2  shootdown   every CPU that may hold the translation forgets it and says so
 *   3  report      the marks: from here on nobody writes the frame through this mapping
 *   4  unlink      the frame's pair; the last one sends the frame towards limbo, a grace period before it is free
 *   5  release     the slot
 *   6  forget      the address space's cell
 *
 * Two things keep to it in another form: a remap ends a mapping and not its slot (remap.c), and a collapse shoots down
 * while the small mappings still translate, to the same frames (split.c).
 *
 * 1, 4, 5 and 6 are the same thread's, or the same gather's. Who wants the page mapped again meanwhile makes a round of
 * its own and ends the slot (P14): after 2 nothing but the memory of the slot is missing, and that nobody waits for.
 *
 * split.c ends mappings too, whose frames go on in others; its table of steps is this one with the others put in first.
 *
 * A gather does not remember its slots: they carry its number, and it finds them again by its ranges. So it is small
 * and never allocates.
 */
#ifndef HIPT_MAP_GATHER_H
#define HIPT_MAP_GATHER_H

#include "map/table.h"

/* A mapping that has been frozen, and whose end is due. */
struct hipti_taken {
    hipti_slot slot;
    uint32_t asid;
    uint64_t pte; /* as it was frozen: nobody but P14 changes it any more */
};

/* Which pages of an asid may not be frozen now, and what is written into those that are. */
struct hipti_freezing {
    unsigned gather;
    bool is_lazy; /* written pages of files are left */
};

/*
 * Step 1, for a page. The one loop of an unmap: it turns when another update of the page succeeded. Inside a read side.
 * => HIPT_OK: *taken; HIPT_ABSENT; HIPT_BUSY: held; HIPT_DIRTY; HIPT_CHANGED: frozen by another, whose it stays, *taken
 * says which.
 */
enum hipt_status hipti_freeze_page(struct hipt_table *table, const struct hipt_page *page,
                                   struct hipti_freezing freezing, struct hipti_taken *taken);

/*
 * Step 1, for a word that was found. => HIPT_OK: frozen, *pte is the mapping's last live word; HIPT_ABSENT; HIPT_BUSY:
 * held, or frozen; HIPT_DIRTY; HIPT_CHANGED: look again.
 */
enum hipt_status hipti_freeze(struct hipt_table *table, hipti_slot slot, uint64_t *pte,
                              struct hipti_freezing freezing);

/* Steps 4 to 6. @why: what becomes of the frame. Inside a read side. */
void hipti_destroy(struct hipt_table *table, struct hipti_taken taken, enum hipti_unlink why);

/* Fetch the record of a mapping's frame, which step 4 needs. */
void hipti_fetch_taken(const struct hipt_table *table, struct hipti_taken taken);

/* Steps 4 to 6 of several whose records are on their way. Inside a read side. */
void hipti_destroy_several(struct hipt_table *table, const struct hipti_taken *taken, unsigned count);

/* Step 2 for @npages pages in a row. */
void hipti_shoot_range(struct hipt_table *table, const struct hipt_page *page, uint64_t npages);

static inline void hipti_shoot(struct hipt_table *table, const struct hipt_page *page)
{
    hipti_shoot_range(table, page, 1);
}

/*
 * Find a page's slot and hold it (P8, P15): lookups see it, nobody changes it, no CPU takes it up.
 * => HIPT_OK: *pte is the live word it had; HIPT_ABSENT; HIPT_BUSY: held, or frozen. Inside a read side.
 */
enum hipt_status hipti_hold(struct hipt_table *table, const struct hipt_page *page, hipti_slot *slot, uint64_t *pte);

/* => HIPT_OK, or why a verb that may have to wait must not begin. */
static inline enum hipt_status hipti_wait_check(const struct hipt_table *table)
{
    return hipti_shootdown_can_wait(&table->shootdown) ? HIPT_OK : HIPT_CANNOT_WAIT;
}

/*
 * End a frozen slot that is in the way, once the CPUs have acknowledged its page. Inside a read side.
 * => HIPT_CHANGED: it is out of the way, look again; HIPT_BUSY: the caller may not wait for them.
 */
enum hipt_status hipti_thaw(struct hipt_table *table, const struct hipt_page *page, hipti_slot slot, uint64_t pte);

#endif
