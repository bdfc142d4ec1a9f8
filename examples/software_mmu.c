/* SPDX-License-Identifier: MIT */
/*
 * An emulator's MMU. Two guest CPUs, a thread each, run small programs in address spaces of their own. Each has a
 * software TLB and a cache of translated code, and hipt is the page table behind both: every guest access goes through
 * a translation, and a shootdown empties TLB and code cache in one.
 *
 * A frame is written or executed, never both at once. The attribute of a mapping says what the guest may do (its
 * rights), its protection what it may do now. A store into a frame of code is denied; then the way back from the frame
 * finds everybody who executes it, in any space and at any address, they are narrowed to reading, and when that
 * returns no CPU has translated code of the frame (S1). The next fetch turns the frame around again.
 *
 * Guest 0 changes an instruction of guest 1's code through a mapping of its own, gives it another frame to read
 * (hypercalls) and lets it run; guest 1 changes a second instruction by itself, runs both and adds up what they and the
 * frame say. A stale translation or a stale block gives another sum.
 *
 *     software_mmu                 0: the sum is right
 *     software_mmu --deaf tlb      the TLBs do not forget: ends with 1, and says what came out
 *     software_mmu --deaf code     the same of translated code
 */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <hipt/hipt.h>
#include <hipt/user.h>

enum { GUESTS = 2, FRAMES = 6, PAGE_SHIFT = 6, PAGE_WORDS = 1 << PAGE_SHIFT, TLB = 16, BLOCKS = 32, REGISTERS = 16 };
enum { OWNERS = 8, TURNS = 2000 };

/* --- the guests: 32-bit words at 16-bit addresses; an instruction is op, registers a and b, and a number n */

enum { HALT, SET, ADD, LOAD, STORE, BNE, JUMP, HYPER }; /* HYPER: space in r10, page in r11, frame r12, rights r13 */
enum { UNMAP, MAP, YIELD };                             /* hypercalls */
enum { MAILBOX = 1 * PAGE_WORDS, TURN = MAILBOX, ACK, SUM, TEMPLATE }; /* page 1 of both: one frame */
enum { PATCH = 2 * PAGE_WORDS, VIEW = 3 * PAGE_WORDS };                /* of guest 0 */
enum { ALIAS = 2 * PAGE_WORDS, ROUTINE = 3 * PAGE_WORDS, WINDOW = 4 * PAGE_WORDS }; /* of guest 1 */
enum { CODE_0, CODE_1, SHARED, PATCHED, EVEN, ODD };                   /* frames */

#define I(op, a, b, n) ((uint32_t)(op) << 24 | (uint32_t)(a) << 20 | (uint32_t)(b) << 16 | (uint32_t)(n))
#define PAGE(address) ((address) / PAGE_WORDS)

static const uint32_t program[4][PAGE_WORDS] = {
    [CODE_0] = {
        /*  0 */ I(SET, 6, 0, TURNS), I(SET, 7, 0, ODD), I(SET, 8, 0, EVEN), I(SET, 13, 0, HIPT_READ | HIPT_WRITE),
        /*  4 */ I(SET, 1, 1, 1),                                                  /* the next turn, in r1 */
        /*  5 */ I(LOAD, 2, 0, TEMPLATE), I(ADD, 2, 1, 0), I(STORE, 2, 0, PATCH),  /* SET r2 to the turn: their code */
        /*  8 */ I(SET, 10, 0, 1), I(SET, 11, 0, PAGE(WINDOW)), I(HYPER, 0, 0, UNMAP),
        /* 11 */ I(SET, 10, 0, 0), I(SET, 11, 0, PAGE(VIEW)), I(SET, 12, 7, 0), I(HYPER, 0, 0, MAP),
        /* 15 */ I(STORE, 1, 0, VIEW), I(HYPER, 0, 0, UNMAP),                      /* the turn into the other frame, */
        /* 17 */ I(SET, 10, 0, 1), I(SET, 11, 0, PAGE(WINDOW)), I(HYPER, 0, 0, MAP), /* which is then their window */
        /* 20 */ I(SET, 7, 8, 0), I(SET, 8, 12, 0), I(STORE, 1, 0, TURN),
        /* 23 */ I(HYPER, 0, 0, YIELD), I(LOAD, 4, 0, ACK), I(BNE, 4, 1, 23), I(BNE, 1, 6, 4), I(HALT, 0, 0, 0)},
    [CODE_1] = {
        /*  0 */ I(SET, 6, 0, TURNS),
        /*  1 */ I(SET, 1, 1, 1),
        /*  2 */ I(HYPER, 0, 0, YIELD), I(LOAD, 4, 0, TURN), I(BNE, 4, 1, 2),
        /*  5 */ I(LOAD, 2, 0, TEMPLATE), I(ADD, 2, 1, 0), I(ADD, 2, 1, 0), I(STORE, 2, 0, ALIAS + 2),
        /*  9 */ I(JUMP, 15, 0, ROUTINE), I(LOAD, 4, 0, WINDOW), I(ADD, 3, 4, 0),
        /* 12 */ I(STORE, 1, 0, ACK), I(BNE, 1, 6, 1), I(STORE, 3, 0, SUM), I(HALT, 0, 0, 0)},
    [SHARED] = {[TEMPLATE - MAILBOX] = I(SET, 2, 0, 0)},
    [PATCHED] = {/* by guest 0 */ I(SET, 2, 0, 0), I(ADD, 3, 2, 0), /* by guest 1 */ I(SET, 2, 0, 0), I(ADD, 3, 2, 0),
                 I(JUMP, 14, 15, 0)},
};

