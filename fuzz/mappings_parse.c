/* SPDX-License-Identifier: MIT */
/*
 * The mappings file, whatever is in it: refused with a text that names the byte, or accepted, and then what is written
 * back is the same bytes. A file is read from memory and, one of 32 where a fuzzer runs, through zlib, and both must
 * agree. Every input is also run with its checksum set right, which chance would not find.
 */
#define _GNU_SOURCE

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <zlib.h>

#include "mappings.h"
#include "sample.h"

#define FILES_ONE_IN 32u /* through the kernel it takes twenty times as long */

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

static void require(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "mappings_parse: %s\n", what);
        abort();
    }
}

static bool equal(const struct mappings *a, const struct mappings *b)
{
    bool same = a->count == b->count && a->spaces == b->spaces && a->real_frames == b->real_frames;

    for (size_t i = 0; same && i < a->count; i++) {
        const struct mapping_run *x = &a->runs[i];
        const struct mapping_run *y = &b->runs[i];

        same = x->space == y->space && x->shift == y->shift && x->vpn == y->vpn && x->pfn == y->pfn &&
               x->npages == y->npages && x->prot == y->prot && x->swap == y->swap;
    }
    return same;
}

static void require_text(const struct file_error *error, size_t count)
{
    require(memchr(error->text, 0, sizeof(error->text)) != NULL, "the error's text does not end");
    require(strncmp(error->text, "byte ", 5) == 0, "the error's text does not name a byte");
    require(error->offset <= count, "the error's offset lies behind the file");
}

/* A file in memory that has a path. It is made once: a new one for each input would cost more than all the rest. */
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

static void require_round_trip(const struct mappings *mappings, const uint8_t *bytes, size_t count)
{
    char *written = NULL;
    size_t length = 0;
    FILE *file = open_memstream(&written, &length);

    require(file != NULL, "no memory");
    require(mappings_write(file, mappings) == 0, "what was accepted cannot be written");
    require(fclose(file) == 0, "no memory");
    require(length == count && memcmp(written, bytes, count) == 0, "what is written is not what was read");
    free(written);
}

/* The same through a file, which may be compressed. */
static void run_file(const uint8_t *bytes, size_t count, int parse_result, const struct mappings *parsed,
                     const struct file_error *parse_error)
{
    struct mappings read;
    struct file_error read_error;
    int read_result = mappings_read(file_of(bytes, count), &read, &read_error);

    if (count < 2 || bytes[0] != 0x1f || bytes[1] != 0x8b) {
        require(read_result == parse_result, "from memory and from a file the outcomes differ");
        require(equal(parsed, &read), "from memory and from a file the mappings differ");
        require(strcmp(parse_error->text, read_error.text) == 0, "from memory and from a file the errors differ");
    } else if (read_result != 0) {
        require_text(&read_error, SIZE_MAX);
    }
    mappings_free(&read);
}

static void run(const uint8_t *bytes, size_t count)
{
    struct mappings parsed;
    struct file_error error;
    int result = mappings_parse(bytes, count, &parsed, &error);

    if (result == 0) {
        require_round_trip(&parsed, bytes, count);
    } else {
        require_text(&error, count);
        require(parsed.runs == NULL && parsed.count == 0, "something was read from a refused file");
    }
    if (sample_has(bytes, count, FILES_ONE_IN)) {
        run_file(bytes, count, result, &parsed, &error);
    }
    mappings_free(&parsed);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    run(bytes, count);
    if (count > 4) {
        uint8_t *changed = malloc(count);
        uint32_t checksum = (uint32_t)crc32(crc32(0, NULL, 0), bytes, (uInt)(count - 4));

        require(changed != NULL, "no memory");
        memcpy(changed, bytes, count);
        for (unsigned i = 0; i < 4; i++) {
            changed[count - 4 + i] = (uint8_t)(checksum >> 8 * i);
        }
        run(changed, count);
        free(changed);
    }
    return 0;
}
