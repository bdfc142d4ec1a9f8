/* SPDX-License-Identifier: MIT */
/*
 * One page of one asid, CPUS CPUs with a cache of one entry: the protocol of lib/shootdown/shootdown.h (S1 to S7, C1 to
 * C6) with the order of destruction of lib/map/gather.h. Each access to shared memory is one step, in a single order of
 * all of them. The ranges that are remembered are left out: a CPU that finds the generation moved forgets everything.
 *
 * Each life of the page has a number. One process unmaps it; one maps it again, helping if it finds it frozen; with
 * NOISE, one makes a round for another page, which moves nothing that this page's CPUs look at. What is asserted:
 *   S1, S2  a CPU uses the translation of a life only as long as nobody knows that life's shootdown to have ended
 *   T1      the page is mapped only where no life of it is live
 *
 * BREAK_...: a step left out, or two exchanged; the model must then fail.
 */
#ifndef CPUS
#define CPUS 2
#endif
#ifndef OPERATIONS
#define OPERATIONS 3 /* of each CPU */
#endif
#ifndef NOISE
#define NOISE 0
#endif
#define LIVES 3

#define ABSENT 0
#define LIVE 1
#define FROZEN 2

byte state = LIVE;
byte life = 1;          /* of the word; 0 is no life */
byte generation;
byte clock;
bool member[CPUS];
byte posted[CPUS];
byte served[CPUS];
bool inside[CPUS];

bool over[LIVES + 1];   /* what only the assertions look at: the life's shootdown is known to have ended */

/* C3, C4. */
inline serve()
{
    p = posted[me];
    if
    :: p != mine ->
        if
        :: member[me] ->
            g = generation;
            if
            :: g != seen -> cached = 0; seen = g
            :: else
            fi
        :: else
        fi;
        mine = p;
        served[me] = p
    :: else
    fi
}

/* C2. */
inline join()
{
    if
    :: !member[me] ->
        member[me] = true;
        g = generation;
        if
        :: g != seen -> cached = 0; seen = g
        :: else
        fi
    :: else
    fi
}

inline interrupt()
{
    if
    :: serve()
    :: skip
    fi
}

inline access()
{
    serve();
    before = mine;
#ifndef BREAK_JOIN_LATE
    join();
#endif
    if
    :: cached != 0 -> assert(!over[cached])
    :: else ->
        atomic { walked = (state == LIVE -> life : 0) };
        if
        :: walked != 0 ->
            interrupt();
#ifdef BREAK_JOIN_LATE
            join();
#endif
            cached = walked;
            interrupt();
#ifndef BREAK_FILL_UNCHECKED
            if
            :: mine != before -> cached = 0
            :: else -> assert(!over[cached])
            fi
#else
            assert(!over[cached])
#endif
        :: else
        fi
    fi
}

/* A CPU leaves the set while it does not use the asid, as it does when another one is used (C5). */
inline leave()
{
    if
    :: member[me] -> member[me] = false
    :: else
    fi
}

proctype Cpu(byte me)
{
    byte left = OPERATIONS;
    byte cached, seen, mine, p, g, walked, before;

    do
    :: left > 0 ->
        left--;
        if
        :: !inside[me] ->
            inside[me] = true; /* C1 */
            serve()
        :: else ->
            if
            :: access()
            :: serve(); leave()
            :: inside[me] = false /* C6 */
            fi
        fi
    :: left == 0 -> break
    od;
    inside[me] = false
}

/* S1. */
inline move()
{
    generation++
}

/* S3 to S6: @asked are the CPUs that were members. */
inline dispatch()
{
#ifndef BREAK_SET_FIRST
    atomic { for (c : 0 .. CPUS - 1) { asked[c] = member[c] } };
#endif
#ifndef BREAK_TICKET_FIRST
    atomic { clock++; ticket = clock };
#endif
    for (c : 0 .. CPUS - 1) {
        if
        :: asked[c] -> atomic { posted[c] = (posted[c] < ticket -> ticket : posted[c]) }
        :: else
        fi
    }
}

/* S7. */
inline wait()
{
    for (c : 0 .. CPUS - 1) {
        (!member[c] || served[c] >= ticket || posted[c] < ticket || !inside[c])
    }
}

inline round()
{
#ifdef BREAK_TICKET_FIRST
    atomic { clock++; ticket = clock };
#endif
#ifdef BREAK_POST_FIRST
    dispatch();
    move();
#else
    move();
    dispatch();
#endif
    wait()
}

proctype Unmap()
{
    bool asked[CPUS];
    byte ticket, c, mine;

#ifdef BREAK_SET_FIRST
    atomic { for (c : 0 .. CPUS - 1) { asked[c] = member[c] } };
#endif
    atomic { state = FROZEN; mine = life };
    round();
    over[mine] = true;
    atomic {
        if
        :: state == FROZEN && life == mine -> state = ABSENT
        :: else /* it was ended */
        fi
    }
}

proctype Map()
{
    bool asked[CPUS];
    byte ticket, c, mine;

    do
    :: atomic { state == ABSENT -> life++; assert(life <= LIVES); state = LIVE }; break
    :: atomic { state == FROZEN -> mine = life };
#ifdef BREAK_SET_FIRST
        atomic { for (c : 0 .. CPUS - 1) { asked[c] = member[c] } };
#endif
#ifndef BREAK_THAW_EARLY
        round();
#endif
        over[mine] = true;
        atomic {
            if
            :: state == FROZEN && life == mine -> state = ABSENT
            :: else
            fi
        }
    od
}

#if NOISE
proctype Noise()
{
    bool asked[CPUS];
    byte ticket, c;

#ifdef BREAK_SET_FIRST
    atomic { for (c : 0 .. CPUS - 1) { asked[c] = member[c] } };
#endif
#ifdef BREAK_TICKET_FIRST
    atomic { clock++; ticket = clock };
#endif
    dispatch();
    wait()
}
#endif

init
{
    byte i;

    atomic {
        for (i : 0 .. CPUS - 1) {
            run Cpu(i)
        }
        run Unmap();
        run Map();
#if NOISE
        run Noise()
#endif
    }
}
