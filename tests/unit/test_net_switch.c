/* SPDX-License-Identifier: Apache-2.0
 * [HOST] dom0/net: what a bridge passes on and what it does not; learning, ageing, spoofing; rates; addresses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "dom0/net/mac.h"
#include "dom0/net/rate.h"
#include "dom0/net/switch.h"

#define SECOND 1000000000UL

size_t strlcpy(char *dst, const char *src, size_t size);

static struct net_switch sw;
static struct net_port ports[8];
static unsigned got[8];
static bool full[8];

static bool deliver(struct net_port *to, struct net_frame *f)
{
    assert_true(f->len >= NET_FRAME_MIN);
    if (full[to - ports]) {
        to->received.drops++;
        return false;
    }
    got[to - ports]++;
    return true;
}

/* Ports 0 to N-1 on one bridge; those below LOCKED are locked to 02:00:00:00:00:0N. */
static void plug(unsigned n, unsigned locked)
{
    memset(&sw, 0, sizeof sw);
    memset(ports, 0, sizeof ports);
    memset(got, 0, sizeof got);
    memset(full, 0, sizeof full);
    for (unsigned i = 0; i < n; i++) {
        uint8_t mac[MAC_LEN] = {2, 0, 0, 0, 0, (uint8_t)i};
        memcpy(ports[i].mac, mac, MAC_LEN);
        ports[i].locked = i < locked;
        ports[i].up = true;
        ports[i].deliver = deliver;
        assert_true(net_bridge_join(&sw, "bridge0", &ports[i]));
    }
}

static uint8_t bytes[NET_FRAME_MAX + 1];

static uint32_t send_len(unsigned from, const char *to, const char *source, uint32_t len, uint64_t now)
{
    struct net_frame f = {.data = bytes, .len = len};
    memset(got, 0, sizeof got);
    assert_true(mac_parse(to, bytes));
    assert_true(mac_parse(source, bytes + MAC_LEN));
    return net_switch_frame(&ports[from], &f, now);
}

static uint32_t send(unsigned from, const char *to, const char *source, uint64_t now) { return send_len(from, to, source, 60, now); }

#define M0  "02:00:00:00:00:00"
#define M1  "02:00:00:00:00:01"
#define M2  "02:00:00:00:00:02"
#define ALL "ff:ff:ff:ff:ff:ff"
#define OUT "00:11:22:33:44:55"

static void test_between_guests(void **state)
{
    (void)state;
    plug(3, 3);
    assert_int_equal(send(0, M1, M0, 1), 1);
    assert_true(got[1] == 1 && got[2] == 0);
    assert_int_equal(send(0, ALL, M0, 1), 2);
    assert_true(got[0] == 0 && got[1] == 1 && got[2] == 1);
    assert_int_equal(send(0, M0, M0, 1), 0);                  /* to itself */
    assert_int_equal(send(0, OUT, M0, 1), 0);                 /* nobody of the locked ones listens to others' frames */
    assert_int_equal(send(0, "01:80:c2:00:00:0e", M0, 1), 0); /* between neighbours */
    assert_int_equal(send(0, "01:80:c2:00:00:10", M0, 1), 2);
    assert_int_equal(ports[0].sent.packets, 6);
    assert_int_equal(ports[0].sent.bytes, 360);
    assert_int_equal(ports[1].received.packets, 3);
    assert_int_equal(ports[0].sent.drops, 0);
}

static void test_spoofing(void **state)
{
    (void)state;
    plug(3, 2);
    assert_int_equal(send(0, M1, M2, 1), 0);
    assert_int_equal(send(0, ALL, OUT, 1), 0);
    assert_int_equal(send(0, M1, "03:00:00:00:00:00", 1), 0);
    assert_int_equal(ports[0].spoofed, 3);
    assert_int_equal(ports[0].sent.drops, 3);
    assert_int_equal(ports[0].sent.packets, 0);
    /* A port that is learned from can have any address but a locked one's, and none that is a group's. */
    assert_int_equal(send(2, ALL, M1, 1), 0);
    assert_int_equal(send(2, ALL, ALL, 1), 0);
    assert_int_equal(ports[2].spoofed, 2);
    assert_int_equal(send(2, ALL, OUT, 1), 2);
    assert_int_equal(send(0, M1, M0, 1), 1);
    assert_true(got[1] == 1 && got[2] == 0);
}

