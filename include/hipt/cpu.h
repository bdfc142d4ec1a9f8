/* SPDX-License-Identifier: MIT */
/*
 * CPUs whose translation caches (TLBs) must forget what was unmapped. In user space a thread stands for a CPU.
 *
 *     attach -> enter -> (use an asid, walk, fill the cache, access) as often as wanted -> exit -> detach
 *
 * Between hipt_cpu_enter() and hipt_cpu_exit() a CPU may use cached translations, and owes an acknowledgement to
 * whoever ends one of an asid that it uses. Outside it owes nothing and is never kicked: it looks at what it missed
 * when it comes back. It acknowledges in hipt_cpu_serve(), in hipt_cpu_interrupt(), and in every verb that waits for
 * other CPUs; a translation that it read before must not be used after.
 *
 *     hipt_cpu_serve()                  what has ended until here is forgotten from here on
 *     served = hipt_cpu_served()
 *     tag = hipt_cpu_use(asid)          the CPU is one of the asid's CPUs; the cache knows the asid by this tag
 *     hipt_lookup(), hipt_mark()        the walk: marked accessed, for a write dirty, before the cache may know of it
 *     fill
 *     hipt_cpu_served() == served?      if not, the CPU has served meanwhile: forget the entry and begin again
 *
 * Use again after each change of hipt_cpu_served(): a CPU that serves may have left the asid. Nothing else of this
 * CPU runs in between, but interrupts.
 *
 * A walk whose hipt_mark() answers HIPT_CHANGED must not be filled: that is how a mapping that is being remapped or
 * split is kept out of the caches. hipt/mmu.h does all of this over a modelled cache.
 *
 * Where interrupts serve, hold them off from the look into the cache to the last use of what was found, by
 * hipt_cpu_mask() or by the host's own means.
 *
 * A CPU that is inside must not wait for what may wait for it: a grace period, or a lock whose holder may unmap, unless
 * it serves meanwhile.
 *
 * A thread that waits for other CPUs serves the one CPU that ops->this_cpu names. So it does not stand for two CPUs
 * that are inside, unless those are interrupted.
 *
 * Synchronization: attach and all functions of one record are called by one thread at a time, the CPU's own;
 * hipt_cpu_interrupt() may interrupt any of the others on the same thread. Different CPUs need no synchronization.
 */
#ifndef HIPT_CPU_H
#define HIPT_CPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <hipt/status.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HIPT_CPU_ACTIVE 4u    /* asids that a CPU is asked about at a time */
#define HIPT_TAG_BITS_MAX 16u /* of the tags that a cache tells asids apart by */

struct hipt_table;
struct hipti_shootdown;
struct hipti_cpu_line;
struct hipti_tag;

/*
 * How the cache of a CPU forgets. Called on the CPU's own thread, inside hipt_cpu_serve(), _use(), _interrupt() and the
 * verbs that wait. All three are mandatory, must not sleep and call nothing of hipt.
 */
struct hipt_cache {
    void *ctx;
    /* Every entry with this tag that translates one of the base pages @vpn to @vpn + @npages - 1, of any size. */
    void (*flush_range)(void *ctx, uint32_t tag, uint64_t vpn, uint64_t npages);
    void (*flush_tag)(void *ctx, uint32_t tag);
    void (*flush_all)(void *ctx);
};

struct hipt_cpu_config {
    uint32_t number;   /* below config.cpus of the table: its bit in ops->kick */
    unsigned tag_bits; /* width of the cache's tags: 1 to HIPT_TAG_BITS_MAX; all tags are used */
    struct hipt_cache cache;
};

/* One CPU. The caller owns the memory; the fields are hipt's. Field key: the CPU's own thread only. */
struct hipt_cpu {
    struct hipti_shootdown *shootdown;
    struct hipti_cpu_line *line; /* what other CPUs see of it */
    struct hipti_tag *tags;
    struct hipt_cache cache;
    uint64_t served;             /* the last ticket served */
    uint64_t rollovers;
    uint32_t number;
    uint32_t next_tag;
    unsigned tag_bits;
    unsigned nactive;
    volatile unsigned masked;    /* hipt_cpu_interrupt() does nothing meanwhile */
    struct {
        uint32_t asid;
        struct hipti_tag *tag;
    } active[HIPT_CPU_ACTIVE];   /* the asids whose CPU this is, the last used first */
};

/**
 * hipt_cpu_attach() - Make a thread a CPU of a table. It starts outside, its cache empty.
 * @table:  table; its config.cpus says how many there may be.
 * @cpu:    record to fill.
 * @config: number, tags and cache; copied.
 *
 * Shape:    O(2^tag_bits) zeroed memory.
 * Progress: blocking, on the host's memory hook.
 * Order:    acquire, of the hipt_cpu_detach() that gave the number back.
 * Context:  may sleep.
 * Owns:     the caller keeps @cpu, which must stay where it is until hipt_cpu_detach().
 * Errors:   HIPT_BAD_CPU; HIPT_EXISTS: the number is attached; HIPT_NOMEM. On every error nothing has changed.
 * Upholds:  S1.
 */
enum hipt_status hipt_cpu_attach(struct hipt_table *table, struct hipt_cpu *cpu, const struct hipt_cpu_config *config);

