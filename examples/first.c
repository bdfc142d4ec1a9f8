/* SPDX-License-Identifier: MIT */
#include <hipt/hipt.h>
#include <hipt/user.h>
#include <stdio.h>
int main(void)
{
    struct hipt_range memory = {.first = 0, .count = 1 << 18}; /* 1 GiB of 4 KiB frames */
    struct hipt_user *user;
    struct hipt_table *table;
    struct hipt_asid space;
    struct hipt_config config;
    struct hipt_translation found;
    struct hipt_mapping owner;
    size_t owners;
    hipt_config_init(&config);
    if (hipt_user_create(HIPT_USER_URCU, &user) != HIPT_OK) return 1;
    config.ops = hipt_user_ops(user), config.ranges = &memory, config.nranges = 1;
    if (hipt_table_create(&config, &table) != HIPT_OK || hipt_asid_alloc(table, &space) != HIPT_OK) return 1;
    struct hipt_mapping page = {.page = {.asid = space.number, .vpn = 0x7f123}, .pfn = 42, .prot = HIPT_READ};
    if (hipt_map(table, &page) != HIPT_OK) return 1;
    if (hipt_lookup(table, space.number, 0x7f123, &found) != HIPT_OK) return 1;
    if (hipt_reverse(table, (struct hipt_frame){.pfn = 42}, &owner, 1, &owners) != HIPT_OK) return 1;
    printf("%#x -> pfn %u, one of whose %zu owners is %#x\n", 0x7f123u, (unsigned)found.mapping.pfn, owners,
           (unsigned)owner.page.vpn);
    hipt_table_destroy(table), hipt_user_destroy(user);
}
