/* SPDX-License-Identifier: MIT */
#include "asid/plans.h"

#define SPREAD UINT64_C(0x9E3779B97F4A7C15) /* 2^64 / the golden ratio: neighbours, and multiples, go far apart */

static struct hipti_plan *plan_at(const struct hipti_plans *plans, uint32_t number)
{
    return (struct hipti_plan *)(void *)hipti_arena_at(&plans->arena, number);
}

static uint32_t spare_get(void *owner, uint32_t number)
{
    return hipti_load_relaxed(&plan_at((struct hipti_plans *)owner, number)->link); /* ordered by the freelist */
}

static void spare_set(void *owner, uint32_t number, uint32_t next)
{
    hipti_store_relaxed(&plan_at((struct hipti_plans *)owner, number)->link, next); /* ordered by the freelist */
}

static const struct hipti_links spare_links = {spare_get, spare_set};

/* Each asid may have one, and as many may wait for a grace period. */
bool hipti_plans_init(struct hipti_plans *plans, const struct hipti_memory *memory, unsigned nshards, uint32_t asids)
{
    uint32_t limit = asids < HIPTI_PLANS_MAX / 2u ? 2u * asids : HIPTI_PLANS_MAX;

    plans->ops = memory->ops;
    plans->nshards = nshards;
    return nshards == 1u ||
           hipti_arena_init(&plans->arena, memory, sizeof(struct hipti_plan), limit, (size_t)1 << 14, true);
}

void hipti_plans_end(struct hipti_plans *plans)
{
    hipti_arena_end(&plans->arena);
}

size_t hipti_plans_bytes(const struct hipti_plans *plans)
{
    return plans->nshards == 1u ? 0 : hipti_arena_bytes(&plans->arena);
}

uint32_t hipti_plan_new(struct hipti_plans *plans, const struct hipti_regions *now, const struct hipti_regions *past,
                        enum hipt_status *status)
{
    uint32_t number = hipti_freelist_pop(&plans->spare, &spare_links, plans, plans->ops);
    struct hipti_plan *plan;
    bool full;

    if (number == HIPTI_NONE) {
        number = hipti_arena_carve(&plans->arena, false, &full);
    }
    if (number == HIPTI_NONE) {
        *status = hipti_arena_scarcity(full, hipti_freelist_is_waiting(&plans->spare));
        return 0;
    }
    plan = plan_at(plans, number);
    plan->now = *now;
    plan->past = *past;
    plan->serial = hipti_fetch_add_relaxed(&plans->serials, 1u) + 1u; /* only has to be another one */
    hipti_store_relaxed(&plan->cookie[0], 0u);                        /* the word that will name it publishes */
    hipti_store_relaxed(&plan->cookie[1], 0u);                        /* as above */
    return number;
}

void hipti_plan_free(struct hipti_plans *plans, uint32_t number)
{
    hipti_freelist_push(&plans->spare, &spare_links, plans, number);
}

const struct hipti_plan *hipti_plan_at(const struct hipti_plans *plans, uint32_t number)
{
    return plan_at(plans, number);
}

bool hipti_plan_is_due(struct hipti_plans *plans, uint32_t number, bool is_settled)
{
    HIPTI_ATOMIC(uint64_t) *cookie = &plan_at(plans, number)->cookie[is_settled];
    uint64_t begun = hipti_load_relaxed(cookie); /* a number; who sees it elapsed knows what its maker knew */

    if (begun == 0) {
        /* relaxed: as above; each caller's is right, for he has acquired the word that names the plan */
        hipti_store_relaxed(cookie, plans->ops->gp_start(plans->ops->ctx) + 1u);
        return false;
    }
    return plans->ops->gp_elapsed(plans->ops->ctx, begun - 1u);
}

static unsigned regions_shard(const struct hipti_regions *regions, uint64_t vpn, unsigned nshards)
{
    unsigned i = regions->count - 1u;

    while (vpn < regions->first[i]) { /* [0] is 0 */
        i--;
    }
    if (regions->shard[i] != HIPTI_ALL_SHARDS) {
        return regions->shard[i];
    }
    return (unsigned)(((vpn * SPREAD) >> 32) * nshards >> 32);
}

struct hipti_where hipti_plan_where(const struct hipti_plans *plans, uint32_t number, bool is_settled, uint64_t vpn)
{
    const struct hipti_plan *plan = plan_at(plans, number);
    struct hipti_where where;

    where.now = regions_shard(&plan->now, vpn, plans->nshards);
    where.past = is_settled ? HIPTI_NO_SHARD : regions_shard(&plan->past, vpn, plans->nshards);
    if (where.past == where.now) {
        where.past = HIPTI_NO_SHARD;
    }
    return where;
}

bool hipti_regions_are_equal(const struct hipti_regions *a, const struct hipti_regions *b)
{
    unsigned i = 0;

    if (a->count != b->count) {
        return false;
    }
    while (i < a->count && a->first[i] == b->first[i] && a->shard[i] == b->shard[i]) {
        i++;
    }
    return i == a->count;
}
