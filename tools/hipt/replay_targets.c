/* SPDX-License-Identifier: MIT */
#include "replay_targets.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "progress.h"
#include "trace.h"

#define PAGE_SHIFT 12u
#define INDEX_START 4096u /* slots; a power of two */

static int no_memory(struct file_error *error)
{
    error->offset = 0;
    snprintf(error->text, sizeof(error->text), "no memory for what is to be translated");
    return -1;
}

void targets_free(struct targets *targets)
{
    free(targets->pages);
    free(targets->sequence);
}

int targets_sweep(struct targets *targets, const struct population *population, uint64_t seed, struct file_error *error)
{
    uint64_t random = replay_random_start(seed, UINT64_MAX);
    uint32_t count = population->count;
    *targets = (struct targets){.npages = count, .count = count, .mapped = count};
    targets->pages = calloc(count, sizeof(*targets->pages));
    targets->sequence = calloc(count, sizeof(*targets->sequence));
    if (targets->pages == NULL || targets->sequence == NULL) {
        return no_memory(error);
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct hipt_page *page = &population->home[i].page;
        uint64_t inside = replay_random(&random) % population_span(population, page->size);
        targets->pages[i] = (struct target){.vpn = page->vpn + inside, .asid = page->asid, .page = i};
        uint32_t other = (uint32_t)(replay_random(&random) % (i + 1)); /* the shuffle that builds as it goes */
        targets->sequence[i] = targets->sequence[other];
        targets->sequence[other] = i;
    }
    return 0;
}

/* The distinct pages of a trace: an open-addressing index over targets.pages, with how often each is accessed. */
struct index {
    uint32_t *slots; /* number of a page plus one, 0 where free */
    uint64_t nslots; /* a power of two, at least twice the pages */
    uint64_t *accesses;
    uint64_t room; /* of targets.pages and accesses */
};

static uint64_t slot_of(const struct index *index, uint64_t vpn)
{
    return (vpn * UINT64_C(0x9e3779b97f4a7c15)) >> 20 & (index->nslots - 1);
}

static void index_add(struct index *index, const struct target *pages, uint32_t number)
{
    uint64_t slot = slot_of(index, pages[number].vpn);
    while (index->slots[slot] != 0) {
        slot = (slot + 1) & (index->nslots - 1);
    }
    index->slots[slot] = number + 1;
}

/* Twice the size, everything entered anew. => false where memory is short; what there is stays owned by its pointers.
 */
static bool index_grow(struct index *index, struct targets *targets)
{
    uint64_t room = index->room == 0 ? INDEX_START / 2 : index->room * 2;
    void *pages = room < REPLAY_NONE ? realloc(targets->pages, room * sizeof(*targets->pages)) : NULL;
    targets->pages = pages != NULL ? pages : targets->pages;
    void *accesses = pages != NULL ? realloc(index->accesses, room * sizeof(*index->accesses)) : NULL;
    index->accesses = accesses != NULL ? accesses : index->accesses;
    uint32_t *slots = accesses != NULL ? calloc(room * 2, sizeof(*slots)) : NULL;
    if (slots == NULL) {
        return false;
    }
    free(index->slots);
    index->slots = slots;
    index->nslots = room * 2;
    index->room = room;
    for (uint32_t i = 0; i < targets->npages; i++) {
        index_add(index, targets->pages, i);
    }
    return true;
}

/* => the number of a page, entered if it is new; REPLAY_NONE where memory is short. */
static uint32_t index_find(struct index *index, struct targets *targets, uint64_t vpn)
{
    if (targets->npages == index->room && !index_grow(index, targets)) {
        return REPLAY_NONE;
    }
    for (uint64_t slot = slot_of(index, vpn); index->slots[slot] != 0; slot = (slot + 1) & (index->nslots - 1)) {
        if (targets->pages[index->slots[slot] - 1].vpn == vpn) {
            return index->slots[slot] - 1;
        }
    }
    targets->pages[targets->npages] = (struct target){.vpn = vpn, .page = REPLAY_NONE};
    index->accesses[targets->npages] = 0;
    index_add(index, targets->pages, targets->npages);
    return targets->npages++;
}

static bool append(struct index *index, struct targets *targets, uint64_t *room, uint64_t vpn)
{
    uint32_t number = index_find(index, targets, vpn);
    if (number == REPLAY_NONE) {
        return false;
    }
    if (targets->count == *room) {
        *room = *room == 0 ? 65536 : *room * 2;
        uint32_t *sequence = realloc(targets->sequence, *room * sizeof(*sequence));
        if (sequence == NULL) {
            return false;
        }
        targets->sequence = sequence;
    }
    index->accesses[number]++;
    targets->sequence[targets->count++] = number;
    return true;
}

/* An access that crosses into the next page is one to each. */
static bool append_access(struct index *index, struct targets *targets, uint64_t *room,
                          const struct trace_access *access)
{
    uint64_t last = access->address + (access->bytes != 0 ? access->bytes - 1 : 0);
    uint64_t vpn = access->address >> PAGE_SHIFT;
    uint64_t end = last >= access->address ? last >> PAGE_SHIFT : vpn; /* never round the end of the address space */
    for (; vpn <= end; vpn++) {
        if (!append(index, targets, room, vpn)) {
            return false;
        }
    }
    return true;
}

static int read_trace(struct index *index, struct targets *targets, const char *path, struct file_error *error)
{
    struct trace_access access;
    uint64_t room = 0;
    int got, result = 0;
    struct trace *trace = trace_open(path, error);
    if (trace == NULL) {
        return -1;
    }
    progress_start("reading the trace", 0);
    while (result == 0 && (got = trace_next(trace, &access, error)) != 0) {
        result = got < 0 ? -1 : append_access(index, targets, &room, &access) ? 0 : no_memory(error);
        progress_update(targets->count);
    }
    progress_end();
    trace_close(trace);
    if (result == 0 && targets->count == 0) {
        error->offset = 0;
        snprintf(error->text, sizeof(error->text), "no accesses in it");
        return -1;
    }
    return result;
}

static uint64_t mapped_accesses(const struct targets *targets, const struct population *population,
                                const uint64_t *accesses, uint32_t space)
{
    uint64_t mapped = 0;
    for (uint32_t i = 0; i < targets->npages; i++) {
        if (population_find(population, population->asids[space].number, targets->pages[i].vpn) != REPLAY_NONE) {
            mapped += accesses[i];
        }
    }
    return mapped;
}

static void choose_space(struct targets *targets, const struct population *population, const uint64_t *accesses)
{
    for (uint32_t space = 0; space < population->spaces; space++) {
        uint64_t mapped = mapped_accesses(targets, population, accesses, space);
        if (mapped > targets->mapped) {
            targets->mapped = mapped;
            targets->space = space;
        }
    }
    for (uint32_t i = 0; i < targets->npages; i++) {
        targets->pages[i].asid = population->asids[targets->space].number;
        targets->pages[i].page = population_find(population, targets->pages[i].asid, targets->pages[i].vpn);
    }
}

int targets_trace(struct targets *targets, const struct population *population, const char *path,
                  struct file_error *error)
{
    struct index index = {0};
    *targets = (struct targets){.traced = true};
    int result = read_trace(&index, targets, path, error);
    if (result == 0) {
        choose_space(targets, population, index.accesses);
    }
    free(index.slots);
    free(index.accesses);
    return result;
}
