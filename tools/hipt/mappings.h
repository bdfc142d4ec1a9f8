/* SPDX-License-Identifier: MIT */
/* Page mappings of a machine, as `hipt capture` writes them to a file and `hipt replay` reads them back. */
#ifndef HIPT_TOOL_MAPPINGS_H
#define HIPT_TOOL_MAPPINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Consecutive pages of one address space that map consecutive frames, all with one protection. */
struct mapping_run {
    uint32_t space;  /* 0 .. spaces - 1; what it stood for on the machine is not kept */
    uint32_t shift;  /* page size of each page: 12, 16, 21 or 30 */
    uint64_t vpn;    /* first page, in 4 KiB units, aligned to the page size */
    uint64_t pfn;    /* first frame or swap slot, in 4 KiB units, aligned to the page size */
    uint64_t npages; /* in pages of this size, at least 1 */
    uint8_t prot;    /* HIPT_READ | HIPT_WRITE | HIPT_EXEC | HIPT_USER */
    bool swap;       /* not present: pfn is a swap slot */
};

struct mappings {
    struct mapping_run *runs;
    size_t count;
    uint32_t spaces;
    bool real_frames; /* pfns are the machine's; otherwise they were made up */
};

/* Why a file was refused: one line, with the offset in bytes or the line at which it went wrong. */
struct file_error {
    uint64_t offset;
    char text[200];
};

/* => 0, or -1 with *error set; never aborts, whatever the file holds. mappings_free() what was read. */
int mappings_parse(const uint8_t *bytes, size_t count, struct mappings *mappings, struct file_error *error);
int mappings_read(const char *path, struct mappings *mappings, struct file_error *error);
int mappings_write(FILE *file, const struct mappings *mappings);
void mappings_free(struct mappings *mappings);

/* Read this machine's own: every process's maps and pagemap. => 0, or -1 with *error set. */
int mappings_capture(struct mappings *mappings, struct file_error *error);

#endif
