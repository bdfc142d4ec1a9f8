/* SPDX-License-Identifier: MIT */
/*
 * What every process of this machine maps: its areas from /proc/PID/maps, what is behind each page from
 * /proc/PID/pagemap. A pagemap word (the kernel's Documentation/admin-guide/mm/pagemap.rst):
 *
 *   bit 63     present; bits 0-54 are then the pfn, zero for a reader without CAP_SYS_ADMIN
 *   bit 62     swapped; bits 0-4 are then the swap area, bits 5-54 the slot in it, zero likewise
 *   bit 61     the page is a file's or shared memory's, not private
 *
 * Without pfns the frames are made up so that what is shared stays shared: a page of a file has one frame for the same
 * device, inode and offset, every other page has one of its own.
 */
#define _DEFAULT_SOURCE
#define _FILE_OFFSET_BITS 64

#include "mappings_capture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <hipt/map.h>

#include "progress.h"

#define WORD_PRESENT (UINT64_C(1) << 63)
#define WORD_SWAPPED (UINT64_C(1) << 62)
#define WORD_FILE (UINT64_C(1) << 61)
#define WORD_PFN ((UINT64_C(1) << 55) - 1)
#define SWAP_AREA_BITS 5
#define SWAP_AREAS (1u << SWAP_AREA_BITS)
/*
 * The kernel keeps the upper numbers for words that are no swap slot (migration, poison, markers): 9 of 32 where
 * everything is configured, so at least 23 are real, and nobody has that many swap areas.
 */
#define SWAP_AREAS_REAL 23u
#define SLOT_BITS 35 /* of a swap slot within its area, while several areas share the pfn field: 128 TiB of swap */
#define WORDS 65536u /* of pagemap in one read: 512 KiB, 256 MiB of addresses */
#define HUGE_SHIFT 21
#define HUGE_PAGES 512u

/*
 * Since Linux 6.7 pagemap can be asked where pages are. Without that a program that reserves terabytes and uses little
 * of them, as every program built with AddressSanitizer does, costs half a minute of reading zeros.
 */
struct scan_region {
    uint64_t start; /* byte addresses */
    uint64_t end;
    uint64_t categories;
};

struct scan {
    uint64_t size; /* of this struct: the interface's version */
    uint64_t flags;
    uint64_t start;
    uint64_t end;
    uint64_t walk_end;
    uint64_t regions; /* address of an array of struct scan_region */
    uint64_t nregions;
    uint64_t max_pages;
    uint64_t inverted;
    uint64_t all_of;
    uint64_t any_of; /* categories that a page must have one of */
    uint64_t reported;
};

#define SCAN_REQUEST _IOWR('f', 16, struct scan)
#define SCAN_PRESENT (UINT64_C(1) << 3)
#define SCAN_SWAPPED (UINT64_C(1) << 4)

/* One line of maps. */
struct area {
    uint64_t start; /* vpn */
    uint64_t end;
    uint64_t offset; /* of the first page in the file, in pages */
    uint64_t device;
    uint64_t inode;
    uint8_t prot; /* 0: no access */
};

/* One made-up frame of a file. */
struct file_page {
    uint64_t device;
    uint64_t inode;
    uint64_t offset;
    uint64_t pfn; /* 0: the place is empty */
};

/* Open addressing, at most three quarters full. */
struct file_pages {
    struct file_page *places;
    size_t mask;
    size_t count;
};

struct capture {
    struct mappings *mappings;
    struct capture_counts *counts;
    struct file_error *error;
    size_t room;                   /* runs that are allocated */
    struct mapping_run run;        /* the run that is growing; npages 0: none */
    uint64_t last_pfn;             /* made-up frames are numbered from 1 */
    uint64_t last_slot;            /* made-up swap slots likewise */
    uint64_t area_end[SWAP_AREAS]; /* the highest slot seen in each swap area, plus 1 */
    struct file_pages files;
    uint64_t *words;
};

static int fail(struct capture *capture, const char *what)
{
    snprintf(capture->error->text, sizeof(capture->error->text), "%s: %s", what, strerror(errno));
    return -1;
}

static int push_run(struct capture *capture, const struct mapping_run *run)
{
    struct mappings *mappings = capture->mappings;

    if (run->npages == 0) {
        return 0;
    }
    if (mappings->count == capture->room) {
        size_t room = capture->room != 0 ? 2 * capture->room : 4096;
        struct mapping_run *runs = realloc(mappings->runs, room * sizeof(*runs));

        if (runs == NULL) {
            return fail(capture, "no memory for the runs");
        }
        mappings->runs = runs;
        capture->room = room;
    }
    mappings->runs[mappings->count++] = *run;
    return 0;
}

