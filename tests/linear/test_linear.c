/* SPDX-License-Identifier: MIT */
/*
 * The checker of linearizability, itself under test: what is right is accepted, each kind of wrong answer is refused,
 * and on small random histories it agrees with a search through all permutations, written apart from it.
 */
#include <criterion/criterion.h>

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "linear/linear.h"
#include "support/host.h"

enum { A, B, C };

static struct linear_shape shape;
static struct linear_history history;
static struct linear_report report;

static void start_sizes(unsigned nsizes)
{
    static const unsigned order[] = {0, 1, 2};

    cr_assert(linear_shape_init(&shape, nsizes, order));
    cr_assert(linear_history_init(&history, &shape, 2, 3, 64, 8));
}

static void start(void)
{
    start_sizes(1);
}

static void stop(void)
{
    linear_history_end(&history);
}

/* The word of a mapping of base page @vpn of size @size. */
static uint64_t word_at(uint32_t size, uint64_t vpn, uint64_t pfn)
{
    struct hipt_mapping m = {{1, size, vpn}, pfn, HIPT_READ, 0, 0, false};

    return linear_word(&shape, &m, 1, 0);
}

static uint64_t word(uint64_t pfn)
{
    return word_at(0, 0, pfn);
}

/* The same with other protection, attribute and marks. */
static uint64_t word_like(uint64_t pfn, uint8_t prot, uint8_t attr, uint8_t marks)
{
    struct hipt_mapping m = {{1, 0, 0}, pfn, prot, attr, marks, false};

    return linear_word(&shape, &m, 1, 0);
}

static void put(unsigned thread, uint64_t begin, uint64_t end, enum linear_verb verb, uint64_t argument,
                enum hipt_status outcome, uint64_t result)
{
    struct linear_op op = {.begin = begin, .end = end, .argument = argument, .result = result};

    op.verb = (uint8_t)verb;
    op.outcome = (uint8_t)outcome;
    cr_assert(linear_record(&history, thread, op));
}

static enum linear_verdict verdict(void)
{
    (void)linear_check(&history, 0, 1, &report);
    linear_history_clear(&history);
    return report.verdict;
}

#define ACCEPTED() cr_assert_eq(verdict(), LINEAR_YES, "%s", report.what)
#define REFUSED() cr_assert_eq(verdict(), LINEAR_NO)

/* --- right */

Test(linear, accepts_one_thread)
{
    start();
    put(A, 1, 2, LINEAR_LOOKUP, 0, HIPT_ABSENT, 0);
    put(A, 3, 4, LINEAR_MAP, word(7), HIPT_OK, 0);
    put(A, 5, 6, LINEAR_MAP, word(8), HIPT_EXISTS, 0);
    put(A, 7, 8, LINEAR_LOOKUP, 0, HIPT_OK, word(7));
    put(A, 9, 10, LINEAR_PROTECT, HIPT_WRITE, HIPT_OK, 0);
    put(A, 11, 12, LINEAR_REMAP, word(9), HIPT_OK, word_like(7, HIPT_WRITE, 0, 0));
    put(A, 13, 14, LINEAR_UNMAP, 0, HIPT_OK, word(9));
    put(A, 15, 16, LINEAR_UNMAP, 0, HIPT_ABSENT, 0);
    put(A, 17, 18, LINEAR_PROTECT, HIPT_READ, HIPT_ABSENT, 0);
    put(A, 19, 20, LINEAR_REMAP, word(9), HIPT_ABSENT, 0);
    ACCEPTED();
    cr_assert_eq(report.checked, 10);
    stop();
}

Test(linear, accepts_marks)
{
    struct linear_op mark = {.argument = 0};

    start();
    put(A, 1, 2, LINEAR_MAP, word(7), HIPT_OK, 0);
    mark = (struct linear_op){.begin = 3, .end = 4, .argument = word(7), .marks = HIPT_DIRTY};
    mark.verb = LINEAR_MARK;
    mark.result = word_like(7, HIPT_READ, 0, HIPT_DIRTY);
    cr_assert(linear_record(&history, A, mark));
    mark.begin = 5; /* read before it was marked */
    mark.end = 6;
    mark.verb = LINEAR_CLEAN;
    cr_assert(linear_record(&history, A, mark));
    put(A, 7, 8, LINEAR_LOOKUP, 0, HIPT_OK, word(7));
    ACCEPTED();
    stop();
}

