/* SPDX-License-Identifier: MIT */
/* Words: fields and products, lines of text, the texts of statuses, and checks that stop a program. */
#undef HIPT_CHECK
#define HIPT_CHECK 3 /* of this file, whatever the build's is: the checks themselves are tested */

#include <criterion/criterion.h>

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <hipt/hipt.h>
#include <hipt/port.h>

#include "base/bits.h"
#include "base/check.h"
#include "base/simd.h"
#include "base/text.h"
#include "support/host.h"

/* A mask is as many ones as it says, 0 and 64 included. */
Test(base, mask_has_that_many_ones)
{
    uint64_t ones = 0;
    unsigned bits;

    for (bits = 0; bits <= 64u; bits++) {
        cr_assert_eq(hipti_mask(bits), ones, "%u bits", bits);
        ones = ones << 1 | 1u;
    }
}

/* A field of any place and width holds what is put there, cut to its width, and leaves every other bit alone. */
Test(base, field_changes_its_bits_only)
{
    uint64_t random = 1;
    unsigned shift;
    unsigned bits;

    for (shift = 0; shift < 64u; shift++) {
        for (bits = 0; bits <= 64u - shift; bits++) {
            uint64_t word = test_random(&random);
            uint64_t value = test_random(&random);
            uint64_t ones = bits == 64u ? UINT64_MAX : ((UINT64_C(1) << bits) - 1u);
            uint64_t next = hipti_field_set(word, shift, bits, value);

            cr_assert_eq(hipti_field_get(next, shift, bits), value & ones);
            cr_assert_eq((next ^ word) & ~(ones << shift), 0);
            cr_assert_eq(hipti_field_get(word, shift, bits), (word >> shift) & ones);
        }
    }
}

/* hipti_bits_for() is the least number of bits that gives each of so many things a number of its own. */
Test(base, bits_for_is_the_least_that_suffices)
{
    uint64_t count;
    unsigned bits;

    for (count = 1; count <= 5000u; count++) {
        bits = hipti_bits_for(count);
        cr_assert_geq(UINT64_C(1) << bits, count);
        cr_assert(bits == 0 || UINT64_C(1) << (bits - 1u) < count);
    }
    for (bits = 1; bits < 64u; bits++) {
        cr_assert_eq(hipti_bits_for(UINT64_C(1) << bits), bits);
        cr_assert_eq(hipti_bits_for((UINT64_C(1) << bits) + 1u), bits + 1u);
    }
}

static void cr_expect_product(uint64_t a, uint64_t b)
{
    __extension__ unsigned __int128 product = (unsigned __int128)a * b;
    uint64_t low;
    uint64_t high = hipti_multiply(a, b, &low);

    cr_assert_eq(high, (uint64_t)(product >> 64), "%llx * %llx", (unsigned long long)a, (unsigned long long)b);
    cr_assert_eq(low, (uint64_t)product, "%llx * %llx", (unsigned long long)a, (unsigned long long)b);
}

/* The product is the compiler's own, at the edges and for random factors, the second below 2^32. */
Test(base, multiply_is_the_128_bit_product)
{
    static const uint64_t edges[] = {0,         1, 2, UINT32_MAX - 1u, UINT32_MAX, UINT64_C(1) << 32, UINT64_MAX - 1u,
                                     UINT64_MAX};
    uint64_t random = 3;
    size_t i;
    size_t j;

    for (i = 0; i < sizeof(edges) / sizeof(edges[0]); i++) {
        for (j = 0; j < sizeof(edges) / sizeof(edges[0]) && edges[j] <= UINT32_MAX; j++) {
            cr_expect_product(edges[i], edges[j]);
        }
    }
    for (i = 0; i < 1000000u; i++) {
        cr_expect_product(test_random(&random), test_random(&random) >> 32);
    }
}

/* The lowest bit and the test for zero, that lookups use instead of branches. */
Test(base, lowest_bit_and_zero)
{
    uint64_t random = 5;
    unsigned i;

    for (i = 0; i < 32u; i++) {
        unsigned above = (unsigned)test_random(&random) & ~((UINT32_C(1) << i << 1) - 1u);

        cr_assert_eq(hipti_lowest_bit(above | UINT32_C(1) << i), i);
    }
    cr_assert_eq(hipti_is_zero(0), 1u);
    for (i = 0; i < 63u; i++) {
        cr_assert_eq(hipti_is_zero(UINT64_C(1) << i), 0u);
        cr_assert_eq(hipti_is_zero((UINT64_C(2) << i) - 1u), 0u);
    }
}

