/* SPDX-License-Identifier: MIT */
/*
 * The mappings file: docs/capture-format.md has the layout. A file is not trusted. It is read as a stream and every
 * record is checked before the next one gets memory, so what is allocated is in proportion to the valid records that
 * are there, whatever the header promises and however well the file is compressed.
 */
#include "mappings.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <hipt/map.h>
#include <hipt/table.h>

#include "compressed.h"

#define HEADER_BYTES 32u
#define RUN_BYTES 32u
#define CHECKSUM_BYTES 4u
#define VERSION 1u
#define FLAG_REAL_FRAMES 0x1u
#define RUN_FLAG_SWAP 0x1u
#define PROT_MASK (HIPT_READ | HIPT_WRITE | HIPT_EXEC | HIPT_USER)

#define SPACES_MAX (UINT32_C(1) << 24)   /* a table has at most 24 asid bits */
#define RUNS_MAX (UINT64_C(1) << 25)     /* 1 GiB of records */
#define MAPPINGS_MAX (UINT64_C(1) << 30) /* 4 TiB of base pages: a reader that maps each of them still ends */
#define VPN_END (UINT64_C(1) << 52)      /* 64-bit byte addresses in pages of 4 KiB */
#define PFN_END (UINT64_C(1) << HIPT_PFN_BITS)
#define READ_BYTES 65536u

static const uint8_t magic[8] = {'h', 'i', 'p', 't', 'm', 'a', 'p', 's'};

enum part { PART_HEADER, PART_RUNS, PART_CHECKSUM, PART_END };

/* Where the reading of a file stands. */
struct reader {
    struct mappings *mappings;
    struct file_error *error;
    size_t room;       /* runs that are allocated */
    uint64_t runs;     /* as the header promises */
    uint64_t pages;    /* mappings of all sizes, as the header promises */
    uint64_t seen;     /* mappings of all sizes, so far */
    uint64_t offset;   /* of the first byte in @bytes */
    uint32_t checksum; /* of all bytes before @offset */
    enum part part;
    size_t have; /* bytes of the part that have arrived */
    uint8_t bytes[HEADER_BYTES > RUN_BYTES ? HEADER_BYTES : RUN_BYTES];
};

__attribute__((format(printf, 3, 4))) static int refuse(struct file_error *error, uint64_t offset, const char *format,
                                                        ...)
{
    va_list arguments;
    int used = snprintf(error->text, sizeof(error->text), "byte %" PRIu64 ": ", offset);

    error->offset = offset;
    va_start(arguments, format);
    vsnprintf(error->text + used, sizeof(error->text) - (size_t)used, format, arguments);
    va_end(arguments);
    return -1;
}

static uint64_t get_le(const uint8_t *bytes, unsigned count)
{
    uint64_t value = 0;

    for (unsigned i = count; i-- > 0;) {
        value = value << 8 | bytes[i];
    }
    return value;
}

static void put_le(uint8_t *bytes, unsigned count, uint64_t value)
{
    for (unsigned i = 0; i < count; i++) {
        bytes[i] = (uint8_t)(value >> 8 * i);
    }
}

/* The first byte of each field of a run, for the error's offset. */
enum run_field {
    RUN_VPN = 0,
    RUN_PFN = 8,
    RUN_PAGES = 16,
    RUN_SPACE = 24,
    RUN_SHIFT = 28,
    RUN_PROT = 29,
    RUN_FLAGS = 30
};

static bool shift_is_known(uint32_t shift)
{
    return shift == 12 || shift == 16 || shift == 21 || shift == 30;
}

