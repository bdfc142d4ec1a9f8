/* SPDX-License-Identifier: MIT */
#include "explore/cpus.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/hash.h"
#include "sim/tlb.h"

enum { TAG_BITS = 1, PAGE_SHIFT = 12 };

/* --- the hosts' hooks --- */

static bool is_cpu(unsigned thread)
{
    return thread < PROGRAM_THREADS_MAX && (world.program->cpus >> thread & 1u);
}

struct hipt_cpu *cpus_this(void *ctx)
{
    (void)ctx;
    return world.sim->is_on && is_cpu(world.sim->running) ? &world.cpus->one[world.sim->running].mmu.cpu : NULL;
}

/* Outside an execution nobody else runs: all CPUs that are inside serve. */
void cpus_relax(void *ctx)
{
    unsigned inside = 0;
    unsigned i;

    (void)ctx;
    if (world.sim->is_on) {
        hipti_sim_wait(world.sim);
        return;
    }
    for (i = 0; i < PROGRAM_THREADS_MAX; i++) {
        if (is_cpu(i) && world.cpus->one[i].is_inside) {
            (void)hipt_cpu_serve(&world.cpus->one[i].mmu.cpu);
            inside++;
        }
    }
    if (inside == 0) {
        fprintf(stderr, "explore: \"%s\": waits for CPUs, and none is inside\n", world.program->text);
        abort();
    }
}

/* --- what a thread knows --- */

/* How many entries were used before this one: replacement sees no more of the times. */
static unsigned entry_rank(const struct cpus_one *one, unsigned i)
{
    unsigned rank = 0;
    unsigned k;

    for (k = 0; k < CPUS_ENTRIES; k++) {
        rank += one->entries[k].used < one->entries[i].used;
    }
    return rank;
}

static uint64_t entries_hash(const struct cpus_one *one)
{
    uint64_t hash = one->mmu.sizes;
    unsigned i;

    for (i = 0; i < CPUS_ENTRIES; i++) {
        const struct hipt_tlb_entry *entry = &one->entries[i];

        if (entry->used) {
            hash = hipti_sim_hash(hash, entry->vpn << 16 | (uint64_t)entry->tag << 8 | i);
            hash = hipti_sim_hash(hash, entry->pfn << 32 | (uint64_t)entry_rank(one, i) << 24 |
                                            (uint64_t)entry->size << 16 | (uint64_t)entry->prot << 8 | entry->dirty);
        }
    }
    return hash;
}

static uint64_t cpu_hash(const struct cpus_one *one)
{
    const struct hipt_cpu *cpu = &one->mmu.cpu;
    uint64_t hash = hipti_sim_hash(cpu->served, cpu->rollovers << 32 | cpu->next_tag << 16 | one->tag << 8 |
                                                    (uint64_t)one->is_using << 7 | cpu->nactive);
    uint64_t word;
    size_t i;

    for (i = 0; i < cpu->nactive; i++) {
        hash = hipti_sim_hash(hash, cpu->active[i].asid);
    }
    for (i = 0; i < one->tags_bytes; i += sizeof(word)) {
        memcpy(&word, (const char *)cpu->tags + i, sizeof(word));
        hash = hipti_sim_hash(hash, word);
    }
    return hipti_sim_hash(hash, entries_hash(one));
}

uint64_t cpus_hash(unsigned thread)
{
    const struct cpus_one *one;
    uint64_t hash;

    if (!world.cpus || thread >= PROGRAM_THREADS_MAX) {
        return 0;
    }
    one = &world.cpus->one[thread];
    hash = is_cpu(thread) ? cpu_hash(one) : 0;
    return one->gathered < 0 ? hash
                             : hipti_sim_hash(hash, one->gather.ticket << 8 | one->gather.number << 1 |
                                                        one->gather.is_dispatched);
}

/* --- memory --- */

static uint64_t frame_word(struct cpus_frame frame)
{
    return (uint64_t)frame.writes << 24 | (uint64_t)frame.saved << 16 | (uint64_t)frame.is_gone << 2 |
           (uint64_t)frame.is_dropped << 1 | frame.is_left;
}

