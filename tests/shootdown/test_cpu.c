/* SPDX-License-Identifier: MIT */
/* CPUs by themselves: coming and going, tags, what they forget when they serve or come back. */
#include <criterion/criterion.h>

#include <string.h>

#include "shootdown/shootdown.h"
#include "map/table.h"
#include "support/cpus.h"
#include "support/step.h"

static struct rig rig;
static uint32_t asid;

/* A table whose first @ncpus CPUs are attached and inside. */
static void start(unsigned ncpus, unsigned tag_bits)
{
    unsigned i;

    cpus_init(&rig);
    cr_assert(rig_create(&rig));
    asid = rig_asid(&rig).number;
    for (i = 0; i < ncpus; i++) {
        cpus_attach(&rig, i, tag_bits);
        hipt_cpu_enter(&cpus.cpu[i].cpu);
    }
}

static void stop(void)
{
    cpus_detach_all();
    rig_destroy(&rig);
}

static struct hipt_cpu *cpu(unsigned number)
{
    return &cpus.cpu[number].cpu;
}

/* => whether CPU @number is in the set of an asid. */
static bool is_member(unsigned number, uint32_t of)
{
    return hipti_load_relaxed(hipti_space_set(hipti_space_find(&rig.table->shootdown, of))) >> number & 1u;
}

/* A shootdown without a wait. => its ticket. */
static uint64_t shoot(uint32_t of, uint64_t vpn, uint64_t npages)
{
    hipti_shootdown_add(&rig.table->shootdown, of, vpn, npages);
    return hipti_shootdown_dispatch(&rig.table->shootdown, of);
}

static bool is_done(uint64_t ticket)
{
    return hipti_shootdown_poll(&rig.table->shootdown, asid, ticket, 0);
}

static void no_range(void *ctx, uint32_t tag, uint64_t vpn, uint64_t npages)
{
    (void)ctx, (void)tag, (void)vpn, (void)npages;
}

static void no_tag(void *ctx, uint32_t tag)
{
    (void)ctx, (void)tag;
}

static void no_all(void *ctx)
{
    (void)ctx;
}

Test(cpu, attach_refuses_bad_input)
{
    const struct hipt_cpu_config right = {0, 8, {NULL, no_range, no_tag, no_all}};
    struct hipt_cpu_config config = right;
    struct hipt_cpu other;

    start(0, 0);
    config.number = CPUS;
    cr_assert_eq(hipt_cpu_attach(rig.table, &other, &config), HIPT_BAD_CPU);
    config = right;
    config.tag_bits = 0;
    cr_assert_eq(hipt_cpu_attach(rig.table, &other, &config), HIPT_BAD_CPU);
    config.tag_bits = HIPT_TAG_BITS_MAX + 1u;
    cr_assert_eq(hipt_cpu_attach(rig.table, &other, &config), HIPT_BAD_CPU);
    config = right;
    config.cache.flush_range = NULL;
    cr_assert_eq(hipt_cpu_attach(rig.table, &other, &config), HIPT_BAD_CPU);
    config = right;
    config.cache.flush_tag = NULL;
    cr_assert_eq(hipt_cpu_attach(rig.table, &other, &config), HIPT_BAD_CPU);
    config = right;
    config.cache.flush_all = NULL;
    cr_assert_eq(hipt_cpu_attach(rig.table, &other, &config), HIPT_BAD_CPU);
    config = right;
    config.number = CPUS - 1u;
    config.tag_bits = HIPT_TAG_BITS_MAX;
    cr_assert_eq(hipt_cpu_attach(rig.table, &other, &config), HIPT_OK);
    hipt_cpu_detach(&other);
    config.tag_bits = 1;
    cr_assert_eq(hipt_cpu_attach(rig.table, &other, &config), HIPT_OK);
    hipt_cpu_detach(&other);
    stop();
}

Test(cpu, a_number_is_attached_once_at_a_time)
{
    const struct hipt_cpu_config config = {0, 8, {NULL, no_range, no_tag, no_all}};
    struct hipt_cpu other;

    start(1, 8);
    cr_assert_eq(hipt_cpu_attach(rig.table, &other, &config), HIPT_EXISTS);
    hipt_cpu_exit(cpu(0));
    hipt_cpu_detach(cpu(0));
    test_host_fail(&rig.host, 1, 1);
    cr_assert_eq(hipt_cpu_attach(rig.table, &other, &config), HIPT_NOMEM);
    test_host_fail(&rig.host, 0, 0);
    atomic_store(&rig.host.never_hurries, true); /* an attach may sleep, so may the creation */
    cpus_attach(&rig, 0, 8);
    stop();
}

