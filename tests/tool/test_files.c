/* SPDX-License-Identifier: MIT */
/* The files of the tool: what is written is read back, and what is wrong is refused where it is wrong. */
#define _DEFAULT_SOURCE

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <criterion/criterion.h>
#include <zlib.h>

#include <hipt/map.h>

#include "mappings.h"
#include "mappings_capture.h"
#include "trace.h"

#define USER_RW (HIPT_READ | HIPT_WRITE | HIPT_USER)
#define USER_RX (HIPT_READ | HIPT_EXEC | HIPT_USER)

enum { HEADER = 32, RUN = 32, CHECKSUM = 4, RUNS = 5, FILE_BYTES = HEADER + RUNS * RUN + CHECKSUM };

static struct mapping_run sample_runs[RUNS] = {
    {.space = 0, .shift = 12, .vpn = 0x55d0, .pfn = 0x1000, .npages = 4, .prot = USER_RW},
    {.space = 0, .shift = 12, .vpn = 0x7f000, .pfn = 0x2000, .npages = 1, .prot = USER_RX},
    {.space = 0, .shift = 21, .vpn = 0x80000, .pfn = 0x200000, .npages = 3, .prot = USER_RW},
    {.space = 1, .shift = 12, .vpn = 0x10, .pfn = 0x2000, .npages = 1, .prot = HIPT_READ},
    {.space = 1, .shift = 12, .vpn = 0x11, .pfn = 7, .npages = 2, .prot = USER_RW, .swap = true},
};

static const struct mappings sample = {.runs = sample_runs, .count = RUNS, .spaces = 2, .real_frames = true};

static void set_le(uint8_t *bytes, unsigned count, uint64_t value)
{
    for (unsigned i = 0; i < count; i++) {
        bytes[i] = (uint8_t)(value >> 8 * i);
    }
}

static void seal(uint8_t *bytes, size_t count)
{
    set_le(bytes + count - CHECKSUM, 4, crc32(crc32(0, NULL, 0), bytes, (uInt)(count - CHECKSUM)));
}

/* The sample as the documentation lays it out, without the writer's help. */
static void lay_out(uint8_t bytes[FILE_BYTES])
{
    memcpy(bytes, "hiptmaps", 8);
    set_le(bytes + 8, 2, 1);
    set_le(bytes + 10, 2, 1);
    set_le(bytes + 12, 4, 2);
    set_le(bytes + 16, 8, RUNS);
    set_le(bytes + 24, 8, 11);
    for (unsigned i = 0; i < RUNS; i++) {
        uint8_t *run = bytes + HEADER + i * RUN;

        set_le(run, 8, sample_runs[i].vpn);
        set_le(run + 8, 8, sample_runs[i].pfn);
        set_le(run + 16, 8, sample_runs[i].npages);
        set_le(run + 24, 4, sample_runs[i].space);
        set_le(run + 28, 1, sample_runs[i].shift);
        set_le(run + 29, 1, sample_runs[i].prot);
        set_le(run + 30, 2, sample_runs[i].swap);
    }
    seal(bytes, FILE_BYTES);
}

static void cr_expect_same(const struct mappings *a, const struct mappings *b)
{
    cr_assert_eq(a->count, b->count);
    cr_expect_eq(a->spaces, b->spaces);
    cr_expect_eq(a->real_frames, b->real_frames);
    for (size_t i = 0; i < a->count; i++) {
        const struct mapping_run *x = &a->runs[i];
        const struct mapping_run *y = &b->runs[i];

        cr_expect(x->space == y->space && x->shift == y->shift && x->vpn == y->vpn && x->pfn == y->pfn &&
                      x->npages == y->npages && x->prot == y->prot && x->swap == y->swap,
                  "run %zu differs", i);
    }
}

static void cr_expect_refused(const uint8_t *bytes, size_t count, uint64_t offset, const char *text)
{
    struct mappings mappings;
    struct file_error error;
    char start[32];

    cr_assert_eq(mappings_parse(bytes, count, &mappings, &error), -1, "accepted, expected: %s", text);
    cr_expect_null(mappings.runs);
    cr_expect_eq(error.offset, offset, "offset %" PRIu64 ", expected %" PRIu64 ": %s", error.offset, offset,
                 error.text);
    snprintf(start, sizeof(start), "byte %" PRIu64 ": ", offset);
    cr_expect_eq(strncmp(error.text, start, strlen(start)), 0, "no \"%s\" in \"%s\"", start, error.text);
    cr_expect_not_null(strstr(error.text, text), "no \"%s\" in \"%s\"", text, error.text);
}

/* A file below the tests' own name, which is gone when the test ends. */
static char *temporary(const void *bytes, size_t count)
{
    static char path[] = "/tmp/hipt-test-XXXXXX";
    int descriptor = mkstemp(path);

    cr_assert_geq(descriptor, 0);
    cr_assert_eq(write(descriptor, bytes, count), (ssize_t)count);
    close(descriptor);
    return path;
}

