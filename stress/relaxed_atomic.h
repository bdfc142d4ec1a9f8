/* SPDX-License-Identifier: MIT */
/*
 * A planted bug: the library built with -DHIPT_ATOMIC_HEADER="\"stress/relaxed_atomic.h\"" orders nothing. Nobody sees
 * that on a strong machine but ThreadSanitizer, which must.
 */
#ifndef STRESS_RELAXED_ATOMIC_H
#define STRESS_RELAXED_ATOMIC_H

#include <stdatomic.h>

#define HIPT_ATOMIC_LOAD(p, order) atomic_load_explicit((p), memory_order_relaxed)
#define HIPT_ATOMIC_STORE(p, v, order) atomic_store_explicit((p), (v), memory_order_relaxed)
#define HIPT_ATOMIC_EXCHANGE(p, v, order) atomic_exchange_explicit((p), (v), memory_order_relaxed)
#define HIPT_ATOMIC_CAS(p, e, v, order, failure) \
    atomic_compare_exchange_strong_explicit((p), (e), (v), memory_order_relaxed, memory_order_relaxed)
#define HIPT_ATOMIC_ADD(p, v, order) atomic_fetch_add_explicit((p), (v), memory_order_relaxed)
#define HIPT_ATOMIC_SUB(p, v, order) atomic_fetch_sub_explicit((p), (v), memory_order_relaxed)
#define HIPT_ATOMIC_OR(p, v, order) atomic_fetch_or_explicit((p), (v), memory_order_relaxed)

#endif
