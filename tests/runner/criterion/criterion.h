/* SPDX-License-Identifier: MIT */
/*
 * What the tests of this project use of Criterion, for machines that it does not run on: it stands on a library that
 * knows x86 and ARM only, and starts its tests by executing itself, which an emulated program cannot. One process for
 * each test, forked.
 */
#ifndef HIPT_TESTS_RUNNER_H
#define HIPT_TESTS_RUNNER_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct runner_options {
    void (*init)(void);
    void (*fini)(void);
    int signal;     /* the test is to end by it */
    double timeout; /* seconds */
    bool none;
};

struct runner_test {
    const char *suite;
    const char *name;
    void (*body)(void);
    struct runner_options options;
    struct runner_test *next;
};

void runner_add(struct runner_test *test);

/* Where @holds is false, says so, with the text of @format unless it is NULL; @is_fatal ends the test. */
void runner_check(bool is_fatal, const char *file, int line, const char *text, bool holds, const char *format, ...);
void runner_log(const char *format, ...);

#define Test(...) RUNNER_TEST(__VA_ARGS__, .none = true)
#define RUNNER_TEST(of, called, ...)                                                                 \
    static void of##_##called##_body(void);                                                          \
    static struct runner_test of##_##called##_test = {                                               \
        .suite = #of, .name = #called, .body = of##_##called##_body, .options = {__VA_ARGS__}};      \
    __attribute__((constructor)) static void of##_##called##_add(void)                               \
    {                                                                                                \
        runner_add(&of##_##called##_test);                                                           \
    }                                                                                                \
    static void of##_##called##_body(void)

/* Each macro's last argument is NULL: no message, or one argument too many for it. */
#define RUNNER_HOLDS(fatal, a, ...) runner_check(fatal, __FILE__, __LINE__, #a, !!(a), __VA_ARGS__)
#define RUNNER_NOT(fatal, a, ...) runner_check(fatal, __FILE__, __LINE__, "not " #a, !(a), __VA_ARGS__)
#define RUNNER_PAIR(fatal, op, a, b, ...) \
    runner_check(fatal, __FILE__, __LINE__, #a " " #op " " #b, (a) op (b), __VA_ARGS__)
#define RUNNER_TEXTS(fatal, op, a, b, ...) \
    runner_check(fatal, __FILE__, __LINE__, "texts: " #a " " #op " " #b, strcmp(a, b) op 0, __VA_ARGS__)
#define RUNNER_ARRAYS(fatal, a, b, bytes, ...) \
    runner_check(fatal, __FILE__, __LINE__, "bytes: " #a " == " #b, memcmp(a, b, bytes) == 0, __VA_ARGS__)

#define cr_assert(...) RUNNER_HOLDS(true, __VA_ARGS__, NULL)
#define cr_assert_not(...) RUNNER_NOT(true, __VA_ARGS__, NULL)
#define cr_assert_null(...) RUNNER_NOT(true, __VA_ARGS__, NULL)
#define cr_assert_not_null(...) RUNNER_HOLDS(true, __VA_ARGS__, NULL)
#define cr_assert_eq(...) RUNNER_PAIR(true, ==, __VA_ARGS__, NULL)
#define cr_assert_neq(...) RUNNER_PAIR(true, !=, __VA_ARGS__, NULL)
#define cr_assert_lt(...) RUNNER_PAIR(true, <, __VA_ARGS__, NULL)
#define cr_assert_leq(...) RUNNER_PAIR(true, <=, __VA_ARGS__, NULL)
#define cr_assert_gt(...) RUNNER_PAIR(true, >, __VA_ARGS__, NULL)
#define cr_assert_geq(...) RUNNER_PAIR(true, >=, __VA_ARGS__, NULL)
#define cr_assert_str_eq(...) RUNNER_TEXTS(true, ==, __VA_ARGS__, NULL)
#define cr_assert_str_neq(...) RUNNER_TEXTS(true, !=, __VA_ARGS__, NULL)
#define cr_assert_fail(...) runner_check(true, __FILE__, __LINE__, "failed", false, __VA_ARGS__, NULL)

#define cr_expect(...) RUNNER_HOLDS(false, __VA_ARGS__, NULL)
#define cr_expect_not(...) RUNNER_NOT(false, __VA_ARGS__, NULL)
#define cr_expect_null(...) RUNNER_NOT(false, __VA_ARGS__, NULL)
#define cr_expect_not_null(...) RUNNER_HOLDS(false, __VA_ARGS__, NULL)
#define cr_expect_eq(...) RUNNER_PAIR(false, ==, __VA_ARGS__, NULL)
#define cr_expect_neq(...) RUNNER_PAIR(false, !=, __VA_ARGS__, NULL)
#define cr_expect_lt(...) RUNNER_PAIR(false, <, __VA_ARGS__, NULL)
#define cr_expect_leq(...) RUNNER_PAIR(false, <=, __VA_ARGS__, NULL)
#define cr_expect_gt(...) RUNNER_PAIR(false, >, __VA_ARGS__, NULL)
#define cr_expect_geq(...) RUNNER_PAIR(false, >=, __VA_ARGS__, NULL)
#define cr_expect_str_eq(...) RUNNER_TEXTS(false, ==, __VA_ARGS__, NULL)
#define cr_expect_arr_eq(...) RUNNER_ARRAYS(false, __VA_ARGS__, NULL)

#define cr_log_info(...) runner_log(__VA_ARGS__)

#endif
