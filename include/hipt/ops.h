/* SPDX-License-Identifier: MIT */
/*
 * The host, at run time. Every hook has a pre-condition (what hipt promises when it calls) and a post-condition (what
 * the host promises when it returns). Hooks marked mandatory must be set; hipt_table_create() answers HIPT_BAD_OPS
 * where one is missing, it never puts a silent default in its place.
 *
 * The structure is versioned by its first member: a host compiled against an older, shorter structure keeps working,
 * the hooks that it does not know count as not set.
 */
#ifndef HIPT_OPS_H
#define HIPT_OPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HIPT_ANY_NODE (-1)

struct hipt_cpu;

/* Field key: all fields are constant while a table uses the structure. */
struct hipt_ops {
    size_t size; /* sizeof(struct hipt_ops) as the host was compiled */
    void *ctx;   /* handed to every hook */

    /*
     * alloc (mandatory): zeroed memory of @bytes bytes, aligned to @align (a power of two, at most 4096), preferably on
     * @node (HIPT_ANY_NODE: no preference). With @may_wait false the hook must not sleep.
     * pre:  bytes > 0; called inside or outside a read side: inside, @may_wait is false.
     * post: NULL, or memory that nobody else uses until free() gets the same pointer and size.
     */
    void *(*alloc)(void *ctx, size_t bytes, size_t align, int node, bool may_wait);

    /* free (mandatory): pre: @ptr came from alloc() with the same @bytes; no reader can reach it. Must not sleep. */
    void (*free)(void *ctx, void *ptr, size_t bytes);

    /*
     * read_enter, read_exit (both or neither): a read-side critical section; sections nest. Where the host is always
     * inside one (a kernel without preemption, quiescent-state reclamation) both are left NULL.
     * post of read_enter: a grace period that starts later does not end before the matching read_exit. No access of
     * the section is performed outside of it.
     * Neither sleeps nor fails.
     */
    void (*read_enter)(void *ctx);
    void (*read_exit)(void *ctx);

    /*
     * gp_start (mandatory): asks for a grace period and returns at once with a cookie below 2^56 - 2 that names it.
     * pre:  any context in which map and unmap are called, read side included.
     * post: gp_elapsed(cookie) becomes true, in finite time, after every read-side section that was under way at the
     *       call has ended, and not before. Cookies are at least 1 and never fall; when one has elapsed, so have all
     *       smaller ones. Of each read-side section one of two holds: all its accesses happen before whoever sees the
     *       cookie elapsed; or it reads nothing older than what the caller of gp_start() had stored, had read, or knew
     *       of by synchronization. What that caller did happens before whoever sees the cookie elapsed.
     */
    uint64_t (*gp_start)(void *ctx);

    /*
     * gp_elapsed (mandatory): whether the grace period of @cookie has ended. Never waits. Acquire order when true. The
     * cookie may come from another thread without synchronization: a host whose answer could be wrong when what it
     * knows itself is older than the cookie orders its reads behind the cookie.
     */
    bool (*gp_elapsed)(void *ctx, uint64_t cookie);

    /*
     * gp_wait (optional): returns when gp_elapsed(@cookie) is true. pre: outside any read side, the caller may sleep.
     * The library never waits; the hook is there for the host's own use of grace periods.
     */
    void (*gp_wait)(void *ctx, uint64_t cookie);

    /*
     * random (mandatory): @bytes unpredictable bytes into @buffer; true if they were to be had. Secrets are drawn here.
     */
    bool (*random)(void *ctx, void *buffer, size_t bytes);

    /*
     * block_max (optional): the largest block, in bytes, that alloc() gives as readily as small ones; 0 counts as 1
     * MiB. Buckets and frame records lie in blocks of at most that, or below 1 MiB where there would be more than 8192
     * blocks; all else lies in blocks of at most 1 MiB. A host with huge pages sets it high, so that the buckets lie
     * in few translations of its own.
     */
    size_t block_max;

    /*
     * What follows is for tables whose CPUs have translation caches (config.cpus, see cpu.h); all of it is optional.
     *
     * this_cpu: the record of the CPU that the caller runs on, NULL where it is none of the attached ones. The caller
     * stays on it for as long as the verb that asks runs. Not set: never on one.
     */
    struct hipt_cpu *(*this_cpu)(void *ctx);

    /*
     * can_wait: whether the caller may wait for other CPUs now (in a kernel: not with interrupts off, nor under a lock
     * that an interrupt handler takes); the answer holds for as long as the verb that asks runs. Not set: it always
     * may. Whoever may not can unmap by a gather and poll it (gather.h); all else that would wait is refused.
     */
    bool (*can_wait)(void *ctx);

    /*
     * kick: make the CPUs whose numbers are set in @set (bit n % 64 of word n / 64, @words words) call
     * hipt_cpu_interrupt() or hipt_cpu_serve() soon; an inter-processor interrupt. One call for each round, and
     * again for those that are late. Kicks may come late, out of order or merged, and may be lost if the
     * CPU calls one of the two by itself. The caller is not in @set. Not set: the CPUs poll. Must not sleep.
     */
    void (*kick)(void *ctx, const uint64_t *set, unsigned words);

    /*
     * barrier: when it returns, every CPU of the process has executed a full memory barrier since the call, as
     * membarrier() does. Where it is set, hipt_cpu_enter() costs no atomic read-modify-write. Must not fail.
     */
    void (*barrier)(void *ctx);

    /*
     * relax: called in every turn of a wait for acknowledgements, perhaps inside a read side, which stays open: it is
     * no quiescent state. Not set: the wait spins.
     */
    void (*relax)(void *ctx);

    /* clock: a time that does not run backwards, the same for all threads, in a unit of the host's choice. */
    uint64_t (*clock)(void *ctx);

    /*
     * slow: CPU number @cpu has not acknowledged for config.slow_after units of the clock, or longer: called once in a
     * wait for each such CPU. It was asked to serve ticket @posted and has served up to @served. The wait goes on.
     */
    void (*slow)(void *ctx, uint32_t cpu, uint64_t posted, uint64_t served);

    /*
     * alloc_strict (optional): as alloc, but on @node and on no other, from the first byte on and for as long as the
     * block lives; NULL where the node has no room, or the host does not know. Not set: the host cannot promise that.
     * pre: @node is not HIPT_ANY_NODE.
     */
    void *(*alloc_strict)(void *ctx, size_t bytes, size_t align, int node, bool may_wait);

    /*
     * this_node (optional): the node of config.topology that the caller runs on, or HIPT_ANY_NODE; it may be outdated.
     * An address space begins there (asid.h). Not set: the node of the CPU that this_cpu() gives. Must not sleep.
     */
    int (*this_node)(void *ctx);
};

#ifdef __cplusplus
}
#endif
#endif
