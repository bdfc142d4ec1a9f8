/* SPDX-License-Identifier: MIT */
/*
 * The pool on hipt: the asid is the file, the vpn the block.
 *
 * To read, a block is looked up and used inside a read side, and nothing is written: a frame whose block has gone is
 * not handed back before all read sides of then have ended (R1). To write, or to stay longer, the frame is pinned and
 * the translation marked dirty; that succeeds on the very mapping that was read only (T3), so it says whether the pin
 * came in time.
 *
 * Whoever reads a block in, or evicts it, claims it first: it is mapped to a swap slot of the thread, which says
 * "wait". So each block is read in once, and not while it is being written back. Frames that have lost their blocks
 * wait in limbo; hipt_frame_reap() gives them back, and is all the free list there is. Grace periods are those of
 * Concurrency Kit, which take well below a millisecond: liburcu's may nap for ten, and a pool that is short of frames
 * waits for them.
 */
#include <sched.h>

#include "pool.h"

enum { CLAIMS = 2 }; /* swap slots of a thread: what it reads in, and what it evicts meanwhile */

static bool table_open(struct pool *pool)
{
    uint64_t nclaims = CLAIMS * pool->options->threads;
    struct hipt_range ranges[] = {{.count = pool->nframes}, {.count = nclaims, .swap = true}};
    struct hipt_config config;
    bool is_right;

    hipt_config_init(&config);
    is_right = hipt_user_create(HIPT_USER_CK, &pool->user) == HIPT_OK;
    config.ops = is_right ? hipt_user_ops(pool->user) : NULL, config.ranges = ranges, config.nranges = 2;
    config.nsizes = 1, config.capacity = pool->nframes + nclaims;
    is_right = is_right && hipt_table_create(&config, &pool->table) == HIPT_OK;
    for (unsigned i = 0; i < FILES && is_right; i++) {
        is_right = hipt_asid_alloc(pool->table, &pool->asid[i]) == HIPT_OK;
    }
    for (uint64_t i = 0; i < nclaims && is_right; i++) { /* pinned: they are never in limbo */
        is_right = hipt_frame_pin(pool->table, (struct hipt_frame){.pfn = i, .swap = true}) == HIPT_OK;
    }
    return is_right;
}

static struct hipt_page page_of(const struct pool *pool, struct block block)
{
    return (struct hipt_page){.asid = pool->asid[block.file].number, .vpn = block.number};
}

static struct block block_of(const struct pool *pool, const struct hipt_page *page)
{
    struct block block = {0, page->vpn};

    while (pool->asid[block.file].number != page->asid) {
        block.file++;
    }
    return block;
}

/* --- hits */

/* => a frame that has the block until the read side is closed, which stays open; NOBODY. */
static int64_t table_read(struct pool *pool, const struct hipt_page *page)
{
    struct hipt_translation found;
    uint64_t pte;

    hipt_read_enter(pool->table);
    pte = hipt_lookup_pte(pool->table, page->asid, page->vpn);
    if (pte == 0 || HIPT_PTE_SWAP(pte)) {
        hipt_read_exit(pool->table);
        return NOBODY;
    }
    if (!(HIPT_PTE_MARKS(pte) & HIPT_ACCESSED) &&
        hipt_lookup_reading(pool->table, page->asid, page->vpn, &found) == HIPT_OK) {
        (void)hipt_mark(pool->table, &found, HIPT_ACCESSED); /* a hint: it may have gone */
    }
    return (int64_t)HIPT_PTE_PFN(pte);
}

/* => a frame that has the block until it is unpinned; NOBODY. */
static int64_t table_pin(struct pool *pool, const struct hipt_page *page)
{
    struct hipt_translation found;
    int64_t frame = NOBODY;

    hipt_read_enter(pool->table);
    if (hipt_lookup_reading(pool->table, page->asid, page->vpn, &found) == HIPT_OK && !found.mapping.swap) {
        struct hipt_frame pinned = {.pfn = found.mapping.pfn};

        if (hipt_frame_pin(pool->table, pinned) == HIPT_OK) {
            if (hipt_mark(pool->table, &found, HIPT_ACCESSED | HIPT_DIRTY) == HIPT_OK) {
                frame = (int64_t)pinned.pfn;
            } else { /* the block has left it meanwhile */
                (void)hipt_frame_unpin(pool->table, pinned);
            }
        }
    }
    hipt_read_exit(pool->table);
    return frame;
}

/* --- misses */

static void clear_accessed(struct pool *pool, const struct hipt_page *page)
{
    struct hipt_translation found;

    hipt_read_enter(pool->table);
    if (hipt_lookup_reading(pool->table, page->asid, page->vpn, &found) == HIPT_OK) {
        (void)hipt_clean(pool->table, &found, HIPT_ACCESSED);
    }
    hipt_read_exit(pool->table);
}

/*
 * Take a frame from its block, if nobody has used it lately or has it pinned; under the lock, so that no other thread
 * does. => it is pinned by us alone, its block, in *was, is claimed, and who pins it now cannot mark it, and lets go.
 */
