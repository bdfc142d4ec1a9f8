/* SPDX-License-Identifier: MIT */
/*
 * The two calls of libnuma that the port makes, as libnuma makes them: its archive cannot be linked statically without
 * parts of the C library that want shared ones.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <numaif.h>
#include <sys/syscall.h>
#include <unistd.h>

long mbind(void *start, unsigned long bytes, int mode, const unsigned long *mask, unsigned long bits, unsigned flags)
{
    return syscall(SYS_mbind, start, bytes, mode, mask, bits, flags);
}

long move_pages(int pid, unsigned long count, void **pages, const int *nodes, int *status, int flags)
{
    return syscall(SYS_move_pages, pid, count, pages, nodes, status, flags);
}
