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
     * gp_start (mandatory): asks for a grace period and returns at once with a cookie below 2^56 - 1 that names it.
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
};

#ifdef __cplusplus
}
#endif
#endif
