/* SPDX-License-Identifier: MIT */
/*
 * Races for a bucket's words, each made to happen: one operation is interrupted before a named access, and another one
 * runs there from beginning to end.
 */
#include <criterion/criterion.h>

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "support/buckets.h"
#include "support/step.h"
#include "table/bucket.h"
#include "table/find.h"

enum { WIDTH = BUCKETS_KEY_BITS, PFN = 0x1234 };

static struct test_host host;
static struct hipti_buckets buckets;

static void start(unsigned version_bits)
{
    test_buckets_open(&host, &buckets, (struct test_buckets){.count = 1, .nsizes = 1, .version_bits = version_bits});
    host.ops.read_enter(host.ops.ctx);
}

static void stop(void)
{
    host.ops.read_exit(host.ops.ctx);
    test_buckets_close(&host, &buckets);
}

/* The place of key @n of the only bucket. */
static struct hipti_place place_of(uint64_t n)
{
    return hipti_buckets_place(&buckets, 0, n << (64 - WIDTH));
}

static HIPTI_ATOMIC(uint64_t) *header(void)
{
    return &hipti_buckets_line(&buckets, 0)->header;
}

static HIPTI_ATOMIC(uint64_t) *word(hipti_slot slot)
{
    return &hipti_buckets_line(&buckets, slot / HIPT_SLOTS)->pte[slot % HIPT_SLOTS];
}

static enum hipti_state state_of(hipti_slot slot)
{
    return hipti_pte_state(hipti_slot_load(&buckets, slot));
}

static uint32_t first_overflow(void)
{
    return hipti_header_link(hipti_load_acquire(header()));
}

static uint64_t pte_of(uint64_t pfn)
{
    struct hipt_mapping mapping = {.pfn = pfn, .prot = HIPT_READ};

    return hipti_pte_pack(&mapping);
}

static hipti_slot put(uint64_t key)
{
    struct hipti_claim claim;

    cr_assert_eq(hipti_bucket_claim(&buckets, place_of(key), pte_of(PFN + key), &claim), HIPT_OK);
    cr_assert_eq(hipti_bucket_commit(&buckets, &claim), HIPT_OK);
    return claim.slot;
}

static void put_some(uint64_t first, uint64_t count)
{
    while (count-- > 0) {
        (void)put(first++);
    }
}

static hipti_slot slot_of(uint64_t key)
{
    hipti_slot slot;
    uint64_t pte;

    cr_assert(hipti_bucket_find(&buckets, place_of(key), &slot, &pte, NULL));
    return slot;
}

static bool is_live(uint64_t key)
{
    hipti_slot slot;
    uint64_t pte;

    return hipti_bucket_find(&buckets, place_of(key), &slot, &pte, NULL) &&
           pte == (hipti_pte_with_state(pte_of(PFN + key), HIPTI_LIVE) | (pte & HIPTI_PTE_VERSION_MASK));
}

static void freeze(hipti_slot slot)
{
    uint64_t pte = hipti_slot_load(&buckets, slot);

    cr_assert_eq(hipti_pte_state(pte), HIPTI_LIVE);
    cr_assert(hipti_slot_change(&buckets, slot, &pte, hipti_pte_with_state(pte, HIPTI_FROZEN)));
}

static void take(uint64_t key)
{
    hipti_slot slot = slot_of(key);

    freeze(slot);
    hipti_slot_release(&buckets, slot);
}

/* Slot @slot ends its life as number @version, so that its next one is the one after. */
static void set_version(hipti_slot slot, uint64_t version)
{
    uint64_t pte = hipti_slot_load(&buckets, slot);

    cr_assert_eq(hipti_pte_state(pte), HIPTI_LIVE);
    hipti_slot_publish(&buckets, slot, (pte & ~HIPTI_PTE_VERSION_MASK) | version << HIPTI_PTE_VERSION_SHIFT);
}

static void put_1(void)
{
    (void)put(1);
}

static void take_0(void)
{
    take(0);
}

