/* SPDX-License-Identifier: MIT */
/* Threads link, unlink, pin, walk and reap the same few frames. */
#include <criterion/criterion.h>

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "frame/frames.h"
#include "support/host.h"
#include "support/step.h"

enum { FRAMES = 2, LINKERS = 3, OWN = 16, STABLE = 9, TURNS = 8000 };

static struct test_host host;
static struct hipti_frames frames;
static struct hipti_topology topology; /* one node */
static struct hipti_memory memory;

static void start(void)
{
    static const struct hipt_range range = {.first = 0, .count = FRAMES, .swap = false};

    test_host_init(&host);
    cr_assert(hipti_topology_init(&topology, &host.ops, NULL));
    memory = hipti_memory_anywhere(&host.ops);
    test_host_free_run(&host);
    memset(&frames, 0, sizeof(frames));
    cr_assert(hipti_frames_init(&frames, &topology, &memory, &range, 1, 4096));
    step_yield_one_in(64);
}

static void stop(void)
{
    step_yield_one_in(0);
    hipti_frames_end(&frames);
    cr_assert_eq(atomic_load(&host.bytes), 0);
}

static struct hipti_pair pair(uint32_t slot)
{
    struct hipti_pair made = {slot, slot + 1000u};

    return made;
}

/* --- a frame that always has sharers */

struct sharing {
    _Atomic unsigned linking; /* threads that still link */
};

/* Link and unlink own pairs, numbered apart from all others. */
static void link_and_unlink(struct sharing *sharing, unsigned index)
{
    bool linked[OWN] = {false};
    uint64_t random = index + 1u;
    unsigned i;

    for (i = 0; i < TURNS; i++) {
        unsigned n = (unsigned)(test_random(&random) >> 32) % OWN;
        uint32_t slot = 100u * (index + 1u) + n;

        host.ops.read_enter(host.ops.ctx);
        if (linked[n]) {
            TEST_HOLDS(hipti_frame_cell(&frames, 1, slot) == slot + 1000u);
            TEST_HOLDS(hipti_frame_unlink(&frames, 1, slot, i % 2u == 0) == slot + 1000u);
        } else {
            TEST_HOLDS(hipti_frame_link(&frames, 1, pair(slot)) == HIPT_OK);
        }
        linked[n] = !linked[n];
        host.ops.read_exit(host.ops.ctx);
    }
    for (i = 0; i < OWN; i++) {
        if (linked[i]) {
            host.ops.read_enter(host.ops.ctx);
            TEST_HOLDS(hipti_frame_unlink(&frames, 1, 100u * (index + 1u) + i, true) != 0);
            host.ops.read_exit(host.ops.ctx);
        }
    }
    atomic_fetch_sub(&sharing->linking, 1u);
}

/* Walk as long as others link: every stable pair is given, and nothing that is no pair. */
static void walk(const struct sharing *sharing)
{
    while (atomic_load(&sharing->linking) > 0) {
        bool seen[STABLE] = {false};
        struct hipti_pairs pairs;
        struct hipti_pair found;
        unsigned i;

        host.ops.read_enter(host.ops.ctx);
        pairs = hipti_frame_pairs(&frames, 1);
        while (hipti_pairs_next(&pairs, &found)) {
            TEST_HOLDS(found.cell == found.slot + 1000u);
            if (found.slot < STABLE) {
                TEST_HOLDS(!seen[found.slot]);
                seen[found.slot] = true;
            }
        }
        host.ops.read_exit(host.ops.ctx);
        for (i = 0; i < STABLE; i++) {
            TEST_HOLDS(seen[i]);
        }
    }
}

static void share(void *shared, unsigned index)
{
    struct sharing *sharing = (struct sharing *)shared;

    if (index == 0) {
        walk(sharing);
    } else {
        link_and_unlink(sharing, index);
    }
}

