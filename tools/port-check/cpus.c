/* SPDX-License-Identifier: MIT */
/* The small hooks about CPUs, and time. */
#include "run.h"

#define TURNS 20000u
#define SOME 1000u
#define PATIENT 4000000u /* looks at another thread: by then it has been given a processor of its own */

/* --- this_cpu */

/* Field key: atomic; cpu: constant, never looked into. */
struct standing {
    struct run *run;
    _Atomic unsigned ready;
    struct hipt_cpu cpu[HIPT_PORT_CHECK_CPUS_MAX];
};

static void look_at_standing(struct run *run, struct hipt_cpu *cpu, const char *where)
{
    for (unsigned turn = 0; turn < SOME; turn++) {
        if (run->ops.this_cpu(run->ops.ctx) != cpu) {
            pc_found(run, "this_cpu() gave another record than that of the caller, %s", where);
            return;
        }
        if (turn % 100u == 0) {
            pc_idle(run);
        }
    }
}

static void standing_body(void *argument, unsigned number)
{
    struct standing *standing = argument;
    struct run *run = standing->run;
    struct hipt_cpu *cpu = &standing->cpu[number];

    if (run->ops.this_cpu(run->ops.ctx) != NULL) {
        pc_found(run, "this_cpu() was not NULL on a thread that stands for no CPU");
    }
    if (!run->port->stand(run->port->ctx, cpu)) {
        pc_found(run, "the host's stand() failed");
        return;
    }
    atomic_fetch_add_explicit(&standing->ready, 1u, memory_order_acq_rel);
    (void)pc_wait_for(run, &standing->ready, run->port->threads);
    look_at_standing(run, cpu, "when each thread stood for one");
    (void)run->port->stand(run->port->ctx, NULL);
    if (run->ops.this_cpu(run->ops.ctx) != NULL) {
        pc_found(run, "this_cpu() was not NULL on a thread that stands for no CPU any more");
    }
}

static void this_cpu(struct run *run)
{
    struct standing standing = {.run = run};

    pc_crew(run, run->port->threads, standing_body, &standing);
}

/* --- can_wait, relax, slow, this_node */

static void can_wait_body(void *argument, unsigned number)
{
    struct run *run = argument;

    (void)number;
    if (!run->ops.can_wait(run->ops.ctx)) {
        pc_found(run, "can_wait() is false on a thread that holds nothing");
    }
}

static void can_wait(struct run *run)
{
    pc_crew(run, 1, can_wait_body, run);
}

static void relax_body(void *argument, unsigned number)
{
    struct run *run = argument;
    uint64_t cookie;

    (void)number;
    pc_section_enter(run);
    cookie = run->ops.gp_start(run->ops.ctx);
    for (unsigned turn = 0; turn < TURNS; turn++) {
        run->ops.relax(run->ops.ctx);
        if (run->ops.gp_elapsed(run->ops.ctx, cookie)) {
            pc_found(run, "a grace period ended inside a section that called relax() %u times", (uint64_t)turn + 1u);
            break;
        }
    }
    pc_section_exit(run);
}

static void relax(struct run *run)
{
    pc_crew(run, 1, relax_body, run);
}

static void slow(struct run *run)
{
    run->ops.slow(run->ops.ctx, 0, 2, 1);
}

static void this_node_body(void *argument, unsigned number)
{
    struct run *run = argument;
    int nodes = (int)(run->port->nodes > 0 ? run->port->nodes : 1u);

    (void)number;
    for (unsigned turn = 0; turn < SOME; turn++) {
        int node = run->ops.this_node(run->ops.ctx);

        if (node < HIPT_ANY_NODE || node >= nodes) {
            pc_found(run, "this_node() gave %s%u, and there are %u nodes", node < 0 ? "-" : "",
                     (uint64_t)(node < 0 ? -(int64_t)node : node), (uint64_t)nodes);
            return;
        }
    }
}

static void this_node(struct run *run)
{
    pc_crew(run, run->port->threads, this_node_body, run);
}

/* --- clock */

/* Field key: atomic. */
struct timing {
    struct run *run;
    _Atomic uint64_t latest; /* that anybody has read */
};

static void clock_body(void *argument, unsigned number)
{
    struct timing *timing = argument;
    struct run *run = timing->run;

    (void)number;
    for (unsigned turn = 0; turn < TURNS; turn++) {
        uint64_t before = atomic_load_explicit(&timing->latest, memory_order_acquire);
        uint64_t now = run->ops.clock(run->ops.ctx);

        if (now < before) {
            pc_found(run, "clock() gave %u after some thread had read %u", now, before);
            return;
        }
        pc_raise(&timing->latest, now);
    }
}

static void clock_runs(struct run *run)
{
    struct timing timing = {.run = run};
    uint64_t begin = run->ops.clock(run->ops.ctx);
    unsigned naps = 0;

    pc_crew(run, run->port->threads, clock_body, &timing);
    while (naps < SOME && run->ops.clock(run->ops.ctx) == begin) {
        run->port->nap(run->port->ctx);
        naps++;
    }
    if (naps == SOME) {
        pc_found(run, "clock() gave %u all the time", begin);
    }
}

