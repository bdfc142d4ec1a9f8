/* SPDX-License-Identifier: MIT */
#include "explore/world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "explore/cpus.h"
#include "explore/hash.h"
#include "explore/oracle.h"
#include "map/move.h"
#include "map/table.h"
#include "sim/plain.h"

enum { POOL_BYTES = 1 << 19, COOKIES = 512, RESTORES_CHECKED = 4096, POISON = 0xa5, LINE_BYTES = 64, FREED_MAX = 48 };

/* What has been given back: nobody may touch it again. It keeps what it holds, and is not given out again. */
struct freed {
    unsigned count;
    struct {
        size_t from;
        size_t to;
    } range[FREED_MAX];
};

/* The host. A cookie remembers who was inside a read side when it was made; its period ends when all have left. */
struct host {
    _Alignas(4096) unsigned char pool[POOL_BYTES];
    const unsigned char *saved; /* the pool after the setup */
    size_t used;
    size_t saved_used;
    struct freed freed;
    struct freed saved_freed;
    unsigned depth[WORLD_OUTSIDE + 1];
    uint8_t waits_for[COOKIES]; /* a bit for each caller */
    uint64_t cookies;
    uint64_t saved_cookies;
    uint64_t grace; /* the word that steps of the hooks are said to use */
};

/* What a thread may still be using, from a lookup inside its read side. */
struct held {
    bool is_valid;
    int event;
    struct hipt_translation translation;
};

struct world world;
static struct host host;
static struct hipti_sim sim;
static struct held held[WORLD_OUTSIDE + 1];
static struct event setup_events[PROGRAM_SETUP_MAX * 2];
static unsigned nsetup_events;
static struct hipt_asid saved_asids[WORLD_ASIDS];
static uint64_t restores;
static unsigned checked_writes; /* the state after so many has been checked */

static unsigned caller(void)
{
    return sim.is_on ? sim.running : WORLD_OUTSIDE;
}

void world_fail(const char *format, ...)
{
    va_list arguments;

    if (world.violation[0] == '\0') {
        va_start(arguments, format);
        vsnprintf(world.violation, sizeof(world.violation), format, arguments);
        va_end(arguments);
    }
    if (sim.is_on) {
        hipti_sim_stop(&sim);
    }
}

/* --- what the library calls --- */

void hipt_port_step(const char *operation, const volatile void *word, const char *file, int line);
void explore_panic(const char *condition, const char *file, int line);

/* Once memory has been given back. Out of line: few programs give any. */
static void check_freed(const volatile void *word)
{
    size_t at = (size_t)((const volatile unsigned char *)word - host.pool);
    unsigned i;

    for (i = 0; i < host.freed.count; i++) {
        if (at >= host.freed.range[i].from && at < host.freed.range[i].to) {
            world_fail("R1: memory is used that was given back");
        }
    }
}

void hipt_port_step(const char *operation, const volatile void *word, const char *file, int line)
{
    if (host.freed.count > 0 && world.violation[0] == '\0') {
        check_freed(word);
    }
    if (!sim.is_on) {
        return;
    }
    if (hipti_plain.writes != checked_writes && !(world.search && hipti_search_repeats(world.search))) {
        checked_writes = hipti_plain.writes;
        oracle_check_step();
    }
    hipti_sim_step(&sim, operation, word, hipti_sim_access_of(operation), file, line);
}

void explore_panic(const char *condition, const char *file, int line)
{
    bool is_inside = sim.is_on;

    world_fail("assertion failed: %s (%s:%d)", condition, file, line);
    if (!is_inside) {
        fprintf(stderr, "outside an execution: %s\n", world.violation);
        abort();
    }
}

static void grace_step(const char *name, enum hipti_sim_access access)
{
    hipti_sim_step(&sim, name, &host.grace, access, "host", 0);
}

void world_change(const void *at, uint64_t old, uint64_t value)
{
    if (sim.is_on) {
        hipti_sim_change(&sim, (uint64_t)(uintptr_t)at, old, value);
    }
}

