/* SPDX-License-Identifier: MIT */
/*
 * Threads that stand for CPUs: how they learn of what they are asked for, by each delivery. A CPU here has a cache that
 * only counts what it is told to forget.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <criterion/criterion.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <hipt/hipt.h>
#include <hipt/user.h>

#include "shootdown/shootdown.h"
#include "support/host.h"
#include "support/step.h"

#if defined(__SANITIZE_THREAD__)
#define THREAD_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define THREAD_SANITIZED 1
#endif
#endif
#ifndef THREAD_SANITIZED
#define THREAD_SANITIZED 0
#endif

#define VPN 5u
#define ERRNO 12345 /* no system call sets it */

static const struct hipt_range range = {.first = 0, .count = 16};

/* A table of a port, and one mapped page. */
struct world {
    struct hipt_user *user;
    struct hipt_table *table;
    struct hipt_page page;
};

/* A CPU and the thread that stands for it. Field key: the atomic ones, or of that thread. */
struct seated {
    struct world *world;
    uint32_t number;
    struct hipt_cpu cpu;
    pthread_t thread;
    _Atomic unsigned flushes;
    uint64_t said; /* served, as others saw it when the cache forgot last */
    _Atomic bool is_inside;
    _Atomic bool may_go;
    int pipe[2];
    int error;
    ssize_t got;
};

static void count_range(void *ctx, uint32_t tag, uint64_t vpn, uint64_t npages)
{
    struct seated *seated = ctx;

    (void)tag, (void)vpn, (void)npages;
    seated->said = atomic_load(&seated->cpu.line->served);
    atomic_fetch_add(&((struct seated *)ctx)->flushes, 1u);
    errno = 1;
}

static void count_tag(void *ctx, uint32_t tag)
{
    (void)tag;
    atomic_fetch_add(&((struct seated *)ctx)->flushes, 1u);
    errno = 1;
}

static void count_all(void *ctx)
{
    atomic_fetch_add(&((struct seated *)ctx)->flushes, 1u);
    errno = 1;
}

static void table_open(struct world *world)
{
    struct hipt_mapping mapping = {.pfn = 3, .prot = HIPT_READ};
    struct hipt_config config;
    struct hipt_asid asid;

    hipt_config_init(&config);
    config.ops = hipt_user_ops(world->user);
    config.capacity = 100;
    config.asid_bits = 3;
    config.ranges = &range;
    config.nranges = 1;
    config.cpus = 4;
    cr_assert_eq(hipt_table_create(&config, &world->table), HIPT_OK);
    cr_assert_eq(hipt_asid_alloc(world->table, &asid), HIPT_OK);
    world->page = (struct hipt_page){asid.number, 0, VPN};
    mapping.page = world->page;
    cr_assert_eq(hipt_map(world->table, &mapping), HIPT_OK);
}

static void world_open(struct world *world, enum hipt_user_delivery delivery)
{
    cr_assert_eq(hipt_user_create(HIPT_USER_URCU, &world->user), HIPT_OK);
    cr_assert_eq(hipt_user_deliver(world->user, delivery, hipt_cpu_interrupt), HIPT_OK);
    table_open(world);
}

/* A signal that comes late must not cut a system call of the test's own machinery short. */
static void world_close(struct world *world)
{
    sigset_t all;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_BLOCK, &all, NULL);
    hipt_table_destroy(world->table);
    cr_assert_eq(hipt_user_bytes(world->user), 0);
    hipt_user_destroy(world->user);
}

/* Attach the calling thread, be one of the page's CPUs, inside. */
static void sit(struct seated *seated)
{
    struct hipt_cpu_config config = {seated->number, 3, {seated, count_range, count_tag, count_all}};
    uint32_t tag;

    cr_assert_eq(hipt_cpu_attach(seated->world->table, &seated->cpu, &config), HIPT_OK);
    cr_assert_eq(hipt_user_cpu(seated->world->user, &seated->cpu), HIPT_OK);
    hipt_cpu_enter(&seated->cpu);
    cr_assert_eq(hipt_cpu_use(&seated->cpu, seated->world->page.asid, &tag), HIPT_OK);
}

