/* SPDX-License-Identifier: MIT */
#include "sim/sched.h"

#include "sim/stack.h"

#define MAIN HIPTI_SIM_THREADS /* the context that called hipti_sim_run() */

static void switch_to(struct hipti_sim *sim, unsigned from, unsigned to)
{
    hipti_stack_switch(&sim->context[from], sim->context[to]);
}

void hipti_sim_init(struct hipti_sim *sim, unsigned nthreads, void (*body)(void *ctx, unsigned thread), void *ctx)
{
    unsigned i;

    sim->nthreads = nthreads;
    sim->body = body;
    sim->ctx = ctx;
    sim->unseen = NULL;
    sim->grew = false;
    sim->is_on = false;
    sim->nwords = 0;
    for (i = 0; i < HIPTI_SIM_WORDS; i++) {
        sim->words[i].word = NULL;
    }
}

/* => the entry of a word, made if need be; NULL: there is no more room. */
static struct hipti_sim_word *word_find(struct hipti_sim *sim, const volatile void *word)
{
    unsigned i = (unsigned)(((uint64_t)(uintptr_t)word * UINT64_C(0x9e3779b97f4a7c15)) >> 48);

    for (;; i++) {
        struct hipti_sim_word *entry = &sim->words[i % HIPTI_SIM_WORDS];

        if (entry->word == word) {
            return entry;
        }
        if (!entry->word) {
            if (sim->nwords >= HIPTI_SIM_WORDS / 4u * 3u) {
                return NULL;
            }
            sim->nwords++;
            *entry = (struct hipti_sim_word){word, {0, 0, 0}};
            return entry;
        }
    }
}

/* => the threads that use the word in a way that conflicts with @access. */
static unsigned word_rivals(const struct hipti_sim_word *entry, enum hipti_sim_access access)
{
    unsigned rivals = 0;

    if (access != HIPTI_SIM_READ) {
        rivals |= entry->by[HIPTI_SIM_READ];
    }
    if (access != HIPTI_SIM_COMMUTE) {
        rivals |= entry->by[HIPTI_SIM_COMMUTE];
    }
    return rivals | entry->by[HIPTI_SIM_WRITE];
}

/* Note the use of a word. => whether it is visible to the others. */
static bool word_use(struct hipti_sim *sim, const volatile void *word, enum hipti_sim_access access)
{
    struct hipti_sim_word *entry = word_find(sim, word);
    unsigned me = 1u << sim->running;
    bool is_visible;

    if (!entry) {
        return true;
    }
    is_visible = (word_rivals(entry, access) & ~me) != 0;
    if (!(entry->by[access] & me)) {
        entry->by[access] = (uint8_t)(entry->by[access] | me);
        sim->grew = sim->grew || is_visible;
    }
    return is_visible;
}

static void leave(struct hipti_sim *sim, enum hipti_sim_end end)
{
    unsigned from = sim->running;

    sim->end = end;
    sim->is_on = false;
    switch_to(sim, from, MAIN);
}

/* Ask who goes on, and go there. => when this thread is chosen again. */
static void point(struct hipti_sim *sim)
{
    unsigned from = sim->running;
    unsigned next;

    if (!hipti_sim_enabled(sim)) {
        leave(sim, sim->spinning & ~sim->finished ? HIPTI_SIM_STUCK : HIPTI_SIM_DONE);
    }
    next = sim->chooser->choose(sim->chooser->ctx, sim);
    sim->is_forced = false;
    if (next == HIPTI_SIM_NOBODY) {
        leave(sim, HIPTI_SIM_PRUNED);
    }
    if (next != from) {
        sim->running = next;
        switch_to(sim, from, next);
    }
}

/* A write frees the threads that waited for one. */
static void spin_watch(struct hipti_sim *sim, enum hipti_sim_access access)
{
    unsigned i;

    if (access == HIPTI_SIM_READ) {
        sim->idle[sim->running]++;
        return;
    }
    sim->spinning = 0;
    for (i = 0; i < sim->nthreads; i++) {
        sim->idle[i] = 0;
    }
}

/* The running thread's operation is invoked: what has responded by now comes before it. */
static void invoke(struct hipti_sim *sim)
{
    sim->invoked_at[sim->running] = sim->nsteps;
    sim->past[sim->running] = hipti_sim_hash(sim->past[sim->running], sim->responses);
}

static void record(struct hipti_sim *sim, const struct hipti_sim_point *step)
{
    unsigned thread = sim->running;

    if (sim->nsteps == HIPTI_SIM_STEPS) {
        leave(sim, HIPTI_SIM_LONG);
    }
    if (step->is_first) {
        invoke(sim);
    }
    sim->steps[sim->nsteps++] = *step;
    sim->own_steps[thread]++;
    sim->position[thread]++;
    sim->turn[thread].is_over = sim->turn[thread].is_over || step->access != HIPTI_SIM_READ;
    spin_watch(sim, (enum hipti_sim_access)step->access);
}