static size_t pack(const void *bytes, size_t count, uint8_t *packed, size_t room)
{
    z_stream stream = {.next_in = (z_const Bytef *)(uintptr_t)bytes,
                       .avail_in = (uInt)count,
                       .next_out = packed,
                       .avail_out = (uInt)room};

    cr_assert_eq(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    cr_assert_eq(deflate(&stream, Z_FINISH), Z_STREAM_END);
    deflateEnd(&stream);
    return stream.total_out;
}

static void write_bytes(int descriptor, const uint8_t *bytes, size_t count, size_t step)
{
    for (size_t at = 0; at < count; at += step) {
        size_t length = count - at < step ? count - at : step;

        if (write(descriptor, bytes + at, length) != (ssize_t)length) {
            _exit(1);
        }
    }
    _exit(0);
}

/* Standard input becomes a pipe into which another process writes a few bytes at a time. */
static pid_t feed_standard_input(const uint8_t *bytes, size_t count, size_t step)
{
    int ends[2];
    pid_t child;

    cr_assert_eq(pipe(ends), 0);
    child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        close(ends[0]);
        write_bytes(ends[1], bytes, count, step);
    }
    close(ends[1]);
    cr_assert_eq(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
    close(ends[0]);
    return child;
}

static void cr_expect_success(pid_t child)
{
    int status;

    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

Test(mappings_file, the_layout_is_the_documented_one)
{
    uint8_t expected[FILE_BYTES], written[FILE_BYTES + 1];
    FILE *file = fmemopen(written, sizeof(written), "wb");

    cr_assert_not_null(file);
    cr_assert_eq(mappings_write(file, &sample), 0);
    cr_expect_eq(ftell(file), FILE_BYTES);
    fclose(file);
    lay_out(expected);
    cr_expect_arr_eq(written, expected, FILE_BYTES);
}

Test(mappings_file, round_trip)
{
    struct mappings read;
    struct file_error error;
    uint8_t bytes[FILE_BYTES];

    lay_out(bytes);
    cr_assert_eq(mappings_parse(bytes, sizeof(bytes), &read, &error), 0, "%s", error.text);
    cr_expect_same(&read, &sample);
    mappings_free(&read);
    cr_expect_null(read.runs);
}

Test(mappings_file, no_mappings_at_all)
{
    uint8_t bytes[HEADER + CHECKSUM] = "hiptmaps\x01";
    struct mappings read;
    struct file_error error;

    seal(bytes, sizeof(bytes));
    cr_assert_eq(mappings_parse(bytes, sizeof(bytes), &read, &error), 0, "%s", error.text);
    cr_expect_eq(read.count, 0);
    cr_expect_eq(read.spaces, 0);
    cr_expect_not(read.real_frames);
    mappings_free(&read);
}

Test(mappings_file, the_last_page_and_the_last_frame)
{
    struct mapping_run run = {
        .shift = 12, .vpn = (UINT64_C(1) << 52) - 1, .pfn = (UINT64_C(1) << 40) - 1, .npages = 1, .prot = HIPT_READ};
    const struct mappings last = {.runs = &run, .count = 1, .spaces = 1};
    uint8_t bytes[HEADER + RUN + CHECKSUM + 1];
    FILE *file = fmemopen(bytes, sizeof(bytes), "wb");
    struct mappings read;
    struct file_error error;

    cr_assert_not_null(file);
    cr_assert_eq(mappings_write(file, &last), 0);
    fclose(file);
    cr_assert_eq(mappings_parse(bytes, sizeof(bytes) - 1, &read, &error), 0, "%s", error.text);
    cr_expect_same(&read, &last);
    mappings_free(&read);
}

/* One field of the sample set to a value that is wrong, the checksum set right. */
struct fault {
    unsigned at;
    unsigned bytes;
    uint64_t value;
    unsigned offset; /* that the refusal names */
    const char *text;
};

#define FIELD(run, field) (HEADER + (run)*RUN + (field))

static const struct fault faults[] = {
    {0, 1, 'H', 0, "0x48, expected 0x68: a mappings file starts with \"hiptmaps\""},
    {7, 1, 0, 7, "0x00, expected 0x73"},
    {8, 2, 2, 8, "format version 2, expected 1"},
    {10, 2, 0x8001, 10, "flags 0x8001, expected none but 0x0001"},
    {12, 4, 0, 12, "0 spaces for 5 runs, expected 1 to"},
    {12, 4, 6, 12, "6 spaces for 5 runs, expected 1 to"},
    {12, 4, UINT32_MAX, 12, "4294967295 spaces for 5 runs, expected 1 to 16777216"},
    {12, 4, 3, 12, "3 spaces promised, 2 are there"},
    {16, 8, (UINT64_C(1) << 25) + 1, 16, "33554433 runs, expected at most 33554432"},
    {16, 8, UINT64_MAX, 16, "18446744073709551615 runs, expected at most 33554432"},
    {24, 8, 4, 24, "4 pages in 5 runs, expected a page for each run and at most 1073741824"},
    {24, 8, (UINT64_C(1) << 30) + 1, 24, "1073741825 pages in 5 runs"},
    {24, 8, 12, 24, "12 pages promised, 11 are there"},
    {24, 8, 10, FIELD(4, 16), "2 pages in a run, expected at most 1: the header promises 10"},
    {FIELD(0, 0), 8, UINT64_MAX, FIELD(0, 0),
     "4 pages from vpn 0xffffffffffffffff end after the last vpn 0xfffffffffffff"},
    {FIELD(0, 0), 8, (UINT64_C(1) << 52) - 3, FIELD(0, 0), "4 pages from vpn 0xffffffffffffd end after"},
    {FIELD(0, 16), 8, UINT64_MAX, FIELD(0, 0), "18446744073709551615 pages from vpn 0x55d0 end after"},
    {FIELD(2, 16), 8, UINT64_C(1) << 55, FIELD(2, 0), "36028797018963968 pages from vpn 0x80000 end after"},
    {FIELD(0, 8), 8, (UINT64_C(1) << 40) - 3, FIELD(0, 8),
     "4 pages from pfn 0xfffffffffd end after the last pfn 0xffffffffff"},
    {FIELD(0, 8), 8, UINT64_MAX, FIELD(0, 8), "4 pages from pfn 0xffffffffffffffff end after"},
    {FIELD(2, 0), 8, 0x80100, FIELD(2, 0), "vpn 0x80100 is not a multiple of 0x200"},
    {FIELD(2, 8), 8, 0x200001, FIELD(2, 8), "pfn 0x200001 is not a multiple of 0x200"},
    {FIELD(1, 16), 8, 0, FIELD(1, 16), "0 pages in a run, expected at least 1"},
    {FIELD(0, 24), 4, 1, FIELD(0, 24), "the first run is of space 1, expected space 0"},
    {FIELD(3, 24), 4, 2, FIELD(3, 24), "space 2 after space 0, expected that one or the next"},
    {FIELD(4, 24), 4, 0, FIELD(4, 24), "space 0 after space 1, expected that one or the next"},
    {FIELD(0, 28), 1, 13, FIELD(0, 28), "page shift 13, expected 12, 16, 21 or 30"},
    {FIELD(0, 28), 1, 255, FIELD(0, 28), "page shift 255, expected 12, 16, 21 or 30"},
    {FIELD(0, 29), 1, 0x10 | HIPT_READ, FIELD(0, 29), "protection 0x11, expected read 1"},
    {FIELD(0, 29), 1, HIPT_USER, FIELD(0, 29), "protection 0x08, expected read 1"},
    {FIELD(0, 30), 2, 2, FIELD(0, 30), "run flags 0x0002, expected none but 0x0001"},
    {FIELD(1, 0), 8, 0x55d3, FIELD(1, 0),
     "vpn 0x55d3 lies before the end of the run before it, expected 0x55d4 or more"},
    {FIELD(1, 0), 8, 0, FIELD(1, 0), "vpn 0x0 lies before the end of the run before it"},
};

Test(mappings_file, each_wrong_field_is_named)
{
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        uint8_t bytes[FILE_BYTES];

        lay_out(bytes);
        set_le(bytes + faults[i].at, faults[i].bytes, faults[i].value);
        seal(bytes, sizeof(bytes));
        cr_expect_refused(bytes, sizeof(bytes), faults[i].offset, faults[i].text);
    }
}

Test(mappings_file, every_truncation_is_refused_at_its_end)
{
    uint8_t bytes[FILE_BYTES];

    lay_out(bytes);
    for (size_t count = 0; count < sizeof(bytes); count++) {
        cr_expect_refused(bytes, count, count,
                          count < HEADER                ? "the file ends in the header, expected 32 bytes"
                          : count < HEADER + RUNS * RUN ? "of 5, expected 196 bytes"
                                                        : "the file ends in the checksum, expected 196 bytes");
    }
}

Test(mappings_file, every_flipped_bit_is_refused)
{
    for (size_t bit = 0; bit < FILE_BYTES * 8; bit++) {
        uint8_t bytes[FILE_BYTES];
        struct mappings mappings;
        struct file_error error;

        lay_out(bytes);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        cr_expect_eq(mappings_parse(bytes, sizeof(bytes), &mappings, &error), -1, "bit %zu", bit);
    }
}

Test(mappings_file, a_wrong_checksum_is_named)
{
    uint8_t bytes[FILE_BYTES];
    char text[64];

    lay_out(bytes);
    bytes[HEADER + 8] ^= 1; /* a pfn that is as good as the right one */
    snprintf(text, sizeof(text), ", expected 0x%08lx", crc32(crc32(0, NULL, 0), bytes, FILE_BYTES - CHECKSUM));
    cr_expect_refused(bytes, sizeof(bytes), FILE_BYTES - CHECKSUM, text);
}

Test(mappings_file, bytes_after_the_end_are_refused)
{
    uint8_t bytes[FILE_BYTES + 1] = {0};

    lay_out(bytes);
    cr_expect_refused(bytes, sizeof(bytes), FILE_BYTES, "more bytes after the checksum, expected the end");
}

/* A header may promise 2^25 runs: memory is for those that are there. */
Test(mappings_file, a_promise_is_no_reason_to_allocate)
{
    uint8_t bytes[FILE_BYTES];

    lay_out(bytes);
    set_le(bytes + 16, 8, UINT64_C(1) << 25);
    set_le(bytes + 24, 8, UINT64_C(1) << 25);
    seal(bytes, sizeof(bytes));
    cr_expect_refused(bytes, FILE_BYTES - CHECKSUM, FILE_BYTES - CHECKSUM, "the file ends in run 6 of 33554432");
}

Test(mappings_file, plain_and_compressed_files_are_read_alike)
{
    uint8_t bytes[FILE_BYTES], packed[512];
    struct mappings plain, unpacked;
    struct file_error error;
    char *path;

    lay_out(bytes);
    path = temporary(bytes, sizeof(bytes));
    cr_assert_eq(mappings_read(path, &plain, &error), 0, "%s", error.text);
    cr_expect_same(&plain, &sample);
    unlink(path);
    mappings_free(&plain);

    strcpy(path + strlen(path) - 6, "XXXXXX");
    path = temporary(packed, pack(bytes, sizeof(bytes), packed, sizeof(packed)));
    cr_assert_eq(mappings_read(path, &unpacked, &error), 0, "%s", error.text);
    cr_expect_same(&unpacked, &sample);
    unlink(path);
    mappings_free(&unpacked);
}

Test(mappings_file, a_compressed_file_that_is_cut_off_is_refused)
{
    uint8_t bytes[FILE_BYTES], packed[512];
    struct mappings mappings;
    struct file_error error;
    char *path;
    size_t count;

    lay_out(bytes);
    count = pack(bytes, sizeof(bytes), packed, sizeof(packed));
    path = temporary(packed, count - 1);
    cr_assert_eq(mappings_read(path, &mappings, &error), -1);
    cr_expect_not_null(strstr(error.text, "the gzip stream ends early, expected more of it"), "%s", error.text);
    cr_expect_null(mappings.runs);
    unlink(path);
}

Test(mappings_file, a_compressed_file_with_a_wrong_byte_is_refused)
{
    uint8_t bytes[FILE_BYTES], packed[512];
    struct mappings mappings;
    struct file_error error;
    char *path;
    size_t count;

    lay_out(bytes);
    count = pack(bytes, sizeof(bytes), packed, sizeof(packed));
    packed[count - 6] ^= 1; /* of zlib's own checksum */
    path = temporary(packed, count);
    cr_assert_eq(mappings_read(path, &mappings, &error), -1);
    cr_expect_not_null(strstr(error.text, "cannot be read on: "), "%s", error.text);
    unlink(path);
}

/* 32 MiB of zeros in 32 KiB: refused at the first record, long before it is unfolded. */
Test(mappings_file, a_compressed_file_that_unfolds_into_zeros_is_refused_at_once)
{
    size_t count = 32u << 20;
    size_t room = count / 500;
    uint8_t *bytes = calloc(1, count);
    uint8_t *packed = malloc(room);
    struct mappings mappings;
    struct file_error error;
    char *path;

    cr_assert(bytes != NULL && packed != NULL);
    lay_out(bytes);
    memset(bytes + HEADER, 0, FILE_BYTES - HEADER);
    set_le(bytes + 16, 8, count / RUN);
    set_le(bytes + 24, 8, count / RUN);
    path = temporary(packed, pack(bytes, count, packed, room));
    cr_assert_eq(mappings_read(path, &mappings, &error), -1);
    cr_expect_eq(error.offset, HEADER + 28, "%s", error.text);
    unlink(path);
    free(bytes);
    free(packed);
}

Test(mappings_file, short_reads_from_a_pipe)
{
    uint8_t bytes[FILE_BYTES];
    struct mappings read;
    struct file_error error;
    pid_t child;

    lay_out(bytes);
    child = feed_standard_input(bytes, sizeof(bytes), 1);
    cr_assert_eq(mappings_read("-", &read, &error), 0, "%s", error.text);
    cr_expect_same(&read, &sample);
    mappings_free(&read);
    cr_expect_success(child);
}

Test(mappings_file, what_cannot_be_opened_or_read)
{
    struct mappings mappings;
    struct file_error error;

    cr_assert_eq(mappings_read("/nonexistent/file", &mappings, &error), -1);
    cr_expect_str_eq(error.text, "cannot be opened: No such file or directory");
    cr_assert_eq(mappings_read("/", &mappings, &error), -1);
    cr_expect_str_eq(error.text, "byte 0: cannot be read on: Is a directory");
}

static void cr_expect_unwritable(const struct mappings *mappings)
{
    uint8_t bytes[4096];
    FILE *file = fmemopen(bytes, sizeof(bytes), "wb");

    cr_assert_not_null(file);
    errno = 0;
    cr_expect_eq(mappings_write(file, mappings), -1);
    cr_expect_eq(errno, EINVAL);
    cr_expect_eq(ftell(file), 0);
    fclose(file);
}

Test(mappings_file, what_no_reader_would_take_is_not_written)
{
    struct mapping_run runs[RUNS];
    struct mappings mappings = sample;

    mappings.spaces = 3;
    cr_expect_unwritable(&mappings);
    mappings = sample;
    mappings.runs = runs;
    memcpy(runs, sample_runs, sizeof(runs));
    runs[1].vpn = 0x55d3;
    cr_expect_unwritable(&mappings);
    memcpy(runs, sample_runs, sizeof(runs));
    runs[1].shift = 21; /* nine of 2 MiB reach into the next run, nine of 4 KiB would not */
    runs[1].npages = 9;
    cr_expect_unwritable(&mappings);
    memcpy(runs, sample_runs, sizeof(runs));
    runs[0].prot = 0;
    cr_expect_unwritable(&mappings);
    memcpy(runs, sample_runs, sizeof(runs));
    runs[4].npages = UINT64_C(1) << 31;
    cr_expect_unwritable(&mappings);
}

Test(mappings_file, a_full_device_is_reported)
{
    FILE *file = fopen("/dev/full", "wb");

    cr_assert_not_null(file);
    cr_expect_eq(mappings_write(file, &sample), -1);
    fclose(file);
}

struct place {
    uint32_t space;
    uint64_t pfn;
};

/* Which spaces map @vpn to which frames. => how many do. */
static size_t places_of(const struct mappings *mappings, uint64_t vpn, struct place places[], size_t room)
{
    size_t count = 0;

    for (size_t i = 0; i < mappings->count && count < room; i++) {
        const struct mapping_run *run = &mappings->runs[i];
        uint64_t pages = run->npages << (run->shift - 12);

        if (vpn >= run->vpn && vpn - run->vpn < pages && !run->swap) {
            places[count++] = (struct place){.space = run->space, .pfn = run->pfn + (vpn - run->vpn)};
        }
    }
    return count;
}

/* Where no other process has anything: all are captured, and the test looks for its pages by their addresses. */
static void *address_of_our_own(void)
{
    static uintptr_t next;

    return (void *)(UINT64_C(0x200000000000) + ((uintptr_t)(getpid() & 0xffff) << 26) + ++next * 0x800000);
}

static unsigned char *page_of_memory(int sharing)
{
    unsigned char *page = mmap(address_of_our_own(), 4096, PROT_READ | PROT_WRITE, sharing | MAP_ANONYMOUS, -1, 0);

    cr_assert_neq(page, MAP_FAILED);
    page[0] = 1;
    return page;
}

static pid_t fork_and_write(unsigned char *shared, unsigned char *copied)
{
    int ends[2];
    char done;
    pid_t child;

    cr_assert_eq(pipe(ends), 0);
    child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        shared[0] = 2; /* a child of fork() has no translation of shared memory until it uses it */
        copied[0] = 2;
        if (write(ends[1], "", 1) == 1) {
            pause();
        }
        _exit(1);
    }
    cr_assert_eq(read(ends[0], &done, 1), 1);
    close(ends[0]);
    close(ends[1]);
    return child;
}

