/* SPDX-License-Identifier: MIT */
/*
 * Frames. There are fewer than pages: a page that is needed takes the frame of one that was not used lately, which a
 * clock finds by what hipt knows of each frame: whose it is (the way back), and whether it was accessed.
 *
 *   page_in   a frame, the page's words from the store, then it is mapped
 *   evict     the page is unmapped: no processor can use it any more, and whether it was written is final. Then its
 *             words go to the store if it was, and the frame through limbo to whoever reaps it
 *
 * A space's lock is held over what happens to one of its pages. It is taken with no other held, and by the clock only
 * if it is free; a processor that waits for it answers shootdowns meanwhile, as interrupts are on.
 */
#include "kernel.h"

#define TRIES 32u

static _Atomic uint64_t hand;   /* of the clock */
static _Atomic uint64_t carved; /* frames that have been used at all */

static void words_copy(uint64_t *to, const uint64_t *from)
{
    for (unsigned i = 0; i < WORDS; i++) {
        to[i] = from[i];
    }
}

/* It was used since the hand came by: it is let be, for one more turn. */
static bool has_second_chance(const struct hipt_mapping *owner)
{
    struct hipt_translation found;

    if (!(owner->marks & HIPT_ACCESSED)) {
        return false;
    }
    if (hipt_lookup(table, owner->page.asid, owner->page.vpn, &found) == HIPT_OK) {
        (void)hipt_clean(table, &found, HIPT_ACCESSED);
    }
    self->counts.second_chances++;
    return true;
}

/* Unmap a page of a space whose lock is held. => whether it was mapped. */
static bool page_out(struct space *space, const struct hipt_page *page)
{
    static const uint64_t nobodys[WORDS];
    struct hipt_mapping ended;

    if (hipt_unmap(table, page, &ended) != HIPT_OK) {
        return false;
    }
    self->counts.evictions++;
    if (ended.marks & HIPT_DIRTY) {
        self->counts.written_back++;
        words_copy(space->store[page->vpn - USER_VPN], machine_frame(ended.pfn));
    }
    words_copy(machine_frame(ended.pfn), nobodys); /* whoever reads it from here on has not forgotten it */
    return true;
}

/* Let the hand go on to a frame that can be had, at most two times around. */
static void evict(void)
{
    for (unsigned i = 0; i < 2 * FRAMES; i++) {
        uint64_t pfn = frames_first + atomic_fetch_add_explicit(&hand, 1, memory_order_relaxed) % FRAMES;
        struct hipt_mapping owner;
        struct space *space;
        size_t owners;
        bool is_out;

        if (hipt_reverse(table, (struct hipt_frame){.pfn = pfn}, &owner, 1, &owners) != HIPT_OK ||
            has_second_chance(&owner)) {
            continue;
        }
        space = space_of(owner.page.asid);
        if (!space || !lock_try(&space->lock)) {
            continue;
        }
        is_out = space_is_asid(space, owner.page.asid) && page_out(space, &owner.page);
        lock_give(&space->lock);
        if (is_out) {
            return;
        }
    }
}

/* A frame that nobody has. Inside no verb: quiescent states are passed by. */
static uint64_t frame_take(void)
{
    while (self->nstock == 0) {
        uint64_t fresh = atomic_load_explicit(&carved, memory_order_relaxed);

        if (fresh < FRAMES) {
            if (atomic_compare_exchange_strong_explicit(&carved, &fresh, fresh + 1, memory_order_relaxed,
                                                        memory_order_relaxed)) {
                return frames_first + fresh;
            }
            continue;
        }
        self->nstock = hipt_frame_reap(table, self->stock, STOCK);
        if (self->nstock == 0) {
            for (unsigned i = 0; i < STOCK; i++) {
                evict();
            }
            port_wait(); /* for their grace period */
        }
    }
    return self->stock[--self->nstock].pfn;
}

static void frame_give(uint64_t pfn)
{
    if (self->nstock == STOCK) {
        fail("more frames than were taken", pfn);
    }
    self->stock[self->nstock++] = (struct hipt_frame){.pfn = pfn};
}

size_t frames_count(void)
{
    struct hipt_frame reaped;
    size_t count = FRAMES - atomic_load_explicit(&carved, memory_order_relaxed);

    for (unsigned vp = 0; vp < VPS; vp++) {
        count += vps[vp].nstock;
    }
    for (unsigned tries = 0; tries < TRIES; tries++) {
        while (hipt_frame_reap(table, &reaped, 1)) {
            count++;
        }
        port_wait(); /* for the grace period of those that are left */
    }
    return count;
}

/* Map a page to a frame that has its words, in a space whose lock is held. => whether the frame is used. */
static bool page_map(struct space *space, uint64_t life, uint64_t vpn, uint64_t pfn)
{
    struct hipt_mapping mapping = {.page = {.asid = life_asid(life), .vpn = vpn}, .pfn = pfn,
                                   .prot = HIPT_READ | HIPT_WRITE | HIPT_USER};
    enum hipt_status status;

    words_copy(machine_frame(pfn), space->store[vpn - USER_VPN]);
    while ((status = hipt_map(table, &mapping)) == HIPT_BUSY) {
        port_wait(); /* some memory of the table's waits for a grace period */
    }
    if (status != HIPT_OK && status != HIPT_EXISTS) {
        fail(hipt_strerror(status), vpn);
    }
    return status == HIPT_OK;
}

bool page_in(struct space *space, uint64_t life, uint64_t vpn)
{
    uint64_t pfn;
    bool is_there;
    bool is_used = false;

    if (!space || vpn < USER_VPN || vpn >= USER_VPN + PAGES) {
        return false;
    }
    self->counts.faults++;
    pfn = frame_take();
    lock_take(&space->lock);
    is_there = atomic_load_explicit(&space->life, memory_order_relaxed) == life;
    if (is_there && !hipt_lookup_pte(table, life_asid(life), vpn)) {
        is_used = page_map(space, life, vpn, pfn);
    }
    lock_give(&space->lock);
    if (!is_used) {
        frame_give(pfn);
    }
    return is_there;
}
