/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Port accesses that exit: nobody is there. Reads give what an empty bus gives, writes are dropped. */
#include "kernel/cpu/x86.h"
#include "kernel/platform/uart.h"
#include "vmx/exit/decode.h"
#include "vmx/exit/handlers.h"

#define PCI_CONFIG_ADDRESS 0xcf8U
#define PIT_CHANNEL_2 0x42U /* all-ones would keep Linux's calibration waiting through 100,000 exits: 0 */

/* SDM vol 1, "General-Purpose Registers": a 32-bit result clears the upper half, smaller ones leave the rest. */
static inline enum exit_action nobody(struct vmx_gprs *g, struct io_access a)
{
    uint64_t ones = a.size == 1 ? 0xff : a.size == 2 ? 0xffff : 0xffffffff;
    if (a.in)
        g->rax = (a.size >= 4 ? 0 : g->rax & ~ones) | (a.port == PIT_CHANNEL_2 ? 0 : ones);
    return EXIT_ADVANCE;
}

/* Dom0 has the address of PCI's configuration space, a doubleword that spans port 0xcf9, which is kept. */
static __attribute__((noinline)) enum exit_action of_dom0(struct vmx_gprs *g, struct io_access a)
{
    if (a.port != PCI_CONFIG_ADDRESS || a.size != 4 || uart_owns_port(PCI_CONFIG_ADDRESS))
        return nobody(g, a);
    if (a.in)
        g->rax = in32(PCI_CONFIG_ADDRESS);
    else
        out32(PCI_CONFIG_ADDRESS, (uint32_t)g->rax);
    return EXIT_ADVANCE;
}

enum exit_action exit_io(struct vcpu *v)
{
    struct io_access a = decode_io(v->vmx.exit.qualification);
    if (a.string) /* nothing decodes its memory operand; to skip it in silence would be a lie, and a log line for each a flood */
        return EXIT_INJECT_GP;
    return v->vmx.privileged ? of_dom0(&v->vmx.gprs, a) : nobody(&v->vmx.gprs, a);
}
