// SPDX-License-Identifier: MIT
// A user in C++: the headers are C's, and mean the same here.
#include <hipt/hipt.h>
#include <hipt/mmu.h>
#include <hipt/user.h>

#include <cstdio>

int main()
{
    hipt_user *user = nullptr;
    hipt_table *table = nullptr;
    hipt_range memory = {0, 4096, false};
    hipt_asid space = {0, 0};
    hipt_mapping page = {};
    hipt_config config;

    hipt_config_init(&config);
    if (hipt_user_create(HIPT_USER_URCU, &user) != HIPT_OK) {
        return 1;
    }
    config.ops = hipt_user_ops(user);
    config.ranges = &memory;
    config.nranges = 1;
    if (hipt_table_create(&config, &table) != HIPT_OK || hipt_asid_alloc(table, &space) != HIPT_OK) {
        return 1;
    }
    page.page.asid = space.number;
    page.page.vpn = 7;
    page.pfn = 42;
    page.prot = HIPT_READ;
    if (hipt_map(table, &page) != HIPT_OK) {
        return 1;
    }
    hipt_read_enter(table);
    bool is_right = HIPT_PTE_PFN(hipt_lookup_pte(table, space.number, 7)) == 42;
    hipt_read_exit(table);
    hipt_table_destroy(table);
    hipt_user_destroy(user);
    std::puts(is_right ? "right" : "wrong");
    return is_right ? 0 : 1;
}
