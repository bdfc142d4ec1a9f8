/* SPDX-License-Identifier: MIT */
/*
 * Batches beside single verbs: two tables with one secret, of which one gets a batch and the other the same calls one
 * by one. Every status, every output and what is left are the same. Then what only a batch has: how many it says, what
 * it asks of CPUs, and how long it holds a read side.
 */
#include <criterion/criterion.h>

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "map/gather.h"
#include "map/table.h"
#include "support/cpus.h"
#include "support/rig.h"

enum { ROOM = 100 };

static struct rig rig;    /* gets batches */
static struct rig single; /* gets single verbs */
static struct rig_picture picture;
static uint32_t asid;
static uint64_t seed;

static struct hipt_mapping mappings[ROOM];
static struct hipt_page pages[ROOM];
static struct hipt_mapping out[ROOM];
static enum hipt_status status[ROOM];

static void start_one(struct rig *one)
{
    rig_init(one);
    cr_assert(rig_create(one));
    asid = rig_asid(one).number;
}

static void start(void)
{
    start_one(&rig);
    start_one(&single);
    seed = 7;
}

static void stop(void)
{
    rig_destroy(&rig);
    rig_destroy(&single);
}

static bool same_state(void)
{
    rig_look(&single, &picture);
    return rig_unchanged(&rig, &picture);
}

/* --- bad input */

/* A mapping that is wrong in one number, between good ones. */
Test(batch, bad_mappings_hinder_nobody)
{
    static const struct {
        struct hipt_mapping m;
        enum hipt_status status;
    } cases[] = {
        {{.page = {.asid = 16}, .prot = 1}, HIPT_BAD_ASID},
        {{.page = {.asid = UINT32_MAX}, .prot = 1}, HIPT_BAD_ASID},
        {{.page = {.asid = 9}, .prot = 1}, HIPT_BAD_ASID}, /* not allocated */
        {{.page = {.size = 3}, .prot = 1}, HIPT_BAD_SIZE},
        {{.page = {.vpn = RIG_VPNS}, .prot = 1}, HIPT_BAD_VPN},
        {{.page = {.vpn = UINT64_MAX}, .prot = 1}, HIPT_BAD_VPN},
        {{.page = {.size = 1, .vpn = 8}, .prot = 1}, HIPT_UNALIGNED},
        {{.page = {.size = 2}, .pfn = 16, .prot = 1}, HIPT_UNALIGNED},
        {{.pfn = RIG_FRAMES, .prot = 1}, HIPT_BAD_PFN},
        {{.pfn = RIG_SWAP, .prot = 1, .swap = true}, HIPT_BAD_PFN},
        {{.prot = 0}, HIPT_BAD_PROT},
        {{.prot = 0x11}, HIPT_BAD_PROT},
        {{.prot = 1, .attr = 8}, HIPT_BAD_ATTR},
        {{.prot = 1, .marks = 4}, HIPT_BAD_ATTR},
        {{.page = {.vpn = 7}, .pfn = 7, .prot = 1}, HIPT_EXISTS},
        {{.page = {.size = 1, .vpn = 0}, .pfn = 0, .prot = 1}, HIPT_OVERLAP},
        {{.page = {.vpn = 99}, .pfn = 4000, .prot = 1}, HIPT_BUSY}, /* in limbo */
    };
    size_t ncases = sizeof(cases) / sizeof(cases[0]);
    struct hipt_page was;
    size_t i;

    start_one(&rig);
    mappings[0] = rig_mapping(asid, 0, 99, 4000);
    cr_assert_eq(hipt_map(rig.table, &mappings[0]), HIPT_OK);
    was = mappings[0].page;
    cr_assert_eq(hipt_unmap(rig.table, &was, NULL), HIPT_OK);
    mappings[0] = rig_mapping(asid, 0, 7, 7);
    cr_assert_eq(hipt_map(rig.table, &mappings[0]), HIPT_OK);
    for (i = 0; i < ncases; i++) {
        mappings[2u * i] = rig_mapping(asid, 0, 100u + i, 100u + i);
        mappings[2u * i + 1u] = cases[i].m;
        if (mappings[2u * i + 1u].page.asid == 0) {
            mappings[2u * i + 1u].page.asid = asid;
        }
    }
    cr_assert_gt(2u * ncases, 32u, "also beyond what is looked at first");
    cr_assert_eq(hipt_map_batch(rig.table, mappings, 2u * ncases, status), ncases);
    for (i = 0; i < ncases; i++) {
        struct hipt_translation found;

        cr_expect_eq(status[2u * i], HIPT_OK, "case %zu", i);
        cr_expect_eq(status[2u * i + 1u], cases[i].status, "case %zu: %d", i, (int)status[2u * i + 1u]);
        cr_assert_eq(hipt_lookup(rig.table, asid, 100u + i, &found), HIPT_OK);
        cr_assert(rig_same(&found.mapping, &mappings[2u * i]));
    }
    rig_look(&rig, &picture);
    cr_assert_eq(picture.count, ncases + 1u);
    for (i = 0; i < ncases; i++) {
        mappings[i] = mappings[2u * i + 1u];
    }
    cr_assert_eq(hipt_map_batch(rig.table, mappings, ncases, status), 0);
    cr_assert(rig_unchanged(&rig, &picture));
    rig_destroy(&rig);
}

