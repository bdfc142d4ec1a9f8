/* SPDX-License-Identifier: MIT */
/*
 * The table as a whole: its geometry, birth and death, growth, walking over it, counting it.
 *
 * Synchronization, operation by operation:
 *
 *   hipt_table_create, _destroy, _is_valid   the caller excludes every other use of the table
 *   everything else                          any number of threads at once
 */
#ifndef HIPT_TABLE_H
#define HIPT_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <hipt/ops.h>
#include <hipt/status.h>
#include <hipt/topology.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HIPT_SIZES_MAX 4u          /* size classes of one table */
#define HIPT_PFN_BITS 40u          /* a pfn or swap slot, in base pages: 52-bit physical addresses with 4 KiB pages */
#define HIPT_VERSION_BITS_MAX 10u  /* how often a slot changes its life before it waits for a grace period: 2^10 */
#define HIPT_SEQUENCE_BITS_MAX 20u /* commits of one bucket in three grace periods, at most: 2^20 */
#define HIPT_CHAIN_LINES_MAX 8u    /* lines of one bucket that maps fill, the first included; a move may need more */
#define HIPT_SLOTS 4u              /* slots of one line */
#define HIPT_CPUS_MAX 1024u        /* CPUs with translation caches of one table */

/* What a map may begin, when it is due (hipt_resize()). */
#define HIPT_GROW 1u  /* twice the buckets, once there is an overflow line for every four, 3.4 mappings a bucket, up to
                         capacity_max */
#define HIPT_REKEY 2u /* another secret, when a chain is at its bound: the keys in it were chosen, or luck is bad */

/* Where memory that belongs to a node may lie, when the node is full. */
#define HIPT_PREFERRED 0u /* on the nearest node that has room, or anywhere */
#define HIPT_STRICT 1u    /* nowhere: the verb answers HIPT_NOMEM. Needs ops->alloc_strict */

struct hipt_table; /* opaque */

/* A run of consecutive pfns that have a record each. Memory and swap are two number spaces. */
struct hipt_range {
    uint64_t first; /* first pfn, or first swap slot */
    uint64_t count; /* how many; at least 1 */
    bool swap;      /* swap slots rather than frames */
};

/* Geometry and host of a table. Fill it with hipt_config_init(), then change what should differ. */
struct hipt_config {
    size_t size; /* sizeof(struct hipt_config) as the host was compiled */
    const struct hipt_ops *ops;
    uint64_t capacity;                   /* mappings to be sized for: buckets are derived from it at 2.8 a bucket; a
                                            node has its part, and a table that does not grow is full there first; at
                                            least 2^(bits of asid, vpn and size class - 48) buckets a node */
    uint64_t buckets;                    /* 64-byte lines; 0: derived from capacity */
    uint64_t capacity_max;               /* mappings that it may grow to; not above what it is made for: it does not */
    unsigned resize;                     /* HIPT_GROW, HIPT_REKEY: what a map begins by itself; 0: nothing */
    unsigned asid_bits;                  /* 1 to 20 */
    unsigned va_bits;                    /* bits of a virtual byte address, at most 64 */
    unsigned nsizes;                     /* size classes, 1 to HIPT_SIZES_MAX */
    unsigned page_shift[HIPT_SIZES_MAX]; /* ascending; page_shift[0] is the base page, the unit of every vpn and pfn */
    const struct hipt_range *ranges;     /* frames and swap slots that may be mapped; copied */
    size_t nranges;                      /* at least 1 */
    unsigned version_bits;               /* 1 to HIPT_VERSION_BITS_MAX */
    unsigned sequence_bits;              /* 2 to HIPT_SEQUENCE_BITS_MAX */
    const uint64_t *secret;              /* four random words to key the hash with, copied; NULL: from ops->random */
    unsigned cpus;                       /* CPUs that may be attached, numbered from 0; at most HIPT_CPUS_MAX */
    uint64_t flush_max;                  /* base pages that CPUs forget one by one; beyond it they forget the asid */
    uint64_t slow_after;                 /* units of ops->clock before ops->slow hears of a CPU; 0: never */
    uint64_t ttl;                        /* units of ops->clock that a cached translation lives; 0: for ever */
    uint8_t file_attrs;                  /* bit a: pages of attribute a belong to files (see HIPT_DEFERRED) */
    const struct hipt_topology *topology; /* nodes of the machine, copied; NULL: one, and memory is wherever it is */
    unsigned placement;                   /* HIPT_PREFERRED or HIPT_STRICT */
};