static bool frame_take(struct pool *pool, struct hipt_frame frame, uint64_t claim, struct hipt_mapping *was)
{
    struct hipt_mapping claimed = {.pfn = claim, .prot = HIPT_READ, .swap = true};
    struct hipt_frame_status status;
    size_t count;

    if (hipt_reverse(pool->table, frame, was, 1, &count) != HIPT_OK) {
        return false; /* it has no block now */
    }
    if (was->marks & HIPT_ACCESSED) {
        clear_accessed(pool, &was->page);
        return false;
    }
    claimed.page = was->page;
    if (hipt_frame_pin(pool->table, frame) != HIPT_OK) {
        return false;
    }
    if (hipt_remap(pool->table, &claimed, was) == HIPT_OK) {
        if (hipt_frame_get(pool->table, frame, &status) == HIPT_OK && status.pins == 1) {
            return true;
        }
        (void)hipt_remap(pool->table, was, NULL); /* somebody writes it: back again, with its marks */
    }
    (void)hipt_frame_unpin(pool->table, frame);
    return false;
}

static void table_evict(struct pool *pool, uint64_t claim)
{
    struct hipt_mapping was;
    struct hipt_frame frame;

    pthread_mutex_lock(&pool->lock);
    do {
        frame = (struct hipt_frame){.pfn = pool->hand++ % pool->nframes};
    } while (!frame_take(pool, frame, claim, &was));
    pthread_mutex_unlock(&pool->lock);
    if (was.marks & HIPT_DIRTY) {
        write_back(pool, frame.pfn, block_of(pool, &was.page));
    }
    (void)hipt_unmap(pool->table, &was.page, NULL);   /* the block may be read in again, */
    (void)hipt_frame_unpin(pool->table, frame);       /* and the frame goes into limbo */
    atomic_fetch_add(&pool->evicted, 1);
}

/* => a frame that nobody uses. */
static uint64_t frame_find(struct pool *pool, uint64_t claim)
{
    struct hipt_frame frame = {.pfn = pool->nframes};

    pthread_mutex_lock(&pool->lock);
    if (pool->fresh < pool->nframes) {
        frame.pfn = pool->fresh++;
    }
    pthread_mutex_unlock(&pool->lock);
    if (frame.pfn < pool->nframes) {
        return frame.pfn;
    }
    while (hipt_frame_reap(pool->table, &frame, 1) == 0) { /* none has seen its grace period yet */
        if (atomic_load(&pool->evicted) < pool->nframes / 16 + 1) {
            table_evict(pool, claim);
        } else {
            sched_yield();
        }
    }
    atomic_fetch_sub(&pool->evicted, 1);
    return frame.pfn;
}

/* => whether it was this thread that read the block in; else it waited a little for who does, or writes it back. */
static bool table_read_in(struct pool *pool, unsigned thread, struct block block)
{
    struct hipt_mapping m = {.page = page_of(pool, block), .pfn = CLAIMS * thread, .prot = HIPT_READ, .swap = true};

    if (hipt_map(pool->table, &m) != HIPT_OK) {
        sched_yield();
        return false;
    }
    m.pfn = frame_find(pool, m.pfn + 1);
    m.swap = false;
    m.marks = HIPT_ACCESSED;
    read_in(pool, m.pfn, block);
    if (hipt_remap(pool->table, &m, NULL) != HIPT_OK) { /* cannot be: nobody else has the frame, or the claim */
        wrong("frame that takes no block", m.pfn, pool->nframes);
    }
    return true;
}

/* --- the kind */

static uint64_t table_get(struct pool *pool, unsigned thread, struct block block, bool writes, bool *is_hit)
{
    struct hipt_page page = page_of(pool, block);
    int64_t frame;

    *is_hit = true;
    while ((frame = writes ? table_pin(pool, &page) : table_read(pool, &page)) == NOBODY) {
        *is_hit = !table_read_in(pool, thread, block) && *is_hit;
    }
    return (uint64_t)frame;
}

static void table_put(struct pool *pool, uint64_t frame, bool writes)
{
    if (writes) {
        (void)hipt_frame_unpin(pool->table, (struct hipt_frame){.pfn = frame});
    } else {
        hipt_read_exit(pool->table);
    }
}

static bool table_is_dirty(struct pool *pool, uint64_t frame, struct block *block)
{
    struct hipt_mapping owner;
    size_t count;

    if (hipt_reverse(pool->table, (struct hipt_frame){.pfn = frame}, &owner, 1, &count) != HIPT_OK) {
        return false;
    }
    *block = block_of(pool, &owner.page);
    return owner.marks & HIPT_DIRTY;
}

static void table_close(struct pool *pool)
{
    hipt_table_destroy(pool->table), hipt_user_destroy(pool->user);
}

const struct kind table_pool = {"hipt", table_open, table_get, table_put, table_is_dirty, table_close};
