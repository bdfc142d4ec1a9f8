/* SPDX-License-Identifier: MIT */
/*
 * A garbage collector's page side-table. The heap is a semispace of pages; a page keeps its address for life, and hipt
 * says which chunk of memory it is in and what the collector knows of it:
 *
 *     asid         the semispace: the pages that lived at the last collection, and those made since
 *     vpn, pfn     address >> 12, and the chunk
 *     attribute    age: collections survived
 *     dirty        the card: written since it was scanned
 *     protection   without HIPT_WRITE while the page is being moved to another chunk
 *
 * A word may be a pointer or a number, nobody can tell: it is one if its page is found. Marking is mapping: the first
 * who maps a page into the next semispace has marked it, for everybody else it exists. When all that can be reached is
 * there, the spaces change places, and the old one is retired at once, in work in proportion to its own pages; chunks
 * that only it had come back from hipt_frame_reap() when nobody can look at them any more. Mutators go on meanwhile:
 * they write, then mark the card, and the pages with cards are scanned again while they stand still for a moment.
 *
 * Chunks are lent to devices: then they are pinned, and do not move. Whose they are, and that it lives, says the way
 * back. Pages that are old move to the chunks of the old.
 *
 *     page_side_table                             0: nothing that was reachable was lost, nothing else was kept
 *     page_side_table --plant cards | pins        the collector ignores them: must be noticed
 */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <hipt/hipt.h>
#include <hipt/user.h>

enum { MUTATORS = 3, COLLECTIONS = 500, CHUNKS = 2048, WORDS = 4, ROOTS = 16, SHIFT = 12, OLD = 3, MOVES = 16 };
enum { YOUNGS, OLDS, AGES }; /* the lower half of the chunks, and the upper */

/* What is in a page. The last word is a number, which may look like a pointer. Field key: self: who has the chunk. */
struct chunk {
    uint64_t self; /* vpn; 0: free */
    _Atomic uint64_t word[WORDS];
};

struct mutator {
    struct heap *heap;
    _Atomic uint64_t root[ROOTS]; /* again, the last is a number */
    uint64_t random;
    struct hipt_frame lent; /* to a device, .. */
    uint64_t lent_page;     /* .. with this page; 0: none */
    uint64_t allocated;
};

/* Field key: atomics; free, nfree: lock; from on: the collector; the rest is constant. */
struct heap {
    struct hipt_user *user;
    struct hipt_table *table;
    bool no_cards, no_pins;
    struct chunk chunk[CHUNKS];
    struct mutator mutator[MUTATORS];
    _Atomic uint32_t space;   /* the semispace now; changes while the world stands still */
    _Atomic uint64_t pages;   /* addresses are never used again */
    pthread_rwlock_t world;   /* a mutator holds it for a step */
    _Atomic bool is_stopping, is_over, is_wrong;
    pthread_mutex_t lock;
    uint64_t free[AGES][CHUNKS], nfree[AGES];
    struct hipt_asid from, to;
    uint64_t queue[CHUNKS], nqueue, scanned; /* what lives, in the order in which it was found */
    uint64_t retired, moved, numbers;
};

static void wrong(struct heap *heap, const char *what, uint64_t page)
{
    fprintf(stderr, "wrong: %s (page %llx)\n", what, (unsigned long long)page);
    atomic_store(&heap->is_wrong, true);
}

/* --- chunks */

static bool chunk_take(struct heap *heap, unsigned age, uint64_t *chunk)
{
    bool is_there;

    pthread_mutex_lock(&heap->lock);
    is_there = heap->nfree[age] > 0;
    *chunk = is_there ? heap->free[age][--heap->nfree[age]] : 0;
    pthread_mutex_unlock(&heap->lock);
    return is_there;
}

static void chunk_give(struct heap *heap, uint64_t chunk)
{
    unsigned age = chunk < CHUNKS / 2 ? YOUNGS : OLDS;

    heap->chunk[chunk].self = 0;
    pthread_mutex_lock(&heap->lock);
    heap->free[age][heap->nfree[age]++] = chunk;
    pthread_mutex_unlock(&heap->lock);
}

static void chunks_reap(struct heap *heap)
{
    struct hipt_frame frame;

    while (hipt_frame_reap(heap->table, &frame, 1) == 1) {
        chunk_give(heap, frame.pfn);
    }
}

static void grace(struct heap *heap)
{
    const struct hipt_ops *ops = hipt_user_ops(heap->user);

    ops->gp_wait(ops->ctx, ops->gp_start(ops->ctx));
}

