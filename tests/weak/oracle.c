/* SPDX-License-Identifier: MIT */
/*
 * What a run must have been like. For each page of each address space that stays, the operations that concern it are
 * linearizable: they can be put into one order that keeps happens-before, in which every answer is right and which ends
 * in what the table holds. Page by page, because that is what holds in weak memory: two lookups by two threads may
 * disagree about the order of two maps of different pages.
 *
 * Who sees what an operation did to a page also knows what came before that operation's call: the Order of the verbs'
 * contracts. What of this does not concern one page is in knowledge.c.
 */
#include <stdio.h>

#include "weak/history.h"

#include "weak/cpus.h"
#include "weak/memory.h"

/* One page of the model: what it maps to. */
struct state {
    bool is_live;
    struct hipt_mapping mapping;
    unsigned life;
    uint32_t makers; /* the records that made it what it is, from its map on, a bit each */
};

/* One search for an order. */
struct search {
    unsigned asid; /* index */
    unsigned vpn;
    const struct record *record[HISTORY_MAX];
    unsigned count;
    unsigned life[HISTORY_MAX]; /* that a lookup saw, by its place in the history */
};

/* Base pages in a page of a size class: each is four of the class below. */
static unsigned pages_of(unsigned size)
{
    return 1u << 2u * size;
}

/* The first base page of the page of a size class that covers @vpn. */
static unsigned first_around(unsigned vpn, unsigned size)
{
    return vpn & ~(pages_of(size) - 1u);
}

static unsigned first_vpn(const struct op *op)
{
    return first_around(op->vpn, op->size);
}

static bool op_covers(const struct op *op, unsigned asid, unsigned vpn)
{
    return op->asid == asid && (op->kind == LOOKUP ? op->vpn == vpn : first_vpn(op) == first_around(vpn, op->size));
}

/* => whether an operation says something of a page. */
static bool concerns(const struct record *record, unsigned asid, unsigned vpn)
{
    switch (record->op.kind) {
    case MAP:
    case UNMAP:
    case PROTECT:
    case REMAP:
    case SPLIT:
    case COLLAPSE:
    case LOOKUP:
        return op_covers(&record->op, asid, vpn);
    case MARK:
    case CLEAN:
        return record->through >= 0 && op_covers(&history.record[record->through].op, asid, vpn);
    default:
        return false;
    }
}

static bool same_mapping(const struct hipt_mapping *a, const struct hipt_mapping *b)
{
    return a->page.size == b->page.size && a->page.vpn == b->page.vpn && a->pfn == b->pfn && a->prot == b->prot &&
           (a->marks == b->marks || history.program->flags >> 8); /* CPUs mark what they use */
}

static bool is_page(const struct state *state, const struct op *op)
{
    return state->is_live && state->mapping.page.size == op->size;
}

static uint32_t record_bit(const struct record *record)
{
    return UINT32_C(1) << (record - history.record);
}

/* => whether @record knows of all that made the page what it is. */
static bool knows_makers(const struct state *state, const struct record *record)
{
    unsigned i;

    for (i = 0; i < history.nrecords; i++) {
        if (((state->makers >> i) & 1u) && !record_is_known(&history.record[i], record)) {
            return false;
        }
    }
    return true;
}

/* => whether a map may find no memory: where there is none, or where it needs none (F2) never. */
static bool may_lack_memory(const struct record *map)
{
    unsigned i;

    for (i = 0; i < history.nbefore; i++) {
        if (history.before[i].pfn == map->op.pfn) {
            return (history.program->flags & REFUSING) != 0;
        }
    }
    for (i = 0; i < history.nrecords; i++) {
        const struct op *op = &history.record[i].op;

        if (&history.record[i] != map && (op->kind == MAP || op->kind == REMAP) && op->pfn == map->op.pfn) {
            return (history.program->flags & REFUSING) != 0;
        }
    }
    return false;
}

static bool has_reshapes(void)
{
    unsigned i;

    for (i = 0; i < history.nrecords; i++) {
        if (history.record[i].op.kind == SPLIT || history.record[i].op.kind == COLLAPSE) {
            return true;
        }
    }
    return false;
}

