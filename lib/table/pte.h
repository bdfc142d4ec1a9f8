/* SPDX-License-Identifier: MIT */
/*
 * The PTE: one atomic 64-bit word for each slot.
 *
 *   bit  0  pfn, or swap slot   40   in base pages
 *       40  state                4
 *       44  protection           4
 *       48  accessed, dirty      2
 *       50  swap                 1   the mapping is not present
 *       51  attributes           3
 *       54  version             10   counts the slot's lives
 *
 * A slot that waits for a grace period keeps the cookie in place of everything but the state. One whose mapping has
 * moved to another slot names that in place of the pfn, and its version in place of protection to attributes.
 */
#ifndef HIPT_TABLE_PTE_H
#define HIPT_TABLE_PTE_H

#include <stdbool.h>
#include <stdint.h>

#include <hipt/map.h>
#include <hipt/table.h>

#include "base/bits.h"

/*
 * The states of a slot. Who makes each transition, by what, and what it publishes:
 *
 *   row  from       to         who                              by
 *   P1   FREE       CLAIMED    a put, a move for a copy         CAS acquire: takes the slot from its last life
 *   P2   PARKED     CLAIMED    a put, the cookie has elapsed    CAS acquire
 *   P3   CLAIMED    FREE       the put that claimed it          store release; never committed, the version stays
 *   P4   CLAIMED    TENTATIVE  the put or any helper, once the bucket's header names the slot; CAS seq_cst
 *                   or LIVE    (LIVE at once in a table of one page size and one shard)
 *   P5   TENTATIVE  LIVE       the put                          CAS acq_rel
 *   P6   TENTATIVE  ENDED      a map of a smaller page inside   CAS acq_rel
 *                              it, or of the same one where its
 *                              asid has been moved to, or the
 *                              put that gives up
 *   P7   LIVE       LIVE'      protect, mark, clean             CAS acq_rel on the word that was read (T3)
 *   P8   LIVE       HELD       a remap                          CAS acq_rel; readers still see it, writers do not
 *   P9   HELD       HELD'      the remap that holds it          store release: the new word; then the old frame
 *                   LIVE'                                       has no pair for the slot any more
 *   P10  LIVE       FROZEN     an unmap                         CAS acq_rel; absent from here on
 *   P11  FROZEN     FREE       the unmap that froze it          store release, version + 1
 *        ENDED                 also after P14, or the put that gave up
 *   P12  as P11, to PARKED     when the version would wrap: version 0 after a grace period, which is asked for when the
 *                              old word is gone, so that it waits for all who read that
 *   P13  FREE,      PARKED     who takes an empty line out of its chain; for ever, until the line is used anew
 *        PARKED
 *   P14  FROZEN     ENDED      who wants the key and has seen   CAS acq_rel
 *                              the shootdown acknowledged
 *   P15  LIVE       HELD       a split, of the large page; a    CAS acq_rel
 *                              collapse, of the small ones
 *   P16  TENTATIVE  HELD       a split, of the small pages; a   CAS acq_rel
 *                              collapse, of the large one
 *   P17  HELD       LIVE       the split or collapse, of what   store release
 *                              it put in, or when it gives up
 *   P18  HELD       FROZEN     the split or collapse, of what   store release
 *                              was there before
 *   P19  HELD       ENDED      the split that gives up          store release; never a mapping
 *   P20  LIVE       FORWARD    a move to another array or       CAS acq_rel: the switch to the copy, which is CLAIMED
 *                              shard, once a copy is there      and out of sight until then
 *   P21  CLAIMED    LIVE       of the copy: whoever sees P20    CAS release
 *   P22  FORWARD    PARKED     whoever has told frame and       CAS acq_rel; for ever, left: the array is given up
 *                              address space of the copy
 *   P23  FREE,      PARKED     whoever looks whether a closed   CAS acquire; for ever, left, as P22
 *        PARKED                bucket is empty
 *   P24  FORWARD    PARKED     as P22, of a copy in another     CAS acq_rel to NEVER; then as P12
 *                              shard: the array goes on
 *
 * An ENDED slot has no key any more: the key can be in another slot again. It is not free yet, because its frame and
 * its address space still know it; who froze it, or put it, takes it out there (P11). A FROZEN or ENDED word names the
 * gather that ended it in place of protection and attributes, 0 where it is none.
 *
 * A life is what lies between P4 and P11, and carries one key and one version. So a reader that reads the word, then
 * the remainder, then the word again, and finds the version unchanged and the state visible, has read the remainder of
 * that life: versions come back only after a grace period (P12), and readers are inside a read side.
 */
enum hipti_state {
    HIPTI_FREE = 0,
    HIPTI_CLAIMED,
    HIPTI_PARKED,
    HIPTI_ENDED,
    HIPTI_FORWARD,
    HIPTI_TENTATIVE,
    HIPTI_FROZEN,
    HIPTI_LIVE,
    HIPTI_HELD
};

#define HIPTI_PTE_STATE_SHIFT 40u
#define HIPTI_PTE_PROT_SHIFT 44u
#define HIPTI_PTE_MARKS_SHIFT 48u
#define HIPTI_PTE_SWAP_SHIFT 50u
#define HIPTI_PTE_ATTR_SHIFT 51u
#define HIPTI_PTE_VERSION_SHIFT 54u

#define HIPTI_PTE_VERSION_MASK (hipti_mask(HIPT_VERSION_BITS_MAX) << HIPTI_PTE_VERSION_SHIFT)
/*
 * Two that elapse never. NEVER: somebody is at work on the slot or its line, and will say what becomes of it; LEFT: it
 * is in a closed bucket and nobody's, for good.
 */