/* What hipt_table_stats() counts. Counts of a table in use are a moment's approximation. */
struct hipt_stats {
    uint64_t buckets;                                       /* lines that a hash can name */
    uint64_t buckets_past;                                  /* and those that the table is moving out of; 0: none */
    uint64_t buckets_left;                                  /* of them, those that are closed and empty */
    uint64_t resizes;                                       /* moves begun, since the creation */
    uint64_t chains_full;                                   /* maps that met a chain at its bound, since the creation */
    uint64_t lines;                                         /* overflow lines ever carved out */
    uint64_t lines_linked;                                  /* overflow lines in chains now */
    uint64_t mappings;                                      /* slots live or held */
    uint64_t per_bucket[HIPT_CHAIN_LINES_MAX * HIPT_SLOTS + 1]; /* all buckets by mappings, the last or more */
    uint64_t chain_lines[HIPT_CHAIN_LINES_MAX + 1];         /* all buckets by lines, the last or more */
    uint64_t bytes_forward;                                 /* lines, from the allocator's own count */
    uint64_t bytes_frames;                                  /* frame records */
    uint64_t bytes_aliases;                                 /* alias blocks */
    uint64_t bytes_asids;                                   /* asid records, page lists, and where pages are */
    uint64_t bytes_cpus;                                    /* what shootdowns keep for asids and CPUs */
    uint64_t rounds;                                        /* shootdowns that had a CPU to ask, since the creation */
    uint64_t kicks;                                         /* CPUs kicked by them */
};

/*
 * What lies on one node, and how often it was read (N1). A touch is a line that a lookup reads, or a frame record or
 * alias block that a reverse lookup reads; it is local if its caller's node is the one where the memory really is. Of a
 * caller whose node nobody knows none is counted. In builds with HIPT_CHECK < 2 only lookups of vpns, and reverse
 * lookups of pfns, whose ten lowest bits are all ones are counted, to be multiplied by .scale: a stride may meet all or
 * none.
 */
struct hipt_node_counts {
    uint64_t local;         /* touches by CPUs of the node */
    uint64_t remote;        /* touches by CPUs of other nodes */
    uint64_t scale;         /* 1: every touch is counted; 1024: one in so many; 0: none, there is no topology */
    uint64_t bytes_lines;   /* blocks of lines on the node */
    uint64_t bytes_records; /* of frame records */
    uint64_t bytes_aliases; /* of further mappings of frames */
    uint64_t fallen;        /* blocks that the node had no room for, since the creation */
    uint64_t mappings;      /* in the buckets of the node */
};

struct hipt_mapping;

/* Where a walk over the table stands. Zero it to start. */
struct hipt_cursor {
    uint64_t next;
    uint32_t secret;
    uint32_t crossings;
    uint8_t shard;
    bool is_over;
};

/**
 * hipt_config_init() - Fill a configuration with the defaults.
 * @config: to fill: 16-bit asid, 57-bit va, pages of 4 KiB, 64 KiB, 2 MiB and 1 GiB, no ranges, no ops, capacity 1 <<
 *          16, no growth, no CPUs, flush_max 512.
 *
 * Shape:    O(1).
 * Progress: wait-free.
 * Order:    none.
 * Context:  any; signal-safe.
 * Owns:     the caller keeps @config.
 * Errors:   none.
 * Upholds:  nothing beyond its text.
 */
void hipt_config_init(struct hipt_config *config);

