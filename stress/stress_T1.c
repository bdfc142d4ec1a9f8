/* SPDX-License-Identifier: MIT */
/*
 * T1 on real threads: all verbs on a few pages of two address spaces, every operation recorded with its times, and
 * every history checked for linearizability, reverse walks (F1) included. The threads work in rounds: they record,
 * meet, check one group of pages after the other, and go on from the state that the checked history ended in.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "crew.h"
#include "linear/linear.h"

/* A step records at most two operations; one in 64 walks. A round is long against the meetings around it. */
enum { STEPS = 8192, ROOM = 2 * STEPS + 64, WALK_ROOM = 256 };
enum { SPACES = 2, LARGE_PAGES = 2, GROUPS = SPACES * LARGE_PAGES };

enum { OPERATIONS, CHECKED, WALKS, ANOTHER_TRY, DONE, REFUSED, ROUNDS, WIDEST };

static const struct crew_count counts[] = {
    {"operations", true, false},
    {"operations checked", true, false},
    {"reverse walks checked, by group", true, false},
    {"operations that asked for another try", false, false},
    {"operations that changed something", true, false},
    {"operations that found EXISTS or OVERLAP", true, false},
    {"rounds", true, false},
    {"most possible pasts kept at once", true, true},
    {NULL, false, false},
};

static struct linear_shape shape;
static struct linear_history history;
static uint32_t asid[SPACES];
static uint64_t large; /* base pages of a page of the largest size */
static _Atomic uint32_t next_group; /* to be checked */
static _Atomic uint64_t widest;

static bool start(struct crew *crew)
{
    static const unsigned order[] = {0, 1, 2};
    unsigned i;

    for (i = 0; i < SPACES; i++) {
        asid[i] = crew_asid(crew).number;
    }
    large = UINT64_C(1) << order[crew->options.sizes - 1u];
    crew_pin(crew, 0, crew->range.count * 3u / 4u); /* the others go through limbo */
    return linear_shape_init(&shape, crew->options.sizes, order) &&
           linear_history_init(&history, &shape, GROUPS, crew->options.threads, ROOM, WALK_ROOM);
}

/* One draw: a page, and what it shall translate to. */
static struct hipt_mapping draw_mapping(struct crew *crew, uint64_t *random, uint32_t *group)
{
    struct hipt_mapping m;

    memset(&m, 0, sizeof(m));
    *group = crew_draw(random, GROUPS);
    m.page.asid = asid[*group / LARGE_PAGES];
    m.page.size = crew_draw(random, crew->options.sizes);
    m.page.vpn = *group % LARGE_PAGES * large + (crew_draw(random, (unsigned)large) >> m.page.size << m.page.size);
    m.pfn = (uint64_t)crew_draw(random, (unsigned)crew->range.count) >> 2 << 2;
    m.prot = (uint8_t)(HIPT_READ | crew_draw(random, 8) << 1);
    m.attr = (uint8_t)crew_draw(random, HIPT_ATTR_MAX + 1u);
    return m;
}

static uint64_t group_first(uint32_t group)
{
    return group % LARGE_PAGES * large;
}

static uint64_t word_of(const struct hipt_mapping *mapping, uint32_t group)
{
    return linear_word(&shape, mapping, asid[group / LARGE_PAGES], group_first(group));
}

/* A lookup, and sometimes a mark or a clean of what it found, in one read side. */
static void look(struct crew *crew, unsigned thread, uint64_t *random, const struct hipt_mapping *m, uint32_t group)
{
    unsigned place = linear_place(&shape, 0, m->page.vpn - group_first(group));
    struct linear_op *op = linear_begin(&history, thread, LINEAR_LOOKUP, group, place, 0);
    struct hipt_translation translation;
    enum hipt_status status;
    bool clean = crew_draw(random, 2);
    uint64_t word;

    hipt_read_enter(crew->table);
    status = hipt_lookup(crew->table, m->page.asid, m->page.vpn, &translation);
    linear_end(op);
    word = status == HIPT_OK ? word_of(&translation.mapping, group) : 0;
    linear_commit(&history, thread, op, status, word);
    if (status == HIPT_OK && crew_draw(random, 2)) {
        uint8_t marks = (uint8_t)(1u + crew_draw(random, 3));

        place = linear_place(&shape, translation.mapping.page.size,
                             translation.mapping.page.vpn - group_first(group));
        op = linear_begin(&history, thread, clean ? LINEAR_CLEAN : LINEAR_MARK, group, place, word);
        op->marks = marks;
        status = (clean ? hipt_clean : hipt_mark)(crew->table, &translation, marks);
        linear_end(op);
        linear_commit(&history, thread, op, status, word_of(&translation.mapping, group));
        crew_add(crew, thread, OPERATIONS, 1);
    }
    hipt_read_exit(crew->table);
}

