/* SPDX-License-Identifier: MIT */
/* The verbs where CPUs have translation caches: who is asked, when a verb goes on, and what it leaves if it cannot. */
#include <criterion/criterion.h>

#include <string.h>

#include <hipt/gather.h>
#include <hipt/huge.h>

#include "map/gather.h"
#include "support/cpus.h"
#include "support/step.h"

static struct rig rig;
static struct rig_picture picture;
static uint32_t asid;

static struct hipt_cpu *cpu(unsigned number)
{
    return &cpus.cpu[number].cpu;
}

/* A table with CPUs 0 and 1 inside, both of which use the asid. */
static void start_with(void (*change)(void))
{
    unsigned i;

    cpus_init(&rig);
    if (change) {
        change();
    }
    cr_assert(rig_create(&rig));
    asid = rig_asid(&rig).number;
    for (i = 0; i < 2u; i++) {
        cpus_attach(&rig, i, 8);
        hipt_cpu_enter(cpu(i));
        (void)cpus_use(i, asid);
    }
}

/* One CPU alone, inside, and nothing changed but what @change says. */
static void start_alone(void (*change)(void))
{
    cpus_init(&rig);
    change();
    cr_assert(rig_create(&rig));
    asid = rig_asid(&rig).number;
    cpus_attach(&rig, 0, 8);
    hipt_cpu_enter(cpu(0));
    (void)cpus_use(0, asid);
}

static void start(void)
{
    start_with(NULL);
}

static void stop(void)
{
    cpus_detach_all();
    rig_destroy(&rig);
}

static enum hipt_status map_size(uint32_t size, uint64_t vpn, uint64_t pfn)
{
    struct hipt_mapping m = rig_mapping(asid, size, vpn, pfn);

    return hipt_map(rig.table, &m);
}

static enum hipt_status map(uint64_t vpn, uint64_t pfn)
{
    return map_size(0, vpn, pfn);
}

static void map_many(uint64_t vpn, uint64_t pfn, uint64_t count)
{
    struct hipt_mapping m = rig_mapping(asid, 0, vpn, pfn);
    uint64_t done;

    cr_assert_eq(hipt_map_range(rig.table, &m, count, &done), HIPT_OK);
}

static struct hipt_page page(uint64_t vpn)
{
    return (struct hipt_page){.asid = asid, .vpn = vpn};
}

static enum hipt_status unmap(uint64_t vpn)
{
    struct hipt_page at = page(vpn);

    return hipt_unmap(rig.table, &at, NULL);
}

static enum hipt_status protect(uint64_t vpn, uint8_t prot)
{
    struct hipt_page at = page(vpn);

    return hipt_protect(rig.table, &at, prot);
}

static enum hipt_status remap(uint64_t vpn, uint64_t pfn)
{
    struct hipt_mapping m = rig_mapping(asid, 0, vpn, pfn);

    return hipt_remap(rig.table, &m, NULL);
}

/* => the pfn of a page, or UINT64_MAX. */
static uint64_t pfn_of(uint64_t vpn)
{
    struct hipt_translation t;

    return hipt_lookup(rig.table, asid, vpn, &t) == HIPT_OK ? t.mapping.pfn : UINT64_MAX;
}

static uint32_t mappings_of(uint64_t pfn)
{
    struct hipt_frame_status status;

    cr_assert_eq(hipt_frame_get(rig.table, (struct hipt_frame){.pfn = pfn}, &status), HIPT_OK);
    return status.mappings;
}

/* --- what happens in the turns of a wait */

static uint64_t seen_pfn;
static uint32_t seen_mappings;

/* After two turns the CPUs serve, one a turn. Meanwhile the mapping of page 5 to frame 7 is looked at. */
static void turn(void)
{
    seen_pfn = pfn_of(5);
    seen_mappings = mappings_of(7);
    if (cpus.turns == 3u) {
        cpus_serve(1);
    } else if (cpus.turns > 3u) {
        cpus_serve(2);
    }
}

static void serve_all(void)
{
    cpus_serve(3);
}

/* S1, R1: an unmap waits for all, and the frame stays accounted until they have forgotten. */
Test(gather, S1_unmap_waits)
{
    start();
    cr_assert_eq(map(5, 7), HIPT_OK);
    cpus.turn = turn;
    cr_assert_eq(unmap(5), HIPT_OK);
    cr_assert_eq(cpus.turns, 4u);
    cr_assert_eq(seen_pfn, UINT64_MAX);
    cr_assert_eq(seen_mappings, 1u);
    cr_assert_eq(mappings_of(7), 0);
    cr_assert_eq(cpus.kicked, 3u);
    cr_assert_eq(cpus.kicks, 1u);
    cr_assert_eq(cpus_rounds(&rig), 1u);
    cr_assert(cpus_told(0, cpus_use(0, asid), 5, 1) && cpus_told(1, cpus_use(1, asid), 5, 1));
    stop();
}

static unsigned seen_depth;

static void look_at_read_side(void)
{
    seen_depth += rig.host.reader[0].depth;
    serve_all();
}

/* Nobody's grace period waits for the CPUs of an unmap, of one page or of many, nor of a remap. */
Test(gather, R1_waits_outside_the_read_side)
{
    struct hipt_page at;
    uint64_t done;

    start();
    map_many(5, 7, 4);
    at = page(6);
    cpus.turn = look_at_read_side;
    cr_assert_eq(unmap(5), HIPT_OK);
    cr_assert_eq(hipt_unmap_range(rig.table, &at, 2, &done), HIPT_OK);
    cr_assert_eq(remap(8, 12), HIPT_OK);
    cr_assert_eq(cpus.turns, 3u);
    cr_assert_eq(seen_depth, 0);
    stop();
}

static struct hipt_page five;

static void unmap_five(void)
{
    cr_assert_eq(hipt_unmap(rig.table, &five, NULL), HIPT_OK);
}

static void unmap_range_of_five(void)
{
    cr_assert_eq(hipt_unmap_range(rig.table, &five, 3, NULL), HIPT_OK);
}

static void unmap_batch_of_five(void)
{
    enum hipt_status status;

    cr_assert_eq(hipt_unmap_batch(rig.table, &five, 1, NULL, &status), 1);
}

static void protect_five(void)
{
    cr_assert_eq(protect(5, HIPT_READ), HIPT_OK);
}

static void remap_five(void)
{
    cr_assert_eq(remap(5, 9), HIPT_OK);
}

static void retire_with_five(void)
{
    struct hipt_asid last = {.number = asid, .generation = 1};

    cr_assert_eq(hipt_asid_retire(rig.table, last, NULL), HIPT_OK);
}

static void in_a_read_side(void)
{
    TEST_HOLDS(rig.host.reader[0].depth > 0);
}

