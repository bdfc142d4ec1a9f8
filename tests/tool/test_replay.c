/* SPDX-License-Identifier: MIT */
/*
 * Replay: that its oracle refuses wrong answers, whichever way they are wrong, and accepts every right one; that a
 * table which was changed behind the oracle's back is found out; and that arguments and files are refused with exit
 * status 2.
 */
#define _POSIX_C_SOURCE 200809L

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "commands.h"
#include "replay_cpu.h"
#include "replay_load.h"
#include "replay_oracle.h"
#include "replay_run.h"
#include "replay_targets.h"
#include "report.h"

#define RW (HIPT_READ | HIPT_WRITE | HIPT_USER)
#define CPUS 4u /* at most, of any run here */
#define RX (HIPT_READ | HIPT_EXEC | HIPT_USER)

/*
 * Two spaces that share a library (frames 100 ..) and a huge page whose inside is also mapped by small ones; swap slots
 * shared by both; one page of 64 KiB.
 */
static struct mapping_run small_runs[] = {
    {.space = 0, .shift = 12, .vpn = 0x400, .pfn = 100, .npages = 64, .prot = RX},
    {.space = 0, .shift = 12, .vpn = 0x500, .pfn = 5000, .npages = 16, .prot = RW},
    {.space = 0, .shift = 12, .vpn = 0x600, .pfn = 9, .npages = 8, .prot = RW, .swap = true},
    {.space = 0, .shift = 21, .vpn = 0x10000, .pfn = 1024, .npages = 1, .prot = RW},
    {.space = 1, .shift = 12, .vpn = 0x400, .pfn = 120, .npages = 64, .prot = RX},
    {.space = 1, .shift = 12, .vpn = 0x700, .pfn = 12, .npages = 8, .prot = RW, .swap = true},
    {.space = 1, .shift = 16, .vpn = 0x8000, .pfn = 6000 / 16 * 16, .npages = 1, .prot = RW},
    {.space = 1, .shift = 12, .vpn = 0x9000, .pfn = 1030, .npages = 4, .prot = RW}};

static const struct mappings small = {
    .runs = small_runs, .count = sizeof(small_runs) / sizeof(small_runs[0]), .spaces = 2, .real_frames = true};

static struct population population;
static struct oracle oracle;
static struct targets targets;
static struct replay_result result;

static void load_small(unsigned writers)
{
    struct file_error error = {.text = ""};
    cr_assert_eq(population_load(&population, &small, writers, CPUS, 1, &error), 0, "%s", error.text);
    cr_assert_eq(oracle_init(&oracle, &population), 0);
}

static void unload(void)
{
    targets_free(&targets);
    oracle_free(&oracle);
    population_free(&population);
}

static uint32_t page_at(uint32_t space, uint64_t vpn)
{
    uint32_t page = population_find(&population, population.asids[space].number, vpn);
    cr_assert_neq(page, REPLAY_NONE);
    return page;
}

/* --- The oracle's judgement ------------------------------------------------------------------------------------- */

static const oracle_state home_rw = PLACE_HOME << 7 | RW << 3;
static const oracle_state home_r = PLACE_HOME << 7 | HIPT_READ << 3;
static const oracle_state spare_rw = PLACE_SPARE << 7 | RW << 3;

Test(tool_replay, oracle_at_rest_takes_one_answer)
{
    uint64_t word = oracle_word(8, home_rw, home_rw);
    cr_expect_eq(oracle_judge(word, word, home_rw), ORACLE_RIGHT);
    cr_expect_eq(oracle_judge(word, word, home_r), ORACLE_WRONG);
    cr_expect_eq(oracle_judge(word, word, spare_rw), ORACLE_WRONG);
    cr_expect_eq(oracle_judge(word, word, ORACLE_ABSENT), ORACLE_WRONG);
    cr_expect_eq(oracle_judge(word, word, ORACLE_ALIEN), ORACLE_WRONG);
}

Test(tool_replay, oracle_at_rest_unmapped_takes_absent_only)
{
    uint64_t word = oracle_word(2, ORACLE_ABSENT, ORACLE_ABSENT);
    cr_expect_eq(oracle_judge(word, word, ORACLE_ABSENT), ORACLE_RIGHT);
    cr_expect_eq(oracle_judge(word, word, home_rw), ORACLE_WRONG);
}

