/* SPDX-License-Identifier: MIT */
/*
 * The user-space port: memory from anonymous mappings (huge pages where the kernel gives them), bound to a NUMA node
 * on request, randomness from the kernel, and grace periods from liburcu or from Concurrency Kit.
 *
 * The nodes are the machine's (those numbered below HIPT_NODES_MAX), or made up by a text: then memory is not bound,
 * but counted, and limited on request, as if it were. So what is to happen on four nodes can be tried on one.
 *
 * Threads need no registration: the first read side of a thread registers it, its end takes it out again.
 *
 * A thread runs on the node of the machine's CPU that it is on, or, where nodes are made up, of the CPU that it stands
 * for; address spaces begin there (asid.h).
 *
 * A thread may stand for a CPU (cpu.h), for one at a time: it says so with hipt_user_cpu(). The port also has a clock,
 * in nanoseconds, and a line on stderr for a CPU that does not acknowledge; who wants something else copies the hooks
 * and sets its own.
 *
 * Its memory comes from the C library, and under locks: a thread that is stopped there holds up others that want memory
 * or give some back, and no verb that may do so is signal-safe (map.h). A thread's first read side takes a lock, too.
 * After fork() a child uses no port, neither one from before nor a new one, until it has called exec(): grace periods
 * would wait for threads that it does not have.
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
    HIPT_USER_URCU = 0, /* liburcu, the default: a grace period takes ten milliseconds and more */
    HIPT_USER_CK        /* Concurrency Kit's ck_epoch: shorter ones, for whoever waits for frames, as pagers do */
};

/* How a CPU learns that it is asked for something. */
enum hipt_user_delivery {
    HIPT_USER_POLL = 0,  /* it looks: hipt_cpu_serve(), and every verb that waits */
    HIPT_USER_SIGNAL,    /* a real-time signal interrupts its thread; where it reads a translation and uses it without
                            looking again, it holds that off with hipt_cpu_mask(). While the user's queue of signals is
                            full (RLIMIT_SIGPENDING) none comes, and who waits for the CPU sends it again */
    HIPT_USER_MEMBARRIER /* it looks; hipt_cpu_enter() and _exit() cost two stores, a shootdown a membarrier(): for CPUs
                            that enter and exit around each access */
};

struct hipt_cpu;
struct hipt_topology;

/**
 * hipt_user_create() - Make the hooks of a user-space host.
 * @grace: where grace periods come from.
 * @user:  receives the port on OK, NULL otherwise.
 *
 * Shape:    O(1), and O(memory blocks of the machine) for its nodes; starts one thread, which sleeps while nobody asks
 *           for a grace period.
 * Progress: blocking, on thread creation and the file system.
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
 * hipt_user_topology() - Choose the port's nodes, and describe them as a configuration needs it (topology.h).
 * @user:     port; the machine's nodes are its nodes until something else is chosen.
 * @text:     "" for the machine's nodes; NULL for what the environment variable HIPT_TOPOLOGY says, the machine's where
 *            it is empty or missing. Else made-up ones: NODESxCPUS, as in 4x2, for so many nodes with so many CPUs
 *            each; or words between spaces, nodes= first, the others as needed:
 *                nodes=3                                 how many
 *                cpus=0-1+8,2,-                          for each node its CPUs: runs joined by +, or - for none
 *                distance=10,20,30,20,10,20,30,20,10     row by row, as in ACPI's SLIT; else 20 between two nodes
 *                pfns=0-99,100-199+300-399,-             for each node its frames, as its CPUs
 *            Nodes have memory where they have frames; all have, where there are no frames.
 * @topology: receives the description on OK. Its frames are the machine's, in pages of the kernel's size; who has a
 *            numbering of its own puts its own ranges there.
 * @error:    receives one line that names the column and the bound, or what is there and what could be; empty on OK.
 * @bytes:    room in @error, the terminating zero included; a longer line is cut; 0: @error may be NULL.
 *
 * Shape:    O(length of @text + ranges^2); of the machine: O(memory blocks), a few files for each node. What is beyond
 *           HIPT_NODES_MAX nodes, HIPT_CPUS_MAX CPUs or 1024 ranges of the machine is left out; of a text, refused.
 * Progress: blocking, on the file system.
 * Order:    none.
 * Context:  one thread at a time; no block of the port is out.
 * Owns:     the port owns what @topology points to, until the next call or hipt_user_destroy().
 * Errors:   HIPT_BAD_TEXT; HIPT_BUSY: memory of the port is given out. On every error nothing has changed. What is not
 *           refused here passes hipt_topology_check().
 * Upholds:  nothing beyond its text.
 */
enum hipt_status hipt_user_topology(struct hipt_user *user, const char *text, struct hipt_topology *topology,
                                    char *error, size_t bytes);

/**
 * hipt_user_limit() - Let the port give out so much memory of a node, and no more.
 * @user:  port.
 * @node:  one of its nodes.
 * @bytes: at most; SIZE_MAX for no limit, which is what holds until something else is said. May be less than is given
 *         out: then nothing is added.
 *
 * Shape:    O(1). Beyond it ops->alloc takes the nearest node that has room, and ops->alloc_strict gives nothing.
 * Progress: blocking, on a lock held for short.
 * Order:    none.
 * Context:  any thread; not signal-safe.
 * Owns:     nothing.
 * Errors:   HIPT_BAD_NODE.
 * Upholds:  nothing beyond its text.
 */
enum hipt_status hipt_user_limit(struct hipt_user *user, int node, size_t bytes);

/**
 * hipt_user_node_bytes() - How much of hipt_user_bytes() counts on a node; what was asked for nowhere counts on none.
 * @user: port.
 * @node: node.
 *
 * Shape:    O(1). A block counts on the node that the port chose. If the nodes are real, a strict block lies there; the
 *           kernel may put pages of another elsewhere when the node is full, and that is not seen here.
 * Progress: blocking, on a lock held for short.
 * Order:    none.
 * Context:  any thread; not signal-safe.
 * Owns:     nothing.
 * Errors:   0 for a node that there is not.
 * Upholds:  nothing beyond its text.
 */
size_t hipt_user_node_bytes(struct hipt_user *user, int node);

/**
 * hipt_user_node_of() - The node that memory of the port counts on.
 * @user:    port.
 * @address: anything, also in the middle of a block.
 *
 * Shape:    O(log blocks).
 * Progress: blocking, on a lock held for short.
 * Order:    none.
 * Context:  any thread; not signal-safe.
 * Owns:     nothing.
 * Errors:   HIPT_ANY_NODE: the port has not given it out, or for no node.
 * Upholds:  nothing beyond its text.
 */
int hipt_user_node_of(struct hipt_user *user, const void *address);

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
 * hipt_user_cpu() - The calling thread stands for a CPU from here on, and for no other, of this port or another one.
 * @user: port of the CPU's table.
 * @cpu:  attached and outside, as is the one that it has stood for; or NULL: it stands for none any more, to be said
 *        before hipt_cpu_detach() and before the thread ends.
 *
 * Shape:    O(1); with HIPT_USER_SIGNAL O(threads that stand for CPUs), and its signal is let in meanwhile. One that
 *           comes too late does nothing but interrupt a system call of the thread that waits.
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
