/* SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "port/user/heap.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <fcntl.h>
#include <numaif.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAPPED_MIN ((size_t)64 * 1024) /* from here on a block is a mapping, which goes back to the system when freed */
#define HUGE_PAGE ((size_t)2 * 1024 * 1024)
#define PAGES_AT_ONCE 256u /* of which the kernel is asked where they lie */

/* => whether the kernel has huge pages for mappings, and has them not switched off. */
static bool has_huge_pages(void)
{
    int file = open("/sys/kernel/mm/transparent_hugepage/enabled", O_RDONLY | O_CLOEXEC);
    char text[64] = "[never]";

    if (file >= 0) {
        ssize_t got = read(file, text, sizeof(text) - 1);

        text[got > 0 ? got : 0] = '\0';
        (void)close(file);
    }
    return text[0] != '\0' && strstr(text, "[never]") == NULL;
}

void hipti_heap_open(struct hipti_heap *heap)
{
    atomic_init(&heap->bytes, 0);
    atomic_init(&heap->huge, 0);
    heap->has_huge = has_huge_pages();
    heap->page = (size_t)sysconf(_SC_PAGESIZE);
    hipti_places_machine(&heap->places, HIPTI_PLACES_SYS);
    hipti_ledger_open(&heap->ledger);
}

void hipti_heap_close(struct hipti_heap *heap)
{
    hipti_ledger_close(&heap->ledger);
}

/* => false: the kernel does not take the policy, for it has no such node, or forbids it. */
static bool bind_block(void *block, size_t bytes, int node, int policy)
{
    unsigned long mask[2] = {0}; /* of HIPT_NODES_MAX bits, and one more, which the kernel does not read */

    mask[(size_t)node / (8u * sizeof(mask[0]))] = 1ul << ((size_t)node % (8u * sizeof(mask[0])));
    return mbind(block, bytes, policy, mask, HIPT_NODES_MAX + 1u, 0) == 0;
}

/* Touch pages, so that they lie somewhere. => whether the kernel says that all of them lie on @node. */
static bool pages_lie_on(const struct hipti_heap *heap, char *start, size_t pages, int node)
{
    void *page[PAGES_AT_ONCE];
    int where[PAGES_AT_ONCE];
    bool all = true;

    for (size_t i = 0; i < pages; i++) {
        page[i] = start + i * heap->page;
        *(volatile char *)page[i] = 0;
        where[i] = -1;
    }
    if (move_pages(0, pages, page, NULL, where, 0) != 0) {
        return false;
    }
    for (size_t i = 0; i < pages; i++) {
        all = all && where[i] == node;
    }
    return all;
}

static bool block_lies_on(const struct hipti_heap *heap, char *block, size_t bytes, int node)
{
    size_t pages = (bytes + heap->page - 1u) / heap->page;
    bool all = true;

    for (size_t done = 0; done < pages && all; done += PAGES_AT_ONCE) {
        size_t some = pages - done < PAGES_AT_ONCE ? pages - done : PAGES_AT_ONCE;

        all = pages_lie_on(heap, block + done * heap->page, some, node);
    }
    return all;
}

static void *map_pages(size_t bytes)
{
    void *start = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return start == MAP_FAILED ? NULL : start;
}

/*
 * Map a block so that it starts at a huge page: map too much, give the ends back. An end that the system does not take
 * back stays mapped and is never touched.
 */
static void *map_huge(const struct hipti_heap *heap, size_t bytes)
{
    size_t kept = (bytes + heap->page - 1) & ~(heap->page - 1);
    size_t head;
    char *start;

    if (kept < bytes || kept + HUGE_PAGE < kept) {
        return NULL;
    }
    start = map_pages(kept + HUGE_PAGE);
    if (start == NULL) {
        return NULL;
    }
    head = (HUGE_PAGE - (uintptr_t)start % HUGE_PAGE) % HUGE_PAGE;
    if (head != 0) {
        (void)munmap(start, head);
    }
    (void)munmap(start + head + kept, HUGE_PAGE - head);
    return start + head;
}

/*
 * Smaller blocks are advised too: the system puts neighbouring mappings of one kind together, and where blocks are
 * mapped in a row and touched later, as a table's are, it then finds huge pages in them (64 blocks of 1 MiB: 62 MiB in
 * huge pages; none without the advice).
 */
static void *map_block(const struct hipti_heap *heap, size_t bytes)
{
    void *block = bytes >= HUGE_PAGE ? map_huge(heap, bytes) : map_pages(bytes);

    if (block != NULL) {
        (void)madvise(block, bytes, MADV_HUGEPAGE);
    }
    return block;
}

/*
 * What lies behind a block's last huge page is in small ones. They are had at once, but not before the block is bound:
 * small pages that are read before they are written to are all one page of zeroes at first, and to put another one in
 * its place the system interrupts every processor that runs the program, for each page. A huge page is one
 * interruption, and is left until it is used.
 */
