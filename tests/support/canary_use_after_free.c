/* SPDX-License-Identifier: MIT */
/* A read of freed memory, for AddressSanitizer builds. */
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    volatile int *cell = malloc(sizeof(*cell));

    (void)argv;
    if (cell == NULL) {
        return 1;
    }
    *cell = argc;
    free((void *)cell);
    printf("survived: %d\n", *cell);
    return 0;
}
