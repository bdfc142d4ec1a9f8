/* SPDX-License-Identifier: MIT */
#include "explore/groups.h"

#include <stdio.h>
#include <string.h>

#include "explore/program.h"

#define SLOT "m0.0 m0.1 u0 p0 r0.1 d0 c0 l0"
#define FULL_LINE "m8.8 m9.9 m10.10 m11.11 m0.0"
#define SHARED "m15.15 u15 g m0.0 m1.0"

/* CPUs (cpus.h): each frame is one page's only, and a page is cleaned by one thread at a time. */
static const char *const shootdowns[] = {
    /* unmap, map and use of one page: cached before or not, by one CPU or by the CPU that unmaps */
    "1/1/6c2 m0.0 t0.2 | u0 | m0.1 | t0 t0",
    "1/1/6c2 m0.0 | u0 | m0.1 | t0 t0",
    "1/1/6c02 m0.0 t0.0 t0.2 | u0 t0 | m0.1 | t0 t0",
    "2/1/6c2 M0.4 t1.2 | U0 | m1.1 | t1 t1",
    "2/1/6c1 M0.4 t1.1 | U0 m1.1 | t1 t2",
    /* ranges that overlap; two shootdowns of one CPU; CPUs that shoot at each other */
    "1/2/6c2 m0.0 m1.1 m2.2 t1.2 | n0.2 | n1.2 | t1 t1",
    "1/2/6c01 m0.0 m1.1 m2.2 t1.0 t1.1 | n0.2 t1 | n1.2 t1",
    "1/2/6c2 m0.0 m1.1 t0.2 t1.2 | u0 | u1 | t0 t1",
    "1/2/6c2 m0.0 m1.1 t0.2 t1.2 | u0 | u1 | k t0 t1",
    "1/2/6c01 m0.0 m1.1 t1.0 t0.1 | u0 t1 | u1 t0",
    /* a cleaner, a writer, an unmap */
    "1/2/6c1 m0.0 p0 | y0 | s0 s0 s0",
    "1/2/6c1 m0.0 p0 | u0 | t0 s0",
    "1/2/6c1 m0.0 p0 s0.1 | y0 | s0 s0 | u0",
    "1/2/6c2 m0.0 p0 s0.2 | y0 | h0 | s0 s0",
    /* a space that is retired, and issued again, while it is used; tags that are used up */
    "1/2/6c1 m0.0 m1.1 t0.1 | x0 | t0 t1",
    "1/2/6c2 m0.0 t0.2 | x0 | m1.1 | t1 t0",
    "1/2/6c1 m0.0 t0.1 | x0 a2 2:m0.5 | t0 2:t0",
    "1/2/6c1 a2 m0.0 1:m0.1 2:m0.2 t0.1 1:t0.1 | u0 | 2:t0 t0",
    /* what is taken away now and finished later */
    "1/2/6c2 m0.0 t0.2 | b0.1 f | m0.1 | t0 t0",
    "1/2/6c2 m0.0 t0.2 | b0.1 f | u0 | t0 t0",
    "1/2/6c2 m0.0 m1.1 m2.2 t1.2 | b0.2 f | b1.2 f | t1 t1",
    /* remaps and writers */
    "1/2/6c1 m0.0 p0 s0.1 | r0.1 | s0 s0",
    "1/2/6c1 m0.0 p0 s0.1 | r0.1 | s0 s0 | l0",
    "1/2/6c12 m0.0 p0 s0.1 t0.2 | r0.1 | s0 s0 | t0 t0",
    "1/2/6c2 m0.0 p0 s0.2 | r0.1 | r0.2 | s0 s0",
    "1/2/6c2 m0.0 p0 s0.2 | r0.1 | u0 | s0 s0",
    /* protections that meet */
    "1/2/6c2 m0.0 p0 s0.2 | h0 | p0 | s0 s0",
    "1/2/6c2 m0.0 p0 s0.2 | h0 | h0 | s0 s0",
    /* CPUs that come and go, join and leave, and are far behind */
    "1/2/6c1 m0.0 t0.1 | u0 | q e j0 t0",
    "1/2/6c2 m0.0 t0.2 q2 | u0 | m0.1 | e t0 j0",
    "1/2/6c1 m0.0 m1.1 t0.1 | u0 u1 | t1 j0 z",
    "1/2/6c2 m0.0 m1.1 t0.2 1:m0.2 | u0 | u1 | 1:t0 t1 z",
    "1/2/6c12 m0.0 m1.1 t0.1 | u0 | k z | t1 z",
    "1/2/6c1 m0.0 m1.2 1:m0.1 t0.1 t1.1 1:t0.1 | u0 u1 | 1:t0 t1",
    "1/2/6c1 m0.0 1:m0.1 t0.1 1:t0.1 | u0 | t0 1:t0",
    "1/2/6c1 m0.0 m1.1 m2.2 m3.3 m4.4 t4.1 t0.1 q1 | u0 u1 u2 u3 u4 | e t0 t4",
    NULL,
};

