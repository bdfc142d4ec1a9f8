/* SPDX-License-Identifier: MIT */
/* The table as one thread at a time sees it, small enough to be copied at every branch of a search. */
#ifndef EXPLORE_MODEL_H
#define EXPLORE_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "explore/world.h"

enum { MODEL_PAGES = 12 };

struct model_page {
    bool is_live;
    uint8_t asid;
    uint8_t size;
    uint8_t vpn;
    uint8_t pfn;
    uint8_t prot;
    uint8_t marks;
    uint8_t life; /* tells this mapping from an earlier one of the same page */
};

struct model {
    unsigned npages;
    uint8_t lives;
    uint8_t pins[WORLD_FRAMES];
    bool was_used[WORLD_FRAMES]; /* and not given back: it is in limbo when nobody maps or pins it */
    uint8_t found[WORLD_EVENTS]; /* the life that each lookup found */
    struct model_page page[MODEL_PAGES];
};

/* Let a call take effect. => false: it cannot have answered so in this state, which may be changed then. */
bool model_step(struct model *model, const struct event *events, const struct event *event);

/* => whether the page's mapping is what @mapping says. */
bool model_is(const struct model_page *page, const struct hipt_mapping *mapping);

#endif
