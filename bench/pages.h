/* SPDX-License-Identifier: MIT */
/* Where tables get their bytes from, and how they are counted. */
#ifndef BENCH_PAGES_H
#define BENCH_PAGES_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Zeroed memory in huge pages where the kernel has them, aligned to one. What is never touched takes none.
 * => NULL, with a line on stderr in the name of @impl, if there is none.
 */
void *bench_pages_map(const char *impl, size_t bytes);
void bench_pages_unmap(void *pages, size_t bytes);

/* What malloc() has given to the main thread and not got back, headers included. */
size_t bench_malloc_bytes(void);

/* What the machine could still give without swapping. => 0 if it does not say. */
size_t bench_memory_available(void);

#ifdef __cplusplus
}
#endif

#endif
