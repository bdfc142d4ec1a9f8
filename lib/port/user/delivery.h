/* SPDX-License-Identifier: MIT */
/*
 * Threads that stand for CPUs: which one the caller is, and how others make it look at what they ask of it.
 *
 * A thread that may be signalled has a seat: one word with its kernel number, its CPU's number, and whether a signal is
 * on its way.
 *
 *   word  from -> to          by        order    why
 *   seat  free -> taken       thread    relaxed  the thread goes inside afterwards; who finds it there sees the seat
 *         any -> with KICKED  kicker    acq_rel  what was asked precedes the look at it           [publish:kick]
 *         KICKED -> without   handler   acq_rel  ... which comes after this                       [observe:kick]
 *         taken -> free       thread    relaxed  a signal sent late finds a thread without a CPU, and does nothing
 *
 * So at most one signal for each thread is pending, however many kicks there are. Who finds KICKED set sends none: the
 * handler clears it first and looks at what was asked afterwards.
 */
#ifndef HIPT_PORT_USER_DELIVERY_H
#define HIPT_PORT_USER_DELIVERY_H

#include <stdbool.h>
#include <stdint.h>

#include <hipt/cpu.h>
#include <hipt/status.h>
#include <hipt/table.h>

#include "base/atomic.h"

struct hipti_delivery {
    void (*interrupt)(struct hipt_cpu *cpu); /* constant while threads stand for CPUs; NULL: they are not signalled */
    HIPTI_ATOMIC(uint32_t) nseats;           /* atomic: seats ever taken */
    HIPTI_ATOMIC(uint64_t) seat[HIPT_CPUS_MAX]; /* atomic */
};

void hipti_delivery_open(struct hipti_delivery *delivery);

/* Have a signal. => false: the program uses all that there are. */
bool hipti_delivery_signal(void);

/* Have membarrier(). => false: the kernel has it not. */
bool hipti_delivery_membarrier(void);

/* The calling thread stands for @cpu, or, NULL, for none. => HIPT_OK; HIPT_FULL: no seat is free. */
enum hipt_status hipti_delivery_cpu(struct hipti_delivery *delivery, struct hipt_cpu *cpu);

/* Send a signal to the threads that stand for the CPUs of a set. */
void hipti_delivery_kick(struct hipti_delivery *delivery, const uint64_t *set, unsigned words);

/* Hooks that need nothing of the port; @ctx is not used. */
struct hipt_cpu *hipti_delivery_this_cpu(void *ctx);
void hipti_delivery_barrier(void *ctx);
void hipti_delivery_relax(void *ctx);
uint64_t hipti_delivery_clock(void *ctx);
void hipti_delivery_slow(void *ctx, uint32_t cpu, uint64_t posted, uint64_t served);

#endif