static const char *const shootdowns_of_two[] = {
    "1/1/6c1 m0.0 t0.1 | u0 | t0",     "1/1/6c1 m0.0 | u0 | t0",          "1/1/6c1 m0.0 t0.1 | u0 m0.1 | t0",
    "1/2/6c1 m0.0 t0.1 | n0.2 | t0",   "1/2/6c01 m0.0 m1.1 t1.0 t0.1 | u0 | u1", "1/2/6c1 m0.0 p0 s0.1 | y0 | s0",
    "1/2/6c1 m0.0 t0.1 | x0 | t0",     "1/2/6c1 m0.0 t0.1 | b0.1 f | t0", "1/2/6c1 m0.0 p0 s0.1 | r0.1 | s0",
    "1/2/6c1 m0.0 p0 s0.1 | h0 | s0",  "1/2/6c1 m0.0 t0.1 q1 | u0 | e t0", "2/1/6c1 M0.4 t1.1 | U0 | t1",
    NULL,
};

#define PARTS "m0.4 m1.5 m2.6 m3.7"

/* Pages of one size that become pages of the other, and others that look, reverse, map, end and change them. */
static const char *const reshapes[] = {
    /* split */
    "2/1/6 M0.4 | S0 | l1", "2/1/6 M0.4 | S0 | l1 l1", "2/1/6 M0.4 | S0 | l3 l0",
    "2/1/6 M0.4 | S0 | l1 v4", "2/1/6 M0.4 | S0 | v4 v5", "2/1/6 M0.4 | S0 | m1.9",
    "2/1/6 M0.4 | S0 | U0", "2/1/6 M0.4 | S0 | u1 l1", "2/1/6 M0.4 | S0 | P0 l1",
    "2/1/6 M0.4 | S0 | p1 l1", "2/1/6 M0.4 | S0 | R0.8 l1", "2/1/6 M0.4 | S0 | r1.9",
    "2/1/6 M0.4 d1 | S0 | d1", "2/1/6 M0.4 d1 | S0 | c1", "2/1/6 M0.4 | S0 | S0",
    "2/1/6 M0.4 | S0 | C0", "2/1/6 M0.4 | S0 C0 | l1 l2", "2/1/6 M0.4 | S0 u1 | l1",
    "2/1/6 M0.4 | S0 | x0", "2/1/6 M0.4 | S0 | x0 a2", "2/1/6s M0.4 | S0 | l1 l1",
    "2/1/6 m15.15 M0.4 | S0 | x0 l1", "2/1/6 M0.4 | S0 | n0.4 l3", "2/1/6 M0.4 | S0 g | l1 g",
    /* punch */
    "2/1/6 M0.4 | H1.2 | l1 l0", "2/1/6 M0.4 | H1.2 | l3 l2", "2/1/6 M0.4 | H0.4 | l1",
    "2/1/6 M0.4 | H0.4 | m1.9", "2/1/6 M0.4 | H1.3 | m1.9", "2/1/6 M0.4 | H0.1 | v4 v5",
    "2/1/6 M0.4 | H1.1 | U0", "2/1/6 M0.4 d1 | H1.1 | d1", "2/1/6 M0.4 | H1.2 | x0",
    "2/1/6 M0.4 | H1.2 | u1 u0", "2/1/6 M0.4 | H1.2 | H0.1 l1", "2/1/6 M0.4 | H3.0 | C0",
    /* collapse */
    "2/1/6 " PARTS " | C0 | l1", "2/1/6 " PARTS " | C0 | l1 l1", "2/1/6 " PARTS " | C0 | l3 l0",
    "2/1/6 " PARTS " | C0 | l1 v4", "2/1/6 " PARTS " | C0 | v4 v5", "2/1/6 " PARTS " | C0 | u1 l1",
    "2/1/6 " PARTS " | C0 | p1 l1", "2/1/6 " PARTS " | C0 | r3.9", "2/1/6 m0.4 m1.5 m2.6 | C0 | m3.7",
    "2/1/6 " PARTS " | C0 | u3 m3.9", "2/1/6 " PARTS " d1 | C0 | d2", "2/1/6 " PARTS " d1 | C0 | c1",
    "2/1/6 " PARTS " | C0 | C0", "2/1/6 " PARTS " | C0 | S0", "2/1/6 " PARTS " | C0 | U0",
    "2/1/6 " PARTS " | C0 U0 | l1 l3", "2/1/6 " PARTS " | C0 | x0", "2/1/6 " PARTS " | C0 | R0.8",
    "2/1/6 " PARTS " | C0 | n0.4", "2/1/6 " PARTS " p2 | C0 | p0 p1", "2/1/6 " PARTS " | C0 g | l1 g",
    /* a CPU that has the page cached, or takes it up */
    "2/1/6c1 M0.4 t1.1 | S0 | t1 t2", "2/1/6c1 M0.4 | S0 | s1 s1", "2/1/6c2 M0.4 t1.2 | S0 u1 | l0 | t1",
    "2/1/6c1 M0.4 t1.1 | H1.1 m1.9 | t1 t1",
    "2/1/6c1 " PARTS " t1.1 | C0 | t1 t2",
    "2/1/6c1 " PARTS " | C0 U0 | t1 t1",
    NULL,
};