static const struct {
    uint8_t guest, page, frame, rights;
} at_start[] = {
    {0, 0, CODE_0, HIPT_READ | HIPT_EXEC},                 {1, 0, CODE_1, HIPT_READ | HIPT_EXEC},
    {0, PAGE(MAILBOX), SHARED, HIPT_READ | HIPT_WRITE},    {1, PAGE(MAILBOX), SHARED, HIPT_READ | HIPT_WRITE},
    {0, PAGE(PATCH), PATCHED, HIPT_READ | HIPT_WRITE},     {1, PAGE(ALIAS), PATCHED, HIPT_READ | HIPT_WRITE},
    {1, PAGE(ROUTINE), PATCHED, HIPT_READ | HIPT_EXEC},    {1, PAGE(WINDOW), EVEN, HIPT_READ},
};

/* --- the host */

struct op { /* translated */
    uint8_t code, a, b;
    uint16_t n;
};

struct block { /* straight-line code in one page */
    uint32_t tag;
    uint16_t pc;
    uint16_t count; /* 0: there is none */
    struct op op[PAGE_WORDS];
};

struct translation {
    uint32_t tag;
    uint32_t vpn;
    uint8_t allows; /* 0: there is none */
    _Atomic uint32_t *words;
};

/* Field key: the guest's thread only; machine: constant. */
struct guest {
    struct machine *machine;
    struct hipt_cpu cpu;
    struct hipt_asid space;
    uint32_t tag;
    uint64_t served; /* when the tag was given */
    uint32_t reg[REGISTERS];
    uint16_t pc;
    bool is_over;
    struct translation tlb[TLB];
    struct block block[BLOCKS];
    uint64_t walks, translated;
};

/* Field key: memory, has_failed: atomic; turned: lock; the rest is constant. */
struct machine {
    struct hipt_user *user;
    struct hipt_table *table;
    pthread_mutex_t lock; /* whoever changes mappings; taken outside: who waits for it owes no acknowledgement */
    bool deaf_tlb, deaf_code;
    _Atomic bool has_failed;
    uint64_t turned;
    struct guest guest[GUESTS];
    _Atomic uint32_t memory[FRAMES][PAGE_WORDS];
};

static void fail(struct guest *guest, const char *what, uint64_t number)
{
    fprintf(stderr, "guest %u at %u: %s (%llu)\n", (unsigned)(guest - guest->machine->guest), guest->pc, what,
            (unsigned long long)number);
    atomic_store(&guest->machine->has_failed, true);
}