/* R1: where CPUs are waited for as well, whatever a verb does with a slot it does inside a read side. */
Test(gather, R1_slots_inside_the_read_side)
{
    static void (*const verbs[])(void) = {unmap_five,   unmap_range_of_five, unmap_batch_of_five,
                                          protect_five, remap_five,          retire_with_five};
    size_t i;

    for (i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        bool is_over = false;
        unsigned steps;

        for (steps = 0; !is_over; steps++) {
            struct hipt_translation t;
            struct hipti_line *line;

            start();
            cpus.turn = serve_all;
            five = page(5);
            cr_assert_eq(map(5, 7), HIPT_OK);
            cr_assert_eq(hipt_lookup(rig.table, asid, 5, &t), HIPT_OK);
            line = hipti_buckets_line(&rig.table->buckets, t.slot / HIPT_SLOTS);
            step_interrupt(NULL, &line->pte[t.slot % HIPT_SLOTS], steps, in_a_read_side);
            verbs[i]();
            is_over = !step_interrupted();
            stop();
        }
        cr_assert_gt(steps, 2u, "verb %zu", i);
    }
}

/* S1, T1: a large page that is frozen is ended by whoever maps what it covered; a collapse finds nothing in its way. */
Test(gather, S1_T1_a_collapse_over_what_is_frozen)
{
    struct hipt_page large = {.asid = 0, .size = 1, .vpn = 0};
    struct hipt_gather gather;
    uint64_t n;

    start();
    large.asid = asid;
    cpus.turn = serve_all;
    cr_assert_eq(map_size(1, 0, 0), HIPT_OK);
    cr_assert_eq(hipt_gather_start(&gather, rig.table, asid, HIPT_DEFERRED), HIPT_OK);
    cr_assert_eq(hipt_gather_add(&gather, &large, 1, NULL), HIPT_OK);
    for (n = 0; n < RIG_MEDIUM; n++) {
        cr_assert_eq(map(n, n), HIPT_OK);
    }
    cr_assert_eq(hipt_collapse(rig.table, &large, 0), HIPT_OK);
    hipt_gather_dispatch(&gather);
    serve_all();
    cr_assert_eq(hipt_gather_finish(&gather), HIPT_OK);
    cr_assert_eq(pfn_of(5), 0, "the large page's");
    cr_assert_eq(mappings_of(5), 0);
    stop();
}

/* The range that is forgotten is that of the page, whatever its size. */
Test(gather, S1_a_large_page)
{
    struct hipt_page at = {.asid = 0, .size = 2, .vpn = RIG_LARGE};

    start();
    at.asid = asid;
    cr_assert_eq(map_size(2, RIG_LARGE, 0), HIPT_OK);
    cpus.turn = serve_all;
    cr_assert_eq(hipt_unmap(rig.table, &at, NULL), HIPT_OK);
    cr_assert(cpus_told(0, cpus_use(0, asid), RIG_LARGE, RIG_LARGE), "one range, not the whole tag");
    at.size = 1;
    cr_assert_eq(map_size(1, RIG_LARGE, 2 * RIG_LARGE), HIPT_OK);
    cpus.cpu[0].count = 0;
    cr_assert_eq(hipt_unmap(rig.table, &at, NULL), HIPT_OK);
    cr_assert(cpus_told(0, cpus_use(0, asid), RIG_LARGE, RIG_MEDIUM));
    stop();
}

/* S1: while a CPU waits for the others it serves itself: two CPUs that shoot at each other both get on. */
Test(gather, S1_own_cpu_is_served)
{
    start();
    hipt_cpu_exit(cpu(1));
    cr_assert_eq(map(5, 7), HIPT_OK);
    cpus.self = cpu(0);
    cr_assert_eq(unmap(5), HIPT_OK);
    cr_assert_eq(cpus.turns, 0);
    cr_assert_eq(cpus.kicks, 0, "it kicks neither itself nor who is outside");
    cr_assert(cpus_told(0, cpus_use(0, asid), 5, 1));
    hipt_cpu_enter(cpu(1));
    cr_assert_eq(map(6, 8), HIPT_OK);
    cpus.turn = serve_all;
    cr_assert_eq(unmap(6), HIPT_OK);
    cr_assert_eq(cpus.kicked, 2u, "the others it does");
    stop();
}

static struct hipt_gather mutual;

/* Another thread shoots at the CPU that waits. */
static void mutual_turn(void)
{
    struct hipt_page at = page(6);

    if (cpus.turns == 1u) {
        cpus.self = NULL;
        cr_assert_eq(hipt_gather_start(&mutual, rig.table, asid, HIPT_DEFERRED), HIPT_OK);
        cr_assert_eq(hipt_gather_add(&mutual, &at, 1, NULL), HIPT_OK);
        hipt_gather_dispatch(&mutual);
        cpus.self = cpu(0);
    } else {
        cr_assert_eq(hipt_cpu_served(cpu(0)), mutual.ticket, "the CPU that waits serves meanwhile");
        cpus_serve(2);
    }
}

/* S1: two CPUs that shoot at each other wait for each other, and both get on. */
Test(gather, S1_two_that_shoot_at_each_other)
{
    start();
    map_many(5, 7, 2);
    cpus.self = cpu(0);
    cpus.turn = mutual_turn;
    cr_assert_eq(unmap(5), HIPT_OK);
    cr_assert_eq(cpus.turns, 2u);
    cr_assert_eq(hipt_gather_finish(&mutual), HIPT_OK);
    stop();
}

/* A host without a hook to relax in, nor one to kick with: the CPU answers by itself, at the third look. */
static void serve_in_a_step(void)
{
    cpus_serve(1);
}

static void without_hooks(void)
{
    rig.host.ops.relax = NULL;
    rig.host.ops.kick = NULL;
    rig.host.ops.this_cpu = NULL;
    rig.host.ops.can_wait = NULL;
    rig.host.ops.clock = NULL;
}

Test(gather, S1_no_hooks)
{
    start_alone(without_hooks);
    cr_assert_eq(map(5, 7), HIPT_OK);
    step_interrupt("load_acquire", &cpu(0)->line->served, 3, serve_in_a_step);
    cr_assert_eq(unmap(5), HIPT_OK);
    cr_assert(step_interrupted());
    stop();
}

/* One round for a range of any length. */
Test(gather, S1_one_round_for_a_range)
{
    uint64_t done;
    struct hipt_page at;

    start();
    map_many(100, 0, 1000);
    cpus.turn = serve_all;
    at = page(50);
    cr_assert_eq(hipt_unmap_range(rig.table, &at, 2000, &done), HIPT_OK);
    cr_assert_eq(done, 1000u);
    cr_assert_eq(cpus_rounds(&rig), 1u);
    cr_assert_eq(cpus.kicks, 1u);
    cr_assert_eq(mappings_of(0), 0);
    cr_assert_eq(hipt_unmap_range(rig.table, &at, 2000, NULL), HIPT_OK);
    at.asid = 9; /* never issued */
    cr_assert_eq(hipt_unmap_range(rig.table, &at, 1, &done), HIPT_OK);
    cr_assert_eq(done, 0);
    stop();
}

