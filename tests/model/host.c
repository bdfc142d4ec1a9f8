/* SPDX-License-Identifier: MIT */
#include "host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Not assert(): a build without it would test less and say nothing. */
#define REQUIRE(condition)                                                                                             \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                            \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

static void *host_alloc(void *ctx, size_t bytes, size_t align, int node, bool may_wait)
{
    struct host *host = ctx;
    (void)node;
    REQUIRE(bytes > 0 && align <= 4096 && (align & (align - 1)) == 0);
    REQUIRE(host->depth == 0 || !may_wait);
    if (align < sizeof(void *)) {
        align = sizeof(void *);
    }
    size_t rounded = (bytes + align - 1) / align * align;
    void *ptr = aligned_alloc(align, rounded);
    if (ptr != NULL) {
        memset(ptr, 0, rounded);
        host->bytes += bytes;
    }
    return ptr;
}

static void host_free(void *ctx, void *ptr, size_t bytes)
{
    struct host *host = ctx;
    REQUIRE(ptr != NULL && bytes <= host->bytes);
    host->bytes -= bytes;
    free(ptr);
}

static void host_read_enter(void *ctx)
{
    struct host *host = ctx;
    host->depth++;
}

static void host_read_exit(void *ctx)
{
    struct host *host = ctx;
    REQUIRE(host->depth > 0);
    host->depth--;
}

static uint64_t host_gp_start(void *ctx)
{
    struct host *host = ctx;
    return ++host->started;
}

static bool host_gp_elapsed(void *ctx, uint64_t cookie)
{
    const struct host *host = ctx;
    REQUIRE(cookie <= host->started);
    return cookie <= host->elapsed;
}

static void host_gp_wait(void *ctx, uint64_t cookie)
{
    struct host *host = ctx;
    REQUIRE(host->depth == 0 && cookie <= host->started);
    if (host->elapsed < cookie) {
        host->elapsed = cookie;
    }
}

uint64_t host_random(uint64_t *state)
{
    uint64_t x = *state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return x * UINT64_C(2685821657736338717);
}

static bool host_random_bytes(void *ctx, void *buffer, size_t bytes)
{
    struct host *host = ctx;
    for (size_t i = 0; i < bytes; i++) {
        ((uint8_t *)buffer)[i] = (uint8_t)(host_random(&host->random) >> 56);
    }
    return true;
}

void host_init(struct host *host, uint64_t seed)
{
    *host = (struct host){
        .random = seed * 2 + 1, /* the generator's state is never zero */
        .ops = {.size = sizeof(host->ops),
                .ctx = host,
                .alloc = host_alloc,
                .free = host_free,
                .read_enter = host_read_enter,
                .read_exit = host_read_exit,
                .gp_start = host_gp_start,
                .gp_elapsed = host_gp_elapsed,
                .gp_wait = host_gp_wait,
                .random = host_random_bytes},
    };
}

void host_tick(struct host *host)
{
    if (host->depth == 0) {
        host->elapsed = host->started;
    }
}

void host_pass(struct host *host)
{
    host_gp_wait(host, host_gp_start(host));
}