/* A table that moves into other buckets, or begins to, and what others do to it meanwhile. */
static const char *const growths[] = {
    /* a page beside a move: looked up, put, ended; the same key in the past while it is put into the present */
    "1/2/6 m0.0 m1.1 | G2 B1 | l0 l1", "1/2/6 m0.0 m1.1 | G0 B1 | l0 l3", "1/1/6 m0.0 m1.1 u1 m1.0 | G2 B1 | l1 l0",
    "1/2/6 m0.0 G2 | B1 | l0 l1", "1/2/6 m8.8 m9.9 m10.10 m11.11 m0.0 G0 | B1 | l0 l8", "1/2/6 m0.0 | G2 | m0.1 l0",
    "1/2/6 m0.0 | G2 | m1.1 l1", "1/1/6 m0.0 | G2 | u0 m0.1", "1/1/6 m0.0 G2 | B1 | m0.1",
    "1/1/6 m0.0 G2 | B1 | u0 m0.1", "1/1/6 m0.0 G2 | B1 | u0 l0", "1/1/6 m0.0 G2 | B1 | m1.1 u1",
    "1/2/6 m0.0 G0 | m0.1 | m0.2", "1/2/6 m0.0 G0 | m1.1 | m1.2", "1/2/6 m0.0 G0 | u0 | m0.2",
    "1/2/6 m8.8 m9.9 m10.10 m11.11 m0.0 u0 g | G0 B1 | m0.0", "1/2/6 m8.8 m9.9 m10.10 m11.11 m0.0 G0 | B1 | u0",
    "1/2/6 m8.8 m9.9 m10.10 m11.11 m0.0 G2 | B1 | u8 m0.1", "1/1/2 m0.0 m1.1 G2 | B1 | u0 m0.2",
    "1/1/2 m8.8 m9.9 m10.10 | G2 B1 | m0.0 u8", "1/2/6s m8.8 m9.9 m10.10 m11.11 m0.0 | G0 | m1.1 l0",
    /* changed in place, seen from its frame, ended with its address space */
    "1/2/6 m0.0 G2 | B1 | p0 l0", "1/2/6 m0.0 G2 | B1 | d0", "1/2/6 m0.0 | G2 B1 | d0",
    "1/2/6 m0.0 d0 | G2 B1 | c0", "1/2/6 m0.0 G2 | B1 | r0.1 l0", "1/2/6 m0.0 G2 | B1 | r0.1 r0.2",
    "1/2/6 m0.0 m1.0 m2.0 G2 | B1 | v0", "1/2/6 m0.0 m1.0 m2.0 | G2 B1 | v0", "1/2/6 m0.0 m1.0 G2 | B1 | u1 v0",
    "1/2/6 m0.0 m1.0 G2 | B1 | m2.0 v0", "1/2/6 m0.0 1:m0.1 G2 | B1 | x0 1:l0", "1/2/6 m0.0 m1.1 G2 | B1 | x0 a2",
    "1/2/6 m0.0 | G2 B1 | x0", "1/2/6 m0.0 m1.1 G2 | B1 | n0.2", "1/2/6 m0.0 G2 | B1 | i0 u0 o0 g",
    "1/2/6 m0.0 G2 | B1 | u0 g", "1/2/6 m0.0 m1.1 | G0 B1 B1 B1 | n0.2",
    /* two resizes, two moves, a move to its end and on; buckets that wait to be given back */
    "1/2/6 m0.0 | G2 | G2", "1/2/6 m0.0 | G2 | G0 l0", "1/2/6 m0.0 | G2 B1 | G0",
    "1/2/6 m0.0 G2 B2 B2 | G1 B1 | l0", "1/2/6 m0.0 G2 B2 B2 | G1 B1 | G0 l0",
    "1/2/6 m0.0 G2 B2 B2 G1 | B1 B1 B1 | l0", "1/2/6 m0.0 G2 B2 B2 G1 | B2 B2 | B2 B2",
    "1/2/6 m0.0 G2 | B1 B1 B1 | l0", "1/2/6 m0.0 G2 | B1 B1 | G1", "1/2/6 m0.0 G2 | B1 B1 | B1 B1",
    "1/2/6 m0.0 m1.1 G2 | B1 | B1 l0", "1/2/6n m0.0 G2 | B1 B1 | u0 m0.1",
    /* walks over all of the table */
    "1/2/6 m0.0 m1.1 | G2 B1 B1 | w", "1/2/6 m0.0 m1.1 G2 | B1 B1 | w", "1/2/6 m0.0 m1.1 | G0 B1 B1 | w",
    "1/2/6 m0.0 m1.1 G2 B2 B2 | G1 B1 B1 | w", "1/2/6 m0.0 G2 | B1 | w w", "1/2/6 m0.0 G2 B2 B2 | G0 B1 | w",
    /* two page sizes */
    "2/1/6 M0.4 m4.8 G2 | B1 | l1 l4", "2/1/6 M0.4 | G2 B1 | l1", "2/1/6 m1.1 G2 | B1 | M0.4",
    "2/1/6 M0.4 G2 | B1 | m1.1 v5", "2/1/6 M0.4 G2 | B1 | U0 m1.1", "2/1/6 M0.4 G2 | B1 | S0",
    "2/1/6 M0.4 | G2 | S0 B1", "2/1/6 M0.4 G2 | B1 | H1.1", "2/1/6 m0.4 m1.5 m2.6 m3.7 G2 | B1 | C0",
    "2/1/6 m0.4 m1.5 m2.6 m3.7 | G2 | C0", "2/1/6 M4.4 U4 G2 | m1.1 | M0.4",
    NULL,
};

