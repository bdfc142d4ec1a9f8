/* SPDX-License-Identifier: MIT */
#include "weak/history.h"

#include <hipt/huge.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "map/move.h"
#include "map/table.h"
#include "explore/hash.h"
#include "weak/cpus.h"
#include "weak/memory.h"

#define ASID_NUMBERS 4u /* asid_bits = 2 */
#define SECRET_OF_TWO 1359441u /* check_secret() */
#define UNKNOWN_VPN (UINT64_C(1) << 63)

/* What a thread holds between a lookup and the end of its read side. */
struct held {
    struct hipt_translation translation;
    int record; /* -1: nothing */
    bool in_section;
};

struct history history;

static struct held held[CREW_THREADS + 1u];
static struct hipt_asid kept_asid[PROGRAM_ASIDS];
static struct hipti_weak_view joined; /* what was known at the returns */
static uint64_t vpns[ASID_NUMBERS][PROGRAM_VPNS]; /* a program's vpn as the table knows it */

bool record_precedes(const struct record *a, const struct record *b)
{
    return a->thread == b->thread ? a->index < b->index : a->index * 2u <= b->known[a->thread];
}

bool record_is_earlier(const struct record *a, const struct record *b)
{
    return (b->done >> (a - history.record)) & 1u;
}

bool record_is_known(const struct record *a, const struct record *b)
{
    return a->thread == b->thread || a->index * 2u - 1u <= b->after[a->thread];
}

#define ALIKE 12u /* the first of the vpns that are alike in their lower 32 bits */

/* => whether the key in @place of the one bucket is a page's of @asid; then *vpn is the page's. Keys have 48 bits. */
static bool place_is_of(struct hipti_place place, uint32_t asid, uint64_t *vpn)
{
    uint64_t key = hipti_array_key(hipti_buckets_now(&history.table->buckets, 0), place);
    struct hipt_page page = hipti_key_unpack(&history.table->split, key);

    *vpn = page.vpn;
    return page.asid == asid;
}

/*
 * Vpns of one asid whose keys hash to remainders that are alike in their upper 16 bits; but 12, 13 and 14 are like 0, 1
 * and 2 of asid 0 in the lower 32 bits, and have another filter bit. One bucket, one page size.
 */
static void find_vpns(uint32_t asid)
{
    static uint64_t first[PROGRAM_VPNS];
    uint64_t lo = UINT64_C(1) << 20; /* larger than any link that may be taken for one */
    struct hipti_place place = {0, 0};
    unsigned n;

    for (n = 0; n < PROGRAM_VPNS; n++) {
        do {
            place.rest = UINT64_C(0x5a) << 48 | lo++ << 16;
        } while (!place_is_of(place, asid, &vpns[asid][n]));
        first[n] = asid == 0 ? place.rest : first[n];
        if (n + ALIKE < PROGRAM_VPNS - 1u) {
            place.rest = first[n] | UINT64_C(0x8000) << 48;
            while (!place_is_of(place, asid, &vpns[asid][n + ALIKE])) {
                place.rest += UINT64_C(1) << 48;
            }
        }
        n = n == ALIKE - 1u ? PROGRAM_VPNS - 2u : n;
    }
}

static void choose_vpns(bool are_far)
{
    uint32_t asid;
    unsigned vpn;

    for (asid = 0; asid < ASID_NUMBERS; asid++) {
        for (vpn = 0; vpn < PROGRAM_VPNS; vpn++) {
            vpns[asid][vpn] = vpn;
        }
        if (are_far) {
            find_vpns(asid);
        }
    }
}

uint64_t history_vpn(uint32_t asid, unsigned vpn)
{
    return vpns[asid][vpn];
}

/* A mapping that the table gave, with the program's vpn; a vpn that no program has stays one that none has. */
static void mapping_adopt(struct hipt_mapping *mapping)
{
    unsigned vpn;

    for (vpn = 0; vpn < PROGRAM_VPNS; vpn++) {
        if (vpns[mapping->page.asid][vpn] == mapping->page.vpn) {
            mapping->page.vpn = vpn;
            return;
        }
    }
    mapping->page.vpn |= UNKNOWN_VPN;
}

