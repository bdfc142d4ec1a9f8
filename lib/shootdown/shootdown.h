/* SPDX-License-Identifier: MIT */
/*
 * Shootdown: whoever has ended a translation makes every CPU forget it. This room knows asids as numbers, CPUs, and
 * ranges of pages; what is unmapped, and why, is not its matter.
 *
 * For each asid there is a space: a generation, which moves with everything that its CPUs have to forget; the last few
 * ranges, by generation; and the set of CPUs that may use the asid. For each CPU there is a line: the newest ticket
 * that was posted to it, the newest that it has served, and whether it is inside (uses its cache). Tickets come from
 * one clock for all asids, so one number tells whether a CPU has acknowledged.
 *
 *   row  who         does                                                by
 *   S1   initiator   ends translations, then moves the generation        fetch-add release [publish:generation]
 *   S2   initiator   writes down what is to be forgotten, if a page      seqlock on the record, see below
 *                    range; who does not find it forgets the asid
 *   S3   initiator   reads the set of CPUs                               RMW acq_rel on the set [observe:set]
 *   S4   initiator   takes a ticket                                      fetch-add acq_rel [publish:clock]
 *   S5   initiator   posts it to each CPU of the set                     CAS seq_cst to the maximum [publish:post]
 *   S6   initiator   kicks those that are inside                         load seq_cst [observe:inside]
 *   S7   initiator   waits until each has served the ticket, is          load acquire [observe:served]
 *                    outside, or has left the set
 *   C1   CPU         comes inside, then looks at what was posted         exchange seq_cst; load seq_cst
 *   C2   CPU         joins the set, then reads the generation            RMW acq_rel on the set [publish:set]
 *   C3   CPU         serves: reads the post, then the generations of     load acquire [observe:post]
 *                    the asids it uses; where one has moved, forgets     load acquire [observe:generation]
 *   C4   CPU         says so                                             store release [publish:served]
 *   C5   CPU         leaves a set after it forgot, or while it does not  fetch-sub release [publish:set]
 *                    use the asid: what is cached then is looked at by
 *                    generation before it is used again (C2)
 *   C6   CPU         goes outside                                        store release [publish:inside]
 *
 * Why it holds. Either S3 comes after C2 on the set's word, and the CPU is asked; or C2 comes after S3, and sees what
 * S1 published, and walks after that. A CPU that is asked either is found inside and waited for; or it comes inside
 * after S6, in the single order of C1, S5 and S6, and then sees the post. A ticket served covers all smaller ones: who
 * took the larger one has acquired what the smaller one's initiator had published (S4), and the CPU acquires both (C3).
 * So a CPU to which a larger ticket is posted already need not be posted to.
 *
 * A kick carries nothing: several shootdowns of one CPU are served by one look at its generations.
 */
#ifndef HIPT_SHOOTDOWN_SHOOTDOWN_H
#define HIPT_SHOOTDOWN_SHOOTDOWN_H

#include <stdbool.h>
#include <stdint.h>

#include <hipt/cpu.h>
#include <hipt/ops.h>
#include <hipt/status.h>
#include <hipt/table.h>

#include "base/atomic.h"
#include "base/bits.h"
#include "reclaim/arena.h"

#define HIPTI_FLUSHES 4u /* ranges of an asid that are remembered */
#define HIPTI_SET_WORDS (HIPT_CPUS_MAX / 64u)

/* Of a space's word: the asid may be used, and what it moves by. */
#define HIPTI_OPEN UINT64_C(1)
#define HIPTI_GENERATION UINT64_C(2)

/*
 * What one generation has to forget. .state is that generation when vpn and npages are of it, with the top bit while
 * they are being written; who finds it so, or of an older generation's writer, does without. Field key: all atomic.
 */
struct hipti_flush {
    HIPTI_ATOMIC(uint64_t) state;
    HIPTI_ATOMIC(uint64_t) vpn;
    HIPTI_ATOMIC(uint64_t) npages;
};

