/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "faults.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

#define ASIDE 16u

const struct hipt_ops *good;

static void nap_ms(long ms)
{
    const struct timespec pause = {.tv_sec = 0, .tv_nsec = ms * 1000000};

    (void)thrd_sleep(&pause, NULL);
}

/* --- ops */

static void no_random(struct hipt_ops *ops)
{
    ops->random = NULL;
}

static void only_enter(struct hipt_ops *ops)
{
    ops->read_exit = NULL;
}

static void no_size(struct hipt_ops *ops)
{
    ops->size = 16;
}

/* --- memory */

static void *kept_block;
static size_t kept_bytes;

static void *keep_alloc(void *ctx, size_t bytes, size_t align, int node, bool may_wait)
{
    void *block = kept_block;

    if (block != NULL && kept_bytes == bytes && (uintptr_t)block % align == 0) {
        kept_block = NULL;
        return block;
    }
    return good->alloc(ctx, bytes, align, node, may_wait);
}

static void keep_free(void *ctx, void *block, size_t bytes)
{
    if (kept_block != NULL) {
        good->free(ctx, kept_block, kept_bytes);
    }
    kept_block = block, kept_bytes = bytes;
}

static void old_contents(struct hipt_ops *ops)
{
    ops->alloc = keep_alloc, ops->free = keep_free;
}

static void *small_alloc(void *ctx, size_t bytes, size_t align, int node, bool may_wait)
{
    return bytes > 1u << 19 ? NULL : good->alloc(ctx, bytes, align, node, may_wait);
}

static void small_blocks(struct hipt_ops *ops)
{
    ops->alloc = small_alloc;
}

static void *aside_alloc(void *ctx, size_t bytes, size_t align, int node, bool may_wait)
{
    char *block = good->alloc(ctx, bytes + ASIDE, align > 64u ? align : 64u, node, may_wait);

    return block != NULL ? block + ASIDE : NULL;
}

static void aside_free(void *ctx, void *block, size_t bytes)
{
    good->free(ctx, (char *)block - ASIDE, bytes + ASIDE);
}

static void aligned_to_16(struct hipt_ops *ops)
{
    ops->alloc = aside_alloc, ops->free = aside_free;
}

/* Every block of 64 to 128 bytes is the same one. */
static void *same_alloc(void *ctx, size_t bytes, size_t align, int node, bool may_wait)
{
    static _Alignas(4096) char same[128];

    if (bytes >= 64u && bytes <= sizeof(same)) {
        return memset(same, 0, bytes);
    }
    return good->alloc(ctx, bytes, align, node, may_wait);
}

static void same_free(void *ctx, void *block, size_t bytes)
{
    if (bytes < 64u || bytes > 128u) {
        good->free(ctx, block, bytes);
    }
}

static void one_block_twice(struct hipt_ops *ops)
{
    ops->alloc = same_alloc, ops->free = same_free;
}

/* One block that is kept: it is cleared when others can have it already. */
static void *_Atomic cleared_late;

static void *late_alloc(void *ctx, size_t bytes, size_t align, int node, bool may_wait)
{
    void *block = bytes <= 4096u ? atomic_exchange(&cleared_late, NULL) : NULL;

    (void)align;
    return block != NULL ? block : good->alloc(ctx, bytes <= 4096u ? 4096u : bytes, 4096, node, may_wait);
}

static void late_free(void *ctx, void *block, size_t bytes)
{
    static atomic_uint calls;

    if (bytes > 4096u) {
        good->free(ctx, block, bytes);
        return;
    }
    atomic_store(&cleared_late, block); /* what was there before is lost */
    if (atomic_fetch_add(&calls, 1u) % 8u == 0) {
        nap_ms(1);
    }
    memset(block, 0, 4096);
}

static void cleared_too_late(struct hipt_ops *ops)
{
    ops->alloc = late_alloc, ops->free = late_free;
}

static void *sleepy_alloc(void *ctx, size_t bytes, size_t align, int node, bool may_wait)
{
    if (!may_wait) {
        good->read_exit(ctx);
        nap_ms(1);
        good->read_enter(ctx);
    }
    return good->alloc(ctx, bytes, align, node, may_wait);
}

