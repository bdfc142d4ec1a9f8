/* SPDX-License-Identifier: MIT */
/*
 * One frame's record and one alias block of two places: the protocol of lib/frame/frames.h (F1 to F8). Each access to
 * shared memory is one step, in a single order of all of them. A block's places are sealed and unsealed one by one.
 *
 * LINKERS processes map the frame and unmap it again (or undo the link); one pins and unpins it; one reaps, each of the
 * last two only with PINS and REAPS above 0; the last walks over the pairs. What is asserted:
 *   F1   a mapping that is there during the whole walk is given by it
 *   R1   a frame is handed back only when no read side is open in which a mapping of it was there, and nobody maps it
 *   once the frame is put on the list of those in limbo only once, and the block on that of spare ones
 *   kept what was linked is found when it is to be taken out, and the count is never below 1 then
 *
 * Grace periods as in bucket.pml. BREAK_...: a step left out or changed; the model must then fail.
 */
#ifndef LINKERS
#define LINKERS 2
#endif
#ifndef ROUNDS
#define ROUNDS 1 /* of each linker */
#endif
#ifndef WALKS
#define WALKS 1
#endif
#ifndef PINS
#define PINS 1
#endif
#ifndef REAPS
#define REAPS 1
#endif
#define PINNER LINKERS
#define REAPER (LINKERS + 1)
#define WALKER (LINKERS + 2)
#define PLACES 2
#define SEALED_PLACE 15

#define FREE 0
#define OWNED 1
#define MAPPED 2
#define UNMAPPING 3
#define LIMBO 4

/* The record's word: state, count, pins, fresh, and whether there is a block. */
#define STATE(w) ((w) & 7)
#define COUNT(w) (((w) >> 3) & 3)
#define ONE_COUNT 8
#define PIN(w) (((w) >> 5) & 1)
#define ONE_PIN 32
#define FRESH 64
#define BLOCK 128
#define WITH_STATE(w, state) (((w) & ~7) | (state))
/* F5 */
#define UNMAPPED(w, committed) (PIN(w) -> (OWNED | ONE_PIN) : ((((w) & FRESH) && !(committed)) -> FREE : LIMBO))

byte word;
byte first;          /* a linker's number + 1 */
byte place[PLACES];
bool block_spare;
byte block_waits;
bool is_returned;    /* the frame is on the list of those in limbo */
bool is_waiting;
byte limbo_waits;
byte reading;

/* What only the assertions look at. */
bool live[LINKERS];
bool stable[LINKERS]; /* was there since the walk began */
byte saw;             /* read sides in which a mapping was there */

inline enter(me)
{
    d_step {
        reading = reading | (1 << me);
        i = 0;
        do
        :: i < LINKERS -> if :: live[i] -> saw = saw | (1 << me) :: else fi; i++
        :: else -> break
        od;
        i = 0
    }
}

inline leave(me)
{
    d_step {
        reading = reading & ~(1 << me);
        saw = saw & ~(1 << me);
        block_waits = block_waits & ~(1 << me);
        limbo_waits = limbo_waits & ~(1 << me);
        w = 0; next = 0; i = 0
    }
}

inline push_limbo()
{
    d_step { assert(!is_returned && !is_waiting); /* once */ is_returned = 1 }
}

inline push_block()
{
    d_step { assert(!block_spare); /* once */ block_spare = 1; block_waits = reading }
}

/* F1, F2. => ok. */
inline count()
{
    w = word;
    do
    :: STATE(w) == UNMAPPING || STATE(w) == LIMBO -> ok = 0; break
    :: else ->
       next = WITH_STATE(w + ONE_COUNT, MAPPED) | (STATE(w) == FREE -> FRESH : 0);
       d_step { ok = (word == w); if :: ok -> word = next :: else -> w = word fi };
       if
       :: ok -> break
       :: else
       fi
    od
}