/* A1: one round for all the pages of an asid. */
Test(gather, A1_one_round_for_an_asid)
{
    struct hipt_asid whole;
    struct hipt_retired retired;

    start();
    map_many(0, 0, 500);
    cpus.turn = serve_all;
    whole = (struct hipt_asid){asid, 1};
    cr_assert_eq(hipt_asid_retire(rig.table, whole, &retired), HIPT_OK);
    cr_assert_eq(retired.pages, 500u);
    cr_assert_eq(cpus_rounds(&rig), 1u);
    cr_assert_eq(hipt_asid_retire(rig.table, whole, &retired), HIPT_BAD_ASID);
    stop();
}

static void start_remap_check(void)
{
    seen_pfn = pfn_of(5);
    serve_all();
}

/* S1: the new translation is out only after the old one is forgotten. */
Test(gather, S1_remap_shoots_before_it_publishes)
{
    start();
    cr_assert_eq(map(5, 7), HIPT_OK);
    cpus.turn = start_remap_check;
    cr_assert_eq(remap(5, 8), HIPT_OK);
    cr_assert_eq(seen_pfn, 7u);
    cr_assert_eq(pfn_of(5), 8u);
    cr_assert_eq(cpus_rounds(&rig), 1u);
    test_host_fail(&rig.host, 1, 100);
    cr_assert_eq(map(6, 9), HIPT_OK);
    cr_assert_eq(remap(6, 8), HIPT_NOMEM);
    test_host_fail(&rig.host, 0, 0);
    cr_assert_eq(cpus_rounds(&rig), 1u, "what changes nothing asks nobody");
    stop();
}

/* S1: only a protection that allows less asks the CPUs; a range does it once. */
Test(gather, S1_protect)
{
    struct hipt_page at;
    uint64_t done;

    start();
    map_many(0, 0, 100);
    cr_assert_eq(protect(5, HIPT_READ | HIPT_WRITE | HIPT_EXEC | HIPT_USER), HIPT_OK);
    cr_assert_eq(cpus_rounds(&rig), 0);
    cpus.turn = serve_all;
    cr_assert_eq(protect(5, HIPT_READ), HIPT_OK);
    cr_assert_eq(cpus_rounds(&rig), 1u);
    cr_assert(cpus_told(0, cpus_use(0, asid), 5, 1));
    cr_assert_eq(protect(200, HIPT_READ), HIPT_ABSENT);
    cr_assert_eq(cpus_rounds(&rig), 1u);
    at = page(0);
    cr_assert_eq(hipt_protect_range(rig.table, &at, 100, HIPT_EXEC, &done), HIPT_OK);
    cr_assert_eq(done, 100u);
    cr_assert_eq(cpus_rounds(&rig), 2u);
    at.asid = 9;
    cr_assert_eq(hipt_protect_range(rig.table, &at, 100, HIPT_EXEC, &done), HIPT_OK);
    cr_assert_eq(cpus_rounds(&rig), 2u);
    stop();
}

static enum hipt_status widened;

static void widen_in_the_first_turn(void)
{
    if (cpus.turns == 1u) {
        widened = protect(5, HIPT_READ | HIPT_WRITE);
        cr_assert_gt(cpus.turns, 1u, "the second one has waited too");
    } else {
        serve_all();
    }
}

/* S1: who widens what another thread is narrowing waits as well: CPUs may still have more than either allows. */
Test(gather, S1_protect_beside_a_narrowing)
{
    start();
    cr_assert_eq(map(5, 7), HIPT_OK);
    cr_assert_eq(protect(5, HIPT_READ | HIPT_WRITE | HIPT_EXEC), HIPT_OK);
    cpus.turn = widen_in_the_first_turn;
    cr_assert_eq(protect(5, HIPT_READ), HIPT_OK);
    cr_assert_eq(widened, HIPT_OK);
    cr_assert_eq(cpus_rounds(&rig), 2u);
    cpus.turn = NULL;
    cr_assert_eq(protect(5, HIPT_READ | HIPT_WRITE | HIPT_EXEC), HIPT_OK, "nobody is at it any more");
    stop();
}

/* Where the caller cannot wait, verbs that would are refused and have changed nothing. */
Test(gather, S1_who_cannot_wait)
{
    struct hipt_page at;

    start();
    cr_assert_eq(map(5, 7), HIPT_OK);
    cpus.cannot_wait = true;
    at = page(5);
    rig_look(&rig, &picture);
    cr_assert_eq(unmap(5), HIPT_CANNOT_WAIT);
    cr_assert_eq(hipt_unmap_range(rig.table, &at, 1, NULL), HIPT_CANNOT_WAIT);
    cr_assert_eq(protect(5, HIPT_READ), HIPT_CANNOT_WAIT);
    cr_assert_eq(hipt_protect_range(rig.table, &at, 1, HIPT_READ, NULL), HIPT_CANNOT_WAIT);
    cr_assert_eq(remap(5, 8), HIPT_CANNOT_WAIT);
    cr_assert_eq(hipt_asid_retire(rig.table, (struct hipt_asid){asid, 1}, NULL), HIPT_CANNOT_WAIT);
    cr_assert(rig_unchanged(&rig, &picture));
    cr_assert_eq(cpus_rounds(&rig), 0);
    cr_assert_eq(map(6, 8), HIPT_OK);
    stop();
}

/* A gather is a ticket: its pages are absent at once, its frames stay until it is finished. */
Test(gather, S1_deferred)
{
    struct hipt_gather gather;
    struct hipt_page at;
    uint64_t done;

    start();
    map_many(5, 7, 3);
    cpus.cannot_wait = true;
    at = page(5);
    cr_assert_eq(hipt_gather_start(&gather, rig.table, asid, HIPT_DEFERRED), HIPT_OK);
    cr_assert_eq(hipt_gather_add(&gather, &at, 3, &done), HIPT_OK);
    cr_assert_eq(done, 3u);
    cr_assert_eq(cpus_rounds(&rig), 0);
    hipt_gather_dispatch(&gather);
    hipt_gather_dispatch(&gather);
    cr_assert_eq(cpus_rounds(&rig), 1u);
    cr_assert_eq(pfn_of(5), UINT64_MAX);
    cr_assert_eq(mappings_of(7), 1u);
    cpus_serve(1);
    cr_assert(!hipt_gather_poll(&gather));
    cr_assert_eq(hipt_gather_sync(&gather), HIPT_PENDING);
    cr_assert_eq(hipt_gather_finish(&gather), HIPT_PENDING);
    cr_assert_eq(mappings_of(7), 1u);
    cpus_serve(2);
    cr_assert(hipt_gather_poll(&gather));
    cr_assert_eq(hipt_gather_finish(&gather), HIPT_OK);
    cr_assert_eq(mappings_of(7), 0);
    cr_assert_eq(hipt_gather_finish(&gather), HIPT_OK, "nothing is left to finish");
    stop();
}