#define HIPTI_COOKIE_NEVER hipti_mask(56)
#define HIPTI_COOKIE_LEFT (HIPTI_COOKIE_NEVER - 1u)

static inline enum hipti_state hipti_pte_state(uint64_t pte)
{
    return (enum hipti_state)((pte >> HIPTI_PTE_STATE_SHIFT) & 15u);
}

static inline uint64_t hipti_pte_with_state(uint64_t pte, enum hipti_state state)
{
    return hipti_field_set(pte, HIPTI_PTE_STATE_SHIFT, 4, (uint64_t)state);
}

static inline unsigned hipti_pte_version(uint64_t pte)
{
    return (unsigned)(pte >> HIPTI_PTE_VERSION_SHIFT);
}

/* The slot holds a key that has been committed: remainder and version belong together. */
static inline bool hipti_pte_has_key(uint64_t pte)
{
    return hipti_pte_state(pte) > HIPTI_ENDED;
}

/* A lookup finds it. */
static inline bool hipti_pte_is_visible(uint64_t pte)
{
    return hipti_pte_state(pte) >= HIPTI_LIVE;
}

static inline uint64_t hipti_pte_pfn(uint64_t pte)
{
    return HIPT_PTE_PFN(pte);
}

static inline bool hipti_pte_is_swap(uint64_t pte)
{
    return HIPT_PTE_SWAP(pte);
}

static inline uint64_t hipti_pte_with_prot(uint64_t pte, uint8_t prot)
{
    return hipti_field_set(pte, HIPTI_PTE_PROT_SHIFT, 4, prot);
}

/* The word of a mapping that ends: frame and marks stay, the gather stands in place of protection and attributes. */
static inline uint64_t hipti_pte_ended(uint64_t pte, enum hipti_state state, unsigned gather)
{
    pte = hipti_field_set(pte, HIPTI_PTE_PROT_SHIFT, 4, gather & 15u);
    return hipti_field_set(hipti_pte_with_state(pte, state), HIPTI_PTE_ATTR_SHIFT, 3, gather >> 4);
}

/* => the gather that ended it, of a FROZEN or ENDED word. */
static inline unsigned hipti_pte_gather(uint64_t pte)
{
    return (unsigned)(hipti_field_get(pte, HIPTI_PTE_PROT_SHIFT, 4) |
                      hipti_field_get(pte, HIPTI_PTE_ATTR_SHIFT, 3) << 4);
}

/* What a mapping says, apart from its page: everything but state and version. */
static inline uint64_t hipti_pte_pack(const struct hipt_mapping *mapping)
{
    uint64_t pte = mapping->pfn;

    pte = hipti_field_set(pte, HIPTI_PTE_PROT_SHIFT, 4, mapping->prot);
    pte = hipti_field_set(pte, HIPTI_PTE_MARKS_SHIFT, 2, mapping->marks);
    pte = hipti_field_set(pte, HIPTI_PTE_SWAP_SHIFT, 1, mapping->swap);
    return hipti_field_set(pte, HIPTI_PTE_ATTR_SHIFT, 3, mapping->attr);
}

static inline struct hipt_mapping hipti_pte_unpack(uint64_t pte, struct hipt_page page)
{
    struct hipt_mapping mapping;

    mapping.page = page;
    mapping.pfn = hipti_pte_pfn(pte);
    mapping.prot = HIPT_PTE_PROT(pte);
    mapping.attr = HIPT_PTE_ATTR(pte);
    mapping.marks = HIPT_PTE_MARKS(pte);
    mapping.swap = hipti_pte_is_swap(pte);
    return mapping;
}

/* The same slot in the same life. */
static inline bool hipti_pte_same_life(uint64_t a, uint64_t b)
{
    return ((a ^ b) & HIPTI_PTE_VERSION_MASK) == 0;
}

/* The word of a slot whose mapping has gone to @slot, where the word is @copy. */
static inline uint64_t hipti_pte_forward(uint64_t pte, uint32_t slot, uint64_t copy)
{
    uint64_t next = (pte & HIPTI_PTE_VERSION_MASK) | slot;

    next = hipti_field_set(next, HIPTI_PTE_PROT_SHIFT, HIPT_VERSION_BITS_MAX, hipti_pte_version(copy));
    return hipti_pte_with_state(next, HIPTI_FORWARD);
}

/* => the slot that a FORWARD word names. */
static inline uint32_t hipti_pte_forward_slot(uint64_t pte)
{
    return (uint32_t)hipti_pte_pfn(pte);
}

/* => whether @copy is of the life of that slot that a FORWARD word names. */
static inline bool hipti_pte_forward_is(uint64_t pte, uint64_t copy)
{
    return hipti_field_get(pte, HIPTI_PTE_PROT_SHIFT, HIPT_VERSION_BITS_MAX) == hipti_pte_version(copy);
}

static inline uint64_t hipti_pte_parked(uint64_t cookie)
{
    uint64_t pte = cookie & hipti_mask(HIPT_PFN_BITS);

    pte |= (cookie >> HIPT_PFN_BITS) << HIPTI_PTE_PROT_SHIFT;
    return hipti_pte_with_state(pte, HIPTI_PARKED);
}

static inline uint64_t hipti_pte_cookie(uint64_t pte)
{
    return hipti_pte_pfn(pte) | ((pte >> HIPTI_PTE_PROT_SHIFT) << HIPT_PFN_BITS);
}

/* => whether the slot can be claimed, now or when its grace period has passed. */
static inline bool hipti_pte_is_free(uint64_t pte)
{
    return hipti_pte_state(pte) == HIPTI_FREE ||
           (hipti_pte_state(pte) == HIPTI_PARKED && hipti_pte_cookie(pte) < HIPTI_COOKIE_LEFT);
}

#endif
