/* SPDX-License-Identifier: MIT */
/* `hipt capture`: this machine's mappings to a file, and what is in it to the reader. */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "mappings.h"
#include "mappings_capture.h"

#define EXIT_FAILED 1
#define EXIT_USAGE 2

static const char usage_text[] =
    "usage: hipt capture [-o FILE] [--json]\n"
    "\n"
    "Writes which page of which process maps which frame, now, on this machine: numbers only, no names.\n"
    "Run as root for every process and the real frame numbers; otherwise it takes what may be read and makes\n"
    "up frames that are shared wherever pages of files are.\n"
    "\n"
    "  -o FILE   write to FILE; without it to standard output, which must not be a terminal\n"
    "  --json    what was captured, as JSON: on standard output with -o, on standard error without\n"
    "  --help    this text\n"
    "\n"
    "The file may be compressed with gzip; every reader of hipt takes it either way.\n"
    "Exit status: 0 captured, 1 not written, 2 usage, or this machine's mappings cannot be read.\n";

struct options {
    const char *path; /* NULL: standard output */
    bool json;
    bool help;
};

/* What is in a capture. Pages are of 4 KiB here, whatever size they are mapped with. */
struct tally {
    uint64_t mappings; /* of all page sizes */
    uint64_t pages;
    uint64_t huge_pages;   /* of 2 MiB */
    uint64_t swapped;      /* pages */
    uint64_t frames;       /* distinct ones */
    uint64_t shared;       /* frames that are mapped more than once */
    uint64_t most_sharers; /* mappings of one frame */
};

/* A pfn where the number of runs that cover it changes. */
struct edge {
    uint64_t pfn;
    bool ends;
};

/* => 0, or -1: wrong usage, and the text has been written. */
static int parse_options(int argc, char **argv, struct options *options)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            options->help = true;
        } else if (strcmp(argv[i], "--json") == 0) {
            options->json = true;
        } else if (strcmp(argv[i], "-o") == 0 && i + 1 < argc) {
            options->path = argv[++i];
        } else if (strcmp(argv[i], "-o") == 0) {
            fputs("hipt capture: -o needs the name of a file; see hipt capture --help\n", stderr);
            return -1;
        } else {
            fprintf(stderr, "hipt capture: unknown argument \"%s\"; see hipt capture --help\n", argv[i]);
            return -1;
        }
    }
    return 0;
}

static int compare_edges(const void *left, const void *right)
{
    const struct edge *a = left;
    const struct edge *b = right;

    if (a->pfn != b->pfn) {
        return a->pfn < b->pfn ? -1 : 1;
    }
    return 0;
}

/* Walks over all frames in ascending order, counting how many runs cover each. */
static void sweep(const struct edge *edges, size_t count, struct tally *tally)
{
    uint64_t sharers = 0;

    for (size_t i = 0; i < count; i++) {
        uint64_t length = i > 0 ? edges[i].pfn - edges[i - 1].pfn : 0;

        /* A run that ends and one that begins at one pfn may come in either order: nothing lies between them. */
        if (length > 0) {
            tally->frames += sharers > 0 ? length : 0;
            tally->shared += sharers > 1 ? length : 0;
            tally->most_sharers = sharers > tally->most_sharers ? sharers : tally->most_sharers;
        }
        sharers += edges[i].ends ? UINT64_MAX : 1;
    }
}

/* => 0, or -1: no memory. */
static int take_tally(const struct mappings *mappings, struct tally *tally)
{
    struct edge *edges = malloc((2 * mappings->count + 1) * sizeof(*edges));
    size_t count = 0;

    if (edges == NULL) {
        return -1;
    }
    for (size_t i = 0; i < mappings->count; i++) {
        const struct mapping_run *run = &mappings->runs[i];
        uint64_t pages = run->npages << (run->shift - 12);

        tally->mappings += run->npages;
        tally->pages += pages;
        tally->huge_pages += run->shift == 21 ? run->npages : 0;
        if (run->swap) {
            tally->swapped += pages;
        } else {
            edges[count++] = (struct edge){.pfn = run->pfn, .ends = false};
            edges[count++] = (struct edge){.pfn = run->pfn + pages, .ends = true};
        }
    }
    qsort(edges, count, sizeof(*edges), compare_edges);
    sweep(edges, count, tally);
    free(edges);
    return 0;
}

