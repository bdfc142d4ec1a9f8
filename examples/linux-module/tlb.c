/* SPDX-License-Identifier: MIT */
#include "tlb.h"

#include <linux/irqflags.h>
#include <linux/string.h>

static struct tlb_entry *entry_at(struct tlb *tlb, u32 tag, u64 vpn)
{
    return &tlb->entry[(vpn ^ tag << 4) % TLB_ENTRIES];
}

/* --- how it forgets: what struct hipt_cache asks for */

static void flush_range(void *ctx, uint32_t tag, uint64_t vpn, uint64_t npages)
{
    struct tlb *tlb = ctx;

    for (tlb->flushes++; npages > 0; npages--, vpn++) {
        struct tlb_entry *entry = entry_at(tlb, tag, vpn);

        if (entry->tag == tag && entry->vpn == vpn) {
            entry->prot = 0;
        }
    }
}

static void flush_tag(void *ctx, uint32_t tag)
{
    struct tlb *tlb = ctx;
    unsigned i;

    tlb->flushes++;
    for (i = 0; i < TLB_ENTRIES; i++) {
        if (tlb->entry[i].tag == tag) {
            tlb->entry[i].prot = 0;
        }
    }
}

static void flush_all(void *ctx)
{
    struct tlb *tlb = ctx;

    tlb->flushes++;
    memset(tlb->entry, 0, sizeof(tlb->entry));
}

/* --- coming and going */

enum hipt_status tlb_online(struct tlb *tlb, struct hipt_linux *port, struct hipt_table *table, unsigned tag_bits)
{
    struct hipt_cache cache = {tlb, flush_range, flush_tag, flush_all};

    memset(tlb->entry, 0, sizeof(tlb->entry));
    tlb->table = table;
    tlb->asid = UINT32_MAX;
    return hipt_linux_online(port, table, &tlb->cpu, &cache, tag_bits);
}

void tlb_offline(struct tlb *tlb, struct hipt_linux *port)
{
    hipt_linux_offline(port, &tlb->cpu);
}

void tlb_enter(struct tlb *tlb)
{
    unsigned long flags;

    local_irq_save(flags);
    hipt_cpu_enter(&tlb->cpu);
    local_irq_restore(flags);
}

void tlb_exit(struct tlb *tlb)
{
    unsigned long flags;

    local_irq_save(flags);
    hipt_cpu_exit(&tlb->cpu);
    local_irq_restore(flags);
}

/* --- translation */

/* The tag of an address space, as a processor has it in a register: asked for again only if the CPU has served. */
static enum hipt_status asid_use(struct tlb *tlb, u32 asid)
{
    enum hipt_status status = HIPT_OK;

    while (status == HIPT_OK && (tlb->asid != asid || tlb->served != hipt_cpu_served(&tlb->cpu))) {
        tlb->served = hipt_cpu_served(&tlb->cpu);
        status = hipt_cpu_use(&tlb->cpu, asid, &tlb->tag);
        tlb->asid = status == HIPT_OK ? asid : UINT32_MAX;
    }
    return status;
}

static bool entry_serves(const struct tlb_entry *entry, u32 tag, u64 vpn, u8 access)
{
    return entry->tag == tag && entry->vpn == vpn && entry->prot != 0 && (access & ~entry->prot) == 0 &&
           (entry->dirty || !(access & HIPT_WRITE));
}

/* Look the page up, and mark it before the cache may know of it. */
static enum hipt_status walk(struct tlb *tlb, u32 asid, u64 vpn, u8 access, struct hipt_translation *found)
{
    u8 marks = access & HIPT_WRITE ? HIPT_ACCESSED | HIPT_DIRTY : HIPT_ACCESSED;
    enum hipt_status status = hipt_lookup_reading(tlb->table, asid, vpn, found);

    if (status == HIPT_OK && (access & ~found->mapping.prot)) {
        status = HIPT_DENIED;
    }
    if (status == HIPT_OK && hipt_mark(tlb->table, found, marks) != HIPT_OK) {
        status = HIPT_BUSY;
    }
    return status;
}

static enum hipt_status fill(struct tlb *tlb, u32 asid, u64 vpn, u8 access, struct tlb_entry *entry)
{
    struct hipt_translation found;
    enum hipt_status status;

    hipt_read_enter(tlb->table);
    status = walk(tlb, asid, vpn, access, &found);
    hipt_read_exit(tlb->table);
    tlb->walks++;
    if (status == HIPT_OK) {
        entry->vpn = vpn;
        entry->pfn = found.mapping.pfn;
        entry->tag = tlb->tag;
        entry->prot = found.mapping.prot;
        entry->dirty = found.mapping.marks & HIPT_DIRTY;
    }
    return status;
}

enum hipt_status tlb_translate(struct tlb *tlb, u32 asid, u64 vpn, u8 access, u64 *pfn)
{
    enum hipt_status status = asid_use(tlb, asid);
    struct tlb_entry *entry;

    if (status != HIPT_OK) {
        return status;
    }
    entry = entry_at(tlb, tlb->tag, vpn);
    if (entry_serves(entry, tlb->tag, vpn, access)) {
        tlb->hits++;
    } else {
        status = fill(tlb, asid, vpn, access, entry);
    }
    *pfn = entry->pfn;
    return status;
}