static void stand(struct seated *seated)
{
    hipt_cpu_exit(&seated->cpu);
    cr_assert_eq(hipt_user_cpu(seated->world->user, NULL), HIPT_OK);
    hipt_cpu_detach(&seated->cpu);
}

static void nap(void)
{
    static const struct timespec pause = {.tv_sec = 0, .tv_nsec = 200000};

    (void)nanosleep(&pause, NULL);
}

/*
 * Sleep until somebody writes. ThreadSanitizer holds a signal back while the thread is in read(), and lets it through
 * in a nap; so what that build does not show is that read() is not cut short.
 */
static ssize_t sleep_until_written(int from)
{
    struct pollfd ready = {.fd = from, .events = POLLIN};
    char byte;

    while (THREAD_SANITIZED && poll(&ready, 1, 0) != 1) {
        nap();
        errno = ERRNO; /* poll() and nap() may be interrupted */
    }
    return read(from, &byte, 1);
}

/* Inside, asleep in a system call, and never looking by itself. */
static void *sleeper_main(void *arg)
{
    struct seated *seated = arg;

    sit(seated);
    errno = ERRNO;
    atomic_store(&seated->is_inside, true);
    seated->got = sleep_until_written(seated->pipe[0]);
    seated->error = errno;
    stand(seated);
    return NULL;
}

static void sleeper_start(struct seated *seated, struct world *world, uint32_t number)
{
    memset(seated, 0, sizeof(*seated));
    seated->world = world;
    seated->number = number;
    cr_assert_eq(pipe(seated->pipe), 0);
    cr_assert_eq(pthread_create(&seated->thread, NULL, sleeper_main, seated), 0);
    while (!atomic_load(&seated->is_inside)) {
        nap();
    }
}

static void sleeper_end(struct seated *seated)
{
    cr_assert_eq(write(seated->pipe[1], "x", 1), 1);
    cr_assert_eq(pthread_join(seated->thread, NULL), 0);
    cr_expect_eq(seated->got, 1, "a system call is not cut short");
    cr_expect_eq(seated->error, ERRNO, "errno is as it was");
    close(seated->pipe[0]);
    close(seated->pipe[1]);
}

/* S1: a CPU that does nothing but sleep acknowledges, because it is signalled. */
Test(delivery, S1_a_signal_wakes_who_never_looks)
{
    struct seated sleeper[2];
    struct world world;
    unsigned i;

    world_open(&world, HIPT_USER_SIGNAL);
    sleeper_start(&sleeper[0], &world, 1);
    sleeper_start(&sleeper[1], &world, 3);
    for (i = 1; i <= 3u; i++) {
        cr_expect_eq(hipt_protect(world.table, &world.page, i % 2u ? HIPT_EXEC : HIPT_READ), HIPT_OK);
        cr_expect_eq(atomic_load(&sleeper[0].flushes), i);
        cr_expect_eq(atomic_load(&sleeper[1].flushes), i);
    }
    sleeper_end(&sleeper[0]);
    sleeper_end(&sleeper[1]);
    world_close(&world);
}

/* S1: two tables whose CPUs have one number: a shootdown of the one by the other's CPU signals, too. */
Test(delivery, S1_the_same_number_in_another_table)
{
    struct world world;
    struct world other;
    struct seated sleeper;
    struct seated own = {.world = &other, .number = 2};

    world_open(&world, HIPT_USER_SIGNAL);
    other.user = world.user;
    table_open(&other);
    sleeper_start(&sleeper, &world, 2);
    sit(&own);
    cr_expect_eq(hipt_unmap(world.table, &world.page, NULL), HIPT_OK);
    cr_expect_eq(atomic_load(&sleeper.flushes), 1);
    stand(&own);
    sleeper_end(&sleeper);
    hipt_table_destroy(other.table);
    world_close(&world);
}

