/* SPDX-License-Identifier: MIT */
/*
 * CPUs of a rig that are driven by one thread, with caches that only write down what they are told to forget, and the
 * hooks of the host that shootdowns use: what would happen beside a wait happens in its turns.
 */
#ifndef TEST_SUPPORT_CPUS_H
#define TEST_SUPPORT_CPUS_H

#include <hipt/cpu.h>

#include "support/rig.h"

enum { CPUS = 4, CPUS_LOG = 64, CPUS_EVERYTHING = -1 };

/* One call of a cache's hook. A range has npages > 0; a tag has 0; all is CPUS_EVERYTHING as a tag. */
struct cpus_flush {
    int64_t tag;
    uint64_t vpn;
    uint64_t npages;
};

struct cpus_cpu {
    struct hipt_cpu cpu;
    struct cpus_flush log[CPUS_LOG];
    unsigned count;
};

/* Field key: the test's own thread only. */
struct cpus {
    struct cpus_cpu cpu[CPUS];
    struct hipt_cpu *self;  /* what this_cpu answers */
    bool cannot_wait;
    void (*turn)(void);     /* runs in each turn of a wait; NULL: a wait is a failure of the test */
    unsigned turns;
    uint64_t kicked;        /* CPUs, a bit each */
    unsigned kicks;
    unsigned barriers;
    uint64_t now;           /* the clock */
    unsigned slow;          /* reports */
    uint32_t slow_cpu;
    uint64_t slow_posted;
    uint64_t slow_served;
};

extern struct cpus cpus;

/* A rig whose table may have CPUS CPUs, with all hooks but barrier; not created yet. */
void cpus_init(struct rig *rig);

/* Attach CPU @number, with tags of @tag_bits. It is outside. */
void cpus_attach(struct rig *rig, uint32_t number, unsigned tag_bits);

/* => the tag by which CPU @number, inside, knows an asid. */
uint32_t cpus_use(uint32_t number, uint32_t asid);

/* Let every CPU in @set serve, a bit each. */
void cpus_serve(uint64_t set);

/* => the rounds of acknowledgements since the table was made. */
uint64_t cpus_rounds(struct rig *rig);

/* All CPUs go outside and are detached. */
void cpus_detach_all(void);

/* => whether CPU @number was told nothing but this since it was last asked. */
bool cpus_told(uint32_t number, int64_t tag, uint64_t vpn, uint64_t npages);
bool cpus_told_nothing(uint32_t number);

#endif
