/* SPDX-License-Identifier: MIT */
/*
 * Checks that run on real nodes, in the machine that tools/test-numa boots. A check is a function and a line in the
 * list of hipt_numa.c; it says what is wrong with NUMA_HOLDS(), and gives back what it took.
 */
#ifndef HIPT_NUMA_CHECKS_H
#define HIPT_NUMA_CHECKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <hipt/hipt.h>
#include <hipt/user.h>

#include "port/user/places.h"

struct numa {
    struct hipt_user *user;
    const struct hipt_ops *ops;
    struct hipt_topology topology;       /* the machine's, as the port sees it */
    const struct hipti_places *expected; /* as it was booted; NULL: nobody said */
    const char *check;                   /* the one that runs */
    unsigned failures;                   /* of it */
};

/* => whether @condition holds; if not, the check that runs has failed, and a line says why. */
#define NUMA_HOLDS(numa, condition, ...) numa_holds(numa, condition, #condition, __FILE__, __LINE__, __VA_ARGS__)

__attribute__((format(printf, 6, 7))) bool numa_holds(struct numa *numa, bool holds, const char *condition,
                                                      const char *file, int line, const char *format, ...);

/* => the pages of a block that the kernel says lie on another node, or nowhere. */
size_t numa_pages_elsewhere(const void *block, size_t bytes, int node);

/* => the pfn of the page at @address, 0: the kernel does not say. */
uint64_t numa_pfn(const void *address);

/* => whether the calling thread runs on CPU @cpu from here on. */
bool numa_run_on(unsigned cpu);

/* => whether memory can lie on @node: some frame is there. */
bool numa_has_memory(const struct numa *numa, int node);

void numa_the_machine_is_as_booted(struct numa *numa);
void numa_preferred_memory_lies_on_its_node(struct numa *numa);
void numa_strict_memory_lies_on_its_node(struct numa *numa);
void numa_nodes_without_memory(struct numa *numa);
void numa_a_full_node(struct numa *numa);
void numa_frames_are_on_their_nodes(struct numa *numa);
void numa_a_table_works(struct numa *numa);
void numa_a_table_lies_on_its_nodes(struct numa *numa);

#endif
