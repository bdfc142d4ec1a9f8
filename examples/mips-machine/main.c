/* SPDX-License-Identifier: MIT */
/* How the machine begins and ends: the first processor makes the table, lets the others run, and looks what is left. */
#include "kernel.h"

#define SAMPLES 1000u

struct hipt_table *table;
struct vp vps[VPS];
struct options options = {.seed = 1, .turns = 600};
uint64_t frames_first;

static _Atomic unsigned finished;
static struct lock report_lock;

extern char kernel_end[];

uint64_t random_next(uint64_t *state)
{
    uint64_t value = *state += UINT64_C(0x9e3779b97f4a7c15);

    value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
    return value ^ value >> 31;
}

/* --- failures: the first one is told, and ends the run */

void report_begin(void)
{
    (void)interrupts_off();
    while (!lock_try(&report_lock)) {
        machine_pause();
    }
}

_Noreturn void report_end(const char *what, uint64_t number)
{
    print("mips: failed: %s (%lu) on processor %u\nmips: exit status 1\n", what, number, self->number);
    machine_end();
}

_Noreturn void fail(const char *what, uint64_t number)
{
    report_begin();
    report_end(what, number);
}

/* An assertion of the library's does not hold. */
_Noreturn void kernel_panic(const char *condition, const char *file, uint64_t line)
{
    report_begin();
    print("mips: %s:%lu\n", file, line);
    report_end(condition, line);
}

/* --- a processor */

static void processor_begin(unsigned number)
{
    struct hipt_cpu_config config = {.number = number, .tag_bits = TAG_BITS, .cache = port_cache};

    self->number = number;
    self->random = options.seed * VPS + number;
    tlb_forget_all();
    if (hipt_cpu_attach(table, &self->cpu, &config) != HIPT_OK) {
        fail("attach", number);
    }
    self->is_attached = true;
    if (!options.no_shootdowns) {
        hipt_cpu_enter(&self->cpu);
    }
    interrupts_restore(cp0_status() | STATUS_IE);
}

static void processor_end(void)
{
    (void)kernel_switch(NULL, 0);
    (void)interrupts_off();
    if (!options.no_shootdowns) {
        hipt_cpu_exit(&self->cpu);
    }
    hipt_cpu_detach(&self->cpu);
    self->is_attached = false;
    interrupts_restore(cp0_status() | STATUS_IE);
}

/* --- the first processor begins and ends it all */

static uint64_t option(const char *text, const char *name, uint64_t otherwise)
{
    for (; *text; text++) {
        size_t i = 0;

        while (name[i] && text[i] == name[i]) {
            i++;
        }
        if (!name[i]) {
            uint64_t value = 0;

            for (text += i; *text >= '0' && *text <= '9'; text++) {
                value = value * 10 + (uint64_t)(*text - '0');
            }
            return value;
        }
    }
    return otherwise;
}

static void options_read(const char *text)
{
    options.seed = option(text, "seed=", options.seed);
    options.turns = option(text, "turns=", options.turns);
    options.no_shootdowns = option(text, "no-shootdowns=", 0);
    options.no_flushes = option(text, "no-flushes=", 0);
    options.no_rollover = option(text, "no-rollover=", 0);
    options.no_dirty = option(text, "no-dirty=", 0);
    options.no_answers = option(text, "no-answers=", 0);
}

static void table_begin(uint64_t memory)
{
    uint64_t first = (uint64_t)kernel_end;
    uint64_t end = KERNEL_BASE + memory - FRAMES * PAGE_BYTES;
    struct hipt_range range = {.count = FRAMES};
    struct hipt_config config;
    enum hipt_status status;
    char text[120];

    frames_first = (memory >> PAGE_SHIFT) - FRAMES;
    range.first = frames_first;
    hipt_config_init(&config);
    config.ops = port_start(first, end);
    config.capacity = FRAMES, config.ranges = &range, config.nranges = 1;
    config.asid_bits = ASID_BITS, config.va_bits = 40, config.nsizes = 1;
    config.cpus = VPS, config.flush_max = FLUSH_MAX, config.slow_after = 10000000; /* 0.1 s */
    status = hipt_table_create(&config, &table);
    if (status != HIPT_OK) {
        (void)hipt_config_check(&config, text, sizeof(text));
        print("mips: %s\n", text);
        fail(hipt_strerror(status), 0);
    }
}

