/* SPDX-License-Identifier: MIT */
/*
 * What ThreadSanitizer has to be told: the end of a section happens before the end of a grace period that waited for
 * it. Both libraries order the two by inline assembly, which it does not see. So a reader releases a token just before
 * it leaves, and whoever has waited acquires all of them. A release only adds to a token, so threads may share one;
 * there are several because each is a lock inside the sanitizer.
 *
 * The mirror pair, from the end of a grace period to the next entry, is left out on purpose: it would order a writer's
 * stores before the readers' loads, and so hide a publication that lacks its release.
 *
 * Without the sanitizer all of it is empty.
 */
#ifndef HIPT_PORT_USER_TOKEN_H
#define HIPT_PORT_USER_TOKEN_H

#if defined(__SANITIZE_THREAD__)
#define HIPTI_TOKENS 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define HIPTI_TOKENS 1
#endif
#endif
#ifndef HIPTI_TOKENS
#define HIPTI_TOKENS 0
#endif

#if HIPTI_TOKENS

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <sanitizer/tsan_interface.h>

#define HIPTI_TOKEN_COUNT 64u

/* The tokens of one backend. Only their addresses matter. */
struct hipti_tokens {
    uint64_t token[HIPTI_TOKEN_COUNT];
};

/* The caller is about to leave a section. A thread keeps to the token it drew first. */
static inline void hipti_tokens_release(struct hipti_tokens *tokens)
{
    static atomic_uint drawn;
    static _Thread_local unsigned mine; /* 0: none drawn */

    if (mine == 0) {
        /* relaxed: it spreads threads over tokens, no more, and an order here would hide races. */
        mine = atomic_fetch_add_explicit(&drawn, 1u, memory_order_relaxed) % HIPTI_TOKEN_COUNT + 1u;
    }
    __tsan_release(&tokens->token[mine - 1u]);
}

/* The caller has waited for a grace period. */
static inline void hipti_tokens_acquire(struct hipti_tokens *tokens)
{
    for (size_t n = 0; n < HIPTI_TOKEN_COUNT; n++) {
        __tsan_acquire(&tokens->token[n]);
    }
}

#define HIPTI_TOKENS_DEFINE(name) static struct hipti_tokens name
#define HIPTI_TOKENS_RELEASE(name) hipti_tokens_release(&(name))
#define HIPTI_TOKENS_ACQUIRE(name) hipti_tokens_acquire(&(name))

/* An object goes from one thread to another through a library that the sanitizer does not see. */
#define HIPTI_TOKEN_HAND_OVER(object) __tsan_release(object)
#define HIPTI_TOKEN_TAKE_OVER(object) __tsan_acquire(object)

#else

#define HIPTI_TOKENS_DEFINE(name) struct hipti_tokens
#define HIPTI_TOKENS_RELEASE(name) ((void)0)
#define HIPTI_TOKENS_ACQUIRE(name) ((void)0)
#define HIPTI_TOKEN_HAND_OVER(object) ((void)(object))
#define HIPTI_TOKEN_TAKE_OVER(object) ((void)(object))

#endif

#endif
