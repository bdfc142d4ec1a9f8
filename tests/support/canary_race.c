/* SPDX-License-Identifier: MIT */
/* A data race, for ThreadSanitizer builds: two threads add to a plain counter. */
#include <pthread.h>
#include <stdio.h>

static int counter;

static void *count(void *unused)
{
    (void)unused;
    for (int i = 0; i < 1000; i++) {
        counter++;
    }
    return NULL;
}

int main(void)
{
    pthread_t other;

    if (pthread_create(&other, NULL, count, NULL) != 0) {
        return 1;
    }
    count(NULL);
    pthread_join(other, NULL);
    printf("survived: %d\n", counter);
    return 0;
}
