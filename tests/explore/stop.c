/* SPDX-License-Identifier: MIT */
#include "explore/stop.h"

#include <stdio.h>
#include <string.h>

#include "explore/oracle.h"
#include "explore/world.h"

/* What is mapped before, the calls of the thread that is stopped, and those of the other. */
struct scene {
    const char *geometry;
    const char *setup;
    const char *stopped;
    const char *others;
    const char *lookups; /* on all keys */
    const char *cpu;     /* what a CPU does that acknowledges, or NULL; then calls may be on the same keys */
};

static const struct scene scenes[] = {
    /* one line, shared frames, pins, limbo */
    {"1/1/6", "m15.15 u15 m0.0 m1.1 m2.2 i3", "m4.4,m4.0,u0,p0,r0.4,r0.2,d0,c0,l0,v0,i0,o3,g,n0.2,w",
     "m5.5,m5.0,u1,p1,r1.5,r1.2,d1,c1,v1,v0,i1,o3,g,n1.2,w", "l0,l1,l2,l4", NULL},
    /* an overflow line that comes and goes; the gate of two sequence bits */
    {"1/1/6", "m15.15 u15 m8.8 m9.9 m10.10 m11.11 m0.0", "m4.4,u0,u8,r0.4,p0,d0,w",
     "m5.5,u8,u9,p9,r9.5,r9.0,d9,g,w,v8", "l0,l4,l8,l9", NULL},
    {"1/1/2", "m8.8 m9.9 m10.10 m11.11", "m4.4,u8,r8.4", "m5.5,u9,p9,r9.5,d9,g,w,v9", "l4,l8,l9", NULL},
    /* two sizes of one page */
    {"2/1/6", "m15.15 u15 M4.4 M8.8 m0.0", "M12.12,m12.3,U4,u0,R4.12,r0.3,p0,P4,d4",
     "m1.1,U8,u13,P8,R8.12,d8,g,w,v8", "l0,l4,l5,l8,l12", NULL},
    /* pages of one size that become pages of the other; lookups of all of them, in a hole too */
    {"2/1/6", "m15.15 u15 M4.4 M8.8 m0.0", "S4,H5.2,H4.4", "m1.1,U8,S8,H9.1,C0,u0,P8,R8.12,d8,c8,g,w,v8,v4",
     "l0,l4,l5,l7,l8", NULL},
    {"2/1/6", "m4.4 m5.5 m6.6 m7.7 M8.8 m0.0", "C4", "m1.1,U8,S8,H9.1,C0,u0,P8,R8.12,d8,c8,g,w,v8,v4",
     "l0,l4,l5,l7,l8", NULL},
    /* address spaces */
    {"1/1/6", "m15.15 u15 m0.0 1:m0.1 1:m1.2", "x0,a2,m4.4,u0,r0.3", "1:m2.3,1:u0,1:p0,1:r0.3,1:d0,x1,a3,g,w",
     "l0,1:l0,1:l1", NULL},
    /* a table that moves into other buckets: begun, under way, over */
    {"1/1/6", "m15.15 u15 m0.0 m1.1 m2.2", "G2,G0", "G2,B1,m5.5,m0.5,u1,p1,r1.5,d1,c1,v1,g,n1.2,x0,w", "l0,l1,l2,l4",
     NULL},
    {"1/1/6", "m15.15 u15 m0.0 m1.1 1:m2.2 G2", "B1,B2,m4.4,u0,r0.4,p0,d0,n0.2,x0,G0",
     "G0,B1,B2,m5.5,m0.5,u1,u0,p1,r1.5,d1,c1,v1,v0,g,n1.2,1:u2,x1,w", "l0,l1,1:l2,l4", NULL},
    {"1/1/6", "m15.15 u15 m8.8 m9.9 m10.10 m11.11 m0.0 G0", "B1,m4.4,u0,r8.4", "B1,m5.5,u8,p9,r9.5,v8,w",
     "l0,l4,l8,l9", NULL},
    {"1/1/6", "m15.15 u15 m0.0 m1.1 G2 B2", "B1,G0,m4.4", "G0,B1,m5.5,u1,r1.5,v1,w", "l0,l1,l4", NULL},
    {"1/1/6", "m15.15 u15 m0.0 m1.1 G2 B2 B2 G1", "B1,G0,m4.4", "G0,B1,B2,m5.5,u1,r1.5,v1,w", "l0,l1,l4", NULL},
    {"2/1/6", "m15.15 u15 M4.4 M8.8 m0.0 G2", "B1,B2,M12.12,m12.3,U4,S4", "B2,m1.1,U8,S8,C0,P8,R8.12,d8,v8,v4,w",
     "l0,l4,l5,l8", NULL},
    /* no memory */
    {"1/1/6s", "m8.8 m9.9 m10.10 m11.11", "m4.4,u8,m4.9,r9.8", "m5.5,u10,m5.10,p10,r10.5,g,w", "l4,l8,l9,l10", NULL},
    /* a shootdown that nobody ends: who wants the same page ends it, who wants others has nothing to do with it */
    {"1/1/6c2", "m0.0 p0 t0.2", "u0,n0.2,b0.1,r0.2,h0,y0", "m0.1,u0,n0.2,b0.1,p0,h0", "l0", "t0 z"},
    {"1/1/6c2", "m0.0 p0 m8.8 p8 t8.2 t0.2", "u0,n0.2,b0.1,r0.2,h0,y0", "m1.1,u8,n8.2,b8.1,r8.3,h8,p8", "l0,l8",
     "j0 t8 z"},
    {"1/1/6c2", "m0.0 1:m0.1 1:p0 1:t0.2 t0.2", "x0", "1:m2.3,1:u0,1:h0,1:r0.3,1:b0.1,x1,a3", "l0,1:l0", "j0 1:t0 z"},
    {"1/1/6c2", "m0.0 m1.1 p0 t0.2 G2", "u0,n0.2,b0.1,r0.2,h0,B1", "m0.4,u0,n0.2,b0.1,p0,h0,B1,B2", "l1", "t0 z"},
    {"2/1/6c2", "M0.4 t1.2", "U0", "m1.1,M0.8", "l1", "t1 z"},
    {"2/1/6c2", "M0.4 M8.8 t9.2 t1.2", "S0,H1.1", "m12.2,U8,S8,H9.1,P8", "l0,l1,l3,l8", "j1 t8 z"},
    {"2/1/6c2", "m0.4 m1.5 m2.6 m3.7 M8.8 t9.2 t1.2", "C0", "m12.2,U8,S8,H9.1,P8", "l0,l1,l3,l8", "j1 t8 z"},
};

