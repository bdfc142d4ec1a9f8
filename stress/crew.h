/* SPDX-License-Identifier: MIT */
/*
 * What every stress program is made of: a crew of real threads around one small table on the user-space port, a clock,
 * counters, and one place where a broken guarantee is reported. A program says what its threads do and what they check.
 *
 * The library underneath stands aside before one of 64 accesses to shared words, so that threads meet where they would
 * hardly ever meet; each thread draws from a generator of its own.
 */
#ifndef STRESS_CREW_H
#define STRESS_CREW_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <hipt/hipt.h>
#include <hipt/user.h>

enum { CREW_THREADS_MAX = 8, CREW_COUNTS_MAX = 32, CREW_OPERATIONS = 0, CREW_RESIZERS_MAX = 4, CREW_NODES_MAX = 4 };
enum { CREW_RESIZE_BITS = 9 }; /* resizers ask for less than 2^9 mappings: at most 183 buckets */

struct crew;

/* What a program counts. Number 0 is its operations. */
struct crew_count {
    const char *name;
    bool needed; /* a run in which it stays 0 has shown nothing, and fails */
    bool level;  /* not a number of events: it has no rate */
};

/* A program. */
struct crew_program {
    const char *letter; /* the guarantee */
    const char *claim;  /* in one line */
    const struct crew_count *count; /* ends with a nameless one */
    unsigned asid_bits;
    unsigned frames; /* pfns 0 to frames - 1; 0: as option --frames says */
    enum hipt_user_grace grace; /* if options do not say; Concurrency Kit's periods are shorter than liburcu's */
    void (*prepare)(struct crew *crew);               /* of what the table is made; may be NULL */
    bool (*start)(struct crew *crew);                 /* may be NULL. => false: there is no memory */
    void (*body)(struct crew *crew, unsigned thread); /* until crew_is_over() */
    void (*finish)(struct crew *crew);                /* with all threads gone; may be NULL */
};

struct crew_options {
    double seconds;
    unsigned threads;
    uint64_t seed;
    enum hipt_user_grace grace;
    enum hipt_user_delivery delivery;
    uint64_t ttl;  /* nanoseconds that a cached translation lives; 0: for ever */
    bool progress;
    bool json;
    bool canary;   /* spoil what the oracle is told: it must notice */
    bool no_grace; /* a planted bug: grace periods end at once */
    uint64_t buckets;
    unsigned version_bits;
    unsigned sequence_bits;
    unsigned sizes;
    unsigned frames;
    unsigned yield; /* stand aside at one of how many accesses */
    unsigned give;  /* one in how many times by giving the processor away */
    unsigned resizers; /* further threads that move the table */
    unsigned nodes;    /* that resizers place spaces on, made up; 0: there are none */
    unsigned stop;     /* operations of each other thread that a stopped resizer sits out; 0: none is stopped */
};

/* Counts of one thread, which alone writes them. */
struct crew_counts {
    _Alignas(64) _Atomic uint64_t n[CREW_COUNTS_MAX];
};

/* Field key: constant but for the atomic ones and the threads' own counts. */
struct crew {
    const struct crew_program *program;
    struct crew_options options;
    struct hipt_user *user;
    struct hipt_ops ops;
    struct hipt_config config;
    struct hipt_range range;
    struct hipt_topology topology; /* if options say so */
    struct hipt_table *table;
    struct crew_counts counts[CREW_THREADS_MAX];
    _Atomic bool over;
    _Atomic bool ended;       /* crew_meet() has told everybody so */
    _Atomic unsigned arrived; /* at the meeting */
    _Atomic unsigned meeting; /* number of the meeting */
    _Atomic uint64_t violations;
    _Atomic unsigned gone;    /* threads that have returned */
    _Atomic uint64_t resizes; /* moves of the table begun: all but the last have ended */
    _Atomic uint64_t refused; /* hipt_resize() answered HIPT_BUSY */
    _Atomic uint64_t placed;  /* spaces that came to where they were wanted */
    _Atomic uint64_t stops;   /* a resizer was stopped, and each of the others went on */
    uint64_t nanoseconds;     /* that the threads ran */
};

/* The whole main(). => the exit status: 0 it holds, 1 it does not or nothing was shown, 2 usage or no memory. */
int crew_main(const struct crew_program *program, int argc, char **argv);

/* Time is up, or a guarantee was found broken. */
static inline bool crew_is_over(struct crew *crew)
{
    return atomic_load_explicit(&crew->over, memory_order_relaxed);
}

/* Wait for all others. => false: it is over; all threads get the same answer. */
bool crew_meet(struct crew *crew);

/* Report a broken guarantee and end the run. Only the first one's text is printed. */
void crew_broken(struct crew *crew, const char *format, ...) __attribute__((format(printf, 2, 3)));

static inline void crew_add(struct crew *crew, unsigned thread, unsigned count, uint64_t n)
{
    _Atomic uint64_t *own = &crew->counts[thread].n[count];

    atomic_store_explicit(own, atomic_load_explicit(own, memory_order_relaxed) + n, memory_order_relaxed);
}

/* => the sum over all threads. */
uint64_t crew_total(struct crew *crew, unsigned count);

/* A thread's generator (xorshift64*); the state is never 0. */
static inline uint64_t crew_seed(const struct crew *crew, unsigned thread)
{
    return (crew->options.seed + 1u) * UINT64_C(0x9e3779b97f4a7c15) ^ (thread + 1u) * UINT64_C(0xd1342543de82ef95);
}

static inline uint64_t crew_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(0x2545f4914f6cdd1d) >> 16;
}

/* => 0 to below - 1. By a multiplication: a division takes longer than many an operation's accesses. */
static inline unsigned crew_draw(uint64_t *state, unsigned below)
{
    return (unsigned)((crew_random(state) >> 16) * below >> 32);
}

/*
 * The age of what a mapping stands for: it carries the lowest bits of a birth number, in its attribute and in all of
 * its protection but the right to read.
 */
enum { CREW_STAMPS = 64 };

static inline void crew_stamp(struct hipt_mapping *mapping, uint64_t birth)
{
    mapping->attr = (uint8_t)(birth & HIPT_ATTR_MAX);
    mapping->prot = (uint8_t)(HIPT_READ | (birth / (HIPT_ATTR_MAX + 1u) & 7u) << 1);
}

/* => how many births later than the mapping's this one is, as far as the stamp can tell. */
static inline unsigned crew_age(const struct hipt_mapping *mapping, uint64_t birth)
{
    unsigned stamp = mapping->attr + (mapping->prot >> 1 & 7u) * (HIPT_ATTR_MAX + 1u);

    return (unsigned)(birth - stamp) % CREW_STAMPS;
}

/* Count an age: @first is that of age 0, the next ones are for 1, 2 to 7, and older. */
static inline void crew_add_age(struct crew *crew, unsigned thread, unsigned first, unsigned age)
{
    crew_add(crew, thread, first + (age > 0) + (age > 1u) + (age > 7u), 1);
}

/* => an asid, waited for if need be. */
struct hipt_asid crew_asid(struct crew *crew);

/* Pin frames @first to @first + @count - 1, so that none of them waits for a grace period between two mappings. */
void crew_pin(struct crew *crew, uint64_t first, uint64_t count);

#endif
