// SPDX-License-Identifier: BSD-3-Clause
// IPv6 of sessions, in the control plane: prefixes taken, published and given back; advertisements;
// delegation; calls at rest stay so.
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "controlplane/cp_ip6.h"
#include "cp_bed.h"
#include "protocol/ip6/ra.h"

#define SECTIONS(profile, pool4)                                           \
	"ppp-profiles:\n"                                                  \
	"  default: { local-address: 10.0.0.1, " pool4                     \
	"dns-server: [10.0.0.53, \"2001:db8:f::53\"], " profile " }\n"     \
	"ip-pools: { clients: [10.0.0.2-10.0.0.9] }\n"                     \
	"ipv6-pools:\n"                                                    \
	"  six: { prefix: \"2001:db8:1::/48\", prefix-length: 64 }\n"      \
	"  two: { prefix: \"2001:db8:2::/63\", prefix-length: 64 }\n"      \
	"  homes: { prefix: \"2001:db8:4000::/55\", prefix-length: 56 }\n" \
	"ppp-secrets:\n"                                                   \
	"  - { name: bob, password: \"" BED_PASSWORD "\" }\n"              \
	"  - { name: own, password: \"" BED_PASSWORD                       \
	"\", remote-ipv6-prefix: \"2001:db8:1:77::/64\" }\n"

#define POOL4 "remote-address: clients, "
#define BOTH "remote-ipv6-prefix-pool: six, dhcpv6-pd-pool: homes"

static struct in6_addr ip6(const char *text)
{
	struct in6_addr a;

	assert_int_equal(inet_pton(AF_INET6, text, &a), 1);
	return a;
}

static void open_bed(struct bed *b, const char *yaml)
{
	struct bed_conf conf = {.yaml = yaml};

	bed_open(b, &conf);
}

static struct fake_client *dial(struct bed *b, const char *user, enum ppp_ipv6_mode ipv6)
{
	struct fake_client_conf conf = bed_client_conf(b, PPP_AUTH_MSCHAP2);

	conf.user = user;
	conf.ipv6 = ipv6;
	return bed_dial(b, &conf);
}

static void hang_up(struct bed *b, struct fake_client *c)
{
	fake_client_hang_up(c);
	BED_UNTIL(b, c->conn->closed && !bed_session(b, c));
	bed_reap(b, c);
}

// The last packet the client got, as an advertisement.
static struct ra advertised(const struct fake_client *c)
{
	struct ip6_packet k;
	struct ra ra;

	assert_int_equal(ip6_decode(c->ip6, c->ip6_len, &k), 0);
	assert_int_equal(ra_decode(&k, &ra), 0);
	return ra;
}

static void test_both(void **state)
{
	struct in6_addr prefix = ip6("2001:db8:1::"), dns = ip6("2001:db8:f::53");
	struct fake_client *c;
	struct bed b;
	struct ra ra;

	open_bed(&b, SECTIONS(BOTH, POOL4));
	c = dial(&b, "bob", PPP_IPV6_YES);
	BED_UNTIL(&b, fake_client_is_up(c) && c->network6_up && c->conn->open.plen6 && c->nb_ip6);
	assert_true(c->conn->inner != 0);
	assert_int_equal(c->conn->open.plen6, 64);
	assert_true(ip6_in_prefix(&c->conn->open.prefix6, &prefix, 48));
	prefix = ip6_link_local(c->remote_id);
	assert_memory_equal(&c->conn->open.local_ll, &prefix, 16);
	prefix = ip6_link_local(c->local_id);
	assert_memory_equal(&c->conn->open.inner_ll, &prefix, 16);
	assert_int_equal(fake_nb_prefixes(b.ch), 1);
	assert_int_equal(fake_published(b.ch), 1);
	assert_int_equal(c->nb_ip6, 1);
	ra = advertised(c);
	assert_memory_equal(&ra.prefix, &c->conn->open.prefix6, 8);
	assert_true(ra.plen == 64 && ra.autonomous && ra.other && !ra.managed && ra.mtu == 1460);
	assert_int_equal(ra.nb_dns, 1);
	assert_memory_equal(&ra.dns[0], &dns, 16);
	hang_up(&b, c);
	assert_int_equal(fake_nb_prefixes(b.ch), 0);
	assert_int_equal(pools6_taken(b.cp->pools6), 0);
	bed_close(&b);
}