/* S1: what is asked for while a translation is in use is served when it is not any more. */
Test(delivery, S1_held_off_while_masked)
{
    struct seated own = {.number = 1};
    struct hipt_gather gather;
    struct world world;

    world_open(&world, HIPT_USER_SIGNAL);
    own.world = &world;
    sit(&own);
    hipt_cpu_mask(&own.cpu);
    cr_assert_eq(hipt_gather_start(&gather, world.table, world.page.asid, HIPT_DEFERRED), HIPT_OK);
    cr_assert_eq(hipt_gather_add(&gather, &world.page, 1, NULL), HIPT_OK);
    hipt_gather_dispatch(&gather);
    hipt_user_ops(world.user)->kick(hipt_user_ops(world.user)->ctx, (uint64_t[]){1u << 1}, 1);
    nap(); /* a system call: the signal has come */
    cr_expect_eq(atomic_load(&own.flushes), 0);
    hipt_cpu_unmask(&own.cpu);
    cr_expect_eq(atomic_load(&own.flushes), 1);
    cr_expect(hipt_gather_poll(&gather));
    cr_expect_eq(hipt_gather_finish(&gather), HIPT_OK);
    stand(&own);
    world_close(&world);
}

/* S1: a CPU forgets before it says so. */
Test(delivery, S1_served_after_the_flush)
{
    struct seated own = {.number = 0};
    struct world world;

    world_open(&world, HIPT_USER_POLL);
    own.world = &world;
    sit(&own);
    cr_assert_eq(hipt_user_cpu(world.user, NULL), HIPT_OK); /* another thread asks */
    hipti_shootdown_add(own.cpu.shootdown, world.page.asid, VPN, 1);
    (void)hipti_shootdown_dispatch(own.cpu.shootdown, world.page.asid);
    cr_expect(hipt_cpu_serve(&own.cpu));
    cr_assert_eq(hipt_user_cpu(world.user, &own.cpu), HIPT_OK);
    cr_expect_eq(atomic_load(&own.flushes), 1);
    cr_expect_eq(own.said, 0);
    cr_expect_eq(atomic_load(&own.cpu.line->served), 1);
    stand(&own);
    world_close(&world);
}

static struct seated *late_cpu;

static void ask_late(void)
{
    hipti_shootdown_add(late_cpu->cpu.shootdown, late_cpu->world->page.asid, VPN, 1);
    (void)hipti_shootdown_dispatch(late_cpu->cpu.shootdown, late_cpu->world->page.asid);
    hipt_cpu_interrupt(&late_cpu->cpu); /* as the signal would */
}

/* S1: an interrupt that comes while the CPU serves, after its look, is not lost. */
Test(delivery, S1_an_interrupt_while_it_serves)
{
    struct seated own = {.number = 0};
    struct world world;

    world_open(&world, HIPT_USER_POLL);
    own.world = &world;
    late_cpu = &own;
    sit(&own);
    cr_assert_eq(hipt_user_cpu(world.user, NULL), HIPT_OK); /* another thread asks */
    hipti_shootdown_add(own.cpu.shootdown, world.page.asid, VPN, 1);
    (void)hipti_shootdown_dispatch(own.cpu.shootdown, world.page.asid);
    cr_assert_eq(hipt_user_cpu(world.user, &own.cpu), HIPT_OK);
    step_interrupt("store_release", &own.cpu.line->served, 0, ask_late);
    cr_expect(hipt_cpu_serve(&own.cpu));
    cr_expect(step_interrupted());
    cr_expect_eq(atomic_load(&own.flushes), 2);
    cr_expect_eq(atomic_load(&own.cpu.line->served), 2);
    stand(&own);
    world_close(&world);
}

/* S1: nor is one that comes while the CPU joins an asid. */
Test(delivery, S1_an_interrupt_while_it_joins)
{
    struct seated own = {.number = 0};
    struct hipt_asid second;
    struct world world;
    uint32_t tag;

    world_open(&world, HIPT_USER_POLL);
    own.world = &world;
    late_cpu = &own;
    sit(&own);
    cr_assert_eq(hipt_asid_alloc(world.table, &second), HIPT_OK);
    step_interrupt("fetch_or", NULL, 0, ask_late);
    cr_expect_eq(hipt_cpu_use(&own.cpu, second.number, &tag), HIPT_OK);
    cr_expect(step_interrupted());
    cr_expect_eq(atomic_load(&own.cpu.line->served), 1);
    stand(&own);
    world_close(&world);
}

static struct hipt_gather *late_gather;

static void finish_late(void)
{
    cr_expect(hipt_gather_poll(late_gather));
    cr_expect_eq(hipt_gather_finish(late_gather), HIPT_OK);
}

