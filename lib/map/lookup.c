/* SPDX-License-Identifier: MIT */
#include "map/table.h"

#define GROUP 64u /* lookups whose misses overlap */

static enum hipt_status lookup_check(const struct hipt_table *table, uint32_t asid, uint64_t vpn)
{
    if (asid > hipti_mask(table->split.asid_bits)) {
        return HIPT_BAD_ASID;
    }
    return vpn > hipti_mask(table->split.vpn_bits) ? HIPT_BAD_VPN : HIPT_OK;
}

/* The page of size class @size that covers base page @vpn. */
static struct hipt_page page_around(const struct hipt_table *table, uint32_t asid, uint64_t vpn, uint32_t size)
{
    struct hipt_page page;

    page.asid = asid;
    page.size = size;
    page.vpn = vpn & ~(hipti_size_pages(table, size) - 1u);
    return page;
}

/* => whether there is a size class from *size on that is in use; then *size is it. */
static bool next_size(unsigned sizes, uint32_t *size)
{
    while (*size < HIPT_SIZES_MAX && !((sizes >> *size) & 1u)) {
        (*size)++;
    }
    return *size < HIPT_SIZES_MAX;
}

/* Probe one size class. => whether a mapping is there; *out is set then. */
static bool lookup_probe(const struct hipt_table *table, struct hipt_page page, struct hipti_place place,
                         struct hipt_translation *out, unsigned *lines)
{
    hipti_slot slot;
    uint64_t pte;

    if (!hipti_bucket_find(&table->buckets, place, &slot, &pte, lines) || !hipti_pte_is_visible(pte)) {
        return false;
    }
    out->mapping = hipti_pte_unpack(pte, page);
    out->pte = pte;
    out->slot = slot;
    return true;
}

static enum hipt_status lookup_sizes(const struct hipt_table *table, uint32_t asid, uint64_t vpn,
                                     struct hipt_translation *out, unsigned *lines)
{
    unsigned sizes = hipti_sizes_in_use(table, asid);
    uint32_t size;

    for (size = 0; next_size(sizes, &size); size++) {
        struct hipt_page page = page_around(table, asid, vpn, size);

        if (lookup_probe(table, page, hipti_page_place(table, &page), out, lines)) {
            return HIPT_OK;
        }
    }
    return HIPT_ABSENT;
}

enum hipt_status hipt_lookup(struct hipt_table *table, uint32_t asid, uint64_t vpn, struct hipt_translation *out)
{
    enum hipt_status status = lookup_check(table, asid, vpn);

    if (status != HIPT_OK) {
        return status;
    }
    HIPT_PORT_READ_ENTER(&table->ops);
    status = lookup_sizes(table, asid, vpn, out, NULL);
    HIPT_PORT_READ_EXIT(&table->ops);
    return status;
}

unsigned hipt_lookup_lines(struct hipt_table *table, uint32_t asid, uint64_t vpn, bool *found)
{
    struct hipt_translation translation;
    enum hipt_status status = lookup_check(table, asid, vpn);
    unsigned lines = 0;

    if (status == HIPT_OK) {
        HIPT_PORT_READ_ENTER(&table->ops);
        status = lookup_sizes(table, asid, vpn, &translation, &lines);
        HIPT_PORT_READ_EXIT(&table->ops);
    }
    if (found) {
        *found = status == HIPT_OK;
    }
    return lines;
}

/* What a batch keeps of one lookup between prefetch and probe. */
struct intent {
    unsigned sizes;
    struct hipti_place place[HIPT_SIZES_MAX];
};

/* Compute the places of a lookup and fetch their lines. */
static void intend(const struct hipt_table *table, const struct hipt_page *wanted, struct intent *intent)
{
    uint32_t size;

    intent->sizes = hipti_sizes_in_use(table, wanted->asid);
    for (size = 0; next_size(intent->sizes, &size); size++) {
        struct hipt_page page = page_around(table, wanted->asid, wanted->vpn, size);

        intent->place[size] = hipti_page_place(table, &page);
        HIPT_PORT_PREFETCH(hipti_buckets_line(&table->buckets, intent->place[size].bucket));
    }
}

static enum hipt_status fulfil(const struct hipt_table *table, const struct hipt_page *wanted,
                               const struct intent *intent, struct hipt_translation *out)
{
    uint32_t size;

    for (size = 0; next_size(intent->sizes, &size); size++) {
        if (lookup_probe(table, page_around(table, wanted->asid, wanted->vpn, size), intent->place[size], out, NULL)) {
            return HIPT_OK;
        }
    }
    return HIPT_ABSENT;
}

/* Up to GROUP lookups. => how many were found. */
static size_t lookup_group(const struct hipt_table *table, const struct hipt_page *pages, size_t count,
                           struct hipt_translation *out, enum hipt_status *status)
{
    struct intent intents[GROUP];
    size_t found = 0;
    size_t i;

    for (i = 0; i < count; i++) {
        status[i] = lookup_check(table, pages[i].asid, pages[i].vpn);
        if (status[i] == HIPT_OK) {
            intend(table, &pages[i], &intents[i]);
        }
    }
    for (i = 0; i < count; i++) {
        if (status[i] == HIPT_OK) {
            status[i] = fulfil(table, &pages[i], &intents[i], &out[i]);
            found += status[i] == HIPT_OK;
        }
    }
    return found;
}

size_t hipt_lookup_batch(struct hipt_table *table, const struct hipt_page *pages, size_t count,
                         struct hipt_translation *out, enum hipt_status *status)
{
    size_t found = 0;
    size_t at;

    HIPT_PORT_READ_ENTER(&table->ops);
    for (at = 0; at < count; at += GROUP) {
        size_t some = count - at < GROUP ? count - at : GROUP;

        found += lookup_group(table, pages + at, some, out + at, status + at);
    }
    HIPT_PORT_READ_EXIT(&table->ops);
    return found;
}