static void frame_set(unsigned pfn, struct cpus_frame value)
{
    world_change(&world.cpus->frame[pfn], frame_word(world.cpus->frame[pfn]), frame_word(value));
    world.cpus->frame[pfn] = value;
}

/* => the page's place among all: accesses to it are steps on this word. */
static uint8_t *page_word(unsigned asid, unsigned vpn)
{
    return &world.cpus->newest[world.asids[asid].number % WORLD_ASIDS][vpn % CPUS_PAGES];
}

static void memory_step(const char *name, unsigned asid, unsigned vpn)
{
    hipti_sim_step(world.sim, name, page_word(asid, vpn), HIPTI_SIM_WRITE, "memory", 0);
}

/* => whether a call is under way or was a success, and was not over when @event began. */
static bool may_come_after(const struct event *call, const struct event *event)
{
    return call->responded == 0 ? !world.sim->begins[call->thread]
                                : call->status == HIPT_OK && call->responded > event->invoked;
}

/* => whether writing this page was forbidden by a call that has returned, and not allowed again. */
static bool is_narrowed(const struct cpus_owner *page)
{
    unsigned i;
    unsigned k;

    for (i = 0; i < world.nevents; i++) {
        const struct event *narrow = &world.events[i];
        bool is_widened = false;

        if (narrow->call.verb != VERB_NARROW || narrow->responded == 0 || narrow->status != HIPT_OK ||
            narrow->call.asid != page->asid || narrow->call.vpn != page->vpn) {
            continue;
        }
        for (k = 0; k < world.nevents; k++) {
            const struct event *wide = &world.events[k];

            is_widened = is_widened || ((wide->call.verb == VERB_PROTECT || wide->call.verb == VERB_REMAP) &&
                                        wide->call.asid == page->asid && wide->call.vpn == page->vpn &&
                                        may_come_after(wide, narrow));
        }
        if (!is_widened) {
            return true;
        }
    }
    return false;
}

/* Whether a CPU may use a frame. */
static void use_check(unsigned cpu, unsigned pfn, bool is_write)
{
    const struct cpus_owner *owner = &world.cpus->owner[pfn];

    if (world.cpus->frame[pfn].is_gone) {
        world_fail("S1: CPU %u uses frame %u of page %u after its mapping has ended", cpu, pfn, owner->vpn);
    } else if (world.cpus->frame[pfn].is_left) {
        world_fail("S2: CPU %u goes back to frame %u of page %u", cpu, pfn, owner->vpn);
    } else if (is_write && is_narrowed(owner)) {
        world_fail("S1: CPU %u writes page %u after it was protected against that", cpu, owner->vpn);
    }
}

/* The page's last use has gone to this frame. */
static void newest_set(unsigned pfn)
{
    const struct cpus_owner *owner = &world.cpus->owner[pfn];
    uint8_t *newest = page_word(owner->asid, owner->vpn);
    struct cpus_frame frame;

    if (*newest == pfn + 1u) {
        return;
    }
    if (*newest) {
        frame = world.cpus->frame[*newest - 1u];
        frame.is_left = true;
        frame_set(*newest - 1u, frame);
    }
    world_change(newest, *newest, pfn + 1u);
    *newest = (uint8_t)(pfn + 1u);
}

/* The access itself. */
static void use(unsigned cpu, unsigned pfn, bool is_write)
{
    const struct cpus_owner *owner = &world.cpus->owner[pfn];
    struct cpus_frame frame;

    memory_step("access", owner->asid, owner->vpn);
    use_check(cpu, pfn, is_write);
    if (world.violation[0] == '\0') {
        newest_set(pfn);
        frame = world.cpus->frame[pfn];
        frame.writes = (uint8_t)(frame.writes + is_write);
        frame_set(pfn, frame);
    }
}

/* --- what is cached is used until it is forgotten --- */

static unsigned cpu_number(const struct cpus_one *one)
{
    return (unsigned)(one - world.cpus->one);
}

