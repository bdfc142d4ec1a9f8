/* SPDX-License-Identifier: MIT */
/*
 * Four words compared at once, where the compiler offers it and nobody has to see the single accesses: a build that
 * schedules, models or sanitizes them takes the portable form. HIPTI_SIMD names the choice.
 */
#ifndef HIPT_BASE_SIMD_H
#define HIPT_BASE_SIMD_H

#include <stdint.h>

#include "base/atomic.h"
#include "base/bits.h"

#if defined(__SANITIZE_THREAD__)
#define HIPTI_SEES_ACCESSES 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define HIPTI_SEES_ACCESSES 1
#endif
#endif
#if (defined(HIPT_STEPS) && HIPT_STEPS) || defined(HIPT_ATOMIC_HEADER)
#undef HIPTI_SEES_ACCESSES
#define HIPTI_SEES_ACCESSES 1
#endif

/* => bit i: @words[i] is @value. Each word is read once, and acquired. */
static inline unsigned hipti_equal_portable(const HIPTI_ATOMIC(uint32_t) words[4], uint64_t value)
{
    return hipti_is_zero(hipti_load_acquire(&words[0]) ^ value) |      /* [observe:lo/hi] */
           hipti_is_zero(hipti_load_acquire(&words[1]) ^ value) << 1 | /* [observe:lo/hi] */
           hipti_is_zero(hipti_load_acquire(&words[2]) ^ value) << 2 | /* [observe:lo/hi] */
           hipti_is_zero(hipti_load_acquire(&words[3]) ^ value) << 3;  /* [observe:lo/hi] */
}

#if defined(__SSE2__)
typedef uint32_t hipti_words __attribute__((vector_size(16), may_alias));
typedef float hipti_floats __attribute__((vector_size(16)));

/*
 * The same; @words lies at a multiple of 16 bytes. The processor reads each word of an aligned vector in one piece, and
 * no load before an earlier one; volatile keeps the compiler from reading it earlier or not at all, the signal fence
 * from reading anything behind it before.
 */
static inline unsigned hipti_equal_sse2(const HIPTI_ATOMIC(uint32_t) words[4], uint32_t value)
{
    hipti_words found = *(const volatile hipti_words *)(const volatile void *)words;
    hipti_words wanted = {value, value, value, value};

    __atomic_signal_fence(__ATOMIC_ACQUIRE);
    return (unsigned)__builtin_ia32_movmskps((hipti_floats)(found == wanted));
}
#endif

#if defined(__SSE2__) && !defined(HIPTI_SEES_ACCESSES)
#define HIPTI_SIMD "sse2"
#define hipti_equal hipti_equal_sse2
#else
#define HIPTI_SIMD "portable"
#define hipti_equal hipti_equal_portable
#endif

#endif
