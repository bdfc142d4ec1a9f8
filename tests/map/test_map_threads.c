/* SPDX-License-Identifier: MIT */
/*
 * The verbs beside each other, on the same few pages and frames, by threads that give the processor away before one of
 * 64 accesses to shared words.
 */
#include <criterion/criterion.h>

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "support/rig.h"
#include "support/step.h"

enum { THREADS = 3, ROUNDS = 1500 };

static struct rig rig;
static uint32_t asid;

static void start(unsigned nsizes, unsigned version_bits, unsigned sequence_bits)
{
    uint64_t pfn;

    rig_init(&rig);
    rig.config.buckets = 2;
    rig.config.nsizes = nsizes;
    rig.config.version_bits = version_bits;
    rig.config.sequence_bits = sequence_bits;
    cr_assert(rig_create(&rig));
    test_host_free_run(&rig.host);
    asid = rig_asid(&rig).number;
    for (pfn = 0; pfn < RIG_FRAMES; pfn++) { /* frames with an owner need no grace period between two mappings */
        cr_assert_eq(hipt_frame_pin(rig.table, (struct hipt_frame){.pfn = pfn}), HIPT_OK);
    }
    step_yield_one_in(64);
}

static void stop(void)
{
    step_yield_one_in(0);
    rig_destroy(&rig);
}

/* Where threads meet between the steps of a round. */
struct meeting {
    _Atomic unsigned arrived;
    _Atomic unsigned winners;
    _Atomic uint64_t winner; /* of the last contest: its pfn */
};

static void meet(struct meeting *meeting, unsigned *count)
{
    (*count)++;
    atomic_fetch_add(&meeting->arrived, 1u);
    while (atomic_load(&meeting->arrived) < *count * THREADS) {
        sched_yield();
    }
}

static enum hipt_status mark_page(uint64_t vpn, uint8_t marks, bool clear)
{
    struct hipt_translation translation;
    enum hipt_status status;

    hipt_read_enter(rig.table);
    status = hipt_lookup(rig.table, asid, vpn, &translation);
    if (status == HIPT_OK) {
        status = clear ? hipt_clean(rig.table, &translation, marks) : hipt_mark(rig.table, &translation, marks);
    }
    hipt_read_exit(rig.table);
    return status;
}

/* --- contests */

/* All threads map one page, then all unmap it. */
static void map_and_unmap_one(void *shared, unsigned index)
{
    struct meeting *meeting = (struct meeting *)shared;
    unsigned count = 0;
    unsigned round;

    for (round = 0; round < ROUNDS; round++) {
        struct hipt_mapping m = rig_mapping(asid, 0, round % 7u, index + 1u);
        struct hipt_translation found;
        struct hipt_mapping was;
        enum hipt_status status;

        meet(meeting, &count);
        status = hipt_map(rig.table, &m);
        TEST_HOLDS(status == HIPT_OK || status == HIPT_EXISTS || status == HIPT_BUSY);
        if (status == HIPT_OK) {
            TEST_HOLDS(atomic_fetch_add(&meeting->winners, 1u) == 0);
            atomic_store(&meeting->winner, m.pfn);
        }
        meet(meeting, &count);
        TEST_HOLDS(atomic_load(&meeting->winners) == 1u);
        TEST_HOLDS(hipt_lookup(rig.table, asid, m.page.vpn, &found) == HIPT_OK);
        TEST_HOLDS(found.mapping.pfn == atomic_load(&meeting->winner));
        meet(meeting, &count);
        status = hipt_unmap(rig.table, &m.page, &was);
        TEST_HOLDS(status == HIPT_OK || status == HIPT_ABSENT || status == HIPT_BUSY);
        if (status == HIPT_OK) {
            TEST_HOLDS(atomic_fetch_sub(&meeting->winners, 1u) == 1u);
            TEST_HOLDS(was.pfn == atomic_load(&meeting->winner));
        }
        meet(meeting, &count);
        TEST_HOLDS(atomic_load(&meeting->winners) == 0);
        TEST_HOLDS(hipt_lookup(rig.table, asid, m.page.vpn, &found) == HIPT_ABSENT);
    }
}

