/* SPDX-License-Identifier: MIT */
#include "explore/groups.h"

#include <stdio.h>
#include <string.h>

#include "explore/program.h"

#define SLOT "m0.0 m0.1 u0 p0 r0.1 d0 c0 l0"
#define FULL_LINE "m8.8 m9.9 m10.10 m11.11 m0.0"
#define SHARED "m15.15 u15 g m0.0 m1.0"

/* Page 15 is mapped and unmapped first, so that a frame is in limbo's list and an address space has its memory. */
const struct group groups[GROUPS] = {
    {"one slot, 2x2", "1/1/6", {"m15.15 u15 g", "m15.15 u15 g m0.0", NULL}, SLOT, 2, 2, false},
    {"one bucket, 2x2", "1/1/6", {"m8.8 m9.9 m10.10", FULL_LINE, NULL}, "m0.0 u0 m1.1 u8 l0 r0.1", 2, 2, false},
    {"two sizes, 2x2", "2/1/6", {"M4.4 U4", "M0.4", NULL}, "m1.1 u1 M0.4 U0 R0.8 l1", 2, 2, false},
    {"frames, 2x2", "1/2/6", {SHARED, "m15.15 u15 m0.0", NULL}, "m2.0 u0 u1 v0 i0 o0 g r0.1", 2, 2, false},
    {"spaces, 2x2", "1/2/6", {"m15.15 u15 g m0.0", "m15.15 u15 m0.0 x1", NULL}, "m1.1 u0 r0.1 x0 a2 n0.2 w", 2, 2,
     false},
    {"gate and scarcity, 2x2", "1/1/2sn", {"m8.8 m9.9 m10.10", NULL}, "m0.0 u0 m1.0 u8 r8.1 p8", 2, 2, false},
    {"one slot, 3x1", "1/1/6", {"m15.15 u15 g", "m15.15 u15 g m0.0", NULL}, SLOT, 3, 1, false},
    {"one bucket, 3x1", "1/1/6", {"m8.8 m9.9 m10.10", FULL_LINE, NULL}, "m0.0 u0 m1.1 u8 l0 r0.1 w", 3, 1, false},
    {"two sizes, 3x1", "2/1/6", {"M4.4 U4", "M0.4", NULL}, "m1.1 u1 M0.4 U0 R0.8 l1 P0", 3, 1, false},
    {"frames and spaces, 3x1", "1/2/6", {SHARED, "m15.15 u15 m0.0", NULL}, "m2.0 u0 v0 i0 o0 g r0.1 x0 a2 n0.2", 3, 1,
     false},
    {"one slot, no bound", "1/1/6", {"m15.15 u15 g", "m15.15 u15 g m0.0", NULL}, SLOT, 2, 1, true},
    {"one bucket, no bound", "1/1/6", {"m8.8 m9.9 m10.10", FULL_LINE, NULL}, "m0.0 u0 m1.1 u8 l0 r0.1 w", 2, 1, true},
    {"two sizes, no bound", "2/1/6", {"M4.4 U4", "M0.4", NULL}, "m1.1 u1 M0.4 U0 R0.8 l1 P0", 2, 1, true},
    {"frames and spaces, no bound", "1/2/6", {SHARED, "m15.15 u15 m0.0", NULL},
     "m2.0 u0 v0 i0 o0 g r0.1 x0 a2 n0.2", 2, 1, true},
};

struct sequences {
    unsigned count;
    char text[64][24]; /* what one thread does */
};

/* All sequences of @ncalls of the group's calls. */
static void sequences_make(const struct group *group, struct sequences *sequences)
{
    char calls[128];
    const char *call[16];
    unsigned n = 0;
    unsigned i;
    unsigned k;
    char *next;

    strcpy(calls, group->calls);
    for (next = strtok(calls, " "); next; next = strtok(NULL, " ")) {
        call[n++] = next;
    }
    sequences->count = 0;
    for (i = 0; i < n; i++) {
        for (k = 0; k < (group->ncalls == 2u ? n : 1u); k++) {
            snprintf(sequences->text[sequences->count++], sizeof(sequences->text[0]),
                     group->ncalls == 2u ? "%s %s" : "%s", call[i], call[k]);
        }
    }
}

/* => how many unordered choices of @nthreads sequences there are. */
static unsigned combinations(unsigned count, unsigned nthreads)
{
    return nthreads == 2u ? count * (count + 1u) / 2u : count * (count + 1u) * (count + 2u) / 6u;
}

/* The choice of number @index. */
static void combination_text(const struct sequences *sequences, unsigned nthreads, unsigned index, char *text,
                             size_t bytes)
{
    unsigned a = 0;
    unsigned b;
    unsigned c;

    if (nthreads == 2u) {
        while (index >= sequences->count - a) {
            index -= sequences->count - a++;
        }
        snprintf(text, bytes, "| %s | %s", sequences->text[a], sequences->text[a + index]);
        return;
    }
    while (index >= combinations(sequences->count - a, 2)) {
        index -= combinations(sequences->count - a++, 2);
    }
    b = a;
    while (index >= sequences->count - b) {
        index -= sequences->count - b++;
    }
    c = b + index;
    snprintf(text, bytes, "| %s | %s | %s", sequences->text[a], sequences->text[b], sequences->text[c]);
}

/* => how many states there are to begin with. */
static unsigned prefills(const struct group *group)
{
    unsigned count = 0;

    while (group->prefill[count]) {
        count++;
    }
    return count;
}

unsigned group_programs(const struct group *group)
{
    struct sequences sequences;

    sequences_make(group, &sequences);
    return prefills(group) * combinations(sequences.count, group->nthreads);
}

void group_text(const struct group *group, unsigned index, char *text, size_t bytes)
{
    char threads[PROGRAM_TEXT_MAX / 2];
    struct sequences sequences;
    unsigned each;

    sequences_make(group, &sequences);
    each = combinations(sequences.count, group->nthreads);
    combination_text(&sequences, group->nthreads, index % each, threads, sizeof(threads));
    snprintf(text, bytes, "%s %s %s", group->geometry, group->prefill[index / each], threads);
}
