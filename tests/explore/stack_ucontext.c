/* SPDX-License-Identifier: MIT */
/* The stacks of sim/stack.h for machines that lib/sim/stack.c does not know. */
#define _XOPEN_SOURCE 700

#include "sim/stack.h"

#include <stdint.h>
#include <ucontext.h>

#if !defined(__x86_64__) || defined(HIPT_SIM_OWN_STACKS)

/* At the low end of a new stack: what makecontext() cannot hand over, since it passes ints only. */
struct start {
    ucontext_t context;
    void (*entry)(void *argument);
    void *argument;
};

static void start_run(unsigned high, unsigned low)
{
    struct start *start = (struct start *)(uintptr_t)((uint64_t)high << 32 | low);

    start->entry(start->argument);
}

void *hipti_stack_make(void *stack, size_t bytes, void (*entry)(void *argument), void *argument)
{
    struct start *start = (struct start *)stack;
    uint64_t address = (uint64_t)(uintptr_t)start;

    getcontext(&start->context);
    start->context.uc_stack.ss_sp = (char *)stack + sizeof(*start);
    start->context.uc_stack.ss_size = bytes - sizeof(*start);
    start->context.uc_link = NULL;
    start->entry = entry;
    start->argument = argument;
    makecontext(&start->context, (void (*)(void))start_run, 2, (unsigned)(address >> 32), (unsigned)address);
    return &start->context;
}

void hipti_stack_switch(void **from, void *to)
{
    ucontext_t here;

    *from = &here;
    swapcontext(&here, (ucontext_t *)to);
}

#endif
