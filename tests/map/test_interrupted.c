/* SPDX-License-Identifier: MIT */
/*
 * Every verb interrupted before each of its accesses to shared state by every other one, which runs there from
 * beginning to end. What both return and what is left must be what one of the two orders gives; or one of them answers
 * HIPT_BUSY or HIPT_CHANGED, and all is as if it had not been called.
 */
#include <criterion/criterion.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <hipt/asid.h>
#include <hipt/frame.h>
#include <hipt/map.h>
#include <hipt/table.h>

#include "support/host.h"
#include "support/step.h"

enum {
    FRAMES = 48,
    SWAP = 4,
    ASIDS = 4,
    MEDIUM = 16, /* base pages of a page of the larger size */
    PAGES = 16,  /* that a picture has room for */
    RIPE = 9     /* a frame that is ready to be reaped */
};

/* What a call has said. */
struct answer {
    enum hipt_status status;
    uint64_t said; /* what it gave out, in some form */
};

struct picture {
    struct hipt_mapping mapping[PAGES]; /* in the order of .said below, unused ones zero */
    struct hipt_frame_status frame[FRAMES + SWAP];
};

struct outcome {
    struct answer first;
    struct answer second;
    struct picture left;
};

static struct test_host host;
static struct hipt_table *table;
static struct hipt_asid space[2];
static unsigned issued; /* asids that no retirement gives back */

/* --- the table before a run */

static void map_page(uint32_t asid, uint64_t vpn, uint64_t pfn)
{
    struct hipt_mapping m = {.page = {.asid = asid, .vpn = vpn}, .pfn = pfn, .prot = HIPT_READ};

    TEST_HOLDS(hipt_map(table, &m) == HIPT_OK);
}

/*
 * One bucket of two lines. Space 0: page 0 alone on its frame, 1 and 2 on one frame, 3 in the overflow line, 5 dirty;
 * space 1: page 0 on the frame of page 0.
 */
static void start(unsigned nsizes, unsigned version_bits)
{
    static const uint64_t secret[4] = {1, 2, 3, 4};
    static const struct hipt_range ranges[] = {{.first = 0, .count = FRAMES, .swap = false},
                                               {.first = 0, .count = SWAP, .swap = true}};
    struct hipt_frame ripe = {.pfn = RIPE};
    struct hipt_translation translation;
    struct hipt_config config;

    issued = 0;
    test_host_init(&host);
    hipt_config_init(&config);
    config.ops = &host.ops;
    config.buckets = 1;
    config.asid_bits = 2;
    config.va_bits = 20;
    config.nsizes = nsizes;
    config.page_shift[1] = 16;
    config.version_bits = version_bits;
    config.ranges = ranges;
    config.nranges = 2;
    config.secret = secret;
    TEST_HOLDS(hipt_table_create(&config, &table) == HIPT_OK);
    TEST_HOLDS(hipt_asid_alloc(table, &space[0]) == HIPT_OK && hipt_asid_alloc(table, &space[1]) == HIPT_OK);
    TEST_HOLDS(hipt_frame_pin(table, ripe) == HIPT_OK && hipt_frame_unpin(table, ripe) == HIPT_OK);
    TEST_HOLDS(hipt_frame_reap(table, &ripe, 1) == 0);
    test_host_tick(&host);
    TEST_HOLDS(hipt_frame_pin(table, (struct hipt_frame){.pfn = 6}) == HIPT_OK);
    map_page(space[0].number, 0, 0);
    map_page(space[0].number, 1, 1);
    map_page(space[0].number, 2, 1);
    map_page(space[1].number, 0, 0);
    map_page(space[0].number, 3, 3);
    map_page(space[0].number, 5, 5);
    hipt_read_enter(table);
    TEST_HOLDS(hipt_lookup(table, space[0].number, 5, &translation) == HIPT_OK);
    TEST_HOLDS(hipt_mark(table, &translation, HIPT_DIRTY) == HIPT_OK);
    hipt_read_exit(table);
}

static uint64_t mapping_said(const struct hipt_mapping *m)
{
    return m->pfn | (uint64_t)m->prot << 8 | (uint64_t)m->marks << 16 | (uint64_t)m->swap << 24 |
           m->page.vpn << 28 | (uint64_t)m->page.size << 48 | (uint64_t)m->page.asid << 56;
}

