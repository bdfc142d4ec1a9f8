/* SPDX-License-Identifier: MIT */
#include "reclaim/freelist.h"

/* Hand out what has waited long enough. The caller holds .moving and has seen .free empty. */
static void freelist_ripen(struct hipti_freelist *list, const struct hipt_ops *ops)
{
    uint32_t waiting = hipti_load_relaxed(&list->waiting); /* the mover's own */

    if (waiting == HIPTI_NONE || !ops->gp_elapsed(ops->ctx, list->cookie)) {
        return;
    }
    /* Nobody but the mover makes .free non-empty, so it still is empty. [publish:freelist] the end of the period */
    hipti_store_release(&list->free, waiting);
    hipti_store_relaxed(&list->waiting, HIPTI_NONE); /* the mover's own */
}

/* Let what was returned start to wait. The caller holds .moving. */
static void freelist_collect(struct hipti_freelist *list, const struct hipt_ops *ops)
{
    uint32_t taken;

    if (hipti_load_relaxed(&list->waiting) != HIPTI_NONE || hipti_load_relaxed(&list->returned) == HIPTI_NONE) {
        return;
    }
    /* acquire: the links of the things taken [observe:returned]; the next push starts a new list. */
    taken = hipti_exchange_acquire(&list->returned, HIPTI_NONE);
    hipti_store_relaxed(&list->waiting, taken);
    list->cookie = ops->gp_start(ops->ctx);
}

/* => true if .free may have become non-empty. */
static bool freelist_move(struct hipti_freelist *list, const struct hipt_ops *ops)
{
    bool ripe;

    if (hipti_exchange_acquire(&list->moving, 1u) != 0) { /* [observe:mover] the last mover's fields */
        return false;
    }
    if (hipti_load_relaxed(&list->free) == HIPTI_NONE) {
        freelist_ripen(list, ops);
    }
    freelist_collect(list, ops);
    ripe = hipti_load_relaxed(&list->free) != HIPTI_NONE;
    hipti_store_release(&list->moving, 0u); /* [publish:mover] */
    return ripe;
}

uint32_t hipti_freelist_pop(struct hipti_freelist *list, const struct hipti_links *links, void *owner,
                            const struct hipt_ops *ops)
{
    for (;;) {
        /* [observe:freelist] the head's link, and all that its grace period waited for */
        uint32_t head = hipti_load_acquire(&list->free);
        uint32_t next;

        if (head == HIPTI_NONE) {
            if (!freelist_move(list, ops)) {
                return HIPTI_NONE;
            }
            continue;
        }
        next = links->get(owner, head); /* or anything, where another thread has popped the head: the CAS then fails */
        if (hipti_cas_relaxed(&list->free, &head, next)) { /* the head that was acquired */
            return head;
        }
    }
}

bool hipti_freelist_is_waiting(struct hipti_freelist *list)
{
    /*
     * In the order in which things go. relaxed: of the thread's own things none is missed; another's may be, on its
     * way, and then the caller's caller is told that there is none
     */
    return hipti_load_relaxed(&list->returned) != HIPTI_NONE || hipti_load_relaxed(&list->moving) != 0 ||
           hipti_load_relaxed(&list->waiting) != HIPTI_NONE || hipti_load_relaxed(&list->free) != HIPTI_NONE;
}

void hipti_freelist_push(struct hipti_freelist *list, const struct hipti_links *links, void *owner, uint32_t number)
{
    uint32_t head = hipti_load_relaxed(&list->returned); /* only compared */

    do {
        links->set(owner, number, head);
    } while (!hipti_cas_release(&list->returned, &head, number)); /* [publish:returned] the link just set */
}
