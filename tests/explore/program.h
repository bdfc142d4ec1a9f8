/* SPDX-License-Identifier: MIT */
/*
 * What an exploration runs: a table of one bucket, calls that fill it, and a few calls for each of up to three threads.
 *
 * As text: "1/2/6 m0.0 u0 | r0.1 | x0" is a table with 1 page size, 2 version bits and 6 sequence bits, prepared by map
 * and unmap of page 0, in which one thread remaps page 0 to frame 1 while another retires the address space. Flags
 * behind the numbers: s, no memory is to be had; n, no grace period ends; N2, the table has two nodes, and spaces begin
 * on node 0; c and digits, these threads are CPUs. Calls, with V a page, F a frame:
 *
 *   mV.F map   uV unmap   lV lookup   pV protect   rV.F remap   dV look up and mark dirty   cV look up and clean
 *   vF reverse   iF pin   oF unpin   g reap   xA retire asid A   aA allocate asid A   nV.N unmap N pages   w walk
 *   hV protect against writing   yV protect against writing, clean, write back, protect as p does
 *   bV.N take N pages away, to be finished later   f finish that
 *
 * And of CPUs; a setup names the CPU behind a dot, or, where there is no page, directly (0 is the default):
 *
 *   tV read through the MMU   sV write through it   jV use what is cached, without looking at what was posted
 *   q go outside   e come inside   k serve   z serve until all others have made their calls
 *
 * Capital M U P R: a page of the second size, which holds four of the first. "A:" before a call: in asid A, not 0. Of
 * these large pages:
 *
 *   SV split   HV.N punch N small pages from small page V on out of the large one   CV collapse
 *
 * And of the table, which begins with one bucket:
 *
 *   GN resize to N buckets, or with another secret to as many as now (0)   BN see to N buckets of a move
 *   NA.N have asid A moved to node N, 9: to both; as far as that can be done now
 */
#ifndef EXPLORE_PROGRAM_H
#define EXPLORE_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PROGRAM_SETUP_MAX = 12, PROGRAM_CALLS_MAX = 8, PROGRAM_THREADS_MAX = 3, PROGRAM_TEXT_MAX = 160,
       PROGRAM_ALL_NODES = 9 };

enum verb {
    VERB_MAP = 0,
    VERB_UNMAP,
    VERB_LOOKUP,
    VERB_PROTECT,
    VERB_REMAP,
    VERB_MARK,
    VERB_CLEAN,
    VERB_REVERSE,
    VERB_PIN,
    VERB_UNPIN,
    VERB_REAP,
    VERB_RETIRE,
    VERB_ALLOC,
    VERB_UNMAP_RANGE,
    VERB_WALK,
    VERB_READ,
    VERB_WRITE,
    VERB_NARROW,
    VERB_CLEANER,
    VERB_EXIT,
    VERB_ENTER,
    VERB_SERVE,
    VERB_CACHED,
    VERB_STAY,
    VERB_GATHER,
    VERB_FINISH,
    VERB_SPLIT,
    VERB_PUNCH,
    VERB_COLLAPSE,
    VERB_RESIZE,
    VERB_MOVE,
    VERB_PLACE,
    VERB_COUNT
};

struct call {
    enum verb verb;
    unsigned asid; /* index of the program's asids, 0 to 3 */
    unsigned size;
    unsigned vpn;
    unsigned pfn; /* or how many pages, of a range, or buckets; or a node */
    unsigned cpu; /* of a setup's calls of CPUs */
};

struct program {
    unsigned sizes;
    unsigned version_bits;
    unsigned sequence_bits;
    bool is_scarce;
    bool is_endless; /* no grace period ends */
    unsigned nodes;  /* 0: nobody knows of any */
    unsigned cpus;   /* threads that are CPUs, a bit each */
    unsigned nthreads;
    unsigned nsetup;
    unsigned ncalls[PROGRAM_THREADS_MAX];
    struct call setup[PROGRAM_SETUP_MAX];
    struct call calls[PROGRAM_THREADS_MAX][PROGRAM_CALLS_MAX];
    char text[PROGRAM_TEXT_MAX];
};

const char *verb_name(enum verb verb);

/* => whether it makes pages of one size of pages of another. */
bool verb_reshapes(enum verb verb);

/* => whether it makes the table move into other buckets, or to another node, or helps it on. */
bool verb_moves(enum verb verb);

/* => false: @text is no program; *wrong is where it stops being one. */
bool program_parse(const char *text, struct program *program, const char **wrong);

/* The text of a program, into its own. => false: it is too long. */
bool program_write(struct program *program);

#endif
