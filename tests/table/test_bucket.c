/* SPDX-License-Identifier: MIT */
/*
 * The rows P1 to P13 of pte.h, H1 to H3 and H5 of line.h, one step after another by one thread: who may do what to a
 * slot, what a lookup sees of it, and what stays as it was when a step is refused.
 */
#include <criterion/criterion.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "support/buckets.h"
#include "support/step.h"
#include "table/bucket.h"
#include "table/find.h"

enum { WIDTH = BUCKETS_KEY_BITS, PFN = 0x1234 };

static struct test_host host;
static struct hipti_buckets buckets;

/* The protocol's words, of any table small enough. */
struct words {
    size_t lines;
    struct hipti_line line[256];
};

static void start(uint64_t count, unsigned nsizes, unsigned version_bits, unsigned sequence_bits)
{
    test_buckets_open(&host, &buckets, (struct test_buckets){count, nsizes, version_bits, sequence_bits, 0});
    host.ops.read_enter(host.ops.ctx);
}

static void stop(void)
{
    host.ops.read_exit(host.ops.ctx);
    test_buckets_close(&host, &buckets);
}

/* The place of the @n-th key, counted from 0, that belongs to @bucket. */
static struct hipti_place nth_place(uint32_t bucket, unsigned n)
{
    struct hipti_place place;
    uint64_t key = 0;

    for (;; key++) {
        place = hipti_buckets_place(&buckets, 0, key << (64 - WIDTH));
        if (place.bucket == bucket && n-- == 0) {
            return place;
        }
    }
}

static uint32_t pop_spare(void)
{
    return hipti_freelist_pop(&buckets.shard[0]->spare, NULL, NULL, &host.ops);
}

static uint64_t header_of(uint32_t bucket)
{
    return hipti_load_acquire(&hipti_buckets_line(&buckets, bucket)->header);
}

static enum hipti_state state_of(hipti_slot slot)
{
    return hipti_pte_state(hipti_slot_load(&buckets, slot));
}

static unsigned version_of(hipti_slot slot)
{
    return hipti_pte_version(hipti_slot_load(&buckets, slot));
}

static bool is_found(struct hipti_place place)
{
    hipti_slot slot;
    uint64_t pte;

    return hipti_bucket_find(&buckets, place, &slot, &pte, NULL);
}

static uint64_t pte_of(uint64_t pfn)
{
    struct hipt_mapping mapping;

    memset(&mapping, 0, sizeof(mapping));
    mapping.pfn = pfn;
    mapping.prot = HIPT_READ;
    return hipti_pte_pack(&mapping);
}

static enum hipt_status put(struct hipti_place place, uint64_t pfn, hipti_slot *slot)
{
    struct hipti_claim claim;
    enum hipt_status status = hipti_bucket_claim(&buckets, place, pte_of(pfn), &claim);

    if (status == HIPT_OK) {
        status = hipti_bucket_commit(&buckets, &claim);
        if (status != HIPT_OK) {
            hipti_bucket_forget(&buckets, &claim);
        }
        *slot = claim.slot;
    }
    return status;
}

static void move(hipti_slot slot, enum hipti_state from, enum hipti_state to)
{
    uint64_t pte = hipti_slot_load(&buckets, slot);

    cr_assert_eq(hipti_pte_state(pte), from);
    cr_assert(hipti_slot_change(&buckets, slot, &pte, hipti_pte_with_state(pte, to)));
}

static void take(struct hipti_place place)
{
    hipti_slot slot;
    uint64_t pte;

    cr_assert(hipti_bucket_find(&buckets, place, &slot, &pte, NULL));
    move(slot, HIPTI_LIVE, HIPTI_FROZEN);
    hipti_slot_release(&buckets, slot);
}

static void words_read(struct words *words)
{
    hipti_slot slot;

    for (words->lines = 0; hipti_buckets_nth(&buckets, words->lines * HIPT_SLOTS, &slot); words->lines++) {
        cr_assert_lt(words->lines, sizeof(words->line) / sizeof(words->line[0]));
        memcpy(&words->line[words->lines], (const void *)hipti_buckets_line(&buckets, slot / HIPT_SLOTS),
               sizeof(words->line[0]));
    }
}

static void cr_expect_unchanged(const struct words *before)
{
    static struct words after;

    words_read(&after);
    cr_expect_eq(after.lines, before->lines);
    cr_expect_eq(memcmp(after.line, before->line, before->lines * sizeof(before->line[0])), 0);
}

/* P1, P4, H1: a claim is nobody's business; the commit makes it live, and the header names it. */
Test(bucket, P1_P4_H1_a_put_in_steps)
{
    struct hipti_claim claim;
    struct hipti_place place;
    hipti_slot slot;
    uint64_t header;
    uint64_t pte;

    start(2, 1, 10, 20);
    place = nth_place(1, 0);
    header = header_of(1);
    cr_assert_eq(hipti_bucket_claim(&buckets, place, pte_of(PFN), &claim), HIPT_OK);
    cr_assert_eq(state_of(claim.slot), HIPTI_CLAIMED);
    cr_assert_eq(claim.slot / HIPT_SLOTS, 1u);
    cr_assert(!is_found(place));
    cr_assert_eq(header_of(1), header);
    cr_assert_eq(hipti_bucket_commit(&buckets, &claim), HIPT_OK);
    cr_assert(hipti_bucket_find(&buckets, place, &slot, &pte, NULL));
    cr_assert_eq(slot, claim.slot);
    cr_assert_eq(pte, hipti_pte_with_state(pte_of(PFN), HIPTI_LIVE));
    cr_assert_eq(hipti_header_sequence(header_of(1)), hipti_header_sequence(header) + 1u);
    cr_assert_eq(hipti_header_position(header_of(1)), claim.slot % HIPT_SLOTS);
    cr_assert_eq(hipti_header_parity(header_of(1)), 0u);
    cr_assert(header_of(1) & HIPTI_HEADER_PENDING);
    stop();
}

/* P3: a claim given up leaves the slot free, in the same version, and the key absent. */
Test(bucket, P3_a_claim_given_up)
{
    struct hipti_claim claim;
    unsigned i;

    start(2, 1, 10, 20);
    for (i = 0; i < 5u; i++) {
        cr_assert_eq(hipti_bucket_claim(&buckets, nth_place(0, i), pte_of(PFN), &claim), HIPT_OK);
        hipti_bucket_forget(&buckets, &claim);
        cr_assert_eq(hipti_slot_load(&buckets, claim.slot), 0, "free, version 0");
        cr_assert(!is_found(nth_place(0, i)));
    }
    stop();
}

