/* SPDX-License-Identifier: MIT */
/*
 * The subcommands of the hipt tool. Each takes the arguments from its own name on (argv[0] is the name) and returns the
 * exit status of the program.
 */
#ifndef HIPT_TOOL_COMMANDS_H
#define HIPT_TOOL_COMMANDS_H

int capture_main(int argc, char **argv);
int replay_main(int argc, char **argv);

#endif
