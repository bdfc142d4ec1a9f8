/* SPDX-License-Identifier: MIT */
/*
 * The programs. One bucket, so that all keys meet in one chain. The setup of most warms up: the first mapping, frame
 * and cell have come and gone. FILL4 fills the bucket's own line, so that the next map needs an overflow line.
 */
#include "weak/program.h"

#include <string.h>

/* clang-format off */
#define M(v, f) {MAP, 0, 0, v, f, 1}
#define M2(v, f) {MAP, 0, 1, v, f, 1}
#define MA(a, v, f) {MAP, a, 0, v, f, 1}
#define U(v) {UNMAP, 0, 0, v, 0, 0}
#define UA(a, v) {UNMAP, a, 0, v, 0, 0}
#define U2(v) {UNMAP, 0, 1, v, 0, 0}
#define L(v) {LOOKUP, 0, 0, v, 0, 0}
#define LA(a, v) {LOOKUP, a, 0, v, 0, 0}
#define P(v, p) {PROTECT, 0, 0, v, 0, p}
#define R(v, f) {REMAP, 0, 0, v, f, 3}
#define PI(f) {PIN, 0, 0, 0, f, 0}
#define UP(f) {UNPIN, 0, 0, 0, f, 0}
#define MK(p) {MARK, 0, 0, 0, 0, p}
#define CL(p) {CLEAN, 0, 0, 0, 0, p}
#define RV(f) {REVERSE, 0, 0, 0, f, 0}
#define NX {NEXT, 0, 0, 0, 0, 0}
#define RP {REAP, 0, 0, 0, 0, 0}
#define G(f) {GET, 0, 0, 0, f, 0}
#define ST {STATS, 0, 0, 0, 0, 0}
#define RET(a) {RETIRE, a, 0, 0, 0, 0}
#define AL(a) {ALLOC, a, 0, 0, 0, 0}
#define EN {ENTER, 0, 0, 0, 0, 0}
#define EX {EXIT, 0, 0, 0, 0, 0}
#define RD(v) {READ, 0, 0, v, 0, 0}
#define WR(v) {WRITE, 0, 0, v, 0, 0}
#define RC(c, v) {READ, 0, 0, v, c, 0} /* in a setup: CPU c */
#define WC(c, v) {WRITE, 0, 0, v, c, 0}
#define SV {SERVE, 0, 0, 0, 0, 0}
#define IN {INSIDE, 0, 0, 0, 0, 0}
#define STAY {KICKED, 0, 0, 0, 0, 0}
#define OUT {OUTSIDE, 0, 0, 0, 0, 0}
#define AT(c) {ATTACH, 0, 0, 0, c, 0}
#define AN(c) {ATTACH, 0, 0, 0, c, 1} /* there is no memory for it */
#define DT {DETACH, 0, 0, 0, 0, 0}
#define RNG(v, n) {RANGE, 0, 0, v, n, 0}
#define GA(v, n) {GATHER, 0, 0, v, n, 0}
#define FI {FINISH, 0, 0, 0, 0, 0}
#define SPL(v) {SPLIT, 0, 1, v, 0, 0}
#define COL(v) {COLLAPSE, 0, 1, v, 0, 0}
#define M3(v, f) {MAP, 0, 2, v, f, 1}
#define SPL3(v) {SPLIT, 0, 2, v, 0, 0}
#define GR(n) {RESIZE, 0, 0, 0, n, 0}
#define MV(n) {MOVE, 0, 0, 0, n, 0}
#define NONE {NOTHING, 0, 0, 0, 0, 0}
#define WARM M(15, 15), U(15), RP
#define FILL4 M(8, 8), M(9, 9), M(10, 10), M(11, 11)
#define FILL3 M(8, 8), M(9, 9), M(10, 10)

