/* SPDX-License-Identifier: MIT */
/*
 * What a CPU does itself: come and go, serve, use asids. Nothing here waits.
 *
 * Tags: each CPU gives its own out, in order; when they are used up it flushes its whole cache and starts again, which
 * concerns nobody else. An asid keeps its tag until then, also while the CPU does not use it; with the tag goes the
 * generation of the asid up to which the cache has forgotten.
 */
#include "shootdown/shootdown.h"

#include <hipt/port.h>

#include "base/check.h"

/* An asid's tag on one CPU, in a hash table of twice as many places as there are tags. Field key: the CPU's only. */
struct hipti_tag {
    uint64_t seen;     /* the asid's generation, as it is in its space */
    uint64_t rollover; /* plus one; of another one, or 0: the place is free */
    uint32_t asid;
    uint32_t tag;
};

static size_t tag_places(unsigned bits)
{
    return (size_t)2u << bits;
}

enum hipt_status hipti_cpu_attach(struct hipti_shootdown *shootdown, struct hipt_cpu *cpu,
                                  const struct hipt_cpu_config *config)
{
    static const struct hipt_cpu none;
    const struct hipt_ops *ops = shootdown->ops;
    struct hipti_cpu_line *line = &shootdown->lines[config->number];
    struct hipti_tag *tags;
    uint32_t free = 0;

    if (!hipti_cas_acquire(&line->attached, &free, 1u)) { /* [observe:attached] */
        return HIPT_EXISTS;
    }
    tags = (struct hipti_tag *)ops->alloc(ops->ctx, tag_places(config->tag_bits) * sizeof(struct hipti_tag),
                                          HIPTI_CACHE_LINE, HIPT_ANY_NODE, true);
    if (!tags) {
        hipti_store_release(&line->attached, 0u); /* [publish:attached] */
        return HIPT_NOMEM;
    }
    *cpu = none;
    cpu->tags = tags;
    cpu->shootdown = shootdown;
    cpu->line = line;
    cpu->cache = config->cache;
    cpu->number = config->number;
    cpu->tag_bits = config->tag_bits;
    cpu->served = hipti_load_relaxed(&line->served); /* its own: the CPU before it has gone */
    return HIPT_OK;
}

/* The bit of a CPU in the set of an asid. */
static HIPTI_ATOMIC(uint64_t) *cpu_word(const struct hipt_cpu *cpu, uint32_t asid)
{
    return &hipti_space_set(hipti_space_find(cpu->shootdown, asid))[cpu->number / 64u];
}

static uint64_t cpu_bit(const struct hipt_cpu *cpu)
{
    return UINT64_C(1) << (cpu->number % 64u);
}

/* From hipt_cpu_mask() to here an interrupt on this thread does not serve: the caller looks what came meanwhile. */
static void interrupts_on(struct hipt_cpu *cpu)
{
    HIPT_PORT_COMPILER_BARRIER();
    cpu->masked--;
}

/* Leave the set of an asid (C5). */
static void set_leave(const struct hipt_cpu *cpu, uint32_t asid)
{
    /* [publish:set] what the CPU did with the asid's translations */
    (void)hipti_fetch_sub_release(cpu_word(cpu, asid), cpu_bit(cpu));
}

/* Leave all active asids but the @kept that were used last. */
static void cpu_leave(struct hipt_cpu *cpu, unsigned kept)
{
    while (cpu->nactive > kept) {
        cpu->nactive--;
        set_leave(cpu, cpu->active[cpu->nactive].asid);
    }
}

void hipt_cpu_detach(struct hipt_cpu *cpu)
{
    const struct hipt_ops *ops = cpu->shootdown->ops;

    HIPTI_REQUIRE(!hipti_load_relaxed(&cpu->line->inside)); /* its own */
    cpu_leave(cpu, 0);
    ops->free(ops->ctx, cpu->tags, tag_places(cpu->tag_bits) * sizeof(struct hipti_tag));
    hipti_store_release(&cpu->line->attached, 0u); /* [publish:attached] */
}