Test(cpu, a_configuration_says_what_is_wrong)
{
    char text[200];

    cpus_init(&rig);
    rig.config.cpus = HIPT_CPUS_MAX;
    cr_assert_eq(hipt_config_check(&rig.config, text, sizeof(text)), HIPT_OK);
    rig.config.cpus = HIPT_CPUS_MAX + 1u;
    cr_assert_eq(hipt_config_check(&rig.config, text, sizeof(text)), HIPT_BAD_CPU);
    cr_assert_str_eq(text, "cpus 1025 is above 1024");
    rig.config.cpus = 0;
    rig.config.ttl = 5;
    cr_assert_eq(hipt_config_check(&rig.config, text, sizeof(text)), HIPT_BAD_MODE);
    cr_assert(strstr(text, "ttl") && strstr(text, "5") && strstr(text, "cpus"), "%s", text);
    rig.config.cpus = 1;
    cr_assert_eq(hipt_config_check(&rig.config, text, sizeof(text)), HIPT_OK);
    rig.host.ops.clock = NULL;
    cr_assert_eq(hipt_config_check(&rig.config, text, sizeof(text)), HIPT_BAD_MODE);
    cr_assert(strstr(text, "ttl") && strstr(text, "5") && strstr(text, "clock"), "%s", text);
    rig.config.ttl = 0;
    cr_assert_eq(hipt_config_check(&rig.config, text, sizeof(text)), HIPT_OK);
    rig.config.slow_after = 7;
    cr_assert_eq(hipt_config_check(&rig.config, text, sizeof(text)), HIPT_BAD_MODE);
    cr_assert(strstr(text, "slow_after") && strstr(text, "7"), "%s", text);
}

Test(cpu, a_creation_may_sleep)
{
    cpus_init(&rig);
    atomic_store(&rig.host.never_hurries, true);
    cr_assert(rig_create(&rig));
    rig_destroy(&rig);
}

/* Every allocation of a table with CPUs fails once: nothing is lost. */
Test(cpu, no_memory_for_a_table_with_cpus)
{
    uint64_t k;

    for (k = 1;; k++) {
        cpus_init(&rig);
        test_host_fail(&rig.host, k, 1);
        if (rig_create(&rig)) {
            cr_assert_lt(atomic_load(&rig.host.calls), k, "it goes without none of them");
            break;
        }
        cr_assert_eq(atomic_load(&rig.host.blocks), 0, "k %llu", (unsigned long long)k);
    }
    cr_assert_gt(k, 8u);
    rig_destroy(&rig);
}

/* An asid for whose space there is no memory is not issued, nor lost. */
Test(cpu, no_memory_for_an_asids_space)
{
    struct hipt_asid issued;
    uint64_t k;
    unsigned failed = 0;

    for (k = 1; k <= 4u; k++) {
        enum hipt_status status;

        cpus_init(&rig);
        cr_assert(rig_create(&rig));
        test_host_fail(&rig.host, k, 1);
        status = hipt_asid_alloc(rig.table, &issued);
        failed += status == HIPT_NOMEM;
        test_host_fail(&rig.host, 0, 0);
        rig_pass(&rig);
        rig_pass(&rig);
        if (status == HIPT_NOMEM) {
            test_host_fail(&rig.host, 1, 1); /* neither the one that came back nor a new one */
            cr_assert_eq(hipt_asid_alloc(rig.table, &issued), HIPT_NOMEM);
            test_host_fail(&rig.host, 0, 0);
            rig_pass(&rig);
            cr_assert_eq(hipt_asid_alloc(rig.table, &issued), HIPT_OK);
        }
        rig_destroy(&rig);
    }
    cr_assert_geq(failed, 1u);
}

/* A1: only an asid that is issued can be used. */
Test(cpu, A1_use_wants_an_issued_asid)
{
    struct hipt_asid other;
    uint32_t tag = 77;

    start(1, 8);
    other = rig_asid(&rig);
    cr_assert_eq(hipt_cpu_use(cpu(0), 1u << 20, &tag), HIPT_BAD_ASID);
    cr_assert_eq(hipt_cpu_use(cpu(0), 9, &tag), HIPT_BAD_ASID, "never issued");
    cr_assert_eq(tag, 77u);
    cr_assert_neq(cpus_use(0, asid), cpus_use(0, other.number));
    cpus.self = cpu(0);
    cr_assert_eq(hipt_asid_retire(rig.table, other, NULL), HIPT_OK);
    cr_assert_eq(hipt_cpu_use(cpu(0), other.number, &tag), HIPT_BAD_ASID);
    cr_assert(!is_member(0, other.number));
    stop();
}

static void close_asid(void)
{
    hipti_space_close(&rig.table->shootdown, asid);
}