Test(tool_replay, oracle_between_two_states_takes_both_and_no_third)
{
    uint64_t rest = oracle_word(4, home_rw, home_rw), odd = oracle_word(5, home_rw, spare_rw);
    uint64_t done = oracle_word(6, spare_rw, spare_rw);
    const uint64_t intervals[][2] = {{rest, odd}, {odd, odd}, {odd, done}, {rest, done}};
    for (size_t i = 0; i < 4; i++) {
        cr_expect_eq(oracle_judge(intervals[i][0], intervals[i][1], home_rw), ORACLE_RIGHT, "interval %zu", i);
        cr_expect_eq(oracle_judge(intervals[i][0], intervals[i][1], spare_rw), ORACLE_RIGHT, "interval %zu", i);
        cr_expect_eq(oracle_judge(intervals[i][0], intervals[i][1], home_r), ORACLE_WRONG, "interval %zu", i);
        cr_expect_eq(oracle_judge(intervals[i][0], intervals[i][1], ORACLE_ABSENT), ORACLE_WRONG, "interval %zu", i);
    }
}

Test(tool_replay, oracle_does_not_judge_long_intervals)
{
    uint64_t before = oracle_word(4, home_rw, home_rw), after = oracle_word(8, home_r, home_r);
    cr_expect_eq(oracle_judge(before, after, spare_rw), ORACLE_UNCHECKED);
    cr_expect_eq(oracle_judge(before, after, ORACLE_ALIEN), ORACLE_WRONG, "no state of the page at any time");
}

Test(tool_replay, oracle_counts_over_the_end_of_the_sequence)
{
    uint64_t before = oracle_word(UINT32_MAX, home_rw, home_r), after = oracle_word(0, home_r, home_r);
    cr_expect_eq(oracle_judge(before, after, home_rw), ORACLE_RIGHT);
    cr_expect_eq(oracle_judge(before, after, spare_rw), ORACLE_WRONG);
}

Test(tool_replay, oracle_follows_its_writer)
{
    load_small(1);
    uint32_t page = page_at(0, 0x500);
    uint64_t rest = atomic_load(&oracle.words[page]);
    oracle_begin(&oracle, page, home_r);
    uint64_t odd = atomic_load(&oracle.words[page]);
    cr_expect_eq(oracle_judge(rest, odd, home_r), ORACLE_RIGHT);
    cr_expect_eq(oracle_judge(odd, odd, home_rw), ORACLE_RIGHT);
    oracle_end(&oracle, page, false);
    uint64_t failed = atomic_load(&oracle.words[page]);
    cr_expect_eq(oracle_judge(failed, failed, home_rw), ORACLE_RIGHT);
    cr_expect_eq(oracle_judge(failed, failed, home_r), ORACLE_WRONG, "a change that was not made");
    oracle_begin(&oracle, page, home_r);
    oracle_end(&oracle, page, true);
    uint64_t made = atomic_load(&oracle.words[page]);
    cr_expect_eq(oracle_judge(made, made, home_r), ORACLE_RIGHT);
    cr_expect_eq(oracle_judge(made, made, home_rw), ORACLE_WRONG, "a change that was made");
    unload();
}

Test(tool_replay, oracle_knows_its_states_again)
{
    load_small(2);
    for (uint32_t page = 0; page < population.count; page++) {
        unsigned first, end;
        spare_class(population.home[page].page.size, &first, &end);
        oracle_state states[] = {oracle_state_make(PLACE_HOME, RX, 5), oracle_state_make(PLACE_SPARE + first, RW, 2),
                                 oracle_state_make(PLACE_SPARE + end - 1, HIPT_READ, 7)};
        for (size_t i = 0; i < 3; i++) {
            struct hipt_mapping mapping = oracle_decode(&oracle, page, states[i]);
            cr_assert_eq(oracle_encode(&oracle, page, &mapping), states[i], "page %u state %zu", page, i);
        }
    }
    unload();
}

Test(tool_replay, oracle_takes_no_other_mapping_for_the_page)
{
    load_small(2);
    uint32_t page = page_at(0, 0x500);
    for (unsigned i = 0; i < 9; i++) {
        struct hipt_mapping mapping = population.home[page];
        uint64_t foreign = spare_pfn(&population, 1 - oracle_writer(&oracle, page), 3);
        mapping.page.asid += i == 0;
        mapping.page.vpn += i == 1;
        mapping.page.size += i == 2;
        mapping.pfn += i == 3;
        mapping.swap = i == 4;
        mapping.marks = i == 5 ? HIPT_DIRTY : 0;
        mapping.attr = i == 6 ? HIPT_ATTR_MAX + 1 : 0;
        mapping.prot = i == 7 ? 0x1f : mapping.prot;
        mapping.pfn = i == 8 ? foreign : mapping.pfn;
        cr_expect_eq(oracle_encode(&oracle, page, &mapping), ORACLE_ALIEN, "difference %u", i);
    }
    unload();
}

