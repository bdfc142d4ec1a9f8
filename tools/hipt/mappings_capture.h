/* SPDX-License-Identifier: MIT */
/* What a capture left out, beside the mappings that mappings_capture() gives. */
#ifndef HIPT_TOOL_MAPPINGS_CAPTURE_H
#define HIPT_TOOL_MAPPINGS_CAPTURE_H

#include <stdint.h>

#include "mappings.h"

struct capture_counts {
    uint32_t processes;  /* with at least one page: one space each */
    uint32_t empty;      /* without a page: the kernel's own threads, and those that ended meanwhile */
    uint32_t unreadable; /* whose maps or pagemap may not be read */
};

/* As mappings_capture(), and says what it saw. */
int mappings_capture_counted(struct mappings *mappings, struct capture_counts *counts, struct file_error *error);

#endif