static void take_0_put_0(void)
{
    take(0);
    (void)put(0);
}

static void take_0_put_1(void)
{
    take(0);
    (void)put(1);
}

/* --- puts */

/* P1: a free slot that another put takes first is left to it; the next one serves as well. */
Test(bucket_races, P1_a_slot_taken_by_another)
{
    start(HIPT_VERSION_BITS_MAX);
    step_interrupt("cas", word(0), 0, put_1);
    cr_assert_eq(put(0), 1u);
    cr_assert(step_interrupted());
    cr_assert(is_live(0) && is_live(1));
    cr_assert_eq(slot_of(1), 0u);
    stop();
}

/* T1, H1: of two puts of one key, of which the other commits at the last moment, one is refused. */
Test(bucket_races, T1_H1_the_same_key_at_the_last_moment)
{
    struct hipti_claim claim;

    start(HIPT_VERSION_BITS_MAX);
    cr_assert_eq(hipti_bucket_claim(&buckets, place_of(1), pte_of(7), &claim), HIPT_OK);
    step_interrupt("cas", header(), 0, put_1);
    cr_assert_eq(hipti_bucket_commit(&buckets, &claim), HIPT_EXISTS);
    cr_assert(step_interrupted());
    cr_assert_eq(state_of(claim.slot), HIPTI_CLAIMED);
    hipti_bucket_forget(&buckets, &claim);
    cr_assert(is_live(1));
    stop();
}

/* H1: another key's commit at the last moment is no obstacle: the scan is made again, then the commit. */
Test(bucket_races, H1_another_key_at_the_last_moment)
{
    start(HIPT_VERSION_BITS_MAX);
    step_interrupt("cas", header(), 0, put_1);
    (void)put(0);
    cr_assert(step_interrupted());
    cr_assert(is_live(0) && is_live(1));
    cr_assert_eq(hipti_header_sequence(hipti_load_acquire(header())), 2u);
    stop();
}

static void help(void)
{
    (void)put(1);
    cr_assert(is_live(0));
}

static void help_and_take(void)
{
    help();
    take(0);
}

static void help_take_and_reuse(void)
{
    help_and_take();
    cr_assert_eq(put(2), 0u);
}

/* T1, P4: a put that stops behind H1 and goes on when its page was helped to live, and ended, does not revive it. */
Test(bucket_races, T1_P4_an_ended_life_is_not_brought_back)
{
    static void (*const meanwhile[])(void) = {help, help_and_take, help_take_and_reuse};
    size_t i;

    for (i = 0; i < sizeof(meanwhile) / sizeof(meanwhile[0]); i++) {
        start(HIPT_VERSION_BITS_MAX);
        step_interrupt("cas", word(0), 1, meanwhile[i]); /* behind P1 */
        cr_assert_eq(put(0), 0u);
        cr_assert(step_interrupted());
        cr_assert_eq(is_live(0), i == 0, "case %zu", i);
        cr_assert(is_live(1));
        cr_assert_eq(is_live(2), i == 2u, "case %zu", i);
        stop();
    }
}

static struct hipti_claim later;

/* Slot 0 lives once more and is claimed for the life after that, whose parity is that of the first. */
static void two_lives_later(void)
{
    take(0);
    cr_assert_eq(put(1), 0u);
    take(1);
    cr_assert_eq(hipti_bucket_claim(&buckets, place_of(2), pte_of(PFN + 2), &later), HIPT_OK);
    cr_assert_eq(later.slot, 0u);
}

/*
 * T1, P4: a helper that has read a header stops, and finds in the slot that it names a claim of the same parity, two
 * lives later. The header has moved on, so it leaves the claim alone.
 */
