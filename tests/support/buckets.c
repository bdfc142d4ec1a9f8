/* SPDX-License-Identifier: MIT */
#include "support/buckets.h"

#include <string.h>

void test_buckets_open(struct test_host *host, struct hipti_buckets *buckets, struct test_buckets shape)
{
    static const uint64_t secret[4] = {11, 22, 33, 44};
    static struct hipti_memory anywhere;
    const struct hipti_memory *memory[HIPT_NODES_MAX];
    struct hipti_shape made = {.nshards = shape.nshards ? shape.nshards : 1, .width = BUCKETS_KEY_BITS};
    struct hipt_config config;
    unsigned i;

    hipt_config_init(&config);
    config.nsizes = shape.nsizes;
    config.version_bits = shape.version_bits ? shape.version_bits : config.version_bits;
    config.sequence_bits = shape.sequence_bits ? shape.sequence_bits : config.sequence_bits;
    test_host_init(host);
    memset(buckets, 0, sizeof(*buckets));
    anywhere = hipti_memory_anywhere(&host->ops);
    for (i = 0; i < made.nshards; i++) {
        memory[i] = &anywhere;
    }
    made.count = made.count_max = shape.count;
    made.secret = secret;
    made.memory = memory;
    TEST_HOLDS(hipti_buckets_init(buckets, &host->ops, &config, &made));
}

void test_buckets_close(struct test_host *host, struct hipti_buckets *buckets)
{
    hipti_buckets_end(buckets);
    TEST_HOLDS(atomic_load(&host->bytes) == 0);
}
