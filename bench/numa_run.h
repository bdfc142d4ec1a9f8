/* SPDX-License-Identifier: MIT */
/* A table on made-up nodes, what is done to it, and what of that touches which node. */
#ifndef BENCH_NUMA_RUN_H
#define BENCH_NUMA_RUN_H

#include <hipt/asid.h>
#include <hipt/table.h>
#include <hipt/user.h>

#include <stdbool.h>
#include <stdint.h>

#include "keys.h"

#define NUMA_NODES_MAX 16u
#define NUMA_SPACES 4u /* of each node */

struct numa_setup {
    unsigned nodes;
    unsigned distance; /* between two nodes; 10 to oneself */
    uint64_t entries;
    uint64_t operations;
    uint64_t seed;
};

/* How spaces are placed, and who looks them up. */
enum numa_policy {
    NUMA_HOME,        /* each where it was created, and looked up from there */
    NUMA_SHARED,      /* each where it was created, and looked up from all nodes */
    NUMA_ONE_NODE,    /* all on node 0, as where nobody knows of nodes, and looked up from all nodes */
    NUMA_INTERLEAVED, /* page by page over all nodes, and looked up from all nodes */
    NUMA_REGIONS,     /* in two halves on two nodes, each looked up from its own */
    NUMA_POLICIES
};

extern const char *const numa_policy_names[NUMA_POLICIES];

/* => the share of remote touches that a policy should have, if keys are hashed evenly. */
double numa_expected(enum numa_policy policy, unsigned nodes);

/* What some operations have touched. */
struct numa_cost {
    uint64_t operations;
    uint64_t local;  /* lines on the node of whoever read them */
    uint64_t remote; /* and on others */
    double time;     /* of the lines, a local one being 1 and others as far away as they are */
};

struct numa_table {
    struct numa_setup setup;
    struct hipt_user *user;
    struct hipt_ops ops;
    struct hipt_topology topology;
    struct hipt_table *table;
    struct hipt_asid spaces[NUMA_NODES_MAX * NUMA_SPACES];
    unsigned nspaces;
    uint64_t pages; /* of each space */
};

/* => false: stderr says why; numa_table_end() is called all the same. */
bool numa_table_start(struct numa_table *table, const struct numa_setup *setup, enum numa_policy policy);
void numa_table_end(struct numa_table *table);

/* A page of a space. */
struct numa_page {
    unsigned space;
    uint64_t page;
};

struct numa_page numa_page_draw(const struct numa_table *table, struct bench_random *random);

/* One access from node @from. => false: the page was not found, or not as it should be. */
bool numa_lookup(struct numa_table *table, unsigned from, struct numa_page page, struct numa_cost *cost);

/* The same with a change of the page's protection: it reads what a lookup does, and writes to the last line. */
bool numa_update(struct numa_table *table, unsigned from, struct numa_page page, struct numa_cost *cost);

/* One access to a line that is no table's. */
void numa_touch(const struct numa_table *table, unsigned from, unsigned at, struct numa_cost *cost);

/*
 * The lookups of a whole run; where the library counts touches, too (hipt_node_stats(), in a build that checks), it has
 * to have counted the same. => false: stderr says why.
 */
bool numa_run(const struct numa_setup *setup, enum numa_policy policy, struct numa_cost *cost);

#endif
