/* SPDX-License-Identifier: MIT */
/*
 * Memory of the port: large blocks are anonymous mappings of their own, small ones come from the C library's heap.
 */
#ifndef HIPT_PORT_USER_MEMORY_H
#define HIPT_PORT_USER_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/atomic.h"

struct hipti_memory {
    HIPTI_ATOMIC(size_t) bytes; /* atomic: given out and not got back, as asked for */
    HIPTI_ATOMIC(size_t) huge;  /* atomic: of .bytes, those that can lie in huge pages */
    size_t page;                /* constant: bytes of a page */
    int nodes;                  /* constant: NUMA nodes that a block can be bound to; 0: the system knows of none */
    bool has_huge;              /* constant: the system gives huge pages to mappings that ask for them */
};

/* Look at the system once. */
void hipti_memory_open(struct hipti_memory *memory);

/*
 * @align is a power of two, at most 4096; @bytes is not 0.
 * => NULL, or zeroed memory; a block of at least 64 KiB on @node, if there is such a node and it has room.
 */
void *hipti_memory_alloc(struct hipti_memory *memory, size_t bytes, size_t align, int node);

/* @block and @bytes as of hipti_memory_alloc(). */
void hipti_memory_free(struct hipti_memory *memory, void *block, size_t bytes);

#endif