/* The same for pages; and of those that are not unmapped nothing is written. */
Test(batch, bad_pages_hinder_nobody)
{
    static const struct {
        struct hipt_page page;
        enum hipt_status status;
    } cases[] = {{{.asid = 16}, HIPT_BAD_ASID},        {{.asid = UINT32_MAX}, HIPT_BAD_ASID},
                 {{.asid = 9}, HIPT_ABSENT},           {{.size = 3}, HIPT_BAD_SIZE},
                 {{.size = UINT32_MAX}, HIPT_BAD_SIZE}, {{.vpn = RIG_VPNS}, HIPT_BAD_VPN},
                 {{.vpn = UINT64_MAX}, HIPT_BAD_VPN},  {{.size = 1, .vpn = 8}, HIPT_UNALIGNED},
                 {{.size = 2, .vpn = 16}, HIPT_UNALIGNED}, {{.vpn = 5}, HIPT_ABSENT},
                 {{.size = 1}, HIPT_ABSENT},           {{.vpn = 100}, HIPT_ABSENT}};
    size_t ncases = sizeof(cases) / sizeof(cases[0]);
    struct hipt_mapping untouched;
    uint64_t done;
    size_t i;

    start_one(&rig);
    mappings[0] = rig_mapping(asid, 0, 100, 0);
    cr_assert_eq(hipt_map_range(rig.table, &mappings[0], 40, &done), HIPT_OK);
    memset(out, 0x5a, sizeof(out));
    memset(&untouched, 0x5a, sizeof(untouched));
    for (i = 0; i < 40u; i++) { /* the cases stand after every third page, the last of them is of the first page */
        pages[i] = (struct hipt_page){.asid = asid, .vpn = 100u + i};
        if (i % 3u == 2u && i / 3u < ncases) {
            pages[i] = cases[i / 3u].page;
            pages[i].asid = pages[i].asid ? pages[i].asid : asid;
        }
    }
    cr_assert_eq(hipt_unmap_batch(rig.table, pages, 40, out, status), 40u - ncases);
    for (i = 0; i < 40u; i++) {
        if (i % 3u == 2u && i / 3u < ncases) {
            cr_expect_eq(status[i], cases[i / 3u].status, "case %zu: %d", i / 3u, (int)status[i]);
            cr_assert_eq(memcmp(&out[i], &untouched, sizeof(untouched)), 0, "case %zu", i / 3u);
        } else {
            struct hipt_mapping was = rig_mapping(asid, 0, 100u + i, i);

            cr_assert_eq(status[i], HIPT_OK, "page %zu", i);
            cr_assert(rig_same(&out[i], &was), "page %zu", i);
        }
    }
    rig_look(&rig, &picture);
    cr_assert_eq(picture.count, ncases, "those that were not named");
    for (i = 0; i < ncases; i++) {
        pages[i] = pages[3u * i + 2u];
    }
    cr_assert_eq(hipt_unmap_batch(rig.table, pages, ncases, NULL, status), 0);
    cr_assert(rig_unchanged(&rig, &picture));
    rig_destroy(&rig);
}

