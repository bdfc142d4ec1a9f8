/* SPDX-License-Identifier: MIT */
/*
 * Interleavings of insert and delete, and of the other verbs. The bytes choose a program as tests/explore knows them
 * and a schedule; one execution is held against all that tests/explore/oracle.h lists. What fails is printed step by
 * step, with the tools/explore command that shows it again.
 *
 *   byte 0       bit 0: two page sizes; 1: two bits of version; 2-3: bits of sequence; 4: a third thread; 5: no memory
 *                is to be had; 6: no grace period ends; 7: the rest of the bytes are the schedule, not a seed of it
 *   byte 1       what is mapped before
 *   then         the calls of each thread, two bytes for each, the last one marked; see call_take()
 *   then         bit 7 of byte 0 set: a schedule, as lib/sim/choose.h reads bytes
 *                otherwise: a byte, the depth of PCT, and four bytes, its seed
 *
 * A string of bytes can be minimised, and a seed finds more: PCT reaches most deep bugs ten and more times sooner. Both
 * are for programs that nobody thought of; all schedules of a small program are the matter of tools/explore.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bytes.h"
#include "explore/drive.h"
#include "explore/oracle.h"
#include "explore/program.h"
#include "explore/report.h"
#include "explore/world.h"
#include "sim/choose.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ADDRESS_SANITIZER 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define HAS_ADDRESS_SANITIZER 1
#endif
#ifdef HAS_ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#endif

/*
 * So few that an execution is short of HIPTI_SIM_STEPS, retries included, and that no more pages are mapped at once
 * than the model has room for.
 */
enum { CALLS_MAX = 6, STEPS_OF_A_CALL = 48, SETUPS = 8, GEOMETRIES = 16 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

/* --- what is mapped before --- */

/*
 * With one page size, and with two; the number of sequence bits is the least with which no call has to wait for a grace
 * period. All but the last have what a table takes when a first page is mapped, and a first frame shared: two blocks of
 * 64 KiB, which are slow to take in every execution.
 */
static const char *const setups[2][SETUPS] = {
    {"1/1/2 m15.15 m14.15 u14 u15 g |", "1/1/2 m15.15 m14.15 u14 u15 g m0.0 |", "1/1/2 m8.8 m9.8 m10.10 |",
     "1/1/2 m8.8 m9.8 m10.10 m11.11 |", "1/1/3 m8.8 m9.8 m10.10 m11.11 m0.0 |", "1/1/2 m15.15 u15 g m0.0 m1.0 |",
     "1/1/2 m15.15 m14.15 u14 u15 m0.0 x1 |", "1/1/2 |"},
    {"2/1/2 M4.4 M0.4 U4 U0 g |", "2/1/2 m15.15 m14.15 u14 u15 g M0.4 |", "2/1/2 m8.8 m9.8 m10.10 |",
     "2/1/2 M12.12 m8.8 m9.8 m10.10 |", "2/1/3 m8.8 m9.8 m10.10 m11.11 M0.0 |", "2/1/2 m15.15 u15 g m0.0 m1.0 |",
     "2/1/2 m15.15 m14.15 u14 u15 m0.0 x1 |", "2/1/2 |"},
};

/* The geometry and the setup. => which of SETUPS * GEOMETRIES it is. */
static unsigned geometry_take(struct program *program, uint8_t geometry, unsigned setup)
{
    static const unsigned sequence_bits[4] = {2, 3, 4, 6};
    static struct program parsed[2][SETUPS];
    unsigned bits = sequence_bits[geometry >> 2 & 3u];
    const char *wrong;

    if (parsed[0][0].nthreads == 0) {
        for (unsigned i = 0; i < 2u * SETUPS; i++) {
            REQUIRE(program_parse(setups[i / SETUPS][i % SETUPS], &parsed[i / SETUPS][i % SETUPS], &wrong));
        }
    }
    *program = parsed[geometry & 1u][setup];
    program->version_bits = 1u + (geometry >> 1 & 1u);
    program->sequence_bits = bits > program->sequence_bits ? bits : program->sequence_bits;
    program->is_scarce = geometry >> 5 & 1u;
    program->is_endless = geometry >> 6 & 1u;
    program->nthreads = 2u + (geometry >> 4 & 1u);
    return (geometry & (GEOMETRIES - 1u)) * SETUPS + setup;
}

/* --- the calls --- */

/*
 * What a call's two bytes say. The first: bits 0-3 the verb, 4-6 the page, 7 the last of its thread. The second: bits
 * 0-2 the frame, or how many pages, 3 the larger size, 4-7 the address space, nearly always the first.
 *
 * Page verbs act in the two spaces that are there at the beginning. Two more can be allocated, once each: the oracle
 * knows who has a space by its place in the program.
 */
static void call_take(struct call *call, unsigned what, unsigned which, unsigned sizes, unsigned *allocated)
{
    /* What a verb's text has, and no more: the program that is read from it must be the same. */
    static const struct {
        enum verb verb;
        bool has_page;
        bool has_frame;
        bool has_size;
    } verbs[16] = {{VERB_MAP, true, true, true},       {VERB_UNMAP, true, false, true},
                   {VERB_MAP, true, true, true},       {VERB_UNMAP, true, false, true},
                   {VERB_REMAP, true, true, true},     {VERB_PROTECT, true, false, true},
                   {VERB_LOOKUP, true, false, false},  {VERB_MARK, true, false, false},
                   {VERB_CLEAN, true, false, false},   {VERB_REAP, false, false, false},
                   {VERB_REVERSE, false, true, false}, {VERB_PIN, false, true, false},
                   {VERB_UNPIN, false, true, false},   {VERB_RETIRE, false, false, false},
                   {VERB_ALLOC, false, false, false},  {VERB_UNMAP_RANGE, true, false, false}};
    static const unsigned pages[8] = {0, 0, 0, 1, 1, 2, 8, 9};
    static const unsigned frames[8] = {0, 0, 1, 1, 2, 3, 8, 15};
    unsigned i = what & 15u;

    call->verb = verbs[i].verb;
    call->size = verbs[i].has_size && sizes > 1u && (which & 8u) ? 1u : 0u;
    call->vpn = verbs[i].has_page ? pages[what >> 4 & 7u] : 0;
    call->pfn = verbs[i].has_frame ? frames[which & 7u] : 0;
    call->asid = (verbs[i].has_page || call->verb == VERB_RETIRE) && which >> 4 >= 14u ? 1u : 0u;
    if (call->size) {
        call->vpn = call->vpn / 4u * 4u;
        call->pfn = verbs[i].has_frame ? 4u * (which & 3u) : 0;
    } else if (call->verb == VERB_UNMAP_RANGE) {
        call->pfn = 1u + (which & 3u);
    } else if (call->verb == VERB_ALLOC) {
        bool is_left = *allocated < 2u;

        call->verb = is_left ? VERB_ALLOC : VERB_WALK;
        call->asid = is_left ? 2u + (*allocated)++ : 0;
    }
}

static void calls_take(struct program *program, struct bytes *bytes)
{
    unsigned left = CALLS_MAX;
    unsigned allocated = 0;

    for (unsigned i = 0; i < program->nthreads; i++) {
        unsigned what = 0;

        while (left > program->nthreads - 1u - i && what < 128u) { /* one for each that is still to come */
            unsigned which;

            what = bytes_next(bytes);
            which = bytes_next(bytes);
            call_take(&program->calls[i][program->ncalls[i]++], what, which, program->sizes, &allocated);
            left--;
        }
    }
}

/* --- the schedule --- */

/*
 * Before each step somebody may be preempted, visible or not: which steps others can see is learned from executions,
 * and there is only this one.
 */
static enum hipti_sim_end run(struct bytes *bytes, bool is_schedule, unsigned ncalls)
{
    struct hipti_bytes schedule;
    struct hipti_pct pct;
    unsigned depth;
    uint64_t seed = 0;

