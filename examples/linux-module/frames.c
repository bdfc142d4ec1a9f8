/* SPDX-License-Identifier: MIT */
/* The frames of the test: real memory, on every node that has some. */
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/nodemask.h>
#include <linux/slab.h>

#include "test.h"

/* Field key: constant while the test runs. */
static struct {
    struct page *pages;
    int node;
} blocks[MAX_NUMNODES];
static unsigned nblocks;

struct contents *contents_of(u64 pfn)
{
    return page_address(pfn_to_page((unsigned long)pfn));
}

bool is_pinned(u64 pfn)
{
    return pfn % 2u == 0;
}

static void pool_add(struct pool *pool, u64 pfn)
{
    spin_lock(&pool->lock);
    pool->pfn[pool->count++] = pfn;
    spin_unlock(&pool->lock);
}

static int block_init(struct test *test, int node)
{
    struct page *pages = alloc_pages_node(node, GFP_KERNEL | __GFP_ZERO | __GFP_THISNODE, FRAMES_ORDER);
    unsigned i;

    if (!pages) {
        return -ENOMEM;
    }
    blocks[nblocks].pages = pages;
    blocks[nblocks].node = node;
    nblocks++;
    for (i = 0; i < 1u << FRAMES_ORDER; i++) {
        pool_add(&test->pool, page_to_pfn(pages) + i);
    }
    test->pool.total += 1u << FRAMES_ORDER;
    return 0;
}

/* By ascending frames, whatever the order of the nodes. */
static void ranges_set(struct hipt_range *ranges, struct hipt_node_range *node_ranges)
{
    unsigned i;

    for (i = 0; i < nblocks; i++) {
        u64 first = page_to_pfn(blocks[i].pages);
        unsigned at = i;

        for (; at > 0 && node_ranges[at - 1u].first > first; at--) {
            node_ranges[at] = node_ranges[at - 1u];
            ranges[at] = ranges[at - 1u];
        }
        node_ranges[at] = (struct hipt_node_range){first, 1u << FRAMES_ORDER, blocks[i].node};
        ranges[at] = (struct hipt_range){.first = first, .count = 1u << FRAMES_ORDER};
    }
}

int frames_init(struct test *test, struct hipt_range *ranges, struct hipt_node_range *node_ranges, size_t *count)
{
    int error = 0;
    int node;

    nblocks = 0;
    spin_lock_init(&test->pool.lock);
    test->pool.pfn = kcalloc(num_node_state(N_MEMORY) << FRAMES_ORDER, sizeof(u64), GFP_KERNEL);
    if (!test->pool.pfn) {
        return -ENOMEM;
    }
    for_each_node_state(node, N_MEMORY) {
        error = error ? error : block_init(test, node);
    }
    ranges_set(ranges, node_ranges);
    *count = nblocks;
    return error;
}

void frames_end(struct test *test)
{
    while (nblocks > 0) {
        __free_pages(blocks[--nblocks].pages, FRAMES_ORDER);
    }
    kfree(test->pool.pfn);
    test->pool.pfn = NULL;
}

enum hipt_status frames_pin(struct test *test)
{
    enum hipt_status status = HIPT_OK;
    unsigned i;

    for (i = 0; i < test->pool.total && status == HIPT_OK; i++) {
        if (is_pinned(test->pool.pfn[i])) {
            status = hipt_frame_pin(test->table, (struct hipt_frame){.pfn = test->pool.pfn[i]});
        }
    }
    return status;
}

/* Those in the pool go out of it, and come back as the others do. */
void frames_unpin(struct test *test)
{
    unsigned left = 0;
    unsigned i;

    for (i = 0; i < test->pool.count; i++) {
        u64 pfn = test->pool.pfn[i];

        if (is_pinned(pfn)) {
            (void)hipt_frame_unpin(test->table, (struct hipt_frame){.pfn = pfn});
        } else {
            test->pool.pfn[left++] = pfn;
        }
    }
    test->pool.count = left;
}

bool frame_take(struct worker *worker, u64 *pfn)
{
    struct pool *pool = &worker->test->pool;
    bool is_last = draw(worker, 2);
    bool is_taken;

    spin_lock(&pool->lock);
    is_taken = pool->count > 0;
    if (is_taken) {
        u32 at = is_last ? pool->count - 1u : draw(worker, pool->count);

        *pfn = pool->pfn[at];
        pool->pfn[at] = pool->pfn[--pool->count];
    }
    spin_unlock(&pool->lock);
    return is_taken;
}

void frame_stamp(u64 pfn, u64 owner, u64 generation)
{
    struct contents *contents = contents_of(pfn);

    WRITE_ONCE(contents->owner, owner);
    WRITE_ONCE(contents->generation, generation);
}

void frame_keep(struct test *test, u64 pfn)
{
    frame_stamp(pfn, 0, 0);
    pool_add(&test->pool, pfn);
}

unsigned frames_reap(struct test *test)
{
    struct hipt_frame frame[16];
    size_t count = hipt_frame_reap(test->table, frame, ARRAY_SIZE(frame));
    size_t i;

    for (i = 0; i < count; i++) {
        frame_keep(test, frame[i].pfn);
    }
    return (unsigned)count;
}
