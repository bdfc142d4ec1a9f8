/* SPDX-License-Identifier: MIT */
/*
 * The unmaps as a picture, by gnuplot. It reads its script from a pipe and writes to its standard output, which is the
 * file, so no name of a file is ever quoted into the script.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "shootdown_svg.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static const char style[] = "set terminal svg size 880,500 font 'Helvetica,Arial,sans-serif,14' background '#ffffff'\n"
                            "set border 3 lw 1 lc rgb '#606060'\n"
                            "set tics nomirror out scale 0.6 textcolor rgb '#303030'\n"
                            "set grid ytics lt 1 lw 0.6 lc rgb '#e0e0e0'\n"
                            "set logscale xy\n"
                            "set xlabel 'pages of one unmap' textcolor rgb '#303030'\n"
                            "set ylabel 'until the call returns, microseconds' textcolor rgb '#303030'\n"
                            "set key top left reverse Left samplen 2 spacing 1.3 textcolor rgb '#303030'\n"
                            "set lmargin 11\nset rmargin 3\nset tmargin 2.4\n";

static const char *const colours[] = {"#c8553d", "#5b8db8", "#6a9a5b", "#9a7bb0", "#d19a3f", "#707070"};

#define COLOURS (sizeof(colours) / sizeof(colours[0]))

static void write_script(FILE *file, const char *title, const struct shoot_line *lines, size_t count)
{
    fprintf(file, "%sset title \"%s\" textcolor rgb '#202020'\n", style, title);
    for (size_t i = 0; i < count; i++) {
        fprintf(file, "$line%zu << END\n", i);
        for (size_t j = 0; j < lines[i].count; j++) {
            fprintf(file, "%.9g %.9g\n", lines[i].x[j], lines[i].y[j]);
        }
        fprintf(file, "END\n");
    }
    for (size_t i = 0; i < count; i++) {
        fprintf(file, "%s $line%zu with linespoints lw 2 pt 7 ps 0.7 lc rgb '%s' title '%s'", i ? "," : "plot", i,
                colours[i % COLOURS], lines[i].name);
    }
    fprintf(file, "\n");
}

/* gnuplot inherits standard output, which is the file meanwhile. => its exit status as of pclose(), or -1 */
static int run(int output, const char *title, const struct shoot_line *lines, size_t count)
{
    int saved = dup(STDOUT_FILENO);
    FILE *pipe = NULL;
    int status = -1;

    if (saved >= 0 && dup2(output, STDOUT_FILENO) >= 0) {
        pipe = popen("gnuplot", "we");
        (void)dup2(saved, STDOUT_FILENO);
    }
    if (pipe != NULL) {
        write_script(pipe, title, lines, count);
        status = pclose(pipe);
    }
    if (saved >= 0) {
        (void)close(saved);
    }
    return status;
}

bool shoot_draw(const char *path, const char *title, const struct shoot_line *lines, size_t count)
{
    int output = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    int status;

    if (output < 0) {
        fprintf(stderr, "hipt-bench: shootdown: %s: %s\n", path, strerror(errno));
        return false;
    }
    (void)fflush(stdout);
    (void)signal(SIGPIPE, SIG_IGN); /* a gnuplot that is not there must not end us */
    status = run(output, title, lines, count);
    (void)close(output);
    if (status != 0) {
        fprintf(stderr, "hipt-bench: shootdown: gnuplot failed, or is not there\n");
    }
    return status == 0;
}