static void host_learn(uint64_t value)
{
    if (sim.is_on) {
        hipti_sim_learn(&sim, value);
    }
}

static void *host_alloc(void *ctx, size_t bytes, size_t align, int node, bool may_wait)
{
    size_t start = (host.used + align - 1u) & ~(align - 1u);

    (void)ctx;
    (void)node;
    if (may_wait && host.depth[caller()] > 0) {
        world_fail("alloc may wait inside a read side");
    }
    if (sim.is_on && world.program->is_scarce && !may_wait) {
        return NULL;
    }
    if (start + bytes > POOL_BYTES) {
        return NULL;
    }
    world_change(&host.used, host.used, start + bytes);
    host.used = start + bytes;
    memset(host.pool + start, 0, bytes);
    host_learn(start);
    return host.pool + start;
}

void *world_alloc(size_t bytes)
{
    void *memory = host_alloc(NULL, bytes, LINE_BYTES, HIPT_ANY_NODE, true);

    if (!memory) {
        fprintf(stderr, "explore: the host's pool is too small\n");
        abort();
    }
    return memory;
}

size_t world_used(void)
{
    return host.used;
}

static void host_free(void *ctx, void *memory, size_t bytes)
{
    size_t from = (size_t)((unsigned char *)memory - host.pool);

    (void)ctx;
    if (host.freed.count == FREED_MAX) {
        world_fail("more than %d blocks are given back", FREED_MAX);
        return;
    }
    world_change(memory, 0, bytes);
    host.freed.range[host.freed.count].from = from;
    host.freed.range[host.freed.count++].to = from + bytes;
}

static void host_read_enter(void *ctx)
{
    (void)ctx;
    grace_step("read_enter", HIPTI_SIM_COMMUTE);
    host.depth[caller()]++;
}

static void cookie_set(uint64_t cookie, unsigned waits_for)
{
    world_change(&host.waits_for[cookie], host.waits_for[cookie], waits_for);
    host.waits_for[cookie] = (uint8_t)waits_for;
}

static void host_read_exit(void *ctx)
{
    unsigned thread = caller();
    uint64_t cookie;

    (void)ctx;
    grace_step("read_exit", HIPTI_SIM_COMMUTE);
    if (--host.depth[thread] > 0) {
        return;
    }
    for (cookie = host.saved_cookies + 1u; cookie <= host.cookies; cookie++) {
        cookie_set(cookie, host.waits_for[cookie] & ~(1u << thread));
    }
}

static uint64_t host_gp_start(void *ctx)
{
    unsigned inside = 0;
    unsigned i;

    (void)ctx;
    grace_step("gp_start", HIPTI_SIM_WRITE);
    if (host.cookies + 1u == COOKIES) {
        world_fail("more than %d grace periods", COOKIES);
        return host.cookies;
    }
    for (i = 0; i <= WORLD_OUTSIDE; i++) {
        inside |= host.depth[i] > 0 ? 1u << i : 0u;
    }
    world_change(&host.cookies, host.cookies, host.cookies + 1u);
    cookie_set(++host.cookies, inside);
    host_learn(host.cookies);
    return host.cookies;
}

static bool host_gp_elapsed(void *ctx, uint64_t cookie)
{
    bool has_elapsed;

    (void)ctx;
    grace_step("load gp_elapsed", HIPTI_SIM_READ);
    if (cookie == 0 || cookie > host.cookies) {
        world_fail("gp_elapsed of cookie %llu, which was never given out", (unsigned long long)cookie);
        return false;
    }
    has_elapsed = host.waits_for[cookie] == 0 &&
                  !(world.program->is_endless && cookie > host.saved_cookies && sim.is_on);
    host_learn(has_elapsed);
    return has_elapsed;
}

static bool host_random(void *ctx, void *buffer, size_t bytes)
{
    (void)ctx;
    memset(buffer, POISON, bytes);
    return true;
}