/* P4 to P6: where there are several page sizes a commit is tentative: found, but not visible, until its put decides. */
Test(bucket, P5_P6_tentative_then_live_or_aborted)
{
    hipti_slot slot;

    start(2, 2, 10, 20);
    cr_assert_eq(put(nth_place(0, 0), PFN, &slot), HIPT_OK);
    cr_assert_eq(state_of(slot), HIPTI_TENTATIVE);
    cr_assert(is_found(nth_place(0, 0)));
    cr_assert(!hipti_pte_is_visible(hipti_slot_load(&buckets, slot)));
    move(slot, HIPTI_TENTATIVE, HIPTI_LIVE);
    cr_assert(hipti_pte_is_visible(hipti_slot_load(&buckets, slot)));
    cr_assert_eq(put(nth_place(0, 1), PFN, &slot), HIPT_OK);
    move(slot, HIPTI_TENTATIVE, HIPTI_ENDED);
    cr_assert(!hipti_pte_is_visible(hipti_slot_load(&buckets, slot)));
    hipti_slot_release(&buckets, slot); /* P11 of an aborted put */
    cr_assert(!is_found(nth_place(0, 1)));
    cr_assert_eq(version_of(slot), 1u);
    stop();
}

/* T1, S2: what a put of a key answers in each state that its slot can be in, and that it changes nothing. */
Test(bucket, T1_S2_a_second_put_in_each_state)
{
    static const struct {
        enum hipti_state state;
        enum hipt_status status;
    } cases[] = {{HIPTI_TENTATIVE, HIPT_BUSY}, {HIPTI_FROZEN, HIPT_BUSY}, {HIPTI_LIVE, HIPT_EXISTS},
                 {HIPTI_HELD, HIPT_EXISTS}};
    static struct words before;
    struct hipti_claim claim;
    hipti_slot slot;
    uint64_t live;
    size_t i;

    start(2, 1, 10, 20);
    cr_assert_eq(put(nth_place(0, 0), PFN, &slot), HIPT_OK);
    live = hipti_slot_load(&buckets, slot);
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        hipti_slot_publish(&buckets, slot, hipti_pte_with_state(live, cases[i].state));
        words_read(&before);
        cr_assert_eq(hipti_bucket_claim(&buckets, nth_place(0, 0), pte_of(PFN), &claim), cases[i].status, "case %zu",
                     i);
        cr_expect_unchanged(&before);
        cr_assert(is_found(nth_place(0, 0)));
    }
    stop();
}

/* P7, P8, P9, T3: a word is changed only from what was read; a held one is visible and let go by a plain store. */
Test(bucket, P7_P8_P9_T3_words_change_from_what_was_read)
{
    hipti_slot slot;
    uint64_t first;
    uint64_t stale;
    uint64_t next;

    start(2, 1, 10, 20);
    cr_assert_eq(put(nth_place(0, 0), PFN, &slot), HIPT_OK);
    first = hipti_slot_load(&buckets, slot);
    stale = first;
    next = hipti_pte_with_prot(first, HIPT_READ | HIPT_WRITE);
    cr_assert(hipti_slot_change(&buckets, slot, &first, next));
    cr_assert(!hipti_slot_change(&buckets, slot, &stale, hipti_pte_with_prot(stale, HIPT_EXEC)));
    cr_assert_eq(stale, next, "a refused change says what it found");
    move(slot, HIPTI_LIVE, HIPTI_HELD);
    cr_assert(hipti_pte_is_visible(hipti_slot_load(&buckets, slot)));
    hipti_slot_publish(&buckets, slot, hipti_pte_with_state(pte_of(PFN + 1), HIPTI_LIVE));
    cr_assert_eq(hipti_pte_pfn(hipti_slot_load(&buckets, slot)), PFN + 1);
    stop();
}

/* P10, P11: a frozen slot is found but not visible; its release frees it and counts its life. */
Test(bucket, P10_P11_freeze_and_release)
{
    hipti_slot slot;
    unsigned life;

    start(2, 1, 10, 20);
    for (life = 0; life < 100u; life++) {
        cr_assert_eq(put(nth_place(0, life % 3u), PFN, &slot), HIPT_OK);
        cr_assert_eq(version_of(slot), life);
        move(slot, HIPTI_LIVE, HIPTI_FROZEN);
        cr_assert(!hipti_pte_is_visible(hipti_slot_load(&buckets, slot)));
        hipti_slot_release(&buckets, slot);
        cr_assert_eq(hipti_slot_load(&buckets, slot), (uint64_t)(life + 1u) << HIPTI_PTE_VERSION_SHIFT);
        cr_assert(!is_found(nth_place(0, life % 3u)));
    }
    stop();
}

/* T3: a word read in one life never matches the slot in a later one, whatever the key, with the same pfn and flags. */
Test(bucket, T3_a_word_of_an_ended_life_matches_no_more)
{
    hipti_slot slot;
    hipti_slot again;
    uint64_t stale;

    start(2, 1, 1, 20);
    cr_assert_eq(put(nth_place(0, 0), PFN, &slot), HIPT_OK);
    stale = hipti_slot_load(&buckets, slot);
    take(nth_place(0, 0));
    cr_assert_eq(put(nth_place(0, 1), PFN, &again), HIPT_OK);
    cr_assert_eq(again, slot);
    cr_assert(!hipti_slot_change(&buckets, slot, &stale, hipti_pte_with_state(stale, HIPTI_FROZEN)));
    cr_assert(is_found(nth_place(0, 1)));
    stop();
}

/* P2, P12: a slot whose version would wrap is out of use until a grace period has passed, then starts at version 0. */
Test(bucket, P2_P12_a_slot_parks_before_its_version_wraps)
{
    unsigned bits;

    for (bits = 1; bits <= 4u; bits++) {
        unsigned lives = 1u << bits;
        hipti_slot slot = 0;
        hipti_slot other;
        unsigned life;

        start(1, 1, bits, 20);
        for (life = 0; life < lives; life++) {
            cr_assert_eq(put(nth_place(0, 0), PFN, &slot), HIPT_OK);
            cr_assert_eq(slot, 0u);
            cr_assert_eq(version_of(slot), life);
            take(nth_place(0, 0));
        }
        cr_assert_eq(state_of(slot), HIPTI_PARKED);
        cr_assert_eq(put(nth_place(0, 0), PFN, &other), HIPT_OK);
        cr_assert_neq(other, slot, "its grace period has not passed");
        take(nth_place(0, 0));
        test_host_pass(&host);
        cr_assert_eq(put(nth_place(0, 1), PFN, &slot), HIPT_OK);
        cr_assert_eq(slot, 0u);
        cr_assert_eq(version_of(slot), 0u);
        stop();
    }
}

