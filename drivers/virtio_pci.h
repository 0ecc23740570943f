/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Virtio devices on PCI, modern interface only: Virtual I/O Device (VIRTIO) 1.1, section 4.1. A transitional
 * device is driven through its modern interface too. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "drivers/pci.h"
#include "drivers/virtqueue.h"

#define VIRTIO_VENDOR      0x1af4U
#define VIRTIO_MODERN      0x1040U /* + the type */
#define VIRTIO_TYPE_NET    1U
#define VIRTIO_TYPE_BLOCK  2U
#define VIRTIO_OLD_NET     0x1000U /* transitional */
#define VIRTIO_OLD_BLOCK   0x1001U

#define VIRTIO_F_VERSION_1       (1UL << 32)
#define VIRTIO_F_ACCESS_PLATFORM (1UL << 33)

struct virtio_device {
    struct pci_device *pci;
    volatile void *common, *isr, *config; /* of this device */
    volatile void *notify;
    uint32_t notify_step, notify_bytes, config_bytes;
    uint64_t features;                    /* agreed on */
};

/* Whether D is a virtio device of TYPE. */
bool virtio_is(const struct pci_device *d, uint32_t type);
/* Finds and maps the registers. false: REASON says why it cannot be driven. Bus mastering and decoding are on. */
bool virtio_find(struct virtio_device *v, struct pci_device *d, const char **reason);
/* Reset, then all of WANTED that the device has, VERSION_1 included. May sleep. false: it does not agree. */
bool virtio_begin(struct virtio_device *v, uint64_t wanted);
/* Queue INDEX is Q, with the interrupt that the PCI device has. Between virtio_begin and virtio_ready. *NOTIFY: the
 * offset for virtio_notify. false: the queue is not there or too short. */
bool virtio_queue(struct virtio_device *v, uint32_t index, const struct virtqueue *q, uint32_t *notify);
void virtio_ready(struct virtio_device *v);
void virtio_notify(struct virtio_device *v, uint32_t index, uint32_t notify);
/* No DMA any more. false: it does not answer. May sleep. */
bool virtio_reset(struct virtio_device *v);
/* It is as virtio_ready left it: it wants no reset and has not vanished. */
bool virtio_running(struct virtio_device *v);
/* Quiets the line of a device without MSI-X; true: it was this device. */
bool virtio_interrupted(struct virtio_device *v);