/* Spaces begin on the first node; and no touch of a line is counted, which would be a step more. */
static int host_this_node(void *ctx)
{
    (void)ctx;
    return HIPT_ANY_NODE;
}

static const struct hipt_ops ops = {
    .size = sizeof(struct hipt_ops),
    .alloc = host_alloc,
    .free = host_free,
    .read_enter = host_read_enter,
    .read_exit = host_read_exit,
    .gp_start = host_gp_start,
    .gp_elapsed = host_gp_elapsed,
    .random = host_random,
    .this_cpu = cpus_this,
    .relax = cpus_relax,
    .this_node = host_this_node,
};

/* --- calls --- */

static uint64_t asid_hash(unsigned index)
{
    return hipti_sim_hash(world.asids[index].number, world.asids[index].generation);
}

/* => all that the caller knows by an answer, as a hash. */
static uint64_t event_hash(const struct event *event)
{
    uint64_t hash = hash_mapping(event->status, &event->out);
    size_t i;

    for (i = 0; i < event->nmany; i++) {
        hash = hash_mapping(hash, &event->many[i]);
    }
    for (i = 0; i < event->nframes; i++) {
        hash = hipti_sim_hash(hash, event->frames[i].pfn);
    }
    if (held[event->thread].is_valid) {
        const struct hipt_translation *translation = &held[event->thread].translation;

        hash = hipti_sim_hash(hash_mapping(hash, &translation->mapping), translation->pte + translation->slot);
    }
    return world.cpus ? hipti_sim_hash(hash, cpus_hash(event->thread)) : hash;
}

static struct event *event_begin(const struct call *call)
{
    static struct event spare; /* where a history that is too long goes */
    struct event *event = world.nevents < WORLD_EVENTS ? &world.events[world.nevents++] : &spare;

    if (event == &spare) {
        world_fail("more than %d calls", WORLD_EVENTS);
    }
    event->call = *call;
    event->thread = caller();
    event->invoked = 0;
    event->responded = 0;
    event->looked_up = -1;
    event->out = (struct hipt_mapping){.pfn = 0};
    event->nmany = 0;
    event->nframes = 0;
    if (sim.is_on) {
        hipti_sim_begin(&sim);
        hipti_sim_learn(&sim, asid_hash(call->asid));
    }
    return event;
}

/* The call has returned. One that made no step counts as made between two. */
static void event_end(struct event *event)
{
    if (!sim.is_on) {
        return;
    }
    event->responded = sim.nsteps;
    event->invoked = sim.begins[sim.running] ? sim.nsteps : sim.invoked_at[sim.running];
    hipti_sim_respond(&sim, event_hash(event));
    cpus_after(event);
}

/* R1: no frame comes back that another thread has looked up in a read side that is still open. */
static void reap(struct event *event)
{
    unsigned thread;
    size_t i;

    event->nframes = hipt_frame_reap(world.table, event->frames, 4);
    event->status = HIPT_OK;
    for (i = 0; i < event->nframes; i++) {
        for (thread = 0; thread < WORLD_OUTSIDE; thread++) {
            if (held[thread].is_valid && held[thread].translation.mapping.pfn == event->frames[i].pfn) {
                world_fail("R1: frame %u reaped under a reader", (unsigned)event->frames[i].pfn);
            }
        }
    }
}

static void alloc(struct event *event)
{
    unsigned index = event->call.asid;
    uint64_t before = asid_hash(index);

    event->status = hipt_asid_alloc(world.table, &world.asids[index]);
    world_change(&world.asids[index], before, asid_hash(index));
}

static void walk(struct event *event)
{
    struct hipt_cursor cursor = {0};

    event->status = HIPT_OK;
    while (event->nmany < WORLD_MANY &&
           hipt_table_next(world.table, &cursor, &event->many[event->nmany]) == HIPT_OK) {
        event->nmany++;
    }
}

