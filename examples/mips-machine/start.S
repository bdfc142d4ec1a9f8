/* SPDX-License-Identifier: MIT */
/*
 * Where a virtual processor begins, and where it goes when it is interrupted. Everything runs in kernel mode, on one
 * stack for each processor; an exception pushes what C may change, and pops it again. $28 is the processor's record.
 */
#include "machine.h"

#define BADVADDR $8
#define STATUS $12
#define CAUSE $13
#define EPC $14
#define EBASE $15, 1

    .set noat
    .macro push_all
    daddiu $sp, $sp, -TRAP_BYTES
    .irp r, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 31
    sd $\r, (8 * \r)($sp)
    .endr
    .endm

    .macro pop_all
    .irp r, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 31
    ld $\r, (8 * \r)($sp)
    .endr
    daddiu $sp, $sp, TRAP_BYTES
    .endm

/* The vectors, by their offsets from EBase: one for user addresses that the TLB does not know, one for all else. */
    .section .vectors, "ax"
    .globl vectors
vectors:
    bc exception
    .org 0x080
    bc refill
    .org 0x100
    bc exception
    .org 0x180
    bc exception
    .org 0x200
    bc exception

    .text
/* Interrupts are off from here to eret: nothing is served between the walk and the fill. */
refill:
    push_all
    dmfc0 $4, BADVADDR
    balc kernel_refill
    pop_all
    eret

/* The rest may be interrupted once C allows it, so what eret goes by is pushed too. */
exception:
    push_all
    dmfc0 $2, EPC
    mfc0 $3, STATUS
    sd $2, TRAP_EPC($sp)
    sd $3, TRAP_STATUS($sp)
    mfc0 $2, CAUSE
    dmfc0 $3, BADVADDR
    sd $2, TRAP_CAUSE($sp)
    sd $3, TRAP_ADDRESS($sp)
    move $4, $sp
    balc kernel_trap
    ld $3, TRAP_STATUS($sp) /* exceptions off, as it was */
    ld $2, TRAP_EPC($sp)
    mtc0 $3, STATUS
    ehb
    dmtc0 $2, EPC
    pop_all
    eret

/* bool user_load(uint64_t address, uint64_t *value): false where nothing can be there. So does user_store(). */
    .globl user_load, user_store, user_access_failed, user_load_at, user_store_at
user_load:
user_load_at:
    ld $6, 0($4)
    sd $6, 0($5)
    li $2, 1
    jrc $31
user_store:
user_store_at:
    sd $5, 0($4)
    li $2, 1
    jrc $31
user_access_failed:
    li $2, 0
    jrc $31

/*
 * Every processor begins here, the first one after the boot loader, with its arguments, the others through it when the
 * power controller lets them run.
 */
    .globl start
start:
    li $8, STATUS_START
    mtc0 $8, STATUS
    li $8, CAUSE_IV
    mtc0 $8, CAUSE
    ehb
    mfc0 $16, EBASE
    andi $16, $16, 0x3ff
    dla $8, vectors
    mtc0 $8, EBASE
    ehb
    addiu $9, $16, 1
    dsll $9, $9, STACK_SHIFT
    dla $29, stacks
    daddu $29, $29, $9
    move $17, $4
    move $18, $5
    move $4, $16
    move $5, $17
    move $6, $18
    balc kernel_start

    .section .bss
    .balign 16
stacks:
    .space VPS << STACK_SHIFT
