/* SPDX-License-Identifier: MIT */
/*
 * A lookup or a reverse walk begins when a split, punch or collapse has come to one of its steps, and that goes on to
 * another of its steps, or to its end, when the reader has come to one of its own: for all three.
 */
#include <criterion/criterion.h>

#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>

#include <hipt/huge.h>

#include "support/rig.h"
#include "support/step.h"

enum {
    VPN = 8,
    PFN = 32,
    MEDIUM = 2, /* base pages of a page of class 1 */
    LARGE = 4,  /* and of class 2 */
    TO_THE_END = -1
};

static struct rig rig;
static uint32_t asid;

static struct hipt_page page(uint32_t size, uint64_t vpn)
{
    return (struct hipt_page){.asid = asid, .size = size, .vpn = vpn};
}

static void map(uint32_t size, uint64_t vpn, uint64_t pfn)
{
    struct hipt_mapping m = rig_mapping(asid, size, vpn, pfn);

    TEST_HOLDS(hipt_map(rig.table, &m) == HIPT_OK);
}

static void unmap(uint32_t size, uint64_t vpn)
{
    struct hipt_page at = page(size, vpn);

    TEST_HOLDS(hipt_unmap(rig.table, &at, NULL) == HIPT_OK);
}

/* Of class 0 over the large page. */
static void map_parts(void)
{
    uint64_t k;

    for (k = 0; k < LARGE; k++) {
        map(0, VPN + k, PFN + k);
    }
}

static void map_large(void)
{
    map(2, VPN, PFN);
}

/* The last frame is in limbo: no page can be put in that begins there. */
static void spoil(void)
{
    map(0, 0, PFN + LARGE - 1);
    unmap(0, 0);
}

static void map_large_spoilt(void)
{
    map_large();
    spoil();
}

static void map_parts_unlike(void)
{
    struct hipt_page last = page(0, VPN + LARGE - 1);

    map_parts();
    TEST_HOLDS(hipt_protect(rig.table, &last, HIPT_READ) == HIPT_OK);
}

static void split(enum hipt_status expected)
{
    struct hipt_page large = page(2, VPN);

    TEST_HOLDS(hipt_split(rig.table, &large, 0) == expected);
}

static void do_split(void)
{
    split(HIPT_OK);
}

static void do_split_fails(void)
{
    split(HIPT_BUSY);
}

static void do_punch(void)
{
    struct hipt_page large = page(2, VPN);
    struct hipt_page hole = page(0, VPN + 2);

    TEST_HOLDS(hipt_punch(rig.table, &large, &hole, 1, NULL) == HIPT_OK);
}

static void collapse(uint32_t from, uint32_t to, enum hipt_status expected)
{
    struct hipt_page large = page(to, VPN);

    TEST_HOLDS(hipt_collapse(rig.table, &large, from) == expected);
}

static void do_collapse(void)
{
    collapse(0, 2, HIPT_OK);
}

static void do_collapse_fails(void)
{
    collapse(0, 2, HIPT_UNLIKE);
}

/* From class 0 to 1, half by half, and on to 2. */
static void do_climb(void)
{
    struct hipt_page half = page(1, VPN + MEDIUM);

    TEST_HOLDS(hipt_collapse(rig.table, &half, 0) == HIPT_OK);
    collapse(0, 1, HIPT_OK);
    collapse(1, 2, HIPT_OK);
}

static void do_there_and_back(void)
{
    collapse(0, 2, HIPT_OK);
    split(HIPT_OK);
}

/* Small pages are hidden behind the large one for a while, and never shown. */
static void do_hide(void)
{
    map_large();
    split(HIPT_BUSY);
    unmap(2, VPN);
}

static const struct {
    void (*before)(void);
    void (*verb)(void);
    unsigned sizes; /* that the page may have, a bit each */
    bool may_be_absent;
} cases[] = {
    {map_large, do_split, 5, false},           {map_large_spoilt, do_split_fails, 4, false},
    {map_large, do_punch, 5, false},           {map_parts, do_collapse, 5, false},
    {map_parts_unlike, do_collapse_fails, 1, false}, {map_parts, do_climb, 7, false},
    {map_parts, do_there_and_back, 5, false},  {spoil, do_hide, 4, true},
};

/* --- the two threads */

static struct {
    sem_t go;
    sem_t stopped; /* or done */
    size_t which;
    bool is_over;
    bool is_done;
    int first;     /* steps until the first stop */
    int second;    /* from there to the second */
} verb;

static void stop_again(void)
{
    sem_post(&verb.stopped);
    sem_wait(&verb.go);
}

static void stop_first(void)
{
    sem_post(&verb.stopped);
    sem_wait(&verb.go);
    if (verb.second != TO_THE_END) {
        step_interrupt(NULL, NULL, (unsigned)verb.second, stop_again);
    }
}

static void verb_thread(void)
{
    for (;;) {
        sem_wait(&verb.go);
        if (verb.is_over) {
            return;
        }
        step_interrupt(NULL, NULL, (unsigned)verb.first, stop_first);
        cases[verb.which].verb();
        (void)step_interrupted();
        verb.is_done = true;
        sem_post(&verb.stopped);
    }
}