static struct hipt_mapping call_mapping(const struct call *call)
{
    struct hipt_mapping mapping = {.page = {.asid = world.asids[call->asid].number, .size = call->size,
                                            .vpn = call->vpn},
                                   .pfn = call->pfn,
                                   .prot = HIPT_READ};

    if (call->verb == VERB_PROTECT || call->verb == VERB_REMAP) {
        mapping.prot = HIPT_READ | HIPT_WRITE;
    }
    return mapping;
}

static void call_frame(struct event *event)
{
    struct hipt_frame frame = {event->call.pfn, false};

    switch (event->call.verb) {
    case VERB_REVERSE:
        event->status = hipt_reverse(world.table, frame, event->many, WORLD_MANY, &event->nmany);
        break;
    case VERB_PIN:
        event->status = hipt_frame_pin(world.table, frame);
        break;
    case VERB_UNPIN:
        event->status = hipt_frame_unpin(world.table, frame);
        break;
    default:
        reap(event);
        break;
    }
}

static void lookup(struct event *event)
{
    struct held *mine = &held[event->thread];

    event->status = hipt_lookup(world.table, world.asids[event->call.asid].number, event->call.vpn,
                                &mine->translation);
    event->out = mine->translation.mapping;
    mine->event = (int)(event - world.events);
    mine->is_valid = event->status == HIPT_OK && host.depth[event->thread] > 0;
}

/* The calls that turn pages of one size into pages of another. */
static void call_reshape(struct event *event)
{
    uint32_t asid = world.asids[event->call.asid].number;
    struct hipt_page page = {.asid = asid, .size = 1, .vpn = event->call.vpn & ~3u};
    struct hipt_page hole = {.asid = asid, .size = 0, .vpn = event->call.vpn};

    if (event->call.verb == VERB_SPLIT) {
        event->status = hipt_split(world.table, &page, 0);
    } else if (event->call.verb == VERB_PUNCH) {
        event->status = hipt_punch(world.table, &page, &hole, event->call.pfn, &event->out);
    } else {
        event->status = hipt_collapse(world.table, &page, 0);
    }
}

static void move_on(unsigned buckets)
{
    unsigned i;

    hipt_read_enter(world.table);
    for (i = 0; i < world.table->buckets.nshards; i++) {
        hipti_move_on(world.table, i, buckets);
    }
    hipt_read_exit(world.table);
}

/* The calls that move the table into other buckets, or to another node. */
static void call_move(struct event *event)
{
    unsigned buckets = event->call.pfn;
    uint64_t capacity = buckets > 0 ? ((buckets - 1u) * 14u + 4u) / 5u + (buckets == 1u) : 0; /* 2.8 a bucket */

    event->status = HIPT_OK;
    if (event->call.verb == VERB_PLACE) {
        int node = event->call.pfn == PROGRAM_ALL_NODES ? HIPT_ALL_NODES : (int)event->call.pfn;

        event->status = hipt_asid_migrate(world.table, world.asids[event->call.asid], node);
    } else if (event->call.verb == VERB_RESIZE) {
        event->status = hipt_resize(world.table, capacity * world.table->buckets.nshards, buckets == 0);
    } else {
        move_on(buckets);
    }
}

static void call_page(struct event *event)
{
    struct hipt_mapping mapping = call_mapping(&event->call);
    uint64_t done;

    switch (event->call.verb) {
    case VERB_MAP:
        event->status = hipt_map(world.table, &mapping);
        break;
    case VERB_UNMAP:
        event->status = hipt_unmap(world.table, &mapping.page, &event->out);
        break;
    case VERB_PROTECT:
    case VERB_NARROW:
        event->status = hipt_protect(world.table, &mapping.page, mapping.prot);
        break;
    case VERB_REMAP:
        event->status = hipt_remap(world.table, &mapping, &event->out);
        break;
    case VERB_UNMAP_RANGE:
        event->status = hipt_unmap_range(world.table, &mapping.page, event->call.pfn, &done);
        break;
    default:
        lookup(event);
        break;
    }
}

