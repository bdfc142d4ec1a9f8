/* SPDX-License-Identifier: MIT */
#include "hipt_linux.h"

#include <linux/cpumask.h>
#include <linux/gfp.h>
#include <linux/interrupt.h>
#include <linux/irq_work.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/random.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/timekeeping.h>
#include <linux/topology.h>

/* The direct map has large pages, so long blocks win nothing; beyond this order the kernel has to look for them. */
#define BLOCK_MAX (PAGE_SIZE << PAGE_ALLOC_COSTLY_ORDER)

/* Field key: port constant, pending atomic, call and work the kernel's; the rest is the CPU's own. */
struct hipt_linux_cpu {
    struct hipt_linux *port;
    struct hipt_cpu *record;  /* NULL: none is attached */
    cpumask_var_t set;        /* whom its kick goes to, while it cannot be preempted */
    u64 interrupts;
    u64 singles;              /* of them, those for it alone */
    atomic_t pending;         /* .call is on its way to the CPU */
    call_single_data_t call;  /* a kick from where interrupts are off */
    struct irq_work work;     /* the same from the CPU itself */
};

/* A block that waits to be given back. The smallest that is asked for has a cache line. */
struct later {
    struct llist_node node;
    size_t bytes;
};

/* --- memory */

/*
 * Where the kernel's allocators may be called. On PREEMPT_RT their locks sleep, whatever the flags say; elsewhere they
 * only must not be interrupted by themselves.
 */
static bool allocators_work(void)
{
    return IS_ENABLED(CONFIG_PREEMPT_RT) ? preemptible() : !in_nmi();
}

/* Up to a page from the slabs, which align powers of two to themselves. */
static void *block_get(size_t bytes, size_t align, int node, gfp_t flags)
{
    struct page *pages;

    if (bytes <= PAGE_SIZE) {
        return kmalloc_node(roundup_pow_of_two(max(bytes, align)), flags, node);
    }
    if (get_order(bytes) >= MAX_ORDER) {
        return NULL;
    }
    pages = alloc_pages_node(node, flags, get_order(bytes));
    return pages ? page_address(pages) : NULL;
}

static void block_put(void *block, size_t bytes)
{
    if (bytes <= PAGE_SIZE) {
        kfree(block);
    } else {
        __free_pages(virt_to_page(block), get_order(bytes));
    }
}

static void give_back_later_ones(struct hipt_linux *port)
{
    struct llist_node *node = llist_empty(&port->later) ? NULL : llist_del_all(&port->later);

    while (node) {
        struct later *later = llist_entry(node, struct later, node);

        node = node->next;
        block_put(later, later->bytes);
    }
}

static void *alloc_on(struct hipt_linux *port, size_t bytes, size_t align, int node, gfp_t flags)
{
    void *block;

    if (!allocators_work()) {
        atomic_long_inc(&port->refused);
        return NULL;
    }
    give_back_later_ones(port);
    block = block_get(bytes, align, node, flags | __GFP_ZERO | __GFP_NOWARN);
    if (block) {
        atomic_long_inc(&port->blocks);
        atomic_long_add((long)bytes, &port->bytes);
    }
    return block;
}

static void port_free(void *ctx, void *block, size_t bytes)
{
    struct hipt_linux *port = ctx;

    atomic_long_dec(&port->blocks);
    atomic_long_sub((long)bytes, &port->bytes);
    if (allocators_work()) {
        block_put(block, bytes);
    } else {
        struct later *later = block;

        atomic_long_inc(&port->put_off);
        later->bytes = bytes;
        llist_add(&later->node, &port->later);
    }
}

/* No reserves of the kernel's: whoever cannot wait takes HIPT_NOMEM for an answer. */
static gfp_t flags_of(bool may_wait)
{
    return may_wait ? GFP_KERNEL : GFP_NOWAIT;
}

static bool node_has_memory(int node)
{
    return node != HIPT_ANY_NODE && node_state(node, N_MEMORY);
}

static void *port_alloc(void *ctx, size_t bytes, size_t align, int node, bool may_wait)
{
    return alloc_on(ctx, bytes, align, node_has_memory(node) ? node : NUMA_NO_NODE, flags_of(may_wait));
}

static void *port_alloc_strict(void *ctx, size_t bytes, size_t align, int node, bool may_wait)
{
    void *block;

    if (!node_has_memory(node)) {
        return NULL;
    }
    block = alloc_on(ctx, bytes, align, node, flags_of(may_wait) | __GFP_THISNODE);
    if (block && page_to_nid(virt_to_page(block)) != node) {
        port_free(ctx, block, bytes);
        block = NULL;
    }
    return block;
}

static bool port_random(void *ctx, void *buffer, size_t bytes)
{
    if (!rng_is_initialized()) {
        return false;
    }
    get_random_bytes(buffer, bytes);
    return true;
}

/* --- grace periods: RCU's own cookies never fall; counted from the port's begin they stay small, and above 0 */

