/* SPDX-License-Identifier: MIT */
/* A progress bar on standard error; nothing at all where that is no terminal. One bar at a time, one thread. */
#ifndef HIPT_TOOL_PROGRESS_H
#define HIPT_TOOL_PROGRESS_H

#include <stdint.h>

/* @what is a word or two and must stay valid until progress_end(); @total 0 means that the end is not known. */
void progress_start(const char *what, uint64_t total);
/* @done counts up to total. Redraws ten times a second at most, so it may be called often. */
void progress_update(uint64_t done);
/* Wipes the bar off the line. */
void progress_end(void);

#endif
