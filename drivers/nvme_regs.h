/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] Registers, commands and structures of NVMe: NVM Express Base Specification 1.4, sections 3.1 "Register
 * Definition", 4.2 to 4.6 (queues), 5 "Admin Command Set" and 6 "NVM Command Set". */
#pragma once

#include <stdint.h>

#define NVME_CAP   0x00U /* 64 bits */
#define NVME_INTMS 0x0cU /* a 1 masks; not with MSI-X */
#define NVME_INTMC 0x10U
#define NVME_CC    0x14U
#define NVME_CSTS  0x1cU
#define NVME_AQA   0x24U
#define NVME_ASQ   0x28U /* 64 bits */
#define NVME_ACQ   0x30U /* 64 bits */
#define NVME_DOORBELLS 0x1000U

#define NVME_CAP_MQES(cap)   ((uint32_t)((cap) & 0xffffU)) /* entries of a queue - 1 */
#define NVME_CAP_TO(cap)     ((uint32_t)(((cap) >> 24) & 0xffU)) /* 500 ms each */
#define NVME_CAP_DSTRD(cap)  ((uint32_t)(((cap) >> 32) & 0xfU))
#define NVME_CAP_CSS_NVM     (1UL << 37)
#define NVME_CAP_MPSMIN(cap) ((uint32_t)(((cap) >> 48) & 0xfU)) /* 2^(12 + n) bytes */

#define NVME_CC_ENABLE  0x00000001U
#define NVME_CC_WANTED  (NVME_CC_ENABLE | 6U << 16 | 4U << 20) /* NVM set, 4 KiB pages, entries of 64 and 16 bytes */
#define NVME_CSTS_READY 0x00000001U
#define NVME_CSTS_FATAL 0x00000002U

#define NVME_ADMIN_CREATE_SQ 0x01U
#define NVME_ADMIN_CREATE_CQ 0x05U
#define NVME_ADMIN_IDENTIFY  0x06U
#define NVME_CNS_NAMESPACE   0U
#define NVME_CNS_CONTROLLER  1U
#define NVME_CNS_ACTIVE      2U
#define NVME_QUEUE_CONTIGUOUS 0x1U
#define NVME_QUEUE_INTERRUPT  0x2U

#define NVME_FLUSH 0x00U
#define NVME_WRITE 0x01U
#define NVME_READ  0x02U

struct nvme_command {
    uint32_t dw0; /* opcode, command identifier << 16 */
    uint32_t nsid;
    uint64_t reserved, metadata;
    uint64_t prp1, prp2;
    uint32_t dw10, dw11, dw12, dw13, dw14, dw15;
};

struct nvme_completion {
    uint32_t dw0, dw1;
    uint16_t head, queue;
    uint16_t id;
    uint16_t status; /* bit 0: phase */
};

_Static_assert(sizeof(struct nvme_command) == 64 && sizeof(struct nvme_completion) == 16, "NVMe layout");

/* Identify Controller, offsets. */
#define NVME_ID_MODEL     24U
#define NVME_ID_MODEL_LEN 40U
#define NVME_ID_MDTS      77U  /* 2^n pages; 0: no limit */
#define NVME_ID_NN        516U
#define NVME_ID_VWC       525U /* bit 0: a volatile write cache */

/* Identify Namespace, offsets. */
#define NVME_NS_SIZE      0U   /* blocks, 64 bits */
#define NVME_NS_FLBAS     26U  /* bits 0..3: which format */
#define NVME_NS_ATTRIBUTES 99U /* bit 0: write-protected */
#define NVME_NS_FORMATS   128U /* 4 bytes each: metadata bytes (16 bits), log2 of the block (8 bits) */
