/* SPDX-License-Identifier: MIT */
/* Buckets of several shards: how lines and slots are numbered, and that nothing of one shard reaches into another. */
#include <criterion/criterion.h>

#include "support/buckets.h"
#include "support/step.h"
#include "table/find.h"

enum { PFN = 100, COUNT = 4 };

static struct test_host host;
static struct hipti_buckets buckets;

static void start(unsigned nshards)
{
    struct test_buckets shape = {.count = COUNT, .nsizes = 1, .nshards = nshards};

    test_buckets_open(&host, &buckets, shape);
    host.ops.read_enter(host.ops.ctx);
}

static void stop(void)
{
    host.ops.read_exit(host.ops.ctx);
    test_buckets_close(&host, &buckets);
}

static uint64_t key_of(uint64_t n)
{
    return n << (64 - BUCKETS_KEY_BITS);
}

static hipti_slot put(unsigned shard, uint64_t n)
{
    struct hipt_mapping mapping = {.pfn = PFN + n, .prot = HIPT_READ};
    struct hipti_claim claim;

    cr_assert_eq(hipti_bucket_claim(&buckets, hipti_buckets_place(&buckets, shard, key_of(n)),
                                    hipti_pte_pack(&mapping), &claim),
                 HIPT_OK);
    cr_assert_eq(hipti_bucket_commit(&buckets, &claim), HIPT_OK);
    return claim.slot;
}

/* => whether @shard has key @n, with its own frame. */
static bool has(unsigned shard, uint64_t n)
{
    hipti_slot slot;
    uint64_t pte;

    if (!hipti_find(&buckets, shard, key_of(n), &slot, &pte, NULL)) {
        return false;
    }
    cr_assert_eq(hipti_pte_pfn(pte), PFN + n);
    cr_assert_eq(hipti_shard_number(&buckets, slot / HIPT_SLOTS), shard);
    return true;
}

/* With 1, 3 and 64 shards: a slot's number says which shard it is in, and its key comes back from it. */
Test(shards, slots_say_their_shard)
{
    static const unsigned counts[] = {1, 3, HIPT_NODES_MAX};
    unsigned c;

    for (c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
        uint64_t n;

        start(counts[c]);
        for (n = 0; n < 40u * counts[c]; n++) { /* ten a bucket: there are overflow lines in all of them */
            unsigned shard = (unsigned)n % counts[c];
            hipti_slot slot = put(shard, n);
            uint64_t pte;
            uint64_t key;

            cr_assert_eq(hipti_shard_number(&buckets, slot / HIPT_SLOTS), shard);
            cr_assert(hipti_slot_read(&buckets, slot, &pte, &key) && key == key_of(n));
        }
        for (n = 0; n < 40u * counts[c]; n++) {
            unsigned shard = (unsigned)n % counts[c];

            cr_assert(has(shard, n));
            cr_assert(counts[c] == 1u || !has((shard + 1u) % counts[c], n), "it is in one shard only");
        }
        stop();
    }
}

/* The parts of a number do not overlap, and the last slot of the last shard still has 31 bits. */
Test(shards, the_last_number_of_all)
{
    unsigned nshards;

    for (nshards = 1; nshards <= HIPT_NODES_MAX; nshards++) {
        unsigned bits = hipti_index_bits(nshards);
        uint32_t last;

        buckets.index_bits = bits;
        buckets.index_mask = (UINT32_C(1) << bits) - 1u;
        buckets.shard_mask = ((UINT32_C(1) << HIPTI_HALF_BITS) - 1u) & ~buckets.index_mask;
        cr_assert_leq(nshards, UINT32_C(1) << (HIPTI_HALF_BITS - bits));
        last = hipti_buckets_linked(&buckets, hipti_buckets_first(&buckets, nshards - 1u, 0), UINT32_C(1) << bits);
        cr_assert_eq(last & buckets.index_mask, buckets.index_mask);
        cr_assert_eq(hipti_shard_number(&buckets, last), nshards - 1u);
        cr_assert_lt((uint64_t)last * HIPT_SLOTS + HIPT_SLOTS - 1u, UINT64_C(1) << 31);
        last = hipti_buckets_first(&buckets, nshards - 1u, 1) | buckets.index_mask;
        cr_assert_lt(last, HIPTI_OVERFLOW_FIRST);
        cr_assert_eq(hipti_shard_number(&buckets, last), nshards - 1u);
        /* behind no link there is no line: nobody takes it for one */
        cr_assert_geq((uint64_t)hipti_buckets_linked(&buckets, last, HIPTI_NONE), UINT64_C(3) << HIPTI_HALF_BITS);
    }
}

