/* SPDX-License-Identifier: MIT */
/*
 * R1 on real threads: a frame is handed back only after a grace period. Each frame has contents in plain memory, not
 * atomic, rewritten with the next birth number by whoever reaps it. A mapping is stamped with the birth that it was
 * made in. Readers stay in a read side, look a page up, and read the contents of its frame several times: they must
 * never be of another birth. The histogram counts by how many births the contents were younger than the mapping;
 * everything but 0 is beyond the allowance. ThreadSanitizer sees the plain accesses, too.
 *
 * Frames are shared by a second page while they are in use, and pinned across the end of a read side.
 */
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>

#include "crew.h"

enum { PAGES = 10, FRAMES = 512, WORDS = 8 };

enum { OPERATIONS, READS, PINNED, SHARED, ENDED, REAPED, AGES };

static const struct crew_count counts[] = {
    {"operations", true, false},
    {"contents read in a read side", true, false},
    {"contents read under a pin", true, false},
    {"frames shared", true, false},
    {"mappings ended", true, false},
    {"frames reaped", true, false},
    {"age at use 0", true, false},
    {"age at use 1", false, false},
    {"age at use 2 to 7", false, false},
    {"age at use 8 to 63", false, false},
    {NULL, false, false},
};

/* Plain memory: only hipt orders its uses. */
struct contents {
    _Alignas(64) volatile uint64_t birth[WORDS]; /* all the same */
};

/* Frames that a thread may give a page to. */
struct pool {
    unsigned count;
    uint64_t pfn[FRAMES];
};

static struct contents contents[FRAMES];
static uint32_t asid;

static bool start(struct crew *crew)
{
    asid = crew_asid(crew).number;
    return true;
}

/* => the birth that all words agree on. */
static uint64_t contents_read(struct crew *crew, uint64_t pfn)
{
    uint64_t birth = contents[pfn].birth[0];
    unsigned i;

    for (i = 1; i < WORDS; i++) {
        uint64_t word = contents[pfn].birth[i];

        if (word != birth) {
            crew_broken(crew, "frame %" PRIu64 " is rewritten under a reader: births %" PRIu64 " and %" PRIu64, pfn,
                        birth, word);
        }
    }
    return birth;
}

static void contents_write(uint64_t pfn)
{
    uint64_t birth = contents[pfn].birth[0] + 1u;
    unsigned i;

    for (i = 0; i < WORDS; i++) {
        contents[pfn].birth[i] = birth;
    }
}

/* A use of a mapping's frame. */
static void use(struct crew *crew, unsigned thread, const struct hipt_mapping *m)
{
    uint64_t birth = contents_read(crew, m->pfn);
    unsigned age = crew_age(m, birth);

    if (crew->options.canary && crew_total(crew, READS) > 100u) {
        age = 1;
    }
    if (age != 0) {
        crew_broken(crew, "frame %" PRIu64 " is used %u births after the mapping through which it is used", m->pfn,
                    age);
    }
    crew_add_age(crew, thread, AGES, age);
}

static void read_frame(struct crew *crew, unsigned thread, uint64_t *random)
{
    unsigned times = 1u + crew_draw(random, 4);
    struct hipt_translation t;

    hipt_read_enter(crew->table);
    if (hipt_lookup(crew->table, asid, crew_draw(random, PAGES), &t) == HIPT_OK) {
        while (times-- > 0) {
            use(crew, thread, &t.mapping);
            sched_yield();
        }
        crew_add(crew, thread, READS, 1);
    }
    hipt_read_exit(crew->table);
}

