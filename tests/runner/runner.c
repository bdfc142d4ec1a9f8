/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include <criterion/criterion.h>

#include <fnmatch.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define TIMEOUT 60.0 /* seconds of a test that says nothing of it */
#define SLOWER 10.0  /* an emulated machine than one */

static const char usage_text[] =
    "usage: TEST [--list | --filter PATTERN]\n"
    "\n"
    "Runs the tests of this program, or those whose SUITE/NAME matches the pattern, each in a process of its own. The\n"
    "environment variable HIPT_SKIP holds patterns of those that this machine cannot run, between spaces.\n"
    "Exit status: 0 all passed, 1 some did not, 2 wrong usage.\n";

static struct runner_test *tests;
static atomic_uint failures; /* of the test that this process runs */

struct sums {
    unsigned tested;
    unsigned failing;
    unsigned crashing;
};

void runner_add(struct runner_test *test)
{
    test->next = tests;
    tests = test;
}

void runner_check(bool is_fatal, const char *file, int line, const char *text, bool holds, const char *format, ...)
{
    va_list values;

    if (holds) {
        return;
    }
    fprintf(stderr, "%s:%d: does not hold: %s", file, line, text);
    if (format != NULL) {
        fputs(": ", stderr);
        va_start(values, format);
        vfprintf(stderr, format, values);
        va_end(values);
    }
    fputc('\n', stderr);
    atomic_fetch_add(&failures, 1u);
    if (is_fatal) {
        fflush(stdout);
        _exit(1);
    }
}

void runner_log(const char *format, ...)
{
    va_list values;

    va_start(values, format);
    vfprintf(stderr, format, values);
    va_end(values);
    fputc('\n', stderr);
}

/* --- one test */

_Noreturn static void run(const struct runner_test *test)
{
    (void)alarm((unsigned)((test->options.timeout > 0 ? test->options.timeout : TIMEOUT) * SLOWER));
    if (test->options.init) {
        test->options.init();
    }
    test->body();
    if (test->options.fini) {
        test->options.fini();
    }
    fflush(stdout);
    _exit(atomic_load(&failures) > 0);
}

static void judge(const struct runner_test *test, int status, struct sums *sums)
{
    bool has_ended = WIFEXITED(status) && WEXITSTATUS(status) <= 1;
    bool has_failed = WIFEXITED(status) && WEXITSTATUS(status) == 1;

    if (test->options.signal != 0) {
        has_failed = has_ended;
        has_ended = has_ended || (WIFSIGNALED(status) && WTERMSIG(status) == test->options.signal);
    }
    sums->tested++;
    sums->failing += has_failed;
    sums->crashing += !has_ended;
    if (has_failed || !has_ended) {
        fprintf(stderr, "[FAIL] %s::%s: %s %d\n", test->suite, test->name,
                WIFSIGNALED(status) ? "ended by signal" : "exit status",
                WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    }
}

static void run_apart(const struct runner_test *test, struct sums *sums)
{
    int status = 0;
    pid_t child;

    fflush(stdout);
    child = fork();
    if (child == 0) {
        run(test);
    }
    if (child < 0 || waitpid(child, &status, 0) != child) {
        perror("fork");
        exit(2);
    }
    judge(test, status, sums);
}

/* --- all of them */

static bool is_skipped(const struct runner_test *test)
{
    const char *patterns = getenv("HIPT_SKIP");
    char name[256];
    char rest[1024];

    (void)snprintf(name, sizeof(name), "%s/%s", test->suite, test->name);
    (void)snprintf(rest, sizeof(rest), "%s", patterns != NULL ? patterns : "");
    for (char *pattern = strtok(rest, " "); pattern != NULL; pattern = strtok(NULL, " ")) {
        if (fnmatch(pattern, name, 0) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_wanted(const struct runner_test *test, const char *pattern)
{
    char name[256];

    (void)snprintf(name, sizeof(name), "%s/%s", test->suite, test->name);
    return pattern == NULL || fnmatch(pattern, name, 0) == 0;
}

int main(int argc, char **argv)
{
    bool lists = argc == 2 && strcmp(argv[1], "--list") == 0;
    bool filters = argc == 3 && strcmp(argv[1], "--filter") == 0;
    struct sums sums = {0, 0, 0};

    if (argc > 1 && !lists && !filters) {
        bool asks = argc == 2 && strcmp(argv[1], "--help") == 0;

        fputs(usage_text, asks ? stdout : stderr);
        return asks ? 0 : 2;
    }
    for (const struct runner_test *test = tests; test != NULL; test = test->next) {
        if (lists) {
            printf("%s/%s\n", test->suite, test->name);
        } else if (is_wanted(test, filters ? argv[2] : NULL)) {
            if (is_skipped(test)) {
                fprintf(stderr, "[SKIP] %s::%s\n", test->suite, test->name);
            } else {
                run_apart(test, &sums);
            }
        }
    }
    if (!lists) {
        fprintf(stderr, "[====] Synthesis: Tested: %u | Passing: %u | Failing: %u | Crashing: %u\n", sums.tested,
                sums.tested - sums.failing - sums.crashing, sums.failing, sums.crashing);
    }
    return sums.failing + sums.crashing > 0;
}