/* Holds with real frames and with made-up ones: it says which of this process's pages a child shares. */
Test(capture, a_child_shares_shared_memory_and_copies_what_it_writes_to)
{
    unsigned char *shared = page_of_memory(MAP_SHARED);
    unsigned char *copied = page_of_memory(MAP_PRIVATE);
    pid_t child = fork_and_write(shared, copied);
    struct mappings mappings;
    struct capture_counts counts;
    struct file_error error;
    struct place places[2];

    cr_assert_eq(mappings_capture_counted(&mappings, &counts, &error), 0, "%s", error.text);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    cr_expect_geq(counts.processes, 2u);
    cr_expect_eq(counts.processes, mappings.spaces);
    cr_assert_eq(places_of(&mappings, (uintptr_t)shared / 4096, places, 2), 2);
    cr_expect_eq(places[0].pfn, places[1].pfn);
    cr_expect_neq(places[0].space, places[1].space);
    cr_assert_eq(places_of(&mappings, (uintptr_t)copied / 4096, places, 2), 2);
    cr_expect_neq(places[0].pfn, places[1].pfn);
    cr_expect_neq(places[0].space, places[1].space);
    mappings_free(&mappings);
}

static void drop_privileges(void)
{
    if (geteuid() == 0) {
        cr_assert_eq(setgid(65534), 0);
        cr_assert_eq(setuid(65534), 0);
        cr_assert_eq(prctl(PR_SET_DUMPABLE, 1), 0); /* or /proc/self would still be root's */
    }
}

