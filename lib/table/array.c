/* SPDX-License-Identifier: MIT */
#include "table/array.h"

#define CROWDED 4u /* buckets for each overflow line: with 3.4 keys a bucket, at random, there are as many */

struct hipti_array *hipti_array_create(const struct hipt_ops *ops, unsigned half, uint64_t count,
                                       const struct hipti_hash *hash, bool may_wait)
{
    size_t block = hipti_arena_block(ops);
    struct hipti_array *array = (struct hipti_array *)ops->alloc(ops->ctx, sizeof(*array), HIPTI_CACHE_LINE,
                                                                 HIPT_ANY_NODE, may_wait);

    if (!array) {
        return NULL;
    }
    array->first = half << HIPTI_HALF_BITS;
    array->hash = *hash;
    hipti_quotient_init(&array->quotient, count);
    /* relaxed: nobody knows it yet */
    hipti_store_relaxed(&array->crowd, (uint32_t)count / CROWDED + 1u);
    if (!hipti_arena_init(&array->lines, ops, sizeof(struct hipti_line), (uint32_t)count, block,
                          may_wait) ||
        !hipti_arena_prepare(&array->lines, (uint32_t)count, may_wait)) {
        hipti_array_destroy(array);
        return NULL;
    }
    return array;
}

void hipti_array_destroy(struct hipti_array *array)
{
    const struct hipt_ops *ops = array->lines.ops;

    hipti_arena_end(&array->lines);
    ops->free(ops->ctx, array, sizeof(*array));
}
