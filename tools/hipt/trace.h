/* SPDX-License-Identifier: MIT */
/* A memory trace as `valgrind --tool=lackey --trace-mem=yes` prints it, plain or gzip-compressed, read line by line. */
#ifndef HIPT_TOOL_TRACE_H
#define HIPT_TOOL_TRACE_H

#include <stdint.h>
#include <stdio.h>

#include "mappings.h" /* struct file_error */

enum trace_kind { TRACE_FETCH, TRACE_LOAD, TRACE_STORE, TRACE_MODIFY };

struct trace_access {
    uint64_t address;
    uint32_t bytes;
    enum trace_kind kind;
};

/*
 * One line of text, without its newline. => 1: *access is set; 0: a line that is no access (valgrind's own ==pid==
 * lines, blank lines); -1: not a line of such a trace, *error says why (the caller knows the line number).
 */
int trace_parse_line(const char *line, size_t length, struct trace_access *access, struct file_error *error);

struct trace; /* an open trace */

/* @path "-" is standard input. => NULL with *error set if it cannot be opened. */
struct trace *trace_open(const char *path, struct file_error *error);
/* => 1 an access, 0 the end, -1 with *error set, .offset the line number. */
int trace_next(struct trace *trace, struct trace_access *access, struct file_error *error);
void trace_close(struct trace *trace);

#endif