/* Mark and clean: in one read side a lookup, and then the change to what it found (T3). */
static struct event *call_update(const struct call *call)
{
    struct call first = *call;
    struct event *event;
    struct held *mine = &held[caller()];

    hipt_read_enter(world.table);
    first.verb = VERB_LOOKUP;
    event = event_begin(&first);
    lookup(event);
    event_end(event);
    if (mine->is_valid) {
        event = event_begin(call);
        event->looked_up = mine->event;
        if (call->verb == VERB_MARK) {
            event->status = hipt_mark(world.table, &mine->translation, HIPT_DIRTY);
        } else {
            event->status = hipt_clean(world.table, &mine->translation, HIPT_DIRTY);
            event->out = mine->translation.mapping;
        }
        event_end(event);
    }
    mine->is_valid = false;
    hipt_read_exit(world.table);
    return event;
}

/* A page is cleaned while no CPU can write it. */
static struct event *call_cleaner(const struct call *call)
{
    struct call part = *call;
    struct event *event;

    part.verb = VERB_NARROW;
    event = world_call(&part);
    if (event->status == HIPT_OK) {
        part.verb = VERB_CLEAN;
        (void)world_call(&part);
        part.verb = VERB_PROTECT;
        event = world_call(&part);
    }
    return event;
}

struct event *world_call(const struct call *call)
{
    struct event *event;

    if (call->verb == VERB_MARK || call->verb == VERB_CLEAN) {
        return call_update(call);
    }
    if (call->verb == VERB_CLEANER) {
        return call_cleaner(call);
    }
    event = event_begin(call);
    switch (call->verb) {
    case VERB_REVERSE:
    case VERB_PIN:
    case VERB_UNPIN:
    case VERB_REAP:
        call_frame(event);
        break;
    case VERB_RETIRE:
        event->status = hipt_asid_retire(world.table, world.asids[call->asid], NULL);
        break;
    case VERB_ALLOC:
        alloc(event);
        break;
    case VERB_WALK:
        walk(event);
        break;
    case VERB_READ:
    case VERB_WRITE:
    case VERB_EXIT:
    case VERB_ENTER:
    case VERB_SERVE:
    case VERB_CACHED:
    case VERB_STAY:
    case VERB_GATHER:
    case VERB_FINISH:
        cpus_call(event);
        break;
    case VERB_SPLIT:
    case VERB_PUNCH:
    case VERB_COLLAPSE:
        call_reshape(event);
        break;
    case VERB_RESIZE:
    case VERB_MOVE:
    case VERB_PLACE:
        call_move(event);
        break;
    default:
        call_page(event);
        break;
    }
    event_end(event);
    return event;
}

/* --- executions --- */

static void thread_body(void *ctx, unsigned thread)
{
    unsigned i;

    (void)ctx;
    for (i = 0; i < world.program->ncalls[thread]; i++) {
        (void)world_call(&world.program->calls[thread][i]);
    }
    cpus_leave(thread);
}

static void configure(const struct program *program, struct hipt_config *to)
{
    static const uint64_t secret[4] = {1, 2, 3, 4};
    static const struct hipt_range range = {0, WORLD_FRAMES, false};
    static const struct hipt_topology topology = {.size = sizeof(topology), .nodes = 2};
    struct hipt_config config;

    hipt_config_init(&config);
    config.ops = &ops;
    config.buckets = program->nodes ? program->nodes : 1u;
    config.capacity_max = 64;
    config.asid_bits = 2;
    config.va_bits = 16;
    config.nsizes = program->sizes;
    config.page_shift[0] = 12;
    config.page_shift[1] = 14;
    config.ranges = &range;
    config.nranges = 1;
    config.version_bits = program->version_bits;
    config.sequence_bits = program->sequence_bits;
    config.secret = secret;
    config.cpus = program->cpus ? PROGRAM_THREADS_MAX : 0;
    config.topology = program->nodes ? &topology : NULL;
    *to = config;
}