/* Thread 0 makes @limit steps and none after; thread 1 then runs alone, and a CPU where it waits. */
struct stopper {
    struct hipti_sim_chooser chooser;
    unsigned limit;
};

static unsigned stopper_choose(void *ctx, const struct hipti_sim *sim)
{
    const struct stopper *stopper = (const struct stopper *)ctx;
    unsigned enabled = hipti_sim_enabled(sim);

    if (sim->own_steps[0] < stopper->limit && (enabled & 1u)) {
        return 0;
    }
    return enabled & 2u ? 1u : enabled & 4u ? 2u : HIPTI_SIM_NOBODY;
}

/* => whether a program has a resize. */
static bool program_moves(const struct program *program)
{
    bool does = false;
    unsigned i;

    for (i = 0; i < program->nsetup; i++) {
        does = does || verb_moves(program->setup[i].verb);
    }
    for (i = 0; i < program->nthreads; i++) {
        does = does || verb_moves(program->calls[i][0].verb);
    }
    return does;
}

/* Judge the calls that thread 1 made. => false: one was too long, did not return, or did not map what it could. */
static bool stop_judge(struct stop *stop, const struct program *program, unsigned limit)
{
    bool is_moving = program_moves(program);
    unsigned returned = 0;
    bool is_helped = true;
    unsigned i;

    for (i = 0; i < world.nevents; i++) {
        const struct event *event = &world.events[i];
        unsigned steps = event->responded - event->invoked;

        if (event->thread != 1u || event->responded == 0) {
            continue;
        }
        stop->calls++;
        returned++;
        if (event->call.verb == VERB_LOOKUP) {
            oracle_check_access(event);
        }
        if (program->cpus) {
            is_helped = is_helped && (event->call.verb != VERB_MAP || event->status != HIPT_BUSY);
        } else if (is_moving) {
            stop->maximum_move = steps > stop->maximum_move ? steps : stop->maximum_move;
        } else if (verb_reshapes(event->call.verb)) {
            stop->maximum_reshape = steps > stop->maximum_reshape ? steps : stop->maximum_reshape;
        } else if (steps > stop->maximum) {
            stop->maximum = steps;
            snprintf(stop->worst, sizeof(stop->worst), "%s, with %s stopped after %u steps",
                     verb_name(event->call.verb), verb_name(program->calls[0][0].verb), limit);
        }
    }
    return (world.sim->finished & 2u) && world.sim->spins == 0 && world.violation[0] == '\0' &&
           stop->maximum <= STOP_BOUND && stop->maximum_reshape <= STOP_BOUND_RESHAPE &&
           stop->maximum_move <= STOP_BOUND_MOVE && is_helped &&
           returned >= program->ncalls[1];
}

