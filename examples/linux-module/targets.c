/* SPDX-License-Identifier: MIT */
/* What is done with virtual pages: accesses by CPUs, updates by whoever has a page's lock, and the look at stamps. */
#include <linux/bitops.h>
#include <linux/irqflags.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>

#include "test.h"

#define HOT_ASIDS 1u       /* that half of the choices fall on */
#define HOT_PAGES 2u       /* likewise, in each address space */
#define READS 8u           /* frames that are looked at in one read side */
#define READ_TURNS 4096u   /* that it stays open, at most */
#define NARROW_TURNS 8192u /* that nobody may write, at most */

/* Half of the choices fall on a few: what is used often is what caches hold, and what several are at. */
static u32 draw_hot(struct worker *worker, u32 below, u32 hot)
{
    return draw(worker, draw(worker, 2) ? hot : below);
}

static struct target *target_draw(struct worker *worker)
{
    return &worker->test->target[draw_hot(worker, ASIDS, HOT_ASIDS)][draw_hot(worker, PAGES, HOT_PAGES)];
}

static u64 owner_of(const struct target *target)
{
    return ((u64)target->at.asid << 32 | target->at.vpn) + 1u;
}

static bool target_lock(struct target *target)
{
    return !test_and_set_bit_lock(0, &target->lock);
}

static void target_unlock(struct target *target)
{
    clear_bit_unlock(0, &target->lock);
}

/* --- accesses */

/* At the stamp of a page that had ended up to @ended before it was translated to @pfn. => whether it is right. */
static bool look(struct worker *worker, const struct target *target, u64 pfn, u64 ended, enum broken wrong_owner)
{
    struct contents *contents = contents_of(pfn);
    struct finding finding = {.cpu = worker->number, .at = target->at, .pfn = pfn, .ended = ended};

    finding.owner = READ_ONCE(contents->owner);
    finding.generation = READ_ONCE(contents->generation);
    if (finding.owner != owner_of(target)) {
        break_test(worker->test, wrong_owner, &finding);
        return false;
    }
    if (finding.generation <= ended) {
        break_test(worker->test, BROKEN_GENERATION, &finding);
        return false;
    }
    return true;
}

static void access(struct worker *worker, struct target *target)
{
    u8 how = draw(worker, 4) ? HIPT_READ : HIPT_WRITE;
    u32 looks = 1u + draw(worker, 3);
    unsigned long flags;
    u64 ended;
    u64 pfn;

    local_irq_save(flags);
    ended = smp_load_acquire(&target->ended);
    if (tlb_translate(&worker->tlb, target->at.asid, target->at.vpn, how, &pfn) == HIPT_OK) {
        while (looks-- > 0 && look(worker, target, pfn, ended, BROKEN_OWNER)) {
            spin(worker, 64);
        }
        if (how == HIPT_WRITE) {
            WRITE_ONCE(contents_of(pfn)->word[worker->number], ++worker->counts.writes);
        }
        worker->counts.accesses++;
    }
    local_irq_restore(flags);
}

/* Some accesses in one address space, as a process makes them. */
static void access_some(struct worker *worker)
{
    struct target *space = worker->test->target[draw_hot(worker, ASIDS, HOT_ASIDS)];
    u32 left = 1u + draw(worker, 48);

    while (left-- > 0) {
        access(worker, &space[draw_hot(worker, PAGES, HOT_PAGES)]);
    }
}

/* Without a cache, inside a read side: a frame that is not pinned stays what it is until the read side ends (R1). */
static void read_some(struct worker *worker)
{
    struct hipt_table *table = worker->test->table;
    struct {
        struct target *target;
        u64 ended;
        u64 pte;
    } seen[READS];
    unsigned i;

    hipt_read_enter(table);
    for (i = 0; i < READS; i++) {
        struct target *target = target_draw(worker);

        seen[i].target = target;
        seen[i].ended = smp_load_acquire(&target->ended);
        seen[i].pte = hipt_lookup_pte(table, target->at.asid, target->at.vpn);
    }
    spin(worker, READ_TURNS);
    for (i = 0; i < READS; i++) {
        u64 pfn = HIPT_PTE_PFN(seen[i].pte);

        if (seen[i].pte && !is_pinned(pfn)) {
            worker->counts.reads += look(worker, seen[i].target, pfn, seen[i].ended, BROKEN_READER);
        }
    }
    hipt_read_exit(table);
}

/* --- updates; the caller has the lock */

static void expect_ok(struct worker *worker, const struct target *target, enum hipt_status status)
{
    if (status != HIPT_OK) {
        struct finding finding = {.cpu = worker->number, .at = target->at, .pfn = target->pfn, .status = status};

        break_test(worker->test, BROKEN_VERB, &finding);
    }
}

/* The mapping has ended, by a verb that has returned: from here on nobody may use it. */
static void has_ended(struct worker *worker, struct target *target)
{
    if (is_pinned(target->pfn)) {
        frame_keep(worker->test, target->pfn);
    }
    smp_store_release(&target->ended, target->generation);
    target->is_mapped = false;
}

/* A frame for the next generation. => false: there is none. */
static bool mapping_draw(struct worker *worker, const struct target *target, struct hipt_mapping *mapping)
{
    worker->counts.reaped += frames_reap(worker->test);
    *mapping = (struct hipt_mapping){.page = target->at, .prot = HIPT_READ | HIPT_WRITE};
    if (!frame_take(worker, &mapping->pfn)) {
        return false;
    }
    frame_stamp(mapping->pfn, owner_of(target), target->generation + 1u);
    return true;
}

static void is_mapped(struct target *target, const struct hipt_mapping *mapping)
{
    target->pfn = mapping->pfn;
    target->generation++;
    target->is_mapped = true;
}

