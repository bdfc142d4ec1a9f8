/* SPDX-License-Identifier: MIT */
/*
 * A topology in words, whatever is in it. What is refused is explained, and cut like any other line; what is
 * understood passes the check of the core, and is understood in the same way when it has been written down again.
 */
#include <hipt/topology.h>

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "bytes.h"
#include "port/user/places.h"

#define TEXT_BYTES 131072u /* 1024 ranges and 64 * 64 distances are less */

struct text {
    char bytes[TEXT_BYTES];
    size_t count;
};

static struct hipti_places places;
static struct hipti_places again;
static struct text text;

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

__attribute__((format(printf, 1, 2))) static void put(const char *format, ...)
{
    va_list arguments;
    int used;

    va_start(arguments, format);
    used = vsnprintf(text.bytes + text.count, TEXT_BYTES - text.count, format, arguments);
    va_end(arguments);
    REQUIRE(used >= 0 && (size_t)used < TEXT_BYTES - text.count);
    text.count += (size_t)used;
}

static void put_cpus(int node)
{
    const char *before = "";

    for (unsigned cpu = 0; cpu < places.cpus; cpu++) {
        if (places.cpu_node[cpu] == node) {
            put("%s%u", before, cpu);
            before = "+";
        }
    }
    put("%s", *before ? "" : "-");
}

static void put_pfns(int node)
{
    const char *before = "";

    for (size_t i = 0; i < places.nranges; i++) {
        const struct hipt_node_range *range = &places.ranges[i];

        if (range->node == node) {
            put("%s%" PRIu64 "-%" PRIu64, before, range->first, range->first + range->count - 1u);
            before = "+";
        }
    }
    put("%s", *before ? "" : "-");
}

static void put_places(void)
{
    text.count = 0;
    put("nodes=%u", places.nodes);
    for (unsigned node = 0; node < places.nodes; node++) {
        put("%s", node == 0 ? " cpus=" : ",");
        put_cpus((int)node);
    }
    for (unsigned node = 0; node < places.nodes; node++) {
        put("%s", node == 0 ? " pfns=" : ",");
        put_pfns((int)node);
    }
    for (unsigned i = 0; i < places.nodes * places.nodes; i++) {
        put("%s%u", i == 0 ? " distance=" : ",", places.distance[i]);
    }
}

static void require_equal(void)
{
    REQUIRE(places.nodes == again.nodes && places.cpus == again.cpus && places.nranges == again.nranges);
    REQUIRE(places.with_memory == again.with_memory);
    REQUIRE(memcmp(places.cpu_node, again.cpu_node, sizeof(places.cpu_node)) == 0);
    REQUIRE(memcmp(places.distance, again.distance, (size_t)places.nodes * places.nodes) == 0);
    for (size_t i = 0; i < places.nranges; i++) {
        REQUIRE(places.ranges[i].first == again.ranges[i].first && places.ranges[i].count == again.ranges[i].count);
        REQUIRE(places.ranges[i].node == again.ranges[i].node);
    }
}

static void run_understood(void)
{
    struct hipt_topology topology = hipti_places_topology(&places);
    char line[200];

    REQUIRE(hipt_topology_check(&topology, line, sizeof(line)) == HIPT_OK && line[0] == '\0');
    REQUIRE(!places.is_real && places.with_memory != 0);
    REQUIRE(places.cpus == 0 || places.cpu_node[places.cpus - 1u] != HIPT_ANY_NODE);
    put_places();
    REQUIRE(hipti_places_parse(&again, text.bytes, text.count, line, sizeof(line)));
    require_equal();
}

static void run_refused(const char *input, size_t count, const char *error)
{
    char cut[16];
    char *end;
    unsigned long column;

    REQUIRE(strncmp(error, "column ", 7) == 0);
    column = strtoul(error + 7, &end, 10);
    REQUIRE(column >= 1 && column <= count + 1u && *end == ':');
    for (; *end != '\0'; end++) {
        REQUIRE(*end >= ' ' && *end <= '~');
    }
    REQUIRE(!hipti_places_parse(&again, input, count, cut, sizeof(cut)));
    REQUIRE(strncmp(cut, error, sizeof(cut) - 1u) == 0 && memchr(cut, 0, sizeof(cut)) != NULL);
    REQUIRE(!hipti_places_parse(&again, input, count, NULL, 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    /* A copy that ends where the input does, so that a byte beyond it is found. */
    char *input = malloc(count > 0 ? count : 1);
    char error[200];

    REQUIRE(input != NULL);
    if (count > 0) {
        memcpy(input, bytes, count);
    }
    memset(&places, 0xa5, sizeof(places));
    memset(error, 0xa5, sizeof(error));
    if (hipti_places_parse(&places, input, count, error, sizeof(error))) {
        REQUIRE(error[0] == '\0');
        run_understood();
    } else {
        REQUIRE(memchr(error, 0, sizeof(error)) != NULL);
        run_refused(input, count, error);
    }
    free(input);
    return 0;
}