/* The entries of the tag in use that translate one of these pages. */
static void use_cached(struct cpus_one *one, uint32_t tag, uint64_t vpn, uint64_t npages)
{
    unsigned i;

    for (i = 0; one->is_using && one->tag == tag && i < CPUS_ENTRIES; i++) {
        const struct hipt_tlb_entry *entry = &one->entries[i];
        uint64_t pages = entry->size ? 4u : 1u;
        uint64_t first = entry->vpn > vpn ? entry->vpn : vpn;

        if (entry->used && entry->tag == tag && entry->vpn != (uint64_t)one->walks &&
            first < entry->vpn + pages && first - vpn < npages) {
            use(cpu_number(one), (unsigned)(entry->pfn + (first - entry->vpn)), entry->dirty);
        }
    }
}

static void flush_range(void *ctx, uint32_t tag, uint64_t vpn, uint64_t npages)
{
    struct cpus_one *one = (struct cpus_one *)ctx;

    use_cached(one, tag, vpn, npages);
    hipti_tlb_flush_range(&one->mmu, tag, vpn, npages);
}

static void flush_tag(void *ctx, uint32_t tag)
{
    struct cpus_one *one = (struct cpus_one *)ctx;

    use_cached(one, tag, 0, UINT64_MAX);
    hipti_tlb_flush_tag(&one->mmu, tag);
}

static void flush_all(void *ctx)
{
    struct cpus_one *one = (struct cpus_one *)ctx;

    use_cached(one, one->tag, 0, UINT64_MAX);
    hipti_tlb_flush_all(&one->mmu);
}

/* From here on the MMU uses what is cached of the CPU's first asid, or nothing. */
static void using_set(struct cpus_one *one)
{
    struct hipt_cpu *cpu = &one->mmu.cpu;

    cpu->masked++; /* so that it does not serve, and is no step */
    one->is_using = one->is_inside && cpu->nactive > 0 &&
                    hipt_cpu_use(cpu, cpu->active[0].asid, &one->tag) == HIPT_OK;
    cpu->masked--;
}

/* Nobody uses this frame as the page's any more; what it holds is written back, or dropped, or neither. */
static void let_go(unsigned pfn, bool is_saved, bool is_dropped)
{
    const struct cpus_owner *owner = &world.cpus->owner[pfn];
    struct cpus_frame frame;

    memory_step("let go", owner->asid, owner->vpn);
    frame = world.cpus->frame[pfn];
    frame.is_gone = true;
    frame.saved = is_saved ? frame.writes : frame.saved;
    frame.is_dropped = frame.is_dropped || is_dropped;
    frame_set(pfn, frame);
}

static void write_back(unsigned pfn)
{
    const struct cpus_owner *owner = &world.cpus->owner[pfn];
    struct cpus_frame frame;

    memory_step("write back", owner->asid, owner->vpn);
    frame = world.cpus->frame[pfn];
    frame.saved = frame.writes;
    frame_set(pfn, frame);
}

/* --- opening --- */

static void owner_set(struct cpus *cpus, const struct call *call)
{
    unsigned i;

    if (call->verb != VERB_MAP && call->verb != VERB_REMAP) {
        return;
    }
    for (i = 0; i < (call->size ? 4u : 1u) && call->pfn + i < WORLD_FRAMES; i++) {
        cpus->owner[call->pfn + i] = (struct cpus_owner){true, (uint8_t)call->asid, (uint8_t)(call->vpn + i)};
    }
}

static void owners_set(struct cpus *cpus, const struct program *program)
{
    unsigned i;
    unsigned k;

    for (i = 0; i < program->nsetup; i++) {
        owner_set(cpus, &program->setup[i]);
    }
    for (i = 0; i < program->nthreads; i++) {
        for (k = 0; k < program->ncalls[i]; k++) {
            owner_set(cpus, &program->calls[i][k]);
        }
    }
}

