// SPDX-License-Identifier: BSD-3-Clause
// Multilink on a session's one link, through a worker: fragments both ways, what is missing, what
// is too much, and who gives way.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <rte_icmp.h>
#include <rte_ip.h>

#include "dataplane/session_mp.h"
#include "protocol/sstp/sstp.h"
#include "tests/unit/worker_rig.h"

#define IN_1 IP4(10, 0, 0, 2)
#define IN_2 IP4(10, 0, 0, 3)
#define HOST IP4(203, 0, 113, 5)
#define LOCAL IP4(10, 0, 0, 1)
#define MTU 1400

static struct rig *r;
static struct session_mp_pool *pool;

static uint32_t rnd(uint32_t *s)
{
	*s = *s * 1664525 + 1013904223;
	return *s >> 8;
}

static uint64_t counter(enum counter c)
{
	return r->w->counters.v[c];
}

static void start(uint16_t mrru, uint32_t nb_mbufs)
{
	r = rig_create(0x0304, TLS_AEAD_AES_256_GCM);
	pool = session_mp_pool_create(0, RIG_SESSIONS, mrru, r->w->mbuf_room, nb_mbufs);
	assert_non_null(pool);
	r->w->mp = pool;
}

static void stop(void)
{
	rig_destroy(r);
	assert_int_equal(rte_mempool_in_use_count(pool->states), 0);
	if (pool->large)
		assert_int_equal(rte_mempool_in_use_count(pool->large), 0);
	assert_int_equal(pool->parts[0].n + pool->parts[1].n, 0);
	session_mp_pool_destroy(pool);
}

static void set_mp(struct rig_client *c, uint16_t tx_mrru, uint16_t rx_mrru, uint8_t flags)
{
	struct dp_msg *m = rig_msg(r, DP_CMD_SET_MP, c->handle);

	m->u.mp = (struct dp_mp){.tx_mrru = tx_mrru, .rx_mrru = rx_mrru, .flags = flags};
	rig_command(r, m);
}

static struct rig_client *dial(uint32_t inner, uint16_t tx_mrru, uint16_t rx_mrru, uint8_t flags)
{
	struct rig_client *c = rig_connect_sstp(r);
	struct dp_msg *m;

	set_mp(c, tx_mrru, rx_mrru, flags);
	m = rig_msg(r, DP_CMD_OPEN_DATA, c->handle);
	c->inner = inner;
	m->u.open.inner = inner;
	m->u.open.local = LOCAL;
	m->u.open.mtu = MTU;
	m->u.open.mp = (struct dp_mp){.tx_mrru = tx_mrru, .rx_mrru = rx_mrru, .flags = flags};
	rig_command(r, m);
	assert_int_equal(dp_address_publish(r->ch, inner, c->handle), 0);
	return c;
}

// ---- the client's side

static uint32_t seq;

// One fragment in an SSTP packet. Returns its length.
static uint16_t put_fragment(
	uint8_t *out, uint32_t number, const char *bits, const void *p, uint32_t n, bool short_seq)
{
	struct ppp_mp_tx tx = {.seq = number, .short_seq = short_seq};
	uint32_t len = 8 + (uint32_t)ppp_mp_header_len(short_seq) + n;

	sstp_put_hdr(out, false, (uint16_t)len);
	memcpy(out + 4, "\xff\x03\x00\x3d", 4);
	ppp_mp_send(&tx, strchr(bits, 'B'), strchr(bits, 'E'), out + 8);
	memcpy(out + len - n, p, n);
	return (uint16_t)len;
}

static void send_fragment(struct rig_client *c, const char *bits, const void *p, uint32_t n)
{
	uint8_t out[SSTP_MAX_PACKET];

	rig_send_record(
		r, c, TLS_CT_APPLICATION_DATA, out, put_fragment(out, seq++, bits, p, n, false));
}

// A frame in fragments of at most `most` bytes.
static void send_frame(struct rig_client *c, const uint8_t *frame, uint32_t n, uint32_t most)
{
	for (uint32_t at = 0; at < n; at += most) {
		char bits[3] = "";

		if (!at)
			strcat(bits, "B");
		if (n - at <= most)
			strcat(bits, "E");
		send_fragment(c, bits, frame + at, RTE_MIN(most, n - at));
		rig_run(r, 500);
	}
	rig_run(r, 5000);
}

