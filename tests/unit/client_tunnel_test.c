// SPDX-License-Identifier: BSD-3-Clause
// The tunnel's interface in a network namespace of its own: addresses that change, routes, and that
// nothing of it is left. Skipped where there is none to be had.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <glob.h>
#include <ifaddrs.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/netns_rig.h"

static uintmax_t first_namespace;

// A TUN interface with nobody behind stands for the outer network: 192.0.2.11, 2001:db8::11.
static struct tunnel outer;

#define SERVER 0xc6336407u  // 198.51.100.7
#define GATEWAY 0xc0000201u // 192.0.2.1

// A way in the outer network.
static struct netconf_route route(uint32_t dst, uint8_t len, uint32_t gateway, uint32_t metric)
{
	return (struct netconf_route){.dst = netconf_mapped(dst),
		.dst_len = (uint8_t)(96 + len),
		.has_gateway = true,
		.gateway = netconf_mapped(gateway),
		.ifindex = outer.ifindex,
		.metric = metric};
}

static int setup(void **state)
{
	struct netconf_route r;
	struct stat st;

	first_namespace = stat("/proc/self/ns/net", &st) ? 0 : st.st_ino;
	if (!netns_enter(&outer, 1))
		return 0;
	assert_int_equal(tunnel_up(&outer, 1500, err, sizeof(err)), 0);
	assert_int_equal(tunnel_address(&outer, 0xc000020bu, GATEWAY, 0, err, sizeof(err)), 0);
	r = route(0, 0, GATEWAY, 0);
	assert_int_equal(netconf_route_add(&outer.net, &r), 0);
	return 0;
}

static int teardown(void **state)
{
	netns_leave(&outer, 1);
	return 0;
}

static bool has_address(const struct tunnel *t, uint32_t a)
{
	struct ifaddrs *all, *i;
	bool found = false;

	assert_int_equal(getifaddrs(&all), 0);
	for (i = all; i; i = i->ifa_next)
		found = found ||
			(!strcmp(i->ifa_name, t->name) && i->ifa_addr &&
				i->ifa_addr->sa_family == AF_INET &&
				((struct sockaddr_in *)i->ifa_addr)->sin_addr.s_addr == htonl(a));
	freeifaddrs(all);
	return found;
}

// The interface that packets to a go out of.
static int way(uint32_t a, struct netconf_route *r)
{
	struct in6_addr dst = netconf_mapped(a);

	return netconf_route_get(&outer.net, &dst, r) ? 0 : r->ifindex;
}

static struct tunnel up(uint32_t distance)
{
	const struct in6_addr server = netconf_mapped(SERVER);
	struct tunnel t;

	netns_open(&t, "in%d", 1400);
	assert_string_equal(t.name, "in0");
	assert_int_equal(tunnel_address(&t, 0x0a000002, 0x0a000001, SERVER, err, sizeof(err)), 0);
	assert_int_equal(tunnel_default_route(&t, &server, distance, err, sizeof(err)), 0);
	return t;
}

// In front of any default route, and away with the interface.
static void test_default_route(void **state)
{
	struct netconf_route r;
	struct tunnel t;

	netns_need();
	t = up(1);
	assert_int_equal(way(0x08080808, &r), t.ifindex);
	assert_int_equal(way(0xc8080808, &r), t.ifindex);
	assert_int_equal(way(SERVER, &r), outer.ifindex);
	assert_true(r.has_gateway);
	assert_memory_equal(&r.gateway, &(struct in6_addr[]){netconf_mapped(GATEWAY)}, 16);
	assert_true(t.has_host_route);
	tunnel_close(&t);
	assert_int_equal(way(0x08080808, &r), outer.ifindex);
	r = route(SERVER, 32, GATEWAY, 0);
	assert_int_equal(netconf_route_delete(&outer.net, &r), -ESRCH); // it was taken back
}

static bool has_server_route(void)
{
	struct netconf_route r = route(SERVER, 32, GATEWAY, 0);
	int rc = netconf_route_add(&outer.net, &r);

	if (!rc)
		netconf_route_delete(&outer.net, &r);
	return rc == -EEXIST;
}

static void write_note(const char *path, const char *rest)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fprintf(f, "::ffff:198.51.100.7 ::ffff:192.0.2.1%s", rest);
	fclose(f);
}

