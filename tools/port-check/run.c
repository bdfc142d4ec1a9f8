/* SPDX-License-Identifier: MIT */
#include "run.h"

#include <stdarg.h>

#define PATIENCE 10000u

static const struct checks *const groups[] = {&pc_memory_checks, &pc_grace_checks, &pc_protection_checks,
                                              &pc_cpu_checks,    &pc_kick_checks,  &pc_table_checks};

/* --- texts */

static char *put_text(char *at, const char *end, const char *text)
{
    while (*text != '\0' && at < end) {
        *at++ = *text++;
    }
    return at;
}

static char *put_number(char *at, const char *end, uint64_t number)
{
    char digits[21];
    char *first = &digits[20];

    *first = '\0';
    do {
        *--first = (char)('0' + number % 10u);
        number /= 10u;
    } while (number > 0);
    return put_text(at, end, first);
}

void pc_found(struct run *run, const char *format, ...)
{
    char *at = run->seen;
    const char *end = run->seen + sizeof(run->seen) - 1;
    va_list values;

    /* relaxed: who comes first writes the text, and the crew's end orders that before it is read. */
    if (atomic_fetch_add_explicit(&run->findings, 1u, memory_order_relaxed) > 0) {
        return;
    }
    va_start(values, format);
    for (; *format != '\0' && at < end; format++) {
        if (format[0] == '%' && format[1] == 'u') {
            at = put_number(at, end, va_arg(values, uint64_t));
            format++;
        } else if (format[0] == '%' && format[1] == 's') {
            at = put_text(at, end, va_arg(values, const char *));
            format++;
        } else {
            *at++ = *format;
        }
    }
    va_end(values);
    *at = '\0';
}

/* --- threads */

bool pc_crew(struct run *run, unsigned count, void (*body)(void *argument, unsigned number), void *argument)
{
    if (!run->port->crew(run->port->ctx, count, body, argument)) {
        pc_found(run, "the host's pc_crew() did not run %u threads", (uint64_t)count);
        return false;
    }
    return true;
}

void pc_idle(struct run *run)
{
    if (run->ops.read_enter == NULL) {
        run->port->quiescent(run->port->ctx);
    }
    run->port->nap(run->port->ctx);
}

static unsigned patience(const struct run *run)
{
    return run->port->patience > 0 ? run->port->patience : PATIENCE;
}

bool pc_wait_for(struct run *run, _Atomic unsigned *word, unsigned least)
{
    for (unsigned naps = 0; atomic_load_explicit(word, memory_order_acquire) < least; naps++) {
        if (naps == patience(run)) {
            return false;
        }
        pc_idle(run);
    }
    return true;
}

void pc_spin_for(_Atomic unsigned *word, unsigned least)
{
    while (atomic_load_explicit(word, memory_order_acquire) < least) {
    }
}

bool pc_wait_elapsed(struct run *run, uint64_t cookie)
{
    for (unsigned naps = 0; !run->ops.gp_elapsed(run->ops.ctx, cookie); naps++) {
        if (naps == patience(run)) {
            return false;
        }
        pc_idle(run);
    }
    return true;
}

bool pc_is_held(struct run *run, uint64_t cookie)
{
    for (unsigned naps = 0; naps < HELD_NAPS; naps++) {
        if (run->ops.gp_elapsed(run->ops.ctx, cookie)) {
            return false;
        }
        pc_idle(run);
    }
    return true;
}

void pc_section_enter(struct run *run)
{
    if (run->ops.read_enter != NULL) {
        run->ops.read_enter(run->ops.ctx);
    }
}

void pc_section_exit(struct run *run)
{
    if (run->ops.read_exit != NULL) {
        run->ops.read_exit(run->ops.ctx);
    } else {
        run->port->quiescent(run->port->ctx);
    }
}

void pc_raise(_Atomic uint64_t *word, uint64_t value)
{
    uint64_t seen = atomic_load_explicit(word, memory_order_relaxed);

    while (seen < value && !atomic_compare_exchange_weak_explicit(word, &seen, value, memory_order_acq_rel,
                                                                  memory_order_relaxed)) {
    }
}

uint32_t pc_draw(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*seed >> 33);
}

/* --- the run */

struct sums {
    unsigned ok;
    unsigned left_out;
    unsigned failed;
};

static void say(const struct run *run, const char *text)
{
    run->port->say(run->port->ctx, text);
}

static void say_number(const struct run *run, uint64_t number)
{
    char text[21] = "";

    *put_number(text, text + sizeof(text) - 1, number) = '\0';
    say(run, text);
}