// A UDP packet behind its protocol field. Returns the frame's length.
static uint32_t make_frame(uint8_t *out, uint16_t len, uint32_t src, uint32_t dst, bool df)
{
	out[0] = 0;
	out[1] = 0x21;
	rig_packet(out + 2, len, src, dst, 64, df, 7);
	return len + 2u;
}

// What the client gets: packets, bare or put together. Returns the length, 0: no whole one.
static uint32_t client_packet(struct rig_client *c, struct ppp_mp_rx *rx, uint8_t *out)
{
	uint8_t sstp[SSTP_MAX_PACKET];
	static uint8_t part[65600];
	uint16_t n;

	while ((n = rig_take_sstp(r, c, sstp))) {
		struct ppp_mp_header h;
		unsigned int told;
		uint32_t had = rx->len;
		uint8_t *p = sstp + 8;
		int off;

		assert_memory_equal(sstp + 4, "\xff\x03\x00", 3);
		if (sstp[7] == 0x21) {
			assert_true(n - 8 <= MTU);
			memcpy(out, p, n - 8u);
			return n - 8u;
		}
		assert_int_equal(sstp[7], 0x3d);
		assert_true(n - 8 <= MTU);
		off = ppp_mp_read(p, n - 8u, rx->short_seq, &h);
		assert_true(off > 0);
		p += off;
		n = (uint16_t)(n - 8 - off);
		switch (ppp_mp_receive(rx, &h, n, &told)) {
		case PPP_MP_START:
			had = 0;
			// fall through
		case PPP_MP_MORE:
			memcpy(part + had, p, n);
			break;
		case PPP_MP_LAST:
			memcpy(part + had, p, n);
			assert_memory_equal(part, "\x00\x21", 2);
			memcpy(out, part + 2, rx->len - 2);
			assert_int_equal(told, 0);
			return rx->len - 2;
		default:
			fail_msg("a fragment that belongs to nothing");
		}
		assert_int_equal(told, 0);
	}
	return 0;
}

static struct session *session_of(const struct rig_client *c)
{
	return &r->w->sessions[dp_handle_slot(c->handle)];
}

// ---- down

static void down(bool short_seq, uint16_t mrru)
{
	struct rig_client *c;
	struct ppp_mp_rx rx;
	uint8_t pkt[2200], got[65600];
	uint32_t s = 5, sent = 0, big = 0;
	uint64_t bytes = 0;

	start(1600, 8192);
	c = dial(IN_1, mrru, 0, short_seq ? DP_MP_TX_SHORT : 0);
	ppp_mp_rx_init(&rx, mrru, short_seq);
	for (int i = 0; i < 400; i++) {
		uint16_t len = (uint16_t)(i % 3 ? 60 + rnd(&s) % (mrru - 60) : mrru);

		rig_packet(pkt, len, HOST, IN_1, 64, i & 1, (uint32_t)i);
		rig_core_in(r, pkt, len);
		if (i % 5 == 0)
			rig_run(r, 1000);
		sent++;
		big += len > MTU;
		bytes += len;
	}
	rig_run(r, 100000);
	s = 5;
	for (int i = 0; i < 400; i++) {
		uint16_t len = (uint16_t)(i % 3 ? 60 + rnd(&s) % (mrru - 60) : mrru);

		rig_packet(pkt, len, HOST, IN_1, 63, i & 1, (uint32_t)i);
		assert_int_equal(client_packet(c, &rx, got), len);
		assert_memory_equal(got, pkt, len);
	}
	assert_int_equal(client_packet(c, &rx, got), 0);
	// Packets are counted, not fragments.
	assert_int_equal(session_of(c)->tx_packets, sent);
	assert_int_equal(session_of(c)->tx_bytes, bytes);
	assert_int_equal(counter(CNT_mp_tx_packets), big);
	assert_int_equal(counter(CNT_mp_tx_fragments), 2 * big);
	assert_true(big > 100);
	stop();
}

static void down_short_and_long(void **state)
{
	down(false, 1600);
	down(true, 1600);
	down(false, 2100);
}

