/* SPDX-License-Identifier: MIT */
/* The table moves into other buckets while it is used. */
#include <criterion/criterion.h>

#include <string.h>

#include "map/resize.h"
#include "support/rig.h"
#include "support/step.h"

static struct rig rig;
static uint32_t asid;

enum { PAGES = 300 };

static enum hipt_status map(uint32_t size, uint64_t vpn, uint64_t pfn)
{
    struct hipt_mapping m = rig_mapping(asid, size, vpn, pfn);

    return hipt_map(rig.table, &m);
}

static enum hipt_status unmap(uint64_t vpn)
{
    struct hipt_page page = {.asid = asid, .vpn = vpn};

    return hipt_unmap(rig.table, &page, NULL);
}

static uint64_t pfn_of(uint64_t vpn)
{
    struct hipt_translation found;

    return hipt_lookup(rig.table, asid, vpn, &found) == HIPT_OK ? found.mapping.pfn : UINT64_MAX;
}

static struct hipt_stats stats_now(void)
{
    struct hipt_stats stats;

    hipt_table_stats(rig.table, &stats);
    return stats;
}

static void start(void)
{
    uint64_t n;

    rig_init(&rig);
    rig.config.buckets = 64;
    rig.config.capacity_max = 4096;
    cr_assert(rig_create(&rig));
    asid = rig_asid(&rig).number;
    for (n = 0; n < PAGES; n++) {
        cr_assert_eq(map(0, n * 3u, n), HIPT_OK);
    }
}

/* Everything that is there is found, forward and back, and what is not there is not. */
static void cr_assert_all_there(void)
{
    struct hipt_mapping out;
    size_t count;
    uint64_t n;

    for (n = 0; n < PAGES; n++) {
        cr_assert_eq(pfn_of(n * 3u), n, "page %llu", (unsigned long long)n);
        cr_assert_eq(pfn_of(n * 3u + 1u), UINT64_MAX);
        cr_assert_eq(hipt_reverse(rig.table, (struct hipt_frame){.pfn = n}, &out, 1, &count), HIPT_OK);
        cr_assert(count == 1u && out.page.vpn == n * 3u && out.pfn == n);
    }
}

/* Move to the end, everything being checked in between. */
static void finish(void)
{
    bool more = true;
    unsigned turns;

    for (turns = 0; more; turns++) {
        cr_assert_lt(turns, 10000u, "it does not end");
        more = hipt_resize_help(rig.table, 1) == HIPT_OK;
        if (turns % 16u == 0) {
            cr_assert_all_there();
        }
        rig_pass(&rig);
    }
}

/* T1, F1: growing, shrinking and another secret, one after another; the memory of what was left is given back. */
Test(resize, T1_F1_grow_shrink_rekey)
{
    static const uint64_t capacity[] = {4096, 64, 0, 1000, 0};
    uint64_t bytes = 0;
    char text[200];
    size_t i;

    start();
    for (i = 0; i < sizeof(capacity) / sizeof(capacity[0]); i++) {
        cr_assert_eq(hipt_resize(rig.table, capacity[i], i % 2u == 0), HIPT_OK, "resize %zu", i);
        cr_assert_eq(hipt_resize(rig.table, 0, false), HIPT_BUSY);
        cr_assert_all_there();
        finish();
        cr_assert_all_there();
        cr_assert(hipt_table_is_valid(rig.table, text, sizeof(text)), "%s", text);
        cr_assert(i != 4u || rig.host.bytes == bytes, "as many buckets as before, and other memory");
        bytes = rig.host.bytes;
    }
    rig_destroy(&rig);
}

/*
 * Nothing that a map or a move does while it lasts reads a line of the new array before it is written: a host may have
 * to interrupt all CPUs for memory that is read first.
 */
Test(resize, new_lines_are_written_first)
{
    uint32_t touched = 0;
    uint32_t count = 1;
    uint32_t i;
    uint64_t n;

    for (i = 0; i < count; i++) {
        const struct hipti_array *now;
        const char *operation;

        start();
        cr_assert_eq(hipt_resize(rig.table, 512, false), HIPT_OK);
        now = hipti_buckets_now(&rig.table->buckets, 0);
        count = (uint32_t)now->quotient.buckets;
        step_note_first(hipti_array_line(now, i), sizeof(struct hipti_line));
        for (n = 0; hipti_load_relaxed(&now->past); n++) {
            cr_assert_eq(map(0, n * 3u + 1u, PAGES + n), HIPT_OK);
        }
        operation = step_first();
        cr_assert(operation == NULL || strncmp(operation, "load", 4) != 0, "line %u", i);
        touched += operation != NULL;
        rig_destroy(&rig);
    }
    cr_assert_gt(touched, count / 2u, "%u of %u lines", touched, count);
}

/* Pages come and go while the table moves, and the maps alone bring it to its end. */
Test(resize, T1_maps_move)
{
    uint64_t n;
    uint64_t turn = 0;

    start();
    test_host_free_run(&rig.host);
    cr_assert_eq(hipt_resize(rig.table, 4096, true), HIPT_OK);
    while (stats_now().buckets_past != 0) {
        cr_assert_lt(turn, 2000u);
        n = 1000u + turn++ % 50u;
        cr_assert_eq(map(0, n * 3u, n), HIPT_OK);
        cr_assert_eq(map(0, n * 3u, n), HIPT_EXISTS);
        cr_assert_eq(pfn_of(n * 3u), n);
        cr_assert_eq(unmap(n * 3u), HIPT_OK);
        cr_assert_eq(unmap(n * 3u), HIPT_ABSENT);
        cr_assert_eq(pfn_of(n * 3u), UINT64_MAX);
        {
            struct hipt_frame frame;

            while (hipt_frame_reap(rig.table, &frame, 1) == 0) {
                rig_pass(&rig);
            }
        }
    }
    cr_assert_all_there();
    rig_destroy(&rig);
}

