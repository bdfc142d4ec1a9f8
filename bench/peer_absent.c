/* SPDX-License-Identifier: MIT */
/* Peers that this build lacks: named all the same, with the reason, which the build defines. */
#include "impl.h"

#ifdef BENCH_WITHOUT_TBB
const struct bench_impl bench_tbb = {.name = "tbb", .text = "not built: " BENCH_WITHOUT_TBB, .on_request = true};
#endif
#ifdef BENCH_WITHOUT_CUCKOO
const struct bench_impl bench_cuckoo = {
    .name = "cuckoo", .text = "not built: " BENCH_WITHOUT_CUCKOO, .on_request = true};
#endif
#ifdef BENCH_WITHOUT_DPDK
const struct bench_impl bench_dpdk = {.name = "dpdk", .text = "not built: " BENCH_WITHOUT_DPDK, .on_request = true};
#endif
#ifdef BENCH_WITHOUT_MUTEX
const struct bench_impl bench_mutex = {.name = "mutex", .text = "not built: " BENCH_WITHOUT_MUTEX, .on_request = true};
#endif