// Solicitations are answered, and the call stays packed.
static void test_solicited_at_rest(void **state)
{
	static const uint8_t rs[] = {133, 0, 0, 0, 0, 0, 0, 0};
	struct fake_client *c;
	struct cp_session *s;
	struct in6_addr src;
	uint8_t pkt[128];
	struct writer w;
	struct bed b;

	open_bed(&b, SECTIONS(BOTH, POOL4));
	c = dial(&b, "bob", PPP_IPV6_YES);
	BED_UNTIL(&b, fake_client_is_up(c) && c->nb_ip6);
	s = bed_session(&b, c);
	BED_UNTIL(&b, s->idle);
	for (unsigned int i = 0; i < 3; i++) {
		src = i ? ip6_link_local(c->local_id) : in6addr_any;
		w = writer_make(pkt, sizeof(pkt));
		ip6_begin(&w, &src, &ip6_all_routers, IPPROTO_ICMPV6, 255, 0, 0);
		wr_bytes(&w, rs, sizeof(rs));
		ip6_end(&w);
		fake_client_send_ip6(c, pkt, wr_len(&w));
		BED_UNTIL(&b, c->nb_ip6 == 2 + i);
		assert_non_null(s->idle);
		advertised(c);
		src = i ? src : ip6_all_nodes;
		assert_memory_equal(c->ip6 + 24, &src, 16);
	}
	// What is wrong is passed over.
	pkt[47] ^= 1;
	fake_client_send_ip6(c, pkt, wr_len(&w));
	for (size_t n = 0; n < wr_len(&w); n++)
		fake_client_send_ip6(c, pkt, n);
	bed_turns(&b, 50);
	assert_int_equal(c->nb_ip6, 4);
	assert_non_null(s->idle);
	hang_up(&b, c);
	bed_close(&b);
}

// From time to time all get one, calls at rest too.
static void test_rounds(void **state)
{
	struct fake_client *c[4];
	struct bed b;

	open_bed(&b, SECTIONS(BOTH, POOL4));
	for (int i = 0; i < 4; i++) {
		c[i] = dial(&b, "bob", i == 3 ? PPP_IPV6_NO : PPP_IPV6_YES);
		BED_UNTIL(&b, fake_client_is_up(c[i]) && (i == 3 || c[i]->nb_ip6));
	}
	for (int i = 0; i < 3000; i++)
		cp_ip6_tick(b.cp);
	bed_turns(&b, 20);
	for (int i = 0; i < 4; i++)
		assert_int_equal(c[i]->nb_ip6, i == 3 ? 0 : 2);
	// Not again before half an hour is over.
	for (int i = 0; i < 3000; i++)
		cp_ip6_tick(b.cp);
	bed_turns(&b, 20);
	assert_int_equal(c[0]->nb_ip6, 2);
	b.cp->ip6_round.began -= 1801;
	for (int i = 0; i < 3000; i++)
		cp_ip6_tick(b.cp);
	bed_turns(&b, 20);
	for (int i = 0; i < 3; i++)
		assert_int_equal(c[i]->nb_ip6, 3);
	for (int i = 0; i < 4; i++)
		hang_up(&b, c[i]);
	bed_close(&b);
}

