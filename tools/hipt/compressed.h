/* SPDX-License-Identifier: MIT */
/* Files that may be gzip-compressed, read as the bytes that were compressed; plain ones are read as they are. */
#ifndef HIPT_TOOL_COMPRESSED_H
#define HIPT_TOOL_COMPRESSED_H

#include <stdbool.h>
#include <stddef.h>

#include <zlib.h>

/* "-" is standard input. => NULL with errno set. gzclose() it. */
gzFile compressed_open(const char *path);

/* Up to @room bytes. => how many, 0 the end, -1 with a text that says why there are no more, valid until gzclose(). */
int compressed_read(gzFile file, unsigned char *bytes, unsigned room, const char **fault);

#endif
