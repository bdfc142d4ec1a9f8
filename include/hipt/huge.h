/* SPDX-License-Identifier: MIT */
/*
 * Pages of one size made of pages of another, without a lookup ever finding a hole: one large mapping becomes many
 * small ones that translate to the same frames, with or without some of them, and back.
 *
 *     hipt_split()     2 MiB -> 512 of 4 KiB          hipt_punch()   the same, and some are not there any more
 *     hipt_collapse()  512 of 4 KiB -> 2 MiB
 *
 * At any instant a lookup sees the large mapping or the small ones, of each page exactly one; hipt_reverse() gives
 * either, once; a walk of hipt_table_next() may give both. While a verb is under way, updates of the pages that it is
 * about answer HIPT_BUSY, and a map over them HIPT_EXISTS, HIPT_OVERLAP or HIPT_BUSY. A thread that stops inside one
 * leaves those pages so, and no others.
 *
 * Frames. A mapping is accounted at its first frame (frame.h). So a split takes a reference on the first frame of each
 * small page, and a collapse gives these back: those frames are FREE or OWNED then, not in limbo, because they are in
 * use as parts of the large mapping. The frames of a hole that nobody pins or maps otherwise go towards limbo. Who maps
 * one frame by pages of several sizes at once pins it, or a part may be handed back while the whole is still mapped.
 *
 * Synchronization: these may run beside each other and beside every verb of map.h, on the same pages too.
 */
#ifndef HIPT_HUGE_H
#define HIPT_HUGE_H

#include <stdint.h>

#include <hipt/map.h>
#include <hipt/status.h>

#ifdef __cplusplus
extern "C" {
#endif

struct hipt_table;

/**
 * hipt_split() - Make many small mappings of a large one.
 * @table: table.
 * @page:  the large page, with the size class it was mapped with.
 * @size:  class of the small pages, below the large one's.
 *
 * Shape:    O(small pages), each one line and a frame's record; may allocate as hipt_map() does for each.
 * Progress: lock-free; retries only because another update of the large page succeeded, or because a map inside it was
 *           made and is refused. Where CPUs are attached: blocking, on their acknowledgements; one round for the whole
 *           page.
 * Order:    as hipt_map() for each small page: what the large mapping's map published, whoever finds a small one sees.
 * Context:  any thread; enters read sides of its own; not signal-safe.
 * Owns:     takes a reference on the first frame of each small page, gives the large mapping's back.
 * Errors:   HIPT_ABSENT; HIPT_BUSY: as hipt_map() and hipt_unmap() answer it, for the large page, a small one, or a
 *           frame; HIPT_CANNOT_WAIT; HIPT_NOMEM; HIPT_FULL; HIPT_BAD_ASID, HIPT_BAD_VPN, HIPT_BAD_SIZE,
 *           HIPT_UNALIGNED. On every error nothing has changed.
 * Upholds:  T1, T2, T4, F1, S1, S3: the small mappings start with the marks of the large one.
 */
enum hipt_status hipt_split(struct hipt_table *table, const struct hipt_page *page, uint32_t size);

/**
 * hipt_punch() - Split a large mapping and end a part of it.
 * @table:  table.
 * @page:   the large page, with the size class it was mapped with.
 * @hole:   the first small page of the hole, inside @page; its size class is that of all the small pages.
 * @npages: how many small pages the hole has; may be all of them, or none.
 * @out:    receives the large mapping as it was at its end, accessed and dirty final; may be NULL.
 *
 * Shape:    as hipt_split(), for the small pages that stay.
 * Progress: lock-free and blocking as hipt_split().
 * Order:    as hipt_split(), and as hipt_unmap() for the frames of the hole.
 * Context:  as hipt_split().
 * Owns:     as hipt_split(); gives the reference on the hole's frames back.
 * Errors:   as hipt_split(), of the hole's numbers too: HIPT_BAD_VPN where it is not inside @page, HIPT_BAD_ASID where
 *           its asid is another. On every error nothing has changed.
 * Upholds:  T1, T2, T4, F1, S1, S2, S3, R1.
 */
enum hipt_status hipt_punch(struct hipt_table *table, const struct hipt_page *page, const struct hipt_page *hole,
                            uint64_t npages, struct hipt_mapping *out);

/**
 * hipt_collapse() - Make one large mapping of all the small ones inside it.
 * @table: table.
 * @page:  the large page.
 * @size:  class of the small pages, below the large one's. All are mapped with it, to frames in a row from a multiple
 *         of the large page's size on, with the same protection and attribute.
 *
 * Shape:    O(small pages), each one line and a frame's record; may allocate as one hipt_map() does.
 * Progress: lock-free and blocking as hipt_split(); retries because an update of a small page succeeded.
 * Order:    as hipt_map() for the large page: what the small mappings' maps published, whoever finds it sees.
 * Context:  as hipt_split().
 * Owns:     takes a reference on the first frame for the large mapping, gives those of the small ones back; a frame
 *           that nobody maps or pins otherwise is FREE then, without limbo: it is in use.
 * Errors:   HIPT_ABSENT: a small page is not mapped; HIPT_UNLIKE: they cannot become one; HIPT_BUSY; HIPT_CANNOT_WAIT;
 *           HIPT_NOMEM; HIPT_FULL; HIPT_BAD_ASID, HIPT_BAD_VPN, HIPT_BAD_SIZE, HIPT_UNALIGNED. On every error nothing
 *           has changed.
 * Upholds:  T1, T2, T4, F1, S1, S3: the large mapping starts with the marks of all small ones.
 */
enum hipt_status hipt_collapse(struct hipt_table *table, const struct hipt_page *page, uint32_t size);

#ifdef __cplusplus
}
#endif
#endif