/**
 * hipt_config_check() - Say whether a table could be made of a configuration, and if not, why.
 * @config: to check; nothing is allocated and no hook is called.
 * @text:   receives one line that names the value and the bound, empty on OK; may be NULL if @bytes is 0.
 * @bytes:  room in @text, the terminating zero included; a longer line is cut.
 *
 * Shape:    O(nranges^2), and as hipt_topology_check().
 * Progress: wait-free.
 * Order:    none.
 * Context:  any.
 * Owns:     nothing.
 * Errors:   HIPT_BAD_OPS, HIPT_BAD_ASID_BITS, HIPT_BAD_VA_BITS, HIPT_BAD_SIZES, HIPT_BAD_WIDTH, HIPT_FEW_BUCKETS,
 *           HIPT_MANY_BUCKETS, HIPT_BAD_RANGE, HIPT_BAD_VERSION, HIPT_BAD_CPU, HIPT_BAD_MODE; and those of
 *           hipt_topology_check().
 * Upholds:  nothing beyond its text.
 */
enum hipt_status hipt_config_check(const struct hipt_config *config, char *text, size_t bytes);

/**
 * hipt_table_create() - Make an empty table.
 * @config: geometry and host; copied, the hooks too. What the hooks' ctx points to must outlive the table.
 * @table:  receives the table on OK, NULL otherwise.
 *
 * Shape:    O(buckets + frames + 2^asid_bits) zeroed memory, in blocks as ops->block_max says.
 * Progress: blocking, on the host's memory hook.
 * Order:    none; hand the table to other threads by means that synchronize.
 * Context:  may sleep.
 * Owns:     the caller owns the table until hipt_table_destroy().
 * Errors:   all of hipt_config_check(); HIPT_NOMEM: memory, or randomness for the secret, was not to be had.
 * Upholds:  X1 (the secret).
 */
enum hipt_status hipt_table_create(const struct hipt_config *config, struct hipt_table **table);

/**
 * hipt_table_destroy() - Give back every byte of a table, mapped pages included.
 * @table: to destroy; NULL is allowed. No thread uses it now or later, no read side of it is open, and no CPU is
 *         attached.
 *
 * Shape:    O(memory blocks).
 * Progress: wait-free apart from the host's memory hook.
 * Order:    none.
 * Context:  must not be inside a read side.
 * Owns:     takes @table.
 * Errors:   none.
 * Upholds:  nothing beyond its text.
 */
void hipt_table_destroy(struct hipt_table *table);

/**
 * hipt_resize() - Begin to move the table into other buckets: more or fewer, or found by another secret.
 * @table:      table.
 * @capacity:   mappings that the new buckets hold at the default load, at most the capacity_max of its configuration,
 *              or as many as it was made for; 0: as many buckets as now. It is not compared with what is mapped: with
 *              far too few buckets, chains are long, and maps find them full.
 * @new_secret: draw another secret.
 *
 * Shape:    O(buckets) zeroed memory, in blocks as ops->block_max says; then four buckets move with each map, of ranges
 *           and batches too, and each hipt_unmap(), and with hipt_resize_help().
 * Progress: blocking, on the host's memory hook. Everybody else goes on.
 * Order:    none.
 * Context:  may sleep; not inside a read side.
 * Owns:     the table owns the memory; that of the old buckets is given back when they are empty and two grace periods
 *           have passed, by whoever maps, unmaps or helps then. What another verb holds keeps the move from its end
 *           until it lets go.
 * Errors:   HIPT_BUSY: a move is under way, or what the last one left waits for a grace period; HIPT_MANY_BUCKETS;
 *           HIPT_NOMEM: memory, or randomness, was not to be had. Nothing has changed then. HIPT_PENDING, with several
 *           nodes only: somebody else began a move of some of them first, the others are as wanted; call again.
 * Upholds:  T1, T2, T4, F1, X1.
 */
enum hipt_status hipt_resize(struct hipt_table *table, uint64_t capacity, bool new_secret);

