/* SPDX-License-Identifier: MIT */
/*
 * Everything here is a search from the first entry to the last. The only state that is not the mappings themselves is
 * what cannot be derived from them: pins, which frames wait in limbo, and the lives of asids.
 */
#include "model.h"

#include <stdio.h>
#include <stdlib.h>

/* Not assert(): a build without it would test less and say nothing. */
#define REQUIRE(condition)                                                                                             \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                            \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

#define PROT_ALL (HIPT_READ | HIPT_WRITE | HIPT_EXEC | HIPT_USER)
#define MARKS_ALL (HIPT_ACCESSED | HIPT_DIRTY)

struct model_frame {
    uint32_t mappings;
    uint32_t pins;
    bool limbo;
};

struct model_range {
    struct hipt_range range;
    struct model_frame *frames;
};

struct model_space {
    struct model_entry *entries;
    size_t count, room;
    uint32_t generation; /* of the last life that was issued */
    bool live;
};

struct model {
    unsigned asid_bits, va_bits, nsizes;
    unsigned page_shift[HIPT_SIZES_MAX];
    struct model_space *spaces;
    struct model_range *ranges;
    size_t nranges, count, limbo;
    uint64_t lives;
};

void model_destroy(struct model *model)
{
    if (model == NULL) {
        return;
    }
    for (size_t i = 0; model->spaces != NULL && i < (size_t)1 << model->asid_bits; i++) {
        free(model->spaces[i].entries);
    }
    for (size_t i = 0; model->ranges != NULL && i < model->nranges; i++) {
        free(model->ranges[i].frames);
    }
    free(model->spaces);
    free(model->ranges);
    free(model);
}

static bool ranges_copy(struct model *model, const struct hipt_config *config)
{
    model->ranges = calloc(config->nranges, sizeof(*model->ranges));
    if (model->ranges == NULL) {
        return false;
    }
    model->nranges = config->nranges;
    for (size_t i = 0; i < config->nranges; i++) {
        model->ranges[i].range = config->ranges[i];
        model->ranges[i].frames = calloc(config->ranges[i].count, sizeof(struct model_frame));
        if (model->ranges[i].frames == NULL) {
            return false;
        }
    }
    return true;
}

struct model *model_create(const struct hipt_config *config)
{
    struct model *model = calloc(1, sizeof(*model));
    if (model == NULL) {
        return NULL;
    }
    model->asid_bits = config->asid_bits;
    model->va_bits = config->va_bits;
    model->nsizes = config->nsizes;
    for (unsigned i = 0; i < config->nsizes; i++) {
        model->page_shift[i] = config->page_shift[i];
    }
    model->spaces = calloc((size_t)1 << config->asid_bits, sizeof(*model->spaces));
    if (model->spaces == NULL || !ranges_copy(model, config)) {
        model_destroy(model);
        return NULL;
    }
    return model;
}

/* How many base pages a page of a size class has. => 1 for a class that does not exist. */
static uint64_t base_pages(const struct model *model, uint32_t size)
{
    return size < model->nsizes ? (uint64_t)1 << (model->page_shift[size] - model->page_shift[0]) : 1;
}

static uint64_t vpn_end(const struct model *model)
{
    return (uint64_t)1 << (model->va_bits - model->page_shift[0]);
}

static struct model_frame *frame_of(const struct model *model, uint64_t pfn, bool swap)
{
    for (size_t i = 0; i < model->nranges; i++) {
        const struct hipt_range *range = &model->ranges[i].range;
        if (range->swap == swap && pfn >= range->first && pfn - range->first < range->count) {
            return &model->ranges[i].frames[pfn - range->first];
        }
    }
    return NULL;
}

/* Whether @count frames from @pfn on lie in one range. */
static bool frames_exist(const struct model *model, uint64_t pfn, uint64_t count, bool swap)
{
    for (size_t i = 0; i < model->nranges; i++) {
        const struct hipt_range *range = &model->ranges[i].range;
        if (range->swap == swap && pfn >= range->first && pfn - range->first < range->count) {
            return count <= range->count - (pfn - range->first);
        }
    }
    return false;
}

static bool asid_is_live(const struct model *model, uint32_t asid)
{
    return asid < (uint64_t)1 << model->asid_bits && model->spaces[asid].live;
}