/* T1: of several maps of one page one has its way; of several unmaps one. With one page size and with several. */
Test(map, T1_two_inserters_one_winner)
{
    static const unsigned bits[][2] = {{1, 10}, {3, 10}, {3, 1}};
    size_t i;

    for (i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
        struct meeting meeting = {0};

        start(bits[i][0], bits[i][1], HIPT_SEQUENCE_BITS_MAX);
        test_threads(THREADS, map_and_unmap_one, &meeting);
        stop();
    }
}

/* Each thread maps a page of its own size; any two overlap. */
static void map_overlapping(void *shared, unsigned index)
{
    static const uint64_t inside[] = {5, 0, 0};
    struct meeting *meeting = (struct meeting *)shared;
    unsigned count = 0;
    unsigned round;

    for (round = 0; round < ROUNDS; round++) {
        uint64_t base = (uint64_t)(round % 5u) * RIG_LARGE;
        struct hipt_mapping m = rig_mapping(asid, index, base + inside[index], (index + 1u) * RIG_LARGE);
        struct hipt_translation found;
        enum hipt_status status;

        meet(meeting, &count);
        status = hipt_map(rig.table, &m);
        TEST_HOLDS(status == HIPT_OK || status == HIPT_OVERLAP || status == HIPT_BUSY);
        if (status == HIPT_OK) {
            TEST_HOLDS(atomic_fetch_add(&meeting->winners, 1u) == 0); /* T1 */
            atomic_store(&meeting->winner, m.pfn);
        }
        meet(meeting, &count);
        TEST_HOLDS(atomic_load(&meeting->winners) == 1u); /* the smallest gives way to nobody but a live one */
        TEST_HOLDS(hipt_lookup(rig.table, asid, base + 5u, &found) == HIPT_OK);
        TEST_HOLDS(found.mapping.pfn == atomic_load(&meeting->winner));
        meet(meeting, &count);
        if (status == HIPT_OK) {
            TEST_HOLDS(hipt_unmap(rig.table, &m.page, NULL) == HIPT_OK);
            atomic_store(&meeting->winners, 0u);
        }
    }
}

/* T1: of maps of pages of different sizes that overlap, exactly one has its way. */
Test(map, T1_sizes_never_overlap)
{
    unsigned version_bits;

    for (version_bits = 1; version_bits <= HIPT_VERSION_BITS_MAX; version_bits += HIPT_VERSION_BITS_MAX - 1u) {
        struct meeting meeting = {0};

        start(3, version_bits, HIPT_SEQUENCE_BITS_MAX);
        test_threads(THREADS, map_overlapping, &meeting);
        stop();
    }
}

/* --- one page that goes to and fro */

enum { FLIPS = 6000, FLIPPED = 3, A = 100, B = 200 };

struct flip {
    _Atomic bool over;
    _Atomic uint64_t dirtied;  /* dirty marks that were set */
    _Atomic uint64_t reported; /* and that an end has reported */
    _Atomic uint64_t flips;    /* remaps that have returned */
    _Atomic uint64_t compared; /* looks at one mapping from both sides */
};

/* What a mapping says of itself: its attribute and protection go with its frame. */
static struct hipt_mapping flip_mapping(unsigned turn)
{
    struct hipt_mapping m = rig_mapping(asid, 0, FLIPPED, turn % 2u ? B : A);

    m.attr = turn % 2u ? 5 : 2;
    m.prot = turn % 2u ? HIPT_READ | HIPT_WRITE : HIPT_EXEC;
    return m;
}

static void check_flipped(const struct hipt_mapping *m)
{
    struct hipt_mapping expected = flip_mapping(m->pfn == B);

    TEST_HOLDS(m->pfn == A || m->pfn == B);
    expected.marks = m->marks;
    TEST_HOLDS(rig_same(m, &expected)); /* T2 */
}

