/* SPDX-License-Identifier: MIT */
/* The programs of tests/explore/groups.h, as the model of weak memory runs them. */
#ifndef HIPT_TESTS_WEAK_ENUMERATED_H
#define HIPT_TESTS_WEAK_ENUMERATED_H

#include <stdbool.h>

#include "weak/program.h"

/* => how many programs group @group has here, counted from 0; its name. After the last group: 0 and NULL. */
unsigned enumerated_programs(unsigned group, const char **name);

/*
 * Program @index of a group. A call for a range is one for each of its pages, and every grace period can end. Its name
 * is its text, until the next call.
 */
void enumerated_read(unsigned group, unsigned index, struct weak_program *program);

#endif
