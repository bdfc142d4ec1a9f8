/* SPDX-License-Identifier: MIT */
/*
 * hipt-numa [WORD...]: runs all checks on the nodes of the machine it is on. The words, with spaces between, are the
 * topology that the machine was booted with, as hipt_user_topology() takes it. It needs to be root, and a machine of
 * its own: it fills a node. The last line is "numa: N checks, N failed"; exit status: 0 none, 1 some, 2 not to be run.
 */
#include "numa/checks.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    void (*run)(struct numa *numa);
} checks[] = {
    {"the machine is as booted", numa_the_machine_is_as_booted},
    {"preferred memory lies on its node", numa_preferred_memory_lies_on_its_node},
    {"strict memory lies on its node", numa_strict_memory_lies_on_its_node},
    {"nodes without memory", numa_nodes_without_memory},
    {"frames are on their nodes", numa_frames_are_on_their_nodes},
    {"a table works", numa_a_table_works},
    {"a table lies on its nodes", numa_a_table_lies_on_its_nodes},
    {"a full node", numa_a_full_node},
};

#define CHECKS (sizeof(checks) / sizeof(checks[0]))

bool numa_holds(struct numa *numa, bool holds, const char *condition, const char *file, int line, const char *format,
                ...)
{
    va_list arguments;

    if (holds) {
        return true;
    }
    if (numa->failures++ < 10) { /* more say nothing new, and the console is slow */
        printf("%s:%d: %s: does not hold: %s: ", file, line, numa->check, condition);
        va_start(arguments, format);
        (void)vprintf(format, arguments);
        va_end(arguments);
        printf("\n");
    }
    return false;
}

/* The words as one text. => whether it is understood, which it is not where nobody said any. */
static bool read_expected(struct hipti_places *expected, int count, char **words)
{
    char text[1024] = "";
    char error[200];
    size_t used = 0;

    for (int i = 0; i < count && used < sizeof(text); i++) {
        used += (size_t)snprintf(text + used, sizeof(text) - used, "%s ", words[i]);
    }
    if (count > 0 && !hipti_places_parse(expected, text, strlen(text), error, sizeof(error))) {
        printf("numa: %s: %s\n", text, error);
        return false;
    }
    return true;
}

static unsigned run_all(struct numa *numa)
{
    unsigned failed = 0;

    for (size_t i = 0; i < CHECKS; i++) {
        numa->check = checks[i].name;
        numa->failures = 0;
        checks[i].run(numa);
        printf("numa: %s: %s\n", checks[i].name, numa->failures == 0 ? "holds" : "FAILED");
        (void)fflush(stdout);
        failed += numa->failures > 0;
    }
    return failed;
}

int main(int argc, char **argv)
{
    static struct hipti_places expected;
    struct numa numa = {.expected = argc > 1 ? &expected : NULL};
    char error[200];
    unsigned failed;

    if (!read_expected(&expected, argc - 1, argv + 1)) {
        return 2;
    }
    if (hipt_user_create(HIPT_USER_URCU, &numa.user) != HIPT_OK ||
        hipt_user_topology(numa.user, "", &numa.topology, error, sizeof(error)) != HIPT_OK) {
        printf("numa: there is no port\n");
        return 2;
    }
    numa.ops = hipt_user_ops(numa.user);
    failed = run_all(&numa);
    hipt_user_destroy(numa.user);
    printf("numa: %zu checks, %u failed\n", CHECKS, failed);
    return failed > 0;
}
