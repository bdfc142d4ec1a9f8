/* SPDX-License-Identifier: MIT */
/* The hooks of the port, one by one, before a table uses them. */
#include <linux/delay.h>
#include <linux/irqflags.h>
#include <linux/mm.h>
#include <linux/nodemask.h>
#include <linux/rcupdate.h>
#include <linux/string.h>

#include "test.h"

#define READ_MS 60u /* that a read side is open: some grace periods of an idle machine */

static const size_t sizes[] = {64, 192, 4096, 4160, 32768, 262144};

static bool expect(bool holds, const char *what)
{
    if (!holds) {
        pr_info("hipt_test: broken: the port: %s\n", what);
    }
    return holds;
}

/* One block, which is made dirty before it is given back: the next one of its place must be zeroed too. */
static bool check_block(struct hipt_linux *port, size_t bytes, size_t align, int node)
{
    const struct hipt_ops *ops = &port->ops;
    void *(*alloc)(void *, size_t, size_t, int, bool) = node == HIPT_ANY_NODE ? ops->alloc : ops->alloc_strict;
    u8 *block = alloc(ops->ctx, bytes, align, node, true);
    bool holds;

    if (!expect(block, "alloc has no memory")) {
        return false;
    }
    holds = expect(IS_ALIGNED((unsigned long)block, align), "alignment") &&
            expect(!memchr_inv(block, 0, bytes), "memory is not zeroed") &&
            expect(node == HIPT_ANY_NODE || page_to_nid(virt_to_page(block)) == node, "memory on another node");
    memset(block, 0xa5, bytes);
    ops->free(ops->ctx, block, bytes);
    return holds;
}

static bool check_memory(struct hipt_linux *port)
{
    bool holds = true;
    unsigned i;
    int node;

    for (i = 0; i < 2u * ARRAY_SIZE(sizes); i++) {
        size_t bytes = sizes[i / 2u];

        holds = holds && check_block(port, bytes, SMP_CACHE_BYTES, HIPT_ANY_NODE) &&
                check_block(port, bytes, PAGE_SIZE, HIPT_ANY_NODE);
        for_each_node_state(node, N_MEMORY) {
            holds = holds && check_block(port, bytes, SMP_CACHE_BYTES, node);
        }
    }
    return holds && expect(!port->ops.alloc_strict(port, 64, 64, (int)nr_node_ids, false), "memory of no node");
}

/* Where interrupts are off: on PREEMPT_RT alloc has nothing and free waits; elsewhere both work. */
static bool check_interrupts_off(struct hipt_linux *port)
{
    const struct hipt_ops *ops = &port->ops;
    bool works = !IS_ENABLED(CONFIG_PREEMPT_RT);
    void *given = ops->alloc(ops->ctx, 64, 64, HIPT_ANY_NODE, true);
    bool can_wait;
    void *block;
    unsigned long flags;

    if (!expect(given, "alloc has no memory")) {
        return false;
    }
    local_irq_save(flags);
    can_wait = ops->can_wait(ops->ctx);
    block = ops->alloc(ops->ctx, 64, 64, HIPT_ANY_NODE, false);
    ops->free(ops->ctx, given, 64);
    local_irq_restore(flags);
    if (block) {
        ops->free(ops->ctx, block, 64);
    }
    return expect(!can_wait && ops->can_wait(ops->ctx), "can_wait") &&
           expect(works == !!block, "alloc with interrupts off") &&
           expect(atomic_long_read(&port->put_off) == !works, "free with interrupts off") &&
           expect(atomic_long_read(&port->refused) == !works, "alloc with interrupts off, counted");
}

/* A grace period does not end before a read side that was open does, and ends in the end; cookies never fall. */
static bool check_grace_periods(struct hipt_linux *port)
{
    const struct hipt_ops *ops = &port->ops;
    uint64_t cookie;
    uint64_t later;
    bool is_early;

    ops->read_enter(ops->ctx);
    cookie = ops->gp_start(ops->ctx);
    mdelay(READ_MS);
    is_early = ops->gp_elapsed(ops->ctx, cookie);
    ops->read_exit(ops->ctx);
    later = ops->gp_start(ops->ctx);
    ops->gp_wait(ops->ctx, later);
    return expect(!is_early, "a grace period ended inside a read side") &&
           expect(cookie >= 1u && cookie <= later && later < (UINT64_C(1) << 56) - 2u, "a cookie") &&
           expect(ops->gp_elapsed(ops->ctx, later) && ops->gp_elapsed(ops->ctx, cookie), "a grace period does not end");
}

bool port_is_sound(struct hipt_linux *port)
{
    return check_memory(port) && check_interrupts_off(port) && check_grace_periods(port) &&
           expect(atomic_long_read(&port->bytes) == 0 && atomic_long_read(&port->blocks) == 0, "blocks are left");
}