static void flip_page(struct flip *flip)
{
    unsigned turn;

    for (turn = 1; turn <= FLIPS; turn++) {
        struct hipt_mapping to = flip_mapping(turn);
        struct hipt_mapping was;

        TEST_HOLDS(hipt_remap(rig.table, &to, &was) == HIPT_OK);
        TEST_HOLDS(was.pfn == (turn % 2u ? A : B));
        check_flipped(&was);
        atomic_fetch_add(&flip->flips, 1u);
        atomic_fetch_add(&flip->reported, was.marks & HIPT_DIRTY ? 1u : 0u);
    }
    atomic_store(&flip->over, true);
}

static void dirty_page(struct flip *flip)
{
    struct hipt_translation translation;

    hipt_read_enter(rig.table);
    TEST_HOLDS(hipt_lookup(rig.table, asid, FLIPPED, &translation) == HIPT_OK);
    check_flipped(&translation.mapping);
    if (!(translation.mapping.marks & HIPT_DIRTY)) {
        enum hipt_status status = hipt_mark(rig.table, &translation, HIPT_DIRTY);

        TEST_HOLDS(status == HIPT_OK || status == HIPT_CHANGED);
        atomic_fetch_add(&flip->dirtied, status == HIPT_OK ? 1u : 0u); /* nobody else sets it */
    }
    hipt_read_exit(rig.table);
}

/*
 * T1, T2: never absent, never a mixture. F1: a mapping that a lookup finds before and after a reverse walk, with no
 * remap returned in between, was live all the while: two remaps would be needed to come back to it.
 */
static void look_at_page(struct flip *flip)
{
    uint64_t flips = atomic_load(&flip->flips);
    struct hipt_translation before;
    struct hipt_translation after;
    struct hipt_mapping found;
    struct hipt_frame frame;
    size_t count;

    TEST_HOLDS(hipt_lookup(rig.table, asid, FLIPPED, &before) == HIPT_OK);
    check_flipped(&before.mapping);
    frame = (struct hipt_frame){.pfn = before.mapping.pfn};
    if (hipt_reverse(rig.table, frame, &found, 1, &count) == HIPT_OK) {
        TEST_HOLDS(count == 1u && found.pfn == frame.pfn);
        check_flipped(&found);
    }
    TEST_HOLDS(hipt_lookup(rig.table, asid, FLIPPED, &after) == HIPT_OK);
    if (after.mapping.pfn == frame.pfn && atomic_load(&flip->flips) == flips) {
        TEST_HOLDS(count == 1u);
        atomic_fetch_add(&flip->compared, 1u);
    }
}

static void flip_dirty_look(void *shared, unsigned index)
{
    struct flip *flip = (struct flip *)shared;

    if (index == 0) {
        flip_page(flip);
    }
    while (!atomic_load(&flip->over)) {
        if (index == 1u) {
            dirty_page(flip);
        } else {
            look_at_page(flip);
        }
    }
}

/*
 * T1, T2, F1, S3: lookups and reverse walks beside remaps see the old mapping or the new one, whole; every dirty mark
 * is reported once.
 */
Test(map, T1_T2_F1_S3_remap_beside_lookups)
{
    struct hipt_mapping first;
    struct hipt_mapping was;
    struct flip flip = {0};

    start(1, 10, HIPT_SEQUENCE_BITS_MAX);
    first = flip_mapping(0);
    cr_assert_eq(hipt_map(rig.table, &first), HIPT_OK);
    test_threads(THREADS, flip_dirty_look, &flip);
    cr_assert_eq(hipt_unmap(rig.table, &first.page, &was), HIPT_OK);
    atomic_fetch_add(&flip.reported, was.marks & HIPT_DIRTY ? 1u : 0u);
    cr_assert_gt(atomic_load(&flip.compared), 10);
    cr_assert_gt(atomic_load(&flip.dirtied), 10);
    cr_assert_eq(atomic_load(&flip.reported), atomic_load(&flip.dirtied));
    stop();
}

/* --- updates of one word */

enum { UPDATES = 10000 };

struct updating {
    _Atomic bool over;
};