/* --- Reverse judgement ------------------------------------------------------------------------------------------ */

struct reverse_case {
    struct oracle_reverse reverse;
    uint32_t pages[8];
    uint64_t before[8], after[8];
    uint8_t seen[8];
    struct hipt_mapping reports[8];
};

/* Frame 130: mapped by both spaces' library. Everything as it should be. */
static void make_case(struct reverse_case *c)
{
    struct hipt_frame frame = {.pfn = 130};
    *c = (struct reverse_case){.reverse = {.frame = frame, .place = PLACE_HOME}};
    c->reverse.npages = population_sharers(&population, frame, c->pages, 8);
    cr_assert_eq(c->reverse.npages, 2);
    for (size_t i = 0; i < 2; i++) {
        c->before[i] = c->after[i] = atomic_load(&oracle.words[c->pages[i]]);
        c->reports[i] = population.home[c->pages[i]];
    }
    c->reverse.nreports = 2;
}

static enum oracle_verdict judge_case(struct reverse_case *c, size_t *report, size_t *missing)
{
    struct oracle_tally tally = {0};
    c->reverse.pages = c->pages;
    c->reverse.before = c->before;
    c->reverse.after = c->after;
    c->reverse.seen = c->seen;
    c->reverse.reports = c->reports;
    return oracle_judge_reverse(&oracle, &c->reverse, &tally, report, missing);
}

Test(tool_replay, reverse_accepts_what_is_there_in_any_order)
{
    struct reverse_case c;
    size_t report, missing;
    load_small(1);
    make_case(&c);
    cr_expect_eq(judge_case(&c, &report, &missing), ORACLE_RIGHT);
    struct hipt_mapping first = c.reports[0];
    c.reports[0] = c.reports[1];
    c.reports[1] = first;
    cr_expect_eq(judge_case(&c, &report, &missing), ORACLE_RIGHT);
    unload();
}

Test(tool_replay, reverse_refuses_an_omission)
{
    struct reverse_case c;
    size_t report, missing;
    load_small(1);
    make_case(&c);
    c.reverse.nreports = 1;
    cr_expect_eq(judge_case(&c, &report, &missing), ORACLE_WRONG);
    cr_expect_eq(missing, 1);
    c.reverse.nreports = 0;
    cr_expect_eq(judge_case(&c, &report, &missing), ORACLE_WRONG);
    cr_expect_eq(missing, 0);
    unload();
}

/* A page that is being protected is mapped all the time, one that is being unmapped is not. */
Test(tool_replay, reverse_tells_protect_from_unmap)
{
    struct reverse_case c;
    size_t report, missing;
    load_small(1);
    make_case(&c);
    oracle_state home = oracle_after(c.before[1]);
    c.reverse.nreports = 1;
    c.after[1] = oracle_word(1, home, home_r);
    cr_expect_eq(judge_case(&c, &report, &missing), ORACLE_WRONG);
    c.after[1] = oracle_word(1, home, ORACLE_ABSENT);
    cr_expect_eq(judge_case(&c, &report, &missing), ORACLE_RIGHT);
    c.after[1] = oracle_word(9, home, home);
    cr_expect_eq(judge_case(&c, &report, &missing), ORACLE_RIGHT, "it may have been away");
    unload();
}

Test(tool_replay, reverse_refuses_wrong_reports)
{
    struct reverse_case c;
    size_t report, missing;
    load_small(1);
    for (unsigned i = 0; i < 6; i++) {
        make_case(&c);
        switch (i) {
        case 0: /* a page of another frame */
            c.reports[1] = population.home[page_at(0, 0x500)];
            break;
        case 1: /* a page that was never mapped */
            c.reports[1].page.vpn = 0xfffff;
            break;
        case 2: /* an old protection */
            c.reports[1].prot = HIPT_READ;
            break;
        case 3: /* the same page twice */
            c.reports[1] = c.reports[0];
            c.reverse.npages = 1;
            break;
        case 4: /* the right page, at a frame of its own */
            c.reports[1].pfn = spare_pfn(&population, 0, 0);
            break;
        default: /* a page that rests unmapped */
            c.before[1] = c.after[1] = oracle_word(2, ORACLE_ABSENT, ORACLE_ABSENT);
            break;
        }
        cr_expect_eq(judge_case(&c, &report, &missing), ORACLE_WRONG, "report %u", i);
        cr_expect_eq(report, 1, "report %u", i);
    }
    unload();
}