void hipti_sim_step(struct hipti_sim *sim, const char *operation, const volatile void *word,
                    enum hipti_sim_access access, const char *file, int line)
{
    unsigned thread = sim->running;
    struct hipti_sim_point step = {operation, file, word, 0, line, (uint8_t)thread, (uint8_t)access, false};
    bool is_visible;

    if (!sim->is_on) {
        return;
    }
    step.is_first = sim->begins[thread];
    sim->begins[thread] = false;
    is_visible = sim->chooser->is_every_step || word_use(sim, word, access) || step.is_first;
    if (sim->idle[thread] >= HIPTI_SIM_SPIN) {
        sim->spinning |= 1u << thread;
        sim->spins++;
        sim->is_forced = true;
    }
    if (sim->is_starting) {
        switch_to(sim, thread, MAIN);
    } else if (is_visible || sim->is_forced) {
        point(sim);
    }
    record(sim, &step);
}

void hipti_sim_begin(struct hipti_sim *sim)
{
    sim->begins[sim->running] = true;
}

void hipti_sim_respond(struct hipti_sim *sim, uint64_t answer)
{
    unsigned thread = sim->running;

    sim->responses += UINT64_C(1) << (8u * thread);
    sim->past[thread] = hipti_sim_hash(sim->past[thread], answer);
    sim->learned[thread] = 0;
    sim->position[thread] = 0;
}

void hipti_sim_wait(struct hipti_sim *sim)
{
    unsigned thread = sim->running;
    struct hipti_sim_turn *turn = &sim->turn[thread];

    if (!turn->is_over) {
        sim->learned[thread] = turn->learned;
        sim->position[thread] = turn->position;
        if (sim->idle[thread] >= sim->own_steps[thread] - turn->own_steps) {
            sim->spinning |= 1u << thread;
            sim->is_forced = true;
        }
    }
    *turn = (struct hipti_sim_turn){sim->learned[thread], sim->position[thread], sim->own_steps[thread], false};
}

uint64_t hipti_sim_state(const struct hipti_sim *sim)
{
    uint64_t state = sim->memory + (sim->unseen ? sim->unseen(sim->ctx) : 0);
    unsigned i;

    for (i = 0; i < sim->nthreads; i++) {
        state = hipti_sim_hash(state, hipti_sim_hash(sim->past[i], sim->learned[i] + sim->position[i]));
    }
    return sim->spinning ? hipti_sim_hash(state, sim->spinning) : state;
}

void hipti_sim_stop(struct hipti_sim *sim)
{
    leave(sim, HIPTI_SIM_STOPPED);
}

/* Runs a thread to its end. It never returns: whoever is chosen next goes on, or the main context. */
static void thread_main(void *argument)
{
    struct hipti_sim *sim = (struct hipti_sim *)argument;

    sim->body(sim->ctx, sim->running);
    sim->finished |= 1u << sim->running;
    if (sim->is_starting) {
        switch_to(sim, sim->running, MAIN);
    }
    sim->is_forced = true;
    point(sim);
}

/* Bring every thread to its first step, so that the first choice is made knowing what each would do. */
static void start_all(struct hipti_sim *sim)
{
    sim->is_starting = true;
    for (sim->running = 0; sim->running < sim->nthreads && sim->is_on; sim->running++) {
        sim->context[sim->running] =
            hipti_stack_make(sim->stack[sim->running], HIPTI_SIM_STACK_BYTES, thread_main, sim);
        switch_to(sim, MAIN, sim->running);
    }
    sim->is_starting = false;
    sim->running = MAIN;
}

enum hipti_sim_end hipti_sim_run(struct hipti_sim *sim, const struct hipti_sim_chooser *chooser)
{
    unsigned i;

    sim->chooser = chooser;
    sim->finished = 0;
    sim->spinning = 0;
    sim->spins = 0;
    sim->nsteps = 0;
    sim->memory = 0;
    sim->responses = 0;
    for (i = 0; i < sim->nthreads; i++) {
        sim->past[i] = 0;
        sim->learned[i] = 0;
        sim->position[i] = 0;
        sim->own_steps[i] = 0;
        sim->idle[i] = 0;
        sim->begins[i] = false;
        sim->turn[i].is_over = true;
    }
    sim->is_on = true;
    start_all(sim);
    if (sim->is_on) {
        sim->is_forced = true;
        point(sim);
    }
    return sim->end;
}