static void test_learning(void **state)
{
    (void)state;
    plug(4, 1); /* 1, 2 and 3 are learned from */
    assert_int_equal(send(0, OUT, M0, 1), 3); /* unknown: wherever it may be */
    assert_int_equal(send(2, M0, OUT, 2), 1);
    assert_int_equal(send(0, OUT, M0, 3), 1);
    assert_int_equal(got[2], 1);
    assert_int_equal(send(2, OUT, "00:11:22:33:44:66", 3), 0); /* where it came from */
    assert_int_equal(send(3, M0, OUT, 4), 1);                  /* it moved */
    assert_int_equal(send(0, OUT, M0, 5), 1);
    assert_int_equal(got[3], 1);
}

static void test_ageing(void **state)
{
    (void)state;
    plug(4, 1);
    (void)send(2, M0, OUT, 10 * SECOND);
    assert_int_equal(send(0, OUT, M0, 10 * SECOND + NET_LEARN_NS - 1), 1);
    assert_int_equal(send(0, OUT, M0, 10 * SECOND + NET_LEARN_NS), 3);
    (void)send(2, M0, OUT, 400 * SECOND); /* heard of again */
    assert_int_equal(send(0, OUT, M0, 600 * SECOND), 1);
}

static void test_learning_is_bounded(void **state)
{
    (void)state;
    plug(3, 1);
    char mac[MAC_TEXT];
    for (unsigned i = 0; i < 5000; i++) {
        uint8_t m[MAC_LEN] = {0x00, 0x11, 0x22, (uint8_t)(i >> 8), (uint8_t)i, 1};
        mac_format(mac, m);
        (void)send(1, M0, mac, 100 + i);
    }
    assert_int_equal(send(0, mac, M0, 6000), 1); /* the newest is always known */
    assert_int_equal(got[1], 1);
    assert_int_equal(send(0, "00:11:22:00:00:01", M0, 6000), 2); /* the oldest made room */
}

static void test_a_port_that_goes(void **state)
{
    (void)state;
    plug(3, 1);
    (void)send(2, M0, OUT, 1);
    net_bridge_leave(&ports[2]);
    assert_int_equal(send(0, OUT, M0, 2), 1); /* unknown again: to port 1 */
    assert_int_equal(got[2], 0);
    ports[1].up = false;
    assert_int_equal(send(0, ALL, M0, 2), 0);
    assert_int_equal(ports[1].received.drops, 0); /* it takes none yet */
    ports[1].up = true;
    full[1] = true;
    assert_int_equal(send(0, ALL, M0, 2), 0);
    assert_int_equal(ports[1].received.drops, 1);
    assert_int_equal(ports[1].received.packets, 1);
    net_bridge_leave(&ports[0]);
    net_bridge_leave(&ports[1]);
    net_bridge_leave(&ports[1]); /* twice is nothing */
    assert_int_equal(sw.bridges[0].name[0], '\0');
    assert_int_equal(send(0, ALL, M0, 2), 0);
}

static void test_bridges_are_apart(void **state)
{
    (void)state;
    plug(2, 2);
    net_bridge_leave(&ports[1]);
    assert_true(net_bridge_join(&sw, "other", &ports[1]));
    assert_int_equal(send(0, ALL, M0, 1), 0);
    assert_int_equal(send(0, M1, M0, 1), 0);
    static struct net_port more[NET_BRIDGES];
    for (unsigned i = 0; i < NET_BRIDGES; i++) {
        char name[NET_NAME_MAX] = "n0";
        name[1] = (char)('a' + i);
        assert_int_equal(net_bridge_join(&sw, name, &more[i]), i < NET_BRIDGES - 2);
    }
    net_bridge_leave(&more[0]);
    assert_true(net_bridge_join(&sw, "again", &more[NET_BRIDGES - 1]));
}

static void test_sizes(void **state)
{
    (void)state;
    plug(2, 2);
    assert_int_equal(send_len(0, M1, M0, 13, 1), 0);
    assert_int_equal(send_len(0, M1, M0, NET_FRAME_MAX + 1, 1), 0);
    assert_int_equal(ports[0].sent.errors, 2);
    assert_int_equal(send_len(0, M1, M0, 14, 1), 1);
    assert_int_equal(send_len(0, M1, M0, NET_FRAME_MAX, 1), 1);
}

static void test_names(void **state)
{
    (void)state;
    assert_true(net_bridge_name_ok("bridge0") && net_bridge_name_ok("a.b_c-1") && net_bridge_name_ok("123456789012345"));
    assert_false(net_bridge_name_ok("") || net_bridge_name_ok("1234567890123456") || net_bridge_name_ok("a/b") || net_bridge_name_ok("-a") ||
                 net_bridge_name_ok("a b"));
}

