/* SPDX-License-Identifier: MIT */
#include "map/table.h"

#include "table/find.h"

#define WINDOW 32u /* lookups of a batch whose lines are on their way; a power of two */

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

static inline void translation_set(struct hipt_translation *out, const struct hipt_page *page, uint64_t pte,
                                   hipti_slot slot)
{
    out->mapping = hipti_pte_unpack(pte, *page);
    out->pte = pte;
    out->slot = slot;
}

/* Where a page of one size class is looked for. */
struct probe {
    struct hipti_line *line; /* its bucket's */
    struct hipti_place place;
    struct hipt_page page;   /* the one around the base page that is wanted */
};

static inline void probe_aim(const struct hipt_table *table, const struct hipti_array *array, uint32_t asid,
                             uint64_t vpn, uint32_t size, struct probe *probe)
{
    uint64_t key = hipti_key_pack(&table->split, asid, size, vpn);

    probe->place = hipti_quotient_place(&array->quotient, hipti_hash_mix(&array->hash, key));
    probe->line = hipti_array_line(array, probe->place.bucket);
    probe->place.bucket += array->first; /* last: the line does not wait for it */
    probe->page = page_around(table, asid, vpn, size);
}

/*
 * One size class, the whole chain. => whether a mapping is there that is not held, or cannot be hidden by a larger one;
 * *out is set then. One that has moved to another array is not there.
 */
static HIPTI_COLD bool probe_chain(struct hipt_table *table, const struct probe *probe, struct hipt_translation *out)
{
    hipti_slot slot;
    uint64_t pte;

    if (!hipti_bucket_find(&table->buckets, probe->place, &slot, &pte, NULL) || !hipti_pte_is_visible(pte)) {
        return false;
    }
    if (hipti_pte_state(pte) != HIPTI_LIVE && table->split.nsizes > 1u) {
        return false;
    }
    translation_set(out, &probe->page, pte, slot);
    return true;
}

/* One size class. => whether a mapping is in the bucket's own line; if not, *is_absent as hipti_line_lookup() says. */
static inline bool probe_line(const struct probe *probe, bool *is_absent, struct hipt_translation *out)
{
    uint64_t pte;
    size_t i;

    if (!hipti_line_lookup(probe->line, probe->place, &i, &pte, is_absent)) {
        return false;
    }
    translation_set(out, &probe->page, pte, probe->place.bucket * HIPT_SLOTS + (hipti_slot)i);
    return true;
}

/*
 * Several size classes, or none, the largest first: a page that is being split is what it was until it does not show
 * any more, and then the smaller ones are all there. Every slot is acquired, also those that hold something else: who
 * misses what was taken out sees what was put in before. => whether a mapping is there; *out is set then.
 */
static bool find_sizes(struct hipt_table *table, uint32_t asid, uint64_t vpn, unsigned sizes,
                       struct hipt_translation *out)
{
    while (sizes != 0) {
        uint32_t size = hipti_highest_bit(sizes);
        struct hipt_page page = page_around(table, asid, vpn, size);
        hipti_slot slot;
        uint64_t pte;

        if (hipti_find_seq_cst(&table->buckets, hipti_page_key(table, &page), &slot, &pte) &&
            hipti_pte_is_visible(pte)) {
            translation_set(out, &page, pte, slot);
            return true;
        }
        sizes ^= 1u << size;
    }
    return false;
}

/* => whether @now is the mapping that was found, where it was or where it has gone. */
static bool goes_on(struct hipt_table *table, const struct hipt_translation *found, const struct hipt_translation *now)
{
    hipti_slot slot = found->slot;
    uint64_t pte;
    uint64_t key;

    if (now->slot == slot) {
        return hipti_pte_same_life(now->pte, found->pte);
    }
    if (!hipti_slot_read(&table->buckets, slot, &pte, &key) || !hipti_pte_same_life(pte, found->pte)) {
        return false;
    }
    (void)hipti_slot_follow(&table->buckets, &slot, &pte); /* if it has ended there, @now is not there */
    return slot == now->slot;
}

bool hipti_is_shown(struct hipt_table *table, const struct hipt_translation *found)
{
    const struct hipt_page *page = &found->mapping.page;
    struct hipt_translation now;
    unsigned larger;

    if (hipti_pte_state(found->pte) == HIPTI_LIVE) {
        return true;
    }
    larger = hipti_sizes_in_use(table, page->asid) & ~((2u << page->size) - 1u);
    return !find_sizes(table, page->asid, page->vpn, larger, &now) &&
           find_sizes(table, page->asid, page->vpn, 1u << page->size, &now) && goes_on(table, found, &now);
}

/*
 * No live mapping was found in a table of several page sizes. It may be held, or a split or collapse has moved it from
 * a size not looked at yet to one looked at before. Repeats only because another operation on a page around this one
 * went on meanwhile: one that split or collapsed it, gave that up, or mapped or ended one. => whether a mapping is
 * there; *out is set then.
 */
