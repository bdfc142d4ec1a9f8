/* SPDX-License-Identifier: MIT */
/*
 * The module: it tests while it is loaded, says what it found, and gives everything back when it is unloaded. Whoever
 * loads it may take CPUs offline and bring them back meanwhile.
 */
#include <linux/delay.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/random.h>
#include <linux/slab.h>

#include "test.h"

#define MAX_ERROR_TEXT 160u
#define CONFIRM_TURNS 200u /* of 20 ms, for the last grace periods */
#define LONGER_MS 60000u   /* that arrivals are waited for */
#define SLOW_NS (UINT64_C(10) * NSEC_PER_SEC)

static unsigned seconds = 5;
module_param(seconds, uint, 0444);
MODULE_PARM_DESC(seconds, "how long to test");

static unsigned arrivals;
module_param(arrivals, uint, 0444);
MODULE_PARM_DESC(arrivals, "longer than that, if so many CPUs have not come by then, at first or again");

static unsigned long long seed;
module_param(seed, ullong, 0444);
MODULE_PARM_DESC(seed, "of the random choices; 0: another one each time");

static bool no_kick;
module_param(no_kick, bool, 0444);
MODULE_PARM_DESC(no_kick, "a fault: CPUs use their caches, but say that they do not, so that nobody interrupts them");

static bool no_grace;
module_param(no_grace, bool, 0444);
MODULE_PARM_DESC(no_grace, "a fault: every grace period is over at once");

static bool leak;
module_param(leak, bool, 0444);
MODULE_PARM_DESC(leak, "a fault: one block is not given back");

static struct test *test;

/* --- what is found */

void break_test(struct test *that, enum broken broken, const struct finding *finding)
{
    if (cmpxchg(&that->broken, BROKEN_NOTHING, (unsigned long)broken) == BROKEN_NOTHING) {
        that->finding = *finding;
    }
}

bool is_broken(struct test *that)
{
    return READ_ONCE(that->broken) != BROKEN_NOTHING;
}

void print_finding(struct test *that)
{
    static const char *const what[] = {
        "",
        "stale translation, to a frame of another page",
        "stale translation, of a generation that had ended",
        "a page is written after it has become narrow",
        "a frame was used again inside a read side",
        "a verb's answer",
    };
    const struct finding *f = &that->finding;

    pr_info("hipt_test: broken: %s: CPU %u asid %u vpn %llu frame %llu, stamp %#llx generation %llu, after generation "
            "%llu had ended; %s\n",
            what[that->broken], f->cpu, f->at.asid, f->at.vpn, f->pfn, f->owner, f->generation, f->ended,
            hipt_strerror(f->status));
}

static void print_counts(struct test *that)
{
    const struct counts *c = &that->total;
    struct hipt_stats *stats = kzalloc(sizeof(*stats), GFP_KERNEL);
    u64 singles;
    u64 interrupts = hipt_linux_interrupts(&that->port, &singles);

    if (stats) {
        hipt_table_stats(that->table, stats);
        pr_info("hipt_test: rounds=%llu kicks=%llu\n", stats->rounds, stats->kicks);
    }
    kfree(stats);
    pr_info("hipt_test: accesses=%llu writes=%llu hits=%llu walks=%llu flushes=%llu reads=%llu\n", c->accesses,
            c->writes, c->hits, c->walks, c->flushes, c->reads);
    pr_info("hipt_test: maps=%llu atomic_maps=%llu unmaps=%llu remaps=%llu gathered=%llu narrowed=%llu refused=%llu\n",
            c->maps, c->atomic_maps, c->unmaps, c->remaps, c->gathered, c->narrowed, c->refused);
    pr_info("hipt_test: interrupts=%llu singles=%llu grace_periods=%ld reaped=%llu arrivals=%d\n", interrupts, singles,
            atomic_long_read(&that->port.grace_periods), c->reaped, atomic_read(&that->arrivals));
    pr_info("hipt_test: allocs_refused=%ld frees_put_off=%ld bytes=%ld\n", atomic_long_read(&that->port.refused),
            atomic_long_read(&that->port.put_off), atomic_long_read(&that->port.bytes));
}

/* --- begin */

static bool over_at_once(void *ctx, uint64_t cookie)
{
    return true;
}

static void plant_faults(struct test *that)
{
    that->no_kick = no_kick;
    if (no_kick) {
        that->port.ops.kick = NULL;
    }
    if (no_grace) {
        that->port.ops.gp_elapsed = over_at_once;
    }
}

static enum hipt_status table_init(struct test *that, const struct hipt_range *ranges, size_t count)
{
    struct hipt_config config;
    enum hipt_status status;
    char text[MAX_ERROR_TEXT];
    unsigned i;