/* Is the run by itself one that a table could hold? */
static int check_numbers(const struct mapping_run *run, uint64_t at, struct file_error *error)
{
    uint64_t unit = UINT64_C(1) << (run->shift - 12);

    if (run->vpn % unit != 0) {
        return refuse(error, at + RUN_VPN, "vpn 0x%" PRIx64 " is not a multiple of 0x%" PRIx64 ", the pages' size",
                      run->vpn, unit);
    }
    if (run->pfn % unit != 0) {
        return refuse(error, at + RUN_PFN, "pfn 0x%" PRIx64 " is not a multiple of 0x%" PRIx64 ", the pages' size",
                      run->pfn, unit);
    }
    if (run->npages == 0) {
        return refuse(error, at + RUN_PAGES, "0 pages in a run, expected at least 1");
    }
    if (run->vpn >= VPN_END || run->npages > (VPN_END - run->vpn) / unit) {
        return refuse(error, at + RUN_VPN, "%" PRIu64 " pages from vpn 0x%" PRIx64 " end after the last vpn 0x%" PRIx64,
                      run->npages, run->vpn, VPN_END - 1);
    }
    if (run->pfn >= PFN_END || run->npages > (PFN_END - run->pfn) / unit) {
        return refuse(error, at + RUN_PFN, "%" PRIu64 " pages from pfn 0x%" PRIx64 " end after the last pfn 0x%" PRIx64,
                      run->npages, run->pfn, PFN_END - 1);
    }
    return 0;
}

/* Does the run follow the one before it? @before is NULL for the first. */
static int check_order(const struct mapping_run *run, const struct mapping_run *before, uint64_t at,
                       struct file_error *error)
{
    uint32_t space = before != NULL ? before->space : 0;

    if (before == NULL && run->space != 0) {
        return refuse(error, at + RUN_SPACE, "the first run is of space %" PRIu32 ", expected space 0", run->space);
    }
    if (run->space != space && run->space != space + 1) {
        return refuse(error, at + RUN_SPACE, "space %" PRIu32 " after space %" PRIu32 ", expected that one or the next",
                      run->space, space);
    }
    if (before != NULL && run->space == space) {
        uint64_t end = before->vpn + (before->npages << (before->shift - 12));

        if (run->vpn < end) {
            return refuse(error, at + RUN_VPN,
                          "vpn 0x%" PRIx64 " lies before the end of the run before it, expected 0x%" PRIx64 " or more",
                          run->vpn, end);
        }
    }
    return 0;
}

/* => 0, or -1 and *error names the field; @at is the record's offset. */
static int check_run(const struct mapping_run *run, const struct mapping_run *before, uint64_t at,
                     struct file_error *error)
{
    if (!shift_is_known(run->shift)) {
        return refuse(error, at + RUN_SHIFT, "page shift %" PRIu32 ", expected 12, 16, 21 or 30", run->shift);
    }
    if ((run->prot & ~PROT_MASK) != 0 || (run->prot & (HIPT_READ | HIPT_WRITE | HIPT_EXEC)) == 0) {
        return refuse(error, at + RUN_PROT,
                      "protection 0x%02x, expected read 1, write 2 or execute 4, with or without user 8", run->prot);
    }
    if (check_numbers(run, at, error) != 0) {
        return -1;
    }
    return check_order(run, before, at, error);
}

static int check_counts(uint64_t spaces, uint64_t runs, uint64_t pages, struct file_error *error)
{
    if (spaces > SPACES_MAX || spaces > runs || (spaces == 0 && runs > 0)) {
        return refuse(error, 12, "%" PRIu64 " spaces for %" PRIu64 " runs, expected 1 to %" PRIu32 " and a run in each",
                      spaces, runs, SPACES_MAX);
    }
    if (runs > RUNS_MAX) {
        return refuse(error, 16, "%" PRIu64 " runs, expected at most %" PRIu64, runs, RUNS_MAX);
    }
    if (pages > MAPPINGS_MAX || pages < runs || (runs == 0 && pages > 0)) {
        return refuse(error, 24,
                      "%" PRIu64 " pages in %" PRIu64 " runs, expected a page for each run and at most %" PRIu64, pages,
                      runs, MAPPINGS_MAX);
    }
    return 0;
}