/* A pin outlives the read side in which it was taken. */
static void pin_frame(struct crew *crew, unsigned thread, uint64_t *random)
{
    enum hipt_status status = HIPT_ABSENT;
    struct hipt_translation t;
    struct hipt_frame frame = {0, false};

    hipt_read_enter(crew->table);
    if (hipt_lookup(crew->table, asid, crew_draw(random, PAGES), &t) == HIPT_OK) {
        frame.pfn = t.mapping.pfn;
        status = hipt_frame_pin(crew->table, frame);
    }
    hipt_read_exit(crew->table);
    if (status == HIPT_OK) {
        sched_yield();
        use(crew, thread, &t.mapping);
        crew_add(crew, thread, PINNED, 1);
        status = hipt_frame_unpin(crew->table, frame);
        if (status != HIPT_OK) {
            crew_broken(crew, "the unpin of a pinned frame answers: %s", hipt_strerror(status));
        }
    }
}

/* A second page for a frame that is in use: inside the read side it can not have been reaped. */
static void share_frame(struct crew *crew, unsigned thread, uint64_t *random)
{
    enum hipt_status status = HIPT_ABSENT;
    struct hipt_translation t;

    hipt_read_enter(crew->table);
    if (hipt_lookup(crew->table, asid, crew_draw(random, PAGES), &t) == HIPT_OK) {
        t.mapping.page.vpn = crew_draw(random, PAGES);
        status = hipt_map(crew->table, &t.mapping);
    }
    hipt_read_exit(crew->table);
    crew_add(crew, thread, SHARED, status == HIPT_OK);
}

static void end_mapping(struct crew *crew, unsigned thread, uint64_t *random)
{
    struct hipt_page page = {asid, 0, crew_draw(random, PAGES)};

    crew_add(crew, thread, ENDED, hipt_unmap(crew->table, &page, NULL) == HIPT_OK);
}

static void reap(struct crew *crew, unsigned thread, struct pool *pool)
{
    struct hipt_frame frame;

    while (pool->count < FRAMES && hipt_frame_reap(crew->table, &frame, 1) == 1u) {
        contents_write(frame.pfn);
        pool->pfn[pool->count++] = frame.pfn;
        crew_add(crew, thread, REAPED, 1);
    }
}

/* A free frame goes to a page, in place of another frame where there is one. */
static void give_frame(struct crew *crew, unsigned thread, uint64_t *random, struct pool *pool)
{
    struct hipt_mapping m = {.page = {asid, 0, crew_draw(random, PAGES)}, .prot = HIPT_READ};
    enum hipt_status status;

    if (pool->count == 0) {
        reap(crew, thread, pool);
        sched_yield();
        return;
    }
    m.pfn = pool->pfn[pool->count - 1u];
    crew_stamp(&m, contents[m.pfn].birth[0]);
    status = crew_draw(random, 2) ? hipt_map(crew->table, &m) : hipt_remap(crew->table, &m, NULL);
    pool->count -= status == HIPT_OK;
}

static void body(struct crew *crew, unsigned thread)
{
    uint64_t random = crew_seed(crew, thread);
    struct pool pool = {0, {0}};
    uint64_t pfn;

    for (pfn = thread; pfn < FRAMES; pfn += crew->options.threads) {
        contents_write(pfn);
        pool.pfn[pool.count++] = pfn;
    }
    while (!crew_is_over(crew)) {
        switch (crew_draw(&random, 8)) {
        case 0: read_frame(crew, thread, &random); break;
        case 1: pin_frame(crew, thread, &random); break;
        case 2: share_frame(crew, thread, &random); break;
        case 3:
        case 4: end_mapping(crew, thread, &random); break;
        case 5: reap(crew, thread, &pool); break;
        default: give_frame(crew, thread, &random, &pool); break;
        }
        crew_add(crew, thread, OPERATIONS, 1);
    }
}

int main(int argc, char **argv)
{
    static const struct crew_program program = {
        .letter = "R1",
        .claim = "a frame is handed back only after a grace period",
        .count = counts,
        .asid_bits = 1,
        .frames = FRAMES,
        .grace = HIPT_USER_CK,
        .start = start,
        .body = body,
    };

    return crew_main(&program, argc, argv);
}
