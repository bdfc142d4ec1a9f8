/* SPDX-License-Identifier: MIT */
/*
 * What grace periods are for: who reads inside a section never sees what was taken out, and used for something else
 * after a grace period. Objects are unhooked, and spoilt when their grace period is over. Their words are plain, so
 * that ThreadSanitizer can judge the port's orders too.
 */
#include "run.h"

#define OBJECTS 4u
#define WORDS 8u
#define PERIODS 100u
#define READS_SHORT 200000u /* of an object that stays the current one */
#define READS_LONG 4000000u /* of one that is not any more, in every fourth section */
#define SPOILT UINT32_C(0xdeaddead)

struct object {
    volatile uint32_t word[WORDS];
};

/* Field key: current, is_over: atomic; object: the writer's, and the readers' while it is current. */
struct protection {
    struct run *run;
    _Atomic(struct object *) current;
    _Atomic unsigned readers; /* that have begun */
    _Atomic unsigned is_over;
    struct object object[OBJECTS];
};

static void set(struct object *object, uint32_t value)
{
    for (unsigned i = 0; i < WORDS; i++) {
        object->word[i] = value;
    }
}

/* => the object that is current at first was not spoilt, for as long as it was read inside a section. */
static bool read_one(struct protection *protection, unsigned most)
{
    struct object *object = atomic_load_explicit(&protection->current, memory_order_acquire);
    unsigned reads = 0;

    for (; reads < READS_SHORT && atomic_load_explicit(&protection->current, memory_order_relaxed) == object; reads++) {
        if (object->word[reads % WORDS] == SPOILT) {
            return false;
        }
    }
    for (reads = 0; reads < most; reads++) {
        if (object->word[reads % WORDS] == SPOILT) {
            return false;
        }
    }
    return true;
}

static void read_current(struct protection *protection)
{
    struct run *run = protection->run;

    atomic_fetch_add_explicit(&protection->readers, 1u, memory_order_acq_rel);
    for (unsigned turn = 0; atomic_load_explicit(&protection->is_over, memory_order_acquire) == 0; turn++) {
        bool is_good;

        pc_section_enter(run);
        is_good = read_one(protection, turn % 4u == 0 ? READS_LONG : WORDS);
        pc_section_exit(run);
        if (!is_good) {
            pc_found(run, "an object was spoilt under a reader, after the grace period since it was unhooked");
            atomic_store_explicit(&protection->is_over, 1u, memory_order_release);
        }
    }
}

/* => its grace period is over; first by looking often, so that it is known as early as can be. */
static bool see_elapsed(struct protection *protection, uint64_t cookie)
{
    struct run *run = protection->run;

    for (unsigned look = 0; look < 2000u; look++) {
        if (run->ops.gp_elapsed(run->ops.ctx, cookie)) {
            return true;
        }
        if (run->ops.read_enter == NULL) {
            run->port->quiescent(run->port->ctx);
        }
    }
    return pc_wait_elapsed(run, cookie);
}

static void replace(struct protection *protection)
{
    struct run *run = protection->run;

    for (unsigned period = 1; period <= PERIODS; period++) {
        struct object *next = &protection->object[period % OBJECTS];
        struct object *old = atomic_load_explicit(&protection->current, memory_order_relaxed); /* its own store */
        uint64_t cookie;

        if (atomic_load_explicit(&protection->is_over, memory_order_acquire) != 0) {
            return;
        }
        if (period % 2u == 0) {
            pc_idle(run); /* the readers have the processor, and the current object */
        }
        set(next, period);
        atomic_store_explicit(&protection->current, next, memory_order_release);
        cookie = run->ops.gp_start(run->ops.ctx);
        if (!see_elapsed(protection, cookie)) {
            pc_found(run, "gp_elapsed() was never true with readers that come and go");
            return;
        }
        set(old, SPOILT);
    }
}

static void protection_body(void *argument, unsigned number)
{
    struct protection *protection = argument;

    if (number > 0) {
        read_current(protection);
        return;
    }
    (void)pc_wait_for(protection->run, &protection->readers, 1u);
    replace(protection);
    atomic_store_explicit(&protection->is_over, 1u, memory_order_release);
}

static void gp_protects(struct run *run)
{
    struct protection protection = {.run = run};

    atomic_init(&protection.current, &protection.object[0]);
    pc_crew(run, run->port->threads, protection_body, &protection);
}

static const struct check checks[] = {
    {"gp_protects", 0, 2, gp_protects,
     "gp_elapsed: sections happen before whoever sees it true, or read nothing older than what came before gp_start",
     "a full fence behind read_enter's store or a barrier in the grace period; release in read_exit, acquire here"},
};
const struct checks pc_protection_checks = {checks, sizeof(checks) / sizeof(checks[0])};