static void test_ip6_alone(void **state)
{
	struct fake_client *c;
	struct bed b;

	open_bed(&b, SECTIONS(BOTH, ""));
	c = dial(&b, "bob", PPP_IPV6_YES);
	BED_UNTIL(&b, c->connected && c->network6_up && c->conn->data_open && c->nb_ip6);
	assert_int_equal(c->conn->inner, 0);
	assert_int_equal(fake_published(b.ch), 0);
	assert_int_equal(fake_nb_prefixes(b.ch), 1);
	assert_false(c->network_up);
	hang_up(&b, c);
	// Who can have neither gets nothing.
	c = dial(&b, "bob", PPP_IPV6_NO);
	BED_UNTIL(&b, c->conn->closed);
	bed_reap(&b, c);
	bed_close(&b);
}

// IPv6 that is required and has no prefix left, or a client that will not.
static void test_required(void **state)
{
	struct fake_client *c[3];
	struct bed b;

	open_bed(&b, SECTIONS("use-ipv6: required, remote-ipv6-prefix-pool: two", POOL4));
	for (int i = 0; i < 2; i++) {
		c[i] = dial(&b, "bob", PPP_IPV6_YES);
		BED_UNTIL(&b, fake_client_is_up(c[i]) && c[i]->network6_up && c[i]->nb_ip6);
	}
	c[2] = dial(&b, "bob", PPP_IPV6_YES);
	BED_UNTIL(&b, c[2]->conn->closed);
	assert_int_equal(c[2]->ppp.end, PPP_END_PEER_TERMINATED);
	bed_reap(&b, c[2]);
	hang_up(&b, c[0]);
	c[2] = dial(&b, "bob", PPP_IPV6_NO);
	bed_log_begin();
	BED_UNTIL(&b, c[2]->conn->closed && !bed_session(&b, c[2]));
	assert_non_null(strstr(bed_log_end(), "ended why=\"IPV6CP did not converge"));
	bed_reap(&b, c[2]);
	hang_up(&b, c[1]);
	assert_int_equal(pools6_taken(b.cp->pools6), 0);
	bed_close(&b);
}

// Without a prefix to give, IPv6 is not offered, and IPv4 does not suffer.
static void test_none_left(void **state)
{
	struct fake_client *c[3];
	struct bed b;

	open_bed(&b, SECTIONS("remote-ipv6-prefix-pool: two", POOL4));
	for (int i = 0; i < 3; i++) {
		c[i] = dial(&b, "bob", PPP_IPV6_YES);
		BED_UNTIL(&b, fake_client_is_up(c[i]) && c[i]->conn->data_open);
		if (i < 2)
			BED_UNTIL(&b, c[i]->network6_up);
	}
	bed_turns(&b, 50);
	assert_false(c[2]->network6_up);
	assert_int_equal(c[2]->conn->open.plen6, 0);
	for (int i = 0; i < 3; i++)
		hang_up(&b, c[i]);
	bed_close(&b);
}

static void test_own_prefix(void **state)
{
	struct in6_addr own = ip6("2001:db8:1:77::");
	struct fake_client *c;
	struct bed b;

	open_bed(&b, SECTIONS(BOTH, POOL4));
	for (int i = 0; i < 2; i++) {
		c = dial(&b, "own", PPP_IPV6_YES);
		BED_UNTIL(&b, c->conn->open.plen6);
		assert_memory_equal(&c->conn->open.prefix6, &own, 16);
		assert_int_equal(
			fake_prefix_metric(b.ch, "2001:db8:1:77::/64", c->conn->handle), 0);
		hang_up(&b, c);
	}
	bed_close(&b);
}

static void ask(struct fake_client *c, enum dhcp6_type type, const struct dhcp6_msg *last)
{
	struct dhcp6_msg m = {.type = (uint8_t)type,
		.xid = 7,
		.client = {.len = 4, .bytes = {0, 3, 1, 1}},
		.nb_pd = 1,
		.pd = {{.iaid = 5}}};
	struct in6_addr src = ip6_link_local(c->local_id);
	uint8_t pkt[600];
	struct writer w = writer_make(pkt, sizeof(pkt));

	if (last) {
		m.server = last->server;
		m.pd[0] = last->pd[0];
	}
	ip6_begin(&w, &src, &ip6_all_dhcp, IPPROTO_UDP, 1, DHCP6_CLIENT_PORT, DHCP6_SERVER_PORT);
	dhcp6_encode(&m, &w);
	ip6_end(&w);
	assert_false(w.overflow);
	fake_client_send_ip6(c, pkt, wr_len(&w));
}