/* Nothing asked, nothing done. */
Test(batch, of_none)
{
    start_one(&rig);
    rig_look(&rig, &picture);
    cr_assert_eq(hipt_map_batch(rig.table, NULL, 0, NULL), 0);
    cr_assert_eq(hipt_unmap_batch(rig.table, NULL, 0, NULL, NULL), 0);
    cr_assert(rig_unchanged(&rig, &picture));
    rig_destroy(&rig);
}

/* --- beside single verbs */

static uint64_t below(uint64_t bound)
{
    return test_random(&seed) % bound;
}

/* Pages of all sizes that overlap, and frames that are shared; one in forty wrong. */
static struct hipt_mapping any_mapping(void)
{
    uint32_t size = (uint32_t)(below(8) < 6u ? 0 : 1u + below(2));
    uint64_t step = size == 0 ? 1u : size == 1u ? RIG_MEDIUM : RIG_LARGE;
    struct hipt_mapping m = rig_mapping((uint32_t)below(4), size, 0, 0);

    m.page.vpn = below(size == 2u ? 3u : 40u) * step + (size == 0 ? below(2) * RIG_LARGE : 0);
    m.pfn = below(RIG_FRAMES / step) * step;
    m.prot = (uint8_t)(1u + below(7));
    m.attr = (uint8_t)below(8);
    m.marks = (uint8_t)below(4);
    m.swap = size == 0 && below(4) == 0;
    m.pfn %= m.swap ? RIG_SWAP : RIG_FRAMES;
    if (below(40) == 0) {
        m.page.size = 7;
    } else if (below(40) == 0) {
        m.pfn = RIG_FRAMES;
    }
    return m;
}

static void batches_are_single_verbs(size_t most)
{
    size_t count = below(most + 1u);
    size_t done = 0;
    size_t i;

    memset(status, 0x7f, sizeof(status));
    memset(out, 0x5a, sizeof(out));
    if (below(2) == 0) {
        for (i = 0; i < count; i++) {
            mappings[i] = any_mapping();
        }
        done = hipt_map_batch(rig.table, mappings, count, status);
        for (i = 0; i < count; i++) {
            enum hipt_status expected = hipt_map(single.table, &mappings[i]);

            cr_assert_eq(status[i], expected, "entry %zu of %zu: %d, not %d", i, count, (int)status[i], (int)expected);
            done -= expected == HIPT_OK;
        }
    } else {
        bool asked = below(4) != 0;

        for (i = 0; i < count; i++) {
            pages[i] = any_mapping().page;
        }
        done = hipt_unmap_batch(rig.table, pages, count, asked ? out : NULL, status);
        for (i = 0; i < count; i++) {
            struct hipt_mapping was;
            enum hipt_status expected = hipt_unmap(single.table, &pages[i], &was);

            cr_assert_eq(status[i], expected, "entry %zu of %zu: %d, not %d", i, count, (int)status[i], (int)expected);
            cr_assert(!asked || expected != HIPT_OK || rig_same(&out[i], &was), "entry %zu of %zu", i, count);
            done -= expected == HIPT_OK;
        }
    }
    cr_assert_eq(done, 0, "as many as it said");
    cr_assert((int)status[count] == 0x7f7f7f7f || count == ROOM, "not a word more");
}

/* T1, T3, F1, F2: random batches of 0 to 99 entries, of several sizes, spaces and frames, with grace periods. */
Test(batch, T1_T3_F1_F2_random_batches_are_single_verbs)
{
    static const size_t most[] = {1, 5, 31, 32, 33, ROOM - 1};
    unsigned turn;
    unsigned i;

    start();
    for (i = 0; i < 2u; i++) { /* the fourth number is never allocated */
        (void)rig_asid(&rig);
        (void)rig_asid(&single);
    }
    for (turn = 0; turn < 1200u; turn++) {
        batches_are_single_verbs(most[below(6)]);
        if (below(3) == 0) {
            struct hipt_frame frames[2][16];
            size_t reaped = hipt_frame_reap(rig.table, frames[0], 16);

            cr_assert_eq(hipt_frame_reap(single.table, frames[1], 16), reaped);
            rig_pass(&rig);
            rig_pass(&single);
        }
        if (turn % 40u == 0) {
            rig_check(&rig);
            cr_assert(same_state(), "turn %u", turn);
        }
    }
    stop();
}

