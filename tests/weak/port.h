/* SPDX-License-Identifier: MIT */
/* The machine of the explored library (HIPT_PORT_HEADER): a failed check is a violation of the run. */
#ifndef HIPT_TESTS_WEAK_PORT_H
#define HIPT_TESTS_WEAK_PORT_H

void host_panic(const char *condition, const char *file, int line);

#define HIPT_PORT_READ_ENTER(ops) (ops)->read_enter((ops)->ctx)
#define HIPT_PORT_READ_EXIT(ops) (ops)->read_exit((ops)->ctx)
#define HIPT_PORT_COMPILER_BARRIER() ((void)0)
#define HIPT_PORT_PREFETCH(address) __builtin_prefetch(address)
#define HIPT_PORT_PANIC(condition, file, line) host_panic(condition, file, line)

#endif