// Above the MRRU it is as it is above an MTU.
static void down_above_mrru(void **state)
{
	struct rig_client *c;
	struct ppp_mp_rx rx;
	uint8_t pkt[2200], got[65600];
	const struct rte_ipv4_hdr *ip;
	uint32_t len, sum = 0;

	start(1600, 8192);
	c = dial(IN_1, 1500, 1600, 0);
	ppp_mp_rx_init(&rx, 1500, false);
	rig_packet(pkt, 1501, HOST, IN_1, 64, true, 1);
	rig_core_in(r, pkt, 1501);
	rig_run(r, 5000);
	assert_int_equal(client_packet(c, &rx, got), 0);
	assert_int_equal(r->nb_core, 1);
	ip = rte_pktmbuf_mtod(r->core[0], const struct rte_ipv4_hdr *);
	assert_int_equal(ip->src_addr, rte_cpu_to_be_32(LOCAL));
	assert_memory_equal((const uint8_t *)ip + 20, "\x03\x04", 2);
	assert_memory_equal((const uint8_t *)ip + 26, "\x05\xdc", 2); // 1500
	rig_packet(pkt, 2100, HOST, IN_1, 64, false, 1);
	rig_core_in(r, pkt, 2100);
	rig_run(r, 5000);
	while ((len = client_packet(c, &rx, got))) {
		assert_true(len <= 1500);
		sum += len - 20;
	}
	assert_int_equal(sum, 2080);
	stop();
}

// Clients with many small fragments that take nothing leave room in the queues to the others.
static void down_stalled(void **state)
{
	uint8_t pkt[2048], in[SSTP_MAX_PACKET];
	struct rig_client *c[6];

	start(2100, 8192);
	for (unsigned int i = 0; i < 6; i++) {
		struct dp_msg *m;

		c[i] = dial(IN_1 + i, 2100, 0, 0);
		m = rig_msg(r, DP_CMD_OPEN_DATA, c[i]->handle);
		m->u.open.inner = IN_1 + i;
		m->u.open.local = LOCAL;
		m->u.open.mtu = i < 5 ? 128 : MTU;
		m->u.open.mp = (struct dp_mp){.tx_mrru = 2100};
		rig_command(r, m);
	}
	// None is cut before its first fragment can go.
	r->w->snd_max = 0;
	for (unsigned int i = 0; i < 5; i++) {
		rig_packet(pkt, 2000, HOST, IN_1 + i, 64, true, 1);
		rig_core_in(r, pkt, 2000);
	}
	rig_run(r, 500);
	assert_int_equal(r->w->txq_held, 5);
	r->w->snd_max = 1000;
	r->w->txq_max = 64;
	r->hold_link = true;
	for (unsigned int n = 0; n < 100; n++) {
		for (unsigned int i = 0; i < 5; i++) {
			rig_packet(pkt, 2000, HOST, IN_1 + i, 64, true, 1);
			rig_core_in(r, pkt, 2000);
		}
		rig_run(r, 500);
		assert_true(r->w->txq_held < r->w->txq_max);
	}
	assert_true(counter(CNT_mp_tx_fragments) > 100);
	rig_packet(pkt, 500, HOST, IN_1 + 5, 64, true, 1);
	rig_core_in(r, pkt, 500);
	r->hold_link = false;
	rig_run(r, 2000);
	assert_int_equal(rig_take_sstp(r, c[5], in), 508);
	rig_run(r, 500000);
	stop();
}

// Without multilink towards the client nothing is sent in fragments.
static void down_one_way_only(void **state)
{
	uint8_t pkt[2200];
	struct rig_client *c;

	start(1600, 8192);
	c = dial(IN_1, 0, 1600, 0);
	rig_packet(pkt, 1401, HOST, IN_1, 64, true, 1);
	rig_core_in(r, pkt, 1401);
	rig_run(r, 5000);
	assert_int_equal(c->in_len, 0);
	assert_int_equal(r->nb_core, 1);
	assert_int_equal(counter(CNT_inner_too_big), 1);
	stop();
}