/* One thread alone marks and cleans, so what it has done stands, whatever happens to the other bits. */
static void mark_and_clean(struct updating *updating)
{
    struct hipt_translation translation;
    unsigned turn;

    for (turn = 0; turn < UPDATES; turn++) {
        uint8_t marks = turn % 2u ? HIPT_DIRTY : HIPT_ACCESSED | HIPT_DIRTY;

        while (mark_page(FLIPPED, marks, false) != HIPT_OK) {
            /* its protection changed between lookup and mark */
        }
        TEST_HOLDS(hipt_lookup(rig.table, asid, FLIPPED, &translation) == HIPT_OK);
        TEST_HOLDS(translation.mapping.marks == marks);
        while (mark_page(FLIPPED, marks, true) != HIPT_OK) {
            /* the same */
        }
        TEST_HOLDS(hipt_lookup(rig.table, asid, FLIPPED, &translation) == HIPT_OK);
        TEST_HOLDS(translation.mapping.marks == 0);
    }
    atomic_store(&updating->over, true);
}

static void update(void *shared, unsigned index)
{
    struct updating *updating = (struct updating *)shared;
    struct hipt_page page = {.asid = asid, .vpn = FLIPPED};
    unsigned turn;

    if (index == 0) {
        mark_and_clean(updating);
    }
    for (turn = 0; !atomic_load(&updating->over); turn++) {
        TEST_HOLDS(hipt_protect(rig.table, &page, turn % 2u ? HIPT_READ : HIPT_READ | HIPT_WRITE) == HIPT_OK);
    }
}

/* T3, S3: changes of protection beside changes of marks lose none of either. */
Test(map, T3_S3_protect_beside_marks)
{
    struct updating updating = {false};
    struct hipt_mapping m;

    start(1, 10, HIPT_SEQUENCE_BITS_MAX);
    m = rig_mapping(asid, 0, FLIPPED, A);
    cr_assert_eq(hipt_map(rig.table, &m), HIPT_OK);
    test_threads(2, update, &updating);
    stop();
}

/* --- the end of an address space */

enum { ENDS = 150 };

struct ending {
    struct meeting meeting;
    struct hipt_asid asid;
    _Atomic uint64_t mapped;
};

static void map_until_retired(struct ending *ending, unsigned index)
{
    uint64_t n;

    for (n = 0; n < 1000u; n++) {
        uint64_t vpn = index * 4u + n % 4u;
        struct hipt_mapping m = rig_mapping(ending->asid.number, (uint32_t)(n & 1u), vpn * RIG_LARGE, vpn * RIG_MEDIUM);
        enum hipt_status status = hipt_map(rig.table, &m);

        if (status == HIPT_BAD_ASID) {
            return;
        }
        atomic_fetch_add(&ending->mapped, status == HIPT_OK);
        TEST_HOLDS(status == HIPT_OK || status == HIPT_EXISTS || status == HIPT_OVERLAP || status == HIPT_BUSY);
        if (n % 3u == 0) {
            status = hipt_unmap(rig.table, &m.page, NULL);
            TEST_HOLDS(status == HIPT_OK || status == HIPT_ABSENT || status == HIPT_BUSY);
        } else if (n % 3u == 1u) {
            m.pfn += 16u * RIG_MEDIUM;
            status = hipt_remap(rig.table, &m, NULL);
            TEST_HOLDS(status == HIPT_OK || status == HIPT_ABSENT || status == HIPT_BUSY);
        }
    }
}

static void end_space(void *shared, unsigned index)
{
    struct ending *ending = (struct ending *)shared;
    unsigned count = 0;
    unsigned round;

    for (round = 0; round < ENDS; round++) {
        struct hipt_cursor cursor = {0};
        struct hipt_mapping left;

        while (index == 0 && hipt_asid_alloc(rig.table, &ending->asid) != HIPT_OK) {
            /* all are in limbo: a grace period has to end */
        }
        meet(&ending->meeting, &count);
        if (index == 0) {
            while (atomic_load(&ending->mapped) < 3u) {
                sched_yield();
            }
            TEST_HOLDS(hipt_asid_retire(rig.table, ending->asid, NULL) == HIPT_OK);
        } else {
            map_until_retired(ending, index);
        }
        meet(&ending->meeting, &count);
        if (index == 0) {
            TEST_HOLDS(hipt_table_next(rig.table, &cursor, &left) == HIPT_ABSENT);
            atomic_store(&ending->mapped, 0);
        }
        meet(&ending->meeting, &count);
    }
}

