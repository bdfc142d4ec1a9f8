/* SPDX-License-Identifier: MIT */
/* What POSIX hosts fill a struct hipt_port_check with. */
#ifndef HIPT_PORT_CHECK_HOSTED_H
#define HIPT_PORT_CHECK_HOSTED_H

#include "port_check.h"

bool hosted_crew(void *ctx, unsigned count, void (*body)(void *argument, unsigned number), void *argument);
void hosted_nap(void *ctx);
void hosted_say(void *ctx, const char *text); /* to stdout, at once */

/* Ends the process with 1 after @seconds: a hook has not come back, and the check that was named last has failed. */
void hosted_watch(unsigned seconds);

#endif
