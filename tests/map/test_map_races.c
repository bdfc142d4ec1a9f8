/* SPDX-License-Identifier: MIT */
/*
 * Races of three maps, each made to happen: one operation is interrupted before a named access by another, and that one
 * by a third. Races of two are in test_interrupted.c.
 */
#include <criterion/criterion.h>

#include <stdbool.h>
#include <stdint.h>

#include "map/table.h"
#include "support/rig.h"
#include "support/step.h"

static struct rig rig;
static uint32_t asid;
static enum hipt_status said[3];

static enum hipt_status map(uint32_t size, uint64_t vpn, uint64_t pfn)
{
    struct hipt_mapping mapping = rig_mapping(asid, size, vpn, pfn);

    return hipt_map(rig.table, &mapping);
}

/* The word of the slot that a page has or will have, whatever its state. */
static const volatile void *word_of(uint32_t size, uint64_t vpn)
{
    struct hipt_page page = {.asid = asid, .size = size, .vpn = vpn};
    struct hipti_place place = hipti_page_place(rig.table, &page);
    hipti_slot slot = 0;
    uint64_t pte;

    cr_assert(hipti_bucket_find(&rig.table->buckets, place, &slot, &pte, NULL));
    return &hipti_buckets_line(&rig.table->buckets, slot / HIPT_SLOTS)->pte[slot % HIPT_SLOTS];
}

static void map_second_small(void)
{
    said[2] = map(0, RIG_MEDIUM + 9u, 9);
}

/* The first small map finds the large one tentative; the second aborts it before the first can. */
static void map_first_small(void)
{
    step_interrupt("cas", word_of(1, RIG_MEDIUM), 0, map_second_small);
    said[1] = map(0, RIG_MEDIUM + 3u, 3);
    cr_assert(step_interrupted());
}

/*
 * T1, P6: two maps of small pages both find a large one on its way that covers them: either may abort it, both get
 * their page, and the large one gives way.
 */
Test(map_races, T1_P6_two_abort_one)
{
    struct hipt_translation found;

    rig_init(&rig);
    rig.config.nsizes = 2;
    cr_assert(rig_create(&rig));
    asid = rig_asid(&rig).number;
    cr_assert_eq(map(0, 0, 0), HIPT_OK); /* both sizes are in use, so the large map looks for small pages */
    cr_assert_eq(map(1, 4u * RIG_MEDIUM, RIG_MEDIUM), HIPT_OK);
    step_interrupt("load", hipti_asid_word(&rig.table->asids, asid), 2, map_first_small);
    said[0] = map(1, RIG_MEDIUM, 2u * RIG_MEDIUM);
    cr_assert(step_interrupted());
    cr_assert_eq(said[0], HIPT_OVERLAP, "it looks for small pages after that");
    cr_assert_eq(said[1], HIPT_OK);
    cr_assert_eq(said[2], HIPT_OK);
    cr_assert_eq(hipt_lookup(rig.table, asid, RIG_MEDIUM + 3u, &found), HIPT_OK);
    cr_assert(found.mapping.pfn == 3u && found.mapping.page.size == 0);
    cr_assert_eq(hipt_lookup(rig.table, asid, RIG_MEDIUM + 9u, &found), HIPT_OK);
    cr_assert(found.mapping.pfn == 9u && found.mapping.page.size == 0);
    cr_assert_eq(hipt_lookup(rig.table, asid, RIG_MEDIUM, &found), HIPT_ABSENT);
    rig_destroy(&rig);
}
