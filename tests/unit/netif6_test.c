// SPDX-License-Identifier: BSD-3-Clause
// IPv6 side of an interface: neighbour discovery, extension headers, ICMPv6.
#include "tests/unit/netif_rig.h"

#define US "2001:db8::1"
#define HOST "2001:db8::2"
#define US_LL "fe80::ff:fe00:1"
#define HOST_LL "fe80::ff:fe00:2"
#define US_GROUP "ff02::1:ff00:1" // solicited-node, of both our addresses
#define ALL_NODES "ff02::1"
#define NS 135
#define NA 136
#define NA_SOLICITED 0x40000000
#define NA_OVERRIDE 0x20000000

static const uint8_t mac_group[6] = {0x33, 0x33, 0xff, 0, 0, 1};
static const uint8_t mac_nodes[6] = {0x33, 0x33, 0, 0, 0, 1};
static const uint8_t mac_other[6] = {2, 0, 0, 0, 0, 3};
static uint8_t frame[2300];

#define CNT(name) (rig.cnt.v[CNT_##name])

static struct neigh *find(const char *addr)
{
	struct ipaddr a = rig_ip6(addr);

	return neigh_find(&rig.n->neigh, &a);
}

static void expect_nothing(void)
{
	assert_int_equal(rig.rx.nb_tcp, 0);
	assert_int_equal(rig.rx.nb_ip, 0);
	assert_int_equal(rig.nb_tx, 0);
}

// A neighbour message from HOST's side in `frame`, link-layer option when ll is given.
static size_t nd(const uint8_t *dmac, const char *src, const char *dst, uint8_t type,
	uint32_t flags, const char *target, const uint8_t *ll)
{
	uint8_t msg[32] = {type};
	struct ipaddr t = rig_ip6(target);
	size_t n;

	net_put32(msg + 4, flags);
	memcpy(msg + 8, t.b, 16);
	if (ll) {
		msg[24] = type == NS ? 1 : 2;
		msg[25] = 1;
		memcpy(msg + 26, ll, 6);
	}
	n = rig_frame6(frame, dmac, 58, 255, src, dst, msg, ll ? 32 : 24);
	rig_fix_icmp6(frame, 54, n);
	return n;
}

// What we send: `frame` as nd() makes it, from us.
static void expect_sent_nd(const uint8_t *dmac, const char *src, const char *dst, uint8_t type,
	uint32_t flags, const char *target)
{
	size_t n = nd(dmac, src, dst, type, flags, target, mac_us);

	memcpy(frame + 6, mac_us, 6);
	rig_expect_sent(frame, n);
}

static void solicitation_is_answered(void **state)
{
	static const uint8_t want[86] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x86, 0xdd, 0x60, 0, 0,
		0, 0, 32, 58, 255, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0x20, 1,
		0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 136, 0, 0x8a, 0x73, 0x60, 0, 0, 0,
		0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 1, 2, 0, 0, 0, 0, 1};

	rig_input(frame, nd(mac_group, HOST, US_GROUP, NS, 0, US, mac_host));
	rig_expect_sent(want, sizeof(want));
	assert_int_equal(rig.rx.nb_learn, 1);
	assert_int_equal(find(HOST)->state, NEIGH_STALE);
	rig_input(frame, nd(mac_us, HOST_LL, US_LL, NS, 0, US_LL, mac_host)); // a probe
	expect_sent_nd(mac_host, US_LL, HOST_LL, NA, NA_SOLICITED | NA_OVERRIDE, US_LL);
	rig_input(frame, nd(mac_us, HOST, US, NS, 0, US, NULL)); // without its address
	expect_sent_nd(mac_host, US, HOST, NA, NA_SOLICITED | NA_OVERRIDE, US);
	rig_input(frame, nd(mac_group, HOST, US_GROUP, NS, 0, "2001:db8::100:1", mac_host));
	expect_nothing(); // another address of the same group
	rig_input(frame, nd(mac_group, "2001:db9::2", US_GROUP, NS, 0, US, mac_host));
	expect_nothing(); // not a neighbour
}

static bool is_session(void *user, const struct ipaddr *a)
{
	struct ipaddr own = rig_ip6("2001:db8::77:5");

	return ipaddr_equal(a, &own);
}