static uint64_t only_pfn_of(const struct mappings *mappings, const unsigned char *page)
{
    struct place place = {0};

    cr_assert_eq(places_of(mappings, (uintptr_t)page / 4096, &place, 1), 1);
    return place.pfn;
}

/* A view of the file's pages, each of them used. */
static unsigned char *view_of(int descriptor, size_t pages)
{
    unsigned char *view = mmap(address_of_our_own(), pages * 4096, PROT_READ, MAP_SHARED, descriptor, 0);
    volatile unsigned char used;

    cr_assert_neq(view, MAP_FAILED);
    for (size_t i = 0; i < pages; i++) {
        used = view[i * 4096];
    }
    (void)used;
    return view;
}

/* The first two pages of a view of the file change places. */
static void swap_pages(unsigned char *view, int descriptor)
{
    volatile unsigned char used;

    for (size_t i = 0; i < 2; i++) {
        void *page = mmap(view + i * 4096, 4096, PROT_READ, MAP_SHARED | MAP_FIXED, descriptor, i == 0 ? 4096 : 0);

        cr_assert_eq(page, view + i * 4096);
        used = view[i * 4096];
    }
    (void)used;
}

Test(capture, made_up_frames_are_shared_where_a_file_is)
{
    enum { PAGES = 1024 };
    char *path = temporary("", 0);
    FILE *file = fopen(path, "r+b");
    unsigned char *private_page = page_of_memory(MAP_PRIVATE);
    unsigned char *other_page = page_of_memory(MAP_PRIVATE);
    unsigned char *first, *second;
    struct mappings mappings;
    struct file_error error;
    uint64_t pfn;

    cr_assert_not_null(file);
    cr_assert_eq(ftruncate(fileno(file), PAGES * 4096), 0);
    first = view_of(fileno(file), PAGES);
    second = view_of(fileno(file), PAGES);
    swap_pages(second, fileno(file));
    unlink(path);
    drop_privileges();
    cr_assert_eq(mappings_capture(&mappings, &error), 0, "%s", error.text);
    cr_expect_not(mappings.real_frames);
    cr_expect_neq(only_pfn_of(&mappings, private_page), only_pfn_of(&mappings, other_page));
    pfn = only_pfn_of(&mappings, first < second ? first : second);
    for (size_t i = 0; i < PAGES; i++) {
        size_t other = i < 2 ? 1 - i : i;

        cr_expect_eq(only_pfn_of(&mappings, first + i * 4096), only_pfn_of(&mappings, second + other * 4096));
        cr_expect(i < 2 || only_pfn_of(&mappings, first + i * 4096) == pfn + i);
    }
    mappings_free(&mappings);
    fclose(file);
}

