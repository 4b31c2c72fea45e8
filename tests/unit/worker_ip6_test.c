// SPDX-License-Identifier: BSD-3-Clause
// IPv6 inside, in a worker: both ways, what is dropped, what is answered, what goes to the control
// plane.
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <rte_tcp.h>

#include "dataplane/cksum.h"
#include "dataplane/forward.h"
#include "dataplane/forward6.h"
#include "dataplane/inner6.h"
#include "protocol/sstp/sstp.h"
#include "tests/unit/worker_rig.h"

#define P1 "2001:db8:1:1::"
#define A1 "2001:db8:1:1::5"
#define P2 "2001:db8:1:2::"
#define A2 "2001:db8:1:2::5"
#define PD "2001:db8:4000::"
#define HOST "2001:db8:f::10"
#define CORE "2001:db8:c::1"
#define OUR_LL "fe80::1:2:3:4"
#define PEER_LL "fe80::9"

static struct in6_addr ip6(const char *text)
{
	struct in6_addr a;

	assert_int_equal(inet_pton(AF_INET6, text, &a), 1);
	return a;
}

static struct rig *make_rig(void)
{
	struct rig *r = rig_create(0x0304, TLS_AEAD_AES_256_GCM);
	struct in6_addr core = ip6(CORE);

	r->w->core_has6 = true;
	r->w->core_addr6 = ipaddr_from6(&core);
	return r;
}

static void open6(
	struct rig *r, struct rig_client *c, uint32_t inner, const char *prefix, uint16_t mtu)
{
	struct dp_msg *m = rig_msg(r, DP_CMD_OPEN_DATA, c->handle);
	struct in6_addr p = prefix ? ip6(prefix) : in6addr_any;

	m->u.open.inner = inner;
	m->u.open.local = IP4(10, 0, 0, 1);
	m->u.open.mtu = mtu;
	m->u.open.mss_clamp = (uint16_t)(mtu - 40);
	m->u.open.plen6 = prefix ? 64 : 0;
	m->u.open.prefix6 = p;
	m->u.open.local_ll = ip6(OUR_LL);
	m->u.open.inner_ll = ip6(PEER_LL);
	rig_command(r, m);
	if (prefix)
		assert_int_equal(dp_prefix_publish(r->ch, &p, 64, 0, c->handle), 0);
}

// A packet of len bytes in all, of the protocol, its payload a pattern.
static uint16_t make(
	uint8_t *out, uint16_t len, const char *src, const char *dst, uint8_t hops, uint8_t proto)
{
	struct in6_addr s = ip6(src), d = ip6(dst);

	memset(out, 0, 40);
	out[0] = 0x60;
	out[4] = (uint8_t)((len - 40) >> 8);
	out[5] = (uint8_t)(len - 40);
	out[6] = proto;
	out[7] = hops;
	memcpy(out + 8, &s, 16);
	memcpy(out + 24, &d, 16);
	for (uint16_t i = 40; i < len; i++)
		out[i] = (uint8_t)(i * 7);
	return len;
}

static void set_icmp(uint8_t *p, uint16_t len, uint8_t type)
{
	uint16_t sum;

	p[40] = type;
	p[41] = p[42] = p[43] = 0;
	sum = cksum_of6((struct rte_ipv6_hdr *)p, p + 40, (uint16_t)(len - 40), IPPROTO_ICMPV6);
	memcpy(p + 42, &sum, 2);
}

static void send_up(struct rig *r, struct rig_client *c, const uint8_t *packet, uint16_t len)
{
	uint8_t sstp[4096];
	uint16_t n = rig_sstp_data(sstp, packet, len);

	sstp[7] = 0x57;
	rig_send_record(r, c, TLS_CT_APPLICATION_DATA, sstp, n);
	rig_run(r, 2000);
}

static void from_core(struct rig *r, const uint8_t *packet, uint16_t len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(r->w->pool);

	assert_non_null(m);
	m->data_off += 14;
	memcpy(rte_pktmbuf_append(m, len), packet, len);
	m->l3_len = 40;
	r->w->now_us = r->now_us;
	forward6_down(r->w, &m, 1);
	forward_core_flush(r->w);
	rig_run(r, 2000);
}

