/* SPDX-License-Identifier: MIT */
/* The hipt command: it looks its subcommand up and leaves the rest to it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hipt/hipt.h>

#include "commands.h"

#define EXIT_FAILED 1
#define EXIT_USAGE 2

static const char usage_text[] =
    "usage: hipt COMMAND [ARGUMENT...]\n"
    "\n"
    "Takes the page mappings of a machine and runs them through a hashed inverted page table.\n"
    "\n"
    "  capture     write which page of which process maps which frame on this machine\n"
    "  replay      load mappings into a table, translate through it, change it, check every answer\n"
    "  --help      this text; hipt COMMAND --help says more about a command\n"
    "  --version   the version\n";

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} commands[] = {{"capture", capture_main}, {"replay", replay_main}};

static int say(const char *text)
{
    return fputs(text, stdout) < 0 || fflush(stdout) != 0 ? EXIT_FAILED : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fputs(usage_text, stderr);
        return EXIT_USAGE;
    }
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(argv[1], commands[i].name) == 0) {
            return commands[i].run(argc - 1, argv + 1);
        }
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        return say(usage_text);
    }
    if (strcmp(argv[1], "--version") == 0) {
        return say(hipt_version()) || say("\n");
    }
    fprintf(stderr, "hipt: unknown command \"%s\"; it must be capture or replay, see hipt --help\n", argv[1]);
    return EXIT_USAGE;
}
