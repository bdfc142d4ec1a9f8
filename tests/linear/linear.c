/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "linear/linear.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#if defined(__x86_64__)
#include <x86intrin.h>
#endif

/* A word: a mapping in 64 bits. */
#define WORD_PRESENT (UINT64_C(1) << 63)
#define WORD_PLACE_SHIFT 50u
#define WORD_SWAP_SHIFT 49u
#define WORD_ATTR_SHIFT 46u
#define WORD_MARKS_SHIFT 44u
#define WORD_PROT_SHIFT 40u
#define WORD_MARKS (UINT64_C(3) << WORD_MARKS_SHIFT)
#define WORD_PFN ((UINT64_C(1) << WORD_PROT_SHIFT) - 1u)
#define NOWHERE 63u
#define WORD_NONE 1u /* no word: it says nothing of being present */

#define PASTS_MAX 8192u /* 2^8 sets of open operations and a few states each */

/* --- shapes and words */

static unsigned shape_pages(const struct linear_shape *shape, unsigned size)
{
    return 1u << (shape->order[shape->nsizes - 1u] - shape->order[size]);
}

static unsigned place_size(const struct linear_shape *shape, unsigned place)
{
    unsigned size = shape->nsizes - 1u;

    while (shape->first[size] > place) {
        size--;
    }
    return size;
}

/* The base pages of a place, a bit each. */
static uint64_t place_extent(const struct linear_shape *shape, unsigned place)
{
    unsigned size = place_size(shape, place);
    unsigned pages = 1u << shape->order[size];

    return ((UINT64_C(1) << pages) - 1u) << ((place - shape->first[size]) * pages);
}

bool linear_shape_init(struct linear_shape *shape, unsigned nsizes, const unsigned *order)
{
    unsigned a;
    unsigned b;

    memset(shape, 0, sizeof(*shape));
    shape->nsizes = nsizes;
    memcpy(shape->order, order, nsizes * sizeof(*order));
    for (a = 0; a < nsizes; a++) {
        if (order[nsizes - 1u] - order[a] > 2u) {
            return false;
        }
        shape->first[a] = shape->nplaces;
        shape->nplaces += shape_pages(shape, a);
    }
    if (order[0] != 0 || shape->nplaces > LINEAR_PLACES_MAX) {
        return false;
    }
    for (a = 0; a < shape->nplaces; a++) {
        for (b = 0; b < shape->nplaces; b++) {
            if (a != b && (place_extent(shape, a) & place_extent(shape, b))) {
                shape->overlaps[a] |= 1u << b;
            }
        }
    }
    return true;
}

unsigned linear_place(const struct linear_shape *shape, uint32_t size, uint64_t offset)
{
    return shape->first[size] + (unsigned)(offset >> shape->order[size]);
}

uint64_t linear_word(const struct linear_shape *shape, const struct hipt_mapping *mapping, uint32_t asid,
                     uint64_t first)
{
    uint64_t offset = mapping->page.vpn - first;
    uint64_t place = NOWHERE;

    if (mapping->page.asid == asid && mapping->page.size < shape->nsizes &&
        offset < UINT64_C(1) << shape->order[shape->nsizes - 1u]) {
        place = linear_place(shape, mapping->page.size, offset);
    }
    return WORD_PRESENT | place << WORD_PLACE_SHIFT | (uint64_t)mapping->swap << WORD_SWAP_SHIFT |
           (uint64_t)mapping->attr << WORD_ATTR_SHIFT | (uint64_t)mapping->marks << WORD_MARKS_SHIFT |
           (uint64_t)mapping->prot << WORD_PROT_SHIFT | mapping->pfn;
}

static unsigned word_place(uint64_t word)
{
    return (unsigned)(word >> WORD_PLACE_SHIFT) & NOWHERE;
}

static uint64_t word_with_prot(uint64_t word, uint64_t prot)
{
    return (word & ~(UINT64_C(15) << WORD_PROT_SHIFT)) | prot << WORD_PROT_SHIFT;
}

/* --- the clock */