/* A1: closed while a CPU joins, before it has joined or after. */
Test(cpu, A1_closed_under_a_join)
{
    unsigned way;

    for (way = 0; way < 2u; way++) {
        uint32_t tag;

        start(1, 8);
        if (way) {
            (void)cpus_use(0, asid); /* its tag is there already */
            (void)cpus_use(0, rig_asid(&rig).number);
            shoot(rig_asid(&rig).number, 0, 1);
            shoot(asid, 0, 1);
            cpus_serve(1);
            cr_assert(!is_member(0, asid));
        }
        step_interrupt("fetch_or", NULL, 0, close_asid);
        cr_assert_eq(hipt_cpu_use(cpu(0), asid, &tag), HIPT_BAD_ASID);
        cr_assert(step_interrupted());
        cr_assert(!is_member(0, asid));
        hipti_space_open(&rig.table->shootdown, asid);
        stop();
    }
}

/* S1: a CPU joins the set when it first uses the asid, and is asked from then on. */
Test(cpu, S1_members_are_asked_and_no_others)
{
    uint64_t ticket;

    start(3, 8);
    cr_assert_eq(shoot(asid, 5, 1), 0, "nobody has used it");
    (void)cpus_use(1, asid);
    cr_assert(!is_member(0, asid) && is_member(1, asid) && !is_member(2, asid));
    ticket = shoot(asid, 5, 1);
    cr_assert_neq(ticket, 0);
    cr_assert_eq(cpus.kicked, UINT64_C(1) << 1);
    cr_assert_eq(hipti_load_relaxed(&cpu(0)->line->posted), 0, "no post to a CPU that never used it");
    cr_assert(!is_done(ticket));
    cpus_serve(5);
    cr_assert(!is_done(ticket));
    cpus_serve(2);
    cr_assert(is_done(ticket));
    cr_assert(cpus_told(1, cpus_use(1, asid), 5, 1));
    cr_assert(!hipt_cpu_serve(cpu(1)), "nothing is left to do");
    cr_assert(cpus_told_nothing(0) && cpus_told_nothing(2));
    stop();
}

/* S1: a CPU that has left the asid for others is not waited for: it looks before it uses it again. */
Test(cpu, S1_who_has_left_is_not_waited_for)
{
    uint64_t ticket;
    unsigned i;

    start(1, 8);
    (void)cpus_use(0, asid);
    hipt_cpu_mask(cpu(0));
    ticket = shoot(asid, 5, 1);
    for (i = 0; i < HIPT_CPU_ACTIVE; i++) {
        cr_assert(!is_done(ticket));
        (void)cpus_use(0, rig_asid(&rig).number);
    }
    cr_assert(is_done(ticket));
    hipt_cpu_unmask(cpu(0));
    cr_assert(cpus_told_nothing(0));
    (void)cpus_use(0, asid);
    cr_assert_eq(cpus.cpu[0].count, 1u);
    stop();
}

static uint64_t kicked_high;

static void kick_many(void *ctx, const uint64_t *set, unsigned words)
{
    (void)ctx;
    cr_assert_eq(words, HIPT_CPUS_MAX / 64u);
    cpus.kicked |= set[0];
    kicked_high |= set[words - 1u];
    cpus.kicks++;
}

/* S1: as many CPUs as there may be: one round, one kick, whoever is asked. */
Test(cpu, S1_many_cpus)
{
    struct hipt_cpu_config config = {HIPT_CPUS_MAX - 1u, 8, {NULL, no_range, no_tag, no_all}};
    struct hipt_cpu last;
    uint64_t ticket;
    uint32_t tag;

    cpus_init(&rig);
    rig.config.cpus = HIPT_CPUS_MAX;
    rig.host.ops.kick = kick_many;
    cr_assert(rig_create(&rig));
    asid = rig_asid(&rig).number;
    (void)rig_asid(&rig);
    cr_assert_eq(hipt_cpu_attach(rig.table, &last, &config), HIPT_OK);
    hipt_cpu_enter(&last);
    cr_assert_eq(hipt_cpu_use(&last, asid, &tag), HIPT_OK);
    cr_assert(!is_done(shoot(asid, 5, 1)));
    cr_assert(cpus.kicked == 0 && kicked_high == UINT64_C(1) << 63 && cpus.kicks == 1u);
    cpus_attach(&rig, 0, 8);
    hipt_cpu_enter(cpu(0));
    (void)cpus_use(0, asid);
    ticket = shoot(asid, 5, 1);
    cr_assert_eq(ticket, 2u, "one ticket a round");
    cpus_serve(1);
    cr_assert(!is_done(ticket));
    (void)hipt_cpu_serve(&last);
    cr_assert(is_done(ticket));
    hipt_cpu_exit(&last);
    hipt_cpu_detach(&last);
    stop();
}