Test(capture, what_was_captured_can_be_written_and_read_back)
{
    struct mappings captured, read;
    struct file_error error;
    char *bytes = NULL;
    size_t count = 0;
    FILE *file = open_memstream(&bytes, &count);

    cr_assert_not_null(file);
    cr_assert_eq(mappings_capture(&captured, &error), 0, "%s", error.text);
    cr_assert_gt(captured.count, 0);
    cr_assert_eq(mappings_write(file, &captured), 0);
    fclose(file);
    cr_assert_eq(mappings_parse((const uint8_t *)bytes, count, &read, &error), 0, "%s", error.text);
    cr_expect_same(&read, &captured);
    mappings_free(&read);
    mappings_free(&captured);
    free(bytes);
}

struct line {
    const char *text;
    struct trace_access access;
};

static const struct line lines[] = {
    {"I  04001000,3", {0x4001000, 3, TRACE_FETCH}},
    {" L 1ffeffe7e0,8", {UINT64_C(0x1ffeffe7e0), 8, TRACE_LOAD}},
    {" S 00000000,1", {0, 1, TRACE_STORE}},
    {" M ffffffffffffffff,1", {UINT64_MAX, 1, TRACE_MODIFY}},
    {" L fffffffffffff000,4096", {UINT64_MAX - 4095, 4096, TRACE_LOAD}},
    {" L ABCDEF,0008", {0xabcdef, 8, TRACE_LOAD}},
};

