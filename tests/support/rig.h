/* SPDX-License-Identifier: MIT */
/*
 * A small table on a host of its own, and a picture of everything in it, to tell whether an operation changed
 * anything.
 */
#ifndef TEST_SUPPORT_RIG_H
#define TEST_SUPPORT_RIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <hipt/asid.h>
#include <hipt/map.h>
#include <hipt/table.h>

#include "support/host.h"

enum {
    RIG_FRAMES = 4096,  /* pfns 0 to RIG_FRAMES - 1 */
    RIG_SWAP = 64,      /* swap slots 0 to RIG_SWAP - 1 */
    RIG_MEDIUM = 16,    /* base pages of a page of size class 1 */
    RIG_LARGE = 512,    /* and of class 2 */
    RIG_VPNS = 1 << 24, /* vpns 0 to RIG_VPNS - 1 */
    RIG_MAPPINGS = 4096 /* that a picture has room for */
};

struct rig {
    struct test_host host;
    struct hipt_config config;
    struct hipt_range ranges[2];
    struct hipt_table *table;
};

struct rig_picture {
    size_t count;
    struct hipt_mapping mapping[RIG_MAPPINGS]; /* sorted */
    struct hipt_frame_status frame[RIG_FRAMES + RIG_SWAP];
};

/* A configuration to be changed at will: 4-bit asids, 24-bit vpns, three page sizes, 64 buckets, a fixed secret. */
void rig_init(struct rig *rig);

/* Make the table. => false: it was refused. */
bool rig_create(struct rig *rig);

/* Check the table, destroy it, and check that nothing is left of it. */
void rig_destroy(struct rig *rig);

/* => an asid. */
struct hipt_asid rig_asid(struct rig *rig);

/* A grace period passes. No read side is open. */
void rig_pass(struct rig *rig);

/* The table is what hipt_table_is_valid() says it should be. */
void rig_check(struct rig *rig);

/* hipt_lookup_pte_batch() and hipt_lookup_pte() say of all @pages what hipt_lookup_batch() has said. */
void rig_check_words(struct rig *rig, const struct hipt_page *pages, size_t count, const struct hipt_translation *out,
                     const enum hipt_status *status);

struct hipt_mapping rig_mapping(uint32_t asid, uint32_t size, uint64_t vpn, uint64_t pfn);

bool rig_same(const struct hipt_mapping *a, const struct hipt_mapping *b);

void rig_look(struct rig *rig, struct rig_picture *picture);

/* => whether the table is as it was when the picture was taken. */
bool rig_unchanged(struct rig *rig, const struct rig_picture *picture);

#endif
