/* SPDX-License-Identifier: MIT */
#include "sim/choose.h"

/* => the running thread, or the lowest that can run. One can. */
static unsigned stay(const struct hipti_sim *sim)
{
    unsigned enabled = hipti_sim_enabled(sim);
    unsigned thread = 0;

    if (!sim->is_forced && (enabled >> sim->running & 1u)) {
        return sim->running;
    }
    while (!(enabled >> thread & 1u)) {
        thread++;
    }
    return thread;
}

/* --- search --- */

/* => what the last point and its choice have cost. */
static unsigned spent(const struct hipti_search *search)
{
    const struct hipti_search_point *last;

    if (search->depth == 0) {
        return 0;
    }
    last = &search->point[search->depth - 1u];
    return last->preemptions + (!last->is_free && last->chosen != last->running ? 1u : 0u);
}

/* => whether to go on from here: the state, with who runs in it, is new, or reached with fewer preemptions. */
static bool search_enter(struct hipti_search *search, const struct hipti_sim *sim, unsigned preemptions)
{
    unsigned who = sim->is_forced ? HIPTI_SIM_THREADS : sim->running;

    if (search->seen && sim->spins == 0) { /* a state does not tell how long a thread has been idle */
        return hipti_seen_enter(search->seen, hipti_sim_hash(hipti_sim_state(sim), who), preemptions);
    }
    return true;
}

/* A point that the path does not have yet. */
static unsigned search_extend(struct hipti_search *search, const struct hipti_sim *sim)
{
    struct hipti_search_point *point = &search->point[search->depth];

    point->preemptions = (uint16_t)spent(search);
    point->running = (uint8_t)sim->running;
    point->is_free = sim->is_forced;
    if (!search_enter(search, sim, point->preemptions)) {
        return HIPTI_SIM_NOBODY;
    }
    point->chosen = (uint8_t)stay(sim);
    point->todo = (uint8_t)(hipti_sim_enabled(sim) & ~(1u << point->chosen));
    if (!point->is_free && point->preemptions >= search->bound) {
        point->todo = 0;
    }
    search->depth++;
    search->length = search->depth;
    return point->chosen;
}

static unsigned search_choose(void *ctx, const struct hipti_sim *sim)
{
    struct hipti_search *search = (struct hipti_search *)ctx;

    if (search->depth == HIPTI_SEARCH_POINTS) {
        search->is_cut = true;
        return stay(sim);
    }
    return hipti_search_repeats(search) ? search->point[search->depth++].chosen : search_extend(search, sim);
}

void hipti_search_init(struct hipti_search *search, unsigned bound, struct hipti_seen *seen)
{
    search->chooser = (struct hipti_sim_chooser){search_choose, search, false};
    search->seen = seen;
    if (seen) {
        hipti_seen_start(seen);
    }
    search->bound = bound;
    search->length = 0;
    search->depth = 0;
    search->is_cut = false;
}

bool hipti_search_next(struct hipti_search *search)
{
    search->depth = 0;
    while (search->length > 0) {
        struct hipti_search_point *point = &search->point[search->length - 1u];
        unsigned thread = 0;

        if (point->todo) {
            while (!(point->todo >> thread & 1u)) {
                thread++;
            }
            point->todo = (uint8_t)(point->todo & ~(1u << thread));
            point->chosen = (uint8_t)thread;
            return true;
        }
        search->length--;
    }
    return false;
}

/* --- pct --- */

static uint64_t pct_random(struct hipti_pct *pct)
{
    pct->random ^= pct->random << 13;
    pct->random ^= pct->random >> 7;
    pct->random ^= pct->random << 17;
    return pct->random * UINT64_C(0x2545f4914f6cdd1d) >> 16;
}

static unsigned pct_choose(void *ctx, const struct hipti_sim *sim)
{
    struct hipti_pct *pct = (struct hipti_pct *)ctx;
    unsigned enabled = hipti_sim_enabled(sim);
    unsigned best = HIPTI_SIM_NOBODY;
    unsigned i;

    for (i = 0; i + 1u < pct->depth; i++) {
        if (pct->change[i] == pct->at && sim->running < sim->nthreads) {
            pct->priority[sim->running] = i; /* below all that are drawn, and below earlier changes' later ones */
        }
    }
    pct->at++;
    for (i = 0; i < sim->nthreads; i++) {
        if ((enabled >> i & 1u) && (best == HIPTI_SIM_NOBODY || pct->priority[i] > pct->priority[best])) {
            best = i;
        }
    }
    return best;
}

