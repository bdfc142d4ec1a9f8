/* SPDX-License-Identifier: MIT */
/*
 * A configuration, whatever is in it. hipt_config_check() says the same whatever room its text has, the text ends and
 * is there where there is something to say; hipt_table_create() says the same as the check, or that memory is short
 * where the host refused some; what was accepted holds mappings. Then the arithmetic, for any width and number of
 * buckets: what is packed, mixed and placed comes back.
 *
 * Half of the inputs are an arithmetic's, half a configuration's: byte 0 tells.
 */
#define _POSIX_C_SOURCE 200809L

#include <string.h>

#include <hipt/hipt.h>

#include "bytes.h"
#include "map/table.h"
#include "model/host.h"

#define TEXT_MAX 200u
#define RANGES_MAX 4u

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

/* The model's host, with little memory. */
struct small_host {
    struct host host; /* first: the hooks get its address */
    void *(*alloc)(void *ctx, size_t bytes, size_t align, int node, bool may_wait);
    size_t memory;
    bool has_refused;
    bool was_called;
};

static void *small_alloc(void *ctx, size_t bytes, size_t align, int node, bool may_wait)
{
    struct small_host *small = ctx;

    small->was_called = true;
    if (bytes > small->memory || small->host.bytes > small->memory - bytes) {
        small->has_refused = true;
        return NULL;
    }
    return small->alloc(ctx, bytes, align, node, may_wait);
}

static bool no_random(void *ctx, void *buffer, size_t bytes)
{
    struct small_host *small = ctx;

    (void)buffer;
    (void)bytes;
    small->has_refused = true;
    return false;
}

static void small_start(struct small_host *small, struct bytes *bytes)
{
    /* Enough for most, too little for some; what a table of megabytes takes to be checked shows nothing more. */
    static const unsigned shifts[13] = {12, 13, 14, 15, 16, 16, 17, 17, 17, 17, 17, 18, 18};
    unsigned missing = bytes_next(bytes); /* 0 to 127: nothing is */

    memset(small, 0, sizeof(*small));
    host_init(&small->host, 1);
    small->alloc = small->host.ops.alloc;
    small->host.ops.alloc = missing == 128u ? NULL : small_alloc;
    small->memory = (size_t)1 << shifts[bytes_below(bytes, 13)];
    small->host.ops.block_max = bytes_below(bytes, 4) ? 0 : (size_t)1 << bytes_below(bytes, 64);
    if (missing > 128u) {
        struct hipt_ops *ops = &small->host.ops;

        ops->free = missing & 1u ? NULL : ops->free;
        ops->read_enter = missing & 2u ? NULL : ops->read_enter;
        ops->read_exit = missing & 4u ? NULL : ops->read_exit;
        ops->gp_start = missing & 8u ? NULL : ops->gp_start;
        ops->gp_elapsed = missing & 16u ? NULL : ops->gp_elapsed;
        ops->random = missing & 32u ? NULL : no_random;
        ops->size = missing & 64u ? bytes_below(bytes, sizeof(*ops) + 1u) : ops->size;
    }
}

/* A number near a power of two, small more often than not, or any number at all. */
static uint64_t any_number(struct bytes *bytes)
{
    unsigned choice = bytes_next(bytes);

    if (choice < 128u) {
        return choice;
    }
    return choice < 248u ? (UINT64_C(1) << (choice & 63u)) + bytes_next(bytes) - 128u : bytes_word(bytes);
}

static void config_fill(struct hipt_config *config, struct hipt_range ranges[RANGES_MAX], struct bytes *bytes)
{
    hipt_config_init(config);
    config->asid_bits = (unsigned)any_number(bytes);
    config->va_bits = (unsigned)any_number(bytes);
    config->nsizes = (unsigned)any_number(bytes);
    for (unsigned i = 0; i < HIPT_SIZES_MAX; i++) {
        config->page_shift[i] = (unsigned)any_number(bytes);
    }
    config->capacity = any_number(bytes);
    config->buckets = any_number(bytes);
    config->version_bits = (unsigned)any_number(bytes);
    config->sequence_bits = (unsigned)any_number(bytes);
    config->nranges = bytes_below(bytes, RANGES_MAX + 1u);
    for (size_t i = 0; i < config->nranges; i++) {
        ranges[i] = (struct hipt_range){any_number(bytes), any_number(bytes), bytes_below(bytes, 2) != 0};
    }
    config->ranges = ranges;
    config->capacity_max = any_number(bytes);
    config->resize = bytes_below(bytes, 5);
}

