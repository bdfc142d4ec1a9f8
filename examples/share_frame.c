/* SPDX-License-Identifier: MIT */
/*
 * One frame in two address spaces, and the way back from the frame to both: what a page cache, a debugger or a process
 * that was forked needs. Then the frame leaves: every space that has it is found and loses it.
 */
#include <stdio.h>

#include <hipt/hipt.h>
#include <hipt/user.h>

enum { FRAME = 42 };

static bool share(struct hipt_table *table, uint32_t space, uint64_t vpn, uint8_t prot)
{
    struct hipt_mapping m = {.page = {.asid = space, .vpn = vpn}, .pfn = FRAME, .prot = prot};

    return hipt_map(table, &m) == HIPT_OK;
}

/* Unmap the frame wherever it is mapped. => from how many pages. */
static unsigned evict(struct hipt_table *table)
{
    struct hipt_mapping owners[8];
    unsigned evicted = 0;
    size_t count;

    while (hipt_reverse(table, (struct hipt_frame){.pfn = FRAME}, owners, 8, &count) == HIPT_OK) {
        for (size_t i = 0; i < count && i < 8; i++) {
            printf("space %u had it at %#llx%s\n", (unsigned)owners[i].page.asid,
                   (unsigned long long)owners[i].page.vpn, owners[i].prot & HIPT_WRITE ? ", to write" : "");
            evicted += hipt_unmap(table, &owners[i].page, NULL) == HIPT_OK;
        }
    }
    return evicted;
}

int main(void)
{
    struct hipt_range memory = {.first = 0, .count = 1024};
    struct hipt_frame_status frame;
    struct hipt_config config;
    struct hipt_user *user;
    struct hipt_table *table;
    struct hipt_asid parent;
    struct hipt_asid child;
    bool is_right;

    hipt_config_init(&config);
    if (hipt_user_create(HIPT_USER_URCU, &user) != HIPT_OK) {
        return 1;
    }
    config.ops = hipt_user_ops(user), config.ranges = &memory, config.nranges = 1;
    if (hipt_table_create(&config, &table) != HIPT_OK || hipt_asid_alloc(table, &parent) != HIPT_OK ||
        hipt_asid_alloc(table, &child) != HIPT_OK) {
        return 1;
    }
    is_right = share(table, parent.number, 0x400, HIPT_READ | HIPT_WRITE) &&
               share(table, child.number, 0x7f0, HIPT_READ);
    is_right = is_right && hipt_frame_get(table, (struct hipt_frame){.pfn = FRAME}, &frame) == HIPT_OK;
    printf("frame %u has %u mappings\n", (unsigned)FRAME, (unsigned)frame.mappings);
    is_right = is_right && frame.mappings == 2 && evict(table) == 2;
    hipt_table_destroy(table), hipt_user_destroy(user);
    return is_right ? 0 : 1;
}