static void test_rate(void **state)
{
    (void)state;
    struct net_rate r;
    uint64_t now = 5 * SECOND, sent = 0;
    net_rate_set(&r, 100000, now);
    for (uint64_t end = now + 10 * SECOND; now < end;) { /* as fast as it may */
        uint64_t wait = net_rate_wait_ns(&r, now);
        if (wait != 0) {
            assert_true(wait < SECOND);
            now += wait;
            continue;
        }
        net_rate_charge(&r, 1514);
        sent += 1514;
    }
    assert_in_range(sent, 990000, 1012000);
    now += 1000 * SECOND; /* idle: what is saved up is little */
    for (sent = 0; net_rate_wait_ns(&r, now) == 0; sent += 1514)
        net_rate_charge(&r, 1514);
    assert_in_range(sent, 5000, 8000);
    for (unsigned i = 0; i < 100000; i++) /* looking often loses nothing */
        (void)net_rate_wait_ns(&r, now += 1000);
    for (sent = 0; net_rate_wait_ns(&r, now) == 0; sent += 1514)
        net_rate_charge(&r, 1514);
    assert_in_range(sent, 3000, 8000);
    net_rate_set(&r, 0, now);
    net_rate_charge(&r, 1000000);
    assert_int_equal(net_rate_wait_ns(&r, now), 0);
    net_rate_set(&r, 1, 0); /* extremes neither overflow nor stop for good */
    net_rate_charge(&r, 9018);
    assert_true(net_rate_wait_ns(&r, 1) <= 9019 * SECOND);
    assert_int_equal(net_rate_wait_ns(&r, ~0UL), 0);
}

static void test_addresses(void **state)
{
    (void)state;
    uint8_t m[MAC_LEN], again[MAC_LEN];
    char text[MAC_TEXT];
    const char *why = NULL;
    static const char *const bad[] = {"", "00:16:3e:12:34", "00:16:3e:12:34:56:78", "00:16:3e:12:34:5", "0:16:3e:12:34:56", "00:16:3e:12:34:5g",
                                      "00163e123456", "00:16:3e:12:34:56 ", "00 16 3e 12 34 56"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(mac_parse(bad[i], m));
    assert_true(mac_parse("00-16-3E-aB-Cd-5f", m));
    mac_format(text, m);
    assert_string_equal(text, "00:16:3e:ab:cd:5f");
    static const struct {
        const char *mac;
        bool checked, unchecked;
    } usable[] = {{"00:16:3e:00:00:01", true, true}, {"00:0c:29:00:00:01", true, true}, {"00:50:56:3f:ff:ff", true, true}, {"00:50:56:c0:00:01", false, true},
                  {"02:00:00:00:00:01", true, true}, {"3c:97:0e:11:22:33", false, true}, {"01:00:5e:00:00:01", false, false}, {ALL, false, false},
                  {"00:00:00:00:00:00", false, false}};
    for (size_t i = 0; i < sizeof usable / sizeof usable[0]; i++) {
        assert_true(mac_parse(usable[i].mac, m));
        assert_int_equal(mac_usable(m, true, &why), usable[i].checked);
        assert_true(usable[i].checked || strchr(why, ':') != NULL);
        assert_int_equal(mac_usable(m, false, &why), usable[i].unchecked);
    }
    uint8_t uuid[16] = {[13] = 0xab, [14] = 0xcd, [15] = 0xfa};
    mac_generate(m, MAC_VMWARE, uuid, "x", 0, 0);
    mac_format(text, m);
    assert_string_equal(text, "00:0c:29:ab:cd:fa");
    mac_generate(m, MAC_VMWARE, uuid, "x", 1, 0);
    mac_format(text, m);
    assert_string_equal(text, "00:0c:29:ab:ce:04");
    mac_generate(m, MAC_XEN, NULL, "debian", 0, 0);
    mac_generate(again, MAC_XEN, NULL, "debian", 0, 0);
    assert_memory_equal(m, again, MAC_LEN);
    assert_true(m[0] == 0 && m[1] == 0x16 && m[2] == 0x3e);
    mac_generate(again, MAC_XEN, NULL, "debian", 0, 1);
    assert_false(mac_equal(m, again));
    mac_generate(again, MAC_XEN, NULL, "debian2", 0, 0);
    assert_false(mac_equal(m, again));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_between_guests), cmocka_unit_test(test_spoofing),          cmocka_unit_test(test_learning),
        cmocka_unit_test(test_ageing),         cmocka_unit_test(test_learning_is_bounded), cmocka_unit_test(test_a_port_that_goes),
        cmocka_unit_test(test_bridges_are_apart), cmocka_unit_test(test_sizes),          cmocka_unit_test(test_names),
        cmocka_unit_test(test_rate),           cmocka_unit_test(test_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
