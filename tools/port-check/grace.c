/* SPDX-License-Identifier: MIT */
/* Read sides and grace periods: when they end, and when not. */
#include "run.h"

#define COOKIE_END ((UINT64_C(1) << 56) - 2u) /* a cookie is below that */
#define COOKIES 2000u
#define ROUNDS 24u

/* Who is inside and who may leave. Field key: atomic; cookie: published by entered, [publish:entered] is its store. */
struct stage {
    struct run *run;
    _Atomic unsigned entered; /* readers that are inside */
    _Atomic unsigned may_leave; /* the n. to leave does when this is at least n, each level of nesting for itself */
    _Atomic unsigned left;
    unsigned levels;
    bool asks;    /* the reader itself asks for the grace period, inside */
    bool is_last; /* the last reader leaves first */
    uint64_t cookie;
};

/* A reader, the @number. to come, the @place. to leave: goes inside, stays until it is told, leaves. */
static void read_on(struct stage *stage, unsigned number, unsigned place)
{
    struct run *run = stage->run;

    (void)pc_wait_for(run, &stage->entered, number - 1u);
    for (unsigned level = 0; level < stage->levels; level++) {
        pc_section_enter(run);
    }
    if (stage->asks) {
        stage->cookie = run->ops.gp_start(run->ops.ctx);
        (void)run->ops.gp_elapsed(run->ops.ctx, stage->cookie);
    }
    atomic_fetch_add_explicit(&stage->entered, 1u, memory_order_acq_rel);
    for (unsigned level = 0; level < stage->levels; level++) {
        pc_spin_for(&stage->may_leave, place + level);
        pc_section_exit(run);
        atomic_fetch_add_explicit(&stage->left, 1u, memory_order_acq_rel);
    }
}

/* Thread 0: one reader after the other is let go, or one level after the other; the grace period ends with the last. */
static void watch(struct stage *stage, unsigned exits)
{
    struct run *run = stage->run;
    unsigned gone = 0;

    if (!stage->asks) {
        stage->cookie = run->ops.gp_start(run->ops.ctx);
    }
    for (; gone < exits; gone++) {
        if (!pc_is_held(run, stage->cookie)) {
            pc_found(run, "gp_elapsed() was true after %u of %u exits of sections that had begun before gp_start()",
                     (uint64_t)gone, (uint64_t)exits);
            break;
        }
        atomic_store_explicit(&stage->may_leave, gone + 1u, memory_order_release);
        if (!pc_wait_for(run, &stage->left, gone + 1u)) {
            pc_found(run, "read_exit() did not return");
            break;
        }
    }
    atomic_store_explicit(&stage->may_leave, exits, memory_order_release);
    if (gone == exits && !pc_wait_elapsed(run, stage->cookie)) {
        pc_found(run, "gp_elapsed() was never true, though every section had ended");
    }
}

static void stage_body(void *argument, unsigned number)
{
    struct stage *stage = argument;
    unsigned readers = stage->levels > 1u ? 1u : stage->run->port->threads - 1u;

    readers = stage->asks ? 1u : readers;
    if (number > 0) {
        read_on(stage, number, stage->is_last ? readers + 1u - number : number);
    } else if (pc_wait_for(stage->run, &stage->entered, readers)) {
        watch(stage, readers * stage->levels);
    } else {
        pc_found(stage->run, "read_enter() did not return");
        atomic_store_explicit(&stage->may_leave, readers * stage->levels, memory_order_release);
    }
}

static void gp_waits(struct run *run)
{
    struct stage stage = {.run = run, .levels = 1};
    struct stage back = {.run = run, .levels = 1, .is_last = true};

    pc_crew(run, run->port->threads, stage_body, &stage);
    pc_crew(run, run->port->threads, stage_body, &back);
}

static void gp_waits_nested(struct run *run)
{
    struct stage stage = {.run = run, .levels = 3};

    pc_crew(run, 2, stage_body, &stage);
}

static void gp_waits_caller(struct run *run)
{
    struct stage stage = {.run = run, .levels = 1, .asks = true};

    pc_crew(run, 2, stage_body, &stage);
}

/* --- grace periods come */

static void elapse_body(void *argument, unsigned number)
{
    struct run *run = argument;
    uint64_t cookie[ROUNDS];

    (void)number;
    for (unsigned round = 0; round < ROUNDS; round++) {
        cookie[round] = run->ops.gp_start(run->ops.ctx);
        if (!pc_wait_elapsed(run, cookie[round])) {
            pc_found(run, "gp_elapsed() was never true for cookie %u, with nobody inside", cookie[round]);
            return;
        }
        for (unsigned earlier = 0; earlier <= round; earlier++) {
            if (!run->ops.gp_elapsed(run->ops.ctx, cookie[earlier])) {
                pc_found(run, "gp_elapsed() was false for cookie %u after it had been true for it", cookie[earlier]);
            }
        }
    }
}