static bool was_gone;

static void look_at_slot_0(void)
{
    was_gone = state_of(0) == HIPTI_PARKED;
}

/*
 * T2, P12: when the grace period is asked for, the old word is gone. A read side that begins between the two would read
 * it and not be waited for; the slot could then live through all its versions under it.
 */
Test(bucket, T2_P12_the_word_goes_before_the_grace_period_begins)
{
    hipti_slot slot = 7;

    start(1, 1, 1, 20);
    cr_assert_eq(put(nth_place(0, 0), PFN, &slot), HIPT_OK);
    take(nth_place(0, 0));
    cr_assert_eq(put(nth_place(0, 0), PFN, &slot), HIPT_OK);
    cr_assert_eq(slot, 0u);
    host.meanwhile = look_at_slot_0;
    take(nth_place(0, 0));
    cr_assert_eq(state_of(slot), HIPTI_PARKED);
    cr_assert(was_gone);
    stop();
}

/* P12: the cookie that a parked slot keeps is the one it was given, over its whole width. */
Test(bucket, P12_cookies_are_kept_whole)
{
    unsigned bit;

    for (bit = 0; bit < 56u; bit++) {
        uint64_t cookie = UINT64_C(1) << bit | 1u;
        uint64_t pte = hipti_pte_parked(cookie);

        cr_assert_eq(hipti_pte_state(pte), HIPTI_PARKED);
        cr_assert_eq(hipti_pte_cookie(pte), cookie);
    }
    cr_assert_eq(hipti_pte_cookie(hipti_pte_parked(HIPTI_COOKIE_NEVER)), HIPTI_COOKIE_NEVER);
}

/*
 * H2, H3, P13: a fifth key brings an overflow line; the line goes with its last key and comes back after a grace
 * period.
 */
Test(bucket, H2_H3_P13_an_overflow_line_comes_and_goes)
{
    hipti_slot slot = 0;
    uint32_t line;
    unsigned i;

    start(2, 1, 10, 20);
    for (i = 0; i < 5u; i++) {
        cr_assert_eq(hipti_header_link(header_of(1)), HIPTI_NONE);
        cr_assert_eq(put(nth_place(1, i), PFN + i, &slot), HIPT_OK);
    }
    line = slot / HIPT_SLOTS;
    cr_assert_eq(hipti_buckets_linked(&buckets, 1, hipti_header_link(header_of(1))), line);
    cr_assert_geq(line, 2u);
    cr_assert_eq(hipti_header_bucket(header_of(line)), 1u);
    cr_assert_eq(hipti_header_link(header_of(line)), HIPTI_NONE);
    for (i = 0; i < 5u; i++) {
        cr_assert(is_found(nth_place(1, i)));
    }
    take(nth_place(1, 4));
    cr_assert_eq(hipti_header_link(header_of(1)), HIPTI_NONE, "an empty line is taken out");
    for (i = 0; i < HIPT_SLOTS; i++) {
        cr_assert_eq(hipti_slot_load(&buckets, line * HIPT_SLOTS + i), hipti_pte_parked(HIPTI_COOKIE_NEVER));
    }
    cr_assert_eq(put(nth_place(1, 4), PFN, &slot), HIPT_OK);
    cr_assert_neq(slot / HIPT_SLOTS, line, "R1: not before a grace period");
    cr_assert_eq(put(nth_place(1, 5), PFN, &slot), HIPT_OK); /* another one in that line, which stays */
    test_host_pass(&host);
    for (i = 0; i < 5u; i++) {
        cr_assert_eq(put(nth_place(0, i), PFN, &slot), HIPT_OK);
    }
    cr_assert_eq(slot, line * HIPT_SLOTS, "the line is used again, for another bucket");
    cr_assert_eq(hipti_header_bucket(header_of(line)), 0u);
    cr_assert_eq(version_of(slot), 0u);
    stop();
}

/*
 * H2, H3, P13: what is done to a line's slots is done to their four words; the remainders, which follow in memory, are
 * neither read as a fifth one nor written.
 */
Test(bucket, P13_a_line_has_four_words)
{
    struct hipti_place place;
    struct hipti_line *line;
    hipti_slot slot;
    uint64_t pte;
    unsigned i;

    start(1, 1, 10, 20);
    for (i = 0; i < 5u; i++) {
        cr_assert_eq(put(nth_place(0, i), PFN + i, &slot), HIPT_OK);
    }
    line = hipti_buckets_line(&buckets, slot / HIPT_SLOTS);
    hipti_store_relaxed(&line->lo[1], UINT32_MAX); /* as a word with this in its upper half it would be in use */
    take(nth_place(0, 4));
    cr_assert_eq(hipti_header_link(header_of(0)), HIPTI_NONE, "all four are free");
    cr_assert_eq(pop_spare(), HIPTI_NONE, "a grace period begins");
    test_host_pass(&host);
    cr_assert_eq(put(nth_place(0, 5), PFN, &slot), HIPT_OK);
    cr_assert_eq(hipti_buckets_line(&buckets, slot / HIPT_SLOTS), line);
    cr_assert_eq(hipti_load_relaxed(&line->lo[1]), UINT32_MAX);
    stop();

    start(2, 1, 10, 20); /* the remainders, and the next line's header, look like a slot of this key */
    place = nth_place(0, 0);
    line = hipti_buckets_line(&buckets, 0);
    hipti_store_relaxed(&line->lo[1], (uint32_t)(hipti_pte_with_state(0, HIPTI_LIVE) >> 32));
    hipti_store_relaxed(&line->hi[0], (uint16_t)hipti_place_lo(place));
    hipti_store_relaxed(&line->hi[1], (uint16_t)(hipti_place_lo(place) >> 16));
    hipti_store_relaxed(&hipti_buckets_line(&buckets, 1)->header, hipti_place_hi(place));
    cr_assert(!hipti_bucket_find_seq_cst(&buckets, place, &slot, &pte));
    hipti_store_relaxed(&hipti_buckets_line(&buckets, 1)->header, 0u);
    stop();
}