/* --- a move beside every verb, each interrupted at each of its accesses by the other */

enum { KEYS = 6, FREE_FRAME = 41 };

static struct hipt_asid space;
static bool is_done; /* the interrupting one has run */

static void start_small(bool is_moving)
{
    uint64_t n;

    rig_init(&rig);
    rig.config.buckets = 1;
    rig.config.capacity_max = 10;
    cr_assert(rig_create(&rig));
    test_host_free_run(&rig.host); /* memory is given back as soon as no verb is inside */
    space = rig_asid(&rig);
    asid = space.number;
    for (n = 0; n < KEYS; n++) {
        cr_assert_eq(map(0, n, n), HIPT_OK);
    }
    cr_assert(!is_moving || hipt_resize(rig.table, 10, true) == HIPT_OK);
    is_done = false;
}

static uint64_t owners(uint64_t pfn)
{
    struct hipt_mapping out;
    size_t count;

    (void)hipt_reverse(rig.table, (struct hipt_frame){.pfn = pfn}, &out, 1, &count);
    return count;
}

static struct hipt_page page_4(void)
{
    return (struct hipt_page){.asid = asid, .vpn = 4};
}

static void run_lookup(void)
{
    cr_assert_eq(pfn_of(4), 4u);
}

static void run_miss(void)
{
    cr_assert_eq(pfn_of(40), UINT64_MAX);
}

static void run_reverse(void)
{
    cr_assert_eq(owners(4), 1u);
}

static void run_unmap(void)
{
    cr_assert_eq(unmap(4), HIPT_OK);
    cr_assert_eq(pfn_of(4), UINT64_MAX);
    cr_assert_eq(owners(4), 0);
    cr_assert_eq(unmap(4), HIPT_ABSENT);
}

static void run_map(void)
{
    cr_assert_eq(map(0, 40, FREE_FRAME), HIPT_OK);
    cr_assert_eq(pfn_of(40), FREE_FRAME);
    cr_assert_eq(owners(FREE_FRAME), 1u);
}

static void run_exists(void)
{
    cr_assert_eq(map(0, 4, FREE_FRAME), HIPT_EXISTS);
}

static void run_protect(void)
{
    struct hipt_translation found;
    struct hipt_page page = page_4();

    cr_assert_eq(hipt_protect(rig.table, &page, HIPT_EXEC), HIPT_OK);
    cr_assert_eq(hipt_lookup(rig.table, asid, 4, &found), HIPT_OK);
    cr_assert_eq(found.mapping.prot, HIPT_EXEC);
}

static void run_mark(void)
{
    struct hipt_translation found;
    enum hipt_status status;

    hipt_read_enter(rig.table);
    do {
        cr_assert_eq(hipt_lookup(rig.table, asid, 4, &found), HIPT_OK);
        status = hipt_mark(rig.table, &found, HIPT_DIRTY);
    } while (status == HIPT_CHANGED);
    cr_assert_eq(status, HIPT_OK);
    cr_assert_eq(hipt_lookup(rig.table, asid, 4, &found), HIPT_OK);
    cr_assert(found.mapping.marks & HIPT_DIRTY);
    hipt_read_exit(rig.table);
}

static void run_remap(void)
{
    struct hipt_mapping m = rig_mapping(asid, 0, 4, FREE_FRAME);

    cr_assert_eq(hipt_remap(rig.table, &m, NULL), HIPT_OK);
    cr_assert_eq(pfn_of(4), FREE_FRAME);
    cr_assert_eq(owners(FREE_FRAME), 1u);
    cr_assert_eq(owners(4), 0);
}

static void run_share(void)
{
    cr_assert_eq(map(0, 40, 4), HIPT_OK);
    cr_assert_eq(owners(4), 2u);
    cr_assert_eq(unmap(4), HIPT_OK);
    cr_assert_eq(owners(4), 1u);
    cr_assert_eq(pfn_of(40), 4u);
}

static void run_retire(void)
{
    struct hipt_retired retired;

    cr_assert_eq(hipt_asid_retire(rig.table, space, &retired), HIPT_OK);
    cr_assert_eq(retired.pages, KEYS);
    cr_assert_eq(pfn_of(4), UINT64_MAX);
    cr_assert_eq(owners(4), 0);
}

/* Ranges and batches fetch lines before they look at them. */
static void run_range(void)
{
    struct hipt_page page = {.asid = asid, .vpn = 0};
    struct hipt_mapping m = rig_mapping(asid, 0, 40, FREE_FRAME);
    uint64_t done;

    cr_assert_eq(hipt_map_range(rig.table, &m, 3, &done), HIPT_OK);
    cr_assert_eq(hipt_protect_range(rig.table, &page, KEYS, HIPT_EXEC, &done), HIPT_OK);
    cr_assert_eq(done, KEYS);
    cr_assert_eq(hipt_unmap_range(rig.table, &page, KEYS, &done), HIPT_OK);
    cr_assert_eq(done, KEYS);
    cr_assert_eq(pfn_of(4), UINT64_MAX);
    cr_assert_eq(pfn_of(42), FREE_FRAME + 2u);
}