static int take_header(struct reader *reader)
{
    const uint8_t *bytes = reader->bytes;
    uint64_t version = get_le(bytes + 8, 2);
    uint64_t flags = get_le(bytes + 10, 2);

    if (version != VERSION) {
        return refuse(reader->error, 8, "format version %" PRIu64 ", expected %u", version, VERSION);
    }
    if ((flags & ~(uint64_t)FLAG_REAL_FRAMES) != 0) {
        return refuse(reader->error, 10, "flags 0x%04" PRIx64 ", expected none but 0x%04x (real frames)", flags,
                      FLAG_REAL_FRAMES);
    }
    reader->mappings->spaces = (uint32_t)get_le(bytes + 12, 4);
    reader->mappings->real_frames = (flags & FLAG_REAL_FRAMES) != 0;
    reader->runs = get_le(bytes + 16, 8);
    reader->pages = get_le(bytes + 24, 8);
    reader->part = reader->runs != 0 ? PART_RUNS : PART_CHECKSUM;
    return check_counts(reader->mappings->spaces, reader->runs, reader->pages, reader->error);
}

static int grow(struct reader *reader)
{
    size_t room = reader->room != 0 ? 2 * reader->room : 64;
    struct mapping_run *runs;

    if (reader->mappings->count < reader->room) {
        return 0;
    }
    runs = realloc(reader->mappings->runs, room * sizeof(*runs));
    if (runs == NULL) {
        return refuse(reader->error, reader->offset, "no memory for %zu runs", room);
    }
    reader->mappings->runs = runs;
    reader->room = room;
    return 0;
}

/* The last run has been taken: do the header's counts hold? */
static int check_totals(const struct reader *reader)
{
    uint32_t spaces = reader->mappings->runs[reader->mappings->count - 1].space + 1;

    if (spaces != reader->mappings->spaces) {
        return refuse(reader->error, 12, "%" PRIu32 " spaces promised, %" PRIu32 " are there", reader->mappings->spaces,
                      spaces);
    }
    if (reader->seen != reader->pages) {
        return refuse(reader->error, 24, "%" PRIu64 " pages promised, %" PRIu64 " are there", reader->pages,
                      reader->seen);
    }
    return 0;
}

static int take_run(struct reader *reader)
{
    const uint8_t *bytes = reader->bytes;
    struct mappings *mappings = reader->mappings;
    struct mapping_run run = {
        .vpn = get_le(bytes + RUN_VPN, 8),
        .pfn = get_le(bytes + RUN_PFN, 8),
        .npages = get_le(bytes + RUN_PAGES, 8),
        .space = (uint32_t)get_le(bytes + RUN_SPACE, 4),
        .shift = bytes[RUN_SHIFT],
        .prot = bytes[RUN_PROT],
        .swap = (bytes[RUN_FLAGS] & RUN_FLAG_SWAP) != 0,
    };
    uint64_t flags = get_le(bytes + RUN_FLAGS, 2);

    if ((flags & ~(uint64_t)RUN_FLAG_SWAP) != 0) {
        return refuse(reader->error, reader->offset + RUN_FLAGS,
                      "run flags 0x%04" PRIx64 ", expected none but 0x%04x (swap)", flags, RUN_FLAG_SWAP);
    }
    if (check_run(&run, mappings->count > 0 ? &mappings->runs[mappings->count - 1] : NULL, reader->offset,
                  reader->error) != 0) {
        return -1;
    }
    if (run.npages > reader->pages - reader->seen) {
        return refuse(reader->error, reader->offset + RUN_PAGES,
                      "%" PRIu64 " pages in a run, expected at most %" PRIu64 ": the header promises %" PRIu64,
                      run.npages, reader->pages - reader->seen, reader->pages);
    }
    if (grow(reader) != 0) {
        return -1;
    }
    reader->seen += run.npages;
    mappings->runs[mappings->count++] = run;
    if (mappings->count < reader->runs) {
        return 0;
    }
    reader->part = PART_CHECKSUM;
    return check_totals(reader);
}