/* H3: only an empty line goes, and only from the front; the others stay where they are and are found. */
Test(bucket, H3_lines_in_use_stay)
{
    enum { KEYS = 14 }; /* the bucket's line and three more, the last half full */
    hipti_slot slot;
    unsigned i;

    start(1, 1, 10, 20);
    for (i = 0; i < KEYS; i++) {
        cr_assert_eq(put(nth_place(0, i), PFN + i, &slot), HIPT_OK);
    }
    for (i = 4; i < 8u; i++) {
        take(nth_place(0, i)); /* the oldest overflow line, behind two others */
    }
    for (i = 0; i < KEYS; i++) {
        cr_assert_eq(is_found(nth_place(0, i)), i < 4u || i >= 8u, "key %u", i);
    }
    for (i = 8; i < KEYS; i++) {
        take(nth_place(0, i));
    }
    for (i = 0; i < KEYS; i++) {
        cr_assert_eq(is_found(nth_place(0, i)), i < 4u, "key %u", i);
    }
    stop();
}

/* A chain has eight lines at most: one key more is refused, and nothing has changed; a freed slot makes room again. */
Test(bucket, a_full_chain_is_refused)
{
    static struct words before;
    struct hipti_claim claim;
    hipti_slot slot;
    unsigned i;

    start(1, 1, 10, 20);
    for (i = 0; i < HIPT_CHAIN_LINES_MAX * HIPT_SLOTS; i++) {
        cr_assert_eq(put(nth_place(0, i), PFN + i, &slot), HIPT_OK, "key %u", i);
    }
    words_read(&before);
    cr_assert_eq(hipti_bucket_claim(&buckets, nth_place(0, 32), pte_of(PFN), &claim), HIPT_FULL);
    cr_expect_unchanged(&before);
    for (i = 0; i < 32u; i++) {
        hipti_slot found;
        uint64_t pte;
        unsigned lines = 0;

        cr_assert(hipti_bucket_find(&buckets, nth_place(0, i), &found, &pte, &lines));
        cr_assert_eq(hipti_pte_pfn(pte), PFN + i);
        cr_assert(lines >= 1u && lines <= HIPT_CHAIN_LINES_MAX);
    }
    take(nth_place(0, 9));
    cr_assert_eq(put(nth_place(0, 32), PFN, &slot), HIPT_OK);
    stop();
}

/* Without memory for an overflow line a put is refused and nothing has changed. */
Test(bucket, no_memory_for_a_line)
{
    static struct words before;
    struct hipti_claim claim;
    hipti_slot slot;
    unsigned i;

    start(1, 1, 10, 20);
    for (i = 0; i < 4u; i++) {
        cr_assert_eq(put(nth_place(0, i), PFN, &slot), HIPT_OK);
    }
    words_read(&before);
    test_host_fail(&host, 1, 1);
    cr_assert_eq(hipti_bucket_claim(&buckets, nth_place(0, 4), pte_of(PFN), &claim), HIPT_NOMEM);
    cr_expect_unchanged(&before);
    cr_assert_eq(put(nth_place(0, 4), PFN, &slot), HIPT_OK);
    stop();
}

/* T1: two claims of one key; one commits, the other is refused and stands until it is given up. */
Test(bucket, T1_two_claims_one_commit)
{
    unsigned nsizes;

    for (nsizes = 1; nsizes <= 2u; nsizes++) {
        struct hipti_claim first;
        struct hipti_claim second;

        start(1, nsizes, 10, 20);
        cr_assert_eq(hipti_bucket_claim(&buckets, nth_place(0, 0), pte_of(1), &first), HIPT_OK);
        cr_assert_eq(hipti_bucket_claim(&buckets, nth_place(0, 0), pte_of(2), &second), HIPT_OK);
        cr_assert_neq(first.slot, second.slot);
        cr_assert_eq(hipti_bucket_commit(&buckets, &second), HIPT_OK);
        cr_assert_eq(hipti_bucket_commit(&buckets, &first), nsizes == 1u ? HIPT_EXISTS : HIPT_BUSY);
        cr_assert_eq(state_of(first.slot), HIPTI_CLAIMED);
        hipti_bucket_forget(&buckets, &first);
        cr_assert_eq(state_of(first.slot), HIPTI_FREE);
        cr_assert(is_found(nth_place(0, 0)));
        stop();
    }
}

/* T1: a claim outlives commits of other keys to its bucket, and lines that come in front of its own. */
Test(bucket, T1_a_commit_after_others)
{
    struct hipti_claim claim;
    hipti_slot slot;
    unsigned i;

    start(1, 1, 10, 20);
    for (i = 1; i < 5u; i++) {
        cr_assert_eq(put(nth_place(0, i), PFN, &slot), HIPT_OK);
    }
    cr_assert_eq(hipti_bucket_claim(&buckets, nth_place(0, 0), pte_of(7), &claim), HIPT_OK); /* in an overflow line */
    for (i = 5; i < 12u; i++) {
        cr_assert_eq(put(nth_place(0, i), PFN, &slot), HIPT_OK);
    }
    cr_assert_eq(hipti_bucket_commit(&buckets, &claim), HIPT_OK);
    for (i = 0; i < 12u; i++) {
        cr_assert(is_found(nth_place(0, i)), "key %u", i);
    }
    stop();
}

/* H1 alone, as a put does that is stopped before P4. */
static void commit_half(const struct hipti_claim *claim)
{
    struct hipti_line *line = hipti_buckets_line(&buckets, claim->place.bucket);
    uint64_t header = claim->header;

    cr_assert_lt(claim->slot, HIPT_SLOTS, "in the bucket's own line");
    cr_assert(hipti_cas_seq_cst(&line->header, &header,
                                hipti_header_commit(header, claim->slot, hipti_pte_version(claim->pte) & 1u, 20,
                                                    claim->place)));
    cr_assert_eq(state_of(claim->slot), HIPTI_CLAIMED);
}

/*
 * T4: a put that is stopped between H1 and P4 is finished by whoever comes: a put of the same key, or of another one.
 */
Test(bucket, T4_a_stopped_put_is_finished_by_others)
{
    unsigned same;

    for (same = 0; same <= 1u; same++) {
        struct hipti_claim stopped;
        hipti_slot slot;

        start(1, 1, 10, 20);
        cr_assert_eq(hipti_bucket_claim(&buckets, nth_place(0, 0), pte_of(PFN), &stopped), HIPT_OK);
        commit_half(&stopped);
        cr_assert(!is_found(nth_place(0, 0)), "nothing is visible before P4");
        cr_assert_eq(put(nth_place(0, same ? 0 : 1u), PFN, &slot), same ? HIPT_EXISTS : HIPT_OK);
        cr_assert_eq(state_of(stopped.slot), HIPTI_LIVE);
        cr_assert(is_found(nth_place(0, 0)));
        stop();
    }
}