const struct weak_program programs[] = {
    /* one bucket line, one page size */
    {"map map", 1, 1, 6, 0, 0, {WARM}, {{M(0, 0)}, {M(0, 1)}}},
    {"map lookup", 1, 1, 6, 0, 0, {WARM}, {{M(0, 0)}, {L(0), L(0)}}},
    {"map unmap", 1, 1, 6, 0, 0, {WARM, M(0, 1)}, {{M(0, 0)}, {U(0)}}},
    {"map unmap lookup", 1, 1, 6, 0, 0, {WARM}, {{M(0, 0), U(0)}, {L(0), L(0), L(0)}}},
    {"map help", 1, 1, 6, 0, 0, {WARM}, {{M(0, 0)}, {M(1, 1), L(0)}, {L(1), L(0)}}},
    {"map map map", 1, 1, 6, 0, 1, {WARM}, {{M(0, 0)}, {M(0, 1)}, {M(0, 2)}}},
    {"map unmap twice", 1, 1, 6, 0, 0, {WARM}, {{M(0, 0), U(0)}, {M(0, 1), U(0)}}},
    {"unmap, reuse of the slot, lookup", 1, 1, 6, 0, 0, {WARM, M(0, 0)}, {{U(0), M(1, 0)}, {L(0), L(1), L(0)}}},
    {"reuse by another, lookup", 1, 2, 6, 0, 0, {WARM, M(0, 0)}, {{U(0)}, {M(1, 1)}, {L(0), L(1)}}},
    {"reuse of the same frame, mark", 1, 1, 6, 0, 0, {WARM, M(0, 0)}, {{U(0), M(1, 0)}, {EN, L(0), MK(2), EX}}},
    {"reuse twice, mark", 1, 1, 6, 0, 0, {WARM, M(0, 0), M(3, 0)},
        {{U(0), M(1, 0), U(1), M(0, 0)}, {EN, L(0), MK(2), EX}}},
    {"reuse twice, lookup", 1, 1, 6, 0, 0, {WARM, M(0, 0)}, {{U(0), M(1, 1), U(1), M(0, 2)}, {L(0), L(1)}}},
    {"protect lookup", 1, 2, 6, 0, 0, {WARM, M(0, 0)}, {{P(0, 3)}, {L(0), L(0)}}},
    {"protect protect", 1, 2, 6, 0, 0, {WARM, M(0, 0)}, {{P(0, 3), L(0)}, {P(0, 5), L(0)}}},
    {"mark clean", 1, 2, 6, 0, 0, {WARM, M(0, 0)}, {{EN, L(0), MK(2), EX}, {EN, L(0), CL(2), MK(1), EX}}},
    {"remap lookup", 1, 2, 6, 0, 0, {WARM, M(0, 0)}, {{R(0, 1)}, {L(0), L(0)}}},
    {"remap remap", 1, 2, 6, 0, 0, {WARM, M(0, 0)}, {{R(0, 1), L(0)}, {R(0, 2), L(0)}}},
    {"remap unmap map", 1, 1, 6, 0, 0, {WARM, M(0, 0)}, {{R(0, 1)}, {U(0), M(0, 0)}}},
    {"remap lookup reverse", 1, 2, 6, 0, 0, {WARM, M(0, 0)}, {{R(0, 1)}, {L(0), RV(1), RV(0)}}},
    {"remap, walk", 1, 2, 6, 0, 0, {WARM, M(0, 0)}, {{R(0, 1)}, {NX}}},
    {"protect mark unmap", 1, 2, 6, 0, 0, {WARM, M(0, 0)}, {{P(0, 3), R(0, 1)}, {EN, L(0), MK(2), EX, U(0)}}},
    {"unmap, map by another, unmap", 1, 1, 6, 0, 0, {WARM, M(0, 0)}, {{U(0)}, {M(0, 1), U(0)}, {L(0), L(0)}}},
    {"two keys, one order", 1, 2, 6, 0, 0, {WARM}, {{M(0, 0), M(1, 1)}, {L(1), L(0)}}},
    {"two keys, walk", 1, 2, 6, 0, 0, {WARM, M(2, 2)}, {{M(0, 0), U(2)}, {NX, NX}}},
    {"reuse, walk", 1, 1, 6, 0, 0, {WARM, M(0, 0)}, {{U(0), M(1, 1)}, {NX, L(1)}}},
    {"reuse, lookup of the new page", 1, 2, 6, 0, 0, {WARM, M(0, 0)}, {{U(0), M(1, 1)}, {L(1)}}},
    {"reuse, only a walk", 1, 2, 6, 0, 0, {WARM, M(0, 0)}, {{U(0), M(1, 1)}, {NX}}},
    {"reuse beside a stale header", 1, 2, 6, 0, 0, {WARM}, {{M(0, 0), U(0)}, {M(1, 1)}}},
    {"four lives of a slot, help", 1, 3, 6, 0, 0, {WARM, M(0, 0)}, {{U(0), M(1, 1), U(1), M(2, 2)}, {M(3, 3)}}},
    {"gate", 1, 2, 2, 0, 1, {WARM, M(9, 9)}, {{M(0, 0)}, {M(0, 1), M(5, 5), U(9), M(9, 10)}}},
    {"gate alone", 1, 2, 2, 0, 0, {WARM, M(9, 9)}, {{M(0, 0), U(0)}, {M(1, 1), U(1)}}},
    {"versions wrap", 1, 1, 6, 0, 1, {FILL3}, {{M(0, 0), U(0), M(0, 1)}, {M(1, 2), U(1), M(1, 3)}}},
    {"versions wrap, lookup", 1, 1, 6, 0, 0, {FILL3, M(0, 0), U(0)}, {{M(1, 0), U(1), M(0, 1)}, {L(0), L(1)}}},
    /* overflow */
    {"push lookup", 1, 1, 6, 0, 0, {WARM, FILL4}, {{M(0, 0)}, {L(0), L(0)}}},
    {"push push", 1, 1, 6, 0, 0, {WARM, FILL4}, {{M(0, 0)}, {M(0, 1)}}},
    {"push push lookup", 1, 1, 6, 0, 1, {WARM, FILL4}, {{M(0, 0)}, {M(1, 1)}, {L(0), L(1), L(8)}}},
    {"push, walk", 1, 1, 6, 0, 0, {WARM, FILL4}, {{M(0, 0)}, {NX, L(0)}}},
    {"remap in an overflow line, lookup", 1, 2, 6, 0, 0, {WARM, FILL4, M(0, 0)}, {{R(0, 1)}, {L(0)}}},
    {"reuse in an overflow line, lookup", 1, 2, 6, 0, 0, {WARM, FILL4, M(0, 0), M(2, 2)},
        {{U(0), M(1, 1)}, {L(1), L(0)}}},
    {"push help", 1, 1, 6, 0, 0, {WARM, FILL4}, {{M(0, 0)}, {M(1, 1), L(0)}}},
    {"trim lookup", 1, 1, 6, 0, 0, {WARM, FILL4, M(0, 0)}, {{U(0)}, {L(0), L(8)}}},
    {"trim put", 1, 1, 6, 0, 0, {WARM, FILL4, M(0, 0)}, {{U(0)}, {M(1, 1), L(1)}}},
    {"trim lookup put", 1, 1, 6, 0, 1, {WARM, FILL4, M(0, 0)}, {{U(0)}, {M(1, 1), U(1)}, {L(0), L(1)}}},
    {"trim trim", 1, 1, 6, 0, 0, {WARM, FILL4, M(0, 0), M(1, 1)}, {{U(0)}, {U(1), M(1, 2)}}},
    {"trim, the same page twice", 1, 2, 6, 0, 0, {WARM, FILL4, M(0, 0), U(8), U(9)}, {{M(1, 1), U(0)}, {M(1, 2)}}},
    {"trim given up, reuse", 1, 2, 6, 0, 0, {WARM, FILL4, M(0, 0), M(1, 1)}, {{U(0), M(2, 2), U(2)}, {M(3, 3)}}},
    {"forgotten claim, trim", 1, 2, 6, 0, 0, {WARM, FILL4, M(0, 0), M(1, 1), U(0)}, {{M(2, 0)}, {U(1)}}},
    {"trim, two lines", 1, 2, 6, 0, 0,
        {WARM, FILL4, M(0, 0), M(1, 1), M(2, 2), M(3, 3), M(4, 4), U(0), U(1), U(2)},
        {{U(4)}, {L(3), L(4)}, {M(5, 5)}}},
    {"put and unmap in the own line beside a trim", 1, 1, 6, 0, 0, {WARM, FILL4, M(0, 0)},
        {{U(8), M(1, 1)}, {U(0), M(8, 2)}}},
    {"line reuse, lookup", 1, 1, 6, 0, 0, {WARM, FILL4, M(0, 0)}, {{U(0), M(1, 1), U(1), M(0, 0)}, {L(0), L(1)}}},
    {"line reuse, walk", 1, 1, 6, 0, 0, {WARM, FILL4, M(0, 0)}, {{U(0), M(1, 1)}, {NX}}},
    {"line reuse by another", 1, 1, 6, 0, 1, {WARM, FILL4, M(0, 0)}, {{U(0)}, {M(1, 1)}, {M(0, 2), U(8)}}},
    {"spare line, popped by two", 1, 1, 6, 0, 0, {WARM, FILL4, M(0, 0), U(0)}, {{M(1, 1), U(1)}, {M(2, 2), U(2)}}},
    {"spare line, lookup", 1, 1, 6, 0, 0, {WARM, FILL4, M(0, 0), U(0)}, {{M(1, 1), U(1)}, {L(0), M(2, 2), L(1)}}},
    /* two page sizes */
    {"4K 16K", 2, 1, 6, 0, 0, {WARM}, {{M(0, 0)}, {M2(0, 4)}}},
    {"4K 16K, sizes known", 2, 1, 6, 0, 0, {WARM, M2(4, 4), U2(4)}, {{M(1, 0)}, {M2(0, 4)}}},
    {"4K 16K and away", 2, 1, 6, 0, 0, {WARM, M2(4, 4), U2(4)}, {{M(1, 0), U(1)}, {M2(0, 4), U2(0)}}},
    {"16K away and again, 4K", 2, 1, 6, 0, 0, {WARM, M2(0, 4)}, {{U2(0), M2(0, 4)}, {M(1, 0), U(1)}}},
    {"4K 16K 4K", 2, 1, 6, 0, 1, {WARM, M2(4, 4), U2(4)}, {{M(0, 0)}, {M2(0, 4)}, {M(2, 1)}}},
    {"16K lookup", 2, 1, 6, 0, 0, {WARM}, {{M2(0, 4)}, {L(1), L(2), RV(5)}}},
    {"16K, two keys, lookup", 2, 1, 6, 0, 0, {WARM}, {{M2(0, 4), M(4, 8)}, {L(4), L(1)}}},
    {"16K reverse", 2, 1, 6, 0, 0, {WARM}, {{M2(0, 4)}, {L(1), RV(5)}, {RV(6), L(2)}}},
    {"two sizes, first maps of two", 2, 1, 6, 0, 0, {WARM}, {{M2(0, 4)}, {M2(4, 8), L(1)}, {L(4), L(1)}}},
    {"16K aborted, overflow", 2, 1, 6, 0, 0, {WARM, FILL4, M2(4, 4), U2(4)}, {{M(1, 0)}, {M2(0, 4)}}},
    {"16K pushes a line", 2, 1, 6, 0, 0, {WARM, FILL4, M(0, 12)}, {{M(1, 0), L(3)}, {M2(0, 4), U(0), L(1)}}},
    /* vpns 4, 5, 8, 9 fill the bucket of 13; the 16K page around 13 is in another one */
    {"4K in a new line, 16K in another bucket", 2, 1, 6, 0, 0, {M2(0, 0), U2(0), M(4, 4), M(5, 5), M(8, 8), M(9, 9)},
        {{M(13, 1)}, {M2(12, 12)}}},
    {"4K helped by a third, 16K in another bucket", 2, 1, 6, 0, 0, {M2(0, 0), U2(0), M(5, 5), U(5)},
        {{M(13, 1)}, {M(13, 2)}, {M2(12, 12)}}},
    /* frames */
    {"link, walk", 1, 2, 6, 0, 0, {WARM, M(0, 0)}, {{M(1, 0)}, {L(1), RV(0)}}},
    {"link, walk by another", 1, 2, 6, 0, 0, {WARM, M(0, 0)}, {{M(1, 0)}, {RV(0), RV(0)}, {M(2, 0), U(0)}}},
    {"link block, walk", 1, 2, 6, 0, 0, {WARM, M(0, 0), M(1, 0)}, {{M(2, 0), U(0)}, {RV(0), L(2)}}},
    {"share", 1, 2, 6, 0, 0, {WARM, M(0, 0), M(1, 0)}, {{M(2, 0), U(2)}, {U(0), U(1)}}},
    {"share, last ones", 1, 2, 6, 0, 0, {WARM, M(0, 0), M(1, 0)}, {{U(0), RP}, {U(1), RP}}},
    {"share, trim", 1, 2, 6, 0, 0, {WARM, M(0, 0), M(1, 0), M(2, 0)}, {{U(1), U(2)}, {M(3, 0), U(0)}}},
    {"block reuse", 1, 2, 6, 0, 0, {WARM, M(0, 0), M(1, 0), M(2, 2)}, {{U(1), M(3, 2)}, {RV(0), RV(2), M(1, 0)}}},
    {"walk beside unmap and map", 1, 2, 6, 0, 0, {WARM, M(0, 0), M(1, 0), M(2, 0)}, {{U(0), M(0, 0)}, {RV(0)}}},
    {"first frame use", 1, 2, 6, 0, 0, {WARM}, {{M(0, 0), U(0), RP}, {M(1, 0), RV(0)}}},
    {"unmap pin reap", 1, 2, 6, 0, 0, {WARM, M(0, 0)}, {{U(0), M(0, 0)}, {PI(0), UP(0)}, {RP, RP}}},
    {"pin, unpin by another, reap", 1, 2, 6, 0, 0, {WARM, PI(0)}, {{UP(0)}, {RP, RP, PI(0)}}},
    {"reap lookup", 1, 2, 6, 0, 0, {WARM, M(0, 0)}, {{U(0), RP}, {EN, L(0), MK(1), EX, RP}}},
    {"reap reap", 1, 2, 6, 0, 0, {WARM, M(0, 0), M(1, 1), U(0), U(1)}, {{RP, M(0, 0), U(0)}, {RP, M(1, 1), RP}}},
    {"reap, map, walk", 1, 2, 6, 0, 0, {WARM, M(0, 0), U(0)}, {{RP, M(0, 0)}, {RV(0), M(1, 0), RV(0)}}},
    {"frame undone", 1, 2, 6, 0, 0, {WARM, M(0, 0)}, {{M(0, 1)}, {U(0), M(1, 1), U(1)}}},
    {"frame undone, no memory", 1, 2, 6, REFUSING, 0, {WARM, M(0, 0)}, {{M(1, 0)}, {U(0), M(2, 0)}}},
    {"remap shared", 1, 2, 6, 0, 0, {WARM, M(0, 0), M(1, 0), M(2, 1)}, {{R(1, 1)}, {R(2, 0), U(0)}}},
    {"remap reverse", 1, 2, 6, 0, 0, {WARM, M(0, 0), M(1, 0)}, {{R(1, 1), R(1, 0)}, {RV(0), RV(1)}}},
    {"new head block, unlink", 1, 2, 6, 0, 0,
        {WARM, M(0, 0), M(1, 0), M(2, 0), M(3, 0), M(4, 0), M(5, 0), M(6, 0), M(7, 0)}, {{M(8, 0)}, {U(1)}}},
    {"unpinned while its blocks go", 1, 2, 6, 0, 0,
        {WARM, M(0, 0), M(1, 0), M(2, 0), M(3, 0), M(4, 0), M(5, 0), M(6, 0), M(7, 0), M(8, 0), U(1), U(2), U(3), U(4),
         U(5), U(6), U(7), U(8), PI(0)}, {{U(0), RP, RP}, {UP(0)}}},
    {"frame back, map", 1, 2, 6, REFUSING, 0, {WARM, M(0, 0), M(1, 1), U(1), U(0), RP}, {{RP}, {M(1, 0)}}},
    {"unmap, get", 1, 2, 6, 0, 0, {WARM, M(0, 0)}, {{U(0)}, {G(0)}}},
    {"pin, get", 1, 2, 6, 0, 0, {WARM}, {{PI(0)}, {G(0), G(0)}}},
    {"pins and unpins", 1, 2, 6, 0, 0, {PI(0), PI(0)}, {{PI(0), UP(0)}, {UP(0), PI(0)}}},
    {"unpinned, reaped by another", 1, 2, 6, 0, 0, {PI(0), PI(1)}, {{UP(0), UP(1)}, {RP, RP}}},
    {"used by one, unmapped by another, reaped by a third", 1, 2, 6, 0, 0, {WARM, M(0, 0)},
        {{EN, L(0), EX, RP}, {U(0), RP}, {RP}}},
    {"two movers", 1, 2, 6, 0, 0, {M(0, 0), M(1, 1)}, {{U(0), RP, U(1)}, {RP}}},
    /* memory that grows */
    {"first block of cells", 1, 2, 6, 0, 0, {NONE}, {{M(0, 0)}, {M(1, 1), L(0)}}},
    {"first overflow line", 1, 2, 6, 0, 0, {FILL4}, {{M(0, 0)}, {L(0), M(1, 1)}, {NX}}},
    {"first alias block", 1, 2, 6, 0, 0, {M(0, 0)}, {{M(1, 0)}, {M(2, 0), RV(0)}}},
    {"first alias blocks of two, last unmap by a third", 1, 2, 6, 0, 0, {WARM, M(0, 0)},
        {{M(1, 0)}, {M(2, 0)}, {U(2), U(1)}, {U(0)}}},
    {"first overflow line, its own lookup", 1, 1, 6, 0, 0, {FILL4}, {{M(0, 0)}, {M(1, 1), L(1)}}},
    {"first overflow line, count", 1, 1, 6, 0, 0, {FILL4}, {{M(0, 0)}, {ST}}},
    {"first overflow line, walk", 1, 1, 6, 0, 0, {FILL4}, {{M(0, 0)}, {NX}}},
    {"first overflow line, reverse", 1, 1, 6, 0, 0, {FILL4}, {{M(0, 0)}, {RV(0)}}},
    {"first overflow line, reverse by alias", 1, 1, 6, 0, 0, {M(8, 0), M(9, 0), M(10, 10), M(11, 11)},
        {{M(0, 0)}, {RV(0)}}},
    {"first overflow line, retire", 1, 2, 6, 0, 0, {FILL4}, {{M(0, 0)}, {RET(0)}}},
    {"first block of cells, retire", 1, 2, 6, 0, 0, {NONE}, {{M(0, 0)}, {RET(0)}}},
    {"first asids", 1, 2, 6, UNISSUED, 0, {NONE}, {{AL(2)}, {M(0, 0), L(0)}}},
    {"first asid, map", 1, 2, 6, 0, 0, {NONE}, {{AL(2), MA(2, 0, 0)}, {AL(3), MA(3, 0, 1)}}},
    /* asids */
    {"map retire", 1, 2, 6, 0, 0, {WARM, M(0, 0)}, {{M(1, 1)}, {RET(0)}}},
    {"map retire, two sizes", 2, 2, 6, 0, 0, {WARM, M(0, 0)}, {{M(1, 1)}, {RET(0)}}},
    {"remap retire", 1, 2, 6, 0, 0, {WARM, M(0, 0)}, {{R(0, 1)}, {RET(0)}}},
    {"failed remap, retire", 1, 2, 6, 0, 0, {WARM, M(0, 0), M(1, 1), U(1)}, {{R(0, 1)}, {RET(0)}}},
    {"retire retire", 1, 2, 6, 0, 0, {WARM, M(0, 0)}, {{RET(0)}, {RET(0), AL(2)}}},
    {"retire, alloc", 1, 2, 6, 0, 0, {WARM, M(0, 0)}, {{RET(0)}, {AL(2), LA(2, 0), MA(2, 1, 1)}, {M(1, 2)}}},
    {"retire, alloc, unmap", 1, 2, 6, 0, 0, {WARM, M(0, 0), RET(1)}, {{RET(0), AL(2), AL(3)}, {U(0), M(2, 2)}}},
    {"alloc after retire", 2, 2, 6, 0, 0, {WARM, M(0, 0)},
        {{RET(0), AL(2), LA(2, 0), MA(2, 0, 1)}, {LA(2, 0), LA(3, 0)}}},
    {"retired before, alloc by two", 1, 2, 6, 0, 0, {WARM, MA(1, 0, 0), RET(1)},
        {{AL(2), MA(2, 0, 1), RET(2)}, {AL(3), MA(3, 0, 2)}}},
    {"cells", 1, 2, 6, 0, 0, {WARM, M(0, 0), M(1, 1)}, {{U(0), M(2, 2)}, {M(3, 3), RET(0)}}},
    {"cells reused", 1, 2, 6, 0, 0, {WARM, M(0, 0), M(1, 1), U(0)}, {{M(2, 2)}, {M(3, 3), U(1)}, {RET(0)}}},
    {"spare cells", 1, 2, 6, 0, 0, {M(0, 0), M(1, 1), U(0)}, {{U(1)}, {M(2, 2), M(3, 3)}}},
    {"issued again, sizes", 2, 2, 6, 0, 0, {WARM, M(0, 0), RET(0), AL(2)}, {{AL(3)}, {M(0, 1), L(0)}}},
    {"retired, mapped late, unmapped by a third", 1, 2, 6, 0, 0, {WARM},
        {{RET(0), AL(2)}, {M(1, 1)}, {U(1)}, {AL(3)}}},
    {"unmap retire alloc", 1, 2, 6, 0, 1, {WARM, M(0, 0), MA(1, 0, 1)},
        {{U(0)}, {RET(0), AL(2), MA(2, 5, 2)}, {AL(3)}}},
    /* large pages and small ones change places */
    {"split, lookup", 2, 2, 6, 0, 0, {WARM, M2(4, 4)}, {{SPL(4)}, {L(5)}}},
    {"split, map of a part", 2, 2, 6, 0, 0, {WARM, M2(4, 4)}, {{SPL(4)}, {M(5, 9)}}},
    {"collapse, lookup", 2, 2, 6, 0, 0, {WARM, M(4, 4), M(5, 5), M(6, 6), M(7, 7)}, {{COL(4)}, {L(5)}}},
    {"collapse, versions wrap, lookup", 2, 1, 6, 0, 0, {WARM, M(4, 4), M(5, 5), M(6, 6), M(7, 7)}, {{COL(4)}, {L(4)}}},
    {"collapse, reverse", 2, 2, 6, 0, 0, {WARM, M(4, 4), M(5, 5), M(6, 6), M(7, 7)}, {{COL(4)}, {RV(5)}}},
    /* the space has used one size; pages 0, 4, 7, 8 and 12 of the other space lie in the large page's bucket, of 4 */
    {"split, slot 0 used again, lookup", 2, 2, 6, 0, 0, {M2(0, 0)}, {{SPL(0), MA(1, 0, 8)}, {L(1)}}},
    {"split, slot 1 used again, lookup", 2, 2, 6, 0, 0, {MA(1, 0, 8), M2(0, 0)}, {{SPL(0), MA(1, 4, 9)}, {L(1)}}},
    {"split, slot 2 used again, lookup", 2, 2, 6, 0, 0, {MA(1, 0, 8), MA(1, 4, 9), M2(0, 0)},
        {{SPL(0), MA(1, 7, 10)}, {L(1)}}},
    {"split, slot 3 used again, lookup", 2, 2, 6, 0, 0, {MA(1, 0, 8), MA(1, 4, 9), MA(1, 7, 10), M2(0, 0)},
        {{SPL(0), MA(1, 8, 11)}, {L(1)}}},
    {"split, overflow line out, lookup", 2, 2, 6, 0, 0,
        {MA(1, 0, 8), MA(1, 4, 9), MA(1, 7, 10), MA(1, 8, 11), M2(0, 0), UA(1, 0), UA(1, 4), UA(1, 7), UA(1, 8)},
        {{SPL(0)}, {L(1)}}},
    {"split of the largest, map of a part", 3, 2, 6, 0, 0, {WARM, M3(0, 0)}, {{SPL3(0)}, {M(5, 9)}}},
    {"split of the largest, lookup", 3, 2, 6, 0, 0, {WARM, M3(0, 0)}, {{SPL3(0)}, {L(5)}}},
    {"collapse, reverse of a shared frame", 2, 2, 6, 0, 0, {WARM, M(0, 5), M(4, 4), M(5, 5), M(6, 6), M(7, 7)},
        {{COL(4)}, {RV(5)}}},
    {"split, reverse", 2, 2, 6, 0, 0, {WARM, M2(4, 4)}, {{SPL(4)}, {RV(5)}}},
    /* a table that moves into other buckets, or begins to */
    {"move, lookup", 1, 2, 6, 0, 0, {WARM, M(0, 0), GR(2)}, {{MV(1)}, {L(0), L(0)}}},
    {"half of the present", 1, 2, 6, 0, 0, {WARM}, {{GR(2), MV(4), MV(4)}, {MV(1)}}},
    {"move, walk", 1, 2, 6, 0, 0, {WARM, M(0, 0), GR(2)}, {{MV(1)}, {NX}}},
    {"resize, move, walk", 1, 2, 6, 0, 0, {WARM, M(0, 0)}, {{GR(2), MV(1)}, {NX}}},
    {"move, lookup of what is not there", 1, 2, 6, 0, 0, {WARM, M(0, 0), GR(2)}, {{MV(1), M(1, 1)}, {L(1), L(0)}}},
    {"resize, move, lookup", 1, 2, 6, 0, 0, {WARM, M(0, 0)}, {{GR(2), MV(1)}, {L(0), L(0)}}},
    {"other secret, move, lookup", 1, 2, 6, 0, 0, {WARM, M(0, 0)}, {{GR(0), MV(1)}, {L(0)}}},
    {"resize, moved by another, lookup", 1, 2, 6, 0, 0, {WARM, M(0, 0)}, {{GR(2)}, {MV(1)}, {L(0)}}},
    {"map, moved by another, lookup", 1, 2, 6, 0, 0, {WARM, GR(2)}, {{M(0, 0)}, {MV(1)}, {L(0)}}},
    {"map, resize, moved, lookup", 1, 2, 6, 0, 0, {WARM}, {{M(0, 0)}, {GR(2), MV(1)}, {L(0)}}},
    {"resize, map, map", 1, 2, 6, 0, 0, {WARM}, {{GR(2)}, {M(0, 0)}, {M(0, 1)}}},
    {"resize, map, lookup", 1, 2, 6, 0, 0, {WARM}, {{GR(2), M(0, 0)}, {M(0, 1), L(0)}}},
    {"move, map of the same page", 1, 1, 6, 0, 0, {WARM, M(0, 0), GR(2)}, {{MV(1)}, {M(0, 1), L(0)}}},
    {"move, unmap and map", 1, 1, 6, 0, 0, {WARM, M(0, 0), GR(2)}, {{MV(1)}, {U(0), M(0, 1)}}},
    {"move, unmap, lookup", 1, 1, 6, 0, 0, {WARM, M(0, 0), GR(2)}, {{MV(1)}, {U(0)}, {L(0)}}},
    {"move, move, unmap", 1, 1, 6, 0, 0, {WARM, M(0, 0), GR(2)}, {{MV(1)}, {MV(1)}, {U(0)}}},
    {"unmap, left by another, lookup", 1, 1, 6, 0, 0, {WARM, M(0, 0), GR(2)}, {{U(0)}, {MV(1), L(0)}, {L(0)}}},
    {"map and unmap, left by another, lookup", 1, 2, 6, 0, 0, {WARM, GR(2)}, {{M(0, 0)}, {MV(1), MV(1)}, {L(0)}}},
    {"move, protect", 1, 2, 6, 0, 0, {WARM, M(0, 0), GR(2)}, {{MV(1)}, {P(0, 3), L(0)}}},
    {"protect, moved by another, lookup", 1, 2, 6, 0, 0, {WARM, M(0, 0), GR(2)}, {{P(0, 3)}, {MV(1)}, {L(0)}}},
    {"move, mark", 1, 2, 6, 0, 0, {WARM, M(0, 0), GR(2)}, {{MV(1)}, {EN, L(0), MK(2), EX, L(0)}}},
    {"move, remap", 1, 2, 6, 0, 0, {WARM, M(0, 0), GR(2)}, {{MV(1)}, {R(0, 1), L(0)}}},
    {"move, remap, reverse", 1, 2, 6, 0, 0, {WARM, M(0, 0), GR(2)}, {{MV(1)}, {R(0, 1)}, {RV(1)}}},
    {"move, reverse", 1, 2, 6, 0, 0, {WARM, M(0, 0), GR(2)}, {{MV(1)}, {RV(0), RV(0)}}},
    {"resize, move, reverse", 1, 2, 6, 0, 0, {WARM, M(0, 0)}, {{GR(2), MV(1)}, {RV(0)}}},
    {"move, reverse of a shared frame", 1, 2, 6, 0, 0, {WARM, M(0, 0), M(1, 0), M(2, 0), GR(2)},
        {{MV(1)}, {RV(0)}}},
    {"move, share, reverse", 1, 2, 6, 0, 0, {WARM, M(0, 0), GR(2)}, {{MV(1)}, {M(1, 0), RV(0)}}},
    {"move, retire", 1, 2, 6, 0, 0, {WARM, M(0, 0), GR(2)}, {{MV(1)}, {RET(0)}}},
    {"resize, move, retire", 1, 2, 6, 0, 0, {WARM, M(0, 0)}, {{GR(2), MV(1)}, {RET(0)}}},
    {"map, moved by another, retire", 1, 2, 6, 0, 0, {WARM, GR(2)}, {{M(0, 0)}, {MV(1)}, {RET(0)}}},
    {"move, overflow, lookup", 1, 1, 6, 0, 0, {WARM, FILL4, M(0, 0), GR(0)}, {{MV(1)}, {L(0), L(8)}}},
    {"resize, move, overflow line out, lookup", 1, 1, 6, 0, 0, {WARM, FILL4, M(0, 0)}, {{GR(0), MV(1)}, {L(0)}}},
    {"move, overflow, unmap", 1, 1, 6, 0, 0, {WARM, FILL4, M(0, 0), GR(0)}, {{MV(1)}, {U(0)}}},
    {"move, overflow, map", 1, 1, 6, 0, 1, {WARM, FILL4, M(0, 0), GR(0)}, {{MV(1)}, {M(1, 1), L(0)}}},
    {"move to the end, lookup", 1, 2, 6, 0, 0, {WARM, M(0, 0), GR(2)}, {{MV(1), MV(1), MV(1)}, {L(0)}}},
    {"moved, given back by two", 1, 2, 6, 0, 0, {WARM, M(0, 0), GR(2), MV(1)}, {{MV(1), MV(1)}, {MV(1), MV(1)}}},
    {"moved, given back, lookup", 1, 2, 6, 0, 0, {WARM, M(0, 0), GR(2)},
        {{MV(1), MV(1), MV(1), MV(1)}, {L(0)}, {MV(1)}}},
    {"moved, resize, lookup", 1, 2, 6, 0, 0, {WARM, M(0, 0), GR(2), MV(1), MV(1)},
        {{GR(1), MV(2)}, {L(0)}, {MV(1), MV(1)}}},
    {"resize, resize", 1, 2, 6, 0, 0, {WARM, M(0, 0)}, {{GR(2), L(0)}, {GR(0), L(0)}}},
    {"resize, resize, map", 1, 2, 6, 0, 0, {WARM}, {{GR(2)}, {GR(0)}, {M(0, 0), L(0)}}},
    {"moved, two resizes", 1, 2, 6, 0, 0, {WARM, M(0, 0), GR(2), MV(1), MV(1)}, {{GR(1), MV(2)}, {GR(0), L(0)}}},
    {"map, closed by another, map of the same page", 1, 2, 6, 0, 1, {WARM},
        {{M(0, 0)}, {GR(2), MV(1)}, {M(0, 1)}}},
    {"moved, half given back, resize, lookup", 1, 2, 6, 0, 0, {WARM, M(0, 0), GR(2)},
        {{MV(1)}, {GR(1), MV(1)}, {GR(1)}, {L(0)}}},
    {"moved, given back by three", 1, 2, 6, 0, 0, {WARM, M(0, 0), GR(2), MV(1), MV(1)}, {{MV(1)}, {MV(1)}, {MV(1)}}},
    {"unmap, resize, share, reverse", 1, 2, 6, 0, 0, {WARM, M(0, 0), M(5, 0)}, {{U(0), GR(2), M(1, 0)}, {RV(0)}}},
    {"resize stopped, helped, 16K beside 4K", 2, 1, 6, STALER(1), 0, {M2(0, 0), U2(0), M(5, 5), U(5)},
        {{M(13, 1)}, {GR(2)}, {GR(2), M2(12, 12)}}},
    {"4K, resize, 16K in another bucket", 2, 1, 6, STALER(1), 0, {M2(0, 0), U2(0), M(5, 5), U(5)},
        {{M(13, 1)}, {GR(2), M2(12, 12)}}},
    {"16K, resize, 4K in another bucket", 2, 1, 6, STALER(1), 0, {M2(0, 0), U2(0), M(5, 5), U(5)},
        {{M2(12, 12)}, {GR(2), M(13, 1)}}},
    {"move, 4K 16K", 2, 1, 6, 0, 0, {WARM, M2(4, 4), U2(4), GR(2)}, {{M(0, 0)}, {M2(0, 4)}}},
    {"move, 16K around a page on its way", 2, 2, 6, 0, 0, {WARM, M2(4, 4), U2(4), M(0, 0), GR(2)},
        {{MV(4)}, {M2(0, 4)}}},
    {"resize, move, 16K around a page", 2, 2, 6, 0, 0, {WARM, M2(4, 4), U2(4), M(0, 0)}, {{GR(2), MV(4)}, {M2(0, 4)}}},
    {"4K, moved by another, 16K", 2, 2, 6, 0, 1, {WARM, M2(4, 4), U2(4), GR(2)}, {{M(0, 0)}, {MV(4)}, {M2(0, 4)}}},
    {"move, split, lookup", 2, 2, 6, 0, 1, {WARM, M2(4, 4), GR(2)}, {{MV(4)}, {SPL(4)}, {L(5)}}},
    /* CPUs: the first threads, inside, with what the setup has cached */
    {"cpu: use, unmap", 1, 2, 6, CPUS(1), 0, {WARM, M(0, 0), RC(0, 0)}, {{RD(0)}, {U(0)}}},
    {"cpu: use twice, unmap", 1, 2, 6, CPUS(1), 0, {WARM, M(0, 0), RC(0, 0)}, {{RD(0), RD(0)}, {U(0)}}},
    {"cpu: join, unmap", 1, 2, 6, CPUS(1), 0, {WARM, M(0, 0)}, {{RD(0)}, {U(0)}}},
    {"cpu: join again, unmap", 1, 2, 6, CPUS(1), 0, {WARM, M(0, 0), M(1, 1), MA(1, 0, 2), RC(0, 0), RC(0, 1)},
        {{{READ, 1, 0, 0, 0, 0}, RD(1)}, {U(0), U(1)}}},
    {"cpu: come inside, unmap", 1, 2, 6, CPUS(1), 0, {WARM, M(0, 0), RC(0, 0), OUT}, {{IN, RD(0)}, {U(0)}}},
    {"cpu: go and come, unmap", 1, 2, 6, CPUS(1), 0, {WARM, M(0, 0), RC(0, 0)}, {{RD(0), OUT, IN, RD(0)}, {U(0)}}},
    {"cpu: unmap, unmap, serve", 1, 2, 6, CPUS(1), 1, {WARM, M(0, 0), M(1, 1), RC(0, 0), RC(0, 1)},
        {{RD(0), RD(1)}, {U(0)}, {U(1)}}},
    {"cpu: two unmaps, serve", 1, 2, 6, CPUS(1), 0, {WARM, M(0, 0), M(1, 1), RC(0, 0), RC(0, 1)},
        {{RD(1), RD(0)}, {U(0), U(1)}}},
    {"cpu: shoot at each other", 1, 2, 6, CPUS(2), 0, {WARM, M(0, 0), M(1, 1), RC(0, 1), RC(1, 0)},
        {{U(0), RD(1)}, {U(1), RD(0)}}},
    {"cpu: use, unmap, map again", 1, 2, 6, CPUS(1), 1, {WARM, M(0, 0), RC(0, 0)}, {{RD(0)}, {U(0)}, {M(0, 1), L(0)}}},
    {"cpu: write, remap", 1, 2, 6, CPUS(1), 0, {WARM, M(0, 0), P(0, 3), WC(0, 0)}, {{WR(0), WR(0)}, {R(0, 1)}}},
    {"cpu: write, remap, lookup", 1, 2, 6, CPUS(1), 0, {WARM, M(0, 0), P(0, 3), WC(0, 0)},
        {{WR(0)}, {R(0, 1)}, {L(0)}}},
    {"cpu: write, protect", 1, 2, 6, CPUS(1), 0, {WARM, M(0, 0), P(0, 3), WC(0, 0)}, {{WR(0)}, {P(0, 1)}}},
    {"cpu: write, protect twice", 1, 2, 6, CPUS(1), 0, {WARM, M(0, 0), P(0, 3), WC(0, 0)},
        {{WR(0)}, {P(0, 1)}, {P(0, 1)}}},
    {"cpu: write, protect and widen", 1, 2, 6, CPUS(1), 1, {WARM, M(0, 0), P(0, 3), WC(0, 0)},
        {{WR(0)}, {P(0, 1)}, {P(0, 3), P(0, 1)}}},
    {"cpu: write, clean", 1, 2, 6, CPUS(1), 0, {WARM, M(0, 0), P(0, 3), WC(0, 0)},
        {{WR(0), WR(0)}, {P(0, 1), EN, L(0), CL(2), EX, P(0, 3)}}},
    {"cpu: use, range", 1, 2, 6, CPUS(1), 0, {WARM, M(0, 0), M(1, 1), RC(0, 0), RC(0, 1)},
        {{RD(0), RD(1)}, {RNG(0, 1)}}},
    {"cpu: use, gather", 1, 2, 6, CPUS(1), 0, {WARM, M(0, 0), RC(0, 0)}, {{RD(0), RD(0)}, {GA(0, 1), FI}}},
    {"cpu: use, gather, map again", 1, 2, 6, CPUS(1), 1, {WARM, M(0, 0), RC(0, 0)},
        {{RD(0)}, {GA(0, 1), FI}, {M(0, 1)}}},
    {"cpu: gather, map, gather", 1, 2, 6, CPUS(1), 0, {WARM, M(0, 0)},
        {{OUT}, {GA(0, 1), FI}, {M(0, 1), GA(0, 1), FI}}},
    {"cpu: gather, gather", 1, 2, 6, CPUS(1) | STALER(3), 0, {WARM, M(0, 0)},
        {{GA(0, 1), FI}, {GA(0, 1), FI}}},
    /* in two asids: what one gather has ended is a page of the other's a moment later, or was one */
    {"cpu: two gathers of one number", 1, 2, 6, CPUS(1) | STALER(2), 0, {WARM, M(0, 0), OUT},
        {{GA(0, 1), FI}, {{GATHER, 1, 0, 0, 1, 0}, FI}, {MA(1, 0, 1)}}},
    {"cpu: two gathers of one number, mapped before", 1, 2, 6, CPUS(1), 0, {WARM, MA(1, 0, 1), OUT},
        {{{UNMAP, 1, 0, 0, 0, 0}}, {{GATHER, 1, 0, 0, 1, 0}, FI}, {M(0, 0), GA(0, 1), FI}}},
    {"cpu: first overflow line, gather", 1, 2, 6, CPUS(1), 0, {FILL4, OUT},
        {{GA(1, 1), FI}, {M(0, 0)}}},
    {"cpu: use, retire", 1, 2, 6, CPUS(1), 0, {WARM, M(0, 0), RC(0, 0)}, {{RD(0)}, {RET(0)}}},
    {"cpu: use, retire, issue again", 1, 2, 6, CPUS(1), 1, {WARM, M(0, 0), RC(0, 0)},
        {{RD(0), RD(0)}, {RET(0), AL(2), MA(2, 0, 5)}}},
    {"cpu: join, retire", 1, 2, 6, CPUS(1), 0, {WARM, M(0, 0)}, {{RD(0)}, {RET(0)}}},
    {"cpu: detach, unmap", 1, 2, 6, CPUS(1), 0, {WARM, M(0, 0), RC(0, 0)}, {{RD(0), DT}, {U(0)}}},
    {"cpu: detach, attach, unmap", 1, 2, 6, CPUS(1), 0, {WARM, M(0, 0), RC(0, 0)},
        {{RD(0), DT}, {AT(0), RD(0), DT}, {U(0)}}},
    {"cpu: detach, attach, serve", 1, 2, 6, CPUS(1), 0, {WARM, M(0, 0), M(1, 1), RC(0, 0)},
        {{RD(1), DT}, {AT(0), SV, DT}, {U(0)}}},
    {"cpu: detach, no memory to attach, attach", 1, 2, 6, CPUS(1), 0, {WARM, M(0, 0), M(1, 1), RC(0, 0), U(1)},
        {{SV, DT}, {AN(0)}, {AT(0), SV, DT}}},
    {"cpu: far behind", 1, 2, 6, CPUS(1), 0,
        {WARM, M(0, 0), M(1, 1), M(2, 2), M(3, 3), M(4, 4), RC(0, 0), OUT, U(0), U(1), U(2)},
        {{IN, RD(0)}, {U(3), U(4)}}},
    {"cpu: far behind a range", 1, 2, 6, CPUS(1), 0,
        {WARM, M(0, 0), M(1, 1), M(2, 2), M(3, 3), M(4, 4), M(5, 5), RC(0, 1), OUT, RNG(0, 2), U(2), U(5)},
        {{IN, RD(1)}, {U(3), U(4)}}},
    {"cpu: five generations", 1, 2, 6, CPUS(1), 0, {WARM, M(0, 0), M(1, 1), M(2, 2), M(3, 3), M(4, 4)},
        {{OUT}, {U(0)}, {U(1), U(2), U(3), U(4)}}},
    {"cpu: kicked when inside", 1, 2, 6, CPUS(1), 0, {WARM, M(0, 0), RC(0, 0), OUT}, {{IN, STAY}, {U(0)}}},
    {"cpu: two that are kicked", 1, 2, 6, CPUS(2), 1, {WARM, M(0, 0), RC(0, 0), RC(1, 0), OUT},
        {{IN, STAY}, {STAY}, {U(0)}}},
};
/* clang-format on */

