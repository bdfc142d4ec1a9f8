/* SPDX-License-Identifier: MIT */
/* The invariants of the whole structure, checked with everybody else gone. */
#include "map/table.h"

#include "base/text.h"

/* One slot: at rest, found by its key, known to its frame and its address space, overlapped by nobody. */
static const char *slot_fault(struct hipt_table *table, hipti_slot slot)
{
    static const char between[] = "is between two states";
    struct hipt_page page;
    hipti_slot found;
    uint32_t number;
    uint32_t cell;
    uint64_t pte;
    uint64_t key;

    if (!hipti_slot_read(&table->buckets, slot, &pte, &key)) {
        pte = hipti_slot_load(&table->buckets, slot);
        return hipti_pte_state(pte) == HIPTI_CLAIMED || hipti_pte_state(pte) == HIPTI_ENDED ? between : NULL;
    }
    if (hipti_pte_state(pte) != HIPTI_LIVE) {
        return between;
    }
    page = hipti_key_unpack(&table->split, key);
    if (!hipti_page_find(table, &page, &found, &pte) || found != slot) {
        return "holds a key that is found elsewhere (T1)";
    }
    number = hipti_frames_number(&table->frames, hipti_pte_pfn(pte), hipti_pte_is_swap(pte));
    cell = number == HIPTI_NONE ? 0 : hipti_frame_cell(&table->frames, number, slot);
    if (cell == 0) {
        return "is not known to its frame (F1)";
    }
    return hipti_asid_cell_names(&table->asids, cell, slot) ? NULL : "is not known to its address space (A1)";
}

/* Pages of larger sizes that cover the page of a slot. */
static const char *overlap_fault(struct hipt_table *table, hipti_slot slot)
{
    struct hipt_page page;
    uint64_t pte;
    uint64_t key;
    uint32_t size;

    if (!hipti_slot_read(&table->buckets, slot, &pte, &key)) {
        return NULL;
    }
    page = hipti_key_unpack(&table->split, key);
    for (size = page.size + 1u; size < table->split.nsizes; size++) {
        struct hipt_page larger = page;
        hipti_slot found;

        larger.size = size;
        larger.vpn &= ~(hipti_size_pages(table, size) - 1u);
        if (hipti_page_find(table, &larger, &found, &pte)) {
            return "lies inside a larger mapped page (T1)";
        }
    }
    return NULL;
}

/* One frame: its pairs are as many as it counts, and each names a slot that maps it. */
static const char *frame_fault(struct hipt_table *table, uint32_t number)
{
    struct hipt_frame_status status = hipti_frame_status(&table->frames, number);
    struct hipti_pairs pairs = hipti_frame_pairs(&table->frames, number);
    struct hipti_pair pair;
    uint32_t count = 0;
    uint64_t pte;

    while (hipti_pairs_next(&pairs, &pair)) {
        pte = hipti_slot_load(&table->buckets, pair.slot);
        if (!hipti_pte_is_visible(pte) ||
            hipti_frames_number(&table->frames, hipti_pte_pfn(pte), hipti_pte_is_swap(pte)) != number) {
            return "has a pair whose slot does not map it";
        }
        count++;
    }
    if (count != status.mappings) {
        return "counts other than the pairs it has (F1)";
    }
    if ((status.state == HIPT_FRAME_MAPPED) != (count > 0) || status.state == HIPT_FRAME_UNMAPPING) {
        return "is in a state that its count forbids";
    }
    return NULL;
}

static bool report(struct hipti_text *text, const char *what, uint64_t number, const char *fault)
{
    hipti_text_put(text, what);
    hipti_text_put(text, " ");
    hipti_text_put_number(text, number);
    hipti_text_put(text, " ");
    hipti_text_put(text, fault);
    return false;
}

bool hipt_table_is_valid(struct hipt_table *table, char *text, size_t bytes)
{
    const char *fault = NULL;
    struct hipti_text line;
    hipti_slot slot;
    uint64_t i;

    hipti_text_start(&line, text, bytes);
    for (i = 0; hipti_buckets_nth(&table->buckets, i, &slot); i++) {
        fault = slot_fault(table, slot);
        fault = fault ? fault : overlap_fault(table, slot);
        if (fault) {
            return report(&line, "slot", slot, fault);
        }
    }
    for (i = 1; i <= table->frames.records.limit; i++) {
        fault = frame_fault(table, (uint32_t)i);
        if (fault) {
            return report(&line, "frame record", i, fault);
        }
    }
    return true;
}
