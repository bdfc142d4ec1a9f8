/* SPDX-License-Identifier: MIT */
/*
 * A writer changes its own pages only: it takes them off their frames, moves them to spare ones and back, protects
 * them, and maps them again. Frames are shared with pages of other writers, so hipt sees all of them meet there.
 */
#include <inttypes.h>
#include <stdio.h>

#include "replay_crew.h"

#define AWAY_MAX 4096u /* pages that are not at home, at a time: many, as their frames wait for grace periods */
#define AWAY_PART 8u   /* at most one in this many of the pages that a writer owns */
#define REAP_EVERY 64u /* changes */
#define REAP_ROOM 256u

struct writer {
    struct crew *crew;
    struct replay_cpu *cpu;
    struct replay_result *mine;
    unsigned number;
    uint64_t random, changes;
    uint32_t owned;          /* pages */
    uint32_t away[AWAY_MAX]; /* pages that are not at home */
    unsigned naway, away_max;
    bool used[SPARES];
};

static uint64_t below(struct writer *writer, uint64_t bound)
{
    return (replay_random(&writer->random) >> 16) % bound;
}

static struct hipt_table *table_of(const struct writer *writer)
{
    return writer->crew->population->table;
}

/* relaxed: nobody else stores to the word of a page that this writer owns */
static oracle_state state_of(const struct writer *writer, uint32_t page)
{
    return oracle_after(atomic_load_explicit(&writer->crew->oracle->words[page], memory_order_relaxed));
}

static void reap(struct writer *writer)
{
    struct hipt_frame frames[REAP_ROOM];
    size_t count;
    do {
        count = hipt_frame_reap(table_of(writer), frames, REAP_ROOM);
        writer->mine->reaped += count;
    } while (count == REAP_ROOM);
}

static const char *const change_names[CHANGES] = {"map", "unmap", "remap away", "remap back", "protect"};

/* Tells the oracle how a change ended. => whether it was made */
static bool settle(struct writer *writer, uint32_t page, enum replay_change change, enum hipt_status status)
{
    oracle_end(writer->crew->oracle, page, status == HIPT_OK);
    uint64_t slot = writer->number * (uint64_t)RECENT + writer->changes++ % RECENT;
    atomic_store_explicit(&writer->crew->recent[slot], page, memory_order_relaxed);
    const struct hipt_page *key = &writer->crew->population->home[page].page;
    switch (status) {
    case HIPT_OK:
        writer->mine->changes[change]++;
        return true;
    case HIPT_BUSY:
        writer->mine->busy++;
        return false;
    case HIPT_FULL:
        writer->mine->full++;
        return false;
    case HIPT_NOMEM:
        crew_fail(writer->crew, "%s: %s", change_names[change], hipt_strerror(status));
        return false;
    default:
        crew_mismatch(writer->crew, "%s of asid %" PRIu32 " vpn 0x%" PRIx64 " size %" PRIu32 ": got \"%s\"",
                      change_names[change], key->asid, key->vpn, key->size, hipt_strerror(status));
        return false;
    }
}

/* What an ended mapping was, by hipt, must be what its writer left there. */
static void check_ended(struct writer *writer, uint32_t page, oracle_state before, const struct hipt_mapping *ended)
{
    if (oracle_encode(writer->crew->oracle, page, ended) == before) {
        writer->mine->checked++;
        return;
    }
    char got[160], want[160];
    struct hipt_mapping right = oracle_decode(writer->crew->oracle, page, before);
    crew_mismatch(writer->crew, "a mapping ended as %s, expected %s", replay_describe(ended, got, sizeof(got)),
                  replay_describe(&right, want, sizeof(want)));
}

static bool protect(struct writer *writer, uint32_t page, oracle_state before)
{
    struct hipt_mapping mapping = oracle_decode(writer->crew->oracle, page, before);
    uint8_t prot = mapping.prot ^ HIPT_WRITE;
    if ((prot & (HIPT_READ | HIPT_WRITE | HIPT_EXEC)) == 0) {
        prot |= HIPT_READ;
    }
    oracle_begin(writer->crew->oracle, page, oracle_state_make(oracle_place(before), prot, mapping.attr));
    return settle(writer, page, CHANGE_PROTECT, hipt_protect(table_of(writer), &mapping.page, prot));
}

static bool unmap(struct writer *writer, uint32_t page, oracle_state before)
{
    struct hipt_mapping ended;
    oracle_begin(writer->crew->oracle, page, ORACLE_ABSENT);
    enum hipt_status status = hipt_unmap(table_of(writer), &writer->crew->population->home[page].page, &ended);
    if (!settle(writer, page, CHANGE_UNMAP, status)) {
        return false;
    }
    check_ended(writer, page, before, &ended);
    return true;
}