enum hipt_status history_lookup(unsigned asid, unsigned vpn, struct hipt_translation *translation)
{
    uint32_t number = history.asid[asid].number;
    enum hipt_status status = hipt_lookup(history.table, number, history_vpn(number, vpn), translation);

    if (status == HIPT_OK) {
        mapping_adopt(&translation->mapping);
    }
    return status;
}

enum hipt_status history_next(struct hipt_cursor *cursor, struct hipt_mapping *mapping)
{
    enum hipt_status status = hipt_table_next(history.table, cursor, mapping);

    if (status == HIPT_OK) {
        mapping_adopt(mapping);
    }
    return status;
}

static struct hipt_mapping op_mapping(const struct op *op)
{
    struct hipt_mapping mapping;

    memset(&mapping, 0, sizeof(mapping));
    mapping.page.asid = history.asid[op->asid].number;
    mapping.page.size = op->size;
    mapping.page.vpn = history_vpn(mapping.page.asid, op->vpn);
    mapping.pfn = op->pfn;
    mapping.prot = (uint8_t)op->prot;
    return mapping;
}

static enum hipt_status run_lookup(struct record *record, struct held *mine)
{
    enum hipt_status status = history_lookup(record->op.asid, record->op.vpn, &mine->translation);

    mine->record = status == HIPT_OK ? (int)(record - history.record) : -1;
    mine->in_section = host_depth(record->thread) > 0;
    if (status == HIPT_OK) {
        record->out = mine->translation.mapping;
    }
    return status;
}

static enum hipt_status run_marks(struct record *record, struct held *mine)
{
    enum hipt_status status;

    if (mine->record < 0) {
        return HIPT_CHANGED;
    }
    record->through = mine->record;
    if (record->op.kind == MARK) {
        return hipt_mark(history.table, &mine->translation, (uint8_t)record->op.prot);
    }
    status = hipt_clean(history.table, &mine->translation, (uint8_t)record->op.prot);
    record->out = mine->translation.mapping;
    return status;
}

static void run_reap(struct record *record)
{
    unsigned other;
    size_t i;

    record->nreaped = hipt_frame_reap(history.table, record->reaped, 4);
    for (i = 0; i < record->nreaped; i++) {
        for (other = 0; other < CREW_THREADS; other++) {
            if (other != record->thread && held[other].record >= 0 && held[other].in_section &&
                held[other].translation.mapping.pfn == record->reaped[i].pfn) {
                crew_fail("R1: a frame is reaped that a read side still sees");
            }
        }
    }
}

static void run_next(struct record *record)
{
    struct hipt_cursor cursor = {0};

    while (record->nmany < MANY_MAX &&
           history_next(&cursor, &record->many[record->nmany]) == HIPT_OK) {
        record->nmany++;
    }
}

static enum hipt_status run_reverse(struct record *record, struct hipt_frame frame)
{
    enum hipt_status status = hipt_reverse(history.table, frame, record->many, MANY_MAX, &record->nmany);
    size_t i;

    for (i = 0; i < record->nmany; i++) {
        mapping_adopt(&record->many[i]);
    }
    return status;
}

static enum hipt_status run_frame(struct record *record)
{
    struct hipt_frame frame = {record->op.pfn, false};

    switch (record->op.kind) {
    case PIN:
        return hipt_frame_pin(history.table, frame);
    case UNPIN:
        return hipt_frame_unpin(history.table, frame);
    case GET:
        return hipt_frame_get(history.table, frame, &record->frame);
    default:
        return run_reverse(record, frame);
    }
}

static enum hipt_status run_asid(struct record *record)
{
    struct hipt_asid *asid = &history.asid[record->op.asid];
    struct hipt_retired report;
    struct hipt_asid issued;
    enum hipt_status status;

    if (record->op.kind == RETIRE) {
        return hipt_asid_retire(history.table, *asid, &report);
    }
    status = hipt_asid_alloc(history.table, &issued);
    if (status == HIPT_OK) {
        record->issued = issued.number;
        *asid = issued;
    }
    return status;
}

static enum hipt_status run_verb(struct record *record)
{
    struct hipt_mapping mapping = op_mapping(&record->op);

    enum hipt_status status;

