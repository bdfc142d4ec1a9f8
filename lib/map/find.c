/* SPDX-License-Identifier: MIT */
/*
 * Where a page is: in the shard that its asid's word says, or, while the asid is being moved, still in the one before.
 * As in hipti_find() the past comes first: a page goes from there to the present, and is shown in the present before it
 * is gone in the past. A miss is one if the place is the same still: who takes a page out of its shard for another one
 * has let the word say so before. Places do not come back within a read side (plans.h).
 *
 * What is tentative is not the last word, unless it is where the asid is: whoever put it may not know yet that the
 * page, and its asid, had gone on before. Nothing else can be in both places. In the place before it is passed over;
 * and so is what was found by a word that is not the asid's any more.
 */
#include "map/table.h"

static bool is_tentative(uint64_t pte)
{
    return hipti_pte_state(pte) == HIPTI_TENTATIVE;
}

bool hipti_page_find_counted(struct hipt_table *table, const struct hipt_page *page, hipti_slot *slot, uint64_t *pte,
                             unsigned *lines)
{
    HIPTI_ATOMIC(uint32_t) *placed = hipti_asid_word(&table->asids, page->asid);
    uint64_t key = hipti_page_key(table, page);
    uint32_t word = hipti_load_acquire(placed); /* [observe:placed] */
    uint32_t before;
    bool is_found;

    do {
        struct hipti_where where = hipti_page_where_by(table, word, page);

        before = word;
        if (where.past != HIPTI_NO_SHARD && hipti_find(&table->buckets, where.past, key, slot, pte, lines) &&
            !is_tentative(*pte)) {
            return true;
        }
        is_found = hipti_find(&table->buckets, where.now, key, slot, pte, lines);
        if (is_found && !is_tentative(*pte)) {
            return true;
        }
        word = hipti_load_acquire(placed); /* [observe:placed] also what whoever put the tentative one had missed by */
    } while (hipti_word_place(word) != hipti_word_place(before));
    return is_found;
}

/* What was found, if anything. */
struct found {
    bool is_there;
    hipti_slot slot;
    uint64_t pte;
};

static struct found find_seq_cst(struct hipt_table *table, unsigned shard, uint64_t key)
{
    struct found found = {.pte = 0};

    found.is_there = shard != HIPTI_NO_SHARD &&
                     hipti_find_seq_cst(&table->buckets, shard, key, &found.slot, &found.pte);
    return found;
}

/* Here what is tentative in the past counts, if there is nothing else: it may yet become live. */
bool hipti_page_find_seq_cst(struct hipt_table *table, const struct hipt_page *page, hipti_slot *slot, uint64_t *pte)
{
    HIPTI_ATOMIC(uint32_t) *placed = hipti_asid_word(&table->asids, page->asid);
    uint64_t key = hipti_page_key(table, page);
    uint32_t word = hipti_load_acquire(placed); /* [observe:placed] what is newer shows below */
    struct found found;
    uint32_t before;

    do {
        struct hipti_where where = hipti_page_where_by(table, word, page);
        struct found past = find_seq_cst(table, where.past, key);

        before = word;
        found = past;
        if (!past.is_there || is_tentative(past.pte)) {
            struct found now = find_seq_cst(table, where.now, key);

            found = now.is_there ? now : past;
        }
        /*
         * seq_cst: where an overlapping map, first in the single order, was put where the asid has been moved to, this
         * shows that [observe:overlap] [observe:placed]
         */
        word = hipti_load_seq_cst(placed);
    } while (hipti_word_place(word) != hipti_word_place(before));
    *slot = found.slot;
    *pte = found.pte;
    return found.is_there;
}

bool hipti_page_find_ended(const struct hipt_table *table, const struct hipt_page *page, unsigned gather,
                           hipti_slot *slot, uint64_t *pte)
{
    struct hipti_where where = hipti_page_where(table, page);
    uint64_t key = hipti_page_key(table, page);

    return (where.past != HIPTI_NO_SHARD &&
            hipti_find_ended(&table->buckets, where.past, key, gather, slot, pte)) ||
           hipti_find_ended(&table->buckets, where.now, key, gather, slot, pte);
}
