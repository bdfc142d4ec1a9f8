/* SPDX-License-Identifier: MIT */
/*
 * A1 on real threads: few asids, so that each number has life after life. Every mapping carries the stamp of the
 * life that it was made in. Who is issued an asid must be its only owner, must see its generation grow, and must
 * find nothing mapped in it; until it retires it, every mapping in it must carry its stamp. Intruders map pages in
 * lives that are not theirs, right up to the end and beyond: inside a read side that they opened while the life was
 * going on the number can not be issued again, so their mapping goes with that life.
 */
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>

#include "crew.h"

enum { ASID_BITS = 2, NUMBERS = 1 << ASID_BITS, PAGES = 6, FRAMES = 64 };

enum { OPERATIONS, LIVES, NONE_LEFT, EMPTY, INTRUDED, TOO_LATE, REMOVED, AGES };

static const struct crew_count counts[] = {
    {"operations", true, false},
    {"lives", true, false},
    {"asids not to be had", false, false},
    {"pages found empty in a new life", true, false},
    {"mappings by intruders", true, false},
    {"intruders turned away", true, false},
    {"mappings removed by retirements", true, false},
    {"mappings found in their life, age 0", true, false},
    {"mappings found at age 1", false, false},
    {"mappings found at age 2 to 7", false, false},
    {"mappings found at age 8 to 63", false, false},
    {NULL, false, false},
};

/* One number. Field key: all atomic. */
struct number {
    _Alignas(64) _Atomic uint32_t owner;  /* thread + 1 */
    _Atomic uint32_t last;    /* generation of the last life */
    _Atomic uint32_t current; /* generation of the life that intruders may take part in; 0: none */
};

static struct number numbers[NUMBERS];

static bool start(struct crew *crew)
{
    crew_pin(crew, 0, FRAMES);
    return true;
}

static struct hipt_mapping draw_mapping(struct crew *crew, uint64_t *random, uint32_t asid, uint32_t generation)
{
    struct hipt_mapping m = {.prot = HIPT_READ};

    m.page.asid = asid;
    m.page.size = crew_draw(random, crew->options.sizes);
    m.page.vpn = (uint64_t)crew_draw(random, PAGES) >> m.page.size << m.page.size;
    m.pfn = (uint64_t)crew_draw(random, FRAMES) >> m.page.size << m.page.size;
    crew_stamp(&m, generation);
    return m;
}

/* Whoever is told that a number is theirs. */
static void check_issue(struct crew *crew, unsigned thread, struct hipt_asid asid)
{
    struct number *number = &numbers[asid.number];
    uint32_t last = atomic_exchange(&number->last, asid.generation); /* first: see intrude() */
    uint32_t owner = atomic_exchange(&number->owner, thread + 1u);

    if (owner != 0) {
        crew_broken(crew, "asid %" PRIu32 " is issued to thread %u, and thread %" PRIu32 " has it", asid.number,
                    thread, owner - 1u);
    }
    if (crew->options.canary && crew_total(crew, LIVES) > 20u) {
        last = asid.generation;
    }
    if (asid.generation <= last) {
        crew_broken(crew, "asid %" PRIu32 " has generation %" PRIu32 " after generation %" PRIu32, asid.number,
                    asid.generation, last);
    }
}

static void check_empty(struct crew *crew, unsigned thread, struct hipt_asid asid)
{
    struct hipt_translation t;
    uint64_t vpn;

    for (vpn = 0; vpn < PAGES; vpn++) {
        if (hipt_lookup(crew->table, asid.number, vpn, &t) != HIPT_ABSENT) {
            crew_broken(crew, "asid %" PRIu32 " is issued for life %" PRIu32 ", and vpn %" PRIu64
                        " is mapped, %u lives old", asid.number, asid.generation, vpn,
                        crew_age(&t.mapping, asid.generation));
        }
        crew_add(crew, thread, EMPTY, 1);
    }
}

static void check_stamps(struct crew *crew, unsigned thread, uint64_t *random, struct hipt_asid asid)
{
    struct hipt_translation t;

    if (hipt_lookup(crew->table, asid.number, crew_draw(random, PAGES), &t) == HIPT_OK) {
        unsigned age = crew_age(&t.mapping, asid.generation);

        if (age != 0) {
            crew_broken(crew, "asid %" PRIu32 " in life %" PRIu32 " holds a mapping made %u lives before", asid.number,
                        asid.generation, age);
        }
        crew_add_age(crew, thread, AGES, age);
    }
}

