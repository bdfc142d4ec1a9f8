/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L

#include "replay_cpu.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

/* There may be more CPUs than cores: whoever waits leaves its core to those that it waits for. */
static void relax(void *ctx)
{
    static const struct timespec nap = {.tv_nsec = 10000};
    (void)ctx;
    nanosleep(&nap, NULL);
}

void replay_cpu_hooks(struct hipt_ops *ops, const struct hipt_ops *host)
{
    *ops = *host;
    ops->relax = relax;
}

enum hipt_status replay_cpu_attach(struct replay_cpu *cpu, const struct population *population, unsigned number)
{
    const struct hipt_mmu_config config = {.number = number,
                                           .tag_bits = CPU_TAG_BITS,
                                           .level = {{CPU_L1_SETS, CPU_L1_WAYS}, {CPU_L2_SETS, CPU_L2_WAYS}},
                                           .entries = cpu->entries,
                                           .nentries = sizeof(cpu->entries) / sizeof(cpu->entries[0]),
                                           .interruptible = true};
    enum hipt_status status = hipt_mmu_attach(&cpu->mmu, population->table, &population->config, &config);
    if (status == HIPT_OK) {
        cpu->user = population->user;
        (void)hipt_user_cpu(cpu->user, &cpu->mmu.cpu); /* polled: it has room for all */
        hipt_cpu_enter(&cpu->mmu.cpu);
    }
    return status;
}

void replay_cpu_detach(struct replay_cpu *cpu)
{
    hipt_cpu_exit(&cpu->mmu.cpu);
    (void)hipt_user_cpu(cpu->user, NULL);
    hipt_mmu_detach(&cpu->mmu);
}

static uint64_t load_word(const struct oracle *oracle, uint32_t page)
{
    return page != REPLAY_NONE ? atomic_load_explicit(&oracle->words[page], memory_order_acquire) : 0;
}

void replay_cpu_access(struct replay_cpu *cpu, const struct oracle *oracle, struct replay_access *access)
{
    const struct target *target = &access->target;
    uint64_t va = target->vpn << oracle->population->config.page_shift[0];
    access->before = load_word(oracle, target->page);
    access->status = hipt_translate(&cpu->mmu, target->asid, va, access->kind, &access->got);
    access->now = load_word(oracle, target->page); /* the CPU has not served since */
}

static bool is_present(const struct oracle *oracle, uint32_t page, oracle_state state)
{
    unsigned place = oracle_place(state);
    return place >= PLACE_SPARE || (place == PLACE_HOME && !oracle->population->home[page].swap);
}

static bool allows(oracle_state state, uint8_t kind)
{
    return (kind & ~(state >> 3 & 0xf)) == 0;
}

/* Where the access went, as a place of its page; ORACLE_ALIEN's place if it is none. */
static unsigned access_place(const struct oracle *oracle, const struct replay_access *access)
{
    const struct hipt_mapping *home = &oracle->population->home[access->target.page];
    struct hipt_mapping got = *home;
    if (access->got.page.asid != home->page.asid || access->got.page.size != home->page.size ||
        access->got.page.vpn != home->page.vpn) {
        return oracle_place(ORACLE_ALIEN);
    }
    got.pfn = access->got.pfn - (access->target.vpn - home->page.vpn);
    got.swap = false;
    return oracle_place(oracle_encode(oracle, access->target.page, &got));
}

/* What may be used now is what the page is now, or was until the change that is under way. */
static enum replay_access_verdict judge_given(const struct oracle *oracle, const struct replay_access *access)
{
    const oracle_state states[] = {(oracle_state)(access->now >> 16), oracle_after(access->now)};
    unsigned place = access_place(oracle, access);
    if (place == oracle_place(ORACLE_ALIEN)) {
        return ACCESS_WRONG;
    }
    for (unsigned i = 0; i < 2; i++) {
        if (is_present(oracle, access->target.page, states[i]) && oracle_place(states[i]) == place &&
            allows(states[i], access->kind)) {
            return ACCESS_RIGHT;
        }
    }
    return ACCESS_STALE;
}

/* A refusal may be as old as the beginning of the access. */
static enum replay_access_verdict judge_refused(const struct oracle *oracle, const struct replay_access *access)
{
    const oracle_state states[] = {(oracle_state)(access->before >> 16), oracle_after(access->before),
                                   (oracle_state)(access->now >> 16), oracle_after(access->now)};
    if (access->status == HIPT_BUSY) {
        return oracle_rested(access->before, access->now) ? ACCESS_WRONG : ACCESS_UNCHECKED;
    }
    for (unsigned i = 0; i < 4; i++) {
        bool present = is_present(oracle, access->target.page, states[i]);
        if (access->status == HIPT_ABSENT ? !present : present && !allows(states[i], access->kind)) {
            return ACCESS_RIGHT;
        }
    }
    return (uint32_t)((access->now >> 32) - (access->before >> 32)) > 2 ? ACCESS_UNCHECKED : ACCESS_WRONG;
}

enum replay_access_verdict replay_access_judge(const struct oracle *oracle, const struct replay_access *access)
{
    const struct hipt_config *config = &oracle->population->config;
    if (access->target.page == REPLAY_NONE) { /* never mapped, by anyone */
        bool outside = access->target.vpn >> (config->va_bits - config->page_shift[0]) != 0;
        return access->status == (outside ? HIPT_BAD_VPN : HIPT_ABSENT) ? ACCESS_RIGHT : ACCESS_WRONG;
    }
    switch (access->status) {
    case HIPT_OK:
        return judge_given(oracle, access);
    case HIPT_ABSENT:
    case HIPT_DENIED:
    case HIPT_BUSY:
        return judge_refused(oracle, access);
    default:
        return ACCESS_WRONG;
    }
}

static void describe_state(const struct oracle *oracle, uint32_t page, oracle_state state, char *text, size_t bytes)
{
    if (state == ORACLE_ABSENT) {
        snprintf(text, bytes, "not mapped");
    } else {
        struct hipt_mapping mapping = oracle_decode(oracle, page, state);
        snprintf(text, bytes, "%s 0x%" PRIx64 " prot %u", mapping.swap ? "swap slot" : "frame", mapping.pfn,
                 mapping.prot);
    }
}

char *replay_access_describe(const struct oracle *oracle, const struct replay_access *access, char *text, size_t bytes)
{
    char got[80], was[80] = "not mapped", is[80] = "not mapped";
    if (access->status == HIPT_OK) {
        snprintf(got, sizeof(got), "frame 0x%" PRIx64 "%s", access->got.pfn,
                 access->got.is_hit ? " from the cache" : " from the table");
    } else {
        snprintf(got, sizeof(got), "\"%s\"", hipt_strerror(access->status));
    }
    if (access->target.page != REPLAY_NONE) {
        describe_state(oracle, access->target.page, (oracle_state)(access->now >> 16), was, sizeof(was));
        describe_state(oracle, access->target.page, oracle_after(access->now), is, sizeof(is));
    }
    snprintf(text, bytes, "access %u to asid %" PRIu32 " vpn 0x%" PRIx64 ": got %s; legal from %s to %s", access->kind,
             access->target.asid, access->target.vpn, got, was, is);
    return text;
}
