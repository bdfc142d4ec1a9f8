/* SPDX-License-Identifier: MIT */
/* `hipt-bench shootdown`: what it costs to make CPUs forget. The parts, the rig that they share, what they print. */
#ifndef BENCH_SHOOTDOWN_H
#define BENCH_SHOOTDOWN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <hipt/gather.h>
#include <hipt/mmu.h>
#include <hipt/table.h>
#include <hipt/user.h>

#include "options.h"

#define SHOOT_CPUS_MAX 8u
#define SHOOT_ENTRIES (16u * 4u + 128u * 12u)
#define SHOOT_FLUSH_DEFAULT UINT64_MAX
#define SHOOT_NO_GOAL "no goal" /* for comparison */
#define SHOOT_PAGES_MAX (UINT64_C(1) << 17)
#define SHOOT_TTL_NS UINT64_C(1000000)
#define SHOOT_SLOW_NS UINT64_C(10000000)
#define SHOOT_LATE_MIN_NS UINT64_C(50000)
#define SHOOT_LATE_MAX_NS UINT64_C(100000)

/* How a CPU spends its time. */
enum shoot_pace {
    SHOOT_PARKED = 0, /* outside: it owes nobody anything */
    SHOOT_PROMPT,     /* looks for requests all the time */
    SHOOT_LATE,       /* every 50 to 100 us */
    SHOOT_SLOW,       /* every 10 ms */
    SHOOT_READING,    /* all the time, and reads one page through its cache */
    SHOOT_GONE
};

/*
 * A thread that is a CPU. Field key: mmu and entries are its own; asid is the driver's, changed while it is parked;
 * the rest is atomic.
 */
struct shoot_cpu {
    struct shoot_rig *rig;
    unsigned number;
    uint32_t asid;
    struct hipt_mmu mmu;
    struct hipt_tlb_entry entries[SHOOT_ENTRIES];
    _Atomic unsigned pace;
    _Atomic unsigned settled; /* the pace that it has taken up */
    _Atomic uint64_t kicks;   /* that were sent to it */
    _Atomic uint64_t posts;   /* requests that it found */
    _Atomic uint64_t began;   /* SHOOT_READING: when it began to read the page, and had read it, for the last time */
    _Atomic uint64_t ended;
};

/* A table, its CPUs and its frames. CPU 0 is the thread that measures. Field key: that thread's, but for the CPUs. */
struct shoot_rig {
    struct hipt_user *user;
    struct hipt_ops ops;
    struct hipt_config config;
    struct hipt_table *table;
    struct hipt_range range;
    uint32_t asids[2];
    struct shoot_cpu *cpus;
    unsigned ncpus;
    uint64_t next;  /* frame */
    uint64_t limbo; /* frames that were unmapped and not reaped */
    uint64_t wrong; /* outcomes that must not be */
};

struct shoot_options {
    struct bench_list cpus;
    struct bench_list pages;
    uint64_t rounds;
    const char *svg; /* NULL: no picture */
    bool threshold;  /* that part alone */
    bool json;
};

struct shoot_setup {
    unsigned ncpus;
    uint64_t pages;
    uint64_t flush_max; /* or SHOOT_FLUSH_DEFAULT */
    uint64_t ttl;
};

/* A table with CPUs, which start parked; the caller is CPU 0, inside. => false: stderr says why. */
bool shoot_rig_create(struct shoot_rig *rig, const struct shoot_setup *setup);
void shoot_rig_destroy(struct shoot_rig *rig);

/* Give CPU @number a pace and wait until it has taken it up. */
void shoot_rig_pace(struct shoot_rig *rig, unsigned number, enum shoot_pace pace);

/* Map pages of the first asid to frames that nobody else has; unmap them, in one round. */
void shoot_rig_map(struct shoot_rig *rig, uint64_t vpn, uint64_t npages);
void shoot_rig_unmap(struct shoot_rig *rig, uint64_t vpn, uint64_t npages);

/* The CPU that the calling thread is; another one of the same thread, for a while. */
void shoot_become(struct shoot_rig *rig, struct hipt_cpu *cpu);

uint64_t shoot_now(void);
void shoot_nap(uint64_t ns);
void shoot_relax(void);
double shoot_median(double *values, size_t count); /* sorts them */

/* The parts. Each prints its rows. => false: memory or threads were not to be had, or an outcome was wrong. */
bool shoot_unmaps(const struct shoot_options *options);
bool shoot_strangers(const struct shoot_options *options);
bool shoot_staleness(const struct shoot_options *options);
bool shoot_tails(const struct shoot_options *options);
bool shoot_threshold(const struct shoot_options *options);

/* One goal: its text, the figure, and whether that is as it should be. */
struct shoot_goal {
    const char *name;
    const char *goal;
    const char *unit;
    double figure;
    bool met;
};

void shoot_report_goal(bool json, const struct shoot_goal *goal);

/* The sub-command, its name in argv[0]. => the exit status. */
int bench_shootdown_main(int argc, char **argv);

#endif