/*
 * Real time orders operations only if a store of one has arrived before its end is taken, and a load of the next is not
 * made before its beginning is: processors delay the one and hasten the other, also across a clock. So a full fence
 * stands before the clock, and after it a load waits until it has been read.
 *
 * The processors' counters of cycles are one clock for all if the kernel takes its own time from them, which it does
 * only after having compared them; on other machines, and where that is not to be had, the kernel's time is taken.
 */
#if defined(__x86_64__)
static bool has_counter;

static void clock_choose(void)
{
    FILE *file = fopen("/sys/devices/system/clocksource/clocksource0/current_clocksource", "r");
    char name[8] = "";

    if (file) {
        has_counter = fgets(name, sizeof(name), file) && strcmp(name, "tsc\n") == 0;
        fclose(file);
    }
}

static bool counter_read(uint64_t *count)
{
    if (has_counter) {
        _mm_mfence();
        _mm_lfence();
        *count = __rdtsc();
        _mm_lfence();
    }
    return has_counter;
}

/* The same without waiting for earlier stores: they are of operations whose ends have waited for them. */
static bool counter_read_first(uint64_t *count)
{
    if (has_counter) {
        _mm_lfence();
        *count = __rdtsc();
        _mm_lfence();
    }
    return has_counter;
}
#else
static void clock_choose(void)
{
}

static bool counter_read(uint64_t *count)
{
    (void)count;
    return false;
}

#define counter_read_first counter_read
#endif

