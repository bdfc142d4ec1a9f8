/* SPDX-License-Identifier: MIT */
/*
 * What read sides and grace periods cost: each flavour of liburcu, Concurrency Kit's ck_epoch, and the hooks of the
 * user-space port that are built on them. Two figures for each:
 *
 *   pair         ns for one read_enter and read_exit, one pinned thread, called through pointers as a table calls them
 *   synchronize  us for one grace period, asked for by one thread, with 0, 1 and 2 threads entering and leaving,
 *                and with one that sleeps inside each of its sections for 1 ms
 *
 * Pairs are timed in processor time of the thread, so that other programs cost them less; grace periods by the clock,
 * with a pause before each. Rounds visit every flavour in turn; a figure is the median over the rounds, for synchronize
 * over all grace periods. A flavour whose threads must register does it as an embedded library has to: on the first
 * entry, guarded by a thread-local flag. The qsbr flavour has no sections: its enter and exit are empty, and what it
 * asks for instead, a quiescent report from every registered thread, is timed as "report".
 *
 * usage: grace_flavours [--json] [--rounds N]
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <ck_epoch.h>
#include <urcu/urcu-bp.h>
#include <urcu/urcu-mb.h>
#include <urcu/urcu-memb.h>
#include <urcu/urcu-qsbr.h>

#include <hipt/user.h>

#define READERS_MAX 2
#define LOADS (READERS_MAX + 2) /* 0 to READERS_MAX readers, then a slow one */
#define SLOW_NS 1000000
#define PAUSE_NS 100000 /* so that readers are on their way again */
#define ROUNDS_MAX 101
#define SAMPLES_ROUND 64         /* grace periods of one visit, unless they fill VISIT_NS first */
#define VISIT_NS 60000000u       /* a flavour whose grace periods take 10 ms still gets six samples a visit */
#define PAIRS 1000000u           /* pairs of one visit */
#define SECTION_STEPS 32         /* what a reader does inside a section: about 30 ns */

struct flavour {
    const char *name;
    void (*enter)(void *ctx);
    void (*exit)(void *ctx);
    void (*report)(void); /* quiescent report, where the flavour asks for one */
    void (*leave)(void);  /* a reader thread's farewell, where it cannot be left to the library */
    void (*synchronize)(void *ctx);
    void *ctx;
};

/* Each figure's samples. */
struct samples {
    double *value;
    size_t count;
    size_t room;
};

struct result {
    struct samples pair;
    struct samples report;
    struct samples synchronize[LOADS];
};

struct reader {
    const struct flavour *flavour;
    atomic_bool *stop;
    atomic_uint *ready;
    bool slow;
};

/* Flavours. */

static void none_enter(void *ctx)
{
    (void)ctx;
}

static _Thread_local bool memb_known;

static void memb_enter(void *ctx)
{
    (void)ctx;
    if (!memb_known) {
        urcu_memb_register_thread();
        memb_known = true;
    }
    urcu_memb_read_lock();
}

static void memb_exit(void *ctx)
{
    (void)ctx;
    urcu_memb_read_unlock();
}

static void memb_leave(void)
{
    if (memb_known) {
        urcu_memb_unregister_thread();
        memb_known = false;
    }
}

static void memb_synchronize(void *ctx)
{
    (void)ctx;
    urcu_memb_synchronize_rcu();
}

static _Thread_local bool mb_known;

static void mb_enter(void *ctx)
{
    (void)ctx;
    if (!mb_known) {
        urcu_mb_register_thread();
        mb_known = true;
    }
    urcu_mb_read_lock();
}

static void mb_exit(void *ctx)
{
    (void)ctx;
    urcu_mb_read_unlock();
}

static void mb_leave(void)
{
    if (mb_known) {
        urcu_mb_unregister_thread();
        mb_known = false;
    }
}

static void mb_synchronize(void *ctx)
{
    (void)ctx;
    urcu_mb_synchronize_rcu();
}

static void bp_enter(void *ctx)
{
    (void)ctx;
    urcu_bp_read_lock();
}

static void bp_exit(void *ctx)
{
    (void)ctx;
    urcu_bp_read_unlock();
}