static bool step_map(struct state *state, const struct record *record)
{
    const struct op *op = &record->op;

    switch (record->status) {
    case HIPT_OK:
        if (state->is_live) {
            return false;
        }
        state->is_live = true;
        state->life++;
        state->mapping.page.size = op->size;
        state->mapping.page.vpn = first_vpn(op);
        state->mapping.pfn = op->pfn;
        state->mapping.prot = (uint8_t)op->prot;
        state->mapping.marks = 0;
        state->makers = record_bit(record);
        return true;
    case HIPT_NOMEM:
        return may_lack_memory(record);
    case HIPT_EXISTS: /* beside a split or collapse each of these may stand for the other */
        return is_page(state, op) || (state->is_live && has_reshapes());
    case HIPT_OVERLAP: /* a larger page may be overlapped elsewhere */
        return op->size || (state->is_live && (state->mapping.page.size != op->size || has_reshapes()));
    default:
        return record->status == HIPT_BUSY || record->status == HIPT_FULL || record->status == HIPT_BAD_ASID;
    }
}

/* Unmap, protect, remap: of a page that must be there. */
static bool step_update(struct state *state, const struct record *record)
{
    const struct op *op = &record->op;

    if (record->status == HIPT_ABSENT) {
        return !is_page(state, op);
    }
    if (record->status != HIPT_OK) {
        return record->status == HIPT_BUSY || record->status == HIPT_NOMEM;
    }
    if (!is_page(state, op) || (op->kind != PROTECT && !same_mapping(&state->mapping, &record->out)) ||
        !knows_makers(state, record)) {
        return false;
    }
    state->makers |= record_bit(record);
    state->is_live = op->kind != UNMAP;
    state->mapping.prot = (uint8_t)op->prot;
    if (op->kind == REMAP) {
        state->mapping.pfn = op->pfn;
        state->mapping.marks = 0;
    }
    return true;
}

/* Mark, clean: of the very mapping that the lookup saw (T3). */
static bool step_marks(const struct search *search, struct state *state, const struct record *record)
{
    const struct record *lookup = &history.record[record->through];
    uint8_t marks = (uint8_t)record->op.prot;

    if (record->status != HIPT_OK) {
        return record->status == HIPT_CHANGED;
    }
    if (!state->is_live || state->life != search->life[record->through] || state->mapping.pfn != lookup->out.pfn ||
        state->mapping.prot != lookup->out.prot || !knows_makers(state, record)) {
        return false;
    }
    state->makers |= record_bit(record);
    if (record->op.kind == MARK) {
        state->mapping.marks |= marks;
        return true;
    }
    if (record->out.marks != state->mapping.marks && !(history.program->flags >> 8)) {
        return false;
    }
    state->mapping.marks = (uint8_t)(state->mapping.marks & ~marks);
    return true;
}

/* Split, collapse: what the page maps to stays; what changes is the page that it is part of. */
static bool step_reshape(const struct search *search, struct state *state, const struct record *record)
{
    bool is_split = record->op.kind == SPLIT;
    unsigned large = record->op.size;
    unsigned from = is_split ? large : large - 1u;
    unsigned to = is_split ? large - 1u : large;
    unsigned first = first_around(search->vpn, to);

    if (record->status != HIPT_OK) {
        return record->status != HIPT_ABSENT || !is_split || !is_page(state, &record->op);
    }
    if (!state->is_live || state->mapping.page.size != from || !knows_makers(state, record)) {
        return false;
    }
    state->makers |= record_bit(record);
    state->mapping.pfn += first - state->mapping.page.vpn; /* forward for a split, backward for a collapse */
    state->mapping.page.size = to;
    state->mapping.page.vpn = first;
    return true;
}

/* => whether the answer is right in this state, which moves on. */
static bool step(struct search *search, struct state *state, const struct record *record)
{
    switch (record->op.kind) {
    case MAP:
        return step_map(state, record);
    case LOOKUP:
        if (record->status == HIPT_ABSENT) {
            return !state->is_live;
        }
        search->life[record - history.record] = state->life;
        return state->is_live && same_mapping(&state->mapping, &record->out) && knows_makers(state, record);
    case MARK:
    case CLEAN:
        return step_marks(search, state, record);
    case SPLIT:
    case COLLAPSE:
        return step_reshape(search, state, record);
    default:
        return step_update(state, record);
    }
}

static bool is_final(const struct search *search, const struct state *state)
{
    struct hipt_translation found;
    bool is_found = history_lookup(search->asid, search->vpn, &found) == HIPT_OK;

    return is_found == state->is_live && (!is_found || same_mapping(&found.mapping, &state->mapping));
}

