/* SPDX-License-Identifier: MIT */
/* HIPT_PORT_HEADER of a Linux module: read sides are the kernel's own, without a call through the hooks. */
#ifndef HIPT_LINUX_MACHINE_H
#define HIPT_LINUX_MACHINE_H

#include <linux/compiler.h>
#include <linux/kernel.h>
#include <linux/prefetch.h>
#include <linux/rcupdate.h>

#define HIPT_PORT_READ_ENTER(ops) ((void)(ops), rcu_read_lock())
#define HIPT_PORT_READ_EXIT(ops) ((void)(ops), rcu_read_unlock())
#define HIPT_PORT_PREFETCH(address) prefetch((const void *)(address))
#define HIPT_PORT_COMPILER_BARRIER() __asm__ __volatile__("" ::: "memory")
#define HIPT_PORT_PANIC(condition, file, line) panic("hipt: %s, %s:%d", condition, file, line)

/* Macros of the kernel that are other words to the core: the name of a hook, and an attribute of the compiler. */
#undef barrier
#undef noinline
#undef round_up

#endif