/* S1: a CPU that joined after the round was dispatched is not waited for. */
Test(cpu, S1_who_joins_later_was_not_asked)
{
    uint64_t ticket;

    start(2, 8);
    (void)cpus_use(0, asid);
    ticket = shoot(asid, 5, 1);
    (void)cpus_use(1, asid);
    cpus_serve(1);
    cr_assert(is_done(ticket));
    stop();
}

/* S1: a CPU outside is neither kicked nor waited for; it looks when it comes back. */
Test(cpu, S1_outside_and_back)
{
    uint32_t tag;

    start(1, 8);
    tag = cpus_use(0, asid);
    hipt_cpu_exit(cpu(0));
    cr_assert(is_done(shoot(asid, 7, 2)));
    cr_assert_eq(cpus.kicks, 0);
    cr_assert(cpus_told_nothing(0));
    hipt_cpu_enter(cpu(0));
    cr_assert(cpus_told(0, tag, 7, 2));
    hipt_cpu_exit(cpu(0));
    hipt_cpu_enter(cpu(0));
    cr_assert(cpus_told_nothing(0));
    stop();
}

static void count_barrier(void *ctx)
{
    (void)ctx;
    cpus.barriers++;
}

/* S1: with the host's barrier, one of it for each round that has a CPU to ask. */
Test(cpu, S1_barrier)
{
    uint32_t tag;

    cpus_init(&rig);
    rig.host.ops.barrier = count_barrier;
    cr_assert(rig_create(&rig));
    asid = rig_asid(&rig).number;
    cpus_attach(&rig, 0, 8);
    hipt_cpu_enter(cpu(0));
    cr_assert_eq(shoot(asid, 1, 1), 0);
    cr_assert_eq(cpus.barriers, 0);
    tag = cpus_use(0, asid);
    cr_assert(!is_done(shoot(asid, 1, 1)));
    cr_assert_eq(cpus.barriers, 1u);
    hipt_cpu_exit(cpu(0));
    hipt_cpu_enter(cpu(0));
    cr_assert(cpus_told(0, tag, 1, 1));
    stop();
}

/* A few generations are forgotten range by range; more, or a range that is too long, with the whole tag. */
Test(cpu, S1_ranges_and_their_limits)
{
    uint64_t n;
    uint32_t tag;

    start(1, 8);
    tag = cpus_use(0, asid);
    for (n = 0; n < HIPTI_FLUSHES; n++) {
        shoot(asid, 10 * n, n + 1u);
    }
    cpus_serve(1);
    cr_assert_eq(cpus.cpu[0].count, HIPTI_FLUSHES);
    for (n = 0; n < HIPTI_FLUSHES; n++) {
        cr_assert(cpus.cpu[0].log[n].vpn == 10 * n && cpus.cpu[0].log[n].npages == n + 1u);
    }
    cpus.cpu[0].count = 0;
    for (n = 0; n <= HIPTI_FLUSHES; n++) {
        shoot(asid, n, 1);
    }
    cpus_serve(1);
    cr_assert(cpus_told(0, tag, 0, 0), "one more than is remembered");
    shoot(asid, 0, rig.config.flush_max);
    cpus_serve(1);
    cr_assert(cpus_told(0, tag, 0, rig.config.flush_max));
    shoot(asid, 0, rig.config.flush_max + 1u);
    cpus_serve(1);
    cr_assert(cpus_told(0, tag, 0, 0));
    stop();
}

static unsigned added_meanwhile;

/* As many more as bring the next one to the same record, or one fewer. */
static void add_meanwhile(void)
{
    unsigned i;

    for (i = 0; i < added_meanwhile; i++) {
        hipti_shootdown_add(&rig.table->shootdown, asid, 100 + i, 1);
    }
}

/* S1: writers of one record meet; whoever finds a record that is not its generation's forgets the whole tag. */
Test(cpu, S1_writers_of_one_record)
{
    static const char *const where[] = {"load", "cas", "store", "store", "store"};
    static const unsigned skip[] = {0, 0, 0, 1, 2};
    struct hipti_space *space;
    unsigned way;

    for (way = 0; way < 5u; way++) {
        struct hipti_flush *flush;
        uint32_t tag;

        start(1, 8);
        tag = cpus_use(0, asid);
        space = hipti_space_find(&rig.table->shootdown, asid);
        flush = &space->flush[(hipti_load_relaxed(&space->generation) / 2u + 1u) % HIPTI_FLUSHES];
        added_meanwhile = HIPTI_FLUSHES;
        step_interrupt(where[way], way < 2u ? (const volatile void *)&flush->state : NULL, skip[way], add_meanwhile);
        shoot(asid, 5, 1);
        cr_assert(step_interrupted(), "way %u", way);
        cpus_serve(1);
        cr_assert(cpus_told(0, tag, 0, 0), "way %u", way); /* the first has been overtaken */
        shoot(asid, 6, 1);
        cpus_serve(1);
        cr_assert(cpus_told(0, tag, 6, 1), "way %u", way);
        stop();
    }
}