static void run_batches(void)
{
    struct hipt_mapping mappings[2] = {rig_mapping(asid, 0, 40, FREE_FRAME), rig_mapping(asid, 0, 50, FREE_FRAME + 1u)};
    struct hipt_page pages[2] = {{.asid = asid, .vpn = 4}, {.asid = asid, .vpn = 0}};
    struct hipt_mapping out[2];
    enum hipt_status status[2];

    cr_assert_eq(hipt_map_batch(rig.table, mappings, 2, status), 2u);
    cr_assert_eq(hipt_unmap_batch(rig.table, pages, 2, out, status), 2u);
    cr_assert_eq(pfn_of(4), UINT64_MAX);
    cr_assert_eq(pfn_of(50), FREE_FRAME + 1u);
}

/* What one page leaves behind is used for another one. */
static void run_replace(void)
{
    cr_assert_eq(unmap(4), HIPT_OK);
    cr_assert_eq(map(0, 40, FREE_FRAME), HIPT_OK);
    cr_assert_eq(map(0, 41, FREE_FRAME), HIPT_OK);
    cr_assert_eq(pfn_of(4), UINT64_MAX);
    cr_assert_eq(pfn_of(40), FREE_FRAME);
    cr_assert_eq(owners(FREE_FRAME), 2u);
}

static void run_lookup_batch(void)
{
    struct hipt_page page[] = {page_4(), {.asid = asid, .vpn = 40}, {.asid = asid, .vpn = 1}};
    struct hipt_translation out[3];
    enum hipt_status status[3];

    cr_assert_eq(hipt_lookup_batch(rig.table, page, 3, out, status), 2u);
    cr_assert(status[0] == HIPT_OK && out[0].mapping.pfn == 4u);
    cr_assert_eq(status[1], HIPT_ABSENT);
    cr_assert(status[2] == HIPT_OK && out[2].mapping.pfn == 1u);
}

static void (*const verbs[])(void) = {run_lookup,  run_miss,    run_reverse, run_unmap,       run_map,
                                      run_exists,  run_protect, run_mark,    run_remap,       run_share,
                                      run_retire,  run_range,   run_batches, run_lookup_batch, run_replace};

static void (*interrupting)(void);

static void interrupt(void)
{
    is_done = true;
    interrupting();
}

static void move_all(void)
{
    unsigned turns;

    for (turns = 0; turns < 40u; turns++) {
        (void)hipt_resize_help(rig.table, 1);
    }
}

/* To the end, and all of it in order. */
static void cr_assert_in_order(size_t verb, unsigned n)
{
    bool more = true;
    unsigned turns;
    char text[200];

    for (turns = 0; more; turns++) {
        cr_assert_lt(turns, 200u, "verb %zu interrupted at %u: it does not end", verb, n);
        more = hipt_resize_help(rig.table, 1) == HIPT_OK;
        rig_pass(&rig);
    }
    cr_assert(hipt_table_is_valid(rig.table, text, sizeof(text)), "verb %zu interrupted at %u: %s", verb, n, text);
}

/* Each verb, in a table that @is_moving or is not, with @meanwhile in between at each of its accesses. */
static void interrupt_verbs(bool is_moving, void (*meanwhile)(void))
{
    size_t i;

    for (i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        unsigned n = 0;

        do {
            start_small(is_moving);
            interrupting = meanwhile;
            step_interrupt(NULL, NULL, n, interrupt);
            verbs[i]();
            (void)step_interrupted();
            cr_assert_in_order(i, n);
            rig_destroy(&rig);
            n++;
        } while (is_done);
    }
}

/* T1, F1: whatever the verb, and wherever a whole move comes in between. */
Test(resize, T1_F1_verbs_interrupted_by_a_move)
{
    interrupt_verbs(true, move_all);
}

static void resize_and_move(void)
{
    cr_assert_eq(hipt_resize(rig.table, 10, true), HIPT_OK);
    atomic_store(&rig.host.waits, 0); /* it would be another thread, outside the read side of the verb */
    move_all();
}

/* T1, F1: the same where the table does not move yet when the verb begins. */
Test(resize, T1_F1_verbs_interrupted_by_a_resize)
{
    interrupt_verbs(false, resize_and_move);
}

/* T1, F1, T4: wherever a move is interrupted, a whole verb comes to its end. */
Test(resize, T1_F1_T4_moves_interrupted_by_a_verb)
{
    size_t i;

    for (i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        unsigned n = 0;

        do {
            start_small(true);
            interrupting = verbs[i];
            step_interrupt(NULL, NULL, n, interrupt);
            move_all();
            (void)step_interrupted();
            if (!is_done) {
                interrupt();
                is_done = false;
            }
            cr_assert_in_order(i, n);
            rig_destroy(&rig);
            n++;
        } while (is_done);
    }
}

static bool was_late; /* the page was put into the past, which was open still */

/*
 * What two others do: one puts page 40 where it takes for the present what is the past by now, one moves it from there,
 * and is stopped when it has switched to the copy and shown it.
 */
