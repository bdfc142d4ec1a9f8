/* SPDX-License-Identifier: MIT */
/* What a verb accepts. The checks stand here, their texts beside them, so that they cannot disagree. */
#include "map/table.h"

#include "base/text.h"

#define PROT_ALL (HIPT_READ | HIPT_WRITE | HIPT_EXEC | HIPT_USER)
#define MARKS_ALL (HIPT_ACCESSED | HIPT_DIRTY)

static enum hipt_status refuse(enum hipt_status status, struct hipti_text *text, const char *what, uint64_t value,
                               const char *relation, uint64_t bound)
{
    if (text) {
        hipti_text_refuse(text, what, value, relation, bound);
    }
    return status;
}

static enum hipt_status check_pages(const struct hipt_table *table, const struct hipt_page *page, uint64_t npages,
                                    struct hipti_text *text)
{
    uint64_t vpns = table->split.last_vpn;
    uint64_t step;

    if (page->asid > table->split.last_asid) {
        return refuse(HIPT_BAD_ASID, text, "asid", page->asid, " is above ", table->split.last_asid);
    }
    if (page->size >= table->split.nsizes) {
        return refuse(HIPT_BAD_SIZE, text, "size class", page->size, " is not below ", table->split.nsizes);
    }
    step = hipti_size_pages(table, page->size);
    if (page->vpn > vpns) {
        return refuse(HIPT_BAD_VPN, text, "vpn", page->vpn, " is above ", vpns);
    }
    if (page->vpn & (step - 1u)) {
        return refuse(HIPT_UNALIGNED, text, "vpn", page->vpn, " is not a multiple of ", step);
    }
    if (npages > ((vpns - page->vpn) >> table->split.page_order[page->size]) + 1u) {
        return refuse(HIPT_BAD_VPN, text, "the range's number of pages", npages, " goes beyond vpn ", vpns);
    }
    return HIPT_OK;
}

static enum hipt_status check_prot(uint8_t prot, struct hipti_text *text)
{
    if (prot & ~PROT_ALL) {
        return refuse(HIPT_BAD_PROT, text, "protection", prot, " has bits outside ", PROT_ALL);
    }
    if (!(prot & (HIPT_READ | HIPT_WRITE | HIPT_EXEC))) {
        return refuse(HIPT_BAD_PROT, text, "protection", prot, " has none of the bits of ",
                      HIPT_READ | HIPT_WRITE | HIPT_EXEC);
    }
    return HIPT_OK;
}

static enum hipt_status check_frames(const struct hipt_table *table, const struct hipt_mapping *mapping,
                                     uint64_t npages, uint32_t *number, struct hipti_text *text)
{
    uint64_t step = hipti_size_pages(table, mapping->page.size);
    uint64_t frames = npages << table->split.page_order[mapping->page.size];
    uint64_t last = mapping->pfn + frames - 1u;

    if (mapping->pfn & (step - 1u)) {
        return refuse(HIPT_UNALIGNED, text, "pfn", mapping->pfn, " is not a multiple of ", step);
    }
    *number = hipti_frames_number(&table->frames, mapping->pfn, mapping->swap);
    if (*number == HIPTI_NONE) {
        return refuse(HIPT_BAD_PFN, text, mapping->swap ? "swap slot" : "pfn", mapping->pfn,
                      " is in no range; the nearest one's bound is ",
                      hipti_frames_nearest(&table->frames, mapping->pfn, mapping->swap));
    }
    if (frames - 1u >= UINT32_MAX || /* more than there are records */
        hipti_frames_number(&table->frames, last, mapping->swap) != *number + (uint32_t)(frames - 1u)) {
        return refuse(HIPT_BAD_PFN, text, mapping->swap ? "swap slot" : "pfn", last,
                      " is not in one range with the first, which is ", mapping->pfn);
    }
    return HIPT_OK;
}

static enum hipt_status check_mapping(const struct hipt_table *table, const struct hipt_mapping *mapping,
                                      uint64_t npages, uint32_t *number, struct hipti_text *text)
{
    enum hipt_status status = check_pages(table, &mapping->page, npages, text);

    if (status == HIPT_OK) {
        status = check_prot(mapping->prot, text);
    }
    if (status != HIPT_OK) {
        return status;
    }
    if (mapping->attr > HIPT_ATTR_MAX) {
        return refuse(HIPT_BAD_ATTR, text, "attribute", mapping->attr, " is above ", HIPT_ATTR_MAX);
    }
    if (mapping->marks & ~MARKS_ALL) {
        return refuse(HIPT_BAD_ATTR, text, "marks", mapping->marks, " have bits outside ", MARKS_ALL);
    }
    return check_frames(table, mapping, npages, number, text);
}

enum hipt_status hipti_page_check(const struct hipt_table *table, const struct hipt_page *page)
{
    return check_pages(table, page, 1, NULL);
}

enum hipt_status hipti_pages_check(const struct hipt_table *table, const struct hipt_page *page, uint64_t npages)
{
    return check_pages(table, page, npages, NULL);
}

enum hipt_status hipti_prot_check(uint8_t prot)
{
    return check_prot(prot, NULL);
}

enum hipt_status hipti_mapping_check(const struct hipt_table *table, const struct hipt_mapping *mapping,
                                     uint64_t npages, uint32_t *number)
{
    return check_mapping(table, mapping, npages, number, NULL);
}

enum hipt_status hipt_mapping_explain(struct hipt_table *table, const struct hipt_mapping *mapping, uint64_t npages,
                                      char *text, size_t bytes)
{
    struct hipti_text line;
    enum hipt_status status;
    uint32_t number;

    hipti_text_start(&line, text, bytes);
    status = check_mapping(table, mapping, npages, &number, &line);
    if (status == HIPT_OK && !hipti_asid_active(&table->asids, mapping->page.asid)) {
        hipti_text_refuse(&line, "asid", mapping->page.asid, " is not allocated; hipt_asid_alloc() issues one of 0 to ",
                          table->split.last_asid);
        return HIPT_BAD_ASID;
    }
    return status;
}
