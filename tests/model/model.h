/* SPDX-License-Identifier: MIT */
/*
 * A sequential model of hipt: what a table has to answer when one thread uses it. It is an array of mappings for each
 * asid and an array of frame records, searched from end to end, so that it can be checked by reading it.
 *
 * The contract of a verb names conditions and an error for each, and no order among them: a call for which several
 * hold may answer with any of them. The model therefore says which answers are legal, as a set of statuses, and does
 * the change separately, once the table has said HIPT_OK.
 */
#ifndef HIPT_MODEL_H
#define HIPT_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <hipt/asid.h>
#include <hipt/frame.h>
#include <hipt/map.h>
#include <hipt/table.h>

typedef uint32_t model_set; /* one bit for each enum hipt_status */

static inline model_set model_bit(enum hipt_status status)
{
    return (model_set)1u << (unsigned)status;
}

struct model;

/* One mapping and the number of its life, which lasts from map to unmap: a page that is mapped again gets a new one. */
struct model_entry {
    struct hipt_mapping mapping;
    uint64_t life;
};

/* @config gives the geometry. => NULL where memory is short. */
struct model *model_create(const struct hipt_config *config);
void model_destroy(struct model *model);

/* Which statuses a verb may answer with; exactly HIPT_OK where no condition for an error holds. */
model_set model_map_legal(const struct model *model, const struct hipt_mapping *mapping);
model_set model_unmap_legal(const struct model *model, const struct hipt_page *page);
model_set model_protect_legal(const struct model *model, const struct hipt_page *page, uint8_t prot);
model_set model_remap_legal(const struct model *model, const struct hipt_mapping *mapping);
model_set model_mark_legal(const struct model *model, const struct model_entry *read, uint8_t marks);
model_set model_pin_legal(const struct model *model, struct hipt_frame frame);
model_set model_unpin_legal(const struct model *model, struct hipt_frame frame);
model_set model_asid_alloc_legal(const struct model *model);
model_set model_asid_retire_legal(const struct model *model, struct hipt_asid asid);

/* Bad input of a whole range, for the range verbs: HIPT_OK where the numbers are right. The state is not looked at. */
model_set model_map_range_input(const struct model *model, const struct hipt_mapping *mapping, uint64_t npages);
model_set model_page_range_input(const struct model *model, const struct hipt_page *page, uint64_t npages);
model_set model_prot_input(uint8_t prot);

/* The change itself. => the matching _legal() allows HIPT_OK. @out receives the mapping as it was. */
void model_map(struct model *model, const struct hipt_mapping *mapping);
void model_unmap(struct model *model, const struct hipt_page *page, struct hipt_mapping *out);
void model_protect(struct model *model, const struct hipt_page *page, uint8_t prot);
void model_remap(struct model *model, const struct hipt_mapping *mapping, struct hipt_mapping *out);
void model_mark(struct model *model, const struct hipt_page *page, uint8_t set, uint8_t clear);
void model_pin(struct model *model, struct hipt_frame frame);
void model_unpin(struct model *model, struct hipt_frame frame);
/* => false if a table must not have issued this asid. */
bool model_asid_alloc(struct model *model, struct hipt_asid asid);
/* => how many mappings it had. */
uint64_t model_asid_retire(struct model *model, struct hipt_asid asid);
/* => false if a table must not have given this frame back. */
bool model_reap(struct model *model, struct hipt_frame frame);

/* Questions. => NULL where nothing is mapped. */
enum hipt_status model_lookup(const struct model *model, uint32_t asid, uint64_t vpn, struct model_entry *out);
const struct model_entry *model_find(const struct model *model, const struct hipt_page *page);
enum hipt_status model_frame(const struct model *model, struct hipt_frame frame, struct hipt_frame_status *status);
size_t model_count(const struct model *model);
size_t model_asid_count(const struct model *model, uint32_t asid);
const struct model_entry *model_asid_entry(const struct model *model, uint32_t asid, size_t index);
size_t model_limbo(const struct model *model);
bool model_asid_is_live(const struct model *model, uint32_t asid, uint32_t *generation);

#endif