static const char *const growths_of_three[] = {
    "1/2/6 m0.0 | G2 | m0.1 | l0", "1/1/6 m0.0 G2 | B1 | u0 | m0.1", "1/1/6 m0.0 G2 | B1 | B1 | l0",
    "1/1/6 m0.0 G2 | B1 | u0 | l0", "1/2/6 m0.0 G2 | B1 | B1 | u0", "1/1/6 m15.15 u15 g | G2 | m0.1 | m0.2",
    "1/2/6 m0.0 G2 | B1 | r0.1 | l0", "1/2/6 m0.0 | G2 | G0 | l0", "1/2/6 m0.0 G2 | B1 | p0 | u0",
    "1/2/6 m0.0 G2 | B1 | x0 | l0", "1/2/6 m0.0 m1.0 G2 | B1 | u0 | v0",
    "2/1/6 M4.4 U4 m1.1 u1 g | G2 | m1.1 | M0.4",
    /* with CPUs: what is taken away moves neither, and is found where it stands */
    "1/2/6c1 m0.0 t0.1 G2 | u0 B1 | t0 t0", "1/2/6c2 m0.0 t0.2 G2 | B1 | u0 m0.1 | t0",
    "1/2/6c2 m0.0 t0.2 G2 | B1 | b0.1 f | t0", "1/2/6c1 m0.0 t0.1 G2 | b0.1 B1 f | t0",
    "1/2/6c2 m0.0 t0.2 G2 | B1 | r0.1 | t0 t0", "1/2/6c2 m0.0 p0 t0.2 G2 | B1 | h0 | s0",
    "1/2/6c2 m0.0 t0.2 G2 | B1 | x0 | t0", "1/2/6c2 m0.0 m1.1 t0.2 G2 | B1 | n0.2 | t0",
    NULL,
};

#define LINE "m8.8 m9.9 m10.10 m11.11"

/*
 * Lines behind the bucket's own, and what the header's filter says of them: pages 0, 1, 3 and 4 have a bit each, 2 has
 * that of 1. Put there, ended there, gone with the line, from there to the own line and back, moved from there and to
 * there.
 */
