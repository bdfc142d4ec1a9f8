/* SPDX-License-Identifier: MIT */
/*
 * The drawing is gnuplot's: it reads a script from a pipe and writes the SVG to its standard output, which is the file,
 * so no name of a file is ever quoted into the script.
 */
#define _POSIX_C_SOURCE 200809L

#include "report.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static const char script[] = "set terminal svg size 880,500 font 'Helvetica,Arial,sans-serif,14' background '#ffffff'\n"
                             "set border 3 lw 1 lc rgb '#606060'\n"
                             "set tics nomirror out scale 0.6 textcolor rgb '#303030'\n"
                             "set xtics 1\n"
                             "set grid ytics lt 1 lw 0.6 lc rgb '#e0e0e0'\n"
                             "set style fill solid 1.0 noborder\n"
                             "set boxwidth 0.78\n"
                             "set xlabel 'mappings in a bucket' textcolor rgb '#303030' offset 0,0.2\n"
                             "set ylabel 'buckets, percent' textcolor rgb '#303030'\n"
                             "set format y '%g'\n"
                             "set key top right reverse Left samplen 2 spacing 1.3 textcolor rgb '#303030'\n"
                             "set lmargin 9\nset rmargin 3\nset tmargin 3.4\nset bmargin 3.6\n";

bool report_can_draw(void)
{
    const char *path = getenv("PATH");
    char name[4096];
    while (path != NULL && *path != '\0') {
        size_t length = strcspn(path, ":");
        if (length != 0 && length < sizeof(name) - sizeof("/gnuplot")) {
            memcpy(name, path, length);
            memcpy(name + length, "/gnuplot", sizeof("/gnuplot"));
            if (access(name, X_OK) == 0) {
                return true;
            }
        }
        path += length + (path[length] == ':');
    }
    return false;
}

/* Where the tail has become too thin to draw: less than a thousandth of the highest bar. */
static unsigned last_bar(const struct hipt_stats *stats)
{
    unsigned last = 1;
    double highest = 0;
    for (unsigned i = 0; i < REPORT_OCCUPANCIES; i++) {
        highest = (double)stats->per_bucket[i] > highest ? (double)stats->per_bucket[i] : highest;
    }
    for (unsigned i = 0; i < REPORT_OCCUPANCIES; i++) {
        double expected = report_poisson(stats->mappings, stats->buckets, i);
        if ((double)stats->per_bucket[i] > highest / 1000 || expected > highest / 1000) {
            last = i;
        }
    }
    return last;
}

static void write_script(const struct report *report, FILE *file)
{
    const struct hipt_stats *stats = &report->population->stats;
    unsigned last = last_bar(stats);
    fputs(script, file);
    fprintf(file,
            "set title \"How full the buckets are\\n{/*0.85 %" PRIu64 " mappings in %" PRIu64
            " buckets, %.2f on average}\" textcolor rgb '#202020'\n",
            stats->mappings, stats->buckets, (double)stats->mappings / (double)stats->buckets);
    fprintf(file, "set xrange [-0.6:%u.6]\nset yrange [0:*]\n", last);
    if (last > HIPT_SLOTS) {
        fprintf(file,
                "set arrow from %u.5, graph 0 to %u.5, graph 0.66 nohead dt 2 lw 1 lc rgb '#909090'\n"
                "set label '{/*0.85 one cache line holds %u; the rest overflows}' at %u.6, graph 0.62 left"
                " textcolor rgb '#606060'\n",
                HIPT_SLOTS, HIPT_SLOTS, HIPT_SLOTS, HIPT_SLOTS);
    }
    fputs("$data << END\n", file);
    for (unsigned i = 0; i <= last; i++) {
        fprintf(file, "%u %.9g %.9g\n", i, 100 * (double)stats->per_bucket[i] / (double)stats->buckets,
                100 * report_poisson(stats->mappings, stats->buckets, i) / (double)stats->buckets);
    }
    fputs("END\nplot $data using 1:2 with boxes lc rgb '#5b8db8' title 'measured', \\\n"
          "  $data using 1:3 with linespoints lt 1 lw 2 pt 7 ps 0.6 lc rgb '#c8553d'"
          " title 'Poisson, for a random hash'\n",
          file);
}

/* gnuplot with its standard input from @input and its standard output to @output. => 0 or an error number */
static int spawn_gnuplot(int input, int output, pid_t *child)
{
    static char name[] = "gnuplot";
    char *const argv[] = {name, NULL};
    posix_spawn_file_actions_t actions;
    int error = posix_spawn_file_actions_init(&actions);
    if (error != 0) {
        return error;
    }
    error = posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
    error = error != 0 ? error : posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    error = error != 0 ? error : posix_spawnp(child, name, &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

/* => gnuplot's exit status, or -1 */
static int run_gnuplot(const struct report *report, int output, char *text, size_t bytes)
{
    FILE *file = tmpfile(); /* not a pipe: a child that dies early must not stop its parent */
    pid_t child;
    int status = 0;
    if (file == NULL) {
        snprintf(text, bytes, "no temporary file: %s", strerror(errno));
        return -1;
    }
    write_script(report, file);
    if (fflush(file) != 0 || fseek(file, 0, SEEK_SET) != 0) {
        snprintf(text, bytes, "the script cannot be written: %s", strerror(errno));
        fclose(file);
        return -1;
    }
    int error = spawn_gnuplot(fileno(file), output, &child);
    fclose(file);
    if (error != 0) {
        snprintf(text, bytes, "gnuplot cannot be run: %s", strerror(error));
        return -1;
    }
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        snprintf(text, bytes, "gnuplot failed");
        return -1;
    }
    return 0;
}

int report_draw(const struct report *report, const char *path, char *text, size_t bytes)
{
    int output = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (output < 0) {
        snprintf(text, bytes, "%s: cannot be written: %s", path, strerror(errno));
        return -1;
    }
    int result = run_gnuplot(report, output, text, bytes);
    if (close(output) != 0 && result == 0) {
        snprintf(text, bytes, "%s: cannot be written: %s", path, strerror(errno));
        return -1;
    }
    return result;
}
