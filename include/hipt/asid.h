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

#define HIPT_ALL_NODES (-2)  /* page by page over all nodes that have memory */
#define HIPT_REGIONS_MAX 8u  /* of one address space that are placed */

/* Where pages of an address space are: from one vpn on, up to the next region. */
struct hipt_region_place {
    uint64_t vpn; /* of the first page; a larger page is where its own first base page is */
    int node;     /* of the table's topology, or HIPT_ALL_NODES. One without memory stands for the nearest that has */
};

/* What a retirement did. */
struct hipt_retired {
    uint64_t pages;   /* mappings that it removed */
    uint64_t visited; /* page-list cells that it looked at: the work, independent of the table's size */
};

/**
 * hipt_asid_alloc() - Issue an asid that no mapping carries. Its pages are on the caller's node (N1); where that is not
 *                     known, on the first that has memory.
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
 * hipt_asid_alloc_placed() - The same, with pages on nodes of the caller's choice.
 * @table:   table.
 * @regions: ascending, the first with vpn 0; not retained. One region: on that node, or spread over all of them.
 * @count:   1 to HIPT_REGIONS_MAX.
 * @asid:    receives number and generation on OK.
 *
 * Shape:    as hipt_asid_alloc(). Lookups in a space that one node does not hold look at one line, too, but at where
 *           its pages are before.
 * Progress: lock-free; retries only because another alloc took the number.
 * Order:    acquire: whatever was done under the number's last life happens before.
 * Context:  any thread; outside a read side gives reuse the best chance; does not sleep.
 * Owns:     the caller owns the asid until hipt_asid_retire().
 * Errors:   HIPT_BAD_VPN: @count, or the regions' vpns, are not as said, or beyond the virtual address width;
 *           HIPT_BAD_NODE: there is no such node; HIPT_BUSY: what says where pages are waits for a grace period;
 *           HIPT_FULL: there are 65 535 of these, or twice as many as asids; those of a retired asid count
 *           until a call has met it a grace period after its end. HIPT_NO_ASID, HIPT_NOMEM as for hipt_asid_alloc().
 *           Nothing has changed then.
 * Upholds:  A1, N1.
 */
enum hipt_status hipt_asid_alloc_placed(struct hipt_table *table, const struct hipt_region_place *regions,
                                        unsigned count, struct hipt_asid *asid);

/**
 * hipt_asid_place() - Move a live asid: have its pages on nodes of the caller's choice (N1).
 * @table:   table.
 * @asid:    number and generation as issued.
 * @regions: as for hipt_asid_alloc_placed().
 * @count:   1 to HIPT_REGIONS_MAX.
 *
 * To be called until it answers HIPT_OK, best with a grace period between two calls: the first one moves nearly all, if
 * the asid was on one node; the others see that nobody uses the places before. Lookups, maps, unmaps and the rest go on
 * meanwhile; for as long as nobody calls again, lookups of the asid look at two lines.
 *
 * Shape:    O(pages that the asid had mapped at its fullest), whatever the table's size, for each call that finds a
 *           move under way or begins one; O(1) for others.
 * Progress: lock-free; a stopped caller holds nobody up, any other one goes on. Two who want different places see to
 *           one after the other.
 * Order:    acq_rel; who finds a mapping where it has gone sees what the one who mapped it had done.
 * Context:  any thread, outside read sides; does not sleep, but where the shards grow by themselves ops->alloc may.
 * Owns:     nothing; @regions are not retained.
 * Errors:   HIPT_PENDING: call again; a page that is being unmapped or changed, or a reader that stays inside its read
 *           side, may be in the way. HIPT_NOMEM, HIPT_FULL: no memory, or no overflow lines, on the node for what moves
 *           there: the space stays between both places, new pages of it are refused for the same reason, and it cannot
 *           be called back before there is room; also no memory for what says where pages are, or too many of
 *           these. HIPT_BUSY: those wait for a grace period. Call again: nothing is lost. HIPT_BAD_VPN,
 *           HIPT_BAD_NODE as for hipt_asid_alloc_placed(); HIPT_BAD_ASID: it is not issued, or of another generation.
 *           Nothing has changed then.
 * Upholds:  T1, T2, T3, T4, F1, A1, N1.
 */
enum hipt_status hipt_asid_place(struct hipt_table *table, struct hipt_asid asid,
                                 const struct hipt_region_place *regions, unsigned count);

/**
 * hipt_asid_migrate() - Move a live asid to one node, or spread it over all of them.
 * @table: table.
 * @asid:  number and generation as issued.
 * @node:  of the table's topology, or HIPT_ALL_NODES.
 *
 * Shape:    as hipt_asid_place() with a single region. To be called until it answers HIPT_OK.
 * Progress: lock-free, as there.
 * Order:    acq_rel, as there.
 * Context:  any thread, outside read sides, as there.
 * Owns:     nothing.
 * Errors:   as there.
 * Upholds:  T1, T2, T3, T4, F1, A1, N1.
 */
enum hipt_status hipt_asid_migrate(struct hipt_table *table, struct hipt_asid asid, int node);

/**
 * hipt_asid_follow() - Move a live asid to where it is used: near most of the CPUs that may have translations of it.
 * @table: table.
 * @asid:  number and generation as issued.
 *
 * CPUs count for their node, or for the nearest that has memory. Where as many are near the node that it is on, or
 * nobody uses it, it stays, or comes to the end of a move that is under way. A space that is on several nodes comes to
 * one. To be called now and then, and until it answers HIPT_OK.
 *
 * Shape:    O(CPUs), and as hipt_asid_migrate() where it has to move.
 * Progress: lock-free, as there.
 * Order:    acq_rel, as there.
 * Context:  any thread, outside read sides, as there.
 * Owns:     nothing.
 * Errors:   as there; HIPT_OK where nobody uses a space that is on several nodes.
 * Upholds:  T1, T2, T3, T4, F1, A1, N1.
 */
enum hipt_status hipt_asid_follow(struct hipt_table *table, struct hipt_asid asid);

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