/* Let the verb go on until it stops again or is done. */
static void verb_goes_on(void)
{
    if (!verb.is_done) {
        sem_post(&verb.go);
        sem_wait(&verb.stopped);
    }
}

static void cr_size(uint32_t size)
{
    TEST_HOLDS((cases[verb.which].sizes >> size) & 1u);
}

static void read_lookup(uint64_t k)
{
    struct hipt_translation t;
    enum hipt_status status = hipt_lookup(rig.table, asid, VPN + k, &t);

    TEST_HOLDS(status == HIPT_OK || cases[verb.which].may_be_absent);
    if (status == HIPT_OK) {
        TEST_HOLDS(t.mapping.pfn + (VPN + k - t.mapping.page.vpn) == PFN + k);
        cr_size(t.mapping.page.size);
    }
}

static void read_reverse(uint64_t k)
{
    struct hipt_mapping owner[4];
    size_t count;

    (void)hipt_reverse(rig.table, (struct hipt_frame){.pfn = PFN + k}, owner, 4, &count);
    TEST_HOLDS(count == 1u || (count == 0 && cases[verb.which].may_be_absent));
    if (count == 1u) {
        TEST_HOLDS(owner[0].pfn + (VPN + k - owner[0].page.vpn) == PFN + k);
        cr_size(owner[0].page.size);
    }
}

/* Only counted: it may be in both forms, but never in none. */
static void read_count(uint64_t k)
{
    size_t count;

    (void)hipt_reverse(rig.table, (struct hipt_frame){.pfn = PFN + k}, NULL, 0, &count);
    TEST_HOLDS(count == 1u || count == 2u || (count == 0 && cases[verb.which].may_be_absent));
}

static void start(void)
{
    rig_init(&rig);
    rig.config.buckets = 8;
    rig.config.page_shift[1] = 13;
    rig.config.page_shift[2] = 14;
    rig.config.va_bits = 20;
    rig.ranges[0].count = 64;
    TEST_HOLDS(rig_create(&rig));
    asid = rig_asid(&rig).number;
    map(0, 4, 1); /* all sizes are in use */
    map(1, 6, 2);
    map(2, 16, 4);
    cases[verb.which].before();
}

/* => whether the verb has come to its first stop; *is_met: and the reader to its own. */
static bool run(void (*reader)(uint64_t), uint64_t k, unsigned step, bool *is_met)
{
    bool has_stopped;

    start();
    verb.is_done = false;
    sem_post(&verb.go);
    sem_wait(&verb.stopped);
    has_stopped = !verb.is_done;
    step_interrupt(NULL, NULL, step, verb_goes_on);
    reader(k);
    *is_met = step_interrupted();
    while (!verb.is_done) {
        verb_goes_on();
    }
    reader(k);
    rig_destroy(&rig);
    return has_stopped;
}

/* All steps of the reader, for all first stops that are a multiple of @stride. => how many runs there were. */
static unsigned run_all(void (*reader)(uint64_t), uint64_t k, int stride, int second)
{
    unsigned runs = 0;
    bool has_stopped = true;

    verb.second = second;
    for (verb.first = 0; has_stopped; verb.first += stride) {
        bool is_met = true;
        unsigned step;

        for (step = 0; is_met; step++, runs++) {
            has_stopped = run(reader, k, step, &is_met);
        }
    }
    return runs;
}

static void test_thread(void *ctx, unsigned index)
{
    int second;

    if (index > 0) {
        verb_thread();
        return;
    }
    *(unsigned *)ctx += run_all(read_lookup, 1, 2, TO_THE_END);
    *(unsigned *)ctx += run_all(read_reverse, 1, 2, TO_THE_END);
    *(unsigned *)ctx += run_all(read_reverse, 0, 5, TO_THE_END);
    *(unsigned *)ctx += run_all(read_count, 1, 5, TO_THE_END);
    for (second = 0; second < 300; second += 17) {
        *(unsigned *)ctx += run_all(read_lookup, 1, 23, second);
        *(unsigned *)ctx += run_all(read_reverse, 0, 23, second);
    }
    verb.is_over = true;
    sem_post(&verb.go);
}

static void test_case(size_t which)
{
    unsigned runs = 0;

    sem_init(&verb.go, 0, 0);
    sem_init(&verb.stopped, 0, 0);
    verb.which = which;
    test_threads(2, test_thread, &runs);
    cr_expect_gt(runs, 1000);
}

Test(split_midst, split, .timeout = 120)
{
    test_case(0);
}

Test(split_midst, split_that_fails, .timeout = 120)
{
    test_case(1);
}

Test(split_midst, punch, .timeout = 120)
{
    test_case(2);
}

Test(split_midst, collapse, .timeout = 120)
{
    test_case(3);
}

Test(split_midst, collapse_that_fails, .timeout = 120)
{
    test_case(4);
}

Test(split_midst, over_three_sizes, .timeout = 120)
{
    test_case(5);
}

Test(split_midst, there_and_back, .timeout = 120)
{
    test_case(6);
}

Test(split_midst, hidden_and_never_shown, .timeout = 120)
{
    test_case(7);
}
