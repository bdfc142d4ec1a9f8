/* SPDX-License-Identifier: MIT */
/*
 * One line is all that is held of a trace, and no line may be longer than LINE_MAX_BYTES, so that a file that is not a
 * trace, or a small compressed one that unfolds into a huge one, costs no memory.
 */
#include "trace.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "compressed.h"

#define LINE_MAX_BYTES 255u
#define ACCESS_MAX_BYTES 4096u /* more than any instruction touches at once, state saves included */
#define ADDRESS_DIGITS 16u     /* 64 bits */
#define READ_BYTES 65536u

struct trace {
    gzFile file;
    uint64_t line; /* the number of the line last taken, from 1 */
    size_t have;   /* bytes that are in @bytes */
    size_t next;   /* the first of them that is not taken */
    bool ended;    /* nothing follows them */
    unsigned char bytes[READ_BYTES];
};

static int refuse(struct file_error *error, size_t column, const char *text)
{
    error->offset = column;
    snprintf(error->text, sizeof(error->text), "column %zu: %s", column + 1, text);
    return -1;
}

static int digit_of(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* What kind of access the first three characters announce. => false: none. */
static bool kind_of(const char *line, enum trace_kind *kind)
{
    static const char starts[][4] = {
        [TRACE_FETCH] = "I  ", [TRACE_LOAD] = " L ", [TRACE_STORE] = " S ", [TRACE_MODIFY] = " M "};

    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
        if (memcmp(line, starts[i], 3) == 0) {
            *kind = (enum trace_kind)i;
            return true;
        }
    }
    return false;
}

/* The hexadecimal address at *at, which is left behind it. */
static int parse_address(const char *line, size_t length, size_t *at, uint64_t *address, struct file_error *error)
{
    size_t first = *at;
    int digit;

    *address = 0;
    while (*at < length && (digit = digit_of(line[*at])) >= 0) {
        if (*at - first == ADDRESS_DIGITS) {
            return refuse(error, first, "the address has more than 16 digits, expected at most 64 bits");
        }
        *address = *address << 4 | (unsigned)digit;
        ++*at;
    }
    return *at > first ? 0 : refuse(error, first, "no address, expected hexadecimal digits");
}

/* The decimal size from *at to the end of the line. */
static int parse_bytes(const char *line, size_t length, size_t at, uint32_t *bytes, struct file_error *error)
{
    size_t first = at;
    uint32_t value = 0;

    for (; at < length; at++) {
        if (line[at] < '0' || line[at] > '9') {
            return refuse(error, at, "expected decimal digits and the end of the line");
        }
        value = value * 10 + (uint32_t)(line[at] - '0');
        if (value > ACCESS_MAX_BYTES) {
            return refuse(error, first, "the size is over 4096, expected 1 to 4096 bytes");
        }
    }
    if (value == 0) {
        return refuse(error, first, "no size or size 0, expected 1 to 4096 bytes");
    }
    *bytes = value;
    return 0;
}

/* => whether the line is one that valgrind writes about itself, "==123== ...", or blank. */
static bool is_skipped(const char *line, size_t length)
{
    size_t at = 2;

    if (length == 0) {
        return true;
    }
    if (length < 5 || line[0] != '=' || line[1] != '=') {
        return false;
    }
    while (at < length && line[at] >= '0' && line[at] <= '9') {
        at++;
    }
    return at > 2 && at + 1 < length && line[at] == '=' && line[at + 1] == '=';
}

