// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/mp_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "protocol/sstp/sstp.h"

struct rig *mp_rig;
struct session_mp_pool *mp_pool;
uint32_t mp_seq;

void mp_start(uint16_t mrru, uint32_t nb_mbufs)
{
	mp_rig = rig_create(0x0304, TLS_AEAD_AES_256_GCM);
	mp_pool = session_mp_pool_create(0, RIG_SESSIONS, mrru, mp_rig->w->mbuf_room, nb_mbufs);
	assert_non_null(mp_pool);
	mp_rig->w->mp = mp_pool;
}

void mp_stop(void)
{
	rig_destroy(mp_rig);
	assert_int_equal(rte_mempool_in_use_count(mp_pool->states), 0);
	if (mp_pool->large)
		assert_int_equal(rte_mempool_in_use_count(mp_pool->large), 0);
	assert_int_equal(mp_pool->parts[0].n + mp_pool->parts[1].n, 0);
	session_mp_pool_destroy(mp_pool);
}

void mp_set(struct rig_client *c, uint16_t tx_mrru, uint16_t rx_mrru, uint8_t flags)
{
	struct dp_msg *m = rig_msg(mp_rig, DP_CMD_SET_MP, c->handle);

	m->u.mp = (struct dp_mp){.tx_mrru = tx_mrru, .rx_mrru = rx_mrru, .flags = flags};
	rig_command(mp_rig, m);
}

struct rig_client *mp_dial(uint32_t inner, uint16_t tx_mrru, uint16_t rx_mrru, uint8_t flags)
{
	struct rig_client *c = rig_connect_sstp(mp_rig);
	struct dp_msg *m;

	mp_set(c, tx_mrru, rx_mrru, flags);
	m = rig_msg(mp_rig, DP_CMD_OPEN_DATA, c->handle);
	c->inner = inner;
	m->u.open.inner = inner;
	m->u.open.local = MP_LOCAL;
	m->u.open.mtu = MP_MTU;
	m->u.open.mp = (struct dp_mp){.tx_mrru = tx_mrru, .rx_mrru = rx_mrru, .flags = flags};
	rig_command(mp_rig, m);
	assert_int_equal(dp_address_publish(mp_rig->ch, inner, c->handle), 0);
	return c;
}

uint16_t mp_put_fragment(
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

void mp_send_fragment(struct rig_client *c, const char *bits, const void *p, uint32_t n)
{
	uint8_t out[SSTP_MAX_PACKET];

	rig_send_record(mp_rig, c, TLS_CT_APPLICATION_DATA, out,
		mp_put_fragment(out, mp_seq++, bits, p, n, false));
}

void mp_send_frame(struct rig_client *c, const uint8_t *frame, uint32_t n, uint32_t most)
{
	for (uint32_t at = 0; at < n; at += most) {
		char bits[3] = "";

		if (!at)
			strcat(bits, "B");
		if (n - at <= most)
			strcat(bits, "E");
		mp_send_fragment(c, bits, frame + at, RTE_MIN(most, n - at));
		rig_run(mp_rig, 500);
	}
	rig_run(mp_rig, 5000);
}

uint32_t mp_make_frame(uint8_t *out, uint16_t len, uint32_t src, uint32_t dst, bool df)
{
	out[0] = 0;
	out[1] = 0x21;
	rig_packet(out + 2, len, src, dst, 64, df, 7);
	return len + 2u;
}

uint32_t mp_take_packet(struct rig_client *c, struct ppp_mp_rx *rx, uint8_t *out)
{
	uint8_t sstp[SSTP_MAX_PACKET];
	static uint8_t part[65600];
	uint16_t n;

	while ((n = rig_take_sstp(mp_rig, c, sstp))) {
		struct ppp_mp_header h;
		unsigned int told;
		uint32_t had = rx->len;
		uint8_t *p = sstp + 8;
		int off;

		assert_memory_equal(sstp + 4, "\xff\x03\x00", 3);
		if (sstp[7] == 0x21) {
			assert_true(n - 8 <= MP_MTU);
			memcpy(out, p, n - 8u);
			return n - 8u;
		}
		assert_int_equal(sstp[7], 0x3d);
		assert_true(n - 8 <= MP_MTU);
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

void mp_check_core(unsigned int i, const uint8_t *frame, uint32_t n)
{
	struct rte_mbuf *m = mp_rig->core[i];
	const uint8_t *p = rte_pktmbuf_mtod(m, const uint8_t *);

	assert_true(i < mp_rig->nb_core);
	assert_int_equal(m->pkt_len, n - 2);
	assert_int_equal(m->nb_segs, 1);
	assert_true(rte_pktmbuf_headroom(m) >= RTE_ETHER_HDR_LEN + 4);
	assert_int_equal(p[8], 63);
	assert_memory_equal(p + 12, frame + 2 + 12, n - 14);
}