/* S1: a gather for which all have acknowledged stays so, also when one that was outside comes in again. */
Test(delivery, S1_a_poll_that_was_true_stays_true)
{
    struct seated own = {.number = 0};
    struct hipt_gather gather;
    struct world world;

    world_open(&world, HIPT_USER_POLL);
    own.world = &world;
    late_gather = &gather;
    sit(&own);
    cr_assert_eq(hipt_user_cpu(world.user, NULL), HIPT_OK); /* another thread would poll */
    hipt_cpu_exit(&own.cpu);
    cr_assert_eq(hipt_gather_start(&gather, world.table, world.page.asid, HIPT_DEFERRED), HIPT_OK);
    cr_assert_eq(hipt_gather_add(&gather, &world.page, 1, NULL), HIPT_OK);
    hipt_gather_dispatch(&gather);
    cr_expect(hipt_gather_poll(&gather));
    step_interrupt("load_seq_cst", &own.cpu.line->posted, 0, finish_late);
    hipt_cpu_enter(&own.cpu);
    cr_expect(step_interrupted());
    cr_expect_eq(atomic_load(&own.cpu.line->served), 1);
    stand(&own);
    world_close(&world);
}

/*
 * What a thread that kicks all the time does to one that comes and goes. Real-time signals queue: one that kicked
 * faster than the other's handler returns would let it do nothing else, for ever.
 */
struct storm {
    const struct hipt_ops *ops;
    _Atomic bool is_over;
    _Atomic uint64_t allowed; /* so many kicks */
    _Atomic uint64_t kicks;
};

static void *storm_main(void *arg)
{
    static const uint64_t all = 15;
    struct storm *storm = arg;

    while (!atomic_load(&storm->is_over)) {
        if (atomic_load(&storm->kicks) < atomic_load(&storm->allowed)) {
            storm->ops->kick(storm->ops->ctx, &all, 1);
            atomic_fetch_add(&storm->kicks, 1u);
        } else {
            sched_yield();
        }
    }
    return NULL;
}

/* => whether some real-time signal is blocked. */
static bool is_blocked(void)
{
    sigset_t set;
    bool blocked = false;
    int number;

    cr_assert_eq(pthread_sigmask(SIG_BLOCK, NULL, &set), 0);
    for (number = SIGRTMIN; number <= SIGRTMAX; number++) {
        blocked = blocked || sigismember(&set, number) == 1;
    }
    return blocked;
}

/* The port's signal, to a thread that stands for no CPU any more. */
static void raise_late(void)
{
    struct sigaction action;
    int number = SIGRTMAX + 1;

    do {
        number--;
        cr_assert_geq(number, SIGRTMIN, "the port has no signal");
        cr_assert_eq(sigaction(number, NULL, &action), 0);
    } while (action.sa_handler == SIG_DFL);
    cr_assert_eq(raise(number), 0);
}

/* A thread that comes and goes under signals is not hurt, and its signals are let in only while it stands for a CPU. */
Test(delivery, signals_that_come_late)
{
    struct seated own = {.number = 2};
    struct storm storm = {.is_over = false};
    struct world world;
    pthread_t thread;
    sigset_t all;
    unsigned i;

    world_open(&world, HIPT_USER_SIGNAL);
    own.world = &world;
    storm.ops = hipt_user_ops(world.user);
    cr_assert_eq(pthread_create(&thread, NULL, storm_main, &storm), 0);
    sigfillset(&all);
    for (i = 0; i < 3000u; i++) {
        cr_assert_eq(pthread_sigmask(i % 2u ? SIG_BLOCK : SIG_UNBLOCK, &all, NULL), 0);
        atomic_fetch_add(&storm.allowed, 16u);
        while (atomic_load(&storm.kicks) + 64u < atomic_load(&storm.allowed)) {
            sched_yield();
        }
        sit(&own);
        cr_assert_not(is_blocked() && i % 2u == 0);
        stand(&own);
        cr_assert_eq(is_blocked(), i % 2u == 1u);
    }
    cr_assert_eq(pthread_sigmask(SIG_UNBLOCK, &all, NULL), 0);
    atomic_store(&storm.is_over, true);
    cr_assert_eq(pthread_join(thread, NULL), 0);
    raise_late();
    world_close(&world);
}