/* => the set of errors that the numbers alone demand, empty if none. The asid may be one that is not allocated. */
static model_set page_errors(const struct model *model, const struct hipt_page *page, uint64_t npages)
{
    model_set set = 0;
    uint64_t base = base_pages(model, page->size), end = vpn_end(model);
    if (page->asid >= (uint64_t)1 << model->asid_bits) {
        set |= model_bit(HIPT_BAD_ASID);
    }
    if (page->size >= model->nsizes) {
        set |= model_bit(HIPT_BAD_SIZE);
    }
    if (page->vpn >= end || npages > (end - page->vpn) / base) {
        set |= model_bit(HIPT_BAD_VPN);
    }
    if (page->vpn % base != 0) {
        set |= model_bit(HIPT_UNALIGNED);
    }
    return set;
}

static model_set prot_errors(uint8_t prot)
{
    bool any = (prot & (HIPT_READ | HIPT_WRITE | HIPT_EXEC)) != 0;
    return any && (prot & ~PROT_ALL) == 0 ? 0 : model_bit(HIPT_BAD_PROT);
}

static model_set mapping_errors(const struct model *model, const struct hipt_mapping *mapping, uint64_t npages)
{
    uint64_t base = base_pages(model, mapping->page.size);
    model_set set = page_errors(model, &mapping->page, npages) | prot_errors(mapping->prot);
    if (!frames_exist(model, mapping->pfn, base * npages, mapping->swap)) {
        set |= model_bit(HIPT_BAD_PFN);
    }
    if (mapping->pfn % base != 0) {
        set |= model_bit(HIPT_UNALIGNED);
    }
    if (mapping->attr > HIPT_ATTR_MAX || (mapping->marks & ~MARKS_ALL) != 0) {
        set |= model_bit(HIPT_BAD_ATTR);
    }
    return set;
}

static model_set or_ok(model_set errors)
{
    return errors != 0 ? errors : model_bit(HIPT_OK);
}

model_set model_map_range_input(const struct model *model, const struct hipt_mapping *mapping, uint64_t npages)
{
    return or_ok(mapping_errors(model, mapping, npages));
}

model_set model_page_range_input(const struct model *model, const struct hipt_page *page, uint64_t npages)
{
    return or_ok(page_errors(model, page, npages));
}

model_set model_prot_input(uint8_t prot)
{
    return or_ok(prot_errors(prot));
}

static model_set dead_asid(const struct model *model, uint32_t asid)
{
    return asid_is_live(model, asid) ? 0 : model_bit(HIPT_BAD_ASID);
}

static bool pages_meet(const struct model *model, const struct hipt_page *a, const struct hipt_page *b)
{
    return a->vpn < b->vpn + base_pages(model, b->size) && b->vpn < a->vpn + base_pages(model, a->size);
}

static struct model_entry *find(const struct model *model, const struct hipt_page *page)
{
    const struct model_space *space = &model->spaces[page->asid];
    for (size_t i = 0; i < space->count; i++) {
        const struct hipt_page *other = &space->entries[i].mapping.page;
        if (other->vpn == page->vpn && other->size == page->size) {
            return &space->entries[i];
        }
    }
    return NULL;
}

const struct model_entry *model_find(const struct model *model, const struct hipt_page *page)
{
    return find(model, page);
}

/*
 * => HIPT_EXISTS if the page itself is mapped, HIPT_OVERLAP if another one shares an address with it: never both, as
 * no two entries of a space meet.
 */
static model_set collisions(const struct model *model, const struct hipt_page *page)
{
    const struct model_space *space = &model->spaces[page->asid];
    for (size_t i = 0; i < space->count; i++) {
        const struct hipt_page *other = &space->entries[i].mapping.page;
        if (pages_meet(model, page, other)) {
            return model_bit(other->size == page->size ? HIPT_EXISTS : HIPT_OVERLAP);
        }
    }
    return 0;
}

model_set model_map_legal(const struct model *model, const struct hipt_mapping *mapping)
{
    model_set bad = mapping_errors(model, mapping, 1);
    if (bad != 0) {
        return bad;
    }
    model_set set = collisions(model, &mapping->page) | dead_asid(model, mapping->page.asid);
    if (frame_of(model, mapping->pfn, mapping->swap)->limbo) {
        set |= model_bit(HIPT_BUSY);
    }
    return or_ok(set);
}

/* Two conditions hold for every page of an asid that is not allocated: the asid is bad, and nothing is mapped there. */
static model_set absence(const struct model *model, const struct hipt_page *page)
{
    return find(model, page) != NULL ? 0 : model_bit(HIPT_ABSENT) | dead_asid(model, page->asid);
}

