/* SPDX-License-Identifier: MIT */
/*
 * Memory of the user-space port on a machine with several nodes, on any machine: this binary is linked so that the
 * port's calls of mbind(), move_pages(), madvise(), munmap() and realloc() come here. tools/test-numa does it with real
 * nodes.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <criterion/criterion.h>

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <numaif.h>
#include <sys/mman.h>

#include "port/user/heap.h"

#define HUGE_PAGE ((size_t)2 << 20)

static struct hipti_heap heap;
static int policies[8]; /* of the calls of mbind(), in their order */
static unsigned calls;
static unsigned refused_call; /* of them, counted from 1; 0: none */
static unsigned long bound_to;
static void *bound_block;
static int lies_on;      /* what move_pages() says of each page */
static int last_lies_on; /* but of the last one in a block */
static void *last_page;
static unsigned long asked; /* pages that it was asked about */
static bool hides;
static bool refuses_records;
static bool keeps_addresses; /* munmap() fails */
static size_t given_back;    /* bytes, by madvise() */
static unsigned populated;        /* calls of madvise() that had pages come */
static unsigned populated_before; /* how many of them each call of mbind() came after, together */

long __wrap_mbind(void *start, unsigned long bytes, int mode, const unsigned long *mask, unsigned long bits,
                  unsigned flags);
long __wrap_move_pages(int pid, unsigned long count, void **pages, const int *nodes, int *status, int flags);
int __real_munmap(void *start, size_t bytes);
int __wrap_munmap(void *start, size_t bytes);
int __real_madvise(void *start, size_t bytes, int advice);
int __wrap_madvise(void *start, size_t bytes, int advice);
void *__real_realloc(void *block, size_t bytes);
void *__wrap_realloc(void *block, size_t bytes);

void *__wrap_realloc(void *block, size_t bytes)
{
    return refuses_records ? NULL : __real_realloc(block, bytes);
}

int __wrap_munmap(void *start, size_t bytes)
{
    if (keeps_addresses) {
        errno = ENOMEM;
        return -1;
    }
    return __real_munmap(start, bytes);
}

int __wrap_madvise(void *start, size_t bytes, int advice)
{
    given_back += advice == MADV_DONTNEED ? bytes : 0;
    populated += advice == MADV_POPULATE_WRITE;
    return __real_madvise(start, bytes, advice);
}

long __wrap_mbind(void *start, unsigned long bytes, int mode, const unsigned long *mask, unsigned long bits,
                  unsigned flags)
{
    cr_assert_lt(calls, 8u);
    cr_expect_eq(bits, HIPT_NODES_MAX + 1u);
    cr_expect_eq(flags, 0u);
    cr_expect_gt(bytes, 0u);
    policies[calls++] = mode;
    bound_to = mask[0];
    bound_block = start;
    populated_before += populated;
    return calls == refused_call ? -1 : 0;
}

long __wrap_move_pages(int pid, unsigned long count, void **pages, const int *nodes, int *status, int flags)
{
    unsigned long i;

    cr_expect_eq(pid, 0);
    cr_expect_eq(flags, 0);
    cr_expect_null((void *)(uintptr_t)nodes, "it only asks");
    for (i = 0; i < count; i++) {
        cr_expect_eq(*(char *)pages[i], 0);
        status[i] = pages[i] == last_page ? last_lies_on : lies_on;
    }
    asked += count;
    return hides ? -1 : 0;
}

static void start(void)
{
    static const char text[] =
        "nodes=40 pfns=0-9,-,20-29,-,-,-,-,-,-,-,-,-,-,-,-,-,-,-,-,-,-,-,-,-,-,-,-,-,-,-,-,-,-,-,"
        "-,-,-,-,-,390-399";
    char error[100];

    hipti_heap_open(&heap);
    cr_assert(hipti_places_parse(&heap.places, text, strlen(text), error, sizeof(error)), "%s", error);
    heap.places.is_real = true;
    heap.has_huge = true; /* so that the end of a block is had at once on any machine */
    lies_on = last_lies_on = 2;
}

static void end(void)
{
    cr_expect_eq(atomic_load(&heap.bytes), 0);
    cr_expect_eq(hipti_ledger_bytes(&heap.ledger, 2), 0);
    hipti_heap_close(&heap);
}

static const size_t sizes[] = {1, 4096, 4097, 65536, HUGE_PAGE, HUGE_PAGE + 1u};

#define SIZES (sizeof(sizes) / sizeof(sizes[0]))

/* A wish is a preference, whatever the size, and where the kernel does not hear it there is memory all the same. */
Test(bound, N1_preferred, .init = start, .fini = end)
{
    unsigned s;

    for (s = 0; s < 2u * SIZES; s++) {
        size_t bytes = sizes[s / 2u];
        char *block;

        calls = populated = 0;
        refused_call = s % 2u;
        block = hipti_heap_alloc(&heap, bytes, 64, 39, false);
        cr_assert_not_null(block);
        cr_expect_eq((uintptr_t)block % 4096u, 0);
        cr_expect_eq(calls, 1u);
        cr_expect_eq(policies[0], MPOL_PREFERRED);
        cr_expect_eq(bound_to, 1ul << 39);
        cr_expect_eq(bound_block, block);
        cr_expect_eq(asked, 0u, "nobody looks where it lies");
        cr_expect_eq(populated, bytes > HUGE_PAGE, "what is in small pages behind huge ones is had at once");
        cr_expect_eq(populated_before, 0u, "but not before it is bound");
        block[0] = block[bytes - 1u] = 1;
        hipti_heap_free(&heap, block, bytes);
    }
}