// What a crash leaves is taken back by the next one; a note that is cut short is nothing.
static void test_crash(void **state)
{
	const struct in6_addr server = netconf_mapped(SERVER);
	char path[] = "/tmp/client_tunnel_test.XXXXXX";
	struct tunnel t;
	char *file;

	netns_need();
	close(mkstemp(path));
	assert_int_equal(tunnel_open(&t, "in%d", err, sizeof(err)), 0);
	file = tunnel_note_file(path);
	assert_string_equal(file, path);
	tunnel_note_routes(&t, file);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(tunnel_up(&t, 1400, err, sizeof(err)), 0);
	assert_int_equal(tunnel_address(&t, 0x0a000002, 0x0a000001, SERVER, err, sizeof(err)), 0);
	assert_int_equal(tunnel_default_route(&t, &server, 1, err, sizeof(err)), 0);
	assert_int_equal(access(path, F_OK), 0);
	t.has_host_route = false; // a crash takes the interface only
	tunnel_close(&t);
	assert_true(has_server_route());
	free(file);
	file = tunnel_note_file(path);
	assert_string_equal(file, path);
	assert_false(has_server_route());
	assert_int_equal(access(path, F_OK), -1);
	free(file);

	write_note(path, " 2"); // no end
	assert_true(tunnel_take_back(path));
	assert_int_equal(access(path, F_OK), -1);
}

static int nb_notes(const char *path)
{
	char pattern[64];
	glob_t g;
	int n;

	snprintf(pattern, sizeof(pattern), "%s*", path);
	n = glob(pattern, 0, NULL, &g) ? 0 : (int)g.gl_pathc;
	if (n)
		globfree(&g);
	return n;
}

// Another network namespace's note stays, whatever this one notes; not that of one that is gone.
static void test_note_of_another(void **state)
{
	const struct in6_addr server = netconf_mapped(SERVER);
	char path[] = "/tmp/client_tunnel_test.XXXXXX", rest[40];
	struct tunnel t;
	struct stat st;
	char *file;

	netns_need();
	close(mkstemp(path));
	snprintf(rest, sizeof(rest), " 2 %ju\n", first_namespace);
	write_note(path, rest);
	assert_false(tunnel_take_back(path));
	file = tunnel_note_file(path);
	assert_int_equal(strncmp(file, path, strlen(path)), 0);
	assert_string_not_equal(file, path);
	t = up(1);
	tunnel_close(&t);
	for (unsigned int i = 0; i < 2; i++) {
		assert_int_equal(tunnel_open(&t, "in%d", err, sizeof(err)), 0);
		tunnel_note_routes(&t, file);
		assert_int_equal(tunnel_up(&t, 1400, err, sizeof(err)), 0);
		assert_int_equal(
			tunnel_address(&t, 0x0a000002, 0x0a000001, SERVER, err, sizeof(err)), 0);
		assert_int_equal(tunnel_default_route(&t, &server, 1, err, sizeof(err)), 0);
		assert_int_equal(nb_notes(path), 2);
		t.has_host_route = i; // the first time a crash
		tunnel_close(&t);
		assert_int_equal(has_server_route(), !i);
		assert_int_equal(nb_notes(path), 2 - (int)i);
		assert_false(tunnel_take_back(path)); // but this one's own
		assert_false(has_server_route());
		assert_int_equal(nb_notes(path), 1);
	}
	free(file);
	write_note(path, " 2 1\n");
	// Only who sees all processes can tell that it is gone.
	assert_int_equal(tunnel_take_back(path),
		!stat("/proc/self/ns/pid", &st) && st.st_ino == 0xeffffffcu);
	unlink(path);
}