Test(trace_line, accesses)
{
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct trace_access access = {0};
        struct file_error error;

        cr_assert_eq(trace_parse_line(lines[i].text, strlen(lines[i].text), &access, &error), 1, "%s", lines[i].text);
        cr_expect_eq(access.address, lines[i].access.address, "%s", lines[i].text);
        cr_expect_eq(access.bytes, lines[i].access.bytes, "%s", lines[i].text);
        cr_expect_eq(access.kind, lines[i].access.kind, "%s", lines[i].text);
    }
}

Test(trace_line, lines_that_are_no_accesses)
{
    static const char *const skipped[] = {"", "==1==", "==12345== Lackey, an example Valgrind tool", "==7== "};

    for (size_t i = 0; i < sizeof(skipped) / sizeof(skipped[0]); i++) {
        struct trace_access access;
        struct file_error error;

        cr_expect_eq(trace_parse_line(skipped[i], strlen(skipped[i]), &access, &error), 0, "%s", skipped[i]);
    }
}

struct bad_line {
    const char *text;
    unsigned column; /* from 1 */
    const char *why;
};

static const struct bad_line bad_lines[] = {
    {" ", 1, "expected \"I  address,size\""},
    {"X  1000,4", 1, "expected \"I  address,size\""},
    {"I 1000,4", 1, "expected \"I  address,size\""},
    {"L 1000,4", 1, "expected \"I  address,size\""},
    {"==x== text", 1, "expected \"I  address,size\""},
    {"==12=", 1, "expected \"I  address,size\""},
    {"--12-- text", 1, "expected \"I  address,size\""},
    {" L ", 4, "no address, expected hexadecimal digits"},
    {" L ,8", 4, "no address, expected hexadecimal digits"},
    {" L 0x1000,8", 5, "expected a comma and the size"},
    {" L -1000,8", 4, "no address"},
    {" L 1000", 8, "expected a comma and the size"},
    {" L 1000 8", 8, "expected a comma and the size"},
    {" L 10000000000000000,8", 4, "more than 16 digits, expected at most 64 bits"},
    {" L 1000,", 9, "no size or size 0, expected 1 to 4096"},
    {" L 1000,0", 9, "no size or size 0, expected 1 to 4096"},
    {" L 1000,4097", 9, "over 4096, expected 1 to 4096"},
    {" L 1000,99999999999999999999", 9, "over 4096, expected 1 to 4096"},
    {" L 1000,8 ", 10, "expected decimal digits and the end of the line"},
    {" L 1000,8\r", 10, "expected decimal digits and the end of the line"},
    {" L 1000,+8", 9, "expected decimal digits"},
    {" L ffffffffffffffff,2", 4, "over the end of the 64-bit address space"},
};