static bool one_open(struct cpus_one *one, uint32_t number, const struct hipt_config *config)
{
    struct hipt_mmu_config mmu = {.number = number, .tag_bits = TAG_BITS, .level = {{1, CPUS_ENTRIES}, {0, 0}},
                                  .entries = one->entries,
                                  .nentries = sizeof(one->entries) / sizeof(one->entries[0]), .interruptible = true};
    size_t before = world_used();

    if (hipt_mmu_attach(&one->mmu, world.table, config, &mmu) != HIPT_OK) {
        return false;
    }
    one->tags_bytes = world_used() - before;
    one->walks = -1;
    one->mmu.cpu.cache = (struct hipt_cache){one, flush_range, flush_tag, flush_all};
    one->is_inside = true;
    hipt_cpu_enter(&one->mmu.cpu);
    return true;
}

bool cpus_open(const struct program *program, const struct hipt_config *config)
{
    size_t before = world_used();
    unsigned i;

    world.cpus = (struct cpus *)world_alloc(sizeof(struct cpus));
    for (i = 0; i < PROGRAM_THREADS_MAX; i++) {
        world.cpus->one[i].gathered = -1;
        if (is_cpu(i) && !one_open(&world.cpus->one[i], i, config)) {
            return false;
        }
    }
    owners_set(world.cpus, program);
    world.cpus->bytes = world_used() - before;
    return true;
}

/* --- what has ended --- */

static bool puts_frame(const struct event *event, unsigned pfn)
{
    const struct call *call = &event->call;

    return (call->verb == VERB_MAP || call->verb == VERB_REMAP) && event->status == HIPT_OK && call->pfn <= pfn &&
           pfn < call->pfn + (call->size ? 4u : 1u);
}

/* => whether the setup put the frame there. */
static bool is_first(unsigned pfn)
{
    unsigned count;
    const struct event *setup = world_setup_events(&count);
    unsigned i;

    for (i = 0; i < count; i++) {
        if (puts_frame(&setup[i], pfn)) {
            return true;
        }
    }
    return false;
}

/* => whether a frame was a page's when a call began: the call that put it there had returned. */
static bool was_there(unsigned pfn, unsigned invoked)
{
    unsigned i;

    if (is_first(pfn)) {
        return true;
    }
    for (i = 0; i < world.nevents; i++) {
        if (puts_frame(&world.events[i], pfn) && world.events[i].responded &&
            world.events[i].responded <= invoked) {
            return true;
        }
    }
    return false;
}

/* All frames that a range of pages had when the call began. */
static void let_go_range(const struct event *began, unsigned npages, bool is_dropped)
{
    const struct call *call = &began->call;
    unsigned pfn;

    for (pfn = 0; pfn < WORLD_FRAMES; pfn++) {
        const struct cpus_owner *owner = &world.cpus->owner[pfn];

        if (owner->is_known && owner->asid == call->asid && owner->vpn >= call->vpn &&
            owner->vpn - call->vpn < npages && was_there(pfn, began->invoked)) {
            let_go(pfn, false, is_dropped);
        }
    }
}

static void let_go_space(unsigned asid)
{
    unsigned pfn;

    for (pfn = 0; pfn < WORLD_FRAMES; pfn++) {
        if (world.cpus->owner[pfn].is_known && world.cpus->owner[pfn].asid == asid) {
            let_go(pfn, false, true);
        }
    }
}

/* The frames of a page of either size. */
static void let_go_mapping(const struct hipt_mapping *was)
{
    unsigned i;

    for (i = 0; i < (was->page.size ? 4u : 1u); i++) {
        let_go((unsigned)was->pfn + i, was->marks & HIPT_DIRTY, false);
    }
}

/* Somebody knows that the page has this frame: unless it had it from the beginning, the one that it had is left. */
static void see(unsigned pfn)
{
    const struct cpus_owner *owner = &world.cpus->owner[pfn % WORLD_FRAMES];
    struct cpus_frame frame;
    unsigned i;

    if (pfn >= WORLD_FRAMES || !owner->is_known || is_first(pfn)) {
        return;
    }
    memory_step("seen", owner->asid, owner->vpn);
    for (i = 0; i < WORLD_FRAMES; i++) {
        if (world.cpus->owner[i].is_known && world.cpus->owner[i].asid == owner->asid &&
            world.cpus->owner[i].vpn == owner->vpn && is_first(i)) {
            frame = world.cpus->frame[i];
            frame.is_left = true;
            frame_set(i, frame);
        }
    }
}

