/* SPDX-License-Identifier: MIT */
/* Tables on real nodes. */
#include "numa/checks.h"

enum { PAGES = 10000 };

/* A table with the port's hooks maps and finds. */
void numa_a_table_works(struct numa *numa)
{
    struct hipt_range frames = {.first = 0, .count = PAGES};
    struct hipt_table *table = NULL;
    struct hipt_asid asid = {0};
    struct hipt_config config;
    char text[200];

    hipt_config_init(&config);
    config.ops = numa->ops;
    config.ranges = &frames;
    config.nranges = 1;
    NUMA_HOLDS(numa, hipt_config_check(&config, text, sizeof(text)) == HIPT_OK, "%s", text);
    if (!NUMA_HOLDS(numa, hipt_table_create(&config, &table) == HIPT_OK, "no table") ||
        !NUMA_HOLDS(numa, hipt_asid_alloc(table, &asid) == HIPT_OK, "no asid")) {
        hipt_table_destroy(table);
        return;
    }
    for (uint64_t n = 0; n < PAGES; n++) {
        struct hipt_mapping page = {.page = {.asid = asid.number, .vpn = 7u * n}, .pfn = n, .prot = HIPT_READ};

        NUMA_HOLDS(numa, hipt_map(table, &page) == HIPT_OK, "page %u", (unsigned)n);
    }
    for (uint64_t n = 0; n < PAGES; n++) {
        struct hipt_translation found = {0};

        NUMA_HOLDS(numa, hipt_lookup(table, asid.number, 7u * n, &found) == HIPT_OK && found.mapping.pfn == n,
                   "page %u", (unsigned)n);
    }
    hipt_table_destroy(table);
    NUMA_HOLDS(numa, hipt_user_bytes(numa->user) == 0, "%zu bytes", hipt_user_bytes(numa->user));
}