/* => whether an operation that is not @done must come before the @i-th. */
static bool must_wait(const struct search *search, unsigned done, unsigned i)
{
    unsigned j;

    for (j = 0; j < search->count; j++) {
        if (j != i && !((done >> j) & 1u) && record_precedes(search->record[j], search->record[i])) {
            return true;
        }
    }
    return false;
}

static bool has_order(struct search *search, struct state state, unsigned done)
{
    unsigned i;

    if (done == (1u << search->count) - 1u) {
        return is_final(search, &state);
    }
    for (i = 0; i < search->count; i++) {
        struct state next = state;

        if (!((done >> i) & 1u) && !must_wait(search, done, i) && step(search, &next, search->record[i]) &&
            has_order(search, next, done | 1u << i)) {
            return true;
        }
    }
    return false;
}

static bool page_is_linearizable(unsigned asid, unsigned vpn)
{
    struct state state = {false, {{0, 0, 0}, 0, 0, 0, 0, false}, 0, 0};
    struct search search;
    unsigned i;

    search.asid = asid;
    search.vpn = vpn;
    search.count = 0;
    for (i = 0; i < history.nbefore; i++) {
        const struct hipt_mapping *before = &history.before[i];

        if (before->page.asid == history.asid[asid].number &&
            before->page.vpn == first_around(vpn, before->page.size)) {
            state.is_live = true;
            state.mapping = *before;
        }
    }
    for (i = 0; i < history.nrecords; i++) {
        if (concerns(&history.record[i], asid, vpn)) {
            search.record[search.count++] = &history.record[i];
        }
    }
    return has_order(&search, state, 0);
}

/* => whether an asid was retired, or allocated, in the run or its setup. */
static bool has_ended(enum kind kind, unsigned asid)
{
    unsigned i;

    for (i = 0; i < PROGRAM_SETUP; i++) {
        if (history.program->setup[i].kind == kind && history.program->setup[i].asid == asid) {
            return true;
        }
    }

    for (i = 0; i < history.nrecords; i++) {
        if (history.record[i].op.kind == kind && history.record[i].op.asid == asid &&
            history.record[i].status == HIPT_OK) {
            return true;
        }
    }
    return false;
}

/* => whether some operation is more than one step for each page. */
static bool has_ranges(void)
{
    unsigned i;

    for (i = 0; i < history.nrecords; i++) {
        if (history.record[i].op.kind == RANGE || history.record[i].op.kind == GATHER) {
            return true;
        }
    }
    return false;
}

static bool judge_pages(void)
{
    unsigned asid;
    unsigned vpn;

    if (has_ranges()) {
        return true;
    }

    for (asid = 0; asid < 2; asid++) {
        for (vpn = 0; vpn < PROGRAM_VPNS && !has_ended(RETIRE, asid); vpn++) {
            if (!page_is_linearizable(asid, vpn)) {
                crew_fail("asid %u vpn %u: no order of the operations explains the answers", asid, vpn);
                return false;
            }
        }
    }
    return true;
}

/* => whether the setup, or an operation that @walk knows of, made a page map to a frame as @mapping has it. */
static bool was_mapped(const struct record *walk, const struct hipt_mapping *mapping)
{
    unsigned i;

    for (i = 0; i < history.nbefore; i++) {
        uint64_t offset = mapping->page.vpn - history.before[i].page.vpn; /* 0, or a part's of what was split */

        if (offset < (has_reshapes() ? pages_of(history.before[i].page.size) : 1u) &&
            history.before[i].pfn + offset == mapping->pfn) {
            return true;
        }
    }
    for (i = 0; i < history.nrecords; i++) {
        const struct op *op = &history.record[i].op;

        if ((op->kind == MAP || op->kind == REMAP) && history.record[i].status == HIPT_OK &&
            first_vpn(op) == mapping->page.vpn && op->pfn == mapping->pfn &&
            record_is_known(&history.record[i], walk)) {
            return true;
        }
    }
    return false;
}

