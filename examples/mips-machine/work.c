/* SPDX-License-Identifier: MIT */
/*
 * The work: each processor goes from space to space, loads and stores in its pages, and now and then ends a space and
 * begins another. Each page holds its stamp, which says whose it is: space, life and number. Every visit looks at it: a
 * translation that should have been forgotten shows another page's, or a frame that was taken away. Then it looks at
 * the processor's own counter in the page, which shows a store that was not written back.
 */
#include "kernel.h"

#define ACCESSES 48u /* to pages of a space, in a turn */
#define ENDS 24u     /* one turn of so many ends a space */

struct space spaces[SPACES];

static _Atomic(struct space *) by_asid[1u << ASID_BITS];

/* --- the oracle */

static uint64_t stamp_of(uint64_t life, unsigned page)
{
    return (life & 0xffffffff) << 24 | (uint64_t)life_asid(life) << 8 | (page + 1);
}

/* It ends the run. */
static void report_stale(unsigned page, uint64_t found)
{
    report_begin();
    print("mips: stale translation: processor %u, asid %u of life %u, page %u: reads ", self->number,
          life_asid(self->life), (uint32_t)self->life, page);
    if (found) {
        print("the stamp of asid %lu of life %lu, page %lu\n", found >> 8 & 0xffff, found >> 24, (found & 0xff) - 1);
    } else {
        print("a frame that was taken away\n");
    }
    report_end("stale translation", page);
}

static void report_lost(unsigned page, uint64_t expected, uint64_t found)
{
    report_begin();
    print("mips: lost store: processor %u, asid %u of life %u, page %u: counted %lu, reads %lu\n", self->number,
          life_asid(self->life), (uint32_t)self->life, page, expected, found);
    report_end("lost store", page);
}

/* --- spaces */

struct space *space_of(uint32_t asid)
{
    return atomic_load_explicit(&by_asid[asid], memory_order_acquire);
}

bool space_is_asid(const struct space *space, uint32_t asid)
{
    uint64_t life = atomic_load_explicit(&space->life, memory_order_relaxed);

    return life && life_asid(life) == asid;
}

void space_begin(struct space *space)
{
    struct hipt_asid asid;
    enum hipt_status status;
    uint64_t life;

    while ((status = hipt_asid_alloc(table, &asid)) == HIPT_NO_ASID) {
        port_wait();
    }
    if (status != HIPT_OK) {
        fail(hipt_strerror(status), __LINE__);
    }
    life = (uint64_t)asid.number << 32 | asid.generation;
    for (unsigned page = 0; page < PAGES; page++) {
        for (unsigned word = 0; word < WORDS; word++) {
            space->store[page][word] = word == 0 ? stamp_of(life, page) : 0;
        }
    }
    atomic_store_explicit(&by_asid[asid.number], space, memory_order_release);
    atomic_store_explicit(&space->life, life, memory_order_release);
}

/* Whoever is in it meets a fault, and finds that its life is over. */
void space_end(struct space *space)
{
    uint64_t life = atomic_load_explicit(&space->life, memory_order_relaxed);
    struct hipt_asid asid = {.number = life_asid(life), .generation = (uint32_t)life};
    enum hipt_status status;

    atomic_store_explicit(&space->life, 0, memory_order_release);
    status = hipt_asid_retire(table, asid, NULL);
    if (status != HIPT_OK) {
        fail(hipt_strerror(status), __LINE__);
    }
    self->counts.ended++;
}

static void space_replace(struct space *space)
{
    if (lock_try(&space->lock)) {
        space_end(space);
        space_begin(space);
        lock_give(&space->lock);
    }
}

/* --- a processor's turn */

static unsigned random_below(unsigned bound)
{
    return (unsigned)(random_next(&self->random) >> 32) % bound;
}

/* => false: the space has ended. */
static bool visit(uint64_t *counted, unsigned page)
{
    uint64_t address = (USER_VPN + page) << PAGE_SHIFT;
    uint64_t own = address + 8 * (1 + self->number);
    uint64_t found;

    self->counts.loads += 2;
    if (!user_load(address, &found)) {
        return false;
    }
    if (found != stamp_of(self->life, page)) {
        report_stale(page, found);
    }
    if (!user_load(own, &found)) {
        return false;
    }
    if (found != counted[page]) {
        report_lost(page, counted[page], found);
    }
    if (random_below(3) == 0) {
        self->counts.stores++;
        if (!user_store(own, counted[page] + 1)) {
            return false;
        }
        counted[page]++;
    }
    return true;
}

/* Counters of a space that has begun anew are 0. */
static uint64_t *counters_of(unsigned number, uint64_t life)
{
    if (self->counted_life[number] != life) {
        self->counted_life[number] = life;
        for (unsigned page = 0; page < PAGES; page++) {
            self->counted[number][page] = 0;
        }
    }
    return self->counted[number];
}

void work_turn(void)
{
    unsigned number = random_below(SPACES);
    unsigned first = random_below(PAGES);
    struct space *space = &spaces[number];
    uint64_t life = atomic_load_explicit(&space->life, memory_order_acquire);
    bool is_there = true;

    if (random_below(ENDS) == 0) {
        space_replace(space);
        return;
    }
    if (!life || !kernel_switch(space, life)) {
        return;
    }
    self->is_user = true;
    for (unsigned i = 0; is_there && i < ACCESSES; i++) {
        is_there = visit(counters_of(number, life), (first + random_below(PAGES / 2)) % PAGES);
    }
    self->is_user = false;
    self->counts.killed += !is_there;
}