/* --- Loading ---------------------------------------------------------------------------------------------------- */

Test(tool_replay, ranges_close_small_holes_only)
{
    struct mapping_run runs[] = {
        {.shift = 12, .pfn = 5000, .npages = 10},    {.shift = 12, .pfn = 10, .npages = 10},
        {.shift = 12, .pfn = 15, .npages = 20},      {.shift = 12, .pfn = 15, .npages = 1, .swap = true},
        {.shift = 12, .pfn = 35 + 63, .npages = 1},  {.shift = 21, .pfn = 512, .npages = 2},
        {.shift = 12, .pfn = 1536 + 64, .npages = 1}};
    const struct mappings mappings = {.runs = runs, .count = 7, .spaces = 1};
    const struct hipt_range want[] = {{.first = 10, .count = 89},
                                      {.first = 512, .count = 1024},
                                      {.first = 1600, .count = 1},
                                      {.first = 5000, .count = 10},
                                      {.first = 15, .count = 1, .swap = true}};
    struct hipt_range *ranges;
    uint64_t frames;
    cr_assert_eq(ranges_cover(&mappings, &ranges, &frames), 5);
    for (size_t i = 0; i < 5; i++) {
        cr_expect(
            ranges[i].first == want[i].first && ranges[i].count == want[i].count && ranges[i].swap == want[i].swap,
            "range %zu: %llu + %llu", i, (unsigned long long)ranges[i].first, (unsigned long long)ranges[i].count);
    }
    cr_expect_eq(frames, 25 + 1 + 1024 + 1 + 10 + 1);
    free(ranges);
}

Test(tool_replay, loading_fills_table_and_arrays_alike)
{
    load_small(1);
    cr_expect_eq(population.count, 166);
    cr_expect_eq(population.stats.mappings, 166);
    cr_expect_eq(population.most_sharers, 2);
    cr_expect_eq(population.shared, 44 + 5);
    cr_expect_eq(population_find(&population, population.asids[0].number, 0x440), REPLAY_NONE);
    cr_expect_eq(page_at(0, 0x10000), page_at(0, 0x101ff));
    uint32_t pages[4];
    cr_expect_eq(population_sharers(&population, (struct hipt_frame){.pfn = 1031}, pages, 4), 2, "huge and small");
    cr_expect_eq(population_sharers(&population, (struct hipt_frame){.pfn = 13, .swap = true}, pages, 4), 2);
    cr_expect_eq(population_sharers(&population, (struct hipt_frame){.pfn = 13}, pages, 4), 0);
    cr_expect(replay_compare(&population, &oracle, &result), "%s", result.text);
    unload();
}

Test(tool_replay, spares_do_not_meet)
{
    load_small(3);
    uint64_t *first_last = calloc(2 * 3 * SPARES, sizeof(*first_last));
    for (unsigned i = 0; i < 3 * SPARES; i++) {
        unsigned spare = i % SPARES;
        uint64_t span = spare < SPARES_4K ? 1 : spare < SPARES_4K + SPARES_64K ? 16 : 512;
        uint64_t pfn = spare_pfn(&population, i / SPARES, spare);
        cr_assert_eq(pfn % span, 0);
        cr_assert_eq(spare_number(&population, i / SPARES, pfn), spare);
        cr_assert(pfn >= population.spare_first && pfn + span <= population.spare_first + 3 * SPARE_AREA);
        first_last[2 * i] = pfn;
        first_last[2 * i + 1] = pfn + span - 1;
        for (unsigned j = 0; j < i; j++) {
            cr_assert(first_last[2 * j + 1] < pfn || first_last[2 * j] > pfn + span - 1, "%u and %u", i, j);
        }
    }
    free(first_last);
    unload();
}