// Proxy ND: for an address of the subnet that is a session's, without overriding anybody; the
// neighbour's later probes too. Not for others.
static void sessions_are_answered_for(void **state)
{
	static const uint8_t mac_77[6] = {0x33, 0x33, 0xff, 0x77, 0, 5};
	const char *session = "2001:db8::77:5", *group = "ff02::1:ff77:5";

	rig_input(frame, nd(mac_77, HOST, group, NS, 0, session, mac_host));
	expect_nothing();
	rig.n->c.access = false;
	rig_input(frame, nd(mac_77, HOST, group, NS, 0, session, mac_host));
	expect_nothing();
	rig.n->c.proxy_nd = is_session;
	rig_input(frame, nd(mac_77, HOST, group, NS, 0, session, mac_host));
	expect_sent_nd(mac_host, US, HOST, NA, NA_SOLICITED, session);
	assert_int_equal(find(HOST)->state, NEIGH_STALE);
	rig_input(frame, nd(mac_us, HOST, session, NS, 0, session, mac_host));
	expect_sent_nd(mac_host, US, HOST, NA, NA_SOLICITED, session);
	rig_input(frame, nd(mac_77, HOST, group, NS, 0, "2001:db8::aa77:5", mac_host));
	expect_nothing();
	rig_input(frame, nd(mac_77, "2001:db9::2", group, NS, 0, session, mac_host));
	expect_nothing();
	rig_input(frame, nd(mac_us, HOST, session, NA, NA_OVERRIDE, HOST, mac_other));
	assert_int_equal(rig.nb_tx, 0);
	assert_int_equal(rig.rx.nb_ip6, 0);
}

// A host on core that is about to take a session's address would break that session, and be broken
// by it: it hears that the address is taken. All hear it, unsolicited and without overriding (RFC
// 4861 7.2.4, 7.2.8), since who asks has no address yet. Its link-layer address is not learnt.
static void duplicates_of_sessions_are_told(void **state)
{
	static const uint8_t mac_77[6] = {0x33, 0x33, 0xff, 0x77, 0, 5};
	const char *session = "2001:db8::77:5", *group = "ff02::1:ff77:5";
	uint32_t before;

	rig.n->c.access = false;
	rig_input(frame, nd(mac_77, "::", group, NS, 0, session, NULL));
	expect_nothing(); // nobody's
	rig.n->c.proxy_nd = is_session;
	before = netif_neighbours(rig.n);
	rig_input(frame, nd(mac_77, "::", group, NS, 0, session, NULL));
	assert_int_equal(rig.rx.nb_learn, 0);
	expect_sent_nd(mac_nodes, US, ALL_NODES, NA, 0, session);
	rig_input(frame, nd(mac_77, "::", group, NS, 0, "2001:db8::aa77:5", NULL));
	expect_nothing(); // another address of the same group
	rig_input(frame, nd(mac_77, "::", group, NS, 0, session, mac_host));
	expect_nothing(); // must have none
	rig_input(frame, nd(mac_us, "::", session, NS, 0, session, NULL));
	expect_nothing(); // must go to the group
	rig.n->c.plen6 = 120;
	rig_input(frame, nd(mac_77, "::", group, NS, 0, session, NULL));
	expect_nothing(); // not of this subnet
	assert_int_equal(netif_neighbours(rig.n), before);
	assert_int_equal(CNT(address_conflict), 0);
}

// Who asks again and again makes no more than a few a second of what every node hears; each kind
// has its own measure, and whoever has an address is answered all the same.
static void answers_to_all_are_bounded(void **state)
{
	static const uint8_t mac_77[6] = {0x33, 0x33, 0xff, 0x77, 0, 5};
	const char *session = "2001:db8::77:5", *group = "ff02::1:ff77:5";

	rig.n->c.access = false;
	rig.n->c.proxy_nd = is_session;
	for (unsigned int i = 0; i < 50; i++)
		rig_input(frame, nd(mac_77, "::", group, NS, 0, session, NULL));
	assert_int_equal(rig.nb_tx, 20);
	assert_int_equal(CNT(nd_rate_limited), 30);
	rig_free_tx();
	for (unsigned int i = 0; i < 50; i++)
		rig_input(frame, nd(mac_group, "::", US_GROUP, NS, 0, US, NULL));
	assert_int_equal(rig.nb_tx, 20);
	assert_int_equal(CNT(nd_rate_limited), 60);
	assert_int_equal(CNT(address_conflict), 50);
	rig_free_tx();
	rig_input(frame, nd(mac_77, HOST, group, NS, 0, session, mac_host));
	expect_sent_nd(mac_host, US, HOST, NA, NA_SOLICITED, session);
	rig_pass(20000); // two more of each
	rig_free_tx();
	for (unsigned int i = 0; i < 5; i++) {
		rig_input(frame, nd(mac_77, "::", group, NS, 0, session, NULL));
		rig_input(frame, nd(mac_group, "::", US_GROUP, NS, 0, US, NULL));
	}
	assert_int_equal(rig.nb_tx, 4);
	assert_int_equal(CNT(nd_rate_limited), 66);
}

