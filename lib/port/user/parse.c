/* SPDX-License-Identifier: MIT */
/* A topology in words, which places.h describes. Whoever starts the program writes them: nothing is believed. */
#include "port/user/places.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define PFN_LAST ((UINT64_C(1) << HIPT_PFN_BITS) - 1u)

struct reader {
    const char *start;
    const char *at;
    const char *end;
    char *error;
    size_t bytes;
};

/* The runs of one node: of CPUs, or of frames. */
struct runs {
    const char *what;
    uint64_t most;
    bool (*add)(struct reader *reader, struct hipti_places *places, int node, uint64_t first, uint64_t last);
};

/* The line that says what is wrong where the reader is. => false */
__attribute__((format(printf, 2, 3))) static bool refuse(const struct reader *reader, const char *format, ...)
{
    int used = snprintf(reader->error, reader->bytes, "column %zu: ", (size_t)(reader->at - reader->start) + 1u);
    va_list arguments;

    if ((size_t)used < reader->bytes) {
        va_start(arguments, format);
        (void)vsnprintf(reader->error + used, reader->bytes - (size_t)used, format, arguments);
        va_end(arguments);
    }
    return false;
}

/* The same for a character, or the end, where @wanted should be. => false */
static bool refuse_here(const struct reader *reader, const char *wanted)
{
    unsigned char c = reader->at < reader->end ? (unsigned char)*reader->at : 0;

    if (reader->at == reader->end) {
        return refuse(reader, "the text ends where %s should be", wanted);
    }
    if (c <= ' ' || c > '~') {
        return refuse(reader, "the byte 0x%02x stands where %s should be", c, wanted);
    }
    return refuse(reader, "'%c' stands where %s should be", c, wanted);
}

static bool accept(struct reader *reader, char c)
{
    if (reader->at == reader->end || *reader->at != c) {
        return false;
    }
    reader->at++;
    return true;
}

static bool is_digit(const struct reader *reader)
{
    return reader->at < reader->end && *reader->at >= '0' && *reader->at <= '9';
}

static bool is_space(const struct reader *reader)
{
    return reader->at < reader->end && (*reader->at == ' ' || *reader->at == '\t' || *reader->at == '\n');
}

static void skip_spaces(struct reader *reader)
{
    while (is_space(reader)) {
        reader->at++;
    }
}

/* A decimal number. Its digits are named as they stand, however many they are. */
static bool read_number(struct reader *reader, const char *what, uint64_t least, uint64_t most, uint64_t *number)
{
    const char *start = reader->at;
    uint64_t value = 0;
    bool fits = true;

    if (!is_digit(reader)) {
        return refuse_here(reader, what);
    }
    while (is_digit(reader)) {
        unsigned digit = (unsigned)(*reader->at++ - '0');

        fits = fits && value <= (UINT64_MAX - digit) / 10u;
        value = fits ? value * 10u + digit : value;
    }
    if (!fits || value < least || value > most) {
        int digits = (int)(reader->at - start < 30 ? reader->at - start : 30);

        reader->at = start;
        return refuse(reader, "%s is %.*s; it must be %" PRIu64 " to %" PRIu64, what, digits, start, least, most);
    }
    *number = value;
    return true;
}

static bool add_cpus(struct reader *reader, struct hipti_places *places, int node, uint64_t first, uint64_t last)
{
    for (uint64_t cpu = first; cpu <= last; cpu++) {
        if (places->cpu_node[cpu] != HIPT_ANY_NODE) {
            return refuse(reader, "CPU %" PRIu64 " is on node %d already; it must be on one", cpu,
                          places->cpu_node[cpu]);
        }
        places->cpu_node[cpu] = node;
    }
    if (places->cpus <= last) {
        places->cpus = (unsigned)last + 1u;
    }
    return true;
}

static bool add_pfns(struct reader *reader, struct hipti_places *places, int node, uint64_t first, uint64_t last)
{
    const struct hipt_node_range *other = hipti_places_add(places, node, first, last);

    if (other == &places->ranges[places->nranges]) {
        return refuse(reader, "these are pfns of range %zu; there must be at most %u", places->nranges + 1u,
                      HIPTI_PLACES_RANGES);
    }
    if (other != NULL) {
        return refuse(reader, "pfns %" PRIu64 "-%" PRIu64 " overlap %" PRIu64 "-%" PRIu64 " of node %d", first, last,
                      other->first, other->first + other->count - 1u, other->node);
    }
    return true;
}

/* "-", or runs joined by +. */
static bool read_runs(struct reader *reader, struct hipti_places *places, const struct runs *runs, int node)
{
    if (accept(reader, '-')) {
        return true;
    }
    do {
        struct reader start = *reader;
        uint64_t first = 0;
        uint64_t last;

        if (!read_number(reader, runs->what, 0, runs->most, &first)) {
            return false;
        }
        last = first;
        if (accept(reader, '-') && !read_number(reader, runs->what, first, runs->most, &last)) {
            return false;
        }
        if (!runs->add(&start, places, node, first, last)) {
            return false;
        }
    } while (accept(reader, '+'));
    return true;
}