Test(bucket_races, T1_P4_a_claim_two_lives_later_is_left_alone)
{
    struct hipti_claim claim;

    start(HIPT_VERSION_BITS_MAX);
    cr_assert_eq(put(0), 0u);
    step_interrupt("load", word(0), 0, two_lives_later);
    cr_assert_eq(hipti_bucket_claim(&buckets, place_of(3), pte_of(PFN + 3), &claim), HIPT_OK);
    cr_assert(step_interrupted());
    cr_assert_eq(state_of(0), HIPTI_CLAIMED);
    cr_assert(!is_live(2), "nobody has committed it");
    cr_assert_eq(hipti_bucket_commit(&buckets, &claim), HIPT_OK);
    cr_assert_eq(hipti_bucket_commit(&buckets, &later), HIPT_OK);
    cr_assert(is_live(2) && is_live(3));
    stop();
}

/* --- finds */

/* T2: a slot that changes its life under a find, to the same key or another one, is judged by its new life. */
Test(bucket_races, T2_a_new_life_under_a_find)
{
    hipti_slot slot;
    uint64_t pte;

    start(HIPT_VERSION_BITS_MAX);
    cr_assert_eq(put(0), 0u);
    step_interrupt("load", word(0), 1, take_0_put_0);
    cr_assert(hipti_bucket_find(&buckets, place_of(0), &slot, &pte, NULL));
    cr_assert(step_interrupted());
    cr_assert_eq(hipti_pte_version(pte), 1u);
    step_interrupt("load", word(0), 1, take_0_put_1);
    cr_assert(!hipti_bucket_find(&buckets, place_of(0), &slot, &pte, NULL));
    cr_assert(step_interrupted());
    stop();
}

/* T2: the same under a read of the slot: word and key are of one life. */
Test(bucket_races, T2_a_new_life_under_a_read)
{
    unsigned skip;

    for (skip = 0; skip <= 1u; skip++) {
        uint64_t pte;
        uint64_t key;

        start(HIPT_VERSION_BITS_MAX);
        cr_assert_eq(put(0), 0u);
        step_interrupt("load", word(0), skip, take_0_put_1);
        cr_assert(hipti_slot_read(&buckets, 0, &pte, &key));
        cr_assert(step_interrupted());
        cr_assert_eq(key, UINT64_C(1) << (64 - WIDTH));
        cr_assert_eq(hipti_pte_pfn(pte), PFN + 1u);
        stop();
    }
}

/* Key 4 is alone in an overflow line, which goes with it. */
static void take_4_and_its_line(void)
{
    take(4);
    cr_assert_eq(first_overflow(), HIPTI_NONE);
}

/*
 * T2, P13: the word of a sealed slot looks like one version's. A find or read that began in the slot's life of that
 * version does not take it for that life.
 */
Test(bucket_races, T2_P13_a_sealed_slot_is_of_no_life)
{
    unsigned reads;

    for (reads = 0; reads <= 1u; reads++) {
        hipti_slot slot;
        uint64_t pte;
        uint64_t key;

        start(HIPT_VERSION_BITS_MAX);
        put_some(0, 5);
        slot = slot_of(4);
        cr_assert_geq(slot, HIPT_SLOTS);
        set_version(slot, hipti_pte_version(hipti_pte_parked(HIPTI_COOKIE_NEVER)));
        step_interrupt("load", word(slot), 1, take_4_and_its_line);
        if (reads) {
            cr_assert(!hipti_slot_read(&buckets, slot, &pte, &key));
        } else {
            cr_assert(!hipti_bucket_find(&buckets, place_of(4), &slot, &pte, NULL));
        }
        cr_assert(step_interrupted());
        cr_assert_eq(hipti_slot_load(&buckets, slot), hipti_pte_parked(HIPTI_COOKIE_NEVER));
        stop();
    }
}

static void protect_0(void)
{
    uint64_t pte = hipti_slot_load(&buckets, 0);

    cr_assert(hipti_slot_change(&buckets, 0, &pte, hipti_pte_with_prot(pte, HIPT_EXEC)));
}

/*
 * T2: the short way of a lookup says nothing where the slot changes under it, and leaves the answer to a find. Also
 * where only the upper 16 bits of the remainder differ.
 */