    switch (record->op.kind) {
    case MAP:
        return hipt_map(history.table, &mapping);
    case PROTECT:
        return hipt_protect(history.table, &mapping.page, mapping.prot);
    case SPLIT:
        return hipt_split(history.table, &mapping.page, mapping.page.size - 1u);
    case COLLAPSE:
        return hipt_collapse(history.table, &mapping.page, mapping.page.size - 1u);
    case UNMAP:
        status = hipt_unmap(history.table, &mapping.page, &record->out);
        break;
    default:
        status = hipt_remap(history.table, &mapping, &record->out);
        break;
    }
    mapping_adopt(&record->out);
    return status;
}

/* Into other buckets, and on; or to another node. */
static enum hipt_status run_move(const struct op *op)
{
    uint64_t capacity = op->pfn > 1u ? ((op->pfn - 1u) * 14u + 4u) / 5u : op->pfn; /* 2.8 a bucket */
    unsigned i;

    if (op->kind == PLACE) {
        return hipt_asid_migrate(history.table, history.asid[op->asid], (int)op->pfn);
    }
    if (op->kind == RESIZE) {
        return hipt_resize(history.table, capacity * history.table->buckets.nshards, op->pfn == 0);
    }
    hipt_read_enter(history.table);
    for (i = 0; i < history.table->buckets.nshards; i++) {
        hipti_move_on(history.table, i, op->pfn);
    }
    hipt_read_exit(history.table);
    return HIPT_OK;
}

static enum hipt_status run_op(struct record *record)
{
    struct held *mine = &held[record->thread];
    struct hipt_stats stats;

    switch (record->op.kind) {
    case LOOKUP:
        return run_lookup(record, mine);
    case MARK:
    case CLEAN:
        return run_marks(record, mine);
    case REAP:
        run_reap(record);
        return HIPT_OK;
    case RETIRE:
    case ALLOC:
        return run_asid(record);
    case ENTER:
        hipt_read_enter(history.table);
        return HIPT_OK;
    case EXIT:
        mine->record = -1;
        hipt_read_exit(history.table);
        return HIPT_OK;
    case PIN:
    case UNPIN:
    case REVERSE:
    case GET:
        return run_frame(record);
    case STATS:
        hipt_table_stats(history.table, &stats);
        return HIPT_OK;
    case NEXT:
        run_next(record);
        return HIPT_OK;
    case RESIZE:
    case MOVE:
    case PLACE:
        return run_move(&record->op);
    case MAP:
    case UNMAP:
    case PROTECT:
    case REMAP:
    case SPLIT:
    case COLLAPSE:
        return run_verb(record);
    default:
        return cpus_run(record);
    }
}

/* => all that the thread, and who judges the run, can know by an answer. */
static uint64_t record_hash(const struct record *record)
{
    const struct held *mine = &held[record->thread];
    uint64_t hash = hash_mapping(record->status, &record->out);
    size_t i;

    for (i = 0; i < CREW_THREADS; i++) {
        hash = hipti_sim_hash(hash, record->after[i]);
    }
    for (i = 0; i < record->nmany; i++) {
        hash = hash_mapping(hash, &record->many[i]);
    }
    for (i = 0; i < record->nreaped; i++) {
        hash = hipti_sim_hash(hash, record->reaped[i].pfn);
    }
    hash = hipti_sim_hash(hash, (uint64_t)record->frame.mappings << 32 | record->frame.pins << 8 | record->frame.state);
    if (mine->record >= 0) {
        hash = hipti_sim_hash(hash_mapping(hash, &mine->translation.mapping),
                              mine->translation.pte + mine->translation.slot);
    }
    return hipti_sim_hash(hash, record->issued + cpus_hash(record->thread));
}

/* The same of a call: what it comes after, in time and as its thread knows. */
static uint64_t call_hash(uint64_t hash, const struct record *record)
{
    uint64_t returns = 0; /* eight bits for each thread */
    unsigned i;

    for (i = 0; i < history.nrecords; i++) {
        returns += (uint64_t)((record->done >> i) & 1u) << (8u * history.record[i].thread);
    }
    for (i = 0; i < CREW_THREADS; i++) {
        hash = hipti_sim_hash(hash, record->known[i]);
    }
    return hipti_sim_hash(hash, returns);
}

