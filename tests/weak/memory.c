/* SPDX-License-Identifier: MIT */
#include "weak/memory.h"

#include <string.h>

#include "sim/hash.h"
#include "weak/cpus.h"
#include "weak/crew.h"
#include "weak/port.h"

#define POOL_BYTES (1u << 19)
#define COOKIES_MAX 256u
#define FREED_MAX 64u
#define MAIN CREW_THREADS

/* A grace period: the read sides that it waits for, by their numbers, 0 for none; and what its end brings. */
struct cookie {
    uint64_t section[CREW_THREADS + 1u];
    struct hipti_weak_view view;
};

static _Alignas(4096) char pool[POOL_BYTES];
static char kept[POOL_BYTES];
static size_t used;
static size_t kept_used;
static bool is_refusing;
static unsigned refused = CREW_THREADS; /* the thread that gets none at all */
static struct cookie cookies[COOKIES_MAX];
static uint64_t ncookies;
static uint64_t kept_ncookies;
static uint64_t section[CREW_THREADS + 1u]; /* the read side that a thread is in, 0 for none */
static uint64_t nsections;
static unsigned depth[CREW_THREADS + 1u];
static struct hipti_weak_view started; /* what the callers of gp_start() knew */
static struct hipti_weak_view ended;   /* what the read sides that have ended knew at their ends */
static uint64_t word_of_periods;       /* stands for them at steps */

/* What has been given back: it keeps what it holds, and is not given out again. */
static struct {
    uintptr_t from;
    uintptr_t to;
} freed[FREED_MAX];
static unsigned nfreed;
static unsigned kept_nfreed;

void host_panic(const char *condition, const char *file, int line)
{
    crew_fail("check failed: %s at %s:%d", condition, file, line);
    __builtin_trap();
}

void host_clear(void)
{
    memset(pool, 0, sizeof(pool));
    used = 0;
    ncookies = 0;
    nfreed = 0;
    is_refusing = false;
    memset(depth, 0, sizeof(depth));
    memset(section, 0, sizeof(section));
}

void host_keep(void)
{
    memcpy(kept, pool, used);
    kept_used = used;
    kept_ncookies = ncookies;
    kept_nfreed = nfreed;
}

void host_restore(void)
{
    memcpy(pool, kept, kept_used);
    used = kept_used;
    ncookies = kept_ncookies;
    nfreed = kept_nfreed;
    refused = CREW_THREADS;
    hipti_weak_forget(&started);
    hipti_weak_forget(&ended);
    memset(depth, 0, sizeof(depth));
    memset(section, 0, sizeof(section));
}

void host_refuse(bool refuse)
{
    is_refusing = refuse;
}

void host_refuse_to(unsigned thread)
{
    refused = thread;
}

unsigned host_depth(unsigned thread)
{
    return depth[thread];
}

/* => the read sides that a grace period still waits for, a bit each. */
static unsigned cookie_waits_for(const struct cookie *cookie)
{
    unsigned waits = 0;
    unsigned i;

    for (i = 0; i <= CREW_THREADS; i++) {
        waits |= cookie->section[i] != 0 && cookie->section[i] == section[i] ? 1u << i : 0u;
    }
    return waits;
}

uint64_t host_state(void)
{
    uint64_t state = hipti_sim_hash(hipti_sim_hash(used, ncookies << 8 | refused),
                                    hipti_sim_hash(started.hash, ended.hash));
    uint64_t i;

    for (i = kept_nfreed; i < nfreed; i++) {
        state += hipti_sim_hash(freed[i].from, freed[i].to);
    }
    for (i = kept_ncookies; i < ncookies; i++) {
        state = hipti_sim_hash(state, hipti_sim_hash(cookie_waits_for(&cookies[i]), cookies[i].view.hash));
    }
    return state;
}

bool host_is_valid(void *ctx, const volatile void *address)
{
    (void)ctx;
    return (uintptr_t)address - (uintptr_t)pool < used;
}

void host_check(const volatile void *address)
{
    unsigned i;

    for (i = 0; i < nfreed; i++) {
        if ((uintptr_t)address >= freed[i].from && (uintptr_t)address < freed[i].to) {
            crew_fail("R1: memory is used that was given back");
        }
    }
}

