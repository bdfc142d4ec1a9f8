/* SPDX-License-Identifier: MIT */
#include "shootdown/shootdown.h"

#include <hipt/port.h>

#include "base/check.h"

#define WRITING (UINT64_C(1) << 63)
#define SPACES_BLOCK ((size_t)1 << 20)
#define FIRST_KICK 1024u /* of the looks for acknowledgements, and then at each power of two */

bool hipti_shootdown_init(struct hipti_shootdown *shootdown, const struct hipti_memory *memory,
                          const struct hipt_config *config)
{
    const struct hipt_ops *ops = memory->ops;
    size_t item;

    shootdown->ops = ops;
    shootdown->ncpus = config->cpus;
    shootdown->words = (config->cpus + 63u) / 64u;
    shootdown->flush_max = config->flush_max;
    shootdown->slow_after = ops->slow ? config->slow_after : 0; /* then there is a clock */
    if (config->cpus == 0) {
        return true;
    }
    item = sizeof(struct hipti_space) + shootdown->words * sizeof(uint64_t);
    shootdown->lines = (struct hipti_cpu_line *)ops->alloc(ops->ctx, config->cpus * sizeof(struct hipti_cpu_line),
                                                           HIPTI_CACHE_LINE, HIPT_ANY_NODE, true);
    return shootdown->lines &&
           hipti_arena_init(&shootdown->spaces, memory, item, UINT32_C(1) << config->asid_bits,
                            SPACES_BLOCK, true);
}

void hipti_shootdown_end(struct hipti_shootdown *shootdown)
{
    if (shootdown->lines) {
        shootdown->ops->free(shootdown->ops->ctx, shootdown->lines,
                             shootdown->ncpus * sizeof(struct hipti_cpu_line));
    }
    hipti_arena_end(&shootdown->spaces);
}

bool hipti_space_prepare(struct hipti_shootdown *shootdown, uint32_t asid)
{
    struct hipti_arena *spaces = &shootdown->spaces;

    return shootdown->ncpus == 0 || hipti_arena_fill(spaces, asid >> spaces->block_shift, spaces->memory, false);
}

struct hipti_space *hipti_space_find(const struct hipti_shootdown *shootdown, uint32_t asid)
{
    return (struct hipti_space *)(void *)hipti_arena_find(&shootdown->spaces, asid + 1u);
}

/* Of an asid that was issued. */
static struct hipti_space *space_at(const struct hipti_shootdown *shootdown, uint32_t asid)
{
    return (struct hipti_space *)(void *)hipti_arena_at(&shootdown->spaces, asid + 1u);
}

void hipti_space_open(struct hipti_shootdown *shootdown, uint32_t asid)
{
    if (shootdown->ncpus) {
        /* [publish:generation] */
        (void)hipti_fetch_add_release(&space_at(shootdown, asid)->generation, HIPTI_GENERATION + HIPTI_OPEN);
    }
}

void hipti_space_close(struct hipti_shootdown *shootdown, uint32_t asid)
{
    /* [publish:generation] */
    (void)hipti_fetch_add_release(&space_at(shootdown, asid)->generation, HIPTI_GENERATION - HIPTI_OPEN);
}

void hipti_shootdown_add(struct hipti_shootdown *shootdown, uint32_t asid, uint64_t vpn, uint64_t npages)
{
    struct hipti_space *space = space_at(shootdown, asid);
    /* S1 [publish:generation] */
    uint64_t before = hipti_fetch_add_release(&space->generation, HIPTI_GENERATION);
    uint64_t generation = before / HIPTI_GENERATION + 1u;
    struct hipti_flush *flush = &space->flush[generation % HIPTI_FLUSHES];
    uint64_t state = hipti_load_relaxed(&flush->state); /* only compared */

    /*
     * S2. A writer that meets another one leaves the record alone: it is then of another generation. acquire: the
     * stores below come after [observe:flush]
     */
    if (npages > shootdown->flush_max || (state & WRITING) ||
        !hipti_cas_acquire(&flush->state, &state, generation | WRITING)) {
        return;
    }
    /* release: who reads one of these sees that the record is being written */
    hipti_store_release(&flush->vpn, vpn);          /* [publish:flush] */
    hipti_store_release(&flush->npages, npages);    /* [publish:flush] */
    hipti_store_release(&flush->state, generation); /* [publish:flush] */
}