void hipti_pct_init(struct hipti_pct *pct, uint64_t seed, unsigned depth)
{
    pct->chooser = (struct hipti_sim_chooser){pct_choose, pct, false};
    pct->random = seed * UINT64_C(0x9e3779b97f4a7c15) | 1u;
    pct->depth = depth < HIPTI_PCT_DEPTH_MAX ? depth : HIPTI_PCT_DEPTH_MAX;
    pct->length = 1;
    pct->at = 0;
}

void hipti_pct_start(struct hipti_pct *pct)
{
    unsigned i;

    pct->length = pct->at > pct->length ? pct->at : pct->length;
    pct->at = 0;
    for (i = 0; i < HIPTI_SIM_THREADS; i++) {
        unsigned other = (unsigned)(pct_random(pct) % (i + 1u));

        pct->priority[i] = pct->priority[other]; /* a random order of the numbers behind the change points' */
        pct->priority[other] = HIPTI_PCT_DEPTH_MAX + i;
    }
    for (i = 0; i + 1u < pct->depth; i++) {
        pct->change[i] = (unsigned)(pct_random(pct) % pct->length);
    }
}

/* --- bytes --- */

static unsigned bytes_choose(void *ctx, const struct hipti_sim *sim)
{
    struct hipti_bytes *bytes = (struct hipti_bytes *)ctx;
    unsigned enabled = hipti_sim_enabled(sim);
    unsigned skip;

    if (bytes->points_left == 0 && bytes->left == 0) {
        return stay(sim);
    }
    if (bytes->points_left == 0) {
        bytes->points_left = 1u + *bytes->at % 64u;
        bytes->thread = HIPTI_SIM_THREADS - 1u;
        for (skip = 1u + *bytes->at / 64u; skip > 0;) {
            bytes->thread = (bytes->thread + 1u) % HIPTI_SIM_THREADS;
            skip -= enabled >> bytes->thread & 1u;
        }
        bytes->at++;
        bytes->left--;
    }
    bytes->points_left--;
    return enabled >> bytes->thread & 1u ? bytes->thread : stay(sim);
}

void hipti_bytes_start(struct hipti_bytes *bytes, const uint8_t *at, size_t size)
{
    bytes->chooser = (struct hipti_sim_chooser){bytes_choose, bytes, false};
    bytes->at = at;
    bytes->left = size;
    bytes->points_left = 0;
    bytes->thread = 0;
}

/* --- replay --- */

static unsigned number_read(const char **at)
{
    unsigned number = 0;

    while (**at >= '0' && **at <= '9') {
        number = number * 10u + (unsigned)(*(*at)++ - '0');
    }
    return number;
}

/* The next run of the text, if there is one. */
static void replay_read(struct hipti_replay *replay)
{
    while (*replay->at && (*replay->at < '0' || *replay->at > '9')) {
        replay->at++;
    }
    if (*replay->at) {
        replay->thread = number_read(&replay->at);
        replay->at += *replay->at == 'x';
        replay->steps_left = number_read(&replay->at);
    }
}

static unsigned replay_choose(void *ctx, const struct hipti_sim *sim)
{
    struct hipti_replay *replay = (struct hipti_replay *)ctx;
    unsigned enabled = hipti_sim_enabled(sim);

    if (replay->steps_left == 0) {
        replay_read(replay);
    }
    if (replay->steps_left == 0 || replay->thread >= sim->nthreads || !(enabled >> replay->thread & 1u)) {
        return stay(sim);
    }
    replay->steps_left--;
    return replay->thread;
}

void hipti_replay_start(struct hipti_replay *replay, const char *text)
{
    replay->chooser = (struct hipti_sim_chooser){replay_choose, replay, true};
    replay->at = text;
    replay->thread = 0;
    replay->steps_left = 0;
}

/* => where the text ends now; NULL: no room. */
static char *number_write(char *at, const char *end, unsigned number)
{
    char digits[10];
    unsigned n = 0;

    do {
        digits[n++] = (char)('0' + number % 10u);
        number /= 10u;
    } while (number);
    if ((size_t)(end - at) <= n) {
        return NULL;
    }
    while (n > 0) {
        *at++ = digits[--n];
    }
    return at;
}

bool hipti_replay_write(const struct hipti_sim *sim, char *text, size_t bytes)
{
    const char *end = text + bytes - 2; /* a separator and the terminating zero always fit */
    unsigned i = 0;

    while (i < sim->nsteps) {
        unsigned first = i;
        char *at = text;

        while (i < sim->nsteps && sim->steps[i].thread == sim->steps[first].thread) {
            i++;
        }
        if (first > 0) {
            *at++ = ',';
        }
        at = number_write(at, end, sim->steps[first].thread);
        if (at) {
            *at++ = 'x';
            at = number_write(at, end, i - first);
        }
        if (!at) {
            *text = '\0';
            return false;
        }
        text = at;
    }
    *text = '\0';
    return true;
}