Test(bucket_races, T2_the_short_way_gives_no_answer_under_change)
{
    static const struct {
        bool of_remainder;
        unsigned skip;
        void (*meanwhile)(void);
    } cases[] = {{false, 0, take_0}, {true, 1, take_0_put_1}, {false, 1, protect_0}, {false, 1, take_0_put_0}};
    struct hipti_place other;
    uint32_t link;
    unsigned slot;
    size_t i;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct hipti_line *line;

        start(HIPT_VERSION_BITS_MAX);
        cr_assert_eq(put(0), 0u);
        line = hipti_buckets_line(&buckets, 0);
        cr_assert_neq(hipti_line_lookup(line, place_of(0), &slot, &link), 0);
        step_interrupt("load",
                       cases[i].of_remainder ? (const volatile void *)&line->lo[0] : (const volatile void *)word(0),
                       cases[i].skip, cases[i].meanwhile);
        cr_assert_eq(hipti_line_lookup(line, place_of(0), &slot, &link), 0, "case %zu", i);
        cr_assert(step_interrupted());
        cr_assert_eq(link, HIPTI_UNDECIDED, "case %zu", i);
        stop();
    }
    start(HIPT_VERSION_BITS_MAX);
    cr_assert_eq(put(0), 0u);
    other = place_of(0);
    other.rest ^= UINT64_C(1) << 63;
    cr_assert_eq(hipti_line_lookup(hipti_buckets_line(&buckets, 0), other, &slot, &link), 0);
    cr_assert_eq(link, HIPTI_UNDECIDED);
    stop();
}

/* The find of an overlap's check: in the bucket's line, in an overflow line, absent, and with a word under change. */
Test(bucket_races, T1_find_seq_cst)
{
    hipti_slot slot;
    uint64_t pte;
    uint64_t n;

    start(HIPT_VERSION_BITS_MAX);
    put_some(0, 6);
    freeze(slot_of(2));
    for (n = 0; n < 6u; n++) {
        cr_assert(hipti_bucket_find_seq_cst(&buckets, place_of(n), &slot, &pte));
        cr_assert_eq(slot, slot_of(n));
        cr_assert_eq(hipti_pte_pfn(pte), PFN + n);
    }
    cr_assert(!hipti_bucket_find_seq_cst(&buckets, place_of(6), &slot, &pte));
    step_interrupt("load", word(0), 1, take_0); /* between its first look at the word and the next */
    cr_assert(!hipti_bucket_find_seq_cst(&buckets, place_of(0), &slot, &pte));
    cr_assert(step_interrupted());
    stop();
}

/* --- lines that come and go */

static void put_8(void)
{
    (void)put(8);
}

static void put_7(void)
{
    (void)put(7);
}

static void expect_live(uint64_t first, uint64_t end)
{
    for (; first < end; first++) {
        cr_assert(is_live(first), "key %llu", (unsigned long long)first);
    }
}

/*
 * H3, P13: while a line is being taken out, its slots are nobody's: a put brings another line, in front of it, and so
 * keeps it in the chain. Its slots are free again, and used before a third line comes.
 */
Test(bucket_races, H3_P13_a_line_that_is_no_longer_first_stays)
{
    uint32_t line;
    uint64_t n;

    start(HIPT_VERSION_BITS_MAX);
    put_some(0, 5);
    line = first_overflow();
    step_interrupt("cas", header(), 0, put_8);
    take(4);
    cr_assert(step_interrupted());
    cr_assert_neq(first_overflow(), line);
    cr_assert_eq(hipti_load_relaxed(&buckets.shard[0]->overflow.carved), 2u);
    for (n = 10; n < 17u; n++) { /* three places in the new line, four in the old one */
        (void)put(n);
    }
    cr_assert_eq(hipti_load_relaxed(&buckets.shard[0]->overflow.carved), 2u);
    expect_live(0, 4);
    expect_live(8, 9);
    expect_live(10, 17);
    stop();
}

