/* SPDX-License-Identifier: MIT */
/*
 * The rules, for the running thread's view V and a location x:
 *
 *   load      takes a message of x with stamp >= V[x]; V[x] becomes its stamp; acquire: V joins its released view
 *   store     adds a message with the next stamp; release: its released view is V
 *   rmw       as a load of the newest message, then a store; its released view also has that of the message it read,
 *             which is how a release sequence goes on
 *   failed    compare and swap is a relaxed load of a message whose value is another than the expected one
 *   seq_cst   also: S[x], common to all, is the newest message of x that a seq_cst access wrote; a seq_cst load takes
 *             none older
 */
#include "sim/weak.h"

#include "sim/hash.h"

#define NO_VIEW 0u
#define ZEROED 1u /* the stamp of the zeroes of a fresh range */

/* Kinds of names and messages, to be hashed with. */
enum { CLOCKS = 1, RANGES, LOCATIONS, STORES, MODIFICATIONS };

static uint64_t memory_get(const volatile void *p, unsigned bytes)
{
    switch (bytes) {
    case 1:
        return *(const volatile uint8_t *)p;
    case 2:
        return *(const volatile uint16_t *)p;
    case 4:
        return *(const volatile uint32_t *)p;
    default:
        return *(const volatile uint64_t *)p;
    }
}

static void memory_set(volatile void *p, unsigned bytes, uint64_t value)
{
    switch (bytes) {
    case 1:
        *(volatile uint8_t *)p = (uint8_t)value;
        break;
    case 2:
        *(volatile uint16_t *)p = (uint16_t)value;
        break;
    case 4:
        *(volatile uint32_t *)p = (uint32_t)value;
        break;
    default:
        *(volatile uint64_t *)p = value;
        break;
    }
}

static uint64_t value_cut(uint64_t value, unsigned bytes)
{
    return bytes == 8u ? value : value & ((UINT64_C(1) << (bytes * 8u)) - 1u);
}

static unsigned view_get(const struct hipti_weak_view *view, unsigned location)
{
    return location < view->n ? view->at[location] : 0;
}

static void view_raise(const struct hipti_weak *weak, struct hipti_weak_view *view, unsigned location, unsigned stamp)
{
    while (view->n <= location) {
        view->at[view->n++] = 0;
    }
    if (view->at[location] < stamp) {
        view->hash += weak->name[location] * (stamp - view->at[location]);
        view->at[location] = (uint16_t)stamp;
    }
}

static void view_join(const struct hipti_weak *weak, struct hipti_weak_view *view, const struct hipti_weak_view *other)
{
    unsigned common = view->n < other->n ? view->n : other->n;
    uint64_t hash = view->hash;
    unsigned i;

    for (i = 0; i < common; i++) {
        uint16_t newer = view->at[i] > other->at[i] ? view->at[i] : other->at[i];

        hash += weak->name[i] * (uint64_t)(newer - view->at[i]);
        view->at[i] = newer;
    }
    for (; i < other->n; i++) {
        hash += weak->name[i] * other->at[i];
        view->at[i] = other->at[i];
    }
    view->hash = hash;
    view->n = view->n > other->n ? view->n : other->n;
}

static void view_clear(struct hipti_weak_view *view)
{
    view->hash = 0;
    view->n = 0;
}

static void fault(struct hipti_weak *weak, const char *what, const struct hipti_weak_site *site)
{
    weak->hooks.fault(weak->hooks.ctx, what, site);
}

void hipti_weak_init(struct hipti_weak *weak, const struct hipti_weak_hooks *hooks)
{
    unsigned i;

    weak->hooks = *hooks;
    weak->is_on = false;
    weak->stale = 0;
    weak->accesses = 0;
    weak->execution = 0;
    for (i = 0; i < HIPTI_WEAK_HASH; i++) {
        weak->hash_execution[i] = 0;
    }
}

void hipti_weak_start(struct hipti_weak *weak, unsigned stale_max)
{
    unsigned i;

    weak->execution++;
    weak->nlocations = HIPTI_WEAK_THREADS; /* the clocks */
    weak->nmessages = 0;
    weak->nviews = 1; /* NO_VIEW */
    weak->nranges = 0;
    weak->stale_left = stale_max;
    weak->thread = 0;
    weak->messages = 0;
    weak->singles = 0;
    for (i = 0; i < HIPTI_WEAK_THREADS; i++) {
        weak->name[i] = hipti_sim_hash(CLOCKS, i);
        weak->told[i] = 0;
        view_clear(&weak->own[i]);
    }
    weak->is_on = true;
}

void hipti_weak_stop(struct hipti_weak *weak)
{
    weak->is_on = false;
}

void hipti_weak_run(struct hipti_weak *weak, unsigned thread)
{
    weak->thread = thread;
}

