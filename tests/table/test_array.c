/* SPDX-License-Identifier: MIT */
/* Arrays of buckets that come and go, and slots whose mapping has gone to another array: the rows P20 to P23 and H4. */
#include <criterion/criterion.h>

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "support/buckets.h"
#include "support/step.h"
#include "table/bucket.h"

enum { WIDTH = BUCKETS_KEY_BITS, PFN = 0x1234 };

static struct test_host host;
static struct hipti_buckets buckets;
static bool is_done; /* the interrupting one has run */

static void start(uint64_t count)
{
    test_buckets_open(&host, &buckets, (struct test_buckets){.count = count, .nsizes = 1});
    is_done = false;
    host.ops.read_enter(host.ops.ctx);
}

static void stop(void)
{
    host.ops.read_exit(host.ops.ctx);
    test_buckets_close(&host, &buckets);
}

/* => an array like the present one, for the other half. */
static struct hipti_array *other_array(uint64_t count)
{
    const struct hipti_array *now = hipti_buckets_now(&buckets, 0);
    struct hipti_array *array;

    host.ops.read_exit(host.ops.ctx);
    array = hipti_array_create(buckets.shard[0]->memory,
                               hipti_buckets_first(&buckets, 0, hipti_array_other_half(now)), count, &now->hash,
                               true);
    host.ops.read_enter(host.ops.ctx);
    cr_assert_not_null(array);
    array->secret = now->secret;
    array->resizes = buckets.shard[0]->resizes;
    return array;
}

/* All has moved to the present array. */
static void leave(void)
{
    hipti_store_release(&hipti_buckets_now(&buckets, 0)->past, NULL);
}

static struct hipti_place place_of(uint64_t n)
{
    return hipti_buckets_place(&buckets, 0, n << (64 - WIDTH));
}

static hipti_slot put(uint64_t n)
{
    struct hipt_mapping mapping = {.pfn = PFN + n, .prot = HIPT_READ};
    struct hipti_claim claim;

    cr_assert_eq(hipti_bucket_claim(&buckets, place_of(n), hipti_pte_pack(&mapping), &claim), HIPT_OK);
    cr_assert_eq(hipti_bucket_commit(&buckets, &claim), HIPT_OK);
    return claim.slot;
}

/* An array is replaced, left, leaves its half after one grace period, and goes back after another one. */
Test(array, R1_comes_and_goes)
{
    struct hipti_array *first;
    struct hipti_array *second;
    uint64_t bytes;

    start(4);
    first = hipti_buckets_now(&buckets, 0);
    bytes = atomic_load(&host.bytes);
    cr_assert_eq(hipti_buckets_free_half(&buckets, 0), 1);
    second = other_array(8);
    cr_assert(hipti_buckets_replace(&buckets, 0, second));
    cr_assert_eq(hipti_buckets_now(&buckets, 0), second);
    cr_assert_eq(second->past, first);
    cr_assert_eq(buckets.shard[0]->resizes, 1);
    cr_assert_eq(hipti_buckets_free_half(&buckets, 0), 2, "it is being left");
    test_host_pass(&host);
    cr_assert_eq(hipti_buckets_free_half(&buckets, 0), 2);
    leave();
    cr_assert_eq(hipti_buckets_free_half(&buckets, 0), 2, "its grace period begins");
    cr_assert_eq(hipti_buckets_free_half(&buckets, 0), 2);
    cr_assert_eq(buckets.shard[0]->half[0], first);
    test_host_pass(&host);
    cr_assert_eq(hipti_buckets_free_half(&buckets, 0), 0);
    cr_assert_null(buckets.shard[0]->half[0]);
    hipti_buckets_collect(&buckets, 0);
    cr_assert_gt(atomic_load(&host.bytes), bytes, "somebody may look at it still");
    test_host_pass(&host);
    hipti_buckets_collect(&buckets, 0);
    cr_assert_null(buckets.shard[0]->junk);
    cr_assert_lt(atomic_load(&host.bytes), bytes + 64u * 8u + sizeof(*second));
    stop();
}

/* Who made an array was stopped before it took its place: whoever asks for a half lets it. */
Test(array, T4_stopped_before_it_took_its_place)
{
    struct hipti_array *first;
    struct hipti_array *second;

    start(4);
    first = hipti_buckets_now(&buckets, 0);
    second = other_array(8);
    cr_assert(hipti_buckets_replace(&buckets, 0, second));
    hipti_store_release(&buckets.now[0], first);
    cr_assert_eq(hipti_buckets_free_half(&buckets, 0), 2);
    cr_assert_eq(hipti_buckets_now(&buckets, 0), second);
    stop();
}

static struct hipti_array *coming;

static void replace_and_leave(void)
{
    is_done = true;
    cr_assert(hipti_buckets_replace(&buckets, 0, coming));
    leave();
}

