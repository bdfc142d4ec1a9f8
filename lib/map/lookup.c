/* SPDX-License-Identifier: MIT */
#include "map/table.h"

#include "map/touch.h"
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

/* Where a page is looked for. */
struct probe {
    struct hipti_line *line; /* NULL: it takes lookup_all() */
    const struct hipti_array *array;
    struct hipti_place place;
    uint32_t number; /* the line's */
};

static inline struct probe probe_key(const struct hipti_array *array, uint64_t key)
{
    struct probe probe;

    probe.place = hipti_quotient_place(&array->quotient, hipti_hash_mix(&array->hash, key));
    probe.line = hipti_array_line(array, probe.place.bucket);
    probe.array = array;
    probe.place.bucket += array->first; /* the line does not wait for it */
    probe.number = probe.place.bucket;
    return probe;
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

        hipti_touch_page(table, &page);
        if (hipti_page_find_seq_cst(table, &page, &slot, &pte) && hipti_pte_is_visible(pte)) {
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

/* => whether mappings of another array are on their way to @array. */
static inline bool is_moving(const struct hipti_array *array)
{
    return hipti_load_acquire(&array->past) != NULL; /* [observe:left] */
}

/* Go on to the line behind @link, in the chain that the probe is in. */
static inline void probe_follow(const struct hipti_buckets *buckets, struct probe *probe, uint32_t link)
{
    probe->number = hipti_buckets_linked(buckets, probe->array->first, link); /* in the same shard */
    probe->line = hipti_array_overflow(probe->array, link);
}

/* => the word of a live mapping, and *slot; or 0 and *link: HIPTI_NONE: it is absent; HIPTI_UNDECIDED. */
static inline uint64_t probe_chain(const struct hipt_table *table, struct probe *probe, hipti_slot *slot,
                                   uint32_t *link)
{
    *link = HIPTI_UNDECIDED;
    while (probe->line) {
        unsigned i;
        uint64_t pte = hipti_line_lookup(probe->line, probe->place, &i, link);

        hipti_touch_line(table, probe->number);

        if (pte != 0) {
            *slot = probe->number * HIPT_SLOTS + i;
            return pte;
        }
        if (*link == HIPTI_NONE || *link == HIPTI_UNDECIDED) {
            return 0;
        }
        probe_follow(&table->buckets, probe, *link);
    }
    return 0;
}

/*
 * => whether @page has a slot, in whatever state. Where there are several sizes a miss is not the last word: it need
 * not look at an array, or a place, that has come meanwhile.
 */
static inline bool find_page(struct hipt_table *table, const struct hipt_page *page, hipti_slot *slot, uint64_t *pte)
{
    struct hipti_where where = hipti_page_where(table, page);
    const struct hipti_array *array = hipti_buckets_now(&table->buckets, where.now);

    if (where.past == HIPTI_NO_SHARD && !is_moving(array)) {
        struct probe probe = probe_key(array, hipti_page_key(table, page));
        uint32_t link;

        *pte = probe_chain(table, &probe, slot, &link);
        if (*pte != 0 || (link == HIPTI_NONE && table->split.nsizes > 1u)) {
            return *pte != 0;
        }
    }
    hipti_touch_page(table, page);
    return hipti_page_find(table, page, slot, pte);
}

/*
 * Several size classes, or none. => whether a mapping is there that is not held, or cannot be hidden by a larger one;
 * *out is set then.
 */
static bool lookup_sizes(struct hipt_table *table, uint32_t asid, uint64_t vpn, unsigned sizes,
                         struct hipt_translation *out)
{
    for (; sizes != 0; sizes &= sizes - 1u) {
        struct hipt_page page = page_around(table, asid, vpn, hipti_lowest_bit(sizes));
        hipti_slot slot;
        uint64_t pte;

        if (find_page(table, &page, &slot, &pte) &&
            (hipti_pte_state(pte) == HIPTI_LIVE || (table->split.nsizes == 1u && hipti_pte_is_visible(pte)))) {
            translation_set(out, &page, pte, slot);
            return true;
        }
    }
    return false;
}

/* As lookup_sizes() goes about it. */
static HIPTI_COLD void touch_sample(struct hipt_table *table, uint32_t asid, uint64_t vpn)
{
    unsigned sizes = hipti_sizes_in_use(table, asid);
    bool is_found = false;

    for (; sizes != 0 && !is_found; sizes &= sizes - 1u) {
        struct hipt_page page = page_around(table, asid, vpn, hipti_lowest_bit(sizes));

        is_found = hipti_touch_lines(table, &page);
    }
}

/* Any lookup. It is the end of those that begin with one line, which keep nothing over the call. */
static HIPTI_NOINLINE enum hipt_status lookup_all(struct hipt_table *table, uint32_t asid, uint64_t vpn,
                                                  struct hipt_translation *out)
{
    enum hipt_status status = lookup_check(table, asid, vpn);

    if (status != HIPT_OK) {
        return status;
    }
    if (hipti_touch_samples(table, vpn)) {
        touch_sample(table, asid, vpn);
    }
    if (lookup_sizes(table, asid, vpn, hipti_sizes_in_use(table, asid), out) ||
        (table->split.nsizes > 1u && lookup_again(table, asid, vpn, out))) {
        return HIPT_OK;
    }
    return HIPT_ABSENT;
}

/*
 * => where a page of the smallest size is looked for, if the asid uses that size, the table does not move, and nobody
 * wants to know of it (touch.h); what is live there is what translates, whatever other sizes there are.
 */
static inline struct probe probe_aim(const struct hipt_table *table, uint32_t asid, uint64_t vpn)
{
    struct probe nowhere = {NULL, NULL, {0, 0}, 0};
    const struct hipti_array *array;
    uint32_t word;

    if (asid > table->split.last_asid || vpn > table->split.last_vpn) {
        return nowhere;
    }
    /*
     * relaxed: who knows that a page is mapped knows its size's bit; the line is acquired on its own. Who reads a shard
     * that the asid has moved to began after the grace period before W4, and so after all that had moved there
     */
    word = hipti_load_relaxed(hipti_asid_word(&table->asids, asid));
    if ((word & (HIPTI_WORD_PLANNED | 1u)) != 1u || hipti_touch_samples(table, vpn)) {
        return nowhere;
    }
    array = hipti_load_acquire(&table->buckets.now[hipti_word_shard(word)]); /* [observe:array] */
    return is_moving(array) ? nowhere : probe_key(array, hipti_key_of_smallest(&table->split, asid, vpn));
}

/*
 * => whether a page that its chain in @array does not hold is absent: there are no other sizes. Who takes a page out of
 * the chain that goes on in another array, or in pages of another size, has replaced the array before, or set that
 * size's bit. The array stands for its shard as well, and does not come back inside a read side.
 */
static inline bool is_final(const struct hipt_table *table, uint32_t asid, const struct hipti_array *array)
{
    /* relaxed, both: what shows the page gone was acquired, and shows the bit, or the array, which is only compared */
    uint32_t word = hipti_load_relaxed(hipti_asid_word(&table->asids, asid));

    return (word & HIPTI_WORD_KIND) == 1u && hipti_load_relaxed(&table->buckets.now[hipti_word_shard(word)]) == array;
}

static inline void translation_set_smallest(struct hipt_translation *out, uint32_t asid, uint64_t vpn, uint64_t pte,
                                            hipti_slot slot)
{
    struct hipt_page page = {asid, 0, vpn};

    translation_set(out, &page, pte, slot);
}

enum hipt_status hipt_lookup_reading(struct hipt_table *table, uint32_t asid, uint64_t vpn,
                                     struct hipt_translation *out)
{
    struct probe probe = probe_aim(table, asid, vpn);
    hipti_slot slot;
    uint32_t link;
    uint64_t pte = probe_chain(table, &probe, &slot, &link);

    if (pte != 0) {
        translation_set_smallest(out, asid, vpn, pte, slot);
        return HIPT_OK;
    }
    return link == HIPTI_NONE && is_final(table, asid, probe.array) ? HIPT_ABSENT : lookup_all(table, asid, vpn, out);
}

/* The word of the base page itself, within whatever page covers it. */
static HIPTI_NOINLINE uint64_t lookup_pte_all(struct hipt_table *table, uint32_t asid, uint64_t vpn)
{
    struct hipt_translation found;

    return lookup_all(table, asid, vpn, &found) == HIPT_OK ? found.pte + (vpn - found.mapping.page.vpn) : 0;
}

uint64_t hipt_lookup_pte(struct hipt_table *table, uint32_t asid, uint64_t vpn)
{
    struct probe probe = probe_aim(table, asid, vpn);
    hipti_slot slot;
    uint32_t link;
    uint64_t pte = probe_chain(table, &probe, &slot, &link);

    if (pte != 0 || (link == HIPTI_NONE && is_final(table, asid, probe.array))) {
        return pte;
    }
    return lookup_pte_all(table, asid, vpn);
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

        if (hipti_page_find_counted(table, &page, &slot, &pte, lines) && hipti_pte_is_visible(pte)) {
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

/* A batch: what is wanted, where the answers go. By value, so that it lies in registers where nothing is called. */
struct batch {
    struct hipt_table *table;
    const struct hipt_page *pages;
    struct hipt_translation *out; /* the answers, either so */
    enum hipt_status *status;
    uint64_t *ptes; /* or as words */
};

/* The lookups of a batch that go on in a line behind their bucket's own: they wait until more of those are there. */
struct late {
    struct probe probe[WINDOW];
    size_t at[WINDOW]; /* which of the batch */
    unsigned count;
};

/* Fetch the lines of a shard where a key may be. */
static void fetch_key(const struct hipt_table *table, unsigned shard, uint64_t key)
{
    const struct hipti_array *array = hipti_buckets_now(&table->buckets, shard);
    const struct hipti_array *past = hipti_load_relaxed(&array->past); /* a hint */

    HIPT_PORT_PREFETCH(probe_key(array, key).line);
    if (past) {
        HIPT_PORT_PREFETCH(probe_key(past, key).line);
    }
}

/* Fetch the lines of a lookup that has not just one. */
static HIPTI_COLD void fetch_all(const struct hipt_table *table, const struct hipt_page *wanted)
{
    unsigned sizes = 0;

    if (lookup_check(table, wanted->asid, wanted->vpn) == HIPT_OK) {
        sizes = hipti_sizes_in_use(table, wanted->asid);
    }
    for (; sizes != 0; sizes &= sizes - 1u) {
        struct hipt_page page = page_around(table, wanted->asid, wanted->vpn, hipti_lowest_bit(sizes));
        struct hipti_where where = hipti_page_where(table, &page);
        uint64_t key = hipti_page_key(table, &page);

        fetch_key(table, where.now, key);
        if (where.past != HIPTI_NO_SHARD) {
            fetch_key(table, where.past, key);
        }
    }
}

static inline struct probe batch_fetch(struct batch batch, size_t at)
{
    const struct hipt_page *wanted = &batch.pages[at];
    struct probe probe = probe_aim(batch.table, wanted->asid, wanted->vpn);

    if (probe.line) {
        HIPT_PORT_PREFETCH(probe.line);
    } else {
        fetch_all(batch.table, wanted);
    }
    return probe;
}

static inline void batch_found(struct batch batch, size_t at, uint64_t pte, hipti_slot slot)
{
    if (batch.ptes) {
        batch.ptes[at] = pte;
    } else {
        batch.status[at] = HIPT_OK;
        translation_set_smallest(&batch.out[at], batch.pages[at].asid, batch.pages[at].vpn, pte, slot);
    }
}

static HIPTI_NOINLINE bool batch_find_all(struct batch batch, size_t at)
{
    const struct hipt_page *page = &batch.pages[at];

    if (batch.ptes) {
        batch.ptes[at] = lookup_pte_all(batch.table, page->asid, page->vpn);
        return batch.ptes[at] != 0;
    }
    batch.status[at] = lookup_all(batch.table, page->asid, page->vpn, &batch.out[at]);
    return batch.status[at] == HIPT_OK;
}

/* A lookup of which there is no more to fetch. => whether it finds a mapping all the same. */
static inline bool batch_missed(struct batch batch, size_t at, const struct hipti_array *array, uint32_t link)
{
    if (link != HIPTI_NONE || !is_final(batch.table, batch.pages[at].asid, array)) {
        return batch_find_all(batch, at);
    }
    if (batch.ptes) {
        batch.ptes[at] = 0;
    } else {
        batch.status[at] = HIPT_ABSENT;
    }
    return false;
}

/* => how many of the late ones are found. */
static HIPTI_NOINLINE size_t batch_find_late(struct batch batch, struct late *late)
{
    size_t found = 0;
    unsigned i;

    for (i = 0; i < late->count; i++) {
        hipti_slot slot;
        uint32_t link;
        uint64_t pte = probe_chain(batch.table, &late->probe[i], &slot, &link);

        if (pte != 0) {
            batch_found(batch, late->at[i], pte, slot);
            found++;
        } else {
            found += batch_missed(batch, late->at[i], late->probe[i].array, link);
        }
    }
    late->count = 0;
    return found;
}

/* Fetch the line behind its bucket's own, and let the lookup wait for it. => how many of those before are found. */
static inline size_t batch_put_off(struct batch batch, const struct probe *probe, size_t at, uint32_t link,
                                   struct late *late)
{
    struct probe *next = &late->probe[late->count];

    late->at[late->count] = at;
    *next = *probe;
    probe_follow(&batch.table->buckets, next, link);
    HIPT_PORT_PREFETCH(next->line);
    return ++late->count == WINDOW ? batch_find_late(batch, late) : 0;
}

/* => how many are found. */
static inline size_t batch_look(struct batch batch, const struct probe *probe, size_t at, struct late *late)
{
    uint32_t link = HIPTI_UNDECIDED;
    uint64_t pte = 0;
    unsigned i = 0;

    if (probe->line) {
        pte = hipti_line_lookup(probe->line, probe->place, &i, &link);
        hipti_touch_line(batch.table, probe->number);
    }
    if (pte != 0) {
        batch_found(batch, at, pte, probe->number * HIPT_SLOTS + i);
        return 1;
    }
    if (link == HIPTI_NONE || link == HIPTI_UNDECIDED) {
        return batch_missed(batch, at, probe->array, link);
    }
    return batch_put_off(batch, probe, at, link, late);
}

/* A lookup's line is fetched when the one WINDOW before it is looked at: the memory is never idle, nor flooded. */
static inline size_t batch_run(struct batch batch, size_t count)
{
    struct probe window[WINDOW];
    struct late late;
    size_t found = 0;
    size_t at;

    HIPT_PORT_READ_ENTER(&batch.table->ops);
    late.count = 0;
    for (at = 0; at < count && at < WINDOW; at++) {
        window[at] = batch_fetch(batch, at);
    }
    for (at = 0; at < count; at++) {
        found += batch_look(batch, &window[at % WINDOW], at, &late);
        if (count - at > WINDOW) {
            window[at % WINDOW] = batch_fetch(batch, at + WINDOW);
        }
    }
    found += batch_find_late(batch, &late);
    HIPT_PORT_READ_EXIT(&batch.table->ops);
    return found;
}

size_t hipt_lookup_batch(struct hipt_table *table, const struct hipt_page *pages, size_t count,
                         struct hipt_translation *out, enum hipt_status *status)
{
    struct batch batch = {table, pages, out, status, NULL};

    return batch_run(batch, count);
}

size_t hipt_lookup_pte_batch(struct hipt_table *table, const struct hipt_page *pages, size_t count, uint64_t *ptes)
{
    struct batch batch = {table, pages, NULL, NULL, ptes};

    return batch_run(batch, count);
}