static int take_checksum(struct reader *reader)
{
    uint64_t stored = get_le(reader->bytes, CHECKSUM_BYTES);

    reader->part = PART_END;
    if (stored != reader->checksum) {
        return refuse(reader->error, reader->offset, "checksum 0x%08" PRIx64 ", expected 0x%08" PRIx32, stored,
                      reader->checksum);
    }
    return 0;
}

static size_t part_bytes(enum part part)
{
    return part == PART_HEADER ? HEADER_BYTES : part == PART_RUNS ? RUN_BYTES : CHECKSUM_BYTES;
}

/* A whole part has arrived. */
static int take_part(struct reader *reader)
{
    size_t bytes = reader->have;
    int result;

    switch (reader->part) {
    case PART_HEADER:
        result = take_header(reader);
        break;
    case PART_RUNS:
        result = take_run(reader);
        break;
    default:
        result = take_checksum(reader);
        break;
    }
    reader->checksum = (uint32_t)crc32(reader->checksum, reader->bytes, (uInt)bytes);
    reader->offset += bytes;
    reader->have = 0;
    return result;
}

/* The magic is checked as far as it has arrived, so that a short file of another kind is called that, not truncated. */
static int check_magic(const struct reader *reader)
{
    size_t count = reader->have < sizeof(magic) ? reader->have : sizeof(magic);

    for (size_t i = 0; reader->part == PART_HEADER && i < count; i++) {
        if (reader->bytes[i] != magic[i]) {
            return refuse(reader->error, i, "0x%02x, expected 0x%02x: a mappings file starts with \"%.8s\"",
                          reader->bytes[i], magic[i], (const char *)magic);
        }
    }
    return 0;
}

/* More of the file. => 0, or -1 with the error set. */
static int feed(struct reader *reader, const uint8_t *bytes, size_t count)
{
    while (count > 0) {
        size_t missing = part_bytes(reader->part) - reader->have;
        size_t step = count < missing ? count : missing;

        if (reader->part == PART_END) {
            return refuse(reader->error, reader->offset, "more bytes after the checksum, expected the end");
        }
        memcpy(reader->bytes + reader->have, bytes, step);
        reader->have += step;
        bytes += step;
        count -= step;
        if (check_magic(reader) != 0) {
            return -1;
        }
        if (step == missing && take_part(reader) != 0) {
            return -1;
        }
    }
    return 0;
}

/* The file is over. => 0, or -1 with the error set: something is missing. */
static int finish(const struct reader *reader)
{
    uint64_t end = reader->offset + reader->have;

    switch (reader->part) {
    case PART_HEADER:
        return refuse(reader->error, end, "the file ends in the header, expected %u bytes", HEADER_BYTES);
    case PART_RUNS:
        return refuse(reader->error, end, "the file ends in run %zu of %" PRIu64 ", expected %" PRIu64 " bytes",
                      reader->mappings->count + 1, reader->runs,
                      HEADER_BYTES + reader->runs * RUN_BYTES + CHECKSUM_BYTES);
    case PART_CHECKSUM:
        return refuse(reader->error, end, "the file ends in the checksum, expected %" PRIu64 " bytes",
                      reader->offset + CHECKSUM_BYTES);
    default:
        return 0;
    }
}

static struct reader reader_of(struct mappings *mappings, struct file_error *error)
{
    memset(mappings, 0, sizeof(*mappings));
    memset(error, 0, sizeof(*error));
    return (struct reader){.mappings = mappings, .error = error, .checksum = (uint32_t)crc32(0, NULL, 0)};
}

int mappings_parse(const uint8_t *bytes, size_t count, struct mappings *mappings, struct file_error *error)
{
    struct reader reader = reader_of(mappings, error);

    if (feed(&reader, bytes, count) == 0 && finish(&reader) == 0) {
        return 0;
    }
    mappings_free(mappings);
    return -1;
}

static int read_all(gzFile file, struct reader *reader)
{
    uint8_t bytes[READ_BYTES];
    const char *fault = NULL;
    int got;

    while ((got = compressed_read(file, bytes, READ_BYTES, &fault)) > 0) {
        if (feed(reader, bytes, (size_t)got) != 0) {
            return -1;
        }
    }
    if (got < 0) {
        return refuse(reader->error, reader->offset + reader->have, "cannot be read on: %s", fault);
    }
    return finish(reader);
}

