/* SPDX-License-Identifier: MIT */
/*
 * A port of hipt to Linux: struct hipt_ops over the kernel's memory, RCU and inter-processor interrupts. hipt_machine.h
 * is its other half, for the compiler.
 *
 *     hipt_linux_init -> config.ops = &port.ops, config.cpus = nr_cpu_ids -> hipt_table_create
 *     on each CPU that has a translation cache: hipt_linux_online -> ... -> hipt_linux_offline
 *     hipt_table_destroy -> hipt_linux_end
 *
 * A record of a CPU is used on that CPU alone, and with interrupts off: around hipt_cpu_use(), walk, fill and the use
 * of what was found, and by the kick's interrupt. So verbs may be called by any thread, which need not stay on a CPU:
 * this_cpu is not set, and a CPU whose thread waits is interrupted as the others are.
 *
 *   context                         maps, unmaps                                       lookups
 *   a thread                        yes                                                yes
 *   interrupts off, or a handler    maps: yes, on PREEMPT_RT as long as no memory is   yes
 *                                   asked for; to unmap, a gather in HIPT_DEFERRED
 *   a non-maskable interrupt        no                                                 no
 */
#ifndef HIPT_LINUX_H
#define HIPT_LINUX_H

#include <linux/atomic.h>
#include <linux/llist.h>

#include "hipt.h"

struct hipt_linux_cpu;

/* Field key: up to .cpu constant, the CPUs' records are their own; the rest atomic. */
struct hipt_linux {
    struct hipt_ops ops;
    struct hipt_topology topology; /* nodes, CPUs and distances; ranges are the caller's to add */
    int *cpu_node;
    unsigned char *distance;
    unsigned long first;           /* what RCU said at the begin: cookies count from there */
    struct hipt_linux_cpu __percpu *cpu;
    struct llist_head later;       /* blocks to be given back when that may be done */
    atomic_long_t blocks;          /* that alloc has given and free has not got */
    atomic_long_t bytes;
    atomic_long_t refused;         /* calls of alloc where the kernel's allocators must not be called */
    atomic_long_t put_off;         /* calls of free where they must not */
    atomic_long_t last;            /* cookie that gp_start has given */
    atomic_long_t grace_periods;   /* that it has asked the kernel for */
};

/* => 0 or -errno. May sleep, also until the kernel has random numbers. */
int hipt_linux_init(struct hipt_linux *port);

/* Every table of it is destroyed. Waits for interrupts that are under way. => blocks that were not given back. */
long hipt_linux_end(struct hipt_linux *port);

/*
 * Attach the CPU that the caller runs on and stays on; @cpu then is its record, outside. May sleep. For one, from the
 * .setup and .unpark of smpboot_register_percpu_thread().
 */
enum hipt_status hipt_linux_online(struct hipt_linux *port, struct hipt_table *table, struct hipt_cpu *cpu,
                                   const struct hipt_cache *cache, unsigned tag_bits);

/* The same CPU: detach it again. It is outside, and the caller stays on it. */
void hipt_linux_offline(struct hipt_linux *port, struct hipt_cpu *cpu);

/* => interrupts that kicks have sent, as they arrived. *singles: of them, those from where interrupts were off. */
u64 hipt_linux_interrupts(struct hipt_linux *port, u64 *singles);

#endif
