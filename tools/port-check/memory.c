/* SPDX-License-Identifier: MIT */
/* alloc, alloc_strict, free and random. */
#include "run.h"

#define MANY 192u
#define ROUNDS 400u
#define LARGEST ((size_t)8 << 20) /* what is tried of block_max */
#define STALE 0xa5u

/* Sizes that ports go wrong at: around what allocators round to, and what the library asks for most, blocks. */
static const size_t sizes[] = {1,    2,    7,     8,     24,    63,     64,     65,      127,    128,
                               4095, 4096, 4097,  65535, 65536, 131072, 262144, 1048575, 1048576};
#define SIZES (sizeof(sizes) / sizeof(sizes[0]))

static unsigned char *ask(struct run *run, size_t bytes, size_t align)
{
    return run->ops.alloc(run->ops.ctx, bytes, align, HIPT_ANY_NODE, true);
}

static void give_back(struct run *run, void *block, size_t bytes)
{
    if (block != NULL) {
        run->ops.free(run->ops.ctx, block, bytes);
    }
}

static void fill(unsigned char *block, size_t bytes, unsigned char value)
{
    for (size_t i = 0; i < bytes; i++) {
        block[i] = value;
    }
}

/* => the first byte that is not @value, or @bytes. */
static size_t differs_at(const unsigned char *block, size_t bytes, unsigned char value)
{
    size_t i = 0;

    while (i < bytes && block[i] == value) {
        i++;
    }
    return i;
}

static void look_at_zeros(struct run *run, const unsigned char *block, size_t bytes, unsigned time)
{
    size_t at = differs_at(block, bytes, 0);

    if (at < bytes) {
        pc_found(run, "byte %u of %u bytes is %u, when they were given out for the %u. time", (uint64_t)at,
                 (uint64_t)bytes, (uint64_t)block[at], (uint64_t)time);
    }
}

static void alloc_size(struct run *run, size_t bytes)
{
    for (unsigned time = 1; time <= 4; time++) {
        unsigned char *block = ask(run, bytes, 64);

        if (block == NULL) {
            pc_found(run, "alloc() gave nothing for %u bytes", (uint64_t)bytes);
            return;
        }
        look_at_zeros(run, block, bytes, time);
        fill(block, bytes, STALE);
        give_back(run, block, bytes);
    }
}

static void alloc_zeroed(struct run *run)
{
    for (size_t i = 0; i < SIZES; i++) {
        alloc_size(run, sizes[i]);
    }
}

static void alloc_block_max(struct run *run)
{
    size_t bytes = run->ops.block_max > 0 ? run->ops.block_max : (size_t)1 << 20;

    alloc_size(run, bytes < LARGEST ? bytes : LARGEST);
}

static void alloc_aligned(struct run *run)
{
    for (size_t align = 1; align <= 4096; align *= 2) {
        for (size_t i = 0; i < SIZES; i++) {
            unsigned char *small = ask(run, 1, 1); /* so that the next one does not lie well by chance */
            unsigned char *block = ask(run, sizes[i], align);

            if ((uintptr_t)block % align != 0) {
                pc_found(run, "%u bytes aligned to %u lie at %u beyond a multiple of it", (uint64_t)sizes[i],
                         (uint64_t)align, (uint64_t)((uintptr_t)block % align));
            }
            give_back(run, block, sizes[i]);
            give_back(run, small, 1);
        }
    }
}

/* Many blocks out at once, each filled with its own number: nobody writes into another's. */
static void alloc_apart(struct run *run)
{
    unsigned char *block[MANY];

    for (unsigned i = 0; i < MANY; i++) {
        block[i] = ask(run, sizes[i % (SIZES - 6u)], (size_t)1 << i % 8u);
        if (block[i] != NULL) {
            fill(block[i], sizes[i % (SIZES - 6u)], (unsigned char)(i + 1u));
        }
    }
    for (unsigned i = 0; i < MANY; i++) {
        size_t bytes = sizes[i % (SIZES - 6u)];

        if (block[i] == NULL) {
            pc_found(run, "alloc() gave nothing for %u bytes", (uint64_t)bytes);
        } else if (differs_at(block[i], bytes, (unsigned char)(i + 1u)) < bytes) {
            pc_found(run, "a block of %u bytes was written through another block that is out too", (uint64_t)bytes);
        }
        give_back(run, block[i], bytes);
    }
}

