/* SPDX-License-Identifier: MIT */
/*
 * The machine: QEMU's Malta board with I6400 processors, which have a software-filled TLB and no table walker. What is
 * known of its interrupt controller, power controller and serial line is in machine.c.
 */
#ifndef MACHINE_H
#define MACHINE_H

#define VPS 4 /* virtual processors */
#define STACK_SHIFT 14

/* Kernel mode, 64-bit addresses everywhere, the two interrupts below, off still. */
#define STATUS_IE 0x1
#define STATUS_EXL 0x2
#define STATUS_ERL 0x4
#define STATUS_START (INTERRUPT_KICK | INTERRUPT_TICK | 0xe0)
#define CAUSE_IV 0x800000
#define INTERRUPT_KICK 0x800  /* from the interrupt controller: another processor's */
#define INTERRUPT_TICK 0x8000 /* from the processor's own timer */

/* What an exception pushes: register r at 8 * r, and these. */
#define TRAP_EPC 256
#define TRAP_STATUS 264
#define TRAP_CAUSE 272
#define TRAP_ADDRESS 280
#define TRAP_BYTES 288

#ifndef __ASSEMBLER__

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE_SHIFT 12
#define PAGE_BYTES (1ul << PAGE_SHIFT)
#define KERNEL_BASE UINT64_C(0xffffffff80000000) /* kseg0: the first 512 MiB of memory, without translation */

struct trap {
    uint64_t registers[32];
    uint64_t epc;
    uint64_t status;
    uint64_t cause;
    uint64_t address;
};

/* The processor's own registers: cp0_NAME() reads one, cp0_set_NAME() writes it and waits until it holds. */
#define CP0(name, type, width, place)                                              \
    static inline type cp0_##name(void)                                            \
    {                                                                              \
        type value;                                                                \
                                                                                   \
        __asm__ __volatile__(width "mfc0 %0, " place : "=r"(value));               \
        return value;                                                              \
    }                                                                              \
    static inline void cp0_set_##name(type value)                                  \
    {                                                                              \
        __asm__ __volatile__(width "mtc0 %0, " place "\n\tehb" : : "r"(value) : "memory"); \
    }

CP0(index, int32_t, "", "$0")
CP0(entry_lo0, uint64_t, "d", "$2")
CP0(entry_lo1, uint64_t, "d", "$3")
CP0(count, uint32_t, "", "$9")
CP0(entry_hi, uint64_t, "d", "$10")
CP0(compare, uint32_t, "", "$11")
CP0(status, uint32_t, "", "$12")
CP0(config4, uint32_t, "", "$16, 4")

#define ENTRY_HI_ASID 0x3ffu
#define ENTRY_HI_INVALID 0x400u /* what is written is no entry */

/* Halves of a TLB entry, which translates two pages: the frame above, and these. */
#define LO_VALID 0x2u
#define LO_WRITABLE 0x4u
#define LO_COHERENT (5u << 3)
#define LO_PFN_SHIFT 6

/* Fill: in the place of the entry that matches EntryHi, or of a random one. */
void tlb_write(uint64_t entry_hi, uint64_t lo0, uint64_t lo1);

/* Forget the pages, all of a hardware asid, or everything. */
void tlb_forget(uint32_t asid, uint64_t vpn, uint64_t npages);
void tlb_forget_asid(uint32_t asid);
void tlb_forget_all(void);

/* What an interrupt leaves alone from the one to the other. */
uint32_t interrupts_off(void);
void interrupts_restore(uint32_t status);

/*
 * Let other processors run. QEMU runs one at a time, until the next tick of any of them; so this only must not be long.
 * No wait instruction: where all processors wait at once, QEMU 7.2 moves its clock on beside them, and the same seed
 * no longer gives the same run.
 */
static inline void machine_pause(void)
{
    for (unsigned i = 0; i < 200; i++) {
        __asm__ __volatile__("" : : : "memory");
    }
}

/* The frame as the kernel sees it: xkphys needs no translation. */
static inline uint64_t *machine_frame(uint64_t pfn)
{
    return (uint64_t *)(UINT64_C(0x9800000000000000) | pfn << PAGE_SHIFT);
}

void machine_start(void);
void machine_run(unsigned vp);             /* another processor begins at start */
void machine_kick(unsigned vp);            /* an interrupt for it */
void machine_kick_taken(unsigned vp);      /* it has it */
void machine_tick(uint32_t units);         /* the next interrupt of this processor's timer, in so many units from now */
uint32_t machine_time(void);               /* in 10 ns, the same for all; runs over after 42 s */
_Noreturn void machine_end(void);
void print(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
#endif
