/* SPDX-License-Identifier: MIT */
#include "base/text.h"

void hipti_text_start(struct hipti_text *text, char *buffer, size_t bytes)
{
    text->at = buffer;
    text->room = bytes;
    if (bytes > 0) {
        *buffer = '\0';
    }
}

void hipti_text_put(struct hipti_text *text, const char *string)
{
    while (text->room > 1u && *string) {
        *text->at++ = *string++;
        *text->at = '\0';
        text->room--;
    }
}

void hipti_text_put_number(struct hipti_text *text, uint64_t number)
{
    char digits[21];
    char *at = &digits[20];

    *at = '\0';
    do {
        *--at = (char)('0' + number % 10u);
        number /= 10u;
    } while (number > 0);
    hipti_text_put(text, at);
}

void hipti_text_refuse(struct hipti_text *text, const char *what, uint64_t value, const char *relation, uint64_t bound)
{
    hipti_text_put(text, what);
    hipti_text_put(text, " ");
    hipti_text_put_number(text, value);
    hipti_text_put(text, relation);
    hipti_text_put_number(text, bound);
}