/* => whether there are a table, its CPUs and two spaces. */
static bool table_open(const struct program *program)
{
    struct hipt_config config;

    configure(program, &config);
    return hipt_table_create(&config, &world.table) == HIPT_OK && (!program->cpus || cpus_open(program, &config)) &&
           hipt_asid_alloc(world.table, &world.asids[0]) == HIPT_OK &&
           hipt_asid_alloc(world.table, &world.asids[1]) == HIPT_OK;
}

/* => the plans that there have been so far, or NULL. */
static struct hipti_plan *plans_of(unsigned *count)
{
    const struct hipti_arena *arena = &world.table->asids.plans.arena;

    *count = (unsigned)hipti_plain_get((const volatile void *)&arena->carved, 4);
    return *count > 0 ? (struct hipti_plan *)hipti_plain_pointer((const volatile void *)&arena->directory[0]) : NULL;
}

/* Also which arrays wait to be given back, and what plans say: both are written without a step. */
static uint64_t unseen(void *ctx)
{
    uint64_t hash = hash_unseen(world.table);
    unsigned count = 0;
    const struct hipti_plan *plan = plans_of(&count);
    unsigned i;

    (void)ctx;
    for (i = 0; i < world.table->buckets.nshards; i++) {
        const volatile void *junk = (const volatile void *)&world.table->buckets.shard[i]->junk;
        const struct hipti_array *array = (const struct hipti_array *)hipti_plain_pointer(junk);

        for (; array; array = array->next) {
            hash = hipti_sim_hash(hash, (uint64_t)(uintptr_t)array->next);
        }
    }
    for (i = 0; plan && i < count; i++) { /* of one region each, or of none */
        hash = hipti_sim_hash(hash, plan[i].serial << 24 | (uint64_t)plan[i].now.shard[0] << 16 |
                                        (uint64_t)plan[i].past.count << 8 | plan[i].past.shard[0]);
    }
    return hash;
}

/* The state that every execution starts from. */
static void world_save(void)
{
    static unsigned char own[POOL_BYTES];

    host.saved_used = host.used;
    host.saved_cookies = host.cookies;
    host.saved_freed = host.freed;
    memcpy(own, host.pool, host.used);
    host.saved = own;
    memcpy(saved_asids, world.asids, sizeof(saved_asids));
    memcpy(setup_events, world.events, sizeof(world.events[0]) * world.nevents);
    nsetup_events = world.nevents;
    hipti_plain.writes = 0;
    hipti_plain.is_full = false;
}

/* Memory with plain fields, which leave nothing in the log. */
static void restore(void *memory, size_t bytes)
{
    memcpy(memory, host.saved + ((unsigned char *)memory - host.pool), bytes);
}

/* An array's link to the next one that waits. */
static void restore_array(const volatile void *pointer)
{
    struct hipti_array *array = (struct hipti_array *)hipti_plain_pointer(pointer);

    while (array) {
        restore(array, sizeof(*array));
        array = array->next;
    }
}

static void restore_shard(struct hipti_shard *shard)
{
    restore(shard, sizeof(*shard)); /* as the table */
    restore_array((const volatile void *)&shard->half[0]);
    restore_array((const volatile void *)&shard->half[1]);
    restore_array((const volatile void *)&shard->junk);
}

/* All in the block, also those that only the execution has used. */
static void restore_plans(void)
{
    const struct hipti_arena *arena = &world.table->asids.plans.arena;
    unsigned count;
    struct hipti_plan *plan = plans_of(&count);

    if (plan) {
        restore(plan, arena->limit * sizeof(*plan));
    }
}