static void told(const struct fake_client *c, struct dhcp6_msg *m)
{
	struct ip6_packet k;

	assert_int_equal(ip6_decode(c->ip6, c->ip6_len, &k), 0);
	assert_int_equal(k.dport, DHCP6_CLIENT_PORT);
	assert_int_equal(dhcp6_decode(k.payload, m), 0);
}

static void test_delegation(void **state)
{
	struct fake_client *c, *d, *e;
	struct dhcp6_msg m;
	char text[64], prefix[INET6_ADDRSTRLEN];
	struct bed b;

	open_bed(&b, SECTIONS(BOTH, POOL4));
	c = dial(&b, "bob", PPP_IPV6_YES);
	BED_UNTIL(&b, c->nb_ip6 == 1);
	ask(c, DHCP6_SOLICIT, NULL);
	BED_UNTIL(&b, c->nb_ip6 == 2);
	told(c, &m);
	assert_int_equal(m.type, DHCP6_ADVERTISE);
	ask(c, DHCP6_REQUEST, &m);
	BED_UNTIL(&b, c->nb_ip6 == 3);
	told(c, &m);
	assert_int_equal(m.type, DHCP6_REPLY);
	assert_int_equal(m.pd[0].prefixes[0].plen, 56);
	inet_ntop(AF_INET6, &m.pd[0].prefixes[0].prefix, prefix, sizeof(prefix));
	snprintf(text, sizeof(text), "%s/56", prefix);
	assert_int_equal(fake_prefix_metric(b.ch, text, c->conn->handle), 0);
	assert_int_equal(fake_nb_prefixes(b.ch), 2);
	assert_non_null(bed_session(&b, c)->idle);

	// The pool has two.
	d = dial(&b, "own", PPP_IPV6_YES);
	BED_UNTIL(&b, d->nb_ip6 == 1);
	ask(d, DHCP6_SOLICIT, NULL);
	BED_UNTIL(&b, d->nb_ip6 == 2);
	e = dial(&b, "bob", PPP_IPV6_YES);
	BED_UNTIL(&b, e->nb_ip6 == 1);
	ask(e, DHCP6_SOLICIT, NULL);
	BED_UNTIL(&b, e->nb_ip6 == 2);
	told(e, &m);
	assert_int_equal(m.pd[0].status, DHCP6_NO_PREFIX_AVAIL);

	// Given back by a word, and by the session's end.
	told(c, &m);
	ask(c, DHCP6_RELEASE, &m);
	BED_UNTIL(&b, c->nb_ip6 == 4);
	assert_int_equal(fake_nb_prefixes(b.ch), 4);
	ask(e, DHCP6_SOLICIT, NULL);
	BED_UNTIL(&b, e->nb_ip6 == 3);
	told(e, &m);
	assert_int_equal(m.pd[0].status, DHCP6_SUCCESS);
	hang_up(&b, c);
	hang_up(&b, d);
	hang_up(&b, e);
	assert_int_equal(pools6_taken(b.cp->pools6), 0);
	bed_close(&b);
}

// Prefixes of nobody, until no more can be published.
static unsigned int fill_prefixes(struct bed *b)
{
	struct in6_addr other = {.s6_addr = {0x30, 1}};
	unsigned int n = 0;

	while (!dp_prefix_publish(b->ch, &other, 64, 0, ++n))
		;
	return n;
}