// A bundle made anew counts from 0; OPEN_DATA with the same one goes on.
static void numbers_begin_anew(void **state)
{
	uint8_t pkt[1500], sstp[SSTP_MAX_PACKET];
	struct rig_client *c;
	struct dp_msg *m;

	start(1600, 8192);
	c = dial(IN_1, 1600, 1600, 0);
	rig_packet(pkt, 1500, HOST, IN_1, 64, false, 1);
	for (uint32_t i = 0; i < 4; i++) {
		if (i == 1) {
			m = rig_msg(r, DP_CMD_OPEN_DATA, c->handle);
			m->u.open.inner = IN_1;
			m->u.open.local = LOCAL;
			m->u.open.mtu = MTU;
			m->u.open.mp = (struct dp_mp){.tx_mrru = 1600, .rx_mrru = 1600};
			rig_command(r, m);
		}
		if (i == 3)
			set_mp(c, 1600, 1600, 0);
		rig_core_in(r, pkt, 1500);
		rig_run(r, 5000);
		for (uint32_t k = 0; k < 2; k++) {
			assert_true(rig_take_sstp(r, c, sstp) > 12);
			assert_int_equal(sstp[11], i == 3 ? k : 2 * i + k);
			assert_int_equal(sstp[8], k ? 0x40 : 0x80);
		}
	}
	stop();
}

// ---- up

static void check_core(unsigned int i, const uint8_t *frame, uint32_t n)
{
	struct rte_mbuf *m = r->core[i];
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);

	assert_true(i < r->nb_core);
	assert_int_equal(m->pkt_len, n - 2);
	assert_int_equal(m->nb_segs, 1);
	assert_true(rte_pktmbuf_headroom(m) >= RTE_ETHER_HDR_LEN + 4);
	assert_int_equal(p[8], 63);
	assert_memory_equal(p + 12, frame + 2 + 12, n - 14);
}

// Cut in every way, and packed into records in every way.
static void up_any_cut(void **state)
{
	uint8_t frame[1602], stream[40000];
	struct rig_client *c;
	uint32_t s = 1, number = 0;
	unsigned int packets = 0;

	start(1600, 8192);
	c = dial(IN_1, 0, 1600, DP_MP_RX_SHORT);
	for (int round = 0; round < 60; round++) {
		uint32_t n = 0;

		for (int k = 0; k < 1 + (int)(rnd(&s) % 4); k++) {
			uint32_t len = make_frame(
				frame, (uint16_t)(60 + rnd(&s) % 1440), IN_1, HOST, false);
			uint32_t most = 1 + rnd(&s) % 1400, at = 0;

			if (most < 40)
				most = 40;
			if (rnd(&s) % 4 == 0)
				most = len;
			while (at < len) {
				uint32_t take = RTE_MIN(most, len - at);

				n += put_fragment(stream + n, number++ & 0xfff,
					at            ? at + take == len ? "E" : ""
					: take == len ? "BE"
						      : "B",
					frame + at, take, true);
				at += take;
			}
			packets++;
			if (n > 12000)
				break;
		}
		for (uint32_t at = 0; at < n;) {
			uint32_t take = 1 + rnd(&s) % 3000;

			take = RTE_MIN(take, n - at);
			rig_send_record(r, c, TLS_CT_APPLICATION_DATA, stream + at, take);
			at += take;
			rig_run(r, 500);
		}
		rig_run(r, 20000);
		assert_int_equal(r->nb_core, packets);
		check_core(packets - 1, frame, r->core[packets - 1]->pkt_len + 2);
	}
	assert_int_equal(counter(CNT_mp_rx_packets), packets);
	assert_int_equal(counter(CNT_mp_rx_gap) + counter(CNT_mp_rx_incomplete), 0);
	assert_int_equal(session_of(c)->rx_packets, packets);
	stop();
}

static void up_losses(void **state)
{
	uint8_t frame[1602];
	struct rig_client *c;
	uint32_t n;

	start(1600, 8192);
	c = dial(IN_1, 0, 1600, 0);
	n = make_frame(frame, 1500, IN_1, HOST, true);
	seq = 0;
	send_fragment(c, "B", frame, 1000); // its end is skipped
	seq++;
	send_fragment(c, "E", frame + 1000, n - 1000);
	rig_run(r, 20000);
	assert_int_equal(r->nb_core, 0);
	assert_int_equal(counter(CNT_mp_rx_gap), 1);
	assert_int_equal(counter(CNT_mp_rx_incomplete), 1);
	send_frame(c, frame, n, 700);
	assert_int_equal(r->nb_core, 1);
	send_fragment(c, "B", frame, 1000); // and once more with a beginning behind it
	send_frame(c, frame, n, 700);
	assert_int_equal(r->nb_core, 2);
	assert_int_equal(counter(CNT_mp_rx_incomplete), 2);
	seq = 0; // a peer that begins anew
	send_frame(c, frame, n, 700);
	assert_int_equal(r->nb_core, 3);
	send_frame(c, frame, n, n); // in one
	assert_int_equal(r->nb_core, 4);
	for (unsigned int i = 0; i < 4; i++)
		check_core(i, frame, n);
	assert_int_equal(session_of(c)->rx_drops, 2);
	stop();
}