// The only packet that went to core since, or NULL.
static const uint8_t *core_packet(struct rig *r, uint16_t *len)
{
	static uint8_t buf[4096];

	if (!r->nb_core)
		return NULL;
	assert_int_equal(r->nb_core, 1);
	*len = r->core[0]->data_len;
	memcpy(buf, rte_pktmbuf_mtod(r->core[0], void *), *len);
	rte_pktmbuf_free(r->core[0]);
	r->nb_core = 0;
	return buf;
}

// The next packet the client gets, which must be IPv6's, or NULL.
static const uint8_t *client_packet(struct rig *r, struct rig_client *c, uint16_t *len)
{
	static uint8_t buf[4200];

	*len = rig_take_sstp(r, c, buf);
	if (!*len)
		return NULL;
	assert_memory_equal(buf + 4, "\xff\x03\x00\x57", 4);
	*len = (uint16_t)(*len - 8);
	return buf + 8;
}

static void expect_icmp(
	const uint8_t *p, const uint16_t *len, uint8_t type, uint8_t code, const char *from)
{
	struct in6_addr src = ip6(from);

	assert_non_null(p);
	assert_true(*len >= 48 && p[6] == IPPROTO_ICMPV6);
	assert_int_equal(p[40], type);
	assert_int_equal(p[41], code);
	assert_memory_equal(p + 8, &src, 16);
	assert_int_equal(cksum_of6((const struct rte_ipv6_hdr *)p, p + 40, (uint16_t)(*len - 40),
				 IPPROTO_ICMPV6),
		0);
}

static void nothing_more(struct rig *r, struct rig_client *c)
{
	uint16_t len;

	assert_null(core_packet(r, &len));
	assert_null(client_packet(r, c, &len));
	assert_null(rig_event(r, DP_EV_RX_SSTP));
}

static void withdraw(struct rig *r, struct rig_client *c, const char *prefix, uint8_t plen)
{
	struct in6_addr p = ip6(prefix);

	assert_int_equal(dp_prefix_withdraw(r->ch, &p, plen, c->handle), 0);
}

// Both ways, beside IPv4 in the same session, one byte of hop limit less.
static void both_ways(void **state)
{
	struct rig *r = make_rig();
	struct rig_client *c = rig_connect_sstp(r);
	uint8_t pkt[1460], v4[200];
	const uint8_t *got;
	uint16_t len;

	open6(r, c, IP4(10, 0, 0, 2), P1, 1460);
	assert_int_equal(dp_address_publish(r->ch, IP4(10, 0, 0, 2), c->handle), 0);
	for (uint16_t n = 40; n <= 1460; n += 71) {
		make(pkt, n, A1, HOST, 64, 17);
		send_up(r, c, pkt, n);
		got = core_packet(r, &len);
		assert_non_null(got);
		assert_int_equal(len, n);
		assert_int_equal(got[7], 63);
		pkt[7] = 63;
		assert_memory_equal(got, pkt, n);

		make(pkt, n, HOST, A1, 64, 17);
		from_core(r, pkt, n);
		got = client_packet(r, c, &len);
		assert_non_null(got);
		assert_int_equal(len, n);
		pkt[7] = 63;
		assert_memory_equal(got, pkt, n);
	}
	rig_packet(v4, 200, IP4(203, 0, 113, 5), IP4(10, 0, 0, 2), 64, false, 1);
	rig_core_in(r, v4, 200);
	rig_run(r, 2000);
	len = rig_take_sstp(r, c, pkt);
	assert_int_equal(len, 208);
	assert_memory_equal(pkt + 4, "\xff\x03\x00\x21", 4);
	assert_int_equal(rig_counter(r, CNT_inner_spoofed), 0);
	withdraw(r, c, P1, 64);
	dp_address_withdraw(r->ch, IP4(10, 0, 0, 2));
	rig_destroy(r);
}