/* F3 to F5. */
inline drop(committed)
{
    w = word;
    do
    :: assert(STATE(w) == MAPPED && COUNT(w) > 0); /* kept */
       if
       :: COUNT(w) > 1 ->
#ifdef BREAK_FRESH
          next = w - ONE_COUNT
#else
          next = (committed -> (w & ~FRESH) : w) - ONE_COUNT
#endif
       :: COUNT(w) == 1 && (w & BLOCK) -> next = WITH_STATE(w, UNMAPPING)
       :: else -> next = UNMAPPED(w, committed)
       fi;
       d_step {
           ok = (word == w);
           if
           :: ok -> word = next; assert(STATE(next) != FREE || saw == 0) /* R1 */
           :: else -> w = word
           fi
       };
       if
       :: ok -> break
       :: else
       fi
    od;
    if
    :: STATE(next) == UNMAPPING ->
       push_block();
       w = next;
       do
       :: next = UNMAPPED(w, committed);
          d_step { ok = (word == w); if :: ok -> word = next :: else -> w = word fi };
          if
          :: ok -> break
          :: else
          fi
       od
    :: else
    fi;
    if
    :: STATE(next) == LIMBO -> push_limbo()
    :: else
    fi
}

/* Put the pair where there is room. => ok. */
inline put()
{
    d_step { ok = (first == 0); if :: ok -> first = me + 1 :: else fi };
    if
    :: ok
    :: else ->
       w = word;
       i = 0;
       do
       :: !(w & BLOCK) || i == PLACES -> break
       :: else ->
          d_step { ok = (place[i] == 0); if :: ok -> place[i] = me + 1 :: else fi };
          if
          :: ok -> break
          :: else -> i++
          fi
       od
    fi;
    if
    :: ok
    :: !ok && (w & BLOCK) /* there is no second block */
    :: else ->
       d_step {
           ok = (block_spare && block_waits == 0);
           if :: ok -> block_spare = 0; place[0] = me + 1; place[1] = 0 :: else fi
       };
       if
       :: ok ->
          do
          :: w & BLOCK -> push_block(); ok = 0; break /* somebody else's, and there is only one */
          :: else ->
             d_step { next = (word == w); if :: next -> word = w | BLOCK :: else -> w = word fi };
             if
             :: next -> break
             :: else
             fi
          od
       :: else
       fi
    fi
}

inline unseal()
{
    do
    :: i == 0 -> break
    :: else -> i--; place[i] = 0
    od
}

/* Take the block off the list if it is empty. */
inline trim()
{
    w = word;
    if
    :: w & BLOCK ->
       i = 0;
#ifndef BREAK_TRIM_UNSEALED
       do
       :: i == PLACES -> break
       :: else ->
          d_step { ok = (place[i] == 0); if :: ok -> place[i] = SEALED_PLACE :: else fi };
          if
          :: ok -> i++
          :: else -> unseal(); i = 0; break
          fi
       od;
#else
       if
       :: place[0] == 0 && place[1] == 0 -> i = PLACES
       :: else
       fi;
#endif
       if
       :: i == PLACES ->
          do
          :: !(w & BLOCK) -> unseal(); break
          :: else ->
             d_step { ok = (word == w); if :: ok -> word = w & ~BLOCK :: else -> w = word fi };
             if
             :: ok -> push_block(); break
             :: else
             fi
          od
       :: else
       fi
    :: else
    fi
}

/* Take the own pair out. It is somewhere. */
inline take()
{
    d_step { ok = (first == me + 1); if :: ok -> first = 0 :: else fi };
    if
    :: ok
    :: else ->
       w = word;
       assert(w & BLOCK); /* kept */
       i = 0;
       do
       :: d_step { ok = (place[i] == me + 1); if :: ok -> place[i] = 0 :: else -> i++ fi };
          assert(ok || i < PLACES); /* kept */
          if
          :: ok -> break
          :: else
          fi
       od;
       trim()
    fi
}

inline unlink(committed)
{
#ifdef BREAK_DROP_FIRST
    drop(committed);
    take()
#else
    take();
    drop(committed)
#endif
}