static void shoot_meanwhile(void)
{
    unsigned i;

    for (i = 0; i < HIPTI_FLUSHES; i++) {
        shoot(asid, 100 + i, 1);
    }
}

/* S1: a record that is written anew while it is read is not believed. */
Test(cpu, S1_a_record_changes_under_its_reader)
{
    unsigned skip;

    for (skip = 0; skip < 4u; skip++) {
        struct hipti_space *space;
        struct hipti_flush *flush;
        uint32_t tag;
        unsigned i;
        bool has_tag = false;
        bool has_range = false;

        start(1, 8);
        tag = cpus_use(0, asid);
        shoot(asid, 5, 1);
        space = hipti_space_find(&rig.table->shootdown, asid);
        flush = &space->flush[hipti_load_relaxed(&space->generation) / 2u % HIPTI_FLUSHES];
        step_interrupt("load", skip == 0 ? (const volatile void *)&flush->state
                                         : skip == 1 ? (const volatile void *)&flush->vpn
                                                     : skip == 2 ? (const volatile void *)&flush->npages
                                                                 : (const volatile void *)&flush->state,
                       skip == 3, shoot_meanwhile);
        cpus_serve(1);
        cr_assert(step_interrupted());
        for (i = 0; i < cpus.cpu[0].count; i++) {
            has_tag |= cpus.cpu[0].log[i].tag == tag && cpus.cpu[0].log[i].npages == 0;
            has_range |= cpus.cpu[0].log[i].vpn == 5;
        }
        cr_assert(has_tag && !has_range, "skip %u", skip);
        cr_assert(!hipt_cpu_serve(cpu(0)), "the later ones are served as well");
        stop();
    }
}

/* S1: two rounds that meet: a CPU to which the larger ticket is posted is not posted the smaller one. */
static uint64_t ticket_meanwhile;

static void round_meanwhile(void)
{
    ticket_meanwhile = shoot(asid, 50, 1);
}

Test(cpu, S1_tickets_that_meet)
{
    uint64_t ticket;

    start(1, 8);
    (void)cpus_use(0, asid);
    step_interrupt("load_seq_cst", &cpu(0)->line->posted, 0, round_meanwhile);
    ticket = shoot(asid, 5, 1);
    cr_assert(step_interrupted());
    cr_assert_gt(ticket_meanwhile, ticket);
    cr_assert_eq(hipti_load_relaxed(&cpu(0)->line->posted), ticket_meanwhile);
    cr_assert(!is_done(ticket));
    cpus_serve(1);
    cr_assert(is_done(ticket) && is_done(ticket_meanwhile));
    cr_assert_eq(cpus.cpu[0].count, 2u, "both are forgotten");

    step_interrupt("cas_seq_cst", &cpu(0)->line->posted, 0, round_meanwhile);
    ticket = shoot(asid, 5, 1);
    cr_assert(step_interrupted());
    cr_assert_eq(hipti_load_relaxed(&cpu(0)->line->posted), ticket_meanwhile);
    cpus_serve(1);
    cr_assert(is_done(ticket));
    stop();
}

/* A CPU that serves leaves the asids that it has not used last: later rounds of them do not ask it. */
Test(cpu, S1_lazy_leaving)
{
    uint32_t other;
    uint32_t tag;

    start(1, 8);
    other = rig_asid(&rig).number;
    tag = cpus_use(0, asid);
    (void)cpus_use(0, other);
    cr_assert(is_member(0, asid) && is_member(0, other));
    shoot(asid, 5, 1);
    cpus_serve(1);
    cr_assert(!is_member(0, asid) && is_member(0, other));
    cr_assert(cpus_told_nothing(0), "it looks when it uses the asid again");
    cpus.kicked = 0;
    cr_assert_eq(shoot(asid, 6, 1), 0);
    cr_assert_eq(cpus.kicked, 0);
    cr_assert_eq(cpus_use(0, asid), tag, "its tag has stayed");
    cr_assert_eq(cpus.cpu[0].count, 2u);
    stop();
}

