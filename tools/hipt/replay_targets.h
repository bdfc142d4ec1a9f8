/* SPDX-License-Identifier: MIT */
/* What the readers translate, in which order: the accesses of a memory trace, or every mapping once in random order. */
#ifndef HIPT_TOOL_REPLAY_TARGETS_H
#define HIPT_TOOL_REPLAY_TARGETS_H

#include <stdbool.h>
#include <stdint.h>

#include "replay_load.h"

struct target {
    uint64_t vpn;
    uint32_t asid;
    uint32_t page; /* that covers it as loaded, or REPLAY_NONE */
};

struct targets {
    struct target *pages;
    uint32_t npages;
    uint32_t *sequence; /* indices into pages */
    uint64_t count;
    bool traced;
    uint32_t space;  /* of a trace: the one that maps most of its accesses */
    uint64_t mapped; /* accesses to pages that are mapped as loaded */
};

/* => 0, or -1 with *error set (.offset the line of a trace). targets_free() in both cases. */
int targets_sweep(struct targets *targets, const struct population *population, uint64_t seed,
                  struct file_error *error);
int targets_trace(struct targets *targets, const struct population *population, const char *path,
                  struct file_error *error);
void targets_free(struct targets *targets);

#endif
