/* SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "shootdown.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

#include <hipt/asid.h>
#include <hipt/frame.h>
#include <hipt/map.h>

#define TAG_BITS 4u
#define PARKED_NAP_NS 100000u
#define YIELD_EVERY 256u /* turns of a loop that waits: there may be more threads than cores */
#define REAP_ROOM 1024u

static _Thread_local unsigned turns;
static struct shoot_cpu *all_cpus; /* of the one rig in use: the hook's context is the port's */

uint64_t shoot_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

void shoot_nap(uint64_t ns)
{
    const struct timespec nap = {.tv_sec = (time_t)(ns / UINT64_C(1000000000)),
                                 .tv_nsec = (long)(ns % UINT64_C(1000000000))};

    nanosleep(&nap, NULL);
}

void shoot_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
    if (++turns % YIELD_EVERY == 0) {
        sched_yield();
    }
}

static int by_value(const void *left, const void *right)
{
    double a = *(const double *)left;
    double b = *(const double *)right;

    return (a > b) - (a < b);
}

double shoot_median(double *values, size_t count)
{
    qsort(values, count, sizeof(*values), by_value);
    return count ? (values[(count - 1) / 2] + values[count / 2]) / 2 : 0;
}

void shoot_become(struct shoot_rig *rig, struct hipt_cpu *cpu)
{
    (void)hipt_user_cpu(rig->user, cpu); /* polled: it has room for all */
}

/* Nothing is sent: the CPUs poll. It is counted who would have been interrupted. */
static void hook_kick(void *ctx, const uint64_t *set, unsigned words)
{
    (void)ctx;
    for (unsigned word = 0; word < words; word++) {
        for (unsigned bit = 0; bit < 64; bit++) {
            if (set[word] >> bit & 1) {
                atomic_fetch_add_explicit(&all_cpus[word * 64 + bit].kicks, 1, memory_order_relaxed);
            }
        }
    }
}

static bool cpu_attach(struct shoot_cpu *cpu)
{
    const struct hipt_mmu_config config = {
        .number = cpu->number, .tag_bits = TAG_BITS, .level = {{16, 4}, {128, 12}}, .entries = cpu->entries,
        .nentries = sizeof(cpu->entries) / sizeof(cpu->entries[0])};

    if (hipt_mmu_attach(&cpu->mmu, cpu->rig->table, &cpu->rig->config, &config) != HIPT_OK) {
        return false;
    }
    shoot_become(cpu->rig, &cpu->mmu.cpu);
    return true;
}

/* With HIPT_TTL in use an access is inside a read side; whoever is interrupted in one reads later than it began. */
static void read_once(struct shoot_cpu *cpu)
{
    struct hipt_table *table = cpu->rig->table;
    struct hipt_access access;
    uint64_t began = shoot_now();

    hipt_read_enter(table);
    if (hipt_translate(&cpu->mmu, cpu->asid, 0, HIPT_READ, &access) == HIPT_OK) {
        atomic_store_explicit(&cpu->began, began, memory_order_release);
        atomic_store_explicit(&cpu->ended, shoot_now(), memory_order_release);
    }
    hipt_read_exit(table);
}

static void one_turn(struct shoot_cpu *cpu, unsigned pace, struct bench_random *random)
{
    switch (pace) {
    case SHOOT_PROMPT:
        shoot_relax();
        break;
    case SHOOT_LATE:
        shoot_nap(SHOOT_LATE_MIN_NS + bench_random_below(random, SHOOT_LATE_MAX_NS - SHOOT_LATE_MIN_NS));
        break;
    case SHOOT_SLOW:
        shoot_nap(SHOOT_SLOW_NS);
        break;
    case SHOOT_READING:
        read_once(cpu);
        break;
    default:
        shoot_nap(PARKED_NAP_NS);
        break;
    }
}

/* One stretch at one pace. */
static void stretch(struct shoot_cpu *cpu, unsigned pace, struct bench_random *random)
{
    struct hipt_cpu *self = &cpu->mmu.cpu;
    uint32_t tag;

    if (pace != SHOOT_PARKED) {
        hipt_cpu_enter(self);
        (void)hipt_cpu_use(self, cpu->asid, &tag);
    }
    atomic_store_explicit(&cpu->settled, pace, memory_order_release);
    while (atomic_load_explicit(&cpu->pace, memory_order_acquire) == pace) {
        one_turn(cpu, pace, random);
        if (pace != SHOOT_PARKED && hipt_cpu_serve(self)) {
            atomic_fetch_add_explicit(&cpu->posts, 1, memory_order_relaxed);
            (void)hipt_cpu_use(self, cpu->asid, &tag);
        }
    }
    if (pace != SHOOT_PARKED) {
        hipt_cpu_exit(self);
    }
}

static void *cpu_main(void *ctx)
{
    struct shoot_cpu *cpu = ctx;
    struct bench_random random = {.state = cpu->number};
    unsigned pace;

    (void)prctl(PR_SET_TIMERSLACK, 1UL); /* or naps of microseconds are 50 us longer */
    if (!cpu_attach(cpu)) {
        fprintf(stderr, "hipt-bench: CPU %u cannot be attached\n", cpu->number);
        exit(1);
    }
    while ((pace = atomic_load_explicit(&cpu->pace, memory_order_acquire)) != SHOOT_GONE) {
        stretch(cpu, pace, &random);
    }
    shoot_become(cpu->rig, NULL);
    hipt_mmu_detach(&cpu->mmu);
    atomic_store_explicit(&cpu->settled, SHOOT_GONE, memory_order_release);
    return NULL;
}