/* Field key: all atomic. Behind it stands the set: a bit for each CPU. */
struct hipti_space {
    HIPTI_ATOMIC(uint64_t) generation; /* times HIPTI_GENERATION; and HIPTI_OPEN */
    HIPTI_ATOMIC(uint64_t) gathers;    /* numbers in use, a bit each */
    HIPTI_ATOMIC(uint64_t) narrowing;  /* protections that are being narrowed */
    struct hipti_flush flush[HIPTI_FLUSHES];
};

/* What other CPUs see of one. Field key: all atomic. */
struct hipti_cpu_line {
    HIPTI_ATOMIC(uint64_t) posted;
    HIPTI_ATOMIC(uint64_t) served;
    HIPTI_ATOMIC(uint32_t) inside;
    HIPTI_ATOMIC(uint32_t) attached;
    unsigned char pad[HIPTI_CACHE_LINE - 24u];
};

/* Field key: all constant, but for clock and kicks, which are atomic, and what the arena says of itself. */
struct hipti_shootdown {
    const struct hipt_ops *ops;
    uint32_t ncpus;               /* 0: no CPU has a cache, nothing below is used */
    uint32_t words;               /* of a set */
    uint64_t flush_max;
    uint64_t slow_after;
    struct hipti_arena spaces;
    struct hipti_cpu_line *lines;
    HIPTI_ALIGNED(64) HIPTI_ATOMIC(uint64_t) clock;
    HIPTI_ATOMIC(uint64_t) kicks;
};

/* => false: no memory. @memory outlives it. */
bool hipti_shootdown_init(struct hipti_shootdown *shootdown, const struct hipti_memory *memory,
                          const struct hipt_config *config);
void hipti_shootdown_end(struct hipti_shootdown *shootdown);

/* Have the space of an asid. => false: no memory. */
bool hipti_space_prepare(struct hipti_shootdown *shootdown, uint32_t asid);

/* Let CPUs use an asid that is closed; the only one who does so. What they had of it before is forgotten. */
void hipti_space_open(struct hipti_shootdown *shootdown, uint32_t asid);

/* Where there are CPUs: none may use it any more. To be followed by a dispatch: after that round, none does. */
void hipti_space_close(struct hipti_shootdown *shootdown, uint32_t asid);

/* => the space of an asid that was prepared, or NULL. */
struct hipti_space *hipti_space_find(const struct hipti_shootdown *shootdown, uint32_t asid);

/* The translations of some base pages of an asid have ended, or allow less (S1, S2). */
void hipti_shootdown_add(struct hipti_shootdown *shootdown, uint32_t asid, uint64_t vpn, uint64_t npages);

/* Ask the asid's CPUs (S3 to S6). => the ticket; 0: there are none. */
uint64_t hipti_shootdown_dispatch(struct hipti_shootdown *shootdown, uint32_t asid);

/*
 * => whether all of them have acknowledged (S7). The caller's own CPU serves, unless it is masked. @look counts the
 * looks for this ticket; now and then one kicks again whom it waits for.
 */
bool hipti_shootdown_poll(struct hipti_shootdown *shootdown, uint32_t asid, uint64_t ticket, unsigned look);

/* Tell the host of those that have not, if @since is long ago. => whether it has been told. */
bool hipti_shootdown_report(struct hipti_shootdown *shootdown, uint32_t asid, uint64_t ticket, uint64_t since);

/* Wait until then. */
void hipti_shootdown_wait(struct hipti_shootdown *shootdown, uint32_t asid, uint64_t ticket);

/* Ask the asid's CPUs, and wait for them. */
void hipti_shootdown_round(struct hipti_shootdown *shootdown, uint32_t asid);

/* => whether the caller may wait. */
bool hipti_shootdown_can_wait(const struct hipti_shootdown *shootdown);

/* A number for a gather of an asid. => 0: all are in use. */
unsigned hipti_gather_take(struct hipti_space *space);
void hipti_gather_give(struct hipti_space *space, unsigned number);

static inline HIPTI_ATOMIC(uint64_t) *hipti_space_set(struct hipti_space *space)
{
    return (HIPTI_ATOMIC(uint64_t) *)(void *)(space + 1);
}

enum hipt_status hipti_cpu_attach(struct hipti_shootdown *shootdown, struct hipt_cpu *cpu,
                                  const struct hipt_cpu_config *config);

#endif
