/* SPDX-License-Identifier: MIT */
/*
 * Does a port keep what hipt/ops.h promises? Hook by hook, and in the end with a small table.
 *
 * Compile the sources of this folder into the host (C11, hipt's public headers and <stdatomic.h> are all that they
 * need; hosted.c is for POSIX hosts, user.c and main.c for the user-space port: leave them out), fill a struct
 * hipt_port_check, and call hipt_port_check() where the caller may sleep and nobody is inside a read side. It takes a
 * few seconds. A hook that never returns is not noticed here but by whoever watches: what was said last names the
 * check.
 */
#ifndef HIPT_PORT_CHECK_H
#define HIPT_PORT_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <hipt/hipt.h>

#define HIPT_PORT_CHECK_CPUS_MAX 8u /* threads that are used at once, at most */

/* The port, and what the checks need of its host. What is not marked optional must be set. */
struct hipt_port_check {
    const struct hipt_ops *ops;
    void *ctx; /* handed to all that follows */

    /*
     * Run @body with the numbers from 0 to @count - 1 on as many threads (in a kernel: CPUs) at once, and return when
     * all have returned. => false: they were not to be had; none has run.
     */
    bool (*crew)(void *ctx, unsigned count, void (*body)(void *argument, unsigned number), void *argument);
    unsigned threads; /* the largest count that crew() takes: at least 2 */

    /* About a millisecond during which others run; called outside read sides. */
    void (*nap)(void *ctx);

    /* A line, in pieces: it ends with a newline. */
    void (*say)(void *ctx, const char *text);

    /*
     * Where ops->read_enter is NULL: the calling thread, one of a crew, passes a quiescent state. It is called between
     * sections and in every turn of a wait outside of them. A thread that is in no crew is waited for by nobody.
     */
    void (*quiescent)(void *ctx);

    /* Where ops->this_cpu is set: the calling thread stands for @cpu from now on, NULL: for none. => it does. */
    bool (*stand)(void *ctx, struct hipt_cpu *cpu);

    /* Optional: which numbers CPUs may have, one for each of @threads. NULL: 0, 1, ... */
    const uint32_t *cpu_numbers;

    /* Optional: how much memory the port has given out and not got back. */
    size_t (*bytes)(void *ctx);

    /* Optional: the node that an address lies on. */
    int (*node_of)(void *ctx, const void *address);
    unsigned nodes; /* that memory may be asked from, 0 counts as 1 */

    size_t impossible;  /* optional: alloc() cannot give so much */
    unsigned patience;  /* naps that something may take which has to come; 0: 10000 */
    const char *only;   /* optional: this check alone */
};

/* => how many checks failed. Each has said one line, a failed one three more: promised, seen, right. */
unsigned hipt_port_check(const struct hipt_port_check *port);

#endif
