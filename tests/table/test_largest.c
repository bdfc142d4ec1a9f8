/* SPDX-License-Identifier: MIT */
/* The largest table there can be: address space for it is reserved, and hardly any of it is touched. */
#define _DEFAULT_SOURCE /* MAP_NORESERVE */
#include <criterion/criterion.h>

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "support/host.h"
#include "table/bucket.h"

/* Address space that is memory when it is touched only. */
static void *reserve(void *ctx, size_t bytes, size_t align, int node, bool may_wait)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    (void)ctx;
    (void)align;
    (void)node;
    (void)may_wait;
    return memory == MAP_FAILED ? NULL : memory;
}

static void unreserve(void *ctx, void *ptr, size_t bytes)
{
    (void)ctx;
    munmap(ptr, bytes);
}

/* With the most buckets there can be, every slot still has a number of 31 bits. */
Test(largest, the_largest_table_numbers_its_slots)
{
    static const uint64_t secret[4] = {11, 22, 33, 44};
    static struct hipti_memory anywhere;
    static struct hipti_buckets buckets;
    static struct test_host host;
    const struct hipti_memory *memory = &anywhere;
    struct hipti_shape shape = {.nshards = 1, .width = 64, .secret = secret, .memory = &memory};
    struct hipt_config config;

    hipt_config_init(&config);
    test_host_init(&host);
    host.ops.alloc = reserve;
    host.ops.free = unreserve;
    host.ops.block_max = SIZE_MAX;
    anywhere = hipti_memory_anywhere(&host.ops);
    shape.count = shape.count_max = HIPTI_BUCKETS_MAX;
    cr_assert(hipti_buckets_init(&buckets, &host.ops, &config, &shape));
    cr_assert_leq((HIPTI_OVERFLOW_FIRST + UINT64_C(1) * buckets.shard[0]->overflow.limit) * HIPT_SLOTS,
                  UINT64_C(1) << 31);
    cr_assert_leq(2u * HIPTI_BUCKETS_MAX, HIPTI_OVERFLOW_FIRST);
    cr_assert_lt(buckets.shard[0]->overflow.limit, UINT32_C(1) << HIPTI_LINK_BITS, "a link names every line");
    hipti_buckets_end(&buckets);
}
