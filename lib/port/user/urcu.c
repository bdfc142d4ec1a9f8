/* SPDX-License-Identifier: MIT */
/*
 * Grace periods from liburcu, bulletproof flavour: it registers a thread on its first entry, takes it out at its end,
 * and does not mind whether the program uses liburcu too. Why this flavour: docs/decisions/0001-liburcu-flavour.md. The
 * library is called, not inlined (no _LGPL_SOURCE).
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* liburcu's headers want the system's clocks on some machines */
#endif
#include "port/user/grace.h"
#include "port/user/token.h"

#include <urcu/urcu-bp.h>

HIPTI_TOKENS_DEFINE(tokens);

static bool urcu_start(void)
{
    return true;
}

static void urcu_enter(void *ctx)
{
    (void)ctx;
    urcu_bp_read_lock();
}

static void urcu_exit(void *ctx)
{
    (void)ctx;
    HIPTI_TOKENS_RELEASE(tokens);
    urcu_bp_read_unlock();
}

static void urcu_synchronize(void)
{
    urcu_bp_synchronize_rcu();
    HIPTI_TOKENS_ACQUIRE(tokens);
}

const struct hipti_grace hipti_grace_urcu = {
    .start = urcu_start,
    .read_enter = urcu_enter,
    .read_exit = urcu_exit,
    .synchronize = urcu_synchronize,
};