static void look(struct picture *picture)
{
    struct hipt_cursor cursor = {0};
    struct hipt_mapping m;
    char text[200];
    unsigned count = 0;
    uint64_t i;

    memset(picture, 0, sizeof(*picture));
    if (!hipt_table_is_valid(table, text, sizeof(text))) {
        test_broken(text, __FILE__, __LINE__);
    }
    while (hipt_table_next(table, &cursor, &m) == HIPT_OK) {
        unsigned at = count++;

        TEST_HOLDS(count <= PAGES);
        for (; at > 0 && mapping_said(&picture->mapping[at - 1u]) > mapping_said(&m); at--) {
            picture->mapping[at] = picture->mapping[at - 1u];
        }
        picture->mapping[at] = m;
    }
    for (i = 0; i < FRAMES + SWAP; i++) {
        struct hipt_frame frame = {.pfn = i < FRAMES ? i : i - FRAMES, .swap = i >= FRAMES};

        TEST_HOLDS(hipt_frame_get(table, frame, &picture->frame[i]) == HIPT_OK);
    }
}

static bool same_picture(const struct picture *a, const struct picture *b)
{
    bool same = true;
    unsigned i;

    for (i = 0; i < PAGES; i++) {
        same = same && mapping_said(&a->mapping[i]) == mapping_said(&b->mapping[i]);
    }
    for (i = 0; i < FRAMES + SWAP; i++) {
        same = same && a->frame[i].state == b->frame[i].state && a->frame[i].mappings == b->frame[i].mappings &&
               a->frame[i].pins == b->frame[i].pins;
    }
    return same;
}

/* Everything ends as it should: no page, cell, line or frame has been lost. */
static void stop(void)
{
    struct hipt_frame frame;
    struct hipt_asid asid;
    struct picture left;
    unsigned turn;
    unsigned i;

    (void)hipt_asid_retire(table, space[0], NULL);
    (void)hipt_asid_retire(table, space[1], NULL);
    for (turn = 0; turn < 4u; turn++) {
        while (hipt_frame_reap(table, &frame, 1) == 1u) {
            /* all that is in limbo */
        }
        while (hipt_asid_alloc(table, &asid) == HIPT_OK) {
            issued++;
        }
        test_host_tick(&host);
    }
    look(&left);
    TEST_HOLDS(left.mapping[0].prot == 0);
    for (i = 0; i < FRAMES + SWAP; i++) {
        TEST_HOLDS(left.frame[i].state == (left.frame[i].pins ? HIPT_FRAME_OWNED : HIPT_FRAME_FREE));
    }
    TEST_HOLDS(issued == ASIDS);
    hipt_table_destroy(table);
    TEST_HOLDS(atomic_load(&host.bytes) == 0);
    TEST_HOLDS(atomic_load(&host.waits) == 0);
}

/* --- calls */

static struct hipt_page page(uint32_t size, uint64_t vpn)
{
    struct hipt_page made = {.asid = space[0].number, .size = size, .vpn = vpn};

    return made;
}

static struct answer answer(enum hipt_status status, uint64_t said)
{
    struct answer made = {status, said};

    return made;
}

static struct answer map(uint32_t size, uint64_t vpn, uint64_t pfn)
{
    struct hipt_mapping m = {.page = page(size, vpn), .pfn = pfn, .prot = HIPT_READ};

    return answer(hipt_map(table, &m), 0);
}

static struct answer remap(uint64_t vpn, uint64_t pfn, bool swap)
{
    struct hipt_mapping m = {.page = page(0, vpn), .pfn = pfn, .prot = HIPT_EXEC, .swap = swap};
    struct hipt_mapping was = {.pfn = 0};
    enum hipt_status status = hipt_remap(table, &m, &was);

    return answer(status, status == HIPT_OK ? mapping_said(&was) : 0);
}

static struct answer unmap(uint32_t size, uint64_t vpn)
{
    struct hipt_page at = page(size, vpn);
    struct hipt_mapping was = {.pfn = 0};
    enum hipt_status status = hipt_unmap(table, &at, &was);

    return answer(status, status == HIPT_OK ? mapping_said(&was) : 0);
}

static struct answer lookup(uint64_t vpn)
{
    struct hipt_translation found;
    enum hipt_status status = hipt_lookup(table, space[0].number, vpn, &found);

    return answer(status, status == HIPT_OK ? mapping_said(&found.mapping) : 0);
}

static struct answer change_marks(uint64_t vpn, bool clean)
{
    struct hipt_translation found;
    enum hipt_status status;

    hipt_read_enter(table);
    status = hipt_lookup(table, space[0].number, vpn, &found);
    if (status == HIPT_OK) {
        status = clean ? hipt_clean(table, &found, HIPT_DIRTY) : hipt_mark(table, &found, HIPT_DIRTY);
    }
    hipt_read_exit(table);
    return answer(status, status == HIPT_OK ? mapping_said(&found.mapping) : 0);
}

