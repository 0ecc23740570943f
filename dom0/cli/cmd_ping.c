/* SPDX-License-Identifier: Apache-2.0
 * [DOM0] The verb `ping`. */
#include "dom0/cli/cli_priv.h"
#include "dom0/cli/output.h"
#include "dom0/kernel/console.h"
#include "dom0/kernel/thread.h"
#include "dom0/kernel/time.h"
#include "dom0/lib/string.h"
#include "dom0/net/address.h"
#include "dom0/net/client.h"

#define SECOND_NS 1000000000UL
#define COUNT     4UL
#define COUNT_MAX 60000UL /* sequence numbers have 16 bits */

struct series {
    uint32_t to;
    uint64_t sent, answered, least_ns, most_ns, sum_ns;
    enum net_ping_result last;
};

static void print_one(struct series *s, uint64_t n, const struct net_ping *p)
{
    char from[IPV4_TEXT];
    ipv4_format(from, p->result == NET_PING_UNREACHABLE ? p->from : s->to);
    s->last = p->result;
    switch (p->result) {
    case NET_PING_ANSWER:
        console_printf("%u bytes from %s: seq=%lu ttl=%u time=%lu.%03lu ms\n", NET_PING_BYTES + 8, from, n, p->ttl, p->ns / 1000000, p->ns / 1000 % 1000);
        return;
    case NET_PING_SILENCE:
        console_printf("no answer from %s: seq=%lu\n", from, n);
        return;
    case NET_PING_NO_HOST:
        console_printf("nobody on the network answers for %s (or the gateway to it): seq=%lu\n", from, n);
        return;
    case NET_PING_UNREACHABLE:
        console_printf("unreachable, says %s: seq=%lu\n", from, n);
        return;
    case NET_PING_NOT_SENT:
        console_printf("not sent: %s: seq=%lu\n", p->why, n);
        return;
    }
}

static void count_answer(struct series *s, uint64_t ns)
{
    s->least_ns = s->answered == 0 || ns < s->least_ns ? ns : s->least_ns;
    s->most_ns = ns > s->most_ns ? ns : s->most_ns;
    s->sum_ns += ns;
    s->answered++;
}

/* One a second; Ctrl-C ends it. */
static void loop(struct series *s, uint64_t count)
{
    struct waitq nobody = {0};
    struct net_ping p;
    for (uint64_t n = 1; n <= count && !cli_interrupt_seen(); n++) {
        uint64_t next = time_now_ns() + SECOND_NS;
        net_ping(s->to, (uint16_t)n, next, cli_interrupt_seen, &p);
        bool answer = p.result == NET_PING_ANSWER;
        if (cli_interrupt_seen() && !answer)
            break;
        s->sent++;
        if (answer)
            count_answer(s, p.ns);
        print_one(s, n, &p);
        while (n < count && time_now_ns() < next && !cli_interrupt_seen())
            console_wait(&nobody, next);
    }
}

static void print_sum(const struct series *s)
{
    uint64_t lost = s->sent - s->answered, mean = s->answered != 0 ? s->sum_ns / s->answered : 0;
    console_printf("%lu sent, %lu answered, %lu%% lost", s->sent, s->answered, s->sent != 0 ? lost * 100 / s->sent : 0);
    if (s->answered != 0)
        console_printf("; least %lu.%03lu, mean %lu.%03lu, most %lu.%03lu ms", s->least_ns / 1000000, s->least_ns / 1000 % 1000, mean / 1000000,
                       mean / 1000 % 1000, s->most_ns / 1000000, s->most_ns / 1000 % 1000);
    out_text("\n");
}

static enum exit_code run(int argc, char **argv)
{
    struct series s = {0};
    struct error e;
    uint64_t count = COUNT;
    unsigned addresses = 0;
    if (!cli_number_option(&cmd_ping, &argc, argv, "-c", 1, COUNT_MAX, &count) || !cli_args(&cmd_ping, argc, argv, 1, 1))
        return EXIT_USAGE;
    cli_interrupt_begin();
    if (!net_client_ready("ping", &e) || !net_resolve("ping", argv[1], &s.to, 1, &addresses, cli_interrupt_seen, &e))
        return cli_error(&e);
    loop(&s, count);
    print_sum(&s);
    if (s.answered != 0 || s.sent == 0)
        return EXIT_OK;
    error_set(&e, EXIT_TIMEOUT, "ping %.60s: %s: check the address, and `network-config`", argv[1],
              s.last == NET_PING_NO_HOST    ? "no host with this address, and no way to it, on the network"
              : s.last == NET_PING_NOT_SENT ? "it could not be sent"
                                            : "no answer");
    return cli_error(&e);
}

const struct cli_verb cmd_ping = {
    "ping",
    "[-c COUNT] HOST",
    "Asks a host on the network whether it is there.",
    "HOST is an address or a name. One question a second, each waits a second for its answer; code 7 if none was answered.\n"
    "  -c COUNT  so many questions (4 without it); Ctrl-C ends it sooner\n",
    run,
    NULL};
