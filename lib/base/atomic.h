/* SPDX-License-Identifier: MIT */
/*
 * Atomic words. The order is in the operation's name, and every access is one step.
 *
 * A step is an access to shared mutable state. Each passes the macro HIPT_STEP, which names the operation and the word.
 * It is empty in release builds. With -DHIPT_STEPS=1 it calls hipt_port_step(), which the program that links the
 * library supplies: a test yields there, a scheduler switches threads there.
 *
 * Stand-alone fences are not offered: sanitizers do not model them, so order is on the accesses.
 */
#ifndef HIPT_BASE_ATOMIC_H
#define HIPT_BASE_ATOMIC_H

#include <stdint.h>

#ifdef __cplusplus
#include <atomic>
#define HIPTI_ATOMIC(T) std::atomic<T>
using std::atomic_compare_exchange_strong_explicit;
using std::atomic_exchange_explicit;
using std::atomic_fetch_add_explicit;
using std::atomic_fetch_or_explicit;
using std::atomic_fetch_sub_explicit;
using std::atomic_load_explicit;
using std::atomic_store_explicit;
using std::memory_order_acq_rel;
using std::memory_order_acquire;
using std::memory_order_relaxed;
using std::memory_order_release;
using std::memory_order_seq_cst;
#else
#include <stdatomic.h>
#define HIPTI_ATOMIC(T) _Atomic(T)
#endif

#if defined(HIPT_STEPS) && HIPT_STEPS
#ifdef __cplusplus
extern "C"
#endif
void hipt_port_step(const char *operation, const volatile void *word, const char *file, int line);
#define HIPT_STEP(operation, word) hipt_port_step(operation, word, __FILE__, __LINE__)
#else
#define HIPT_STEP(operation, word) ((void)0)
#endif

/*
 * The operations themselves. A program that wants to see the values, or to give others that the memory model allows,
 * builds the library with -DHIPT_ATOMIC_HEADER="\"its.h\"" and defines these seven there; @order is a word of C11's.
 */
#ifdef HIPT_ATOMIC_HEADER
#include HIPT_ATOMIC_HEADER
#else
#define HIPT_ATOMIC_LOAD(p, order) atomic_load_explicit((p), memory_order_##order)
#define HIPT_ATOMIC_STORE(p, v, order) atomic_store_explicit((p), (v), memory_order_##order)
#define HIPT_ATOMIC_EXCHANGE(p, v, order) atomic_exchange_explicit((p), (v), memory_order_##order)
#define HIPT_ATOMIC_CAS(p, e, v, order, failure) \
    atomic_compare_exchange_strong_explicit((p), (e), (v), memory_order_##order, memory_order_##failure)
#define HIPT_ATOMIC_ADD(p, v, order) atomic_fetch_add_explicit((p), (v), memory_order_##order)
#define HIPT_ATOMIC_SUB(p, v, order) atomic_fetch_sub_explicit((p), (v), memory_order_##order)
#define HIPT_ATOMIC_OR(p, v, order) atomic_fetch_or_explicit((p), (v), memory_order_##order)
#endif

#define hipti_load_relaxed(p) (HIPT_STEP("load_relaxed", p), HIPT_ATOMIC_LOAD(p, relaxed))
#define hipti_load_acquire(p) (HIPT_STEP("load_acquire", p), HIPT_ATOMIC_LOAD(p, acquire))
#define hipti_load_seq_cst(p) (HIPT_STEP("load_seq_cst", p), HIPT_ATOMIC_LOAD(p, seq_cst))

#define hipti_store_relaxed(p, v) (HIPT_STEP("store_relaxed", p), HIPT_ATOMIC_STORE(p, v, relaxed))
#define hipti_store_release(p, v) (HIPT_STEP("store_release", p), HIPT_ATOMIC_STORE(p, v, release))

#define hipti_exchange_relaxed(p, v) (HIPT_STEP("exchange_relaxed", p), HIPT_ATOMIC_EXCHANGE(p, v, relaxed))
#define hipti_exchange_acquire(p, v) (HIPT_STEP("exchange_acquire", p), HIPT_ATOMIC_EXCHANGE(p, v, acquire))
#define hipti_exchange_seq_cst(p, v) (HIPT_STEP("exchange_seq_cst", p), HIPT_ATOMIC_EXCHANGE(p, v, seq_cst))

/*
 * Compare and swap: true if *p was *e and is v now; otherwise *e is what was found, read with the failure's order: what
 * of the order is a load's. A failed seq_cst one is in the single order.
 */
#define hipti_cas_relaxed(p, e, v) (HIPT_STEP("cas_relaxed", p), HIPT_ATOMIC_CAS(p, e, v, relaxed, relaxed))
#define hipti_cas_acquire(p, e, v) (HIPT_STEP("cas_acquire", p), HIPT_ATOMIC_CAS(p, e, v, acquire, acquire))
#define hipti_cas_release(p, e, v) (HIPT_STEP("cas_release", p), HIPT_ATOMIC_CAS(p, e, v, release, relaxed))
#define hipti_cas_acq_rel(p, e, v) (HIPT_STEP("cas_acq_rel", p), HIPT_ATOMIC_CAS(p, e, v, acq_rel, acquire))
#define hipti_cas_seq_cst(p, e, v) (HIPT_STEP("cas_seq_cst", p), HIPT_ATOMIC_CAS(p, e, v, seq_cst, seq_cst))

#define hipti_fetch_add_relaxed(p, v) (HIPT_STEP("fetch_add_relaxed", p), HIPT_ATOMIC_ADD(p, v, relaxed))
#define hipti_fetch_add_release(p, v) (HIPT_STEP("fetch_add_release", p), HIPT_ATOMIC_ADD(p, v, release))
#define hipti_fetch_add_acq_rel(p, v) (HIPT_STEP("fetch_add_acq_rel", p), HIPT_ATOMIC_ADD(p, v, acq_rel))
#define hipti_fetch_sub_relaxed(p, v) (HIPT_STEP("fetch_sub_relaxed", p), HIPT_ATOMIC_SUB(p, v, relaxed))
#define hipti_fetch_sub_release(p, v) (HIPT_STEP("fetch_sub_release", p), HIPT_ATOMIC_SUB(p, v, release))
#define hipti_fetch_or_relaxed(p, v) (HIPT_STEP("fetch_or_relaxed", p), HIPT_ATOMIC_OR(p, v, relaxed))
#define hipti_fetch_or_release(p, v) (HIPT_STEP("fetch_or_release", p), HIPT_ATOMIC_OR(p, v, release))
#define hipti_fetch_or_acq_rel(p, v) (HIPT_STEP("fetch_or_acq_rel", p), HIPT_ATOMIC_OR(p, v, acq_rel))
#define hipti_fetch_or_seq_cst(p, v) (HIPT_STEP("fetch_or_seq_cst", p), HIPT_ATOMIC_OR(p, v, seq_cst))

#endif
