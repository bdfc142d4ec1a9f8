/* SPDX-License-Identifier: MIT */
/* Threads of the test: one bound to each CPU, which is a CPU of the table's too, and roaming ones. */
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/percpu.h>
#include <linux/processor.h>
#include <linux/sched.h>
#include <linux/smpboot.h>
#include <linux/topology.h>

#include "test.h"

#define IDLE_TURNS 20000u /* at most */

static struct test *the_test;
static DEFINE_PER_CPU(struct worker *, workers); /* while the CPU is online */
static DEFINE_PER_CPU(struct task_struct *, thread);

/* A linear congruential generator of 64 bits, of which the upper ones are used. */
u32 draw(struct worker *worker, u32 below)
{
    worker->random = worker->random * 6364136223846793005u + 1442695040888963407u;
    return (u32)((worker->random >> 32) * below >> 32);
}

void spin(struct worker *worker, u32 below)
{
    u32 turns = draw(worker, below);

    while (turns-- > 0) {
        cpu_relax();
    }
}

/*
 * Now and then a CPU is outside for a while: nobody kicks it, and it looks at what it missed when it comes back. It
 * must not sleep: when its CPU goes offline, what runs timers on PREEMPT_RT is stopped before our thread is.
 */
static void be_idle(struct worker *worker)
{
    tlb_exit(&worker->tlb);
    spin(worker, IDLE_TURNS);
    tlb_enter(&worker->tlb);
}

static struct worker *worker_get(struct test *test, unsigned number, int node)
{
    const struct hipt_ops *ops = &test->port.ops;
    struct worker *worker = ops->alloc(ops->ctx, sizeof(*worker), SMP_CACHE_BYTES, node, true);

    if (worker) {
        worker->test = test;
        worker->number = number;
        worker->random = test->seed + number * 0x9e3779b97f4a7c15u;
    }
    return worker;
}

static void worker_put(struct worker *worker)
{
    struct test *test = worker->test;
    const u64 *count = (const u64 *)&worker->counts;
    u64 *total = (u64 *)&test->total;
    unsigned i;

    worker->counts.hits = worker->tlb.hits;
    worker->counts.walks = worker->tlb.walks;
    worker->counts.flushes = worker->tlb.flushes;
    spin_lock(&test->total_lock);
    for (i = 0; i < COUNTS; i++) {
        total[i] += count[i];
    }
    spin_unlock(&test->total_lock);
    test->port.ops.free(test->port.ops.ctx, worker, sizeof(*worker));
}

/* --- threads of CPUs: they begin and are stopped by the kernel when a CPU comes or goes, on that CPU */

static void come(unsigned number)
{
    struct worker *worker = worker_get(the_test, number, cpu_to_node((int)number));

    if (worker && tlb_online(&worker->tlb, &the_test->port, the_test->table, 2u + number % 2u) != HIPT_OK) {
        worker_put(worker);
        worker = NULL;
    }
    if (!worker) {
        struct finding finding = {.cpu = number, .status = HIPT_NOMEM};

        break_test(the_test, BROKEN_VERB, &finding);
    } else if (!the_test->no_kick) {
        tlb_enter(&worker->tlb);
    }
    __this_cpu_write(workers, worker);
    atomic_inc(&the_test->arrivals);
}

static void go(unsigned number)
{
    struct worker *worker = per_cpu(workers, number);

    if (!worker) {
        return;
    }
    per_cpu(workers, number) = NULL;
    if (!the_test->no_kick) {
        tlb_exit(&worker->tlb);
    }
    tlb_offline(&worker->tlb, &the_test->port);
    worker_put(worker);
}

static void go_for_ever(unsigned number, bool is_online)
{
    go(number);
}

static int should_run(unsigned number)
{
    return per_cpu(workers, number) && !is_broken(the_test);
}

static void run(unsigned number)
{
    struct worker *worker = per_cpu(workers, number);

    step(worker);
    cond_resched();
    if (!worker->test->no_kick && draw(worker, 64) == 0) {
        be_idle(worker);
    }
}

static struct smp_hotplug_thread threads = {
    .store = &thread,
    .thread_should_run = should_run,
    .thread_fn = run,
    .setup = come,
    .unpark = come,
    .park = go,
    .cleanup = go_for_ever,
    .thread_comm = "hipt/%u",
};

int workers_start(struct test *test)
{
    the_test = test;
    return smpboot_register_percpu_thread(&threads);
}

void workers_stop(void)
{
    smpboot_unregister_percpu_thread(&threads);
}

/* --- a thread that is on no CPU for long */

static int roam(void *argument)
{
    struct worker *worker = argument;

    while (!kthread_should_stop()) {
        if (is_broken(worker->test)) {
            usleep_range(1000, 2000);
        } else {
            step(worker);
        }
        cond_resched();
    }
    return 0;
}

struct worker *roamer_start(struct test *test)
{
    struct worker *worker = worker_get(test, nr_cpu_ids, HIPT_ANY_NODE);

    if (worker) {
        worker->is_roaming = true;
        worker->task = kthread_run(roam, worker, "hipt/roamer");
        if (IS_ERR(worker->task)) {
            worker_put(worker);
            worker = NULL;
        }
    }
    return worker;
}

void roamer_stop(struct worker *worker)
{
    (void)kthread_stop(worker->task);
    worker_put(worker);
}