/* S1: also where the program had the signal blocked: a CPU that does not hear would be waited for for ever. */
static void *deaf_main(void *arg)
{
    sigset_t all;

    sigfillset(&all);
    (void)pthread_sigmask(SIG_BLOCK, &all, NULL);
    return sleeper_main(arg);
}

Test(delivery, S1_a_thread_with_all_signals_blocked)
{
    struct seated sleeper = {.number = 1};
    struct world world;

    world_open(&world, HIPT_USER_SIGNAL);
    sleeper.world = &world;
    cr_assert_eq(pipe(sleeper.pipe), 0);
    cr_assert_eq(pthread_create(&sleeper.thread, NULL, deaf_main, &sleeper), 0);
    while (!atomic_load(&sleeper.is_inside)) {
        nap();
    }
    cr_expect_eq(hipt_unmap(world.table, &world.page, NULL), HIPT_OK);
    sleeper_end(&sleeper);
    world_close(&world);
}

/* Comes inside for each access, and looks there. */
static void *visitor_main(void *arg)
{
    struct seated *seated = arg;
    uint32_t tag;

    sit(seated);
    atomic_store(&seated->is_inside, true);
    while (!atomic_load(&seated->may_go)) {
        hipt_cpu_exit(&seated->cpu);
        hipt_cpu_enter(&seated->cpu);
        cr_assert_eq(hipt_cpu_use(&seated->cpu, seated->world->page.asid, &tag), HIPT_OK);
    }
    stand(seated);
    return NULL;
}

/* S1: what each delivery has set, and that an unmap comes to its end by it. */
static void expect_unmaps(enum hipt_user_delivery delivery)
{
    struct seated visitor = {.number = 0};
    struct hipt_mapping mapping = {.pfn = 3, .prot = HIPT_READ};
    struct world world;
    unsigned i;

    world_open(&world, delivery);
    cr_expect_eq(hipt_user_ops(world.user)->kick != NULL, delivery == HIPT_USER_SIGNAL);
    cr_expect_eq(hipt_user_ops(world.user)->barrier != NULL, delivery == HIPT_USER_MEMBARRIER);
    mapping.page = world.page;
    visitor.world = &world;
    cr_assert_eq(hipt_frame_pin(world.table, (struct hipt_frame){.pfn = 3}), HIPT_OK);
    cr_assert_eq(pthread_create(&visitor.thread, NULL, visitor_main, &visitor), 0);
    while (!atomic_load(&visitor.is_inside)) {
        nap();
    }
    for (i = 0; i < 200u; i++) {
        cr_assert_eq(hipt_unmap(world.table, &world.page, NULL), HIPT_OK);
        while (hipt_map(world.table, &mapping) != HIPT_OK) {
            nap();
        }
    }
    atomic_store(&visitor.may_go, true);
    cr_assert_eq(pthread_join(visitor.thread, NULL), 0);
    cr_expect_gt(atomic_load(&visitor.flushes), 0);
    world_close(&world);
}

Test(delivery, S1_each_delivery)
{
    expect_unmaps(HIPT_USER_POLL);
    expect_unmaps(HIPT_USER_SIGNAL);
    expect_unmaps(HIPT_USER_MEMBARRIER);
    test_no_leak();
}

Test(delivery, what_is_refused)
{
    struct hipt_user *user;

    cr_assert_eq(hipt_user_create(HIPT_USER_URCU, &user), HIPT_OK);
    cr_expect_eq(hipt_user_deliver(user, (enum hipt_user_delivery)3, hipt_cpu_interrupt), HIPT_BAD_MODE);
    cr_expect_eq(hipt_user_deliver(user, HIPT_USER_SIGNAL, NULL), HIPT_BAD_MODE);
    cr_expect_null(hipt_user_ops(user)->kick);
    hipt_user_destroy(user);
}

