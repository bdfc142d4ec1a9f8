/* SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "port/user/delivery.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <linux/membarrier.h>
#include <sys/syscall.h>

#include <hipt/port.h>

#define THREAD_SHIFT 32u
#define PAUSES 16u /* turns of a wait for one that gives the processor away: the CPU waited for may need it */
#define NANOSECONDS UINT64_C(1000000000)

/* Where a signal handler reads them, no memory may have to be found for them first. */
#define THREAD_OWN static _Thread_local __attribute__((tls_model("initial-exec")))

/* The calling thread's own; a handler reads the first three, which change while the signal is blocked. */
THREAD_OWN HIPTI_ATOMIC(uint64_t) *own_seat; /* NULL: it is not signalled */
THREAD_OWN void (*own_interrupt)(struct hipt_cpu *cpu);
THREAD_OWN struct hipt_cpu *own_cpu; /* NULL: it stands for none */
THREAD_OWN bool was_blocked;         /* the signal, before the thread had a seat */
THREAD_OWN unsigned turns;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int signal_number; /* constant after once; 0: there is none */

/* --- the signal */

/* A signal that comes when the thread stands for no CPU any more, or was meant for one that has gone, does nothing. */
static void kicked(int number)
{
    int error = errno;

    (void)number;
    if (own_seat != NULL) {
        own_interrupt(own_cpu);
    }
    errno = error;
}

/*
 * The highest real-time signal that the program has left alone and that can be sent: QEMU's user mode accepts handlers
 * of some that it cannot deliver. It is never given back: one that is still pending would end the process.
 */
static void signal_claim(void)
{
    struct sigaction action = {.sa_handler = kicked, .sa_flags = SA_RESTART | SA_ONSTACK};
    int number;

    (void)sigemptyset(&action.sa_mask);
    for (number = SIGRTMAX; number >= SIGRTMIN && signal_number == 0; number--) {
        struct sigaction before;

        if (sigaction(number, NULL, &before) == 0 && !(before.sa_flags & SA_SIGINFO) &&
            before.sa_handler == SIG_DFL && sigaction(number, &action, NULL) == 0) {
            if (raise(number) == 0) {
                signal_number = number;
            } else {
                (void)sigaction(number, &before, NULL);
            }
        }
    }
}

bool hipti_delivery_signal(void)
{
    return pthread_once(&once, signal_claim) == 0 && signal_number != 0;
}

/* => whether the signal was blocked before. */
static bool signal_mask(int how)
{
    sigset_t set;
    sigset_t before;

    (void)sigemptyset(&set);
    (void)sigemptyset(&before);
    (void)sigaddset(&set, signal_number);
    (void)pthread_sigmask(how, &set, &before);
    return sigismember(&before, signal_number) == 1;
}

/* --- seats */

/* relaxed: only the kernel's number of a thread that is inside matters, see delivery.h. */
static HIPTI_ATOMIC(uint64_t) *seat_take(struct hipti_delivery *delivery, uint64_t word)
{
    uint32_t i;

    for (i = 0; i < HIPT_CPUS_MAX; i++) {
        uint64_t seen = atomic_load_explicit(&delivery->seat[i], memory_order_relaxed);
        uint32_t known = atomic_load_explicit(&delivery->nseats, memory_order_relaxed);

        while (seen == 0) {
            if (atomic_compare_exchange_weak_explicit(&delivery->seat[i], &seen, word, memory_order_relaxed,
                                                      memory_order_relaxed)) {
                while (known <= i && !atomic_compare_exchange_weak_explicit(
                                         &delivery->nseats, &known, i + 1u, memory_order_relaxed,
                                         memory_order_relaxed)) {
                }
                return &delivery->seat[i];
            }
        }
    }
    return NULL;
}

static enum hipt_status sit_down(struct hipti_delivery *delivery, struct hipt_cpu *cpu)
{
    uint64_t thread = (uint64_t)gettid() << THREAD_SHIFT;
    bool blocked = signal_mask(SIG_BLOCK);

