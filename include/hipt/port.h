/* SPDX-License-Identifier: MIT */
/*
 * The machine, at compile time. The default needs nothing but a compiler. A host with better means builds the library
 * with -DHIPT_PORT_HEADER="\"my_port.h\"" and defines every name below there; a missing one is an error, never a stub.
 *
 *   HIPT_PORT_READ_ENTER(ops), HIPT_PORT_READ_EXIT(ops)
 *       open and close a read-side section; @ops is the const struct hipt_ops * of the table. A kernel maps them to its
 *       own RCU directly; the default goes through the run-time hooks.
 *   HIPT_PORT_PREFETCH(address)
 *       hint that a line is read soon; may do nothing.
 *   HIPT_PORT_COMPILER_BARRIER()
 *       the compiler moves no access of memory across it.
 *   HIPT_PORT_PANIC(condition, file, line)
 *       a bug was found by a check build; does not return.
 */
#ifndef HIPT_PORT_H
#define HIPT_PORT_H

#include <hipt/ops.h>

#ifdef HIPT_PORT_HEADER

#include HIPT_PORT_HEADER

#else

#define HIPT_PORT_READ_ENTER(ops)            \
    do {                                     \
        if ((ops)->read_enter) {             \
            (ops)->read_enter((ops)->ctx);   \
        }                                    \
    } while (0)
#define HIPT_PORT_READ_EXIT(ops)             \
    do {                                     \
        if ((ops)->read_exit) {              \
            (ops)->read_exit((ops)->ctx);    \
        }                                    \
    } while (0)
#define HIPT_PORT_PREFETCH(address) __builtin_prefetch(address)
#define HIPT_PORT_COMPILER_BARRIER() __asm__ __volatile__("" ::: "memory")
#define HIPT_PORT_PANIC(condition, file, line) __builtin_trap()

#endif

#ifndef HIPT_PORT_READ_ENTER
#error "the port header must define HIPT_PORT_READ_ENTER(ops)"
#endif
#ifndef HIPT_PORT_READ_EXIT
#error "the port header must define HIPT_PORT_READ_EXIT(ops)"
#endif
#ifndef HIPT_PORT_PREFETCH
#error "the port header must define HIPT_PORT_PREFETCH(address)"
#endif
#ifndef HIPT_PORT_COMPILER_BARRIER
#error "the port header must define HIPT_PORT_COMPILER_BARRIER()"
#endif
#ifndef HIPT_PORT_PANIC
#error "the port header must define HIPT_PORT_PANIC(condition, file, line)"
#endif

#endif
