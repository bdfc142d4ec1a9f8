/* SPDX-License-Identifier: MIT */
#include "weak/enumerated.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hipt/map.h>

#include "explore/groups.h"
#include "explore/program.h"

/* What a call is here; of a mark and a clean the change, behind a lookup in one read side. */
static const enum kind kinds[VERB_COUNT] = {
    [VERB_MAP] = MAP,         [VERB_UNMAP] = UNMAP,   [VERB_LOOKUP] = LOOKUP, [VERB_PROTECT] = PROTECT,
    [VERB_REMAP] = REMAP,     [VERB_MARK] = MARK,     [VERB_CLEAN] = CLEAN,   [VERB_REVERSE] = REVERSE,
    [VERB_PIN] = PIN,         [VERB_UNPIN] = UNPIN,   [VERB_REAP] = REAP,     [VERB_RETIRE] = RETIRE,
    [VERB_ALLOC] = ALLOC,     [VERB_WALK] = NEXT,     [VERB_UNMAP_RANGE] = UNMAP,
};

unsigned enumerated_programs(unsigned group, const char **name)
{
    *name = group < GROUPS ? groups[group].name : NULL;
    if (group >= GROUPS || groups[group].is_unbounded || groups[group].programs) {
        return 0; /* the last: they have CPUs */
    }
    return group_programs(&groups[group]);
}

static struct op *op_add(struct op *at, const struct call *call, enum kind kind)
{
    *at = (struct op){kind, call->asid, call->size, call->vpn, call->pfn, HIPT_READ};
    if (kind == PROTECT || kind == REMAP) {
        at->prot = HIPT_READ | HIPT_WRITE;
    } else if (kind == MARK || kind == CLEAN) {
        at->prot = HIPT_DIRTY;
    }
    return at + 1;
}

/* => where the next operation goes. */
static struct op *call_add(struct op *at, const struct call *call)
{
    struct call page = *call;

    switch (call->verb) {
    case VERB_MARK:
    case VERB_CLEAN:
        at = op_add(at, call, ENTER);
        at = op_add(at, call, LOOKUP);
        at = op_add(at, call, kinds[call->verb]);
        return op_add(at, call, EXIT);
    case VERB_UNMAP_RANGE:
        for (; page.vpn < call->vpn + call->pfn; page.vpn++) {
            at = op_add(at, &page, UNMAP);
        }
        return at;
    default:
        return op_add(at, call, kinds[call->verb]);
    }
}

void enumerated_read(unsigned group, unsigned index, struct weak_program *program)
{
    static struct program read;
    const char *wrong;
    char text[PROGRAM_TEXT_MAX];
    struct op *at = program->setup;
    unsigned thread;
    unsigned i;

    group_text(&groups[group], index, text, sizeof(text));
    if (!program_parse(text, &read, &wrong)) {
        fprintf(stderr, "hipt-weak: \"%s\" is no program\n", text);
        exit(2);
    }
    memset(program, 0, sizeof(*program));
    program->name = read.text;
    program->sizes = read.sizes;
    program->version_bits = read.version_bits;
    program->sequence_bits = read.sequence_bits;
    program->flags = read.is_scarce ? REFUSING : 0;
    for (i = 0; i < read.nsetup; i++) {
        at = call_add(at, &read.setup[i]);
    }
    for (thread = 0; thread < read.nthreads; thread++) {
        at = program->thread[thread];
        for (i = 0; i < read.ncalls[thread]; i++) {
            at = call_add(at, &read.calls[thread][i]);
        }
    }
}
