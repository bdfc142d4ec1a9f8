/* SPDX-License-Identifier: MIT */
/*
 * What is under way when a space begins to be moved, or begins while it is: gathers, batches, maps, splits. The table
 * is that of support/nodes.h; the space is announced for another node, and nothing in it is moved but by the verbs.
 */
#include <criterion/criterion.h>

#include <stdbool.h>
#include <stdint.h>

#include <hipt/gather.h>
#include <hipt/hipt.h>
#include <hipt/huge.h>

#include "map/table.h"
#include "support/cpus.h"
#include "support/nodes.h"
#include "support/step.h"

enum { BUCKETS = 64, PAGES = 40, FREE_FRAME = 1000 };

static struct rig rig;
static struct hipt_asid asid;

/* A space on node 0 with @count pages, page n mapped to frame n. */
static void start(uint64_t count)
{
    asid = nodes_start(&rig, BUCKETS, count);
}

static void serve_all(void)
{
    cpus_serve(3);
}

/* The same with CPUs 0 and 1 inside, both of which use the space and answer in the first turn of a wait. */
static void start_with_cpus(uint64_t count)
{
    unsigned i;

    cpus_init(&rig);
    nodes_config(&rig, BUCKETS, HIPT_PREFERRED);
    cr_assert(rig_create(&rig));
    asid = nodes_space(&rig);
    for (i = 0; i < 2u; i++) {
        cpus_attach(&rig, i, 8);
        hipt_cpu_enter(&cpus.cpu[i].cpu);
        (void)cpus_use(i, asid.number);
    }
    cpus.turn = serve_all;
    nodes_map_many(&rig, asid.number, count);
}

static void stop_with_cpus(void)
{
    cpus_detach_all();
    rig_destroy(&rig);
}

static void announce(void)
{
    nodes_announce(&rig, asid.number, 1);
}

static struct hipt_page page_of(uint64_t vpn)
{
    return (struct hipt_page){.asid = asid.number, .size = 0, .vpn = vpn};
}

static enum hipt_status map(uint64_t vpn, uint64_t pfn)
{
    return nodes_map(&rig, asid.number, 0, vpn, pfn);
}

/* => the pfn of a page, or UINT64_MAX. */
static uint64_t pfn_of(uint64_t vpn)
{
    struct hipt_translation found;

    return hipt_lookup(rig.table, asid.number, vpn, &found) == HIPT_OK ? found.mapping.pfn : UINT64_MAX;
}

static unsigned shard_of(uint64_t vpn)
{
    return hipti_shard_number(&rig.table->buckets, nodes_slot(&rig, asid.number, vpn) / HIPT_SLOTS);
}

static uint32_t mappings_of(uint64_t pfn)
{
    struct hipt_frame_status status;

    cr_assert_eq(hipt_frame_get(rig.table, (struct hipt_frame){.pfn = pfn}, &status), HIPT_OK);
    return status.mappings;
}

/* => whether a page is tentative in shard 0. */
static bool is_tentative(uint64_t vpn)
{
    struct hipt_page page = page_of(vpn);
    hipti_slot slot;
    uint64_t pte;

    return hipti_find(&rig.table->buckets, 0, hipti_page_key(rig.table, &page), &slot, &pte, NULL) &&
           hipti_pte_state(pte) == HIPTI_TENTATIVE;
}

/* --- gathers */

static struct hipt_gather gather;

static void gather_begin(void)
{
    cr_assert_eq(hipt_gather_start(&gather, rig.table, asid.number, HIPT_SYNC), HIPT_OK);
}

static void gather_pages(uint64_t vpn, uint64_t npages, uint64_t wanted)
{
    struct hipt_page first = page_of(vpn);
    uint64_t done;

    cr_assert_eq(hipt_gather_add(&gather, &first, npages, &done), HIPT_OK);
    cr_assert_eq(done, wanted);
}

/* It comes to its end, and the space has no gather any more. */
static void gather_end(void)
{
    cr_assert_eq(hipt_gather_finish(&gather), HIPT_OK);
    cr_assert_eq(hipti_load_relaxed(&hipti_space_find(&rig.table->shootdown, asid.number)->gathers), 0);
}

/* A grace period later, @wanted frames come out of limbo. */
static void reap(size_t wanted)
{
    struct hipt_frame frames[4];

    cr_assert_eq(hipt_frame_reap(rig.table, frames, 4), 0);
    rig_pass(&rig);
    cr_assert_eq(hipt_frame_reap(rig.table, frames, 4), wanted);
}

