/* SPDX-License-Identifier: MIT */
/*
 * The slow half of a target, which a fuzzer runs for a part of its inputs and a replay for all of them. Which part is a
 * function of the input: what was found is found again.
 */
#ifndef HIPT_FUZZ_SAMPLE_H
#define HIPT_FUZZ_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static bool sample_is_taken; /* a fuzzer runs */

int LLVMFuzzerInitialize(int *argc, char ***argv);

/* Fuzzers call it once before all inputs; replay_main.c does not. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    sample_is_taken = true;
    return 0;
}

/* => whether the input is one of so many. */
static bool sample_has(const uint8_t *bytes, size_t count, unsigned one_in)
{
    uint32_t hash = UINT32_C(2166136261); /* FNV-1a */

    for (size_t i = 0; sample_is_taken && i < count; i++) {
        hash = (hash ^ bytes[i]) * UINT32_C(16777619);
    }
    return !sample_is_taken || (hash >> 8) % one_in == 0;
}

#endif
