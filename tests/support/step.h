/* SPDX-License-Identifier: MIT */
/* The steps of the stepped library, as a test sees them. */
#ifndef TEST_SUPPORT_STEP_H
#define TEST_SUPPORT_STEP_H

#include <stdbool.h>
#include <stddef.h>

/* Stand aside before one of @steps accesses to shared state, at random; 0: never. */
void step_yield_one_in(unsigned steps);

/* One in @times a thread that stands aside gives the processor away, as always without this; else it waits a little. */
void step_give_one_in(unsigned times);

/*
 * Run @meanwhile once, as another thread might run then: just before this thread, counted from now on, makes its
 * access number @skip + 1 to @word (NULL: to any) by an operation whose name begins with @operation ("cas", say;
 * NULL: by any).
 */
void step_interrupt(const char *operation, const volatile void *word, unsigned skip, void (*meanwhile)(void));

/* => whether it has run; if not, it will not any more. */
bool step_interrupted(void);

/* Note the first access that this thread, from now on, makes to the @bytes bytes at @start. */
void step_note_first(const volatile void *start, size_t bytes);

/* => the name of its operation, NULL: there was none; nothing is noted any more. */
const char *step_first(void);

void hipt_port_step(const char *operation, const volatile void *word, const char *file, int line);

#endif
