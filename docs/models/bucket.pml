/* SPDX-License-Identifier: MIT */
/*
 * A bucket of two slots, its header, and one overflow line of one slot: the protocol of lib/table/line.h (H1 to H3) and
 * lib/table/pte.h (P1 to P4, P10 to P13) in a table of one page size. Each access to shared memory is one step, in a
 * single order of all of them: what weaker orders allow is not seen here.
 *
 * Two processes map and unmap, a third looks up. What is asserted:
 *   T1   never two live slots of one key
 *   H1   nothing becomes live that was not committed
 *   T3   an unmap freezes the life that it has read
 *   hit  what is found is the key's, at the instant of the last load
 *   miss a key that is not found was absent at some instant of the call; the same of an unmap that finds nothing
 *   line an overflow line that is used anew is not in the chain
 *
 * Versions have one or two bits and wrap, sequences three. Grace periods: a cookie is the set of the read sides that were open
 * when it was asked for; a process that leaves its read side leaves all cookies. So a process that is never scheduled
 * again holds grace periods up, as it does in the library.
 *
 * BREAK_...: a step left out or changed; the model must then fail. The names before set its size.
 */
#ifndef KEYS
#define KEYS 1
#endif
#ifndef CHANGES_0
#define CHANGES_0 2 /* operations of the two processes that change the bucket */
#endif
#ifndef CHANGES_1
#define CHANGES_1 2
#endif
#ifndef LOOKUPS
#define LOOKUPS 1
#endif
#ifndef VERSION_BITS
#define VERSION_BITS 1 /* or 2 */
#endif
#define PROCESSES 3
#define SLOTS 3 /* 0 and 1 in the bucket's line, 2 in the overflow line */
#define NO_SLOT 3

/* A PTE: its state, its version, and for parked ones which of two successive cookies. */
#define FREE 0
#define CLAIMED 1
#define PARKED 2
#define SEALED 3 /* parked for ever */
#define FROZEN 4
#define LIVE 5
#define STATE(pte) ((pte) & 7)
#define VERSION(pte) (((pte) >> 3) & 3)
#define VERSION_MAX ((1 << VERSION_BITS) - 1)
#define HAS_KEY(pte) (STATE(pte) >= FROZEN)
#define WORD(state, version) ((state) | ((version) << 3))
#define COOKIE_BIT 32

/* A header. */
#define SEQUENCE(h) ((h) & 7)
#define PENDING(h) (((h) >> 3) & 1)
#define POSITION(h) (((h) >> 4) & 3)
#define PARITY(h) (((h) >> 6) & 1)
#define LINK(h) (((h) >> 7) & 1)
#define RELINK(h, link) (((SEQUENCE(h) + 1) & 7) | ((link) << 7))
#define COMMIT(h, slot, parity) (RELINK(h, LINK(h)) | 8 | ((slot) << 4) | ((parity) << 6))

byte header;
byte pte[SLOTS];
byte key[SLOTS];
byte waits[SLOTS];     /* of a parked slot: read sides that its cookie waits for */
bit parked_bit[SLOTS]; /* of the slot's next cookie */
byte gate_waits;       /* of the last crossing of the sequence's gate */
bool line_spare;       /* the overflow line is in nobody's chain */
byte line_waits;
byte reading;          /* read sides that are open, a bit each */

/* What only the assertions look at. */
byte life[SLOTS];
bit committed[SLOTS];
bool was_absent[PROCESSES];
byte sought[PROCESSES]; /* the key that a process operates on */

#define IS_LIVE(s, k) (STATE(pte[s]) == LIVE && key[s] == (k))
#define IS_MAPPED(k) (IS_LIVE(0, k) || IS_LIVE(1, k) || IS_LIVE(2, k))
#define LIVES(k) (IS_LIVE(0, k) + IS_LIVE(1, k) + IS_LIVE(2, k))

inline enter(me)
{
    atomic {
        reading = reading | (1 << me);
        sought[me] = k;
        was_absent[me] = !IS_MAPPED(k);
    }
}

inline leave(me)
{
    d_step {
        reading = reading & ~(1 << me);
        waits[0] = waits[0] & ~(1 << me);
        waits[1] = waits[1] & ~(1 << me);
        waits[2] = waits[2] & ~(1 << me);
        gate_waits = gate_waits & ~(1 << me);
        line_waits = line_waits & ~(1 << me);
        k = 0; i = 0; h = 0; p = 0; q = 0; slot = 0; next = 0; seen_life = 0; found = 0; mine = NO_SLOT;
        was_absent[me] = 0;
        sought[me] = 0;
    }
}

