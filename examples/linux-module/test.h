/* SPDX-License-Identifier: MIT */
/*
 * A test of S1 and R1 in a kernel. Every frame is a page of memory that carries a stamp: which virtual page it belongs
 * to, and which of that page's generations. Every access goes through a CPU's translation cache, and looks at the stamp
 * of the frame that it came to. Who ends a mapping rewrites the stamp as soon as the verb has returned, and the frame
 * serves another page; a frame that is not pinned is rewritten by whoever reaps it, after a grace period. A wrong
 * stamp, or one of a generation that had ended before the access began, is a stale translation.
 */
#ifndef HIPT_TEST_H
#define HIPT_TEST_H

#include <linux/cache.h>
#include <linux/numa.h>
#include <linux/spinlock.h>

#include "tlb.h"

#define ASIDS 6u
#define PAGES 24u
#define FRAMES_ORDER 8u /* of a node's frames */
#define FRAMES_MAX (MAX_NUMNODES << FRAMES_ORDER)
#define GATHERED 4u     /* pages of a gather */

enum broken { BROKEN_NOTHING, BROKEN_OWNER, BROKEN_GENERATION, BROKEN_NARROW, BROKEN_READER, BROKEN_VERB };

/* A virtual page. Who has the lock updates it. Field key: at constant; lock and ended atomic; the rest the lock's. */
struct target {
    struct hipt_page at;
    unsigned long lock;
    u64 generation;  /* of the mapping, or the last one */
    u64 ended;       /* up to here they have ended */
    u64 pfn;
    bool is_mapped;
} ____cacheline_aligned;

/* What a frame holds. Only hipt orders its uses. */
struct contents {
    u64 owner;      /* asid and vpn, plus one; 0: nobody */
    u64 generation;
    u64 word[];     /* one that each CPU writes */
};

/* Frames that nobody uses. */
struct pool {
    spinlock_t lock;
    unsigned count;
    unsigned total;
    u64 *pfn;       /* room for all of them */
};

/* What was found wrong first. */
struct finding {
    unsigned cpu;
    struct hipt_page at;
    u64 pfn;
    u64 owner;
    u64 generation;
    u64 ended;
    enum hipt_status status;
};

struct counts {
    u64 accesses;
    u64 writes;
    u64 maps;
    u64 atomic_maps; /* with interrupts off */
    u64 unmaps;
    u64 remaps;
    u64 gathered;    /* pages unmapped by gathers that interrupts were off for */
    u64 narrowed;
    u64 refused;     /* unmaps, because the caller could not wait */
    u64 reaped;
    u64 reads;       /* of a frame inside a read side, without a cache */
    u64 hits;
    u64 walks;
    u64 flushes;
};

#define COUNTS (sizeof(struct counts) / sizeof(u64))

struct test {
    struct hipt_linux port;
    struct hipt_table *table;
    struct hipt_asid asid[ASIDS];
    struct pool pool;
    struct target target[ASIDS][PAGES];
    struct counts total;     /* of threads that have ended */
    spinlock_t total_lock;
    unsigned long broken;    /* enum broken */
    struct finding finding;  /* of who set it */
    u64 seed;
    atomic_t arrivals;       /* of CPUs */
    bool no_kick;
};

/* A thread that works: on one CPU, whose cache it uses, or (is_roaming) anywhere without one. */
struct worker {
    struct test *test;
    struct task_struct *task;
    unsigned number;         /* of the CPU; of none: nr_cpu_ids */
    bool is_roaming;
    u64 random;
    struct counts counts;
    struct tlb tlb;
};

u32 draw(struct worker *worker, u32 below);

/* For a number of turns, at random. */
void spin(struct worker *worker, u32 below);

/* Say what is wrong. The first finding counts. */
void break_test(struct test *test, enum broken broken, const struct finding *finding);
bool is_broken(struct test *test);
void print_finding(struct test *test);

/* --- check.c */

/* Every hook does what ops.h asks for; says what does not. Alone, before there is a table. */
bool port_is_sound(struct hipt_linux *port);

/* --- frames.c */

struct contents *contents_of(u64 pfn);

/* Every other frame is pinned: it may be used again at once. */
bool is_pinned(u64 pfn);

/* Memory, a range for each node; and its frames into the pool. They are given back with the table gone. */
int frames_init(struct test *test, struct hipt_range *ranges, struct hipt_node_range *node_ranges, size_t *count);
enum hipt_status frames_pin(struct test *test);
void frames_unpin(struct test *test);
void frames_end(struct test *test);

/* The one that was kept last, or any. => false: there is none. */
bool frame_take(struct worker *worker, u64 *pfn);
void frame_keep(struct test *test, u64 pfn);
void frame_stamp(u64 pfn, u64 owner, u64 generation);

/* Frames whose grace period is over go to the pool. => how many. */
unsigned frames_reap(struct test *test);

/* --- targets.c: one step of a worker, at random */

void step(struct worker *worker);

/* Alone: nothing is mapped then. */
void unmap_all(struct test *test);

/* --- workers.c */

/* One thread for each CPU, and for each that comes online later. => 0 or -errno. One test at a time. */
int workers_start(struct test *test);
void workers_stop(void);

/* => NULL: there is no memory. */
struct worker *roamer_start(struct test *test);
void roamer_stop(struct worker *worker);

#endif
