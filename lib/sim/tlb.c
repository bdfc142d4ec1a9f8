/* SPDX-License-Identifier: MIT */
#include "sim/tlb.h"

static unsigned page_order(const struct hipt_mmu *mmu, unsigned size)
{
    return mmu->page_shift[size] - mmu->page_shift[0];
}

static size_t level_entries(const struct hipt_mmu *mmu, unsigned level)
{
    return (size_t)mmu->level[level].sets * mmu->level[level].ways;
}

/* The first entry of the set for a page in a level. */
static struct hipt_tlb_entry *level_set(struct hipt_mmu *mmu, unsigned level, unsigned size, uint64_t vpn)
{
    size_t set = (size_t)(vpn >> page_order(mmu, size)) & (mmu->level[level].sets - 1u);

    return mmu->entries + (level ? level_entries(mmu, 0) : 0) + set * mmu->level[level].ways;
}

static struct hipt_tlb_entry *level_find(struct hipt_mmu *mmu, unsigned level, unsigned size, uint32_t tag,
                                         uint64_t vpn)
{
    struct hipt_tlb_entry *entry = level_set(mmu, level, size, vpn);
    uint64_t first = vpn >> page_order(mmu, size) << page_order(mmu, size);
    unsigned way;

    for (way = 0; way < mmu->level[level].ways; way++, entry++) {
        if (entry->used && entry->tag == tag && entry->vpn == first && entry->size == size) {
            return entry;
        }
    }
    return NULL;
}

/* => the entry of a set that is empty, or was not used for longest. */
static struct hipt_tlb_entry *set_oldest(struct hipt_tlb_entry *set, unsigned ways)
{
    struct hipt_tlb_entry *oldest = set;
    unsigned way;

    for (way = 1; way < ways; way++) {
        oldest = set[way].used < oldest->used ? &set[way] : oldest;
    }
    return oldest;
}

/* Put an entry into a level, over an older one of the same page if there is one. */
static struct hipt_tlb_entry *level_fill(struct hipt_mmu *mmu, unsigned level, const struct hipt_tlb_entry *entry)
{
    struct hipt_tlb_entry *at = level_find(mmu, level, entry->size, entry->tag, entry->vpn);

    if (!at) {
        at = set_oldest(level_set(mmu, level, entry->size, entry->vpn), mmu->level[level].ways);
        mmu->counts.evictions += at->used && (level == 1u || mmu->level[1].sets == 0);
    }
    *at = *entry;
    at->used = ++mmu->time;
    return at;
}

struct hipt_tlb_entry *hipti_tlb_find(struct hipt_mmu *mmu, uint32_t tag, uint64_t vpn)
{
    unsigned level;
    unsigned size;

    for (level = 0; level < 2u && mmu->level[level].sets; level++) {
        for (size = 0; size < mmu->nsizes; size++) {
            struct hipt_tlb_entry *entry =
                (mmu->sizes >> size) & 1u ? level_find(mmu, level, size, tag, vpn) : NULL;

            if (entry) {
                mmu->counts.hits[level]++;
                entry->used = ++mmu->time;
                return level == 0 ? entry : level_fill(mmu, 0, entry);
            }
        }
    }
    return NULL;
}

void hipti_tlb_fill(struct hipt_mmu *mmu, const struct hipt_tlb_entry *entry)
{
    unsigned level;

    mmu->sizes |= 1u << entry->size;
    for (level = 0; level < 2u && mmu->level[level].sets; level++) {
        (void)level_fill(mmu, level, entry);
    }
}

/* Entries of a tag that translate one of some base pages. */
static void forget(struct hipt_mmu *mmu, uint32_t tag, uint64_t vpn, uint64_t npages)
{
    size_t count = level_entries(mmu, 0) + level_entries(mmu, 1);
    size_t i;

    for (i = 0; i < count; i++) {
        struct hipt_tlb_entry *entry = &mmu->entries[i];
        uint64_t last = entry->vpn + ((UINT64_C(1) << page_order(mmu, entry->size)) - 1u);

        if (entry->used && entry->tag == tag && entry->vpn <= vpn + (npages - 1u) && vpn <= last) {
            entry->used = 0;
            mmu->counts.forgotten++;
        }
    }
}

void hipti_tlb_flush_range(void *ctx, uint32_t tag, uint64_t vpn, uint64_t npages)
{
    struct hipt_mmu *mmu = (struct hipt_mmu *)ctx;

    mmu->counts.ranges++;
    forget(mmu, tag, vpn, npages);
}

void hipti_tlb_flush_tag(void *ctx, uint32_t tag)
{
    struct hipt_mmu *mmu = (struct hipt_mmu *)ctx;

    mmu->counts.tags++;
    forget(mmu, tag, 0, 0); /* up to the last page there can be */
}

void hipti_tlb_flush_all(void *ctx)
{
    struct hipt_mmu *mmu = (struct hipt_mmu *)ctx;
    size_t count = level_entries(mmu, 0) + level_entries(mmu, 1);
    size_t i;

    mmu->counts.alls++;
    for (i = 0; i < count; i++) {
        mmu->counts.forgotten += mmu->entries[i].used != 0;
        mmu->entries[i].used = 0;
    }
}
