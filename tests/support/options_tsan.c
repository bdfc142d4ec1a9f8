/* SPDX-License-Identifier: MIT */
/*
 * A race stops the test. By default ThreadSanitizer prints and goes on, and the exit status that it sets at the end is
 * lost in Criterion's worker processes: a racy test would pass.
 */
const char *__tsan_default_options(void);
const char *__tsan_default_suppressions(void);

const char *__tsan_default_options(void)
{
    return "halt_on_error=1:second_deadlock_stack=1";
}

/* liburcu's atomics are inline assembly, which ThreadSanitizer cannot see; this is its own code, not ours. */
const char *__tsan_default_suppressions(void)
{
    return "race:urcu_bp_barrier\n";
}