void shoot_rig_pace(struct shoot_rig *rig, unsigned number, enum shoot_pace pace)
{
    struct shoot_cpu *cpu = &rig->cpus[number];

    atomic_store_explicit(&cpu->pace, pace, memory_order_release);
    while (atomic_load_explicit(&cpu->settled, memory_order_acquire) != pace) {
        (void)hipt_cpu_serve(&rig->cpus[0].mmu.cpu);
        shoot_nap(PARKED_NAP_NS / 4);
    }
}

static bool start_cpus(struct shoot_rig *rig)
{
    uint32_t tag;

    for (unsigned i = 0; i < rig->ncpus; i++) {
        rig->cpus[i].rig = rig;
        rig->cpus[i].number = i;
        rig->cpus[i].asid = rig->asids[0];
        atomic_init(&rig->cpus[i].settled, SHOOT_GONE);
    }
    if (!cpu_attach(&rig->cpus[0])) {
        return false;
    }
    hipt_cpu_enter(&rig->cpus[0].mmu.cpu);
    (void)hipt_cpu_use(&rig->cpus[0].mmu.cpu, rig->asids[0], &tag);
    for (unsigned i = 1; i < rig->ncpus; i++) {
        pthread_t thread;

        if (pthread_create(&thread, NULL, cpu_main, &rig->cpus[i]) != 0) {
            return false;
        }
        pthread_detach(thread);
        shoot_rig_pace(rig, i, SHOOT_PARKED);
    }
    return true;
}

static enum hipt_status make_table(struct shoot_rig *rig, const struct shoot_setup *setup)
{
    enum hipt_status status = hipt_user_create(HIPT_USER_URCU, &rig->user);

    if (status != HIPT_OK) {
        return status;
    }
    rig->ops = *hipt_user_ops(rig->user);
    rig->ops.kick = hook_kick;
    rig->range = (struct hipt_range){.first = 0, .count = 4 * setup->pages};
    hipt_config_init(&rig->config);
    rig->config.ops = &rig->ops;
    rig->config.capacity = 2 * setup->pages;
    rig->config.ranges = &rig->range;
    rig->config.nranges = 1;
    rig->config.cpus = SHOOT_CPUS_MAX;
    if (setup->flush_max != SHOOT_FLUSH_DEFAULT) {
        rig->config.flush_max = setup->flush_max;
    }
    rig->config.ttl = setup->ttl;
    status = hipt_table_create(&rig->config, &rig->table);
    for (size_t i = 0; status == HIPT_OK && i < 2; i++) {
        struct hipt_asid asid;

        status = hipt_asid_alloc(rig->table, &asid);
        rig->asids[i] = asid.number;
    }
    return status;
}

bool shoot_rig_create(struct shoot_rig *rig, const struct shoot_setup *setup)
{
    enum hipt_status status;

    *rig = (struct shoot_rig){.ncpus = setup->ncpus};
    rig->cpus = calloc(rig->ncpus, sizeof(*rig->cpus));
    status = rig->cpus ? make_table(rig, setup) : HIPT_NOMEM;
    all_cpus = rig->cpus;
    if (status != HIPT_OK || !start_cpus(rig)) {
        fprintf(stderr, "hipt-bench: shootdown: %s\n", status != HIPT_OK ? hipt_strerror(status) : "no threads");
        return false;
    }
    return true;
}

void shoot_rig_destroy(struct shoot_rig *rig)
{
    for (unsigned i = 1; i < rig->ncpus; i++) {
        shoot_rig_pace(rig, i, SHOOT_GONE);
    }
    hipt_cpu_exit(&rig->cpus[0].mmu.cpu);
    shoot_become(rig, NULL);
    hipt_mmu_detach(&rig->cpus[0].mmu);
    hipt_table_destroy(rig->table);
    hipt_user_destroy(rig->user);
    free(rig->cpus);
}

static void reap(struct shoot_rig *rig)
{
    struct hipt_frame frames[REAP_ROOM];
    size_t count = hipt_frame_reap(rig->table, frames, REAP_ROOM);

    rig->limbo -= count;
    if (count == 0) {
        shoot_nap(PARKED_NAP_NS); /* a grace period is on its way */
    }
}

void shoot_rig_map(struct shoot_rig *rig, uint64_t vpn, uint64_t npages)
{
    struct hipt_mapping mapping = {.page = {.asid = rig->asids[0]}, .prot = HIPT_READ | HIPT_WRITE};
    uint64_t at = 0;

    while (rig->next + npages > rig->range.count && rig->limbo > 0) {
        reap(rig);
    }
    rig->next = rig->next + npages > rig->range.count ? 0 : rig->next;
    while (at < npages) {
        uint64_t done;
        enum hipt_status status;

        mapping.page.vpn = vpn + at;
        mapping.pfn = rig->next + at;
        status = hipt_map_range(rig->table, &mapping, npages - at, &done);
        at += done;
        if (status == HIPT_BUSY) {
            reap(rig);
        } else if (status != HIPT_OK) {
            rig->wrong++;
            return;
        }
    }
    rig->next += npages;
}

void shoot_rig_unmap(struct shoot_rig *rig, uint64_t vpn, uint64_t npages)
{
    struct hipt_page page = {.asid = rig->asids[0], .vpn = vpn};
    uint64_t done = 0;

    rig->wrong += hipt_unmap_range(rig->table, &page, npages, &done) != HIPT_OK || done != npages;
    rig->limbo += done;
}
