/* SPDX-License-Identifier: MIT */
/*
 * A thread of the replay as a CPU with a modelled MMU: it translates through its cache, and its cache forgets when
 * others unmap. What a translation gives may be used until the CPU serves next, so it is judged by the oracle's word
 * that is there then: a translation that this word says has ended is stale (S1).
 */
#ifndef HIPT_TOOL_REPLAY_CPU_H
#define HIPT_TOOL_REPLAY_CPU_H

#include <hipt/mmu.h>

#include "replay_load.h"
#include "replay_oracle.h"
#include "replay_targets.h"

#define CPU_TAG_BITS 8u
#define CPU_L1_SETS 16u
#define CPU_L1_WAYS 4u
#define CPU_L2_SETS 128u
#define CPU_L2_WAYS 12u
#define CPU_ENTRIES (CPU_L1_SETS * CPU_L1_WAYS + CPU_L2_SETS * CPU_L2_WAYS)

/* Field key: the CPU's own thread only. */
struct replay_cpu {
    struct hipt_mmu mmu;
    struct hipt_user *user; /* whose CPU it is */
    struct hipt_tlb_entry entries[CPU_ENTRIES];
};

/* One access and its judgement. */
struct replay_access {
    struct target target;
    uint8_t kind; /* HIPT_READ, HIPT_WRITE or HIPT_EXEC */
    enum hipt_status status;
    struct hipt_access got;
    uint64_t before, now; /* the oracle's words before it began, and while what it gave may be used */
};

enum replay_access_verdict { ACCESS_RIGHT, ACCESS_WRONG, ACCESS_STALE, ACCESS_UNCHECKED };

/* The host's hooks, with those for CPUs: a thread is the CPU that it attached, and all of them poll. */
void replay_cpu_hooks(struct hipt_ops *ops, const struct hipt_ops *host);

/* Makes the calling thread a CPU and brings it inside, or takes it out again. */
enum hipt_status replay_cpu_attach(struct replay_cpu *cpu, const struct population *population, unsigned number);
void replay_cpu_detach(struct replay_cpu *cpu);

/* Translates one address; .target and .kind are set. */
void replay_cpu_access(struct replay_cpu *cpu, const struct oracle *oracle, struct replay_access *access);

enum replay_access_verdict replay_access_judge(const struct oracle *oracle, const struct replay_access *access);

/* One line for messages. => @text */
char *replay_access_describe(const struct oracle *oracle, const struct replay_access *access, char *text, size_t bytes);

#endif
