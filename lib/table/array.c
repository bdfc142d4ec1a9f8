/* SPDX-License-Identifier: MIT */
#include "table/array.h"

struct hipti_array *hipti_array_create(const struct hipt_ops *ops, unsigned half, uint64_t count,
                                       const struct hipti_hash *hash)
{
    size_t block = ops->block_max ? ops->block_max : (size_t)1 << 20;
    struct hipti_array *array = (struct hipti_array *)ops->alloc(ops->ctx, sizeof(*array), HIPTI_CACHE_LINE,
                                                                 HIPT_ANY_NODE, true);

    if (!array) {
        return NULL;
    }
    array->first = half << HIPTI_HALF_BITS;
    array->hash = *hash;
    hipti_quotient_init(&array->quotient, count);
    if (!hipti_arena_init(&array->lines, ops, sizeof(struct hipti_line), (uint32_t)count, block) ||
        !hipti_arena_prepare(&array->lines, (uint32_t)count, true)) {
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