static struct answer reverse(uint64_t pfn, bool swap)
{
    struct hipt_mapping out[PAGES];
    enum hipt_status status;
    uint64_t said = 0;
    size_t count;
    size_t i;

    status = hipt_reverse(table, (struct hipt_frame){.pfn = pfn, .swap = swap}, out, PAGES, &count);
    for (i = 0; i < count; i++) {
        said += mapping_said(&out[i]);
    }
    return answer(status, said);
}

static struct answer call_map_3(void)
{
    return map(0, 3, 7);
}

static struct answer call_map_4(void)
{
    return map(0, 4, 7);
}

static struct answer call_map_4_shared(void)
{
    return map(0, 4, 1);
}

static struct answer call_map_ripe(void)
{
    return map(0, 4, RIPE);
}

static struct answer call_map_pinned(void)
{
    return map(0, 4, 6);
}

static struct answer call_map_large(void)
{
    return map(1, MEDIUM, MEDIUM);
}

static struct answer call_map_in_large(void)
{
    return map(0, MEDIUM + 3u, 7);
}

static struct answer call_unmap_0(void)
{
    return unmap(0, 0);
}

static struct answer call_unmap_1(void)
{
    return unmap(0, 1);
}

static struct answer call_unmap_2(void)
{
    return unmap(0, 2);
}

static struct answer call_unmap_3(void)
{
    return unmap(0, 3);
}

static struct answer call_unmap_5(void)
{
    return unmap(0, 5);
}

static struct answer call_remap_0(void)
{
    return remap(0, 7, false);
}

static struct answer call_remap_0_shared(void)
{
    return remap(0, 1, false);
}

static struct answer call_remap_0_swap(void)
{
    return remap(0, 0, true); /* the same number, of the other kind */
}

static struct answer call_remap_0_same(void)
{
    return remap(0, 0, false);
}

static struct answer call_remap_1(void)
{
    return remap(1, 7, false);
}

static struct answer call_protect_0(void)
{
    struct hipt_page at = page(0, 0);

    return answer(hipt_protect(table, &at, HIPT_READ | HIPT_WRITE), 0);
}

static struct answer call_lookup_0(void)
{
    return lookup(0);
}

static struct answer call_lookup_3(void)
{
    return lookup(3);
}

static struct answer call_lookup_large(void)
{
    return lookup(MEDIUM + 3u);
}

static struct answer call_mark_0(void)
{
    return change_marks(0, false);
}

static struct answer call_clean_5(void)
{
    return change_marks(5, true);
}

static struct answer call_mark_5(void)
{
    return change_marks(5, false);
}

static struct answer call_reverse_0(void)
{
    return reverse(0, false);
}

static struct answer call_reverse_swap_0(void)
{
    return reverse(0, true);
}

static struct answer call_reverse_1(void)
{
    return reverse(1, false);
}

static struct answer call_pin_0(void)
{
    return answer(hipt_frame_pin(table, (struct hipt_frame){.pfn = 0}), 0);
}

static struct answer call_pin_7(void)
{
    return answer(hipt_frame_pin(table, (struct hipt_frame){.pfn = 7}), 0);
}

static struct answer call_unpin_6(void)
{
    return answer(hipt_frame_unpin(table, (struct hipt_frame){.pfn = 6}), 0);
}

static struct answer call_reap(void)
{
    struct hipt_frame frame = {.pfn = 0};

    return answer(HIPT_OK, hipt_frame_reap(table, &frame, 1) == 1u ? frame.pfn : 0);
}

static struct answer call_walk(void)
{
    struct hipt_cursor cursor = {0};
    struct hipt_mapping m;
    uint64_t said = 0;

    while (hipt_table_next(table, &cursor, &m) == HIPT_OK) {
        said += mapping_said(&m);
    }
    return answer(HIPT_OK, said);
}

/* Two pages in a row, both on their own. */
static struct answer call_unmap_range(void)
{
    struct hipt_page at = page(0, 2);
    uint64_t done;
    enum hipt_status status = hipt_unmap_range(table, &at, 2, &done);

    return answer(status, done);
}

/* The same as a batch, beside a page that is not there. */
static struct answer call_unmap_batch(void)
{
    struct hipt_page pages[3] = {page(0, 2), page(0, 4), page(0, 3)};
    struct hipt_mapping was[3];
    enum hipt_status status[3];
    size_t ended = hipt_unmap_batch(table, pages, 3, was, status);

    return answer(status[0], ended);
}