// What somebody takes away, or goes with the link, is put back; nothing is done where nothing is
// missing.
static void test_mend(void **state)
{
	const struct in6_addr server = netconf_mapped(SERVER);
	struct netconf_route r;
	struct tunnel t;

	netns_need();
	for (uint32_t distance = 1; distance <= 2; distance++) {
		t = up(distance);
		r = route(0, 0, GATEWAY, 0);
		if (distance > 1)
			assert_int_equal(netconf_route_delete(&outer.net, &r), 0);
		assert_false(tunnel_mend(&t));
		assert_int_equal(netconf_link_down(&t.net, t.ifindex), 0);
		tunnel_mend(&t); // not while it is down
		assert_int_not_equal(way(0x08080808, &r), t.ifindex);
		assert_int_equal(tunnel_up(&t, 1400, err, sizeof(err)), 0);
		assert_int_not_equal(way(0x08080808, &r), t.ifindex);
		assert_true(tunnel_mend(&t));
		assert_int_equal(way(0x08080808, &r), t.ifindex);
		assert_int_equal(way(0xc8080808, &r), t.ifindex);
		assert_false(tunnel_mend(&t));
		// With the address all routes.
		assert_int_equal(
			netconf_address_delete(&t.net, t.ifindex, 0x0a000002, 0x0a000001), 0);
		assert_true(tunnel_mend(&t));
		assert_true(has_address(&t, 0x0a000002));
		assert_int_equal(way(0xc8080808, &r), t.ifindex);
		assert_false(tunnel_mend(&t));
		// One of them, by a call that comes up.
		r = (struct netconf_route){.dst = netconf_mapped(distance == 1 ? 0x80000000u : 0),
			.dst_len = distance == 1 ? 97 : 96,
			.ifindex = t.ifindex,
			.metric = distance == 1 ? 0 : distance};
		assert_int_equal(netconf_route_delete(&t.net, &r), 0);
		assert_int_equal(tunnel_default_route(&t, &server, distance, err, sizeof(err)), 0);
		assert_int_equal(way(0xc8080808, &r), t.ifindex);
		tunnel_close(&t);
		r = route(0, 0, GATEWAY, 0);
		if (distance > 1)
			assert_int_equal(netconf_route_add(&outer.net, &r), 0);
	}
}

// The name is free at once, though somebody has a copy of the descriptor: a program being started.
static void test_name_is_free(void **state)
{
	struct tunnel t;
	int copy;

	netns_need();
	assert_int_equal(tunnel_open(&t, "in7", err, sizeof(err)), 0);
	copy = dup(t.fd);
	assert_true(copy >= 0);
	tunnel_close(&t);
	assert_int_equal(tunnel_open(&t, "in7", err, sizeof(err)), 0);
	close(copy);
	assert_string_equal(t.name, "in7");
	assert_int_equal(if_nametoindex("in7"), t.ifindex);
	tunnel_close(&t);
	assert_int_equal(if_nametoindex("in7"), 0);
}

// One that somebody made stays his, as it was: down, and without an address.
static void test_persistent_stays(void **state)
{
	struct netconf_route r;
	struct tunnel made, t;

	netns_need();
	assert_int_equal(tunnel_open(&made, "in8", err, sizeof(err)), 0);
	assert_int_equal(ioctl(made.fd, TUNSETPERSIST, 1), 0);
	close(made.fd);
	for (unsigned int i = 0; i < 2; i++) {
		assert_int_equal(tunnel_open(&t, "in8", err, sizeof(err)), 0);
		assert_int_equal(t.ifindex, made.ifindex);
		assert_int_equal(tunnel_up(&t, 1400, err, sizeof(err)), 0);
		assert_int_equal(
			tunnel_address(&t, 0x0a000002 + i, 0x0a000001, SERVER, err, sizeof(err)),
			0);
		assert_int_equal(way(0x0a000001, &r), t.ifindex);
		tunnel_close(&t);
		assert_int_equal(if_nametoindex("in8"), made.ifindex);
		assert_int_equal(way(0x0a000001, &r), outer.ifindex);
		assert_int_equal(
			netconf_address_delete(&made.net, made.ifindex, 0x0a000002 + i, 0x0a000001),
			-EADDRNOTAVAIL);
	}
	assert_int_equal(netconf_link_delete(&made.net, made.ifindex), 0);
	netconf_close(&made.net);
}

// Behind one with a lower metric.
static void test_distance(void **state)
{
	struct netconf_route r;
	struct tunnel t;

	netns_need();
	t = up(100);
	assert_int_equal(way(0x08080808, &r), outer.ifindex);
	r = route(0, 0, GATEWAY, 0);
	assert_int_equal(netconf_route_delete(&outer.net, &r), 0);
	assert_int_equal(way(0x08080808, &r), t.ifindex);
	assert_int_equal(way(SERVER, &r), outer.ifindex);
	tunnel_close(&t);
	r = route(0, 0, GATEWAY, 0);
	assert_int_equal(netconf_route_add(&outer.net, &r), 0);
}