// What is for others is a candidate for forwarding on core alone.
static void others_are_forwarded(void **state)
{
	static const char *const not_forwarded[] = {"ff02::1:3", "ff0e::1", "fe80::5", "::1"};
	uint8_t payload[40] = {0};
	size_t n;

	n = rig_frame6(frame, mac_us, 17, 64, HOST, "2001:db8:5::9", payload, sizeof(payload));
	rig_input(frame, n);
	assert_int_equal(rig.rx.nb_ip6, 0);
	rig.n->c.access = false;
	rig_input(frame, n + 6); // padding
	assert_int_equal(rig.rx.nb_ip6, 1);
	assert_int_equal(rig.rx.ip6[0]->data_len, 80);
	assert_int_equal(rig.rx.ip6[0]->l3_len, 40);
	rig_free_rx();
	for (unsigned int i = 0; i < 4; i++) {
		n = rig_frame6(frame, mac_us, 17, 64, HOST, not_forwarded[i], payload, 40);
		rig_input(frame, n);
		assert_int_equal(rig.rx.nb_ip6, 0);
		n = rig_frame6(
			frame, mac_us, 17, 64, i ? "fe80::7" : "::", "2001:db8:5::9", payload, 40);
		rig_input(frame, n);
		assert_int_equal(rig.rx.nb_ip6, 0);
	}
	n = rig_frame6(frame, mac_nodes, 17, 64, HOST, "2001:db8:5::9", payload, 40);
	rig_input(frame, n);
	assert_int_equal(rig.rx.nb_ip6, 0);
}

static void duplicate_address_detection_is_told(void **state)
{
	rig_input(frame, nd(mac_group, "::", US_GROUP, NS, 0, US, NULL));
	expect_sent_nd(mac_nodes, US, ALL_NODES, NA, NA_OVERRIDE, US);
	assert_int_equal(CNT(address_conflict), 1);
	rig_input(frame, nd(mac_group, "::", US_GROUP, NS, 0, US, mac_host)); // must have none
	expect_nothing();
	rig_input(frame, nd(mac_us, "::", US, NS, 0, US, NULL)); // must go to the group
	expect_nothing();
	rig_input(frame, nd(mac_nodes, HOST, ALL_NODES, NA, NA_OVERRIDE, US, mac_host));
	expect_nothing();
	assert_int_equal(CNT(address_conflict), 2);
}

// RFC 4861 7.1.1 and 7.1.2: what must be discarded.
static void invalid_messages(void **state)
{
	size_t n, i;

	n = nd(mac_group, HOST, US_GROUP, NS, 0, US, mac_host);
	frame[21] = 254; // hop limit: it came through a router
	rig_input(frame, n);
	expect_nothing();
	n = nd(mac_group, HOST, US_GROUP, NS, 0, US, mac_host);
	frame[55] = 1; // code
	rig_fix_icmp6(frame, 54, n);
	rig_input(frame, n);
	expect_nothing();
	n = nd(mac_group, HOST, US_GROUP, NS, 0, US, mac_host);
	frame[60] ^= 1; // checksum
	rig_input(frame, n);
	expect_nothing();
	n = nd(mac_group, HOST, US_GROUP, NS, 0, US, mac_host);
	frame[79] = 0; // an option of no length
	rig_fix_icmp6(frame, 54, n);
	rig_input(frame, n);
	expect_nothing();
	n = nd(mac_group, HOST, US_GROUP, NS, 0, US, mac_host);
	frame[79] = 2; // an option beyond the end
	rig_fix_icmp6(frame, 54, n);
	rig_input(frame, n);
	expect_nothing();
	n = nd(mac_group, HOST, US_GROUP, NS, 0, US, mac_group); // a group's link-layer address
	rig_input(frame, n);
	expect_nothing();
	rig_input(frame, nd(mac_group, HOST, US_GROUP, NS, 0, US_GROUP, mac_host));
	expect_nothing(); // target is multicast
	rig_input(frame, nd(mac_nodes, HOST, ALL_NODES, NA, NA_SOLICITED, HOST, mac_host));
	expect_nothing();
	rig_input(frame, nd(mac_group, "ff02::2", US_GROUP, NS, 0, US, mac_host));
	expect_nothing();
	assert_int_equal(CNT(rx_ip_malformed), 9);
	n = nd(mac_group, HOST, US_GROUP, NS, 0, US, mac_host);
	for (i = 14; i < n; i++) { // every truncation
		rig_input(frame, i);
		expect_nothing();
	}
	for (i = 1; i < 24; i++) { // cut short in a whole packet
		n = nd(mac_group, HOST, US_GROUP, NS, 0, US, NULL);
		net_put16(frame + 18, (uint16_t)i);
		rig_fix_icmp6(frame, 54, 54 + i);
		rig_input(frame, 54 + i);
		expect_nothing();
	}
	assert_int_equal(netif_neighbours(rig.n), 2);
}

