/* SPDX-License-Identifier: MIT */
/*
 * The verbs: what a translation can live through.
 *
 * Synchronization: every verb may run beside every other, on the same page too. Each is linearizable for a page (T1);
 * batches and range forms are one verb after another, not one atomic step. Every verb enters the read side that it
 * needs; a caller that makes many calls may hold one open around them with hipt_read_enter() and hipt_read_exit().
 *
 * While a table moves to other buckets (hipt_resize()), every verb looks in two places, and retries also because
 * another thread moved the mapping that it was at, or began another move. Each map, of a range or batch too, and each
 * hipt_unmap() moves the mappings of four buckets: their lines, records and cells, and on a frame with n sharers n / 7
 * lines for each of them. It may ask for overflow lines, can do without, and gives old buckets back. In a table made
 * with HIPT_GROW or HIPT_REKEY a map that finds it due asks for all the new buckets, without waiting, O(buckets) zeroed
 * memory, and for a secret; if it gets none it is as if it had not asked.
 *
 * While an address space moves to another node (hipt_asid_place()), every verb on its pages looks in both nodes'
 * places, those of each that moves to other buckets included, and retries also because the space began to move, or has
 * moved.
 */
#ifndef HIPT_MAP_H
#define HIPT_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <hipt/frame.h>
#include <hipt/status.h>