// Small packets of both families share one record, each with its own protocol number.
static void mixed_record(void **state)
{
	struct rig *r = make_rig();
	struct rig_client *c = rig_connect_sstp(r);
	struct rte_mbuf *m[4];
	uint8_t pkt[4][80], out[4200];

	open6(r, c, IP4(10, 0, 0, 2), P1, 1400);
	assert_int_equal(dp_address_publish(r->ch, IP4(10, 0, 0, 2), c->handle), 0);
	for (int i = 0; i < 4; i++) {
		if (i & 1)
			rig_packet(pkt[i], 80, IP4(203, 0, 113, 5), IP4(10, 0, 0, 2), 64, false, 1);
		else
			make(pkt[i], 80, HOST, A1, 64, 17);
		m[i] = rte_pktmbuf_alloc(r->w->pool);
		assert_non_null(m[i]);
		m[i]->data_off += 14;
		memcpy(rte_pktmbuf_append(m[i], 80), pkt[i], 80);
		m[i]->l3_len = i & 1 ? 20 : 40;
	}
	r->w->now_us = r->now_us;
	for (int i = 0; i < 4; i++)
		(i & 1 ? forward_down : forward6_down)(r->w, &m[i], 1);
	rig_run(r, 2000);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(rig_take_sstp(r, c, out), 88);
		assert_int_equal(out[7], i & 1 ? 0x21 : 0x57);
		assert_int_equal(out[8] >> 4, i & 1 ? 4 : 6);
	}
	withdraw(r, c, P1, 64);
	dp_address_withdraw(r->ch, IP4(10, 0, 0, 2));
	rig_destroy(r);
}

// Sources of others, link-local and multicast ones get nowhere.
static void spoofed(void **state)
{
	static const char *const sources[] = {A2, "2001:db8:1:1:ffff::", "::", "::1", "fe80::9",
		"ff02::1", "::ffff:10.0.0.2", CORE, "2001:db8:1:0:ffff::1"};
	struct rig *r = make_rig();
	struct rig_client *c = rig_connect_sstp(r);
	uint8_t pkt[100];
	uint16_t len;

	open6(r, c, IP4(10, 0, 0, 2), P1, 1400);
	for (unsigned int i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
		if (i == 1)
			continue; // in the prefix: the client's own affair
		make(pkt, 100, sources[i], HOST, 64, 17);
		send_up(r, c, pkt, 100);
		nothing_more(r, c);
		assert_true(rig_counter(r, CNT_inner_spoofed) >= i);
	}
	make(pkt, 100, sources[1], HOST, 64, 17);
	send_up(r, c, pkt, 100);
	assert_non_null(core_packet(r, &len));
	withdraw(r, c, P1, 64);
	rig_destroy(r);
}

// A delegated prefix is the session's own, both ways, until it is withdrawn.
static void delegated(void **state)
{
	struct rig *r = make_rig();
	struct rig_client *c = rig_connect_sstp(r);
	struct in6_addr pd = ip6(PD);
	uint8_t pkt[100];
	uint16_t len;

	open6(r, c, 0, P1, 1400);
	make(pkt, 100, "2001:db8:4000:12::7", HOST, 64, 17);
	send_up(r, c, pkt, 100);
	nothing_more(r, c);
	assert_int_equal(dp_prefix_publish(r->ch, &pd, 56, 0, c->handle), 0);
	send_up(r, c, pkt, 100);
	assert_non_null(core_packet(r, &len));
	make(pkt, 100, HOST, "2001:db8:4000:12::7", 64, 17);
	from_core(r, pkt, 100);
	assert_non_null(client_packet(r, c, &len));
	withdraw(r, c, PD, 56);
	from_core(r, pkt, 100);
	assert_null(client_packet(r, c, &len));
	expect_icmp(core_packet(r, &len), &len, ICMP6_UNREACHABLE, ICMP6_NO_ROUTE, CORE);
	withdraw(r, c, P1, 64);
	rig_destroy(r);
}

