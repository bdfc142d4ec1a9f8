/* SPDX-License-Identifier: MIT */
/* The hash by which explorations tell states apart. */
#ifndef HIPT_SIM_HASH_H
#define HIPT_SIM_HASH_H

#include <stdint.h>

/* Two numbers into one, so that sequences that differ in an element or an order are told apart. */
static inline uint64_t hipti_sim_hash(uint64_t a, uint64_t b)
{
    uint64_t x = (a ^ (b + UINT64_C(0x9e3779b97f4a7c15))) * UINT64_C(0xbf58476d1ce4e5b9);

    x = (x ^ (x >> 32)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 29);
}

#endif
