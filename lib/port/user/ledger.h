/* SPDX-License-Identifier: MIT */
/*
 * Which block a port has put on which node, and how many bytes of each node are given out. Blocks for no node in
 * particular are not in it. The lock is held for a search in an array; the largest part of the wait is for a few
 * thousand records that move up when one comes in.
 */
#ifndef HIPT_PORT_USER_LEDGER_H
#define HIPT_PORT_USER_LEDGER_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "port/user/places.h"

struct hipti_placed {
    uintptr_t start;
    size_t bytes;
    int node;
    bool is_mapped; /* a mapping of its own */
};

/* Field key: everything under .lock. */
struct hipti_ledger {
    pthread_mutex_t lock;
    struct hipti_placed *placed; /* ascending */
    size_t count;
    size_t taken; /* records that will come, for which there is room */
    size_t room;
    size_t bytes[HIPT_NODES_MAX]; /* given out, or about to be */
    size_t limit[HIPT_NODES_MAX]; /* .bytes does not pass it */
};

void hipti_ledger_open(struct hipti_ledger *ledger);
void hipti_ledger_close(struct hipti_ledger *ledger);

/*
 * Take @bytes of a node, and room for a record. => the node: @node; or, unless @is_strict, the nearest to it that has
 * memory and stays within its limit; HIPT_ANY_NODE: there is none, or no memory for the record.
 */
int hipti_ledger_take(struct hipti_ledger *ledger, const struct hipti_places *places, unsigned node, size_t bytes,
                      bool is_strict);

/* What was taken becomes a block, or is given back. */
void hipti_ledger_enter(struct hipti_ledger *ledger, const struct hipti_placed *placed);
void hipti_ledger_give_back(struct hipti_ledger *ledger, int node, size_t bytes);

/* A block ends. => false: it is in no record. */
bool hipti_ledger_remove(struct hipti_ledger *ledger, const void *block, struct hipti_placed *placed);

/* => the node of the block that @address lies in, or HIPT_ANY_NODE. */
int hipti_ledger_node(struct hipti_ledger *ledger, const void *address);

size_t hipti_ledger_bytes(struct hipti_ledger *ledger, unsigned node);
void hipti_ledger_limit(struct hipti_ledger *ledger, unsigned node, size_t bytes);

#endif