/* Forget all of a tag in some pages: that is what hipt asks for when a translation has ended or is narrowed. */
static void flush_range(void *ctx, uint32_t tag, uint64_t vpn, uint64_t npages)
{
    struct guest *guest = ctx;

    for (unsigned i = 0; i < TLB && !guest->machine->deaf_tlb; i++) {
        if (guest->tlb[i].tag == tag && guest->tlb[i].vpn - vpn < npages) {
            guest->tlb[i].allows = 0;
        }
    }
    for (unsigned i = 0; i < BLOCKS && !guest->machine->deaf_code; i++) {
        if (guest->block[i].tag == tag && PAGE(guest->block[i].pc) - vpn < npages) {
            guest->block[i].count = 0;
        }
    }
}

static void flush_tag(void *ctx, uint32_t tag)
{
    flush_range(ctx, tag, 0, UINT64_MAX);
}

static void flush_all(void *ctx)
{
    struct guest *guest = ctx;

    memset(guest->tlb, 0, sizeof(guest->tlb));
    memset(guest->block, 0, sizeof(guest->block));
}

/* One frame is written or executed from here on: who does the other with it, wherever, may only read it. */
static enum hipt_status frame_turn(struct machine *machine, const struct hipt_mapping *wanted, uint8_t access)
{
    struct hipt_mapping owners[OWNERS];
    size_t count;

    (void)hipt_reverse(machine->table, (struct hipt_frame){.pfn = wanted->pfn}, owners, OWNERS, &count);
    if (count > OWNERS) {
        return HIPT_FULL;
    }
    for (size_t i = 0; i < count; i++) {
        if (owners[i].prot & (HIPT_WRITE | HIPT_EXEC) & ~access) {
            (void)hipt_protect(machine->table, &owners[i].page, HIPT_READ);
            machine->turned++;
        }
    }
    return hipt_protect(machine->table, &wanted->page, HIPT_READ | access);
}

/* Denied for now: is it the guest's right? */
static enum hipt_status fault(struct guest *guest, uint64_t vpn, uint8_t access)
{
    struct machine *machine = guest->machine;
    struct hipt_translation found;
    enum hipt_status status;

    hipt_cpu_exit(&guest->cpu);
    pthread_mutex_lock(&machine->lock);
    status = hipt_lookup(machine->table, guest->space.number, vpn, &found);
    if (status == HIPT_OK) {
        status = found.mapping.attr & access ? frame_turn(machine, &found.mapping, access) : HIPT_DENIED;
    }
    pthread_mutex_unlock(&machine->lock);
    hipt_cpu_enter(&guest->cpu);
    return status;
}

/* From the table into the TLB. CPUs poll here: nothing serves between the walk and the fill. */
static enum hipt_status walk(struct guest *guest, uint64_t vpn, uint8_t access, struct translation *fill)
{
    struct hipt_table *table = guest->machine->table;
    uint8_t marks = access & HIPT_WRITE ? HIPT_ACCESSED | HIPT_DIRTY : HIPT_ACCESSED;
    struct hipt_translation found;
    enum hipt_status status;

    guest->walks++;
    hipt_read_enter(table);
    status = hipt_lookup_reading(table, guest->space.number, vpn, &found);
    if (status == HIPT_OK) {
        status = access & ~found.mapping.prot ? HIPT_DENIED : hipt_mark(table, &found, marks);
    }
    hipt_read_exit(table);
    if (status == HIPT_OK) { /* writing only where the mapping is known to be dirty */
        *fill = (struct translation){guest->tag, (uint32_t)vpn, found.mapping.prot,
                                     guest->machine->memory[found.mapping.pfn]};
        fill->allows &= (uint8_t)(access | ~HIPT_WRITE);
    }
    return status;
}

/* After a CPU has served it may have left the space, and its tag may be another one. */
static void join(struct guest *guest)
{
    while (guest->served != hipt_cpu_served(&guest->cpu)) {
        guest->served = hipt_cpu_served(&guest->cpu);
        (void)hipt_cpu_use(&guest->cpu, guest->space.number, &guest->tag);
    }
}

/* => where a word of the guest is, until its CPU serves next; NULL: it must not do that. */
static _Atomic uint32_t *translate(struct guest *guest, uint16_t address, uint8_t access)
{
    struct translation *entry = &guest->tlb[PAGE(address) % TLB];
    enum hipt_status status = HIPT_OK;

    while (status == HIPT_OK || status == HIPT_CHANGED) {
        join(guest);
        if (entry->tag == guest->tag && entry->vpn == PAGE(address) && !(access & ~entry->allows)) {
            return &entry->words[address % PAGE_WORDS];
        }
        status = walk(guest, PAGE(address), access, entry);
        if (status == HIPT_DENIED) {
            status = fault(guest, PAGE(address), access);
        }
    }
    fail(guest, hipt_strerror(status), address);
    return NULL;
}