static void gp_elapses(struct run *run)
{
    pc_crew(run, run->port->threads, elapse_body, run);
}

/* Two threads; one leaves only when the other is inside again. Field key: atomic. */
struct relay {
    struct run *run;
    _Atomic unsigned entered[2];
    _Atomic unsigned is_over;
};

static void relay_body(void *argument, unsigned number)
{
    struct relay *relay = argument;
    struct run *run = relay->run;
    uint64_t cookie = 0;
    bool is_over = false;
    unsigned turns = run->port->patience > 0 ? run->port->patience : 2000u;

    for (unsigned turn = 1; !is_over; turn++) {
        pc_section_enter(run);
        atomic_store_explicit(&relay->entered[number], turn, memory_order_release);
        while (atomic_load_explicit(&relay->entered[1 - number], memory_order_acquire) < turn + number &&
               atomic_load_explicit(&relay->is_over, memory_order_acquire) == 0) {
        }
        if (number == 0) {
            cookie = turn == 2u ? run->ops.gp_start(run->ops.ctx) : cookie;
            is_over = turn > 2u && (turn == turns || run->ops.gp_elapsed(run->ops.ctx, cookie));
        } else {
            is_over = atomic_load_explicit(&relay->is_over, memory_order_acquire) != 0;
        }
        pc_section_exit(run);
        run->port->nap(run->port->ctx);
    }
    if (number == 0 && !run->ops.gp_elapsed(run->ops.ctx, cookie)) {
        pc_found(run, "gp_elapsed() was never true in %u sections that overlapped, each of which ended",
                 (uint64_t)turns);
    }
    atomic_store_explicit(&relay->is_over, 1u, memory_order_release);
}

static void gp_under_overlap(struct run *run)
{
    struct relay relay = {.run = run};

    pc_crew(run, 2, relay_body, &relay);
}

/* --- who is inside holds up nobody else's read side */

struct parallel {
    struct run *run;
    _Atomic unsigned inside;
    _Atomic unsigned is_over;
};

static void parallel_body(void *argument, unsigned number)
{
    struct parallel *parallel = argument;
    struct run *run = parallel->run;

    if (number == 1) {
        pc_section_enter(run);
        atomic_store_explicit(&parallel->inside, 1u, memory_order_release);
        pc_spin_for(&parallel->is_over, 1u);
        pc_section_exit(run);
        return;
    }
    if (pc_wait_for(run, &parallel->inside, 1u)) {
        (void)run->ops.gp_start(run->ops.ctx);
        for (unsigned i = 0; i < HELD_NAPS; i++) {
            pc_idle(run); /* by now the grace period is under way */
            pc_section_enter(run);
            pc_section_exit(run);
        }
    } else {
        pc_found(run, "read_enter() did not return");
    }
    atomic_store_explicit(&parallel->is_over, 1u, memory_order_release);
}

static void read_in_parallel(struct run *run)
{
    struct parallel parallel = {.run = run};

    pc_crew(run, 2, parallel_body, &parallel);
}

/* --- cookies. Field key: atomic. */

struct cookies {
    struct run *run;
    _Atomic uint64_t given;   /* the greatest that anybody was given */
    _Atomic uint64_t elapsed; /* the greatest that anybody saw elapsed */
};

static void cookies_body(void *argument, unsigned number)
{
    struct cookies *cookies = argument;
    struct run *run = cookies->run;

    (void)number;
    for (unsigned i = 0; i < COOKIES; i++) {
        uint64_t before = atomic_load_explicit(&cookies->given, memory_order_acquire);
        uint64_t cookie = run->ops.gp_start(run->ops.ctx);

        if (cookie < 1u || cookie >= COOKIE_END) {
            pc_found(run, "gp_start() gave cookie %u", cookie);
        } else if (cookie < before) {
            pc_found(run, "gp_start() gave cookie %u, after somebody had been given %u", cookie, before);
        }
        pc_raise(&cookies->given, cookie);
        if (i % 100u == 0) {
            pc_idle(run);
        }
    }
}

static void gp_cookies(struct run *run)
{
    struct cookies cookies = {.run = run};

    pc_crew(run, run->port->threads, cookies_body, &cookies);
}