static void alloc_leaves_section(struct hipt_ops *ops)
{
    ops->alloc = sleepy_alloc;
}

static void *anywhere_alloc(void *ctx, size_t bytes, size_t align, int node, bool may_wait)
{
    return node == 1 ? NULL : good->alloc(ctx, bytes, align, node, may_wait);
}

static void preference_is_strict(struct hipt_ops *ops)
{
    ops->alloc = anywhere_alloc;
}

static void *other_alloc_strict(void *ctx, size_t bytes, size_t align, int node, bool may_wait)
{
    return good->alloc_strict(ctx, bytes, align, 1 - node, may_wait);
}

static void other_node(struct hipt_ops *ops)
{
    ops->alloc_strict = other_alloc_strict;
}

static void *short_alloc(void *ctx, size_t bytes, size_t align, int node, bool may_wait)
{
    return good->alloc(ctx, (uint32_t)bytes + 64u, align, node, may_wait);
}

static void short_free(void *ctx, void *block, size_t bytes)
{
    good->free(ctx, block, (uint32_t)bytes + 64u);
}

static void size_of_32_bits(struct hipt_ops *ops)
{
    ops->alloc = short_alloc, ops->free = short_free;
}

static void some_free(void *ctx, void *block, size_t bytes)
{
    if (bytes < 65536u) {
        good->free(ctx, block, bytes);
    }
}

static void leak(struct hipt_ops *ops)
{
    ops->free = some_free;
}

static bool constant_random(void *ctx, void *buffer, size_t bytes)
{
    (void)ctx;
    memset(buffer, 0x5a, bytes);
    return true;
}

static void not_random(struct hipt_ops *ops)
{
    ops->random = constant_random;
}

static bool half_random(void *ctx, void *buffer, size_t bytes)
{
    return good->random(ctx, buffer, bytes > 1u ? bytes / 2u : bytes);
}

static void random_half(struct hipt_ops *ops)
{
    ops->random = half_random;
}

static bool more_random(void *ctx, void *buffer, size_t bytes)
{
    return good->random(ctx, buffer, (bytes + 7u) / 8u * 8u);
}

static void random_rounded_up(struct hipt_ops *ops)
{
    ops->random = more_random;
}

/* --- grace periods */

static bool never_elapsed(void *ctx, uint64_t cookie)
{
    (void)ctx, (void)cookie;
    return false;
}

static void never(struct hipt_ops *ops)
{
    ops->gp_elapsed = never_elapsed;
}

static bool flickering_elapsed(void *ctx, uint64_t cookie)
{
    static atomic_uint looks;

    return good->gp_elapsed(ctx, cookie) && atomic_fetch_add(&looks, 1u) % 7u != 3u;
}

static void not_for_good(struct hipt_ops *ops)
{
    ops->gp_elapsed = flickering_elapsed;
}

static bool always_elapsed(void *ctx, uint64_t cookie)
{
    (void)ctx, (void)cookie;
    return true;
}

static void at_once(struct hipt_ops *ops)
{
    ops->gp_elapsed = always_elapsed;
}

/* It has been looked at so often that everybody must be out. */
static bool timed_elapsed(void *ctx, uint64_t cookie)
{
    static atomic_uint looks;

    return good->gp_elapsed(ctx, cookie) || atomic_fetch_add(&looks, 1u) % 8u == 7u;
}

static void for_a_time(struct hipt_ops *ops)
{
    ops->gp_elapsed = timed_elapsed;
}

/* The first who comes inside is waited for, the others are not. */
static _Atomic int waited_for;
static _Thread_local bool is_waited_for;
static _Thread_local unsigned depth;

static void first_enter(void *ctx)
{
    int nobody = 0;

    if (depth++ == 0 && atomic_compare_exchange_strong(&waited_for, &nobody, 1)) {
        is_waited_for = true;
        good->read_enter(ctx);
    }
}