/* Pages 5 to 7 are gone, @frames frames with them; their slots are free, and they can be mapped where they belong. */
static void expect_gathered(const hipti_slot *slot, size_t frames)
{
    unsigned i;

    for (i = 0; i < 3u; i++) {
        cr_assert_eq(pfn_of(5u + i), UINT64_MAX);
        cr_assert_eq(mappings_of(5u + i), 0);
        cr_assert(hipti_pte_is_free(hipti_slot_load(&rig.table->buckets, slot[i])), "page %u", 5u + i);
    }
    reap(frames);
    for (i = 0; i < 3u; i++) {
        cr_assert_eq(map(5u + i, 5u + i), HIPT_OK);
        cr_assert_eq(shard_of(5u + i), 1);
    }
    (void)nodes_migrate(&rig, asid, 1);
    nodes_check(&rig, asid.number, PAGES, 1);
}

/* S2, F1, R1: what a gather has frozen before the space was announced it finds where that was. */
Test(place_races, S2_F1_R1_a_gather_from_the_place_before)
{
    hipti_slot slot[3];
    unsigned i;

    start_with_cpus(PAGES);
    for (i = 0; i < 3u; i++) {
        slot[i] = nodes_slot(&rig, asid.number, 5u + i);
    }
    gather_begin();
    gather_pages(5, 3, 3);
    announce();
    cr_assert_eq(pfn_of(5), UINT64_MAX);
    cr_assert_eq(mappings_of(5), 1, "the CPUs have not answered");
    gather_end();
    expect_gathered(slot, 3);
    stop_with_cpus();
}

/* The same of pages that it has frozen in both places, beside one that is in none. */
Test(place_races, S2_F1_R1_a_gather_from_both_places)
{
    struct hipt_page page;
    hipti_slot slot[3];

    start_with_cpus(PAGES);
    page = page_of(6);
    slot[0] = nodes_slot(&rig, asid.number, 5);
    slot[1] = nodes_slot(&rig, asid.number, 6);
    cr_assert_eq(hipt_unmap_range(rig.table, &page, 2, NULL), HIPT_OK);
    reap(2);
    announce();
    cr_assert_eq(map(7, 7), HIPT_OK);
    slot[2] = nodes_slot(&rig, asid.number, 7);
    cr_assert(shard_of(5) == 0 && shard_of(7) == 1);
    gather_begin();
    gather_pages(5, 3, 2);
    cr_assert(mappings_of(5) == 1 && mappings_of(7) == 1);
    gather_end();
    expect_gathered(slot, 2);
    stop_with_cpus();
}

/* S2, T1, F1: a map helps what is frozen in the place before out of its way; the gather takes that, not what came. */
Test(place_races, S2_T1_F1_a_map_of_what_is_frozen_in_the_place_before)
{
    hipti_slot slot;

    start_with_cpus(PAGES);
    slot = nodes_slot(&rig, asid.number, 5);
    gather_begin();
    gather_pages(5, 1, 1);
    announce();
    cr_assert_eq(map(5, FREE_FRAME), HIPT_OK);
    cr_assert_gt(cpus.turns, 0, "the CPUs have been asked");
    cr_assert_eq(hipti_pte_state(hipti_slot_load(&rig.table->buckets, slot)), HIPTI_ENDED);
    cr_assert_eq(mappings_of(5), 1, "it is the gather's still");
    gather_end();
    cr_assert_eq(mappings_of(5), 0);
    cr_assert(hipti_pte_is_free(hipti_slot_load(&rig.table->buckets, slot)));
    cr_assert_eq(pfn_of(5), FREE_FRAME);
    cr_assert_eq(shard_of(5), 1);
    (void)nodes_migrate(&rig, asid, 1);
    cr_assert_eq(pfn_of(5), FREE_FRAME);
    stop_with_cpus();
}

/* S2, F2: who cannot wait for the CPUs is refused, until the gather has come to its end. */
Test(place_races, S2_F2_a_map_that_cannot_wait)
{
    hipti_slot slot;
    uint64_t before;

    start_with_cpus(PAGES);
    slot = nodes_slot(&rig, asid.number, 5);
    gather_begin();
    gather_pages(5, 1, 1);
    announce();
    before = hipti_slot_load(&rig.table->buckets, slot);
    cpus.cannot_wait = true;
    cr_assert_eq(map(5, FREE_FRAME), HIPT_BUSY);
    cr_assert_eq(cpus.turns, 0);
    cr_assert_eq(hipti_slot_load(&rig.table->buckets, slot), before);
    cr_assert_eq(mappings_of(FREE_FRAME), 0);
    cpus.cannot_wait = false;
    gather_end();
    cpus.cannot_wait = true;
    cr_assert_eq(map(5, FREE_FRAME), HIPT_OK);
    cr_assert_eq(shard_of(5), 1);
    stop_with_cpus();
}

