/* SPDX-License-Identifier: MIT */
/*
 * Reclamation through the port's hooks, for ThreadSanitizer: what waits for a grace period must be clean, what does not
 * must be reported. Without the second the first would say nothing: both libraries' atomics are invisible to it.
 *
 * usage: canary_grace urcu|ck right|planted
 *
 * A reader loads a pointer inside a section, yields, and uses it; the writer replaces it and poisons the old object,
 * after a grace period (right) or at once (planted). Prints "survived" if nothing stopped it.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <hipt/user.h>

#define OBJECTS 2000u
#define READERS 2

struct object {
    uint64_t value;
};

struct shared {
    const struct hipt_ops *ops;
    _Atomic(struct object *) current;
    atomic_bool stop;
    atomic_uint readers;
};

static void *reader_main(void *arg)
{
    struct shared *shared = arg;
    const struct hipt_ops *ops = shared->ops;
    uint64_t sum = 0;

    while (!atomic_load_explicit(&shared->stop, memory_order_relaxed)) {
        const struct object *object;

        ops->read_enter(ops->ctx);
        object = atomic_load_explicit(&shared->current, memory_order_acquire);
        sched_yield();
        sum += object->value;
        ops->read_exit(ops->ctx);
        atomic_fetch_or_explicit(&shared->readers, 1u, memory_order_relaxed);
    }
    return sum == 0 ? shared : NULL;
}

static struct object *object_new(const struct hipt_ops *ops, uint64_t value)
{
    struct object *object = ops->alloc(ops->ctx, sizeof(*object), _Alignof(struct object), HIPT_ANY_NODE, true);

    if (object != NULL) {
        object->value = value;
    }
    return object;
}

static bool object_replace(struct shared *shared, uint64_t value, bool wait)
{
    const struct hipt_ops *ops = shared->ops;
    struct object *fresh = object_new(ops, value);
    struct object *old;

    if (fresh == NULL) {
        return false;
    }
    old = atomic_exchange_explicit(&shared->current, fresh, memory_order_acq_rel);
    if (wait) {
        ops->gp_wait(ops->ctx, ops->gp_start(ops->ctx));
    }
    old->value = 0;
    ops->free(ops->ctx, old, sizeof(*old));
    return true;
}

static bool run(struct shared *shared, bool wait)
{
    pthread_t reader[READERS];
    bool good = true;

    for (size_t n = 0; n < READERS; n++) {
        if (pthread_create(&reader[n], NULL, reader_main, shared) != 0) {
            return false;
        }
    }
    while (atomic_load_explicit(&shared->readers, memory_order_relaxed) == 0) {
        sched_yield();
    }
    for (uint64_t value = 2; value < OBJECTS && good; value++) {
        good = object_replace(shared, value, wait);
    }
    atomic_store_explicit(&shared->stop, true, memory_order_relaxed);
    for (size_t n = 0; n < READERS; n++) {
        pthread_join(reader[n], NULL);
    }
    return good;
}

int main(int argc, char **argv)
{
    struct shared shared = {.stop = false};
    struct hipt_user *user;
    bool good;

    if (argc != 3 || (strcmp(argv[1], "urcu") != 0 && strcmp(argv[1], "ck") != 0) ||
        (strcmp(argv[2], "right") != 0 && strcmp(argv[2], "planted") != 0)) {
        fprintf(stderr, "usage: canary_grace urcu|ck right|planted\n");
        return 2;
    }
    if (hipt_user_create(strcmp(argv[1], "ck") == 0 ? HIPT_USER_CK : HIPT_USER_URCU, &user) != HIPT_OK) {
        return 1;
    }
    shared.ops = hipt_user_ops(user);
    atomic_store(&shared.current, object_new(shared.ops, 1));
    good = atomic_load(&shared.current) != NULL && run(&shared, strcmp(argv[2], "right") == 0);
    shared.ops->free(shared.ops->ctx, atomic_load(&shared.current), sizeof(struct object));
    hipt_user_destroy(user);
    puts(good ? "survived" : "failed");
    return good ? 0 : 1;
}
