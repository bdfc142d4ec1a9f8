/* SPDX-License-Identifier: MIT */
/* The list of an asid's pages, cell by cell: what is taken and given back while somebody else does the same. */
#include <criterion/criterion.h>

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "asid/asids.h"
#include "support/host.h"
#include "support/step.h"

enum { CELLS = HIPTI_BLOCK_CELLS - 1, SLOTS = 512 };

static struct test_host host;
static struct hipti_memory memory;
static struct hipti_asids asids;

static void issue_new(struct hipt_asid *issued)
{
    enum hipt_status status = HIPT_OK;
    struct hipti_asid *asid = hipti_asid_new(&asids, &status);

    cr_assert(asid && hipti_asid_reissue(&asids, asid, 0, issued));
}
static struct hipti_asid *asid;
static struct hipt_asid issued;
static uint32_t cell_of[SLOTS]; /* of the slots that are remembered; 0: none */

static void start(void)
{
    test_host_init(&host);
    memset(&asids, 0, sizeof(asids));
    memset(cell_of, 0, sizeof(cell_of));
    memory = hipti_memory_anywhere(&host.ops);
    cr_assert(hipti_asids_init(&asids, &memory, 2, 1, 4096, (size_t)1 << 16));
    issue_new(&issued);
    asid = hipti_asid_record(&asids, issued.number);
    host.ops.read_enter(host.ops.ctx);
}

static void stop(void)
{
    host.ops.read_exit(host.ops.ctx);
    hipti_asids_end(&asids);
    cr_assert_eq(atomic_load(&host.bytes), 0);
}

static void take(uint32_t slot)
{
    enum hipt_status status = HIPT_OK;

    cell_of[slot] = hipti_asid_remember(&asids, asid, slot, &status);
    TEST_HOLDS(cell_of[slot] != 0);
}

static void give(uint32_t slot)
{
    uint32_t cell = cell_of[slot];

    cell_of[slot] = 0;
    hipti_asid_forget(&asids, issued.number, cell);
}

static void take_some(uint32_t first, uint32_t count)
{
    while (count-- > 0) {
        take(first++);
    }
}

/* Take cells until so many are in use: those that were given back are handed out again. */
static void take_up_to(uint32_t count)
{
    uint32_t slot;

    for (slot = 0; slot < SLOTS; slot++) {
        count -= cell_of[slot] != 0;
    }
    take_some(100, count);
}

/* A1: a walk gives the slots that are remembered, each once, and no block of cells is lost. => blocks of the list. */
static uint64_t cr_expect_list(void)
{
    struct hipti_asid_walk walk = hipti_asid_walk_start(&asids, asid);
    bool given[SLOTS] = {false};
    uint32_t carved = hipti_load_relaxed(&asids.blocks.carved);
    uint32_t slot;

    while (hipti_asid_walk_next(&walk, &slot)) {
        cr_assert(slot < SLOTS && !given[slot], "slot %u", slot);
        given[slot] = true;
    }
    for (slot = 0; slot < SLOTS; slot++) {
        cr_assert_eq(given[slot], cell_of[slot] != 0, "slot %u", slot);
        cr_assert(cell_of[slot] == 0 || hipti_asid_cell_names(&asids, cell_of[slot], slot), "slot %u", slot);
    }
    cr_assert_eq(walk.visited % CELLS, 0, "a walk visits whole blocks");
    cr_assert_eq(carved, walk.visited / CELLS + hipti_freelist_is_waiting(&asids.spare), "%u blocks", carved);
    return walk.visited / CELLS;
}

/* --- two at once: one is stopped before each of its steps in turn, while the other does all of its own */

static void take_beside(void)
{
    take(300);
}

static void give_beside(void)
{
    give(1);
}

/* The cell that comes off the stack first is back on it, with another one below it than before. */
static void take_two_and_give_one_beside(void)
{
    take(300);
    take(301);
    give(300);
}

static void take_outer(void)
{
    take(400);
}

static void give_outer(void)
{
    give(2);
}

static void nothing(void)
{
}

