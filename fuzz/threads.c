/* SPDX-License-Identifier: MIT */
#include "threads.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "bytes.h"

#define STACK_BYTES (256u * 1024u) /* sanitizers' frames and a report's printing included */

/* Save what a call preserves, change the stack, and go on where the other one was saved. */
#if defined(__x86_64__)
typedef void *context;

void threads_switch(context *from, context to);
__asm__(".text\n.globl threads_switch\n.type threads_switch,@function\nthreads_switch:\n"
        "    push %rbp\n    push %rbx\n    push %r12\n    push %r13\n    push %r14\n    push %r15\n"
        "    mov %rsp, (%rdi)\n    mov %rsi, %rsp\n"
        "    pop %r15\n    pop %r14\n    pop %r13\n    pop %r12\n    pop %rbx\n    pop %rbp\n    ret\n"
        ".size threads_switch, .-threads_switch\n");

static void context_make(context *made, unsigned char *stack, void (*body)(void))
{
    uintptr_t *top = (uintptr_t *)(void *)(stack + STACK_BYTES);

    *--top = 0; /* the body's return address: it never returns, but its frame is aligned as if it did */
    *--top = (uintptr_t)body;
    for (unsigned i = 0; i < 6u; i++) {
        *--top = 0;
    }
    *made = top;
}
#else
#include <ucontext.h>

typedef ucontext_t context;

#define threads_switch(from, to) (void)swapcontext(from, &(to))

static void context_make(context *made, unsigned char *stack, void (*body)(void))
{
    (void)getcontext(made);
    made->uc_stack.ss_sp = stack;
    made->uc_stack.ss_size = STACK_BYTES;
    made->uc_link = NULL;
    makecontext(made, body, 0);
}
#endif

struct step {
    const char *what;
    const char *file;
    int line;
    unsigned thread;
};

static struct {
    _Alignas(64) unsigned char stacks[THREADS_MAX][STACK_BYTES];
    context contexts[THREADS_MAX];
    context caller;
    threads_choose choose;
    void (*body)(unsigned thread);
    unsigned now;
    unsigned ready; /* a bit for each thread that has not ended */
    unsigned count; /* of steps */
    struct step steps[THREADS_STEPS_MAX];
} self = {.now = THREAD_NONE};

unsigned threads_now(void)
{
    return self.now;
}

static void go_on(unsigned next)
{
    unsigned now = self.now;

    REQUIRE((self.ready >> next & 1u) != 0);
    if (next != now) {
        self.now = next;
        threads_switch(&self.contexts[now], self.contexts[next]);
    }
}

static void start(void)
{
    unsigned thread = self.now;

    self.body(thread);
    self.ready &= ~(1u << thread);
    if (self.ready) {
        go_on(self.choose(thread, self.ready));
    } else {
        self.now = THREAD_NONE;
        threads_switch(&self.contexts[thread], self.caller);
    }
    abort(); /* nobody switches to a thread that has ended */
}

static void step_at(const char *what, const char *file, int line)
{
    if (self.now == THREAD_NONE) {
        return;
    }
    REQUIRE(self.count < THREADS_STEPS_MAX); /* nobody waits for anybody */
    self.steps[self.count++] = (struct step){what, file, line, self.now};
    go_on(self.choose(self.now, self.ready));
}

void hipt_port_step(const char *operation, const volatile void *word, const char *file, int line);

void hipt_port_step(const char *operation, const volatile void *word, const char *file, int line)
{
    (void)word;
    step_at(operation, file, line);
}

void threads_step(const char *what)
{
    step_at(what, "host", 0);
}

void threads_run(unsigned count, void (*body)(unsigned thread), threads_choose choose)
{
    self.body = body;
    self.choose = choose;
    self.count = 0;
    self.ready = (1u << count) - 1u;
    for (unsigned i = 0; i < count; i++) {
        context_make(&self.contexts[i], self.stacks[i], start);
    }
    self.now = choose(THREAD_NONE, self.ready);
    threads_switch(&self.caller, self.contexts[self.now]);
}

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

void threads_print(void)
{
    unsigned last = THREAD_NONE;

    for (unsigned i = 0; i < self.count; i++) {
        const struct step *step = &self.steps[i];

        fprintf(stderr, "%s%5u thread %u  %-14s %s:%d\n", step->thread != last && i > 0 ? "  --\n" : "", i,
                step->thread, step->what, last_part(step->file), step->line);
        last = step->thread;
    }
}