static void *host_alloc(void *ctx, size_t bytes, size_t align, int node, bool may_wait)
{
    char *memory;

    (void)ctx;
    (void)node;
    if ((is_refusing && !may_wait) || (refused < CREW_THREADS && refused == crew_who())) {
        return NULL;
    }
    used = (used + align - 1u) & ~(align - 1u);
    if (bytes > sizeof(pool) - used) {
        crew_fail("the pool is used up");
        return NULL;
    }
    memory = pool + used;
    used += bytes;
    memset(memory, 0, bytes);
    crew_learn((uintptr_t)memory);
    if (crew_who() < CREW_THREADS) {
        hipti_weak_fresh(&crew_weak, memory, bytes);
    }
    return memory;
}

void *host_take(size_t bytes)
{
    return host_alloc(NULL, bytes, 64, HIPT_ANY_NODE, true);
}

static void host_free(void *ctx, void *ptr, size_t bytes)
{
    (void)ctx;
    if (nfreed == FREED_MAX) {
        crew_fail("more than %u blocks are given back", FREED_MAX);
        return;
    }
    freed[nfreed].from = (uintptr_t)ptr;
    freed[nfreed++].to = (uintptr_t)ptr + bytes;
}

static void step(const char *operation, int line)
{
    crew_step(operation, &word_of_periods, "host", line);
}

static void host_read_enter(void *ctx)
{
    unsigned who = crew_who();

    (void)ctx;
    step("load: read_enter", __LINE__);
    if (depth[who]++ == 0) {
        section[who] = ++nsections;
        if (who != MAIN) {
            hipti_weak_give(&crew_weak, &started);
        }
    }
}

static void host_read_exit(void *ctx)
{
    unsigned who = crew_who();
    uint64_t i;

    (void)ctx;
    step("load: read_exit", __LINE__);
    if (--depth[who] > 0) {
        return;
    }
    for (i = kept_ncookies; who != MAIN && i < ncookies; i++) {
        if (cookies[i].section[who] == section[who]) {
            hipti_weak_add(&crew_weak, &cookies[i].view);
        }
    }
    section[who] = 0;
    if (who != MAIN) {
        hipti_weak_add(&crew_weak, &ended);
    }
}

static uint64_t host_gp_start(void *ctx)
{
    struct cookie *cookie;

    (void)ctx;
    step("gp_start", __LINE__);
    cookie = &cookies[ncookies];
    if (++ncookies == COOKIES_MAX) {
        crew_fail("more than %u grace periods", COOKIES_MAX);
    }
    memcpy(cookie->section, section, sizeof(section));
    cookie->view = ended;
    if (crew_who() != MAIN) {
        hipti_weak_add(&crew_weak, &cookie->view);
        hipti_weak_add(&crew_weak, &started);
    }
    crew_learn(ncookies);
    return ncookies;
}

static bool host_gp_elapsed(void *ctx, uint64_t number)
{
    const struct cookie *cookie;
    bool has_elapsed;

    (void)ctx;
    step("load: gp_elapsed", __LINE__);
    if (number == 0 || number > ncookies) {
        crew_fail("asked for a grace period that never started");
        return false;
    }
    cookie = &cookies[number - 1u];
    has_elapsed = cookie_waits_for(cookie) == 0;
    crew_learn(has_elapsed);
    if (has_elapsed && crew_who() != MAIN && number > kept_ncookies) {
        hipti_weak_give(&crew_weak, &cookie->view);
    }
    return has_elapsed;
}

static bool host_random(void *ctx, void *buffer, size_t bytes)
{
    (void)ctx;
    memset(buffer, 0x5a, bytes);
    return true;
}

const struct hipt_ops host_ops = {
    .size = sizeof(struct hipt_ops),
    .alloc = host_alloc,
    .free = host_free,
    .read_enter = host_read_enter,
    .read_exit = host_read_exit,
    .gp_start = host_gp_start,
    .gp_elapsed = host_gp_elapsed,
    .random = host_random,
    .this_cpu = cpus_this,
    .relax = cpus_relax,
    .kick = cpus_kick,
};
