/* SPDX-License-Identifier: MIT */
#include "support/buckets.h"

#include <string.h>

void test_buckets_open(struct test_host *host, struct hipti_buckets *buckets, struct test_buckets shape)
{
    static const uint64_t secret[4] = {11, 22, 33, 44};
    struct hipti_split split;
    struct hipt_config config;

    memset(&split, 0, sizeof(split));
    split.asid_bits = 4;
    split.vpn_bits = BUCKETS_KEY_BITS - 4;
    split.spare_bits = 64 - BUCKETS_KEY_BITS;
    split.nsizes = shape.nsizes;
    hipt_config_init(&config);
    config.version_bits = shape.version_bits ? shape.version_bits : config.version_bits;
    config.sequence_bits = shape.sequence_bits ? shape.sequence_bits : config.sequence_bits;
    test_host_init(host);
    memset(buckets, 0, sizeof(*buckets));
    TEST_HOLDS(hipti_buckets_init(buckets, &host->ops, &split, &config, shape.count, shape.count, secret));
}

void test_buckets_close(struct test_host *host, struct hipti_buckets *buckets)
{
    hipti_buckets_end(buckets);
    TEST_HOLDS(atomic_load(&host->bytes) == 0);
}
