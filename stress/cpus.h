/* SPDX-License-Identifier: MIT */
/*
 * Threads of a crew as CPUs: each has a small translation cache, comes and goes, delays its acknowledgements, and keeps
 * a ring of what it did last, which is printed when a guarantee is found broken.
 *
 * Kicks are merged, late, out of order and lost; a CPU that is asleep wakes up by itself after a while.
 */
#ifndef STRESS_CPUS_H
#define STRESS_CPUS_H

#include <hipt/mmu.h>

#include "crew.h"

enum { CPU_ENTRIES = 64, CPU_EVENTS = 16 };

enum cpu_event { CPU_NOTHING, CPU_ACCESS, CPU_SERVE, CPU_MAP, CPU_ENDING, CPU_ENDED, CPU_NARROWED, CPU_RETIRED };

/* What a thread did. Field key: all atomic, written by it alone. */
struct cpu_ring {
    _Alignas(64) _Atomic uint64_t count;
    struct {
        _Atomic uint64_t what; /* kind, asid, vpn, pfn: 16 bits each */
        _Atomic uint64_t generation;
        _Atomic uint64_t time;
    } event[CPU_EVENTS];
};

/* A thread's CPU. Field key: its own thread only. */
struct cpu {
    struct crew *crew;
    unsigned thread;
    uint64_t random;
    bool is_attached;
    bool is_inside;
    bool is_short; /* comes inside for each access */
    bool is_reading;
    bool is_hit;   /* the last translation came from the cache */
    struct hipt_mmu mmu;
    struct hipt_tlb_entry entry[CPU_ENTRIES];
};

/* The table is one with as many CPUs as threads, which are kicked badly. To be a program's .prepare, or part of it. */
void cpus_prepare(struct crew *crew);

/* => kicks that were held back, and lost. */
uint64_t cpus_kicks_held(void);

/* A thread's CPU, not attached yet. */
void cpu_open(struct cpu *cpu, struct crew *crew, unsigned thread);
void cpu_close(struct cpu *cpu);

/* Attached and inside; outside; detached. */
void cpu_enter(struct cpu *cpu);
void cpu_exit(struct cpu *cpu);
void cpu_detach(struct cpu *cpu);

/* One of many ways to come and go, at random. */
void cpu_move(struct cpu *cpu);

/*
 * Translate, from the base page @vpn. On OK the frame may be used until cpu_done(), which is to be called whatever the
 * answer.
 */
enum hipt_status cpu_translate(struct cpu *cpu, uint32_t asid, uint64_t vpn, uint8_t access, uint64_t *pfn);
void cpu_done(struct cpu *cpu);

/*
 * Before this thread ends translations: now and then it stands for no CPU, and then it is outside.
 */
void cpu_shoot(struct cpu *cpu);

/* Inside, and not looking for a while. => whether a kick made it serve meanwhile. */
bool cpu_sleep(struct cpu *cpu);

/* Outside, until all read sides of now have ended. */
void cpu_grace(struct cpu *cpu);

void cpu_note(struct cpu *cpu, enum cpu_event kind, uint32_t asid, uint64_t vpn, uint64_t pfn, uint64_t generation);

/* Print what two threads did last. */
void cpus_print(unsigned thread, unsigned other);

#endif
