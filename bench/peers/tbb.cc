/* SPDX-License-Identifier: MIT */
/*
 * oneTBB's concurrent_hash_map with buckets for all entries from the start, as a user who knows their number would make
 * it. A lookup holds the element's read lock while it copies the value. The allocator is malloc() and not oneTBB's own,
 * so that its bytes are counted and its nodes come from huge pages as those of the other peers do.
 */
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include <tbb/concurrent_hash_map.h>

#include "../keys.h"

namespace
{

struct hash_compare {
    static size_t hash(uint64_t key)
    {
        return bench_mix(key);
    }

    static bool equal(uint64_t left, uint64_t right)
    {
        return left == right;
    }
};

using map =
    tbb::concurrent_hash_map<uint64_t, uint64_t, hash_compare, std::allocator<std::pair<const uint64_t, uint64_t>>>;

struct table {
    map entries;

    explicit table(size_t count) : entries(count) {}

    bool lookup(uint64_t key, uint64_t &value)
    {
        map::const_accessor found;

        if (!entries.find(found, key)) {
            return false;
        }
        value = found->second;
        return true;
    }

    bool insert(uint64_t key, uint64_t value)
    {
        return entries.insert({key, value});
    }

    bool remove(uint64_t key)
    {
        return entries.erase(key);
    }
};

} // namespace

#include "map.hh"

const struct bench_impl bench_tbb =
    map_impl("tbb", "oneTBB's concurrent_hash_map, buckets for all entries, nodes from malloc()");
