/* SPDX-License-Identifier: MIT */
/*
 * What an operation must know when it returns, by the Order of its contract: which calls happened before, and with them
 * all that their threads did earlier. Of pages see oracle.c; here it is frames and address spaces.
 */
#include "weak/history.h"

static bool is_ok(const struct record *record, enum kind kind)
{
    return record->op.kind == kind && record->status == HIPT_OK;
}

/* The record of the section's end in which @lookup gave a translation, NULL if it was in none. */
static const struct record *end_of_section(const struct record *lookup)
{
    bool is_inside = false;
    unsigned i;

    for (i = 0; i < history.nrecords; i++) {
        const struct record *record = &history.record[i];

        if (record->thread != lookup->thread) {
            continue;
        }
        is_inside = record->op.kind == ENTER || (is_inside && record->op.kind != EXIT);
        if (record->index > lookup->index && record->op.kind == EXIT) {
            return record;
        }
        if (record == lookup && !is_inside) {
            return NULL;
        }
    }
    return NULL;
}

/*
 * => the record up to which @use used frame @pfn, NULL if it did not: that of a lookup, or of the end of its read side,
 * of an end of the frame's mapping, of an unpin. All had returned when @reap was called, or it would not be reaped.
 */
static const struct record *use_of(const struct record *use, uint64_t pfn, const struct record *reap)
{
    const struct record *end = NULL;

    if (is_ok(use, LOOKUP) && use->out.pfn == pfn) {
        end = end_of_section(use) ? end_of_section(use) : use;
    } else if ((is_ok(use, UNMAP) || is_ok(use, REMAP)) && use->out.pfn == pfn) {
        end = use;
    } else if (is_ok(use, UNPIN) && use->op.pfn == pfn) {
        end = use;
    }
    return end && record_is_earlier(end, reap) ? end : NULL;
}

/* hipt_frame_reap(): every use of the frame happens before. */
static void judge_reap(const struct record *reap)
{
    unsigned i;
    size_t j;

    for (j = 0; j < reap->nreaped; j++) {
        for (i = 0; i < history.nrecords; i++) {
            const struct record *end = use_of(&history.record[i], reap->reaped[j].pfn, reap);

            if (end && !record_is_known(end, reap)) {
                crew_fail("R1: frame %u is reaped by who does not know of its use before %s",
                          (unsigned)reap->reaped[j].pfn, kind_name(end->op.kind));
            }
        }
    }
}

/* hipt_frame_pin(), hipt_frame_unpin(): acq_rel, so of two of one frame the later one knows of the earlier one. */
static void judge_pin(const struct record *pin)
{
    unsigned i;

    for (i = 0; i < history.nrecords; i++) {
        const struct record *other = &history.record[i];

        if ((is_ok(other, PIN) || is_ok(other, UNPIN)) && other->op.pfn == pin->op.pfn &&
            record_is_earlier(other, pin) && !record_is_known(other, pin)) {
            crew_fail("a %s of frame %u does not know of an earlier %s", kind_name(pin->op.kind), pin->op.pfn,
                      kind_name(other->op.kind));
        }
    }
}

/*
 * hipt_frame_get(): who sees more pins than the setup left, knows of as many calls; who sees fewer mappings, too. What
 * pins a setup leaves is not asked: it has none where a thread gets.
 */
static void judge_get(const struct record *get)
{
    unsigned pinned = 0;
    unsigned left = 0;
    unsigned i;

    for (i = 0; i < history.nbefore; i++) {
        left += history.before[i].pfn == get->op.pfn;
    }
    for (i = 0; i < history.nrecords; i++) {
        const struct record *other = &history.record[i];
        bool is_known = record_is_known(other, get);

        pinned += is_ok(other, PIN) && other->op.pfn == get->op.pfn && is_known;
        left -= is_ok(other, UNMAP) && other->out.pfn == get->op.pfn && is_known && left > 0;
    }
    if (get->frame.pins > pinned || get->frame.mappings < left) {
        crew_fail("get sees %u pins and %u mappings of frame %u, and knows of %u pins and of what leaves %u mappings",
                  get->frame.pins, get->frame.mappings, get->op.pfn, pinned, left);
    }
}

/* hipt_asid_alloc(): whatever was done under the number's last life happens before. */
static void judge_alloc(const struct record *alloc)
{
    uint32_t number = alloc->issued;
    unsigned i;

    for (i = 0; i < history.nrecords; i++) {
        const struct record *done = &history.record[i];
        bool is_change = is_ok(done, MAP) || is_ok(done, UNMAP) || is_ok(done, PROTECT) || is_ok(done, REMAP) ||
                         is_ok(done, RETIRE);

        if (is_change && done->op.asid != alloc->op.asid && history.asid[done->op.asid].number == number &&
            record_is_earlier(done, alloc) && !record_is_known(done, alloc)) {
            crew_fail("A1: an asid is issued to who does not know of %s in its last life", kind_name(done->op.kind));
        }
    }
}

void judge_knowledge(void)
{
    unsigned i;

    for (i = 0; i < history.nrecords; i++) {
        const struct record *record = &history.record[i];

        if (record->op.kind == REAP) {
            judge_reap(record);
        } else if (is_ok(record, PIN) || is_ok(record, UNPIN)) {
            judge_pin(record);
        } else if (is_ok(record, GET)) {
            judge_get(record);
        } else if (is_ok(record, ALLOC)) {
            judge_alloc(record);
        }
    }
}
