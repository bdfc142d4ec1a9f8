/* SPDX-License-Identifier: MIT */
/* Ports that break one promise each, and the check that has to notice. */
#ifndef HIPT_TESTS_PORT_CHECK_FAULTS_H
#define HIPT_TESTS_PORT_CHECK_FAULTS_H

#include <stddef.h>

#include <hipt/hipt.h>

struct fault {
    const char *check;
    const char *what;
    void (*plant)(struct hipt_ops *ops);
    unsigned times; /* that the check may take to notice what only timing shows */
};

extern const struct fault faults[];
extern const size_t nfaults;
extern const struct hipt_ops *good; /* the port that faults are planted in */

/* All hooks that the port has not, kept as promised. */
void add_hooks(struct hipt_ops *ops);

#endif