/* Blocks of several threads at once: zeroed, and each its thread's own. */
static void alloc_many(void *argument, unsigned number)
{
    struct run *run = argument;
    uint64_t seed = number + 1u;

    for (unsigned round = 0; round < ROUNDS; round++) {
        size_t bytes = 1u + pc_draw(&seed) % 3000u;
        unsigned char *block = ask(run, bytes, 64);

        if (block == NULL) {
            pc_found(run, "alloc() gave nothing for %u bytes", (uint64_t)bytes);
            continue;
        }
        look_at_zeros(run, block, bytes, round + 1u);
        fill(block, bytes, (unsigned char)(number + 1u));
        if (round % 8u == 0) {
            pc_idle(run);
        }
        if (differs_at(block, bytes, (unsigned char)(number + 1u)) < bytes) {
            pc_found(run, "a block of %u bytes was given to two threads", (uint64_t)bytes);
        }
        fill(block, bytes, STALE);
        give_back(run, block, bytes);
    }
}

static void alloc_by_threads(struct run *run)
{
    pc_crew(run, run->port->threads, alloc_many, run);
}

/* One thread, inside a section that it has asked a grace period from. */
static void alloc_inside(void *argument, unsigned number)
{
    struct run *run = argument;
    uint64_t cookie;

    (void)number;
    pc_section_enter(run);
    cookie = run->ops.gp_start(run->ops.ctx);
    for (unsigned round = 0; round < 64; round++) {
        size_t bytes = sizes[round % SIZES];
        unsigned char *block = run->ops.alloc(run->ops.ctx, bytes, 64, HIPT_ANY_NODE, false);

        if (block != NULL) {
            look_at_zeros(run, block, bytes, round + 1u);
            fill(block, bytes, STALE);
        }
        give_back(run, block, bytes);
    }
    for (unsigned turn = 0; turn < 1000000u; turn++) {
        if (turn % 1000u == 0 && run->ops.gp_elapsed(run->ops.ctx, cookie)) {
            pc_found(run, "a grace period ended that had begun inside the section which alloc() was called from");
            break;
        }
    }
    pc_section_exit(run);
}

static void alloc_in_section(struct run *run)
{
    pc_crew(run, 1, alloc_inside, run);
}

static unsigned nodes(const struct run *run)
{
    return run->port->nodes > 0 ? run->port->nodes : 1u;
}

static void alloc_on_node(struct run *run)
{
    for (unsigned node = 0; node < nodes(run); node++) {
        unsigned char *block = run->ops.alloc(run->ops.ctx, 4096, 64, (int)node, true);

        if (block == NULL) {
            pc_found(run, "alloc() gave nothing where node %u was preferred", (uint64_t)node);
        } else {
            look_at_zeros(run, block, 4096, 1);
        }
        give_back(run, block, 4096);
    }
}

static void alloc_strict(struct run *run)
{
    for (unsigned node = 0; node < nodes(run); node++) {
        unsigned char *block = run->ops.alloc_strict(run->ops.ctx, 65536, 64, (int)node, true);

        if (block == NULL) {
            continue; /* it has no room */
        }
        look_at_zeros(run, block, 65536, 1);
        if ((uintptr_t)block % 64u != 0) {
            pc_found(run, "65536 bytes aligned to 64 lie at %u beyond a multiple", (uint64_t)((uintptr_t)block % 64u));
        }
        for (size_t at = 0; run->port->node_of && at < 65536; at += 4096) {
            if (run->port->node_of(run->port->ctx, block + at) != (int)node) {
                pc_found(run, "byte %u of a block for node %u does not lie there", (uint64_t)at, (uint64_t)node);
            }
        }
        give_back(run, block, 65536);
    }
}

static void alloc_impossible(struct run *run)
{
    for (size_t align = 64; align <= 4096; align *= 64) {
        unsigned char *block = ask(run, run->port->impossible, align);

        if (block != NULL) {
            pc_found(run, "alloc() gave a block for %u bytes", (uint64_t)run->port->impossible);
            give_back(run, block, run->port->impossible);
        }
    }
}

