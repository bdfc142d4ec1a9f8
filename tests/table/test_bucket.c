/* SPDX-License-Identifier: MIT */
/*
 * The rows P1 to P13 of pte.h and H1 to H3 of line.h, one step after another by one thread: who may do what to a slot,
 * what a lookup sees of it, and what stays as it was when a step is refused.
 */
#include <criterion/criterion.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "support/host.h"
#include "table/bucket.h"

enum { WIDTH = 20, PFN = 0x1234 };

static struct test_host host;
static struct hipti_buckets buckets;

/* The protocol's words, of any table small enough. */
struct words {
    size_t lines;
    struct hipti_line line[256];
};

static void start(uint64_t count, unsigned nsizes, unsigned version_bits, unsigned sequence_bits)
{
    static const uint64_t secret[4] = {11, 22, 33, 44};
    struct hipti_split split;
    struct hipt_config config;

    memset(&split, 0, sizeof(split));
    split.asid_bits = 4;
    split.vpn_bits = WIDTH - 4;
    split.spare_bits = 64 - WIDTH;
    split.nsizes = nsizes;
    hipt_config_init(&config);
    config.version_bits = version_bits;
    config.sequence_bits = sequence_bits;
    test_host_init(&host);
    memset(&buckets, 0, sizeof(buckets));
    cr_assert(hipti_buckets_init(&buckets, &host.ops, &split, &config, count, secret));
    host.ops.read_enter(host.ops.ctx);
}

static void stop(void)
{
    host.ops.read_exit(host.ops.ctx);
    hipti_buckets_end(&buckets);
    cr_assert_eq(atomic_load(&host.bytes), 0);
}

/* A grace period passes: the read side is left and entered again. */
static void pass_grace_period(void)
{
    host.ops.read_exit(host.ops.ctx);
    test_host_tick(&host);
    host.ops.read_enter(host.ops.ctx);
}

/* The place of the @n-th key, counted from 0, that belongs to @bucket. */
static struct hipti_place nth_place(uint32_t bucket, unsigned n)
{
    struct hipti_place place;
    uint64_t key = 0;

    for (;; key++) {
        place = hipti_buckets_place(&buckets, key << (64 - WIDTH));
        if (place.bucket == bucket && n-- == 0) {
            return place;
        }
    }
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
    uint32_t i;

    words->lines = (size_t)(hipti_buckets_slots(&buckets) / HIPT_SLOTS);
    cr_assert_leq(words->lines, sizeof(words->line) / sizeof(words->line[0]));
    for (i = 0; i < words->lines; i++) {
        memcpy(&words->line[i], (const void *)hipti_buckets_line(&buckets, i), sizeof(words->line[i]));
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

    start(2, 1, 11, 27);
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

    start(2, 1, 11, 27);
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

    start(2, 2, 11, 27);
    cr_assert_eq(put(nth_place(0, 0), PFN, &slot), HIPT_OK);
    cr_assert_eq(state_of(slot), HIPTI_TENTATIVE);
    cr_assert(is_found(nth_place(0, 0)));
    cr_assert(!hipti_pte_is_visible(hipti_slot_load(&buckets, slot)));
    move(slot, HIPTI_TENTATIVE, HIPTI_LIVE);
    cr_assert(hipti_pte_is_visible(hipti_slot_load(&buckets, slot)));
    cr_assert_eq(put(nth_place(0, 1), PFN, &slot), HIPT_OK);
    move(slot, HIPTI_TENTATIVE, HIPTI_ABORTED);
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
    } cases[] = {{HIPTI_ABORTED, HIPT_BUSY}, {HIPTI_TENTATIVE, HIPT_BUSY}, {HIPTI_FROZEN, HIPT_BUSY},
                 {HIPTI_LIVE, HIPT_EXISTS},  {HIPTI_HELD, HIPT_EXISTS}};
    static struct words before;
    struct hipti_claim claim;
    hipti_slot slot;
    uint64_t live;
    size_t i;

    start(2, 1, 11, 27);
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

    start(2, 1, 11, 27);
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

    start(2, 1, 11, 27);
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

    start(2, 1, 1, 27);
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

