/* SPDX-License-Identifier: MIT */
#include "replay_oracle.h"

#include <stdlib.h>
#include <string.h>

#define MARKS_WRITTEN (HIPT_ACCESSED | HIPT_DIRTY) /* as hipt_translate() leaves them */

int oracle_init(struct oracle *oracle, const struct population *population)
{
    oracle->population = population;
    oracle->words = calloc(population->count, sizeof(*oracle->words));
    if (oracle->words == NULL) {
        return -1;
    }
    for (uint32_t i = 0; i < population->count; i++) {
        oracle_state home = oracle_state_make(PLACE_HOME, population->home[i].prot, population->home[i].attr);
        atomic_init(&oracle->words[i], oracle_word(0, home, home));
    }
    return 0;
}

void oracle_free(struct oracle *oracle)
{
    free((void *)oracle->words);
}

/* Neighbours have different writers, so writers meet in the page lists of one asid and at shared frames. */
unsigned oracle_writer(const struct oracle *oracle, uint32_t page)
{
    return oracle->population->writers != 0 ? page % oracle->population->writers : 0;
}

oracle_state oracle_encode(const struct oracle *oracle, uint32_t page, const struct hipt_mapping *mapping)
{
    const struct hipt_mapping *home = &oracle->population->home[page];
    if (mapping->page.asid != home->page.asid || mapping->page.size != home->page.size ||
        mapping->page.vpn != home->page.vpn || mapping->prot > 0xf || mapping->attr > HIPT_ATTR_MAX ||
        (mapping->marks != 0 && mapping->marks != HIPT_ACCESSED && mapping->marks != MARKS_WRITTEN)) {
        return ORACLE_ALIEN;
    }
    if (mapping->pfn == home->pfn && mapping->swap == home->swap) {
        return oracle_state_make(PLACE_HOME, mapping->prot, mapping->attr);
    }
    unsigned spare = spare_number(oracle->population, oracle_writer(oracle, page), mapping->pfn);
    if (spare == SPARES || mapping->swap) {
        return ORACLE_ALIEN;
    }
    return oracle_state_make(PLACE_SPARE + spare, mapping->prot, mapping->attr);
}

struct hipt_mapping oracle_decode(const struct oracle *oracle, uint32_t page, oracle_state state)
{
    struct hipt_mapping mapping = oracle->population->home[page];
    unsigned place = oracle_place(state);
    if (place >= PLACE_SPARE) {
        mapping.pfn = spare_pfn(oracle->population, oracle_writer(oracle, page), place - PLACE_SPARE);
        mapping.swap = false;
    }
    mapping.prot = (uint8_t)(state >> 3 & 0xf);
    mapping.attr = (uint8_t)(state & 0x7);
    return mapping;
}

/* The states that the two words name. => how many, 0 if the interval is too long to be judged. */
static unsigned legal_states(uint64_t before, uint64_t after, oracle_state states[4])
{
    if ((uint32_t)((after >> 32) - (before >> 32)) > 2) {
        return 0;
    }
    states[0] = (oracle_state)(before >> 16);
    states[1] = (oracle_state)before;
    states[2] = (oracle_state)(after >> 16);
    states[3] = (oracle_state)after;
    return 4;
}

enum oracle_verdict oracle_judge(uint64_t before, uint64_t after, oracle_state answer)
{
    oracle_state states[4];
    unsigned count = legal_states(before, after, states);
    for (unsigned i = 0; i < count; i++) {
        if (states[i] == answer) {
            return ORACLE_RIGHT;
        }
    }
    return count == 0 && answer != ORACLE_ALIEN ? ORACLE_UNCHECKED : ORACLE_WRONG;
}

/* Whether a page was at a place during the whole interval, whatever its protection. */
static bool stayed(uint64_t before, uint64_t after, unsigned place)
{
    oracle_state states[4];
    unsigned count = legal_states(before, after, states);
    for (unsigned i = 0; i < count; i++) {
        if (oracle_place(states[i]) != place) {
            return false;
        }
    }
    return count != 0;
}

static int compare_numbers(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return a < b ? -1 : a > b;
}

static enum oracle_verdict judge_report(const struct oracle *oracle, const struct oracle_reverse *reverse,
                                        const struct hipt_mapping *report)
{
    uint32_t page = population_find(oracle->population, report->page.asid, report->page.vpn);
    const uint32_t *found =
        page != REPLAY_NONE ? bsearch(&page, reverse->pages, reverse->npages, sizeof(page), compare_numbers) : NULL;
    if (found == NULL) {
        return ORACLE_WRONG;
    }
    size_t i = (size_t)(found - reverse->pages);
    oracle_state state = oracle_encode(oracle, page, report);
    if (state == ORACLE_ALIEN || oracle_place(state) != reverse->place) {
        return ORACLE_WRONG;
    }
    if (reverse->seen[i] != 0 && oracle_rested(reverse->before[i], reverse->after[i])) {
        return ORACLE_WRONG; /* nobody touched it, so it was there once */
    }
    reverse->seen[i] = 1;
    return oracle_judge(reverse->before[i], reverse->after[i], state);
}

enum oracle_verdict oracle_judge_reverse(const struct oracle *oracle, const struct oracle_reverse *reverse,
                                         struct oracle_tally *tally, size_t *report, size_t *missing)
{
    *report = *missing = SIZE_MAX;
    memset(reverse->seen, 0, reverse->npages);
    for (size_t i = 0; i < reverse->nreports; i++) {
        enum oracle_verdict verdict = judge_report(oracle, reverse, &reverse->reports[i]);
        if (verdict == ORACLE_WRONG) {
            *report = i;
            return ORACLE_WRONG;
        }
        tally->checked += verdict == ORACLE_RIGHT;
        tally->unchecked += verdict == ORACLE_UNCHECKED;
    }
    for (size_t i = 0; i < reverse->npages; i++) {
        if (reverse->seen[i] == 0 && stayed(reverse->before[i], reverse->after[i], reverse->place)) {
            *missing = i;
            return ORACLE_WRONG;
        }
    }
    return ORACLE_RIGHT;
}

/* The word is the writer's own: it needs no order to read back what it stored itself. */
void oracle_begin(struct oracle *oracle, uint32_t page, oracle_state next)
{
    uint64_t word = atomic_load_explicit(&oracle->words[page], memory_order_relaxed);
    uint64_t odd = oracle_word((uint32_t)(word >> 32) + 1, oracle_after(word), next);
    /* Whatever hipt does next is released by hipt itself after this store: see the second argument in the header. */
    atomic_store_explicit(&oracle->words[page], odd, memory_order_release);
}

void oracle_end(struct oracle *oracle, uint32_t page, bool changed)
{
    uint64_t word = atomic_load_explicit(&oracle->words[page], memory_order_relaxed);
    oracle_state state = changed ? oracle_after(word) : (oracle_state)(word >> 16);
    atomic_store_explicit(&oracle->words[page], oracle_word((uint32_t)(word >> 32) + 1, state, state),
                          memory_order_release);
}