/* T1: one page several times in a batch is mapped once and unmapped once, by the first entry. */
Test(batch, T1_the_same_page_again)
{
    size_t i;

    start_one(&rig);
    for (i = 0; i < 70u; i++) {
        mappings[i] = rig_mapping(asid, 0, i % 35u, i);
        pages[i] = mappings[i].page;
    }
    cr_assert_eq(hipt_map_batch(rig.table, mappings, 70, status), 35u);
    for (i = 0; i < 70u; i++) {
        cr_assert_eq(status[i], i < 35u ? HIPT_OK : HIPT_EXISTS);
    }
    for (i = 0; i < 70u; i++) { /* twice in one read side */
        pages[i].vpn = i / 2u;
    }
    cr_assert_eq(hipt_unmap_batch(rig.table, pages, 70, out, status), 35u);
    for (i = 0; i < 70u; i++) {
        cr_assert_eq(status[i], i % 2u == 0 ? HIPT_OK : HIPT_ABSENT);
        cr_assert(i % 2u == 1u || out[i].pfn == i / 2u);
    }
    rig_destroy(&rig);
}

/* T1, S2: pages in the hands of others are left, the others are not. */
Test(batch, T4_S2_pages_in_the_hands_of_others)
{
    static const struct hipti_freezing freezing = {0, false};
    struct hipti_taken taken[2];
    hipti_slot held;
    uint64_t pte;
    uint64_t done;
    size_t i;

    start_one(&rig);
    mappings[0] = rig_mapping(asid, 0, 0, 0);
    cr_assert_eq(hipt_map_range(rig.table, &mappings[0], 5, &done), HIPT_OK);
    for (i = 0; i < 5u; i++) {
        pages[i] = (struct hipt_page){.asid = asid, .vpn = i};
    }
    hipt_read_enter(rig.table);
    cr_assert_eq(hipti_hold(rig.table, &pages[1], &held, &pte), HIPT_OK);
    cr_assert_eq(hipti_freeze_page(rig.table, &pages[3], freezing, &taken[0]), HIPT_OK);
    hipt_read_exit(rig.table);
    cr_assert_eq(hipt_unmap_batch(rig.table, pages, 5, NULL, status), 3u);
    cr_assert(status[1] == HIPT_BUSY && status[3] == HIPT_ABSENT);
    cr_assert_eq(hipti_pte_state(hipti_slot_load(&rig.table->buckets, taken[0].slot)), HIPTI_ENDED, "S2");
    hipt_read_enter(rig.table);
    hipti_destroy(rig.table, taken[0], HIPTI_UNLINK_END);
    hipti_slot_publish(&rig.table->buckets, held, pte);
    hipt_read_exit(rig.table);
    rig_look(&rig, &picture);
    cr_assert(picture.count == 1u && picture.mapping[0].page.vpn == 1u);
    rig_destroy(&rig);
}

/* --- ranges: the same pages as single verbs, around the bounds of a turn */

Test(batch, T1_F1_ranges_are_single_verbs)
{
    static const uint64_t lengths[] = {0, 1, 2, 31, 32, 33, 63, 64, 65, 100};
    size_t i;

    start();
    for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        uint64_t vpn = 1000u * i;
        struct hipt_mapping m = rig_mapping(asid, 0, vpn, 400u * i);
        struct hipt_page page = m.page;
        uint64_t done = 7;
        uint64_t n;

        cr_assert_eq(hipt_map_range(rig.table, &m, lengths[i], &done), HIPT_OK);
        cr_assert_eq(done, lengths[i]);
        for (n = 0; n < lengths[i]; n++) {
            m = rig_mapping(asid, 0, vpn + n, 400u * i + n);
            cr_assert_eq(hipt_map(single.table, &m), HIPT_OK);
        }
        cr_assert(same_state());
        cr_assert_eq(hipt_protect_range(rig.table, &page, lengths[i], HIPT_EXEC, &done), HIPT_OK);
        cr_assert_eq(done, lengths[i]);
        for (n = 0; n < lengths[i]; n++, page.vpn++) {
            cr_assert_eq(hipt_protect(single.table, &page, HIPT_EXEC), HIPT_OK);
        }
        cr_assert(same_state());
        page.vpn = vpn + 1u; /* the first stays */
        n = lengths[i] > 0 ? lengths[i] - 1u : 0;
        cr_assert_eq(hipt_unmap_range(rig.table, &page, n, &done), HIPT_OK);
        cr_assert_eq(done, n);
        for (; n > 0; n--, page.vpn++) {
            cr_assert_eq(hipt_unmap(single.table, &page, NULL), HIPT_OK);
        }
        cr_assert(same_state());
    }
    stop();
}