/* In HIPT_SYNC, finish waits if it may; if not, it is to be called again. */
Test(gather, S1_sync_gather)
{
    struct hipt_gather gather;
    struct hipt_page at;

    start();
    map_many(5, 7, 3);
    at = page(5);
    cr_assert_eq(hipt_gather_start(&gather, rig.table, asid, HIPT_SYNC), HIPT_OK);
    cr_assert_eq(hipt_gather_add(&gather, &at, 3, NULL), HIPT_OK);
    cpus.cannot_wait = true;
    cr_assert_eq(hipt_gather_finish(&gather), HIPT_PENDING);
    cr_assert_eq(hipt_gather_finish(&gather), HIPT_PENDING);
    cpus.cannot_wait = false;
    cpus.turn = serve_all;
    cr_assert_eq(hipt_gather_finish(&gather), HIPT_OK);
    cr_assert_eq(cpus_rounds(&rig), 1u);
    stop();
}

/* Ranges that continue each other are one; when all are in use, HIPT_SYNC finishes them and goes on. */
Test(gather, S1_ranges_of_a_gather)
{
    enum hipt_gather_mode mode;
    uint64_t n;

    for (mode = HIPT_SYNC; mode <= HIPT_DEFERRED; mode++) {
        struct hipt_gather gather;
        struct hipt_page at;

        start();
        map_many(0, 0, 64);
        cpus.turn = serve_all;
        cr_assert_eq(hipt_gather_start(&gather, rig.table, asid, mode), HIPT_OK);
        for (n = 0; n < 4u; n++) {
            at = page(n);
            cr_assert_eq(hipt_gather_add(&gather, &at, 1, NULL), HIPT_OK);
        }
        cr_assert_eq(gather.nranges, 1u);
        at = page(40);
        cr_assert_eq(hipt_gather_add(&gather, &at, 0, NULL), HIPT_OK, "no pages, no range");
        cr_assert_eq(gather.nranges, 1u);
        for (n = 1; n < HIPT_GATHER_RANGES; n++) {
            at = page(4 + 2 * n);
            cr_assert_eq(hipt_gather_add(&gather, &at, 1, NULL), HIPT_OK);
        }
        cr_assert_eq(gather.nranges, HIPT_GATHER_RANGES);
        cr_assert_eq(cpus_rounds(&rig), 0);
        at = page(60);
        if (mode == HIPT_DEFERRED) {
            cr_assert_eq(hipt_gather_add(&gather, &at, 1, NULL), HIPT_FULL);
            cr_assert_eq(pfn_of(60), 60u);
        } else {
            cpus.cannot_wait = true;
            cr_assert_eq(hipt_gather_add(&gather, &at, 1, NULL), HIPT_PENDING);
            cr_assert_eq(pfn_of(60), 60u);
            cpus.cannot_wait = false;
            cr_assert_eq(hipt_gather_add(&gather, &at, 1, NULL), HIPT_OK);
            cr_assert_eq(gather.nranges, 1u);
            cr_assert_eq(mappings_of(0), 0);
            cr_assert_eq(mappings_of(60), 1u);
        }
        hipt_gather_dispatch(&gather);
        serve_all();
        cr_assert_eq(hipt_gather_finish(&gather), HIPT_OK);
        cr_assert_eq(cpus_rounds(&rig), mode == HIPT_SYNC ? 2u : 1u);
        cr_assert_eq(mappings_of(6), 0);
        stop();
    }
}

/* Ranges of two sizes that are neighbours by number stay two. */
Test(gather, S1_ranges_of_two_sizes)
{
    static const uint64_t small[] = {15, 0}; /* the next one by its own size, and as if it were of the other one's */
    unsigned way;

    for (way = 0; way < 2u; way++) {
        struct hipt_gather gather;
        struct hipt_page at;

        start();
        cr_assert_eq(map(small[way], 7), HIPT_OK);
        cr_assert_eq(map_size(1, 16, 16), HIPT_OK);
        cpus.turn = serve_all;
        cr_assert_eq(hipt_gather_start(&gather, rig.table, asid, HIPT_SYNC), HIPT_OK);
        at = page(small[way]);
        cr_assert_eq(hipt_gather_add(&gather, &at, 1, NULL), HIPT_OK);
        at = (struct hipt_page){.asid = asid, .size = 1, .vpn = 16};
        cr_assert_eq(hipt_gather_add(&gather, &at, 1, NULL), HIPT_OK);
        cr_assert_eq(gather.nranges, 2u);
        cr_assert_eq(hipt_gather_finish(&gather), HIPT_OK);
        cr_assert_eq(cpus.cpu[0].count, 2u);
        cr_assert_eq(mappings_of(7) + mappings_of(16), 0);
        stop();
    }
}

Test(gather, bad_input)
{
    struct hipt_gather gather;
    struct hipt_page at;
    uint64_t done = 9;

    start();
    cr_assert_eq(hipt_gather_start(&gather, rig.table, asid, (enum hipt_gather_mode)3), HIPT_BAD_MODE);
    cr_assert_eq(hipt_gather_start(&gather, rig.table, asid, HIPT_TTL), HIPT_BAD_MODE, "the table has no ttl");
    cr_assert_eq(hipt_gather_start(&gather, rig.table, 16, HIPT_SYNC), HIPT_BAD_ASID);
    cr_assert_eq(hipt_gather_start(&gather, rig.table, 9, HIPT_SYNC), HIPT_BAD_ASID, "never issued");
    cr_assert_eq(hipt_gather_finish(&gather), HIPT_OK, "there is nothing to finish");
    cr_assert_eq(hipt_gather_start(&gather, rig.table, asid, HIPT_SYNC), HIPT_OK);
    at = page(RIG_VPNS);
    cr_assert_eq(hipt_gather_add(&gather, &at, 1, &done), HIPT_BAD_VPN);
    cr_assert_eq(done, 0);
    at = page(0);
    at.asid = asid + 1u;
    cr_assert_eq(hipt_gather_add(&gather, &at, 1, NULL), HIPT_BAD_ASID);
    at.vpn = RIG_VPNS;
    cr_assert_eq(hipt_gather_add(&gather, &at, 1, NULL), HIPT_BAD_VPN, "what is wrong with the page comes first");
    cr_assert_eq(hipt_gather_finish(&gather), HIPT_OK);
    stop();
}

