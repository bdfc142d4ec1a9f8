/* SPDX-License-Identifier: MIT */
/* One run of a program: the table it runs on, what each operation answered, and what that says of the table. */
#ifndef HIPT_TESTS_WEAK_HISTORY_H
#define HIPT_TESTS_WEAK_HISTORY_H

#include <hipt/hipt.h>

#include "weak/program.h"

#define HISTORY_MAX (CREW_THREADS * PROGRAM_OPS)
#define MANY_MAX 20u

/* An operation that was called. */
struct record {
    struct op op;
    unsigned thread;
    unsigned index;               /* in its thread, from 1 */
    unsigned known[CREW_THREADS]; /* each thread's clock as it was known at the call; it ticks at calls and returns */
    unsigned after[CREW_THREADS]; /* and at the return */
    uint32_t done;                /* the records that had returned, in time, before the call, a bit each */
    bool has_returned;
    enum hipt_status status;
    struct hipt_mapping out;
    int through; /* MARK, CLEAN: the record of the lookup; -1 none */
    uint32_t issued; /* ALLOC: the number; two threads may have one name for theirs */
    struct hipt_frame_status frame;
    struct hipt_frame reaped[4];
    size_t nreaped;
    struct hipt_mapping many[MANY_MAX];
    size_t nmany;
};

struct history {
    const struct weak_program *program;
    bool is_joined; /* threads know at each call what all knew at the returns before it */
    struct hipt_table *table;
    struct hipt_asid asid[PROGRAM_ASIDS];
    struct record record[HISTORY_MAX];
    unsigned nrecords;
    struct hipt_mapping before[PROGRAM_VPNS]; /* what the setup left */
    size_t nbefore;
};

extern struct history history;

/*
 * Make the table and run the setup. With narrow keys remainders differ in their upper 16 bits only. Otherwise they
 * differ in the others only, where there is one page size; in both parts, where there are two.
 */
void history_prepare(const struct weak_program *program, bool is_joined, bool is_narrow);

/* => a program's vpn as the table knows it. */
uint64_t history_vpn(uint32_t asid, unsigned vpn);

/* Verbs of the table, what they give with the program's vpns. */
enum hipt_status history_lookup(unsigned asid, unsigned vpn, struct hipt_translation *translation);
enum hipt_status history_next(struct hipt_cursor *cursor, struct hipt_mapping *mapping);

/* Let a thread make one more operation, which its program does not name. */
void history_make(const struct op *op, unsigned thread);

/* As crew_task wants them. */
void history_start(void);
void history_body(unsigned thread);
uint64_t history_state(void);

/* Judge a run that has come to its end; calls crew_fail() for a violation. */
void oracle_judge(void);

/* Judge what operations know of each other, by their contracts' Order, where that does not concern one page. */
void judge_knowledge(void);

/* Print what the operations answered. */
void history_print(void);

/* => whether @a had returned before @b was called, in the order of happens-before. */
bool record_precedes(const struct record *a, const struct record *b);

/* => whether @a had returned before @b was called, in time. */
bool record_is_earlier(const struct record *a, const struct record *b);

/* => whether the call of @a, and with it what its thread did before, happens before the return of @b. */
bool record_is_known(const struct record *a, const struct record *b);

#endif