    hipt_config_init(&config);
    config.ops = &that->port.ops;
    config.capacity = ASIDS * PAGES;
    config.asid_bits = 8;
    config.nsizes = 1;
    config.page_shift[0] = PAGE_SHIFT;
    config.ranges = ranges;
    config.nranges = count;
    config.cpus = nr_cpu_ids;
    config.flush_max = 3;
    config.slow_after = SLOW_NS;
    config.topology = &that->port.topology;
    status = hipt_config_check(&config, text, sizeof(text));
    if (status != HIPT_OK) {
        pr_err("hipt_test: %s\n", text);
        return status;
    }
    status = hipt_table_create(&config, &that->table);
    for (i = 0; i < ASIDS && status == HIPT_OK; i++) {
        status = hipt_asid_alloc(that->table, &that->asid[i]);
    }
    return status;
}

static void targets_init(struct test *that)
{
    unsigned i;

    for (i = 0; i < ASIDS * PAGES; i++) {
        that->target[i / PAGES][i % PAGES].at = (struct hipt_page){that->asid[i / PAGES].number, 0, i % PAGES};
    }
}

/* Frames and table. => 0 or -errno; what was made is there still, and test_end() takes it down. */
static int test_init(struct test *that)
{
    struct hipt_range *ranges = kcalloc(nr_node_ids, sizeof(*ranges), GFP_KERNEL);
    struct hipt_node_range *node_ranges = kcalloc(nr_node_ids, sizeof(*node_ranges), GFP_KERNEL);
    enum hipt_status status = HIPT_NOMEM;
    size_t count;

    spin_lock_init(&that->total_lock);
    that->seed = seed ? seed : get_random_u64();
    if (ranges && node_ranges && frames_init(that, ranges, node_ranges, &count) == 0) {
        that->port.topology.ranges = node_ranges;
        that->port.topology.nranges = count;
        plant_faults(that);
        status = table_init(that, ranges, count);
    }
    if (status == HIPT_OK) {
        targets_init(that);
        status = frames_pin(that);
    }
    that->port.topology.ranges = NULL;
    kfree(ranges);
    kfree(node_ranges);
    if (status != HIPT_OK) {
        pr_err("hipt_test: no test: %s\n", hipt_strerror(status));
    }
    return status == HIPT_OK ? 0 : -ENOMEM;
}

static void test_end(struct test *that)
{
    long frames = (long)that->pool.total - (long)that->pool.count;
    long blocks;

    if (leak) {
        (void)that->port.ops.alloc(&that->port, SMP_CACHE_BYTES, SMP_CACHE_BYTES, HIPT_ANY_NODE, true);
    }
    hipt_table_destroy(that->table);
    frames_end(that);
    blocks = hipt_linux_end(&that->port);
    pr_info("hipt_test: left behind: %ld blocks of %ld bytes, %ld frames\n", blocks,
            atomic_long_read(&that->port.bytes), frames);
}

/* --- the test */

static bool is_over(struct test *that, ktime_t begin)
{
    u64 ms = (u64)ktime_ms_delta(ktime_get(), begin);
    bool has_enough = (unsigned)atomic_read(&that->arrivals) >= arrivals || ms > LONGER_MS;

    return is_broken(that) || (ms >= seconds * MSEC_PER_SEC && has_enough);
}

static int test_run(struct test *that)
{
    struct worker *roamer = roamer_start(that);
    int error = roamer ? workers_start(that) : -ENOMEM;

    if (error == 0) {
        ktime_t begin = ktime_get();

        while (!is_over(that, begin)) {
            msleep(50);
        }
        workers_stop();
    }
    if (roamer) {
        roamer_stop(roamer);
    }
    return error;
}

/* With everybody gone: the table is sound, and every frame comes back. */
static void test_confirm(struct test *that)
{
    const struct hipt_ops *ops = &that->port.ops;
    char text[MAX_ERROR_TEXT];
    unsigned left = CONFIRM_TURNS;

    unmap_all(that);
    if (!hipt_table_is_valid(that->table, text, sizeof(text))) {
        pr_info("hipt_test: broken: %s\n", text);
    }
    frames_unpin(that);
    while (that->pool.count < that->pool.total && left-- > 0) {
        ops->gp_wait(ops->ctx, ops->gp_start(ops->ctx));
        while (frames_reap(that) > 0) {
        }
    }
}

static int __init hipt_test_init(void)
{
    int error;

    test = kzalloc(sizeof(*test), GFP_KERNEL);
    if (!test) {
        return -ENOMEM;
    }
    error = hipt_linux_init(&test->port);
    if (error) {
        kfree(test);
        return error;
    }
    error = port_is_sound(&test->port) ? test_init(test) : -EIO;
    if (error == 0) {
        pr_info("hipt_test: seed=%llu seconds=%u cpus=%u nodes=%u frames=%u\n", test->seed, seconds, num_online_cpus(),
                num_online_nodes(), test->pool.total);
        error = test_run(test);
    }
    if (error) {
        test_end(test);
        kfree(test);
        return error;
    }
    if (is_broken(test)) {
        print_finding(test);
    }
    test_confirm(test);
    print_counts(test);
    return 0;
}

static void __exit hipt_test_exit(void)
{
    test_end(test);
    kfree(test);
}

module_init(hipt_test_init);
module_exit(hipt_test_exit);

MODULE_LICENSE("Dual MIT/GPL");
MODULE_DESCRIPTION("A test of hipt in the kernel: translations, shootdowns and grace periods on all CPUs");