static void world_restore(void)
{
    const struct hipti_arena *records = &world.table->asids.records;
    unsigned i;

    if (!hipti_plain_undo(&hipti_plain)) {
        memcpy(host.pool, host.saved, host.saved_used);
    }
    restore(world.table, sizeof(*world.table)); /* the fields of whoever holds a freelist's mover */
    for (i = 0; i < world.table->frames.nodes; i++) {
        restore(&world.table->frames.aliases[i], sizeof(world.table->frames.aliases[i])); /* as above */
    }
    restore_plans();
    restore(hipti_plain_pointer(&records->directory[0]), WORLD_ASIDS * records->item_bytes); /* their numbers */
    for (i = 0; i < world.table->buckets.nshards; i++) {
        restore_shard(world.table->buckets.shard[i]);
    }
    if (world.cpus) {
        restore(world.cpus, world.cpus->bytes);
    }
    if (++restores % RESTORES_CHECKED == 2u && memcmp(host.pool, host.saved, host.saved_used) != 0) {
        fprintf(stderr, "explore: an execution left something behind that it wrote past the log\n");
        abort();
    }
    memset(host.pool + host.saved_used, POISON, host.used - host.saved_used);
    host.used = host.saved_used;
    host.cookies = host.saved_cookies;
    host.freed.count = host.saved_freed.count;
    memset(host.depth, 0, sizeof(host.depth));
    memset(host.waits_for, 0, sizeof(host.waits_for)); /* whoever is outside waits for nobody */
    memcpy(world.asids, saved_asids, sizeof(saved_asids));
    memset(held, 0, sizeof(held));
    world.nevents = 0;
    world.violation[0] = '\0';
}

bool world_open(const struct program *program)
{
    unsigned i;

    memset(&world, 0, sizeof(world));
    world.sim = &sim;
    world.program = program;
    hipti_sim_init(&sim, program->nthreads, thread_body, NULL);
    sim.unseen = unseen;
    hipti_plain.sim = NULL;
    hipti_plain.writes = 0;
    memset(host.pool, POISON, POOL_BYTES);
    host.used = 0;
    host.cookies = 0;
    host.saved_cookies = 0;
    host.freed.count = 0;
    host.saved_freed.count = 0;
    memset(host.depth, 0, sizeof(host.depth));
    memset(host.waits_for, 0, sizeof(host.waits_for));
    if (!table_open(program)) {
        fprintf(stderr, "explore: no table for \"%s\"\n", program->text);
        return false;
    }
    for (i = 0; i < program->nsetup; i++) {
        const struct event *event = world_call(&program->setup[i]);

        if (event->status != HIPT_OK && (event->call.verb != VERB_PLACE || event->status != HIPT_PENDING)) {
            fprintf(stderr, "explore: \"%s\": setup call %u (%s): %s\n", program->text, i + 1u,
                    verb_name(event->call.verb), hipt_strerror(event->status));
            return false;
        }
    }
    world_save();
    return true;
}

/* Most of the pool stays zero: only lines that are not in this image or in the one to come are copied. */
struct world_image {
    struct hipt_table *table;
    struct cpus *cpus;
    struct hipt_asid asids[WORLD_ASIDS];
    uint64_t cookies;
    struct freed freed;
    unsigned nevents;
    struct event events[PROGRAM_SETUP_MAX * 2];
    size_t used;
    unsigned nlines;
    uint16_t line[POOL_BYTES / LINE_BYTES]; /* those that are not all zero */
    _Alignas(LINE_BYTES) unsigned char pool[POOL_BYTES];
};

static void image_find_lines(struct world_image *image)
{
    static const unsigned char zero[LINE_BYTES];
    unsigned i;

    image->nlines = 0;
    for (i = 0; i * LINE_BYTES < image->used; i++) {
        if (memcmp(image->pool + i * LINE_BYTES, zero, LINE_BYTES) != 0) {
            image->line[image->nlines++] = (uint16_t)i;
        }
    }
}

struct world_image *world_keep(void)
{
    struct world_image *image = aligned_alloc(LINE_BYTES, sizeof(*image));

