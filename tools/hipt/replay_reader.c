/* SPDX-License-Identifier: MIT */
/*
 * A reader asks in bunches: it loads the oracle's words of all pages of the bunch, asks hipt with the clock running and
 * nothing else between the questions, loads the words again, and judges.
 */
#define _POSIX_C_SOURCE 200809L

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "replay_crew.h"

#define LOOKUPS 64u    /* in a bunch: the two readings of the clock cost less than one of the lookups */
#define REVERSES 16u   /* likewise */
#define SLACK 8u       /* reports beyond the candidates: a page that moves meanwhile may be met twice */
#define ENOUGH 512u    /* candidates of a bunch: frames that many share would leave no time for anything else */
#define IDLE_EVERY 31u /* rounds; prime to the kinds of rounds */
#define POOL 4096u     /* candidates of a bunch, where the most that one frame can have is less */

struct reverse_probe {
    struct hipt_frame frame;
    size_t first, npages; /* candidates, in the pools */
    size_t report, room;  /* reports, in theirs */
    size_t count;
    unsigned place;
    enum hipt_status status;
};

struct reader {
    struct crew *crew;
    struct replay_cpu *cpu;
    struct replay_result *mine;
    uint64_t random;
    uint64_t next; /* in the sequence */
    struct target probes[LOOKUPS];
    uint64_t before[LOOKUPS];
    struct hipt_page pages[LOOKUPS];
    struct hipt_translation answers[LOOKUPS];
    enum hipt_status statuses[LOOKUPS];
    struct reverse_probe reverses[REVERSES];
    size_t pool; /* room of the next four */
    uint32_t *candidates;
    uint64_t *words_before, *words_after;
    uint8_t *seen;
    struct hipt_mapping *reports; /* pool + REVERSES * SLACK */
};

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static uint64_t word_of(const struct reader *reader, uint32_t page)
{
    return atomic_load_explicit(&reader->crew->oracle->words[page], memory_order_acquire);
}

static struct target next_target(struct reader *reader)
{
    const struct targets *targets = reader->crew->targets;
    struct target target = targets->pages[targets->sequence[reader->next]];
    reader->next = reader->next + 1 < targets->count ? reader->next + 1 : 0;
    return target;
}

/* A page that some writer has just changed, where there is one. */
static struct target recent_target(struct reader *reader)
{
    const struct population *population = reader->crew->population;
    uint32_t page = REPLAY_NONE;
    if (population->writers != 0) {
        uint64_t slot = replay_random(&reader->random) % (population->writers * RECENT);
        page = atomic_load_explicit(&reader->crew->recent[slot], memory_order_relaxed);
    }
    if (page == REPLAY_NONE) {
        return next_target(reader);
    }
    const struct hipt_page *home = &population->home[page].page;
    uint64_t inside = replay_random(&reader->random) % population_span(population, home->size);
    return (struct target){.vpn = home->vpn + inside, .asid = home->asid, .page = page};
}

static void wrong_lookup(struct reader *reader, unsigned i, uint64_t after)
{
    const struct target *probe = &reader->probes[i];
    char got[160], was[160] = "not mapped", is[160] = "not mapped";
    struct hipt_mapping mapping;
    if (reader->statuses[i] == HIPT_OK) {
        replay_describe(&reader->answers[i].mapping, got, sizeof(got));
    } else {
        snprintf(got, sizeof(got), "\"%s\"", hipt_strerror(reader->statuses[i]));
    }
    if (probe->page != REPLAY_NONE) {
        oracle_state first = (oracle_state)(reader->before[i] >> 16), last = oracle_after(after);
        if (first != ORACLE_ABSENT) {
            mapping = oracle_decode(reader->crew->oracle, probe->page, first);
            replay_describe(&mapping, was, sizeof(was));
        }
        if (last != ORACLE_ABSENT) {
            mapping = oracle_decode(reader->crew->oracle, probe->page, last);
            replay_describe(&mapping, is, sizeof(is));
        }
    }
    crew_mismatch(reader->crew, "lookup of asid %" PRIu32 " vpn 0x%" PRIx64 ": got %s; legal from %s to %s",
                  probe->asid, probe->vpn, got, was, is);
}