Test(tool_replay, loading_refuses_what_no_table_holds)
{
    struct mapping_run run = {
        .shift = 12, .vpn = 1, .pfn = (UINT64_C(1) << HIPT_PFN_BITS) - 1, .npages = 1, .prot = RW};
    struct mappings mappings = {.runs = &run, .count = 1, .spaces = 1};
    struct file_error error;
    cr_expect_neq(population_load(&population, &mappings, 1, 1, 1, &error), 0);
    cr_expect_not_null(strstr(error.text, "no room"), "%s", error.text);
    population_free(&population);
    run.pfn = 1;
    run.shift = 14;
    cr_expect_neq(population_load(&population, &mappings, 1, 1, 1, &error), 0);
    population_free(&population);
    mappings.count = 0;
    cr_expect_neq(population_load(&population, &mappings, 1, 1, 1, &error), 0);
    population_free(&population);
}

/* --- Targets ---------------------------------------------------------------------------------------------------- */

Test(tool_replay, sweep_visits_every_mapping_once)
{
    struct file_error error;
    load_small(1);
    cr_assert_eq(targets_sweep(&targets, &population, 7, &error), 0);
    uint8_t *seen = calloc(population.count, 1);
    size_t in_order = 0;
    cr_assert_eq(targets.count, population.count);
    for (uint32_t i = 0; i < population.count; i++) {
        const struct target *target = &targets.pages[targets.sequence[i]];
        cr_assert_eq(seen[target->page]++, 0);
        cr_assert_eq(population_find(&population, target->asid, target->vpn), target->page);
        in_order += targets.sequence[i] == i;
    }
    cr_expect_lt(in_order, population.count / 4);
    free(seen);
    unload();
}

static const char *write_temporary(const void *bytes, size_t count)
{
    static char path[] = "/tmp/hipt-test-XXXXXX";
    memcpy(path + sizeof(path) - 7, "XXXXXX", 6);
    int file = mkstemp(path);
    cr_assert_geq(file, 0);
    cr_assert_eq(write(file, bytes, count), (ssize_t)count);
    close(file);
    return path;
}

Test(tool_replay, trace_goes_to_the_space_that_maps_most_of_it)
{
    static const char trace[] = "==1== Lackey\n"
                                "I  00700010,3\n" /* space 1 */
                                " L 00702ffe,4\n" /* two pages of space 1 */
                                " S 00500008,8\n" /* space 0 */
                                " M 7ff000000,8\n" /* nobody's */;
    struct file_error error = {.text = ""};
    load_small(1);
    const char *path = write_temporary(trace, sizeof(trace) - 1);
    cr_assert_eq(targets_trace(&targets, &population, path, &error), 0, "%s", error.text);
    unlink(path);
    cr_expect_eq(targets.count, 5);
    cr_expect_eq(targets.npages, 5);
    cr_expect_eq(targets.space, 1);
    cr_expect_eq(targets.mapped, 3);
    cr_expect_eq(targets.pages[targets.sequence[2]].page, page_at(1, 0x703));
    cr_expect_eq(targets.pages[targets.sequence[3]].page, REPLAY_NONE);
    unload();
}

/* --- Accesses through a cache ------------------------------------------------------------------------------------ */

static struct replay_cpu cpu;

/* As a CPU would make it, with words that the test chooses. */
static enum replay_access_verdict judge_access(struct replay_access access, uint64_t before, uint64_t now)
{
    access.before = before;
    access.now = now;
    return replay_access_judge(&oracle, &access);
}

/* What a CPU gets of a page that is at its home. */
static struct replay_access access_home(uint32_t page, uint8_t kind)
{
    const struct hipt_mapping *home = &population.home[page];
    struct replay_access access = {.target = {.vpn = home->page.vpn, .asid = home->page.asid, .page = page},
                                   .kind = kind};
    replay_cpu_access(&cpu, &oracle, &access);
    return access;
}

