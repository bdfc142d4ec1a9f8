/* SPDX-License-Identifier: MIT */
#include "explore/model.h"

#include <stddef.h>

static struct model_page *page_of(struct model *model, const struct call *call)
{
    unsigned i;

    for (i = 0; i < model->npages; i++) {
        struct model_page *page = &model->page[i];

        if (page->is_live && page->asid == call->asid && page->size == call->size && page->vpn == call->vpn) {
            return page;
        }
    }
    return NULL;
}

/* The mapping of whatever size that covers a base page. */
static struct model_page *page_over(struct model *model, const struct call *call)
{
    unsigned i;

    for (i = 0; i < model->npages; i++) {
        struct model_page *page = &model->page[i];

        if (page->is_live && page->asid == call->asid && page->vpn == (page->size ? call->vpn & ~3u : call->vpn)) {
            return page;
        }
    }
    return NULL;
}

static bool overlaps(const struct model *model, const struct call *call)
{
    unsigned i;

    for (i = 0; i < model->npages; i++) {
        const struct model_page *page = &model->page[i];

        if (page->is_live && page->asid == call->asid && page->size != call->size && page->vpn / 4u == call->vpn / 4u) {
            return true;
        }
    }
    return false;
}

bool model_is(const struct model_page *page, const struct hipt_mapping *mapping)
{
    return page->pfn == mapping->pfn && page->prot == mapping->prot && page->marks == mapping->marks &&
           page->size == mapping->page.size && page->vpn == mapping->page.vpn;
}

/* => whether split, punch or collapse of the large page that is or covers this one may have been under way. */
static bool is_reshaped(const struct event *event)
{
    unsigned i;

    for (i = 0; i < world.nevents; i++) {
        const struct event *other = &world.events[i];

        if (verb_reshapes(other->call.verb) && other->call.asid == event->call.asid &&
            other->call.vpn / 4u == event->call.vpn / 4u && other->invoked < event->responded &&
            event->invoked < other->responded) {
            return true;
        }
    }
    return false;
}

/* => false: there are too many. */
static bool page_add(struct model *model, struct model_page page)
{
    unsigned i = 0;

    while (i < model->npages && model->page[i].is_live) {
        i++;
    }
    if (i == MODEL_PAGES) {
        return false;
    }
    model->npages += i == model->npages;
    page.is_live = true;
    page.life = ++model->lives;
    model->page[i] = page;
    model->was_used[page.pfn] = true;
    return true;
}

static bool step_map(struct model *model, const struct event *event)
{
    const struct call *call = &event->call;

    switch (event->status) {
    case HIPT_OK:
        break;
    case HIPT_EXISTS:
        return page_of(model, call) || (overlaps(model, call) && is_reshaped(event));
    case HIPT_OVERLAP:
        return overlaps(model, call) || (page_of(model, call) && is_reshaped(event));
    default:
        return event->status == HIPT_BUSY || event->status == HIPT_NOMEM || event->status == HIPT_FULL ||
               event->status == HIPT_BAD_ASID;
    }
    if (page_of(model, call) || overlaps(model, call)) {
        return false;
    }
    return page_add(model, (struct model_page){true, (uint8_t)call->asid, (uint8_t)call->size, (uint8_t)call->vpn,
                                               (uint8_t)call->pfn, HIPT_READ, 0, 0});
}

/* Split and punch: @end - @first small pages are left out. */
static bool step_split(struct model *model, const struct event *event, unsigned first, unsigned end)
{
    struct call call = event->call;
    struct model_page *page;
    struct model_page part;
    uint8_t i;

    call.vpn &= ~3u;
    page = page_of(model, &call);
    if (event->status != HIPT_OK) {
        return event->status == HIPT_ABSENT ? !page : event->status == HIPT_BUSY || event->status == HIPT_NOMEM;
    }
    if (!page || (event->call.verb == VERB_PUNCH && !model_is(page, &event->out))) {
        return false;
    }
    part = *page;
    page->is_live = false;
    part.size = 0;
    for (i = 0; i < 4u; i++, part.vpn++, part.pfn++) {
        model->was_used[part.pfn] = true;
        if (!(i >= first && i < end) && !page_add(model, part)) {
            return false;
        }
    }
    return true;
}

/* => whether the four are as a collapse wants them. */
static bool are_alike(struct model_page *const part[4])
{
    unsigned i;

    for (i = 1; i < 4u; i++) {
        if (part[i]->pfn != part[0]->pfn + i || part[i]->prot != part[0]->prot) {
            return false;
        }
    }
    return part[0]->pfn % 4u == 0;
}

