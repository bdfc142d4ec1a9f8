/* SPDX-License-Identifier: MIT */
/*
 * The CPUs of a program, each with a modelled MMU of two entries and two tags, and the memory that they use.
 *
 * A program maps each frame to one page only. An access is one step, behind hipt_translate() and before the CPU serves
 * again; whoever has ended a mapping lets go of its frame in a step of its own. What is cached of the asid used last is
 * used once more just before it is forgotten: for writing, if that is what it allows. At each access:
 *
 *   S1  the frame is still the page's: no verb that ended its mapping has returned. No write comes after a verb that
 *       forbids it has returned, unless one that allows it was not over when that began
 *   S2  none goes to a frame that the page had before another that was accessed, looked up or mapped since
 *
 * S3, at the end: all writes to a frame are in its last write-back, or it is mapped and marked dirty. Who unmaps or
 * remaps a page writes back what is reported dirty, who unmaps a range or retires a space does not want it any more.
 */
#ifndef EXPLORE_CPUS_H
#define EXPLORE_CPUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <hipt/hipt.h>
#include <hipt/mmu.h>

#include "explore/program.h"
#include "explore/world.h"

enum { CPUS_ENTRIES = 2, CPUS_PAGES = 16 };

struct cpus_frame {
    uint8_t writes;  /* so many by CPUs */
    uint8_t saved;   /* of them in the last write-back */
    bool is_gone;    /* the page's no more */
    bool is_dropped; /* nobody wants what it holds */
    bool is_left;    /* an access has gone to another frame of the page since */
};

/* Whose page a frame is. */
struct cpus_owner {
    bool is_known;
    uint8_t asid; /* index of the program's */
    uint8_t vpn;
};

struct cpus_one {
    struct hipt_mmu mmu;
    struct hipt_tlb_entry entries[CPUS_ENTRIES];
    bool is_inside;
    bool is_using;  /* its MMU, what is cached with this tag */
    uint32_t tag;
    int walks;      /* the page that is being translated, whose entry is not used until that has ended; -1: none */
    size_t tags_bytes;
    struct hipt_gather gather; /* of the thread, CPU or not: taken away, to be finished */
    int gathered;              /* the event that did so; -1: none */
};

/* In the host's memory, and restored with it. */
struct cpus {
    size_t bytes;     /* what the CPUs have behind this included */
    unsigned leaving; /* threads that have made all their calls */
    struct cpus_one one[PROGRAM_THREADS_MAX];
    struct cpus_owner owner[WORLD_FRAMES];
    struct cpus_frame frame[WORLD_FRAMES];
    uint8_t newest[WORLD_ASIDS][CPUS_PAGES]; /* by the asid's number: the frame of the last access, plus one */
};

/* Attach the program's CPUs to the world's table, and let them come inside. => false: they cannot be. */
bool cpus_open(const struct program *program, const struct hipt_config *config);

/* Hooks of the host. */
struct hipt_cpu *cpus_this(void *ctx);
void cpus_relax(void *ctx);

/* => all that a thread knows by its CPU and its gather, as a hash. */
uint64_t cpus_hash(unsigned thread);

/* Make a call of a CPU, or one about a gather. */
void cpus_call(struct event *event);

/* After a call: what it has ended is let go, what it has cleaned is written back. */
void cpus_after(const struct event *event);

/* A thread has made all its calls: it owes nobody an acknowledgement any more. */
void cpus_leave(unsigned thread);

/* At the end of an execution: S3. */
void cpus_check_end(void);

#endif