/* --- many at once */

/* T1: batches and ranges find what is in the place before, what is where it belongs, and what is in neither. */
Test(place_races, T1_F1_batches_and_ranges)
{
    enum { BOTH = 2 * PAGES, ALL = BOTH + 20 };
    struct hipt_page pages[ALL];
    struct hipt_translation out[ALL];
    enum hipt_status status[ALL];
    struct hipt_mapping next;
    uint64_t done;
    uint64_t n;

    start(PAGES);
    announce();
    next = rig_mapping(asid.number, 0, PAGES, PAGES);
    cr_assert_eq(hipt_map_range(rig.table, &next, PAGES, &done), HIPT_OK);
    for (n = 0; n < ALL; n++) {
        pages[n] = page_of(n);
    }
    cr_assert_eq(hipt_lookup_batch(rig.table, pages, ALL, out, status), BOTH);
    rig_check_words(&rig, pages, ALL, out, status);
    for (n = 0; n < ALL; n++) {
        cr_assert_eq(status[n], n < BOTH ? HIPT_OK : HIPT_ABSENT, "page %u", (unsigned)n);
        cr_assert(n >= BOTH || (out[n].mapping.pfn == n && shard_of(n) == n / PAGES));
    }
    cr_assert_eq(hipt_protect_range(rig.table, &pages[PAGES / 2], PAGES, HIPT_READ, &done), HIPT_OK);
    cr_assert_eq(done, PAGES);
    cr_assert_eq(hipt_unmap_range(rig.table, &pages[PAGES / 2], ALL - PAGES / 2, &done), HIPT_OK);
    cr_assert_eq(done, BOTH - PAGES / 2);
    (void)nodes_migrate(&rig, asid, 1);
    nodes_check(&rig, asid.number, PAGES / 2, 1);
    rig_destroy(&rig);
}

/* --- maps */

static enum hipt_status beside; /* what the map that came in between answered */
static bool was_tentative;      /* the other one had come as far as that */

/* The space is announced, and another map of page 7 goes to where that belongs. */
static void announce_and_map_7(void)
{
    was_tentative = is_tentative(7);
    announce();
    beside = map(7, 9);
}

/* T1, F1: wherever the space is announced under a map, beside another map of the page, one of the two has it. */
Test(place_races, T1_F1_two_maps_beside_the_announcement)
{
    unsigned overtaken = 0;
    unsigned n = 0;
    bool more;

    do {
        enum hipt_status status;

        start(0);
        was_tentative = false;
        step_interrupt(NULL, NULL, n++, announce_and_map_7);
        status = map(7, 7);
        more = step_interrupted();
        if (!more) {
            announce_and_map_7();
        }
        cr_assert((status == HIPT_OK) != (beside == HIPT_OK), "at access %u", n);
        cr_assert(status == HIPT_EXISTS || beside == HIPT_EXISTS);
        cr_assert_eq(pfn_of(7), status == HIPT_OK ? 7 : 9);
        cr_assert(mappings_of(7) == (status == HIPT_OK) && mappings_of(9) == (beside == HIPT_OK));
        cr_assert(!was_tentative || beside == HIPT_OK, "it is out of the way of who comes later");
        overtaken += was_tentative;
        (void)nodes_migrate(&rig, asid, 1);
        cr_assert_eq(shard_of(7), 1);
        rig_destroy(&rig);
    } while (more);
    cr_assert_gt(overtaken, 1u);
}

static void announce_beside(void)
{
    was_tentative = is_tentative(7);
    announce();
}

/* T1: a map under which the space is announced is a map of it, of a page where that was, or where it belongs. */
Test(place_races, T1_a_map_beside_the_announcement)
{
    unsigned in_shard[2] = {0, 0};
    unsigned put_again = 0;
    unsigned n = 0;
    bool more;

    do {
        start(0);
        was_tentative = false;
        step_interrupt(NULL, NULL, n++, announce_beside);
        cr_assert_eq(map(7, 7), HIPT_OK);
        more = step_interrupted();
        in_shard[shard_of(7)]++;
        put_again += was_tentative && shard_of(7) == 1;
        cr_assert_eq(map(7, 9), HIPT_EXISTS);
        cr_assert_eq(pfn_of(7), 7);
        cr_assert_eq(mappings_of(7), 1);
        rig_destroy(&rig);
    } while (more);
    cr_assert(in_shard[0] > 0 && in_shard[1] > 0);
    cr_assert_gt(put_again, 0);
}