/* Two lookups beside a map see it and do not see it: the one that sees it comes later in the order. */
Test(linear, accepts_what_only_another_order_explains)
{
    start();
    put(A, 1, 10, LINEAR_MAP, word(7), HIPT_OK, 0);
    put(B, 2, 4, LINEAR_LOOKUP, 0, HIPT_OK, word(7));
    put(C, 3, 5, LINEAR_LOOKUP, 0, HIPT_ABSENT, 0);
    ACCEPTED();
    /* The operation that began last and ended first comes in the middle; a map, unmapped while still under way. */
    put(A, 1, 20, LINEAR_MAP, word(7), HIPT_OK, 0);
    put(B, 2, 19, LINEAR_UNMAP, 0, HIPT_OK, word(7));
    put(C, 5, 6, LINEAR_MAP, word(8), HIPT_EXISTS, 0);
    put(C, 7, 8, LINEAR_LOOKUP, 0, HIPT_ABSENT, 0);
    put(C, 9, 10, LINEAR_MAP, word(8), HIPT_OK, 0);
    ACCEPTED();
    stop();
}

/* Equal times order nothing: the clock is coarser than the machine. */
Test(linear, equal_times_overlap)
{
    start();
    put(A, 5, 5, LINEAR_MAP, word(7), HIPT_OK, 0);
    put(B, 5, 5, LINEAR_LOOKUP, 0, HIPT_ABSENT, 0);
    put(C, 5, 5, LINEAR_LOOKUP, 0, HIPT_OK, word(7));
    ACCEPTED();
    stop();
}

Test(linear, another_try_fits_every_state)
{
    start();
    put(A, 1, 2, LINEAR_MAP, word(7), HIPT_BUSY, 0);
    put(A, 3, 4, LINEAR_LOOKUP, 0, HIPT_ABSENT, 0);
    put(A, 5, 6, LINEAR_MAP, word(7), HIPT_NOMEM, 0);
    put(A, 7, 8, LINEAR_MAP, word(7), HIPT_FULL, 0);
    put(A, 9, 10, LINEAR_MARK, word(7), HIPT_CHANGED, 0);
    cr_assert_eq(history.thread[A].dropped, 4);
    ACCEPTED();
    stop();
}

/* --- wrong */

Test(linear, refuses_an_empty_history)
{
    start();
    cr_assert_eq(verdict(), LINEAR_EMPTY);
    put(A, 1, 2, LINEAR_MAP, word(7), HIPT_BUSY, 0); /* says nothing */
    cr_assert_eq(verdict(), LINEAR_EMPTY);
    stop();
}

Test(linear, refuses_times_out_of_order)
{
    start();
    put(A, 2, 1, LINEAR_LOOKUP, 0, HIPT_ABSENT, 0);
    cr_assert_eq(verdict(), LINEAR_MALFORMED);
    put(A, 1, 4, LINEAR_LOOKUP, 0, HIPT_ABSENT, 0);
    put(A, 3, 5, LINEAR_LOOKUP, 0, HIPT_ABSENT, 0);
    cr_assert_eq(verdict(), LINEAR_MALFORMED);
    stop();
}

Test(linear, refuses_a_double_map)
{
    start();
    put(A, 1, 5, LINEAR_MAP, word(7), HIPT_OK, 0);
    put(B, 2, 6, LINEAR_MAP, word(8), HIPT_OK, 0);
    REFUSED();
    stop();
}

Test(linear, refuses_a_lost_update)
{
    start();
    put(A, 1, 2, LINEAR_MAP, word(7), HIPT_OK, 0);
    put(A, 3, 8, LINEAR_REMAP, word(8), HIPT_OK, word(7));
    put(B, 4, 7, LINEAR_REMAP, word(9), HIPT_OK, word(7)); /* both replaced the same one */
    REFUSED();
    put(A, 1, 2, LINEAR_MAP, word(7), HIPT_OK, 0);
    put(A, 3, 4, LINEAR_PROTECT, HIPT_WRITE, HIPT_OK, 0);
    put(A, 5, 6, LINEAR_UNMAP, 0, HIPT_OK, word(7)); /* with the old protection */
    REFUSED();
    stop();
}