static enum oracle_verdict judge_lookup(const struct reader *reader, unsigned i, uint64_t after)
{
    const struct target *probe = &reader->probes[i];
    enum hipt_status status = reader->statuses[i];
    const struct hipt_config *config = &reader->crew->population->config;
    if (probe->page == REPLAY_NONE) { /* never mapped, by anyone */
        bool outside = probe->vpn >> (config->va_bits - config->page_shift[0]) != 0;
        return status == (outside ? HIPT_BAD_VPN : HIPT_ABSENT) ? ORACLE_RIGHT : ORACLE_WRONG;
    }
    oracle_state answer = ORACLE_ALIEN;
    if (status == HIPT_OK) {
        answer = oracle_encode(reader->crew->oracle, probe->page, &reader->answers[i].mapping);
    } else if (status == HIPT_ABSENT) {
        answer = ORACLE_ABSENT;
    }
    return oracle_judge(reader->before[i], after, answer);
}

static void judge_lookups(struct reader *reader, const uint64_t *after)
{
    for (unsigned i = 0; i < LOOKUPS; i++) {
        enum oracle_verdict verdict = judge_lookup(reader, i, after[i]);
        if (verdict == ORACLE_WRONG) {
            wrong_lookup(reader, i, after[i]);
            return;
        }
        reader->mine->checked += verdict == ORACLE_RIGHT;
        reader->mine->unchecked += verdict == ORACLE_UNCHECKED;
    }
}

static void load_words(const struct reader *reader, uint64_t *words)
{
    for (unsigned i = 0; i < LOOKUPS; i++) {
        words[i] = reader->probes[i].page != REPLAY_NONE ? word_of(reader, reader->probes[i].page) : 0;
    }
}

static void lookup_timed(struct reader *reader)
{
    struct hipt_table *table = reader->crew->population->table;
    uint64_t start = now_ns();
    for (unsigned i = 0; i < LOOKUPS; i++) {
        reader->statuses[i] = hipt_lookup(table, reader->probes[i].asid, reader->probes[i].vpn, &reader->answers[i]);
    }
    reader->mine->lookup_ns += now_ns() - start;
    reader->mine->lookups += LOOKUPS;
    for (unsigned i = 0; i < LOOKUPS; i++) {
        reader->mine->found += reader->statuses[i] == HIPT_OK;
        reader->mine->absent += reader->statuses[i] != HIPT_OK;
    }
}

static void lookup_bunch(struct reader *reader)
{
    uint64_t after[LOOKUPS];
    for (unsigned i = 0; i < LOOKUPS; i++) {
        reader->probes[i] = next_target(reader);
    }
    load_words(reader, reader->before);
    lookup_timed(reader);
    load_words(reader, after);
    judge_lookups(reader, after);
}

/* Where readers and writers meet: pages that were changed a moment ago, and by the batched form for a change. */
static void recent_bunch(struct reader *reader)
{
    uint64_t after[LOOKUPS];
    for (unsigned i = 0; i < LOOKUPS; i++) {
        reader->probes[i] = recent_target(reader);
        reader->pages[i] = (struct hipt_page){.asid = reader->probes[i].asid, .vpn = reader->probes[i].vpn};
    }
    load_words(reader, reader->before);
    (void)hipt_lookup_batch(reader->crew->population->table, reader->pages, LOOKUPS, reader->answers, reader->statuses);
    load_words(reader, after);
    reader->mine->recent += LOOKUPS;
    judge_lookups(reader, after);
}

/* One access in four writes; a page that is for execution only is executed. */
static uint8_t access_kind(struct reader *reader, const struct target *target)
{
    uint8_t prot = target->page != REPLAY_NONE ? reader->crew->population->home[target->page].prot : (uint8_t)HIPT_READ;
    if (replay_random(&reader->random) % 4 == 0 && (prot & HIPT_WRITE)) {
        return HIPT_WRITE;
    }
    return prot & HIPT_READ ? HIPT_READ : HIPT_EXEC;
}

/* Through the cache; of pages that a writer has just changed it may still hold what must not be used any more. */
static void translate_bunch(struct reader *reader, struct target (*choose)(struct reader *))
{
    for (unsigned i = 0; i < LOOKUPS; i++) {
        struct target target = choose(reader);
        crew_access(reader->crew, reader->cpu, target, access_kind(reader, &target), reader->mine);
    }
}

