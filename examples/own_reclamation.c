/* SPDX-License-Identifier: MIT */
/*
 * A host with grace periods of its own, and no library for them: quiescent states. Two threads of an emulator pass by
 * the top of their loops all the time; nothing that they read in one turn is used in the next. So a grace period is
 * over when each of them has passed by once more. No read side is opened or closed: read_enter and read_exit stay NULL.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <threads.h>

#include <hipt/hipt.h>

enum { THREADS = 2, PAGES = 64, TURNS = 200000 };

/* Field key: atomic. */
struct host {
    _Atomic uint64_t period;          /* grace periods asked for */
    _Atomic uint64_t passed[THREADS]; /* the last of them that a thread has seen at the top of its loop; max: gone */
};

static void *host_alloc(void *ctx, size_t bytes, size_t align, int node, bool may_wait)
{
    void *memory = aligned_alloc(align, (bytes + align - 1) / align * align);

    (void)ctx, (void)node, (void)may_wait;
    return memory ? memset(memory, 0, bytes) : NULL;
}

static void host_free(void *ctx, void *memory, size_t bytes)
{
    (void)ctx, (void)bytes;
    free(memory);
}

static uint64_t host_gp_start(void *ctx)
{
    struct host *host = ctx;

    return atomic_fetch_add(&host->period, 1) + 1;
}

static bool host_gp_elapsed(void *ctx, uint64_t cookie)
{
    struct host *host = ctx;

    for (unsigned i = 0; i < THREADS; i++) {
        if (atomic_load(&host->passed[i]) < cookie) {
            return false;
        }
    }
    return true;
}

/* A machine's random numbers, in a real host. */
static bool host_random(void *ctx, void *buffer, size_t bytes)
{
    FILE *file = fopen("/dev/urandom", "rb");
    bool is_read = file && fread(buffer, bytes, 1, file) == 1;

    (void)ctx;
    if (file) {
        fclose(file);
    }
    return is_read;
}

struct worker {
    struct host *host;
    struct hipt_table *table;
    uint32_t space;
    unsigned number;
    unsigned maps;
    unsigned wrong;
};

/* The top of the loop: whatever was read before is done with. */
static void quiescent_state(struct worker *worker)
{
    atomic_store(&worker->host->passed[worker->number], atomic_load(&worker->host->period));
}

/* One thread maps and unmaps, the other translates: each page is where it may be, or nowhere. */
static int work(void *argument)
{
    struct worker *worker = argument;
    struct hipt_frame reaped[PAGES];

    for (unsigned turn = 0; turn < TURNS; turn++) {
        uint64_t vpn = turn * 7919u % PAGES;

        quiescent_state(worker);
        if (worker->number == 0) {
            struct hipt_mapping m = {.page = {.asid = worker->space, .vpn = vpn}, .pfn = vpn * 16 + turn % 16};
            enum hipt_status status;

            m.prot = HIPT_READ;
            status = hipt_map(worker->table, &m); /* HIPT_BUSY: the frame waits for a grace period since its last use */
            worker->maps += status == HIPT_OK;
            if (status == HIPT_EXISTS) {
                (void)hipt_unmap(worker->table, &m.page, NULL);
            }
            (void)hipt_frame_reap(worker->table, reaped, PAGES); /* their grace period is over: free to be mapped */
        } else {
            uint64_t pte = hipt_lookup_pte(worker->table, worker->space, vpn);

            worker->wrong += pte != 0 && HIPT_PTE_PFN(pte) / 16 != vpn;
        }
    }
    atomic_store(&worker->host->passed[worker->number], UINT64_MAX);
    return 0;
}

int main(void)
{
    static struct host host;
    struct hipt_ops ops = {.size = sizeof(ops), .ctx = &host, .alloc = host_alloc, .free = host_free,
                           .gp_start = host_gp_start, .gp_elapsed = host_gp_elapsed, .random = host_random};
    struct hipt_range memory = {.first = 0, .count = PAGES * 16};
    struct worker workers[THREADS];
    thrd_t threads[THREADS];
    struct hipt_config config;
    struct hipt_table *table;
    struct hipt_asid space;

    hipt_config_init(&config);
    config.ops = &ops, config.ranges = &memory, config.nranges = 1, config.capacity = PAGES;
    if (hipt_table_create(&config, &table) != HIPT_OK || hipt_asid_alloc(table, &space) != HIPT_OK) {
        return 1;
    }
    for (unsigned i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.host = &host, .table = table, .space = space.number, .number = i};
        if (thrd_create(&threads[i], work, &workers[i]) != thrd_success) {
            return 1;
        }
    }
    for (unsigned i = 0; i < THREADS; i++) {
        thrd_join(threads[i], NULL);
    }
    printf("%u maps beside %u lookups, %u of them wrong\n", workers[0].maps, (unsigned)TURNS, workers[1].wrong);
    hipt_table_destroy(table);
    return workers[1].wrong == 0 && workers[0].maps > 0 ? 0 : 1;
}
