/* SPDX-License-Identifier: MIT */
/*
 * Address-space identifiers. An asid is a small number that comes back; its generation tells one life from the next.
 *
 * Synchronization: all of these may run beside each other and beside every verb of map.h. A map that runs beside the
 * retirement of its own asid either is removed by it or answers HIPT_BAD_ASID. (Where the caller of the map cannot wait
 * for CPUs, its page may be found until the number is issued again; no CPU uses it.)
 */
#ifndef HIPT_ASID_H
#define HIPT_ASID_H

#include <stddef.h>
#include <stdint.h>

#include <hipt/status.h>

#ifdef __cplusplus
extern "C" {
#endif

struct hipt_table;

struct hipt_asid {
    uint32_t number;     /* what verbs take as asid */
    uint32_t generation; /* counts the lives of this number, from 1 */
};

/* What a retirement did. */
struct hipt_retired {
    uint64_t pages;   /* mappings that it removed */
    uint64_t visited; /* page-list cells that it looked at: the work, independent of the table's size */
};

/**
 * hipt_asid_alloc() - Issue an asid that no mapping carries.
 * @table: table.
 * @asid:  receives number and generation on OK.
 *
 * Shape:    expected O(1), and the final sweep of each retired number whose grace period has passed, until one is
 *           issued: retired numbers come first, new ones when none is ready.
 * Progress: lock-free; retries only because another alloc took the number.
 * Order:    acquire: whatever was done under the number's last life happens before.
 * Context:  any thread; outside a read side gives reuse the best chance; does not sleep.
 * Owns:     the caller owns the asid until hipt_asid_retire().
 * Errors:   HIPT_NO_ASID: all are in use or wait for a grace period (try again later); HIPT_NOMEM.
 * Upholds:  A1.
 */
enum hipt_status hipt_asid_alloc(struct hipt_table *table, struct hipt_asid *asid);

/**
 * hipt_asid_retire() - Remove every mapping of an asid and end its life.
 * @table:  table.
 * @asid:   number and generation as issued.
 * @report: receives what was done; may be NULL.
 *
 * Shape:    O(pages that the asid had mapped at its fullest, maps under way included), whatever the table's size.
 * Progress: lock-free; another thread's map or unmap of the same asid only makes it look again at one page. Where CPUs
 *           are attached: blocking, on one round of acknowledgements for all pages (S1).
 * Order:    acquire: every map of the asid happens before. What came before the call happens before the
 *           hipt_asid_alloc() that issues the number again. HIPT_BAD_ASID orders nothing.
 * Context:  any thread. The number is issued again only after a grace period.
 * Owns:     takes the asid.
 * Errors:   HIPT_BAD_ASID: the number is out of range, not allocated, or of another generation;
 *           HIPT_CANNOT_WAIT. Nothing has changed then.
 * Upholds:  A1, F1, S1, R1.
 */
enum hipt_status hipt_asid_retire(struct hipt_table *table, struct hipt_asid asid, struct hipt_retired *report);

#ifdef __cplusplus
}
#endif
#endif
