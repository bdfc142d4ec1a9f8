/* SPDX-License-Identifier: MIT */
/*
 * A second table of hipt, for the workloads in which pages of a second size are mapped, or ranges and spaces come and
 * go: in the table that the peers are compared with they would change the load, and what other lookups cost. It holds
 * the same population, and has room for what such a workload maps beside it.
 */
#ifndef BENCH_HIPT_ASIDE_H
#define BENCH_HIPT_ASIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "impl.h"

struct aside; /* opaque */

/* @room: pages that one workload maps beside the @count keys. => NULL, with a line on stderr, if it cannot be made */
struct aside *aside_create(const uint64_t *keys, size_t count, size_t room);
void aside_destroy(struct aside *aside);

/* Maps what the round needs, on no clock. => false, with a line on stderr, if that cannot be. */
bool aside_prepare(struct aside *aside, enum bench_loop loop, const uint64_t *probes, size_t count);

struct bench_outcome aside_run_large(struct aside *aside, const struct bench_job *job);
struct bench_outcome aside_run_unmap_range(struct aside *aside, const struct bench_job *job);
struct bench_outcome aside_run_retire(struct aside *aside, const struct bench_job *job);

#endif
