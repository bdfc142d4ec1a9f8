/* SPDX-License-Identifier: MIT */
#include "machine.h"

#include <stdarg.h>

/* Devices are seen uncached, in kseg1. */
#define DEVICE(physical) ((volatile uint32_t *)(UINT64_C(0xffffffffa0000000) | (physical)))

/* The coherence manager says where the interrupt controller and the power controller are; bit 0 turns them on. */
#define GCR_GIC_BASE DEVICE(0x1fbf8080)
#define GCR_CPC_BASE DEVICE(0x1fbf8088)
#define GIC 0x1bdc0000u
#define CPC 0x1bde0000u
#define GIC_COUNTER DEVICE(GIC + 0x10)
#define GIC_WEDGE DEVICE(GIC + 0x280) /* an interrupt's number raises it with bit 31, and lowers it without */
#define GIC_MASK_SET(number) DEVICE(GIC + 0x380 + (number) / 32 * 4)
#define GIC_PIN(number) DEVICE(GIC + 0x500 + (number) * 4)
#define GIC_VP(number) DEVICE(GIC + 0x2000 + (number) * 32)
#define CPC_VP_RUN DEVICE(CPC + 0x2028)
#define KICK(vp) (40u + (vp)) /* interrupts that no device has */

#define SERIAL_DATA ((volatile uint8_t *)DEVICE(0x180003f8))
#define SERIAL_STATUS ((volatile uint8_t *)DEVICE(0x180003fd))
#define RESET DEVICE(0x1f000500)

void tlb_write(uint64_t entry_hi, uint64_t lo0, uint64_t lo1)
{
    cp0_set_entry_hi(entry_hi);
    __asm__ __volatile__("tlbp\n\tehb" : : : "memory");
    cp0_set_entry_lo0(lo0);
    cp0_set_entry_lo1(lo1);
    if (cp0_index() >= 0) {
        __asm__ __volatile__("tlbwi\n\tehb" : : : "memory");
    } else {
        __asm__ __volatile__("tlbwr\n\tehb" : : : "memory");
    }
}

/* The entry that translates a page and its neighbour, if there is one. */
static void tlb_forget_pair(uint64_t entry_hi)
{
    cp0_set_entry_hi(entry_hi);
    __asm__ __volatile__("tlbp\n\tehb" : : : "memory");
    if (cp0_index() >= 0) {
        cp0_set_entry_hi(ENTRY_HI_INVALID);
        __asm__ __volatile__("tlbwi\n\tehb" : : : "memory");
    }
}

void tlb_forget(uint32_t asid, uint64_t vpn, uint64_t npages)
{
    uint64_t before = cp0_entry_hi();

    for (uint64_t pair = vpn & ~UINT64_C(1); pair < vpn + npages; pair += 2) {
        tlb_forget_pair(pair << PAGE_SHIFT | asid);
    }
    cp0_set_entry_hi(before);
}

void tlb_forget_asid(uint32_t asid)
{
    uint64_t before = cp0_entry_hi();

    cp0_set_entry_hi(asid);
    __asm__ __volatile__("tlbinv\n\tehb" : : : "memory");
    cp0_set_entry_hi(before);
}

void tlb_forget_all(void)
{
    __asm__ __volatile__("tlbinvf\n\tehb" : : : "memory");
}

uint32_t interrupts_off(void)
{
    uint32_t status;

    __asm__ __volatile__("di %0\n\tehb" : "=r"(status) : : "memory");
    return status;
}

void interrupts_restore(uint32_t status)
{
    cp0_set_status(status);
}

void machine_start(void)
{
    *GCR_GIC_BASE = GIC | 1u;
    *GCR_CPC_BASE = CPC | 1u;
    for (unsigned vp = 0; vp < VPS; vp++) {
        *GIC_PIN(KICK(vp)) = 0x80000000u | 1u; /* the second of the six lines: INTERRUPT_KICK */
        *GIC_VP(KICK(vp)) = 1u << vp;
        *GIC_MASK_SET(KICK(vp)) = 1u << KICK(vp) % 32;
    }
}

void machine_run(unsigned vp)
{
    *CPC_VP_RUN = 1u << vp;
}

void machine_kick(unsigned vp)
{
    *GIC_WEDGE = 0x80000000u | KICK(vp);
}

void machine_kick_taken(unsigned vp)
{
    *GIC_WEDGE = KICK(vp);
}

void machine_tick(uint32_t units)
{
    uint32_t at;

    do { /* another processor may have run for so long between the two */
        at = cp0_count() + units;
        cp0_set_compare(at);
    } while ((int32_t)(cp0_count() - at) >= 0);
}

uint32_t machine_time(void)
{
    return *GIC_COUNTER;
}

void machine_end(void)
{
    *RESET = 0x42; /* with -no-reboot, QEMU ends */
    for (;;) {
        machine_pause();
    }
}

static void print_character(char c)
{
    while (!(*SERIAL_STATUS & 0x20)) {
    }
    *SERIAL_DATA = (uint8_t)c;
}

static void print_number(uint64_t number, unsigned base)
{
    if (number >= base) {
        print_number(number / base, base);
    }
    print_character("0123456789abcdef"[number % base]);
}

/* Of printf: %s, %u, %lu, %lx, %%. */
void print(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    for (; *format; format++) {
        if (*format != '%') {
            print_character(*format);
        } else if (*++format == 's') {
            for (const char *text = va_arg(arguments, const char *); *text; text++) {
                print_character(*text);
            }
        } else if (*format == 'u') {
            print_number(va_arg(arguments, unsigned), 10);
        } else if (*format == 'l') {
            print_number(va_arg(arguments, unsigned long), *++format == 'x' ? 16 : 10);
        } else {
            print_character(*format);
        }
    }
    va_end(arguments);
}

/* What a compiler calls by itself. */
void *memcpy(void *to, const void *from, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        ((volatile uint8_t *)to)[i] = ((const uint8_t *)from)[i];
    }
    return to;
}

void *memmove(void *to, const void *from, size_t bytes)
{
    if ((uintptr_t)to - (uintptr_t)from >= bytes) {
        return memcpy(to, from, bytes);
    }
    while (bytes-- > 0) {
        ((volatile uint8_t *)to)[bytes] = ((const uint8_t *)from)[bytes];
    }
    return to;
}

void *memset(void *to, int value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        ((volatile uint8_t *)to)[i] = (uint8_t)value;
    }
    return to;
}

int memcmp(const void *one, const void *other, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        int difference = ((const uint8_t *)one)[i] - ((const uint8_t *)other)[i];

        if (difference) {
            return difference;
        }
    }
    return 0;
}
