/* SPDX-License-Identifier: MIT */
/* What a failing check tells the port's panic, with one that notes it down and goes on. */
#undef HIPT_CHECK
#define HIPT_CHECK 3 /* of this file, whatever the build's is */

#include <criterion/criterion.h>

#include <stdbool.h>
#include <string.h>

#include <hipt/port.h>

#include "base/check.h"

static const char *said;
static const char *where;
static int line;

static void panicked(const char *condition, const char *file, int at)
{
    said = condition;
    where = file;
    line = at;
}

#undef HIPT_PORT_PANIC
#define HIPT_PORT_PANIC(condition, file, at) panicked(condition, file, at)

/* Each of the three names the condition, the file and the line, and says nothing of a condition that holds. */
Test(check, a_failing_check_says_what_and_where)
{
    static volatile bool holds;

    HIPTI_REQUIRE(holds);
    cr_assert_str_eq(said, "holds");
    cr_assert_str_eq(where, __FILE__);
    cr_assert_eq(line, __LINE__ - 3);
    HIPTI_INVARIANT(holds && line > 0);
    cr_assert_str_eq(said, "holds && line > 0");
    cr_assert_eq(line, __LINE__ - 2);
    HIPTI_WALK(!said);
    cr_assert_str_eq(said, "!said");
    said = NULL;
    holds = true;
    HIPTI_REQUIRE(holds);
    HIPTI_INVARIANT(holds);
    HIPTI_WALK(holds);
    cr_assert_null(said);
}