static void bp_synchronize(void *ctx)
{
    (void)ctx;
    urcu_bp_synchronize_rcu();
}

static _Thread_local bool qsbr_known;

static void qsbr_report(void)
{
    if (!qsbr_known) {
        urcu_qsbr_register_thread();
        qsbr_known = true;
    }
    urcu_qsbr_quiescent_state();
}

static void qsbr_leave(void)
{
    if (qsbr_known) {
        urcu_qsbr_unregister_thread();
        qsbr_known = false;
    }
}

static void qsbr_synchronize(void *ctx)
{
    (void)ctx;
    urcu_qsbr_synchronize_rcu();
}

static ck_epoch_t epoch;
static ck_epoch_record_t records[READERS_MAX + 1];
static atomic_uint records_used;
static _Thread_local ck_epoch_record_t *record;

static void ck_enter(void *ctx)
{
    (void)ctx;
    if (record == NULL) {
        record = ck_epoch_recycle(&epoch, NULL);
        if (record == NULL) {
            record = &records[atomic_fetch_add(&records_used, 1)];
            ck_epoch_register(&epoch, record, NULL);
        }
    }
    ck_epoch_begin(record, NULL);
}

static void ck_exit(void *ctx)
{
    (void)ctx;
    (void)ck_epoch_end(record, NULL);
}

static void ck_leave(void)
{
    if (record != NULL) {
        ck_epoch_unregister(record);
        record = NULL;
    }
}

static void ck_synchronize(void *ctx)
{
    (void)ctx;
    ck_epoch_synchronize_wait(&epoch, NULL, NULL);
}

static void port_synchronize(void *ctx)
{
    const struct hipt_ops *ops = ctx;

    ops->gp_wait(ops->ctx, ops->gp_start(ops->ctx));
}

static struct flavour flavours[] = {
    {.name = "empty", .enter = none_enter, .exit = none_enter},
    {.name = "memb", .enter = memb_enter, .exit = memb_exit, .leave = memb_leave, .synchronize = memb_synchronize},
    {.name = "mb", .enter = mb_enter, .exit = mb_exit, .leave = mb_leave, .synchronize = mb_synchronize},
    {.name = "bp", .enter = bp_enter, .exit = bp_exit, .synchronize = bp_synchronize},
    {.name = "qsbr", .enter = none_enter, .exit = none_enter, .report = qsbr_report, .leave = qsbr_leave,
     .synchronize = qsbr_synchronize},
    {.name = "ck_epoch", .enter = ck_enter, .exit = ck_exit, .leave = ck_leave, .synchronize = ck_synchronize},
    {.name = "port/urcu"},
    {.name = "port/ck"},
};

#define FLAVOURS (sizeof(flavours) / sizeof(flavours[0]))

/* Measuring. */

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void samples_add(struct samples *samples, double value)
{
    if (samples->count == samples->room) {
        samples->room = samples->room == 0 ? 256 : samples->room * 2;
        samples->value = realloc(samples->value, samples->room * sizeof(*samples->value));
        if (samples->value == NULL) {
            perror("grace_flavours");
            exit(1);
        }
    }
    samples->value[samples->count++] = value;
}

static int compare(const void *left, const void *right)
{
    double a = *(const double *)left;
    double b = *(const double *)right;

    return (a > b) - (a < b);
}

/* The samples must be sorted. */
static double quantile(const struct samples *samples, unsigned percent)
{
    return samples->value[(samples->count - 1) * percent / 100];
}

static void measure_pair(const struct flavour *f, struct result *result)
{
    /* volatile: the calls stay indirect, as a table's through its hooks are. */
    void (*volatile enter)(void *) = f->enter;
    void (*volatile leave)(void *) = f->exit;
    uint64_t start;

    for (unsigned warm = 0; warm < PAIRS / 10; warm++) {
        enter(f->ctx);
        leave(f->ctx);
    }
    start = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    for (unsigned n = 0; n < PAIRS; n++) {
        enter(f->ctx);
        leave(f->ctx);
    }
    samples_add(&result->pair, (double)(clock_ns(CLOCK_THREAD_CPUTIME_ID) - start) / PAIRS);
    if (f->report != NULL) {
        start = clock_ns(CLOCK_THREAD_CPUTIME_ID);
        for (unsigned n = 0; n < PAIRS; n++) {
            f->report();
        }
        samples_add(&result->report, (double)(clock_ns(CLOCK_THREAD_CPUTIME_ID) - start) / PAIRS);
    }
    if (f->leave != NULL) {
        f->leave();
    }
}