/* T4: also by who takes an overflow line out of the chain, whose header change would unname the slot. */
Test(bucket, T4_a_stopped_put_is_finished_by_a_trim)
{
    struct hipti_claim stopped;
    hipti_slot slot;
    unsigned i;

    start(1, 1, 10, 20);
    for (i = 1; i < 6u; i++) {
        cr_assert_eq(put(nth_place(0, i), PFN, &slot), HIPT_OK);
    }
    take(nth_place(0, 1));
    cr_assert_eq(hipti_bucket_claim(&buckets, nth_place(0, 0), pte_of(PFN), &stopped), HIPT_OK);
    commit_half(&stopped);
    take(nth_place(0, 5)); /* H3 */
    cr_assert_eq(hipti_header_link(header_of(0)), HIPTI_NONE);
    cr_assert_eq(state_of(stopped.slot), HIPTI_LIVE);
    stop();
}

/*
 * T1: the header still names the slot of an ended life; a claim of the next life, with the other parity, is left
 * alone.
 */
Test(bucket, T1_a_helper_leaves_the_next_life_alone)
{
    struct hipti_claim next;
    struct hipti_claim other;
    hipti_slot slot;
    unsigned life;

    start(1, 1, 1, 20);
    for (life = 0; life < 6u; life++) {
        cr_assert_eq(put(nth_place(0, 0), PFN, &slot), HIPT_OK);
        take(nth_place(0, 0));
        test_host_pass(&host); /* also where the version wraps, from 1 to 0 */
        cr_assert_eq(hipti_bucket_claim(&buckets, nth_place(0, 1), pte_of(PFN), &next), HIPT_OK);
        cr_assert_eq(next.slot, slot);
        cr_assert_eq(hipti_header_position(header_of(0)), slot);
        cr_assert_eq(hipti_bucket_claim(&buckets, nth_place(0, 2), pte_of(PFN), &other), HIPT_OK); /* it would help */
        cr_assert_eq(state_of(next.slot), HIPTI_CLAIMED, "life %u", life);
        cr_assert(!is_found(nth_place(0, 1)));
        hipti_bucket_forget(&buckets, &other);
        hipti_bucket_forget(&buckets, &next);
    }
    stop();
}

/* The narrowest sequence stands at its gate at every commit: the claim stands, a grace period lets it through. */
Test(bucket, the_gate_makes_a_commit_wait)
{
    static struct words before;
    struct hipti_claim claim;
    hipti_slot slot;
    unsigned i;

    start(1, 1, 10, 2);
    cr_assert_eq(put(nth_place(0, 0), PFN, &slot), HIPT_OK);
    for (i = 1; i < 4u; i++) {
        cr_assert_eq(hipti_bucket_claim(&buckets, nth_place(0, i), pte_of(PFN), &claim), HIPT_OK);
        words_read(&before);
        cr_assert_eq(hipti_bucket_commit(&buckets, &claim), HIPT_BUSY);
        cr_expect_unchanged(&before);
        test_host_pass(&host);
        cr_assert_eq(hipti_bucket_commit(&buckets, &claim), HIPT_OK);
    }
    words_read(&before);
    cr_assert_eq(hipti_bucket_claim(&buckets, nth_place(0, 4), pte_of(PFN), &claim), HIPT_BUSY, "H2 waits too");
    cr_expect_unchanged(&before);
    test_host_pass(&host);
    cr_assert_eq(hipti_bucket_claim(&buckets, nth_place(0, 4), pte_of(PFN), &claim), HIPT_OK);
    cr_assert_eq(hipti_bucket_commit(&buckets, &claim), HIPT_BUSY);
    hipti_bucket_forget(&buckets, &claim); /* H3 finds the gate closed: the line stays, empty and usable */
    cr_assert_neq(hipti_header_link(header_of(0)), HIPTI_NONE);
    test_host_pass(&host);
    cr_assert_eq(put(nth_place(0, 4), PFN, &slot), HIPT_OK);
    cr_assert_geq(slot / HIPT_SLOTS, 1u);
    stop();
}

/* Every slot gives back the key that was put there, from buckets and overflow lines alike; the others give none. */
Test(bucket, slots_give_their_keys_back)
{
    enum { KEYS = 60, BUCKETS = 3 };
    unsigned given = 0;
    hipti_slot slot;
    uint64_t n;
    uint64_t i;

    start(BUCKETS, 1, 10, 20);
    for (n = 0; n < KEYS; n++) {
        cr_assert_eq(put(hipti_buckets_place(&buckets, 0, n << (64 - WIDTH)), n, &slot), HIPT_OK);
    }
    for (i = 0; hipti_buckets_nth(&buckets, i, &slot); i++) {
        uint64_t pte;
        uint64_t key;

        if (hipti_slot_read(&buckets, slot, &pte, &key)) {
            cr_assert_eq(key, hipti_pte_pfn(pte) << (64 - WIDTH));
            given++;
        }
    }
    cr_assert_eq(given, KEYS);
    stop();
}

static enum hipt_status meanwhile_status;

static void put_meanwhile(void)
{
    hipti_slot slot;

    meanwhile_status = put(nth_place(0, 5), PFN, &slot);
}

/* H2: of two puts that both bring an overflow line one has to take its line back, with nothing claimed in it. */
Test(bucket, H2_a_line_brought_too_late)
{
    hipti_slot slot;
    uint64_t i;

    start(1, 1, 10, 20);
    for (i = 0; i < 4u; i++) {
        cr_assert_eq(put(nth_place(0, (unsigned)i), PFN, &slot), HIPT_OK);
    }
    meanwhile_status = HIPT_STATUS_COUNT;
    host.meanwhile = put_meanwhile; /* when the put below asks for memory for its line */
    cr_assert_eq(put(nth_place(0, 4), PFN, &slot), HIPT_OK);
    cr_assert_eq(meanwhile_status, HIPT_OK);
    for (i = 0; i < 6u; i++) {
        cr_assert(is_found(nth_place(0, (unsigned)i)));
    }
    for (i = 0; hipti_buckets_nth(&buckets, i, &slot); i++) {
        cr_expect_neq(state_of(slot), HIPTI_CLAIMED, "slot %llu", (unsigned long long)i);
    }
    cr_assert(hipti_freelist_is_waiting(&buckets.shard[0]->spare), "the line is lost");
    stop();
}

