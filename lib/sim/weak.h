/* SPDX-License-Identifier: MIT */
/*
 * A model of C11's atomics, so that a load may return what the language allows and not only what is newest. It is
 * driven from outside: somebody runs virtual threads one at a time, says which one runs, and decides, each time a load
 * has several admissible values, which one it takes. What is modelled and what is not stands in docs/memory-model.md.
 *
 * A location is an address. It has a list of messages (value, stamp, released view), ordered by stamp; the newest is
 * what the real memory holds. A view says of each location how new a message must at least be. Each thread has a view;
 * it grows with what the thread does and with the released views of the messages that it reads with acquire.
 *
 * There is nothing here but arithmetic on one structure: no memory is allocated, nothing is global.
 */
#ifndef HIPT_SIM_WEAK_H
#define HIPT_SIM_WEAK_H

#include <stdbool.h>
#include <stdint.h>

#define HIPTI_WEAK_THREADS 4u
#define HIPTI_WEAK_LOCATIONS 2048u
#define HIPTI_WEAK_MESSAGES 8192u
#define HIPTI_WEAK_VIEWS 2048u
#define HIPTI_WEAK_RANGES 64u
#define HIPTI_WEAK_HASH (HIPTI_WEAK_LOCATIONS * 4u)

/* The orders as sets of properties. */
enum hipti_weak_order {
    HIPTI_WEAK_relaxed = 0,
    HIPTI_WEAK_acquire = 1,
    HIPTI_WEAK_release = 2,
    HIPTI_WEAK_acq_rel = 3,
    HIPTI_WEAK_seq_cst = 7
};

/* Where an access stands in the source. */
struct hipti_weak_site {
    const char *operation; /* as in C11: load, store, exchange, cas, add, sub, or */
    const char *file;
    const char *function;
    int line;
};

/* What the driver decides or wants to know. ctx is handed to each. */
struct hipti_weak_hooks {
    void *ctx;
    /* => which of @n > 1 admissible messages is read; 0 is the newest. */
    unsigned (*choose)(void *ctx, unsigned n);
    /* The model can not go on, or an access races with a plain one. May not return. */
    void (*fault)(void *ctx, const char *what, const struct hipti_weak_site *site);
    /* => whether an address may be accessed; NULL: all may. */
    bool (*is_valid)(void *ctx, const volatile void *address);
    /* => the order to use in place of @order, to plant a weaker one; NULL: the one given. */
    enum hipti_weak_order (*order)(void *ctx, const struct hipti_weak_site *site, enum hipti_weak_order order);
    /* A store is a fault where its thread does not know of another store (no read-modify-write) to the same word. */
    bool orders_stores;
};

/* How new each location's message must be; those from @n on: 0, the initial one. */
struct hipti_weak_view {
    uint64_t hash; /* the sum of each location's name times its stamp */
    unsigned n;
    uint16_t at[HIPTI_WEAK_LOCATIONS];
};

struct hipti_weak_message {
    uint64_t value;
    uint32_t before; /* the message one stamp older, itself at the oldest */
    uint16_t stamp;
    uint16_t view; /* what a reader with acquire learns; 0: nothing */
};

struct hipti_weak_location {
    uintptr_t address;
    uint32_t newest;
    uint16_t range; /* the fresh range it lies in, as an index into views; 0: none */
    uint16_t bytes;
    uint16_t stored; /* the stamp of the newest message that a store made, no read-modify-write */
};

struct hipti_weak_range {
    uintptr_t first;
    uintptr_t end;
    uint16_t known; /* a view that has 1 here knows that the range is initialised */
};

