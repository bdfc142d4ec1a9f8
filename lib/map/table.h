/* SPDX-License-Identifier: MIT */
/* The table as its verbs see it: the four rooms below, and the checks that every verb begins with. */
#ifndef HIPT_MAP_TABLE_H
#define HIPT_MAP_TABLE_H

#include <stdint.h>

#include <hipt/asid.h>
#include <hipt/frame.h>
#include <hipt/map.h>
#include <hipt/ops.h>
#include <hipt/port.h>
#include <hipt/table.h>

#include "asid/asids.h"
#include "base/check.h"
#include "frame/frames.h"
#include "shootdown/shootdown.h"
#include "table/bucket.h"
#include "topology/topology.h"

struct hipti_touches;

/*
 * Field key: all constant, but for what the rooms say of their parts, and the two atomic ones.
 *
 * .reshapes moves when a split or collapse has put in what translates a page from then on, and before it takes out what
 * did so far (split.c). So who looks for pages of several sizes, one after another, and finds none, has missed none
 * that was there all the time unless the number has moved meanwhile.
 */
struct hipt_table {
    struct hipt_ops ops;
    struct hipti_split split;
    struct hipti_buckets buckets;
    struct hipti_frames frames;
    struct hipti_asids asids;
    struct hipti_shootdown shootdown;
    struct hipti_topology topology;
    struct hipti_memory anywhere;          /* of what lies on no node */
    struct hipti_memory *memory;           /* of each node; one, of anywhere, where the host gave no topology */
    uint8_t shard_of_node[HIPT_NODES_MAX]; /* the one on that node, or on the nearest node that has one */
    uint8_t node_of_shard[HIPT_NODES_MAX];
    struct hipti_touches *touches;         /* of each node, its elements' fields atomic (touch.h); NULL: not counted */
    uint64_t ttl;
    uint8_t file_attrs;
    HIPTI_ATOMIC(uint32_t) sizes; /* size classes that were ever mapped, a bit each; no byte: RISC-V has no OR of one */
    HIPTI_ALIGNED(64) HIPTI_ATOMIC(uint64_t) reshapes;
};

/* => as many buckets as @capacity mappings of keys of @width bits want in each of @nshards. */
uint64_t hipti_buckets_for(uint64_t capacity, unsigned width, unsigned nshards);

/* => HIPT_OK, or why a verb must refuse the page. */
enum hipt_status hipti_page_check(const struct hipt_table *table, const struct hipt_page *page);

/* The same for @npages pages in a row. */
enum hipt_status hipti_pages_check(const struct hipt_table *table, const struct hipt_page *page, uint64_t npages);

enum hipt_status hipti_prot_check(uint8_t prot);

/* => HIPT_OK and *number, the record of the first frame; or why a verb must refuse the mapping, or @npages in a row. */
enum hipt_status hipti_mapping_check(const struct hipt_table *table, const struct hipt_mapping *mapping,
                                     uint64_t npages, uint32_t *number);

/*
 * => whether a visible page that was found in this read side is what translates. A live one is. A held one is if no
 * larger one shows while it is still there: a larger one that came after it was looked for may hide it (split.c).
 */
bool hipti_is_shown(struct hipt_table *table, const struct hipt_translation *found);

/*
 * Finish the retirement of the asid of a page just mapped or remapped, if one began meanwhile. Inside a read side.
 * Where the caller may not wait, the page is left to the sweep before the asid is issued again.
 */
void hipti_unmap_if_retired(struct hipt_table *table, const struct hipt_page *page);

static inline uint64_t hipti_page_key(const struct hipt_table *table, const struct hipt_page *page)
{
    return hipti_key_pack(&table->split, page->asid, page->size, page->vpn);
}

/* => where a page is put, and where it may be still, by its asid's word, read with acquire in this read side. */
static inline struct hipti_where hipti_page_where_by(const struct hipt_table *table, uint32_t word,
                                                     const struct hipt_page *page)
{
    return hipti_asid_where(&table->asids, word, hipti_vpn_first(&table->split, page->size, page->vpn));
}

/* The same, by the word as it is now. Inside a read side. */
static inline struct hipti_where hipti_page_where(const struct hipt_table *table, const struct hipt_page *page)
{
    uint32_t word = hipti_load_acquire(hipti_asid_word(&table->asids, page->asid)); /* [observe:placed] */

    return hipti_page_where_by(table, word, page);
}

/* => the shard where a page is put. As above. */
static inline unsigned hipti_page_shard(const struct hipt_table *table, const struct hipt_page *page)
{
    return hipti_page_where(table, page).now;
}

/* Its place there. */
static inline struct hipti_place hipti_page_place(const struct hipt_table *table, const struct hipt_page *page)
{
    return hipti_buckets_place(&table->buckets, hipti_page_shard(table, page), hipti_page_key(table, page));
}

/*
 * => whether a page has a slot, in whatever state, but for what is tentative where its asid was before; *slot and *pte
 * as hipti_find() says. *lines counts the lines read, if not NULL. Inside a read side (find.c).
 */
bool hipti_page_find_counted(struct hipt_table *table, const struct hipt_page *page, hipti_slot *slot, uint64_t *pte,
                             unsigned *lines);

static inline bool hipti_page_find(struct hipt_table *table, const struct hipt_page *page, hipti_slot *slot,
                                   uint64_t *pte)
{
    return hipti_page_find_counted(table, page, slot, pte, NULL);
}

/* The same as hipti_find_seq_cst() does. */
bool hipti_page_find_seq_cst(struct hipt_table *table, const struct hipt_page *page, hipti_slot *slot, uint64_t *pte);

/* The same as hipti_find_ended() does. */
bool hipti_page_find_ended(const struct hipt_table *table, const struct hipt_page *page, unsigned gather,
                           hipti_slot *slot, uint64_t *pte);

/* => base pages in a page of a size class. */
static inline uint64_t hipti_size_pages(const struct hipt_table *table, uint32_t size)
{
    return UINT64_C(1) << table->split.page_order[size];
}

/* => the size classes that an asid uses, one bit each. */
static inline unsigned hipti_sizes_in_use(const struct hipt_table *table, uint32_t asid)
{
    /* relaxed: who knows that a page is mapped knows its size's bit; the buckets are acquired on their own */
    return hipti_word_sizes(hipti_load_relaxed(hipti_asid_word(&table->asids, asid)));
}

#endif