/* A1, F1: a map, a remap or an unmap beside the retirement of its asid leaves nothing behind, whoever comes last. */
Test(map, A1_retire_beside_maps_leaves_nothing)
{
    static struct ending ending;

    start(2, 10, HIPT_SEQUENCE_BITS_MAX);
    test_threads(THREADS, end_space, &ending);
    stop();
}

/* --- everything at once */

enum { PAGES = 10, STABLE = 4, TURNS = 4000, FIRST_STABLE = 40 * RIG_LARGE };

struct mix {
    _Atomic uint64_t outcomes[HIPT_STATUS_COUNT];
};

/* Stable pages share their frames with those that come and go. */
static struct hipt_mapping stable(unsigned n)
{
    return rig_mapping(asid, 0, FIRST_STABLE + n, 512u + n);
}

static void check_stable(unsigned n)
{
    struct hipt_mapping m = stable(n);
    struct hipt_mapping sharers[64];
    struct hipt_translation found;
    bool reported = false;
    size_t count;
    size_t i;

    TEST_HOLDS(hipt_lookup(rig.table, asid, m.page.vpn, &found) == HIPT_OK);
    TEST_HOLDS(rig_same(&found.mapping, &m));
    TEST_HOLDS(hipt_reverse(rig.table, (struct hipt_frame){.pfn = m.pfn}, sharers, 64, &count) == HIPT_OK);
    for (i = 0; i < count && i < 64u; i++) {
        reported = reported || rig_same(&sharers[i], &m);
        TEST_HOLDS(m.pfn - sharers[i].pfn < RIG_LARGE);
    }
    TEST_HOLDS(reported); /* F1 */
}

static void walk_table(void)
{
    struct hipt_cursor cursor = {0};
    unsigned seen[STABLE] = {0};
    struct hipt_mapping m;
    unsigned n;

    while (hipt_table_next(rig.table, &cursor, &m) == HIPT_OK) {
        TEST_HOLDS(m.page.asid == asid && m.pfn < RIG_FRAMES);
        if (m.page.vpn >= FIRST_STABLE) {
            seen[m.page.vpn - FIRST_STABLE]++;
        }
    }
    for (n = 0; n < STABLE; n++) {
        TEST_HOLDS(seen[n] == 1u);
    }
}

static enum hipt_status any_verb(uint64_t draw)
{
    uint32_t size = (uint32_t)(draw >> 8 & 3u) % rig.config.nsizes;
    uint64_t vpn = (draw >> 10) % PAGES;
    uint64_t pfn = 512u + (draw >> 16) % STABLE;
    struct hipt_mapping m = rig_mapping(asid, size, 0, size ? 512u : pfn);

    m.page.vpn = size == 2u ? 0 : size == 1u ? vpn % 2u * RIG_MEDIUM : vpn * 3u;
    switch (draw & 7u) {
    case 0:
    case 1:
    case 2:
        return hipt_map(rig.table, &m);
    case 3:
    case 4:
        return hipt_unmap(rig.table, &m.page, NULL);
    case 5:
        return hipt_remap(rig.table, &m, NULL);
    case 6:
        return hipt_protect(rig.table, &m.page, HIPT_READ);
    default:
        return mark_page(m.page.vpn, (draw >> 20 & 1u) ? HIPT_DIRTY : HIPT_ACCESSED, draw >> 21 & 1u);
    }
}

static void mix(void *shared, unsigned index)
{
    struct mix *outcome = (struct mix *)shared;
    uint64_t random = index + 77u;
    unsigned i;

    for (i = 0; i < TURNS; i++) {
        enum hipt_status status = any_verb(test_random(&random) >> 24);

        TEST_HOLDS((unsigned)status <= (unsigned)HIPT_CHANGED || status == HIPT_FULL);
        atomic_fetch_add(&outcome->outcomes[status], 1u);
        check_stable(i % STABLE);
        if (i % 64u == index) {
            walk_table();
        }
    }
}

