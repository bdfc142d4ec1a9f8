/* SPDX-License-Identifier: MIT */
/* hipt-port-check: the checks on the user-space port. A port of one's own takes this, and user.c, as a pattern. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hosted.h"
#include "user.h"

#define EXIT_USAGE 2

static const char usage_text[] =
    "usage: hipt-port-check [options]\n"
    "\n"
    "Checks hook by hook whether the user-space port keeps what hipt/ops.h promises, and uses a table through it. The\n"
    "sources are for ports of one's own: docs/porting.md says how to take them there.\n"
    "\n"
    "  --grace urcu|ck                     where grace periods come from (urcu)\n"
    "  --delivery poll|signal|membarrier   how CPUs learn what they are asked for (poll)\n"
    "  --nodes TEXT                        made-up nodes, as in 2x2 (those of the machine)\n"
    "  --only CHECK                        one check alone\n"
    "  --seconds N                         a run that takes longer has failed (120)\n"
    "\n"
    "Exit status: 0 all that was checked holds, 1 something does not, 2 wrong usage or there is no port.\n";

struct options {
    enum hipt_user_grace grace;
    enum hipt_user_delivery delivery;
    const char *nodes;
    const char *only;
    unsigned seconds;
};

/* => whether @text is one of @names; @number is which. */
static bool choose(const char *text, const char *const *names, unsigned count, unsigned *number)
{
    for (unsigned i = 0; i < count; i++) {
        if (strcmp(text, names[i]) == 0) {
            *number = i;
            return true;
        }
    }
    return false;
}

static bool read_option(struct options *options, const char *name, const char *value)
{
    static const char *const graces[] = {"urcu", "ck"};
    static const char *const deliveries[] = {"poll", "signal", "membarrier"};
    unsigned number = 0;
    bool is_good = true;

    if (strcmp(name, "--grace") == 0) {
        is_good = choose(value, graces, 2, &number);
        options->grace = (enum hipt_user_grace)number;
    } else if (strcmp(name, "--delivery") == 0) {
        is_good = choose(value, deliveries, 3, &number);
        options->delivery = (enum hipt_user_delivery)number;
    } else if (strcmp(name, "--nodes") == 0) {
        options->nodes = value;
    } else if (strcmp(name, "--only") == 0) {
        options->only = value;
    } else if (strcmp(name, "--seconds") == 0) {
        char *end;

        options->seconds = (unsigned)strtoul(value, &end, 10);
        is_good = *end == '\0' && options->seconds > 0 && options->seconds <= 86400u;
    } else {
        is_good = false;
    }
    return is_good;
}

static unsigned check(const struct options *options, struct hipt_user *user, unsigned nodes)
{
    struct hipt_port_check port = user_port_check(user, nodes);

    port.only = options->only;
    hosted_watch(options->seconds);
    return hipt_port_check(&port);
}

int main(int argc, char **argv)
{
    struct options options = {HIPT_USER_URCU, HIPT_USER_POLL, "", NULL, 120};
    struct hipt_topology topology;
    struct hipt_user *user;
    char error[160] = "";
    unsigned failed;

    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        return fputs(usage_text, stdout) < 0;
    }
    for (int i = 1; i < argc; i += 2) {
        if (i + 1 == argc || !read_option(&options, argv[i], argv[i + 1])) {
            fprintf(stderr, "hipt-port-check: %s %s: there is no such option, or it does not take that\n\n%s", argv[i],
                    i + 1 == argc ? "" : argv[i + 1], usage_text);
            return EXIT_USAGE;
        }
    }
    if (hipt_user_create(options.grace, &user) != HIPT_OK ||
        hipt_user_topology(user, options.nodes, &topology, error, sizeof(error)) != HIPT_OK ||
        hipt_user_deliver(user, options.delivery, hipt_cpu_interrupt) != HIPT_OK) {
        fprintf(stderr, "hipt-port-check: there is no such port: %s\n", error);
        return EXIT_USAGE;
    }
    failed = check(&options, user, topology.nodes);
    hipt_user_destroy(user);
    return failed > 0;
}