static void up_hostile(void **state)
{
	uint8_t frame[4096] = {0}, out[SSTP_MAX_PACKET];
	struct rig_client *c;
	uint32_t n;

	start(1600, 8192);
	c = dial(IN_1, 0, 1600, 0);
	seq = 0;
	// Never-ending.
	send_fragment(c, "B", frame, 1000);
	for (int i = 0; i < 50; i++)
		send_fragment(c, "", frame, i < 5 ? 100 : i < 20 ? 0 : 300);
	rig_run(r, 20000);
	assert_int_equal(counter(CNT_mp_rx_too_big), 1);
	assert_int_equal(pool->parts[0].n, 0);
	// Too large at once, more than any mbuf holds, and above the MRRU by a byte.
	send_fragment(c, "BE", frame, 4000);
	send_fragment(c, "B", frame, 4000);
	n = make_frame(frame, 1601, IN_1, HOST, false);
	send_frame(c, frame, n, 1000);
	send_frame(c, frame, n, n);
	rig_run(r, 20000);
	assert_int_equal(counter(CNT_mp_rx_too_big), 5);
	assert_int_equal(r->nb_core, 0);
	// No header, no protocol, a fragment in a fragment, somebody else's source.
	memcpy(out, "\x10\x00\x00\x0b\xff\x03\x00\x3d\xc0\x00\x00", 11);
	rig_send_record(r, c, TLS_CT_APPLICATION_DATA, out, 11);
	send_fragment(c, "BE", "\x00", 1);
	send_fragment(c, "BE", "\x00\x3d\xc0\x00\x00\x00", 6);
	rig_run(r, 20000);
	assert_int_equal(counter(CNT_mp_rx_malformed), 3);
	n = make_frame(frame, 1500, IN_2, HOST, false);
	send_frame(c, frame, n, 1000);
	assert_int_equal(counter(CNT_inner_spoofed), 1);
	assert_int_equal(r->nb_core, 0);
	n = make_frame(frame, 1600, IN_1, HOST, false);
	send_frame(c, frame, n, 1000);
	rig_run(r, 20000);
	assert_true(r->nb_core == 2); // in IP fragments: core's MTU is 1500
	stop();
}

// ---- control frames

static void control_frames(void **state)
{
	uint8_t ipcp[64] = {0xff, 0x03, 0x80, 0x21, 1, 1, 0, 60};
	uint8_t echo[] = {0xc0, 0x21, 9, 1, 0, 8, 1, 2, 3, 4};
	uint8_t conf[] = {0xc0, 0x21, 1, 1, 0, 4}, frame[1600];
	struct rig_client *c;
	struct dp_msg *m;

	start(1600, 8192);
	c = rig_connect_sstp(r);
	set_mp(c, 1600, 1600, 0);
	seq = 0;
	// Before data pass: NCP's, whole and in pieces, but no data.
	send_frame(c, ipcp, 64, 64);
	send_frame(c, ipcp, 64, 3);
	for (int i = 0; i < 2; i++) {
		m = rig_expect(r, DP_EV_RX_SSTP);
		assert_int_equal(m->len, 68);
		assert_memory_equal(m->data, "\x10\x00\x00\x44", 4);
		assert_memory_equal(m->data + 4, ipcp, 64);
		dp_msg_free(r->ch, m);
	}
	make_frame(frame, 1500, IN_1, HOST, false);
	send_frame(c, frame, 1502, 1000);
	send_frame(c, frame, 1502, 1502);
	assert_int_equal(counter(CNT_ppp_rx_early_data), 2);
	// LCP, but nothing that would configure or end the link.
	send_frame(c, conf, sizeof(conf), 3);
	send_frame(c, conf, sizeof(conf), 100);
	send_frame(c, echo, sizeof(echo), 3);
	m = rig_expect(r, DP_EV_RX_SSTP);
	assert_memory_equal(m->data + 4, echo, sizeof(echo));
	dp_msg_free(r->ch, m);
	rig_run(r, 5000);
	assert_null(rig_event(r, DP_EV_RX_SSTP));
	assert_int_equal(counter(CNT_mp_rx_malformed), 2);
	stop();
}

