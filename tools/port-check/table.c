/* SPDX-License-Identifier: MIT */
/* In the end, what the port is for: a table, alone and with all threads. */
#include "run.h"

#define PAGES 64u
#define TURNS 20000u
#define TURNS_MAX 500000u /* where grace periods are slow */
#define COLOURS 16u /* frames that a page may have: pfn / COLOURS is its vpn */

static bool make(struct run *run, struct hipt_table **table, struct hipt_asid *space)
{
    struct hipt_range memory = {.first = 0, .count = PAGES * COLOURS};
    struct hipt_config config;
    char why[160] = "";
    enum hipt_status status;

    hipt_config_init(&config);
    config.ops = &run->ops, config.ranges = &memory, config.nranges = 1, config.capacity = PAGES;
    (void)hipt_config_check(&config, why, sizeof(why));
    status = hipt_table_create(&config, table);
    if (status == HIPT_OK && hipt_asid_alloc(*table, space) == HIPT_OK) {
        return true;
    }
    pc_found(run, "no table could be made: %s; %s", hipt_strerror(status), why);
    hipt_table_destroy(*table);
    return false;
}

static void end(struct run *run, struct hipt_table *table, size_t before)
{
    char why[160];

    if (!hipt_table_is_valid(table, why, sizeof(why))) {
        pc_found(run, "the table is not valid: %s", why);
    }
    hipt_table_destroy(table);
    if (run->port->bytes != NULL && run->port->bytes(run->port->ctx) != before) {
        pc_found(run, "%u bytes of memory were out before the table was made, %u when it was destroyed",
                 (uint64_t)before, (uint64_t)run->port->bytes(run->port->ctx));
    }
}

/* --- one thread: every answer is known */

static bool is_found(struct hipt_table *table, uint32_t asid, uint64_t vpn, uint64_t pfn)
{
    struct hipt_translation translation;
    struct hipt_mapping owner;
    size_t owners = 0;

    return hipt_lookup(table, asid, vpn, &translation) == HIPT_OK && translation.mapping.pfn == pfn &&
           hipt_reverse(table, (struct hipt_frame){.pfn = pfn}, &owner, 1, &owners) == HIPT_OK && owners == 1 &&
           owner.page.vpn == vpn && owner.page.asid == asid;
}

static void use_alone(struct run *run, struct hipt_table *table, uint32_t asid)
{
    struct hipt_translation translation;

    for (uint64_t vpn = 0; vpn < PAGES; vpn++) {
        struct hipt_mapping m = {.page = {.asid = asid, .vpn = vpn}, .pfn = vpn * COLOURS, .prot = HIPT_READ};
        enum hipt_status status = hipt_map(table, &m);

        if (status != HIPT_OK || !is_found(table, asid, vpn, vpn * COLOURS)) {
            pc_found(run, "page %u was not mapped as it should be: %s", vpn, hipt_strerror(status));
        }
    }
    for (uint64_t vpn = 0; vpn < PAGES; vpn++) {
        struct hipt_page page = {.asid = asid, .vpn = vpn};
        enum hipt_status status = hipt_unmap(table, &page, NULL);

        if (status != HIPT_OK || hipt_lookup(table, asid, vpn, &translation) != HIPT_ABSENT) {
            pc_found(run, "page %u was not unmapped as it should be: %s", vpn, hipt_strerror(status));
        }
    }
}

/* => frames that came back. */
static size_t reap_all(struct run *run, struct hipt_table *table, size_t want)
{
    struct hipt_frame frames[PAGES];
    size_t reaped = 0;

    for (unsigned naps = 0; reaped < want && naps < 2000u; naps++) {
        reaped += hipt_frame_reap(table, frames, PAGES);
        run->port->nap(run->port->ctx);
    }
    return reaped;
}

static void table_alone(struct run *run)
{
    size_t before = run->port->bytes != NULL ? run->port->bytes(run->port->ctx) : 0;
    struct hipt_table *table = NULL;
    struct hipt_asid space;
    size_t reaped;

    if (!make(run, &table, &space)) {
        return;
    }
    use_alone(run, table, space.number);
    reaped = reap_all(run, table, PAGES);
    if (reaped != PAGES) {
        pc_found(run, "%u frames were unmapped, %u came back after grace periods", (uint64_t)PAGES, (uint64_t)reaped);
    }
    end(run, table, before);
}

