/* SPDX-License-Identifier: MIT */
#include <hipt/mmu.h>

#include "sim/tlb.h"

static bool level_is_bad(struct hipt_tlb_level level)
{
    return (level.sets & (level.sets - 1u)) != 0 || (level.sets != 0 && level.ways == 0);
}

enum hipt_status hipt_mmu_attach(struct hipt_mmu *mmu, struct hipt_table *table, const struct hipt_config *geometry,
                                 const struct hipt_mmu_config *config)
{
    static const struct hipt_tlb_entry empty;
    struct hipt_cpu_config cpu = {config->number, config->tag_bits,
                                  {mmu, hipti_tlb_flush_range, hipti_tlb_flush_tag, hipti_tlb_flush_all}};
    const struct hipt_tlb_level *level = config->level;
    size_t count = (size_t)level[0].sets * level[0].ways + (size_t)level[1].sets * level[1].ways;
    struct hipt_mmu fresh = {0};
    enum hipt_status status;
    unsigned i;

    if (level[0].sets == 0 || level_is_bad(level[0]) || level_is_bad(level[1]) || count > config->nentries ||
        !config->entries) {
        return HIPT_BAD_SIZES;
    }
    status = hipt_config_check(geometry, NULL, 0);
    if (status == HIPT_OK) {
        status = hipt_cpu_attach(table, &fresh.cpu, &cpu);
    }
    if (status != HIPT_OK) {
        return status;
    }
    fresh.table = table;
    fresh.level[0] = level[0];
    fresh.level[1] = level[1];
    fresh.entries = config->entries;
    fresh.interruptible = config->interruptible;
    fresh.nsizes = geometry->nsizes;
    if (geometry->ttl) {
        fresh.ttl = geometry->ttl;
        fresh.clock = geometry->ops->clock;
        fresh.clock_ctx = geometry->ops->ctx;
    }
    for (i = 0; i < geometry->nsizes; i++) {
        fresh.page_shift[i] = geometry->page_shift[i];
    }
    while (count > 0) {
        config->entries[--count] = empty;
    }
    *mmu = fresh;
    return HIPT_OK;
}

void hipt_mmu_detach(struct hipt_mmu *mmu)
{
    hipt_cpu_detach(&mmu->cpu);
}

static uint64_t now(const struct hipt_mmu *mmu)
{
    return mmu->clock ? mmu->clock(mmu->clock_ctx) : 0;
}

static bool entry_serves(const struct hipt_mmu *mmu, const struct hipt_tlb_entry *entry, uint8_t access)
{
    return (access & ~entry->prot) == 0 && (entry->dirty || !(access & HIPT_WRITE)) &&
           (!mmu->clock || now(mmu) < entry->expires);
}

static void access_set(const struct hipt_mmu *mmu, struct hipt_access *out, const struct hipt_tlb_entry *entry,
                       uint32_t asid, uint64_t va)
{
    uint64_t vpn = va >> mmu->page_shift[0];

    out->page.asid = asid;
    out->page.size = entry->size;
    out->page.vpn = entry->vpn;
    out->pfn = entry->pfn + (vpn - entry->vpn);
    out->offset = va & ((UINT64_C(1) << mmu->page_shift[0]) - 1u);
}

/* An interrupt may come here, as if only hipt_translate() had masked it. */
static void interrupt_point(struct hipt_mmu *mmu)
{
    if (mmu->interruptible && mmu->cpu.masked == 1u) {
        (void)hipt_cpu_serve(&mmu->cpu);
    }
}

/*
 * Look the page up, and mark it before the cache may know of it. => HIPT_OK: *entry; HIPT_BUSY: the mapping that was
 * read is not there any more, or is held.
 */
static enum hipt_status walk_table(struct hipt_mmu *mmu, uint32_t asid, uint64_t vpn, uint8_t access,
                                   struct hipt_tlb_entry *entry)
{
    uint8_t marks = (uint8_t)(access & HIPT_WRITE ? HIPT_ACCESSED | HIPT_DIRTY : HIPT_ACCESSED);
    struct hipt_translation translation;
    enum hipt_status status = hipt_lookup(mmu->table, asid, vpn, &translation);
    const struct hipt_mapping *mapping = &translation.mapping;

    if (status != HIPT_OK) {
        return status;
    }
    if (mapping->swap) {
        return HIPT_ABSENT;
    }
    if (access & ~mapping->prot) {
        return HIPT_DENIED;
    }
    if (hipt_mark(mmu->table, &translation, marks) != HIPT_OK) {
        return HIPT_BUSY;
    }
    entry->vpn = mapping->page.vpn;
    entry->pfn = mapping->pfn;
    entry->size = (uint8_t)mapping->page.size;
    entry->prot = mapping->prot;
    entry->dirty = (mapping->marks & HIPT_DIRTY) != 0;
    return HIPT_OK;
}

static enum hipt_status walk(struct hipt_mmu *mmu, uint32_t asid, uint32_t tag, uint64_t va, uint8_t access,
                             struct hipt_tlb_entry *entry)
{
    enum hipt_status status;

    entry->tag = tag;
    entry->expires = now(mmu) + mmu->ttl; /* of what was mapped now, at the latest */
    hipt_read_enter(mmu->table);
    status = walk_table(mmu, asid, va >> mmu->page_shift[0], access, entry);
    hipt_read_exit(mmu->table);
    mmu->counts.walks++;
    interrupt_point(mmu);
    if (status == HIPT_OK) {
        hipti_tlb_fill(mmu, entry);
    }
    interrupt_point(mmu);
    return status;
}

/* From the cache, or from the table into the cache. */
static enum hipt_status translate(struct hipt_mmu *mmu, uint32_t asid, uint64_t va, uint8_t access,
                                  struct hipt_access *out, uint32_t *tag)
{
    struct hipt_tlb_entry filled = {0};
    struct hipt_tlb_entry *entry;
    enum hipt_status status = hipt_cpu_use(&mmu->cpu, asid, tag);

    if (status != HIPT_OK) {
        return status;
    }
    entry = hipti_tlb_find(mmu, *tag, va >> mmu->page_shift[0]);
    out->is_hit = entry && entry_serves(mmu, entry, access);
    if (!out->is_hit) {
        entry = &filled;
        status = walk(mmu, asid, *tag, va, access, entry);
    }
    if (status == HIPT_OK) {
        access_set(mmu, out, entry, asid, va);
    }
    return status;
}

enum hipt_status hipt_translate(struct hipt_mmu *mmu, uint32_t asid, uint64_t va, uint8_t access,
                                struct hipt_access *out)
{
    enum hipt_status status;
    uint64_t served;
    uint32_t tag = 0;

    hipt_cpu_interrupt(&mmu->cpu);
    do {
        served = hipt_cpu_served(&mmu->cpu); /* before the CPU joins: it may have to leave again when it serves */
        hipt_cpu_mask(&mmu->cpu);
        status = translate(mmu, asid, va, access, out, &tag);
        if (hipt_cpu_served(&mmu->cpu) != served) { /* what was filled beside that may have ended before */
            hipti_tlb_flush_range(mmu, tag, va >> mmu->page_shift[0], 1);
            mmu->counts.refills++;
        }
        hipt_cpu_unmask(&mmu->cpu);
    } while (hipt_cpu_served(&mmu->cpu) != served);
    return status;
}