/*
 * Ends the growing run. Where 512 aligned pages of it map 512 aligned frames, that is a huge page to the processor, or
 * could be one: it is written as such, what is before and after it as small pages. Made-up frames are aligned by
 * accident only and stay small.
 */
static int close_run(struct capture *capture)
{
    struct mapping_run whole = capture->run;
    struct mapping_run before = whole, middle = whole, after = whole;
    uint64_t head = (HUGE_PAGES - whole.vpn % HUGE_PAGES) % HUGE_PAGES;
    uint64_t huge = whole.npages > head ? (whole.npages - head) / HUGE_PAGES : 0;
    uint64_t tail = head + huge * HUGE_PAGES;

    capture->run.npages = 0;
    if (huge == 0 || whole.swap || !capture->mappings->real_frames || (whole.pfn - whole.vpn) % HUGE_PAGES != 0) {
        return push_run(capture, &whole);
    }
    before.npages = head;
    middle.shift = HUGE_SHIFT;
    middle.vpn += head;
    middle.pfn += head;
    middle.npages = huge;
    after.vpn += tail;
    after.pfn += tail;
    after.npages -= tail;
    if (push_run(capture, &before) != 0 || push_run(capture, &middle) != 0) {
        return -1;
    }
    return push_run(capture, &after);
}

/* One page more: it makes the growing run longer or starts the next one. */
static int add_page(struct capture *capture, const struct mapping_run *page)
{
    struct mapping_run *run = &capture->run;

    if (run->npages > 0 && page->vpn == run->vpn + run->npages && page->pfn == run->pfn + run->npages &&
        page->prot == run->prot && page->swap == run->swap) {
        run->npages++;
        return 0;
    }
    if (close_run(capture) != 0) {
        return -1;
    }
    *run = *page;
    return 0;
}

static size_t place_of(const struct file_pages *files, const struct file_page *page)
{
    uint64_t hash = page->device * UINT64_C(0x9e3779b97f4a7c15) ^ page->inode * UINT64_C(0xc2b2ae3d27d4eb4f) ^
                    page->offset * UINT64_C(0x165667b19e3779f9);
    size_t place = (size_t)(hash ^ hash >> 29) & files->mask;

    while (files->places[place].pfn != 0 &&
           (files->places[place].offset != page->offset || files->places[place].inode != page->inode ||
            files->places[place].device != page->device)) {
        place = (place + 1) & files->mask;
    }
    return place;
}

static int grow_files(struct file_pages *files)
{
    size_t count = files->places != NULL ? 2 * (files->mask + 1) : 8192;
    struct file_pages grown = {
        .places = calloc(count, sizeof(*grown.places)), .mask = count - 1, .count = files->count};

    if (grown.places == NULL) {
        return -1;
    }
    for (size_t i = 0; files->places != NULL && i <= files->mask; i++) {
        if (files->places[i].pfn != 0) {
            grown.places[place_of(&grown, &files->places[i])] = files->places[i];
        }
    }
    free(files->places);
    *files = grown;
    return 0;
}

/* The frame that stands for one page of a file. => its number, or 0: no memory. */
static uint64_t made_up_file_pfn(struct capture *capture, const struct area *area, uint64_t vpn)
{
    struct file_pages *files = &capture->files;
    struct file_page page = {
        .device = area->device, .inode = area->inode, .offset = area->offset + (vpn - area->start)};
    size_t place;

    if ((files->places == NULL || files->count >= files->mask / 4 * 3) && grow_files(files) != 0) {
        return 0;
    }
    place = place_of(files, &page);
    if (files->places[place].pfn == 0) {
        page.pfn = ++capture->last_pfn;
        files->places[place] = page;
        files->count++;
    }
    return files->places[place].pfn;
}

static int add_present(struct capture *capture, const struct area *area, struct mapping_run *page, uint64_t word)
{
    if (capture->mappings->real_frames) {
        page->pfn = word & WORD_PFN;
    } else if ((word & WORD_FILE) != 0 && area->inode != 0) {
        page->pfn = made_up_file_pfn(capture, area, page->vpn);
        if (page->pfn == 0) {
            return fail(capture, "no memory for made-up frames");
        }
    } else {
        page->pfn = ++capture->last_pfn;
    }
    return add_page(capture, page);
}