/* The owner's own mappings. */
static void live(struct crew *crew, unsigned thread, uint64_t *random, struct hipt_asid asid)
{
    unsigned turns = 8u + crew_draw(random, 32);

    while (turns-- > 0) {
        struct hipt_mapping m = draw_mapping(crew, random, asid.number, asid.generation);

        switch (crew_draw(random, 4)) {
        case 0: (void)hipt_unmap(crew->table, &m.page, NULL); break;
        case 1: (void)hipt_remap(crew->table, &m, NULL); break;
        default: (void)hipt_map(crew->table, &m); break;
        }
        check_stamps(crew, thread, random, asid);
        crew_add(crew, thread, OPERATIONS, 1);
    }
}

static void own_life(struct crew *crew, unsigned thread, uint64_t *random)
{
    struct hipt_asid asid;
    struct hipt_retired retired;

    if (hipt_asid_alloc(crew->table, &asid) != HIPT_OK) {
        crew_add(crew, thread, NONE_LEFT, 1);
        sched_yield();
        return;
    }
    check_issue(crew, thread, asid);
    check_empty(crew, thread, asid);
    atomic_store(&numbers[asid.number].current, asid.generation);
    live(crew, thread, random, asid);
    if (crew_draw(random, 2)) { /* with intruders turned away, or in the middle of it */
        atomic_store(&numbers[asid.number].current, 0);
    }
    atomic_store(&numbers[asid.number].owner, 0);
    if (hipt_asid_retire(crew->table, asid, &retired) != HIPT_OK) {
        crew_broken(crew, "the owner of asid %" PRIu32 " can not retire it", asid.number);
    }
    crew_add(crew, thread, REMOVED, retired.pages);
    crew_add(crew, thread, LIVES, 1);
}

/*
 * => the life of a number that is going on in the caller's read side, or 0. An owner is set after .last and reset
 * before the life is retired. So who sees one, and then .last, sees the life that was going on when it saw the
 * owner, or one that was issued since; and as long as the read side is open, none is.
 */
static uint32_t life_of(struct number *number)
{
    uint32_t owner = atomic_load(&number->owner);
    uint32_t last = atomic_load(&number->last);

    return owner != 0 && atomic_load(&number->current) == last ? last : 0;
}

/* Give the others time, now and then enough for the life to end. */
static void linger(uint64_t *random)
{
    unsigned turns = crew_draw(random, 16) == 0 ? 64u : crew_draw(random, 3);

    while (turns-- > 0) {
        sched_yield();
    }
}

static void intrude(struct crew *crew, unsigned thread, uint64_t *random)
{
    uint32_t n = crew_draw(random, NUMBERS);
    enum hipt_status status;
    struct hipt_mapping m;
    uint32_t generation;

    hipt_read_enter(crew->table);
    generation = life_of(&numbers[n]);
    if (generation != 0) {
        m = draw_mapping(crew, random, n, generation);
        linger(random);
        status = crew_draw(random, 4) ? hipt_map(crew->table, &m) : hipt_remap(crew->table, &m, NULL);
        linger(random);
        if (atomic_load(&numbers[n].last) != generation) {
            crew_broken(crew, "asid %" PRIu32 " is issued again in a read side that began in its life %" PRIu32,
                        n, generation);
        }
        crew_add(crew, thread, INTRUDED, status == HIPT_OK);
        crew_add(crew, thread, TOO_LATE, status == HIPT_BAD_ASID);
        crew_add(crew, thread, OPERATIONS, 1);
    }
    hipt_read_exit(crew->table);
}

static void body(struct crew *crew, unsigned thread)
{
    uint64_t random = crew_seed(crew, thread);

    while (!crew_is_over(crew)) {
        if (crew_draw(&random, 8) == 0) {
            own_life(crew, thread, &random);
        } else {
            intrude(crew, thread, &random);
        }
    }
}

int main(int argc, char **argv)
{
    static const struct crew_program program = {
        .letter = "A1",
        .claim = "an asid is issued again only when no mapping carries it",
        .count = counts,
        .asid_bits = ASID_BITS,
        .frames = FRAMES,
        .grace = HIPT_USER_CK,
        .start = start,
        .body = body,
    };

    return crew_main(&program, argc, argv);
}