/*
 * T1, T2, F1: all verbs on a few pages and frames miss no stable mapping, and leave a valid table that loses nothing.
 */
Test(map, T1_T2_F1_all_verbs_at_once)
{
    static const unsigned bits[][3] = {{1, 10, 20}, {3, 10, 20}, {3, 1, 20}, {3, 1, 5}};
    size_t i;

    for (i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
        struct mix outcome = {0};
        unsigned n;

        start(bits[i][0], bits[i][1], bits[i][2]);
        for (n = 0; n < STABLE; n++) {
            struct hipt_mapping m = stable(n);

            while (hipt_map(rig.table, &m) == HIPT_BUSY) {
                /* the gate of a narrow sequence */
            }
        }
        test_threads(THREADS, mix, &outcome);
        cr_assert_gt(atomic_load(&outcome.outcomes[HIPT_OK]), 0); /* how many, the gate of a narrow sequence decides */
        cr_assert_gt(atomic_load(&outcome.outcomes[HIPT_EXISTS]), 0);
        stop();
    }
}

/* --- slots and frames that change hands */

enum { HANDS = 60, HAND_TURNS = 12, SHARED = 300 };

static void change_hands(void *shared, unsigned index)
{
    struct meeting *meeting = (struct meeting *)shared;
    uint64_t random = index + 3u;
    unsigned count = 0;
    unsigned round;
    unsigned i;

    for (round = 0; round < HANDS; round++) {
        for (i = 0; i < HAND_TURNS; i++) {
            uint64_t draw = test_random(&random) >> 32;
            struct hipt_mapping m = rig_mapping(asid, 0, (draw >> 1) % 5u, SHARED);

            (void)(draw & 1u ? hipt_map(rig.table, &m) : hipt_unmap(rig.table, &m.page, NULL));
        }
        meet(meeting, &count);
        if (index == 0) {
            rig_check(&rig);
        }
        meet(meeting, &count);
    }
}

/*
 * F1, A1: one slot after the other for one frame, in one bucket: every pair and every cell stays with its own mapping.
 */
Test(map, F1_A1_slots_change_hands)
{
    struct meeting meeting = {0};

    start(1, HIPT_VERSION_BITS_MAX, HIPT_SEQUENCE_BITS_MAX);
    step_yield_one_in(8);
    test_threads(THREADS, change_hands, &meeting);
    stop();
}

/* --- growth */

enum { GROWTHS = 10, GROWN = 1500 };

struct growth {
    _Atomic unsigned growing;
};

static void grow_or_walk(void *shared, unsigned index)
{
    struct growth *growth = (struct growth *)shared;
    uint64_t n;

    for (n = 0; index > 0 && n < GROWN; n++) {
        struct hipt_mapping m = rig_mapping(asid, 0, index * 10000u + n, (index - 1u) * 2000u + n);

        TEST_HOLDS(hipt_map(rig.table, &m) == HIPT_OK);
    }
    if (index > 0) {
        atomic_fetch_sub_explicit(&growth->growing, 1u, memory_order_relaxed);
    }
    /* relaxed: no order but the table's own between those that grow it and those that walk over it */
    while (index == 0 && atomic_load_explicit(&growth->growing, memory_order_relaxed) > 0) {
        struct hipt_cursor cursor = {0};
        struct hipt_mapping m;

        while (hipt_table_next(rig.table, &cursor, &m) == HIPT_OK) {
            TEST_HOLDS((m.page.vpn / 10000u - 1u) * 2000u + m.page.vpn % 10000u == m.pfn);
        }
    }
}

/* T2: a walk over a table to which lines are being added sees whole mappings, and only memory that is there. */
Test(map, T2_walk_beside_growth)
{
    unsigned round;

    for (round = 0; round < GROWTHS; round++) {
        struct growth growth = {THREADS - 1};

        rig_init(&rig);
        rig.config.buckets = 256;
        cr_assert(rig_create(&rig));
        test_host_free_run(&rig.host);
        asid = rig_asid(&rig).number;
        step_yield_one_in(64);
        test_threads(THREADS, grow_or_walk, &growth);
        stop();
    }
}