static void put_late_and_move(void)
{
    struct hipti_buckets *buckets = &rig.table->buckets;
    struct hipti_array *now = hipti_buckets_now(buckets, 0);
    struct hipt_page page = {.asid = asid, .vpn = 40};
    uint64_t key = hipti_page_key(rig.table, &page);
    struct hipti_place place = hipti_array_place(now->past, key);
    struct hipti_claim claim;
    hipti_slot slot;
    uint64_t pte;

    is_done = true;
    was_late = !(hipti_buckets_line(buckets, place.bucket)->header & HIPTI_HEADER_CLOSED);
    if (!was_late) {
        return;
    }
    hipti_store_release(&buckets->now[0], hipti_load_acquire(&now->past));
    cr_assert_eq(map(0, 40, FREE_FRAME), HIPT_OK);
    hipti_store_release(&buckets->now[0], now);
    hipt_read_enter(rig.table);
    cr_assert(hipti_bucket_close(buckets, place.bucket) && hipti_bucket_find(buckets, place, &slot, &pte, NULL));
    place = hipti_array_place(now, key);
    cr_assert_eq(hipti_bucket_copy(buckets, place, pte & ~HIPTI_PTE_VERSION_MASK, &claim), HIPT_OK);
    cr_assert(hipti_slot_change(buckets, slot, &pte, hipti_pte_forward(pte, claim.slot, claim.pte)));
    pte = hipti_pte_forward(pte, claim.slot, claim.pte);
    cr_assert(hipti_slot_follow(buckets, &slot, &pte));
    hipt_read_exit(rig.table);
}

/* F1: whoever ends what has just come from the past tells its frame of the copy first, however late it came there. */
Test(resize, T1_F1_an_unmap_beside_a_late_put)
{
    unsigned n = 0;
    unsigned late = 0;

    do {
        enum hipt_status status;

        start_small(true);
        step_interrupt(NULL, NULL, n, put_late_and_move);
        status = unmap(40);
        if (!step_interrupted()) {
            cr_assert(!is_done && status == HIPT_ABSENT);
        } else if (status == HIPT_ABSENT) {
            cr_assert_eq(pfn_of(40), was_late ? FREE_FRAME : UINT64_MAX, "interrupted at %u", n);
        } else {
            cr_assert(status == HIPT_OK && pfn_of(40) == UINT64_MAX && owners(FREE_FRAME) == 0, "interrupted at %u", n);
        }
        late += is_done && was_late;
        cr_assert_in_order(0, n);
        rig_destroy(&rig);
        n++;
    } while (is_done);
    cr_assert_gt(late, 0, "it was never put late");
}

/* => the page in the first slot in use of a bucket of the past. */
static uint64_t first_in_past(uint32_t bucket)
{
    uint32_t number = rig.table->buckets.now[0]->past->first + bucket;
    struct hipt_page page;
    unsigned i;
    uint64_t pte;
    uint64_t key;

    for (i = 0; i < HIPT_SLOTS; i++) {
        if (hipti_slot_read(&rig.table->buckets, number * HIPT_SLOTS + i, &pte, &key)) {
            page = hipti_key_unpack(&rig.table->split, key);
            return page.vpn;
        }
    }
    cr_assert_fail("the bucket is empty");
    return 0;
}

static void unmap_1(void)
{
    is_done = true;
    cr_assert_eq(unmap(1), HIPT_OK);
}

/*
 * F1: a walk has read the pair of a mapping that ends, and another mapping of the frame moves to the slot that the pair
 * names. It is reported once, for its own pair.
 */
Test(resize, F1_a_pair_whose_slot_is_another_mappings)
{
    unsigned n = 0;

    do {
        struct hipt_mapping out[4];
        unsigned reported = 0;
        uint64_t vpn;
        size_t count;

        start();
        cr_assert_eq(hipt_resize(rig.table, 1, false), HIPT_OK);
        vpn = first_in_past(4); /* a map sees to the four before, and the unmap to this one */
        cr_assert_eq(map(0, 1, vpn / 3u), HIPT_OK);
        is_done = false;
        step_interrupt(NULL, NULL, n, unmap_1);
        cr_assert_eq(hipt_reverse(rig.table, (struct hipt_frame){.pfn = vpn / 3u}, out, 4, &count), HIPT_OK);
        (void)step_interrupted();
        while (count-- > 0) {
            reported += out[count].page.vpn == vpn;
        }
        cr_assert_eq(reported, 1, "interrupted at %u", n);
        rig_destroy(&rig);
        n++;
    } while (is_done);
}

/* --- what begins by itself */

/* As hipt_map() at once, while grace periods pass. */
static void map_many(uint64_t first, uint64_t count)
{
    uint64_t n;

    for (n = first; n < first + count; n++) {
        enum hipt_status status;

        do {
            status = map(0, n, n);
            rig_pass(&rig);
        } while (status == HIPT_BUSY);
        cr_assert_eq(status, HIPT_OK, "page %llu: %d", (unsigned long long)n, (int)status);
    }
}

static void start_growing(uint64_t capacity_max)
{
    rig_init(&rig);
    rig.config.buckets = 16;
    rig.config.capacity_max = capacity_max;
    rig.config.resize = HIPT_GROW;
    cr_assert(rig_create(&rig));
    asid = rig_asid(&rig).number;
}

static void cr_assert_pages(uint64_t count)
{
    uint64_t n;

    for (n = 0; n < count; n++) {
        cr_assert_eq(pfn_of(n), n, "page %llu", (unsigned long long)n);
    }
    cr_assert_eq(pfn_of(count), UINT64_MAX);
}

