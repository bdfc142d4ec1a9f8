/* SPDX-License-Identifier: MIT */
/* Threads that are CPUs, with modelled MMUs of two entries and two tags; and what their accesses must be like. */
#ifndef HIPT_TESTS_WEAK_CPUS_H
#define HIPT_TESTS_WEAK_CPUS_H

#include <stdbool.h>
#include <stdint.h>

#include <hipt/hipt.h>

#include "weak/history.h"

/* Hooks of the host. */
struct hipt_cpu *cpus_this(void *ctx);
void cpus_relax(void *ctx);
void cpus_kick(void *ctx, const uint64_t *set, unsigned words);

/* Attach the CPUs of a program to its table, and let them come inside. => false: they cannot be. */
bool cpus_open(const struct hipt_config *config, unsigned count);

/* Before each run. */
void cpus_start(void);

/* An operation of a CPU, or one about a gather. */
enum hipt_status cpus_run(struct record *record);

/* => all that the thread knows by its CPU and its gather, as a hash. */
uint64_t cpus_hash(unsigned thread);

/* => what hooks have changed, as a hash. */
uint64_t cpus_host_hash(void);

/* The thread has made all its operations: it owes nobody an acknowledgement any more. */
void cpus_leave(unsigned thread);

/*
 * S1  who has ended a mapping, or forbidden writing, knows at its return of every access that the mapping allowed
 * S2  so does who has mapped the page again, or found that
 * S3  a write is known to a clean that reports the mapping dirty, or whoever ends the mapping reports it, or it is
 * dirty
 */
void judge_accesses(void);

#endif
