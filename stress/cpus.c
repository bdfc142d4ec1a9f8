/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "cpus.h"

#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define SLOW_SECONDS 20u
#define NANOSECONDS UINT64_C(1000000000)

static struct cpu_ring rings[CREW_THREADS_MAX];
static void (*kick_inner)(void *ctx, const uint64_t *set, unsigned words); /* NULL: CPUs look by themselves */
static _Atomic uint64_t kicks_held;

static _Thread_local uint64_t kick_random;
static _Thread_local uint64_t kicks_left; /* CPUs that this thread should have kicked */

/* --- kicks */

/* Now and then nothing is sent, and what was left before is sent with the next one, one CPU after the other. */
static void kick_badly(void *ctx, const uint64_t *set, unsigned words)
{
    uint64_t all = kicks_left | set[0];
    unsigned number;

    kick_random = kick_random ? kick_random : (uint64_t)(uintptr_t)&kick_random | 1u;
    if (crew_draw(&kick_random, 4) == 0) {
        kicks_left = all;
        atomic_fetch_add_explicit(&kicks_held, 1u, memory_order_relaxed);
        return;
    }
    kicks_left = 0;
    if (!kick_inner) {
        return;
    }
    if (crew_draw(&kick_random, 2)) {
        kick_inner(ctx, &all, words);
        return;
    }
    for (number = CREW_THREADS_MAX; number-- > 0;) {
        uint64_t one = all & UINT64_C(1) << number;

        if (one) {
            kick_inner(ctx, &one, words);
        }
    }
}

uint64_t cpus_kicks_held(void)
{
    return atomic_load(&kicks_held);
}

void cpus_prepare(struct crew *crew)
{
    kick_inner = crew->ops.kick;
    crew->ops.kick = kick_badly;
    crew->config.cpus = crew->options.threads;
    crew->config.flush_max = 3;
    crew->config.slow_after = SLOW_SECONDS * NANOSECONDS;
    crew->config.ttl = crew->options.ttl;
}

/* --- coming and going */

void cpu_open(struct cpu *cpu, struct crew *crew, unsigned thread)
{
    memset(cpu, 0, sizeof(*cpu));
    cpu->crew = crew;
    cpu->thread = thread;
    cpu->random = crew_seed(crew, thread);
}

void cpu_close(struct cpu *cpu)
{
    cpu_detach(cpu);
}

static void cpu_attach(struct cpu *cpu)
{
    struct hipt_mmu_config config = {.number = cpu->thread,
                                     .entries = cpu->entry,
                                     .nentries = sizeof(cpu->entry) / sizeof(cpu->entry[0])};
    enum hipt_status status;

    config.tag_bits = 1u + crew_draw(&cpu->random, 3);
    config.level[0].sets = 1u << crew_draw(&cpu->random, 4);
    config.level[0].ways = 1u + crew_draw(&cpu->random, 4);
    config.level[1].sets = crew_draw(&cpu->random, 2) ? 8u : 0;
    config.level[1].ways = 4;
    config.interruptible = crew_draw(&cpu->random, 2);
    status = hipt_mmu_attach(&cpu->mmu, cpu->crew->table, &cpu->crew->config, &config);
    if (status == HIPT_OK) {
        status = hipt_user_cpu(cpu->crew->user, &cpu->mmu.cpu);
    }
    if (status != HIPT_OK) {
        crew_broken(cpu->crew, "CPU %u is not attached: %s", cpu->thread, hipt_strerror(status));
    }
    cpu->is_attached = true;
    cpu->is_short = cpu->crew->options.delivery == HIPT_USER_MEMBARRIER || crew_draw(&cpu->random, 4) == 0;
}

void cpu_enter(struct cpu *cpu)
{
    if (!cpu->is_attached) {
        cpu_attach(cpu);
    }
    if (!cpu->is_inside) {
        hipt_cpu_enter(&cpu->mmu.cpu);
        cpu->is_inside = true;
    }
}

void cpu_exit(struct cpu *cpu)
{
    if (cpu->is_inside) {
        hipt_cpu_exit(&cpu->mmu.cpu);
        cpu->is_inside = false;
    }
}

void cpu_detach(struct cpu *cpu)
{
    cpu_exit(cpu);
    if (cpu->is_attached) {
        (void)hipt_user_cpu(cpu->crew->user, NULL);
        hipt_mmu_detach(&cpu->mmu);
        cpu->is_attached = false;
    }
}

void cpu_move(struct cpu *cpu)
{
    unsigned turns = crew_draw(&cpu->random, 8);

    switch (crew_draw(&cpu->random, 8)) {
    case 0: cpu_detach(cpu); break;
    case 1:
    case 2:
    case 3: cpu_exit(cpu); break;
    default: break; /* inside, and late */
    }
    while (turns-- > 0) {
        sched_yield();
    }
}