/* P4, by whoever comes. */
inline make_live(s, from)
{
    d_step {
        if
        :: pte[s] == from ->
           pte[s] = WORD(LIVE, VERSION(from));
           assert(committed[s]); /* H1 */
           assert(LIVES(key[s]) == 1) /* T1 */
        :: else
        fi
    }
}

/* A header whose named slot is finished. => h. */
inline settle()
{
    do
    :: atomic { h = header; if :: PENDING(h) :: else -> break fi };
       p = pte[POSITION(h)];
       if
       :: STATE(p) != CLAIMED || (VERSION(p) & 1) != PARITY(h) -> break
       :: else
#ifndef BREAK_HELP_UNCHECKED
          if
          :: header != h /* a later claim may have the same parity */
          :: else -> make_live(POSITION(h), p); break
          fi
#else
          make_live(POSITION(h), p); break
#endif
       fi
    od
}

/* Look for key k in slots first to last - 1. => found; slot, p, seen_life. */
inline find(first, last)
{
    i = first;
    do
    :: i == last || found -> break
    :: else ->
       if
       :: key[i] == k -> /* a candidate */
          p = pte[i];
          do
          :: !HAS_KEY(p) -> break
          :: else ->
             if
             :: key[i] != k -> break
             :: else
             fi;
             atomic {
                 q = pte[i];
                 if
                 :: HAS_KEY(q) && VERSION(q) == VERSION(p) ->
                    assert(key[i] == k); /* hit */
                    found = 1; slot = i; p = q; seen_life = life[i];
                    break
                 :: else -> p = q
                 fi
             }
          od
       :: else
       fi;
       i++
    od
}

/* The first slot from first to last - 1 that can be claimed, if none was found before. => mine, mine_pte. */
inline find_free(first, last)
{
    i = first;
    do
    :: i == last || mine != NO_SLOT -> break
    :: else ->
       atomic {
           if
           :: STATE(pte[i]) == FREE || (STATE(pte[i]) == PARKED && waits[i] == 0) -> mine = i; mine_pte = pte[i]
           :: else
           fi;
           i++
       }
    od
}

/* => found, or mine and h as the scan saw them. */
inline scan()
{
    settle();
    found = 0;
    find(0, 2);
    if
    :: !found && LINK(h) -> find(2, 3)
    :: else
    fi
}

/* => next: the sequence may move on from h. */
inline pass_gate()
{
    d_step { /* the gate's own protocol is in lib/reclaim/gate.h */
        if
        :: ((SEQUENCE(h) + 1) & 1) != 0 -> next = 1
        :: else ->
           next = (gate_waits == 0);
           if
           :: next -> gate_waits = reading
           :: else
           fi
        fi
    }
}

/* Take the overflow line out of the chain if it is empty (P13, H3). */
inline trim()
{
    settle();
    if
    :: LINK(h) ->
       d_step {
           q = pte[2];
#ifndef BREAK_TRIM_UNSEALED
           next = (STATE(q) == FREE || STATE(q) == PARKED);
           if
           :: next -> pte[2] = SEALED
           :: else
           fi
#else
           next = 1;
#endif
       };
       if
       :: next ->
          do
          :: !LINK(h) -> next = 0; break
          :: else ->
             pass_gate();
             if
             :: !next -> break
             :: else
             fi;
             d_step { /* H3 */
                 next = (header == h);
                 if
                 :: next -> header = RELINK(h, 0); line_spare = 1; line_waits = reading
                 :: else
                 fi
             };
             if
             :: next -> break
             :: else -> settle()
             fi
          od;
          if
          :: !next -> pte[2] = q /* unsealed */
          :: else
          fi
       :: else
       fi
    :: else
    fi
}

/* P3. */
inline forget()
{
    pte[mine] = WORD(FREE, VERSION(mine_pte));
    if
    :: mine == 2 -> trim()
    :: else
    fi
}

/* P11, P12. */
inline release(s)
{
    d_step {
#ifdef BREAK_VERSION_KEPT
        pte[s] = WORD(FREE, VERSION(p))
#else
        if
        :: VERSION(p) < VERSION_MAX -> pte[s] = WORD(FREE, VERSION(p) + 1)
#ifdef BREAK_UNPARKED
        :: else -> pte[s] = WORD(FREE, 0)
#else
        :: else ->
           pte[s] = PARKED | (parked_bit[s] -> COOKIE_BIT : 0);
           parked_bit[s] = !parked_bit[s];
           waits[s] = reading
#endif
        fi
#endif
    };
    if
    :: s == 2 -> trim()
    :: else
    fi
}