/* More asids than a CPU is asked about: the one that was not used for longest is left. */
Test(cpu, S1_active_asids)
{
    uint32_t asids[HIPT_CPU_ACTIVE + 1u];
    unsigned i;

    start(1, 8);
    for (i = 0; i <= HIPT_CPU_ACTIVE; i++) {
        asids[i] = i ? rig_asid(&rig).number : asid;
    }
    for (i = 0; i < HIPT_CPU_ACTIVE; i++) {
        (void)cpus_use(0, asids[i]);
    }
    (void)cpus_use(0, asids[0]); /* used again: not the oldest any more */
    (void)cpus_use(0, asids[HIPT_CPU_ACTIVE]);
    for (i = 0; i <= HIPT_CPU_ACTIVE; i++) {
        cr_assert_eq(is_member(0, asids[i]), i != 1u, "asid %u", i);
    }
    hipt_cpu_exit(cpu(0));
    hipt_cpu_detach(cpu(0));
    for (i = 0; i <= HIPT_CPU_ACTIVE; i++) {
        cr_assert(!is_member(0, asids[i]));
    }
    cpus.cpu[0].cpu.shootdown = NULL;
    stop();
}

/* A1: tags are given out in order; when they are used up the cache forgets everything and they start again. */
Test(cpu, A1_tags_roll_over)
{
    uint32_t asids[5];
    uint32_t tags[5];
    unsigned i;

    start(1, 2);
    for (i = 0; i < 5u; i++) {
        asids[i] = i ? rig_asid(&rig).number : asid;
        tags[i] = cpus_use(0, asids[i]);
        cr_assert_lt(tags[i], 4u);
        cr_assert_eq(cpus.cpu[0].count, i == 4u, "the fifth of four tags");
    }
    cr_assert(cpus_told(0, CPUS_EVERYTHING, 0, 0));
    cr_assert_eq(tags[4], tags[0]);
    for (i = 0; i < 4u; i++) {
        cr_assert(!is_member(0, asids[i]), "their tags are gone");
    }
    cr_assert_eq(cpus_use(0, asids[4]), tags[4]);
    cr_assert_neq(cpus_use(0, asids[0]), tags[4]);
    cr_assert(cpus_told_nothing(0));
    stop();
}

/* A1: an asid that is issued again keeps no translation of its last life, under the same tag. */
Test(cpu, A1_reissued_asid)
{
    struct hipt_asid other;
    struct hipt_asid spare;
    uint32_t tag;

    start(1, 8);
    other = rig_asid(&rig);
    tag = cpus_use(0, other.number);
    hipt_cpu_exit(cpu(0));
    cr_assert_eq(hipt_asid_retire(rig.table, other, NULL), HIPT_OK);
    rig_pass(&rig);
    (void)hipt_asid_alloc(rig.table, &spare); /* asks for the grace period */
    rig_pass(&rig);
    cr_assert_eq(rig_asid(&rig).number, other.number);
    cr_assert(cpus_told_nothing(0));
    hipt_cpu_enter(cpu(0));
    cr_assert(cpus_told(0, tag, 0, 0));
    cr_assert_eq(cpus_use(0, other.number), tag);
    stop();
}

/* An interrupt serves, unless the CPU is masked; then whoever unmasks it does. */
Test(cpu, S1_masked_interrupts)
{
    uint32_t tag;
    uint64_t served;

    start(1, 8);
    tag = cpus_use(0, asid);
    hipt_cpu_interrupt(cpu(0));
    cr_assert(cpus_told_nothing(0));
    shoot(asid, 1, 1);
    served = hipt_cpu_served(cpu(0));
    hipt_cpu_interrupt(cpu(0));
    cr_assert(cpus_told(0, tag, 1, 1));
    cr_assert_neq(hipt_cpu_served(cpu(0)), served);
    hipt_cpu_mask(cpu(0));
    hipt_cpu_mask(cpu(0));
    shoot(asid, 2, 1);
    hipt_cpu_interrupt(cpu(0));
    hipt_cpu_unmask(cpu(0));
    cr_assert(cpus_told_nothing(0));
    hipt_cpu_unmask(cpu(0));
    cr_assert(cpus_told(0, tag, 2, 1));
    stop();
}

static uint64_t served_meanwhile;

static void interrupt_meanwhile(void)
{
    shoot(asid, 3, 1);
    hipt_cpu_interrupt(cpu(0));
    served_meanwhile = hipti_load_relaxed(&cpu(0)->line->served);
}