/* An idle CPU is not asked to forget anything, and looks at what it missed when it comes back. */
static void go_idle(struct reader *reader)
{
    hipt_cpu_exit(&reader->cpu->mmu.cpu);
    lookup_bunch(reader);
    hipt_cpu_enter(&reader->cpu->mmu.cpu);
}

/*
 * Who could be at the frame of a page, now. At a home frame: the pages whose homes cover it. At a spare: this page, and
 * nobody else as long as it rests there; the probe is judged only then.
 */
static void probe_frame(struct reader *reader, struct reverse_probe *probe, const struct target *target, size_t first)
{
    const struct population *population = reader->crew->population;
    const struct hipt_mapping *home = &population->home[target->page];
    uint64_t inside = target->vpn - home->page.vpn;
    uint64_t word = word_of(reader, target->page);
    unsigned place = oracle_place(oracle_after(word));
    probe->first = first;
    if (place >= PLACE_SPARE) {
        struct hipt_mapping away = oracle_decode(reader->crew->oracle, target->page, oracle_after(word));
        probe->place = place;
        probe->frame = (struct hipt_frame){.pfn = away.pfn + inside};
        probe->npages = 1;
        reader->candidates[first] = target->page;
    } else {
        probe->place = PLACE_HOME;
        probe->frame = (struct hipt_frame){.pfn = home->pfn + inside, .swap = home->swap};
        probe->npages = population_sharers(population, probe->frame, reader->candidates + first, reader->pool - first);
    }
    probe->room = probe->npages + SLACK;
}

/* Any target that is mapped will do; a trace may have many in a row that are not. */
static bool mapped_target(struct reader *reader, struct target *target)
{
    for (unsigned i = 0; i < LOOKUPS; i++) {
        *target = replay_random(&reader->random) % 4 == 0 ? recent_target(reader) : next_target(reader);
        if (target->page != REPLAY_NONE) {
            return true;
        }
    }
    return false;
}

static unsigned choose_frames(struct reader *reader)
{
    size_t bound = reader->pool - POOL, first = 0, report = 0;
    unsigned count = 0;
    struct target target;
    while (count < REVERSES && first < ENOUGH && first + bound <= reader->pool && mapped_target(reader, &target)) {
        struct reverse_probe *probe = &reader->reverses[count++];
        probe_frame(reader, probe, &target, first);
        probe->report = report;
        first += probe->npages;
        report += probe->room;
    }
    return count;
}

static void load_candidates(const struct reader *reader, unsigned count, uint64_t *words)
{
    const struct reverse_probe *last = &reader->reverses[count - 1];
    for (size_t i = 0; i < last->first + last->npages; i++) {
        words[i] = word_of(reader, reader->candidates[i]);
    }
}

static void reverse_timed(struct reader *reader, unsigned count)
{
    struct hipt_table *table = reader->crew->population->table;
    uint64_t start = now_ns();
    for (unsigned i = 0; i < count; i++) {
        struct reverse_probe *probe = &reader->reverses[i];
        (void)hipt_cpu_serve(&reader->cpu->mmu.cpu); /* one load, where nobody waits */
        probe->status = hipt_reverse(table, probe->frame, reader->reports + probe->report, probe->room, &probe->count);
    }
    reader->mine->reverse_ns += now_ns() - start;
    reader->mine->reverses += count;
}

