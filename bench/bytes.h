/* SPDX-License-Identifier: MIT */
/* `hipt-bench bytes`: what mappings take in hipt and in a radix tree. */
#ifndef BENCH_BYTES_H
#define BENCH_BYTES_H

/* @argv[0] is the subcommand. => the exit status of the program */
int bench_bytes_main(int argc, char **argv);

#endif