Test(linear, refuses_a_lost_mark)
{
    struct linear_op mark = {.begin = 3, .end = 4, .verb = LINEAR_MARK, .marks = HIPT_DIRTY};

    start();
    put(A, 1, 2, LINEAR_MAP, word(7), HIPT_OK, 0);
    mark.argument = word(7);
    mark.result = word_like(7, HIPT_READ, 0, HIPT_DIRTY);
    cr_assert(linear_record(&history, B, mark));
    put(A, 5, 6, LINEAR_UNMAP, 0, HIPT_OK, word(7));
    REFUSED();
    /* A mark that says it hit a mapping that is gone (T3). */
    put(A, 1, 2, LINEAR_MAP, word(7), HIPT_OK, 0);
    put(A, 2, 3, LINEAR_REMAP, word(8), HIPT_OK, word(7));
    mark.begin = 4;
    mark.end = 5;
    cr_assert(linear_record(&history, B, mark));
    REFUSED();
    stop();
}

Test(linear, refuses_a_stale_read)
{
    start();
    put(A, 1, 2, LINEAR_MAP, word(7), HIPT_OK, 0);
    put(A, 3, 4, LINEAR_UNMAP, 0, HIPT_OK, word(7));
    put(B, 5, 6, LINEAR_LOOKUP, 0, HIPT_OK, word(7));
    REFUSED();
    put(A, 1, 2, LINEAR_MAP, word(7), HIPT_OK, 0);
    put(B, 3, 4, LINEAR_LOOKUP, 0, HIPT_ABSENT, 0);
    REFUSED();
    stop();
}

/* Two lookups, one after the other, both beside one remap: the second may not see what the first saw replaced. */
Test(linear, refuses_new_then_old)
{
    start();
    put(A, 1, 2, LINEAR_MAP, word(7), HIPT_OK, 0);
    put(A, 3, 20, LINEAR_REMAP, word(8), HIPT_OK, word(7));
    put(B, 4, 5, LINEAR_LOOKUP, 0, HIPT_OK, word(8));
    put(C, 6, 7, LINEAR_LOOKUP, 0, HIPT_OK, word(7));
    REFUSED();
    stop();
}

Test(linear, refuses_a_mixture)
{
    start();
    put(A, 1, 2, LINEAR_MAP, word_like(7, HIPT_READ, 1, 0), HIPT_OK, 0);
    put(A, 3, 8, LINEAR_REMAP, word_like(8, HIPT_WRITE, 2, 0), HIPT_OK, word_like(7, HIPT_READ, 1, 0));
    put(B, 4, 5, LINEAR_LOOKUP, 0, HIPT_OK, word_like(8, HIPT_READ, 1, 0));
    REFUSED();
    stop();
}

Test(linear, refuses_another_page)
{
    struct hipt_mapping other = {{2, 0, 0}, 7, HIPT_READ, 0, 0, false};

    start();
    put(A, 1, 2, LINEAR_MAP, word(7), HIPT_OK, 0);
    put(A, 3, 4, LINEAR_LOOKUP, 0, HIPT_OK, linear_word(&shape, &other, 1, 0));
    REFUSED();
    stop();
}

Test(linear, refuses_reordering)
{
    start();
    put(A, 1, 2, LINEAR_UNMAP, 0, HIPT_OK, word(7));
    put(B, 3, 4, LINEAR_MAP, word(7), HIPT_OK, 0);
    REFUSED();
    put(A, 1, 2, LINEAR_MAP, word(7), HIPT_EXISTS, 0);
    put(B, 3, 4, LINEAR_MAP, word(7), HIPT_OK, 0);
    REFUSED();
    stop();
}

Test(linear, starts_with_the_given_state)
{
    start();
    history.start[1] = word(7);
    put(A, 1, 2, LINEAR_LOOKUP, 0, HIPT_ABSENT, 0);
    ACCEPTED();
    put(A, 1, 2, LINEAR_LOOKUP, 0, HIPT_OK, word(7)); /* of group 0, which starts empty */
    REFUSED();
    history.start[0] = word(7);
    put(A, 1, 2, LINEAR_LOOKUP, 0, HIPT_OK, word(7));
    ACCEPTED();
    stop();
}