static void judge_reverse(struct reader *reader, const struct reverse_probe *probe)
{
    size_t report, missing;
    char text[160];
    struct oracle_tally tally = {0};
    const uint64_t *before = reader->words_before + probe->first, *after = reader->words_after + probe->first;
    bool moved = probe->place >= PLACE_SPARE &&
                 (!oracle_rested(*before, *after) || oracle_place(oracle_after(*before)) != probe->place);
    if (probe->status != (probe->count != 0 ? HIPT_OK : HIPT_ABSENT)) {
        crew_mismatch(reader->crew, "reverse of %s 0x%" PRIx64 ": \"%s\" with %zu mappings",
                      probe->frame.swap ? "swap slot" : "frame", probe->frame.pfn, hipt_strerror(probe->status),
                      probe->count);
        return;
    }
    reader->mine->reported += probe->count;
    if (moved || probe->count > probe->room) {
        reader->mine->unchecked++;
        return;
    }
    struct oracle_reverse reverse = {.frame = probe->frame,
                                     .pages = reader->candidates + probe->first,
                                     .before = before,
                                     .after = after,
                                     .seen = reader->seen + probe->first,
                                     .npages = probe->npages,
                                     .place = probe->place,
                                     .reports = reader->reports + probe->report,
                                     .nreports = probe->count};
    if (oracle_judge_reverse(reader->crew->oracle, &reverse, &tally, &report, &missing) == ORACLE_WRONG) {
        struct hipt_mapping mapping = report != SIZE_MAX ? reverse.reports[report]
                                                         : oracle_decode(reader->crew->oracle, reverse.pages[missing],
                                                                         oracle_after(after[missing]));
        crew_mismatch(reader->crew, "reverse of %s 0x%" PRIx64 ": %s %s", probe->frame.swap ? "swap slot" : "frame",
                      probe->frame.pfn, report != SIZE_MAX ? "reports, against what was legal," : "does not report",
                      replay_describe(&mapping, text, sizeof(text)));
        return;
    }
    reader->mine->checked += tally.checked + (probe->count == 0);
    reader->mine->unchecked += tally.unchecked;
}

static void reverse_bunch(struct reader *reader)
{
    unsigned count = choose_frames(reader);
    if (count == 0) {
        return;
    }
    load_candidates(reader, count, reader->words_before);
    reverse_timed(reader, count);
    load_candidates(reader, count, reader->words_after);
    for (unsigned i = 0; i < count && !crew_stopped(reader->crew); i++) {
        judge_reverse(reader, &reader->reverses[i]);
    }
}

static void reader_free(struct reader *reader)
{
    free(reader->candidates);
    free(reader->words_before);
    free(reader->words_after);
    free(reader->seen);
    free(reader->reports);
    free(reader);
}

static struct reader *reader_make(struct member *member)
{
    struct crew *crew = member->crew;
    struct reader *reader = calloc(1, sizeof(*reader));
    if (reader == NULL) {
        return NULL;
    }
    reader->crew = crew;
    reader->cpu = &member->cpu;
    reader->mine = &member->mine;
    reader->random = replay_random_start(crew->options->seed, member->number);
    reader->next = crew->targets->count / crew->options->readers * member->number;
    /* A 4 KiB frame can be covered by pages of each of the four sizes. */
    reader->pool = (size_t)crew->population->most_sharers * 4 + POOL;
    reader->candidates = calloc(reader->pool, sizeof(*reader->candidates));
    reader->words_before = calloc(reader->pool, sizeof(*reader->words_before));
    reader->words_after = calloc(reader->pool, sizeof(*reader->words_after));
    reader->seen = calloc(reader->pool, sizeof(*reader->seen));
    reader->reports = calloc(reader->pool + REVERSES * SLACK, sizeof(*reader->reports));
    if (reader->candidates == NULL || reader->words_before == NULL || reader->words_after == NULL ||
        reader->seen == NULL || reader->reports == NULL) {
        reader_free(reader);
        return NULL;
    }
    return reader;
}

static void reader_round(struct reader *reader, unsigned round)
{
    switch (round % 6) {
    case 0:
        lookup_bunch(reader);
        break;
    case 1:
    case 4:
        translate_bunch(reader, next_target);
        break;
    case 2:
        reverse_bunch(reader);
        break;
    case 3:
        recent_bunch(reader);
        break;
    default:
        translate_bunch(reader, recent_target);
        break;
    }
}

void reader_run(struct member *member)
{
    struct reader *reader = reader_make(member);
    if (reader == NULL) {
        crew_fail(member->crew, "no memory for a reader");
        return;
    }
    for (unsigned round = 0; !crew_stopped(member->crew); round++) {
        (void)hipt_cpu_serve(&reader->cpu->mmu.cpu);
        if (round % IDLE_EVERY == 0) {
            go_idle(reader);
        } else {
            reader_round(reader, round);
        }
    }
    reader_free(reader);
}