/* F1: a walk never omits a pair that is linked all the while, whatever comes, goes and is trimmed around it. */
Test(frame, F1_a_walk_omits_no_linked_pair)
{
    struct sharing sharing = {LINKERS};
    struct hipt_frame_status status;
    uint32_t n;

    start();
    for (n = 0; n < STABLE; n++) {
        cr_assert_eq(hipti_frame_link(&frames, 1, pair(n)), HIPT_OK);
    }
    test_threads(LINKERS + 1, share, &sharing);
    status = hipti_frame_status(&frames, 1);
    cr_assert_eq(status.mappings, STABLE);
    cr_assert_eq(status.state, HIPT_FRAME_MAPPED);
    stop();
}

/* --- frames that come and go */

struct lives {
    _Atomic uint64_t used_in[FRAMES + 1]; /* the youngest grace period asked for when the frame was last used */
    _Atomic uint64_t reaped;
    _Atomic uint64_t linked;
};

static void use_frame(struct lives *lives, uint32_t number, unsigned index, uint64_t draw)
{
    uint32_t base = 100u * (index + 1u);
    uint32_t count = (uint32_t)(draw & 3u) + 1u;
    uint32_t linked = 0;

    host.ops.read_enter(host.ops.ctx);
    while (linked < count && hipti_frame_link(&frames, number, pair(base + linked)) == HIPT_OK) {
        linked++;
        atomic_fetch_add(&lives->linked, 1u);
    }
    if (draw & 4u && hipti_frame_pin(&frames, number) == HIPT_OK) {
        TEST_HOLDS(hipti_frame_unpin(&frames, number) == HIPT_OK);
    }
    if (linked > 0) {
        enum hipt_frame_state state = hipti_frame_status(&frames, number).state;

        TEST_HOLDS(state == HIPT_FRAME_MAPPED);
        atomic_store(&lives->used_in[number], atomic_load(&host.started)); /* R1: not to be reaped before this ends */
    }
    while (linked-- > 0) {
        TEST_HOLDS(hipti_frame_unlink(&frames, number, base + linked, draw & 8u) == base + linked + 1000u);
    }
    host.ops.read_exit(host.ops.ctx);
}

static void reap(struct lives *lives)
{
    uint64_t used_in[FRAMES];
    struct hipt_frame frame;
    unsigned i;

    for (i = 0; i < FRAMES; i++) {
        used_in[i] = atomic_load(&lives->used_in[i + 1u]);
    }
    host.ops.read_enter(host.ops.ctx);
    if (hipti_frame_reap(&frames, &frame)) {
        TEST_HOLDS(atomic_load(&host.elapsed) > used_in[frame.pfn]);
        atomic_fetch_add(&lives->reaped, 1u);
    }
    host.ops.read_exit(host.ops.ctx);
}

static void live(void *shared, unsigned index)
{
    struct lives *lives = (struct lives *)shared;
    uint64_t random = index + 1u;
    unsigned i;

    for (i = 0; i < TURNS; i++) {
        uint64_t draw = test_random(&random) >> 32;

        if (draw & 16u) {
            reap(lives);
        } else {
            use_frame(lives, 1u + (draw >> 5) % FRAMES, index, draw);
        }
    }
}

/* F1 to F8: links, undone links, pins and reaps of one frame by several threads leave a frame at rest, nothing lost. */
Test(frame, F1_R1_lives_of_frames)
{
    static struct lives lives;
    struct hipt_frame frame;
    uint32_t n;

    start();
    test_threads(LINKERS, live, &lives);
    cr_assert_gt(atomic_load(&lives.reaped), 10, "%llu", (unsigned long long)atomic_load(&lives.reaped));
    for (n = 0; n < 4u; n++) {
        host.ops.read_enter(host.ops.ctx);
        while (hipti_frame_reap(&frames, &frame)) {
            /* whatever still was in limbo */
        }
        host.ops.read_exit(host.ops.ctx);
    }
    for (n = 1; n <= FRAMES; n++) {
        struct hipt_frame_status status = hipti_frame_status(&frames, n);
        struct hipti_pairs pairs = hipti_frame_pairs(&frames, n);
        struct hipti_pair found;

        cr_expect(status.state == HIPT_FRAME_FREE && status.mappings == 0 && status.pins == 0,
                  "frame %u: state %d, %u, %u", n, (int)status.state, status.mappings, status.pins);
        cr_expect(!hipti_pairs_next(&pairs, &found));
    }
    stop();
}