/* Chains link lines of their own shard, which are counted there. */
Test(shards, links_stay_in_their_shard)
{
    uint64_t n;

    start(3);
    for (n = 0; n < 60u; n++) {
        (void)put(1, n);
    }
    cr_assert_gt(buckets.shard[1]->lines, 0);
    cr_assert_eq(buckets.shard[0]->lines, 0);
    cr_assert_eq(buckets.shard[2]->lines, 0);
    cr_assert_eq(hipti_load_relaxed(&buckets.shard[0]->overflow.carved), 0);
    for (n = 0; n < 60u; n++) {
        hipti_slot slot;
        uint64_t pte;

        cr_assert(hipti_find(&buckets, 1, key_of(n), &slot, &pte, NULL));
        cr_assert(hipti_slot_change(&buckets, slot, &pte, hipti_pte_ended(pte, HIPTI_FROZEN, 0)));
        hipti_slot_release(&buckets, slot);
    }
    cr_assert(hipti_freelist_is_waiting(&buckets.shard[1]->spare));
    cr_assert_not(hipti_freelist_is_waiting(&buckets.shard[0]->spare));
    stop();
}

/* Every slot of every shard is met once. */
Test(shards, nth_goes_through_all)
{
    uint64_t n;
    uint64_t i;
    uint64_t met = 0;
    hipti_slot slot;

    start(3);
    for (n = 0; n < 90u; n++) {
        (void)put((unsigned)n % 3u, n);
    }
    for (i = 0; hipti_buckets_nth(&buckets, i, &slot); i++) {
        met += hipti_pte_has_key(hipti_slot_load(&buckets, slot)); /* tentative: nobody has made it live */
    }
    cr_assert_eq(met, 90);
    cr_assert_eq(i, HIPT_SLOTS * (3u * COUNT + buckets.shard[0]->lines + buckets.shard[1]->lines +
                                  buckets.shard[2]->lines));
    stop();
}

/* Two shards take other arrays at once, each its own; the third keeps its one. */
Test(shards, R1_each_has_its_arrays)
{
    unsigned shard;

    start(3);
    for (shard = 0; shard < 2u; shard++) {
        struct hipti_array *now = hipti_buckets_now(&buckets, shard);
        struct hipti_array *array;

        cr_assert_eq(hipti_buckets_free_half(&buckets, shard), 1);
        host.ops.read_exit(host.ops.ctx);
        array = hipti_array_create(buckets.shard[shard]->memory, hipti_buckets_first(&buckets, shard, 1), 2u * COUNT,
                                   &now->hash, true);
        host.ops.read_enter(host.ops.ctx);
        cr_assert_not_null(array);
        array->secret = 1;
        cr_assert(hipti_buckets_replace(&buckets, shard, array));
        cr_assert_eq(hipti_buckets_now(&buckets, shard), array);
    }
    for (shard = 0; shard < 3u; shard++) {
        cr_assert_eq(buckets.shard[shard]->resizes, shard < 2u);
        cr_assert_eq(hipti_buckets_free_half(&buckets, shard), shard < 2u ? HIPTI_NO_HALF : 1u);
        cr_assert_eq(hipti_shard_number(&buckets, put(shard, shard) / HIPT_SLOTS), shard);
    }
    stop();
}

/* Put keys into a shard until it is to grow. */
static void crowd(unsigned shard)
{
    uint64_t n;

    buckets.resize = HIPT_GROW;
    for (n = 0; !(buckets.due >> shard & 1u); n++) {
        (void)put(shard, n);
    }
}

/* What is due is said for each shard, and taken once. */
Test(shards, due_is_the_shards_own)
{
    start(3);
    crowd(2);
    cr_assert_eq(buckets.due, 4u);
    cr_assert_eq(hipti_buckets_take_due(&buckets, 0), 0);
    cr_assert_eq(buckets.due, 4u);
    cr_assert_eq(hipti_buckets_take_due(&buckets, 2), HIPT_GROW);
    cr_assert_eq(buckets.due, 0);
    cr_assert_eq(hipti_buckets_take_due(&buckets, 2), 0);
    stop();
}

static void crowd_0(void)
{
    crowd(0);
}

/* What comes to be due in another shard at the last moment is not lost. */
Test(shards, due_is_taken_beside_another_shard)
{
    start(3);
    crowd(2);
    step_interrupt("cas", &buckets.due, 0, crowd_0);
    cr_assert_eq(hipti_buckets_take_due(&buckets, 2), HIPT_GROW);
    cr_assert(step_interrupted());
    cr_assert_eq(buckets.due, 1u);
    cr_assert_eq(hipti_buckets_take_due(&buckets, 2), 0);
    cr_assert_eq(hipti_buckets_take_due(&buckets, 0), HIPT_GROW);
    cr_assert_eq(buckets.due, 0);
    stop();
}

static void take_2(void)
{
    cr_assert_eq(hipti_buckets_take_due(&buckets, 2), HIPT_GROW);
}

/* Of two that take what is due one has it. */
Test(shards, due_is_taken_once_by_two)
{
    start(3);
    crowd(2);
    step_interrupt("cas", &buckets.due, 0, take_2);
    cr_assert_eq(hipti_buckets_take_due(&buckets, 2), 0);
    cr_assert(step_interrupted());
    cr_assert_eq(buckets.due, 0);
    stop();
}