static const char *const filters[] = {
    "1/2/6 " LINE " | m0.0 | l0 l0", "1/2/6 " LINE " m0.0 | m1.1 | l1 l0", "1/2/6 " LINE " m0.0 | m1.1 m2.2 | l2 l1",
    "1/2/6 " LINE " m0.0 | u0 m1.1 | l1 l0", "1/2/6 " LINE " m0.0 | u0 m0.1 | l0 l0",
    "1/2/6 " LINE " m0.0 | u0 | m1.1 l1", "1/2/6 " LINE " m0.0 | u0 | m0.1 l0", "1/1/6 " LINE " m0.0 | u0 u8 | m1.1 l1",
    "1/2/6 " LINE " m0.0 | m1.1 u1 | u0 l1", "1/2/6 " LINE " m0.0 m1.1 | u0 u1 | l1 l0",
    "1/2/6 " LINE " m0.0 m1.1 u0 | u1 m0.2 | l0 l1", "1/2/6 " LINE " m0.0 m1.1 u0 | u1 m3.3 | m0.2 l3",
    "1/2/6 " LINE " m0.0 | u8 u0 m0.1 | l0 l0", "1/2/6 m0.0 m9.9 m10.10 m11.11 | u0 m8.8 m0.1 | l0 l0",
    "1/2/6 " LINE " m0.0 | u8 m8.1 | u0 l8", "1/2/6 " LINE " m0.0 m1.1 m2.2 m3.3 | m4.4 u4 | l4 l0",
    "1/2/6 " LINE " m0.0 m1.1 m2.2 m3.3 m4.4 | u4 | l3 m4.5",
    "1/2/6 " LINE " m0.0 m1.1 m2.2 m3.3 m4.4 | u4 m4.5 | l4 l0", "1/2/6 " LINE " m0.0 | r0.1 | l0 u0",
    "1/2/3 " LINE " m0.0 | u0 m1.1 | m0.2 l1", "1/1/6 " LINE " m0.0 | u0 m1.1 | u8 m0.2",
    /* moved */
    "1/2/6 " LINE " m0.0 m1.1 G0 | B1 | l0 l1", "1/2/6 " LINE " m0.0 m1.1 | G0 B1 | l1 l0",
    "1/2/6 " LINE " m0.0 | G0 B1 B1 | l0 l0", "1/2/6 " LINE " m0.0 G0 | B1 | m1.1 l1",
    "1/2/6 " LINE " m0.0 m1.1 G0 | B1 | u1 m1.2", "1/2/6 " LINE " m0.0 m1.1 G0 | B1 | u0 l1",
    "1/2/6 " LINE " m0.0 | G0 B1 B1 | m1.1 l0", "1/2/6 " LINE " m0.0 m1.1 G2 | B1 | B1 l1",
    "1/2/6 " LINE " m0.0 m1.1 G2 B2 B2 | G1 B1 B1 | l1 l0", "1/2/6 " LINE " m0.0 m1.1 | G0 B1 | n0.2",
    "1/2/3 " LINE " m0.0 G0 | B1 | m1.1 l0", "1/2/6 " LINE " m0.0 G0 | B1 | B1 l0",
    "1/2/6n " LINE " m0.0 G0 | B1 B1 | u0 l0",
    /* pages of the smallest size beside a larger one: the space has used one size so far, or both */
    "2/2/6 " PARTS " m8.8 | C0 m9.9 | l1 l3", "2/2/6 " PARTS " m8.8 m9.9 | C0 u8 | l1 l2",
    "2/2/6 m8.8 m9.9 " PARTS " | C0 m10.10 | l3 l2", "2/2/6 m8.8 m9.9 " PARTS " | C0 U0 | l3 l2",
    "2/2/6 m8.8 " PARTS " | M12.12 | l3 l12", "2/2/6 M12.12 m8.8 " PARTS " | C0 | l3 l13",
    "2/2/6 m8.8 m9.9 m10.10 m11.11 M0.4 | S0 | l1 l3", "2/2/6 m8.8 m9.9 m10.10 M0.4 | S0 u1 | l1 l3",
    "2/2/6 m8.8 m9.9 " PARTS " G2 | B1 C0 | l3 l2", "2/2/6 m8.8 m9.9 " PARTS " | G0 B1 C0 | l3",
    NULL,
};

static const char *const filters_of_three[] = {
    "1/2/6 " LINE " m0.0 | u0 | m1.1 | l1", "1/2/6 " LINE " m0.0 | u0 | m1.1 | m1.2",
    "1/2/6 " LINE " m0.0 | u0 | m0.1 | l0", "1/2/6 " LINE " m0.0 m1.1 u0 | u1 | m0.2 | l0",
    "1/2/6 " LINE " m0.0 m1.1 G0 | B1 | B1 | l1", "1/2/6 " LINE " m0.0 G0 | B1 | m1.1 | l1",
    "1/2/6 " LINE " m0.0 G0 | B1 | m1.1 | m1.2", "1/2/6 " LINE " m0.0 m1.1 G0 | B1 | u1 | l0",
    "1/2/6 " LINE " m0.0 | G0 B1 | m1.1 | l0", "2/2/6 m8.8 m9.9 " PARTS " | C0 | m10.10 | l3",
    NULL,
};

/*
 * Two nodes. A space that is moved from one to the other, or over both: before, while and behind what others do to its
 * pages; N0.1 again and again is all the way, with a grace period between two calls where nobody is inside.
 */
