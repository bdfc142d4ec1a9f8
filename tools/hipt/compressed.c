/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L

#include "compressed.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

gzFile compressed_open(const char *path)
{
    /* Standard input is duplicated, for gzclose() closes what it was given. */
    int descriptor = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
    gzFile file;

    if (descriptor < 0) {
        return NULL;
    }
    file = gzdopen(descriptor, "rb");
    if (file == NULL) {
        close(descriptor);
        errno = ENOMEM;
    }
    return file;
}

int compressed_read(gzFile file, unsigned char *bytes, unsigned room, const char **fault)
{
    int got = gzread(file, bytes, room);
    int system = errno;
    int code;
    const char *text = gzerror(file, &code);

    /* A stream that was cut off gives what it has, then 0 with Z_BUF_ERROR. */
    if (got > 0 || (got == 0 && code == Z_OK)) {
        return got;
    }
    if (code == Z_ERRNO) {
        *fault = strerror(system);
    } else if (code == Z_BUF_ERROR) {
        *fault = "the gzip stream ends early, expected more of it";
    } else {
        *fault = text;
    }
    return -1;
}