/* --- mutators */

static uint64_t draw(struct mutator *mutator, uint64_t bound)
{
    mutator->random = mutator->random * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (mutator->random >> 33) % bound;
}

/* => a page that must be there, inside a read side that stays open. To be written while it is moved, that waits. */
static struct chunk *page_open(struct heap *heap, uint64_t page, bool to_write, struct hipt_translation *found)
{
    uint32_t space = atomic_load(&heap->space);
    enum hipt_status status;

    hipt_read_enter(heap->table);
    while ((status = hipt_lookup_reading(heap->table, space, page, found)) == HIPT_OK && to_write &&
           !(found->mapping.prot & HIPT_WRITE)) {
        hipt_read_exit(heap->table);
        sched_yield();
        hipt_read_enter(heap->table);
    }
    if (status != HIPT_OK) {
        hipt_read_exit(heap->table);
        wrong(heap, "what can be reached was lost", page);
        return NULL;
    }
    if (heap->chunk[found->mapping.pfn].self != page) {
        wrong(heap, "a chunk that is another page's was seen", page);
    }
    return &heap->chunk[found->mapping.pfn];
}

/* First the word, then the card: who clears the card and scans then has seen the word, or finds the card again. */
static void page_write(struct heap *heap, uint64_t page, unsigned number, uint64_t word)
{
    struct hipt_translation found;
    struct chunk *chunk = page_open(heap, page, true, &found);

    if (chunk) {
        atomic_store_explicit(&chunk->word[number], word, memory_order_relaxed);
        while (hipt_mark(heap->table, &found, HIPT_DIRTY) != HIPT_OK) { /* its protection has changed: the same chunk */
            (void)hipt_lookup_reading(heap->table, found.mapping.page.asid, page, &found);
        }
        hipt_read_exit(heap->table);
    }
}

static uint64_t page_read(struct heap *heap, uint64_t page, unsigned number)
{
    struct hipt_translation found;
    struct chunk *chunk = page_open(heap, page, false, &found);
    uint64_t word = chunk ? atomic_load_explicit(&chunk->word[number], memory_order_relaxed) : 0;

    if (chunk) {
        hipt_read_exit(heap->table);
    }
    return word;
}

/* No pointer, but who knows. */
static uint64_t number(struct mutator *mutator)
{
    return draw(mutator, atomic_load(&mutator->heap->pages)) << SHIFT;
}

/* => a pointer into a new page, 0 if there is no room before the next collection. */
static uint64_t page_make(struct mutator *mutator)
{
    struct heap *heap = mutator->heap;
    struct hipt_mapping m = {.prot = HIPT_READ | HIPT_WRITE, .marks = HIPT_DIRTY};
    struct chunk *chunk;

    if (!chunk_take(heap, YOUNGS, &m.pfn)) {
        return 0;
    }
    m.page = (struct hipt_page){.asid = atomic_load(&heap->space), .vpn = atomic_fetch_add(&heap->pages, 1)};
    chunk = &heap->chunk[m.pfn];
    chunk->self = m.page.vpn;
    for (unsigned i = 0; i < WORDS; i++) {
        atomic_store_explicit(&chunk->word[i], i < WORDS - 1 ? 0 : number(mutator), memory_order_relaxed);
    }
    if (hipt_map(heap->table, &m) != HIPT_OK) {
        wrong(heap, "a new page was not mapped", m.page.vpn);
    }
    mutator->allocated++;
    return m.page.vpn << SHIFT | draw(mutator, 1 << SHIFT);
}

/* A device has the page's chunk for a while. Nothing else may know of the page then. */
static void lend(struct mutator *mutator, uint64_t page)
{
    struct heap *heap = mutator->heap;
    struct hipt_translation found;

    if (mutator->lent_page) {
        if (page_open(heap, mutator->lent_page, false, &found)) {
            if (found.mapping.pfn != mutator->lent.pfn) {
                wrong(heap, "a pinned page was moved", mutator->lent_page);
            }
            hipt_read_exit(heap->table);
        }
        (void)hipt_frame_unpin(heap->table, mutator->lent);
        mutator->lent_page = 0;
    } else if (page_open(heap, page, true, &found)) {
        mutator->lent = (struct hipt_frame){.pfn = found.mapping.pfn};
        mutator->lent_page = hipt_frame_pin(heap->table, mutator->lent) == HIPT_OK ? page : 0;
        hipt_read_exit(heap->table);
    }
}

