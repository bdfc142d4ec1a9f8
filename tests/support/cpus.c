/* SPDX-License-Identifier: MIT */
#include "support/cpus.h"

#include <string.h>

struct cpus cpus;

static void flush(void *ctx, int64_t tag, uint64_t vpn, uint64_t npages)
{
    struct cpus_cpu *cpu = (struct cpus_cpu *)ctx;

    TEST_HOLDS(cpu->count < CPUS_LOG);
    cpu->log[cpu->count++] = (struct cpus_flush){tag, vpn, npages};
}

static void flush_range(void *ctx, uint32_t tag, uint64_t vpn, uint64_t npages)
{
    flush(ctx, tag, vpn, npages);
}

static void flush_tag(void *ctx, uint32_t tag)
{
    flush(ctx, tag, 0, 0);
}

static void flush_all(void *ctx)
{
    flush(ctx, CPUS_EVERYTHING, 0, 0);
}

static struct hipt_cpu *this_cpu(void *ctx)
{
    (void)ctx;
    return cpus.self;
}

static bool can_wait(void *ctx)
{
    (void)ctx;
    return !cpus.cannot_wait;
}

static void kick(void *ctx, const uint64_t *set, unsigned words)
{
    (void)ctx;
    TEST_HOLDS(words == 1u && set[0] != 0);
    cpus.kicked |= set[0];
    cpus.kicks++;
}

static void relax(void *ctx)
{
    (void)ctx;
    TEST_HOLDS(cpus.turn != NULL);
    TEST_HOLDS(cpus.turns < 10000u); /* it would wait for ever */
    cpus.turns++;
    cpus.turn();
}

static uint64_t host_clock(void *ctx)
{
    (void)ctx;
    return cpus.now;
}

static void slow(void *ctx, uint32_t cpu, uint64_t posted, uint64_t served)
{
    (void)ctx;
    cpus.slow++;
    cpus.slow_cpu = cpu;
    cpus.slow_posted = posted;
    cpus.slow_served = served;
}

void cpus_init(struct rig *rig)
{
    memset(&cpus, 0, sizeof(cpus));
    rig_init(rig);
    rig->config.cpus = CPUS;
    rig->host.ops.this_cpu = this_cpu;
    rig->host.ops.can_wait = can_wait;
    rig->host.ops.kick = kick;
    rig->host.ops.relax = relax;
    rig->host.ops.clock = host_clock;
    rig->host.ops.slow = slow;
}

void cpus_attach(struct rig *rig, uint32_t number, unsigned tag_bits)
{
    struct hipt_cpu_config config = {number, tag_bits, {&cpus.cpu[number], flush_range, flush_tag, flush_all}};

    TEST_HOLDS(hipt_cpu_attach(rig->table, &cpus.cpu[number].cpu, &config) == HIPT_OK);
}

uint32_t cpus_use(uint32_t number, uint32_t asid)
{
    uint32_t tag = UINT32_MAX;

    TEST_HOLDS(hipt_cpu_use(&cpus.cpu[number].cpu, asid, &tag) == HIPT_OK);
    return tag;
}

void cpus_serve(uint64_t set)
{
    unsigned i;

    for (i = 0; i < CPUS; i++) {
        if ((set >> i) & 1u) {
            (void)hipt_cpu_serve(&cpus.cpu[i].cpu);
        }
    }
}

uint64_t cpus_rounds(struct rig *rig)
{
    struct hipt_stats stats;

    hipt_table_stats(rig->table, &stats);
    return stats.rounds;
}

void cpus_detach_all(void)
{
    unsigned i;

    for (i = 0; i < CPUS; i++) {
        if (cpus.cpu[i].cpu.shootdown) {
            hipt_cpu_exit(&cpus.cpu[i].cpu);
            hipt_cpu_detach(&cpus.cpu[i].cpu);
        }
    }
}

bool cpus_told(uint32_t number, int64_t tag, uint64_t vpn, uint64_t npages)
{
    struct cpus_cpu *cpu = &cpus.cpu[number];
    bool is_told = cpu->count == 1u && cpu->log[0].tag == tag && cpu->log[0].vpn == vpn && cpu->log[0].npages == npages;

    cpu->count = 0;
    return is_told;
}

bool cpus_told_nothing(uint32_t number)
{
    return cpus.cpu[number].count == 0;
}
