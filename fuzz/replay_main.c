/* SPDX-License-Identifier: MIT */
/*
 * Runs a fuzz target over files, and over every file below folders, with any compiler: what libFuzzer has found stays
 * found. Exit status: 0, or 1 if an argument could not be read or nothing was run; a target that fails aborts.
 */
#define _POSIX_C_SOURCE 200809L

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

struct tally {
    unsigned long inputs;
    bool failed;
};

static void run_path(const char *path, struct tally *tally);

static void report(const char *path, struct tally *tally)
{
    fprintf(stderr, "%s: %s\n", path, strerror(errno));
    tally->failed = true;
}

/* An allocation of exactly the input's size, so that a sanitizer sees the first byte read beyond it. */
static uint8_t *read_file(const char *path, size_t count)
{
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = file != NULL ? malloc(count > 0 ? count : 1) : NULL;

    if (bytes != NULL && fread(bytes, 1, count, file) != count) {
        errno = EIO;
        free(bytes);
        bytes = NULL;
    }
    if (file != NULL) {
        fclose(file);
    }
    return bytes;
}

static void run_file(const char *path, size_t count, struct tally *tally)
{
    uint8_t *bytes = read_file(path, count);

    if (bytes == NULL) {
        report(path, tally);
        return;
    }
    LLVMFuzzerTestOneInput(bytes, count);
    tally->inputs++;
    free(bytes);
}

static void run_folder(const char *path, struct tally *tally)
{
    DIR *folder = opendir(path);
    const struct dirent *entry;

    if (folder == NULL) {
        report(path, tally);
        return;
    }
    while ((entry = readdir(folder)) != NULL) {
        char inner[4096];

        if (entry->d_name[0] != '.' &&
            snprintf(inner, sizeof(inner), "%s/%s", path, entry->d_name) < (int)sizeof(inner)) {
            run_path(inner, tally);
        }
    }
    closedir(folder);
}

static void run_path(const char *path, struct tally *tally)
{
    struct stat status;

    if (stat(path, &status) != 0) {
        report(path, tally);
    } else if (S_ISDIR(status.st_mode)) {
        run_folder(path, tally);
    } else {
        run_file(path, (size_t)status.st_size, tally);
    }
}

int main(int argc, char **argv)
{
    struct tally tally = {0};

    for (int i = 1; i < argc; i++) {
        run_path(argv[i], &tally);
    }
    printf("%lu inputs\n", tally.inputs);
    if (tally.inputs == 0) {
        fprintf(stderr, "%s: no input was run; name files or folders of them\n", argc > 0 ? argv[0] : "replay");
    }
    return tally.failed || tally.inputs == 0 ? 1 : 0;
}
