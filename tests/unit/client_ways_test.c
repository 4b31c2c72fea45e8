// SPDX-License-Identifier: BSD-3-Clause
// The ways to servers in a network namespace of its own: which changes of a network are a reason to
// dial, and which hop of several a route is taken by. Skipped where there is no namespace.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <sys/ioctl.h>
#include <linux/if_tun.h>
#include <unistd.h>

#include "client/netroute.h"
#include "client/ways.h"
#include "tests/unit/netns_rig.h"

static struct tunnel out[2]; // 192.0.2.11 and 198.18.0.11

static const struct sockaddr_in server = {.sin_family = AF_INET};
static struct ways ways;

static void ip(const char *command)
{
	char line[200];

	snprintf(line, sizeof(line), "ip %s", command);
	if (system(line))
		fail_msg("%s", line);
}

static int setup(void **state)
{
	if (netns_enter(out, 2))
		ip("link set lo up");
	return 0;
}

static int teardown(void **state)
{
	netns_leave(out, 2);
	return 0;
}

static int begin(void **state)
{
	struct sockaddr_in to = server;

	if (!netns_is_ours)
		return 0;
	for (unsigned int i = 0; i < 2; i++)
		assert_int_equal(tunnel_up(&out[i], 1500, err, sizeof(err)), 0);
	ip("addr replace 192.0.2.11/24 dev out0");
	ip("addr replace 198.18.0.11/24 dev out1");
	ip("route replace default via 192.0.2.1");
	ways_clear(&ways);
	to.sin_addr.s_addr = inet_addr("203.0.113.7");
	to.sin_port = htons(443);
	ways_add(&ways, (struct sockaddr *)&to, sizeof(to));
	ways_add(&ways, (struct sockaddr *)&to, sizeof(to));
	assert_int_equal(ways.n, 1);
	return 0;
}

static bool changed(void)
{
	return ways_changed(&ways, &out[0].net, 0);
}

static void test_changes(void **state)
{
	netns_need();
	ways_note(&ways, &out[0].net, 0);
	assert_false(changed());
	// Nothing of this is on the way.
	ip("addr add 198.18.7.7/32 dev out1");
	ip("route add 203.0.113.0/25 dev out1 metric 9 table 77");
	ip("link set out1 mtu 1400");
	assert_false(changed());
	// Another gateway, interface, source.
	ip("route replace default via 192.0.2.2");
	assert_true(changed());
	assert_false(changed());
	ip("route replace default via 198.18.0.1");
	assert_true(changed());
	ip("route replace default via 198.18.0.1 src 198.18.7.7");
	assert_true(changed());
	assert_false(changed());
	// None is no reason, but that there is one again.
	ip("route del default");
	assert_false(changed());
	assert_false(changed());
	ip("route add default via 198.18.0.1 src 198.18.7.7");
	assert_true(changed());
	ip("addr del 198.18.7.7/32 dev out1");
	ip("route replace default via 192.0.2.1");
	ways_note(&ways, &out[0].net, 0);
	assert_false(changed());
}

// While everything goes through the tunnel, what is behind it counts; its own changes do not.
static void test_past_tunnel(void **state)
{
	const struct in6_addr none = {0};
	struct tunnel t;

	netns_need();
	netns_open(&t, "in%d", 1400);
	assert_int_equal(tunnel_address(&t, 0x0a707001, 0, 0, err, sizeof(err)), 0);
	assert_int_equal(tunnel_default_route(&t, &none, 1, err, sizeof(err)), 0);
	ways_note(&ways, &t.net, t.ifindex);
	ip("addr add 10.112.112.9/32 dev in0");
	tunnel_forget6(&t);
	assert_false(ways_changed(&ways, &t.net, t.ifindex));
	ip("route replace default via 192.0.2.2");
	assert_true(ways_changed(&ways, &t.net, t.ifindex));
	ip("addr add 192.0.2.12/24 dev out0");
	ip("route replace default via 192.0.2.2 src 192.0.2.12");
	ways_note(&ways, &t.net, t.ifindex);
	ip("route del default");
	assert_false(ways_changed(&ways, &t.net, t.ifindex));
	ip("route add default via 192.0.2.2");
	assert_true(ways_changed(&ways, &t.net, t.ifindex));
	tunnel_close(&t);
	ip("addr del 192.0.2.12/24 dev out0");
}

// Without any server's address: the world's way is what a name needs.
static void test_names(void **state)
{
	netns_need();
	ip("route del default");
	ways_clear(&ways);
	ways_add_names(&ways);
	assert_true(ways.n >= 2);
	ways_note(&ways, &out[0].net, 0);
	assert_false(changed());
	ip("route add default via 192.0.2.1");
	assert_true(changed());
	assert_false(changed());
}

static void test_room(void **state)
{
	struct sockaddr_in to = server;
	struct sockaddr other = {.sa_family = AF_UNIX};

	ways_clear(&ways);
	ways_add(&ways, &other, sizeof(other));
	assert_int_equal(ways.n, 0);
	for (uint32_t i = 0; i < 2 * WAYS_MAX; i++) {
		to.sin_addr.s_addr = htonl(i);
		ways_add(&ways, (struct sockaddr *)&to, sizeof(to));
	}
	assert_int_equal(ways.n, WAYS_MAX);
}

static int hop(struct netconf_route *r)
{
	const struct in6_addr dst = netconf_mapped(0xcb007107);

	if (netroute_past(&out[0].net, &dst, 0, r))
		return 0;
	return r->ifindex;
}

// Of several hops the first that lives; one without carrier where there is no other.
static void test_hops(void **state)
{
	struct netconf_route r;
	struct tunnel bare;
	int fd;

	netns_need();
	assert_int_equal(tunnel_open(&bare, "bare", err, sizeof(err)), 0);
	assert_int_equal(ioctl(bare.fd, TUNSETPERSIST, 1), 0);
	ip("addr add 198.19.0.11/24 dev bare");
	ip("link set bare up");
	fd = bare.fd;
	ip("route add 203.0.113.0/24 nexthop via 198.19.0.1 dev bare nexthop via 198.18.0.1 dev "
	   "out1 nexthop via 192.0.2.1 dev out0");
	assert_int_equal(hop(&r), bare.ifindex);
	close(fd); // no carrier any more, which shows soon
	for (unsigned int i = 0; i < 500 && hop(&r) == bare.ifindex; i++)
		usleep(10000);
	assert_int_equal(hop(&r), out[1].ifindex);
	assert_memory_equal(&r.gateway, &(struct in6_addr[]){netconf_mapped(0xc6120001)}, 16);
	ip("link set out1 down"); // dead
	assert_int_equal(hop(&r), out[0].ifindex);
	assert_memory_equal(&r.gateway, &(struct in6_addr[]){netconf_mapped(0xc0000201)}, 16);
	ip("link set out0 down");
	assert_int_equal(hop(&r), bare.ifindex);
	assert_memory_equal(&r.gateway, &(struct in6_addr[]){netconf_mapped(0xc6130001)}, 16);
	assert_int_equal(netconf_link_delete(&bare.net, bare.ifindex), 0);
	netconf_close(&bare.net);
	assert_int_equal(hop(&r), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_changes, begin),
		cmocka_unit_test_setup(test_past_tunnel, begin),
		cmocka_unit_test_setup(test_names, begin),
		cmocka_unit_test(test_room),
		cmocka_unit_test_setup(test_hops, begin),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
