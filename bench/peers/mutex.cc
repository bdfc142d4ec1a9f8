/* SPDX-License-Identifier: MIT */
/*
 * What most programs have where they need such a table: std::unordered_map under one std::mutex, which every lookup,
 * insert and delete takes. Buckets for all entries from the start, a node from malloc() for each.
 */
#include <cstdint>
#include <mutex>
#include <unordered_map>

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
    std::mutex mutex;
    std::unordered_map<uint64_t, uint64_t, mix> entries;

    explicit table(size_t count)
    {
        entries.reserve(count);
    }

    bool lookup(uint64_t key, uint64_t &value)
    {
        std::lock_guard<std::mutex> guard(mutex);
        auto found = entries.find(key);

        if (found == entries.end()) {
            return false;
        }
        value = found->second;
        return true;
    }

    bool insert(uint64_t key, uint64_t value)
    {
        std::lock_guard<std::mutex> guard(mutex);

        return entries.emplace(key, value).second;
    }

    bool remove(uint64_t key)
    {
        std::lock_guard<std::mutex> guard(mutex);

        return entries.erase(key) == 1;
    }
};

} // namespace

#include "map.hh"

const struct bench_impl bench_mutex = map_impl("mutex", "std::unordered_map under one std::mutex");
