/* SPDX-License-Identifier: Apache-2.0
 * [HOST] libFuzzer target: boot/efi/config.c. What is accepted must be within its bounds, and every refusal has words.
 * clang -std=gnu2x -g -O1 -fsanitize=fuzzer,address,undefined -I. tests/fuzz/fuzz_config.c boot/efi/config.c
 * boot/efi/fmt.c */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "boot/efi/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config config;
    struct config_error error = {0};

    if (!config_parse((const char *)data, size, &config, &error)) {
        require(error.line > 0 && error.why[0] != '\0' && error.fix[0] != '\0');
        return 0;
    }
    require(config.dom0_mem_mib >= CONFIG_DOM0_MIN_MIB && config.dom0_mem_mib <= CONFIG_DOM0_MAX_MIB);
    require(memchr(config.options.autostart, 0, sizeof(config.options.autostart)) != NULL);
    require(memchr(config.options.exec, 0, sizeof(config.options.exec)) != NULL);
    require(memchr(config.volume, 0, sizeof(config.volume)) != NULL);
    require(config.options.loglvl <= 3 && config.options.mitigations <= 1 && config.options.debug <= 1);
    require(config.options.console_baud == 0 || 115200 % config.options.console_baud == 0);
    return 0;
}
