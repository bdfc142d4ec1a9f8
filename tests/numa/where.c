/* SPDX-License-Identifier: MIT */
/* Where the kernel says that things are. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "numa/checks.h"

#include <fcntl.h>
#include <numaif.h>
#include <sched.h>
#include <unistd.h>

#define PAGES_AT_ONCE 256u

size_t numa_pages_elsewhere(const void *block, size_t bytes, int node)
{
    size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    uintptr_t at = (uintptr_t)block / page_bytes * page_bytes;
    uintptr_t end = (uintptr_t)block + bytes;
    size_t elsewhere = 0;

    while (at < end) {
        void *page[PAGES_AT_ONCE];
        int where[PAGES_AT_ONCE];
        size_t count = 0;

        for (; count < PAGES_AT_ONCE && at < end; at += page_bytes) {
            where[count] = -1;
            page[count++] = (void *)at;
        }
        if (move_pages(0, count, page, NULL, where, 0) != 0) {
            elsewhere += count;
            continue;
        }
        for (size_t i = 0; i < count; i++) {
            elsewhere += where[i] != node;
        }
    }
    return elsewhere;
}

uint64_t numa_pfn(const void *address)
{
    off_t at = (off_t)((uintptr_t)address / (uintptr_t)sysconf(_SC_PAGESIZE) * sizeof(uint64_t));
    int file = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    uint64_t word = 0;

    if (file < 0 || pread(file, &word, sizeof(word), at) != (ssize_t)sizeof(word)) {
        word = 0;
    }
    if (file >= 0) {
        (void)close(file);
    }
    return word & ((UINT64_C(1) << 55) - 1u); /* the bits of the pfn, as the kernel documents them */
}

bool numa_run_on(unsigned cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    return sched_setaffinity(0, sizeof(set), &set) == 0;
}

bool numa_has_memory(const struct numa *numa, int node)
{
    bool has = false;

    for (size_t i = 0; i < numa->topology.nranges; i++) {
        has = has || numa->topology.ranges[i].node == node;
    }
    return has;
}