/* Along pointers, for a while. => one into the page where that ends. */
static uint64_t walk(struct mutator *mutator, uint64_t pointer)
{
    uint64_t next = pointer;

    for (unsigned i = 0; i < 8 && next; i++) {
        pointer = next;
        next = page_read(mutator->heap, pointer >> SHIFT, (unsigned)draw(mutator, WORDS - 1));
    }
    return pointer;
}

/* A new page before the one that a root points to. */
static void grow(struct mutator *mutator, _Atomic uint64_t *root, uint64_t pointer)
{
    uint64_t made = page_make(mutator);

    if (made && pointer) {
        page_write(mutator->heap, made >> SHIFT, 0, pointer);
    }
    atomic_store(root, made ? made : pointer);
}

static void step(struct mutator *mutator)
{
    struct heap *heap = mutator->heap;
    _Atomic uint64_t *root = &mutator->root[draw(mutator, ROOTS - 1)];
    _Atomic uint64_t *other = &heap->mutator[draw(mutator, MUTATORS)].root[draw(mutator, ROOTS - 1)];
    uint64_t pointer = atomic_load(root);
    uint64_t page = walk(mutator, pointer) >> SHIFT;

    switch (page ? draw(mutator, 16) : 0) {
    case 0:
    case 1:
    case 2:
    case 3: grow(mutator, root, pointer); break;
    case 4: lend(mutator, page); break;
    case 5: page_write(heap, page, WORDS - 1, number(mutator)); break;
    case 6: /* what only a root has goes where the collector may have been already */
        page_write(heap, page, (unsigned)draw(mutator, WORDS - 1), atomic_exchange(other, 0));
        break;
    case 7: /* seldom: what hangs on a root lives for longer than a collection takes */
        atomic_store(&mutator->root[ROOTS - 1], number(mutator));
        atomic_store(root, draw(mutator, 2) ? 0 : pointer);
        break;
    default: break;
    }
}

static void *mutate(void *argument)
{
    struct mutator *mutator = argument;
    struct heap *heap = mutator->heap;

    while (!atomic_load(&heap->is_over) && !atomic_load(&heap->is_wrong)) {
        if (atomic_load(&heap->is_stopping)) {
            sched_yield();
            continue;
        }
        pthread_rwlock_rdlock(&heap->world);
        step(mutator);
        pthread_rwlock_unlock(&heap->world);
        if (draw(mutator, 16) == 0) {
            sched_yield();
        }
    }
    return NULL;
}

/* --- the collector */

/* Perhaps a pointer: if so, its page lives. */
static void visit(struct heap *heap, uint64_t word)
{
    struct hipt_translation found;
    enum hipt_status status;

    if (hipt_lookup(heap->table, heap->from.number, word >> SHIFT, &found) != HIPT_OK) {
        heap->numbers += word != 0;
        return;
    }
    found.mapping.page.asid = heap->to.number;
    found.mapping.attr = (uint8_t)(found.mapping.attr + (found.mapping.attr < HIPT_ATTR_MAX));
    found.mapping.marks = 0;
    while ((status = hipt_map(heap->table, &found.mapping)) == HIPT_BUSY) {
        sched_yield(); /* memory of the table waits for a grace period */
    }
    if (status == HIPT_OK) {
        heap->queue[heap->nqueue++] = found.mapping.page.vpn;
    } else if (status != HIPT_EXISTS) { /* marked before */
        wrong(heap, hipt_strerror(status), found.mapping.page.vpn);
    }
}

/* What does the page point to? Its card is taken away before, so that what is written from here on is seen later. */
static void scan(struct heap *heap, uint64_t page, bool only_with_card)
{
    struct hipt_translation found;
    enum hipt_status status;

    hipt_read_enter(heap->table);
    status = hipt_lookup_reading(heap->table, heap->from.number, page, &found);
    status = status == HIPT_OK ? hipt_clean(heap->table, &found, HIPT_DIRTY) : status;
    hipt_read_exit(heap->table);
    if (status != HIPT_OK) {
        wrong(heap, hipt_strerror(status), page);
    } else if ((found.mapping.marks & HIPT_DIRTY) || !only_with_card) {
        for (unsigned i = 0; i < WORDS; i++) {
            visit(heap, atomic_load_explicit(&heap->chunk[found.mapping.pfn].word[i], memory_order_relaxed));
        }
    }
}