proctype Linker(byte me)
{
    byte n, w, next, i;
    bool ok;

    do
    :: n == ROUNDS -> break
    :: else ->
       n++;
       enter(me);
       count();
       if
       :: ok ->
          put();
          if
          :: !ok -> drop(0)
          :: ok -> /* the bucket's commit failed: the link is undone */
             unlink(0)
          :: ok ->
             d_step { /* the bucket's commit; from here on readers see it */
                 live[me] = 1;
                 saw = reading
             };
             leave(me);
             enter(me);
             d_step { live[me] = 0; stable[me] = 0 };
             unlink(1)
          fi
       :: else
       fi;
       leave(me)
    od
}

proctype Pinner(byte me)
{
    byte n, w, next, i;
    bool ok;

    do
    :: n == PINS -> break
    :: else ->
       n++;
       w = word;
       do
#ifndef BREAK_PIN_LIMBO
       :: STATE(w) == UNMAPPING || STATE(w) == LIMBO -> ok = 0; break
       :: STATE(w) != UNMAPPING && STATE(w) != LIMBO ->
#else
       :: STATE(w) == UNMAPPING -> ok = 0; break
       :: STATE(w) != UNMAPPING ->
#endif
          next = (w & ~FRESH) + ONE_PIN; /* F6 */
          next = (STATE(w) == MAPPED -> next : WITH_STATE(next, OWNED));
          d_step { ok = (word == w); if :: ok -> word = next :: else -> w = word fi };
          if
          :: ok -> break
          :: else
          fi
       od;
       if
       :: ok ->
          w = word;
          do
          :: assert(PIN(w)); /* kept */
             next = w - ONE_PIN;
             next = (STATE(w) == OWNED -> WITH_STATE(next, LIMBO) : next); /* F7 */
             d_step { ok = (word == w); if :: ok -> word = next :: else -> w = word fi };
             if
             :: ok -> break
             :: else
             fi
          od;
          if
          :: STATE(next) == LIMBO -> push_limbo()
          :: else
          fi
       :: else
       fi;
       w = 0;
       next = 0
    od
}

/* What it asks for twice it gets: the first call lets the returned frame wait, the second hands it back (F8). */
proctype Reaper(byte me)
{
    byte n;
    bool ok;

    do
    :: n == 2 * REAPS -> break
    :: else ->
       n++;
       d_step {
           ok = is_waiting && limbo_waits == 0;
#ifdef BREAK_GRACE
           ok = is_waiting;
#endif
           if
           :: ok -> is_waiting = 0
           :: !ok && is_returned && !is_waiting -> is_returned = 0; is_waiting = 1; limbo_waits = reading
           :: else
           fi
       };
       if
       :: ok ->
          assert(saw == 0 && STATE(word) == LIMBO); /* R1 */
#ifdef BREAK_REAP_ORDER
          word = 0;
          first = 0
#else
          first = 0;
          word = 0
#endif
       :: else
       fi
    od
}

proctype Walker(byte me)
{
    byte n, w, next, i, found;

    do
    :: n == WALKS -> break
    :: else ->
       n++;
       enter(me);
       atomic {
           do
           :: i < LINKERS -> stable[i] = live[i]; i++
           :: else -> break
           od;
           i = 0
       };
       found = 1 << first;
       w = word;
       if
       :: w & BLOCK ->
          do
          :: i == PLACES -> break
          :: else -> found = found | (place[i] == SEALED_PLACE -> 0 : 1 << place[i]); i++
          od
       :: else
       fi;
       atomic {
           i = 0;
           do
           :: i < LINKERS -> assert(!stable[i] || (found & (2 << i))); /* F1 */ i++
           :: else -> break
           od;
           found = 0
       };
       leave(me)
    od
}

init
{
    atomic {
        block_spare = 1;
        run Linker(0);
#if LINKERS > 1
        run Linker(1);
#endif
#if LINKERS > 2
        run Linker(2);
#endif
#if PINS > 0
        run Pinner(PINNER);
#endif
#if REAPS > 0
        run Reaper(REAPER);
#endif
        run Walker(WALKER)
    }
}
