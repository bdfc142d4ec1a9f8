/* SPDX-License-Identifier: MIT */
#include "weak/cpus.h"

#include <string.h>

#include <hipt/mmu.h>

#include "sim/hash.h"
#include "weak/crew.h"
#include "weak/memory.h"

#define ENTRIES 2u
#define TAG_BITS 1u
#define PAGE_SHIFT 12u

/* Of a thread: its CPU, and its gather. In the host's memory. */
struct own {
    bool is_kicked;  /* since it last looked */
    bool is_leaving; /* it has made all its operations, but perhaps to stay */
    struct hipt_mmu mmu;
    struct hipt_tlb_entry entries[ENTRIES];
    bool is_attached;
    bool is_inside;
    bool has_gather;
    struct hipt_gather gather;
    int gathered; /* the record that began it */
};

static struct hipti_weak_view kicked_by[CREW_THREADS]; /* what those knew who have kicked each thread */
static struct own *own; /* of each thread; NULL: the table has no CPUs */
static struct hipt_config geometry;

struct hipt_cpu *cpus_this(void *ctx)
{
    unsigned who = crew_who();

    (void)ctx;
    return own && who < CREW_THREADS && own[who].is_attached ? &own[who].mmu.cpu : NULL;
}

void cpus_relax(void *ctx)
{
    unsigned i;

    (void)ctx;
    crew_wait();
    for (i = 0; crew_who() == CREW_THREADS && i < CREW_THREADS; i++) {
        if (own[i].is_attached && own[i].is_inside) {
            (void)hipt_cpu_serve(&own[i].mmu.cpu);
        }
    }
}

void cpus_kick(void *ctx, const uint64_t *set, unsigned words)
{
    unsigned i;

    (void)ctx;
    (void)words;
    crew_step("kick", &own->is_kicked, "host", __LINE__);
    for (i = 0; i < CREW_THREADS; i++) {
        if (own[i].is_attached && (set[0] >> own[i].mmu.cpu.number & 1u)) {
            own[i].is_kicked = true;
            if (crew_who() < CREW_THREADS) {
                hipti_weak_add(&crew_weak, &kicked_by[i]);
            }
        }
    }
}

void cpus_start(void)
{
    unsigned i;

    for (i = 0; i < CREW_THREADS; i++) {
        hipti_weak_forget(&kicked_by[i]);
    }
}

/* => whether no thread has more to do than to stay. */
static bool all_leave(void)
{
    unsigned i;

    for (i = 0; i < CREW_THREADS; i++) {
        if (history.program->thread[i][0].kind != NOTHING && !own[i].is_leaving) {
            return false;
        }
    }
    return true;
}

static void leave(struct own *mine)
{
    crew_step("leave", &own->is_kicked, "host", __LINE__);
    mine->is_leaving = true;
}

/* An interrupt comes when somebody kicks, and at no other time. */
static void stay(struct own *mine)
{
    leave(mine);
    do {
        crew_step("load: kicked", &own->is_kicked, "host", __LINE__);
        if (mine->is_kicked) {
            mine->is_kicked = false;
            hipti_weak_give(&crew_weak, &kicked_by[crew_who()]);
            hipt_cpu_interrupt(&mine->mmu.cpu);
        } else if (!all_leave()) {
            crew_wait();
        } else {
            return;
        }
    } while (true);
}

static enum hipt_status attach(struct own *mine, uint32_t number)
{
    struct hipt_mmu_config config = {.number = number, .tag_bits = TAG_BITS, .level = {{1, ENTRIES}, {0, 0}},
                                     .entries = mine->entries,
                                     .nentries = sizeof(mine->entries) / sizeof(mine->entries[0]),
                                     .interruptible = true};
    enum hipt_status status = hipt_mmu_attach(&mine->mmu, history.table, &geometry, &config);

    mine->is_attached = status == HIPT_OK;
    return status;
}

static void come(struct own *mine)
{
    if (!mine->is_inside) {
        mine->is_inside = true;
        hipt_cpu_enter(&mine->mmu.cpu);
    }
}

static void go(struct own *mine)
{
    if (mine->is_inside) {
        hipt_cpu_exit(&mine->mmu.cpu);
        mine->is_inside = false;
    }
}

