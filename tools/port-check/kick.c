/* SPDX-License-Identifier: MIT */
/*
 * CPUs that are asked to forget. kick: each thread but the first stands for a CPU that uses an asid of its own and one
 * that all share, and computes: it never looks whether it is asked for something. The first thread unmaps pages in one
 * asid after the other, and waits for the acknowledgements of the CPUs that use it. cross: two CPUs unmap pages of one
 * asid at the same time, and each serves the other while it waits, because this_cpu says who it is.
 */
#include "run.h"

#define ROUNDS 12u

/* Field key: constant, but what is atomic; cpu: its thread's own. */
struct target {
    struct hipt_cpu cpu;
    uint32_t number;
    uint32_t asid;
    _Atomic unsigned ready;   /* the turn in which it uses both asids */
    _Atomic unsigned forgets; /* calls of its cache's hooks */
};

struct shooting {
    struct run *run;
    struct hipt_table *table;
    uint32_t shared;
    unsigned count; /* of targets */
    _Atomic unsigned turn;    /* 1, 2, ...: in each one page is unmapped, when all are ready */
    _Atomic unsigned rescue;  /* who was not reached serves by itself */
    _Atomic unsigned is_over;
    struct target target[HIPT_PORT_CHECK_CPUS_MAX];
};

static void forget(void *ctx)
{
    struct target *target = ctx;

    atomic_fetch_add_explicit(&target->forgets, 1u, memory_order_relaxed); /* a count, read after the acknowledgement */
}

static void forget_range(void *ctx, uint32_t tag, uint64_t vpn, uint64_t npages)
{
    (void)tag, (void)vpn, (void)npages;
    forget(ctx);
}

static void forget_tag(void *ctx, uint32_t tag)
{
    (void)tag;
    forget(ctx);
}

/* One target after the other is asked alone in its turn, then all of them at once. => who is; count: all. */
static unsigned who_is_asked(const struct shooting *shooting, unsigned turn)
{
    return turn % (shooting->count + 1u);
}

/* --- the CPUs */

/*
 * The one that the turn unmaps in comes last: its pages are forgotten before the acknowledgement. Those of the other
 * may wait until it is used again.
 */
static bool use_both(struct shooting *shooting, struct target *target, bool is_alone)
{
    uint32_t tag;

    return hipt_cpu_use(&target->cpu, is_alone ? shooting->shared : target->asid, &tag) == HIPT_OK &&
           hipt_cpu_use(&target->cpu, is_alone ? target->asid : shooting->shared, &tag) == HIPT_OK;
}

/* Whether to go on computing: neither asked for anything nor told of another turn. */
static bool is_left_alone(struct shooting *shooting, struct target *target, uint64_t served, unsigned turn)
{
    return hipt_cpu_served(&target->cpu) == served &&
           atomic_load_explicit(&shooting->turn, memory_order_acquire) == turn &&
           atomic_load_explicit(&shooting->is_over, memory_order_acquire) == 0;
}

/* Uses both asids again in each turn and whenever it has served, then computes. */
static void compute(struct shooting *shooting, struct target *target)
{
    while (atomic_load_explicit(&shooting->is_over, memory_order_acquire) == 0) {
        unsigned turn = atomic_load_explicit(&shooting->turn, memory_order_acquire);
        uint64_t served;

        if (!use_both(shooting, target, who_is_asked(shooting, turn) < shooting->count)) {
            pc_found(shooting->run, "hipt_cpu_use() refused an asid");
            return;
        }
        served = hipt_cpu_served(&target->cpu);
        atomic_store_explicit(&target->ready, turn, memory_order_release);
        while (is_left_alone(shooting, target, served, turn)) {
            if (atomic_load_explicit(&shooting->rescue, memory_order_acquire) != 0) {
                (void)hipt_cpu_serve(&target->cpu);
            }
        }
    }
}

/* => the thread stands for the target's CPU, which is inside. */
static bool become(struct shooting *shooting, struct target *target)
{
    struct run *run = shooting->run;
    struct hipt_cpu_config config = {.number = target->number, .tag_bits = 4};
    enum hipt_status status;

    config.cache.ctx = target, config.cache.flush_range = forget_range;
    config.cache.flush_tag = forget_tag, config.cache.flush_all = forget;
    status = hipt_cpu_attach(shooting->table, &target->cpu, &config);
    if (status != HIPT_OK || !run->port->stand(run->port->ctx, &target->cpu)) {
        pc_found(run, "CPU %u: %s", (uint64_t)target->number,
                 status != HIPT_OK ? hipt_strerror(status) : "the host's stand() failed");
        atomic_store_explicit(&shooting->is_over, 1u, memory_order_release);
        return false;
    }
    hipt_cpu_enter(&target->cpu);
    return true;
}

