/* SPDX-License-Identifier: MIT */
/*
 * A list of numbered things to be used again, each only after a grace period.
 *
 * What is given back goes to a list of returned ones. Once in a while these are moved, all together, to a list that
 * waits for a grace period, and from there to the list that is handed out. So hipt keeps its deferred frees itself, in
 * memory that the things already have, and asks the host for nothing but grace periods.
 *
 *   list      who pushes                   who pops
 *   returned  any thread, one at a time    the mover, all at once
 *   waiting   the mover                    the mover
 *   free      the mover, all at once       any thread, one at a time
 *
 * There is no ABA: a pop runs inside a read side, and what it popped can stand at the head again only after it was
 * returned and a grace period passed, which does not end before that read side does. This is also why one mover is
 * enough for lock-freedom: a mover that is stopped is inside a read side, and then nothing could be reclaimed anyway.
 */
#ifndef HIPT_RECLAIM_FREELIST_H
#define HIPT_RECLAIM_FREELIST_H

#include <stdbool.h>
#include <stdint.h>

#include <hipt/ops.h>

#include "base/atomic.h"

#define HIPTI_NONE UINT32_C(0) /* things are numbered from 1 */

/* Where the link of thing @number is kept, while it is on a list. */
struct hipti_links {
    uint32_t (*get)(void *owner, uint32_t number);
    void (*set)(void *owner, uint32_t number, uint32_t next);
};

/* Field key: a atomic, m only the thread that holds .moving. */
struct hipti_freelist {
    HIPTI_ATOMIC(uint32_t) free;     /* a: head */
    HIPTI_ATOMIC(uint32_t) returned; /* a: head */
    HIPTI_ATOMIC(uint32_t) moving;   /* a: 1 while a thread moves lists */
    HIPTI_ATOMIC(uint32_t) waiting;  /* m: head; a: for hipti_freelist_is_waiting() */
    uint64_t cookie;                 /* m: the grace period that .waiting waits for */
};

/* Take a thing that nobody can still be looking at. Inside a read side. => its number, or HIPTI_NONE. */
uint32_t hipti_freelist_pop(struct hipti_freelist *list, const struct hipti_links *links, void *owner,
                            const struct hipt_ops *ops);

/* => whether things are there that nobody has, or a mover: they wait for a grace period, or can be had by now. */
bool hipti_freelist_is_waiting(struct hipti_freelist *list);

/* Give a thing back that readers may still be looking at. => the caller has unhooked it from everything else. */
void hipti_freelist_push(struct hipti_freelist *list, const struct hipti_links *links, void *owner, uint32_t number);

#endif