    if (image) {
        image->table = world.table;
        image->cpus = world.cpus;
        memcpy(image->asids, saved_asids, sizeof(saved_asids));
        image->cookies = host.saved_cookies;
        image->freed = host.saved_freed;
        image->nevents = nsetup_events;
        memcpy(image->events, setup_events, sizeof(setup_events));
        image->used = host.saved_used;
        memset(image->pool, 0, sizeof(image->pool));
        memcpy(image->pool, host.saved, host.saved_used);
        image_find_lines(image);
    }
    return image;
}

static void lines_copy(const struct world_image *to, const struct world_image *which)
{
    unsigned i;

    for (i = 0; i < which->nlines; i++) {
        memcpy(host.pool + which->line[i] * LINE_BYTES, to->pool + which->line[i] * LINE_BYTES, LINE_BYTES);
    }
}

/* From the state after one setup to that after another. */
static void pool_turn(const struct world_image *from, const struct world_image *to)
{
    size_t used = host.used < to->used ? host.used : to->used;

    lines_copy(to, from);
    lines_copy(to, to);
    memset(host.pool + to->used, POISON, host.used - used);
    memcpy(host.pool + used, to->pool + used, to->used - used);
}

/* Take the place of what the last setup has left. */
static void image_load(const struct world_image *image)
{
    static const struct world_image *last;

    if (last && host.saved == last->pool) {
        world_restore();
        pool_turn(last, image);
    } else {
        memcpy(host.pool, image->pool, image->used);
        memset(host.pool + image->used, POISON, POOL_BYTES - image->used);
    }
    last = image;
    world.table = image->table;
    world.cpus = image->cpus;
    memcpy(saved_asids, image->asids, sizeof(saved_asids));
    host.saved_cookies = image->cookies;
    host.freed = image->freed;
    host.saved_freed = image->freed;
    nsetup_events = image->nevents;
    memcpy(setup_events, image->events, sizeof(setup_events[0]) * image->nevents);
    host.saved = image->pool;
    host.saved_used = image->used;
    host.used = image->used;
    hipti_plain.writes = 0;
    hipti_plain.is_full = false;
}

void world_open_kept(const struct world_image *image, const struct program *program)
{
    if (host.saved != image->pool) {
        image_load(image);
    }
    world.sim = &sim;
    world.program = program;
    world.search = NULL;
    hipti_sim_init(&sim, program->nthreads, thread_body, NULL);
    sim.unseen = unseen;
}

enum hipti_sim_end world_run(const struct hipti_sim_chooser *chooser)
{
    enum hipti_sim_end end;

    world_restore();
    hipti_plain.sim = &sim;
    checked_writes = 0;
    end = hipti_sim_run(&sim, chooser);
    hipti_plain.sim = NULL;
    return end;
}

const struct event *world_setup_events(unsigned *count)
{
    *count = nsetup_events;
    return setup_events;
}

/* --- account --- */

static const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static void event_print(const struct event *event)
{
    const struct call *call = &event->call;

    printf("  T%u %s asid %u vpn %u size %u pfn %u -> %s (steps %u to %u)\n", event->thread, verb_name(call->verb),
           call->asid, call->vpn, call->size, call->pfn, event->responded ? hipt_strerror(event->status) : "under way",
           event->invoked, event->responded);
}

void world_print(void)
{
    unsigned i;

    for (i = 0; i < sim.nsteps; i++) {
        const struct hipti_sim_point *step = &sim.steps[i];

        if (i > 0 && step->thread != sim.steps[i - 1u].thread) {
            printf("  -- T%u\n", step->thread);
        }
        printf("  %4u T%u %-18s %-10s:%-4d word +%#-7llx value %#llx\n", i, step->thread, step->operation,
               file_name(step->file), step->line,
               (unsigned long long)((const volatile unsigned char *)step->word - host.pool),
               (unsigned long long)step->value);
    }
    for (i = 0; i < world.nevents; i++) {
        event_print(&world.events[i]);
    }
}