static void leave(struct shooting *shooting, struct target *target)
{
    hipt_cpu_exit(&target->cpu);
    (void)shooting->run->port->stand(shooting->run->port->ctx, NULL);
    hipt_cpu_detach(&target->cpu);
}

static void be_cpu(struct shooting *shooting, struct target *target)
{
    if (become(shooting, target)) {
        compute(shooting, target);
        leave(shooting, target);
    }
}

/* --- who unmaps */

static bool wait_acknowledged(struct run *run, struct hipt_gather *gather)
{
    unsigned naps = run->port->patience > 0 ? run->port->patience : 10000u;

    while (!hipt_gather_poll(gather)) {
        if (naps-- == 0) {
            return false;
        }
        pc_idle(run);
    }
    return true;
}

/* Ask the targets from @first to @last, who use @asid, to forget a page. */
static void shoot(struct shooting *shooting, uint32_t asid, unsigned first, unsigned last)
{
    struct run *run = shooting->run;
    unsigned turn = atomic_load_explicit(&shooting->turn, memory_order_relaxed); /* its own store */
    struct hipt_mapping m = {.page = {.asid = asid, .vpn = turn}, .pfn = turn, .prot = HIPT_READ};
    struct hipt_gather gather;
    unsigned before[HIPT_PORT_CHECK_CPUS_MAX];

    for (unsigned i = first; i <= last; i++) {
        before[i] = atomic_load_explicit(&shooting->target[i].forgets, memory_order_relaxed);
    }
    if (hipt_map(shooting->table, &m) != HIPT_OK ||
        hipt_gather_start(&gather, shooting->table, asid, HIPT_SYNC) != HIPT_OK ||
        hipt_gather_add(&gather, &m.page, 1, NULL) != HIPT_OK) {
        pc_found(run, "a page could not be mapped and unmapped");
        return;
    }
    hipt_gather_dispatch(&gather);
    if (!wait_acknowledged(run, &gather)) {
        pc_found(run, "no acknowledgement came from the %u CPUs from number %u on", (uint64_t)(last - first + 1u),
                 (uint64_t)shooting->target[first].number);
        atomic_store_explicit(&shooting->rescue, 1u, memory_order_release);
    }
    (void)hipt_gather_finish(&gather);
    for (unsigned i = first; i <= last; i++) {
        if (atomic_load_explicit(&shooting->target[i].forgets, memory_order_relaxed) == before[i]) {
            pc_found(run, "CPU %u has acknowledged, and its cache has forgotten nothing",
                     (uint64_t)shooting->target[i].number);
        }
    }
}

/* => all of them use their asids in this turn. */
static bool wait_ready(struct shooting *shooting, unsigned turn)
{
    for (unsigned i = 0; i < shooting->count; i++) {
        if (!pc_wait_for(shooting->run, &shooting->target[i].ready, turn)) {
            pc_found(shooting->run, "CPU %u did not go on", (uint64_t)shooting->target[i].number);
            return false;
        }
    }
    return true;
}

static void be_shooter(struct shooting *shooting)
{
    for (unsigned turn = 1; turn <= ROUNDS; turn++) {
        unsigned one = who_is_asked(shooting, turn);
        bool is_alone = one < shooting->count;

        atomic_store_explicit(&shooting->turn, turn, memory_order_release);
        if (!wait_ready(shooting, turn)) {
            break;
        }
        shoot(shooting, is_alone ? shooting->target[one].asid : shooting->shared, is_alone ? one : 0,
              is_alone ? one : shooting->count - 1u);
        if (atomic_load_explicit(&shooting->rescue, memory_order_relaxed) != 0) {
            break;
        }
    }
    atomic_store_explicit(&shooting->is_over, 1u, memory_order_release);
}

static void shooting_body(void *argument, unsigned number)
{
    struct shooting *shooting = argument;

    if (number > 0) {
        be_cpu(shooting, &shooting->target[number - 1u]);
    } else {
        be_shooter(shooting);
    }
}

/* --- two CPUs that ask each other */

/* Meets the other, so that both ask at once; who waits for it serves meanwhile. */
static void meet(struct shooting *shooting, struct target *target, unsigned turn)
{
    struct target *other = &shooting->target[target == &shooting->target[0]];

    (void)use_both(shooting, target, false);
    atomic_store_explicit(&target->ready, turn, memory_order_release);
    while (atomic_load_explicit(&other->ready, memory_order_acquire) < turn &&
           atomic_load_explicit(&shooting->is_over, memory_order_acquire) == 0) {
        (void)hipt_cpu_serve(&target->cpu);
    }
}

