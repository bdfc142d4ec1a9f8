/* SPDX-License-Identifier: MIT */
/*
 * Threads that stand for CPUs: which one the caller is, and how others make it look at what they ask of it.
 *
 * A thread that may be signalled has a seat: one word with its kernel number and its CPU's number. Its accesses are
 * relaxed: the thread goes inside after it has taken the seat, so who finds it inside sees the seat; a signal that is
 * sent late finds a thread without a CPU, or with another one, and does nothing, or looks in vain.
 *
 * Each kick sends a signal. To leave that to another kicker, whose signal may not have been sent yet, would be to wait
 * for that thread. Where the system has no room for one more, it is left out: whoever waits kicks again.
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
