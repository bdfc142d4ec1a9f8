/* SPDX-License-Identifier: MIT */
#include "explore/oracle.h"

#include <stdlib.h>
#include <string.h>

#include "explore/cpus.h"
#include "explore/model.h"
#include "map/move.h"
#include "map/table.h"
#include "sim/plain.h"

static struct model start;
static unsigned frames_named; /* by the program, a bit each: the others are hipt_table_is_valid()'s matter */
/* Ends that have been judged: histories and memory alike. */
enum { JUDGED_BITS = 16 }; /* half of the last table is ORACLE_ENDS_MAX */
enum { SHOWN_MAX = 64 };   /* mappings that are compared at a step */
enum { MOVES_MAX = 64 };   /* turns that end any move */
enum { PLACES_MAX = 16 };  /* calls that have any space placed */

static struct hipti_seen_state judged_states[(size_t)2 << JUDGED_BITS];
static struct hipti_seen judged = {.entries = judged_states, .bits = JUDGED_BITS};

static bool is_reshaping; /* there are splits, punches or collapses */
static bool is_per_page; /* every call is one atomic step of the model: no retirement, no range, no access by a CPU */

static bool is_one_step(enum verb verb)
{
    switch (verb) {
    case VERB_RETIRE:
    case VERB_ALLOC:
    case VERB_UNMAP_RANGE:
    case VERB_READ:
    case VERB_WRITE:
    case VERB_CACHED:
    case VERB_GATHER:
        return false;
    default:
        return true;
    }
}

/* What a call names. A part of a large page has a frame too, which has an account of its own after a split. */
static void frames_name(const struct call *call)
{
    unsigned frames = call->size > 0 || is_reshaping ? 0xfu << (call->pfn & ~3u) : 1u << call->pfn;

    if (!verb_reshapes(call->verb) && !verb_moves(call->verb)) {
        frames_named |= frames & ((1u << WORLD_FRAMES) - 1u);
    }
}

/* => whether a program has a split, punch or collapse. */
static bool program_reshapes(const struct program *program)
{
    bool does = false;
    unsigned i;
    unsigned k;

    for (i = 0; i < program->nsetup; i++) {
        does = does || verb_reshapes(program->setup[i].verb);
    }
    for (i = 0; i < program->nthreads; i++) {
        for (k = 0; k < program->ncalls[i]; k++) {
            does = does || verb_reshapes(program->calls[i][k].verb);
        }
    }
    return does;
}

bool oracle_open(void)
{
    unsigned count;
    const struct event *events = world_setup_events(&count);
    unsigned i;
    unsigned k;

    hipti_seen_start(&judged);
    memset(&start, 0, sizeof(start));
    is_per_page = true;
    is_reshaping = program_reshapes(world.program);
    frames_named = 1u;
    for (i = 0; i < count; i++) {
        frames_name(&events[i].call);
        if (!model_step(&start, events, &events[i])) {
            return false;
        }
    }
    for (i = 0; i < world.program->nthreads; i++) {
        for (k = 0; k < world.program->ncalls[i]; k++) {
            enum verb verb = world.program->calls[i][k].verb;

            frames_name(&world.program->calls[i][k]);
            is_per_page = is_per_page && is_one_step(verb);
        }
    }
    return true;
}

/* --- T1 at every step --- */

/* The keys that show, as far as a look over the table has come. */
struct shown {
    const struct hipti_array *array[2]; /* of the shard that it is at */
    bool is_single; /* one bucket in each: the remainder is the key */
    unsigned count;
    uint64_t key[SHOWN_MAX];
};

static const struct hipti_array *array_of(const struct hipti_shard *shard, unsigned half)
{
    return (const struct hipti_array *)hipti_plain_pointer((const volatile void *)&shard->half[half]);
}

static const struct hipti_line *line_of(const struct hipti_arena *arena, uint32_t index)
{
    const char *block = (const char *)hipti_plain_pointer(&arena->directory[index >> arena->block_shift]);

    return (const struct hipti_line *)(const void *)block + (index & arena->block_mask);
}

