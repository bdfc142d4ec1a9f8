/* SPDX-License-Identifier: MIT */
/*
 * The hooks of a user-space host.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <hipt/user.h>

#include <errno.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/random.h>

#include "port/user/delivery.h"
#include "port/user/grace.h"
#include "port/user/heap.h"
#include "port/user/period.h"

struct hipt_user {
    struct hipti_period period;
    struct hipt_ops ops; /* constant, once a table uses it */
    struct hipti_heap heap;
    struct hipti_delivery delivery;
};

/*
 * The heap, the ledger of nodes and the kernel's address-space lock are held for bounded steps only, so @may_wait makes
 * no difference.
 */
static void *user_alloc(void *ctx, size_t bytes, size_t align, int node, bool may_wait)
{
    struct hipt_user *user = ctx;

    (void)may_wait;
    return hipti_heap_alloc(&user->heap, bytes, align, node, false);
}

static void *user_alloc_strict(void *ctx, size_t bytes, size_t align, int node, bool may_wait)
{
    struct hipt_user *user = ctx;

    (void)may_wait;
    return hipti_heap_alloc(&user->heap, bytes, align, node, true);
}

/* Real nodes have real CPUs; on made-up ones the CPU is what the thread says that it stands for. */
static int user_this_node(void *ctx)
{
    const struct hipt_user *user = ctx;
    const struct hipti_places *places = &user->heap.places;
    const struct hipt_cpu *own = places->is_real ? NULL : hipti_delivery_this_cpu(ctx);
    int cpu = places->is_real ? sched_getcpu() : own != NULL ? (int)own->number : -1;

    return cpu >= 0 && (unsigned)cpu < places->cpus ? places->cpu_node[cpu] : HIPT_ANY_NODE;
}

static void user_free(void *ctx, void *ptr, size_t bytes)
{
    struct hipt_user *user = ctx;

    hipti_heap_free(&user->heap, ptr, bytes);
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
    struct hipt_user *made;

    *user = NULL;
    if (grace != HIPT_USER_URCU && grace != HIPT_USER_CK) {
        return HIPT_BAD_OPS;
    }
    made = aligned_alloc(_Alignof(struct hipt_user), sizeof(*made));
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
        .alloc_strict = user_alloc_strict,
        .this_node = user_this_node,
    };
    hipti_heap_open(&made->heap);
    hipti_delivery_open(&made->delivery);
    if (!hipti_period_open(&made->period, backend)) {
        hipti_heap_close(&made->heap);
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
        hipti_heap_close(&user->heap);
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
    return atomic_load_explicit(&user->heap.bytes, memory_order_relaxed);
}

size_t hipt_user_huge_bytes(const struct hipt_user *user)
{
    /* relaxed: a count. */
    return atomic_load_explicit(&user->heap.huge, memory_order_relaxed);
}

enum hipt_status hipt_user_topology(struct hipt_user *user, const char *text, struct hipt_topology *topology,
                                    char *error, size_t bytes)
{
    const char *wanted = text != NULL ? text : getenv("HIPT_TOPOLOGY");
    struct hipti_places places;

    if (bytes > 0) {
        *error = '\0';
    }
    if (hipt_user_bytes(user) != 0) {
        (void)snprintf(error, bytes, "%zu bytes are given out; nodes are chosen while there are 0",
                       hipt_user_bytes(user));
        return HIPT_BUSY;
    }
    if (wanted == NULL || *wanted == '\0') {
        hipti_places_machine(&places, HIPTI_PLACES_SYS);
    } else if (!hipti_places_parse(&places, wanted, strlen(wanted), error, bytes)) {
        return HIPT_BAD_TEXT;
    }
    user->heap.places = places;
    *topology = hipti_places_topology(&user->heap.places);
    return HIPT_OK;
}

enum hipt_status hipt_user_limit(struct hipt_user *user, int node, size_t bytes)
{
    if (node < 0 || (unsigned)node >= user->heap.places.nodes) {
        return HIPT_BAD_NODE;
    }
    hipti_ledger_limit(&user->heap.ledger, (unsigned)node, bytes);
    return HIPT_OK;
}

size_t hipt_user_node_bytes(struct hipt_user *user, int node)
{
    return node >= 0 && (unsigned)node < HIPT_NODES_MAX ? hipti_ledger_bytes(&user->heap.ledger, (unsigned)node) : 0;
}

int hipt_user_node_of(struct hipt_user *user, const void *address)
{
    return hipti_ledger_node(&user->heap.ledger, address);
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
