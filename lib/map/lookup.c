/* SPDX-License-Identifier: MIT */
#include "map/table.h"

#include "table/find.h"

#define GROUP 64u /* lookups whose misses overlap */

static enum hipt_status lookup_check(const struct hipt_table *table, uint32_t asid, uint64_t vpn)
{
    if (asid > table->split.last_asid) {
        return HIPT_BAD_ASID;
    }
    return vpn > table->split.last_vpn ? HIPT_BAD_VPN : HIPT_OK;
}

/* The page of size class @size that covers base page @vpn. */
static inline struct hipt_page page_around(const struct hipt_table *table, uint32_t asid, uint64_t vpn, uint32_t size)
{
    struct hipt_page page;

    page.asid = asid;
    page.size = size;
    page.vpn = hipti_vpn_first(&table->split, size, vpn);
    return page;
}

static inline void translation_set(struct hipt_translation *out, struct hipt_page page, uint64_t pte, hipti_slot slot)
{
    out->mapping = hipti_pte_unpack(pte, page);
    out->pte = pte;
    out->slot = slot;
}

/*
 * One size class, the whole chain. => whether a mapping is there that is not held, or cannot be hidden by a larger one;
 * *out is set then.
 */
static HIPTI_COLD bool lookup_chain(const struct hipt_table *table, struct hipt_page page, struct hipti_place place,
                                    struct hipt_translation *out)
{
    hipti_slot slot;
    uint64_t pte;

    if (!hipti_bucket_find(&table->buckets, place, &slot, &pte, NULL) || !hipti_pte_is_visible(pte)) {
        return false;
    }
    if (hipti_pte_state(pte) != HIPTI_LIVE && table->split.nsizes > 1u) {
        return false;
    }
    translation_set(out, page, pte, slot);
    return true;
}

/* One size class, its @line at hand. => whether a mapping is there; *out is set then. */
static inline bool lookup_line(const struct hipt_table *table, struct hipt_page page, struct hipti_place place,
                               struct hipti_line *line, struct hipt_translation *out)
{
    bool is_absent;
    unsigned i;
    uint64_t pte = hipti_line_lookup(line, place, &i, &is_absent);

    if (pte == 0) {
        return !is_absent && lookup_chain(table, page, place, out);
    }
    translation_set(out, page, pte, place.bucket * HIPT_SLOTS + i);
    return true;
}

static inline bool lookup_size(const struct hipt_table *table, uint32_t asid, uint64_t vpn, uint32_t size,
                               struct hipt_translation *out)
{
    struct hipti_place place = hipti_buckets_place(&table->buckets, hipti_key_pack(&table->split, asid, size, vpn));

    return lookup_line(table, page_around(table, asid, vpn, size), place,
                       hipti_buckets_bucket(&table->buckets, place.bucket), out);
}

/*
 * Several size classes, or none, the largest first: a page that is being split is what it was until it does not show
 * any more, and then the smaller ones are all there. Every slot is acquired, also those that hold something else: who
 * misses what was taken out sees what was put in before. => whether a mapping is there; *out is set then.
 */
static bool find_sizes(const struct hipt_table *table, uint32_t asid, uint64_t vpn, unsigned sizes,
                       struct hipt_translation *out)
{
    while (sizes != 0) {
        uint32_t size = hipti_highest_bit(sizes);
        struct hipt_page page = page_around(table, asid, vpn, size);
        hipti_slot slot;
        uint64_t pte;

        if (hipti_bucket_find_seq_cst(&table->buckets, hipti_page_place(table, &page), &slot, &pte) &&
            hipti_pte_is_visible(pte)) {
            translation_set(out, page, pte, slot);
            return true;
        }
        sizes ^= 1u << size;
    }
    return false;
}

bool hipti_is_shown(const struct hipt_table *table, const struct hipt_translation *found)
{
    const struct hipt_page *page = &found->mapping.page;
    struct hipt_translation now;
    unsigned larger;

    if (hipti_pte_state(found->pte) == HIPTI_LIVE) {
        return true;
    }
    larger = hipti_sizes_in_use(table, page->asid) & ~((2u << page->size) - 1u);
    return !find_sizes(table, page->asid, page->vpn, larger, &now) &&
           find_sizes(table, page->asid, page->vpn, 1u << page->size, &now) && now.slot == found->slot &&
           hipti_pte_same_life(now.pte, found->pte);
}

/*
 * No live mapping was found in a table of several page sizes. It may be held, or a split or collapse has moved it from
 * a size not looked at yet to one looked at before. Repeats only because another operation on a page around this one
 * went on meanwhile: one that split or collapsed it, gave that up, or mapped or ended one. => whether a mapping is
 * there; *out is set then.
 */
static HIPTI_COLD bool lookup_again(const struct hipt_table *table, uint32_t asid, uint64_t vpn,
                                    struct hipt_translation *out)
{
    struct hipt_translation found;

    for (;;) {
        uint64_t reshapes = hipti_load_acquire(&table->reshapes); /* [observe:reshape] */

        if (!find_sizes(table, asid, vpn, hipti_sizes_in_use(table, asid), &found)) {
            /* relaxed: who has missed what a split or collapse took out has acquired its end */
            if (hipti_load_relaxed(&table->reshapes) == reshapes) {
                return false;
            }
        } else if (hipti_is_shown(table, &found)) {
            *out = found;
            return true;
        }
    }
}