/* Maps and unmaps also as batches of one. */
static enum hipt_status change_page(struct crew *crew, enum linear_verb verb, const struct hipt_mapping *m,
                                    struct hipt_mapping *was, bool in_batch)
{
    enum hipt_status status;

    switch (verb) {
    case LINEAR_MAP:
        if (in_batch) {
            (void)hipt_map_batch(crew->table, m, 1, &status);
            return status;
        }
        return hipt_map(crew->table, m);
    case LINEAR_UNMAP:
        if (in_batch) {
            (void)hipt_unmap_batch(crew->table, &m->page, 1, was, &status);
            return status;
        }
        return hipt_unmap(crew->table, &m->page, was);
    case LINEAR_REMAP:
        return hipt_remap(crew->table, m, was);
    default:
        return hipt_protect(crew->table, &m->page, m->prot);
    }
}

static void change(struct crew *crew, unsigned thread, uint64_t *random, const struct hipt_mapping *m, uint32_t group)
{
    static const enum linear_verb verbs[] = {LINEAR_MAP, LINEAR_MAP, LINEAR_MAP, LINEAR_UNMAP, LINEAR_UNMAP,
                                             LINEAR_REMAP, LINEAR_PROTECT};
    enum linear_verb verb = verbs[crew_draw(random, sizeof(verbs) / sizeof(verbs[0]))];
    unsigned place = linear_place(&shape, m->page.size, m->page.vpn - group_first(group));
    struct linear_op *op = linear_begin(&history, thread, verb, group, place,
                                        verb == LINEAR_PROTECT ? m->prot : word_of(m, group));
    struct hipt_mapping was;
    enum hipt_status status = change_page(crew, verb, m, &was, crew_draw(random, 2) != 0);
    bool has_result = status == HIPT_OK && (verb == LINEAR_UNMAP || verb == LINEAR_REMAP);

    linear_end(op);
    linear_commit(&history, thread, op, status, has_result ? word_of(&was, group) : 0);
    crew_add(crew, thread, DONE, status == HIPT_OK);
    crew_add(crew, thread, REFUSED, status == HIPT_EXISTS || status == HIPT_OVERLAP);
    if (status > HIPT_CHANGED && status != HIPT_NOMEM && status != HIPT_FULL) {
        crew_broken(crew, "a verb answers: %s", hipt_strerror(status));
    }
}

/* => the place of a mapping that a walk reports, as a bit; 0: it is on no page that there is. */
static uint64_t walked_place(const struct hipt_mapping *found)
{
    uint64_t space = found->page.asid == asid[0] ? 0 : 1u;
    uint64_t group = space * LARGE_PAGES + found->page.vpn / large;

    if ((found->page.asid != asid[0] && found->page.asid != asid[1]) || found->page.vpn >= LARGE_PAGES * large) {
        return 0;
    }
    return UINT64_C(1) << (group * shape.nplaces + linear_place(&shape, found->page.size, found->page.vpn % large));
}

static void walk(struct crew *crew, unsigned thread, uint64_t *random)
{
    struct linear_walk walk = {.pfn = crew_draw(random, (unsigned)crew->range.count), .swap = false};
    struct hipt_mapping found[LINEAR_WALKED_MAX];
    size_t count;
    size_t i;

    walk.begin = linear_now();
    (void)hipt_reverse(crew->table, (struct hipt_frame){.pfn = walk.pfn, .swap = false}, found, LINEAR_WALKED_MAX,
                       &count);
    walk.end = linear_now();
    for (i = 0; i < count && i < LINEAR_WALKED_MAX; i++) {
        uint64_t place = walked_place(&found[i]);

        if (place == 0) {
            crew_broken(crew, "a reverse walk reports vpn %" PRIu64 ", which is never mapped", found[i].page.vpn);
        }
        walk.reported |= place;
    }
    (void)linear_record_walk(&history, thread, walk);
}

