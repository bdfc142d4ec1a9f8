/* SPDX-License-Identifier: MIT */
#include "support/nodes.h"

#include <hipt/hipt.h>

#include "map/table.h"

int nodes_here;

static int this_node(void *ctx)
{
    (void)ctx;
    return nodes_here;
}

void nodes_config(struct rig *rig, uint64_t buckets, unsigned placement)
{
    static const struct hipt_node_range ranges[] = {{0, QUARTER, 0}, {QUARTER, QUARTER, 1}, {2 * QUARTER, QUARTER, 3}};
    static const unsigned char distance[] = {10, 20, 40, 40, 20, 10, 40, 40, 40, 40, 10, 15, 40, 40, 15, 10};
    static const int cpu_node[] = {1, 3, 2, HIPT_ANY_NODE};
    static const struct hipt_topology topology = {.size = sizeof(topology),
                                                  .nodes = NODES,
                                                  .cpus = 4,
                                                  .cpu_node = cpu_node,
                                                  .distance = distance,
                                                  .ranges = ranges,
                                                  .nranges = SHARDS};

    test_host_nodes(&rig->host);
    rig->config.topology = &topology;
    rig->config.buckets = SHARDS * buckets;
    rig->config.capacity_max = 20000;
    rig->config.placement = placement;
    rig->host.ops.this_node = this_node;
    nodes_here = HIPT_ANY_NODE;
}

bool nodes_create(struct rig *rig, uint64_t buckets, unsigned placement)
{
    rig_init(rig);
    nodes_config(rig, buckets, placement);
    return rig_create(rig);
}

enum hipt_status nodes_map(struct rig *rig, uint32_t asid, uint32_t size, uint64_t vpn, uint64_t pfn)
{
    struct hipt_mapping m = rig_mapping(asid, size, vpn, pfn);

    return hipt_map(rig->table, &m);
}

void nodes_map_many(struct rig *rig, uint32_t asid, uint64_t count)
{
    uint64_t n;

    for (n = 0; n < count; n++) {
        TEST_HOLDS(nodes_map(rig, asid, 0, n, n) == HIPT_OK);
    }
}

struct hipt_asid nodes_start(struct rig *rig, uint64_t buckets, uint64_t count)
{
    struct hipt_asid asid;

    TEST_HOLDS(nodes_create(rig, buckets, HIPT_PREFERRED));
    asid = nodes_space(rig);
    nodes_map_many(rig, asid.number, count);
    return asid;
}

struct hipt_asid nodes_space(struct rig *rig)
{
    static const struct hipt_region_place home = {0, 0};
    struct hipt_asid asid;

    TEST_HOLDS(hipt_asid_alloc_placed(rig->table, &home, 1, &asid) == HIPT_OK);
    return asid;
}

uint32_t nodes_word(const struct rig *rig, uint32_t asid)
{
    return hipti_load_relaxed(hipti_asid_word(&rig->table->asids, asid));
}

hipti_slot nodes_slot(struct rig *rig, uint32_t asid, uint64_t vpn)
{
    struct hipt_page page = {.asid = asid, .size = 0, .vpn = vpn};
    hipti_slot slot = 0;
    uint64_t pte;

    TEST_HOLDS(hipti_page_find(rig->table, &page, &slot, &pte));
    return slot;
}

void nodes_announce(struct rig *rig, uint32_t asid, int node)
{
    struct hipti_regions now = {.count = 1};
    struct hipti_regions past = {.count = 1};
    uint32_t word = nodes_word(rig, asid);
    enum hipt_status status;
    uint32_t plan;

    TEST_HOLDS(!(word & HIPTI_WORD_PLANNED));
    now.shard[0] = rig->table->shard_of_node[node];
    past.shard[0] = (uint8_t)hipti_word_shard(word);
    HIPT_PORT_READ_ENTER(&rig->table->ops);
    plan = hipti_plan_new(&rig->table->asids.plans, &now, &past, &status);
    TEST_HOLDS(plan != 0 && hipti_asid_replace(&rig->table->asids, asid, word, hipti_word_planned(plan)));
    HIPT_PORT_READ_EXIT(&rig->table->ops);
}

unsigned nodes_migrate(struct rig *rig, struct hipt_asid asid, int node)
{
    enum hipt_status status = hipt_asid_migrate(rig->table, asid, node);
    unsigned calls = 1;

    while (status == HIPT_PENDING && calls < 10u) {
        rig_pass(rig);
        status = hipt_asid_migrate(rig->table, asid, node);
        calls++;
    }
    TEST_HOLDS(status == HIPT_OK);
    return calls;
}

void nodes_check(struct rig *rig, uint32_t asid, uint64_t count, unsigned shard)
{
    struct hipt_mapping out = {0};
    size_t found;
    uint64_t n;

    for (n = 0; n < count; n++) {
        struct hipt_frame frame = {.pfn = n, .swap = false};

        TEST_HOLDS(HIPT_PTE_PFN(hipt_lookup_pte(rig->table, asid, n)) == n);
        TEST_HOLDS(hipt_reverse(rig->table, frame, &out, 1, &found) == HIPT_OK);
        TEST_HOLDS(found == 1 && out.page.vpn == n && out.page.asid == asid);
        TEST_HOLDS(shard == SHARDS ||
                   hipti_shard_number(&rig->table->buckets, nodes_slot(rig, asid, n) / HIPT_SLOTS) == shard);
    }
}