/* There are enough buckets all the time, and as many overflow lines are counted as there are. */
Test(resize, grows_by_itself)
{
    struct hipt_stats stats;
    uint64_t buckets = 16;
    uint64_t grown = 0;
    uint64_t n;

    start_growing(100000);
    for (n = 0; n < 4000u; n++) {
        map_many(n, 1);
        stats = stats_now();
        grown += stats.buckets != buckets;
        cr_assert(stats.buckets == buckets || stats.buckets == 2u * buckets);
        cr_assert(stats.buckets == buckets || n >= 2u * buckets, "too early: at %llu", (unsigned long long)n);
        buckets = stats.buckets;
        cr_assert_lt(n, 5u * buckets + 8u, "too late: %llu buckets", (unsigned long long)buckets);
        cr_assert_eq(stats.lines_linked, rig.table->buckets.shard[0]->lines);
        cr_assert_eq(stats.mappings, n + 1u);
    }
    cr_assert_eq(grown, stats.resizes);
    cr_assert_geq(buckets, 1024u);
    cr_assert_pages(4000);
    rig_destroy(&rig);
}

static uint64_t blocks_then; /* of the host's, when the other one had its array in place; 0: it had none */

static void resize_beside(void)
{
    is_done = true;
    blocks_then = hipt_resize(rig.table, 200, false) == HIPT_OK ? atomic_load(&rig.host.blocks) : 0;
    atomic_store(&rig.host.waits, 0); /* another thread would be in no read side */
}

/* => as many pages as it takes to let the table grow with the last one. */
static uint64_t pages_to_grow(void)
{
    uint64_t n = 0;

    start_growing(100000);
    while (stats_now().resizes == 0) {
        map_many(n++, 1);
    }
    rig_destroy(&rig);
    return n;
}

/* F2: wherever another resize comes in between, one of the two has its array in place; the other one is given back. */
Test(resize, F2_grows_beside_another_resize)
{
    uint64_t pages = pages_to_grow();
    unsigned given_back = 0;
    unsigned n = 0;
    bool more = true;

    while (more) {
        start_growing(100000);
        map_many(0, pages - 1u);
        blocks_then = 0;
        step_interrupt(NULL, NULL, n++, resize_beside);
        cr_assert_eq(map(0, pages - 1u, pages - 1u), HIPT_OK, "interrupted at %u", n);
        more = step_interrupted();
        cr_assert_eq(stats_now().resizes, 1, "interrupted at %u", n);
        cr_assert(blocks_then != 0 || stats_now().buckets == 32u);
        given_back += blocks_then > atomic_load(&rig.host.blocks);
        move_all();
        cr_assert_pages(pages);
        cr_assert_eq(stats_now().buckets_past, 0);
        rig_destroy(&rig);
    }
    cr_assert_gt(given_back, 0);
}

/* What a put does that finds it due. */
static void ask_for(unsigned due)
{
    hipti_store_relaxed(&rig.table->buckets.shard[0]->due, due);
    hipti_store_relaxed(&rig.table->buckets.due, 1u);
}

/* X1: who could not put his map is told to try again only if the secret is another one by what he has done. */
Test(resize, X1_rekeys_beside_another_resize)
{
    unsigned begun[2] = {0, 0};
    unsigned n = 0;
    bool more = true;

    while (more) {
        bool has_begun;

        start_growing(100000);
        map_many(0, 10);
        ask_for(HIPT_REKEY);
        step_interrupt(NULL, NULL, n++, resize_beside);
        has_begun = hipti_resize_on_own(rig.table, 1, HIPT_FULL);
        more = step_interrupted();
        cr_assert_eq(has_begun, hipti_buckets_now(&rig.table->buckets, 0)->secret == 2u, "interrupted at %u", n);
        cr_assert_eq(stats_now().resizes, 1);
        begun[has_begun]++;
        move_all();
        cr_assert_pages(10);
        rig_destroy(&rig);
    }
    cr_assert(begun[false] > 5u && begun[true] > 1u);
}

/* Overflow lines have gone since they asked for more buckets. */
Test(resize, does_not_grow_when_it_is_late)
{
    start_growing(100000);
    map_many(0, 10);
    ask_for(HIPT_GROW);
    map_many(10, 1);
    cr_assert_eq(rig.table->buckets.due, 0);
    cr_assert_eq(stats_now().resizes, 0);
    rig_destroy(&rig);
}

Test(resize, does_not_grow_unless_asked)
{
    start_growing(100000);
    rig_destroy(&rig);
    rig.config.resize = HIPT_REKEY;
    cr_assert(rig_create(&rig));
    asid = rig_asid(&rig).number;
    map_many(0, 150);
    cr_assert_eq(stats_now().resizes, 0);
    rig_destroy(&rig);
}

/* At its last size it stays, and does not try again. */
Test(resize, grows_to_the_maximum)
{
    uint64_t calls;

    start_growing(100);
    map_many(0, 150);
    cr_assert_eq(stats_now().buckets, 100u * 5u / 14u + 1u);
    calls = rig.host.calls;
    rig.host.fail_first = calls + 1u;
    rig.host.fail_last = UINT64_MAX;
    cr_assert_eq(rig.table->buckets.now[0]->crowd, UINT32_MAX);
    cr_assert_eq(hipt_resize(rig.table, 100, false), HIPT_NOMEM);
    cr_assert_eq(hipt_resize(rig.table, 101, false), HIPT_MANY_BUCKETS);
    cr_assert_eq(rig.host.calls, calls + 1u, "one try for 100, none for 101");
    rig.host.fail_last = 0;
    cr_assert_pages(150);
    rig_destroy(&rig);
}

/* => pages, of which the last is in overflow line @lines. */
static uint64_t map_until(uint64_t first, uint32_t lines)
{
    while (rig.table->buckets.shard[0]->lines < lines) {
        map_many(first++, 1);
    }
    return first;
}