/* The comma before item @index of @count, which is not needed before the first. */
static bool read_comma(struct reader *reader, unsigned index, unsigned count)
{
    char wanted[64];

    if (index == 0 || accept(reader, ',')) {
        return true;
    }
    (void)snprintf(wanted, sizeof(wanted), "a comma and item %u of %u", index + 1u, count);
    return refuse_here(reader, wanted);
}

static bool read_all_runs(struct reader *reader, struct hipti_places *places, const struct runs *runs)
{
    for (unsigned node = 0; node < places->nodes; node++) {
        if (!read_comma(reader, node, places->nodes) || !read_runs(reader, places, runs, (int)node)) {
            return false;
        }
    }
    return true;
}

static bool read_nodes(struct reader *reader, struct hipti_places *places)
{
    uint64_t nodes = 0;

    if (!read_number(reader, "the number of nodes", 1, HIPT_NODES_MAX, &nodes)) {
        return false;
    }
    hipti_places_start(places, (unsigned)nodes);
    return true;
}

static bool read_cpus(struct reader *reader, struct hipti_places *places)
{
    static const struct runs runs = {"the number of a CPU", HIPT_CPUS_MAX - 1u, add_cpus};

    return read_all_runs(reader, places, &runs);
}

static bool read_pfns(struct reader *reader, struct hipti_places *places)
{
    static const struct runs runs = {"a pfn", PFN_LAST, add_pfns};

    return read_all_runs(reader, places, &runs);
}

static bool read_distance(struct reader *reader, struct hipti_places *places)
{
    unsigned count = places->nodes * places->nodes;

    for (unsigned i = 0; i < count; i++) {
        unsigned from = i / places->nodes;
        unsigned to = i % places->nodes;
        uint64_t distance = 0;
        char what[64];

        (void)snprintf(what, sizeof(what), "the distance from node %u to node %u", from, to);
        if (!read_comma(reader, i, count) ||
            !read_number(reader, what, from == to ? HIPT_DISTANCE_LOCAL : HIPT_DISTANCE_LOCAL + 1u,
                         from == to ? HIPT_DISTANCE_LOCAL : HIPT_DISTANCE_MAX, &distance)) {
            return false;
        }
        places->distance[i] = (unsigned char)distance;
    }
    return true;
}

static const struct {
    const char *name;
    bool (*read)(struct reader *reader, struct hipti_places *places);
} words[] = {{"nodes=", read_nodes}, {"cpus=", read_cpus}, {"distance=", read_distance}, {"pfns=", read_pfns}};

#define WORDS (sizeof(words) / sizeof(words[0]))

/* => the word that starts here, which is passed over; WORDS: none. */
static size_t accept_word(struct reader *reader)
{
    size_t word = 0;

    while (word < WORDS) {
        size_t length = strlen(words[word].name);

        if ((size_t)(reader->end - reader->at) >= length && memcmp(reader->at, words[word].name, length) == 0) {
            reader->at += length;
            break;
        }
        word++;
    }
    return word;
}

/* @seen: bit n: word n has been read. */
static bool read_word(struct reader *reader, struct hipti_places *places, unsigned *seen)
{
    const char *start = reader->at;
    size_t word = accept_word(reader);

    if (word == WORDS) {
        return refuse_here(reader, *seen == 0 ? "NODESxCPUS or nodes=" : "cpus=, distance= or pfns=");
    }
    if ((*seen == 0) != (word == 0) || (*seen >> word & 1u) != 0) {
        reader->at = start;
        return refuse(reader, "%s comes %s", words[word].name,
                      (*seen >> word & 1u) != 0 ? "twice; it may be there once" : "before nodes=, which must be first");
    }
    *seen |= 1u << word;
    if (!words[word].read(reader, places)) {
        return false;
    }
    return is_space(reader) || reader->at == reader->end || refuse_here(reader, "a space or the end");
}

/* NODESxCPUS */
static bool read_short(struct reader *reader, struct hipti_places *places)
{
    uint64_t cpus = 0;

    if (!read_nodes(reader, places)) {
        return false;
    }
    if (!accept(reader, 'x')) {
        return refuse_here(reader, "x and the number of CPUs of each node");
    }
    if (!read_number(reader, "the number of CPUs of each node", 0, HIPT_CPUS_MAX / places->nodes, &cpus)) {
        return false;
    }
    places->cpus = places->nodes * (unsigned)cpus;
    for (unsigned cpu = 0; cpu < places->cpus; cpu++) {
        places->cpu_node[cpu] = (int)(cpu / (unsigned)cpus);
    }
    skip_spaces(reader);
    return reader->at == reader->end || refuse_here(reader, "the end");
}

bool hipti_places_parse(struct hipti_places *places, const char *text, size_t length, char *error, size_t bytes)
{
    struct reader reader = {text, text, text + length, error, bytes};
    unsigned seen = 0;

    if (bytes > 0) {
        *error = '\0';
    }
    skip_spaces(&reader);
    if (is_digit(&reader)) {
        return read_short(&reader, places);
    }
    do {
        if (!read_word(&reader, places, &seen)) {
            return false;
        }
        skip_spaces(&reader);
    } while (reader.at < reader.end);
    hipti_places_end(places);
    return true;
}
