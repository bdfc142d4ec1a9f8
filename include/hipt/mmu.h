/* SPDX-License-Identifier: MIT */
/*
 * A modelled MMU: a CPU (cpu.h) with a translation cache of one or two levels, set-associative, that tells asids apart
 * by tags and holds pages of all sizes. For emulators, simulations and tests; a host with a real MMU does the same with
 * its own instructions.
 *
 *     attach -> hipt_cpu_enter(&mmu->cpu) -> hipt_translate -> access -> ... -> hipt_cpu_exit(&mmu->cpu) -> detach
 *
 * Synchronization: each MMU is used by one thread at a time, as its CPU is.
 */
#ifndef HIPT_MMU_H
#define HIPT_MMU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <hipt/cpu.h>
#include <hipt/map.h>
#include <hipt/status.h>
#include <hipt/table.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A cached translation. Field key: the CPU's thread only. */
struct hipt_tlb_entry {
    uint64_t vpn;     /* the page's first */
    uint64_t pfn;     /* the page's first */
    uint64_t expires; /* the clock from which on it is not used */
    uint64_t used;    /* when, for replacement; 0: there is no entry */
    uint32_t tag;
    uint8_t size;
    uint8_t prot;
    bool dirty;       /* the mapping is marked dirty: it may be written through */
};

/* One level: @sets, a power of two, times @ways. @sets 0: there is no such level. */
struct hipt_tlb_level {
    unsigned sets;
    unsigned ways;
};

struct hipt_mmu_config {
    uint32_t number;               /* of the CPU */
    unsigned tag_bits;
    struct hipt_tlb_level level[2];
    struct hipt_tlb_entry *entries; /* for both levels; the caller's, until detached */
    size_t nentries;                /* how many there are: at least as many as the levels have */
    bool interruptible;            /* serve also between walk and fill, as interrupts would come there */
};

/* What an MMU has done since it was attached. */
struct hipt_mmu_counts {
    uint64_t hits[2];    /* entries found, by level; one that does not allow the access is followed by a walk */
    uint64_t walks;
    uint64_t refills;    /* accesses that were begun again because the CPU had served meanwhile */
    uint64_t evictions;  /* from the last level */
    uint64_t ranges;     /* invalidations, by kind */
    uint64_t tags;
    uint64_t alls;
    uint64_t forgotten;  /* entries that they found */
};

/* Field key: the CPU's thread only. */
struct hipt_mmu {
    struct hipt_cpu cpu;
    struct hipt_table *table;
    struct hipt_tlb_level level[2];
    struct hipt_tlb_entry *entries;
    uint64_t time;                /* of replacement */
    uint64_t ttl;
    uint64_t (*clock)(void *ctx); /* NULL: entries live for ever */
    void *clock_ctx;
    unsigned nsizes;
    unsigned page_shift[HIPT_SIZES_MAX];
    unsigned sizes;               /* size classes ever filled, a bit each */
    bool interruptible;
    struct hipt_mmu_counts counts;
};

/* What an access goes to. */
struct hipt_access {
    uint64_t pfn;    /* of the base page that holds the address */
    uint64_t offset; /* in it */
    struct hipt_page page;
    bool is_hit;     /* from the cache */
};

/**
 * hipt_mmu_attach() - Make a thread a CPU with a modelled MMU.
 * @mmu:      record to fill; it must stay where it is until hipt_mmu_detach().
 * @table:    table.
 * @geometry: the configuration that the table was made of.
 * @config:   number, tags and cache.
 *
 * Shape:    O(entries + 2^tag_bits).
 * Progress: blocking, on the host's memory hook.
 * Order:    as hipt_cpu_attach().
 * Context:  may sleep.
 * Owns:     the caller keeps @mmu and @config->entries.
 * Errors:   as hipt_cpu_attach(); HIPT_BAD_SIZES: a level's sets are no power of two, its ways 0, there is none, or
 *           there are too few entries; those of hipt_config_check() for @geometry.
 * Upholds:  S1.
 */
enum hipt_status hipt_mmu_attach(struct hipt_mmu *mmu, struct hipt_table *table, const struct hipt_config *geometry,
                                 const struct hipt_mmu_config *config);

/**
 * hipt_mmu_detach() - Take it out again.
 * @mmu: attached, its CPU outside.
 *
 * Shape:    as hipt_cpu_detach().
 * Progress: wait-free, apart from the host's memory hook.
 * Order:    as hipt_cpu_detach().
 * Context:  does not sleep.
 * Owns:     the caller may use @mmu and its entries for something else.
 * Errors:   none.
 * Upholds:  S1.
 */
void hipt_mmu_detach(struct hipt_mmu *mmu);

/**
 * hipt_translate() - From an address to a frame, as the processor does on every access.
 * @mmu:    its CPU is inside.
 * @asid:   address space.
 * @va:     virtual byte address.
 * @access: HIPT_READ, HIPT_WRITE or HIPT_EXEC, and HIPT_USER where a user does it: the protection that it needs.
 * @out:    receives frame and offset on OK; they may be used until the CPU serves next.
 *
 * Shape:    expected O(1): the cache; on a miss a lookup, one CAS in its line that marks the mapping accessed, for a
 *           write dirty, and a fill.
 * Progress: lock-free; walks again only because a shootdown was served meanwhile.
 * Order:    acquire, as hipt_lookup().
 * Context:  the CPU's own thread; serves. With HIPT_TTL in use, inside a read side that stays open for the access.
 * Owns:     the caller keeps @out.
 * Errors:   HIPT_ABSENT: nothing is mapped, or a swap slot; HIPT_DENIED: not with that protection; HIPT_BUSY: the
 *           mapping is being changed, try again; HIPT_BAD_ASID, HIPT_BAD_VPN.
 * Upholds:  S1, S3.
 */
enum hipt_status hipt_translate(struct hipt_mmu *mmu, uint32_t asid, uint64_t va, uint8_t access,
                                struct hipt_access *out);

#ifdef __cplusplus
}
#endif
#endif