static void print_text(FILE *file, const struct mappings *mappings, const struct capture_counts *counts,
                       const struct tally *tally)
{
    fprintf(file,
            "processes      %10" PRIu32 "  (%" PRIu32 " more may not be read)\n"
            "runs           %10zu\n"
            "mapped pages   %10" PRIu64 "  of 4 KiB, %" PRIu64 " of them swapped out, in %" PRIu64 " mappings\n"
            "huge pages     %10" PRIu64 "  of 2 MiB\n"
            "frames         %10" PRIu64 "  distinct\n"
            "shared frames  %10" PRIu64 "  of 4 KiB, mapped more than once\n"
            "most sharers   %10" PRIu64 "  mappings of one frame\n"
            "frame numbers  %10s  %s\n",
            counts->processes, counts->unreadable, mappings->count, tally->pages, tally->swapped, tally->mappings,
            tally->huge_pages, tally->frames, tally->shared, tally->most_sharers,
            mappings->real_frames ? "real" : "made up",
            mappings->real_frames ? "(the kernel's own)"
                                  : "(the kernel shows them to CAP_SYS_ADMIN only; pages of files stay shared)");
}

static void print_json(FILE *file, const struct mappings *mappings, const struct capture_counts *counts,
                       const struct tally *tally)
{
    fprintf(
        file,
        "{\"processes\": %" PRIu32 ", \"unreadable\": %" PRIu32 ", \"runs\": %zu, \"mappings\": %" PRIu64
        ", \"pages\": %" PRIu64 ", \"swapped_pages\": %" PRIu64 ", \"huge_pages\": %" PRIu64 ", \"frames\": %" PRIu64
        ", \"shared_frames\": %" PRIu64 ", \"most_sharers\": %" PRIu64 ", \"real_frames\": %s}\n",
        counts->processes, counts->unreadable, mappings->count, tally->mappings, tally->pages, tally->swapped,
        tally->huge_pages, tally->frames, tally->shared, tally->most_sharers, mappings->real_frames ? "true" : "false");
}

/* => 0, or -1 and the text has been written. */
static int write_file(const char *path, const struct mappings *mappings)
{
    FILE *file = path != NULL ? fopen(path, "wb") : stdout;
    const char *name = path != NULL ? path : "standard output";
    int result;

    if (file == NULL) {
        fprintf(stderr, "hipt capture: %s: cannot be opened: %s\n", name, strerror(errno));
        return -1;
    }
    result = mappings_write(file, mappings);
    if (result != 0) {
        fprintf(stderr, "hipt capture: %s: cannot be written: %s\n", name, strerror(errno));
    }
    if (path != NULL && fclose(file) != 0 && result == 0) {
        fprintf(stderr, "hipt capture: %s: cannot be written: %s\n", name, strerror(errno));
        result = -1;
    }
    return result;
}

static int report(const struct options *options, const struct mappings *mappings, const struct capture_counts *counts)
{
    struct tally tally = {0};

    if (take_tally(mappings, &tally) != 0) {
        fputs("hipt capture: written, but there is no memory to count what is in it\n", stderr);
        return -1;
    }
    if (options->json) {
        print_json(options->path != NULL ? stdout : stderr, mappings, counts, &tally);
    } else {
        print_text(stderr, mappings, counts, &tally);
    }
    return fflush(stdout) == 0 ? 0 : -1;
}

int capture_main(int argc, char **argv)
{
    struct options options = {0};
    struct mappings mappings;
    struct capture_counts counts;
    struct file_error error;
    int result;

    if (parse_options(argc, argv, &options) != 0) {
        return EXIT_USAGE;
    }
    if (options.help) {
        return fputs(usage_text, stdout) < 0 || fflush(stdout) != 0 ? EXIT_FAILED : EXIT_SUCCESS;
    }
    if (options.path == NULL && isatty(STDOUT_FILENO)) {
        fputs("hipt capture: standard output is a terminal; give -o FILE or redirect it\n", stderr);
        return EXIT_USAGE;
    }
    if (mappings_capture_counted(&mappings, &counts, &error) != 0) {
        fprintf(stderr, "hipt capture: %s\n", error.text);
        return EXIT_USAGE;
    }
    result = write_file(options.path, &mappings) == 0 && report(&options, &mappings, &counts) == 0 ? EXIT_SUCCESS
                                                                                                   : EXIT_FAILED;
    mappings_free(&mappings);
    return result;
}
