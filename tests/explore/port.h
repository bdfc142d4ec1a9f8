/* SPDX-License-Identifier: MIT */
/* The compile-time port of the library as the explorer builds it. */
#ifndef EXPLORE_PORT_H
#define EXPLORE_PORT_H

void explore_panic(const char *condition, const char *file, int line);

#define HIPT_PORT_READ_ENTER(ops) (ops)->read_enter((ops)->ctx)
#define HIPT_PORT_READ_EXIT(ops) (ops)->read_exit((ops)->ctx)
#define HIPT_PORT_COMPILER_BARRIER() ((void)0)
#define HIPT_PORT_PREFETCH(address) ((void)(address))
#define HIPT_PORT_PANIC(condition, file, line) explore_panic(condition, file, line)

#endif