/* A put: claim, commit. */
inline map()
{
    do
    :: scan();
       if
       :: found -> break
       :: else
       fi;
       mine = NO_SLOT;
       find_free(0, 2);
       if
       :: mine == NO_SLOT && LINK(h) -> find_free(2, 3)
       :: else
       fi;
       if
       :: mine != NO_SLOT -> /* P1, P2 */
          d_step {
              next = (pte[mine] == mine_pte);
              if
              :: next ->
                 mine_pte = WORD(CLAIMED, (STATE(mine_pte) == FREE -> VERSION(mine_pte) : 0));
                 pte[mine] = mine_pte;
                 life[mine] = (life[mine] + 1) & 7;
                 committed[mine] = 0
              :: else -> mine = NO_SLOT
              fi
          };
          if
          :: next -> key[mine] = k; break
          :: else
          fi
       :: mine == NO_SLOT && LINK(h) -> found = 1; break /* the chain is at its bound */
       :: mine == NO_SLOT && !LINK(h) ->
          pass_gate();
          if
          :: !next -> found = 1; break
          :: else
          fi;
          d_step { /* the freelist */
              next = (line_spare && line_waits == 0);
              if
              :: next -> line_spare = 0; assert(!LINK(header)) /* line */
              :: else
              fi
          };
          if
          :: !next -> found = 1; break
          :: else
          fi;
          mine_pte = WORD(CLAIMED, 0); /* nobody looks at the line */
          d_step { pte[2] = mine_pte; key[2] = k; life[2] = (life[2] + 1) & 7; committed[2] = 0 };
          d_step { /* H2 */
              next = (header == h);
              if
              :: next -> h = RELINK(h, 1); header = h; mine = 2
              :: else -> pte[2] = FREE; line_spare = 1; line_waits = reading
              fi
          };
          if
          :: next -> break
          :: else
          fi
       fi
    od;
    if
    :: found /* nothing is held */
    :: else ->
       do
       :: pass_gate();
          if
          :: !next -> forget(); break
          :: else
          fi;
          d_step { /* H1 */
              next = (header == h);
              if
              :: next -> header = COMMIT(h, mine, VERSION(mine_pte) & 1); committed[mine] = 1
              :: else
              fi
          };
          if
          :: next -> make_live(mine, mine_pte); break
          :: else
          fi;
#ifdef BREAK_SCAN_SKIPPED
          settle();
#else
          scan();
          if
          :: found -> forget(); break
          :: else
          fi
#endif
       od
    fi
}

/* Look for the key in the whole chain, as readers do. */
inline look_up()
{
    found = 0;
    find(0, 2);
    if
    :: !found ->
       h = header;
       if
       :: LINK(h) -> find(2, 3)
       :: else
       fi
    :: else
    fi;
    assert(found || was_absent[me]) /* miss */
}

inline unmap()
{
    look_up();
    if
    :: found && STATE(p) == LIVE ->
       d_step { /* P10 */
           next = (pte[slot] == p);
           if
           :: next ->
              assert(life[slot] == seen_life && key[slot] == k); /* T3 */
              pte[slot] = WORD(FROZEN, VERSION(p));
              i = 0;
              do
              :: i < PROCESSES -> if :: sought[i] == k -> was_absent[i] = 1 :: else fi; i++
              :: else -> break
              od
           :: else
           fi
       };
       if
       :: next -> release(slot)
       :: else
       fi
    :: else
    fi
}

inline choose_key()
{
    if
    :: k = 1
#if KEYS > 1
    :: k = 2
#endif
    fi
}

proctype Worker(byte me; byte changes)
{
    byte n, k, i, h, p, q, slot, seen_life, mine = NO_SLOT, mine_pte;
    bool found, next;

    do
    :: n == changes -> break
    :: n < changes ->
       n++;
       choose_key();
       enter(me);
       if
       :: map()
       :: unmap()
       fi;
       mine_pte = 0;
       leave(me)
    od
}

proctype Reader(byte me)
{
    byte n, k, i, h, p, q, slot, seen_life, mine = NO_SLOT;
    bool found, next;

    do
    :: n == LOOKUPS -> break
    :: n < LOOKUPS ->
       n++;
       choose_key();
       enter(me);
       look_up();
       if
       :: found && STATE(p) != LIVE -> assert(was_absent[me]) /* a frozen one counts as absent */
       :: else
       fi;
       leave(me)
    od
}

init
{
    atomic {
        line_spare = 1;
#ifdef FULL
        /* The bucket's own line is full of other keys: what is put goes to the overflow line. */
        pte[0] = LIVE;
        key[0] = 6;
        pte[1] = LIVE;
        key[1] = 7;
#endif
#ifdef MAPPED
        pte[0] = LIVE;
        key[0] = 1;
#endif
        run Worker(0, CHANGES_0);
        run Worker(1, CHANGES_1);
        run Reader(2)
    }
}