static void mark_from_roots(struct heap *heap)
{
    for (unsigned i = 0; i < MUTATORS; i++) {
        for (unsigned j = 0; j < ROOTS; j++) {
            visit(heap, atomic_load(&heap->mutator[i].root[j]));
        }
    }
    while (heap->scanned < heap->nqueue) {
        if (heap->scanned % 8 == 0 && !atomic_load(&heap->is_stopping)) {
            sched_yield(); /* there is time, as long as the world goes on */
        }
        scan(heap, heap->queue[heap->scanned++], false);
    }
}

/* Whose chunk does a device have? That page lives. */
static void mark_pinned(struct heap *heap)
{
    struct hipt_frame_status status;
    struct hipt_mapping owners[2]; /* in both spaces, if it was found before */
    size_t count;

    for (uint64_t i = 0; i < CHUNKS && !heap->no_pins; i++) {
        if (hipt_frame_get(heap->table, (struct hipt_frame){.pfn = i}, &status) == HIPT_OK && status.pins > 0 &&
            hipt_reverse(heap->table, (struct hipt_frame){.pfn = i}, owners, 2, &count) == HIPT_OK) {
            visit(heap, owners[0].page.vpn << SHIFT);
        }
    }
}

static void collect(struct heap *heap)
{
    struct hipt_retired report;
    uint64_t before;

    while (hipt_asid_alloc(heap->table, &heap->to) != HIPT_OK) {
        grace(heap); /* the numbers of spaces retired lately */
    }
    heap->nqueue = heap->scanned = 0;
    mark_from_roots(heap);
    atomic_store(&heap->is_stopping, true);
    pthread_rwlock_wrlock(&heap->world);
    before = heap->nqueue;
    for (uint64_t i = 0; i < before && !heap->no_cards; i++) {
        scan(heap, heap->queue[i], true);
    }
    mark_pinned(heap);
    mark_from_roots(heap);
    atomic_store(&heap->space, heap->to.number);
    atomic_store(&heap->is_stopping, false);
    pthread_rwlock_unlock(&heap->world);
    if (hipt_asid_retire(heap->table, heap->from, &report) != HIPT_OK) {
        wrong(heap, "a space was not retired", heap->from.number);
    }
    heap->retired += report.pages;
    heap->from = heap->to;
    chunks_reap(heap);
}

/* Old pages that are among the young go to the chunks of the old, while mutators look at them. */
static void promote(struct heap *heap)
{
    struct hipt_translation found[MOVES];
    uint64_t from = heap->from.number, count = 0;

    for (uint64_t i = 0; i < heap->nqueue && count < MOVES; i++) {
        if (hipt_lookup(heap->table, (uint32_t)from, heap->queue[i], &found[count]) == HIPT_OK &&
            found[count].mapping.attr >= OLD && found[count].mapping.pfn < CHUNKS / 2) {
            (void)hipt_protect(heap->table, &found[count++].mapping.page, HIPT_READ);
        }
    }
    grace(heap); /* who wrote there, or lent it, has done so; nobody begins to */
    for (uint64_t i = 0; i < count; i++) {
        struct hipt_mapping *m = &found[i].mapping;
        const struct chunk *old = &heap->chunk[m->pfn];
        struct hipt_frame_status status;
        uint64_t to;

        (void)hipt_lookup(heap->table, (uint32_t)from, m->page.vpn, &found[i]); /* with the card as it is now */
        (void)hipt_frame_get(heap->table, (struct hipt_frame){.pfn = m->pfn}, &status);
        m->prot = HIPT_READ | HIPT_WRITE;
        if (status.pins > 0 || !chunk_take(heap, OLDS, &to)) {
            (void)hipt_protect(heap->table, &m->page, m->prot);
            continue;
        }
        heap->chunk[to].self = old->self;
        for (unsigned j = 0; j < WORDS; j++) {
            atomic_store_explicit(&heap->chunk[to].word[j], old->word[j], memory_order_relaxed);
        }
        m->pfn = to;
        (void)hipt_remap(heap->table, m, NULL);
        heap->moved++;
    }
}

/* --- is it right? Without hipt: what can be reached by the chunks' contents alone */

static void reach(struct heap *heap, bool *is_reached, uint64_t page)
{
    unsigned i = 0;

    while (i < CHUNKS && heap->chunk[i].self != page) {
        i++;
    }
    if (page == 0 || i == CHUNKS || is_reached[i]) {
        return;
    }
    is_reached[i] = true;
    for (unsigned j = 0; j < WORDS; j++) {
        reach(heap, is_reached, heap->chunk[i].word[j] >> SHIFT);
    }
}