Test(tool_replay, access_is_judged_by_what_the_page_is_now)
{
    uint64_t rest = oracle_word(4, home_rw, home_rw), moving = oracle_word(5, home_rw, spare_rw);
    uint64_t moved = oracle_word(6, spare_rw, spare_rw), gone = oracle_word(6, ORACLE_ABSENT, ORACLE_ABSENT);
    uint64_t narrowing = oracle_word(5, home_rw, home_r), narrowed = oracle_word(6, home_r, home_r);
    load_small(1);
    cr_assert_eq(replay_cpu_attach(&cpu, &population, 0), HIPT_OK);
    struct replay_access read = access_home(page_at(0, 0x500), HIPT_READ);
    struct replay_access write = access_home(page_at(0, 0x500), HIPT_WRITE);
    replay_cpu_detach(&cpu);
    cr_assert_eq(read.status, HIPT_OK);
    cr_assert_eq(write.status, HIPT_OK);
    cr_expect_eq(judge_access(read, rest, rest), ACCESS_RIGHT);
    cr_expect_eq(judge_access(read, rest, moving), ACCESS_RIGHT, "its end is not over yet");
    cr_expect_eq(judge_access(read, rest, moved), ACCESS_STALE);
    cr_expect_eq(judge_access(read, rest, gone), ACCESS_STALE);
    cr_expect_eq(judge_access(write, rest, narrowing), ACCESS_RIGHT);
    cr_expect_eq(judge_access(write, rest, narrowed), ACCESS_STALE, "it may be read, not written");
    cr_expect_eq(judge_access(read, rest, narrowed), ACCESS_RIGHT);
    read.got.pfn++;
    cr_expect_eq(judge_access(read, rest, rest), ACCESS_WRONG, "no frame of this page");
    unload();
}

Test(tool_replay, refusal_is_judged_by_what_the_page_was_meanwhile)
{
    uint64_t rest = oracle_word(4, home_rw, home_rw), going = oracle_word(5, home_rw, ORACLE_ABSENT);
    uint64_t narrowed = oracle_word(6, home_r, home_r), later = oracle_word(8, home_rw, home_rw);
    load_small(1);
    struct replay_access access = {.target = {.page = page_at(0, 0x500)}, .kind = HIPT_WRITE, .status = HIPT_ABSENT};
    cr_expect_eq(judge_access(access, rest, rest), ACCESS_WRONG);
    cr_expect_eq(judge_access(access, rest, going), ACCESS_RIGHT);
    cr_expect_eq(judge_access(access, rest, later), ACCESS_UNCHECKED, "it may have been absent in between");
    access.status = HIPT_DENIED;
    cr_expect_eq(judge_access(access, rest, rest), ACCESS_WRONG);
    cr_expect_eq(judge_access(access, rest, narrowed), ACCESS_RIGHT);
    access.status = HIPT_BUSY;
    cr_expect_eq(judge_access(access, rest, rest), ACCESS_WRONG, "nobody was changing it");
    cr_expect_eq(judge_access(access, rest, going), ACCESS_UNCHECKED);
    access.status = HIPT_NOMEM;
    cr_expect_eq(judge_access(access, rest, rest), ACCESS_WRONG);
    access.target.page = page_at(0, 0x601);
    access.status = HIPT_ABSENT;
    cr_expect_eq(judge_access(access, rest, rest), ACCESS_RIGHT, "a swap slot is no frame");
    unload();
}

/* The page moves by the oracle only, as if its shootdown had been forgotten. */
Test(tool_replay, access_from_a_cache_that_was_not_told_is_stale)
{
    load_small(1);
    uint32_t page = page_at(0, 0x500);
    cr_assert_eq(replay_cpu_attach(&cpu, &population, 0), HIPT_OK);
    (void)access_home(page, HIPT_READ);
    struct replay_access right = access_home(page, HIPT_READ);
    oracle_begin(&oracle, page, spare_rw);
    oracle_end(&oracle, page, true);
    struct replay_access stale = access_home(page, HIPT_READ);
    replay_cpu_detach(&cpu);
    cr_expect(right.got.is_hit);
    cr_expect_eq(replay_access_judge(&oracle, &right), ACCESS_RIGHT);
    cr_expect_eq(replay_access_judge(&oracle, &stale), ACCESS_STALE);
    unload();
}

/* --- Runs ------------------------------------------------------------------------------------------------------- */

static bool run_small(unsigned readers, unsigned writers, double seconds)
{
    const struct replay_options options = {.readers = readers, .writers = writers, .seconds = seconds, .seed = 3};
    struct file_error error;
    cr_assert_eq(targets_sweep(&targets, &population, 3, &error), 0);
    bool right = replay_run(&population, &oracle, &targets, &options, &result);
    cr_assert_not(result.failed, "%s", result.text);
    return right;
}