/* All numbers in use: no further gather; the range verb goes page by page. */
Test(gather, S1_many_gathers)
{
    static struct hipt_gather gather[HIPT_GATHERS_MAX];
    struct hipt_gather more;
    struct hipt_page at;
    uint64_t done;
    unsigned i;

    start();
    map_many(0, 0, 8);
    cpus.turn = serve_all;
    for (i = 0; i < HIPT_GATHERS_MAX; i++) {
        cr_assert_eq(hipt_gather_start(&gather[i], rig.table, asid, HIPT_SYNC), HIPT_OK);
    }
    cr_assert_eq(hipt_gather_start(&more, rig.table, asid, HIPT_SYNC), HIPT_FULL);
    cr_assert_eq(hipt_gather_finish(&gather[7]), HIPT_OK);
    cr_assert_eq(hipt_gather_start(&gather[7], rig.table, asid, HIPT_SYNC), HIPT_OK);
    at = page(0);
    cr_assert_eq(hipt_unmap_range(rig.table, &at, 4, &done), HIPT_OK);
    cr_assert_eq(done, 4u);
    cr_assert_eq(cpus_rounds(&rig), 4u);
    for (i = 0; i < HIPT_GATHERS_MAX; i++) {
        cr_assert_eq(hipt_gather_finish(&gather[i]), HIPT_OK);
    }
    cr_assert_eq(hipt_unmap_range(rig.table, &at, 8, &done), HIPT_OK);
    cr_assert_eq(done, 4u);
    stop();
}

static void with_files(void)
{
    rig.config.file_attrs = 1u << 3;
    rig.config.ttl = 100;
}

/* S3: a written page of a file is not unmapped lazily; its neighbours are. */
Test(gather, S3_written_files_are_refused)
{
    enum hipt_gather_mode mode;

    for (mode = HIPT_SYNC; mode <= HIPT_TTL; mode++) {
        struct hipt_gather gather;
        struct hipt_page at;
        uint64_t done;
        uint64_t n;

        start_with(with_files);
        for (n = 0; n < 4u; n++) {
            struct hipt_mapping m = rig_mapping(asid, 0, n, n);

            m.attr = n < 2u ? 3 : 2;
            m.marks = n % 2u ? HIPT_DIRTY : HIPT_ACCESSED;
            cr_assert_eq(hipt_map(rig.table, &m), HIPT_OK);
        }
        cpus.turn = serve_all;
        at = page(0);
        cr_assert_eq(hipt_gather_start(&gather, rig.table, asid, mode), HIPT_OK);
        cr_assert_eq(hipt_gather_add(&gather, &at, 4, &done), mode == HIPT_SYNC ? HIPT_OK : HIPT_DIRTY);
        cr_assert_eq(done, mode == HIPT_SYNC ? 4u : 3u);
        cr_assert_eq(pfn_of(1), mode == HIPT_SYNC ? UINT64_MAX : 1u);
        hipt_gather_dispatch(&gather);
        serve_all();
        cpus.now = 1000;
        cr_assert_eq(hipt_gather_finish(&gather), HIPT_OK);
        stop();
    }
}

/* What is not lazy unmaps written pages of files. */
Test(gather, S3_unmap_of_a_written_file)
{
    struct hipt_mapping m;
    struct hipt_mapping out;

    start_with(with_files);
    m = rig_mapping(asid, 0, 5, 7);
    m.attr = 3;
    m.marks = HIPT_DIRTY;
    cr_assert_eq(hipt_map(rig.table, &m), HIPT_OK);
    cpus.turn = serve_all;
    cr_assert_eq(hipt_unmap(rig.table, &m.page, &out), HIPT_OK);
    cr_assert_eq(out.marks, HIPT_DIRTY);
    stop();
}

static struct hipt_gather *held_gather;
static enum hipt_status held_status;

/* Pages 4 to 7 are added while page 5 is held. */
static void add_around_held(void)
{
    struct hipt_page at = page(4);

    if (held_gather) {
        held_status = hipt_gather_add(held_gather, &at, 4, NULL);
    }
    held_gather = NULL;
    serve_all();
}

/* Of several pages that stay, the first one's reason is returned: here the held one's, there the file's. */
Test(gather, the_first_reason_is_returned)
{
    uint64_t file;

    for (file = 4; file <= 6u; file += 2u) {
        struct hipt_gather gather;
        uint64_t n;

        start_with(with_files);
        for (n = 4; n < 8u; n++) {
            struct hipt_mapping m = rig_mapping(asid, 0, n, n);

            m.attr = n == file ? 3 : 2;
            m.marks = HIPT_DIRTY;
            cr_assert_eq(hipt_map(rig.table, &m), HIPT_OK);
        }
        held_gather = &gather;
        cr_assert_eq(hipt_gather_start(&gather, rig.table, asid, HIPT_DEFERRED), HIPT_OK);
        cpus.turn = add_around_held;
        cr_assert_eq(remap(5, 9), HIPT_OK);
        cr_assert_eq(held_status, file == 4u ? HIPT_DIRTY : HIPT_BUSY);
        cpus.turn = serve_all;
        hipt_gather_dispatch(&gather);
        serve_all();
        cr_assert_eq(hipt_gather_finish(&gather), HIPT_OK);
        stop();
    }
}

static void pass_time(void)
{
    cpus.now += 30;
}

/* By time to live: nobody is asked; it is over when everything that was cached has ended. */
Test(gather, S1_ttl)
{
    struct hipt_gather gather;
    struct hipt_page at;

    start_with(with_files);
    cr_assert_eq(map(5, 7), HIPT_OK);
    cpus.now = 1000;
    at = page(5);
    cr_assert_eq(hipt_gather_start(&gather, rig.table, asid, HIPT_TTL), HIPT_OK);
    cr_assert_eq(hipt_gather_add(&gather, &at, 1, NULL), HIPT_OK);
    hipt_gather_dispatch(&gather);
    cr_assert_eq(cpus_rounds(&rig), 0);
    cpus.now = 1099;
    cr_assert(!hipt_gather_poll(&gather));
    cr_assert_eq(hipt_gather_finish(&gather), HIPT_PENDING);
    cpus.now = 1100;
    cr_assert(hipt_gather_poll(&gather));
    cr_assert_eq(hipt_gather_finish(&gather), HIPT_OK);
    cr_assert_eq(mappings_of(7), 0);

    cr_assert_eq(hipt_gather_start(&gather, rig.table, asid, HIPT_TTL), HIPT_OK);
    cpus.cannot_wait = true;
    cr_assert_eq(hipt_gather_sync(&gather), HIPT_PENDING);
    cpus.cannot_wait = false;
    cpus.turn = pass_time;
    cr_assert_eq(hipt_gather_sync(&gather), HIPT_OK);
    cr_assert_eq(cpus.turns, 4u);
    cr_assert_eq(hipt_gather_finish(&gather), HIPT_OK);
    stop();
}