/* S1: an interrupt inside hipt_cpu_use() or hipt_cpu_serve() does not serve with half of their work done. */
Test(cpu, S1_interrupts_come_anywhere)
{
    unsigned skip;
    bool is_over = false;

    for (skip = 0; !is_over; skip++) {
        uint32_t tag;

        start(1, 8);
        (void)cpus_use(0, rig_asid(&rig).number);
        tag = cpus_use(0, asid);
        (void)cpus_use(0, rig_asid(&rig).number);
        shoot(asid, 2, 1);
        step_interrupt(NULL, NULL, skip, interrupt_meanwhile);
        (void)cpus_use(0, asid);
        (void)hipt_cpu_serve(cpu(0));
        is_over = !step_interrupted();
        cr_assert(is_over || hipti_load_relaxed(&cpu(0)->line->served) >= served_meanwhile, "skip %u", skip);
        (void)hipt_cpu_serve(cpu(0));
        cr_assert_eq(hipti_load_relaxed(&cpu(0)->line->posted), hipti_load_relaxed(&cpu(0)->line->served));
        cr_assert_leq(cpus.cpu[0].count, 2u, "skip %u", skip);
        cr_assert_eq(cpus_use(0, asid), tag);
        shoot(asid, 4, 1);
        hipt_cpu_interrupt(cpu(0));
        cr_assert_eq(hipti_load_relaxed(&cpu(0)->line->posted), hipti_load_relaxed(&cpu(0)->line->served),
                     "interrupts are on again");
        if (is_over) {
            step_interrupt(NULL, NULL, 0, close_asid);
            (void)shoot(asid, 1, 1);
            hipti_space_open(&rig.table->shootdown, asid);
        }
        stop();
    }
    cr_assert_gt(skip, 8u);
}

/* Tags that share a place in the hash: each asid keeps its own. */
Test(cpu, A1_tags_of_any_two_asids)
{
    uint32_t asids[16];
    unsigned i;
    unsigned j;

    for (i = 0; i < 16u; i++) {
        for (j = 0; j < 16u; j++) {
            uint32_t tags[2];
            unsigned k;

            start(0, 0);
            for (k = 0; k < 16u; k++) {
                asids[k] = k ? rig_asid(&rig).number : asid;
            }
            cpus_attach(&rig, 0, 1);
            hipt_cpu_enter(cpu(0));
            tags[0] = cpus_use(0, asids[i]);
            tags[1] = cpus_use(0, asids[j]);
            cr_assert_eq(tags[0] == tags[1], i == j, "%u and %u", i, j);
            cr_assert_eq(cpus_use(0, asids[i]), tags[0]);
            cr_assert_eq(cpus_use(0, asids[j]), tags[1]);
            cr_assert(cpus_told_nothing(0));
            stop();
        }
    }
}

/* A1: an asid that is closed costs no tag. */
Test(cpu, A1_a_closed_asid_takes_no_tag)
{
    struct hipt_asid other[4];
    unsigned i;
    uint32_t tag;

    start(1, 1);
    cpus.self = cpu(0);
    for (i = 0; i < 4u; i++) {
        other[i] = rig_asid(&rig);
    }
    for (i = 0; i < 4u; i++) {
        cr_assert_eq(hipt_asid_retire(rig.table, other[i], NULL), HIPT_OK);
    }
    (void)cpus_use(0, asid);
    for (i = 0; i < 4u; i++) {
        cr_assert_eq(hipt_cpu_use(cpu(0), other[i].number, &tag), HIPT_BAD_ASID);
    }
    cr_assert(cpus_told_nothing(0));
    stop();
}

/* An asid that is used again among others is no new one: the set's bits stay what they are. */
Test(cpu, S1_used_again)
{
    uint32_t other;

    start(2, 8);
    other = rig_asid(&rig).number;
    (void)cpus_use(1, asid);
    (void)cpus_use(0, asid);
    (void)cpus_use(0, other);
    (void)cpus_use(0, asid);
    (void)cpus_use(0, other);
    cr_assert_eq(cpu(0)->nactive, 2u);
    hipt_cpu_exit(cpu(0));
    hipt_cpu_detach(cpu(0));
    cpu(0)->shootdown = NULL;
    cr_assert(!is_member(0, asid) && !is_member(0, other) && is_member(1, asid));
    stop();
}

/* A number that was attached before: what is posted to it is served by who has it now. */
Test(cpu, S1_number_attached_again)
{
    uint64_t ticket;

    start(2, 8);
    (void)cpus_use(0, asid);
    hipt_cpu_exit(cpu(0));
    ticket = shoot(asid, 1, 1);
    cr_assert(is_done(ticket));
    hipt_cpu_detach(cpu(0));
    cpus_attach(&rig, 0, 8);
    hipt_cpu_enter(cpu(0));
    cr_assert(cpus_told_nothing(0), "it has used nothing");
    cr_assert_eq(hipti_load_relaxed(&cpu(0)->line->served), ticket);
    stop();
}