static void between_sessions(void **state)
{
	struct rig *r = make_rig();
	struct rig_client *a = rig_connect_sstp(r), *b = rig_connect_sstp(r);
	uint8_t pkt[100];
	const uint8_t *got;
	uint16_t len;

	open6(r, a, 0, P1, 1400);
	open6(r, b, IP4(10, 0, 0, 3), P2, 1400);
	make(pkt, 100, A1, A2, 64, 17);
	send_up(r, a, pkt, 100);
	got = client_packet(r, b, &len);
	assert_non_null(got);
	assert_int_equal(got[7], 63);
	assert_int_equal(rig_counter(r, CNT_fwd_hairpin), 1);
	// Its own prefix, where nobody is: it does not come back.
	make(pkt, 100, A1, "2001:db8:1:1::99", 64, 17);
	send_up(r, a, pkt, 100);
	expect_icmp(client_packet(r, a, &len), &len, ICMP6_UNREACHABLE, ICMP6_ADDRESS, CORE);
	nothing_more(r, a);
	withdraw(r, a, P1, 64);
	withdraw(r, b, P2, 64);
	rig_destroy(r);
}

static void errors(void **state)
{
	struct rig *r = make_rig();
	struct rig_client *c = rig_connect_sstp(r);
	uint8_t pkt[1500];
	const uint8_t *got;
	uint16_t len;

	open6(r, c, IP4(10, 0, 0, 2), P1, 1400);
	for (uint8_t hops = 0; hops < 2; hops++) {
		make(pkt, 100, A1, HOST, hops, 17);
		send_up(r, c, pkt, 100);
		got = client_packet(r, c, &len);
		expect_icmp(got, &len, ICMP6_TIME_EXCEEDED, 0, CORE);
		assert_memory_equal(got + 48, pkt, 100);
		make(pkt, 100, HOST, A1, hops, 17);
		from_core(r, pkt, 100);
		expect_icmp(core_packet(r, &len), &len, ICMP6_TIME_EXCEEDED, 0, CORE);
		nothing_more(r, c);
	}
	// Too big for the session: quoted as much as fits 1280 bytes.
	make(pkt, 1401, HOST, A1, 64, 17);
	from_core(r, pkt, 1401);
	got = core_packet(r, &len);
	expect_icmp(got, &len, ICMP6_PACKET_TOO_BIG, 0, CORE);
	assert_int_equal(len, 1280);
	assert_int_equal(got[46] << 8 | got[47], 1400);
	assert_null(client_packet(r, c, &len));
	// No error about an error.
	make(pkt, 100, HOST, A1, 1, IPPROTO_ICMPV6);
	set_icmp(pkt, 100, ICMP6_UNREACHABLE);
	from_core(r, pkt, 100);
	nothing_more(r, c);
	// Without IPv6 on core there is no way out, and the client is told.
	r->w->core_has6 = false;
	make(pkt, 100, A1, HOST, 64, 17);
	send_up(r, c, pkt, 100);
	expect_icmp(client_packet(r, c, &len), &len, ICMP6_UNREACHABLE, ICMP6_NO_ROUTE, OUR_LL);
	withdraw(r, c, P1, 64);
	rig_destroy(r);
}

// Too big for another session, with IPv6 between sessions alone: the sender learns it.
static void too_big_between_sessions(void **state)
{
	struct rig *r = make_rig();
	struct rig_client *a = rig_connect_sstp(r), *b = rig_connect_sstp(r);
	const uint8_t *got;
	uint8_t pkt[1500];
	uint16_t len;

	open6(r, a, IP4(10, 0, 0, 2), P1, 1400);
	open6(r, b, IP4(10, 0, 0, 3), P2, 1300);
	r->w->core_has6 = false;
	make(pkt, 1400, A1, A2, 64, 17);
	send_up(r, a, pkt, 1400);
	got = client_packet(r, a, &len);
	expect_icmp(got, &len, ICMP6_PACKET_TOO_BIG, 0, OUR_LL);
	assert_int_equal(got[46] << 8 | got[47], 1300);
	nothing_more(r, b);
	withdraw(r, a, P1, 64);
	withdraw(r, b, P2, 64);
	rig_destroy(r);
}

