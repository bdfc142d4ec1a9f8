/* SPDX-License-Identifier: MIT */
/*
 * Unmapping much at once, with one round of acknowledgements from the CPUs that may have it in their caches (cpu.h).
 *
 *     start -> add, as often as wanted -> dispatch -> sync -> finish          finish does what is left of them
 *
 * A gather is a value of fixed size, on the caller's stack or wherever it keeps it; nothing is allocated. Once it is
 * dispatched it is a ticket: its pages are absent to lookups, their frames stay accounted to them, and
 * hipt_gather_poll() says when the CPUs have acknowledged. It must be finished in the end, or its pages keep slot and
 * frame: whoever maps one of them again helps itself, but nobody else takes the old mapping's frame out.
 *
 * hipt_unmap() and the other verbs of map.h do all of this in one call, in mode HIPT_SYNC.
 *
 * Synchronization: one thread at a time uses a gather; gathers run beside each other and beside every verb.
 */
#ifndef HIPT_GATHER_H
#define HIPT_GATHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <hipt/map.h>
#include <hipt/status.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HIPT_GATHER_RANGES 8u /* ranges of one gather; neighbours merge */
#define HIPT_GATHERS_MAX 63u  /* gathers of one asid at a time */

struct hipt_table;

enum hipt_gather_mode {
    HIPT_SYNC = 0, /* hipt_gather_finish() waits; when it returns, no CPU can use what was unmapped (S1) */
    HIPT_DEFERRED, /* nobody waits: poll, then finish. Meanwhile CPUs may still use the old translations, and the frames
                      stay theirs. Written pages of files are refused (config.file_attrs): a CPU could still write after
                      the caller was told that the page is unmapped and ready to be written back */
    HIPT_TTL       /* no CPU is asked: cached translations end by themselves, config.ttl after their walk began; a use
                      that began before goes on inside its read side */
};

/* Field key: the caller's thread only; the fields are hipt's. */
struct hipt_gather {
    struct hipt_table *table;
    enum hipt_gather_mode mode;
    uint32_t asid;
    uint32_t number;       /* among the gathers of the asid; 0: it has none to give back */
    unsigned nranges;
    bool is_dispatched;
    uint64_t ticket;       /* 0: nobody is to acknowledge */
    unsigned looks;        /* for acknowledgements */
    bool is_slow;          /* the host has been told so */
    uint64_t dispatched;   /* the clock then */
    uint64_t due;          /* HIPT_TTL: the clock at which all cached translations have ended */
    struct {
        struct hipt_page first;
        uint64_t npages;   /* of its size */
    } range[HIPT_GATHER_RANGES];
};

/**
 * hipt_gather_start() - Begin a gather.
 * @gather: to fill.
 * @table:  table.
 * @asid:   address space whose pages will be added.
 * @mode:   see above.
 *
 * Shape:    O(1).
 * Progress: lock-free; retries only because another gather of the asid began or ended.
 * Order:    none.
 * Context:  any thread; does not sleep.
 * Owns:     the caller owns @gather until hipt_gather_finish() answers HIPT_OK.
 * Errors:   HIPT_BAD_ASID: out of range, or, with config.cpus, never allocated; HIPT_BAD_MODE: HIPT_TTL without
 *           config.ttl and a clock; HIPT_FULL: HIPT_GATHERS_MAX are under way. On every error there is nothing to
 *           finish, and hipt_gather_finish() does nothing.
 * Upholds:  nothing beyond its text.
 */
enum hipt_status hipt_gather_start(struct hipt_gather *gather, struct hipt_table *table, uint32_t asid,
                                   enum hipt_gather_mode mode);

/**
 * hipt_gather_add() - Take every mapping of one size class in a range out of sight.
 * @gather: started. One that was dispatched is completed first, and is then as it was started.
 * @page:   the first page; its asid is the gather's.
 * @npages: how many, in pages of that size.
 * @done:   receives how many mappings were ended; may be NULL.
 *
 * Shape:    O(npages).
 * Progress: lock-free; retries only because another update of one of the pages succeeded. In HIPT_SYNC a gather whose
 *           ranges are all in use is finished first, which waits as hipt_gather_finish() does.
 * Order:    acq_rel for each mapping.
 * Context:  any thread; enters read sides of its own.
 * Owns:     nothing.
 * Errors:   HIPT_BUSY: some page is being remapped or split by another thread and was left; HIPT_DIRTY: some page is
 *           written and of a file, in mode HIPT_DEFERRED or HIPT_TTL, and was left; the others were ended. HIPT_FULL,
 *           not in HIPT_SYNC: all ranges are in use; HIPT_PENDING: it is to be completed first, and the CPUs have not
 *           acknowledged. The bad-input ones of hipt_unmap(), HIPT_BAD_ASID also for another asid. With these nothing
 *           has changed. Holes are no error.
 * Upholds:  T1, T3, F1, S2.
 */
enum hipt_status hipt_gather_add(struct hipt_gather *gather, const struct hipt_page *page, uint64_t npages,
                                 uint64_t *done);

/**
 * hipt_gather_dispatch() - Ask the CPUs that may have the pages in their caches to forget them.
 * @gather: started. Once dispatched, a second call does nothing.
 *
 * Shape:    O(ranges + CPUs of the asid); one kick for all of them but the caller's own CPU, which serves when the
 *           caller polls, waits or looks.
 * Progress: lock-free; retries only because another shootdown asked the same CPU.
 * Order:    release.
 * Context:  any thread; does not sleep.
 * Owns:     nothing.
 * Errors:   none.
 * Upholds:  S1.
 */
void hipt_gather_dispatch(struct hipt_gather *gather);

/**
 * hipt_gather_poll() - Whether all of them have.
 * @gather: dispatched.
 *
 * Shape:    O(CPUs of the asid).
 * Progress: lock-free, as hipt_cpu_serve() is.
 * Order:    acquire when true: uses of the old translations happen before.
 * Context:  any thread; does not sleep; the caller's own CPU is served, unless it is masked. Now and then it kicks
 *           again whom it waits for.
 * Owns:     nothing.
 * Errors:   none.
 * Upholds:  S1.
 */
bool hipt_gather_poll(struct hipt_gather *gather);

/**
 * hipt_gather_sync() - Wait until all of them have.
 * @gather: started; dispatched if it was not.
 *
 * Shape:    O(CPUs of the asid) a turn.
 * Progress: blocking, on the CPUs that were asked; the caller's own CPU is served meanwhile.
 * Order:    acquire.
 * Context:  where ops->can_wait; a read side held open meanwhile holds up grace periods.
 * Owns:     nothing.
 * Errors:   HIPT_PENDING: they have not, and the caller cannot wait.
 * Upholds:  S1.
 */
enum hipt_status hipt_gather_sync(struct hipt_gather *gather);

/**
 * hipt_gather_finish() - Dispatch and sync, then let frames and pages go.
 * @gather: started.
 *
 * Shape:    O(pages of the ranges).
 * Progress: blocking, on the CPUs that were asked, in HIPT_SYNC only: in the other modes it does not wait (sync first,
 *           to wait). Lock-free after the acknowledgements.
 * Order:    as hipt_unmap().
 * Context:  as hipt_gather_sync().
 * Owns:     takes @gather on OK.
 * Errors:   HIPT_PENDING: as hipt_gather_sync(), or the mode is not HIPT_SYNC and it is too early: call again.
 * Upholds:  S1, S2, F1, R1.
 */
enum hipt_status hipt_gather_finish(struct hipt_gather *gather);

#ifdef __cplusplus
}
#endif
#endif
