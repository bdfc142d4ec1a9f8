/* SPDX-License-Identifier: MIT */
/*
 * The accesses of the source by where they stand, and orders planted weaker than they are written.
 */
#ifndef HIPT_TESTS_WEAK_SITES_H
#define HIPT_TESTS_WEAK_SITES_H

#include <stdbool.h>
#include <stdio.h>

#include "sim/weak.h"

/*
 * Plant FILE:WHERE:ORDER=ORDER. FILE is the end of a path; WHERE is a function, a line, or LINE-LINE: compilers differ
 * in which line of several a macro's __LINE__ is. => false: not understood.
 */
bool sites_plant(const char *text);

/* => whether anything was planted. */
bool sites_has_planted(void);

/* => how often planted orders were used in place of those written. */
uint64_t sites_planted(void);

/* For hipti_weak_hooks. */
enum hipti_weak_order sites_order(void *ctx, const struct hipti_weak_site *site, enum hipti_weak_order order);

/* List all accesses seen so far that are not relaxed: file, line, function, operation, order, how often. */
void sites_print(FILE *file);

#endif