int trace_parse_line(const char *line, size_t length, struct trace_access *access, struct file_error *error)
{
    struct trace_access parsed = {0};
    size_t at = 3;

    if (length > LINE_MAX_BYTES) {
        return refuse(error, LINE_MAX_BYTES, "the line goes on, expected at most 255 bytes");
    }
    if (is_skipped(line, length)) {
        return 0;
    }
    if (length < at || !kind_of(line, &parsed.kind)) {
        return refuse(error, 0,
                      "expected \"I  address,size\", \" L address,size\", \" S ...\", \" M ...\" or \"==pid== ...\"");
    }
    if (parse_address(line, length, &at, &parsed.address, error) != 0) {
        return -1;
    }
    if (at == length || line[at] != ',') {
        return refuse(error, at, "expected a comma and the size after the address");
    }
    if (parse_bytes(line, length, at + 1, &parsed.bytes, error) != 0) {
        return -1;
    }
    if (parsed.bytes - 1 > UINT64_MAX - parsed.address) {
        return refuse(error, 3, "the access goes over the end of the 64-bit address space");
    }
    *access = parsed;
    return 1;
}

struct trace *trace_open(const char *path, struct file_error *error)
{
    struct trace *trace = malloc(sizeof(*trace));

    memset(error, 0, sizeof(*error));
    if (trace == NULL) {
        snprintf(error->text, sizeof(error->text), "no memory for a buffer of %zu bytes", sizeof(*trace));
        return NULL;
    }
    trace->file = compressed_open(path);
    if (trace->file == NULL) {
        snprintf(error->text, sizeof(error->text), "cannot be opened: %s", strerror(errno));
        free(trace);
        return NULL;
    }
    trace->line = 0;
    trace->have = 0;
    trace->next = 0;
    trace->ended = false;
    return trace;
}

/* Puts the line's number in front of what is wrong with it. */
static int refuse_line(const struct trace *trace, const char *text, struct file_error *error)
{
    char line[sizeof(error->text)];
    int used = snprintf(line, sizeof(line), "line %" PRIu64 ": ", trace->line);

    snprintf(line + used, sizeof(line) - (size_t)used, "%.*s", (int)(sizeof(line) - (size_t)used - 1), text);
    memcpy(error->text, line, sizeof(line));
    error->offset = trace->line;
    return -1;
}

/* Moves the beginning of a line to the front and reads more behind it. => 0, or -1 with the error set. */
static int refill(struct trace *trace, struct file_error *error)
{
    size_t left = trace->have - trace->next;
    const char *fault = NULL;
    int got;

    memmove(trace->bytes, trace->bytes + trace->next, left);
    trace->next = 0;
    trace->have = left;
    got = compressed_read(trace->file, trace->bytes + left, (unsigned)(READ_BYTES - left), &fault);
    if (got < 0) {
        char text[sizeof(error->text)];

        snprintf(text, sizeof(text), "cannot be read on: %s", fault);
        trace->line++;
        return refuse_line(trace, text, error);
    }
    trace->ended = got == 0;
    trace->have += (size_t)got;
    return 0;
}

/* The next line, without its newline. => 1, 0 the end, -1 with the error set. */
static int take_line(struct trace *trace, const char **line, size_t *length, struct file_error *error)
{
    for (;;) {
        unsigned char *start = trace->bytes + trace->next;
        size_t left = trace->have - trace->next;
        unsigned char *newline = memchr(start, '\n', left);

        /* A line that is longer than allowed is handed on as it is, to be refused: it need not end. */
        if (newline != NULL || left > LINE_MAX_BYTES || (trace->ended && left > 0)) {
            *line = (const char *)start;
            *length = newline != NULL ? (size_t)(newline - start) : left;
            trace->next += *length + (newline != NULL ? 1 : 0);
            trace->line++;
            return 1;
        }
        if (trace->ended) {
            return 0;
        }
        if (refill(trace, error) != 0) {
            return -1;
        }
    }
}

int trace_next(struct trace *trace, struct trace_access *access, struct file_error *error)
{
    const char *line;
    size_t length;
    int result;

    while ((result = take_line(trace, &line, &length, error)) > 0) {
        result = trace_parse_line(line, length, access, error);
        if (result < 0) {
            return refuse_line(trace, error->text, error);
        }
        if (result > 0) {
            return 1;
        }
    }
    return result;
}

void trace_close(struct trace *trace)
{
    if (trace != NULL) {
        gzclose(trace->file);
        free(trace);
    }
}
