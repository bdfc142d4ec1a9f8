/* SPDX-License-Identifier: MIT */
/* Mappings in a table, and beside it in plain sorted arrays: what a replay translates and what it is checked against.
 */
#ifndef HIPT_TOOL_REPLAY_LOAD_H
#define HIPT_TOOL_REPLAY_LOAD_H

#include <stddef.h>
#include <stdint.h>

#include <hipt/asid.h>
#include <hipt/map.h>
#include <hipt/table.h>
#include <hipt/user.h>

#include "mappings.h"

#define REPLAY_NONE UINT32_MAX /* no page */

/*
 * Frames of its own that each writer moves pages to, beyond the largest one that the mappings name, aligned to 2 MiB:
 * first those for pages of 2 MiB, then 64 KiB, then 4 KiB. No large one encloses a small one. Pages of 1 GiB stay where
 * they are.
 */
#define SPARES_4K 256u
#define SPARES_64K 32u
#define SPARES_2M 4u
#define SPARES (SPARES_4K + SPARES_64K + SPARES_2M)
#define SPARE_AREA UINT64_C(3072) /* frames of one writer: 4 * 512 + 32 * 16 + 256, made a multiple of 512 */

/* A mapping at its frame, ordered by swap, pfn and size. */
struct frame_entry {
    uint64_t key;
    uint32_t page; /* index into population.home */
};

/* Field key: all fields are constant while threads run. */
struct population {
    struct hipt_config config;
    struct hipt_user *user;
    struct hipt_ops ops; /* the port's, and what CPUs need */
    struct hipt_table *table;
    struct hipt_mapping *home;    /* every mapping as loaded, by asid and vpn */
    struct frame_entry *by_frame; /* the same ones, by frame */
    uint32_t count;
    struct hipt_asid *asids; /* of each space */
    uint32_t spaces;
    struct hipt_range *ranges; /* frames and swap slots that the mappings name, small holes included, and the spares */
    size_t nranges;
    uint64_t spare_first; /* pfn */
    unsigned writers;     /* spare areas */
    uint64_t frames;      /* distinct frames and swap slots that are mapped, in base pages */
    uint64_t records;     /* frames and swap slots that have a record */
    uint64_t shared;      /* first frames of more than one mapping */
    uint32_t most_sharers;
    struct hipt_stats stats; /* just after loading */
};

/*
 * @cpus threads will be CPUs of the table. Its secret comes from @seed, so that the same keys share a bucket when a run
 * is repeated.
 * => 0, or -1 with *error set. population_free() in both cases.
 */
int population_load(struct population *population, const struct mappings *mappings, unsigned writers, unsigned cpus,
                    uint64_t seed, struct file_error *error);
void population_free(struct population *population);

/* => the page that covers an address, or REPLAY_NONE. */
uint32_t population_find(const struct population *population, uint32_t asid, uint64_t vpn);

/*
 * The pages whose homes cover a frame, ascending, into @pages. => how many there are, also beyond @room.
 */
size_t population_sharers(const struct population *population, struct hipt_frame frame, uint32_t *pages, size_t room);

/* Base pages in a page of a size class. */
uint64_t population_span(const struct population *population, uint32_t size);

/* The frame of a writer's spare of that number, and the other way round (=> SPARES for a frame that is none of its). */
uint64_t spare_pfn(const struct population *population, unsigned writer, unsigned spare);
unsigned spare_number(const struct population *population, unsigned writer, uint64_t pfn);
/* The spares that fit a size class: [*first, *end), empty for 1 GiB. */
void spare_class(uint32_t size, unsigned *first, unsigned *end);

/*
 * Disjoint ascending ranges that cover every frame and swap slot of the mappings, holes of less than 64 closed.
 * *ranges is to be freed; room for one more range is left. => how many, or SIZE_MAX where memory is short; *frames
 * receives the number of distinct frames and slots.
 */
size_t ranges_cover(const struct mappings *mappings, struct hipt_range **ranges, uint64_t *frames);

/* xorshift64*. => @state is not zero */
uint64_t replay_random(uint64_t *state);

/* A state for replay_random() that differs for every seed and stream. */
uint64_t replay_random_start(uint64_t seed, uint64_t stream);

#endif