static struct rte_mbuf *packet(const char *dst, uint16_t payload)
{
	uint8_t p[2300] = {0};
	size_t n = rig_frame6(p, mac_us, 17, 64, US, dst, NULL, 0);

	net_put16(p + 18, payload);
	return net_mbuf(p + 14, n - 14 + payload);
}

static void resolution(void **state)
{
	struct rte_mbuf *m;

	rig_output(packet(HOST, 10));
	expect_sent_nd(
		(const uint8_t[]){0x33, 0x33, 0xff, 0, 0, 2}, US, "ff02::1:ff00:2", NS, 0, HOST);
	rig_input(frame, nd(mac_us, HOST, US, NA, NA_SOLICITED, HOST, NULL));
	assert_int_equal(find(HOST)->state, NEIGH_INCOMPLETE); // no address in it
	rig_input(frame, nd(mac_us, HOST, US, NA, NA_SOLICITED, HOST, mac_host));
	assert_int_equal(find(HOST)->state, NEIGH_REACHABLE);
	m = rig_sent();
	assert_int_equal(m->data_len, 14 + 50);
	assert_memory_equal(rte_pktmbuf_mtod(m, void *), mac_host, 6);
	assert_int_equal(net_get16(rte_pktmbuf_mtod_offset(m, uint8_t *, 12)), 0x86dd);
	rte_pktmbuf_free(m);
	rig_output(packet(HOST_LL, 10)); // link-local: asked from our own
	expect_sent_nd((const uint8_t[]){0x33, 0x33, 0xff, 0, 0, 2}, US_LL, "ff02::1:ff00:2", NS, 0,
		HOST_LL);
	rig_output(packet("2001:db9::1", 10)); // the gateway
	expect_sent_nd((const uint8_t[]){0x33, 0x33, 0xff, 0, 0, 0xfe}, US, "ff02::1:ff00:fe", NS,
		0, "2001:db8::fe");
	rig_output(packet(ALL_NODES, 10));
	m = rig_sent();
	assert_memory_equal(rte_pktmbuf_mtod(m, void *), mac_nodes, 6);
	rte_pktmbuf_free(m);
	rig_output(packet(US, 10));
	rig_output(packet("::", 10));
	assert_int_equal(CNT(tx_no_route), 2);
}

// RFC 4861 7.2.5, case by case. Each starts from the state and MAC given.
static void advertisements(void **state)
{
	static const struct {
		uint32_t flags;
		const uint8_t *ll;
		uint8_t from, to;
		bool changed;
	} cases[] = {
		{0, mac_other, NEIGH_INCOMPLETE, NEIGH_STALE, true},
		{NA_SOLICITED, mac_other, NEIGH_INCOMPLETE, NEIGH_REACHABLE, true},
		{0, NULL, NEIGH_INCOMPLETE, NEIGH_INCOMPLETE, false},
		{0, mac_host, NEIGH_REACHABLE, NEIGH_REACHABLE, false},
		{0, mac_other, NEIGH_REACHABLE, NEIGH_STALE, false},
		{0, mac_other, NEIGH_STALE, NEIGH_STALE, false},
		{NA_SOLICITED, mac_other, NEIGH_STALE, NEIGH_STALE, false},
		{NA_SOLICITED, mac_host, NEIGH_STALE, NEIGH_REACHABLE, false},
		{NA_SOLICITED, NULL, NEIGH_STALE, NEIGH_REACHABLE, false},
		{NA_OVERRIDE, mac_other, NEIGH_REACHABLE, NEIGH_STALE, true},
		{NA_OVERRIDE, mac_host, NEIGH_REACHABLE, NEIGH_REACHABLE, false},
		{NA_SOLICITED | NA_OVERRIDE, mac_other, NEIGH_STALE, NEIGH_REACHABLE, true},
	};
	struct ipaddr host = rig_ip6(HOST);
	struct neigh *e;
	size_t i;

	for (i = 0; i < RTE_DIM(cases); i++) {
		rig_teardown(NULL);
		rig_setup(NULL);
		rig_output(packet(HOST, 10));
		e = neigh_find(&rig.n->neigh, &host);
		if (cases[i].from != NEIGH_INCOMPLETE)
			rig_input(frame, nd(mac_us, HOST, US, NA, NA_SOLICITED, HOST, mac_host));
		if (cases[i].from == NEIGH_STALE)
			neigh_doubt(rig.n, e);
		assert_int_equal(e->state, cases[i].from);
		rig_free_tx();
		rig_input(frame, nd(mac_us, HOST, US, NA, cases[i].flags, HOST, cases[i].ll));
		assert_int_equal(e->state, cases[i].to);
		if (e->state != NEIGH_INCOMPLETE)
			assert_memory_equal(e->l2, cases[i].changed ? mac_other : mac_host, 6);
		assert_int_equal(rig.nb_tx,
			cases[i].from == NEIGH_INCOMPLETE && e->state != NEIGH_INCOMPLETE ? 1 : 0);
	}
	rig_free_tx();
	rig_input(frame, nd(mac_us, "2001:db8::77", US, NA, NA_OVERRIDE, "2001:db8::77", mac_host));
	assert_null(find("2001:db8::77")); // nobody asked
}