static uint64_t slot_key(const struct shown *shown, const struct hipti_line *line, unsigned i, uint32_t bucket)
{
    const struct hipti_array *array = shown->array[(bucket >> HIPTI_HALF_BITS) & 1u];
    struct hipti_place place;

    place.rest = hipti_plain_get((const volatile void *)&line->lo[i], 4) << 16 |
                 hipti_plain_get((const volatile void *)&line->hi[i], 2) << 48;
    place.bucket = bucket;
    if (shown->is_single) { /* shards begin with the same secret */
        return place.rest;
    }
    if (!array) {
        world_fail("T1: a key is visible in buckets that are gone");
        return 0;
    }
    return hipti_array_key(array, place);
}

static void check_line(struct shown *shown, const struct hipti_line *line, uint32_t bucket)
{
    unsigned i;
    unsigned k;

    for (i = 0; i < HIPT_SLOTS && shown->count < SHOWN_MAX; i++) {
        if (!hipti_pte_is_visible(hipti_plain_get((const volatile void *)&line->pte[i], 8))) {
            continue;
        }
        shown->key[shown->count] = slot_key(shown, line, i, bucket);
        for (k = 0; k < shown->count; k++) {
            if (shown->key[k] == shown->key[shown->count]) {
                world_fail("T1: one key is visible in two slots");
            }
        }
        shown->count++;
    }
}

static void check_shard(struct shown *shown, const struct hipti_buckets *buckets, unsigned number)
{
    const struct hipti_shard *shard = buckets->shard[number];
    uint32_t lines = (uint32_t)hipti_plain_get((const volatile void *)&shard->overflow.carved, 4);
    unsigned half;
    uint32_t i;

    for (half = 0; half < 2u; half++) {
        shown->array[half] = array_of(shard, half);
        for (i = 0; shown->array[half] && i < shown->array[half]->quotient.buckets; i++) {
            check_line(shown, line_of(&shown->array[half]->lines, i), hipti_buckets_first(buckets, number, half) + i);
        }
    }
    for (i = 0; i < lines; i++) {
        const struct hipti_line *line = line_of(&shard->overflow, i);

        check_line(shown, line, hipti_header_bucket(hipti_plain_get((const volatile void *)&line->header, 8)));
    }
}

void oracle_check_step(void)
{
    const struct hipti_buckets *buckets = &world.table->buckets;
    struct shown shown = {{NULL, NULL}, true, 0, {0}};
    unsigned i;

    for (i = 0; i < buckets->nshards; i++) {
        const struct hipti_array *first = array_of(buckets->shard[i], 0);

        shown.is_single = shown.is_single && !array_of(buckets->shard[i], 1) && first->quotient.buckets == 1u;
    }
    for (i = 0; i < buckets->nshards; i++) {
        check_shard(&shown, buckets, i);
    }
}

/* --- linearizability --- */

/* The state of the table and its frames at the end is the model's. */
static bool model_is_final(const struct model *model)
{
    struct hipt_cursor cursor = {0};
    struct hipt_mapping mapping;
    unsigned mappings[WORLD_FRAMES] = {0};
    unsigned left = 0;
    unsigned i;

    for (i = 0; i < model->npages; i++) {
        const struct model_page *page = &model->page[i];
        struct hipt_translation found;

        if (page->is_live) {
            if (hipt_lookup(world.table, world.asids[page->asid].number, page->vpn, &found) != HIPT_OK ||
                !model_is(page, &found.mapping)) {
                return false;
            }
            mappings[page->pfn]++;
            left++;
        }
    }
    while (hipt_table_next(world.table, &cursor, &mapping) == HIPT_OK) {
        left--;
    }
    for (i = 0; i < WORLD_FRAMES; i++) {
        struct hipt_frame_status status;

        if (!(frames_named >> i & 1u)) {
            continue;
        }
        hipt_frame_get(world.table, (struct hipt_frame){i, false}, &status);
        if (status.mappings != mappings[i] || status.pins != model->pins[i]) {
            return false;
        }
        if (is_reshaping && mappings[i] == 0 && model->pins[i] == 0 &&
            status.state != (model->was_used[i] ? HIPT_FRAME_LIMBO : HIPT_FRAME_FREE)) {
            return false;
        }
    }
    return left == 0;
}