/* --- a read side */

/* Grace periods end as soon as they can: what waits for one gets it, since no read side is held for long. */
static void start_narrow(uint64_t buckets)
{
    rig_init(&rig);
    rig.config.buckets = buckets;
    rig.config.sequence_bits = 2;
    cr_assert(rig_create(&rig));
    test_host_free_run(&rig.host);
    asid = rig_asid(&rig).number;
}

/* Pages of which no bucket overflows: that would need two grace periods for one map. */
static void fill_evenly(size_t count)
{
    unsigned used[8] = {0};
    uint64_t vpn = 0;
    size_t i;

    for (i = 0; i < count; vpn++) {
        struct hipt_page page = {.asid = asid, .vpn = vpn};

        if (used[hipti_page_place(rig.table, &page).bucket]++ < HIPT_SLOTS) {
            mappings[i] = rig_mapping(asid, 0, vpn, i);
            i++;
        }
    }
}

/* => how many of 32 maps find the gate closed, one by one inside one read side. */
static size_t busy_inside(void)
{
    size_t busy = 0;
    size_t i;

    start_narrow(8);
    fill_evenly(32);
    hipt_read_enter(rig.table);
    for (i = 0; i < 32u; i++) {
        busy += hipt_map(rig.table, &mappings[i]) == HIPT_BUSY;
    }
    hipt_read_exit(rig.table);
    rig_destroy(&rig);
    return busy;
}

Test(batch, an_entry_that_waits_for_a_grace_period_is_tried_again_outside)
{
    uint64_t done;

    cr_assert_gt(busy_inside(), 4u);
    start_narrow(8);
    fill_evenly(32);
    cr_assert_eq(hipt_map_batch(rig.table, mappings, 32, status), 32u);
    rig_destroy(&rig);
    start_narrow(1);
    mappings[0] = rig_mapping(asid, 0, 0, 0);
    cr_assert_eq(hipt_map_range(rig.table, &mappings[0], HIPT_SLOTS, &done), HIPT_OK);
    cr_assert_eq(done, HIPT_SLOTS);
    rig_destroy(&rig);
}

/* By hand they do not end: every entry gets an answer all the same, and a range stops. */
Test(batch, an_entry_that_waits_in_vain_is_busy)
{
    uint64_t done;
    size_t mapped;
    size_t i;

    start_narrow(4);
    atomic_store(&rig.host.by_hand, true);
    for (i = 0; i < 60u; i++) {
        mappings[i] = rig_mapping(asid, 0, i, i);
    }
    mapped = hipt_map_batch(rig.table, mappings, 60, status);
    cr_assert(mapped > 0 && mapped < 30u, "%zu", mapped);
    for (i = 0; i < 60u; i++) {
        cr_assert(status[i] == HIPT_OK || status[i] == HIPT_BUSY);
        mapped -= status[i] == HIPT_OK;
    }
    cr_assert_eq(mapped, 0);
    mappings[0] = rig_mapping(asid, 0, 100, 100);
    cr_assert_eq(hipt_map_range(rig.table, &mappings[0], 60, &done), HIPT_BUSY);
    rig_destroy(&rig);
}

static void (*enter)(void *ctx);
static unsigned enters;

static void counted_enter(void *ctx)
{
    enters++;
    enter(ctx);
}

static void cr_expect_enters(unsigned expected, const char *what)
{
    cr_expect_eq(enters, expected, "%s: %u", what, enters);
    enters = 0;
}