/* --- translated code */

static void hypercall(struct guest *guest, unsigned call)
{
    struct machine *machine = guest->machine;
    struct hipt_mapping m = {.pfn = guest->reg[12], .prot = HIPT_READ, .attr = (uint8_t)guest->reg[13]};
    enum hipt_status status = HIPT_OK;

    m.page = (struct hipt_page){.asid = machine->guest[guest->reg[10] % GUESTS].space.number, .vpn = guest->reg[11]};
    hipt_cpu_exit(&guest->cpu); /* idle, or waiting for the lock: nobody waits for this CPU */
    if (call == YIELD) {
        sched_yield();
    } else {
        pthread_mutex_lock(&machine->lock);
        status = call == MAP ? hipt_map(machine->table, &m) : hipt_unmap(machine->table, &m.page, NULL);
        pthread_mutex_unlock(&machine->lock);
    }
    hipt_cpu_enter(&guest->cpu);
    if (status != HIPT_OK) {
        fail(guest, hipt_strerror(status), m.page.vpn);
    }
}

static void op_run(struct guest *guest, const struct op *op)
{
    uint32_t *a = &guest->reg[op->a];
    uint32_t b = guest->reg[op->b];
    _Atomic uint32_t *word;

    switch (op->code) {
    case SET: *a = b + op->n; break;
    case ADD: *a += b; break;
    case LOAD:
        word = translate(guest, (uint16_t)(b + op->n), HIPT_READ);
        *a = word ? atomic_load_explicit(word, memory_order_acquire) : 0;
        break;
    case STORE:
        word = translate(guest, (uint16_t)(b + op->n), HIPT_WRITE);
        if (word) {
            atomic_store_explicit(word, *a, memory_order_release);
        }
        break;
    case BNE: guest->pc = *a != b ? op->n : guest->pc; break;
    case JUMP: *a = guest->pc, guest->pc = (uint16_t)(b + op->n); break;
    case HYPER: hypercall(guest, op->n); break;
    default: guest->is_over = true; break;
    }
}

/* Up to a branch, or the end of the page. What is translated ends when this CPU serves, as what is in its TLB. */
static void block_translate(struct guest *guest, struct block *block)
{
    const _Atomic uint32_t *word = translate(guest, guest->pc, HIPT_EXEC);
    unsigned room = word ? PAGE_WORDS - guest->pc % PAGE_WORDS : 0;
    uint8_t last = SET;

    *block = (struct block){.tag = guest->tag, .pc = guest->pc};
    guest->translated++;
    while (block->count < room && last != HALT && last != BNE && last != JUMP) {
        uint32_t code = atomic_load_explicit(word++, memory_order_relaxed);

        last = (uint8_t)(code >> 24);
        block->op[block->count++] = (struct op){last, code >> 20 & 15, code >> 16 & 15, (uint16_t)code};
    }
}

/* Until it branches, or this CPU has served: the block may be one of those that were to be forgotten. */
static void block_run(struct guest *guest)
{
    struct block *block = &guest->block[guest->pc % BLOCKS];
    uint16_t i = 0;

    if (block->count == 0 || block->tag != guest->tag || block->pc != guest->pc) {
        block_translate(guest, block);
    }
    while (i < block->count && guest->pc == block->pc + i && hipt_cpu_served(&guest->cpu) == guest->served) {
        guest->pc++;
        op_run(guest, &block->op[i++]);
    }
}

