/* SPDX-License-Identifier: MIT */
/*
 * Each check of tools/port-check can fail: for every fault of faults.c the check that is named beside it, alone, says
 * FAILED, and says what was seen. The same port without a fault passes all of them, and no check is without a fault.
 */
#define _POSIX_C_SOURCE 200809L
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "faults.h"
#include "hosted.h"
#include "user.h"

#define SAID 16384
#define SECONDS 4u    /* for a hook that does not come back */
#define PATIENCE 400u /* naps */
#define ALL 60u       /* seconds, and a patience of its own, for the port without a fault */

/* A port with two nodes that has every hook: a signal for kicks, or a barrier. */
static struct hipt_user *make(enum hipt_user_delivery delivery)
{
    struct hipt_topology topology;
    struct hipt_user *user;

    if (hipt_user_create(HIPT_USER_URCU, &user) != HIPT_OK ||
        hipt_user_topology(user, "2x2", &topology, NULL, 0) != HIPT_OK ||
        hipt_user_deliver(user, delivery, hipt_cpu_interrupt) != HIPT_OK) {
        _exit(2);
    }
    return user;
}

/* In a process of its own: what is said goes to stdout. */
static void check(const struct fault *fault, enum hipt_user_delivery delivery)
{
    struct hipt_user *user = make(delivery);
    struct hipt_port_check port = user_port_check(user, 2);
    struct hipt_ops ops = *port.ops;
    struct hipt_ops whole;

    port.ops = &ops;
    add_hooks(&ops);
    whole = ops;
    good = &whole;
    if (fault != NULL) {
        fault->plant(&ops);
        port.patience = PATIENCE, port.only = fault->check;
    }
    hosted_watch(fault != NULL ? SECONDS : ALL);
    _exit(hipt_port_check(&port) > 0);
}

/* => its exit status; @said receives what it said. */
static int run(const struct fault *fault, enum hipt_user_delivery delivery, char *said)
{
    size_t got = 0;
    ssize_t more;
    int ends[2];
    int status;
    pid_t child;

    if (pipe(ends) != 0 || fflush(stdout) != 0 || (child = fork()) < 0) {
        exit(2);
    }
    if (child == 0) {
        (void)dup2(ends[1], STDOUT_FILENO);
        close(ends[0]), close(ends[1]);
        check(fault, delivery);
    }
    close(ends[1]);
    while (got < SAID - 1 && (more = read(ends[0], said + got, SAID - 1 - got)) > 0) {
        got += (size_t)more;
    }
    said[got] = '\0';
    close(ends[0]);
    return waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool is_noticed(const struct fault *fault)
{
    static char said[SAID];
    bool needs_barrier = strcmp(fault->check, "barrier") == 0 || strcmp(fault->check, "cross") == 0;
    char wanted[80];
    int status = 0;

    (void)snprintf(wanted, sizeof(wanted), "%s: FAILED\n", fault->check);
    for (unsigned time = 0; time < fault->times; time++) {
        status = run(fault, needs_barrier ? HIPT_USER_MEMBARRIER : HIPT_USER_SIGNAL, said);
        if (status == 1 && strstr(said, wanted) != NULL && strstr(said, "    seen:     ") != NULL) {
            return true;
        }
    }
    printf("not noticed by %s: %s (exit status %d)\n%s", fault->check, fault->what, status, said);
    return false;
}

static bool has_fault(const char *check, size_t length)
{
    for (size_t i = 0; i < nfaults; i++) {
        if (strlen(faults[i].check) == length && strncmp(faults[i].check, check, length) == 0) {
            return true;
        }
    }
    return false;
}

/* => every check that said a line has a fault, and none failed. */
static bool are_good(enum hipt_user_delivery delivery, unsigned *count)
{
    static char said[SAID];
    int status = run(NULL, delivery, said);
    bool is_good = status == 0;

    for (char *line = strtok(said, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        size_t length = strcspn(line, ":");

        is_good = is_good && strstr(line, "FAILED") == NULL;
        if (strstr(line, ": ok") != NULL || strstr(line, ": left out, not set") != NULL) {
            ++*count;
            if (!has_fault(line, length)) {
                printf("there is no fault for this check: %s\n", line);
                is_good = false;
            }
        }
        if (!is_good) {
            printf("without a fault (exit status %d): %s\n", status, line);
        }
    }
    return is_good && *count > 0;
}

int main(void)
{
    unsigned missed = 0;
    unsigned checks = 0;

    if (!are_good(HIPT_USER_MEMBARRIER, &checks)) {
        return 1;
    }
    checks = 0;
    if (!are_good(HIPT_USER_SIGNAL, &checks)) {
        return 1;
    }
    for (size_t i = 0; i < nfaults; i++) {
        missed += !is_noticed(&faults[i]);
    }
    printf("%u checks, %zu faults, %u of them not noticed\n", checks, nfaults, missed);
    return missed > 0;
}