/* More threads than there are places: one thread that stands up takes none away. */
Test(delivery, places_come_back)
{
    struct hipt_cpu cpu = {.number = 7};
    struct hipt_user *user;
    unsigned i;

    cr_assert_eq(hipt_user_create(HIPT_USER_URCU, &user), HIPT_OK);
    cr_assert_eq(hipt_user_deliver(user, HIPT_USER_SIGNAL, hipt_cpu_interrupt), HIPT_OK);
    for (i = 0; i < 3u * HIPT_CPUS_MAX; i++) {
        cr_assert_eq(hipt_user_cpu(user, &cpu), HIPT_OK);
        cr_assert_eq(hipt_user_ops(user)->this_cpu(NULL), &cpu);
    }
    cr_assert_eq(hipt_user_cpu(user, NULL), HIPT_OK);
    cr_assert_null(hipt_user_ops(user)->this_cpu(NULL));
    hipt_user_destroy(user);
}

/* A port with all its places taken by threads that stay. */
struct crowd {
    struct hipt_user *user;
    pthread_barrier_t seated;
    pthread_barrier_t over;
};

static void *crowd_main(void *arg)
{
    struct hipt_cpu cpu = {.number = 0};
    struct crowd *crowd = arg;

    cr_assert_eq(hipt_user_cpu(crowd->user, &cpu), HIPT_OK);
    pthread_barrier_wait(&crowd->seated);
    pthread_barrier_wait(&crowd->over);
    cr_assert_eq(hipt_user_cpu(crowd->user, NULL), HIPT_OK);
    return NULL;
}

Test(delivery, places_are_all_taken)
{
    static pthread_t thread[HIPT_CPUS_MAX];
    struct hipt_cpu cpu = {.number = 0};
    struct crowd crowd;
    pthread_attr_t small;
    unsigned i;

    cr_assert_eq(hipt_user_create(HIPT_USER_URCU, &crowd.user), HIPT_OK);
    cr_assert_eq(hipt_user_deliver(crowd.user, HIPT_USER_SIGNAL, hipt_cpu_interrupt), HIPT_OK);
    pthread_barrier_init(&crowd.seated, NULL, HIPT_CPUS_MAX + 1u);
    pthread_barrier_init(&crowd.over, NULL, HIPT_CPUS_MAX + 1u);
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 256 * 1024);
    for (i = 0; i < HIPT_CPUS_MAX; i++) {
        cr_assert_eq(pthread_create(&thread[i], &small, crowd_main, &crowd), 0);
    }
    pthread_barrier_wait(&crowd.seated);
    cr_expect_eq(hipt_user_cpu(crowd.user, &cpu), HIPT_FULL);
    cr_expect_null(hipt_user_ops(crowd.user)->this_cpu(NULL));
    cr_expect_not(is_blocked());
    pthread_barrier_wait(&crowd.over);
    for (i = 0; i < HIPT_CPUS_MAX; i++) {
        pthread_join(thread[i], NULL);
    }
    cr_expect_eq(hipt_user_cpu(crowd.user, &cpu), HIPT_OK);
    cr_expect_eq(hipt_user_cpu(crowd.user, NULL), HIPT_OK);
    hipt_user_destroy(crowd.user);
}

/* The clock goes on, in nanoseconds; a wait gives others the processor; a CPU that does not answer is named. */
Test(delivery, clock_relax_slow)
{
    const struct hipt_ops *ops;
    struct hipt_user *user;
    char line[200] = "";
    uint64_t before;
    FILE *file;
    int saved;
    unsigned i;

    cr_assert_eq(hipt_user_create(HIPT_USER_URCU, &user), HIPT_OK);
    ops = hipt_user_ops(user);
    before = ops->clock(ops->ctx);
    for (i = 0; i < 100u; i++) {
        ops->relax(ops->ctx);
        nap();
    }
    cr_expect_geq(ops->clock(ops->ctx) - before, 100u * 200000u);
    cr_expect_lt(ops->clock(ops->ctx) - before, UINT64_C(60000000000));
    file = tmpfile();
    cr_assert_not_null(file);
    saved = dup(2);
    (void)dup2(fileno(file), 2);
    ops->slow(ops->ctx, 77, 901, 345);
    (void)dup2(saved, 2);
    rewind(file);
    cr_expect_not_null(fgets(line, sizeof(line), file));
    cr_expect(strstr(line, "77") && strstr(line, "901") && strstr(line, "345"), "%s", line);
    (void)fclose(file);
    close(saved);
    hipt_user_destroy(user);
}