static struct answer call_retire(void)
{
    return answer(hipt_asid_retire(table, space[0], NULL), 0);
}

static struct answer call_alloc(void)
{
    struct hipt_asid asid = {0, 0};
    enum hipt_status status = hipt_asid_alloc(table, &asid);

    issued += status == HIPT_OK;
    return answer(status, asid.number | (uint64_t)asid.generation << 8);
}

/* A page goes, and its slot to another space. */
static struct answer call_replace_0(void)
{
    struct answer ended = unmap(0, 0);
    struct hipt_mapping m = {.page = {.asid = space[1].number, .vpn = 8}, .pfn = 8, .prot = HIPT_READ};

    return ended.status == HIPT_OK ? answer(hipt_map(table, &m), ended.said) : ended;
}

static const struct call {
    const char *name;
    struct answer (*run)(void);
    enum {
        ANY,
        LARGE,   /* only where there are two page sizes */
        SEVERAL, /* takes several pages one by one: not together with another such one */
        FIRST    /* so, and only as the one that is interrupted: of two pages it may leave one as busy */
    } kind;
} calls[] = {
    {"map 3", call_map_3, ANY},
    {"map 4", call_map_4, ANY},
    {"map 4 shared", call_map_4_shared, ANY},
    {"map 4 to the ripe frame", call_map_ripe, ANY},
    {"map 4 to the pinned frame", call_map_pinned, ANY},
    {"map a large page", call_map_large, LARGE},
    {"map inside the large page", call_map_in_large, LARGE},
    {"unmap 0", call_unmap_0, ANY},
    {"unmap 1", call_unmap_1, ANY},
    {"unmap 2", call_unmap_2, ANY},
    {"unmap 3", call_unmap_3, ANY},
    {"unmap 5", call_unmap_5, ANY},
    {"remap 0", call_remap_0, ANY},
    {"remap 0 shared", call_remap_0_shared, ANY},
    {"remap 0 to swap", call_remap_0_swap, ANY},
    {"remap 0 to where it is", call_remap_0_same, ANY},
    {"remap 1", call_remap_1, ANY},
    {"protect 0", call_protect_0, ANY},
    {"lookup 0", call_lookup_0, ANY},
    {"lookup 3", call_lookup_3, ANY},
    {"lookup in the large page", call_lookup_large, LARGE},
    {"mark 0", call_mark_0, ANY},
    {"clean 5", call_clean_5, ANY},
    {"mark 5", call_mark_5, ANY},
    {"reverse 0", call_reverse_0, ANY},
    {"reverse swap 0", call_reverse_swap_0, ANY},
    {"reverse 1", call_reverse_1, SEVERAL},
    {"pin 0", call_pin_0, ANY},
    {"pin 7", call_pin_7, ANY},
    {"unpin 6", call_unpin_6, ANY},
    {"reap", call_reap, ANY},
    {"walk", call_walk, SEVERAL},
    {"unmap 2 and 3", call_unmap_range, FIRST},
    {"unmap 2, 4 and 3", call_unmap_batch, FIRST},
    {"retire", call_retire, SEVERAL},
    {"alloc", call_alloc, ANY},
};

enum { CALLS = sizeof(calls) / sizeof(calls[0]) };

/* --- runs */

static const struct call *other;
static struct answer said_meanwhile;

static void meanwhile(void)
{
    said_meanwhile = other->run();
}

struct shape {
    unsigned nsizes;
    unsigned version_bits;
};

/* => both answers and what is left where @before, unless NULL, @first, and @second, unless NULL, run in turn. */
static void run_in_turn(struct shape shape, const struct call *before, const struct call *first,
                        const struct call *second, struct outcome *outcome)
{
    memset(outcome, 0, sizeof(*outcome));
    start(shape.nsizes, shape.version_bits);
    if (before) {
        (void)before->run();
    }
    outcome->first = first->run();
    if (second) {
        outcome->second = second->run();
    }
    look(&outcome->left);
    stop();
}

static bool same_answer(struct answer a, struct answer b)
{
    return a.status == b.status && a.said == b.said;
}

static bool gave_way(struct answer a)
{
    return a.status == HIPT_BUSY || a.status == HIPT_CHANGED;
}

/* A retirement is no single step: a map that found the asid active may find its page taken out by it. */
static struct answer empty_space(void)
{
    static const uint64_t vpns[] = {0, 1, 2, 3, 5};
    unsigned i;

    for (i = 0; i < sizeof(vpns) / sizeof(vpns[0]); i++) {
        (void)unmap(0, vpns[i]);
    }
    return answer(HIPT_OK, 0);
}

