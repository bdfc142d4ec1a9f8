/* SPDX-License-Identifier: MIT */
/*
 * What the C++ peers share: creation with room for all entries, a count of bytes, and the table of loops. Each defines
 * struct table, with lookup(), insert() and remove(), and includes this; readers need no section. Types are in
 * namespaces without a name, because every peer has one of each name.
 */
#ifndef BENCH_PEERS_MAP_HH
#define BENCH_PEERS_MAP_HH

#include <cstdio>
#include <new>

#include "../impl.h"
#include "../pages.h"

namespace
{

/* Field key: table is the peer's own, the rest is constant after the fill. */
struct peer {
    size_t before = bench_malloc_bytes(); /* what malloc() had given out before there was a table */
    size_t bytes = 0;                     /* what the filled table takes of it */
    struct table table;

    explicit peer(size_t entries) : table(entries) {}
};

} // namespace

static inline void peer_enter(struct peer *) {}

static inline void peer_exit(struct peer *) {}

static inline bool peer_lookup(struct peer *peer, uint64_t key, uint64_t *value)
{
    return peer->table.lookup(key, *value);
}

static inline bool peer_insert(struct peer *peer, unsigned, uint64_t key)
{
    try {
        return peer->table.insert(key, key);
    } catch (const std::bad_alloc &) {
        return false;
    }
}

static inline bool peer_delete(struct peer *peer, unsigned, uint64_t key)
{
    return peer->table.remove(key);
}

static inline void peer_rest(struct peer *, unsigned) {}

#define PEER_GROWS
#include "../loops.h"

static void *map_create(const struct bench_geometry *geometry)
{
    try {
        return new struct peer(geometry->start > 0 ? geometry->start : geometry->entries);
    } catch (const std::bad_alloc &) {
        std::fprintf(stderr, "hipt-bench: no memory for a map of %zu entries\n", geometry->entries);
        return nullptr;
    }
}

static void map_destroy(void *self)
{
    delete static_cast<struct peer *>(self);
}

static uint64_t map_fill(void *self, const uint64_t *keys, size_t count)
{
    struct peer *peer = static_cast<struct peer *>(self);
    uint64_t wrong = insert_all(peer, keys, count);

    peer->bytes = bench_malloc_bytes() - peer->before;
    return wrong;
}

static void map_bytes(void *self, struct bench_bytes *bytes)
{
    bytes->forward = static_cast<struct peer *>(self)->bytes;
    bytes->total = bytes->forward;
}

static constexpr struct bench_impl map_impl(const char *name, const char *text)
{
    struct bench_impl impl = {};

    impl.name = name;
    impl.text = text;
    impl.on_request = true;
    impl.create = map_create;
    impl.destroy = map_destroy;
    impl.fill = map_fill;
    impl.bytes = map_bytes;
    impl.run[BENCH_LOOP_HIT] = run_hit;
    impl.run[BENCH_LOOP_HIT_SECTION] = run_hit_section;
    impl.run[BENCH_LOOP_DEPENDENT] = run_dependent;
    impl.run[BENCH_LOOP_MISS] = run_miss;
    impl.run[BENCH_LOOP_MIXED] = run_mixed;
    impl.watch = run_watch;
    impl.extend = run_extend;
    return impl;
}

#endif
