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

static bool step_map(struct model *model, const struct event *event)
{
    const struct call *call = &event->call;
    unsigned i = 0;

    switch (event->status) {
    case HIPT_OK:
        break;
    case HIPT_EXISTS:
        return page_of(model, call) != NULL;
    case HIPT_OVERLAP:
        return overlaps(model, call);
    default:
        return event->status == HIPT_BUSY || event->status == HIPT_NOMEM || event->status == HIPT_FULL ||
               event->status == HIPT_BAD_ASID;
    }
    if (page_of(model, call) || overlaps(model, call)) {
        return false;
    }
    while (i < model->npages && model->page[i].is_live) {
        i++;
    }
    if (i == MODEL_PAGES) {
        return false;
    }
    model->npages += i == model->npages;
    model->page[i] = (struct model_page){true, (uint8_t)call->asid, (uint8_t)call->size, (uint8_t)call->vpn,
                                         (uint8_t)call->pfn, HIPT_READ, 0, ++model->lives};
    return true;
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
        return true;
    }
    if (event->status != HIPT_OK) {
        return event->status != HIPT_ABSENT || *pins == 0;
    }
    return (*pins)-- > 0;
}

bool model_step(struct model *model, const struct event *events, const struct event *event)
{
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
    default:
        return true;
    }
}