/* => what the check says, in whatever room. Each text has a block of its own size: a sanitizer sees its end. */
static enum hipt_status check(const struct hipt_config *config, size_t room)
{
    char whole[TEXT_MAX];
    enum hipt_status status = hipt_config_check(config, whole, sizeof(whole));
    char *text = malloc(room);

    REQUIRE(text != NULL);
    memset(text, 'x', room);
    memset(whole + strlen(whole) + 1u, 0, sizeof(whole) - strlen(whole) - 1u);
    REQUIRE((unsigned)status < HIPT_STATUS_COUNT && strlen(whole) < sizeof(whole) - 1u);
    REQUIRE((status == HIPT_OK) == (whole[0] == '\0'));
    REQUIRE(hipt_config_check(config, NULL, 0) == status);
    REQUIRE(hipt_config_check(config, text, room) == status);
    REQUIRE(strnlen(text, room) == (strlen(whole) < room ? strlen(whole) : room - 1u));
    REQUIRE(memcmp(text, whole, strlen(text)) == 0);
    free(text);
    return status;
}

/* --- A table that was accepted ------------------------------------------------------------------------------------ */

/* A key with the table's split, and where the table puts it. */
static void check_place(const struct hipt_table *table, const struct hipt_page *page)
{
    uint64_t key = hipti_key_pack(&table->split, page->asid, page->size, page->vpn);
    const struct hipti_array *array = hipti_buckets_now(&table->buckets, 0);
    uint64_t mixed = hipti_hash_mix(&array->hash, key);
    struct hipti_place place = hipti_quotient_place(&array->quotient, mixed);
    struct hipt_page back = hipti_key_unpack(&table->split, key);

    REQUIRE(back.asid == page->asid && back.size == page->size && back.vpn == page->vpn);
    REQUIRE(place.bucket < array->quotient.buckets);
    REQUIRE(hipti_hash_unmix(&array->hash, mixed) == key);
    place.rest &= ~hipti_mask(16);
    REQUIRE(hipti_quotient_mixed(&array->quotient, array->hash.width, place) == mixed);
}

/* => whether a mapping is to be had here: what is refused for want of memory or of an aligned frame is not. */
static bool map_one(struct small_host *small, struct hipt_table *table, const struct hipt_mapping *mapping)
{
    char text[TEXT_MAX];
    enum hipt_status numbers = hipt_mapping_explain(table, mapping, 1, text, sizeof(text));
    enum hipt_status status = hipt_map(table, mapping);

    REQUIRE((numbers == HIPT_OK) == (text[0] == '\0'));
    REQUIRE(numbers == HIPT_OK || status == numbers);
    REQUIRE(status != HIPT_NOMEM || small->has_refused);
    REQUIRE(status == HIPT_OK || status == HIPT_NOMEM || status == HIPT_BUSY || numbers != HIPT_OK);
    return status == HIPT_OK;
}

static void use_page(struct small_host *small, struct hipt_table *table, const struct hipt_mapping *mapping)
{
    struct hipt_translation found;
    struct hipt_mapping out;
    struct hipt_mapping reversed;
    size_t count;

    check_place(table, &mapping->page);
    if (!map_one(small, table, mapping)) {
        return;
    }
    REQUIRE(hipt_map(table, mapping) == HIPT_EXISTS);
    REQUIRE(hipt_lookup(table, mapping->page.asid, mapping->page.vpn, &found) == HIPT_OK);
    REQUIRE(found.mapping.pfn == mapping->pfn && found.mapping.page.vpn == mapping->page.vpn);
    REQUIRE(hipt_reverse(table, (struct hipt_frame){mapping->pfn, mapping->swap}, &reversed, 1, &count) == HIPT_OK);
    REQUIRE(count == 1 && reversed.page.vpn == mapping->page.vpn && reversed.page.asid == mapping->page.asid);
    REQUIRE(hipt_unmap(table, &mapping->page, &out) == HIPT_OK);
    REQUIRE(out.pfn == mapping->pfn);
    REQUIRE(hipt_lookup(table, mapping->page.asid, mapping->page.vpn, &found) == HIPT_ABSENT);
}

/* Into any other number of buckets: the table stays as good as it was. */
static void resize_table(struct small_host *small, struct hipt_table *table, struct bytes *bytes)
{
    uint64_t capacity = any_number(bytes);
    enum hipt_status status = hipt_resize(table, capacity, bytes_below(bytes, 2) != 0);

    REQUIRE(status == HIPT_OK || (status == HIPT_MANY_BUCKETS && capacity > 0) ||
            (status == HIPT_NOMEM && small->has_refused));
    (void)hipt_resize_help(table, bytes_below(bytes, 64) + 1u);
}