/* S2, T4: who wants a page that somebody is unmapping waits for the CPUs, not for the unmap. */
Test(gather, S2_map_helps)
{
    struct hipt_gather gather;
    struct hipt_page at;

    start();
    cr_assert_eq(map(5, 7), HIPT_OK);
    at = page(5);
    cr_assert_eq(hipt_gather_start(&gather, rig.table, asid, HIPT_DEFERRED), HIPT_OK);
    cr_assert_eq(hipt_gather_add(&gather, &at, 1, NULL), HIPT_OK); /* not even dispatched */
    cpus.cannot_wait = true;
    cr_assert_eq(map(5, 8), HIPT_BUSY);
    cr_assert_eq(pfn_of(5), UINT64_MAX);
    cpus.cannot_wait = false;
    cpus.turn = turn;
    cpus.turns = 0;
    cr_assert_eq(map(5, 8), HIPT_OK);
    cr_assert_eq(cpus.turns, 4u);
    cr_assert_eq(pfn_of(5), 8u);
    cr_assert_eq(mappings_of(7), 1u, "the gather takes it out");
    cpus.turn = serve_all;
    hipt_gather_dispatch(&gather);
    serve_all();
    cr_assert_eq(hipt_gather_finish(&gather), HIPT_OK);
    cr_assert_eq(mappings_of(7), 0);
    cr_assert_eq(pfn_of(5), 8u);
    stop();
}

/* A caller that may not wait leaves it to others, and asks nobody. */
Test(gather, S2_map_that_cannot_wait)
{
    struct hipt_gather gather;
    struct hipt_page at;

    start();
    cr_assert_eq(map(5, 7), HIPT_OK);
    at = page(5);
    cr_assert_eq(hipt_gather_start(&gather, rig.table, asid, HIPT_DEFERRED), HIPT_OK);
    cr_assert_eq(hipt_gather_add(&gather, &at, 1, NULL), HIPT_OK);
    cpus.cannot_wait = true;
    cr_assert_eq(map(5, 8), HIPT_BUSY);
    cr_assert_eq(cpus_rounds(&rig), 0);
    hipt_gather_dispatch(&gather);
    serve_all();
    cr_assert_eq(map(5, 8), HIPT_BUSY, "not finished yet");
    cr_assert_eq(hipt_gather_finish(&gather), HIPT_OK);
    cr_assert_eq(map(5, 8), HIPT_OK);
    stop();
}

/* S2: an unmap of what another thread is unmapping returns when the CPUs have forgotten; it is the other's mapping. */
Test(gather, S2_unmap_of_a_frozen_page_waits)
{
    struct hipt_gather gather;
    struct hipt_page at;
    uint64_t done;

    start();
    map_many(5, 7, 2);
    at = page(5);
    cr_assert_eq(hipt_gather_start(&gather, rig.table, asid, HIPT_DEFERRED), HIPT_OK);
    cr_assert_eq(hipt_gather_add(&gather, &at, 2, NULL), HIPT_OK);
    cpus.turn = turn;
    cr_assert_eq(unmap(5), HIPT_ABSENT);
    cr_assert_eq(cpus.turns, 4u);
    cpus.turns = 0;
    cr_assert_eq(hipt_unmap_range(rig.table, &at, 2, &done), HIPT_OK);
    cr_assert_eq(done, 0);
    cr_assert_eq(cpus.turns, 4u);
    cpus.turn = serve_all;
    hipt_gather_dispatch(&gather);
    serve_all();
    cr_assert_eq(hipt_gather_finish(&gather), HIPT_OK);
    cr_assert_eq(mappings_of(7) + mappings_of(8), 0);
    stop();
}

static void with_slow(void)
{
    rig.config.slow_after = 100;
}

/* A CPU that does not answer in time is reported, once, and waited for all the same. */
static void slow_turn(void)
{
    cpus.now += 40;
    if (cpus.turns == 1u) {
        cpus_serve(1);
    } else if (cpus.turns == 10u) {
        cpus_serve(2);
    }
}

Test(gather, S1_slow_cpu)
{
    start_with(with_slow);
    cr_assert_eq(map(5, 7), HIPT_OK);
    cpus.turn = slow_turn;
    cr_assert_eq(unmap(5), HIPT_OK);
    cr_assert_eq(cpus.turns, 10u);
    cr_assert_eq(cpus.slow, 1u);
    cr_assert_eq(cpus.slow_cpu, 1u);
    cr_assert(cpus.slow_posted == 1u && cpus.slow_served == 0);
    stop();
}

/* The same for a gather that is polled. */
Test(gather, S1_slow_cpu_of_a_ticket)
{
    struct hipt_gather gather;
    struct hipt_page at;

    start_with(with_slow);
    cr_assert_eq(map(5, 7), HIPT_OK);
    at = page(5);
    cpus.now = 1000;
    cr_assert_eq(hipt_gather_start(&gather, rig.table, asid, HIPT_DEFERRED), HIPT_OK);
    cr_assert_eq(hipt_gather_add(&gather, &at, 1, NULL), HIPT_OK);
    hipt_gather_dispatch(&gather);
    cpus.now = 1099;
    cr_assert(!hipt_gather_poll(&gather));
    cr_assert_eq(cpus.slow, 0);
    cpus_serve(1);
    cpus.now = 1100;
    cr_assert(!hipt_gather_poll(&gather));
    cr_assert(!hipt_gather_poll(&gather));
    cr_assert(cpus.slow == 1u && cpus.slow_cpu == 1u);
    cpus_serve(2);
    cr_assert_eq(hipt_gather_finish(&gather), HIPT_OK);
    stop();
}

/* A wait, or many polls, kick again: whoever was to do so first may have been stopped before. */
static void serve_late(void)
{
    if (cpus.turns == 5000u) {
        cpus_serve(3);
    }
}

Test(gather, S1_kicked_again)
{
    struct hipt_gather gather;
    struct hipt_page at;
    unsigned i;

    start();
    map_many(5, 7, 2);
    cpus.turn = serve_late;
    cr_assert_eq(unmap(5), HIPT_OK);
    cr_assert_eq(cpus.kicks, 4u, "at first, and at look 1024, 2048 and 4096");
    cpus.kicks = 0;
    at = page(6);
    cr_assert_eq(hipt_gather_start(&gather, rig.table, asid, HIPT_DEFERRED), HIPT_OK);
    cr_assert_eq(hipt_gather_add(&gather, &at, 1, NULL), HIPT_OK);
    hipt_gather_dispatch(&gather);
    cpus_serve(1);
    cpus.kicked = 0;
    for (i = 1; i < 1024u; i++) {
        cr_assert(!hipt_gather_poll(&gather));
    }
    cr_assert_eq(cpus.kicks, 1u);
    cr_assert(!hipt_gather_poll(&gather));
    cr_assert(cpus.kicks == 2u && cpus.kicked == 2u);
    cpus_serve(2);
    cr_assert_eq(hipt_gather_finish(&gather), HIPT_OK);
    stop();
}

static void with_slow_only(void)
{
    rig.config.slow_after = 100;
    rig.host.ops.slow = NULL;
}

static void slow_later(void)
{
    cpus.now += 40;
    if (cpus.turns == 10u) {
        cpus_serve(3);
    }
}