void hipti_weak_take(const struct hipti_weak *weak, struct hipti_weak_view *into)
{
    view_clear(into);
    view_join(weak, into, &weak->own[weak->thread]);
}

void hipti_weak_add(const struct hipti_weak *weak, struct hipti_weak_view *into)
{
    view_join(weak, into, &weak->own[weak->thread]);
}

void hipti_weak_give(struct hipti_weak *weak, const struct hipti_weak_view *from)
{
    view_join(weak, &weak->own[weak->thread], from);
}

void hipti_weak_forget(struct hipti_weak_view *view)
{
    view_clear(view);
}

uint64_t hipti_weak_state(const struct hipti_weak *weak)
{
    uint64_t state = hipti_sim_hash(weak->messages, hipti_sim_hash(weak->singles, weak->stale_left));
    unsigned i;

    for (i = 0; i < HIPTI_WEAK_THREADS; i++) {
        state = hipti_sim_hash(state, hipti_sim_hash(weak->own[i].hash, weak->told[i]));
    }
    return state;
}

void hipti_weak_tick(struct hipti_weak *weak)
{
    struct hipti_weak_view *own = &weak->own[weak->thread];

    view_raise(weak, own, weak->thread, view_get(own, weak->thread) + 1u);
}

unsigned hipti_weak_known(const struct hipti_weak *weak, unsigned thread)
{
    return view_get(&weak->own[weak->thread], thread);
}

/* => the number of a new place in views. */
static unsigned place_new(struct hipti_weak *weak, uint64_t name, const struct hipti_weak_site *site)
{
    if (weak->nlocations == HIPTI_WEAK_LOCATIONS) {
        fault(weak, "the model is out of locations", site);
    }
    weak->single[weak->nlocations] = 0;
    weak->name[weak->nlocations] = name;
    return weak->nlocations++;
}

void hipti_weak_fresh(struct hipti_weak *weak, const void *memory, uint64_t bytes)
{
    struct hipti_weak_range *range = &weak->range[weak->nranges];

    if (!weak->is_on) {
        return;
    }
    if (weak->nranges == HIPTI_WEAK_RANGES) {
        fault(weak, "the model is out of fresh ranges", (const struct hipti_weak_site *)0);
    }
    range->first = (uintptr_t)memory;
    range->end = range->first + bytes;
    range->known = (uint16_t)place_new(weak, hipti_sim_hash(RANGES, range->first), (const struct hipti_weak_site *)0);
    weak->nranges++;
    view_raise(weak, &weak->own[weak->thread], range->known, 1u);
}

static uint16_t range_of(const struct hipti_weak *weak, uintptr_t address)
{
    unsigned i;

    for (i = 0; i < weak->nranges; i++) {
        if (address - weak->range[i].first < weak->range[i].end - weak->range[i].first) {
            return weak->range[i].known;
        }
    }
    return 0;
}

static void message_new(struct hipti_weak *weak, unsigned location, uint64_t value, unsigned stamp, unsigned view)
{
    struct hipti_weak_message *message = &weak->message[weak->nmessages];

    if (weak->nmessages == HIPTI_WEAK_MESSAGES) {
        fault(weak, "the model is out of messages", (const struct hipti_weak_site *)0);
    }
    message->value = value;
    message->stamp = (uint16_t)stamp;
    message->view = (uint16_t)view;
    message->before = stamp == 0 ? weak->nmessages : weak->location[location].newest;
    weak->location[location].newest = weak->nmessages++;
}

/* An address is touched for the first time. => its location. */
static unsigned location_new(struct hipti_weak *weak, const volatile void *p, unsigned bytes,
                             const struct hipti_weak_site *site)
{
    struct hipti_weak_location *location;
    unsigned number;

    if (weak->hooks.is_valid && !weak->hooks.is_valid(weak->hooks.ctx, p)) {
        fault(weak, "an access outside of all memory", site);
    }
    number = place_new(weak, hipti_sim_hash(LOCATIONS, (uintptr_t)p), site);
    location = &weak->location[number];
    location->address = (uintptr_t)p;
    location->bytes = (uint16_t)bytes;
    location->stored = 0;
    location->range = range_of(weak, location->address);
    message_new(weak, number, memory_get(p, bytes), 0, NO_VIEW);
    if (location->range) {
        message_new(weak, number, memory_get(p, bytes), ZEROED, NO_VIEW);
    }
    return number;
}