/* What the list looks like before: a block to be brought, cells left in one, cells given back. */
static void some_left(void)
{
    take_some(0, 10);
}

static void none_left(void)
{
    take_some(0, CELLS);
}

static void some_given_back(void)
{
    take_some(0, CELLS);
    give(20);
    give(21);
    give(22);
}

/* A1: no cell has two pages, none is lost. */
Test(cells, A1_two_at_once)
{
    static void (*const before[])(void) = {nothing, some_left, none_left, some_given_back};
    static void (*const outer[])(void) = {take_outer, give_outer};
    static void (*const beside[])(void) = {take_beside, give_beside, take_two_and_give_one_beside};
    unsigned total = 0;
    unsigned i;

    for (i = 0; i < 4u * 2u * 3u; i++) {
        bool is_over = before[i % 4u] == nothing && (outer[i / 4u % 2u] == give_outer || beside[i / 8u] == give_beside);
        unsigned steps;

        for (steps = 0; !is_over; steps++) {
            start();
            before[i % 4u]();
            step_interrupt(NULL, NULL, steps, beside[i / 8u]);
            outer[i / 4u % 2u]();
            is_over = !step_interrupted();
            (void)cr_expect_list();
            take_up_to(3 * CELLS);
            cr_assert_eq(cr_expect_list(), 3u, "a cell is lost");
            stop();
            total++;
        }
    }
    cr_assert_gt(total, 100u);
}

/* Brings the asid back to life, if its last life has ended. */
static bool is_reissued;

static void reissue_beside(void)
{
    struct hipti_asid *taken = hipti_asid_take(&asids);

    TEST_HOLDS(taken == asid);
    is_reissued = hipti_asid_reissue(&asids, taken, 0, &issued);
    if (!is_reissued) {
        hipti_asid_put_back(&asids, taken);
    }
}

/* A1: who gives the last cell back is through with the list when the next life begins. */
Test(cells, A1_the_last_cell_beside_the_next_life)
{
    bool is_over = false;
    unsigned refused = 0;
    unsigned steps;

    for (steps = 0; !is_over; steps++) {
        start();
        take_some(0, 3);
        cr_assert_not_null(hipti_asid_end(&asids, issued));
        hipti_asid_put_back(&asids, asid);
        give(0);
        give(1);
        cr_assert_null(hipti_asid_take(&asids), "a grace period begins");
        test_host_pass(&host);
        is_reissued = false;
        step_interrupt(NULL, NULL, steps, reissue_beside);
        give(2);
        is_over = !step_interrupted();
        refused += !is_over && !is_reissued;
        if (is_reissued) {
            cr_assert_eq(issued.generation, 2u);
            take_some(0, 2 * CELLS);
            (void)cr_expect_list();
        }
        stop();
    }
    cr_assert_eq(refused, steps - 1u, "its cell is in use until the last step");
}

/* Somebody maps into the number without having been given it. */
static void take_if_active_beside(void)
{
    if (hipti_asid_active(&asids, issued.number)) {
        take(300);
    }
}

/* A1: a number has its new, empty list before anybody finds it active. */
Test(cells, A1_the_next_life_beside_a_map)
{
    bool is_over = false;
    unsigned taken = 0;
    unsigned steps;

    for (steps = 0; !is_over; steps++) {
        start();
        take_some(0, 3);
        cr_assert_not_null(hipti_asid_end(&asids, issued));
        hipti_asid_put_back(&asids, asid);
        give(0);
        give(1);
        give(2);
        cr_assert_null(hipti_asid_take(&asids), "a grace period begins");
        test_host_pass(&host);
        cr_assert_eq(hipti_asid_take(&asids), asid);
        step_interrupt(NULL, NULL, steps, take_if_active_beside);
        cr_assert(hipti_asid_reissue(&asids, asid, 0, &issued));
        is_over = !step_interrupted();
        if (is_over) {
            take_if_active_beside();
        }
        taken += cell_of[300] != 0;
        (void)cr_expect_list();
        stop();
    }
    cr_assert_eq(taken, 1u, "it is active from the last step on");
}

/* --- bounds */

