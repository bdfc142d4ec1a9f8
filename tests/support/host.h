/* SPDX-License-Identifier: MIT */
/*
 * A host for tests with threads. It checks what hipt promises its hooks, fails allocations on demand, and ends grace
 * periods as late or as early as a test wants: by hand, or as soon as the read sides that they wait for are closed. In
 * both, an open read side really holds up a grace period. All words are C11 atomics, so ThreadSanitizer sees through
 * it.
 */
#ifndef TEST_SUPPORT_HOST_H
#define TEST_SUPPORT_HOST_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <hipt/ops.h>
#include <hipt/topology.h>

#define TEST_THREADS_MAX 8u

/* A condition of the test that may be checked in any thread: the test ends with a line that names it. */
#define TEST_HOLDS(condition) ((condition) ? (void)0 : test_broken(#condition, __FILE__, __LINE__))

_Noreturn void test_broken(const char *condition, const char *file, int line);

/* The read side of one thread, on a line of its own. */
struct test_reader {
    _Alignas(64) _Atomic uint64_t since; /* 0: outside; else the youngest grace period that it does not hold up */
    unsigned depth;                      /* the thread's own */
};

/* Field key: ops constant, random and meanwhile of the test's own thread, all others atomic. */
struct test_host {
    struct hipt_ops ops;
    _Atomic uint64_t started;    /* the youngest grace period asked for */
    _Atomic uint64_t allowed;    /* by hand: up to here they may end */
    _Atomic uint64_t elapsed;    /* up to here they have ended */
    _Atomic bool by_hand;
    _Atomic uint64_t calls;      /* of alloc */
    _Atomic uint64_t fail_first; /* these calls of alloc fail */
    _Atomic uint64_t fail_last;
    _Atomic uint64_t fail_also;  /* and this one */
    _Atomic uint64_t bytes;      /* given out and not back */
    _Atomic uint64_t blocks;
    _Atomic uint64_t waits;      /* calls of alloc in a read side that would have let it sleep */
    _Atomic uint64_t full;       /* bit n: node n has no room for a block */
    _Atomic uint64_t on_node[HIPT_NODES_MAX]; /* of .bytes, those that lie on a node */
    _Atomic bool never_hurries;  /* calls of alloc that may not sleep fail */
    _Atomic bool no_random;
    void (*meanwhile)(void); /* run once inside the next alloc or gp_start, as another thread might run then */
    uint64_t random;
    struct test_reader reader[TEST_THREADS_MAX + 1u]; /* one for each number of a thread */
};

/* => a host whose grace periods end by hand only. */
void test_host_init(struct test_host *host);

/* From now on the host has the hook alloc_strict. */
void test_host_nodes(struct test_host *host);

/* Every grace period asked for so far may end: it does unless a read side that was open then still is. */
void test_host_tick(struct test_host *host);

/* A grace period passes: the caller's read side, which is one deep, is left and entered again. */
void test_host_pass(struct test_host *host);

/* From now on grace periods end as soon as they can. */
void test_host_free_run(struct test_host *host);

/* Allocations number @first to @first + @count - 1 from now on fail; the next one is number 1. @count 0: none do. */
void test_host_fail(struct test_host *host, uint64_t first, uint64_t count);

/* The same for allocation number @first and, unless it is 0, number @second. */
void test_host_fail_two(struct test_host *host, uint64_t first, uint64_t second);

/* Under AddressSanitizer: nothing that was allocated has been lost. The program ends otherwise. */
void test_no_leak(void);

/* Run @body in @count threads at once, each with its @index from 0 on, and wait for them. */
void test_threads(unsigned count, void (*body)(void *shared, unsigned index), void *shared);

/* xorshift64*. *state is not 0. */
uint64_t test_random(uint64_t *state);

#endif