/* The last collection has come to exactly that, and all other chunks are free. => how many pages live. */
static uint64_t check(struct heap *heap)
{
    static bool is_reached[CHUNKS];
    struct hipt_translation found;
    uint64_t alive = 0;

    for (unsigned i = 0; i < MUTATORS; i++) {
        reach(heap, is_reached, heap->mutator[i].lent_page);
        for (unsigned j = 0; j < ROOTS; j++) {
            reach(heap, is_reached, heap->mutator[i].root[j] >> SHIFT);
        }
    }
    for (unsigned i = 0; i < CHUNKS; i++) {
        uint64_t page = heap->chunk[i].self;

        alive += is_reached[i];
        if (!is_reached[i] && page != 0) {
            wrong(heap, "a page that nobody can reach was kept", page);
        } else if (page != 0 && (hipt_lookup(heap->table, heap->from.number, page, &found) != HIPT_OK ||
                                 found.mapping.pfn != i)) {
            wrong(heap, "what can be reached was lost in the end", page);
        }
    }
    if (alive + heap->nfree[YOUNGS] + heap->nfree[OLDS] != CHUNKS) {
        wrong(heap, "there are not as many chunks as there were", alive);
    }
    return alive;
}

static bool heap_open(struct heap *heap)
{
    static const struct hipt_range memory = {.first = 0, .count = CHUNKS};
    struct hipt_config config;
    bool is_right;

    hipt_config_init(&config);
    is_right = hipt_user_create(HIPT_USER_CK, &heap->user) == HIPT_OK;
    config.ops = is_right ? hipt_user_ops(heap->user) : NULL, config.ranges = &memory, config.nranges = 1;
    config.asid_bits = 4, config.nsizes = 1, config.page_shift[0] = SHIFT;
    is_right = is_right && hipt_table_create(&config, &heap->table) == HIPT_OK &&
               hipt_asid_alloc(heap->table, &heap->from) == HIPT_OK;
    atomic_store(&heap->space, heap->from.number);
    atomic_store(&heap->pages, 1);
    for (uint64_t i = CHUNKS; i-- > 0;) {
        chunk_give(heap, i);
    }
    return is_right;
}

int main(int argc, char **argv)
{
    static struct heap heap = {.world = PTHREAD_RWLOCK_INITIALIZER, .lock = PTHREAD_MUTEX_INITIALIZER};
    pthread_t threads[MUTATORS];
    uint64_t allocated = 0, alive;

    heap.no_cards = argc == 3 && strcmp(argv[1], "--plant") == 0 && strcmp(argv[2], "cards") == 0;
    heap.no_pins = argc == 3 && strcmp(argv[1], "--plant") == 0 && strcmp(argv[2], "pins") == 0;
    if (argc > 1 && !heap.no_cards && !heap.no_pins) {
        fprintf(stderr, "usage: page_side_table [--plant cards|pins]\n");
        return 2;
    }
    if (!heap_open(&heap)) {
        return 1;
    }
    for (unsigned i = 0; i < MUTATORS; i++) {
        heap.mutator[i].heap = &heap, heap.mutator[i].random = i + 1;
        if (pthread_create(&threads[i], NULL, mutate, &heap.mutator[i]) != 0) {
            return 1;
        }
    }
    for (unsigned i = 0; i < COLLECTIONS && !atomic_load(&heap.is_wrong); i++) {
        collect(&heap), promote(&heap);
    }
    atomic_store(&heap.is_over, true);
    for (unsigned i = 0; i < MUTATORS; i++) {
        pthread_join(threads[i], NULL);
        allocated += heap.mutator[i].allocated;
    }
    collect(&heap), grace(&heap), chunks_reap(&heap);
    alive = atomic_load(&heap.is_wrong) ? 0 : check(&heap);
    printf("%d collections: of %llu pages %llu live; %llu unmapped by retiring spaces, %llu moved; %llu words were no "
           "pointers\n", COLLECTIONS, (unsigned long long)allocated, (unsigned long long)alive,
           (unsigned long long)heap.retired, (unsigned long long)heap.moved, (unsigned long long)heap.numbers);
    hipt_table_destroy(heap.table), hipt_user_destroy(heap.user);
    return !atomic_load(&heap.is_wrong) && heap.moved > 0 && heap.numbers > 0 ? 0 : 1;
}
