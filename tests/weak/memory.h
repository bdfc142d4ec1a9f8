/* SPDX-License-Identifier: MIT */
/*
 * The host of an explored table: memory out of one pool that is set back before each run, and grace periods in the
 * model's terms. What they promise:
 *
 *   gp_elapsed true   the caller knows what the caller of gp_start() knew then, and what each read side knew at its end
 *                     that was under way then, or had ended
 *   read_enter        knows what the callers of all gp_start() before it knew: a read side that a grace period does
 *                     not wait for sees what was done before the grace period
 */
#ifndef HIPT_TESTS_WEAK_MEMORY_H
#define HIPT_TESTS_WEAK_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <hipt/ops.h>

extern const struct hipt_ops host_ops;

/* Zeroed memory that is kept and restored with all the rest. */
void *host_take(size_t bytes);

/* Forget everything; keep what is there now; go back to it. */
void host_clear(void);
void host_keep(void);
void host_restore(void);

/* From now on memory that may not wait is refused. */
void host_refuse(bool refuse);

/* From now on this thread is refused all memory; CREW_THREADS: none is. */
void host_refuse_to(unsigned thread);

/* => how deep in read sides a thread is. */
unsigned host_depth(unsigned thread);

/* => all that the host's answers can depend on, as a hash. */
uint64_t host_state(void);

bool host_is_valid(void *ctx, const volatile void *address);

/* An access comes: it is a violation if the memory was given back. */
void host_check(const volatile void *address);

#endif