/* One read side for 32 pages, no more: many of them hold up no grace period, and few do not pay for one each. */
Test(batch, R1_one_read_side_for_each_32)
{
    struct hipt_mapping m;
    uint64_t done;
    size_t i;

    rig_init(&rig);
    enter = rig.host.ops.read_enter;
    rig.host.ops.read_enter = counted_enter;
    cr_assert(rig_create(&rig));
    asid = rig_asid(&rig).number;
    m = rig_mapping(asid, 0, 0, 0);
    enters = 0;
    cr_assert_eq(hipt_map_range(rig.table, &m, 70, &done), HIPT_OK);
    cr_expect_enters(3, "map_range");
    cr_assert_eq(hipt_protect_range(rig.table, &m.page, 70, HIPT_READ, &done), HIPT_OK);
    cr_expect_enters(3, "protect_range");
    cr_assert_eq(hipt_unmap_range(rig.table, &m.page, 70, &done), HIPT_OK);
    cr_expect_enters(3, "unmap_range");
    for (i = 0; i < 70u; i++) {
        mappings[i] = rig_mapping(asid, 0, i, 100u + i);
        pages[i] = mappings[i].page;
    }
    cr_assert_eq(hipt_map_batch(rig.table, mappings, 70, status), 70u);
    cr_expect_enters(3, "map_batch");
    cr_assert_eq(hipt_unmap_batch(rig.table, pages, 70, NULL, status), 70u);
    cr_expect_enters(3, "unmap_batch");
    rig_destroy(&rig);
}

/* --- CPUs */

static void serve_all(void)
{
    cpus_serve(3);
}

static uint32_t spaces[2];

static void start_cpus(void)
{
    unsigned i;

    cpus_init(&rig);
    cr_assert(rig_create(&rig));
    spaces[0] = rig_asid(&rig).number;
    spaces[1] = rig_asid(&rig).number;
    asid = spaces[0];
    for (i = 0; i < 2u; i++) {
        cpus_attach(&rig, i, 8);
        hipt_cpu_enter(&cpus.cpu[i].cpu);
        (void)cpus_use(i, spaces[i]);
    }
    cpus.turn = serve_all;
}

static void stop_cpus(void)
{
    cpus_detach_all();
    rig_destroy(&rig);
}

/* Map entries 0 to @count - 1, @step apart from page @vpn on, to frames from @pfn on. */
static void map_some(size_t count, uint64_t vpn, uint64_t step, uint64_t pfn)
{
    size_t i;

    for (i = 0; i < count; i++) {
        mappings[i] = rig_mapping(asid, 0, vpn + i * step, pfn + i);
        pages[i] = mappings[i].page;
    }
    cr_assert_eq(hipt_map_batch(rig.table, mappings, count, status), count);
}

/* S1: 70 pages here and there: three rounds, of 32, 32 and 6; each CPU is told before the frames go. */
Test(batch, S1_one_round_for_each_32)
{
    start_cpus();
    map_some(70, 0, 10, 0);
    cr_assert_eq(hipt_unmap_batch(rig.table, pages, 70, NULL, status), 70u);
    cr_assert_eq(cpus_rounds(&rig), 3u);
    cr_assert_eq(cpus.kicked, 1u, "the other CPU does not use that asid");
    cr_assert_eq(cpus.kicks, 3u);
    cr_assert_eq(cpus.cpu[0].count, 3u, "each time the whole asid: it does not keep that many ranges in mind");
    cr_assert_eq(hipt_unmap_batch(rig.table, pages, 70, NULL, status), 0);
    cr_assert_eq(cpus_rounds(&rig), 3u, "nobody is asked for nothing");
    stop_cpus();
}

/* S1: neighbours are one range; it ends where the size, the asid or the order changes. */
Test(batch, S1_neighbours_are_one_range)
{
    size_t i;

    start_cpus();
    for (i = 0; i < 20u; i++) {
        mappings[i] = rig_mapping(asid, 0, 40u + i, i);
        pages[i] = mappings[i].page;
    }
    mappings[20] = rig_mapping(asid, 1, 64, 64);
    mappings[21] = rig_mapping(asid, 1, 80, 80);
    pages[20] = mappings[20].page;
    pages[21] = mappings[21].page;
    cr_assert_eq(hipt_map_batch(rig.table, mappings, 22, status), 22u);
    cr_assert_eq(hipt_unmap_batch(rig.table, pages, 20, NULL, status), 20u);
    cr_assert(cpus_told(0, cpus_use(0, asid), 40, 20));
    cr_assert_eq(hipt_unmap_batch(rig.table, &pages[20], 2, NULL, status), 2u);
    cr_assert(cpus_told(0, cpus_use(0, asid), 64, 2u * RIG_MEDIUM));
    cr_assert_eq(cpus_rounds(&rig), 2u);
    for (i = 0; i < 4u; i++) { /* a hole in the middle, which another number is in */
        mappings[i] = rig_mapping(asid, 0, 200u + i + (i > 1u ? 1u : 0), 100u + i);
        pages[i] = mappings[i].page;
    }
    cr_assert_eq(hipt_map_batch(rig.table, mappings, 4, status), 4u);
    cr_assert_eq(hipt_unmap_batch(rig.table, pages, 4, NULL, status), 4u);
    cr_assert_eq(cpus_rounds(&rig), 3u);
    cr_assert_eq(cpus.cpu[0].count, 2u);
    cr_assert(cpus.cpu[0].log[0].vpn == 200u && cpus.cpu[0].log[0].npages == 2u);
    cr_assert(cpus.cpu[0].log[1].vpn == 203u && cpus.cpu[0].log[1].npages == 2u);
    stop_cpus();
}

