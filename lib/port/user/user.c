/* SPDX-License-Identifier: MIT */
/*
 * The hooks of a user-space host. A child of fork() has no grace-period thread: it must make a port of its own.
 */
#include <hipt/user.h>

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include <sys/random.h>

#include "port/user/delivery.h"
#include "port/user/grace.h"
#include "port/user/memory.h"
#include "port/user/period.h"

struct hipt_user {
    struct hipti_period period;
    struct hipt_ops ops; /* constant, once a table uses it */
    struct hipti_memory memory;
    struct hipti_delivery delivery;
};

/* The heap and the kernel's address-space lock are held for bounded steps only, so @may_wait makes no difference. */
static void *user_alloc(void *ctx, size_t bytes, size_t align, int node, bool may_wait)
{
    struct hipt_user *user = ctx;

    (void)may_wait;
    return hipti_memory_alloc(&user->memory, bytes, align, node);
}

static void user_free(void *ctx, void *ptr, size_t bytes)
{
    struct hipt_user *user = ctx;

    hipti_memory_free(&user->memory, ptr, bytes);
}

static uint64_t user_gp_start(void *ctx)
{
    struct hipt_user *user = ctx;

    return hipti_period_start(&user->period);
}

static bool user_gp_elapsed(void *ctx, uint64_t cookie)
{
    const struct hipt_user *user = ctx;

    return hipti_period_elapsed(&user->period, cookie);
}

static void user_gp_wait(void *ctx, uint64_t cookie)
{
    struct hipt_user *user = ctx;

    hipti_period_wait(&user->period, cookie);
}

static bool user_random(void *ctx, void *buffer, size_t bytes)
{
    char *next = buffer;

    (void)ctx;
    while (bytes > 0) {
        ssize_t drawn = getrandom(next, bytes, 0);

        if (drawn > 0) {
            next += drawn;
            bytes -= (size_t)drawn;
        } else if (errno != EINTR) {
            return false;
        }
    }
    return true;
}

static void user_kick(void *ctx, const uint64_t *set, unsigned words)
{
    struct hipt_user *user = ctx;

    hipti_delivery_kick(&user->delivery, set, words);
}

enum hipt_status hipt_user_create(enum hipt_user_grace grace, struct hipt_user **user)
{
    const struct hipti_grace *backend = grace == HIPT_USER_CK ? &hipti_grace_ck : &hipti_grace_urcu;
    struct hipt_user *made = aligned_alloc(_Alignof(struct hipt_user), sizeof(*made));

    *user = NULL;
    if (grace != HIPT_USER_URCU && grace != HIPT_USER_CK) {
        free(made);
        return HIPT_BAD_OPS;
    }
    if (made == NULL) {
        return HIPT_NOMEM;
    }
    made->ops = (struct hipt_ops){
        .size = sizeof(struct hipt_ops),
        .ctx = made,
        .alloc = user_alloc,
        .free = user_free,
        .read_enter = backend->read_enter,
        .read_exit = backend->read_exit,
        .gp_start = user_gp_start,
        .gp_elapsed = user_gp_elapsed,
        .gp_wait = user_gp_wait,
        .random = user_random,
        .block_max = (size_t)1 << 40, /* mappings are cheap at any length, and huge pages want long ones */
        .this_cpu = hipti_delivery_this_cpu,
        .relax = hipti_delivery_relax,
        .clock = hipti_delivery_clock,
        .slow = hipti_delivery_slow,
    };
    hipti_memory_open(&made->memory);
    hipti_delivery_open(&made->delivery);
    if (!hipti_period_open(&made->period, backend)) {
        free(made);
        return HIPT_NOMEM;
    }
    *user = made;
    return HIPT_OK;
}

void hipt_user_destroy(struct hipt_user *user)
{
    if (user != NULL) {
        hipti_period_close(&user->period);
        free(user);
    }
}

const struct hipt_ops *hipt_user_ops(const struct hipt_user *user)
{
    return &user->ops;
}

size_t hipt_user_bytes(const struct hipt_user *user)
{
    /* relaxed: a count. */
    return atomic_load_explicit(&user->memory.bytes, memory_order_relaxed);
}

size_t hipt_user_huge_bytes(const struct hipt_user *user)
{
    /* relaxed: a count. */
    return atomic_load_explicit(&user->memory.huge, memory_order_relaxed);
}

enum hipt_status hipt_user_deliver(struct hipt_user *user, enum hipt_user_delivery delivery,
                                   void (*interrupt)(struct hipt_cpu *cpu))
{
    if ((delivery != HIPT_USER_POLL && delivery != HIPT_USER_SIGNAL && delivery != HIPT_USER_MEMBARRIER) ||
        (delivery == HIPT_USER_SIGNAL && (interrupt == NULL || !hipti_delivery_signal())) ||
        (delivery == HIPT_USER_MEMBARRIER && !hipti_delivery_membarrier())) {
        return HIPT_BAD_MODE;
    }
    user->delivery.interrupt = delivery == HIPT_USER_SIGNAL ? interrupt : NULL;
    user->ops.kick = delivery == HIPT_USER_SIGNAL ? user_kick : NULL;
    user->ops.barrier = delivery == HIPT_USER_MEMBARRIER ? hipti_delivery_barrier : NULL;
    return HIPT_OK;
}

enum hipt_status hipt_user_cpu(struct hipt_user *user, struct hipt_cpu *cpu)
{
    return hipti_delivery_cpu(&user->delivery, cpu);
}
