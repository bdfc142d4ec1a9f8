/* SPDX-License-Identifier: MIT */
/* A line of text, put together without a C library. What does not fit is cut; the line always ends in a zero. */
#ifndef HIPT_BASE_TEXT_H
#define HIPT_BASE_TEXT_H

#include <stddef.h>
#include <stdint.h>

struct hipti_text {
    char *at;
    size_t room; /* the terminating zero included */
};

void hipti_text_start(struct hipti_text *text, char *buffer, size_t bytes);
void hipti_text_put(struct hipti_text *text, const char *string);
void hipti_text_put_number(struct hipti_text *text, uint64_t number);

/* "@what @value@relation@bound", the form of most refusals. */
void hipti_text_refuse(struct hipti_text *text, const char *what, uint64_t value, const char *relation, uint64_t bound);

#endif