static void first_exit(void *ctx)
{
    if (--depth == 0 && is_waited_for) {
        is_waited_for = false;
        good->read_exit(ctx);
        atomic_store(&waited_for, 0);
    }
}

static void for_one_reader(struct hipt_ops *ops)
{
    ops->read_enter = first_enter, ops->read_exit = first_exit;
}

static bool waiting_elapsed(void *ctx, uint64_t cookie)
{
    good->gp_wait(ctx, cookie);
    return true;
}

static void elapsed_waits(struct hipt_ops *ops)
{
    ops->gp_elapsed = waiting_elapsed;
}

static void flat_enter(void *ctx)
{
    if (depth++ == 0) {
        good->read_enter(ctx);
    }
}

static void flat_exit(void *ctx)
{
    if (depth > 0) {
        good->read_exit(ctx); /* any exit ends it */
        depth = 0;
    }
}

static void no_nesting(struct hipt_ops *ops)
{
    ops->read_enter = flat_enter, ops->read_exit = flat_exit;
}

static void counted_enter(void *ctx)
{
    depth++;
    good->read_enter(ctx);
}

static void counted_exit(void *ctx)
{
    depth--;
    good->read_exit(ctx);
}

static uint64_t leaving_gp_start(void *ctx)
{
    uint64_t cookie;

    if (depth == 0) {
        return good->gp_start(ctx);
    }
    good->read_exit(ctx);
    cookie = good->gp_start(ctx);
    good->gp_wait(ctx, cookie);
    good->read_enter(ctx);
    return cookie;
}

static void caller_is_left_out(struct hipt_ops *ops)
{
    ops->read_enter = counted_enter, ops->read_exit = counted_exit, ops->gp_start = leaving_gp_start;
}

/* One counter of all who are inside; a grace period has ended when nobody is. */
static _Atomic uint64_t asked, ended;
static atomic_uint inside;

static void counter_enter(void *ctx)
{
    (void)ctx;
    atomic_fetch_add(&inside, 1u);
}

static void counter_exit(void *ctx)
{
    (void)ctx;
    atomic_fetch_sub(&inside, 1u);
}

static uint64_t counter_gp_start(void *ctx)
{
    (void)ctx;
    return atomic_fetch_add(&asked, 1u) + 1u;
}

static bool counter_gp_elapsed(void *ctx, uint64_t cookie)
{
    uint64_t now = atomic_load(&asked);
    uint64_t seen = atomic_load(&ended);

    (void)ctx;
    if (atomic_load(&inside) == 0) {
        while (seen < now && !atomic_compare_exchange_weak(&ended, &seen, now)) {
        }
    }
    return atomic_load(&ended) >= cookie;
}

static void until_nobody_is_inside(struct hipt_ops *ops)
{
    ops->read_enter = counter_enter, ops->read_exit = counter_exit;
    ops->gp_start = counter_gp_start, ops->gp_elapsed = counter_gp_elapsed, ops->gp_wait = NULL;
}

static mtx_t lock;

static void locked_enter(void *ctx)
{
    if (depth++ == 0) {
        mtx_lock(&lock);
    }
    good->read_enter(ctx);
}

static void locked_exit(void *ctx)
{
    good->read_exit(ctx);
    if (--depth == 0) {
        mtx_unlock(&lock);
    }
}

static void one_reader_at_a_time(struct hipt_ops *ops)
{
    (void)mtx_init(&lock, mtx_plain);
    ops->read_enter = locked_enter, ops->read_exit = locked_exit;
}

static uint64_t zero_gp_start(void *ctx)
{
    return good->gp_start(ctx) - 1u;
}

static void from_zero(struct hipt_ops *ops)
{
    ops->gp_start = zero_gp_start;
}

static uint64_t falling_gp_start(void *ctx)
{
    static atomic_uint calls;

    return good->gp_start(ctx) + 8u - atomic_fetch_add(&calls, 1u) % 8u;
}

static void cookies_fall(struct hipt_ops *ops)
{
    ops->gp_start = falling_gp_start;
}

