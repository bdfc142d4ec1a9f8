/* SPDX-License-Identifier: MIT */
/*
 * The user-space port: memory from anonymous mappings (huge pages where the kernel gives them), bound to a NUMA node
 * on request, randomness from the kernel, and grace periods from liburcu or from Concurrency Kit.
 *
 * Threads need no registration: the first read side of a thread registers it, its end takes it out again.
 *
 * A thread may stand for a CPU (cpu.h): it says so with hipt_user_cpu(). The port also has a clock, in nanoseconds, and
 * a line on stderr for a CPU that does not acknowledge; who wants something else copies the hooks and sets its own.
 *
 *     hipt_user_create -> hipt_user_deliver, if CPUs are not to poll -> hipt_user_ops -> hipt_table_create
 *     in a thread: hipt_cpu_attach -> hipt_user_cpu -> enter ... exit -> hipt_user_cpu(NULL) -> hipt_cpu_detach
 */
#ifndef HIPT_USER_H
#define HIPT_USER_H

#include <hipt/ops.h>
#include <hipt/status.h>

#ifdef __cplusplus
extern "C" {
#endif

struct hipt_user; /* opaque: one port, shared by any number of tables */

enum hipt_user_grace {
    HIPT_USER_URCU = 0, /* liburcu, the default */
    HIPT_USER_CK        /* Concurrency Kit's ck_epoch */
};

/* How a CPU learns that it is asked for something. */
enum hipt_user_delivery {
    HIPT_USER_POLL = 0,  /* it looks: hipt_cpu_serve(), and every verb that waits */
    HIPT_USER_SIGNAL,    /* a real-time signal interrupts its thread; where it reads a translation and uses it without
                            looking again, it holds that off with hipt_cpu_mask() */
    HIPT_USER_MEMBARRIER /* it looks; hipt_cpu_enter() and _exit() cost two stores, a shootdown a membarrier(): for CPUs
                            that enter and exit around each access */
};

struct hipt_cpu;

/**
 * hipt_user_create() - Make the hooks of a user-space host.
 * @grace: where grace periods come from.
 * @user:  receives the port on OK, NULL otherwise.
 *
 * Shape:    O(1); starts one thread, which sleeps while nobody asks for a grace period.
 * Progress: blocking, on thread creation.
 * Order:    none.
 * Context:  may sleep.
 * Owns:     the caller owns the port until hipt_user_destroy().
 * Errors:   HIPT_NOMEM: memory or the thread was not to be had; HIPT_BAD_OPS: @grace is none of the above.
 * Upholds:  nothing beyond its text.
 */
enum hipt_status hipt_user_create(enum hipt_user_grace grace, struct hipt_user **user);

/**
 * hipt_user_destroy() - End a port.
 * @user: to destroy; NULL is allowed. No table uses it any more and no read side is open.
 *
 * Shape:    O(1) and one grace period at most.
 * Progress: blocking, on the grace-period thread.
 * Order:    none.
 * Context:  may sleep; outside a read side.
 * Owns:     takes @user.
 * Errors:   none.
 * Upholds:  nothing beyond its text.
 */
void hipt_user_destroy(struct hipt_user *user);

/**
 * hipt_user_ops() - The hooks, to be set in a configuration.
 * @user: port.
 *
 * Shape:    O(1).
 * Progress: wait-free.
 * Order:    none.
 * Context:  any.
 * Owns:     nothing; valid until hipt_user_destroy().
 * Errors:   none.
 * Upholds:  nothing beyond its text.
 */
const struct hipt_ops *hipt_user_ops(const struct hipt_user *user);

/**
 * hipt_user_bytes() - How much memory the port's alloc hook has given out and not got back.
 * @user: port.
 *
 * Shape:    O(1).
 * Progress: wait-free.
 * Order:    none.
 * Context:  any.
 * Owns:     nothing.
 * Errors:   none.
 * Upholds:  nothing beyond its text.
 */
size_t hipt_user_bytes(const struct hipt_user *user);

/**
 * hipt_user_huge_bytes() - How much of that can lie in huge pages: the kernel gives them where it has some.
 * @user: port.
 *
 * Shape:    O(1). Blocks of 64 KiB and more are asked for so; smaller ones come from the heap.
 * Progress: wait-free.
 * Order:    none.
 * Context:  any.
 * Owns:     nothing.
 * Errors:   0 where the kernel has no huge pages, or had them switched off when the port was made: then all memory is
 *           in its base pages, and a table is slower for it.
 * Upholds:  nothing beyond its text.
 */
size_t hipt_user_huge_bytes(const struct hipt_user *user);

/**
 * hipt_user_deliver() - Choose how CPUs learn what they are asked for; they poll if nothing is chosen.
 * @user:      port; no table has been made with its hooks yet.
 * @delivery:  see above.
 * @interrupt: HIPT_USER_SIGNAL: what a signalled thread calls, which is hipt_cpu_interrupt(); else not used.
 *
 * Shape:    O(1), a few system calls.
 * Progress: wait-free.
 * Order:    none.
 * Context:  one thread at a time.
 * Owns:     HIPT_USER_SIGNAL: takes the highest real-time signal that has no handler, for as long as the process lives.
 * Errors:   HIPT_BAD_MODE: no such delivery, no @interrupt, the program uses all real-time signals, or the kernel has
 *           no private expedited membarrier(). On every error nothing has changed.
 * Upholds:  nothing beyond its text.
 */
enum hipt_status hipt_user_deliver(struct hipt_user *user, enum hipt_user_delivery delivery,
                                   void (*interrupt)(struct hipt_cpu *cpu));

/**
 * hipt_user_cpu() - The calling thread stands for a CPU from here on.
 * @user: port of the CPU's table.
 * @cpu:  attached and outside; or NULL: it stands for none any more, to be said before hipt_cpu_detach() and before the
 *        thread ends.
 *
 * Shape:    O(1); with HIPT_USER_SIGNAL O(threads that stand for CPUs), and its signal is let in meanwhile. One that
 *           comes too late does nothing.
 * Progress: lock-free; retries only because another thread took a place.
 * Order:    none.
 * Context:  any thread; not signal-safe.
 * Owns:     the caller keeps @cpu.
 * Errors:   HIPT_FULL: HIPT_CPUS_MAX threads stand for CPUs of this port; the caller then stands for none.
 * Upholds:  S1.
 */
enum hipt_status hipt_user_cpu(struct hipt_user *user, struct hipt_cpu *cpu);

#ifdef __cplusplus
}
#endif
#endif