/* The attribute changes with every move, so that a stale answer differs from the right one. */
static bool move(struct writer *writer, uint32_t page, oracle_state before, unsigned place, enum replay_change change)
{
    const struct hipt_mapping *home = &writer->crew->population->home[page];
    oracle_state next = oracle_state_make(place, home->prot, (uint8_t)below(writer, HIPT_ATTR_MAX + 1));
    struct hipt_mapping mapping = oracle_decode(writer->crew->oracle, page, next), ended;
    oracle_begin(writer->crew->oracle, page, next);
    enum hipt_status status =
        change == CHANGE_MAP ? hipt_map(table_of(writer), &mapping) : hipt_remap(table_of(writer), &mapping, &ended);
    if (!settle(writer, page, change, status)) {
        return false;
    }
    if (change != CHANGE_MAP) {
        check_ended(writer, page, before, &ended);
    }
    return true;
}

/* => SPARES if none of that size is free */
static unsigned free_spare(struct writer *writer, uint32_t size)
{
    unsigned first, end;
    spare_class(size, &first, &end);
    for (unsigned tries = 0; first < end && tries < 4; tries++) {
        unsigned spare = first + (unsigned)below(writer, end - first);
        if (!writer->used[spare]) {
            return spare;
        }
    }
    return SPARES;
}

/* Its own cache holds the page before a change, and must not after it. */
static void access_page(struct writer *writer, uint32_t page)
{
    const struct hipt_mapping *home = &writer->crew->population->home[page];
    struct target target = {.vpn = home->page.vpn, .asid = home->page.asid, .page = page};
    crew_access(writer->crew, writer->cpu, target, home->prot & HIPT_WRITE ? HIPT_WRITE : HIPT_READ, writer->mine);
}

static void send_away(struct writer *writer)
{
    uint32_t page = writer->number + (uint32_t)below(writer, writer->owned) * writer->crew->options->writers;
    oracle_state before = state_of(writer, page);
    uint64_t kind = below(writer, 3);
    if (oracle_place(before) != PLACE_HOME) {
        return;
    }
    access_page(writer, page);
    if (kind == 0 || writer->naway == writer->away_max) {
        (void)protect(writer, page, before);
        access_page(writer, page);
        return;
    }
    unsigned spare = kind == 1 ? free_spare(writer, writer->crew->population->home[page].page.size) : SPARES;
    bool gone = false;
    if (spare != SPARES) {
        gone = move(writer, page, before, PLACE_SPARE + spare, CHANGE_AWAY);
        writer->used[spare] = gone;
    } else {
        gone = unmap(writer, page, before);
    }
    access_page(writer, page);
    if (gone) {
        writer->away[writer->naway++] = page;
    }
}

/* Its frame may still be in limbo: then it stays away, and somebody's turn comes after the grace period. */
static void bring_back(struct writer *writer)
{
    unsigned i = (unsigned)below(writer, writer->naway);
    uint32_t page = writer->away[i];
    oracle_state before = state_of(writer, page);
    unsigned place = oracle_place(before);
    if (place >= PLACE_SPARE && below(writer, 8) == 0) {
        (void)protect(writer, page, before);
        return;
    }
    if (!move(writer, page, before, PLACE_HOME, place == PLACE_ABSENT ? CHANGE_MAP : CHANGE_BACK)) {
        return;
    }
    if (place >= PLACE_SPARE) {
        writer->used[place - PLACE_SPARE] = false;
    }
    writer->away[i] = writer->away[--writer->naway];
}

void writer_run(struct member *member)
{
    struct crew *crew = member->crew;
    unsigned writers = crew->options->writers, number = member->number;
    struct writer writer = {.crew = crew, .cpu = &member->cpu, .mine = &member->mine, .number = number};
    writer.random = replay_random_start(crew->options->seed, REPLAY_THREADS_MAX + number);
    writer.owned = (crew->population->count + writers - 1 - number) / writers;
    writer.away_max = writer.owned / AWAY_PART < AWAY_MAX ? writer.owned / AWAY_PART + 1 : AWAY_MAX;
    while (writer.owned != 0 && !crew_stopped(crew)) {
        if (writer.naway != 0 && below(&writer, 2) == 0) {
            bring_back(&writer);
        } else {
            send_away(&writer);
        }
        if (writer.changes % REAP_EVERY == 0) {
            reap(&writer);
        }
    }
}
