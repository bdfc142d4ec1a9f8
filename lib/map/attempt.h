/* SPDX-License-Identifier: MIT */
/* One page on its way into the table: what a map holds, or whoever else puts a page in. All inside a read side. */
#ifndef HIPT_MAP_ATTEMPT_H
#define HIPT_MAP_ATTEMPT_H

#include "map/table.h"

/* The caller fills in the first four. */
struct hipti_attempt {
    struct hipt_table *table;
    const struct hipt_mapping *mapping;
    struct hipti_asid *asid;
    uint32_t number; /* of the frame's record */
    uint32_t place; /* what of the asid's word says where pages are */
    uint32_t cell;
    struct hipti_claim claim;
};

/* Everything that may fail. => HIPT_OK, or nothing is held. */
enum hipt_status hipti_attempt_reserve(struct hipti_attempt *attempt);

/*
 * Commit what was reserved: the slot is tentative, or has been aborted by another map; in a table of one page size and
 * one shard it is live. => HIPT_OK, or nothing is held.
 */
enum hipt_status hipti_attempt_commit(struct hipti_attempt *attempt);

/*
 * => whether the page's place is still what the attempt, committed since, took it for. Then the slot may become live:
 * whoever moves its asid later finds it. In the single order of seq_cst operations.
 */
bool hipti_attempt_is_placed(const struct hipti_attempt *attempt);

/* Take a committed attempt out again whose slot is ENDED. */
void hipti_attempt_undo(struct hipti_attempt *attempt);

/* The page's last mapping may be in the way, frozen. => HIPT_CHANGED: not any more, try again; HIPT_BUSY. */
enum hipt_status hipti_attempt_help(struct hipt_table *table, const struct hipt_page *page);

#endif
