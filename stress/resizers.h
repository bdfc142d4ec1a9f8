/* SPDX-License-Identifier: MIT */
/*
 * Threads that grow, shrink and re-key a program's table while its own threads work, and help the moves along; where
 * it has nodes, they move its spaces from one to another as well. One may be stopped at any access of a move (T4): then
 * the others have to go on, and it stands still until they have.
 */
#ifndef STRESS_RESIZERS_H
#define STRESS_RESIZERS_H

#include "crew.h"

void resizers_start(struct crew *crew);

/* When all other threads have returned. */
void resizers_join(struct crew *crew);

/* => whether the table has moved to the end at least once, and a space, and a resizer was stopped, as they were to. */
bool resizers_suffice(struct crew *crew);

#endif