static HIPTI_COLD bool lookup_again(struct hipt_table *table, uint32_t asid, uint64_t vpn,
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

/* Several size classes, or none, in a table that does not move. => whether a live mapping is there. */
static HIPTI_COLD bool lookup_sizes(struct hipt_table *table, const struct hipti_array *array, uint32_t asid,
                                    uint64_t vpn, unsigned sizes, struct hipt_translation *out)
{
    for (; sizes != 0; sizes &= sizes - 1u) {
        struct probe probe;
        bool is_absent;

        probe_aim(table, array, asid, vpn, hipti_lowest_bit(sizes), &probe);
        if (probe_line(&probe, &is_absent, out) || (!is_absent && probe_chain(table, &probe, out))) {
            return true;
        }
    }
    return false;
}

/* The same where mappings may be on their way to another array; of one size class a held one too. */
static HIPTI_COLD bool lookup_moving(struct hipt_table *table, uint32_t asid, uint64_t vpn, unsigned sizes,
                                     struct hipt_translation *out)
{
    for (; sizes != 0; sizes &= sizes - 1u) {
        struct hipt_page page = page_around(table, asid, vpn, hipti_lowest_bit(sizes));
        hipti_slot slot;
        uint64_t pte;

        if (hipti_page_find(table, &page, &slot, &pte) &&
            (hipti_pte_state(pte) == HIPTI_LIVE || (table->split.nsizes == 1u && hipti_pte_is_visible(pte)))) {
            translation_set(out, &page, pte, slot);
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
 * The only size class of an asid, not found in its line. A miss is one, with no second look, if the class still is the
 * only one: who takes a page out of the line that goes on in another class has set that one's bit before. The probe
 * comes as a value, so that it lies in registers wherever this is not called.
 */
static HIPTI_NOINLINE bool probe_again(struct hipt_table *table, struct probe probe, bool is_absent,
                                       uint64_t vpn, struct hipt_translation *out)
{
    if (!is_absent && probe_chain(table, &probe, out)) {
        return true;
    }
    if (table->split.nsizes == 1u || (hipti_line_is_absent(probe.line, probe.place) &&
                                      hipti_sizes_in_use(table, probe.page.asid) == 1u << probe.page.size)) {
        return false;
    }
    return lookup_again(table, probe.page.asid, vpn, out);
}

/* => whether the mappings of @array are on their way to another one, or some of another one to it. */
static inline bool is_moving(const struct hipti_array *array)
{
    return hipti_load_acquire(&array->past) != NULL; /* [observe:left] */
}

/* All but the only size class of an asid in a table that does not move. */
static bool lookup_others(struct hipt_table *table, uint32_t asid, uint64_t vpn, struct hipt_translation *out)
{
    const struct hipti_array *array = hipti_buckets_now(&table->buckets);
    unsigned sizes = hipti_sizes_in_use(table, asid);

    if (table->split.nsizes == 1u) {
        return lookup_moving(table, asid, vpn, sizes, out);
    }
    return (is_moving(array) ? lookup_moving(table, asid, vpn, sizes, out)
                             : lookup_sizes(table, array, asid, vpn, sizes, out)) ||
           lookup_again(table, asid, vpn, out);
}

/* Inside a read side. A miss is one if the array is the table's still: who takes mappings out of it has replaced it. */
static inline bool lookup(struct hipt_table *table, uint32_t asid, uint64_t vpn, struct hipt_translation *out)
{
    const struct hipti_array *array = hipti_buckets_now(&table->buckets);
    unsigned sizes = hipti_sizes_in_use(table, asid);
    struct probe probe;
    bool is_absent;

    if (!is_single(sizes) || is_moving(array)) {
        return lookup_others(table, asid, vpn, out);
    }
    probe_aim(table, array, asid, vpn, hipti_lowest_bit(sizes), &probe);
    return probe_line(&probe, &is_absent, out) || probe_again(table, probe, is_absent, vpn, out) ||
           (hipti_buckets_now(&table->buckets) != array && lookup_others(table, asid, vpn, out));
}

enum hipt_status hipt_lookup_reading(struct hipt_table *table, uint32_t asid, uint64_t vpn,
                                     struct hipt_translation *out)
{
    enum hipt_status status = lookup_check(table, asid, vpn);

    if (status != HIPT_OK) {
        return status;
    }
    return lookup(table, asid, vpn, out) ? HIPT_OK : HIPT_ABSENT;
}

enum hipt_status hipt_lookup(struct hipt_table *table, uint32_t asid, uint64_t vpn, struct hipt_translation *out)
{
    enum hipt_status status;

    HIPT_PORT_READ_ENTER(&table->ops);
    status = hipt_lookup_reading(table, asid, vpn, out);
    HIPT_PORT_READ_EXIT(&table->ops);
    return status;
}

/* Count the lines that a lookup reads. => whether it finds a mapping. */
static bool count_lines(struct hipt_table *table, uint32_t asid, uint64_t vpn, unsigned *lines)
{
    unsigned sizes = hipti_sizes_in_use(table, asid);
    struct hipt_translation again;

    for (; sizes != 0; sizes &= sizes - 1u) {
        struct hipt_page page = page_around(table, asid, vpn, hipti_lowest_bit(sizes));
        hipti_slot slot;
        uint64_t pte;

        if (hipti_find(&table->buckets, hipti_page_key(table, &page), &slot, &pte, lines) &&
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

#define OTHERWISE UINT32_MAX /* in place of a size class: bad input, or not exactly one class */

/* The lookups of a batch that their bucket's own line does not decide: they wait until more lines are there. */
struct late {
    const struct hipti_array *array; /* that the batch began with */
    struct probe probe[WINDOW];
    size_t at[WINDOW]; /* which of the batch */
    unsigned count;
};

/* Fetch the lines of a lookup that has not just one. */
static HIPTI_COLD void fetch_otherwise(const struct hipt_table *table, const struct hipti_array *array,
                                       const struct hipt_page *wanted)
{
    const struct hipti_array *past = hipti_load_relaxed(&array->past); /* a hint */
    unsigned sizes = 0;

    if (lookup_check(table, wanted->asid, wanted->vpn) == HIPT_OK) {
        sizes = hipti_sizes_in_use(table, wanted->asid);
    }
    for (; sizes != 0; sizes &= sizes - 1u) {
        struct probe probe;

        probe_aim(table, array, wanted->asid, wanted->vpn, hipti_lowest_bit(sizes), &probe);
        HIPT_PORT_PREFETCH(probe.line);
        if (past) {
            probe_aim(table, past, wanted->asid, wanted->vpn, hipti_lowest_bit(sizes), &probe);
            HIPT_PORT_PREFETCH(probe.line);
        }
    }
}

/* Aim a lookup and fetch its line. */
static inline void fetch(const struct hipt_table *table, const struct hipti_array *array,
                         const struct hipt_page *wanted, struct probe *probe)
{
    uint32_t asid = wanted->asid;
    uint64_t vpn = wanted->vpn;
    unsigned sizes;

    if (lookup_check(table, asid, vpn) == HIPT_OK && is_single(sizes = hipti_sizes_in_use(table, asid)) &&
        !is_moving(array)) {
        probe_aim(table, array, asid, vpn, hipti_lowest_bit(sizes), probe);
        HIPT_PORT_PREFETCH(probe->line);
    } else {
        probe->page.size = OTHERWISE;
        fetch_otherwise(table, array, wanted);
    }
}

/* Fetch the line behind its bucket's own, if there is one. */
static inline void fetch_next(const struct hipt_table *table, const struct probe *probe)
{
    if (probe->page.size != OTHERWISE) {
        uint32_t link = hipti_header_link(hipti_load_relaxed(&probe->line->header)); /* a hint */

        if (link != HIPTI_NONE) {
            HIPT_PORT_PREFETCH(hipti_buckets_line(&table->buckets, hipti_buckets_linked(link)));
        }
    }
}

static inline void put_off(const struct hipt_table *table, const struct probe *probe, size_t at, struct late *late)
{
    late->probe[late->count] = *probe;
    late->at[late->count++] = at;
    fetch_next(table, probe);
}

/* => how many of those that were put off were not found. */
static HIPTI_NOINLINE size_t find_late(struct hipt_table *table, const struct hipt_page *pages,
                                       struct late *late, struct hipt_translation *out, enum hipt_status *status)
{
    size_t missed = 0;
    unsigned i;

    for (i = 0; i < late->count; i++) {
        const struct probe *probe = &late->probe[i];
        size_t at = late->at[i];

        if (probe->page.size != OTHERWISE && probe_again(table, *probe, false, pages[at].vpn, &out[at])) {
            continue;
        }
        status[at] = HIPT_ABSENT;
        if (probe->page.size == OTHERWISE || hipti_buckets_now(&table->buckets) != late->array) {
            status[at] = hipt_lookup_reading(table, pages[at].asid, pages[at].vpn, &out[at]);
        }
        missed += status[at] != HIPT_OK;
    }
    late->count = 0;
    return missed;
}

/* A lookup's line is fetched when the one WINDOW before it is looked at: the memory is never idle, nor flooded. */
size_t hipt_lookup_batch(struct hipt_table *table, const struct hipt_page *pages, size_t count,
                         struct hipt_translation *out, enum hipt_status *status)
{
    const struct hipti_array *array;
    struct probe window[WINDOW];
    struct late late;
    size_t missed = 0;
    size_t at;

    HIPT_PORT_READ_ENTER(&table->ops);
    array = hipti_buckets_now(&table->buckets);
    late.array = array;
    late.count = 0;
    for (at = 0; at < count && at < WINDOW; at++) {
        fetch(table, array, &pages[at], &window[at]);
    }
    for (at = 0; at < count; at++) {
        struct probe *probe = &window[at % WINDOW];
        bool is_absent;

        status[at] = HIPT_OK;
        if (probe->page.size == OTHERWISE || !probe_line(probe, &is_absent, &out[at])) {
            if (late.count == WINDOW) {
                missed += find_late(table, pages, &late, out, status);
            }
            put_off(table, probe, at, &late);
        }
        if (count - at > WINDOW) {
            fetch(table, array, &pages[at + WINDOW], probe);
        }
    }
    missed += find_late(table, pages, &late, out, status);
    HIPT_PORT_READ_EXIT(&table->ops);
    return count - missed;
}