static void populate_end(const struct hipti_heap *heap, char *block, size_t bytes)
{
#ifdef MADV_POPULATE_WRITE
    size_t huge = bytes & ~(HUGE_PAGE - 1);

    if (heap->has_huge && huge > 0 && bytes > huge) {
        (void)madvise(block + huge, bytes - huge, MADV_POPULATE_WRITE); /* Linux 5.14; else they come one by one */
    }
#else
    (void)heap;
    (void)block;
    (void)bytes;
#endif
}

/*
 * A mapping on a node. Where strictly bound memory is short, the kernel kills a process, at the first touch: so even a
 * strict block is first only preferred there, touched, looked for, and bound when all of it has come to lie there.
 */
static void *map_on(const struct hipti_heap *heap, size_t bytes, int node, bool is_strict)
{
    void *block = map_block(heap, bytes);

    if (block == NULL) {
        return NULL;
    }
    /* Not strict: a node that is full, offline or forbidden costs locality, not the block. */
    (void)bind_block(block, bytes, node, MPOL_PREFERRED);
    populate_end(heap, block, bytes);
    if (is_strict && (!block_lies_on(heap, block, bytes, node) || !bind_block(block, bytes, node, MPOL_BIND))) {
        (void)munmap(block, bytes);
        return NULL;
    }
    return block;
}

/* A heap block lies where the thread that first touches its page runs, which is this one. */
static void *heap_block(size_t bytes, size_t align)
{
    void *block;

    if (posix_memalign(&block, align < sizeof(void *) ? sizeof(void *) : align, bytes) != 0) {
        return NULL;
    }
    return memset(block, 0, bytes);
}

/* => the bytes of a block that can lie in huge pages. */
static size_t huge_bytes(const struct hipti_heap *heap, size_t bytes)
{
    return heap->has_huge && bytes >= MAPPED_MIN ? bytes : 0;
}

static void *any_block(const struct hipti_heap *heap, size_t bytes, size_t align)
{
    void *block = bytes >= MAPPED_MIN ? map_block(heap, bytes) : heap_block(bytes, align);

    if (block != NULL) {
        populate_end(heap, block, bytes);
    }
    return block;
}

/* A block that is in the ledger. Where there is one node, or none is real, it lies on its node by being somewhere. */
static void *placed_block(struct hipti_heap *heap, size_t bytes, size_t align, unsigned node, bool is_strict)
{
    bool is_bound = heap->places.is_real && heap->places.nodes > 1u;
    int chosen = hipti_ledger_take(&heap->ledger, &heap->places, node, bytes, is_strict);
    struct hipti_placed placed = {.bytes = bytes, .node = chosen, .is_mapped = is_bound || bytes >= MAPPED_MIN};
    void *block;

    if (chosen == HIPT_ANY_NODE) {
        return NULL;
    }
    block = is_bound ? map_on(heap, bytes, chosen, is_strict) : any_block(heap, bytes, align);
    if (block == NULL) {
        hipti_ledger_give_back(&heap->ledger, chosen, bytes);
        return NULL;
    }
    placed.start = (uintptr_t)block;
    hipti_ledger_enter(&heap->ledger, &placed);
    return block;
}

void *hipti_heap_alloc(struct hipti_heap *heap, size_t bytes, size_t align, int node, bool is_strict)
{
    bool is_place = node >= 0 && (unsigned)node < heap->places.nodes;
    void *block = NULL;

    if (is_place) {
        block = placed_block(heap, bytes, align, (unsigned)node, is_strict);
    } else if (!is_strict) {
        block = any_block(heap, bytes, align);
    }
    if (block != NULL) {
        /* relaxed: a count, which orders nothing; so below. */
        atomic_fetch_add_explicit(&heap->bytes, bytes, memory_order_relaxed);
        atomic_fetch_add_explicit(&heap->huge, huge_bytes(heap, bytes), memory_order_relaxed);
    }
    return block;
}

void hipti_heap_free(struct hipti_heap *heap, void *block, size_t bytes)
{
    struct hipti_placed placed = {.is_mapped = bytes >= MAPPED_MIN};

    (void)hipti_ledger_remove(&heap->ledger, block, &placed); /* before somebody else gets its address */
    if (placed.is_mapped) {
        if (munmap(block, bytes) != 0) { /* it cannot split a mapping any more: the addresses stay, the memory goes */
            (void)madvise(block, bytes, MADV_DONTNEED);
        }
    } else {
        free(block);
    }
    atomic_fetch_sub_explicit(&heap->bytes, bytes, memory_order_relaxed);
    atomic_fetch_sub_explicit(&heap->huge, huge_bytes(heap, bytes), memory_order_relaxed);
}