        start(1, 1, bits, 27);
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
        pass_grace_period();
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

    start(1, 1, 1, 27);
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

    start(2, 1, 11, 27);
    for (i = 0; i < 5u; i++) {
        cr_assert_eq(hipti_header_link(header_of(1)), HIPTI_NONE);
        cr_assert_eq(put(nth_place(1, i), PFN + i, &slot), HIPT_OK);
    }
    line = slot / HIPT_SLOTS;
    cr_assert_eq(hipti_buckets_linked(&buckets, hipti_header_link(header_of(1))), line);
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
    pass_grace_period();
    for (i = 0; i < 5u; i++) {
        cr_assert_eq(put(nth_place(0, i), PFN, &slot), HIPT_OK);
    }
    cr_assert_eq(slot, line * HIPT_SLOTS, "the line is used again, for another bucket");
    cr_assert_eq(hipti_header_bucket(header_of(line)), 0u);
    cr_assert_eq(version_of(slot), 0u);
    stop();
}

/* H3: only an empty line goes, and only from the front; the others stay where they are and are found. */
Test(bucket, H3_lines_in_use_stay)
{
    enum { KEYS = 14 }; /* the bucket's line and three more, the last half full */
    hipti_slot slot;
    unsigned i;

    start(1, 1, 11, 27);
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

    start(1, 1, 11, 27);
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

    start(1, 1, 11, 27);
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

        start(1, nsizes, 11, 27);
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

    start(1, 1, 11, 27);
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
                                hipti_header_commit(header, claim->slot, hipti_pte_version(claim->pte) & 1u, 27)));
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

        start(1, 1, 11, 27);
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

    start(1, 1, 11, 27);
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

    start(1, 1, 1, 27);
    for (life = 0; life < 6u; life++) {
        cr_assert_eq(put(nth_place(0, 0), PFN, &slot), HIPT_OK);
        take(nth_place(0, 0));
        pass_grace_period(); /* also where the version wraps, from 1 to 0 */
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

    start(1, 1, 11, 2);
    cr_assert_eq(put(nth_place(0, 0), PFN, &slot), HIPT_OK);
    for (i = 1; i < 4u; i++) {
        cr_assert_eq(hipti_bucket_claim(&buckets, nth_place(0, i), pte_of(PFN), &claim), HIPT_OK);
        words_read(&before);
        cr_assert_eq(hipti_bucket_commit(&buckets, &claim), HIPT_BUSY);
        cr_expect_unchanged(&before);
        pass_grace_period();
        cr_assert_eq(hipti_bucket_commit(&buckets, &claim), HIPT_OK);
    }
    words_read(&before);
    cr_assert_eq(hipti_bucket_claim(&buckets, nth_place(0, 4), pte_of(PFN), &claim), HIPT_BUSY, "H2 waits too");
    cr_expect_unchanged(&before);
    pass_grace_period();
    cr_assert_eq(hipti_bucket_claim(&buckets, nth_place(0, 4), pte_of(PFN), &claim), HIPT_OK);
    cr_assert_eq(hipti_bucket_commit(&buckets, &claim), HIPT_BUSY);
    hipti_bucket_forget(&buckets, &claim); /* H3 finds the gate closed: the line stays, empty and usable */
    cr_assert_neq(hipti_header_link(header_of(0)), HIPTI_NONE);
    pass_grace_period();
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

    start(BUCKETS, 1, 11, 27);
    for (n = 0; n < KEYS; n++) {
        cr_assert_eq(put(hipti_buckets_place(&buckets, n << (64 - WIDTH)), n, &slot), HIPT_OK);
    }
    for (i = 0; i < hipti_buckets_slots(&buckets); i++) {
        uint64_t pte;
        uint64_t key;

        if (hipti_slot_read(&buckets, (hipti_slot)i, &pte, &key)) {
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

    start(1, 1, 11, 27);
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
    for (i = 0; i < hipti_buckets_slots(&buckets); i++) {
        cr_expect_neq(state_of((hipti_slot)i), HIPTI_CLAIMED, "slot %llu", (unsigned long long)i);
    }
    stop();
}
