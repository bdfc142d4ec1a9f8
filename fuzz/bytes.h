/* SPDX-License-Identifier: MIT */
/* A fuzzer's bytes as a sequence of choices. Where they end, every further choice is 0. */
#ifndef HIPT_FUZZ_BYTES_H
#define HIPT_FUZZ_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct bytes {
    const uint8_t *at;
    size_t left;
};

static inline uint8_t bytes_next(struct bytes *bytes)
{
    if (bytes->left == 0) {
        return 0;
    }
    bytes->left--;
    return *bytes->at++;
}

static inline unsigned bytes_below(struct bytes *bytes, unsigned bound)
{
    return bytes_next(bytes) % bound;
}

/* Eight bytes, the lowest first. */
static inline uint64_t bytes_word(struct bytes *bytes)
{
    uint64_t word = 0;

    for (unsigned shift = 0; shift < 64; shift += 8) {
        word |= (uint64_t)bytes_next(bytes) << shift;
    }
    return word;
}

/* Not assert(): a build without it would test less and say nothing. */
static inline void require_at(bool holds, const char *what, const char *file, int line)
{
    if (!holds) {
        fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
        abort();
    }
}

#define REQUIRE(condition) require_at(condition, #condition, __FILE__, __LINE__)

#endif