int mappings_read(const char *path, struct mappings *mappings, struct file_error *error)
{
    struct reader reader = reader_of(mappings, error);
    gzFile file = compressed_open(path);
    int result;

    if (file == NULL) {
        snprintf(error->text, sizeof(error->text), "cannot be opened: %s", strerror(errno));
        return -1;
    }
    result = read_all(file, &reader);
    gzclose(file);
    if (result != 0) {
        mappings_free(mappings);
    }
    return result;
}

void mappings_free(struct mappings *mappings)
{
    free(mappings->runs);
    memset(mappings, 0, sizeof(*mappings));
}

static int write_part(FILE *file, const uint8_t *bytes, size_t count, uint32_t *checksum)
{
    *checksum = (uint32_t)crc32(*checksum, bytes, (uInt)count);
    return fwrite(bytes, 1, count, file) == count ? 0 : -1;
}

static int write_header(FILE *file, const struct mappings *mappings, uint64_t pages, uint32_t *checksum)
{
    uint8_t bytes[HEADER_BYTES];

    memcpy(bytes, magic, sizeof(magic));
    put_le(bytes + 8, 2, VERSION);
    put_le(bytes + 10, 2, mappings->real_frames ? FLAG_REAL_FRAMES : 0);
    put_le(bytes + 12, 4, mappings->spaces);
    put_le(bytes + 16, 8, mappings->count);
    put_le(bytes + 24, 8, pages);
    return write_part(file, bytes, sizeof(bytes), checksum);
}

static int write_run(FILE *file, const struct mapping_run *run, uint32_t *checksum)
{
    uint8_t bytes[RUN_BYTES];

    put_le(bytes + RUN_VPN, 8, run->vpn);
    put_le(bytes + RUN_PFN, 8, run->pfn);
    put_le(bytes + RUN_PAGES, 8, run->npages);
    put_le(bytes + RUN_SPACE, 4, run->space);
    bytes[RUN_SHIFT] = (uint8_t)run->shift;
    bytes[RUN_PROT] = run->prot;
    put_le(bytes + RUN_FLAGS, 2, run->swap ? RUN_FLAG_SWAP : 0);
    return write_part(file, bytes, sizeof(bytes), checksum);
}

/* Would a reader take them back? => their number of pages, or UINT64_MAX: no. */
static uint64_t count_pages(const struct mappings *mappings)
{
    struct file_error error;
    uint64_t pages = 0;

    for (size_t i = 0; i < mappings->count; i++) {
        const struct mapping_run *run = &mappings->runs[i];

        if (check_run(run, i > 0 ? run - 1 : NULL, 0, &error) != 0 || run->npages > MAPPINGS_MAX - pages) {
            return UINT64_MAX;
        }
        pages += run->npages;
    }
    if (mappings->count > 0 && mappings->runs[mappings->count - 1].space + 1 != mappings->spaces) {
        return UINT64_MAX;
    }
    return check_counts(mappings->spaces, mappings->count, pages, &error) == 0 ? pages : UINT64_MAX;
}

int mappings_write(FILE *file, const struct mappings *mappings)
{
    uint64_t pages = count_pages(mappings);
    uint32_t checksum = (uint32_t)crc32(0, NULL, 0);
    uint8_t last[CHECKSUM_BYTES];

    if (pages == UINT64_MAX) {
        errno = EINVAL; /* nothing has been written: no reader would take it */
        return -1;
    }
    if (write_header(file, mappings, pages, &checksum) != 0) {
        return -1;
    }
    for (size_t i = 0; i < mappings->count; i++) {
        if (write_run(file, &mappings->runs[i], &checksum) != 0) {
            return -1;
        }
    }
    put_le(last, sizeof(last), checksum);
    return write_part(file, last, sizeof(last), &checksum) == 0 && fflush(file) == 0 ? 0 : -1;
}