static void free_gives_back(struct run *run)
{
    size_t before = run->port->bytes(run->port->ctx);
    unsigned char *block[SIZES];
    size_t sum = 0;

    for (size_t i = 0; i < SIZES; i++) {
        block[i] = ask(run, sizes[i], 64);
        sum += block[i] != NULL ? sizes[i] : 0;
    }
    if (run->port->bytes(run->port->ctx) < before + sum) {
        pc_found(run, "%u bytes are out and the port counts %u", (uint64_t)sum,
                 (uint64_t)(run->port->bytes(run->port->ctx) - before));
    }
    for (size_t i = 0; i < SIZES; i++) {
        give_back(run, block[i], sizes[i]);
    }
    if (run->port->bytes(run->port->ctx) != before) {
        pc_found(run, "%u bytes were out before, %u are when all that came meanwhile was freed", (uint64_t)before,
                 (uint64_t)run->port->bytes(run->port->ctx));
    }
}

/* Two draws of the same size: 8 bytes that are equal by chance come once in 2^64 draws. */
static void draw_random(struct run *run, size_t bytes)
{
    unsigned char first[64 + 1];
    unsigned char second[64 + 1];
    bool differ = false;

    fill(first, sizeof(first), STALE);
    fill(second, sizeof(second), STALE);
    if (!run->ops.random(run->ops.ctx, first, bytes) || !run->ops.random(run->ops.ctx, second, bytes)) {
        pc_found(run, "random() had no %u bytes", (uint64_t)bytes);
        return;
    }
    for (size_t i = bytes > 8u ? bytes - 8u : 0; i < bytes; i++) {
        differ = differ || first[i] != second[i];
    }
    if (bytes >= 8u && !differ) {
        pc_found(run, "the last 8 of %u bytes were the same in two draws", (uint64_t)bytes);
    }
    if (differs_at(first, bytes, 0) == bytes && bytes >= 8u) {
        pc_found(run, "%u bytes are all zero", (uint64_t)bytes);
    }
    if (differs_at(first + bytes, sizeof(first) - bytes, STALE) < sizeof(first) - bytes) {
        pc_found(run, "a byte behind %u bytes was written", (uint64_t)bytes);
    }
}

static void random_draws(struct run *run)
{
    for (size_t bytes = 1; bytes <= 64; bytes++) {
        draw_random(run, bytes);
    }
}

static const struct check checks[] = {
    {"alloc_zeroed", 0, 0, alloc_zeroed, "alloc: zeroed memory, also what was given out before",
     "clear the block in alloc, whether it comes from the system or from a list of the port's own"},
    {"alloc_block_max", 0, 0, alloc_block_max,
     "block_max: alloc gives blocks of so many bytes as readily as small ones",
     "set block_max to what alloc can give at any time, or to 0: blocks of at most 1 MiB"},
    {"alloc_aligned", 0, 0, alloc_aligned, "alloc: aligned to @align, any power of two up to 4096",
     "use the host's aligned allocator, or ask for @align more and round up"},
    {"alloc_apart", 0, 0, alloc_apart, "alloc: memory of @bytes bytes that nobody else uses until free() gets it",
     "give at least @bytes bytes, counted from the aligned address, and no block twice"},
    {"alloc_by_threads", 0, 2, alloc_by_threads, "alloc, free: called by many threads at once",
     "lock the port's own lists, or use an allocator that does; clear what was freed before"},
    {"alloc_in_section", 0, 1, alloc_in_section,
     "alloc and free may be called inside a read side, alloc with @may_wait false; it stays open meanwhile",
     "neither sleep nor pass a quiescent state there: return NULL where memory would have to be waited for"},
    {"alloc_on_node", 0, 0, alloc_on_node, "alloc: preferably on @node, not only there",
     "where the node has no room, take memory from another one"},
    {"alloc_strict", NEEDS_ALLOC_STRICT, 0, alloc_strict,
     "alloc_strict: zeroed, aligned, on @node from the first byte on",
     "give NULL where the whole block does not lie on the node"},
    {"alloc_impossible", NEEDS_IMPOSSIBLE, 0, alloc_impossible, "alloc: NULL where there is not so much memory",
     "say so with NULL; see that no rounding up of @bytes wraps around"},
    {"free_gives_back", NEEDS_BYTES, 0, free_gives_back, "free: gets the same pointer and size as alloc gave",
     "count and give back @bytes bytes, as alloc counted them"},
    {"random", 0, 0, random_draws, "random: @bytes unpredictable bytes, and true",
     "fill all of the buffer from the host's random numbers, at every call"},
};
const struct checks pc_memory_checks = {checks, sizeof(checks) / sizeof(checks[0])};