/* --- splits */

static bool with_map;           /* there is a map of a small page as well */
static uint64_t tentative_part; /* the small page that was tentative then; RIG_MEDIUM: none */

static void announce_split(void)
{
    uint64_t n;

    for (n = 0; n < RIG_MEDIUM && !is_tentative(n); n++) {
    }
    tentative_part = n;
    announce();
    if (with_map) {
        enum hipt_status status = map(n % RIG_MEDIUM, FREE_FRAME);

        cr_assert(status == HIPT_OVERLAP || status == HIPT_EXISTS);
    }
}

/* A large page is split, and the space announced, at each access. => how often a small page was put once more. */
static unsigned split_all(void)
{
    unsigned put_again = 0;
    unsigned n = 0;
    bool more;

    do {
        struct hipt_page large;

        start(0);
        cr_assert_eq(nodes_map(&rig, asid.number, 1, 0, 0), HIPT_OK);
        large = (struct hipt_page){asid.number, 1, 0};
        tentative_part = RIG_MEDIUM;
        step_interrupt(NULL, NULL, n++, announce_split);
        cr_assert_eq(hipt_split(rig.table, &large, 0), HIPT_OK, "at access %u", n);
        more = step_interrupted();
        nodes_check(&rig, asid.number, RIG_MEDIUM, SHARDS);
        if (tentative_part < RIG_MEDIUM) {
            cr_assert(!with_map || shard_of(tentative_part) == 1, "it was out of the way");
            put_again += shard_of(tentative_part) == 1;
        }
        (void)nodes_migrate(&rig, asid, 1);
        nodes_check(&rig, asid.number, RIG_MEDIUM, 1);
        cr_assert_eq(mappings_of(FREE_FRAME), 0);
        rig_destroy(&rig);
    } while (more);
    cr_assert_gt(n, 100u);
    return put_again;
}

/* T1, F1: a small page that was put where its space had been is put again where that is. */
Test(place_races, T1_F1_a_split_beside_the_announcement)
{
    with_map = false;
    cr_assert_gt(split_all(), 0);
}

/* The same where a map finds it there, and aborts it. The large page is in that one's way. */
Test(place_races, T1_F1_a_split_and_a_map_beside_the_announcement)
{
    with_map = true;
    cr_assert_gt(split_all(), 0);
}

/* --- moves */

static uint64_t pages_in(unsigned shard, uint64_t count)
{
    uint64_t in = 0;
    uint64_t n;

    for (n = 0; n < count; n++) {
        in += shard_of(n) == shard;
    }
    return in;
}

/* H5, P24, W3: a header that names its slot waits at its gate, and with it the mapping; no claim is left behind. */
Test(place_races, H5_P24_W3_a_move_waits_at_the_gate)
{
    enum { FEW = 6 };
    struct hipt_stats stats;
    uint64_t before = 0;
    unsigned calls;
    uint64_t n;

    start(0);
    rig_destroy(&rig);
    rig.config.sequence_bits = 2; /* each change of a header is a crossing */
    cr_assert(rig_create(&rig));
    asid = nodes_space(&rig);
    for (n = 0; n < FEW; n++) {
        cr_assert_eq(map(n, n), HIPT_OK);
        rig_pass(&rig);
    }
    for (calls = 0; pages_in(1, FEW) < FEW; calls++) {
        cr_assert_eq(hipt_asid_migrate(rig.table, asid, 1), HIPT_PENDING);
        nodes_check(&rig, asid.number, FEW, SHARDS);
        cr_assert_gt(pages_in(1, FEW), before, "one header in a grace period");
        before = pages_in(1, FEW);
        cr_assert_eq(hipt_asid_migrate(rig.table, asid, 1), HIPT_PENDING);
        cr_assert_eq(pages_in(1, FEW), before, "no grace period has passed");
        cr_assert(nodes_word(&rig, asid.number) & HIPTI_WORD_PLANNED);
        rig_pass(&rig);
    }
    cr_assert_gt(calls, 2u);
    (void)nodes_migrate(&rig, asid, 1);
    nodes_check(&rig, asid.number, FEW, 1);
    hipt_table_stats(rig.table, &stats);
    cr_assert_eq(stats.mappings, FEW);
    rig_destroy(&rig);
}