/* => whether the ranges of generations @seen + 1 to @now are all remembered and now forgotten. */
static bool forget_ranges(struct hipt_cpu *cpu, struct hipti_space *space, uint32_t tag, uint64_t seen, uint64_t now)
{
    while (seen != now) {
        struct hipti_flush *flush = &space->flush[++seen % HIPTI_FLUSHES];
        uint64_t state = hipti_load_acquire(&flush->state); /* [observe:flush] */
        uint64_t vpn = hipti_load_acquire(&flush->vpn);     /* [observe:flush] if of a later record, so is the state */
        uint64_t npages = hipti_load_acquire(&flush->npages); /* [observe:flush] */

        if (state != seen || hipti_load_relaxed(&flush->state) != seen) { /* relaxed: ordered by the acquires above */
            return false;
        }
        cpu->cache.flush_range(cpu->cache.ctx, tag, vpn, npages);
    }
    return true;
}

/* Make the cache forget what has ended in an asid. => whether the asid may still be used. */
static bool catch_up(struct hipt_cpu *cpu, struct hipti_space *space, struct hipti_tag *tag)
{
    uint64_t now = hipti_load_acquire(&space->generation); /* C3, C2 [observe:generation] */
    uint64_t behind = now / HIPTI_GENERATION - tag->seen / HIPTI_GENERATION;

    if (behind > HIPTI_FLUSHES ||
        !forget_ranges(cpu, space, tag->tag, tag->seen / HIPTI_GENERATION, now / HIPTI_GENERATION)) {
        cpu->cache.flush_tag(cpu->cache.ctx, tag->tag);
    }
    tag->seen = now;
    return now & HIPTI_OPEN;
}

/* C3, C4. */
static void serve(struct hipt_cpu *cpu, uint64_t posted)
{
    cpu_leave(cpu, 1); /* lazily: the others were not used last */
    if (cpu->nactive && !catch_up(cpu, hipti_space_find(cpu->shootdown, cpu->active[0].asid), cpu->active[0].tag)) {
        cpu_leave(cpu, 0);
    }
    *(volatile uint64_t *)&cpu->served = posted;
    hipti_store_release(&cpu->line->served, posted); /* C4 [publish:served] */
}

bool hipt_cpu_serve(struct hipt_cpu *cpu)
{
    bool has_served = false;

    while (hipti_load_relaxed(&cpu->line->posted) != cpu->served) { /* only compared */
        hipt_cpu_mask(cpu);
        serve(cpu, hipti_load_acquire(&cpu->line->posted)); /* [observe:post] */
        interrupts_on(cpu);
        has_served = true;
    }
    return has_served;
}

void hipt_cpu_interrupt(struct hipt_cpu *cpu)
{
    if (!cpu->masked) {
        (void)hipt_cpu_serve(cpu);
    }
}

void hipt_cpu_mask(struct hipt_cpu *cpu)
{
    cpu->masked++;
    HIPT_PORT_COMPILER_BARRIER();
}

void hipt_cpu_unmask(struct hipt_cpu *cpu)
{
    interrupts_on(cpu);
    hipt_cpu_interrupt(cpu);
}

void hipt_cpu_enter(struct hipt_cpu *cpu)
{
    if (cpu->shootdown->ops->barrier) {
        hipti_store_relaxed(&cpu->line->inside, 1u); /* the initiator's barrier stands between this and the load */
        HIPT_PORT_COMPILER_BARRIER();
    } else {
        (void)hipti_exchange_seq_cst(&cpu->line->inside, 1u); /* C1 [publish:inside] */
    }
    if (hipti_load_seq_cst(&cpu->line->posted) != cpu->served) { /* [observe:post] */
        (void)hipt_cpu_serve(cpu);
    }
}

void hipt_cpu_exit(struct hipt_cpu *cpu)
{
    hipti_store_release(&cpu->line->inside, 0u); /* C6 [publish:inside] */
}

/* The place of an asid's tag, or a free one. */
static struct hipti_tag *tag_place(const struct hipt_cpu *cpu, uint32_t asid)
{
    size_t mask = tag_places(cpu->tag_bits) - 1u;
    size_t i = (asid * UINT32_C(0x9e3779b1) >> 7) & mask;

