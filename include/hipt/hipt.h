/* SPDX-License-Identifier: MIT */
/*
 * hipt: a lock-free hashed inverted page table. This is the front door; it includes all but port.h, user.h and mmu.h.
 *
 * Two questions in constant time, from any number of CPUs at once: which frame holds (asid, vpn), and which (asid,
 * vpn)s map a frame.
 *
 *     config -> hipt_table_create -> hipt_asid_alloc -> hipt_map -> hipt_lookup, hipt_reverse -> hipt_unmap
 *
 * Read on in: map.h (the verbs), asid.h, frame.h, cpu.h (CPUs with translation caches), gather.h (unmapping much at
 * once), huge.h (splitting and collapsing large pages), table.h (geometry, growth, walks, counts), topology.h (nodes),
 * ops.h (your host at run time), port.h (your host at compile time), user.h (a ready-made host for user space), mmu.h
 * (CPUs with modelled caches), status.h.
 *
 * Words
 *   asid          number of an address space; its generation tells one life of the number from the next
 *   va, vpn       virtual byte address; virtual page number, in base pages
 *   pfn, frame    number of physical memory of one base page; the memory. A swap slot is numbered like a frame
 *   mapping       the relation between a page and a frame
 *   translation   a mapping as somebody uses it
 *   pte           the atomic word that holds a mapping
 *   bucket, slot  a cache line that a hash names, its overflow lines included; one of a line's four places
 *   move          mappings go, bucket by bucket, to other buckets: the table grows, shrinks, or takes another secret
 *   alias         a further mapping of a frame that has one already
 *   read side     a section during which nothing is reused that was there when it began; grace period: the end of all
 *                 read sides that were under way at some instant
 *   limbo         waiting for a grace period, on the way to being used again
 *   node, shard   a part of the machine with memory of its own (topology.h); the buckets that lie on it
 *   marks         accessed and dirty
 *   shootdown     making other CPUs forget a translation; round: one shootdown, up to the last acknowledgement
 *
 * What is guaranteed
 *   T1  at most one live mapping of a page at any instant, whatever its size; lookup, map, unmap, protect and remap of
 *       one page are linearizable
 *   T2  what a lookup returns is one live pte's value, never a mixture
 *   T3  an update hits the mapping that it was read from or says HIPT_CHANGED; never a slot that another page has since
 *   T4  stop any one thread at any step, for ever: all others complete their operations on other pages, and lookups
 *       complete on every page. (What waits for a grace period waits for a thread stopped inside a read side; memory is
 *       then taken anew, and HIPT_NOMEM or HIPT_BUSY is an answer, not a wait. What ends or narrows a translation waits
 *       for the CPUs that use its asid: a CPU that stops inside holds up these verbs, in these asids. An unmap that is
 *       stopped keeps a slot and a reference on its frame; its page can be mapped again. What somebody holds who is
 *       stopped keeps a move from its end: lookups go on in both places, and no other move begins.)
 *   S1  when an unmap, a remap, a protection that allows less, a retirement or hipt_gather_finish() has returned, no
 *       attached CPU can use the old translation, nor take it up again later (of HIPT_DEFERRED: when the gather
 *       is finished; of HIPT_TTL: a use that began before goes on inside its read side)
 *   S2  a page is not mapped again before S1 holds for its last translation
 *   F1  hipt_reverse() never omits a mapping that was live during the whole call, and reports none that was not live
 *   F2  the first mapping of a frame needs no memory
 *   S3  the marks that an unmap reports are final; no dirty mark is lost
 *   R1  a frame is handed back, and a line or block used again, only after a grace period
 *   A1  an asid is issued again only when no mapping carries it, and no CPU uses what it has cached of its last life
 *   X1  who does not know the secret cannot choose pages that share a bucket more often than chance has it
 *   N1  where a topology is given: buckets and lines of an address space lie on the node where it began, was placed or
 *       moved to, a frame's record and the blocks of its sharers on the frame's; where that node is full, on the
 *       nearest one with room (HIPT_PREFERRED), or the verb says so (HIPT_STRICT). A lookup by a CPU of the node where
 *       its page was placed touches no other node's lines. What each CPU keeps in its cache, directories and what there
 *       is once for a table or an asid, lies anywhere; so does a frame's record whose block of at least 256 records
 *       begins on another node. While a live space moves to another node, its pages are on that one or the one before
 * Letter V1 (snapshots) belongs to a part that is not in this version.
 *
 * What is not: a range verb is not one atomic step; counts in hipt_stats are approximate while others run; a lookup
 * does not mark a page accessed (hipt_mark() does); nothing survives the process.
 *
 * Progress, in four words only
 *   wait-free         done in a bounded number of own steps
 *   lock-free         repeats only because another operation succeeded; each contract names which
 *   obstruction-free  done when nobody else moves: not used
 *   blocking          on what, is said: creating, reserving, resizing; where CPUs are attached, also the
 *                     verbs that end or narrow a translation: on the acknowledgements of the CPUs that use the asid
 */
#ifndef HIPT_HIPT_H
#define HIPT_HIPT_H

#include <hipt/asid.h>
#include <hipt/cpu.h>
#include <hipt/frame.h>
#include <hipt/gather.h>
#include <hipt/huge.h>
#include <hipt/map.h>
#include <hipt/ops.h>
#include <hipt/status.h>
#include <hipt/table.h>
#include <hipt/topology.h>

#define HIPT_VERSION_MAJOR 0
#define HIPT_VERSION_MINOR 1
#define HIPT_VERSION_PATCH 0
#define HIPT_VERSION_TEXT "0.1.0"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * hipt_version() - What library this is.
 *
 * Shape:    O(1). Returns a constant text: name, version, and what was chosen when the library was compiled: how a
 *           bucket's four slots are compared, "sse2" or "portable".
 * Progress: wait-free.
 * Order:    none.
 * Context:  any.
 * Owns:     nothing.
 * Errors:   none.
 * Upholds:  none.
 */
const char *hipt_version(void);

#ifdef __cplusplus
}
#endif

#endif