static enum hipt_status map_with_interrupts_off(struct worker *worker, const struct hipt_mapping *mapping)
{
    enum hipt_status status;
    unsigned long flags;

    local_irq_save(flags);
    status = hipt_map(worker->test->table, mapping);
    local_irq_restore(flags);
    worker->counts.atomic_maps += status == HIPT_OK;
    return status;
}

static void map_it(struct worker *worker, struct target *target)
{
    bool is_atomic = draw(worker, 8) == 0;
    struct hipt_mapping mapping;

    if (target->is_mapped || !mapping_draw(worker, target, &mapping)) {
        return;
    }
    if ((is_atomic ? map_with_interrupts_off(worker, &mapping) : hipt_map(worker->test->table, &mapping)) == HIPT_OK) {
        is_mapped(target, &mapping);
        worker->counts.maps++;
    } else {
        frame_keep(worker->test, mapping.pfn);
    }
}

static void unmap_it(struct worker *worker, struct target *target)
{
    if (target->is_mapped) {
        expect_ok(worker, target, hipt_unmap(worker->test->table, &target->at, NULL));
        has_ended(worker, target);
        worker->counts.unmaps++;
    }
}

static void remap_it(struct worker *worker, struct target *target)
{
    struct hipt_mapping mapping;

    if (!target->is_mapped || !mapping_draw(worker, target, &mapping)) {
        return;
    }
    if (hipt_remap(worker->test->table, &mapping, NULL) == HIPT_OK) {
        has_ended(worker, target);
        is_mapped(target, &mapping);
        worker->counts.remaps++;
    } else {
        frame_keep(worker->test, mapping.pfn);
    }
}

/* Each CPU's word changes with each of its writes. */
static u64 writes_to(const struct contents *contents)
{
    u64 sum = 0;
    unsigned cpu;

    for (cpu = 0; cpu < nr_cpu_ids; cpu++) {
        sum += READ_ONCE(contents->word[cpu]);
    }
    return sum;
}

/* Nobody writes what has become narrow. */
static void look_for_writes(struct worker *worker, const struct target *target)
{
    u64 before = writes_to(contents_of(target->pfn));

    spin(worker, NARROW_TURNS);
    if (writes_to(contents_of(target->pfn)) != before) {
        struct finding finding = {.cpu = worker->number, .at = target->at, .pfn = target->pfn};

        break_test(worker->test, BROKEN_NARROW, &finding);
    }
}

static void narrow_it(struct worker *worker, struct target *target)
{
    struct hipt_table *table = worker->test->table;

    if (target->is_mapped) {
        expect_ok(worker, target, hipt_protect(table, &target->at, HIPT_READ));
        look_for_writes(worker, target);
        expect_ok(worker, target, hipt_protect(table, &target->at, HIPT_READ | HIPT_WRITE));
        worker->counts.narrowed++;
    }
}

static void update(struct worker *worker)
{
    struct target *target = target_draw(worker);

    if (!target_lock(target)) {
        return;
    }
    switch (draw(worker, 8)) {
    case 0: unmap_it(worker, target); break;
    case 1:
    case 2: remap_it(worker, target); break;
    case 3: narrow_it(worker, target); break;
    default:
        unmap_it(worker, target);
        map_it(worker, target);
        break;
    }
    target_unlock(target);
}

/* --- where interrupts are off: nothing waits, a gather is polled later */

static unsigned lock_some(struct target *target, unsigned count)
{
    unsigned locked = 0;

    while (locked < count && target_lock(&target[locked])) {
        locked++;
    }
    return locked;
}

static bool gather_some(struct worker *worker, struct hipt_gather *gather, struct target *target, unsigned count)
{
    struct hipt_table *table = worker->test->table;
    enum hipt_status status;
    unsigned long flags;
    u64 done = 0;

    local_irq_save(flags);
    if (target->is_mapped) {
        worker->counts.refused += hipt_unmap(table, &target->at, NULL) == HIPT_CANNOT_WAIT;
    }
    status = hipt_gather_start(gather, table, target->at.asid, HIPT_DEFERRED);
    if (status == HIPT_OK) {
        expect_ok(worker, target, hipt_gather_add(gather, &target->at, count, &done));
        hipt_gather_dispatch(gather);
    }
    local_irq_restore(flags);
    worker->counts.gathered += done;
    return status == HIPT_OK;
}

static void gather(struct worker *worker)
{
    struct target *target = target_draw(worker);
    unsigned count = 1u + draw(worker, min(GATHERED, (u32)(PAGES - target->at.vpn)));
    struct hipt_gather gather;
    unsigned i;

    count = lock_some(target, count);
    if (count > 0 && gather_some(worker, &gather, target, count)) {
        while (hipt_gather_finish(&gather) == HIPT_PENDING) {
            cond_resched();
        }
        for (i = 0; i < count; i++) {
            if (target[i].is_mapped) {
                has_ended(worker, &target[i]);
            }
        }
    }
    for (i = 0; i < count; i++) {
        target_unlock(&target[i]);
    }
}

void step(struct worker *worker)
{
    u32 what = draw(worker, 16);

    if (what == 0) {
        gather(worker);
    } else if (what < 3) {
        read_some(worker);
    } else if (what < 9 || worker->is_roaming) {
        update(worker);
    } else {
        access_some(worker);
    }
}

void unmap_all(struct test *test)
{
    struct target *target = &test->target[0][0];
    unsigned i;

    for (i = 0; i < ASIDS * PAGES; i++, target++) {
        if (target->is_mapped && hipt_unmap(test->table, &target->at, NULL) == HIPT_OK && is_pinned(target->pfn)) {
            frame_keep(test, target->pfn);
        }
        target->is_mapped = false;
    }
}