static int add_swapped(struct capture *capture, struct mapping_run *page, uint64_t word)
{
    uint64_t swap_area = word & (SWAP_AREAS - 1);
    uint64_t slot = (word & WORD_PFN) >> SWAP_AREA_BITS;

    page->swap = true;
    if (!capture->mappings->real_frames) {
        page->pfn = ++capture->last_slot;
        return add_page(capture, page);
    }
    if (swap_area >= SWAP_AREAS_REAL || slot >> SLOT_BITS != 0) {
        return 0;
    }
    if (slot >= capture->area_end[swap_area]) {
        capture->area_end[swap_area] = slot + 1;
    }
    page->pfn = swap_area << SLOT_BITS | slot;
    return add_page(capture, page);
}

/* => the first vpn from @vpn on behind which there is something, @end: there is none, @vpn: the kernel cannot tell. */
static uint64_t next_populated(int pagemap, uint64_t vpn, uint64_t end)
{
    struct scan_region region = {0};
    struct scan scan = {
        .size = sizeof(scan),
        .start = vpn << 12,
        .end = end << 12,
        .regions = (uintptr_t)&region,
        .nregions = 1,
        .max_pages = 1,
        .any_of = SCAN_PRESENT | SCAN_SWAPPED,
        .reported = SCAN_PRESENT,
    };
    int found = ioctl(pagemap, SCAN_REQUEST, &scan);

    if (found == 0) {
        return end;
    }
    return found > 0 && region.start >> 12 > vpn ? region.start >> 12 : vpn;
}

/* The pages of one area. What can no longer be read ends it: the process is gone, or has no such addresses. */
static int capture_area(struct capture *capture, int pagemap, const struct area *area)
{
    uint64_t vpn = area->start;

    while ((vpn = next_populated(pagemap, vpn, area->end)) < area->end) {
        uint64_t wanted = area->end - vpn < WORDS ? area->end - vpn : WORDS;
        ssize_t got = pread(pagemap, capture->words, wanted * sizeof(uint64_t), (off_t)(vpn * sizeof(uint64_t)));

        if (got < (ssize_t)sizeof(uint64_t)) {
            return 0;
        }
        for (size_t i = 0; i < (size_t)got / sizeof(uint64_t); i++, vpn++) {
            uint64_t word = capture->words[i];
            struct mapping_run page = {
                .space = capture->mappings->spaces, .shift = 12, .vpn = vpn, .npages = 1, .prot = area->prot};

            if ((word & WORD_PRESENT) != 0 ? add_present(capture, area, &page, word) != 0
                                           : (word & WORD_SWAPPED) != 0 && add_swapped(capture, &page, word) != 0) {
                return -1;
            }
        }
    }
    return 0;
}

/* One line of maps, "start-end rwxp offset major:minor inode name". => false: it is none. */
static bool parse_area(const char *line, struct area *area)
{
    char access[5];
    uint64_t start, end, offset, major, minor;

    if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %" SCNx64 ":%" SCNx64 " %" SCNu64, &start, &end, access,
               &offset, &major, &minor, &area->inode) != 7) {
        return false;
    }
    area->start = start >> 12;
    area->end = end >> 12;
    area->offset = offset >> 12;
    area->device = major << 32 | minor;
    area->prot = (uint8_t)((access[0] == 'r' ? HIPT_READ : 0) | (access[1] == 'w' ? HIPT_WRITE : 0) |
                           (access[2] == 'x' ? HIPT_EXEC : 0));
    if (area->prot != 0) {
        area->prot |= HIPT_USER;
    }
    return true;
}

static int capture_areas(struct capture *capture, FILE *maps, int pagemap)
{
    char *line = NULL;
    size_t room = 0;
    uint64_t end = 0;
    int result = 0;

    while (result == 0 && getline(&line, &room, maps) > 0) {
        struct area area;

        /* An area that the process moves while it is read may be seen again at a lower address; what has been passed
         * is not taken twice. */
        if (!parse_area(line, &area) || area.prot == 0 || area.start < end) {
            continue;
        }
        end = area.end;
        result = capture_area(capture, pagemap, &area);
    }
    free(line);
    return result == 0 ? close_run(capture) : -1;
}

static void count_failure(struct capture_counts *counts)
{
    if (errno == ENOENT || errno == ESRCH) {
        counts->empty++;
    } else {
        counts->unreadable++;
    }
}