/* The present array is not taken for one that has been left, because another one was the present when it was read. */
Test(array, R1_the_present_array_has_not_been_left)
{
    unsigned n = 0;

    do {
        start(4);
        coming = other_array(8);
        is_done = false;
        step_interrupt(NULL, NULL, n, replace_and_leave);
        (void)hipti_buckets_free_half(&buckets, 0);
        if (!step_interrupted()) {
            replace_and_leave();
            is_done = false;
        }
        cr_assert_eq(coming->cookie, 0, "interrupted at %u: its grace period has begun", n);
        stop();
        n++;
    } while (is_done);
}

static bool is_in;

static void replace_too(void)
{
    is_done = true;
    is_in = hipti_buckets_replace(&buckets, 0, coming);
}

/* Of two that would take the place of the same array one does; the other one is the caller's still. */
Test(array, T1_two_at_once)
{
    unsigned n = 0;

    do {
        struct hipti_array *array;
        bool was_in;

        start(4);
        array = other_array(8);
        coming = other_array(2);
        is_done = false;
        is_in = false;
        step_interrupt(NULL, NULL, n, replace_too);
        was_in = hipti_buckets_replace(&buckets, 0, array);
        (void)step_interrupted();
        cr_assert_neq(was_in, is_in, "interrupted at %u", n);
        cr_assert_eq(hipti_buckets_now(&buckets, 0), was_in ? array : coming);
        cr_assert_eq(buckets.shard[0]->resizes, 1);
        hipti_array_destroy(was_in ? coming : array);
        stop();
        n++;
    } while (is_done);
}

/* Two have come and gone since an array was made: its half is free again, but it is not what is wanted any more. */
Test(array, T1_made_for_what_has_gone)
{
    struct hipti_array *late;
    unsigned i;

    start(4);
    late = other_array(8);
    for (i = 0; i < 2u; i++) {
        cr_assert(hipti_buckets_replace(&buckets, 0, other_array(4)));
        leave();
        (void)hipti_buckets_free_half(&buckets, 0);
        test_host_pass(&host);
        cr_assert_neq(hipti_buckets_free_half(&buckets, 0), HIPTI_NO_HALF);
    }
    cr_assert_not(hipti_buckets_replace(&buckets, 0, late));
    late->resizes = 2;
    cr_assert(hipti_buckets_replace(&buckets, 0, late));
    stop();
}

static void put_into_junk(void)
{
    is_done = true;
    coming->next = hipti_load_acquire(&buckets.shard[0]->junk);
    hipti_store_release(&buckets.shard[0]->junk, coming);
}

/* Arrays that wait are not lost where two give back at once. */
Test(array, R1_junk_from_two)
{
    unsigned n = 0;

    do {
        const struct hipti_array *first;
        struct hipti_array *array;

        start(4);
        array = other_array(8);
        coming = other_array(2);
        array->cookie = host.ops.gp_start(host.ops.ctx) + 1u;
        coming->cookie = array->cookie;
        hipti_store_release(&buckets.shard[0]->junk, array);
        is_done = false;
        step_interrupt(NULL, NULL, n, put_into_junk);
        hipti_buckets_collect(&buckets, 0);
        if (!step_interrupted()) {
            put_into_junk();
            is_done = false;
        }
        first = hipti_load_relaxed(&buckets.shard[0]->junk);
        cr_assert(first == coming ? coming->next == array : first == array && array->next == coming,
                  "interrupted at %u", n);
        test_host_pass(&host);
        hipti_buckets_collect(&buckets, 0);
        cr_assert_null(buckets.shard[0]->junk);
        stop();
        n++;
    } while (is_done);
}

/* P21: whoever comes by FORWARD shows the copy, and takes nothing else for it. */
Test(array, T1_follow)
{
    static const struct {
        enum hipti_state state;
        unsigned version; /* beyond the one that is named */
        bool is_there;
        enum hipti_state after;
    } copies[] = {
        {HIPTI_CLAIMED, 0, true, HIPTI_LIVE},   {HIPTI_LIVE, 0, true, HIPTI_LIVE},
        {HIPTI_HELD, 0, true, HIPTI_HELD},      {HIPTI_FROZEN, 0, true, HIPTI_FROZEN},
        {HIPTI_ENDED, 0, false, HIPTI_ENDED},   {HIPTI_CLAIMED, 1, false, HIPTI_CLAIMED},
        {HIPTI_LIVE, 1, false, HIPTI_LIVE},     {HIPTI_FREE, 1, false, HIPTI_FREE},
    };
    size_t i;

    for (i = 0; i < sizeof(copies) / sizeof(copies[0]); i++) {
        HIPTI_ATOMIC(uint64_t) *word;
        hipti_slot found;
        hipti_slot slot;
        uint64_t copy;
        uint64_t pte;

        start(4);
        slot = put(1);
        cr_assert(hipti_buckets_replace(&buckets, 0, other_array(4)));
        word = &hipti_buckets_line(&buckets, hipti_buckets_now(&buckets, 0)->first)->pte[2];
        copy = hipti_pte_with_state(PFN, copies[i].state) | UINT64_C(5) << HIPTI_PTE_VERSION_SHIFT;
        pte = hipti_pte_forward(hipti_slot_load(&buckets, slot),
                                hipti_buckets_now(&buckets, 0)->first * HIPT_SLOTS + 2u, copy);
        copy += (uint64_t)copies[i].version << HIPTI_PTE_VERSION_SHIFT;
        hipti_store_release(word, copy);
        hipti_slot_publish(&buckets, slot, pte);
        found = slot;
        cr_assert_eq(hipti_slot_follow(&buckets, &found, &pte), copies[i].is_there, "case %zu", i);
        cr_assert_eq(*word, hipti_pte_with_state(copy, copies[i].after), "case %zu", i);
        if (copies[i].is_there) {
            cr_assert_eq(found, hipti_buckets_now(&buckets, 0)->first * HIPT_SLOTS + 2u);
            cr_assert_eq(pte, *word);
        }
        stop();
    }
}