/* => whether the calls that are not in @done can be put in an order that begins in this state. */
static bool linearize(const struct model *model, uint64_t done)
{
    unsigned earliest = UINT32_MAX; /* the first response to come: what was invoked after it comes later */
    unsigned seen = 0;              /* threads whose next call was met */
    unsigned i;

    if (done == (UINT64_C(1) << world.nevents) - 1u) {
        return model_is_final(model);
    }
    for (i = 0; i < world.nevents; i++) {
        if (!(done >> i & 1u) && world.events[i].responded < earliest) {
            earliest = world.events[i].responded;
        }
    }
    for (i = 0; i < world.nevents; i++) {
        const struct event *event = &world.events[i];
        struct model next;

        if ((done >> i & 1u) || (seen >> event->thread & 1u)) {
            continue;
        }
        seen |= 1u << event->thread;
        if (event->invoked < earliest || event->responded == earliest) { /* the latter: one without a step */
            next = *model;
            if (model_step(&next, world.events, event) && linearize(&next, done | UINT64_C(1) << i)) {
                return true;
            }
        }
    }
    return false;
}

/* --- the other letters --- */

/* R1: a frame that was in use is, or is to be had; one that never was is free. Where pages change, the model knows. */
static void check_frames(void)
{
    bool touched[WORLD_FRAMES] = {false};
    bool reaped[WORLD_FRAMES] = {false};
    unsigned nsetup;
    const struct event *setup = world_setup_events(&nsetup);
    unsigned i;
    size_t k;

    for (i = 0; i < nsetup + world.nevents; i++) {
        const struct event *event = i < nsetup ? &setup[i] : &world.events[i - nsetup];

        if (event->status == HIPT_OK && (event->call.verb == VERB_MAP || event->call.verb == VERB_PIN ||
                                         event->call.verb == VERB_REMAP)) {
            touched[event->call.pfn] = true;
            if (i < nsetup) {
                reaped[event->call.pfn] = false;
            }
        }
        for (k = 0; k < event->nframes; k++) {
            reaped[event->frames[k].pfn] = true;
        }
    }
    for (i = 0; i < WORLD_FRAMES; i++) {
        struct hipt_frame_status status;

        if (!(frames_named >> i & 1u)) {
            continue;
        }
        hipt_frame_get(world.table, (struct hipt_frame){i, false}, &status);
        if (status.mappings == 0 && status.pins == 0 && !is_reshaping &&
            ((touched[i] && !reaped[i] && status.state != HIPT_FRAME_LIMBO) ||
             (!touched[i] && status.state != HIPT_FRAME_FREE))) {
            world_fail("R1: frame %u was %sin use, and ends in state %d", i, touched[i] ? "" : "never ",
                       (int)status.state);
        }
    }
}

static bool was_issued_again(unsigned number)
{
    unsigned i;

    for (i = 0; i < world.nevents; i++) {
        const struct event *event = &world.events[i];

        if (event->call.verb == VERB_ALLOC && event->status == HIPT_OK &&
            world.asids[event->call.asid].number == number) {
            return true;
        }
    }
    return false;
}

/* A1 */
static void check_retired(const struct event *event)
{
    uint32_t number = world.asids[event->call.asid].number;
    struct hipt_cursor cursor = {0};
    struct hipt_mapping mapping;

    if (was_issued_again(number)) {
        return;
    }
    while (hipt_table_next(world.table, &cursor, &mapping) == HIPT_OK) {
        if (mapping.page.asid == number) {
            world_fail("A1: page %u of a retired asid is still mapped", (unsigned)mapping.page.vpn);
        }
    }
}