/* No memory for it: maps go on, and it is tried again when there are an eighth more overflow lines, never waiting. */
Test(resize, grows_later_without_memory)
{
    uint64_t n;

    start_growing(100000);
    rig_destroy(&rig);
    rig.config.buckets = 260;
    cr_assert(rig_create(&rig));
    asid = rig_asid(&rig).number;
    n = map_until(0, 65);
    rig.host.never_hurries = true;
    n = map_until(n, 66);
    rig.host.never_hurries = false;
    cr_assert_eq(rig.table->buckets.now[0]->crowd, 66u + 8u + 1u, "put off");
    n = map_until(n, 74);
    cr_assert_eq(stats_now().resizes, 0);
    n = map_until(n, 75);
    cr_assert_eq(stats_now().resizes, 1);
    cr_assert_eq(stats_now().buckets, 520);
    cr_assert_pages(n);
    rig_destroy(&rig);
}

/* Both are due at the last size: another secret is still to be had. */
Test(resize, X1_rekeys_at_the_maximum)
{
    start_growing(0);
    rig_destroy(&rig);
    rig.config.resize = HIPT_GROW | HIPT_REKEY;
    cr_assert(rig_create(&rig));
    asid = rig_asid(&rig).number;
    (void)map_until(0, 4);
    hipti_store_relaxed(&rig.table->buckets.now[0]->crowd, 4u);
    ask_for(HIPT_GROW | HIPT_REKEY);
    map_many(RIG_FRAMES - 1u, 1);
    cr_assert_eq(stats_now().resizes, 1);
    cr_assert_eq(stats_now().buckets, 16);
    cr_assert_eq(rig.table->buckets.now[0]->secret, 2);
    rig_destroy(&rig);
}

enum { CHAIN = HIPT_CHAIN_LINES_MAX * HIPT_SLOTS };

/* As many pages as a chain holds and one more, all of them in one bucket. */
static void choose(struct hipt_mapping *m, size_t count)
{
    struct hipt_page page = {.asid = asid};
    uint32_t bucket = hipti_page_place(rig.table, &page).bucket;
    size_t i = 0;

    for (; i < count; page.vpn++) {
        if (hipti_page_place(rig.table, &page).bucket == bucket) {
            m[i] = rig_mapping(asid, 0, page.vpn, i);
            i++;
        }
    }
}

/* => the first vpn from @from on whose bucket is not that of @vpn. */
static uint64_t vpn_elsewhere(uint64_t vpn, uint64_t from)
{
    struct hipt_page page = {.asid = asid, .vpn = vpn};
    uint32_t bucket = hipti_page_place(rig.table, &page).bucket;

    for (page.vpn = from; hipti_page_place(rig.table, &page).bucket == bucket; page.vpn++) {
    }
    return page.vpn;
}

static void start_rekeying(unsigned resize)
{
    rig_init(&rig);
    rig.config.buckets = 64;
    rig.config.resize = resize;
    cr_assert(rig_create(&rig));
    asid = rig_asid(&rig).number;
}

/* X1: keys that were chosen to fill a chain. It is counted; a table made so takes another secret, and maps them all. */
Test(resize, X1_rekeys_by_itself)
{
    struct hipt_mapping m[CHAIN + 1];
    uint32_t secret;
    size_t i;

    for (i = 0; i < 2u; i++) {
        size_t at;

        start_rekeying(i == 0 ? HIPT_GROW : HIPT_GROW | HIPT_REKEY);
        choose(m, CHAIN + 1u);
        for (at = 0; at < CHAIN; at++) {
            cr_assert_eq(hipt_map(rig.table, &m[at]), HIPT_OK);
        }
        secret = rig.table->buckets.now[0]->secret;
        cr_assert_eq(stats_now().chains_full, 0);
        cr_assert_eq(hipt_map(rig.table, &m[CHAIN]), i == 0 ? HIPT_FULL : HIPT_OK);
        cr_assert_eq(stats_now().chains_full, 1);
        cr_assert_eq(stats_now().resizes, i);
        cr_assert_eq(stats_now().buckets, 64);
        cr_assert_eq(rig.table->buckets.now[0]->secret, secret + i);
        for (at = 0; at < CHAIN + i; at++) {
            cr_assert_eq(pfn_of(m[at].page.vpn), at);
        }
        rig_destroy(&rig);
    }
}

/* The same for a batch: only what finds its chain full is tried again, with all that follows as it would be. */
Test(resize, X1_batches_rekey)
{
    struct hipt_mapping m[2 * CHAIN + 2];
    enum hipt_status status[2 * CHAIN + 2];
    size_t i;
    size_t at;

    for (i = 0; i < 2u; i++) {
        start_rekeying(i == 0 ? 0 : HIPT_REKEY);
        choose(m, 2u * CHAIN + 1u);
        m[2 * CHAIN + 1] = rig_mapping(asid, 0, vpn_elsewhere(m[0].page.vpn, 1u << 20), 4000);
        m[CHAIN + 2].page.vpn = RIG_VPNS; /* one that is refused, among them */
        cr_assert_eq(hipt_map_batch(rig.table, m, 2u * CHAIN + 2u, status), i == 0 ? CHAIN + 1u : 2u * CHAIN + 1u);
        for (at = 0; at < 2u * CHAIN + 2u; at++) {
            enum hipt_status wanted = i == 0 && at >= CHAIN && at <= 2u * CHAIN ? HIPT_FULL : HIPT_OK;

            wanted = at == CHAIN + 2u ? HIPT_BAD_VPN : wanted;
            cr_assert_eq(status[at], wanted, "entry %zu of %zu: %d", at, i, (int)status[at]);
            cr_assert_eq(pfn_of(m[at].page.vpn), wanted == HIPT_OK ? m[at].pfn : UINT64_MAX);
        }
        rig_destroy(&rig);
    }
}