static struct hipti_cpu_line *line_at(const struct hipti_shootdown *shootdown, uint32_t number)
{
    HIPTI_INVARIANT(number < shootdown->ncpus);
    return &shootdown->lines[number];
}

/* S5. */
static void line_post(struct hipti_cpu_line *line, uint64_t ticket)
{
    uint64_t posted = hipti_load_seq_cst(&line->posted); /* if it is larger, as our own post [observe:post] */

    while (posted < ticket && !hipti_cas_seq_cst(&line->posted, &posted, ticket)) { /* [publish:post] */
    }
}

/* => the caller's CPU, if it is on one. A host may have several tables, whose CPUs have the same numbers. */
static struct hipt_cpu *this_cpu(const struct hipti_shootdown *shootdown)
{
    return shootdown->ops->this_cpu ? shootdown->ops->this_cpu(shootdown->ops->ctx) : NULL;
}

/* Take out of a set the CPUs that are outside, and the caller's own. => how many are left. */
static uint64_t set_inside(struct hipti_shootdown *shootdown, uint64_t *set)
{
    const struct hipt_cpu *self = this_cpu(shootdown);
    uint32_t own = self && self->shootdown == shootdown ? self->number : shootdown->ncpus;
    uint64_t count = 0;
    uint32_t word;

    for (word = 0; word < shootdown->words; word++) {
        uint64_t left;

        for (left = set[word]; left; left &= left - 1u) {
            uint32_t number = word * 64u + hipti_lowest_bit64(left);

            if (number == own || !hipti_load_seq_cst(&line_at(shootdown, number)->inside)) { /* [observe:inside] */
                set[word] &= ~(left & -left);
            } else {
                count++;
            }
        }
    }
    return count;
}

/* Kick those CPUs of a set that are inside (S6). The caller's own serves when the caller polls; others kick it then. */
static void kick(struct hipti_shootdown *shootdown, uint64_t *set)
{
    uint64_t count = set_inside(shootdown, set);

    if (count) {
        (void)hipti_fetch_add_relaxed(&shootdown->kicks, count); /* a count for people */
        if (shootdown->ops->kick) {
            shootdown->ops->kick(shootdown->ops->ctx, set, shootdown->words);
        }
    }
}

uint64_t hipti_shootdown_dispatch(struct hipti_shootdown *shootdown, uint32_t asid)
{
    HIPTI_ATOMIC(uint64_t) *set = hipti_space_set(space_at(shootdown, asid));
    uint64_t members[HIPTI_SET_WORDS];
    uint64_t ticket = 0;
    uint32_t word;

    for (word = 0; word < shootdown->words; word++) {
        uint64_t left;

        members[word] = hipti_fetch_or_acq_rel(&set[word], 0u); /* S3 [observe:set] */
        if (members[word] && ticket == 0) {
            ticket = hipti_fetch_add_acq_rel(&shootdown->clock, 1u) + 1u; /* S4 [publish:clock] [observe:clock] */
        }
        for (left = members[word]; left; left &= left - 1u) {
            line_post(line_at(shootdown, word * 64u + hipti_lowest_bit64(left)), ticket);
        }
    }
    if (ticket) {
        if (shootdown->ops->barrier) {
            shootdown->ops->barrier(shootdown->ops->ctx);
        }
        kick(shootdown, members);
    }
    return ticket;
}

/* S7 for one CPU of the set. One that joined it later was not asked. */
static bool line_is_done(struct hipti_cpu_line *line, uint64_t ticket)
{
    return hipti_load_acquire(&line->served) >= ticket || /* [observe:served] */
           hipti_load_acquire(&line->posted) < ticket || !hipti_load_seq_cst(&line->inside); /* [observe:inside] */
}

/* The CPUs of an asid that have not acknowledged. => whether there are any. */
static bool set_waited_for(const struct hipti_shootdown *shootdown, uint32_t asid, uint64_t ticket, uint64_t *waited)
{
    HIPTI_ATOMIC(uint64_t) *set = hipti_space_set(space_at(shootdown, asid));
    uint64_t any = 0;
    uint32_t word;

    for (word = 0; word < shootdown->words; word++) {
        /* acquire: a CPU that has left has forgotten, or will look before it uses what it has [observe:set] */
        uint64_t left = hipti_load_acquire(&set[word]);

        waited[word] = 0;
        for (; left; left &= left - 1u) {
            if (!line_is_done(line_at(shootdown, word * 64u + hipti_lowest_bit64(left)), ticket)) {
                waited[word] |= left & -left;
            }
        }
        any |= waited[word];
    }
    return any != 0;
}