static void order_body(void *argument, unsigned number)
{
    struct cookies *cookies = argument;
    struct run *run = cookies->run;

    for (unsigned i = 0; i < ROUNDS; i++) {
        uint64_t cookie = run->ops.gp_start(run->ops.ctx);
        uint64_t elapsed = 0;

        for (unsigned naps = 0; naps < 64u + number && elapsed < cookie; naps++) {
            elapsed = atomic_load_explicit(&cookies->elapsed, memory_order_acquire);
            if (elapsed >= cookie && !run->ops.gp_elapsed(run->ops.ctx, cookie)) {
                pc_found(run, "cookie %u had elapsed, and %u, which is not greater, had not", elapsed, cookie);
            }
            if (run->ops.gp_elapsed(run->ops.ctx, cookie)) {
                pc_raise(&cookies->elapsed, cookie);
            }
            pc_idle(run);
        }
    }
}

static void gp_in_order(struct run *run)
{
    struct cookies cookies = {.run = run};

    pc_crew(run, run->port->threads, order_body, &cookies);
}

/* --- gp_wait */

struct waiting {
    struct run *run;
    _Atomic unsigned inside;
    _Atomic unsigned waits;
    _Atomic unsigned leaves;
};

static void waiting_body(void *argument, unsigned number)
{
    struct waiting *waiting = argument;
    struct run *run = waiting->run;
    uint64_t cookie;

    if (number == 1) {
        pc_section_enter(run);
        atomic_store_explicit(&waiting->inside, 1u, memory_order_release);
        pc_spin_for(&waiting->waits, 1u);
        for (volatile unsigned turn = 0; turn < 3000000u; turn++) {
        }
        atomic_store_explicit(&waiting->leaves, 1u, memory_order_release);
        pc_section_exit(run);
        return;
    }
    (void)pc_wait_for(run, &waiting->inside, 1u);
    cookie = run->ops.gp_start(run->ops.ctx);
    if (run->ops.read_enter == NULL) {
        run->port->quiescent(run->port->ctx); /* it waits for nobody but the reader from here on */
    }
    atomic_store_explicit(&waiting->waits, 1u, memory_order_release);
    run->ops.gp_wait(run->ops.ctx, cookie);
    if (atomic_load_explicit(&waiting->leaves, memory_order_acquire) == 0) {
        pc_found(run, "gp_wait() returned while a section was open that had begun before gp_start()");
    } else if (!run->ops.gp_elapsed(run->ops.ctx, cookie)) {
        pc_found(run, "gp_wait() had returned, and gp_elapsed() was false");
    }
}

static void gp_wait(struct run *run)
{
    struct waiting waiting = {.run = run};

    pc_crew(run, 2, waiting_body, &waiting);
}

static const struct check checks[] = {
    {"gp_elapses", 0, 1, gp_elapses, "gp_elapsed: true in finite time when nobody is inside, and it stays true",
     "somebody has to see to it that grace periods end: a thread, an interrupt, or gp_elapsed itself"},
    {"gp_waits", 0, 2, gp_waits, "gp_elapsed: not true before every section has ended that was open at gp_start",
     "wait for each reader, not for the first or for a time"},
    {"gp_waits_nested", NEEDS_READ_ENTER, 2, gp_waits_nested,
     "read_enter, read_exit: sections nest, and end with the outermost",
     "count the nesting of each thread; only the outermost exit ends its section"},
    {"gp_waits_caller", 0, 2, gp_waits_caller,
     "gp_start, gp_elapsed: may be called inside a section, return at once, and the caller's own section counts",
     "ask for the grace period there and let somebody else wait for it"},
    {"gp_under_overlap", 0, 2, gp_under_overlap,
     "gp_elapsed: true when the sections that were open at gp_start have ended, whoever came inside later",
     "tell sections that began before from those after, by a phase or an epoch: do not wait for nobody to be inside"},
    {"read_in_parallel", NEEDS_READ_ENTER, 2, read_in_parallel, "read_enter: never sleeps, whoever else is inside",
     "no lock of readers and writers: a reader waits for nobody, and not for a grace period"},
    {"gp_cookies", 0, 1, gp_cookies, "gp_start: cookies are at least 1, below 2^56 - 2, and never fall",
     "number grace periods by one counter that starts at 1"},
    {"gp_in_order", 0, 2, gp_in_order, "gp_elapsed: when a cookie has elapsed, so have all smaller ones",
     "compare the cookie with the number of the last grace period that has ended"},
    {"gp_wait", NEEDS_GP_WAIT, 2, gp_wait, "gp_wait: returns when gp_elapsed is true, not before",
     "wait for the same number that gp_elapsed compares with"},
};
const struct checks pc_grace_checks = {checks, sizeof(checks) / sizeof(checks[0])};