Test(trace_line, each_wrong_line_says_where_and_why)
{
    for (size_t i = 0; i < sizeof(bad_lines) / sizeof(bad_lines[0]); i++) {
        struct trace_access access;
        struct file_error error;
        char start[32];

        cr_assert_eq(trace_parse_line(bad_lines[i].text, strlen(bad_lines[i].text), &access, &error), -1, "%s",
                     bad_lines[i].text);
        snprintf(start, sizeof(start), "column %u: ", bad_lines[i].column);
        cr_expect_eq(strncmp(error.text, start, strlen(start)), 0, "\"%s\": %s", bad_lines[i].text, error.text);
        cr_expect_eq(error.offset, bad_lines[i].column - 1);
        cr_expect_not_null(strstr(error.text, bad_lines[i].why), "\"%s\": %s", bad_lines[i].text, error.text);
    }
}

Test(trace_line, at_most_255_bytes)
{
    char line[257];
    struct trace_access access;
    struct file_error error;

    memset(line, 'a', sizeof(line));
    memcpy(line, "==1== ", 6);
    cr_expect_eq(trace_parse_line(line, 255, &access, &error), 0);
    cr_expect_eq(trace_parse_line(line, 256, &access, &error), -1);
    cr_expect_str_eq(error.text, "column 256: the line goes on, expected at most 255 bytes");
}

/* Takes accesses until there are no more. => trace_next()'s last outcome. */
static int count_accesses(struct trace *trace, size_t *count, uint64_t *sum, struct file_error *error)
{
    struct trace_access access;
    int result;

    *count = 0;
    *sum = 0;
    while ((result = trace_next(trace, &access, error)) > 0) {
        ++*count;
        *sum += access.address;
    }
    return result;
}

static void cr_expect_trace(const void *bytes, size_t length, size_t expected_count, uint64_t expected_sum)
{
    char *path = temporary(bytes, length);
    struct file_error error;
    struct trace *trace = trace_open(path, &error);
    size_t count;
    uint64_t sum;

    cr_assert_not_null(trace, "%s", error.text);
    cr_expect_eq(count_accesses(trace, &count, &sum, &error), 0, "%s", error.text);
    cr_expect_eq(count, expected_count);
    cr_expect_eq(sum, expected_sum);
    trace_close(trace);
    unlink(path);
}

/* Long enough for the buffer to be filled several times, with lines of all lengths over its edges. */
static char *long_trace(size_t accesses, size_t *length, uint64_t *sum)
{
    char *text = NULL;
    FILE *file = open_memstream(&text, length);

    cr_assert_not_null(file);
    *sum = 0;
    for (size_t i = 0; i < accesses; i++) {
        uint64_t address = UINT64_C(1) << i % 64;

        fprintf(file, " L %" PRIx64 ",%u\n%s", address, 1u + (unsigned)i % 4096u * (i % 64 < 32),
                i % 7 == 0 ? "\n" : "");
        *sum += address;
    }
    fclose(file);
    return text;
}

