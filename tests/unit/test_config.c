/* SPDX-License-Identifier: Apache-2.0
 * [HOST] boot/efi/config.c: what corbel.cfg may say, and what each wrong line is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "boot/efi/config.h"
#include "boot/efi/fmt.h"

static struct config config;
static struct config_error error;

/* A copy of exact size, so that reading past the end is caught. */
static bool parse(const char *text)
{
    size_t n = strlen(text);
    char *copy = malloc(n > 0 ? n : 1);

    assert_non_null(copy);
    memcpy(copy, text, n);
    memset(&error, 0, sizeof(error));
    bool good = config_parse(copy, n, &config, &error);
    free(copy);
    return good;
}

static void refused(const char *text, uint32_t line, const char *why_has, const char *fix_has)
{
    assert_false(parse(text));
    assert_int_equal(error.line, line);
    assert_non_null(strstr(error.why, why_has));
    assert_non_null(strstr(error.fix, fix_has));
}

static void test_defaults(void **state)
{
    (void)state;
    assert_true(parse(""));
    assert_int_equal(config.options.console_kind, BOOT_CONSOLE_AUTO);
    assert_int_equal(config.options.loglvl, 2);
    assert_int_equal(config.options.mitigations, 1);
    assert_int_equal(config.options.debug, 0);
    assert_int_equal(config.dom0_mem_mib, 24);
    assert_false(config.doctor);
    assert_string_equal(config.volume, "\\corbel\\vm");
}

static void test_all_keys(void **state)
{
    (void)state;
    assert_true(parse("\xef\xbb\xbf# caf\xc3\xa9\r\n[corbel]\r\n; comment\r\n mode=doctor\r\nCONSOLE = com2,9600\r\n"
                      "loglvl=debug\ndom0_mem = 64M\nautostart = a , b-1\nexec = create x; list\nvolume = /vms/\n"
                      "mitigations = off\ndebug = \"on\""));
    assert_true(config.doctor);
    assert_int_equal(config.options.console_kind, BOOT_CONSOLE_IO);
    assert_int_equal(config.options.console_addr, 0x2f8);
    assert_int_equal(config.options.console_baud, 9600);
    assert_int_equal(config.options.loglvl, 3);
    assert_int_equal(config.dom0_mem_mib, 64);
    assert_string_equal(config.options.autostart, "a,b-1");
    assert_string_equal(config.options.exec, "create x; list");
    assert_string_equal(config.volume, "\\vms");
    assert_int_equal(config.options.mitigations, 0);
    assert_int_equal(config.options.debug, 1);
}

static void test_console(void **state)
{
    (void)state;
    assert_true(parse("console = io:0x2e8"));
    assert_int_equal(config.options.console_addr, 0x2e8);
    assert_int_equal(config.options.console_baud, 0);
    assert_true(parse("console = mmio:0xfe030000,115200"));
    assert_int_equal(config.options.console_kind, BOOT_CONSOLE_MMIO);
    assert_int_equal(config.options.console_addr, 0xfe030000);
    assert_true(parse("console = none"));
    assert_int_equal(config.options.console_kind, BOOT_CONSOLE_NONE);
    refused("console = com3", 1, "bad value for console \"com3\"", "com1");
    refused("console = com1,", 1, "bad value", "BAUD");
    refused("console = com1,0", 1, "bad value", "BAUD");
    refused("console = com1,7", 1, "bad value", "BAUD");
    refused("console = none,9600", 1, "bad value", "BAUD");
    refused("console = io:0x10000", 1, "bad value", "PORT");
    refused("console = io:", 1, "bad value", "PORT");
    refused("console = mmio:0x100000000000000000", 1, "bad value", "ADDRESS");
}

static void test_wrong_lines(void **state)
{
    (void)state;
    refused("\n\nloglvel = info\n", 3, "unknown key \"loglvel\"", "\"loglvl\"");
    refused("consol = com1", 1, "unknown key", "\"console\"");
    refused("mode = boot\nmode = boot\n", 2, "set twice", "keep one");
    refused("dom0_mem = lots", 1, "for dom0_mem \"lots\"", "16 to 2048");
    refused("dom0_mem = 15", 1, "dom0_mem", "16");
    refused("dom0_mem = 2049M", 1, "dom0_mem", "2048");
    refused("dom0_mem = 18446744073709551640", 1, "dom0_mem", "2048");
    refused("dom0_mem =", 1, "no value for dom0_mem", "16");
    refused("just words", 1, "neither", "key = value");
    refused("= 3", 1, "unknown key", "nearest");
    refused("[xen]\n", 1, "section", "[corbel]");
    refused("mode = \x01", 1, "ASCII", "ASCII");
    refused("autostart = a,,b", 1, "autostart", "commas");
    refused("autostart = ../a", 1, "autostart", "commas");
    refused("volume = corbel", 1, "volume", "begins with");
    refused("volume = \\", 1, "volume", "begins with");
    refused("debug = maybe", 1, "debug", "on or off");
    refused("mode = boot # now", 1, "mode", "boot or doctor");
}

static void test_long_values(void **state)
{
    char text[400];

    (void)state;
    memset(text, 'x', sizeof(text));
    memcpy(text, "exec = ", 7);
    text[7 + 255] = '\0';
    assert_true(parse(text));
    assert_int_equal(strlen(config.options.exec), 255);
    text[7 + 255] = 'x';
    text[7 + 256] = '\0';
    refused(text, 1, "exec", "255");
    text[7 + 256] = 'x';
    memcpy(text, "autostart = ", 12);
    text[12 + 255] = '\0';
    assert_true(parse(text));
    assert_int_equal(strlen(config.options.autostart), 255);
    text[12 + 255] = 'x';
    text[12 + 256] = '\0';
    refused(text, 1, "autostart", "255");
}

static void test_too_large(void **state)
{
    char *text = calloc(1, CONFIG_MAX_BYTES + 1);

    (void)state;
    memset(text, '\n', CONFIG_MAX_BYTES + 1);
    assert_true(config_parse(text, CONFIG_MAX_BYTES, &config, &error));
    assert_false(config_parse(text, CONFIG_MAX_BYTES + 1, &config, &error));
    free(text);
}

static void test_fmt(void **state)
{
    char buf[16];

    (void)state;
    assert_int_equal(fmt_print(buf, sizeof(buf), "%s-%u-%x", "a\x1b", 10U, 0xbeefU), 10);
    assert_string_equal(buf, "a?-10-beef");
    assert_int_equal(fmt_print(buf, sizeof(buf), "%lx%%%lu", 0xfedcba9876543210UL, 0UL), 15);
    assert_string_equal(buf, "fedcba987654321");
    assert_int_equal(fmt_print(buf, 1, "%c", 'x'), 0);
    assert_string_equal(buf, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),    cmocka_unit_test(test_all_keys),    cmocka_unit_test(test_console),
        cmocka_unit_test(test_wrong_lines), cmocka_unit_test(test_long_values), cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_fmt),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