static void *reader_main(void *arg)
{
    static const struct timespec nap = {.tv_sec = 0, .tv_nsec = SLOW_NS};
    const struct reader *reader = arg;
    const struct flavour *f = reader->flavour;
    volatile unsigned work = 0;
    bool announced = false;

    while (!atomic_load_explicit(reader->stop, memory_order_relaxed)) {
        f->enter(f->ctx);
        for (unsigned n = 0; n < SECTION_STEPS; n++) {
            work = work + 1;
        }
        if (reader->slow) {
            (void)nanosleep(&nap, NULL);
        }
        f->exit(f->ctx);
        if (f->report != NULL) {
            f->report();
        }
        if (!announced) {
            atomic_fetch_add(reader->ready, 1);
            announced = true;
        }
    }
    if (f->leave != NULL) {
        f->leave();
    }
    return NULL;
}

/* @load is a number of readers, or READERS_MAX + 1 for the slow one. */
static void measure_synchronize(const struct flavour *f, unsigned load, struct samples *samples)
{
    static const struct timespec pause = {.tv_sec = 0, .tv_nsec = PAUSE_NS};
    bool slow = load > READERS_MAX;
    unsigned readers = slow ? 1 : load;
    pthread_t threads[READERS_MAX];
    atomic_bool stop = false;
    atomic_uint ready = 0;
    struct reader reader = {.flavour = f, .stop = &stop, .ready = &ready, .slow = slow};
    uint64_t first;

    for (unsigned n = 0; n < readers; n++) {
        if (pthread_create(&threads[n], NULL, reader_main, &reader) != 0) {
            fprintf(stderr, "grace_flavours: cannot start a thread\n");
            exit(1);
        }
    }
    while (atomic_load(&ready) < readers) {
        sched_yield();
    }
    first = clock_ns(CLOCK_MONOTONIC);
    for (unsigned n = 0; n < SAMPLES_ROUND && clock_ns(CLOCK_MONOTONIC) - first < VISIT_NS; n++) {
        uint64_t start;

        (void)nanosleep(&pause, NULL);
        start = clock_ns(CLOCK_MONOTONIC);
        f->synchronize(f->ctx);
        samples_add(samples, (double)(clock_ns(CLOCK_MONOTONIC) - start) / 1000.0);
    }
    atomic_store(&stop, true);
    for (unsigned n = 0; n < readers; n++) {
        pthread_join(threads[n], NULL);
    }
}

static void pin(size_t cpu, cpu_set_t *before)
{
    cpu_set_t one;

    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    sched_getaffinity(0, sizeof(*before), before);
    sched_setaffinity(0, sizeof(one), &one);
}

static void measure(struct result *results, unsigned rounds)
{
    for (unsigned round = 0; round < rounds; round++) {
        for (size_t i = 0; i < FLAVOURS; i++) {
            cpu_set_t before;

            pin((size_t)sched_getcpu(), &before);
            measure_pair(&flavours[i], &results[i]);
            sched_setaffinity(0, sizeof(before), &before);
            for (unsigned load = 0; flavours[i].synchronize != NULL && load < LOADS; load++) {
                measure_synchronize(&flavours[i], load, &results[i].synchronize[load]);
            }
        }
    }
}

/* Reporting. */

static void samples_sort(struct samples *samples)
{
    if (samples->count != 0) {
        qsort(samples->value, samples->count, sizeof(*samples->value), compare);
    }
}

static void print_json(const char *flavour, const char *what, const char *unit, const struct samples *s)
{
    if (s->count != 0) {
        printf("{\"bench\":\"grace_flavours\",\"flavour\":\"%s\",\"what\":\"%s\",\"unit\":\"%s\",\"samples\":%zu,"
               "\"median\":%.3f,\"q1\":%.3f,\"q3\":%.3f,\"p99\":%.3f}\n",
               flavour, what, unit, s->count, quantile(s, 50), quantile(s, 25), quantile(s, 75), quantile(s, 99));
    }
}