static void after_unmap(const struct event *event)
{
    if (event->status == HIPT_OK) {
        let_go_mapping(&event->out);
    }
    if (event->status == HIPT_OK || event->status == HIPT_ABSENT) {
        let_go_range(event, event->call.size ? 4u : 1u, false);
    }
}

static void after_finish(const struct event *event)
{
    struct cpus_one *one = &world.cpus->one[event->thread];
    const struct event *began = &world.events[one->gathered < 0 ? 0 : one->gathered];

    if (one->gathered >= 0 && event->status == HIPT_OK) {
        one->gathered = -1;
        if (began->status == HIPT_OK) {
            let_go_range(began, began->call.pfn, true);
        }
    }
}

void cpus_after(const struct event *event)
{
    const struct call *call = &event->call;
    bool is_ok = event->status == HIPT_OK;

    if (!world.cpus || !world.sim->is_on) {
        return;
    }
    switch (call->verb) {
    case VERB_UNMAP:
        after_unmap(event);
        break;
    case VERB_MAP:
        if (is_ok) {
            see(call->pfn);
        }
        break;
    case VERB_REMAP:
        if (is_ok && event->out.pfn != call->pfn) {
            let_go_mapping(&event->out);
            see(call->pfn);
        }
        break;
    case VERB_UNMAP_RANGE:
        if (is_ok) {
            let_go_range(event, call->pfn, true);
        }
        break;
    case VERB_RETIRE:
        if (is_ok) {
            let_go_space(call->asid);
        }
        break;
    case VERB_FINISH:
        after_finish(event);
        break;
    case VERB_LOOKUP:
        if (is_ok) {
            see((unsigned)event->out.pfn + call->vpn - (unsigned)event->out.page.vpn);
        }
        break;
    case VERB_NARROW:
        memory_step("protected", call->asid, call->vpn);
        break;
    case VERB_CLEAN:
        if (is_ok && (event->out.marks & HIPT_DIRTY)) {
            write_back((unsigned)event->out.pfn);
        }
        break;
    default:
        break;
    }
}

/* --- calls --- */

/* => whether a frame is one of the page that the call names. */
static bool is_of_page(const struct call *call, uint64_t pfn)
{
    const struct cpus_owner *owner = &world.cpus->owner[pfn % WORLD_FRAMES];

    return pfn < WORLD_FRAMES && owner->is_known && owner->vpn == call->vpn &&
           world.asids[owner->asid].number == world.asids[call->asid].number;
}

static void access_make(struct event *event, struct cpus_one *one)
{
    const struct call *call = &event->call;
    bool is_write = call->verb == VERB_WRITE;
    struct hipt_access access;

    one->walks = (int)call->vpn;
    event->status = hipt_translate(&one->mmu, world.asids[call->asid].number, (uint64_t)call->vpn << PAGE_SHIFT,
                                   is_write ? HIPT_WRITE : HIPT_READ, &access);
    one->walks = -1;
    using_set(one);
    if (event->status != HIPT_OK) {
        return;
    }
    event->out.pfn = access.pfn;
    if (!is_of_page(call, access.pfn)) {
        world_fail("T2: CPU %u finds frame %u, which is not page %u's", cpu_number(one), (unsigned)access.pfn,
                   call->vpn);
        return;
    }
    use(cpu_number(one), (unsigned)access.pfn, is_write);
}

static void leaving_count(void)
{
    unsigned *leaving = &world.cpus->leaving;

    hipti_sim_step(world.sim, "leaving", leaving, HIPTI_SIM_WRITE, "host", 0);
    world_change(leaving, *leaving, *leaving + 1u);
    ++*leaving;
}

/* Serve while any other thread has calls to make. */
static void stay(struct cpus_one *one)
{
    leaving_count();
    do {
        (void)hipt_cpu_serve(&one->mmu.cpu);
        hipti_sim_step(world.sim, "load leaving", &world.cpus->leaving, HIPTI_SIM_READ, "host", 0);
        if (world.cpus->leaving == world.program->nthreads) {
            break;
        }
        hipti_sim_wait(world.sim);
    } while (true);
}

