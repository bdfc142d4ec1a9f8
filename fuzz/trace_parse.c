/* SPDX-License-Identifier: MIT */
/*
 * A trace, whatever is in it. Each line is parsed by itself, and an access that is printed as valgrind does is parsed
 * as itself. One of 32 inputs, where a fuzzer runs, is read as a whole file through zlib and its buffer too: that must
 * give the same accesses and refuse the same line.
 */
#define _GNU_SOURCE

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sample.h"
#include "trace.h"

#define FILES_ONE_IN 32u /* through the kernel it takes ten times as long */

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

static void require(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "trace_parse: %s\n", what);
        abort();
    }
}

/* A file in memory that has a path, made once. */
static const char *file_of(const uint8_t *bytes, size_t count)
{
    static int descriptor = -1;
    static char path[64];

    if (descriptor < 0) {
        descriptor = memfd_create("input", 0);
        snprintf(path, sizeof(path), "/proc/self/fd/%d", descriptor);
    }
    require(descriptor >= 0 && ftruncate(descriptor, 0) == 0, "no file in memory");
    require(pwrite(descriptor, bytes, count, 0) == (ssize_t)count, "no room for a file in memory");
    return path;
}

static bool equal(const struct trace_access *a, const struct trace_access *b)
{
    return a->address == b->address && a->bytes == b->bytes && a->kind == b->kind;
}

static void require_text(const struct file_error *error, const char *start)
{
    require(memchr(error->text, 0, sizeof(error->text)) != NULL, "the error's text does not end");
    require(strncmp(error->text, start, strlen(start)) == 0, "the error's text does not name the place");
}

static void require_round_trip(const struct trace_access *access)
{
    static const char *const starts[] = {"I ", " L", " S", " M"};
    struct trace_access again;
    struct file_error error;
    char line[64];
    int length =
        snprintf(line, sizeof(line), "%s %08" PRIx64 ",%" PRIu32, starts[access->kind], access->address, access->bytes);

    require(trace_parse_line(line, (size_t)length, &again, &error) == 1, "an access that was printed is refused");
    require(equal(access, &again), "an access that was printed is parsed as another");
}

/* The next line that is not skipped, by the plainest means. => as trace_next(). */
static int next_plain(const uint8_t **at, const uint8_t *end, uint64_t *line, struct trace_access *access)
{
    struct file_error error;
    int result = 0;

    while (result == 0 && *at < end) {
        const uint8_t *newline = memchr(*at, '\n', (size_t)(end - *at));
        const uint8_t *stop = newline != NULL ? newline : end;

        ++*line;
        result = trace_parse_line((const char *)*at, (size_t)(stop - *at), access, &error);
        *at = newline != NULL ? newline + 1 : end;
    }
    if (result < 0) {
        require_text(&error, "column ");
    }
    return result;
}

static void compare(struct trace *trace, const uint8_t *bytes, size_t count)
{
    const uint8_t *at = bytes;
    uint64_t line = 0;
    int plain;

    do {
        struct trace_access expected = {0}, access = {0};
        struct file_error error;
        int result = trace_next(trace, &access, &error);

        plain = next_plain(&at, bytes + count, &line, &expected);
        require(result == plain, "line by line and as a file the outcomes differ");
        if (plain > 0) {
            require(equal(&access, &expected), "line by line and as a file the accesses differ");
            require_round_trip(&access);
        } else if (plain < 0) {
            require(error.offset == line, "another line is refused");
            require_text(&error, "line ");
        }
    } while (plain > 0);
}

static void drain(struct trace *trace)
{
    struct trace_access access;
    struct file_error error;
    int result;

    while ((result = trace_next(trace, &access, &error)) > 0) {
        require_round_trip(&access);
    }
    if (result < 0) {
        require_text(&error, "line ");
    }
}

static void run_file(const uint8_t *bytes, size_t count)
{
    struct file_error error;
    struct trace *trace = trace_open(file_of(bytes, count), &error);

    require(trace != NULL, "a file in memory cannot be opened");
    if (count >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b) {
        drain(trace);
    } else {
        compare(trace, bytes, count);
    }
    trace_close(trace);
}

static void run_lines(const uint8_t *bytes, size_t count)
{
    const uint8_t *at = bytes;
    struct trace_access access;
    uint64_t line = 0;

    while (next_plain(&at, bytes + count, &line, &access) > 0) {
        require_round_trip(&access);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    if (sample_has(bytes, count, FILES_ONE_IN)) {
        run_file(bytes, count);
    } else {
        run_lines(bytes, count);
    }
    return 0;
}
