/* SPDX-License-Identifier: MIT */
/*
 * Stacks to run on, one at a time. stack.c has them for x86-64, in a dozen instructions; a program for another machine
 * links its own two functions (tests/explore/stack_ucontext.c has them for any C library with <ucontext.h>).
 */
#ifndef HIPT_SIM_STACK_H
#define HIPT_SIM_STACK_H

#include <stddef.h>

/* => a context that calls @entry(@argument) on that stack when it is first switched to. @entry never returns. */
void *hipti_stack_make(void *stack, size_t bytes, void (*entry)(void *argument), void *argument);

/* Leave this context in *@from and go on in @to. => when somebody switches back. */
void hipti_stack_switch(void **from, void *to);

#endif