/* S1: a small page where a large one ends, and the vpn behind it in another asid, are other ranges. */
Test(batch, S1_other_sizes_and_spaces_are_other_ranges)
{
    start_cpus();
    mappings[0] = rig_mapping(spaces[0], 1, 16, 16);
    mappings[1] = rig_mapping(spaces[0], 0, 32, 1);
    mappings[2] = rig_mapping(spaces[1], 0, 33, 2);
    mappings[3] = rig_mapping(spaces[1], 0, 34, 3);
    mappings[4] = rig_mapping(spaces[0], 0, 35, 4);
    pages[0] = mappings[0].page;
    pages[1] = mappings[1].page;
    pages[2] = mappings[2].page;
    pages[3] = mappings[3].page;
    pages[4] = mappings[4].page;
    cr_assert_eq(hipt_map_batch(rig.table, mappings, 5, status), 5u);
    cr_assert_eq(hipt_unmap_batch(rig.table, pages, 5, NULL, status), 5u);
    cr_assert_eq(cpus_rounds(&rig), 3u, "one for each run of one asid");
    cr_assert_eq(cpus.cpu[0].count, 3u);
    cr_assert(cpus.cpu[0].log[0].vpn == 16u && cpus.cpu[0].log[0].npages == RIG_MEDIUM);
    cr_assert(cpus.cpu[0].log[1].vpn == 32u && cpus.cpu[0].log[1].npages == 1u);
    cr_assert(cpus.cpu[0].log[2].vpn == 35u && cpus.cpu[0].log[2].npages == 1u);
    cr_assert_eq(cpus.cpu[1].count, 1u);
    cr_assert(cpus.cpu[1].log[0].vpn == 33u && cpus.cpu[1].log[0].npages == 2u);
    stop_cpus();
}

/* S1, F1: while the CPUs have not answered, no page translates and every frame is accounted to its page. */
static void look_and_serve(void)
{
    size_t i;

    for (i = 0; i < 20u; i++) {
        struct hipt_frame_status frame;
        struct hipt_translation found;

        TEST_HOLDS(hipt_lookup(rig.table, asid, 10u * i, &found) == HIPT_ABSENT);
        TEST_HOLDS(hipt_frame_get(rig.table, (struct hipt_frame){.pfn = i}, &frame) == HIPT_OK);
        TEST_HOLDS(frame.state == HIPT_FRAME_MAPPED && frame.mappings == 1u);
    }
    TEST_HOLDS(rig.host.reader[0].depth == 0);
    serve_all();
}

Test(batch, S1_F1_R1_frames_go_after_the_cpus_have_answered)
{
    struct hipt_frame_status frame;
    size_t i;

    start_cpus();
    map_some(20, 0, 10, 0);
    cpus.turn = look_and_serve;
    cr_assert_eq(hipt_unmap_batch(rig.table, pages, 20, NULL, status), 20u);
    cr_assert_eq(cpus.turns, 1u);
    for (i = 0; i < 20u; i++) {
        cr_assert_eq(hipt_frame_get(rig.table, (struct hipt_frame){.pfn = i}, &frame), HIPT_OK);
        cr_assert_eq(frame.state, HIPT_FRAME_LIMBO);
    }
    stop_cpus();
}

