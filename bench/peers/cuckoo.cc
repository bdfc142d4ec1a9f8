/* SPDX-License-Identifier: MIT */
/*
 * libcuckoo's cuckoohash_map with room for all entries from the start and its defaults otherwise: four slots a bucket,
 * two buckets a key, a spinlock for each of many groups of buckets. A lookup takes the locks of both buckets.
 */
#include <cstdint>
#include <functional>

#include <libcuckoo/cuckoohash_map.hh>

#include "../keys.h"

namespace
{

struct mix {
    size_t operator()(uint64_t key) const
    {
        return bench_mix(key);
    }
};

struct table {
    libcuckoo::cuckoohash_map<uint64_t, uint64_t, mix> entries;

    explicit table(size_t count) : entries(count) {}

    bool lookup(uint64_t key, uint64_t &value)
    {
        return entries.find(key, value);
    }

    bool insert(uint64_t key, uint64_t value)
    {
        return entries.insert(key, value);
    }

    bool remove(uint64_t key)
    {
        return entries.erase(key);
    }
};

} // namespace

#include "map.hh"

const struct bench_impl bench_cuckoo = map_impl("cuckoo", "libcuckoo's cuckoohash_map, room for all entries");