/* => whether a call may have changed the mapping of this page, or may change the frame of it. */
static bool may_change(const struct call *call, const struct call *page)
{
    if (is_reshaping && (call->verb == VERB_MAP || call->verb == VERB_UNMAP || call->verb == VERB_REMAP)) {
        return call->asid == page->asid && call->vpn / 4u == page->vpn / 4u;
    }
    switch (call->verb) {
    case VERB_PUNCH:
        return call->asid == page->asid && call->vpn / 4u == page->vpn / 4u &&
               page->vpn >= call->vpn && page->vpn < call->vpn + call->pfn;
    case VERB_MAP:
    case VERB_UNMAP:
    case VERB_REMAP:
        return call->asid == page->asid && call->vpn == page->vpn;
    case VERB_RETIRE:
        return call->asid == page->asid;
    case VERB_UNMAP_RANGE:
    case VERB_GATHER:
        return call->asid == page->asid && page->vpn >= call->vpn && page->vpn < call->vpn + call->pfn;
    default:
        return false;
    }
}

/* => whether what setup call @i mapped at @page is there from the beginning to the end. */
static bool is_constant(const struct call *page, const struct event *setup, unsigned nsetup, unsigned i)
{
    unsigned k;

    for (k = i + 1u; k < nsetup; k++) {
        if (may_change(&setup[k].call, page)) {
            return false;
        }
    }
    for (k = 0; k < world.nevents; k++) {
        if (may_change(&world.events[k].call, page)) {
            return false;
        }
    }
    return true;
}

/* => whether a call makes another page of this one, for the same frame. */
static bool is_reshaped(const struct call *page)
{
    unsigned nsetup;
    const struct event *setup = world_setup_events(&nsetup);
    unsigned i;

    for (i = 0; i < nsetup + world.nevents; i++) {
        const struct call *call = i < nsetup ? &setup[i].call : &world.events[i - nsetup].call;

        if (verb_reshapes(call->verb) && call->asid == page->asid && call->vpn / 4u == page->vpn / 4u) {
            return true;
        }
    }
    return false;
}

/* => whether the table takes another secret, or moves to another node: a walk may then see a page again. */
static bool is_seen_again(void)
{
    unsigned nsetup;
    const struct event *setup = world_setup_events(&nsetup);
    unsigned i;

    for (i = 0; i < nsetup + world.nevents; i++) {
        const struct call *call = i < nsetup ? &setup[i].call : &world.events[i - nsetup].call;

        if ((call->verb == VERB_RESIZE && call->pfn == 0) || call->verb == VERB_PLACE) {
            return true;
        }
    }
    return false;
}

/* F1: a large page and its first part are one mapping to a reverse walk; a walk may see either or both. */
static void check_seen(const struct event *event)
{
    unsigned nsetup;
    const struct event *setup = world_setup_events(&nsetup);
    unsigned i;
    size_t k;

    for (i = 0; i < nsetup; i++) {
        const struct call *page = &setup[i].call;
        bool is_any_size = is_reshaped(page);
        unsigned times = 0;

        if (page->verb != VERB_MAP || (event->call.verb == VERB_REVERSE && page->pfn != event->call.pfn) ||
            (is_any_size && (event->call.verb == VERB_WALK || page->vpn % 4u > 0)) ||
            !is_constant(page, setup, nsetup, i)) {
            continue;
        }
        for (k = 0; k < event->nmany; k++) {
            times += event->many[k].page.vpn == page->vpn &&
                     (is_any_size || event->many[k].page.size == page->size) &&
                     event->many[k].page.asid == world.asids[page->asid].number;
        }
        if (times != 1 && (times == 0 || event->call.verb != VERB_WALK || !is_seen_again())) {
            world_fail("F1: %s saw page %u %u times", verb_name(event->call.verb), page->vpn, times);
        }
    }
}

