/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Dom0 from its first line of C to its prompt. */
#include "dom0/kernel/main.h"

#include "dom0/backend/net_uplink.h"
#include "dom0/cli/cli.h"
#include "dom0/fs/volume.h"
#include "dom0/kernel/boot.h"
#include "dom0/kernel/boot_priv.h"
#include "dom0/kernel/console.h"
#include "dom0/kernel/console_priv.h"
#include "dom0/kernel/cpu.h"
#include "dom0/kernel/driver_test.h"
#include "dom0/kernel/event_priv.h"
#include "dom0/kernel/fatal.h"
#include "dom0/kernel/foreign.h"
#include "dom0/kernel/heap_priv.h"
#include "dom0/kernel/page.h"
#include "dom0/kernel/paging.h"
#include "dom0/kernel/thread_priv.h"
#include "dom0/kernel/time_priv.h"
#include "dom0/manager/manager.h"
#include "dom0/net/stack.h"
#include "dom0/store/store.h"
#include "drivers/ahci.h"
#include "drivers/ata.h"
#include "drivers/e1000.h"
#include "drivers/ne2k.h"
#include "drivers/netdev.h"
#include "drivers/nvme.h"
#include "drivers/pci.h"
#include "drivers/virtio_blk.h"
#include "drivers/virtio_net.h"

#define INIT_STACK  32768U
#define STORE_ARENA (1024U * 1024U) /* the quarter that is kept for Dom0 holds the nodes of some 80 domains */
#define RFLAGS_IF   0x200U

/* Everything that may wait runs in this thread. */
static void init_thread(void *arg)
{
    (void)arg;
    pci_init();
    ata_init();
    ahci_init();
    nvme_init();
    virtio_blk_init();
    e1000_init();
    ne2k_init();
    virtio_net_init();
    netdev_name_strangers();
    volume_init();
    if (!boot_on_corbel()) {
        driver_test_report();
    }
    if (!store_init(STORE_ARENA)) {
        fatal("no memory for the store");
    }
    manager_init();
    net_uplink_init();
    net_stack_init(); /* after the host's cards: its address comes from one */
    cli_start();
}

static void memory_start(uint64_t start, uint64_t base)
{
    struct boot_ram ram;
    if (!boot_init(start, base, &ram)) {
        fatal("the start info at 0x%lx is unusable", start);
    }
    uint64_t image_bytes = (uint64_t)(image_end - image_start);
    if (!page_init(ram.base, base + image_bytes, ram.end, (void *)(DIRECT_BASE + ram.base))) {
        fatal("only %lu KiB of RAM", (ram.end - ram.base) / 1024);
    }
    boot_reserve_modules();
    if (!paging_init(base, ram.base, ram.end) || !boot_map_modules()) {
        fatal("no memory for page tables");
    }
    heap_set_check(boot_host_info()->debug != 0);
}

void dom0_main(uint64_t start, uint64_t base)
{
    cpu_init();
    memory_start(start, base);
    if (boot_on_corbel()) {
        if (!foreign_init()) {
            fatal("the hypervisor gives no range for foreign mappings");
        }
        event_init();
    }
    time_init();
    thread_init(boot_on_corbel() ? RFLAGS_IF : 0, boot_host_info()->debug != 0);
    console_init();
    console_printf("Corbel Dom0 %s: %lu KiB free\n", boot_on_corbel() ? boot_host_info()->version : "driver test",
                   page_free_count() * PAGE_SIZE / 1024);
    if (thread_create("init", init_thread, NULL, INIT_STACK) == NULL) {
        fatal("no memory for the first thread");
    }
    thread_exit();
}