// An answer above what the client takes is none.
static void ping_too_big(void **state)
{
	struct rig *r = make_rig();
	struct rig_client *c = rig_connect_sstp(r);
	uint8_t pkt[1500];
	uint16_t len;

	open6(r, c, IP4(10, 0, 0, 2), P1, 1300);
	for (uint16_t n = 1300; n < 1302; n++) {
		make(pkt, n, PEER_LL, OUR_LL, 64, IPPROTO_ICMPV6);
		set_icmp(pkt, n, ICMP6_ECHO_REQUEST);
		send_up(r, c, pkt, n);
		assert_int_equal(client_packet(r, c, &len) != NULL, n == 1300);
	}
	assert_int_equal(rig_counter(r, CNT_inner_too_big), 1);
	withdraw(r, c, P1, 64);
	rig_destroy(r);
}

// Packets that wait when IPv6 is taken away go with it, and not as IPv4.
static void closed_while_waiting(void **state)
{
	struct rig *r = make_rig();
	struct rig_client *c = rig_connect_sstp(r);
	uint32_t snd_max = r->w->snd_max;
	uint8_t pkt[1500];
	struct dp_msg *m;

	open6(r, c, IP4(10, 0, 0, 2), P1, 1400);
	r->w->snd_max = 0;
	make(pkt, 400, HOST, A1, 64, 17);
	from_core(r, pkt, 400);
	assert_int_equal(r->w->txq_held, 1);
	withdraw(r, c, P1, 64);
	open6(r, c, IP4(10, 0, 0, 2), P1, 1400); // the same again
	assert_int_equal(r->w->txq_held, 1);
	m = rig_msg(r, DP_CMD_OPEN_DATA, c->handle);
	m->u.open.inner = IP4(10, 0, 0, 2);
	m->u.open.mtu = 1400;
	rig_command(r, m);
	r->w->snd_max = snd_max;
	rig_run(r, 5000);
	assert_int_equal(c->in_len, 0);
	assert_int_equal(r->w->txq_held, 0);
	withdraw(r, c, P1, 64);
	rig_destroy(r);
}

static void malformed(void **state)
{
	struct rig *r = make_rig();
	struct rig_client *c = rig_connect_sstp(r);
	uint8_t pkt[100];
	uint16_t len;

	open6(r, c, IP4(10, 0, 0, 2), P1, 1400);
	for (uint16_t n = 1; n < 100; n++) {
		make(pkt, 100, A1, HOST, 64, 17);
		send_up(r, c, pkt, n);
		assert_null(core_packet(r, &len));
	}
	assert_int_equal(rig_counter(r, CNT_inner_malformed), 99);
	pkt[0] = 0x45;
	send_up(r, c, pkt, 100);
	assert_int_equal(rig_counter(r, CNT_inner_malformed), 100);
	// What is behind its own length is padding.
	make(pkt, 60, A1, HOST, 64, 17);
	send_up(r, c, pkt, 100);
	assert_non_null(core_packet(r, &len));
	assert_int_equal(len, 60);
	withdraw(r, c, P1, 64);
	rig_destroy(r);
}

static void expect_punt(struct rig *r, const uint8_t *pkt, uint16_t len)
{
	struct dp_msg *m = rig_expect(r, DP_EV_RX_SSTP);

	assert_int_equal(m->len, len + 8);
	assert_memory_equal(m->data, "\x10\x00", 2);
	assert_int_equal(m->data[2] << 8 | m->data[3], len + 8);
	assert_memory_equal(m->data + 4, "\xff\x03\x00\x57", 4);
	assert_memory_equal(m->data + 8, pkt, len);
	dp_msg_free(r->ch, m);
}

