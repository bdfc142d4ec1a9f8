/* SPDX-License-Identifier: MIT */
/* A signed overflow, for UndefinedBehaviorSanitizer builds. */
#include <limits.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    volatile int sum = INT_MAX;

    (void)argv;
    sum = sum + argc;
    printf("survived: %d\n", sum);
    return 0;
}
