/* SPDX-License-Identifier: MIT */
/*
 * Virtual threads in one real one, switched before each shared access of the library (HIPT_STEPS=1). Who is next is a
 * function of the caller's, so that a run is the same every time.
 */
#ifndef HIPT_FUZZ_THREADS_H
#define HIPT_FUZZ_THREADS_H

#define THREADS_MAX 3u
#define THREAD_NONE THREADS_MAX /* outside of threads_run() */
#define THREADS_STEPS_MAX 20000u

/* Who goes on. @now can, if its bit in @ready is set. => one whose bit is set. */
typedef unsigned (*threads_choose)(unsigned now, unsigned ready);

/* Run @body in @count threads to the end of each. */
void threads_run(unsigned count, void (*body)(unsigned thread), threads_choose choose);

/* => the thread that runs, or THREAD_NONE. */
unsigned threads_now(void);

/* A step, as hipt_port_step() is, of a hook of the host. */
void threads_step(const char *what);

/* Print which thread made which steps, those of one thread in a row on one line. */
void threads_print(void);

#endif
