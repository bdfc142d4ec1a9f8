/* SPDX-License-Identifier: MIT */
/*
 * The seven operations of base/atomic.h for a program whose threads are all virtual: the library is built with
 * -DHIPT_ATOMIC_HEADER="\"sim/plain.h\"". Only one thread runs at a time and none is interrupted inside an operation,
 * so plain accesses are atomic, and sequentially consistent. Each tells its value to the record of the execution and to
 * the hash of its state, and each write leaves the old value in a log, so that the next execution can start from where
 * this one started without copying memory.
 */
#ifndef HIPT_SIM_PLAIN_H
#define HIPT_SIM_PLAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "sim/sched.h"

#define HIPTI_PLAIN_LOG 16384u

struct hipti_plain_entry {
    volatile void *at;
    uint64_t old;
    unsigned bytes;
};

/* Field key: the one real thread only. */
struct hipti_plain {
    struct hipti_sim *sim; /* whose record is told the values; NULL: nobody's */
    unsigned writes;
    bool is_full;          /* writes were lost: hipti_plain_undo() cannot be used */
    struct hipti_plain_entry log[HIPTI_PLAIN_LOG];
};

extern struct hipti_plain hipti_plain;

/* Take back every write since the last call. => false: there were too many. */
bool hipti_plain_undo(struct hipti_plain *plain);

static inline uint64_t hipti_plain_get(const volatile void *p, unsigned bytes)
{
    switch (bytes) {
    case 1:
        return *(const volatile uint8_t *)p;
    case 2:
        return *(const volatile uint16_t *)p;
    case 4:
        return *(const volatile uint32_t *)p;
    default:
        return *(const volatile uint64_t *)p;
    }
}

/* The same of a word that holds a pointer. */
static inline void *hipti_plain_pointer(const volatile void *p)
{
    return (void *)(uintptr_t)hipti_plain_get(p, (unsigned)sizeof(void *));
}

static inline void hipti_plain_put(volatile void *p, unsigned bytes, uint64_t value)
{
    switch (bytes) {
    case 1:
        *(volatile uint8_t *)p = (uint8_t)value;
        break;
    case 2:
        *(volatile uint16_t *)p = (uint16_t)value;
        break;
    case 4:
        *(volatile uint32_t *)p = (uint32_t)value;
        break;
    default:
        *(volatile uint64_t *)p = value;
        break;
    }
}

static inline uint64_t hipti_plain_tell(uint64_t value)
{
    if (hipti_plain.sim) {
        hipti_sim_note(hipti_plain.sim, value);
    }
    return value;
}

/* A value comes back to the thread that made the step. */
static inline uint64_t hipti_plain_learn(uint64_t value)
{
    if (hipti_plain.sim) {
        hipti_sim_learn(hipti_plain.sim, value);
    }
    return value;
}

static inline uint64_t hipti_plain_load(const volatile void *p, unsigned bytes)
{
    return hipti_plain_learn(hipti_plain_tell(hipti_plain_get(p, bytes)));
}

/* => the old value. */
static inline uint64_t hipti_plain_write(volatile void *p, unsigned bytes, uint64_t old, uint64_t value)
{
    if (hipti_plain.writes < HIPTI_PLAIN_LOG) {
        struct hipti_plain_entry undo = {p, old, bytes};

        hipti_plain.log[hipti_plain.writes++] = undo;
    } else {
        hipti_plain.is_full = true;
    }
    hipti_plain_put(p, bytes, hipti_plain_tell(value));
    if (hipti_plain.sim) {
        hipti_sim_change(hipti_plain.sim, (uint64_t)(uintptr_t)p, old, hipti_plain_get(p, bytes));
    }
    return old;
}

static inline void hipti_plain_store(volatile void *p, unsigned bytes, uint64_t value)
{
    (void)hipti_plain_write(p, bytes, hipti_plain_get(p, bytes), value);
}

static inline uint64_t hipti_plain_exchange(volatile void *p, unsigned bytes, uint64_t value)
{
    return hipti_plain_write(p, bytes, hipti_plain_learn(hipti_plain_get(p, bytes)), value);
}

static inline uint64_t hipti_plain_add(volatile void *p, unsigned bytes, uint64_t value)
{
    uint64_t old = hipti_plain_learn(hipti_plain_get(p, bytes));

    return hipti_plain_write(p, bytes, old, old + value);
}

static inline uint64_t hipti_plain_or(volatile void *p, unsigned bytes, uint64_t value)
{
    uint64_t old = hipti_plain_learn(hipti_plain_get(p, bytes));

    return hipti_plain_write(p, bytes, old, old | value);
}

static inline bool hipti_plain_cas(volatile void *p, unsigned bytes, volatile void *expected, uint64_t value)
{
    uint64_t old = hipti_plain_load(p, bytes);

    if (old != hipti_plain_get(expected, bytes)) {
        hipti_plain_put(expected, bytes, old);
        return false;
    }
    (void)hipti_plain_write(p, bytes, old, value);
    return true;
}

#define HIPTI_PLAIN_VALUE(p) __typeof__(atomic_load_explicit((p), memory_order_relaxed))
#define HIPTI_PLAIN_AT(p) (volatile void *)(p), (unsigned)sizeof(*(p))

#define HIPT_ATOMIC_LOAD(p, order) \
    ((HIPTI_PLAIN_VALUE(p))hipti_plain_load((const volatile void *)(p), (unsigned)sizeof(*(p))))
#define HIPT_ATOMIC_STORE(p, v, order) hipti_plain_store(HIPTI_PLAIN_AT(p), (uint64_t)(v))
#define HIPT_ATOMIC_EXCHANGE(p, v, order) \
    ((HIPTI_PLAIN_VALUE(p))hipti_plain_exchange(HIPTI_PLAIN_AT(p), (uint64_t)(v)))
#define HIPT_ATOMIC_CAS(p, e, v, order, failure) \
    hipti_plain_cas(HIPTI_PLAIN_AT(p), (volatile void *)(e), (uint64_t)(v))
#define HIPT_ATOMIC_ADD(p, v, order) ((HIPTI_PLAIN_VALUE(p))hipti_plain_add(HIPTI_PLAIN_AT(p), (uint64_t)(v)))
#define HIPT_ATOMIC_SUB(p, v, order) ((HIPTI_PLAIN_VALUE(p))hipti_plain_add(HIPTI_PLAIN_AT(p), -(uint64_t)(v)))
#define HIPT_ATOMIC_OR(p, v, order) ((HIPTI_PLAIN_VALUE(p))hipti_plain_or(HIPTI_PLAIN_AT(p), (uint64_t)(v)))

#endif