/* One program: its first thread is stopped at each of its steps in turn. */
static bool stop_program(struct stop *stop, const char *text)
{
    char schedule[256];
    struct stopper stopper;
    struct program program;
    const char *wrong;
    unsigned limit;

    if (!program_parse(text, &program, &wrong) || !world_open(&program) || !oracle_open()) {
        printf("T4: \"%s\" is no program\n", text);
        return false;
    }
    stopper.chooser = (struct hipti_sim_chooser){stopper_choose, &stopper, true};
    for (limit = 1;; limit++) {
        stopper.limit = limit;
        (void)world_run(&stopper.chooser);
        if (world.sim->own_steps[0] < limit) {
            return true; /* it was done before */
        }
        stop->executions++;
        stop->places++;
        if (!stop_judge(stop, &program, limit)) {
            stop->violations++;
            printf("VIOLATION T4: with thread 0 stopped after %u steps: %s\n  program \"%s\"\n", limit,
                   world.violation[0] ? world.violation : "a call of thread 1 does not return", text);
            world_print();
            (void)hipti_replay_write(world.sim, schedule, sizeof(schedule));
            printf("replay: tools/explore --program \"%s\" --replay %s\n", text, schedule);
            return false;
        }
    }
}

/* The next word of a list with commas. => false: there is none. */
static bool next_word(const char **list, char *word, size_t bytes)
{
    size_t length = strcspn(*list, ",");

    if (length == 0 || length >= bytes) {
        return false;
    }
    memcpy(word, *list, length);
    word[length] = '\0';
    *list += length + ((*list)[length] == ',');
    return true;
}

static bool stop_scene(struct stop *stop, const struct scene *scene)
{
    const char *stopped = scene->stopped;
    char first[16];
    char lookups[64] = "";
    char text[PROGRAM_TEXT_MAX];
    char other[16];
    const char *list = scene->lookups;

    while (next_word(&list, other, sizeof(other))) {
        snprintf(lookups + strlen(lookups), sizeof(lookups) - strlen(lookups), " %s", other);
    }
    while (next_word(&stopped, first, sizeof(first))) {
        const char *others = scene->others;

        while (next_word(&others, other, sizeof(other))) {
            snprintf(text, sizeof(text), "%s %s | %s | %s%s%s%s", scene->geometry, scene->setup, first, other, lookups,
                     scene->cpu ? " | " : "", scene->cpu ? scene->cpu : "");
            if (!stop_program(stop, text)) {
                return false;
            }
        }
    }
    return true;
}

bool stop_all(struct stop *stop)
{
    size_t i;

    memset(stop, 0, sizeof(*stop));
    for (i = 0; i < sizeof(scenes) / sizeof(scenes[0]); i++) {
        if (!stop_scene(stop, &scenes[i])) {
            return false;
        }
    }
    return stop->places > 0;
}