/* A line is cut at whatever room there is: never a byte beyond it, always a zero at its end. */
Test(base, text_is_cut_at_every_length)
{
    static const char whole[] = "buckets 18446744073709551615 are fewer than 0";
    char room[sizeof(whole) + 8u];
    size_t bytes;

    for (bytes = 0; bytes <= sizeof(room); bytes++) {
        struct hipti_text text;
        size_t kept = bytes < sizeof(whole) ? bytes : sizeof(whole);
        size_t i;

        memset(room, '#', sizeof(room));
        hipti_text_start(&text, room, bytes);
        cr_assert(bytes == 0 || room[0] == '\0');
        hipti_text_refuse(&text, "buckets", UINT64_MAX, " are fewer than ", 0);
        if (kept > 0) {
            cr_assert_eq(strlen(room), kept - 1u);
            cr_assert_eq(memcmp(room, whole, kept - 1u), 0, "%s", room);
        }
        for (i = kept; i < sizeof(room); i++) {
            cr_assert_eq(room[i], '#', "byte %zu of %zu was written", i, bytes);
        }
    }
}

/* No room needs no buffer. */
Test(base, text_without_a_buffer)
{
    struct hipti_text text;

    hipti_text_start(&text, NULL, 0);
    hipti_text_put(&text, "nothing");
    hipti_text_put_number(&text, 1);
    cr_assert_eq(text.room, 0);
}

/* Numbers are decimal, as the C library writes them. */
Test(base, text_numbers)
{
    static const uint64_t numbers[] = {0, 1, 9, 10, 99, 100, UINT32_MAX, UINT64_MAX - 1u, UINT64_MAX};
    size_t i;

    for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        struct hipti_text text;
        char expected[32];
        char room[32];

        snprintf(expected, sizeof(expected), "%llu", (unsigned long long)numbers[i]);
        hipti_text_start(&text, room, sizeof(room));
        hipti_text_put_number(&text, numbers[i]);
        cr_assert_str_eq(room, expected);
    }
}

/* Every status has a line of its own; every other number has one too, the same for all. */
Test(base, strerror_of_every_status_and_beyond)
{
    const char *other = hipt_strerror(HIPT_STATUS_COUNT);
    int a;
    int b;

    cr_assert_not_null(other);
    for (a = 0; a < (int)HIPT_STATUS_COUNT; a++) {
        const char *text = hipt_strerror((enum hipt_status)a);

        cr_assert_not_null(text, "status %d", a);
        cr_assert_gt(strlen(text), 3u, "status %d", a);
        cr_assert_null(strchr(text, '\n'), "status %d", a);
        cr_assert_str_neq(text, other, "status %d", a);
        for (b = 0; b < a; b++) {
            cr_assert_str_neq(text, hipt_strerror((enum hipt_status)b), "statuses %d and %d", a, b);
        }
    }
    cr_assert_str_eq(hipt_strerror((enum hipt_status)(HIPT_STATUS_COUNT + 1)), other);
    cr_assert_str_eq(hipt_strerror((enum hipt_status)-1), other);
}

/* What the compiler's trap is to the system. */
#if defined(__aarch64__) || defined(__riscv) || defined(__powerpc__)
#define PANIC_SIGNAL SIGTRAP
#elif defined(__s390x__)
#define PANIC_SIGNAL SIGFPE
#else
#define PANIC_SIGNAL SIGILL
#endif

/* Out of the compiler's sight. */
static volatile bool promise_kept;

/* A promise that the caller broke stops the program there. */
Test(base, require_panics, .signal = PANIC_SIGNAL)
{
    HIPTI_REQUIRE(promise_kept);
}

/* So does an invariant of ours. */
Test(base, invariant_panics, .signal = PANIC_SIGNAL)
{
    HIPTI_INVARIANT(promise_kept);
}

/* What holds stops nobody, and is evaluated once. */
Test(base, checks_that_hold)
{
    unsigned evaluated = 0;

    HIPTI_REQUIRE(++evaluated == 1u);
    HIPTI_INVARIANT(++evaluated == 2u);
    cr_assert_eq(evaluated, 2u);
}

/* The compare of four words says of each whether it is the one, in whatever form it was chosen. */
Test(base, equal_words)
{
    static const uint32_t words[] = {0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 0x01000000, 0x00ff00ff};
    static _Alignas(16) HIPTI_ATOMIC(uint32_t) four[4];
    unsigned kinds = sizeof(words) / sizeof(words[0]);
    unsigned choice;

    for (choice = 0; choice < kinds * kinds * kinds * kinds * kinds; choice++) {
        uint32_t wanted = words[choice % kinds];
        unsigned left = choice / kinds;
        unsigned expected = 0;
        unsigned i;

        for (i = 0; i < 4u; i++, left /= kinds) {
            atomic_store(&four[i], words[left % kinds]);
            expected |= (unsigned)(words[left % kinds] == wanted) << i;
        }
        cr_assert_eq(hipti_equal(four, wanted), expected, "choice %u", choice);
        cr_assert_eq(hipti_equal_portable(four, wanted), expected, "choice %u", choice);
    }
}

/* The text of the version names the compare that was chosen, which is that of this file too. */
Test(base, version_text)
{
    const char *text = hipt_version();

    cr_assert_eq(strncmp(text, "hipt " HIPT_VERSION_TEXT, strlen("hipt " HIPT_VERSION_TEXT)), 0, "%s", text);
    cr_assert_not_null(strstr(text, "compare: "));
}