/* The frames of the parts are in use by the large page, and no longer by themselves. */
static bool step_collapse(struct model *model, const struct event *event)
{
    struct call call = event->call;
    struct model_page *part[4];
    struct model_page page;
    unsigned nparts = 0;
    unsigned i;

    call.size = 0;
    for (i = 0; i < 4u; i++, call.vpn++) {
        part[i] = page_of(model, &call);
        nparts += part[i] != NULL;
    }
    if (event->status != HIPT_OK) {
        return event->status == HIPT_ABSENT   ? nparts < 4u
               : event->status == HIPT_UNLIKE ? nparts < 4u || !are_alike(part)
                                              : event->status == HIPT_BUSY || event->status == HIPT_NOMEM;
    }
    if (nparts < 4u || !are_alike(part)) {
        return false;
    }
    page = *part[0];
    page.size = 1;
    for (i = 0; i < 4u; i++) {
        page.marks |= part[i]->marks;
        part[i]->is_live = false;
        model->was_used[part[i]->pfn] = model->pins[part[i]->pfn] > 0;
    }
    return page_add(model, page);
}

/* Unmap, protect and remap: they need the mapping, and answer with what it was. */
static bool step_change(struct model *model, const struct event *event)
{
    struct model_page *page = page_of(model, &event->call);
    bool has_out = event->call.verb == VERB_UNMAP || event->call.verb == VERB_REMAP;

    if (event->status != HIPT_OK) {
        return event->status == HIPT_ABSENT ? !page
                                            : event->status == HIPT_BUSY || (event->call.verb == VERB_REMAP &&
                                                                             event->status == HIPT_NOMEM);
    }
    if (!page || (has_out && !model_is(page, &event->out))) {
        return false;
    }
    if (event->call.verb == VERB_UNMAP) {
        page->is_live = false;
        return true;
    }
    page->prot = event->call.verb == VERB_NARROW ? HIPT_READ : HIPT_READ | HIPT_WRITE;
    if (event->call.verb == VERB_REMAP) {
        page->pfn = (uint8_t)event->call.pfn;
        model->was_used[page->pfn] = true;
        page->marks = 0;
    }
    return true;
}

static bool step_lookup(struct model *model, const struct event *events, const struct event *event)
{
    struct model_page *page = page_over(model, &event->call);

    if (event->status != HIPT_OK) {
        return event->status == HIPT_ABSENT && !page;
    }
    if (!page || !model_is(page, &event->out)) {
        return false;
    }
    model->found[event - events] = page->life;
    return true;
}

/* Mark and clean hit the mapping that was looked up, with the same frame and protection, or answer HIPT_CHANGED. */
static bool step_update(struct model *model, const struct event *events, const struct event *event)
{
    const struct event *before = &events[event->looked_up];
    struct model_page *page = page_over(model, &event->call);

    if (event->status != HIPT_OK) {
        return event->status == HIPT_CHANGED;
    }
    if (!page || page->life != model->found[event->looked_up] || page->pfn != before->out.pfn ||
        page->prot != before->out.prot) {
        return false;
    }
    if (event->call.verb == VERB_MARK) {
        page->marks |= HIPT_DIRTY;
        return true;
    }
    if (event->out.marks != page->marks) {
        return false;
    }
    page->marks = (uint8_t)(page->marks & ~HIPT_DIRTY);
    return true;
}

/* An access of the setup: the CPU marks what it uses. */
static bool step_access(struct model *model, const struct event *event)
{
    struct model_page *page = page_over(model, &event->call);

    if (page) {
        page->marks |= event->call.verb == VERB_WRITE ? HIPT_ACCESSED | HIPT_DIRTY : HIPT_ACCESSED;
    }
    return page != NULL;
}

static bool step_pins(struct model *model, const struct event *event)
{
    uint8_t *pins = &model->pins[event->call.pfn];

    if (event->call.verb == VERB_PIN) {
        *pins = (uint8_t)(*pins + (event->status == HIPT_OK));
        model->was_used[event->call.pfn] |= event->status == HIPT_OK;
        return true;
    }
    if (event->status != HIPT_OK) {
        return event->status != HIPT_ABSENT || *pins == 0;
    }
    return (*pins)-- > 0;
}

static bool step_reap(struct model *model, const struct event *event)
{
    size_t i;

    for (i = 0; i < event->nframes; i++) {
        model->was_used[event->frames[i].pfn] = false;
    }
    return true;
}

bool model_step(struct model *model, const struct event *events, const struct event *event)
{
    unsigned first = event->call.vpn & 3u;

    switch (event->call.verb) {
    case VERB_MAP:
        return step_map(model, event);
    case VERB_UNMAP:
    case VERB_PROTECT:
    case VERB_NARROW:
    case VERB_REMAP:
        return step_change(model, event);
    case VERB_LOOKUP:
        return step_lookup(model, events, event);
    case VERB_MARK:
    case VERB_CLEAN:
        return step_update(model, events, event);
    case VERB_READ:
    case VERB_WRITE:
        return step_access(model, event);
    case VERB_PIN:
    case VERB_UNPIN:
        return step_pins(model, event);
    case VERB_REAP:
        return step_reap(model, event);
    case VERB_SPLIT:
        return step_split(model, event, 0, 0);
    case VERB_PUNCH:
        return step_split(model, event, first, first + event->call.pfn);
    case VERB_COLLAPSE:
        return step_collapse(model, event);
    case VERB_RESIZE: /* nothing that is mapped changes */
        return event->status == HIPT_OK || event->status == HIPT_PENDING || event->status == HIPT_BUSY;
    default:
        return true;
    }
}