const size_t nprograms = sizeof(programs) / sizeof(programs[0]);

const struct purpose purposes[] = {
    {"hipti_asid_confirm", "first overflow line, retire"},
    {"hipti_asid_active", "issued again, sizes"},
    {"asid_extend", "first block of cells, retire"},
    {"asid_take_spare", "spare cells"},
    {"asid_give_spare", "spare cells"},
    {"asid_cell", "first block of cells"},
    {"hipti_asid_remember", "first overflow line, retire"},
    {"hipti_asid_forget", "retired, mapped late, unmapped by a third"},
    {"asid_activate", "issued again, sizes"},
    {"hipti_asid_reissue", "retired, mapped late, unmapped by a third"},
    {"hipti_asid_end", "first overflow line, retire"},
    {"hipti_asid_walk_start", "first block of cells, retire"},
    {"hipti_asid_walk_next", "first overflow line, retire"},
    {"frame_count", "frame back, map"},
    {"block_put", "first overflow line, reverse by alias"},
    {"frame_add_alias", "link, walk"},
    {"frame_drop", "unmap, get"},
    {"frame_drop", "first alias blocks of two, last unmap by a third"},
    {"frame_drop", "unpinned while its blocks go"},
    {"hipti_frame_link", "first overflow line, reverse"},
    {"frame_remove_alias", "new head block, unlink"},
    {"hipti_frame_pin", "pins and unpins"},
    {"hipti_frame_pin", "pin, get"},
    {"hipti_frame_unpin", "pins and unpins"},
    {"hipti_frame_status", "unmap, get"},
    {"hipti_frame_reap", "frame back, map"},
    {"hipti_frame_pairs", "first overflow line, reverse"},
    {"hipti_frame_pairs", "link, walk"},
    {"hipti_pairs_next", "first overflow line, reverse by alias"},
    {"line_match_ended", "cpu: two gathers of one number"},
    {"line_match_ended", "cpu: two gathers of one number, mapped before"},
    {"hipti_bucket_find_ended", "cpu: first overflow line, gather"},
    {"hipti_line_is_absent", "split, slot 0 used again, lookup"},
    {"hipti_line_is_absent", "split, slot 1 used again, lookup"},
    {"hipti_line_is_absent", "split, slot 2 used again, lookup"},
    {"hipti_line_is_absent", "split, slot 3 used again, lookup"},
    {"hipti_line_is_absent", "split, overflow line out, lookup"},
    {"frame_trim", "collapse, reverse of a shared frame"},
    {"lookup_again", "collapse, lookup"},
    {"announce_reshape", "collapse, lookup"},
    {"hipt_reverse", "collapse, reverse"},
    {"place_clear", "collapse, reverse"},
    {"attempt_settle", "4K 16K"},
    {"hipti_attempt_commit", "4K 16K"},
    {"stats_bucket", "first overflow line, count"},
    {"arena_fill", "first overflow line, its own lookup"},
    {"hipti_arena_carve", "first overflow line, walk"},
    {"hipti_arena_find", "first asids"},
    {"freelist_ripen", "used by one, unmapped by another, reaped by a third"},
    {"freelist_collect", "unpinned, reaped by another"},
    {"freelist_move", "two movers"},
    {"hipti_freelist_pop", "used by one, unmapped by another, reaped by a third"},
    {"hipti_freelist_push", "unpinned, reaped by another"},
    {"spare_set", "line reuse, walk"},
    {"hipti_bucket_find", "push lookup"},
    {"hipti_bucket_find_seq_cst", "4K in a new line, 16K in another bucket"},
    {"hipti_bucket_find_seq_cst", "4K 16K"},
    {"bucket_help", "four lives of a slot, help"},
    {"bucket_help", "4K helped by a third, 16K in another bucket"},
    {"bucket_settle", "push push"},
    {"claim_fill", "reuse, lookup of the new page"},
    {"bucket_take", "reuse beside a stale header"},
    {"bucket_extend", "push lookup"},
    {"hipti_bucket_commit", "4K in a new line, 16K in another bucket"},
    {"hipti_bucket_commit", "4K 16K"},
    {"hipti_slot_change", "mark clean"},
    {"hipti_slot_change", "protect lookup"},
    {"hipti_slot_publish", "remap lookup"},
    {"line_unseal", "trim given up, reuse"},
    {"line_seal", "forgotten claim, trim"},
    {"bucket_trim", "trim, the same page twice"},
    {"slot_free", "reuse beside a stale header"},
    {"hipti_slot_read", "reuse, only a walk"},
    {"walk_bucket", "first overflow line, walk"},
    {"hipti_line_match", "reuse in an overflow line, lookup"},
    {"hipti_line_match", "remap in an overflow line, lookup"},
    {"hipti_line_lookup", "reuse, lookup of the new page"},
    {"hipti_line_lookup", "protect lookup"},
    {"hipti_cpu_attach", "cpu: detach, attach, serve"},
    {"hipti_cpu_attach", "cpu: detach, no memory to attach, attach"},
    {"hipt_cpu_detach", "cpu: detach, attach, serve"},
    {"set_leave", "cpu: detach, unmap"},
    {"forget_ranges", "cpu: far behind"},
    {"forget_ranges", "cpu: far behind a range"},
    {"forget_ranges", "cpu: unmap, unmap, serve"},
    {"serve", "cpu: use twice, unmap"},
    {"hipt_cpu_serve", "cpu: use, unmap"},
    {"hipt_cpu_enter", "cpu: come inside, unmap"},
    {"hipt_cpu_exit", "cpu: use, unmap"},
    {"cpu_join", "cpu: join again, unmap"},
    {"hipti_shootdown_add", "cpu: far behind"},
    {"hipti_shootdown_add", "cpu: far behind a range"},
    {"hipti_shootdown_add", "cpu: five generations"},
    {"hipti_shootdown_add", "cpu: unmap, unmap, serve"},
    {"line_post", "cpu: come inside, unmap"},
    {"set_inside", "cpu: kicked when inside"},
    {"hipti_shootdown_dispatch", "cpu: join again, unmap"},
    {"hipti_shootdown_dispatch", "cpu: shoot at each other"},
    {"line_is_done", "cpu: use twice, unmap"},
    {"set_waited_for", "cpu: detach, unmap"},
    {"hipti_gather_take", "cpu: gather, gather"},
    {"hipti_gather_give", "cpu: gather, gather"},
    {"protect_finish", "cpu: write, protect twice"},
    {"hipti_bucket_close", "map, closed by another, map of the same page"},
    {"hipti_buckets_free_half", "moved, half given back, resize, lookup"},
    {"hipti_buckets_free_half", "resize, moved by another, lookup"},
    {"hipti_buckets_free_half", "resize stopped, helped, 16K beside 4K"},
    {"hipti_buckets_collect", "moved, given back by three"},
    {"junk_push", "moved, given back by two"},
    {"hipti_buckets_replace", "resize, moved by another, lookup"},
    {"hipti_buckets_replace", "4K, resize, 16K in another bucket"},
    {"hipti_find_seq_cst", "4K, resize, 16K in another bucket"},
    {"hipti_buckets_now", "resize, move, lookup"},
    {"hipti_slot_follow", "protect, moved by another, lookup"},
    {"hipti_slot_follow", "move, lookup"},
    {"array_before", "move, lookup"},
    {"is_moving", "move, lookup"},
    {"hipti_move_on", "move, lookup"},
    {"move_mark", "move, lookup"},
    {"hipti_move_on", "move, move, unmap"},
    {"hipti_move_before_put", "resize, map, map"},
    {"hipti_bucket_find", "move, overflow, lookup"},
    {"hipti_bucket_is_left", "move, overflow, lookup"},
    {"hipti_line_lookup", "resize, move, overflow line out, lookup"},
    {"hipti_pairs_changed", "unmap, resize, share, reverse"},
    {"hipti_frame_relink", "resize, move, reverse"},
    {"hipti_asid_relink", "resize, move, retire"},
};

const size_t npurposes = sizeof(purposes) / sizeof(purposes[0]);

const struct purpose *purpose_lost(void)
{
    size_t i;
    size_t j;

    for (i = 0; i < npurposes; i++) {
        for (j = 0; j < nprograms && strcmp(programs[j].name, purposes[i].program) != 0; j++) {
            /* another one */
        }
        if (j == nprograms) {
            return &purposes[i];
        }
    }
    return NULL;
}

const char *kind_name(enum kind kind)
{
    static const char *const names[KINDS] = {"nothing", "map",   "unmap", "protect", "remap", "lookup",
                                             "mark",    "clean", "pin",   "unpin",   "reap",  "retire",
                                             "alloc",   "enter", "exit",  "reverse", "next",  "get",
                                             "stats",   "read",  "write", "serve",   "inside", "outside",
                                             "kicked",  "attach", "detach", "range", "gather",
                                             "finish",  "split",  "collapse", "resize", "move"};

    return names[kind];
}