/* Field key: the driver's thread only. Large: to be static. */
struct hipti_weak {
    struct hipti_weak_hooks hooks;
    bool is_on;
    unsigned thread;     /* who runs */
    unsigned stale_left; /* loads of this execution that may still take another message than the newest */
    uint64_t stale;      /* loads that did, in all executions */
    uint64_t accesses;   /* in all executions */
    uint32_t execution;
    unsigned nlocations;
    unsigned nmessages;
    unsigned nviews;
    unsigned nranges;
    uint32_t hash_execution[HIPTI_WEAK_HASH];
    uint16_t hash_location[HIPTI_WEAK_HASH];
    struct hipti_weak_location location[HIPTI_WEAK_LOCATIONS];
    struct hipti_weak_message message[HIPTI_WEAK_MESSAGES];
    struct hipti_weak_range range[HIPTI_WEAK_RANGES];
    uint64_t name[HIPTI_WEAK_LOCATIONS];   /* of each place in views: the same in every execution */
    uint64_t messages;                     /* of this execution, as a hash that does not know their order in time */
    uint64_t singles;                      /* what .single holds, as a hash */
    uint64_t told[HIPTI_WEAK_THREADS];     /* what reading has told each thread, as a hash; the driver resets it */
    uint16_t single[HIPTI_WEAK_LOCATIONS]; /* the newest message that a seq_cst access wrote */
    struct hipti_weak_view own[HIPTI_WEAK_THREADS];
    struct hipti_weak_view view[HIPTI_WEAK_VIEWS]; /* released */
};

void hipti_weak_init(struct hipti_weak *weak, const struct hipti_weak_hooks *hooks);

/* A new execution: every location holds what the memory holds, all threads know nothing more. The model is on. */
void hipti_weak_start(struct hipti_weak *weak, unsigned stale_max);

/* From here on accesses go to plain memory, which holds the newest values: all threads have been joined. */
void hipti_weak_stop(struct hipti_weak *weak);

/* Say who runs. */
void hipti_weak_run(struct hipti_weak *weak, unsigned thread);

/*
 * What a thread knows, taken along and given to another: thread start and end, locks of the host, grace periods. Giving
 * joins it with what the receiver knows.
 */
void hipti_weak_take(const struct hipti_weak *weak, struct hipti_weak_view *into);
void hipti_weak_add(const struct hipti_weak *weak, struct hipti_weak_view *into);
void hipti_weak_give(struct hipti_weak *weak, const struct hipti_weak_view *from);
void hipti_weak_forget(struct hipti_weak_view *view);

/*
 * => the same number for executions that have come to the same state: the same messages, the same views of all threads,
 * and .told. Up to a collision of 64-bit hashes. What the driver keeps, views among it, is not in it.
 */
uint64_t hipti_weak_state(const struct hipti_weak *weak);

/* Clocks, one for each thread: a tick of one's own, and how many ticks of another happened before now. */
void hipti_weak_tick(struct hipti_weak *weak);
unsigned hipti_weak_known(const struct hipti_weak *weak, unsigned thread);

/*
 * Memory just zeroed by the running thread, without atomics. Who accesses it without having synchronized with that is
 * a fault.
 */
void hipti_weak_fresh(struct hipti_weak *weak, const void *memory, uint64_t bytes);

/* The accesses. @bytes is 1, 2, 4 or 8. Where @weak is NULL or stopped they go to plain memory. */
uint64_t hipti_weak_load(struct hipti_weak *weak, const volatile void *p, unsigned bytes, enum hipti_weak_order order,
                         struct hipti_weak_site site);
void hipti_weak_store(struct hipti_weak *weak, volatile void *p, unsigned bytes, uint64_t value,
                      enum hipti_weak_order order, struct hipti_weak_site site);
uint64_t hipti_weak_exchange(struct hipti_weak *weak, volatile void *p, unsigned bytes, uint64_t value,
                             enum hipti_weak_order order, struct hipti_weak_site site);
uint64_t hipti_weak_add_to(struct hipti_weak *weak, volatile void *p, unsigned bytes, uint64_t value,
                           enum hipti_weak_order order, struct hipti_weak_site site);
uint64_t hipti_weak_or_to(struct hipti_weak *weak, volatile void *p, unsigned bytes, uint64_t value,
                          enum hipti_weak_order order, struct hipti_weak_site site);
bool hipti_weak_cas(struct hipti_weak *weak, volatile void *p, unsigned bytes, void *expected, uint64_t value,
                    enum hipti_weak_order order, struct hipti_weak_site site);

#endif
