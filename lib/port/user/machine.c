/* SPDX-License-Identifier: MIT */
/*
 * The machine's nodes, from sysfs. What a file does not say, or says in a way that is not understood, is left as it is
 * on a machine that has nothing to say: sysfs is the kernel's, and a host can do without.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "port/user/places.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PATH_BYTES 512
#define NAME_BYTES 64
#define FILE_BYTES 8192 /* a list of HIPT_CPUS_MAX single CPUs is shorter */

/* => how many bytes of @text were read, a zero behind them. */
static size_t read_file(const char *sys, const char *name, char text[FILE_BYTES])
{
    char path[PATH_BYTES];
    ssize_t got = -1;
    int file;

    (void)snprintf(path, sizeof(path), "%s/%s", sys, name);
    file = open(path, O_RDONLY | O_CLOEXEC);
    if (file >= 0) {
        got = read(file, text, FILE_BYTES - 1);
        (void)close(file);
    }
    text[got > 0 ? got : 0] = '\0';
    return got > 0 ? (size_t)got : 0;
}

/* => whether the list, such as 0-3,8, had one more run. */
static bool next_run(const char **at, unsigned long *first, unsigned long *last)
{
    char *end;

    if (**at < '0' || **at > '9') {
        return false;
    }
    *first = strtoul(*at, &end, 10);
    *last = *end == '-' ? strtoul(end + 1, &end, 10) : *first;
    *at = *end == ',' ? end + 1 : end;
    return true;
}

/* => bit n: node n is in the list of a file. */
static uint64_t read_nodes(const char *sys, const char *name)
{
    char text[FILE_BYTES];
    const char *at = text;
    uint64_t set = 0;
    unsigned long first;
    unsigned long last;

    (void)read_file(sys, name, text);
    while (next_run(&at, &first, &last)) {
        for (unsigned long node = first; node <= last && node < HIPT_NODES_MAX; node++) {
            set |= UINT64_C(1) << node;
        }
    }
    return set;
}

static void read_cpus(struct hipti_places *places, const char *sys, unsigned node)
{
    char name[NAME_BYTES];
    char text[FILE_BYTES];
    const char *at = text;
    unsigned long first;
    unsigned long last;

    (void)snprintf(name, sizeof(name), "node/node%u/cpulist", node);
    (void)read_file(sys, name, text);
    while (next_run(&at, &first, &last)) {
        for (unsigned long cpu = first; cpu <= last && cpu < HIPT_CPUS_MAX; cpu++) {
            places->cpu_node[cpu] = (int)node;
            places->cpus = places->cpus <= cpu ? (unsigned)cpu + 1u : places->cpus;
        }
    }
}

/* The file has a number for each node that is online, in their order. */
static void read_distance(struct hipti_places *places, const char *sys, unsigned node, uint64_t online)
{
    char name[NAME_BYTES];
    char text[FILE_BYTES];
    char *at = text;

    (void)snprintf(name, sizeof(name), "node/node%u/distance", node);
    (void)read_file(sys, name, text);
    for (unsigned to = 0; to < places->nodes; to++) {
        if ((online >> to & 1u) != 0) {
            unsigned long distance = strtoul(at, &at, 10);

            if (to != node && distance > HIPT_DISTANCE_LOCAL && distance <= HIPT_DISTANCE_MAX) {
                places->distance[node * places->nodes + to] = (unsigned char)distance;
            }
        }
    }
}

static bool block_number(const char *name, unsigned long *number)
{
    char rest;

    return sscanf(name, "memory%lu%c", number, &rest) == 1;
}

static int is_block(const struct dirent *entry)
{
    unsigned long number;

    return block_number(entry->d_name, &number);
}

/* Blocks @first to @next - 1, of @pages pages each, are on @node. Some in the way of others are left out. */
static void add_blocks(struct hipti_places *places, unsigned node, uint64_t first, uint64_t next, uint64_t pages)
{
    if (next > first && next <= (UINT64_C(1) << HIPT_PFN_BITS) / pages) {
        (void)hipti_places_add(places, (int)node, first * pages, next * pages - 1u);
    }
}

/* Each block is a link in the folder of its node; neighbours make one range. */
static void read_blocks(struct hipti_places *places, const char *sys, unsigned node, uint64_t pages)
{
    char path[PATH_BYTES];
    struct dirent **blocks = NULL;
    unsigned long first = 0;
    unsigned long next = 0;
    int count;

    (void)snprintf(path, sizeof(path), "%s/node/node%u", sys, node);
    count = scandir(path, &blocks, is_block, versionsort);
    for (int i = 0; i < count; i++) {
        unsigned long number = 0;

        (void)block_number(blocks[i]->d_name, &number);
        if (number != next) {
            add_blocks(places, node, first, next, pages);
            first = number;
        }
        next = number + 1u;
        free(blocks[i]);
    }
    add_blocks(places, node, first, next, pages);
    free(blocks);
}

/* => pages of a block of memory, 0: the machine does not say. */
static uint64_t block_pages(const char *sys)
{
    char text[FILE_BYTES];

    (void)read_file(sys, "memory/block_size_bytes", text);
    return strtoull(text, NULL, 16) / (uint64_t)sysconf(_SC_PAGESIZE);
}

/* One node with all CPUs: what there is where there are no nodes. */
static void start_alone(struct hipti_places *places)
{
    long cpus = sysconf(_SC_NPROCESSORS_CONF);

    hipti_places_start(places, 1);
    places->cpus = cpus < 0 ? 0 : cpus > (long)HIPT_CPUS_MAX ? HIPT_CPUS_MAX : (unsigned)cpus;
    for (unsigned cpu = 0; cpu < places->cpus; cpu++) {
        places->cpu_node[cpu] = 0;
    }
}

void hipti_places_machine(struct hipti_places *places, const char *sys)
{
    uint64_t online = read_nodes(sys, "node/online");
    uint64_t with_memory = read_nodes(sys, "node/has_memory") & online;
    uint64_t pages = block_pages(sys);

    if (online == 0) {
        start_alone(places);
        places->is_real = true;
        return;
    }
    hipti_places_start(places, HIPT_NODES_MAX - (unsigned)__builtin_clzll(online));
    places->is_real = true;
    for (unsigned node = 0; node < places->nodes; node++) {
        if ((online >> node & 1u) != 0) {
            read_cpus(places, sys, node);
            read_distance(places, sys, node, online);
            if (pages > 0) {
                read_blocks(places, sys, node, pages);
            }
        }
    }
    hipti_places_end(places);
    places->with_memory = with_memory != 0 ? with_memory : places->with_memory;
}