static void unreachable_neighbour_is_probed(void **state)
{
	rig_output(packet(HOST, 10));
	rig_free_tx();
	rig_input(frame, nd(mac_us, HOST, US, NA, NA_SOLICITED, HOST, mac_host));
	rig_free_tx();
	rig_pass(46 * S);
	rig_output(packet(HOST, 10));
	rig_free_tx();
	rig_pass(5 * S);
	expect_sent_nd(mac_host, US, HOST, NS, 0, HOST);
	rig_pass(3 * S);
	rig_free_tx();
	assert_null(find(HOST));
}

static size_t tcp6(uint8_t next, const void *ext, uint16_t ext_len)
{
	uint8_t p[600] = {0};

	if (ext_len)
		memcpy(p, ext, ext_len);
	p[ext_len + 12] = 0x50;
	return rig_frame6(frame, mac_us, next, 64, HOST, US, p, (uint16_t)(ext_len + 20));
}

static void expect_tcp(uint16_t hlen)
{
	assert_int_equal(rig.rx.nb_tcp, 1);
	assert_int_equal(rig.rx.tcp[0]->l3_len, hlen);
	assert_int_equal(rig.rx.tcp[0]->data_len, hlen + 20);
	assert_int_equal(rig.nb_tx, 0);
}

static void tcp_and_extension_headers(void **state)
{
	static const uint8_t hbh[8] = {6, 0, 5, 2, 0, 0, 1, 0};
	static const uint8_t chain[24] = {60, 0, 1, 4, [8] = 43, 0, 1, 4, [16] = 6, 0, 4, 0};
	static const uint8_t atomic[8] = {6, 0, 0, 0, 1, 2, 3, 4};
	static const uint8_t frag[8] = {6, 0, 0, 1, 1, 2, 3, 4};
	uint8_t many[72] = {0}, longest[512] = {0};
	size_t n, i;

	rig_input(frame, tcp6(6, NULL, 0) + 6); // with padding
	expect_tcp(40);
	rig_input(frame, tcp6(0, hbh, 8));
	expect_tcp(48);
	rig_input(frame, tcp6(0, chain, 24));
	expect_tcp(64);
	rig_input(frame, tcp6(44, atomic, 8));
	expect_tcp(48);
	rig_input(frame, tcp6(44, frag, 8));
	expect_nothing();
	assert_int_equal(CNT(rx_ip_fragment), 1);
	for (i = 0; i < 9; i++) {
		many[i * 8] = i == 8 ? 6 : 60;
		many[i * 8 + 2] = 1;
		many[i * 8 + 3] = 4;
	}
	rig_input(frame, tcp6(60, many + 8, 64));
	expect_tcp(104);
	rig_input(frame, tcp6(60, many, 72)); // one too many
	expect_nothing();
	longest[0] = 6;
	longest[1] = 31;
	longest[2] = 1;
	longest[3] = 252;
	rig_input(frame, tcp6(60, longest, 256)); // longer than we look
	expect_nothing();
	longest[1] = 26;
	longest[3] = 212;
	rig_input(frame, tcp6(60, longest, 216));
	expect_tcp(256);
	n = tcp6(0, chain, 24);
	for (i = 0; i < n; i++) {
		rig_input(frame, i);
		expect_nothing();
	}
	for (i = 0; i < 24; i++) { // cut short in a whole packet
		tcp6(0, chain, 24);
		net_put16(frame + 18, (uint16_t)i);
		rig_input(frame, 54 + i);
		assert_int_equal(rig.rx.nb_tcp, 0);
	}
}

static void know_host(void)
{
	rig_input(frame, nd(mac_group, HOST, US_GROUP, NS, 0, US, mac_host));
	rig_free_tx();
}

