/* SPDX-License-Identifier: MIT */
/*
 * What a reader may be told while writers are at work, page by page.
 *
 * Each page has one writer, and a word that only this writer stores to:
 *
 *   sequence (32 bits) | state before (16) | state after (16)
 *
 * An even sequence: the page rests in one state, which both fields hold. An odd one: its writer is between them. A
 * writer stores the odd word, then calls hipt, then stores the even word with the outcome; a reader loads the word,
 * asks hipt, and loads the word again. The legal answers are the states named in the two words, if the sequence moved
 * by two at most; if it moved on further, some state in between may be named in neither, and the answer is not judged.
 *
 * Why it cannot call a right answer wrong, or a wrong one right:
 *
 *  - The first load acquires, the even store releases. A reader that sees an even word with sequence n is therefore
 *    behind the hipt operations up to n: hipt may not answer with a state from before them.
 *  - An operation's effect in hipt comes after the odd store of its writer, and hipt publishes with release and looks
 *    up with acquire (the Order sections of its contracts). A reader that saw the effect of operation n + 1 therefore
 *    sees that odd store, or a later one, in its second load; loads after an acquire do not move before it. If the
 *    second load still shows n, hipt may not have answered with a state from after it.
 *  - Between two words at most two apart there is no state that they do not name: from even to even the operation
 *    between them went from the one to the other, or failed and changed nothing; from odd to odd the second names where
 *    it began.
 *  - The sequence comes round after 2^31 operations on one page between two loads of one reader; a writer does some
 *    10^6 in a second, on all of its pages together.
 */
#ifndef HIPT_TOOL_REPLAY_ORACLE_H
#define HIPT_TOOL_REPLAY_ORACLE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <hipt/map.h>

#include "replay_load.h"

/*
 * A state: place (9 bits: 0 not mapped, 1 at its home frame, 2 + n at its writer's spare n, 511 at a frame where it has
 * no business) | prot (4) | attr (3). Not mapped has neither prot nor attr.
 */
typedef uint16_t oracle_state;

#define ORACLE_ABSENT ((oracle_state)0)
#define ORACLE_ALIEN ((oracle_state)0xffff)
#define PLACE_ABSENT 0u
#define PLACE_HOME 1u
#define PLACE_SPARE 2u

static inline oracle_state oracle_state_make(unsigned place, uint8_t prot, uint8_t attr)
{
    return (oracle_state)(place << 7 | (prot & 0xfu) << 3 | (attr & 0x7u));
}

static inline unsigned oracle_place(oracle_state state)
{
    return state >> 7;
}

static inline uint64_t oracle_word(uint32_t sequence, oracle_state before, oracle_state after)
{
    return (uint64_t)sequence << 32 | (uint64_t)before << 16 | after;
}

/* Where a page rests, by an even word; where it is going, by an odd one. */
static inline oracle_state oracle_after(uint64_t word)
{
    return (oracle_state)word;
}

/* Whether two loads show the page at rest, and nothing done to it between them. */
static inline bool oracle_rested(uint64_t before, uint64_t after)
{
    return before == after && (after >> 32) % 2 == 0;
}

enum oracle_verdict { ORACLE_RIGHT, ORACLE_WRONG, ORACLE_UNCHECKED };

/* Field key: each word is stored to by the writer that owns its page only; population is constant. */
struct oracle {
    const struct population *population;
    _Atomic uint64_t *words; /* of each page */
};

/* Every page at its home. => 0, or -1 where memory is short; oracle_free() in both cases. */
int oracle_init(struct oracle *oracle, const struct population *population);
void oracle_free(struct oracle *oracle);

unsigned oracle_writer(const struct oracle *oracle, uint32_t page);

/* The state that an answer for a page stands for; ORACLE_ALIEN if it is none that the page can be in. */
oracle_state oracle_encode(const struct oracle *oracle, uint32_t page, const struct hipt_mapping *mapping);
/* => @state is not ORACLE_ABSENT. */
struct hipt_mapping oracle_decode(const struct oracle *oracle, uint32_t page, oracle_state state);

/* Whether an answer was legal between the two loads. */
enum oracle_verdict oracle_judge(uint64_t before, uint64_t after, oracle_state answer);

/* One reverse lookup: who could have been at the frame, and what was reported. */
struct oracle_reverse {
    struct hipt_frame frame;
    const uint32_t *pages;          /* candidates, ascending: no other page can be at the frame in the interval */
    const uint64_t *before, *after; /* their words */
    uint8_t *seen;                  /* scratch, as long */
    size_t npages;
    unsigned place; /* the place that is this frame, for all candidates */
    const struct hipt_mapping *reports;
    size_t nreports;
};

struct oracle_tally {
    uint64_t checked, unchecked;
};

/*
 * Judges all of it: each report is legal in itself, and no candidate is missing that was at the frame all the time
 * (F1).
 * => the index of the wrong report in *report, or of the missing candidate in *missing, the other one SIZE_MAX.
 */
enum oracle_verdict oracle_judge_reverse(const struct oracle *oracle, const struct oracle_reverse *reverse,
                                         struct oracle_tally *tally, size_t *report, size_t *missing);

/* The writer's side. oracle_begin() before hipt is called, oracle_end() after it, with whether the change was made. */
void oracle_begin(struct oracle *oracle, uint32_t page, oracle_state next);
void oracle_end(struct oracle *oracle, uint32_t page, bool changed);

#endif