Test(tool_replay, run_finds_nothing_wrong_with_a_right_table)
{
    load_small(2);
    cr_assert(run_small(2, 2, 0.4), "%s", result.text);
    for (unsigned i = 0; i < CHANGES; i++) {
        cr_expect_gt(result.changes[i], 0, "change %u", i);
    }
    cr_expect_gt(result.lookups, 0);
    cr_expect_gt(result.reverses, 0);
    cr_expect_gt(result.recent, 0);
    cr_expect_gt(result.reaped, 0);
    cr_expect_gt(result.checked, result.unchecked);
    cr_expect_eq(result.final_frames, population.records);
    cr_expect_gt(result.cpu.hits, 0);
    cr_expect_gt(result.cpu.translations, result.cpu.hits);
    cr_expect_gt(result.cpu.walks, 0);
    cr_expect_gt(result.cpu.rounds, 0);
    cr_expect_gt(result.cpu.kicks, 0);
    cr_expect_gt(result.cpu.ranges, 0);
    cr_expect_gt(result.cpu.forgotten, 0);
    cr_expect_eq(result.cpu.stale, 0);
    unload();
}

/* Each tampering changes the table, but not what the oracle believes; the run must say so. */
static void require_caught(const char *what, const char *words)
{
    cr_expect_not(run_small(1, 0, 5), "%s: not noticed", what);
    cr_expect(result.mismatch, "%s", what);
    cr_expect_lt(result.seconds, 4, "%s: noticed by the comparison at the end only", what);
    cr_expect_not_null(strstr(result.text, words), "%s: %s", what, result.text);
    unload();
}

Test(tool_replay, run_notices_a_frame_that_was_swapped)
{
    load_small(0);
    struct hipt_mapping mapping = population.home[page_at(0, 0x500)];
    mapping.pfn = 5015;
    cr_assert_eq(hipt_remap(population.table, &mapping, NULL), HIPT_OK);
    require_caught("remap", "got ");
}

Test(tool_replay, run_notices_a_protection_that_was_changed)
{
    load_small(0);
    cr_assert_eq(hipt_protect(population.table, &population.home[page_at(1, 0x8000)].page, HIPT_READ), HIPT_OK);
    require_caught("protect", "prot 1");
}

Test(tool_replay, run_notices_a_mapping_that_is_gone)
{
    load_small(0);
    cr_assert_eq(hipt_unmap(population.table, &population.home[page_at(1, 0x701)].page, NULL), HIPT_OK);
    require_caught("unmap", "legal");
}

/* The end must be compared even where no reader happened to ask. */
static void require_found_at_the_end(const char *what)
{
    memset(&result, 0, sizeof(result));
    cr_expect_not(replay_compare(&population, &oracle, &result), "%s: not noticed", what);
    cr_expect(result.mismatch && strstr(result.text, "at the end") != NULL, "%s: %s", what, result.text);
    unload();
}

Test(tool_replay, comparison_notices_a_mapping_too_many)
{
    load_small(0);
    struct hipt_mapping mapping = population.home[page_at(0, 0x500)];
    mapping.page.vpn = 0x2000;
    cr_assert_eq(hipt_map(population.table, &mapping), HIPT_OK);
    require_found_at_the_end("map");
}

Test(tool_replay, comparison_notices_a_mapping_too_few)
{
    load_small(0);
    cr_assert_eq(hipt_unmap(population.table, &population.home[page_at(0, 0x10000)].page, NULL), HIPT_OK);
    require_found_at_the_end("unmap");
}

Test(tool_replay, comparison_notices_a_mapping_that_should_be_gone)
{
    load_small(0);
    oracle_begin(&oracle, page_at(0, 0x601), ORACLE_ABSENT);
    oracle_end(&oracle, page_at(0, 0x601), true);
    require_found_at_the_end("oracle");
}

/* --- The report ------------------------------------------------------------------------------------------------- */

Test(tool_replay, poisson_is_a_distribution)
{
    double buckets = 0, mappings = 0;
    for (unsigned i = 0; i < 33; i++) {
        buckets += report_poisson(2800, 1000, i);
        mappings += i * report_poisson(2800, 1000, i);
    }
    cr_expect_lt(fabs(buckets - 1000), 0.001);
    cr_expect_lt(fabs(mappings - 2800), 0.001);
    cr_expect_lt(fabs(report_poisson(2800, 1000, 0) - 1000 * exp(-2.8)), 0.001);
}

Test(tool_replay, json_strings_are_quoted)
{
    char *text;
    size_t size;
    FILE *file = open_memstream(&text, &size);
    report_json_string(file, "a\"b\\c\nd\001");
    fclose(file);
    cr_expect_str_eq(text, "\"a\\\"b\\\\c\\u000ad\\u0001\"");
    free(text);
}