/* What a round ended with: recorded by thread 0 with all others at rest, so it is checked too. */
static void record_state(struct crew *crew)
{
    uint32_t group;
    uint64_t offset;

    for (group = 0; group < GROUPS; group++) {
        for (offset = 0; offset < large; offset++) {
            struct linear_op *op = linear_begin(&history, 0, LINEAR_LOOKUP, group, (unsigned)offset, 0);
            struct hipt_translation t;
            enum hipt_status status = hipt_lookup(crew->table, asid[group / LARGE_PAGES],
                                                  group_first(group) + offset, &t);

            linear_end(op);
            linear_commit(&history, 0, op, status, status == HIPT_OK ? word_of(&t.mapping, group) : 0);
        }
    }
}

static void adopt(const struct hipt_mapping *m)
{
    uint32_t group = (m->page.asid == asid[0] ? 0 : LARGE_PAGES) + (uint32_t)(m->page.vpn / large);

    history.start[group * shape.nplaces + linear_place(&shape, m->page.size, m->page.vpn % large)] = word_of(m, group);
}

static void adopt_by_walk(struct crew *crew)
{
    struct hipt_cursor cursor = {0};
    struct hipt_mapping m;

    while (hipt_table_next(crew->table, &cursor, &m) == HIPT_OK) {
        adopt(&m);
    }
}

/* The next round starts with it. */
static void adopt_state(struct crew *crew)
{
    linear_history_clear(&history);
    memset(history.start, 0, (size_t)GROUPS * shape.nplaces * sizeof(*history.start));
    adopt_by_walk(crew);
}

/* The canary: a lookup finds what nobody has mapped. */
static void spoil(void)
{
    struct linear_op *op = &history.thread[0].op[history.thread[0].count / 2u];

    while (op->verb != LINEAR_LOOKUP) { /* the last ones are lookups */
        op++;
    }
    op->outcome = HIPT_OK;
    op->result ^= UINT64_C(1) << 39;
}

static void record_round(struct crew *crew, unsigned thread, uint64_t *random)
{
    struct hipt_frame frames[8];
    unsigned i;

    for (i = 0; i < STEPS && !crew_is_over(crew); i++) {
        uint32_t group;
        struct hipt_mapping m = draw_mapping(crew, random, &group);
        unsigned what = crew_draw(random, 64);

        if (what == 0) {
            walk(crew, thread, random);
        } else if (what == 1u) {
            (void)hipt_frame_reap(crew->table, frames, 8);
        } else if (what < 26u) {
            look(crew, thread, random, &m, group);
        } else {
            change(crew, thread, random, &m, group);
        }
        crew_add(crew, thread, OPERATIONS, 1);
    }
}

static void check_group(struct crew *crew, unsigned thread, uint32_t group)
{
    struct linear_report report;

    if (!linear_check(&history, group, GROUPS, &report)) {
        crew_broken(crew, "not linearizable: group %u, %s", report.group, report.what);
        linear_print(stderr, &history, &report);
    }
    crew_add(crew, thread, CHECKED, report.checked);
    crew_add(crew, thread, WALKS, report.walks);
    if (report.widest > atomic_load(&widest)) {
        atomic_store(&widest, report.widest); /* two at once: one is lost */
    }
}

/* Each thread takes groups as long as there are any. */
static void check_round(struct crew *crew, unsigned thread)
{
    uint32_t group;

    while ((group = atomic_fetch_add(&next_group, 1u)) < GROUPS) {
        check_group(crew, thread, group);
    }
    crew_add(crew, thread, ANOTHER_TRY, history.thread[thread].dropped);
}

static void body(struct crew *crew, unsigned thread)
{
    uint64_t random = crew_seed(crew, thread);
    bool goes_on = true;

    while (goes_on) {
        record_round(crew, thread, &random);
        (void)crew_meet(crew);
        if (thread == 0) {
            record_state(crew);
            if (crew->options.canary) {
                spoil();
            }
        }
        (void)crew_meet(crew);
        check_round(crew, thread);
        (void)crew_meet(crew);
        if (thread == 0) {
            crew_add(crew, 0, ROUNDS, 1);
            adopt_state(crew);
            atomic_store(&next_group, 0);
        }
        goes_on = crew_meet(crew);
    }
}

static void finish(struct crew *crew)
{
    crew_add(crew, 0, WIDEST, atomic_load(&widest));
    linear_history_end(&history);
}

int main(int argc, char **argv)
{
    static const struct crew_program program = {
        .letter = "T1",
        .claim = "lookup, map, unmap, protect, remap, mark and clean of one page are linearizable",
        .count = counts,
        .asid_bits = 2,
        .start = start,
        .body = body,
        .finish = finish,
    };

    return crew_main(&program, argc, argv);
}