static void expect_icmp6(uint8_t type, uint8_t code, uint32_t value, size_t quoted)
{
	struct rte_mbuf *m = rig_sent();
	const uint8_t *p = rte_pktmbuf_mtod_offset(m, const uint8_t *, 14);
	uint8_t v[4];

	net_put32(v, value);
	assert_int_equal(m->data_len, 14 + 48 + quoted);
	assert_int_equal(p[40], type);
	assert_int_equal(p[41], code);
	assert_memory_equal(p + 44, v, 4);
	assert_memory_equal(p + 48, frame + 14, quoted);
	assert_int_equal(
		cksum_of6((const struct rte_ipv6_hdr *)p, p + 40, (uint16_t)(8 + quoted), 58), 0);
	rte_pktmbuf_free(m);
}

static void refused_with_an_error(void **state)
{
	static const uint8_t routing[8] = {6, 0, 4, 1};
	static const uint8_t bad_opt[8] = {6, 0, 0x9e, 4};
	static const uint8_t bad_uc[8] = {6, 0, 0xde, 4};
	static const uint8_t drop_opt[8] = {6, 0, 0x5e, 4};
	static const uint8_t skip_opt[8] = {6, 0, 0x1e, 4};
	static const uint8_t dest[8] = {99, 0, 1, 4};

	know_host();
	rig_input(frame, tcp6(43, routing, 8));
	expect_icmp6(4, 0, 42, 68);
	rig_input(frame, tcp6(60, bad_opt, 8));
	expect_icmp6(4, 2, 42, 68);
	rig_input(frame, tcp6(60, bad_uc, 8));
	expect_icmp6(4, 2, 42, 68);
	rig_input(frame, tcp6(60, drop_opt, 8));
	expect_nothing();
	rig_input(frame, tcp6(60, skip_opt, 8));
	expect_tcp(48);
	rig_input(frame, tcp6(17, NULL, 0));
	expect_icmp6(1, 4, 0, 60);
	rig_input(frame, tcp6(99, NULL, 0)); // unknown: says where its number is
	expect_icmp6(4, 1, 6, 60);
	rig_input(frame, tcp6(60, dest, 8));
	expect_icmp6(4, 1, 40, 68);
	rig_input(frame, tcp6(59, NULL, 0)); // no next header
	expect_nothing();
	rig.n->c.access = false;
	rig_input(frame, tcp6(6, NULL, 0));
	expect_icmp6(1, 4, 0, 60);
}

static void no_error_where_none_may_be(void **state)
{
	static const uint8_t bad_opt[8] = {6, 0, 0x9e, 4}, bad_uc[8] = {6, 0, 0xde, 4};
	uint8_t udp[1400] = {0};
	size_t n;

	know_host();
	rig_input(frame, rig_frame6(frame, mac_nodes, 17, 64, HOST, ALL_NODES, udp, 8));
	expect_nothing();
	rig_input(frame, rig_frame6(frame, mac_nodes, 60, 64, HOST, ALL_NODES, bad_uc, 8));
	expect_nothing();
	n = rig_frame6(frame, mac_nodes, 60, 64, HOST, ALL_NODES, bad_opt, 8);
	rig_input(frame, n); // even to a group
	expect_icmp6(4, 2, 42, 48);
	rig_input(frame, rig_frame6(frame, mac_us, 17, 64, "::", US, udp, 8));
	expect_nothing();
	rig_input(frame, rig_frame6(frame, mac_us, 17, 64, HOST, US, udp, 1400)); // cut to 1280
	expect_icmp6(1, 4, 0, 1232);
	udp[0] = 1; // an ICMPv6 error behind a bad option
	memset(udp, 0, 16);
	memcpy(udp, bad_opt, 8);
	udp[0] = 58;
	rig_input(frame, rig_frame6(frame, mac_us, 60, 64, HOST, US, udp, 16));
	assert_true(rig.nb_tx <= 1); // what it carries cannot be told behind it
	rig_free_tx();
	rig_input(frame, rig_frame6(frame, mac_us, 17, 64, HOST, "2001:db8::9", udp, 8));
	expect_nothing();
	rig_input(frame, rig_frame6(frame, mac_us, 17, 64, US, US, udp, 8)); // from ourselves
	expect_nothing();
}

static size_t echo(const uint8_t *dmac, const char *src, const char *dst)
{
	uint8_t icmp[16] = {128, 0, 0, 0, 1, 2, 0, 3, 'p', 'i', 'n', 'g'};
	size_t n = rig_frame6(frame, dmac, 58, 64, src, dst, icmp, sizeof(icmp));

	rig_fix_icmp6(frame, 54, n);
	return n;
}

static void expect_echo_reply(const char *src, const char *dst)
{
	struct rte_mbuf *m = rig_sent();
	const uint8_t *p = rte_pktmbuf_mtod_offset(m, const uint8_t *, 14);
	struct ipaddr s = rig_ip6(src), d = rig_ip6(dst);

	assert_int_equal(m->data_len, 14 + 40 + 16);
	assert_int_equal(p[6], 58);
	assert_int_equal(p[7], 64);
	assert_memory_equal(p + 8, s.b, 16);
	assert_memory_equal(p + 24, d.b, 16);
	assert_int_equal(p[40], 129);
	assert_memory_equal(p + 44, frame + 58, 12);
	assert_int_equal(cksum_of6((const struct rte_ipv6_hdr *)p, p + 40, 16, 58), 0);
	rte_pktmbuf_free(m);
}

