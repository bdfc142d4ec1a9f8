/* SPDX-License-Identifier: MIT */
/*
 * How often CPUs touch the memory of their own node and that of others (N1): lines of buckets that lookups read, frame
 * records and alias blocks that reverse lookups read. Counted where the memory really lies, of tables with a topology:
 * all of them in builds with HIPT_CHECK >= 2. Others count those of one vpn, or frame, in HIPTI_TOUCH_SCALE: a lookup
 * there takes the long way, the short one counts nothing.
 */
#ifndef HIPT_MAP_TOUCH_H
#define HIPT_MAP_TOUCH_H

#include "map/table.h"

#define HIPTI_TOUCH_SCALE 1024u
#ifndef HIPTI_TOUCH_EXACT /* coverage is measured without assertions, and says so by itself */
#define HIPTI_TOUCH_EXACT (HIPT_CHECK >= 2)
#endif

/* Of one node's memory. Field key: all atomic. */
struct hipti_touches {
    HIPTI_ALIGNED(64) HIPTI_ATOMIC(uint64_t) local; /* by CPUs of the node */
    HIPTI_ATOMIC(uint64_t) remote;                  /* by those of others */
};

/* => whether this build counts all. */
static inline bool hipti_touch_is_exact(void)
{
    return HIPTI_TOUCH_EXACT;
}

/* => whether this build does not, and counts those at vpn, or pfn, @number: the last ones of rows, seldom special. */
static inline bool hipti_touch_samples(const struct hipt_table *table, uint64_t number)
{
    return !hipti_touch_is_exact() && ((number + 1u) & (HIPTI_TOUCH_SCALE - 1u)) == 0 && table->touches;
}

/* => whether the touches of a lookup of vpn, or a reverse lookup of pfn, @number are counted. */
static inline bool hipti_touch_counts(const struct hipt_table *table, uint64_t number)
{
    return (hipti_touch_is_exact() && table->touches) || hipti_touch_samples(table, number);
}

/* => false: no memory. The table has its topology. */
bool hipti_touch_init(struct hipt_table *table);
void hipti_touch_end(struct hipt_table *table);

/* Memory on @node has been read; HIPT_ANY_NODE: nobody knows where it was. */
void hipti_touch(const struct hipt_table *table, int node);

/* The lines that a find of @page reads have been. => whether it has found it. Inside a read side. */
bool hipti_touch_lines(const struct hipt_table *table, const struct hipt_page *page);

/* The same, if all are counted. */
static inline void hipti_touch_page(const struct hipt_table *table, const struct hipt_page *page)
{
    if (hipti_touch_is_exact() && table->touches) {
        (void)hipti_touch_lines(table, page);
    }
}

/* Line @number has been read, if all are counted. */
static inline void hipti_touch_line(const struct hipt_table *table, uint32_t number)
{
    if (hipti_touch_is_exact() && table->touches) {
        hipti_touch(table, hipti_buckets_node(&table->buckets, number));
    }
}

#endif