/* --- The command ------------------------------------------------------------------------------------------------ */

static int run_command(const char *const *words)
{
    char *argv[16] = {0};
    int argc = 0, status;
    while (words[argc] != NULL) {
        argv[argc] = strdup(words[argc]);
        argc++;
    }
    cr_assert_not_null(freopen("/dev/null", "w", stderr));
    status = replay_main(argc, argv);
    for (int i = 0; i < argc; i++) {
        free(argv[i]);
    }
    return status;
}

Test(tool_replay, wrong_usage_is_refused)
{
    static const char *const cases[][5] = {{"replay", "--what"},
                                           {"replay", "--readers"},
                                           {"replay", "--readers", "0"},
                                           {"replay", "--readers", "257"},
                                           {"replay", "--writers", "-1"},
                                           {"replay", "--writers", "1x"},
                                           {"replay", "--seconds", "0"},
                                           {"replay", "--seconds", "nan"},
                                           {"replay", "--seconds", "1s"},
                                           {"replay", "--seed", "99999999999999999999"},
                                           {"replay", "--live", "--mappings", "x"},
                                           {"replay", "--mappings", "/nonexistent"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        cr_expect_eq(run_command(cases[i]), 2, "case %zu", i);
    }
}

static const char *write_small(void)
{
    char *bytes;
    size_t size;
    FILE *file = open_memstream(&bytes, &size);
    cr_assert_eq(mappings_write(file, &small), 0);
    fclose(file);
    const char *path = write_temporary(bytes, size);
    free(bytes);
    return path;
}

Test(tool_replay, command_runs_on_a_file)
{
    const char *path = write_small();
    char output[] = "/tmp/hipt-report-XXXXXX", text[16384];
    static const char *const figures[] = {"\"hit_rate\": ", "\"walks\": ", "\"rounds\": ", "\"kicks\": "};
    int file = mkstemp(output);
    cr_assert_not_null(freopen(output, "w", stdout));
    const char *const words[] = {"replay", "--mappings", path, "--seconds", "0.1", "--writers", "2", "--json", NULL};
    cr_expect_eq(run_command(words), 0);
    ssize_t length = read(file, text, sizeof(text) - 1);
    cr_assert_gt(length, 0);
    text[length] = '\0';
    cr_expect_not_null(strstr(text, "\"mappings\": 166"), "%s", text);
    cr_expect_not_null(strstr(text, "\"final_mappings\": "), "%s", text);
    for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++) {
        const char *figure = strstr(text, figures[i]);
        cr_assert_not_null(figure, "%s: %s", figures[i], text);
        cr_expect_gt(strtod(figure + strlen(figures[i]), NULL), 0, "%s: %s", figures[i], text);
    }
    cr_expect_not_null(strstr(text, "\"stale_translations\": 0\n"), "%s", text);
    close(file);
    unlink(output);
    unlink(path);
}

Test(tool_replay, truncated_file_is_refused)
{
    const char *path = write_small();
    cr_assert_eq(truncate(path, 40), 0);
    const char *const words[] = {"replay", "--mappings", path, NULL};
    cr_expect_eq(run_command(words), 2);
    unlink(path);
}

Test(tool_replay, drawing_needs_gnuplot)
{
    const char *path = write_small();
    const char *const words[] = {"replay", "--mappings", path, "--seconds", "0.1", "--svg", "/nonexistent/x", NULL};
    setenv("PATH", "/nonexistent", 1);
    cr_expect_not(report_can_draw());
    cr_expect_eq(run_command(words), 2);
    unlink(path);
}

/* Said before the run, and nothing is left behind where it fails later. */
Test(tool_replay, a_picture_that_cannot_be_written)
{
    const char *path = write_small();
    char svg[] = "/tmp/hipt-picture-XXXXXX";
    const char *const nowhere[] = {"replay", "--mappings", path, "--seconds", "0.1", "--svg", "/nonexistent/x", NULL};
    const char *const somewhere[] = {"replay", "--mappings", path, "--seconds", "0.1", "--svg", svg, NULL};
    int file = mkstemp(svg);

    cr_assert_geq(file, 0);
    cr_assert(close(file) == 0 && unlink(svg) == 0);
    cr_expect_eq(run_command(nowhere), 2);
    cr_assert_eq(truncate(path, 40), 0);
    cr_expect_eq(run_command(somewhere), 2);
    cr_expect_eq(access(svg, F_OK), -1);
    unlink(path);
}
