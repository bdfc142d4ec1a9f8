/* SPDX-License-Identifier: MIT */
#include "explore/program.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { SETUP = -1 };

static const char letters[] = "mulprdcviogxanwtshyqekjzbfSHCGBN"; /* in the order of enum verb */

const char *verb_name(enum verb verb)
{
    static const char *const names[VERB_COUNT] = {"map",   "unmap", "lookup", "protect", "remap",
                                                  "mark",  "clean", "reverse", "pin",    "unpin",
                                                  "reap",  "retire", "alloc", "unmap_range", "walk",
                                                  "read",  "write", "narrow", "cleaner", "exit",
                                                  "enter", "serve", "cached", "stay",  "gather", "finish",
                                                  "split", "punch", "collapse", "resize", "move",
                                                  "place"};

    return names[verb];
}

bool verb_reshapes(enum verb verb)
{
    return verb == VERB_SPLIT || verb == VERB_PUNCH || verb == VERB_COLLAPSE;
}

bool verb_moves(enum verb verb)
{
    return verb == VERB_RESIZE || verb == VERB_MOVE || verb == VERB_PLACE;
}

static bool number_parse(const char **at, unsigned *number)
{
    if (!isdigit((unsigned char)**at)) {
        return false;
    }
    *number = 0;
    while (isdigit((unsigned char)**at)) {
        *number = *number * 10u + (unsigned)(*(*at)++ - '0');
    }
    return true;
}

/* The operands behind a call's letter: at most two numbers with a dot between. => how many. */
static unsigned operands_parse(const char **at, unsigned operand[2])
{
    if (!number_parse(at, &operand[0])) {
        return 0;
    }
    if (**at != '.') {
        return 1;
    }
    (*at)++;
    return number_parse(at, &operand[1]) ? 2u : 3u;
}

/* Where the numbers behind a letter go. => false: not as many as the verb takes. */
static bool operands_place(struct call *call, const unsigned operand[2], unsigned count)
{
    switch (call->verb) {
    case VERB_MAP:
    case VERB_REMAP:
    case VERB_UNMAP_RANGE:
    case VERB_GATHER:
    case VERB_PUNCH:
        call->vpn = operand[0];
        call->pfn = operand[1];
        return count == 2;
    case VERB_READ:
    case VERB_WRITE:
        call->vpn = operand[0];
        call->cpu = operand[1];
        return (count == 1 || count == 2) && call->cpu < PROGRAM_THREADS_MAX;
    case VERB_EXIT:
    case VERB_ENTER:
    case VERB_SERVE:
        call->cpu = operand[0];
        return count <= 1 && call->cpu < PROGRAM_THREADS_MAX;
    case VERB_REVERSE:
    case VERB_PIN:
    case VERB_UNPIN:
        call->pfn = operand[0];
        return count == 1 && call->pfn < 16u;
    case VERB_RESIZE:
    case VERB_MOVE:
        call->pfn = operand[0];
        return count == 1;
    case VERB_RETIRE:
    case VERB_ALLOC:
        call->asid = operand[0];
        return count == 1 && call->asid < 4u;
    case VERB_PLACE:
        call->asid = operand[0];
        call->pfn = operand[1];
        return count == 2 && call->asid < 4u && (call->pfn < 2u || call->pfn == PROGRAM_ALL_NODES);
    case VERB_REAP:
    case VERB_WALK:
    case VERB_FINISH:
    case VERB_STAY:
        return count == 0;
    default:
        call->vpn = operand[0];
        return count == 1;
    }
}

/* => the verb of a call's letter; VERB_COUNT: none. Capital ones are verbs of their own, or of a larger page. */
static enum verb verb_parse(char letter)
{
    const char *at = letter ? strchr(letters, letter) : NULL;

    if (!at && letter && strchr("MUPR", letter)) {
        at = strchr(letters, tolower((unsigned char)letter));
    }
    return at ? (enum verb)(at - letters) : VERB_COUNT;
}

static bool call_parse(const char **at, struct call *call)
{
    unsigned operand[2] = {0, 0};

    memset(call, 0, sizeof(*call));
    if (isdigit((unsigned char)(*at)[0]) && (*at)[1] == ':') {
        call->asid = (unsigned)((*at)[0] - '0');
        *at += 2;
    }
    call->verb = verb_parse(**at);
    if (call->verb == VERB_COUNT || call->asid > 3u) {
        return false;
    }
    call->size = isupper((unsigned char)**at) && !verb_moves(call->verb) ? 1u : 0u;
    (*at)++;
    return operands_place(call, operand, operands_parse(at, operand)) && call->pfn < 16u;
}

/* => where the next call of the part goes; NULL: no room. */
static struct call *call_place(struct program *program, int part)
{
    if (part == SETUP) {
        return program->nsetup < PROGRAM_SETUP_MAX ? &program->setup[program->nsetup++] : NULL;
    }
    if (part >= PROGRAM_THREADS_MAX || program->ncalls[part] == PROGRAM_CALLS_MAX) {
        return NULL;
    }
    return &program->calls[part][program->ncalls[part]++];
}

