/* SPDX-License-Identifier: MIT */
/* What the threads of one replay share. */
#ifndef HIPT_TOOL_REPLAY_CREW_H
#define HIPT_TOOL_REPLAY_CREW_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "replay_cpu.h"
#include "replay_run.h"

#define RECENT 64u /* pages that each writer remembers having changed last: few enough that readers meet it there */

/*
 * Field key: the pointers are constant while threads run; stop and claimed are atomic, recent is stored to by one
 * writer each; text, failed and mismatch of the result belong to the thread that claimed them, or, where none did, text
 * to the thread that saw the first stale translation.
 */
struct crew {
    const struct population *population;
    struct oracle *oracle;
    const struct targets *targets;
    const struct replay_options *options;
    struct replay_result *result;
    _Atomic uint32_t *recent; /* of each writer, RECENT pages, REPLAY_NONE at first; hints, so relaxed */
    atomic_bool stop;
    atomic_bool claimed;
    atomic_bool stale_seen;
};

/* Ends the run with the first wrong answer, or the first reason why it cannot go on. */
void crew_mismatch(struct crew *crew, const char *format, ...) __attribute__((format(printf, 2, 3)));
void crew_fail(struct crew *crew, const char *format, ...) __attribute__((format(printf, 2, 3)));

static inline bool crew_stopped(struct crew *crew)
{
    /* relaxed: it orders nothing, what the threads leave behind is read after they are joined */
    return atomic_load_explicit(&crew->stop, memory_order_relaxed);
}

/* One access of a CPU: made, judged, counted. */
void crew_access(struct crew *crew, struct replay_cpu *cpu, struct target target, uint8_t kind,
                 struct replay_result *mine);

/* A thread of the crew. .mine starts from zero and is added to the crew's result after joining. */
struct member {
    struct crew *crew;
    unsigned number; /* among the readers, or the writers */
    struct replay_cpu cpu;
    struct replay_result mine;
};

/* The bodies, on threads that are CPUs and inside. */
void reader_run(struct member *member);
void writer_run(struct member *member);

#endif
