/* SPDX-License-Identifier: MIT */
/* What the checks are written with. */
#ifndef HIPT_PORT_CHECK_RUN_H
#define HIPT_PORT_CHECK_RUN_H

#include <stdatomic.h>

#include "port_check.h"

#define HELD_NAPS 12u /* how long a grace period is watched that must not end */

/* Hooks that a check is about; where one is not set, there is nothing to check. */
#define NEEDS_READ_ENTER 0x1u
#define NEEDS_GP_WAIT 0x2u
#define NEEDS_THIS_CPU 0x4u
#define NEEDS_CAN_WAIT 0x8u
#define NEEDS_KICK 0x10u
#define NEEDS_BARRIER 0x20u
#define NEEDS_RELAX 0x40u
#define NEEDS_CLOCK 0x80u
#define NEEDS_SLOW 0x100u
#define NEEDS_ALLOC_STRICT 0x200u
#define NEEDS_THIS_NODE 0x400u
#define NEEDS_BYTES 0x800u      /* of the host's, not of the port's */
#define NEEDS_IMPOSSIBLE 0x1000u

/* One check under way. Field key: constant, but findings, and seen, which belongs to whoever found first. */
struct run {
    const struct hipt_port_check *port;
    struct hipt_ops ops; /* hooks that the port does not know are NULL */
    _Atomic unsigned findings;
    char seen[240];
};

struct check {
    const char *name;
    unsigned needs;
    unsigned threads; /* 0: it is the caller's alone */
    void (*look)(struct run *run);
    const char *promised;
    const char *right;
};

struct checks {
    const struct check *check;
    size_t count;
};

extern const struct checks pc_memory_checks;
extern const struct checks pc_grace_checks;
extern const struct checks pc_protection_checks;
extern const struct checks pc_cpu_checks;
extern const struct checks pc_kick_checks;
extern const struct checks pc_table_checks;

/* What was seen that should not be; the first is kept. %u takes a uint64_t, %s a text. */
void pc_found(struct run *run, const char *format, ...);

/* => the crew has run; where it was not to be had, that was found. */
bool pc_crew(struct run *run, unsigned count, void (*body)(void *argument, unsigned number), void *argument);

/* A turn of a wait outside read sides. */
void pc_idle(struct run *run);

/* => *word came to @least, outside read sides; false: it did not for as long as things may take. */
bool pc_wait_for(struct run *run, _Atomic unsigned *word, unsigned least);

/* The same inside a read side, where nobody naps; whoever is waited for always comes, found or not. */
void pc_spin_for(_Atomic unsigned *word, unsigned least);

/* => the grace period has ended. */
bool pc_wait_elapsed(struct run *run, uint64_t cookie);

/* => it has not ended for HELD_NAPS. */
bool pc_is_held(struct run *run, uint64_t cookie);

void pc_section_enter(struct run *run);
void pc_section_exit(struct run *run);

/* Let *word be at least @value. */
void pc_raise(_Atomic uint64_t *word, uint64_t value);

/* Random enough for sizes and turns. */
uint32_t pc_draw(uint64_t *seed);

#endif