// Another address: routes stay.
static void test_readdress(void **state)
{
	struct netconf_route r;
	struct tunnel t;

	netns_need();
	t = up(1);
	assert_true(has_address(&t, 0x0a000002));
	assert_int_equal(
		tunnel_address_change(&t, (struct tunnel_pair){0x0a000002, 0x0a000001},
			(struct tunnel_pair){0x0a000063, 0x0a000001}, SERVER, err, sizeof(err)),
		0);
	assert_true(has_address(&t, 0x0a000063));
	assert_false(has_address(&t, 0x0a000002));
	assert_int_equal(way(0x08080808, &r), t.ifindex);
	assert_int_equal(way(0x0a000001, &r), t.ifindex);
	// Another peer as well.
	assert_int_equal(
		tunnel_address_change(&t, (struct tunnel_pair){0x0a000063, 0x0a000001},
			(struct tunnel_pair){0x0a000064, 0x0a0000fe}, SERVER, err, sizeof(err)),
		0);
	assert_true(has_address(&t, 0x0a000064));
	assert_false(has_address(&t, 0x0a000063));
	assert_int_equal(way(0x08080808, &r), t.ifindex);
	// Another peer only, and none.
	assert_int_equal(
		tunnel_address_change(&t, (struct tunnel_pair){0x0a000064, 0x0a0000fe},
			(struct tunnel_pair){0x0a000064, 0x0a0000fd}, SERVER, err, sizeof(err)),
		0);
	assert_true(has_address(&t, 0x0a000064));
	assert_int_equal(way(0x0a0000fd, &r), t.ifindex);
	assert_int_equal(netconf_address_delete(&t.net, t.ifindex, 0x0a000064, 0x0a0000fe),
		-EADDRNOTAVAIL); // gone
	assert_int_equal(tunnel_address_change(&t, (struct tunnel_pair){0x0a000064, 0x0a0000fd},
				 (struct tunnel_pair){0x0a000065, 0}, SERVER, err, sizeof(err)),
		0);
	assert_true(has_address(&t, 0x0a000065));
	assert_false(has_address(&t, 0x0a000064));
	assert_int_equal(way(0x08080808, &r), t.ifindex);
	// Somebody took the old one away before: that is what was wanted.
	assert_int_equal(netconf_address_delete(&t.net, t.ifindex, 0x0a000065, 0), 0);
	assert_int_equal(tunnel_address_change(&t, (struct tunnel_pair){0x0a000065, 0},
				 (struct tunnel_pair){0x0a000066, 0}, SERVER, err, sizeof(err)),
		0);
	assert_true(has_address(&t, 0x0a000066));
	tunnel_close(&t);
}

static bool goes_by(uint32_t dst, uint32_t gateway)
{
	const struct in6_addr g = netconf_mapped(gateway);
	struct netconf_route r;

	return way(dst, &r) == outer.ifindex && r.has_gateway && !memcmp(&r.gateway, &g, sizeof(g));
}

// Servers that are dialed when all goes through the tunnel already: by the way that is behind it.
static void test_server_route(void **state)
{
	const struct in6_addr none = {0}, server = netconf_mapped(SERVER),
			      other = netconf_mapped(0xcb007107); // 203.0.113.7
	const struct netconf_route longer = route(0xcb007100, 24, 0xc0000202, 9),
				   worse = route(0xcb007100, 24, 0xc0000203, 10),
				   hop2 = {.dst = netconf_mapped(0xc0000202),
					   .dst_len = 128,
					   .ifindex = outer.ifindex},
				   hop3 = {.dst = netconf_mapped(0xc0000203),
					   .dst_len = 128,
					   .ifindex = outer.ifindex},
				   plain = route(0, 0, GATEWAY, 0);
	struct netconf_route r;
	struct tunnel t;

	netns_need();
	netns_open(&t, "in%d", 1400);
	assert_int_equal(tunnel_address(&t, 0x0a707001, 0, 0, err, sizeof(err)), 0);
	assert_int_equal(tunnel_default_route(&t, &none, 1, err, sizeof(err)), 0);
	assert_false(t.has_host_route);
	assert_int_equal(way(SERVER, &r), t.ifindex);
	assert_int_equal(tunnel_server_route(&t, &server, err, sizeof(err)), 0);
	assert_true(goes_by(SERVER, GATEWAY));
	assert_int_equal(tunnel_server_route(&t, &server, err, sizeof(err)), 0); // again
	assert_true(goes_by(SERVER, GATEWAY));

	// The longest prefix, of these the lowest metric; the route before is gone.
	assert_int_equal(netconf_route_add(&outer.net, &hop2), 0);
	assert_int_equal(netconf_route_add(&outer.net, &hop3), 0);
	assert_int_equal(netconf_route_add(&outer.net, &worse), 0);
	assert_int_equal(netconf_route_add(&outer.net, &longer), 0);
	r = (struct netconf_route){
		.dst = netconf_mapped(0xcb007107), .dst_len = 127, .ifindex = t.ifindex};
	r.dst.s6_addr[15] &= 0xfe;
	assert_int_equal(netconf_route_add(&t.net, &r), 0); // in front of both
	assert_int_equal(way(0xcb007107, &r), t.ifindex);
	assert_int_equal(tunnel_server_route(&t, &other, err, sizeof(err)), 0);
	assert_true(goes_by(0xcb007107, 0xc0000202));
	assert_int_equal(way(SERVER, &r), t.ifindex);

	// No way at all.
	assert_int_equal(netconf_route_delete(&outer.net, &plain), 0);
	assert_int_equal(tunnel_server_route(&t, &server, err, sizeof(err)), -ENETUNREACH);
	assert_false(t.has_host_route);
	assert_int_equal(netconf_route_add(&outer.net, &plain), 0);
	assert_int_equal(tunnel_server_route(&t, &server, err, sizeof(err)), 0);
	tunnel_close(&t);
	assert_false(has_server_route());
	netconf_route_delete(&outer.net, &longer);
	netconf_route_delete(&outer.net, &worse);
	netconf_route_delete(&outer.net, &hop2);
	netconf_route_delete(&outer.net, &hop3);
}