// What is for this end of the link.
static void for_this_end(void **state)
{
	struct rig *r = make_rig();
	struct rig_client *c = rig_connect_sstp(r);
	uint8_t pkt[100];
	const uint8_t *got;
	uint16_t len;

	open6(r, c, IP4(10, 0, 0, 2), P1, 1400);
	make(pkt, 48, PEER_LL, "ff02::2", 255, IPPROTO_ICMPV6);
	set_icmp(pkt, 48, ICMP6_ROUTER_SOLICIT);
	send_up(r, c, pkt, 48);
	expect_punt(r, pkt, 48);
	make(pkt, 48, "::", "ff02::2", 255, IPPROTO_ICMPV6);
	set_icmp(pkt, 48, ICMP6_ROUTER_SOLICIT);
	send_up(r, c, pkt, 48);
	expect_punt(r, pkt, 48);
	make(pkt, 64, PEER_LL, "ff02::1:ff03:4", 255, IPPROTO_ICMPV6);
	set_icmp(pkt, 64, ICMP6_NEIGHBOUR_SOLICIT);
	send_up(r, c, pkt, 64);
	expect_punt(r, pkt, 64);
	make(pkt, 80, PEER_LL, "ff02::1:2", 1, 17);
	memcpy(pkt + 40, "\x02\x22\x02\x23", 4);
	send_up(r, c, pkt, 80);
	expect_punt(r, pkt, 80);
	// Another port, another group, another link-local address: nothing.
	pkt[43] = 0x24;
	send_up(r, c, pkt, 80);
	make(pkt, 60, PEER_LL, "ff02::16", 1, IPPROTO_ICMPV6);
	send_up(r, c, pkt, 60);
	make(pkt, 60, PEER_LL, "fe80::77", 64, IPPROTO_ICMPV6);
	set_icmp(pkt, 60, ICMP6_ECHO_REQUEST);
	send_up(r, c, pkt, 60);
	make(pkt, 48, A2, "ff02::2", 255, IPPROTO_ICMPV6);
	set_icmp(pkt, 48, ICMP6_ROUTER_SOLICIT);
	send_up(r, c, pkt, 48);
	nothing_more(r, c);
	assert_int_equal(rig_counter(r, CNT_inner_spoofed), 1);

	// Ping: link-local, all nodes, the router's own address.
	static const char *const asked[] = {OUR_LL, "ff02::1", CORE};
	static const char *const from[] = {OUR_LL, OUR_LL, CORE};
	static const char *const by[] = {PEER_LL, PEER_LL, A1};

	for (int i = 0; i < 3; i++) {
		make(pkt, 100, by[i], asked[i], 64, IPPROTO_ICMPV6);
		set_icmp(pkt, 100, ICMP6_ECHO_REQUEST);
		send_up(r, c, pkt, 100);
		got = client_packet(r, c, &len);
		expect_icmp(got, &len, ICMP6_ECHO_REPLY, 0, from[i]);
		assert_int_equal(len, 100);
		assert_memory_equal(got + 44, pkt + 44, 56);
		pkt[50] ^= 1; // its checksum is wrong now
		send_up(r, c, pkt, 100);
		nothing_more(r, c);
	}
	withdraw(r, c, P1, 64);
	rig_destroy(r);
}

// A flood of solicitations costs the control plane no more than its share, and the session lives.
static void flood(void **state)
{
	struct rig *r = make_rig();
	struct rig_client *c = rig_connect_sstp(r);
	unsigned int n = 0;
	struct dp_msg *m;
	uint8_t pkt[48];

	open6(r, c, IP4(10, 0, 0, 2), P1, 1400);
	make(pkt, 48, PEER_LL, "ff02::2", 255, IPPROTO_ICMPV6);
	set_icmp(pkt, 48, ICMP6_ROUTER_SOLICIT);
	for (int i = 0; i < 1000; i++) {
		uint8_t sstp[64];

		rig_sstp_data(sstp, pkt, 48);
		sstp[7] = 0x57;
		rig_send_record(r, c, TLS_CT_APPLICATION_DATA, sstp, 56);
	}
	rig_run(r, 20000);
	while ((m = rig_event(r, DP_EV_RX_SSTP))) {
		dp_msg_free(r->ch, m);
		n++;
	}
	assert_true(n >= 100 && n < 700);
	assert_non_null(c->conn);
	assert_null(rig_event(r, DP_EV_CLOSED));
	withdraw(r, c, P1, 64);
	rig_destroy(r);
}