static bool odd_elapsed(void *ctx, uint64_t cookie)
{
    return good->gp_elapsed(ctx, cookie % 2u ? cookie + 2u : cookie);
}

static void odd_ones_later(struct hipt_ops *ops)
{
    ops->gp_elapsed = odd_elapsed;
}

static void no_gp_wait(void *ctx, uint64_t cookie)
{
    (void)ctx, (void)cookie;
}

static void wait_does_not(struct hipt_ops *ops)
{
    ops->gp_wait = no_gp_wait;
}

/*
 * Every third section is not known: its thread had said that it is inside, but not so that others see it in time.
 * What a missing fence does now and then on one machine or the other, this does on all of them.
 */
static _Thread_local unsigned sections;
static _Thread_local bool is_known;

static void unseen_enter(void *ctx)
{
    if (depth++ == 0) {
        is_known = ++sections % 3u != 0;
        if (is_known) {
            good->read_enter(ctx);
        }
    }
}

static void unseen_exit(void *ctx)
{
    if (--depth == 0 && is_known) {
        good->read_exit(ctx);
    }
}

static void some_sections_unseen(struct hipt_ops *ops)
{
    ops->read_enter = unseen_enter, ops->read_exit = unseen_exit;
}

/* --- CPUs */

static struct hipt_cpu *no_this_cpu(void *ctx)
{
    (void)ctx;
    return NULL;
}

static void never_on_a_cpu(struct hipt_ops *ops)
{
    ops->this_cpu = no_this_cpu;
}

static struct hipt_cpu *_Atomic last_cpu;

static struct hipt_cpu *shared_this_cpu(void *ctx)
{
    struct hipt_cpu *cpu = good->this_cpu(ctx);

    if (cpu != NULL) {
        struct hipt_cpu *before = atomic_exchange(&last_cpu, cpu);

        return before != NULL ? before : cpu;
    }
    return NULL;
}

static void one_for_all(struct hipt_ops *ops)
{
    ops->this_cpu = shared_this_cpu;
}

static bool cannot_wait(void *ctx)
{
    (void)ctx;
    return false;
}

static void nobody_can_wait(struct hipt_ops *ops)
{
    ops->can_wait = cannot_wait;
}

static void leaving_relax(void *ctx)
{
    good->read_exit(ctx);
    nap_ms(1);
    good->read_enter(ctx);
}

static void relax_is_quiescent(struct hipt_ops *ops)
{
    ops->relax = leaving_relax;
}

static void patient_slow(void *ctx, uint32_t cpu, uint64_t posted, uint64_t served)
{
    (void)ctx, (void)cpu, (void)posted, (void)served;
    for (;;) {
        nap_ms(100);
    }
}

static void slow_waits(struct hipt_ops *ops)
{
    ops->slow = patient_slow;
}

static int beyond_this_node(void *ctx)
{
    (void)ctx;
    return 2;
}

static void node_beyond(struct hipt_ops *ops)
{
    ops->this_node = beyond_this_node;
}

static atomic_uint threads_seen;
static _Thread_local uint64_t behind;

static uint64_t own_clock(void *ctx)
{
    if (behind == 0) {
        behind = 1u + 1000000u * atomic_fetch_add(&threads_seen, 1u);
    }
    return good->clock(ctx) - behind;
}

static void clocks_differ(struct hipt_ops *ops)
{
    ops->clock = own_clock;
}

static uint64_t stopped_clock(void *ctx)
{
    (void)ctx;
    return 1;
}

static void clock_stands(struct hipt_ops *ops)
{
    ops->clock = stopped_clock;
}

static void no_barrier(void *ctx)
{
    (void)ctx;
}

static void barrier_is_none(struct hipt_ops *ops)
{
    ops->barrier = no_barrier;
}

static void one_word_kick(void *ctx, const uint64_t *set, unsigned words)
{
    (void)words;
    good->kick(ctx, set, 1);
}

static void kick_up_to_63(struct hipt_ops *ops)
{
    ops->kick = one_word_kick;
}