/* Nodes without memory are not asked for; what is for no node is not bound. */
Test(bound, N1_nearest_with_memory, .init = start, .fini = end)
{
    char *block = hipti_heap_alloc(&heap, 100, 64, 1, false);

    cr_assert_not_null(block);
    cr_expect_eq(bound_to, 1ul);
    hipti_heap_free(&heap, block, 100);
    calls = 0;
    block = hipti_heap_alloc(&heap, 1 << 20, 64, HIPT_ANY_NODE, false);
    cr_assert_not_null(block);
    cr_expect_eq(calls, 0u);
    hipti_heap_free(&heap, block, 1 << 20);
    cr_expect_null(hipti_heap_alloc(&heap, 100, 64, 1, true));
    cr_expect_eq(calls, 0u);
}

/* A strict block is touched and looked for, page by page, and bound when it lies where it should. */
Test(bound, N1_strict, .init = start, .fini = end)
{
    unsigned s;

    for (s = 0; s < SIZES; s++) {
        char *block;

        calls = populated = populated_before = 0;
        asked = 0;
        block = hipti_heap_alloc(&heap, sizes[s], 64, 2, true);
        cr_assert_not_null(block);
        cr_expect_eq(calls, 2u);
        cr_expect_eq(policies[0], MPOL_PREFERRED);
        cr_expect_eq(policies[1], MPOL_BIND);
        cr_expect_eq(populated_before, populated, "after the first call, before the second");
        cr_expect_eq(bound_to, 4ul);
        cr_expect_eq(asked, (sizes[s] + heap.page - 1u) / heap.page);
        cr_expect_eq(hipti_ledger_bytes(&heap.ledger, 2), sizes[s]);
        hipti_heap_free(&heap, block, sizes[s]);
    }
}

/* One page elsewhere, one that lies nowhere, a kernel that does not say, or does not bind: nothing is given. */
Test(bound, N1_strict_refused, .init = start, .fini = end)
{
    unsigned s;

    for (s = 0; s < SIZES; s++) {
        lies_on = 0;
        cr_expect_null(hipti_heap_alloc(&heap, sizes[s], 64, 2, true));
        lies_on = -2;
        cr_expect_null(hipti_heap_alloc(&heap, sizes[s], 64, 2, true));
        lies_on = 2;
        hides = true;
        cr_expect_null(hipti_heap_alloc(&heap, sizes[s], 64, 2, true));
        hides = false;
        calls = 0;
        refused_call = 2;
        cr_expect_null(hipti_heap_alloc(&heap, sizes[s], 64, 2, true));
        refused_call = 0;
        calls = 0;
    }
    cr_expect_null(hipti_heap_alloc(&heap, SIZE_MAX / 2u, 64, 2, true));
}

/* The last page alone is elsewhere. The block comes to lie where the one before it did. */
Test(bound, N1_strict_refused_for_the_last_page, .init = start, .fini = end)
{
    const size_t bytes = (size_t)2 << 20;
    char *block = hipti_heap_alloc(&heap, bytes, 64, 2, true);

    cr_assert_not_null(block);
    last_page = block + bytes - heap.page;
    hipti_heap_free(&heap, block, bytes);
    last_lies_on = 0;
    calls = 0;
    block = hipti_heap_alloc(&heap, bytes, 64, 2, true);
    if (block != NULL) { /* elsewhere, after all */
        cr_expect(last_page < (void *)block || last_page >= (void *)(block + bytes));
        hipti_heap_free(&heap, block, bytes);
    }
}

/* No memory for the record of a block: no block; those that are there stay known. */
Test(bound, no_memory_for_records, .init = start, .fini = end)
{
    enum { MOST = 1000 };
    static char *blocks[MOST];
    unsigned count = 0;
    unsigned i;

    hipti_places_start(&heap.places, 3);
    refuses_records = true;
    cr_expect_null(hipti_heap_alloc(&heap, 100, 64, 2, false));
    refuses_records = false;
    blocks[count++] = hipti_heap_alloc(&heap, 100, 64, 2, false);
    refuses_records = true;
    while (count < MOST && (blocks[count] = hipti_heap_alloc(&heap, 100, 64, 2, false)) != NULL) {
        count++;
    }
    cr_expect_lt(count, MOST);
    cr_expect_eq(hipti_ledger_bytes(&heap.ledger, 2), 100u * count);
    refuses_records = false;
    blocks[count++] = hipti_heap_alloc(&heap, 100, 64, 2, true);
    for (i = 0; i < count; i++) {
        cr_assert_not_null(blocks[i]);
        cr_expect_eq(hipti_ledger_node(&heap.ledger, blocks[i]), 2);
        hipti_heap_free(&heap, blocks[i], 100);
    }
}

/* The system cannot take the addresses of a block back; its memory goes all the same. */
Test(bound, a_mapping_that_stays, .init = start, .fini = end)
{
    char *block = hipti_heap_alloc(&heap, HUGE_PAGE, 64, 2, false);

    cr_assert_not_null(block);
    memset(block, 1, HUGE_PAGE);
    keeps_addresses = true;
    hipti_heap_free(&heap, block, HUGE_PAGE);
    cr_expect_eq(given_back, HUGE_PAGE);
    cr_expect_eq(block[0], 0);
    cr_expect_eq(block[HUGE_PAGE - 1u], 0);
}

/* One real node: all memory is there, and nothing is asked of the kernel. */
Test(bound, N1_one_node, .init = start, .fini = end)
{
    char *block;

    hipti_places_start(&heap.places, 1);
    heap.places.is_real = true;
    block = hipti_heap_alloc(&heap, 1000, 64, 0, true);
    cr_assert_not_null(block);
    cr_expect_eq(calls, 0u);
    cr_expect_eq(hipti_ledger_bytes(&heap.ledger, 0), 1000);
    hipti_heap_free(&heap, block, 1000);
}
