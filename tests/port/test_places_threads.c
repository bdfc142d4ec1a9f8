/* SPDX-License-Identifier: MIT */
/* Several threads take memory of a few nodes that are short of it: no node gives more than its limit, none is lost. */
#include <criterion/criterion.h>

#include <pthread.h>
#include <stdint.h>

#include <hipt/topology.h>
#include <hipt/user.h>

#include "support/host.h"

enum { THREADS = 4, NODES = 3, TURNS = 3000, HELD = 8, LIMIT = 4000 };

struct taker {
    pthread_t thread;
    struct hipt_user *user;
    uint64_t random;
    unsigned taken;   /* blocks */
    unsigned refused; /* and those that were not to be had */
};

struct held {
    char *block;
    size_t bytes;
};

static unsigned draw(struct taker *taker, unsigned bound)
{
    taker->random = taker->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(taker->random >> 33) % bound;
}

static void take(struct taker *taker, struct held *held)
{
    const struct hipt_ops *ops = hipt_user_ops(taker->user);
    int node = (int)draw(taker, NODES);
    unsigned is_strict = draw(taker, 2);
    size_t bytes = 1u + draw(taker, LIMIT / 4);

    held->bytes = bytes;
    held->block = (is_strict ? ops->alloc_strict : ops->alloc)(ops->ctx, bytes, 64, node, false);
    taker->refused += !held->block;
    if (held->block) {
        int given = hipt_user_node_of(taker->user, held->block + bytes - 1u);

        taker->taken++;
        held->block[bytes - 1u] = 1;
        TEST_HOLDS(is_strict ? given == node : given >= 0 && given < NODES);
        TEST_HOLDS(hipt_user_node_bytes(taker->user, given) >= bytes);
    }
    TEST_HOLDS(hipt_user_node_bytes(taker->user, node) <= LIMIT);
}

static void give(struct taker *taker, struct held *held)
{
    const struct hipt_ops *ops = hipt_user_ops(taker->user);

    if (held->block) {
        ops->free(ops->ctx, held->block, held->bytes);
        held->block = NULL;
    }
}

static void *take_and_give(void *argument)
{
    struct taker *taker = (struct taker *)argument;
    struct held held[HELD] = {{NULL, 0}};
    unsigned turn;
    unsigned i;

    for (turn = 0; turn < TURNS; turn++) {
        i = draw(taker, HELD);
        give(taker, &held[i]);
        take(taker, &held[i]);
    }
    for (i = 0; i < HELD; i++) {
        give(taker, &held[i]);
    }
    return NULL;
}

Test(places_threads, N1_nodes_that_are_short)
{
    struct taker takers[THREADS];
    struct hipt_topology topology;
    struct hipt_user *user;
    int node;
    unsigned i;

    cr_assert_eq(hipt_user_create(HIPT_USER_URCU, &user), HIPT_OK);
    cr_assert_eq(hipt_user_topology(user, "3x1", &topology, NULL, 0), HIPT_OK);
    for (node = 0; node < NODES; node++) {
        cr_assert_eq(hipt_user_limit(user, node, LIMIT), HIPT_OK);
    }
    for (i = 0; i < THREADS; i++) {
        takers[i] = (struct taker){.user = user, .random = i};
        cr_assert_eq(pthread_create(&takers[i].thread, NULL, take_and_give, &takers[i]), 0);
    }
    for (i = 0; i < THREADS; i++) {
        cr_assert_eq(pthread_join(takers[i].thread, NULL), 0);
        cr_expect_gt(takers[i].taken, 0);
        cr_expect_gt(takers[i].refused, 0, "the nodes were not short");
    }
    for (node = 0; node < NODES; node++) {
        cr_expect_eq(hipt_user_node_bytes(user, node), 0);
    }
    cr_expect_eq(hipt_user_bytes(user), 0);
    hipt_user_destroy(user);
}