/* Of each set the lowest CPU only. */
static void one_cpu_kick(void *ctx, const uint64_t *set, unsigned words)
{
    uint64_t one[HIPT_CPUS_MAX / 64u] = {0};

    for (unsigned i = 0; i < words; i++) {
        if (set[i] != 0) {
            one[i] = set[i] & -set[i];
            break;
        }
    }
    good->kick(ctx, one, words);
}

static void kick_reaches_one(struct hipt_ops *ops)
{
    ops->kick = one_cpu_kick;
}

/* --- the good ones that the user-space port leaves out */

static bool may_wait_always(void *ctx)
{
    (void)ctx;
    return true;
}

void add_hooks(struct hipt_ops *ops)
{
    ops->can_wait = may_wait_always;
}

const struct fault faults[] = {
    {"ops", "random is not set", no_random, 1},
    {"ops", "read_exit is not set", only_enter, 1},
    {"ops", "the size is that of nothing", no_size, 1},
    {"alloc_zeroed", "what was freed is given out as it is", old_contents, 1},
    {"alloc_block_max", "nothing for more than 512 KiB", small_blocks, 1},
    {"alloc_aligned", "aligned to 16, whatever is asked for", aligned_to_16, 1},
    {"alloc_apart", "one block twice", one_block_twice, 1},
    {"alloc_by_threads", "blocks are cleared when others can have them", cleared_too_late, 20},
    {"alloc_in_section", "alloc closes the section and opens it again", alloc_leaves_section, 1},
    {"alloc_on_node", "nothing where another node has room", preference_is_strict, 1},
    {"alloc_strict", "the other node", other_node, 1},
    {"alloc_impossible", "the size is cut to 32 bits", size_of_32_bits, 1},
    {"free_gives_back", "large blocks are not given back", leak, 1},
    {"random", "always the same", not_random, 1},
    {"random", "half of it", random_half, 1},
    {"random", "more than was asked for", random_rounded_up, 1},
    {"gp_elapses", "never", never, 1},
    {"gp_elapses", "true, then false again", not_for_good, 1},
    {"gp_waits", "at once", at_once, 1},
    {"gp_waits", "after eight looks", for_a_time, 1},
    {"gp_waits", "one reader is waited for", for_one_reader, 1},
    {"gp_waits_caller", "gp_elapsed waits", elapsed_waits, 1},
    {"gp_waits_nested", "the inner exit ends the section", no_nesting, 1},
    {"gp_waits_caller", "gp_start leaves the section", caller_is_left_out, 1},
    {"gp_under_overlap", "only when nobody is inside", until_nobody_is_inside, 1},
    {"read_in_parallel", "one reader at a time", one_reader_at_a_time, 1},
    {"gp_cookies", "0", from_zero, 1},
    {"gp_cookies", "they fall", cookies_fall, 20},
    {"gp_in_order", "odd ones come later", odd_ones_later, 20},
    {"gp_wait", "does not wait", wait_does_not, 20},
    {"gp_protects", "at once", at_once, 20},
    {"gp_protects", "one section of three is not known", some_sections_unseen, 20},
    {"this_cpu", "always NULL", never_on_a_cpu, 1},
    {"this_cpu", "that of another thread", one_for_all, 1},
    {"can_wait", "never", nobody_can_wait, 1},
    {"relax", "closes the section and opens it again", relax_is_quiescent, 1},
    {"slow", "waits", slow_waits, 1},
    {"this_node", "beyond the last", node_beyond, 1},
    {"clock", "each thread has its own", clocks_differ, 20},
    {"clock", "stands", clock_stands, 1},
    {"barrier", "does nothing", barrier_is_none, 20},
    {"kick", "the first word of the set only", kick_up_to_63, 1},
    {"kick", "the first CPU of the set only", kick_reaches_one, 1},
    {"cross", "this_cpu is always NULL", never_on_a_cpu, 1},
    {"table_alone", "grace periods never end", never, 1},
    {"table_by_threads", "grace periods never end", never, 1},
};
const size_t nfaults = sizeof(faults) / sizeof(faults[0]);
