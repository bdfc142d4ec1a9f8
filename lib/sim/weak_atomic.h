/* SPDX-License-Identifier: MIT */
/*
 * The seven operations of base/atomic.h, through the model of sim/weak.h: the library is built with
 * -DHIPT_ATOMIC_HEADER="\"sim/weak_atomic.h\"". The real memory always holds the newest value, so code that does not
 * come this way still works. A failed compare and swap reads relaxed here, which is weaker than base/atomic.h has it.
 */
#ifndef HIPT_SIM_WEAK_ATOMIC_H
#define HIPT_SIM_WEAK_ATOMIC_H

#include "sim/weak.h"

/* The model that all accesses go through; the program that links the library defines it. NULL: plain memory. */
extern struct hipti_weak *hipti_weak_current;

/* The type of *(p), not atomic; nothing is evaluated. */
#define HIPTI_WEAK_VALUE(p) __typeof__(atomic_load_explicit((p), memory_order_relaxed))
#define HIPTI_WEAK_SITE(operation)                                                                                     \
    (struct hipti_weak_site)                                                                                           \
    {                                                                                                                  \
        operation, __FILE__, __func__, __LINE__                                                                        \
    }
#define HIPTI_WEAK_ARGUMENTS(p, v, order, operation)                                                                   \
    hipti_weak_current, (volatile void *)(p), (unsigned)sizeof(*(p)), (uint64_t)(v), HIPTI_WEAK_##order,               \
        HIPTI_WEAK_SITE(operation)

#define HIPT_ATOMIC_LOAD(p, order)                                                                                     \
    ((HIPTI_WEAK_VALUE(p))hipti_weak_load(hipti_weak_current, (const volatile void *)(p), (unsigned)sizeof(*(p)),      \
                                          HIPTI_WEAK_##order, HIPTI_WEAK_SITE("load")))
#define HIPT_ATOMIC_STORE(p, v, order) hipti_weak_store(HIPTI_WEAK_ARGUMENTS(p, v, order, "store"))
#define HIPT_ATOMIC_EXCHANGE(p, v, order)                                                                              \
    ((HIPTI_WEAK_VALUE(p))hipti_weak_exchange(HIPTI_WEAK_ARGUMENTS(p, v, order, "exchange")))
#define HIPT_ATOMIC_CAS(p, e, v, order, failure)                                                                       \
    hipti_weak_cas(hipti_weak_current, (volatile void *)(p), (unsigned)sizeof(*(p)), (void *)(e), (uint64_t)(v),       \
                   HIPTI_WEAK_##order, HIPTI_WEAK_SITE("cas"))
#define HIPT_ATOMIC_ADD(p, v, order) ((HIPTI_WEAK_VALUE(p))hipti_weak_add_to(HIPTI_WEAK_ARGUMENTS(p, v, order, "add")))
#define HIPT_ATOMIC_SUB(p, v, order)                                                                                   \
    ((HIPTI_WEAK_VALUE(p))hipti_weak_add_to(HIPTI_WEAK_ARGUMENTS(p, -(uint64_t)(v), order, "sub")))
#define HIPT_ATOMIC_OR(p, v, order) ((HIPTI_WEAK_VALUE(p))hipti_weak_or_to(HIPTI_WEAK_ARGUMENTS(p, v, order, "or")))

#endif