model_set model_unmap_legal(const struct model *model, const struct hipt_page *page)
{
    model_set bad = page_errors(model, page, 1);
    return bad != 0 ? bad : or_ok(absence(model, page));
}

model_set model_protect_legal(const struct model *model, const struct hipt_page *page, uint8_t prot)
{
    model_set bad = page_errors(model, page, 1) | prot_errors(prot);
    return bad != 0 ? bad : or_ok(absence(model, page));
}

model_set model_remap_legal(const struct model *model, const struct hipt_mapping *mapping)
{
    model_set set = mapping_errors(model, mapping, 1);
    if (set != 0) {
        return set;
    }
    set |= absence(model, &mapping->page);
    if (frame_of(model, mapping->pfn, mapping->swap)->limbo) {
        set |= model_bit(HIPT_BUSY);
    }
    return or_ok(set);
}

model_set model_mark_legal(const struct model *model, const struct model_entry *read, uint8_t marks)
{
    model_set set = (marks & ~MARKS_ALL) != 0 ? model_bit(HIPT_BAD_ATTR) : 0;
    const struct hipt_mapping *then = &read->mapping;
    const struct model_entry *now = find(model, &then->page);
    if (now == NULL || now->life != read->life || now->mapping.pfn != then->pfn || now->mapping.swap != then->swap ||
        now->mapping.prot != then->prot || now->mapping.attr != then->attr) {
        set |= model_bit(HIPT_CHANGED);
    }
    return or_ok(set);
}

static void frame_take(struct model *model, const struct hipt_mapping *mapping)
{
    frame_of(model, mapping->pfn, mapping->swap)->mappings++;
}

static void frame_settle(struct model *model, struct model_frame *frame)
{
    if (frame->mappings == 0 && frame->pins == 0) {
        frame->limbo = true;
        model->limbo++;
    }
}

static void frame_give(struct model *model, const struct hipt_mapping *mapping)
{
    struct model_frame *frame = frame_of(model, mapping->pfn, mapping->swap);
    frame->mappings--;
    frame_settle(model, frame);
}

void model_map(struct model *model, const struct hipt_mapping *mapping)
{
    struct model_space *space = &model->spaces[mapping->page.asid];
    if (space->count == space->room) {
        space->room = space->room == 0 ? 64 : space->room * 2;
        space->entries = realloc(space->entries, space->room * sizeof(*space->entries));
        REQUIRE(space->entries != NULL);
    }
    space->entries[space->count++] = (struct model_entry){.mapping = *mapping, .life = ++model->lives};
    frame_take(model, mapping);
    model->count++;
}

void model_unmap(struct model *model, const struct hipt_page *page, struct hipt_mapping *out)
{
    struct model_space *space = &model->spaces[page->asid];
    struct model_entry *entry = find(model, page);
    REQUIRE(entry != NULL);
    *out = entry->mapping;
    *entry = space->entries[--space->count];
    frame_give(model, out);
    model->count--;
}

void model_protect(struct model *model, const struct hipt_page *page, uint8_t prot)
{
    struct model_entry *entry = find(model, page);
    REQUIRE(entry != NULL);
    entry->mapping.prot = prot;
}

/* The new frame is taken before the old one is given back: a remap to the same frame never leaves it unmapped. */
void model_remap(struct model *model, const struct hipt_mapping *mapping, struct hipt_mapping *out)
{
    struct model_entry *entry = find(model, &mapping->page);
    REQUIRE(entry != NULL);
    *out = entry->mapping;
    frame_take(model, mapping);
    frame_give(model, out);
    entry->mapping = *mapping;
}

void model_mark(struct model *model, const struct hipt_page *page, uint8_t set, uint8_t clear)
{
    struct model_entry *entry = find(model, page);
    REQUIRE(entry != NULL);
    entry->mapping.marks = (uint8_t)((entry->mapping.marks | set) & ~clear);
}

model_set model_pin_legal(const struct model *model, struct hipt_frame frame)
{
    const struct model_frame *record = frame_of(model, frame.pfn, frame.swap);
    if (record == NULL) {
        return model_bit(HIPT_BAD_PFN);
    }
    if (record->limbo) {
        return model_bit(HIPT_BUSY);
    }
    return model_bit(record->pins < HIPT_PINS_MAX ? HIPT_OK : HIPT_FULL);
}

