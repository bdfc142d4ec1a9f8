/* SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "port/user/memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <fcntl.h>
#include <numa.h>
#include <numaif.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAPPED_MIN ((size_t)64 * 1024) /* from here on a block is a mapping, which goes back to the system when freed */
#define HUGE_PAGE ((size_t)2 * 1024 * 1024)
#define NODES_MAX 1024 /* as many nodes as Linux can be configured for */
#define WORD_BITS (8 * sizeof(unsigned long))

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

void hipti_memory_open(struct hipti_memory *memory)
{
    atomic_init(&memory->bytes, 0);
    atomic_init(&memory->huge, 0);
    memory->has_huge = has_huge_pages();
    memory->nodes = numa_available() < 0 ? 0 : numa_max_node() + 1;
    memory->page = (size_t)sysconf(_SC_PAGESIZE);
}

/* Prefer @node for pages not yet touched. A node that is full, offline or forbidden costs locality, not the block. */
static void bind_block(const struct hipti_memory *memory, void *block, size_t bytes, int node)
{
    unsigned long mask[NODES_MAX / WORD_BITS] = {0};

    if (node < 0 || node >= memory->nodes || node >= NODES_MAX) {
        return;
    }
    mask[(size_t)node / WORD_BITS] = 1ul << ((size_t)node % WORD_BITS);
    /* The kernel reads one bit less than it is told. */
    (void)mbind(block, bytes, MPOL_PREFERRED, mask, NODES_MAX + 1, 0);
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
static void *map_huge(const struct hipti_memory *memory, size_t bytes)
{
    size_t kept = (bytes + memory->page - 1) & ~(memory->page - 1);
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
static void *map_block(const struct hipti_memory *memory, size_t bytes, int node)
{
    void *block = bytes >= HUGE_PAGE ? map_huge(memory, bytes) : map_pages(bytes);

    if (block != NULL) {
        bind_block(memory, block, bytes, node);
        (void)madvise(block, bytes, MADV_HUGEPAGE);
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
static size_t huge_bytes(const struct hipti_memory *memory, size_t bytes)
{
    return memory->has_huge && bytes >= MAPPED_MIN ? bytes : 0;
}

void *hipti_memory_alloc(struct hipti_memory *memory, size_t bytes, size_t align, int node)
{
    void *block = bytes >= MAPPED_MIN ? map_block(memory, bytes, node) : heap_block(bytes, align);

    if (block != NULL) {
        /* relaxed: a count, which orders nothing; so below. */
        atomic_fetch_add_explicit(&memory->bytes, bytes, memory_order_relaxed);
        atomic_fetch_add_explicit(&memory->huge, huge_bytes(memory, bytes), memory_order_relaxed);
    }
    return block;
}

void hipti_memory_free(struct hipti_memory *memory, void *block, size_t bytes)
{
    if (bytes >= MAPPED_MIN) {
        (void)munmap(block, bytes);
    } else {
        free(block);
    }
    atomic_fetch_sub_explicit(&memory->bytes, bytes, memory_order_relaxed);
    atomic_fetch_sub_explicit(&memory->huge, huge_bytes(memory, bytes), memory_order_relaxed);
}