bool cpus_open(const struct hipt_config *config, unsigned count)
{
    unsigned i;

    geometry = *config;
    own = count > 0 ? (struct own *)host_take(CREW_THREADS * sizeof(struct own)) : NULL;
    for (i = 0; i < count; i++) {
        if (attach(&own[i], i) != HIPT_OK) {
            return false;
        }
        come(&own[i]);
    }
    return true;
}

/* --- operations --- */

static enum hipt_status use(struct record *record, struct own *mine)
{
    uint32_t asid = history.asid[record->op.asid].number;
    struct hipt_access access;
    enum hipt_status status = hipt_translate(&mine->mmu, asid, history_vpn(asid, record->op.vpn) << PAGE_SHIFT,
                                             record->op.kind == WRITE ? HIPT_WRITE : HIPT_READ, &access);

    if (status == HIPT_OK) {
        record->out.pfn = access.pfn;
    }
    return status;
}

static struct hipt_page page_of(const struct op *op)
{
    struct hipt_page page = {history.asid[op->asid].number, op->size, 0};

    page.vpn = history_vpn(page.asid, op->vpn);
    return page;
}

static enum hipt_status gather_begin(struct record *record, struct own *mine)
{
    struct hipt_page page = page_of(&record->op);
    enum hipt_status status = hipt_gather_start(&mine->gather, history.table, page.asid, HIPT_DEFERRED);

    if (status == HIPT_OK) {
        mine->has_gather = true;
        mine->gathered = (int)(record - history.record);
        status = hipt_gather_add(&mine->gather, &page, record->op.pfn, NULL);
        hipt_gather_dispatch(&mine->gather);
    }
    return status;
}

static enum hipt_status gather_finish(struct record *record, struct own *mine)
{
    enum hipt_status status;

    if (!mine->has_gather) {
        return HIPT_ABSENT;
    }
    record->through = mine->gathered;
    mine->has_gather = false;
    (void)hipt_gather_sync(&mine->gather);
    status = hipt_gather_finish(&mine->gather);
    if (status != HIPT_OK) {
        crew_fail("a gather that was acknowledged cannot be finished");
    }
    return status;
}

/* To attach asks for memory once. No other thread of a program is refused any. */
static enum hipt_status attach_with(struct own *mine, const struct op *op)
{
    enum hipt_status status;

    if (op->prot) {
        host_refuse_to(crew_who());
    }
    status = attach(mine, op->pfn);
    if (op->prot) {
        host_refuse_to(CREW_THREADS);
    }
    return status;
}

static enum hipt_status run_cpu(struct record *record, struct own *mine)
{
    if (!mine->is_attached) {
        return HIPT_BAD_CPU;
    }
    switch (record->op.kind) {
    case SERVE:
        (void)hipt_cpu_serve(&mine->mmu.cpu);
        return HIPT_OK;
    case INSIDE:
        come(mine);
        return HIPT_OK;
    case OUTSIDE:
        go(mine);
        return HIPT_OK;
    case KICKED:
        stay(mine);
        return HIPT_OK;
    case DETACH:
        go(mine);
        hipt_mmu_detach(&mine->mmu);
        mine->is_attached = false;
        return HIPT_OK;
    default:
        come(mine);
        return use(record, mine);
    }
}

enum hipt_status cpus_run(struct record *record)
{
    struct own *mine = &own[record->thread == CREW_THREADS ? record->op.pfn : record->thread];
    struct hipt_page page;

    switch (record->op.kind) {
    case ATTACH:
        return mine->is_attached ? HIPT_EXISTS : attach_with(mine, &record->op);
    case RANGE:
        page = page_of(&record->op);
        return hipt_unmap_range(history.table, &page, record->op.pfn, NULL);
    case GATHER:
        return gather_begin(record, mine);
    case FINISH:
        return gather_finish(record, mine);
    default:
        return run_cpu(record, mine);
    }
}

void cpus_leave(unsigned thread)
{
    static const struct op finish = {FINISH, 0, 0, 0, 0, 0};

    if (!own) {
        return;
    }
    leave(&own[thread]);
    if (own[thread].is_attached) {
        go(&own[thread]);
    }
    if (own[thread].has_gather) {
        history_make(&finish, thread);
    }
}

