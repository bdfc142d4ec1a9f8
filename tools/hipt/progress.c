/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L

#include "progress.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define BAR_WIDTH 30u
#define REDRAW_NS 100000000 /* ten times a second: quick enough to the eye, and the clock is all that a call costs */

static struct {
    const char *what;
    uint64_t total;
    int64_t drawn_ns;
    bool shown;
} bar;

static int64_t now_ns(void)
{
    struct timespec now;

    if (clock_gettime(CLOCK_MONOTONIC, &now) != 0) {
        return 0;
    }
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void draw(uint64_t done)
{
    static const char full[] = "##############################";
    static const char rest[] = "..............................";

    _Static_assert(sizeof(full) == BAR_WIDTH + 1 && sizeof(rest) == BAR_WIDTH + 1, "a bar is BAR_WIDTH wide");
    if (bar.total == 0) {
        fprintf(stderr, "\r%s %" PRIu64, bar.what, done);
    } else {
        double part = done < bar.total ? (double)done / (double)bar.total : 1.0;
        int filled = (int)(part * BAR_WIDTH);

        fprintf(stderr, "\r%s [%.*s%.*s] %3d %%", bar.what, filled, full, (int)BAR_WIDTH - filled, rest,
                (int)(part * 100));
    }
    fflush(stderr);
}

void progress_start(const char *what, uint64_t total)
{
    bar.what = what;
    bar.total = total;
    bar.shown = isatty(STDERR_FILENO) == 1;
    bar.drawn_ns = now_ns();
    if (bar.shown) {
        draw(0);
    }
}

void progress_update(uint64_t done)
{
    int64_t now;

    if (!bar.shown) {
        return;
    }
    now = now_ns();
    if (now - bar.drawn_ns >= REDRAW_NS) {
        bar.drawn_ns = now;
        draw(done);
    }
}

void progress_end(void)
{
    if (bar.shown) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
    }
    bar.shown = false;
}