uint64_t linear_now(void)
{
    struct timespec now;
    uint64_t count;

    if (counter_read(&count)) {
        return count;
    }
    atomic_thread_fence(memory_order_seq_cst);
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    atomic_thread_fence(memory_order_seq_cst);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static uint64_t now_first(void)
{
    uint64_t count;

    return counter_read_first(&count) ? count : linear_now();
}

/* --- recording */

/* => zeroed memory in cache lines of its own. */
static void *alloc_apart(size_t bytes)
{
    size_t whole = (bytes + LINEAR_APART - 1u) / LINEAR_APART * LINEAR_APART;
    void *memory = aligned_alloc(LINEAR_APART, whole);

    return memory ? memset(memory, 0, whole) : NULL;
}

bool linear_history_init(struct linear_history *history, const struct linear_shape *shape, uint32_t groups,
                         unsigned nthreads, size_t room, size_t walk_room)
{
    unsigned t;

    clock_choose();
    memset(history, 0, sizeof(*history));
    history->shape = shape;
    history->groups = groups;
    history->nthreads = nthreads;
    if (nthreads > LINEAR_THREADS_MAX || room >= UINT32_MAX ||
        (walk_room > 0 && groups * shape->nplaces > LINEAR_WALKED_MAX)) {
        history->nthreads = 0;
        return false;
    }
    history->start = calloc((size_t)groups * shape->nplaces, sizeof(uint64_t));
    for (t = 0; t < nthreads; t++) {
        struct linear_thread *thread = &history->thread[t];

        thread->op = alloc_apart(room * sizeof(*thread->op));
        thread->walk = alloc_apart((walk_room + 1u) * sizeof(*thread->walk));
        thread->chain = alloc_apart(groups * 2u * sizeof(*thread->chain));
        thread->room = room;
        thread->walk_room = walk_room;
        if (!history->start || !thread->op || !thread->walk || !thread->chain) {
            linear_history_end(history);
            return false;
        }
    }
    return true;
}

void linear_history_end(struct linear_history *history)
{
    unsigned t;

    for (t = 0; t < history->nthreads; t++) {
        free(history->thread[t].op);
        free(history->thread[t].walk);
        free(history->thread[t].chain);
    }
    free(history->start);
    memset(history, 0, sizeof(*history));
}

void linear_history_clear(struct linear_history *history)
{
    unsigned t;

    for (t = 0; t < history->nthreads; t++) {
        struct linear_thread *thread = &history->thread[t];

        memset(thread->chain, 0, history->groups * 2u * sizeof(*thread->chain));
        thread->count = 0;
        thread->walks = 0;
        thread->dropped = 0;
    }
}

struct linear_op *linear_begin(struct linear_history *history, unsigned thread, enum linear_verb verb, uint32_t group,
                               unsigned place, uint64_t argument)
{
    struct linear_thread *mine = &history->thread[thread];
    struct linear_op *op = &mine->op[mine->count];

    if (mine->count == mine->room) {
        return NULL;
    }
    op->argument = argument;
    op->group = group;
    op->next = 0;
    op->place = (uint8_t)place;
    op->verb = (uint8_t)verb;
    op->marks = 0;
    op->begin = now_first();
    return op;
}

void linear_end(struct linear_op *op)
{
    op->end = linear_now();
}

static bool outcome_says_something(enum hipt_status outcome)
{
    return outcome == HIPT_OK || outcome == HIPT_ABSENT || outcome == HIPT_EXISTS || outcome == HIPT_OVERLAP;
}

void linear_commit(struct linear_history *history, unsigned thread, struct linear_op *op, enum hipt_status outcome,
                   uint64_t result)
{
    struct linear_thread *mine = &history->thread[thread];
    uint32_t *chain = &mine->chain[op->group * 2u];

    if (!outcome_says_something(outcome)) {
        mine->dropped++;
        return;
    }
    op->outcome = (uint8_t)outcome;
    op->result = result;
    mine->count++;
    if (chain[1]) {
        mine->op[chain[1] - 1u].next = (uint32_t)mine->count;
    } else {
        chain[0] = (uint32_t)mine->count;
    }
    chain[1] = (uint32_t)mine->count;
}

bool linear_record(struct linear_history *history, unsigned thread, struct linear_op op)
{
    struct linear_thread *mine = &history->thread[thread];

    if (mine->count == mine->room) {
        return false;
    }
    op.next = 0;
    mine->op[mine->count] = op;
    linear_commit(history, thread, &mine->op[mine->count], (enum hipt_status)op.outcome, op.result);
    return true;
}

bool linear_record_walk(struct linear_history *history, unsigned thread, struct linear_walk walk)
{
    struct linear_thread *mine = &history->thread[thread];

    if (mine->walks == mine->walk_room) {
        return false;
    }
    mine->walk[mine->walks++] = walk;
    return true;
}

/* --- the table that is used by one thread at a time */

static bool all_absent(const uint64_t *words, uint32_t places)
{
    unsigned place;

    for (place = 0; places >> place; place++) {
        if ((places >> place & 1u) && words[place]) {
            return false;
        }
    }
    return true;
}

static bool apply_lookup(const struct linear_shape *shape, const struct linear_op *op, const uint64_t *words)
{
    unsigned found = word_place(op->result);
    uint32_t places = shape->overlaps[op->place] | 1u << op->place;

    if (op->outcome != HIPT_OK) {
        return op->outcome == HIPT_ABSENT && all_absent(words, places);
    }
    return found < shape->nplaces && (places >> found & 1u) && words[found] == op->result;
}

static bool apply_map(const struct linear_shape *shape, const struct linear_op *op, uint64_t *words)
{
    bool overlapped = !all_absent(words, shape->overlaps[op->place]);

    if (op->outcome != HIPT_OK) {
        return op->outcome == HIPT_EXISTS ? words[op->place] != 0 : op->outcome == HIPT_OVERLAP && overlapped;
    }
    if (words[op->place] || overlapped) {
        return false;
    }
    words[op->place] = op->argument;
    return true;
}

/* => what a mapped page's word becomes, 0: absent; WORD_NONE: the operation cannot have said what it said. */
static uint64_t updated(const struct linear_op *op, uint64_t old)
{
    uint64_t marks = (uint64_t)op->marks << WORD_MARKS_SHIFT;

    switch ((enum linear_verb)op->verb) {
    case LINEAR_UNMAP:
        return old == op->result ? 0 : WORD_NONE;
    case LINEAR_PROTECT:
        return word_with_prot(old, op->argument);
    case LINEAR_REMAP:
        return old == op->result ? op->argument : WORD_NONE;
    case LINEAR_MARK:
        return ((old ^ op->argument) & ~WORD_MARKS) == 0 && (old | marks) == op->result ? old | marks : WORD_NONE;
    default:
        return ((old ^ op->argument) & ~WORD_MARKS) == 0 && old == op->result ? old & ~marks : WORD_NONE;
    }
}

static bool apply_update(const struct linear_op *op, uint64_t *word)
{
    uint64_t after = updated(op, *word);

    if (after != WORD_NONE) {
        *word = after;
    }
    return after != WORD_NONE;
}

/* => whether a table in this state says what the operation said; then, and only then, it is in the state after. */
static bool apply(const struct linear_shape *shape, const struct linear_op *op, uint64_t *words)
{
    if (op->place >= shape->nplaces) {
        return false;
    }
    if (op->verb == LINEAR_LOOKUP) {
        return apply_lookup(shape, op, words);
    }
    if (op->verb == LINEAR_MAP) {
        return apply_map(shape, op, words);
    }
    if (op->outcome != HIPT_OK || words[op->place] == 0) {
        return op->outcome == HIPT_ABSENT && words[op->place] == 0;
    }
    return apply_update(op, &words[op->place]);
}

/* --- the search */

/* What may have happened so far. Places that the shape does not have stay 0, so that one size fits all copies. */
struct past {
    uint64_t word[LINEAR_PLACES_MAX];
    uint64_t done; /* open operations that have taken effect, a bit for each thread */
};

struct pasts {
    size_t count;
    size_t room; /* at most PASTS_MAX */
    struct past *past;
};

/* A change of one place, for walks. In the order of their beginnings. */
struct change {
    uint64_t begin;
    uint64_t end;
    uint64_t latest; /* end of this one and all before */
    uint64_t from;   /* word before, 0: absent */
    uint64_t to;
    unsigned place;
};

/* The check of one group. */
struct search {
    const struct linear_history *history;
    const struct linear_shape *shape;
    const struct linear_op *open[LINEAR_THREADS_MAX];
    const struct linear_op *next[LINEAR_THREADS_MAX];
    struct pasts now;
    struct pasts then;
    struct change *change;
    size_t changes;
    struct linear_report *report;
};

static bool refuse(struct search *search, enum linear_verdict verdict, unsigned thread, const struct linear_op *op,
                   const char *what)
{
    search->report->verdict = verdict;
    search->report->thread = thread;
    search->report->index = (size_t)(op - search->history->thread[thread].op);
    search->report->what = what;
    return false;
}

/* => false: there is no room, or no memory. */
static bool pasts_grow(struct pasts *pasts)
{
    size_t room = pasts->room ? pasts->room * 2u : 16u;
    struct past *past = room <= PASTS_MAX ? realloc(pasts->past, room * sizeof(*past)) : NULL;

    if (past) {
        pasts->past = past;
        pasts->room = room;
    }
    return past != NULL;
}

/* => false: there is no room. */
static bool pasts_add(struct pasts *pasts, const struct past *past)
{
    size_t i;

    for (i = 0; i < pasts->count; i++) {
        if (memcmp(&pasts->past[i], past, sizeof(*past)) == 0) {
            return true;
        }
    }
    if (pasts->count == pasts->room && !pasts_grow(pasts)) {
        return false;
    }
    pasts->past[pasts->count++] = *past;
    return true;
}

/* Let each open operation that has not taken effect do so after @past. => false: there is no room. */
static bool past_extend(struct search *search, const struct past *past)
{
    unsigned t;

    for (t = 0; t < search->history->nthreads; t++) {
        struct past after;

        if (!search->open[t] || (past->done >> t & 1u)) {
            continue;
        }
        after = *past;
        after.done |= UINT64_C(1) << t;
        if (apply(search->shape, search->open[t], after.word) && !pasts_add(&search->now, &after)) {
            return false;
        }
    }
    return true;
}

/* The operation of thread @t ends: keep the pasts in which it has taken effect. */
static bool search_end(struct search *search, unsigned t)
{
    const struct linear_op *op = search->open[t];
    struct pasts swap;
    size_t i;

    search->then.count = 0;
    for (i = 0; i < search->now.count; i++) { /* grows meanwhile */
        struct past past = search->now.past[i]; /* a copy: the array may move */
        bool has_room;

        if (past.done >> t & 1u) {
            past.done &= ~(UINT64_C(1) << t);
            has_room = pasts_add(&search->then, &past);
        } else {
            has_room = past_extend(search, &past);
        }
        if (!has_room) {
            return refuse(search, LINEAR_TOO_WIDE, t, op, "too many possible pasts");
        }
    }
    if (search->now.count > search->report->widest) {
        search->report->widest = search->now.count;
    }
    if (search->then.count == 0) {
        return refuse(search, LINEAR_NO, t, op, "no order of the operations explains this answer");
    }
    swap = search->now;
    search->now = search->then;
    search->then = swap;
    search->open[t] = NULL;
    return true;
}

/* The same where nothing else is open and one past is left: most of the time. => whether it was so and fits. */
static bool search_end_alone(struct search *search, unsigned t, unsigned nopen)
{
    struct past *past = &search->now.past[0];

    if (nopen != 1u || search->now.count != 1u || past->done ||
        !apply(search->shape, search->open[t], past->word)) {
        return false;
    }
    search->open[t] = NULL;
    return true;
}

static void search_note_change(struct search *search, const struct linear_op *op)
{
    struct change *change = &search->change[search->changes];
    uint64_t latest = search->changes ? change[-1].latest : 0;

    if (!search->change || op->outcome != HIPT_OK ||
        (op->verb != LINEAR_MAP && op->verb != LINEAR_UNMAP && op->verb != LINEAR_REMAP)) {
        return;
    }
    change->begin = op->begin;
    change->end = op->end;
    change->latest = op->end > latest ? op->end : latest;
    change->from = op->verb == LINEAR_MAP ? 0 : op->result;
    change->to = op->verb == LINEAR_UNMAP ? 0 : op->argument;
    change->place = op->place;
    search->changes++;
}

static const struct linear_op *thread_op(const struct linear_thread *thread, uint32_t number)
{
    return number ? &thread->op[number - 1u] : NULL;
}

static bool search_begin(struct search *search, unsigned t)
{
    const struct linear_thread *thread = &search->history->thread[t];
    const struct linear_op *op = search->next[t];
    const struct linear_op *after = thread_op(thread, op->next);

    if (op->end < op->begin || (after && after->begin < op->end)) {
        return refuse(search, LINEAR_MALFORMED, t, op, "its times are out of order");
    }
    if (after) {
        __builtin_prefetch(thread_op(thread, after->next)); /* another group's operations lie between */
    }
    search->open[t] = op;
    search->next[t] = after;
    search->report->checked++;
    search_note_change(search, op);
    return true;
}

/* The next event: at the same time beginnings come before ends. => its thread; nthreads: none is left. */
static unsigned search_event(const struct search *search, bool *is_end)
{
    unsigned nthreads = search->history->nthreads;
    unsigned best = nthreads;
    uint64_t best_time = UINT64_MAX;
    unsigned t;

    *is_end = true;
    for (t = 0; t < nthreads; t++) {
        const struct linear_op *open = search->open[t];
        uint64_t time = open ? open->end : search->next[t] ? search->next[t]->begin : UINT64_MAX;

        if (time < best_time || (time == best_time && *is_end && !open && search->next[t])) {
            best = t;
            best_time = time;
            *is_end = open != NULL;
        }
    }
    return best;
}

static bool search_events(struct search *search)
{
    unsigned nopen = 0;
    bool is_end;
    unsigned t;

    for (t = search_event(search, &is_end); t < search->history->nthreads; t = search_event(search, &is_end)) {
        if (!is_end) {
            if (!search_begin(search, t)) {
                return false;
            }
            nopen++;
            continue;
        }
        if (!search_end_alone(search, t, nopen) && !search_end(search, t)) {
            return false;
        }
        nopen--;
    }
    return true;
}

/* --- reverse walks */

/* => how many changes began by the end of a walk. */
static size_t changes_until(const struct search *search, const struct linear_walk *walk)
{
    size_t low = 0;
    size_t high = search->changes;

    while (low < high) {
        size_t middle = low + (high - low) / 2u;

        if (search->change[middle].begin <= walk->end) {
            low = middle + 1u;
        } else {
            high = middle;
        }
    }
    return low;
}

/*
 * => whether all that was done to a group before @i was over when the change at @i began, and that change was over
 * before the walk: then nothing older says what its place maps.
 */
static bool change_decides(const struct search *search, size_t i, const struct linear_walk *walk)
{
    const struct change *change = &search->change[i];

    return change->end < walk->begin && (i == 0 || search->change[i - 1u].latest < change->begin);
}

static bool word_covers(const struct linear_shape *shape, uint64_t word, const struct linear_walk *walk)
{
    unsigned place = word_place(word);
    uint64_t first = word & WORD_PFN;

    return word != 0 && place < shape->nplaces && (word >> WORD_SWAP_SHIFT & 1u) == (walk->swap ? 1u : 0u) &&
           walk->pfn >= first && walk->pfn - first < UINT64_C(1) << shape->order[place_size(shape, place)];
}

/*
 * => whether a place surely maps the walk's frame during the whole walk: a change that made it so ended before, and
 * none that unmade it can have taken effect between the two. If the youngest of the first kind does not do, no older
 * one does.
 */
static bool surely_live(const struct search *search, unsigned place, const struct linear_walk *walk)
{
    const struct change *made = NULL;
    uint64_t removal = 0; /* the latest end of a change that may have unmade it by the walk's end */
    size_t i = changes_until(search, walk);

    /* Those that began before the one that made it count as long as they may have ended after it began. */
    while (i-- > 0 && !(made && search->change[i].latest < made->begin)) {
        const struct change *change = &search->change[i];
        bool to = word_covers(search->shape, change->to, walk);

        if (change->place != place) {
            continue;
        }
        if (!made && to && change->end < walk->begin) {
            made = change;
        } else if (!to && word_covers(search->shape, change->from, walk) && change->end > removal) {
            removal = change->end;
        }
        if (!made && change_decides(search, i, walk)) {
            return false;
        }
    }
    return made && (removal == 0 || removal < made->begin);
}

/* => whether a place can have mapped the walk's frame at an instant of the walk. */
static bool maybe_live(const struct search *search, unsigned place, const struct linear_walk *walk)
{
    uint64_t removal = 0; /* the latest beginning of a change that unmade it before the walk */
    size_t i = changes_until(search, walk);

    while (i-- > 0) {
        const struct change *change = &search->change[i];

        if (change->place != place) {
            continue;
        }
        if (word_covers(search->shape, change->to, walk)) {
            if (removal <= change->end) {
                return true;
            }
        } else if (change->end < walk->begin && change->begin > removal &&
                   word_covers(search->shape, change->from, walk)) {
            removal = change->begin;
        }
        if (removal > change->latest || change_decides(search, i, walk)) {
            return false;
        }
    }
    return false;
}

static bool check_walk(struct search *search, uint32_t group, unsigned thread, size_t index)
{
    const struct linear_walk *walk = &search->history->thread[thread].walk[index];
    unsigned place;

    for (place = 0; place < search->shape->nplaces; place++) {
        bool reported = walk->reported >> (group * search->shape->nplaces + place) & 1u;
        const char *what = NULL;

        if (reported && !maybe_live(search, place, walk)) {
            what = "a reverse walk reports a mapping that was not live";
        } else if (!reported && surely_live(search, place, walk)) {
            what = "a reverse walk omits a mapping that was live throughout";
        }
        if (what) {
            search->report->verdict = LINEAR_NO;
            search->report->thread = thread;
            search->report->index = index;
            search->report->is_walk = true;
            search->report->what = what;
            return false;
        }
    }
    return true;
}

static bool check_walks(struct search *search, uint32_t group)
{
    unsigned t;
    size_t i;

    for (t = 0; t < search->history->nthreads; t++) {
        for (i = 0; i < search->history->thread[t].walks; i++) {
            if (!check_walk(search, group, t, i)) {
                return false;
            }
        }
    }
    return true;
}

/* --- groups */

/* The words that a history starts with are changes before all others. */
static void note_start(struct search *search, const uint64_t *start)
{
    unsigned place;

    for (place = 0; search->change && place < search->shape->nplaces; place++) {
        if (start[place]) {
            struct change *change = &search->change[search->changes++];

            memset(change, 0, sizeof(*change));
            change->to = start[place];
            change->place = place;
        }
    }
}

static bool check_group(struct search *search, uint32_t group)
{
    const struct linear_history *history = search->history;
    const uint64_t *start = &history->start[group * search->shape->nplaces];
    unsigned t;

    search->report->group = group;
    search->now.count = 1; /* there is room for one */
    memset(&search->now.past[0], 0, sizeof(search->now.past[0]));
    memcpy(search->now.past[0].word, start, search->shape->nplaces * sizeof(*start));
    search->changes = 0;
    note_start(search, start);
    for (t = 0; t < history->nthreads; t++) {
        search->open[t] = NULL;
        search->next[t] = thread_op(&history->thread[t], history->thread[t].chain[group * 2u]);
    }
    return search_events(search) && (!search->change || check_walks(search, group));
}

static uint64_t history_walks(const struct linear_history *history, uint64_t *ops)
{
    uint64_t walks = 0;
    unsigned t;

    *ops = 0;
    for (t = 0; t < history->nthreads; t++) {
        *ops += history->thread[t].count;
        walks += history->thread[t].walks;
    }
    return walks;
}

bool linear_check(const struct linear_history *history, uint32_t first, uint32_t step, struct linear_report *report)
{
    struct search search = {.history = history, .shape = history->shape, .report = report};
    uint64_t ops;
    uint64_t walks = history_walks(history, &ops);
    bool good;
    uint32_t group;

    memset(report, 0, sizeof(*report));
    search.change = walks ? malloc((ops + LINEAR_PLACES_MAX) * sizeof(*search.change)) : NULL;
    good = pasts_grow(&search.now) && (search.change || !walks);
    if (!good) {
        report->verdict = LINEAR_TOO_WIDE;
        report->what = "no memory";
    }
    for (group = first; good && group < history->groups; group += step) {
        good = check_group(&search, group);
    }
    if (good && ops == 0) {
        good = false;
        report->verdict = LINEAR_EMPTY;
        report->what = "nothing was recorded";
    }
    report->walks = walks;
    free(search.now.past);
    free(search.then.past);
    free(search.change);
    return good;
}

/* --- what a person reads */

static void print_op(FILE *file, unsigned thread, const struct linear_op *op, uint64_t zero, bool is_named)
{
    static const char *const verbs[] = {"lookup", "map", "unmap", "protect", "remap", "mark", "clean"};

    fprintf(file, "%c thread %u  %8" PRId64 " to %8" PRId64 "  %-7s place %u  %-28s argument %016" PRIx64
            "  result %016" PRIx64 "\n", is_named ? '>' : ' ', thread, (int64_t)(op->begin - zero),
            (int64_t)(op->end - zero), verbs[op->verb % LINEAR_VERBS], op->place,
            hipt_strerror((enum hipt_status)op->outcome), op->argument, op->result);
}

void linear_print(FILE *file, const struct linear_history *history, const struct linear_report *report)
{
    const struct linear_thread *named = &history->thread[report->thread];
    uint64_t from;
    uint64_t to;
    uint64_t zero;
    unsigned t;

    fprintf(file, "group %" PRIu32 ": %s\n", report->group, report->what);
    if (report->verdict == LINEAR_EMPTY || !named->op) {
        return;
    }
    zero = report->is_walk ? named->walk[report->index].begin : named->op[report->index].begin;
    to = report->is_walk ? named->walk[report->index].end : named->op[report->index].end;
    from = zero > 40000u ? zero - 40000u : 0; /* a few operations of each thread */
    for (t = 0; t < history->nthreads; t++) {
        const struct linear_thread *thread = &history->thread[t];
        const struct linear_op *op = thread_op(thread, thread->chain[report->group * 2u]);

        for (; op; op = thread_op(thread, op->next)) {
            if (op->end >= from && op->begin <= to) {
                print_op(file, t, op, zero,
                         !report->is_walk && t == report->thread && op == &named->op[report->index]);
            }
        }
    }
}