/* A1: the tag of the stack stops before a quarter of its range; meanwhile cells come from elsewhere. */
Test(cells, A1_the_tag_waits_at_its_gate)
{
    uint64_t word;
    uint32_t first;

    start();
    take_some(0, 5);
    first = cell_of[3];
    give(3);
    cr_assert(hipti_gate_cross(&asids.gate, &host.ops)); /* another asid's tag did */
    word = hipti_load_relaxed(&asid->spare);
    cr_assert_eq(word, first, "cell and tag");
    hipti_store_relaxed(&asid->spare, word | ((UINT64_C(1) << 31) - 1u) << 31);
    take(3);
    cr_assert_neq(cell_of[3], first);
    test_host_pass(&host);
    take(5);
    cr_assert_eq(cell_of[5], first);
    cr_assert_eq(hipti_load_relaxed(&asid->spare), UINT64_C(1) << 62, "the next quarter");
    (void)cr_expect_list();
    stop();
}

/* There are cells for as many pages as a table can hold, of every size up to what blocks can be numbered for. */
Test(cells, A1_enough_for_every_mapping)
{
    unsigned bits;

    for (bits = 4; bits <= 30u; bits++) {
        uint64_t mappings = UINT64_C(1) << bits;

        test_host_init(&host);
        memset(&asids, 0, sizeof(asids));
        memory = hipti_memory_anywhere(&host.ops);
        cr_assert(hipti_asids_init(&asids, &memory, 4, 1, mappings, (size_t)1 << 16));
        cr_assert_geq((uint64_t)asids.blocks.limit * CELLS, mappings + 16u * CELLS, "2^%u", bits);
        hipti_asids_end(&asids);
    }
}

/* The last block that there may be: with it the list is full; one that waits for a grace period is waited for. */
Test(cells, A1_the_last_block)
{
    enum hipt_status status = HIPT_OK;
    struct hipt_asid other;
    uint32_t limit;
    uint32_t n;

    start();
    take_some(0, CELLS);
    limit = asids.blocks.limit;
    asids.blocks.limit = 2; /* their memory is there */
    take_some(CELLS, CELLS);
    cr_assert_eq(hipti_asid_remember(&asids, asid, 200, &status), 0);
    cr_assert_eq(status, HIPT_FULL);
    for (n = 0; n < 2 * CELLS; n++) {
        give(n);
    }
    cr_assert_not_null(hipti_asid_end(&asids, issued));
    hipti_asid_put_back(&asids, asid);
    cr_assert_null(hipti_asid_take(&asids));
    test_host_pass(&host);
    cr_assert_eq(hipti_asid_take(&asids), asid);
    cr_assert(hipti_asid_reissue(&asids, asid, 0, &issued));
    issue_new(&other);
    cr_assert_eq(hipti_asid_remember(&asids, hipti_asid_record(&asids, other.number), 1, &status), 0);
    cr_assert_eq(status, HIPT_BUSY, "two blocks wait");
    test_host_pass(&host);
    take_some(0, 2 * CELLS);
    (void)cr_expect_list();
    asids.blocks.limit = limit;
    stop();
}

/* W3: a walk looks at a cell again when that names another slot by now; not when it is nobody's any more. */
Test(cells, W3_a_walk_looks_again)
{
    struct hipti_asid_walk walk;
    uint32_t slot;

    start();
    take_some(5, 2);
    walk = hipti_asid_walk_start(&asids, asid);
    cr_assert(hipti_asid_walk_next(&walk, &slot));
    cr_assert_eq(slot, 5);
    cr_assert(!hipti_asid_walk_again(&walk, &slot));
    hipti_asid_relink(&asids, cell_of[5], 5, 7);
    cr_assert(hipti_asid_walk_again(&walk, &slot));
    cr_assert_eq(slot, 7);
    cr_assert(!hipti_asid_walk_again(&walk, &slot));
    cell_of[7] = cell_of[5];
    cell_of[5] = 0;
    give(7);
    cr_assert(!hipti_asid_walk_again(&walk, &slot));
    cr_assert(hipti_asid_walk_next(&walk, &slot));
    cr_assert_eq(slot, 6);
    stop();
}