// A password that came in fragments stays nowhere.
static void control_frames_wiped(void **state)
{
	uint8_t pap[] = {0xc0, 0x23, 1, 1, 0, 14, 1, 'u', 7, 's', 'e', 'c', 'r', 'e', 't', '!'};
	const uint8_t *part;
	struct rig_client *c;
	struct dp_msg *m;

	start(1600, 8192);
	c = rig_connect_sstp(r);
	set_mp(c, 1600, 1600, 0);
	seq = 0;
	send_fragment(c, "B", pap, 13);
	rig_run(r, 20000);
	part = rte_pktmbuf_mtod(session_of(c)->mp->part, const uint8_t *);
	assert_memory_equal(part, pap, 13);
	send_fragment(c, "E", pap + 13, 3);
	m = rig_expect(r, DP_EV_RX_SSTP);
	assert_memory_equal(m->data + 4, pap, sizeof(pap));
	dp_msg_free(r->ch, m);
	for (unsigned int i = 0; i < sizeof(pap); i++)
		assert_int_equal(part[i], 0);
	send_fragment(c, "B", pap, 13); // and never more
	rig_run(r, 20000);
	part = rte_pktmbuf_mtod(session_of(c)->mp->part, const uint8_t *);
	set_mp(c, 0, 0, 0);
	for (unsigned int i = 0; i < 13; i++)
		assert_int_equal(part[i], 0);
	stop();
}

// With no room for an event a control frame waits, and comes once.
static void control_frames_wait(void **state)
{
	uint8_t ipcp[64] = {0x80, 0x21, 1, 1, 0, 62};
	struct rig_client *c;
	struct dp_msg *m;
	unsigned int got = 0;

	start(1600, 8192);
	c = dial(IN_1, 1600, 1600, 0);
	seq = 0;
	for (uint8_t i = 0; i < 250; i++) {
		ipcp[3] = i;
		send_fragment(c, "B", ipcp, 30);
		send_fragment(c, i & 1 ? "E" : "", ipcp + 30, 34);
		if (!(i & 1))
			send_fragment(c, "E", ipcp, 0);
	}
	for (int i = 0; i < 2000 && got < 250; i++) {
		rig_run(r, 1000);
		while ((m = rig_event(r, DP_EV_RX_SSTP))) {
			assert_int_equal(m->data[4 + 3], got);
			assert_int_equal(m->len, 68);
			got++;
			dp_msg_free(r->ch, m);
		}
	}
	assert_int_equal(got, 250);
	assert_int_equal(counter(CNT_mp_rx_gap) + counter(CNT_mp_rx_incomplete), 0);
	stop();
}

// ---- bounds

static void oldest_gives_way(void **state)
{
	uint8_t frame[1602];
	struct rig_client *c[4], *stranger;
	uint32_t n = make_frame(frame, 1500, IN_1, HOST, false), at[4];

	start(1600, 48); // three packets in pieces
	assert_int_equal(pool->parts[0].max, 3);
	stranger = rig_connect_sstp(r);
	set_mp(stranger, 0, 1600, 0);
	for (unsigned int i = 0; i < 4; i++)
		c[i] = dial(IN_1 + i, 0, 1600, 0);
	for (unsigned int i = 0; i < 4; i++) {
		make_frame(frame, 1500, IN_1 + i, HOST, false);
		seq = 0;
		send_fragment(c[i], "B", frame, 1000);
		at[i] = seq;
		rig_run(r, 20000);
	}
	assert_int_equal(counter(CNT_mp_rx_gave_way), 1);
	// Nobody gives way to who has not logged in.
	seq = 0;
	send_fragment(stranger, "B", frame, 1000);
	rig_run(r, 20000);
	assert_int_equal(counter(CNT_mp_rx_no_memory), 1);
	for (unsigned int i = 0; i < 4; i++) {
		make_frame(frame, 1500, IN_1 + i, HOST, false);
		seq = at[i];
		send_fragment(c[i], "E", frame + 1000, n - 1000);
		rig_run(r, 20000);
		assert_int_equal(r->nb_core, i);
		if (i)
			check_core(i - 1, frame, n);
	}
	assert_int_equal(pool->parts[0].n, 0);
	// What waits when its session ends, or its bundle, goes with it.
	seq = 10;
	send_fragment(c[1], "B", frame, 1000);
	send_fragment(c[2], "B", frame, 1000);
	rig_run(r, 20000);
	assert_int_equal(pool->parts[0].n, 2);
	set_mp(c[2], 0, 0, 0);
	assert_int_equal(pool->parts[0].n, 1);
	assert_int_equal(session_of(c[2])->flags & SES_MP, 0);
	rig_abort(r, c[1]);
	rig_run(r, 5000);
	assert_int_equal(pool->parts[0].n, 0);
	stop();
}