/* => whether every change of a page had returned before @walk was called; what moves a page moves none for reverse. */
static bool is_settled(const struct record *walk, unsigned asid, unsigned vpn)
{
    unsigned i;

    for (i = 0; i < history.nrecords; i++) {
        const struct record *record = &history.record[i];
        enum kind kind = record->op.kind;
        bool is_reshape = kind == SPLIT || kind == COLLAPSE;
        bool is_change =
            kind == MAP || kind == UNMAP || kind == REMAP || (is_reshape && walk->op.kind != REVERSE);

        if (((is_change && op_covers(&record->op, asid, vpn)) || (kind == RETIRE && record->op.asid == asid)) &&
            !record_precedes(record, walk)) {
            return false;
        }
    }
    return true;
}

static unsigned times_seen(const struct record *walk, const struct hipt_mapping *mapping)
{
    unsigned count = 0;
    size_t i;

    for (i = 0; i < walk->nmany; i++) {
        count += walk->many[i].page.asid == mapping->page.asid && walk->many[i].page.vpn == mapping->page.vpn;
    }
    return count;
}

/* F1 beside a split or collapse: a page that maps the frame is given once, as itself or as what it is part of. */
static void judge_parts(const struct record *walk, const struct hipt_mapping *now, unsigned vpn)
{
    unsigned count = 0;
    size_t i;

    for (i = 0; i < walk->nmany; i++) {
        const struct hipt_page *page = &walk->many[i].page;

        count += page->asid == now->page.asid && vpn - page->vpn < pages_of(page->size);
    }
    if (walk->op.pfn - now->pfn == vpn - now->page.vpn && count != 1) {
        crew_fail("F1: %s gives vpn %u, or what it is part of, %u times", kind_name(walk->op.kind), vpn, count);
    }
}

/* F1, and T2 of what a walk says. */
static void judge_walk(const struct record *walk)
{
    struct hipt_translation found;
    unsigned asid;
    unsigned vpn;
    size_t i;

    for (i = 0; i < walk->nmany; i++) {
        if (!was_mapped(walk, &walk->many[i])) {
            crew_fail("T2: %s gives vpn %u with pfn %u, which never was or is not known", kind_name(walk->op.kind),
                      (unsigned)walk->many[i].page.vpn, (unsigned)walk->many[i].pfn);
        }
    }
    for (asid = 0; asid < 2; asid++) {
        for (vpn = 0; vpn < PROGRAM_VPNS; vpn++) {
            bool is_wanted;
            unsigned times;

            if (!is_settled(walk, asid, vpn) ||
                history_lookup(asid, vpn, &found) != HIPT_OK) {
                continue;
            }
            if (walk->op.kind == REVERSE && has_reshapes()) {
                judge_parts(walk, &found.mapping, vpn);
                continue;
            }
            is_wanted = walk->op.kind == NEXT || walk->op.pfn - found.mapping.pfn < pages_of(found.mapping.page.size);
            times = times_seen(walk, &found.mapping);
            /* a walk over the table may give what moves to another shard again */
            if (times != is_wanted && !(times > 1u && walk->op.kind == NEXT && (history.program->flags & NODES))) {
                crew_fail("F1: %s gives vpn %u %u times", kind_name(walk->op.kind), vpn, times);
            }
        }
    }
}

/* A thread's lookup in an asid that it was issued, of a page that nobody mapped there since. */
static bool is_of_earlier_life(const struct record *lookup)
{
    bool is_issued = false;
    bool is_mapped = false;
    unsigned i;

    for (i = 0; i < history.nrecords; i++) {
        const struct record *record = &history.record[i];

        is_issued |= record->op.kind == ALLOC && record->status == HIPT_OK && record->op.asid == lookup->op.asid &&
                     record->thread == lookup->thread && record->index < lookup->index;
        is_mapped |= record->op.kind == MAP && record->op.asid == lookup->op.asid && record->op.vpn == lookup->op.vpn &&
                     !record_precedes(lookup, record);
    }
    return lookup->op.kind == LOOKUP && lookup->status == HIPT_OK && is_issued && !is_mapped;
}

/* => whether some asid of this number was issued in the run, and a map had not returned before that. */
static bool was_mapped_after_issue(const struct hipt_mapping *mapping)
{
    unsigned i;
    unsigned j;

    for (i = 0; i < history.nrecords; i++) {
        const struct record *issue = &history.record[i];

        if (issue->op.kind != ALLOC || issue->status != HIPT_OK ||
            history.asid[issue->op.asid].number != mapping->page.asid) {
            continue;
        }
        for (j = 0; j < history.nrecords; j++) {
            const struct op *op = &history.record[j].op;

            if (op->kind == MAP && history.asid[op->asid].number == mapping->page.asid &&
                first_vpn(op) == mapping->page.vpn && op->pfn == mapping->pfn &&
                !record_precedes(&history.record[j], issue)) {
                return true;
            }
        }
    }
    return false;
}