static void echo_is_answered(void **state)
{
	static const uint8_t hbh[8] = {58, 0, 1, 4};
	size_t n;

	know_host();
	rig_input(frame, nd(mac_group, HOST_LL, US_GROUP, NS, 0, US_LL, mac_host));
	rig_free_tx();
	rig_input(frame, echo(mac_us, HOST, US));
	expect_echo_reply(US, HOST);
	rig_input(frame, echo(mac_us, HOST_LL, US_LL));
	expect_echo_reply(US_LL, HOST_LL);
	rig_input(frame, echo(mac_nodes, HOST_LL, ALL_NODES));
	expect_echo_reply(US_LL, HOST_LL);
	rig_input(frame, echo(mac_nodes, HOST, ALL_NODES));
	expect_echo_reply(US, HOST);
	n = echo(mac_us, HOST, US);
	frame[62] ^= 1; // checksum
	rig_input(frame, n);
	expect_nothing();
	n = echo(mac_us, HOST, US); // with an extension header, which the answer has not
	memmove(frame + 62, frame + 54, 16);
	memcpy(frame + 54, hbh, 8);
	frame[20] = 0;
	net_put16(frame + 18, 24);
	rig_input(frame, n + 8);
	echo(mac_us, HOST, US);
	expect_echo_reply(US, HOST);
}

static void error_in(
	uint8_t type, uint8_t code, uint32_t value, const char *from, uint8_t next, uint16_t quoted)
{
	uint8_t icmp[8 + 60] = {type, code}, q[100];
	size_t n;

	net_put32(icmp + 4, value);
	rig_frame6(q, mac_us, next, 64, from, "2001:db9::5", NULL, 0);
	memcpy(icmp + 8, q + 14, 40);
	net_put16(icmp + 12, 1400);
	net_put16(icmp + 48, 443);
	net_put16(icmp + 50, 50000);
	net_put32(icmp + 52, 0xfffffff0);
	n = rig_frame6(frame, mac_us, 58, 64, HOST, US, icmp, (uint16_t)(8 + quoted));
	rig_fix_icmp6(frame, 54, n);
	rig_input(frame, n);
}

static void expect_told(uint32_t mtu, bool hard)
{
	assert_int_equal(rig_told.calls, 1);
	assert_int_equal(rig_told.mtu, mtu);
	assert_int_equal(rig_told.hard, hard);
	rig_told.calls = 0;
}

static void errors_about_our_segments(void **state)
{
	struct ipaddr us = rig_ip6(US), far = rig_ip6("2001:db9::5");
	uint16_t i;

	netif_on_icmp_error(rig.n, rig_tell, NULL);
	error_in(2, 0, 1280, US, 6, 48);
	assert_true(ipaddr_equal(&rig_told.local, &us));
	assert_true(ipaddr_equal(&rig_told.remote, &far));
	assert_int_equal(rig_told.lport, 443);
	assert_int_equal(rig_told.rport, 50000);
	assert_int_equal(rig_told.seq, 0xfffffff0);
	expect_told(1280, false);
	error_in(1, 4, 0, US, 6, 48);
	expect_told(0, true);
	error_in(1, 0, 0, US, 6, 48);
	expect_told(0, false);
	error_in(4, 1, 0, US, 6, 60);
	expect_told(0, true);
	error_in(2, 0, 1279, US, 6, 48);            // RFC 8201 4
	error_in(2, 0, 1400, "2001:db8::9", 6, 48); // not from us
	error_in(2, 0, 1400, US, 17, 48);           // not TCP
	for (i = 0; i < 48; i++)
		error_in(2, 0, 1400, US, 6, i);
	assert_int_equal(rig_told.calls, 0);
	assert_int_equal(rig.nb_tx, 0);
}

