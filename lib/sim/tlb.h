/* SPDX-License-Identifier: MIT */
/* The cache of a modelled MMU: find, fill, forget. A level is searched once for each page size that was ever filled. */
#ifndef HIPT_SIM_TLB_H
#define HIPT_SIM_TLB_H

#include <hipt/mmu.h>

/* => a cached translation of base page @vpn, from the first level that has one; NULL. */
struct hipt_tlb_entry *hipti_tlb_find(struct hipt_mmu *mmu, uint32_t tag, uint64_t vpn);

/* Put a translation into every level. */
void hipti_tlb_fill(struct hipt_mmu *mmu, const struct hipt_tlb_entry *entry);

/* What struct hipt_cache asks for; @ctx is the MMU. */
void hipti_tlb_flush_range(void *ctx, uint32_t tag, uint64_t vpn, uint64_t npages);
void hipti_tlb_flush_tag(void *ctx, uint32_t tag);
void hipti_tlb_flush_all(void *ctx);

#endif
