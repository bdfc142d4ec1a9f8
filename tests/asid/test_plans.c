/* SPDX-License-Identifier: MIT */
/* Plans by themselves: where they say that a page is, when two are the same, when one has stood long enough. */
#include <criterion/criterion.h>

#include <stdbool.h>
#include <string.h>

#include "asid/plans.h"
#include "support/host.h"

enum { SHARDS = 3, ASIDS = 4 };

static struct test_host host;
static struct hipti_memory memory;
static struct hipti_plans plans;

static void start_with(unsigned nshards, uint32_t asids)
{
    test_host_init(&host);
    memset(&plans, 0, sizeof(plans));
    memory = hipti_memory_anywhere(&host.ops);
    cr_assert(hipti_plans_init(&plans, &memory, nshards, asids));
}

static void start(void)
{
    start_with(SHARDS, ASIDS);
    host.ops.read_enter(host.ops.ctx);
}

static void stop(void)
{
    host.ops.read_exit(host.ops.ctx);
    hipti_plans_end(&plans);
    cr_assert_eq(atomic_load(&host.bytes), 0);
}

/* Behind the last region there is what a caller's stack had. */
static struct hipti_regions regions(unsigned count, uint64_t second, uint8_t shard0, uint8_t shard1)
{
    struct hipti_regions regions;

    memset(&regions, 0xa5, sizeof(regions));
    regions.count = (uint8_t)count;
    regions.first[0] = 0;
    regions.shard[0] = shard0;
    if (count > 1u) {
        regions.first[1] = second;
        regions.shard[1] = shard1;
    }
    return regions;
}

static uint32_t plan_of(const struct hipti_regions *now, const struct hipti_regions *past)
{
    enum hipt_status status = HIPT_OK;
    uint32_t number = hipti_plan_new(&plans, now, past, &status);

    cr_assert(number != 0 && status == HIPT_OK);
    return number;
}

static void expect_where(uint32_t plan, bool is_settled, uint64_t vpn, unsigned now, unsigned past)
{
    struct hipti_where where = hipti_plan_where(&plans, plan, is_settled, vpn);

    cr_assert(where.now == now && where.past == past, "vpn %llu: %u, before %u", (unsigned long long)vpn, where.now,
              where.past);
}

/* N1: up to each bound and from it on; where the past is the same, or the plan settled, there is none. */
Test(plans, N1_where, .init = start, .fini = stop)
{
    struct hipti_regions now = regions(2, 10, 1, 2);
    struct hipti_regions past = regions(1, 0, 1, 0);
    uint32_t plan = plan_of(&now, &past);

    expect_where(plan, true, 0, 1, HIPTI_NO_SHARD);
    expect_where(plan, true, 9, 1, HIPTI_NO_SHARD);
    expect_where(plan, true, 10, 2, HIPTI_NO_SHARD);
    expect_where(plan, false, 9, 1, HIPTI_NO_SHARD);
    expect_where(plan, false, 10, 2, 1);
}

/* Two are the same if all of their regions are, whatever lies behind these. */
Test(plans, equal_regions)
{
    struct hipti_regions one = regions(1, 0, 1, 0);
    struct hipti_regions two = regions(2, 10, 1, 2);
    struct hipti_regions other = two;

    cr_assert(hipti_regions_are_equal(&two, &other));
    memset(&other.first[2], 0, sizeof(other.first[2]));
    memset(&other.shard[2], 0, sizeof(other.shard[2]));
    cr_assert(hipti_regions_are_equal(&two, &other));
    cr_assert_not(hipti_regions_are_equal(&one, &two), "one begins as the other");
    cr_assert_not(hipti_regions_are_equal(&two, &one));
    other = regions(2, 11, 1, 2);
    cr_assert_not(hipti_regions_are_equal(&two, &other), "another bound");
    other = regions(2, 10, 1, 0);
    cr_assert_not(hipti_regions_are_equal(&two, &other), "another shard");
}

static uint64_t cookie_of(uint32_t plan, bool is_settled)
{
    return hipti_load_relaxed(&hipti_plan_at(&plans, plan)->cookie[is_settled]);
}

/*
 * W2 to W4: a plan is due a whole grace period after it was asked about first, and again after it was asked about first
 * when it was settled; each begins once.
 */
Test(plans, W2_W3_W4_due, .init = start, .fini = stop)
{
    struct hipti_regions now = regions(1, 0, 1, 0);
    uint32_t one = plan_of(&now, &now);
    uint32_t other = plan_of(&now, &now);
    unsigned settled;

    cr_assert_neq(hipti_plan_at(&plans, one)->serial, hipti_plan_at(&plans, other)->serial);
    for (settled = 0; settled < 2u; settled++) {
        uint64_t cookie;

        cr_assert_not(hipti_plan_is_due(&plans, one, settled));
        cookie = cookie_of(one, settled);
        cr_assert_not(hipti_plan_is_due(&plans, one, settled));
        test_host_pass(&host);
        cr_assert(hipti_plan_is_due(&plans, one, settled));
        cr_assert_eq(cookie_of(one, settled), cookie);
    }
    cr_assert_not(hipti_plan_is_due(&plans, other, false));
    cr_assert_not(hipti_plan_is_due(&plans, other, true));
}

/* One that is used again has not begun. */
Test(plans, R1_used_again, .init = start, .fini = stop)
{
    struct hipti_regions now = regions(1, 0, 1, 0);
    uint32_t plan = plan_of(&now, &now);
    uint64_t serial = hipti_plan_at(&plans, plan)->serial;
    uint32_t again = 0;
    unsigned i;

    (void)hipti_plan_is_due(&plans, plan, false);
    (void)hipti_plan_is_due(&plans, plan, true);
    hipti_plan_free(&plans, plan);
    for (i = 0; i < 6u && again != plan; i++) {
        test_host_pass(&host);
        again = plan_of(&now, &now);
    }
    cr_assert_eq(again, plan);
    cr_assert_neq(hipti_plan_at(&plans, plan)->serial, serial);
    cr_assert_eq(cookie_of(plan, false), 0);
    cr_assert_eq(cookie_of(plan, true), 0);
}

/* As many as may be in use and wait; none, and no memory for any, where there is one shard. */
Test(plans, limits)
{
    static const struct {
        uint32_t asids;
        uint32_t limit;
    } cases[] = {{1, 2},
                 {ASIDS, 2 * ASIDS},
                 {HIPTI_PLANS_MAX / 2u - 1u, HIPTI_PLANS_MAX - 3u},
                 {HIPTI_PLANS_MAX / 2u, HIPTI_PLANS_MAX},
                 {1u << 16, HIPTI_PLANS_MAX}};
    size_t i;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        start_with(SHARDS, cases[i].asids);
        cr_assert_eq(plans.arena.limit, cases[i].limit, "%u asids", cases[i].asids);
        hipti_plans_end(&plans);
    }
    start_with(1, ASIDS);
    cr_assert_eq(atomic_load(&host.bytes), 0);
    hipti_plans_end(&plans);
    cr_assert_eq(atomic_load(&host.bytes), 0);
}

/* What is made before the table is used may wait for memory. */
Test(plans, may_wait_at_the_creation)
{
    test_host_init(&host);
    memset(&plans, 0, sizeof(plans));
    memory = hipti_memory_anywhere(&host.ops);
    atomic_store(&host.never_hurries, true);
    cr_assert(hipti_plans_init(&plans, &memory, SHARDS, ASIDS));
    hipti_plans_end(&plans);
}