void cpu_shoot(struct cpu *cpu)
{
    unsigned way = crew_draw(&cpu->random, 8);

    if (way == 0) {
        cpu_detach(cpu); /* the thread is none of the CPUs */
    } else if (way == 1) {
        cpu_exit(cpu);
    }
}

void cpu_grace(struct cpu *cpu)
{
    const struct hipt_ops *ops = &cpu->crew->ops;

    cpu_exit(cpu); /* or one who holds a read side might wait for our acknowledgement */
    ops->gp_wait(ops->ctx, ops->gp_start(ops->ctx));
}

bool cpu_sleep(struct cpu *cpu)
{
    static const struct timespec nap = {0, 20000};
    unsigned left = cpu->crew->options.delivery == HIPT_USER_SIGNAL ? 20u : 1u;
    uint64_t served;

    cpu_enter(cpu);
    served = hipt_cpu_served(&cpu->mmu.cpu);
    while (left-- > 0 && hipt_cpu_served(&cpu->mmu.cpu) == served) {
        (void)nanosleep(&nap, NULL);
    }
    served = hipt_cpu_served(&cpu->mmu.cpu) - served;
    (void)hipt_cpu_serve(&cpu->mmu.cpu); /* the kick may have been lost */
    return served != 0;
}

/* --- what was done last */

static uint64_t now(void)
{
    struct timespec time;

    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * NANOSECONDS + (uint64_t)time.tv_nsec;
}

void cpu_note(struct cpu *cpu, enum cpu_event kind, uint32_t asid, uint64_t vpn, uint64_t pfn, uint64_t generation)
{
    struct cpu_ring *ring = &rings[cpu->thread];
    uint64_t count = atomic_load_explicit(&ring->count, memory_order_relaxed);
    uint64_t what = (uint64_t)kind << 48 | (uint64_t)asid << 32 | vpn << 16 | pfn;

    atomic_store_explicit(&ring->event[count % CPU_EVENTS].what, what, memory_order_relaxed);
    atomic_store_explicit(&ring->event[count % CPU_EVENTS].generation, generation, memory_order_relaxed);
    atomic_store_explicit(&ring->event[count % CPU_EVENTS].time, now(), memory_order_relaxed);
    atomic_store_explicit(&ring->count, count + 1u, memory_order_relaxed);
}

static void print_ring(unsigned thread)
{
    static const char *const name[] = {"", "access", "serve", "map", "ending", "ended", "narrowed", "retired"};
    struct cpu_ring *ring = &rings[thread];
    uint64_t count = atomic_load(&ring->count);
    uint64_t i;

    for (i = count > CPU_EVENTS ? count - CPU_EVENTS : 0; i < count; i++) {
        uint64_t what = atomic_load(&ring->event[i % CPU_EVENTS].what);

        fprintf(stderr, "  CPU %u, %" PRIu64 " ns: %-8s asid %u vpn %u frame %u generation %" PRIu64 "\n", thread,
                atomic_load(&ring->event[i % CPU_EVENTS].time), name[what >> 48 & 7u], (unsigned)(what >> 32 & 0xffffu),
                (unsigned)(what >> 16 & 0xffffu), (unsigned)(what & 0xffffu),
                atomic_load(&ring->event[i % CPU_EVENTS].generation));
    }
}

void cpus_print(unsigned thread, unsigned other)
{
    print_ring(thread);
    if (other != thread) {
        print_ring(other);
    }
}

/* --- accesses */

enum hipt_status cpu_translate(struct cpu *cpu, uint32_t asid, uint64_t vpn, uint8_t access, uint64_t *pfn)
{
    struct hipt_access out;
    enum hipt_status status;
    uint64_t served;

    cpu_enter(cpu);
    served = hipt_cpu_served(&cpu->mmu.cpu);
    if (cpu->crew->options.ttl) {
        hipt_read_enter(cpu->crew->table);
        cpu->is_reading = true;
    }
    if (cpu->crew->options.delivery == HIPT_USER_SIGNAL) {
        hipt_cpu_mask(&cpu->mmu.cpu);
    }
    status = hipt_translate(&cpu->mmu, asid, vpn << cpu->crew->config.page_shift[0], access, &out);
    *pfn = status == HIPT_OK ? out.pfn : 0;
    cpu->is_hit = status == HIPT_OK && out.is_hit;
    if (hipt_cpu_served(&cpu->mmu.cpu) != served) {
        cpu_note(cpu, CPU_SERVE, asid, vpn, *pfn, hipt_cpu_served(&cpu->mmu.cpu));
    }
    return status;
}

void cpu_done(struct cpu *cpu)
{
    if (cpu->crew->options.delivery == HIPT_USER_SIGNAL) {
        hipt_cpu_unmask(&cpu->mmu.cpu);
    }
    if (cpu->is_reading) {
        hipt_read_exit(cpu->crew->table);
        cpu->is_reading = false;
    }
    if (cpu->is_short) {
        cpu_exit(cpu);
    }
}
