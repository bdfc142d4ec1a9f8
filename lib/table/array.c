/* SPDX-License-Identifier: MIT */
#include "table/array.h"

#define CROWDED 4u /* buckets for each overflow line: with 3.4 keys a bucket, at random, there are as many */

struct hipti_array *hipti_array_create(const struct hipti_memory *memory, uint32_t first, uint64_t count,
                                       const struct hipti_hash *hash, bool may_wait)
{
    size_t block = hipti_arena_block(memory->ops);
    int node;
    struct hipti_array *array = (struct hipti_array *)hipti_memory_alloc(memory, sizeof(*array), may_wait, &node);

    if (!array) {
        return NULL;
    }
    array->first = first;
    array->hash = *hash;
    hipti_quotient_init(&array->quotient, count);
    /* relaxed: nobody knows it yet */
    hipti_store_relaxed(&array->crowd, (uint32_t)count / CROWDED + 1u);
    if (!hipti_arena_init(&array->lines, memory, sizeof(struct hipti_line), (uint32_t)count, block, may_wait) ||
        !hipti_arena_prepare(&array->lines, (uint32_t)count, may_wait)) {
        hipti_array_destroy(array);
        return NULL;
    }
    return array;
}

void hipti_array_destroy(struct hipti_array *array)
{
    const struct hipti_memory *memory = array->lines.memory;

    hipti_arena_end(&array->lines);
    hipti_memory_free(memory, array, sizeof(*array));
}