/* R1: lines that were given back together are all used again, each by one bucket. */
Test(bucket, R1_several_lines_wait_together)
{
    enum { BUCKETS = 4 };
    uint32_t line[BUCKETS];
    hipti_slot slot;
    uint32_t b;
    unsigned round;
    unsigned i;

    start(BUCKETS, 1, 10, 20);
    for (b = 0; b < BUCKETS * 4u; b++) {
        cr_assert_eq(put(nth_place(b % BUCKETS, b / BUCKETS), PFN, &slot), HIPT_OK);
    }
    for (round = 0; round < 5u; round++) {
        for (b = 0; b < BUCKETS; b++) {
            cr_assert_eq(put(nth_place(b, 4), PFN, &slot), HIPT_OK);
            line[b] = slot / HIPT_SLOTS;
            cr_assert_lt(line[b], HIPTI_OVERFLOW_FIRST + BUCKETS, "round %u: a further line", round);
            for (i = 0; i < b; i++) {
                cr_assert_neq(line[i], line[b], "round %u", round);
            }
        }
        for (b = 0; b < BUCKETS; b++) {
            take(nth_place((b + round) % BUCKETS, 4));
        }
        cr_assert_eq(pop_spare(), HIPTI_NONE, "a grace period begins");
        test_host_pass(&host);
    }
    stop();
}

/* P13: a line whose slots have lived through all their versions goes as well. */
Test(bucket, P12_P13_a_parked_slot_holds_up_no_line)
{
    hipti_slot slot;
    unsigned i;

    start(1, 1, 1, 20);
    for (i = 0; i < 5u; i++) {
        cr_assert_eq(put(nth_place(0, i), PFN, &slot), HIPT_OK);
    }
    cr_assert_eq(put(nth_place(0, 5), PFN, &slot), HIPT_OK);
    take(nth_place(0, 5));
    cr_assert_eq(put(nth_place(0, 5), PFN, &slot), HIPT_OK);
    cr_assert_eq(version_of(slot), 1u);
    take(nth_place(0, 5));
    cr_assert_eq(state_of(slot), HIPTI_PARKED);
    take(nth_place(0, 4));
    cr_assert_eq(hipti_header_link(header_of(0)), HIPTI_NONE);
    cr_assert_eq(hipti_slot_load(&buckets, slot), hipti_pte_parked(HIPTI_COOKIE_NEVER));
    stop();
}

/* H1, T4: a header names a slot by its place in the chain, so that others find it in whichever line it is. */
Test(bucket, T4_H1_slots_in_every_line_are_named)
{
    struct hipti_claim stopped;
    uint64_t header;
    hipti_slot slot;
    unsigned i;

    start(1, 1, 10, 20);
    for (i = 0; i < 4u * HIPT_SLOTS; i++) {
        cr_assert_eq(put(nth_place(0, i), PFN, &slot), HIPT_OK);
        /* each new line comes in front of the other overflow lines */
        cr_assert_eq(hipti_header_position(header_of(0)), i < HIPT_SLOTS ? i : HIPT_SLOTS + i % HIPT_SLOTS);
    }
    for (i = 4; i < 12u; i += 4u) { /* the oldest overflow line is the last in the chain, with ordinal 3 */
        take(nth_place(0, i));
        cr_assert_eq(hipti_bucket_claim(&buckets, nth_place(0, 20), pte_of(PFN), &stopped), HIPT_OK);
        header = stopped.header;
        cr_assert(hipti_cas_seq_cst(&hipti_buckets_line(&buckets, 0)->header, &header,
                                    hipti_header_commit(header, (4u - i / 4u) * HIPT_SLOTS + stopped.slot % HIPT_SLOTS,
                                                        hipti_pte_version(stopped.pte) & 1u, 20,
                                                        stopped.place)));
        cr_assert_eq(state_of(stopped.slot), HIPTI_CLAIMED);
        cr_assert_eq(put(nth_place(0, 20), PFN, &slot), HIPT_EXISTS, "line %u", i / 4u);
        cr_assert_eq(state_of(stopped.slot), HIPTI_LIVE);
        take(nth_place(0, 20));
        cr_assert_eq(put(nth_place(0, i), PFN, &slot), HIPT_OK);
        cr_assert_eq(hipti_header_position(header_of(0)), (4u - i / 4u) * HIPT_SLOTS + slot % HIPT_SLOTS);
    }
    stop();
}

/* --- another thread at every step */

static enum hipt_status status_beside;
static hipti_slot slot_beside;
static unsigned key_beside;

static void put_beside(void)
{
    status_beside = put(nth_place(0, key_beside), PFN + key_beside, &slot_beside);
}

/* P1, T1: of two puts that find the same free slot both succeed, each in a slot of its own. */
Test(bucket, T1_P1_two_puts_of_two_keys)
{
    bool is_over = false;
    unsigned steps;

    key_beside = 1;
    for (steps = 0; !is_over; steps++) {
        hipti_slot slot;

        start(1, 1, 10, 20);
        status_beside = HIPT_OK;
        step_interrupt(NULL, NULL, steps, put_beside);
        cr_assert_eq(put(nth_place(0, 0), PFN, &slot), HIPT_OK, "interrupted at %u", steps);
        is_over = !step_interrupted();
        cr_assert_eq(status_beside, HIPT_OK);
        cr_assert(is_found(nth_place(0, 0)) && (is_over || is_found(nth_place(0, 1))), "interrupted at %u", steps);
        cr_assert_eq(hipti_header_sequence(header_of(0)), is_over ? 1u : 2u);
        stop();
    }
    cr_assert_gt(steps, 10u);
}

/* Finish a put, and end the life that it began. */
static void end_beside(void)
{
    put_beside();
    if (is_found(nth_place(0, 0))) {
        take(nth_place(0, 0));
    }
}

/* P4, T1: a put that was helped, and whose key has gone since, does not bring it back. */
Test(bucket, T1_P4_a_put_that_was_overtaken)
{
    bool is_over = false;
    unsigned steps;

    key_beside = 1;
    for (steps = 0; !is_over; steps++) {
        hipti_slot slot;

        start(1, 1, 10, 20);
        step_interrupt(NULL, NULL, steps, end_beside);
        cr_assert_eq(put(nth_place(0, 0), PFN, &slot), HIPT_OK, "interrupted at %u", steps);
        is_over = !step_interrupted();
        if (is_found(nth_place(0, 0))) {
            take(nth_place(0, 0));
        }
        cr_assert_eq(hipti_slot_load(&buckets, slot), UINT64_C(1) << HIPTI_PTE_VERSION_SHIFT, "interrupted at %u",
                     steps);
        stop();
    }
    cr_assert_gt(steps, 10u);
}

static struct hipti_claim claim_beside;