    if (is_schedule) {
        hipti_bytes_start(&schedule, bytes->at, bytes->left);
        schedule.chooser.is_every_step = true;
        return world_run(&schedule.chooser);
    }
    depth = 1u + bytes_below(bytes, 4);
    for (unsigned i = 0; i < 4u; i++) {
        seed = seed << 8 | bytes_next(bytes);
    }
    hipti_pct_init(&pct, seed, depth);
    pct.chooser.is_every_step = true;
    pct.length = ncalls * STEPS_OF_A_CALL; /* about as long as most are */
    hipti_pct_start(&pct);
    return world_run(&pct.chooser);
}

/* The interleaving for a person, then the command, which is tried. Does not return. */
static void fail(struct program *program)
{
    static struct drive drive;
    static struct drive again;
    static struct program parsed;
    const char *wrong;
    bool is_shown;

    REQUIRE(program_write(program));
    REQUIRE(hipti_replay_write(world.sim, drive.schedule, sizeof(drive.schedule)));
    report_violation(&drive, program->text);
#ifdef HAS_ADDRESS_SANITIZER
    __asan_unpoison_memory_region(world.sim->stack, sizeof(world.sim->stack)); /* left in the middle of functions */
#endif
    again.executions_max = 1;
    is_shown = program_parse(program->text, &parsed, &wrong) && drive_replay(&again, &parsed, drive.schedule) &&
               again.is_broken;
    printf("the command shows %s: %s\n", is_shown ? "it again" : "NOTHING", world.violation);
    fflush(stdout);
    abort();
}

/* The setup is made once for each of them. */
static void open_world(const struct program *program, unsigned number)
{
    static struct world_image *images[SETUPS * GEOMETRIES];

    if (!images[number]) {
        REQUIRE(world_open(program));
        images[number] = world_keep();
        REQUIRE(images[number] != NULL);
    }
    world_open_kept(images[number], program);
    REQUIRE(oracle_open());
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    static struct program program;
    struct bytes choices = {bytes, count};
    uint8_t geometry = bytes_next(&choices);
    unsigned number = geometry_take(&program, geometry, bytes_below(&choices, SETUPS));
    unsigned ncalls;

    calls_take(&program, &choices);
    ncalls = program.ncalls[0] + program.ncalls[1] + program.ncalls[2];
    open_world(&program, number);
    oracle_check(run(&choices, geometry >> 7, ncalls));
    if (world.violation[0] != '\0') {
        fail(&program);
    }
    return 0;
}