static const char *const placings[] = {
    /* a page beside the move: looked up, put, ended, put again */
    "1/2/6N2 m0.0 | N0.1 | l0 l0", "1/2/6N2 m0.0 | N0.1 N0.1 | l0 l0", "1/2/6N2 m0.0 N0.1 | N0.1 N0.1 | l0 l0",
    "1/2/6N2 m0.0 | N0.1 | m0.1", "1/2/6N2 | N0.1 | m0.1 l0", "1/2/6N2 | N0.1 N0.1 | m0.1",
    "1/2/6N2 m0.0 | N0.1 | u0 m0.1", "1/1/6N2 m0.0 | N0.1 | u0 l0", "1/2/6N2 m0.0 | N0.1 N0.1 | u0 m0.1",
    "1/2/6N2 m0.0 N0.1 | N0.1 N0.1 | u0 l0", "1/2/6N2 N0.1 | N0.1 N0.1 | m0.0 l0", "1/2/6N2 m0.0 | N0.9 | l0 m1.1",
    "1/2/6N2 m0.0 m1.1 | N0.9 N0.9 | l0 l1", "1/2/6N2 m0.0 N0.1 N0.1 N0.1 N0.1 | N0.0 N0.0 | m1.1 l0",
    "1/2/6nN2 m0.0 | N0.1 N0.1 | u0 m0.1", "1/2/6sN2 m0.0 | N0.1 | l0 m1.1",
    /* a full line; slots that were left are used again */
    "1/1/6N2 " FULL_LINE " | N0.1 | u8 m0.1", "1/1/6N2 " FULL_LINE " | N0.1 | l0 m1.1",
    "1/1/6N2 m0.0 | N0.1 | 1:m1.1 1:l1", "1/1/6N2 m0.0 N0.1 | 1:m1.1 | l0 1:u1",
    "1/1/2N2 m0.0 N0.1 N0.1 | N0.0 | m0.1 u0",
    "1/1/6N2 m0.0 m1.0 N0.1 N0.1 | 1:m1.0 1:m2.0 | v0",
    /* changed in place, seen from its frame, ended with its space */
    "1/2/6N2 m0.0 | N0.1 | p0 l0", "1/2/6N2 m0.0 | N0.1 | d0", "1/2/6N2 m0.0 d0 | N0.1 | c0",
    "1/2/6N2 m0.0 | N0.1 | r0.1 l0", "1/2/6N2 m0.0 m1.0 m2.0 | N0.1 | v0", "1/2/6N2 m0.0 m1.0 | N0.1 N0.1 | v0",
    "1/2/6N2 m0.0 1:m1.0 | N0.1 | u0 v0", "1/2/6N2 m0.0 | N0.1 | m1.0 v0", "1/2/6N2 m0.0 | N0.1 | x0 a2",
    "1/2/6N2 m0.0 N0.1 | N0.1 N0.1 | x0 a2", "1/2/6N2 m0.0 | N0.1 | x0 l0", "1/2/6N2 m0.0 m1.1 | N0.1 | n0.2",
    "1/2/6N2 m0.0 | N0.1 | u0 g", "1/2/6N2 m0.0 x0 | a2 N2.1 | 1:m1.1",
    /* taken away now, finished later */
    "1/2/6N2c1 m0.0 t0.1 | b0.1 N0.1 f | t0 m0.1", "1/2/6N2c1 m0.0 t0.1 | N0.1 N0.1 | t0 t0",
    /* walks */
    "1/2/6N2 m0.0 m1.1 | N0.1 | w", "1/2/6N2 m0.0 m1.1 N0.1 N0.1 N0.1 N0.1 | N0.0 | w",
    "1/2/6N2 m0.0 1:m1.1 N0.1 | N0.1 N0.1 | w",
    "1/2/6N2 m0.0 N0.1 N0.1 N0.1 N0.1 1:m1.1 | N0.0 N1.1 | w",
    /* two who place: the same, another */
    "1/2/6N2 m0.0 | N0.1 | N0.1", "1/2/6N2 m0.0 | N0.1 N0.1 | N0.1 l0", "1/2/6N2 m0.0 | N0.1 | N0.9",
    "1/2/6N2 m0.0 N0.1 N0.1 | N0.1 N0.1 | N0.0 N0.0", "1/2/6N2 m0.0 N0.1 | N0.1 N0.1 | N0.1 N0.1",
    "1/2/6N2 m0.0 m1.1 N0.9 N0.9 | N0.1 N0.1 | N0.9 l0",
    /* beside a shard that takes other buckets */
    "1/2/6N2 m0.0 G2 | N0.1 | B1 B1", "1/2/6N2 m0.0 | N0.1 | G2 B1", "1/2/6N2 m0.0 N0.1 | G2 B1 | N0.1 v0",
    "1/2/6N2 m0.0 | N0.1 | G0 B1", "1/2/6N2 m0.0 G2 | N0.1 N0.1 | l0 v0", "1/2/6N2 m0.0 G2 | N0.1 | u0 m0.1",
    "1/2/6N2 m0.0 G2 N0.1 | B1 N0.1 | m1.1 u0", "1/2/6N2 " FULL_LINE " N0.1 | G0 B1 | u0 l8",
    /* two page sizes */
    "2/1/6N2 M0.4 | N0.1 | l1 v5", "2/1/6N2 M0.4 | N0.1 | m1.1", "2/1/6N2 | N0.1 m1.1 | M0.4",
    "2/1/6N2 m1.1 | N0.1 | M0.4", "2/1/6N2 M0.4 | N0.1 | S0", "2/1/6N2 M0.4 | S0 | N0.1 m1.9",
    "2/1/6N2 M0.4 | N0.1 N0.1 | S0 l1",
    "2/1/6N2 " PARTS " | N0.1 | C0", "2/1/6N2 " PARTS " | N0.1 | C0 l3", "2/1/6N2 M0.4 | N0.1 | U0 m1.1",
    "2/1/6N2 M0.4 | N0.9 | H1.1 l1",
    NULL,
};