/* => the other has acknowledged. The poll alone serves the caller's own CPU; there is no nap in between. */
static bool end_page(struct shooting *shooting, const struct hipt_page *page)
{
    struct hipt_gather gather;
    uint64_t turns = (uint64_t)1 << 26;
    bool is_done;

    (void)hipt_gather_start(&gather, shooting->table, page->asid, HIPT_SYNC);
    (void)hipt_gather_add(&gather, page, 1, NULL);
    hipt_gather_dispatch(&gather);
    do {
        is_done = hipt_gather_poll(&gather);
    } while (!is_done && --turns > 0 && atomic_load_explicit(&shooting->rescue, memory_order_acquire) == 0);
    if (!is_done) {
        pc_found(shooting->run, "two CPUs that unmapped pages of one asid at once waited for each other");
        atomic_store_explicit(&shooting->rescue, 1u, memory_order_release);
    }
    while (!hipt_gather_poll(&gather)) {
        (void)hipt_cpu_serve(&shooting->target[page->vpn % 2u].cpu);
    }
    (void)hipt_gather_finish(&gather);
    return is_done;
}

static void cross_body(void *argument, unsigned number)
{
    struct shooting *shooting = argument;
    struct target *target = &shooting->target[number];

    if (!become(shooting, target)) {
        return;
    }
    for (unsigned turn = 1; turn <= ROUNDS; turn++) {
        struct hipt_mapping m = {.page = {.asid = shooting->shared, .vpn = turn * 2u + number}, .prot = HIPT_READ};

        m.pfn = m.page.vpn;
        if (hipt_map(shooting->table, &m) != HIPT_OK) {
            pc_found(shooting->run, "a page could not be mapped");
        }
        meet(shooting, target, turn);
        if (!end_page(shooting, &m.page)) {
            break;
        }
    }
    atomic_store_explicit(&shooting->is_over, 1u, memory_order_release);
    leave(shooting, target);
}

/* --- the table */

/* Targets that are called as the host numbers its CPUs, from the one with index @from on. */
static bool prepare(struct shooting *shooting, unsigned from)
{
    struct run *run = shooting->run;
    struct hipt_range memory = {.first = 0, .count = 2u * ROUNDS + 2u};
    struct hipt_config config;
    struct hipt_asid asid = {0};
    bool is_made = true;

    hipt_config_init(&config);
    config.ops = &run->ops, config.ranges = &memory, config.nranges = 1, config.capacity = 64, config.cpus = 1;
    for (unsigned i = 0; i < shooting->count; i++) {
        uint32_t number = run->port->cpu_numbers != NULL ? run->port->cpu_numbers[i + from] : i + from;

        shooting->target[i].number = number;
        config.cpus = config.cpus > number ? config.cpus : number + 1u;
    }
    if (hipt_table_create(&config, &shooting->table) != HIPT_OK) {
        pc_found(run, "a table for %u CPUs could not be made", (uint64_t)config.cpus);
        return false;
    }
    for (unsigned i = 0; i <= shooting->count; i++) {
        is_made = is_made && hipt_asid_alloc(shooting->table, &asid) == HIPT_OK;
        if (i < shooting->count) {
            shooting->target[i].asid = asid.number;
        }
    }
    shooting->shared = asid.number;
    if (!is_made) {
        pc_found(run, "there are too few asids");
    }
    return is_made;
}

static void kick(struct run *run)
{
    static struct shooting shooting; /* large for a kernel's stack */
    unsigned count = run->port->threads < HIPT_PORT_CHECK_CPUS_MAX ? run->port->threads : HIPT_PORT_CHECK_CPUS_MAX;

    shooting = (struct shooting){.run = run, .count = count - 1u};
    if (prepare(&shooting, 1)) {
        pc_crew(run, count, shooting_body, &shooting);
    }
    hipt_table_destroy(shooting.table);
}

static void cross(struct run *run)
{
    static struct shooting shooting; /* large for a kernel's stack */

    shooting = (struct shooting){.run = run, .count = 2};
    if (prepare(&shooting, 0)) {
        pc_crew(run, 2, cross_body, &shooting);
    }
    hipt_table_destroy(shooting.table);
}

static const struct check checks[] = {
    {"kick", NEEDS_THIS_CPU | NEEDS_KICK, 2, kick,
     "kick: each CPU whose number is in the set calls hipt_cpu_interrupt() soon, whatever it does",
     "an interrupt to every CPU of the set, bit n % 64 of word n / 64 for CPU n; it calls hipt_cpu_interrupt()"},
    {"cross", NEEDS_THIS_CPU, 2, cross, "this_cpu: a CPU that waits for others serves those that wait for it",
     "give the caller's own record also while it is inside a verb"},
};
const struct checks pc_kick_checks = {checks, sizeof(checks) / sizeof(checks[0])};