static unsigned location_of(struct hipti_weak *weak, const volatile void *p, unsigned bytes,
                            const struct hipti_weak_site *site)
{
    uintptr_t address = (uintptr_t)p;
    unsigned at = (unsigned)((address * UINT64_C(0x9e3779b97f4a7c15)) >> 40) % HIPTI_WEAK_HASH;

    while (weak->hash_execution[at] == weak->execution) {
        if (weak->location[weak->hash_location[at]].address == address) {
            return weak->hash_location[at];
        }
        at = (at + 1u) % HIPTI_WEAK_HASH;
    }
    weak->hash_execution[at] = weak->execution;
    weak->hash_location[at] = (uint16_t)location_new(weak, p, bytes, site);
    return weak->hash_location[at];
}

/* An access as it is under way. */
struct access {
    struct hipti_weak *weak;
    struct hipti_weak_view *own;
    const struct hipti_weak_site *site;
    volatile void *p;
    unsigned bytes;
    unsigned location;
    enum hipti_weak_order order;
};

static struct access access_start(struct hipti_weak *weak, volatile void *p, unsigned bytes,
                                  enum hipti_weak_order order, const struct hipti_weak_site *site)
{
    struct access access;

    access.weak = weak;
    access.own = &weak->own[weak->thread];
    access.site = site;
    access.p = p;
    access.bytes = bytes;
    access.location = location_of(weak, p, bytes, site);
    access.order = weak->hooks.order ? weak->hooks.order(weak->hooks.ctx, site, order) : order;
    weak->accesses++;
    if (weak->location[access.location].range &&
        view_get(access.own, weak->location[access.location].range) < ZEROED) {
        fault(weak, "memory is used that the thread does not know to be initialised", site);
    }
    return access;
}

/* => the oldest stamp that the access may read. */
static unsigned access_floor(const struct access *access)
{
    const struct hipti_weak *weak = access->weak;
    unsigned floor = view_get(access->own, access->location);

    if (weak->location[access->location].range && floor < ZEROED) {
        floor = ZEROED;
    }
    if (access->order == HIPTI_WEAK_seq_cst && floor < weak->single[access->location]) {
        floor = weak->single[access->location];
    }
    return floor;
}

static void single_raise(struct hipti_weak *weak, unsigned location, unsigned stamp)
{
    if (weak->single[location] < stamp) {
        weak->singles += weak->name[location] * (stamp - weak->single[location]);
        weak->single[location] = (uint16_t)stamp;
    }
}

/* What reading a message brings. => its value. */
static uint64_t access_read(const struct access *access, uint32_t number)
{
    struct hipti_weak *weak = access->weak;
    const struct hipti_weak_message *message = &weak->message[number];

    view_raise(weak, access->own, access->location, message->stamp);
    if ((access->order & HIPTI_WEAK_acquire) && message->view != NO_VIEW) {
        view_join(weak, access->own, &weak->view[message->view]);
    }
    weak->told[weak->thread] = hipti_sim_hash(weak->told[weak->thread], message->value);
    return message->value;
}

/* The view that a new message releases; @before is that of the message a read-modify-write read. */
static unsigned access_release(const struct access *access, unsigned before)
{
    struct hipti_weak *weak = access->weak;
    struct hipti_weak_view *view = &weak->view[weak->nviews];

    if (!(access->order & HIPTI_WEAK_release)) {
        return before;
    }
    if (weak->nviews == HIPTI_WEAK_VIEWS) {
        fault(weak, "the model is out of views", access->site);
    }
    view_clear(view);
    view_join(weak, view, access->own);
    if (before != NO_VIEW) {
        view_join(weak, view, &weak->view[before]);
    }
    return weak->nviews++;
}

static void access_write(const struct access *access, uint64_t value, unsigned before, unsigned kind)
{
    struct hipti_weak *weak = access->weak;
    unsigned stamp = weak->message[weak->location[access->location].newest].stamp + 1u;
    unsigned view;

    value = value_cut(value, access->bytes);
    view_raise(weak, access->own, access->location, stamp);
    view = access_release(access, before);
    message_new(weak, access->location, value, stamp, view);
    weak->messages += hipti_sim_hash(hipti_sim_hash(weak->name[access->location], stamp * 8u + kind),
                                     hipti_sim_hash(value, view == NO_VIEW ? 0 : weak->view[view].hash));
    if (access->order == HIPTI_WEAK_seq_cst) {
        single_raise(weak, access->location, stamp);
    }
    memory_set(access->p, access->bytes, value);
}

/*
 * Choose among the messages not older than @floor; where @expected is not NULL, among those with another value, and the
 * newest whatever its value. => its number.
 */