static const char *const placings_of_three[] = {
    "1/2/6N2 m0.0 | N0.1 | m0.1 | l0", "1/2/6N2 | N0.1 | m0.1 | m0.2", "1/1/6N2 m0.0 | N0.1 | u0 | m0.1",
    "1/2/6N2 m0.0 | N0.1 | u0 | l0", "1/2/6N2 m0.0 N0.1 | N0.1 N0.1 | m1.1 | l0", "1/2/6N2 m0.0 | N0.1 | N0.1 | l0",
    "1/2/6N2 m0.0 | N0.1 | N0.1 | u0", "1/2/6N2 m0.0 N0.1 N0.1 N0.1 | N0.1 N0.0 | m1.1 | l0",
    "1/2/6N2 m0.0 | N0.1 | r0.1 | l0", "1/2/6N2 m0.0 m1.0 | N0.1 | u0 | v0", "1/2/6N2 m0.0 | N0.1 | x0 | l0",
    "1/2/6N2 m0.0 N0.1 | G2 B1 | N0.1 | v0", "1/2/6N2 N0.1 | N0.1 N0.1 | m0.0 | m0.1",
    "2/1/6N2 M4.4 U4 m3.3 u3 g | N0.1 | m1.1 | M0.4", "2/1/6N2 M0.4 | N0.1 | S0 | l1",
    "1/2/6N2c2 m0.0 t0.2 | N0.1 | u0 m0.1 | t0", "1/2/6N2c2 m0.0 t0.2 | N0.1 | b0.1 f | t0",
    "1/2/6N2c2 m0.0 t0.2 | N0.1 N0.1 | b0.1 f | m0.1",
    /* what is late: a map where the asid was, a sweep behind a mapping that has moved on */
    "1/1/6N2 m0.0 | N0.1 | p0 | m0.1", "1/1/6N2 m0.0 | N0.1 | r0.2 | m0.1", "1/1/6N2 m0.0 G2 | N0.1 | l0 | m0.1",
    "2/1/6N2 M0.4 | N0.1 | m1.1 | M0.4", "1/2/6N2 m0.0 | N0.1 | x0 | G2 B1",
    NULL,
};

/* Page 15 is mapped and unmapped first, so that a frame is in limbo's list and an address space has its memory. */
const struct group groups[GROUPS] = {
    {"one slot, 2x2", "1/1/6", {"m15.15 u15 g", "m15.15 u15 g m0.0", NULL}, SLOT, 2, 2, false, NULL, 0, 0},
    {"one bucket, 2x2", "1/1/6", {"m8.8 m9.9 m10.10", FULL_LINE, NULL}, "m0.0 u0 m1.1 u8 l0 r0.1", 2, 2, false, NULL,
     0, 0},
    {"two sizes, 2x2", "2/1/6", {"M4.4 U4", "M0.4", NULL}, "m1.1 u1 M0.4 U0 R0.8 l1", 2, 2, false, NULL, 0, 0},
    {"frames, 2x2", "1/2/6", {SHARED, "m15.15 u15 m0.0", NULL}, "m2.0 u0 u1 v0 i0 o0 g r0.1", 2, 2, false, NULL, 0, 0},
    {"spaces, 2x2", "1/2/6", {"m15.15 u15 g m0.0", "m15.15 u15 m0.0 x1", NULL}, "m1.1 u0 r0.1 x0 a2 n0.2 w", 2, 2,
     false, NULL, 0, 0},
    {"gate and scarcity, 2x2", "1/1/2sn", {"m8.8 m9.9 m10.10", NULL}, "m0.0 u0 m1.0 u8 r8.1 p8", 2, 2, false, NULL,
     0, 0},
    {"one slot, 3x1", "1/1/6", {"m15.15 u15 g", "m15.15 u15 g m0.0", NULL}, SLOT, 3, 1, false, NULL, 0, 0},
    {"one bucket, 3x1", "1/1/6", {"m8.8 m9.9 m10.10", FULL_LINE, NULL}, "m0.0 u0 m1.1 u8 l0 r0.1 w", 3, 1, false, NULL,
     0, 0},
    {"two sizes, 3x1", "2/1/6", {"M4.4 U4", "M0.4", NULL}, "m1.1 u1 M0.4 U0 R0.8 l1 P0", 3, 1, false, NULL, 0, 0},
    {"frames and spaces, 3x1", "1/2/6", {SHARED, "m15.15 u15 m0.0", NULL}, "m2.0 u0 v0 i0 o0 g r0.1 x0 a2 n0.2", 3, 1,
     false, NULL, 0, 0},
    {"one slot, no bound", "1/1/6", {"m15.15 u15 g", "m15.15 u15 g m0.0", NULL}, SLOT, 2, 1, true, NULL, 0, 0},
    {"one bucket, no bound", "1/1/6", {"m8.8 m9.9 m10.10", FULL_LINE, NULL},
     "m0.0 u0 m1.1 u8 l0 r0.1 w", 2, 1, true, NULL, 0, 0},
    {"two sizes, no bound", "2/1/6", {"M4.4 U4", "M0.4", NULL}, "m1.1 u1 M0.4 U0 R0.8 l1 P0", 2, 1, true, NULL, 0, 0},
    {"frames and spaces, no bound", "1/2/6", {SHARED, "m15.15 u15 m0.0", NULL},
     "m2.0 u0 v0 i0 o0 g r0.1 x0 a2 n0.2", 2, 1, true, NULL, 0, 0},
    {"shootdown", "", {NULL}, "", 3, 0, false, shootdowns, 0, 0},
    {"shootdown, no bound", "", {NULL}, "", 2, 0, true, shootdowns_of_two, 0, 0},
    {"reshape", "", {NULL}, "", 2, 0, false, reshapes, 2, 0},
    {"growth", "", {NULL}, "", 2, 0, false, growths, 2, 0},
    {"growth, three threads", "", {NULL}, "", 3, 0, false, growths_of_three, 2, 0},
    {"filter, two threads", "", {NULL}, "", 2, 0, false, filters, 2, 0},
    {"filter, three threads", "", {NULL}, "", 3, 0, false, filters_of_three, 2, 2},
    {"placing, two threads", "", {NULL}, "", 2, 0, false, placings, 0, 0},
    {"placing, three threads", "", {NULL}, "", 3, 0, false, placings_of_three, 0, 4},
};