/* The digits behind c. => false: there is none, or one that is no thread. */
static bool cpus_parse(const char **at, struct program *program)
{
    for (; isdigit((unsigned char)**at); (*at)++) {
        program->cpus |= 1u << (**at - '0');
    }
    return program->cpus != 0 && program->cpus >> PROGRAM_THREADS_MAX == 0;
}

static bool geometry_parse(const char **at, struct program *program)
{
    unsigned *const number[3] = {&program->sizes, &program->version_bits, &program->sequence_bits};
    unsigned i;

    for (i = 0; i < 3; i++) {
        if ((i > 0 && *(*at)++ != '/') || !number_parse(at, number[i])) {
            return false;
        }
    }
    for (; **at == 's' || **at == 'n'; (*at)++) {
        program->is_scarce = program->is_scarce || **at == 's';
        program->is_endless = program->is_endless || **at == 'n';
    }
    if (**at == 'N') {
        (*at)++;
        if (!number_parse(at, &program->nodes) || program->nodes != 2u) {
            return false;
        }
    }
    if (**at == 'c') {
        (*at)++;
        return cpus_parse(at, program) && program->sizes >= 1u && program->sizes <= 2u;
    }
    return program->sizes >= 1u && program->sizes <= 2u;
}

static bool calls_parse(const char **at, struct program *program)
{
    int part = SETUP;

    for (;; (*at)++) {
        struct call *call;

        while (**at == ' ') {
            (*at)++;
        }
        if (**at == '\0') {
            program->nthreads = (unsigned)(part + 1);
            return part > SETUP;
        }
        if (**at == '|') {
            part++;
            continue;
        }
        call = call_place(program, part);
        if (!call || !call_parse(at, call) || call->size >= program->sizes || (**at != ' ' && **at != '\0') ||
            (call->verb == VERB_PLACE && program->nodes == 0)) {
            return false;
        }
        (*at)--;
    }
}

bool program_parse(const char *text, struct program *program, const char **wrong)
{
    memset(program, 0, sizeof(*program));
    *wrong = text;
    if (strlen(text) >= PROGRAM_TEXT_MAX) {
        return false;
    }
    strcpy(program->text, text);
    return geometry_parse(wrong, program) && calls_parse(wrong, program) && program->cpus >> program->nthreads == 0;
}

/* --- the other way --- */

static void append(struct program *program, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void append(struct program *program, const char *format, ...)
{
    size_t used = strlen(program->text);
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(program->text + used, sizeof(program->text) - used, format, arguments);
    va_end(arguments);
}

static void cpu_write(struct program *program, const char *separator, const struct call *call)
{
    if (call->cpu) {
        append(program, "%s%u", separator, call->cpu);
    }
}

static void cpus_write(struct program *program)
{
    unsigned i;

    append(program, program->cpus ? "c" : "");
    for (i = 0; i < PROGRAM_THREADS_MAX; i++) {
        if (program->cpus >> i & 1u) {
            append(program, "%u", i);
        }
    }
}

static void call_write(struct program *program, const struct call *call)
{
    int letter = letters[call->verb];
    bool has_asid = call->asid > 0 && call->verb != VERB_RETIRE && call->verb != VERB_ALLOC &&
                    call->verb != VERB_PLACE;

    append(program, " ");
    if (has_asid) {
        append(program, "%u:", call->asid);
    }
    append(program, "%c", call->size ? toupper(letter) : letter);
    switch (call->verb) {
    case VERB_MAP:
    case VERB_REMAP:
    case VERB_UNMAP_RANGE:
    case VERB_GATHER:
    case VERB_PUNCH:
        append(program, "%u.%u", call->vpn, call->pfn);
        break;
    case VERB_READ:
    case VERB_WRITE:
        append(program, "%u", call->vpn);
        cpu_write(program, ".", call);
        break;
    case VERB_EXIT:
    case VERB_ENTER:
    case VERB_SERVE:
        cpu_write(program, "", call);
        break;
    case VERB_REVERSE:
    case VERB_PIN:
    case VERB_UNPIN:
    case VERB_RESIZE:
    case VERB_MOVE:
        append(program, "%u", call->pfn);
        break;
    case VERB_RETIRE:
    case VERB_ALLOC:
        append(program, "%u", call->asid);
        break;
    case VERB_PLACE:
        append(program, "%u.%u", call->asid, call->pfn);
        break;
    case VERB_REAP:
    case VERB_WALK:
    case VERB_FINISH:
    case VERB_STAY:
        break;
    default:
        append(program, "%u", call->vpn);
        break;
    }
}

bool program_write(struct program *program)
{
    unsigned i;
    unsigned k;

    program->text[0] = '\0';
    append(program, "%u/%u/%u%s%s", program->sizes, program->version_bits, program->sequence_bits,
           program->is_scarce ? "s" : "", program->is_endless ? "n" : "");
    append(program, program->nodes ? "N%u" : "", program->nodes);
    cpus_write(program);
    for (i = 0; i < program->nsetup; i++) {
        call_write(program, &program->setup[i]);
    }
    for (i = 0; i < program->nthreads; i++) {
        append(program, " |");
        for (k = 0; k < program->ncalls[i]; k++) {
            call_write(program, &program->calls[i][k]);
        }
    }
    return strlen(program->text) + 1u < sizeof(program->text);
}
