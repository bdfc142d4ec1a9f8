/* SPDX-License-Identifier: MIT */
/*
 * A host for one thread, in which time passes only when the test says so: a grace period ends at host_tick() or in
 * gp_wait(), never by itself, so a run can be repeated exactly.
 */
#ifndef HIPT_MODEL_HOST_H
#define HIPT_MODEL_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <hipt/ops.h>

struct host {
    struct hipt_ops ops;
    uint64_t started, elapsed; /* grace periods asked for, and ended */
    unsigned depth;            /* open read sides */
    size_t bytes;              /* memory given out */
    uint64_t random;
};

void host_init(struct host *host, uint64_t seed);

/* Every grace period asked for so far ends, unless a read side is open. */
void host_tick(struct host *host);

/* A whole grace period passes. => no read side is open. */
void host_pass(struct host *host);

/* xorshift64*: small, and the same everywhere. */
uint64_t host_random(uint64_t *state);

#endif