    own_seat = seat_take(delivery, thread | cpu->number);
    if (own_seat != NULL) {
        own_interrupt = delivery->interrupt;
        own_cpu = cpu;
        was_blocked = blocked;
        blocked = false; /* a CPU that does not hear would be waited for for ever */
    }
    if (!blocked) {
        (void)signal_mask(SIG_UNBLOCK);
    }
    return own_seat != NULL ? HIPT_OK : HIPT_FULL;
}

static void stand_up(void)
{
    if (own_seat == NULL) {
        own_cpu = NULL;
        return;
    }
    (void)signal_mask(SIG_BLOCK);
    own_cpu = NULL;
    atomic_store_explicit(own_seat, 0, memory_order_relaxed);
    own_seat = NULL;
    if (!was_blocked) {
        (void)signal_mask(SIG_UNBLOCK);
    }
}

void hipti_delivery_open(struct hipti_delivery *delivery)
{
    uint32_t i;

    delivery->interrupt = NULL;
    atomic_init(&delivery->nseats, 0);
    for (i = 0; i < HIPT_CPUS_MAX; i++) {
        atomic_init(&delivery->seat[i], 0);
    }
}

enum hipt_status hipti_delivery_cpu(struct hipti_delivery *delivery, struct hipt_cpu *cpu)
{
    stand_up();
    if (cpu != NULL && delivery->interrupt != NULL) {
        return sit_down(delivery, cpu);
    }
    own_cpu = cpu;
    return HIPT_OK;
}

void hipti_delivery_kick(struct hipti_delivery *delivery, const uint64_t *set, unsigned words)
{
    /* relaxed: the seats of those that the caller found inside are known to it. */
    uint32_t nseats = atomic_load_explicit(&delivery->nseats, memory_order_relaxed);
    uint32_t i;

    for (i = 0; i < nseats; i++) {
        uint64_t word = atomic_load_explicit(&delivery->seat[i], memory_order_relaxed);
        uint32_t number = (uint32_t)word;

        if (word >> THREAD_SHIFT != 0 && number / 64u < words && (set[number / 64u] >> number % 64u & 1u)) {
            (void)tgkill(getpid(), (pid_t)(word >> THREAD_SHIFT), signal_number);
        }
    }
}

/* --- hooks */

struct hipt_cpu *hipti_delivery_this_cpu(void *ctx)
{
    (void)ctx;
    return own_cpu;
}

bool hipti_delivery_membarrier(void)
{
    long known = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);

    return known > 0 && (known & MEMBARRIER_CMD_PRIVATE_EXPEDITED) &&
           syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
}

/*
 * It worked when it was registered. The kernel may be short of memory for it, for now; if it is forbidden since then, a
 * stale translation could be used (S1), and nothing goes on.
 */
void hipti_delivery_barrier(void *ctx)
{
    (void)ctx;
    while (syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) != 0) {
        if (errno != ENOMEM) {
            (void)fputs("hipt: the kernel refuses membarrier(), which it did not when CPUs were told of it\n", stderr);
            abort();
        }
        sched_yield();
    }
}

void hipti_delivery_relax(void *ctx)
{
    (void)ctx;
    if (++turns % PAUSES == 0) {
        sched_yield();
        return;
    }
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
}

uint64_t hipti_delivery_clock(void *ctx)
{
    struct timespec time;

    (void)ctx;
    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * NANOSECONDS + (uint64_t)time.tv_nsec;
}

void hipti_delivery_slow(void *ctx, uint32_t cpu, uint64_t posted, uint64_t served)
{
    (void)ctx;
    fprintf(stderr, "hipt: CPU %" PRIu32 " does not acknowledge: it was asked for ticket %" PRIu64
            " and has served up to %" PRIu64 "\n", cpu, posted, served);
}