struct sequences {
    unsigned count;
    char text[64][24]; /* what one thread does */
};

/* All sequences of @ncalls of the group's calls. */
static void sequences_make(const struct group *group, struct sequences *sequences)
{
    char calls[128];
    const char *call[16];
    unsigned n = 0;
    unsigned i;
    unsigned k;
    char *next;

    strcpy(calls, group->calls);
    for (next = strtok(calls, " "); next; next = strtok(NULL, " ")) {
        call[n++] = next;
    }
    sequences->count = 0;
    for (i = 0; i < n; i++) {
        for (k = 0; k < (group->ncalls == 2u ? n : 1u); k++) {
            snprintf(sequences->text[sequences->count++], sizeof(sequences->text[0]),
                     group->ncalls == 2u ? "%s %s" : "%s", call[i], call[k]);
        }
    }
}

/* => how many unordered choices of @nthreads sequences there are. */
static unsigned combinations(unsigned count, unsigned nthreads)
{
    return nthreads == 2u ? count * (count + 1u) / 2u : count * (count + 1u) * (count + 2u) / 6u;
}

/* The choice of number @index. */
static void combination_text(const struct sequences *sequences, unsigned nthreads, unsigned index, char *text,
                             size_t bytes)
{
    unsigned a = 0;
    unsigned b;
    unsigned c;

    if (nthreads == 2u) {
        while (index >= sequences->count - a) {
            index -= sequences->count - a++;
        }
        snprintf(text, bytes, "| %s | %s", sequences->text[a], sequences->text[a + index]);
        return;
    }
    while (index >= combinations(sequences->count - a, 2)) {
        index -= combinations(sequences->count - a++, 2);
    }
    b = a;
    while (index >= sequences->count - b) {
        index -= sequences->count - b++;
    }
    c = b + index;
    snprintf(text, bytes, "| %s | %s | %s", sequences->text[a], sequences->text[b], sequences->text[c]);
}

/* => how many states there are to begin with. */
static unsigned prefills(const struct group *group)
{
    unsigned count = 0;

    while (group->prefill[count]) {
        count++;
    }
    return count;
}

unsigned group_programs(const struct group *group)
{
    struct sequences sequences;
    unsigned count = 0;

    if (group->programs) {
        while (group->programs[count]) {
            count++;
        }
        return count;
    }
    sequences_make(group, &sequences);
    return prefills(group) * combinations(sequences.count, group->nthreads);
}

void group_text(const struct group *group, unsigned index, char *text, size_t bytes)
{
    char threads[PROGRAM_TEXT_MAX / 2];
    struct sequences sequences;
    unsigned each;

    if (group->programs) {
        snprintf(text, bytes, "%s", group->programs[index]);
        return;
    }
    sequences_make(group, &sequences);
    each = combinations(sequences.count, group->nthreads);
    combination_text(&sequences, group->nthreads, index % each, threads, sizeof(threads));
    snprintf(text, bytes, "%s %s %s", group->geometry, group->prefill[index / each], threads);
}