/*
 * Instructions that a load takes in the kernel when the TLB has nothing, before the ticks begin: QEMU's clock goes 8 ns
 * with each of them, the controller's counter counts 10 ns.
 */
static uint64_t refill_instructions(void)
{
    uint64_t address = USER_VPN << PAGE_SHIFT;
    uint64_t time[2] = {0, 0};
    uint64_t value;

    (void)kernel_switch(&spaces[0], spaces[0].life);
    (void)user_load(address, &value);
    for (unsigned i = 0; i < 2 * SAMPLES; i++) {
        uint32_t begin;

        tlb_forget_all();
        begin = machine_time();
        (void)user_load(i & 1 ? (uint64_t)&value : address, &value);
        time[i & 1] += machine_time() - begin;
    }
    return (time[0] - time[1]) * 10 / 8 / SAMPLES;
}

static void counts_print(void)
{
    struct counts all = {0};
    struct hipt_stats stats;

    for (unsigned vp = 0; vp < VPS; vp++) {
        for (size_t i = 0; i < sizeof(all) / sizeof(uint64_t); i++) {
            ((uint64_t *)&all)[i] += ((uint64_t *)&vps[vp].counts)[i];
        }
    }
    hipt_table_stats(table, &stats);
    print("mips: loads %lu stores %lu killed %lu\n", all.loads, all.stores, all.killed);
    print("mips: refills %lu invalid %lu modified %lu faults %lu\n", all.refills, all.invalid, all.modified,
          all.faults);
    print("mips: evictions %lu written-back %lu second-chances %lu\n", all.evictions, all.written_back,
          all.second_chances);
    print("mips: rounds %lu kicks-sent %lu kicks-taken %lu answered-waiting %lu ticks %lu pauses %lu\n", stats.rounds,
          all.kicks_sent, all.kicks_taken, all.answered_waiting, all.ticks, all.pauses);
    print("mips: flushed-pages %lu flushed-tags %lu rollovers %lu spaces-ended %lu\n", all.flushed_pages,
          all.flushed_tags, all.flushed_all, all.ended);
}

/* With everybody gone: what is left must be right, and what was taken must come back. */
_Noreturn static void machine_finish(void)
{
    char text[120];
    size_t frames;

    counts_print();
    for (unsigned i = 0; i < SPACES; i++) {
        space_end(&spaces[i]);
    }
    if (!hipt_table_is_valid(table, text, sizeof(text))) {
        fail(text, 0);
    }
    frames = frames_count();
    if (frames != FRAMES) {
        fail("frames are missing", frames);
    }
    hipt_table_destroy(table);
    if (port_memory_used() != 0) {
        fail("memory is missing", port_memory_used());
    }
    print("mips: exit status 0\n");
    machine_end();
}

static void machine_begin(int argc, const int32_t *argv, uint64_t memory)
{
    machine_start();
    if (argc > 1) {
        options_read((const char *)(intptr_t)argv[1]);
    }
    table_begin(memory);
    for (unsigned i = 0; i < SPACES; i++) {
        space_begin(&spaces[i]);
    }
}

_Noreturn void kernel_start(unsigned number, int argc, const int32_t *argv, uint64_t memory)
{
    self = &vps[number];
    if (number == 0) {
        machine_begin(argc, argv, memory);
    }
    processor_begin(number);
    if (number == 0) {
        print("mips: %u processors, %u spaces of %u pages, %u frames, seed %lu\n", VPS, SPACES, PAGES, FRAMES,
              options.seed);
        print("mips: a refill takes %lu instructions\n", refill_instructions());
        for (unsigned vp = 1; vp < VPS; vp++) {
            machine_run(vp);
        }
    }
    machine_tick(TICK);
    for (uint64_t i = 0; i < options.turns; i++) {
        work_turn();
    }
    processor_end();
    atomic_fetch_add_explicit(&finished, 1, memory_order_acq_rel);
    while (number != 0 || atomic_load_explicit(&finished, memory_order_acquire) != VPS) {
        port_wait();
    }
    machine_finish();
}