/* Without the hook nobody is told, and the wait goes on as well. Kicked CPUs are counted all the same. */
Test(gather, S1_slow_cpu_and_no_hook)
{
    struct hipt_stats stats;

    start_with(with_slow_only);
    cr_assert_eq(map(5, 7), HIPT_OK);
    cpus.turn = slow_later;
    cr_assert_eq(unmap(5), HIPT_OK);
    hipt_table_stats(rig.table, &stats);
    cr_assert(stats.kicks == 2u && stats.rounds == 1u && stats.bytes_cpus > 0);
    stop();
}

static struct hipt_asid other;
static bool retires_and_cannot_wait;

static void retire_meanwhile(void)
{
    cr_assert_eq(hipt_asid_retire(rig.table, other, NULL), HIPT_OK);
    cpus.cannot_wait = retires_and_cannot_wait;
}

/* A1: a page mapped beside the retirement of its asid is removed by its map, which waits; where it may not, later. */
Test(gather, A1_map_beside_a_retirement)
{
    unsigned way;

    for (way = 0; way < 2u; way++) {
        struct hipt_mapping m;

        start();
        other = rig_asid(&rig);
        m = rig_mapping(other.number, 0, 5, 7);
        retires_and_cannot_wait = way == 1u;
        step_interrupt("cas_seq_cst", NULL, 0, retire_meanwhile); /* as it commits */
        cr_assert_eq(hipt_map(rig.table, &m), HIPT_OK);
        cr_assert(step_interrupted());
        cr_assert_eq(mappings_of(7), way);
        cpus.cannot_wait = false;
        rig_pass(&rig);
        (void)rig_asid(&rig);
        rig_pass(&rig);
        cr_assert_eq(rig_asid(&rig).number, other.number);
        cr_assert_eq(mappings_of(7), 0);
        stop();
    }
}

/* Without CPUs a gather has nobody to ask: what is added is gone at once, and it needs no number. */
Test(gather, no_cpus)
{
    struct hipt_gather gather;
    struct hipt_page at;
    uint64_t done;

    rig_init(&rig);
    cr_assert(rig_create(&rig));
    asid = rig_asid(&rig).number;
    map_many(5, 7, 3);
    at = page(5);
    cr_assert_eq(hipt_gather_start(&gather, rig.table, 16, HIPT_SYNC), HIPT_BAD_ASID);
    cr_assert_eq(hipt_gather_start(&gather, rig.table, asid, HIPT_DEFERRED), HIPT_OK);
    cr_assert_eq(hipt_gather_add(&gather, &at, 3, &done), HIPT_OK);
    cr_assert_eq(done, 3u);
    cr_assert_eq(mappings_of(7), 0);
    hipt_gather_dispatch(&gather);
    cr_assert(hipt_gather_poll(&gather));
    cr_assert_eq(hipt_gather_sync(&gather), HIPT_OK);
    cr_assert_eq(hipt_gather_finish(&gather), HIPT_OK);
    rig_destroy(&rig);
}

/* --- corners */

static hipti_slot slot_of(uint64_t vpn)
{
    struct hipt_page at = page(vpn);
    hipti_slot slot = 0;
    uint64_t pte;

    cr_assert(hipti_bucket_find(&rig.table->buckets, hipti_page_place(rig.table, &at), &slot, &pte, NULL));
    return slot;
}

/* As if a remap of the page were stopped, or went on. */
static void set_state(hipti_slot slot, enum hipti_state state)
{
    uint64_t pte = hipti_slot_load(&rig.table->buckets, slot);

    hipti_slot_publish(&rig.table->buckets, slot, hipti_pte_with_state(pte, state));
}

/* Held pages are left, by whatever way a range goes. */
Test(gather, T1_held_pages_are_left)
{
    static struct hipt_gather gather[HIPT_GATHERS_MAX];
    struct hipt_page at;
    uint64_t done;
    unsigned i;

    start();
    map_many(0, 0, 4);
    cpus.turn = serve_all;
    set_state(slot_of(1), HIPTI_HELD);
    set_state(slot_of(2), HIPTI_HELD);
    for (i = 0; i < HIPT_GATHERS_MAX; i++) {
        cr_assert_eq(hipt_gather_start(&gather[i], rig.table, asid, HIPT_SYNC), HIPT_OK);
    }
    at = page(0);
    cr_assert_eq(hipt_unmap_range(rig.table, &at, 3, &done), HIPT_BUSY);
    cr_assert_eq(done, 1u);
    for (i = 0; i < HIPT_GATHERS_MAX; i++) {
        cr_assert_eq(hipt_gather_finish(&gather[i]), HIPT_OK);
    }
    cr_assert_eq(hipt_unmap_range(rig.table, &at, 4, &done), HIPT_BUSY);
    cr_assert_eq(done, 1u);
    set_state(slot_of(1), HIPTI_LIVE);
    set_state(slot_of(2), HIPTI_LIVE);
    stop();
}

/* A gather that was dispatched takes no more before it is complete. */
Test(gather, S1_add_after_dispatch)
{
    struct hipt_gather gather;
    struct hipt_page at;

    start();
    map_many(0, 0, 4);
    at = page(0);
    cr_assert_eq(hipt_gather_start(&gather, rig.table, asid, HIPT_DEFERRED), HIPT_OK);
    cr_assert_eq(hipt_gather_add(&gather, &at, 1, NULL), HIPT_OK);
    hipt_gather_dispatch(&gather);
    at = page(1);
    cr_assert_eq(hipt_gather_add(&gather, &at, 1, NULL), HIPT_PENDING);
    cr_assert_eq(pfn_of(1), 1u);
    serve_all();
    cr_assert_eq(hipt_gather_add(&gather, &at, 1, NULL), HIPT_OK);
    cr_assert(mappings_of(0) == 0 && mappings_of(1) == 1u && gather.nranges == 1u);
    hipt_gather_dispatch(&gather);
    serve_all();
    cr_assert_eq(hipt_gather_finish(&gather), HIPT_OK);
    cr_assert_eq(mappings_of(1), 0);
    stop();
}

static void with_longest_ttl(void)
{
    rig.config.ttl = UINT64_MAX - 1u;
}

/* A time to live beyond the end of time does not come round. */
Test(gather, S1_longest_ttl)
{
    struct hipt_gather gather;
    struct hipt_page at;

    start_with(with_longest_ttl);
    cr_assert_eq(map(5, 7), HIPT_OK);
    cpus.now = 1000;
    at = page(5);
    cr_assert_eq(hipt_gather_start(&gather, rig.table, asid, HIPT_TTL), HIPT_OK);
    cr_assert_eq(hipt_gather_add(&gather, &at, 1, NULL), HIPT_OK);
    hipt_gather_dispatch(&gather);
    cpus.now = UINT64_MAX - 1u;
    cr_assert(!hipt_gather_poll(&gather));
    cpus.now = UINT64_MAX;
    cr_assert_eq(hipt_gather_finish(&gather), HIPT_OK);
    stop();
}