// What switches with multicast snooping need to hear, or neighbours cannot find us.
static void groups_are_reported(void **state)
{
	static const uint8_t want[] = {0x33, 0x33, 0, 0, 0, 0x16, 2, 0, 0, 0, 0, 1, 0x86, 0xdd,
		0x60, 0, 0, 0, 0, 36, 0, 1, 0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe, 0, 0,
		1, 0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x16, 58, 0, 5, 2, 0, 0, 1, 0,
		143, 0, 0, 0, 0, 0, 0, 1, 4, 0, 0, 0, 0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff,
		0, 0, 1};
	uint8_t got[sizeof(want)], query[24] = {130, 0, 0, 0, 0, 100}, i;
	struct rte_mbuf *m;
	size_t n;

	mld_join(rig.n, rig.now);
	netif_flush(rig.n);
	m = rig_sent();
	assert_int_equal(m->data_len, sizeof(want));
	memcpy(got, rte_pktmbuf_mtod(m, void *), sizeof(got));
	assert_int_equal(cksum_of6((const struct rte_ipv6_hdr *)(got + 14), got + 62, 28, 58), 0);
	memset(got + 64, 0, 2);
	assert_memory_equal(got, want, sizeof(want));
	rte_pktmbuf_free(m);
	rig_pass(S + 10000); // once more
	m = rig_sent();
	assert_int_equal(*rte_pktmbuf_mtod_offset(m, uint8_t *, 70), 2); // as a state, not a change
	rte_pktmbuf_free(m);
	rig_pass(100 * S);
	assert_int_equal(rig.nb_tx, 0);
	for (i = 0; i < 50; i++) { // many queries, one answer
		n = rig_frame6(frame, mac_nodes, 58, 1, HOST_LL, ALL_NODES, query, 24);
		rig_fix_icmp6(frame, 54, n);
		rig_input(frame, n);
		assert_int_equal(rig.nb_tx, 0);
	}
	rig_pass(110000);
	rte_pktmbuf_free(rig_sent());
	for (i = 0; i < 200; i++) { // queries without end do not put the answer off
		n = rig_frame6(frame, mac_nodes, 58, 1, HOST_LL, ALL_NODES, query, 24);
		rig_fix_icmp6(frame, 54, n);
		rig_input(frame, n);
		rig_pass(10000);
	}
	assert_true(rig.nb_tx >= 10);
	rig_pass(S);
	rig_free_tx();
	rig_pass(S);
	n = rig_frame6(frame, mac_nodes, 58, 1, HOST, ALL_NODES, query, 24); // not link-local
	rig_fix_icmp6(frame, 54, n);
	rig_input(frame, n);
	n = rig_frame6(frame, mac_nodes, 58, 2, HOST_LL, ALL_NODES, query, 24); // not from here
	rig_fix_icmp6(frame, 54, n);
	rig_input(frame, n);
	n = rig_frame6(frame, mac_nodes, 58, 1, HOST_LL, ALL_NODES, query, 23);
	rig_fix_icmp6(frame, 54, n);
	rig_input(frame, n);
	rig_pass(2 * S);
	assert_int_equal(rig.nb_tx, 0);
}

static void without_ipv6(void **state)
{
	rig_teardown(NULL);
	rig_conf();
	rig.conf.has6 = false;
	rig_start();
	rig_input(frame, nd(mac_group, HOST, US_GROUP, NS, 0, US, mac_host));
	expect_nothing();
	rig_output(packet(HOST, 10));
	expect_nothing();
	assert_int_equal(CNT(rx_not_ours), 1);
	assert_int_equal(CNT(tx_no_route), 1);
}

static void prefixes(void **state)
{
	struct ipaddr a = rig_ip6("2001:db8:0:0:8000::1"), b = rig_ip6("2001:db8:0:1::1"),
		      ll = rig_ip6("febf::1"), no = rig_ip6("fec0::1");
	unsigned int plen;

	for (plen = 0; plen <= 128; plen++) {
		rig.n->c.plen6 = (uint8_t)plen;
		assert_int_equal(netif_onlink6(rig.n, &a), plen <= 64);
		assert_int_equal(netif_onlink6(rig.n, &b), plen <= 63);
		assert_true(netif_onlink6(rig.n, &rig.conf.addr6));
		assert_true(netif_onlink6(rig.n, &ll));
		assert_int_equal(netif_onlink6(rig.n, &no), plen == 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {NETIF_TEST(solicitation_is_answered),
		NETIF_TEST(sessions_are_answered_for), NETIF_TEST(duplicates_of_sessions_are_told),
		NETIF_TEST(answers_to_all_are_bounded), NETIF_TEST(others_are_forwarded),
		NETIF_TEST(duplicate_address_detection_is_told), NETIF_TEST(invalid_messages),
		NETIF_TEST(resolution), NETIF_TEST(advertisements),
		NETIF_TEST(unreachable_neighbour_is_probed), NETIF_TEST(tcp_and_extension_headers),
		NETIF_TEST(refused_with_an_error), NETIF_TEST(no_error_where_none_may_be),
		NETIF_TEST(echo_is_answered), NETIF_TEST(errors_about_our_segments),
		NETIF_TEST(groups_are_reported), NETIF_TEST(without_ipv6), NETIF_TEST(prefixes)};

	net_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