    while (cpu->tags[i].rollover == cpu->rollovers + 1u && cpu->tags[i].asid != asid) {
        i = (i + 1u) & mask;
    }
    return &cpu->tags[i];
}

/* => the tag of an asid, given out anew if need be; its cached translations are then none. */
static struct hipti_tag *tag_take(struct hipt_cpu *cpu, uint32_t asid, bool *is_new)
{
    struct hipti_tag *tag = tag_place(cpu, asid);

    *is_new = tag->rollover != cpu->rollovers + 1u;
    if (!*is_new) {
        return tag;
    }
    if (cpu->next_tag >> cpu->tag_bits) {
        cpu->cache.flush_all(cpu->cache.ctx);
        cpu_leave(cpu, 0); /* their tags are gone */
        cpu->rollovers++;
        cpu->next_tag = 0;
        tag = tag_place(cpu, asid);
    }
    tag->rollover = cpu->rollovers + 1u;
    tag->asid = asid;
    tag->tag = cpu->next_tag++;
    return tag;
}

/* Put an asid in front of the active ones; there is room. */
static void active_push(struct hipt_cpu *cpu, uint32_t asid, struct hipti_tag *tag)
{
    unsigned i;

    for (i = cpu->nactive++; i > 0; i--) {
        cpu->active[i] = cpu->active[i - 1u];
    }
    cpu->active[0].asid = asid;
    cpu->active[0].tag = tag;
}

/* Join the asid's CPUs (C2). => HIPT_BAD_ASID: it is closed. */
static enum hipt_status cpu_join(struct hipt_cpu *cpu, uint32_t asid)
{
    struct hipti_space *space = hipti_space_find(cpu->shootdown, asid);
    struct hipti_tag *tag;
    bool is_new;
    bool is_open;

    if (!space || !(hipti_load_relaxed(&space->generation) & HIPTI_OPEN)) { /* a hint: looked at again below */
        return HIPT_BAD_ASID;
    }
    tag = tag_take(cpu, asid, &is_new);
    cpu_leave(cpu, HIPT_CPU_ACTIVE - 1u);
    (void)hipti_fetch_or_acq_rel(cpu_word(cpu, asid), cpu_bit(cpu)); /* C2 [publish:set] */
    if (is_new) {
        tag->seen = hipti_load_acquire(&space->generation); /* nothing is cached [observe:generation] */
        is_open = tag->seen & HIPTI_OPEN;
    } else {
        is_open = catch_up(cpu, space, tag);
    }
    if (!is_open) {
        set_leave(cpu, asid);
        return HIPT_BAD_ASID;
    }
    active_push(cpu, asid, tag);
    return HIPT_OK;
}

/* Make active asid @i the first. */
static void active_raise(struct hipt_cpu *cpu, unsigned i)
{
    struct hipti_tag *tag = cpu->active[i].tag;
    uint32_t asid = cpu->active[i].asid;

    for (; i > 0; i--) {
        cpu->active[i] = cpu->active[i - 1u];
    }
    cpu->active[0].asid = asid;
    cpu->active[0].tag = tag;
}

static enum hipt_status cpu_use(struct hipt_cpu *cpu, uint32_t asid)
{
    unsigned i;

    for (i = 0; i < cpu->nactive; i++) {
        if (cpu->active[i].asid == asid) {
            active_raise(cpu, i);
            return HIPT_OK;
        }
    }
    return cpu_join(cpu, asid);
}

enum hipt_status hipt_cpu_use(struct hipt_cpu *cpu, uint32_t asid, uint32_t *tag)
{
    enum hipt_status status = HIPT_OK;

    hipt_cpu_mask(cpu);
    if (cpu->nactive == 0 || cpu->active[0].asid != asid) {
        status = cpu_use(cpu, asid);
    }
    if (status == HIPT_OK) {
        *tag = cpu->active[0].tag->tag;
    }
    hipt_cpu_unmask(cpu);
    return status;
}