static void *guest_run(void *argument)
{
    struct guest *guest = argument;
    struct hipt_cpu_config config = {.number = (uint32_t)(guest - guest->machine->guest), .tag_bits = 4,
                                     .cache = {guest, flush_range, flush_tag, flush_all}};

    if (hipt_cpu_attach(guest->machine->table, &guest->cpu, &config) != HIPT_OK ||
        hipt_user_cpu(guest->machine->user, &guest->cpu) != HIPT_OK) {
        fail(guest, "no CPU", config.number);
        return NULL;
    }
    guest->served = UINT64_MAX; /* not joined yet */
    hipt_cpu_enter(&guest->cpu);
    while (!guest->is_over && !atomic_load(&guest->machine->has_failed)) {
        (void)hipt_cpu_serve(&guest->cpu); /* here translations end */
        join(guest);
        block_run(guest);
    }
    hipt_cpu_exit(&guest->cpu);
    (void)hipt_user_cpu(guest->machine->user, NULL);
    hipt_cpu_detach(&guest->cpu);
    return NULL;
}

/* --- the whole */

static bool boot(struct machine *machine)
{
    static const struct hipt_range memory = {.first = 0, .count = FRAMES};
    struct hipt_config config;
    bool is_up;

    hipt_config_init(&config);
    is_up = hipt_user_create(HIPT_USER_URCU, &machine->user) == HIPT_OK;
    config.ops = is_up ? hipt_user_ops(machine->user) : NULL, config.ranges = &memory, config.nranges = 1;
    config.cpus = GUESTS, config.va_bits = 16, config.nsizes = 1, config.page_shift[0] = PAGE_SHIFT;
    is_up = is_up && hipt_table_create(&config, &machine->table) == HIPT_OK;
    for (unsigned i = 0; i < GUESTS; i++) {
        machine->guest[i].machine = machine;
        is_up = is_up && hipt_asid_alloc(machine->table, &machine->guest[i].space) == HIPT_OK;
    }
    for (unsigned i = 0; i < FRAMES; i++) { /* pinned: the machine's own for as long as it runs */
        is_up = is_up && hipt_frame_pin(machine->table, (struct hipt_frame){.pfn = i}) == HIPT_OK;
        for (unsigned j = 0; j < PAGE_WORDS && i < sizeof(program) / sizeof(program[0]); j++) {
            atomic_init(&machine->memory[i][j], program[i][j]);
        }
    }
    for (unsigned i = 0; i < sizeof(at_start) / sizeof(at_start[0]) && is_up; i++) {
        struct hipt_mapping m = {.pfn = at_start[i].frame, .prot = HIPT_READ, .attr = at_start[i].rights};

        m.page = (struct hipt_page){.asid = machine->guest[at_start[i].guest].space.number, .vpn = at_start[i].page};
        is_up = hipt_map(machine->table, &m) == HIPT_OK;
    }
    return is_up;
}

int main(int argc, char **argv)
{
    static struct machine machine = {.lock = PTHREAD_MUTEX_INITIALIZER};
    const uint32_t right = 2 * TURNS * (TURNS + 1); /* of turns: one by guest 0, two by guest 1, one from the window */
    pthread_t threads[GUESTS];
    uint32_t sum;

    machine.deaf_tlb = argc == 3 && strcmp(argv[1], "--deaf") == 0 && strcmp(argv[2], "tlb") == 0;
    machine.deaf_code = argc == 3 && strcmp(argv[1], "--deaf") == 0 && strcmp(argv[2], "code") == 0;
    if (argc > 1 && !machine.deaf_tlb && !machine.deaf_code) {
        fprintf(stderr, "usage: software_mmu [--deaf tlb|code]\n");
        return 2;
    }
    if (!boot(&machine)) {
        return 1;
    }
    for (unsigned i = 0; i < GUESTS; i++) {
        if (pthread_create(&threads[i], NULL, guest_run, &machine.guest[i]) != 0) {
            return 1;
        }
    }
    for (unsigned i = 0; i < GUESTS; i++) {
        pthread_join(threads[i], NULL);
        printf("guest %u: %llu walks, %llu blocks translated\n", i, (unsigned long long)machine.guest[i].walks,
               (unsigned long long)machine.guest[i].translated);
    }
    sum = atomic_load(&machine.memory[SHARED][SUM - MAILBOX]);
    printf("%d turns: %llu mappings narrowed; the sum is %u, %s\n", TURNS, (unsigned long long)machine.turned, sum,
           sum == right ? "as it should be" : "wrong: something stale was used");
    hipt_table_destroy(machine.table), hipt_user_destroy(machine.user);
    return sum == right && !atomic_load(&machine.has_failed) ? 0 : 1;
}