static uint64_t port_gp_start(void *ctx)
{
    struct hipt_linux *port = ctx;
    long cookie = (long)(start_poll_synchronize_rcu() - port->first + 1u);
    long last = atomic_long_read(&port->last);

    if (last < cookie && atomic_long_cmpxchg(&port->last, last, cookie) == last) {
        atomic_long_inc(&port->grace_periods);
    }
    return (uint64_t)cookie;
}

/*
 * RCU takes a cookie for long past if what it knows itself is much older. The cookie may have come from another CPU, so
 * what RCU knows is read behind it.
 */
static bool port_gp_elapsed(void *ctx, uint64_t cookie)
{
    struct hipt_linux *port = ctx;

    smp_rmb();
    return poll_state_synchronize_rcu((unsigned long)cookie + port->first - 1u);
}

static void port_gp_wait(void *ctx, uint64_t cookie)
{
    struct hipt_linux *port = ctx;

    cond_synchronize_rcu((unsigned long)cookie + port->first - 1u);
}

static void port_read_enter(void *ctx)
{
    rcu_read_lock();
}

static void port_read_exit(void *ctx)
{
    rcu_read_unlock();
}

/* --- CPUs */

/* On the CPU that was kicked, interrupts off. */
static void interrupt(void *info)
{
    struct hipt_linux *port = info;
    struct hipt_linux_cpu *cpu = this_cpu_ptr(port->cpu);

    WRITE_ONCE(cpu->interrupts, cpu->interrupts + 1u);
    if (cpu->record) {
        hipt_cpu_interrupt(cpu->record);
    }
}

static void interrupt_alone(struct hipt_linux_cpu *cpu)
{
    WRITE_ONCE(cpu->singles, cpu->singles + 1u);
    interrupt(cpu->port);
}

static void interrupt_by_call(void *info)
{
    struct hipt_linux_cpu *cpu = info;

    /* A full barrier here and at the kick: who finds it set has posted before we look at what was posted. */
    (void)atomic_xchg(&cpu->pending, 0);
    interrupt_alone(cpu);
}

static void interrupt_by_work(struct irq_work *work)
{
    interrupt_alone(container_of(work, struct hipt_linux_cpu, work));
}

/* A call of many waits until the last one has been taken, so it is for threads only. It leaves the own CPU out. */
static void kick_from_thread(struct hipt_linux *port, const uint64_t *set, unsigned words)
{
    struct cpumask *mask;

    preempt_disable();
    mask = this_cpu_ptr(port->cpu)->set;
    cpumask_clear(mask);
    bitmap_from_arr64(cpumask_bits(mask), set, min(words * 64u, nr_cpu_ids));
    smp_call_function_many(mask, interrupt, port, false);
    if (cpumask_test_cpu(smp_processor_id(), mask)) {
        unsigned long flags;

        local_irq_save(flags);
        interrupt(port);
        local_irq_restore(flags);
    }
    preempt_enable();
}

static void kick_one(struct hipt_linux *port, unsigned number)
{
    struct hipt_linux_cpu *cpu = per_cpu_ptr(port->cpu, number);

    if (number == smp_processor_id()) {
        irq_work_queue(&cpu->work); /* comes when interrupts are on again */
    } else if (atomic_xchg(&cpu->pending, 1) == 0 && smp_call_function_single_async((int)number, &cpu->call)) {
        atomic_set(&cpu->pending, 0); /* the CPU is offline */
    }
}

static void kick_from_anywhere(struct hipt_linux *port, const uint64_t *set, unsigned words)
{
    unsigned long flags;
    unsigned word;

    local_irq_save(flags); /* a handler that came between the two steps of kick_one() would find its kick pending */
    for (word = 0; word < words; word++) {
        u64 left;

        for (left = set[word]; left; left &= left - 1u) {
            kick_one(port, word * 64u + (unsigned)__ffs64(left));
        }
    }
    local_irq_restore(flags);
}

static bool is_thread(void)
{
    return !irqs_disabled() && !in_interrupt();
}

static void port_kick(void *ctx, const uint64_t *set, unsigned words)
{
    if (is_thread()) {
        kick_from_thread(ctx, set, words);
    } else {
        kick_from_anywhere(ctx, set, words);
    }
}

/* With interrupts on, others that wait for our CPU get what they wait for while we wait. */
static bool port_can_wait(void *ctx)
{
    return is_thread();
}

static void port_relax(void *ctx)
{
    cpu_relax();
}

static uint64_t port_clock(void *ctx)
{
    return ktime_get_mono_fast_ns();
}

static void port_slow(void *ctx, uint32_t cpu, uint64_t posted, uint64_t served)
{
    pr_warn("hipt: CPU %u has not acknowledged ticket %llu, but %llu\n", cpu, posted, served);
}

static int port_this_node(void *ctx)
{
    return numa_node_id();
}