static unsigned hooks_set(const struct run *run)
{
    const struct hipt_ops *ops = &run->ops;

    return (ops->read_enter ? NEEDS_READ_ENTER : 0u) | (ops->gp_wait ? NEEDS_GP_WAIT : 0u) |
           (ops->this_cpu ? NEEDS_THIS_CPU : 0u) | (ops->can_wait ? NEEDS_CAN_WAIT : 0u) |
           (ops->kick ? NEEDS_KICK : 0u) | (ops->barrier ? NEEDS_BARRIER : 0u) | (ops->relax ? NEEDS_RELAX : 0u) |
           (ops->clock ? NEEDS_CLOCK : 0u) | (ops->slow ? NEEDS_SLOW : 0u) |
           (ops->alloc_strict ? NEEDS_ALLOC_STRICT : 0u) | (ops->this_node ? NEEDS_THIS_NODE : 0u) |
           (run->port->bytes ? NEEDS_BYTES : 0u) | (run->port->impossible > 0 ? NEEDS_IMPOSSIBLE : 0u);
}

static void say_failed(const struct run *run, const struct check *check)
{
    say(run, "FAILED\n    promised: "), say(run, check->promised);
    say(run, "\n    seen:     "), say(run, run->seen);
    say(run, "\n    right:    "), say(run, check->right), say(run, "\n");
}

static void look(struct run *run, const struct check *check, struct sums *sums)
{
    say(run, check->name), say(run, ": ");
    if (check->needs & ~hooks_set(run)) {
        say(run, "left out, not set\n");
        sums->left_out++;
    } else if (check->threads > run->port->threads) {
        say(run, "left out, it takes "), say_number(run, check->threads), say(run, " threads\n");
        sums->left_out++;
    } else {
        atomic_store_explicit(&run->findings, 0, memory_order_relaxed); /* nobody else is there */
        check->look(run);
        if (atomic_load_explicit(&run->findings, memory_order_relaxed) > 0) {
            say_failed(run, check);
            sums->failed++;
        } else {
            say(run, "ok\n");
            sums->ok++;
        }
    }
}

static bool is_text(const char *a, const char *b)
{
    while (*a != '\0' && *a == *b) {
        a++, b++;
    }
    return *a == *b;
}

/* --- the first check: whether the others can be made at all */

static void look_at_ops(struct run *run)
{
    const struct hipt_ops *ops = &run->ops;
    bool is_mandatory_set = ops->alloc && ops->free && ops->gp_start && ops->gp_elapsed && ops->random;

    if (run->port->ops->size < offsetof(struct hipt_ops, this_cpu)) {
        pc_found(run, "ops->size is %u", (uint64_t)run->port->ops->size);
    } else if (!is_mandatory_set) {
        pc_found(run, "%s is not set", !ops->alloc ? "alloc" : !ops->free ? "free" : !ops->gp_start ? "gp_start" :
                                    !ops->gp_elapsed ? "gp_elapsed" : "random");
    } else if (!ops->read_enter != !ops->read_exit) {
        pc_found(run, "%s is set, and %s is not", ops->read_enter ? "read_enter" : "read_exit",
                 ops->read_enter ? "read_exit" : "read_enter");
    } else if (!ops->read_enter && !run->port->quiescent) {
        pc_found(run, "read_enter is not set, and the host gives no quiescent() to the check");
    } else if (ops->this_cpu && !run->port->stand) {
        pc_found(run, "this_cpu is set, and the host gives no stand() to the check");
    }
}

static const struct check ops_check = {
    "ops", 0, 0, look_at_ops,
    "the structure has a size that its library knows, all mandatory hooks, and read_enter and read_exit or neither",
    ".size = sizeof(struct hipt_ops); alloc, free, gp_start, gp_elapsed and random set"};

/* What the port does not know is not set: its structure may be shorter than this one. */
static struct hipt_ops ops_known(const struct hipt_ops *port)
{
    struct hipt_ops ops = {0};
    size_t bytes = port->size < sizeof(ops) ? port->size : sizeof(ops);

    for (size_t i = 0; i < bytes; i++) {
        ((char *)&ops)[i] = ((const char *)port)[i];
    }
    return ops;
}

static void look_at_all(struct run *run, struct sums *sums)
{
    const char *only = run->port->only;
    bool is_known = !only || is_text(only, ops_check.name);

    look(run, &ops_check, sums);
    if (sums->failed > 0) {
        return;
    }
    for (size_t g = 0; g < sizeof(groups) / sizeof(groups[0]); g++) {
        for (size_t i = 0; i < groups[g]->count; i++) {
            if (!only || is_text(only, groups[g]->check[i].name)) {
                look(run, &groups[g]->check[i], sums);
                is_known = true;
            }
        }
    }
    if (!is_known) {
        say(run, "there is no check called "), say(run, only), say(run, "\n");
        sums->failed++;
    }
}

unsigned hipt_port_check(const struct hipt_port_check *port)
{
    struct run run = {.port = port, .ops = ops_known(port->ops)};
    struct sums sums = {0, 0, 0};

    look_at_all(&run, &sums);
    say(&run, "port-check: "), say_number(&run, sums.ok), say(&run, " ok, ");
    say_number(&run, sums.left_out), say(&run, " left out, ");
    say_number(&run, sums.failed), say(&run, " failed\n");
    return sums.failed;
}
