/* SPDX-License-Identifier: MIT */
/*
 * The user-space port: memory from anonymous mappings (huge pages where the kernel gives them), bound to a NUMA node
 * on request, randomness from the kernel, and grace periods from liburcu or from Concurrency Kit.
 *
 * Threads need no registration: the first read side of a thread registers it, its end takes it out again.
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

#ifdef __cplusplus
}
#endif
#endif