/* The slot of the stopped put lives through two lives and is claimed for a third one, of the same parity. */
static void live_on_beside(void)
{
    struct hipti_claim other;

    TEST_HOLDS(hipti_bucket_claim(&buckets, nth_place(0, 3), pte_of(PFN), &other) == HIPT_OK); /* helps */
    hipti_bucket_forget(&buckets, &other);
    take(nth_place(0, 0));
    TEST_HOLDS(put(nth_place(0, 1), PFN, &slot_beside) == HIPT_OK && slot_beside == 0);
    take(nth_place(0, 1));
    TEST_HOLDS(hipti_bucket_claim(&buckets, nth_place(0, 2), pte_of(PFN), &claim_beside) == HIPT_OK);
    TEST_HOLDS(claim_beside.slot == 0);
}

static void protect_beside(void)
{
    uint64_t pte;

    TEST_HOLDS(hipti_bucket_claim(&buckets, nth_place(0, 3), pte_of(PFN), &claim_beside) == HIPT_OK); /* helps */
    pte = hipti_slot_load(&buckets, 0);
    TEST_HOLDS(hipti_slot_change(&buckets, 0, &pte, hipti_pte_with_prot(pte, HIPT_EXEC)));
}

/* T1, T4: who helps a stopped put finishes that put, not what the slot has come to since. */
Test(bucket, T1_T4_help_that_comes_late)
{
    static void (*const beside[])(void) = {live_on_beside, protect_beside};
    unsigned i;

    for (i = 0; i < 2u; i++) {
        bool is_over = false;
        unsigned steps;

        for (steps = 0; !is_over; steps++) {
            struct hipti_claim stopped;
            struct hipti_claim helper;

            start(1, 1, 10, 20);
            cr_assert_eq(hipti_bucket_claim(&buckets, nth_place(0, 0), pte_of(PFN), &stopped), HIPT_OK);
            commit_half(&stopped);
            step_interrupt(NULL, NULL, steps, beside[i]);
            cr_assert_eq(hipti_bucket_claim(&buckets, nth_place(0, 5), pte_of(PFN), &helper), HIPT_OK);
            is_over = !step_interrupted();
            if (is_over) {
                cr_assert_eq(state_of(0), HIPTI_LIVE);
            } else if (i == 0) {
                cr_assert_eq(hipti_slot_load(&buckets, 0), claim_beside.pte, "interrupted at %u", steps);
            } else {
                cr_assert_eq(hipti_field_get(hipti_slot_load(&buckets, 0), HIPTI_PTE_PROT_SHIFT, 4), HIPT_EXEC,
                             "interrupted at %u", steps);
            }
            stop();
        }
        cr_assert_gt(steps, 5u);
    }
}

static void take_beside(void)
{
    take(nth_place(0, 5));
}

/* Keys of a bucket with an overflow line of two keys, 4 and 5. */
static void start_overflow(unsigned count)
{
    hipti_slot slot;
    unsigned i;

    start(1, 1, 10, 20);
    for (i = 0; i < count; i++) {
        cr_assert_eq(put(nth_place(0, i), PFN + i, &slot), HIPT_OK);
    }
}

/*
 * P13, H3: the last two keys of a line go at once: the line is taken out once and stays closed; or each end was met by
 * the other, and the line stays in the chain, open.
 */
Test(bucket, R1_P13_the_last_two_of_a_line)
{
    bool is_over = false;
    unsigned out = 0;
    unsigned steps;

    for (steps = 0; !is_over; steps++) {
        bool is_out;
        unsigned i;

        start_overflow(6);
        step_interrupt(NULL, NULL, steps, take_beside);
        take(nth_place(0, 4));
        is_over = !step_interrupted();
        if (is_over) {
            take(nth_place(0, 5));
        }
        for (i = 0; i < 4u; i++) {
            cr_assert(is_found(nth_place(0, i)));
        }
        is_out = hipti_header_link(header_of(0)) == HIPTI_NONE;
        out += is_out;
        cr_assert_eq(hipti_freelist_is_waiting(&buckets.shard[0]->spare), is_out);
        for (i = 0; i < HIPT_SLOTS; i++) {
            uint64_t pte = hipti_slot_load(&buckets, HIPTI_OVERFLOW_FIRST * HIPT_SLOTS + i);

            cr_assert(is_out ? pte == hipti_pte_parked(HIPTI_COOKIE_NEVER) : hipti_pte_state(pte) == HIPTI_FREE,
                      "interrupted at %u: %llx", steps, (unsigned long long)pte);
        }
        stop();
    }
    cr_assert(steps > 15u && out > steps / 2u);
}

/*
 * P13, H3, T1: a put beside the end of a line stands, in that line or in another one; what was closed for the end of
 * the line and did not come to it is open again. The slot before the one that the put takes may be free or not.
 */
Test(bucket, T1_P13_a_put_beside_the_end_of_a_line)
{
    unsigned count;

    for (count = 5; count <= 8u; count++) {
        bool is_over = false;
        unsigned steps;

        for (steps = 0; !is_over; steps++) {
            uint64_t sequence;
            hipti_slot slot;
            unsigned i;

            start_overflow(count);
            for (i = 4; i < count - 1u; i++) {
                take(nth_place(0, i));
            }
            cr_assert_neq(hipti_header_link(header_of(0)), HIPTI_NONE);
            sequence = hipti_header_sequence(header_of(0));
            key_beside = 9;
            step_interrupt(NULL, NULL, steps, put_beside);
            take(nth_place(0, count - 1u)); /* and the line */
            is_over = !step_interrupted();
            if (is_over) {
                put_beside();
            }
            cr_assert_eq(status_beside, HIPT_OK);
            cr_assert(is_found(nth_place(0, 9)), "%u keys, interrupted at %u", count, steps);
            for (i = 0; i < 4u; i++) {
                cr_assert(is_found(nth_place(0, i)));
            }
            cr_assert_geq(hipti_header_sequence(header_of(0)),
                          sequence + 1u + (slot_beside / HIPT_SLOTS > HIPTI_OVERFLOW_FIRST),
                          "every change of the header counts");
            for (i = 10; i < 13u; i++) { /* three further slots, in the line where the put is */
                cr_assert_eq(put(nth_place(0, i), PFN, &slot), HIPT_OK);
                cr_assert_leq(slot / HIPT_SLOTS, HIPTI_OVERFLOW_FIRST + 1u);
            }
            cr_assert_leq(hipti_load_relaxed(&buckets.shard[0]->overflow.carved), 2u, "%u keys, interrupted at %u",
                          count, steps);
            stop();
        }
        cr_assert_gt(steps, 15u);
    }
}

/* --- readers of a slot that changes hands */

/* The place of key @n, or, beyond those that there are, one that is like key 0's in one of its two parts only. */
enum { LIKE_IN_LO = 1000, LIKE_IN_HI };

