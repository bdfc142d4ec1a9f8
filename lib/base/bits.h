/* SPDX-License-Identifier: MIT */
/* Bit fields of words. */
#ifndef HIPT_BASE_BITS_H
#define HIPT_BASE_BITS_H

#include <stdint.h>

#define HIPTI_CACHE_LINE 64u

#ifdef __cplusplus
#define HIPTI_ALIGNED(bytes) alignas(bytes)
#else
#define HIPTI_ALIGNED(bytes) _Alignas(bytes)
#endif

/* A function that is kept out of line, so that it costs its callers no registers. */
#define HIPTI_NOINLINE __attribute__((noinline))

/* A function that is called rarely: out of line as well. */
#define HIPTI_COLD __attribute__((noinline, cold))

/* @bits one bits, 0 to 64 of them. */
static inline uint64_t hipti_mask(unsigned bits)
{
    return bits >= 64u ? ~UINT64_C(0) : (UINT64_C(1) << bits) - 1u;
}

static inline uint64_t hipti_field_get(uint64_t word, unsigned shift, unsigned bits)
{
    return (word >> shift) & hipti_mask(bits);
}

static inline uint64_t hipti_field_set(uint64_t word, unsigned shift, unsigned bits, uint64_t value)
{
    return (word & ~(hipti_mask(bits) << shift)) | ((value & hipti_mask(bits)) << shift);
}

/* The number of the lowest bit that is set; @word is not 0. */
static inline unsigned hipti_lowest_bit(unsigned word)
{
    return (unsigned)__builtin_ctz(word);
}

/* The number of the highest bit that is set; @word is not 0. */
static inline unsigned hipti_highest_bit(unsigned word)
{
    return 31u - (unsigned)__builtin_clz(word);
}

static inline unsigned hipti_lowest_bit64(uint64_t word)
{
    return (unsigned)__builtin_ctzll(word);
}

/* 1 if @word < 2^63 is 0, else 0; by arithmetic, so that no compiler makes a branch of it. */
static inline unsigned hipti_is_zero(uint64_t word)
{
    return (unsigned)((word - 1u) >> 63);
}

/* How many bits number @count things: 0 for one, 1 for two, 2 for three or four. */
static inline unsigned hipti_bits_for(uint64_t count)
{
    unsigned bits = 0;

    while (bits < 64u && hipti_mask(bits) < count - 1u) {
        bits++;
    }
    return bits;
}

/* The 128-bit product of @a and @b < 2^32: returns the high 64 bits, *low receives the low ones. */
static inline uint64_t hipti_multiply(uint64_t a, uint64_t b, uint64_t *low)
{
#ifdef __SIZEOF_INT128__
    __extension__ unsigned __int128 product = (unsigned __int128)a * b;

    *low = (uint64_t)product;
    return (uint64_t)(product >> 64);
#else
    uint64_t first = (a & UINT32_MAX) * b;
    uint64_t second = (a >> 32) * b + (first >> 32);

    *low = (second << 32) | (first & UINT32_MAX);
    return second >> 32;
#endif
}

#endif