/* Which looks kick again: one CPU may have been asked by somebody who was stopped before he kicked it. */
static bool is_time_to_kick(unsigned look)
{
    return look >= FIRST_KICK && (look & (look - 1u)) == 0;
}

bool hipti_shootdown_poll(struct hipti_shootdown *shootdown, uint32_t asid, uint64_t ticket, unsigned look)
{
    struct hipt_cpu *self = this_cpu(shootdown);
    uint64_t waited[HIPTI_SET_WORDS];

    if (self) {
        hipt_cpu_interrupt(self);
    }
    if (!set_waited_for(shootdown, asid, ticket, waited)) {
        return true;
    }
    if (is_time_to_kick(look)) {
        kick(shootdown, waited);
    }
    return false;
}

static void report_slow(const struct hipti_shootdown *shootdown, const uint64_t *waited)
{
    const struct hipt_ops *ops = shootdown->ops;
    uint32_t word;

    for (word = 0; word < shootdown->words; word++) {
        uint64_t left;

        for (left = waited[word]; left; left &= left - 1u) {
            uint32_t number = word * 64u + hipti_lowest_bit64(left);
            struct hipti_cpu_line *line = line_at(shootdown, number);

            /* relaxed: for people */
            ops->slow(ops->ctx, number, hipti_load_relaxed(&line->posted), hipti_load_relaxed(&line->served));
        }
    }
}

bool hipti_shootdown_report(struct hipti_shootdown *shootdown, uint32_t asid, uint64_t ticket, uint64_t since)
{
    const struct hipt_ops *ops = shootdown->ops;
    uint64_t waited[HIPTI_SET_WORDS];

    if (shootdown->slow_after == 0 || ops->clock(ops->ctx) - since < shootdown->slow_after) {
        return false;
    }
    (void)set_waited_for(shootdown, asid, ticket, waited);
    report_slow(shootdown, waited);
    return true;
}

void hipti_shootdown_wait(struct hipti_shootdown *shootdown, uint32_t asid, uint64_t ticket)
{
    bool is_timed = shootdown->slow_after != 0;
    uint64_t since = is_timed ? shootdown->ops->clock(shootdown->ops->ctx) : 0;
    unsigned look;

    for (look = 1; !hipti_shootdown_poll(shootdown, asid, ticket, look); look++) {
        is_timed = is_timed && !hipti_shootdown_report(shootdown, asid, ticket, since);
        if (shootdown->ops->relax) {
            shootdown->ops->relax(shootdown->ops->ctx);
        }
    }
}

void hipti_shootdown_round(struct hipti_shootdown *shootdown, uint32_t asid)
{
    hipti_shootdown_wait(shootdown, asid, hipti_shootdown_dispatch(shootdown, asid));
}

bool hipti_shootdown_can_wait(const struct hipti_shootdown *shootdown)
{
    const struct hipt_cpu *self = shootdown->ncpus ? this_cpu(shootdown) : NULL;

    if (self && self->masked) {
        return false; /* it would wait for itself */
    }
    return shootdown->ncpus == 0 || !shootdown->ops->can_wait || shootdown->ops->can_wait(shootdown->ops->ctx);
}

unsigned hipti_gather_take(struct hipti_space *space)
{
    uint64_t used = hipti_load_relaxed(&space->gathers); /* only compared */
    uint64_t free;

    do {
        free = ~used & ~UINT64_C(1); /* 0 is nobody's */
        if (free == 0) {
            return 0;
        }
        /* acquire: the gather that had the number has let all its pages go [observe:gathers] */
    } while (!hipti_cas_acquire(&space->gathers, &used, used | (free & -free)));
    return hipti_lowest_bit64(free);
}

void hipti_gather_give(struct hipti_space *space, unsigned number)
{
    (void)hipti_fetch_sub_release(&space->gathers, UINT64_C(1) << number); /* [publish:gathers] */
}
