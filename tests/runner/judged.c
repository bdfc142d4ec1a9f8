/* SPDX-License-Identifier: MIT */
/* Tests whose ends are known, for the runner to judge: three pass, four fail, three crash. */
#define _POSIX_C_SOURCE 200809L
#include <criterion/criterion.h>

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

static int begun;

static void begin(void)
{
    begun = 1;
}

static void fail_at_the_end(void)
{
    cr_expect(false);
}

Test(judged, passes, .init = begin)
{
    cr_assert(begun == 1, "%d", begun);
    cr_assert_eq(begun, 1);
    cr_expect_str_eq("a", "a");
}

Test(judged, passes_by_signal, .signal = SIGABRT)
{
    abort();
}

Test(judged, passes_alone)
{
    cr_assert_eq(begun, 0, "another test has begun here");
}

Test(judged, fails)
{
    cr_assert_eq(begun, 1, "not begun: %d", begun);
    abort(); /* never */
}

Test(judged, fails_and_goes_on)
{
    cr_expect_lt(2, 1);
    cr_assert(true);
}

Test(judged, fails_without_its_signal, .signal = SIGABRT)
{
}

Test(judged, fails_at_its_end, .fini = fail_at_the_end)
{
}

Test(judged, crashes)
{
    abort();
}

Test(judged, crashes_by_another_signal, .signal = SIGABRT)
{
    (void)raise(SIGTERM);
}

Test(judged, crashes_by_time, .timeout = 0.1)
{
    pause();
}