// IPv6 that is not open, and IPv4 that is not.
static void not_open(void **state)
{
	struct rig *r = make_rig();
	struct rig_client *a = rig_connect_sstp(r), *b = rig_connect_sstp(r);
	uint8_t pkt[100], sstp[200];
	uint16_t len;

	rig_open_data(r, a, IP4(10, 0, 0, 2), 1400, 0);
	make(pkt, 100, A1, HOST, 64, 17);
	send_up(r, a, pkt, 100);
	nothing_more(r, a);
	assert_int_equal(rig_counter(r, CNT_ppp_rx_early_data), 1);
	open6(r, b, 0, P2, 1400);
	rig_packet(pkt, 100, 0, IP4(203, 0, 113, 5), 64, false, 1); // from 0.0.0.0
	rig_send_record(r, b, TLS_CT_APPLICATION_DATA, sstp, rig_sstp_data(sstp, pkt, 100));
	rig_run(r, 2000);
	nothing_more(r, b);
	assert_int_equal(rig_counter(r, CNT_ppp_rx_early_data), 2);
	make(pkt, 100, A2, HOST, 64, 17);
	send_up(r, b, pkt, 100);
	assert_non_null(core_packet(r, &len));
	// Closed, a stale entry of the table leads nowhere.
	rig_command(r, rig_msg(r, DP_CMD_CLOSE_DATA, b->handle));
	make(pkt, 100, HOST, A2, 64, 17);
	from_core(r, pkt, 100);
	nothing_more(r, b);
	withdraw(r, b, P2, 64);
	rig_destroy(r);
}

// A SYN's MSS both ways: 60 bytes of headers.
static void mss(void **state)
{
	struct rig *r = make_rig();
	struct rig_client *c = rig_connect_sstp(r);
	const uint8_t *got;
	uint8_t pkt[64];
	uint16_t len;

	open6(r, c, 0, P1, 1300);
	for (int up = 0; up < 2; up++) {
		struct rte_tcp_hdr *tcp = (struct rte_tcp_hdr *)(pkt + 40);

		make(pkt, 64, up ? A1 : HOST, up ? HOST : A1, 64, IPPROTO_TCP);
		memset(tcp, 0, 24);
		tcp->data_off = 6 << 4;
		tcp->tcp_flags = RTE_TCP_SYN_FLAG;
		memcpy(pkt + 60, "\x02\x04\x05\xb4", 4);
		tcp->cksum = cksum_of6((struct rte_ipv6_hdr *)pkt, tcp, 24, IPPROTO_TCP);
		if (up)
			send_up(r, c, pkt, 64);
		else
			from_core(r, pkt, 64);
		got = up ? core_packet(r, &len) : client_packet(r, c, &len);
		assert_non_null(got);
		assert_int_equal(got[62] << 8 | got[63], 1240);
		assert_int_equal(
			cksum_of6((const struct rte_ipv6_hdr *)got, got + 40, 24, IPPROTO_TCP), 0);
	}
	withdraw(r, c, P1, 64);
	rig_destroy(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_ways),
		cmocka_unit_test(mixed_record),
		cmocka_unit_test(spoofed),
		cmocka_unit_test(delegated),
		cmocka_unit_test(between_sessions),
		cmocka_unit_test(errors),
		cmocka_unit_test(too_big_between_sessions),
		cmocka_unit_test(ping_too_big),
		cmocka_unit_test(closed_while_waiting),
		cmocka_unit_test(malformed),
		cmocka_unit_test(for_this_end),
		cmocka_unit_test(flood),
		cmocka_unit_test(not_open),
		cmocka_unit_test(mss),
	};

	rig_eal();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