/* --- what a thread knows --- */

static uint64_t entries_hash(const struct own *mine)
{
    uint64_t hash = mine->entries[0].used < mine->entries[1].used;
    unsigned i;

    for (i = 0; i < ENTRIES; i++) {
        const struct hipt_tlb_entry *entry = &mine->entries[i];

        if (entry->used) {
            hash = hipti_sim_hash(hash, entry->vpn << 8 | entry->tag << 1 | i);
            hash = hipti_sim_hash(hash, entry->pfn << 32 | (uint64_t)entry->size << 16 | (uint64_t)entry->prot << 8 |
                                            entry->dirty);
        }
    }
    return hash;
}

/* The tags lie in the host's memory, as so many words of 64 bits. */
static uint64_t cpu_hash(const struct own *mine)
{
    const struct hipt_cpu *cpu = &mine->mmu.cpu;
    uint64_t hash = hipti_sim_hash(cpu->served, cpu->rollovers << 32 | cpu->next_tag << 16 | cpu->nactive << 1 |
                                                    (unsigned)mine->is_inside);
    uint64_t word;
    unsigned i;

    for (i = 0; i < cpu->nactive; i++) {
        hash = hipti_sim_hash(hash, cpu->active[i].asid);
    }
    for (i = 0; i < (2u << TAG_BITS) * 3u; i++) {
        memcpy(&word, (const char *)cpu->tags + i * sizeof(word), sizeof(word));
        hash = hipti_sim_hash(hash, word);
    }
    return hipti_sim_hash(hash, entries_hash(mine));
}

uint64_t cpus_host_hash(void)
{
    uint64_t hash = 0;
    unsigned i;

    for (i = 0; own && i < CREW_THREADS; i++) {
        hash = hipti_sim_hash(hash, kicked_by[i].hash << 2 | (unsigned)own[i].is_kicked << 1 | own[i].is_leaving);
    }
    return hash;
}

uint64_t cpus_hash(unsigned thread)
{
    uint64_t hash;

    if (!own) {
        return 0;
    }
    hash = own[thread].is_attached ? cpu_hash(&own[thread]) : 1u;
    return own[thread].has_gather
               ? hipti_sim_hash(hash, own[thread].gather.ticket << 16 | own[thread].gather.number << 8 | 1u)
               : hash;
}

/* --- judgement --- */

static bool is_access(const struct record *record)
{
    return (record->op.kind == READ || record->op.kind == WRITE) && record->status == HIPT_OK;
}

static bool is_same_page(const struct op *a, const struct op *b)
{
    return a->asid == b->asid && a->vpn == b->vpn;
}

/* => whether @by knows at its return that the access @a was over. */
static bool is_over(const struct record *a, const struct record *by)
{
    return a->thread == by->thread ? a->index < by->index : a->index * 2u <= by->after[a->thread];
}

/* => whether a frame was there before the threads began. */
static bool is_first(uint64_t pfn)
{
    size_t i;

    for (i = 0; i < history.nbefore; i++) {
        if (history.before[i].pfn == pfn) {
            return true;
        }
    }
    return false;
}

/* => whether the frame has been the page's at all. */
static bool was_put(const struct record *access)
{
    unsigned i;

    for (i = 0; i < history.nbefore; i++) {
        if (history.before[i].pfn == access->out.pfn && history.before[i].page.vpn == access->op.vpn) {
            return true;
        }
    }
    for (i = 0; i < history.nrecords; i++) {
        const struct op *op = &history.record[i].op;

        if ((op->kind == MAP || op->kind == REMAP) && op->vpn == access->op.vpn && op->pfn == access->out.pfn) {
            return true;
        }
    }
    return false;
}

/* => whether the page had the frame before @event was called. */
static bool was_there(uint64_t pfn, const struct record *event)
{
    unsigned i;

    for (i = 0; i < history.nrecords; i++) {
        const struct record *record = &history.record[i];

        if ((record->op.kind == MAP || record->op.kind == REMAP) && record->status == HIPT_OK &&
            record->op.pfn == pfn && record_precedes(record, event)) {
            return true;
        }
    }
    return is_first(pfn);
}

