/* SPDX-License-Identifier: MIT */
/*
 * gnuplot reads its script from a pipe and writes to its standard output, which is the file, so no name of a file is
 * ever quoted into the script.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "gnuplot.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static const char style[] = "set border 3 lw 1 lc rgb '#606060'\n"
                            "set tics nomirror out scale 0.6 textcolor rgb '#303030'\n"
                            "set grid ytics lt 1 lw 0.6 lc rgb '#e0e0e0'\n"
                            "set lmargin 11\nset rmargin 3\nset tmargin 2.4\n";

static const char *const colours[] = {"#c8553d", "#5b8db8", "#6a9a5b", "#9a7bb0", "#d19a3f", "#707070", "#3f7f7a",
                                      "#b0687f", "#8a6f4e", "#a3b04a", "#4a5a9a", "#c98fc0", "#b8b8b8"};

#define COLOURS (sizeof(colours) / sizeof(colours[0]))

const char *bench_colour(size_t which)
{
    return colours[which % COLOURS];
}

/* gnuplot inherits standard output, which is the file meanwhile. => the pipe to it, or NULL */
static FILE *start(int output)
{
    int saved = dup(STDOUT_FILENO);
    FILE *script = NULL;

    if (saved >= 0 && dup2(output, STDOUT_FILENO) >= 0) {
        script = popen("gnuplot", "we");
        (void)dup2(saved, STDOUT_FILENO);
    }
    if (saved >= 0) {
        (void)close(saved);
    }
    return script;
}

bool bench_gnuplot(const char *who, const char *path, unsigned width, unsigned height,
                   void (*write)(FILE *script, const void *ctx), const void *ctx)
{
    int output = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    int status = -1;
    FILE *script;

    if (output < 0) {
        fprintf(stderr, "%s: %s: %s\n", who, path, strerror(errno));
        return false;
    }
    (void)fflush(stdout);
    (void)signal(SIGPIPE, SIG_IGN); /* a gnuplot that is not there must not end us */
    script = start(output);
    (void)close(output);
    if (script != NULL) {
        fprintf(script,
                "set terminal svg size %u,%u font 'Helvetica,Arial,sans-serif,14' background '#ffffff'\n"
                "%s",
                width, height, style);
        write(script, ctx);
        status = pclose(script);
    }
    if (status != 0) {
        fprintf(stderr, "%s: %s: gnuplot failed, or is not there\n", who, path);
    }
    return status == 0;
}
