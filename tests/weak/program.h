/* SPDX-License-Identifier: MIT */
/* What is explored: small programs of two to four threads over one table. */
#ifndef HIPT_TESTS_WEAK_PROGRAM_H
#define HIPT_TESTS_WEAK_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>

#include "weak/crew.h"

#define PROGRAM_SETUP 24u
#define PROGRAM_OPS 8u
#define PROGRAM_VPNS 16u
#define PROGRAM_FRAMES 16u
#define PROGRAM_ASIDS 4u

enum kind {
    NOTHING = 0, /* ends a list */
    MAP,
    UNMAP,
    PROTECT,
    REMAP,
    LOOKUP,
    MARK, /* through the thread's last lookup */
    CLEAN,
    PIN,
    UNPIN,
    REAP,
    RETIRE,
    ALLOC,
    ENTER,
    EXIT,
    REVERSE,
    NEXT,
    GET,   /* a frame's state */
    STATS,
    READ,   /* an access of the thread's CPU; in a setup of CPU number .pfn, also the four below */
    WRITE,
    SERVE,
    INSIDE,
    OUTSIDE,
    KICKED, /* serve when kicked, until all others have made their operations; the last one */
    ATTACH, /* CPU number .pfn */
    DETACH,
    RANGE,  /* unmap .pfn pages; those behind the first are no pages of the program, unless keys are narrow */
    GATHER, /* take .pfn pages away, HIPT_DEFERRED */
    FINISH, /* that */
    SPLIT,    /* the larger page into its four */
    COLLAPSE, /* four pages into the larger one */
    RESIZE,   /* to .pfn buckets; 0: to as many, with another secret */
    MOVE,     /* see to .pfn buckets of it */
    PLACE,    /* have the asid moved to node .pfn, as far as can be done now */
    KINDS
};

/* One operation. Asids are indices: 0 and 1 are issued before the setup, the others by ALLOC. */
struct op {
    enum kind kind;
    unsigned asid;
    unsigned size;
    unsigned vpn;
    unsigned pfn;
    unsigned prot; /* or marks */
};

#define REFUSING 1u /* no memory while the threads run */
#define CPUS(n) ((n) << 8) /* the table has so many, and as many threads are one each, attached and inside */
#define STALER(n) ((n) << 4) /* so many stale loads more than the others: what it shows takes as many */
#define UNISSUED 2u /* no asid is issued before the setup; asids 0 and 1 are the numbers 0 and 1 all the same */

#define NODES 4u /* the table has two nodes, and spaces begin on node 0 */

struct weak_program {
    const char *name;
    unsigned sizes; /* size classes: 4 KiB, 16 KiB, 64 KiB */
    unsigned version_bits;
    unsigned sequence_bits;
    unsigned flags;   /* REFUSING, UNISSUED, NODES, CPUS(), STALER() */
    unsigned lighter; /* so many preemptions fewer than the others: it is long */
    struct op setup[PROGRAM_SETUP];
    struct op thread[CREW_THREADS][PROGRAM_OPS];
};

extern const struct weak_program programs[];
extern const size_t nprograms;

/* A program that shows what an order in a function is for. Several may stand for one function. */
struct purpose {
    const char *function;
    const char *program;
};

extern const struct purpose purposes[];
extern const size_t npurposes;

/* => a purpose whose program there is not, or NULL. */
const struct purpose *purpose_lost(void);

const char *kind_name(enum kind kind);

#endif
