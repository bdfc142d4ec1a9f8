/* SPDX-License-Identifier: MIT */
/* What the user-space port fills a struct hipt_port_check with. */
#ifndef HIPT_PORT_CHECK_USER_H
#define HIPT_PORT_CHECK_USER_H

#include <hipt/user.h>

#include "port_check.h"

/* => all that can be checked of @user, over @nodes nodes; a caller may change what it likes. */
struct hipt_port_check user_port_check(struct hipt_user *user, unsigned nodes);

#endif