// Packets that no mbuf holds: between two sessions, to core in IP fragments, refused with DF.
static void large_packets(void **state)
{
	static uint8_t frame[65600], got[65600];
	struct rig_client *a, *b;
	struct ppp_mp_rx rx;
	uint32_t n, sum = 0;

	start(65531, 8192);
	assert_non_null(pool->large);
	a = dial(IN_1, 65531, 65531, 0);
	b = dial(IN_2, 60000, 65531, 0);
	ppp_mp_rx_init(&rx, 60000, false);
	seq = 0;
	n = make_frame(frame, 50000, IN_1, IN_2, true);
	send_frame(a, frame, n, 1300);
	rig_run(r, 200000);
	assert_int_equal(client_packet(b, &rx, got), 50000);
	rig_packet(frame + 2, 50000, IN_1, IN_2, 63, true, 7);
	assert_memory_equal(got, frame + 2, 50000);
	// The largest there is.
	n = make_frame(frame, 65531, IN_1, HOST, false);
	send_frame(a, frame, n, 4000);
	rig_run(r, 5000);
	assert_true(r->nb_core > 40);
	for (unsigned int i = 0; i < r->nb_core; i++) {
		assert_true(r->core[i]->pkt_len <= 1500);
		sum += r->core[i]->pkt_len - 20;
	}
	assert_int_equal(sum, 65531 - 20);
	sum = r->nb_core;
	n = make_frame(frame, 3000, IN_1, HOST, true);
	send_frame(a, frame, n, 1000);
	rig_run(r, 20000);
	assert_int_equal(r->nb_core, sum);
	ppp_mp_rx_init(&rx, 65531, false);
	assert_true(client_packet(a, &rx, got) > 40); // ICMP
	assert_memory_equal(got + 20, "\x03\x04", 2);
	// One that says that it is short: what follows is padding.
	n = make_frame(frame, 100, IN_1, HOST, true);
	memset(frame + n, 0, 6000);
	send_frame(a, frame, 6000, 1000);
	rig_run(r, 5000);
	assert_int_equal(r->nb_core, sum + 1);
	check_core(sum, frame, n);
	assert_int_equal(rte_mempool_in_use_count(pool->large), 0);
	stop();
}

// Large packets that wait for a client that takes nothing, or for their rate, leave large mbufs to
// the others.
static void large_ones_wait(void **state)
{
	static uint8_t frame[65600];
	struct rig_client *a, *b, *c;
	struct dp_msg *m;
	uint32_t n;

	start(65531, 8192);
	a = dial(IN_1, 0, 65531, 0);
	b = dial(IN_2, 60000, 65531, 0);
	c = dial(IN_2 + 1, 0, 65531, 0);
	m = rig_msg(r, DP_CMD_OPEN_DATA, c->handle);
	m->u.open.inner = IN_2 + 1;
	m->u.open.local = LOCAL;
	m->u.open.mtu = MTU;
	m->u.open.mp = (struct dp_mp){.rx_mrru = 65531};
	m->u.open.rate_rx.bps = 20000000;
	rig_command(r, m);
	// b takes nothing.
	r->w->snd_max = 0;
	seq = 0;
	n = make_frame(frame, 2300, IN_1, IN_2, true);
	for (int i = 0; i < 300; i++)
		send_frame(a, frame, n, 1300);
	assert_true(session_of(b)->mp->nb_large > 60);
	assert_true(rte_mempool_avail_count(pool->large) >= pool->large->size / 2);
	assert_int_equal(session_of(b)->mp->nb_large, rte_mempool_in_use_count(pool->large));
	// c is above its rate.
	seq = 0;
	n = make_frame(frame, 2300, IN_2 + 1, HOST, false);
	for (uint32_t i = 0; i < 600; i++) {
		send_fragment(c, "B", frame, 1300);
		send_fragment(c, "E", frame + 1300, n - 1300);
		if (i % 8 == 7)
			rig_run(r, 500);
		assert_true(rte_mempool_avail_count(pool->large) >= pool->large->size / 2 - 1);
	}
	r->w->snd_max = 1000;
	rig_run(r, 1000000);
	assert_int_equal(session_of(b)->mp->nb_large, 0);
	assert_int_equal(rte_mempool_in_use_count(pool->large), 0);
	stop();
}