static bool covers(const struct op *range, const struct op *page)
{
    return range->asid == page->asid && range->vpn <= page->vpn && page->vpn < range->vpn + range->pfn;
}

/* => whether, when @event returns, no access may go to where @access has gone any more (S1, S2). */
static bool has_ended(const struct record *event, const struct record *access)
{
    bool is_page = is_same_page(&event->op, &access->op);
    bool is_ok = event->status == HIPT_OK;

    switch (event->op.kind) {
    case UNMAP:
        return is_page && ((is_ok && event->out.pfn == access->out.pfn) ||
                           ((is_ok || event->status == HIPT_ABSENT) && was_there(access->out.pfn, event)));
    case MAP:
    case REMAP:
        return is_page && is_ok && event->op.pfn != access->out.pfn && is_first(access->out.pfn);
    case LOOKUP:
        return is_page && is_ok && event->out.pfn != access->out.pfn && is_first(access->out.pfn) &&
               !is_first(event->out.pfn);
    case RANGE:
        return is_ok && covers(&event->op, &access->op) && was_there(access->out.pfn, event);
    case FINISH:
        return is_ok && history.record[event->through].status == HIPT_OK &&
               covers(&history.record[event->through].op, &access->op) &&
               was_there(access->out.pfn, &history.record[event->through]);
    case RETIRE:
        return is_ok && event->op.asid == access->op.asid;
    default:
        return false;
    }
}

/* => whether a call allows writing the page and may have come after @narrow. */
static bool is_widened(const struct record *narrow)
{
    unsigned i;

    for (i = 0; i < history.nrecords; i++) {
        const struct record *record = &history.record[i];

        if ((record->op.kind == PROTECT || record->op.kind == REMAP) && (record->op.prot & HIPT_WRITE) &&
            is_same_page(&record->op, &narrow->op) && record->status == HIPT_OK && !record_precedes(record, narrow)) {
            return true;
        }
    }
    return false;
}

static bool forbids(const struct record *event, const struct record *access)
{
    return access->op.kind == WRITE && event->op.kind == PROTECT && !(event->op.prot & HIPT_WRITE) &&
           event->status == HIPT_OK && is_same_page(&event->op, &access->op) && !is_widened(event);
}

/* => whether somebody will write back what was written (S3), or does not want it. */
static bool is_saved(const struct record *write)
{
    struct hipt_translation found;
    unsigned i;

    for (i = 0; i < history.nrecords; i++) {
        const struct record *record = &history.record[i];
        enum kind kind = record->op.kind;
        bool is_dirty = record->status == HIPT_OK && record->out.pfn == write->out.pfn &&
                        (record->out.marks & HIPT_DIRTY);

        if (((kind == UNMAP || kind == REMAP) && is_dirty) || (kind == CLEAN && is_dirty && is_over(write, record)) ||
            ((kind == RANGE || kind == FINISH || kind == RETIRE) && has_ended(record, write))) {
            return true;
        }
    }
    return history_lookup(write->op.asid, write->op.vpn, &found) == HIPT_OK &&
           found.mapping.pfn == write->out.pfn && (found.mapping.marks & HIPT_DIRTY);
}

void judge_accesses(void)
{
    unsigned i;
    unsigned k;

    for (i = 0; i < history.nrecords; i++) {
        const struct record *access = &history.record[i];

        for (k = 0; is_access(access) && k < history.nrecords; k++) {
            const struct record *event = &history.record[k];

            if ((has_ended(event, access) || forbids(event, access)) && !is_over(access, event)) {
                crew_fail("S1: thread %u has %s, and does not know that thread %u has used frame %u of page %u",
                          event->thread, kind_name(event->op.kind), access->thread, (unsigned)access->out.pfn,
                          access->op.vpn);
                return;
            }
        }
        if (is_access(access) && !was_put(access)) {
            crew_fail("S1: thread %u uses frame %u for page %u, which had lost it before", access->thread,
                      (unsigned)access->out.pfn, access->op.vpn);
            return;
        }
        if (is_access(access) && access->op.kind == WRITE && !is_saved(access)) {
            crew_fail("S3: what thread %u has written to frame %u is lost", access->thread,
                      (unsigned)access->out.pfn);
            return;
        }
    }
}
