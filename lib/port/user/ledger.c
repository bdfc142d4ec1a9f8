/* SPDX-License-Identifier: MIT */
#include "port/user/ledger.h"

#include <stdlib.h>
#include <string.h>

#define ROOM_FIRST 64u

void hipti_ledger_open(struct hipti_ledger *ledger)
{
    memset(ledger, 0, sizeof(*ledger));
    (void)pthread_mutex_init(&ledger->lock, NULL); /* no attributes: it does not fail */
    for (unsigned node = 0; node < HIPT_NODES_MAX; node++) {
        ledger->limit[node] = SIZE_MAX;
    }
}

void hipti_ledger_close(struct hipti_ledger *ledger)
{
    (void)pthread_mutex_destroy(&ledger->lock);
    free(ledger->placed);
}

/* => whether one more record will find room. */
static bool ledger_make_room(struct hipti_ledger *ledger)
{
    size_t room = ledger->room == 0 ? ROOM_FIRST : 2u * ledger->room;
    struct hipti_placed *placed;

    if (ledger->count + ledger->taken < ledger->room) {
        return true;
    }
    placed = realloc(ledger->placed, room * sizeof(*placed));
    if (placed == NULL) {
        return false;
    }
    ledger->placed = placed;
    ledger->room = room;
    return true;
}

static bool node_has_room(const struct hipti_ledger *ledger, const struct hipti_places *places, unsigned node,
                          size_t bytes)
{
    return (places->with_memory >> node & 1u) != 0 && ledger->bytes[node] <= ledger->limit[node] &&
           bytes <= ledger->limit[node] - ledger->bytes[node];
}

static int nearest_with_room(const struct hipti_ledger *ledger, const struct hipti_places *places, unsigned from,
                             size_t bytes)
{
    const unsigned char *distance = &places->distance[from * places->nodes];
    int nearest = HIPT_ANY_NODE;

    for (unsigned node = 0; node < places->nodes; node++) {
        if (node_has_room(ledger, places, node, bytes) &&
            (nearest == HIPT_ANY_NODE || distance[node] < distance[nearest])) {
            nearest = (int)node;
        }
    }
    return nearest;
}

int hipti_ledger_take(struct hipti_ledger *ledger, const struct hipti_places *places, unsigned node, size_t bytes,
                      bool is_strict)
{
    int chosen = HIPT_ANY_NODE;

    (void)pthread_mutex_lock(&ledger->lock);
    if (ledger_make_room(ledger)) {
        if (!is_strict) {
            chosen = nearest_with_room(ledger, places, node, bytes);
        } else if (node_has_room(ledger, places, node, bytes)) {
            chosen = (int)node;
        }
    }
    if (chosen != HIPT_ANY_NODE) {
        ledger->bytes[chosen] += bytes;
        ledger->taken++;
    }
    (void)pthread_mutex_unlock(&ledger->lock);
    return chosen;
}

void hipti_ledger_give_back(struct hipti_ledger *ledger, int node, size_t bytes)
{
    (void)pthread_mutex_lock(&ledger->lock);
    ledger->bytes[node] -= bytes;
    ledger->taken--;
    (void)pthread_mutex_unlock(&ledger->lock);
}

/* => how many blocks start at @address or before it. */
static size_t ledger_find(const struct hipti_ledger *ledger, uintptr_t address)
{
    size_t low = 0;
    size_t high = ledger->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2u;

        if (ledger->placed[middle].start <= address) {
            low = middle + 1u;
        } else {
            high = middle;
        }
    }
    return low;
}

void hipti_ledger_enter(struct hipti_ledger *ledger, const struct hipti_placed *placed)
{
    size_t at;

    (void)pthread_mutex_lock(&ledger->lock);
    at = ledger_find(ledger, placed->start);
    memmove(&ledger->placed[at + 1u], &ledger->placed[at], (ledger->count - at) * sizeof(*placed));
    ledger->placed[at] = *placed;
    ledger->count++;
    ledger->taken--;
    (void)pthread_mutex_unlock(&ledger->lock);
}

bool hipti_ledger_remove(struct hipti_ledger *ledger, const void *block, struct hipti_placed *placed)
{
    bool is_there;
    size_t at;

    (void)pthread_mutex_lock(&ledger->lock);
    at = ledger_find(ledger, (uintptr_t)block);
    is_there = at > 0 && ledger->placed[at - 1u].start == (uintptr_t)block;
    if (is_there) {
        *placed = ledger->placed[at - 1u];
        ledger->bytes[placed->node] -= placed->bytes;
        memmove(&ledger->placed[at - 1u], &ledger->placed[at], (ledger->count - at) * sizeof(*placed));
        ledger->count--;
    }
    (void)pthread_mutex_unlock(&ledger->lock);
    return is_there;
}

int hipti_ledger_node(struct hipti_ledger *ledger, const void *address)
{
    int node = HIPT_ANY_NODE;
    size_t at;

    (void)pthread_mutex_lock(&ledger->lock);
    at = ledger_find(ledger, (uintptr_t)address);
    if (at > 0 && (uintptr_t)address - ledger->placed[at - 1u].start < ledger->placed[at - 1u].bytes) {
        node = ledger->placed[at - 1u].node;
    }
    (void)pthread_mutex_unlock(&ledger->lock);
    return node;
}

size_t hipti_ledger_bytes(struct hipti_ledger *ledger, unsigned node)
{
    size_t bytes;

    (void)pthread_mutex_lock(&ledger->lock);
    bytes = ledger->bytes[node];
    (void)pthread_mutex_unlock(&ledger->lock);
    return bytes;
}

void hipti_ledger_limit(struct hipti_ledger *ledger, unsigned node, size_t bytes)
{
    (void)pthread_mutex_lock(&ledger->lock);
    ledger->limit[node] = bytes;
    (void)pthread_mutex_unlock(&ledger->lock);
}