// The local address answers as large a ping as can be put together.
static void large_ping(void **state)
{
	static uint8_t frame[65600], got[65600];
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(frame + 2);
	struct rig_client *a;
	struct ppp_mp_rx rx;
	uint16_t sum;

	start(65531, 8192);
	assert_int_equal(dp_local_address_add(r->ch, LOCAL), 0);
	a = dial(IN_1, 65531, 65531, 0);
	ppp_mp_rx_init(&rx, 65531, false);
	seq = 0;
	make_frame(frame, 40000, IN_1, LOCAL, false);
	ip->next_proto_id = IPPROTO_ICMP;
	ip->hdr_checksum = 0;
	ip->hdr_checksum = rte_ipv4_cksum(ip);
	memcpy(frame + 22, "\x08\x00\x00\x00\x00\x01\x00\x01", 8);
	sum = (uint16_t)~rte_raw_cksum(frame + 22, 40000 - 20);
	memcpy(frame + 24, &sum, 2);
	send_frame(a, frame, 40002, 1390);
	rig_run(r, 100000);
	assert_int_equal(client_packet(a, &rx, got), 40000);
	assert_int_equal(got[20], 0);
	assert_memory_equal(got + 28, frame + 30, 40000 - 28);
	stop();
}

// All large ones are taken by packets that never end.
static void large_ones_run_out(void **state)
{
	static uint8_t frame[65600];
	struct rig_client *c[2];
	uint32_t n = make_frame(frame, 5000, IN_2, HOST, false);

	start(65531, 8192);
	pool->parts[1].max = 1;
	c[0] = dial(IN_1, 0, 65531, 0);
	c[1] = dial(IN_2, 0, 65531, 0);
	seq = 0;
	send_fragment(c[0], "B", frame, 4000);
	rig_run(r, 20000);
	assert_int_equal(pool->parts[1].n, 1);
	seq = 0;
	send_frame(c[1], frame, n, 3000);
	rig_run(r, 20000);
	assert_int_equal(counter(CNT_mp_rx_gave_way), 1);
	assert_int_equal(r->nb_core, 4);
	stop();
}

// A worker whose configuration has no MRRU, or a smaller one, takes no such session.
static void more_than_there_is_room_for(void **state)
{
	struct rig_client *c;

	start(1600, 8192);
	c = rig_connect_sstp(r);
	set_mp(c, 0, 4000, 0);
	rig_run(r, 5000);
	dp_msg_free(r->ch, rig_expect(r, DP_EV_CLOSED));
	stop();
}

static int setup(void **state)
{
	rig_eal();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(down_short_and_long),
		cmocka_unit_test(down_above_mrru),
		cmocka_unit_test(down_stalled),
		cmocka_unit_test(down_one_way_only),
		cmocka_unit_test(numbers_begin_anew),
		cmocka_unit_test(up_any_cut),
		cmocka_unit_test(up_losses),
		cmocka_unit_test(up_hostile),
		cmocka_unit_test(control_frames),
		cmocka_unit_test(control_frames_wiped),
		cmocka_unit_test(control_frames_wait),
		cmocka_unit_test(oldest_gives_way),
		cmocka_unit_test(large_packets),
		cmocka_unit_test(large_ones_wait),
		cmocka_unit_test(large_ping),
		cmocka_unit_test(large_ones_run_out),
		cmocka_unit_test(more_than_there_is_room_for),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
