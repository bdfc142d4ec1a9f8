/* SPDX-License-Identifier: MIT */
/*
 * This file looks into the library. A lookup reads the lines of its page's bucket from the first one on, until the line
 * that has the page; each line is in a block of memory, of which the library has written down where it lies.
 */
#include "numa_touch.h"

#include "map/table.h"

size_t numa_touched(const struct hipt_table *table, const struct hipt_translation *found, int nodes[NUMA_LINES_MAX])
{
    const struct hipti_buckets *buckets = &table->buckets;
    uint32_t number = hipti_page_place(table, &found->mapping.page).bucket;
    uint32_t last = found->slot / HIPT_SLOTS;
    size_t count = 0;

    for (;;) {
        uint32_t link;

        nodes[count++] = hipti_buckets_node(buckets, number);
        link = hipti_header_link(hipti_load_acquire(&hipti_buckets_line(buckets, number)->header)); /* at rest */
        if (number == last || link == HIPTI_NONE || count == NUMA_LINES_MAX) {
            return count;
        }
        number = hipti_buckets_linked(buckets, number, link);
    }
}