/* C1: with the host's barrier the CPU comes inside without a read-modify-write, without it by one. */
Test(cpu, S1_coming_inside)
{
    unsigned with_barrier;

    for (with_barrier = 0; with_barrier < 2u; with_barrier++) {
        cpus_init(&rig);
        rig.host.ops.barrier = with_barrier ? count_barrier : NULL;
        cr_assert(rig_create(&rig));
        asid = rig_asid(&rig).number;
        cpus_attach(&rig, 0, 8);
        step_interrupt("exchange", NULL, 0, round_meanwhile);
        hipt_cpu_enter(cpu(0));
        cr_assert_eq(step_interrupted(), !with_barrier);
        cr_assert_eq(hipti_load_relaxed(&cpu(0)->line->inside), 1u);
        if (with_barrier) {
            (void)hipti_exchange_acquire(&cpu(0)->line->attached, 1u); /* uses the interrupt up */
        }
        stop();
    }
}

/* S1: a record that is completed under its reader: neither half of it is believed. */
static struct hipti_flush *flush_meanwhile;
static uint64_t generation_meanwhile;

static void complete_meanwhile(void)
{
    hipti_store_release(&flush_meanwhile->vpn, 7u);
    hipti_store_release(&flush_meanwhile->npages, 2u);
    hipti_store_release(&flush_meanwhile->state, generation_meanwhile);
}

Test(cpu, S1_a_record_is_completed_under_its_reader)
{
    unsigned way;

    for (way = 0; way < 2u; way++) {
        struct hipti_space *space;
        uint32_t tag;

        start(1, 8);
        tag = cpus_use(0, asid);
        space = hipti_space_find(&rig.table->shootdown, asid);
        generation_meanwhile = (hipti_fetch_add_release(&space->generation, 2u) + 2u) / 2u;
        flush_meanwhile = &space->flush[generation_meanwhile % HIPTI_FLUSHES];
        (void)hipti_shootdown_dispatch(&rig.table->shootdown, asid);
        step_interrupt("load_acquire",
                       way ? (const volatile void *)&flush_meanwhile->npages
                           : (const volatile void *)&flush_meanwhile->vpn,
                       0, complete_meanwhile);
        cpus_serve(1);
        cr_assert(step_interrupted());
        cr_assert(cpus_told(0, tag, 0, 0), "way %u", way);
        stop();
    }
}

/* S1: a round that ends while another one's record is half written. */
static void ask_meanwhile(void)
{
    (void)hipti_shootdown_dispatch(&rig.table->shootdown, asid);
    cpus_serve(1);
}

Test(cpu, S1_a_record_is_read_half_written)
{
    unsigned skip;

    for (skip = 0; skip < 3u; skip++) {
        uint32_t tag;

        start(1, 8);
        tag = cpus_use(0, asid);
        step_interrupt("store", NULL, skip, ask_meanwhile);
        shoot(asid, 5, 1);
        cr_assert(step_interrupted());
        cr_assert(cpus_told(0, tag, 0, 0), "skip %u", skip);
        cpus_serve(1);
        cr_assert(cpus_told_nothing(0));
        stop();
    }
}

/* S1: two writers of one record, and a reader between the last stores of the first. */
static void overtake_meanwhile(void)
{
    unsigned i;

    for (i = 1; i < HIPTI_FLUSHES; i++) {
        shoot(asid, 100 + i, 1);
    }
    cpus_serve(1);
    cpus.cpu[0].count = 0;
    shoot(asid, 200, 9);
    step_interrupt("store", NULL, 0, ask_meanwhile);
}

Test(cpu, S1_a_record_of_two_writers)
{
    uint32_t tag;

    start(1, 8);
    tag = cpus_use(0, asid);
    step_interrupt("store", NULL, 1, overtake_meanwhile);
    shoot(asid, 5, 1);
    cr_assert(step_interrupted());
    cr_assert(cpus_told(0, tag, 0, 0) || cpus_told(0, tag, 200, 9));
    stop();
}

/* A1: the usual widths: the tag after the last one makes the cache forget all, no earlier one does. */
static void use_one_more_than_tags(unsigned tag_bits)
{
    uint32_t count = UINT32_C(1) << tag_bits;
    uint32_t i;

    cpus_init(&rig);
    rig.config.asid_bits = tag_bits + 1u;
    rig.config.va_bits = 30;
    cr_assert(rig_create(&rig));
    cpus_attach(&rig, 0, tag_bits);
    hipt_cpu_enter(cpu(0));
    for (i = 0; i < count; i++) {
        cr_assert_eq(cpus_use(0, rig_asid(&rig).number), i);
    }
    cr_assert(cpus_told_nothing(0));
    cr_assert_eq(cpus_use(0, rig_asid(&rig).number), 0);
    cr_assert(cpus_told(0, CPUS_EVERYTHING, 0, 0));
    stop();
}

Test(cpu, A1_tags_of_8_bits)
{
    use_one_more_than_tags(8);
}

Test(cpu, A1_tags_of_16_bits)
{
    use_one_more_than_tags(16);
}