/* --- several sizes: places 0 to 3 are base pages, 4 and 5 pages of two, 6 the page of four */

static void put_at(unsigned thread, uint64_t begin, enum linear_verb verb, uint32_t size, uint64_t vpn,
                   enum hipt_status outcome, uint64_t word_of_it)
{
    struct linear_op op = {.begin = begin, .end = begin + 1u, .argument = word_of_it, .result = word_of_it};

    op.verb = (uint8_t)verb;
    op.outcome = (uint8_t)outcome;
    op.place = (uint8_t)linear_place(&shape, size, vpn);
    cr_assert(linear_record(&history, thread, op));
}

Test(linear, sizes_overlap)
{
    start_sizes(3);
    cr_assert_eq(shape.nplaces, 7);
    put_at(A, 1, LINEAR_MAP, 1, 2, HIPT_OK, word_at(1, 2, 8));
    put_at(A, 3, LINEAR_MAP, 0, 3, HIPT_OVERLAP, word_at(0, 3, 1));
    put_at(A, 5, LINEAR_MAP, 2, 0, HIPT_OVERLAP, word_at(2, 0, 4));
    put_at(A, 7, LINEAR_MAP, 0, 1, HIPT_OK, word_at(0, 1, 1));
    put_at(A, 9, LINEAR_LOOKUP, 0, 3, HIPT_OK, word_at(1, 2, 8));
    put_at(A, 11, LINEAR_LOOKUP, 0, 0, HIPT_ABSENT, 0);
    ACCEPTED();
    put_at(A, 1, LINEAR_MAP, 1, 2, HIPT_OK, word_at(1, 2, 8));
    put_at(A, 3, LINEAR_MAP, 0, 3, HIPT_OK, word_at(0, 3, 1)); /* two live translations of one page */
    REFUSED();
    put_at(A, 1, LINEAR_MAP, 0, 3, HIPT_OVERLAP, word_at(0, 3, 1)); /* with what? */
    REFUSED();
    put_at(A, 1, LINEAR_MAP, 2, 0, HIPT_OK, word_at(2, 0, 4));
    put_at(A, 3, LINEAR_LOOKUP, 0, 3, HIPT_ABSENT, 0);
    REFUSED();
    stop();
}

/* --- reverse walks */

static void walk(uint64_t begin, uint64_t end, uint64_t pfn, uint64_t reported)
{
    struct linear_walk w = {begin, end, pfn, reported, false};

    cr_assert(linear_record_walk(&history, C, w));
}

Test(linear, walks_omit_nothing)
{
    start();
    put(A, 1, 2, LINEAR_MAP, word(7), HIPT_OK, 0);
    put(A, 9, 12, LINEAR_UNMAP, 0, HIPT_OK, word(7));
    walk(3, 5, 7, 1);
    walk(3, 10, 7, 0); /* unmapped meanwhile */
    walk(3, 5, 8, 0);
    walk(1, 5, 7, 0); /* mapped meanwhile */
    ACCEPTED();
    put(A, 1, 2, LINEAR_MAP, word(7), HIPT_OK, 0);
    put(A, 9, 12, LINEAR_UNMAP, 0, HIPT_OK, word(7));
    walk(3, 5, 7, 0);
    REFUSED();
    cr_assert(report.is_walk);
    history.start[1] = word(7);
    put(A, 1, 2, LINEAR_LOOKUP, 0, HIPT_ABSENT, 0);
    walk(3, 5, 7, 0);
    REFUSED();
    stop();
}

