/* SPDX-License-Identifier: MIT */
/*
 * Plans: where the pages of an asid are, when one shard does not say it all: regions, each with a shard, or spread over
 * all of them page by page; and, until the word says that the plan is settled, where they were before. A plan is
 * constant from before a word names it until a grace period after none does.
 *
 * A plan stands for at least one whole grace period before it is settled, and for one after that: whoever goes on asks
 * hipti_plan_is_due() first. So who reads a word in a read side sees its place change twice at most, and never come
 * back: it names a plan that comes, is settled, or goes.
 */
#ifndef HIPT_ASID_PLANS_H
#define HIPT_ASID_PLANS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <hipt/asid.h>
#include <hipt/ops.h>
#include <hipt/status.h>

#include "base/atomic.h"
#include "reclaim/arena.h"
#include "reclaim/freelist.h"

#define HIPTI_ALL_SHARDS 255u
#define HIPTI_NO_SHARD 254u
#define HIPTI_PLANS_MAX 65535u /* a word numbers them with 16 bits, from 1 on */

/* Regions in a row. Field key: c constant once it is a plan's, a atomic. */
struct hipti_regions {
    uint64_t first[HIPT_REGIONS_MAX]; /* c: vpn from which on, ascending, [0] = 0 */
    uint8_t shard[HIPT_REGIONS_MAX];  /* c: HIPTI_ALL_SHARDS: interleaved */
    uint8_t count;                    /* c: at least 1 */
};

struct hipti_plan {
    struct hipti_regions now;
    struct hipti_regions past;        /* of no interest once it is settled */
    uint64_t serial;                  /* c: no two plans of a table have the same */
    HIPTI_ATOMIC(uint64_t) cookie[2]; /* its elements a: of a grace period that began when a word named it, [1] as
                                         settled, plus 1; 0: none has */
    HIPTI_ATOMIC(uint32_t) link;      /* a: the freelist's */
};

/* The shard where a page is put, and the one that it may be in still, or HIPTI_NO_SHARD. */
struct hipti_where {
    unsigned now;
    unsigned past;
};

/* Field key: all constant, but for .serials, and what arena and list say of themselves. */
struct hipti_plans {
    const struct hipt_ops *ops;
    struct hipti_arena arena;
    struct hipti_freelist spare;
    unsigned nshards;
    HIPTI_ATOMIC(uint64_t) serials; /* a: plans made */
};

/* => false: no memory. @memory outlives the plans. With one shard there are none. */
bool hipti_plans_init(struct hipti_plans *plans, const struct hipti_memory *memory, unsigned nshards, uint32_t asids);
void hipti_plans_end(struct hipti_plans *plans);

/* => the memory that they take. */
size_t hipti_plans_bytes(const struct hipti_plans *plans);

/*
 * => the number of a plan of the regions @now, and before that of @past; 0 with *status HIPT_NOMEM, HIPT_FULL or
 * HIPT_BUSY. Inside a read side.
 */
uint32_t hipti_plan_new(struct hipti_plans *plans, const struct hipti_regions *now, const struct hipti_regions *past,
                        enum hipt_status *status);

/* No word names the plan any more; readers may still look at it. */
void hipti_plan_free(struct hipti_plans *plans, uint32_t number);

/* => the plan. Inside a read side in which a word named it. */
const struct hipti_plan *hipti_plan_at(const struct hipti_plans *plans, uint32_t number);

/* => whether a grace period has passed since a word named it so; it begins when this is asked first. As above. */
bool hipti_plan_is_due(struct hipti_plans *plans, uint32_t number, bool is_settled);

/* => where the page is whose first base page is @vpn. As above. */
struct hipti_where hipti_plan_where(const struct hipti_plans *plans, uint32_t number, bool is_settled, uint64_t vpn);

/* => whether two have the same regions. */
bool hipti_regions_are_equal(const struct hipti_regions *a, const struct hipti_regions *b);

#endif
