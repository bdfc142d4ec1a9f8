/* SPDX-License-Identifier: MIT */
/*
 * Exceptions. The TLB is a cache of hipt's table and nothing else: there is no page table beside it.
 *
 *   refill    the TLB knows nothing of the page nor of its neighbour: kernel_refill() looks both up and fills a random
 *             entry. What is not mapped is filled as invalid, so that the next try ends in the second row
 *   invalid   the entry says that the page is not there: looked up again; if it is not mapped, a page fault
 *   modified  the first store to a clean page: it is marked dirty, and then the entry lets stores through
 *
 * The protocol is hipt/cpu.h's: use the asid, look up, mark, fill, all of it with interrupts off.
 */
#include "kernel.h"

enum { INTERRUPT = 0, MODIFIED = 1, INVALID_LOAD = 2, INVALID_STORE = 3 };

_Static_assert(offsetof(struct trap, epc) == TRAP_EPC && offsetof(struct trap, status) == TRAP_STATUS &&
               offsetof(struct trap, cause) == TRAP_CAUSE && offsetof(struct trap, address) == TRAP_ADDRESS &&
               sizeof(struct trap) == TRAP_BYTES, "start.S pushes what C looks at");

extern char user_load_at[];
extern char user_store_at[];
extern char user_access_failed[];

/*
 * Be one of the processors of the present space's asid, under the tag that is returned. It stays one as long as it does
 * not serve; interrupts are off, so nothing is served behind its back, and if it serves by itself, again. => false:
 * that life of the space is over. The number may be another's before long, but not before this processor is quiescent.
 */
static bool space_use(uint32_t *tag)
{
    uint64_t served;

    while ((served = hipt_cpu_served(&self->cpu)) != self->used) {
        if (!self->space || atomic_load_explicit(&self->space->life, memory_order_acquire) != self->life ||
            hipt_cpu_use(&self->cpu, life_asid(self->life), &self->tag) != HIPT_OK) {
            return false;
        }
        self->used = served;
    }
    *tag = self->tag;
    return true;
}

/* What the TLB may know of a page: the half of an entry, or 0. The neighbour of what is wanted (@marks 0) is filled too
 * if it has been accessed before, so that nothing looks accessed that is not. */
static uint64_t half_of(uint64_t vpn, uint8_t marks)
{
    struct hipt_translation found;
    const struct hipt_mapping *mapping = &found.mapping;

    if (hipt_lookup_reading(table, life_asid(self->life), vpn, &found) != HIPT_OK ||
        (!marks && !(mapping->marks & HIPT_ACCESSED)) || (marks & HIPT_DIRTY && !(mapping->prot & HIPT_WRITE)) ||
        hipt_mark(table, &found, options.no_dirty ? HIPT_ACCESSED : marks | HIPT_ACCESSED) != HIPT_OK) {
        return 0;
    }
    return mapping->pfn << LO_PFN_SHIFT | LO_COHERENT | LO_VALID |
           ((mapping->marks | marks) & HIPT_DIRTY ? LO_WRITABLE : 0);
}

/* Walk and fill. => whether the page is there. */
static bool fill(uint64_t address, uint8_t marks)
{
    uint64_t vpn = address >> PAGE_SHIFT;
    uint64_t lo[2] = {0, 0};
    uint32_t tag;

    if (!space_use(&tag)) {
        tag = (uint32_t)cp0_entry_hi() & ENTRY_HI_ASID;
    } else {
        lo[vpn & 1] = half_of(vpn, marks);
        lo[~vpn & 1] = half_of(vpn ^ 1, 0);
    }
    tlb_write((vpn & ~UINT64_C(1)) << PAGE_SHIFT | tag, lo[0], lo[1]);
    return lo[vpn & 1] != 0;
}

void kernel_refill(uint64_t address)
{
    self->counts.refills++;
    (void)fill(address, HIPT_ACCESSED);
}

/* A page that the entry does not let through. => whether it is there now. */
static bool fault(struct trap *trap, uint8_t marks)
{
    while (!fill(trap->address, marks)) {
        bool was_user = self->is_user;
        bool is_there;

        self->is_user = false;
        cp0_set_status((uint32_t)(trap->status & ~(uint64_t)STATUS_EXL) | STATUS_IE);
        is_there = page_in(self->space, self->life, trap->address >> PAGE_SHIFT);
        (void)interrupts_off();
        self->is_user = was_user;
        if (!is_there) {
            return false;
        }
    }
    return true;
}

static void interrupt(const struct trap *trap)
{
    if (trap->cause & INTERRUPT_KICK) {
        machine_kick_taken(self->number);
        self->counts.kicks_taken++;
        self->counts.answered_waiting += self->is_waiting;
        if (self->is_attached) {
            hipt_cpu_interrupt(&self->cpu);
        }
    }
    if (trap->cause & INTERRUPT_TICK) {
        machine_tick(TICK / 2 + (uint32_t)(random_next(&self->random) % TICK));
        self->counts.ticks++;
        if (self->is_user) {
            port_quiescent(); /* no verb is under way */
        }
    }
}

void kernel_trap(struct trap *trap)
{
    bool is_user = trap->epc == (uint64_t)user_load_at || trap->epc == (uint64_t)user_store_at;
    uint64_t code = trap->cause >> 2 & 31;

    if (code == INTERRUPT) {
        interrupt(trap);
        return;
    }
    if (!is_user || code > INVALID_STORE) {
        print("exception %lu at %lx, address %lx\n", code, trap->epc, trap->address);
        fail("exception", code);
    }
    *(code == MODIFIED ? &self->counts.modified : &self->counts.invalid) += 1;
    if (!fault(trap, code == MODIFIED ? HIPT_ACCESSED | HIPT_DIRTY : HIPT_ACCESSED)) {
        trap->epc = (uint64_t)user_access_failed;
    }
}

bool kernel_switch(struct space *space, uint64_t life)
{
    uint32_t status = interrupts_off();
    uint32_t tag;
    bool is_there;

    self->space = space;
    self->life = life;
    self->used = UINT64_MAX;
    is_there = space_use(&tag);
    if (is_there) {
        cp0_set_entry_hi(tag);
    }
    interrupts_restore(status);
    return is_there;
}
