/* SPDX-License-Identifier: MIT */
/*
 * A translation cache of a CPU, kept in memory. It stands for a TLB that the kernel fills itself: interrupts are off
 * from the look into it to the last use of what was found, so that a kick's interrupt comes before or after.
 */
#ifndef HIPT_TEST_TLB_H
#define HIPT_TEST_TLB_H

#include "hipt_linux.h"

#define TLB_ENTRIES 64u

struct tlb_entry {
    u64 vpn;
    u64 pfn;
    u32 tag;
    u8 prot;  /* 0: there is no entry */
    bool dirty;
};

/* Field key: its CPU only, with interrupts off. */
struct tlb {
    struct hipt_cpu cpu;
    struct hipt_table *table;
    struct tlb_entry entry[TLB_ENTRIES];
    u32 asid;    /* whose tag is known, as of .served; UINT32_MAX: nobody's */
    u32 tag;
    u64 served;
    u64 hits;
    u64 walks;
    u64 flushes; /* of ranges, tags and everything */
};

/* The CPU that the caller runs on and stays on gets a cache; its record is outside. */
enum hipt_status tlb_online(struct tlb *tlb, struct hipt_linux *port, struct hipt_table *table, unsigned tag_bits);
void tlb_offline(struct tlb *tlb, struct hipt_linux *port);

/* Come inside and go outside. */
void tlb_enter(struct tlb *tlb);
void tlb_exit(struct tlb *tlb);

/* Interrupts are off, and stay off for as long as *pfn is used. */
enum hipt_status tlb_translate(struct tlb *tlb, u32 asid, u64 vpn, u8 access, u64 *pfn);

#endif