model_set model_unpin_legal(const struct model *model, struct hipt_frame frame)
{
    const struct model_frame *record = frame_of(model, frame.pfn, frame.swap);
    if (record == NULL) {
        return model_bit(HIPT_BAD_PFN);
    }
    return model_bit(record->pins != 0 ? HIPT_OK : HIPT_ABSENT);
}

void model_pin(struct model *model, struct hipt_frame frame)
{
    frame_of(model, frame.pfn, frame.swap)->pins++;
}

void model_unpin(struct model *model, struct hipt_frame frame)
{
    struct model_frame *record = frame_of(model, frame.pfn, frame.swap);
    record->pins--;
    frame_settle(model, record);
}

bool model_reap(struct model *model, struct hipt_frame frame)
{
    struct model_frame *record = frame_of(model, frame.pfn, frame.swap);
    if (record == NULL || !record->limbo) {
        return false;
    }
    record->limbo = false;
    model->limbo--;
    return true;
}

/* A number that was never issued must be had; one that was retired may still wait for its grace period. */
model_set model_asid_alloc_legal(const struct model *model)
{
    model_set set = 0;
    for (size_t i = 0; i < (size_t)1 << model->asid_bits; i++) {
        if (!model->spaces[i].live) {
            set |= model_bit(HIPT_OK);
            if (model->spaces[i].generation == 0) {
                return set;
            }
        }
    }
    return set | model_bit(HIPT_NO_ASID);
}

bool model_asid_alloc(struct model *model, struct hipt_asid asid)
{
    if (asid.number >= (uint64_t)1 << model->asid_bits) {
        return false;
    }
    struct model_space *space = &model->spaces[asid.number];
    if (space->live || asid.generation != space->generation + 1) {
        return false;
    }
    space->live = true;
    space->generation = asid.generation;
    return true;
}

model_set model_asid_retire_legal(const struct model *model, struct hipt_asid asid)
{
    bool ok = asid_is_live(model, asid.number) && model->spaces[asid.number].generation == asid.generation;
    return model_bit(ok ? HIPT_OK : HIPT_BAD_ASID);
}

uint64_t model_asid_retire(struct model *model, struct hipt_asid asid)
{
    struct model_space *space = &model->spaces[asid.number];
    uint64_t pages = space->count;
    for (size_t i = 0; i < space->count; i++) {
        frame_give(model, &space->entries[i].mapping);
    }
    model->count -= space->count;
    space->count = 0;
    space->live = false;
    return pages;
}

enum hipt_status model_lookup(const struct model *model, uint32_t asid, uint64_t vpn, struct model_entry *out)
{
    if (asid >= (uint64_t)1 << model->asid_bits) {
        return HIPT_BAD_ASID;
    }
    if (vpn >= vpn_end(model)) {
        return HIPT_BAD_VPN;
    }
    const struct model_space *space = &model->spaces[asid];
    for (size_t i = 0; i < space->count; i++) {
        const struct hipt_page *page = &space->entries[i].mapping.page;
        if (vpn >= page->vpn && vpn - page->vpn < base_pages(model, page->size)) {
            *out = space->entries[i];
            return HIPT_OK;
        }
    }
    return HIPT_ABSENT;
}

enum hipt_status model_frame(const struct model *model, struct hipt_frame frame, struct hipt_frame_status *status)
{
    const struct model_frame *record = frame_of(model, frame.pfn, frame.swap);
    if (record == NULL) {
        return HIPT_BAD_PFN;
    }
    *status = (struct hipt_frame_status){.mappings = record->mappings, .pins = record->pins};
    if (record->mappings != 0) {
        status->state = HIPT_FRAME_MAPPED;
    } else if (record->pins != 0) {
        status->state = HIPT_FRAME_OWNED;
    } else {
        status->state = record->limbo ? HIPT_FRAME_LIMBO : HIPT_FRAME_FREE;
    }
    return HIPT_OK;
}

size_t model_count(const struct model *model)
{
    return model->count;
}

size_t model_asid_count(const struct model *model, uint32_t asid)
{
    return model->spaces[asid].count;
}

const struct model_entry *model_asid_entry(const struct model *model, uint32_t asid, size_t index)
{
    return &model->spaces[asid].entries[index];
}

size_t model_limbo(const struct model *model)
{
    return model->limbo;
}

bool model_asid_is_live(const struct model *model, uint32_t asid, uint32_t *generation)
{
    *generation = model->spaces[asid].generation;
    return model->spaces[asid].live;
}
