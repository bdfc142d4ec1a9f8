/* SPDX-License-Identifier: MIT */
/* Attaching CPUs: the numbers that come from outside are checked here. */
#include "map/table.h"

enum hipt_status hipt_cpu_attach(struct hipt_table *table, struct hipt_cpu *cpu, const struct hipt_cpu_config *config)
{
    const struct hipt_cache *cache = &config->cache;

    if (config->number >= table->shootdown.ncpus || config->tag_bits < 1u || config->tag_bits > HIPT_TAG_BITS_MAX ||
        !cache->flush_range || !cache->flush_tag || !cache->flush_all) {
        return HIPT_BAD_CPU;
    }
    return hipti_cpu_attach(&table->shootdown, cpu, config);
}