/*
 * --- barrier: store buffering, in which one side has the barrier only.
 *
 *     thread 0: x = round            thread 1: y = round
 *               reads y                        barrier()
 *                                              reads x
 *
 * With a barrier on all CPUs not both read what was there before the round. As many rounds as there is time for: they
 * are short where the barrier is cheap.
 */
struct buffering {
    struct run *run;
    _Atomic unsigned x;
    char apart_x[128];
    _Atomic unsigned y;
    char apart_y[128];
    _Atomic unsigned done[2]; /* rounds */
    _Atomic unsigned missed[2]; /* by thread 0: the round, in the place of even and of odd ones */
    _Atomic unsigned is_over;
    uint64_t rounds; /* thread 1's, as all that follows */
    uint64_t both;
};

static unsigned buffering_first(struct buffering *buffering, unsigned round)
{
    atomic_store_explicit(&buffering->x, round, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst);
    return atomic_load_explicit(&buffering->y, memory_order_relaxed);
}

static unsigned buffering_second(struct buffering *buffering, unsigned round)
{
    atomic_store_explicit(&buffering->y, round, memory_order_relaxed);
    buffering->run->ops.barrier(buffering->run->ops.ctx);
    return atomic_load_explicit(&buffering->x, memory_order_relaxed);
}

/* => the other one has done this round too; false: it is over. */
static bool buffering_meet(struct buffering *buffering, unsigned number, unsigned round)
{
    atomic_store_explicit(&buffering->done[number], round, memory_order_release);
    for (unsigned turn = 1; atomic_load_explicit(&buffering->done[1 - number], memory_order_acquire) < round; turn++) {
        if (atomic_load_explicit(&buffering->is_over, memory_order_acquire) != 0) {
            return false;
        }
        if (turn % PATIENT == 0) {
            pc_idle(buffering->run); /* the other one has no processor */
        }
    }
    return true;
}

static void buffering_body(void *argument, unsigned number)
{
    struct buffering *buffering = argument;
    uint64_t seed = number + 1u;
    bool goes_on = number < 2;

    for (unsigned naps = 0; number == 2 && naps < SOME; naps++) {
        pc_idle(buffering->run);
    }
    for (unsigned round = 1; goes_on; round++) {
        unsigned seen;

        for (volatile unsigned wait = pc_draw(&seed) % 64u; wait > 0; wait--) { /* who is first differs */
        }
        seen = number == 0 ? buffering_first(buffering, round) : buffering_second(buffering, round);
        if (number == 0) {
            atomic_store_explicit(&buffering->missed[round % 2u], seen < round ? round : 0, memory_order_relaxed);
        }
        goes_on = buffering_meet(buffering, number, round);
        if (goes_on && number == 1) {
            buffering->rounds = round;
            buffering->both += seen < round &&
                               atomic_load_explicit(&buffering->missed[round % 2u], memory_order_relaxed) == round;
        }
    }
    atomic_store_explicit(&buffering->is_over, 1u, memory_order_release);
}

static void barrier(struct run *run)
{
    struct buffering buffering = {.run = run};

    pc_crew(run, 3, buffering_body, &buffering);
    if (buffering.both > 0) {
        pc_found(run, "in %u of %u rounds two threads missed each other's store, and one had called barrier() between",
                 buffering.both, buffering.rounds);
    }
}

static const struct check checks[] = {
    {"this_cpu", NEEDS_THIS_CPU, 1, this_cpu, "this_cpu: the record of the CPU that the caller runs on, else NULL",
     "keep the record for each CPU or thread; one that stands for none gives NULL"},
    {"can_wait", NEEDS_CAN_WAIT, 1, can_wait, "can_wait: whether the caller may wait for other CPUs",
     "true wherever interrupts are on and no lock is held that an interrupt handler takes"},
    {"relax", NEEDS_RELAX, 1, relax, "relax: no quiescent state; a section that is open stays open",
     "pause, or give the processor away, without telling the reclamation"},
    {"slow", NEEDS_SLOW, 0, slow, "slow: told of a CPU, it returns, for the wait goes on",
     "write a line, count, wake somebody up; do not wait"},
    {"this_node", NEEDS_THIS_NODE, 1, this_node, "this_node: a node of the topology, or HIPT_ANY_NODE",
     "numbers from 0 to nodes - 1, as the topology has them"},
    {"clock", NEEDS_CLOCK, 2, clock_runs, "clock: does not run backwards, is the same for all threads, goes on",
     "one clock for all CPUs, monotonic; no counter that differs between CPUs"},
    {"barrier", NEEDS_BARRIER, 3, barrier, "barrier: every CPU has executed a full memory barrier since the call",
     "membarrier(), or an interrupt to every CPU that is waited for"},
};
const struct checks pc_cpu_checks = {checks, sizeof(checks) / sizeof(checks[0])};