static struct hipti_place place_beside(unsigned n)
{
    struct hipti_place place = nth_place(0, n < LIKE_IN_LO ? n : 0);

    if (n >= LIKE_IN_LO) {
        place.rest ^= UINT64_C(1) << (n == LIKE_IN_LO ? 63 : 16);
    }
    return place;
}

static unsigned key_before;

static void change_hands_beside(void)
{
    take(place_beside(key_before));
    TEST_HOLDS(put(place_beside(key_beside), PFN + key_beside, &slot_beside) == HIPT_OK && slot_beside == 0);
}

/* As a release that is stopped in its middle leaves it (P12). */
static void park_beside(void)
{
    hipti_slot_publish(&buckets, 0, hipti_pte_parked(HIPTI_COOKIE_NEVER));
}

/* => the pfn that a reader of key 0 finds; 0: none. The three ways to find it. */
static uint64_t find_key_0(unsigned way)
{
    struct hipti_place place = nth_place(0, 0);
    bool is_there = true;
    uint64_t pte = 0;
    hipti_slot slot;
    uint32_t link;
    unsigned i;

    if (way == 0) {
        is_there = hipti_bucket_find(&buckets, place, &slot, &pte, NULL);
    } else if (way == 1u) {
        is_there = hipti_bucket_find_seq_cst(&buckets, place, &slot, &pte);
    } else {
        pte = hipti_line_lookup(hipti_buckets_line(&buckets, 0), place, &i, &link);
        is_there = pte != 0;
    }
    cr_assert(!is_there || hipti_pte_has_key(pte), "way %u", way);
    return is_there ? hipti_pte_pfn(pte) : 0;
}

/* T2, T3: whoever finds a key finds its own word, at whatever step its slot goes to a key that is like it in part. */
Test(bucket, T2_T3_a_reader_of_a_slot_that_changes_hands)
{
    unsigned i;

    for (i = 0; i < 2u * 2u * 3u; i++) {
        unsigned other = i % 2u ? LIKE_IN_LO : LIKE_IN_HI;
        bool is_leaving = i / 2u % 2u == 0;
        bool is_over = false;
        unsigned steps;

        for (steps = 0; !is_over; steps++) {
            hipti_slot slot;
            uint64_t pfn;

            start(1, 1, 1, 20);
            key_before = is_leaving ? 0 : other;
            key_beside = is_leaving ? other : 0;
            cr_assert_eq(put(place_beside(key_before), PFN + key_before, &slot), HIPT_OK);
            step_interrupt(NULL, NULL, steps, change_hands_beside);
            pfn = find_key_0(i / 4u);
            is_over = !step_interrupted();
            cr_assert(pfn == 0 || pfn == PFN, "case %u, interrupted at %u: %llx", i, steps, (unsigned long long)pfn);
            stop();
        }
    }
}

/* F1, T2: a slot that is read gives word and key of one life. */
Test(bucket, F1_T2_a_slot_that_changes_hands)
{
    bool is_over = false;
    unsigned steps;

    for (steps = 0; !is_over; steps++) {
        hipti_slot slot;
        uint64_t pte;
        uint64_t key;

        start(1, 1, 1, 20);
        key_before = 0;
        key_beside = 1;
        cr_assert_eq(put(nth_place(0, 0), PFN, &slot), HIPT_OK);
        step_interrupt(NULL, NULL, steps, change_hands_beside);
        if (hipti_slot_read(&buckets, 0, &pte, &key)) {
            struct hipti_place place = hipti_buckets_place(&buckets, 0, key);

            cr_assert_eq(place.rest, nth_place(0, (unsigned)(hipti_pte_pfn(pte) - PFN)).rest, "interrupted at %u",
                         steps);
        }
        is_over = !step_interrupted();
        stop();
    }
    cr_assert_gt(steps, 3u);
}

/* P12: a parked slot's word has bits where a version of 6 bits stands; it has no key all the same. */
Test(bucket, T2_P12_a_parked_slot_is_no_further_life)
{
    unsigned way;

    for (way = 0; way < 4u; way++) {
        bool is_over = false;
        unsigned steps;

        for (steps = 0; !is_over; steps++) {
            hipti_slot slot;
            uint64_t pte;
            uint64_t key;

            start(1, 1, 6, 20);
            cr_assert_eq(put(nth_place(0, 0), PFN, &slot), HIPT_OK);
            hipti_slot_publish(&buckets, 0, hipti_slot_load(&buckets, 0) | UINT64_C(63) << HIPTI_PTE_VERSION_SHIFT);
            step_interrupt(NULL, NULL, steps, park_beside);
            if (way == 3u) {
                cr_assert(!hipti_slot_read(&buckets, 0, &pte, &key) || hipti_pte_has_key(pte), "at %u", steps);
            } else {
                (void)find_key_0(way);
            }
            is_over = !step_interrupted();
            stop();
        }
    }
}

/* Put a copy into @bucket, show it as a move does, and end it. => its slot. */
static hipti_slot copy_and_end(struct hipti_place place)
{
    struct hipti_claim claim;
    hipti_slot slot;
    uint64_t pte;

    cr_assert_eq(hipti_bucket_copy(&buckets, place, pte_of(PFN), &claim), HIPT_OK);
    pte = hipti_pte_forward(0, claim.slot, claim.pte);
    cr_assert(hipti_slot_follow(&buckets, &slot, &pte) && slot == claim.slot); /* P21 */
    take(place);
    return slot;
}

/* T1, H5: a slot that has been a copy's in between is not mistaken for the one that the header named. */
Test(bucket, T1_H5_a_copy_between_two_puts)
{
    struct hipti_claim claim;
    struct hipti_claim other;
    hipti_slot slot;

    start(2, 1, 10, 20);
    cr_assert_eq(put(nth_place(1, 0), PFN, &slot), HIPT_OK);
    take(nth_place(1, 0));
    cr_assert_eq(copy_and_end(nth_place(1, 1)), slot);
    cr_assert_eq(hipti_bucket_claim(&buckets, nth_place(1, 2), pte_of(PFN), &claim), HIPT_OK);
    cr_assert_eq(claim.slot, slot);
    cr_assert_eq(hipti_bucket_claim(&buckets, nth_place(1, 3), pte_of(PFN), &other), HIPT_OK); /* helps who is named */
    cr_assert_eq(state_of(claim.slot), HIPTI_CLAIMED, "made live before its commit");
    hipti_bucket_forget(&buckets, &claim);
    hipti_bucket_forget(&buckets, &other);
    stop();
}
