/* SPDX-License-Identifier: Apache-2.0
 * [HOST] libFuzzer target: boot/efi/elf.c. A plan that is accepted must load inside its span, from inside the file.
 * clang -std=gnu2x -g -O1 -fsanitize=fuzzer,address,undefined -I. tests/fuzz/fuzz_elf.c boot/efi/elf.c */
#include <stdint.h>
#include <stdlib.h>

#include "boot/efi/elf.h"

#define LIMIT (1UL << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void load(const struct elf_plan *plan, const uint8_t *data)
{
    if (plan->span_bytes > LIMIT || plan->entry_offset >= plan->span_bytes || plan->span_bytes % 4096 != 0) {
        abort();
    }
    void *memory = malloc(plan->span_bytes);
    if (memory != NULL) {
        elf_load(plan, data, memory);
    }
    free(memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct elf_plan plan;

    if (elf_plan_root(data, size, LIMIT, &plan) == NULL) {
        load(&plan, data);
    }
    if (elf_plan_dom0(data, size, LIMIT, &plan) == NULL) {
        load(&plan, data);
    }
    return 0;
}