static void empty_prefixes(struct bed *b, unsigned int n)
{
	struct in6_addr other = {.s6_addr = {0x30, 1}};

	while (--n)
		dp_prefix_withdraw(b->ch, &other, 64, n);
}

// A prefix that cannot be published is not delegated.
static void test_delegation_fails(void **state)
{
	struct fake_client *c;
	struct dhcp6_msg m;
	unsigned int n;
	uint32_t taken;
	struct bed b;

	open_bed(&b, SECTIONS(BOTH, POOL4));
	c = dial(&b, "bob", PPP_IPV6_YES);
	BED_UNTIL(&b, c->nb_ip6 == 1);
	taken = pools6_taken(b.cp->pools6);
	n = fill_prefixes(&b);
	ask(c, DHCP6_SOLICIT, NULL);
	BED_UNTIL(&b, c->nb_ip6 == 2);
	told(c, &m);
	assert_int_equal(m.pd[0].status, DHCP6_NO_PREFIX_AVAIL);
	assert_int_equal(pools6_taken(b.cp->pools6), taken);
	empty_prefixes(&b, n);
	ask(c, DHCP6_SOLICIT, NULL);
	BED_UNTIL(&b, c->nb_ip6 == 3);
	told(c, &m);
	assert_int_equal(m.pd[0].status, DHCP6_SUCCESS);
	hang_up(&b, c);
	bed_close(&b);
}

// LCP negotiated anew left too little for IPv6: there is none until there is more again.
static void test_mtu_shrinks(void **state)
{
	struct dp_msg m = {0};
	struct fake_client *c;
	struct cp_session *s;
	struct bed b;

	open_bed(&b, SECTIONS(BOTH, POOL4));
	c = dial(&b, "bob", PPP_IPV6_YES);
	BED_UNTIL(&b, c->nb_ip6 == 1);
	s = bed_session(&b, c);
	cp_ip6_fill(s, &m, 1279);
	assert_true(ip6_is_unspecified(&m.u.open.local_ll));
	assert_int_equal(m.u.open.plen6, 0);
	cp_ip6_open(s);
	assert_int_equal(fake_nb_prefixes(b.ch), 0);
	cp_ip6_fill(s, &m, 1280);
	assert_false(ip6_is_unspecified(&m.u.open.local_ll));
	assert_int_equal(m.u.open.plen6, 64);
	cp_ip6_open(s);
	assert_int_equal(fake_nb_prefixes(b.ch), 1);
	BED_UNTIL(&b, c->nb_ip6 == 2);
	assert_int_equal(advertised(c).mtu, 1280);
	hang_up(&b, c);
	bed_close(&b);
}

// A worker that does not keep up, and no event that comes: the session ends all the same.
static void test_round_without_room(void **state)
{
	struct fake_client *c;
	struct bed b;

	open_bed(&b, SECTIONS(BOTH, POOL4));
	c = dial(&b, "bob", PPP_IPV6_YES);
	BED_UNTIL(&b, c->nb_ip6 == 1);
	bed_turns(&b, 20);
	b.cp->out.session_max = 1;
	fake_fail_allocs(b.ch, 1);
	for (int i = 0; i < 3000; i++)
		cp_ip6_tick(b.cp);
	assert_int_equal(bed_session(&b, c)->stage, CP_STAGE_CLOSING);
	BED_UNTIL(&b, c->conn->closed && !bed_session(&b, c));
	bed_reap(&b, c);
	bed_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both),
		cmocka_unit_test(test_solicited_at_rest),
		cmocka_unit_test(test_rounds),
		cmocka_unit_test(test_ip6_alone),
		cmocka_unit_test(test_required),
		cmocka_unit_test(test_none_left),
		cmocka_unit_test(test_own_prefix),
		cmocka_unit_test(test_delegation),
		cmocka_unit_test(test_delegation_fails),
		cmocka_unit_test(test_mtu_shrinks),
		cmocka_unit_test(test_round_without_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