/* H4, P23: a closed bucket takes no key. It is left when nothing in it is anybody's; nothing is claimed in it then. */
static void close_and_leave(unsigned version_max)
{
    struct hipti_claim early;
    struct hipti_claim late;
    struct hipti_line *line;
    hipti_slot slot[6];
    uint64_t pte;
    unsigned i;

    start(1);
    buckets.version_max = version_max;
    for (i = 0; i < 6u; i++) {
        slot[i] = put(i);
    }
    cr_assert_eq(buckets.shard[0]->lines, 1);
    cr_assert_eq(hipti_bucket_claim(&buckets, place_of(9), PFN, &early),
                 HIPT_OK);
    cr_assert(hipti_bucket_close(&buckets, 0));
    cr_assert(hipti_bucket_close(&buckets, 0), "it is closed already");
    cr_assert_eq(hipti_bucket_claim(&buckets, place_of(8), PFN, &late),
                 HIPT_CHANGED);
    cr_assert_eq(hipti_bucket_commit(&buckets, &early), HIPT_CHANGED);
    cr_assert_not(hipti_bucket_is_left(&buckets, 0));
    hipti_bucket_forget(&buckets, &early);
    for (i = 0; i < 6u; i++) {
        cr_assert_not(hipti_bucket_is_left(&buckets, 0), "%u of 6 are gone", i);
        pte = hipti_slot_load(&buckets, slot[i]);
        cr_assert(hipti_slot_change(&buckets, slot[i], &pte, hipti_pte_ended(pte, HIPTI_FROZEN, 0)));
        cr_assert_not(hipti_bucket_is_left(&buckets, 0));
        hipti_slot_release(&buckets, slot[i]);
    }
    cr_assert(hipti_bucket_is_left(&buckets, 0));
    cr_assert(hipti_bucket_is_left(&buckets, 0));
    cr_assert_eq(buckets.shard[0]->lines, 0);
    line = hipti_buckets_line(&buckets, 0);
    for (i = 0; i < HIPT_SLOTS; i++) {
        cr_assert_eq(line->pte[i], hipti_pte_parked(HIPTI_COOKIE_LEFT));
    }
    cr_assert_eq(hipti_header_link(line->header), HIPTI_NONE);
    stop();
}

Test(array, T1_a_closed_bucket)
{
    close_and_leave(1);
    close_and_leave(0); /* each slot that is let go waits for a grace period, and could be claimed after it */
}

/* The gate is closed: an overflow line cannot leave its chain, and the bucket is not left yet. */
Test(array, T1_an_overflow_line_waits_at_the_gate)
{
    struct hipti_line *line;
    hipti_slot slot[5];
    uint64_t header;
    unsigned i;

    start(1);
    buckets.sequence_bits = 3;
    for (i = 0; i < 5u; i++) {
        slot[i] = put(i);
        test_host_pass(&host);
    }
    while (!hipti_bucket_close(&buckets, 0)) {
        test_host_pass(&host);
    }
    line = hipti_buckets_line(&buckets, 0);
    header = hipti_load_acquire(&line->header);
    hipti_store_release(&line->header, header | UINT64_C(7) << HIPTI_HEADER_SEQUENCE_SHIFT); /* the next one crosses */
    for (i = 0; i < 5u; i++) {
        hipti_slot_publish(&buckets, slot[i], hipti_pte_parked(HIPTI_COOKIE_LEFT));
    }
    (void)hipti_gate_cross(&buckets.gate, buckets.ops); /* somebody else's: now a grace period has to pass */
    cr_assert_not(hipti_bucket_is_left(&buckets, 0));
    cr_assert_eq(buckets.shard[0]->lines, 1);
    test_host_pass(&host);
    cr_assert(hipti_bucket_is_left(&buckets, 0));
    cr_assert_eq(buckets.shard[0]->lines, 0);
    stop();
}