/* Several size classes, or none. => whether a live mapping is there. */
static HIPTI_COLD bool lookup_sizes(const struct hipt_table *table, uint32_t asid, uint64_t vpn, unsigned sizes,
                                    struct hipt_translation *out)
{
    for (; sizes != 0; sizes &= sizes - 1u) {
        if (lookup_size(table, asid, vpn, hipti_lowest_bit(sizes), out)) {
            return true;
        }
    }
    return false;
}

static inline bool is_single(unsigned sizes)
{
    return sizes != 0 && (sizes & (sizes - 1u)) == 0;
}

/*
 * The only size class of an asid, its @line at hand. A miss is one, with no second look, if the class still is the only
 * one: who takes a page out of the line that goes on in another class has set that one's bit before.
 */
static inline bool lookup_single(const struct hipt_table *table, uint32_t asid, uint64_t vpn, uint32_t size,
                                 struct hipti_place place, struct hipti_line *line, struct hipt_translation *out)
{
    if (lookup_line(table, page_around(table, asid, vpn, size), place, line, out)) {
        return true;
    }
    if (table->split.nsizes == 1u ||
        (hipti_line_is_absent(line, place) && hipti_sizes_in_use(table, asid) == 1u << size)) {
        return false;
    }
    return lookup_again(table, asid, vpn, out);
}

/* All but the only size class of an asid. */
static inline bool lookup_others(const struct hipt_table *table, uint32_t asid, uint64_t vpn, unsigned sizes,
                                 struct hipt_translation *out)
{
    return lookup_sizes(table, asid, vpn, sizes, out) || lookup_again(table, asid, vpn, out);
}

enum hipt_status hipt_lookup(struct hipt_table *table, uint32_t asid, uint64_t vpn, struct hipt_translation *out)
{
    enum hipt_status status = lookup_check(table, asid, vpn);
    unsigned sizes;
    bool is_mapped;

    if (status != HIPT_OK) {
        return status;
    }
    HIPT_PORT_READ_ENTER(&table->ops);
    sizes = hipti_sizes_in_use(table, asid);
    if (is_single(sizes)) {
        uint32_t size = hipti_lowest_bit(sizes);
        struct hipti_place place = hipti_buckets_place(&table->buckets, hipti_key_pack(&table->split, asid, size, vpn));
        struct hipti_line *line = hipti_buckets_bucket(&table->buckets, place.bucket);

        is_mapped = lookup_single(table, asid, vpn, size, place, line, out);
    } else {
        is_mapped = lookup_others(table, asid, vpn, sizes, out);
    }
    HIPT_PORT_READ_EXIT(&table->ops);
    return is_mapped ? HIPT_OK : HIPT_ABSENT;
}

/* Count the lines that a lookup reads. => whether it finds a mapping. */
static bool count_lines(const struct hipt_table *table, uint32_t asid, uint64_t vpn, unsigned *lines)
{
    unsigned sizes = hipti_sizes_in_use(table, asid);
    struct hipt_translation again;

    for (; sizes != 0; sizes &= sizes - 1u) {
        struct hipt_page page = page_around(table, asid, vpn, hipti_lowest_bit(sizes));
        hipti_slot slot;
        uint64_t pte;

        if (hipti_bucket_find(&table->buckets, hipti_page_place(table, &page), &slot, &pte, lines) &&
            hipti_pte_is_visible(pte)) {
            return true;
        }
    }
    return table->split.nsizes > 1u && lookup_again(table, asid, vpn, &again); /* in the same lines */
}

unsigned hipt_lookup_lines(struct hipt_table *table, uint32_t asid, uint64_t vpn, bool *found)
{
    bool is_mapped = false;
    unsigned lines = 0;

    if (lookup_check(table, asid, vpn) == HIPT_OK) {
        HIPT_PORT_READ_ENTER(&table->ops);
        is_mapped = count_lines(table, asid, vpn, &lines);
        HIPT_PORT_READ_EXIT(&table->ops);
    }
    if (found) {
        *found = is_mapped;
    }
    return lines;
}

/* What a batch keeps of one lookup between prefetch and probe. */
struct intent {
    struct hipti_line *line;
    struct hipti_place place;
    unsigned sizes; /* the place is that of the only size, or of none */
};

/* Compute the place of a lookup and fetch its line; of all sizes where there are several. */
static inline void intend(const struct hipt_table *table, const struct hipt_page *wanted, struct intent *intent)
{
    unsigned sizes = hipti_sizes_in_use(table, wanted->asid);

    intent->sizes = sizes;
    for (; sizes != 0; sizes &= sizes - 1u) {
        uint64_t key = hipti_key_pack(&table->split, wanted->asid, hipti_lowest_bit(sizes), wanted->vpn);

        intent->place = hipti_buckets_place(&table->buckets, key);
        intent->line = hipti_buckets_bucket(&table->buckets, intent->place.bucket);
        HIPT_PORT_PREFETCH(intent->line);
    }
}

static inline bool fulfil(const struct hipt_table *table, const struct hipt_page *wanted, const struct intent *intent,
                          struct hipt_translation *out)
{
    if (is_single(intent->sizes)) {
        return lookup_single(table, wanted->asid, wanted->vpn, hipti_lowest_bit(intent->sizes), intent->place,
                             intent->line, out);
    }
    return lookup_others(table, wanted->asid, wanted->vpn, intent->sizes, out);
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
            bool is_mapped = fulfil(table, &pages[i], &intents[i], &out[i]);

            status[i] = is_mapped ? HIPT_OK : HIPT_ABSENT;
            found += is_mapped;
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
