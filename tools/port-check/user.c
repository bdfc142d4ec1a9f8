/* SPDX-License-Identifier: MIT */
#include "user.h"

#include "hosted.h"

#define THREADS 4u
#define IMPOSSIBLE ((size_t)1 << 50)

static bool stand(void *ctx, struct hipt_cpu *cpu)
{
    return hipt_user_cpu(ctx, cpu) == HIPT_OK;
}

static size_t bytes(void *ctx)
{
    return hipt_user_bytes(ctx);
}

static int node_of(void *ctx, const void *address)
{
    return hipt_user_node_of(ctx, address);
}

struct hipt_port_check user_port_check(struct hipt_user *user, unsigned nodes)
{
    static const uint32_t numbers[THREADS] = {0, 1, 63, 64}; /* of both words of a set */
    struct hipt_port_check port = {.ops = hipt_user_ops(user), .ctx = user, .crew = hosted_crew, .threads = THREADS,
                                   .nap = hosted_nap, .say = hosted_say, .stand = stand, .cpu_numbers = numbers,
                                   .bytes = bytes, .node_of = node_of, .nodes = nodes, .impossible = IMPOSSIBLE};

    return port;
}
