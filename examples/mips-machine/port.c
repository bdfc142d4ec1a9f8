/* SPDX-License-Identifier: MIT */
/* What hipt asks of this machine (hipt/ops.h), in the order in which docs/porting.md says to write it. */
#include "kernel.h"

#define ORDERS 12u /* blocks of 1 to 2^11 pages */

static struct {
    struct lock lock;
    uint64_t next;          /* never given out from here on */
    uint64_t end;
    uint64_t free[ORDERS];  /* blocks that came back; each begins with the address of the next */
    uint64_t used;          /* bytes */
} heap;

bool lock_try(struct lock *lock)
{
    return !atomic_exchange_explicit(&lock->held, 1, memory_order_acquire);
}

void lock_give(struct lock *lock)
{
    atomic_store_explicit(&lock->held, 0, memory_order_release);
}

void lock_take(struct lock *lock)
{
    uint32_t status = options.no_answers ? interrupts_off() : cp0_status();

    while (!lock_try(lock)) {
        port_wait();
    }
    interrupts_restore(status);
}

void port_pause(void)
{
    self->counts.pauses++;
    self->is_waiting = true;
    machine_pause();
    self->is_waiting = false;
}

/* --- memory: whole pages, a power of two of them */

static unsigned order_of(size_t bytes)
{
    unsigned order = 0;

    while (PAGE_BYTES << order < bytes) {
        order++;
    }
    return order;
}

static uint64_t block_take(unsigned order)
{
    uint64_t block = heap.free[order];

    if (block) {
        heap.free[order] = *(uint64_t *)block;
    } else if ((PAGE_BYTES << order) <= heap.end - heap.next) {
        block = heap.next;
        heap.next += PAGE_BYTES << order;
    }
    heap.used += block ? PAGE_BYTES << order : 0;
    return block;
}

/* Inside verbs: the lock is waited for without a quiescent state. Its holder waits for nobody. */
static void heap_lock(void)
{
    while (!lock_try(&heap.lock)) {
        port_pause();
    }
}

static void *port_alloc(void *ctx, size_t bytes, size_t align, int node, bool may_wait)
{
    unsigned order = order_of(bytes);
    uint64_t block = 0;

    (void)ctx, (void)align, (void)node, (void)may_wait; /* a page is aligned enough, and nobody ever sleeps */
    if (order < ORDERS) {
        heap_lock();
        block = block_take(order);
        lock_give(&heap.lock);
    }
    for (uint64_t *word = (uint64_t *)block; word && word < (uint64_t *)(block + (PAGE_BYTES << order)); word++) {
        *word = 0;
    }
    return (void *)block;
}

static void port_free(void *ctx, void *memory, size_t bytes)
{
    unsigned order = order_of(bytes);

    (void)ctx;
    heap_lock();
    *(uint64_t *)memory = heap.free[order];
    heap.free[order] = (uint64_t)memory;
    heap.used -= PAGE_BYTES << order;
    lock_give(&heap.lock);
}

uint64_t port_memory_used(void)
{
    return heap.used;
}

/*
 * --- grace periods by quiescent states: when a tick meets a process, or a processor waits outside all verbs, nothing
 * that it read in the table is used any more. A period is over when each processor has been seen so since it was asked
 * for.
 */

/* Field key: atomic. */
static struct {
    _Atomic uint64_t period;      /* the last one that was asked for */
    _Atomic uint64_t passed[VPS]; /* what that was when a processor was quiescent last */
} grace;

void port_quiescent(void)
{
    /* acquire: what is read from here on is not older than what was stored before those periods were asked for */
    uint64_t period = atomic_load_explicit(&grace.period, memory_order_acquire);

    atomic_store_explicit(&grace.passed[self->number], period, memory_order_release); /* what was read is done with */
}

void port_wait(void)
{
    port_quiescent();
    port_pause();
}

static uint64_t port_gp_start(void *ctx)
{
    (void)ctx;
    return atomic_fetch_add_explicit(&grace.period, 1, memory_order_acq_rel) + 1;
}

static bool port_gp_elapsed(void *ctx, uint64_t cookie)
{
    (void)ctx;
    /* acquire: what whoever asked for it knew */
    if (atomic_load_explicit(&grace.period, memory_order_acquire) < cookie) {
        return false;
    }
    for (unsigned vp = 0; vp < VPS; vp++) {
        if (atomic_load_explicit(&grace.passed[vp], memory_order_acquire) < cookie) {
            return false;
        }
    }
    return true;
}

/* --- randomness: the machine must depend on the seed alone; a kernel that has users asks hardware */
static bool port_random(void *ctx, void *buffer, size_t bytes)
{
    static uint64_t state;

    (void)ctx;
    state += options.seed;
    for (size_t i = 0; i < bytes; i++) {
        ((uint8_t *)buffer)[i] = (uint8_t)(random_next(&state) >> 56);
    }
    return true;
}

/* --- processors */

static struct hipt_cpu *port_this_cpu(void *ctx)
{
    (void)ctx;
    return self->is_attached ? &self->cpu : NULL;
}

static bool port_can_wait(void *ctx)
{
    (void)ctx;
    return (cp0_status() & (STATUS_IE | STATUS_EXL | STATUS_ERL)) == STATUS_IE;
}

static void port_kick(void *ctx, const uint64_t *set, unsigned words)
{
    (void)ctx, (void)words;
    for (unsigned vp = 0; vp < VPS; vp++) {
        if (set[0] >> vp & 1) {
            self->counts.kicks_sent++;
            machine_kick(vp);
        }
    }
}

static void port_relax(void *ctx)
{
    (void)ctx;
    port_pause();
}

static uint64_t port_clock(void *ctx)
{
    (void)ctx;
    return machine_time();
}

static void port_slow(void *ctx, uint32_t cpu, uint64_t posted, uint64_t served)
{
    (void)ctx, (void)posted, (void)served;
    fail("a processor does not answer", cpu);
}

/* --- its TLB: a tag is the ASID in EntryHi */

static void port_flush_range(void *ctx, uint32_t tag, uint64_t vpn, uint64_t npages)
{
    (void)ctx;
    self->counts.flushed_pages += npages;
    if (!options.no_flushes) {
        tlb_forget(tag, vpn, npages);
    }
}

static void port_flush_tag(void *ctx, uint32_t tag)
{
    (void)ctx;
    self->counts.flushed_tags++;
    if (!options.no_flushes) {
        tlb_forget_asid(tag);
    }
}

static void port_flush_all(void *ctx)
{
    (void)ctx;
    self->counts.flushed_all++;
    if (!options.no_rollover) {
        tlb_forget_all();
    }
}

const struct hipt_cache port_cache = {NULL, port_flush_range, port_flush_tag, port_flush_all};

const struct hipt_ops *port_start(uint64_t first, uint64_t end)
{
    static const struct hipt_ops ops = {
        .size = sizeof(ops), .alloc = port_alloc, .free = port_free, .gp_start = port_gp_start,
        .gp_elapsed = port_gp_elapsed, .random = port_random, .this_cpu = port_this_cpu, .can_wait = port_can_wait,
        .kick = port_kick, .relax = port_relax, .clock = port_clock, .slow = port_slow};

    heap.next = first;
    heap.end = end;
    return &ops;
}
