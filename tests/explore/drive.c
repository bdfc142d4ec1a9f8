/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L

#include "explore/drive.h"

#include <time.h>

#include "explore/oracle.h"
#include "explore/world.h"
#include "sim/choose.h"

enum { WARM_UP = 256, BYTES_LENGTH = 24, STATES_BITS = 21 };

static struct hipti_search search;
static struct hipti_seen_state states[(size_t)2 << STATES_BITS];
static struct hipti_seen seen = {.entries = states, .bits = STATES_BITS};

double drive_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static bool drive_open(struct drive *drive, const struct program *program)
{
    drive->is_cut = false;
    drive->is_broken = false;
    if (!world_open(program)) {
        return false;
    }
    return oracle_open();
}

/* => false: stop here, broken or cut. */
static bool execute(struct drive *drive, const struct hipti_sim_chooser *chooser)
{
    enum hipti_sim_end end = world_run(chooser);

    oracle_check(end);
    drive->executions++;
    drive->steps += world.sim->nsteps;
    drive->longest = world.sim->nsteps > drive->longest ? world.sim->nsteps : drive->longest;
    if (world.violation[0] != '\0') {
        drive->is_broken = true;
        (void)hipti_replay_write(world.sim, drive->schedule, sizeof(drive->schedule));
        return false;
    }
    if (drive->executions >= drive->executions_max ||
        (drive->deadline > 0 && drive->executions % 1024u == 0 && drive_now() > drive->deadline)) {
        drive->is_cut = true;
        return false;
    }
    return true;
}

/* A few random schedules show most conflicts, so that the search seldom has to begin again. */
static bool warm_up(struct drive *drive)
{
    struct hipti_pct pct;
    unsigned i;

    hipti_pct_init(&pct, 1, 3);
    for (i = 0; i < WARM_UP; i++) {
        hipti_pct_start(&pct);
        if (!execute(drive, &pct.chooser)) {
            return false;
        }
    }
    return true;
}

bool drive_search(struct drive *drive, const struct program *program)
{
    if (!drive_open(drive, program)) {
        return false;
    }
    if (!warm_up(drive)) {
        return true;
    }
    world.search = &search;
    do {
        world.sim->grew = false;
        hipti_search_init(&search, drive->bound, drive->is_plain ? NULL : &seen);
        do {
            if (!execute(drive, &search.chooser)) {
                return true;
            }
        } while (!world.sim->grew && hipti_search_next(&search));
    } while (world.sim->grew);
    drive->is_cut = search.is_cut;
    return true;
}

bool drive_pct(struct drive *drive, const struct program *program)
{
    struct hipti_pct pct;

    if (!drive_open(drive, program)) {
        return false;
    }
    hipti_pct_init(&pct, drive->seed, drive->depth);
    do {
        hipti_pct_start(&pct);
    } while (execute(drive, &pct.chooser));
    return true;
}

bool drive_bytes(struct drive *drive, const struct program *program)
{
    struct hipti_bytes bytes;
    uint8_t text[BYTES_LENGTH];
    uint64_t random = drive->seed * UINT64_C(0x9e3779b97f4a7c15) | 1u;
    unsigned i;

    if (!drive_open(drive, program)) {
        return false;
    }
    do {
        for (i = 0; i < BYTES_LENGTH; i++) {
            random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            text[i] = (uint8_t)((random >> 32) & (random >> 40 & 1u ? 0xffu : 0xcfu));
        }
        hipti_bytes_start(&bytes, text, sizeof(text));
    } while (execute(drive, &bytes.chooser));
    return true;
}

bool drive_replay(struct drive *drive, const struct program *program, const char *schedule)
{
    struct hipti_replay replay;

    if (!drive_open(drive, program)) {
        return false;
    }
    hipti_replay_start(&replay, schedule);
    (void)execute(drive, &replay.chooser);
    return true;
}
