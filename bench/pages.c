/* SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "pages.h"

#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>

#define HUGE_BYTES ((size_t)2 << 20)

static size_t rounded(size_t bytes)
{
    return (bytes + HUGE_BYTES - 1) & ~(HUGE_BYTES - 1);
}

/* One huge page more than is wanted is asked for, and what is over on either side given back. */
static void *map_aligned(size_t bytes)
{
    char *from =
        mmap(NULL, bytes + HUGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    size_t before;

    if (from == MAP_FAILED) {
        return NULL;
    }
    before = rounded((uintptr_t)from) - (uintptr_t)from;
    if (before > 0) {
        munmap(from, before);
    }
    if (before < HUGE_BYTES) {
        munmap(from + before + bytes, HUGE_BYTES - before);
    }
    return from + before;
}

void *bench_pages_map(const char *impl, size_t bytes)
{
    void *pages = map_aligned(rounded(bytes));

    if (pages == NULL) {
        fprintf(stderr, "hipt-bench: %s: no %zu bytes to be had\n", impl, rounded(bytes));
        return NULL;
    }
    (void)madvise(pages, rounded(bytes), MADV_HUGEPAGE); /* a kernel without them still measures */
    return pages;
}

void bench_pages_unmap(void *pages, size_t bytes)
{
    munmap(pages, rounded(bytes));
}

size_t bench_malloc_bytes(void)
{
    struct mallinfo2 state = mallinfo2();

    return state.uordblks + state.hblkhd;
}

size_t bench_memory_available(void)
{
    FILE *file = fopen("/proc/meminfo", "r");
    char line[128];
    size_t kilobytes = 0;

    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (sscanf(line, "MemAvailable: %zu", &kilobytes) == 1) {
            break;
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return kilobytes * 1024;
}