/* => whether a page of an asid may be mapped at the end: not of a retired one, nor from its earlier life. */
static bool may_remain(const struct hipt_mapping *mapping)
{
    unsigned asid;

    for (asid = 0; asid < PROGRAM_ASIDS; asid++) {
        if (history.asid[asid].number == mapping->page.asid && has_ended(RETIRE, asid)) {
            return was_mapped_after_issue(mapping);
        }
    }
    return true;
}

static void judge_asids(void)
{
    struct hipt_cursor cursor = {0};
    struct hipt_mapping mapping;
    unsigned i;
    unsigned j;

    for (i = 0; i < history.nrecords; i++) {
        if (is_of_earlier_life(&history.record[i])) {
            crew_fail("A1: an asid was issued with a page of its earlier life, vpn %u", history.record[i].op.vpn);
        }
        for (j = 0; j < i; j++) {
            if (history.record[i].op.kind == ALLOC && history.record[j].op.kind == ALLOC &&
                history.record[i].op.asid != history.record[j].op.asid && history.record[i].status == HIPT_OK &&
                history.record[j].status == HIPT_OK &&
                history.asid[history.record[i].op.asid].number == history.asid[history.record[j].op.asid].number &&
                !has_ended(RETIRE, history.record[i].op.asid) && !has_ended(RETIRE, history.record[j].op.asid)) {
                crew_fail("A1: one asid is issued twice");
            }
        }
    }
    while (history_next(&cursor, &mapping) == HIPT_OK) {
        struct hipt_translation found;

        if (!may_remain(&mapping)) {
            crew_fail("A1: vpn %u of a retired asid is still mapped", (unsigned)mapping.page.vpn);
        }
        if (hipt_lookup(history.table, mapping.page.asid, history_vpn(mapping.page.asid, (unsigned)mapping.page.vpn),
                        &found) != HIPT_OK) {
            crew_fail("T1: vpn %u is mapped and no lookup finds it", (unsigned)mapping.page.vpn);
        }
    }
}

/* Unmap everything and reap: every frame comes back, unless it is pinned. */
static void judge_drain(void)
{
    struct hipt_frame frames[PROGRAM_FRAMES];
    struct hipt_cursor cursor = {0};
    struct hipt_mapping mapping;
    char text[200];
    unsigned i;

    while (hipt_table_next(history.table, &cursor, &mapping) == HIPT_OK) {
        if (hipt_unmap(history.table, &mapping.page, NULL) != HIPT_OK) {
            crew_fail("vpn %u can not be unmapped at the end", (unsigned)mapping.page.vpn);
            return;
        }
    }
    for (i = 0; i < 4; i++) {
        (void)hipt_frame_reap(history.table, frames, PROGRAM_FRAMES);
    }
    for (i = 0; i < PROGRAM_FRAMES; i++) {
        struct hipt_frame frame = {i, false};
        struct hipt_frame_status status;

        (void)hipt_frame_get(history.table, frame, &status);
        if (status.pins == 0 && status.state != HIPT_FRAME_FREE) {
            crew_fail("frame %u never becomes free again", i);
        }
    }
    if (!hipt_table_is_valid(history.table, text, sizeof(text))) {
        crew_fail("after all was unmapped: %s", text);
    }
}

void oracle_judge(void)
{
    char text[200];
    unsigned i;

    host_refuse(false);
    for (i = 0; i < CREW_THREADS; i++) {
        if (host_depth(i) > 0) {
            crew_fail("a read side of thread %u is still open", i);
            return;
        }
    }
    if (!hipt_table_is_valid(history.table, text, sizeof(text))) {
        crew_fail("%s", text);
        return;
    }
    if (!judge_pages()) {
        return;
    }
    for (i = 0; i < history.nrecords; i++) {
        if (history.record[i].op.kind == REVERSE || history.record[i].op.kind == NEXT) {
            judge_walk(&history.record[i]);
        }
    }
    judge_asids();
    judge_knowledge();
    judge_accesses();
    judge_drain();
}
