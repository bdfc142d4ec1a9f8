/* SPDX-License-Identifier: MIT */
/* Memory that is lost, for AddressSanitizer builds, which must find it when a test asks. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/host.h"

static void lose(void)
{
    char *volatile lost = malloc(100);

    if (lost != NULL) {
        memset(lost, 1, 100);
    }
    lost = NULL;
}

/* The test would end by this signal; ctest takes an exit status only. */
static void end(int signal)
{
    _Exit(signal == SIGABRT ? 1 : 2);
}

int main(void)
{
    signal(SIGABRT, end);
    lose();
    test_no_leak();
    printf("survived\n");
    return 0;
}