/**
 * hipt_cpu_detach() - Take a CPU out. Its cache must not be used any more.
 * @cpu: attached, outside.
 *
 * Shape:    O(active asids).
 * Progress: wait-free, apart from the host's memory hook.
 * Order:    release.
 * Context:  does not sleep; no interrupt of this CPU comes any more.
 * Owns:     the caller may free or attach @cpu again at once.
 * Errors:   none.
 * Upholds:  S1.
 */
void hipt_cpu_detach(struct hipt_cpu *cpu);

/**
 * hipt_cpu_enter() - From here on this CPU uses its cache.
 * @cpu: attached, outside.
 *
 * Shape:    O(1), and what hipt_cpu_serve() does.
 * Progress: lock-free, as hipt_cpu_serve() is.
 * Order:    acquire: of every shootdown that did not find it inside.
 * Context:  any; does not sleep.
 * Owns:     one hipt_cpu_exit().
 * Errors:   none.
 * Upholds:  S1.
 */
void hipt_cpu_enter(struct hipt_cpu *cpu);

/**
 * hipt_cpu_exit() - From here on it does not: it is idle, and owes no acknowledgement.
 * @cpu: inside.
 *
 * Shape:    O(1), one store.
 * Progress: wait-free.
 * Order:    release: uses of translations happen before the end of every shootdown that finds it outside.
 * Context:  any; does not sleep.
 * Owns:     ends what hipt_cpu_enter() began.
 * Errors:   none.
 * Upholds:  S1.
 */
void hipt_cpu_exit(struct hipt_cpu *cpu);

/**
 * hipt_cpu_serve() - Forget what has ended, and say so.
 * @cpu: attached.
 *
 * Shape:    O(1), one load, where there is nothing to do; else O(active asids), and the cache's work.
 *           Returns whether there was something to do.
 * Progress: lock-free; serves again only because a shootdown was posted meanwhile.
 * Order:    acq_rel with the shootdowns served.
 * Context:  the CPU's own thread; does not sleep.
 * Owns:     nothing.
 * Errors:   none.
 * Upholds:  S1.
 */
bool hipt_cpu_serve(struct hipt_cpu *cpu);

/**
 * hipt_cpu_interrupt() - The same from an interrupt or signal handler; nothing while the CPU is masked.
 * @cpu: attached.
 *
 * Shape:    as hipt_cpu_serve().
 * Progress: lock-free, as hipt_cpu_serve() is.
 * Order:    as hipt_cpu_serve().
 * Context:  on the CPU's own thread, interrupting whatever it does.
 * Owns:     nothing.
 * Errors:   none: what is not served now is served by hipt_cpu_unmask().
 * Upholds:  S1.
 */
void hipt_cpu_interrupt(struct hipt_cpu *cpu);

/**
 * hipt_cpu_mask() - Hold interrupts off: a translation read from here on may be used until hipt_cpu_unmask().
 * @cpu: attached.
 *
 * Shape:    O(1), plain accesses. A host that disables interrupts itself needs neither.
 * Progress: wait-free.
 * Order:    none.
 * Context:  the CPU's own thread; nests.
 * Owns:     one hipt_cpu_unmask().
 * Errors:   none.
 * Upholds:  S1.
 */
void hipt_cpu_mask(struct hipt_cpu *cpu);

/**
 * hipt_cpu_unmask() - Let interrupts in again, and serve what came meanwhile.
 * @cpu: masked.
 *
 * Shape:    as hipt_cpu_serve().
 * Progress: lock-free, as hipt_cpu_serve() is.
 * Order:    as hipt_cpu_serve().
 * Context:  the CPU's own thread.
 * Owns:     ends what hipt_cpu_mask() began.
 * Errors:   none.
 * Upholds:  S1.
 */
void hipt_cpu_unmask(struct hipt_cpu *cpu);

/**
 * hipt_cpu_use() - Become one of an asid's CPUs, before its first walk.
 * @cpu:  inside.
 * @asid: address space.
 * @tag:  receives the tag by which the cache knows the asid on OK; it holds until the CPU uses another asid or serves.
 *
 * Shape:    O(1) for the asids used last; otherwise one more word, and the cache's work if it is behind. Where all tags
 *           are in use, the whole cache is flushed and tags are given out anew.
 * Progress: lock-free, as hipt_cpu_serve() is.
 * Order:    acquire: a walk that follows sees every unmap that did not find this CPU among the asid's.
 * Context:  the CPU's own thread; does not sleep; serves at its end, unless the CPU is masked.
 * Owns:     nothing; the CPU leaves an asid's CPUs by itself.
 * Errors:   HIPT_BAD_ASID: out of range, or not allocated.
 * Upholds:  S1, A1.
 */
enum hipt_status hipt_cpu_use(struct hipt_cpu *cpu, uint32_t asid, uint32_t *tag);

/**
 * hipt_cpu_served() - A number that changes whenever the CPU has served.
 * @cpu: attached.
 *
 * Shape:    O(1).
 * Progress: wait-free.
 * Order:    none.
 * Context:  the CPU's own thread.
 * Owns:     nothing.
 * Errors:   none.
 * Upholds:  nothing beyond its text.
 */
static inline uint64_t hipt_cpu_served(const struct hipt_cpu *cpu)
{
    return *(const volatile uint64_t *)&cpu->served;
}

#ifdef __cplusplus
}
#endif
#endif