static uint32_t access_choose(const struct access *access, unsigned floor, const uint64_t *expected)
{
    struct hipti_weak *weak = access->weak;
    uint32_t newest = weak->location[access->location].newest;
    uint32_t at = newest;
    unsigned count = 1;
    unsigned chosen;

    while (weak->stale_left && weak->message[at].stamp > floor) {
        at = weak->message[at].before;
        count += !expected || weak->message[at].value != *expected;
    }
    chosen = count > 1u ? weak->hooks.choose(weak->hooks.ctx, count) : 0;
    weak->stale_left -= chosen != 0;
    weak->stale += chosen != 0;
    for (at = newest; chosen > 0;) {
        at = weak->message[at].before;
        chosen -= !expected || weak->message[at].value != *expected;
    }
    return at;
}

static bool is_modelled(const struct hipti_weak *weak)
{
    return weak && weak->is_on;
}

uint64_t hipti_weak_load(struct hipti_weak *weak, const volatile void *p, unsigned bytes, enum hipti_weak_order order,
                         struct hipti_weak_site site)
{
    struct access access;

    if (!is_modelled(weak)) {
        return memory_get(p, bytes);
    }
    access = access_start(weak, (volatile void *)(uintptr_t)p, bytes, order, &site);
    return access_read(&access, access_choose(&access, access_floor(&access), (const uint64_t *)0));
}

void hipti_weak_store(struct hipti_weak *weak, volatile void *p, unsigned bytes, uint64_t value,
                      enum hipti_weak_order order, struct hipti_weak_site site)
{
    struct hipti_weak_location *location;
    struct access access;

    if (!is_modelled(weak)) {
        memory_set(p, bytes, value);
        return;
    }
    access = access_start(weak, p, bytes, order, &site);
    location = &weak->location[access.location];
    if (weak->hooks.orders_stores && view_get(access.own, access.location) < location->stored) {
        fault(weak, "a store whose thread does not know of an earlier one to the same word", &site);
    }
    access_write(&access, value, NO_VIEW, STORES);
    location->stored = weak->message[location->newest].stamp;
}

/* The read of a read-modify-write. => the newest message. */
static const struct hipti_weak_message *access_read_newest(const struct access *access)
{
    uint32_t newest = access->weak->location[access->location].newest;

    (void)access_read(access, newest);
    return &access->weak->message[newest];
}

enum modification { EXCHANGE, ADD, OR };

static uint64_t modified(enum modification how, uint64_t old, uint64_t value)
{
    return how == EXCHANGE ? value : how == ADD ? old + value : old | value;
}

static uint64_t modify(struct hipti_weak *weak, volatile void *p, unsigned bytes, uint64_t value, enum modification how,
                       enum hipti_weak_order order, const struct hipti_weak_site *site)
{
    const struct hipti_weak_message *message;
    struct access access;
    uint64_t old;

    if (!is_modelled(weak)) {
        old = memory_get(p, bytes);
        memory_set(p, bytes, modified(how, old, value));
        return old;
    }
    access = access_start(weak, p, bytes, order, site);
    message = access_read_newest(&access);
    old = message->value;
    access_write(&access, modified(how, old, value), message->view, MODIFICATIONS);
    return old;
}

uint64_t hipti_weak_exchange(struct hipti_weak *weak, volatile void *p, unsigned bytes, uint64_t value,
                             enum hipti_weak_order order, struct hipti_weak_site site)
{
    return modify(weak, p, bytes, value, EXCHANGE, order, &site);
}

uint64_t hipti_weak_add_to(struct hipti_weak *weak, volatile void *p, unsigned bytes, uint64_t value,
                           enum hipti_weak_order order, struct hipti_weak_site site)
{
    return modify(weak, p, bytes, value, ADD, order, &site);
}

uint64_t hipti_weak_or_to(struct hipti_weak *weak, volatile void *p, unsigned bytes, uint64_t value,
                          enum hipti_weak_order order, struct hipti_weak_site site)
{
    return modify(weak, p, bytes, value, OR, order, &site);
}

bool hipti_weak_cas(struct hipti_weak *weak, volatile void *p, unsigned bytes, void *expected, uint64_t value,
                    enum hipti_weak_order order, struct hipti_weak_site site)
{
    uint64_t wanted = memory_get(expected, bytes);
    struct access access;
    uint32_t read;
    uint64_t old;

    if (!is_modelled(weak)) {
        old = memory_get(p, bytes);
        memory_set(old == wanted ? p : expected, bytes, old == wanted ? value_cut(value, bytes) : old);
        return old == wanted;
    }
    access = access_start(weak, p, bytes, order, &site);
    order = access.order;
    access.order = HIPTI_WEAK_relaxed; /* if it fails */
    read = access_choose(&access, access_floor(&access), &wanted);
    access.order = weak->message[read].value == wanted ? order : access.order;
    old = access_read(&access, read);
    if (old == wanted) {
        access_write(&access, value, access.weak->message[read].view, MODIFICATIONS);
        return true;
    }
    memory_set(expected, bytes, old);
    return false;
}