/* H3: a commit at the last moment does not keep an empty line in the chain. */
Test(bucket_races, H3_a_commit_at_the_last_moment)
{
    start(HIPT_VERSION_BITS_MAX);
    put_some(0, 5);
    take(0);
    step_interrupt("cas", header(), 0, put_7);
    take(4);
    cr_assert(step_interrupted());
    cr_assert_eq(first_overflow(), HIPTI_NONE);
    expect_live(1, 4);
    cr_assert(is_live(7));
    stop();
}

/* P13: a put that takes a slot of an empty line first keeps the line; the slots sealed before are free again. */
Test(bucket_races, P13_a_slot_taken_before_it_is_sealed)
{
    hipti_slot first;
    unsigned i;

    start(HIPT_VERSION_BITS_MAX);
    put_some(0, 5);
    first = slot_of(4);
    for (i = 1; i < 3u; i++) {
        (void)put(4u + i);
    }
    take(5);
    take(6);
    step_interrupt("cas", word(first + 2u), 0, put_8); /* two are sealed */
    take(4);
    cr_assert(step_interrupted());
    cr_assert_eq(slot_of(8), first + 2u);
    cr_assert_neq(first_overflow(), HIPTI_NONE);
    for (i = 0; i < HIPT_SLOTS; i++) {
        cr_assert_eq(state_of(first + i), i == 2u ? HIPTI_LIVE : HIPTI_FREE, "slot %u", i);
    }
    put_some(10, 3);
    cr_assert_eq(hipti_load_relaxed(&buckets.shard[0]->overflow.carved), 1u);
    expect_live(10, 13);
    stop();
}

/* P13: parked slots do not keep a line; the line waits for a grace period itself. */
Test(bucket_races, P13_a_line_with_parked_slots_goes)
{
    unsigned turn;
    uint32_t line;

    start(1);
    put_some(0, 6);
    line = first_overflow();
    for (turn = 0; turn < 2u; turn++) { /* two lives of the line's slot 0, while key 5 holds the line */
        take(4);
        (void)put(4);
    }
    take(4);
    cr_assert_eq(first_overflow(), line, "key 5 holds it");
    take(5);
    cr_assert_eq(first_overflow(), HIPTI_NONE);
    (void)put(4);
    cr_assert_neq(first_overflow(), line, "R1");
    test_host_pass(&host);
    put_some(10, 4);
    cr_assert_eq(first_overflow(), line);
    stop();
}

static hipti_slot parking;
static bool stood_still;

/* While a slot of the line is being parked, the line's last key goes. */
static void take_5_beside(void)
{
    cr_assert_eq(hipti_slot_load(&buckets, parking), hipti_pte_parked(HIPTI_COOKIE_NEVER));
    take(5);
    stood_still = first_overflow() != HIPTI_NONE;
}

/*
 * P12, P13: a slot between its old word and its cookie is its owner's, who will store to it: a line with such a slot is
 * not taken out by another thread. The owner does it, once.
 */
Test(bucket_races, P12_P13_a_slot_being_parked_holds_its_line)
{
    uint32_t line;

    start(1);
    put_some(0, 6);
    line = first_overflow();
    parking = slot_of(4);
    set_version(parking, 1);
    host.meanwhile = take_5_beside; /* when the release asks for a grace period */
    take(4);
    cr_assert(stood_still);
    cr_assert_eq(first_overflow(), HIPTI_NONE);
    put_some(10, 4); /* a second line; the first one waits from here on */
    cr_assert_neq(first_overflow(), line);
    test_host_pass(&host);
    put_some(14, 4);
    cr_assert_eq(first_overflow(), line);
    put_some(18, 4); /* a third: the first one came back once */
    cr_assert_eq(hipti_load_relaxed(&buckets.shard[0]->overflow.carved), 3u);
    expect_live(0, 4);
    expect_live(10, 22);
    stop();
}

