/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] Port accesses that exit: nobody is there. Reads give what an empty bus gives, writes are dropped. */
#include "kernel/cpu/x86.h"
#include "kernel/platform/uart.h"
#include "vmx/exit/decode.h"
#include "vmx/exit/handlers.h"

#define PCI_CONFIG_ADDRESS 0xcf8U
#define PIT_CHANNEL_2 0x42U /* all-ones would keep Linux's calibration waiting through 100,000 exits: 0 */

/* SDM vol 1, "General-Purpose Registers": a 32-bit result clears the upper half, smaller ones leave the rest. */
static void set_result(struct vmx_gprs *g, uint32_t value, unsigned size)
{
    uint64_t mask = size >= 4 ? ~0UL : (1UL << 8 * size) - 1;
    g->rax = (g->rax & ~mask) | (value & mask);
}

enum exit_action exit_io(struct vcpu *v)
{
    struct io_access a = decode_io(v->vmx.exit.qualification);
    struct vmx_gprs *g = &v->vmx.gprs;
    if (a.string) /* nothing decodes its memory operand; to skip it in silence would be a lie, and a log line for each a flood */
        return EXIT_INJECT_GP;
    /* A doubleword at the configuration address spans port 0xcf9, which is kept, but means PCI. */
    bool config = v->vmx.privileged && a.port == PCI_CONFIG_ADDRESS && a.size == 4 && !uart_owns_port(PCI_CONFIG_ADDRESS);
    if (a.in) {
        set_result(g, config ? in32(PCI_CONFIG_ADDRESS) : a.port == PIT_CHANNEL_2 ? 0 : ~0U, a.size);
    } else if (config) {
        out32(PCI_CONFIG_ADDRESS, (uint32_t)g->rax);
    }
    return EXIT_ADVANCE;
}
