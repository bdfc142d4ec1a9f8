/* SPDX-License-Identifier: MIT */
/*
 * The kernel: what its parts know of each other.
 *
 *   main.c     how the machine begins and ends
 *   work.c     address spaces and what is done in them; the oracle
 *   kernel.c   exceptions: TLB refills, modified pages, page faults, interrupts
 *   pager.c    frames: who has them, who has to give one back, what is in which
 *   port.c     what hipt is given: memory, grace periods, this processor, kicks, its TLB
 *   machine.c  registers and devices
 */
#ifndef KERNEL_H
#define KERNEL_H

#include <stdatomic.h>

#include "hipt.h"
#include "hipt_port.h"
#include "machine.h"

#define SPACES 8u    /* address spaces at a time, shared by all processors */
#define PAGES 20u    /* of each */
#define FRAMES 64u   /* for all of them */
#define WORDS 8u     /* of a page that are used: its stamp, a counter for each processor, nothing */
#define STOCK 4u     /* frames that a processor keeps at hand */
#define ASID_BITS 5u /* numbers that hipt gives out, and ... */
#define TAG_BITS 3u  /* ... of the ten bits in EntryHi those that are used, so that they run out often */
#define FLUSH_MAX 8u /* pages that are forgotten one by one */
#define TICK 8000u   /* of the processor's timer: 50 us, on average */
#define USER_VPN (UINT64_C(0x1234560000) >> PAGE_SHIFT) /* of a space's first page */

/* Field key: .held atomic. */
struct lock {
    _Atomic uint32_t held;
};

/* An address space. Field key: .life atomic, changed under the lock; what is stored under the lock. */
struct space {
    struct lock lock;
    _Atomic uint64_t life;        /* its asid, number and generation; 0: it has none */
    uint64_t store[PAGES][WORDS]; /* the pages that are in no frame: the disk */
};

struct counts {
    uint64_t loads, stores, killed;
    uint64_t refills, invalid, modified, faults;
    uint64_t evictions, written_back, second_chances;
    uint64_t kicks_sent, kicks_taken, answered_waiting, ticks, pauses;
    uint64_t ended, flushed_pages, flushed_tags, flushed_all;
};

/* A virtual processor. Field key: its own only. */
struct vp {
    struct hipt_cpu cpu;
    bool is_attached;
    unsigned number;
    volatile bool is_user;         /* at work in a space: nothing of the kernel's is under way */
    volatile bool is_waiting;      /* for a lock, a grace period, or others' answers */
    uint64_t random;
    struct space *space;           /* the one it is in, and ... */
    uint64_t life;                 /* ... which life of it */
    uint64_t used;                 /* what it had served when it became one of the asid's processors, ... */
    uint32_t tag;                  /* ... under this tag */
    struct hipt_frame stock[STOCK];
    size_t nstock;
    uint64_t counted[SPACES][PAGES]; /* what the counters of this processor must be, ... */
    uint64_t counted_life[SPACES];   /* ... in that life */
    struct counts counts;
};

/* What is left out, to see that it is missed (README.md). */
struct options {
    uint64_t seed;
    uint64_t turns;
    bool no_shootdowns; /* processors never say that they use their TLBs: nobody asks them, nobody waits */
    bool no_flushes;    /* they are asked, and answer, and forget nothing */
    bool no_rollover;   /* tags are given out anew, and the TLB keeps what it has of their last asids */
    bool no_dirty;      /* pages are made writable and not marked dirty */
    bool no_answers;    /* who waits for a lock has interrupts off */
};

extern struct hipt_table *table;
extern struct space spaces[SPACES];
extern struct vp vps[VPS];
extern struct options options;
extern uint64_t frames_first;

/* This processor: whoever begins in start.S sets it. */
register struct vp *self __asm__("$28");

/* main.c */
uint64_t random_next(uint64_t *state);
void report_begin(void); /* of the failure that ends the run */
_Noreturn void report_end(const char *what, uint64_t number);
_Noreturn void fail(const char *what, uint64_t number);

/* work.c */
void work_turn(void);
void space_begin(struct space *space); /* a life of it; its lock is held, or nobody else is there */
void space_end(struct space *space);
struct space *space_of(uint32_t asid); /* the one that had it last */
bool space_is_asid(const struct space *space, uint32_t asid);

static inline uint32_t life_asid(uint64_t life)
{
    return (uint32_t)(life >> 32);
}

/* kernel.c */
bool user_load(uint64_t address, uint64_t *value);
bool user_store(uint64_t address, uint64_t value);
bool kernel_switch(struct space *space, uint64_t life); /* => false: that life of it is over */

/* pager.c */
/* Get a page into a frame. => false: that life of the space is over, or there is no such page. */
bool page_in(struct space *space, uint64_t life, uint64_t vpn);
size_t frames_count(void); /* that nobody has: at the end */

/* port.c */
bool lock_try(struct lock *lock);
void lock_take(struct lock *lock); /* inside no verb: quiescent states are passed by */
void lock_give(struct lock *lock);
const struct hipt_ops *port_start(uint64_t first, uint64_t end);
extern const struct hipt_cache port_cache;
void port_quiescent(void);
void port_pause(void); /* let others run, and, where interrupts are on, answer them */
void port_wait(void);  /* the same, and a quiescent state */
uint64_t port_memory_used(void);

#endif