Test(linear, walks_invent_nothing)
{
    start();
    put(A, 1, 2, LINEAR_MAP, word(7), HIPT_OK, 0);
    put(A, 3, 6, LINEAR_REMAP, word(8), HIPT_OK, word(7));
    walk(5, 9, 7, 1);
    walk(5, 9, 8, 1);
    walk(7, 9, 7, 0);
    ACCEPTED();
    put(A, 1, 2, LINEAR_MAP, word(7), HIPT_OK, 0);
    put(A, 3, 6, LINEAR_REMAP, word(8), HIPT_OK, word(7));
    walk(7, 9, 7, 1); /* gone */
    REFUSED();
    put(A, 3, 6, LINEAR_MAP, word(7), HIPT_OK, 0);
    walk(1, 2, 7, 1); /* not there yet */
    REFUSED();
    put(A, 1, 2, LINEAR_MAP, word(7), HIPT_OK, 0);
    walk(3, 4, 7, 3); /* group 1 as well */
    REFUSED();
    stop();
}

/* --- against a search through all permutations */

enum { SMALL = 6, ROUNDS = 60000 };

/* One page, verbs without marks: what the table says of @op in state @word; written without the checker's code. */
static bool says(const struct linear_op *op, uint64_t *state)
{
    uint64_t old = *state;

    if (op->verb == LINEAR_MAP) {
        *state = old ? old : op->argument;
        return op->outcome == (old ? HIPT_EXISTS : HIPT_OK);
    }
    if (!old || op->outcome != HIPT_OK) {
        return !old && op->outcome == HIPT_ABSENT;
    }
    if (op->verb == LINEAR_UNMAP) {
        *state = 0;
    } else if (op->verb == LINEAR_REMAP) {
        *state = op->argument;
    }
    return op->result == old;
}

static bool some_order(const struct linear_op *ops, unsigned left, uint64_t state)
{
    unsigned i;
    unsigned j;

    for (i = 0; i < SMALL; i++) {
        uint64_t after = state;
        bool is_first = left >> i & 1u;

        for (j = 0; j < SMALL; j++) {
            is_first = is_first && !((left >> j & 1u) && j != i && ops[j].end < ops[i].begin);
        }
        if (is_first && says(&ops[i], &after) && some_order(ops, left & ~(1u << i), after)) {
            return true;
        }
    }
    return left == 0;
}

/* Random answers are seldom right; so most are taken from a run in the order of the beginnings, then a few are bent. */
static void small_history(struct linear_op *ops, uint64_t *random)
{
    static const enum linear_verb verbs[] = {LINEAR_LOOKUP, LINEAR_MAP, LINEAR_UNMAP, LINEAR_REMAP};
    uint64_t clock[3] = {0};
    uint64_t state = 0;
    unsigned i;

    for (i = 0; i < SMALL; i++) {
        unsigned thread = i % 3u;

        memset(&ops[i], 0, sizeof(ops[i]));
        ops[i].verb = (uint8_t)verbs[test_random(random) >> 32 & 3u];
        ops[i].argument = word(1u + (test_random(random) >> 32) % 2u);
        ops[i].begin = clock[thread] + 1u + (test_random(random) >> 32) % 3u;
        ops[i].end = ops[i].begin + (test_random(random) >> 32) % 8u;
        clock[thread] = ops[i].end;
    }
    for (i = 0; i < SMALL; i++) {
        bool is_map = ops[i].verb == LINEAR_MAP;

        ops[i].outcome = (uint8_t)((state != 0) == is_map ? (is_map ? HIPT_EXISTS : HIPT_ABSENT) : HIPT_OK);
        ops[i].result = is_map ? 0 : state;
        if ((test_random(random) >> 32) % 6u == 0) {
            ops[i].result = is_map || !state ? 0 : word(1u + (test_random(random) >> 32) % 2u);
        }
        (void)says(&ops[i], &state);
    }
}

Test(linear, agrees_with_all_permutations)
{
    uint64_t random = 0x5eed;
    unsigned right = 0;
    unsigned round;

    start();
    for (round = 0; round < ROUNDS; round++) {
        struct linear_op ops[SMALL];
        bool expected;
        unsigned i;

        small_history(ops, &random);
        expected = some_order(ops, (1u << SMALL) - 1u, 0);
        for (i = 0; i < SMALL; i++) {
            cr_assert(linear_record(&history, i % 3u, ops[i]));
        }
        cr_assert_eq(verdict(), expected ? LINEAR_YES : LINEAR_NO, "round %u", round);
        right += expected;
    }
    cr_assert_gt(right, ROUNDS / 10);
    cr_assert_lt(right, ROUNDS - ROUNDS / 10);
    stop();
}
