/* SPDX-License-Identifier: MIT */
#include "weak/sites.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SITES_MAX 1024u /* a power of two */
#define PLANTED_MAX 8u

struct place {
    struct hipti_weak_site site;
    enum hipti_weak_order written;
    enum hipti_weak_order used;
    uint64_t count;
};

struct planted {
    char file[64];
    char where[64]; /* a function, or lines */
    int first;
    int last;
    enum hipti_weak_order from;
    enum hipti_weak_order to;
};

static struct place places[SITES_MAX];
static unsigned nplaces;
static struct planted planted[PLANTED_MAX];
static unsigned nplanted;

static const char *const order_names[] = {"relaxed", "acquire", "release", "acq_rel", NULL, NULL, NULL, "seq_cst"};

static bool order_parse(const char *text, enum hipti_weak_order *order)
{
    unsigned i;

    for (i = 0; i < sizeof(order_names) / sizeof(*order_names); i++) {
        if (order_names[i] && strcmp(text, order_names[i]) == 0) {
            *order = (enum hipti_weak_order)i;
            return true;
        }
    }
    return false;
}

bool sites_plant(const char *text)
{
    struct planted *last = &planted[nplanted];
    char from[16];
    char to[16];

    if (nplanted == PLANTED_MAX ||
        sscanf(text, "%63[^:]:%63[^:]:%15[^=]=%15s", last->file, last->where, from, to) != 4 ||
        !order_parse(from, &last->from) || !order_parse(to, &last->to)) {
        return false;
    }
    last->first = last->last = 0;
    if (sscanf(last->where, "%d-%d", &last->first, &last->last) == 1) {
        last->last = last->first;
    }
    nplanted++;
    return true;
}

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text);
    size_t tail = strlen(end);

    return length >= tail && strcmp(text + length - tail, end) == 0;
}

static enum hipti_weak_order order_used(const struct hipti_weak_site *site, enum hipti_weak_order order)
{
    unsigned i;

    for (i = 0; i < nplanted; i++) {
        if (planted[i].from == order && ends_with(site->file, planted[i].file) &&
            (strcmp(planted[i].where, site->function) == 0 ||
             (planted[i].first <= site->line && site->line <= planted[i].last))) {
            return planted[i].to;
        }
    }
    return order;
}

enum hipti_weak_order sites_order(void *ctx, const struct hipti_weak_site *site, enum hipti_weak_order order)
{
    unsigned at = ((unsigned)(uintptr_t)site->file * 31u + (unsigned)site->line * 7u + (unsigned)order) % SITES_MAX;

    (void)ctx;
    while (places[at].count > 0 && (places[at].site.file != site->file || places[at].site.line != site->line ||
                                    places[at].site.operation != site->operation || places[at].written != order)) {
        at = (at + 1u) % SITES_MAX;
    }
    if (places[at].count++ == 0) {
        if (++nplaces == SITES_MAX) {
            fprintf(stderr, "more than %u accesses in the source\n", SITES_MAX);
            abort();
        }
        places[at].site = *site;
        places[at].written = order;
        places[at].used = order_used(site, order);
    }
    return places[at].used;
}

bool sites_has_planted(void)
{
    return nplanted > 0;
}

uint64_t sites_planted(void)
{
    uint64_t count = 0;
    unsigned i;

    for (i = 0; i < SITES_MAX; i++) {
        count += places[i].used != places[i].written ? places[i].count : 0;
    }
    return count;
}

void sites_print(FILE *file)
{
    unsigned i;

    for (i = 0; i < SITES_MAX; i++) {
        const struct place *place = &places[i];

        if (place->count > 0 && place->written != HIPTI_WEAK_relaxed) {
            fprintf(file, "%s %d %s %s %s %" PRIu64 "\n", place->site.file, place->site.line, place->site.function,
                    place->site.operation, order_names[place->written], place->count);
        }
    }
}
