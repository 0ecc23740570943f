/* SPDX-License-Identifier: Apache-2.0
 * [ROOT] See io_policy.h. */
#include "vmx/io_policy.h"

const struct io_range io_kept[] = {
    {0x20, 0x21},   /* 8259 interrupt controllers: masked for good */
    {0xa0, 0xa1},
    {0x40, 0x43},   /* 8254 timer */
    {0xcf9, 0xcf9}, /* reset */
};

const unsigned io_nr_kept = ARRAY_SIZE(io_kept);

uint32_t io_policy_read(uint16_t port, unsigned size)
{
    if (port == 0x42)
        return 0; /* all-ones would keep Linux's PIT calibration waiting through 100,000 exits */
    return size >= 4 ? 0xffffffffU : (1U << 8 * size) - 1;
}