static bool has_any6(const struct tunnel *t)
{
	struct ifaddrs *all, *i;
	bool found = false;

	assert_int_equal(getifaddrs(&all), 0);
	for (i = all; i; i = i->ifa_next)
		found = found || (!strcmp(i->ifa_name, t->name) && i->ifa_addr &&
					 i->ifa_addr->sa_family == AF_INET6);
	freeifaddrs(all);
	return found;
}

// IPv6 goes with a call and comes with the next; IPv4 stays.
static void test_forget6(void **state)
{
	const struct in6_addr server = netconf_mapped(SERVER);
	struct tunnel t;

	netns_need();
	t = up(1);
	for (unsigned int i = 0; i < 2; i++) {
		if (tunnel_address6(&t, 7 + i, &server, 0, err, sizeof(err)))
			skip(); // a kernel without IPv6
		assert_true(has_any6(&t));
		tunnel_forget6(&t);
		if (access("/proc/sys/net/ipv6/conf/all/disable_ipv6", W_OK))
			break;
		assert_false(has_any6(&t));
	}
	assert_true(has_address(&t, 0x0a000002));
	tunnel_close(&t);
}

// The server's outer address over IPv6 stays where it is when IPv6 goes through the tunnel.
static void test_server6(void **state)
{
	const struct in6_addr server = {
		.s6_addr = {0x20, 0x01, 0x0d, 0xb8, [14] = 0x77, [15] = 0x07}};
	struct netconf_route r = {
		.dst = {.s6_addr = {0x20, 0x01, 0x0d, 0xb8}}, .dst_len = 32, .metric = 7};
	struct tunnel t;

	netns_need();
	r.ifindex = outer.ifindex;
	if (netconf_link_local_add(&outer.net, outer.ifindex, 1) ||
		netconf_route_add(&outer.net, &r))
		skip(); // a kernel without IPv6
	netns_open(&t, "in%d", 1400);
	assert_int_equal(tunnel_address6(&t, 2, &server, 1, err, sizeof(err)), 0);
	assert_true(t.has_host_route);
	r = (struct netconf_route){.dst_len = 0, .ifindex = t.ifindex, .metric = 1};
	assert_int_equal(netconf_route_add(&t.net, &r), 0); // as of a router advertisement
	assert_int_equal(netconf_route_get(&outer.net, &server, &r), 0);
	assert_int_equal(r.ifindex, outer.ifindex);
	tunnel_close(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_default_route),
		cmocka_unit_test(test_crash),
		cmocka_unit_test(test_note_of_another),
		cmocka_unit_test(test_mend),
		cmocka_unit_test(test_name_is_free),
		cmocka_unit_test(test_persistent_stays),
		cmocka_unit_test(test_distance),
		cmocka_unit_test(test_readdress),
		cmocka_unit_test(test_server_route),
		cmocka_unit_test(test_forget6),
		cmocka_unit_test(test_server6),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
