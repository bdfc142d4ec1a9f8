/* SPDX-License-Identifier: MIT */
/* `hipt-bench numa`: which nodes lookups touch, under each way to place spaces, and what replicas would bring. */
#ifndef BENCH_NUMA_H
#define BENCH_NUMA_H

/* @argv[0] is the subcommand. => the exit status of the program */
int bench_numa_main(int argc, char **argv);

#endif