Test(trace_file, plain)
{
    size_t length;
    uint64_t sum;
    char *text = long_trace(20000, &length, &sum);

    cr_assert_gt(length, 3 * 65536);
    cr_expect_trace(text, length, 20000, sum);
    free(text);
}

Test(trace_file, compressed)
{
    size_t length;
    uint64_t sum;
    char *text = long_trace(20000, &length, &sum);
    uint8_t *packed = malloc(length);

    cr_assert_not_null(packed);
    cr_expect_trace(packed, pack(text, length, packed, length), 20000, sum);
    free(packed);
    free(text);
}

Test(trace_file, the_last_line_needs_no_newline)
{
    cr_expect_trace("I  10,4\n L 20,4", 15, 2, 0x30);
}

Test(trace_file, an_empty_file_has_no_accesses)
{
    cr_expect_trace("", 0, 0, 0);
}

Test(trace_file, short_reads_from_a_pipe)
{
    size_t length, count;
    uint64_t expected, sum;
    char *text = long_trace(200, &length, &expected);
    pid_t child = feed_standard_input((const uint8_t *)text, length, 3);
    struct file_error error;
    struct trace *trace = trace_open("-", &error);

    cr_assert_not_null(trace, "%s", error.text);
    cr_expect_eq(count_accesses(trace, &count, &sum, &error), 0, "%s", error.text);
    cr_expect_eq(count, 200);
    cr_expect_eq(sum, expected);
    trace_close(trace);
    cr_expect_success(child);
    free(text);
}

static void cr_expect_trace_refused(const void *bytes, size_t length, uint64_t line, const char *text)
{
    char *path = temporary(bytes, length);
    struct file_error error;
    struct trace *trace = trace_open(path, &error);
    size_t count;
    uint64_t sum;

    cr_assert_not_null(trace, "%s", error.text);
    cr_assert_eq(count_accesses(trace, &count, &sum, &error), -1);
    cr_expect_eq(error.offset, line);
    cr_expect_eq(strncmp(error.text, text, strlen(text)), 0, "%s", error.text);
    trace_close(trace);
    unlink(path);
}

Test(trace_file, the_wrong_line_is_named)
{
    static const char text[] = "==1== a\n\nI  10,4\n L 20,0\nI  10,4\n";

    cr_expect_trace_refused(text, sizeof(text) - 1, 4, "line 4: column 7: no size or size 0");
}

Test(trace_file, a_line_without_an_end_is_refused)
{
    size_t length = 1u << 20;
    char *text = malloc(length);

    cr_assert_not_null(text);
    memset(text, 'a', length);
    cr_expect_trace_refused(text, length, 1, "line 1: column 256: the line goes on, expected at most 255 bytes");
    free(text);
}

Test(trace_file, a_compressed_trace_that_is_cut_off_is_refused)
{
    size_t length, packed_length;
    uint64_t sum;
    char *text = long_trace(10, &length, &sum);
    uint8_t packed[1024];

    packed_length = pack(text, length, packed, sizeof(packed));
    cr_expect_trace_refused(packed, packed_length - 4, 13, "line 13: cannot be read on: the gzip stream ends early");
    free(text);
}

Test(trace_file, what_cannot_be_opened)
{
    struct file_error error;

    cr_assert_null(trace_open("/nonexistent/file", &error));
    cr_expect_str_eq(error.text, "cannot be opened: No such file or directory");
    trace_close(NULL);
}

/* The files that are shipped: HIPT_SOURCE_DIR is where they are. */
static void shipped(char *path, size_t room, const char *name)
{
    const char *folder = getenv("HIPT_SOURCE_DIR");

    cr_assert_not_null(folder, "HIPT_SOURCE_DIR is not set");
    cr_assert_lt(snprintf(path, room, "%s/examples/data/%s", folder, name), (int)room);
}

Test(shipped, the_capture_and_the_trace_belong_together)
{
    char path[4096];
    struct mappings mappings;
    struct file_error error;
    struct trace *trace;
    struct trace_access access;
    struct place place, first = {0};
    size_t count = 0;
    int result;

    shipped(path, sizeof(path), "capture.map.gz");
    cr_assert_eq(mappings_read(path, &mappings, &error), 0, "%s", error.text);
    cr_expect(mappings.real_frames);
    cr_expect_geq(mappings.spaces, 20u);
    shipped(path, sizeof(path), "trace.lackey.gz");
    trace = trace_open(path, &error);
    cr_assert_not_null(trace, "%s", error.text);
    while ((result = trace_next(trace, &access, &error)) > 0) {
        if (count++ % 4096 == 0) {
            cr_assert_eq(places_of(&mappings, access.address / 4096, &place, 1), 1, "0x%" PRIx64, access.address);
            first = count == 1 ? place : first;
            cr_expect_eq(place.space, first.space, "0x%" PRIx64, access.address);
        }
    }
    cr_expect_eq(result, 0, "%s", error.text);
    cr_expect_eq(count, 400000);
    trace_close(trace);
    mappings_free(&mappings);
}