uint64_t history_state(void)
{
    uint64_t state = hipti_sim_hash(host_state(), joined.hash + cpus_host_hash());
    unsigned i;

    for (i = 0; i < PROGRAM_ASIDS; i++) {
        state = hipti_sim_hash(state, (uint64_t)history.asid[i].number << 32 | history.asid[i].generation);
    }
    return hipti_sim_hash(state, hash_unseen(history.table));
}

static struct record *record_new(const struct op *op, unsigned thread, unsigned index)
{
    struct record *record = &history.record[history.nrecords++];
    unsigned i;

    memset(record, 0, sizeof(*record));
    record->op = *op;
    record->thread = thread;
    record->index = index;
    record->through = -1;
    for (i = 0; i + 1u < history.nrecords; i++) {
        record->done |= (uint32_t)history.record[i].has_returned << i;
    }
    return record;
}

static void clocks_read(unsigned *clocks)
{
    unsigned thread;

    for (thread = 0; thread < CREW_THREADS; thread++) {
        clocks[thread] = hipti_weak_known(&crew_weak, thread);
    }
}

static uint64_t pasts[CREW_THREADS]; /* of the operations that have returned */
static unsigned made[CREW_THREADS];   /* how many they are, and the one under way */

void history_make(const struct op *op, unsigned thread)
{
    struct record *record = record_new(op, thread, ++made[thread]);

    if (history.is_joined) {
        hipti_weak_give(&crew_weak, &joined);
    }
    clocks_read(record->known);
    pasts[thread] = call_hash(pasts[thread], record);
    crew_settle(pasts[thread]);
    hipti_weak_tick(&crew_weak);
    record->status = run_op(record);
    clocks_read(record->after);
    hipti_weak_tick(&crew_weak);
    record->has_returned = true;
    if (history.is_joined) {
        hipti_weak_add(&crew_weak, &joined);
    }
    pasts[thread] = hipti_sim_hash(pasts[thread], record_hash(record));
    crew_settle(pasts[thread]);
}

void history_body(unsigned thread)
{
    const struct op *ops = history.program->thread[thread];
    unsigned i;

    pasts[thread] = 0;
    made[thread] = 0;
    for (i = 0; i < PROGRAM_OPS && ops[i].kind != NOTHING; i++) {
        history_make(&ops[i], thread);
    }
    cpus_leave(thread);
}

/* Pages that programs of two sizes want in one bucket, of four: asid, size, vpn. */
static const struct hipt_page beside[][2] = {
    {{0, 0, 13}, {0, 0, 0}}, {{0, 0, 13}, {0, 0, 4}}, {{0, 0, 13}, {0, 0, 5}}, {{0, 0, 13}, {0, 0, 8}},
    {{0, 0, 13}, {0, 0, 9}}, {{0, 1, 0}, {1, 0, 0}},  {{0, 1, 0}, {1, 0, 4}},  {{0, 1, 0}, {1, 0, 7}},
    {{0, 1, 0}, {1, 0, 8}},
};

static uint32_t bucket_with(uint64_t last, struct hipt_page page)
{
    const struct hipti_split *split = &history.table->split;
    uint64_t secret[4] = {1, 2, 3, last};
    struct hipti_quotient quotient;
    struct hipti_hash hash;

    hipti_hash_init(&hash, hipti_split_width(split), secret);
    hipti_quotient_init(&quotient, 4);
    return hipti_quotient_place(&quotient, hipti_hash_mix(&hash, hipti_key_pack(split, page.asid, page.size, page.vpn)))
        .bucket;
}

/* => whether they are so with that secret, and 16K page 12 is in the other half of the buckets than page 13. */
static bool places_fit(uint64_t last)
{
    size_t i;

    for (i = 0; i < sizeof(beside) / sizeof(beside[0]); i++) {
        if (bucket_with(last, beside[i][0]) != bucket_with(last, beside[i][1])) {
            return false;
        }
    }
    return bucket_with(last, (struct hipt_page){0, 1, 12}) / 2u != bucket_with(last, beside[0][0]) / 2u;
}

/* The last word of the secret of two sizes; with another hash it is another one. */
static void check_secret(uint64_t last)
{
    uint64_t other = 1;

    if (!places_fit(last)) {
        while (!places_fit(other)) {
            other++;
        }
        fprintf(stderr, "the pages of two sizes are not where the programs want them: with secret %llu they are\n",
                (unsigned long long)other);
        exit(2);
    }
}