static void gather_begin(struct event *event, struct cpus_one *one)
{
    struct hipt_page page = {world.asids[event->call.asid].number, 0, event->call.vpn};

    event->status = hipt_gather_start(&one->gather, world.table, page.asid, HIPT_DEFERRED);
    if (event->status == HIPT_OK) {
        one->gathered = (int)(event - world.events);
        event->status = hipt_gather_add(&one->gather, &page, event->call.pfn, NULL);
        hipt_gather_dispatch(&one->gather);
    }
}

static void gather_finish(struct event *event, struct cpus_one *one)
{
    event->status = one->gathered < 0 ? HIPT_ABSENT : hipt_gather_finish(&one->gather);
    if (event->status == HIPT_PENDING) {
        (void)hipt_gather_sync(&one->gather);
        event->status = hipt_gather_finish(&one->gather);
    }
}

static void come_or_go(struct cpus_one *one, bool is_inside)
{
    if (one->is_inside == is_inside) {
        return;
    }
    one->is_inside = is_inside;
    if (is_inside) {
        hipt_cpu_enter(&one->mmu.cpu);
        using_set(one);
    } else {
        using_set(one);
        hipt_cpu_exit(&one->mmu.cpu);
    }
}

void cpus_call(struct event *event)
{
    unsigned thread = world.sim->is_on ? event->thread : event->call.cpu;
    bool is_gather = event->call.verb == VERB_GATHER || event->call.verb == VERB_FINISH;
    struct cpus_one *one = world.cpus ? &world.cpus->one[thread] : NULL;

    if (!one || (!is_gather && !is_cpu(thread)) || event->call.vpn >= CPUS_PAGES) {
        world_fail("%s by thread %u, which is no CPU, or of a page too far", verb_name(event->call.verb), thread);
        event->status = HIPT_BAD_CPU;
        return;
    }
    event->status = HIPT_OK;
    switch (event->call.verb) {
    case VERB_GATHER:
        gather_begin(event, one);
        break;
    case VERB_FINISH:
        gather_finish(event, one);
        break;
    case VERB_EXIT:
    case VERB_ENTER:
        come_or_go(one, event->call.verb == VERB_ENTER);
        break;
    case VERB_SERVE:
        (void)hipt_cpu_serve(&one->mmu.cpu);
        break;
    case VERB_CACHED:
        use_cached(one, one->tag, event->call.vpn, 1);
        break;
    case VERB_STAY:
        stay(one);
        break;
    default:
        access_make(event, one);
        break;
    }
}

static bool stays(unsigned thread)
{
    unsigned ncalls = world.program->ncalls[thread];

    return ncalls > 0 && world.program->calls[thread][ncalls - 1u].verb == VERB_STAY;
}

void cpus_leave(unsigned thread)
{
    static const struct call finish = {.verb = VERB_FINISH};

    if (!world.cpus) {
        return;
    }
    if (!stays(thread)) {
        leaving_count();
    }
    if (is_cpu(thread)) {
        come_or_go(&world.cpus->one[thread], false);
    }
    if (world.cpus->one[thread].gathered >= 0) {
        (void)world_call(&finish);
    }
}

/* --- the end --- */

void cpus_check_end(void)
{
    unsigned pfn;

    for (pfn = 0; world.cpus && pfn < WORLD_FRAMES; pfn++) {
        const struct cpus_frame *frame = &world.cpus->frame[pfn];
        const struct cpus_owner *owner = &world.cpus->owner[pfn];
        struct hipt_translation found;

        if (frame->writes == frame->saved || frame->is_dropped) {
            continue;
        }
        if (hipt_lookup(world.table, world.asids[owner->asid].number, owner->vpn, &found) != HIPT_OK ||
            pfn - found.mapping.pfn >= (found.mapping.page.size ? 4u : 1u) ||
            !(found.mapping.marks & HIPT_DIRTY)) {
            world_fail("S3: %u of %u writes to frame %u are lost", frame->writes - frame->saved + 0u, frame->writes,
                       pfn);
        }
    }
}