enum hipt_status hipt_linux_online(struct hipt_linux *port, struct hipt_table *table, struct hipt_cpu *cpu,
                                   const struct hipt_cache *cache, unsigned tag_bits)
{
    struct hipt_cpu_config config = {.number = raw_smp_processor_id(), .tag_bits = tag_bits, .cache = *cache};
    enum hipt_status status = hipt_cpu_attach(table, cpu, &config);

    if (status == HIPT_OK) {
        this_cpu_write(port->cpu->record, cpu);
    }
    return status;
}

void hipt_linux_offline(struct hipt_linux *port, struct hipt_cpu *cpu)
{
    this_cpu_write(port->cpu->record, NULL);
    hipt_cpu_detach(cpu);
}

u64 hipt_linux_interrupts(struct hipt_linux *port, u64 *singles)
{
    u64 count = 0;
    unsigned number;

    *singles = 0;
    for_each_possible_cpu(number) {
        const struct hipt_linux_cpu *cpu = per_cpu_ptr(port->cpu, number);

        count += READ_ONCE(cpu->interrupts);
        *singles += READ_ONCE(cpu->singles);
    }
    return count;
}

/* --- begin and end */

static void cpus_end(struct hipt_linux *port)
{
    unsigned number;

    if (port->cpu) {
        for_each_possible_cpu(number) {
            free_cpumask_var(per_cpu_ptr(port->cpu, number)->set);
        }
    }
    free_percpu(port->cpu);
}

static bool cpus_init(struct hipt_linux *port)
{
    unsigned number;

    port->cpu = alloc_percpu(struct hipt_linux_cpu);
    if (!port->cpu) {
        return false;
    }
    for_each_possible_cpu(number) {
        struct hipt_linux_cpu *cpu = per_cpu_ptr(port->cpu, number);

        cpu->port = port;
        INIT_CSD(&cpu->call, interrupt_by_call, cpu);
        cpu->work = IRQ_WORK_INIT_HARD(interrupt_by_work);
        if (!zalloc_cpumask_var_node(&cpu->set, GFP_KERNEL, cpu_to_node((int)number))) {
            return false;
        }
    }
    return true;
}

/* Nodes have the kernel's numbers; those that it does not have are nodes with nothing. */
static bool topology_init(struct hipt_linux *port)
{
    unsigned nodes = (unsigned)nr_node_ids;
    unsigned i;

    port->cpu_node = kcalloc(nr_cpu_ids, sizeof(port->cpu_node[0]), GFP_KERNEL);
    port->distance = kcalloc(nodes * nodes, sizeof(port->distance[0]), GFP_KERNEL);
    if (!port->cpu_node || !port->distance) {
        return false;
    }
    for (i = 0; i < nr_cpu_ids; i++) {
        port->cpu_node[i] = cpu_possible(i) ? cpu_to_node((int)i) : HIPT_ANY_NODE;
    }
    for (i = 0; i < nodes * nodes; i++) {
        port->distance[i] = (unsigned char)node_distance(i / nodes, i % nodes);
    }
    port->topology.size = sizeof(port->topology);
    port->topology.nodes = nodes;
    port->topology.cpus = nr_cpu_ids;
    port->topology.cpu_node = port->cpu_node;
    port->topology.distance = port->distance;
    return true;
}

static void all_end(struct hipt_linux *port)
{
    cpus_end(port);
    kfree(port->cpu_node);
    kfree(port->distance);
}

int hipt_linux_init(struct hipt_linux *port)
{
    int error;

    *port = (struct hipt_linux){
        .ops = {.size = sizeof(port->ops), .ctx = port, .alloc = port_alloc, .free = port_free,
                .read_enter = port_read_enter, .read_exit = port_read_exit, .gp_start = port_gp_start,
                .gp_elapsed = port_gp_elapsed, .gp_wait = port_gp_wait, .random = port_random,
                .block_max = BLOCK_MAX, .can_wait = port_can_wait, .kick = port_kick, .relax = port_relax,
                .clock = port_clock, .slow = port_slow, .alloc_strict = port_alloc_strict,
                .this_node = port_this_node},
        .first = get_state_synchronize_rcu(),
    };
    if (nr_cpu_ids > HIPT_CPUS_MAX || nr_node_ids > HIPT_NODES_MAX) {
        return -E2BIG;
    }
    error = wait_for_random_bytes();
    if (error == 0 && !(cpus_init(port) && topology_init(port))) {
        error = -ENOMEM;
    }
    if (error) {
        all_end(port);
    }
    return error;
}

static void nothing(void *info)
{
}

/*
 * What was sent to a CPU last is in its queue when the first of our calls is; but a CPU takes those first whose callers
 * wait. When it takes the second one, it has taken all that were in the queue beside the first one.
 */
static void wait_for_interrupts(struct hipt_linux *port)
{
    unsigned number;

    on_each_cpu(nothing, NULL, 1);
    on_each_cpu(nothing, NULL, 1);
    for_each_possible_cpu(number) {
        irq_work_sync(&per_cpu_ptr(port->cpu, number)->work);
    }
}

long hipt_linux_end(struct hipt_linux *port)
{
    wait_for_interrupts(port);
    give_back_later_ones(port);
    all_end(port);
    return atomic_long_read(&port->blocks);
}
