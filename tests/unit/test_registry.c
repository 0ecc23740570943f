/* SPDX-License-Identifier: Apache-2.0
 * [HOST] The register of domains: entries, ended ones, and the checker on every kind of damage; text forms of `list`, `uptime`, JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dom0/cli/output.h"
#include "dom0/manager/registry.h"

#define CAPACITY 9U

static struct registry *r;
static char why[80];

static int setup(void **s)
{
    (void)s;
    r = registry_init(malloc(registry_bytes(CAPACITY)), CAPACITY);
    return 0;
}

static int teardown(void **s)
{
    (void)s;
    free(r);
    return 0;
}

static struct registry_entry *live(const char *name, uint16_t domid)
{
    struct registry_entry *e = registry_alloc(r);
    assert_non_null(e);
    assert_int_equal(e->state, ENTRY_BUILDING);
    strcpy(e->config.name, name);
    e->config.memsize_mib = e->config.maxmem_mib = 64;
    e->config.numvcpus = e->config.maxvcpus = 1;
    e->domid = domid;
    e->state = ENTRY_LIVE;
    return e;
}

static bool sound(void)
{
    return registry_check(r, registry_bytes(CAPACITY), why, sizeof why);
}

static void test_entries(void **s)
{
    (void)s;
    assert_true(sound());
    struct registry_entry *a = live("a", 1), *b = live("b", 2);
    assert_ptr_equal(registry_by_name(r, ENTRY_LIVE, "b"), b);
    assert_null(registry_by_name(r, ENTRY_LIVE, "B"));
    assert_null(registry_by_name(r, ENTRY_ENDED, "b"));
    assert_ptr_equal(registry_by_domid(r, 1), a);
    assert_null(registry_by_domid(r, 3));
    assert_null(registry_by_domid(r, 0));
    assert_int_equal(registry_index(r, b), 1);
    assert_true(sound());
    for (uint16_t i = 3; i <= CAPACITY; i++)
        registry_alloc(r)->state = ENTRY_LIVE;
    assert_null(registry_alloc(r));
}

static void test_only_the_last_ended_are_kept(void **s)
{
    (void)s;
    uint16_t forget[2];
    char name[8];
    for (uint16_t i = 1; i <= 4; i++) {
        sprintf(name, "n%u", i);
        assert_int_equal(registry_end(r, live(name, i), forget), 0);
    }
    assert_int_equal(registry_end(r, live("n5", 5), forget), 1);
    assert_int_equal(forget[0], 1);
    assert_null(registry_by_name(r, ENTRY_ENDED, "n1"));
    assert_int_equal(registry_end(r, live("n3", 6), forget), 1); /* the same name: the older one goes */
    assert_int_equal(forget[0], 3);
    assert_int_equal(registry_by_name(r, ENTRY_ENDED, "n3")->domid, 6);
    assert_int_equal(registry_end(r, live("n6", 7), forget), 1);
    assert_int_equal(forget[0], 2);
    assert_null(registry_by_domid(r, 7)); /* ended ones have no domain */
    assert_true(sound());
}

static void damaged(const char *words)
{
    assert_false(sound());
    if (strstr(why, words) == NULL)
        fail_msg("no \"%s\" in \"%s\"", words, why);
}

static void test_checker(void **s)
{
    (void)s;
    struct registry_entry *a = live("a", 1), *b = live("b", 2);
    assert_true(sound());
    strcpy(b->config.name, "a");
    damaged("name used twice");
    strcpy(b->config.name, "b");
    b->domid = 1;
    damaged("number used twice");
    b->domid = 0;
    damaged("no domain number");
    b->domid = 2;
    b->state = 77;
    damaged("unknown state");
    b->state = ENTRY_LIVE;
    b->order = 1;
    damaged("order");
    b->order = 0;
    memset(a->config.cmdline, 'x', sizeof a->config.cmdline);
    damaged("text without end");
    memset(a->config.cmdline, 0, sizeof a->config.cmdline);
    memset(a->why, 'x', sizeof a->why);
    damaged("text without end");
    memset(a->why, 0, sizeof a->why);
    a->config.memsize_mib = 0;
    damaged("memory");
    a->config.memsize_mib = 4;
    assert_true(sound());
    r->capacity++;
    damaged("sizes");
    r->capacity = 0xffffffff;
    damaged("sizes");
    r->capacity = CAPACITY;
    r->first_offset += 8;
    damaged("sizes");
    r->first_offset -= 8;
    r->entry_size--;
    damaged("sizes");
    r->entry_size++;
    r->version++;
    damaged("version");
    r->version--;
    r->magic++;
    damaged("no registry");
    r->magic--;
    assert_false(registry_check(r, registry_bytes(CAPACITY) - 1, why, sizeof why));
    assert_false(registry_check(r, 8, why, sizeof why));
    assert_true(sound());
}

static void test_list_row(void **s)
{
    (void)s;
    struct vm_view v = { .name = "Domain-0", .domid = 0, .mem_mib = 24, .vcpus = 1, .state = "r-----" };
    char out[200];
    v.info.cpu_ns = 12345678901UL;
    size_t n = format_list_row(out, sizeof out, &v);
    assert_int_equal(n, strlen(out));
    assert_string_equal(out, "Domain-0                                     0    24     1     r-----      12.3");
    memset(v.name, 'n', 63);
    v.domid = 65535;
    format_list_row(out, sizeof out, &v);
    assert_non_null(strstr(out, "nnn 65535    24     1     r-----      12.3"));
}

static void test_uptime(void **s)
{
    (void)s;
    char out[60];
    format_uptime(out, sizeof out, 0);
    assert_string_equal(out, "0:00:00");
    format_uptime(out, sizeof out, 3725);
    assert_string_equal(out, "1:02:05");
    format_uptime(out, sizeof out, 86400);
    assert_string_equal(out, "1 day, 0:00:00");
    format_uptime(out, sizeof out, 3 * 86400 + 4 * 3600 + 5 * 60 + 6);
    assert_string_equal(out, "3 days, 4:05:06");
}

static void test_json(void **s)
{
    (void)s;
    char out[40];
    size_t all = format_json_string(out, sizeof out, "a\"b\\c\n\xc3\xbc");
    assert_int_equal(all, strlen(out));
    assert_string_equal(out, "\"a\\\"b\\\\c\\u000a\xc3\xbc\"");
    for (size_t len = 0; len < sizeof out; len++) { /* never beyond its room, always closed */
        char *exact = malloc(len + 1);
        size_t n = format_json_string(exact, len, "\x01\x02\x03\x04\x05\x06\x07");
        assert_true(n < len || len == 0 || n == 0);
        if (n > 0)
            assert_int_equal(exact[n - 1], '"');
        free(exact);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_entries, setup, teardown),
        cmocka_unit_test_setup_teardown(test_only_the_last_ended_are_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(test_checker, setup, teardown),
        cmocka_unit_test(test_list_row), cmocka_unit_test(test_uptime), cmocka_unit_test(test_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