static void claim_and_forget_9(void)
{
    struct hipti_claim claim;

    cr_assert_eq(hipti_bucket_claim(&buckets, place_of(9), pte_of(PFN + 9), &claim), HIPT_OK);
    cr_assert_neq(claim.slot, parking, "it has not been given its cookie");
    hipti_bucket_forget(&buckets, &claim);
}

/* P12: nobody claims a slot between its old word and its cookie. */
Test(bucket_races, P12_a_slot_being_parked_is_not_claimed)
{
    start(1);
    cr_assert_eq(put(0), 0u);
    set_version(0, 1);
    parking = 0;
    host.meanwhile = claim_and_forget_9;
    take(0);
    cr_assert_null((void *)(uintptr_t)host.meanwhile);
    cr_assert_eq(state_of(0), HIPTI_PARKED);
    stop();
}

static hipti_slot another_life;

/* The slot is given up and used for key 1. */
static void use_for_1(void)
{
    struct hipti_line *line = hipti_buckets_line(&buckets, 0);

    hipti_store_release(word(another_life), pte_of(PFN + 1) | UINT64_C(1) << HIPTI_PTE_VERSION_SHIFT);
    hipti_store_release(&line->lo[another_life], hipti_place_lo(place_of(1)));
    hipti_store_release(&line->hi[another_life], hipti_place_hi(place_of(1)));
}

/* T3: what a gather of another key has ended is not taken for ours because the slot is our key's a moment later. */
Test(bucket_races, T3_find_ended_reads_one_life)
{
    hipti_slot slot;
    uint64_t pte;

    start(HIPT_VERSION_BITS_MAX);
    another_life = put(0);
    hipti_slot_publish(&buckets, another_life, hipti_pte_ended(pte_of(PFN), HIPTI_FROZEN, 3));
    cr_assert(hipti_bucket_find_ended(&buckets, place_of(0), 3, &slot, &pte));
    cr_assert_eq(slot, another_life);
    cr_assert(!hipti_bucket_find_ended(&buckets, place_of(0), 2, &slot, &pte));
    cr_assert(!hipti_bucket_find_ended(&buckets, place_of(1), 3, &slot, &pte));
    hipti_slot_publish(&buckets, another_life, hipti_pte_ended(pte_of(PFN), HIPTI_ENDED, 3));
    cr_assert(hipti_bucket_find_ended(&buckets, place_of(0), 3, &slot, &pte));
    step_interrupt("load", &hipti_buckets_line(&buckets, 0)->lo[another_life], 0, use_for_1);
    cr_assert(!hipti_bucket_find_ended(&buckets, place_of(1), 3, &slot, &pte));
    cr_assert(step_interrupted());
    stop();
}

/* T3: nor what it has ended of a key whose remainder differs in its upper 16 bits only. */
Test(bucket_races, T3_find_ended_tells_keys_apart)
{
    struct hipti_place other;
    struct hipti_claim claim;
    hipti_slot slot;
    uint64_t pte;

    start(HIPT_VERSION_BITS_MAX);
    other = place_of(0);
    other.rest ^= UINT64_C(1) << 48;
    hipti_slot_publish(&buckets, put(0), hipti_pte_ended(pte_of(PFN), HIPTI_FROZEN, 3));
    cr_assert(!hipti_bucket_find_ended(&buckets, other, 3, &slot, &pte));
    cr_assert_eq(hipti_bucket_claim(&buckets, other, pte_of(PFN + 1), &claim), HIPT_OK);
    cr_assert_eq(hipti_bucket_commit(&buckets, &claim), HIPT_OK);
    hipti_slot_publish(&buckets, claim.slot, hipti_pte_ended(pte_of(PFN + 1), HIPTI_FROZEN, 3));
    cr_assert(hipti_bucket_find_ended(&buckets, other, 3, &slot, &pte));
    cr_assert_eq(slot, claim.slot);
    cr_assert(hipti_bucket_find_ended(&buckets, place_of(0), 3, &slot, &pte));
    cr_assert_neq(slot, claim.slot);
    stop();
}