/* --- all threads: the first maps and unmaps, the others translate. Field key: constant, but what is atomic. */

struct crowd {
    struct run *run;
    struct hipt_table *table;
    uint32_t asid;
    _Atomic unsigned is_over;
    unsigned maps;
};

static void pass(struct run *run, unsigned turn)
{
    if (run->ops.read_enter == NULL) {
        run->port->quiescent(run->port->ctx);
    }
    if (turn % 1024u == 0) {
        run->port->nap(run->port->ctx);
    }
}

static void map_and_unmap(struct crowd *crowd)
{
    struct hipt_frame reaped[PAGES];
    uint64_t seed = 1;

    for (unsigned turn = 0; turn < TURNS || (crowd->maps <= PAGES * COLOURS && turn < TURNS_MAX); turn++) {
        uint64_t vpn = pc_draw(&seed) % PAGES;
        struct hipt_mapping m = {.page = {.asid = crowd->asid, .vpn = vpn}, .pfn = vpn * COLOURS + turn % COLOURS};
        enum hipt_status status;

        m.prot = HIPT_READ;
        status = hipt_map(crowd->table, &m); /* HIPT_BUSY: the frame waits for a grace period since its last use */
        crowd->maps += status == HIPT_OK;
        if (status == HIPT_EXISTS) {
            (void)hipt_unmap(crowd->table, &m.page, NULL);
        } else if (status != HIPT_OK && status != HIPT_BUSY) {
            pc_found(crowd->run, "a page could not be mapped: %s", hipt_strerror(status));
        }
        pass(crowd->run, turn);
        (void)hipt_frame_reap(crowd->table, reaped, PAGES);
    }
    atomic_store_explicit(&crowd->is_over, 1u, memory_order_release);
}

static void translate(struct crowd *crowd, uint64_t seed)
{
    for (unsigned turn = 0; atomic_load_explicit(&crowd->is_over, memory_order_acquire) == 0; turn++) {
        uint64_t vpn = pc_draw(&seed) % PAGES;
        uint64_t pte = hipt_lookup_pte(crowd->table, crowd->asid, vpn);

        if (pte != 0 && HIPT_PTE_PFN(pte) / COLOURS != vpn) {
            pc_found(crowd->run, "page %u was translated to frame %u, which it never had", vpn, HIPT_PTE_PFN(pte));
        }
        pass(crowd->run, turn);
    }
}

static void crowd_body(void *argument, unsigned number)
{
    struct crowd *crowd = argument;

    if (number == 0) {
        map_and_unmap(crowd);
    } else {
        translate(crowd, number);
    }
}

static void table_by_threads(struct run *run)
{
    size_t before = run->port->bytes != NULL ? run->port->bytes(run->port->ctx) : 0;
    struct crowd crowd = {.run = run};
    struct hipt_asid space;

    if (!make(run, &crowd.table, &space)) {
        return;
    }
    crowd.asid = space.number;
    pc_crew(run, run->port->threads, crowd_body, &crowd);
    if (crowd.maps <= PAGES * COLOURS) {
        pc_found(run, "%u maps succeeded in %u turns: frames do not come back", (uint64_t)crowd.maps,
                 (uint64_t)TURNS_MAX);
    }
    end(run, crowd.table, before);
}

static const struct check checks[] = {
    {"table_alone", 0, 0, table_alone, "all together: what is mapped is found both ways, frames and memory come back",
     "what the checks above say; where they are all ok, please report it with hipt_version()"},
    {"table_by_threads", 0, 2, table_by_threads,
     "all together: lookups beside maps and unmaps never give what a page never had; frames and memory come back",
     "what the checks above say; where they are all ok, please report it with hipt_version()"},
};
const struct checks pc_table_checks = {checks, sizeof(checks) / sizeof(checks[0])};