void oracle_check_access(const struct event *event)
{
    unsigned nsetup;
    const struct event *setup = world_setup_events(&nsetup);
    unsigned i;

    for (i = 0; i < nsetup && event->status == HIPT_ABSENT; i++) {
        struct call page = setup[i].call;
        unsigned npages = is_reshaping && page.size > 0 ? 4u : 1u;

        if (page.verb == VERB_MAP && page.asid == event->call.asid && event->call.vpn - page.vpn < npages) {
            page.vpn = event->call.vpn;
            if (is_constant(&page, setup, nsetup, i)) {
                world_fail("T1: thread %u does not find page %u", event->thread, event->call.vpn);
            }
        }
    }
}

static unsigned mappings_count(void)
{
    struct hipt_cursor cursor = {0};
    struct hipt_mapping mapping;
    unsigned count = 0;

    while (hipt_table_next(world.table, &cursor, &mapping) == HIPT_OK) {
        count++;
    }
    return count;
}

/* => whether a shard still moves, or has what was left. */
static bool is_moving(unsigned shard)
{
    const struct hipti_shard *own = world.table->buckets.shard[shard];

    return hipti_move_is_due(world.table, shard) || (array_of(own, 0) && array_of(own, 1));
}

static void end_moves(void)
{
    unsigned shard;

    for (shard = 0; shard < world.table->buckets.nshards; shard++) {
        unsigned i;

        for (i = 0; i < MOVES_MAX && hipti_move_is_due(world.table, shard); i++) {
            hipt_read_enter(world.table);
            hipti_move_on(world.table, shard, 1);
            hipt_read_exit(world.table);
        }
        if (is_moving(shard)) {
            world_fail("a move does not end");
        }
    }
}

/* => whether an asid need not be issued, for all that the history says. */
static bool may_be_unissued(unsigned asid)
{
    unsigned nsetup;
    const struct event *setup = world_setup_events(&nsetup);
    bool is_retired = false;
    unsigned i;

    for (i = 0; i < nsetup + world.nevents; i++) {
        const struct call *call = i < nsetup ? &setup[i].call : &world.events[i - nsetup].call;

        is_retired = is_retired || (call->verb == VERB_RETIRE && call->asid == asid);
    }
    return is_retired || asid > 1u; /* two are there before the setup */
}

static void check_placed(const struct event *event)
{
    bool is_right = event->status == HIPT_OK || event->status == HIPT_PENDING || event->status == HIPT_BUSY ||
                    (event->status == HIPT_NOMEM && world.program->is_scarce) ||
                    (event->status == HIPT_BAD_ASID && may_be_unissued(event->call.asid));

    if (!is_right) {
        world_fail("asid %u is to be placed: %s", event->call.asid, hipt_strerror(event->status));
    }
}

/* Every space that is issued comes to where it is wanted. */
static void end_places(void)
{
    unsigned asid;

    for (asid = 0; world.program->nodes && asid < WORLD_ASIDS; asid++) {
        enum hipt_status status = HIPT_PENDING;
        unsigned i;

        for (i = 0; i < PLACES_MAX && status == HIPT_PENDING; i++) {
            status = hipt_asid_migrate(world.table, world.asids[asid], 1);
        }
        if (status != HIPT_OK && (status != HIPT_BAD_ASID || !may_be_unissued(asid))) {
            world_fail("asid %u does not come to node 1: %s", asid, hipt_strerror(status));
        }
    }
}

/* Moves come to their end, nothing is lost on the way, and the memory that was left is given back. */
static void check_moves(void)
{
    unsigned count = mappings_count();
    char text[WORLD_TEXT / 2];

    end_moves();
    end_places();
    if (world.violation[0] != '\0') {
        return;
    }
    if (mappings_count() != count) {
        world_fail("T1: %u mappings, %u after the move", count, mappings_count());
    } else if (!hipt_table_is_valid(world.table, text, sizeof(text))) {
        world_fail("not valid after the move: %s", text);
    }
}