static void make_table(const struct weak_program *program, bool is_narrow)
{
    static const struct hipt_range range = {0, PROGRAM_FRAMES, false};
    static const struct hipt_topology topology = {.size = sizeof(topology), .nodes = 2};
    uint64_t secret[4] = {1, 2, 3, program->sizes == 2u ? SECRET_OF_TWO : 4};
    struct hipt_config config;
    enum hipt_status status;
    unsigned i;

    hipt_config_init(&config);
    config.ops = &host_ops;
    config.buckets = program->sizes > 1u && !is_narrow ? 4 : 1; /* pages that overlap meet in several buckets too */
    if (program->flags & NODES) {
        config.topology = &topology;
        config.buckets *= topology.nodes;
    }
    config.capacity_max = 64;
    config.asid_bits = 2;
    config.va_bits = !is_narrow ? 58 : program->sizes > 2u ? 17 : 16; /* keys of 48 bits, or more */
    config.nsizes = program->sizes;
    config.page_shift[0] = 12;
    config.page_shift[1] = 14;
    config.page_shift[2] = 16;
    config.ranges = &range;
    config.nranges = 1;
    config.version_bits = program->version_bits;
    config.sequence_bits = program->sequence_bits;
    config.secret = secret;
    config.cpus = program->flags >> 8;
    status = hipt_table_create(&config, &history.table);
    if (status == HIPT_OK && !cpus_open(&config, config.cpus)) {
        status = HIPT_BAD_CPU;
    }
    for (i = 0; status == HIPT_OK && i < 2u; i++) {
        history.asid[i].number = i;
        status = program->flags & UNISSUED ? HIPT_OK : hipt_asid_alloc(history.table, &history.asid[i]);
    }
    if (status != HIPT_OK) {
        fprintf(stderr, "%s: no table: %s\n", program->name, hipt_strerror(status));
        exit(2);
    }
    history.asid[2].number = history.asid[3].number = 3; /* not issued */
    if (program->sizes == 2u && !is_narrow) {
        check_secret(SECRET_OF_TWO);
    }
    choose_vpns(program->sizes == 1u && !is_narrow);
}

void history_prepare(const struct weak_program *program, bool is_joined, bool is_narrow)
{
    struct hipt_cursor cursor = {0};
    unsigned i;

    host_clear();
    memset(&history, 0, sizeof(history));
    history.program = program;
    history.is_joined = is_joined;
    make_table(program, is_narrow);
    for (i = 0; i < PROGRAM_SETUP && program->setup[i].kind != NOTHING; i++) {
        struct record *record = record_new(&program->setup[i], CREW_THREADS, 0);
        enum hipt_status status = run_op(record);

        if (status != HIPT_OK && (record->op.kind != PLACE || status != HIPT_PENDING)) {
            fprintf(stderr, "%s: operation %u of the setup (%s): %s\n", program->name, i,
                    kind_name(program->setup[i].kind), hipt_strerror(status));
            exit(2);
        }
        history.nrecords = 0;
    }
    while (history_next(&cursor, &history.before[history.nbefore]) == HIPT_OK) {
        history.nbefore++;
    }
    memcpy(kept_asid, history.asid, sizeof(kept_asid));
    host_keep();
}

void history_start(void)
{
    unsigned i;

    host_restore();
    cpus_start();
    host_refuse((history.program->flags & REFUSING) != 0);
    memcpy(history.asid, kept_asid, sizeof(kept_asid));
    history.nrecords = 0;
    hipti_weak_forget(&joined);
    for (i = 0; i <= CREW_THREADS; i++) {
        held[i].record = -1;
    }
}

void history_print(void)
{
    unsigned i;

    for (i = 0; i < history.nrecords; i++) {
        const struct record *record = &history.record[i];

        printf("  thread %u %s asid %u size %u vpn %u pfn %u prot %u: %s", record->thread, kind_name(record->op.kind),
               record->op.asid, record->op.size, record->op.vpn, record->op.pfn, record->op.prot,
               hipt_strerror(record->status));
        printf(" (pfn %u prot %u, %zu found)\n", (unsigned)record->out.pfn, record->out.prot, record->nmany);
    }
}