/**
 * hipt_resize_help() - Go on with a move, as maps and unmaps do, for tables that see few of them.
 * @table:    table.
 * @nbuckets: buckets of each node to see to, at most; at least 1.
 *
 * Shape:    O(nodes * @nbuckets); may ask for overflow lines, without which some mappings stay; gives the old buckets
 *           back when the last is left.
 * Progress: lock-free; a mapping that another verb holds is passed by, and its bucket is seen to again later.
 * Order:    none.
 * Context:  any thread; enters a read side of its own; does not sleep.
 * Owns:     nothing.
 * Errors:   HIPT_ABSENT: there is nothing left to be done. HIPT_OK: there was something, and may still be; it may wait
 *           for a grace period, so this is not to be repeated inside a read side. To bring a move to its end: as many
 *           buckets at once as there are, and ops->gp_wait() between two calls.
 * Upholds:  T1, T2, T4, F1.
 */
enum hipt_status hipt_resize_help(struct hipt_table *table, unsigned nbuckets);

/**
 * hipt_table_next() - The next live mapping of the whole table, its key recovered from bucket and remainder.
 * @table:  table.
 * @cursor: zeroed before the first call; advanced.
 * @out:    receives the mapping on OK.
 *
 * Shape:    expected O(1) a call, O(buckets) for the whole walk; the order is the hash's, whatever the size. It goes
 *           through all of them once more whenever a mapping has moved to another node meanwhile, so it does not end
 *           while spaces go on moving, and may give a page many times.
 * Progress: lock-free; retries only because another thread gave the slot it is reading to another mapping, or because
 *           another move began.
 * Order:    acquire on each mapping that it returns.
 * Context:  any thread; enters a read side of its own; does not sleep.
 * Owns:     the caller keeps @cursor and @out.
 * Errors:   HIPT_ABSENT: the walk is over. A mapping live during the whole walk is returned exactly once, also while
 *           the table grows or shrinks; at least once if it moves to another secret, or if any address space is moved
 *           to another node. One that came or went meanwhile may be, a page that is split or collapsed also in both
 *           forms.
 * Upholds:  T2.
 */
enum hipt_status hipt_table_next(struct hipt_table *table, struct hipt_cursor *cursor, struct hipt_mapping *out);

/**
 * hipt_table_stats() - Count what there is.
 * @table: table.
 * @stats: receives the counts.
 *
 * Shape:    O(buckets).
 * Progress: wait-free.
 * Order:    none; concurrent changes may be counted or not.
 * Context:  any thread; enters a read side of its own.
 * Owns:     the caller keeps @stats.
 * Errors:   none.
 * Upholds:  nothing beyond its text.
 */
void hipt_table_stats(struct hipt_table *table, struct hipt_stats *stats);

/**
 * hipt_node_stats() - Count what lies on one node, and the touches of it.
 * @table: table.
 * @node:  node of the table's topology; 0 where it has none: all is there.
 * @stats: receives the counts on OK.
 *
 * Shape:    O(buckets of the node, and blocks of memory).
 * Progress: wait-free.
 * Order:    none; concurrent changes may be counted or not.
 * Context:  any thread; enters a read side of its own.
 * Owns:     the caller keeps @stats.
 * Errors:   HIPT_BAD_NODE: there is no such node; nothing has changed.
 * Upholds:  measures N1.
 */
enum hipt_status hipt_node_stats(struct hipt_table *table, int node, struct hipt_node_counts *stats);

/**
 * hipt_table_is_valid() - Check every invariant of the whole structure, for tests.
 * @table: table; the caller excludes all other uses.
 * @text:  receives one line that names the first violation, empty if there is none.
 * @bytes: room in @text.
 *
 * Shape:    O(buckets + frames + asids + mappings * sharers).
 * Progress: wait-free.
 * Order:    none.
 * Context:  quiesced.
 * Owns:     nothing.
 * Errors:   false, with the text.
 * Upholds:  checks T1, F1, A1.
 */
bool hipt_table_is_valid(struct hipt_table *table, char *text, size_t bytes);

#ifdef __cplusplus
}
#endif
#endif
