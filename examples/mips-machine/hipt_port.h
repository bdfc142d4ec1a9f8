/* SPDX-License-Identifier: MIT */
/*
 * The machine at compile time, for hipt.c. A read side needs no mark: whoever is inside one does not pass by a
 * quiescent state (port.c).
 */
#ifndef HIPT_PORT_H_OF_THE_MACHINE
#define HIPT_PORT_H_OF_THE_MACHINE

#include <stdint.h>

_Noreturn void kernel_panic(const char *condition, const char *file, uint64_t line);

#define HIPT_PORT_READ_ENTER(ops) ((void)(ops))
#define HIPT_PORT_READ_EXIT(ops) ((void)(ops))
#define HIPT_PORT_PREFETCH(address) __builtin_prefetch(address)
#define HIPT_PORT_COMPILER_BARRIER() __asm__ __volatile__("" : : : "memory")
#define HIPT_PORT_PANIC(condition, file, line) kernel_panic(condition, file, line)

#endif
