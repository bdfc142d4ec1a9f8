/* SPDX-License-Identifier: MIT */
/*
 * Frames: one record per pfn of the table's ranges, and one per swap slot. The host allocates frames; hipt counts who
 * maps them and tells when nobody does and nobody can still be looking:
 *
 *   FREE -> OWNED -> MAPPED(n) -> UNMAPPING -> LIMBO -> FREE
 *
 *   FREE       unknown to hipt, the host's to use; map() and hipt_frame_pin() take it up
 *   OWNED      pinned, not mapped
 *   MAPPED     n mappings, pinned or not
 *   UNMAPPING  the last mapping is being taken out; map() answers HIPT_BUSY, for as long as that thread is stopped
 *   LIMBO      not mapped, not pinned, waits for a grace period, then for hipt_frame_reap()
 *
 * A mapping of several base pages is accounted at its first frame; huge.h says what that means where it is split. Who
 * maps one frame by pages of several sizes at once pins it, or it is handed back when the one that begins there ends.
 *
 * Synchronization: all of these may run beside each other and beside every verb of map.h.
 */
#ifndef HIPT_FRAME_H
#define HIPT_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <hipt/status.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HIPT_PINS_MAX 4095u       /* pins of one frame */
#define HIPT_SHARERS_MAX 1048575u /* mappings of one frame */

struct hipt_table;

enum hipt_frame_state {
    HIPT_FRAME_FREE = 0,
    HIPT_FRAME_OWNED,
    HIPT_FRAME_MAPPED,
    HIPT_FRAME_UNMAPPING,
    HIPT_FRAME_LIMBO
};

/* A frame, or a swap slot. */
struct hipt_frame {
    uint64_t pfn;
    bool swap;
};

struct hipt_frame_status {
    enum hipt_frame_state state;
    uint32_t mappings; /* those being taken out included */
    uint32_t pins;
};

/**
 * hipt_frame_get() - Read a frame's state.
 * @table:  table.
 * @frame:  which.
 * @status: receives state and counts, a snapshot of one instant.
 *
 * Shape:    O(log ranges), one word.
 * Progress: wait-free.
 * Order:    acquire, with pins, unpins and ends of mappings of the frame; not with maps of it.
 * Context:  any thread.
 * Owns:     the caller keeps @status.
 * Errors:   HIPT_BAD_PFN.
 * Upholds:  nothing beyond its text.
 */
enum hipt_status hipt_frame_get(struct hipt_table *table, struct hipt_frame frame, struct hipt_frame_status *status);

/**
 * hipt_frame_pin() - Keep a frame from going into limbo when its last mapping goes.
 * @table: table.
 * @frame: which; FREE frames become OWNED. One that was found by a lookup is pinned inside the same read side, or
 *         it may be FREE, and somebody else's, by then.
 *
 * Shape:    O(log ranges), one CAS.
 * Progress: lock-free; retries only because another operation on this frame succeeded.
 * Order:    acq_rel on OK, with pins, unpins and ends of mappings of the frame; not with maps of it.
 * Context:  any thread; does not sleep.
 * Owns:     takes one pin, until hipt_frame_unpin().
 * Errors:   HIPT_BAD_PFN; HIPT_BUSY: UNMAPPING or LIMBO; HIPT_FULL: HIPT_PINS_MAX reached.
 * Upholds:  R1.
 */
enum hipt_status hipt_frame_pin(struct hipt_table *table, struct hipt_frame frame);

/**
 * hipt_frame_unpin() - Give one pin back; the last one of an unmapped frame sends it into limbo.
 * @table: table.
 * @frame: which.
 *
 * Shape:    O(log ranges), one CAS.
 * Progress: lock-free; retries only because another operation on this frame succeeded.
 * Order:    acq_rel on OK, as hipt_frame_pin().
 * Context:  any thread; does not sleep.
 * Owns:     gives one pin back.
 * Errors:   HIPT_BAD_PFN; HIPT_ABSENT: it has no pin.
 * Upholds:  R1.
 */
enum hipt_status hipt_frame_unpin(struct hipt_table *table, struct hipt_frame frame);

/**
 * hipt_frame_reap() - Collect frames that nobody maps, pins, or can still be looking at; they are FREE then.
 * @table:  table.
 * @frames: receives up to @room of them.
 * @room:   how many fit.
 *
 * Shape:    O(log ranges) for each frame returned. Returns how many were stored.
 * Progress: lock-free; retries only because another reap took a frame.
 * Order:    acquire: every use of the frame through a translation that hipt gave out happens before.
 * Context:  any thread; does not sleep; outside a read side, or it sees no progress.
 * Owns:     the caller owns the frames again: of all ranges, swap slots too.
 * Errors:   none; 0 where nothing is ready. A call also asks for the grace period of what has come into limbo since
 *           the last one, and nobody else does: the first call behind an unmap gives nothing of it. Who cannot go on
 *           without reaps, waits (ops->gp_wait() for a cookie of ops->gp_start()) and reaps again, best for many frames
 *           at once.
 * Upholds:  R1.
 */
size_t hipt_frame_reap(struct hipt_table *table, struct hipt_frame *frames, size_t room);

/**
 * hipt_frame_reserve() - Have memory ready for mappings of shared frames.
 * @table:  table.
 * @blocks: how many blocks, each for seven further mappings of one frame, shall be had without asking for memory: on
 *          each node that has frames, for the frames of that node.
 *
 * Shape:    O(blocks that there are).
 * Progress: blocking, on the host's memory hook.
 * Order:    none.
 * Context:  may sleep; outside a read side.
 * Owns:     nothing; the reserve is shared by all callers.
 * Errors:   HIPT_NOMEM; HIPT_FULL: more than there can ever be; what was reserved before stays.
 * Upholds:  nothing beyond its text.
 */
enum hipt_status hipt_frame_reserve(struct hipt_table *table, uint32_t blocks);

#ifdef __cplusplus
}
#endif
#endif