static void print_cell(const struct samples *s)
{
    if (s->count == 0) {
        printf(" | %26s", "-");
    } else {
        printf(" | %8.2f %8.2f %8.2f", quantile(s, 50), quantile(s, 25), quantile(s, 75));
    }
}

static void print_table(struct result *results, unsigned rounds)
{
    printf("%u rounds; pair and report in ns, synchronize in us; each: median, lower and upper quartile\n", rounds);
    printf("%-9s | %26s | %26s | %26s | %26s | %26s | %26s\n", "flavour", "pair", "report", "synchronize, 0 readers",
           "1 reader", "2 readers", "1 slow reader");
    for (size_t i = 0; i < FLAVOURS; i++) {
        printf("%-9s", flavours[i].name);
        print_cell(&results[i].pair);
        print_cell(&results[i].report);
        for (unsigned load = 0; load < LOADS; load++) {
            print_cell(&results[i].synchronize[load]);
        }
        printf("\n");
    }
}

static void print_all_json(struct result *results)
{
    static const char *const names[LOADS] = {"synchronize_0", "synchronize_1", "synchronize_2", "synchronize_slow"};

    for (size_t i = 0; i < FLAVOURS; i++) {
        print_json(flavours[i].name, "pair", "ns", &results[i].pair);
        print_json(flavours[i].name, "report", "ns", &results[i].report);
        for (unsigned load = 0; load < LOADS; load++) {
            print_json(flavours[i].name, names[load], "us", &results[i].synchronize[load]);
        }
    }
}

static void result_sort(struct result *result)
{
    samples_sort(&result->pair);
    samples_sort(&result->report);
    for (unsigned load = 0; load < LOADS; load++) {
        samples_sort(&result->synchronize[load]);
    }
}

static void result_free(struct result *result)
{
    free(result->pair.value);
    free(result->report.value);
    for (unsigned load = 0; load < LOADS; load++) {
        free(result->synchronize[load].value);
    }
}

static void use_port(struct flavour *f, const struct hipt_user *user, struct hipt_ops *ops)
{
    *ops = *hipt_user_ops(user);
    f->enter = ops->read_enter;
    f->exit = ops->read_exit;
    f->synchronize = port_synchronize;
    f->ctx = ops;
}

static bool parse(int argc, char **argv, bool *json, unsigned *rounds)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            *json = true;
        } else if (strcmp(argv[i], "--rounds") == 0 && i + 1 < argc) {
            *rounds = (unsigned)strtoul(argv[++i], NULL, 10);
        } else {
            return false;
        }
    }
    return *rounds >= 1 && *rounds <= ROUNDS_MAX;
}

int main(int argc, char **argv)
{
    static struct result results[FLAVOURS];
    struct hipt_user *urcu = NULL;
    struct hipt_user *ck = NULL;
    struct hipt_ops ops[2];
    bool json = false;
    unsigned rounds = 11;

    if (!parse(argc, argv, &json, &rounds)) {
        fprintf(stderr, "usage: grace_flavours [--json] [--rounds 1..%d]\n", ROUNDS_MAX);
        return 2;
    }
    ck_epoch_init(&epoch);
    if (hipt_user_create(HIPT_USER_URCU, &urcu) != HIPT_OK || hipt_user_create(HIPT_USER_CK, &ck) != HIPT_OK) {
        fprintf(stderr, "grace_flavours: no memory\n");
        return 1;
    }
    use_port(&flavours[FLAVOURS - 2], urcu, &ops[0]);
    use_port(&flavours[FLAVOURS - 1], ck, &ops[1]);
    measure(results, rounds);
    for (size_t i = 0; i < FLAVOURS; i++) {
        result_sort(&results[i]);
    }
    if (json) {
        print_all_json(results);
    } else {
        print_table(results, rounds);
    }
    for (size_t i = 0; i < FLAVOURS; i++) {
        result_free(&results[i]);
    }
    hipt_user_destroy(ck);
    hipt_user_destroy(urcu);
    return 0;
}
