/* SPDX-License-Identifier: MIT */
/*
 * The checks of a port on the host of examples/own_reclamation.c: quiescent states, no read sides, no library.
 */
#define main example_main
#include "../../examples/own_reclamation.c"
#undef main

#include "port_check.h"
#include "hosted.h"

static struct host host;
static _Thread_local unsigned own_number;

struct crew_of_host {
    void (*body)(void *argument, unsigned number);
    void *argument;
};

static void pass(void *ctx)
{
    struct worker worker = {.host = ctx, .number = own_number};

    quiescent_state(&worker);
}

/* A thread is known to the host from its first quiescent state to its end. */
static void run_body(void *argument, unsigned number)
{
    struct crew_of_host *crew = argument;

    own_number = number;
    pass(&host);
    crew->body(crew->argument, number);
    atomic_store(&host.passed[number], UINT64_MAX);
}

static bool run_crew(void *ctx, unsigned count, void (*body)(void *argument, unsigned number), void *argument)
{
    struct crew_of_host crew = {body, argument};

    return hosted_crew(ctx, count, run_body, &crew);
}

int main(void)
{
    struct hipt_ops ops = {.size = sizeof(ops), .ctx = &host, .alloc = host_alloc, .free = host_free,
                           .gp_start = host_gp_start, .gp_elapsed = host_gp_elapsed, .random = host_random};
    struct hipt_port_check port = {.ops = &ops, .ctx = &host, .crew = run_crew, .threads = THREADS,
                                   .nap = hosted_nap, .say = hosted_say, .quiescent = pass};

    (void)example_main; /* a test of its own */
    hosted_watch(120);
    for (unsigned i = 0; i < THREADS; i++) {
        atomic_store(&host.passed[i], UINT64_MAX);
    }
    return hipt_port_check(&port) > 0;
}
