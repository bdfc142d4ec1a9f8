/* SPDX-License-Identifier: MIT */
#include "explore/soak.h"

#include <stdio.h>
#include <string.h>

#include "explore/drive.h"
#include "explore/groups.h"
#include "explore/program.h"
#include "sim/hash.h"

/* => program number @number of all groups, counted from 0. */
static const struct group *group_of(uint64_t *number)
{
    unsigned g = 0;

    while (*number >= group_programs(&groups[g])) {
        *number -= group_programs(&groups[g++]);
    }
    return &groups[g];
}

static uint64_t all_programs(void)
{
    uint64_t all = 0;
    unsigned g;

    for (g = 0; g < GROUPS; g++) {
        all += group_programs(&groups[g]);
    }
    return all;
}

/* => whether it goes on: no violation. */
static bool soak_one(struct drive *drive, const struct report_options *options, uint64_t random)
{
    uint64_t number = random % all_programs();
    const struct group *group = group_of(&number);
    struct program program;
    char text[PROGRAM_TEXT_MAX];
    const char *wrong;

    group_text(group, (unsigned)number, text, sizeof(text));
    drive->depth = 1u + (unsigned)(random >> 32) % options->depth;
    drive->seed = random;
    drive->executions_max = drive->executions + options->pct;
    if (!program_parse(text, &program, &wrong) || !drive_pct(drive, &program)) {
        printf("VIOLATION \"%s\" cannot be run\n", text);
        return false;
    }
    if (drive->is_broken) {
        report_violation(drive, text);
    }
    return !drive->is_broken;
}

bool soak_run(const struct report_options *options)
{
    static struct drive drive;
    uint64_t first = hipti_sim_hash(0, options->seed); /* other programs for the next seed */
    double began = drive_now();
    uint64_t programs = 0;
    bool is_well = true;

    memset(&drive, 0, sizeof(drive));
    drive.deadline = options->seconds > 0 ? began + options->seconds : 0;
    do {
        is_well = soak_one(&drive, options, hipti_sim_hash(first, programs));
        programs++;
    } while (is_well && drive_now() < drive.deadline);
    printf(options->is_json ? "{\"group\": \"soak\", \"programs\": %llu, \"of_them_pct\": %llu, \"steps\": %llu, "
                              "\"seconds\": %.1f, \"violations\": %u}\n"
                            : "soak: %llu programs, %llu schedules of PCT, %llu steps, %.1f s, %u violations\n",
           (unsigned long long)programs, (unsigned long long)drive.executions, (unsigned long long)drive.steps,
           drive_now() - began, is_well ? 0u : 1u);
    return is_well;
}