/* And for a range: of as many pages in a row as fill one of two chains. */
Test(resize, X1_ranges_rekey)
{
    struct hipt_page page = {.vpn = 0};
    unsigned in_first = 0;
    uint64_t done;
    size_t i;

    enum { ROW = 48 };

    for (i = 0; i < 2u; i++) {
        struct hipt_mapping m;

        start_rekeying(i == 0 ? 0 : HIPT_REKEY);
        rig_destroy(&rig);
        rig.config.buckets = 2;
        cr_assert(rig_create(&rig));
        asid = rig_asid(&rig).number;
        page.asid = asid;
        for (page.vpn = 0, in_first = 0; page.vpn < ROW || in_first <= CHAIN; page.vpn++) {
            struct hipt_page gone = {.asid = asid, .vpn = page.vpn - ROW};

            in_first += hipti_page_place(rig.table, &page).bucket == 0;
            in_first -= page.vpn >= ROW && hipti_page_place(rig.table, &gone).bucket == 0;
        }
        m = rig_mapping(asid, 0, page.vpn - ROW, 0);
        cr_assert_eq(hipt_map_range(rig.table, &m, ROW, &done), i == 0 ? HIPT_FULL : HIPT_OK);
        cr_assert(i == 0 ? done < ROW : done == ROW);
        cr_assert_eq(stats_now().resizes, i);
        rig_destroy(&rig);
    }
}

/* A range and a batch make a table grow as maps do. */
Test(resize, ranges_and_batches_grow)
{
    static struct hipt_mapping m[600];
    static enum hipt_status status[600];
    uint64_t done;
    size_t i;

    start_growing(100000);
    test_host_free_run(&rig.host);
    m[0] = rig_mapping(asid, 0, 0, 0);
    cr_assert_eq(hipt_map_range(rig.table, m, 600, &done), HIPT_OK);
    cr_assert_geq(stats_now().buckets, 64);
    rig_destroy(&rig);
    cr_assert(rig_create(&rig));
    test_host_free_run(&rig.host);
    asid = rig_asid(&rig).number;
    for (i = 0; i < 600u; i++) {
        m[i] = rig_mapping(asid, 0, i, i);
    }
    cr_assert_eq(hipt_map_batch(rig.table, m, 600, status), 600);
    cr_assert_geq(stats_now().buckets, 64);
    rig_destroy(&rig);
}

/* --- far too few buckets */

static void move_to_the_end(void)
{
    while (stats_now().buckets_past != 0) {
        (void)hipt_resize_help(rig.table, 64);
    }
}

/* T1: what does not fit the bound moves all the same, and moves back; maps find the chain full. */
Test(resize, T1_shrinks_too_far)
{
    struct hipt_stats stats;

    start();
    cr_assert_eq(hipt_resize(rig.table, 1, false), HIPT_OK);
    finish();
    stats = stats_now();
    cr_assert_eq(stats.buckets, 1);
    cr_assert_eq(stats.per_bucket[CHAIN], 1);
    cr_assert_eq(stats.chain_lines[HIPT_CHAIN_LINES_MAX], 1);
    cr_assert_eq(stats.mappings, PAGES);
    cr_assert_eq(stats.lines_linked, (PAGES + HIPT_SLOTS - 1u) / HIPT_SLOTS - 1u);
    cr_assert_eq(stats.lines_linked, rig.table->buckets.shard[0]->lines);
    cr_assert_eq(map(0, 1, 1), HIPT_FULL);
    cr_assert_eq(stats_now().chains_full, 1);
    cr_assert_eq(unmap(3), HIPT_OK); /* whichever line it is in */
    cr_assert_neq(map(0, 3, 1), HIPT_OK);
    rig_pass(&rig);
    cr_assert_eq(hipt_resize(rig.table, 1000, false), HIPT_OK);
    cr_assert_eq(map(0, 3, RIG_FRAMES - 1u), HIPT_OK);
    move_to_the_end();
    cr_assert_eq(pfn_of(3), RIG_FRAMES - 1u);
    cr_assert_eq(pfn_of(6), 2);
    rig_destroy(&rig);
}

static unsigned moved; /* buckets, in the interruption */

static void move_some(void)
{
    (void)hipt_resize_help(rig.table, moved);
}

/* T1: a map has claimed its slot in a line that copies push beyond what a header can name. */
Test(resize, T1_claims_are_pushed_out_of_reach)
{
    unsigned full = 0;

    for (moved = 4; moved <= 64u; moved *= 2u) {
        unsigned n = 0;

        do {
            enum hipt_status status;

            start();
            cr_assert_eq(hipt_resize(rig.table, 1, false), HIPT_OK);
            cr_assert_eq(hipt_resize_help(rig.table, 2), HIPT_OK);
            is_done = false;
            interrupting = move_some;
            step_interrupt(NULL, NULL, n, interrupt);
            status = map(0, 1, PAGES);
            (void)step_interrupted();
            cr_assert(status == HIPT_OK || status == HIPT_FULL || status == HIPT_BUSY, "%d", (int)status);
            full += status == HIPT_FULL;
            cr_assert_eq(pfn_of(1), status == HIPT_OK ? PAGES : UINT64_MAX);
            cr_assert_not(rig.table->buckets.now[0]->past &&
                          hipti_buckets_line(&rig.table->buckets, rig.table->buckets.now[0]->first)->header &
                              HIPTI_HEADER_CLOSED);
            move_to_the_end();
            rig_destroy(&rig);
            n += n < 60u ? 1u : 7u; /* the claim and its commit come first */
        } while (is_done);
    }
    cr_assert_gt(full, 0, "no claim was pushed out of reach");
}