static FILE *open_maps(const char *pid)
{
    char path[300];

    snprintf(path, sizeof(path), "/proc/%s/maps", pid);
    return fopen(path, "re");
}

static int open_pagemap(const char *pid)
{
    char path[300];

    snprintf(path, sizeof(path), "/proc/%s/pagemap", pid);
    return open(path, O_RDONLY | O_CLOEXEC);
}

/* => 0 also where it may not be read or is gone. */
static int capture_process(struct capture *capture, const char *pid)
{
    size_t before = capture->mappings->count;
    FILE *maps = open_maps(pid);
    int pagemap = maps != NULL ? open_pagemap(pid) : -1;
    int result = 0;

    if (pagemap < 0) {
        count_failure(capture->counts);
    } else {
        result = capture_areas(capture, maps, pagemap);
        close(pagemap);
        if (capture->mappings->count > before) {
            capture->mappings->spaces++;
            capture->counts->processes++;
        } else {
            capture->counts->empty++;
        }
    }
    if (maps != NULL) {
        fclose(maps);
    }
    return result;
}

/* Does the kernel tell us pfns? A page of our own that has just been written is present, so its pfn cannot be 0. */
static int probe_frames(struct capture *capture)
{
    int pagemap = open_pagemap("self");
    ssize_t got;

    if (pagemap < 0) {
        return fail(capture, "/proc/self/pagemap cannot be opened");
    }
    capture->words[0] = 0;
    got =
        pread(pagemap, capture->words, sizeof(uint64_t), (off_t)((uintptr_t)capture->words / 4096 * sizeof(uint64_t)));
    close(pagemap);
    if (got != (ssize_t)sizeof(uint64_t)) {
        return fail(capture, "/proc/self/pagemap cannot be read");
    }
    capture->mappings->real_frames = (capture->words[0] & WORD_PFN) != 0;
    return 0;
}

/* Swap areas follow one another in the slots' numbers, each as long as the highest slot that was seen in it. */
static void number_slots(struct capture *capture)
{
    uint64_t base[SWAP_AREAS] = {0};

    for (size_t i = 1; i < SWAP_AREAS; i++) {
        base[i] = base[i - 1] + capture->area_end[i - 1];
    }
    for (size_t i = 0; i < capture->mappings->count && capture->mappings->real_frames; i++) {
        struct mapping_run *run = &capture->mappings->runs[i];

        if (run->swap) {
            run->pfn = base[run->pfn >> SLOT_BITS] + (run->pfn & ((UINT64_C(1) << SLOT_BITS) - 1));
        }
    }
}

static bool is_pid(const struct dirent *entry)
{
    return entry->d_name[0] >= '1' && entry->d_name[0] <= '9';
}

static uint64_t count_pids(DIR *proc)
{
    const struct dirent *entry;
    uint64_t count = 0;

    while ((entry = readdir(proc)) != NULL) {
        count += is_pid(entry);
    }
    rewinddir(proc);
    return count;
}

static int capture_all(struct capture *capture)
{
    DIR *proc = opendir("/proc");
    const struct dirent *entry;
    uint64_t done = 0;
    int result = 0;

    if (proc == NULL) {
        return fail(capture, "/proc cannot be read");
    }
    progress_start("processes", count_pids(proc));
    while (result == 0 && (entry = readdir(proc)) != NULL) {
        if (is_pid(entry)) {
            result = capture_process(capture, entry->d_name);
            progress_update(++done);
        }
    }
    progress_end();
    closedir(proc);
    number_slots(capture);
    return result;
}

int mappings_capture_counted(struct mappings *mappings, struct capture_counts *counts, struct file_error *error)
{
    struct capture capture = {.mappings = mappings, .counts = counts, .error = error};
    int result;

    memset(mappings, 0, sizeof(*mappings));
    memset(counts, 0, sizeof(*counts));
    memset(error, 0, sizeof(*error));
    capture.words = malloc(WORDS * sizeof(*capture.words));
    if (capture.words == NULL) {
        return fail(&capture, "no memory to read pagemap into");
    }
    result = probe_frames(&capture);
    if (result == 0) {
        result = capture_all(&capture);
    }
    free(capture.words);
    free(capture.files.places);
    if (result != 0) {
        mappings_free(mappings);
    }
    return result;
}

int mappings_capture(struct mappings *mappings, struct file_error *error)
{
    struct capture_counts counts;

    return mappings_capture_counted(mappings, &counts, error);
}