static const struct call empty = {"empty", empty_space, ANY};

/* What a pair of calls may do: one after the other, or one of them alone. */
struct allowed {
    struct outcome first_second;
    struct outcome second_first;
    struct outcome first_alone;
    struct outcome second_alone;
    struct outcome second_in_part; /* what it has done before the first */
};

static bool in_order(const struct outcome *o, const struct outcome *order)
{
    return same_answer(o->first, order->first) && same_answer(o->second, order->second) &&
           same_picture(&o->left, &order->left);
}

static bool is_allowed(const struct outcome *o, const struct allowed *allowed)
{
    if (in_order(o, &allowed->first_second) || in_order(o, &allowed->second_in_part)) {
        return true;
    }
    if (same_answer(o->first, allowed->second_first.second) && same_answer(o->second, allowed->second_first.first) &&
        same_picture(&o->left, &allowed->second_first.left)) {
        return true;
    }
    if (gave_way(o->first) && same_answer(o->second, allowed->second_alone.first) &&
        same_picture(&o->left, &allowed->second_alone.left)) {
        return true;
    }
    return gave_way(o->second) && same_answer(o->first, allowed->first_alone.first) &&
           same_picture(&o->left, &allowed->first_alone.left);
}

/* => how many accesses @first makes; before each of them @second runs once. */
static unsigned interrupt_at_each(struct shape shape, const struct call *first, const struct call *second)
{
    static struct allowed allowed;
    unsigned step;

    run_in_turn(shape, NULL, first, second, &allowed.first_second);
    run_in_turn(shape, NULL, second, first, &allowed.second_first);
    run_in_turn(shape, NULL, first, NULL, &allowed.first_alone);
    run_in_turn(shape, NULL, second, NULL, &allowed.second_alone);
    run_in_turn(shape, second->run == call_retire ? &empty : NULL, first, second, &allowed.second_in_part);
    for (step = 0;; step++) {
        struct outcome outcome;

        start(shape.nsizes, shape.version_bits);
        other = second;
        step_interrupt(NULL, NULL, step, meanwhile);
        outcome.first = first->run();
        if (!step_interrupted()) {
            stop();
            return step;
        }
        outcome.second = said_meanwhile;
        look(&outcome.left);
        if (!is_allowed(&outcome, &allowed)) {
            fprintf(stderr, "\"%s\" interrupted before its access %u by \"%s\": they say %d (%llx) and %d (%llx)\n",
                    first->name, step, second->name, (int)outcome.first.status,
                    (unsigned long long)outcome.first.said, (int)outcome.second.status,
                    (unsigned long long)outcome.second.said);
            cr_assert_fail("neither order gives that");
        }
        stop();
    }
}

/* => whether one of two orders is what may be expected of two calls. */
static bool fit(struct shape shape, const struct call *first, const struct call *second)
{
    if (shape.nsizes == 1u && (first->kind == LARGE || second->kind == LARGE)) {
        return false;
    }
    return second->kind != FIRST && (first->kind < SEVERAL || second->kind < SEVERAL);
}

static void interrupt_all(struct shape shape)
{
    uint64_t steps = 0;
    unsigned i;
    unsigned j;

    for (i = 0; i < CALLS; i++) {
        for (j = 0; j < CALLS; j++) {
            if (fit(shape, &calls[i], &calls[j])) {
                steps += interrupt_at_each(shape, &calls[i], &calls[j]);
            }
        }
    }
    cr_log_info("%llu interruptions", (unsigned long long)steps);
    cr_assert_gt(steps, 10000);
}

/* T1, T2, T3, F1, S3, A1, R1: with one page size. */
Test(interrupted, one_page_size)
{
    struct shape shape = {1, HIPT_VERSION_BITS_MAX};

    interrupt_all(shape);
}

/* The same with two, where a map is tentative before it is live; and with versions that wrap, so that slots park. */
Test(interrupted, two_page_sizes_narrow_versions)
{
    struct shape shape = {2, 1};

    interrupt_all(shape);
}

/* A1: a slot that a retirement finds in a cell goes to a page of another space before it is looked at: it stays. */
Test(interrupted, A1_a_slot_goes_to_another_space)
{
    static const struct call ends = {"retire", call_retire, ANY};
    static const struct call replaces = {"replace 0", call_replace_0, ANY};
    unsigned nsizes;

    for (nsizes = 1; nsizes <= 2u; nsizes++) {
        struct shape shape = {nsizes, HIPT_VERSION_BITS_MAX};

        cr_assert_gt(interrupt_at_each(shape, &ends, &replaces), 100);
    }
}