/* An asid so far from those issued that nothing is kept for it. */
Test(gather, far_asid)
{
    struct hipt_gather gather;

    cpus_init(&rig);
    rig.config.asid_bits = 20;
    rig.config.va_bits = 30;
    cr_assert(rig_create(&rig));
    (void)rig_asid(&rig);
    cr_assert_eq(hipt_gather_start(&gather, rig.table, 1u << 19, HIPT_SYNC), HIPT_BAD_ASID);
    rig_destroy(&rig);
}

static struct hipt_gather beside;

static void start_beside(void)
{
    cr_assert_eq(hipt_gather_start(&beside, rig.table, asid, HIPT_SYNC), HIPT_OK);
}

/* Two gathers that begin at once have two numbers. */
Test(gather, S1_two_numbers)
{
    struct hipt_gather gather;

    start();
    step_interrupt("cas", &hipti_space_find(&rig.table->shootdown, asid)->gathers, 0, start_beside);
    cr_assert_eq(hipt_gather_start(&gather, rig.table, asid, HIPT_SYNC), HIPT_OK);
    cr_assert(step_interrupted());
    cr_assert(gather.number != 0 && beside.number != 0 && gather.number != beside.number);
    cr_assert_eq(hipt_gather_finish(&gather), HIPT_OK);
    cr_assert_eq(hipt_gather_finish(&beside), HIPT_OK);
    stop();
}

/* Where a wait has no hook to relax in, a gather waits too. */
Test(gather, S1_sync_without_relax)
{
    struct hipt_gather gather;
    struct hipt_page at;

    start_alone(without_hooks);
    cr_assert_eq(map(5, 7), HIPT_OK);
    at = page(5);
    cr_assert_eq(hipt_gather_start(&gather, rig.table, asid, HIPT_SYNC), HIPT_OK);
    cr_assert_eq(hipt_gather_add(&gather, &at, 1, NULL), HIPT_OK);
    step_interrupt("load_acquire", &cpu(0)->line->served, 3, serve_in_a_step);
    cr_assert_eq(hipt_gather_finish(&gather), HIPT_OK);
    cr_assert(step_interrupted());
    stop();
}

static void without_read_sides(void)
{
    rig.host.ops.read_enter = NULL;
    rig.host.ops.read_exit = NULL;
}

/* A host that is always inside a read side: every verb that ends translations, with CPUs to ask. */
Test(gather, S1_no_read_hooks)
{
    struct hipt_page large = {.size = 2, .vpn = RIG_LARGE};
    struct hipt_page hole = {.size = 1, .vpn = RIG_LARGE + RIG_MEDIUM};
    enum hipt_status status;
    struct hipt_mapping m;
    struct hipt_page at;
    uint64_t done;

    start_alone(without_read_sides);
    cpus.self = cpu(0);
    large.asid = hole.asid = asid;
    map_many(0, 0, 8);
    cr_assert_eq(map_size(2, RIG_LARGE, RIG_LARGE), HIPT_OK);
    cr_assert_eq(unmap(0), HIPT_OK);
    cr_assert_eq(remap(1, 9), HIPT_OK);
    cr_assert_eq(protect(1, HIPT_READ), HIPT_OK);
    at = page(0);
    cr_assert_eq(hipt_protect_range(rig.table, &at, 0, HIPT_READ, &done), HIPT_OK);
    cr_assert_eq(done, 0);
    cr_assert_eq(hipt_split(rig.table, &large, 1), HIPT_OK);
    cr_assert_eq(hipt_collapse(rig.table, &large, 1), HIPT_OK);
    cr_assert_eq(hipt_punch(rig.table, &large, &hole, 1, NULL), HIPT_OK);
    cr_assert_eq(hipt_unmap_range(rig.table, &at, 8, &done), HIPT_OK);
    cr_assert_eq(done, 7u);
    m = rig_mapping(asid, 0, 20, 20);
    cr_assert_eq(hipt_map_batch(rig.table, &m, 1, &status), 1u);
    cr_assert_eq(hipt_unmap_batch(rig.table, &m.page, 1, NULL, &status), 1u);
    cr_assert_eq(hipt_asid_retire(rig.table, (struct hipt_asid){asid, 1}, NULL), HIPT_OK);
    stop();
}

/* No pages: nothing to ask for, also where another thread narrows. */
static void narrow_none(void)
{
    struct hipt_page at = page(5);
    unsigned turns = cpus.turns;

    if (turns == 1u) {
        cr_assert_eq(hipt_protect_range(rig.table, &at, 0, HIPT_READ, NULL), HIPT_OK);
        cr_assert_eq(cpus.turns, 1u);
    }
    serve_all();
}

Test(gather, S1_protect_of_no_pages)
{
    start();
    cr_assert_eq(map(5, 7), HIPT_OK);
    cr_assert_eq(protect(5, HIPT_READ | HIPT_WRITE), HIPT_OK);
    cpus.turn = narrow_none;
    cr_assert_eq(protect(5, HIPT_READ), HIPT_OK);
    cr_assert_eq(cpus_rounds(&rig), 1u);
    stop();
}

/* S1: the CPU that dispatched is kicked by another thread that waits for it: nobody else has. */
Test(gather, S1_the_dispatchers_cpu_is_kicked_later)
{
    struct hipt_gather gather;
    struct hipt_page at;
    unsigned i;

    start();
    hipt_cpu_exit(cpu(1));
    cr_assert_eq(map(5, 7), HIPT_OK);
    cpus.self = cpu(0);
    at = page(5);
    cr_assert_eq(hipt_gather_start(&gather, rig.table, asid, HIPT_DEFERRED), HIPT_OK);
    cr_assert_eq(hipt_gather_add(&gather, &at, 1, NULL), HIPT_OK);
    hipt_gather_dispatch(&gather);
    cr_assert_eq(cpus.kicks, 0);
    cr_assert_eq(hipt_cpu_served(cpu(0)), 0, "it forgets when it serves: a dispatch does not wait for that");
    cpus.self = NULL;
    for (i = 0; i < 1024u; i++) {
        cr_assert(!hipt_gather_poll(&gather));
    }
    cr_assert_eq(cpus.kicked, 1u);
    hipt_cpu_interrupt(cpu(0));
    cr_assert_eq(hipt_gather_finish(&gather), HIPT_OK);
    stop();
}

/* Without CPUs nothing waits, so nobody is asked whether he may. */
Test(gather, no_cpus_no_wait)
{
    cpus_init(&rig);
    rig.config.cpus = 0;
    cr_assert(rig_create(&rig));
    asid = rig_asid(&rig).number;
    cpus.cannot_wait = true;
    cr_assert_eq(map(5, 7), HIPT_OK);
    cr_assert_eq(unmap(5), HIPT_OK);
    rig_destroy(&rig);
}