#ifdef __cplusplus
extern "C" {
#endif

struct hipt_table;

/*
 * HIPT_BAD_ASID of hipt_map(), its batch and its range also means that the asid is not allocated. For every other verb
 * an asid in range that is not allocated has nothing mapped: HIPT_ABSENT; of a range, HIPT_OK.
 */

/* Protection: at least one of the first three. */
#define HIPT_READ 0x1u
#define HIPT_WRITE 0x2u
#define HIPT_EXEC 0x4u
#define HIPT_USER 0x8u

/* What the processor, or whoever stands for it, has done through a mapping. */
#define HIPT_ACCESSED 0x1u
#define HIPT_DIRTY 0x2u

#define HIPT_ATTR_MAX 7u /* attributes: a number that hipt keeps for the host, a memory type for instance */

/* One virtual page: a key. Numbers, in base pages, not byte addresses. */
struct hipt_page {
    uint32_t asid;
    uint32_t size; /* size class: an index into the configuration's page_shift */
    uint64_t vpn;  /* a multiple of the size */
};

/* A mapping: one virtual page and what it translates to. */
struct hipt_mapping {
    struct hipt_page page;
    uint64_t pfn;   /* frame, or swap slot; a multiple of the size */
    uint8_t prot;   /* HIPT_READ | ... */
    uint8_t attr;   /* 0 to HIPT_ATTR_MAX */
    uint8_t marks;  /* HIPT_ACCESSED | HIPT_DIRTY; a new mapping may start with them */
    bool swap;      /* not present: pfn is a swap slot */
};

/* A translation as it was at one instant, with the means to come back to exactly that mapping (T3). */
struct hipt_translation {
    struct hipt_mapping mapping;
    uint64_t pte;  /* opaque: the word that was read */
    uint32_t slot; /* opaque: where it was read */
};

/* What a word from hipt_lookup_pte() says; its other bits are the library's own. */
#define HIPT_PTE_PFN(pte) ((pte) & UINT64_C(0xffffffffff))
#define HIPT_PTE_PROT(pte) ((uint8_t)((pte) >> 44 & 15u))
#define HIPT_PTE_MARKS(pte) ((uint8_t)((pte) >> 48 & 3u))
#define HIPT_PTE_SWAP(pte) ((bool)((pte) >> 50 & 1u))
#define HIPT_PTE_ATTR(pte) ((uint8_t)((pte) >> 51 & 7u))

/**
 * hipt_read_enter() - Open a read side: no grace period that starts now ends before it is closed.
 * @table: table.
 *
 * Shape:    O(1).
 * Progress: wait-free.
 * Order:    as the host's read_enter.
 * Context:  any thread that the host's reclamation knows; nests.
 * Owns:     one hipt_read_exit() by the same thread.
 * Errors:   none.
 * Upholds:  R1.
 */
void hipt_read_enter(struct hipt_table *table);

/**
 * hipt_read_exit() - Close a read side.
 * @table: table.
 *
 * Shape:    O(1).
 * Progress: wait-free.
 * Order:    as the host's read_exit.
 * Context:  the thread that opened it.
 * Owns:     ends what hipt_read_enter() began.
 * Errors:   none.
 * Upholds:  R1.
 */
void hipt_read_exit(struct hipt_table *table);

/**
 * hipt_lookup() - What a base page translates to.
 * @table: table.
 * @asid:  address space; need not be allocated: then nothing is mapped there.
 * @vpn:   base page; a mapping of any size that covers it is found.
 * @out:   receives the mapping that covers it (its page and pfn are the mapping's own first ones) on OK.
 *
 * Shape:    expected O(1): one cache line for each size class in use in the asid, twice where there are several and
 *           nothing is found; more while the table or the space moves, see above.
 * Progress: lock-free; retries only because another thread gave the slot it is reading to another mapping, or another
 *           verb around this page went on: a map, an unmap, or one of huge.h; and as above while something moves.
 * Order:    acquire: pairs with the release of the map or remap that published the mapping.
 * Context:  any thread; enters a read side of its own; does not sleep, does not allocate.
 * Owns:     the caller keeps @out; it may be used with hipt_mark() and hipt_clean() only inside the read side in which
 *           it was read, so open one around both.
 * Errors:   HIPT_ABSENT; HIPT_BAD_ASID, HIPT_BAD_VPN: out of range. @out is then untouched.
 * Upholds:  T1, T2.
 */
enum hipt_status hipt_lookup(struct hipt_table *table, uint32_t asid, uint64_t vpn, struct hipt_translation *out);

/**
 * hipt_lookup_reading() - The same for a caller that is inside a read side: it enters none of its own.
 * @table: table.
 * @asid:  as for hipt_lookup().
 * @vpn:   as for hipt_lookup().
 * @out:   as for hipt_lookup().
 *
 * Shape:    as hipt_lookup().
 * Progress: lock-free, as hipt_lookup() is.
 * Order:    as hipt_lookup().
 * Context:  between hipt_read_enter() and hipt_read_exit(), or the host's own means; does not sleep, does not allocate.
 * Owns:     as hipt_lookup().
 * Errors:   as hipt_lookup().
 * Upholds:  T1, T2.
 */
enum hipt_status hipt_lookup_reading(struct hipt_table *table, uint32_t asid, uint64_t vpn,
                                     struct hipt_translation *out);

/**
 * hipt_lookup_pte() - The word that a base page translates to: the shortest way to a frame.
 * @table: table.
 * @asid:  as for hipt_lookup().
 * @vpn:   as for hipt_lookup().
 *
 * Shape:    as hipt_lookup(). Returns the word, to be read by HIPT_PTE_PFN and those beside it, of the very base page
 *           that was asked for, also inside a larger one; 0: nothing is mapped there, or it is out of range.
 * Progress: lock-free, as hipt_lookup() is.
 * Order:    as hipt_lookup().
 * Context:  as hipt_lookup_reading().
 * Owns:     nothing.
 * Errors:   none: who has to know why there is no word asks hipt_lookup_reading().
 * Upholds:  T1, T2.
 */
uint64_t hipt_lookup_pte(struct hipt_table *table, uint32_t asid, uint64_t vpn);

/**
 * hipt_lookup_batch() - Many lookups whose cache misses overlap.
 * @table:  table.
 * @pages:  .asid and .vpn of each are looked up as by hipt_lookup(); .size is not used.
 * @count:  how many.
 * @out:    receives the translation of each that is found.
 * @status: receives the outcome of each.
 *
 * Shape:    expected O(count); lines are prefetched 32 ahead. Returns how many were found.
 * Progress: lock-free, as hipt_lookup() is.
 * Order:    acquire, each for itself; the batch is not one instant.
 * Context:  as hipt_lookup().
 * Owns:     the caller keeps all arrays.
 * Errors:   in @status, as hipt_lookup().
 * Upholds:  T1, T2.
 */
size_t hipt_lookup_batch(struct hipt_table *table, const struct hipt_page *pages, size_t count,
                         struct hipt_translation *out, enum hipt_status *status);

/**
 * hipt_lookup_pte_batch() - The same for words.
 * @table: table.
 * @pages: as for hipt_lookup_batch().
 * @count: how many.
 * @ptes:  receives the word of each, as from hipt_lookup_pte().
 *
 * Shape:    as hipt_lookup_batch(). Returns how many were found.
 * Progress: lock-free, as hipt_lookup() is.
 * Order:    acquire, each for itself; the batch is not one instant.
 * Context:  as hipt_lookup().
 * Owns:     the caller keeps both arrays.
 * Errors:   none, as hipt_lookup_pte().
 * Upholds:  T1, T2.
 */
size_t hipt_lookup_pte_batch(struct hipt_table *table, const struct hipt_page *pages, size_t count, uint64_t *ptes);

/**
 * hipt_lookup_lines() - How many cache lines of the table a lookup reads, for measurement.
 * @table: table.
 * @asid:  as hipt_lookup().
 * @vpn:   as hipt_lookup().
 * @found: receives whether it is mapped; may be NULL.
 *
 * Shape:    as hipt_lookup(). Returns the number of lines, 0 for a page out of range.
 * Progress: lock-free, as hipt_lookup() is.
 * Order:    as hipt_lookup().
 * Context:  as hipt_lookup().
 * Owns:     nothing.
 * Errors:   none.
 * Upholds:  nothing beyond its text.
 */
unsigned hipt_lookup_lines(struct hipt_table *table, uint32_t asid, uint64_t vpn, bool *found);

/**
 * hipt_reverse() - Every mapping that covers a frame or swap slot.
 * @table: table.
 * @frame: which base frame.
 * @out:   receives up to @room mappings; each was live at some instant of the call. May be NULL if @room is 0.
 * @room:  how many fit.
 * @count: receives how many there are, also beyond @room.
 *
 * Shape:    O(sharers): one line for the first mapping, one more for seven further ones, and each mapping's own line;
 *           the record of the enclosing frame of each larger size class is looked at too.
 * Progress: lock-free; retries only because another thread gave the slot it is reading to another mapping, or because
 *           of a verb of huge.h that succeeded, or went on with one of the mappings.
 * Order:    acquire.
 * Context:  any thread; enters a read side of its own; does not sleep, does not allocate.
 * Owns:     the caller keeps @out.
 * Errors:   HIPT_ABSENT: nothing maps it (@count is 0); HIPT_BAD_PFN.
 * Upholds:  F1: no mapping that was live during the whole call is missing, nor is one that is split or collapsed
 *           meanwhile; it is given in one form, though it may be counted in both beyond @room. One that is remapped
 *           away and back during the call may be given twice.
 */
enum hipt_status hipt_reverse(struct hipt_table *table, struct hipt_frame frame, struct hipt_mapping *out, size_t room,
                              size_t *count);

/**
 * hipt_map() - Make one virtual page translate to one frame, or hold one swap slot.
 * @table:   table.
 * @mapping: to publish. Not retained.
 *
 * Shape:    expected O(1), one cache line and the frame's record; may allocate when the frame is shared, when a bucket
 *           overflows, or when the asid's page list grows. Where other page sizes are in use in the asid: one line for
 *           each larger size, and one for each page of each smaller size that it would cover.
 * Progress: lock-free; retries only because another map or unmap on the same bucket, frame or asid succeeded, and
 *           looks for other sizes again only because a page was split or collapsed; and as above while the table
 *           or the space moves. Where CPUs are attached and the page's last mapping is still being unmapped: blocking,
 *           on their acknowledgements (S2), where the caller may wait; HIPT_BUSY where it may not.
 * Order:    release on OK: stores made before the call are visible to whoever looks this mapping up.
 * Context:  any thread; enters a read side of its own; not signal-safe.
 * Owns:     takes a reference on the frame on OK; the caller keeps @mapping.
 * Errors:   HIPT_EXISTS; HIPT_OVERLAP; HIPT_BUSY: another thread's map of an overlapping page is under way, the frame
 *           is UNMAPPING, or in LIMBO until hipt_frame_reap() has returned it, or the bucket or its memory waits for a
 *           grace period (so do not hold a read side open around tries), or as above; HIPT_NOMEM; HIPT_FULL, which
 *           another map may be about to mend in a table made with HIPT_REKEY; HIPT_BAD_ASID, HIPT_BAD_VPN,
 *           HIPT_BAD_PFN, HIPT_BAD_SIZE, HIPT_BAD_PROT, HIPT_BAD_ATTR, HIPT_UNALIGNED. On every error nothing has
 *           changed.
 * Upholds:  T1, F1, F2, S2.
 */
enum hipt_status hipt_map(struct hipt_table *table, const struct hipt_mapping *mapping);

/**
 * hipt_unmap() - End a mapping.
 * @table: table.
 * @page:  its page, with the size class it was mapped with.
 * @out:   receives the mapping as it was at its end, accessed and dirty final; may be NULL.
 *
 * Shape:    expected O(1); on a shared frame one line for each seven sharers.
 * Progress: lock-free; retries only because another update of the same page succeeded. Where CPUs are attached:
 *           blocking, on their acknowledgements (S1); the caller's own CPU is served meanwhile.
 * Order:    acq_rel on OK: uses of the mapping's frame through an earlier lookup happen before hipt_frame_reap()
 *           returns it. Other answers order nothing.
 * Context:  any thread; enters a read side of its own; does not allocate, except as above while the table moves, when
 *           it is not signal-safe.
 * Owns:     gives the mapping's reference on its frame back.
 * Errors:   HIPT_ABSENT, also where another thread is unmapping it: then S1 holds for that too; HIPT_BUSY: another
 *           thread is remapping, splitting or collapsing it; HIPT_CANNOT_WAIT; HIPT_BAD_ASID, HIPT_BAD_VPN,
 *           HIPT_BAD_SIZE, HIPT_UNALIGNED. On every error nothing has changed.
 * Upholds:  T1, T3, F1, S1, S2, S3, R1.
 */
enum hipt_status hipt_unmap(struct hipt_table *table, const struct hipt_page *page, struct hipt_mapping *out);

/**
 * hipt_protect() - Change what a mapping allows.
 * @table: table.
 * @page:  its page, with the size class it was mapped with.
 * @prot:  the new protection.
 *
 * Shape:    expected O(1), one cache line.
 * Progress: lock-free; retries only because another update of the same page succeeded. Where CPUs are attached and may
 *           hold more than @prot allows: blocking, on their acknowledgements (S1).
 * Order:    acq_rel on OK; other answers order nothing.
 * Context:  any thread; enters a read side of its own; does not allocate.
 * Owns:     nothing.
 * Errors:   HIPT_ABSENT; HIPT_BUSY; HIPT_CANNOT_WAIT, also where the protection only grows; HIPT_BAD_ASID,
 *           HIPT_BAD_VPN, HIPT_BAD_SIZE, HIPT_BAD_PROT, HIPT_UNALIGNED. On every error nothing has changed.
 * Upholds:  T1, T3, S1.
 */
enum hipt_status hipt_protect(struct hipt_table *table, const struct hipt_page *page, uint8_t prot);

/**
 * hipt_remap() - Let a mapped page translate to something else: another frame, a swap slot, another protection.
 * @table:   table.
 * @mapping: what its page, which must be mapped with that size, shall translate to. Not retained.
 * @out:     receives the mapping as it was at its end, accessed and dirty final; may be NULL.
 *
 * Shape:    expected O(1), the bucket's line and both frames' records.
 * Progress: lock-free; retries only because another update of the same page succeeded. Where CPUs are attached:
 *           blocking, on their acknowledgements (S1); the caller's own CPU is served meanwhile.
 * Order:    as hipt_unmap() for the old frame, as hipt_map() for the new one. Lookups see the old mapping or the new
 *           one.
 * Context:  any thread; enters a read side of its own; may allocate when the new frame is shared.
 * Owns:     takes a reference on the new frame, gives the one on the old back.
 * Errors:   HIPT_ABSENT; HIPT_BUSY; HIPT_CANNOT_WAIT; HIPT_NOMEM; HIPT_FULL; the bad-input ones of hipt_map(). On every
 *           error nothing has changed.
 * Upholds:  T1, T2, T3, F1, S1, S3, R1.
 */
enum hipt_status hipt_remap(struct hipt_table *table, const struct hipt_mapping *mapping, struct hipt_mapping *out);

/**
 * hipt_mark() - Record that a mapping was accessed or written, on exactly the mapping that was read.
 * @table:       table.
 * @translation: from a lookup in the same read side; its pte and mapping are refreshed on OK.
 * @marks:       HIPT_ACCESSED | HIPT_DIRTY to set.
 *
 * Shape:    O(1), one CAS in one cache line.
 * Progress: lock-free; retries only because another update of the same page succeeded.
 * Order:    acq_rel on OK; other answers order nothing.
 * Context:  inside the read side in which @translation was read; does not sleep.
 * Owns:     the caller keeps @translation.
 * Errors:   HIPT_CHANGED: that mapping has ended, translates elsewhere or otherwise, has gone to another bucket, or is
 *           being remapped: look it up again, in the last case later. One that was remapped or protected and back
 *           again is the same mapping.
 *           HIPT_BAD_ATTR: unknown marks. On every error nothing has changed.
 * Upholds:  T3, S3.
 */
enum hipt_status hipt_mark(struct hipt_table *table, struct hipt_translation *translation, uint8_t marks);

/**
 * hipt_clean() - Read and clear accessed and dirty marks, on exactly the mapping that was read.
 * @table:       table.
 * @translation: as hipt_mark(); its .mapping.marks are what was set before the call on OK.
 * @marks:       HIPT_ACCESSED | HIPT_DIRTY to clear.
 *
 * Shape:    O(1), one CAS in one cache line.
 * Progress: lock-free; retries only because another update of the same page succeeded.
 * Order:    acq_rel on OK; other answers order nothing.
 * Context:  as hipt_mark().
 * Owns:     the caller keeps @translation.
 * Errors:   as hipt_mark().
 *           A CPU that has the mapping in its cache, marked, does not notice: for a page to be written back, narrow
 *           its protection first (hipt_protect()), clean it, write it back, then widen it again; and let nobody else
 *           widen it meanwhile.
 * Upholds:  T3, S3.
 */
enum hipt_status hipt_clean(struct hipt_table *table, struct hipt_translation *translation, uint8_t marks);

/**
 * hipt_map_range() - Map consecutive pages to consecutive frames.
 * @table:   table.
 * @mapping: the first one; vpn and pfn advance by its size.
 * @npages:  how many, in pages of that size.
 * @done:    receives how many were mapped, from the first on; may be NULL.
 *
 * Shape:    O(npages).
 * Progress: lock-free, as hipt_map() is.
 * Order:    as hipt_map(), each for itself.
 * Context:  as hipt_map(); a read side is held for up to 32 pages at a time.
 * Owns:     as hipt_map(), for the first @done pages.
 * Errors:   as hipt_map(). The whole range is checked for bad input first; then it stops at the first page that fails,
 *           and those before it stay mapped.
 * Upholds:  T1, F1, F2.
 */
enum hipt_status hipt_map_range(struct hipt_table *table, const struct hipt_mapping *mapping, uint64_t npages,
                                uint64_t *done);

/**
 * hipt_unmap_range() - End every mapping of one size class in a range.
 * @table:  table.
 * @page:   the first page.
 * @npages: how many, in pages of that size.
 * @done:   receives how many mappings were ended; may be NULL.
 *
 * Shape:    O(npages), twice where CPUs are attached.
 * Progress: lock-free, as hipt_unmap() is; one round of acknowledgements for all pages,
 *           or for each while HIPT_GATHERS_MAX gathers of the asid are under way.
 * Order:    as hipt_unmap().
 * Context:  as hipt_unmap().
 * Owns:     as hipt_unmap().
 * Errors:   HIPT_BUSY: some page is being remapped by another thread and was left, the others were ended;
 *           HIPT_CANNOT_WAIT, and the bad-input ones of hipt_unmap(), then nothing has changed. Holes are no error.
 * Upholds:  T1, T3, F1, S1, S2, S3, R1.
 */
enum hipt_status hipt_unmap_range(struct hipt_table *table, const struct hipt_page *page, uint64_t npages,
                                  uint64_t *done);

/**
 * hipt_protect_range() - Change what every mapping of one size class in a range allows.
 * @table:  table.
 * @page:   the first page.
 * @npages: how many, in pages of that size.
 * @prot:   the new protection.
 * @done:   receives how many mappings were changed; may be NULL.
 *
 * Shape:    O(npages).
 * Progress: lock-free, as hipt_protect() is; one round of acknowledgements for all pages.
 * Order:    as hipt_protect().
 * Context:  as hipt_protect().
 * Owns:     nothing.
 * Errors:   HIPT_BUSY: some page is being changed by another thread and was left; HIPT_CANNOT_WAIT; the bad-input ones
 *           of hipt_protect(), then nothing has changed. Holes are no error.
 * Upholds:  T1, T3, S1.
 */
enum hipt_status hipt_protect_range(struct hipt_table *table, const struct hipt_page *page, uint64_t npages,
                                    uint8_t prot, uint64_t *done);

/**
 * hipt_map_batch() - Many maps whose cache misses overlap.
 * @table:    table.
 * @mappings: each is mapped as by hipt_map(), the first one first. Not retained.
 * @count:    how many.
 * @status:   receives the outcome of each; one that fails does not hinder the others.
 *
 * Shape:    expected O(count); lines are prefetched some entries ahead. Returns how many were mapped.
 * Progress: lock-free or blocking, as hipt_map() is.
 * Order:    as hipt_map(), each for itself; the batch is not one instant.
 * Context:  as hipt_map(); a read side is held for up to 32 entries at a time.
 * Owns:     as hipt_map(), for each that was mapped; the caller keeps both arrays.
 * Errors:   in @status, as hipt_map().
 * Upholds:  T1, F1, F2, S2.
 */
size_t hipt_map_batch(struct hipt_table *table, const struct hipt_mapping *mappings, size_t count,
                      enum hipt_status *status);

/**
 * hipt_unmap_batch() - Many unmaps whose cache misses overlap, and whose CPUs are asked together.
 * @table:  table.
 * @pages:  each is unmapped as by hipt_unmap(), the first one first.
 * @count:  how many.
 * @out:    receives each mapping that was ended, as it was at its end; may be NULL.
 * @status: receives the outcome of each; one that fails does not hinder the others.
 *
 * Shape:    expected O(count); lines are prefetched some entries ahead. Returns how many were ended.
 * Progress: lock-free or blocking, as hipt_unmap() is; one round of acknowledgements for up to 32 entries of one asid
 *           that follow each other. Pages next to each other are forgotten as a range where they follow each other.
 * Order:    as hipt_unmap(), each for itself; the batch is not one instant. The frames of up to 32 entries go on their
 *           way together, after all of those pages have become absent.
 * Context:  as hipt_unmap(); a read side is held for up to 32 entries at a time.
 * Owns:     as hipt_unmap(), for each that was ended; the caller keeps all arrays.
 * Errors:   in @status, as hipt_unmap(); of an entry of @out that is not HIPT_OK nothing is written.
 * Upholds:  T1, T3, F1, S1, S2, S3, R1.
 */
size_t hipt_unmap_batch(struct hipt_table *table, const struct hipt_page *pages, size_t count, struct hipt_mapping *out,
                        enum hipt_status *status);

/**
 * hipt_reserve() - Have memory ready for mappings of frames that nobody else maps.
 * @table:    table.
 * @mappings: how many calls of hipt_map(), or entries or pages of its other forms, shall not ask for memory, ...
 * @asids:    ... as long as they are in at most so many address spaces.
 *
 * Shape:    O(memory blocks that there are). Up to 64 bytes for each of @mappings on each node, 4 more where they
 *           are in few address spaces, and 256 for each of @asids.
 * Progress: blocking, on the host's memory hook.
 * Order:    none.
 * Context:  may sleep; outside a read side.
 * Owns:     nothing; the reserve is shared by all callers. A call does not add to the last one: it counts from now.
 * Errors:   HIPT_NOMEM; HIPT_FULL: more than there can ever be; what was reserved before, or by this call, stays.
 * Upholds:  nothing beyond its text: the next @mappings maps in at most @asids address spaces, whichever buckets they
 *           fall into and whatever is unmapped in between, do not call ops->alloc unless the frame has another mapping
 *           (see hipt_frame_reserve()), or the table or a space moves or begins to. A map that is refused counts too.
 *           So does one for each time that two maps at the same time extend the same bucket or the same asid's page
 *           list: one of them takes a second piece, and what it had comes back after a grace period.
 */
enum hipt_status hipt_reserve(struct hipt_table *table, uint64_t mappings, uint32_t asids);

/**
 * hipt_mapping_explain() - Say what is wrong with a mapping's numbers.
 * @table:   table.
 * @mapping: as it was handed to a verb.
 * @npages:  likewise; 1 for a verb of one page, and at least 1.
 * @text:    receives one line that names the value and the bound, empty if the numbers are right.
 * @bytes:   room in @text, the terminating zero included; a longer line is cut.
 *
 * Shape:    O(ranges).
 * Progress: wait-free.
 * Order:    none.
 * Context:  any thread.
 * Owns:     nothing.
 * Errors:   the bad-input statuses of hipt_map(), HIPT_OK where there is nothing to say.
 * Upholds:  nothing beyond its text.
 */
enum hipt_status hipt_mapping_explain(struct hipt_table *table, const struct hipt_mapping *mapping, uint64_t npages,
                                      char *text, size_t bytes);

#ifdef __cplusplus
}
#endif
#endif
