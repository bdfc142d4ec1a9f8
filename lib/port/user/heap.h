/* SPDX-License-Identifier: MIT */
/*
 * Memory of the port: large blocks are anonymous mappings of their own, small ones come from the C library's heap. On a
 * machine with several nodes a block for one of them is a mapping whatever its size, for a heap's pages are shared.
 */
#ifndef HIPT_PORT_USER_HEAP_H
#define HIPT_PORT_USER_HEAP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/atomic.h"
#include "port/user/ledger.h"
#include "port/user/places.h"

struct hipti_heap {
    HIPTI_ATOMIC(size_t) bytes; /* atomic: given out and not got back, as asked for */
    HIPTI_ATOMIC(size_t) huge;  /* atomic: of .bytes, those that can lie in huge pages */
    size_t page;                /* constant: bytes of a page */
    bool has_huge;              /* constant: the system gives huge pages to mappings that ask for them */
    struct hipti_places places; /* constant while a block is out */
    struct hipti_ledger ledger; /* blocks for a node */
};

/* Look at the system once. */
void hipti_heap_open(struct hipti_heap *heap);
void hipti_heap_close(struct hipti_heap *heap);

/*
 * @align is a power of two, at most 4096; @bytes is not 0.
 * => NULL, or zeroed memory. @node of .places: it counts on that node, or on the nearest with room; other values of
 * @node are no wish. @is_strict: it is on that node, or NULL. Where nodes are real and this is not strict, the kernel
 * may put pages elsewhere, which nobody counts.
 */
void *hipti_heap_alloc(struct hipti_heap *heap, size_t bytes, size_t align, int node, bool is_strict);

/* @block and @bytes as of hipti_heap_alloc(). */
void hipti_heap_free(struct hipti_heap *heap, void *block, size_t bytes);

#endif
