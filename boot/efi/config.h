/* SPDX-License-Identifier: Apache-2.0
 * [FW][HOST] corbel.cfg: an ini file of `key = value` lines into a validated struct. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "boot/boot_info.h"

#define CONFIG_MAX_BYTES        (64U << 10)
#define CONFIG_DOM0_MIN_MIB     16U
#define CONFIG_DOM0_MAX_MIB     2048U
#define CONFIG_DOM0_DEFAULT_MIB 24U
#define CONFIG_PATH_MAX         128U

struct config {
    struct boot_options options; /* handed over as it is */
    uint32_t dom0_mem_mib;
    bool doctor;                  /* mode = doctor: report and return to the firmware */
    char volume[CONFIG_PATH_MAX]; /* folder of guests with '\'; "" for none */
};

struct config_error {
    uint32_t line; /* from 1 */
    char why[144];
    char fix[200];
};

/* What holds without a file. */
void config_defaults(struct config *config);

/* Reads `text` over the defaults. False at the first fault: *error says which line, why and what to do, and *config
 * must not be used. Every byte of the text is checked; it need not end with NUL. */
bool config_parse(const char *text, size_t length, struct config *config, struct config_error *error);
