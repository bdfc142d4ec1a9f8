/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "hosted.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

struct member {
    void (*body)(void *argument, unsigned number);
    void *argument;
    unsigned number;
    atomic_int *may_begin; /* 0: not yet, 1: yes, -1: not all could be started */
};

static void *begin(void *argument)
{
    struct member *member = argument;

    while (atomic_load(member->may_begin) == 0) {
        sched_yield();
    }
    if (atomic_load(member->may_begin) == 1) {
        member->body(member->argument, member->number);
    }
    return NULL;
}

bool hosted_crew(void *ctx, unsigned count, void (*body)(void *argument, unsigned number), void *argument)
{
    struct member member[HIPT_PORT_CHECK_CPUS_MAX];
    pthread_t thread[HIPT_PORT_CHECK_CPUS_MAX];
    atomic_int may_begin = 0;
    unsigned started = 0;

    (void)ctx;
    for (; started < count; started++) {
        member[started] = (struct member){body, argument, started, &may_begin};
        if (pthread_create(&thread[started], NULL, begin, &member[started]) != 0) {
            break;
        }
    }
    atomic_store(&may_begin, started == count ? 1 : -1);
    for (unsigned i = 0; i < started; i++) {
        (void)pthread_join(thread[i], NULL);
    }
    return started == count;
}

void hosted_nap(void *ctx)
{
    const struct timespec pause = {.tv_sec = 0, .tv_nsec = 1000000};

    (void)ctx;
    (void)nanosleep(&pause, NULL);
}

void hosted_say(void *ctx, const char *text)
{
    (void)ctx;
    (void)fputs(text, stdout);
    (void)fflush(stdout);
}

static void too_long(int number)
{
    static const char text[] = "FAILED\n    seen:     a hook did not come back in the time that a run may take\n";

    (void)number;
    if (write(STDOUT_FILENO, text, sizeof(text) - 1) < 0) {
        _exit(2);
    }
    _exit(1);
}

void hosted_watch(unsigned seconds)
{
    (void)signal(SIGALRM, too_long);
    (void)alarm(seconds);
}