/* --- walks */

static unsigned seen[PAGES];

/* => pages seen. None that is not there is. */
static unsigned walk(struct hipt_cursor *cursor, unsigned count)
{
    struct hipt_mapping m;
    unsigned found = 0;

    while (found < count && hipt_table_next(rig.table, cursor, &m) == HIPT_OK) {
        cr_assert(m.page.vpn % 3u == 0 && m.page.vpn / 3u == m.pfn && m.pfn < PAGES && m.page.asid == asid);
        seen[m.pfn]++;
        found++;
    }
    return found;
}

static void cr_assert_seen(bool once)
{
    unsigned n;

    for (n = 0; n < PAGES; n++) {
        cr_assert(once ? seen[n] == 1u : seen[n] > 0, "page %u was seen %u times", n, seen[n]);
    }
    memset(seen, 0, sizeof(seen));
}

/* Wherever a walk is, the table grows or shrinks: each page is seen once; or it takes another secret: each is seen. */
Test(resize, T2_walks_while_the_table_moves)
{
    static const struct {
        uint64_t capacity;
        bool new_secret;
        unsigned help;
    } moves[] = {{4000, false, 0},    {4000, false, 7},   {4000, false, 10000}, {20, false, 0}, {20, false, 7},
                 {20, false, 10000}, {4000, true, 0}, {4000, true, 7},      {20, true, 20},     {0, true, 10000}};
    size_t i;
    unsigned at;

    for (i = 0; i < sizeof(moves) / sizeof(moves[0]); i++) {
        for (at = 0; at <= PAGES; at += 50u) {
            struct hipt_cursor cursor = {0};

            start();
            cr_assert_eq(walk(&cursor, at), at);
            cr_assert_eq(hipt_resize(rig.table, moves[i].capacity, moves[i].new_secret), HIPT_OK);
            (void)hipt_resize_help(rig.table, moves[i].help);
            (void)walk(&cursor, 50);
            (void)hipt_resize_help(rig.table, moves[i].help);
            (void)walk(&cursor, UINT32_MAX);
            cr_assert_seen(!moves[i].new_secret);
            cr_assert_eq(walk(&cursor, 1), 0, "it is over");
            rig_destroy(&rig);
        }
    }
}

/* A walk that began two secrets ago sees each page again. */
Test(resize, T2_walks_over_two_secrets)
{
    struct hipt_cursor cursor = {0};
    unsigned i;

    start();
    cr_assert_eq(walk(&cursor, 100), 100);
    for (i = 0; i < 2u; i++) {
        cr_assert_eq(hipt_resize(rig.table, 0, true), HIPT_OK);
        finish();
    }
    cr_assert_eq(walk(&cursor, UINT32_MAX), PAGES);
    cr_assert_eq(walk(&cursor, UINT32_MAX), 0);
    cr_assert_seen(false);
    rig_destroy(&rig);
}

static void resize_whole(void)
{
    cr_assert_eq(hipt_resize(rig.table, 40, false), HIPT_OK);
    atomic_store(&rig.host.waits, 0); /* as in resize_and_move() */
    move_all();
}

/* The same inside one step of the walk, at each access. */
Test(resize, T2_walks_interrupted_by_a_resize)
{
    unsigned n = 0;

    do {
        struct hipt_cursor cursor = {0};
        struct hipt_mapping m;
        unsigned count = 0;
        uint64_t vpns = 0;

        start_small(false);
        rig_destroy(&rig);
        rig.config.capacity_max = 40;
        cr_assert(rig_create(&rig));
        asid = rig_asid(&rig).number;
        for (count = 0; count < KEYS; count++) {
            cr_assert_eq(map(0, count, count), HIPT_OK);
        }
        is_done = false;
        interrupting = resize_whole;
        step_interrupt(NULL, NULL, n, interrupt);
        for (count = 0; hipt_table_next(rig.table, &cursor, &m) == HIPT_OK; count++) {
            vpns |= UINT64_C(1) << m.page.vpn;
        }
        (void)step_interrupted();
        cr_assert(count == KEYS && vpns == (UINT64_C(1) << KEYS) - 1u, "interrupted at %u", n);
        rig_destroy(&rig);
        n++;
    } while (is_done);
}

/* What is said of a move. */
Test(resize, stats_of_a_move)
{
    struct hipt_stats stats;
    uint64_t bytes;

    start();
    bytes = stats_now().bytes_forward;
    cr_assert_eq(hipt_resize_help(rig.table, 1), HIPT_ABSENT);
    cr_assert_eq(hipt_resize(rig.table, 2000, false), HIPT_OK);
    stats = stats_now();
    cr_assert_eq(stats.buckets_past, 64);
    cr_assert_eq(stats.buckets_left, 0);
    cr_assert_eq(stats.resizes, 1);
    cr_assert_eq(stats.mappings, PAGES);
    cr_assert_geq(stats.bytes_forward, bytes + stats.buckets * 64u);
    cr_assert_eq(hipt_resize_help(rig.table, 3), HIPT_OK);
    cr_assert_eq(stats_now().buckets_left, 3);
    finish();
    stats = stats_now();
    cr_assert_eq(stats.buckets_past, 0);
    cr_assert_eq(stats.buckets_left, 0);
    cr_assert_eq(stats.mappings, PAGES);
    rig_destroy(&rig);
}
