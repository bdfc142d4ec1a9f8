/* SPDX-License-Identifier: MIT */
/*
 * A backend: where read sides and grace periods come from. It belongs to the process, not to one port: a thread has one
 * registration with each backend, however many ports it uses, and a grace period waits for the readers of all of them.
 */
#ifndef HIPT_PORT_USER_GRACE_H
#define HIPT_PORT_USER_GRACE_H

#include <stdbool.h>

/* Field key: all fields are constant. */
struct hipti_grace {
    /* Ready the backend; any number of times. => false if the process has no room for it. */
    bool (*start)(void);

    /* The hooks of struct hipt_ops; @ctx is not used. They are the port's hooks themselves, with nothing in between. */
    void (*read_enter)(void *ctx);
    void (*read_exit)(void *ctx);

    /* => Every section that was under way at the call has ended. The caller is outside any section and may sleep. */
    void (*synchronize)(void);
};

extern const struct hipti_grace hipti_grace_urcu;
extern const struct hipti_grace hipti_grace_ck;

#endif
