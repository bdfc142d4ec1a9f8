/* SPDX-License-Identifier: MIT */
#include "results.h"

#include <string.h>

size_t bench_list_place(const struct bench_list *list, uint64_t value)
{
    for (size_t i = 0; i < list->count; i++) {
        if (list->values[i] == value) {
            return i;
        }
    }
    return 0;
}

size_t bench_list_largest(const struct bench_list *list)
{
    size_t place = 0;

    for (size_t i = 1; i < list->count; i++) {
        place = list->values[i] > list->values[place] ? i : place;
    }
    return place;
}

size_t bench_results_impl(const struct bench_results *results, const char *name)
{
    size_t i = 0;

    while (i < results->nimpls && strcmp(results->impls[i]->name, name) != 0) {
        i++;
    }
    return i;
}