/* Of resizes one has begun. */
static void check_resizes(void)
{
    unsigned resizes = 0;
    unsigned refused = 0;
    unsigned nsetup;
    const struct event *setup = world_setup_events(&nsetup);
    unsigned i;

    for (i = 0; i < nsetup + world.nevents; i++) {
        const struct event *event = i < nsetup ? &setup[i] : &world.events[i - nsetup];

        resizes += event->call.verb == VERB_RESIZE;
        refused += event->call.verb == VERB_RESIZE && event->status != HIPT_OK;
    }
    if (refused > 0 && refused == resizes) {
        world_fail("no resize began");
    }
}

/* Unmap and reap all there is: nothing must be left over, and nothing be broken. */
static void drain(void)
{
    struct hipt_mapping mapping;
    struct hipt_frame frames[WORLD_FRAMES];
    char text[WORLD_TEXT / 2];
    unsigned i;

    for (i = 0; i < 32; i++) {
        struct hipt_cursor cursor = {0};

        if (hipt_table_next(world.table, &cursor, &mapping) != HIPT_OK) {
            break;
        }
        if (hipt_unmap(world.table, &mapping.page, NULL) != HIPT_OK) {
            world_fail("page %u cannot be unmapped at the end", (unsigned)mapping.page.vpn);
            return;
        }
    }
    for (i = 0; i < 3; i++) {
        (void)hipt_frame_reap(world.table, frames, WORLD_FRAMES);
    }
    for (i = 0; i < WORLD_FRAMES; i++) {
        struct hipt_frame_status status;

        if (!(frames_named >> i & 1u)) {
            continue;
        }
        hipt_frame_get(world.table, (struct hipt_frame){i, false}, &status);
        if (status.pins == 0 && status.state != HIPT_FRAME_FREE) {
            world_fail("R1: frame %u cannot be reaped at the end, its state is %d", i, (int)status.state);
        }
    }
    if (!hipt_table_is_valid(world.table, text, sizeof(text))) {
        world_fail("not valid after everything was unmapped: %s", text);
    }
}

static void check_ended(void)
{
    char text[WORLD_TEXT / 2];
    unsigned i;

    if (!hipt_table_is_valid(world.table, text, sizeof(text))) {
        world_fail("not valid: %s", text);
        return;
    }
    if (is_per_page && !linearize(&start, 0)) {
        world_fail("T1: not linearizable, or the state at the end is another");
        return;
    }
    check_frames();
    for (i = 0; i < world.nevents; i++) {
        const struct event *event = &world.events[i];

        if (event->call.verb == VERB_RETIRE && event->status == HIPT_OK) {
            check_retired(event);
        }
        if (event->call.verb == VERB_PLACE) {
            check_placed(event);
        }
        if (event->call.verb == VERB_REVERSE || event->call.verb == VERB_WALK) {
            check_seen(event);
        }
        if (event->call.verb == VERB_LOOKUP || event->call.verb == VERB_READ || event->call.verb == VERB_WRITE) {
            oracle_check_access(event);
        }
    }
    check_resizes();
    cpus_check_end();
    if (world.violation[0] == '\0' && !world.program->is_endless) {
        check_moves();
    }
    if (world.violation[0] == '\0' && !world.program->is_endless) {
        drain();
    }
}

uint64_t oracle_ends(void)
{
    return judged.count;
}

void oracle_check(enum hipti_sim_end end)
{
    switch (end) {
    case HIPTI_SIM_LONG:
        world_fail("T4: more than %u steps", HIPTI_SIM_STEPS);
        break;
    case HIPTI_SIM_STUCK:
        world_fail("T4: everybody spins");
        break;
    case HIPTI_SIM_DONE:
        if (world.sim->spins > 0) {
            world_fail("T4: a thread made %u steps while nobody wrote anything", HIPTI_SIM_SPIN);
        }
        break;
    case HIPTI_SIM_PRUNED:
    case HIPTI_SIM_STOPPED:
        break;
    }
    if (end == HIPTI_SIM_DONE && world.violation[0] == '\0' &&
        hipti_seen_enter(&judged, hipti_sim_state(world.sim), 0)) {
        check_ended();
    }
}