static void use_table(struct small_host *small, struct hipt_table *table, const struct hipt_config *config,
                      struct bytes *bytes)
{
    struct hipt_asid asid;
    char text[TEXT_MAX];
    enum hipt_status status = hipt_asid_alloc(table, &asid);

    REQUIRE(status == HIPT_OK || (status == HIPT_NOMEM && small->has_refused));
    for (unsigned i = 0; i < 8u && status == HIPT_OK; i++) {
        const struct hipt_range *range = &config->ranges[bytes_below(bytes, (unsigned)config->nranges)];
        uint32_t size = bytes_below(bytes, config->nsizes);
        struct hipt_mapping mapping = {.page = {asid.number, size, bytes_word(bytes)}, .prot = HIPT_READ};

        mapping.page.vpn = hipti_vpn_first(&table->split, size, mapping.page.vpn & table->split.last_vpn);
        mapping.pfn = hipti_vpn_first(&table->split, size, range->first + any_number(bytes) % range->count);
        mapping.swap = range->swap;
        use_page(small, table, &mapping);
        if (i == 3u) {
            resize_table(small, table, bytes);
        }
    }
    REQUIRE(hipt_table_is_valid(table, text, sizeof(text)));
}

static void run_configuration(struct bytes *bytes)
{
    struct small_host small;
    struct hipt_range ranges[RANGES_MAX];
    struct hipt_config config;
    struct hipt_table *table = NULL;
    enum hipt_status status, created;
    size_t room = bytes_next(bytes) + 1u;

    small_start(&small, bytes);
    config_fill(&config, ranges, bytes);
    config.ops = &small.host.ops;
    status = check(&config, room);
    REQUIRE(!small.was_called);
    created = hipt_table_create(&config, &table);
    REQUIRE(created == status || (status == HIPT_OK && created == HIPT_NOMEM && small.has_refused));
    REQUIRE((created == HIPT_OK) == (table != NULL));
    REQUIRE(status == HIPT_OK || !small.was_called);
    if (created == HIPT_OK) {
        use_table(&small, table, &config, bytes);
        hipt_table_destroy(table);
    }
    REQUIRE(small.host.bytes == 0 && small.host.depth == 0);
}

/* --- Arithmetic for widths and buckets that no table of this size of memory has ----------------------------------- */

static void run_arithmetic(struct bytes *bytes)
{
    unsigned width = bytes_below(bytes, 64) + 1u;
    uint64_t least = hipti_quotient_least(width);
    uint64_t buckets = least + any_number(bytes) % (HIPTI_BUCKETS_MAX - least + 1u);
    uint64_t secret[4] = {bytes_word(bytes), bytes_word(bytes), bytes_word(bytes), bytes_word(bytes)};
    struct hipti_quotient quotient;
    struct hipti_place last = {0, 0};
    struct hipti_hash hash;

    hipti_hash_init(&hash, width, secret);
    hipti_quotient_init(&quotient, buckets);
    for (unsigned i = 0; i < 4u; i++) {
        uint64_t key = bytes_word(bytes) << (64u - width);
        uint64_t mixed = hipti_hash_mix(&hash, key);
        struct hipti_place place = hipti_quotient_place(&quotient, mixed);
        struct hipti_place next = hipti_quotient_place(&quotient, mixed + (UINT64_C(1) << (64u - hash.width)));

        REQUIRE((mixed & hipti_mask(64u - hash.width)) == 0);
        REQUIRE(hipti_hash_unmix(&hash, mixed) == key);
        REQUIRE(place.bucket < buckets);
        place.rest &= ~hipti_mask(16);
        next.rest &= ~hipti_mask(16);
        REQUIRE(hipti_quotient_mixed(&quotient, hash.width, place) == mixed);
        /* Its neighbour, the nearest there is, has another place. */
        REQUIRE(place.bucket != next.bucket || place.rest != next.rest);
        last = place;
    }
    REQUIRE(((uint64_t)hipti_place_hi(last) << 48 | (uint64_t)hipti_place_lo(last) << 16) == last.rest);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    struct bytes choices = {bytes, count};

    if (bytes_next(&choices) & 1u) {
        run_arithmetic(&choices);
    } else {
        run_configuration(&choices);
    }
    return 0;
}
