/* SPDX-License-Identifier: MIT */
/* Buckets on a host of their own, without a table: keys of 20 bits, 4 of them asid. */
#ifndef TEST_SUPPORT_BUCKETS_H
#define TEST_SUPPORT_BUCKETS_H

#include <stdint.h>

#include "support/host.h"
#include "table/bucket.h"

enum { BUCKETS_KEY_BITS = 20 };

/* What a test makes them of. */
struct test_buckets {
    uint64_t count;
    unsigned nsizes;        /* size classes */
    unsigned version_bits;  /* 0: as many as there are */
    unsigned sequence_bits; /* 0: as many as there are */
    unsigned nshards;       /* 0: one */
};

/* Make @host, with grace periods by hand, and @buckets on it. No read side is open. */
void test_buckets_open(struct test_host *host, struct hipti_buckets *buckets, struct test_buckets shape);

/* Nothing is left of them. No read side is open. */
void test_buckets_close(struct test_host *host, struct hipti_buckets *buckets);

#endif