/* Who may not wait unmaps nothing; bad input is said first, as by the single verb. */
Test(batch, S1_who_cannot_wait)
{
    size_t i;

    start_cpus();
    map_some(4, 0, 1, 0);
    rig_look(&rig, &picture);
    cpus.cannot_wait = true;
    pages[2].vpn = RIG_VPNS;
    cr_assert_eq(hipt_unmap_batch(rig.table, pages, 4, NULL, status), 0);
    for (i = 0; i < 4u; i++) {
        cr_assert_eq(status[i], i == 2u ? HIPT_BAD_VPN : HIPT_CANNOT_WAIT);
        cr_assert_eq(status[i], hipt_unmap(rig.table, &pages[i], NULL));
    }
    cr_assert(rig_unchanged(&rig, &picture));
    cpus.cannot_wait = false;
    stop_cpus();
}

/* S2: a page that another thread is unmapping is absent, and when the batch says so no CPU has it. */
Test(batch, S2_a_page_that_another_thread_unmaps)
{
    static const struct hipti_freezing freezing = {0, false};
    struct hipti_taken taken;

    start_cpus();
    map_some(3, 0, 10, 0);
    hipt_read_enter(rig.table);
    cr_assert_eq(hipti_freeze_page(rig.table, &pages[1], freezing, &taken), HIPT_OK);
    hipt_read_exit(rig.table);
    cr_assert_eq(hipt_unmap_batch(rig.table, &pages[1], 1, NULL, status), 0);
    cr_assert_eq(status[0], HIPT_ABSENT);
    cr_assert(cpus_told(0, cpus_use(0, asid), 10, 1));
    cr_assert_eq(hipt_unmap_batch(rig.table, pages, 3, NULL, status), 2u);
    cr_assert_eq(status[1], HIPT_ABSENT);
    hipt_read_enter(rig.table);
    hipti_destroy(rig.table, taken, HIPTI_UNLINK_END);
    hipt_read_exit(rig.table);
    stop_cpus();
}

/* --- scarcity */

/* Memory that is short for one entry is not for the next, and an entry that got none has changed nothing. */
Test(batch, F2_no_memory_for_some)
{
    size_t i;

    start();
    for (i = 0; i < 40u; i++) {
        mappings[i] = rig_mapping(asid, 0, i, i < 20u ? i : i - 20u); /* the second half shares frames */
    }
    test_host_fail_two(&rig.host, 1, 3); /* the page list of the first, and a later one */
    (void)hipt_map_batch(rig.table, mappings, 40, status);
    cr_assert_eq(status[0], HIPT_NOMEM);
    cr_assert_eq(status[1], HIPT_OK);
    rig_check(&rig);
    test_host_fail(&rig.host, 0, 0);
    for (i = 0; i < 40u; i++) {
        if (status[i] == HIPT_OK) {
            cr_assert_eq(hipt_map(single.table, &mappings[i]), HIPT_OK);
        } else {
            cr_assert_eq(status[i], HIPT_NOMEM, "entry %zu", i);
        }
    }
    cr_assert(same_state());
    stop();
}

/* T1: a chain at its bound refuses what comes, and takes it again when a batch has made room. */
Test(batch, T1_a_full_chain)
{
    size_t bound = HIPT_CHAIN_LINES_MAX * HIPT_SLOTS;
    size_t i;

    rig_init(&rig);
    rig.config.buckets = 1;
    cr_assert(rig_create(&rig));
    asid = rig_asid(&rig).number;
    for (i = 0; i < bound + 10u; i++) {
        mappings[i] = rig_mapping(asid, 0, i, i);
        pages[i] = mappings[i].page;
    }
    cr_assert_eq(hipt_map_batch(rig.table, mappings, bound + 10u, status), bound);
    for (i = 0; i < bound + 10u; i++) {
        cr_assert_eq(status[i], i < bound ? HIPT_OK : HIPT_FULL);
    }
    cr_assert_eq(hipt_unmap_batch(rig.table, pages, 10, NULL, status), 10u);
    cr_assert_eq(hipt_map_batch(rig.table, &mappings[bound], 10, status), 10u);
    rig_destroy(&rig);
}

/* A hint may be out of date: a number that names no cell fetches nothing. */
Test(batch, no_address_of_no_cell)
{
    rig_init(&rig);
    cr_assert(rig_create(&rig));
    cr_assert_null(hipti_asid_cell_address(&rig.table->asids, UINT32_MAX));
    rig_destroy(&rig);
}
